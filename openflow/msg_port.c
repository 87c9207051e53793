/* SPDX-License-Identifier: Apache-2.0 */
/* Port descriptions in the forms of 1.0, 1.1 to 1.3, and 1.4+; port_status, port_mod. */
#include "openflow/msg_port.h"

#include "openflow/msg_wire.h"

WIRE_STRUCT port10 {
	__be16 port;
	uint8_t hw_addr[6];
	char name[16];
	__be32 config, state, curr, advertised, supported, peer;
};
WIRE_SIZE(struct port10, 48);

WIRE_STRUCT port11 {
	__be32 port;
	uint8_t pad[4];
	uint8_t hw_addr[6];
	uint8_t pad2[2];
	char name[16];
	__be32 config, state, curr, advertised, supported, peer, curr_speed, max_speed;
};
WIRE_SIZE(struct port11, 64);

WIRE_STRUCT port14 {
	__be32 port;
	__be16 length;
	uint8_t pad[2];
	uint8_t hw_addr[6];
	uint8_t pad2[2];
	char name[16];
	__be32 config, state;
};
WIRE_SIZE(struct port14, 40);

/* OFPPDPT_ETHERNET. */
WIRE_STRUCT port14_ethernet {
	__be16 type, length;
	uint8_t pad[4];
	__be32 curr, advertised, supported, peer, curr_speed, max_speed;
};
WIRE_SIZE(struct port14_ethernet, 32);

#define CONFIG_10 0x7fu
#define CONFIG_11 (OF_PC_PORT_DOWN | OF_PC_NO_RECV | OF_PC_NO_FWD | OF_PC_NO_PACKET_IN)
#define STATE_10 (OF_PS_LINK_DOWN | OF_PS_STP_MASK)
#define STATE_11 (OF_PS_LINK_DOWN | OF_PS_BLOCKED | OF_PS_LIVE)
#define FEATURES_11 0xffffu

/* 1.0 lacks the four bits 40GB_FD to OTHER, so those above stand lower. */
static uint32_t
features_from_10(uint32_t wire)
{
	return (wire & 0x7f) | (wire & 0xf80) << 4;
}

static uint32_t
features_to_10(uint32_t features)
{
	return (features & 0x7f) | (features & 0xf800) >> 4;
}

static uint32_t
features_kbps(uint32_t f)
{
	return f & OF_PFT_1TB_FD				? 1000000000
	       : f & OF_PFT_100GB_FD				? 100000000
	       : f & OF_PFT_40GB_FD				? 40000000
	       : f & OF_PFT_10GB_FD				? 10000000
	       : f & (OF_PFT_1GB_HD | OF_PFT_1GB_FD)		? 1000000
	       : f & (OF_PFT_100MB_HD | OF_PFT_100MB_FD)	? 100000
	       : f & (OF_PFT_10MB_HD | OF_PFT_10MB_FD)		? 10000
								: 0;
}

static void
put_10(struct wf_buf *out, const struct of_port_desc *d)
{
	struct port10 w = {
		.port = htobe16(of_port_to_10(d->port)),
		.config = htobe32(d->config & CONFIG_10),
		.state = htobe32(d->state & STATE_10),
		.curr = htobe32(features_to_10(d->curr)),
		.advertised = htobe32(features_to_10(d->advertised)),
		.supported = htobe32(features_to_10(d->supported)),
		.peer = htobe32(features_to_10(d->peer)),
	};

	memcpy(w.hw_addr, d->hw_addr, 6);
	set_text(w.name, sizeof(w.name), d->name);
	wf_buf_put(out, &w, sizeof(w));
}

static void
put_11(struct wf_buf *out, const struct of_port_desc *d)
{
	struct port11 w = {
		.port = htobe32(d->port),
		.config = htobe32(d->config & CONFIG_11),
		.state = htobe32(d->state & STATE_11),
		.curr = htobe32(d->curr & FEATURES_11),
		.advertised = htobe32(d->advertised & FEATURES_11),
		.supported = htobe32(d->supported & FEATURES_11),
		.peer = htobe32(d->peer & FEATURES_11),
		.curr_speed = htobe32(d->curr_speed),
		.max_speed = htobe32(d->max_speed),
	};

	memcpy(w.hw_addr, d->hw_addr, 6);
	set_text(w.name, sizeof(w.name), d->name);
	wf_buf_put(out, &w, sizeof(w));
}

static void
put_14(struct wf_buf *out, const struct of_port_desc *d)
{
	struct port14 w = {
		.port = htobe32(d->port),
		.length = htobe16(sizeof(struct port14) + sizeof(struct port14_ethernet)),
		.config = htobe32(d->config & CONFIG_11),
		.state = htobe32(d->state & STATE_11),
	};
	struct port14_ethernet eth = {
		.length = htobe16(sizeof(eth)),
		.curr = htobe32(d->curr & FEATURES_11),
		.advertised = htobe32(d->advertised & FEATURES_11),
		.supported = htobe32(d->supported & FEATURES_11),
		.peer = htobe32(d->peer & FEATURES_11),
		.curr_speed = htobe32(d->curr_speed),
		.max_speed = htobe32(d->max_speed),
	};

	memcpy(w.hw_addr, d->hw_addr, 6);
	set_text(w.name, sizeof(w.name), d->name);
	wf_buf_put(out, &w, sizeof(w));
	wf_buf_put(out, &eth, sizeof(eth));
}

