// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/chosen.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/rcu.h"

/* What one member adds to a set of this type: at most 'max' data of 4 or 16 bytes, or one name. */
static unsigned
member_records(const struct pol_member *m, unsigned type, unsigned index, uint8_t *rdata,
	       size_t *rdlen)
{
	struct dns_name name;

	if (type == DNS_CNAME) {
		if (index || !m->target || dns_name_from_text(&name, m->target, NULL, NULL))
			return 0;
		memcpy(rdata, name.wire, name.size);
		*rdlen = name.size;
		return 1;
	}
	for (unsigned i = 0; i < m->n_addrs; i++) {
		if (m->addrs[i].family != (type == DNS_A ? 4 : 6) || index--)
			continue;
		pol_addr_to_bytes(&m->addrs[i], rdata);
		*rdlen = type == DNS_A ? 4 : 16;
		return 1;
	}
	return 0;
}

/* The record set of one answer set, in one block. */
static struct dns_rrset *
make_set(const struct dns_chosen *c, unsigned number)
{
	unsigned n_members;
	const uint32_t *members = pol_set_members(c->policy, number, &n_members);
	struct wf_buf raw = WF_BUF_INIT;
	struct dns_rrset *s;
	unsigned n = 0;

	for (unsigned i = 0; i < n_members; i++) {
		const struct pol_member *m = pol_member_at(c->pol, members[i]);
		uint8_t rdata[DNS_NAME_MAX];
		size_t rdlen;

		for (unsigned k = 0; member_records(m, c->type, k, rdata, &rdlen); k++) {
			uint8_t *p;

			/* A message holds no more; the rest of a very large pool is left out.  A
			 * name has one CNAME (RFC 1034 section 3.6.2). */
			if (raw.size + DNS_RAW_HEAD + rdlen > DNS_MESSAGE_MAX - 512 ||
			    (n && c->type == DNS_CNAME))
				break;
			p = wf_buf_put_uninit(&raw, DNS_RAW_HEAD + rdlen);
			dns_put16(p, 0xc000 | DNS_HEADER_SIZE);
			dns_put16(p + 2, c->type);
			dns_put16(p + 4, DNS_CLASS_IN);
			dns_put32(p + 6, c->ttl);
			dns_put16(p + 10, rdlen);
			memcpy(p + DNS_RAW_HEAD, rdata, rdlen);
			n++;
		}
	}
	s = wf_xzalloc(sizeof *s + raw.size);
	s->type = c->type;
	s->n = n;
	s->ttl = c->ttl;
	s->size = raw.size;
	s->raw = (uint8_t *)(s + 1);
	if (raw.size)
		memcpy(s + 1, raw.data, raw.size);
	wf_buf_done(&raw);
	return s;
}

static struct dns_chosen_sets *
current(const struct dns_chosen *c)
{
	return __atomic_load_n((struct dns_chosen_sets **)&c->sets, __ATOMIC_RELAXED);
}

/* Only the array is replaced: the sets in it stay where they are. */
static void
extend(struct dns_chosen *c)
{
	struct dns_chosen_sets *old = current(c), *new;
	unsigned n = pol_n_sets(c->policy), had = old ? old->n : 0;

	if (n <= had)
		return;
	new = wf_xmalloc(sizeof *new + n * sizeof new->sets[0]);
	new->n = n;
	for (unsigned i = 0; i < n; i++)
		new->sets[i] = i < had ? old->sets[i] : make_set(c, i);
	__atomic_store_n((struct dns_chosen_sets **)&c->sets, new, __ATOMIC_RELEASE);
	if (old)
		wf_rcu_free(old);
}

int
dns_chosen_types(const struct pol *pol, struct pol_policy *policy, uint16_t types[2],
		 struct wf_err *err)
{
	const struct pol_policy_conf *conf = pol_policy_conf(policy);
	const struct pol_member *target = NULL, *address = NULL;

	for (unsigned i = 0; i < conf->n_candidates; i++) {
		const struct pol_pool *pool = pol_pool_at(pol, conf->candidates[i].pool);

		for (unsigned k = 0; k < pool->n_members; k++) {
			const struct pol_member *m = pol_member_at(pol, pool->first_member + k);

			if (m->target && !m->n_addrs)
				target = m;
			else
				address = m;
			if (m->target && pool->answer != 1)
				return wf_err(err, -EINVAL, "policy %s: pool %s has members with a target and answers with several; a name has one CNAME: set \"answer\" of the pool to 1", conf->name, pool->name);
		}
	}
	if (target && address)
		return wf_err(err, -EINVAL, "policy %s: member %s has a target and member %s addresses; a name is either an alias or has addresses", conf->name, target->name, address->name);
	types[0] = target ? DNS_CNAME : DNS_A;
	types[1] = DNS_AAAA;
	return target ? 1 : 2;
}

struct dns_chosen *
dns_chosen_get(struct dns_chosen **list, const struct pol *pol, struct pol_policy *policy,
	       unsigned type, uint32_t ttl)
{
	struct dns_chosen *c;

	for (c = *list; c; c = c->next)
		if (c->policy == policy && c->type == type && c->ttl == ttl)
			return c;
	c = wf_xzalloc(sizeof *c);
	c->pol = pol;
	c->policy = policy;
	c->hot = pol_policy_hot(policy);
	c->type = type;
	c->ttl = ttl;
	c->next = *list;
	*list = c;
	extend(c);
	return c;
}

void
dns_chosen_extend(struct dns_chosen *list, const struct pol_policy *policy)
{
	for (; list; list = list->next)
		if (list->policy == policy)
			extend(list);
}

void
dns_chosen_free(struct dns_chosen *list)
{
	while (list) {
		struct dns_chosen *next = list->next;
		struct dns_chosen_sets *s = current(list);

		for (unsigned i = 0; s && i < s->n; i++)
			free(s->sets[i]);
		free(s);
		free(list);
		list = next;
	}
}
