/* SPDX-License-Identifier: Apache-2.0 */
/* Cycles of one look-up in a flow table, by its rules: lowest and mean of many slices; random keys.
 *   ninja -C build tests/bench/bench_classifier && build/tests/bench/bench_classifier [NAME...]
 * A lone look-up waits for memory; look-ups of a walk follow each other the same way. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "base/rcu.h"
#include "dataplane/table_ahead.h"
#include "dataplane/view.h"

#define N_KEYS 65536u /* of each row, in a circle */
#define SLICE 2048u
#define MAX_TABLES 64

struct packet {
	uint32_t src, dst;
	uint16_t sport, dport;
};

static uint64_t state = 88172645463325252ull;

static uint32_t
draw(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * n >> 32);
}

static struct packet keys[N_KEYS];
static struct table tables[MAX_TABLES];
static unsigned n_tables;

static void
add(unsigned t, const struct of_match_full *m, uint32_t priority)
{
	struct rule *r = rule_new(m, priority, NULL, 0);

	table_add(&tables[t], r, view_next_version());
	rule_unref(r);
}

static void
match_ip(struct of_match_full *m)
{
	of_match_init_any(m);
	m->key.dl_type = htons(0x0800);
	m->mask.dl_type = 0xffff;
}

static void
set_addresses(struct of_match_full *m, const struct packet *p, unsigned src_len, unsigned dst_len)
{
	uint32_t src = src_len ? UINT32_MAX << (32 - src_len) : 0;
	uint32_t dst = dst_len ? UINT32_MAX << (32 - dst_len) : 0;

	m->key.nw_src = htonl(p->src & src);
	m->mask.nw_src = htonl(src);
	m->key.nw_dst = htonl(p->dst & dst);
	m->mask.nw_dst = htonl(dst);
}

static void
set_ports(struct of_match_full *m, const struct packet *p, uint16_t src, uint16_t dst)
{
	m->key.nw_proto = 17;
	m->mask.nw_proto = 0xff;
	m->key.tp_src = htons(p->sport & src);
	m->mask.tp_src = htons(src);
	m->key.tp_dst = htons(p->dport & dst);
	m->mask.tp_dst = htons(dst);
}

static struct packet
draw_packet(void)
{
	return (struct packet){ draw(UINT32_MAX), draw(UINT32_MAX), (uint16_t)draw(65536),
				(uint16_t)draw(65536) };
}

/* Every second rule is one that a key has, as far as keys go. */
static struct packet
draw_rule(unsigned i, unsigned n)
{
	struct packet p = draw_packet();

	if (n < N_KEYS)
		for (unsigned k = i; k < N_KEYS; k += n)
			keys[k] = p;
	else if (i < N_KEYS)
		keys[i] = p;
	return p;
}

static void
five_tuples(unsigned n)
{
	struct of_match_full m;

	for (unsigned i = 0; i < n; i++) {
		struct packet p = draw_rule(i, n);

		match_ip(&m);
		set_addresses(&m, &p, 32, 32);
		set_ports(&m, &p, 0xffff, 0xffff);
		add(0, &m, 10);
	}
	match_ip(&m);
	add(0, &m, 0);
	n_tables = 1;
}

static void
macs(unsigned n)
{
	struct of_match_full m;

	for (unsigned i = 0; i < n; i++) {
		struct packet p = draw_rule(i, n);

		of_match_init_any(&m);
		memcpy(m.key.dl_dst, &p.dst, 4);
		memset(m.mask.dl_dst, 0xff, 6);
		add(0, &m, 10);
	}
	n_tables = 1;
}

/* Of the lengths that routes of the Internet have, most are 24 long. */
static void
prefixes(unsigned n)
{
	static const uint8_t lens[16] = { 24, 24, 24, 24, 24, 24, 24, 24, 22, 22, 23, 20, 21, 19, 18, 16 };
	struct of_match_full m;

	for (unsigned i = 0; i < n; i++) {
		struct packet p = draw_rule(i, n);
		unsigned len = draw(64) ? lens[draw(16)] : 8 + draw(25);

		match_ip(&m);
		set_addresses(&m, &p, 0, len);
		add(0, &m, len);
	}
	match_ip(&m);
	add(0, &m, 0);
	n_tables = 1;
}

/* So many masks of both addresses and one port; priorities in no order, so that all are asked. */
static void
masks(unsigned n_masks, unsigned n_rules)
{
	struct of_match_full m;

	for (unsigned i = 0; i < n_rules; i++) {
		struct packet p = draw_rule(i, n_rules);
		unsigned k = i % n_masks;

		match_ip(&m);
		set_addresses(&m, &p, 12 + k % 20, 12 + k / 20 * 2);
		set_ports(&m, &p, 0, k & 1 ? 0xffff : 0);
		add(0, &m, 1 + draw(60000));
	}
	match_ip(&m);
	add(0, &m, 0);
	n_tables = 1;
}

/* As in a controller's pipeline: a rule that does not match, and one that takes all. */
static void
pipeline(unsigned n)
{
	struct of_match_full m;

	for (unsigned i = 0; i < N_KEYS; i++)
		keys[i] = draw_packet();
	for (unsigned t = 0; t < n; t++) {
		match_ip(&m);
		m.key.metadata = 1;
		m.mask.metadata = UINT64_MAX;
		m.key.regs[0] = m.mask.regs[0] = 0x100000;
		add(t, &m, 100);
		of_match_init_any(&m);
		add(t, &m, 0);
	}
	n_tables = n;
}

