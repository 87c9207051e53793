// SPDX-License-Identifier: Apache-2.0
/* All kinds of policy at once, over maps with gaps, while maps, policies, health and load change: every question goes to
 * the sockets' function and to the driver's program, and what they answer is held against world.h and RFC 7871.
 *   test_dns_joint [--seconds N] [--seed N] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "bpf/dns_hash.h"
#include "dns/answer/limit.h"
#include "dns/server/view_load.h"
#include "dns/server/xdp_internal.h"
#include "dns/sign/sign.h"
#include "policy/health_internal.h"
#include "tests/unit/dns/driver.h"
#include "tests/unit/dns/question.h"
#include "tests/unit/dns/world.h"

#define WORLDS	10
#define CHANGES 50  /* of one world */
#define ASKED	220 /* between two changes */
#define LIMIT	40  /* answers a second, where there is a limit */

static char dir[] = "/tmp/weft-test-joint-XXXXXX";
static uint64_t first_seed = 1;
static double seconds;

/* RFC 6605 section 6.1, with times. */
static const char key_private[] =
	"Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\n"
	"PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\n"
	"Created: 20200101000000\nPublish: 20200101000000\nActivate: 20200101000000\n";
static const char key_public[] =
	"example.net. 3600 IN DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb "
	"krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==\n";
struct joint {
	struct world world;
	struct dns_conf *conf;
	struct dns_view *view;
	struct pol_health *health;
	struct pol_feed *feed;
	struct dns_context ctx;
	struct dns_limiter *limiter;
	uint64_t *buckets; /* of the sockets */
	struct dns_sign_cache *sign_cache;
	bool limited, changed;
	bool up[WORLD_POOLS][WORLD_MEMBERS], drain[WORLD_POOLS][WORLD_MEMBERS]; /* what the feed said */
	unsigned n_asked, n_good, n_good_sent, n_sent, n_meant, n_inside, n_changes;
};

/* Where it failed: to be seen again by --seed. */
#define wrong(J, FORMAT, ...)                                                                                \
	fail_msg("seed %llu, change %u: " FORMAT, (unsigned long long)first_seed, (J)->n_changes, __VA_ARGS__)

static void
write_file(const char *name, const char *text)
{
	char *path = wf_xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

static void
write_world(const struct world *w)
{
	struct wf_str s = WF_STR_INIT;

	world_put_map(w, &s);
	write_file("map", wf_str_cstr(&s));
	wf_str_done(&s);
	world_put_rtts(w, &s);
	write_file("rtt", wf_str_cstr(&s));
	wf_str_done(&s);
	wf_str_fmt(&s, "{ \"weft-dns:dns\": {\n\"dnssec\":{\"key-folder\":\"%s/keys\"},\n", dir);
	world_put_conf(w, &s);
	wf_str_put(&s, ",\n\"zone\":[");
	for (int z = 0; z < 2; z++) {
		wf_str_fmt(&s, "%s{\"name\":\"example.%s\",\"file\":\"zone\",%s\"chosen\":[", z ? ",\n" : "", z ? "net" : "com",
			   z ? "\"dnssec\":{}," : "");
		for (unsigned i = 0; i < WORLD_POLICIES; i++)
			wf_str_fmt(&s, "{\"name\":\"p%u\",\"policy\":\"policy%u\",\"ttl\":%u},\n", i, i, QUESTION_TTL_OF(i));
		wf_str_put(&s, "{\"name\":\"hop\",\"policy\":\"hop\"},\n{\"name\":\"*.wild\",\"policy\":\"policy1\"},\n{\"name\":\"svc\",\"policy\":\"policy4\",\"service\":["
			       "{\"type\":\"HTTPS\",\"params\":\"alpn=h2\"}]}]}");
	}
	wf_str_put(&s, "]}}\n");
	write_file("conf", wf_str_cstr(&s));
	wf_str_done(&s);
}

/* --- data and its changes ------------------------------------------------------------------------ */

/* Of both at once: what time it is does not stop. */
static void
set_clocks(struct joint *j, int late_s)
{
	uint64_t wall_ms = wf_wall_ms() + late_s * 1000ll;

	j->ctx.mono_ms = wf_now_ms();
	j->ctx.wall_s = wall_ms / 1000;
	driver_clock(wf_now_ms() * 1000000ull, wall_ms * 1000000ull);
}

static void
heat(struct joint *j)
{
	static const char *const names[] = { "plain.example.com.", "plain.example.net.", "mx.example.com.", "many.example.com.", "many.example.net.", "long.example.com.", "x.sub.example.com.",
					     "x.wild.example.com.", "x.wild.example.net.", "p0.example.com.", "alias.example.com." };
	static const uint16_t types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_TXT };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		for (size_t k = 0; k < sizeof types / sizeof types[0]; k++)
			driver_heat(j->view, names[i], types[k]);
}

