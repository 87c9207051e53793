// SPDX-License-Identifier: Apache-2.0
/* Bridges, the agent and workers; see rig.h. */
#include "tests/oracle/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/normal.h"
#include "dataplane/slow_path.h"
#include "dataplane/walk_memo.h"
#include "dataplane/trace.h"
#include "dataplane/worker_internal.h"
#include "tests/unit/dataplane/fake_port.h"

struct scene scenes[MAX_SCENES];
unsigned n_scenes;
static struct worker *inline_worker; /* on this thread, or NULL */
static uint64_t drops_before[DROP_N_REASONS]; /* its, before the burst */
static int64_t next_second_ms;
static char *rundir;

/* --- Packet-ins --------------------------------------------------------------------------------- */

static void
on_packet_in(const struct packet_in_spec *spec, const struct rte_mbuf *m)
{
	for (unsigned i = 0; i < n_scenes; i++) {
		struct scene *s = &scenes[i];
		unsigned n = s->packet_ins.n;

		if (spec->bridge != s->br[0] && spec->bridge != s->br[1])
			continue;
		if (n == sizeof s->packet_ins.in / sizeof s->packet_ins.in[0])
			continue; /* a loop of patch ports: not defined, so not compared */
		s->packet_ins.in[n].bridge = spec->bridge == s->br[1];
		s->packet_ins.in[n].reason = spec->reason;
		s->packet_ins.in[n].f.size = pkt_size(m);
		memcpy(s->packet_ins.in[n].f.b, pkt_data(m), pkt_size(m));
		s->packet_ins.n++;
	}
	/* A paused packet goes on at once: the controller has nothing to say to it. */
	if (spec->pause && spec->frozen) {
		struct xlate_in in = { .bridge = spec->bridge, .frozen = spec->frozen,
				       .in_slot = UINT32_MAX };

		in.key.in_port = spec->frozen->metadata.in_port;
		in.key.packet_type = OF_PT_ETH;
		main_execute(&in, pkt_copy(m));
	}
}

/* --- Ports ---------------------------------------------------------------------------------------- */

static uint64_t *
vid_set(bool all, uint64_t below_64)
{
	uint64_t *set;

	if (all)
		return NULL;
	set = wf_xzalloc(4096 / 8);
	set[0] = below_64;
	return set;
}

static struct bundle *
bundle_of(const struct oport *p, unsigned index, unsigned b)
{
	struct bundle *u = wf_xzalloc(sizeof *u);

	snprintf(u->name, sizeof u->name, "b%up%u", b, p->port);
	u->index = index;
	u->mode = (enum vlan_mode)p->mode;
	u->vlan = p->vlan;
	u->trunks = vid_set(p->all_trunks, p->trunks);
	u->cvlans = vid_set(p->all_cvlans, p->cvlans);
	u->qinq_ethtype = p->qinq;
	u->use_priority_tags = p->priority_tags;
	u->protected = p->is_protected;
	u->floodable = true;
	u->n_members = 1;
	u->members[0] = p->port;
	u->src_mirrors = p->src_mirrors;
	u->dst_mirrors = p->dst_mirrors;
	u->mirror_out = p->mirror_out;
	return u;
}

static void
fill_xport(struct scene *s, unsigned b, const struct oport *p, struct xport *x)
{
	*x = (struct xport){ .ofp_port = p->port, .may_enable = p->is_up };
	snprintf(x->name, sizeof x->name, "b%up%u", b, p->port);
	x->config = (p->is_down_by_config ? PC_PORT_DOWN : 0) | (p->no_recv ? PC_NO_RECV : 0) |
		    (p->no_fwd ? PC_NO_FWD : 0) | (p->no_flood ? PC_NO_FLOOD : 0);
	if (p->peer) {
		x->is_patch = true;
		x->peer_bridge = s->br[!b];
		x->peer_port = p->peer_port;
		x->slot = s->patch_slot[b];
		x->generation = s->patch_generation[b];
		return;
	}
	for (unsigned w = 0; w < N_WIRES; w++) {
		if (s->wires[w].bridge == b && s->wires[w].number == p->port) {
			x->slot = s->wires[w].port->slot;
			x->generation = s->wires[w].generation;
		}
	}
}

