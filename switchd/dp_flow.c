/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/dp_flow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "dataplane/tunnel.h"
#include "dataplane/worker.h"
#include "openflow/match.h"
#include "switchd/of_internal.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(dpctl);

struct wf_list dp_flows = { &dp_flows, &dp_flows };
static unsigned n_flows;

/* Above all of in-band control's; the next flow gets one less, so that the older wins. */
#define FIRST_PRIORITY 0x7fffffffu
#define LAST_PRIORITY 0x40000000u
static uint32_t next_priority = FIRST_PRIORITY;

static int __attribute__((format(printf, 3, 4)))
refuse(struct wf_str *err, int rc, const char *format, ...)
{
	va_list args;

	wf_str_truncate(err, 0);
	va_start(args, format);
	wf_str_vfmt(err, format, args);
	va_end(args);
	return rc;
}

/* --- Ports ---------------------------------------------------------------------------------------- */

static bool
number_of(void *aux, const char *name, uint32_t *number)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		i = sw_iface_find(b, name);
		if (i && i->slot != UINT32_MAX && !i->is_patch) {
			*number = i->tunnel ? sw_tunnel_number(i) : i->slot;
			return true;
		}
	}
	return false;
}

/* A port of a bridge by its number in the datapath; tunnels are none. */
static bool
plain_port(uint32_t number, struct bridge **bridge, of_port_t *port)
{
	const struct view *v = view_get();
	const struct view_slot *s = number < v->n_slots ? &v->slots[number] : NULL;

	if (!s || !s->port || s->bridge >= v->n_bridges || !v->bridges[s->bridge] ||
	    !v->bridges[s->bridge]->bridge->of)
		return false;
	*bridge = v->bridges[s->bridge]->bridge;
	*port = s->ofp_port;
	return true;
}

static void
put_rule(struct dp_flow *f, struct bridge *bridge, of_port_t in_port)
{
	f->rules = wf_xrealloc(f->rules, (f->n_rules + 1) * sizeof *f->rules);
	f->rules[f->n_rules++] = (struct dp_flow_rule){ bridge, in_port, NULL };
}

/* Ports of outer headers are the endpoint's own, or vary from packet to packet (those of UDP). */
static int
tunnel_ports_fit(const struct of_dp_key *d, const struct tunnel_endpoint *e, struct wf_str *err)
{
	const struct of_dp_tunnel_ports *t = &d->tunnel_ports;

	if (e->udp_port && t->src_mask)
		return refuse(err, -EOPNOTSUPP, "%s: tp_src of tunnels over UDP cannot be matched here",
			      e->name);
	return !((t->dst ^ e->udp_port) & t->dst_mask) && !(t->src & t->src_mask);
}

/* The ports that in_port() stands for: one, or all tunnel ports of an endpoint.  None of them may be left:
 * no packet has these ports in its outer header. */
static int
find_ports(struct dp_flow *f, struct wf_str *err)
{
	const struct tunnel_view *tv = view_get()->tunnels;
	uint32_t number = f->d.in_port, n_seen = 0;
	struct bridge *bridge;
	of_port_t port;
	int fits;

	f->n_rules = 0;
	if (plain_port(number, &bridge, &port)) {
		put_rule(f, bridge, port);
		return 0;
	}
	for (uint32_t i = 0; tv && i < tv->n_ports; i++) {
		const struct tunnel_port *tp = &tv->ports[i];

		if (tv->endpoints[tp->endpoint].number != number || !tp->bridge->of)
			continue;
		n_seen++;
		fits = tunnel_ports_fit(&f->d, &tv->endpoints[tp->endpoint], err);
		if (fits < 0)
			return fits;
		if (fits)
			put_rule(f, tp->bridge, tp->ofp_port);
	}
	if (!n_seen)
		return refuse(err, -ENODEV, "in_port(%u): there is no such port", number);
	return 0;
}

/* --- Actions ---------------------------------------------------------------------------------------- */

struct output {
	const struct dp_flow_rule *at; /* NULL: any bridge will do */
};

static char *
output_of(void *aux, const char *text, of_port_t *ret)
{
	const struct output *o = aux;
	struct bridge *bridge;
	uint32_t number;
	char *end;

	number = (uint32_t)strtoul(text, &end, 10);
	if ((end == text || *end) && !number_of(NULL, text, &number))
		return wf_xasprintf("%s: neither an action nor a port", text);
	if (!plain_port(number, &bridge, ret))
		return wf_xasprintf("%s: no port that packets can be output to", text);
	if (!o->at)
		return NULL;
	if (bridge != o->at->bridge)
		return wf_xasprintf("%s: a port of bridge %s; the flow's packets come in by bridge %s", text,
				    bridge->name, o->at->bridge->name);
	if (*ret == o->at->in_port)
		*ret = OF_PORT_IN_PORT;
	return NULL;
}

