// SPDX-License-Identifier: Apache-2.0
#include "dns/server/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"

struct file {
	char *path;
	struct timespec mtime;
	ino_t inode;
};

struct dns_tls {
	SSL_CTX *ctx;
	struct file files[2];
};

static void
note_file(struct file *f, const char *path)
{
	struct stat st = { 0 };

	f->path = wf_xstrdup(path);
	if (!stat(path, &st)) {
		f->mtime = st.st_mtim;
		f->inode = st.st_ino;
	}
}

bool
dns_tls_is_current(const struct dns_tls *t)
{
	for (int i = 0; i < 2; i++) {
		const struct file *f = &t->files[i];
		struct stat st;

		if (stat(f->path, &st) || st.st_mtim.tv_sec != f->mtime.tv_sec ||
		    st.st_mtim.tv_nsec != f->mtime.tv_nsec || st.st_ino != f->inode)
			return false;
	}
	return true;
}

/* "dot" is taken where the client offers it (IANA, ALPN protocol IDs); who offers nothing of the kind is
 * served all the same. */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
	    unsigned in_size, void *arg)
{
	for (unsigned i = 0; i < in_size && i + 1 + in[i] <= in_size; i += 1 + in[i])
		if (in[i] == 3 && !memcmp(in + i + 1, "dot", 3)) {
			*out = in + i + 1;
			*out_size = 3;
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_NOACK;
}

static const char *
reason(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_error());

	return s ? s : "OpenSSL does not say why";
}

bool
dns_tls_tickets(const struct dns_tls *t, uint8_t keys[DNS_TLS_TICKETS])
{
	return SSL_CTX_get_tlsext_ticket_keys(t->ctx, keys, DNS_TLS_TICKETS) == 1;
}

void
dns_tls_set_tickets(struct dns_tls *t, const uint8_t keys[DNS_TLS_TICKETS])
{
	SSL_CTX_set_tlsext_ticket_keys(t->ctx, (void *)keys, DNS_TLS_TICKETS);
}

int
dns_tls_load(const char *certificate, const char *key, const struct dns_tls *old, struct dns_tls **ret,
	     struct wf_err *err)
{
	struct dns_tls *t = wf_xzalloc(sizeof *t);
	uint8_t tickets[DNS_TLS_TICKETS];
	int rc = 0;

	ERR_clear_error();
	/* Before the files are read: a change meanwhile is seen the next time. */
	note_file(&t->files[0], certificate);
	note_file(&t->files[1], key);
	t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t->ctx) {
		rc = wf_err(err, -ENOMEM, "tls: %s", reason());
	} else if (SSL_CTX_use_certificate_chain_file(t->ctx, certificate) != 1) {
		rc = wf_err(err, -EINVAL, "tls: certificate %s: %s", certificate, reason());
	} else if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1) {
		rc = wf_err(err, -EINVAL, "tls: key %s: %s", key, reason());
	} else if (SSL_CTX_check_private_key(t->ctx) != 1) {
		rc = wf_err(err, -EINVAL, "tls: the key %s does not belong to the certificate %s", key, certificate);
	}
	if (rc) {
		dns_tls_free(t);
		return rc;
	}
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	/* Renegotiation makes the server work at the client's word; compression leaks. */
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* 34 kB less for each connection that is waiting. */
	SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Tickets only: no state here, and one a connection, as a client opens one at a time. */
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(t->ctx, 1);
	SSL_CTX_set_session_id_context(t->ctx, (const uint8_t *)"dot", 3);
	SSL_CTX_set_alpn_select_cb(t->ctx, choose_alpn, NULL);
	if (old && dns_tls_tickets(old, tickets))
		dns_tls_set_tickets(t, tickets);
	OPENSSL_cleanse(tickets, sizeof tickets);
	*ret = t;
	return 0;
}

void
dns_tls_free(struct dns_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t->files[0].path);
	free(t->files[1].path);
	free(t);
}

SSL *
dns_tls_accept(struct dns_tls *t, int fd)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl && SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

ssize_t
dns_tls_recv(SSL *ssl, void *to, size_t size, bool *wants_write)
{
	size_t n;

	*wants_write = false;
	ERR_clear_error();
	if (SSL_read_ex(ssl, to, size, &n) == 1)
		return n;
	switch (SSL_get_error(ssl, 0)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		*wants_write = true; /* fall through */
	case SSL_ERROR_WANT_READ:
		errno = EAGAIN;
		return -1;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

ssize_t
dns_tls_send(SSL *ssl, const void *from, size_t size)
{
	size_t sent = 0;

	ERR_clear_error();
	while (sent < size) {
		size_t n;
		int e;

		if (SSL_write_ex(ssl, (const uint8_t *)from + sent, size - sent, &n) == 1) {
			sent += n;
			continue;
		}
		e = SSL_get_error(ssl, 0);
		if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) {
			errno = EAGAIN;
			return sent ? (ssize_t)sent : -1;
		}
		errno = ECONNRESET;
		return -1;
	}
	return sent;
}

bool
dns_tls_has_more(SSL *ssl)
{
	return SSL_pending(ssl) > 0;
}

void
dns_tls_end(SSL *ssl)
{
	if (!ssl)
		return;
	ERR_clear_error();
	if (SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error();
	SSL_free(ssl);
}
