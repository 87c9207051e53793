/* SPDX-License-Identifier: Apache-2.0 */
/* packet -> parse -> flow cache -> plan -> run; a miss goes through the translator, here and
 * then, in the thread that received the packet. */
#include "dataplane/run.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "dataplane/cache.h"
#include "dataplane/key_odp_text.h"
#include "dataplane/plan_text.h"
#include "dataplane/protocol_rx.h"
#include "dataplane/run_decap_same.h"
#include "dataplane/run_short.h"
#include "dataplane/slow_path.h"
#include "dataplane/table_ahead.h"
#include "dataplane/tunnel.h"
#include "dataplane/walk_memo.h"

WF_LOG_MODULE(dpif_netdev);

void
pipeline_settle(struct runner *rn, const struct run_fate *fate)
{
	if (!fate->n_out && fate->drop)
		stat_add(&rn->drops[fate->drop], 1);
}

void
plan_credit(const struct plan *plan, uint64_t packets, uint64_t bytes, int64_t now_ms)
{
	for (uint32_t i = 0; i < plan->n_credits; i++)
		counter_add(plan->credits[i], packets, bytes, now_ms);
	for (uint32_t i = 0; plan->body && i < plan->n_rules; i++)
		counter_add(&plan->rules[i]->counter, packets, bytes, now_ms);
}

void
pipeline_fill(const struct pass *p, const struct rte_mbuf *m, struct xlate_in *in,
	      struct pkt_layers *layers)
{
	if (p->frozen)
		in->key = p->frozen->metadata;
	else
		memset(&in->key, 0, offsetof(struct of_key, dl_dst));
	if (p->tunnel && p->frozen)
		tunnel_part_merge(&in->key, p->tunnel, p->frozen->tunnel_own);
	else if (p->tunnel)
		tunnel_part_copy(&in->key, p->tunnel);
	in->key.in_port = p->in_port;
	in->key.packet_type = p->packet_type;
	in->key.dp_hash = p->dp_hash;
	in->key.pkt_mark = p->pkt_mark;
	in->key.skb_priority = p->skb_priority;
	pkt_parse_more(m, p->packet_type, p->pushed_tags, &in->key, layers);
	in->view = p->rn->view;
	in->bridge = p->bridge;
	in->in_slot = p->in_slot;
	in->frozen = p->frozen;
	in->packet_size = pkt_size(m);
	in->packet = m;
}

static bool
has_learn(const struct plan_op *o, const struct plan_op *end)
{
	for (; o < end; o = (const struct plan_op *)((const uint8_t *)o + o->size))
		if (o->type == OP_LEARN ||
		    (o->type == OP_CLONE &&
		     has_learn(o + 1, (const struct plan_op *)((const uint8_t *)o + o->size))))
			return true;
	return false;
}

static const struct op_learn *
missing_learn(const struct plan_op *o, const struct plan_op *end)
{
	for (; o < end; o = (const struct plan_op *)((const uint8_t *)o + o->size)) {
		const struct op_learn *found = NULL;

		if (o->type == OP_LEARN && o->u8)
			return (const struct op_learn *)o;
		if (o->type == OP_CLONE)
			found = missing_learn(o + 1, (const struct plan_op *)((const uint8_t *)o +
									      o->size));
		if (found)
			return found;
	}
	return NULL;
}

static const struct plan_op *
ops_end(const struct plan *plan)
{
	return (const struct plan_op *)((const uint8_t *)plan->ops + plan->ops_size);
}

/* Translates; on main, applies the learn actions on the way, so that what the packet taught is
 * published before it leaves (rule 8). */
