/* SPDX-License-Identifier: Apache-2.0 */
/* type=dpdk: devices of DPDK's poll-mode drivers, physical ("0000:06:00.0") or virtual
 * ("eth_null0", "net_pcap0,iface=eth1"), named by options:dpdk-devargs.  type=afxdp: a kernel device
 * through the driver net_af_xdp.  Polled by workers of their own cores.
 *
 * What we receive is one segment a packet: buffers hold the MTU, and what a driver chains anyway is
 * copied together.  What we send is copied into buffers of DPDK unless it came in such.
 */
#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dataplane/drop.h"
#include "dataplane/ports/classes.h"
#include "dataplane/ports/dpdk_drivers.h"
#include "dataplane/ports/dpdk_eal.h"
#include "dataplane/ports/kernel_dev.h"

WF_LOG_MODULE(netdev_dpdk);

#define DESC_DEFAULT 2048 /* twice as many add latency when the switch falls behind */
#define DESC_MAX 4096
#define MTU_MAX 9702      /* 9728 byte frames */
#define FRAME_OVERHEAD 26 /* Ethernet, two VLAN tags, FCS */
#define CHAIN_MAX 40      /* buffers for a GSO packet of 64 kB */

struct dpdk_port {
	uint16_t id;
	char *devargs;
	char *wishes;        /* all that set_options() compares */
	uint32_t mtu;
	unsigned n_rxq, n_rxd, n_txd; /* as asked for */
	bool multi_seg;
	_Atomic bool paused; /* main changes the device: workers leave it alone */
	struct rte_mempool *pool;
	_Atomic uint64_t tx_dropped, rx_bad, link_resets;
};

/* --- Options --------------------------------------------------------------------------------- */

static unsigned
number(const struct port_options *o, const char *key, unsigned dflt, unsigned max)
{
	const char *text = port_option(o, key);
	unsigned long n = text ? strtoul(text, NULL, 10) : 0;

	return !n ? dflt : n > max ? max : (unsigned)n;
}

static char *
wishes(const struct port_options *o)
{
	static const char *const keys[] = {
		"dpdk-devargs", "n_rxq", "n_rxq_desc", "n_txq_desc",
	};
	struct wf_str s = WF_STR_INIT;

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		wf_str_fmt(&s, "%s;", port_option(o, keys[i]) ?: "");
	return wf_str_steal(&s);
}

/* --- Sharing --------------------------------------------------------------------------------- */

bool
ports_may_share(const char *devargs)
{
	/* Drivers that have a socket of their own on a kernel device, or nothing at all. */
	static const char *const drivers[] = { "net_af_packet", "eth_af_packet", "net_null", "eth_null" };

	for (size_t k = 0; k < sizeof drivers / sizeof drivers[0]; k++)
		if (!strncmp(devargs, drivers[k], strlen(drivers[k])))
			return true;
	return false;
}

bool
ports_device_is_virtual(const char *devargs)
{
	return dpdk_device_is_virtual(devargs);
}

static bool
dpdk_may_share(const struct port_options *o)
{
	const char *devargs = port_option(o, "dpdk-devargs");

	return devargs && ports_may_share(devargs);
}

/* --- Devices --------------------------------------------------------------------------------- */

static bool
find_device(const char *devargs, uint16_t *id)
{
	struct rte_dev_iterator it;
	bool found = false;
	uint16_t i;

	RTE_ETH_FOREACH_MATCHING_DEV(i, devargs, &it) {
		*id = i;
		rte_eth_iterator_cleanup(&it);
		found = true;
		break;
	}
	return found;
}

