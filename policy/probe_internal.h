/* SPDX-License-Identifier: Apache-2.0 */
/* Inside probes: what the kinds share. */
#ifndef WEFT_POLICY_PROBE_INTERNAL_H
#define WEFT_POLICY_PROBE_INTERNAL_H

#include <openssl/ssl.h>
#include <uv.h>

#include "base/buf.h"
#include "base/loop.h"
#include "policy/probe.h"

enum probe_step { STEP_CONNECT, STEP_TLS, STEP_SEND, STEP_ANSWER };

struct pol_probe {
	const struct pol_probe_conf *conf;
	struct pol_addr addr;
	pol_probe_done_fn *done;
	void *arg;
	struct wf_timer timer;
	char why[120]; /* an error to be told from the loop */
	enum pol_probe_result later;
	/* Sockets */
	uv_poll_t poll;
	int fd; /* -1: none */
	enum probe_step step;
	SSL *ssl;
	struct wf_buf out, in;
	struct pol_h2 *h2;
	struct pol_told told;
	uint16_t echo_seq;
	/* Scripts */
	uv_process_t process;
	int exit_signal;
	bool spawned, over; /* 'over': done was called or it was cancelled; only closing is left */
};

/* Calls done() and ends the probe. */
void pol_probe_finish(struct pol_probe *, enum pol_probe_result, const char *text);
/* Tells a result later, from the loop. */
void pol_probe_finish_later(struct pol_probe *, enum pol_probe_result, const char *text);

/* ---- HTTP/2, without sockets ---- */

#define POL_PROBE_MAX_H2 131072 /* bytes that a peer may send in all, frames of any kind */

struct pol_h2;
/* Puts what is to be sent first, the request included, to 'out'.  'conf' must outlive it.  NULL: nghttp2 refused. */
struct pol_h2 *pol_h2_new(const struct pol_probe_conf *, const char *authority, struct wf_buf *out);
void pol_h2_free(struct pol_h2 *); /* NULL is fine */
/* Takes what came ('eof': nothing more will), and puts what is to be sent to 'out'.  Returns like pol_http_judge();
 * not to be called again when that was not -EAGAIN. */
int pol_h2_take(struct pol_h2 *, const uint8_t *data, size_t n, bool eof, struct wf_buf *out, char *text, size_t size);

/* Of the header conf->load_header; negative: none. */
double pol_h2_load(const struct pol_h2 *);

/* ---- Scripts ---- */

void pol_probe_script_start(struct pol_probe *, const char *pool, const char *member);
void pol_probe_script_stop(struct pol_probe *);

#endif
