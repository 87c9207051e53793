// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dns/world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const regions[] = { "eu", "us", "jp" };
static const char *const countries[] = { "DE", "FR", "US", "JP" };
static const char *const continents[] = { "EU", "NA", "AS" };
static const char *const steps[] = { "region-map", "nearest", "failover" };
static const char *const all_downs[] = { "all", "none", "fallback", "last-good" };

uint64_t
world_random(struct world *w, uint64_t n)
{
	/* splitmix64 */
	uint64_t x = w->rng += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (x ^ x >> 31) % n;
}

static bool
one_in(struct world *w, unsigned n)
{
	return !world_random(w, n);
}

#define ANY(W, ARRAY) (ARRAY)[world_random(W, sizeof(ARRAY) / sizeof(ARRAY)[0])]

/* --- the map of clients -------------------------------------------------------------------------- */

/* Few different bits in few places, so that prefixes nest and touch. */
static struct pol_addr
near_address(struct world *w, int family)
{
	uint64_t r = world_random(w, UINT64_MAX);

	/* One number, cut to pieces: compilers differ in the order in which they call. */
	if (family == 4)
		return (struct pol_addr){ (0x0a000000 | r % 3 << 16 | (r >> 8 & 7) << 13 | (r >> 16 & 3) << 10 |
					   (r >> 24 & 7) << 5 | (r >> 32 & 3)) << 32, 0, 4 };
	return (struct pol_addr){ 0x20010db800000000 | r % 3 << 28 | (r >> 8 & 3) << 18 | (r >> 16 & 3) << 10 |
					  (r >> 24 & 3) << 6 | (r >> 32 & 1),
				  (r >> 40 & 1) << 63 | (r >> 48) % 3, 6 };
}

static struct pol_prefix
make_prefix(struct world *w)
{
	static const uint8_t lens4[] = { 0, 8, 14, 16, 17, 19, 20, 22, 23, 24, 24, 25, 27, 30, 32 };
	static const uint8_t lens6[] = { 0, 32, 36, 40, 44, 46, 48, 48, 52, 56, 56, 60, 64, 65, 127, 128 };
	int family = one_in(w, 3) ? 6 : 4;
	struct pol_prefix p = { .addr = near_address(w, family) };

	p.len = family == 4 ? ANY(w, lens4) : ANY(w, lens6);
	p.addr.hi &= pol_mask_hi(p.len);
	p.addr.lo &= pol_mask_lo(p.len);
	return p;
}

static bool
same_prefix(const struct pol_prefix *a, const struct pol_prefix *b)
{
	return a->len == b->len && a->addr.family == b->addr.family && a->addr.hi == b->addr.hi && a->addr.lo == b->addr.lo;
}

static double
whole(struct world *w, int from, int to)
{
	return from + (int)world_random(w, to - from + 1);
}

void
world_make_map(struct world *w)
{
	unsigned n_lines = world_random(w, WORLD_LINES), n_rtts = world_random(w, WORLD_RTTS);

	w->n_lines = w->n_rtts = 0;
	while (w->n_lines < n_lines) {
		struct world_line *l = &w->lines[w->n_lines];
		bool twice = false;

		*l = (struct world_line){ .prefix = make_prefix(w) };
		for (unsigned i = 0; i < w->n_lines; i++)
			twice |= same_prefix(&w->lines[i].prefix, &l->prefix);
		if (twice)
			continue;
		l->region = one_in(w, 4) ? NULL : ANY(w, regions);
		l->country = one_in(w, 2) ? NULL : ANY(w, countries);
		l->continent = one_in(w, 2) ? NULL : ANY(w, continents);
		l->asn = one_in(w, 2) ? 0 : 64500 + world_random(w, 3);
		l->has_coords = !one_in(w, 3);
		l->lat = whole(w, -80, 80);
		l->lon = whole(w, -179, 179);
		w->n_lines++;
	}
	while (w->n_rtts < n_rtts) {
		struct world_rtt *r = &w->rtts[w->n_rtts];
		bool twice = false, any = false;

		r->prefix = make_prefix(w);
		for (unsigned i = 0; i < w->n_rtts; i++)
			twice |= same_prefix(&w->rtts[i].prefix, &r->prefix);
		for (unsigned i = 0; i < WORLD_POOLS; i++) {
			r->ms[i] = one_in(w, 2) ? -1 : (int)world_random(w, 300);
			any |= r->ms[i] >= 0;
		}
		w->n_rtts += !twice && any;
	}
	w->default_region = one_in(w, 2) ? NULL : ANY(w, regions);
}

