// SPDX-License-Identifier: Apache-2.0
/* The packet path against the oracle: random flows, random packets that differ in fields which the
 * flow cache does not compare, workers with their cache; what leaves each port, and what goes to the
 * controller, must be equal byte for byte.
 *
 *   p1..p4 - br0 - p10 (patch) p1 - br1 - p2, p3
 *
 * ORACLE_SEED and ORACLE_ROUNDS in the environment change the draw; a failure names its seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/normal.h"
#include "dataplane/oracle.h"
#include "dataplane/trace.h"
#include "dataplane/worker.h"
#include "fake_port.h"

#define N_FAKES 6
static struct bridge *bridges[2];
static struct obridge *models[2];
static struct fake {
	struct port *port;
	unsigned bridge;
	of_port_t ofp_port;
	uint32_t generation;
} fakes[N_FAKES];
static struct rule *rules[2][64];
static unsigned n_rules[2];
static uint64_t seed;
static char *flow_texts[2][64];

static struct {
	unsigned n;
	struct oframe f[512];
	uint8_t reason[512];
} packet_ins;

static uint32_t
draw(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 11) % n);
}
#define PICK(ARRAY) ARRAY[draw(sizeof(ARRAY) / sizeof(ARRAY)[0])]

/* --- Flows ------------------------------------------------------------------------------------ */

static void
random_match(struct wf_str *s, unsigned table, unsigned b)
{
	static const char *const macs[] = { "02:00:00:00:00:01", "02:00:00:00:00:02",
					    "02:00:00:00:00:03" };
	static const char *const types[] = { "ip", "tcp", "udp", "ipv6", "tcp6", "arp", "mpls",
					     "icmp", "udp6", "dl_type=0x88e7" };
	unsigned t = draw(14);

	if (!draw(3))
		wf_str_fmt(s, ",in_port=%u", 1 + draw(4));
	if (!draw(4))
		wf_str_fmt(s, ",dl_dst=%s", PICK(macs));
	if (!draw(6))
		wf_str_fmt(s, ",dl_src=%s", PICK(macs));
	if (!draw(6))
		wf_str_put(s, draw(2) ? ",dl_vlan=10" : ",vlan_tci=0x0000/0x1fff");
	if (table && !draw(4))
		wf_str_fmt(s, ",reg0=%u", draw(3));
	if (t < 10)
		wf_str_fmt(s, ",%s", types[t]);
	if (t < 3 && !draw(2))
		wf_str_fmt(s, ",nw_dst=10.0.0.%u", 1 + draw(3));
	if (t < 3 && !draw(6))
		wf_str_put(s, ",nw_tos=32");
	if (t < 3 && !draw(8))
		wf_str_put(s, ",nw_ttl=64");
	if ((t == 1 || t == 2) && !draw(2))
		wf_str_fmt(s, ",tp_dst=%u", 80 + draw(3));
	if (t == 6 && !draw(2))
		wf_str_fmt(s, ",mpls_label=%u", 100 + draw(2));
}

