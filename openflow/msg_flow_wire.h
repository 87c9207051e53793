/* SPDX-License-Identifier: Apache-2.0 */
/* What the codecs of the flow messages share: flags, OXS statistics (1.5), stored matches. */
#ifndef WEFT_OPENFLOW_MSG_FLOW_WIRE_H
#define WEFT_OPENFLOW_MSG_FLOW_WIRE_H

#include "openflow/msg_flow.h"

#define OF10_WILDCARDS_ALL ((1u << 22) - 1)

/* 'command' -1: flags of a statistics reply. */
of_err_t of_flow_flags_from_wire(uint16_t wire, int command, uint8_t version, uint16_t *flags);
uint16_t of_flow_flags_to_wire(uint16_t flags, uint8_t version);

/* OpenFlow 1.5 section 7.2.4: | reserved 16 | length 16 | entries | padding to 8 |. */
struct of_oxs { /* all ones: absent */
	uint32_t duration_s, duration_ns, idle_s, n_flows;
	uint64_t n_packets, n_bytes;
};
extern const struct of_oxs of_oxs_none;
/* '*ret_used' takes the padded size. */
of_err_t of_oxs_decode(const void *data, size_t size, struct of_oxs *, size_t *ret_used);
void of_oxs_encode(const struct of_oxs *, struct wf_buf *out);

/* A match on the stack in the form that rules keep. */
union of_packed_match {
	struct of_match match;
	uint8_t bytes[sizeof(struct of_match) + 2 * sizeof(struct of_key)];
};
static inline const struct of_match *
of_packed_match(const struct of_match_full *full, union of_packed_match *packed)
{
	of_match_pack_into(full, packed, sizeof(*packed));
	return &packed->match;
}

/* Packs a match to the end of 'store'.  The pointer is good until the next change of 'store'. */
const struct of_match *of_match_store(const struct of_match_full *, struct wf_buf *store);

static inline uint64_t
of_known_or_zero(uint64_t counter)
{
	return counter == UINT64_MAX ? 0 : counter;
}

#endif