static struct plan *
translate_for(struct runner *rn, struct xlate_in *in)
{
	struct plan *plan = translate(in);
	const struct op_learn *learn;

	while (rn->is_main && (learn = missing_learn(plan->ops, ops_end(plan))) != NULL &&
	       learn->op.u32 >= in->learn_done) {
		in->learn_done = learn->op.u32 + 1;
		slow_path_call_learn(learn->flow);
		plan_free(plan);
		/* In the view that the packet began with: it is the next packet that meets the
		 * learned rule, as with OVS. */
		plan = translate(in);
	}
	plan->version = in->view->version;
	plan->has_learn = has_learn(plan->ops, ops_end(plan));
	plan_shorten(plan);
	atomic_store_explicit(&plan->refs, 1, memory_order_relaxed);
	return plan;
}

/* What the plan teaches is not there any more, or not yet in our view: the packet is main's. */
static inline bool
gone_to_main(struct pass *p, struct plan *plan, struct rte_mbuf *m)
{
	if (likely(!plan->has_learn) || run_learned_are_there(p, plan))
		return false;
	p->plan = plan;
	slow_push_packet(p, m);
	return true;
}

/* Runs a plan that no cache keeps, and lets go of it. */
static void
run_once(struct pass *p, struct plan *plan, struct rte_mbuf *m)
{
	if (gone_to_main(p, plan, m)) {
		plan_unref(plan);
		return;
	}
	plan_credit(plan, 1, pass_credit_size(p, m), p->rn->now_ms);
	run_plan(p, plan, m);
	plan_unref(plan);
}

static void
translate_once(struct pass *p, struct rte_mbuf *m, bool slow)
{
	struct xlate_in in = { .slow = slow };
	struct plan *plan;

	pipeline_fill(p, m, &in, &p->layers);
	p->layers_valid = true;
	plan = translate_for(p->rn, &in);
	run_once(p, plan, m);
}

void
pipeline_packet_slow(struct pass *p, struct rte_mbuf *m)
{
	translate_once(p, m, true);
}

void
pipeline_translate_and_run(struct pass *p, struct xlate_in *in, struct rte_mbuf *m)
{
	struct plan *plan = translate_for(p->rn, in);

	stat_add(&p->rn->n_misses, 1);
	run_once(p, plan, m);
}

static void
run_flow(struct pass *p, struct flow *f, struct rte_mbuf *m)
{
	struct plan *plan = f->plan;

	if (unlikely(plan->ttl_min | plan->mpls_ttl_min) && !run_guards(p, plan, m)) {
		/* This one packet takes another way (rule 5). */
		translate_once(p, m, false);
		return;
	}
	if (gone_to_main(p, plan, m))
		return;
	flow_account(f, 1, pass_credit_size(p, m), p->rn->now_ms);
	run_plan(p, plan, m);
}

/* For "vlog/set dpif_netdev:dbg": each new entry, as dpctl/dump-flows would show it. */
static __attribute__((noinline)) void
log_added(const struct pass *p, const struct of_key *key)
{
	struct wf_str flow = WF_STR_INIT, actions = WF_STR_INIT;
	struct of_key k = *key, wc;
	char port[16];

	k.recirc_id = p->frozen ? (uint32_t)p->frozen->id : 0;
	snprintf(port, sizeof(port), "%" PRIu32, p->in_slot);
	flow_text_actions(p->rn->view, p->in_slot, &k, false, &wc, &actions);
	key_odp_text(&k, &wc, port, false, &flow);
	wf_dbg("flow_add: %s, actions:%s", wf_str_cstr(&flow), wf_str_cstr(&actions));
	wf_str_done(&flow);
	wf_str_done(&actions);
}

/* The plan that a walk of this shape led to before, or leads to now; false: translate, if '*plan' is
 * still NULL. */
static bool
walk_by_memo(struct pass *p, struct xlate_in *in, bool keep, struct walk_found *found,
	     struct plan **plan)
{
	struct runner *rn = p->rn;
	enum walk_answer answer;

