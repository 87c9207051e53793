/* SPDX-License-Identifier: Apache-2.0 */
/* The flow cache of one worker: from the words of a key that the layout names, exactly
 * compared, to a plan.
 *
 *   key:    | slot, generation | [continuation | dp_hash | marks] | packed words of the layout |
 *   bucket: one cache line, 6 entries: 16 bits of the hash and a pointer each
 *   flow:   one line for plan, counters and 4 words of the key, which is all of it for a 5-tuple
 *
 * Packed: of most words a layout reads few bits.  Those of several words are rotated so that none
 * overlap, and share one word; the comparison stays exact.
 *
 * A packet's two buckets follow from its hash.  While a port has few entries, a first miss makes
 * one; then it leaves only a trace (rule 4: admission) and the second makes an entry, unless most of the port's keys
 * came again lately (one in 16 is watched).  Entries of one port are bounded while others have
 * some; a port that is full evicts its own oldest, and when all is full the port with most loses
 * its oldest.  Random headers thus evict nobody else's flows.
 *
 * Layouts (rule 2): when the layout changes, entries move to a new table as their packets come,
 * each walked again (the stamps of its plan are those of packets that may differ in the new fields)
 * but without waiting for a second sighting, and the old table drains.  Coarse entries do not move,
 * but are made anew without waiting as well.
 *
 * Coarse entries: where the walk of a packet was decided by a few of the first bits of an L4 port
 * or by none (an access list has no rule near it), its entry leaves out the others, so that the
 * flows between two hosts, however short, share one.  Likewise where none of the last bits of the
 * destination address decided (no rule near it has a prefix longer than 24 or, IPv6, 64 bits), so
 * that all hosts behind a route share one.  Such entries lie in tables of their own, one for each
 * choice of source port, destination port, destination address; whichever table is met most often
 * is asked first.  Nothing else of a key is ever left out, and always by the same cut, so that
 * traffic cannot choose among many masks.
 *
 * Threads: everything is the owning worker's but cache_fold() and cache_for_each(), which
 * are main's.  A worker never frees a flow: it retires it, and main folds its counters
 * into what they credit and frees it after a grace period.
 */
#ifndef WEFT_DATAPLANE_CACHE_H
#define WEFT_DATAPLANE_CACHE_H

#include "dataplane/packet.h"
#include "dataplane/plan.h"
#include "dataplane/rule.h"
#include "dataplane/view.h"

#define CACHE_MAX_FLOWS 1048576 /* one worker's; each takes about 256 bytes */
#define CACHE_IDLE_MS 10000     /* unused for that long: the entry goes */
#define CACHE_KEEP_AT_ONCE 256  /* entries a port has before a first miss no longer makes one */
#define CACHE_MAX_SAMPLES 16384 /* of one worker, about 100 bytes each */

#define CACHE_KEY_WORDS (5 + OF_KEY_WORDS)
struct cache_key {
	uint32_t hash, n_words;
	uint64_t words[CACHE_KEY_WORDS];
};

struct flow { /* what lookups touch; starts a cache line */
	struct plan *plan;
	_Atomic uint64_t packets, bytes; /* written by the worker alone */
	_Atomic uint32_t used_ms;        /* low half of the time of the last packet */
	uint16_t n_words;
	_Atomic bool retired;
	uint64_t key[];
};
#define FLOW_HAS_FROZEN (1ull << 15)     /* in key[0]: key[1] to key[3] are about a continuation */
#define FLOW_NOT_ETHERNET (1ull << 14)   /* the word behind is the packet type */
#define FLOW_HAS_TUNNEL (1ull << 13)     /* then the words of the tunnel part that the layout has */
static inline uint32_t
flow_slot(const struct flow *f)
{
	return f->key[0] >> 48;
}
/* 'now_ms': less than 24 days after; a little before is now. */
static inline int64_t
flow_used_ms(const struct flow *f, int64_t now_ms)
{
	uint32_t used = atomic_load_explicit(&((struct flow *)f)->used_ms, memory_order_relaxed);

	int32_t age_ms = (int32_t)((uint32_t)now_ms - used);

	return age_ms > 0 ? now_ms - age_ms : now_ms;
}
static inline bool
flow_is_retired(const struct flow *f)
{
	return atomic_load_explicit(&((struct flow *)f)->retired, memory_order_relaxed);
}

