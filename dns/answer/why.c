// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/why.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>

#include "dns/answer/find.h"
#include "dns/zone/load.h"

int
dns_why_parse_client(struct dns_why_question *q, const char *text, struct wf_err *err)
{
	char copy[64], *slash, *end;
	unsigned long len;

	snprintf(copy, sizeof copy, "%s", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	memset(q->client.address, 0, sizeof q->client.address);
	if (inet_pton(AF_INET, copy, q->client.address) == 1)
		q->client.family = 4;
	else if (inet_pton(AF_INET6, copy, q->client.address) == 1)
		q->client.family = 6;
	else
		return wf_err(err, -EINVAL, "client \"%s\": no IPv4 or IPv6 address", text);
	q->has_prefix = slash;
	if (!slash)
		return 0;
	len = strtoul(slash, &end, 10);
	if (!*slash || *end || len > (q->client.family == 4 ? 32 : 128))
		return wf_err(err, -EINVAL, "client \"%s\": the length is 0 to %u", text, q->client.family == 4 ? 32 : 128);
	q->prefix_len = len;
	for (unsigned i = len; i < 128; i++)
		q->client.address[i / 8] &= ~(0x80 >> i % 8);
	return 0;
}

/* What the policies of this name have to say. */
static void
say_chosen(const struct dns_view *v, const struct dns_find *f, const struct dns_why_question *q,
	   struct wf_str *s)
{
	struct pol_addr client = pol_addr_from_bytes(q->client.family, q->client.address);

	for (unsigned i = 0; i < f->node->n_sets; i++) {
		const struct dns_rrset *set = &f->node->sets[i];
		json_t *why;
		char *text;

		if (!set->chosen || (set->type != q->qtype && set->type != DNS_CNAME))
			continue;
		why = pol_explain(v->pol, v->choices[set->chosen]->policy, &client, -1);
		text = pol_explain_text(why);
		wf_str_fmt(s, "%s: chosen by policy %s\n%s", dns_type_text(set->type),
			   pol_policy_conf(v->choices[set->chosen]->policy)->name, text);
		if (s->s[s->len - 1] != '\n')
			wf_str_putc(s, '\n');
		free(text);
		json_decref(why);
	}
}

static void
say_found(enum dns_found found, const struct dns_find *f, const struct dns_why_question *q,
	  struct wf_str *s)
{
	char name[DNS_NAME_TEXT_MAX];

	switch (found) {
	case DNS_FOUND_NODE:
		wf_str_fmt(s, "name: %s", dns_name_text(f->node->name, name));
		if (f->node->name_size != q->qname.size ||
		    memcmp(f->node->name, q->qname.wire, q->qname.size))
			wf_str_put(s, " (a wildcard in the place of the name asked for)");
		else if (!f->node->n_sets)
			wf_str_put(s, " (an empty non-terminal: names below it exist)");
		wf_str_put(s, "; it has");
		for (unsigned i = 0; i < f->node->n_sets; i++)
			wf_str_fmt(s, " %s", dns_type_text(f->node->sets[i].type));
		wf_str_put(s, f->node->n_sets ? "\n" : " no records\n");
		break;
	case DNS_FOUND_NXDOMAIN:
		wf_str_fmt(s, "name: does not exist; the closest one above is %s\n", dns_name_text(f->node->name, name));
		break;
	case DNS_FOUND_REFERRAL:
		wf_str_fmt(s, "name: delegated at %s\n", dns_name_text(f->node->name, name));
		break;
	case DNS_FOUND_DNAME:
		wf_str_fmt(s, "name: below the DNAME of %s\n", dns_name_text(f->node->name, name));
		break;
	case DNS_FOUND_NOT_OURS:
		wf_str_put(s, "zone: none of ours holds the name\n");
		break;
	case DNS_FOUND_NO_DATA:
		wf_str_put(s, "zone: there is no data of it: its primary never answered, or too long ago\n");
		break;
	}
}

/* Asks as the client would and prints what comes. */
static void
say_answer(const struct dns_view *v, const struct dns_why_question *q, struct wf_str *s)
{
	struct dns_context *ctx = wf_xzalloc(sizeof *ctx);
	uint8_t msg[DNS_HEADER_SIZE + DNS_NAME_MAX + 4 + 11 + 8 + 16] = { 0 };
	uint8_t *out = wf_xmalloc(DNS_MESSAGE_MAX);
	size_t n = DNS_HEADER_SIZE, size;
	struct dns_client client = q->client;
	ldns_pkt *pkt = NULL;

	client.tcp = true;
	msg[5] = 1;
	memcpy(msg + n, q->qname.wire, q->qname.size);
	n += q->qname.size;
	dns_put16(msg + n, q->qtype);
	dns_put16(msg + n + 2, DNS_CLASS_IN);
	n += 4;
	if (q->has_prefix) {
		unsigned bytes = (q->prefix_len + 7) / 8;

		msg[11] = 1;
		dns_put16(msg + n + 1, DNS_OPT);
		dns_put16(msg + n + 3, DNS_UDP_LIMIT);
		dns_put16(msg + n + 9, 8 + bytes);
		n += 11;
		dns_put16(msg + n, DNS_EDNS_ECS);
		dns_put16(msg + n + 2, 4 + bytes);
		dns_put16(msg + n + 4, q->client.family == 4 ? 1 : 2);
		msg[n + 6] = q->prefix_len;
		memcpy(msg + n + 8, q->client.address, bytes);
		n += 8 + bytes;
	}
	if (dns_answer(v, ctx, &client, msg, n, out, &size) == DNS_SEND &&
	    ldns_wire2pkt(&pkt, out, size) == LDNS_STATUS_OK) {
		ldns_lookup_table *rcode = ldns_lookup_by_id(ldns_rcodes, ldns_pkt_get_rcode(pkt));
		ldns_rr_list *lists[] = { ldns_pkt_answer(pkt), ldns_pkt_authority(pkt),
					  ldns_pkt_additional(pkt) };

		wf_str_fmt(s, "answer: %s%s\n", rcode ? rcode->name : "?", ldns_pkt_aa(pkt) ? ", authoritative" : "");
		for (int i = 0; i < 3; i++) {
			char *text = ldns_rr_list2str(lists[i]);

			if (text && *text)
				wf_str_fmt(s, "%s", text);
			free(text);
		}
		if (q->has_prefix && size > 11) {
			/* The scope stands in the one option of the OPT record, the last of the
			 * answer. */
			unsigned bytes = (q->prefix_len + 7) / 8;

			wf_str_fmt(s, "scope: /%u\n", out[size - bytes - 1]);
		}
	} else {
		wf_str_put(s, "answer: none\n");
	}
	ldns_pkt_free(pkt);
	free(out);
	free(ctx);
}

void
dns_why(const struct dns_view *v, const struct dns_why_question *q, struct wf_str *s)
{
	uint64_t hash[DNS_LABELS_MAX + 1];
	struct dns_find f = { NULL, NULL };
	char name[DNS_NAME_TEXT_MAX];
	enum dns_found found;

	wf_str_fmt(s, "question: %s %s\n", dns_name_text(q->qname.wire, name), dns_type_text(q->qtype));
	dns_name_hash_suffixes(&q->qname, hash);
	found = dns_find(v, &q->qname, hash, q->qtype, &f);
	if (f.zone)
		wf_str_fmt(s, "zone: %s serial %u, from %s\n", f.zone->text, f.zone->serial,
			   f.zone->path ? f.zone->path : "nowhere");
	say_found(found, &f, q, s);
	if (found == DNS_FOUND_NODE)
		say_chosen(v, &f, q, s);
	say_answer(v, q, s);
}