	/* What brings metadata along, and fragments, whose ports tables do not see. */
	if (p->frozen || p->tunnel || p->packet_type != OF_PT_ETH || p->pushed_tags ||
	    (p->dp_hash | p->pkt_mark | p->skb_priority | in->key.nw_frag))
		return false;
	if (unlikely(!rn->walks)) {
		rn->walks = walk_memo_new();
		walk_memo_sync(rn->walks, rn->view, rn->now_ms);
	}
	answer = walk_memo_find(rn->walks, in, keep, found);
	stat_add(&rn->n_remembered, answer == WALK_FOUND);
	if (answer == WALK_UNKNOWN) {
		in->record = walk_memo_record(rn->walks, in);
		if (in->record) {
			*plan = translate_for(rn, in);
			answer = walk_memo_add(rn->walks, in, plan, found);
			in->record = NULL;
		}
	}
	return answer == WALK_FOUND;
}

/* No entry, or a stale one. */
static __attribute__((noinline)) void
miss(struct pass *p, const struct cache_key *key, struct flow *stale, struct rte_mbuf *m)
{
	struct runner *rn = p->rn;
	struct xlate_in in = { 0 };
	enum cache_keep admitted = stale ? CACHE_KEEP : cache_admits(rn->cache, key);
	bool keep = admitted != CACHE_PASS;
	uint64_t needed = SPARE_ALL;
	struct flow *f = NULL;

	stat_add(&rn->n_misses, 1);
	pipeline_fill(p, m, &in, &p->layers);
	p->layers_valid = true;
	in.for_cache = keep;

	struct walk_found found;
	struct plan *plan = NULL;
	bool is_found = walk_by_memo(p, &in, keep, &found, &plan);
	if (is_found && keep)
		needed = found.needed;
	if (keep && admitted != CACHE_KEEP && !cache_leaves_out(rn->cache, key, admitted, needed))
		keep = false;
	if (is_found && !keep && run_guards(p, found.body, m)) {
		walk_memo_credit(rn->walks, &found, pass_credit_size(p, m), rn->now_ms);
		run_plan(p, found.body, m);
		return;
	}

	if (is_found && keep)
		plan = cache_plan_of(rn->cache, found.body, found.steps, found.n_steps, found.rules,
				     found.n_rules);
	else if (!plan)
		plan = translate_for(rn, &in);
	if (keep && plan->cacheable)
		f = stale ? cache_replace(rn->cache, stale, plan, needed)
			  : cache_insert(rn->cache, key, plan, needed);
	else if (stale)
		cache_remove(rn->cache, stale);
	if (f && !stale) {
		cache_set_sample(rn->cache, f, &in.key);
		if (unlikely(wf_log_enabled(WF_DBG)) &&
		    !(p->frozen && frozen_is_bridge_entry(p->frozen)))
			log_added(p, &in.key);
	}
	if (f && !stale && run_guards(p, f->plan, m)) {
		if (gone_to_main(p, f->plan, m))
			return;
		/* An entry counts its hits; this was none. */
		if (is_found)
			walk_memo_credit(rn->walks, &found, pass_credit_size(p, m), rn->now_ms);
		else
			plan_credit(f->plan, 1, pass_credit_size(p, m), rn->now_ms);
		run_plan(p, f->plan, m);
	} else if (f)
		run_flow(p, f, m);
	else if (run_guards(p, plan, m))
		run_once(p, plan, m);
	else {
		plan_unref(plan);
		translate_once(p, m, false);
	}
}

/* What a continuation does not fix of the metadata. */
static void
pass_metadata(struct pass *p)
{
	struct of_key *key = &p->rn->key;

	key->packet_type = p->packet_type;
	key->dp_hash = p->dp_hash;
	key->pkt_mark = p->pkt_mark;
	key->skb_priority = p->skb_priority;
	if (unlikely(p->tunnel))
		tunnel_part_copy(key, p->tunnel);
}

/* The scratch key has no tunnel but for the length of a look-up. */
static void
pass_metadata_done(struct pass *p)
{
	if (unlikely(p->tunnel))
		memset((uint8_t *)&p->rn->key + TUNNEL_PART_OFS, 0, TUNNEL_PART_SIZE);
}

