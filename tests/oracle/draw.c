// SPDX-License-Identifier: Apache-2.0
/* Random flows, configurations, changes and frames, all from one seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/rig.h"

const char *const feature_names[N_FEATURES] = {
	"vlan-modes", "mirrors", "learn", "conjunctions", "meters", "choices", "pause",
	"fragments", "misses", "timeouts", "odd-frames", "port-config", "pushes", "tag-stacks",
};

static uint64_t state;

void
draw_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (unsigned i = 0; i < 10; i++)
		draw(2);
}

uint32_t
draw(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 11) % n);
}
#define PICK(ARRAY) ARRAY[draw(sizeof(ARRAY) / sizeof(ARRAY)[0])]

static const of_port_t port_numbers[2][5] = { { 1, 2, 3, 4, 10 }, { 1, 2, 3 } };

static of_port_t
draw_port(unsigned b)
{
	return port_numbers[b][draw(b ? 3 : 5)];
}

/* --- Matches -------------------------------------------------------------------------------------- */

static void
draw_match(struct wf_str *s, unsigned table)
{
	static const char *const types[] = { "ip", "tcp", "udp", "ipv6", "tcp6", "arp", "mpls",
					     "icmp", "udp6", "dl_type=0x88e7" };
	unsigned t = draw(14);

	if (!draw(3))
		wf_str_fmt(s, ",in_port=%u", 1 + draw(4));
	if (!draw(4))
		wf_str_fmt(s, ",dl_dst=02:00:00:00:00:0%u", 1 + draw(3));
	if (!draw(6))
		wf_str_fmt(s, ",dl_src=02:00:00:00:00:0%u", 1 + draw(3));
	if (!draw(12))
		wf_str_put(s, ",dl_dst=02:00:00:00:00:02/ff:ff:ff:ff:ff:fe");
	if (!draw(6))
		wf_str_put(s, draw(2) ? ",dl_vlan=10" : ",vlan_tci=0x0000/0x1fff");
	if (!draw(20))
		wf_str_put(s, ",dl_vlan_pcp=3");
	if (table && !draw(4))
		wf_str_fmt(s, ",reg0=%u", draw(3));
	if (table && !draw(12))
		wf_str_fmt(s, ",metadata=%u/3", draw(4));
	if (t < 10)
		wf_str_fmt(s, ",%s", types[t]);
	/* Near some destinations there are rules for hosts, near others for whole networks only. */
	if (t < 3 && !draw(2))
		wf_str_fmt(s, ",nw_dst=10.0.%u.%u", draw(4) ? 0 : 1, 1 + draw(3));
	else if (t < 3 && !draw(3))
		wf_str_fmt(s, ",nw_dst=10.0.%u.0/%u", 1 + draw(3), 22 + draw(3));
	else if (t < 3 && !draw(4))
		wf_str_put(s, draw(2) ? ",nw_dst=10.0.0.0/31" : ",nw_src=10.0.0.2/31");
	if (t < 3 && !draw(6))
		wf_str_put(s, ",nw_tos=32");
	/* Else TTLs would be in every key, and guards never asked. */
	if (t < 3 && table == 1 && !draw(8))
		wf_str_put(s, ",nw_ttl=64");
	if (t < 3 && !draw(14))
		wf_str_put(s, draw(2) ? ",ip_frag=no" : ",ip_frag=first");
	if ((t == 1 || t == 2 || t == 4 || t == 8) && !draw(2))
		wf_str_fmt(s, ",tp_dst=%u", 80 + draw(3) + (draw(4) ? 0 : draw(16) << 12));
	else if ((t == 1 || t == 2) && !draw(4))
		wf_str_put(s, ",tp_src=0x50/0xfffe");
	if (t == 1 && !draw(6))
		wf_str_put(s, ",tcp_flags=+syn");
	if ((t == 3 || t == 4) && !draw(3))
		wf_str_put(s, draw(2) ? draw(2) ? ",ipv6_dst=2000::/17" : ",ipv6_dst=::1/::1"
					: ",ipv6_label=1");
	if (t == 5 && !draw(2))
		wf_str_fmt(s, ",arp_op=%u", 1 + draw(2));
	if (t == 6 && !draw(2))
		wf_str_fmt(s, ",mpls_label=%u", 100 + draw(2));
	if (t == 7 && !draw(2))
		wf_str_fmt(s, ",icmp_type=%u", draw(2) ? 0 : 8);
}

/* --- Actions -------------------------------------------------------------------------------------- */

