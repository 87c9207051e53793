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
#include "dataplane/ports/kernel_dev.h"
#include "dataplane/ports/vnet.h"

struct tap_port {
	int fd;
	int ifindex;
	struct rx_sizer sizer;
};

static int
tap_attach(const char *name, struct wf_err *err)
{
	struct ifreq ifr = { 0 };
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int header = sizeof(struct virtio_net_hdr);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	const char *what;
	int rc;

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
	if (ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
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
	int fd = tap_attach(name, err);

	if (fd < 0)
		return fd;
	struct port *p = wf_xzalloc(sizeof *p);
	struct tap_port *t = wf_xzalloc(sizeof *t);
	port_init(p, class, name);
	p->caps = PORT_CAP_TSO | PORT_CAP_CSUM;
	p->impl = t;
	t->fd = fd;
	t->ifindex = kernel_dev_ifindex(name);
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
	close(t->fd);
	free(t);
	free(p);
}

static unsigned
tap_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct tap_port *t = p->impl;
	unsigned n = 0;

	if (t->sizer.large_left && max > 16)
		max = 16;
	while (n < max) {
		/* Any frame may be a whole GSO packet; a buffer is used again until one comes, and a
		 * small packet is moved into a small one. */
		struct rte_mbuf *m = pkt_alloc(PKT_LARGE_ROOM - 64);
		struct virtio_net_hdr hdr;
		struct iovec iov[2];

		if (!m) {
			drop_count(DROP_NO_MEMORY, 1);
			break;
		}
		iov[0] = (struct iovec){ &hdr, sizeof hdr };
		iov[1] = (struct iovec){ pkt_data(m), PKT_LARGE_ROOM - 64 };
		ssize_t size = readv(t->fd, iov, 2);
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
		if (size <= PKT_SMALL_ROOM) {
			struct rte_mbuf *small = pkt_from_bytes(pkt_data(m), (uint32_t)size);

			pkt_free(m);
			if (!small) {
				drop_count(DROP_NO_MEMORY, 1);
				continue;
			}
			m = small;
		} else {
			pkt_set_size(m, (uint32_t)size);
			t->sizer.large_left = RX_LARGE_CALLS;
		}
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
	kernel_dev_get_stats(p->name, s);
	swap(&s->rx_packets, &s->tx_packets);
	swap(&s->rx_bytes, &s->tx_bytes);
	swap(&s->rx_errors, &s->tx_errors);
	swap(&s->rx_dropped, &s->tx_dropped);
}

static void
tap_get_status(struct port *p, struct port_status *s)
{
	struct tap_port *t = p->impl;

	kernel_dev_get_status(p->name, s);
	s->gone = s->ifindex != t->ifindex;
}

static int
tap_set_mtu(struct port *p, uint32_t mtu, struct wf_err *err)
{
	return kernel_dev_set_mtu(p->name, mtu, err);
}

static int
tap_set_mac(struct port *p, const uint8_t mac[6], struct wf_err *err)
{
	return kernel_dev_set_mac(p->name, mac, err);
}

static int
tap_set_up(struct port *p, bool up)
{
	return kernel_dev_set_up(p->name, up);
}

static void
tap_put_status(struct port *p, void (*put)(void *aux, const char *, const char *), void *aux)
{
	kernel_dev_put_status(p->name, put, aux);
}

#define TAP_OPERATIONS                                                                         \
	.close = tap_close, .rx = tap_rx, .tx = tap_tx, .rx_fd = tap_rx_fd,                    \
	.get_stats = tap_get_stats, .get_status = tap_get_status, .set_mtu = tap_set_mtu,      \
	.set_mac = tap_set_mac, .set_up = tap_set_up, .put_status = tap_put_status

const struct port_class port_class_tap = { .type = "tap", .open = tap_open, TAP_OPERATIONS };
const struct port_class port_class_internal = {
	.type = "internal",
	.open = internal_open,
	TAP_OPERATIONS,
};
