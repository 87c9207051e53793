/* SPDX-License-Identifier: Apache-2.0 */
/* One probe of one address: TCP connect, TLS handshake, HTTP(S) GET, the same over HTTP/2, call of gRPC health
 * checking, ICMP echo, UDP exchange, script, question to an agent.
 *
 * A probe runs once, on the loop, without blocking: a descriptor and a few hundred bytes (HTTP: up
 * to POL_PROBE_MAX_ANSWER; HTTP/2: some 100 KB more at worst).  Threads: main.  Ownership: the handle
 * lives until 'done' was called or pol_probe_cancel(); 'done' comes exactly once, never inside
 * pol_probe_start(), and not after a cancel.
 */
#ifndef WEFT_POLICY_PROBE_H
#define WEFT_POLICY_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/prefix.h"

#define POL_PROBE_MAX_ANSWER 65536 /* bytes of an HTTP answer that are looked at */

enum pol_probe_type {
	POL_PROBE_TCP,
	POL_PROBE_TLS,
	POL_PROBE_HTTP,
	POL_PROBE_HTTPS,
	POL_PROBE_HTTP2,
	POL_PROBE_HTTPS2,
	POL_PROBE_GRPC,
	POL_PROBE_GRPCS,
	POL_PROBE_ICMP,
	POL_PROBE_UDP,
	POL_PROBE_SCRIPT,
	POL_PROBE_AGENT
};

/* Of the configuration; POL_PROBE_TCP for what is none. */
enum pol_probe_type pol_probe_type_of(const char *name);
uint16_t pol_probe_default_port(enum pol_probe_type); /* 0: none */
bool pol_probe_is_tls(enum pol_probe_type);	      /* tls, and what goes over it */

struct pol_probe_conf {
	char *name;
	enum pol_probe_type type;
	uint16_t port;
	uint32_t interval_ms, timeout_ms;
	uint8_t rise, fall;
	char *path, *host, *expect, *script, *device, *service, *load_header; /* all but path may be NULL */
	uint16_t status_min, status_max;
	uint8_t *send; /* UDP, agent */
	size_t send_size;
	bool verify;
};

struct pol_probe;
/* What came out.  POL_PROBE_NOT_RUN: this host could not probe at all (no descriptor or memory
 * left, no right to send ICMP), which says nothing of the member. */
enum pol_probe_result { POL_PROBE_FAILED, POL_PROBE_PASSED, POL_PROBE_NOT_RUN };
/* What a member says of itself besides, when it passes: load (in the unit of its capacity; negative: nothing), how many
 * percent of its share it wants (negative: nothing), that it drains. */
struct pol_told {
	double load;
	int percent;
	bool drain;
};
#define POL_TOLD_NOTHING ((struct pol_told){ -1, -1, false })
/* 'text' says in a few words what happened ("Connection refused", "status 503"). */
typedef void pol_probe_done_fn(void *arg, enum pol_probe_result, const char *text, const struct pol_told *);

struct pol_probe *pol_probe_start(const struct pol_probe_conf *, const struct pol_addr *,
				  const char *pool, const char *member, pol_probe_done_fn *,
				  void *arg);
void pol_probe_cancel(struct pol_probe *); /* NULL is fine */

/* Called with each socket of a probe before it connects, for who steers probes into a tunnel.  A negative errno
 * makes the probe POL_PROBE_NOT_RUN.  NULL: nobody. */
typedef int pol_probe_socket_fn(void *arg, int fd, const struct pol_probe_conf *,
				const struct pol_addr *, const char *pool, const char *member);
void pol_probe_on_socket(pol_probe_socket_fn *, void *arg);

/* ---- HTTP, as pure functions ---- */

/* Judges what has come so far.  Returns 1 if the answer passes, 0 if it fails, -EAGAIN if more must
 * come; 'eof': nothing more will.  'text' as above, at most 'size' bytes. */
int pol_http_judge(const struct pol_probe_conf *, const uint8_t *data, size_t n, bool eof,
		   char *text, size_t size);
/* A load in a header's value; negative: it is none. */
double pol_load_parse(const char *value, size_t n);
/* The load that the answer's header conf->load_header tells. */
double pol_http_load(const struct pol_probe_conf *, const uint8_t *data, size_t n);
/* The line of an agent, judged like an answer of HTTP. */
int pol_agent_judge(const uint8_t *data, size_t n, bool eof, struct pol_told *, char *text, size_t size);
/* "a\\x00b" -> bytes; the caller frees.  -EINVAL with 'err' for a bad escape. */
int pol_payload_parse(const char *text, uint8_t **bytes, size_t *size, struct wf_err *err);

#endif
