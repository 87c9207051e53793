// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "policy/select_internal.h"

const struct loc_table *
pol_table(const struct pol *pol)
{
	return pol->table;
}

const struct loc_db *
pol_location_db(const struct pol *pol)
{
	return pol->location->db;
}

struct pol_policy *
pol_find(const struct pol *pol, const char *name)
{
	for (unsigned i = 0; i < pol->n_policies; i++)
		if (!strcmp(pol->policies[i].conf.name, name))
			return &pol->policies[i];
	return NULL;
}

unsigned
pol_n_policies(const struct pol *pol)
{
	return pol->n_policies;
}

struct pol_policy *
pol_policy_at(const struct pol *pol, unsigned index)
{
	return &pol->policies[index];
}

const struct pol_hot *
pol_policy_hot(const struct pol_policy *p)
{
	return &p->hot;
}

const struct pol_policy_conf *
pol_policy_conf(const struct pol_policy *p)
{
	return &p->conf;
}

unsigned
pol_policy_index(const struct pol_policy *p)
{
	return p - p->pol->policies;
}

unsigned
pol_n_pools(const struct pol *pol)
{
	return pol->n_pools;
}

const struct pol_pool *
pol_pool_at(const struct pol *pol, unsigned index)
{
	return &pol->pools[index];
}

const struct pol_pool *
pol_pool_find(const struct pol *pol, const char *name)
{
	for (unsigned i = 0; i < pol->n_pools; i++)
		if (!strcmp(pol->pools[i].name, name))
			return &pol->pools[i];
	return NULL;
}

const struct pol_member *
pol_member_at(const struct pol *pol, uint32_t index)
{
	return &pol->members[index];
}

uint32_t
pol_n_members(const struct pol *pol)
{
	return pol->n_members;
}

const struct pol_member *
pol_member_find(const struct pol *pol, const char *pool_name, const char *member)
{
	const struct pol_pool *pool = pol_pool_find(pol, pool_name);

	for (uint32_t i = 0; pool && i < pool->n_members; i++)
		if (!strcmp(pol->members[pool->first_member + i].name, member))
			return &pol->members[pool->first_member + i];
	return NULL;
}

uint32_t
pol_member_index(const struct pol *pol, const struct pol_member *m)
{
	return m - pol->members;
}

unsigned
pol_n_sets(const struct pol_policy *p)
{
	return p->n_sets;
}

const uint32_t *
pol_set_members(const struct pol_policy *p, unsigned set, unsigned *n)
{
	*n = p->sets[set]->n;
	return p->sets[set]->members;
}

void
pol_on_change(struct pol *pol, pol_change_fn *fn, void *arg)
{
	pol->on_change = fn;
	pol->on_change_arg = arg;
}

void
pol_member_set(struct pol *pol, uint32_t index, bool up, bool drain, float load, float slow_start)
{
	struct pol_member *m = &pol->members[index];

	if (m->up == up && m->drain == drain && m->load == load && m->slow_start == slow_start)
		return;
	if (m->up != up) {
		pol->pools[m->pool].n_up += up ? 1 : -1;
		if (!up)
			m->last_up_ms = wf_now_ms();
	}
	m->up = up;
	m->drain = drain;
	m->load = load;
	m->slow_start = slow_start;
	if (pol->n_changed && pol->changed[pol->n_changed - 1] == index)
		return;
	if (pol->n_changed == pol->changed_allocated) {
		pol->changed_allocated = pol->changed_allocated ? pol->changed_allocated * 2 : 16;
		pol->changed =
			wf_xrealloc(pol->changed, pol->changed_allocated * sizeof *pol->changed);
	}
	pol->changed[pol->n_changed++] = index;
}

bool
pol_set_up(struct pol *pol, const char *pool, const char *member, bool up)
{
	const struct pol_member *m = pol_member_find(pol, pool, member);

	if (m)
		pol_member_set(pol, pol_member_index(pol, m), up, m->drain, m->load, m->slow_start);
	return m;
}

