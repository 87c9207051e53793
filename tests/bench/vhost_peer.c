/* SPDX-License-Identifier: Apache-2.0 */
/* A guest as a vhost-user switch sees it, without a machine around it: the front end is DPDK's
 * virtio-user, which listens on SOCKET (the switch connects: dpdkvhostuserclient), and what it
 * receives leaves through the kernel device IFACE.
 *
 *   vhost_peer SOCKET IFACE        until it is killed
 */
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BURST 32

static volatile sig_atomic_t stopped;

static void
on_signal(int signum)
{
	(void)signum;
	stopped = 1;
}

static void
start(uint16_t port, struct rte_mempool *pool, bool watch)
{
	struct rte_eth_conf conf = { .intr_conf.lsc = watch };

	if (rte_eth_dev_configure(port, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(port, 0, 256, SOCKET_ID_ANY, NULL, pool) ||
	    rte_eth_tx_queue_setup(port, 0, 256, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port)) {
		fprintf(stderr, "port %u cannot be started\n", port);
		exit(1);
	}
}

int
main(int argc, char *argv[])
{
	char virtio[300], packet[100], program[] = "vhost_peer";
	struct rte_mempool *pool;
	uint16_t in, out;

	if (argc != 3) {
		fprintf(stderr, "usage: vhost_peer SOCKET IFACE\n");
		return 2;
	}
	snprintf(virtio, sizeof(virtio), "net_virtio_user0,path=%s,server=1,queues=1", argv[1]);
	snprintf(packet, sizeof(packet), "net_af_packet0,iface=%s", argv[2]);
	/* EAL reorders the pointers and leaves the words alone. */
	const char *args[] = { program, "--no-huge", "-m", "256", "--no-shconf", "--no-pci",
			       "--no-telemetry", "-l", "0", "--single-file-segments", "--vdev",
			       virtio, "--vdev", packet };

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])), (char **)args) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("peer", 4095, 128, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool || rte_eth_dev_get_port_by_name("net_virtio_user0", &in) ||
	    rte_eth_dev_get_port_by_name("net_af_packet0", &out))
		return 1;
	start(out, pool, false);
	/* The switch connects in its own time.  Its going and coming are seen by EAL's thread alone: who asks for the
	 * link's state here does the same work at the same time, and tears a connection down that has just come. */
	start(in, pool, true);
	printf("ready\n");
	fflush(stdout);
	while (!stopped) {
		struct rte_mbuf *m[BURST];
		uint16_t n = rte_eth_rx_burst(in, 0, m, BURST);
		uint16_t sent = n ? rte_eth_tx_burst(out, 0, m, n) : 0;

		if (sent < n)
			rte_pktmbuf_free_bulk(m + sent, n - sent);
		if (!n)
			usleep(200);
	}
	return 0;
}
