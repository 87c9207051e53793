/* SPDX-License-Identifier: Apache-2.0 */
/* Matches: which keys a rule takes.
 *
 * Two forms.  'struct of_match_full' is easy to build and to read; 'struct of_match' is
 * what a rule keeps: only the words in which the mask has a bit.
 *
 *   of_match:  | words (128 bits) | value word 0 | ... | value n-1 | mask 0 | ... | mask n-1 |
 *
 * Invariant: value & ~mask == 0.  Two equal matches have equal bytes.
 */
#ifndef WEFT_OPENFLOW_MATCH_H
#define WEFT_OPENFLOW_MATCH_H

#include "base/buf.h"
#include "openflow/field.h"
#include "openflow/key.h"

struct of_match_full {
	struct of_key key;
	struct of_key mask;
};

struct of_match {
	struct of_words words;
	uint64_t data[]; /* n values, n masks; n = popcount(words) */
};

void of_match_init_any(struct of_match_full *);
unsigned of_match_n_words(const struct of_match *);
/* The words in which a mask has a bit. */
struct of_words of_match_words(const struct of_key *mask);
size_t of_match_size(const struct of_match *); /* bytes */
/* Heap block of its own, freed with free(). */
struct of_match *of_match_pack(const struct of_match_full *);
/* Packs into 'dst' of 'room' bytes; returns the size needed. */
size_t of_match_pack_into(const struct of_match_full *, void *dst, size_t room);
void of_match_unpack(const struct of_match *, struct of_match_full *);
bool of_match_equal(const struct of_match *, const struct of_match *);
uint32_t of_match_hash(const struct of_match *, uint32_t basis);
bool of_match_covers(const struct of_match *, const struct of_key *); /* does the key match? */
/* OpenFlow non-strict: 'rule' is at least as specific as 'pattern'. */
bool of_match_is_subset(const struct of_match *rule, const struct of_match *pattern);
/* Could some packet match both? (CHECK_OVERLAP, conjunctions) */
bool of_match_overlaps(const struct of_match *, const struct of_match *);

/* Sets one field of a full match; a zero mask makes it match anything again (but tun_metadata:
 * the option must be there).  Bits outside the mask are cleared.  Returns false, with nothing
 * changed, if the mask is not allowed.  Prerequisites are not looked at. */
bool of_match_set_field(struct of_match_full *, const struct of_field *, const union of_value *value,
			const union of_value *mask_or_null);
/* Does the match demand a packet that has the field? */
bool of_match_has_prereqs(const struct of_match_full *, const struct of_field *);
/* Is no bit of the field in the mask? */
bool of_match_field_is_wild(const struct of_match_full *, const struct of_field *);
/* A field that exists only in an Ethernet packet, or in a part of one, makes the match demand
 * packet type Ethernet; to be called after setting a field. */
void of_match_add_ethernet_prereq(struct of_match_full *, const struct of_field *);
/* Demands packet type Ethernet unless some packet type is demanded. */
void of_match_set_default_packet_type(struct of_match_full *);
bool of_match_has_default_packet_type(const struct of_match_full *);
/* Clears what cannot be matched together (normal form): fields whose prerequisites the
 * match does not demand, as OVS does for flow_mods with an ofp10_match.  Returns true if
 * something went; whoever wants to log that keeps a copy. */
bool of_match_normalize(struct of_match_full *);

/* Text as ovs-ofctl prints a flow's match: "priority=5,tcp,in_port=1,nw_src=10.0.0.0/8".
 * 'priority' < 0 or 32768 (the default) leaves it out; port names from 'port_name' if not NULL. */
void of_match_format(const struct of_match_full *, int priority, of_port_name_fn *, void *aux,
		     struct wf_str *);
/* A key as ofproto/trace prints a flow: "tcp,in_port=1,vlan_tci=0x0000,dl_src=..,..." */
void of_key_format(const struct of_key *, of_port_name_fn *, void *aux, struct wf_str *);
/* The match that has every field which the packet of this key has (what trace's "Flow:" shows;
 * before all-zero metadata is left out). */
void of_match_from_key(const struct of_key *, struct of_match_full *);
/* The metadata of a packet for a packet-in: every field that is not in the packet and not zero,
 * and in_port. */
void of_match_metadata_from_key(const struct of_key *, struct of_match_full *);
/* Parses "in_port=1,dl_src=.." with ovs-ofctl's shorthands (ip, tcp, arp, eth, reg0[0..3]=..).
 * Returns NULL or an error text that the caller frees. */
char *of_match_parse(struct of_match_full *, const char *text, of_port_number_fn *, void *aux);
/* Sets one "key" and "value" of such a text.  '*ret_known' is false, and NULL is returned, if the
 * key is no field. */
char *of_match_parse_one(struct of_match_full *, const char *key, const char *value,
			 of_port_number_fn *, void *aux, bool *ret_known);
/* Parses a packet's key as ofproto/trace takes it: exact values, prerequisites before what needs
 * them.  'mask' may be NULL. */
char *of_key_parse(struct of_key *, struct of_key *mask, const char *text, of_port_number_fn *,
		   void *aux);

#endif
