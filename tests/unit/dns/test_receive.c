// SPDX-License-Identifier: Apache-2.0
/* Transfers in: AXFR and IXFR answers made here byte by byte, in order and in disorder; differences of
 * random zones, applied, give the other zone; copies and journals come back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns/answer/receive.h"
#include "dns/answer/tsig.h"
#include "dns/zone/load.h"
#include "dns/zone/save.h"

#define ID 0x1234

static struct dns_name apex;

/* A message of records: "S7" is an SOA of serial 7, "a1" A record of a with 10.0.0.1, "x1" one of
 * another zone.  "|" begins the next message. */
static size_t
put_record(uint8_t *p, const char *word)
{
	uint8_t *start = p;
	unsigned value = atoi(word + 1);

	if (word[0] != 'S') {
		*p++ = 1;
		*p++ = word[0];
	}
	if (word[0] == 'x') {
		memcpy(p, "\5other", 7);
		p += 7;
	} else {
		memcpy(p, apex.wire, apex.size);
		p += apex.size;
	}
	dns_put16(p, word[0] == 'S' ? DNS_SOA : DNS_A);
	dns_put16(p + 2, DNS_CLASS_IN);
	dns_put32(p + 4, 300);
	p += 10;
	if (word[0] == 'S') {
		dns_put16(p - 2, 22);
		memset(p, 0, 22);
		dns_put32(p + 2, value);
		p += 22;
	} else {
		dns_put16(p - 2, 4);
		dns_put32(p, 0x0a000000 | value);
		p += 4;
	}
	return p - start;
}

static size_t
next_message(uint8_t *msg, const char **text)
{
	size_t n = DNS_HEADER_SIZE;
	unsigned count = 0;

	memset(msg, 0, DNS_HEADER_SIZE);
	dns_put16(msg, ID);
	dns_put16(msg + 2, DNS_QR | DNS_AA);
	while (**text && **text != '|') {
		char word[16];
		int used;

		assert_int_equal(sscanf(*text, " %15s%n", word, &used), 1);
		*text += used;
		n += put_record(msg + n, word);
		count++;
		while (**text == ' ')
			(*text)++;
	}
	dns_put16(msg + 6, count);
	if (**text)
		(*text)++;
	return n;
}

static struct dns_zone *
zone_of(const char *text)
{
	struct dns_zone *z = NULL;
	struct wf_err err = { "" };

	assert_int_equal(dns_zone_load_text(&apex, "z", text, strlen(text), &z, NULL, &err), 0);
	return z;
}

/* All records but the SOA, sorted, as text. */
static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
text_of(const struct dns_zone *z)
{
	struct wf_str s = WF_STR_INIT;
	char *lines[4096];
	size_t n = 0;

	for (size_t i = 0; i <= z->mask; i++) {
		const struct dns_node *node = dns_zone_node_at(z, i);

		for (unsigned k = 0; node && k < node->n_sets; k++) {
			const struct dns_rrset *set = &node->sets[k];
			const uint8_t *at = set->raw;

			for (unsigned r = 0; r < set->n && set->type != DNS_SOA; r++) {
				struct wf_str line = WF_STR_INIT;
				char name[DNS_NAME_TEXT_MAX];
				uint32_t ttl;
				size_t rdlen;
				const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);

				wf_str_fmt(&line, "%s %u %u ", dns_name_text(node->name, name), ttl, set->type);
				wf_str_hex(&line, rdata, rdlen);
				lines[n++] = wf_str_steal(&line);
			}
		}
	}
	qsort(lines, n, sizeof(lines[0]), compare);
	wf_str_fmt(&s, "%u", z->serial);
	for (size_t i = 0; i < n; i++) {
		wf_str_fmt(&s, ", %s", lines[i]);
		free(lines[i]);
	}
	return wf_str_steal(&s);
}

#define OLD "$TTL 300\n@ SOA . . 7 0 0 0 0\na A 10.0.0.1\nb A 10.0.0.2\n"

