/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the balancer's BPF programs and weft-glb share: maps and their layouts.
 * A change of a layout changes GLB_ABI, which is part of the name that the maps are pinned under. */
#ifndef WEFT_BPF_GLB_ABI_H
#define WEFT_BPF_GLB_ABI_H

#include <linux/types.h>

#define GLB_ABI 2

#define GLB_ETH_P_SHIM	0x88b5 /* IEEE 802 local experimental EtherType 1 */
#define GLB_OWNERS	3
#define GLB_HOPS	6	     /* entries of a hop list: three servers and three sites */
#define GLB_MAX_VIPS	16384
#define GLB_MAX_NODES	131072
#define GLB_MAX_POOLS	4096
#define GLB_MAX_PLACES	256
#define GLB_MAX_SLOTS	(1u << 20)   /* of all tables that this host reads; set when the map is made */

enum glb_role { GLB_EDGE, GLB_LOCAL, GLB_HOST, GLB_N_ROLES };

enum glb_drop {
#define GLB_DROP(NAME, TEXT) GLB_DROP_##NAME,
#include "bpf/glb_drop.def"
#undef GLB_DROP
	GLB_N_DROPS
};

/* Map glb_conf, one entry.  Written by the daemon, whole; read per packet. */
struct glb_conf {
	__u64 key[2];	      /* SipHash key of the document */
	__u32 generation;     /* the document's number */
	__u32 source4;	      /* outer source, network order; entropy goes into the low bits */
	__u32 source4_mask;   /* bits that the flow's hash may set, network order */
	__u32 source6[4];
	__u32 flags;	      /* GLB_CONF_* */
	__u32 neighbour_ttl;  /* jiffies that a next hop is believed */
	__u32 pad;
};
#define GLB_CONF_ANY_PORT 1 /* some VIP has no port: a second look-up may find it */
#define GLB_CONF_SOURCES  2 /* map glb_sources says which tunnel ends are configured */

/* Maps glb_vip4 and glb_vip6.  port 0, proto 0: any.  All in network order. */
struct glb_vip4_key {
	__be32 addr;
	__be16 port;
	__u8 proto, pad;
};
struct glb_vip6_key {
	__be32 addr[4];
	__be16 port;
	__u8 proto, pad;
};
struct glb_vip {
	__u32 pool;  /* index into glb_pools */
	__u32 index; /* into glb_vip_stats */
};

/* Map glb_pools, one 8-byte word a table, so that it changes at once.
 * base: first slot in glb_slots; shift: log2 of their number; GLB_POOL_VALID. */
#define GLB_POOL_VALID (1ull << 63)
#define GLB_POOL_BASE(w) ((__u32)(w))
#define GLB_POOL_MASK(w) ((1u << (((w) >> 32) & 31)) - 1)
#define GLB_POOL_WORD(base, shift) (GLB_POOL_VALID | (__u64)(shift) << 32 | (base))
/* The pool's id is in glb_pool_ids at the same index. */

/* Role edge: the table has 256 slots for each class of clients, by the map of clients with this number. */
#define GLB_POOL_BY_PLACE (1ull << 62)
#define GLB_POOL_PLACE(w) ((__u32)((w) >> 40) & (GLB_MAX_PLACES - 1))
#define GLB_POOL_WORD_BY_PLACE(base, shift, place) \
	(GLB_POOL_BY_PLACE | (__u64)(place) << 40 | GLB_POOL_WORD(base, shift))
#define GLB_POOL_OF_CLASS(w, class_id) GLB_POOL_WORD(GLB_POOL_BASE(w) + ((class_id) << 8), 8)

/* Maps of clients, two arrays each: glb_places (words) and glb_places6 (starts of IPv6 prefixes). */
#define GLB_PLACE_DIR6	 65536
#define GLB_PLACE_BLOCKS (GLB_PLACE_DIR6 + 65537)
struct glb_place_start {
	__u64 hi, lo; /* host order */
	__u32 leaf, pad;
};

/* Map glb_slots: three node indices of 21 bits in one word, current owner lowest; 0: none.  One
 * store changes a slot, so a reader sees an old list or a new one and never a mixture. */
#define GLB_SLOT_BITS 21
#define GLB_SLOT_NODE(w, i) ((__u32)((w) >> ((i) * GLB_SLOT_BITS)) & ((1u << GLB_SLOT_BITS) - 1))
/* What stands behind the first are not former owners but the next best: UDP does not ask them. */
#define GLB_SLOT_RANKED (1ull << 63)

/* Map glb_nodes. */
struct glb_node {
	__be32 addr[4];	/* IPv4 in addr[3], with addr[0..2] = ::ffff */
	__u32 id;	/* permanent; what hop lists carry */
	__u16 flags;	/* GLB_NODE_* */
	__u8 family;	/* 4 or 6; 0: no such node */
	__u8 shed;	/* so many of 256 slots give new flows to the next candidate */
};
#define GLB_NODE_DRAIN 1   /* takes no new connections while another candidate does */
#define GLB_NODE_DEAD 2	   /* health says so: passed over */
#define GLB_NODE_PLAIN 4   /* a foreign GRE end: never gets a hop list */
#define GLB_NODE_SELF 8	   /* the next role on this host */
#define GLB_NODE_SUSPECT 32 /* does not answer, but not for long: gets nothing new, and the rest as the last */
#define GLB_NODE_ASIDE 16  /* it was dead: others took new flows of its slots, and may still have them */

/* Map glb_next_hops, per CPU, by node index: what bpf_fib_lookup said. */
struct glb_next_hop {
	__u32 stamp;   /* low half of jiffies */
	__u32 ifindex; /* 0: not looked up */
	__u8 dmac[6], smac[6];
	__u16 mtu;
	__u16 pad;
};

/* Map glb_own: addresses of this host that GRE may come to -> 1 << enum glb_role. */
struct glb_addr {
	__be32 addr[4];
};

/* Map glb_sources, a trie over tunnel ends. */
struct glb_source_key {
	__u32 prefix_len;
	__be32 addr[4];
};

struct glb_count {
	__u64 packets, bytes;
};

/* Map glb_stats, per CPU, by what the program did. */
enum glb_stat {
	GLB_STAT_PASSED,      /* not ours: to the stack or the next program */
	GLB_STAT_SENT_PLAIN,  /* encapsulated, no second candidate */
	GLB_STAT_SENT_SHIM,   /* with a hop list */
	GLB_STAT_DELIVERED,   /* role host: to the own stack, the flow is known here or new */
	GLB_STAT_LAST,	      /* role host: to the own stack, nobody else is left */
	GLB_STAT_HANDED_ON,   /* role host: to the next candidate */
	GLB_STAT_UNKNOWN_HOP, /* ids in hop lists that the id map lacks: skipped */
	GLB_STAT_NEXT_HOP,    /* route look-ups */
	GLB_N_STATS
};

/* Map glb_frags, LRU: which slot the first fragment's ports gave. */
struct glb_frag_key {
	__be32 src[4], dst[4];
	__be32 id;
	__u32 proto;
};

/* Map glb_udp_flows, LRU, role host: flows that this server has. */
struct glb_udp_key {
	__be32 src[4], dst[4];
	__be16 sport, dport;
	__u32 pad;
};

#endif
