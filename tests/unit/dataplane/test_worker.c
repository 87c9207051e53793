/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and the flow cache, with ports in memory and a translator that the tests write. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/cache.h"
#include "dataplane/worker.h"
#include "fake_port.h"
#include "openflow/match.h"
#include "packets.h"
#include "test_plan.h"

#define N_PORTS 4
static struct bridge *bridge;
static struct port *ports[N_PORTS];
static uint32_t generations[N_PORTS];
static struct plan *(*plan_maker)(const struct xlate_in *);
static _Atomic unsigned n_translated;
static struct counter credit;

struct plan *__wrap_translate(const struct xlate_in *);
struct plan *
__wrap_translate(const struct xlate_in *in)
{
	n_translated++;
	return plan_maker(in);
}

/* Everything goes to port 1. */
static struct plan *
to_port_1(const struct xlate_in *in)
{
	struct wf_buf b = WF_BUF_INIT;
	struct plan *p;

	op_output(&b, ports[1]->slot, generations[1]);
	p = plan_of(&b);
	plan_credits(p, &credit);
	return p;
}

static struct rte_mbuf *
udp(uint32_t seed, uint32_t payload)
{
	return packet_make(&(struct packet_spec){ .proto = IPPROTO_UDP, .payload = payload,
						  .seed = seed });
}

static void
turn_loop(void)
{
	for (unsigned i = 0; i < 20; i++) {
		struct timespec nap = { .tv_nsec = 1000000 };

		wf_loop_turn();
		nanosleep(&nap, NULL);
	}
}

static int
setup(void **state)
{
	wf_loop_init();
	view_init();
	workers_init();
	bridge = view_bridge_add("br0");
	struct xport_set *set = xport_set_new(N_PORTS);
	for (unsigned i = 0; i < N_PORTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		ports[i] = fake_port_new(name, false);
		ports[i]->slot = view_slot_alloc(ports[i], bridge, i + 1, 0, &generations[i]);
		set->ports[i] = (struct xport){ .ofp_port = i + 1, .slot = ports[i]->slot,
						.generation = generations[i], .may_enable = true };
	}
	set->n = N_PORTS;
	xport_set_hash(set);
	view_set_ports(bridge, set);
	view_publish(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		workers_add_port(ports[i], NULL);
	return 0;
}

static int
teardown(void **state)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		workers_remove_port(ports[i]);
		view_slot_free(ports[i]->slot);
	}
	view_bridge_del(bridge);
	view_publish(false);
	wf_rcu_drain();
	workers_exit();
	wf_rcu_drain();
	for (unsigned i = 0; i < N_PORTS; i++)
		fake_port_free(ports[i]);
	wf_loop_done();
	return 0;
}

static void
start(struct plan *(*maker)(const struct xlate_in *))
{
	workers_settle();
	workers_purge_flows();
	turn_loop();
	struct rte_mbuf *m;
	for (unsigned i = 0; i < N_PORTS; i++)
		while ((m = fake_port_sent(ports[i], 0)))
			pkt_free(m);
	plan_maker = maker;
	n_translated = 0;
	memset((void *)&credit, 0, sizeof(credit));
}

static void
packets_come_out_unchanged_and_are_cached(void **state)
{
	struct worker_totals before, after;
	struct rte_mbuf *copy = udp(1, 100);

	start(to_port_1);
	workers_totals(&before);
	for (unsigned i = 0; i < 1000; i++) {
		fake_port_receive(ports[0], udp(1, 100));
		if (i < 3)
			workers_settle();
	}
	workers_settle();
	for (unsigned i = 0; i < 1000; i++) {
		struct rte_mbuf *m = fake_port_sent(ports[1], 0);

		assert_non_null(m);
		assert_int_equal(pkt_size(m), pkt_size(copy));
		assert_memory_equal(pkt_data(m), pkt_data(copy), pkt_size(m));
		pkt_free(m);
	}
	/* With room for it, the first sighting makes an entry. */
	assert_int_equal(n_translated, 1);
	workers_totals(&after);
	assert_int_equal(after.misses - before.misses, 1);
	assert_int_equal(after.hits - before.hits, 999);
	assert_int_equal(after.n_flows, 1);
	workers_fold_stats();
	assert_int_equal(credit.packets, 1000);
	assert_int_equal(credit.bytes, 1000ull * pkt_size(copy));
	assert_true(credit.used_ms > 0);
	pkt_free(copy);
}

