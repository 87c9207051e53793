// SPDX-License-Identifier: Apache-2.0
/* The talk of a probe over HTTP/2 (RFC 9113): one GET, or one call of grpc.health.v1.Health/Check.  No sockets: bytes
 * in, bytes out. */
#include <ctype.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/probe_internal.h"

struct pol_h2 {
	const struct pol_probe_conf *conf;
	nghttp2_session *session;
	int32_t stream;
	struct wf_buf request, body; /* the call's message; what has come of the answer's */
	size_t n_in;		     /* bytes from the peer */
	unsigned status;	     /* 0: none yet */
	int grpc_status;	     /* -1: none yet */
	double load;		     /* negative: none */
	bool has_type, is_grpc;	     /* content-type */
	bool ended;		     /* the peer has said all */
	bool over, reset;	     /* the stream is closed, with 'error'; by the peer, before its end */
	uint32_t error;
	bool went_away;
	uint32_t goaway;
	bool dead;	   /* what came was no HTTP/2 */
	char complaint[100]; /* what nghttp2 disliked first; "": nothing */
};

static bool
is_grpc(const struct pol_probe_conf *conf)
{
	return conf->type == POL_PROBE_GRPC || conf->type == POL_PROBE_GRPCS;
}

/* ---- What the peer says ---- */

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
	  const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct pol_h2 *h = arg;
	char number[8];

	if (frame->hd.stream_id != h->stream)
		return 0;
	snprintf(number, sizeof number, "%.*s", (int)(value_len < 7 ? value_len : 7), (const char *)value);
	if (name_len == 7 && !memcmp(name, ":status", 7)) {
		h->status = (unsigned)strtoul(number, NULL, 10);
	} else if (name_len == 11 && !memcmp(name, "grpc-status", 11)) {
		/* What is no number is no status: as if there were none. */
		if (value_len >= 1 && value_len <= 3 && strspn(number, "0123456789") == value_len)
			h->grpc_status = atoi(number);
	} else if (name_len == 12 && !memcmp(name, "content-type", 12)) {
		h->has_type = true;
		h->is_grpc = value_len >= 16 && !memcmp(value, "application/grpc", 16);
	} else if (h->conf->load_header && strlen(h->conf->load_header) == name_len &&
		   !strncasecmp((const char *)name, h->conf->load_header, name_len)) {
		h->load = pol_load_parse((const char *)value, value_len);
	}
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t n, void *arg)
{
	struct pol_h2 *h = arg;
	size_t room = POL_PROBE_MAX_ANSWER - h->body.size;

	if (stream == h->stream && n)
		wf_buf_put(&h->body, data, n < room ? n : room);
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct pol_h2 *h = arg;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		h->went_away = true;
		h->goaway = frame->goaway.error_code;
	} else if (frame->hd.stream_id == h->stream && frame->hd.type == NGHTTP2_RST_STREAM) {
		h->reset = true;
	} else if (frame->hd.stream_id == h->stream &&
		   (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
		   (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
		h->ended = true;
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct pol_h2 *h = arg;

	if (stream == h->stream) {
		h->over = true;
		h->error = error;
	}
	return 0;
}

static int
on_complaint(nghttp2_session *session, int lib_error, const char *text, size_t len, void *arg)
{
	struct pol_h2 *h = arg;

	if (!h->complaint[0])
		snprintf(h->complaint, sizeof h->complaint, "%s", nghttp2_strerror(lib_error));
	return 0;
}

/* ---- What we say ---- */

static ssize_t
read_request(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size, uint32_t *flags,
	     nghttp2_data_source *source, void *arg)
{
	struct pol_h2 *h = arg;
	size_t n = h->request.size < size ? h->request.size : size;

	memcpy(data, h->request.data, n);
	wf_buf_pull(&h->request, n);
	if (!h->request.size)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* HealthCheckRequest { string service = 1 }, behind the five bytes of gRPC: not compressed, length. */
static void
put_check(struct wf_buf *b, const char *service)
{
	size_t n = strlen(service);
	uint8_t head[8] = { 0, 0, 0, 0, 0, 0x0a }, *p = head + 6;

	if (!n) {
		wf_buf_put(b, head, 5);
		return;
	}
	*p++ = (uint8_t)(n < 128 ? n : (n & 127) | 128);
	if (n >= 128)
		*p++ = (uint8_t)(n >> 7);
	size_t size = (size_t)(p - head) - 5 + n;

	head[3] = (uint8_t)(size >> 8);
	head[4] = (uint8_t)size;
	wf_buf_put(b, head, (size_t)(p - head));
	wf_buf_put(b, service, n);
}

#define FIELD(NAME, VALUE)                                                                         \
	(nghttp2_nv)                                                                               \
	{                                                                                          \
		(uint8_t *)(NAME), (uint8_t *)(VALUE), strlen(NAME), strlen(VALUE), NGHTTP2_NV_FLAG_NONE \
	}

static int
put_request(struct pol_h2 *h, const char *authority)
{
	const struct pol_probe_conf *conf = h->conf;
	bool grpc = is_grpc(conf);
	char timeout[16];
	nghttp2_nv fields[9];
	size_t n = 0;

	snprintf(timeout, sizeof timeout, "%um", conf->timeout_ms);
	fields[n++] = FIELD(":method", grpc ? "POST" : "GET");
	fields[n++] = FIELD(":scheme", pol_probe_is_tls(conf->type) ? "https" : "http");
	fields[n++] = FIELD(":path", grpc ? "/grpc.health.v1.Health/Check" : conf->path);
	fields[n++] = FIELD(":authority", authority);
	if (grpc) {
		fields[n++] = FIELD("te", "trailers");
		fields[n++] = FIELD("content-type", "application/grpc");
		fields[n++] = FIELD("grpc-timeout", timeout);
		put_check(&h->request, conf->service ? conf->service : "");
	} else {
		fields[n++] = FIELD("accept", "*/*");
	}
	fields[n++] = FIELD("user-agent", "weft-probe");
	h->stream = nghttp2_submit_request(h->session, NULL, fields, n,
					   grpc ? &(nghttp2_data_provider){ .read_callback = read_request } : NULL, NULL);
	return h->stream < 0 ? -EINVAL : 0;
}

/* Takes from the session what is to be sent. */
static void
collect(struct pol_h2 *h, struct wf_buf *out)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(h->session, &data)) > 0)
		wf_buf_put(out, data, (size_t)n);
}

