// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/tsig.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <strings.h>

#define FUDGE_S 300

static const struct {
	const char *name;
	const uint8_t *wire;
	size_t wire_size;
} algorithms[DNS_HMAC_N] = {
#define A(TEXT, WIRE) { TEXT, (const uint8_t *)WIRE, sizeof(WIRE) }
	[DNS_HMAC_SHA1] = A("hmac-sha1", "\x09hmac-sha1"),
	[DNS_HMAC_SHA256] = A("hmac-sha256", "\x0bhmac-sha256"),
	[DNS_HMAC_SHA384] = A("hmac-sha384", "\x0bhmac-sha384"),
	[DNS_HMAC_SHA512] = A("hmac-sha512", "\x0bhmac-sha512"),
#undef A
};

static const EVP_MD *
digest_of(enum dns_key_algorithm a)
{
	switch (a) {
	case DNS_HMAC_SHA1:
		return EVP_sha1();
	case DNS_HMAC_SHA384:
		return EVP_sha384();
	case DNS_HMAC_SHA512:
		return EVP_sha512();
	default:
		return EVP_sha256();
	}
}

enum dns_key_algorithm
dns_key_algorithm(const char *name)
{
	enum dns_key_algorithm a = 0;

	while (a < DNS_HMAC_N && strcasecmp(name, algorithms[a].name))
		a++;
	return a;
}

bool
dns_key_set_secret(struct dns_key *k, const char *base64)
{
	uint8_t out[3 * ((4 * DNS_KEY_MAX / 3 + 8) / 4) + 3];
	size_t len = strlen(base64), pad = 0;
	int n;

	if (!len || len % 4 || len / 4 * 3 > DNS_KEY_MAX + 2)
		return false;
	while (pad < 2 && base64[len - 1 - pad] == '=')
		pad++;
	n = EVP_DecodeBlock(out, (const uint8_t *)base64, len);
	if (n < 0 || (size_t)n <= pad || n - pad > DNS_KEY_MAX)
		return false;
	k->secret_size = n - pad;
	memcpy(k->secret, out, k->secret_size);
	OPENSSL_cleanse(out, sizeof out);
	return true;
}

static void
put_time(uint8_t *p, uint64_t s)
{
	dns_put16(p, s >> 32);
	dns_put32(p + 2, s);
}

/* The fields of a signature that are signed with the message. */
struct variables {
	uint64_t time_s;
	uint16_t fudge, error, other_size;
	uint8_t other[6];
};

static EVP_MAC_CTX *
begin(const struct dns_key *k)
{
	EVP_MAC *m = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *c = m ? EVP_MAC_CTX_new(m) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char *)EVP_MD_get0_name(digest_of(k->algorithm)),
						 0),
		OSSL_PARAM_construct_end(),
	};

	EVP_MAC_free(m);
	if (c && !EVP_MAC_init(c, k->secret, k->secret_size, params)) {
		EVP_MAC_CTX_free(c);
		c = NULL;
	}
	return c;
}

/* What is signed behind the message. */
static void
add_variables(EVP_MAC_CTX *c, const struct dns_key *key, const struct variables *v, bool timers_only)
{
	uint8_t p[8], class_ttl[6] = { 0, DNS_CLASS_ANY };

	if (!timers_only) {
		EVP_MAC_update(c, key->name.wire, key->name.size);
		EVP_MAC_update(c, class_ttl, 6);
		EVP_MAC_update(c, algorithms[key->algorithm].wire,
			       algorithms[key->algorithm].wire_size);
	}
	put_time(p, v->time_s);
	dns_put16(p + 6, v->fudge);
	EVP_MAC_update(c, p, 8);
	if (!timers_only) {
		dns_put16(p, v->error);
		dns_put16(p + 2, v->other_size);
		EVP_MAC_update(c, p, 4);
		EVP_MAC_update(c, v->other, v->other_size);
	}
}

/* The MAC before (if any), the message as it was without the signature, then name and variables; in
 * later messages of an answer the timers only (RFC 8945 sections 4.3 and 5.3.1).  Returns the size,
 * 0 if OpenSSL fails. */
