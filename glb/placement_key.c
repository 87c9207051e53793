// SPDX-License-Identifier: Apache-2.0
/* Another hash key without a connection cut: first all balancers learn to look for flows by the next key, too; then new flows
 * are placed by it, with lists that begin anew, while for the flows that there are the lists stay as they were; then
 * the key before is forgotten. */
#include "glb/placement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bpf/glb_abi.h"

_Static_assert(PLC_HOPS == GLB_HOPS, "what a packet's list has room for");

const char *
plc_key_step_name(enum plc_key_step step)
{
	static const char *const names[] = {
		[PLC_KEY_ONE] = "one", [PLC_KEY_PREPARED] = "prepared", [PLC_KEY_SWITCHED] = "switched",
	};

	return names[step];
}

static void
each_table(struct placement *p, void (*fn)(struct plc_table *))
{
	for (size_t i = 0; i < p->n_pools; i++) {
		fn(&p->pools[i].sites);
		for (size_t k = 0; k < p->pools[i].n_by_site; k++)
			fn(&p->pools[i].by_site[k].servers);
	}
}

/* By the key before, flows are where they are; by the new one, history begins. */
static void
begin_anew(struct plc_table *t)
{
	if (!t->n_slots)
		return;
	t->before = t->slots;
	t->n_before = t->n_slots;
	t->slots = wf_xzalloc(t->n_slots * sizeof *t->slots);
	for (uint32_t i = 0; i < t->n_slots; i++)
		t->slots[i].owner[0] = t->before[i].owner[0];
}

static void
forget_before(struct plc_table *t)
{
	free(t->before);
	t->before = NULL;
	t->n_before = 0;
}

/* A member that takes no hop list can't say that a flow is another's. */
static const struct plc_node *
plain_member(const struct placement *p)
{
	for (size_t i = 0; i < p->n_pools; i++) {
		const struct plc_pool *pool = &p->pools[i];

		for (size_t k = 0; k <= pool->n_by_site; k++) {
			const struct plc_table *t = k ? &pool->by_site[k - 1].servers : &pool->sites;

			for (size_t m = 0; t->n_members > 1 && m < t->n_members; m++) {
				const struct plc_node *n = plc_node_by_id(p, t->members[m].node);

				if (n && (n->no_second_chance || n->encap > GLB_ENCAP_GUE))
					return n;
			}
		}
	}
	return NULL;
}

int
plc_key_next(struct placement *p, int64_t now, bool cut, struct wf_err *err)
{
	const struct plc_node *plain = plain_member(p);
	uint8_t key[sizeof p->hash_key];

	switch (p->key_step) {
	case PLC_KEY_ONE:
		if (plain && !cut)
			return wf_err(err, -EBUSY, "would cut connections: %s takes no hop list, so connections that another one "
				      "of its pool had before would end there; --cut insists", plain->name);
		if (getrandom(p->other_key, sizeof p->other_key, 0) != sizeof p->other_key)
			return wf_err(err, -errno, "no random key: %s", strerror(errno));
		p->key_step = PLC_KEY_PREPARED;
		break;
	case PLC_KEY_PREPARED:
		memcpy(key, p->hash_key, sizeof key);
		memcpy(p->hash_key, p->other_key, sizeof key);
		memcpy(p->other_key, key, sizeof key);
		each_table(p, begin_anew);
		p->key_step = PLC_KEY_SWITCHED;
		break;
	case PLC_KEY_SWITCHED:
		memset(p->other_key, 0, sizeof p->other_key);
		each_table(p, forget_before);
		p->key_step = PLC_KEY_ONE;
		break;
	}
	p->key_since = now;
	p->number++;
	return 0;
}

static unsigned
longest(const struct plc_slot *slots, uint32_t n)
{
	unsigned most = 0;

	for (uint32_t i = 0; i < n; i++)
		while (most < PLC_OWNERS && slots[i].owner[most])
			most++;
	return most;
}

static unsigned
candidates(const struct plc_table *t)
{
	return longest(t->slots, t->n_slots) + longest(t->before, t->n_before);
}

int
plc_key_fits(const struct placement *p, struct wf_err *err)
{
	for (size_t i = 0; p->key_step == PLC_KEY_SWITCHED && i < p->n_pools; i++) {
		const struct plc_pool *pool = &p->pools[i];

		for (size_t k = 0; k < pool->n_by_site; k++) {
			unsigned n = candidates(&pool->sites) + candidates(&pool->by_site[k].servers);

			/* The site and the server that a packet is addressed to are not in its list. */
			if (n > PLC_HOPS + 2)
				return wf_err(err, -EBUSY, "pools: %s: would cut connections: while the hash key changes, a flow may "
					      "have %u servers and sites to be asked, a packet's list has room for %u; end the change of the "
					      "key (rotate-key --end) or forget moves first", pool->name, n, PLC_HOPS + 2);
		}
	}
	return 0;
}
