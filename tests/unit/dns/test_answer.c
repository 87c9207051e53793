// SPDX-License-Identifier: Apache-2.0
/* What the algorithm of RFC 1034 section 4.3.2 gives, a row a case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dns/answer/limit.h"
#include "tests/unit/dns/rig.h"

static const char example[] =
	"$TTL 300\n"
	"@ SOA ns1 admin 7 3600 900 604800 60\n"
	"@ NS ns1\n"
	"@ NS ns.example.net.\n"
	"ns1 A 192.0.2.1\n"
	"www A 192.0.2.80\n"
	"alias CNAME www\n"
	"far CNAME www.example.net.\n"
	"out CNAME www.elsewhere.test.\n"
	"dangling CNAME nothing\n"
	"indelegated CNAME host.sub\n"
	"loop1 CNAME loop2\n"
	"loop2 CNAME loop1\n"
	"*.wild A 192.0.2.99\n"
	"*.wildc CNAME www\n"
	"b.ent.wild TXT \"x\"\n"
	"mail MX 10 ns1\n"
	"deep.a.b TXT \"x\"\n"
	"sub NS ns.sub\n"
	"sub NS ns.sub2\n"
	"sub DS 1 13 2 00000000000000000000000000000000000000000000000000000000000000aa\n"
	"ns.sub A 192.0.2.53\n"
	"sub2 NS ns.sub2\n"
	"ns.sub2 A 192.0.2.54\n"
	"d DNAME wild\n"
	"d TXT \"at\"\n";

static const char example_net[] =
	"$TTL 300\n"
	"@ SOA ns admin 1 3600 900 604800 30\n"
	"@ NS ns\n"
	"ns A 198.51.100.1\n"
	"www A 198.51.100.80\n";

static const char child[] =
	"$TTL 300\n"
	"@ SOA ns admin 1 3600 900 604800 30\n"
	"@ NS ns\n"
	"ns A 198.51.100.2\n";

#define SOA "example.com. 60 SOA ns1.example.com. admin.example.com. 7 3600 900 604800 60"
#define SOA_NET "example.net. 30 SOA ns.example.net. admin.example.net. 1 3600 900 604800 30"
#define DS "sub.example.com. 300 DS 1 13 2 00000000000000000000000000000000000000000000000000000000000000aa"

static const struct {
	const char *what, *name, *type, *answer;
} rows[] = {
	{ "exact match", "www.example.com.", "A", "NOERROR aa | www.example.com. 300 A 192.0.2.80 | |" },
	{ "letters of any case", "wWw.ExAmple.com.", "A", "NOERROR aa | www.example.com. 300 A 192.0.2.80 | |" },
	{ "no such type", "www.example.com.", "AAAA", "NOERROR aa | | " SOA " |" },
	{ "no such name", "nothing.example.com.", "A", "NXDOMAIN aa | | " SOA " |" },
	{ "an empty non-terminal", "a.b.example.com.", "A", "NOERROR aa | | " SOA " |" },
	{ "below an empty non-terminal", "x.b.example.com.", "A", "NXDOMAIN aa | | " SOA " |" },
	{ "not ours", "example.org.", "A", "REFUSED | | |" },
	{ "above ours", "com.", "A", "REFUSED | | |" },
	{ "the root", ".", "NS", "REFUSED | | |" },
	{ "NS of the apex, with the address that we have", "example.com.", "NS",
	  "NOERROR aa | example.com. 300 NS ns.example.net., example.com. 300 NS ns1.example.com. | "
	  "| ns1.example.com. 300 A 192.0.2.1" },
	{ "MX with the address of the exchange", "mail.example.com.", "MX",
	  "NOERROR aa | mail.example.com. 300 MX 10 ns1.example.com. | | ns1.example.com. 300 A 192.0.2.1" },
	{ "SOA itself keeps its TTL", "example.com.", "SOA",
	  "NOERROR aa | example.com. 300 SOA ns1.example.com. admin.example.com. 7 3600 900 604800 60 | |" },
	{ "a CNAME is followed", "alias.example.com.", "A",
	  "NOERROR aa | alias.example.com. 300 CNAME www.example.com., www.example.com. 300 A 192.0.2.80 | |" },
	{ "a CNAME asked for", "alias.example.com.", "CNAME",
	  "NOERROR aa | alias.example.com. 300 CNAME www.example.com. | |" },
	{ "a CNAME whose target lacks the type", "alias.example.com.", "AAAA",
	  "NOERROR aa | alias.example.com. 300 CNAME www.example.com. | " SOA " |" },
	{ "a CNAME into another zone of ours", "far.example.com.", "A",
	  "NOERROR aa | far.example.com. 300 CNAME www.example.net., www.example.net. 300 A 198.51.100.80 | |" },
	{ "the SOA is that of the zone where it ends", "far.example.com.", "TXT",
	  "NOERROR aa | far.example.com. 300 CNAME www.example.net. | " SOA_NET " |" },
	{ "a CNAME out of our zones", "out.example.com.", "A",
	  "NOERROR aa | out.example.com. 300 CNAME www.elsewhere.test. | |" },
	{ "RFC 6604: the rcode is that of the last name", "dangling.example.com.", "A",
	  "NXDOMAIN aa | dangling.example.com. 300 CNAME nothing.example.com. | " SOA " |" },
	{ "a CNAME into a delegation", "indelegated.example.com.", "A",
	  "NOERROR aa | indelegated.example.com. 300 CNAME host.sub.example.com. "
	  "| sub.example.com. 300 NS ns.sub.example.com., sub.example.com. 300 NS ns.sub2.example.com. "
	  "| ns.sub.example.com. 300 A 192.0.2.53" },
	{ "a loop is shown once", "loop1.example.com.", "A",
	  "NOERROR aa | loop1.example.com. 300 CNAME loop2.example.com., loop2.example.com. 300 CNAME loop1.example.com. | |" },
	{ "a wildcard", "x.wild.example.com.", "A", "NOERROR aa | x.wild.example.com. 300 A 192.0.2.99 | |" },
	{ "a wildcard covers several labels", "x.y.z.wild.example.com.", "A",
	  "NOERROR aa | x.y.z.wild.example.com. 300 A 192.0.2.99 | |" },
	{ "a wildcard without the type", "x.wild.example.com.", "TXT", "NOERROR aa | | " SOA " |" },
	{ "RFC 4592 2.2.1: an empty non-terminal keeps the wildcard away", "ent.wild.example.com.", "A",
	  "NOERROR aa | | " SOA " |" },
	{ "and below it too", "x.ent.wild.example.com.", "A", "NXDOMAIN aa | | " SOA " |" },
	{ "the wildcard's own name", "*.wild.example.com.", "A", "NOERROR aa | *.wild.example.com. 300 A 192.0.2.99 | |" },
	{ "a wildcard's CNAME", "q.wildc.example.com.", "A",
	  "NOERROR aa | q.wildc.example.com. 300 CNAME www.example.com., www.example.com. 300 A 192.0.2.80 | |" },
	{ "a wildcard's CNAME asked for", "q.wildc.example.com.", "CNAME",
	  "NOERROR aa | q.wildc.example.com. 300 CNAME www.example.com. | |" },
	{ "a referral, with glue below the cut and beside it", "host.sub.example.com.", "A",
	  "NOERROR | | sub.example.com. 300 NS ns.sub.example.com., sub.example.com. 300 NS ns.sub2.example.com. "
	  "| ns.sub.example.com. 300 A 192.0.2.53, ns.sub2.example.com. 300 A 192.0.2.54" },
	{ "the cut itself", "sub2.example.com.", "NS",
	  "NOERROR | | sub2.example.com. 300 NS ns.sub2.example.com. | ns.sub2.example.com. 300 A 192.0.2.54" },
	{ "glue is not ours to answer with", "ns.sub2.example.com.", "A",
	  "NOERROR | | sub2.example.com. 300 NS ns.sub2.example.com. | ns.sub2.example.com. 300 A 192.0.2.54" },
	{ "DS is above the cut", "sub.example.com.", "DS", "NOERROR aa | " DS " | |" },
	{ "no DS above the cut", "sub2.example.com.", "DS", "NOERROR aa | | " SOA " |" },
	{ "DS below the cut", "x.sub.example.com.", "DS",
	  "NOERROR | | sub.example.com. 300 NS ns.sub.example.com., sub.example.com. 300 NS ns.sub2.example.com. "
	  "| ns.sub.example.com. 300 A 192.0.2.53, ns.sub2.example.com. 300 A 192.0.2.54" },
	{ "DS of an apex whose parent is not ours", "example.com.", "DS", "NOERROR aa | | " SOA " |" },
	{ "below a DNAME", "x.d.example.com.", "A",
	  "NOERROR aa | d.example.com. 300 DNAME wild.example.com., x.d.example.com. 300 CNAME x.wild.example.com., "
	  "x.wild.example.com. 300 A 192.0.2.99 | |" },
	{ "below a DNAME, the CNAME asked for", "x.d.example.com.", "CNAME",
	  "NOERROR aa | d.example.com. 300 DNAME wild.example.com., x.d.example.com. 300 CNAME x.wild.example.com. | |" },
	{ "a DNAME's own name is not redirected", "d.example.com.", "TXT", "NOERROR aa | d.example.com. 300 TXT \"at\" | |" },
	{ "RFC 8482: ANY", "www.example.com.", "ANY", "NOERROR aa | www.example.com. 3600 HINFO \"RFC8482\" \"\" | |" },
	{ "RFC 8482: ANY at a CNAME", "alias.example.com.", "ANY",
	  "NOERROR aa | alias.example.com. 300 CNAME www.example.com. | |" },
	{ "ANY at an empty non-terminal", "b.example.com.", "ANY", "NOERROR aa | | " SOA " |" },
	{ "a meta type", "www.example.com.", "MAILB", "NOTIMPL | | |" },
	{ "OPT as a question", "www.example.com.", "TYPE41", "FORMERR | | |" },
};

static void
answers_follow_rfc1034(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "example.com.", example);
	rig_add_zone(&r, "example.net.", example_net);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *got = rig_ask(&r, rows[i].name, rows[i].type);

		if (strcmp(got, rows[i].answer))
			fail_msg("%s: %s %s\n  got    %s\n  wanted %s", rows[i].what, rows[i].name, rows[i].type, got, rows[i].answer);
	}
	rig_done(&r);
}

static void
a_child_zone_of_ours_answers_and_its_parent_has_the_ds(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "example.com.", example);
	rig_add_zone(&r, "sub.example.com.", child);
	assert_string_equal(rig_ask(&r, "ns.sub.example.com.", "A"), "NOERROR aa | ns.sub.example.com. 300 A 198.51.100.2 | |");
	assert_string_equal(rig_ask(&r, "sub.example.com.", "DS"), "NOERROR aa | " DS " | |");
	assert_string_equal(rig_ask(&r, "indelegated.example.com.", "A"),
			    "NXDOMAIN aa | indelegated.example.com. 300 CNAME host.sub.example.com. "
			    "| sub.example.com. 30 SOA ns.sub.example.com. admin.sub.example.com. 1 3600 900 604800 30 |");
	rig_done(&r);
}

static void
the_question_is_echoed_as_it_came(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "example.com.", example);
	rig_question(&r, "www.example.com.", "A");
	for (size_t i = 13; i < 29; i += 2)
		r.query[i] ^= r.query[i] >= 'a' ? 0x20 : 0;
	r.query[2] |= 1;    /* RD */
	r.query[3] |= 0x10; /* CD */
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_memory_equal(r.answer + 12, r.query + 12, r.query_size - 12);
	assert_int_equal(r.answer[0] << 8 | r.answer[1], 0x1234);
	assert_int_equal(r.answer[2], 0x85);
	assert_int_equal(r.answer[3], 0x10);
	rig_done(&r);
}

