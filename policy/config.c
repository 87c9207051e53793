// SPDX-License-Identifier: Apache-2.0
/* Checked JSON (yang/weft-policy.yang) -> struct pol. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/yang_config.h"
#include "policy/select_internal.h"

static const char *
keep(struct pol *pol, const char *text)
{
	if (!text)
		return NULL;
	if (!(pol->n_strings & (pol->n_strings - 1)))
		pol->strings = wf_xrealloc(pol->strings, (pol->n_strings ? pol->n_strings * 2 : 1) *
								 sizeof(char *));
	return pol->strings[pol->n_strings++] = wf_xstrdup(text);
}

/* The same on all nodes and in all runs, so not base/hash.h: FNV-1a, then mixed. */
static uint64_t
name_hash(const char *a, const char *b)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (const char *p = a; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	h = (h ^ '/') * 0x100000001b3ull;
	for (const char *p = b; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	return pol_mix64(h);
}

/* ---- Location ---- */

static char *
path_below(const char *folder, const char *path)
{
	return folder && path[0] != '/' ? wf_xasprintf("%s/%s", folder, path) : wf_xstrdup(path);
}

struct files {
	char **paths;
	unsigned n;
};

static void
files_add(struct files *f, const char *folder, const char *path)
{
	f->paths = wf_xrealloc(f->paths, (f->n + 1) * sizeof(char *));
	f->paths[f->n++] = path_below(folder, path);
}

/* Before the files are read, so that a change meanwhile is seen as one. */
static void
remember_files(struct pol_location *l, const struct files *files)
{
	l->files = wf_xzalloc((files->n + 1) * sizeof *l->files);
	l->n_files = files->n;
	for (unsigned i = 0; i < files->n; i++) {
		struct stat st;

		l->files[i].path = wf_xstrdup(files->paths[i]);
		if (stat(files->paths[i], &st))
			continue;
		l->files[i].mtime = st.st_mtim;
		l->files[i].size = st.st_size;
		l->files[i].inode = st.st_ino;
	}
}

static int
location_entries(const json_t *conf, struct loc_entry **entries, unsigned *n, struct wf_err *err)
{
	const json_t *list = json_object_get(conf, "prefix"), *item;
	size_t i;

	*entries = wf_xzalloc((json_array_size(list) + 1) * sizeof **entries);
	*n = 0;
	json_array_foreach(list, i, item)
	{
		struct loc_entry *e = &(*entries)[(*n)++];
		const char *text = wf_json_str(item, "prefix", "");
		struct wf_err why;

		/* libyang has cleared bits past the length already. */
		if (pol_prefix_parse(text, &e->prefix, &why))
			return wf_err(err, -EINVAL, "location/prefix[prefix='%s']: %s", text,
				      why.text);
		e->file = "location/prefix";
		e->info.region = wf_json_str(item, "region", NULL);
		e->info.continent = wf_json_str(item, "continent", NULL);
		e->info.country = wf_json_str(item, "country", NULL);
		e->info.subdivision = wf_json_str(item, "subdivision", NULL);
		e->info.city = wf_json_str(item, "city", NULL);
		e->info.asn = wf_json_u64(item, "asn", 0);
		e->info.has_coords = wf_json_has(item, "lat");
		e->info.lat = wf_json_dec(item, "lat", 0);
		e->info.lon = wf_json_dec(item, "lon", 0);
	}
	return 0;
}

static int
location_load(struct pol_location *l, const json_t *conf, const char *folder, struct wf_err *err)
{
	struct files files = { NULL, 0 };
	struct loc_conf lc = { .default_region = wf_json_str(conf, "default-region", NULL) };
	struct loc_entry *entries = NULL;
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(conf, "map-file"), i, item)
		files_add(&files, folder, json_string_value(item));
	lc.n_map_files = files.n;
	json_array_foreach(json_object_get(conf, "maxmind"), i, item)
		files_add(&files, folder, json_string_value(item));
	lc.n_mmdb_files = files.n - lc.n_map_files;
	if (wf_json_has(conf, "rtt-file"))
		files_add(&files, folder, wf_json_str(conf, "rtt-file", ""));
	remember_files(l, &files);
	lc.map_files = (const char *const *)files.paths;
	lc.mmdb_files = (const char *const *)files.paths + lc.n_map_files;
	if (wf_json_has(conf, "rtt-file"))
		lc.rtt_file = files.paths[files.n - 1];

	int rc = location_entries(conf, &entries, &lc.n_entries, err);
	if (!rc) {
		lc.entries = entries;
		l->db = loc_db_load(&lc, err);
		rc = l->db ? 0 : -EINVAL;
	}
	free(entries);
	for (unsigned j = 0; j < files.n; j++)
		free(files.paths[j]);
	free(files.paths);
	return rc;
}