void
scene_set_ports(struct scene *s, unsigned b)
{
	struct obridge *o = s->model[b];
	struct xport_set *set = xport_set_new(o->n_ports);
	struct l2_config *l2 = wf_xzalloc(sizeof *l2);

	set->n = l2->n_bundles = o->n_ports;
	l2->bundles = wf_xzalloc(o->n_ports * sizeof *l2->bundles);
	for (unsigned i = 0; i < o->n_ports; i++) {
		fill_xport(s, b, &o->ports[i], &set->ports[i]);
		set->ports[i].bundle = l2->bundles[i] = bundle_of(&o->ports[i], i, b);
	}
	for (unsigned i = 0; i < OMAX_MIRRORS; i++) {
		const struct omirror *om = &o->mirrors[i];
		struct mirror *m = &l2->mirrors[i];

		if (!om->in_use)
			continue;
		l2->has_mirrors = m->in_use = true;
		m->vlans = vid_set(om->all_vlans, om->vlans);
		m->out = om->out ? l2->bundles[om->out - o->ports] : NULL;
		m->out_vlan = om->out_vlan;
		m->snaplen = (uint16_t)om->snaplen;
		m->dup_mirrors = om->same;
		m->counter = s->mirror_counters[b][i];
	}
	xport_set_hash(set);
	view_set_ports(s->br[b], set);
	view_set_l2(s->br[b], l2);
	view_set_frag_mode(s->br[b], o->frag_mode);
	view_set_miss_default(s->br[b], o->miss_to_controller);
	mac_table_configure(s->br[b]->macs, 8192, o->mac_aging_ms);
}

void
scene_flush_macs(struct scene *s, unsigned b)
{
	mac_table_flush(s->br[b]->macs);
	s->model[b]->n_macs = 0;
}

/* --- Changes ---------------------------------------------------------------------------------------- */

void
scene_set_meter(struct scene *s, unsigned b, const struct ometer *om)
{
	struct meter *m = wf_xzalloc(sizeof *m + om->n * sizeof m->bands[0]);
	struct ometer *to = oracle_meter(s->model[b], om->id);

	m->id = om->id;
	m->flags = om->is_pktps ? 2 : 1;
	m->n_bands = om->n;
	atomic_init(&m->refs, 1);
	for (unsigned i = 0; i < om->n; i++) {
		m->bands[i].type = om->bands[i].type;
		m->bands[i].prec_level = om->bands[i].prec_level;
		m->bands[i].rate = om->bands[i].rate;
		m->bands[i].burst = om->bands[i].burst;
		if (om->bands[i].burst)
			m->flags |= 4;
	}
	view_meter_set(s->br[b], om->id, m);
	if (!to)
		to = &s->model[b]->meters[s->model[b]->n_meters++];
	*to = *om;
}

void
scene_flow_mod_unmodelled(struct scene *s, unsigned b, const struct of_flow_mod *fm,
			  struct of_txn *txn)
{
	struct of_flow_edit e;

	if (of_flow_edit_init(s->sw[b], fm, &e))
		abort();
	of_flow_edit_apply(s->sw[b], &e, txn);
	of_flow_edit_done(&e);
}

void
scene_flow_mod(struct scene *s, unsigned b, const struct of_flow_mod *fm, struct of_txn *txn)
{
	bool ok = oracle_flow_mod(s->model[b], fm);
	struct of_txn own = { 0 }, *t = txn ? txn : &own;
	struct of_flow_edit e;
	unsigned before = t->n;
	of_err_t err = of_flow_edit_init(s->sw[b], fm, &e);

	if (!err)
		err = of_flow_edit_apply(s->sw[b], &e, t);
	of_flow_edit_done(&e);
	if (err)
		of_txn_undo(s->sw[b], t, before);
	if (ok != !err) {
		fprintf(stderr, "a flow_mod is %s by the switch (%s), the oracle says otherwise\n",
			err ? "refused" : "taken", err ? of_err_name(err) : "no error");
		abort();
	}
	if (!txn) {
		of_txn_commit(s->sw[b], t, NULL);
		of_txn_done(t);
	}
}

void
scene_group_mod(struct scene *s, unsigned b, const struct of_group_mod *gm)
{
	struct of_txn txn = { 0 };

	if (of_group_mod_apply(s->sw[b], gm, &txn, 0))
		abort();
	of_txn_commit(s->sw[b], &txn, NULL);
	of_txn_done(&txn);
	oracle_group_mod(s->model[b], gm);
}

