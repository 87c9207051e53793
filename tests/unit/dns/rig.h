/* SPDX-License-Identifier: Apache-2.0 */
/* Zones from text, questions in text; answers are read by ldns, so by another implementation. */
#ifndef WEFT_TESTS_UNIT_DNS_RIG_H
#define WEFT_TESTS_UNIT_DNS_RIG_H

#include "dns/answer/answer.h"

struct rig {
	struct dns_view *view;
	struct dns_context ctx;
	struct dns_client client;
	uint8_t query[4096], answer[DNS_MESSAGE_MAX];
	size_t query_size, answer_size;
};

void rig_init(struct rig *);
void rig_done(struct rig *);
void rig_add_zone(struct rig *, const char *apex, const char *text);
/* Writes a plain question into 'query'. */
void rig_question(struct rig *, const char *name, const char *type);
/* Puts an OPT record behind it. */
void rig_opt(struct rig *, unsigned udp_size, const void *options, size_t size);
enum dns_verdict rig_send(struct rig *);
/* "NOERROR aa | www.example.com. 60 A 192.0.2.80 | | ": rcode and flags, then the three sections, the
 * records of each sorted and parted by ", "; OPT is left out.  Aborts on an answer that ldns can't read. */
const char *rig_text(struct rig *);
/* Question and answer in one. */
const char *rig_ask(struct rig *, const char *name, const char *type);

#endif
