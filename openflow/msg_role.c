/* SPDX-License-Identifier: Apache-2.0 */
/* Roles, asynchronous configuration, controller id and controller status. */
#include "openflow/msg_flow.h"
#include "openflow/msg_packet.h"
#include "openflow/msg_switch.h"
#include "openflow/msg_table.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT role {
	__be32 role;
	__be16 short_id; /* 1.5 */
	uint8_t pad[2];
	__be64 generation_id;
};
WIRE_SIZE(struct role, 16);

/* The Nicira message has no NOCHANGE and numbers the others from 0. */
#define NX_ROLE(ROLE) ((ROLE)-1)

of_err_t
of_role_request_decode(const struct of_msg *msg, struct of_role_request *rr)
{
	*rr = (struct of_role_request){ 0 };
	if (msg->form == OF_R_NXT_ROLE_REQUEST || msg->form == OF_R_NXT_ROLE_REPLY) {
		uint32_t role = get_u32(msg->body);

		if (role > NX_ROLE(OF_ROLE_SECONDARY))
			return OF_ERR_OFPRRFC_BAD_ROLE;
		rr->role = role + 1;
		return 0;
	}

	const struct role *w = (const void *)msg->body;
	uint32_t role = be32toh(w->role);
	if (role > OF_ROLE_SECONDARY)
		return OF_ERR_OFPRRFC_BAD_ROLE;
	rr->role = role;
	rr->short_id = msg->version >= OF15_VERSION ? be16toh(w->short_id) : 0;
	rr->have_generation_id = msg->id == OF_M_ROLE_REQUEST ? role != OF_ROLE_NOCHANGE
							      : ~w->generation_id != 0;
	if (rr->have_generation_id)
		rr->generation_id = be64toh(w->generation_id);
	return 0;
}

static void
role_encode(enum of_msg_form form, uint8_t version, uint32_t xid, const struct of_role_request *rr,
	    struct wf_buf *out)
{
	size_t start = of_msg_begin(out, form, version, xid);

	if (form == OF_R_NXT_ROLE_REQUEST || form == OF_R_NXT_ROLE_REPLY) {
		put_u32(out, NX_ROLE(rr->role));
	} else {
		struct role w = {
			.role = htobe32(rr->role),
			.short_id = version >= OF15_VERSION ? htobe16(rr->short_id) : 0,
			.generation_id = htobe64(rr->have_generation_id ? rr->generation_id
									: UINT64_MAX),
		};

		wf_buf_put(out, &w, sizeof(w));
	}
	of_msg_end(out, start);
}

void
of_role_request_encode(uint8_t version, uint32_t xid, const struct of_role_request *rr,
		       struct wf_buf *out)
{
	role_encode(of_msg_form_for(OF_M_ROLE_REQUEST, version), version, xid, rr, out);
}

void
of_role_reply_encode(const struct of_msg *request, const struct of_role_request *rr,
		     struct wf_buf *out)
{
	role_encode(request->form == OF_R_NXT_ROLE_REQUEST ? OF_R_NXT_ROLE_REPLY
							    : OF_R_OFPT12_ROLE_REPLY,
		    request->version, request->xid, rr, out);
}

WIRE_STRUCT role_status {
	__be32 role;
	uint8_t reason, pad[3];
	__be64 generation_id;
};
WIRE_SIZE(struct role_status, 16);

bool
of_role_status_encode(const struct of_codec *codec, const struct of_role_status *rs,
		      struct wf_buf *out)
{
	enum of_msg_form form = of_msg_form_for(OF_M_ROLE_STATUS, codec->version);
	struct role_status w = {
		.role = htobe32(rs->role),
		.reason = rs->reason,
		.generation_id = htobe64(rs->generation_id),
	};

	if (form == OF_N_MSG_FORMS)
		return false;
	size_t start = of_msg_begin(out, form, codec->version, 0);
	wf_buf_put(out, &w, sizeof(w));
	of_msg_end(out, start);
	return true;
}

of_err_t
of_role_status_decode(const struct of_msg *msg, struct of_role_status *rs)
{
	const struct role_status *w = (const void *)msg->body;

	if (be32toh(w->role) > OF_ROLE_SECONDARY)
		return OF_ERR_OFPRRFC_BAD_ROLE;
	rs->role = be32toh(w->role);
	rs->reason = w->reason;
	rs->generation_id = be64toh(w->generation_id);
	return 0;
}

/* Reasons that a controller may ask for, before 1.4 and from then on.  Property types are
 * 2 * type for a secondary and 2 * type + 1 for a primary. */