static void
turn(void)
{
	for (unsigned i = 0; i < 3; i++)
		wf_loop_turn();
}

void
rig_barrier(void)
{
	uint64_t token;

	of_publish();
	token = wf_rcu_start();
	while (!wf_rcu_check(token))
		nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
	wf_loop_turn();
	for (unsigned i = 0; i < n_scenes; i++)
		for (unsigned b = 0; b < 2; b++)
			oracle_bury(scenes[i].model[b]);
}

/* Timers of the agent run when the clock says so; expiry looks each second. */
void
rig_warp(int64_t ms)
{
	/* What the last packets did to rules that were replaced meanwhile is their successors' once the
	 * old ones are gone, a turn of the loop later. */
	rig_barrier();
	turn();
	wf_clock_warp(ms);
	turn();
	oracle_now_ms = wf_now_ms();
	if (oracle_now_ms < next_second_ms)
		return;
	next_second_ms = oracle_now_ms + 1000;
	for (unsigned i = 0; i < n_scenes; i++) {
		for (unsigned b = 0; b < 2; b++) {
			oracle_expire(scenes[i].model[b]);
			mac_table_expire(scenes[i].br[b]->macs);
		}
	}
	rig_barrier();
}

void
scene_clear(struct scene *s)
{
	for (unsigned b = 0; b < 2; b++) {
		of_flows_flush(s->sw[b]);
		oracle_clear(s->model[b]);
		s->model[b]->n_meters = 0;
		mac_table_flush(s->br[b]->macs);
	}
	s->want.metered = false;
	rig_barrier();
	turn();
}

/* A word leaves the key when nobody reads it and the key changes for another reason; else what one
 * round's rules read (TTLs, say) would be compared for ever, and guards never asked. */
void
rig_narrow_key(void)
{
	static const char *const fields[] = { "reg12=1", "reg14=1" }; /* in turn: each is new */
	static struct of_match_full full;
	static unsigned n;
	struct rule_actions *none = rule_actions_new(NULL, 0);
	struct of_match *m;

	of_match_init_any(&full);
	free(of_match_parse(&full, fields[n++ % 2], NULL, NULL));
	m = of_match_pack(&full);
	view_fields_used(m, none, 1);
	view_publish(true);
	view_fields_used(m, none, -1);
	free(m);
	rule_actions_unref(none);
}

/* --- Packets ---------------------------------------------------------------------------------------- */

/* What the loop of a worker does with a burst (worker.c). */
static void
run_inline(struct scene *s, struct rte_mbuf **pkts, unsigned n)
{
	struct runner *rn = &inline_worker->rn;

	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		drops_before[i] = atomic_load(&rn->drops[i]);
	rn->view = view_get();
	rn->now_ms = wf_now_ms();
	runner_sync(rn);
	pipeline_burst(rn, s->wires[s->from].port->slot, pkts, n);
	runner_flush(rn);
	cache_expire(rn->cache, rn->now_ms, false);
	cache_end_burst(rn->cache);
	while (slow_path_run(1024))
		;
}

void
scene_send(struct scene *s)
{
	struct rte_mbuf *pkts[BURST_CASES];
	unsigned n_packet_ins = 0;

	s->packet_ins.n = 0;
	s->want.n = 0;
	s->want.unordered = s->want.undefined = false;
	for (unsigned i = 0; i < s->n_cases; i++) {
		s->want.case_no = i;
		oracle_run(s->model[s->wires[s->from].bridge], s->wires[s->from].number, &s->cases[i],
			   &s->want);
		pkts[i] = pkt_from_bytes(s->cases[i].b, s->cases[i].size);
	}
	for (unsigned i = 0; i < s->want.n; i++)
		n_packet_ins += s->want.out[i].port == OF_PORT_CONTROLLER;
	/* Of those that wait for main, a port's are bounded; which are dropped is not defined. */
	s->want.undefined |= n_packet_ins > SLOW_QUEUE_MAX;
	if (inline_worker) {
		run_inline(s, pkts, s->n_cases);
		return;
	}
	for (unsigned i = 0; i < s->n_cases; i++)
		fake_port_receive(s->wires[s->from].port, pkts[i]);
}