/* Answers that do not fit lose first what may be left out, then everything. */
static void
answers_are_cut_at_the_limit(void **state)
{
	char zone[16384] = "$TTL 300\n@ SOA ns a 1 1 1 1 1\n@ NS ns\n";
	size_t n = strlen(zone);
	struct rig r;

	for (int i = 0; i < 20; i++)
		n += sprintf(zone + n, "@ NS ns%02d\nns%02d A 192.0.2.%d\nns%02d AAAA 2001:db8::%d\n", i, i, i, i, i);
	for (int i = 0; i < 40; i++)
		n += sprintf(zone + n, "many A 10.0.0.%d\n", i);
	for (int i = 0; i < 90; i++)
		n += sprintf(zone + n, "more A 10.0.0.%d\n", i);
	n += sprintf(zone + n, "cmany CNAME many\n");
	for (int i = 0; i < 8; i++)
		n += sprintf(zone + n, "sub NS ns%d.sub\nns%d.sub AAAA 2001:db8::%d\nns%d.sub A 192.0.2.%d\n", i, i, i, i, i);
	rig_init(&r);
	rig_add_zone(&r, "example.com.", zone);

	rig_question(&r, "many.example.com.", "A");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_string_equal(rig_text(&r), "NOERROR aa tc | | |");
	rig_question(&r, "cmany.example.com.", "A");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_string_equal(rig_text(&r), "NOERROR aa tc | | |");
	rig_question(&r, "many.example.com.", "A");
	rig_opt(&r, 1232, NULL, 0);
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_true(r.answer_size < 1232 && !(r.answer[2] & 2));
	/* A client that takes more gets no more over UDP. */
	rig_question(&r, "more.example.com.", "A");
	rig_opt(&r, 4096, NULL, 0);
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_true(r.answer[2] & 2);
	/* Additional addresses are left out without TC. */
	rig_question(&r, "example.com.", "NS");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_true(!(r.answer[2] & 2));
	assert_int_equal(r.answer[7], 21);
	assert_int_equal(r.answer[11], 0);
	/* Glue below the cut is not (RFC 9471). */
	rig_question(&r, "x.sub.example.com.", "A");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_string_equal(rig_text(&r), "NOERROR tc | | |");
	r.client.tcp = true;
	rig_question(&r, "more.example.com.", "A");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_int_equal(r.answer[7], 90);
	rig_question(&r, "x.sub.example.com.", "A");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_int_equal(r.answer[11], 16);
	rig_done(&r);
}