static void
match_of(const struct dp_flow *f, of_port_t in_port, struct of_match_full *m)
{
	m->key = f->d.key;
	m->mask = f->d.mask;
	m->key.in_port = in_port;
	m->mask.in_port = UINT32_MAX;
	m->key.recirc_id = 0;
	m->mask.recirc_id = UINT32_MAX; /* not what comes from another bridge */
	for (unsigned k = 0; k < OF_KEY_WORDS; k++)
		of_key_words(&m->key)[k] &= of_key_words(&m->mask)[k];
}

static int
actions_at(const struct dp_flow *f, const struct dp_flow_rule *at, struct wf_buf *list, struct wf_str *err)
{
	struct of_match_full *m = wf_xmalloc(sizeof *m);
	struct output o = { at };
	char *error;
	int rc = 0;

	match_of(f, at ? at->in_port : 0, m);
	error = of_dp_actions_parse(f->actions, m, output_of, &o, list);
	if (error)
		rc = refuse(err, -EINVAL, "parsing actions (%s)", error);
	free(error);
	free(m);
	return rc;
}

/* --- Rules ------------------------------------------------------------------------------------------- */

static void
add_stats(struct counter *to, const struct counter *from)
{
	int64_t used = atomic_load_explicit(&from->used_ms, memory_order_relaxed);

	to->packets += from->packets;
	to->bytes += from->bytes;
	if (used > to->used_ms)
		to->used_ms = used;
}

static void
drop_rules(struct dp_flow *f)
{
	for (unsigned i = 0; i < f->n_rules; i++) {
		struct dp_flow_rule *r = &f->rules[i];

		if (!r->rule)
			continue;
		add_stats(&f->before, &r->rule->counter);
		of_flow_del_internal(r->bridge->of, r->rule);
		rule_unref(r->rule);
		r->rule = NULL;
	}
	free(f->rules);
	f->rules = NULL;
	f->n_rules = 0;
}

/* Finds the ports, and whether the actions can be had there. */
static int
prepare_rules(struct dp_flow *f, struct wf_str *err)
{
	struct wf_buf list = WF_BUF_INIT;
	int rc = find_ports(f, err);

	if (!rc)
		rc = actions_at(f, NULL, &list, err);
	for (unsigned i = 0; i < f->n_rules && !rc; i++)
		rc = actions_at(f, &f->rules[i], &list, err);
	wf_buf_done(&list);
	return rc;
}

static void
add_rules(struct dp_flow *f)
{
	struct of_match_full *m = wf_xmalloc(sizeof *m);
	struct wf_str err = WF_STR_INIT;
	struct wf_buf list = WF_BUF_INIT;

	for (unsigned i = 0; i < f->n_rules; i++) {
		struct dp_flow_rule *r = &f->rules[i];

		list.size = 0;
		actions_at(f, r, &list, &err);
		match_of(f, r->in_port, m);
		r->rule = of_flow_add_internal(r->bridge->of, TABLE_INTERNAL, m, f->priority, list.data,
					       list.size, true);
		rule_ref(r->rule);
	}
	free(m);
	wf_str_done(&err);
	wf_buf_done(&list);
}

static void
flow_free(struct dp_flow *f)
{
	if (!f)
		return;
	drop_rules(f);
	free(f->actions);
	free(f);
}

static void
flow_remove(struct dp_flow *f)
{
	wf_list_remove(&f->node);
	n_flows--;
	flow_free(f);
}

/* --- What users do ----------------------------------------------------------------------------------- */

static int
parse_key(const char *text, struct of_dp_key *d, struct wf_str *err)
{
	char *error = of_dp_key_parse(text, number_of, NULL, d);
	int rc = d->too_long ? -E2BIG : -EINVAL;

	if (!error)
		return 0;
	refuse(err, rc, "parsing flow key (%s)", error);
	free(error);
	return rc;
}

/* 'with_mask' unless the text names a flow by its values. */
static struct dp_flow *
find(const struct of_dp_key *d, bool with_mask)
{
	struct dp_flow *f;

	wf_list_for_each (f, node, &dp_flows)
		if (f->d.in_port == d->in_port && !memcmp(&f->d.key, &d->key, sizeof d->key) &&
		    (!with_mask || !memcmp(&f->d.mask, &d->mask, sizeof d->mask)))
			return f;
	return NULL;
}