static int
read_location(struct pol *pol, const json_t *conf, const char *folder, const struct pol *old,
	      struct wf_err *err)
{
	char *text = conf ? json_dumps(conf, JSON_SORT_KEYS | JSON_COMPACT) : wf_xstrdup("");
	char *key = wf_xasprintf("%s %s", folder ? folder : "", text);

	free(text);
	if (old && !strcmp(old->location->key, key) && !pol_files_changed(old)) {
		free(key);
		pol->location = old->location;
		pol->location->n_refs++;
		return 0;
	}
	pol->location = wf_xzalloc(sizeof *pol->location);
	pol->location->n_refs = 1;
	pol->location->key = key;
	return location_load(pol->location, conf, folder, err);
}

/* ---- Pools ---- */

static void
member_inherit(struct pol *pol, struct pol_member *m, const struct pol *old)
{
	const struct pol_member *before =
		old ? pol_member_find(old, pol->pools[m->pool].name, m->name) : NULL;

	m->up = true;
	m->load = -1;
	m->slow_start = 1;
	if (before) {
		m->up = before->up;
		m->load = before->load;
		m->slow_start = before->slow_start;
		m->last_up_ms = before->last_up_ms;
	}
	pol->pools[m->pool].n_up += m->up;
}

static int
read_member(struct pol *pol, struct pol_member *m, uint32_t pool, const json_t *conf,
	    const struct pol *old, struct wf_err *err)
{
	const json_t *list = json_object_get(conf, "address"), *item;
	size_t i;

	m->pool = pool;
	m->name = keep(pol, wf_json_str(conf, "name", ""));
	m->target = keep(pol, wf_json_str(conf, "target", NULL));
	m->weight = wf_json_u64(conf, "weight", 1);
	m->drain = wf_json_bool(conf, "drain", false);
	m->hash = name_hash(pol->pools[pool].name, m->name);
	m->addrs = wf_xmalloc((json_array_size(list) + 1) * sizeof *m->addrs);
	json_array_foreach(list, i, item) if (
		!pol_addr_parse(
			json_string_value(item),
			&m->addrs[m->n_addrs++])) return wf_err(err, -EINVAL,
								"pool[name='%s']/member[name='%s']/"
								"address: \"%s\" is no IP address",
								pol->pools[pool].name, m->name,
								json_string_value(item));
	member_inherit(pol, m, old);
	return 0;
}