static int
attach(const char *name, const char *devargs, uint16_t *id, struct wf_err *err)
{
	char device[128];
	int rc;

	snprintf(device, sizeof device, "%.*s", (int)strcspn(devargs, ","), devargs);
	if (!strncmp(devargs, "class=", 6) ? find_device(devargs, id)
					    : !rte_eth_dev_get_port_by_name(device, id))
		return 0;
	dpdk_driver_load(devargs);
	rc = rte_dev_probe(devargs);
	if (rc < 0)
		return wf_err(err, rc, "Error attaching device '%s' to DPDK", devargs);
	if (!rte_eth_dev_get_port_by_name(device, id) || find_device(devargs, id))
		return 0;
	return wf_err(err, -ENODEV, "%s: '%s' is a device, but no Ethernet device for DPDK", name,
		      devargs);
}

static int
on_event(uint16_t id, enum rte_eth_event_type type, void *port_, void *ret)
{
	struct port *p = port_;
	struct dpdk_port *d = p->impl;

	atomic_fetch_add(&d->link_resets, 1);
	ports_changed(p->name);
	return 0;
}

/* Buffers that hold a frame of this MTU, shared by all ports that want the same. */
static struct rte_mempool *
pool_for(uint32_t mtu)
{
	uint32_t room = RTE_ALIGN_CEIL(mtu + FRAME_OVERHEAD, 1024) + RTE_PKTMBUF_HEADROOM;
	unsigned n = dpdk_has_huge_pages() ? 32767 : 8191;
	struct rte_mempool *pool;
	char name[32];

	if (mtu + FRAME_OVERHEAD <= PKT_SMALL_ROOM)
		return dpdk_pool();
	snprintf(name, sizeof name, "weft%u", room);
	pool = rte_mempool_lookup(name);
	for (; !pool && n >= 1023; n /= 2)
		pool = rte_pktmbuf_pool_create(name, n, 256, 0, (uint16_t)room, SOCKET_ID_ANY);
	return pool;
}

static void
choose_offloads(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	struct dpdk_port *d = p->impl;
	uint64_t csum = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	uint64_t tso = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
		       RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	conf->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
	conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	d->multi_seg = conf->txmode.offloads != 0;
	if ((info->tx_offload_capa & csum) == csum) {
		conf->txmode.offloads |= csum;
		p->caps |= PORT_CAP_CSUM;
		if ((info->tx_offload_capa & tso) == tso) {
			conf->txmode.offloads |= tso;
			p->caps |= PORT_CAP_TSO;
		}
	}
}

static int
start(struct port *p, struct wf_err *err)
{
	struct dpdk_port *d = p->impl;
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint16_t n_rxd = (uint16_t)d->n_rxd, n_txd = (uint16_t)d->n_txd;
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	const char *what;
	int rc, socket;

	what = "asked what it can do";
	rc = rte_eth_dev_info_get(d->id, &info);
	if (rc)
		goto fail;
	p->n_rxq = d->n_rxq;
	if (p->n_rxq > info.max_rx_queues) {
		wf_warn("%s: options:n_rxq=%u, but the device has %u receive queues", p->name,
			p->n_rxq, info.max_rx_queues);
		p->n_rxq = info.max_rx_queues;
	}
	/* One for each worker, and the first for main and whoever has none. */
	p->n_txq = (unsigned)n_cpus + 2;
	if (p->n_txq > info.max_tx_queues)
		p->n_txq = info.max_tx_queues;
	if (p->n_txq > PORT_MAX_QUEUES)
		p->n_txq = PORT_MAX_QUEUES;
	if (p->n_rxq > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
	}
	if (info.dev_flags && *info.dev_flags & RTE_ETH_DEV_INTR_LSC)
		conf.intr_conf.lsc = 1;
	choose_offloads(p, &info, &conf);
	what = "configured";
	rc = rte_eth_dev_configure(d->id, (uint16_t)p->n_rxq, (uint16_t)p->n_txq, &conf);
	if (rc)
		goto fail;
	uint16_t mtu = 0;
	if (rte_eth_dev_get_mtu(d->id, &mtu) || mtu != d->mtu) {
		rc = rte_eth_dev_set_mtu(d->id, (uint16_t)d->mtu);
		/* Some virtual devices know of no MTU; 1500 is what they do. */
		if (rc && (rc != -ENOTSUP || d->mtu != 1500))
			return wf_err(err, rc, "%s: the device refuses an MTU of %u (%s)", p->name,
				      d->mtu, rte_strerror(-rc));
	}
	rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &n_rxd, &n_txd);
	socket = rte_eth_dev_socket_id(d->id);
	for (unsigned i = 0; i < p->n_txq; i++) {
		what = "given a transmit queue";
		rc = rte_eth_tx_queue_setup(d->id, (uint16_t)i, n_txd, (unsigned)socket, NULL);
		if (rc)
			goto fail;
	}
	for (unsigned i = 0; i < p->n_rxq; i++) {
		what = "given a receive queue";
		rc = rte_eth_rx_queue_setup(d->id, (uint16_t)i, n_rxd, (unsigned)socket, NULL,
					    d->pool);
		if (rc)
			goto fail;
	}
	what = "started";
	rc = rte_eth_dev_start(d->id);
	if (rc)
		goto fail;
	rte_eth_promiscuous_enable(d->id);
	rte_eth_allmulticast_enable(d->id);
	/* A frame counts its VLAN tags. */
	p->max_frame = d->mtu + 14 + 8;
	return 0;
