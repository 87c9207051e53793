/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the balancer's BPF programs and weft-glb share: maps and their layouts.
 * A change of a layout changes GLB_ABI, which is part of the name that the maps are pinned under. */
#ifndef WEFT_BPF_GLB_ABI_H
#define WEFT_BPF_GLB_ABI_H

#include <linux/types.h>

#define GLB_ABI 13
/* The first one whose nodes, ids, addresses, slots, tables and UDP flows have today's layout, and whose glb_conf is today's as far as it goes (it
 * grows at its end): who has those is taken over with what it knew (glb/datapath_take.c). */
#define GLB_ABI_KEPT 11

#define GLB_ETH_P_SHIM	0x88b5 /* IEEE 802 local experimental EtherType 1 */
#define GLB_OWNERS	3
#define GLB_HOPS	6	     /* entries of a hop list: three servers and three sites */
#define GLB_MAX_VIPS	16384 /* twice as many entries: one more says that an address is a VIP at all */
#define GLB_MAX_NODES	131072 /* of indices; max-nodes says how many this host has room for */
#define GLB_MAX_POOLS	4096
#define GLB_MAX_PLACES	256
#define GLB_MAX_PEERS	64
#define GLB_PEER_NODE(i) (1 + (i)) /* in glb_nodes, in front of those of the document; 0 is nobody */
#define GLB_FIRST_NODE GLB_PEER_NODE(GLB_MAX_PEERS)
#define GLB_MAX_SLOTS	(1u << 20)   /* of all tables that this host reads; set when the map is made */

enum glb_role { GLB_EDGE, GLB_LOCAL, GLB_HOST, GLB_N_ROLES };
/* Map glb_chain: the program of each role, then those that they call. */
enum { GLB_CHAIN_BACK = GLB_N_ROLES, GLB_CHAIN_FIRST, GLB_N_CHAIN };

enum glb_drop {
#define GLB_DROP(NAME, TEXT) GLB_DROP_##NAME,
#include "bpf/glb_drop.def"
#undef GLB_DROP
	GLB_N_DROPS
};

/* Map glb_conf, one entry.  Written by the daemon, whole; read per packet. */
struct glb_conf {
	__u64 key[2][2];      /* SipHash keys of the document; GLB_CONF_KEY says which new flows are placed by */
	__u64 own_key[2];     /* of this host, for tables of its own; stays what it is */
	__u32 generation;     /* the document's number */
	__u32 source4;	      /* outer source, network order; entropy goes into the low bits */
	__u32 source4_mask;   /* bits that the flow's hash may set, network order */
	__u32 source6[4];
	__u32 flags;	      /* GLB_CONF_* */
	__u32 neighbour_ttl;  /* jiffies that a next hop is believed */
	__be16 gue_port, vxlan_port;
	__u64 packet_ns, packet_burst_ns; /* GLB_CONF_LIMIT: time that a packet of a source takes, and how much it may
					   * be ahead; 0: no limit */
	__u64 syn_ns, syn_burst_ns;	  /* the same for TCP that opens */
	__u32 capture;	      /* GLB_CONF_CAPTURE: one of so many packets */
	__u32 capture_drop;   /* only those that are dropped: 1 + enum glb_drop, or GLB_CAPTURE_DROPS; 0: all */
	__be32 capture_vip[4]; /* only those to it; zero: all */
	__u16 n_peers;	      /* local balancers of the site, nodes GLB_PEER_NODE(i); 0 or 1: fragments stay here */
	__u16 peer_self;      /* which of them this one is */
	__u8 quic_first, quic_mask; /* first byte of a connection ID that says who serves: value under the mask */
	__u8 first_role; /* whose program has the packets first on this host */
	__u8 pad[5];
	/* What glb_own says of the IPv4 addresses that tunnels mostly come to. */
	struct glb_own4 {
		__be32 addr; /* 0: none */
		__u32 roles;
	} own4[2];
};
#define GLB_CAPTURE_DROPS 0xffff /* whatever the reason */
#define GLB_CONF_ANY_PORT 1 /* some VIP has no port: a second look-up may find it */
#define GLB_CONF_SOURCES  2 /* map glb_sources says which tunnel ends are configured */
#define GLB_CONF_PREFIXES 4 /* some VIP is a prefix: map glb_vip_prefixes */
#define GLB_CONF_DENY	  8 /* map glb_deny */
#define GLB_CONF_LIMIT	  16
#define GLB_CONF_ROTATES  32 /* flows may have been placed by the other key, too */
#define GLB_CONF_KEY(flags) ((flags) >> 8 & 1)
#define GLB_CONF_KEY_1	  256
#define GLB_CONF_CAPTURE  64
#define GLB_CONF_NAT	  128 /* some server's packets come back to have their source put right */

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
struct glb_vip { /* 8 bytes: one load or store has all of it */
	__u16 pool;  /* index into glb_pools */
	__u16 index; /* into glb_vip_stats */
	__u16 mss;   /* what the MSS option of TCP that opens is lowered to; 0: it stays */
	__u16 flags; /* GLB_VIP_* */
};
#define GLB_VIP_QUIC 1 /* connection IDs of UDP may name the server */
/* The VIP's other pool (all-down fallback), whose key role local takes, too: 0, or 1 + its index. */
#define GLB_VIP_OTHER(flags)	((__u32)(flags) >> 1)
#define GLB_VIP_WITH_OTHER(pool) (((pool) + 1) << 1)

