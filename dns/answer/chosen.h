/* SPDX-License-Identifier: Apache-2.0 */
/* Record sets that a policy chooses for the client (policy/choose.h): for each answer set of the
 * policy a ready record set, so that a query indexes and copies.
 *
 *   node -- type --> rrset.chosen --> view.choices[] --> policy: (client's leaf, draw) -> number --> sets[number]
 *
 * A zone knows a choice by a number, which stands for (policy's name, type, ttl, service) as long as the
 * process lives; each view binds the numbers to its own policies.  So zones outlive views.
 *
 * A change of health or load moves the numbers inside the policy; nothing here changes, but that
 * sets are added for numbers that did not exist, before anybody can choose them.
 *
 * Threads: main makes and extends; workers pick, in an RCU read section.
 * Ownership: of the view, with the struct pol that it is made of; several names may share one.
 */
#ifndef WEFT_DNS_ANSWER_CHOSEN_H
#define WEFT_DNS_ANSWER_CHOSEN_H

#include "dns/zone/zone.h"
#include "policy/policy.h"

/* What workers read: replaced as a whole when it grows. */
struct dns_chosen_sets {
	unsigned n;
	struct dns_rrset *sets[];
};

/* How a SVCB or HTTPS set is made of members (RFC 9460): members with addresses give one record with
 * the owner as its target and the addresses as hints, members with targets one record each. */
struct dns_service {
	uint16_t priority; /* 0: AliasMode, which takes targets and no parameters */
	uint16_t params_size;
	uint8_t *params; /* on the wire, keys rising, without hints */
};
/* From the text of a zone file ("alpn=h2,h3 port=8443").  Returns 0 or -EINVAL. */
int dns_service_parse(struct dns_service *, unsigned priority, const char *params, struct wf_err *);
void dns_service_done(struct dns_service *);

struct dns_chosen {
	struct dns_chosen *next; /* of the view's list */
	const struct pol *pol;
	struct pol_policy *policy;
	const struct pol_hot *hot;
	uint16_t type; /* A, AAAA, CNAME, SVCB or HTTPS */
	uint32_t ttl;
	struct dns_service service; /* of the last two */
	struct dns_chosen_sets *_Atomic sets;
	/* For those who can't choose: all members of the policy's fallback pool, else of its first candidate,
	 * whoever is up. */
	struct dns_rrset *standing;
};

/* Types that the members of a policy can answer: addresses give A and AAAA, targets CNAME.  Returns
 * how many, or a negative errno with 'err' if members of both kinds are candidates. */
int dns_chosen_types(const struct pol *, struct pol_policy *, uint16_t types[2], struct wf_err *);
/* The number of (policy, type, ttl, service), from 1 on; 'service' NULL for types other than SVCB and
 * HTTPS.  Main. */
uint32_t dns_choice_number(const char *policy, unsigned type, uint32_t ttl,
			   const struct dns_service *service);
/* Choice 'number' of that policy, added to the list. */
struct dns_chosen *dns_chosen_new(struct dns_chosen **list, uint32_t number, const struct pol *,
				  struct pol_policy *);
/* Adds what the policy's new answer sets need; called before they can be chosen. */
void dns_chosen_extend(struct dns_chosen *list, const struct pol_policy *);
void dns_chosen_free(struct dns_chosen *list);

static inline const struct dns_rrset *
dns_chosen_set(const struct dns_chosen *c, unsigned set)
{
	const struct dns_chosen_sets *s =
		__atomic_load_n((struct dns_chosen_sets **)&c->sets, __ATOMIC_ACQUIRE);

	return s->sets[set < s->n ? set : POL_SET_NONE];
}

/* The set for a client whose leaf is known.  Per query. */
static inline const struct dns_rrset *
dns_chosen_pick(const struct dns_chosen *c, uint32_t leaf, const struct pol_addr *client,
		unsigned draw, unsigned *scope)
{
	/* The number first: sets are added before a number can be chosen. */
	return dns_chosen_set(c, pol_choose(c->hot, leaf, client, draw, scope));
}

#endif
