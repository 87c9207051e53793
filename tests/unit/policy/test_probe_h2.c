// SPDX-License-Identifier: Apache-2.0
/* The talk of HTTP/2 and gRPC probes, frame by frame (RFC 9113, RFC 7541). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/probe_internal.h"

enum { DATA, HEADERS, RST_STREAM = 3, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 9 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static void
put_frame(struct wf_buf *b, unsigned type, unsigned flags, unsigned stream, const void *payload, size_t n)
{
	uint8_t head[9] = { n >> 16, n >> 8, n, type, flags, 0, 0, 0, stream };

	wf_buf_put(b, head, sizeof head);
	wf_buf_put(b, payload, n);
}

#define SAID(BYTES) BYTES, sizeof(BYTES) - 1
/* HPACK: entry 8 of the static table is ":status: 200"; the rest as literals. */
#define S200 "\x88"
#define S503 "\x08\x03" "503"
#define S103 "\x08\x03" "103"
#define GRPC_TYPE "\x0f\x10\x10" "application/grpc"
#define HTML_TYPE "\x0f\x10\x09" "text/html"
#define GRPC_STATUS(LEN, NUMBER) "\x00\x0b" "grpc-status" LEN NUMBER
#define SERVING "\0\0\0\0\x02\x08\x01"

struct step {
	unsigned type, flags, stream;
	const char *payload;
	size_t n;
};

struct talk {
	const char *name;
	enum pol_probe_type type;
	struct step steps[5];
	bool eof;
	int rc;
	const char *text;
};

#define HEAD(FLAGS, BYTES) { HEADERS, END_HEADERS | (FLAGS), 1, SAID(BYTES) }
#define BODY(FLAGS, BYTES) { DATA, FLAGS, 1, SAID(BYTES) }
#define GRPC_HEAD HEAD(0, S200 GRPC_TYPE)
#define GRPC_OK HEAD(END_STREAM, GRPC_STATUS("\x01", "0"))

