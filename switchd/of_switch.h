/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenFlow switch of one bridge: what controllers and ovs-ofctl talk to.
 *
 * switchd/bridge*.c (configuration) makes it, tells it of ports and settings, and answers its
 * questions about ports; switchd/of_*.c (the agent) owns the sessions, applies messages to the rule
 * store (dataplane/rule.h, view.h) and tells controllers what happens.
 * Threads: main only.
 */
#ifndef WEFT_SWITCHD_OF_SWITCH_H
#define WEFT_SWITCHD_OF_SWITCH_H

#include "base/err.h"
#include "dataplane/translate.h"
#include "dataplane/view.h"
#include "openflow/msg_port.h"
#include "openflow/msg_queue.h"

struct of_switch;

enum of_fail_mode { OF_FAIL_SECURE, OF_FAIL_STANDALONE };

struct of_controller_config { /* a Controller row */
	const char *target;         /* "tcp:127.0.0.1:6653", "ptcp:6653", "unix:..." */
	int max_backoff_ms;         /* default 8000 */
	int inactivity_probe_ms;    /* default 5000; 0: none */
	bool enable_async;          /* enable_async_messages */
	int controller_rate_limit, controller_burst_limit; /* 0: none */
	int queue_size;
	bool in_band;               /* connection_mode; see of_in_band.c */
	bool is_service;            /* "type": service controllers do not decide fail mode */
	unsigned dscp;
};
struct of_controller_status {
	bool is_connected;
	const char *role;           /* "master", "slave", "other" */
	const char *state;          /* "ACTIVE", "IDLE", "BACKOFF", ... */
	const char *last_error;     /* or NULL */
	int64_t sec_since_connect, sec_since_disconnect; /* -1: never */
};
struct of_table_config { /* a Flow_Table row */
	unsigned table_id;
	const char *name;
	unsigned max_flows;         /* UINT_MAX: no limit */
	bool evict;                 /* overflow_policy=evict */
	unsigned n_groups;          /* eviction groups: subfields */
	const char *const *groups;
	unsigned n_prefixes;
	const char *const *prefixes;
};
struct of_switch_config {
	uint64_t datapath_id;
	uint32_t versions;          /* bitmap of allowed versions; 0: all */
	enum of_fail_mode fail_mode;
	const char *dp_desc, *serial_desc; /* or NULL */
	unsigned n_controllers;
	const struct of_controller_config *controllers;
	unsigned n_snoops;          const char *const *snoops;
	unsigned n_tables;          const struct of_table_config *tables;
	uint32_t flow_limit_pad;
	bool frag_reassemble_pad;
	unsigned n_in_band_remotes; /* managers that are reached through the switch: "tcp:IP:PORT" */
	const char *const *in_band_remotes;
	int in_band_queue;          /* of what in-band control sends; -1: none */
	bool flow_restore_wait;     /* no controllers until it is cleared */
	unsigned max_pending_bytes; /* per connection that does not read, default 16 MB */
};

/* What the agent asks of the bridge. */
struct of_switch_ops {
	/* PORT_MOD: apply the configuration bits; 0 or a negative errno. */
	int (*port_mod)(void *aux, of_port_t, uint32_t config);
	bool (*port_stats)(void *aux, of_port_t, struct of_port_stats *);
	/* Queues of a port (QoS of the Port row): calls fn for each. */
	void (*queues)(void *aux, of_port_t, void (*fn)(void *fn_aux, uint32_t queue_id),
			void *fn_aux);
	/* Duration etc. come from the agent; counters from here: false if there is no such
	 * queue. */
	bool (*queue_stats)(void *aux, of_port_t, uint32_t queue_id, uint64_t *tx_bytes,
			    uint64_t *tx_packets, uint64_t *tx_errors, int64_t *created_ms);
	/* Flow standalone: the agent adds and removes the NORMAL rule itself. */
};

/* Makes the switch of 'bridge'; listens on RUNDIR/NAME.mgmt (and .snoop while controllers are
 * configured).  'err' if a socket cannot be opened. */
struct of_switch *of_switch_new(struct bridge *bridge, const struct of_switch_ops *, void *aux,
				struct wf_err *err);
/* 'forget': the flows go with it (the bridge is deleted). Closes all sessions. */
void of_switch_free(struct of_switch *);
/* The part of the first configuration that needs no port: whose flows these are, and those that are kept
 * over restarts.  of_switch_configure() does it if nobody did. */
void of_switch_restore(struct of_switch *, const struct of_switch_config *);
bool of_switch_is_restored(const struct of_switch *);
void of_switch_configure(struct of_switch *, const struct of_switch_config *);

/* Ports: the agent keeps descriptions, answers PORT_DESC and sends PORT_STATUS. */
void of_switch_port_add(struct of_switch *, const struct of_port_desc *);
void of_switch_port_change(struct of_switch *, const struct of_port_desc *);
void of_switch_port_del(struct of_switch *, of_port_t);
/* Configuration bits as PORT_MOD left them. */
uint32_t of_switch_port_config(const struct of_switch *, of_port_t);

/* By index into config.controllers; false: no such. */
bool of_switch_controller_status(const struct of_switch *, const char *target, unsigned nth_passive,
				 struct of_controller_status *);

/* unixctl. */
void of_switch_dump_flows(struct of_switch *, struct wf_str *, bool offload_stats); /* bridge/dump-flows */
void of_switch_reconnect(struct of_switch *);
/* While another daemon is in charge: services are configured, but nobody listens or connects. */
void of_services_hold(void);
void of_services_let_go(void);
/* What was edited is in force, as before a reply. */
void of_publish(void);
struct wf_listener;
void of_listeners_for_each(void (*fn)(const struct wf_listener *, void *aux), void *aux);
void of_switch_format_connections(struct of_switch *, struct wf_str *);
/* Registers ofproto/list, ofproto/trace, ofproto/trace-packet-out, bridge/dump-flows,
 * bridge/reconnect ... */
void of_unixctl_init(void);

/* Once, before the first switch: slow-path handlers, reaping of rules, expiry timers. */
void of_init(void);
/* Open_vSwitch.other_config:bundle-idle-timeout, in seconds; 0: the default, 10. */
void of_set_bundle_idle_timeout(unsigned seconds);
/* Open_vSwitch.other_config:weft-max-flows: flows of all bridges, with those that wait in bundles;
 * 0: the default, what half of the machine's memory holds, 1 million at least. */
void of_set_max_flows(unsigned n);
/* All switches: counted for memory/show ("ofconns:2 ports:3 rules:5 ..."). */
void of_memory_usage(void (*put)(void *aux, const char *name, unsigned n), void *aux);
struct of_switch *of_switch_find(const char *bridge_name);

#endif
