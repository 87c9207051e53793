/* SPDX-License-Identifier: Apache-2.0 */
/* type=tap and type=internal: a tap device of our own, persistent, so that it keeps its addresses,
 * routes and namespace while no daemon runs.  Reads and writes carry a virtio-net header. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "dataplane/drop.h"
#include "dataplane/ports/classes.h"
#include "dataplane/ports/handed.h"
#include "dataplane/ports/tap_place.h"
#include "dataplane/ports/vnet.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

struct tap_port {
	int fd;
	struct tap_place place;
	struct rx_sizer sizer;
};

/* What tap_attach() is to take: a tap has one descriptor that is attached, so it cannot be attached
 * anew while the daemon before this one holds it. */
static int handed_fd = -1;

static int
tap_attach(const char *name, struct wf_err *err)
{
	struct ifreq ifr = { 0 };
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int header = sizeof(struct virtio_net_hdr);
	const char *what;
	int fd, rc;

	if (handed_fd >= 0) {
		fd = handed_fd;
		handed_fd = -1;
		return fd;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return wf_err(err, -errno, "%s: cannot open /dev/net/tun (%s)", name,
			      strerror(errno));
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	what = "TUNSETIFF";
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		goto fail;
	what = "TUNSETVNETHDRSZ";
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		goto fail;
	what = "TUNSETOFFLOAD";
	if (ioctl(fd, TUNSETOFFLOAD, offloads | TUN_F_USO4 | TUN_F_USO6) < 0 &&
	    ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
		goto fail;
	what = "TUNSETPERSIST";
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		goto fail;
	return fd;
fail:
	rc = -errno;
	close(fd);
	if (rc == -EBUSY)
		return wf_err(err, rc, "%s: another process has the tap device open", name);
	if (rc == -EINVAL && !strcmp(what, "TUNSETIFF"))
		return wf_err(err, rc, "%s: a device of that name exists and is not a tap", name);
	return wf_err(err, rc, "%s: %s failed (%s)", name, what, wf_strerror(rc));
}

static int
tap_open_class(const struct port_class *class, const char *name, struct port **portp,
	       struct wf_err *err)
{
	struct tap_port *t;
	struct port *p;
	int fd;

	if (strlen(name) >= IFNAMSIZ)
		return wf_err(err, -EINVAL, "%s: a device's name has at most 15 characters", name);
	t = wf_xzalloc(sizeof *t);
	handed_fd = ports_take_handed(class->type, name);
	fd = tap_place_open(name, tap_attach, &t->place, err);
	if (fd < 0) {
		free(t);
		return fd;
	}
	p = wf_xzalloc(sizeof *p);
	port_init(p, class, name);
	p->caps = PORT_CAP_TSO | PORT_CAP_CSUM;
	p->n_txq = PORT_MAX_QUEUES; /* the kernel takes from several threads at once */
	p->impl = t;
	t->fd = fd;
	*portp = p;
	return 0;
}

static int
tap_open(const char *name, const struct port_options *o, struct port **portp, struct wf_err *err)
{
	return tap_open_class(&port_class_tap, name, portp, err);
}

static int
internal_open(const char *name, const struct port_options *o, struct port **portp,
	      struct wf_err *err)
{
	return tap_open_class(&port_class_internal, name, portp, err);
}

static void
tap_close(struct port *p, bool destroy)
{
	struct tap_port *t = p->impl;

	if (destroy)
		ioctl(t->fd, TUNSETPERSIST, 0);
	tap_place_done(p->name, &t->place, destroy);
	close(t->fd);
	free(t);
	free(p);
}

static unsigned
tap_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct tap_port *t = p->impl;
	bool large = t->sizer.large_left > 0;
	uint32_t room = large ? PKT_LARGE_ROOM - 64 : PKT_SMALL_ROOM;
	unsigned n = 0;

	/* 64 kB packets fill a burst's work sooner. */
	if (large && max > RX_LARGE_BURST)
		max = RX_LARGE_BURST;
	while (n < max) {
		struct rte_mbuf *m = pkt_alloc(room);
		struct virtio_net_hdr hdr;
		struct iovec iov[3];

		if (!m) {
			drop_count(DROP_NO_MEMORY, 1);
			break;
		}
		iov[0] = (struct iovec){ &hdr, sizeof hdr };
		iov[1] = (struct iovec){ pkt_data(m), room };
		iov[2] = (struct iovec){ rx_overflow(0), large ? 0 : PKT_LARGE_ROOM };
		ssize_t size = readv(t->fd, iov, 3);
		if (size <= (ssize_t)sizeof hdr) {
			pkt_free(m);
			break;
		}
		size -= (ssize_t)sizeof hdr;
		if (size < 14) {
			drop_count(DROP_RX_TOO_SHORT, 1);
			pkt_free(m);
			continue;
		}
		if (hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
			t->sizer.large_left = RX_LARGE_CALLS;
		if (size > room) {
			m = rx_join(m, (uint32_t)size, 0);
			if (!m) {
				drop_count(DROP_NO_MEMORY, 1);
				continue;
			}
		}
		pkt_set_size(m, (uint32_t)size);
		if (!vnet_to_packet(&hdr, 0, m)) {
			drop_count(DROP_RX_BAD_OFFLOAD, 1);
			pkt_free(m);
			continue;
		}
		pkts[n++] = m;
	}
	if (t->sizer.large_left)
		t->sizer.large_left--;
	return n;
}

static unsigned
tap_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct tap_port *t = p->impl;
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		struct virtio_net_hdr hdr;
		struct iovec iov[2] = {
			{ &hdr, sizeof hdr },
			{ pkt_data(pkts[i]), pkt_size(pkts[i]) },
		};

		vnet_from_packet(pkts[i], &hdr);
		if (writev(t->fd, iov, 2) > 0)
			sent++;
		else if (errno == EIO) /* the device is down: as a cable that is not plugged in */
			drop_count(DROP_OUT_PORT_DOWN, 1);
		else
			drop_count(errno == EAGAIN ? DROP_OUT_TX_FULL : DROP_OUT_TX_ERROR, 1);
	}
	pkt_free_bulk(pkts, n);
	return sent;
}

