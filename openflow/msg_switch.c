/* SPDX-License-Identifier: Apache-2.0 */
/* Hello, echo, barrier, features, configuration, description. */
#include "openflow/msg_switch.h"

#include "openflow/msg_bits.h"
#include "openflow/msg_wire.h"

#define HELLO_ELEM_VERSIONBITMAP 1

static int
highest_version(uint32_t bitmap)
{
	return bitmap ? 31 - __builtin_clz(bitmap) : 0;
}

/* 1.0 up to some version without a gap: what a hello without a bitmap means. */
static bool
is_gapless(uint32_t bitmap)
{
	uint32_t next = (bitmap >> 1) + 1;

	return (next & (next - 1)) == 0;
}

void
of_hello_encode(uint32_t bitmap, uint32_t xid, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPT_HELLO, highest_version(bitmap), xid);

	if (!is_gapless(bitmap)) {
		put_u16(out, HELLO_ELEM_VERSIONBITMAP);
		put_u16(out, 8);
		put_u32(out, bitmap);
	}
	of_msg_end(out, start);
}

bool
of_hello_decode(const void *data, size_t size, uint32_t *bitmap)
{
	const uint8_t *p = data;
	uint8_t version = p[0];
	bool understood = true;

	*bitmap = ((version < 32 ? 1u << version : 0) - 1) << 1;
	for (p += OF_HEADER_SIZE, size -= OF_HEADER_SIZE; size > 0;) {
		if (size < 4)
			return false;
		size_t len = get_u16(p + 2);
		if (len < 4 || ROUND_UP8(len) > size)
			return false;
		if (get_u16(p) == HELLO_ELEM_VERSIONBITMAP && len > 4 && len % 4 == 0) {
			/* Versions above 31 do not concern us; there is no version 0. */
			uint32_t peer = get_u32(p + 4) & ~1u;

			if (peer)
				*bitmap = peer;
			else
				understood = false;
		} else {
			understood = false;
		}
		p += ROUND_UP8(len);
		size -= ROUND_UP8(len);
	}
	return understood;
}

uint8_t
of_hello_negotiate(uint32_t ours, uint32_t theirs)
{
	return highest_version(ours & theirs);
}

void
of_version_bitmap_format(uint32_t bitmap, struct wf_str *s)
{
	if (!bitmap) {
		wf_str_put(s, "no versions");
	} else if ((bitmap & (bitmap - 1)) == 0) {
		wf_str_fmt(s, "version 0x%02x", highest_version(bitmap));
	} else if (is_gapless(bitmap)) {
		wf_str_fmt(s, "version 0x%02x and earlier", highest_version(bitmap));
	} else {
		const char *sep = "versions ";

		for (int v = 0; v < 32; v++) {
			if (bitmap >> v & 1) {
				wf_str_fmt(s, "%s0x%02x", sep, v);
				sep = ", ";
			}
		}
	}
}

void
of_hello_format_failure(uint32_t ours, uint32_t theirs, struct wf_str *s)
{
	wf_str_put(s, "version negotiation failed (we support ");
	of_version_bitmap_format(ours, s);
	wf_str_put(s, ", peer supports ");
	of_version_bitmap_format(theirs, s);
	wf_str_putc(s, ')');
}

void
of_hello_failed_encode(uint32_t ours, uint32_t theirs, struct wf_buf *out)
{
	struct wf_str text = WF_STR_INIT;
	/* The peer speaks its own versions if it speaks at all. */
	size_t start = of_msg_begin(out, OF_R_OFPT_ERROR, highest_version(theirs), 0);

	wf_str_put(&text, "We support ");
	of_version_bitmap_format(ours, &text);
	wf_str_put(&text, ", you support ");
	of_version_bitmap_format(theirs, &text);
	wf_str_put(&text, ", no common versions.");
	/* OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE: 0 and 0 in all versions. */
	put_u32(out, 0);
	wf_buf_put(out, text.s, text.len);
	of_msg_end(out, start);
	wf_str_done(&text);
}

void
of_echo_request_encode(uint8_t version, uint32_t xid, struct wf_buf *out)
{
	of_msg_end(out, of_msg_begin(out, OF_R_OFPT_ECHO_REQUEST, version, xid));
}

void
of_echo_reply_encode(const struct of_msg *request, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPT_ECHO_REPLY, request->version, request->xid);

	wf_buf_put(out, request->body, request->body_size);
	of_msg_end(out, start);
}

void
of_barrier_request_encode(uint8_t version, uint32_t xid, struct wf_buf *out)
{
	of_msg_encode_empty(out, OF_M_BARRIER_REQUEST, version, xid);
}

void
of_barrier_reply_encode(const struct of_msg *request, struct wf_buf *out)
{
	of_msg_encode_empty(out, OF_M_BARRIER_REPLY, request->version, request->xid);
}

WIRE_STRUCT features {
	__be64 datapath_id;
	__be32 n_buffers;
	uint8_t n_tables, auxiliary_id;
	uint8_t pad[2];
	__be32 capabilities, actions;
};
WIRE_SIZE(struct features, 24);

#define WIRE_C_STP (1u << 3)         /* 1.0 */
#define WIRE_C_GROUP_STATS (1u << 3) /* 1.1+ */

