// SPDX-License-Identifier: Apache-2.0
#include "openflow/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *
of_ct_state_name(uint32_t bit)
{
	switch (bit) {
	case OF_CS_NEW: return "new";
	case OF_CS_EST: return "est";
	case OF_CS_REL: return "rel";
	case OF_CS_RPL: return "rpl";
	case OF_CS_INV: return "inv";
	case OF_CS_TRK: return "trk";
	case OF_CS_SNAT: return "snat";
	case OF_CS_DNAT: return "dnat";
	default: return NULL;
	}
}

const char *
of_tun_flag_name(uint32_t bit)
{
	switch (bit) {
	case OF_TUN_F_OAM: return "oam";
	case OF_TUN_F_DF: return "df";
	case OF_TUN_F_CSUM: return "csum";
	case OF_TUN_F_KEY: return "key";
	default: return NULL;
	}
}

const char *
of_tcp_flag_name(uint32_t bit)
{
	static const char *const names[12] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece",
					       "cwr", "ns", "[200]", "[400]", "[800]" };

	return bit && bit <= 0x800 ? names[__builtin_ctz(bit)] : NULL;
}

void
of_flags_format(struct wf_str *s, of_flag_name_fn *name_of, uint32_t flags, char separator)
{
	uint32_t nameless = 0;

	if (!flags) {
		wf_str_putc(s, '0');
		return;
	}
	for (; flags; flags &= flags - 1) {
		uint32_t bit = flags & -flags;
		const char *name = name_of(bit);

		if (name) {
			wf_str_put(s, name);
			wf_str_putc(s, separator);
		} else {
			nameless |= bit;
		}
	}
	if (nameless)
		wf_str_fmt(s, "0x%x%c", nameless, separator);
	wf_str_chomp(s, separator);
}

void
of_flags_format_masked(struct wf_str *s, of_flag_name_fn *name_of, uint32_t flags, uint32_t mask,
		       uint32_t max_mask)
{
	if (mask == max_mask) {
		of_flags_format(s, name_of, flags, '|');
		return;
	}
	if (!mask) {
		wf_str_put(s, "0/0");
		return;
	}
	for (; mask; mask &= mask - 1) {
		uint32_t bit = mask & -mask;
		const char *name = name_of(bit);

		wf_str_putc(s, flags & bit ? '+' : '-');
		wf_str_put(s, name ? name : "[Unknown]");
	}
}

/* The flag whose name 's' starts with, followed by one of 'ends' or the end of the text. */
static uint32_t
flag_at(const char *s, of_flag_name_fn *name_of, const char *ends, size_t *ret_len)
{
	for (uint32_t bit = 1; bit; bit <<= 1) {
		const char *name = name_of(bit);
		size_t len = name ? strlen(name) : 0;

		if (name && !strncmp(s, name, len) && (!s[len] || strchr(ends, s[len]))) {
			*ret_len = len;
			return bit;
		}
	}
	return 0;
}

static char *
parse_signed_flags(const char *s, of_flag_name_fn *name_of, const char *what, uint32_t allowed,
		   uint32_t *flags, uint32_t *mask)
{
	*flags = *mask = 0;
	while (*s) {
		char sign = *s;
		size_t len = 0;

		if (sign != '+' && sign != '-')
			return wf_xasprintf("%s: %s must be preceded by '+' (for SET) or '-' "
					    "(NOT SET)", s, what);
		uint32_t bit = flag_at(++s, name_of, "+-", &len);
		if (bit & *mask)
			return wf_xasprintf("%s: Each %s flag can be specified only once", s, what);
		if (!bit || !(bit & allowed))
			return wf_xasprintf("%s: unknown %s flag(s)", s, what);
		*mask |= bit;
		if (sign == '+')
			*flags |= bit;
		s += len;
	}
	return NULL;
}

