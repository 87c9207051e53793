// SPDX-License-Identifier: Apache-2.0
/* Zone files with every kind of mistake, and what is read of good ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "dns/zone/load.h"
#include "tests/unit/dns/rig.h"

#define TOP "$TTL 300\n@ SOA ns a 1 1 1 1 1\n@ NS ns\n"

static const struct {
	const char *text, *error; /* how the error begins */
} rows[] = {
	{ "", "z: zone z.test. has no SOA record" },
	{ TOP "www A 1.2.3.400\n", "z:4: A record: Syntax error, could not parse the RR's rdata: \"1.2.3.400\"" },
	{ TOP "www A\n", "z:4: A record: " },
	{ TOP "www AAAA 1.2.3.4\n", "z:4: AAAA record: " },
	{ TOP "www FOO x\n", "z:4: \"FOO\" is no record type" },
	{ TOP "www\n", "z:4: a record without a type" },
	{ TOP "www CH A 1.2.3.4\n", "z:4: class CH: only class IN is served" },
	{ TOP "a..b A 1.2.3.4\n", "z:4: name \"a..b\": an empty label" },
	{ TOP "a\\300 A 1.2.3.4\n", "z:4: name \"a\\300\": a bad escape" },
	{ TOP "www TXT \"open\nx A 1.2.3.4\n", "z:4: the quote that opens here is not closed on its line" },
	{ TOP "\n\nx TXT ( a\nb\nc", "z:6: the parenthesis that opens here is never closed" },
	{ TOP "x TXT a )\n", "z:4: \")\" without \"(\"" },
	{ " A 1.2.3.4\n", "z:1: the line begins with white space, and there is no owner before it" },
	{ "@ NS ns\n", "z:1: the record has no TTL and none stands before it" },
	{ "$TTL forever\n", "z:1: $TTL forever: it takes seconds" },
	{ "$FOO x\n", "z:1: no directive $FOO" },
	{ "$ORIGIN a..b\n", "z:1: $ORIGIN: name" },
	{ "$INCLUDE x\n", "z:1: $INCLUDE: not in a zone that does not come from a file" },
	{ TOP "$GENERATE 5-1 h$ A 1.2.3.4\n", "z:4: $GENERATE 5-1: it takes START-STOP" },
	{ TOP "$GENERATE 1-99999999 h$ A 1.2.3.4\n", "z:4: $GENERATE 1-99999999: more than" },
	{ TOP "$GENERATE 1-2 h${0,0,q} A 1.2.3.4\n", "z:4: $GENERATE: \"h${0,0,q}\"" },
	{ TOP "$GENERATE 1-2 h$ A 1.2.3.$$\n", "z:4: A record: " },
	{ TOP "@ SOA ns a 2 1 1 1 1\n", "z:4: z.test. has more than one SOA record" },
	{ TOP "x SOA ns a 2 1 1 1 1\n", "z:4: SOA of x.z.test. in zone z.test.: a zone has one" },
	{ TOP "x CNAME a\nx CNAME b\n", "z:5: x.z.test. has more than one CNAME record" },
	{ TOP "x CNAME a\nx A 1.2.3.4\n", "z: x.z.test. has a CNAME and other records" },
	{ TOP "x DNAME a\ny.x A 1.2.3.4\n", "z: y.x.z.test. stands below the DNAME of x.z.test." },
	{ TOP "*.x NS a\n", "z: *.x.z.test. has NS records" },
	{ TOP "x TYPE41 \\# 0\n", "z:4: type OPT can't be in a zone" },
	{ TOP "x TYPE252 \\# 0\n", "z:4: type " },
	{ TOP "x A \\# 3 010203\n", "z:4: " },
	{ TOP "x MX \\# 3 0001c0\n", "z:4: " },
	{ TOP "x A 1.2.3.4 5.6.7.8\n", "z:4: A record: Syntax error, superfluous text present" },
};

static void
mistakes_are_named_with_file_and_line(void **state)
{
	struct dns_name apex;

	dns_name_from_text(&apex, "z.test.", NULL, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct wf_err err = { "" };
		struct dns_zone *z = NULL;
		int rc = dns_zone_load_text(&apex, "z", rows[i].text, strlen(rows[i].text), &z, NULL, &err);

		if (!rc || strncmp(err.text, rows[i].error, strlen(rows[i].error)))
			fail_msg("%s\n  got    %d %s\n  wanted %s", rows[i].text, rc, err.text, rows[i].error);
	}
}