struct pol_addr
world_client(struct world *w)
{
	int family = one_in(w, 3) ? 6 : 4;
	struct pol_addr a = near_address(w, family);

	switch (world_random(w, 4)) {
	case 0: /* one bit away, anywhere */
		if (family == 6 && one_in(w, 3))
			a.lo ^= 1ull << world_random(w, 64);
		else
			a.hi ^= 1ull << (family == 4 ? 32 + world_random(w, 32) : world_random(w, 64));
		break;
	case 1:
		a.hi ^= world_random(w, 1 << 16) << (family == 4 ? 32 : 0);
		break;
	case 2:
		if (one_in(w, 4)) {
			a.hi = world_random(w, UINT64_MAX);
			a.lo = family == 6 ? world_random(w, UINT64_MAX) : 0;
			if (family == 4)
				a.hi = a.hi >> 32 << 32;
		}
		break;
	}
	return a;
}

static void
put_prefix(struct wf_str *s, const struct pol_prefix *p)
{
	char text[POL_PREFIX_STRLEN];

	wf_str_put(s, pol_prefix_format(p, text));
}

void
world_put_map(const struct world *w, struct wf_str *s)
{
	for (unsigned i = 0; i < w->n_lines; i++) {
		const struct world_line *l = &w->lines[i];

		put_prefix(s, &l->prefix);
		wf_str_fmt(s, " %s", l->region ? l->region : "-");
		if (l->country)
			wf_str_fmt(s, " country=%s", l->country);
		if (l->continent)
			wf_str_fmt(s, " continent=%s", l->continent);
		if (l->asn)
			wf_str_fmt(s, " asn=%u", l->asn);
		if (l->has_coords)
			wf_str_fmt(s, " lat=%g lon=%g", l->lat, l->lon);
		wf_str_put(s, "\n");
	}
}

void
world_put_rtts(const struct world *w, struct wf_str *s)
{
	for (unsigned i = 0; i < w->n_rtts; i++) {
		put_prefix(s, &w->rtts[i].prefix);
		for (unsigned k = 0; k < WORLD_POOLS; k++)
			if (w->rtts[i].ms[k] >= 0)
				wf_str_fmt(s, " pool%u=%d", k, w->rtts[i].ms[k]);
		wf_str_put(s, "\n");
	}
}

/* --- policies ------------------------------------------------------------------------------------ */

static void
make_matches(struct world *w, struct world_policy *p)
{
	static const struct {
		enum pol_key key;
		const char *value;
	} kinds[] = {
		{ POL_KEY_REGION, "eu" },  { POL_KEY_REGION, "us" },	 { POL_KEY_ASN, "64501" }, { POL_KEY_COUNTRY, "DE" },
		{ POL_KEY_COUNTRY, "US" }, { POL_KEY_CONTINENT, "AS" }, { POL_KEY_DEFAULT, NULL },
	};

	for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0] && p->n_matches < 6; k++) {
		unsigned n = 0;

		if (one_in(w, 2))
			continue;
		p->matches[p->n_matches].key = kinds[k].key;
		p->matches[p->n_matches].value = kinds[k].value;
		/* Some of the candidates, from somewhere on. */
		for (unsigned i = 0, at = world_random(w, p->n_candidates); i < p->n_candidates; i++)
			if (!n || one_in(w, 3))
				p->matches[p->n_matches].pools[n++] = (at + i) % p->n_candidates;
		p->matches[p->n_matches++].n_pools = n;
	}
}