static _Atomic uint64_t stamp;
static struct plan *
depends_on_stamp(const struct xlate_in *in)
{
	struct plan *p = to_port_1(in);

	plan_depends(p, &stamp);
	return p;
}

static void
stale_plans_are_made_again_and_counts_kept(void **state)
{
	start(depends_on_stamp);
	for (unsigned i = 0; i < 10; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	assert_int_equal(n_translated, 1);

	/* A version that did not touch the plan's step: only stamped anew. */
	view_publish(true);
	for (unsigned i = 0; i < 10; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	assert_int_equal(n_translated, 1);

	/* One that did. */
	stamp = view_next_version();
	view_publish(true);
	for (unsigned i = 0; i < 10; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	assert_int_equal(n_translated, 2);
	workers_fold_stats();
	assert_int_equal(credit.packets, 30);
	turn_loop();
	workers_fold_stats();
	assert_int_equal(credit.packets, 30);

	/* A change of configuration makes all stale. */
	view_set_frag_mode(bridge, 0);
	view_publish(false);
	fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	assert_int_equal(n_translated, 3);
}

static void
wider_layout_keeps_entries(void **state)
{
	struct of_match_full full;
	struct rule *rule;
	uint32_t generation;

	start(to_port_1);
	for (unsigned i = 0; i < 5; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	assert_int_equal(n_translated, 1);
	generation = view_get()->layout->generation;

	/* A rule somewhere reads UDP ports from now on: each entry is walked once more, at once. */
	memset(&full, 0, sizeof(full));
	full.mask.tp_src = 0xffff;
	rule = rule_new(&full, 1, "", 0);
	view_fields_used(rule->match, rule->actions, 1);
	view_publish(true);
	assert_int_equal(view_get()->layout->generation, generation + 1);
	for (unsigned i = 0; i < 5; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	assert_int_equal(n_translated, 2);
	for (unsigned i = 0; i < 5; i++)
		fake_port_receive(ports[0], udp(2, 10));
	workers_settle();
	assert_int_equal(n_translated, 3);
	workers_fold_stats();
	assert_int_equal(credit.packets, 15);
	view_fields_used(rule->match, rule->actions, -1);
	rule_unref(rule);
}

static struct plan *
ttl_guarded(const struct xlate_in *in)
{
	struct wf_buf b = WF_BUF_INIT;
	struct plan *p;

	if (!in->for_cache && in->key.nw_ttl <= 1) {
		op_output(&b, ports[2]->slot, generations[2]);
	} else {
		op_bare(&b, OP_DEC_TTL, 0);
		op_output(&b, ports[1]->slot, generations[1]);
	}
	p = plan_of(&b);
	p->ttl_min = in->for_cache ? 2 : 0;
	return p;
}

static void
failed_guard_sends_one_packet_to_the_translator(void **state)
{
	start(ttl_guarded);
	for (unsigned i = 0; i < 10; i++) {
		struct rte_mbuf *m = udp(1, 10);

		if (i == 7) {
			pkt_data(m)[14 + 8] = 1;
			memset(pkt_data(m) + 14 + 10, 0, 2);
		}
		fake_port_receive(ports[0], m);
	}
	workers_settle();
	assert_int_equal(n_translated, 2);
	struct rte_mbuf *m = fake_port_sent(ports[2], 0);
	assert_non_null(m);
	pkt_free(m);
	for (unsigned i = 0; i < 9; i++) {
		m = fake_port_sent(ports[1], 0);
		assert_int_equal(pkt_data(m)[14 + 8], 63);
		assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));
		pkt_free(m);
	}
	assert_null(fake_port_sent(ports[1], 0));
}

/* A rule somewhere looks at addresses and ports, so each five-tuple is a flow; all packets go to port 1,
 * which swallows them. */
static struct rule *
start_with_five_tuples(void)
{
	struct of_match_full full;
	struct rule *rule;

	memset(&full, 0, sizeof(full));
	full.mask.nw_src = full.mask.nw_dst = 0xffffffff;
	full.mask.tp_src = full.mask.tp_dst = 0xffff;
	rule = rule_new(&full, 1, "", 0);
	view_fields_used(rule->match, rule->actions, 1);
	view_publish(true);
	start(to_port_1);
	fake_port_sink(ports[1], true);
	return rule;
}

static void
end_with_five_tuples(struct rule *rule)
{
	fake_port_sink(ports[1], false);
	view_fields_used(rule->match, rule->actions, -1);
	rule_unref(rule);
}

static void
random_headers_do_not_evict_a_victim(void **state)
{
	struct rule *rule = start_with_five_tuples();

	fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	n_translated = 0;
	for (unsigned i = 0; i < 20000; i++)
		fake_port_receive(ports[2], udp(100 + i, 10));
	for (unsigned i = 0; i < 100; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	/* Each attack packet is walked once; none of the victim's is. */
	assert_int_equal(n_translated, 20000);
	struct worker_totals t;
	workers_totals(&t);
	/* The first few have room; then two sightings of a hash by chance: hardly any. */
	assert_in_range(t.n_flows, 1, CACHE_KEEP_AT_ONCE + 41);
	end_with_five_tuples(rule);
	workers_fold_stats();
	assert_int_equal(credit.packets, 20102);
}

/* A flow of a port whose flows have more than one packet does not wait for its second. */
static void
flows_that_come_again_are_kept_at_once(void **state)
{
	struct rule *rule = start_with_five_tuples();

	n_translated = 0;
	for (unsigned i = 0; i < 16000; i++)
		fake_port_receive(ports[0], udp(100 + i / 2, 10));
	workers_settle();
	/* Two walks each until that is known, then one. */
	assert_in_range(n_translated, 8000, 11000);
	end_with_five_tuples(rule);
}

static void
removed_output_port_is_a_named_drop(void **state)
{
	uint64_t before[DROP_N_REASONS], after[DROP_N_REASONS];

	start(to_port_1);
	drop_totals(before);
	generations[1]++; /* a plan that names an older life of the slot */
	for (unsigned i = 0; i < 5; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	generations[1]--;
	drop_totals(after);
	assert_int_equal(after[DROP_OUT_NO_PORT] - before[DROP_OUT_NO_PORT], 5);
}

static void
short_frames_are_a_named_drop(void **state)
{
	uint64_t before[DROP_N_REASONS], after[DROP_N_REASONS];

	start(to_port_1);
	drop_totals(before);
	fake_port_receive(ports[0], pkt_from_bytes("1234567890123", 13));
	workers_settle();
	drop_totals(after);
	assert_int_equal(after[DROP_RX_TOO_SHORT] - before[DROP_RX_TOO_SHORT], 1);
	assert_int_equal(n_translated, 0);
}

/* --- Slow path ---------------------------------------------------------------------------- */

static struct packet_in_spec spec;
static unsigned in_order[4096], n_in;

static void
take_packet_in(const struct packet_in_spec *s, const struct rte_mbuf *m)
{
	assert_ptr_equal(s, &spec);
	if (n_in < 4096)
		in_order[n_in++] = pkt_data(m)[5];
}

static struct plan *
to_controller(const struct xlate_in *in)
{
	struct wf_buf b = WF_BUF_INIT;
	struct op_controller *op = op_put(&b, OP_CONTROLLER, sizeof(*op));

	op->spec = &spec;
	return plan_of(&b);
}

void __real_plan_free(struct plan *);
void __wrap_plan_free(struct plan *);
/* The spec is the test's. */
void
__wrap_plan_free(struct plan *p)
{
	if (p && p->ops_size && p->ops->type == OP_CONTROLLER)
		p->ops_size = 0;
	__real_plan_free(p);
}

static void
storm_on_one_port_leaves_another_its_turn(void **state)
{
	static const struct slow_ops ops = { .packet_in = take_packet_in };
	uint64_t before[DROP_N_REASONS], after[DROP_N_REASONS];

	start(to_controller);
	spec.bridge = bridge;
	slow_path_set_ops(&ops);
	drop_totals(before);
	n_in = 0;
	for (unsigned i = 0; i < 3000; i++) {
		struct rte_mbuf *m = udp(1, 10);

		pkt_data(m)[5] = 1;
		fake_port_receive(ports[0], m);
	}
	while (fake_port_n_waiting(ports[0]))
		usleep(1000);
	for (unsigned i = 0; i < 2; i++) {
		struct rte_mbuf *m = udp(1, 10);

		pkt_data(m)[5] = 3;
		fake_port_receive(ports[2], m);
	}
	while (fake_port_n_waiting(ports[2]))
		usleep(1000);
	usleep(50000);
	assert_int_equal(n_in, 0);
	assert_true(slow_path_run(4));
	assert_int_equal(n_in, 4);
	assert_int_equal(in_order[0] + in_order[1] + in_order[2] + in_order[3], 1 + 3 + 1 + 3);
	while (slow_path_run(100))
		;
	/* 256 of the storm; the rest was dropped by name, and nobody waited. */
	assert_int_equal(n_in, 256 + 2);
	drop_totals(after);
	assert_int_equal(after[DROP_PACKET_IN_QUEUE_FULL] - before[DROP_PACKET_IN_QUEUE_FULL],
			 3000 - 256);
}

/* --- Threads -------------------------------------------------------------------------------- */

static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void
idle_switch_uses_no_cpu(void **state)
{
	struct port *many[100];

	start(to_port_1);
	for (unsigned i = 0; i < 100; i++) {
		many[i] = fake_port_new("idle", false);
		workers_add_port(many[i], NULL);
	}
	usleep(100000);
	double before = cpu_seconds();
	usleep(1000000);
	assert_true(cpu_seconds() - before < 0.01);
	for (unsigned i = 0; i < 100; i++)
		workers_remove_port(many[i]);
	wf_rcu_drain();
	for (unsigned i = 0; i < 100; i++)
		fake_port_free(many[i]);
}

static void
busy_port_does_not_starve_another(void **state)
{
	start(to_port_1);
	fake_port_sink(ports[1], true);
	fake_port_endless(ports[0], udp(1, 10));
	for (unsigned i = 0; i < 100; i++) {
		fake_port_receive(ports[2], udp(1, 10));
		for (unsigned ms = 0; fake_port_n_waiting(ports[2]); ms++) {
			assert_true(ms < 1000);
			usleep(1000);
		}
	}
	fake_port_endless(ports[0], NULL);
	workers_settle();
	fake_port_sink(ports[1], false);
}

static void
ports_come_and_go_under_traffic(void **state)
{
	start(to_port_1);
	fake_port_sink(ports[1], true);
	for (unsigned round = 0; round < 50; round++) {
		struct port *p = fake_port_new("guest", false);
		uint32_t generation;

		p->slot = view_slot_alloc(p, bridge, 100, 0, &generation);
		view_publish(false);
		workers_add_port(p, NULL);
		for (unsigned i = 0; i < 100; i++) {
			fake_port_receive(p, udp(1, 10));
			fake_port_receive(ports[0], udp(1, 10));
		}
		if (round % 2)
			while (fake_port_n_waiting(p))
				usleep(100);
		workers_remove_port(p);
		view_slot_free(p->slot);
		view_publish(false);
		wf_rcu_drain();
		fake_port_free(p);
	}
	fake_port_sink(ports[1], false);
	workers_settle();
}

static void
several_workers_share_the_ports(void **state)
{
	struct wf_err err = { "" };

	start(to_port_1);
	fake_port_sink(ports[1], true);
	assert_int_equal(workers_configure(NULL, 3, &err), 0);
	for (unsigned i = 0; i < 3000; i++)
		fake_port_receive(ports[i % N_PORTS], udp(1, 10));
	workers_settle();
	workers_fold_stats();
	assert_int_equal(credit.packets, 3000);
	assert_int_equal(workers_configure(NULL, 1, &err), 0);
	for (unsigned i = 0; i < 3000; i++)
		fake_port_receive(ports[i % N_PORTS], udp(1, 10));
	workers_settle();
	workers_fold_stats();
	assert_int_equal(credit.packets, 6000);
	fake_port_sink(ports[1], false);

	assert_int_equal(workers_configure("0xzz", 1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "pmd-cpu-mask"));
}

/* Which worker serves a port, as pmd-rxq-show tells it; 0: none. */
static unsigned
worker_of(const struct port *port)
{
	struct wf_str text = WF_STR_INIT;
	unsigned worker = 0;
	char *copy, *line, *rest = NULL, wanted[80];

	snprintf(wanted, sizeof(wanted), "  port: %-16s ", port->name);
	workers_rxq_show(&text);
	copy = wf_str_steal(&text);
	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!strncmp(line, wanted, strlen(wanted)))
			break;
		sscanf(line, "worker%u thread:", &worker);
	}
	if (!line)
		worker = 0;
	free(copy);
	return worker;
}

static void
ports_are_shared_out_and_bound(void **state)
{
	unsigned n[3] = { 0 }, last;
	struct wf_err err = { "" };

	start(to_port_1);
	fake_port_sink(ports[1], true);
	/* A worker more takes its share of the ports that are there. */
	assert_int_equal(workers_configure(NULL, 2, &err), 0);
	for (unsigned i = 0; i < N_PORTS; i++) {
		assert_in_range(worker_of(ports[i]), 1, 2);
		n[worker_of(ports[i])]++;
	}
	/* By what each had to do so far: one of them may have a single, busy one. */
	assert_in_range(n[1], 1, N_PORTS - 1);
	assert_in_range(n[2], 1, N_PORTS - 1);

	/* Bound to a worker, under traffic, until it is let go. */
	for (unsigned round = 0; round < 20; round++) {
		char text[4];

		last = round % 2 + 1;
		snprintf(text, sizeof(text), "%u", last);
		for (unsigned i = 0; i < 100; i++)
			fake_port_receive(ports[0], udp(1, 10));
		workers_set_affinity(ports[0], text);
		assert_int_equal(worker_of(ports[0]), last);
	}
	workers_rebalance();
	assert_int_equal(worker_of(ports[0]), last);
	workers_settle();
	workers_fold_stats();
	assert_int_equal(credit.packets, 2000);

	/* A worker that is not there: any other. */
	workers_set_affinity(ports[0], "7");
	assert_in_range(worker_of(ports[0]), 1, 2);
	workers_set_affinity(ports[0], NULL);
	assert_int_equal(workers_configure(NULL, 1, &err), 0);
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(worker_of(ports[i]), 1);
	fake_port_sink(ports[1], false);
}

static void
dump_tells_flows(const struct flow_dump_row *row, void *n_)
{
	unsigned *n = n_;

	++*n;
	assert_int_equal(row->packets, 9);
	assert_int_equal(row->key.in_port, 1);
	assert_int_equal(row->key.dl_type, htons(0x0800));
	assert_int_equal(row->mask.dl_type, 0xffff);
}

static void
flows_can_be_dumped_and_purged(void **state)
{
	unsigned n = 0;

	start(to_port_1);
	for (unsigned i = 0; i < 10; i++)
		fake_port_receive(ports[0], udp(1, 10));
	workers_settle();
	workers_dump_flows(dump_tells_flows, &n);
	assert_int_equal(n, 1);
	workers_purge_flows();
	n = 0;
	workers_dump_flows(dump_tells_flows, &n);
	assert_int_equal(n, 0);
	turn_loop();
	workers_fold_stats();
	assert_int_equal(credit.packets, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_out_unchanged_and_are_cached),
		cmocka_unit_test(stale_plans_are_made_again_and_counts_kept),
		cmocka_unit_test(wider_layout_keeps_entries),
		cmocka_unit_test(failed_guard_sends_one_packet_to_the_translator),
		cmocka_unit_test(flows_that_come_again_are_kept_at_once),
		cmocka_unit_test(random_headers_do_not_evict_a_victim),
		cmocka_unit_test(removed_output_port_is_a_named_drop),
		cmocka_unit_test(short_frames_are_a_named_drop),
		cmocka_unit_test(storm_on_one_port_leaves_another_its_turn),
		cmocka_unit_test(idle_switch_uses_no_cpu),
		cmocka_unit_test(busy_port_does_not_starve_another),
		cmocka_unit_test(ports_come_and_go_under_traffic),
		cmocka_unit_test(several_workers_share_the_ports),
		cmocka_unit_test(ports_are_shared_out_and_bound),
		cmocka_unit_test(flows_can_be_dumped_and_purged),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
