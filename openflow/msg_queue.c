/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg_queue.h"

#include "openflow/msg_wire.h"

/* The same numbers as queue properties (before 1.4) and as properties of a description. */
enum { PROP_MIN_RATE = 1, PROP_MAX_RATE = 2 };

of_err_t
of_queue_config_request_decode(const struct of_msg *msg, struct of_queue_query *q)
{
	of_err_t error = 0;

	q->queue = OF_QUEUE_ALL;
	switch (msg->form) {
	case OF_R_OFPT10_QUEUE_GET_CONFIG_REQUEST:
		q->port = of_port_from_10(get_u16(msg->body));
		break;
	case OF_R_OFPT11_QUEUE_GET_CONFIG_REQUEST:
		error = of_port_from_11(get_u32(msg->body), &q->port);
		if (error || q->port == OF_PORT_ANY)
			return error;
		break;
	default:
		if (msg->body_size < 8)
			return OF_ERR_OFPBRC_BAD_LEN;
		q->queue = get_u32(msg->body + 4);
		return of_port_from_11(get_u32(msg->body), &q->port);
	}
	return q->port < OF_PORT_MAX ? 0 : OF_ERR_OFPQOFC_BAD_PORT;
}

void
of_queue_config_begin(struct of_queue_config_reply *r, struct wf_buf *out,
		      const struct of_msg *request, of_port_t port)
{
	*r = (struct of_queue_config_reply){
		.out = out,
		.multipart = request->form == OF_R_OFPST14_QUEUE_DESC_REQUEST,
	};
	if (r->multipart) {
		of_multipart_begin(&r->mp, out, request);
		return;
	}
	uint8_t head[8] = { 0 };
	bool is_10 = request->version == OF10_VERSION;
	r->start = of_msg_begin(out,
				is_10 ? OF_R_OFPT10_QUEUE_GET_CONFIG_REPLY
				      : OF_R_OFPT11_QUEUE_GET_CONFIG_REPLY,
				request->version, request->xid);
	r->mp.version = request->version;
	if (is_10)
		set_u16(head, of_port_to_10(port));
	else
		set_u32(head, port);
	wf_buf_put(out, head, sizeof(head));
}

static void
put_rate_10(struct wf_buf *out, uint16_t prop, uint16_t rate)
{
	uint8_t w[16] = { 0 };

	if (rate == UINT16_MAX)
		return;
	set_u16(w, prop);
	set_u16(w + 2, sizeof(w));
	set_u16(w + 8, rate);
	wf_buf_put(out, w, sizeof(w));
}

static void
append_10(struct of_queue_config_reply *r, const struct of_queue_config *qc)
{
	struct wf_buf *out = r->out;
	size_t start = out->size, len_ofs = 4;

	put_u32(out, qc->queue);
	if (r->mp.version >= OF12_VERSION) {
		put_u32(out, qc->port);
		len_ofs = 8;
	}
	wf_buf_put_zeros(out, r->mp.version >= OF12_VERSION ? 8 : 4);
	put_rate_10(out, PROP_MIN_RATE, qc->min_rate);
	put_rate_10(out, PROP_MAX_RATE, qc->max_rate);
	set_u16((uint8_t *)wf_buf_at(out, start) + len_ofs, out->size - start);
	if (out->size - r->start > OF_MSG_MAX)
		out->size = start;
}

void
of_queue_config_append(struct of_queue_config_reply *r, const struct of_queue_config *qc)
{
	if (!r->multipart) {
		append_10(r, qc);
		return;
	}
	of_multipart_item_begin(&r->mp);
	size_t start = r->out->size;
	put_u32(r->out, qc->port);
	put_u32(r->out, qc->queue);
	wf_buf_put_zeros(r->out, 8);
	if (qc->min_rate != UINT16_MAX)
		of_prop_put_u16(r->out, PROP_MIN_RATE, qc->min_rate);
	if (qc->max_rate != UINT16_MAX)
		of_prop_put_u16(r->out, PROP_MAX_RATE, qc->max_rate);
	set_u16((uint8_t *)wf_buf_at(r->out, start) + 8, r->out->size - start);
	of_multipart_item_end(&r->mp);
}

void
of_queue_config_end(struct of_queue_config_reply *r)
{
	if (r->multipart)
		of_multipart_end(&r->mp);
	else
		of_msg_end(r->out, r->start);
}

of_err_t
of_queue_stats_request_decode(const struct of_msg *msg, struct of_queue_query *q)
{
	if (msg->body_size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	q->queue = get_u32(msg->body + 4);
	if (msg->version > OF10_VERSION)
		return of_port_from_11(get_u32(msg->body), &q->port);
	q->port = of_port_from_10(get_u16(msg->body));
	/* 1.0 has no ANY and says ALL. */
	if (q->port == OF_PORT_ALL)
		q->port = OF_PORT_ANY;
	return 0;
}

void
of_queue_stats_append(struct of_multipart *mp, const struct of_queue_stats *qs)
{
	struct wf_buf *out = mp->out;

	of_multipart_item_begin(mp);
	if (mp->version >= OF14_VERSION) {
		put_u16(out, 48);
		wf_buf_put_zeros(out, 6);
	}
	if (mp->version == OF10_VERSION) {
		put_u16(out, of_port_to_10(qs->port));
		put_u16(out, 0);
	} else {
		put_u32(out, qs->port);
	}
	put_u32(out, qs->queue);
	put_u64(out, qs->tx_bytes);
	put_u64(out, qs->tx_packets);
	put_u64(out, qs->tx_errors);
	if (mp->version >= OF13_VERSION) {
		bool known = qs->duration_s != UINT32_MAX;

		put_u32(out, qs->duration_s);
		put_u32(out, known ? qs->duration_ns : UINT32_MAX);
	}
	of_multipart_item_end(mp);
}
