/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tunnels/address.h"

/* --- Types --------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum tnl_type type;
	uint16_t port;
	bool l2, l3; /* what it carries without extensions */
	bool csum, seq;
	bool is_built;
} types[] = {
	{ "erspan", TNL_ERSPAN, 0, true, false, false, false, true },
	{ "geneve", TNL_GENEVE, TNL_PORT_GENEVE, true, true, true, false, true },
	{ "gre", TNL_GRE, 0, true, true, true, true, true },
	{ "gtpu", TNL_GTPU, TNL_PORT_GTPU, false, true, false, false, true },
	{ "ip6erspan", TNL_ERSPAN, 0, true, false, false, false, true },
	{ "ip6gre", TNL_GRE, 0, true, true, true, true, true },
	{ "lisp", TNL_LISP, TNL_PORT_LISP, false, true, false, false, true },
	{ "vxlan", TNL_VXLAN, TNL_PORT_VXLAN, true, false, true, false, true },
	{ "bareudp", TNL_N_TYPES, 0, false, true, false, false, false },
	{ "stt", TNL_N_TYPES, 7471, true, false, false, false, false },
};
#define N_TYPES (sizeof types / sizeof types[0])

static size_t
type_index(const char *name)
{
	size_t i;

	for (i = 0; i < N_TYPES && strcmp(types[i].name, name); i++)
		;
	return i;
}

bool
tnl_is_tunnel_type(const char *type)
{
	return type_index(type) < N_TYPES;
}

unsigned
tnl_types_built(const char *names[], unsigned room)
{
	unsigned n = 0;

	for (size_t i = 0; i < N_TYPES && n < room; i++)
		if (types[i].is_built)
			names[n++] = types[i].name;
	return n;
}

bool
tnl_type_of(const char *type, enum tnl_type *t)
{
	size_t i = type_index(type);

	if (i == N_TYPES || !types[i].is_built)
		return false;
	*t = types[i].type;
	return true;
}

static bool
carries_l3(const struct tnl_config *c)
{
	return c->type == TNL_GRE || c->type == TNL_GENEVE || c->type == TNL_GTPU ||
	       c->type == TNL_LISP ||
	       (c->type == TNL_VXLAN && (c->exts & TNL_EXT_GPE));
}

static enum tnl_pt_mode
default_pt_mode(const struct tnl_config *c)
{
	return c->type == TNL_GTPU || c->type == TNL_LISP ? TNL_PT_LEGACY_L3 : TNL_PT_LEGACY_L2;
}

/* --- Values ---------------------------------------------------------------------------- */

struct parser {
	struct tnl_config *c;
	const char *name, *type;
	size_t type_index;
	struct wf_str *warnings;
	struct wf_err *err;
};

static bool
is_multicast(const struct in6_addr *a)
{
	return tnl_is_ipv4(a) ? (((const uint8_t *)a)[12] & 0xf0) == 0xe0 : IN6_IS_ADDR_MULTICAST(a);
}

/* A number in the base that its prefix says, up to 'max'. */
static bool
parse_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !*end && !errno && *value <= max;
}

static int
bad(struct parser *p, const char *key, const char *value, const char *rule)
{
	return wf_err(p->err, -EINVAL, "%s: %s tunnel: options:%s=%s: %s", p->name, p->type, key, value,
		      rule);
}

static int
take_endpoint(struct parser *p, const char *key, const char *value, struct in6_addr *a, bool *flow,
	      bool accept_multicast)
{
	if (!strcmp(value, "flow")) {
		*flow = true;
		return 0;
	}
	if (!tnl_parse_address(value, a)) {
		memset(a, 0, sizeof *a);
		wf_str_fmt(p->warnings, "%s: bad %s '%s'\n", p->name, p->type, key);
		return 0;
	}
	if (!accept_multicast && is_multicast(a))
		return wf_err(p->err, -EINVAL, "%s: multicast %s=%s not allowed", p->name, key, value);
	return 0;
}

static int
take_key(struct parser *p, const char *key, const char *value, bool in, bool out)
{
	struct tnl_config *c = p->c;
	bool flow = !strcmp(value, "flow");
	uint64_t id = 0;

	if (!flow && !parse_number(value, UINT64_MAX, &id))
		return bad(p, key, value, "must be \"flow\" or a number");
	if (in) {
		c->in_key_present = true;
		c->in_key_flow = flow;
		c->in_key = id;
	}
	if (out) {
		c->out_key_present = true;
		c->out_key_flow = flow;
		c->out_key = id;
	}
	return 0;
}