static void
draw_learn(struct wf_str *s, unsigned table, unsigned features)
{
	unsigned idle = features & HAS_TIMEOUTS && draw(2) ? 1 + draw(4) : 0;
	unsigned hard = features & HAS_TIMEOUTS && draw(2) ? 1 + draw(6) : 0;
	unsigned which = draw(4);

	/* Each form has a priority of its own: what they learn never overlaps at one priority. */
	wf_str_fmt(s, "learn(table=%u,priority=%u,idle_timeout=%u,hard_timeout=%u,cookie=%u,",
		   table + 1 + draw(3 - table), 61001 + which * 2 + draw(2), idle, hard, 7 + which);
	if (!draw(4))
		wf_str_fmt(s, "limit=%u,", 1 + draw(4));
	if (!draw(4))
		wf_str_put(s, "result_dst=NXM_NX_REG1[0],");
	switch (which) {
	case 0:
		wf_str_put(s, "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])");
		break;
	case 1:
		wf_str_put(s, "eth_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[],"
			      "load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])");
		break;
	case 2:
		wf_str_put(s, "NXM_OF_ETH_DST[0..3]=NXM_OF_ETH_SRC[0..3],NXM_OF_VLAN_TCI[0..11],"
			      "load:0x5->NXM_OF_ETH_SRC[4..7],output:NXM_OF_IN_PORT[])");
		break;
	default:
		wf_str_put(s, "eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[],"
			      "load:0x2->NXM_NX_REG0[])");
		break;
	}
}

static void
draw_action(struct wf_str *s, unsigned table, unsigned b, unsigned features, bool nested)
{
	static const char *const hashes[] = { "eth_src", "symmetric_l4", "symmetric_l3l4",
					      "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3" };
	static const char *const algorithms[] = { "modulo_n", "hash_threshold", "hrw", "iter_hash" };
	unsigned which = draw(nested ? 52 : 60);

	/* What an action does to a header that is damaged is not defined. */
	if (features & HAS_ODD_FRAMES)
		while ((which >= 18 && which <= 23) || which == 28 || (which >= 30 && which <= 34) ||
		       (which >= 40 && which <= 44) || which == 48 || which == 49)
			which = draw(nested ? 52 : 60);
	/* Tags and labels pile up over tables and bridges; above four a packet is dropped. */
	if ((which == 17 || which == 28 || which == 34) &&
	    (table > 1 || b || !(features & HAS_PUSHES)))
		which = draw(8);
	switch (which) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
		wf_str_fmt(s, "output:%u", draw_port(b));
		break;
	case 8: wf_str_put(s, "in_port"); break;
	case 9: wf_str_put(s, draw(2) ? "FLOOD" : "ALL"); break;
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
	case 21: wf_str_put(s, draw(2) ? "mod_nw_tos:32" : "mod_nw_ecn:2"); break;
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
	case 36: wf_str_put(s, "push:NXM_OF_ETH_SRC[0..31]"); break;
	case 37: wf_str_put(s, "pop:NXM_OF_ETH_DST[0..31]"); break;
	case 38: wf_str_put(s, draw(2) ? "push:NXM_NX_REG0[]" : "pop:NXM_NX_REG0[]"); break;
	case 39: wf_str_put(s, "output:NXM_NX_REG0[]"); break;
	case 40: wf_str_fmt(s, "mod_nw_ttl:%u", 1 + draw(3)); break;
	case 41: wf_str_put(s, "set_field:7->ipv6_label"); break;
	case 42: wf_str_put(s, "set_field:10.9.9.9->arp_spa"); break;
	case 43: wf_str_put(s, "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]"); break;
	case 44: wf_str_put(s, "set_field:5->icmp_type"); break;
	case 45:
		if (features & HAS_CHOICES)
			wf_str_fmt(s, "multipath(%s,%u,%s,%u,0,NXM_NX_REG0[0..1])", PICK(hashes), draw(100),
				   PICK(algorithms), 1 + draw(4));
		else
			wf_str_put(s, "note:01");
		break;
	case 46:
		if (features & HAS_CHOICES)
			wf_str_fmt(s, "bundle(%s,%u,%s,ofport,members:%u,%u)", PICK(hashes), draw(100),
				   draw(2) ? "hrw" : "active_backup", draw_port(b), draw_port(b));
		else
			wf_str_fmt(s, "output:%u", draw_port(b));
		break;
	case 47:
		if (features & HAS_CHOICES)
			wf_str_fmt(s, "bundle_load(%s,%u,hrw,ofport,NXM_NX_REG0[0..15],members:%u,%u,%u)",
				   PICK(hashes), draw(100), draw_port(b), draw_port(b), draw_port(b));
		else
			wf_str_put(s, "write_metadata:1/3");
		break;
	case 48: wf_str_fmt(s, "load:%u->NXM_OF_IP_TOS[2..4]", draw(8)); break;
	case 49: wf_str_put(s, "set_field:0x50/0xf0->tcp_dst"); break;
	case 50: wf_str_put(s, "set_field:02:00:00:00:00:00/ff:00:00:00:00:01->eth_dst"); break;
	case 51: wf_str_fmt(s, "output:%u", draw_port(b)); break;
	case 52: case 53:
		if (table < 3)
			wf_str_fmt(s, "resubmit(,%u)", table + 1 + draw(3 - table));
		else
			wf_str_put(s, "output:2");
		break;
	case 54:
		if (table < 3)
			wf_str_fmt(s, "resubmit(%u,%u)", 1 + draw(4), table + 1 + draw(3 - table));
		else
			wf_str_put(s, "output:3");
		break;
	case 55:
		wf_str_put(s, "clone(");
		for (unsigned i = 0; i < 3; i++) {
			wf_str_put(s, i ? "," : "");
			draw_action(s, table, b, features, true);
		}
		wf_str_put(s, ")");
		break;
	case 56: wf_str_put(s, "exit"); break;
	case 57: case 58:
		/* Buckets resubmit to table 3. */
		if (table < 3)
			wf_str_fmt(s, "group:%u", 1 + draw(3));
		else
			wf_str_fmt(s, "output:%u", draw_port(b));
		break;
	case 59:
		if (features & HAS_LEARN && table < 3)
			draw_learn(s, table, features);
		else if (features & HAS_PAUSE && draw(2))
			wf_str_put(s, draw(2) ? "controller(pause)"
				       : "push:NXM_OF_ETH_SRC[0..31],controller(pause),"
					 "pop:NXM_OF_ETH_DST[0..31]");
		else
			wf_str_fmt(s, "output:%u", draw_port(b));
		break;
	}
}

