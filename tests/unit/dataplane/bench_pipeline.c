/* SPDX-License-Identifier: Apache-2.0 */
/* Cycles per packet of the packet path alone (best of many slices): parse, cache, plan, transmit batch; 60-byte frames
 * from a trace, one thread, no port.  Not run by the tests:
 *   ninja -C build tests/unit/dataplane/bench_pipeline && build/.../bench_pipeline [FLOWS...]
 * "io" is what the rest stands on: allocate, copy the frame, free. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/cache.h"
#include "dataplane/run.h"
#include "packets.h"
#include "test_plan.h"

static struct runner rn;
static struct port in_port, out_port;
static uint32_t out_generation;
static struct counter credit;

struct plan *__wrap_translate(const struct xlate_in *);
struct plan *
__wrap_translate(const struct xlate_in *in)
{
	struct wf_buf b = WF_BUF_INIT;
	struct plan *p;

	op_output(&b, out_port.slot, out_generation);
	p = plan_of(&b);
	plan_credits(p, &credit);
	return p;
}

static unsigned
swallow(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	pkt_free_bulk(pkts, n);
	return n;
}

static const struct port_class sink = { .type = "sink", .tx = swallow };

static struct frame {
	uint8_t b[64];
} *trace;

static void
make_trace(unsigned n, bool macs)
{
	free(trace);
	trace = aligned_alloc(64, n * sizeof(*trace));
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = packet_make(&(struct packet_spec){
			.proto = IPPROTO_UDP, .payload = 18, .seed = macs ? 1 : i });

		if (macs)
			memcpy(pkt_data(m) + 8, &i, 4);
		memcpy(trace[i].b, pkt_data(m), 60);
		pkt_free(m);
	}
}

static uint32_t trace_at;

static uint64_t
slice(unsigned n_flows, unsigned n_packets, bool run)
{
	uint64_t start = rte_rdtsc();

	for (unsigned done = 0; done < n_packets; done += BURST_MAX) {
		struct rte_mbuf *pkts[BURST_MAX];

		for (unsigned i = 0; i < BURST_MAX; i++) {
			pkts[i] = pkt_alloc(60);
			memcpy(pkt_data(pkts[i]), trace[trace_at].b, 64);
			pkt_set_size(pkts[i], 60);
			trace_at = trace_at + 1 == n_flows ? 0 : trace_at + 1;
		}
		if (!run) {
			pkt_free_bulk(pkts, BURST_MAX);
			continue;
		}
		rn.now_ms = 1000;
		runner_sync(&rn);
		pipeline_burst(&rn, in_port.slot, pkts, BURST_MAX);
		runner_flush(&rn);
		cache_end_burst(rn.cache);
	}
	return rte_rdtsc() - start;
}

#define SLICE 32768
static double
cycles(unsigned n_flows, bool run)
{
	uint64_t best = UINT64_MAX;

	trace_at = 0;
	if (run) {
		/* Warm: passes until a whole one brings no miss. */
		cache_free(rn.cache);
		rn.cache = cache_new();
		for (unsigned pass = 0; pass < 100; pass++) {
			uint64_t misses = rn.n_misses;

			slice(n_flows, n_flows + BURST_MAX, true);
			if (pass && rn.n_misses == misses)
				break;
		}
	}
	uint64_t misses = rn.n_misses;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t took = slice(n_flows, SLICE, run);

		best = took < best ? took : best;
	}
	if (rn.n_misses != misses)
		printf("(%llu misses) ", (unsigned long long)(rn.n_misses - misses));
	return best / (double)SLICE;
}

static void
read_fields(bool l4)
{
	struct of_match_full full;

	memset(&full, 0, sizeof(full));
	if (l4) {
		full.mask.nw_src = full.mask.nw_dst = 0xffffffff;
		full.mask.tp_src = full.mask.tp_dst = 0xffff;
	} else {
		memset(full.mask.dl_dst, 0xff, 12);
	}
	struct rule *rule = rule_new(&full, 1, "", 0);
	view_fields_used(rule->match, rule->actions, 1);
	view_publish(true);
	rn.view = view_get();
}

int
main(int argc, char **argv)
{
	unsigned flows[] = { 1, 1000, 10000, 100000, 1000000 };
	struct bridge *br;
	uint32_t generation;

	wf_loop_init();
	view_init();
	br = view_bridge_add("br0");
	port_init(&in_port, &sink, "in");
	port_init(&out_port, &sink, "out");
	in_port.slot = view_slot_alloc(&in_port, br, 1, 0, &generation);
	out_port.slot = view_slot_alloc(&out_port, br, 2, 0, &out_generation);
	view_publish(false);
	runner_init(&rn);
	rn.cache = cache_new();
	rn.view = view_get();
	rn.now_ms = 1000;
	/* The layout only widens, so by column. */
	static const char *const columns[] = { "in_port", "L2", "5-tuple" };
	for (unsigned c = 0; c < 3; c++) {
		if (c)
			read_fields(c == 2);
		printf("%8s %8s %8s\n", "flows", "io", columns[c]);
		for (unsigned f = 0; f < sizeof(flows) / sizeof(flows[0]); f++) {
			unsigned n = flows[f];

			make_trace(n, c == 1);
			printf("%8u %8.1f %8.1f\n", n, cycles(n, false),
			       cycles(n, true));
			fflush(stdout);
		}
	}
	return 0;
}