static void
resume(struct joint *j, bool policies_only)
{
	driver_resume(j->view, LIMIT, policies_only);
	heat(j);
	driver_sign(j->view);
	j->changed = false;
}

static void
complete_view(struct joint *j, struct dns_view *v)
{
	for (int i = 0; i < 32; i++)
		v->cookie_secret[i / 16][i % 16] = i * 5;
	v->limiter = j->limited ? j->limiter : NULL;
	v->limit_slip = 2;
	v->sign_cache = j->sign_cache;
}

/* Everything anew from the files, as dns_server_reload() has it. */
static void
reload(struct joint *j)
{
	char *path = wf_xasprintf("%s/conf", dir);
	struct dns_view *v = NULL, *old = j->view;
	struct dns_conf *c = NULL;
	struct wf_err err = { "" };

	write_world(&j->world);
	if (dns_conf_load(path, &c, &err) || dns_view_load(c, old, &v, NULL, &err) ||
	    pol_health_apply(j->health, c->json, c->folder, v->pol, &err))
		wrong(j, "%s", err.text);
	complete_view(j, v);
	driver_suspend();
	__atomic_store_n(&j->view, v, __ATOMIC_RELEASE);
	wf_rcu_synchronize();
	wf_rcu_drain();
	dns_view_free(old);
	dns_conf_free(j->conf);
	j->conf = c;
	resume(j, false);
	free(path);
	/* Members that are gone come back as new ones. */
	for (unsigned i = 0; i < WORLD_POOLS; i++)
		for (unsigned k = j->world.pools[i].n_members; k < WORLD_MEMBERS; k++)
			j->up[i][k] = true, j->drain[i][k] = false;
}

static void
say(struct joint *j, unsigned pool, unsigned member, bool up, bool drain, double load)
{
	char *text = wf_xasprintf("{\"weft-health\":1,\"source\":\"feed\",\"members\":[{\"pool\":\"pool%u\",\"member\":\"m%u\","
				  "\"up\":%s,\"drain\":%s,\"load\":%.1f}]}",
				  pool, member, up ? "true" : "false", drain ? "true" : "false", load);
	json_t *line = json_loads(text, 0, NULL);
	struct wf_err err = { "" };

	assert_non_null(line);
	if (pol_health_report(j->health, "feed", line, &err))
		wrong(j, "%s", err.text);
	json_decref(line);
	free(text);
	j->up[pool][member] = up;
	j->drain[pool][member] = drain;
}

static double
some_load(struct world *w)
{
	return world_random(w, 3) ? world_random(w, 1300) / 10.0 : 0;
}

static void
say_of_pool(struct joint *j, unsigned pool, bool up)
{
	for (unsigned k = 0; k < j->world.pools[pool].n_members; k++)
		say(j, pool, k, up, false, some_load(&j->world));
}

