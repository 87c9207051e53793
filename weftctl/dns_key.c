// SPDX-License-Identifier: Apache-2.0
/* weftctl dns key: makes and rolls DNSSEC keys.  It writes files and nothing else: weft-dnsd sees that
 * they changed and does what stands in them when its time comes, so that servers which share a folder
 * do the same.  Rolls are those of RFC 6781 section 4.1.1.1 (pre-publish) and, for keys that the
 * parent knows, 4.1.2 (double signature of the DNSKEY set). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "dns/sign/key.h"
#include "weftctl/weftctl.h"

#define DEFAULT_FOLDER "/etc/weft/keys"
/* For zones to reach all servers, and clocks to differ. */
#define MARGIN_S 300

struct request {
	struct dns_name apex;
	const char *zone, *folder;
	unsigned algorithm; /* 0: not given */
	bool ksk, zsk;
	uint32_t ttl, max_ttl, margin;
	unsigned tag;
	uint32_t now;
	struct dns_sign_key *keys[DNS_KEYSET_MAX];
	unsigned n;
};

static int
fail(const char *fmt, const char *what)
{
	fprintf(stderr, fmt, what);
	fputc('\n', stderr);
	return 1;
}

static int
parse(struct request *r, int argc, char *argv[])
{
	struct wf_err err = { "" };

	r->folder = DEFAULT_FOLDER;
	r->ttl = 3600;
	r->max_ttl = 86400;
	r->margin = MARGIN_S;
	r->now = time(NULL);
	r->zone = argv[0];
	if (dns_name_from_text(&r->apex, argv[0], NULL, &err))
		return fail("%s", err.text);
	for (int i = 1; i < argc; i++) {
		const char *o = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(o, "--ksk")) {
			r->ksk = true;
		} else if (!strcmp(o, "--zsk")) {
			r->zsk = true;
		} else if (!strcmp(o, "--folder") && v) {
			r->folder = argv[++i];
		} else if (!strcmp(o, "--algorithm") && v) {
			i++;
			if (!strcmp(v, "13") || !strcasecmp(v, "ECDSAP256SHA256"))
				r->algorithm = DNS_ALG_ECDSAP256SHA256;
			else if (!strcmp(v, "15") || !strcasecmp(v, "ED25519"))
				r->algorithm = DNS_ALG_ED25519;
			else
				return fail("algorithm %s: there are ECDSAP256SHA256 (13) and ED25519 (15)", v);
		} else if (!strcmp(o, "--dnskey-ttl") && v) {
			r->ttl = strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(o, "--max-ttl") && v) {
			r->max_ttl = strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(o, "--margin") && v) {
			r->margin = strtoul(argv[++i], NULL, 10);
		} else if (o[0] != '-' && !r->tag) {
			r->tag = strtoul(o, NULL, 10);
		} else {
			return fail("%s is not understood; see weftctl(1)", o);
		}
	}
	if (r->ksk && r->zsk)
		return fail("%s", "--ksk and --zsk exclude each other; with neither a key does both");
	return 0;
}

static int
read_keys(struct request *r)
{
	struct wf_err err = { "" };
	int n = dns_sign_keys_read(&r->apex, r->folder, r->keys, &err);

	if (n < 0)
		return fail("%s", err.text);
	r->n = n;
	return 0;
}

static int
save(const struct request *r, const struct dns_sign_key *k)
{
	struct wf_err err = { "" };

	return dns_sign_key_write(k, r->folder, r->ttl, &err) ? fail("%s", err.text) : 0;
}

static bool
tag_is_taken(const struct request *r, unsigned tag)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->keys[i]->tag == tag)
			return true;
	return false;
}

/* A key whose tag no other has: validators try all keys of a tag. */
static int
make_key(struct request *r, unsigned algorithm, unsigned flags, struct dns_sign_key **ret)
{
	struct wf_err err = { "" };

	if (r->n == DNS_KEYSET_MAX)
		return fail("%s has as many keys as are served; retire some", r->zone);
	for (;;) {
		if (dns_sign_key_generate(&r->apex, algorithm, flags, ret, &err))
			return fail("%s", err.text);
		if (!tag_is_taken(r, (*ret)->tag))
			break;
		dns_sign_key_free(*ret);
	}
	r->keys[r->n++] = *ret;
	(*ret)->times.created = r->now;
	return 0;
}

static const char *
role(const struct dns_sign_key *k)
{
	return k->flags & DNS_KEY_SEP ? "257" : "256";
}

static int
generate(struct request *r)
{
	struct dns_sign_key *k;
	char *file;
	int rc;

	if (mkdir(r->folder, 0700) && errno != EEXIST)
		return fail("%s can't be made", r->folder);
	if (read_keys(r))
		return 1;
	if (make_key(r, r->algorithm ? r->algorithm : DNS_ALG_ECDSAP256SHA256,
		     DNS_KEY_ZONE | (r->zsk ? 0 : DNS_KEY_SEP), &k))
		return 1;
	k->times.publish = k->times.activate = r->now;
	if (k->flags & DNS_KEY_SEP)
		k->times.sync_publish = r->now;
	rc = save(r, k);
	file = dns_sign_key_file(k);
	if (!rc)
		printf("%s/%s\n", r->folder, file);
	free(file);
	return rc;
}

