/* SPDX-License-Identifier: Apache-2.0 */
/* type=system: an existing kernel device, by AF_PACKET with a virtio-net header, so that GSO packets
 * and unfinished checksums pass as they are. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "dataplane/drop.h"
#include "dataplane/ports/close_later.h"
#include "dataplane/ports/handed.h"
#include "dataplane/ports/kernel_dev.h"
#include "dataplane/ports/port.h"
#include "dataplane/ports/take_over.h"
#include "dataplane/ports/vnet.h"

WF_LOG_MODULE(netdev);

#define RX_SOCKET_BYTES (8 << 20) /* about a hundred GSO packets: twice as much adds latency only */
#define TX_SOCKET_BYTES (8 << 20)

struct system_port {
	int fd;
	int ifindex;
	struct rx_sizer sizer;
	struct take_over *taken; /* keeps the host stack off the device's packets */
	_Atomic uint64_t rx_bad_header, rx_kernel_drops;
	_Atomic bool use_qdisc;
};

static int
open_socket(const char *name, int ifindex, struct wf_err *err)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, rx = RX_SOCKET_BYTES, tx = TX_SOCKET_BYTES;
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	const char *what;
	int rc;

	if (fd < 0)
		return wf_err(err, -errno, "%s: cannot open a packet socket (%s); "
			      "weft-switchd needs CAP_NET_RAW", name, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rx, sizeof rx);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &tx, sizeof tx);
	/* What leaves through the device, ours included, does not come back in. */
	what = "PACKET_IGNORE_OUTGOING";
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0)
		goto fail;
	what = "PACKET_VNET_HDR";
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0)
		goto fail;
	what = "PACKET_AUXDATA";
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) < 0)
		goto fail;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	struct packet_mreq mreq = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };
	setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof mreq);
	what = "bind";
	if (bind(fd, (struct sockaddr *)&sll, sizeof sll) < 0)
		goto fail;
	return fd;
fail:
	rc = -errno;
	close(fd);
	return wf_err(err, rc, "%s: packet socket: %s failed (%s)", name, what, wf_strerror(rc));
}

/* The socket of the daemon before this one, if it is of the device that has the name now. */
static int
take_socket(const char *name, int ifindex)
{
	struct sockaddr_ll sll = { 0 };
	socklen_t size = sizeof sll;
	int fd = ports_take_handed("system", name);

	if (fd >= 0 && (getsockname(fd, (struct sockaddr *)&sll, &size) < 0 ||
			sll.sll_ifindex != ifindex)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
system_open(const char *name, const struct port_options *options, struct port **portp,
	    struct wf_err *err)
{
	int ifindex = kernel_dev_ifindex(kernel_ns_own(), name);
	struct system_port *s;
	struct port *p;
	int fd;

	if (!ifindex)
		return wf_err(err, -ENODEV, "could not open network device %s (No such device)",
			      name);
	fd = take_socket(name, ifindex);
	if (fd < 0)
		fd = open_socket(name, ifindex, err);
	if (fd < 0)
		return fd;
	p = wf_xzalloc(sizeof *p);
	s = wf_xzalloc(sizeof *s);
	port_init(p, port_class("system"), name);
	p->caps = PORT_CAP_TSO | PORT_CAP_CSUM | PORT_CAP_UFO; /* the kernel segments if the device can't */
	p->n_txq = PORT_MAX_QUEUES; /* the kernel takes from several threads at once */
	p->impl = s;
	s->fd = fd;
	s->ifindex = ifindex;
	s->taken = take_over_start(ifindex);
	*portp = p;
	return 0;
}

static void
system_close(struct port *p, bool destroy)
{
	static struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog none = { .len = 1, .filter = nothing };
	struct system_port *s = p->impl;

	take_over_end(s->taken);
	/* It waits for its turn to be closed, but gathers nothing more. */
	setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof none);
	close_later(s->fd);
	free(s);
	free(p);
}

/* The kernel takes the outer tag off into the auxiliary data; put it back. */
static unsigned
restore_vlan(struct msghdr *msg, struct rte_mbuf *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof aux))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof aux);
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			return 0;
		uint16_t tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid
									  : ETH_P_8021Q;
		uint8_t *p = pkt_push(m, 4);

		memmove(p, p + 4, 12);
		p[12] = (uint8_t)(tpid >> 8);
		p[13] = (uint8_t)tpid;
		p[14] = (uint8_t)(aux.tp_vlan_tci >> 8);
		p[15] = (uint8_t)aux.tp_vlan_tci;
		return 4;
	}
	return 0;
}