static void
take_tos(struct parser *p, const char *value)
{
	uint64_t tos;

	if (!strcmp(value, "inherit"))
		p->c->tos_inherit = true;
	else if (parse_number(value, 0xfc, &tos) && !(tos & 3))
		p->c->tos = (uint8_t)tos;
	else
		wf_str_fmt(p->warnings, "%s: invalid TOS %s\n", p->name, value);
}

static int
take_ttl(struct parser *p, const char *value)
{
	uint64_t ttl;

	if (!strcmp(value, "inherit"))
		p->c->ttl_inherit = true;
	else if (!parse_number(value, 255, &ttl))
		return bad(p, "ttl", value, "must be \"inherit\" or 1 to 255");
	else if (ttl)
		p->c->ttl = (uint8_t)ttl;
	return 0;
}

static void
take_exts(struct parser *p, const char *value)
{
	while (*value) {
		size_t n = strcspn(value, ",");

		if (n == 3 && !memcmp(value, "gbp", 3))
			p->c->exts |= TNL_EXT_GBP;
		else if (n == 3 && !memcmp(value, "gpe", 3))
			p->c->exts |= TNL_EXT_GPE;
		else if (n)
			wf_str_fmt(p->warnings, "%s: unknown extension '%.*s'\n", p->name, (int)n, value);
		value += n + (value[n] == ',');
	}
}

/* erspan_idx and erspan_hwid are hexadecimal with or without 0x. */
static int
take_erspan(struct parser *p, const char *key, const char *value)
{
	struct tnl_config *c = p->c;
	bool flow = !strcmp(value, "flow");
	unsigned long n = 0;

	if (!flow) {
		bool hex = !strcmp(key, "erspan_idx") || !strcmp(key, "erspan_hwid");
		char *end;

		n = strtoul(value, &end, hex ? 16 : 10);
		if (!*value || *end)
			return bad(p, key, value, "must be \"flow\" or a number");
	}
	if (!strcmp(key, "erspan_ver")) {
		if (!flow && n != 1 && n != 2)
			return wf_err(p->err, -EINVAL, "%s: invalid erspan version: %s", p->name, value);
		c->erspan_ver = (uint8_t)n;
		c->erspan_ver_flow = flow;
		if (flow)
			c->erspan_idx_flow = c->erspan_dir_flow = c->erspan_hwid_flow = true;
	} else if (!strcmp(key, "erspan_idx")) {
		if (n > 0xfffff)
			return wf_err(p->err, -EINVAL, "%s: invalid erspan index: %s", p->name, value);
		c->erspan_idx = (uint32_t)n;
		c->erspan_idx_flow = flow;
	} else if (!strcmp(key, "erspan_dir")) {
		if (n > 1)
			return wf_err(p->err, -EINVAL, "%s: invalid erspan direction: %s", p->name, value);
		c->erspan_dir = (uint8_t)n;
		c->erspan_dir_flow = flow;
	} else {
		if (n > 0x3f)
			return wf_err(p->err, -EINVAL, "%s: invalid erspan hardware ID: %s", p->name,
				      value);
		c->erspan_hwid = (uint8_t)n;
		c->erspan_hwid_flow = flow;
	}
	return 0;
}

/* Read by others: the IPsec monitor, BFD. */
static bool
is_foreign_option(const char *key)
{
	return !strcmp(key, "remote_cert") || !strcmp(key, "remote_name") || !strcmp(key, "psk");
}