static void
random_action(struct wf_str *s, unsigned table, unsigned b, bool nested)
{
	unsigned n_ports = b ? 3 : 5;
	static const of_port_t ports[2][5] = { { 1, 2, 3, 4, 10 }, { 1, 2, 3 } };

	switch (draw(nested ? 36 : 40)) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
		wf_str_fmt(s, "output:%u", ports[b][draw(n_ports)]);
		break;
	case 8: wf_str_put(s, "in_port"); break;
	case 9: wf_str_put(s, "FLOOD"); break;
	case 10: wf_str_put(s, "NORMAL"); break;
	case 11: wf_str_put(s, "controller"); break;
	case 12: wf_str_fmt(s, "mod_dl_src:02:00:00:00:00:0%u", draw(4)); break;
	case 13: wf_str_fmt(s, "mod_dl_dst:02:00:00:00:00:0%u", draw(4)); break;
	case 14: wf_str_fmt(s, "mod_vlan_vid:%u", 10 + draw(3)); break;
	case 15: wf_str_put(s, "mod_vlan_pcp:3"); break;
	case 16: wf_str_put(s, "strip_vlan"); break;
	case 17: wf_str_put(s, draw(2) ? "push_vlan:0x8100" : "push_vlan:0x88a8"); break;
	case 18: wf_str_put(s, "dec_ttl"); break;
	case 19: wf_str_fmt(s, "mod_nw_src:10.1.0.%u", draw(4)); break;
	case 20: wf_str_fmt(s, "mod_nw_dst:10.0.0.%u", draw(4)); break;
	case 21: wf_str_put(s, "mod_nw_tos:32"); break;
	case 22: wf_str_fmt(s, "mod_tp_dst:%u", 80 + draw(4)); break;
	case 23: wf_str_fmt(s, "mod_tp_src:%u", 80 + draw(4)); break;
	case 24: wf_str_fmt(s, "load:%u->NXM_NX_REG0[]", draw(3)); break;
	case 25: wf_str_put(s, "move:NXM_OF_ETH_SRC[0..15]->NXM_OF_ETH_DST[0..15]"); break;
	case 26: wf_str_put(s, "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]"); break;
	case 27: wf_str_put(s, "set_field:0x5/0xf->eth_src"); break;
	case 28: wf_str_put(s, "push_mpls:0x8847"); break;
	case 29: wf_str_put(s, "pop_mpls:0x0800"); break;
	case 30: wf_str_put(s, "set_field:100->mpls_label"); break;
	case 31: wf_str_put(s, "dec_mpls_ttl"); break;
	case 32: wf_str_put(s, "set_field:2001:db8::5->ipv6_src"); break;
	case 33: wf_str_put(s, "move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]"); break;
	case 34: wf_str_put(s, draw(2) ? "push_pbb:0x88e7" : "pop_pbb"); break;
	case 35: wf_str_put(s, "output(port=2,max_len=60)"); break;
	case 36: case 37:
		if (table < 3)
			wf_str_fmt(s, "resubmit(,%u)", table + 1 + draw(3 - table));
		else
			wf_str_put(s, "output:2");
		break;
	case 38:
		wf_str_put(s, "clone(");
		for (unsigned i = 0; i < 3; i++) {
			wf_str_put(s, i ? "," : "");
			random_action(s, table, b, true);
		}
		wf_str_put(s, ")");
		break;
	case 39: wf_str_put(s, draw(2) ? "exit" : "group:1"); break;
	}
}

/* Keeps only what a switch would take: prerequisites are checked as for a flow_mod. */
static bool
add_random_rule(unsigned b, uint16_t priority)
{
	unsigned table = draw(4), n = 1 + draw(4);
	struct of_match_full *m = wf_xzalloc(sizeof *m);
	struct wf_str match = WF_STR_INIT, acts = WF_STR_INIT;
	struct wf_buf list = WF_BUF_INIT;
	struct of_action_check check = { .version = 4, .table = (uint8_t)table, .n_tables = 254,
					 .max_ports = OF_PORT_MAX };
	struct obridge *ob = models[b];
	bool ok = false;
	char *error;

	random_match(&match, table, b);
	for (unsigned i = 0; i < n; i++) {
		wf_str_put(&acts, i ? "," : "");
		random_action(&acts, table, b, false);
	}
	if (!draw(5))
		wf_str_put(&acts, draw(2) ? ",write_actions(dec_ttl,output:2)"
					  : ",write_actions(push_vlan:0x8100,mod_dl_src:02:00:00:00:00:09,output:3)");
	if (table < 3 && !draw(3))
		wf_str_fmt(&acts, ",goto_table:%u", table + 1);
	error = of_match_parse(m, match.len ? match.s + 1 : "", NULL, NULL);
	if (!error)
		error = of_actions_parse(wf_str_cstr(&acts), &list);
	if (!error && !of_actions_check(list.data, list.size, m, &check)) {
		struct rule *r = rule_new(m, priority, list.data, list.size);
		struct orule *o = &ob->rules[ob->n_rules++];

		table_add(&bridges[b]->tables[table], r, view_next_version());
		view_fields_used(r->match, r->actions, 1);
		rules[b][n_rules[b]] = r;
		flow_texts[b][n_rules[b]++] = wf_xasprintf("table=%u,priority=%u%s,actions=%s", table,
							   priority, wf_str_cstr(&match), wf_str_cstr(&acts));
		o->table = (uint8_t)table;
		o->priority = priority;
		o->match = *m;
		o->actions = wf_xmemdup(list.data, list.size);
		o->actions_size = list.size;
		ok = true;
	}
	free(error);
	free(m);
	wf_buf_done(&list);
	wf_str_done(&match);
	wf_str_done(&acts);
	return ok;
}