fail:
	return wf_err(err, rc, "%s: the device '%s' cannot be %s (%s)", p->name, d->devargs, what,
		      rte_strerror(-rc));
}

static void
stop(struct port *p)
{
	struct dpdk_port *d = p->impl;
	struct rte_eth_dev_info info;
	bool known = rte_eth_dev_info_get(d->id, &info) == 0;

	rte_eth_dev_callback_unregister(d->id, RTE_ETH_EVENT_INTR_LSC, on_event, p);
	rte_eth_dev_stop(d->id);
	rte_eth_dev_close(d->id);
	if (known && info.device && rte_dev_remove(info.device) < 0)
		wf_warn("%s: the device '%s' stays with DPDK", p->name, d->devargs);
}

static int
open_device(const struct port_class *class, const char *name, const char *devargs,
	    const struct port_options *o, struct port **portp, struct wf_err *err)
{
	struct dpdk_port *d;
	struct port *p;
	uint16_t id;
	int rc;

	rc = dpdk_start(err);
	if (!rc)
		rc = attach(name, devargs, &id, err);
	if (rc)
		return rc;
	p = wf_xzalloc(sizeof *p);
	d = wf_xzalloc(sizeof *d);
	port_init(p, class, name);
	p->impl = d;
	p->polled = true;
	d->id = id;
	d->devargs = wf_xstrdup(devargs);
	p->shared = ports_may_share(devargs);
	d->wishes = wishes(o);
	d->n_rxq = number(o, "n_rxq", 1, PORT_MAX_QUEUES);
	d->n_rxd = number(o, "n_rxq_desc", DESC_DEFAULT, DESC_MAX);
	d->n_txd = number(o, "n_txq_desc", DESC_DEFAULT, DESC_MAX);
	d->mtu = 1500;
	rte_eth_dev_callback_register(d->id, RTE_ETH_EVENT_INTR_LSC, on_event, p);
	d->pool = pool_for(d->mtu);
	if (!d->pool)
		rc = wf_err(err, -ENOMEM, "%s: no memory for packets of an MTU of %u: see "
			    "dpdk-socket-mem", name, d->mtu);
	else
		rc = start(p, err);
	if (rc) {
		stop(p);
		free(d->devargs);
		free(d->wishes);
		free(d);
		free(p);
		return rc;
	}
	*portp = p;
	return 0;
}

static int
dpdk_open(const char *name, const struct port_options *o, struct port **portp, struct wf_err *err)
{
	const char *devargs = port_option(o, "dpdk-devargs");

	if (!devargs || !*devargs)
		return wf_err(err, -EINVAL, "'%s' is missing 'options:dpdk-devargs'. The old "
			      "'dpdk<port_id>' names are not supported", name);
	return open_device(&port_class_dpdk, name, devargs, o, portp, err);
}

