/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and names as the operator writes them.  IPv4 is ::ffff:a.b.c.d everywhere inside. */
#ifndef WEFT_GLB_ADDRESS_H
#define WEFT_GLB_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#define GLB_NAME_RULE "is 1 to 63 letters, digits, '.', '_' or '-'"

/* NULL is neither a good name nor an address. */
bool glb_name_is_good(const char *name);
bool glb_address_parse(const char *, struct in6_addr *ret);
/* "ADDRESS" or "ADDRESS/LEN", no bits outside the prefix; 'ret_len' counts from the IPv6 form. */
bool glb_prefix_parse(const char *, struct in6_addr *ret, unsigned *ret_len);
/* Is the address within the prefix? */
bool glb_prefix_has(const struct in6_addr *prefix, unsigned len, const struct in6_addr *);
/* "ADDRESS", or "ADDRESS/LEN" if it is not one address.  Returns 'buf', which has GLB_PREFIX_TEXT bytes. */
#define GLB_PREFIX_TEXT (INET6_ADDRSTRLEN + 4)
char *glb_prefix_text(const struct in6_addr *, unsigned len, char *buf);
bool glb_address_is_v4(const struct in6_addr *);
/* Returns 'buf', which has INET6_ADDRSTRLEN bytes. */
char *glb_address_text(const struct in6_addr *, char *buf);

#endif
