/* SPDX-License-Identifier: Apache-2.0 */
/* What ports over kernel devices (AF_PACKET, tap, internal) share: status, statistics and settings of
 * a network device, in our network namespace or another one; receive buffers.
 * Threads: main, but for rx_sizer. */
#ifndef WEFT_DATAPLANE_PORTS_KERNEL_DEV_H
#define WEFT_DATAPLANE_PORTS_KERNEL_DEV_H

#include <sys/types.h>

#include "dataplane/ports/port.h"

/* Sockets that were made inside a network namespace, by which its devices are reached. */
struct kernel_ns {
	int ioctl_fd, netlink_fd;
	int event_fd;        /* a netlink socket that hears of links; -1 in our own: watch.c does */
	ino_t inode;         /* which namespace it is */
};

/* Our own; never freed. */
struct kernel_ns *kernel_ns_own(void);
/* The namespace of 'fd' (of /proc/PID/ns/net, /run/netns/NAME, ...), which stays the caller's; NULL
 * if it cannot be entered.  kernel_ns_free() takes kernel_ns_own() and NULL, too. */
struct kernel_ns *kernel_ns_open(int fd);
void kernel_ns_free(struct kernel_ns *);
/* Calls fn(arg) with the thread inside the namespace of 'fd', and returns what it returns; -errno if
 * it cannot be entered. */
int kernel_ns_run(int fd, int (*fn)(void *), void *arg);
/* Descriptor of the namespace with that inode, among /run/netns/ and those of processes; -1: none. */
int kernel_ns_find(ino_t inode);

int kernel_dev_ifindex(const struct kernel_ns *, const char *name); /* 0: no such device */
void kernel_dev_get_status(const struct kernel_ns *, const char *name, struct port_status *);
/* As the kernel counts: what it received, we received. */
void kernel_dev_get_stats(const struct kernel_ns *, const char *name, struct port_stats *);
int kernel_dev_set_mtu(const struct kernel_ns *, const char *name, uint32_t mtu, struct wf_err *);
int kernel_dev_set_mac(const struct kernel_ns *, const char *name, const uint8_t mac[6],
		       struct wf_err *);
int kernel_dev_set_up(const struct kernel_ns *, const char *name, bool up);
void kernel_dev_put_status(const struct kernel_ns *, const char *name,
			   void (*put)(void *aux, const char *, const char *), void *aux);
/* Name of the driver, "" if unknown. */
void kernel_dev_driver(const struct kernel_ns *, const char *name, char *driver, size_t size);
/* Does the other end of a veth leave checksums open?  1: yes, 0: no, -1: it cannot be seen. */
int kernel_dev_peer_offloads(const struct kernel_ns *, const char *name);

/* How large the next receive buffers of a queue should be: a GSO packet seen lately makes them
 * large, so that 64 kB are never copied, and 2 kB suffice for everything else. */
struct rx_sizer {
	uint16_t large_left; /* receive calls for which large buffers are used */
};
#define RX_LARGE_CALLS 64
/* Large packets of one receive call: half a megabyte stays in the core's cache and in the thread's list
 * of free buffers; twice as many does neither. */
#define RX_LARGE_BURST 8

/* Where the rest of a large packet goes while small buffers are out: PKT_LARGE_ROOM bytes for packet
 * 'i' of a burst, one area a thread, touched by large packets only. */
uint8_t *rx_overflow(unsigned i);
/* One packet of 'size' bytes, of which the first PKT_SMALL_ROOM are in the small 'm' (which is taken
 * over) and the others in rx_overflow(i); NULL when memory is out. */
struct rte_mbuf *rx_join(struct rte_mbuf *m, uint32_t size, unsigned i);

#endif
