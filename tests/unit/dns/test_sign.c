// SPDX-License-Identifier: Apache-2.0
/* Keys, signatures and chains, held against the examples of the RFCs and against ldns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/zone/build_zone.h"
#include "tests/unit/dns/rig.h"

/* RFC 6605 section 6.1. */
static const char p256_private[] =
	"Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\n"
	"PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\n";
static const char p256_key[] =
	"example.net. 3600 IN DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb "
	"krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==\n";
/* RFC 8080 section 6.1. */
static const char ed_private[] =
	"Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\n"
	"PrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=\n";
static const char ed_key[] =
	"; a comment\nexample.com. IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n";

static struct dns_name
name_of(const char *text)
{
	struct dns_name n;

	assert_int_equal(dns_name_from_text(&n, text, NULL, NULL), 0);
	return n;
}

static void
keys_of_the_rfcs_are_read(void **state)
{
	static const struct {
		const char *apex, *private, *key, *ds;
		unsigned tag;
	} rows[] = {
		{ "example.net.", p256_private, p256_key, "b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17", 55648 },
		{ "example.com.", ed_private, ed_key, "3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b", 3613 },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct dns_name apex = name_of(rows[i].apex);
		struct wf_err err = { "" };
		struct dns_sign_key *k = NULL;
		uint8_t ds[DNS_DS_SIZE];
		char hex[65];

		dns_sign_key_parse(&apex, rows[i].private, rows[i].key, &k, &err);
		assert_string_equal(err.text, "");
		assert_int_equal(k->tag, rows[i].tag);
		dns_sign_key_ds(k, ds);
		for (unsigned b = 0; b < 32; b++)
			sprintf(hex + 2 * b, "%02x", ds[4 + b]);
		assert_string_equal(hex, rows[i].ds);
		dns_sign_key_free(k);
	}
}

static void
mistakes_in_key_files_are_named(void **state)
{
	static const struct {
		const char *private, *key, *says;
	} rows[] = {
		{ "", p256_key, "Private-key-format" },
		{ "Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\n", p256_key, "algorithm 8: 13 " },
		{ "Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: AAAA\n", p256_key, "not base64 of 32 bytes" },
		{ p256_private, "; nothing\n", "no DNSKEY record" },
		{ p256_private, "example.org. IN DNSKEY 257 3 13 AAAA\n", "key of zone example.org." },
		{ p256_private, "example.net. IN DNSKEY 385 3 13 AAAA\n", "flags 385" },
		{ p256_private, "example.net. IN DNSKEY 257 3 15 AAAA\n", "protocol 3, algorithm 15" },
		{ p256_private, "example.net. IN DNSKEY 257 3 13 AAAA\n", "not base64 of 64 bytes" },
		{ p256_private, "example.net. IN TXT x\n", "no DNSKEY record" },
		/* Another key's public half. */
		{ p256_private,
		  "example.net. IN DNSKEY 257 3 13 "
		  "HojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==\n",
		  "does not belong" },
		{ "Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\n"
		  "Activate: tomorrow\n", p256_key, "Activate is no time" },
	};
	struct dns_name apex = name_of("example.net.");

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct wf_err err = { "" };
		struct dns_sign_key *k = NULL;

		assert_int_not_equal(dns_sign_key_parse(&apex, rows[i].private, rows[i].key, &k, &err), 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %u: wanted '%s' in '%s'", i, rows[i].says, err.text);
	}
}

static struct dns_sign_key *
make(const struct dns_name *apex, unsigned algorithm, unsigned flags, const struct dns_sign_times *t,
     const char *folder)
{
	struct dns_sign_key *k;

	assert_int_equal(dns_sign_key_generate(apex, algorithm, flags, &k, NULL), 0);
	k->times = *t;
	assert_int_equal(dns_sign_key_write(k, folder, 60, NULL), 0);
	return k;
}