/* An entry under an older layout moves over. */
static struct flow *
find_old(struct pass *p, const struct cache_key *key, const struct rte_mbuf *m)
{
	struct runner *rn = p->rn;

	pkt_parse_more(m, p->packet_type, p->pushed_tags, &rn->key, &p->layers);
	p->layers_valid = true;
	pass_metadata(p);
	struct flow *f = cache_find_old(rn->cache, p->in_slot, p->in_generation,
					p->frozen ? p->frozen->id : 0, &rn->key, key);

	pass_metadata_done(p);
	return f;
}

static inline void
found_or_not(struct pass *p, const struct cache_key *key, struct flow *f, struct rte_mbuf *m)
{
	struct runner *rn = p->rn;

	bool moved = false;

	if (unlikely(!f)) {
		/* What came over from an older layout is walked again whatever its stamps say: they
		 * are those of a packet that may differ in the fields that the layout now has. */
		f = find_old(p, key, m);
		moved = f != NULL;
	}
	if (likely(f && !moved && plan_is_fresh(f->plan, rn->view))) {
		stat_add(&rn->n_hits, 1);
		run_flow(p, f, m);
	} else {
		/* A retired entry was replaced while this burst ran: not again. */
		miss(p, key, f && !flow_is_retired(f) ? f : NULL, m);
	}
}

void
pipeline_packet(struct pass *p, struct rte_mbuf *m)
{
	struct runner *rn = p->rn;
	struct cache_key key;
	struct flow *f;

	if (unlikely(++p->fate->n_passes > RUN_MAX_PASSES)) {
		pass_drop(p, DROP_PIPELINE_TOO_MANY);
		pkt_free(m);
		return;
	}
	if (!rn->cache) {
		stat_add(&rn->n_misses, 1);
		translate_once(p, m, false);
		return;
	}
	pkt_parse_more(m, p->packet_type, p->pushed_tags, &rn->key, &p->layers);
	p->layers_valid = true;
	pass_metadata(p);
	cache_key_make(rn->cache, p->in_slot, p->in_generation, p->frozen ? p->frozen->id : 0,
		       &rn->key, &key);
	pass_metadata_done(p);
	f = cache_find(rn->cache, &key);
	found_or_not(p, &key, f, m);
}

/* One key for all packets of a burst, and all that the plan does is send them on: true, and they
 * are on their way.  Else nothing was done. */
static bool
burst_as_one(struct runner *rn, struct flow *f, struct rte_mbuf **pkts, unsigned n)
{
	struct short_out out = { .slot = UINT32_MAX };
	uint64_t open = 0, bytes = 0;
	uint32_t longest = 0;

	if (!f || !plan_is_fresh(f->plan, rn->view) || f->plan->shortcut != SHORT_OUTPUT ||
	    f->plan->ttl_min || !short_out_is(rn, f->plan->out_slot, f->plan->out_generation, &out))
		return false;
	for (unsigned i = 0; i < n; i++) {
		uint32_t size = pkt_size(pkts[i]);

		open |= pkts[i]->ol_flags;
		bytes += size;
		longest = size > longest ? size : longest;
	}
	if (unlikely(open & PKT_TX_OPEN || longest > out.max_frame))
		return false;
	flow_account(f, n, bytes, rn->now_ms);
	for (unsigned i = 0; i < n; i++)
		runner_put(rn, out.batch, pkts[i]);
	stat_add(&rn->n_hits, n);
	return true;
}

/* The keys of packets of other kinds; drops what is no frame.  Returns how many packets are left. */
static __attribute__((noinline)) unsigned
burst_parse_others(struct runner *rn, struct cache_burst *b, uint32_t slot, uint32_t generation,
		   struct rte_mbuf **pkts, uint8_t *kinds, unsigned n, uint8_t *key_of,
		   struct pkt_layers *layers)
{
	struct cache_key key;
	unsigned n_good = 0;