static void
del_all_rules(void)
{
	for (unsigned b = 0; b < 2; b++) {
		for (unsigned i = 0; i < n_rules[b]; i++) {
			table_remove(rules[b][i]->table, rules[b][i], view_next_version());
			view_fields_used(rules[b][i]->match, rules[b][i]->actions, -1);
			rule_unref(rules[b][i]);
			free(models[b]->rules[i].actions);
			free(flow_texts[b][i]);
		}
		n_rules[b] = models[b]->n_rules = models[b]->n_macs = 0;
		mac_table_flush(bridges[b]->macs);
	}
	view_publish(true);
}

static void
set_group(unsigned b)
{
	static const char *const texts[] = { "mod_dl_src:02:00:00:00:00:0a,output:2", "output:3",
					     "dec_ttl,output:1", "resubmit(,3)" };
	struct group *g = wf_xzalloc(sizeof *g);
	struct ogroup *o = wf_xzalloc(sizeof *o);

	g->id = o->id = 1;
	g->type = draw(2) ? GROUP_ALL : GROUP_FF;
	o->first_only = g->type == GROUP_FF;
	g->bridge = bridges[b];
	g->counter = counter_new();
	g->n_buckets = o->n = 2;
	g->buckets = wf_xzalloc(2 * sizeof *g->buckets);
	o->buckets = wf_xzalloc(2 * sizeof *o->buckets);
	atomic_init(&g->refs, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct wf_buf list = WF_BUF_INIT;

		free(of_actions_parse(PICK(texts), &list));
		g->buckets[i] = (struct bucket){ .bucket_id = i, .weight = 1, .watch_port = OF_PORT_ANY,
						 .watch_group = OF_PORT_ANY, .counter = counter_new(),
						 .actions = rule_actions_new(list.data, list.size) };
		o->buckets[i].actions = wf_xmemdup(list.data, list.size);
		o->buckets[i].size = list.size;
		wf_buf_done(&list);
	}
	view_group_set(bridges[b], 1, g);
	if (models[b]->groups) {
		for (unsigned i = 0; i < 2; i++)
			free(models[b]->groups->buckets[i].actions);
		free(models[b]->groups->buckets);
		free(models[b]->groups);
	}
	models[b]->groups = o;
	models[b]->n_groups = 1;
}

/* --- Packets ------------------------------------------------------------------------------------ */

static void
put16(struct oframe *f, unsigned v)
{
	f->b[f->size++] = (uint8_t)(v >> 8);
	f->b[f->size++] = (uint8_t)v;
}