static void
make_policy(struct world *w, struct world_policy *p, unsigned kind)
{
	static const struct {
		uint8_t n_steps, steps[2];
		bool only_matched, tolerant, least_loaded, sticky;
	} kinds[WORLD_POLICIES] = {
		{ 1, { POL_NEAREST } },
		{ 1, { POL_NEAREST }, .tolerant = true },
		{ 2, { POL_REGION_MAP, POL_FAILOVER } },
		{ 2, { POL_REGION_MAP, POL_FAILOVER }, .only_matched = true },
		{ 2, { POL_REGION_MAP, POL_NEAREST } },
		{ 1, { POL_FAILOVER } },
		{ 0 },
		{ 0, .least_loaded = true },
		{ 1, { POL_NEAREST }, .tolerant = true, .least_loaded = true },
		{ 0, .sticky = true },
		{ 1, { POL_NEAREST }, .tolerant = true, .sticky = true },
		{ 1, { POL_REGION_MAP }, .sticky = true },
		{ 2, { POL_REGION_MAP, POL_NEAREST }, .only_matched = true, .tolerant = true, .least_loaded = true, .sticky = true },
		{ 1, { POL_REGION_MAP }, .least_loaded = true },
		{ 2, { POL_NEAREST, POL_FAILOVER }, .tolerant = true },
		{ 1, { POL_FAILOVER }, .sticky = true },
	};

	memset(p, 0, sizeof *p);
	p->n_candidates = 1 + world_random(w, WORLD_POOLS);
	for (unsigned i = 0, at = world_random(w, WORLD_POOLS); i < p->n_candidates; i++) {
		p->candidates[i] = (at + i) % WORLD_POOLS;
		p->weights[i] = one_in(w, 8) ? 0 : 1 + world_random(w, 200);
	}
	p->n_steps = kinds[kind].n_steps;
	for (unsigned i = 0; i < p->n_steps; i++)
		p->steps[i] = kinds[kind].steps[i];
	p->only_matched = kinds[kind].only_matched;
	p->tolerance_km = kinds[kind].tolerant ? world_random(w, 9000) : 0;
	p->least_loaded = kinds[kind].least_loaded;
	p->sticky = kinds[kind].sticky;
	p->sticky_len4 = world_random(w, 33);
	p->sticky_len6 = one_in(w, 2) ? 56 : world_random(w, 129);
	p->all_down = world_random(w, 4);
	p->fallback = world_random(w, WORLD_POOLS);
	if (p->n_steps && p->steps[0] == POL_REGION_MAP)
		make_matches(w, p);
}

void
world_make_policies(struct world *w)
{
	for (unsigned i = 0; i < WORLD_POOLS; i++) {
		struct world_pool *p = &w->pools[i];

		p->n_members = 1 + world_random(w, WORLD_MEMBERS);
		p->floor = one_in(w, 3) ? 1 + world_random(w, p->n_members) : 1;
		p->low = 20 + world_random(w, 60);
		p->high = p->low + 1 + world_random(w, 50);
		p->answer = one_in(w, 2) ? 1 : world_random(w, 4);
		p->has_coords = !one_in(w, 6);
		/* Clients are at whole degrees: no two pools are equally far from one by chance. */
		p->lat = whole(w, -80, 80) + 0.3;
		p->lon = whole(w, -179, 178) + 0.3;
		for (unsigned k = 0; k < p->n_members; k++) {
			p->members[k].weight = one_in(w, 8) ? 0 : 1 + world_random(w, 10);
			p->members[k].v6 = !one_in(w, 3);
		}
	}
	for (unsigned i = 0; i < WORLD_POLICIES; i++)
		make_policy(w, &w->policies[i], i);
}