static inline uint64_t
flow_frozen_id(const struct flow *f) /* 0: as it came from its port */
{
	return f->key[0] & FLOW_HAS_FROZEN ? f->key[1] : 0;
}

struct cache;
struct cache *cache_new(void);
/* After the worker has ended; main. */
void cache_free(struct cache *);

/* Once a burst, before anything else: follows the view's layout. */
void cache_sync(struct cache *, const struct view *, int64_t now_ms);
/* The key of a parsed packet.  Of the metadata only what
 * neither the port nor the continuation says is looked at: packet_type, and with a continuation
 * dp_hash, pkt_mark and skb_priority. */
void cache_key_make(const struct cache *, uint32_t slot, uint32_t generation, uint64_t frozen_id,
		    const struct of_key *parsed, struct cache_key *);
/* The entry of a key, coarse or not, or NULL. */
struct flow *cache_find(const struct cache *, const struct cache_key *);

/* The keys of a burst from one port, which are all of one length. */
struct cache_burst {
	uint32_t n, n_words;
	uint64_t first;              /* word of all of them */
	/* Of the words whole; or, not NULL, of these bits of them, which are those of the table that is asked first. */
	const uint64_t *keep;
	uint32_t hashes[BURST_MAX];
	uint64_t words[BURST_MAX * CACHE_KEY_WORDS];
};
void cache_burst_start(const struct cache *, struct cache_burst *, uint32_t slot,
		       uint32_t generation);
/* Adds the keys of frames by their kinds (pkt_fast.h), leaving out PKT_KIND_OTHER.  Equal ones may
 * come as one: 'key_of' is set to which of the burst's is each frame's. */
void cache_burst_add_frames(const struct cache *, struct cache_burst *, struct rte_mbuf *const *,
			    const uint8_t *kinds, unsigned n, uint8_t *key_of);
/* Adds one of cache_key_make() for that port; returns which it is. */
unsigned cache_burst_add(struct cache_burst *, const struct cache_key *);
/* The same for what came out of tunnels: 'n_tunnel' words of the tunnel part are in the layout, and each key
 * has a port of its own.  'kind' is not PKT_KIND_OTHER; 'words' are masked. */
void cache_burst_start_tunnel(const struct cache *, struct cache_burst *, unsigned n_tunnel);
void cache_burst_add_tunnel(const struct cache *, struct cache_burst *, uint32_t slot,
			    uint32_t generation, const uint64_t *words, unsigned n_tunnel,
			    const struct rte_mbuf *, unsigned kind);
/* The same for packets of one tunnel port, whose words are those; but the first is in 'ids', if not NULL. */
void cache_burst_add_tunnels(const struct cache *, struct cache_burst *, uint32_t slot,
			     uint32_t generation, const uint64_t *words, unsigned n_tunnel,
			     const uint64_t *ids, struct rte_mbuf *const *, const uint8_t *kinds,
			     unsigned n);
/* Which bits of frames of a kind are in keys that are made now: ORed to 'bits', the frame's first 64
 * bytes. */
void cache_frame_bits(const struct cache *, unsigned kind, uint8_t bits[64]);
/* The layout of keys that are made now. */
const struct key_layout *cache_layout(const struct cache *);
void cache_burst_key(const struct cache_burst *, unsigned i, struct cache_key *);
/* Looks up all of them at once; NULL where there is none. */
void cache_burst_find(struct cache *, const struct cache_burst *, struct flow **);
/* Is there an entry of an older layout? 'parsed' as for cache_key_make().  It moves over. */
struct flow *cache_find_old(struct cache *, uint32_t slot, uint32_t generation,
			    uint64_t frozen_id, const struct of_key *parsed,
			    const struct cache_key *);
