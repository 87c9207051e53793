// SPDX-License-Identifier: Apache-2.0
/* The classifier against a search through a list, while rules come and go; and what a reader finds
 * meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "dataplane/rule.h"
#include "dataplane/view.h"
#include "openflow/action.h"

#define N_RULES 6000

static uint64_t state;

static unsigned
draw(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

static struct table table;
static struct rule *rules[N_RULES]; /* those that the next version has */
static unsigned n_rules;

/* Few values, so that rules and keys meet; 'wide' has many, so that buckets fill and arrays grow. */
static void
draw_key(struct of_key *k, bool wide)
{
	unsigned n = wide ? 4000 : 4;

	memset(k, 0, sizeof(*k));
	k->metadata = draw(2);
	k->in_port = 1 + draw(3);
	k->dl_type = htons(draw(8) ? 0x0800 : 0x86dd);
	k->nw_src = htonl(0x0a000000 | draw(n));
	k->nw_dst = htonl(0x14000000 | draw(n) << 8 | draw(4));
	k->nw_proto = draw(4) ? 6 : 17;
	k->tp_src = htons((uint16_t)draw(4));
	k->tp_dst = htons((uint16_t)draw(n));
	k->regs[3] = draw(3);
	k->dl_dst[5] = (uint8_t)draw(3);
}

static void
draw_match(struct of_match_full *m, bool wide)
{
	struct of_key key, *mask = &m->mask;
	uint64_t *value = of_key_words(&m->key);

	draw_key(&key, wide);
	of_match_init_any(m);
	if (draw(40)) { /* else everything: what all masks but the empty one have in common */
		mask->dl_type = 0xffff;
		if (draw(wide ? 40 : 2))
			mask->nw_src = htonl(UINT32_MAX << draw(wide ? 2 : 6));
		if (draw(2))
			mask->nw_dst = htonl(UINT32_MAX << draw(wide ? 2 : 12));
		if (!draw(3))
			mask->tp_dst = 0xffff;
		if (!draw(wide ? 100 : 4))
			mask->metadata = UINT64_MAX;
		if (!draw(wide ? 100 : 5)) { /* long masks */
			mask->in_port = UINT32_MAX;
			mask->nw_proto = 0xff;
			mask->regs[3] = 3;
			memset(mask->dl_dst, 0xff, 6);
		}
	}
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		value[i] = of_key_words(&key)[i] & of_key_words(mask)[i];
}

static void
add_rule(bool wide)
{
	struct of_match_full m;
	uint32_t priority = draw(5);

	draw_match(&m, wide);
	struct rule *r = rule_new(&m, priority, NULL, 0);
	struct rule *old = table_find(&table, r->match, priority, view_next_version());

	if (old) {
		table_remove(&table, old, view_next_version());
		for (unsigned i = 0; i < n_rules; i++)
			if (rules[i] == old)
				rules[i--] = rules[--n_rules];
	}
	table_add(&table, r, view_next_version());
	rule_unref(r);
	rules[n_rules++] = r;
}

static void
del_rule(void)
{
	unsigned i = draw(n_rules);

	table_remove(&table, rules[i], view_next_version());
	rules[i] = rules[--n_rules];
}

/* As add_rule(), but it never was. */
static void
undo_rule(void)
{
	struct of_match_full m;

	draw_match(&m, false);
	struct rule *r = rule_new(&m, 10, NULL, 0);

	table_add(&table, r, view_next_version());
	rule_unref(r);
	table_undo_add(&table, r);
}

static void
check(const struct of_key *key)
{
	struct rule *found = table_lookup(&table, key, view_get()->version, NULL, NULL, NULL);
	struct of_key wc = { 0 };
	uint32_t best = 0;
	bool any = false;

	for (unsigned i = 0; i < n_rules; i++)
		if (of_match_covers(rules[i]->match, key)) {
			any = true;
			best = rules[i]->priority > best ? rules[i]->priority : best;
		}
	assert_int_equal(found != NULL, any);
	if (found) {
		assert_true(of_match_covers(found->match, key));
		assert_int_equal(found->priority, best);
		assert_true(rule_is_visible(found, view_get()->version));
	}
	assert_ptr_equal(table_lookup(&table, key, view_get()->version, NULL, NULL, &wc) == NULL,
			 found == NULL);
}