static struct dp_flow *
find_named(const struct of_dp_key *d)
{
	struct dp_flow *f;

	if (!d->ufid[0]) {
		f = find(d, true);
		return f ? f : find(d, false);
	}
	wf_list_for_each (f, node, &dp_flows)
		if (!strcmp(f->d.ufid, d->ufid))
			return f;
	return NULL;
}

/* Options are fields by the TLV map of the bridge that the tunnel's packets come to. */
static int
parse_flow_key(const char *text, struct of_dp_key *d, struct wf_str *err)
{
	const struct tunnel_view *tv = view_get()->tunnels;
	const char *at = strstr(text, "in_port(");
	const struct of_tlv_map *map = NULL, *before;
	uint32_t number;
	char name[64];
	int rc;

	if (tv && at && sscanf(at, "in_port(%63[^)]", name) == 1 &&
	    (sscanf(name, "%" SCNu32, &number) == 1 || number_of(NULL, name, &number)))
		for (uint32_t i = 0; i < tv->n_ports && !map; i++)
			if (tv->endpoints[tv->ports[i].endpoint].number == number)
				map = view_get()->bridges[tv->ports[i].bridge->index]->tlv_map;
	before = of_tlv_map_enter(map);
	rc = parse_key(text, d, err);
	of_tlv_map_enter(before);
	return rc;
}

static int
check_key(const struct of_dp_key *d, struct wf_str *err)
{
	if (!d->has_in_port || d->in_port_mask != UINT32_MAX) {
		wf_warn_rl("flow: in_port is not an exact match");
		return refuse(err, -EINVAL, "updating flow table");
	}
	if (d->key.recirc_id & d->mask.recirc_id || d->mask.dp_hash)
		return refuse(err, -EOPNOTSUPP, "updating flow table (only packets as they come in by a "
						"port: recirc_id(0), no dp_hash)");
	if (d->unknown_options)
		return refuse(err, -EINVAL, "updating flow table (an option of geneve() is in no TLV map)");
	return 0;
}

static void
name_flow(struct of_dp_key *d)
{
	static uint32_t seq;
	uint64_t h = wf_hash_bytes(&d->key, sizeof d->key, ++seq);
	uint64_t l = wf_hash_bytes(&d->mask, sizeof d->mask, seq);

	if (!d->ufid[0])
		snprintf(d->ufid, sizeof d->ufid,
			 "ufid:%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04x-%04x%08x", h & UINT32_MAX,
			 h >> 32 & 0xffff, l & 0xffff, d->in_port & 0xffff, (unsigned)(l >> 16) & 0xffff, seq);
}

int
dp_flow_put(const char *key, const char *actions, unsigned flags, struct counter *stats,
	    struct wf_str *err)
{
	struct dp_flow *f = wf_xzalloc(sizeof *f), *old = NULL;
	int rc = parse_flow_key(key, &f->d, err);

	f->actions = wf_xstrdup(actions);
	/* Frames, unless it is said that packets have no Ethernet header. */
	if (f->d.has_eth && !f->d.has_packet_type)
		f->d.mask.packet_type = UINT32_MAX;
	if (!rc)
		rc = check_key(&f->d, err);
	if (!rc)
		old = find(&f->d, true);
	if (!rc && old && !(flags & DP_FLOW_MAY_MODIFY))
		rc = refuse(err, -EEXIST, "updating flow table");
	if (!rc && !old && !(flags & DP_FLOW_MAY_CREATE))
		rc = refuse(err, -ENOENT, "updating flow table");
	if (!rc && !old && n_flows >= DP_FLOWS_MAX)
		rc = refuse(err, -ENOSPC, "updating flow table (there are %u already)", n_flows);
	if (!rc && !old && next_priority == LAST_PRIORITY)
		rc = refuse(err, -ENOSPC, "updating flow table (too many since all were deleted last)");
	if (!rc)
		rc = prepare_rules(f, err);
	if (rc) {
		flow_free(f);
		return rc;
	}
	if (old) {
		workers_fold_stats();
		drop_rules(old);
		if (stats)
			dp_flow_stats(old, stats);
		if (!(flags & DP_FLOW_ZERO_STATS))
			add_stats(&f->before, &old->before);
		memcpy(f->d.ufid, old->d.ufid, sizeof f->d.ufid);
		f->priority = old->priority;
		wf_list_insert(&old->node, &f->node);
		n_flows++;
		flow_remove(old);
	} else {
		name_flow(&f->d);
		f->priority = next_priority--;
		wf_list_push_back(&dp_flows, &f->node);
		n_flows++;
	}
	add_rules(f);
	of_publish();
	return 0;
}