static void
random_frame(struct oframe *f)
{
	static const uint8_t ttls[] = { 1, 2, 3, 64, 64, 64, 255 };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47 };
	unsigned type = draw(8), l3, proto;
	struct of_key k = { 0 };

	memset(f, 0, sizeof *f);
	for (unsigned i = 0; i < 2; i++) {
		static const uint8_t mac[5] = { 2 };

		memcpy(f->b + f->size, mac, 5);
		f->b[f->size + 5] = (uint8_t)(1 + draw(3));
		f->size += 6;
	}
	for (unsigned n = draw(5) > 3 ? draw(3) : draw(2); n; n--) {
		put16(f, draw(4) ? 0x8100 : 0x88a8);
		put16(f, 10 + draw(2) + (draw(8) << 13));
	}
	if (type == 6) {
		put16(f, 0x0806);
		put16(f, 1);
		put16(f, 0x0800);
		put16(f, 0x0604);
		put16(f, 1 + draw(2));
		for (unsigned i = 0; i < 20; i++)
			f->b[f->size++] = (uint8_t)draw(4);
		f->size = 60;
		return;
	} else if (type == 5) {
		put16(f, 0x9000);
		f->size = 64;
		return;
	} else {
		put16(f, type == 4 ? 0x86dd : 0x0800);
	}
	l3 = f->size;
	proto = PICK(protos);
	if (type == 4 && proto == IPPROTO_ICMP)
		proto = IPPROTO_ICMPV6;
	if (type == 4) {
		unsigned len = proto == IPPROTO_TCP ? 40 : 28;

		put16(f, 0x6000 | draw(2) << 4);
		put16(f, draw(3));
		put16(f, len);
		f->b[f->size++] = (uint8_t)proto;
		f->b[f->size++] = PICK(ttls);
		for (unsigned i = 0; i < 32; i++)
			f->b[f->size++] = (uint8_t)(i % 16 == 0 ? 0x20 : draw(2));
		f->size += len;
	} else {
		unsigned len = proto == IPPROTO_TCP ? 40 : 28;

		put16(f, 0x4500 | (draw(3) ? 0 : 32 + draw(4)));
		put16(f, 20 + len);
		put16(f, draw(65536));
		put16(f, draw(12) ? 0x4000 : draw(2) ? 0x2000 : 0x0010);
		f->b[f->size++] = PICK(ttls);
		f->b[f->size++] = (uint8_t)proto;
		put16(f, 0);
		for (unsigned i = 0; i < 2; i++) {
			put16(f, 0x0a00);
			put16(f, draw(4));
		}
		f->size += len;
	}
	{
		uint8_t *l4 = f->b + l3 + (type == 4 ? 40 : 20);

		l4[0] = proto == IPPROTO_ICMPV6 ? 128 : 0;
		l4[1] = (uint8_t)(proto == IPPROTO_TCP || proto == IPPROTO_UDP ? 80 + draw(3) : 0);
		if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
			l4[3] = (uint8_t)(80 + draw(3));
			if (proto == IPPROTO_UDP) {
				l4[5] = 28;
				l4[6] = l4[7] = 1; /* has a checksum */
			} else {
				l4[12] = 0x50;
				l4[13] = (uint8_t)(1u << draw(5));
			}
		}
		l4[20] = (uint8_t)draw(256);
	}
	/* Right checksums: change something and change it back. */
	oframe_parse(f, &k);
	k.nw_ttl ^= 0x80;
	oframe_store(f, &k);
	k.nw_ttl ^= 0x80;
	oframe_store(f, &k);
	for (unsigned n = type == 7 ? 1 + draw(3) : 0; n; n--)
		oframe_push_mpls(f, 0x8847, (100 + draw(2)) << 12 | draw(8) << 9 | PICK(ttls));
}

/* --- Comparison ----------------------------------------------------------------------------------- */

static void
on_packet_in(const struct packet_in_spec *spec, const struct rte_mbuf *m)
{
	struct oframe *f = &packet_ins.f[packet_ins.n % 512];

	f->size = pkt_size(m);
	memcpy(f->b, pkt_data(m), f->size);
	packet_ins.reason[packet_ins.n++ % 512] = spec->reason;
}

static char *
hex(const uint8_t *p, unsigned n)
{
	struct wf_str s = WF_STR_INIT;

	wf_str_hex(&s, p, n);
	return wf_str_steal(&s);
}

static void
explain(unsigned b, of_port_t in_port, const struct oframe *f, uint64_t round_seed)
{
	struct xlate_in in = { .in_slot = UINT32_MAX };
	char *text, *bytes = hex(f->b, f->size);

	fprintf(stderr, "seed %llu, frame %s\n", (unsigned long long)round_seed, bytes);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned r = 0; r < n_rules[i]; r++)
			fprintf(stderr, "br%u %s\n", i, flow_texts[i][r]);
	in.key.in_port = in_port;
	oframe_parse(f, &in.key);
	text = xlate_trace_run(bridges[b], view_get(), &in);
	fprintf(stderr, "%s\n", text);
	free(text);
	free(bytes);
}

static void
drain(void)
{
	struct rte_mbuf *m;

	for (unsigned i = 0; i < N_FAKES; i++)
		while ((m = fake_port_sent(fakes[i].port, 0)))
			pkt_free(m);
	packet_ins.n = 0;
}