#define BITS(N) ((1u << (N)) - 1)
static const struct {
	uint32_t before_14, from_14;
} async_allowed[OF_N_ASYNC_TYPES] = {
	[OF_ASYNC_PACKET_IN] = { BITS(OF_PIR_INVALID_TTL + 1), BITS(OF_PIR_PACKET_OUT + 1) },
	[OF_ASYNC_PORT_STATUS] = { BITS(OF_PR_MODIFY + 1), BITS(OF_PR_MODIFY + 1) },
	[OF_ASYNC_FLOW_REMOVED] = { BITS(OF_FRR_EVICTION + 1), BITS(OF_FRR_EVICTION + 1) },
	[OF_ASYNC_ROLE_STATUS] = { BITS(OF_CRR_EXPERIMENTER + 1), BITS(OF_CRR_EXPERIMENTER + 1) },
	[OF_ASYNC_TABLE_STATUS] = { 1u << OF_TR_VACANCY_DOWN | 1u << OF_TR_VACANCY_UP,
				    1u << OF_TR_VACANCY_DOWN | 1u << OF_TR_VACANCY_UP },
	[OF_ASYNC_REQUESTFORWARD] = { 3, 3 },
	[OF_ASYNC_FLOW_STATS] = { 0, BITS(OF_FSR_STAT_TRIGGER + 1) },
	[OF_ASYNC_CONTROLLER_STATUS] = { 0, BITS(OF_CSR_EXPERIMENTER + 1) },
};

static unsigned
n_async_types(uint8_t version)
{
	return version >= OF15_VERSION ? OF_N_ASYNC_TYPES : OF_ASYNC_REQUESTFORWARD + 1;
}

static uint32_t
allowed_bits(unsigned type, uint8_t version)
{
	return version >= OF14_VERSION ? async_allowed[type].from_14
				       : async_allowed[type].before_14;
}

void
of_async_config_default(struct of_async_config *c, uint8_t version)
{
	/* The finer reasons of 1.4 are kept for all versions: older ones see them as ACTION. */
	uint32_t packet_in = (BITS(OF_PIR_PACKET_OUT + 1) & ~(1u << OF_PIR_INVALID_TTL))
			     | 1u << OF_PIR_EXPLICIT_MISS;

	if (version <= OF12_VERSION)
		packet_in |= 1u << OF_PIR_IMPLICIT_MISS;
	*c = (struct of_async_config){ 0 };
	c->primary[OF_ASYNC_PACKET_IN] = packet_in;
	c->primary[OF_ASYNC_PORT_STATUS] = BITS(OF_PR_MODIFY + 1);
	c->secondary[OF_ASYNC_PORT_STATUS] = BITS(OF_PR_MODIFY + 1);
	c->primary[OF_ASYNC_FLOW_REMOVED] = version >= OF14_VERSION   ? BITS(OF_FRR_EVICTION + 1)
					    : version == OF13_VERSION
						    ? BITS(OF_FRR_GROUP_DELETE + 1)
						    : BITS(OF_FRR_DELETE + 1);
}

static of_err_t
async_mask_decode(uint32_t mask, unsigned type, bool primary, uint8_t version, bool loose,
		  struct of_async_config *c)
{
	uint32_t allowed = allowed_bits(type, version);

	if ((mask & ~allowed) && !loose)
		return OF_ERR_OFPACFC_INVALID;
	mask &= allowed;
	/* NO_MATCH stands for the two inner kinds of a miss. */
	if (type == OF_ASYNC_PACKET_IN && (mask & 1u << OF_PIR_NO_MATCH)) {
		mask |= 1u << OF_PIR_EXPLICIT_MISS;
		if (version < OF13_VERSION)
			mask |= 1u << OF_PIR_IMPLICIT_MISS;
	}
	(primary ? c->primary : c->secondary)[type] = mask;
	return 0;
}