static void
put_pool(const struct world *w, unsigned i, struct wf_str *s)
{
	const struct world_pool *p = &w->pools[i];

	wf_str_fmt(s, "%s{\"name\":\"pool%u\",\"floor\":%u,\"low-watermark\":%u,\"high-watermark\":%u,", i ? ",\n" : "", i, p->floor,
		   p->low, p->high);
	if (p->answer)
		wf_str_fmt(s, "\"answer\":%u,", p->answer);
	else
		wf_str_put(s, "\"answer\":\"all\",");
	if (p->has_coords)
		wf_str_fmt(s, "\"lat\":\"%.1f\",\"lon\":\"%.1f\",", p->lat, p->lon);
	wf_str_put(s, "\"member\":[");
	for (unsigned k = 0; k < p->n_members; k++) {
		wf_str_fmt(s, "%s{\"name\":\"m%u\",\"weight\":%u,\"address\":[\"203.0.113.%u\"", k ? "," : "", k, p->members[k].weight,
			   1 + world_bit(i, k));
		if (p->members[k].v6)
			wf_str_fmt(s, ",\"2001:db8:ffff::%x\"", 1 + world_bit(i, k));
		wf_str_put(s, "]}");
	}
	wf_str_put(s, "]}");
}

static void
put_match(const struct world_policy *p, unsigned i, struct wf_str *s)
{
	static const char *const keys[] = { "region", "asn", "city", "subdivision", "country", "continent" };

	wf_str_fmt(s, "%s{\"what\":\"", i ? "," : "");
	if (p->matches[i].key == POL_KEY_DEFAULT)
		wf_str_put(s, "default");
	else
		wf_str_fmt(s, "%s=%s", keys[p->matches[i].key], p->matches[i].value);
	wf_str_put(s, "\",\"pool\":[");
	for (unsigned k = 0; k < p->matches[i].n_pools; k++)
		wf_str_fmt(s, "%s\"pool%u\"", k ? "," : "", p->candidates[p->matches[i].pools[k]]);
	wf_str_put(s, "]}");
}

static void
put_policy(const struct world *w, unsigned i, struct wf_str *s)
{
	const struct world_policy *p = &w->policies[i];

	wf_str_fmt(s, "%s{\"name\":\"policy%u\",\"all-down\":\"%s\",\"fallback-pool\":\"pool%u\",\"candidate\":[", i ? ",\n" : "", i,
		   all_downs[p->all_down], p->fallback);
	for (unsigned k = 0; k < p->n_candidates; k++)
		wf_str_fmt(s, "%s{\"pool\":\"pool%u\",\"weight\":%u}", k ? "," : "", p->candidates[k], p->weights[k]);
	wf_str_put(s, "],\"order\":[");
	for (unsigned k = 0; k < p->n_steps; k++)
		wf_str_fmt(s, "%s\"%s\"", k ? "," : "", steps[p->steps[k]]);
	wf_str_fmt(s, "],\"share\":\"%s\"", p->least_loaded ? "least-loaded" : "weighted");
	if (p->tolerance_km)
		wf_str_fmt(s, ",\"tolerance-km\":%u", p->tolerance_km);
	if (p->only_matched)
		wf_str_put(s, ",\"only-matched\":true");
	if (p->sticky)
		wf_str_fmt(s, ",\"sticky\":{\"prefix-length-ipv4\":%u,\"prefix-length-ipv6\":%u}", p->sticky_len4, p->sticky_len6);
	if (p->n_matches) {
		wf_str_put(s, ",\"match\":[");
		for (unsigned k = 0; k < p->n_matches; k++)
			put_match(p, k, s);
		wf_str_put(s, "]");
	}
	wf_str_put(s, "}");
}