/* Map glb_vip_lines: IPv4 VIPs of glb_vip4 again, four in a line of the cache that the key says (bpf/glb_vip.h). */
#define GLB_VIP_LINE_BITS 14
#define GLB_VIP_LINES	  (1u << GLB_VIP_LINE_BITS)
#define GLB_VIP_LINE_ENTRIES 4
struct glb_vip_line {
	__u64 key[GLB_VIP_LINE_ENTRIES]; /* struct glb_vip4_key; 0: free, GLB_VIP_GONE */
	__u64 vip[GLB_VIP_LINE_ENTRIES]; /* struct glb_vip */
};

/* Map glb_vip_prefixes, a trie: VIPs that are whole prefixes.  IPv4 as ::ffff:a.b.c.d. */
struct glb_vip_prefix_key {
	__u32 prefix_len; /* 32 + that of the IPv6 form */
	__be16 port;
	__u8 proto, pad;
	__be32 addr[4];
};

/* Map glb_pools, one 8-byte word a table, so that it changes at once.
 * base: first slot in glb_slots; shift: log2 of their number; GLB_POOL_VALID. */
#define GLB_POOL_VALID (1ull << 63)
#define GLB_POOL_BASE(w) ((__u32)(w))
#define GLB_POOL_MASK(w) ((1u << (((w) >> 32) & 31)) - 1)
#define GLB_POOL_WORD(base, shift) (GLB_POOL_VALID | (__u64)(shift) << 32 | (base))
/* Only the first of each slot is a candidate: by this key no flow is placed yet, but soon. */
#define GLB_POOL_FIRST (1ull << 61)
/* Each table for each key (glb_conf.key): the word of pool i for key k is entry i + k * GLB_MAX_POOLS.  The pool's id is in
 * glb_pool_ids at i. */
#define GLB_N_TABLES (2 * GLB_MAX_POOLS)

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
	__u8 encap;	/* enum glb_encap */
	__u8 pad;
	__u8 mac[6];	/* GLB_ENCAP_VXLAN: inner destination */
	__be16 port;	/* GLB_ENCAP_NAT: of the server; 0: the VIP's */
	__u16 pad2;
};
/* How packets are brought to a node.  Hop lists travel in the first two only. */
enum glb_encap { GLB_ENCAP_GRE, GLB_ENCAP_GUE, GLB_ENCAP_IPIP, GLB_ENCAP_VXLAN, GLB_ENCAP_L2, GLB_ENCAP_NAT };
#define GLB_NODE_DRAIN 1   /* takes no new connections while another candidate does */
#define GLB_NODE_DEAD 2	   /* health says so: passed over */
#define GLB_NODE_PLAIN 4   /* a foreign GRE end: never gets a hop list */
#define GLB_NODE_SELF 8	   /* the next role on this host */
#define GLB_NODE_SUSPECT 32 /* does not answer, but not for long: gets nothing new, and the rest as the last */
#define GLB_NODE_ASIDE 16  /* it was dead: others took new flows of its slots, and may still have them */
#define GLB_NODE_SITE 64   /* else a server */

