// SPDX-License-Identifier: Apache-2.0
/* Header changes of a plan as text. */
#include "dataplane/plan_text_set.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#define PBB_PRESENT 0x80000000u
#define LSE_BOS 0x100u
#define LSE_TTL 0xffu

static bool
is_mpls(const struct of_key *k)
{
	return k->dl_type == htons(0x8847) || k->dl_type == htons(0x8848);
}

static bool
is_ip(const struct of_key *k)
{
	return k->dl_type == htons(0x0800) || k->dl_type == htons(0x86dd);
}

static unsigned
n_labels(const struct of_key *k)
{
	if (!is_mpls(k))
		return 0;
	for (unsigned n = 0; n < OF_MAX_MPLS; n++)
		if (k->mpls_lse[n] & htonl(LSE_BOS))
			return n + 1;
	return OF_MAX_MPLS;
}

static unsigned
n_tags(const struct of_key *k)
{
	unsigned n = 0;

	while (n < OF_MAX_VLANS && k->vlans[n].tci & htons(OF_VLAN_CFI))
		n++;
	return n;
}

/* --- Following the ops ---------------------------------------------------------------------- */

static void
set_bytes(void *key, void *touched, const void *value, const void *mask, size_t n)
{
	uint8_t *k = key, *t = touched;
	const uint8_t *v = value, *m = mask;

	for (size_t i = 0; i < n; i++) {
		k[i] = (uint8_t)((k[i] & ~m[i]) | (v[i] & m[i]));
		t[i] |= m[i];
	}
}
#define SET(FIELD, V, M)                                                                       \
	set_bytes(&p->st.key.FIELD, &p->st.touched.FIELD, V, M, sizeof p->st.key.FIELD)

static void
push_tag(struct of_key *k, uint32_t tag, bool copy)
{
	uint16_t tci = (uint16_t)tag;

	if (copy && k->vlans[0].tci & htons(OF_VLAN_CFI))
		tci = ntohs(k->vlans[0].tci);
	memmove(&k->vlans[1], &k->vlans[0], sizeof k->vlans - sizeof k->vlans[0]);
	k->vlans[0].tpid = htons((uint16_t)(tag >> 16));
	k->vlans[0].tci = htons(tci | OF_VLAN_CFI);
}

static void
push_label(struct plan_printer *p, const struct op_push_mpls *op)
{
	struct of_key *k = &p->st.key;
	unsigned n = n_labels(k);

	if (!n)
		plan_text_commit(p); /* the layers below cannot be set any more */
	if (n) {
		memmove(&k->mpls_lse[1], &k->mpls_lse[0], n * sizeof k->mpls_lse[0]);
		if (!op->op.u8)
			k->mpls_lse[0] = op->lse;
		k->mpls_lse[0] &= htonl(~LSE_BOS);
	} else {
		uint8_t ttl = is_ip(k) && op->op.u8 ? k->nw_ttl ? k->nw_ttl : 64 : 0;

		memset(k->mpls_lse, 0, sizeof k->mpls_lse);
		k->mpls_lse[0] = (op->op.u8 ? htonl(ttl) : op->lse) | htonl(LSE_BOS);
	}
	k->dl_type = htons((uint16_t)op->op.u32);
}

