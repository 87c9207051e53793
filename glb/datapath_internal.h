/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by datapath.c and datapath_apply.c. */
#ifndef WEFT_GLB_DATAPATH_INTERNAL_H
#define WEFT_GLB_DATAPATH_INTERNAL_H

#include <stdarg.h>

#include <bpf/libbpf.h>

#include "glb/datapath.h"

enum dp_map {
	DP_CONF, DP_VIP4, DP_VIP6, DP_EDGE_TABLES, DP_LOCAL_TABLES, DP_POOL_IDS, DP_SLOTS, DP_NODES,
	DP_IDS, DP_OWN, DP_SOURCES, DP_DROPS, DP_STATS, DP_VIP_STATS, DP_VIP_LINES, DP_CHAIN, DP_PLACES, DP_PLACES6,
	DP_VIP_PREFIXES, DP_BY_ADDRESS, DP_VLANS, DP_NAT, DP_DENY, DP_EVENTS, DP_NEXT_HOPS, DP_N_MAPS
};

struct bpf_object;

/* A VIP as the maps hold it. */
struct dp_vip {
	struct in6_addr address;
	uint32_t len; /* of the prefix, in the IPv6 form; 128: one address */
	uint16_t port;
	uint8_t proto, pad;
	struct glb_vip value;
};

struct glb_datapath {
	char *pin;
	int n_cpus;
	struct bpf_object *objects[GLB_N_ROLES];
	int progs[GLB_N_ROLES];
	int maps[DP_N_MAPS]; /* -1: no role of this host uses it */
	uint64_t *slots;     /* shared with the kernel */
	uint32_t n_slots;
	uint64_t *tables[2]; /* of role edge, of role local, GLB_N_TABLES each; shared with the kernel */
	struct glb_vip_line *vip_lines; /* shared with the kernel */
	unsigned key;	     /* which of glb_conf.key new flows are placed by */
	/* Shared with the kernel, whose arrays keep entries 8 bytes apart. */
	struct dp_pool_id {
		uint32_t id, pad;
	} *pool_ids;
	struct glb_node *nodes; /* by index: what map glb_nodes holds; family 0: free */
	uint32_t n_nodes, max_nodes;
	bool fresh; /* the maps were empty */
	bool assume_away;
	uint32_t took; /* GLB_ABI of the data path whose state ours began with; 0: none's */
	struct dp_vip *vips; /* as written last, sorted; NULL: not by this daemon */
	size_t n_vips;
	struct dp_vip *list; /* what they were made of */
	size_t n_list;
};

/* The VIPs and, for servers behind NAT, the way back into the maps; gone ones out of them.  dp_check_nat()
 * says beforehand what can't be. */
int dp_write_vips(struct glb_datapath *, const struct glb_config *, const struct placement *);
int dp_check_nat(const struct glb_config *, const struct placement *, struct wf_err *);
int dp_write_nat(struct glb_datapath *, const struct glb_config *, const struct placement *);
/* Which devices of VLANs are above which others. */
int dp_write_vlans(struct glb_datapath *);
/* Reads the maps of a data path that was there before the daemon. */
void dp_nodes_read(struct glb_datapath *);
/* 0: none. */
uint32_t dp_node_index(const struct glb_datapath *, uint32_t id);


/* datapath_chain.c.  Makes the entry of the chain one of the programs that libxdp's dispatcher of the device calls, unless it is.  The chain has
 * its first program already. */
int dp_chain_attach(struct glb_datapath *, const struct glb_interface *, unsigned ifindex, struct wf_err *);
/* Takes away what is pinned as PIN/chained_DEVICE. */
void dp_chain_detach(const char *pin, const char *device);
int dp_on_libbpf(enum libbpf_print_level, const char *format, va_list);

/* datapath_place.c.  Copies a map of clients into the kernel under a number that no table names, nor is in 'taken'
 * (n of them; 0 is never given). */
int dp_place_load(struct glb_datapath *, const struct loc_table *, const uint32_t *taken, size_t n,
		  uint32_t *ret_number);
/* Frees those that no table names. */
void dp_places_sweep(struct glb_datapath *);

/* datapath_take.c.  Fills maps that were not used yet with what a data path of other maps knew, if there is one. */
void dp_take_over(struct glb_datapath *);
/* UDP flows of that one once more: when its programs are replaced. */
void dp_take_flows(const struct glb_datapath *);

#endif
