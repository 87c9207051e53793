/* SPDX-License-Identifier: Apache-2.0 */
/* Random questions for the zones of test_joint.c, and what their answers say. */
#ifndef WEFT_TESTS_UNIT_DNS_QUESTION_H
#define WEFT_TESTS_UNIT_DNS_QUESTION_H

#include "dns/answer/answer.h"
#include "tests/unit/dns/world.h"

#define QUESTION_TTL_OF(POLICY) (10 + (POLICY)) /* of the name "p" and the policy's number */
#define QUESTION_TTL_CHOSEN	30		/* of a chosen name that says nothing */

/* What the policies' names stand among. */
extern const char question_zone[];

struct question {
	uint8_t msg[700];
	size_t size, behind; /* behind the question's class */
	struct dns_client client;
	struct pol_addr subnet; /* as it stands in the option */
	unsigned subnet_len;	/* 0: none */
	bool has_subnet;
	bool good;     /* not damaged on purpose */
	int policy;    /* negative: none that is known here */
	bool is_hop;   /* by a policy to one of two others */
	bool is_other; /* not a policy's own name */
	unsigned type;
	uint32_t ttl; /* of the chosen set */
};

struct said {
	uint32_t members; /* whose addresses were answered */
	unsigned n;
	uint32_t ttl; /* of the last of them */
	int scope;    /* -1: no client subnet */
	size_t opt_at;
};

void question_make(struct world *, struct question *);
/* The option; returns its size. */
size_t question_put_subnet(uint8_t *, const struct pol_addr *, unsigned len);
/* The same client asks with the options of the answer it got, a cookie among them.  False: there is none. */
bool question_again(struct question *, const uint8_t *answer, size_t size, const struct said *);
/* Where a question comes from, as RFC 7871 sees it. */
struct pol_addr question_place(const struct question *);
/* Fails if the answer is not whole, or has an address that is no member's. */
void question_read_answer(const struct question *, const uint8_t *answer, size_t size, struct said *);
/* All but what two signatures over the same differ in. */
bool question_same_but_signatures(const struct question *, const uint8_t *a, const uint8_t *b, size_t size);
const char *question_hex(const uint8_t *, size_t);

#endif