/* Silence: what was said last stays, and nobody's clients move. */
static void
silence(struct joint *j)
{
	uint64_t generations[WORLD_POLICIES];
	struct pol_health_stats stats;

	say_of_pool(j, 0, true);
	pol_targets_commit(j->health);
	for (unsigned i = 0; i < WORLD_POLICIES; i++)
		generations[i] = pol_policy_hot(pol_policy_at(j->view->pol, i))->view->generation;
	wf_clock_warp(20000);
	wf_loop_turn();
	pol_health_stats(j->health, &stats);
	assert_int_equal(stats.n_stale_feeds, 1);
	for (unsigned i = 0; i < WORLD_POLICIES; i++)
		assert_int_equal(pol_policy_hot(pol_policy_at(j->view->pol, i))->view->generation, generations[i]);
	set_clocks(j, 0);
}

static void
check_state(struct joint *j)
{
	for (unsigned i = 0; i < WORLD_POOLS; i++)
		for (unsigned k = 0; k < j->world.pools[i].n_members; k++) {
			const struct pol_member *m = pol_member_at(j->view->pol, pol_pool_at(j->view->pol, i)->first_member + k);

			if (m->up != j->up[i][k] || m->drain != j->drain[i][k])
				wrong(j, "pool%u/m%u is %d %d, and was said to be %d %d", i, k, m->up, m->drain, j->up[i][k],
				      j->drain[i][k]);
		}
}

static void
change(struct joint *j)
{
	struct world *w = &j->world;
	unsigned pool = world_random(w, WORLD_POOLS), n;

	j->n_changes++;
	switch (world_random(w, 12)) {
	case 0:
		world_make_map(w);
		reload(j);
		break;
	case 1:
		world_make_policies(w);
		reload(j);
		break;
	case 2:
		j->limited = !j->limited;
		reload(j);
		break;
	case 3:
		silence(j);
		break;
	case 4: /* all but a few, and back */
		for (unsigned i = 0; i < WORLD_POOLS; i++)
			if (world_random(w, 8))
				say_of_pool(j, i, false);
		break;
	case 5:
		for (unsigned i = 0; i < WORLD_POOLS; i++)
			say_of_pool(j, i, true);
		break;
	case 6:
		say_of_pool(j, pool, world_random(w, 2));
		break;
	default:
		n = 1 + world_random(w, 4);
		for (unsigned i = 0; i < n; i++, pool = world_random(w, WORLD_POOLS)) {
			unsigned member = world_random(w, w->pools[pool].n_members);
			bool up = world_random(w, 3), drain = !world_random(w, 5);

			say(j, pool, member, up, drain, some_load(w));
		}
		break;
	}
	wf_clock_warp(world_random(w, 50));
	wf_loop_turn();
	pol_targets_commit(j->health);
	set_clocks(j, 0);
	if (j->changed)
		resume(j, true);
	check_state(j);
}

/* --- questions ----------------------------------------------------------------------------------- */

struct outcome {
	enum dns_verdict verdict;
	uint8_t bytes[DNS_UDP_ROOM];
	size_t size;
	uint64_t draw; /* before */
	enum driver_did did;
};

static uint32_t
next_draw(uint64_t state)
{
	/* xorshift64, as answer.c draws: the driver's own numbers are the kernel's. */
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

static enum dns_verdict
ask_sockets(const struct dns_view *v, struct dns_context *ctx, const struct question *q, struct outcome *o)
{
	/* Exactly as long, so that ASan sees a read behind the end. */
	uint8_t *msg = wf_xmemdup(q->msg, q->size);

	o->verdict = dns_answer(v, ctx, &q->client, msg, q->size, o->bytes, &o->size);
	free(msg);
	return o->verdict;
}

/* Without limit, and not counted: what another client would be told. */
static void
ask_beside(const struct joint *j, const struct question *q, uint64_t draw, struct outcome *o)
{
	static struct dns_context ctx;
	struct dns_view v = *j->view;

	v.limiter = NULL;
	ctx.wall_s = j->ctx.wall_s;
	ctx.mono_ms = j->ctx.mono_ms;
	ctx.draw = draw;
	ask_sockets(&v, &ctx, q, o);
}

static uint64_t
sum_passed(const struct dns_x_stats *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DNS_X_N_PASS; i++)
		n += s->pass[i];
	return n;
}

