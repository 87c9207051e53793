// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/select_internal.h"

static void
set_string(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

static json_t *
explain_location(const struct loc_info *info)
{
	json_t *o = json_object();

	set_string(o, "region", info->region);
	set_string(o, "continent", info->continent);
	set_string(o, "country", info->country);
	set_string(o, "subdivision", info->subdivision);
	set_string(o, "city", info->city);
	if (info->asn)
		json_object_set_new(o, "asn", json_integer(info->asn));
	if (info->has_coords) {
		json_object_set_new(o, "lat", json_real(info->lat));
		json_object_set_new(o, "lon", json_real(info->lon));
	}
	return o;
}

static json_t *
explain_source(const struct loc_match *match)
{
	json_t *list = json_array();
	char prefix[POL_PREFIX_STRLEN];

	for (int i = 0; i < 2; i++) {
		const struct loc_entry *e = i ? match->rtt : match->own;

		if (!e)
			continue;
		pol_prefix_format(&e->prefix, prefix);
		json_array_append_new(list,
				      e->line ? json_sprintf("%s:%u: %s", e->file, e->line, prefix)
					      : json_sprintf("%s: %s", e->file, prefix));
	}
	for (int i = 0; i < LOC_MAX_MMDB; i++)
		if (match->mmdb[i])
			json_array_append_new(list, json_string(match->mmdb[i]));
	if (!json_array_size(list))
		json_array_append_new(list, json_string("default"));
	return list;
}

/* Why a member may not have the draw, or has it.  'later': of a tier behind the one that has it. */
static const char *
verdict(const struct pol *pol, const struct pol_tier *t, uint32_t i, unsigned draw, int64_t chosen,
	bool later)
{
	const struct pol_member *m = &pol->members[t->members[i]];

	if (t->members[i] == chosen)
		return "chosen";
	if (!m->up)
		return "down";
	if (!pol_pool_is_up(pol, m->pool))
		return "its pool is below the floor";
	if (m->drain)
		return "drains";
	if (later)
		return "not needed, a tier before it has the draw";
	if (t->owner[draw] == i)
		return "sheds this draw: its load is above the low watermark, or it has just come "
		       "up";
	return "another one has the draw";
}

static json_t *
explain_member(const struct pol *pol, const struct pol_policy *p, const struct pol_tier *t,
	       uint32_t i, const struct pol_rank_note *notes, unsigned draw, int64_t chosen,
	       bool later)
{
	const struct pol_member *m = &pol->members[t->members[i]];
	json_t *o = json_object();

	set_string(o, "pool", pol->pools[m->pool].name);
	set_string(o, "member", m->name);
	json_object_set_new(o, "up", json_boolean(m->up));
	json_object_set_new(o, "drain", json_boolean(m->drain));
	if (m->load >= 0)
		json_object_set_new(o, "load", json_real(m->load));
	json_object_set_new(o, "weight", json_integer(m->weight));
	json_object_set_new(o, "share", json_real(t->n_owned[i] / (double)POL_DRAWS));
	for (unsigned c = 0; c < p->conf.n_candidates; c++) {
		if (p->conf.candidates[c].pool != m->pool)
			continue;
		if (notes[c].distance_km >= 0)
			json_object_set_new(o, "distance-km",
					    json_integer(lround(notes[c].distance_km)));
		if (notes[c].rtt_ms >= 0)
			json_object_set_new(o, "rtt-ms", json_real(notes[c].rtt_ms));
	}
	set_string(o, "verdict", verdict(pol, t, i, draw, chosen, later));
	return o;
}

static json_t *
explain_reason(const struct pol_policy *p, const struct pol_row *row, const struct pol_match *match,
	       int64_t chosen, enum pol_mode mode, unsigned draw)
{
	static const char *const steps[] = { "region map", "nearest", "failover order" };
	static const char *const keys[] = { "region=",	"asn=",	      "city=",	"subdivision=",
					    "country=", "continent=", "default" };
	struct wf_str s = WF_STR_INIT;
	uint32_t tier = 0;

	for (unsigned i = 0; i < p->conf.n_steps; i++)
		wf_str_fmt(&s, "%s%s", i ? ", then " : "", steps[p->conf.steps[i]]);
	if (match)
		wf_str_fmt(&s, " (%s%s)", keys[match->key], match->value ? match->value : "");
	if (p->conf.n_steps)
		wf_str_put(&s, "; ");
	if (chosen >= 0) {
		for (uint32_t t = 0; t < row->n_tiers; t++)
			for (uint32_t i = 0; i < row->tiers[t]->n_members; i++)
				if (row->tiers[t]->members[i] == chosen)
					tier = t;
		const struct pol_tier *t = row->tiers[tier];

		wf_str_fmt(&s, "tier %u of %u", tier + 1, row->n_tiers);
		if (tier)
			wf_str_put(&s, " as those before can't have it");
		if (t->n_members > 1)
			wf_str_fmt(&s, "; draw %u of 256 is %s", draw,
				   t->members[t->owner[draw]] == chosen
					   ? "its own"
					   : "another one's, who can't have it");
	} else {
		wf_str_put(&s, row->n_tiers ? "all is down" : "the region map has nothing for it");
	}
	switch (mode) {
	case POL_FORGET_LOAD:
		wf_str_put(&s, "; all are loaded, so load does not count");
		break;
	case POL_DRAINING:
		wf_str_put(&s, "; all others are down, so it is used though it drains");
		break;
	case POL_LAST_GOOD:
		wf_str_put(&s, "; all is down: the last good ones are kept");
		break;
	case POL_EVERYBODY:
		if (chosen < 0)
			break;
		wf_str_put(&s, "; all is down: answered as if all were up");
		break;
	case POL_BY_STATE:
		break;
	}
	if (chosen < 0)
		wf_str_put(&s, p->conf.all_down == POL_DOWN_FALLBACK
				       ? ": the fallback pool answers"
				       : row->n_tiers ? ": no answer, as the policy says" : ": no answer");
	json_t *text = json_string(wf_str_cstr(&s));

	wf_str_done(&s);
	return text;
}

json_t *
pol_explain(const struct pol *pol, const struct pol_policy *p, const struct pol_addr *client,
	    int draw_or_less)
{
	json_t *o = json_object(), *tiers = json_array(), *answer = json_array();
	struct pol_rank_note *notes = wf_xmalloc((p->conf.n_candidates + 1) * sizeof *notes);
	uint16_t *tier_of = wf_xmalloc((p->conf.n_candidates + 1) * sizeof *tier_of);
	uint32_t leaf = loc_find(pol->table, client), depth = 0;
	char text[POL_PREFIX_STRLEN];
	const struct pol_match *region_match;
	struct loc_match match;
	enum pol_mode mode;
	unsigned scope, n;

	loc_db_match(pol->location->db, client, &match);
	const struct loc_info *info = loc_db_info(pol->location->db, match.location);

	pol_order(pol, &p->conf, info, tier_of, notes, &region_match);

	unsigned draw = pol_draw(&p->hot, client, draw_or_less < 0 ? 0 : draw_or_less);
	unsigned set = pol_choose(&p->hot, leaf, client, draw, &scope);
	const struct pol_row *row =
		&p->rows[p->hot.uses_location ? p->hot.row_of_class[pol_leaf_class(leaf)] : 0];
	int64_t chosen = pol_row_pick(p, row, draw, &mode, &depth);

	set_string(o, "policy", p->conf.name);
	set_string(o, "client", pol_addr_format(client, text));
	set_string(o, "prefix", pol_prefix_format(&match.prefix, text));
	json_object_set_new(o, "source", explain_source(&match));
	json_object_set_new(o, "location", explain_location(info));
	json_object_set_new(o, "class", json_integer(pol_leaf_class(leaf)));
	json_object_set_new(o, "scope", json_integer(scope));
	json_object_set_new(o, "draw", json_integer(draw));
	json_object_set_new(o, "sticky", json_boolean(p->conf.sticky));
	for (uint32_t i = 0, found = 0; i < row->n_tiers; i++) {
		const struct pol_tier *t = row->tiers[i];
		json_t *members = json_array();
		bool here = false;

		for (uint32_t j = 0; j < t->n_members; j++) {
			json_array_append_new(
				members, explain_member(pol, p, t, j, notes, draw, chosen, found));
			here |= t->members[j] == chosen;
		}
		found |= here;
		json_array_append_new(tiers, members);
	}
	json_object_set_new(o, "tiers", tiers);
	const uint32_t *members = pol_set_members(p, set, &n);

	for (unsigned i = 0; i < n; i++) {
		const struct pol_member *m = &pol->members[members[i]];

		json_array_append_new(answer,
				      json_sprintf("%s/%s", pol->pools[m->pool].name, m->name));
	}
	json_object_set_new(o, "answer", answer);
	json_object_set_new(o, "answer-set", json_integer(set));
	json_object_set_new(o, "generation", json_integer(p->hot.view->generation));
	json_object_set_new(o, "reason", explain_reason(p, row, region_match, chosen, mode, draw));
	free(notes);
	free(tier_of);
	return o;
}

static void
put_list(struct wf_str *s, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		wf_str_fmt(s, "%s%s", i ? ", " : "", json_string_value(item));
	wf_str_putc(s, '\n');
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

char *
pol_explain_text(const json_t *o)
{
	struct wf_str s = WF_STR_INIT;
	const json_t *tier, *m, *v;
	const char *key;
	size_t i, j;

	wf_str_fmt(&s, "client    %s in %s, scope /%d\n", text_of(o, "client"),
		   text_of(o, "prefix"), (int)json_integer_value(json_object_get(o, "scope")));
	wf_str_put(&s, "source    ");
	put_list(&s, json_object_get(o, "source"));
	wf_str_put(&s, "location ");
	json_object_foreach((json_t *)json_object_get(o, "location"), key, v)
	{
		if (json_is_string(v))
			wf_str_fmt(&s, " %s=%s", key, json_string_value(v));
		else if (json_is_integer(v))
			wf_str_fmt(&s, " %s=%lld", key, (long long)json_integer_value(v));
		else
			wf_str_fmt(&s, " %s=%.4f", key, json_real_value(v));
	}
	wf_str_fmt(&s, "\npolicy    %s, draw %d%s, class %d\n", text_of(o, "policy"),
		   (int)json_integer_value(json_object_get(o, "draw")),
		   json_is_true(json_object_get(o, "sticky")) ? " (sticky)" : "",
		   (int)json_integer_value(json_object_get(o, "class")));
	json_array_foreach(json_object_get(o, "tiers"), i, tier) json_array_foreach(tier, j, m)
	{
		wf_str_fmt(&s, "tier %-4zu %s/%s: %s%s", i + 1, text_of(m, "pool"),
			   text_of(m, "member"),
			   json_is_true(json_object_get(m, "up")) ? "up" : "down",
			   json_is_true(json_object_get(m, "drain")) ? ", drains" : "");
		if ((v = json_object_get(m, "load")))
			wf_str_fmt(&s, ", load %.0f %%", json_real_value(v) * 100);
		if ((v = json_object_get(m, "distance-km")))
			wf_str_fmt(&s, ", %lld km", (long long)json_integer_value(v));
		if ((v = json_object_get(m, "rtt-ms")))
			wf_str_fmt(&s, ", %.1f ms", json_real_value(v));
		wf_str_fmt(&s, ", share %.1f %%: %s\n",
			   json_real_value(json_object_get(m, "share")) * 100,
			   text_of(m, "verdict"));
	}
	wf_str_put(&s, "answer    ");
	put_list(&s, json_object_get(o, "answer"));
	wf_str_fmt(&s, "because   %s\n", text_of(o, "reason"));
	return wf_str_steal(&s);
}
