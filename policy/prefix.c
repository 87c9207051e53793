// SPDX-License-Identifier: Apache-2.0
#include "policy/prefix.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pol_addr
pol_addr_from_bytes(int family, const void *bytes)
{
	struct pol_addr a = { .family = family };
	uint64_t halves[2] = { 0, 0 };

	memcpy(halves, bytes, family == 4 ? 4 : 16);
	a.hi = be64toh(halves[0]);
	a.lo = be64toh(halves[1]);
	return a;
}

void
pol_addr_to_bytes(const struct pol_addr *a, void *bytes)
{
	uint64_t halves[2] = { htobe64(a->hi), htobe64(a->lo) };

	memcpy(bytes, halves, a->family == 4 ? 4 : 16);
}

bool
pol_addr_from_sockaddr(const struct sockaddr *sa, struct pol_addr *ret)
{
	if (sa->sa_family == AF_INET) {
		*ret = pol_addr_from_bytes(4, &((const struct sockaddr_in *)sa)->sin_addr);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;

	*ret = IN6_IS_ADDR_V4MAPPED(in6) ? pol_addr_from_bytes(4, &in6->s6_addr[12])
					 : pol_addr_from_bytes(6, in6);
	return true;
}

bool
pol_addr_parse(const char *text, struct pol_addr *ret)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*ret = pol_addr_from_bytes(4, bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*ret = pol_addr_from_bytes(6, bytes);
	else
		return false;
	return true;
}

char *
pol_addr_format(const struct pol_addr *a, char text[POL_PREFIX_STRLEN])
{
	uint8_t bytes[16];

	pol_addr_to_bytes(a, bytes);
	if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, bytes, text, POL_PREFIX_STRLEN))
		text[0] = '\0';
	return text;
}

int
pol_prefix_parse(const char *text, struct pol_prefix *ret, struct wf_err *err)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	struct pol_prefix p;

	if (n >= sizeof address)
		return wf_err(err, -EINVAL,
			      "\"%.60s\" is no prefix; write 192.0.2.0/24 or 2001:db8::/32", text);
	memcpy(address, text, n);
	address[n] = '\0';
	if (!pol_addr_parse(address, &p.addr))
		return wf_err(err, -EINVAL,
			      "\"%.60s\" is no prefix; write 192.0.2.0/24 or 2001:db8::/32", text);
	unsigned bits = pol_family_bits(p.addr.family);

	p.len = bits;
	if (slash) {
		/* strtoul() would take "+8", " 8" and "8x". */
		size_t digits = strspn(slash + 1, "0123456789");
		unsigned long len = digits && digits < 4 ? strtoul(slash + 1, NULL, 10) : 999;

		if (!digits || slash[1 + digits] || len > bits)
			return wf_err(err, -EINVAL,
				      "\"%s\": the length of an IPv%d prefix is 0 to %u", text,
				      p.addr.family, bits);
		p.len = len;
	}
	struct pol_prefix masked = { pol_addr_mask(p.addr, p.len), p.len };

	if (pol_addr_cmp(&masked.addr, &p.addr)) {
		char meant[POL_PREFIX_STRLEN];

		return wf_err(err, -EINVAL, "\"%s\" has bits set past its length; the prefix is %s",
			      text, pol_prefix_format(&masked, meant));
	}
	*ret = p;
	return 0;
}

char *
pol_prefix_format(const struct pol_prefix *p, char text[POL_PREFIX_STRLEN])
{
	pol_addr_format(&p->addr, text);
	size_t n = strlen(text);

	snprintf(text + n, POL_PREFIX_STRLEN - n, "/%u", p->len);
	return text;
}

bool
pol_prefix_has(const struct pol_prefix *p, const struct pol_addr *a)
{
	struct pol_addr m = pol_addr_mask(*a, p->len);

	return a->family == p->addr.family && !pol_addr_cmp(&m, &p->addr);
}
