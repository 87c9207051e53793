/* SPDX-License-Identifier: Apache-2.0 */
/* type=dummy: a port without a device, for tests (--enable-dummy).  Packets come in by unixctl
 * "netdev-dummy/receive" or over a stream from another dummy; what goes out is counted, sent over
 * that stream, and written to a pcap file if options ask for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/unixctl.h"
#include "dataplane/pkt_compose.h"
#include "dataplane/ports/classes.h"
#include "dataplane/ports/dummy_wire.h"
#include "dataplane/worker.h"

struct waiting {
	struct wf_list node;
	struct rte_mbuf *m;
};

struct dummy_port {
	struct wf_list node;     /* in 'dummies' */
	struct port *port;
	pthread_mutex_t lock;    /* of all below; taken per burst: this is a test port */
	struct wf_list rx;
	int event;               /* readable while 'rx' has packets */
	struct port_stats stats;
	bool up, carrier;
	uint8_t mac[6];
	uint32_t mtu;
	struct port_address ip4, ip6; /* main's; prefix length 0: none */
	FILE *rx_pcap, *tx_pcap;
	struct dummy_wire *wire; /* changed by main only; NULL: ends here */
	char *rx_pcap_name, *tx_pcap_name;
};

static struct wf_list dummies = { &dummies, &dummies };
static bool enabled;
/* The first MAC is that of the data path's own device in Open vSwitch, which we do not have. */
static unsigned n_made = 1;

static bool
dummy_available(void)
{
	return enabled;
}

/* --- pcap ----------------------------------------------------------------------------------- */

static FILE *
pcap_open(const char *path)
{
	static const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, sigfigs, snaplen, linktype;
	} header = { 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1 };
	FILE *f = fopen(path, "wb");

	if (f) {
		fwrite(&header, sizeof header, 1, f);
		fflush(f);
	}
	return f;
}

static void
pcap_write(FILE *f, const struct rte_mbuf *m)
{
	int64_t us = wf_wall_ms() * 1000;
	uint32_t record[4] = { (uint32_t)(us / 1000000), (uint32_t)(us % 1000000), pkt_size(m),
			       pkt_size(m) };

	if (!f)
		return;
	fwrite(record, sizeof record, 1, f);
	fwrite(pkt_data(m), pkt_size(m), 1, f);
	fflush(f);
}

static void
set_pcap(FILE **f, char **name, const char *want)
{
	if (*name && want && !strcmp(*name, want))
		return;
	if (*f)
		fclose(*f);
	free(*name);
	*f = want ? pcap_open(want) : NULL;
	*name = want ? wf_xstrdup(want) : NULL;
}

/* --- Streams between dummies ----------------------------------------------------------------- */

static void receive(struct dummy_port *d, struct rte_mbuf *m);

static void
on_wire(void *d_, const void *packet, size_t size)
{
	struct rte_mbuf *m = size >= 14 ? pkt_from_bytes(packet, (uint32_t)size) : NULL;

	if (m)
		receive(d_, m);
}

static void
set_wire(struct dummy_port *d, const struct port_options *o)
{
	const char *passive = port_option(o, "pstream"), *active = port_option(o, "stream");
	const char *want = passive ? passive : active;
	struct dummy_wire *old = d->wire, *now = NULL;

	if (old && want && !strcmp(dummy_wire_name(old), want))
		return;
	pthread_mutex_lock(&d->lock);
	d->wire = NULL;
	pthread_mutex_unlock(&d->lock);
	dummy_wire_close(old);
	if (want)
		now = dummy_wire_open(want, passive != NULL, on_wire, d);
	pthread_mutex_lock(&d->lock);
	d->wire = now;
	pthread_mutex_unlock(&d->lock);
}

/* --- Class ----------------------------------------------------------------------------------- */