static const struct {
	const char *what, *messages;
	const char *result; /* the error's beginning, or the zone's serial and number of A records */
} rows[] = {
	{ "whole zone", "S9 a1 b2 c3 S9", "9: 3" },
	{ "in several messages", "S9 | a1 b2 | c3 | S9", "9: 3" },
	{ "records of other zones are left out", "S9 a1 x2 S9", "9: 1" },
	{ "nothing but the SOA", "S9 S9", "9: 0" },
	{ "nothing is new", "S7", "current" },
	{ "theirs is older", "S6", "current" },
	{ "differences", "S8 S7 a1 S8 a5 S8", "8: 2" },
	{ "only removed", "S8 S7 a1 S8 S8", "8: 1" },
	{ "only added", "S8 S7 S8 c3 S8", "8: 3" },
	{ "several serials", "S9 S7 a1 S8 a5 S8 a5 b2 S9 c3 S9", "9: 1" },
	{ "cut anywhere", "S9 S7 | a1 S8 | a5 S8 a5 | b2 S9 | c3 | S9", "9: 1" },
	{ "removed and added again", "S9 S7 a1 S8 S8 S9 a1 S9", "9: 2" },
	{ "no SOA first", "a1 S9", "the first record is no SOA" },
	{ "two serials", "S9 a1 S10", "it begins with serial 9 and ends with 10" },
	{ "records behind the end", "S9 a1 S9 b2", "there are records behind the last one" },
	{ "differences with a hole", "S9 S7 a1 S8 a5 S9", "the differences lead to serial 8 and go on from 9" },
	{ "removed what is not there", "S8 S7 a9 S8 S8", "the differences remove a A record of a.z.test. that is not there" },
	{ "added what is there", "S8 S7 S8 a1 S8", "the differences add a A record of a.z.test. that is there" },
	{ "removed twice", "S8 S7 a1 a1 S8 S8", "the differences remove a A record of a.z.test. twice" },
	{ "no end", "S9 a1", "more" },
	{ "differences without an end", "S9 S7 a1 S8", "more" },
};

static void
answers_become_zones(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct dns_zone *old = zone_of(OLD), *z = NULL;
		const char *text = rows[i].messages;
		struct wf_err err = { "" };
		struct dns_receive r;
		char result[300];
		int rc = 0;

		dns_receive_init(&r, &apex, ID, old);
		while (*text && rc >= 0) {
			uint8_t *msg = malloc(4096), *exact;
			size_t size = next_message(msg, &text);

			/* So that ASan sees what is read behind the end. */
			exact = wf_xmemdup(msg, size);
			rc = dns_receive_message(&r, exact, size, &err);
			free(exact);
			free(msg);
		}
		if (rc == 1)
			rc = dns_receive_finish(&r, &z, &err) ?: 1;
		if (rc < 0)
			snprintf(result, sizeof result, "%s", err.text);
		else if (!rc)
			snprintf(result, sizeof result, "more");
		else if (!z)
			snprintf(result, sizeof result, "current");
		else
			snprintf(result, sizeof result, "%u: %zu", z->serial, z->n_records - 1);
		if (strncmp(result, rows[i].result, strlen(rows[i].result)))
			fail_msg("%s: wanted \"%s\", got \"%s\"", rows[i].what, rows[i].result, result);
		dns_receive_done(&r);
		dns_zone_unref(z);
		dns_zone_unref(old);
	}
}

static void
cut_messages_are_refused(void **state)
{
	const char *text = "S9 a1 b2 S9";
	uint8_t msg[4096];
	size_t size = next_message(msg, &text);

	for (size_t n = 0; n < size; n++) {
		uint8_t *exact = wf_xmemdup(msg, n ? n : 1);
		struct wf_err err = { "" };
		struct dns_receive r;

		dns_receive_init(&r, &apex, ID, NULL);
		assert_int_equal(dns_receive_message(&r, exact, n, &err), -EINVAL);
		dns_receive_done(&r);
		free(exact);
	}
	for (int byte = 0; byte < 4; byte++) {
		struct wf_err err = { "" };
		struct dns_receive r;

		/* Id, QR, rcode. */
		dns_receive_init(&r, &apex, ID, NULL);
		msg[byte] ^= byte == 3 ? 5 : 0x80;
		assert_int_equal(dns_receive_message(&r, msg, size, &err), -EINVAL);
		msg[byte] ^= byte == 3 ? 5 : 0x80;
		dns_receive_done(&r);
	}
}

