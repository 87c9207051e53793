/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration has made: bridges, their ports (rows of Port) and interfaces.
 *
 *   Open_vSwitch row -> struct sw_bridge -> struct sw_port -> struct sw_iface -> struct port
 *
 * config.c compares rows with these and changes the difference; l2.c turns them into the immutable
 * structs of a view; status.c writes back what is.  Threads: main only.
 * Rows are owned by the session; 'row' pointers are set anew at each configuration.
 */
#ifndef WEFT_SWITCHD_SWITCHD_H
#define WEFT_SWITCHD_SWITCHD_H

#include "base/hmap.h"
#include "base/list.h"
#include "dataplane/ports/port.h"
#include "dataplane/view.h"
#include "ovsdb/session.h"
#include "switchd/of_switch.h"

struct sw_iface {
	struct wf_hmap_node node;       /* in sw_bridge.ifaces, by name */
	struct wf_list port_node;       /* in sw_port.ifaces */
	struct sw_bridge *bridge;
	struct sw_port *owner;
	struct ovsdb_row *row;          /* NULL: a local port that no row asks for */
	char *name, *type;
	of_port_t ofp_port;             /* OF_PORT_NONE: could not be made */
	of_port_t old_ofp_port;         /* of its device that is gone; 0: none */
	bool renumbered;                /* is to get another number; see ofport.c */
	char *error;                    /* what Interface.error says, or NULL */
	struct port *port;              /* NULL: patch port, or not made */
	bool is_patch, is_local, seen;
	char *peer;                     /* options:peer of a patch port */
	char *options_text;             /* to see a change */
	struct sw_tunnel *tunnel;       /* of a tunnel port, else NULL; tunnel.c */
	uint32_t slot, generation;      /* UINT32_MAX: none */
	struct counter *rx, *tx;        /* of a patch port */
	struct port_status status;      /* as last read */
	uint8_t mac[6];
	int64_t opened_ms;
	uint64_t link_resets_base;      /* of the device when it was opened */
	bool in_workers;                /* its queues are served */
	bool mtu_followed;              /* has the MTU of another port: it is to go with that one */
	char *htb;                      /* qos.c: linux-htb that is in force */
	struct sw_link *link;           /* uplinks.h; NULL: no bond, no LACP, no BFD */
	/* As last configured: nothing is done while these are the same. */
	const struct ovsdb_row *applied_row;
	uint64_t applied_change;
	bool dirty;                     /* its row is to be written */
	uint32_t told_not_built;        /* see not_built.c; likewise below */
};

struct sw_port {
	struct wf_hmap_node node;       /* in sw_bridge.ports, by name */
	struct sw_bridge *bridge;
	struct ovsdb_row *row;
	char *name;
	struct wf_list ifaces;
	struct bundle *bundle;          /* in the l2_config last made; valid while it is being made */
	uint32_t index;
	uint32_t told_not_built;
	struct sw_uplink *up;           /* uplinks.h; NULL: no bond and no LACP */
	bool seen;
};

struct sw_bridge {
	struct wf_hmap_node node;       /* in the table of bridges, by name */
	struct ovsdb_row *row;
	char *name, *type;              /* type: datapath_type as configured, "" is "system" */
	struct bridge *dp;
	struct of_switch *of;
	struct wf_hmap ports, ifaces;
	of_port_t last_ofp_port;
	uint32_t next_port_index;
	uint8_t mac[6];
	uint64_t datapath_id;
	char *local_ip;                 /* as last set; see local_ip.c */
	struct mcast_table *mcast;      /* NULL: multicast is not snooped */
	uint32_t told_not_built;
	bool seen;
	struct sw_mirror {
		bool in_use, seen;
		bool warned;            /* that it has no output */
		struct ovsdb_uuid uuid; /* of its row */
		struct counter *counter;
	} mirrors[MAX_MIRRORS];
};

extern struct wf_hmap sw_bridges;
extern struct ovsdb_session *sw_db;
/* Sockets that the database names must be in the run directory (--no-self-confinement:
 * anywhere). */
extern bool sw_self_confined;
/* other_config:flow-restore-wait, from the start until it is first seen off: somebody puts flows
 * back, so that no controller is connected and no packet taken from a port. */
extern bool sw_restore_wait;

struct sw_bridge *sw_bridge_find(const char *name);
struct sw_iface *sw_iface_find(const struct sw_bridge *, const char *name);
struct sw_iface *sw_iface_by_ofp_port(const struct sw_bridge *, of_port_t);
struct sw_iface *sw_iface_by_slot(uint32_t slot);
struct sw_port *sw_port_find(const struct sw_bridge *, const char *name);

/* bridge.c */
struct sw_bridge *sw_bridge_new(const char *name, const char *datapath_type, struct wf_err *);
void sw_bridge_free(struct sw_bridge *, bool destroy_ports);
void sw_bridge_set_identity(struct sw_bridge *); /* MAC and datapath id */
void sw_bridge_set_mtu(struct sw_bridge *);
void sw_bridge_configure_of(struct sw_bridge *);
/* The part of the first sw_bridge_configure_of() that takes long and needs no port. */
void sw_bridge_restore_of(struct sw_bridge *);
/* What is kept over restarts, before the first configuration is complete. */
void sw_bridge_restore_of(struct sw_bridge *);

/* iface.c */
struct sw_iface *sw_iface_new(struct sw_bridge *, struct sw_port *, const char *name);
/* Opens or adapts it to its row; what fails is in iface->error. */
void sw_iface_configure(struct sw_iface *);
void sw_iface_free(struct sw_iface *, bool destroy_port);
/* Takes the device away; the next configuration opens it again. */
void sw_iface_detach(struct sw_iface *, bool destroy_port);
void sw_iface_port_desc(const struct sw_iface *, struct of_port_desc *);
/* Reads the device's state again; true if what others see of it changed. */
bool sw_iface_refresh(struct sw_iface *);
/* Its device is no more: no port from the next publication on; the row gets an error. */
void sw_iface_gone(struct sw_iface *);

