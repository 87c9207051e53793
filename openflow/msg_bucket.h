/* SPDX-License-Identifier: Apache-2.0 */
/* For the codecs of the group messages: lists of buckets, and the properties of a group, in the
 * form of 1.1 to 1.4 and in that of 1.5, which Nicira's messages for 1.0 share. */
#ifndef WEFT_OPENFLOW_MSG_BUCKET_H
#define WEFT_OPENFLOW_MSG_BUCKET_H

#include "openflow/msg_group.h"

static inline bool
of_group_form_is_15(uint8_t version)
{
	return version == OF10_VERSION || version >= OF15_VERSION;
}

/* Allocates '*buckets'; on errors nothing is left. */
of_err_t of_buckets_decode(const uint8_t *p, size_t size, uint8_t version, uint8_t group_type,
			   struct of_bucket **buckets, size_t *n);
void of_buckets_encode(const struct of_bucket *, size_t n, uint8_t version, uint8_t group_type,
		       struct wf_buf *out);
/* 'command' is an enum of_group_command.  On errors nothing is left. */
of_err_t of_group_props_decode(const uint8_t *p, size_t size, uint8_t group_type, uint16_t command,
			       const struct of_tlv_map *, struct of_group_props *);
void of_group_props_encode(const struct of_group_props *, uint8_t version,
			   const struct of_tlv_map *, struct wf_buf *out);

#endif
