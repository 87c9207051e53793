/* SPDX-License-Identifier: Apache-2.0 */
/* Byte streams over unix sockets, TCP and TLS, active and passive.
 *
 * Names are those of OVS: unix:PATH, tcp:IP[:PORT], ssl:IP[:PORT], punix:PATH,
 * ptcp:[PORT][:IP], pssl:[PORT][:IP]; IPv6 in brackets.  A relative PATH is in the run
 * directory and may have any length.  Passive names without IP listen on 0.0.0.0.
 * Threads: main only.  Memory: the handle is owned by whoever created it and freed
 * by _close(); after _close() no callback comes.  Closing inside a callback is fine.
 * Output is bounded: wf_stream_write() copies into a queue, which is sent at the end of
 * the loop's turn; the owner looks at wf_stream_backlog() and stops producing, so that a peer that never reads costs a
 * stated amount of memory.
 */
#ifndef WEFT_BASE_STREAM_H
#define WEFT_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct wf_stream;
struct wf_listener;

struct wf_stream_ops {
	void (*connected)(void *arg);                             /* active ones, once */
	/* Bytes came; returns how many it took.  What is left is kept and shown again
	 * with the next bytes.  An owner that leaves 16 MB or more ends the stream with
	 * -EMSGSIZE. */
	size_t (*input)(void *arg, const uint8_t *data, size_t size);
	/* The backlog fell to zero (may be NULL). */
	void (*drained)(void *arg);
	/* The stream is over: 'why' is a negative errno, 0 for an orderly end; 'text' says
	 * it in words ("Connection refused", "End of file", or what TLS objects to).  The
	 * owner must still call wf_stream_close().  Never inside a call of the owner's. */
	void (*closed)(void *arg, int why, const char *text);
};

/* Starts to connect.  'default_port' is used when the name has none.  Returns NULL
 * with 'err' only for a bad name; all else comes by closed(). */
struct wf_stream *wf_stream_open(const char *name, uint16_t default_port,
				 const struct wf_stream_ops *, void *arg, struct wf_err *err);
/* The same; the packets of a TCP stream carry this DSCP from the first one on. */
struct wf_stream *wf_stream_open_dscp(const char *name, uint16_t default_port, unsigned dscp,
				      const struct wf_stream_ops *, void *arg, struct wf_err *err);
/* Changes it; nothing happens on unix sockets. */
void wf_stream_set_dscp(struct wf_stream *, unsigned dscp);
void wf_stream_set_owner(struct wf_stream *, const struct wf_stream_ops *, void *arg);
void wf_stream_write(struct wf_stream *, const void *, size_t size);
size_t wf_stream_backlog(const struct wf_stream *);
void wf_stream_pause_input(struct wf_stream *, bool paused);
/* "unix:/x", "tcp:127.0.0.1:4242": the peer, as logs and Controller.status name it. */
const char *wf_stream_name(const struct wf_stream *);
int wf_stream_fd(const struct wf_stream *);
void wf_stream_close(struct wf_stream *);

/* 'accept' owns the new stream and sets its ops at once.  Unlinks a stale unix
 * socket; creates it with 'mode' (0: 0770). */
struct wf_listener *wf_listener_open(const char *name, uint16_t default_port, unsigned mode,
				     void (*accept)(void *arg, struct wf_stream *), void *arg,
				     struct wf_err *err);
/* From one process to the next: a socket that listens, by the name that it was opened with.  The next
 * wf_listener_open() of that name takes it; clients that connect meanwhile wait in it. */
void wf_listener_hand_in(const char *name, int fd);
void wf_listener_forget_handed(void); /* closes what nobody took */
const char *wf_listener_name(const struct wf_listener *);
int wf_listener_fd(const struct wf_listener *);
void wf_listener_set_dscp(struct wf_listener *, unsigned dscp); /* of its answers to who connects */
uint16_t wf_listener_port(const struct wf_listener *); /* the bound TCP port */
/* The next process has it: its close leaves the unix socket's file where it is. */
void wf_listener_give(struct wf_listener *);
void wf_listener_close(struct wf_listener *);          /* removes the unix socket's file */

/* TLS material for ssl: and pssl:, from the command line or the SSL table.  Files
 * are read again when they change.  NULL leaves a value as it is, "" unsets it.  TLS 1.2 at least;
 * both sides must show a certificate that 'ca_cert' signed, unless that is the word
 * "none".  With 'bootstrap_ca_cert' a missing CA file is written from what the first
 * peer shows, and that connection ends with -EPROTO. */
void wf_tls_set(const char *private_key, const char *certificate, const char *ca_cert,
		bool bootstrap_ca_cert);
void wf_tls_set_peer_ca(const char *peer_ca_cert);
void wf_tls_set_protocols(const char *protocols, const char *ciphers);

/* A well-formed name of a passive, or of an active kind. */
bool wf_stream_name_is_passive(const char *name);
bool wf_stream_name_is_valid(const char *name);

#endif
