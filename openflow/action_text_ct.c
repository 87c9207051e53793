// SPDX-License-Identifier: Apache-2.0
/* Connection tracking as text. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

#define CT_COMMIT 1
#define CT_FORCE 2
#define NAT_SRC 1
#define NAT_DST 2
#define NAT_PERSISTENT 4
#define NAT_HASH 8
#define NAT_RANDOM 16

#define PORT_FTP 21
#define PORT_TFTP 69

static void
format_addr(const struct of_act_nat *nat, const struct in6_addr *addr, struct wf_str *s)
{
	__be32 ip;

	if (nat->family == AF_INET) {
		memcpy(&ip, addr, 4);
		of_ipv4_format(ip, s);
		return;
	}
	/* Ports follow: the address needs brackets. */
	if (nat->port_min)
		wf_str_putc(s, '[');
	of_ipv6_format(addr, s);
	if (nat->port_min)
		wf_str_putc(s, ']');
}

static void
format_nat(const struct of_act_nat *nat, struct wf_str *s)
{
	size_t size = nat->family == AF_INET6 ? 16 : 4;

	wf_str_put(s, "nat");
	if (!(nat->flags & (NAT_SRC | NAT_DST)))
		return;
	wf_str_put(s, nat->flags & NAT_SRC ? "(src" : "(dst");
	if (nat->family != AF_UNSPEC) {
		wf_str_putc(s, '=');
		format_addr(nat, &nat->addr_min, s);
		if (!is_zero((const uint8_t *)&nat->addr_max, size) &&
		    memcmp(&nat->addr_max, &nat->addr_min, size)) {
			wf_str_putc(s, '-');
			format_addr(nat, &nat->addr_max, s);
		}
		if (nat->port_min) {
			wf_str_fmt(s, ":%u", nat->port_min);
			if (nat->port_max && nat->port_max != nat->port_min)
				wf_str_fmt(s, "-%u", nat->port_max);
		}
		wf_str_putc(s, ',');
		if (nat->flags & NAT_PERSISTENT)
			wf_str_put(s, "persistent,");
		if (nat->flags & NAT_HASH)
			wf_str_put(s, "hash,");
		if (nat->flags & NAT_RANDOM)
			wf_str_put(s, "random,");
		wf_str_chomp(s, ',');
	}
	wf_str_putc(s, ')');
}

static void
format_ct(const struct of_act_ct *ct, const struct of_action_fmt *f)
{
	struct wf_str *s = f->s;
	size_t size;
	const struct of_action *inner = of_act_nested(&ct->a, sizeof(*ct), &size);

	wf_str_put(s, "ct(");
	if (ct->flags & CT_COMMIT)
		wf_str_put(s, "commit,");
	if (ct->flags & CT_FORCE)
		wf_str_put(s, "force,");
	if (ct->recirc_table != 255)
		wf_str_fmt(s, "table=%u,", ct->recirc_table);
	if (ct->zone_src.n_bits) {
		wf_str_put(s, "zone=");
		of_subfield_format(&ct->zone_src, s);
		wf_str_putc(s, ',');
	} else if (ct->zone_imm) {
		wf_str_fmt(s, "zone=%u,", ct->zone_imm);
	}
	/* A nat that comes first stands outside of exec(). */
	if (size && inner->type == OF_A_NAT) {
		format_nat((const struct of_act_nat *)inner, s);
		wf_str_putc(s, ',');
		size -= OF_ACTION_ALIGN(inner->size);
		inner = of_action_next(inner);
	}
	if (size) {
		wf_str_put(s, "exec(");
		of_actions_format_list(inner, size, f);
		wf_str_put(s, "),");
	}
	if (ct->alg == PORT_FTP)
		wf_str_put(s, "alg=ftp,");
	else if (ct->alg == PORT_TFTP)
		wf_str_put(s, "alg=tftp,");
	else if (ct->alg)
		wf_str_fmt(s, "alg=%u,", ct->alg);
	wf_str_chomp(s, ',');
	wf_str_putc(s, ')');
}

void
of_ct_format(const struct of_action *a, const struct of_action_fmt *f)
{
	switch (a->type) {
	case OF_A_CT:
		format_ct((const struct of_act_ct *)a, f);
		break;
	case OF_A_NAT:
		format_nat((const struct of_act_nat *)a, f->s);
		break;
	case OF_A_CT_CLEAR:
		wf_str_put(f->s, "ct_clear");
		break;
	}
}

/* --- Parsing --- */

/* An address at '*s', with or without brackets; moves '*s'. */
static bool
scan_addr(const char **s, int family, struct in6_addr *addr)
{
	char text[INET6_ADDRSTRLEN];
	bool bracket = **s == '[';
	const char *start = *s + bracket;
	size_t len = strspn(start, family == AF_INET ? "0123456789." : "0123456789abcdefABCDEF:.");

	if (len >= sizeof(text) || (bracket && (family == AF_INET || start[len] != ']')))
		return false;
	memcpy(text, start, len);
	text[len] = '\0';
	if (inet_pton(family, text, addr) != 1)
		return false;
	*s = start + len + bracket;
	return true;
}

static bool
scan_port(const char **s, uint16_t *port)
{
	char *end;
	unsigned long v = strtoul(*s, &end, 10);

	if (end == *s || v > UINT16_MAX)
		return false;
	*port = v;
	*s = end;
	return true;
}