struct glb_count {
	__u64 packets, bytes;
};

/* Map glb_next_hops, per CPU, by node index: what bpf_fib_lookup said. */
struct glb_next_hop {
	__u32 stamp;   /* low half of jiffies */
	__u32 ifindex; /* 0: not looked up */
	__u8 dmac[6], smac[6];
	__u16 mtu;
	__be16 vlan; /* tag control information; 0: none */
	struct glb_count sent; /* to the node; beside the rest, since whoever counts has that line already */
};

/* Map glb_vlans: device of a VLAN -> the one below it, which XDP sends by. */
struct glb_vlan {
	__u32 ifindex;
	__be16 tci;
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

/* Map glb_nat, role local: server, its port, protocol -> VIP and its port. */
struct glb_nat_key {
	__be32 addr[4];
	__be16 port;
	__u8 proto, pad;
};
struct glb_nat {
	__be32 addr[4];
	__be16 port; /* 0: the server's */
	__u16 pad;
};

/* Map glb_buckets: two rows of buckets, by hash of a source; each the time at which what it sent is used up. */
#define GLB_BUCKETS 65536 /* a row; more sources at a time than that begin to share limits */

/* Ring glb_events: packets as they came, with what became of them. */
#define GLB_EVENT_BYTES 2048 /* a power of two */
#define GLB_EVENTS	(1u << 19) /* bytes of the ring */
struct glb_event {
	__u64 ns;	/* monotonic */
	__u32 ifindex;
	__u32 len;	/* of the frame */
	__u16 captured;
	__u16 reason;	/* of a drop: 1 + enum glb_drop */
	__u8 verdict;	/* XDP_... */
	__u8 role;	/* enum glb_role: who decided */
	__u8 state;	/* while it is in glb_seen: 0 none, 1 a packet, 2 and it is to the VIP that is wanted */
	__u8 pad;
	__u8 bytes[GLB_EVENT_BYTES];
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
	GLB_STAT_TOLD,	      /* ICMP too-big sent to clients */
	GLB_STAT_NAT_BACK,    /* answers of servers behind NAT that became the VIP's */
	GLB_STAT_RELAYED,     /* fragments to the balancer of the site that has their packet */
	GLB_STAT_QUIC,	      /* sent by connection ID */
	GLB_STAT_CLAMPED,     /* TCP that opens, with a lower MSS */
	GLB_STAT_MISSED,      /* events that user space was too slow for */
	GLB_STAT_CUT,	      /* sites that a hop list had no room for */
	GLB_N_STATS
};

/* Map glb_frags, LRU: what the first fragment of a packet says. */
struct glb_frag_key {
	__be32 src[4], dst[4];
	__be32 id;
	__u32 proto; /* 0 of IPv6, where later fragments may name an extension header (RFC 8200 section 4.5) */
};
struct glb_frag {
	__u64 ns; /* when it came */
	__be16 client_port, vip_port;
	__u8 proto, pad[3];
};
#define GLB_FRAG_NS 30000000000ull /* after which ids come again; Linux waits as long (ipfrag_time) */

/* Map glb_udp_flows, role host: bpf/glb_udp.h. */
#define GLB_UDP_BUCKETS 32768 /* 2 MB for 262,144 flows; beyond that the most silent ones are forgotten */
#define GLB_UDP_ENTRIES 8
struct glb_udp_bucket {
	__u64 entry[GLB_UDP_ENTRIES];
};

#endif
