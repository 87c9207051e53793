/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the streams share; nobody else includes this. */
#ifndef WEFT_BASE_STREAM_INTERNAL_H
#define WEFT_BASE_STREAM_INTERNAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/stream.h"

enum stream_kind { STREAM_UNIX, STREAM_TCP, STREAM_SSL };

struct stream_addr {
	enum stream_kind kind;
	bool passive;
	char *path; /* unix kinds: absolute; the caller frees it */
	struct sockaddr_storage ss;
	socklen_t ss_size;
};

/* Returns 0, or -EINVAL with the rule that 'name' breaks. */
int stream_addr_parse(const char *name, uint16_t default_port, struct stream_addr *,
		      struct wf_err *);
/* "tcp:10.0.0.1:6640", "ssl:[::1]:6640"; caller frees. */
char *stream_addr_name(enum stream_kind, const struct sockaddr_storage *);

/* connect() and bind() for paths of any length.  Return 0 or a negative errno. */
int stream_unix_connect(int fd, const char *path);
int stream_unix_bind(int fd, const char *path, unsigned mode);

void stream_set_dscp(int fd, unsigned dscp);

/* A stream over the connected socket 'fd', which it then owns. */
struct wf_stream *stream_from_fd(int fd, enum stream_kind, const char *name);

/* TLS over a non-blocking socket.  The functions return -EAGAIN when they wait; then
 * '*events' holds UV_READABLE or UV_WRITABLE.  On other errors '*err' has the text. */
struct stream_tls;
struct stream_tls *stream_tls_new(int fd, bool server, struct wf_err *);
void stream_tls_free(struct stream_tls *);
int stream_tls_handshake(struct stream_tls *, int *events, struct wf_err *);
/* Bytes, 0 at the end, or a negative errno. */
ssize_t stream_tls_read(struct stream_tls *, void *, size_t, int *events, struct wf_err *);
ssize_t stream_tls_write(struct stream_tls *, const void *, size_t, int *events, struct wf_err *);
bool stream_tls_has_pending(const struct stream_tls *);

#endif
