// SPDX-License-Identifier: Apache-2.0
/* Values of fields, and ports, as text. */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "openflow/field.h"
#include "openflow/text.h"

static const struct {
	const char *name;
	of_port_t port;
} reserved_ports[] = {
	{ "IN_PORT", OF_PORT_IN_PORT },
	{ "TABLE", OF_PORT_TABLE },
	{ "NORMAL", OF_PORT_NORMAL },
	{ "FLOOD", OF_PORT_FLOOD },
	{ "ALL", OF_PORT_ALL },
	{ "CONTROLLER", OF_PORT_CONTROLLER },
	{ "LOCAL", OF_PORT_LOCAL },
	{ "ANY", OF_PORT_ANY },
	{ "UNSET", OF_PORT_UNSET },
	{ "NONE", OF_PORT_NONE }, /* read, not written */
};
#define N_RESERVED (sizeof(reserved_ports) / sizeof(reserved_ports[0]))

/* Names that could be read as something else are written as JSON strings. */
static void
put_port_name(const char *name, struct wf_str *s)
{
	bool bare = isalpha((unsigned char)*name);

	for (const char *p = name; *p && bare; p++)
		bare = isalnum((unsigned char)*p);
	if (bare) {
		wf_str_put(s, name);
		return;
	}
	wf_str_putc(s, '"');
	for (const char *p = name; *p; p++) {
		if (*p == '"' || *p == '\\')
			wf_str_putc(s, '\\');
		if ((unsigned char)*p < 0x20)
			wf_str_fmt(s, "\\u%04x", *p);
		else
			wf_str_putc(s, *p);
	}
	wf_str_putc(s, '"');
}

void
of_port_format(of_port_t port, of_port_name_fn *port_name, void *aux, struct wf_str *s)
{
	if (port >= OF_PORT_UNSET) {
		for (size_t i = 0; i < N_RESERVED; i++) {
			if (reserved_ports[i].port == port) {
				wf_str_put(s, reserved_ports[i].name);
				return;
			}
		}
	}
	const char *name = port_name ? port_name(aux, port) : NULL;

	if (name)
		put_port_name(name, s);
	else
		of_u64_format(port >= OF_PORT_MAX ? of_port_to_u16(port) : port, s);
}

bool
of_port_parse(const char *text, of_port_number_fn *port_number, void *aux, of_port_t *ret_port)
{
	char *end;

	if (isdigit((unsigned char)*text)) {
		errno = 0;
		unsigned long v = strtoul(text, &end, 10);

		if (!*end && !errno && v <= UINT32_MAX) {
			/* 16-bit reserved numbers mean the reserved ports, as ever. */
			*ret_port = v <= UINT16_MAX ? of_port_from_u16(v) : v;
			return true;
		}
	}
	for (size_t i = 0; i < N_RESERVED; i++) {
		if (!strcasecmp(reserved_ports[i].name, text)) {
			*ret_port = reserved_ports[i].port;
			return true;
		}
	}
	if (!port_number || *text == '-')
		return false;
	size_t len = strlen(text);
	if (len > 1 && text[0] == '"' && text[len - 1] == '"') {
		char *bare = wf_xstrdup(text + 1), *to = bare;

		bare[len - 2] = '\0';
		for (const char *p = bare; *p; p++) {
			if (*p == '\\' && p[1])
				p++;
			*to++ = *p;
		}
		*to = '\0';
		*ret_port = port_number(aux, bare);
		free(bare);
	} else {
		*ret_port = port_number(aux, text);
	}
	return *ret_port != OF_PORT_NONE;
}

/* Fragment handling: OF_FRAG_ANY and OF_FRAG_LATER under a mask. */
static const struct {
	const char *name;
	uint8_t mask, value;
} frags[] = {
	{ "no", OF_FRAG_MASK, 0 },
	{ "first", OF_FRAG_MASK, OF_FRAG_ANY },
	{ "later", OF_FRAG_MASK, OF_FRAG_ANY | OF_FRAG_LATER },
	{ "no", OF_FRAG_ANY, 0 },
	{ "yes", OF_FRAG_ANY, OF_FRAG_ANY },
	{ "not_later", OF_FRAG_LATER, 0 },
	{ "later", OF_FRAG_LATER, OF_FRAG_LATER },
};
#define N_FRAGS (sizeof(frags) / sizeof(frags[0]))

static const char *
frag_name(uint8_t value, uint8_t mask)
{
	mask &= OF_FRAG_MASK;
	for (size_t i = 0; i < N_FRAGS; i++) {
		if (frags[i].mask == mask && frags[i].value == (value & mask))
			return frags[i].name;
	}
	return "<error>";
}

static void
format_int(const struct of_field *f, const union of_value *v, const union of_value *mask,
	   struct wf_str *s)
{
	if (f->text == OF_TEXT_HEX || f->n_bytes > 8) {
		of_hex_format(v, f->n_bytes, s);
	} else {
		uint64_t n = 0;

		for (unsigned i = 0; i < f->n_bytes; i++)
			n = n << 8 | v->b[i];
		of_u64_format(n, s);
	}
	if (mask) {
		wf_str_putc(s, '/');
		of_hex_format(mask, f->n_bytes, s);
	}
}

