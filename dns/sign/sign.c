// SPDX-License-Identifier: Apache-2.0
#include "dns/sign/sign.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>

#include "dns/wire/siphash.h"

/* Clocks of validators may be behind. */
#define SKEW_S 3600
#define ENTRIES 4 /* a bucket */

/* What is signed, in a buffer of the thread's own: 64 KiB and the RRSIG's fields. */
struct scratch {
	EVP_MD_CTX *md;
	EVP_MD *sha256;
	/* For P-256, of the keys that were used last: setting one up costs a quarter of a signature.
	 * Each holds its key, so that the address is no other's. */
	struct {
		EVP_PKEY *key;
		EVP_PKEY_CTX *ctx;
	} signer[4];
	unsigned next_signer;
	size_t size, cap;
	uint8_t *bytes;
	const uint8_t **order;
	size_t n_order;
};
static __thread struct scratch scratch;

/* Names in data that are lower-cased before signing (RFC 4034 section 6.2, RFC 6840 section 5.1). */
static struct dns_rdata_names
canonical_names(unsigned type)
{
	switch (type) {
	case DNS_NS:
	case DNS_MD:
	case DNS_MF:
	case DNS_CNAME:
	case DNS_MB:
	case DNS_MG:
	case DNS_MR:
	case DNS_PTR:
	case DNS_DNAME:
		return (struct dns_rdata_names){ 0, 1 };
	case DNS_SOA:
	case DNS_MINFO:
	case DNS_RP:
		return (struct dns_rdata_names){ 0, 2 };
	case DNS_MX:
	case DNS_AFSDB:
	case DNS_RT:
	case DNS_KX:
		return (struct dns_rdata_names){ 2, 1 };
	case DNS_PX:
		return (struct dns_rdata_names){ 2, 2 };
	case DNS_SRV:
		return (struct dns_rdata_names){ 6, 1 };
	default:
		return (struct dns_rdata_names){ 0, 0 };
	}
}

/* Where the name of a NAPTR begins: behind order, preference and three strings (RFC 3403 section
 * 4.1); 0 if it is cut. */
static size_t
naptr_name(const uint8_t *p, size_t len)
{
	size_t at = 4;

	for (int i = 0; i < 3; i++) {
		if (at >= len)
			return 0;
		at += 1 + p[at];
	}
	return at < len ? at : 0;
}

static void
lower_rdata(unsigned type, uint8_t *p, size_t len)
{
	struct dns_rdata_names names = canonical_names(type);
	size_t at = names.skip;

	if (type == DNS_NAPTR && (at = naptr_name(p, len)))
		names.n_names = 1;
	for (unsigned i = 0; i < names.n_names; i++) {
		struct dns_name name;
		size_t n = at < len ? dns_name_read_lower(&name, p + at, len - at) : 0;

		if (!n)
			return;
		memcpy(p + at, name.wire, n);
		at += n;
	}
}

/* RFC 4034 section 6.3: as left-justified octet strings. */
static int
compare_records(const void *a, const void *b)
{
	const uint8_t *x = *(const uint8_t *const *)a, *y = *(const uint8_t *const *)b;
	size_t nx = dns_get16(x), ny = dns_get16(y);
	int c = memcmp(x + 2, y + 2, nx < ny ? nx : ny);

	return c ? c : nx < ny ? -1 : nx > ny;
}

static void
reserve(size_t size, size_t n)
{
	if (scratch.cap < size) {
		scratch.cap = size < 4096 ? 4096 : size;
		scratch.bytes = wf_xrealloc(scratch.bytes, scratch.cap);
	}
	if (scratch.n_order < n) {
		scratch.n_order = n < 64 ? 64 : n;
		scratch.order = wf_xrealloc(scratch.order, scratch.n_order * sizeof *scratch.order);
	}
}

/* RRSIG_RDATA | RR(1) | RR(2) ... (RFC 4034 section 3.1.8.1) but for the fields that depend on key and
 * time.  Returns the size of the former. */