static void
a_dname_that_makes_too_long_a_name_is_yxdomain(void **state)
{
	char zone[1024], l[64], name[512];
	struct rig r;

	memset(l, 'x', 63);
	l[63] = '\0';
	snprintf(zone, sizeof zone, "$TTL 300\n@ SOA ns a 1 1 1 1 1\n@ NS ns\nd DNAME %s.%s.%s.t.example.org.\n", l, l, l);
	snprintf(name, sizeof name, "%s.d.example.com.", l);
	rig_init(&r);
	rig_add_zone(&r, "example.com.", zone);
	rig_question(&r, name, "A");
	r.client.tcp = true;
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_true(!strncmp(rig_text(&r), "YXDOMAIN aa | d.example.com. 300 DNAME", 38));
	rig_done(&r);
}

static void
the_limiter_drops_and_slips(void **state)
{
	unsigned sent = 0, cut = 0;
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "example.com.", example);
	r.view->limiter = dns_limiter_new(10);
	r.view->limit_slip = 2;
	r.ctx.mono_ms = 5000000;
	for (int i = 0; i < 120; i++) {
		rig_question(&r, "www.example.com.", "A");
		if (rig_send(&r) == DNS_SEND) {
			sent += !(r.answer[2] & 2);
			cut += r.answer[2] & 2 ? 1 : 0;
		}
	}
	assert_int_equal(sent, 20); /* a burst of two seconds */
	assert_int_equal(cut, 50);
	assert_int_equal(r.ctx.counters.limited_dropped, 50);
	/* Another network, and after a second half a burst for this one. */
	r.client.address[0]++;
	rig_question(&r, "www.example.com.", "A");
	assert_int_equal(rig_send(&r), DNS_SEND);
	assert_int_equal(r.answer[2] & 2, 0);
	r.client.address[0]--;
	r.ctx.mono_ms += 1000;
	for (int i = 0; i < 20; i++) {
		rig_question(&r, "www.example.com.", "A");
		if (rig_send(&r) == DNS_SEND)
			sent += !(r.answer[2] & 2);
	}
	assert_int_equal(sent, 30);
	dns_limiter_free(r.view->limiter);
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_follow_rfc1034),
		cmocka_unit_test(a_child_zone_of_ours_answers_and_its_parent_has_the_ds),
		cmocka_unit_test(the_question_is_echoed_as_it_came),
		cmocka_unit_test(answers_are_cut_at_the_limit),
		cmocka_unit_test(a_dname_that_makes_too_long_a_name_is_yxdomain),
		cmocka_unit_test(the_limiter_drops_and_slips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
