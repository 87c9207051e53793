/* SPDX-License-Identifier: Apache-2.0 */
/* From the file into the tables, at the start.
 *
 * Timeouts go on while the daemon is away.  What the file holds had not expired when the daemon was
 * last alive, whatever older stamps say: after a kill, packets of the last moments and what
 * learning refreshed are not in the file.  So that moment is the earliest from which they count.
 */
#include <stdlib.h>

#include "base/log.h"
#include "dataplane/normal.h"
#include "switchd/state/internal.h"
#include "switchd/state/record.h"
#include "switchd/state/state.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(state);

struct replay {
	struct of_switch *sw;
	int64_t boot;     /* CLOCK_BOOTTIME less weft's clock */
	int64_t now, alive;
	bool is_clean;
	size_t from;      /* only what lies at this offset of the file or behind it */
	uint32_t types;   /* bit enum state_type: of this bridge and there; only with 'from' */
	struct wf_buf gone; /* ids of flows that are not taken */
};

static void
unreadable(const struct replay *p, const char *what, uint64_t id)
{
	state.n_unreadable++;
	wf_warn_rl("%s: %s %llu of the state file cannot be read by this version",
		   p->sw->bridge->name, what, (unsigned long long)id);
}

/* --- Kinds ---------------------------------------------------------------------------------- */

static void
take_tlv_map(struct replay *p, const struct state_frame *f)
{
	struct of_tlv_map map;

	if (!state_tlv_map_get(f, &map)) {
		unreadable(p, "TLV map", 0);
		return;
	}
	p->sw->tlv_map = map;
	sw_tunnels_use_options(&map);
	view_set_tlv_map(p->sw->bridge, &map);
}

static void
take_group(struct replay *p, const struct state_frame *f)
{
	struct of_txn txn = { 0 };
	struct of_group_mod gm;
	struct group *g;
	int64_t created;

	if (!state_group_get(f, &p->sw->tlv_map, p->boot, &gm, &created)) {
		unreadable(p, "group", f->size >= 4 ? state_get_u32(f->data) : 0);
		return;
	}
	gm.command = OF_GC_ADD_OR_MOD;
	if (!of_group_mod_apply(p->sw, &gm, &txn, 0)) {
		g = view_group_pending(p->sw->bridge, gm.group);
		g->created_ms = created;
		state.n_groups++;
	}
	of_txn_done(&txn);
	of_group_mod_done(&gm);
}

static void
take_meter(struct replay *p, const struct state_frame *f)
{
	static struct wf_buf bands;
	struct of_meter_config cfg;
	int64_t created;

	if (!state_meter_get(f, p->boot, &cfg, &bands, &created) ||
	    of_meter_restore(p->sw, &cfg, created)) {
		unreadable(p, "meter", f->size >= 4 ? state_get_u32(f->data) : 0);
		return;
	}
	state.n_meters++;
}

/* Sets what its timeouts count from; true if one of them is over. */
static bool
is_expired(const struct replay *p, struct rule *r, const struct state_counts *c)
{
	int64_t modified = atomic_load_explicit(&r->modified_ms, memory_order_relaxed);
	int64_t used = c->used_ms ? c->used_ms - p->boot : 0;

	if (r->hard_timeout) {
		if (modified + r->hard_timeout * 1000ll < p->alive)
			modified = p->alive;
		atomic_store_explicit(&r->modified_ms, modified, memory_order_relaxed);
		if (modified + r->hard_timeout * 1000ll < p->now)
			return true;
	}
	if (r->idle_timeout) {
		if (used < r->created_ms)
			used = r->created_ms;
		if (!p->is_clean && used < p->alive)
			used = p->alive;
		if (used + r->idle_timeout * 1000ll < p->now)
			return true;
	}
	atomic_store_explicit(&r->counter.used_ms, used, memory_order_relaxed);
	return false;
}

static void
take_flow(struct replay *p, const struct state_frame *f)
{
	const struct state_item *counts;
	struct state_counts c = { 0 };
	struct state_flow flow;

	if (!state_flow_get(f, &p->sw->tlv_map, p->boot, &flow)) {
		unreadable(p, "flow", state_get_u64(f->data));
		return;
	}
	counts = state.image.n_counts
			 ? state_image_find(&state.image, p->sw->state_id, STATE_COUNTS, flow.id)
			 : NULL;
	if (counts)
		state_counts_get(state.image.file + counts->ofs, &c);
	if (is_expired(p, flow.rule, &c)) {
		state.n_expired++;
		state_put_u64(&p->gone, flow.id);
		rule_unref(flow.rule);
		return;
	}
	atomic_store_explicit(&flow.rule->counter.packets, c.packets, memory_order_relaxed);
	atomic_store_explicit(&flow.rule->counter.bytes, c.bytes, memory_order_relaxed);
	of_flow_restore(p->sw, flow.table, flow.rule, flow.id);
	state.n_flows++;
}