int
dp_flow_del(const char *key, struct counter *stats, struct wf_str *err)
{
	struct of_dp_key *d = wf_xmalloc(sizeof *d);
	struct dp_flow *f = NULL;
	int rc = parse_flow_key(key, d, err);

	if (!rc) {
		f = find_named(d);
		if (!f)
			rc = refuse(err, -ENOENT, "deleting flow");
	}
	free(d);
	if (rc)
		return rc;
	workers_fold_stats();
	if (stats)
		dp_flow_stats(f, stats);
	flow_remove(f);
	of_publish();
	return 0;
}

void
dp_flows_clear(void)
{
	struct dp_flow *f, *next;

	wf_list_for_each_safe (f, next, node, &dp_flows)
		flow_remove(f);
	next_priority = FIRST_PRIORITY;
	of_publish();
}

void
dp_flow_stats(const struct dp_flow *f, struct counter *c)
{
	memset(c, 0, sizeof *c);
	add_stats(c, &f->before);
	for (unsigned i = 0; i < f->n_rules; i++)
		add_stats(c, &f->rules[i].rule->counter);
}

bool
dp_flow_takes(uint32_t in_slot, const struct of_key *key)
{
	const struct tunnel_port *tp;
	uint32_t number = in_slot;

	if (wf_list_is_empty(&dp_flows) || key->recirc_id)
		return false;
	tp = view_get()->tunnels ? tunnel_port_by_slot(view_get()->tunnels, in_slot) : NULL;
	if (tp)
		number = view_get()->tunnels->endpoints[tp->endpoint].number;
	struct dp_flow *f;

	wf_list_for_each (f, node, &dp_flows) {
		const uint64_t *have = of_key_words_c(key), *want = of_key_words_c(&f->d.key);
		const uint64_t *mask = of_key_words_c(&f->d.mask);
		uint64_t differ = 0;

		if (f->d.in_port != number || !f->n_rules)
			continue;
		for (unsigned k = 0; k < OF_KEY_WORDS; k++)
			differ |= (have[k] ^ want[k]) & mask[k];
		if (!differ)
			return true;
	}
	return false;
}

/* --- When ports change ------------------------------------------------------------------------------------ */

static bool
is_as_it_was(const struct dp_flow *f, const struct dp_flow *now)
{
	if (f->n_rules != now->n_rules)
		return false;
	for (unsigned i = 0; i < f->n_rules; i++) {
		const struct rule_actions *a = f->rules[i].rule->actions;
		struct wf_buf list = WF_BUF_INIT;
		struct wf_str err = WF_STR_INIT;
		bool same;

		same = f->rules[i].bridge == now->rules[i].bridge &&
		       f->rules[i].in_port == now->rules[i].in_port &&
		       !actions_at(f, &now->rules[i], &list, &err) && list.size == a->size &&
		       !memcmp(list.data, a->data, list.size);
		wf_str_done(&err);
		wf_buf_done(&list);
		if (!same)
			return false;
	}
	return true;
}

void
dp_flows_sync(void)
{
	struct dp_flow *f, *next;
	bool changed = false;

	wf_list_for_each_safe (f, next, node, &dp_flows) {
		struct dp_flow now = *f;
		struct wf_str err = WF_STR_INIT;
		bool same;
		int rc;

		now.rules = NULL;
		now.n_rules = 0;
		rc = find_ports(&now, &err);
		same = !rc && is_as_it_was(f, &now);
		free(now.rules);
		if (!same) {
			changed = true;
			drop_rules(f);
			rc = prepare_rules(f, &err);
			if (!rc) {
				add_rules(f);
			} else {
				f->n_rules = 0;
				wf_info("%s: deleted, since its ports changed: %s", f->d.ufid,
					wf_str_cstr(&err));
				flow_remove(f);
			}
		}
		wf_str_done(&err);
	}
	if (changed)
		of_publish();
}

void
dp_flows_forget_bridge(struct bridge *b)
{
	struct dp_flow *f, *next;

	wf_list_for_each_safe (f, next, node, &dp_flows)
		for (unsigned i = 0; i < f->n_rules; i++)
			if (f->rules[i].bridge == b) {
				flow_remove(f);
				break;
			}
}
