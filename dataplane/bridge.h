/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge as the packet path sees it: tables, groups, meters, ports and the L2 switch.
 *
 * Owned and changed by the main thread; what workers read is either inside struct view
 * (view.h), versioned (rules), or immutable and published by pointer with a grace period.
 */
#ifndef WEFT_DATAPLANE_BRIDGE_H
#define WEFT_DATAPLANE_BRIDGE_H

#include "dataplane/rule.h"

#define N_TABLES 255
#define TABLE_INTERNAL 254 /* hidden rules; not shown, not counted in n_tables features (254) */

/* --- Groups: immutable, replaced whole, reclaimed by RCU ----------------------- */
enum group_type { GROUP_ALL, GROUP_SELECT, GROUP_INDIRECT, GROUP_FF }; /* OFPGT_* */

struct bucket {
	uint32_t bucket_id;
	uint16_t weight;
	of_port_t watch_port;     /* OF_PORT_ANY: none */
	uint32_t watch_group;     /* OFPG_ANY 0xffffffff: none */
	struct counter *counter;  /* kept over a modification that keeps the bucket */
	struct rule_actions *actions;
	uint64_t hash_id;         /* for weighted rendezvous; equals bucket_id mixed */
};

struct group {
	uint32_t id;
	enum group_type type;
	struct bridge *bridge;
	struct counter *counter;
	uint32_t n_buckets;
	struct bucket *buckets;
	/* Selection (select groups). */
	char selection_method[16];  /* "" (default), "hash", "dp_hash" */
	uint64_t selection_param;
	uint32_t n_hash_fields;
	struct { uint16_t field; union of_value mask; } *hash_fields;
	int64_t created_ms, modified_ms;
	_Atomic uint32_t refs;      /* plans; 1 for being in the bridge */
	uint64_t version;           /* of the view that brought it */
};
void group_ref(struct group *);
void group_unref(struct group *);
/* Is the bucket alive in this view: watch_port up and present, watch_group alive (to depth 8)? */
struct view;
bool bucket_is_alive(const struct view *, const struct bridge *, const struct bucket *);

/* --- Meters --------------------------------------------------------------------- */
struct meter_band { uint16_t type; /* 1 drop, 2 DSCP remark */ uint8_t prec_level; uint32_t rate, burst;
		    _Atomic uint64_t packets, bytes; _Atomic int64_t tokens; _Atomic int64_t filled_us; };
struct meter {
	uint32_t id;
	uint16_t flags;             /* OFPMF_* as sent: KBPS 1, PKTPS 2, BURST 4, STATS 8 */
	uint32_t n_bands;
	_Atomic uint64_t packets_in, bytes_in;
	int64_t created_ms;
	uint32_t n_flows;           /* writer's: rules that use it */
	_Atomic uint32_t refs;
	struct meter_band bands[];
};
void meter_ref(struct meter *);
void meter_unref(struct meter *);

/* --- Ports of the bridge, as the translator reads them (immutable, in the view) ----- */
enum { /* OFPPC_* and OFPPS_*, bits as in OpenFlow 1.0/1.1+ where they agree */
	PC_PORT_DOWN = 1 << 0, PC_NO_STP = 1 << 1, PC_NO_RECV = 1 << 2, PC_NO_RECV_STP = 1 << 3,
	PC_NO_FLOOD = 1 << 4, PC_NO_FWD = 1 << 5, PC_NO_PACKET_IN = 1 << 6,
};
struct bond; /* bond.h */
/* Which frames that look like BFD are the port's own: others are traffic. */
struct bfd_filter {
	uint8_t dst_mac[6];         /* zero: any */
	bool check_tnl_key;         /* only with a tunnel key of 0 */
	__be32 dst_ip;              /* 0: any */
};
struct xport {
	of_port_t ofp_port;
	uint32_t slot, generation;
	uint32_t config;            /* PC_* */
	bool may_enable;            /* link is up and no protocol blocks it */
	bool is_patch, is_tunnel, is_internal;
	uint8_t protocols;          /* that the switch speaks here (protocol_rx.h) */
	struct bfd_filter bfd;
	struct bridge *peer_bridge; /* patch: other end, NULL if not connected */
	of_port_t peer_port;
	struct bundle *bundle;      /* NORMAL: the OVSDB Port it belongs to, NULL: none */
	uint16_t max_len_pad;
	char name[64];
	uint8_t mac[6];
	struct counter *rx_patch, *tx_patch; /* statistics of a patch port */
};
struct of_tlv_map;
struct xport_set { /* sorted by ofp_port, and a hash */
	uint32_t n;
	uint32_t hash_mask;
	uint32_t *hash;             /* index + 1 into ports, 0 empty; linear probing */
	struct xport ports[];
};

