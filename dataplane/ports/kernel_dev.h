/* SPDX-License-Identifier: Apache-2.0 */
/* What ports over kernel devices (AF_PACKET, tap, internal) share: status, statistics and settings of
 * a network device by ioctl and /sys, receive buffers.  Main thread, but for rx buffers. */
#ifndef WEFT_DATAPLANE_PORTS_KERNEL_DEV_H
#define WEFT_DATAPLANE_PORTS_KERNEL_DEV_H

#include "dataplane/ports/port.h"

int kernel_dev_ifindex(const char *name); /* 0: no such device */
void kernel_dev_get_status(const char *name, struct port_status *);
/* As the kernel counts: what it received, we received. */
void kernel_dev_get_stats(const char *name, struct port_stats *);
int kernel_dev_set_mtu(const char *name, uint32_t mtu, struct wf_err *);
int kernel_dev_set_mac(const char *name, const uint8_t mac[6], struct wf_err *);
int kernel_dev_set_up(const char *name, bool up);
void kernel_dev_put_status(const char *name, void (*put)(void *aux, const char *, const char *),
			   void *aux);

/* How large the next receive buffers of a queue should be: a GSO packet seen lately makes them
 * large, so that 64 kB are never copied, and 2 kB suffice for everything else. */
struct rx_sizer {
	uint16_t large_left; /* receive calls for which large buffers are used */
};
#define RX_LARGE_CALLS 64

#endif
