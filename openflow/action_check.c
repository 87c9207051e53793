// SPDX-License-Identifier: Apache-2.0
/* Is a list allowed for the packets of a match?
 *
 * The match is followed through the list: pushing a tag makes one, popping MPLS changes the
 * EtherType, and so on.  An action that cannot work on such packets is an error from 1.1
 * on (OFPBAC_MATCH_INCONSISTENT); 1.0 has it do nothing.  Some are errors in all versions; if
 * there is one of these as well, it is the one to tell.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "openflow/action_internal.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_PBB 0x88e7
#define ETHERTYPE_NSH 0x894f
#define ETHERTYPE_UNKNOWN 0xffff /* after decap: nothing may depend on it */
#define PT_UNKNOWN 0xffffffffu
#define PORT_FTP 21
#define PORT_TFTP 69
#define CT_COMMIT 1
#define METER_MAX 0xffff0000u /* OFPM_MAX */

struct check {
	const struct of_action_check *params;
	const struct of_match_full *match; /* as it is at this action */
	struct of_match_full *own;         /* what 'match' points to once something changed it */
	bool inconsistent;                 /* an action does not fit; an error but for 1.0 */
};

static of_err_t check_list(struct of_action *, size_t size, struct check *);

/* The state, to be written to.  Few lists change it, so it is copied late. */
static struct of_key *
change(struct check *c)
{
	if (c->match != c->own) {
		*c->own = *c->match;
		c->match = c->own;
	}
	return &c->own->key;
}

static of_err_t
want(bool ok, struct check *c)
{
	c->inconsistent |= !ok;
	return 0;
}

/* EtherType of the packet, wherever it says so; 0 if unknown. */
static uint16_t
dl_type(const struct of_key *k)
{
	if (k->packet_type == OF_PT_ETH)
		return ntohs(k->dl_type);
	return k->packet_type >> 16 == 1 ? k->packet_type & 0xffff : 0;
}

static bool
is_ip_type(uint16_t type)
{
	return type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6;
}

static bool
is_mpls_type(uint16_t type)
{
	return type == 0x8847 || type == 0x8848;
}

static bool
has_vlan(const struct of_key *k)
{
	return k->vlans[0].tci & htons(OF_VLAN_CFI);
}

static void
push_vlan(struct of_key *k)
{
	memmove(&k->vlans[1], &k->vlans[0], sizeof(k->vlans) - sizeof(k->vlans[0]));
	k->vlans[0] = (struct of_vlan) { .tci = htons(OF_VLAN_CFI) };
}

/* --- Output --- */

static of_err_t
check_enqueue(of_port_t port, of_port_t max_ports)
{
	return port < max_ports || port == OF_PORT_IN_PORT || port == OF_PORT_LOCAL
		? 0 : OF_ERR_OFPBAC_BAD_OUT_PORT;
}

static of_err_t
check_bundle(const struct of_act_bundle *b, const struct check *c)
{
	of_err_t err = b->dst.n_bits ? of_subfield_check_dst(&b->dst, c->match) : 0;

	for (unsigned i = 0; i < b->n_members && !err; i++) {
		if (b->members[i] == OF_PORT_CONTROLLER)
			err = OF_ERR_OFPBAC_BAD_OUT_PORT;
		else if (b->members[i] != OF_PORT_NONE)
			err = of_port_check(b->members[i], c->params->max_ports);
	}
	return err;
}

/* --- Fields --- */

static of_err_t
check_set_vlan(struct of_action *a, struct check *c)
{
	bool tagged = has_vlan(&c->match->key);

	/* Whether a peer of 1.1+ must be told to push a tag first. */
	if (of_act_set_vlan_pushes(a))
		a->raw = tagged ? OF_RAW_SET_VLAN_TAGGED : OF_RAW_NONE;
	else
		want(tagged, c);
	if (!tagged)
		change(c)->vlans[0].tci |= htons(OF_VLAN_CFI);
	return 0;
}

static of_err_t
check_set_l4(struct of_action *a, struct check *c)
{
	const struct of_key *k = &c->match->key;

	/* The field that set-field would have, for peers of 1.2+. */
	a->raw = k->nw_proto == IPPROTO_TCP ? OF_RAW_SET_TP_TCP
	       : k->nw_proto == IPPROTO_UDP ? OF_RAW_SET_TP_UDP
	       : k->nw_proto == IPPROTO_SCTP ? OF_RAW_SET_TP_SCTP
	       : OF_RAW_NONE;
	return want(is_ip_type(dl_type(k)) && !(k->nw_frag & OF_FRAG_LATER) &&
		    a->raw != OF_RAW_NONE, c);
}

