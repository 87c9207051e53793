// SPDX-License-Identifier: Apache-2.0
/* oracle: random flows, configurations and packets through the packet path and through an
 * interpreter that does the obvious; every packet that leaves a port or goes to the controller
 * must be equal byte for byte, and in the end every counter.
 *
 *   oracle [--seed N] [--epochs N] [--cases N] [--seconds S] [--workers N] [--verbose]
 *          [--without FEATURE|all]... [--with FEATURE]... [--check-often] [--keep-going]
 *
 * --check-often compares the counters after each burst, to find where they part.
 * --keep-going goes on with the next epoch when one fails.
 * An epoch begins with empty tables and caches and has a seed of its own: --seed of a failure's
 * epoch and --epochs 1 repeat it.  Without --workers packets run on this thread; with it two
 * scenes are served by N workers while a third one changes under their hands. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/worker.h"
#include "tests/oracle/rig.h"

#define ROUNDS_PER_EPOCH 8
#define POOL 24

static struct {
	uint64_t seed, max_cases, max_epochs;
	double seconds;
	unsigned workers;
	bool verbose, check_often, keep_going;
	unsigned without;
} opt = { .seed = 1, .max_cases = UINT64_MAX, .max_epochs = UINT64_MAX };

static uint64_t n_cases, n_undefined, n_rounds, n_rules_hit, n_outputs;

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

struct pool {
	struct oframe f[POOL];
	uint8_t from[POOL];
	unsigned features;
};

static unsigned
draw_features(void)
{
	unsigned features = 0;

	for (unsigned i = 0; i < N_FEATURES; i++)
		if (!draw(3))
			features |= 1u << i;
	/* What is random at every step must not hide the rest. */
	if (draw(3))
		features &= ~(unsigned)HAS_PORT_CONFIG;
	/* Learning happens in the walk, what refreshes is done to the packet: when a meter has dropped
	 * it in between, they differ. */
	if (features & HAS_METERS)
		features &= ~(unsigned)HAS_LEARN;
	/* Not drawn together: mirrors, and VLAN modes, odd frames and paused packets.  A mirror's copy
	 * that learns in another bridge comes later than the packet. */
	if (features & HAS_ODD_FRAMES)
		/* Remarks write into damaged headers. */
		features &= ~(unsigned)(HAS_METERS | HAS_VLAN_MODES);
	if (features & HAS_MIRRORS)
		features &= ~(unsigned)(HAS_VLAN_MODES | HAS_PAUSE | HAS_LEARN | HAS_ODD_FRAMES);
	return features & ~opt.without;
}

static void
begin_round(struct scene *s, struct pool *p)
{
	p->features = draw_features();
	draw_scene(s, p->features);
	for (unsigned i = 0; i < POOL; i++) {
		draw_frame(&p->f[i], p->features);
		p->from[i] = (uint8_t)draw(N_WIRES);
	}
}

/* All of a burst come in by one port: their order is known.  After a learn action the next
 * packet must wait for main. */
static void
draw_burst(struct scene *s, const struct pool *p)
{
	unsigned n = p->features & (HAS_LEARN | HAS_PAUSE) ? 1 : 1 + draw(BURST_CASES);
	unsigned mine[POOL], n_mine = 0;

	s->from = draw(N_WIRES);
	for (unsigned i = 0; i < POOL; i++)
		if (p->from[i] == s->from)
			mine[n_mine++] = i;
	s->n_cases = n;
	for (unsigned i = 0; i < n; i++) {
		unsigned which = n_mine && draw(8) ? mine[draw(n_mine)] : draw(POOL);

		s->cases[i] = p->f[which];
		if (!draw(8))
			draw_mutation(&s->cases[i]);
	}
}

static bool
finish_burst(struct scene *s)
{
	n_cases += s->n_cases;
	n_outputs += s->want.n;
	n_rules_hit += s->want.n_rules_hit;
	s->want.n_rules_hit = 0;
	if (s->want.undefined) {
		/* A walk that failed leaves undone what it cannot; which part is not defined. */
		n_undefined += s->n_cases;
		scene_drain(s);
		return true;
	}
	return scene_compare(s);
}

static bool
round_on_one_thread(struct pool *pools)
{
	struct scene *s = &scenes[0];
	unsigned bursts;
	bool expires;

	begin_round(s, pools);
	bursts = pools->features & (HAS_LEARN | HAS_PAUSE) ? 600 : 120;
	expires = pools->features & HAS_LEARN && pools->features & HAS_TIMEOUTS;
	rig_barrier();
	for (unsigned i = 0; i < bursts; i++) {
		draw_burst(s, pools);
		scene_send(s);
		rig_run();
		if (!finish_burst(s))
			return false;
		if (s->want.undefined)
			return true; /* state is not known any more */
		if (opt.check_often && !scene_compare_totals(s))
			return false;
		if (!draw(s->n_cases > 1 ? 4 : 30)) {
			draw_change(s, pools->features);
			rig_barrier();
		}
		if (!draw(pools->features & (HAS_TIMEOUTS | HAS_METERS) ? 6 : 60))
			rig_warp(1 + draw(draw(4) ? 300 : 1500));
		/* Flows that go too early are learned again by the next packet. */
		if (expires && !draw(8) && !scene_compare_totals(s))
			return false;
	}
	return scene_compare_totals(s);
}