static void
everything_common_is_read(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "z.test.",
		     "$TTL 1h30m\r\n@ IN SOA ns a ( 1 ; serial\n 1 1 1\n 1 )\n 300 IN NS ns\n\tIN 300 NS ns2\n"
		     "$ORIGIN sub\nhost A 192.0.2.1\n\tA 192.0.2.2\nhost A 192.0.2.1\n$ORIGIN z.test.\n"
		     "txt 5 TXT \"a;b\" c\\;d \"e \\\" f\"\n"
		     "a\\.b TXT dot\n\\065bc TXT esc\n"
		     "$GENERATE 8-10/2 g${2,3,d}-${-8,0,x} 7 A 10.0.0.$\n"
		     "u TYPE65280 \\# 3 010203\n"
		     "svc HTTPS 1 . alpn=h2 port=8443\n"
		     "naptr NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .\n"
		     "caa CAA 0 issue \"ca.test\"\n"
		     "low 60 A 192.0.2.3\nlow 30 A 192.0.2.4\n");
	assert_string_equal(rig_ask(&r, "host.sub.z.test.", "A"),
			    "NOERROR aa | host.sub.z.test. 5400 A 192.0.2.1, host.sub.z.test. 5400 A 192.0.2.2 | |");
	assert_string_equal(rig_ask(&r, "z.test.", "NS"), "NOERROR aa | z.test. 300 NS ns.z.test., z.test. 300 NS ns2.z.test. | |");
	assert_string_equal(rig_ask(&r, "txt.z.test.", "TXT"), "NOERROR aa | txt.z.test. 5 TXT \"a;b\" \"c;d\" \"e \\\" f\" | |");
	assert_string_equal(rig_ask(&r, "a\\.b.z.test.", "TXT"), "NOERROR aa | a\\.b.z.test. 5400 TXT \"dot\" | |");
	assert_string_equal(rig_ask(&r, "abc.z.test.", "TXT"), "NOERROR aa | abc.z.test. 5400 TXT \"esc\" | |");
	assert_string_equal(rig_ask(&r, "g010-0.z.test.", "A"), "NOERROR aa | g010-0.z.test. 7 A 10.0.0.8 | |");
	assert_string_equal(rig_ask(&r, "g012-2.z.test.", "A"), "NOERROR aa | g012-2.z.test. 7 A 10.0.0.10 | |");
	assert_string_equal(rig_ask(&r, "u.z.test.", "TYPE65280"), "NOERROR aa | u.z.test. 5400 TYPE65280 \\# 3 010203 | |");
	assert_string_equal(rig_ask(&r, "svc.z.test.", "HTTPS"), "NOERROR aa | svc.z.test. 5400 HTTPS 1 . alpn=h2 port=8443 | |");
	assert_string_equal(rig_ask(&r, "naptr.z.test.", "NAPTR"),
			    "NOERROR aa | naptr.z.test. 5400 NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" . | |");
	assert_string_equal(rig_ask(&r, "caa.z.test.", "CAA"), "NOERROR aa | caa.z.test. 5400 CAA 0 issue \"ca.test\" | |");
	/* RFC 2181 section 5.2: one TTL a set. */
	assert_string_equal(rig_ask(&r, "low.z.test.", "A"), "NOERROR aa | low.z.test. 30 A 192.0.2.3, low.z.test. 30 A 192.0.2.4 | |");
	rig_done(&r);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char *path = wf_xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	free(path);
}

static void
include_reads_other_files_and_errors_name_them(void **state)
{
	char dir[] = "/tmp/weft-test-zone-XXXXXX", *path;
	struct wf_str warnings = WF_STR_INIT;
	struct wf_err err = { "" };
	struct dns_zone *z = NULL;
	struct dns_name apex, host;

	assert_non_null(mkdtemp(dir));
	path = wf_xasprintf("%s/z", dir);
	dns_name_from_text(&apex, "z.test.", NULL, NULL);
	write_file(dir, "z", TOP "$INCLUDE in sub\n A 192.0.2.9\nelsewhere.test. A 192.0.2.1\n");
	write_file(dir, "in", "host A 192.0.2.1\n");
	assert_int_equal(dns_zone_load(&apex, path, NULL, NULL, &z, &warnings, &err), 0);
	dns_name_from_text(&host, "host.sub.z.test.", NULL, NULL);
	assert_non_null(dns_zone_find_name(z, &host));
	/* Owner and origin are those from before: the apex has the address. */
	assert_non_null(dns_node_set(z->apex, DNS_A));
	assert_non_null(strstr(wf_str_cstr(&warnings), "/z:6: elsewhere.test. is not in zone z.test. and left out\n"));
	assert_true(dns_zone_is_current(z, path));
	write_file(dir, "in", "host A 192.0.2.1\nbad A x\n");
	assert_false(dns_zone_is_current(z, path));
	dns_zone_unref(z);
	assert_int_not_equal(dns_zone_load(&apex, path, NULL, NULL, &z, NULL, &err), 0);
	assert_non_null(strstr(err.text, "/in:2: A record:"));
	write_file(dir, "in", "$INCLUDE in\n");
	assert_int_not_equal(dns_zone_load(&apex, path, NULL, NULL, &z, NULL, &err), 0);
	assert_non_null(strstr(err.text, "more than 16 deep"));
	write_file(dir, "z", TOP "$INCLUDE missing\n");
	assert_int_not_equal(dns_zone_load(&apex, path, NULL, NULL, &z, NULL, &err), 0);
	assert_non_null(strstr(err.text, "/z:4: $INCLUDE: "));
	for (const char *const *f = (const char *const[]){ "z", "in", NULL }; *f; f++) {
		char *p = wf_xasprintf("%s/%s", dir, *f);

		unlink(p);
		free(p);
	}
	rmdir(dir);
	free(path);
	wf_str_done(&warnings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_named_with_file_and_line),
		cmocka_unit_test(everything_common_is_read),
		cmocka_unit_test(include_reads_other_files_and_errors_name_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
