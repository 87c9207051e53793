/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a query to those of its answer: a pure function of the view and the client, but
 * for counters, the clock of cookies and the table of the rate limiter.
 *
 *   answer.c  parse, rcodes, header, limits      chain.c  CNAME and DNAME, across the view's zones
 *   find.c    RFC 1034 section 4.3.2             edns.c   OPT: client subnet, cookie, NSID
 *
 * Threads: any worker, in an RCU read section; the context is the worker's own.
 * Cost: no allocation, no lock, no system call.
 */
#ifndef WEFT_DNS_ANSWER_ANSWER_H
#define WEFT_DNS_ANSWER_ANSWER_H

#include "dns/answer/view.h"
#include "dns/wire/message.h"

/* One writer, the worker; readers sum over workers and may see a sum that is a moment old. */
struct dns_counters {
#define C(NAME, HELP) uint64_t NAME;
#include "dns/answer/counters.def"
#undef C
};

struct dns_client {
	uint8_t family; /* 4 or 6 */
	bool tcp;
	bool tls; /* and tcp: answers are padded if the query was */
	uint8_t address[16];
};

struct dns_context {
	struct dns_counters counters;
	uint32_t wall_s;  /* of the burst: for cookies */
	uint64_t mono_ms; /* of the burst: for the limiter */
	uint64_t n_limited;
	uint64_t draw;    /* state of the draws of weighted policies */
	/* Signatures that may still be made for names that clients make up, and when it was filled. */
	uint32_t sign_budget;
	uint64_t sign_filled_ms;
	struct dns_ready_want *ready; /* NULL, but where answers are made beforehand (ready.h) */
	const char *why_text; /* the answer to the "why" that is asked; NULL: it is not known yet */
};

/* What the caller does with the result. */
enum dns_verdict {
	DNS_SEND,     /* send *ret_size bytes */
	DNS_DROP,     /* send nothing */
	DNS_TRANSFER, /* AXFR or IXFR over TCP: transfer.h answers */
	DNS_WHY,      /* over TCP: the main thread knows; ask again with ctx->why_text */
};

/* 'out' has room for DNS_MESSAGE_MAX with TCP, for DNS_UDP_ROOM else. */
#define DNS_UDP_ROOM 4096
enum dns_verdict dns_answer(const struct dns_view *, struct dns_context *,
			    const struct dns_client *, const uint8_t *msg, size_t size,
			    uint8_t *out, size_t *ret_size);

#endif
