/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart messages: replies cut into parts, requests put together from parts. */
#include <stdlib.h>

#include "openflow/msg_wire.h"

void
of_multipart_begin_form(struct of_multipart *mp, struct wf_buf *out, enum of_msg_form form,
			uint8_t version, uint32_t xid)
{
	*mp = (struct of_multipart){ .out = out, .form = form, .version = version, .xid = xid };
	mp->part = of_msg_begin(out, form, version, xid);
	mp->item = out->size;
}

void
of_multipart_begin(struct of_multipart *mp, struct wf_buf *out, const struct of_msg *request)
{
	of_multipart_begin_form(mp, out, of_msg_reply_form(request->form, request->version),
				request->version, request->xid);
}

void
of_multipart_item_begin(struct of_multipart *mp)
{
	mp->item = mp->out->size;
}

bool
of_multipart_item_end(struct of_multipart *mp)
{
	struct wf_buf *out = mp->out;

	if (out->size - mp->part <= OF_MSG_MAX)
		return true;

	/* The item goes behind a header of its own.  One that is too big even alone cannot be
	 * said in OpenFlow and is left out. */
	size_t size = out->size - mp->item;
	size_t old_part = mp->part;
	size_t part = of_msg_begin(out, mp->form, mp->version, mp->xid);
	size_t head = out->size - part;

	if (head + size > OF_MSG_MAX) {
		out->size = mp->item;
		return false;
	}
	uint8_t *item = wf_buf_at(out, mp->item);
	uint8_t header[24];
	memcpy(header, item + size, head);
	memmove(item + head, item, size);
	memcpy(item, header, head);

	uint8_t *old = wf_buf_at(out, old_part);
	set_u16(old + 2, mp->item - old_part);
	set_u16(old + 10, get_u16(old + 10) | 1);
	mp->part = mp->item;
	mp->item += head;
	return true;
}

size_t
of_multipart_ready(const struct of_multipart *mp)
{
	return mp->part;
}

void
of_multipart_pulled(struct of_multipart *mp, size_t size)
{
	mp->part -= size;
	mp->item -= size;
}

void
of_multipart_end(struct of_multipart *mp)
{
	of_msg_end(mp->out, mp->part);
}

/* OpenFlow 1.3.1 section A.3.5.1: a switch may give up after at least 100 ms. */
#define PART_TIMEOUT_MS 1000
/* A table features request of 255 tables takes more than 1 MB.  All that a connection has not
 * completed counts together, whatever number of requests it began. */
#define REQUEST_MAX (4u << 20)
#define REQUESTS_MAX 64

struct of_multipart_request {
	struct of_multipart_request *next;
	uint32_t xid;
	enum of_msg_form form;
	int64_t timeout_ms;
	bool done;          /* 'bytes' is what the last put() returned */
	size_t size;        /* of all parts, headers included */
	size_t head_size;
	struct wf_buf bytes; /* the first part's header, then all bodies */
};

static void
request_free(struct of_multipart_requests *set, struct of_multipart_request *r)
{
	struct of_multipart_request **link = &set->first;

	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	wf_buf_done(&r->bytes);
	free(r);
}

static size_t
min_body(const struct of_msg *msg)
{
	static const struct {
		enum of_msg_form form;
		uint16_t min;
	} mins[] = {
#define OF_MSG(...)
#define OF_FORM(FORM, ID, NAME, KIND, FIRST, LAST, NUMBER, MIN, MULTIPLE) { OF_R_##FORM, MIN },
#include "openflow/msgs.def"
	};

	return mins[msg->form].min;
}

of_err_t
of_multipart_requests_put(struct of_multipart_requests *set, const struct of_msg *msg,
			  int64_t now_ms, struct of_msg *whole)
{
	struct of_multipart_request *r, *next;
	bool more = msg->version >= OF13_VERSION && of_msg_more(msg);

	*whole = (struct of_msg){ .data = NULL };
	for (r = set->first; r; r = next) {
		next = r->next;
		if (r->done)
			request_free(set, r);
	}
	size_t size = 0;
	unsigned n = 0;
	for (r = set->first; r && r->xid != msg->xid; r = r->next)
		;
	for (const struct of_multipart_request *i = set->first; i; i = i->next, n++)
		size += i->size;
	if (!r) {
		if (!more) {
			if (msg->body_size < min_body(msg))
				return OF_ERR_OFPBRC_BAD_LEN;
			*whole = *msg;
			return 0;
		}
		if (n >= REQUESTS_MAX || size + msg->size > REQUEST_MAX)
			return OF_ERR_OFPBRC_MULTIPART_BUFFER_OVERFLOW;
		r = wf_xzalloc(sizeof(*r));
		r->xid = msg->xid;
		r->form = msg->form;
		r->head_size = msg->size - msg->body_size;
		wf_buf_put(&r->bytes, msg->data, r->head_size);
		r->next = set->first;
		set->first = r;
	}
	r->timeout_ms = now_ms + PART_TIMEOUT_MS;

	of_err_t error = 0;
	r->size += msg->size;
	if (r->form != msg->form)
		error = OF_ERR_OFPBRC_BAD_STAT;
	else if (size + msg->size > REQUEST_MAX)
		error = OF_ERR_OFPBRC_MULTIPART_BUFFER_OVERFLOW;
	else if (!more && r->bytes.size + msg->body_size - r->head_size < min_body(msg))
		error = OF_ERR_OFPBRC_BAD_LEN;
	if (error) {
		request_free(set, r);
		return error;
	}
	wf_buf_put(&r->bytes, msg->body, msg->body_size);
	if (more)
		return 0;

	r->done = true;
	*whole = *msg;
	whole->mp_flags = 0;
	whole->data = r->bytes.data;
	whole->size = r->bytes.size;
	whole->body = r->bytes.data + r->head_size;
	whole->body_size = r->bytes.size - r->head_size;
	return 0;
}

int64_t
of_multipart_requests_run(struct of_multipart_requests *set, int64_t now_ms,
			  void (*expired)(void *aux, const void *header, size_t size), void *aux)
{
	struct of_multipart_request *r, *next;
	int64_t when = -1;

	for (r = set->first; r; r = next) {
		next = r->next;
		if (r->done)
			continue;
		if (now_ms >= r->timeout_ms) {
			expired(aux, r->bytes.data, r->head_size);
			request_free(set, r);
		} else if (when < 0 || r->timeout_ms < when) {
			when = r->timeout_ms;
		}
	}
	return when;
}

void
of_multipart_requests_done(struct of_multipart_requests *set)
{
	while (set->first)
		request_free(set, set->first);
}