static of_err_t
check_set_field(struct of_act_set_field *sf, struct check *c)
{
	const struct of_field *f = of_field(sf->field);
	bool tagged = has_vlan(&c->match->key);

	if (!of_match_has_prereqs(c->match, f) || (sf->field == OF_F_VLAN_VID && !tagged))
		return OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	sf->a.u32 = tagged;
	switch (sf->field) {
	case OF_F_VLAN_TCI:
		memcpy(&change(c)->vlans[0].tci, sf->value_mask, 2);
		break;
	case OF_F_ETH_TYPE:
		memcpy(&change(c)->dl_type, sf->value_mask, 2);
		break;
	case OF_F_IP_PROTO:
		change(c)->nw_proto = sf->value_mask[0];
		break;
	}
	return 0;
}

/* --- Headers --- */

static of_err_t
check_push_mpls(const struct of_action *a, struct check *c)
{
	struct of_key *k;

	want(c->match->key.packet_type == OF_PT_ETH, c);
	k = change(c);
	k->dl_type = htons(a->u32);
	k->nw_proto = 0; /* The label hides what it is. */
	return 0;
}

static of_err_t
check_pop(uint16_t next_type, bool ok, struct check *c)
{
	want(c->match->key.packet_type == OF_PT_ETH && ok, c);
	change(c)->dl_type = htons(next_type);
	return 0;
}

static of_err_t
check_push_pbb(struct check *c)
{
	struct of_key *k;

	want(c->match->key.packet_type == OF_PT_ETH, c);
	k = change(c);
	k->dl_type = htons(ETHERTYPE_PBB);
	k->nw_proto = 0;
	memset(k->vlans, 0, sizeof(k->vlans)); /* The tags are inside now. */
	return 0;
}

static void
check_encap(const struct of_act_encap *e, struct check *c)
{
	struct of_key *k = change(c);

	k->packet_type = e->new_pkt_type;
	if (k->packet_type >> 16 == 1)
		k->dl_type = htons(k->packet_type & 0xffff);
	if (!is_ip_type(dl_type(k)))
		k->nw_proto = 0;
}

static void
check_decap(struct check *c)
{
	struct of_key *k = change(c);

	if (k->packet_type == OF_PT_ETH) {
		k->packet_type = OF_PT(1, ntohs(k->dl_type));
	} else {
		k->packet_type = PT_UNKNOWN;
		k->dl_type = htons(ETHERTYPE_UNKNOWN);
	}
}

/* --- learn, ct --- */

/* What the learned rule will match decides on what it may do. */
static void
learn_match(const struct of_learn_spec *s, struct of_match_full *m)
{
	const struct of_field *f = of_field(s->dst.field);
	union of_value value, bits;

	memset(&bits, 0, sizeof(bits));
	of_field_get(f, &m->key, &value);
	of_bits_copy(of_learn_spec_imm(s), s->imm_size, 0, &value, f->n_bytes, s->dst.ofs,
		     s->n_bits);
	of_bits_one(&bits, f->n_bytes, s->dst.ofs, s->n_bits);
	of_field_set(f, &value, &m->key);
	of_field_mark_bits(f, &bits, &m->mask);
}

static of_err_t
check_learn(const struct of_act_learn *l, const struct check *c)
{
	struct of_match_full dst;
	of_err_t err = 0;

	of_match_init_any(&dst);
	of_learn_for_each_spec(s, l) {
		if (!s->src_is_immediate)
			err = of_subfield_check_src(&s->src, c->match);
		if (!err && s->dst_type == 0) {
			err = of_subfield_check_src(&s->dst, &dst);
			if (!err && s->src_is_immediate)
				learn_match(s, &dst);
		} else if (!err && s->dst_type == 1) {
			err = of_subfield_check_dst(&s->dst, &dst);
		}
		if (err)
			return err;
	}
	return 0;
}

static of_err_t
check_nested(struct of_action *inner, size_t size, struct check *c)
{
	struct of_match_full own = *c->match;
	struct check sub = { c->params, &own, &own, false };
	of_err_t err = check_list(inner, size, &sub);

	c->inconsistent |= sub.inconsistent;
	return err;
}