static bool
count(struct rule *r, void *n)
{
	++*(unsigned *)n;
	return true;
}

static void
model(bool wide, unsigned n_steps, unsigned most)
{
	state = 20260723 + wide;
	table_init(&table, 3);
	for (unsigned step = 0; step < n_steps; step++) {
		unsigned n = 0;

		/* Growing, shrinking, and a change for each publication now and then. */
		for (unsigned k = draw(4) ? draw(30) : 1; k; k--) {
			if (n_rules < most && (!n_rules || draw(10) < (step / 150 % 2 ? 3 : 8)))
				add_rule(wide);
			else
				del_rule();
			if (!draw(10))
				undo_rule();
		}
		view_publish(true);
		for (unsigned k = 0; k < 20; k++) {
			struct of_key key;

			draw_key(&key, wide);
			check(&key);
			if (n_rules) { /* one that some rule has */
				struct of_match_full m;

				of_match_unpack(rules[draw(n_rules)]->match, &m);
				check(&m.key);
			}
		}
		table_for_each(&table, NULL, view_get()->version, count, &n);
		assert_int_equal(n, n_rules);
		if (!draw(5)) {
			wf_rcu_drain();
			wf_rcu_quiescent();
		}
	}
	/* All gone: nothing is left of masks. */
	while (n_rules)
		del_rule();
	view_publish(true);
	wf_rcu_drain();
	assert_int_equal(table_n_masks(&table), 0);
	table_done(&table);
}

static void
finds_what_a_list_finds(void **unused)
{
	model(false, 1500, 300);
}

static void
finds_it_in_large_tables(void **unused)
{
	model(true, 600, 3500);
}

/* --- Answers for other ports and destinations ------------------------------------------------ */

#define N_ANSWERS 200

struct answer {
	struct of_key key;
	uint64_t needed;
	unsigned n_steps;
	struct plan_step steps[TABLE_STEPS];
	struct rule *rule;
	uint64_t version;
};

static uint16_t
draw_port(void)
{
	return (uint16_t)(draw(6) ? draw(12) << 12 | draw(3) : draw(65536));
}

#define N_SUBNETS 30

static void
draw_dst(struct of_key *key, bool is_v6)
{
	uint32_t subnet = draw(N_SUBNETS), host = draw(3);

	key->dl_type = htons(is_v6 ? 0x86dd : 0x0800);
	if (is_v6) {
		key->ipv6_dst.s6_addr[7] = (uint8_t)subnet;
		key->ipv6_dst.s6_addr[15] = (uint8_t)host;
	} else {
		key->nw_dst = htonl(0x0a000000 | subnet << 8 | host);
	}
}

/* Mostly routes to hosts, which the table is divided by; and some of all lengths, and with ports. */
static void
draw_with_dst(struct of_match_full *m, bool is_v6)
{
	struct in6_addr *mask6 = &m->mask.ipv6_dst;

	of_match_init_any(m);
	m->mask.dl_type = 0xffff;
	draw_dst(&m->key, is_v6 != !draw(50));
	if (m->key.dl_type == htons(0x0800)) {
		m->mask.nw_dst = htonl(draw(16)   ? UINT32_MAX
				       : draw(10) ? UINT32_MAX << draw(25)
						  : 0xff0000ff);
		m->key.nw_dst &= m->mask.nw_dst;
	} else {
		memset(mask6, 0xff, draw(16) ? 16 : draw(17));
		for (unsigned i = 0; i < 16; i++)
			m->key.ipv6_dst.s6_addr[i] &= mask6->s6_addr[i];
	}
	if (!draw(20)) {
		m->mask.tp_dst = htons((uint16_t)(0xffffu << draw(17)));
		m->key.tp_dst = htons(draw_port()) & m->mask.tp_dst;
	}
}

static void
draw_with_dst4(struct of_match_full *m)
{
	draw_with_dst(m, false);
}

static void
draw_with_dst6(struct of_match_full *m)
{
	draw_with_dst(m, true);
}