static size_t
put_signed(const struct dns_keyset *ks, const struct dns_sign_set *s)
{
	size_t owner_size = dns_name_size(s->owner), head = 18 + ks->apex.size, size, at;
	uint8_t *p, *copy;
	const uint8_t *raw = s->raw;

	/* Once as copies that are lower-cased and sorted, once in order. */
	size = head + s->n * owner_size + s->size;
	reserve(size + s->size, s->n);
	p = scratch.bytes;
	dns_put16(p, s->type);
	p[3] = dns_name_n_labels(s->owner) - (s->owner[0] == 1 && s->owner[1] == '*');
	dns_put32(p + 4, s->ttl);
	memcpy(p + 18, ks->apex.wire, ks->apex.size);
	copy = scratch.bytes + size;
	for (unsigned i = 0; i < s->n; i++) {
		size_t rdlen = dns_get16(raw + 10);

		memcpy(copy, raw + 10, 2 + rdlen);
		lower_rdata(s->type, copy + 2, rdlen);
		scratch.order[i] = copy;
		copy += 2 + rdlen;
		raw += 12 + rdlen;
	}
	if (s->n > 1)
		qsort(scratch.order, s->n, sizeof *scratch.order, compare_records);
	at = head;
	for (unsigned i = 0; i < s->n; i++) {
		size_t rdlen = dns_get16(scratch.order[i]);

		memcpy(p + at, s->owner, owner_size);
		at += owner_size;
		dns_put16(p + at, s->type);
		dns_put16(p + at + 2, DNS_CLASS_IN);
		dns_put32(p + at + 4, s->ttl);
		memcpy(p + at + 8, scratch.order[i], 2 + rdlen);
		at += 10 + rdlen;
	}
	scratch.size = at;
	return head;
}

/* Two INTEGERs in a SEQUENCE to r | s of 32 bytes each (RFC 6605 section 4). */
static bool
from_der(const uint8_t *der, size_t size, uint8_t *to)
{
	size_t at = 2;

	for (int i = 0; i < 2; i++) {
		size_t n;

		if (at + 2 > size || der[at] != 2)
			return false;
		n = der[at + 1];
		at += 2;
		if (at + n > size)
			return false;
		while (n > 32 && !der[at]) {
			at++;
			n--;
		}
		if (n > 32)
			return false;
		memset(to, 0, 32);
		memcpy(to + 32 - n, der + at, n);
		to += 32;
		at += n;
	}
	return true;
}

static EVP_PKEY_CTX *
p256_signer(EVP_PKEY *key)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		if (scratch.signer[i].key == key)
			return scratch.signer[i].ctx;
	i = scratch.next_signer++ % 4;
	EVP_PKEY_CTX_free(scratch.signer[i].ctx);
	scratch.signer[i].key = NULL;
	scratch.signer[i].ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!scratch.signer[i].ctx || EVP_PKEY_sign_init(scratch.signer[i].ctx) <= 0)
		return NULL;
	scratch.signer[i].key = key;
	return scratch.signer[i].ctx;
}

static bool
sign_p256(EVP_PKEY *key, const uint8_t *p, size_t size, uint8_t *to)
{
	EVP_PKEY_CTX *ctx = p256_signer(key);
	uint8_t digest[32], der[80];
	size_t n = sizeof der;

	if (!scratch.sha256)
		scratch.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	return ctx && scratch.sha256 && EVP_DigestInit_ex2(scratch.md, scratch.sha256, NULL) > 0 &&
	       EVP_DigestUpdate(scratch.md, p, size) > 0 &&
	       EVP_DigestFinal_ex(scratch.md, digest, NULL) > 0 &&
	       EVP_PKEY_sign(ctx, der, &n, digest, sizeof digest) > 0 && from_der(der, n, to);
}

static bool
sign_bytes(const struct dns_sign_key *k, const uint8_t *p, size_t size, uint8_t *to)
{
	size_t n = DNS_SIGNATURE_SIZE;
	bool ok;

	if (!scratch.md)
		scratch.md = EVP_MD_CTX_new();
	if (!scratch.md)
		return false;
	if (k->algorithm != DNS_ALG_ED25519)
		return sign_p256(k->secret, p, size, to);
	ok = EVP_DigestSignInit(scratch.md, NULL, NULL, NULL, k->secret) > 0 &&
	     EVP_DigestSign(scratch.md, to, &n, p, size) > 0;
	EVP_MD_CTX_reset(scratch.md);
	return ok;
}