void
of_port_desc_put(struct wf_buf *out, uint8_t version, const struct of_port_desc *d)
{
	if (version == OF10_VERSION)
		put_10(out, d);
	else if (version <= OF13_VERSION)
		put_11(out, d);
	else
		put_14(out, d);
}

void
of_port_desc_append(struct of_multipart *mp, const struct of_port_desc *d)
{
	of_multipart_item_begin(mp);
	of_port_desc_put(mp->out, mp->version, d);
	of_multipart_item_end(mp);
}

static void
take_name(struct of_port_desc *d, const char name[16])
{
	memset(d->name, 0, sizeof(d->name));
	memcpy(d->name, name, strnlen(name, 15));
}

static of_err_t
take_14(const uint8_t *p, size_t size, size_t *used, struct of_port_desc *d)
{
	const struct port14 *w = (const void *)p;
	of_err_t error;

	if (size < sizeof(*w))
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = be16toh(w->length);
	if (length < sizeof(*w) || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	*used = length;
	error = of_port_from_11(be32toh(w->port), &d->port);
	if (error)
		return error;
	memcpy(d->hw_addr, w->hw_addr, 6);
	take_name(d, w->name);
	d->config = be32toh(w->config) & CONFIG_11;
	d->state = be32toh(w->state) & STATE_11;

	p += sizeof(*w);
	for (size_t rest = length - sizeof(*w); rest > 0;) {
		struct of_prop prop;

		error = of_prop_next(&p, &rest, &prop);
		if (error)
			return error;
		if (prop.vendor || prop.type != 0)
			continue;
		const struct port14_ethernet *eth = (const void *)prop.data;
		if (prop.size != sizeof(*eth))
			return OF_ERR_OFPBPC_BAD_LEN;
		d->curr = be32toh(eth->curr) & FEATURES_11;
		d->advertised = be32toh(eth->advertised) & FEATURES_11;
		d->supported = be32toh(eth->supported) & FEATURES_11;
		d->peer = be32toh(eth->peer) & FEATURES_11;
		d->curr_speed = be32toh(eth->curr_speed);
		d->max_speed = be32toh(eth->max_speed);
	}
	return 0;
}

static of_err_t
take(const uint8_t *p, size_t size, uint8_t version, size_t *used, struct of_port_desc *d)
{
	*d = (struct of_port_desc){ 0 };
	if (version == OF10_VERSION) {
		const struct port10 *w = (const void *)p;

		if (size < sizeof(*w))
			return OF_ERR_OFPBRC_BAD_LEN;
		*used = sizeof(*w);
		d->port = of_port_from_10(be16toh(w->port));
		memcpy(d->hw_addr, w->hw_addr, 6);
		take_name(d, w->name);
		d->config = be32toh(w->config) & CONFIG_10;
		d->state = be32toh(w->state) & STATE_10;
		d->curr = features_from_10(be32toh(w->curr));
		d->advertised = features_from_10(be32toh(w->advertised));
		d->supported = features_from_10(be32toh(w->supported));
		d->peer = features_from_10(be32toh(w->peer));
		d->curr_speed = features_kbps(d->curr);
		d->max_speed = features_kbps(d->supported);
		return 0;
	}
	if (version >= OF14_VERSION)
		return take_14(p, size, used, d);

	const struct port11 *w = (const void *)p;
	if (size < sizeof(*w))
		return OF_ERR_OFPBRC_BAD_LEN;
	*used = sizeof(*w);
	memcpy(d->hw_addr, w->hw_addr, 6);
	take_name(d, w->name);
	d->config = be32toh(w->config) & CONFIG_11;
	d->state = be32toh(w->state) & STATE_11;
	d->curr = be32toh(w->curr) & FEATURES_11;
	d->advertised = be32toh(w->advertised) & FEATURES_11;
	d->supported = be32toh(w->supported) & FEATURES_11;
	d->peer = be32toh(w->peer) & FEATURES_11;
	d->curr_speed = be32toh(w->curr_speed);
	d->max_speed = be32toh(w->max_speed);
	return of_port_from_11(be32toh(w->port), &d->port);
}

of_err_t
of_port_desc_next(const struct of_msg *msg, size_t *pos, struct of_port_desc *d)
{
	/* In a features reply the ports stand behind 24 bytes. */
	size_t ofs = *pos + (msg->id == OF_M_FEATURES_REPLY ? 24 : 0);
	size_t used = 0;

	if (ofs >= msg->body_size)
		return OF_EOF;
	of_err_t error = take(msg->body + ofs, msg->body_size - ofs, msg->version, &used, d);
	*pos += used;
	return error;
}

of_err_t
of_port_desc_request_decode(const struct of_msg *msg, of_port_t *port)
{
	*port = OF_PORT_ANY;
	if (msg->form != OF_R_OFPST15_PORT_DESC_REQUEST)
		return 0;
	if (msg->body_size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	return of_port_from_11(get_u32(msg->body), port);
}

void
of_port_desc_request_encode(uint8_t version, uint32_t xid, of_port_t port, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_PORT_DESC_REQUEST, version), version,
				    xid);

	if (version >= OF15_VERSION) {
		put_u32(out, port);
		put_u32(out, 0);
	}
	of_msg_end(out, start);
}