static int
dummy_set_options(struct port *p, const struct port_options *o, struct wf_err *err)
{
	struct dummy_port *d = p->impl;
	const char *both = port_option(o, "pcap");
	const char *rx = port_option(o, "rxq_pcap"), *tx = port_option(o, "tx_pcap");

	set_wire(d, o);
	pthread_mutex_lock(&d->lock);
	if (d->tx_pcap == d->rx_pcap)
		d->tx_pcap = NULL; /* shared: the handle goes with rx */
	set_pcap(&d->rx_pcap, &d->rx_pcap_name, rx ? rx : both);
	if (both && !tx && !rx) {
		/* One file for both ways: shared handle. */
		set_pcap(&d->tx_pcap, &d->tx_pcap_name, NULL);
		d->tx_pcap = d->rx_pcap;
	} else {
		set_pcap(&d->tx_pcap, &d->tx_pcap_name, tx);
	}
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
open_class(const struct port_class *class, const char *name, const struct port_options *o,
	   struct port **portp, struct wf_err *err)
{
	struct port *p = wf_xzalloc(sizeof *p);
	struct dummy_port *d = wf_xzalloc(sizeof *d);

	port_init(p, class, name);
	p->impl = d;
	p->caps = PORT_CAP_TSO | PORT_CAP_CSUM | PORT_CAP_UFO;
	d->port = p;
	pthread_mutex_init(&d->lock, NULL);
	wf_list_init(&d->rx);
	d->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d->up = d->carrier = true;
	d->mtu = 1500;
	d->mac[0] = d->mac[2] = 0xaa;
	d->mac[1] = d->mac[3] = 0x55;
	d->mac[4] = (uint8_t)(n_made >> 8);
	d->mac[5] = (uint8_t)n_made++;
	wf_list_push_back(&dummies, &d->node);
	dummy_set_options(p, o, err);
	*portp = p;
	return 0;
}

static int
dummy_open(const char *name, const struct port_options *o, struct port **portp, struct wf_err *err)
{
	return open_class(&port_class_dummy, name, o, portp, err);
}

static int
dummy_internal_open(const char *name, const struct port_options *o, struct port **portp,
		    struct wf_err *err)
{
	return open_class(&port_class_dummy_internal, name, o, portp, err);
}

static int
dummy_pmd_open(const char *name, const struct port_options *o, struct port **portp,
	       struct wf_err *err)
{
	return open_class(&port_class_dummy_pmd, name, o, portp, err);
}

static void
dummy_close(struct port *p, bool destroy)
{
	struct dummy_port *d = p->impl;

	dummy_wire_close(d->wire);
	while (!wf_list_is_empty(&d->rx)) {
		struct waiting *w = wf_container(wf_list_pop_front(&d->rx), struct waiting, node);

		pkt_free(w->m);
		free(w);
	}
	wf_list_remove(&d->node);
	if (d->tx_pcap && d->tx_pcap != d->rx_pcap)
		fclose(d->tx_pcap);
	if (d->rx_pcap)
		fclose(d->rx_pcap);
	free(d->rx_pcap_name);
	free(d->tx_pcap_name);
	close(d->event);
	pthread_mutex_destroy(&d->lock);
	free(d);
	free(p);
}

static unsigned
dummy_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct dummy_port *d = p->impl;
	unsigned n = 0;
	uint64_t ticks;

	pthread_mutex_lock(&d->lock);
	while (n < max && !wf_list_is_empty(&d->rx)) {
		struct waiting *w = wf_container(wf_list_pop_front(&d->rx), struct waiting, node);

		pkts[n] = w->m;
		d->stats.rx_packets++;
		d->stats.rx_bytes += pkt_size(pkts[n]);
		n++;
		free(w);
	}
	if (wf_list_is_empty(&d->rx) && read(d->event, &ticks, sizeof ticks) < 0)
		ticks = 0;
	pthread_mutex_unlock(&d->lock);
	return n;
}

static unsigned
dummy_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct dummy_port *d = p->impl;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < n; i++) {
		d->stats.tx_packets++;
		d->stats.tx_bytes += pkt_size(pkts[i]);
		pcap_write(d->tx_pcap, pkts[i]);
		if (d->wire)
			dummy_wire_send(d->wire, pkt_data(pkts[i]), pkt_size(pkts[i]));
	}
	pthread_mutex_unlock(&d->lock);
	pkt_free_bulk(pkts, n);
	return n;
}

static int
dummy_rx_fd(const struct port *p, unsigned rxq)
{
	return ((struct dummy_port *)p->impl)->event;
}

static void
dummy_get_stats(struct port *p, struct port_stats *s)
{
	struct dummy_port *d = p->impl;

	memset(s, 0xff, sizeof *s);
	pthread_mutex_lock(&d->lock);
	s->rx_packets = d->stats.rx_packets;
	s->rx_bytes = d->stats.rx_bytes;
	s->tx_packets = d->stats.tx_packets;
	s->tx_bytes = d->stats.tx_bytes;
	pthread_mutex_unlock(&d->lock);
}

