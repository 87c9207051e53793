/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of text as ovs-ofctl writes and reads them; for the *_text.c and *_parse.c files.
 * Parsers return NULL or an error text that the caller frees. */
#ifndef WEFT_OPENFLOW_TEXT_H
#define WEFT_OPENFLOW_TEXT_H

#include "base/buf.h"
#include "openflow/key.h"

typedef const char *of_flag_name_fn(uint32_t bit); /* NULL: the bit has no name */
of_flag_name_fn of_ct_state_name, of_tun_flag_name, of_tcp_flag_name;

/* "a|b|0x10", or "0". */
void of_flags_format(struct wf_str *, of_flag_name_fn *, uint32_t flags, char separator);
/* The same if 'mask' is 'max_mask', else "+a-b"; "0/0" for an empty mask. */
void of_flags_format_masked(struct wf_str *, of_flag_name_fn *, uint32_t flags, uint32_t mask,
			    uint32_t max_mask);
/* "a|b", "+a-b", "0x3/0x7".  'what' names the flags in errors.  An unmasked text gives a mask of
 * UINT32_MAX. */
char *of_flags_parse(const char *, of_flag_name_fn *, const char *what, uint32_t allowed,
		     uint32_t *flags, uint32_t *mask);

void of_mac_format(const uint8_t mac[6], struct wf_str *);
void of_ipv4_format(__be32, struct wf_str *);
void of_ipv6_format(const struct in6_addr *, struct wf_str *);
/* "addr", "addr/24" or "addr/mask". */
void of_mac_format_masked(const uint8_t mac[6], const uint8_t mask[6], struct wf_str *);
void of_ipv4_format_masked(__be32 addr, __be32 mask, struct wf_str *);
void of_ipv6_format_masked(const struct in6_addr *, const struct in6_addr *mask, struct wf_str *);
/* 0x without leading zeros; "0" for zero. */
void of_hex_format(const void *, size_t size, struct wf_str *);
void of_u64_format(uint64_t, struct wf_str *);   /* decimal */
void of_x64_format(uint64_t, struct wf_str *);   /* "%#x": "0" or "0x..." */
/* "eth" or "packet_type=(1,0x800)". */
void of_packet_type_format(uint32_t value, uint32_t mask, struct wf_str *);

/* A number (decimal, 0x or octal) of 'size' bytes, big-endian, to '*tail'.  Returns 0, EINVAL or
 * ERANGE. */
int of_int_parse(const char *, uint8_t *value, unsigned size, const char **tail);

/* Takes "key", "key=value", "key:value" or "key(value)" from the front of a writable text, and
 * moves '*sp'.  False at the end. */
bool of_key_value_next(char **sp, char **key, char **value);

/* "tcp" and its like: EtherType, and IP protocol or 0.  False if the name is none. */
bool of_protocol_parse(const char *, uint16_t *dl_type, uint8_t *nw_proto);

static inline bool
of_bytes_all(const void *p_, size_t size, uint8_t byte)
{
	const uint8_t *p = p_;

	while (size--) {
		if (*p++ != byte)
			return false;
	}
	return true;
}

#endif
