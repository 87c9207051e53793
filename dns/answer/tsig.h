/* SPDX-License-Identifier: Apache-2.0 */
/* Transaction signatures (RFC 8945) with HMAC-SHA256, -SHA384 and -SHA512 (and -SHA1 for old
 * peers).
 *
 * Threads: any; keys belong to the view and are immutable.  HMAC is OpenSSL's and allocates: only
 * queries that carry a signature pay for it. */
#ifndef WEFT_DNS_ANSWER_TSIG_H
#define WEFT_DNS_ANSWER_TSIG_H

#include "dns/wire/message.h"

#define DNS_KEY_MAX 64  /* bytes of a secret */
#define DNS_MAC_MAX 64
/* Name, fixed fields, algorithm, MAC, other data of a signature. */
#define DNS_TSIG_MAX (DNS_NAME_MAX + 10 + 32 + 16 + DNS_MAC_MAX + 6)

enum dns_key_algorithm {
	DNS_HMAC_SHA1,
	DNS_HMAC_SHA256,
	DNS_HMAC_SHA384,
	DNS_HMAC_SHA512,
	DNS_HMAC_N
};

struct dns_key {
	struct dns_key *next; /* of the view */
	struct dns_name name;
	enum dns_key_algorithm algorithm;
	uint8_t secret_size, secret[DNS_KEY_MAX];
};

/* "hmac-sha256"; DNS_HMAC_N if unknown. */
enum dns_key_algorithm dns_key_algorithm(const char *name);
/* Decodes the secret (base64).  Returns false if it is none or longer than DNS_KEY_MAX. */
bool dns_key_set_secret(struct dns_key *, const char *base64);

/* A signature under way: from the query to all messages of its answer. */
struct dns_tsig {
	const struct dns_key *key; /* NULL: not known */
	unsigned error;            /* 0, DNS_BADKEY, DNS_BADSIG, DNS_BADTIME or DNS_BADTRUNC */
	uint16_t original_id;
	uint64_t time;             /* as the client signed, for its error */
	/* Name and algorithm as they came, for answers to unknown keys. */
	struct dns_name name, algorithm;
	uint8_t mac[DNS_MAC_MAX];  /* of the query, then of the message before */
	uint8_t mac_size;
	bool is_next;              /* not the first message of the answer */
};

/* For a query of our own, to be signed with this key. */
void dns_tsig_init_query(struct dns_tsig *, const struct dns_key *, uint16_t id);
/* Checks the query's signature at q->tsig_at.  False: the record is malformed (FORMERR).  Else see
 * 'error'. */
bool dns_tsig_verify(struct dns_tsig *, const struct dns_key *keys, const struct dns_query *q,
		     uint64_t now_s);
/* Bytes that dns_tsig_sign() will add. */
size_t dns_tsig_size(const struct dns_tsig *);
/* Adds the signature behind the message, whose header counts it then; with an error other than
 * BADTIME an empty one (RFC 8945 section 5.3.2).  Returns the new size. */
size_t dns_tsig_sign(struct dns_tsig *, uint8_t *msg, size_t size, uint64_t now_s);

/* The answer to a query of our own that dns_tsig_sign() signed, message by message. */
struct dns_tsig_reader {
	struct dns_tsig *tsig;
	struct evp_mac_ctx_st *mac; /* of the messages since the last signature */
	unsigned n_unsigned;
	bool is_next;
};
void dns_tsig_reader_init(struct dns_tsig_reader *, struct dns_tsig *);
void dns_tsig_reader_done(struct dns_tsig_reader *);
/* Messages between two signed ones may have no signature (RFC 8945 section 5.3.1): 'n_unsigned'
 * counts them and must be 0 behind the last.  Returns 0, or -EBADMSG with the reason. */
int dns_tsig_check_answer(struct dns_tsig_reader *, const uint8_t *msg, size_t size, uint64_t now_s,
			  struct wf_err *);

#endif