void
rig_run(void)
{
	bool waiting = !inline_worker;

	/* A queue that moves between workers is nobody's for a while. */
	for (unsigned tries = 0; waiting && tries < 1000; tries++) {
		workers_settle();
		waiting = false;
		for (unsigned i = 0; i < n_scenes; i++)
			for (unsigned w = 0; w < N_WIRES; w++)
				waiting |= fake_port_n_waiting(scenes[i].wires[w].port) != 0;
		if (waiting)
			wf_loop_turn();
	}
}

/* --- Comparison -------------------------------------------------------------------------------------- */

static void
print_frame(const char *what, const uint8_t *b, unsigned size)
{
	fprintf(stderr, "  %s (%u bytes) ", what, size);
	for (unsigned i = 0; i < size; i++)
		fprintf(stderr, "%02x", b[i]);
	fprintf(stderr, "\n");
}

struct got {
	unsigned n;
	struct rte_mbuf *m[4096];
};

static int
by_bytes(const void *a_, const void *b_)
{
	const struct oframe *a = *(const struct oframe *const *)a_, *b = *(const struct oframe *const *)b_;

	return a->size != b->size ? (a->size < b->size ? -1 : 1) : memcmp(a->b, b->b, a->size);
}

static int
mbuf_by_bytes(const void *a_, const void *b_)
{
	const struct rte_mbuf *a = *(struct rte_mbuf *const *)a_, *b = *(struct rte_mbuf *const *)b_;

	return pkt_size(a) != pkt_size(b) ? (pkt_size(a) < pkt_size(b) ? -1 : 1)
					  : memcmp(pkt_data(a), pkt_data(b), pkt_size(a));
}

static bool
compare_wire(struct scene *s, const struct wire *w)
{
	static struct got got;
	static const struct oframe *want[4096];
	static uint32_t case_no[4096];
	unsigned n = 0;
	bool same = true;

	got.n = 0;
	while (got.n < 4096 && (got.m[got.n] = fake_port_sent(w->port, 0)))
		got.n++;
	for (unsigned o = 0; o < s->want.n; o++) {
		const struct ooutput *out = &s->want.out[o];

		if (out->port != w->number || out->bridge != s->model[w->bridge])
			continue;
		case_no[n] = out->case_no;
		want[n++] = &out->frame;
	}
	if (s->want.unordered) {
		qsort(want, n, sizeof want[0], by_bytes);
		qsort(got.m, got.n, sizeof got.m[0], mbuf_by_bytes);
	}
	for (unsigned i = 0; (i < n || i < got.n) && same; i++) {
		if (i < n && i < got.n && pkt_size(got.m[i]) == want[i]->size &&
		    !memcmp(pkt_data(got.m[i]), want[i]->b, want[i]->size))
			continue;
		same = false;
		fprintf(stderr, "br%u port %u: output %u of %u (%u expected), of case %u:\n", w->bridge,
			w->number, i, got.n, n, i < n ? case_no[i] : 999);
		if (i < got.n)
			print_frame("got ", pkt_data(got.m[i]), pkt_size(got.m[i]));
		if (i < n)
			print_frame("want", want[i]->b, want[i]->size);
		for (unsigned k = 0; !s->explained && (k < n || k < got.n) && k < 64; k++) {
			fprintf(stderr, "output %u of case %d:\n", k, k < n ? (int)case_no[k] : -1);
			if (k < got.n)
				print_frame("got ", pkt_data(got.m[k]), pkt_size(got.m[k]));
			if (k < n)
				print_frame("want", want[k]->b, want[k]->size);
		}
		if (!s->explained)
			scene_explain(s, i < n ? case_no[i] : n ? case_no[n - 1] : 0);
		s->explained = true;
	}
	for (unsigned i = 0; i < got.n; i++)
		pkt_free(got.m[i]);
	return same;
}

/* Behind a second look-up a packet-in does not say that it is a table-miss entry's, an action set's or
 * a group's. */
static bool
same_reason(uint8_t got, const struct ooutput *want)
{
	return got == want->reason || (got == OF_PIR_ACTION && want->exposed);
}

