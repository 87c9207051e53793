/* SPDX-License-Identifier: Apache-2.0 */
/* DNSSEC keys: ECDSA P-256 (algorithm 13, RFC 6605) and Ed25519 (15, RFC 8080), in the files that
 * BIND's dnssec-keygen writes: KNAME.+ALG+TAG.key with the DNSKEY record, .private with the secret
 * and the times at which the key does what:
 *
 *   Publish    in the DNSKEY set          Activate, Inactive   signs the zone from, until
 *   Delete     out of the DNSKEY set      SyncPublish, SyncDelete   CDS and CDNSKEY from, until
 *
 * A keyset is all keys of a zone as they are at one moment.
 *
 * Threads: one loads; a keyset is immutable then and any thread signs with it.
 */
#ifndef WEFT_DNS_SIGN_KEY_H
#define WEFT_DNS_SIGN_KEY_H

#include <openssl/types.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "dns/wire/name.h"
#include "dns/wire/proto.h"

enum dns_algorithm { DNS_ALG_ECDSAP256SHA256 = 13, DNS_ALG_ED25519 = 15 };
#define DNS_SIGNATURE_SIZE 64 /* of both */
#define DNS_KEY_ZONE 0x0100   /* flags of every key here */
#define DNS_KEY_SEP  0x0001   /* a key signing key, or one for both */
#define DNS_DNSKEY_MAX (4 + 64)
#define DNS_KEYSET_MAX 16

/* Seconds since 1970; 0: never. */
struct dns_sign_times {
	uint32_t created, publish, activate, inactive, delete_, sync_publish, sync_delete;
};

struct dns_sign_key {
	struct dns_name apex;
	uint8_t algorithm;
	uint16_t flags, tag;
	struct dns_sign_times times;
	uint8_t dnskey[DNS_DNSKEY_MAX]; /* the record's data */
	uint8_t dnskey_size;
	EVP_PKEY *secret;
};

/* From the texts of the two files.  Returns 0, or -EINVAL with what is wrong: another zone's, another
 * algorithm, a secret that does not belong to the public key. */
int dns_sign_key_parse(const struct dns_name *apex, const char *private_text, const char *key_text,
		       struct dns_sign_key **ret, struct wf_err *);
int dns_sign_key_generate(const struct dns_name *apex, unsigned algorithm, unsigned flags,
			  struct dns_sign_key **ret, struct wf_err *);
/* Writes both files; the secret is readable for its owner only. . */
int dns_sign_key_write(const struct dns_sign_key *, const char *folder, uint32_t ttl, struct wf_err *);
void dns_sign_key_free(struct dns_sign_key *);
/* "Kexample.com.+013+12345"; the caller frees. */
char *dns_sign_key_file(const struct dns_sign_key *);
/* The data of the DS record with SHA-256: 36 bytes. */
#define DNS_DS_SIZE 36
void dns_sign_key_ds(const struct dns_sign_key *, uint8_t ds[DNS_DS_SIZE]);
const char *dns_algorithm_text(unsigned algorithm); /* "ECDSAP256SHA256" */
/* All keys of the zone in the folder; no more than DNS_KEYSET_MAX.  Returns how many, or a negative
 * errno with the file and what is wrong with it. */
int dns_sign_keys_read(const struct dns_name *apex, const char *folder,
		       struct dns_sign_key *keys[DNS_KEYSET_MAX], struct wf_err *);

struct dns_keyset {
	_Atomic unsigned n_refs;
	struct dns_name apex;
	char *folder;
	struct timespec folder_mtime;
	uint32_t ttl;         /* of DNSKEY, CDS, CDNSKEY */
	uint32_t lifetime_s;  /* of signatures */
	uint32_t next_s;      /* when one of the times above comes; 0: none will */
	unsigned n;
	struct dns_sign_key *keys[DNS_KEYSET_MAX];
	/* Who signs the zone's data (one an algorithm), and who signs DNSKEY, CDS and CDNSKEY. */
	unsigned n_zone, n_key;
	const struct dns_sign_key *zone_signers[2], *key_signers[DNS_KEYSET_MAX];
};

/* Reads the folder.  Returns 0, or a negative errno; -ENOKEY if no key signs now. */
int dns_keyset_load(const struct dns_name *apex, const char *folder, uint32_t ttl, uint32_t lifetime_s,
		    uint32_t now_s, struct dns_keyset **ret, struct wf_err *);
struct dns_keyset *dns_keyset_ref(struct dns_keyset *);
void dns_keyset_unref(struct dns_keyset *);
/* Nothing in the folder changed and none of the times came. */
bool dns_keyset_is_current(const struct dns_keyset *, uint32_t now_s);
/* In the DNSKEY set at that time. */
static inline bool
dns_sign_key_is_published(const struct dns_sign_key *k, uint32_t now_s)
{
	return k->times.publish && k->times.publish <= now_s &&
	       (!k->times.delete_ || k->times.delete_ > now_s);
}
static inline bool
dns_sign_key_is_active(const struct dns_sign_key *k, uint32_t now_s)
{
	return dns_sign_key_is_published(k, now_s) && k->times.activate &&
	       k->times.activate <= now_s && (!k->times.inactive || k->times.inactive > now_s);
}
static inline bool
dns_sign_key_is_synced(const struct dns_sign_key *k, uint32_t now_s)
{
	return (k->flags & DNS_KEY_SEP) && k->times.sync_publish && k->times.sync_publish <= now_s &&
	       (!k->times.sync_delete || k->times.sync_delete > now_s);
}

#endif