static void
print_time(const char *what, uint32_t t)
{
	time_t when = t;
	struct tm tm;
	char text[32];

	if (!t)
		return;
	gmtime_r(&when, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf(", %s %s", what, text);
}

static int
list(struct request *r)
{
	if (read_keys(r))
		return 1;
	for (unsigned i = 0; i < r->n; i++) {
		const struct dns_sign_key *k = r->keys[i];

		printf("%u %s %s: %s", k->tag, dns_algorithm_text(k->algorithm), role(k),
		       dns_sign_key_is_active(k, r->now)      ? "signs"
		       : dns_sign_key_is_published(k, r->now) ? "published"
		       : k->times.delete_ && k->times.delete_ <= r->now ? "out of use"
								  : "not yet published");
		print_time("publish", k->times.publish);
		print_time("activate", k->times.activate);
		print_time("inactive", k->times.inactive);
		print_time("delete", k->times.delete_);
		putchar('\n');
	}
	return 0;
}

/* What the parent should have. */
static int
ds(struct request *r)
{
	bool any = false;

	if (read_keys(r))
		return 1;
	for (unsigned i = 0; i < r->n; i++) {
		uint8_t d[DNS_DS_SIZE];
		char text[DNS_NAME_TEXT_MAX];

		if (!dns_sign_key_is_synced(r->keys[i], r->now))
			continue;
		dns_sign_key_ds(r->keys[i], d);
		printf("%s IN DS %u %u %u ", dns_name_text(r->apex.wire, text), dns_get16(d), d[2], d[3]);
		for (unsigned b = 4; b < sizeof d; b++)
			printf("%02X", d[b]);
		putchar('\n');
		any = true;
	}
	return any ? 0 : fail("%s has no key that its parent should know", r->zone);
}

/* The one that signs now and has no successor. */
static struct dns_sign_key *
signing(struct request *r)
{
	struct dns_sign_key *found = NULL;

	for (unsigned i = 0; i < r->n; i++) {
		struct dns_sign_key *k = r->keys[i];

		if ((r->zsk && (k->flags & DNS_KEY_SEP)) || (r->ksk && !(k->flags & DNS_KEY_SEP)) ||
		    (r->algorithm && k->algorithm != r->algorithm))
			continue;
		if (!dns_sign_key_is_active(k, r->now) || k->times.inactive)
			continue;
		if (found) {
			fail("%s has several keys that sign; say which with --ksk, --zsk or --algorithm", r->zone);
			return NULL;
		}
		found = k;
	}
	if (!found)
		fail("%s has no key that signs and is not being rolled already", r->zone);
	return found;
}

static int
roll(struct request *r)
{
	struct dns_sign_key *old, *new;
	uint32_t known;

	if (read_keys(r) || !(old = signing(r)) || make_key(r, old->algorithm, old->flags, &new))
		return 1;
	/* When no resolver can have a DNSKEY set without the new key any more. */
	known = r->now + r->ttl + r->margin;
	new->times.publish = r->now;
	new->times.activate = old->times.inactive = known;
	if (old->flags & DNS_KEY_SEP) {
		new->times.sync_publish = old->times.sync_delete = known;
	} else {
		/* And none a signature of the old one. */
		old->times.delete_ = known + r->max_ttl + r->margin;
	}
	/* The new one first: with it alone nothing changes but the DNSKEY set. */
	if (save(r, new) || save(r, old))
		return 1;
	printf("%u follows %u", new->tag, old->tag);
	print_time("signs from", known);
	putchar('\n');
	if (old->flags & DNS_KEY_SEP)
		printf("then the parent's DS must name %u (CDS says so from that time on; weftctl dns key ds prints it); "
		       "when it does: weftctl dns key retire %s %u\n", new->tag, r->zone, old->tag);
	return 0;
}

/* After the parent has changed: the old key leaves when no resolver has the old DS. */
static int
retire(struct request *r)
{
	struct dns_sign_key *k = NULL;
	bool other = false;

	if (read_keys(r))
		return 1;
	for (unsigned i = 0; i < r->n; i++)
		if (r->keys[i]->tag == r->tag)
			k = r->keys[i];
	if (!k)
		return fail("%s has no such key: give the tag that weftctl dns key list prints", r->zone);
	for (unsigned i = 0; i < r->n; i++)
		other |= r->keys[i] != k && r->keys[i]->algorithm == k->algorithm &&
			 dns_sign_key_is_active(r->keys[i], r->now) &&
			 (r->keys[i]->flags & DNS_KEY_SEP) >= (k->flags & DNS_KEY_SEP);
	if (!other)
		return fail("%s: no other key of this algorithm signs in its place; roll it first", r->zone);
	if (!k->times.inactive || k->times.inactive > r->now)
		k->times.inactive = r->now;
	k->times.delete_ = r->now + r->max_ttl + r->margin;
	k->times.sync_delete = r->now;
	if (save(r, k))
		return 1;
	printf("%u", k->tag);
	print_time("leaves", k->times.delete_);
	putchar('\n');
	return 0;
}

int
ctl_dns_key(const struct ctl_options *o, int argc, char *argv[])
{
	static const struct {
		const char *name;
		int (*run)(struct request *);
	} verbs[] = {
		{ "generate", generate }, { "list", list }, { "ds", ds }, { "roll", roll }, { "retire", retire },
	};
	struct request r = { 0 };
	int rc = 1;

	for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (!strcmp(argv[0], verbs[i].name)) {
			if (!parse(&r, argc - 1, argv + 1))
				rc = verbs[i].run(&r);
			for (unsigned k = 0; k < r.n; k++)
				dns_sign_key_free(r.keys[k]);
			return rc;
		}
	return fail("%s: the verbs are generate, list, ds, roll and retire", argv[0]);
}