	rn->key.packet_type = OF_PT_ETH;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (kinds[i] == PKT_KIND_OTHER) {
			if (unlikely(pkt_size(m) < 14)) {
				stat_add(&rn->drops[DROP_RX_TOO_SHORT], 1);
				pkt_free(m);
				continue;
			}
			pkt_parse(m, OF_PT_ETH, &rn->key, &layers[n_good]);
			cache_key_make(rn->cache, slot, generation, 0, &rn->key, &key);
			key_of[n_good] = (uint8_t)cache_burst_add(b, &key);
		}
		kinds[n_good] = kinds[i];
		pkts[n_good++] = m;
	}
	return n_good;
}

/* What came out of tunnels in this burst, together. */
static __attribute__((noinline)) void
inner(struct runner *rn)
{
	struct inner_burst *burst = rn->inner;
	struct short_out out = { .slot = UINT32_MAX };
	struct short_push push = SHORT_PUSH_INIT;
	struct flow *flows[BURST_MAX];
	unsigned n_hits = 0;

	burst->closed = true;
	cache_burst_find(rn->cache, &burst->keys, flows);
	for (unsigned i = 0; i < burst->n; i++) {
		struct inner *in = &burst->pkts[i];
		struct pkt_layers layers; /* for kinds that are not here */
		struct flow *f = flows[i];
		struct cache_key key;
		struct of_key tunnel;

		if (likely(f && !flow_is_retired(f) && plan_is_fresh(f->plan, rn->view))) {
			uint32_t size = pkt_size(in->m);

			if (likely(short_is_output(f->plan, &out, in->m))) {
				runner_put(rn, out.batch, in->m);
				flow_account(f, 1, size, rn->now_ms);
				n_hits++;
				continue;
			}
			if (f->plan->shortcut & SHORT_TUNNEL
				    ? short_push(rn, f->plan, &push, in->kind, in->m)
				    : run_short(rn, f->plan, &out, in->kind, &layers, in->m)) {
				flow_account(f, 1, size, rn->now_ms);
				n_hits++;
				continue;
			}
		} else {
			f = NULL;
		}
		push.slot = UINT32_MAX;
		cache_burst_key(&burst->keys, i, &key);
		if (!f)
			f = cache_find(rn->cache, &key);

		struct run_fate fate = { 0 };
		struct pass p = {
			.rn = rn, .fate = &fate, .bridge = in->port->bridge,
			.in_slot = in->port->slot, .in_generation = in->port->generation,
			.in_port = in->port->ofp_port, .packet_type = OF_PT_ETH, .depth = 1,
			.tunnel = &tunnel, .layers_valid = true,
		};
		pkt_kind_layers(in->m, in->kind, &p.layers);
		run_decap_outer(rn, in, &tunnel);
		found_or_not(&p, &key, f, in->m);
		pipeline_settle(rn, &fate);
	}
	short_push_end(rn, &push);
	stat_add(&rn->n_hits, n_hits);
	burst->n = 0;
	burst->closed = false;
}

/* Frames that are like a template need no kind, but for the first of each. */
static __attribute__((noinline)) unsigned
kinds_of_same(struct runner *rn, struct rte_mbuf **pkts, unsigned n, uint8_t *kinds, uint16_t *same)
{
	struct decaps *d = rn->decaps;
	unsigned any = 0;

	for (unsigned i = 0; i < n; i++) {
		same[i] = decap_same_as(d, pkts[i]);
		if (likely(same[i] != DECAP_NO_TEMPLATE)) {
			struct decap_template *t = &d->templates[same[i]];

			if (likely(t->burst == d->burst)) {
				kinds[i] = PKT_KIND_SAME;
				continue;
			}
			t->burst = d->burst;
			t->first = (uint8_t)i;
		}
		any |= kinds[i] = (uint8_t)pkt_kind(pkts[i]);
	}
	return any;
}

static void
keys_of_same(const struct runner *rn, unsigned n, const uint16_t *same, uint8_t *key_of)
{
	for (unsigned i = 0; i < n; i++)
		if (same[i] != DECAP_NO_TEMPLATE)
			key_of[i] = key_of[rn->decaps->templates[same[i]].first];
}