void
world_put_conf(const struct world *w, struct wf_str *s)
{
	wf_str_put(s, "\"location\":{\"map-file\":[\"map\"],\"rtt-file\":\"rtt\"");
	if (w->default_region)
		wf_str_fmt(s, ",\"default-region\":\"%s\"", w->default_region);
	wf_str_put(s, "},\n\"pool\":[");
	for (unsigned i = 0; i < WORLD_POOLS; i++)
		put_pool(w, i, s);
	/* An alias by a policy to names of two others. */
	wf_str_put(s, ",\n{\"name\":\"names\",\"member\":[{\"name\":\"a\",\"target\":\"p3.example.com\"},"
		      "{\"name\":\"b\",\"target\":\"p10.example.com\"}]}],\n\"policy\":[");
	for (unsigned i = 0; i < WORLD_POLICIES; i++)
		put_policy(w, i, s);
	wf_str_put(s, ",\n{\"name\":\"hop\",\"candidate\":[{\"pool\":\"names\"}],\"order\":[\"failover\"],"
		      "\"sticky\":{\"prefix-length-ipv4\":18,\"prefix-length-ipv6\":44}}]");
}

/* --- what it means ------------------------------------------------------------------------------- */

int
world_member_of(int family, const uint8_t *address)
{
	static const uint8_t v4[3] = { 203, 0, 113 }, v6[15] = { 0x20, 1, 0x0d, 0xb8, 0xff, 0xff };
	unsigned last = address[family == 4 ? 3 : 15];

	if (memcmp(address, family == 4 ? v4 : v6, family == 4 ? 3 : 15) || !last || last > WORLD_POOLS * WORLD_MEMBERS)
		return -1;
	return last - 1;
}

static const struct world_line *
line_of(const struct world *w, const struct pol_addr *client)
{
	const struct world_line *best = NULL;

	for (unsigned i = 0; i < w->n_lines; i++)
		if (w->lines[i].prefix.addr.family == client->family && pol_prefix_has(&w->lines[i].prefix, client) &&
		    (!best || w->lines[i].prefix.len > best->prefix.len))
			best = &w->lines[i];
	return best;
}

static const struct world_rtt *
rtt_of(const struct world *w, const struct pol_addr *client)
{
	const struct world_rtt *best = NULL;

	for (unsigned i = 0; i < w->n_rtts; i++)
		if (w->rtts[i].prefix.addr.family == client->family && pol_prefix_has(&w->rtts[i].prefix, client) &&
		    (!best || w->rtts[i].prefix.len > best->prefix.len))
			best = &w->rtts[i];
	return best;
}

/* By the cosines, another formula than the library's; a round-trip time is 66 km each millisecond. */
static double
cost_ms(const struct world *w, const struct world_line *l, const struct world_rtt *r, unsigned pool)
{
	const struct world_pool *p = &w->pools[pool];
	const double rad = M_PI / 180;
	double c;

	if (r && r->ms[pool] >= 0)
		return r->ms[pool];
	if (!l || !l->has_coords || !p->has_coords)
		return HUGE_VAL;
	c = sin(l->lat * rad) * sin(p->lat * rad) + cos(l->lat * rad) * cos(p->lat * rad) * cos((l->lon - p->lon) * rad);
	return 6371 * acos(c < -1 ? -1 : c > 1 ? 1 : c) / 66;
}

static bool
matches(const struct world *w, const struct world_policy *p, unsigned i, const struct world_line *l)
{
	const char *region = l && l->region ? l->region : w->default_region;
	const char *value = p->matches[i].value;
	char asn[16];

	switch (p->matches[i].key) {
	case POL_KEY_REGION:
		return region && !strcmp(region, value);
	case POL_KEY_ASN:
		snprintf(asn, sizeof asn, "%u", l ? l->asn : 0);
		return l && l->asn && !strcmp(asn, value);
	case POL_KEY_COUNTRY:
		return l && l->country && !strcmp(l->country, value);
	case POL_KEY_CONTINENT:
		return l && l->continent && !strcmp(l->continent, value);
	case POL_KEY_DEFAULT:
		return true;
	default:
		return false;
	}
}

