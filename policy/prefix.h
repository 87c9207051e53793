/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and prefixes of both families in one form: 128 bits, top-aligned, so that an IPv4
 * address is the upper half of 'hi' and a length counts from the top in both.  Values, no memory.
 */
#ifndef WEFT_POLICY_PREFIX_H
#define WEFT_POLICY_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct pol_addr {
	uint64_t hi, lo;
	uint8_t family; /* 4 or 6 */
};

struct pol_prefix {
	struct pol_addr addr; /* bits past 'len' are zero */
	uint8_t len;	      /* 0..32 or 0..128 */
};

#define POL_PREFIX_STRLEN 52 /* the longest text, and a NUL */

/* 'bytes': 4 or 16 in network order. */
struct pol_addr pol_addr_from_bytes(int family, const void *bytes);
/* ::ffff:a.b.c.d counts as the IPv4 address a.b.c.d.  Other families: false. */
bool pol_addr_from_sockaddr(const struct sockaddr *, struct pol_addr *ret);
void pol_addr_to_bytes(const struct pol_addr *, void *bytes);
bool pol_addr_parse(const char *text, struct pol_addr *ret);
char *pol_addr_format(const struct pol_addr *, char text[POL_PREFIX_STRLEN]);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone for /32 or /128.  Returns 0, or -EINVAL with
 * what is wrong and, for bits past the length, the prefix that was meant. */
int pol_prefix_parse(const char *text, struct pol_prefix *ret, struct wf_err *err);
char *pol_prefix_format(const struct pol_prefix *, char text[POL_PREFIX_STRLEN]);
bool pol_prefix_has(const struct pol_prefix *, const struct pol_addr *);

static inline unsigned
pol_family_bits(int family)
{
	return family == 4 ? 32 : 128;
}

/* Masks of the first 'len' bits, for each half. */
static inline uint64_t
pol_mask_hi(unsigned len)
{
	return len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
}

static inline uint64_t
pol_mask_lo(unsigned len)
{
	return len >= 128 ? ~0ull : len > 64 ? ~0ull << (128 - len) : 0;
}

static inline struct pol_addr
pol_addr_mask(struct pol_addr a, unsigned len)
{
	a.hi &= pol_mask_hi(len);
	a.lo &= pol_mask_lo(len);
	return a;
}

static inline int
pol_addr_cmp(const struct pol_addr *a, const struct pol_addr *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

#endif
