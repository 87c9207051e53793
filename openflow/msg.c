/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg.h"

#include <stdio.h>
#include <stdlib.h>

#include "openflow/msg_wire.h"

enum kind { STD, MP_REQ, MP_REP, NX, ONF, NX_REQ, NX_REP, ONF_REQ, ONF_REP, N_KINDS };

struct row {
	const char *name;
	uint8_t kind, id, first, last;
	uint16_t number, min, multiple;
};

static const struct row rows[OF_N_MSG_FORMS] = {
#define OF_MSG(...)
#define OF_FORM(FORM, ID, NAME, KIND, FIRST, LAST, NUMBER, MIN, MULTIPLE)                      \
	[OF_R_##FORM] = { NAME, KIND, OF_M_##ID, FIRST, LAST, NUMBER, MIN, MULTIPLE },
#include "openflow/msgs.def"
};

static const char *const id_names[OF_N_MSG_IDS] = {
#define OF_MSG(ID, NAME) [OF_M_##ID] = NAME,
#define OF_FORM(...)
#include "openflow/msgs.def"
};

/* Row + 1 by kind, version and number, where the number is small; row 0 of the versions is for
 * those that do not exist yet.  ONF numbers are big and few: those are searched. */
#define N_NUMBERS 136
static uint8_t row_index[N_KINDS][OF15_VERSION + 1][N_NUMBERS];
static_assert(OF_N_MSG_FORMS < 255, "row_index holds a row in a byte");

__attribute__((constructor)) static void
build_index(void)
{
	for (unsigned r = 0; r < OF_N_MSG_FORMS; r++) {
		const struct row *row = &rows[r];

		if (row->number >= N_NUMBERS)
			continue;
		for (unsigned v = row->first; v <= row->last && v <= OF15_VERSION; v++)
			row_index[row->kind][v][row->number] = r + 1;
		if (row->last == 255)
			row_index[row->kind][0][row->number] = r + 1;
	}
}

static int
find_row(enum kind kind, uint8_t version, uint32_t number)
{
	if (number < N_NUMBERS) {
		if (version == 0)
			return -1;
		return (int)row_index[kind][version <= OF15_VERSION ? version : 0][number] - 1;
	}
	for (int r = 0; r < OF_N_MSG_FORMS; r++)
		if (rows[r].number == number && rows[r].kind == kind && rows[r].first <= version
		    && version <= rows[r].last)
			return r;
	return -1;
}

#define TYPE_VENDOR 4
#define STAT_VENDOR 0xffff

static uint8_t
multipart_type(uint8_t version, bool reply)
{
	return (version == OF10_VERSION ? 16 : 18) + reply;
}

static size_t
header_size(enum kind kind, uint8_t version)
{
	switch (kind) {
	case STD:
		return 8;
	case NX:
	case ONF:
		return 16;
	case MP_REQ:
	case MP_REP:
		return version == OF10_VERSION ? 12 : 16;
	default:
		return 24;
	}
}

size_t
of_frame_size(const void *head)
{
	uint16_t size = get_u16((const uint8_t *)head + 2);

	return size >= OF_HEADER_SIZE ? size : 0;
}

/* A multipart request from 1.3 on may come in parts, some of them empty. */
static bool
is_empty_part(const struct of_msg *msg, const struct row *row)
{
	return msg->version >= OF13_VERSION && msg->body_size == 0
	       && (row->kind == MP_REQ || row->kind == NX_REQ || row->kind == ONF_REQ);
}

static of_err_t
classify(const uint8_t *p, size_t size, bool whole, struct of_msg *msg)
{
	uint8_t version, type;
	uint32_t vendor = 0, number;
	enum kind kind = STD;

	*msg = (struct of_msg){ .data = p, .size = size, .id = OF_N_MSG_IDS,
			       .form = OF_N_MSG_FORMS };
	if (size < OF_HEADER_SIZE)
		return OF_ERR_OFPBRC_BAD_LEN;
	version = msg->version = p[0];
	number = type = p[1];
	msg->xid = get_u32(p + 4);

	bool known = version >= OF10_VERSION && version <= OF15_VERSION;
	bool request = known && type == multipart_type(version, false);
	bool reply = known && type == multipart_type(version, true);
	if (type == TYPE_VENDOR) {
		if (size < 16)
			return OF_ERR_OFPBRC_BAD_LEN;
		vendor = get_u32(p + 8);
		number = get_u32(p + 12);
		kind = vendor == OF_VENDOR_ONF ? ONF : NX;
		if (vendor != OF_VENDOR_NX && vendor != OF_VENDOR_ONF)
			return OF_ERR_OFPBRC_BAD_VENDOR;
	} else if (request || reply) {
		size_t head = header_size(MP_REQ, version);

		if (size < head)
			return OF_ERR_OFPBRC_BAD_LEN;
		number = get_u16(p + 8);
		msg->mp_flags = get_u16(p + 10);
		kind = request ? MP_REQ : MP_REP;
		if (number == STAT_VENDOR) {
			/* The subtype is read only if the vendor is known, so a cut message of a
			 * foreign vendor is BAD_VENDOR. */
			if (size < (version == OF10_VERSION ? 16u : 24u))
				return OF_ERR_OFPBRC_BAD_LEN;
			vendor = get_u32(p + head);
			if (vendor != OF_VENDOR_NX
			    && (vendor != OF_VENDOR_ONF || version == OF10_VERSION))
				return OF_ERR_OFPBRC_BAD_VENDOR;
			if (size < 24)
				return OF_ERR_OFPBRC_BAD_LEN;
			number = get_u32(p + head + 4);
			kind = vendor == OF_VENDOR_NX ? (request ? NX_REQ : NX_REP)
						      : (request ? ONF_REQ : ONF_REP);
		}
	}

	int r = find_row(kind, version, number);
	if (r < 0)
		return vendor		  ? OF_ERR_OFPBRC_BAD_SUBTYPE
		       : request || reply ? OF_ERR_OFPBRC_BAD_STAT
					  : OF_ERR_OFPBRC_BAD_TYPE;

	const struct row *row = &rows[r];
	size_t head = header_size(kind, version);
	msg->form = r;
	msg->id = row->id;
	msg->body = p + head;
	msg->body_size = size - head;
	if (whole && !is_empty_part(msg, row)
	    && (msg->body_size < row->min
		|| (row->multiple == 0 ? msg->body_size != row->min
				       : (msg->body_size - row->min) % row->multiple != 0)))
		return OF_ERR_OFPBRC_BAD_LEN;
	return 0;
}

of_err_t
of_msg_classify(const void *data, size_t size, struct of_msg *msg)
{
	return classify(data, size, true, msg);
}

of_err_t
of_msg_classify_partial(const void *data, size_t have, struct of_msg *msg)
{
	return classify(data, have, false, msg);
}

const char *
of_msg_id_name(enum of_msg_id id)
{
	return id < OF_N_MSG_IDS ? id_names[id] : "unknown";
}

const char *
of_msg_form_name(enum of_msg_form form)
{
	return form < OF_N_MSG_FORMS ? rows[form].name : "unknown";
}

static bool
is_request_kind(enum kind kind)
{
	return kind == MP_REQ || kind == NX_REQ || kind == ONF_REQ;
}

bool
of_msg_is_multipart_request(const struct of_msg *msg)
{
	return msg->form < OF_N_MSG_FORMS && is_request_kind(rows[msg->form].kind);
}

bool
of_msg_is_multipart_reply(const struct of_msg *msg)
{
	if (msg->form >= OF_N_MSG_FORMS)
		return false;
	enum kind kind = rows[msg->form].kind;
	return kind == MP_REP || kind == NX_REP || kind == ONF_REP;
}

bool
of_msg_more(const struct of_msg *msg)
{
	return msg->mp_flags & 1;
}

static const char *const version_names[] = {
	[OF10_VERSION] = "OpenFlow10", [OF11_VERSION] = "OpenFlow11", [OF12_VERSION] = "OpenFlow12",
	[OF13_VERSION] = "OpenFlow13", [OF14_VERSION] = "OpenFlow14", [OF15_VERSION] = "OpenFlow15",
};

uint8_t
of_version_from_name(const char *name)
{
	for (uint8_t v = OF10_VERSION; v <= OF15_VERSION; v++)
		if (!strcmp(name, version_names[v]))
			return v;
	return 0;
}

const char *
of_version_name(uint8_t version)
{
	return version >= OF10_VERSION && version <= OF15_VERSION ? version_names[version]
								  : "unknown";
}

const char *
of_version_short_name(uint8_t version)
{
	static const char *const names[] = {
		[OF10_VERSION] = "", [OF11_VERSION] = " (OF1.1)", [OF12_VERSION] = " (OF1.2)",
		[OF13_VERSION] = " (OF1.3)", [OF14_VERSION] = " (OF1.4)",
		[OF15_VERSION] = " (OF1.5)",
	};

	return version >= OF10_VERSION && version <= OF15_VERSION ? names[version] : "";
}

size_t
of_msg_begin(struct wf_buf *out, enum of_msg_form form, uint8_t version, uint32_t xid)
{
	const struct row *row = &rows[form];
	enum kind kind = row->kind;
	size_t start = out->size;
	uint8_t *p = wf_buf_put_zeros(out, header_size(kind, version));
	bool reply = kind == MP_REP || kind == NX_REP || kind == ONF_REP;
	uint32_t vendor = kind == NX || kind == NX_REQ || kind == NX_REP ? OF_VENDOR_NX
									  : OF_VENDOR_ONF;

	p[0] = version;
	set_u32(p + 4, xid);
	switch (kind) {
	case STD:
		p[1] = row->number;
		break;
	case NX:
	case ONF:
		p[1] = TYPE_VENDOR;
		set_u32(p + 8, vendor);
		set_u32(p + 12, row->number);
		break;
	case MP_REQ:
	case MP_REP:
		p[1] = multipart_type(version, reply);
		set_u16(p + 8, row->number);
		break;
	default: {
		size_t head = header_size(MP_REQ, version);

		p[1] = multipart_type(version, reply);
		set_u16(p + 8, STAT_VENDOR);
		set_u32(p + head, vendor);
		set_u32(p + head + 4, row->number);
	}
	}
	set_u16(p + 2, header_size(kind, version));
	return start;
}

void
of_msg_end(struct wf_buf *out, size_t start)
{
	size_t size = out->size - start;

	set_u16((uint8_t *)wf_buf_at(out, start) + 2, size <= OF_MSG_MAX ? size : OF_MSG_MAX);
}

enum of_msg_form
of_msg_form_for(enum of_msg_id id, uint8_t version)
{
	for (unsigned r = 0; r < OF_N_MSG_FORMS; r++)
		if (rows[r].id == id && rows[r].first <= version && version <= rows[r].last)
			return r;
	return OF_N_MSG_FORMS;
}

enum of_msg_form
of_msg_reply_form(enum of_msg_form request, uint8_t version)
{
	const struct row *row = &rows[request];
	int r = is_request_kind(row->kind) ? find_row(row->kind + 1, version, row->number) : -1;

	return r < 0 ? OF_N_MSG_FORMS : (enum of_msg_form)r;
}
static_assert(MP_REP == MP_REQ + 1 && NX_REP == NX_REQ + 1 && ONF_REP == ONF_REQ + 1,
	      "of_msg_reply_form() relies on it");

bool
of_msg_encode_empty(struct wf_buf *out, enum of_msg_id id, uint8_t version, uint32_t xid)
{
	enum of_msg_form form = of_msg_form_for(id, version);

	if (form == OF_N_MSG_FORMS)
		return false;
	of_msg_end(out, of_msg_begin(out, form, version, xid));
	return true;
}

of_port_t
of_port_from_10(uint16_t port)
{
	return port < 0xff00 ? port : 0xffff0000u | port;
}

uint16_t
of_port_to_10(of_port_t port)
{
	if (port < 0xff00)
		return port;
	return port >= OF_PORT_MAX ? (uint16_t)port : (uint16_t)OF_PORT_NONE;
}

of_err_t
of_port_from_11(uint32_t wire, of_port_t *port)
{
	*port = wire;
	return 0;
}