void
of_field_format_value(const struct of_field *f, const union of_value *v,
		      const union of_value *mask, struct wf_str *s)
{
	if (mask) {
		if (of_value_is_zero(f, mask)) {
			wf_str_put(s, "ANY");
			return;
		}
		if (of_value_is_all_ones(f, mask))
			mask = NULL;
	}
	switch (f->text) {
	case OF_TEXT_OFP_PORT:
	case OF_TEXT_OFP_PORT_OXM:
		if (mask) {
			format_int(f, v, mask, s);
			break;
		}
		of_port_format(f->text == OF_TEXT_OFP_PORT ? of_port_from_u16(ntohs(v->be16))
							   : ntohl(v->be32),
			       NULL, NULL, s);
		break;
	case OF_TEXT_DECIMAL:
	case OF_TEXT_HEX:
		format_int(f, v, mask, s);
		break;
	case OF_TEXT_CT_STATE:
		of_flags_format_masked(s, of_ct_state_name, ntohl(v->be32),
				       mask ? ntohl(mask->be32) : UINT32_MAX, UINT16_MAX);
		break;
	case OF_TEXT_ETHERNET:
		of_mac_format_masked(v->b, mask ? mask->b : NULL, s);
		break;
	case OF_TEXT_IPV4:
		of_ipv4_format_masked(v->be32, mask ? mask->be32 : (__be32)UINT32_MAX, s);
		break;
	case OF_TEXT_IPV6:
		of_ipv6_format_masked((const struct in6_addr *)v->b,
				      mask ? (const struct in6_addr *)mask->b : NULL, s);
		break;
	case OF_TEXT_FRAG:
		wf_str_put(s, frag_name(v->b[0], mask ? mask->b[0] : 0xff));
		break;
	case OF_TEXT_TUN_FLAGS:
		of_flags_format_masked(s, of_tun_flag_name, ntohs(v->be16),
				       mask ? ntohs(mask->be16) & OF_TUN_F_OAM : OF_TUN_F_OAM,
				       OF_TUN_F_OAM);
		break;
	case OF_TEXT_TCP_FLAGS:
		of_flags_format_masked(s, of_tcp_flag_name, ntohs(v->be16),
				       mask ? ntohs(mask->be16) & 0xfff : 0xfff, 0xfff);
		break;
	case OF_TEXT_PACKET_TYPE:
		of_packet_type_format(ntohl(v->be32), mask ? ntohl(mask->be32) : UINT32_MAX, s);
		break;
	}
}

static char *
parse_int(const struct of_field *f, const char *s, uint8_t *v, uint8_t *mask)
{
	const char *tail, *part = "value";
	int err = of_int_parse(s, v, f->n_bytes, &tail);

	if (err || (*tail && *tail != '/'))
		goto bad;
	memset(mask, 0xff, f->n_bytes);
	if (*tail == '/') {
		part = "mask";
		err = of_int_parse(tail + 1, mask, f->n_bytes, &tail);
		if (err || *tail)
			goto bad;
	}
	return NULL;
bad:
	if (err == ERANGE)
		return wf_xasprintf("%s: %s too large for %u-byte field %s", s, part, f->n_bytes,
				    f->name);
	return wf_xasprintf("%s: bad syntax for %s %s", s, f->name, part);
}

/* Six pairs of hexadecimal digits.  Returns what follows, or NULL. */
static const char *
scan_mac(const char *s, uint8_t mac[6])
{
	int n = 0;

	if (sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5], &n) != 6)
		return NULL;
	return s + n;
}

static char *
parse_mac(const char *s, uint8_t *mac, uint8_t *mask)
{
	const char *end = scan_mac(s, mac);

	memset(mask, 0xff, 6);
	if (end && *end == '/')
		end = scan_mac(end + 1, mask);
	return end && !*end ? NULL : wf_xasprintf("%s: invalid Ethernet address", s);
}

/* "a", "a/bits" or "a/mask", where an address has 'size' bytes. */
static char *
parse_ip(const char *s, int family, uint8_t *addr, uint8_t *mask)
{
	unsigned size = family == AF_INET ? 4 : 16, bits = size * 8;
	size_t len = strcspn(s, "/");
	char text[INET6_ADDRSTRLEN];

	if (len >= sizeof(text))
		goto bad;
	memcpy(text, s, len);
	text[len] = '\0';
	if (inet_pton(family, text, addr) != 1)
		goto bad;
	memset(mask, 0xff, size);
	if (!s[len])
		return NULL;
	if (inet_pton(family, s + len + 1, mask) == 1)
		return NULL;

	char *end;
	long prefix = strtol(s + len + 1, &end, 10);
	if (end == s + len + 1 || *end)
		goto bad;
	if (prefix < 0 || prefix > (long)bits)
		return wf_xasprintf("%s: IPv%d network prefix bits not between 0 and %u, "
				    "inclusive", s, family == AF_INET ? 4 : 6, bits);
	memset(mask, 0, size);
	of_bits_one(mask, size, bits - prefix, prefix);
	return NULL;
bad:
	return wf_xasprintf(family == AF_INET ? "%s: invalid IP address"
					      : "%s: invalid IPv6 address", s);
}