void
dns_sign_thread_done(void)
{
	for (unsigned i = 0; i < 4; i++)
		EVP_PKEY_CTX_free(scratch.signer[i].ctx);
	EVP_MD_CTX_free(scratch.md);
	EVP_MD_free(scratch.sha256);
	free(scratch.bytes);
	free(scratch.order);
	memset(&scratch, 0, sizeof scratch);
}

/* Fields of the RRSIG that depend on the key and the time. */
static void
put_times(uint8_t *p, const struct dns_sign_key *k, uint32_t inception, uint32_t expires)
{
	p[2] = k->algorithm;
	dns_put32(p + 8, expires);
	dns_put32(p + 12, inception);
	dns_put16(p + 16, k->tag);
}

static uint8_t *
put_rrsig(uint8_t *to, uint32_t ttl, size_t head, const uint8_t *signature)
{
	dns_put16(to, 0xc000 | DNS_HEADER_SIZE);
	dns_put16(to + 2, DNS_RRSIG);
	dns_put16(to + 4, DNS_CLASS_IN);
	dns_put32(to + 6, ttl);
	dns_put16(to + 10, head + DNS_SIGNATURE_SIZE);
	memcpy(to + 12, scratch.bytes, head);
	memcpy(to + 12 + head, signature, DNS_SIGNATURE_SIZE);
	return to + 12 + head + DNS_SIGNATURE_SIZE;
}

static const struct dns_sign_key *const *
signers(const struct dns_keyset *ks, unsigned type, unsigned *n)
{
	/* CDS and CDNSKEY by a key that the parent knows (RFC 7344 section 4.1). */
	bool by_key = type == DNS_DNSKEY || type == DNS_CDS || type == DNS_CDNSKEY;

	*n = by_key ? ks->n_key : ks->n_zone;
	return by_key ? ks->key_signers : ks->zone_signers;
}

/* Not all of a zone's signatures end at once: up to a quarter of their life earlier. */
static uint32_t
expiry(const struct dns_keyset *ks, uint32_t now_s, uint64_t spread)
{
	return now_s + ks->lifetime_s - spread % (ks->lifetime_s / 4 + 1) / 2;
}

unsigned
dns_sign(const struct dns_keyset *ks, const struct dns_sign_set *s, uint32_t now_s, uint8_t *to,
	 size_t *ret_size, uint32_t *ret_expires)
{
	unsigned n;
	const struct dns_sign_key *const *by = signers(ks, s->type, &n);
	size_t head = put_signed(ks, s);
	uint32_t expires = expiry(ks, now_s, wf_hash_bytes(s->owner, dns_name_size(s->owner), s->type));
	uint8_t *p = to;

	for (unsigned i = 0; i < n; i++) {
		uint8_t signature[DNS_SIGNATURE_SIZE];

		put_times(scratch.bytes, by[i], now_s - SKEW_S, expires);
		if (!sign_bytes(by[i], scratch.bytes, scratch.size, signature))
			return 0;
		p = put_rrsig(p, s->ttl, head, signature);
	}
	*ret_size = p - to;
	*ret_expires = expires;
	return n;
}

/* --- the cache ----------------------------------------------------------------------------------- */

struct entry {
	uint32_t seq; /* odd while it is written */
	uint32_t inception, expires;
	uint32_t pad;
	uint64_t key[2];
	uint8_t signature[DNS_SIGNATURE_SIZE];
};

struct dns_sign_cache {
	uint8_t secret[2][16];
	size_t mask; /* of the buckets of one half */
	struct entry *entries;
};

