/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: dpctl/dump-flows and dpif/dump-flows.
 *
 * What the flow caches hold are exact keys under one mask (docs/architecture.md), which would tell an
 * operator little.  So each entry is walked again for the packet that made it, as ofproto/trace
 * does: the row has the fields that this walk looks at and what it comes to now, NORMAL and groups
 * included, and entries that come to the same row are shown as one, their counts added.  Flows that a
 * user added (dp_flow.h) are rows of their own, in which the packets that they took are counted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/unixctl.h"
#include "dataplane/key_odp_text.h"
#include "dataplane/plan_text.h"
#include "dataplane/worker.h"
#include "openflow/tlv_map.h"
#include "switchd/dp_flow.h"
#include "switchd/switchd.h"

struct row {
	struct wf_hmap_node node;
	struct row *next;
	struct of_key masked, key, mask;
	uint32_t in_slot;
	int core;
	uint64_t packets, bytes;
	int64_t used_ms;
	char *actions;
	const struct dp_flow *user; /* what the row is, or NULL */
};

struct dump {
	struct wf_hmap rows;
	struct row *first;      /* the entry made last comes first */
	bool names, more;
	const struct bridge *only; /* of dpif/dump-flows; NULL: dpctl's, of all */
	const char *ufid;          /* only this row; NULL: all */
	struct of_key wanted, wanted_mask; /* filter=: only rows with these values */
};

/* Ports of a filter are the datapath's, as in the rows. */
static of_port_t
slot_of_name(void *aux, const char *name)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		i = sw_iface_find(b, name);
		if (i && i->tunnel)
			return sw_tunnel_number(i);
		if (i && i->port)
			return i->slot;
	}
	return OF_PORT_NONE;
}

/* What a row does not look at may be anything, as in Open vSwitch. */
static bool
is_wanted(const struct dump *d, const struct row *r)
{
	const uint64_t *mask = of_key_words_c(&d->wanted_mask), *want = of_key_words_c(&d->wanted);
	struct of_key key = r->masked, seen = r->mask;
	uint64_t differ = 0;

	const struct sw_iface *i = sw_iface_by_slot(r->in_slot);

	key.in_port = i && i->tunnel ? sw_tunnel_number(i) : r->in_slot;
	seen.in_port = UINT32_MAX;
	for (unsigned k = 0; k < OF_KEY_WORDS; k++)
		differ |= (of_key_words_c(&key)[k] ^ want[k]) & mask[k] & of_key_words_c(&seen)[k];
	return !differ;
}

static struct row *
find_row(struct dump *d, const struct row *like, uint32_t hash)
{
	struct row *r;

	wf_hmap_for_each_with_hash(r, node, hash, &d->rows)
	{
		if (r->in_slot == like->in_slot && r->core == like->core &&
		    !memcmp(&r->masked, &like->masked, sizeof r->masked) &&
		    !memcmp(&r->mask, &like->mask, sizeof r->mask) &&
		    !strcmp(r->actions, like->actions))
			return r;
	}
	return NULL;
}

static void
add_entry(const struct flow_dump_row *e, void *d_)
{
	struct dump *d = d_;
	struct sw_iface *i = sw_iface_by_slot(e->in_slot);
	struct wf_str actions = WF_STR_INIT;
	static struct row like;
	struct row *r;
	uint32_t hash;

	if (d->only && (!i || i->bridge->dp != d->only))
		return;
	if (dp_flow_takes(e->in_slot, &e->key))
		return;
	if (e->key.recirc_id) {
		/* How NORMAL enters another bridge is told by the row that led there. */
		struct frozen *f = frozen_find(e->key.recirc_id);
		bool hidden = f && frozen_is_bridge_entry(f);

		frozen_unref(f);
		if (hidden)
			return;
	}
	like.key = e->key;
	like.in_slot = e->in_slot;
	like.core = e->core;
	flow_text_actions(view_get(), e->in_slot, &e->key, d->names, &like.mask, &actions);
	if (!e->is_sample)
		for (unsigned k = 0; k < OF_KEY_WORDS; k++)
			of_key_words(&like.mask)[k] &= of_key_words_c(&e->mask)[k];
	for (unsigned k = 0; k < OF_KEY_WORDS; k++)
		of_key_words(&like.masked)[k] =
			of_key_words_c(&like.key)[k] & of_key_words(&like.mask)[k];
	like.masked.recirc_id = e->key.recirc_id;
	like.actions = (char *)wf_str_cstr(&actions);
	hash = wf_hash_bytes(&like.masked, sizeof like.masked, e->in_slot);
	r = find_row(d, &like, hash);
	if (!r) {
		r = wf_xmemdup(&like, sizeof like);
		r->actions = wf_str_steal(&actions);
		r->packets = r->bytes = 0;
		r->used_ms = 0;
		r->next = d->first;
		d->first = r;
		wf_hmap_insert(&d->rows, &r->node, hash);
	} else {
		wf_str_done(&actions);
	}
	r->packets += e->packets;
	r->bytes += e->bytes;
	if (e->used_ms > r->used_ms)
		r->used_ms = e->used_ms;
}