struct pol_h2 *
pol_h2_new(const struct pol_probe_conf *conf, const char *authority, struct wf_buf *out)
{
	/* The window of a stream is not widened while the probe lasts, so an answer ends at 65535 bytes. */
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384 },
	};
	struct pol_h2 *h = wf_xzalloc(sizeof *h);
	nghttp2_session_callbacks *calls;
	nghttp2_option *option;
	int rc;

	h->conf = conf;
	h->grpc_status = -1;
	h->load = -1;
	if (nghttp2_session_callbacks_new(&calls) || nghttp2_option_new(&option))
		abort(); /* out of memory, as all of ours */
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
	nghttp2_session_callbacks_set_error_callback2(calls, on_complaint);
	nghttp2_option_set_no_auto_window_update(option, 1);
	rc = nghttp2_session_client_new2(&h->session, calls, h, option);
	nghttp2_session_callbacks_del(calls);
	nghttp2_option_del(option);
	if (rc || nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, 2) || put_request(h, authority)) {
		pol_h2_free(h);
		return NULL;
	}
	collect(h, out);
	return h;
}

void
pol_h2_free(struct pol_h2 *h)
{
	if (!h)
		return;
	nghttp2_session_del(h->session);
	wf_buf_done(&h->request);
	wf_buf_done(&h->body);
	free(h);
}

double
pol_h2_load(const struct pol_h2 *h)
{
	return h->load;
}

/* ---- The verdict ---- */

static bool
varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
		uint8_t byte = *(*p)++;

		*ret |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return true;
	}
	return false;
}

/* HealthCheckResponse { ServingStatus status = 1 }; -EINVAL: the message is none.  Fields that we do not know are
 * skipped, a status that is absent is UNKNOWN (0), of several the last counts, as protobuf has it. */
static int
serving_status(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	uint64_t key, value;
	int status = 0;

	while (p < end) {
		if (!varint(&p, end, &key))
			return -EINVAL;
		value = 0;
		switch (key & 7) {
		case 0:
			if (!varint(&p, end, &value))
				return -EINVAL;
			if (key >> 3 == 1)
				status = value > 99 ? 99 : (int)value;
			continue;
		case 1:
			value = 8;
			break;
		case 2:
			if (!varint(&p, end, &value))
				return -EINVAL;
			break;
		case 5:
			value = 4;
			break;
		default:
			return -EINVAL;
		}
		if (value > (uint64_t)(end - p))
			return -EINVAL;
		p += value;
	}
	return status;
}

static const char *
grpc_status_name(int status)
{
	static const char *const names[] = {
		"OK",		    "CANCELLED",	 "UNKNOWN",	    "INVALID_ARGUMENT",	  "DEADLINE_EXCEEDED",
		"NOT_FOUND",	    "ALREADY_EXISTS",	 "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED",	    "OUT_OF_RANGE",	 "UNIMPLEMENTED",   "INTERNAL",		  "UNAVAILABLE",
		"DATA_LOSS",	    "UNAUTHENTICATED",
	};

	return status < (int)(sizeof names / sizeof names[0]) ? names[status] : "no such status";
}