/* Two scenes forward while a third one, and now and then they themselves, change. */
static bool
round_on_workers(struct pool *pools)
{
	bool defined[MAX_SCENES], same = true;

	for (unsigned i = 0; i < n_scenes; i++) {
		begin_round(&scenes[i], &pools[i]);
		defined[i] = true;
	}
	rig_barrier();
	for (unsigned n = 0; n < 100 && same; n++) {
		for (unsigned i = 0; i < 2; i++) {
			draw_burst(&scenes[i], &pools[i]);
			if (defined[i])
				scene_send(&scenes[i]);
		}
		/* Under way. */
		for (unsigned k = draw(4); k; k--) {
			draw_change(&scenes[2], pools[2].features);
			of_publish();
			if (draw(2))
				wf_loop_turn();
		}
		rig_run();
		for (unsigned i = 0; i < 2; i++) {
			if (!defined[i])
				continue;
			same = finish_burst(&scenes[i]) && same;
			defined[i] = !scenes[i].want.undefined;
		}
		for (unsigned i = 0; i < 2; i++)
			if (!draw(4))
				draw_change(&scenes[i], pools[i].features);
		rig_barrier();
		if (!draw(6))
			rig_warp(1 + draw(draw(4) ? 300 : 1500));
	}
	for (unsigned i = 0; i < 2 && same; i++)
		same = !defined[i] || scene_compare_totals(&scenes[i]);
	return same;
}

static bool
epoch(uint64_t seed)
{
	static struct pool pools[MAX_SCENES];
	bool same = true;

	draw_seed(seed);
	rig_forget_flows();
	for (unsigned r = 0; r < ROUNDS_PER_EPOCH && same; r++, n_rounds++) {
		same = opt.workers ? round_on_workers(pools) : round_on_one_thread(pools);
		if (!same) {
			fprintf(stderr, "features of the scenes:");
			for (unsigned i = 0; i < n_scenes; i++) {
				for (unsigned f = 0; f < N_FEATURES; f++)
					if (pools[i].features >> f & 1)
						fprintf(stderr, " %s", feature_names[f]);
				fprintf(stderr, i + 1 < n_scenes ? ";" : "\n");
			}
		}
		for (unsigned i = 0; i < n_scenes; i++)
			scene_clear(&scenes[i]);
		rig_narrow_key();
	}
	return same;
}

static unsigned
named_features(const char *name)
{
	unsigned set = 0;

	for (unsigned i = 0; i < N_FEATURES; i++)
		if (!strcmp(name, feature_names[i]) || !strcmp(name, "all"))
			set |= 1u << i;
	if (!set) {
		fprintf(stderr, "oracle: no feature '%s'\n", name);
		exit(2);
	}
	return set;
}

static void
parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },    { "epochs", required_argument, NULL, 'e' },
		{ "cases", required_argument, NULL, 'c' },   { "seconds", required_argument, NULL, 't' },
		{ "workers", required_argument, NULL, 'w' }, { "verbose", no_argument, NULL, 'v' },
		{ "without", required_argument, NULL, 'x' },
		{ "check-often", no_argument, NULL, 'o' },
		{ "keep-going", no_argument, NULL, 'k' },
		{ "with", required_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 },
	};
	bool limited = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		limited |= c == 'e' || c == 'c' || c == 't';
		switch (c) {
		case 's': opt.seed = strtoull(optarg, NULL, 0); break;
		case 'e': opt.max_epochs = strtoull(optarg, NULL, 0); break;
		case 'c': opt.max_cases = strtoull(optarg, NULL, 0); break;
		case 't': opt.seconds = atof(optarg); break;
		case 'w': opt.workers = (unsigned)atoi(optarg); break;
		case 'v': opt.verbose = true; break;
		case 'o': opt.check_often = true; break;
		case 'k': opt.keep_going = true; break;
		case 'x':
			opt.without |= named_features(optarg);
			break;
		case 'y':
			opt.without &= ~named_features(optarg);
			break;
		default: exit(2);
		}
	}
	if (!limited)
		opt.max_cases = 100000;
}

/* A run says something only if it met what there is to meet: most packets the cache, and each
 * operation.  (Short ones cannot.  pop_pbb is drawn, but no rule with it is ever met.) */