static int
dpdk_set_options(struct port *p, const struct port_options *o, struct wf_err *err)
{
	char *now = wishes(o);
	bool same = !strcmp(now, ((struct dpdk_port *)p->impl)->wishes);

	free(now);
	return same ? 0 : -EAGAIN;
}

static void
dpdk_close(struct port *p, bool destroy)
{
	struct dpdk_port *d = p->impl;

	stop(p);
	free(d->devargs);
	free(d->wishes);
	free(d);
	free(p);
}

/* --- AF_XDP ---------------------------------------------------------------------------------- */

/* A packet from an AF_XDP socket has no place for "the checksum is not computed yet", which is how
 * a veth's other end hands packets over as long as its transmit checksum offload is on. */
static int
check_far_side(const char *name, struct wf_err *err)
{
	struct kernel_ns *ns = kernel_ns_own();
	char driver[64];

	kernel_dev_driver(ns, name, driver, sizeof driver);
	if (!strcmp(driver, "veth") && kernel_dev_peer_offloads(ns, name) != 0)
		return wf_err(err, -EOPNOTSUPP,
			      "%s: the other end of this veth has checksum offload on, or cannot be "
			      "seen, and AF_XDP would deliver unfinished checksums; use type=system, or "
			      "\"ethtool -K DEVICE tx off\" there", name);
	if (!strcmp(driver, "tun"))
		return wf_err(err, -EOPNOTSUPP, "%s: AF_XDP on a tap would deliver unfinished "
			      "checksums; use type=system", name);
	return 0;
}

static int
afxdp_open(const char *name, const struct port_options *o, struct port **portp, struct wf_err *err)
{
	char devargs[128];
	int rc;

	if (!kernel_dev_ifindex(kernel_ns_own(), name))
		return wf_err(err, -ENODEV, "could not open network device %s (No such device)",
			      name);
	rc = check_far_side(name, err);
	if (rc)
		return rc;
	kernel_dev_set_up(kernel_ns_own(), name, true);
	snprintf(devargs, sizeof devargs, "net_af_xdp_%s,iface=%s,queue_count=%u", name, name,
		 number(o, "n_rxq", 1, PORT_MAX_QUEUES));
	return open_device(&port_class_afxdp, name, devargs, o, portp, err);
}

/* --- Packets --------------------------------------------------------------------------------- */

/* A chain in one of our own buffers. */
static struct rte_mbuf *
linearize(struct rte_mbuf *chain)
{
	uint32_t size = chain->pkt_len, ofs = 0;
	struct rte_mbuf *m = pkt_alloc(size);

	for (struct rte_mbuf *s = chain; m && s; s = s->next) {
		memcpy(pkt_data(m) + ofs, rte_pktmbuf_mtod(s, void *), s->data_len);
		ofs += s->data_len;
	}
	if (m) {
		m->ol_flags = chain->ol_flags;
		m->hash = chain->hash;
		pkt_set_size(m, size);
	}
	rte_pktmbuf_free(chain);
	return m;
}

static unsigned
dpdk_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct dpdk_port *d = p->impl;
	unsigned n, n_out = 0;

	if (unlikely(atomic_load_explicit(&d->paused, memory_order_acquire)))
		return 0;
	n = rte_eth_rx_burst(d->id, (uint16_t)rxq, pkts, (uint16_t)max);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		m->ol_flags &= RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK |
			       RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
		m->packet_type = 0;
		m->tx_offload = 0;
		if (unlikely(m->nb_segs > 1) && !(m = linearize(m))) {
			drop_count(DROP_NO_MEMORY, 1);
			continue;
		}
		if (unlikely(m->pkt_len < 14)) {
			drop_count(DROP_RX_TOO_SHORT, 1);
			atomic_fetch_add_explicit(&d->rx_bad, 1, memory_order_relaxed);
			pkt_free(m);
			continue;
		}
		pkts[n_out++] = m;
	}
	return n_out;
}

