/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel operations in the action syntax of Open vSwitch. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "dataplane/plan_text_set.h"
#include "dataplane/tunnel.h"

static uint32_t
be(const uint8_t *p, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void
put_mac(struct wf_str *s, const uint8_t *m)
{
	wf_str_fmt(s, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* "{class=0xffff,type=0x1,len=4,0xa}" for each. */
static void
put_options(struct wf_str *s, const uint8_t *o, size_t size)
{
	while (size >= 4) {
		size_t len = (size_t)(o[3] & 0x1f) * 4, i = 0;

		wf_str_fmt(s, "{class=%#x,type=%#x,len=%zu", be(o, 2), o[2], len);
		if (len) {
			wf_str_put(s, ",0x");
			while (i + 1 < len && !o[4 + i])
				i++;
			wf_str_fmt(s, "%x", o[4 + i]);
			while (++i < len)
				wf_str_fmt(s, "%02x", o[4 + i]);
		}
		wf_str_putc(s, '}');
		o += 4 + len;
		size -= 4 + len;
	}
}

/* --- set(tunnel(...)) ------------------------------------------------------------------------- */

static void
put_item(struct wf_str *s, size_t start, const char *fmt, ...)
{
	va_list ap;

	if (s->len > start)
		wf_str_putc(s, ',');
	va_start(ap, fmt);
	wf_str_vfmt(s, fmt, ap);
	va_end(ap);
}

static void
put_address(struct wf_str *s, size_t start, const char *name, const struct in6_addr *a)
{
	if (IN6_IS_ADDR_UNSPECIFIED(a))
		return;
	put_item(s, start, "%s%s=", tnl_is_ipv4(a) ? "" : "ipv6_", name);
	tnl_put_address(s, a);
}

static void
put_flags(struct wf_str *s, size_t start, uint8_t flags)
{
	static const struct { uint8_t bit; const char *name; } names[] = {
		{ TNL_F_DF, "df" }, { TNL_F_CSUM, "csum" }, { TNL_F_KEY, "key" }, { TNL_F_OAM, "oam" },
	};
	const char *sep = "";

	put_item(s, start, "flags(");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (!(flags & names[i].bit))
			continue;
		wf_str_fmt(s, "%s%s", sep, names[i].name);
		sep = "|";
	}
	wf_str_putc(s, ')');
}

void
plan_text_set_tunnel(struct plan_printer *p, const struct op_set_tunnel *op)
{
	const struct tnl_meta *m = &op->meta;
	struct wf_str *s = p->out;
	size_t start;

	if (p->tunnel_is_set && !memcmp(&p->tunnel, m, sizeof *m))
		return;
	p->tunnel = *m;
	p->tunnel_is_set = true;
	plan_text_comma(p);
	wf_str_put(s, "set(tunnel(");
	start = s->len;
	if (m->flags & TNL_F_KEY)
		put_item(s, start, "tun_id=%#" PRIx64, m->id);
	put_address(s, start, "src", &m->src);
	put_address(s, start, "dst", &m->dst);
	if (m->tos)
		put_item(s, start, "tos=%#x", m->tos);
	put_item(s, start, "ttl=%u", m->ttl);
	if (m->tp_dst)
		put_item(s, start, "tp_dst=%u", m->tp_dst);
	if (m->gbp_id || m->gbp_flags)
		put_item(s, start, "vxlan(gbp(id=%u,flags=%#x))", m->gbp_id, m->gbp_flags);
	if (m->erspan_ver == 1)
		put_item(s, start, "erspan(ver=1,idx=%#x)", m->erspan_idx);
	else if (m->erspan_ver == 2)
		put_item(s, start, "erspan(ver=2,dir=%u,hwid=%#x)", m->erspan_dir, m->erspan_hwid);
	if (m->options_size) {
		put_item(s, start, "geneve(");
		put_options(s, m->options, m->options_size);
		wf_str_putc(s, ')');
	}
	put_flags(s, start, m->flags);
	wf_str_put(s, "))");
}

/* --- tnl_push(...) ------------------------------------------------------------------------------ */

/* The numbers of vport types that Open vSwitch prints. */
static const unsigned vport_type[] = {
	[TNL_GRE] = 3, [TNL_VXLAN] = 4, [TNL_GENEVE] = 5, [TNL_ERSPAN] = 107, [TNL_GTPU] = 110,
	[TNL_LISP] = 105,
};
#define VPORT_IP6ERSPAN 108u
#define VPORT_IP6GRE 109u

static void
put_ip(struct wf_str *s, const struct tnl_template *t)
{
	const uint8_t *ip = t->header + t->l3_ofs;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	if (t->is_ipv6) {
		inet_ntop(AF_INET6, ip + 8, src, sizeof src);
		inet_ntop(AF_INET6, ip + 24, dst, sizeof dst);
		wf_str_fmt(s, "ipv6(src=%s,dst=%s,label=%u,proto=%u,tclass=0x%x,hlimit=%u),", src, dst,
			   be(ip, 4) & 0xfffff, ip[6], be(ip, 4) >> 20 & 0xff, ip[7]);
	} else {
		inet_ntop(AF_INET, ip + 12, src, sizeof src);
		inet_ntop(AF_INET, ip + 16, dst, sizeof dst);
		wf_str_fmt(s, "ipv4(src=%s,dst=%s,proto=%u,tos=%#x,ttl=%u,frag=0x%x),", src, dst, ip[9],
			   ip[1], ip[8], be(ip + 6, 2));
	}
}

static void
put_udp(struct wf_str *s, const struct tnl_template *t)
{
	/* As Open vSwitch marks a checksum that is to be made. */
	wf_str_fmt(s, "udp(src=0,dst=%u,csum=0x%x),", be(t->header + t->l4_ofs + 2, 2),
		   t->has_csum ? 0xffff : 0);
}

static void
put_gre(struct wf_str *s, const uint8_t *gre)
{
	unsigned flags = be(gre, 2);

	wf_str_fmt(s, "gre((flags=0x%x,proto=0x%x)", flags, be(gre + 2, 2));
	gre += 4;
	if (flags & 0x8000) {
		wf_str_put(s, ",csum=0x0");
		gre += 4;
	}
	if (flags & 0x2000) {
		wf_str_fmt(s, ",key=0x%x", be(gre, 4));
		gre += 4;
	}
	if (flags & 0x1000)
		wf_str_fmt(s, ",seq=0x%x", be(gre, 4));
	wf_str_putc(s, ')');
}

static void
put_tunnel_header(struct wf_str *s, const struct tnl_template *t)
{
	const uint8_t *l4 = t->header + t->l4_ofs, *h = l4 + 8;

	if (tnl_ip_proto((enum tnl_type)t->type) == IPPROTO_UDP)
		put_udp(s, t);
	switch ((enum tnl_type)t->type) {
	case TNL_VXLAN:
		wf_str_fmt(s, "vxlan(flags=0x%x,vni=0x%x)", be(h, 4), be(h + 4, 3));
		break;
	case TNL_GENEVE:
		wf_str_fmt(s, "geneve(%s%svni=0x%x", h[1] & 0x80 ? "oam," : "", h[1] & 0x40 ? "crit," : "",
			   be(h + 4, 3));
		if (h[0] & 0x3f) {
			wf_str_put(s, ",options(");
			put_options(s, h + 8, (h[0] & 0x3f) * 4u);
			wf_str_putc(s, ')');
		}
		wf_str_putc(s, ')');
		break;
	case TNL_GRE:
		put_gre(s, l4);
		break;
	case TNL_ERSPAN:
		if (h[0] >> 4 == 1)
			wf_str_fmt(s, "erspan(ver=1,sid=0x%x,idx=0x%x)", be(h + 2, 2) & 0x3ff, be(h + 4, 4));
		else
			wf_str_fmt(s, "erspan(ver=2,sid=0x%x,dir=%u,hwid=0x%x)", be(h + 2, 2) & 0x3ff,
				   be(h + 10, 2) >> 3 & 1, be(h + 10, 2) >> 4 & 0x3f);
		break;
	case TNL_GTPU:
		wf_str_fmt(s, "gtpu(flags=0x%x,msgtype=%u,teid=0x%x)", h[0], h[1], be(h + 4, 4));
		break;
	case TNL_LISP:
		wf_str_fmt(s, "lisp(flags=0x%x,iid=0x%x)", h[0], h[0] & 8 ? be(h + 4, 3) : 0);
		break;
	case TNL_N_TYPES:
		break;
	}
}

void
plan_text_tunnel_push(struct plan_printer *p, const struct op_tunnel_push *op)
{
	const struct tnl_template *t = &op->t;
	struct wf_str *s = p->out;

	plan_text_comma(p);
	wf_str_fmt(s, "tnl_push(tnl_port(%" PRIu32 "),header(size=%u,type=%u,eth(dst=", op->number, t->size,
		   t->is_ipv6 && t->type == TNL_GRE      ? VPORT_IP6GRE
		   : t->is_ipv6 && t->type == TNL_ERSPAN ? VPORT_IP6ERSPAN
							 : vport_type[t->type]);
	put_mac(s, t->header);
	wf_str_put(s, ",src=");
	put_mac(s, t->header + 6);
	wf_str_fmt(s, ",dl_type=0x%04x),", be(t->header + 12, 2));
	put_ip(s, t);
	put_tunnel_header(s, t);
	wf_str_fmt(s, "),out_port(%" PRIu32 "))", op->out_number);
}

/* The outer packet's key, as the walk of the underlay saw it. */
void
plan_text_outer_key(const struct op_tunnel_push *op, struct of_key *k)
{
	const uint8_t *h = op->t.header, *ip = h + op->t.l3_ofs;

	memset(k, 0, sizeof *k);
	k->in_port = op->in_port;
	memcpy(k->dl_dst, h, 6);
	memcpy(k->dl_src, h + 6, 6);
	memcpy(&k->dl_type, h + 12, 2);
	k->nw_proto = tnl_ip_proto((enum tnl_type)op->t.type);
	if (op->t.is_ipv6) {
		k->nw_tos = (uint8_t)(be(ip, 2) >> 4);
		k->nw_ttl = ip[7];
		memcpy(&k->ipv6_src, ip + 8, 16);
		memcpy(&k->ipv6_dst, ip + 24, 16);
	} else {
		k->nw_tos = ip[1];
		k->nw_ttl = ip[8];
		memcpy(&k->nw_src, ip + 12, 4);
		memcpy(&k->nw_dst, ip + 16, 4);
	}
	if (k->nw_proto == IPPROTO_UDP)
		memcpy(&k->tp_dst, h + op->t.l4_ofs + 2, 2);
}
