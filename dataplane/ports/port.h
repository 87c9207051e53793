/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: where packets come from and go to.
 *
 * A class is one kind of port (kernel device, tap, DPDK device, vhost-user, dummy, ...),
 * one file each.  Patch ports are not here: the translator walks through them.
 *
 * Life:  open (main) -> published in a view -> rx/tx (workers) -> unpublished -> grace
 * period -> close (main).  rx of one queue is called by one worker at a time; tx of a port
 * may be called by several workers at once with different 'txq' (< n_txq) or, if n_txq is 1,
 * the caller holds port->tx_lock.
 */
#ifndef WEFT_DATAPLANE_PORTS_PORT_H
#define WEFT_DATAPLANE_PORTS_PORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "dataplane/packet.h"

#define PORT_MAX_QUEUES 64

struct port_stats { /* names of Interface.statistics; UINT64_MAX: not known */
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped,
		tx_dropped, multicast, collisions, rx_length_errors, rx_over_errors, rx_crc_errors,
		rx_frame_errors, rx_fifo_errors, rx_missed_errors, tx_aborted_errors,
		tx_carrier_errors, tx_fifo_errors, tx_heartbeat_errors, tx_window_errors;
};

struct port_status {
	bool admin_up, link_up, has_carrier_info;
	uint64_t link_speed_bps; /* 0: unknown */
	bool full_duplex;
	uint32_t mtu;            /* 0: none */
	uint8_t mac[6];
	int ifindex;             /* 0: none */
	uint64_t link_resets;
	uint32_t seq;            /* changes when any of the above changed */
	bool gone;               /* the device that was opened is no more: close, and open again */
};

struct port_address { uint8_t ip[16]; uint8_t plen; }; /* IPv4: mapped, 96 + its prefix length */

/* Options of the Interface row: sorted key/value pairs. */
struct port_options { unsigned n; const char **keys, **values; };
const char *port_option(const struct port_options *, const char *key); /* NULL if absent */

struct port;
struct port_class {
	const char *type;        /* Interface.type: "system", "internal", "tap", "dpdk", ... */
	/* May ports of this type be made at all now (DPDK runs, dummies are enabled)?  NULL: always. */
	bool (*available)(void);
	/* Is it in Open_vSwitch.iface_types now?  NULL: as 'available'. */
	bool (*listed)(void);
	/* Opens device 'name'.  -ENODEV when a kernel device does not exist (yet): the caller tries
	 * again when it appears.  On failure 'err' is what Interface.error will say. */
	int (*open)(const char *name, const struct port_options *, struct port **, struct wf_err *);
	/* New options; may be NULL (then: close and open).  Returns 0, or -EAGAIN: must be opened again. */
	int (*set_options)(struct port *, const struct port_options *, struct wf_err *);
	void (*close)(struct port *, bool destroy); /* destroy: delete the tap too */
	/* Up to 'max' packets; the port field of the mbuf is not used.  Wrong or short frames are
	 * counted by the class.  0: nothing now. */
	unsigned (*rx)(struct port *, unsigned rxq, struct rte_mbuf **, unsigned max);
	/* Takes all packets over.  What cannot be sent is freed and counted as DROP_OUT_TX_*
	 * (the return value says how many were sent). 'pkts' have offload flags that 'caps' allow. */
	unsigned (*tx)(struct port *, unsigned txq, struct rte_mbuf **, unsigned n);
	/* A file descriptor that is readable when rx would give something; -1: must be polled. */
	int (*rx_fd)(const struct port *, unsigned rxq);
	void (*get_stats)(struct port *, struct port_stats *);
	void (*get_status)(struct port *, struct port_status *);
	int (*set_mtu)(struct port *, uint32_t mtu, struct wf_err *);
	int (*set_mac)(struct port *, const uint8_t mac[6], struct wf_err *);
	int (*set_up)(struct port *, bool up);
	/* IP addresses that are not the kernel's to know (dummies); returns how many, at most 'room'.
	 * NULL: none. */
	unsigned (*get_addresses)(struct port *, struct port_address *, unsigned room);
	/* Lets packets go through the device's queueing discipline, by the class that their queue says,
	 * or past it (as ports start).  NULL: it has none. */
	int (*use_qdisc)(struct port *, bool use);
	/* The descriptor of rx_fd() is all that makes the port: the next daemon can go on with it
	 * (handed.h). */
	bool fd_is_all;
	/* Another process may have it open at the same time, and both receive the same packets: so the next
	 * daemon opens it before this one lets go.  NULL: none may. */
	bool (*may_share)(const struct port_options *);
	/* What has been received until now is dropped. */
	void (*discard_rx)(struct port *);
	/* Interface.status: calls put(aux, key, value) for each pair. */
	void (*put_status)(struct port *, void (*put)(void *aux, const char *, const char *), void *aux);
};

