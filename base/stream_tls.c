// SPDX-License-Identifier: Apache-2.0
#include "base/stream_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/log.h"

WF_LOG_MODULE(stream_ssl);

struct stream_tls {
	SSL *ssl;
	bool bootstrap; /* the peer's CA is to be kept, not checked */
};

/* A file of the configuration, and what it was like when it was read. */
struct tls_file {
	char *path;
	struct timespec mtime;
	off_t size;
	ino_t ino;
};

static struct tls_file key_file, cert_file, ca_file, peer_ca_file;
static bool bootstrap_ca;
static char *protocols, *ciphers;
static SSL_CTX *ctx;  /* made when it is needed; NULL after a change */

static void
drop_ctx(void)
{
	SSL_CTX_free(ctx); /* streams hold their own reference */
	ctx = NULL;
}

static void
set_text(char **to, const char *value)
{
	if (!value)
		return;
	free(*to);
	*to = value[0] ? wf_xstrdup(value) : NULL;
	drop_ctx();
}

void
wf_tls_set(const char *private_key, const char *certificate, const char *ca_cert, bool bootstrap)
{
	set_text(&key_file.path, private_key);
	set_text(&cert_file.path, certificate);
	set_text(&ca_file.path, ca_cert);
	if (ca_cert)
		bootstrap_ca = bootstrap;
}

void
wf_tls_set_peer_ca(const char *peer_ca_cert)
{
	set_text(&peer_ca_file.path, peer_ca_cert);
}

void
wf_tls_set_protocols(const char *new_protocols, const char *new_ciphers)
{
	set_text(&protocols, new_protocols);
	set_text(&ciphers, new_ciphers);
}

/* Notes what the file is like.  Returns true if that differs from the last time. */
static bool
file_changed(struct tls_file *f)
{
	struct stat st = { 0 };

	if (!f->path)
		return false;
	if (stat(f->path, &st) < 0)
		memset(&st, 0, sizeof(st));
	if (st.st_mtim.tv_sec == f->mtime.tv_sec && st.st_mtim.tv_nsec == f->mtime.tv_nsec &&
	    st.st_size == f->size && st.st_ino == f->ino)
		return false;
	f->mtime = st.st_mtim;
	f->size = st.st_size;
	f->ino = st.st_ino;
	return true;
}

static int
openssl_error(struct wf_err *err, int rc, const char *what, const char *object)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return wf_err(err, rc, "%s%s%s: %s", what, object ? " " : "", object ? object : "",
		      reason ? reason : "unknown TLS error");
}

/* "TLSv1.2,TLSv1.3": the oldest and the newest of the list bound what is spoken. */
static int
set_protocols(SSL_CTX *c, struct wf_err *err)
{
	int min = TLS1_2_VERSION, max = 0; /* 0: the newest that OpenSSL has */

	if (protocols) {
		char *copy = wf_xstrdup(protocols), *rest = copy, *word;

		min = 0;
		while ((word = strtok_r(NULL, " ,\t", &rest)) != NULL) {
			int version = !strcmp(word, "TLSv1.2")   ? TLS1_2_VERSION
				      : !strcmp(word, "TLSv1.3") ? TLS1_3_VERSION
								 : 0;

			/* TLS 1.0 and 1.1 in an old configuration: not spoken any more (RFC
			 * 8996), the others of the list are. */
			if (!strcmp(word, "TLSv1") || !strcmp(word, "TLSv1.1"))
				continue;
			if (!version) {
				wf_err(err, 0, "SSL protocol \"%s\" is unknown; use TLSv1.2, TLSv1.3",
				       word);
				free(copy);
				return -EINVAL;
			}
			min = !min || version < min ? version : min;
			max = version > max ? version : max;
		}
		free(copy);
		if (!min)
			return wf_err(err, -EINVAL,
				      "SSL protocols \"%s\" hold nothing newer than TLSv1.1; add "
				      "TLSv1.2 or TLSv1.3",
				      protocols);
	}
	SSL_CTX_set_min_proto_version(c, min);
	SSL_CTX_set_max_proto_version(c, max);
	return 0;
}

