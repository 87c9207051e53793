/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 1.0 over a byte stream, as RFC 7047 section 4 uses it: requests with their replies,
 * notifications, and answers to the peer's "echo".
 *
 * Threads: main.  Closing inside a callback is fine; afterwards no callback comes.
 * A message larger than 16 MB, and a peer that lets 64 MB of ours pile up, end the connection.
 */
#ifndef WEFT_OVSDB_RPC_H
#define WEFT_OVSDB_RPC_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

struct ovsdb_rpc;

struct ovsdb_rpc_ops {
	void (*connected)(void *arg);
	void (*activity)(void *arg); /* bytes came */
	void (*notification)(void *arg, const char *method, const json_t *params);
	/* All messages that came together have been handled. */
	void (*batch_end)(void *arg);
	/* The connection is over; the owner must still call ovsdb_rpc_close().  'why' as in
	 * wf_stream_ops; -EBADMSG, -EMSGSIZE, -ENOBUFS if the peer broke the rules, which 'text'
	 * then explains. */
	void (*closed)(void *arg, int why, const char *text);
};

/* 'error' is NULL on success; both are NULL if the connection was closed before the reply. */
typedef void ovsdb_reply_fn(void *arg, const json_t *result, const json_t *error);

/* Default port 6640.  NULL with 'err' for a bad name. */
struct ovsdb_rpc *ovsdb_rpc_open(const char *remote, const struct ovsdb_rpc_ops *, void *arg,
				 struct wf_err *err);
/* Calls the reply functions that are still due, with NULL and NULL.  NULL is allowed. */
void ovsdb_rpc_close(struct ovsdb_rpc *);

/* Takes the reference to 'params', a JSON array. */
void ovsdb_rpc_request(struct ovsdb_rpc *, const char *method, json_t *params, ovsdb_reply_fn *,
		       void *arg);

/* The text of an <error> of a reply or of an operation: "name: details", "name", or the JSON. */
void ovsdb_rpc_error_text(const json_t *error, char *text, size_t size);

#endif