/* One frame, 'times' times in a row, by each fake port's worker; returns false on a difference. */
static bool
compare(unsigned from, const struct oframe *f, uint64_t round_seed)
{
	static struct oresult res;
	bool same = true;
	unsigned pi = 0, n_in = 0;

	drain();
	oracle_run(models[fakes[from].bridge], fakes[from].ofp_port, f, &res);
	struct rte_mbuf *m = pkt_from_bytes(f->b, f->size);
	fake_port_receive(fakes[from].port, m);
	workers_settle();
	for (unsigned i = 0; i < N_FAKES; i++) {
		unsigned n = 0;

		for (unsigned o = 0; o < res.n; o++) {
			const struct ooutput *want = &res.out[o];

			if (want->port != fakes[i].ofp_port ||
			    want->bridge != models[fakes[i].bridge])
				continue;
			m = fake_port_sent(fakes[i].port, 500);
			n++;
			if (!m) {
				fprintf(stderr, "br%u port %u: output %u is missing\n", fakes[i].bridge,
					fakes[i].ofp_port, n);
				same = false;
				break;
			}
			if (pkt_size(m) != want->frame.size ||
			    memcmp(pkt_data(m), want->frame.b, want->frame.size)) {
				char *a = hex(pkt_data(m), pkt_size(m));
				char *b = hex(want->frame.b, want->frame.size);

				fprintf(stderr, "br%u port %u: got %s\n want %s\n", fakes[i].bridge,
					fakes[i].ofp_port, a, b);
				free(a);
				free(b);
				same = false;
			}
			pkt_free(m);
		}
		while ((m = fake_port_sent(fakes[i].port, 0))) {
			char *a = hex(pkt_data(m), pkt_size(m));

			fprintf(stderr, "br%u port %u: one too many: %s\n", fakes[i].bridge,
				fakes[i].ofp_port, a);
			free(a);
			pkt_free(m);
			same = false;
		}
	}
	for (unsigned o = 0; o < res.n; o++) {
		const struct ooutput *want = &res.out[o];

		if (want->port != OF_PORT_CONTROLLER)
			continue;
		n_in++;
		if (pi >= packet_ins.n || packet_ins.f[pi].size != want->frame.size ||
		    memcmp(packet_ins.f[pi].b, want->frame.b, want->frame.size) ||
		    packet_ins.reason[pi] != want->reason) {
			fprintf(stderr, "packet-in %u of %u: reason %u, want %u\n", pi, packet_ins.n,
				packet_ins.reason[pi], want->reason);
			same = false;
		}
		pi++;
	}
	if (n_in != packet_ins.n) {
		fprintf(stderr, "%u packet-ins, want %u\n", packet_ins.n, n_in);
		same = false;
	}
	if (!same)
		explain(fakes[from].bridge, fakes[from].ofp_port, f, round_seed);
	return same;
}

static void
equal_to_the_oracle(void **state)
{
	unsigned rounds = getenv("ORACLE_ROUNDS") ? (unsigned)atoi(getenv("ORACLE_ROUNDS")) : 60;
	uint64_t first = getenv("ORACLE_SEED") ? strtoull(getenv("ORACLE_SEED"), NULL, 0) : 1;
	unsigned n_wrong = 0;
	struct worker_totals before, after;
	uint64_t n_packets = 0;
	struct slow_ops ops = { .packet_in = on_packet_in };

	slow_path_set_ops(&ops);
	workers_totals(&before);
	for (unsigned round = 0; round < rounds && n_wrong < 3; round++) {
		uint64_t round_seed = first + round;

		seed = round_seed * 0x9e3779b97f4a7c15ull + 1;
		for (unsigned i = 0; i < 10; i++)
			draw(2);
		for (unsigned b = 0; b < 2; b++) {
			unsigned want = 4 + draw(24);

			set_group(b);
			for (unsigned i = 0; i < want; i++)
				add_random_rule(b, (uint16_t)(1 + i));
		}
		view_publish(true);
		for (unsigned i = 0; i < 25 && n_wrong < 3; i++) {
			unsigned from = draw(N_FAKES);
			struct oframe f;
			uint64_t again;

			random_frame(&f);
			again = seed;
			/* The same flow with other fields: mutate what tends to be outside the key. */
			for (unsigned k = 0; k < 4 && n_wrong < 3; k++) {
				struct oframe g = f;
				struct of_key key = { 0 };

				oframe_parse(&g, &key);
				if (k && key.nw_ttl && key.dl_type != htons(0x0806) &&
				    !(key.nw_frag & OF_FRAG_ANY)) {
					static const uint8_t ttls[] = { 1, 2, 5, 64 };

					key.nw_ttl = PICK(ttls);
					key.nw_tos ^= (uint8_t)(draw(2) << 5);
					if (key.dl_type == htons(0x0800))
						key.nw_src ^= htonl(draw(4));
					if (key.nw_proto == IPPROTO_TCP || key.nw_proto == IPPROTO_UDP)
						key.tp_src ^= htons((uint16_t)draw(3));
					oframe_store(&g, &key);
				}
				n_wrong += !compare(from, &g, round_seed);
				n_packets++;
			}
			seed = again;
		}
		del_all_rules();
	}
	workers_totals(&after);
	print_message("%llu packets, %llu cache hits\n", (unsigned long long)n_packets,
		      (unsigned long long)(after.hits - before.hits));
	assert_int_equal(n_wrong, 0);
}