/* What a port takes as it is, so that nobody has to switch offloads off. */
#define PORT_CAP_TSO 1u   /* TCP GSO packets whole */
#define PORT_CAP_CSUM 2u  /* unfinished L4 checksums */
#define PORT_CAP_UFO 4u   /* UDP GSO */

struct port {
	const struct port_class *class;
	char name[64];
	unsigned n_rxq, n_txq;
	_Atomic unsigned caps;   /* PORT_CAP_* for tx; a guest that connects again may change them */
	bool polled;             /* needs a polling worker */
	bool shared;             /* class->may_share() of its options */
	uint32_t max_frame;      /* MTU + headers, 0: no limit */
	pthread_spinlock_t tx_lock;
	uint32_t slot;           /* set by the datapath */
	/* Main sets, workers read. */
	_Atomic uint8_t protocols;             /* whose frames go to main: protocol_rx.h */
	struct policer *_Atomic rx_policer;    /* policer.h; NULL: none */
	struct policer *_Atomic tx_policer;
	void *impl;              /* the class's own state */
};

const struct port_class *port_class(const char *type); /* NULL: no such type */
/* Types for Open_vSwitch.iface_types; DPDK's only once DPDK runs. */
unsigned port_class_types(const char *types[], unsigned room);
/* --enable-dummy[=override|system]: types "dummy", ...; with an argument they take the place of others. */
void ports_enable_dummy(const char *level_or_null);
void port_init(struct port *, const struct port_class *, const char *name);
/* At exit, after the last port was closed: what is still being closed ends.  Main. */
void ports_exit(void);
/* At the end of a thread that received: what ports keep for it. */
void ports_thread_done(void);

/* other_config of Open_vSwitch: what DPDK will be started with (dpdk-init, dpdk-extra,
 * dpdk-lcore-mask, dpdk-socket-mem, dpdk-socket-limit, dpdk-hugepage-dir, vhost-sock-dir).  Starts
 * it, in a thread of its own, if dpdk-init says "true" or "try" or a port is going to need it, and it
 * does not say "false"; the first port that needs it waits for the thread.  'devices' are dpdk-devargs of
 * ports that will be opened: they are probed at once.  'virtual_only': neither they nor others are devices of
 * a bus, so far, which makes the start quicker.  Main. */
void ports_configure_dpdk(const struct port_options *other_config, const char *const devices[],
			  unsigned n_devices, bool virtual_only, bool needed);
/* A device that a driver makes by its name, not one of a bus. */
bool ports_device_is_virtual(const char *devargs);
/* port_class.may_share() of a DPDK device. */
bool ports_may_share(const char *devargs);
/* Waits for the thread, if there is one.  A failure was logged. */
void ports_configure_dpdk_end(void);
const char *ports_dpdk_version(void); /* NULL: DPDK does not run */
/* What DPDK says of its memory pools (of the port's, or of all: NULL) and cores; to be freed.  NULL: not a port
 * of DPDK's, or no memory.  DPDK must run. */
char *ports_dpdk_mempools(const struct port *);
char *ports_dpdk_lcores(void);

/* Device events of the kernel, and of classes without kernel devices: called on main with the name
 * of a device that appeared, changed, was renamed (with both names) or vanished; NULL: any may
 * have.  Events that come together are told once. */
void ports_watch_devices(void (*changed)(const char *name, void *aux), void *aux);

#endif