/* Has the packet's port few entries, was this key seen before, or do most come again?  Remembers it.
 * Bits IF_PORTS, IF_DST: it was not, but one that differs in L4 ports at most; in these and the
 * last bits of the destination. */
enum cache_keep { CACHE_PASS, CACHE_KEEP_IF_PORTS = 1, CACHE_KEEP_IF_DST = 2, CACHE_KEEP = 4 };
enum cache_keep cache_admits(struct cache *, const struct cache_key *);
/* Would an entry for which these spare bits decided (rule.h) leave out others as was asked for?
 * For who was told one of the IF. */
bool cache_leaves_out(struct cache *, const struct cache_key *, enum cache_keep, uint64_t needed);
/* The plan of an entry that was found along these steps, a reference; one that an entry has if there is one
 * (cache_plans.h). */
struct plan *cache_plan_of(struct cache *, struct plan *body, const struct plan_step *steps,
			   uint32_t n_steps, struct rule *const *rules, uint32_t n_rules);
/* A new entry for packets with these spare bits; takes over the caller's reference to the plan.
 * NULL (reference kept): no memory. */
struct flow *cache_insert(struct cache *, const struct cache_key *, struct plan *, uint64_t needed);
/* The key of the packet for which a new entry was made, for dumps; kept while there are few. */
void cache_set_sample(struct cache *, struct flow *, const struct of_key *);
/* The entry gets another plan (stale one replaced), and keeps its counts and sample.  NULL (reference
 * kept): its packets no longer have one plan, and it went. */
struct flow *cache_replace(struct cache *, struct flow *, struct plan *, uint64_t needed);
void cache_remove(struct cache *, struct flow *);
/* Looks at a few entries and removes the idle ones; 'all': at all.  Returns how many are left. */
uint32_t cache_expire(struct cache *, int64_t now_ms, bool all);
void cache_purge(struct cache *);
uint32_t cache_n_flows(const struct cache *);
/* At the end of a burst: what was retired goes to main. */
void cache_end_burst(struct cache *);

static inline void
flow_account(struct flow *f, uint32_t packets, uint64_t bytes, int64_t now_ms)
{
	atomic_store_explicit(&f->packets,
			      atomic_load_explicit(&f->packets, memory_order_relaxed) + packets,
			      memory_order_relaxed);
	atomic_store_explicit(&f->bytes,
			      atomic_load_explicit(&f->bytes, memory_order_relaxed) + bytes,
			      memory_order_relaxed);
	atomic_store_explicit(&f->used_ms, (uint32_t)now_ms, memory_order_relaxed);
}

/* Is what the plan's walk saw still what it would see now? (rule 3) */
bool plan_check(struct plan *, const struct view *);
/* Brings what that looks at into the cache, where it mostly lies. */
static inline void
plan_prefetch_steps(const struct plan *plan)
{
	const uint8_t *steps = (const uint8_t *)(plan + 1); /* plan_derive() */

	__builtin_prefetch(&plan->steps);
	__builtin_prefetch(steps);
	__builtin_prefetch(steps + 64);
}
static inline bool
plan_is_fresh(struct plan *plan, const struct view *v)
{
	return plan->version == v->version || plan_check(plan, v);
}

/* --- Main ------------------------------------------------------------------------------- */

/* Adds what flows counted since the last time to what they credit. */
void cache_fold(struct cache *);
void cache_for_each(struct cache *, void (*fn)(struct flow *, void *aux), void *aux);
/* The key of a packet of this flow, whole; false: none was kept. */
bool flow_sample(const struct flow *, struct of_key *key);
/* The fields of a flow's key, as far as the layout that it was made under shows. */
void flow_key(const struct flow *, struct of_key *key, struct of_key *mask);

#endif