static of_err_t
check_ct(struct of_act_ct *ct, struct check *c)
{
	const struct of_key *k = &c->match->key;
	size_t size;
	const struct of_action *inner = of_act_nested(&ct->a, sizeof(*ct), &size);

	/* Errors in 1.0, too: it would be a flow that no packet can pass. */
	if (!is_ip_type(dl_type(k)) || (k->ct_state & OF_CS_INV && ct->flags & CT_COMMIT) ||
	    (ct->alg == PORT_FTP && k->nw_proto != IPPROTO_TCP) ||
	    (ct->alg == PORT_TFTP && k->nw_proto != IPPROTO_UDP))
		return OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	/* Open vSwitch does not look at exec then. */
	if (ct->zone_src.n_bits)
		return of_subfield_check_src(&ct->zone_src, c->match);
	return check_nested((struct of_action *)inner, size, c);
}

static of_err_t
check_nat(const struct of_act_nat *nat, const struct check *c)
{
	uint16_t type = dl_type(&c->match->key);

	if (!is_ip_type(type) || (nat->family == AF_INET && type != ETHERTYPE_IPV4) ||
	    (nat->family == AF_INET6 && type != ETHERTYPE_IPV6))
		return OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	return 0;
}

static of_err_t
check_resubmit(const struct of_act_resubmit *r, const struct check *c)
{
	if (r->with_ct_orig && !of_match_has_prereqs(c->match, of_field(OF_F_CT_NW_PROTO)))
		return OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	return 0;
}

static of_err_t
check_goto(const struct of_action *a, const struct of_action_check *p)
{
	if ((p->table != 255 && a->u32 <= p->table) ||
	    (p->n_tables != 255 && a->u32 >= p->n_tables))
		return OF_ERR_OFPBIC_BAD_TABLE_ID;
	return 0;
}

static of_err_t
check_write_actions(struct of_action *a, const struct check *c)
{
	struct of_match_full own = *c->match;
	/* When the set runs, nobody knows what the packet is: inconsistencies do not count. */
	struct check sub = { c->params, &own, &own, false };
	size_t size;
	const struct of_action *inner = of_act_nested(a, sizeof(struct of_act_nest), &size);

	return check_list((struct of_action *)inner, size, &sub);
}