static void
draw_actions(struct wf_str *acts, unsigned table, unsigned b, unsigned features)
{
	unsigned n = 1 + draw(4);

	if (features & HAS_METERS && !draw(3))
		wf_str_fmt(acts, "meter:%u,", 1 + draw(2));
	for (unsigned i = 0; i < n; i++) {
		wf_str_put(acts, i ? "," : "");
		draw_action(acts, table, b, features, false);
	}
	if (features & HAS_LEARN && table < 2 && !draw(4)) {
		wf_str_put(acts, ",");
		draw_learn(acts, table, features);
	}
	if (!draw(5)) {
		static const char *const sets[] = {
			",write_actions(output:2)", ",write_actions(dec_ttl,output:2)",
			",write_actions(mod_dl_src:02:00:00:00:00:09,output:3)",
			",write_actions(strip_vlan,output:1)", ",clear_actions",
			",write_actions(group:1)", ",write_actions(output:2,group:2)",
		};

		wf_str_put(acts, sets[(features & HAS_ODD_FRAMES ? 2 : 0) + draw(table < 3 ? 5 : 3)]);
	}
	if (!draw(8))
		wf_str_fmt(acts, ",write_metadata:%u/3", draw(4));
	if (table < 3 && !draw(3))
		wf_str_fmt(acts, ",goto_table:%u", table + 1 + draw(3 - table));
}

/* Keeps only what a switch would take: prerequisites are checked as for a flow_mod.  The caller
 * frees fm->actions. */
static bool
parse_flow(struct of_flow_mod *fm, unsigned table, const char *match, const char *acts)
{
	struct of_action_check check = { .version = 4, .table = (uint8_t)table, .n_tables = 254,
					 .max_ports = OF_PORT_MAX };
	struct wf_buf list = WF_BUF_INIT;
	char *error = of_match_parse(&fm->match, match, NULL, NULL);
	bool ok;

	if (!error)
		error = of_actions_parse(acts, &list);
	ok = !error && !of_actions_check(list.data, list.size, &fm->match, &check);
	if (error && getenv("ORACLE_SHOW_REFUSED"))
		fprintf(stderr, "%s actions=%s: %s\n", match, acts, error);
	free(error);
	fm->table = (uint8_t)table;
	fm->actions = ok && list.size ? wf_xmemdup(list.data, list.size) : NULL;
	fm->actions_size = list.size;
	wf_buf_done(&list);
	return ok;
}

static bool
priority_is_free(struct scene *s, unsigned b, unsigned table, uint16_t priority)
{
	for (unsigned i = 0; i < s->model[b]->n_rules; i++)
		if (s->model[b]->rules[i]->table == table &&
		    s->model[b]->rules[i]->priority == priority)
			return false;
	return true;
}

static void
init_mod(struct of_flow_mod *fm)
{
	memset(fm, 0, sizeof *fm);
	of_match_init_any(&fm->match);
	fm->out_port = OF_PORT_ANY;
	fm->out_group = OF_GROUP_ANY;
	fm->buffer_id = UINT32_MAX;
	fm->modify_cookie = true;
}

static bool
draw_flow(struct scene *s, unsigned b, unsigned features, struct of_flow_mod *fm)
{
	struct wf_str match = WF_STR_INIT, acts = WF_STR_INIT;
	unsigned table = draw(4);
	bool ok;

	init_mod(fm);
	draw_match(&match, table);
	draw_actions(&acts, table, b, features);
	ok = parse_flow(fm, table, match.len ? match.s + 1 : "", wf_str_cstr(&acts));
	wf_str_done(&match);
	wf_str_done(&acts);
	do
		fm->priority = (uint16_t)(1 + draw(60000));
	while (!priority_is_free(s, b, table, fm->priority));
	if (!draw(10) && priority_is_free(s, b, table, 0))
		fm->priority = 0;
	fm->new_cookie = draw(3);
	if (features & HAS_TIMEOUTS) {
		if (!draw(3))
			fm->idle_timeout = (uint16_t)(1 + draw(5));
		if (!draw(4))
			fm->hard_timeout = (uint16_t)(1 + draw(10));
	}
	return ok;
}

static void
free_mod(struct of_flow_mod *fm)
{
	free((void *)fm->actions);
	fm->actions = NULL;
}

/* Rules of equal priority that overlap are allowed to a conjunction only: they must not become
 * ordinary ones. */
