/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: the data path as Open vSwitch's tools know it (dpif/..., dpctl/..., revalidator/..., upcall/...,
 * dpif-netdev/...); cached flows are in appctl_flows.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unixctl.h"
#include "dataplane/drop.h"
#include "dataplane/worker.h"
#include "switchd/switchd.h"

static bool
is_dummy(const struct sw_bridge *b)
{
	return !strcmp(b->type, "dummy");
}

/* "netdev@ovs-netdev": the datapath of a bridge; all bridges of a type share one. */
static const char *
datapath_name(const struct sw_bridge *b)
{
	return is_dummy(b) ? "dummy@ovs-dummy" : "netdev@ovs-netdev";
}

static const char *
datapath_of_all(void)
{
	struct sw_bridge *b;

	wf_hmap_for_each(b, node, &sw_bridges)
		return datapath_name(b);
	return NULL;
}

static int
bridge_cmp(const void *a_, const void *b_)
{
	struct sw_bridge *const *a = a_, *const *b = b_;

	return strcmp((*a)->name, (*b)->name);
}

static int
iface_cmp(const void *a_, const void *b_)
{
	struct sw_iface *const *a = a_, *const *b = b_;

	return strcmp((*a)->name, (*b)->name);
}

static unsigned
sorted_bridges(struct sw_bridge ***list)
{
	struct sw_bridge *b;
	unsigned n = 0;

	wf_hmap_for_each(b, node, &sw_bridges)
		n++;
	*list = wf_xmalloc((n + 1) * sizeof **list);
	n = 0;
	wf_hmap_for_each(b, node, &sw_bridges)
		(*list)[n++] = b;
	qsort(*list, n, sizeof **list, bridge_cmp);
	return n;
}

/* What users call the type of a device: taps carry internal ports. */
static const char *
shown_type(const struct sw_iface *i)
{
	return !strcmp(i->type, "internal") ? "tap" : *i->type ? i->type : "system";
}

/* --- dpif ------------------------------------------------------------------------------------- */

#define DUMMY_PMD_QUEUES ": configured_rx_queues=1, configured_tx_queues=1, " \
			 "requested_rx_queues=1, requested_tx_queues=1"

static void
show_ports(struct sw_bridge *b, struct wf_str *s)
{
	struct sw_iface *i, **list;
	unsigned n = 0;

	wf_hmap_for_each(i, node, &b->ifaces)
		n++;
	list = wf_xmalloc((n + 1) * sizeof *list);
	n = 0;
	wf_hmap_for_each(i, node, &b->ifaces)
		if (i->ofp_port != OF_PORT_NONE)
			list[n++] = i;
	qsort(list, n, sizeof *list, iface_cmp);
	for (unsigned k = 0; k < n; k++) {
		i = list[k];
		wf_str_fmt(s, "    %s %u/", i->name,
			   i->ofp_port == OF_PORT_LOCAL ? 65534 : i->ofp_port);
		if (i->tunnel) {
			wf_str_fmt(s, "%" PRIu32 ": (%s: ", sw_tunnel_number(i), i->type);
			sw_tunnel_format(i, s);
			wf_str_put(s, ")\n");
		} else if (i->is_patch)
			wf_str_fmt(s, "none: (patch: peer=%s)\n", i->peer);
		else
			wf_str_fmt(s, "%u: (%s%s)\n", i->slot, shown_type(i),
				   strcmp(i->type, "dummy-pmd") ? "" : DUMMY_PMD_QUEUES);
	}
	free(list);
}