static const struct talk talks[] = {
	{ "a status that is right", POL_PROBE_HTTP2, { HEAD(0, S200) }, .rc = 1, .text = "status 200" },
	{ "a status that is wrong", POL_PROBE_HTTP2, { HEAD(END_STREAM, S503) }, .rc = 0, .text = "status 503" },
	{ "an interim status is none", POL_PROBE_HTTP2, { HEAD(0, S103) }, .rc = -EAGAIN },
	{ "and the one behind it counts",
	  POL_PROBE_HTTP2,
	  { HEAD(0, S103), HEAD(0, S200) },
	  .rc = 1,
	  .text = "status 200" },
	{ "refused", POL_PROBE_HTTP2, { { RST_STREAM, 0, 1, SAID("\0\0\0\x07") } }, .text = "RST_STREAM (REFUSED_STREAM)" },
	{ "sent away, with an error",
	  POL_PROBE_HTTP2,
	  { { GOAWAY, 0, 0, SAID("\0\0\0\0\0\0\0\x0b") } },
	  .text = "GOAWAY (ENHANCE_YOUR_CALM)" },
	{ "sent away before our stream", POL_PROBE_HTTP2, { { GOAWAY, 0, 0, SAID("\0\0\0\0\0\0\0\0") } },
	  .text = "GOAWAY (NO_ERROR)" },
	{ "a graceful end that spares our stream",
	  POL_PROBE_HTTP2,
	  { { GOAWAY, 0, 0, SAID("\x7f\xff\xff\xff\0\0\0\0") }, HEAD(0, S200) },
	  .rc = 1,
	  .text = "status 200" },
	{ "closed at once", POL_PROBE_HTTP2, { { SETTINGS, ACK, 0, "", 0 } }, .eof = true, .text = "closed before" },
	{ "a push that was forbidden",
	  POL_PROBE_HTTP2,
	  { { SETTINGS, ACK, 0, "", 0 }, { PUSH_PROMISE, END_HEADERS, 1, SAID("\0\0\0\x02" S200) } },
	  .text = "not HTTP/2" },
	{ "DATA before HEADERS", POL_PROBE_HTTP2, { BODY(0, "x") }, .text = "not HTTP/2" },
	{ "a length that is none",
	  POL_PROBE_GRPC,
	  { HEAD(0, S200 "\x0f\x0d\x01" "9"), BODY(END_STREAM, "x") },
	  .text = "a broken answer (" },
	{ "a stream that nobody opened", POL_PROBE_HTTP2, { { DATA, 0, 3, SAID("x") } }, .text = "not HTTP/2" },
	{ "a header block that is none", POL_PROBE_HTTP2, { HEAD(0, "\xff\xff\xff\xff\xff\xff") }, .text = "not HTTP/2" },

	{ "serving", POL_PROBE_GRPC, { GRPC_HEAD, BODY(0, SERVING), GRPC_OK }, .rc = 1, .text = "SERVING" },
	{ "serving, with a field that we do not know",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, BODY(0, "\0\0\0\0\x06\x12\x02hi\x08\x01"), GRPC_OK },
	  .rc = 1,
	  .text = "SERVING" },
	{ "in two pieces, then a reset without an error",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, BODY(0, "\0\0\0\0"), BODY(0, "\x02\x08\x01"), GRPC_OK, { RST_STREAM, 0, 1, SAID("\0\0\0\0") } },
	  .rc = 1,
	  .text = "SERVING" },
	{ "no end yet", POL_PROBE_GRPC, { GRPC_HEAD, BODY(0, SERVING) }, .rc = -EAGAIN },
	{ "not serving", POL_PROBE_GRPC, { GRPC_HEAD, BODY(0, "\0\0\0\0\x02\x08\x02"), GRPC_OK }, .text = "NOT_SERVING" },
	{ "an absent status is unknown", POL_PROBE_GRPC, { GRPC_HEAD, BODY(0, "\0\0\0\0\0"), GRPC_OK }, .text = "UNKNOWN" },
	{ "a status of the future",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, BODY(0, "\0\0\0\0\x02\x08\x07"), GRPC_OK },
	  .text = "a serving status that is not known" },
	{ "trailers only",
	  POL_PROBE_GRPC,
	  { HEAD(END_STREAM, S200 GRPC_TYPE GRPC_STATUS("\x02", "12")) },
	  .text = "gRPC status 12 (UNIMPLEMENTED)" },
	{ "an unknown service",
	  POL_PROBE_GRPC,
	  { HEAD(END_STREAM, S200 GRPC_TYPE GRPC_STATUS("\x01", "5")) },
	  .text = "gRPC status 5 (NOT_FOUND)" },
	{ "a gRPC status that does not exist",
	  POL_PROBE_GRPC,
	  { HEAD(END_STREAM, S200 GRPC_TYPE GRPC_STATUS("\x03", "999")) },
	  .text = "gRPC status 999 (no such status)" },
	{ "a gRPC status that is no number",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, BODY(0, SERVING), HEAD(END_STREAM, GRPC_STATUS("\x02", "0x")) },
	  .text = "no grpc-status" },
	{ "no trailers", POL_PROBE_GRPC, { GRPC_HEAD, BODY(END_STREAM, SERVING) }, .text = "no grpc-status" },
	{ "a web page", POL_PROBE_GRPC, { HEAD(0, S200 HTML_TYPE), BODY(END_STREAM, "<html>") },
	  .text = "not an answer of gRPC" },
	{ "a proxy's error", POL_PROBE_GRPC, { HEAD(END_STREAM, S503) }, .text = "status 503" },
	{ "no message", POL_PROBE_GRPC, { GRPC_HEAD, GRPC_OK }, .text = "gRPC: no message" },
	{ "compressed", POL_PROBE_GRPC, { GRPC_HEAD, BODY(0, "\1\0\0\0\x02\x08\x01"), GRPC_OK },
	  .text = "gRPC: a compressed" },
	{ "a length that is a lie",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, BODY(0, "\0\xff\xff\xff\xff\x08\x01"), GRPC_OK },
	  .text = "of another length" },
	{ "no protobuf", POL_PROBE_GRPC, { GRPC_HEAD, BODY(0, "\0\0\0\0\x02\x08\xff"), GRPC_OK },
	  .text = "no HealthCheckResponse" },
	{ "a field longer than the message",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, BODY(0, "\0\0\0\0\x02\x0a\x05"), GRPC_OK },
	  .text = "no HealthCheckResponse" },
	{ "reset in the middle",
	  POL_PROBE_GRPC,
	  { GRPC_HEAD, { RST_STREAM, 0, 1, SAID("\0\0\0\x02") } },
	  .text = "RST_STREAM (INTERNAL_ERROR)" },
	{ "closed in the middle", POL_PROBE_GRPC, { GRPC_HEAD }, .eof = true, .text = "closed before the end of the answer" },
};

