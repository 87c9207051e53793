// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "openflow/action.h"
#include "openflow/dp_text.h"
#include "openflow/text.h"

#define SPACE ", \t\r\n"

/* Which fields a set() may write: of the group that it names. */
static const struct settable {
	const char *group;
	enum of_field_id fields[8];
	unsigned n;
} settable[] = {
	{ "skb_mark", { OF_F_PKT_MARK }, 1 },
	{ "eth", { OF_F_ETH_SRC, OF_F_ETH_DST }, 2 },
	{ "ipv4", { OF_F_IPV4_SRC, OF_F_IPV4_DST, OF_F_IP_DSCP, OF_F_IP_ECN, OF_F_IP_TTL }, 5 },
	{ "ipv6", { OF_F_IPV6_SRC, OF_F_IPV6_DST, OF_F_IPV6_LABEL, OF_F_IP_DSCP, OF_F_IP_ECN,
		    OF_F_IP_TTL }, 6 },
	{ "tcp", { OF_F_TCP_SRC, OF_F_TCP_DST }, 2 },
	{ "udp", { OF_F_UDP_SRC, OF_F_UDP_DST }, 2 },
	{ "sctp", { OF_F_SCTP_SRC, OF_F_SCTP_DST }, 2 },
	{ "arp", { OF_F_ARP_SPA, OF_F_ARP_TPA, OF_F_ARP_OP, OF_F_ARP_SHA, OF_F_ARP_THA }, 5 },
};

struct parser {
	const char *p;
	of_dp_output_fn *output;
	void *aux;
	struct of_match_full *match;
	struct wf_buf *list;
};

static void
put_field(struct wf_buf *list, const struct of_field *f, const union of_value *v,
	  const union of_value *m)
{
	struct of_act_set_field *s = of_action_put(list, OF_A_SET_FIELD,
						   offsetof(struct of_act_set_field, value_mask) +
							   2u * f->n_bytes);

	s->field = (uint16_t)f->id;
	s->n_bytes = f->n_bytes;
	for (unsigned i = 0; i < f->n_bytes; i++) {
		s->value_mask[i] = v->b[i] & m->b[i];
		s->value_mask[f->n_bytes + i] = m->b[i];
	}
}

/* The text between "name(" and the parenthesis that closes it; a heap block. */
static char *
take_group(struct parser *q)
{
	const char *start = q->p;
	unsigned depth = 1;
	char *text;
	size_t n;

	for (; *q->p && depth; q->p++)
		depth += (*q->p == '(') - (*q->p == ')');
	if (depth)
		return NULL;
	n = (size_t)(q->p - start) - 1;
	text = wf_xmalloc(n + 1);
	memcpy(text, start, n);
	text[n] = '\0';
	return text;
}

/* "eth(src=..)": the fields that it names, which the flow's packets must have. */
static char *
put_set(struct parser *q, const char *group)
{
	const struct settable *st = settable, *end = st + sizeof(settable) / sizeof(settable[0]);
	size_t n = strcspn(group, "(");
	struct of_dp_key *d;
	char *error;

	while (st < end && (strlen(st->group) != n || strncmp(st->group, group, n)))
		st++;
	if (st == end)
		return wf_xasprintf("set(%s) is not built for flows of the datapath", group);
	d = wf_xmalloc(sizeof(*d));
	error = of_dp_key_parse(group, NULL, NULL, d);
	for (unsigned i = 0; !error && i < st->n; i++) {
		const struct of_field *f = of_field(st->fields[i]);
		union of_value v, m;

		of_field_get(f, &d->key, &v);
		of_field_get(f, &d->mask, &m);
		if (of_value_is_zero(f, &m))
			continue;
		if (!of_match_has_prereqs(q->match, f))
			error = wf_xasprintf("set(%s): the flow takes packets without %s", group, f->name);
		else
			put_field(q->list, f, &v, &m);
	}
	free(d);
	return error;
}

/* "vid=5,pcp=0[,tpid=0x88a8]" */
static char *
put_push_vlan(struct parser *q, char *text)
{
	unsigned long vid = 0, pcp = 0, tpid = 0x8100;
	char *key, *value, *end, *p = text;
	struct of_action *a;

	while (of_key_value_next(&p, &key, &value)) {
		unsigned long v = strtoul(value, &end, 0);

		if (end == value || *end)
			return wf_xasprintf("push_vlan(%s=%s): no number", key, value);
		if (!strcmp(key, "vid") && v <= OF_VLAN_VID_MASK)
			vid = v;
		else if (!strcmp(key, "pcp") && v <= 7)
			pcp = v;
		else if (!strcmp(key, "tpid") && (v == 0x8100 || v == 0x88a8))
			tpid = v;
		else if (strcmp(key, "cfi") || v != 1)
			return wf_xasprintf("push_vlan(%s=%s): no such tag", key, value);
	}
	a = of_action_put(q->list, OF_A_PUSH_VLAN, sizeof(*a));
	a->u32 = (uint32_t)tpid;
	a = of_action_put(q->list, OF_A_SET_VLAN_VID, sizeof(*a));
	a->u32 = (uint32_t)vid;
	a = of_action_put(q->list, OF_A_SET_VLAN_PCP, sizeof(*a));
	a->u32 = (uint32_t)pcp;
	return NULL;
}

static char *
put_group(struct parser *q, const char *name, size_t n)
{
	char *text = take_group(q), *error;

	if (!text)
		error = wf_xasprintf("%s: ')' is missing", name);
	else if (n == 3 && !strncmp(name, "set", n))
		error = put_set(q, text);
	else if (n == 9 && !strncmp(name, "push_vlan", n))
		error = put_push_vlan(q, text);
	else
		error = wf_xasprintf("%.*s() is not built for flows of the datapath: use ovs-ofctl",
				     (int)n, name);
	free(text);
	return error;
}

static char *
put_one(struct parser *q)
{
	size_t n = strcspn(q->p, "(" SPACE);
	struct of_act_output *out;
	const char *name = q->p;
	char port[64];
	of_port_t no;

	q->p += n;
	if (*q->p == '(') {
		q->p++;
		return put_group(q, name, n);
	}
	if (n == 8 && !strncmp(name, "pop_vlan", n)) {
		of_action_put(q->list, OF_A_STRIP_VLAN, sizeof(struct of_action));
		return NULL;
	}
	if (n >= sizeof(port))
		return wf_xasprintf("%.*s: no action", 40, name);
	memcpy(port, name, n);
	port[n] = '\0';
	char *error = q->output(q->aux, port, &no);

	if (error)
		return error;
	out = of_action_put(q->list, OF_A_OUTPUT, sizeof(*out));
	out->a.u32 = no;
	return NULL;
}

char *
of_dp_actions_parse(const char *text, struct of_match_full *match, of_dp_output_fn *output, void *aux,
		    struct wf_buf *list)
{
	struct parser q = { text, output, aux, match, list };
	size_t at = list->size;
	char *error = NULL;

	q.p += strspn(q.p, SPACE);
	if (!strncmp(q.p, "drop", 4) && !q.p[4 + strspn(q.p + 4, SPACE)])
		return NULL;
	if (!*q.p)
		error = wf_xasprintf("no action: say drop to drop");
	while (*q.p && !error) {
		error = put_one(&q);
		q.p += strspn(q.p, SPACE);
	}
	if (error)
		list->size = at;
	return error;
}