static bool
compare_packet_ins(struct scene *s)
{
	unsigned n = 0;

	for (unsigned o = 0; o < s->want.n; o++) {
		const struct ooutput *out = &s->want.out[o];

		if (out->port != OF_PORT_CONTROLLER)
			continue;
		if (n >= s->packet_ins.n ||
		    s->br[s->packet_ins.in[n].bridge] != s->br[out->bridge == s->model[1]] ||
		    !same_reason(s->packet_ins.in[n].reason, out) ||
		    s->packet_ins.in[n].f.size != out->frame.size ||
		    memcmp(s->packet_ins.in[n].f.b, out->frame.b, out->frame.size)) {
			fprintf(stderr, "packet-in %u of %u, of case %u: ", n, s->packet_ins.n,
				out->case_no);
			if (n < s->packet_ins.n) {
				fprintf(stderr, "reason %u, expected %u\n",
					s->packet_ins.in[n].reason, out->reason);
				print_frame("got ", s->packet_ins.in[n].f.b,
					    s->packet_ins.in[n].f.size);
			} else {
				fprintf(stderr, "is missing\n");
			}
			print_frame("want", out->frame.b, out->frame.size);
			for (unsigned i = 0; i < s->want.n; i++)
				if (s->want.out[i].port == OF_PORT_CONTROLLER)
					fprintf(stderr, "expected: %s reason %u of case %u\n",
						s->want.out[i].bridge->name, s->want.out[i].reason,
						s->want.out[i].case_no);
			scene_explain(s, out->case_no);
			return false;
		}
		n++;
	}
	if (n == s->packet_ins.n)
		return true;
	fprintf(stderr, "%u packet-ins, %u expected\n", s->packet_ins.n, n);
	print_frame("got ", s->packet_ins.in[n].f.b, s->packet_ins.in[n].f.size);
	scene_explain(s, 0);
	return false;
}

void
scene_drain(struct scene *s)
{
	struct rte_mbuf *m;

	for (unsigned i = 0; i < N_WIRES; i++)
		while ((m = fake_port_sent(s->wires[i].port, 0)))
			pkt_free(m);
}

bool
scene_compare(struct scene *s)
{
	bool same = true;

	s->explained = false;
	for (unsigned i = 0; i < N_WIRES; i++)
		same = compare_wire(s, &s->wires[i]) && same;
	/* A paused packet's come when it is resumed. */
	return same && (s->want.unordered || compare_packet_ins(s));
}

struct tally {
	struct scene *s;
	unsigned bridge, n;
	bool same;
};

static bool
compare_rule(struct rule *r, void *t_)
{
	struct tally *t = t_;
	static struct of_match_full m;
	struct orule *o;

	of_match_unpack(r->match, &m);
	o = oracle_find(t->s->model[t->bridge], r->table_id, &m, r->priority);
	t->n++;
	if (o)
		o->has_twin = true;
	if (o && o->n_packets == atomic_load(&r->counter.packets))
		return true;
	fprintf(stderr, "br%u table %u priority %u: %llu packets, %lld expected\n", t->bridge,
		r->table_id, r->priority, (unsigned long long)atomic_load(&r->counter.packets),
		o ? (long long)o->n_packets : -1ll);
	t->same = false;
	return true;
}

static bool
compare_number(const char *what, unsigned b, uint32_t id, uint64_t got, uint64_t want)
{
	if (got == want)
		return true;
	fprintf(stderr, "br%u %s %u: %llu packets, %llu expected\n", b, what, id,
		(unsigned long long)got, (unsigned long long)want);
	return false;
}

