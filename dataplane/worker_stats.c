/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of all threads, put together on main. */
#include "dataplane/worker_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"

/* What ended workers had counted. */
static uint64_t gone_drops[DROP_N_REASONS];
static struct worker_totals gone;

static uint64_t
get(_Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

void
stats_worker_gone(struct worker *w)
{
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		gone_drops[i] += get(&w->rn.drops[i]);
	gone.hits += get(&w->rn.n_hits);
	gone.remembered += get(&w->rn.n_remembered);
	gone.misses += get(&w->rn.n_misses);
	gone.lost += get(&w->rn.n_lost);
}

void
drop_totals(uint64_t totals[DROP_N_REASONS])
{
	for (unsigned i = 0; i < DROP_N_REASONS; i++) {
		totals[i] = gone_drops[i] + get(&main_runner.drops[i]);
		for (struct worker *w = worker_list; w; w = w->next)
			totals[i] += get(&w->rn.drops[i]);
	}
	drop_add_shared(totals);
}

void
workers_fold_stats(void)
{
	for (struct worker *w = worker_list; w; w = w->next) {
		/* Read first: what is counted while the flows are walked is for the next time. */
		uint64_t bursts = atomic_load_explicit(&w->rn.n_bursts, memory_order_acquire);

		if (bursts == w->folded_bursts)
			continue;
		w->folded_bursts = bursts;
		cache_fold(w->rn.cache);
	}
}

void
workers_totals(struct worker_totals *t)
{
	*t = gone;
	t->hits += get(&main_runner.n_hits);
	t->misses += get(&main_runner.n_misses);
	t->lost += get(&main_runner.n_lost);
	t->n_flows = t->n_masks = 0;
	for (struct worker *w = worker_list; w; w = w->next) {
		t->hits += get(&w->rn.n_hits);
		t->remembered += get(&w->rn.n_remembered);
		t->misses += get(&w->rn.n_misses);
		t->lost += get(&w->rn.n_lost);
		t->n_flows += get(&w->n_flows);
		t->n_masks += get(&w->n_flows) != 0;
	}
}

struct dump {
	void (*fn)(const struct flow_dump_row *, void *aux);
	void *aux;
	const struct worker *worker;
};

static void
dump_flow(struct flow *f, void *dump_)
{
	struct dump *d = dump_;
	struct flow_dump_row row;

	if (flow_is_retired(f))
		return;
	flow_key(f, &row.key, &row.mask);
	row.is_sample = flow_sample(f, &row.key);
	row.packets = get(&f->packets);
	row.bytes = get(&f->bytes);
	row.used_ms = row.packets ? flow_used_ms(f, wf_now_ms()) : 0;
	row.plan = f->plan;
	row.in_slot = flow_slot(f);
	row.worker = d->worker->index;
	row.core = d->worker->polling ? d->worker->core : -1;
	/* Metadata follows from the slot and the continuation. */
	const struct view *v = view_get();
	if (row.in_slot < v->n_slots)
		row.key.in_port = v->slots[row.in_slot].ofp_port;
	row.mask.in_port = UINT32_MAX;
	row.key.recirc_id = (uint32_t)flow_frozen_id(f);
	row.mask.recirc_id = UINT32_MAX;
	d->fn(&row, d->aux);
}

void
workers_dump_flows(void (*fn)(const struct flow_dump_row *, void *), void *aux)
{
	for (struct worker *w = worker_list; w; w = w->next) {
		struct dump d = { fn, aux, w };

		cache_for_each(w->rn.cache, dump_flow, &d);
	}
}

/* --- pmd-stats-show ------------------------------------------------------------------------- */

static void
read_base(struct worker *w, struct worker_base *b)
{
	b->n_rx = get(&w->n_rx);
	b->recirc = get(&w->rn.n_recirc);
	b->hits = get(&w->rn.n_hits);
	b->misses = get(&w->rn.n_misses);
	b->lost = get(&w->rn.n_lost);
	b->tx_packets = get(&w->rn.n_tx_packets);
	b->tx_batches = get(&w->rn.n_tx_batches);
	b->idle = get(&w->idle_cycles);
	b->busy = get(&w->busy_cycles);
}

static double
ratio(uint64_t a, uint64_t b)
{
	return b ? a / (double)b : 0;
}

static void
show_counters(struct wf_str *s, const struct worker_base *b)
{
	/* Our cache stands where OVS has three; its hits are told as the exact ones. */
	wf_str_fmt(s,
		   "  packets received: %" PRIu64 "\n"
		   "  packet recirculations: %" PRIu64 "\n"
		   "  avg. datapath passes per packet: %.02f\n"
		   "  phwol hits: 0\n"
		   "  mfex opt hits: 0\n"
		   "  simple match hits: 0\n"
		   "  emc hits: %" PRIu64 "\n"
		   "  smc hits: 0\n"
		   "  megaflow hits: 0\n"
		   "  avg. subtable lookups per megaflow hit: 0.00\n"
		   "  miss with success upcall: %" PRIu64 "\n"
		   "  miss with failed upcall: %" PRIu64 "\n"
		   "  avg. packets per output batch: %.02f\n",
		   b->n_rx, b->recirc, b->n_rx ? ratio(b->n_rx + b->recirc, b->n_rx) : 0, b->hits,
		   b->misses, b->lost, ratio(b->tx_packets, b->tx_batches));
}

void
workers_stats_show(struct wf_str *s)
{
	for (struct worker *w = worker_list; w; w = w->next) {
		struct worker_base b;

		read_base(w, &b);
		b.n_rx -= w->base.n_rx;
		b.recirc -= w->base.recirc;
		b.hits -= w->base.hits;
		b.misses -= w->base.misses;
		b.lost -= w->base.lost;
		b.tx_packets -= w->base.tx_packets;
		b.tx_batches -= w->base.tx_batches;
		b.idle -= w->base.idle;
		b.busy -= w->base.busy;
		if (!w->polling) {
			wf_str_fmt(s, "%s thread:\n", w->name);
			show_counters(s, &b);
			continue;
		}
		wf_str_fmt(s, "pmd thread numa_id %d core_id %d:\n", w->numa, w->core);
		show_counters(s, &b);

		uint64_t all = b.idle + b.busy;
		if (!all)
			continue;
		wf_str_fmt(s,
			   "  idle cycles: %" PRIu64 " (%.02f%%)\n"
			   "  processing cycles: %" PRIu64 " (%.02f%%)\n",
			   b.idle, ratio(b.idle, all) * 100, b.busy, ratio(b.busy, all) * 100);
		if (!b.n_rx)
			continue;
		wf_str_fmt(s,
			   "  avg cycles per packet: %.02f (%" PRIu64 "/%" PRIu64 ")\n"
			   "  avg processing cycles per packet: %.02f (%" PRIu64 "/%" PRIu64 ")\n",
			   ratio(all, b.n_rx), all, b.n_rx, ratio(b.busy, b.n_rx), b.busy, b.n_rx);
	}

	struct worker_base m = {
		.recirc = get(&main_runner.n_recirc), .misses = get(&main_runner.n_misses),
		.lost = get(&main_runner.n_lost), .tx_packets = get(&main_runner.n_tx_packets),
		.tx_batches = get(&main_runner.n_tx_batches),
	};
	wf_str_put(s, "main thread:\n");
	show_counters(s, &m);
}

void
workers_stats_clear(void)
{
	for (struct worker *w = worker_list; w; w = w->next)
		read_base(w, &w->base);
}
