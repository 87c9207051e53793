/* SPDX-License-Identifier: Apache-2.0 */
/* One bridge with an OpenFlow switch and no database: for tests of the agent with ovs-ofctl.
 *
 *   of_harness BRIDGE [N_PORTS] [CONTROLLER...]
 *
 * The sockets are in OVS_RUNDIR.  The ports are p1, p2, ...; packets that go out of them
 * go nowhere. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/loop.h"
#include "base/unixctl.h"
#include "dataplane/normal.h"
#include "dataplane/worker.h"
#include "switchd/of_switch.h"

static struct bridge *bridge;
static unsigned n_ports;
static struct of_switch *sw;

static void
publish_ports(void)
{
	struct xport_set *set = xport_set_new(n_ports + 1);

	for (unsigned i = 0; i <= n_ports; i++) {
		struct xport *x = &set->ports[i];

		x->ofp_port = i < n_ports ? i + 1 : OF_PORT_LOCAL;
		x->slot = UINT32_MAX;
		x->may_enable = true;
		if (i < n_ports)
			snprintf(x->name, sizeof(x->name), "p%u", i + 1);
		else
			snprintf(x->name, sizeof(x->name), "%s", bridge->name);
		x->config = of_switch_port_config(sw, x->ofp_port);
	}
	xport_set_hash(set);
	view_set_ports(bridge, set);
}

static int
port_mod(void *aux, of_port_t port, uint32_t config)
{
	publish_ports();
	return 0;
}

static bool
port_stats(void *aux, of_port_t port, struct of_port_stats *stats)
{
	stats->rx_packets = stats->tx_packets = 0;
	return true;
}

static void
on_signal(int signum)
{
	wf_loop_stop();
}

int
main(int argc, char *argv[])
{
	static const struct of_switch_ops ops = { .port_mod = port_mod, .port_stats = port_stats };
	static struct of_controller_config controllers[8];
	struct of_switch_config config = { .datapath_id = 0x1122334455667788,
					   .fail_mode = OF_FAIL_SECURE, .controllers = controllers };
	struct wf_err err;

	wf_daemon_init(argc, argv);
	wf_loop_init();
	if (unixctl_server_open("harness.ctl", &err))
		wf_fatal("%s", err.text);
	wf_clock_unixctl_init();
	view_init();
	workers_init();
	of_init();
	of_unixctl_init();
	bridge = view_bridge_add(argc > 1 ? argv[1] : "br0");
	sw = of_switch_new(bridge, &ops, NULL, &err);
	if (!sw)
		wf_fatal("%s", err.text);
	n_ports = argc > 2 ? (unsigned)atoi(argv[2]) : 2;
	publish_ports();
	for (unsigned i = 0; i <= n_ports; i++) {
		struct of_port_desc d = { .port = i < n_ports ? i + 1 : OF_PORT_LOCAL,
					  .hw_addr = { 0xaa, 0x55, 0, 0, 0, (uint8_t)(i + 1) } };

		if (i < n_ports)
			snprintf(d.name, sizeof(d.name), "p%u", i + 1);
		else
			snprintf(d.name, sizeof(d.name), "%s", bridge->name);
		of_switch_port_add(sw, &d);
	}
	for (int i = 3; i < argc && i < 11; i++)
		controllers[config.n_controllers++] = (struct of_controller_config){
			.target = argv[i], .max_backoff_ms = 1000, .inactivity_probe_ms = 5000,
			.enable_async = true,
		};
	of_switch_configure(sw, &config);
	wf_loop_on_signal(SIGTERM, on_signal);
	wf_loop_on_signal(SIGINT, on_signal);
	wf_loop_run();
	of_switch_free(sw);
	unixctl_server_close();
	return 0;
}