static bool
compare_totals_of(struct scene *s, unsigned b)
{
	struct tally t = { .s = s, .bridge = b, .same = true };
	struct obridge *o = s->model[b];

	for (unsigned i = 0; i < o->n_rules; i++)
		o->rules[i]->has_twin = false;
	for (unsigned i = 0; i < N_TABLES; i++)
		table_for_each(&s->br[b]->tables[i], NULL, view_get()->version, compare_rule, &t);
	for (unsigned i = 0; i < o->n_rules; i++) {
		const struct orule *r = o->rules[i];

		if (orule_is_there(r) && !r->has_twin)
			fprintf(stderr, "br%u table %u priority %u idle %u hard %u is gone: created %lld, "
				"modified %lld, used %lld ms ago\n", b, r->table, r->priority,
				r->idle_timeout, r->hard_timeout,
				(long long)(oracle_now_ms - r->created_ms),
				(long long)(oracle_now_ms - r->modified_ms),
				(long long)(oracle_now_ms - r->used_ms));
	}
	if (t.n != o->n_rules) {
		fprintf(stderr, "br%u: %u rules, %u expected\n", b, t.n, o->n_rules);
		t.same = false;
	}
	for (unsigned i = 0; i < o->n_groups; i++) {
		const struct ogroup *g = &o->groups[i];
		const struct group *r = view_group_pending(s->br[b], g->id);

		t.same &= compare_number("group", b, g->id, atomic_load(&r->counter->packets),
					 g->n_packets);
		for (unsigned k = 0; k < g->n; k++)
			t.same &= compare_number("bucket", b, g->buckets[k].id,
						 atomic_load(&r->buckets[k].counter->packets),
						 g->buckets[k].n_packets);
	}
	for (unsigned i = 0; i < o->n_meters; i++)
		t.same &= compare_number(
			"meter", b, o->meters[i].id,
			atomic_load(&view_meter_pending(s->br[b], o->meters[i].id)->packets_in),
			o->meters[i].n_packets);
	for (unsigned i = 0; i < OMAX_MIRRORS; i++) {
		uint64_t now = atomic_load(&s->mirror_counters[b][i]->packets);

		(void)now;
	}
	return t.same;
}

bool
scene_compare_totals(struct scene *s)
{
	bool same;

	rig_barrier();
	turn();
	workers_fold_stats();
	if (s->want.metered)
		return true;
	same = compare_totals_of(s, 0);
	same = compare_totals_of(s, 1) && same;
	if (!same)
		scene_explain(s, 0);
	return same;
}

static void
print_actions(const void *list, size_t size)
{
	struct wf_str text = WF_STR_INIT;

	of_actions_format(list, size, NULL, NULL, &text);
	fprintf(stderr, "%s\n", text.len ? wf_str_cstr(&text) : "drop");
	wf_str_done(&text);
}

static void
print_model(const struct scene *s, unsigned b)
{
	static const char *const modes[] = { "access", "trunk", "native-tagged", "native-untagged",
					     "dot1q-tunnel" };
	const struct obridge *o = s->model[b];

	for (unsigned i = 0; i < o->n_ports; i++) {
		const struct oport *p = &o->ports[i];

		fprintf(stderr, "br%u port %u: %s tag=%d trunks=%llx cvlans=%llx prio=%u src=%x dst=%x "
			"out=%x up=%d down=%d no_recv=%d no_fwd=%d no_flood=%d protected=%d\n",
			b, p->port, modes[p->mode], p->vlan,
			p->all_trunks ? -1ll : (long long)p->trunks,
			p->all_cvlans ? -1ll : (long long)p->cvlans, p->priority_tags,
			p->src_mirrors, p->dst_mirrors, p->mirror_out, p->is_up,
			p->is_down_by_config, p->no_recv, p->no_fwd, p->no_flood, p->is_protected);
	}
	for (unsigned i = 0; i < OMAX_MIRRORS; i++)
		if (o->mirrors[i].in_use)
			fprintf(stderr, "br%u mirror %u: vlans=%llx to port %d vlan %d snaplen %u\n", b, i,
				o->mirrors[i].all_vlans ? -1ll : (long long)o->mirrors[i].vlans,
				o->mirrors[i].out ? (int)o->mirrors[i].out->port : -1,
				o->mirrors[i].out_vlan, o->mirrors[i].snaplen);
	for (unsigned i = 0; i < o->n_groups; i++) {
		fprintf(stderr, "br%u group %u type %u method \"%s\" fields %u\n", b, o->groups[i].id,
			o->groups[i].type, o->groups[i].method, o->groups[i].n_fields);
		for (unsigned k = 0; k < o->groups[i].n; k++) {
			const struct obucket *u = &o->groups[i].buckets[k];

			fprintf(stderr, "    bucket %u weight %u watch %d: ", u->id, u->weight,
				(int)u->watch_port);
			print_actions(u->actions, u->size);
		}
	}
	for (unsigned i = 0; i < o->n_meters; i++)
		for (unsigned k = 0; k < o->meters[i].n; k++)
			fprintf(stderr, "br%u meter %u %s band type %u rate %u burst %u tokens %lld\n", b,
				o->meters[i].id, o->meters[i].is_pktps ? "pktps" : "kbps",
				o->meters[i].bands[k].type, o->meters[i].bands[k].rate,
				o->meters[i].bands[k].burst, (long long)o->meters[i].bands[k].tokens);
	for (unsigned i = 0; i < o->n_rules; i++) {
		const struct orule *r = o->rules[i];
		struct wf_str text = WF_STR_INIT;

		if (!orule_is_there(r))
			continue;
		of_match_format(&r->match, r->priority, NULL, NULL, &text);
		fprintf(stderr, "br%u table=%u idle=%u hard=%u n_packets=%llu %s actions=", b, r->table,
			r->idle_timeout, r->hard_timeout, (unsigned long long)r->n_packets,
			wf_str_cstr(&text));
		print_actions(r->actions, r->actions_size);
		wf_str_done(&text);
	}
}