/* No longer than a device full of packets takes: then they are those of now. */
#define DISCARD_BURSTS (DESC_MAX * 4 / BURST_MAX)

static void
dpdk_discard_rx(struct port *p)
{
	struct dpdk_port *d = p->impl;
	struct rte_mbuf *pkts[BURST_MAX];

	for (unsigned q = 0; q < p->n_rxq; q++)
		for (unsigned k = 0; k < DISCARD_BURSTS; k++) {
			uint16_t n = rte_eth_rx_burst(d->id, (uint16_t)q, pkts, BURST_MAX);

			if (!n)
				break;
			rte_pktmbuf_free_bulk(pkts, n);
		}
}

/* A copy in buffers of DPDK; NULL when there are none, or the driver takes one only. */
static struct rte_mbuf *
copy_out(struct dpdk_port *d, const struct rte_mbuf *m, enum drop_reason *why)
{
	uint32_t size = pkt_size(m), done = 0;
	struct rte_mbuf *head = rte_pktmbuf_alloc(d->pool), *last = head;

	*why = DROP_NO_MEMORY;
	if (!head)
		return NULL;
	for (;;) {
		uint32_t room = rte_pktmbuf_tailroom(last);
		uint32_t part = size - done < room ? size - done : room;

		memcpy(rte_pktmbuf_mtod(last, uint8_t *), pkt_data(m) + done, part);
		last->data_len = (uint16_t)part;
		done += part;
		if (done == size)
			break;
		if (!d->multi_seg || head->nb_segs == CHAIN_MAX) {
			*why = DROP_OUT_MTU;
			goto fail;
		}
		last->next = rte_pktmbuf_alloc(d->pool);
		if (!last->next)
			goto fail;
		last = last->next;
		head->nb_segs++;
	}
	head->pkt_len = size;
	head->ol_flags = m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
	head->tx_offload = m->tx_offload;
	return head;
fail:
	rte_pktmbuf_free(head);
	return NULL;
}

static unsigned
dpdk_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct dpdk_port *d = p->impl;
	struct rte_mbuf *out[BURST_MAX];
	unsigned n_out = 0, sent = 0;

	if (unlikely(atomic_load_explicit(&d->paused, memory_order_acquire))) {
		drop_count(DROP_OUT_PORT_DOWN, n);
		pkt_free_bulk(pkts, n);
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum drop_reason why;

		if (!m->pool || rte_mbuf_refcnt_read(m) != 1) {
			struct rte_mbuf *copy = copy_out(d, m, &why);

			pkt_free(m);
			if (!copy) {
				drop_count(why, 1);
				continue;
			}
			m = copy;
		} else {
			m->ol_flags &= RTE_MBUF_F_TX_OFFLOAD_MASK | RTE_MBUF_F_EXTERNAL |
				       RTE_MBUF_F_INDIRECT;
		}
		/* Devices cut a packet with its IPv4 header's checksum. */
		if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG && m->ol_flags & RTE_MBUF_F_TX_IPV4)
			m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		out[n_out++] = m;
		if (n_out == BURST_MAX)
			break;
	}
	/* Makes the pseudo header's sum as the device wants it, and refuses what it cannot do. */
	unsigned ready = 0;
	while (ready < n_out) {
		ready += rte_eth_tx_prepare(d->id, (uint16_t)txq, out + ready,
					    (uint16_t)(n_out - ready));
		if (ready == n_out)
			break;
		drop_count(DROP_OUT_TX_ERROR, 1);
		rte_pktmbuf_free(out[ready]);
		memmove(out + ready, out + ready + 1, (--n_out - ready) * sizeof out[0]);
	}
	while (sent < n_out) {
		unsigned k = rte_eth_tx_burst(d->id, (uint16_t)txq, out + sent,
					      (uint16_t)(n_out - sent));
		if (!k)
			break;
		sent += k;
	}
	if (sent < n_out) {
		drop_count(DROP_OUT_TX_FULL, n_out - sent);
		atomic_fetch_add_explicit(&d->tx_dropped, n_out - sent, memory_order_relaxed);
		rte_pktmbuf_free_bulk(out + sent, n_out - sent);
	}
	return sent;
}