/* --- The bridges ------------------------------------------------------------------------------------ */

static void
make_bridges(void)
{
	static const of_port_t numbers[2][5] = { { 1, 2, 3, 4, 10 }, { 1, 2, 3 } };
	unsigned n_fake = 0;

	for (unsigned b = 0; b < 2; b++) {
		bridges[b] = view_bridge_add(b ? "br1" : "br0");
		bridges[b]->macs = mac_table_new();
		models[b] = wf_xzalloc(sizeof *models[b]);
		models[b]->rules = wf_xzalloc(64 * sizeof *models[b]->rules);
	}
	for (unsigned b = 0; b < 2; b++) {
		unsigned n = b ? 3 : 5;
		struct xport_set *set = xport_set_new(n);
		struct l2_config *l2 = wf_xzalloc(sizeof *l2);

		set->n = l2->n_bundles = models[b]->n_ports = n;
		l2->bundles = wf_xzalloc(n * sizeof *l2->bundles);
		for (unsigned i = 0; i < n; i++) {
			of_port_t number = numbers[b][i];
			bool patch = b ? number == 1 : number == 10;
			struct bundle *bun = wf_xzalloc(sizeof *bun);
			struct xport *x = &set->ports[i];

			snprintf(bun->name, sizeof bun->name, "b%up%u", b, number);
			*x = (struct xport){ .ofp_port = number, .may_enable = true, .bundle = bun };
			bun->index = i;
			bun->mode = VLAN_TRUNK;
			bun->vlan = -1;
			bun->floodable = true;
			bun->n_members = 1;
			bun->members[0] = number;
			l2->bundles[i] = bun;
			models[b]->ports[i].port = number;
			if (patch) {
				x->is_patch = true;
				x->peer_bridge = bridges[!b];
				x->peer_port = b ? 10 : 1;
				x->slot = view_slot_alloc(NULL, bridges[b], number, 0, &x->generation);
				models[b]->ports[i].peer = models[!b];
				models[b]->ports[i].peer_port = x->peer_port;
			} else {
				struct fake *f = &fakes[n_fake++];

				f->port = fake_port_new(bun->name, false);
				f->bridge = b;
				f->ofp_port = number;
				f->port->slot = x->slot =
					view_slot_alloc(f->port, bridges[b], number, 0, &x->generation);
			}
		}
		xport_set_hash(set);
		view_set_ports(bridges[b], set);
		view_set_l2(bridges[b], l2);
	}
	view_publish(false);
	for (unsigned i = 0; i < N_FAKES; i++)
		workers_add_port(fakes[i].port, NULL);
}

static int
setup(void **state)
{
	wf_loop_init();
	view_init();
	bridge_free_macs = mac_table_free;
	workers_init();
	make_bridges();
	return 0;
}

static int
teardown(void **state)
{
	for (unsigned i = 0; i < N_FAKES; i++)
		workers_remove_port(fakes[i].port);
	view_bridge_del(bridges[0]);
	view_bridge_del(bridges[1]);
	view_publish(false);
	wf_rcu_drain();
	workers_exit();
	wf_rcu_drain();
	for (unsigned i = 0; i < N_FAKES; i++)
		fake_port_free(fakes[i].port);
	for (unsigned b = 0; b < 2; b++) {
		for (unsigned i = 0; models[b]->groups && i < 2; i++)
			free(models[b]->groups->buckets[i].actions);
		if (models[b]->groups)
			free(models[b]->groups->buckets);
		free(models[b]->groups);
		free(models[b]->rules);
		free(models[b]);
	}
	wf_loop_done();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(equal_to_the_oracle) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
