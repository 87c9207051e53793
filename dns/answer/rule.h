/* SPDX-License-Identifier: Apache-2.0 */
/* Who may have a zone, and who may say that there is a new one: what a view knows of a zone besides
 * its data.
 *
 * Threads: main makes; workers read; told.is_told is set by workers and cleared by main. */
#ifndef WEFT_DNS_ANSWER_RULE_H
#define WEFT_DNS_ANSWER_RULE_H

#include <stdatomic.h>

#include "dns/answer/tsig.h"
#include "policy/prefix.h"

/* A client in one of the prefixes (if there are any) that signs with one of the keys (if there are
 * any). */
struct dns_allow {
	bool exists; /* else nobody */
	struct pol_prefix *prefixes;
	size_t n_prefixes;
	const struct dns_key **keys; /* of the view */
	size_t n_keys;
};
bool dns_allow_has(const struct dns_allow *, const struct pol_addr *, const struct dns_key *);

/* Zones whose primary sent NOTIFY, on their way to the main thread: a stack without locks.  A zone
 * is on it once, however often it is told. */
struct dns_told_queue {
	struct dns_told *_Atomic first;
	void (*wake)(void); /* any thread */
};
struct dns_told {
	struct dns_told_queue *queue;
	struct dns_told *next;
	_Atomic bool is_told;
};
void dns_told_push(struct dns_told *);
/* Takes all; each may be pushed again from then on. */
struct dns_told *dns_told_take(struct dns_told_queue *);

struct dns_zone_rule {
	struct dns_allow transfer, notify;
	bool refuses_chosen; /* no transfers if policies choose names */
	struct dns_told *told; /* NULL: the zone has no primary */
};
void dns_zone_rule_free(struct dns_zone_rule *);

#endif