static void
add_user_flows(struct dump *d)
{
	struct dp_flow *f;

	if (!wf_list_is_empty(&dp_flows))
		workers_fold_stats();
	wf_list_for_each (f, node, &dp_flows) {
		struct row *r = wf_xzalloc(sizeof *r);
		struct counter c;

		dp_flow_stats(f, &c);
		r->key = f->d.key;
		r->mask = f->d.mask;
		for (unsigned k = 0; k < OF_KEY_WORDS; k++)
			of_key_words(&r->masked)[k] = of_key_words(&r->key)[k] & of_key_words(&r->mask)[k];
		r->in_slot = f->d.in_port;
		r->core = -1;
		r->packets = c.packets;
		r->bytes = c.bytes;
		r->used_ms = c.used_ms;
		r->actions = wf_xstrdup(f->actions);
		r->user = f;
		r->next = d->first;
		d->first = r;
		wf_hmap_insert(&d->rows, &r->node, 0);
	}
}

/* Stable as long as the row is: a hash of what makes it this row. */
static void
ufid_of(const struct row *r, char text[48])
{
	uint64_t h = wf_hash_bytes(&r->masked, sizeof r->masked, 0);
	uint64_t l;

	if (r->user) {
		snprintf(text, 48, "%s", r->user->d.ufid);
		return;
	}
	l = wf_hash_bytes(&r->mask, sizeof r->mask, (uint32_t)h);

	snprintf(text, 48, "ufid:%08" PRIx64 "-%04x-%04x-%04x-%04x%08" PRIx64, h & UINT32_MAX,
		 (unsigned)(l >> 16) & 0xffff, (unsigned)l & 0xffff, r->in_slot & 0xffff,
		 r->core & 0xffff, (h ^ l) & UINT32_MAX);
}

static const struct of_tlv_map *
tlv_map_of(const struct sw_iface *i)
{
	const struct view *v = view_get();
	const struct bridge *b = i ? i->bridge->dp : NULL;

	return b && b->index < v->n_bridges && v->bridges[b->index] ? v->bridges[b->index]->tlv_map : NULL;
}

static void
print_row(const struct dump *d, const struct row *r, struct wf_str *s)
{
	struct sw_iface *i = sw_iface_by_slot(r->in_slot);
	char port[80];

	if (d->names && i)
		snprintf(port, sizeof port, "%s", i->name);
	else
		snprintf(port, sizeof port, "%u", i && i->tunnel ? sw_tunnel_number(i) : r->in_slot);
	if (d->more) {
		char ufid[48];

		ufid_of(r, ufid);
		wf_str_fmt(s, d->only ? "%s " : "%s, ", ufid);
	}
	if (r->user) {
		of_dp_flow_format(&r->user->d, port, false, s);
	} else {
		const struct of_tlv_map *before = of_tlv_map_enter(tlv_map_of(i));

		key_odp_text(&r->key, &r->mask, port, d->more, s);
		of_tlv_map_enter(before);
	}
	wf_str_fmt(s, ", packets:%" PRIu64 ", bytes:%" PRIu64 ", used:", r->packets, r->bytes);
	if (r->used_ms) {
		int64_t ms = wf_now_ms() - r->used_ms;

		wf_str_fmt(s, "%" PRId64 ".%03" PRId64 "s", ms / 1000, ms % 1000);
	} else {
		wf_str_put(s, "never");
	}
	if (d->more && !d->only)
		wf_str_put(s, ", dp:ovs");
	wf_str_fmt(s, ", actions:%s\n", r->actions);
}

/* Prints and frees all rows, by worker. */
static void
print_rows(struct dump *d, bool heads, struct wf_str *s)
{
	bool head = false;
	int core = -2;

	workers_dump_flows(add_entry, d);
	if (!d->only)
		add_user_flows(d);
	while (d->first) {
		struct row **at = &d->first, *r;

		/* Those of one worker together, a head before them. */
		while (*at && (*at)->core != core)
			at = &(*at)->next;
		if (!*at) {
			core = d->first->core;
			at = &d->first;
			/* Sleeping workers do what OVS's main thread does for ports that are not
			 * polled. */
			head = heads;
		}
		r = *at;
		*at = r->next;
		if (head && is_wanted(d, r)) {
			if (core < 0)
				wf_str_put(s, "flow-dump from the main thread:\n");
			else
				wf_str_fmt(s, "flow-dump from pmd on cpu core: %d\n", core);
			head = false;
		}
		if (d->ufid) {
			char ufid[48];

			ufid_of(r, ufid);
			if (!strcmp(ufid, d->ufid))
				print_row(d, r, s);
		} else if (is_wanted(d, r)) {
			print_row(d, r, s);
		}
		free(r->actions);
		free(r);
	}
	wf_hmap_done(&d->rows);
}