of_err_t
of_set_async_decode(const struct of_codec *codec, const struct of_msg *msg,
		    const struct of_async_config *in, struct of_async_config *out)
{
	const uint8_t *p = msg->body;
	size_t size = msg->body_size;
	bool loose = codec->loose || msg->id == OF_M_GET_ASYNC_REPLY;

	if (msg->form == OF_R_OFPT13_SET_ASYNC || msg->form == OF_R_NXT_SET_ASYNC_CONFIG
	    || msg->form == OF_R_OFPT13_GET_ASYNC_REPLY) {
		/* Packet_in, port_status, flow_removed; primary and secondary of each. */
		*out = (struct of_async_config){ 0 };
		for (unsigned i = 0; i < 6; i++)
			async_mask_decode(get_u32(p + 4 * i), i / 2, i % 2 == 0, msg->version,
					  true, out);
		return 0;
	}

	*out = *in;
	while (size > 0) {
		struct of_prop prop;
		uint32_t mask;
		bool ffff;
		of_err_t error = of_prop_next_fffe(&p, &size, &prop, &ffff);

		if (error)
			return error;
		if (prop.vendor || prop.type >= 2 * n_async_types(msg->version)) {
			error = of_prop_unknown(loose, &prop);
			/* Alone among the messages this one has an error of its own. */
			if (error == OF_ERR_OFPBPC_BAD_TYPE)
				error = OF_ERR_OFPACFC_UNSUPPORTED;
		} else {
			error = of_prop_get_u32(&prop, &mask);
			if (!error)
				error = async_mask_decode(mask, prop.type / 2, prop.type % 2,
							  msg->version, loose, out);
		}
		if (error)
			return error;
	}
	return 0;
}

static void
async_encode(enum of_msg_form form, uint8_t version, uint32_t xid, const struct of_async_config *c,
	     uint32_t types, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, form, version, xid);

	if (version >= OF14_VERSION) {
		for (unsigned t = 0; t < n_async_types(version); t++) {
			/* Peers that do not know the last two, as OVS does not, are told of
			 * them only if there is something to tell. */
			bool silent = t > OF_ASYNC_REQUESTFORWARD && !c->primary[t]
				      && !c->secondary[t];

			if ((types >> t & 1) && !silent) {
				uint32_t allowed = allowed_bits(t, version);

				of_prop_put_u32(out, 2 * t, c->secondary[t] & allowed);
				of_prop_put_u32(out, 2 * t + 1, c->primary[t] & allowed);
			}
		}
	} else {
		for (unsigned t = 0; t <= OF_ASYNC_FLOW_REMOVED; t++) {
			put_u32(out, c->primary[t] & allowed_bits(t, version));
			put_u32(out, c->secondary[t] & allowed_bits(t, version));
		}
	}
	of_msg_end(out, start);
}

void
of_get_async_reply_encode(const struct of_msg *request, const struct of_async_config *c,
			  struct wf_buf *out)
{
	async_encode(request->version >= OF14_VERSION ? OF_R_OFPT14_GET_ASYNC_REPLY
						      : OF_R_OFPT13_GET_ASYNC_REPLY,
		     request->version, request->xid, c, UINT32_MAX, out);
}

void
of_set_async_encode(uint8_t version, uint32_t xid, const struct of_async_config *c, uint32_t types,
		    struct wf_buf *out)
{
	async_encode(of_msg_form_for(OF_M_SET_ASYNC_CONFIG, version), version, xid, c, types, out);
}

of_err_t
of_controller_id_decode(const struct of_msg *msg, uint16_t *id)
{
	if (!is_zeros(msg->body, 6))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	*id = get_u16(msg->body + 6);
	return 0;
}

void
of_controller_id_encode(uint8_t version, uint32_t xid, uint16_t id, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_SET_CONTROLLER_ID, version, xid);

	wf_buf_put_zeros(out, 6);
	put_u16(out, id);
	of_msg_end(out, start);
}

/* OpenFlow 1.5 section 7.3.5.17.1: ofp_controller_status, with the property URI (0). */
static void
controller_status_put(const struct of_controller_status_msg *cs, struct wf_buf *out)
{
	size_t start = out->size;

	put_u16(out, 0);
	put_u16(out, cs->short_id);
	put_u32(out, cs->role);
	uint8_t tail[8] = { cs->reason, cs->up ? 0 : 1 };
	wf_buf_put(out, tail, sizeof(tail));
	if (cs->uri)
		of_prop_put(out, 0, cs->uri, strlen(cs->uri));
	set_u16(wf_buf_at(out, start), out->size - start);
}

bool
of_controller_status_encode(const struct of_codec *codec, const struct of_controller_status_msg *cs,
			    struct wf_buf *out)
{
	if (codec->version < OF15_VERSION)
		return false;
	size_t start = of_msg_begin(out, OF_R_OFPT15_CONTROLLER_STATUS, codec->version, 0);
	controller_status_put(cs, out);
	of_msg_end(out, start);
	return true;
}

void
of_controller_status_append(struct of_multipart *mp, const struct of_controller_status_msg *cs)
{
	of_multipart_item_begin(mp);
	controller_status_put(cs, mp->out);
	of_multipart_item_end(mp);
}