static size_t
compute(const struct dns_tsig *t, bool with_mac, const uint8_t *msg, size_t size,
	uint16_t n_additional, const struct variables *v, uint8_t mac[DNS_MAC_MAX])
{
	EVP_MAC_CTX *c = begin(t->key);
	uint8_t head[DNS_HEADER_SIZE], p[2];
	size_t mac_size = 0;

	if (!c)
		return 0;
	if (with_mac && t->mac_size) { /* a query has none before it */
		dns_put16(p, t->mac_size);
		EVP_MAC_update(c, p, 2);
		EVP_MAC_update(c, t->mac, t->mac_size);
	}
	memcpy(head, msg, DNS_HEADER_SIZE);
	dns_put16(head, t->original_id);
	dns_put16(head + 10, n_additional);
	EVP_MAC_update(c, head, DNS_HEADER_SIZE);
	EVP_MAC_update(c, msg + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE);
	add_variables(c, t->key, v, t->is_next);
	if (!EVP_MAC_final(c, mac, &mac_size, DNS_MAC_MAX))
		mac_size = 0;
	EVP_MAC_CTX_free(c);
	return mac_size;
}

void
dns_tsig_init_query(struct dns_tsig *t, const struct dns_key *key, uint16_t id)
{
	memset(t, 0, sizeof *t);
	t->key = key;
	t->original_id = id;
	t->name = key->name;
	dns_name_read_lower(&t->algorithm, algorithms[key->algorithm].wire,
			    algorithms[key->algorithm].wire_size);
}

bool
dns_tsig_verify(struct dns_tsig *t, const struct dns_key *keys, const struct dns_query *q,
		uint64_t now_s)
{
	size_t at = dns_read_name(q->msg, q->size, q->tsig_at, &t->name), end;
	struct variables v = { 0 };
	uint8_t want[DNS_MAC_MAX];
	size_t mac_size;
	int64_t off;

	t->error = 0;
	t->key = NULL;
	t->is_next = false;
	t->mac_size = 0;
	if (!at || at + 10 > q->size)
		return false;
	/* Class ANY, TTL 0 (RFC 8945 section 4.2). */
	if (dns_get16(q->msg + at + 2) != DNS_CLASS_ANY || dns_get32(q->msg + at + 4))
		return false;
	end = at + 10 + dns_get16(q->msg + at + 8);
	at = dns_read_name(q->msg, q->size, at + 10, &t->algorithm);
	if (!at || end > q->size || at + 10 > end)
		return false;
	t->time = (uint64_t)dns_get16(q->msg + at) << 32 | dns_get32(q->msg + at + 2);
	v.time_s = t->time;
	v.fudge = dns_get16(q->msg + at + 6);
	mac_size = dns_get16(q->msg + at + 8);
	at += 10;
	if (at + mac_size + 6 > end || mac_size > DNS_MAC_MAX)
		return false;
	memcpy(t->mac, q->msg + at, mac_size);
	at += mac_size;
	t->original_id = dns_get16(q->msg + at);
	v.error = dns_get16(q->msg + at + 2);
	v.other_size = dns_get16(q->msg + at + 4);
	if (at + 6 + v.other_size != end || v.other_size > sizeof v.other)
		return false;
	memcpy(v.other, q->msg + at + 6, v.other_size);
	for (; keys; keys = keys->next)
		if (keys->name.size == t->name.size &&
		    !memcmp(keys->name.wire, t->name.wire, t->name.size) &&
		    t->algorithm.size == algorithms[keys->algorithm].wire_size &&
		    !memcmp(t->algorithm.wire, algorithms[keys->algorithm].wire, t->algorithm.size))
			break;
	if (!keys) {
		t->error = DNS_BADKEY;
		return true;
	}
	t->key = keys;
	t->mac_size = compute(t, false, q->msg, q->tsig_at, dns_get16(q->msg + 10) - 1, &v, want);
	/* Cut MACs are not taken (section 5.2.2.1 leaves it to policy); one too long is FORMERR. */
	if (mac_size > t->mac_size && t->mac_size)
		return false;
	if (!t->mac_size || mac_size != t->mac_size || CRYPTO_memcmp(want, t->mac, mac_size)) {
		t->error = t->mac_size && mac_size < t->mac_size && mac_size ? DNS_BADTRUNC
									     : DNS_BADSIG;
		return true;
	}
	/* The clock counts only when the key is right (section 5.2.3). */
	off = (int64_t)now_s - (int64_t)t->time;
	if (off > v.fudge || -off > v.fudge)
		t->error = DNS_BADTIME;
	return true;
}