/* Says in its error whether a patch port has a peer; all bridges are built by now. */
void sw_iface_check_peer(struct sw_iface *);

/* Tells controllers of a port that is there from now on. */
void sw_iface_announce(struct sw_iface *);

/* ofport.c.  The number for a new port: the one asked for, else the one that the row had before
 * (over restarts), else the next free one. */
of_port_t sw_ofport_choose(struct sw_iface *);
/* Ports whose ofport_request changed: the same device under the number asked for.  Whoever has that
 * number without having asked for it gives way.  Rows are those of this configuration. */
void sw_ofports_renumber(struct sw_bridge *);

/* tunnel.c.  Reads options; i->tunnel is there afterwards, with the counters of i. */
int sw_tunnel_attach(struct sw_iface *, const char *type, const struct port_options *, struct wf_err *);
void sw_tunnel_detach(struct sw_iface *);
void sw_tunnels_changed(void);
bool sw_tunnels_exist(void);
/* A bridge is about to get this TLV map: flows of Geneve ports are told apart by its options. */
struct of_tlv_map;
void sw_tunnels_use_options(const struct of_tlv_map *);
void sw_tunnels_publish(void);  /* view_set_tunnels() if any changed; the caller publishes */
bool sw_tunnel_number_taken(uint32_t number);
uint32_t sw_tunnel_number(const struct sw_iface *); /* of the datapath, as users see it */
void sw_tunnel_format(const struct sw_iface *, struct wf_str *);
void sw_tunnel_init(void);
/* For another daemon (handover.h): the sockets of endpoints on the host's own addresses; taken from the
 * workers, who are through with them after a grace period; and given back. */
void sw_tunnels_give(void (*give)(const char *type, const char *name, int fd, void *aux), void *aux);
void sw_tunnels_pause(void);
void sw_tunnels_resume(void);

/* underlay.c */
void sw_underlay_init(bool with_kernel); /* false: no routes and addresses of the kernel */
void sw_underlay_changed(void);          /* addresses or routes may have */
void sw_underlay_forget(const char *device); /* it is no more: its neighbours go */

/* l2.c.  The other end of a patch port, or NULL. */
struct sw_iface *sw_patch_peer(const struct sw_iface *);
/* Publishes ports and NORMAL's configuration of a bridge (view_set_*; the caller publishes). */
void sw_bridge_publish(struct sw_bridge *);
/* Makes, configures or frees the bridge's multicast table as its row says. */
void sw_bridge_configure_mcast(struct sw_bridge *);

/* check_config.c: says what of the database's values means nothing; once for each change. */
void sw_check_config(void);
bool sw_parse_mac(const char *text_or_null, uint8_t mac[6]);
bool sw_parse_dpid(const char *text_or_null, uint64_t *dpid);
/* A number above 0 in a bridge's other_config, else 'dflt'. */
int64_t sw_positive(const struct ovsdb_row *bridge, const char *key, int64_t dflt);
/* A number from 'min' to 'max' in a map of strings, else 'dflt'. */
int64_t sw_within(const struct ovsdb_row *, enum ovsdb_column, const char *key, int64_t min, int64_t max,
		  int64_t dflt);

/* local_ip.c */
void sw_bridge_configure_local_ip(struct sw_bridge *);

/* config.c */
void sw_config_init(const char *remote, void (*first_applied)(void));
void sw_config_request(void);  /* apply again in the next turn (a device appeared, ...) */
void sw_config_exit(bool cleanup);
/* For another daemon to take over (handover.h): workers let go of all ports, take them again; ports
 * that cannot be handed over are closed; the session with the database ends, nothing else. */
void sw_ports_pause(void);
void sw_ports_resume(void);
void sw_ports_close_others(void);
void sw_config_leave(void);

/* status.c */
void sw_status_init(void);
void sw_status_write_iface(struct sw_iface *);
void sw_status_write_all(void);
void sw_status_configure(const struct ovsdb_row *root); /* stats-update-interval */

/* appctl.c */
void sw_appctl_init(void);
void sw_appctl_dpctl_init(void);
void sw_appctl_dpdk_init(void); /* once DPDK runs; any number of times */
bool sw_is_datapath(const char *name);
void sw_appctl_dpif_init(void);
void sw_appctl_fdb_init(void);
void sw_appctl_flows_init(void); /* dpctl/dump-flows, dpif/dump-flows */
void sw_appctl_mdb_init(void);
void sw_appctl_later_init(void);
bool sw_exiting(bool *cleanup);
void sw_appctl_exited(void); /* answers a pending "exit" */

/* features.c */
void sw_features_set_vlan_limit(int64_t limit); /* other_config:vlan-limit; 0: as many as we can */
void sw_features_init(void);
void sw_features_log(const char *datapath);
void sw_features_show(struct wf_str *);
void sw_features_write(struct ovsdb_row *datapath);
/* dpif/set-dp-features: 'name' and 'value' may be NULL, then it only tells; errors are told,
 * too. */
void sw_features_set(const char *name, const char *value, struct wf_str *);

/* not_built.c: says once what of the configuration has no effect yet. */
void sw_tell_not_built(struct sw_bridge *);

/* system_stats.c */
void sw_system_stats_configure(struct ovsdb_row *root);

/* system_db.c */
void sw_write_system_columns(struct ovsdb_row *root);

#endif