void
scene_explain(struct scene *s, unsigned case_no)
{
	const struct wire *w = &s->wires[s->from];
	struct xlate_in in = { .in_slot = UINT32_MAX };
	char *text;

	if (case_no >= s->n_cases)
		case_no = 0;
	print_model(s, 0);
	print_model(s, 1);
	fprintf(stderr, "case %u of %u, in by br%u port %u:\n", case_no, s->n_cases, w->bridge,
		w->number);
	print_frame("frame", s->cases[case_no].b, s->cases[case_no].size);
	in.key.in_port = w->number;
	oframe_parse(&s->cases[case_no], &in.key);
	text = xlate_trace_run(s->br[w->bridge], view_get(), &in);
	fprintf(stderr, "%s\n", text);
	free(text);
	for (unsigned i = 0; inline_worker && i < DROP_N_REASONS; i++)
		if (atomic_load(&inline_worker->rn.drops[i]) != drops_before[i])
			fprintf(stderr, "dropped: %s\n", drop_name((enum drop_reason)i));
	for (unsigned i = 0; i < s->n_cases; i++) {
		fprintf(stderr, "case %u:", i);
		print_frame("", s->cases[i].b, s->cases[i].size);
	}
}

/* --- Making and ending ------------------------------------------------------------------------------- */

static int
port_mod(void *aux, of_port_t port, uint32_t config)
{
	return 0;
}

static bool
port_stats(void *aux, of_port_t port, struct of_port_stats *stats)
{
	return false;
}

static const struct of_switch_ops ops = { .port_mod = port_mod, .port_stats = port_stats };

static void
make_scene(struct scene *s, unsigned index)
{
	static const of_port_t numbers[2][5] = { { 1, 2, 3, 4, 10 }, { 1, 2, 3 } };
	unsigned n_wires = 0;

	s->index = index;
	for (unsigned b = 0; b < 2; b++) {
		struct of_switch_config config = { .datapath_id = 2 * index + b + 1,
						   .fail_mode = OF_FAIL_SECURE };
		char name[16];
		struct wf_err err;

		snprintf(name, sizeof name, "s%ubr%u", index, b);
		s->br[b] = view_bridge_add(name);
		s->br[b]->macs = mac_table_new();
		s->model[b] = wf_xzalloc(sizeof *s->model[b]);
		snprintf(s->model[b]->name, sizeof s->model[b]->name, "%s", name);
		s->sw[b] = of_switch_new(s->br[b], &ops, NULL, &err);
		if (!s->sw[b]) {
			fprintf(stderr, "%s\n", err.text);
			exit(2);
		}
		of_switch_configure(s->sw[b], &config);
		for (unsigned i = 0; i < OMAX_MIRRORS; i++)
			s->mirror_counters[b][i] = counter_new();
	}
	for (unsigned b = 0; b < 2; b++) {
		unsigned n = b ? 3 : 5;

		s->model[b]->n_ports = n;
		s->model[b]->mac_aging_ms = 300000;
		for (unsigned i = 0; i < n; i++) {
			struct oport *p = &s->model[b]->ports[i];

			*p = (struct oport){ .port = numbers[b][i], .is_up = true, .mode = OMODE_TRUNK,
					     .vlan = -1, .all_trunks = true, .all_cvlans = true };
			if (b ? p->port == 1 : p->port == 10) {
				p->peer = s->model[!b];
				p->peer_port = b ? 10 : 1;
				s->patch_slot[b] = view_slot_alloc(NULL, s->br[b], p->port, 0,
								   &s->patch_generation[b]);
			} else {
				struct wire *w = &s->wires[n_wires++];
				char name[32];

				snprintf(name, sizeof name, "s%ub%up%u", index, b, p->port);
				w->port = fake_port_new(name, false);
				w->bridge = b;
				w->number = p->port;
				w->port->slot = view_slot_alloc(w->port, s->br[b], p->port, 0,
								&w->generation);
			}
		}
	}
	for (unsigned b = 0; b < 2; b++)
		scene_set_ports(s, b);
}