#define COOKIE_CONJUNCTION 99

static void
add_text(struct scene *s, unsigned b, unsigned table, uint16_t priority, const char *match,
	 const char *acts)
{
	static struct of_flow_mod fm;

	init_mod(&fm);
	if (!parse_flow(&fm, table, match, acts))
		abort();
	fm.priority = priority;
	fm.new_cookie = COOKIE_CONJUNCTION;
	scene_flow_mod(s, b, &fm, NULL);
	free_mod(&fm);
}

/* --- Conjunctions ----------------------------------------------------------------------------------- */

static void
draw_conjunction(struct scene *s, unsigned b)
{
	static const char *const clauses[3][4] = {
		{ "ip,nw_dst=10.0.0.1", "ip,nw_dst=10.0.0.2/31", "in_port=1", "dl_src=02:00:00:00:00:01" },
		{ "tcp,tp_dst=80", "tcp,tp_dst=81", "udp", "ip,nw_tos=32" },
		{ "dl_dst=02:00:00:00:00:02", "dl_dst=02:00:00:00:00:03", "ip,nw_src=10.0.0.0/31", "in_port=2" },
	};
	unsigned id = 10 + draw(100), table = draw(4), n = 2 + draw(2);
	uint16_t priority = (uint16_t)(62000 + id);
	char match[64], acts[64];

	if (!priority_is_free(s, b, table, priority))
		return;
	for (unsigned c = 0; c < n; c++) {
		for (unsigned k = 0; k < 4; k++) {
			if (!draw(2))
				continue;
			snprintf(acts, sizeof acts, "conjunction(%u,%u/%u)", id, c + 1, n);
			add_text(s, b, table, priority, clauses[c][k], acts);
		}
	}
	if (!draw(6))
		return;
	snprintf(match, sizeof match, "conj_id=%u", id);
	snprintf(acts, sizeof acts, "mod_dl_src:02:00:00:00:00:0c,output:%u", draw_port(b));
	add_text(s, b, table, (uint16_t)(priority - 500 * draw(2)), match, acts);
}

/* --- Groups and meters ------------------------------------------------------------------------------ */

static void
draw_group(struct scene *s, unsigned b, uint32_t id, unsigned features)
{
	static const char *const texts[] = { "mod_dl_src:02:00:00:00:00:0a,output:2", "output:3",
					     "resubmit(,3)", "output:1", "NORMAL",
					     "push_vlan:0x8100,mod_vlan_vid:11,output:2",
					     "dec_ttl,output:1", "mod_nw_dst:10.0.0.3,resubmit(,3)" };
	static const char *const fields[][2] = { { "ip_src", "255.255.255.255" },
						 { "eth_dst", "ff:ff:ff:ff:ff:ff" },
						 { "tcp_dst", "0xffff" }, { "ip_dst", "0.0.0.3" } };
	struct of_group_mod gm = { .command = OF_GC_ADD_OR_MOD, .group = id };
	struct of_bucket buckets[4];

	gm.type = (uint8_t)(features & HAS_CHOICES && draw(2) ? OF_GT_SELECT : draw(4));
	if (gm.type == OF_GT_SELECT && !(features & HAS_CHOICES))
		gm.type = OF_GT_ALL;
	gm.n_buckets = gm.type == OF_GT_INDIRECT ? 1 : 1 + draw(4);
	gm.buckets = buckets;
	memset(buckets, 0, sizeof buckets);
	for (unsigned i = 0; i < gm.n_buckets; i++) {
		struct wf_buf list = WF_BUF_INIT;

		if (of_actions_parse(texts[draw(features & HAS_ODD_FRAMES ? 6 : 8)], &list))
			abort();
		buckets[i] = (struct of_bucket){ .bucket_id = i, .weight = (uint16_t)(1 + draw(4)),
						 .watch_port = OF_PORT_ANY, .watch_group = OF_GROUP_ANY,
						 .actions_size = list.size };
		buckets[i].actions = wf_xmemdup(list.data, list.size);
		if (gm.type != OF_GT_ALL && draw(2))
			buckets[i].watch_port = draw_port(b);
		else if (gm.type == OF_GT_FF && id > 1 && !draw(3))
			buckets[i].watch_group = id - 1;
		wf_buf_done(&list);
	}
	if (gm.type == OF_GT_SELECT) {
		unsigned how = draw(4);

		gm.props.param = draw(2) ? draw(1000) : 0;
		if (how == 1)
			snprintf(gm.props.method, sizeof gm.props.method, "dp_hash");
		if (how >= 2) {
			snprintf(gm.props.method, sizeof gm.props.method, "hash");
			for (unsigned i = 0; i < 4; i++) {
				union of_value ones = { .b = { [0 ... 127] = 0xff } };
				const struct of_field *f = of_field_by_name(fields[i][0]);

				if (draw(2))
					continue;
				if (i == 3)
					ones.b[0] = ones.b[1] = ones.b[2] = 0, ones.b[3] = 3;
				of_group_props_set_mask(&gm.props, f->id, &ones);
			}
		}
	}
	scene_group_mod(s, b, &gm);
	of_group_props_done(&gm.props);
	for (unsigned i = 0; i < gm.n_buckets; i++)
		free(buckets[i].actions);
}

