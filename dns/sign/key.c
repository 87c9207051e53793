// SPDX-License-Identifier: Apache-2.0
#include "dns/sign/key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define FILE_MAX 16384

const char *
dns_algorithm_text(unsigned algorithm)
{
	return algorithm == DNS_ALG_ED25519 ? "ED25519" : "ECDSAP256SHA256";
}

static unsigned
public_size(unsigned algorithm)
{
	return algorithm == DNS_ALG_ED25519 ? 32 : 64;
}

/* RFC 4034 appendix B. */
static uint16_t
key_tag(const uint8_t *rdata, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? rdata[i] : rdata[i] << 8;
	return sum + (sum >> 16);
}

/* Base64 of exactly 'size' bytes. */
static bool
decode(const char *text, size_t len, uint8_t *to, size_t size)
{
	uint8_t out[128];
	size_t pad = 0;
	int n;

	if (!len || len % 4 || len / 4 * 3 > sizeof out)
		return false;
	while (pad < 2 && text[len - 1 - pad] == '=')
		pad++;
	n = EVP_DecodeBlock(out, (const uint8_t *)text, len);
	if (n < 0 || n - pad != size)
		return false;
	memcpy(to, out, size);
	OPENSSL_cleanse(out, sizeof out);
	return true;
}

static EVP_PKEY *
make_secret(unsigned algorithm, const uint8_t secret[32], const uint8_t *public)
{
	OSSL_PARAM_BLD *b;
	OSSL_PARAM *params;
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *ret = NULL;
	uint8_t point[65] = { 4 };
	BIGNUM *bn;

	if (algorithm == DNS_ALG_ED25519)
		return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, 32);
	memcpy(point + 1, public, 64);
	bn = BN_secure_new();
	b = OSSL_PARAM_BLD_new();
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BN_bin2bn(secret, 32, bn);
	OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, bn);
	OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
	params = OSSL_PARAM_BLD_to_param(b);
	if (params && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_KEYPAIR, params) <= 0)
		ret = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(ctx);
	BN_clear_free(bn);
	return ret;
}

/* The public key as it stands in a DNSKEY. */
static bool
get_public(EVP_PKEY *k, unsigned algorithm, uint8_t *to)
{
	uint8_t point[65];
	size_t n = 32;

	if (algorithm == DNS_ALG_ED25519)
		return EVP_PKEY_get_raw_public_key(k, to, &n) > 0 && n == 32;
	if (EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n) <= 0 ||
	    n != sizeof point || point[0] != 4)
		return false;
	memcpy(to, point + 1, 64);
	return true;
}

/* The secret makes signatures that the public key accepts.  OpenSSL does not derive P-256's public
 * key from what it is given. */
static bool
belong_together(EVP_PKEY *secret, unsigned algorithm, const uint8_t *public)
{
	uint8_t have[64];
	EVP_PKEY_CTX *ctx;
	bool ok;

	if (!get_public(secret, algorithm, have) || memcmp(have, public, public_size(algorithm)))
		return false;
	ctx = EVP_PKEY_CTX_new(secret, NULL);
	ok = ctx && EVP_PKEY_pairwise_check(ctx) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* --- the .private file --------------------------------------------------------------------------- */

/* The value behind "NAME:" at the beginning of a line; its length, 0 if there is none. */
static size_t
field(const char *text, const char *name, const char **ret)
{
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncasecmp(p, name, n) || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " \t");
		*ret = p;
		return strcspn(p, " \t\r\n");
	}
	return 0;
}