char *
of_flags_parse(const char *s, of_flag_name_fn *name_of, const char *what, uint32_t allowed,
	       uint32_t *flags, uint32_t *mask)
{
	const char *start = s;
	char *end;

	if (isdigit((unsigned char)*s)) {
		unsigned long long v = strtoull(s, &end, 0);

		if (*end == '/' && isdigit((unsigned char)end[1])) {
			unsigned long long m = strtoull(end + 1, &end, 0);

			if (*end || v & ~(uint64_t)allowed || m & ~(uint64_t)allowed)
				goto unknown;
			*flags = v;
			*mask = m;
			return NULL;
		}
	}
	if (*s == '+' || *s == '-')
		return parse_signed_flags(s, name_of, what, allowed, flags, mask);

	*flags = 0;
	*mask = UINT32_MAX;
	while (*s) {
		size_t len;

		if (isdigit((unsigned char)*s)) {
			unsigned long long v = strtoull(s, &end, 0);

			if (v & ~(uint64_t)allowed)
				goto unknown;
			*flags |= v;
			len = end - s;
		} else {
			uint32_t bit = flag_at(s, name_of, "|", &len);

			if (!bit || !(bit & allowed))
				goto unknown;
			*flags |= bit;
		}
		s += len + (s[len] == '|');
	}
	return NULL;
unknown:
	return wf_xasprintf("%s: unknown %s flag(s)", start, what);
}

void
of_u64_format(uint64_t v, struct wf_str *s)
{
	char buf[20], *p = buf + sizeof(buf);

	do {
		*--p = '0' + v % 10;
		v /= 10;
	} while (v);
	wf_str_putn(s, p, buf + sizeof(buf) - p);
}

void
of_x64_format(uint64_t v, struct wf_str *s)
{
	char buf[18], *p = buf + sizeof(buf);

	if (!v) {
		wf_str_putc(s, '0');
		return;
	}
	for (; v; v >>= 4)
		*--p = "0123456789abcdef"[v & 15];
	*--p = 'x';
	*--p = '0';
	wf_str_putn(s, p, buf + sizeof(buf) - p);
}

void
of_hex_format(const void *data, size_t size, struct wf_str *s)
{
	const uint8_t *p = data;

	while (size && !*p) {
		p++;
		size--;
	}
	if (!size) {
		wf_str_putc(s, '0');
		return;
	}
	wf_str_fmt(s, "0x%x", *p);
	wf_str_hex(s, p + 1, size - 1);
}

void
of_mac_format(const uint8_t mac[6], struct wf_str *s)
{
	char buf[18];

	for (int i = 0; i < 6; i++) {
		buf[3 * i] = "0123456789abcdef"[mac[i] >> 4];
		buf[3 * i + 1] = "0123456789abcdef"[mac[i] & 15];
		buf[3 * i + 2] = ':';
	}
	wf_str_putn(s, buf, 17);
}

void
of_ipv4_format(__be32 addr, struct wf_str *s)
{
	uint8_t b[4];

	memcpy(b, &addr, 4);
	for (int i = 0; i < 4; i++) {
		of_u64_format(b[i], s);
		if (i < 3)
			wf_str_putc(s, '.');
	}
}

void
of_ipv6_format(const struct in6_addr *addr, struct wf_str *s)
{
	char buf[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, addr, buf, sizeof(buf));
	wf_str_put(s, buf);
}

void
of_mac_format_masked(const uint8_t mac[6], const uint8_t mask[6], struct wf_str *s)
{
	of_mac_format(mac, s);
	if (mask && !of_bytes_all(mask, 6, 0xff)) {
		wf_str_putc(s, '/');
		of_mac_format(mask, s);
	}
}

void
of_ipv4_format_masked(__be32 addr, __be32 mask_be, struct wf_str *s)
{
	uint32_t mask = ntohl(mask_be), wild = ~mask;

	of_ipv4_format(addr, s);
	if (!wild)
		return;
	wf_str_putc(s, '/');
	if (wild & (wild + 1))
		of_ipv4_format(mask_be, s);
	else
		of_u64_format(__builtin_popcount(mask), s);
}

void
of_ipv6_format_masked(const struct in6_addr *addr, const struct in6_addr *mask, struct wf_str *s)
{
	unsigned bits = 0;

	of_ipv6_format(addr, s);
	if (!mask || of_bytes_all(mask, 16, 0xff))
		return;
	wf_str_putc(s, '/');
	while (mask->s6_addr[bits / 8] >> (7 - bits % 8) & 1)
		bits++;
	for (unsigned i = bits; i < 128; i++) {
		if (mask->s6_addr[i / 8] >> (7 - i % 8) & 1) {
			of_ipv6_format(mask, s);
			return;
		}
	}
	of_u64_format(bits, s);
}