static void
keys_do_what_their_times_say(void **state)
{
	char folder[] = "/tmp/weft-keys.XXXXXX", *command;
	struct dns_name apex = name_of("0/25.2.0.192.in-addr.arpa."); /* RFC 2317: a slash */
	struct dns_sign_times from_1000 = { .publish = 1000, .activate = 1000, .sync_publish = 1000, .inactive = 3000, .delete_ = 4000 };
	struct dns_sign_times from_2000 = { .publish = 2000, .activate = 3000, .sync_publish = 3000 };
	struct dns_sign_key *first, *second;
	static const struct {
		uint32_t now, next;
		unsigned n_key, signer; /* 0: the key set is refused */
	} rows[] = {
		{ 500, 0, 0, 0 }, { 1000, 2000, 1, 1 }, { 2500, 3000, 2, 1 }, { 3000, 4000, 2, 2 }, { 4000, 0, 1, 2 },
	};

	assert_non_null(mkdtemp(folder));
	first = make(&apex, DNS_ALG_ED25519, 257, &from_1000, folder);
	second = make(&apex, DNS_ALG_ED25519, 257, &from_2000, folder);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dns_keyset *s = NULL;
		struct wf_err err = { "" };
		int rc = dns_keyset_load(&apex, folder, 60, 86400, rows[i].now, &s, &err);

		if (!rows[i].signer) {
			assert_true(rc < 0 && strstr(err.text, "weftctl dns key generate"));
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(s->n_key, rows[i].n_key);
		assert_int_equal(s->n_zone, 1);
		assert_int_equal(s->zone_signers[0]->tag, rows[i].signer == 1 ? first->tag : second->tag);
		assert_int_equal(s->next_s, rows[i].next);
		assert_true(dns_keyset_is_current(s, rows[i].now));
		assert_int_equal(dns_keyset_is_current(s, 100000), !rows[i].next);
		dns_keyset_unref(s);
	}
	dns_sign_key_free(first);
	dns_sign_key_free(second);
	command = wf_xasprintf("rm -r %s", folder);
	assert_int_equal(system(command), 0);
	free(command);
}

/* A key set of one key, as if loaded. */
static struct dns_keyset *
keyset(const char *apex, unsigned algorithm)
{
	struct dns_keyset *s = wf_xzalloc(sizeof *s);

	s->n_refs = 1;
	s->apex = name_of(apex);
	s->lifetime_s = 86400;
	s->ttl = 300;
	s->n = s->n_zone = s->n_key = 1;
	assert_int_equal(dns_sign_key_generate(&s->apex, algorithm, 257, &s->keys[0], NULL), 0);
	s->keys[0]->times.publish = s->keys[0]->times.activate = s->keys[0]->times.sync_publish = 1;
	s->zone_signers[0] = s->key_signers[0] = s->keys[0];
	s->folder = wf_xstrdup("/");
	return s;
}

static const char zone_text[] =
	"$TTL 300\n"
	"@ SOA ns Admin 7 3600 900 604800 60\n"
	"@ NS NS\n"
	"ns A 192.0.2.9\nns A 192.0.2.10\nns A 192.0.2.1\n"
	"m MX 20 Mail.Example.\nm MX 10 MAIL\n"
	"t TXT \"b\" \"Cc\"\nt TXT \"a\"\n"
	"*.w TXT x\n"
	"s SRV 1 2 3 NS\n"
	"sub NS ns.sub\nns.sub A 192.0.2.7\n"
	"naptr NAPTR 1 2 \"u\" \"x\" \"!a!b!\" Target.Example.\n"
	"d DNAME W\n";

static struct dns_zone *
signed_zone(struct dns_keyset *keys, const char *text, enum dns_denial denial)
{
	struct dns_zone_builder b;
	struct dns_zone *z = NULL;
	struct wf_err err = { "" };
	ldns_zone *parsed = NULL;
	FILE *f = fmemopen((void *)text, strlen(text), "r");
	ldns_rdf *origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, keys->apex.size, keys->apex.wire);

	/* Through ldns and the builder: the loader has no hook from memory. */
	assert_int_equal(ldns_zone_new_frm_fp(&parsed, f, origin, 300, LDNS_RR_CLASS_IN), LDNS_STATUS_OK);
	fclose(f);
	ldns_zone_push_rr(parsed, ldns_zone_soa(parsed));
	dns_zone_builder_init(&b, &keys->apex, NULL);
	for (size_t i = 0; i < ldns_zone_rr_count(parsed); i++) {
		ldns_rr *rr = ldns_rr_list_rr(ldns_zone_rrs(parsed), i);
		struct dns_name owner;
		uint8_t rdata[1024];
		size_t n = 0;

		dns_name_read_lower(&owner, ldns_rdf_data(ldns_rr_owner(rr)), ldns_rdf_size(ldns_rr_owner(rr)));
		for (size_t k = 0; k < ldns_rr_rd_count(rr); k++) {
			memcpy(rdata + n, ldns_rdf_data(ldns_rr_rdf(rr, k)), ldns_rdf_size(ldns_rr_rdf(rr, k)));
			n += ldns_rdf_size(ldns_rr_rdf(rr, k));
		}
		assert_int_equal(dns_zone_builder_add(&b, &owner, ldns_rr_get_type(rr), ldns_rr_ttl(rr), rdata, n, &err), 0);
	}
	assert_int_equal(dns_zone_builder_sign(&b, keys, denial, 1000, &err), 0);
	if (dns_zone_builder_finish(&b, &z, &err))
		fail_msg("%s", err.text);
	dns_zone_builder_done(&b);
	ldns_zone_set_soa(parsed, NULL);
	ldns_zone_deep_free(parsed);
	ldns_rdf_deep_free(origin);
	return z;
}

