/* SPDX-License-Identifier: Apache-2.0 */
/* DNS over TLS (RFC 7858): certificate and key, and a connection's TLS over its socket.
 *
 * Threads: main loads; workers make sessions of what is published (server.h), in an RCU read section,
 * and use them alone.  Sessions are resumed by tickets, which a new certificate goes on accepting;
 * nothing is kept for a client that has left. */
#ifndef WEFT_DNS_SERVER_TLS_H
#define WEFT_DNS_SERVER_TLS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define DNS_TLS_PORT 853

struct dns_tls;

/* Reads a certificate chain and its key (PEM).  'old' (may be NULL) is what was in force: its tickets
 * stay good.  Returns 0, or a negative errno with the file and what is wrong. */
int dns_tls_load(const char *certificate, const char *key, const struct dns_tls *old,
		 struct dns_tls **ret, struct wf_err *);
void dns_tls_free(struct dns_tls *);
/* The keys of tickets, for another process to take what this one gave.  False: there are none. */
#define DNS_TLS_TICKETS 80 /* bytes: name, HMAC key and AES key of OpenSSL's tickets */
bool dns_tls_tickets(const struct dns_tls *, uint8_t keys[DNS_TLS_TICKETS]);
void dns_tls_set_tickets(struct dns_tls *, const uint8_t keys[DNS_TLS_TICKETS]);
/* The files are as they were when they were read. */
bool dns_tls_is_current(const struct dns_tls *);

/* For an accepted, non-blocking socket.  NULL: out of memory. */
SSL *dns_tls_accept(struct dns_tls *, int fd);
/* Like recv() and send() that do not block; the handshake is made by the first calls.  '*wants_write'
 * of a recv() that found nothing: it must be called again when the socket takes data. */
ssize_t dns_tls_recv(SSL *, void *, size_t, bool *wants_write);
ssize_t dns_tls_send(SSL *, const void *, size_t);
/* Decrypted and not taken yet: epoll will not tell of it. */
bool dns_tls_has_more(SSL *);
/* Says goodbye, if there is anybody, and frees. */
void dns_tls_end(SSL *);

#endif