enum vlan_mode { VLAN_ACCESS, VLAN_TRUNK, VLAN_NATIVE_TAGGED, VLAN_NATIVE_UNTAGGED, VLAN_DOT1Q_TUNNEL };
struct queue_dscp { uint32_t queue; uint8_t tos; };
struct bundle { /* an OVSDB Port: one interface, or several if a bond */
	char name[64];
	uint32_t index;             /* bit in mirrors' sets; stable while the port lives */
	enum vlan_mode mode;
	int vlan;                   /* -1: none */
	uint64_t *trunks;           /* 4096 bits, NULL: all */
	uint64_t *cvlans;           /* likewise, for dot1q-tunnel */
	uint16_t qinq_ethtype;      /* 0x88a8 default, or 0x8100 */
	uint8_t use_priority_tags;  /* 0 never, 1 if-nonzero, 2 always */
	bool protected, floodable;
	bool mcast_flood, mcast_flood_reports; /* gets all multicast; all reports of membership */
	bool mac_learning_limited;  uint32_t mac_limit_pad;
	uint32_t n_members;
	of_port_t members[8];       /* the first one stands for all in the MAC table */
	struct bond *bond;          /* owned; NULL: it is none */
	uint64_t src_mirrors, dst_mirrors; /* sets of mirror indexes */
	uint64_t mirror_out;        /* mirrors for which this is the output port */
	uint32_t n_dscps;
	struct queue_dscp *dscps;   /* Queue:dscp: what leaves by this queue is marked */
};
/* The TOS byte (without ECN) for packets that leave by 'queue'; false: theirs stays. */
static inline bool
bundle_dscp(const struct bundle *u, uint32_t queue, uint8_t *tos)
{
	for (uint32_t i = 0; u && i < u->n_dscps; i++) {
		if (u->dscps[i].queue == queue) {
			*tos = u->dscps[i].tos;
			return true;
		}
	}
	return false;
}
#define MAX_MIRRORS 32
struct mirror {
	bool in_use;
	char name[64];
	uint64_t *vlans;            /* 4096 bits, NULL: all */
	bool select_all;
	struct bundle *out;         /* output bundle, or */
	int out_vlan;               /* RSPAN VLAN, -1 */
	uint16_t snaplen;           /* 0: whole */
	uint64_t dup_mirrors;
	struct counter *counter;
};
/* Everything NORMAL needs; immutable, in the view. */
struct l2_config {
	uint32_t n_bundles;
	struct bundle **bundles;
	struct mirror mirrors[MAX_MIRRORS];
	bool has_mirrors, forward_bpdu;
	uint64_t *flood_vlans;      /* VLANs without learning, NULL: none */
	struct mcast_table *mcast;  /* mcast_table.h; NULL: multicast is not snooped */
	bool mcast_drop_unregistered; /* groups without members are not flooded */
};

struct bridge_view { /* one bridge inside a view; immutable */
	struct bridge *bridge;
	uint64_t datapath_id;
	const struct xport_set *ports;
	const struct l2_config *l2;
	struct group *const *groups; /* hash by id, group_mask + 1 entries, linear probing */
	uint32_t group_mask, n_groups;
	struct meter *const *meters; /* hash by id, as groups */
	uint32_t meter_mask, n_meters;
	uint8_t frag_mode;          /* OFPC_FRAG_NORMAL 0, DROP 1, REASM 2, NX_MATCH 3 */
	bool fail_standalone_pad;
	uint8_t egress_table;       /* the first one (OpenFlow 1.5), 0: none */
	bool miss_default;          /* MISS_CONTROLLER_1_0 means a packet-in now */
	const struct of_tlv_map *tlv_map; /* which tunnel option is which field; NULL: none */
};

struct bridge {
	char name[64];
	uint32_t index;             /* in view->bridges */
	struct table tables[N_TABLES];
	struct mac_table *macs;     /* normal.h; made and freed by whoever made the bridge's L2 */
	/* Writer's. */
	struct wf_hmap rules_by_cookie;
	struct wf_list expirable;
	void *of;                   /* the OpenFlow agent's struct */
	_Atomic uint32_t refs;      /* 1 for existing, 1 for each plan that counts in its tables */
};
/* A plan may outlive the bridge in a worker's cache and still have packets to count. */
void bridge_ref(struct bridge *);
void bridge_unref(struct bridge *); /* any thread; freed after a grace period */

/* A set of 'n' ports, to be filled in and then hashed; one heap block. */
struct xport_set *xport_set_new(uint32_t n);
void xport_set_hash(struct xport_set *);
const struct xport *xport_find(const struct xport_set *, of_port_t);
struct group *group_find(const struct bridge_view *, uint32_t id);
struct meter *meter_find(const struct bridge_view *, uint32_t id);

#endif