/* --- State ----------------------------------------------------------------------------------- */

static void
dpdk_get_stats(struct port *p, struct port_stats *s)
{
	struct dpdk_port *d = p->impl;
	struct rte_eth_stats e;

	memset(s, 0xff, sizeof *s);
	if (rte_eth_stats_get(d->id, &e))
		return;
	s->rx_packets = e.ipackets;
	s->tx_packets = e.opackets;
	s->rx_bytes = e.ibytes;
	s->tx_bytes = e.obytes;
	s->rx_errors = e.ierrors;
	s->tx_errors = e.oerrors;
	s->rx_dropped = e.rx_nombuf + atomic_load(&d->rx_bad);
	s->rx_missed_errors = e.imissed;
	s->tx_dropped = atomic_load(&d->tx_dropped);
}

static void
dpdk_get_status(struct port *p, struct port_status *s)
{
	struct dpdk_port *d = p->impl;
	struct rte_eth_link link = { 0 };
	struct rte_ether_addr mac;
	uint16_t mtu;

	memset(s, 0, sizeof *s);
	if (!rte_eth_dev_is_valid_port(d->id)) {
		s->gone = true;
		return;
	}
	s->admin_up = true;
	s->has_carrier_info = true;
	if (!rte_eth_link_get_nowait(d->id, &link)) {
		s->link_up = link.link_status == RTE_ETH_LINK_UP;
		if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
			s->link_speed_bps = link.link_speed * 1000000ull;
		s->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	}
	s->mtu = rte_eth_dev_get_mtu(d->id, &mtu) ? d->mtu : mtu;
	if (!rte_eth_macaddr_get(d->id, &mac))
		memcpy(s->mac, mac.addr_bytes, 6);
	s->link_resets = atomic_load(&d->link_resets);
}

/* The device is set up anew, with buffers of another size, while workers leave it alone. */
static int
dpdk_set_mtu(struct port *p, uint32_t mtu, struct wf_err *err)
{
	struct dpdk_port *d = p->impl;
	struct rte_mempool *old_pool = d->pool, *pool;
	unsigned old_rxq = p->n_rxq, old_txq = p->n_txq;
	uint32_t old = d->mtu;
	int rc;

	if (mtu < 68 || mtu > MTU_MAX)
		return wf_err(err, -EINVAL, "%s: an MTU is from 68 to %d, not %u", p->name, MTU_MAX,
			      mtu);
	pool = pool_for(mtu);
	if (!pool)
		return wf_err(err, -ENOMEM, "%s: no memory for packets of an MTU of %u: see "
			      "dpdk-socket-mem", p->name, mtu);
	atomic_store(&d->paused, true);
	wf_rcu_synchronize();
	rte_eth_dev_stop(d->id);
	d->mtu = mtu;
	d->pool = pool;
	rc = start(p, err);
	if (rc) {
		struct wf_err ignored = { "" };

		d->mtu = old;
		d->pool = old_pool;
		if (start(p, &ignored))
			wf_error("%s: the device does not work any more: %s", p->name, ignored.text);
	}
	/* Workers know as many queues as there were. */
	p->n_rxq = old_rxq;
	p->n_txq = old_txq;
	atomic_store(&d->paused, false);
	ports_changed(p->name);
	return rc;
}

