/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct in6_addr
tnl_network(const struct in6_addr *a, unsigned plen)
{
	struct in6_addr m = *a;

	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = plen > i * 8 ? plen - i * 8 : 0;

		if (bits < 8)
			m.s6_addr[i] &= (uint8_t)(0xff00 >> bits);
	}
	return m;
}

bool
tnl_parse_address(const char *text, struct in6_addr *a)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*a = tnl_map_ipv4(&v4);
		return true;
	}
	return inet_pton(AF_INET6, text, a) == 1;
}

bool
tnl_parse_prefix(const char *text, struct in6_addr *addr, struct in6_addr *net, unsigned *plen)
{
	size_t n = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	unsigned max;

	if (n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (!tnl_parse_address(address, addr))
		return false;
	max = strchr(address, ':') ? 128 : 32;
	*plen = max;
	if (text[n]) {
		char *end;
		unsigned long p = strtoul(text + n + 1, &end, 10);

		if (text[n + 1] < '0' || text[n + 1] > '9' || *end || p > max)
			return false;
		*plen = (unsigned)p;
	}
	*plen += 128 - max;
	*net = tnl_network(addr, *plen);
	return true;
}

void
tnl_put_address(struct wf_str *s, const struct in6_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	if (tnl_is_ipv4(a))
		inet_ntop(AF_INET, a->s6_addr + 12, text, sizeof text);
	else
		inet_ntop(AF_INET6, a, text, sizeof text);
	wf_str_put(s, text);
}