bool
pol_set_drain(struct pol *pol, const char *pool, const char *member, bool drain)
{
	const struct pol_member *m = pol_member_find(pol, pool, member);

	if (m)
		pol_member_set(pol, pol_member_index(pol, m), m->up, drain, m->load, m->slow_start);
	return m;
}

bool
pol_set_load(struct pol *pol, const char *pool, const char *member, float load)
{
	const struct pol_member *m = pol_member_find(pol, pool, member);

	if (m)
		pol_member_set(pol, pol_member_index(pol, m), m->up, m->drain, load, m->slow_start);
	return m;
}

unsigned
pol_rank(const struct pol *pol, const struct pol_policy *p, uint32_t class_id, unsigned draw,
	 bool ignore_state, bool one_a_pool, uint32_t *members, unsigned max)
{
	const struct pol_row *row =
		&p->rows[p->ranker->uses_location ? p->ranker->row_of_class[class_id] : 0];
	uint32_t *skip = wf_xmalloc((pol->n_members + 1) * sizeof *skip);
	unsigned n = 0, n_skip = 0;
	enum pol_mode first = ignore_state ? POL_EVERYBODY : POL_BY_STATE;

	/* Those that may have the draw, then those that are up at all. */
	for (enum pol_mode mode = first; n < max; mode++) {
		for (uint32_t i = 0; i < row->n_tiers && n < max; i++) {
			int64_t m;

			while (n < max && (m = pol_tier_pick(pol, row->tiers[i], draw, mode, 0,
							     skip, n_skip)) >= 0) {
				const struct pol_pool *pool = &pol->pools[pol->members[m].pool];

				members[n++] = m;
				skip[n_skip++] = m;
				for (uint32_t j = 0; one_a_pool && j < pool->n_members; j++)
					if (pool->first_member + j != m)
						skip[n_skip++] = pool->first_member + j;
			}
		}
		if (mode == POL_DRAINING || mode == POL_EVERYBODY)
			break;
	}
	free(skip);
	return n;
}

bool
pol_files_changed(const struct pol *pol)
{
	for (unsigned i = 0; i < pol->location->n_files; i++) {
		const struct pol_file *f = &pol->location->files[i];
		struct stat st;

		if (stat(f->path, &st) || st.st_ino != f->inode ||
		    (uint64_t)st.st_size != f->size || st.st_mtim.tv_sec != f->mtime.tv_sec ||
		    st.st_mtim.tv_nsec != f->mtime.tv_nsec)
			return true;
	}
	return false;
}

static void
location_unref(struct pol_location *l)
{
	if (!l || --l->n_refs)
		return;
	for (unsigned i = 0; i < l->n_files; i++)
		free(l->files[i].path);
	free(l->files);
	free(l->key);
	loc_db_free(l->db);
	free(l);
}

void
pol_free(struct pol *pol)
{
	if (!pol)
		return;
	for (unsigned i = 0; i < pol->n_policies; i++) {
		struct pol_policy *p = &pol->policies[i];

		pol_rows_done(p);
		for (unsigned j = 0; j < p->conf.n_matches; j++)
			free(p->conf.matches[j].pools);
		free(p->conf.matches);
		free(p->conf.candidates);
	}
	free(pol->policies);
	for (unsigned i = 0; i < pol->n_rankers; i++)
		pol_ranker_free(pol->rankers[i]);
	free(pol->rankers);
	for (unsigned i = 0; pol->users && i < pol->n_pools; i++)
		free(pol->users[i].policies);
	free(pol->users);
	for (uint32_t i = 0; i < pol->n_members; i++)
		free(pol->members[i].addrs);
	free(pol->members);
	free(pol->pools);
	loc_table_free(pol->table);
	location_unref(pol->location);
	for (unsigned i = 0; i < pol->n_strings; i++)
		free(pol->strings[i]);
	free(pol->strings);
	free(pol->changed);
	free(pol);
}
