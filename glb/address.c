// SPDX-License-Identifier: Apache-2.0
#include "glb/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
glb_name_is_good(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	return n >= 1 && n <= 63 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

bool
glb_address_parse(const char *text, struct in6_addr *ret)
{
	struct in_addr v4;

	if (!text)
		return false;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		memset(ret, 0, sizeof *ret);
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		memcpy(&ret->s6_addr[12], &v4, sizeof v4);
		return true;
	}
	return inet_pton(AF_INET6, text, ret) == 1;
}

bool
glb_prefix_parse(const char *text, struct in6_addr *ret, unsigned *ret_len)
{
	char address[INET6_ADDRSTRLEN + 1];
	const char *slash = text ? strchr(text, '/') : NULL;
	size_t n = slash ? (size_t)(slash - text) : text ? strlen(text) : 0;
	unsigned first, len;

	if (!n || n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (!glb_address_parse(address, ret))
		return false;
	first = strchr(address, ':') ? 0 : 96;
	len = 128;
	if (slash) {
		size_t digits = strspn(slash + 1, "0123456789");

		if (!digits || digits > 3 || slash[1 + digits])
			return false;
		len = first + (unsigned)atoi(slash + 1);
		if (len > 128)
			return false;
	}
	for (unsigned bit = len; bit < 128; bit++)
		if (ret->s6_addr[bit / 8] & (0x80 >> bit % 8))
			return false;
	*ret_len = len;
	return true;
}

bool
glb_address_is_v4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

char *
glb_address_text(const struct in6_addr *a, char *buf)
{
	if (glb_address_is_v4(a))
		inet_ntop(AF_INET, &a->s6_addr[12], buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a, buf, INET6_ADDRSTRLEN);
	return buf;
}

bool
glb_prefix_has(const struct in6_addr *prefix, unsigned len, const struct in6_addr *a)
{
	unsigned bytes = len / 8, mask = 0xff00u >> len % 8 & 0xff;

	return !memcmp(prefix, a, bytes) &&
	       (bytes == 16 || !((prefix->s6_addr[bytes] ^ a->s6_addr[bytes]) & mask));
}

char *
glb_prefix_text(const struct in6_addr *a, unsigned len, char *buf)
{
	glb_address_text(a, buf);
	if (len < 128)
		sprintf(buf + strlen(buf), "/%u", glb_address_is_v4(a) ? len - 96 : len);
	return buf;
}