static void
make_inline_worker(void)
{
	struct worker *w = aligned_alloc(64, (sizeof *w + 63) & ~(size_t)63);

	memset(w, 0, sizeof *w);
	w->index = 1;
	w->core = w->numa = w->epoll_fd = -1;
	w->event_fd = eventfd(0, EFD_NONBLOCK);
	snprintf(w->name, sizeof w->name, "inline");
	runner_init(&w->rn);
	w->rn.cache = cache_new();
	w->rn.txq = 1;
	w->next = worker_list;
	worker_list = inline_worker = w; /* so that its flows are folded as a worker's are */
}

void
rig_init(unsigned n, unsigned n_workers)
{
	char template[] = "/tmp/weft-oracle.XXXXXX";
	static struct slow_ops slow = { on_packet_in, of_learn };

	if (!mkdtemp(template)) {
		perror("mkdtemp");
		exit(2);
	}
	rundir = wf_xstrdup(template);
	setenv("OVS_RUNDIR", rundir, 1);
	/* Random flows do what is worth a warning all the time. */
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	wf_loop_init();
	wf_clock_stop();
	oracle_now_ms = wf_now_ms();
	next_second_ms = oracle_now_ms + 1000;
	view_init();
	bridge_free_macs = mac_table_free;
	workers_init();
	of_init();
	slow_path_set_ops(&slow);
	n_scenes = n;
	for (unsigned i = 0; i < n; i++)
		make_scene(&scenes[i], i);
	view_publish(false);
	if (!n_workers) {
		make_inline_worker();
		return;
	}
	workers_configure(NULL, n_workers, NULL);
	for (unsigned i = 0; i < n; i++)
		for (unsigned w = 0; w < N_WIRES; w++)
			workers_add_port(scenes[i].wires[w].port, NULL);
	rig_barrier();
}

void
rig_done(void)
{
	if (inline_worker) {
		cache_fold(inline_worker->rn.cache);
		cache_free(inline_worker->rn.cache);
		runner_done(&inline_worker->rn);
		close(inline_worker->event_fd);
		worker_list = inline_worker->next;
		free(inline_worker);
	}
	for (unsigned i = 0; i < n_scenes; i++) {
		for (unsigned w = 0; !inline_worker && w < N_WIRES; w++)
			workers_remove_port(scenes[i].wires[w].port);
		for (unsigned b = 0; b < 2; b++)
			of_switch_free(scenes[i].sw[b]);
		view_bridge_del(scenes[i].br[0]);
		view_bridge_del(scenes[i].br[1]);
	}
	view_publish(false);
	wf_rcu_drain();
	workers_exit();
	wf_rcu_drain();
	for (unsigned i = 0; i < n_scenes; i++) {
		for (unsigned w = 0; w < N_WIRES; w++)
			fake_port_free(scenes[i].wires[w].port);
		for (unsigned b = 0; b < 2; b++) {
			for (unsigned m = 0; m < OMAX_MIRRORS; m++)
				counter_unref(scenes[i].mirror_counters[b][m]);
			oracle_clear(scenes[i].model[b]);
			free(scenes[i].model[b]->rules);
			free(scenes[i].model[b]);
		}
		free(scenes[i].want.out);
	}
	wf_rcu_drain();
	wf_loop_done();
	rmdir(rundir);
	free(rundir);
}

void
rig_lookups(struct worker_totals *t)
{
	workers_totals(t);
}

void
rig_forget_flows(void)
{
	if (inline_worker) {
		cache_purge(inline_worker->rn.cache);
		if (inline_worker->rn.walks)
			walk_memo_purge(inline_worker->rn.walks);
		cache_end_burst(inline_worker->rn.cache);
	} else {
		workers_purge_flows();
	}
	workers_fold_stats();
}