static void
draw_meter(struct scene *s, unsigned b, uint32_t id)
{
	struct ometer m = { .id = id, .is_pktps = draw(2), .n = 1 + draw(2) };
	uint16_t type = (uint16_t)(1 + draw(2));

	for (unsigned i = 0; i < m.n; i++)
		m.bands[i] = (struct oband){ .type = type,
					     .prec_level = (uint8_t)(1 + draw(2)),
					     .rate = m.is_pktps ? 5 + draw(200) : 5 + draw(300),
					     .burst = draw(2) ? 10 + draw(50) : 0 };
	scene_set_meter(s, b, &m);
}

/* --- Ports and mirrors -------------------------------------------------------------------------------- */

static void
draw_port_config(struct oport *p)
{
	p->is_up = draw(4) != 0;
	p->no_recv = !draw(16);
	p->no_fwd = !draw(12);
	p->no_flood = !draw(6);
	p->is_down_by_config = !draw(16);
}

static void
draw_vlan_mode(struct oport *p)
{
	static const uint8_t vids[] = { 10, 11, 12, 0, 10 };

	p->mode = (enum omode)draw(5);
	p->vlan = p->mode == OMODE_TRUNK ? -1 : p->mode == OMODE_ACCESS ? PICK(vids) : 10 + (int)draw(3);
	p->all_trunks = draw(2);
	p->trunks = (uint64_t)draw(8) << 10 | draw(2);
	if (p->mode == OMODE_NATIVE_TAGGED || p->mode == OMODE_NATIVE_UNTAGGED)
		p->trunks |= 1ull << p->vlan;
	p->all_cvlans = draw(2);
	p->cvlans = (uint64_t)draw(8) << 10 | draw(2);
	p->qinq = draw(3) ? 0x88a8 : 0x8100;
	p->priority_tags = (uint8_t)(draw(3) ? 0 : draw(3));
	p->is_protected = !draw(5);
}

static void
draw_mirrors(struct obridge *o)
{
	unsigned n = 1 + draw(3);

	for (unsigned i = 0; i < OMAX_MIRRORS; i++) {
		struct omirror *m = &o->mirrors[i];

		memset(m, 0, sizeof *m);
		if (i >= n)
			continue;
		m->in_use = true;
		m->all_vlans = draw(3) != 0;
		m->vlans = (uint64_t)draw(8) << 10 | draw(2);
		m->snaplen = draw(3) ? 0 : 40 + draw(30);
		m->out_vlan = -1;
		m->same = 1u << i;
		if (draw(4)) {
			/* Not a patch port. */
			do
				m->out = &o->ports[draw(o->n_ports)];
			while (m->out->peer);
			m->out->mirror_out |= 1u << i;
		} else {
			m->out_vlan = 20 + (int)i;
			m->snaplen = 0; /* over a patch port: not defined when it is cut */
		}
		for (unsigned p = 0; p < o->n_ports; p++) {
			if (o->ports[p].peer)
				continue;
			if (!draw(2))
				o->ports[p].src_mirrors |= 1u << i;
			if (!draw(2))
				o->ports[p].dst_mirrors |= 1u << i;
		}
	}
	/* What is sent to a mirror's port is not mirrored again: the order would not be defined. */
	for (unsigned p = 0; p < o->n_ports; p++)
		if (o->ports[p].mirror_out)
			o->ports[p].src_mirrors = o->ports[p].dst_mirrors = 0;
	for (unsigned i = 0; i < OMAX_MIRRORS; i++)
		for (unsigned j = 0; j < OMAX_MIRRORS; j++)
			if (o->mirrors[i].in_use && o->mirrors[j].in_use &&
			    o->mirrors[i].out == o->mirrors[j].out &&
			    o->mirrors[i].out_vlan == o->mirrors[j].out_vlan)
				o->mirrors[i].same |= 1u << j;
}

static void
draw_bridge(struct scene *s, unsigned b, unsigned features)
{
	struct obridge *o = s->model[b];

	memset(o->mirrors, 0, sizeof o->mirrors);
	for (unsigned i = 0; i < o->n_ports; i++) {
		struct oport *p = &o->ports[i];
		struct oport plain = { .port = p->port, .peer = p->peer, .peer_port = p->peer_port,
				       .is_up = true, .mode = OMODE_TRUNK, .vlan = -1,
				       .all_trunks = true, .all_cvlans = true, .qinq = 0x88a8 };

		*p = plain;
		if (features & HAS_VLAN_MODES && draw(4))
			draw_vlan_mode(p);
		if (features & HAS_PORT_CONFIG)
			draw_port_config(p);
	}
	if (features & HAS_MIRRORS)
		draw_mirrors(o);
	o->frag_mode = (uint8_t)(features & HAS_FRAGMENTS ? (draw(4) ? 3 * draw(2) : 1) : 0);
	o->miss_to_controller = features & HAS_MISSES && draw(2);
	o->mac_aging_ms = features & HAS_TIMEOUTS ? 3000 : 300000;
	scene_set_ports(s, b);
	scene_flush_macs(s, b);
}

