// SPDX-License-Identifier: Apache-2.0
/* Answers that a policy chooses: client subnets good, odd and malformed, scopes, health, aliases. */
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
#include "base/rcu.h"
#include "dns/server/view_load.h"
#include "tests/unit/dns/rig.h"

static char dir[] = "/tmp/weft-test-chosen-XXXXXX";
static char *conf_path;

static const char conf_text[] =
	"{ \"weft-dns:dns\": {\n"
	" \"location\": { \"map-file\": [\"map\"], \"default-region\": \"eu\" },\n"
	" \"pool\": [\n"
	"  { \"name\": \"eu\", \"member\": [ { \"name\": \"a\", \"address\": [\"192.0.2.1\", \"2001:db8:1::1\"] } ] },\n"
	"  { \"name\": \"us\", \"member\": [ { \"name\": \"a\", \"address\": [\"198.51.100.1\"] } ] },\n"
	"  { \"name\": \"names\", \"member\": [ { \"name\": \"a\", \"target\": \"www.example.com\" } ] },\n"
	"  { \"name\": \"three\", \"answer\": \"all\", \"member\": [ { \"name\": \"a\", \"address\": [\"192.0.2.11\"] },\n"
	"     { \"name\": \"b\", \"address\": [\"192.0.2.12\"] }, { \"name\": \"c\", \"address\": [\"192.0.2.13\"] } ] } ],\n"
	" \"policy\": [\n"
	"  { \"name\": \"near\", \"order\": [\"region-map\", \"failover\"],\n"
	"    \"candidate\": [ { \"pool\": \"eu\" }, { \"pool\": \"us\" } ],\n"
	"    \"match\": [ { \"what\": \"region=us\", \"pool\": [\"us\"] }, { \"what\": \"default\", \"pool\": [\"eu\"] } ] },\n"
	"  { \"name\": \"alias\", \"candidate\": [ { \"pool\": \"names\" } ] },\n"
	"  { \"name\": \"whole\", \"all-down\": \"none\", \"candidate\": [ { \"pool\": \"three\" } ] },\n"
	"  { \"name\": \"sticky\", \"sticky\": {}, \"candidate\": [ { \"pool\": \"eu\" }, { \"pool\": \"us\" } ] } ],\n"
	" \"zone\": [ { \"name\": \"example.com\", \"file\": \"zone\", \"chosen\": [\n"
	"   { \"name\": \"www\", \"policy\": \"near\" }, { \"name\": \"@\", \"policy\": \"near\" },\n"
	"   { \"name\": \"*.any\", \"policy\": \"near\", \"ttl\": 5 }, { \"name\": \"alias\", \"policy\": \"alias\" },\n"
	"   { \"name\": \"st\", \"policy\": \"sticky\" }, { \"name\": \"all\", \"policy\": \"whole\" },\n"
	"   { \"name\": \"svc\", \"policy\": \"near\", \"service\": [\n"
	"     { \"type\": \"HTTPS\", \"params\": \"alpn=h2,h3 port=8443 ech=AAAA\" }, { \"type\": \"SVCB\", \"priority\": 7 } ] },\n"
	"   { \"name\": \"svcname\", \"policy\": \"alias\", \"service\": [ { \"type\": \"HTTPS\", \"priority\": 0 } ] } ] } ] } }\n";
static const char zone_text[] = "$TTL 300\n@ SOA ns a 1 1 1 1 60\n@ NS ns\nns A 192.0.2.53\nplain CNAME www\n";
static const char map_text[] = "10.1.0.0/20 us\n2001:db8:100::/40 us\n";

static void
write_file(const char *name, const char *text)
{
	char *path = wf_xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	free(path);
}