static int
dpdk_set_mac(struct port *p, const uint8_t mac[6], struct wf_err *err)
{
	struct dpdk_port *d = p->impl;
	struct rte_ether_addr addr;
	int rc;

	memcpy(addr.addr_bytes, mac, 6);
	rc = rte_eth_dev_default_mac_addr_set(d->id, &addr);
	return rc ? wf_err(err, rc, "%s: cannot set the Ethernet address (%s)", p->name,
			   rte_strerror(-rc))
		  : 0;
}

static void
dpdk_put_status(struct port *p, void (*put)(void *aux, const char *, const char *), void *aux)
{
	struct dpdk_port *d = p->impl;
	struct rte_eth_dev_info info;
	struct rte_eth_link link = { 0 };

	if (rte_eth_dev_info_get(d->id, &info))
		return;
	rte_eth_link_get_nowait(d->id, &link);
	const struct {
		const char *key;
		long value;
	} rows[] = {
		{ "port_no", d->id },
		{ "numa_id", rte_eth_dev_socket_id(d->id) },
		{ "min_rx_bufsize", info.min_rx_bufsize },
		{ "max_rx_pktlen", (long)d->mtu + 18 },
		{ "max_rx_queues", info.max_rx_queues },
		{ "max_tx_queues", info.max_tx_queues },
		{ "max_mac_addrs", info.max_mac_addrs },
		{ "max_hash_mac_addrs", info.max_hash_mac_addrs },
		{ "max_vfs", info.max_vfs },
		{ "max_vmdq_pools", info.max_vmdq_pools },
		{ "n_rxq", p->n_rxq },
		{ "n_txq", p->n_txq },
		{ "if_type", 6 }, /* ethernetCsmacd, RFC 3635 */
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[24];

		snprintf(text, sizeof text, "%ld", rows[i].value);
		put(aux, rows[i].key, text);
	}
	put(aux, "driver_name", info.driver_name);
	put(aux, "if_descr", rte_version());
	if (link.link_speed && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN) {
		char text[24];

		snprintf(text, sizeof text, "%uGbps", link.link_speed / 1000);
		if (link.link_speed < 1000)
			snprintf(text, sizeof text, "%uMbps", link.link_speed);
		put(aux, "link_speed", text);
	}
	put(aux, "rx_csum_offload",
	    info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_CKSUM ? "true" : "false");
	put(aux, "tx_csum_offload", p->caps & PORT_CAP_CSUM ? "true" : "false");
	put(aux, "tx_tso_offload", p->caps & PORT_CAP_TSO ? "true" : "false");
}

#define DPDK_OPERATIONS                                                                        \
	.listed = dpdk_is_running, .set_options = dpdk_set_options, .close = dpdk_close,       \
	.rx = dpdk_rx, .tx = dpdk_tx, .get_stats = dpdk_get_stats,                             \
	.get_status = dpdk_get_status, .set_mtu = dpdk_set_mtu, .set_mac = dpdk_set_mac,       \
	.put_status = dpdk_put_status

const struct port_class port_class_dpdk = {
	.type = "dpdk", .open = dpdk_open, .may_share = dpdk_may_share,
	.discard_rx = dpdk_discard_rx, DPDK_OPERATIONS
};
const struct port_class port_class_afxdp = { .type = "afxdp", .open = afxdp_open, DPDK_OPERATIONS };

/* --- For appctl ------------------------------------------------------------------------------------- */

char *
ports_dpdk_mempools(const struct port *p)
{
	const struct dpdk_port *d;
	char *text = NULL;
	size_t size;
	FILE *f;

	if (p && p->class != &port_class_dpdk && p->class != &port_class_afxdp)
		return NULL;
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	if (p) {
		d = p->impl;
		rte_mempool_dump(f, d->pool);
		fprintf(f, "    count: avail (%u), in use (%u)\n", rte_mempool_avail_count(d->pool),
			rte_mempool_in_use_count(d->pool));
	} else {
		rte_mempool_list_dump(f);
	}
	fclose(f);
	return text;
}

char *
ports_dpdk_lcores(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	rte_lcore_dump(f);
	fclose(f);
	return text;
}
