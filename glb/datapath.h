/* SPDX-License-Identifier: Apache-2.0 */
/* The programs in the kernel and their maps.
 *
 * All maps and the links to the devices are pinned under PIN/abiN, so the data path goes on when the daemon
 * ends, and the next daemon takes it over; a program is replaced by one update of a link or of
 * a cell of the chain.  Changes of the document are single 8-byte stores into memory that the kernel
 * shares (slots, tables), so a packet sees the old list of a slot or the new one.
 *
 * Threads: one. */
#ifndef WEFT_GLB_DATAPATH_H
#define WEFT_GLB_DATAPATH_H

#include "base/buf.h"
#include "base/err.h"
#include "glb/config.h"
#include "glb/placement.h"
#include "policy/location.h"

struct glb_datapath;

/* Sites of one pool by the client's place, in the place of the document's table (glb/sites.h). */
struct glb_site_slot {
	uint32_t site[GLB_OWNERS]; /* node ids: who gets new flows, then who else may have flows; 0: none */
	bool ranked;		   /* none of the others was the first lately: UDP does not ask them */
};
struct glb_place {
	const struct loc_table *map;
	uint32_t n_classes;
	struct glb_site_slot *slots; /* 256 a class */
};

/* Opens or makes the maps and loads the programs of the configured roles.  Nothing is attached.
 * Returns NULL with 'err'. */
struct glb_datapath *glb_datapath_open(const struct glb_config *, struct wf_err *);
/* Leaves everything in the kernel. */
void glb_datapath_close(struct glb_datapath *);

/* Writes configuration and document into the maps: what is new before what refers to it, what is gone after.
 * On failure (-ENOSPC, -ENOENT: a pool or site that the document lacks) nothing that packets use was
 * changed.  'by_pool' may be NULL: no pool's sites are chosen by place. */
int glb_datapath_apply(struct glb_datapath *, const struct glb_config *, const struct placement *,
		       const struct glb_place *const *by_pool, struct wf_err *);
/* Another struct glb_datapath wrote into the maps: what this one remembers of them is read again. */
void glb_datapath_reread(struct glb_datapath *);
/* Which pools serve the VIPs changed (glb/fallback.h), nothing else. */
int glb_datapath_vips_changed(struct glb_datapath *, const struct glb_config *, const struct placement *);
/* The id of the pool that a VIP has in the maps now; 0: none. */
uint32_t glb_datapath_vip_pool(const struct glb_datapath *, const struct glb_vip_config *);
/* What the maps hold for a pool by place, as the daemon before us left it: 'ret' has 256 slots a class.  False: there is none, or
 * it has another number of classes. */
bool glb_datapath_read_place(const struct glb_datapath *, const struct placement *, uint32_t pool_index,
			     uint32_t n_classes, struct glb_site_slot *ret);
/* The slots of a pool's place changed, nothing else. */
void glb_datapath_place_changed(struct glb_datapath *, uint32_t pool_index, const struct glb_place *,
				const struct placement *);
/* Attaches to, or replaces the programs of, the configured devices; detaches from others. */
int glb_datapath_attach(struct glb_datapath *, const struct glb_config *, struct wf_err *);
/* Detaches and removes all pins. */
int glb_datapath_remove(const char *pin, struct wf_err *);

/* There was no data path before this one that could have known which nodes were away. */
bool glb_datapath_is_fresh(const struct glb_datapath *);
/* Then servers count as having been away (GLB_NODE_ASIDE) until glb_datapath_forget(), from their first packet on. */
void glb_datapath_assume_away(struct glb_datapath *);
/* 'flags' is GLB_NODE_DRAIN, GLB_NODE_SUSPECT, GLB_NODE_DEAD, GLB_NODE_ASIDE or 0; 'shed' of 256 slots give their new flows to others; local to
 * this host.  -ENOENT: not in use here. */
int glb_datapath_mark(struct glb_datapath *, uint32_t node_id, unsigned flags, unsigned shed);
/* A node that was dead is up again for so long that no flow is left at those that took its place meanwhile:
 * they are no longer candidates of its slots. */
void glb_datapath_forget(struct glb_datapath *, uint32_t node_id);
/* Flags, and in bits 16 to 23 what it sheds.  -1: not in use here. */
int glb_datapath_node_flags(struct glb_datapath *, uint32_t node_id);

/* Packets of which one in 'one_in' goes to the ring glb_events, with what became of it; NULL: none any more. */
struct glb_capture_want {
	uint32_t one_in;
	uint32_t drop;	     /* 1 + enum glb_drop, GLB_CAPTURE_DROPS, or 0: what passes, too */
	struct in6_addr vip; /* zero: any */
};
int glb_datapath_capture(struct glb_datapath *, const struct glb_capture_want *);
/* The ring; it stays the data path's. */
int glb_datapath_events(const struct glb_datapath *);

enum glb_counters { GLB_COUNT_DROPS, GLB_COUNT_STATS, GLB_COUNT_VIPS };
struct glb_count glb_datapath_count(struct glb_datapath *, enum glb_counters, uint32_t index);
struct glb_count glb_datapath_node_count(struct glb_datapath *, uint32_t node_id);
/* Index of a VIP in GLB_COUNT_VIPS is its place in the configuration that was applied last. */

#endif
