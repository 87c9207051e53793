// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/dnssec.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#include "base/rcu.h"

static struct dns_node *
node_at(const struct dns_zone *z, size_t i)
{
	return (struct dns_node *)(uintptr_t)(z->slots[i] << 16 >> 16);
}

/* --- bitmaps ------------------------------------------------------------------------------------- */

static int
compare_types(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

size_t
dns_bitmap_put(uint8_t *to, uint16_t *types, unsigned n)
{
	uint8_t *p = to, *window = NULL;

	qsort(types, n, sizeof *types, compare_types);
	for (unsigned i = 0; i < n; i++) {
		unsigned low = types[i] & 0xff;

		if (!window || window[0] != types[i] >> 8) {
			if (window)
				p += 2 + window[1];
			window = p;
			window[0] = types[i] >> 8;
			window[1] = 0;
		}
		for (; window[1] <= low / 8; window[1]++)
			window[2 + window[1]] = 0;
		window[2 + low / 8] |= 0x80 >> low % 8;
	}
	return window ? p + 2 + window[1] - to : 0;
}

/* --- canonical order ----------------------------------------------------------------------------- */

/* Names as strings that memcmp() puts into canonical order: labels from the root on, each ended by a
 * byte below all others; so bytes 0 and 1 of labels are written as two. */
static size_t
sort_key(const uint8_t *name, size_t skip_labels, uint8_t *to)
{
	uint8_t at[DNS_LABELS_MAX + 1];
	unsigned n = 0;
	uint8_t *p = to;

	for (const uint8_t *w = name; *w; w += 1 + *w)
		at[n++] = w - name;
	for (n -= skip_labels; n-- > 0;) {
		const uint8_t *label = name + at[n];

		for (unsigned i = 1; i <= label[0]; i++) {
			if (label[i] <= 1)
				*p++ = 1;
			*p++ = label[i] + (label[i] == 0);
			if (label[i] == 1)
				p[-1] = 2;
		}
		*p++ = 0;
	}
	return p - to;
}
#define SORT_KEY_MAX (2 * DNS_NAME_MAX)

struct sorted {
	struct dns_node *node;
	uint32_t size;
	const uint8_t *key;
};

static int
compare_keys(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
	int c = memcmp(a, b, na < nb ? na : nb);

	return c ? c : na < nb ? -1 : na > nb;
}

static int
compare_sorted(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	return compare_keys(x->key, x->size, y->key, y->size);
}

/* The nodes for which 'wanted' says so, sorted. */
static void
make_chain(struct dns_zone *z, bool (*wanted)(const struct dns_zone *, const struct dns_node *))
{
	struct dns_zone_dnssec *d = z->dnssec;
	struct dns_arena keys = { 0 };
	struct sorted *s = wf_xmalloc(z->n_nodes * sizeof *s);
	uint8_t key[SORT_KEY_MAX];
	size_t n = 0;

	for (size_t i = 0; i <= z->mask; i++) {
		struct dns_node *node = node_at(z, i);
		uint8_t *copy;

		if (!node || !wanted(z, node))
			continue;
		s[n].node = node;
		s[n].size = sort_key(node->name, z->apex->n_labels, key);
		copy = dns_arena_take(&keys, s[n].size + 1);
		memcpy(copy, key, s[n].size);
		s[n++].key = copy;
	}
	qsort(s, n, sizeof *s, compare_sorted);
	d->chain = dns_arena_take(&z->arena, (n + 1) * sizeof *d->chain);
	for (size_t i = 0; i < n; i++)
		d->chain[i] = s[i].node;
	d->n_chain = n;
	dns_arena_done(&keys);
	free(s);
}

/* Index of the last one that is not behind the key; the last of all if none is (the chain is a ring).
 */
static size_t
at_or_before(const struct dns_zone *z, const uint8_t *key, size_t size)
{
	const struct dns_zone_dnssec *d = z->dnssec;
	size_t low = 0, high = d->n_chain;

	while (low < high) {
		size_t mid = (low + high) / 2;
		uint8_t other[SORT_KEY_MAX];
		size_t n = sort_key(d->chain[mid]->name, z->apex->n_labels, other);

		if (compare_keys(other, n, key, size) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : d->n_chain - 1;
}

const struct dns_node *
dns_nsec_at_or_before(const struct dns_zone *z, const struct dns_name *name)
{
	uint8_t key[SORT_KEY_MAX];
	size_t n = sort_key(name->wire, z->apex->n_labels, key);

	return z->dnssec->chain[at_or_before(z, key, n)];
}

/* --- NSEC3 --------------------------------------------------------------------------------------- */

static __thread struct {
	EVP_MD_CTX *md;
	EVP_MD *sha1;
} hasher;

void
dns_dnssec_thread_done(void)
{
	EVP_MD_CTX_free(hasher.md);
	EVP_MD_free(hasher.sha1);
	memset(&hasher, 0, sizeof hasher);
	dns_sign_thread_done();
}

void
dns_nsec3_hash(const struct dns_zone_dnssec *d, const uint8_t *name, size_t size,
	       uint8_t hash[DNS_NSEC3_HASH])
{
	EVP_MD_CTX *md;

	if (!hasher.md) {
		hasher.md = EVP_MD_CTX_new();
		hasher.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	}
	md = hasher.md;
	memset(hash, 0, DNS_NSEC3_HASH);
	/* RFC 5155 section 5. */
	for (unsigned i = 0; i <= d->iterations; i++) {
		if (!md || !hasher.sha1 || EVP_DigestInit_ex2(md, hasher.sha1, NULL) <= 0)
			return;
		EVP_DigestUpdate(md, i ? hash : name, i ? DNS_NSEC3_HASH : size);
		EVP_DigestUpdate(md, d->salt, d->salt_size);
		EVP_DigestFinal_ex(md, hash, NULL);
	}
}

/* Base32 with the extended hex alphabet (RFC 4648 section 7), which keeps the order: the label of 32
 * letters as a sort key. */
static size_t
hash_key(const uint8_t hash[DNS_NSEC3_HASH], uint8_t key[33])
{
	for (unsigned i = 0; i < 32; i++) {
		unsigned bit = i * 5, byte = bit / 8;
		unsigned v = hash[byte] << 8 | (byte + 1 < DNS_NSEC3_HASH ? hash[byte + 1] : 0);

		key[i] = "0123456789abcdefghijklmnopqrstuv"[v >> (11 - bit % 8) & 31];
	}
	key[32] = 0;
	return 33;
}

const struct dns_node *
dns_nsec3_match(const struct dns_zone *z, const uint8_t hash[DNS_NSEC3_HASH])
{
	const struct dns_node *n = dns_nsec3_cover(z, hash);
	uint8_t key[33];

	hash_key(hash, key);
	return n->name[0] == 32 && !memcmp(n->name + 1, key, 32) ? n : NULL;
}

const struct dns_node *
dns_nsec3_cover(const struct dns_zone *z, const uint8_t hash[DNS_NSEC3_HASH])
{
	uint8_t key[33];
	size_t n = hash_key(hash, key);

	return z->dnssec->chain[at_or_before(z, key, n)];
}

/* --- signed before ------------------------------------------------------------------------------- */

const uint8_t *
dns_rrsig_next(const struct dns_node *n, unsigned type, const uint8_t **at, unsigned *i, size_t *rdlen)
{
	const struct dns_rrset *s = dns_node_set(n, DNS_RRSIG);

	if (!s)
		return NULL;
	if (!*at) {
		*at = s->raw;
		*i = 0;
	}
	while (*i < s->n) {
		uint32_t ttl;
		const uint8_t *rdata = dns_raw_next(at, &ttl, rdlen);

		++*i;
		if (dns_rrsig_covers(rdata) == type)
			return rdata;
	}
	return NULL;
}

static bool
has_nsec(const struct dns_zone *z, const struct dns_node *n)
{
	return dns_node_set(n, DNS_NSEC) && !(n->flags & DNS_NODE_OCCLUDED);
}

/* It has an NSEC3 of the parameters in use: while they change a zone has those of both (RFC 5155
 * section 10.4). */
static bool
is_hashed(const struct dns_zone *z, const struct dns_node *n)
{
	const struct dns_zone_dnssec *d = z->dnssec;
	const struct dns_rrset *s = n->flags & DNS_NODE_HASHED ? dns_node_set(n, DNS_NSEC3) : NULL;
	const uint8_t *at = s ? s->raw : NULL;

	for (unsigned i = 0; s && i < s->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *p = dns_raw_next(&at, &ttl, &rdlen);

		if (rdlen >= 5u + d->salt_size && p[0] == 1 && dns_get16(p + 2) == d->iterations &&
		    p[4] == d->salt_size && !memcmp(p + 5, d->salt, d->salt_size))
			return true;
	}
	return false;
}

/* The first time at which a signature of the file ends, of those that can matter. */
static uint32_t
first_expiry(const struct dns_zone *z)
{
	uint32_t first = 0;

	for (size_t i = 0; i <= z->mask; i++) {
		const struct dns_node *n = node_at(z, i);
		const struct dns_rrset *s = n ? dns_node_set(n, DNS_RRSIG) : NULL;
		const uint8_t *at = s ? s->raw : NULL;

		for (unsigned k = 0; s && k < s->n; k++) {
			uint32_t ttl, expires;
			size_t rdlen;

			expires = dns_get32(dns_raw_next(&at, &ttl, &rdlen) + 8);
			if (!first || (int32_t)(expires - first) < 0)
				first = expires;
		}
	}
	return first;
}

/* The first NSEC3PARAM that has a chain.  Returns 1 if none of them is meant for servers: those with
 * flags are not (RFC 5155 section 4.1.2). */
static int
find_nsec3(struct dns_zone *z, const struct dns_rrset *param, struct wf_err *err)
{
	struct dns_zone_dnssec *d = z->dnssec;
	const uint8_t *at = param->raw;
	int rc = 1;

	for (unsigned i = 0; i < param->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *p = dns_raw_next(&at, &ttl, &rdlen);

		if (p[1])
			continue;
		/* Algorithm, flags, iterations, salt (section 4.2). */
		d->iterations = dns_get16(p + 2);
		d->salt_size = p[4];
		d->salt = p + 5;
		if (p[0] != 1) {
			rc = wf_err(err, -EINVAL, "zone %s: NSEC3 with hash algorithm %u; 1 (SHA-1) is the only one there is", z->text, p[0]);
			continue;
		}
		if (d->iterations > DNS_NSEC3_ITERATIONS_MAX) {
			rc = wf_err(err, -EINVAL, "zone %s: NSEC3 with %u iterations; at most %u are served, and 0 is right (RFC 9276 section 3.1)",
				    z->text, d->iterations, DNS_NSEC3_ITERATIONS_MAX);
			continue;
		}
		d->denial = DNS_DENIAL_NSEC3;
		make_chain(z, is_hashed);
		if (d->n_chain)
			return 0;
		rc = wf_err(err, -EINVAL, "zone %s has an NSEC3PARAM record but no NSEC3 of its parameters; sign it again", z->text);
	}
	return rc;
}

int
dns_zone_signed_before(struct dns_zone *z, struct wf_str *warnings, struct wf_err *err)
{
	const struct dns_rrset *param = dns_node_set(z->apex, DNS_NSEC3PARAM);
	struct dns_zone_dnssec *d;
	uint32_t now_s = time(NULL);
	int rc = 0;

	if (!dns_node_set(z->apex, DNS_RRSIG) || !dns_node_set(z->apex, DNS_DNSKEY)) {
		if (dns_node_set(z->apex, DNS_RRSIG) || dns_node_set(z->apex, DNS_NSEC) || param)
			return wf_err(err, -EINVAL, "zone %s has some of RRSIG, NSEC and DNSKEY at its apex, but a signed zone has all of them", z->text);
		return 0;
	}
	if (z->has_chosen)
		return wf_err(err, -EINVAL, "zone %s: its file is signed, so its \"chosen\" names could not be; give the unsigned file and \"dnssec\"", z->text);
	d = z->dnssec = wf_xzalloc(sizeof *d);
	d->negative_ttl = dns_zone_negative_ttl(z);
	d->expires = first_expiry(z);
	/* Between the two chains NSEC3PARAM tells which one is whole: it comes last and goes first (RFC
	 * 5155 sections 10.4 and 10.5). */
	rc = param ? find_nsec3(z, param, err) : 1;
	if (rc == 1 && dns_node_set(z->apex, DNS_NSEC)) {
		d->denial = DNS_DENIAL_NSEC;
		make_chain(z, has_nsec);
		rc = 0;
	} else if (rc == 1) {
		rc = wf_err(err, -EINVAL, "zone %s is signed but has neither NSEC nor NSEC3PARAM at its apex; sign it again", z->text);
	}
	if (!rc && warnings && (int32_t)(d->expires - now_s) <= 0)
		wf_str_fmt(warnings, "zone %s: signatures of its file have expired; validating clients get no answer. Sign it again\n", z->text);
	return rc;
}

/* --- signed here --------------------------------------------------------------------------------- */

static bool
has_records(const struct dns_zone *z, const struct dns_node *n)
{
	return n->n_sets && !(n->flags & DNS_NODE_OCCLUDED);
}

/* Room for two more sets: NSEC and the slots. */
static void
add_sets(struct dns_zone *z, struct dns_node *n, const struct dns_node *next, uint32_t ttl)
{
	unsigned n_sets = n->n_sets, k = 0;
	struct dns_rrset *sets = dns_arena_zero(&z->arena, (n_sets + 2) * sizeof *sets);
	uint16_t *types = wf_xmalloc((n_sets + 2) * sizeof *types);
	uint8_t rdata[DNS_NAME_MAX + DNS_BITMAP_MAX], *raw;
	size_t rdlen;

	memcpy(sets, n->sets, n_sets * sizeof *sets);
	for (unsigned i = 0; i < n_sets; i++)
		/* Of a cut only NS and DS are there (RFC 4035 section 2.3). */
		if (!(n->flags & DNS_NODE_CUT) || sets[i].type == DNS_NS || sets[i].type == DNS_DS)
			types[k++] = sets[i].type;
	types[k++] = DNS_RRSIG;
	types[k++] = DNS_NSEC;
	memcpy(rdata, next->name, next->name_size);
	rdlen = next->name_size + dns_bitmap_put(rdata + next->name_size, types, k);
	raw = dns_arena_take(&z->arena, DNS_RAW_HEAD + rdlen);
	dns_put16(raw, 0xc000 | DNS_HEADER_SIZE);
	dns_put16(raw + 2, DNS_NSEC);
	dns_put16(raw + 4, DNS_CLASS_IN);
	dns_put32(raw + 6, ttl);
	dns_put16(raw + 10, rdlen);
	memcpy(raw + DNS_RAW_HEAD, rdata, rdlen);
	sets[n_sets] = (struct dns_rrset){
		.type = DNS_NSEC, .n = 1, .ttl = ttl, .size = DNS_RAW_HEAD + rdlen, .raw = raw
	};
	sets[n_sets + 1] = (struct dns_rrset){
		.type = DNS_RRSIG,
		.raw = dns_arena_zero(&z->arena, (n_sets + 1) * sizeof(struct dns_sigs *)),
	};
	n->sets = sets;
	n->n_sets = n_sets + 2;
	free(types);
}

int
dns_zone_sign_here(struct dns_zone *z, struct dns_keyset *keys, enum dns_denial denial,
		   struct wf_err *err)
{
	struct dns_zone_dnssec *d;

	if (dns_node_set(z->apex, DNS_RRSIG) || dns_node_set(z->apex, DNS_NSEC) ||
	    dns_node_set(z->apex, DNS_NSEC3PARAM))
		return wf_err(err, -EINVAL, "zone %s is to be signed here but its file is signed already: take \"dnssec\" from its configuration, or the signatures from its file", z->text);
	d = z->dnssec = wf_xzalloc(sizeof *d);
	d->denial = denial;
	d->keys = dns_keyset_ref(keys);
	d->negative_ttl = dns_zone_negative_ttl(z);
	make_chain(z, has_records);
	for (size_t i = 0; i < d->n_chain; i++)
		add_sets(z, d->chain[i], d->chain[(i + 1) % d->n_chain], d->negative_ttl);
	return 0;
}

void
dns_zone_dnssec_free(struct dns_zone *z)
{
	struct dns_zone_dnssec *d = z->dnssec;

	if (!d)
		return;
	for (size_t i = 0; d->keys && i < d->n_chain; i++) {
		struct dns_sigs **slots = dns_node_slots(d->chain[i]);

		for (unsigned k = 0; slots && k + 1u < d->chain[i]->n_sets; k++)
			free(slots[k]);
	}
	dns_keyset_unref(d->keys);
	free(d);
}

static struct dns_sigs *
make_sigs(const struct dns_zone *z, const struct dns_node *n, const struct dns_rrset *s, uint32_t now_s)
{
	uint8_t raw[DNS_RRSIGS_MAX];
	struct dns_sign_set set = {
		.owner = n->name, .type = s->type, .n = s->n, .ttl = s->ttl, .size = s->size, .raw = s->raw
	};
	struct dns_sigs *sigs;
	uint32_t expires;
	size_t size;
	unsigned count = dns_sign(z->dnssec->keys, &set, now_s, raw, &size, &expires);

	if (!count)
		return NULL;
	sigs = wf_xmalloc(sizeof *sigs + size);
	sigs->expires = expires;
	sigs->refresh = dns_sign_refresh(z->dnssec->keys, expires);
	sigs->size = size;
	sigs->n = count;
	memcpy(sigs->raw, raw, size);
	return sigs;
}

const struct dns_sigs *
dns_zone_sigs(const struct dns_zone *z, const struct dns_node *n, unsigned i, uint32_t now_s)
{
	struct dns_sigs **slots = dns_node_slots(n), *had, *new;

	if (!slots || i + 1u >= n->n_sets)
		return NULL;
	had = __atomic_load_n(&slots[i], __ATOMIC_ACQUIRE);
	/* Past their refresh they are good until the background has new ones, unless that is late. */
	if (had && (int32_t)(had->expires - now_s) > 60)
		return had;
	new = make_sigs(z, n, &n->sets[i], now_s);
	if (!new)
		return had;
	if (!__atomic_compare_exchange_n(&slots[i], &had, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		free(new);
		return had; /* another thread was faster */
	}
	if (had)
		wf_rcu_free(had);
	return new;
}

/* Names that are looked at in one call, most of which have what they need. */
#define LOOKS 8192

bool
dns_zone_presign(const struct dns_zone *z, size_t *at, unsigned max, uint32_t now_s)
{
	const struct dns_zone_dnssec *d = z->dnssec;
	unsigned made = 0, looks = 0;

	for (; *at < d->n_chain && made < max && looks++ < LOOKS; ++*at) {
		const struct dns_node *n = d->chain[*at];
		struct dns_sigs **slots = dns_node_slots(n);

		for (unsigned i = 0; slots && i + 1u < n->n_sets; i++) {
			struct dns_sigs *had = __atomic_load_n(&slots[i], __ATOMIC_ACQUIRE), *new;

			if (!dns_set_is_signed(n, &n->sets[i]) || (had && had->refresh > now_s))
				continue;
			new = make_sigs(z, n, &n->sets[i], now_s);
			if (!new)
				continue;
			if (!__atomic_compare_exchange_n(&slots[i], &had, new, false, __ATOMIC_ACQ_REL,
							 __ATOMIC_ACQUIRE))
				free(new);
			else if (had)
				wf_rcu_free(had);
			made++;
		}
	}
	return *at < d->n_chain;
}

/* All of them by keys that are published still; 'signer' if by exactly those that sign now. */
static bool
can_stay(const struct dns_sigs *s, const struct dns_keyset *ks, unsigned type, uint32_t now_s, bool *signer)
{
	bool by_key = type == DNS_DNSKEY || type == DNS_CDS || type == DNS_CDNSKEY;
	const uint8_t *at = s->raw;
	unsigned now = 0;

	for (unsigned i = 0; i < s->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *p = dns_raw_next(&at, &ttl, &rdlen);
		bool published = false;

		for (unsigned k = 0; k < ks->n; k++)
			published |= ks->keys[k]->tag == dns_get16(p + 16) && ks->keys[k]->algorithm == p[2] &&
				     dns_sign_key_is_published(ks->keys[k], now_s);
		if (!published)
			return false;
		for (unsigned k = 0; k < ks->n_zone && !by_key; k++)
			now += ks->zone_signers[k]->tag == dns_get16(p + 16);
		for (unsigned k = 0; k < ks->n_key && by_key; k++)
			now += ks->key_signers[k]->tag == dns_get16(p + 16);
	}
	*signer = now == s->n && now == (by_key ? ks->n_key : ks->n_zone);
	return true;
}

void
dns_zone_inherit_sigs(struct dns_zone *z, const struct dns_zone *old, uint32_t now_s)
{
	const struct dns_zone_dnssec *d = z->dnssec;

	if (!d || !d->keys || !old || !old->dnssec || !old->dnssec->keys ||
	    old->dnssec->keys->lifetime_s != d->keys->lifetime_s)
		return;
	for (size_t i = 0; i < d->n_chain; i++) {
		struct dns_node *n = d->chain[i];
		const struct dns_node *was =
			dns_zone_find(old, n->hash, n->name, n->name_size);
		struct dns_sigs **to = dns_node_slots(n), **from = was ? dns_node_slots(was) : NULL;

		for (unsigned k = 0; to && from && k + 1u < n->n_sets; k++) {
			const struct dns_rrset *a = &n->sets[k], *b = dns_node_set(was, a->type);
			struct dns_sigs *had = b ? __atomic_load_n(&from[b - was->sets], __ATOMIC_ACQUIRE) : NULL;
			bool signer;

			if (!had || had->expires <= now_s + 60 || a->n != b->n || a->ttl != b->ttl ||
			    a->size != b->size || memcmp(a->raw, b->raw, a->size) ||
			    !can_stay(had, d->keys, a->type, now_s, &signer))
				continue;
			/* DNSKEY and CDS at once: a validator that follows the parent's new DS waits. */
			if (!signer && (a->type == DNS_DNSKEY || a->type == DNS_CDS || a->type == DNS_CDNSKEY))
				continue;
			to[k] = wf_xmalloc(sizeof *had + had->size);
			memcpy(to[k], had, sizeof *had + had->size);
			if (!signer)
				to[k]->refresh = now_s;
		}
	}
}