size_t
dns_tsig_size(const struct dns_tsig *t)
{
	bool is_signed = t->key && (!t->error || t->error == DNS_BADTIME);
	size_t n = t->name.size + 10 + t->algorithm.size + 16;

	if (is_signed)
		n += t->mac_size;
	return n + (t->error == DNS_BADTIME ? 6 : 0);
}

size_t
dns_tsig_sign(struct dns_tsig *t, uint8_t *msg, size_t size, uint64_t now_s)
{
	bool is_signed = t->key && (!t->error || t->error == DNS_BADTIME);
	struct variables v = { .time_s = now_s, .fudge = FUDGE_S, .error = t->error };
	unsigned n_additional = dns_get16(msg + 10);
	uint8_t mac[DNS_MAC_MAX], *p = msg + size;
	size_t mac_size = 0;

	if (t->error == DNS_BADTIME) {
		/* The client's time, and ours (RFC 8945 section 5.2.3). */
		v.time_s = t->time;
		v.other_size = 6;
		put_time(v.other, now_s);
	}
	if (is_signed)
		mac_size = compute(t, true, msg, size, n_additional, &v, mac);
	memcpy(p, t->name.wire, t->name.size);
	p += t->name.size;
	dns_put16(p, DNS_TSIG);
	dns_put16(p + 2, DNS_CLASS_ANY);
	dns_put32(p + 4, 0);
	dns_put16(p + 8, t->algorithm.size + 16 + mac_size + v.other_size);
	p += 10;
	memcpy(p, t->algorithm.wire, t->algorithm.size);
	p += t->algorithm.size;
	put_time(p, v.time_s);
	dns_put16(p + 6, v.fudge);
	dns_put16(p + 8, mac_size);
	p += 10;
	memcpy(p, mac, mac_size);
	p += mac_size;
	dns_put16(p, t->original_id);
	dns_put16(p + 2, v.error);
	dns_put16(p + 4, v.other_size);
	memcpy(p + 6, v.other, v.other_size);
	p += 6 + v.other_size;
	dns_put16(msg + 10, n_additional + 1);
	if (mac_size) {
		memcpy(t->mac, mac, mac_size);
		t->mac_size = mac_size;
	}
	t->is_next = true;
	return p - msg;
}

/* --- answers to our own queries ---------------------------------------------------------------------
 */

void
dns_tsig_reader_init(struct dns_tsig_reader *r, struct dns_tsig *t)
{
	*r = (struct dns_tsig_reader){ .tsig = t };
}

void
dns_tsig_reader_done(struct dns_tsig_reader *r)
{
	EVP_MAC_CTX_free(r->mac);
	r->mac = NULL;
}

/* The offset of the TSIG record; 0: none, -1: the message is malformed. */
static ssize_t
find_tsig(const uint8_t *msg, size_t size)
{
	size_t at = DNS_HEADER_SIZE;
	unsigned n;

	if (size < DNS_HEADER_SIZE)
		return -1;
	for (unsigned i = dns_get16(msg + 4); i; i--) {
		at = dns_skip_name(msg, size, at);
		if (!at || at + 4 > size)
			return -1;
		at += 4;
	}
	n = dns_get16(msg + 6) + dns_get16(msg + 8) + dns_get16(msg + 10);
	for (unsigned i = 0; i < n; i++) {
		size_t owner = at;
		unsigned type;

		at = dns_skip_name(msg, size, at);
		if (!at || at + 10 > size)
			return -1;
		type = dns_get16(msg + at);
		at += 10 + dns_get16(msg + at + 8);
		if (at > size || (type == DNS_TSIG && (i + 1 != n || !dns_get16(msg + 10))))
			return -1;
		if (type == DNS_TSIG)
			return owner;
	}
	return 0;
}

