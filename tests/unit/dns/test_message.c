// SPDX-License-Identifier: Apache-2.0
/* Messages as strangers send them: what is dropped, what is FORMERR, what the options say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/dns/rig.h"

static const char zone[] = "$TTL 300\n@ SOA ns a 1 1 1 1 1\n@ NS ns\nwww A 192.0.2.80\n";

#define Q "\x03www\x07" "example\x03" "com\0\0\x01\0\x01"
#define H(FLAGS, QD, AN, NS, AR) "\x12\x34" FLAGS "\0" QD "\0" AN "\0" NS "\0" AR
#define OPT(LEN) "\0\0\x29\x04\xd0\0\0\0\0\0" LEN
#define DROP (-1)

static const struct {
	const char *what;
	const char *bytes;
	size_t size;
	int rcode; /* or DROP */
} rows[] = {
#define ROW(WHAT, BYTES, RCODE) { WHAT, BYTES, sizeof(BYTES) - 1, RCODE }
	ROW("plain", H("\0\0", "\1", "\0", "\0", "\0") Q, 0),
	ROW("nothing", "", DROP),
	ROW("half a header", "\x12\x34\0\0\0\1", DROP),
	ROW("a response", H("\x80\0", "\1", "\0", "\0", "\0") Q, DROP),
	ROW("a header alone", H("\0\0", "\0", "\0", "\0", "\0"), 1),
	ROW("two questions (RFC 9619)", H("\0\0", "\2", "\0", "\0", "\0") Q Q, 1),
	ROW("a question cut in its name", H("\0\0", "\1", "\0", "\0", "\0") "\x03ww", 1),
	ROW("a question cut in its type", H("\0\0", "\1", "\0", "\0", "\0") "\x03www\0\0", 1),
	ROW("a question that points at itself", H("\0\0", "\1", "\0", "\0", "\0") "\xc0\x0c\0\1\0\1", 1),
	ROW("a label type nobody defined", H("\0\0", "\1", "\0", "\0", "\0") "\x41www\0\0\1\0\1", 1),
	ROW("bytes behind the end", H("\0\0", "\1", "\0", "\0", "\0") Q "x", 1),
	ROW("an answer in a query", H("\0\0", "\1", "\1", "\0", "\0") Q "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 1),
	ROW("an authority record in a query", H("\0\0", "\1", "\0", "\1", "\0") Q "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 1),
	ROW("more records counted than there are", H("\0\0", "\1", "\0", "\0", "\2") Q OPT("\0"), 1),
	ROW("a record longer than the message", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\5"), 1),
	ROW("EDNS", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\0"), 0),
	ROW("two OPT records", H("\0\0", "\1", "\0", "\0", "\2") Q OPT("\0") OPT("\0"), 1),
	ROW("an OPT record of a name", H("\0\0", "\1", "\0", "\0", "\1") Q "\1x\0\0\x29\x04\xd0\0\0\0\0\0\0", 1),
	ROW("EDNS version 1", H("\0\0", "\1", "\0", "\0", "\1") Q "\0\0\x29\x04\xd0\0\1\0\0\0\0", 16),
	ROW("another additional record", H("\0\0", "\1", "\0", "\0", "\1") Q "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 0),
	ROW("an option longer than the record", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\4") "\0\x0a\0\x08", 1),
	ROW("half an option", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\2") "\0\x0a", 1),
	ROW("an option of 65001", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\5") "\xfd\xe9\0\1x", 0),
	ROW("NOTIFY, of a zone that has no primary", H("\x20\0", "\1", "\0", "\0", "\0") Q, 9),
	ROW("STATUS", H("\x10\0", "\1", "\0", "\0", "\0") Q, 4),
	ROW("UPDATE", H("\x28\0", "\1", "\0", "\0", "\0") Q, 4),
	ROW("opcode 15", H("\x78\0", "\1", "\0", "\0", "\0") Q, 4),
	ROW("an opcode of ours to refuse, bytes that lie", H("\x28\0", "\x09", "\x09", "\x09", "\x09") "\xff", 4),
	ROW("class CH", H("\0\0", "\1", "\0", "\0", "\0") "\x03www\0\0\1\0\3", 5),
	ROW("class ANY", H("\0\0", "\1", "\0", "\0", "\0") "\x03www\0\0\1\0\xff", 5),
	ROW("a cookie of 8", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\x0c") "\0\x0a\0\x08" "12345678", 0),
	ROW("a cookie of 7", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\x0b") "\0\x0a\0\x07" "1234567", 1),
	ROW("a cookie of 12", H("\0\0", "\1", "\0", "\0", "\1") Q OPT("\x10") "\0\x0a\0\x0c" "123456789012", 1),
	ROW("a cookie without a question (RFC 7873 5.4)", H("\0\0", "\0", "\0", "\0", "\1") OPT("\x0c") "\0\x0a\0\x08" "12345678", 0),
	ROW("no question and no cookie", H("\0\0", "\0", "\0", "\0", "\1") OPT("\0"), 1),
};

static void
messages_get_the_right_rcode(void **state)
{
	struct rig r;

	rig_init(&r);
	r.view->cookies = true;
	rig_add_zone(&r, "example.com.", zone);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum dns_verdict v;
		int rcode = DROP;

		memcpy(r.query, rows[i].bytes, rows[i].size);
		r.query_size = rows[i].size;
		v = rig_send(&r);
		if (v == DNS_SEND) {
			rcode = r.answer[3] & 15;
			if (r.answer[11])
				rcode |= r.answer[r.answer_size - 6] << 4;
			if (rows[i].rcode != 16 && r.answer[11])
				rcode &= 15;
			rig_text(&r); /* ldns reads it */
			assert_int_equal(r.answer[0] << 8 | r.answer[1], 0x1234);
		}
		if (rcode != rows[i].rcode)
			fail_msg("%s: got %d, wanted %d", rows[i].what, rcode, rows[i].rcode);
		/* What strangers send is not multiplied: no answer to garbage is longer than it. */
		if (v == DNS_SEND && rcode && rcode != 5 && r.answer_size > r.query_size + 24)
			fail_msg("%s: %zu bytes for %zu", rows[i].what, r.answer_size, r.query_size);
	}
	rig_done(&r);
}

/* --- client subnet: the odd and malformed cases (RFC 7871) ---------------------------------------- */

#define ECS(LEN) "\0\x08\0" LEN
#define NO_SCOPE (-1)

static const struct {
	const char *what;
	const char *option;
	size_t size;
	int rcode, scope;
} ecs_rows[] = {
#define E(WHAT, BYTES, RCODE, SCOPE) { WHAT, BYTES, sizeof(BYTES) - 1, RCODE, SCOPE }
	E("/24; not tailored, so scope 0 (7.2.1)", ECS("\7") "\0\1\x18\0\x0a\1\2", 0, 0),
	E("/32", ECS("\x08") "\0\1\x20\0\x0a\1\2\3", 0, 0),
	E("/16", ECS("\6") "\0\1\x10\0\x0a\1", 0, 0),
	E("/20, bits behind it zero", ECS("\7") "\0\1\x14\0\x0a\1\x20", 0, 0),
	E("IPv6 /56", ECS("\x0b") "\0\2\x38\0\x20\1\x0d\xb8\0\0\0", 0, 0),
	E("source /0: opts out (7.1.2)", ECS("\4") "\0\1\0\0", 0, 0),
	E("family 0 and source /0, as dig +subnet=0 sends", ECS("\4") "\0\0\0\0", 0, 0),
	E("scope in a query (6: MUST be 0)", ECS("\7") "\0\1\x18\x18\x0a\1\2", 1, NO_SCOPE),
	E("bits behind the source length (6: MUST be 0)", ECS("\7") "\0\1\x14\0\x0a\1\x2f", 1, NO_SCOPE),
	E("too few octets (6)", ECS("\6") "\0\1\x18\0\x0a\1", 1, NO_SCOPE),
	E("too many octets (6)", ECS("\x08") "\0\1\x18\0\x0a\1\2\0", 1, NO_SCOPE),
	E("IPv4 /33", ECS("\x09") "\0\1\x21\0\x0a\1\2\3\0", 1, NO_SCOPE),
	E("IPv6 /129", ECS("\x15") "\0\2\x81\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1, NO_SCOPE),
	E("family 3", ECS("\7") "\0\3\x18\0\x0a\1\2", 1, NO_SCOPE),
	E("family 0 with an address", ECS("\7") "\0\0\x18\0\x0a\1\2", 1, NO_SCOPE),
	E("an option of two bytes", ECS("\2") "\0\1", 1, NO_SCOPE),
	E("an option that is longer than its record", ECS("\x20") "\0\1\x18\0\x0a\1\2", 1, NO_SCOPE),
	E("the option twice", ECS("\7") "\0\1\x18\0\x0a\1\2" ECS("\7") "\0\1\x18\0\x0a\1\2", 1, NO_SCOPE),
};

static void
client_subnets_get_the_right_answer(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "example.com.", zone);
	for (size_t i = 0; i < sizeof ecs_rows / sizeof ecs_rows[0]; i++) {
		int scope = NO_SCOPE;

		rig_question(&r, "www.example.com.", "A");
		rig_opt(&r, 1232, ecs_rows[i].option, ecs_rows[i].size);
		assert_int_equal(rig_send(&r), DNS_SEND);
		if ((r.answer[3] & 15) != ecs_rows[i].rcode)
			fail_msg("%s: rcode %d", ecs_rows[i].what, r.answer[3] & 15);
		rig_text(&r);
		if (!(r.answer[3] & 15)) {
			const uint8_t *opt = r.answer + r.answer_size - ecs_rows[i].size;

			/* Family, source length and address come back as they were. */
			assert_memory_equal(opt, ecs_rows[i].option, 7);
			assert_memory_equal(opt + 8, ecs_rows[i].option + 8, ecs_rows[i].size - 8);
			scope = opt[7];
		}
		if (scope != ecs_rows[i].scope)
			fail_msg("%s: scope %d", ecs_rows[i].what, scope);
	}
	rig_done(&r);
}

/* --- cookies -------------------------------------------------------------------------------------- */

static void
rig_cookie(struct rig *r, const uint8_t *cookie, size_t size)
{
	uint8_t option[4 + 40] = { 0, DNS_EDNS_COOKIE, 0, size };

	memcpy(option + 4, cookie, size);
	rig_question(r, "www.example.com.", "A");
	rig_opt(r, 1232, option, 4 + size);
	assert_int_equal(rig_send(r), DNS_SEND);
}

/* RFC 9018 appendix A.1: a new cookie for client 198.51.100.100. */
static void
cookies_are_those_of_rfc9018(void **state)
{
	static const uint8_t secret[16] = { 0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37, 0xbf, 0xcf };
	static const uint8_t client[8] = { 0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57 };
	static const uint8_t want[24] = { 0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57, 0x01, 0x00, 0x00, 0x00,
					  0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80 };
	struct rig r;

	rig_init(&r);
	rig_add_zone(&r, "example.com.", zone);
	r.view->cookies = true;
	memcpy(r.view->cookie_secret[0], secret, 16);
	memcpy(r.client.address, "\xc6\x33\x64\x64", 4);
	r.ctx.wall_s = 1559731985;
	rig_cookie(&r, client, 8);
	assert_memory_equal(r.answer + r.answer_size - 24, want, 24);
	assert_int_equal(r.ctx.counters.cookie_client_only, 1);
	rig_cookie(&r, want, 24);
	assert_int_equal(r.ctx.counters.cookie_valid, 1);
	/* The previous secret is taken, another client's, an old and a changed cookie are not. */
	memcpy(r.view->cookie_secret[1], secret, 16);
	memset(r.view->cookie_secret[0], 7, 16);
	rig_cookie(&r, want, 24);
	assert_int_equal(r.ctx.counters.cookie_valid, 2);
	r.client.address[3]++;
	rig_cookie(&r, want, 24);
	r.client.address[3]--;
	r.ctx.wall_s += 3601;
	rig_cookie(&r, want, 24);
	r.ctx.wall_s -= 3601 + 301;
	rig_cookie(&r, want, 24);
	assert_int_equal(r.ctx.counters.cookie_bad, 3);
	assert_int_equal(r.ctx.counters.cookie_valid, 2);
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_get_the_right_rcode),
		cmocka_unit_test(client_subnets_get_the_right_answer),
		cmocka_unit_test(cookies_are_those_of_rfc9018),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