static unsigned
system_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct system_port *s = p->impl;
	struct mmsghdr msgs[BURST_MAX];
	struct iovec iov[BURST_MAX][3];
	struct virtio_net_hdr hdr[BURST_MAX];
	union {
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control[BURST_MAX];
	struct rte_mbuf *m[BURST_MAX];
	bool large = s->sizer.large_left > 0;
	uint32_t room = large ? PKT_LARGE_ROOM - 64 : PKT_SMALL_ROOM;
	unsigned n = 0, n_out = 0;
	int got;

	if (max > BURST_MAX)
		max = BURST_MAX;
	/* 64 kB packets fill a burst's work sooner. */
	if (large && max > RX_LARGE_BURST)
		max = RX_LARGE_BURST;
	for (; n < max && (m[n] = pkt_alloc(room)); n++) {
		iov[n][0] = (struct iovec){ &hdr[n], sizeof hdr[n] };
		iov[n][1] = (struct iovec){ pkt_data(m[n]), room };
		memset(&msgs[n], 0, sizeof msgs[n]);
		iov[n][2] = (struct iovec){ rx_overflow(n), large ? 0 : PKT_LARGE_ROOM };
		msgs[n].msg_hdr.msg_iov = iov[n];
		msgs[n].msg_hdr.msg_iovlen = 3;
		msgs[n].msg_hdr.msg_control = &control[n];
		msgs[n].msg_hdr.msg_controllen = sizeof control[n];
	}
	got = n ? recvmmsg(s->fd, msgs, n, MSG_DONTWAIT | MSG_TRUNC, NULL) : -1;
	if (!n)
		drop_count(DROP_NO_MEMORY, 1);
	if (got < 0)
		got = 0;
	if (large)
		s->sizer.large_left--;
	for (int i = 0; i < got; i++) {
		uint32_t size = msgs[i].msg_len;

		if (size < sizeof hdr[i] + ETH_HLEN) {
			drop_count(DROP_RX_TOO_SHORT, 1);
			pkt_free(m[i]);
			continue;
		}
		size -= sizeof hdr[i];
		if (hdr[i].gso_type != VIRTIO_NET_HDR_GSO_NONE)
			s->sizer.large_left = RX_LARGE_CALLS;
		if (size > room && !large)
			m[i] = rx_join(m[i], size, (unsigned)i);
		if (!m[i] || size > PKT_LARGE_ROOM) {
			drop_count(m[i] ? DROP_RX_CUT : DROP_NO_MEMORY, 1);
			pkt_free(m[i]);
			continue;
		}
		pkt_set_size(m[i], size);
		unsigned shift = restore_vlan(&msgs[i].msg_hdr, m[i]);
		if (!vnet_to_packet(&hdr[i], shift, m[i])) {
			drop_count(DROP_RX_BAD_OFFLOAD, 1);
			pkt_free(m[i]);
			continue;
		}
		pkts[n_out++] = m[i];
	}
	for (unsigned i = (unsigned)got; i < n; i++)
		pkt_free(m[i]);
	return n_out;
}

#ifndef SO_PRIORITY
#define SO_PRIORITY 12
#endif
/* What net/sched takes as a class if the major number is its own: 1:QUEUE+1, as Open vSwitch. */
#define CLASS_OF_QUEUE(Q) (0x10000u | ((Q) + 1))

union priority_msg {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(uint32_t))];
};

static void
add_priority(struct msghdr *msg, union priority_msg *room, uint32_t queue)
{
	uint32_t value = CLASS_OF_QUEUE(queue);
	struct cmsghdr *c;

	msg->msg_control = room;
	msg->msg_controllen = sizeof *room;
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SO_PRIORITY; /* as ancillary data since Linux 6.14 */
	c->cmsg_len = CMSG_LEN(sizeof value);
	memcpy(CMSG_DATA(c), &value, sizeof value);
}

static bool
has_priority_msg(void)
{
	struct utsname u;
	unsigned major, minor;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 14));
}