/* A zone of random records out of few, so that versions share most. */
static struct dns_zone *
random_zone(unsigned serial, unsigned *seed)
{
	struct wf_str s = WF_STR_INIT;
	struct dns_zone *z;

	wf_str_fmt(&s, "$TTL 300\n@ SOA ns a %u 1 1 1 1\n@ NS ns\n", serial);
	for (int i = 0; i < 60; i++) {
		int v = rand_r(seed);

		if (v & 1)
			wf_str_fmt(&s, "h%d %d A 10.0.0.%d\n", v / 2 % 20, v >> 8 & 1 ? 300 : 60, v >> 10 & 3);
		else if (v & 2)
			wf_str_fmt(&s, "h%d MX 1 %s\n", v / 4 % 20, v >> 8 & 1 ? "Mail" : "mail");
		else
			wf_str_fmt(&s, "*.w%d.d TXT \"q\\\"%d\" \"\\000\\255\"\n", v / 4 % 20, v >> 10 & 3);
	}
	z = zone_of(wf_str_cstr(&s));
	wf_str_done(&s);
	return z;
}

static void
differences_lead_from_one_zone_to_the_other(void **state)
{
	unsigned seed = 1;
	struct dns_zone *old = random_zone(1, &seed);
	char dir[] = "/tmp/weft-test-XXXXXX", path[64], copy[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/journal", dir);
	snprintf(copy, sizeof copy, "%s/copy", dir);
	for (unsigned serial = 2; serial < 60; serial++) {
		struct dns_zone *new = random_zone(serial, &seed), *again = NULL, *read = NULL, *stale;
		const struct dns_delta *d;
		struct wf_buf changes = WF_BUF_INIT;
		struct wf_err err = { "" };
		const uint8_t *p;
		struct dns_rec rec, soa;
		char *want, *got;

		dns_zone_keep_deltas(new, old, 1 << 20);
		assert_true(new->n_deltas > 0);
		d = new->deltas[new->n_deltas - 1];
		assert_int_equal(d->from, serial - 1);
		p = d->bytes;
		for (size_t i = 0; i < d->n_removed + d->n_added; i++) {
			p = dns_rec_get(p, &rec);
			if (i == d->n_removed) {
				assert_int_equal(rec.type, DNS_SOA);
				soa = rec;
			}
			*(uint8_t *)wf_buf_put_uninit(&changes, 1) = i >= d->n_removed;
			dns_rec_put(&changes, &rec);
		}
		assert_ptr_equal(p, d->bytes + d->size);
		if (dns_zone_apply(old, changes.data, d->n_removed + d->n_added, &soa, 0, &again, &err))
			fail_msg("%s", err.text);
		want = text_of(new);
		got = text_of(again);
		assert_string_equal(got, want);
		free(got);
		/* On disk and back. */
		assert_int_equal(dns_zone_save(new, copy, &err), 0);
		if (dns_zone_load(&apex, copy, NULL, NULL, &read, NULL, &err))
			fail_msg("%s", err.text);
		got = text_of(read);
		assert_string_equal(got, want);
		free(got);
		assert_int_equal(dns_journal_save(new, path, &err), 0);
		assert_int_equal(dns_journal_load(read, path, &err), 0);
		assert_int_equal(read->n_deltas, new->n_deltas);
		assert_memory_equal(read->deltas[0]->bytes, new->deltas[0]->bytes, new->deltas[0]->size);
		/* Of another serial it is not this zone's. */
		stale = zone_of("$TTL 300\n@ SOA . . 2000 0 0 0 0\n");
		assert_int_equal(dns_journal_load(stale, path, &err), -ESTALE);
		dns_zone_unref(stale);
		free(want);
		wf_buf_done(&changes);
		dns_zone_unref(read);
		dns_zone_unref(again);
		dns_zone_unref(old);
		old = new;
	}
	dns_zone_unref(old);
	unlink(path);
	unlink(copy);
	rmdir(dir);
}

static void
deltas_are_bounded(void **state)
{
	unsigned seed = 2;
	struct dns_zone *old = random_zone(1, &seed), *new;

	for (unsigned serial = 2; serial < 40; serial++) {
		size_t size = 0;

		new = random_zone(serial, &seed);
		dns_zone_keep_deltas(new, old, 12000);
		for (size_t i = 0; i < new->n_deltas; i++)
			size += new->deltas[i]->size;
		assert_in_range(size, 1, 12000);
		dns_zone_unref(old);
		old = new;
	}
	assert_in_range(old->n_deltas, 2, 20);
	assert_int_equal(dns_zone_delta_from(old, 38), old->n_deltas - 1);
	assert_int_equal(dns_zone_delta_from(old, 2), old->n_deltas);
	/* The serial must rise. */
	new = random_zone(39, &seed);
	dns_zone_keep_deltas(new, old, 12000);
	assert_int_equal(new->n_deltas, 0);
	dns_zone_unref(new);
	new = random_zone(40, &seed);
	dns_zone_keep_deltas(new, old, 100);
	assert_int_equal(new->n_deltas, 0);
	dns_zone_unref(new);
	dns_zone_unref(old);
}

static void
damaged_journals_are_refused(void **state)
{
	unsigned seed = 3;
	struct dns_zone *old = random_zone(1, &seed), *new = random_zone(2, &seed);
	char path[] = "/tmp/weft-test-XXXXXX";
	struct wf_err err = { "" };
	uint8_t bytes[65536];
	size_t size;
	FILE *f;

	close(mkstemp(path));
	dns_zone_keep_deltas(new, old, 1 << 20);
	assert_int_equal(dns_journal_save(new, path, &err), 0);
	f = fopen(path, "r");
	size = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	for (int i = 0; i < 300; i++) {
		struct dns_zone *z = random_zone(2, &seed);
		size_t at = rand_r(&seed) % size, n = i % 3 ? size : at;

		f = fopen(path, "w");
		bytes[at] ^= 1 << i % 8;
		assert_int_equal(fwrite(bytes, 1, n, f), n);
		bytes[at] ^= 1 << i % 8;
		fclose(f);
		assert_int_equal(dns_journal_load(z, path, &err), -EINVAL);
		assert_int_equal(z->n_deltas, 0);
		dns_zone_unref(z);
	}
	dns_zone_unref(new);
	dns_zone_unref(old);
	unlink(path);
}

/* We sign the answer as a server does; whether that is what others do, tests/system/94 shows. */
static void
signed_answers_are_checked(void **state)
{
	struct dns_key key = { .algorithm = DNS_HMAC_SHA256, .secret_size = 16, .secret = "0123456789abcdef" };
	struct dns_tsig server, client, other;
	struct dns_tsig_reader reader;
	struct wf_err err = { "" };
	uint8_t msg[512] = { 0 }, answer[3][512];
	size_t size, sizes[3];

	dns_name_from_text(&key.name, "xfr.", NULL, NULL);
	dns_put16(msg, ID);
	dns_tsig_init_query(&client, &key, ID);
	size = dns_tsig_sign(&client, msg, DNS_HEADER_SIZE, 1000);
	assert_true(size > DNS_HEADER_SIZE);
	server = client;
	server.is_next = false;
	for (int i = 0; i < 3; i++) {
		const char *text = "S9 a1 S9";

		size = next_message(answer[i], &text);
		sizes[i] = dns_tsig_sign(&server, answer[i], size, 1000);
	}
	for (int damage = -1; damage < 3; damage++) {
		int bad = -1;

		other = client;
		dns_tsig_reader_init(&reader, &other);
		for (int i = 0; i < 3 && bad < 0; i++) {
			answer[i][20] ^= i == damage;
			if (dns_tsig_check_answer(&reader, answer[i], sizes[i], 1000, &err))
				bad = i;
			answer[i][20] ^= i == damage;
		}
		assert_int_equal(bad, damage);
		dns_tsig_reader_done(&reader);
	}
	other = client;
	dns_tsig_reader_init(&reader, &other);
	assert_int_equal(dns_tsig_check_answer(&reader, answer[0], sizes[0], 2000, &err), -EBADMSG);
	dns_tsig_reader_done(&reader);
	other = client;
	dns_tsig_reader_init(&reader, &other);
	size = next_message(msg, &(const char *){ "S9 a1 S9" });
	assert_int_equal(dns_tsig_check_answer(&reader, msg, size, 1000, &err), -EBADMSG);
	dns_tsig_reader_done(&reader);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_become_zones),
		cmocka_unit_test(cut_messages_are_refused),
		cmocka_unit_test(differences_lead_from_one_zone_to_the_other),
		cmocka_unit_test(deltas_are_bounded),
		cmocka_unit_test(damaged_journals_are_refused),
		cmocka_unit_test(signed_answers_are_checked),
	};

	dns_name_from_text(&apex, "z.test.", NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
