/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels as the packet path sees them: the tunnel ports of all bridges, and the underlay that carries
 * them.  docs/tunnels.md is the design.
 *
 * Main makes both aside; workers read them between quiescent points:
 *   tunnel_view   ports and endpoints; in struct view, so that it changes with the bridges' ports
 *   underlay      our bridges' addresses, routes and neighbours; a pointer of its own, because it
 *                 changes with the network: plans that asked it hold stamps (underlay_stamp_*()).
 */
#ifndef WEFT_DATAPLANE_TUNNEL_H
#define WEFT_DATAPLANE_TUNNEL_H

#include "dataplane/view.h"
#include "tunnels/config.h"
#include "tunnels/neigh.h"
#include "tunnels/port_map.h"
#include "tunnels/route.h"

/* A kind of tunnel at a UDP port (or IP protocol): what Open vSwitch makes a datapath port of.  Tunnel
 * ports share it. */
struct tunnel_endpoint {
	enum tnl_type type;
	bool is_ip6_type;       /* of the first of its ports; for texts */
	uint16_t udp_port;      /* 0: GRE, ERSPAN */
	unsigned exts;          /* of VXLAN, as the first of its ports has them */
	uint32_t number;        /* its number as users see it */
	char name[24];          /* vxlan_sys_4789 */
	/* The host's sockets (ports/tunnel.h): 'slot' is UINT32_MAX without any. */
	uint32_t slot, generation;
};

/* What outlives a change of configuration. */
struct tunnel_state {
	_Atomic uint32_t refs;
	_Atomic uint32_t seq;   /* GRE: the next sequence number */
	struct counter *rx, *tx;
#define TUNNEL_N_TOLD 64
	/* options:pmtud: when (low 32 bits) a flow (its hash) was told last that its packets are too big. */
	_Atomic uint64_t told[TUNNEL_N_TOLD];
};
struct tunnel_state *tunnel_state_new(void);
void tunnel_state_unref(struct tunnel_state *); /* any thread; freed after a grace period */

struct tunnel_port {
	struct tnl_config config;
	struct bridge *bridge;
	of_port_t ofp_port;
	uint32_t slot, generation; /* flows of what it received */
	uint32_t endpoint;         /* index */
	struct tunnel_state *state;
	struct frozen *frozen;     /* "output to this port", for NORMAL; made with the view */
};

struct tunnel_view { /* immutable */
	uint32_t n_endpoints, n_ports;
	struct tunnel_endpoint *endpoints;
	struct tunnel_port *ports; /* by slot, ascending */
	struct tnl_port_map *map;  /* entry.port: index into ports */
};
/* Takes over the arrays; the states get a reference. */
struct tunnel_view *tunnel_view_new(struct tunnel_endpoint *, uint32_t n_endpoints, struct tunnel_port *,
				    uint32_t n_ports);
void tunnel_view_free(struct tunnel_view *);
const struct tunnel_port *tunnel_port_by_slot(const struct tunnel_view *, uint32_t slot);
/* The port that a packet with this tunnel metadata came in by. */
const struct tunnel_port *tunnel_port_receive(const struct tunnel_view *, uint32_t endpoint_number,
					      const struct of_key *);

/* The continuation "output to this port of the bridge", with these tunnel values (NULL: none); a
 * reference. */
struct frozen *frozen_for_output(struct bridge *, of_port_t, const struct of_key *tunnel, int depth_left);

/* --- Metadata ------------------------------------------------------------------------------ */

/* Outer values <-> the tunnel part of a key.  Options go through the TLV map (openflow/tlv_map.h). */
bool tunnel_meta_to_key(const struct tnl_meta *, const struct of_tlv_map *, struct of_key *);
static inline bool
tunnel_key_is_set(const struct of_key *k)
{
	return k->tun_dst || !IN6_IS_ADDR_UNSPECIFIED(&k->tun_ipv6_dst);
}
#define TUNNEL_PART_OFS offsetof(struct of_key, tun_id)
#define TUNNEL_PART_SIZE (offsetof(struct of_key, dl_dst) - offsetof(struct of_key, tun_id))
static inline void
tunnel_part_copy(struct of_key *to, const struct of_key *from)
{
	memcpy((uint8_t *)to + TUNNEL_PART_OFS, (const uint8_t *)from + TUNNEL_PART_OFS,
	       TUNNEL_PART_SIZE);
}
/* The same of those bits that are set in 'bits' (TUNNEL_PART_SIZE bytes; NULL: none). */
void tunnel_part_merge(struct of_key *to, const struct of_key *from, const uint8_t *bits);