void
draw_scene(struct scene *s, unsigned features)
{
	static struct of_flow_mod fm;

	for (unsigned b = 0; b < 2; b++) {
		unsigned n = 6 + draw(26);

		draw_bridge(s, b, features);
		for (unsigned i = 1; i <= 3; i++)
			draw_group(s, b, i, features);
		for (unsigned i = 1; features & HAS_METERS && i <= 2; i++)
			draw_meter(s, b, i);
		while (n) {
			if (draw_flow(s, b, features, &fm)) {
				fm.command = OF_FC_ADD;
				scene_flow_mod(s, b, &fm, NULL);
				n--;
			}
			free_mod(&fm);
		}
		for (unsigned i = 0; features & HAS_CONJUNCTIONS && i < 3; i++)
			draw_conjunction(s, b);
	}
}

/* --- Changes ------------------------------------------------------------------------------------------ */

static struct orule *
draw_rule(struct scene *s, unsigned b)
{
	const struct obridge *o = s->model[b];

	for (unsigned i = 0; o->n_rules && i < 20; i++) {
		struct orule *r = o->rules[draw(o->n_rules)];

		if (orule_is_there(r))
			return r;
	}
	return NULL;
}

static void
draw_pattern(struct of_flow_mod *fm)
{
	static const char *const patterns[] = { "ip", "tcp", "in_port=2", "dl_vlan=10", "arp",
						"dl_dst=02:00:00:00:00:01", "ip,nw_dst=10.0.0.0/24" };
	char *error = of_match_parse(&fm->match, PICK(patterns), NULL, NULL);

	if (error)
		abort();
	fm->table = (uint8_t)(draw(3) ? draw(4) : OF_TABLE_ALL);
	if (!draw(4)) {
		fm->cookie = draw(3);
		fm->cookie_mask = draw(2) ? UINT64_MAX : 1;
	}
}

static void
draw_flow_change(struct scene *s, unsigned b, unsigned features, struct of_txn *txn, bool modelled)
{
	static struct of_flow_mod fm;
	bool has_actions = draw_flow(s, b, features, &fm);
	const struct orule *r = draw_rule(s, b);
	unsigned n_there = 0, which = draw(12);

	for (unsigned i = 0; i < s->model[b]->n_rules; i++)
		n_there += orule_is_there(s->model[b]->rules[i]);
	if (n_there > 60 || (which >= 4 && r && r->cookie == COOKIE_CONJUNCTION))
		which = 8 + draw(4);
	if (which < 4 || !r) {
		fm.command = OF_FC_ADD;
		if (!draw(4))
			fm.flags |= OF_FF_CHECK_OVERLAP;
	} else {
		fm.match = r->match;
		fm.table = r->table;
		fm.priority = r->priority;
		if (which == 4) { /* replaces */
			fm.command = OF_FC_ADD;
			if (draw(2))
				fm.flags |= OF_FF_RESET_COUNTS;
		} else if (which < 7) {
			fm.command = OF_FC_MODIFY_STRICT;
			if (!draw(3))
				fm.new_cookie = UINT64_MAX;
		} else if (which == 7) {
			fm.command = OF_FC_MODIFY;
			fm.new_cookie = UINT64_MAX;
			draw_pattern(&fm);
			fm.table = (uint8_t)draw(4);
			fm.cookie = draw(3);
			fm.cookie_mask = UINT64_MAX;
		} else if (which < 10) {
			fm.command = OF_FC_DELETE_STRICT;
			has_actions = true;
		} else {
			fm.command = OF_FC_DELETE;
			has_actions = true;
			draw_pattern(&fm);
			if (!draw(3))
				fm.out_port = draw_port(b);
			else if (!draw(6))
				fm.out_group = 1 + draw(3);
		}
		/* The drawn actions may not suit another match, nor another table. */
		if (fm.command == OF_FC_ADD || fm.command == OF_FC_MODIFY ||
		    fm.command == OF_FC_MODIFY_STRICT) {
			struct of_action_check check = { .version = 4, .table = fm.table, .n_tables = 254,
							 .max_ports = OF_PORT_MAX };
			static const char *const plain[] = { "output:1", "output:2,output:3", "drop",
							     "NORMAL", "group:1", "dec_ttl,NORMAL" };
			struct wf_buf list = WF_BUF_INIT;

			if (fm.command == OF_FC_MODIFY || !has_actions ||
			    of_actions_check((void *)fm.actions, fm.actions_size, &fm.match, &check) ||
			    (r->n_words == 1 && r->priority > 60000)) {
				free_mod(&fm);
				free(of_actions_parse(plain[draw(features & HAS_ODD_FRAMES ? 5 : 6)],
						      &list));
				fm.actions = list.size ? wf_xmemdup(list.data, list.size) : NULL;
				fm.actions_size = list.size;
				wf_buf_done(&list);
			}
			has_actions = true;
		}
	}
	if (has_actions && modelled)
		scene_flow_mod(s, b, &fm, txn);
	else if (has_actions)
		scene_flow_mod_unmodelled(s, b, &fm, txn);
	free_mod(&fm);
}