static bool
verify_is_off(void)
{
	return ca_file.path && !strcmp(ca_file.path, "none");
}

static bool
ca_is_missing(void)
{
	return bootstrap_ca && ca_file.path && access(ca_file.path, F_OK) < 0 && errno == ENOENT;
}

/* The peer may learn our CA from the chain that we send (its bootstrap). */
static int
add_peer_ca(SSL_CTX *c, struct wf_err *err)
{
	FILE *f = fopen(peer_ca_file.path, "re");
	X509 *cert;

	if (!f)
		return wf_err(err, -errno, "cannot read %s: %s", peer_ca_file.path,
			      wf_strerror(-errno));
	while ((cert = PEM_read_X509(f, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add_extra_chain_cert(c, cert) != 1)
			X509_free(cert);
	ERR_clear_error(); /* the end of the file is an error to PEM */
	fclose(f);
	return 0;
}

static int
accept_any(int ok, X509_STORE_CTX *store)
{
	return 1;
}

static int
fill_ctx(SSL_CTX *c, struct wf_err *err)
{
	int rc = set_protocols(c, err);

	if (rc)
		return rc;
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (SSL_CTX_set_cipher_list(c, ciphers ? ciphers : "HIGH:!aNULL:!MD5") != 1)
		return openssl_error(err, -EINVAL, "cannot use SSL ciphers", ciphers);
	if (SSL_CTX_use_certificate_chain_file(c, cert_file.path) != 1)
		return openssl_error(err, -ENOPROTOOPT, "cannot read certificate", cert_file.path);
	if (SSL_CTX_use_PrivateKey_file(c, key_file.path, SSL_FILETYPE_PEM) != 1)
		return openssl_error(err, -ENOPROTOOPT, "cannot use private key", key_file.path);
	if (peer_ca_file.path && (rc = add_peer_ca(c, err)) != 0)
		return rc;
	if (verify_is_off()) {
		SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	if (ca_is_missing()) {
		/* A server, too, must ask for the certificate to learn the CA from it. */
		SSL_CTX_set_verify(c, SSL_VERIFY_PEER, accept_any);
		return 0;
	}
	if (SSL_CTX_load_verify_locations(c, ca_file.path, NULL) != 1)
		return openssl_error(err, -ENOPROTOOPT, "cannot read CA certificate",
				     ca_file.path);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(ca_file.path));
	return 0;
}

static int
need_ctx(struct wf_err *err)
{
	struct tls_file *files[] = { &key_file, &cert_file, &ca_file, &peer_ca_file };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (file_changed(files[i]))
			drop_ctx();
	if (ctx)
		return 0;
	if (!key_file.path)
		return wf_err(err, -ENOPROTOOPT, "Private key must be configured to use SSL");
	if (!cert_file.path)
		return wf_err(err, -ENOPROTOOPT, "Certificate must be configured to use SSL");
	if (!ca_file.path)
		return wf_err(err, -ENOPROTOOPT, "CA certificate must be configured to use SSL");

	SSL_CTX *c = SSL_CTX_new(TLS_method());
	int rc = fill_ctx(c, err);
	if (rc) {
		SSL_CTX_free(c);
		return rc;
	}
	if (verify_is_off())
		wf_warn("Peer certificate validation disabled (this is a security risk)");
	ctx = c;
	return 0;
}

struct stream_tls *
stream_tls_new(int fd, bool server, struct wf_err *err)
{
	if (need_ctx(err))
		return NULL;

	struct stream_tls *t = wf_xzalloc(sizeof(*t));
	t->ssl = SSL_new(ctx);
	t->bootstrap = ca_is_missing();
	SSL_set_fd(t->ssl, fd);
	if (server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
}

void
stream_tls_free(struct stream_tls *t)
{
	if (!t)
		return;
	if (SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl); /* close_notify, if the socket takes it at once */
	ERR_clear_error();
	SSL_free(t->ssl);
	free(t);
}

/* Turns the result of an SSL function into ours: what the socket waits for, the end, or
 * the reason in words. */
static int
explain(struct stream_tls *t, int rc, int *events, const char *what, struct wf_err *err)
{
	int saved_errno = errno;
	long verify;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*events = UV_READABLE;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*events = UV_WRITABLE;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		if (!saved_errno)
			return wf_err(err, -EPROTO, "%s: the peer closed the connection", what);
		return wf_err(err, -saved_errno, "%s", wf_strerror(-saved_errno));
	default:
		verify = SSL_get_verify_result(t->ssl);
		if (verify != X509_V_OK && !SSL_is_init_finished(t->ssl)) {
			ERR_clear_error();
			return wf_err(err, -EPROTO, "%s: the peer's certificate is refused: %s",
				      what, X509_verify_cert_error_string(verify));
		}
		return openssl_error(err, -EPROTO, what, NULL);
	}
}

/* Writes the peer's CA, the last certificate of its chain, to the file that is missing. */
static int
keep_peer_ca(struct stream_tls *t, struct wf_err *err)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(t->ssl);
	int n = chain ? sk_X509_num(chain) : 0;
	X509 *ca = n ? sk_X509_value(chain, n - 1) : NULL;

	if (!ca || X509_NAME_cmp(X509_get_subject_name(ca), X509_get_issuer_name(ca)))
		return wf_err(err, -EPROTO,
			      "could not bootstrap CA cert: the peer sends no self-signed "
			      "certificate at the end of its chain (it needs --peer-ca-cert)");

	int fd = open(ca_file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return wf_err(err, -errno, "could not bootstrap CA cert: creating %s failed: %s",
			      ca_file.path, wf_strerror(-errno));

	FILE *f = fdopen(fd, "w");
	bool ok = f && PEM_write_X509(f, ca) == 1;
	ok = f && !fclose(f) && ok;
	if (!ok) {
		unlink(ca_file.path);
		return wf_err(err, -EIO, "could not bootstrap CA cert: writing %s failed",
			      ca_file.path);
	}
	wf_info("successfully bootstrapped CA cert to %s", ca_file.path);
	drop_ctx();
	return wf_err(err, -EPROTO, "CA certificate was bootstrapped to %s, the next connection "
		      "checks it", ca_file.path);
}

int
stream_tls_handshake(struct stream_tls *t, int *events, struct wf_err *err)
{
	ERR_clear_error();
	errno = 0;

	int rc = SSL_do_handshake(t->ssl);
	if (rc != 1) {
		rc = explain(t, rc, events, "TLS handshake failed", err);
		/* An orderly end before the handshake is through is none. */
		return rc ? rc : wf_err(err, -EPROTO, "TLS handshake failed: the peer closed the "
					"connection");
	}
	return t->bootstrap ? keep_peer_ca(t, err) : 0;
}

ssize_t
stream_tls_read(struct stream_tls *t, void *to, size_t size, int *events, struct wf_err *err)
{
	size_t n;

	ERR_clear_error();
	errno = 0;

	int rc = SSL_read_ex(t->ssl, to, size, &n);
	return rc == 1 ? (ssize_t)n : explain(t, rc, events, "TLS read", err);
}

ssize_t
stream_tls_write(struct stream_tls *t, const void *from, size_t size, int *events,
		 struct wf_err *err)
{
	size_t n;

	ERR_clear_error();
	errno = 0;

	int rc = SSL_write_ex(t->ssl, from, size, &n);
	if (rc == 1)
		return n;
	rc = explain(t, rc, events, "TLS write", err);
	return rc ? rc : wf_err(err, -EPIPE, "%s", wf_strerror(-EPIPE));
}

bool
stream_tls_has_pending(const struct stream_tls *t)
{
	return SSL_pending(t->ssl) > 0;
}