static int
read_pools(struct pol *pol, const json_t *list, const struct pol *old, struct wf_err *err)
{
	const json_t *item, *member;
	size_t i, j, n_members = 0;

	json_array_foreach(list, i, item) n_members +=
		json_array_size(json_object_get(item, "member"));
	pol->pools = wf_xzalloc((json_array_size(list) + 1) * sizeof *pol->pools);
	pol->members = wf_xzalloc((n_members + 1) * sizeof *pol->members);
	json_array_foreach(list, i, item)
	{
		struct pol_pool *pool = &pol->pools[pol->n_pools++];
		const json_t *answer = json_object_get(item, "answer"),
			     *members = json_object_get(item, "member");

		pool->name = keep(pol, wf_json_str(item, "name", ""));
		pool->has_coords = wf_json_has(item, "lat") && wf_json_has(item, "lon");
		pool->lat = wf_json_dec(item, "lat", 0);
		pool->lon = wf_json_dec(item, "lon", 0);
		pool->floor = wf_json_u64(item, "floor", 1);
		pool->low = wf_json_u64(item, "low-watermark", 80) / 100.0f;
		pool->high = wf_json_u64(item, "high-watermark", 95) / 100.0f;
		pool->answer = json_is_string(answer) ? 0 : answer ? json_integer_value(answer) : 1;
		pool->first_member = pol->n_members;
		pool->n_members = json_array_size(members);
		if (pool->floor > pool->n_members)
			return wf_err(err, -EINVAL,
				      "pool[name='%s']/floor: %u is more than its %u members, so "
				      "it would never "
				      "be up; lower it",
				      pool->name, pool->floor, pool->n_members);
		json_array_foreach(members, j, member)
		{
			int rc = read_member(pol, &pol->members[pol->n_members++], pol->n_pools - 1,
					     member, old, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/* ---- Policies ---- */

/* libyang has checked that references point at something; the index is found by a hash. */
struct pool_names {
	struct wf_hmap map;
	struct named {
		struct wf_hmap_node node;
		const char *name;
		uint32_t index;
	} * named;
};

static void
pool_names_init(struct pool_names *names, const struct pol *pol)
{
	wf_hmap_init(&names->map);
	names->named = wf_xmalloc((pol->n_pools + 1) * sizeof *names->named);
	for (unsigned i = 0; i < pol->n_pools; i++) {
		names->named[i].name = pol->pools[i].name;
		names->named[i].index = i;
		wf_hmap_insert(&names->map, &names->named[i].node,
			       wf_hash_str(pol->pools[i].name, 0));
	}
}

static int64_t
pool_index(const struct pool_names *names, const char *name)
{
	struct named *n;

	wf_hmap_for_each_with_hash (n, node, wf_hash_str(name, 0), &names->map)
		if (!strcmp(n->name, name))
			return n->index;
	return -1;
}

static int
read_match(struct pol *pol, struct pol_policy_conf *p, const json_t *conf,
	   const struct pool_names *names, struct wf_err *err)
{
	static const char *const keys[] = { "region=",	"asn=",	      "city=",	"subdivision=",
					    "country=", "continent=", "default" };
	struct pol_match *m = &p->matches[p->n_matches++];
	const char *what = wf_json_str(conf, "what", "");
	const json_t *list = json_object_get(conf, "pool"), *item;
	size_t i;

	for (unsigned k = 0; k < sizeof keys / sizeof keys[0]; k++)
		if (!strncmp(what, keys[k], strlen(keys[k]))) {
			m->key = k;
			m->value = k == POL_KEY_DEFAULT ? NULL : keep(pol, what + strlen(keys[k]));
		}
	m->pools = wf_xmalloc((json_array_size(list) + 1) * sizeof *m->pools);
	json_array_foreach(list, i, item)
	{
		int64_t index = pool_index(names, json_string_value(item));
		unsigned c = 0;

		while (c < p->n_candidates && p->candidates[c].pool != index)
			c++;
		if (c == p->n_candidates)
			return wf_err(
				err, -EINVAL,
				"policy[name='%s']/match[what='%s']/pool: \"%s\" is not among its "
				"candidates; add it there",
				p->name, what, json_string_value(item));
		m->pools[m->n_pools++] = c;
	}
	return 0;
}

static int
read_policy(struct pol *pol, struct pol_policy_conf *p, const json_t *conf,
	    const struct pool_names *names, struct wf_err *err)
{
	const json_t *list = json_object_get(conf, "candidate"),
		     *sticky = json_object_get(conf, "sticky"), *item;
	const char *text;
	size_t i;

	p->name = keep(pol, wf_json_str(conf, "name", ""));
	p->candidates =
		wf_xmalloc((json_array_size(list) + pol->n_pools + 1) * sizeof *p->candidates);
	json_array_foreach(list, i, item) p->candidates[p->n_candidates++] =
		(struct pol_candidate){ pool_index(names, wf_json_str(item, "pool", "")),
					wf_json_u64(item, "weight", 100) };
	for (unsigned k = 0; k < pol->n_pools && !json_array_size(list); k++)
		p->candidates[p->n_candidates++] = (struct pol_candidate){ k, 100 };
	if (!p->n_candidates || p->n_candidates > 1000)
		return wf_err(
			err, -EINVAL,
			"policy[name='%s']: %u candidates; it needs 1 to 1000 pools to choose from",
			p->name, p->n_candidates);
	json_array_foreach(json_object_get(conf, "order"), i, item)
	{
		const char *step = json_string_value(item);

		p->steps[p->n_steps++] = !strcmp(step, "region-map") ? POL_REGION_MAP
					 : !strcmp(step, "nearest")  ? POL_NEAREST
								     : POL_FAILOVER;
	}
	p->only_matched = wf_json_bool(conf, "only-matched", false);
	p->tolerance_km = wf_json_u64(conf, "tolerance-km", 0);
	p->share = strcmp(wf_json_str(conf, "share", "weighted"), "least-loaded")
			   ? POL_WEIGHTED
			   : POL_LEAST_LOADED;
	p->sticky = sticky;
	p->sticky_len4 = wf_json_u64(sticky, "prefix-length-ipv4", 24);
	p->sticky_len6 = wf_json_u64(sticky, "prefix-length-ipv6", 56);
	p->sticky_key = wf_json_u64(sticky, "key", name_hash("sticky", p->name));
	text = wf_json_str(conf, "all-down", "all");
	p->all_down = !strcmp(text, "none")	   ? POL_DOWN_NONE
		      : !strcmp(text, "fallback")  ? POL_DOWN_FALLBACK
		      : !strcmp(text, "last-good") ? POL_DOWN_LAST_GOOD
						   : POL_DOWN_ALL;
	if (wf_json_has(conf, "fallback-pool"))
		p->fallback_pool = pool_index(names, wf_json_str(conf, "fallback-pool", ""));

	list = json_object_get(conf, "match");
	p->matches = wf_xzalloc((json_array_size(list) + 1) * sizeof *p->matches);
	json_array_foreach(list, i, item)
	{
		int rc = read_match(pol, p, item, names, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int
read_policies(struct pol *pol, const json_t *list, struct wf_err *err)
{
	struct pool_names names;
	const json_t *item;
	size_t i;
	int rc = 0;

	pool_names_init(&names, pol);
	pol->policies = wf_xzalloc((json_array_size(list) + 1) * sizeof *pol->policies);
	json_array_foreach(list, i, item)
	{
		struct pol_policy *p = &pol->policies[pol->n_policies++];

		p->pol = pol;
		rc = read_policy(pol, &p->conf, item, &names, err);
		if (rc)
			break;
	}
	wf_hmap_done(&names.map);
	free(names.named);
	return rc;
}

int
pol_build(const json_t *conf, const char *folder, const struct pol *old, struct pol **ret,
	  struct wf_err *err)
{
	struct pol *pol = wf_xzalloc(sizeof *pol);
	int rc = read_location(pol, json_object_get(conf, "location"), folder, old, err);

	if (!rc)
		rc = read_pools(pol, json_object_get(conf, "pool"), old, err);
	if (!rc)
		rc = read_policies(pol, json_object_get(conf, "policy"), err);
	if (!rc)
		rc = pol_compile_rankers(pol, err);
	if (!rc)
		rc = pol_rows_init(pol, err);
	if (rc) {
		pol_free(pol);
		return rc;
	}
	*ret = pol;
	return 0;
}