static void
draw_bundle(struct scene *s, unsigned b, unsigned features)
{
	struct of_txn txn = { 0 };
	bool fails = !draw(3);

	for (unsigned n = 1 + draw(6); n; n--)
		draw_flow_change(s, b, features, &txn, !fails);
	if (fails)
		of_txn_undo(s->sw[b], &txn, 0);
	else
		of_txn_commit(s->sw[b], &txn, NULL);
	of_txn_done(&txn);
}

void
draw_change(struct scene *s, unsigned features)
{
	unsigned b = draw(2);

	switch (draw(16)) {
	case 0:
		draw_group(s, b, 1 + draw(3), features);
		break;
	case 1:
		if (!draw(4)) {
			struct of_group_mod gm = { .command = OF_GC_DELETE, .group = 1 + draw(3) };

			scene_group_mod(s, b, &gm);
		}
		break;
	case 2:
		if (features & HAS_METERS)
			draw_meter(s, b, 1 + draw(2));
		break;
	case 3:
		if (features & (HAS_PORT_CONFIG | HAS_VLAN_MODES) && !draw(3)) {
			struct oport *p = &s->model[b]->ports[draw(s->model[b]->n_ports)];

			if (features & HAS_PORT_CONFIG)
				draw_port_config(p);
			if (features & HAS_VLAN_MODES) {
				draw_vlan_mode(p);
				scene_flush_macs(s, b);
			}
			scene_set_ports(s, b);
		}
		break;
	case 4: case 5: case 6:
		draw_bundle(s, b, features);
		break;
	case 7:
		if (features & HAS_CONJUNCTIONS)
			draw_conjunction(s, b);
		break;
	case 8:
		scene_flush_macs(s, b);
		break;
	default:
		for (unsigned n = 1 + draw(3); n; n--)
			draw_flow_change(s, b, features, NULL, true);
		break;
	}
}

/* --- Frames ------------------------------------------------------------------------------------------- */

static void
put16(struct oframe *f, unsigned v)
{
	f->b[f->size++] = (uint8_t)(v >> 8);
	f->b[f->size++] = (uint8_t)v;
}

static void
fix_checksums(struct oframe *f)
{
	struct of_key k = { 0 };

	/* Change something and change it back. */
	oframe_parse(f, &k);
	if (!k.nw_ttl)
		return;
	k.nw_ttl ^= 0x80;
	oframe_store(f, &k);
	k.nw_ttl ^= 0x80;
	oframe_store(f, &k);
}

static const uint8_t ttls[] = { 1, 2, 3, 64, 64, 64, 255 };

static void
draw_l4(uint8_t *l4, unsigned proto)
{
	l4[0] = proto == IPPROTO_ICMPV6 ? 128 : proto == IPPROTO_ICMP ? (draw(2) ? 8 : 0) : 0;
	l4[1] = (uint8_t)(proto == IPPROTO_TCP || proto == IPPROTO_UDP ? 80 + draw(3) : 0);
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
		l4[3] = (uint8_t)(80 + draw(3));
		if (proto == IPPROTO_UDP) {
			l4[5] = 28;
			if (draw(8))
				l4[6] = l4[7] = 1; /* has a checksum */
		} else {
			l4[12] = 0x50;
			l4[13] = (uint8_t)(1u << draw(5));
		}
	}
	l4[20] = (uint8_t)draw(256);
}

/* Frames that lie or end too early. */
static void
make_odd(struct oframe *f, unsigned l3)
{
	switch (draw(8)) {
	case 0: /* cut anywhere behind the addresses */
		f->size = 14 + draw(f->size - 14);
		break;
	case 1: /* a length that is not there */
		if (l3 + 4 < f->size)
			f->b[l3 + 2] = (uint8_t)draw(256);
		break;
	case 2: /* header length or version */
		f->b[l3] = (uint8_t)draw(256);
		break;
	case 3: /* padding */
		memset(f->b + f->size, (int)draw(256), 24);
		f->size += draw(24);
		break;
	case 4: /* IEEE 802.3 length, SNAP */
		f->b[12] = 0;
		f->b[13] = (uint8_t)draw(200);
		if (draw(2))
			memcpy(f->b + 14, "\xaa\xaa\x03\0\0\0", 6);
		break;
	case 5: /* data offset of TCP, ICMP codes, ... */
		if (f->size > l3 + 33)
			f->b[l3 + 32] = (uint8_t)draw(256);
		break;
	case 6: /* too short for Ethernet */
		f->size = draw(20);
		break;
	case 7: /* one byte anywhere behind the addresses */
		f->b[12 + draw(f->size - 12)] = (uint8_t)draw(256);
		break;
	}
	/* DEI: what is tagged anew loses it. */
	for (unsigned i = 0; i < 5; i++)
		f->b[14 + 4 * i] &= (uint8_t)(f->b[12 + 4 * i] == 0x81 || f->b[12 + 4 * i] == 0x88 ? ~0x10 : ~0);
}