/* The fields of the record at 'at'.  False: it is malformed, or of another key. */
static bool
read_tsig(const struct dns_key *key, const uint8_t *msg, size_t size, size_t at, struct variables *v,
	  const uint8_t **mac, size_t *mac_size, uint16_t *original_id)
{
	struct dns_name name;
	size_t end;

	at = dns_read_name(msg, size, at, &name);
	if (!at || name.size != key->name.size || memcmp(name.wire, key->name.wire, name.size))
		return false;
	end = at + 10 + dns_get16(msg + at + 8);
	at = dns_read_name(msg, size, at + 10, &name);
	if (!at || at + 10 > end || end > size ||
	    name.size != algorithms[key->algorithm].wire_size ||
	    memcmp(name.wire, algorithms[key->algorithm].wire, name.size))
		return false;
	v->time_s = (uint64_t)dns_get16(msg + at) << 32 | dns_get32(msg + at + 2);
	v->fudge = dns_get16(msg + at + 6);
	*mac_size = dns_get16(msg + at + 8);
	*mac = msg + at + 10;
	at += 10 + *mac_size;
	if (at + 6 > end)
		return false;
	*original_id = dns_get16(msg + at);
	v->error = dns_get16(msg + at + 2);
	v->other_size = dns_get16(msg + at + 4);
	if (at + 6 + v->other_size != end || v->other_size > sizeof v->other)
		return false;
	memcpy(v->other, msg + at + 6, v->other_size);
	return true;
}

int
dns_tsig_check_answer(struct dns_tsig_reader *r, const uint8_t *msg, size_t size, uint64_t now_s,
		      struct wf_err *err)
{
	struct dns_tsig *t = r->tsig;
	ssize_t at = find_tsig(msg, size);
	uint8_t p[2], head[DNS_HEADER_SIZE], want[DNS_MAC_MAX];
	struct variables v = { 0 };
	const uint8_t *mac;
	size_t mac_size, want_size = 0;
	uint16_t original_id;
	int64_t off;

	if (at < 0)
		return wf_err(err, -EBADMSG, "the answer is malformed");
	if (!r->mac) {
		r->mac = begin(t->key);
		if (!r->mac)
			return wf_err(err, -EBADMSG, "OpenSSL does not know the key's algorithm");
		dns_put16(p, t->mac_size);
		EVP_MAC_update(r->mac, p, 2);
		EVP_MAC_update(r->mac, t->mac, t->mac_size);
	}
	if (!at) {
		/* RFC 8945 section 5.3.1: the first is signed, and then one of a hundred. */
		if (!r->is_next || ++r->n_unsigned > 99)
			return wf_err(err, -EBADMSG, "the answer is not signed");
		EVP_MAC_update(r->mac, msg, size);
		return 0;
	}
	if (!read_tsig(t->key, msg, size, at, &v, &mac, &mac_size, &original_id))
		return wf_err(err, -EBADMSG, "the answer is not signed with the key of the query");
	if (v.error)
		return wf_err(err, -EBADMSG, "the primary does not take the key: %s",
			      v.error == DNS_BADKEY    ? "BADKEY, it does not know it"
			      : v.error == DNS_BADSIG  ? "BADSIG, its secret is another one"
			      : v.error == DNS_BADTIME ? "BADTIME, its clock is another one"
						       : "another error");
	memcpy(head, msg, DNS_HEADER_SIZE);
	dns_put16(head, original_id);
	dns_put16(head + 10, dns_get16(msg + 10) - 1);
	EVP_MAC_update(r->mac, head, DNS_HEADER_SIZE);
	EVP_MAC_update(r->mac, msg + DNS_HEADER_SIZE, at - DNS_HEADER_SIZE);
	add_variables(r->mac, t->key, &v, r->is_next);
	if (!EVP_MAC_final(r->mac, want, &want_size, sizeof want))
		want_size = 0;
	dns_tsig_reader_done(r);
	if (!want_size || mac_size != want_size || CRYPTO_memcmp(want, mac, mac_size))
		return wf_err(err, -EBADMSG, "the signature of the answer is wrong");
	off = (int64_t)now_s - (int64_t)v.time_s;
	if (off > v.fudge || -off > v.fudge)
		return wf_err(err, -EBADMSG, "the signature of the answer is of another time");
	memcpy(t->mac, mac, mac_size);
	t->mac_size = mac_size;
	r->is_next = true;
	r->n_unsigned = 0;
	return 0;
}