static void
dummy_get_status(struct port *p, struct port_status *s)
{
	struct dummy_port *d = p->impl;

	memset(s, 0, sizeof *s);
	pthread_mutex_lock(&d->lock);
	s->admin_up = d->up;
	s->link_up = d->carrier;
	s->mtu = d->mtu;
	memcpy(s->mac, d->mac, 6);
	pthread_mutex_unlock(&d->lock);
}

static int
dummy_set_mac(struct port *p, const uint8_t mac[6], struct wf_err *err)
{
	struct dummy_port *d = p->impl;

	pthread_mutex_lock(&d->lock);
	memcpy(d->mac, mac, 6);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
dummy_set_mtu(struct port *p, uint32_t mtu, struct wf_err *err)
{
	struct dummy_port *d = p->impl;

	if (mtu < 68 || mtu > 65535)
		return wf_err(err, -EINVAL, "%s: an MTU is from 68 to 65535, not %u", p->name, mtu);
	d->mtu = mtu;
	ports_changed(p->name);
	return 0;
}

static int
dummy_set_up(struct port *p, bool up)
{
	struct dummy_port *d = p->impl;

	pthread_mutex_lock(&d->lock);
	d->up = up;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static unsigned
dummy_get_addresses(struct port *p, struct port_address *out, unsigned room)
{
	struct dummy_port *d = p->impl;
	unsigned n = 0;

	if (d->ip4.plen && n < room)
		out[n++] = d->ip4;
	if (d->ip6.plen && n < room)
		out[n++] = d->ip6;
	return n;
}

#define DUMMY_OPERATIONS                                                                       \
	.available = dummy_available, .set_options = dummy_set_options, .close = dummy_close,  \
	.rx = dummy_rx, .tx = dummy_tx, .rx_fd = dummy_rx_fd, .get_stats = dummy_get_stats,    \
	.get_addresses = dummy_get_addresses,                                                  \
	.get_status = dummy_get_status, .set_mac = dummy_set_mac, .set_mtu = dummy_set_mtu,    \
	.set_up = dummy_set_up

const struct port_class port_class_dummy = { .type = "dummy", .open = dummy_open, DUMMY_OPERATIONS };
/* In Open vSwitch a dummy that is polled.  There are no cores to spare for tests: a sleeping worker
 * serves it. */
const struct port_class port_class_dummy_pmd = {
	.type = "dummy-pmd",
	.open = dummy_pmd_open,
	DUMMY_OPERATIONS,
};
const struct port_class port_class_dummy_internal = {
	.type = "dummy-internal",
	.open = dummy_internal_open,
	DUMMY_OPERATIONS,
};

/* --- unixctl --------------------------------------------------------------------------------- */

static struct dummy_port *
dummy_find(const char *name)
{
	struct dummy_port *d;

	wf_list_for_each (d, node, &dummies)
		if (!strcmp(d->port->name, name))
			return d;
	return NULL;
}

static void
receive(struct dummy_port *d, struct rte_mbuf *m)
{
	struct waiting *w = wf_xmalloc(sizeof *w);
	uint64_t one = 1;

	w->m = m;
	pthread_mutex_lock(&d->lock);
	if (!d->up) {
		pthread_mutex_unlock(&d->lock);
		pkt_free(m);
		free(w);
		return;
	}
	pcap_write(d->rx_pcap, m);
	wf_list_push_back(&d->rx, &w->node);
	if (write(d->event, &one, sizeof one) < 0)
		pcap_write(NULL, m);
	pthread_mutex_unlock(&d->lock);
}

/* NAME [--qid ID] PACKET [--len N] ... */
static void
on_receive(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct dummy_port *d = dummy_find(argv[1]);
	int k = 2;

	if (!d) {
		unixctl_reply_error(conn, "no such dummy netdev");
		return;
	}
	if (k + 1 < argc && !strcmp(argv[k], "--qid"))
		k += 2;
	while (k < argc) {
		const char *text = argv[k++];
		unsigned len = 0;
		char *error;
		struct rte_mbuf *m;

		if (k + 1 < argc && !strcmp(argv[k], "--len")) {
			len = (unsigned)strtoul(argv[k + 1], NULL, 10);
			k += 2;
		}
		m = pkt_from_text(text, len, &error);
		if (!m) {
			unixctl_reply_error(conn, error);
			free(error);
			return;
		}
		receive(d, m);
	}
	workers_settle();
	unixctl_reply(conn, NULL);
}

static void
on_set_admin_state(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	bool up = !strcasecmp(argv[argc - 1], "up");
	struct dummy_port *d;

	if (!up && strcasecmp(argv[argc - 1], "down")) {
		unixctl_reply_error(conn, "Invalid Admin State");
		return;
	}
	if (argc > 2 && !dummy_find(argv[1])) {
		unixctl_reply_error(conn, "Unknown Dummy Interface");
		return;
	}
	wf_list_for_each (d, node, &dummies)
		if (argc == 2 || !strcmp(d->port->name, argv[1])) {
			pthread_mutex_lock(&d->lock);
			d->up = up;
			pthread_mutex_unlock(&d->lock);
		}
	ports_changed(argc > 2 ? argv[1] : NULL);
	unixctl_reply(conn, "OK");
}

/* "ADDRESS[/PREFIX-LENGTH]" or, of IPv4, "ADDRESS/MASK".  NULL, or what is wrong; the caller frees it. */
static char *
parse_address(const char *text, int family, struct port_address *out)
{
	unsigned bits = family == AF_INET ? 32 : 128, plen = bits;
	size_t n = strcspn(text, "/");
	uint8_t ip[16] = { 0 };
	char addr[64], *end;
	struct in_addr mask;

	if (n >= sizeof addr)
		return wf_xasprintf("%s: invalid IP address", text);
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (inet_pton(family, addr, family == AF_INET ? ip + 12 : ip) != 1)
		return wf_xasprintf("%s: invalid IP%s address", text, family == AF_INET ? "" : "v6");
	if (family == AF_INET)
		ip[10] = ip[11] = 0xff;
	if (text[n] && family == AF_INET && strchr(text + n, '.')) {
		if (inet_pton(AF_INET, text + n + 1, &mask) != 1)
			return wf_xasprintf("%s: invalid IP address", text);
		plen = (unsigned)__builtin_popcount(mask.s_addr);
	} else if (text[n]) {
		plen = (unsigned)strtoul(text + n + 1, &end, 10);
		if (end == text + n + 1 || *end || !plen || plen > bits)
			return wf_xasprintf("%s: IPv%c network prefix bits not between 1 and %u",
					    text, family == AF_INET ? '4' : '6', bits);
	}
	memcpy(out->ip, ip, sizeof ip);
	out->plen = (uint8_t)(128 - bits + plen);
	return NULL;
}

static void
on_address(struct unixctl_conn *conn, int argc, const char *argv[], void *family)
{
	struct dummy_port *d = dummy_find(argv[1]);
	char *error;

	if (!d) {
		unixctl_reply_error(conn, "Unknown Dummy Interface");
		return;
	}
	error = family ? parse_address(argv[2], AF_INET6, &d->ip6)
		       : parse_address(argv[2], AF_INET, &d->ip4);
	if (error) {
		unixctl_reply_error(conn, error);
		free(error);
		return;
	}
	ports_changed(argv[1]);
	unixctl_reply(conn, "OK");
}

static const char *
wire_state(struct dummy_port *d)
{
	return d && d->wire ? dummy_wire_state(d->wire) : "unknown";
}

static void
on_conn_state(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct dummy_port *d;

	if (argc > 1)
		wf_str_fmt(&s, "%s: %s\n", argv[1], wire_state(dummy_find(argv[1])));
	else
		wf_list_for_each (d, node, &dummies)
			if (strcmp(wire_state(d), "unknown"))
				wf_str_fmt(&s, "%s: %s\n", d->port->name, wire_state(d));
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
ports_enable_dummy(const char *level)
{
	enabled = true;
	ports_replace_types(level);
	unixctl_command("netdev-dummy/receive", "name packet|flow...", 2, 99, on_receive, NULL);
	unixctl_command("netdev-dummy/set-admin-state", "[netdev] up|down", 1, 2,
			on_set_admin_state, NULL);
	unixctl_command("netdev-dummy/conn-state", "[netdev]", 0, 1, on_conn_state, NULL);
	unixctl_command("netdev-dummy/ip4addr", "[netdev] ipaddr/mask-prefix-len", 2, 2, on_address,
			NULL);
	unixctl_command("netdev-dummy/ip6addr", "[netdev] ip6addr", 2, 2, on_address, &dummies);
}
