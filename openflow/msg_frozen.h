/* SPDX-License-Identifier: Apache-2.0 */
/* The continuation inside NXT_PACKET_IN2 and NXT_RESUME: the state of a paused pipeline as
 * properties.  Only the switch that wrote them reads them; the form is OVS's, so that
 * ovs-ofctl can print it. */
#ifndef WEFT_OPENFLOW_MSG_FROZEN_H
#define WEFT_OPENFLOW_MSG_FROZEN_H

#include "openflow/msg_packet.h"

void of_frozen_encode(const struct of_frozen *, uint8_t version, struct wf_buf *out);
/* 'store' is cleared; the struct points into it.  'data' may be NULL with size 0. */
of_err_t of_frozen_decode(const void *data, size_t size, uint8_t version, bool loose,
			  struct of_frozen *, struct wf_buf *store);

#endif