/* The same without templates: packets are about to change places. */
static bool
kinds_of_all(struct rte_mbuf **pkts, unsigned n, uint8_t *kinds)
{
	for (unsigned i = 0; i < n; i++)
		kinds[i] = (uint8_t)pkt_kind(pkts[i]);
	return false;
}

/* Packets without an entry: what their look-ups in a large first table need comes together. */
static __attribute__((noinline)) void
fetch_ahead(const struct table *t, of_port_t in_port, struct flow *const *flows,
	    const uint8_t *key_of, struct rte_mbuf *const *pkts, unsigned n)
{
	struct table_ahead ahead[BURST_MAX];
	struct pkt_layers layers;
	struct of_key key;
	unsigned n_ahead = 0;

	memset(&key, 0, offsetof(struct of_key, dl_dst));
	key.in_port = in_port;
	for (unsigned i = 0; i < n; i++) {
		if (!flows[key_of[i]]) {
			pkt_parse(pkts[i], OF_PT_ETH, &key, &layers);
			table_fetch_buckets(t, &key, &ahead[n_ahead++]);
		}
	}
	for (unsigned i = 0; i < n_ahead; i++)
		table_fetch_rules(&ahead[i]);
}

static void
burst(struct runner *rn, uint32_t slot, struct rte_mbuf **pkts, unsigned n)
{
	const struct view *v = rn->view;
	const struct view_slot *vs = slot < v->n_slots ? &v->slots[slot] : NULL;
	const struct bridge_view *bv = vs && vs->port && vs->bridge < v->n_bridges
					       ? v->bridges[vs->bridge] : NULL;
	struct cache_burst b;
	struct flow *flows[BURST_MAX];
	struct pkt_layers layers[BURST_MAX]; /* of those that the parser had to look at */
	uint8_t kinds[BURST_MAX], key_of[BURST_MAX];
	uint16_t same[BURST_MAX]; /* templates of run_decap_same.h */
	unsigned n_hits = 0, n_new = 0, any = 0;

	if (unlikely(!bv)) {
		if (run_tunnel_receive(rn, slot, pkts, n))
			return;
		stat_add(&rn->drops[DROP_RX_NO_BRIDGE], n);
		pkt_free_bulk(pkts, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(pkt_data(pkts[i]));
	uint8_t protocols = atomic_load_explicit(&vs->port->protocols, memory_order_relaxed);
	if (unlikely(protocols))
		n = protocol_rx_burst(rn, bv->bridge, slot, vs->generation, vs->ofp_port, protocols,
				      pkts, n);
	bool tunnels = decap_same_begin(rn, slot, vs->generation);
	if (unlikely(tunnels)) {
		unsigned taken = run_decap_together(rn, &b, slot, vs->generation, pkts, n);

		if (taken) {
			inner(rn);
			if (taken == n)
				return;
			decap_same_look_again(rn);
			pkts += taken;
			n -= taken;
		}
		any = kinds_of_same(rn, pkts, n, kinds, same);
	} else {
		for (unsigned i = 0; i < n; i++)
			any |= kinds[i] = (uint8_t)pkt_kind(pkts[i]);
	}
	cache_burst_start(rn->cache, &b, slot, vs->generation);
	if (unlikely(any & PKT_KIND_OTHER)) {
		if (tunnels)
			tunnels = kinds_of_all(pkts, n, kinds);
		n = burst_parse_others(rn, &b, slot, vs->generation, pkts, kinds, n, key_of, layers);
	}
	cache_burst_add_frames(rn->cache, &b, pkts, kinds, n, key_of);
	if (unlikely(tunnels))
		keys_of_same(rn, n, same, key_of);
	cache_burst_find(rn->cache, &b, flows);
	if (b.n == 1 && burst_as_one(rn, flows[0], pkts, n))
		return;
	for (unsigned i = 0; i < n; i++) {
		const struct flow *f = flows[key_of[i]];
		const struct plan *plan = likely(f) ? f->plan : NULL;

		n_new += !plan;
		if (unlikely(!plan) || kinds[i] == PKT_KIND_SAME)
			continue;
		if (plan->version != v->version)
			plan_prefetch_steps(plan);
		if (plan->shortcut & SHORT_TUNNEL) {
			__builtin_prefetch(plan->ops);
			__builtin_prefetch((const uint8_t *)plan->ops + 64);
			__builtin_prefetch((const uint8_t *)plan->ops + 128);
		} else if (plan->shortcut & SHORT_NORMAL) {
			normal_memo_prefetch(rn->memos, plan->out_slot, pkts[i]);
		} else if (!plan->shortcut) {
			__builtin_prefetch(plan->ops);
		}
	}

	if (unlikely(n_new > 1) && table_is_large(&bv->bridge->tables[0]))
		fetch_ahead(&bv->bridge->tables[0], vs->ofp_port, flows, key_of, pkts, n);

	struct short_out out = { .slot = UINT32_MAX };
	struct short_push push = SHORT_PUSH_INIT;
	struct cache_key key;
	for (unsigned i = 0; i < n; i++) {
		struct flow *f = flows[key_of[i]];
		struct rte_mbuf *m = pkts[i];
		unsigned kind = kinds[i];

		if (likely(f && !flow_is_retired(f) && plan_is_fresh(f->plan, v))) {
			uint32_t size = pkt_size(m);

			if (unlikely(tunnels) && same[i] != DECAP_NO_TEMPLATE) {
				if (likely(decap_same_take(rn, &rn->decaps->templates[same[i]], f->plan, m))) {
					flow_account(f, 1, size, rn->now_ms);
					n_hits++;
					continue;
				}
				kind = pkt_kind(m);
			}
			if (likely(short_is_output(f->plan, &out, m))) {
				runner_put(rn, out.batch, m);
			} else if (f->plan->shortcut & SHORT_TUNNEL) {
				if (!short_push(rn, f->plan, &push, kind, m))
					goto longer;
			} else if (!run_short(rn, f->plan, &out, kind, &layers[i], m)) {
				goto longer;
			}
			flow_account(f, 1, size, rn->now_ms);
			n_hits++;
			continue;
		} else {
			f = NULL;
		}
longer:
		/* It may move an address of NORMAL's. */
		push.slot = UINT32_MAX;
		decap_same_look_again(rn);
		if (unlikely(kind == PKT_KIND_SAME))
			kind = pkt_kind(m);
		/* No packet overtakes those that wait. */
		if (unlikely(rn->inner->n))
			inner(rn);
		cache_burst_key(&b, key_of[i], &key);
		/* An earlier packet of this burst may have brought or replaced it. */
		if (!f)
			f = cache_find(rn->cache, &key);

		struct run_fate fate = { 0 };
		struct pass p = {
			.rn = rn, .fate = &fate, .bridge = bv->bridge, .in_slot = slot,
			.in_generation = vs->generation, .in_port = vs->ofp_port,
			.packet_type = OF_PT_ETH, .layers_valid = true,
		};
		if (kind != PKT_KIND_OTHER)
			pkt_kind_layers(m, kind, &p.layers);
		else
			p.layers = layers[i];
		found_or_not(&p, &key, f, m);
		pipeline_settle(rn, &fate);
	}
	short_push_end(rn, &push);
	stat_add(&rn->n_hits, n_hits);
	if (rn->inner->n)
		inner(rn);
}

void
pipeline_burst(struct runner *rn, uint32_t slot, struct rte_mbuf **pkts, unsigned n)
{
	burst(rn, slot, pkts, n);
	/* However it ended: the counters are there only until the next quiescent point. */
	if (rn->n_tallies)
		runner_add_tallies(rn);
	if (rn->walks)
		walk_memo_end_burst(rn->walks, rn->now_ms);
	atomic_store_explicit(&rn->n_bursts,
			      atomic_load_explicit(&rn->n_bursts, memory_order_relaxed) + 1,
			      memory_order_release);
}