static int
system_use_qdisc(struct port *p, bool use)
{
	struct system_port *s = p->impl;
	int bypass = !use;

	if (use && !has_priority_msg())
		wf_info_rl("%s: this kernel (before 6.14) takes no queue with a packet: all go to the "
			   "default queue", p->name);
	if (setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) < 0)
		return -errno;
	atomic_store(&s->use_qdisc, use && has_priority_msg());
	return 0;
}

static unsigned
system_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct system_port *s = p->impl;
	struct mmsghdr msgs[BURST_MAX];
	struct iovec iov[BURST_MAX][2];
	struct virtio_net_hdr hdr[BURST_MAX];
	union priority_msg priority[BURST_MAX];
	bool use_qdisc = atomic_load_explicit(&s->use_qdisc, memory_order_relaxed);
	unsigned done = 0, sent = 0;

	while (done < n) {
		unsigned k = n - done < BURST_MAX ? n - done : BURST_MAX;

		for (unsigned i = 0; i < k; i++) {
			struct rte_mbuf *m = pkts[done + i];

			vnet_from_packet(m, &hdr[i]);
			iov[i][0] = (struct iovec){ &hdr[i], sizeof hdr[i] };
			iov[i][1] = (struct iovec){ pkt_data(m), pkt_size(m) };
			memset(&msgs[i], 0, sizeof msgs[i]);
			msgs[i].msg_hdr.msg_iov = iov[i];
			msgs[i].msg_hdr.msg_iovlen = 2;
			if (use_qdisc && m->ol_flags & PKT_HAS_QUEUE)
				add_priority(&msgs[i].msg_hdr, &priority[i], m->hash.sched.queue_id);
		}
		int rc = sendmmsg(s->fd, msgs, k, MSG_DONTWAIT);
		if (rc > 0) {
			sent += (unsigned)rc;
			done += (unsigned)rc;
			continue;
		}
		/* One packet could not go: the queue is full, or the device refuses this one. */
		drop_count(errno == EAGAIN || errno == ENOBUFS ? DROP_OUT_TX_FULL
			   : errno == EMSGSIZE		      ? DROP_OUT_MTU
							      : DROP_OUT_TX_ERROR, 1);
		done++;
	}
	pkt_free_bulk(pkts, n);
	return sent;
}

static int
system_rx_fd(const struct port *p, unsigned rxq)
{
	return ((struct system_port *)p->impl)->fd;
}

static void
system_get_stats(struct port *p, struct port_stats *st)
{
	struct system_port *s = p->impl;
	struct tpacket_stats ts;
	socklen_t len = sizeof ts;

	kernel_dev_get_stats(kernel_ns_own(), p->name, st);
	/* Reading resets the kernel's counter. */
	if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &ts, &len) == 0)
		atomic_fetch_add_explicit(&s->rx_kernel_drops, ts.tp_drops, memory_order_relaxed);
	uint64_t drops = atomic_load_explicit(&s->rx_kernel_drops, memory_order_relaxed);
	if (drops && st->rx_dropped != UINT64_MAX)
		st->rx_dropped += drops;
}

static void
system_get_status(struct port *p, struct port_status *st)
{
	struct system_port *s = p->impl;

	kernel_dev_get_status(kernel_ns_own(), p->name, st);
	st->gone = st->ifindex != s->ifindex;
}

static int
system_set_mtu(struct port *p, uint32_t mtu, struct wf_err *err)
{
	return kernel_dev_set_mtu(kernel_ns_own(), p->name, mtu, err);
}

static int
system_set_mac(struct port *p, const uint8_t mac[6], struct wf_err *err)
{
	return kernel_dev_set_mac(kernel_ns_own(), p->name, mac, err);
}

static int
system_set_up(struct port *p, bool up)
{
	return kernel_dev_set_up(kernel_ns_own(), p->name, up);
}

static void
system_put_status(struct port *p, void (*put)(void *aux, const char *, const char *), void *aux)
{
	kernel_dev_put_status(kernel_ns_own(), p->name, put, aux);
}

const struct port_class port_class_system = {
	.type = "system",
	.open = system_open,
	.close = system_close,
	.rx = system_rx,
	.tx = system_tx,
	.rx_fd = system_rx_fd,
	.fd_is_all = true,
	.get_stats = system_get_stats,
	.get_status = system_get_status,
	.set_mtu = system_set_mtu,
	.set_mac = system_set_mac,
	.set_up = system_set_up,
	.use_qdisc = system_use_qdisc,
	.put_status = system_put_status,
};