/* --- A bridge ------------------------------------------------------------------------------- */

static void
take_all(struct replay *p, enum state_type type,
	 void (*take)(struct replay *, const struct state_frame *))
{
	const struct state_image *im = &state.image;
	struct state_frame f;

	/* In an upgrade nothing is forwarded meanwhile, and a look at all items takes its time. */
	if (p->from && !(p->types >> type & 1))
		return;
	for (size_t k = 0; k < im->n_items; k++) {
		const struct state_item *i = &im->items[k];

		if (i->type != type || i->bridge != p->sw->state_id || !i->live ||
		    i->ofs < p->from)
			continue;
		state_image_frame(im, i, &f);
		take(p, &f);
	}
}

/* Is it the life that the file tells of?  A switch that gets controllers, or loses them, starts
 * empty (of_config.c), also if that happened while nobody was there. */
static bool
is_same_life(const struct of_switch *sw, const struct state_item *i)
{
	struct state_frame f;
	struct state_bridge b;

	state_image_frame(&state.image, i, &f);
	return state_bridge_get(&f, &b) && b.has_controllers == (sw->n_controllers > 0) &&
	       (b.has_controllers || b.fail_mode == sw->fail_mode);
}

static void
take_tables(struct replay *p)
{
	state.replaying = true;
	take_all(p, STATE_TLV_MAP, take_tlv_map);
	take_all(p, STATE_METER, take_meter);
	take_all(p, STATE_GROUP, take_group);
	take_all(p, STATE_FLOW, take_flow);
	state.replaying = false;
}

bool
state_restore(struct of_switch *sw)
{
	const struct state_item *bridge;
	int64_t start_us = wf_now_us();
	struct replay p = { .sw = sw, .boot = state_boot_offset(), .now = wf_now_ms() };

	if (!state.has_image || !sw->state_id)
		return false;
	bridge = state_image_find(&state.image, sw->state_id, STATE_BRIDGE, 0);
	if (!bridge)
		return false;
	if (!is_same_life(sw, bridge)) {
		wf_info("%s: controllers were added or removed meanwhile: it starts empty",
			sw->bridge->name);
		if (state.log)
			state_bridge_anew(sw);
		return false;
	}
	p.alive = (int64_t)state.image.head.alive_ms - p.boot;
	p.is_clean = state.image.head.is_clean;
	take_tables(&p);
	if (p.gone.size && state.log) {
		wf_buf_put(state_log_begin(state.log, STATE_FLOWS_GONE, sw->state_id), p.gone.data,
			   p.gone.size);
		state_log_end(state.log);
	}
	wf_buf_done(&p.gone);
	state.replay_us += wf_now_us() - start_us;
	return true;
}

static void
take_macs(struct replay *p, const struct state_frame *f)
{
	for (size_t o = STATE_MACS_HEAD; o + STATE_MAC_SIZE <= f->size; o += STATE_MAC_SIZE) {
		struct state_mac m;

		state_mac_get(f->data + o, &m);
		m.used_ms -= p->boot;
		if (!p->is_clean && m.used_ms < p->alive)
			m.used_ms = p->alive;
		if (of_port_find(p->sw, m.port))
			state.n_macs += mac_table_restore(p->sw->bridge->macs, m.vid, m.mac, m.port,
							  m.is_static, m.used_ms);
	}
}

void
state_restore_macs(struct of_switch *sw)
{
	struct replay p = { .sw = sw, .boot = state_boot_offset() };
	const struct state_item *bridge;

	if (!state.has_image || !sw->state_id)
		return;
	bridge = state_image_find(&state.image, sw->state_id, STATE_BRIDGE, 0);
	if (!bridge)
		return;
	p.alive = (int64_t)state.image.head.alive_ms - p.boot;
	p.is_clean = state.image.head.is_clean;
	take_all(&p, STATE_MACS, take_macs);
}

static uint32_t
types_from(const struct of_switch *sw, size_t ofs)
{
	struct state_frame f;
	uint32_t types = 0;

	while (ofs < state.image.size &&
	       state_frame_next(state.file, state.image.size, &ofs, &f) == STATE_NEXT_OK)
		if (f.bridge == sw->state_id && f.type < 32)
			types |= 1u << f.type;
	return types;
}

void
state_restore_rest(struct of_switch *sw)
{
	struct replay p = { .sw = sw, .boot = state_boot_offset(), .now = wf_now_ms(),
			    .from = state.taken };

	p.types = types_from(sw, state.taken);
	p.alive = (int64_t)state.image.head.alive_ms - p.boot;
	take_tables(&p);
	wf_buf_done(&p.gone);
	/* Each time all of it is written. */
	const struct state_item *macs = state_image_find(&state.image, sw->state_id, STATE_MACS, 0);

	if (macs && macs->ofs >= state.taken) {
		mac_table_flush(sw->bridge->macs);
		p.from = 0;
		take_all(&p, STATE_MACS, take_macs);
	}
}