static uint32_t
bucket_of(const struct dns_client *c, unsigned class)
{
	uint64_t net = 0;

	memcpy(&net, c->address, c->family == 4 ? 3 : 7);
	return dns_x_bucket(dns_limiter_key(), net, class, c->family);
}

/* The counters of both, as dnsd would show them. */
static void
check_counters(struct joint *j, const struct question *q, const struct dns_counters *before, const struct dns_x_stats *x_before,
	       enum driver_did did)
{
	struct dns_counters sockets = { 0 }, driver = { 0 };
	const uint64_t *from = (const uint64_t *)before, *to = (const uint64_t *)&j->ctx.counters;
	struct dns_x_stats x = *driver_stats();

	for (size_t i = 0; i < sizeof sockets / sizeof *to; i++)
		((uint64_t *)&sockets)[i] = to[i] - from[i];
	for (size_t i = 0; i < DNS_X_N_STATS; i++)
		((uint64_t *)&x)[i] -= ((const uint64_t *)x_before)[i];
	assert_int_equal(sockets.queries_udp4 + sockets.queries_udp6, 1);
	assert_int_equal(sockets.answers + sockets.dropped_short + sockets.dropped_response + sockets.limited_dropped, 1);
	assert_int_equal(sockets.answers_noerror + sockets.answers_formerr + sockets.answers_servfail + sockets.answers_nxdomain +
				 sockets.answers_notimp + sockets.answers_refused + sockets.answers_badvers + sockets.answers_other,
			 sockets.answers);
	assert_in_range(sockets.answers_chosen, 0, 1);
	/* What is shorter than a header is no query to the program; the sockets count it. */
	assert_int_equal(sum_passed(&x), did == DRIVER_PASSED && q->size >= DNS_HEADER_SIZE);
	if (did == DRIVER_PASSED) {
		memset(x.pass, 0, sizeof x.pass);
		for (size_t i = 0; i < DNS_X_N_STATS; i++)
			assert_int_equal(((uint64_t *)&x)[i], 0);
		return;
	}
	dns_xdp_add_stats(&x, &driver);
	/* The driver makes none. */
	sockets.signatures = 0;
	if (memcmp(&sockets, &driver, sizeof driver))
		for (size_t i = 0; i < sizeof driver / sizeof *to; i++) {
			static const char *const names[] = {
#define C(NAME, HELP) #NAME,
#include "dns/answer/counters.def"
#undef C
			};

			if (((uint64_t *)&sockets)[i] != ((uint64_t *)&driver)[i])
				wrong(j, "counter %s: %llu by the sockets, %llu by the driver", names[i],
				      (unsigned long long)((uint64_t *)&sockets)[i], (unsigned long long)((uint64_t *)&driver)[i]);
		}
}

/* Who makes a signature that the cache has lost since makes another: no two of ECDSA are alike. */
static bool
is_same(const struct question *q, const uint8_t *answer, size_t size, const struct outcome *o)
{
	return o->verdict == DNS_SEND && size == o->size &&
	       (!memcmp(answer, o->bytes, size) || question_same_but_signatures(q, answer, o->bytes, size));
}