static struct pol_probe_conf
conf_of(enum pol_probe_type type)
{
	static char path[] = "/x";

	return (struct pol_probe_conf){
		.type = type, .timeout_ms = 1000, .path = path, .status_min = 200, .status_max = 299
	};
}

/* What came, in pieces of 'piece' bytes. */
static int
take(const struct pol_probe_conf *conf, const struct wf_buf *in, size_t piece, bool eof, char *text, size_t size)
{
	struct wf_buf out = WF_BUF_INIT;
	struct pol_h2 *h = pol_h2_new(conf, "host:81", &out);
	int rc = -EAGAIN;

	assert_non_null(h);
	for (size_t at = 0; at < in->size && rc == -EAGAIN; at += piece) {
		size_t n = in->size - at < piece ? in->size - at : piece;
		uint8_t *copy = wf_xmemdup(in->data + at, n); /* what lies behind it is nobody's */

		rc = pol_h2_take(h, copy, n, false, &out, text, size);
		free(copy);
	}
	if (rc == -EAGAIN && eof)
		rc = pol_h2_take(h, NULL, 0, true, &out, text, size);
	pol_h2_free(h);
	wf_buf_done(&out);
	return rc;
}

static void
answers_are_judged(void **state)
{
	for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
		const struct talk *t = &talks[i];
		struct pol_probe_conf conf = conf_of(t->type);
		struct wf_buf in = WF_BUF_INIT;
		char text[120] = "";

		put_frame(&in, SETTINGS, 0, 0, NULL, 0);
		for (const struct step *s = t->steps; s < t->steps + 5 && s->payload; s++)
			put_frame(&in, s->type, s->flags, s->stream, s->payload, s->n);
		for (size_t piece = 1; piece <= in.size; piece += in.size - 1) {
			int rc = take(&conf, &in, piece, t->eof, text, sizeof text);

			if (rc != t->rc || (t->text && !strstr(text, t->text)))
				fail_msg("%s, in pieces of %zu: %d, \"%s\"", t->name, piece, rc, text);
		}
		wf_buf_done(&in);
	}
}

static void
what_is_no_http2_is_named(void **state)
{
	static const char *const said[] = {
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
		"\x15\x03\x01\x00\x02\x02\x46, an alert of TLS",
	};
	struct pol_probe_conf conf = conf_of(POL_PROBE_HTTP2);

	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		struct wf_buf in = { (uint8_t *)said[i], (uint8_t *)said[i], 20, 20 };
		char text[120] = "";

		assert_int_equal(take(&conf, &in, 20, false, text, sizeof text), 0);
		assert_non_null(strstr(text, i ? "not HTTP/2" : "an answer of HTTP/1, not of HTTP/2"));
	}
}

static void
an_expected_text_is_looked_for(void **state)
{
	struct pol_probe_conf conf = conf_of(POL_PROBE_HTTP2);
	static char expect[] = "needle";
	struct wf_buf in = WF_BUF_INIT;
	static uint8_t hay[16384];
	char text[120] = "";

	memset(hay, 'x', sizeof hay);
	conf.expect = expect;
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	put_frame(&in, HEADERS, END_HEADERS, 1, S200, 1);
	put_frame(&in, DATA, 0, 1, "nee", 3);
	assert_int_equal(take(&conf, &in, 4096, false, text, sizeof text), -EAGAIN);
	assert_int_equal(take(&conf, &in, 4096, true, text, sizeof text), 0);
	assert_string_equal(text, "closed before the end of the answer");
	put_frame(&in, DATA, 0, 1, "dle", 3);
	assert_int_equal(take(&conf, &in, 4096, false, text, sizeof text), 1);
	in.size -= 12;
	put_frame(&in, DATA, END_STREAM, 1, "dl", 2);
	assert_int_equal(take(&conf, &in, 4096, false, text, sizeof text), 0);
	assert_string_equal(text, "status 200 without what is expected");

	/* All that the window lets through, without an end and without the needle. */
	wf_buf_clear(&in);
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	put_frame(&in, HEADERS, END_HEADERS, 1, S200, 1);
	for (int i = 0; i < 3; i++)
		put_frame(&in, DATA, 0, 1, hay, 16384);
	put_frame(&in, DATA, 0, 1, hay, 16382);
	assert_int_equal(take(&conf, &in, 8192, false, text, sizeof text), -EAGAIN);
	put_frame(&in, DATA, 0, 1, hay, 1);
	assert_int_equal(take(&conf, &in, 8192, false, text, sizeof text), 0);
	assert_string_equal(text, "status 200 without what is expected");
	/* And one byte more than that. */
	in.size -= 10;
	put_frame(&in, DATA, 0, 1, hay, 2);
	assert_int_equal(take(&conf, &in, 8192, false, text, sizeof text), 0);
	wf_buf_done(&in);
}