static ldns_rr_list *
to_ldns(const struct dns_node *n, const uint8_t *raw, unsigned count)
{
	ldns_rr_list *list = ldns_rr_list_new();

	for (unsigned i = 0; i < count; i++) {
		uint8_t wire[DNS_NAME_MAX + 4096];
		uint32_t ttl;
		size_t rdlen, at = 0;
		const uint8_t *rdata = dns_raw_next(&raw, &ttl, &rdlen);
		ldns_rr *rr;

		memcpy(wire, n->name, n->name_size);
		memcpy(wire + n->name_size, rdata - 10, 10 + rdlen);
		assert_int_equal(ldns_wire2rr(&rr, wire, n->name_size + 10 + rdlen, &at, LDNS_SECTION_ANSWER), LDNS_STATUS_OK);
		ldns_rr_list_push_rr(list, rr);
	}
	return list;
}

static void
every_set_of_a_zone_is_signed_as_ldns_verifies(void **state)
{
	for (unsigned algorithm = 13; algorithm <= 15; algorithm += 2) {
		struct dns_keyset *keys = keyset("example.", algorithm);
		struct dns_zone *z = signed_zone(keys, zone_text, DNS_DENIAL_COMPACT);
		const struct dns_rrset *dnskey = dns_node_set(z->apex, DNS_DNSKEY);
		ldns_rr_list *public = to_ldns(z->apex, dnskey->raw, dnskey->n);
		unsigned n_checked = 0;
		uint32_t now = 1700000000;

		for (size_t i = 0; i < z->dnssec->n_chain; i++) {
			const struct dns_node *n = z->dnssec->chain[i];

			for (unsigned k = 0; k + 1u < n->n_sets; k++) {
				const struct dns_sigs *sigs;
				ldns_rr_list *set, *sig, *good;

				if (!dns_set_is_signed(n, &n->sets[k]))
					continue;
				sigs = dns_zone_sigs(z, n, k, now);
				assert_non_null(sigs);
				/* The second time the same ones. */
				assert_ptr_equal(sigs, dns_zone_sigs(z, n, k, now));
				set = to_ldns(n, n->sets[k].raw, n->sets[k].n);
				sig = to_ldns(n, sigs->raw, sigs->n);
				good = ldns_rr_list_new();
				assert_int_equal(ldns_verify_rrsig_keylist_time(set, ldns_rr_list_rr(sig, 0), public, now, good),
						 LDNS_STATUS_OK);
				ldns_rr_list_free(good);
				ldns_rr_list_deep_free(set);
				ldns_rr_list_deep_free(sig);
				n_checked++;
			}
		}
		assert_int_equal(n_checked, 21);
		ldns_rr_list_deep_free(public);
		dns_zone_unref(z);
		dns_keyset_unref(keys);
	}
}

/* RFC 4034 section 6.1. */
static void
names_are_in_canonical_order(void **state)
{
	static const char text[] =
		"@ SOA ns a 1 1 1 1 60\n*.z TXT x\n\\200.z TXT x\nz TXT x\n\\001.z TXT x\nzABC.a TXT x\nZ.a TXT x\n"
		"yljkjljk.a TXT x\na TXT x\n";
	static const char *const order[] = {
		"example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.", "z.example.",
		"\\001.z.example.", "*.z.example.", "\\200.z.example.",
	};
	struct dns_keyset *keys = keyset("example.", 15);
	struct dns_zone *z = signed_zone(keys, text, DNS_DENIAL_NSEC);
	struct dns_name between = name_of("zz.a.example.");

	assert_int_equal(z->dnssec->n_chain, 9);
	for (unsigned i = 0; i < 9; i++) {
		char name[DNS_NAME_TEXT_MAX];

		assert_string_equal(dns_name_text(z->dnssec->chain[i]->name, name), order[i]);
	}
	assert_ptr_equal(dns_nsec_at_or_before(z, &between), z->dnssec->chain[4]);
	dns_zone_unref(z);
	dns_keyset_unref(keys);
}

/* RFC 5155 appendix A. */
static void
nsec3_hashes_are_those_of_the_rfc(void **state)
{
	static const struct {
		const char *name;
		uint8_t first[4];
	} rows[] = {
		/* 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom, 35mthgpgcu1qg68fab165klnsnk3dpvl */
		{ "example.", { 0x06, 0x53, 0x68, 0xab } },
		{ "a.example.", { 0x19, 0x6d, 0xd8, 0xc3 } },
	};
	struct dns_zone_dnssec d = { .iterations = 12, .salt_size = 4, .salt = (const uint8_t *)"\xaa\xbb\xcc\xdd" };

	for (unsigned i = 0; i < 2; i++) {
		struct dns_name name = name_of(rows[i].name);
		uint8_t hash[DNS_NSEC3_HASH];

		dns_nsec3_hash(&d, name.wire, name.size, hash);
		assert_memory_equal(hash, rows[i].first, 4);
	}
}