#define CASES_THAT_MUST_MEET_ALL 3000000

static bool
met_enough(const struct worker_totals *t)
{
	static const enum of_action_type drawn[] = {
		OF_A_OUTPUT, OF_A_OUTPUT_TRUNC, OF_A_OUTPUT_REG, OF_A_CONTROLLER, OF_A_GROUP,
		OF_A_RESUBMIT, OF_A_GOTO_TABLE, OF_A_CLONE, OF_A_WRITE_ACTIONS, OF_A_CLEAR_ACTIONS,
		OF_A_WRITE_METADATA, OF_A_EXIT, OF_A_SET_FIELD, OF_A_REG_MOVE, OF_A_STACK_PUSH,
		OF_A_STACK_POP, OF_A_SET_ETH_SRC, OF_A_SET_ETH_DST, OF_A_SET_IPV4_SRC,
		OF_A_SET_IPV4_DST, OF_A_SET_IP_DSCP, OF_A_SET_IP_ECN, OF_A_SET_IP_TTL, OF_A_SET_L4_SRC,
		OF_A_SET_L4_DST, OF_A_SET_VLAN_VID, OF_A_SET_VLAN_PCP, OF_A_PUSH_VLAN,
		OF_A_STRIP_VLAN, OF_A_PUSH_MPLS, OF_A_POP_MPLS, OF_A_PUSH_PBB,
		OF_A_DEC_TTL, OF_A_DEC_MPLS_TTL, OF_A_METER, OF_A_LEARN, OF_A_MULTIPATH, OF_A_BUNDLE,
		OF_A_NOTE,
	};
	unsigned n = sizeof drawn / sizeof drawn[0], n_met = 0;
	bool must = n_cases >= CASES_THAT_MUST_MEET_ALL && !opt.without, enough = true;

	for (unsigned i = 0; i < n; i++) {
		n_met += oracle_coverage[drawn[i]] != 0;
		if (must && !oracle_coverage[drawn[i]]) {
			printf("never met: %s\n", of_action_name(drawn[i]));
			enough = false;
		}
	}
	uint64_t all = t->hits + t->misses;

	printf("%.1f %% of %llu look-ups met the cache, %.1f %% of the others walks that are kept; %u of "
	       "%u kinds of action were carried out\n",
	       all ? 100.0 * (double)t->hits / (double)all : 0, (unsigned long long)all,
	       t->misses ? 100.0 * (double)t->remembered / (double)t->misses : 0, n_met, n);
	return enough && (!must || (t->hits >= t->misses && t->remembered >= t->misses / 50));
}

static void
print_coverage(void)
{
	for (unsigned i = 0; i < OF_N_ACTION_TYPES; i++)
		if (oracle_coverage[i])
			printf("%12llu %s\n", (unsigned long long)oracle_coverage[i],
			       of_action_name((enum of_action_type)i));
}

int
main(int argc, char **argv)
{
	struct worker_totals totals;
	uint64_t done = 0, n_failed = 0;
	double start = now_s();
	bool same = true, enough;

	/* Choices by hash must come out the same each time. */
	if (!getenv("WEFT_HASH_SEED")) {
		setenv("WEFT_HASH_SEED", "1", 1);
		execv("/proc/self/exe", argv);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	printf("oracle: seed %llu, %s\n", (unsigned long long)opt.seed,
	       opt.workers ? "on workers" : "on one thread");
	rig_init(opt.workers ? 3 : 1, opt.workers);
	while ((same || opt.keep_going) && done < opt.max_epochs && n_cases < opt.max_cases &&
	       (!opt.seconds || now_s() - start < opt.seconds)) {
		same = epoch(opt.seed + done);
		n_failed += !same;
		if (!same)
			fprintf(stderr, "again: oracle --seed %llu --epochs 1%s\n",
				(unsigned long long)(opt.seed + done),
				opt.workers ? " --workers 2" : "");
		done++;
		if (opt.verbose)
			printf("epoch %llu: %llu cases\n", (unsigned long long)done,
			       (unsigned long long)n_cases);
	}
	rig_lookups(&totals);
	printf("%llu cases in %llu rounds, %.1f s; %llu outputs, %llu rules hit, %llu cases not defined\n",
	       (unsigned long long)n_cases, (unsigned long long)n_rounds, now_s() - start,
	       (unsigned long long)n_outputs, (unsigned long long)n_rules_hit,
	       (unsigned long long)n_undefined);
	enough = met_enough(&totals);
	if (opt.verbose)
		print_coverage();
	rig_done();
	if (n_failed)
		printf("DIFFERENT in %llu of %llu epochs\n", (unsigned long long)n_failed,
		       (unsigned long long)done);
	else
		printf(enough ? "no difference\n" : "no difference, but TOO LITTLE was met\n");
	return n_failed || !enough ? 1 : 0;
}
