/* SPDX-License-Identifier: Apache-2.0 */
/* The view: one immutable picture of all bridges, published by one pointer (rule 13).
 *
 * Main builds bridge_views (sharing what did not change), then view_publish() gives the
 * view the next version, stores the pointer, and reclaims the old one after a grace period.
 * A burst pins the view once and uses it for everything, patch hops included.
 */
#ifndef WEFT_DATAPLANE_VIEW_H
#define WEFT_DATAPLANE_VIEW_H

#include "dataplane/bridge.h"

struct port;
struct view_slot { /* a datapath port */
	struct port *port;      /* ports/port.h; NULL: free, or a patch port */
	uint32_t generation;
	uint32_t bridge;        /* index into bridges */
	of_port_t ofp_port;
	/* What is sent there may be for a tunnel of ours: a bridge's LOCAL port, and ports with addresses. */
	bool ends_tunnels;
};

struct tunnel_view;
struct view {
	uint64_t version;
	uint32_t n_bridges, n_slots;
	const struct bridge_view *const *bridges; /* by bridge->index; NULL where free */
	const struct view_slot *slots;
	/* The last version that changed anything but rules (ports, groups, meters, NORMAL's
	 * configuration, layout): a plan made before it is stale as a whole. */
	uint64_t config_version;
	/* The words of a key, and the masks in them, that any installed pipeline can read: what
	 * the flow cache must compare (rule 1).  Grows with a new layout generation. */
	const struct key_layout *layout;
	const struct tunnel_view *tunnels; /* tunnel.h; NULL: there is no tunnel port */
};

struct key_layout {
	uint32_t generation;
	uint32_t n_words;
	uint8_t words[OF_KEY_WORDS];
	struct of_key mask;
};

/* The current view; never NULL after view_init().  Reader: between quiescent points. */
extern struct view *_Atomic view_current;
static inline struct view *
view_get(void)
{
	return atomic_load_explicit(&view_current, memory_order_acquire);
}

void view_init(void);

/* --- Main thread --------------------------------------------------------------- */

/* The version that the next publication will have: for table_add() and _remove(). */
uint64_t view_next_version(void);

/* Pending changes; each takes effect at the next view_publish(). */
/* The function that frees bridge->macs (normal.h sits above this file). */
extern void (*bridge_free_macs)(struct mac_table *);
/* Called on main when no worker can begin to use a deleted bridge any more: makes the workers drop the
 * plans that they keep, which may still credit its tables; it is freed when those have gone. */
extern void (*view_purge_plans)(void);
struct bridge *view_bridge_add(const char *name);
void view_bridge_del(struct bridge *);              /* freed after the grace period */
void view_set_datapath_id(struct bridge *, uint64_t);
void view_set_ports(struct bridge *, struct xport_set *);   /* takes ownership */
void view_set_l2(struct bridge *, struct l2_config *);      /* takes ownership */
void view_group_set(struct bridge *, uint32_t id, struct group *); /* NULL deletes; takes a reference over */
void view_meter_set(struct bridge *, uint32_t id, struct meter *);
void view_set_frag_mode(struct bridge *, uint8_t);
void view_set_miss_default(struct bridge *, bool to_controller);
void view_set_egress_table(struct bridge *, uint8_t first_or_0);
void view_set_tlv_map(struct bridge *, const struct of_tlv_map *); /* copies; NULL: none */
/* 'wish': the slot wanted, 0: any. */
uint32_t view_slot_alloc(struct port *port_or_null, struct bridge *, of_port_t, uint32_t wish,
			 uint32_t *generation);
/* Another OpenFlow number for the same device in the same slot. */
void view_slot_renumber(uint32_t slot, of_port_t, uint32_t *generation);
/* The ports with addresses besides the LOCAL ones are these; a pending change if they were others. */
void view_slots_end_tunnels(const uint32_t *slots, uint32_t n);
void view_slot_free(uint32_t slot);                 /* reused only after a grace period */
/* The flow cache is to tell MAC addresses apart though nothing reads them, so that dumps have a row
 * for each pair that NORMAL forwards.  Costs an entry a pair. */
void view_read_addresses(bool);
/* Fields that rules, groups or learn sources read; counted, so that they can be taken back. */
void view_fields_used(const struct of_match *, const struct rule_actions *, int delta);
/* Tunnel ports (tunnel.h); takes ownership, NULL: none.  'free_fn' frees the one before. */
void view_set_tunnels(struct tunnel_view *, void (*free_fn)(void *));
/* Undo everything pending since the last publish but rules (a failed bundle).  Whoever wants to
 * be able to roll back publishes first. */
void view_rollback(void);

struct group *view_group_pending(struct bridge *, uint32_t id); /* with pending changes */
struct meter *view_meter_pending(struct bridge *, uint32_t id);
/* The ids of all meters, pending changes included, in order; the caller frees. */
uint32_t *view_meter_ids(struct bridge *, uint32_t *n);

/* Takes pending changes back as well: the ports and NORMAL's configuration as they will be. */
const struct bridge_view *view_bridge_pending(struct bridge *);
/* Calls 'fn' for each bridge that exists. */
void view_for_each_bridge(void (*fn)(struct bridge *, void *aux), void *aux);

/* Calls fn(arg) on main a grace period after the next publication (of a change of configuration). */
void view_after_publish(void (*fn)(void *), void *arg);

/* Publishes if anything changed ('rules_changed' for rules).  Never blocks. */
void view_publish(bool rules_changed);
/* Called by view_publish() of the rule store: see rule.c. */
void rules_before_publish(uint64_t version); /* stamps what changed */
void rules_after_publish(void);              /* reaps after a grace period */

#endif