static of_err_t
check_one(struct of_action *a, struct check *c)
{
	const struct of_key *k = &c->match->key;
	const struct of_match_full *m = c->match;
	const struct of_act_move *move;
	of_err_t err;

	switch ((enum of_action_type)a->type) {
	case OF_A_OUTPUT:
	case OF_A_OUTPUT_TRUNC:
		return of_port_check(a->u32, c->params->max_ports);
	case OF_A_ENQUEUE:
		return check_enqueue(a->u32, c->params->max_ports);
	case OF_A_OUTPUT_REG:
		return of_subfield_check_src(&((struct of_act_output_reg *)a)->src, m);
	case OF_A_BUNDLE:
		return check_bundle((struct of_act_bundle *)a, c);
	case OF_A_SET_FIELD:
		return check_set_field((struct of_act_set_field *)a, c);
	case OF_A_REG_MOVE:
		move = (struct of_act_move *)a;
		err = of_subfield_check_src(&move->src, m);
		return err ? err : of_subfield_check_dst(&move->dst, m);
	case OF_A_STACK_PUSH:
		return of_subfield_check_src(&((struct of_act_stack *)a)->sf, m);
	case OF_A_STACK_POP:
		return of_subfield_check_dst(&((struct of_act_stack *)a)->sf, m);
	case OF_A_PUSH_VLAN:
		/* As many tags as Open vSwitch takes: clients rely on the error. */
		if (k->vlans[1].tci & htons(OF_VLAN_CFI))
			return OF_ERR_OFPBAC_BAD_TAG;
		push_vlan(change(c));
		return 0;
	case OF_A_STRIP_VLAN: {
		struct of_key *w;

		want(has_vlan(k), c);
		w = change(c);
		memmove(&w->vlans[0], &w->vlans[1], sizeof(w->vlans) - sizeof(w->vlans[0]));
		memset(&w->vlans[OF_MAX_VLANS - 1], 0, sizeof(w->vlans[0]));
		return 0;
	}
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP:
		return check_set_vlan(a, c);
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_IPV4_DST:
		return want(dl_type(k) == ETHERTYPE_IPV4, c);
	case OF_A_SET_IP_DSCP:
	case OF_A_SET_IP_ECN:
	case OF_A_SET_IP_TTL:
	case OF_A_DEC_TTL:
		return want(is_ip_type(dl_type(k)), c);
	case OF_A_SET_L4_SRC:
	case OF_A_SET_L4_DST:
		return check_set_l4(a, c);
	case OF_A_SET_MPLS_LABEL:
	case OF_A_SET_MPLS_TC:
	case OF_A_SET_MPLS_TTL:
	case OF_A_DEC_MPLS_TTL:
		return want(is_mpls_type(dl_type(k)), c);
	case OF_A_COPY_TTL_OUT:
	case OF_A_COPY_TTL_IN:
		return want(is_mpls_type(dl_type(k)) || is_ip_type(dl_type(k)), c);
	case OF_A_PUSH_MPLS:
		return check_push_mpls(a, c);
	case OF_A_POP_MPLS:
		return check_pop(a->u32, is_mpls_type(dl_type(k)), c);
	case OF_A_PUSH_PBB:
		return check_push_pbb(c);
	case OF_A_POP_PBB:
		return check_pop(0, dl_type(k) == ETHERTYPE_PBB, c);
	case OF_A_DEC_NSH_TTL:
		return want(k->packet_type == OF_PT_NSH || k->dl_type == htons(ETHERTYPE_NSH), c);
	case OF_A_ENCAP:
		check_encap((struct of_act_encap *)a, c);
		return 0;
	case OF_A_DECAP:
		check_decap(c);
		return 0;
	case OF_A_DELETE_FIELD:
		return a->u32 < OF_N_FIELDS && of_field_is_tun_metadata(of_field(a->u32))
			? 0 : OF_ERR_OFPBAC_BAD_ARGUMENT;
	case OF_A_FIN_TIMEOUT:
		return want(k->nw_proto == IPPROTO_TCP, c);
	case OF_A_RESUBMIT:
		return check_resubmit((struct of_act_resubmit *)a, c);
	case OF_A_LEARN:
		return check_learn((struct of_act_learn *)a, c);
	case OF_A_MULTIPATH:
		return of_subfield_check_dst(&((struct of_act_multipath *)a)->dst, m);
	case OF_A_CLONE: {
		size_t size;
		const struct of_action *inner = of_act_nested(a, sizeof(struct of_act_nest), &size);

		return check_nested((struct of_action *)inner, size, c);
	}
	case OF_A_CT:
		return check_ct((struct of_act_ct *)a, c);
	case OF_A_NAT:
		return check_nat((struct of_act_nat *)a, c);
	case OF_A_UNROLL_XLATE: /* never from a peer */
		return OF_ERR_OFPBAC_BAD_TYPE;
	case OF_A_METER:
		return a->u32 && a->u32 <= METER_MAX ? 0 : OF_ERR_OFPMMFC_INVALID_METER;
	case OF_A_WRITE_ACTIONS:
		return check_write_actions(a, c);
	case OF_A_GOTO_TABLE:
		return check_goto(a, c->params);
	case OF_A_CONTROLLER:
	case OF_A_GROUP:
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
	case OF_A_SET_TUNNEL:
	case OF_A_SET_QUEUE:
	case OF_A_POP_QUEUE:
	case OF_A_CONJUNCTION:
	case OF_A_NOTE:
	case OF_A_EXIT:
	case OF_A_DEBUG:
	case OF_A_SAMPLE:
	case OF_A_CHECK_PKT_LARGER:
	case OF_A_CT_CLEAR:
	case OF_A_CLEAR_ACTIONS:
	case OF_A_WRITE_METADATA:
	case OF_A_STAT_TRIGGER:
	case OF_N_ACTION_TYPES:
		break;
	}
	return 0;
}

static of_err_t
check_list(struct of_action *list, size_t size, struct check *c)
{
	of_action_for_each(a, list, size) {
		of_err_t err = check_one((struct of_action *)a, c);

		if (err)
			return err;
	}
	return 0;
}

of_err_t
of_actions_check(void *list, size_t size, const struct of_match_full *match,
		 const struct of_action_check *params)
{
	struct of_match_full own;
	struct check c = { params, match, &own, false };
	of_err_t err = check_list(list, size, &c);

	if (!err && c.inconsistent && params->version != OF10)
		err = OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	return err;
}