/* "20261123134500" (UTC).  0: not there or not understood, which 'bad' tells. */
static uint32_t
time_field(const char *text, const char *name, const char **bad)
{
	struct tm tm = { 0 };
	const char *p;
	size_t n = field(text, name, &p);
	int64_t t;

	if (!n)
		return 0;
	if (n != 14 || strspn(p, "0123456789") < 14 ||
	    sscanf(p, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6) {
		*bad = name;
		return 0;
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = timegm(&tm);
	if (t <= 0 || t > UINT32_MAX) {
		*bad = name;
		return 0;
	}
	return t;
}

/* The DNSKEY record of a .key file: comments, then NAME [TTL] IN DNSKEY FLAGS 3 ALG BASE64... */
static int
parse_record(struct dns_sign_key *k, const char *text, struct wf_err *err)
{
	char word[12][260] = { "" }, base64[128] = "";
	struct wf_err why = { "" };
	struct dns_name owner;
	unsigned n = 0, at = 1;
	long flags;

	for (const char *p = text; *p && n < 12;) {
		size_t len;

		p += strspn(p, " \t\r\n");
		if (*p == ';') {
			p += strcspn(p, "\n");
			continue;
		}
		len = strcspn(p, " \t\r\n");
		if (len >= sizeof word[0])
			return wf_err(err, -EINVAL, "it has a word of %zu characters", len);
		if (len)
			snprintf(word[n++], sizeof word[0], "%.*s", (int)len, p);
		p += len;
	}
	if (!n)
		return wf_err(err, -EINVAL, "no DNSKEY record is in the .key file beside it");
	if (dns_name_from_text(&owner, word[0], NULL, &why))
		return wf_err(err, -EINVAL, "%s", why.text);
	if (owner.size != k->apex.size || memcmp(owner.wire, k->apex.wire, owner.size))
		return wf_err(err, -EINVAL, "it is a key of zone %.200s", word[0]);
	if (word[at][0] >= '0' && word[at][0] <= '9')
		at++;
	if (at + 5 > n || strcasecmp(word[at], "IN") || strcasecmp(word[at + 1], "DNSKEY"))
		return wf_err(err, -EINVAL, "no DNSKEY record is in it");
	flags = strtol(word[at + 2], NULL, 10);
	if (flags != DNS_KEY_ZONE && flags != (DNS_KEY_ZONE | DNS_KEY_SEP))
		return wf_err(err, -EINVAL, "flags %.20s: 256 and 257 are understood", word[at + 2]);
	if (strcmp(word[at + 3], "3") || strtol(word[at + 4], NULL, 10) != k->algorithm)
		return wf_err(err, -EINVAL, "protocol %.20s, algorithm %.20s: it must be 3 and that of the .private file",
			      word[at + 3], word[at + 4]);
	for (unsigned i = at + 5; i < n; i++)
		if (strlen(base64) + strlen(word[i]) < sizeof base64)
			strcat(base64, word[i]);
	k->flags = flags;
	dns_put16(k->dnskey, flags);
	k->dnskey[2] = 3;
	k->dnskey[3] = k->algorithm;
	k->dnskey_size = 4 + public_size(k->algorithm);
	if (!decode(base64, strlen(base64), k->dnskey + 4, public_size(k->algorithm)))
		return wf_err(err, -EINVAL, "the public key is not base64 of %u bytes", public_size(k->algorithm));
	k->tag = key_tag(k->dnskey, k->dnskey_size);
	return 0;
}

int
dns_sign_key_parse(const struct dns_name *apex, const char *private_text, const char *key_text,
		   struct dns_sign_key **ret, struct wf_err *err)
{
	struct dns_sign_key *k = wf_xzalloc(sizeof *k);
	const char *p, *bad = NULL;
	uint8_t secret[32];
	size_t n;
	int rc;

	k->apex = *apex;
	n = field(private_text, "Private-key-format", &p);
	if (n < 4 || strncmp(p, "v1.", 3)) {
		rc = wf_err(err, -EINVAL, "no \"Private-key-format: v1.x\" is in it");
		goto fail;
	}
	n = field(private_text, "Algorithm", &p);
	k->algorithm = n && n < 4 ? strtol(p, NULL, 10) : 0;
	if (k->algorithm != DNS_ALG_ECDSAP256SHA256 && k->algorithm != DNS_ALG_ED25519) {
		rc = wf_err(err, -EINVAL, "algorithm %.*s: 13 (ECDSAP256SHA256) and 15 (ED25519) are understood", (int)n, n ? p : "");
		goto fail;
	}
	n = field(private_text, "PrivateKey", &p);
	if (!decode(n ? p : "", n, secret, sizeof secret)) {
		rc = wf_err(err, -EINVAL, "PrivateKey is not base64 of 32 bytes");
		goto fail;
	}
	k->times.created = time_field(private_text, "Created", &bad);
	k->times.publish = time_field(private_text, "Publish", &bad);
	k->times.activate = time_field(private_text, "Activate", &bad);
	k->times.inactive = time_field(private_text, "Inactive", &bad);
	k->times.delete_ = time_field(private_text, "Delete", &bad);
	k->times.sync_publish = time_field(private_text, "SyncPublish", &bad);
	k->times.sync_delete = time_field(private_text, "SyncDelete", &bad);
	rc = bad ? wf_err(err, -EINVAL, "%s is no time like 20261231235959", bad)
		 : parse_record(k, key_text, err);
	if (!rc) {
		k->secret = make_secret(k->algorithm, secret, k->dnskey + 4);
		if (!k->secret || !belong_together(k->secret, k->algorithm, k->dnskey + 4))
			rc = wf_err(err, -EINVAL, "the secret does not belong to the public key");
	}
	OPENSSL_cleanse(secret, sizeof secret);
	if (!rc) {
		*ret = k;
		return 0;
	}
fail:
	dns_sign_key_free(k);
	return rc;
}

int
dns_sign_key_generate(const struct dns_name *apex, unsigned algorithm, unsigned flags,
		      struct dns_sign_key **ret, struct wf_err *err)
{
	struct dns_sign_key *k = wf_xzalloc(sizeof *k);

	k->apex = *apex;
	k->algorithm = algorithm;
	k->flags = flags;
	k->secret = algorithm == DNS_ALG_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
						 : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	dns_put16(k->dnskey, flags);
	k->dnskey[2] = 3;
	k->dnskey[3] = algorithm;
	k->dnskey_size = 4 + public_size(algorithm);
	if (!k->secret || !get_public(k->secret, algorithm, k->dnskey + 4)) {
		dns_sign_key_free(k);
		return wf_err(err, -EIO, "OpenSSL makes no key of algorithm %u", algorithm);
	}
	k->tag = key_tag(k->dnskey, k->dnskey_size);
	*ret = k;
	return 0;
}

void
dns_sign_key_free(struct dns_sign_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->secret);
	free(k);
}

/* The apex as files are named for it: a slash would lead into another folder. */
static char *
file_apex(const struct dns_name *apex)
{
	struct wf_str s = WF_STR_INIT;
	char text[DNS_NAME_TEXT_MAX];

	for (const char *p = dns_name_text(apex->wire, text); *p; p++)
		if (*p == '/')
			wf_str_put(&s, "\\047");
		else
			wf_str_putc(&s, *p);
	return wf_str_steal(&s);
}

char *
dns_sign_key_file(const struct dns_sign_key *k)
{
	char *apex = file_apex(&k->apex);
	char *ret = wf_xasprintf("K%s+%03u+%05u", apex, k->algorithm, k->tag);

	free(apex);
	return ret;
}

static bool
is_private_file(const char *name, const char *apex)
{
	size_t n = strlen(apex), len = strlen(name);

	/* K APEX +AAA+TTTTT .private */
	return len == 1 + n + 10 + 8 && name[0] == 'K' && !strncasecmp(name + 1, apex, n) &&
	       name[1 + n] == '+' && name[5 + n] == '+' && !strcmp(name + 11 + n, ".private");
}

static int
read_pair(const struct dns_name *apex, const char *folder, const char *name,
	  struct dns_sign_key **ret, struct wf_err *err)
{
	char *secret_path = wf_xasprintf("%s/%s", folder, name);
	char *public_path = wf_xasprintf("%.*s.key", (int)(strlen(secret_path) - 8), secret_path);
	struct wf_str secret = WF_STR_INIT, public = WF_STR_INIT;
	struct wf_err why = { "" };
	int rc;

	rc = wf_file_read_text(secret_path, FILE_MAX, &secret, err);
	if (!rc)
		rc = wf_file_read_text(public_path, FILE_MAX, &public, err);
	if (!rc && (rc = dns_sign_key_parse(apex, wf_str_cstr(&secret), wf_str_cstr(&public), ret, &why)))
		wf_err(err, rc, "%s: %s", secret_path, why.text);
	if (secret.s)
		OPENSSL_cleanse(secret.s, secret.len);
	wf_str_done(&secret);
	wf_str_done(&public);
	free(secret_path);
	free(public_path);
	return rc;
}

int
dns_sign_keys_read(const struct dns_name *apex, const char *folder,
		   struct dns_sign_key *keys[DNS_KEYSET_MAX], struct wf_err *err)
{
	DIR *d = opendir(folder);
	char *text;
	struct dirent *e;
	int n = 0, rc = 0;

	if (!d)
		return wf_err(err, -errno, "%s: %s", folder, strerror(errno));
	text = file_apex(apex);
	while (!rc && (e = readdir(d))) {
		if (!is_private_file(e->d_name, text))
			continue;
		if (n == DNS_KEYSET_MAX)
			rc = wf_err(err, -E2BIG, "%s: more than %u keys of zone %s; take away those that are out of use", folder, DNS_KEYSET_MAX, text);
		else
			rc = read_pair(apex, folder, e->d_name, &keys[n], err);
		n += !rc;
	}
	closedir(d);
	free(text);
	if (!rc)
		return n;
	while (n)
		dns_sign_key_free(keys[--n]);
	return rc;
}

void
dns_sign_key_ds(const struct dns_sign_key *k, uint8_t ds[DNS_DS_SIZE])
{
	uint8_t in[DNS_NAME_MAX + DNS_DNSKEY_MAX];

	dns_put16(ds, k->tag);
	ds[2] = k->algorithm;
	ds[3] = 2; /* SHA-256 */
	memcpy(in, k->apex.wire, k->apex.size);
	memcpy(in + k->apex.size, k->dnskey, k->dnskey_size);
	SHA256(in, k->apex.size + k->dnskey_size, ds + 4);
}

static void
put_time(struct wf_str *s, const char *name, uint32_t t)
{
	time_t when = t;
	struct tm tm;
	char text[32];

	if (!t)
		return;
	gmtime_r(&when, &tm);
	strftime(text, sizeof text, "%Y%m%d%H%M%S", &tm);
	wf_str_fmt(s, "%s: %s\n", name, text);
}

static bool
get_secret(const struct dns_sign_key *k, uint8_t to[32])
{
	BIGNUM *bn = NULL;
	size_t n = 32;
	bool ok;

	if (k->algorithm == DNS_ALG_ED25519)
		return EVP_PKEY_get_raw_private_key(k->secret, to, &n) > 0;
	ok = EVP_PKEY_get_bn_param(k->secret, OSSL_PKEY_PARAM_PRIV_KEY, &bn) > 0 &&
	     BN_bn2binpad(bn, to, 32) == 32;
	BN_clear_free(bn);
	return ok;
}

/* As wf_file_replace(), but nobody else may read it at any moment. */
static int
replace_secretly(const char *path, const char *text, size_t size, struct wf_err *err)
{
	char *aside = wf_xasprintf("%s.new", path);
	int fd, rc = 0;

	unlink(aside);
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, size) != (ssize_t)size || fsync(fd) || rename(aside, path))
		rc = wf_err(err, -errno, "%s: can't be written: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (rc && fd >= 0)
		unlink(aside);
	free(aside);
	return rc;
}