/* The stream has ended in good order. */
static int
judge_grpc(const struct pol_h2 *h, char *text, size_t size)
{
	static const char *const serving[] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
	const uint8_t *b = h->body.data;
	int status;

	if (h->status != 200)
		snprintf(text, size, "status %u", h->status);
	else if (h->grpc_status < 0)
		snprintf(text, size, h->has_type && !h->is_grpc ? "not an answer of gRPC" : "no grpc-status");
	else if (h->grpc_status)
		snprintf(text, size, "gRPC status %d (%s)", h->grpc_status, grpc_status_name(h->grpc_status));
	else if (h->body.size < 5)
		snprintf(text, size, "gRPC: no message");
	else if (b[0])
		snprintf(text, size, "gRPC: a compressed message, which was not offered");
	else if (h->body.size - 5 != ((size_t)b[1] << 24 | b[2] << 16 | b[3] << 8 | b[4]))
		snprintf(text, size, "gRPC: a message of another length than it says");
	else if ((status = serving_status(b + 5, h->body.size - 5)) < 0)
		snprintf(text, size, "gRPC: a message that is no HealthCheckResponse");
	else {
		snprintf(text, size, "%s", status < 4 ? serving[status] : "a serving status that is not known");
		return status == 1;
	}
	return 0;
}

static int
judge_http(const struct pol_h2 *h, bool complete, char *text, size_t size)
{
	const char *expect = h->conf->expect;

	snprintf(text, size, "status %u", h->status);
	if (h->status < h->conf->status_min || h->status > h->conf->status_max)
		return 0;
	if (!expect || (h->body.size && memmem(h->body.data, h->body.size, expect, strlen(expect))))
		return 1;
	/* A window of 65535 is all that the peer may send. */
	if (!complete && h->body.size < POL_PROBE_MAX_ANSWER - 1)
		return -EAGAIN;
	snprintf(text, size, "status %u without what is expected", h->status);
	return 0;
}

static int
judge(struct pol_h2 *h, bool eof, char *text, size_t size)
{
	bool final = h->status >= 200; /* 1xx: the answer is still to come */

	/* A stream that has ended may be reset without an error (RFC 9113 section 8.1). */
	if (h->ended && final)
		return is_grpc(h->conf) ? judge_grpc(h, text, size) : judge_http(h, true, text, size);
	if (final && !is_grpc(h->conf)) {
		int rc = judge_http(h, false, text, size);

		if (rc != -EAGAIN)
			return rc;
	}
	if (h->went_away && (h->goaway || h->over))
		snprintf(text, size, "GOAWAY (%s)", nghttp2_http2_strerror(h->goaway));
	else if (h->over && h->reset)
		snprintf(text, size, "RST_STREAM (%s)", nghttp2_http2_strerror(h->error));
	else if (h->over)
		snprintf(text, size, "a broken answer (%s)",
			 h->complaint[0] ? h->complaint : nghttp2_http2_strerror(h->error));
	else if (h->dead || !nghttp2_session_want_read(h->session))
		snprintf(text, size, "not HTTP/2 (%s)", h->complaint[0] ? h->complaint : "protocol error");
	else if (h->n_in > POL_PROBE_MAX_H2)
		snprintf(text, size, "more than %d bytes without an end", POL_PROBE_MAX_H2);
	else if (is_grpc(h->conf) && h->body.size >= POL_PROBE_MAX_ANSWER - 1)
		snprintf(text, size, "gRPC: a message of more than %d bytes", POL_PROBE_MAX_ANSWER - 1);
	else if (eof)
		snprintf(text, size, h->n_in ? "closed before the end of the answer" : "closed without an answer");
	else
		return -EAGAIN;
	return 0;
}

int
pol_h2_take(struct pol_h2 *h, const uint8_t *data, size_t n, bool eof, struct wf_buf *out, char *text, size_t size)
{
	if (!h->n_in && n >= 7 && !memcmp(data, "HTTP/1.", 7)) {
		snprintf(text, size, "an answer of HTTP/1, not of HTTP/2");
		return 0;
	}
	h->n_in += n;

	ssize_t rc = n ? nghttp2_session_mem_recv(h->session, data, n) : 0;

	if (rc < 0) {
		h->dead = true;
		on_complaint(h->session, (int)rc, NULL, 0, h);
	} else {
		collect(h, out);
	}
	return judge(h, eof, text, size);
}