void
of_port_status_encode(const struct of_codec *codec, enum of_port_reason reason,
		      const struct of_port_desc *d, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_PORT_STATUS, codec->version),
				    codec->version, 0);
	uint8_t head[8] = { reason };

	wf_buf_put(out, head, sizeof(head));
	of_port_desc_put(out, codec->version, d);
	of_msg_end(out, start);
}

of_err_t
of_port_status_decode(const struct of_msg *msg, enum of_port_reason *reason, struct of_port_desc *d)
{
	size_t used;

	if (msg->body[0] > OF_PR_MODIFY)
		return OF_ERR_NXBRC_BAD_REASON;
	*reason = msg->body[0];
	return take(msg->body + 8, msg->body_size - 8, msg->version, &used, d);
}

WIRE_STRUCT port_mod10 {
	__be16 port;
	uint8_t hw_addr[6];
	__be32 config, mask, advertise;
	uint8_t pad[4];
};
WIRE_SIZE(struct port_mod10, 24);

WIRE_STRUCT port_mod14 {
	__be32 port;
	uint8_t pad[4];
	uint8_t hw_addr[6];
	uint8_t pad2[2];
	__be32 config, mask;
	/* 1.1 to 1.3: advertise, 4 bytes of padding.  1.4+: properties. */
};
WIRE_SIZE(struct port_mod14, 24);

of_err_t
of_port_mod_decode(const struct of_codec *codec, const struct of_msg *msg, struct of_port_mod *pm)
{
	of_err_t error = 0;

	*pm = (struct of_port_mod){ 0 };
	if (msg->form == OF_R_OFPT10_PORT_MOD) {
		const struct port_mod10 *w = (const void *)msg->body;

		pm->port = of_port_from_10(be16toh(w->port));
		memcpy(pm->hw_addr, w->hw_addr, 6);
		pm->mask = be32toh(w->mask) & CONFIG_10;
		pm->config = be32toh(w->config) & pm->mask;
		pm->advertise = features_from_10(be32toh(w->advertise));
		return 0;
	}

	const struct port_mod14 *w = (const void *)msg->body;
	error = of_port_from_11(be32toh(w->port), &pm->port);
	if (error)
		return error;
	memcpy(pm->hw_addr, w->hw_addr, 6);
	pm->mask = be32toh(w->mask) & CONFIG_11;
	pm->config = be32toh(w->config) & pm->mask;
	if (msg->form == OF_R_OFPT11_PORT_MOD) {
		pm->advertise = get_u32(w + 1) & FEATURES_11;
		return 0;
	}

	const uint8_t *p = (const uint8_t *)(w + 1);
	for (size_t rest = msg->body_size - sizeof(*w); rest > 0 && !error;) {
		struct of_prop prop;
		uint32_t advertise;

		error = of_prop_next(&p, &rest, &prop);
		if (error)
			break;
		if (prop.vendor || prop.type != 0) {
			error = of_prop_unknown(codec->loose, &prop);
			continue;
		}
		error = of_prop_get_u32(&prop, &advertise);
		if (!error)
			pm->advertise = advertise & FEATURES_11;
	}
	return error;
}

void
of_port_mod_encode(uint8_t version, uint32_t xid, const struct of_port_mod *pm, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_PORT_MOD, version), version, xid);

	if (version == OF10_VERSION) {
		struct port_mod10 w = {
			.port = htobe16(of_port_to_10(pm->port)),
			.config = htobe32(pm->config & CONFIG_10),
			.mask = htobe32(pm->mask & CONFIG_10),
			.advertise = htobe32(features_to_10(pm->advertise)),
		};

		memcpy(w.hw_addr, pm->hw_addr, 6);
		wf_buf_put(out, &w, sizeof(w));
	} else {
		struct port_mod14 w = {
			.port = htobe32(pm->port),
			.config = htobe32(pm->config & CONFIG_11),
			.mask = htobe32(pm->mask & CONFIG_11),
		};

		memcpy(w.hw_addr, pm->hw_addr, 6);
		wf_buf_put(out, &w, sizeof(w));
		if (version <= OF13_VERSION) {
			put_u32(out, pm->advertise & FEATURES_11);
			put_u32(out, 0);
		} else if (pm->advertise) {
			of_prop_put_u32(out, 0, pm->advertise & FEATURES_11);
		}
	}
	of_msg_end(out, start);
}