/* "type=LIST": where flows may be; all of ours are in the datapath itself ("ovs"). */
static bool
parse_types(const char *list, bool *ours)
{
	static const char *const types[] = { "ovs", "tc", "dpdk", "offloaded", "non-offloaded",
					     "partially-offloaded" };

	*ours = false;
	while (*list) {
		size_t n = strcspn(list, ","), k = 0;

		while (k < sizeof types / sizeof types[0] &&
		       (strlen(types[k]) != n || strncmp(types[k], list, n)))
			k++;
		if (k == sizeof types / sizeof types[0] && strcmp(list, "all"))
			return false;
		*ours |= k == 0 || k == 4 || k == sizeof types / sizeof types[0];
		list += n + (list[n] == ',');
	}
	return true;
}

/* Returns what is wrong, or NULL.  The caller frees it. */
static char *
parse_dump(struct dump *d, int argc, const char *argv[], bool *ours)
{
	char *error, *text;

	*ours = true;
	for (int k = 1; k < argc; k++)
		if (!strcmp(argv[k], "-m") || !strcmp(argv[k], "--more")) {
			d->more = true;
		} else if (!strcmp(argv[k], "--names")) {
			d->names = true;
		} else if (!strncmp(argv[k], "type=", 5)) {
			if (!parse_types(argv[k] + 5, ours))
				return wf_xasprintf("%s: Failed to parse type (%s) (Invalid argument)",
						    wf_program_name, argv[k] + 5);
		} else if (!strncmp(argv[k], "filter=", 7)) {
			error = of_key_parse(&d->wanted, &d->wanted_mask, argv[k] + 7, slot_of_name,
					     NULL);
			if (error) {
				text = wf_xasprintf("%s: Failed to parse filter (%s)", wf_program_name, error);
				free(error);
				return text;
			}
		} else if (argv[k][0] != '-' && strncmp(argv[k], "pmd=", 4) &&
			   !sw_is_datapath(argv[k])) {
			return wf_xasprintf("%s: datapath not found (Invalid argument)", wf_program_name);
		}
	return NULL;
}

static void
on_dpctl_dump_flows(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct dump d = { .first = NULL };
	struct wf_str s = WF_STR_INIT;

	char *error;
	bool ours;

	error = parse_dump(&d, argc, argv, &ours);
	if (error) {
		unixctl_reply_error(conn, error);
		free(error);
		return;
	}
	if (!ours) {
		unixctl_reply(conn, NULL);
		return;
	}
	wf_hmap_init(&d.rows);
	print_rows(&d, true, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_get_flow(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct dump d = { .ufid = argv[argc - 1] };
	struct wf_str s = WF_STR_INIT;

	for (int k = 1; k < argc; k++)
		d.names |= !strcmp(argv[k], "--names");
	if (strncmp(d.ufid, "ufid:", 5)) {
		unixctl_reply_error(conn, "failed to parse ufid");
		return;
	}
	wf_hmap_init(&d.rows);
	print_rows(&d, false, &s);
	if (s.len)
		unixctl_reply(conn, wf_str_cstr(&s));
	else
		unixctl_reply_error(conn, "getting flow (No such file or directory)");
	wf_str_done(&s);
}

static void
on_dpif_dump_flows(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = sw_bridge_find(argv[argc - 1]);
	struct dump d = { .first = NULL };
	bool no_names = false;
	struct wf_str s = WF_STR_INIT;

	if (!b) {
		unixctl_reply_error(conn, "no such bridge");
		return;
	}
	for (int k = 1; k + 1 < argc; k++)
		if (!strcmp(argv[k], "--names"))
			d.names = true;
		else if (!strcmp(argv[k], "--no-names"))
			no_names = true;
		else if (!strcmp(argv[k], "-m"))
			d.more = true;
	d.names = (d.names || d.more) && !no_names;
	d.only = b->dp;
	wf_hmap_init(&d.rows);
	print_rows(&d, false, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
sw_appctl_flows_init(void)
{
	unixctl_command("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 99,
			on_dpif_dump_flows, NULL);
	unixctl_command("dpctl/get-flow", "[--names] [dp] ufid", 1, 3, on_get_flow, NULL);
	unixctl_command("dpctl/dump-flows",
			"[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 99,
			on_dpctl_dump_flows, NULL);
}