static void
format_u16_masked(struct wf_str *s, uint16_t value, uint16_t mask)
{
	if (!mask) {
		wf_str_putc(s, '*');
		return;
	}
	wf_str_fmt(s, value > 9 ? "0x%x" : "%u", value);
	if (mask != UINT16_MAX)
		wf_str_fmt(s, "/0x%x", mask);
}

void
of_packet_type_format(uint32_t value, uint32_t mask, struct wf_str *s)
{
	if (value == OF_PT_ETH && mask == UINT32_MAX) {
		wf_str_put(s, "eth");
		return;
	}
	wf_str_put(s, "packet_type=(");
	format_u16_masked(s, value >> 16, mask >> 16);
	wf_str_putc(s, ',');
	format_u16_masked(s, value, mask);
	wf_str_putc(s, ')');
}

int
of_int_parse(const char *s, uint8_t *value, unsigned size, const char **tail)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		unsigned n = 0;

		memset(value, 0, size);
		for (s += 2;; s++) {
			s += strspn(s, " \t\r\n");
			if (!isxdigit((unsigned char)*s))
				break;
			unsigned digit = isdigit((unsigned char)*s) ? *s - '0' : (*s | 32) - 'a' + 10;

			if (!digit && !n)
				continue;
			if (++n > 2 * size)
				return ERANGE;
			for (unsigned i = 0; i < size; i++)
				value[i] = value[i] << 4 | (i + 1 < size ? value[i + 1] >> 4 : digit);
		}
		*tail = s;
		return 0;
	}
	char *end;
	errno = 0;
	unsigned long long v = strtoull(s, &end, 0);

	*tail = end;
	if (errno || end == s)
		return errno ? errno : EINVAL;
	for (unsigned i = size; i--; v >>= 8)
		value[i] = v;
	return v ? ERANGE : 0;
}

/* The length of a value up to one of 'ends', where parentheses nest. */
static size_t
value_len(const char *s, const char *ends)
{
	unsigned depth = 0;
	size_t n;

	for (n = 0; s[n]; n++) {
		if (!depth && strchr(ends, s[n]))
			break;
		if (s[n] == '(')
			depth++;
		else if (s[n] == ')' && depth)
			depth--;
	}
	return n;
}

bool
of_key_value_next(char **sp, char **key, char **value)
{
	char *s = *sp + strspn(*sp, ", \t\r\n");
	const char *ends;

	*key = s;
	if (!*s) {
		*sp = s;
		return false;
	}
	s += strcspn(s, ":=(, \t\r\n");
	char c = *s;

	*value = s;
	if (c)
		*s++ = '\0';
	if (c == ':' || c == '=')
		ends = ", \t\r\n";
	else if (c == '(')
		ends = ")";
	else {
		*sp = s;
		return true;
	}
	*value = s;
	s += value_len(s, ends);
	/* "(x)->y" is one value, "x)->y". */
	if (c == '(' && !strncmp(s, ")->", 3))
		s += value_len(s, ", \t\r\n");
	if (*s)
		*s++ = '\0';
	*sp = s;
	return true;
}

bool
of_protocol_parse(const char *name, uint16_t *dl_type, uint8_t *nw_proto)
{
	static const struct {
		char name[6];
		uint16_t dl_type;
		uint8_t nw_proto;
	} protocols[] = {
		{ "ip", 0x0800, 0 },
		{ "ipv4", 0x0800, 0 },
		{ "ip4", 0x0800, 0 },
		{ "arp", 0x0806, 0 },
		{ "icmp", 0x0800, IPPROTO_ICMP },
		{ "tcp", 0x0800, IPPROTO_TCP },
		{ "udp", 0x0800, IPPROTO_UDP },
		{ "sctp", 0x0800, IPPROTO_SCTP },
		{ "ipv6", 0x86dd, 0 },
		{ "ip6", 0x86dd, 0 },
		{ "icmp6", 0x86dd, IPPROTO_ICMPV6 },
		{ "tcp6", 0x86dd, IPPROTO_TCP },
		{ "udp6", 0x86dd, IPPROTO_UDP },
		{ "sctp6", 0x86dd, IPPROTO_SCTP },
		{ "rarp", 0x8035, 0 },
		{ "mpls", 0x8847, 0 },
		{ "mplsm", 0x8848, 0 },
	};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (!strcmp(protocols[i].name, name)) {
			*dl_type = protocols[i].dl_type;
			*nw_proto = protocols[i].nw_proto;
			return true;
		}
	}
	return false;
}