/* To the driver and to the sockets, at the same moment and with the same draw. */
static void
ask(struct joint *j, const struct question *q, struct outcome *o)
{
	struct driver_frame f = { .port = 1024 + world_random(&j->world, 60000) };
	struct dns_counters before = j->ctx.counters;
	struct dns_x_stats x_before = *driver_stats();
	uint8_t answer[DNS_UDP_ROOM];
	size_t size = 0;

	j->ctx.draw = o->draw = world_random(&j->world, UINT64_MAX) | 1;
	f.draw = next_draw(j->ctx.draw);
	f.no_tail_room = world_random(&j->world, 4) == 0;
	driver_set_limited(j->ctx.n_limited);
	o->did = driver_ask(&q->client, &f, q->msg, q->size, answer, &size);
	ask_sockets(j->view, &j->ctx, q, o);
	check_counters(j, q, &before, &x_before, o->did);
	if (o->did == DRIVER_SENT && !is_same(q, answer, size, o))
		wrong(j, "asked %s\ndriver  %s\nsockets %s", question_hex(q->msg, q->size), question_hex(answer, size),
		      o->verdict == DNS_SEND ? question_hex(o->bytes, o->size) : "are silent");
	if (o->did == DRIVER_DROPPED && o->verdict != DNS_DROP)
		wrong(j, "asked %s: the driver dropped it, and the sockets did not", question_hex(q->msg, q->size));
	for (unsigned class = 0; class <= DNS_LIMIT_ERROR; class++) {
		uint32_t at = bucket_of(&q->client, class);

		/* In the daemon it is one table. */
		if (o->did == DRIVER_PASSED)
			driver_buckets()[at] = j->buckets[at];
		assert_int_equal(driver_buckets()[at], j->buckets[at]);
	}
	j->n_asked++;
	j->n_sent += o->did != DRIVER_PASSED;
}

/* --- answers ------------------------------------------------------------------------------------- */

/* For who looks into a failure. */
static void
print_state(const struct joint *j, unsigned policy)
{
	const struct world_policy *p = &j->world.policies[policy];
	const struct pol *pol = j->view->pol;

	for (unsigned i = 0; i < p->n_candidates; i++) {
		const struct world_pool *wp = &j->world.pools[p->candidates[i]];

		print_message("pool%u weight %u floor %u low %u high %u answer %u:", p->candidates[i], p->weights[i], wp->floor, wp->low,
			      wp->high, wp->answer);
		for (unsigned k = 0; k < wp->n_members; k++) {
			const struct pol_member *m = pol_member_at(pol, pol_pool_at(pol, p->candidates[i])->first_member + k);

			print_message(" m%u weight %u up %d drain %d load %g;", k, wp->members[k].weight, m->up, m->drain, m->load);
		}
		print_message("\n");
	}
}

/* The answer is one of those that the policy may give to this client. */
static void
check_meaning(struct joint *j, const struct question *q, const struct said *s)
{
	struct pol_addr place = question_place(q);
	char text[POL_PREFIX_STRLEN];
	struct world_want want;

	world_want(&j->world, j->view->pol, q->policy, &place, &want);
	if (s->members & ~want.may)
		print_state(j, q->policy);
	if (s->members & ~want.may)
		wrong(j, "policy%d for %s: members %06x, of which %06x may not%s", q->policy, pol_addr_format(&place, text), s->members,
		      s->members & ~want.may, want.all_down ? " (all are down)" : "");
	if (!s->members && want.may && (q->type == DNS_A || !want.no_v6))
		wrong(j, "policy%d for %s: nobody, and members %06x serve", q->policy, pol_addr_format(&place, text), want.may);
	if (s->n && s->ttl != q->ttl)
		wrong(j, "policy%d: TTL %u, not %u", q->policy, s->ttl, q->ttl);
	j->n_meant++;
}

/* No more bits than tell a client from everybody whom the map or the policy treats otherwise (docs/policy.md). */
static void
check_scope(struct joint *j, const struct question *q, const struct said *s)
{
	struct pol_addr place = question_place(q);
	char text[POL_PREFIX_STRLEN];
	unsigned least, most;

	world_scope(&j->world, q->policy, &place, &least, &most);
	if (s->scope < (int)least || s->scope > (int)most)
		wrong(j, "policy%d for %s: scope %d, not %u to %u", q->policy, pol_addr_format(&place, text), s->scope, least, most);
}