static void
bitmaps(void **state)
{
	/* RFC 4034 section 4.3: A, MX, RRSIG, NSEC, TYPE1234. */
	static const uint8_t want[] = "\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
				      "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20";
	uint16_t types[] = { 1234, 47, 1, 46, 15 };
	uint8_t got[DNS_BITMAP_MAX];

	assert_int_equal(dns_bitmap_put(got, types, 5), sizeof want - 1);
	assert_memory_equal(got, want, sizeof want - 1);
}

static void
the_cache_spares_the_budget(void **state)
{
	static const uint8_t raw[] = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
	struct dns_keyset *keys = keyset("example.", 13);
	struct dns_sign_cache *c = dns_sign_cache_new(1024);
	struct dns_name owner = name_of("www.example.");
	struct dns_sign_set set = { .owner = owner.wire, .type = DNS_A, .n = 1, .ttl = 60, .size = 16, .raw = raw };
	uint8_t first[DNS_RRSIGS_MAX], again[DNS_RRSIGS_MAX];
	uint32_t budget = 1;
	size_t n, m;

	assert_int_equal(dns_sign_cached(c, DNS_SIGN_MADE_UP, keys, &set, 1700000000, &budget, first, &n), 1);
	assert_int_equal(budget, 0);
	assert_int_equal(dns_sign_cached(c, DNS_SIGN_MADE_UP, keys, &set, 1700000000, &budget, again, &m), 1);
	assert_int_equal(n, m);
	assert_memory_equal(first, again, n);
	/* Another TTL is another set. */
	set.ttl = 61;
	assert_int_equal(dns_sign_cached(c, DNS_SIGN_MADE_UP, keys, &set, 1700000000, &budget, again, &m), 0);
	/* An old signature is not used up to its end. */
	set.ttl = 60;
	assert_int_equal(dns_sign_cached(c, DNS_SIGN_MADE_UP, keys, &set, 1700000000 + 80000, &budget, again, &m), 0);
	dns_sign_cache_free(c);
	dns_keyset_unref(keys);
}

/* Out of budget the denial comes from the chain, signed beforehand, with the rcode that belongs to it. */
static void
a_flood_of_names_is_denied_by_the_chain(void **state)
{
	struct dns_keyset *keys = keyset("example.", 13);
	struct dns_sign_cache *c = dns_sign_cache_new(1024);
	struct rig r;

	rig_init(&r);
	dns_view_add_zone(r.view, signed_zone(keys, zone_text, DNS_DENIAL_COMPACT));
	r.view->sign_cache = c;
	r.view->sign_per_s = 3;
	for (unsigned i = 0; i < 6; i++) {
		char name[64];
		const char *text;

		snprintf(name, sizeof name, "x%u.example.", i);
		rig_question(&r, name, "A");
		rig_opt(&r, 1232, NULL, 0);
		r.query[r.query_size - 4] = 0x80; /* DO */
		assert_int_equal(rig_send(&r), DNS_SEND);
		text = rig_text(&r);
		/* Three are made for the name; the others name its neighbours. */
		assert_int_equal(!strncmp(text, "NXDOMAIN", 8), i >= 3);
		assert_int_equal(!!strstr(text, "NSEC \\000.x"), i < 3);
	}
	assert_int_equal(r.ctx.counters.signatures, 3);
	assert_int_equal(r.ctx.counters.denials_by_chain, 3);
	r.ctx.mono_ms += 1000;
	rig_question(&r, "y.example.", "A");
	rig_opt(&r, 1232, NULL, 0);
	r.query[r.query_size - 4] = 0x80;
	rig_send(&r);
	assert_non_null(strstr(rig_text(&r), "NSEC \\000.y"));
	rig_done(&r);
	dns_sign_cache_free(c);
	dns_keyset_unref(keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_the_rfcs_are_read),
		cmocka_unit_test(mistakes_in_key_files_are_named),
		cmocka_unit_test(keys_do_what_their_times_say),
		cmocka_unit_test(every_set_of_a_zone_is_signed_as_ldns_verifies),
		cmocka_unit_test(names_are_in_canonical_order),
		cmocka_unit_test(nsec3_hashes_are_those_of_the_rfc),
		cmocka_unit_test(bitmaps),
		cmocka_unit_test(the_cache_spares_the_budget),
		cmocka_unit_test(a_flood_of_names_is_denied_by_the_chain),
	};

	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	dns_dnssec_thread_done();
	return rc;
}