/* The packet becomes the payload of a label. */
static void
add_label(struct plan_printer *p, const struct op_add_mpls *op)
{
	struct of_key *k = &p->st.key, *b = &p->st.base;
	bool inner = k->packet_type >> 16 == 1 && is_mpls(k);

	plan_text_commit(p);
	if (inner) {
		memmove(&k->mpls_lse[1], &k->mpls_lse[0],
			(OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
	} else {
		memset((uint8_t *)k + offsetof(struct of_key, dl_dst), 0,
		       sizeof *k - offsetof(struct of_key, dl_dst));
		memset((uint8_t *)b + offsetof(struct of_key, dl_dst), 0,
		       sizeof *b - offsetof(struct of_key, dl_dst));
	}
	k->mpls_lse[0] = op->lse;
	k->dl_type = htons((uint16_t)op->op.u32);
	k->packet_type = OF_PT(1, op->op.u32);
	p->st.added_mpls = true;
}

static void
pop_label(struct of_key *k, uint16_t type)
{
	memmove(&k->mpls_lse[0], &k->mpls_lse[1], (OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
	k->mpls_lse[OF_MAX_MPLS - 1] = 0;
	k->dl_type = htons(type);
}

static void
copy_ttl(struct plan_printer *p, bool out)
{
	struct of_key *k = &p->st.key;

	plan_text_commit(p);
	plan_text_comma(p);
	wf_str_put(p->out, out ? "copy_ttl_out" : "copy_ttl_in");
	if (n_labels(k) > 1) {
		int from = out ? 1 : 0;

		k->mpls_lse[!from] = (k->mpls_lse[!from] & htonl(~LSE_TTL)) |
				     (k->mpls_lse[from] & htonl(LSE_TTL));
	}
	p->st.base = *k;
}

static void
bare(struct plan_printer *p, const char *text, uint32_t arg)
{
	plan_text_commit(p);
	plan_text_comma(p);
	wf_str_fmt(p->out, text, arg);
}

void
plan_text_apply(struct plan_printer *p, const struct plan_op *op)
{
	struct of_key *k = &p->st.key;

	switch ((enum plan_op_type)op->type) {
	case OP_SET_ETH: {
		const struct op_set_eth *o = (const struct op_set_eth *)op;

		SET(dl_dst, o->dst, o->dst_mask);
		SET(dl_src, o->src, o->src_mask);
		break;
	}
	case OP_SET_DL_TYPE:
		bare(p, "set(eth_type(0x%04x))", op->u32);
		k->dl_type = p->st.base.dl_type = htons((uint16_t)op->u32);
		break;
	case OP_SET_VLAN: {
		uint16_t mask = (uint16_t)op->u32, tci = (uint16_t)(op->u32 >> 16);

		k->vlans[0].tci = (k->vlans[0].tci & htons((uint16_t)~mask)) | htons(tci);
		break;
	}
	case OP_SET_IPV4: {
		const struct op_set_ipv4 *o = (const struct op_set_ipv4 *)op;

		SET(nw_src, &o->src, &o->src_mask);
		SET(nw_dst, &o->dst, &o->dst_mask);
		SET(nw_tos, &o->tos, &o->tos_mask);
		SET(nw_ttl, &o->ttl, &o->ttl_mask);
		SET(nw_proto, &o->proto, &o->proto_mask);
		break;
	}
	case OP_SET_IPV6: {
		const struct op_set_ipv6 *o = (const struct op_set_ipv6 *)op;

		SET(ipv6_src, &o->src, &o->src_mask);
		SET(ipv6_dst, &o->dst, &o->dst_mask);
		SET(ipv6_label, &o->label, &o->label_mask);
		SET(nw_tos, &o->tos, &o->tos_mask);
		SET(nw_ttl, &o->ttl, &o->ttl_mask);
		SET(nw_proto, &o->proto, &o->proto_mask);
		break;
	}
	case OP_SET_L4: {
		const struct op_set_l4 *o = (const struct op_set_l4 *)op;

		SET(tp_src, &o->src, &o->src_mask);
		SET(tp_dst, &o->dst, &o->dst_mask);
		break;
	}
	case OP_SET_ICMP: {
		const struct op_set_icmp *o = (const struct op_set_icmp *)op;
		__be16 v = htons(o->type), m = htons(o->type_mask);

		SET(tp_src, &v, &m);
		v = htons(o->code);
		m = htons(o->code_mask);
		SET(tp_dst, &v, &m);
		break;
	}
	case OP_SET_TCP_FLAGS: {
		const struct op_set_tcp_flags *o = (const struct op_set_tcp_flags *)op;

		SET(tcp_flags, &o->flags, &o->mask);
		break;
	}
	case OP_SET_ARP: {
		const struct op_set_arp *o = (const struct op_set_arp *)op;
		uint8_t v = (uint8_t)o->opcode, m = (uint8_t)o->opcode_mask;

		SET(nw_src, &o->spa, &o->spa_mask);
		SET(nw_dst, &o->tpa, &o->tpa_mask);
		SET(nw_proto, &v, &m);
		SET(arp_sha, o->sha, o->sha_mask);
		SET(arp_tha, o->tha, o->tha_mask);
		break;
	}
	case OP_SET_ND: {
		const struct op_set_nd *o = (const struct op_set_nd *)op;

		SET(nd_target, &o->target, &o->target_mask);
		SET(arp_sha, o->sll, o->sll_mask);
		SET(arp_tha, o->tll, o->tll_mask);
		SET(nd_reserved, &o->reserved, &o->reserved_mask);
		SET(nd_options_type, &o->options_type, &o->options_type_mask);
		break;
	}
	case OP_SET_MPLS: {
		const struct op_set_mpls *o = (const struct op_set_mpls *)op;

		SET(mpls_lse[0], &o->lse, &o->mask);
		break;
	}
	case OP_SET_PBB: {
		const struct op_set_pbb *o = (const struct op_set_pbb *)op;

		k->pbb_isid = (k->pbb_isid & ~o->isid_mask) | o->isid;
		k->pbb_uca = (uint8_t)((k->pbb_uca & ~o->uca_mask) | o->uca);
		break;
	}
	case OP_SET_META: {
		const struct op_set_meta *o = (const struct op_set_meta *)op;

		SET(pkt_mark, &o->pkt_mark, &o->mark_mask);
		SET(skb_priority, &o->skb_priority, &o->priority_mask);
		break;
	}
	case OP_PUSH_VLAN:
		push_tag(k, op->u32, op->u8);
		break;
	case OP_POP_VLAN:
		memmove(&k->vlans[0], &k->vlans[1], sizeof k->vlans - sizeof k->vlans[0]);
		memset(&k->vlans[OF_MAX_VLANS - 1], 0, sizeof k->vlans[0]);
		break;
	case OP_PUSH_MPLS:
		push_label(p, (const struct op_push_mpls *)op);
		break;
	case OP_POP_MPLS:
		if (k->packet_type != OF_PT_ETH)
			plan_text_commit(p);
		pop_label(k, (uint16_t)op->u32);
		if (k->packet_type != OF_PT_ETH)
			k->packet_type = op->u32 == 0x6558 ? OF_PT_ETH : OF_PT(1, op->u32);
		break;
	case OP_ADD_MPLS:
		add_label(p, (const struct op_add_mpls *)op);
		break;
	case OP_PUSH_PBB:
		bare(p, "push_pbb(eth_type=0x%x)", op->u32);
		memset(k->vlans, 0, sizeof k->vlans);
		k->pbb_isid |= PBB_PRESENT;
		k->dl_type = htons((uint16_t)op->u32);
		p->st.base = *k;
		break;
	case OP_POP_PBB:
		bare(p, "pop_pbb", 0);
		k->pbb_isid = 0;
		p->st.base = *k;
		break;
	case OP_PUSH_ETH: {
		const struct op_push_eth *o = (const struct op_push_eth *)op;

		plan_text_commit(p);
		memcpy(k->dl_dst, o->dst, 6);
		memcpy(k->dl_src, o->src, 6);
		k->packet_type = OF_PT_ETH;
		k->dl_type = htons(o->dl_type);
		p->st.pushed_eth = true;
		break;
	}
	case OP_POP_ETH:
		plan_text_commit(p);
		k->packet_type = OF_PT(1, ntohs(k->dl_type));
		memset(k->dl_dst, 0, 6);
		memset(k->dl_src, 0, 6);
		break;
	case OP_DEC_TTL:
		k->nw_ttl--;
		p->st.touched.nw_ttl = 0xff;
		break;
	case OP_DEC_MPLS_TTL:
		k->mpls_lse[0] = htonl(ntohl(k->mpls_lse[0]) - 1);
		break;
	case OP_COPY_TTL_OUT:
		copy_ttl(p, true);
		break;
	case OP_COPY_TTL_IN:
		copy_ttl(p, false);
		break;
	default:
		break;
	}
}

/* --- Writing the difference ------------------------------------------------------------------- */

/* One set(name(a=..,b=..)): opened by its first field. */
struct set_text {
	struct plan_printer *p;
	const char *name;
	bool open;
};

/* Does the field differ?  Then writes its name; and base gets the new value. */
static bool
field(struct set_text *s, const char *name, const void *now, void *base, size_t n)
{
	if (!memcmp(now, base, n))
		return false;
	if (!s->open) {
		plan_text_comma(s->p);
		wf_str_fmt(s->p->out, "set(%s(", s->name);
		s->open = true;
	} else {
		wf_str_putc(s->p->out, ',');
	}
	wf_str_fmt(s->p->out, "%s=", name);
	memcpy(base, now, n);
	return true;
}

static void
close_set(struct set_text *s)
{
	if (s->open)
		wf_str_put(s->p->out, "))");
	s->open = false;
}

static bool
all_ones(const void *mask, size_t n)
{
	const uint8_t *m = mask;

	while (n--)
		if (*m++ != 0xff)
			return false;
	return true;
}

static void
mac_text(struct wf_str *out, const uint8_t m[6])
{
	wf_str_fmt(out, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void
mac_field(struct set_text *s, const char *name, const uint8_t now[6], uint8_t base[6],
	  const uint8_t mask[6])
{
	uint8_t shown[6];

	if (!field(s, name, now, base, 6))
		return;
	for (int i = 0; i < 6; i++)
		shown[i] = now[i] & mask[i];
	mac_text(s->p->out, shown);
	if (!all_ones(mask, 6)) {
		wf_str_putc(s->p->out, '/');
		mac_text(s->p->out, mask);
	}
}

static void
ip4_field(struct set_text *s, const char *name, __be32 now, __be32 *base, __be32 mask)
{
	char text[INET_ADDRSTRLEN];

	if (!field(s, name, &now, base, 4))
		return;
	now &= mask;
	wf_str_put(s->p->out, inet_ntop(AF_INET, &now, text, sizeof text));
	if (mask != htonl(UINT32_MAX))
		wf_str_fmt(s->p->out, "/%s", inet_ntop(AF_INET, &mask, text, sizeof text));
}

static void
ip6_field(struct set_text *s, const char *name, const struct in6_addr *now, struct in6_addr *base,
	  const struct in6_addr *mask)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr shown;

	if (!field(s, name, now, base, 16))
		return;
	for (int i = 0; i < 16; i++)
		shown.s6_addr[i] = now->s6_addr[i] & mask->s6_addr[i];
	wf_str_put(s->p->out, inet_ntop(AF_INET6, &shown, text, sizeof text));
	if (!all_ones(mask, 16))
		wf_str_fmt(s->p->out, "/%s", inet_ntop(AF_INET6, mask, text, sizeof text));
}

static void
u8_field(struct set_text *s, const char *name, uint8_t now, uint8_t *base, uint8_t mask, bool hex)
{
	if (!field(s, name, &now, base, 1))
		return;
	wf_str_fmt(s->p->out, hex ? "%#x" : "%u", now & mask);
	if (mask != 0xff)
		wf_str_fmt(s->p->out, "/%#x", mask);
}

static void
be16_field(struct set_text *s, const char *name, __be16 now, __be16 *base, __be16 mask)
{
	if (!field(s, name, &now, base, 2))
		return;
	wf_str_fmt(s->p->out, "%u", ntohs(now & mask));
	if (mask != 0xffff)
		wf_str_fmt(s->p->out, "/%#x", ntohs(mask));
}

#define K (&p->st.key)
#define B (&p->st.base)
#define M (&p->st.touched)

static void
commit_eth(struct plan_printer *p)
{
	struct set_text s = { p, "eth", false };

	if (p->st.pushed_eth) {
		plan_text_comma(p);
		wf_str_put(p->out, "push_eth(src=");
		mac_text(p->out, K->dl_src);
		wf_str_put(p->out, ",dst=");
		mac_text(p->out, K->dl_dst);
		wf_str_putc(p->out, ')');
		memcpy(B->dl_src, K->dl_src, 6);
		memcpy(B->dl_dst, K->dl_dst, 6);
		B->packet_type = K->packet_type;
		B->dl_type = K->dl_type;
		p->st.pushed_eth = false;
	} else if (B->packet_type == OF_PT_ETH && K->packet_type != OF_PT_ETH) {
		plan_text_comma(p);
		wf_str_put(p->out, "pop_eth");
		memcpy(B->dl_src, K->dl_src, 6);
		memcpy(B->dl_dst, K->dl_dst, 6);
		B->packet_type = K->packet_type;
	}
	if (K->packet_type != OF_PT_ETH)
		return;
	mac_field(&s, "src", K->dl_src, B->dl_src, M->dl_src);
	mac_field(&s, "dst", K->dl_dst, B->dl_dst, M->dl_dst);
	close_set(&s);
}

static void
label_text(struct wf_str *out, __be32 be)
{
	uint32_t lse = ntohl(be);

	wf_str_fmt(out, "label=%u,tc=%u,ttl=%u,bos=%u", lse >> 12, lse >> 9 & 7, lse & LSE_TTL,
		   lse >> 8 & 1);
}

static void
commit_mpls(struct plan_printer *p)
{
	unsigned base = n_labels(B), now = n_labels(K), common = 0;

	while (common < base && common < now &&
	       B->mpls_lse[base - 1 - common] == K->mpls_lse[now - 1 - common])
		common++;
	while (base > common) {
		if (base - 1 == common && now > common) {
			plan_text_comma(p);
			wf_str_put(p->out, "set(mpls(");
			label_text(p->out, K->mpls_lse[now - base]);
			wf_str_put(p->out, "))");
			B->mpls_lse[0] = K->mpls_lse[now - base];
			common++;
		} else {
			uint16_t type = base > 1 && !common && !now && base - 1 > common
						? ntohs(B->dl_type) : ntohs(K->dl_type);

			plan_text_comma(p);
			wf_str_fmt(p->out, "pop_mpls(eth_type=0x%x)", type);
			pop_label(B, type);
			base--;
		}
	}
	for (; base < now; base++) {
		plan_text_comma(p);
		wf_str_put(p->out, p->st.added_mpls ? "add_mpls(" : "push_mpls(");
		label_text(p->out, K->mpls_lse[now - base - 1]);
		wf_str_fmt(p->out, ",eth_type=0x%x)", ntohs(K->dl_type));
		memmove(&B->mpls_lse[1], &B->mpls_lse[0],
			(OF_MAX_MPLS - 1) * sizeof B->mpls_lse[0]);
		B->mpls_lse[0] = K->mpls_lse[now - base - 1];
	}
	B->dl_type = K->dl_type;
}

static void
commit_ip4(struct plan_printer *p)
{
	struct set_text s = { p, "ipv4", false };

	ip4_field(&s, "src", K->nw_src, &B->nw_src, M->nw_src);
	ip4_field(&s, "dst", K->nw_dst, &B->nw_dst, M->nw_dst);
	u8_field(&s, "proto", K->nw_proto, &B->nw_proto, M->nw_proto, false);
	u8_field(&s, "tos", K->nw_tos, &B->nw_tos, M->nw_tos, true);
	u8_field(&s, "ttl", K->nw_ttl, &B->nw_ttl, M->nw_ttl, false);
	close_set(&s);
}

static void
commit_ip6(struct plan_printer *p)
{
	struct set_text s = { p, "ipv6", false };

	ip6_field(&s, "src", &K->ipv6_src, &B->ipv6_src, &M->ipv6_src);
	ip6_field(&s, "dst", &K->ipv6_dst, &B->ipv6_dst, &M->ipv6_dst);
	if (field(&s, "label", &K->ipv6_label, &B->ipv6_label, 4)) {
		wf_str_fmt(p->out, "%#x", ntohl(K->ipv6_label));
		if ((M->ipv6_label & htonl(0xfffff)) != htonl(0xfffff))
			wf_str_fmt(p->out, "/%#x", ntohl(M->ipv6_label));
	}
	u8_field(&s, "proto", K->nw_proto, &B->nw_proto, M->nw_proto, false);
	u8_field(&s, "tclass", K->nw_tos, &B->nw_tos, M->nw_tos, true);
	u8_field(&s, "hlimit", K->nw_ttl, &B->nw_ttl, M->nw_ttl, false);
	close_set(&s);
}

static void
commit_arp(struct plan_printer *p)
{
	struct set_text s = { p, "arp", false };

	ip4_field(&s, "sip", K->nw_src, &B->nw_src, M->nw_src);
	ip4_field(&s, "tip", K->nw_dst, &B->nw_dst, M->nw_dst);
	u8_field(&s, "op", K->nw_proto, &B->nw_proto, M->nw_proto, false);
	mac_field(&s, "sha", K->arp_sha, B->arp_sha, M->arp_sha);
	mac_field(&s, "tha", K->arp_tha, B->arp_tha, M->arp_tha);
	close_set(&s);
}

static void
commit_l4(struct plan_printer *p)
{
	bool ip4 = K->dl_type == htons(0x0800);
	struct set_text s = { p, NULL, false };
	bool icmp = false;

	switch (K->nw_proto) {
	case IPPROTO_TCP:
		s.name = "tcp";
		break;
	case IPPROTO_UDP:
		s.name = "udp";
		break;
	case IPPROTO_SCTP:
		s.name = "sctp";
		break;
	case IPPROTO_ICMP:
		icmp = ip4;
		s.name = ip4 ? "icmp" : NULL;
		break;
	case IPPROTO_ICMPV6:
		icmp = !ip4;
		s.name = ip4 ? NULL : "icmpv6";
		break;
	default:
		break;
	}
	if (!s.name)
		return;
	be16_field(&s, icmp ? "type" : "src", K->tp_src, &B->tp_src,
		   icmp ? M->tp_src | htons(0xff00) : M->tp_src);
	be16_field(&s, icmp ? "code" : "dst", K->tp_dst, &B->tp_dst,
		   icmp ? M->tp_dst | htons(0xff00) : M->tp_dst);
	close_set(&s);
	if (K->nw_proto == IPPROTO_TCP && K->tcp_flags != B->tcp_flags) {
		plan_text_comma(p);
		wf_str_fmt(p->out, "set(tcp_flags(%#x))", ntohs(K->tcp_flags));
		B->tcp_flags = K->tcp_flags;
	}
	if (icmp && !ip4) {
		s.name = "nd";
		ip6_field(&s, "target", &K->nd_target, &B->nd_target, &M->nd_target);
		mac_field(&s, "sll", K->arp_sha, B->arp_sha, M->arp_sha);
		mac_field(&s, "tll", K->arp_tha, B->arp_tha, M->arp_tha);
		close_set(&s);
		s.name = "nd_ext";
		if (field(&s, "nd_reserved", &K->nd_reserved, &B->nd_reserved, 4))
			wf_str_fmt(p->out, "%#x", ntohl(K->nd_reserved));
		u8_field(&s, "nd_options_type", K->nd_options_type, &B->nd_options_type, 0xff, false);
		close_set(&s);
	}
}

static void
commit_vlans(struct plan_printer *p)
{
	unsigned base = n_tags(B), now = n_tags(K), common = 0;

	while (common < base && common < now &&
	       B->vlans[base - 1 - common].tci == K->vlans[now - 1 - common].tci &&
	       B->vlans[base - 1 - common].tpid == K->vlans[now - 1 - common].tpid)
		common++;
	for (; base > common; base--) {
		plan_text_comma(p);
		wf_str_put(p->out, "pop_vlan");
	}
	for (; base < now; base++) {
		const struct of_vlan *v = &K->vlans[now - 1 - base];

		plan_text_comma(p);
		wf_str_put(p->out, "push_vlan(");
		if (v->tpid != htons(0x8100))
			wf_str_fmt(p->out, "tpid=0x%04x,", ntohs(v->tpid));
		wf_str_fmt(p->out, "vid=%d,pcp=%d)", ntohs(v->tci) & OF_VLAN_VID_MASK,
			   ntohs(v->tci) >> OF_VLAN_PCP_SHIFT);
	}
	memcpy(B->vlans, K->vlans, sizeof B->vlans);
}

static void
meta_field(struct plan_printer *p, const char *name, uint32_t now, uint32_t *base, uint32_t mask)
{
	if (now == *base)
		return;
	plan_text_comma(p);
	wf_str_fmt(p->out, "set(%s(%#x", name, now);
	if (mask != UINT32_MAX)
		wf_str_fmt(p->out, "/%#x", mask);
	wf_str_put(p->out, "))");
	*base = now;
}

void
plan_text_commit(struct plan_printer *p)
{
	bool popped = is_mpls(B) && !is_mpls(K);

	if (p->st.added_mpls) {
		commit_mpls(p);
		B->packet_type = K->packet_type;
		p->st.added_mpls = false;
	}
	commit_eth(p);
	if (K->pbb_isid != B->pbb_isid || K->pbb_uca != B->pbb_uca) {
		plan_text_comma(p);
		wf_str_fmt(p->out, "set(pbb(isid=%u,uca=%u))", K->pbb_isid & 0xffffff, K->pbb_uca);
		B->pbb_isid = K->pbb_isid;
		B->pbb_uca = K->pbb_uca;
	}
	/* What lies below a label can be set only once it is gone. */
	if (popped)
		commit_mpls(p);
	switch (ntohs(K->dl_type)) {
	case 0x0800:
		commit_ip4(p);
		commit_l4(p);
		break;
	case 0x86dd:
		commit_ip6(p);
		commit_l4(p);
		break;
	case 0x0806:
	case 0x8035:
		commit_arp(p);
		break;
	default:
		break;
	}
	if (!popped && (is_mpls(K) || is_mpls(B)))
		commit_mpls(p);
	commit_vlans(p);
	meta_field(p, "skb_priority", K->skb_priority, &B->skb_priority, M->skb_priority);
	meta_field(p, "skb_mark", K->pkt_mark, &B->pkt_mark, M->pkt_mark);
}