static int
take_option(struct parser *p, const struct tnl_option *o)
{
	struct tnl_config *c = p->c;
	bool is_true = !strcmp(o->value, "true");
	const char *key = o->key;
	uint64_t n;

	if (!strcmp(key, "remote_ip"))
		return take_endpoint(p, key, o->value, &c->remote, &c->remote_flow, false);
	if (!strcmp(key, "local_ip"))
		return take_endpoint(p, key, o->value, &c->local, &c->local_flow, true);
	if (!strcmp(key, "in_key"))
		return take_key(p, key, o->value, true, false);
	if (!strcmp(key, "out_key"))
		return take_key(p, key, o->value, false, true);
	if (!strcmp(key, "ttl"))
		return take_ttl(p, o->value);
	if (!strncmp(key, "erspan_", 7) && c->type == TNL_ERSPAN &&
	    (!strcmp(key + 7, "ver") || !strcmp(key + 7, "idx") || !strcmp(key + 7, "dir") ||
	     !strcmp(key + 7, "hwid")))
		return take_erspan(p, key, o->value);
	if (!strcmp(key, "dst_port") && c->dst_port) {
		if (!parse_number(o->value, 65535, &n) || !n)
			return bad(p, key, o->value, "must be a UDP port, 1 to 65535");
		c->dst_port = (uint16_t)n;
	} else if (!strcmp(key, "egress_pkt_mark")) {
		if (!parse_number(o->value, UINT32_MAX, &n))
			return bad(p, key, o->value, "must be a number of 32 bits");
		c->egress_mark = (uint32_t)n;
		c->set_egress_mark = true;
	} else if (!strcmp(key, "tos")) {
		take_tos(p, o->value);
	} else if (!strcmp(key, "csum") && types[p->type_index].csum) {
		c->csum = is_true;
	} else if (!strcmp(key, "seq") && types[p->type_index].seq) {
		c->seq = is_true;
	} else if (!strcmp(key, "df_default")) {
		c->df = strcmp(o->value, "false") != 0;
	} else if (!strcmp(key, "pmtud")) {
		if (!is_true && strcmp(o->value, "false"))
			return bad(p, key, o->value, "must be \"true\" (whoever sends packets that do not "
				   "fit the path is told so by ICMP) or \"false\" (the default)");
		c->pmtud = is_true;
	} else if (!strcmp(key, "exts") && c->type == TNL_VXLAN) {
		take_exts(p, o->value);
	} else if (strcmp(key, "key") && strcmp(key, "packet_type") && !is_foreign_option(key)) {
		wf_str_fmt(p->warnings, "%s: unknown %s argument '%s'\n", p->name, p->type, key);
	}
	return 0;
}

static const char *
find(const struct tnl_option *o, unsigned n, const char *key)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(o[i].key, key))
			return o[i].value;
	return NULL;
}

static int
take_packet_type(struct parser *p, const char *value)
{
	struct tnl_config *c = p->c;
	const char *full = c->type != TNL_VXLAN ? p->type
			   : c->exts & TNL_EXT_GPE ? "VXLAN-GPE" : "VXLAN (without GPE)";

	c->pt_mode = default_pt_mode(c);
	if (!value)
		return 0;
	if (!strcmp(value, "legacy_l2")) {
		c->pt_mode = TNL_PT_LEGACY_L2;
		if (!types[p->type_index].l2)
			return wf_err(p->err, -EINVAL, "%s: legacy_l2 configured on %s tunnel that "
				      "cannot carry L2 traffic", p->name, full);
	} else if (!strcmp(value, "legacy_l3")) {
		c->pt_mode = TNL_PT_LEGACY_L3;
		if (!carries_l3(c))
			return wf_err(p->err, -EINVAL, "%s: legacy_l3 configured on %s tunnel that "
				      "cannot carry L3 traffic", p->name, full);
	} else if (!strcmp(value, "ptap")) {
		c->pt_mode = TNL_PT_AWARE;
	} else {
		return wf_err(p->err, -EINVAL, "%s: unknown packet_type '%s'", p->name, value);
	}
	return 0;
}

static int
check_endpoints(struct parser *p)
{
	const struct tnl_config *c = p->c;
	bool has_remote = !IN6_IS_ADDR_UNSPECIFIED(&c->remote);
	bool has_local = !IN6_IS_ADDR_UNSPECIFIED(&c->local);

	if (!has_remote && !c->remote_flow)
		return wf_err(p->err, -EINVAL, "%s: %s type requires valid 'remote_ip' argument", p->name,
			      p->type);
	if (c->local_flow && !c->remote_flow)
		return wf_err(p->err, -EINVAL, "%s: %s type requires 'remote_ip=flow' with "
			      "'local_ip=flow'", p->name, p->type);
	if (has_remote && has_local && tnl_is_ipv4(&c->remote) != tnl_is_ipv4(&c->local))
		return wf_err(p->err, -EINVAL, "%s: 'remote_ip' and 'local_ip' has to be of the same "
			      "address family", p->name);
	return 0;
}

int
tnl_config_parse(struct tnl_config *config, const char *name, const char *type,
		 const struct tnl_option *o, unsigned n, struct wf_str *warnings, struct wf_err *err)
{
	struct tnl_config c = { .ttl = TNL_DEFAULT_TTL, .df = true };
	struct parser p = { &c, name, type, type_index(type), warnings, err };
	const char *key = find(o, n, "key");
	int rc;

	if (p.type_index == N_TYPES)
		return wf_err(err, -EINVAL, "%s: type %s is no tunnel", name, type);
	if (!types[p.type_index].is_built)
		return wf_err(err, -EINVAL, "%s: tunnels of type %s are not built; use vxlan, geneve or "
			      "gre", name, type);
	c.type = types[p.type_index].type;
	c.is_ip6_type = !strncmp(type, "ip6", 3);
	c.dst_port = types[p.type_index].port;
	/* in_key and out_key before key, wherever they stand. */
	if (key && (rc = take_key(&p, "key", key, !find(o, n, "in_key"), !find(o, n, "out_key"))))
		return rc;
	for (unsigned i = 0; i < n; i++)
		if ((rc = take_option(&p, &o[i])))
			return rc;
	if ((rc = take_packet_type(&p, find(o, n, "packet_type"))) || (rc = check_endpoints(&p)))
		return rc;
	*config = c;
	return 0;
}