/* Capabilities that have the same bit inside and in 'version'. */
static uint32_t
same_capabilities(uint8_t version)
{
	uint32_t all = OF_C_FLOW_STATS | OF_C_TABLE_STATS | OF_C_PORT_STATS | OF_C_IP_REASM
		       | OF_C_QUEUE_STATS;

	if (version <= OF11_VERSION)
		return all | OF_C_ARP_MATCH_IP;
	if (version <= OF13_VERSION)
		return all | OF_C_PORT_BLOCKED;
	return all | OF_C_PORT_BLOCKED | OF_C_BUNDLES | OF_C_FLOW_MONITORING;
}

void
of_features_reply_encode(const struct of_msg *request, const struct of_features *f,
			 const struct of_port_desc *ports, size_t n_ports, struct wf_buf *out)
{
	uint8_t version = request->version;
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_FEATURES_REPLY, version), version,
				    request->xid);
	uint32_t capabilities = f->capabilities & same_capabilities(version);
	struct features w = {
		.datapath_id = htobe64(f->datapath_id),
		.n_buffers = htobe32(f->n_buffers),
		.n_tables = f->n_tables,
	};

	if (version == OF10_VERSION) {
		if (f->capabilities & OF_C_STP)
			capabilities |= WIRE_C_STP;
		w.actions = htobe32(of_action_bits_to_wire(f->actions, version));
	} else if (f->capabilities & OF_C_GROUP_STATS) {
		capabilities |= WIRE_C_GROUP_STATS;
	}
	if (version >= OF13_VERSION)
		w.auxiliary_id = f->auxiliary_id;
	w.capabilities = htobe32(capabilities);
	wf_buf_put(out, &w, sizeof(w));
	for (size_t i = 0; version < OF13_VERSION && i < n_ports; i++) {
		size_t before = out->size;

		of_port_desc_put(out, version, &ports[i]);
		if (out->size - start > OF_MSG_MAX) {
			out->size = before;
			break;
		}
	}
	of_msg_end(out, start);
}

of_err_t
of_features_reply_decode(const struct of_msg *msg, struct of_features *f)
{
	const struct features *w = (const void *)msg->body;
	uint32_t capabilities = be32toh(w->capabilities);

	*f = (struct of_features){
		.datapath_id = be64toh(w->datapath_id),
		.n_buffers = be32toh(w->n_buffers),
		.n_tables = w->n_tables,
		.auxiliary_id = msg->version >= OF13_VERSION ? w->auxiliary_id : 0,
		.capabilities = capabilities & same_capabilities(msg->version),
	};
	if (msg->version == OF10_VERSION) {
		if (capabilities & WIRE_C_STP)
			f->capabilities |= OF_C_STP;
		f->actions = of_action_bits_from_wire(be32toh(w->actions), msg->version);
	} else if (capabilities & WIRE_C_GROUP_STATS) {
		f->capabilities |= OF_C_GROUP_STATS;
	}
	return 0;
}

#define WIRE_FRAG_MASK 3
#define WIRE_INVALID_TTL 4 /* before 1.3 */

static bool
config_decode(const struct of_msg *msg, struct of_config_msg *c)
{
	uint16_t flags = get_u16(msg->body);
	uint16_t valid = WIRE_FRAG_MASK;

	c->frag = flags & WIRE_FRAG_MASK;
	c->miss_send_len = get_u16(msg->body + 2);
	c->invalid_ttl_to_controller = -1;
	if (msg->version < OF13_VERSION) {
		valid |= WIRE_INVALID_TTL;
		c->invalid_ttl_to_controller = (flags & WIRE_INVALID_TTL) != 0;
	}
	return !(flags & ~valid);
}

of_err_t
of_set_config_decode(const struct of_msg *msg, struct of_config_msg *c)
{
	return config_decode(msg, c) ? 0 : OF_ERR_OFPSCFC_BAD_FLAGS;
}

of_err_t
of_get_config_reply_decode(const struct of_msg *msg, struct of_config_msg *c)
{
	config_decode(msg, c);
	return 0;
}

static void
config_encode(enum of_msg_form form, uint8_t version, uint32_t xid,
	      const struct of_config_msg *c, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, form, version, xid);
	bool ttl = c->invalid_ttl_to_controller > 0 && version < OF13_VERSION;

	put_u16(out, c->frag | (ttl ? WIRE_INVALID_TTL : 0));
	put_u16(out, c->miss_send_len);
	of_msg_end(out, start);
}

void
of_set_config_encode(uint8_t version, uint32_t xid, const struct of_config_msg *c,
		     struct wf_buf *out)
{
	config_encode(OF_R_OFPT_SET_CONFIG, version, xid, c, out);
}

void
of_get_config_reply_encode(const struct of_msg *request, const struct of_config_msg *c,
			   struct wf_buf *out)
{
	config_encode(OF_R_OFPT_GET_CONFIG_REPLY, request->version, request->xid, c, out);
}

WIRE_STRUCT desc {
	char mfr[256], hw[256], sw[256], serial[32], dp[256];
};
WIRE_SIZE(struct desc, 1056);

void
of_desc_reply_encode(const struct of_msg *request, const struct of_desc *d, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPST_DESC_REPLY, request->version, request->xid);
	struct desc *w = wf_buf_put_uninit(out, sizeof(*w));

	set_text(w->mfr, sizeof(w->mfr), d->mfr);
	set_text(w->hw, sizeof(w->hw), d->hw);
	set_text(w->sw, sizeof(w->sw), d->sw);
	set_text(w->serial, sizeof(w->serial), d->serial);
	set_text(w->dp, sizeof(w->dp), d->dp);
	of_msg_end(out, start);
}