/* Frames without an end: each is bounded, and says what it was. */
static void
floods_end(void **state)
{
	struct pol_probe_conf conf = conf_of(POL_PROBE_GRPC);
	struct wf_buf in = WF_BUF_INIT;
	static uint8_t block[16384];
	char text[120] = "";

	/* PINGs; no more than 1000 answers wait in the session, and these are all fetched. */
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	while (in.size <= POL_PROBE_MAX_H2)
		put_frame(&in, PING, 0, 0, block, 8);
	assert_int_equal(take(&conf, &in, 4096, false, text, sizeof text), 0);
	assert_non_null(strstr(text, "more than 131072 bytes without an end"));

	/* A header block without an end. */
	wf_buf_clear(&in);
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	put_frame(&in, HEADERS, 0, 1, S200, 1);
	for (size_t i = 0; i < sizeof block; i += 64)
		memcpy(block + i, "\x00\x01" "a" "\x3c", 4);
	for (int i = 0; i < 8; i++)
		put_frame(&in, CONTINUATION, 0, 1, block, sizeof block);
	assert_int_equal(take(&conf, &in, 8192, false, text, sizeof text), 0);

	/* A frame larger than we take. */
	wf_buf_clear(&in);
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	wf_buf_put(&in, "\x00\xff\xff\x00\x00\x00\x00\x00\x01", 9);
	assert_int_equal(take(&conf, &in, 8192, false, text, sizeof text), 0);
	assert_non_null(strstr(text, "not HTTP/2"));

	/* A message larger than a status can be. */
	wf_buf_clear(&in);
	memset(block, 0, sizeof block);
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	put_frame(&in, HEADERS, END_HEADERS, 1, SAID(S200 GRPC_TYPE));
	for (int i = 0; i < 3; i++)
		put_frame(&in, DATA, 0, 1, block, 16384);
	put_frame(&in, DATA, 0, 1, block, 16383);
	assert_int_equal(take(&conf, &in, 8192, false, text, sizeof text), 0);
	assert_non_null(strstr(text, "gRPC: a message of more than"));
	wf_buf_done(&in);
}

/* The preface, SETTINGS, HEADERS, DATA: the message is that of health.proto. */
static void
a_call_names_its_service(void **state)
{
	struct pol_probe_conf conf = conf_of(POL_PROBE_GRPC);
	char service[256];
	struct wf_buf out = WF_BUF_INIT;
	struct pol_h2 *h = pol_h2_new(&conf, "host:81", &out);

	assert_non_null(h);
	assert_memory_equal(out.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	assert_memory_equal(out.data + out.size - 14, "\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0", 14);
	pol_h2_free(h);

	wf_buf_clear(&out);
	conf.service = strcpy(service, "acme.Orders");
	h = pol_h2_new(&conf, "host:81", &out);
	assert_memory_equal(out.data + out.size - 27, "\0\0\x12\0\x01\0\0\0\x01\0\0\0\0\x0d\x0a\x0b" "acme.Orders", 27);
	pol_h2_free(h);

	wf_buf_clear(&out);
	memset(service, 's', 200);
	service[200] = '\0';
	h = pol_h2_new(&conf, "host:81", &out);
	assert_memory_equal(out.data + out.size - 208, "\0\0\0\0\xcb\x0a\xc8\x01", 8);
	pol_h2_free(h);
	wf_buf_done(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_judged),
		cmocka_unit_test(what_is_no_http2_is_named),
		cmocka_unit_test(an_expected_text_is_looked_for),
		cmocka_unit_test(floods_end),
		cmocka_unit_test(a_call_names_its_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
