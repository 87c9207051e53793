/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg_bundle.h"

#include "openflow/msg_wire.h"

WIRE_STRUCT bundle {
	__be32 bundle;
	__be16 type, flags; /* bundle_add has padding for the type */
};
WIRE_SIZE(struct bundle, 8);

/* OFPBPT_TIME, OpenFlow 1.5 section 7.3.9.4: | pad 32 | seconds 64 | ns 32 | pad 32 |. */
#define PROP_TIME 1

of_err_t
of_bundle_ctrl_decode(const struct of_msg *msg, struct of_bundle_ctrl *bc)
{
	const struct bundle *w = (const void *)msg->body;
	const uint8_t *p = msg->body + sizeof(*w);

	*bc = (struct of_bundle_ctrl){
		.bundle = be32toh(w->bundle),
		.type = be16toh(w->type),
		.flags = be16toh(w->flags),
	};
	/* Before 1.5 there were no properties but those of vendors, and OVS skips what stands there
	 * without a look. */
	if (msg->version < OF15_VERSION)
		return 0;
	for (size_t rest = msg->body_size - sizeof(*w); rest > 0;) {
		struct of_prop prop;
		of_err_t error = of_prop_next(&p, &rest, &prop);

		if (error)
			return error;
		if (prop.vendor || prop.type != PROP_TIME)
			continue;
		if (prop.size != 24)
			return OF_ERR_OFPBPC_BAD_LEN;
		bc->has_time = true;
		bc->time_s = get_u64(prop.data + 8);
		bc->time_ns = get_u32(prop.data + 16);
	}
	return 0;
}

static void
ctrl_encode(enum of_msg_form form, uint8_t version, uint32_t xid, const struct of_bundle_ctrl *bc,
	    struct wf_buf *out)
{
	size_t start = of_msg_begin(out, form, version, xid);
	struct bundle w = {
		.bundle = htobe32(bc->bundle),
		.type = htobe16(bc->type),
		.flags = htobe16(bc->flags),
	};

	wf_buf_put(out, &w, sizeof(w));
	if (bc->has_time && version >= OF15_VERSION) {
		uint8_t payload[20] = { 0 };

		set_u64(payload + 4, bc->time_s);
		set_u32(payload + 12, bc->time_ns);
		of_prop_put(out, PROP_TIME, payload, sizeof(payload));
	}
	of_msg_end(out, start);
}

void
of_bundle_ctrl_encode(uint8_t version, uint32_t xid, const struct of_bundle_ctrl *bc,
		      struct wf_buf *out)
{
	ctrl_encode(of_msg_form_for(OF_M_BUNDLE_CONTROL, version), version, xid, bc, out);
}

void
of_bundle_ctrl_reply_encode(const struct of_msg *request, const struct of_bundle_ctrl *bc,
			    struct wf_buf *out)
{
	ctrl_encode(request->form, request->version, request->xid, bc, out);
}

of_err_t
of_bundle_add_decode(const struct of_msg *msg, struct of_bundle_add *add)
{
	const struct bundle *w = (const void *)msg->body;
	const uint8_t *inner = msg->body + sizeof(*w);
	size_t size = msg->body_size - sizeof(*w);

	add->bundle = be32toh(w->bundle);
	add->flags = be16toh(w->flags);
	if (size < OF_HEADER_SIZE)
		return OF_ERR_OFPBFC_MSG_BAD_LEN;
	if (inner[0] != msg->version)
		return OF_ERR_OFPBFC_BAD_VERSION;
	/* What follows the inner message are properties, of which there are none. */
	size_t inner_size = of_frame_size(inner);
	if (!inner_size || inner_size > size)
		return OF_ERR_OFPBFC_MSG_BAD_LEN;
	if (get_u32(inner + 4) != msg->xid)
		return OF_ERR_OFPBFC_MSG_BAD_XID;
	if (of_msg_classify(inner, inner_size, &add->msg))
		return OF_ERR_OFPBFC_MSG_UNSUP;
	switch (add->msg.id) {
	case OF_M_FLOW_MOD:
	case OF_M_GROUP_MOD:
	case OF_M_PORT_MOD:
	case OF_M_PACKET_OUT:
		return 0;
	default:
		return OF_ERR_OFPBFC_MSG_UNSUP;
	}
}

void
of_bundle_add_encode(uint8_t version, uint32_t xid, uint32_t bundle, uint16_t flags,
		     const void *inner, size_t inner_size, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_BUNDLE_ADD_MESSAGE, version), version,
				    xid);
	struct bundle w = { .bundle = htobe32(bundle), .flags = htobe16(flags) };

	wf_buf_put(out, &w, sizeof(w));
	wf_buf_put(out, inner, inner_size);
	of_msg_end(out, start);
}