struct dns_sign_cache *
dns_sign_cache_new(size_t n_entries)
{
	struct dns_sign_cache *c = wf_xzalloc(sizeof *c);
	size_t buckets = 1;

	while (buckets * 2 * ENTRIES * 2 <= n_entries)
		buckets *= 2;
	c->mask = buckets - 1;
	c->entries = wf_xzalloc(2 * buckets * ENTRIES * sizeof *c->entries);
	if (getrandom(c->secret, sizeof c->secret, 0) != sizeof c->secret)
		abort(); /* no kernel that runs this refuses 32 bytes */
	return c;
}

void
dns_sign_cache_free(struct dns_sign_cache *c)
{
	if (!c)
		return;
	free(c->entries);
	free(c);
}

static bool
cache_get(struct entry *bucket, const uint64_t key[2], uint32_t not_before, struct entry *ret)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct entry *e = &bucket[i];
		uint32_t seq = __atomic_load_n(&e->seq, __ATOMIC_ACQUIRE);

		if ((seq & 1) || e->key[0] != key[0] || e->key[1] != key[1])
			continue;
		*ret = *e;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* Written meanwhile: what was copied is of two. */
		if (__atomic_load_n(&e->seq, __ATOMIC_RELAXED) != seq)
			continue;
		if (ret->key[0] == key[0] && ret->key[1] == key[1] && ret->expires > not_before)
			return true;
	}
	return false;
}

/* In place of the same key's, else of the one that expires first: the oldest. */
static void
cache_put(struct entry *bucket, const struct entry *new)
{
	struct entry *to = &bucket[0];
	uint32_t seq;

	for (unsigned i = 0; i < ENTRIES; i++) {
		struct entry *e = &bucket[i];

		if (e->key[0] == new->key[0] && e->key[1] == new->key[1]) {
			to = e;
			break;
		}
		if (e->expires < to->expires)
			to = e;
	}
	seq = __atomic_load_n(&to->seq, __ATOMIC_RELAXED);
	if ((seq & 1) || !__atomic_compare_exchange_n(&to->seq, &seq, seq + 1, false, __ATOMIC_ACQUIRE,
						      __ATOMIC_RELAXED))
		return; /* another thread writes here: this signature is not kept */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	to->inception = new->inception;
	to->expires = new->expires;
	to->key[0] = new->key[0];
	to->key[1] = new->key[1];
	memcpy(to->signature, new->signature, sizeof to->signature);
	__atomic_store_n(&to->seq, seq + 2, __ATOMIC_RELEASE);
}

unsigned
dns_sign_cached(struct dns_sign_cache *c, enum dns_sign_kind kind, const struct dns_keyset *ks,
		const struct dns_sign_set *s, uint32_t now_s, uint32_t *budget, uint8_t *to,
		size_t *ret_size)
{
	unsigned n;
	const struct dns_sign_key *const *by = signers(ks, s->type, &n);
	size_t head = put_signed(ks, s);
	uint8_t *p = to;

	for (unsigned i = 0; i < n; i++) {
		struct entry e, *bucket;

		put_times(scratch.bytes, by[i], 0, 0);
		e.key[0] = dns_siphash(c->secret[0], scratch.bytes, scratch.size);
		e.key[1] = dns_siphash(c->secret[1], scratch.bytes, scratch.size);
		bucket = &c->entries[((kind == DNS_SIGN_MADE_UP) * (c->mask + 1) + (e.key[0] & c->mask)) * ENTRIES];
		if (!cache_get(bucket, (uint64_t[2]){ e.key[0], e.key[1] }, now_s + ks->lifetime_s / 4, &e)) {
			if (budget && !*budget)
				return 0;
			if (budget)
				--*budget;
			e.inception = now_s - SKEW_S;
			e.expires = expiry(ks, now_s, e.key[1]);
			put_times(scratch.bytes, by[i], e.inception, e.expires);
			if (!sign_bytes(by[i], scratch.bytes, scratch.size, e.signature))
				return 0;
			cache_put(bucket, &e);
		}
		put_times(scratch.bytes, by[i], e.inception, e.expires);
		p = put_rrsig(p, s->ttl, head, e.signature);
	}
	*ret_size = p - to;
	return n;
}