static char *
parse_range(const char *text, struct of_act_nat *nat)
{
	const char *s = text;
	bool ok = true;

	if (scan_addr(&s, AF_INET, &nat->addr_min))
		nat->family = AF_INET;
	else if (scan_addr(&s, AF_INET6, &nat->addr_min))
		nat->family = AF_INET6;
	else
		nat->family = AF_UNSPEC;
	if (nat->family != AF_UNSPEC) {
		if (*s == '-') {
			s++;
			ok = scan_addr(&s, nat->family, &nat->addr_max) &&
			     memcmp(&nat->addr_max, &nat->addr_min,
				    nat->family == AF_INET ? 4 : 16) >= 0;
		}
		if (ok && *s == ':') {
			s++;
			ok = scan_port(&s, &nat->port_min);
			if (ok && *s == '-') {
				s++;
				ok = scan_port(&s, &nat->port_max) &&
				     nat->port_max >= nat->port_min;
			}
		}
	}
	if (!ok)
		return wf_xasprintf("invalid nat range \"%s\"", text);
	if (*s)
		return wf_xasprintf("garbage (%s) after nat range \"%s\" (pos: %d)", s, text,
				    (int)(s - text));
	return NULL;
}

static char *
parse_nat(struct of_action_parse *p, char *arg)
{
	struct of_act_nat *nat = of_action_put(p->list, OF_A_NAT, sizeof(*nat));
	char *key, *value, *error = NULL;

	while (!error && of_key_value_next(&arg, &key, &value)) {
		if (!strcmp(key, "src") || !strcmp(key, "dst")) {
			nat->flags |= *key == 's' ? NAT_SRC : NAT_DST;
			error = parse_range(value, nat);
		} else if (!strcmp(key, "persistent")) {
			nat->flags |= NAT_PERSISTENT;
		} else if (!strcmp(key, "hash")) {
			nat->flags |= NAT_HASH;
		} else if (!strcmp(key, "random")) {
			nat->flags |= NAT_RANDOM;
		} else {
			error = wf_xasprintf("invalid key \"%s\" in \"nat\" argument", key);
		}
	}
	if (error)
		return error;
	if (nat->flags & NAT_SRC && nat->flags & NAT_DST)
		return wf_xstrdup("May only specify one of \"src\" or \"dst\".");
	if (nat->flags && !(nat->flags & (NAT_SRC | NAT_DST)))
		return wf_xstrdup("Flags allowed only with \"src\" or \"dst\".");
	if (nat->flags & NAT_HASH && nat->flags & NAT_RANDOM)
		return wf_xstrdup("Both \"hash\" and \"random\" are not allowed.");
	return NULL;
}

static char *
parse_ct_table(const char *value, uint8_t *table)
{
	char *end;
	long v = strtol(value, &end, 0);

	if (end == value || *end || v < 0 || v > 255)
		return wf_xasprintf("unknown table %s", value);
	if (v == 255)
		return wf_xstrdup("invalid table 0xff");
	*table = v;
	return NULL;
}

static char *
parse_zone(const char *value, struct of_act_ct *ct)
{
	char *error = of_u16_parse(value, "zone", &ct->zone_imm);

	if (error) {
		free(error);
		error = of_subfield_parse_all(value, &ct->zone_src);
	}
	return error;
}

static char *
parse_ct(struct of_action_parse *p, char *arg)
{
	size_t ofs = p->list->size;
	struct of_act_ct ct = { .recirc_table = 255 };
	char *key, *value, *error = NULL;

	ct.a = *(struct of_action *)of_action_put(p->list, OF_A_CT, sizeof(ct));
	while (!error && of_key_value_next(&arg, &key, &value)) {
		if (!strcmp(key, "commit"))
			ct.flags |= CT_COMMIT;
		else if (!strcmp(key, "force"))
			ct.flags |= CT_FORCE;
		else if (!strcmp(key, "table"))
			error = parse_ct_table(value, &ct.recirc_table);
		else if (!strcmp(key, "zone"))
			error = parse_zone(value, &ct);
		else if (!strcmp(key, "alg") && !strcmp(value, "ftp"))
			ct.alg = PORT_FTP;
		else if (!strcmp(key, "alg") && !strcmp(value, "tftp"))
			ct.alg = PORT_TFTP;
		else if (!strcmp(key, "alg"))
			error = wf_xasprintf("invalid conntrack helper \"%s\"", value);
		else if (!strcmp(key, "nat"))
			error = parse_nat(p, value);
		else if (!strcmp(key, "exec"))
			error = of_actions_parse_nested(p, value, false, OF_A_CT);
		else
			error = wf_xasprintf("invalid argument to \"ct\" action: `%s'", key);
	}
	if (!error && ct.flags & CT_FORCE && !(ct.flags & CT_COMMIT))
		error = wf_xstrdup("\"force\" flag requires \"commit\" flag.");
	if (!error && p->list->size - ofs > OF_ACTION_MAX_SIZE)
		error = wf_xstrdup("input too big");
	if (error)
		return error;
	memcpy(wf_buf_at(p->list, ofs), &ct, sizeof(ct));
	of_action_finish(p->list, ofs);
	return NULL;
}

char *
of_ct_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	switch (type) {
	case OF_A_CT:
		return parse_ct(p, arg);
	case OF_A_NAT:
		return parse_nat(p, arg);
	default:
		put_u32_action(p->list, type, OF_RAW_NONE, 0);
		return NULL;
	}
}
