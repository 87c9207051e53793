// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/chosen.h"

#include <errno.h>
#include <ldns/ldns.h>
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

/* SvcParamKeys (RFC 9460 section 14.3.2). */
#define PARAM_IPV4HINT 4
#define PARAM_IPV6HINT 6

int
dns_service_parse(struct dns_service *s, unsigned priority, const char *params, struct wf_err *err)
{
	char *line = wf_xasprintf(". 0 IN HTTPS 1 . %s", params);
	ldns_rr *rr = NULL;
	ldns_status st = ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL);
	const ldns_rdf *f = st == LDNS_STATUS_OK && ldns_rr_rd_count(rr) > 2 ? ldns_rr_rdf(rr, 2) : NULL;
	int rc = 0;

	*s = (struct dns_service){ .priority = priority };
	free(line);
	if (st != LDNS_STATUS_OK)
		return wf_err(err, -EINVAL, "parameters \"%s\": %s", params, ldns_get_errorstr_by_id(st));
	if (f) {
		s->params_size = ldns_rdf_size(f);
		s->params = wf_xzalloc(s->params_size + 1u);
		memcpy(s->params, ldns_rdf_data(f), s->params_size);
	}
	for (size_t at = 0; at + 4 <= s->params_size; at += 4u + dns_get16(s->params + at + 2)) {
		unsigned key = dns_get16(s->params + at);

		if (key == PARAM_IPV4HINT || key == PARAM_IPV6HINT)
			rc = wf_err(err, -EINVAL, "parameters \"%s\": the hints are the addresses that the policy chooses; leave them out", params);
	}
	if (!priority && s->params_size)
		rc = wf_err(err, -EINVAL, "parameters \"%s\": priority 0 is AliasMode, which takes none (RFC 9460 section 2.4.2)", params);
	ldns_rr_free(rr);
	if (rc)
		dns_service_done(s);
	return rc;
}

void
dns_service_done(struct dns_service *s)
{
	free(s->params);
	s->params = NULL;
	s->params_size = 0;
}

static bool
service_equal(const struct dns_service *a, const struct dns_service *b)
{
	return a->priority == b->priority && a->params_size == b->params_size &&
	       (!a->params_size || !memcmp(a->params, b->params, a->params_size));
}

/* One record: head, priority, target, parameters with the hints at their place. */
static void
put_service(const struct dns_chosen *c, const uint8_t *target, const struct wf_buf hints[2],
	    struct wf_buf *raw)
{
	static const uint16_t hint_keys[2] = { PARAM_IPV4HINT, PARAM_IPV6HINT };
	size_t start = raw->size, at = 0;
	uint8_t *p = wf_buf_put_zeros(raw, DNS_RAW_HEAD + 2);

	dns_put16(p, 0xc000 | DNS_HEADER_SIZE);
	dns_put16(p + 2, c->type);
	dns_put16(p + 4, DNS_CLASS_IN);
	dns_put32(p + 6, c->ttl);
	dns_put16(p + DNS_RAW_HEAD, c->service.priority);
	wf_buf_put(raw, target, dns_name_size(target));
	for (int i = 0; i < 3; i++) {
		/* Those of the configuration with lower keys first. */
		while (at + 4 <= c->service.params_size &&
		       (i == 2 || dns_get16(c->service.params + at) < hint_keys[i])) {
			size_t size = 4u + dns_get16(c->service.params + at + 2);

			wf_buf_put(raw, c->service.params + at, size);
			at += size;
		}
		if (i < 2 && hints[i].size && c->service.priority) {
			p = wf_buf_put_uninit(raw, 4);
			dns_put16(p, hint_keys[i]);
			dns_put16(p + 2, hints[i].size);
			wf_buf_put(raw, hints[i].data, hints[i].size);
		}
	}
	dns_put16(raw->data + start + 10, raw->size - start - DNS_RAW_HEAD);
}

/* Hints of a record are few: a client asks for the addresses anyway. */
#define HINTS_MAX 256