/* --- The underlay ----------------------------------------------------------------------------- */

struct underlay_address { /* of a bridge's LOCAL port, or another port with addresses */
	char bridge[64], dev[64]; /* dev: the port */
	const struct bridge *dp; /* the bridge; may have gone: to be compared only */
	uint32_t slot;
	of_port_t ofp_port;
	uint8_t mac[6];
	struct tnl_address a;
};

struct underlay {
	uint32_t n_addresses;
	struct underlay_address *addresses;
	struct tnl_routes *routes;
	struct tnl_neighs *neighs;
};
/* Never NULL after underlay_init().  Readers: between quiescent points. */
const struct underlay *underlay_get(void);
void underlay_init(void);
/* Main: takes it over.  'what' changed: plans that depend on it walk again. */
#define UNDERLAY_ROUTES 1u
#define UNDERLAY_NEIGHS 2u
void underlay_publish(struct underlay *, unsigned what);
const _Atomic uint64_t *underlay_stamp_routes(void);
const _Atomic uint64_t *underlay_stamp_neighs(void);

/* A neighbour is wanted: a worker asks, main answers by sending a request (at most one a second for
 * each).  Dropped silently when too many are wanted at once; the next packet asks again. */
struct underlay_wish { char bridge[64], dev[64]; struct in6_addr source, target; };
void underlay_wish(const struct underlay_wish *);
void underlay_set_wish_handler(void (*fn)(const struct underlay_wish *));
void underlay_run(void); /* main, once a loop: hands the wishes over */
/* What was snooped from a packet to a port with addresses. */
void underlay_learn(const char *bridge, const struct in6_addr *, const uint8_t mac[6]);
void underlay_set_learn_handler(void (*fn)(const char *bridge, const struct in6_addr *, const uint8_t mac[6]));

/* --- Operations (run_tunnel.c) ------------------------------------------------------------------- */

#define TUNNEL_TOS_INHERIT 1u /* DSCP of the inner IP header */
#define TUNNEL_TTL_INHERIT 2u
#define TUNNEL_PMTUD 4u /* tell who sends what does not fit the path */
#define TUNNEL_HAS_KEY 8u
#define TUNNEL_GOES_ON 16u /* for text: something follows, for which the packet is as before */
struct op_tunnel_push {
	struct plan_op op;         /* u8: TUNNEL_*_INHERIT; u16: where the nested ops begin */
	struct tunnel_state *state; /* reference */
	struct bridge *underlay;   /* SEND: NULL */
	uint32_t number;           /* of the endpoint, for text */
	uint32_t out_number;       /* slot of the underlay's port that has the address, for text */
	uint32_t generation;       /* SEND: of the sockets' slot, which is out_number */
	uint32_t mark;             /* SEND */
	uint32_t slot, slot_generation; /* of the tunnel port */
	uint64_t id;               /* the key */
	uint8_t tos;               /* the template's, without ECN */
	uint8_t pad[3];
	of_port_t in_port;         /* where the outer packet enters the underlay: that port */
	struct tnl_template t;     /* as much of it as is used; then the ops on the outer packet */
};
static inline const struct plan_op *
op_tunnel_push_nested(const struct op_tunnel_push *o)
{
	return (const struct plan_op *)((const uint8_t *)o + o->op.u16);
}
struct op_tunnel_want { struct plan_op op; struct underlay_wish wish; };
struct op_set_tunnel { struct plan_op op; /* u8: exts; u32: number of the endpoint */ struct tnl_meta meta; };

#endif