static char *
parse_frag(const char *s, uint8_t *v, uint8_t *mask)
{
	for (size_t i = 0; i < N_FRAGS; i++) {
		if (!strcasecmp(s, frags[i].name)) {
			*v = frags[i].value;
			*mask = frags[i].mask | (uint8_t)~OF_FRAG_MASK;
			return NULL;
		}
	}
	return wf_xasprintf("%s: unknown fragment type (valid types are \"no\", \"yes\", \"first\", "
			    "\"later\", \"not_later\"", s);
}

static char *
parse_packet_type(const char *s, uint8_t *v)
{
	const char *tail = s;

	if (*s != '(')
		return wf_xasprintf("%s: bad syntax for packet type missing '('", s);
	if (of_int_parse(tail + 1, v, 2, &tail))
		return wf_xasprintf("%s: bad syntax for packet type ns", s);
	if (*tail != ',')
		return wf_xasprintf("%s: bad syntax for packet type missing ','", s);
	if (of_int_parse(tail + 1, v + 2, 2, &tail))
		return wf_xasprintf("%s: bad syntax for packet type ns_type", s);
	if (*tail != ')')
		return wf_xasprintf("%s: bad syntax for packet type missing ')'", s);
	return NULL;
}

static char *
parse_flags(const struct of_field *f, const char *s, union of_value *v, union of_value *mask)
{
	uint32_t flags, m;
	char *error;

	switch (f->text) {
	case OF_TEXT_CT_STATE:
		error = of_flags_parse(s, of_ct_state_name, "ct_state", 0xff, &flags, &m);
		break;
	case OF_TEXT_TUN_FLAGS:
		error = of_flags_parse(s, of_tun_flag_name, "tunnel", OF_TUN_F_OAM, &flags, &m);
		break;
	default:
		error = of_flags_parse(s, of_tcp_flag_name, "TCP", 0xfff, &flags, &m);
		break;
	}
	if (error)
		return error;
	if (f->n_bytes == 2) {
		v->be16 = htons(flags);
		mask->be16 = htons(m);
	} else {
		v->be32 = htonl(flags);
		mask->be32 = htonl(m);
	}
	return NULL;
}

char *
of_field_parse_value_ports(const struct of_field *f, const char *s, of_port_number_fn *port_number,
			   void *aux, union of_value *v, union of_value *mask)
{
	char *error = NULL;
	of_port_t port;

	if (!strcmp(s, "*")) {
		memset(v, 0, f->n_bytes);
		memset(mask, 0, f->n_bytes);
		return NULL;
	}
	memset(mask, 0xff, f->n_bytes);
	switch (f->text) {
	case OF_TEXT_DECIMAL:
	case OF_TEXT_HEX:
		error = parse_int(f, s, v->b, mask->b);
		break;
	case OF_TEXT_CT_STATE:
	case OF_TEXT_TUN_FLAGS:
	case OF_TEXT_TCP_FLAGS:
		error = parse_flags(f, s, v, mask);
		break;
	case OF_TEXT_ETHERNET:
		error = parse_mac(s, v->b, mask->b);
		break;
	case OF_TEXT_IPV4:
		error = parse_ip(s, AF_INET, v->b, mask->b);
		break;
	case OF_TEXT_IPV6:
		error = parse_ip(s, AF_INET6, v->b, mask->b);
		break;
	case OF_TEXT_OFP_PORT:
		if (!of_port_parse(s, port_number, aux, &port))
			return wf_xasprintf("%s: invalid or unknown port for %s", s, f->name);
		v->be16 = htons(of_port_to_u16(port));
		break;
	case OF_TEXT_OFP_PORT_OXM:
		if (!of_port_parse(s, port_number, aux, &port))
			return wf_xasprintf("%s: port value out of range for %s", s, f->name);
		v->be32 = htonl(port);
		break;
	case OF_TEXT_FRAG:
		error = parse_frag(s, v->b, mask->b);
		break;
	case OF_TEXT_PACKET_TYPE:
		error = parse_packet_type(s, v->b);
		break;
	}
	if (!error && !f->maskable && !of_value_is_zero(f, mask) && !of_value_is_all_ones(f, mask))
		error = wf_xasprintf("%s: invalid mask for field %s", s, f->name);
	return error;
}

char *
of_field_parse_value(const struct of_field *f, const char *s, union of_value *v,
		     union of_value *mask)
{
	return of_field_parse_value_ports(f, s, NULL, NULL, v, mask);
}