/* The records of a service; returns how many. */
static unsigned
put_services(const struct dns_chosen *c, const uint32_t *members, unsigned n_members, struct wf_buf *raw)
{
	struct wf_buf hints[2] = { WF_BUF_INIT, WF_BUF_INIT };
	unsigned n = 0;

	for (unsigned i = 0; i < n_members; i++) {
		const struct pol_member *m = pol_member_at(c->pol, members[i]);
		struct dns_name target;

		if (m->target && !dns_name_from_text(&target, m->target, NULL, NULL)) {
			put_service(c, target.wire, hints, raw);
			n++;
			continue;
		}
		for (unsigned k = 0; k < m->n_addrs; k++) {
			bool v6 = m->addrs[k].family == 6;
			uint8_t bytes[16];

			pol_addr_to_bytes(&m->addrs[k], bytes);
			if (hints[v6].size < HINTS_MAX)
				wf_buf_put(&hints[v6], bytes, v6 ? 16 : 4);
		}
	}
	if (hints[0].size || hints[1].size) {
		put_service(c, (const uint8_t *)"", hints, raw);
		n++;
	}
	wf_buf_done(&hints[0]);
	wf_buf_done(&hints[1]);
	return n;
}

/* The record set of these members, in one block. */
static struct dns_rrset *
make_set(const struct dns_chosen *c, const uint32_t *members, unsigned n_members)
{
	struct wf_buf raw = WF_BUF_INIT;
	struct dns_rrset *s;
	unsigned n = 0;

	if (c->type == DNS_SVCB || c->type == DNS_HTTPS) {
		n = put_services(c, members, n_members, &raw);
		n_members = 0;
	}
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

static struct dns_rrset *
make_standing(const struct dns_chosen *c)
{
	const struct pol_policy_conf *conf = pol_policy_conf(c->policy);
	const struct pol_pool *pool = pol_pool_at(c->pol, conf->all_down == POL_DOWN_FALLBACK ? conf->fallback_pool :
									  conf->candidates[0].pool);
	uint32_t *members = wf_xmalloc((pool->n_members + 1) * sizeof *members);
	struct dns_rrset *s;
	unsigned n = 0;

	for (uint32_t i = 0; i < pool->n_members; i++)
		if (pol_member_at(c->pol, pool->first_member + i)->weight)
			members[n++] = pool->first_member + i;
	s = make_set(c, members, n);
	free(members);
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
	for (unsigned i = 0; i < n; i++) {
		unsigned n_members;
		const uint32_t *members = pol_set_members(c->policy, i, &n_members);

		new->sets[i] = i < had ? old->sets[i] : make_set(c, members, n_members);
	}
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

/* Choices by number.  They stay: there are few, and zones that name them come and go. */
static struct choice {
	char *policy;
	unsigned type;
	uint32_t ttl, hash;
	struct dns_service service;
} *choices;
static uint32_t n_choices;

uint32_t
dns_choice_number(const char *policy, unsigned type, uint32_t ttl, const struct dns_service *service)
{
	static const struct dns_service none;
	uint32_t hash = wf_hash_str(policy, type ^ ttl << 16);
	struct choice *c;

	if (!service)
		service = &none;
	for (uint32_t i = 0; i < n_choices; i++) {
		c = &choices[i];
		if (c->hash == hash && c->type == type && c->ttl == ttl &&
		    !strcmp(c->policy, policy) && service_equal(&c->service, service))
			return i + 1;
	}
	choices = wf_xrealloc(choices, (n_choices + 1) * sizeof *choices);
	c = &choices[n_choices++];
	*c = (struct choice){ wf_xstrdup(policy), type, ttl, hash, *service };
	c->service.params = wf_xzalloc(service->params_size + 1u);
	if (service->params_size)
		memcpy(c->service.params, service->params, service->params_size);
	return n_choices;
}

struct dns_chosen *
dns_chosen_new(struct dns_chosen **list, uint32_t number, const struct pol *pol,
	       struct pol_policy *policy)
{
	const struct choice *from = &choices[number - 1];
	struct dns_chosen *c = wf_xzalloc(sizeof *c);

	c->pol = pol;
	c->policy = policy;
	c->hot = pol_policy_hot(policy);
	c->type = from->type;
	c->ttl = from->ttl;
	c->service = from->service; /* its bytes stay */
	c->next = *list;
	*list = c;
	c->standing = make_standing(c);
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
		free(list->standing);
		free(list);
		list = next;
	}
}