static int
tap_rx_fd(const struct port *p, unsigned rxq)
{
	return ((struct tap_port *)p->impl)->fd;
}

static void
swap(uint64_t *a, uint64_t *b)
{
	uint64_t t = *a;

	*a = *b;
	*b = t;
}

/* What the kernel sends through a tap is what we receive. */
static void
tap_get_stats(struct port *p, struct port_stats *s)
{
	struct tap_place *t = &((struct tap_port *)p->impl)->place;

	kernel_dev_get_stats(t->ns, t->dev, s);
	swap(&s->rx_packets, &s->tx_packets);
	swap(&s->rx_bytes, &s->tx_bytes);
	swap(&s->rx_errors, &s->tx_errors);
	swap(&s->rx_dropped, &s->tx_dropped);
}

static void
tap_get_status(struct port *p, struct port_status *s)
{
	struct tap_port *t = p->impl;

	if (tap_place_update(p->name, t->fd, &t->place)) {
		memset(s, 0, sizeof *s);
		s->gone = true;
		return;
	}
	kernel_dev_get_status(t->place.ns, t->place.dev, s);
}

static int
tap_set_mtu(struct port *p, uint32_t mtu, struct wf_err *err)
{
	struct tap_place *t = &((struct tap_port *)p->impl)->place;

	return kernel_dev_set_mtu(t->ns, t->dev, mtu, err);
}

static int
tap_set_mac(struct port *p, const uint8_t mac[6], struct wf_err *err)
{
	struct tap_place *t = &((struct tap_port *)p->impl)->place;

	return kernel_dev_set_mac(t->ns, t->dev, mac, err);
}

static int
tap_set_up(struct port *p, bool up)
{
	struct tap_place *t = &((struct tap_port *)p->impl)->place;

	return kernel_dev_set_up(t->ns, t->dev, up);
}

static void
tap_put_status(struct port *p, void (*put)(void *aux, const char *, const char *), void *aux)
{
	struct tap_place *t = &((struct tap_port *)p->impl)->place;

	kernel_dev_put_status(t->ns, t->dev, put, aux);
}

#define TAP_OPERATIONS                                                                         \
	.close = tap_close, .rx = tap_rx, .tx = tap_tx, .rx_fd = tap_rx_fd,                    \
	.get_stats = tap_get_stats, .get_status = tap_get_status, .set_mtu = tap_set_mtu,      \
	.set_mac = tap_set_mac, .set_up = tap_set_up, .put_status = tap_put_status,            \
	.fd_is_all = true

const struct port_class port_class_tap = { .type = "tap", .open = tap_open, TAP_OPERATIONS };
const struct port_class port_class_internal = {
	.type = "internal",
	.open = internal_open,
	TAP_OPERATIONS,
};