int
dns_sign_key_write(const struct dns_sign_key *k, const char *folder, uint32_t ttl, struct wf_err *err)
{
	struct wf_str s = WF_STR_INIT;
	char *file = dns_sign_key_file(k), *path, apex[DNS_NAME_TEXT_MAX];
	uint8_t secret[32], base64[96];
	int rc;

	if (!get_secret(k, secret)) {
		free(file);
		return wf_err(err, -EIO, "OpenSSL does not give the secret of the key");
	}
	/* The secret last: a key is there when its .private is. */
	EVP_EncodeBlock(base64, k->dnskey + 4, k->dnskey_size - 4);
	wf_str_fmt(&s, "; This is a %s key, keyid %u, for %s\n",
		   k->flags & DNS_KEY_SEP ? "key-signing" : "zone-signing", k->tag,
		   dns_name_text(k->apex.wire, apex));
	wf_str_fmt(&s, "%s %u IN DNSKEY %u 3 %u %s\n", apex, ttl, k->flags, k->algorithm, base64);
	path = wf_xasprintf("%s/%s.key", folder, file);
	rc = wf_file_replace(path, s.s, s.len, err);
	free(path);
	wf_str_done(&s);
	EVP_EncodeBlock(base64, secret, sizeof secret);
	wf_str_fmt(&s, "Private-key-format: v1.3\nAlgorithm: %u (%s)\nPrivateKey: %s\n", k->algorithm,
		   dns_algorithm_text(k->algorithm), base64);
	put_time(&s, "Created", k->times.created);
	put_time(&s, "Publish", k->times.publish);
	put_time(&s, "Activate", k->times.activate);
	put_time(&s, "Inactive", k->times.inactive);
	put_time(&s, "Delete", k->times.delete_);
	put_time(&s, "SyncPublish", k->times.sync_publish);
	put_time(&s, "SyncDelete", k->times.sync_delete);
	path = wf_xasprintf("%s/%s.private", folder, file);
	if (!rc)
		rc = replace_secretly(path, s.s, s.len, err);
	free(path);
	OPENSSL_cleanse(secret, sizeof secret);
	OPENSSL_cleanse(base64, sizeof base64);
	OPENSSL_cleanse(s.s, s.len);
	wf_str_done(&s);
	free(file);
	return rc;
}