static void
set_key(struct of_key *key, const struct packet *p)
{
	key->nw_src = htonl(p->src);
	key->nw_dst = htonl(p->dst);
	key->tp_src = htons(p->sport);
	key->tp_dst = htons(p->dport);
	memcpy(key->dl_dst, &p->dst, 4);
}

/* Bursts of 32 whose buckets and rules are fetched ahead. */
static double
measure_ahead(struct of_key *key, uint64_t version)
{
	struct table_ahead ahead[32];
	uint64_t best = UINT64_MAX;
	unsigned at = 0;

	for (unsigned s = 0; s < 400; s++) {
		uint64_t start = rte_rdtsc();

		for (unsigned i = 0; i < SLICE; i += 32, at += 32) {
			for (unsigned k = 0; k < 32; k++) {
				set_key(key, &keys[(at + k) % N_KEYS]);
				table_fetch_buckets(&tables[0], key, &ahead[k]);
			}
			for (unsigned k = 0; k < 32; k++)
				table_fetch_rules(&ahead[k]);
			for (unsigned k = 0; k < 32; k++) {
				struct plan_step step;

				set_key(key, &keys[(at + k) % N_KEYS]);
				struct rule *r = table_lookup(&tables[0], key, version, NULL, &step, NULL);
				key->recirc_id = r ? r->priority : 0;
				asm volatile("lfence" : : "r"(key->recirc_id), "r"(step.stamp) : "memory");
			}
		}
		uint64_t t = rte_rdtsc() - start;
		best = t < best ? t : best;
	}
	return (double)best / SLICE;
}

static void
measure(const char *name, unsigned n_rules)
{
	struct of_key *key = calloc(1, sizeof *key);
	uint64_t best = UINT64_MAX, version, sum = 0;
	unsigned at = 0, n_hits = 0;
	struct plan_step step;

	view_publish(true);
	version = view_get()->version;
	for (unsigned i = N_KEYS - 1; i; i--) { /* in no order of memory */
		unsigned k = draw(i + 1);
		struct packet p = keys[i];

		keys[i] = keys[k];
		keys[k] = p;
	}
	key->dl_type = htons(0x0800);
	key->nw_proto = 17;
	key->metadata = 1;
	for (unsigned s = 0; s < 400; s++) {
		uint64_t start = rte_rdtsc();

		for (unsigned i = 0; i < SLICE; i++) {
			const struct packet *p = &keys[at++ % N_KEYS];

			set_key(key, p);
			for (unsigned t = 0; t < n_tables; t++) {
				struct rule *r = table_lookup(&tables[t], key, version, NULL, &step, NULL);

				n_hits += r && r->priority;
				/* The next one begins when this one is known, as in a walk. */
				key->recirc_id = r ? r->priority : 0;
				asm volatile("lfence" : : "r"(key->recirc_id), "r"(step.stamp) : "memory");
			}
		}
		uint64_t t = rte_rdtsc() - start;
		best = t < best ? t : best;
		sum += t;
	}
	printf("%-24s %8u rules %4u masks %8.0f lowest %8.0f mean %8.0f lowest fetched ahead"
	       "   %3.0f %% match  %6zu KB\n", name, n_rules, table_n_masks(&tables[0]),
	       (double)best / SLICE / n_tables, (double)sum / SLICE / n_tables / 400,
	       measure_ahead(key, version), 100.0 * n_hits / SLICE / 400 / n_tables,
	       table_memory(&tables[0]) / 1024);
	fflush(stdout);
	for (unsigned t = 0; t < n_tables; t++) {
		wf_rcu_drain();
		table_done(&tables[t]);
		table_init(&tables[t], (uint8_t)t);
	}
	free(key);
}

static bool
wanted(int argc, char *argv[], const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

int
main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*one)(unsigned);
		void (*two)(unsigned, unsigned);
		unsigned a, b;
	} rows[] = {
		{ "mac", macs, NULL, 1000, 0 },
		{ "mac", macs, NULL, 100000, 0 },
		{ "five-tuple", five_tuples, NULL, 1000, 0 },
		{ "five-tuple", five_tuples, NULL, 10000, 0 },
		{ "five-tuple", five_tuples, NULL, 100000, 0 },
		{ "five-tuple", five_tuples, NULL, 500000, 0 },
		{ "prefix", prefixes, NULL, 1000, 0 },
		{ "prefix", prefixes, NULL, 100000, 0 },
		{ "prefix", prefixes, NULL, 500000, 0 },
		{ "masks", NULL, masks, 4, 1000 },
		{ "masks", NULL, masks, 20, 1000 },
		{ "masks", NULL, masks, 200, 1000 },
		{ "masks", NULL, masks, 200, 100000 },
		{ "pipeline of 15", pipeline, NULL, 15, 0 },
		{ "pipeline of 50", pipeline, NULL, 50, 0 },
	};

	wf_rcu_register("main");
	view_init();
	for (unsigned t = 0; t < MAX_TABLES; t++)
		table_init(&tables[t], (uint8_t)t);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!wanted(argc, argv, rows[i].name))
			continue;
		if (rows[i].one)
			rows[i].one(rows[i].a);
		else
			rows[i].two(rows[i].a, rows[i].b);
		measure(rows[i].name, rows[i].two ? rows[i].b : rows[i].a);
	}
	return 0;
}