/* The place of a candidate in the entry of the region map that counts, or -1. */
static int
place_in_match(const struct world_policy *p, int match, unsigned candidate)
{
	for (unsigned k = 0; match >= 0 && k < p->matches[match].n_pools; k++)
		if (p->matches[match].pools[k] == candidate)
			return k;
	return -1;
}

/* Tiers of candidates, best first: 'tier' of each, -1 if it is not used.  Returns how many tiers. */
static unsigned
order(const struct world *w, const struct world_policy *p, const struct pol_addr *client, int tier[WORLD_POOLS])
{
	const struct world_line *l = line_of(w, client);
	const struct world_rtt *r = rtt_of(w, client);
	unsigned n_tiers = 1;
	int match = -1;

	/* The finest kind that matches; the entries are in that order. */
	for (unsigned i = 0; i < p->n_matches && match < 0; i++)
		if (matches(w, p, i, l))
			match = i;
	memset(tier, 0, WORLD_POOLS * sizeof *tier);
	for (unsigned s = 0; s < p->n_steps; s++) {
		int next[WORLD_POOLS] = { 0 };
		unsigned n_next = 0;

		for (unsigned t = 0; t < n_tiers; t++) {
			bool done[WORLD_POOLS] = { false };

			for (;;) {
				double best = 0, keys[WORLD_POOLS];
				bool any = false;

				for (unsigned i = 0; i < p->n_candidates; i++) {
					int place = place_in_match(p, match, i);

					if (tier[i] != (int)t || done[i])
						continue;
					keys[i] = p->steps[s] == POL_REGION_MAP ? place < 0
						  : p->steps[s] == POL_NEAREST	? cost_ms(w, l, r, p->candidates[i])
						  : place >= 0			? place - WORLD_POOLS
										: (int)i;
					if (!any || keys[i] < best)
						best = keys[i];
					any = true;
				}
				if (!any)
					break;
				for (unsigned i = 0; i < p->n_candidates; i++) {
					double slack = p->steps[s] == POL_NEAREST ? p->tolerance_km / 66.0 : 0;

					if (tier[i] != (int)t || done[i] || (keys[i] != best && keys[i] > best + slack))
						continue;
					done[i] = true;
					next[i] = n_next;
				}
				n_next++;
			}
		}
		memcpy(tier, next, sizeof next);
		n_tiers = n_next;
	}
	for (unsigned i = 0; p->only_matched && i < p->n_candidates; i++)
		if (place_in_match(p, match, i) < 0)
			tier[i] = -1;
	return n_tiers;
}

enum state { BY_STATE, FORGET_LOAD, DRAINING, LAST_GOOD, EVERYBODY };

static unsigned
n_up(const struct pol_pool *pool, const struct pol *pol)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < pool->n_members; i++)
		n += pol_member_at(pol, pool->first_member + i)->up;
	return n;
}

/* What a member takes of the clients that are its own, as the state has it: 0, 256 (all), or between. */
static unsigned
takes(const struct world *w, const struct pol *pol, unsigned pool, unsigned member, enum state how, int64_t last_up_ms)
{
	const struct world_pool *wp = &w->pools[pool];
	const struct pol_pool *p = pol_pool_at(pol, pool);
	const struct pol_member *m = pol_member_at(pol, p->first_member + member);
	bool serves = m->up && n_up(p, pol) >= wp->floor;
	double load = m->load * 100;

	if (how == EVERYBODY)
		return 256;
	if (how == LAST_GOOD)
		return m->last_up_ms && m->last_up_ms >= last_up_ms - 60000 ? 256 : 0;
	if (!serves || (m->drain && how != DRAINING))
		return 0;
	if (how != BY_STATE || load <= wp->low)
		return 256;
	/* Between the watermarks gradually; near them rounding decides. */
	return load >= wp->high + 0.001 ? 0 : 1;
}

