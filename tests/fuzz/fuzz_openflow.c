// SPDX-License-Identifier: Apache-2.0
/* Any bytes as an OpenFlow message: classified, taken through the decoder of its family in the
 * version that it claims, and printed.  A flow_mod that is taken can be written, what was
 * written is taken, and writes the same again.
 *
 * Input: one byte of settings (1 nxm, 2 tid, 4 loose, 8 with a TLV map), then the message, whose
 * length field is set right, so that the fuzzer need not learn it. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/match_wire.h"
#include "openflow/tlv_map.h"
#include "tests/lib/of_decode_any.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_flow_mod(const struct of_codec *codec, const struct of_msg *msg)
{
	static const struct of_limits limits = { .max_ports = OF_PORT_MAX, .n_tables = 254 };
	struct of_codec c = *codec;
	struct wf_buf actions = WF_BUF_INIT, again = WF_BUF_INIT;
	struct wf_buf wire = WF_BUF_INIT, wire2 = WF_BUF_INIT;
	static struct of_flow_mod fm, fm2;
	struct of_msg msg2;

	/* What the form implies, as the encoder chooses the form by the codec. */
	c.nxm = msg->form == OF_R_NXT_FLOW_MOD;
	if ((c.nxm && msg->version > OF10_VERSION)
	    || of_flow_mod_decode(&c, msg, &limits, &fm, &actions))
		goto out;
	of_flow_mod_encode(&c, msg->xid, &fm, &wire);
	if (wire.size > OF_MSG_MAX)
		goto out;
	if (of_msg_classify(wire.data, wire.size, &msg2))
		abort();
	if (of_flow_mod_decode(&c, &msg2, &limits, &fm2, &again)) {
		/* A TCI without the bit that says "there is a tag", which NXM can name and OXM
		 * cannot: what comes out is as impossible as what came in. */
		if (!fm.match.mask.vlans[0].tci || (fm.match.key.vlans[0].tci & htons(OF_VLAN_CFI)))
			abort();
		goto out;
	}
	of_flow_mod_encode(&c, msg->xid, &fm2, &wire2);
	if (wire.size != wire2.size || memcmp(wire.data, wire2.data, wire.size))
		abort();
out:
	wf_buf_done(&actions);
	wf_buf_done(&again);
	wf_buf_done(&wire);
	wf_buf_done(&wire2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct of_tlv_map map;
	struct wf_str text = WF_STR_INIT;
	struct of_msg msg;

	if (!map.used) {
		of_tlv_map_init(&map);
		of_tlv_map_add(&map, 0xffff, 1, 4, 0);
		of_tlv_map_add(&map, 0xffff, 2, 124, 5);
	}
	if (size < 1 + OF_HEADER_SIZE || size > OF_MSG_MAX)
		return 0;

	struct of_codec codec = {
		.version = data[1],
		.nxm = data[0] & 1,
		.tid = data[0] & 2,
		.loose = data[0] & 4,
		.tlv_map = data[0] & 8 ? &map : NULL,
	};
	uint8_t *copy = malloc(--size);
	memcpy(copy, data + 1, size);
	copy[2] = size >> 8;
	copy[3] = size;
	if (!of_msg_classify(copy, size, &msg)) {
		of_decode_any(&codec, &msg);
		if (msg.id == OF_M_FLOW_MOD)
			check_flow_mod(&codec, &msg);
	}
	of_msg_format(copy, size, codec.tlv_map, &text);
	wf_str_done(&text);
	free(copy);
	return 0;
}
