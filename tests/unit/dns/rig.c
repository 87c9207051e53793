// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dns/rig.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "dns/zone/load.h"

void
rig_init(struct rig *r)
{
	memset(r, 0, sizeof *r);
	r->view = dns_view_new();
	r->client.family = 4;
	memcpy(r->client.address, "\xc0\x00\x02\x01", 4);
	r->ctx.wall_s = 1700000000;
}

void
rig_done(struct rig *r)
{
	dns_view_free(r->view);
}

void
rig_add_zone(struct rig *r, const char *apex, const char *text)
{
	struct wf_err err = { "" };
	struct dns_name name;
	struct dns_zone *z;

	if (dns_name_from_text(&name, apex, NULL, &err) ||
	    dns_zone_load_text(&name, apex, text, strlen(text), &z, NULL, &err) ||
	    dns_view_add_zone(r->view, z)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
}

void
rig_question(struct rig *r, const char *name, const char *type)
{
	struct dns_name n;
	size_t at = DNS_HEADER_SIZE;

	if (dns_name_from_text(&n, name, NULL, NULL))
		abort();
	memset(r->query, 0, sizeof r->query);
	dns_put16(r->query, 0x1234);
	r->query[5] = 1;
	memcpy(r->query + at, n.wire, n.size);
	at += n.size;
	dns_put16(r->query + at, dns_type_from_text(type));
	dns_put16(r->query + at + 2, DNS_CLASS_IN);
	r->query_size = at + 4;
}

void
rig_opt(struct rig *r, unsigned udp_size, const void *options, size_t size)
{
	uint8_t *p = r->query + r->query_size;

	r->query[11]++;
	memset(p, 0, 11);
	dns_put16(p + 1, DNS_OPT);
	dns_put16(p + 3, udp_size);
	dns_put16(p + 9, size);
	if (size)
		memcpy(p + 11, options, size);
	r->query_size += 11 + size;
}

enum dns_verdict
rig_send(struct rig *r)
{
	/* Exactly as long, so that ASan sees a read behind the end. */
	uint8_t *q = wf_xmemdup(r->query, r->query_size);
	uint8_t *a = wf_xmalloc(r->client.tcp ? DNS_MESSAGE_MAX : DNS_UDP_ROOM);
	enum dns_verdict v = dns_answer(r->view, &r->ctx, &r->client, q, r->query_size, a, &r->answer_size);

	if (v == DNS_SEND)
		memcpy(r->answer, a, r->answer_size);
	free(q);
	free(a);
	return v;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
put_section(struct wf_str *s, const ldns_rr_list *list)
{
	size_t n = ldns_rr_list_rr_count(list);
	char **rows = calloc(n + 1, sizeof *rows);

	for (size_t i = 0; i < n; i++) {
		char *from = rows[i] = ldns_rr2str(ldns_rr_list_rr(list, i)), *to = from, *in;

		in = strstr(from, "\tIN\t");
		if (in)
			memmove(in, in + 3, strlen(in + 3) + 1);
		for (; *from; from++)
			if (*from != '\n')
				*to++ = *from == '\t' ? ' ' : *from;
		while (to > rows[i] && to[-1] == ' ')
			to--;
		*to = '\0';
	}
	qsort(rows, n, sizeof *rows, compare);
	for (size_t i = 0; i < n; i++) {
		wf_str_fmt(s, "%s%s", i ? ", " : " ", rows[i]);
		free(rows[i]);
	}
	free(rows);
}

const char *
rig_text(struct rig *r)
{
	static char text[65536];
	struct wf_str s = WF_STR_INIT;
	ldns_pkt *p = NULL;
	ldns_lookup_table *rcode;

	if (ldns_wire2pkt(&p, r->answer, r->answer_size) != LDNS_STATUS_OK) {
		fprintf(stderr, "ldns can't read the answer\n");
		abort();
	}
	rcode = ldns_lookup_by_id(ldns_rcodes, ldns_pkt_get_rcode(p));
	wf_str_put(&s, rcode ? rcode->name : "?");
	if (ldns_pkt_aa(p))
		wf_str_put(&s, " aa");
	if (ldns_pkt_tc(p))
		wf_str_put(&s, " tc");
	wf_str_put(&s, " |");
	put_section(&s, ldns_pkt_answer(p));
	wf_str_put(&s, " |");
	put_section(&s, ldns_pkt_authority(p));
	wf_str_put(&s, " |");
	put_section(&s, ldns_pkt_additional(p));
	snprintf(text, sizeof text, "%s", s.s);
	wf_str_done(&s);
	ldns_pkt_free(p);
	return text;
}

const char *
rig_ask(struct rig *r, const char *name, const char *type)
{
	enum dns_verdict v;

	rig_question(r, name, type);
	v = rig_send(r);
	return v == DNS_SEND ? rig_text(r) : v == DNS_DROP ? "dropped" : "transfer";
}