void
world_want(const struct world *w, const struct pol *pol, unsigned policy, const struct pol_addr *client,
	   struct world_want *ret)
{
	const struct world_policy *p = &w->policies[policy];
	int tier[WORLD_POOLS];
	unsigned n_tiers = order(w, p, client, tier);
	int64_t last_up_ms = 0;
	bool sure = false;

	memset(ret, 0, sizeof *ret);
	for (unsigned i = 0; i < p->n_candidates; i++)
		for (unsigned k = 0; tier[i] >= 0 && k < w->pools[p->candidates[i]].n_members; k++) {
			const struct pol_pool *pool = pol_pool_at(pol, p->candidates[i]);
			const struct pol_member *m = pol_member_at(pol, pool->first_member + k);

			if (p->weights[i] && m->weight && m->last_up_ms > last_up_ms)
				last_up_ms = m->last_up_ms;
		}
	for (enum state how = BY_STATE; how <= EVERYBODY && !sure; how++) {
		if (how == LAST_GOOD) {
			ret->all_down = true;
			if (p->all_down == POL_DOWN_NONE || p->all_down == POL_DOWN_FALLBACK)
				break;
			if (p->all_down != POL_DOWN_LAST_GOOD)
				continue;
		}
		for (unsigned t = 0; t < n_tiers && !sure; t++)
			for (unsigned i = 0; i < p->n_candidates; i++)
				for (unsigned k = 0; tier[i] == (int)t && k < w->pools[p->candidates[i]].n_members; k++) {
					unsigned pool = p->candidates[i], n;

					if (!p->weights[i] || !w->pools[pool].members[k].weight)
						continue;
					n = takes(w, pol, pool, k, how, last_up_ms);
					if (n)
						ret->may |= 1u << world_bit(pool, k);
					sure |= n == 256;
				}
	}
	if (ret->all_down && p->all_down == POL_DOWN_FALLBACK)
		for (unsigned pass = 0; pass < 2 && !ret->may; pass++)
			for (unsigned k = 0; k < w->pools[p->fallback].n_members; k++)
				if (w->pools[p->fallback].members[k].weight &&
				    (pass || pol_member_at(pol, pol_pool_at(pol, p->fallback)->first_member + k)->up))
					ret->may |= 1u << world_bit(p->fallback, k);
	for (unsigned i = 0; i < WORLD_POOLS; i++)
		for (unsigned k = 0; k < w->pools[i].n_members; k++)
			if (!w->pools[i].members[k].v6)
				ret->no_v6 |= ret->may & 1u << world_bit(i, k);
}

/* How many bits tell the client from those outside the prefix or, if it is outside, from those inside. */
static unsigned
bits_between(const struct pol_prefix *p, const struct pol_addr *client)
{
	uint64_t hi = p->addr.hi ^ client->hi, lo = p->addr.lo ^ client->lo;

	if (p->addr.family != client->family)
		return 0;
	if (pol_prefix_has(p, client))
		return p->len;
	return 1 + (hi ? __builtin_clzll(hi) : 64 + __builtin_clzll(lo));
}

void
world_scope(const struct world *w, unsigned policy, const struct pol_addr *client, unsigned *least, unsigned *most)
{
	const struct world_policy *p = &w->policies[policy];
	unsigned n = 0;

	*least = *most = !p->sticky ? 0 : client->family == 4 ? p->sticky_len4 : p->sticky_len6;
	for (unsigned i = 0; i < p->n_steps; i++)
		n += p->steps[i] != POL_FAILOVER;
	if (!n)
		return;
	for (unsigned i = 0; i < w->n_lines + w->n_rtts; i++) {
		n = bits_between(i < w->n_lines ? &w->lines[i].prefix : &w->rtts[i - w->n_lines].prefix, client);
		if (n > *most)
			*most = n;
	}
}