/* Few addresses, many ports; most masks have a whole port. */
static void
draw_with_ports(struct of_match_full *m)
{
	of_match_init_any(m);
	m->mask.dl_type = 0xffff;
	m->key.dl_type = htons(0x0800);
	m->mask.nw_src = UINT32_MAX;
	m->mask.tp_dst = 0xffff;
	if (!draw(10)) { /* else what the table is divided by */
		m->mask.nw_src = draw(2) ? UINT32_MAX : 0;
		m->mask.tp_dst = htons((uint16_t)(0xffffu << draw(17)));
		m->mask.tp_src = htons((uint16_t)(0xffffu << draw(17)));
	}
	m->key.nw_src = htonl(draw(3)) & m->mask.nw_src;
	m->key.tp_dst = htons(draw_port()) & m->mask.tp_dst;
	m->key.tp_src = htons(draw_port()) & m->mask.tp_src;
}

static bool
answer_holds(const struct answer *a)
{
	for (unsigned i = 0; i < a->n_steps; i++)
		if (atomic_load(a->steps[i].stamp) > a->version ||
		    atomic_load(a->steps[i].stamp2) > a->version)
			return false;
	return true;
}

static void
answer_is_checked(const struct answer *a)
{
	for (unsigned k = 0; k < 10; k++) {
		struct of_key key = a->key;
		uint16_t src = (uint16_t)(a->needed >> 16), dst = (uint16_t)a->needed;

		key.tp_src = (key.tp_src & htons(src)) | (htons(draw_port()) & (uint16_t)~htons(src));
		key.tp_dst = (key.tp_dst & htons(dst)) | (htons(draw_port()) & (uint16_t)~htons(dst));
		if (!(a->needed & SPARE_DST)) {
			key.nw_dst = (key.nw_dst & htonl(0xffffff00)) |
				     htonl(draw(2) ? draw(3) : draw(256));
			memset(key.ipv6_dst.s6_addr + 8, draw(4) ? 0 : (int)draw(256), 8);
			key.ipv6_dst.s6_addr[15] = (uint8_t)draw(3);
		}
		assert_ptr_equal(table_lookup(&table, &key, view_get()->version, NULL, NULL, NULL),
				 a->rule);
	}
}

/* As long as their stamps say nothing else; and it is not for nothing. */
static void
answers_hold(void (*draw_match)(struct of_match_full *), unsigned max_rules, uint8_t table_id)
{
	static struct answer answers[N_ANSWERS];
	unsigned n_checked = 0, n_left_out = 0, n_extra = 0, n_cut = 0;
	uint32_t priority = 1;

	state = 7;
	n_rules = 0;
	memset(answers, 0, sizeof answers);
	table_init(&table, table_id);
	wf_clock_stop();
	for (unsigned step = 0; step < 3000; step++) {
		/* Rules with ports that come often, and those that come seldom. */
		wf_clock_warp(step / 500 % 3 ? 5000 : 1);
		for (unsigned k = draw(3) + 1; k; k--) {
			struct of_match_full m;

			if (n_rules > max_rules || (n_rules && !draw(3))) {
				del_rule();
				continue;
			}
			draw_match(&m);
			/* No two of them have one priority: it is never open which wins. */
			priority = (priority + 7919) % 60013;
			struct rule *r = rule_new(&m, priority, NULL, 0);

			table_add(&table, r, view_next_version());
			rule_unref(r);
			rules[n_rules++] = r;
		}
		view_publish(true);
		for (unsigned i = 0; i < N_ANSWERS; i++)
			if (answers[i].version && answer_holds(&answers[i])) {
				answer_is_checked(&answers[i]);
				n_checked++;
			} else {
				answers[i].version = 0;
			}
		for (unsigned k = 0; k < 20; k++) {
			struct answer *a = &answers[draw(N_ANSWERS)];

			*a = (struct answer){ .version = view_get()->version };
			draw_dst(&a->key, draw_match == draw_with_dst6);
			a->key.nw_src = htonl(draw(3));
			a->key.tp_src = htons(draw_port());
			a->key.tp_dst = htons(draw_port());
			a->n_steps = table_lookup_spare(&table, &a->key, a->version, &a->rule,
							a->steps, &a->needed);
			assert_ptr_equal(a->rule, table_lookup(&table, &a->key, a->version, NULL,
							       NULL, NULL));
			n_left_out += !(a->needed & 0x0fff0fff);
			n_cut += !(a->needed & SPARE_DST);
			n_extra += a->n_steps > 1;
			answer_is_checked(a);
		}
		if (!draw(5)) {
			wf_rcu_drain();
			wf_rcu_quiescent();
		}
	}
	assert_true(n_checked > 2000);
	assert_true(n_left_out > 500);
	assert_true(n_extra > 500 || draw_match != draw_with_ports);
	assert_true(n_cut > 500);
	while (n_rules)
		del_rule();
	view_publish(true);
	wf_rcu_drain();
	table_done(&table);
}