/* RFC 7871 section 7.3.1: a cache tells everybody inside the scope the same. */
static void
check_inside(struct joint *j, const struct question *q, const struct outcome *o, const struct said *s)
{
	bool any_draw = q->policy >= 0 && j->world.policies[q->policy].sticky;
	struct pol_addr place = question_place(q);
	unsigned bits = pol_family_bits(place.family);
	struct question other = *q;
	size_t opt = q->behind;

	if (s->scope > (int)bits)
		wrong(j, "scope %d", s->scope);
	for (int i = 0; i < 3; i++) {
		struct pol_addr a = place;
		unsigned at = s->scope + (i ? world_random(&j->world, bits) : 0);
		char text[2][POL_PREFIX_STRLEN];
		struct outcome o2;
		struct said s2;
		uint8_t *set;

		/* The first bit behind the scope, or others. */
		if (at < bits && at < 64)
			a.hi ^= 1ull << (63 - at);
		else if (at < bits)
			a.lo ^= 1ull << (127 - at);
		if (i == 2) {
			a.hi ^= world_random(&j->world, UINT64_MAX) & ~pol_mask_hi(s->scope) & pol_mask_hi(bits);
			if (bits > 64)
				a.lo ^= world_random(&j->world, UINT64_MAX) & ~pol_mask_lo(s->scope);
		}
		/* The same question with this option alone. */
		other.size = opt + 11 + question_put_subnet(other.msg + opt + 11, &a, bits);
		dns_put16(other.msg + opt + 9, other.size - opt - 11);
		ask_beside(j, &other, any_draw ? world_random(&j->world, UINT64_MAX) | 1 : o->draw, &o2);
		assert_int_equal(o2.verdict, DNS_SEND);
		set = o2.bytes;
		if (set[2] & DNS_TC >> 8)
			continue;
		question_read_answer(&other, o2.bytes, o2.size, &s2);
		if (s2.scope != s->scope || s2.opt_at != s->opt_at || s2.members != s->members || s2.n != s->n)
			wrong(j, "policy%d: %s is told members %06x, scope %d; %s, inside, members %06x, scope %d", q->policy,
			      pol_addr_format(&place, text[0]), s->members, s->scope, pol_addr_format(&a, text[1]), s2.members, s2.scope);
		j->n_inside++;
	}
}

/* The cookie comes back at once, late or too late, or from a clock that is ahead, and damaged. */
static void
ask_with_cookie(struct joint *j, struct question *q)
{
	static const int late_s[] = { 0, 0, 0, 1, 3599, 3600, 3601, 86400, -299, -300, -301 };
	int late = late_s[world_random(&j->world, sizeof late_s / sizeof late_s[0])];
	struct outcome o;

	if (!world_random(&j->world, 4))
		q->msg[q->behind + 11 + world_random(&j->world, q->size - q->behind - 11)] ^= 1 << world_random(&j->world, 8);
	set_clocks(j, late);
	ask(j, q, &o);
	set_clocks(j, 0);
}

static void
ask_one(struct joint *j)
{
	struct question q;
	struct outcome o;
	struct said s;

	question_make(&j->world, &q);
	ask(j, &q, &o);
	if (q.good && q.policy >= 0 && !q.is_other) {
		j->n_good++;
		j->n_good_sent += o.did != DRIVER_PASSED;
	}
	if (!q.good || o.verdict != DNS_SEND || (o.bytes[2] & DNS_TC >> 8))
		return;
	if ((q.policy >= 0 || q.is_hop) && (q.type == DNS_A || q.type == DNS_AAAA)) {
		assert_int_equal(o.bytes[3] & DNS_RCODE, DNS_NOERROR);
		question_read_answer(&q, o.bytes, o.size, &s);
		assert_int_equal(s.scope >= 0, q.has_subnet);
		if (q.has_subnet && !q.subnet_len)
			assert_int_equal(s.scope, 0);
		if (q.policy >= 0)
			check_meaning(j, &q, &s);
		if (q.policy >= 0 && q.has_subnet && q.subnet_len)
			check_scope(j, &q, &s);
		if (q.has_subnet && q.subnet_len)
			check_inside(j, &q, &o, &s);
		if (question_again(&q, o.bytes, o.size, &s))
			ask_with_cookie(j, &q);
	}
}