static void
on_dpif_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	static const char *const datapaths[] = { "dummy@ovs-dummy", "netdev@ovs-netdev" };
	struct wf_str s = WF_STR_INIT;
	struct sw_bridge **list;
	unsigned n = sorted_bridges(&list);
	struct worker_totals t;

	workers_totals(&t);
	for (unsigned d = 0; d < 2; d++) {
		bool head = false;

		for (unsigned k = 0; k < n; k++) {
			if (strcmp(datapath_name(list[k]), datapaths[d]))
				continue;
			if (!head)
				wf_str_fmt(&s, "%s: hit:%" PRIu64 " missed:%" PRIu64 "\n",
					   datapaths[d], t.hits, t.misses);
			head = true;
			wf_str_fmt(&s, "  %s:\n", list[k]->name);
			show_ports(list[k], &s);
		}
	}
	free(list);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_dpif_dump_dps(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct sw_bridge **list;
	unsigned n = sorted_bridges(&list);

	for (unsigned k = 0; k < n; k++)
		wf_str_fmt(&s, "%s@%s\n", is_dummy(list[k]) ? "dummy" : "netdev", list[k]->name);
	free(list);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_dp_features(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (!sw_bridge_find(argv[1])) {
		unixctl_reply_error(conn, "no such bridge");
		return;
	}
	struct wf_str s = WF_STR_INIT;

	sw_features_show(&s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* --- dpctl: what is there ------------------------------------------------------------------------ */

static void
on_dpctl_dump_dps(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	unixctl_reply(conn, datapath_of_all());
}

static void
show_counters(struct sw_iface *i, struct wf_str *s)
{
	struct port_stats p;

	memset(&p, 0xff, sizeof p);
	if (i->port)
		i->port->class->get_stats(i->port, &p);
#define N(V) ((V) == UINT64_MAX ? 0 : (V))
	wf_str_fmt(s, "    RX packets:%" PRIu64 " errors:%" PRIu64 " dropped:%" PRIu64
		      " overruns:%" PRIu64 " frame:%" PRIu64 "\n",
		   N(p.rx_packets), N(p.rx_errors), N(p.rx_dropped), N(p.rx_over_errors),
		   N(p.rx_frame_errors));
	wf_str_fmt(s, "    TX packets:%" PRIu64 " errors:%" PRIu64 " dropped:%" PRIu64
		      " aborted:%" PRIu64 " carrier:%" PRIu64 "\n",
		   N(p.tx_packets), N(p.tx_errors), N(p.tx_dropped), N(p.tx_aborted_errors),
		   N(p.tx_carrier_errors));
	wf_str_fmt(s, "    collisions:%" PRIu64 "\n", N(p.collisions));
	wf_str_fmt(s, "    RX bytes:%" PRIu64 "  TX bytes:%" PRIu64 "\n", N(p.rx_bytes),
		   N(p.tx_bytes));
#undef N
}

static void
on_dpctl_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	bool stats = argc > 1 && (!strcmp(argv[1], "-s") || !strcmp(argv[1], "--statistics"));
	const struct view *v = view_get();
	struct wf_str s = WF_STR_INIT;
	struct worker_totals t;

	for (int k = stats ? 2 : 1; k < argc; k++)
		if (!sw_is_datapath(argv[k])) {
			wf_str_fmt(&s, "opening datapath %s failed (No such device)", argv[k]);
			unixctl_reply_error(conn, wf_str_cstr(&s));
			wf_str_done(&s);
			return;
		}
	if (!datapath_of_all()) {
		unixctl_reply(conn, NULL);
		return;
	}
	workers_totals(&t);
	wf_str_fmt(&s, "%s:\n  lookups: hit:%" PRIu64 " missed:%" PRIu64 " lost:%" PRIu64 "\n",
		   datapath_of_all(), t.hits, t.misses, t.lost);
	wf_str_fmt(&s, "  flows: %" PRIu64 "\n", t.n_flows);
	for (uint32_t slot = 1; slot < v->n_slots; slot++) {
		struct sw_iface *i = sw_iface_by_slot(slot);

		if (!i || i->is_patch)
			continue;
		wf_str_fmt(&s, "  port %u: %s", slot, i->name);
		if (strcmp(shown_type(i), "system"))
			wf_str_fmt(&s, " (%s)", shown_type(i));
		wf_str_putc(&s, '\n');
		if (stats)
			show_counters(i, &s);
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* --- Caches ------------------------------------------------------------------------------------------------ */

static void
on_purge(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	workers_purge_flows();
	workers_fold_stats();
	unixctl_reply(conn, NULL);
}

static void
on_wait(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	workers_settle();
	workers_fold_stats();
	unixctl_reply(conn, NULL);
}

static void
on_upcall_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct worker_totals t;

	workers_totals(&t);
	if (datapath_of_all())
		wf_str_fmt(&s,
			   "%s:\n  flows         : (current %" PRIu64 ") (avg %" PRIu64
			   ") (max %" PRIu64 ") (limit 0)\n"
			   "  dump duration : 0ms\n  ufid enabled : true\n\n",
			   datapath_of_all(), t.n_flows, t.n_flows, t.n_flows);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_accepted(struct unixctl_conn *conn, int argc, const char *argv[], void *text)
{
	unixctl_reply(conn, text);
}

/* --- Workers ---------------------------------------------------------------------------------------------- */

static void
on_text(struct unixctl_conn *conn, int argc, const char *argv[], void *show)
{
	struct wf_str s = WF_STR_INIT;

	(*(void (*const *)(struct wf_str *))show)(&s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_stats_clear(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	workers_stats_clear();
	unixctl_reply(conn, NULL);
}

static void
on_rebalance(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	workers_rebalance();
	unixctl_reply(conn, "pmd rxq rebalance requested.\n");
}

static void
put_usage(void *s, const char *name, unsigned n)
{
	wf_str_fmt(s, "%s%s:%u", ((struct wf_str *)s)->len ? " " : "", name, n);
}

static void
on_memory_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct worker_totals t;

	workers_totals(&t);
	put_usage(&s, "cached-flows", (unsigned)t.n_flows);
	of_memory_usage(put_usage, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* weft's own: every reason with its count and its sentence. */
static void
on_drops(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	bool all = argc > 1 && !strcmp(argv[1], "--all");
	uint64_t totals[DROP_N_REASONS];
	struct wf_str s = WF_STR_INIT;

	drop_totals(totals);
	for (unsigned r = 1; r < DROP_N_REASONS; r++)
		if (totals[r] || all)
			wf_str_fmt(&s, "%-28s %12" PRIu64 "  %s\n", drop_name(r), totals[r],
				   drop_text(r));
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* Switches off what the data path could do, for tests of the way around it. */
static void
on_set_dp_features(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	if (!sw_bridge_find(argv[1])) {
		unixctl_reply_error(conn, "no such bridge");
		return;
	}
	sw_features_set(argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
sw_appctl_dpif_init(void)
{
	static void (*const rxq_show)(struct wf_str *) = workers_rxq_show;
	static void (*const stats_show)(struct wf_str *) = workers_stats_show;

	drop_coverage_init();
	sw_features_init();
	unixctl_command("dpif/show", "", 0, 0, on_dpif_show, NULL);
	unixctl_command("dpif/dump-dps", "", 0, 0, on_dpif_dump_dps, NULL);
	unixctl_command("dpif/show-dp-features", "bridge", 1, 1, on_dp_features, NULL);
	unixctl_command("dpif/set-dp-features", "bridge [feature [value]]", 1, 3,
			on_set_dp_features, NULL);
	unixctl_command("dpctl/dump-dps", "", 0, 0, on_dpctl_dump_dps, NULL);
	unixctl_command("dpctl/show", "[-s] [dp...]", 0, 99, on_dpctl_show, NULL);
	unixctl_command("revalidator/purge", "", 0, 0, on_purge, NULL);
	unixctl_command("revalidator/wait", "", 0, 0, on_wait, NULL);
	unixctl_command("upcall/show", "", 0, 0, on_upcall_show, NULL);
	unixctl_command("upcall/set-flow-limit", "flow-limit-number", 1, 1, on_accepted, (void *)"the flow cache has a fixed size: no limit to set");
	unixctl_command("upcall/disable-megaflows", "", 0, 0, on_accepted, (void *)"megaflows disabled");
	unixctl_command("upcall/enable-megaflows", "", 0, 0, on_accepted, (void *)"megaflows enabled");
	unixctl_command("upcall/disable-ufid", "", 0, 0, on_accepted, (void *)"Datapath dumping tersely using UFID disabled");
	unixctl_command("upcall/enable-ufid", "", 0, 0, on_accepted, (void *)"Datapath dumping tersely using UFID enabled for supported datapaths");
	unixctl_command("dpif-netdev/pmd-stats-show", "[-pmd core] [dp]", 0, 3, on_text,
			(void *)&stats_show);
	unixctl_command("dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3, on_stats_clear,
			NULL);
	unixctl_command("dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5,
			on_text, (void *)&rxq_show);
	unixctl_command("dpif-netdev/pmd-rxq-rebalance", "[dp]", 0, 1, on_rebalance, NULL);
	unixctl_command("memory/show", "", 0, 0, on_memory_show, NULL);
	unixctl_command("weft/drops", "[--all]", 0, 1, on_drops, NULL);
}