void
draw_frame(struct oframe *f, unsigned features)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47 };
	unsigned type = draw(8), l3, proto, n_tags;

	memset(f, 0, sizeof *f);
	for (unsigned i = 0; i < 2; i++) {
		if (!i && !draw(10)) {
			memset(f->b, draw(2) ? 0xff : 0x01, 6);
			if (!draw(6))
				memcpy(f->b, "\x01\x80\xc2\0\0\x02", 6);
		} else {
			f->b[f->size] = 2;
			f->b[f->size + 5] = (uint8_t)(1 + draw(3));
		}
		f->size += 6;
	}
	n_tags = draw(5) > 3 ? draw(3) : draw(2);
	if (features & HAS_TAG_STACKS)
		n_tags = draw(6);
	if (n_tags > OF_MAX_VLANS)
		type = 5; /* the checksums could not be made */
	while (n_tags--) {
		unsigned vid = draw(6) ? 10 + draw(2) : 0, pcp = draw(8);

		/* A tag that says nothing hides those below in part: not defined for mirrors of mirrors. */
		if (n_tags && !pcp)
			pcp = 1;
		put16(f, draw(4) ? 0x8100 : 0x88a8);
		put16(f, vid | pcp << 13);
	}
	l3 = f->size + 2;
	if (type == 6) {
		put16(f, 0x0806);
		put16(f, 1);
		put16(f, 0x0800);
		put16(f, 0x0604);
		put16(f, 1 + draw(2));
		for (unsigned i = 0; i < 20; i++)
			f->b[f->size++] = (uint8_t)draw(4);
		f->size = f->size < 60 ? 60 : f->size;
	} else if (type == 5) {
		put16(f, 0x9000);
		f->size = 64;
	} else {
		put16(f, type == 4 ? 0x86dd : 0x0800);
		proto = PICK(protos);
		if (type == 4 && proto == IPPROTO_ICMP)
			proto = IPPROTO_ICMPV6;
		unsigned len = proto == IPPROTO_TCP ? 40 : 28;

		if (type == 4) {
			put16(f, 0x6000 | draw(2) << 4);
			put16(f, draw(3));
			put16(f, len);
			f->b[f->size++] = (uint8_t)proto;
			f->b[f->size++] = PICK(ttls);
			for (unsigned i = 0; i < 32; i++)
				f->b[f->size++] = (uint8_t)(i % 16 == 0 ? 0x20 : draw(2));
		} else {
			static const uint8_t toses[] = { 0x28, 0x30, 0x48, 0x21, 0x22 };

			put16(f, 0x4500 | (draw(3) ? 0 : draw(2) ? 32 + draw(4) : PICK(toses)));
			put16(f, 20 + len);
			put16(f, draw(65536));
			put16(f, draw(features & HAS_FRAGMENTS ? 3 : 12) ? 0x4000
				 : draw(2)                               ? 0x2000 : 0x0010);
			f->b[f->size++] = PICK(ttls);
			f->b[f->size++] = (uint8_t)proto;
			put16(f, 0);
			for (unsigned i = 0; i < 2; i++) {
				put16(f, 0x0a00);
				put16(f, draw(4) | (i && !draw(2) ? (1 + draw(3)) << 8 : 0));
			}
		}
		draw_l4(f->b + f->size, proto);
		f->size += len;
		fix_checksums(f);
		for (unsigned n = type == 7 ? 1 + draw(3) : 0; n; n--)
			oframe_push_mpls(f, 0x8847, (100 + draw(2)) << 12 | draw(8) << 9 | PICK(ttls));
	}
	if (features & HAS_ODD_FRAMES && !draw(3))
		make_odd(f, l3);
}

/* The same flow with other fields: what tends to be outside the key, or to be forgotten in it. */
void
draw_mutation(struct oframe *f)
{
	struct of_key k = { 0 };

	if (f->size < 14)
		return;
	oframe_parse(f, &k);
	switch (draw(8)) {
	case 0:
		k.dl_src[5] = (uint8_t)(1 + draw(3));
		break;
	case 1:
		k.dl_dst[5] = (uint8_t)(1 + draw(3));
		break;
	case 2:
		if (k.vlans[0].tci && !k.vlans[1].tci)
			k.vlans[0].tci ^= htons((uint16_t)(draw(2) | draw(8) << 13));
		break;
	case 3:
		if (k.nw_ttl && k.dl_type != htons(0x0806))
			k.nw_ttl = PICK(ttls);
		break;
	case 4:
		if (k.nw_ttl)
			k.nw_tos ^= (uint8_t)(draw(2) << 5);
		break;
	case 5:
		if (k.nw_ttl && k.dl_type == htons(0x0800))
			k.nw_src ^= htonl(draw(4));
		break;
	case 6:
		if (k.nw_ttl && k.dl_type == htons(0x0800))
			k.nw_dst ^= htonl(draw(4) | (draw(4) ? 0 : draw(4) << 8));
		else if (k.dl_type == htons(0x86dd))
			k.ipv6_dst.s6_addr[draw(4) ? 15 : 7] ^= (uint8_t)draw(2);
		break;
	case 7:
		if (!k.nw_frag && (k.nw_proto == IPPROTO_TCP || k.nw_proto == IPPROTO_UDP))
			*(draw(2) ? &k.tp_src : &k.tp_dst) ^=
				htons((uint16_t)(draw(3) | (draw(2) ? draw(16) << 12 : 0)));
		break;
	}
	oframe_store(f, &k);
}
