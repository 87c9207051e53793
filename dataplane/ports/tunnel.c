// SPDX-License-Identifier: Apache-2.0
#include "dataplane/ports/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "dataplane/drop.h"
#include "dataplane/ports/handed.h"
#include "dataplane/ports/kernel_dev.h"
#include "tunnels/checksum.h"
#include "tunnels/gro.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

#define RX_SOCKET_BYTES (8 << 20)

static const struct port_class sockets_class;

/* --- Opening ------------------------------------------------------------------------------------ */

static void
ask(int fd, int level, int name)
{
	int one = 1;

	setsockopt(fd, level, name, &one, sizeof one);
}

void
tunnel_socket_deafen(int fd)
{
	static struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog none = { .len = 1, .filter = nothing };

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof none);
}

static int
make_rx(const char *name, enum tnl_type type, uint16_t udp_port, bool is_v6, struct wf_err *err)
{
	bool is_udp = tnl_ip_proto(type) == IPPROTO_UDP;
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(udp_port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(udp_port) };
	int rx = RX_SOCKET_BYTES, rc;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET,
			(is_udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC | SOCK_NONBLOCK,
			is_udp ? 0 : IPPROTO_GRE);

	if (fd < 0)
		return wf_err(err, -errno, "%s: cannot open a socket (%s)", name, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rx, sizeof rx);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &rx, sizeof rx);
	if (is_v6) {
		ask(fd, IPPROTO_IPV6, IPV6_V6ONLY);
		ask(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
		ask(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
		ask(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	} else {
		ask(fd, IPPROTO_IP, IP_PKTINFO);
		ask(fd, IPPROTO_IP, IP_RECVTOS);
		ask(fd, IPPROTO_IP, IP_RECVTTL);
	}
	if (!is_udp)
		return fd;
	ask(fd, SOL_UDP, UDP_GRO);
	if (is_v6) /* RFC 6935: tunnels may leave it out */
		ask(fd, SOL_UDP, UDP_NO_CHECK6_RX);
	if (!bind(fd, is_v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4,
		  is_v6 ? sizeof any6 : sizeof any4))
		return fd;
	rc = -errno;
	close(fd);
	return wf_err(err, rc, "%s: UDP port %u of the host cannot be had (%s): another program or a "
		      "tunnel device of the kernel has it", name, udp_port, wf_strerror(rc));
}

/* What a socket is called when it goes from one daemon to the next. */
static const char *
handed_type(enum tnl_type type)
{
	static const char *const names[] = {
		[TNL_VXLAN] = "vxlan", [TNL_GENEVE] = "geneve", [TNL_GRE] = "gre",
		[TNL_ERSPAN] = "erspan", [TNL_GTPU] = "gtpu", [TNL_LISP] = "lisp",
	};

	return names[type];
}

static void
handed_name(char name[24], uint16_t udp_port, bool is_v6)
{
	snprintf(name, 24, "endpoint/%u/%s", udp_port, is_v6 ? "ip6" : "ip4");
}

void
tunnel_sockets_give(const struct port *p,
		    void (*give)(const char *type, const char *name, int fd, void *aux), void *aux)
{
	const struct tunnel_sockets *s = p->impl;

	for (unsigned i = 0; i < p->n_rxq; i++) {
		char name[24];

		handed_name(name, s->udp_port, s->rxq[i]->is_v6);
		give(handed_type(s->type), name, s->rxq[i]->fd, aux);
	}
}

static int
open_rx(const char *name, enum tnl_type type, uint16_t udp_port, bool is_v6, struct wf_err *err)
{
	char handed[24];
	int fd;

	/* With all options set, and with the packets that wait in it. */
	handed_name(handed, udp_port, is_v6);
	fd = ports_take_handed(handed_type(type), handed);
	return fd >= 0 ? fd : make_rx(name, type, udp_port, is_v6, err);
}

static void
sockets_free(struct port *p)
{
	struct tunnel_sockets *s = p->impl;

	for (unsigned i = 0; i < 2; i++) {
		if (!s->rxq[i])
			continue;
		struct tunnel_rxq *q = s->rxq[i];

		pkt_free_bulk(q->left + q->at_left, q->n_left - q->at_left);
		close(q->fd);
		free(q);
	}
	for (unsigned k = 0; k < TUNNEL_TX_KINDS; k++)
		for (unsigned i = 0; i < TUNNEL_TX_SOCKETS; i++)
			if (s->tx_fd[k][i])
				close(s->tx_fd[k][i]);
	pthread_mutex_destroy(&s->lock);
	pthread_spin_destroy(&p->tx_lock);
	free(s);
	free(p);
}

int
tunnel_sockets_open(const char *name, enum tnl_type type, uint16_t udp_port, struct port **portp,
		    struct wf_err *err)
{
	struct port *p = wf_xzalloc(sizeof *p);
	struct tunnel_sockets *s = wf_xzalloc(sizeof *s);
	unsigned n = 0;
	int rc = 0;

	port_init(p, &sockets_class, name);
	p->impl = s;
	p->n_txq = PORT_MAX_QUEUES;
	s->type = type;
	s->udp_port = udp_port;
	pthread_mutex_init(&s->lock, NULL);
	for (int v6 = 0; v6 < 2; v6++) {
		struct tunnel_rxq *q;
		int fd = open_rx(name, type, udp_port, v6, err);

		if (fd < 0) {
			/* A host may have only one of the two. */
			if (fd == -EAFNOSUPPORT)
				continue;
			rc = fd;
			break;
		}
		q = wf_xzalloc(sizeof *q);
		q->fd = fd;
		q->is_v6 = v6;
		s->rxq[n++] = q;
	}
	if (!rc && !n)
		rc = -EAFNOSUPPORT;
	if (rc) {
		sockets_free(p);
		return rc;
	}
	p->n_rxq = n;
	*portp = p;
	return 0;
}

static void
sockets_close(struct port *p, bool destroy)
{
	sockets_free(p);
}

/* --- Receiving ------------------------------------------------------------------------------------ */

/* What the kernel says beside a datagram. */
struct origin {
	uint8_t src[16], dst[16];
	uint16_t src_port;
	uint8_t tos, ttl;
	uint32_t gro_size; /* 0: one datagram */
};

static void
read_control(struct msghdr *msg, bool is_v6, struct origin *o)
{
	int v;

	memset(o, 0, sizeof *o);
	if (is_v6) {
		const struct sockaddr_in6 *sa = msg->msg_name;

		memcpy(o->src, &sa->sin6_addr, 16);
		o->src_port = ntohs(sa->sin6_port);
	} else {
		const struct sockaddr_in *sa = msg->msg_name;

		memcpy(o->src, &sa->sin_addr, 4);
		o->src_port = ntohs(sa->sin_port);
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);
		size_t size = c->cmsg_len - CMSG_LEN(0);

		v = 0;
		memcpy(&v, data, size < sizeof v ? size : sizeof v);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			memcpy(o->dst, &((const struct in_pktinfo *)data)->ipi_addr, 4);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			o->tos = *(const uint8_t *)data;
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
			o->ttl = (uint8_t)v;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memcpy(o->dst, &((const struct in6_pktinfo *)data)->ipi6_addr, 16);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			o->tos = (uint8_t)v;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
			o->ttl = (uint8_t)v;
		else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			o->gro_size = (uint32_t)v;
	}
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Puts the outer header before the payload; false: too long for one. */
static bool
put_header(const struct tunnel_sockets *s, bool is_v6, const struct origin *o, struct rte_mbuf *m)
{
	uint8_t proto = tnl_ip_proto(s->type);
	uint32_t size = pkt_size(m) + (proto == IPPROTO_UDP ? 8 : 0);
	uint8_t *h;

	if (size + (is_v6 ? 0 : 20) > 65535)
		return false;
	if (proto == IPPROTO_UDP) {
		h = pkt_push(m, 8);
		put16(h, o->src_port);
		put16(h + 2, s->udp_port);
		put16(h + 4, size);
		put16(h + 6, 0);
	}
	if (is_v6) {
		h = pkt_push(m, 40);
		memset(h, 0, 8);
		put16(h, 0x6000u | (uint32_t)o->tos << 4);
		put16(h + 4, size);
		h[6] = proto;
		h[7] = o->ttl;
		memcpy(h + 8, o->src, 16);
		memcpy(h + 24, o->dst, 16);
	} else {
		uint16_t sum;

		h = pkt_push(m, 20);
		memset(h, 0, 20);
		h[0] = 0x45;
		h[1] = o->tos;
		put16(h + 2, size + 20);
		h[8] = o->ttl;
		h[9] = proto;
		memcpy(h + 12, o->src, 4);
		memcpy(h + 16, o->dst, 4);
		sum = (uint16_t)~csum_fold(csum_add(0, h, 20));
		memcpy(h + 10, &sum, 2);
	}
	if (proto == IPPROTO_UDP)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return true;
}

static void
keep(struct tunnel_sockets *s, struct tunnel_rxq *q, const struct origin *o, struct rte_mbuf *m)
{
	atomic_fetch_add_explicit(&s->rx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->rx_bytes, pkt_size(m), memory_order_relaxed);
	/* A raw IPv4 socket has the header already. */
	bool has_header = !q->is_v6 && tnl_ip_proto(s->type) == IPPROTO_GRE;

	if (q->n_left == TUNNEL_LEFT_MAX || (!has_header && !put_header(s, q->is_v6, o, m))) {
		drop_count(DROP_RX_CUT, 1);
		pkt_free(m);
		return;
	}
	q->left[q->n_left++] = m;
}

/* It is a GSO packet inside the tunnel now. */
static void
set_merged(struct rte_mbuf *m, const struct tnl_gro *g)
{
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | PKT_TX_INNER;
	m->l2_len = 8u + g->l3_ofs; /* from the UDP header on */
	m->l3_len = (uint16_t)(g->l4_ofs - g->l3_ofs);
	m->tso_segsz = g->mss;
}

static void
merge(struct rte_mbuf *m, uint32_t each, const struct tnl_gro *g)
{
	pkt_set_size(m, (uint32_t)tnl_gro_merge(pkt_data(m), pkt_size(m), each, g));
	set_merged(m, g);
}

/* One packet of those that were found to belong together; NULL: no memory. */
static struct rte_mbuf *
join(struct rte_mbuf *const *m, unsigned n, const struct tnl_gro *g)
{
	uint32_t size = pkt_size(m[0]);
	struct rte_mbuf *whole = pkt_alloc((uint32_t)(g->whole + g->l3_ofs));
	bool pushed = false;

	if (!whole)
		return NULL;
	memcpy(pkt_data(whole), pkt_data(m[0]), size);
	for (unsigned i = 1; i < n; i++) {
		uint32_t data = pkt_size(m[i]) - g->data_ofs;

		pushed |= tnl_gro_pushes(g, pkt_data(m[i]));
		memcpy(pkt_data(whole) + size, pkt_data(m[i]) + g->data_ofs, data);
		size += data;
	}
	pkt_set_size(whole, size);
	tnl_gro_finish(g, pkt_data(whole), size - g->data_ofs, pushed);
	set_merged(whole, g);
	return whole;
}

/* Keeps what was received, TCP segments that follow each other as one packet.  The kernel does not put
 * datagrams without a checksum together, which those of VXLAN are. */
static void
keep_all(struct tunnel_sockets *s, struct tunnel_rxq *q, const struct origin *o, struct rte_mbuf **m,
	 unsigned n)
{
	for (unsigned i = 0, k; i < n; i += k) {
		struct rte_mbuf *whole = NULL;
		struct tnl_gro g;

		k = 1;
		if (i + 1 < n && !memcmp(&o[i], &o[i + 1], sizeof *o) &&
		    tnl_gro_begin(s->type, pkt_data(m[i]), pkt_size(m[i]), &g))
			while (i + k < n && !memcmp(&o[i], &o[i + k], sizeof *o) &&
			       tnl_gro_joins(&g, pkt_data(m[i]), pkt_data(m[i + k]), pkt_size(m[i + k])))
				k++;
		if (k > 1)
			whole = join(m + i, k, &g);
		if (whole) {
			pkt_free_bulk(m + i, k);
			keep(s, q, &o[i], whole);
			continue;
		}
		for (unsigned j = i; j < i + k; j++)
			keep(s, q, &o[j], m[j]);
	}
}

/* Datagrams of equal size that the kernel handed over as one. */
static void
split(struct tunnel_sockets *s, struct tunnel_rxq *q, const struct origin *o, struct rte_mbuf *whole)
{
	uint32_t size = pkt_size(whole), part;

	for (uint32_t ofs = 0; ofs < size; ofs += part) {
		struct rte_mbuf *m;
		struct tnl_gro g;
		unsigned n = tnl_gro_find(s->type, pkt_data(whole) + ofs, size - ofs, o->gro_size, &g);

		part = size - ofs < n * o->gro_size ? size - ofs : n * o->gro_size;
		if (part == size) {
			merge(whole, o->gro_size, &g);
			keep(s, q, o, whole);
			return;
		}
		m = pkt_from_bytes(pkt_data(whole) + ofs, part);
		if (m && n > 1)
			merge(m, o->gro_size, &g);
		if (m)
			keep(s, q, o, m);
		else
			drop_count(DROP_NO_MEMORY, 1);
	}
	pkt_free(whole);
}

union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 4 * CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void
receive(struct tunnel_sockets *s, struct tunnel_rxq *q)
{
	uint32_t room = q->is_large ? PKT_LARGE_ROOM - 64 : PKT_SMALL_ROOM;
	unsigned max = q->is_large ? RX_LARGE_BURST : BURST_MAX, n = 0;
	struct sockaddr_in6 from[BURST_MAX];
	union control control[BURST_MAX];
	struct rte_mbuf *m[BURST_MAX];
	struct mmsghdr msgs[BURST_MAX];
	struct iovec iov[BURST_MAX][2];
	struct origin origins[BURST_MAX] = { { .tos = 0 } };
	bool any_large = false;
	unsigned n_single = 0;
	int got;

	for (; n < max && (m[n] = pkt_alloc(room)); n++) {
		memset(&msgs[n], 0, sizeof msgs[n]);
		iov[n][0] = (struct iovec){ pkt_data(m[n]), room };
		iov[n][1] = (struct iovec){ rx_overflow(n), PKT_LARGE_ROOM - PKT_SMALL_ROOM };
		msgs[n].msg_hdr.msg_name = &from[n];
		msgs[n].msg_hdr.msg_namelen = sizeof from[n];
		msgs[n].msg_hdr.msg_iov = iov[n];
		msgs[n].msg_hdr.msg_iovlen = q->is_large ? 1 : 2;
		msgs[n].msg_hdr.msg_control = &control[n];
		msgs[n].msg_hdr.msg_controllen = sizeof control[n];
	}
	if (!n)
		drop_count(DROP_NO_MEMORY, 1);
	got = n ? recvmmsg(q->fd, msgs, n, MSG_DONTWAIT, NULL) : 0;
	q->n_left = q->at_left = 0;
	for (int i = 0; i < got; i++) {
		uint32_t size = msgs[i].msg_len;
		struct origin o;

		any_large |= size > PKT_SMALL_ROOM;
		if (size > room)
			m[i] = rx_join(m[i], size, (unsigned)i);
		if (!m[i] || msgs[i].msg_hdr.msg_flags & MSG_TRUNC) {
			drop_count(m[i] ? DROP_RX_CUT : DROP_NO_MEMORY, 1);
			pkt_free(m[i]);
			continue;
		}
		pkt_set_size(m[i], size);
		read_control(&msgs[i].msg_hdr, q->is_v6, &o);
		if (o.gro_size && o.gro_size < size) {
			/* In the order in which they came. */
			keep_all(s, q, origins, m, n_single);
			n_single = 0;
			split(s, q, &o, m[i]);
		} else {
			o.gro_size = 0;
			origins[n_single] = o;
			m[n_single++] = m[i];
		}
	}
	keep_all(s, q, origins, m, n_single);
	for (unsigned i = got > 0 ? (unsigned)got : 0; i < n; i++)
		pkt_free(m[i]);
	if (got > 0)
		q->is_large = any_large;
}

static unsigned
sockets_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct tunnel_sockets *s = p->impl;
	struct tunnel_rxq *q = s->rxq[rxq];
	unsigned n;

	if (q->at_left == q->n_left)
		receive(s, q);
	n = q->n_left - q->at_left < max ? q->n_left - q->at_left : max;
	memcpy(pkts, q->left + q->at_left, n * sizeof *pkts);
	q->at_left += n;
	return n;
}

/* --- The rest of the class ----------------------------------------------------------------------------- */

static int
sockets_rx_fd(const struct port *p, unsigned rxq)
{
	return ((struct tunnel_sockets *)p->impl)->rxq[rxq]->fd;
}

static void
sockets_get_stats(struct port *p, struct port_stats *st)
{
	struct tunnel_sockets *s = p->impl;

	memset(st, 0xff, sizeof *st);
	st->rx_packets = s->rx_packets;
	st->rx_bytes = s->rx_bytes;
	st->tx_packets = s->tx_packets;
	st->tx_bytes = s->tx_bytes;
	st->tx_errors = s->tx_errors;
}

static void
sockets_get_status(struct port *p, struct port_status *st)
{
	memset(st, 0, sizeof *st);
	st->admin_up = st->link_up = true;
}

static const struct port_class sockets_class = {
	.type = "tunnel-sockets",
	.close = sockets_close,
	.rx = sockets_rx,
	.tx = tunnel_sockets_tx,
	.rx_fd = sockets_rx_fd,
	.get_stats = sockets_get_stats,
	.get_status = sockets_get_status,
};
