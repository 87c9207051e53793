// SPDX-License-Identifier: Apache-2.0
/* What a map and a choice cost: load of N random prefixes with coordinates, classes for 12 sites,
 * look-ups of random addresses (each depends on the one before, so the time is latency), a change
 * of health. bench_policy [N_IPV4 [N_IPV6]] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "policy/policy.h"

static uint64_t state = 88172645463325252ull;

static uint64_t
rng(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
write_map(const char *path, unsigned n4, unsigned n6)
{
	FILE *f = fopen(path, "w");

	/* Every prefix once: the numbers count up, in mixed order. */
	for (unsigned i = 0; i < n4; i++) {
		uint32_t slot = (uint32_t)(i * 2654435761u) >> 8;
		unsigned len = 20 + i % 5;

		fprintf(f, "%u.%u.%u.0/%u r%u lat=%d lon=%d\n", slot >> 16, slot >> 8 & 255,
			(slot & 255) & (0xff00 >> (len - 16)) & 0xff, len, i % 8,
			(int)(rng() % 120) - 60, (int)(rng() % 340) - 170);
	}
	for (unsigned i = 0; i < n6; i++)
		fprintf(f, "2%03x:%x:%x::/48 r%u lat=%d lon=%d\n", i % 64, (i * 40503u) & 0xffff,
			i >> 10, i % 8, (int)(rng() % 120) - 60, (int)(rng() % 340) - 170);
	fclose(f);
}

/* Removes second ones of a prefix. */
static void
unique(const char *path)
{
	char *command = wf_xasprintf("sort -u -k1,1 -o %s %s", path, path);

	if (system(command))
		exit(1);
	free(command);
}

static long
rss_mb(void)
{
	long pages = 0, ignored;
	FILE *f = fopen("/proc/self/statm", "r");

	if (fscanf(f, "%ld %ld", &ignored, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE) >> 20;
}

int
main(int argc, char *argv[])
{
	unsigned n4 = argc > 1 ? atoi(argv[1]) : 300000, n6 = argc > 2 ? atoi(argv[2]) : 100000;
	char path[] = "/tmp/weft-bench-policy.XXXXXX";
	struct pol *pol = NULL;
	struct wf_err err;

	close(mkstemp(path));
	write_map(path, n4, n6);
	unique(path);

	json_t *pools = json_array();

	for (int i = 0; i < 12; i++)
		json_array_append_new(
			pools, json_pack("{s:o, s:s, s:s, s:[{s:s, s:[s]}]}", "name",
					 json_sprintf("site%d", i), "lat",
					 (const char *[]){ "50", "40", "-20", "10" }[i % 4], "lon",
					 (const char *[]){ "-100", "10", "130" }[i / 4], "member",
					 "name", "m", "address", "192.0.2.1"));
	json_t *conf = json_pack("{s:{s:[s]}, s:o, s:[{s:s, s:[s]}]}", "location", "map-file", path,
				 "pool", pools, "policy", "name", "near", "order", "nearest");
	double start = cpu_s();

	if (pol_build(conf, NULL, NULL, &pol, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	const struct loc_table *t = pol_table(pol);
	const struct pol_hot *hot = pol_policy_hot(pol_find(pol, "near"));

	printf("load      %.2f s CPU, %u locations, %u + %u prefixes, %u classes, %u rows\n",
	       cpu_s() - start, loc_db_n_locations(pol_location_db(pol)),
	       loc_db_n_prefixes(pol_location_db(pol), 4),
	       loc_db_n_prefixes(pol_location_db(pol), 6), t->n_classes, hot->view->n_rows);
	printf("memory    %.1f MB of tables (%u blocks, %u IPv6 starts, %u steps at most), %ld MB "
	       "resident\n",
	       t->bytes / 1e6, t->n_blocks4, t->n6, t->max_steps6, rss_mb());

	const unsigned n = 20000000;
	uint32_t mixed = 1;
	uint64_t sum = 0;

	start = cpu_s();
	for (unsigned i = 0; i < n; i++) {
		mixed = mixed * 1664525 + 1013904223 + pol_leaf_scope(loc_find4(t, mixed));
		sum += mixed;
	}
	printf("look-up   %.1f ns IPv4", (cpu_s() - start) / n * 1e9);
	start = cpu_s();
	for (unsigned i = 0; i < n / 10; i++) {
		mixed = mixed * 1664525 + 1013904223 +
			loc_find6(t, 0x2000000000000000ull + ((uint64_t)(mixed & 0x3fffff) << 26),
				  mixed);
		sum += mixed;
	}
	printf(", %.1f ns IPv6\n", (cpu_s() - start) / n * 1e10);
	start = cpu_s();
	for (unsigned i = 0; i < n; i++) {
		struct pol_addr a = { (uint64_t)mixed << 32, 0, 4 };
		unsigned scope;

		mixed = mixed * 1664525 + 1013904223 +
			pol_choose(hot, loc_find4(t, mixed), &a, mixed >> 24, &scope);
		sum += scope;
	}
	printf("choose    %.1f ns IPv4, look-up included\n", (cpu_s() - start) / n * 1e9);
	start = cpu_s();
	for (int i = 0; i < 100; i++) {
		pol_set_up(pol, "site1", "m", i & 1);
		pol_commit(pol);
	}
	printf("change    %.3f ms for one member of %u rows\n", (cpu_s() - start) / 100 * 1e3,
	       hot->view->n_rows);
	unlink(path);
	pol_free(pol);
	json_decref(conf);
	return sum == 42;
}