/* --- Text ---------------------------------------------------------------------------------- */

static void
put(struct wf_str *s, size_t start, const char *key, const char *fmt, ...)
{
	va_list ap;

	wf_str_fmt(s, "%s%s=", s->len > start ? ", " : "", key);
	va_start(ap, fmt);
	wf_str_vfmt(s, fmt, ap);
	va_end(ap);
}

static void
put_address(struct wf_str *s, size_t start, const char *key, const struct in6_addr *a, bool flow)
{
	if (!IN6_IS_ADDR_UNSPECIFIED(a)) {
		put(s, start, key, "%s", "");
		tnl_put_address(s, a);
	} else if (flow) {
		put(s, start, key, "flow");
	}
}

static void
put_key(struct wf_str *s, size_t start, const char *name, bool present, bool flow, uint64_t key)
{
	if (flow)
		put(s, start, name, "flow");
	else if (present)
		put(s, start, name, "%" PRIu64, key);
}

static uint16_t
default_port(enum tnl_type type)
{
	size_t i = 0;

	while (types[i].type != type)
		i++;
	return types[i].port;
}

static void
put_or_flow(struct wf_str *s, size_t start, const char *key, bool flow, const char *fmt, unsigned value)
{
	put(s, start, key, flow ? "flow" : fmt, value);
}

static void
put_erspan(struct wf_str *s, size_t start, const struct tnl_config *c)
{
	if (c->erspan_ver_flow || c->erspan_ver == 2) {
		put_or_flow(s, start, "erspan_dir", c->erspan_dir_flow, "%u", c->erspan_dir);
		put_or_flow(s, start, "erspan_hwid", c->erspan_hwid_flow, "0x%x", c->erspan_hwid);
	}
	if (c->erspan_ver_flow || c->erspan_ver == 1)
		put_or_flow(s, start, "erspan_idx", c->erspan_idx_flow, "0x%x", c->erspan_idx);
	put_or_flow(s, start, "erspan_ver", c->erspan_ver_flow, "%u", c->erspan_ver);
}

void
tnl_config_format(const struct tnl_config *c, struct wf_str *s)
{
	bool same_key = (c->in_key_flow && c->out_key_flow) ||
			(!c->in_key_flow && !c->out_key_flow && c->in_key_present &&
			 c->out_key_present && c->in_key == c->out_key);
	size_t start = s->len;

	if (c->csum)
		put(s, start, "csum", "true");
	if (!c->df)
		put(s, start, "df_default", "false");
	if (c->dst_port != default_port(c->type))
		put(s, start, "dst_port", "%u", c->dst_port);
	if (c->set_egress_mark)
		put(s, start, "egress_pkt_mark", "%" PRIu32, c->egress_mark);
	if (c->type == TNL_ERSPAN)
		put_erspan(s, start, c);
	if (!same_key)
		put_key(s, start, "in_key", c->in_key_present, c->in_key_flow, c->in_key);
	if (same_key)
		put_key(s, start, "key", true, c->in_key_flow, c->in_key);
	put_address(s, start, "local_ip", &c->local, c->local_flow);
	if (!same_key)
		put_key(s, start, "out_key", c->out_key_present, c->out_key_flow, c->out_key);
	if (c->pt_mode != default_pt_mode(c))
		put(s, start, "packet_type", "%s", c->pt_mode == TNL_PT_LEGACY_L2 ? "legacy_l2"
						   : c->pt_mode == TNL_PT_LEGACY_L3 ? "legacy_l3" : "ptap");
	if (c->pmtud)
		put(s, start, "pmtud", "true");
	put_address(s, start, "remote_ip", &c->remote, c->remote_flow);
	if (c->seq)
		put(s, start, "seq", "true");
	if (c->tos_inherit)
		put(s, start, "tos", "inherit");
	else if (c->tos)
		put(s, start, "tos", "0x%x", c->tos);
	if (c->ttl_inherit)
		put(s, start, "ttl", "inherit");
	else if (c->ttl != TNL_DEFAULT_TTL)
		put(s, start, "ttl", "%u", c->ttl);
}