static void
answers_hold_for_ports_left_out(void **unused)
{
	answers_hold(draw_with_ports, 40, 5);
}

/* Few rules, so that there are subnets without long prefixes; and more of them than there is room for at first. */
static void
answers_hold_for_destinations_left_out(void **unused)
{
	answers_hold(draw_with_dst4, 8, 6);
	answers_hold(draw_with_dst4, 60, 7);
	answers_hold(draw_with_dst6, 8, 8);
	answers_hold(draw_with_dst6, 60, 9);
}

/* --- A reader meanwhile ------------------------------------------------------------------ */

#define N_STABLE 500

static _Atomic bool stop;
static _Atomic unsigned n_missed, n_rounds;
static struct of_key stable_keys[N_STABLE];
static uint32_t stable_priorities[N_STABLE];

static void *
reader(void *unused)
{
	wf_rcu_register("reader");
	while (!atomic_load(&stop)) {
		uint64_t version = view_get()->version;

		for (unsigned i = 0; i < N_STABLE; i++) {
			struct plan_step step;
			struct rule *r = table_lookup(&table, &stable_keys[i], version, NULL, &step, NULL);

			if (!r || r->priority != stable_priorities[i])
				atomic_fetch_add(&n_missed, 1);
		}
		atomic_fetch_add(&n_rounds, 1);
		wf_rcu_quiescent();
	}
	wf_rcu_unregister();
	return NULL;
}

static void
readers_never_miss_a_rule(void **unused)
{
	struct of_match_full m;
	pthread_t thread;

	state = 99;
	table_init(&table, 4);
	for (unsigned i = 0; i < N_STABLE; i++) {
		of_match_init_any(&m);
		m.mask.dl_type = 0xffff;
		m.key.dl_type = htons(0x0800);
		m.mask.nw_src = UINT32_MAX;
		m.key.nw_src = htonl(i);
		if (i % 3) {
			m.mask.tp_src = UINT16_MAX;
			m.key.tp_src = htons(7);
		}
		stable_keys[i] = m.key;
		stable_keys[i].tp_src = htons(7);
		stable_priorities[i] = 100 + i % 7;
		struct rule *r = rule_new(&m, stable_priorities[i], NULL, 0);
		table_add(&table, r, view_next_version());
		rule_unref(r);
	}
	view_publish(true);
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	/* Rules of the same masks and of others, below those: arrays grow, masks come and go. */
	for (unsigned step = 0; step < 400 || atomic_load(&n_rounds) < 20; step++) {
		for (unsigned k = 0; k < 20; k++) {
			of_match_init_any(&m);
			m.mask.dl_type = 0xffff;
			m.key.dl_type = htons(0x0800);
			m.mask.nw_src = htonl(UINT32_MAX << (draw(3) ? 0 : draw(20)));
			m.key.nw_src = htonl(draw(3000)) & m.mask.nw_src;
			uint32_t priority = 1 + draw(90);
			struct rule *r = rule_new(&m, priority, NULL, 0);
			struct rule *old = table_find(&table, r->match, priority, view_next_version());

			if (old)
				table_remove(&table, old, view_next_version());
			table_add(&table, r, view_next_version());
			rule_unref(r);
			if (draw(2))
				table_remove(&table, r, view_next_version());
		}
		view_publish(true);
		wf_rcu_run();
		wf_rcu_quiescent();
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(n_missed, 0);
	wf_rcu_drain();
	table_done(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_a_list_finds),
		cmocka_unit_test(finds_it_in_large_tables),
		cmocka_unit_test(answers_hold_for_ports_left_out),
		cmocka_unit_test(answers_hold_for_destinations_left_out),
		cmocka_unit_test(readers_never_miss_a_rule),
	};

	wf_rcu_register("main");
	view_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