/* --- the tests ----------------------------------------------------------------------------------- */

static struct joint *now;

/* While data changes the driver answers nothing. */
static void
on_policy(bool after)
{
	struct question q;
	struct outcome o;

	driver_suspend();
	now->changed = true;
	if (after || !now->view)
		return;
	question_make(&now->world, &q);
	ask(now, &q, &o);
	assert_int_equal(o.did, DRIVER_PASSED);
}

static void
begin(struct joint *j, uint64_t seed)
{
	memset(j, 0, sizeof *j);
	j->world.rng = seed;
	now = j;
	driver_init();
	set_clocks(j, 0);
	j->health = pol_health_new("test");
	/* As a subscription that may fall silent. */
	j->feed = pol_feed_new(j->health, POL_FEED_LOCAL, "feed", NULL, 15000);
	j->limiter = dns_limiter_new(LIMIT);
	j->buckets = wf_xzalloc(DNS_X_BUCKETS * sizeof *j->buckets);
	dns_limiter_use_table(j->limiter, j->buckets);
	j->sign_cache = dns_sign_cache_new(4096);
	memset(j->up, true, sizeof j->up);
	world_make_map(&j->world);
	world_make_policies(&j->world);
	reload(j);
	dns_view_on_policy = on_policy;
}

static void
end(struct joint *j)
{
	dns_view_on_policy = NULL;
	pol_health_free(j->health);
	wf_rcu_drain();
	dns_view_free(j->view);
	dns_conf_free(j->conf);
	driver_done();
	dns_limiter_free(j->limiter);
	dns_sign_cache_free(j->sign_cache);
	free(j->buckets);
	for (int i = 0; i < 3; i++)
		wf_loop_turn();
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
driver_and_sockets_answer_what_the_policies_say(void **state)
{
	struct joint *j = wf_xmalloc(sizeof *j), sum = { 0 };
	double until = now_s() + seconds;
	unsigned n = 0;

	for (; n < WORLDS || now_s() < until; n++, first_seed++) {
		begin(j, first_seed * 0x9e3779b9);
		for (unsigned c = 0; c < CHANGES; c++) {
			for (unsigned i = 0; i < ASKED; i++)
				ask_one(j);
			change(j);
		}
		sum.n_asked += j->n_asked;
		sum.n_sent += j->n_sent;
		sum.n_good += j->n_good;
		sum.n_good_sent += j->n_good_sent;
		sum.n_meant += j->n_meant;
		sum.n_inside += j->n_inside;
		end(j);
	}
	print_message("%u worlds, %u questions, %u by the driver; of %u good ones for chosen names %u; %u answers held against the "
		      "policies, %u clients inside scopes\n",
		      n, sum.n_asked, sum.n_sent, sum.n_good, sum.n_good_sent, sum.n_meant, sum.n_inside);
	assert_true(sum.n_good_sent >= sum.n_good * 9 / 10);
	free(j);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_and_sockets_answer_what_the_policies_say),
	};
	static const char *const files[] = { "conf", "zone", "map", "rtt", "keys/Kexample.net.+013+55648.key",
					     "keys/Kexample.net.+013+55648.private" };
	char *keys;
	int rc;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seconds"))
			seconds = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--seed"))
			first_seed = strtoull(argv[i + 1], NULL, 0);
	}
	if (!mkdtemp(dir))
		return 1;
	keys = wf_xasprintf("%s/keys", dir);
	mkdir(keys, 0700);
	write_file("zone", question_zone);
	write_file(files[4], key_public);
	write_file(files[5], key_private);
	wf_rcu_register("main");
	wf_loop_init();
	wf_clock_stop();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char *path = wf_xasprintf("%s/%s", dir, files[i]);

		unlink(path);
		free(path);
	}
	rmdir(keys);
	rmdir(dir);
	free(keys);
	return rc;
}
