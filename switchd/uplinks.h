/* SPDX-License-Identifier: Apache-2.0 */
/* Uplinks: bonds, LACP and BFD of ports and interfaces.  See docs/uplinks.md.
 *
 *   sw_port  -> struct sw_uplink: LACP's aggregator, the bond
 *   sw_iface -> struct sw_link:   LACP's member, the BFD session, the member of the bond
 *
 * Threads: main only.
 */
#ifndef WEFT_SWITCHD_UPLINKS_H
#define WEFT_SWITCHD_UPLINKS_H

#include "dataplane/bond.h"
#include "protocols/bfd.h"
#include "protocols/lacp.h"
#include "switchd/switchd.h"

struct sw_link {
	bool may_enable;                /* BFD and LACP let it carry packets */
	bool link_up;                   /* as LACP was last told */
	uint64_t link_resets;
	struct lacp_member *lacp;       /* NULL: none */
	struct bfd *bfd;                /* NULL: none */
	struct link_bfd {               /* what its packets carry */
		uint8_t src_mac[6], dst_mac[6]; /* zero: the port's, the default */
		uint8_t rmt_dst_mac[6];         /* taken only with this one; zero: with any */
		__be32 src_ip, dst_ip;
		uint16_t udp_src;
		bool check_tnl_key;
	} bfd_cfg;
	uint64_t rx_packets;            /* as last seen, for forwarding_if_rx */
	/* Member of a bond. */
	bool in_bond, enabled, is_primary;
	int64_t delay_due;              /* when 'enabled' follows; INT64_MAX: it is as it should be */
	uint64_t tx_bytes;              /* while a bond is being balanced */
};

struct sw_bond {
	/* As configured. */
	enum bond_mode mode;
	int64_t updelay, downdelay, rebalance_ms; /* 0: no rebalancing */
	uint32_t basis;
	bool all_members_active, fallback_ab, lb_output;
	char *primary;                  /* NULL: none */
	/* State. */
	enum lacp_status lacp;
	struct sw_iface *active;        /* NULL: none */
	uint8_t active_mac[6];          /* of the last one; zero: none yet */
	bool active_changed;            /* not in the database yet */
	bool send_learning;             /* peers have to learn where stations are */
	struct bond_buckets *buckets;   /* NULL with active-backup */
	uint64_t tx_bytes[BOND_BUCKETS];/* load, halved each round */
	uint64_t seen[BOND_BUCKETS];    /* bucket's bytes as last read */
	int64_t next_rebalance;
	uint32_t id;                    /* what bond/list calls the recirculation id */
};

struct sw_uplink {
	struct lacp *lacp;              /* NULL: off */
	struct sw_bond *bond;           /* NULL: one interface */
};

/* --- uplinks.c ------------------------------------------------------------------------- */
void sw_uplinks_init(void);
/* Rows -> objects; before the bridge is published. */
void sw_uplinks_configure(struct sw_bridge *);
/* The device is going; or all of it. */
void sw_uplinks_detach(struct sw_iface *);
void sw_uplinks_free_iface(struct sw_iface *);
void sw_uplinks_free_port(struct sw_port *);
/* The device's state was read again and differs: members follow at once.  Publish the bridge then. */
void sw_uplinks_link_changed(struct sw_iface *);
/* bfd_status, lacp_current. */
void sw_uplinks_write_iface(struct sw_iface *);
bool sw_iface_has_carrier(const struct sw_iface *);
/* Has it a carrier, and do LACP and BFD agree? */
bool sw_iface_may_enable(const struct sw_iface *);
/* PROTOCOL_* that it speaks. */
uint8_t sw_iface_protocols(const struct sw_iface *);
struct bfd_filter sw_iface_bfd_filter(const struct sw_iface *);
/* Something changed by hand: look again in this turn. */
void sw_uplinks_kick(void);

/* --- bond.c -------------------------------------------------------------------------------- */
void sw_bond_configure(struct sw_port *);
void sw_bond_free(struct sw_port *);
/* Returns true if what packets see of it changed. */
bool sw_bond_run(struct sw_port *, int64_t now_ms);
int64_t sw_bond_due(const struct sw_port *);
/* For a new view; 'u' has its members. */
struct bond *sw_bond_view(const struct sw_port *, const struct bundle *u);
void sw_bond_member_gone(struct sw_iface *);
void sw_bond_enable(struct sw_iface *, bool enable);
void sw_bond_set_active(struct sw_port *, struct sw_iface *);
bool sw_bond_may_teach(const struct sw_bond *);
bool sw_bond_is_balanced(const struct sw_bond *);
bool sw_bond_falls_back(const struct sw_bond *);
const char *sw_bond_mode_name(enum bond_mode);

/* --- bond_balance.c ------------------------------------------------------------------------ */
void sw_bond_count_load(struct sw_bond *);
/* Members that are enabled have changed. */
void sw_bond_deal(struct sw_port *);
void sw_bond_rebalance(struct sw_port *);

/* --- bond_teach.c -------------------------------------------------------------------------- */
void sw_bond_teach_start(struct sw_port *);
/* Sends learning packets for all bonds that ask for it, some in each turn.  Returns after how many
 * milliseconds it has more to do, -1: nothing. */
int64_t sw_bond_teach_run(int64_t now_ms);
void sw_bond_teach_forget(struct sw_port *);

/* --- uplinks_show.c ------------------------------------------------------------------------- */
void sw_uplinks_show_init(void);

#define sw_bond_for_each_member(I, PORT)                                                       \
	wf_list_for_each (I, port_node, &(PORT)->ifaces)                                        \
		if ((I)->link && (I)->link->in_bond)

#endif
