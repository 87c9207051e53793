/* SPDX-License-Identifier: Apache-2.0 */
/* Answers made beforehand, for the path in the driver (server/xdp.h): the answering function itself is asked, so
 * that what the driver sends is what a worker would have sent.
 * Threads: main, in an RCU read section. */
#ifndef WEFT_DNS_ANSWER_READY_H
#define WEFT_DNS_ANSWER_READY_H

#include "dns/answer/answer.h"

/* What stands between question and OPT, and how it is cut. */
#define DNS_READY_NEVER 0xffff /* 'size' of an answer that fits no datagram: always TC=1 */
struct dns_ready {
	uint16_t size, need_size; /* need: without additional records that may be left out */
	uint16_t n[3], n_additional_needed;
	uint16_t flags; /* of the header: AA */
	uint8_t limit_class;
	bool may_cut; /* to need_size, then to nothing with TC=1; else what happens then is not known */
	bool is_signed;
	uint64_t not_after_s; /* when the first signature in it ends; 0: it has none */
	uint8_t bytes[DNS_UDP_ROOM];
};

/* Hung into a context: of all chosen sets 'choice' gives its set 'set'; others are counted. */
struct dns_ready_want {
	uint32_t choice, set;
	unsigned n_others;
	uint8_t limit_class;
};

/* The choice that the answer for (name, type) depends on first; 0: none. */
uint32_t dns_ready_choice(const struct dns_view *, const struct dns_name *, unsigned type);
/* False: it is an error, depends on the client in another way than by 'choice', or is of a kind that is always made
 * when it is asked for. */
bool dns_ready_make(const struct dns_view *, struct dns_context *, const struct dns_name *, unsigned type,
		    bool do_bit, uint32_t choice, uint32_t set, struct dns_ready *);

#endif