static int
setup(void **state)
{
	struct wf_err err = { "" };
	struct dns_conf *c = NULL;
	struct rig *r = wf_xzalloc(sizeof *r);

	rig_init(r);
	dns_view_free(r->view);
	r->view = NULL;
	write_file("conf", conf_text);
	write_file("zone", zone_text);
	write_file("map", map_text);
	if (dns_conf_load(conf_path, &c, &err) || dns_view_load(c, NULL, &r->view, NULL, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	r->ctx.draw = 1;
	dns_conf_free(c);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	wf_rcu_drain();
	rig_done(r);
	free(r);
	return 0;
}

#define EU "192.0.2.1"
#define US "198.51.100.1"
#define ECS(LEN) "\0\x08\0" LEN

/* The resolver's own address is 10.1.0.53, in region us. */
static const struct {
	const char *what;
	const char *option;
	size_t size;
	const char *address; /* NULL: FORMERR */
	int scope;
} rows[] = {
#define E(WHAT, BYTES, ADDRESS, SCOPE) { WHAT, BYTES, sizeof(BYTES) - 1, ADDRESS, SCOPE }
	E("/24 inside the /20", ECS("\7") "\0\1\x18\0\x0a\1\2", US, 20),
	E("/32 inside the /20", ECS("\x08") "\0\1\x20\0\x0a\1\2\3", US, 20),
	E("/16, shorter than the map: the scope asks for more (7.2.1)", ECS("\6") "\0\1\x10\0\x0a\1", US, 20),
	E("unmapped, beside the /20: a scope that ends before it", ECS("\7") "\0\1\x18\0\x0a\1\x10", EU, 20),
	E("unmapped IPv4", ECS("\7") "\0\1\x18\0\xac\x10\0", EU, 1),
	E("unmapped IPv6 /56", ECS("\x0b") "\0\2\x38\0\x20\1\x0d\xb8\0\0\0", EU, 40),
	E("mapped IPv6 /56", ECS("\x0b") "\0\2\x38\0\x20\1\x0d\xb8\1\0\0", US, 40),
	E("source /0: the resolver's own address, scope 0 (7.1.2)", ECS("\4") "\0\1\0\0", US, 0),
	E("source /0, IPv6", ECS("\4") "\0\2\0\0", US, 0),
	E("scope in a query (6: MUST be 0)", ECS("\7") "\0\1\x18\x18\x0a\1\2", NULL, 0),
	E("bits behind the source length (6: MUST be 0)", ECS("\7") "\0\1\x14\0\x0a\1\x2f", NULL, 0),
	E("too few octets (6)", ECS("\6") "\0\1\x18\0\x0a\1", NULL, 0),
	E("too many octets (6)", ECS("\x08") "\0\1\x18\0\x0a\1\2\0", NULL, 0),
	E("IPv4 /33", ECS("\x09") "\0\1\x21\0\x0a\1\2\3\0", NULL, 0),
	E("family 3", ECS("\7") "\0\3\x18\0\x0a\1\2", NULL, 0),
	E("an option of two bytes", ECS("\2") "\0\1", NULL, 0),
	E("an option longer than its record", ECS("\x20") "\0\1\x18\0\x0a\1\2", NULL, 0),
	E("the option twice", ECS("\7") "\0\1\x18\0\x0a\1\2" ECS("\7") "\0\1\x18\0\x0a\1\2", NULL, 0),
};

static void
client_subnets_choose_and_scopes_are_right(void **state)
{
	struct rig *r = *state;

	memcpy(r->client.address, "\x0a\1\0\x35", 4);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char want[128];

		rig_question(r, "www.example.com.", "A");
		rig_opt(r, 1232, rows[i].option, rows[i].size);
		assert_int_equal(rig_send(r), DNS_SEND);
		if (rows[i].address)
			snprintf(want, sizeof want, "NOERROR aa | www.example.com. 30 A %s | |", rows[i].address);
		else
			snprintf(want, sizeof want, "FORMERR | | |");
		if (strcmp(rig_text(r), want))
			fail_msg("%s: %s, wanted %s", rows[i].what, rig_text(r), want);
		if (rows[i].address && r->answer[r->answer_size - rows[i].size + 7] != rows[i].scope)
			fail_msg("%s: scope %u, wanted %d", rows[i].what, r->answer[r->answer_size - rows[i].size + 7], rows[i].scope);
	}
}

/* A resolver's cache that follows scopes never gives a client another answer than a direct one. */
static void
everyone_inside_a_scope_gets_the_same(void **state)
{
	static const char *const names[] = { "www.example.com.", "st.example.com.", "plain.example.com." };
	struct rig *r = *state;
	uint64_t seed = 42;

	for (int i = 0; i < 20000; i++) {
		uint8_t option[4 + 4 + 4] = { 0, 8, 0, 8, 0, 1, 32, 0, 10, 0, 0, 0 }, scope;
		uint32_t a, b;
		char first[256];

		seed = wf_hash_mix64(seed, i);
		a = seed % 3 ? 0x0a010000 + (uint32_t)(seed >> 16) % 0x4000 : (uint32_t)(seed >> 16);
		dns_put32(option + 8, a);
		rig_question(r, names[i % 3], "A");
		rig_opt(r, 1232, option, sizeof option);
		assert_int_equal(rig_send(r), DNS_SEND);
		snprintf(first, sizeof first, "%s", rig_text(r));
		scope = r->answer[r->answer_size - 5];
		assert_true(scope <= 32);
		b = a ^ (scope < 32 ? (uint32_t)(seed >> 32) >> scope : 0);
		dns_put32(option + 8, b);
		rig_question(r, names[i % 3], "A");
		rig_opt(r, 1232, option, sizeof option);
		assert_int_equal(rig_send(r), DNS_SEND);
		if (strcmp(first, rig_text(r)) || r->answer[r->answer_size - 5] != scope)
			fail_msg("%08x and %08x, scope %u: %s and %s, scope %u", a, b, scope, first, rig_text(r),
				 r->answer[r->answer_size - 5]);
	}
}

static void
health_moves_answers_and_adds_sets(void **state)
{
	struct rig *r = *state;

	memcpy(r->client.address, "\x0a\1\0\x35", 4);
	assert_string_equal(rig_ask(r, "www.example.com.", "A"), "NOERROR aa | www.example.com. 30 A " US " | |");
	assert_true(pol_set_up(r->view->pol, "us", "a", false));
	assert_true(pol_commit(r->view->pol) > 0);
	assert_string_equal(rig_ask(r, "www.example.com.", "A"), "NOERROR aa | www.example.com. 30 A " EU " | |");
	assert_string_equal(rig_ask(r, "www.example.com.", "AAAA"), "NOERROR aa | www.example.com. 30 AAAA 2001:db8:1::1 | |");
	pol_set_up(r->view->pol, "us", "a", true);
	pol_commit(r->view->pol);
	/* This region has no IPv6: the name exists, the type does not. */
	assert_string_equal(rig_ask(r, "www.example.com.", "AAAA"),
			    "NOERROR aa | | example.com. 60 SOA ns.example.com. a.example.com. 1 1 1 1 60 |");
	assert_string_equal(rig_ask(r, "all.example.com.", "A"),
			    "NOERROR aa | all.example.com. 30 A 192.0.2.11, all.example.com. 30 A 192.0.2.12, all.example.com. 30 A 192.0.2.13 | |");
	pol_set_up(r->view->pol, "three", "b", false);
	pol_commit(r->view->pol);
	assert_string_equal(rig_ask(r, "all.example.com.", "A"),
			    "NOERROR aa | all.example.com. 30 A 192.0.2.11, all.example.com. 30 A 192.0.2.13 | |");
	/* All down and "none": no data, never an old address. */
	pol_set_up(r->view->pol, "three", "a", false);
	pol_set_up(r->view->pol, "three", "c", false);
	pol_commit(r->view->pol);
	assert_string_equal(rig_ask(r, "all.example.com.", "A"),
			    "NOERROR aa | | example.com. 60 SOA ns.example.com. a.example.com. 1 1 1 1 60 |");
}

static void
chosen_names_are_names_like_others(void **state)
{
	struct rig *r = *state;

	memcpy(r->client.address, "\xc0\0\2\1", 4);
	assert_string_equal(rig_ask(r, "example.com.", "A"), "NOERROR aa | example.com. 30 A " EU " | |");
	assert_string_equal(rig_ask(r, "x.y.any.example.com.", "A"), "NOERROR aa | x.y.any.example.com. 5 A " EU " | |");
	assert_string_equal(rig_ask(r, "plain.example.com.", "A"),
			    "NOERROR aa | plain.example.com. 300 CNAME www.example.com., www.example.com. 30 A " EU " | |");
	assert_string_equal(rig_ask(r, "alias.example.com.", "A"),
			    "NOERROR aa | alias.example.com. 30 CNAME www.example.com., www.example.com. 30 A " EU " | |");
	assert_string_equal(rig_ask(r, "alias.example.com.", "CNAME"), "NOERROR aa | alias.example.com. 30 CNAME www.example.com. | |");
	assert_string_equal(rig_ask(r, "www.example.com.", "TXT"),
			    "NOERROR aa | | example.com. 60 SOA ns.example.com. a.example.com. 1 1 1 1 60 |");
	assert_string_equal(rig_ask(r, "www.example.com.", "ANY"), "NOERROR aa | www.example.com. 3600 HINFO \"RFC8482\" \"\" | |");
}

/* RFC 9460: keys rise (alpn 1, port 3, ipv4hint 4, ech 5, ipv6hint 6). */
static void
services_are_chosen(void **state)
{
	struct rig *r = *state;

	r->client = (struct dns_client){ .family = 4, .address = { 10, 2, 0, 1 } };
	assert_string_equal(rig_ask(r, "svc.example.com.", "HTTPS"),
			    "NOERROR aa | svc.example.com. 30 HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ech=AAAA ipv6hint=2001:db8:1::1 | |");
	r->client = (struct dns_client){ .family = 4, .address = { 10, 1, 0, 1 } };
	assert_string_equal(rig_ask(r, "svc.example.com.", "HTTPS"),
			    "NOERROR aa | svc.example.com. 30 HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=198.51.100.1 ech=AAAA | |");
	assert_string_equal(rig_ask(r, "svc.example.com.", "SVCB"),
			    "NOERROR aa | svc.example.com. 30 SVCB 7 . ipv4hint=198.51.100.1 | |");
	assert_string_equal(rig_ask(r, "svc.example.com.", "A"),
			    "NOERROR aa | svc.example.com. 30 A 198.51.100.1 | |");
	/* A target is no CNAME beside it. */
	assert_string_equal(rig_ask(r, "svcname.example.com.", "HTTPS"),
			    "NOERROR aa | svcname.example.com. 30 HTTPS 0 www.example.com. | |");
	assert_non_null(strstr(rig_ask(r, "svcname.example.com.", "A"), "NOERROR aa | | example.com."));
}

/* A reload binds the zone that there is to the new policies; only what is chosen in it makes another. */
static void
zones_outlive_policies(void **state)
{
	struct rig *r = *state;
	static const struct {
		const char *from, *to, *answer;
		bool same;
	} reloads[] = {
		{ "", "", "198.51.100.1", true },
		{ "\"198.51.100.1\"", "\"198.51.100.77\"", "198.51.100.77", true },
		{ "\"name\": \"st\"", "\"name\": \"other\"", "198.51.100.1", false },
		{ "\"ttl\": 5", "\"ttl\": 6", "198.51.100.1", false },
	};

	r->client = (struct dns_client){ .family = 4, .address = { 10, 1, 0, 1 } };
	for (size_t i = 0; i < sizeof reloads / sizeof reloads[0]; i++) {
		const char *at = strstr(conf_text, reloads[i].from);
		char *text = wf_xasprintf("%.*s%s%s", (int)(at - conf_text), conf_text, reloads[i].to, at + strlen(reloads[i].from));
		char *want = wf_xasprintf("NOERROR aa | www.example.com. 30 A %s | |", reloads[i].answer);
		struct dns_view *old = r->view, *now = NULL;
		struct dns_conf *c = NULL;
		struct wf_err err = { "" };
		struct dns_name apex;

		write_file("conf", text);
		if (dns_conf_load(conf_path, &c, &err) || dns_view_load(c, old, &now, NULL, &err))
			fail_msg("%s", err.text);
		dns_name_from_text(&apex, "example.com.", NULL, NULL);
		assert_int_equal(dns_view_zone_named(old, &apex) == dns_view_zone_named(now, &apex), reloads[i].same);
		r->view = now;
		dns_view_free(old);
		assert_string_equal(rig_ask(r, "www.example.com.", "A"), want);
		dns_conf_free(c);
		free(want);
		free(text);
	}
}

static const struct {
	const char *from, *to, *error;
} mistakes[] = {
	{ "port=8443", "port=eight", "zone example.com: chosen svc: service: parameters" },
	{ "port=8443", "ipv4hint=1.2.3.4", "the hints are the addresses that the policy chooses" },
	{ "\"priority\": 7", "\"priority\": 0", "a service of priority 0 is an alias of a target" },
	{ "\"policy\": \"alias\" }", "\"policy\": \"alais\" }", "alais" },
	{ "\"name\": \"st\"", "\"name\": \"ns\"", "ns.example.com.: its A records are chosen by a policy and given in the zone file too" },
	{ "\"name\": \"st\"", "\"name\": \"plain\"", "plain.example.com. has a CNAME and other records" },
	{ "\"name\": \"st\"", "\"name\": \"st.example.org.\"", "chosen name st.example.org. is not in zone example.com." },
	{ "{ \"pool\": \"names\" }", "{ \"pool\": \"names\" }, { \"pool\": \"us\" }", "a name is either an alias or has addresses" },
	{ "\"ttl\": 5", "\"ttl\": 99999", "a ttl is 0 to 86400 seconds" },
};

static void
mistakes_are_named(void **state)
{
	for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
		const char *at = strstr(conf_text, mistakes[i].from);
		struct wf_err err = { "" };
		struct dns_conf *c = NULL;
		struct dns_view *v = NULL;
		char *text;

		assert_non_null(at);
		text = wf_xasprintf("%.*s%s%s", (int)(at - conf_text), conf_text, mistakes[i].to, at + strlen(mistakes[i].from));
		write_file("conf", text);
		free(text);
		if (!dns_conf_load(conf_path, &c, &err))
			assert_int_not_equal(dns_view_load(c, NULL, &v, NULL, &err), 0);
		dns_conf_free(c);
		if (!strstr(err.text, mistakes[i].error))
			fail_msg("%s: %s", mistakes[i].to, err.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(client_subnets_choose_and_scopes_are_right, setup, teardown),
		cmocka_unit_test_setup_teardown(everyone_inside_a_scope_gets_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(health_moves_answers_and_adds_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(chosen_names_are_names_like_others, setup, teardown),
		cmocka_unit_test_setup_teardown(services_are_chosen, setup, teardown),
		cmocka_unit_test_setup_teardown(zones_outlive_policies, setup, teardown),
		cmocka_unit_test(mistakes_are_named),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	conf_path = wf_xasprintf("%s/conf", dir);
	wf_rcu_register("main");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	for (const char *const *f = (const char *const[]){ "conf", "zone", "map", NULL }; *f; f++) {
		char *path = wf_xasprintf("%s/%s", dir, *f);

		unlink(path);
		free(path);
	}
	rmdir(dir);
	free(conf_path);
	return rc;
}
