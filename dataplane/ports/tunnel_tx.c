// SPDX-License-Identifier: Apache-2.0
/* Sending through the host's sockets.  Packets of one outer flow that follow each other and have one
 * size leave in one system call (UDP_SEGMENT), so that what was one GSO packet before it was segmented
 * costs the host's stack once.  The kernel asks for the UDP checksum then: it is left to the device, or
 * computed, also where the tunnel needs none. */
#include "dataplane/ports/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/drop.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

WF_LOG_MODULE(tunnel);

/* Fewer are not worth the checksum. */
#define RUN_MIN 3
#define RUN_MAX_BYTES 60000
#define TX_SOCKET_BYTES (8 << 20)
/* Source ports tried when somebody else has the first. */
#define BIND_TRIES 16

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The outer header of a packet on its way out. */
struct outer {
	const uint8_t *ip;
	uint32_t l4; /* offset */
	bool is_v6, is_udp, has_csum, has_df;
	uint8_t tos, ttl;
	uint16_t src_port, dst_port;
	uint32_t mark;
};

static void
read_outer(const struct rte_mbuf *m, struct outer *o)
{
	const uint8_t *ip = pkt_data(m);

	memset(o, 0, sizeof *o);
	o->ip = ip;
	o->is_v6 = ip[0] >> 4 == 6;
	o->l4 = o->is_v6 ? 40 : 20;
	o->is_udp = ip[o->is_v6 ? 6 : 9] == IPPROTO_UDP;
	o->tos = o->is_v6 ? (uint8_t)(get16(ip) >> 4) : ip[1];
	o->ttl = ip[o->is_v6 ? 7 : 8];
	/* Senders over IPv6 do not fragment, but for their own packets. */
	o->has_df = o->is_v6 || (ip[6] & 0x40);
	o->mark = m->hash.usr;
	if (o->is_udp) {
		o->src_port = get16(ip + o->l4);
		o->dst_port = get16(ip + o->l4 + 2);
		o->has_csum = get16(ip + o->l4 + 6) != 0;
	}
}

/* --- Sockets to send from --------------------------------------------------------------------------- */

static void
set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof value);
}

static int
make_socket(const struct outer *o)
{
	int fd = socket(o->is_v6 ? AF_INET6 : AF_INET,
			(o->is_udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC | SOCK_NONBLOCK,
			o->is_udp ? 0 : IPPROTO_GRE);

	if (fd < 0)
		return -errno;
	tunnel_socket_deafen(fd);
	set(fd, SOL_SOCKET, SO_SNDBUFFORCE, TX_SOCKET_BYTES);
	if (o->is_v6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	} else {
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER, o->has_df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
		if (o->is_udp && !o->has_csum)
			set(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	}
	for (unsigned i = 0; o->is_udp && i < BIND_TRIES; i++) {
		uint16_t port = htons((uint16_t)(o->src_port + i));
		struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = port };
		struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = port };

		if (!bind(fd, o->is_v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4,
			  o->is_v6 ? sizeof any6 : sizeof any4))
			break;
	}
	return fd; /* unbound, the kernel chooses a port */
}

static int
socket_for(struct tunnel_sockets *s, const struct outer *o)
{
	unsigned kind = (o->is_v6 ? TUNNEL_TX_V6 : 0) | (o->has_csum ? TUNNEL_TX_CSUM : 0) |
			(o->has_df ? TUNNEL_TX_DF : 0);
	_Atomic int *at = &s->tx_fd[kind][o->is_udp ? o->src_port % TUNNEL_TX_SOCKETS : 0];
	int fd = atomic_load_explicit(at, memory_order_acquire);

	if (fd)
		return fd;
	pthread_mutex_lock(&s->lock);
	fd = atomic_load_explicit(at, memory_order_relaxed);
	if (!fd) {
		fd = make_socket(o);
		if (fd > 0)
			atomic_store_explicit(at, fd, memory_order_release);
		else
			wf_warn_rl("no socket for a tunnel of the host (%s)", wf_strerror(fd));
	}
	pthread_mutex_unlock(&s->lock);
	return fd;
}

/* --- Messages ------------------------------------------------------------------------------------------ */

union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 4 * CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void
put(struct msghdr *msg, int level, int type, const void *value, size_t size)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), value, size);
	msg->msg_controllen += CMSG_SPACE(size);
}

static void
put_int(struct msghdr *msg, int level, int type, int value)
{
	put(msg, level, type, &value, sizeof value);
}

union address {
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void
fill_message(struct msghdr *msg, union address *to, union control *control, const struct outer *o,
	     uint16_t segment)
{
	memset(msg, 0, sizeof *msg);
	memset(to, 0, sizeof *to);
	memset(control, 0, sizeof *control);
	msg->msg_name = to;
	msg->msg_control = control;
	if (o->is_v6) {
		struct in6_pktinfo info = { 0 };

		to->v6.sin6_family = AF_INET6;
		to->v6.sin6_port = htons(o->dst_port);
		memcpy(&to->v6.sin6_addr, o->ip + 24, 16);
		msg->msg_namelen = sizeof to->v6;
		memcpy(&info.ipi6_addr, o->ip + 8, 16);
		if (!IN6_IS_ADDR_UNSPECIFIED(&info.ipi6_addr))
			put(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
		put_int(msg, IPPROTO_IPV6, IPV6_TCLASS, o->tos);
		if (o->ttl)
			put_int(msg, IPPROTO_IPV6, IPV6_HOPLIMIT, o->ttl);
	} else {
		struct in_pktinfo info = { 0 };

		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(o->dst_port);
		memcpy(&to->v4.sin_addr, o->ip + 16, 4);
		msg->msg_namelen = sizeof to->v4;
		memcpy(&info.ipi_spec_dst, o->ip + 12, 4);
		if (info.ipi_spec_dst.s_addr)
			put(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
		put_int(msg, IPPROTO_IP, IP_TOS, o->tos);
		if (o->ttl)
			put_int(msg, IPPROTO_IP, IP_TTL, o->ttl);
	}
	/* Raw sockets take the port as a protocol. */
	if (!o->is_udp)
		to->v6.sin6_port = 0;
	if (o->mark)
		put_int(msg, SOL_SOCKET, SO_MARK, (int)o->mark);
	if (segment)
		put(msg, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
}

static uint32_t
payload_ofs(const struct outer *o)
{
	return o->l4 + (o->is_udp ? 8 : 0);
}

/* How many packets from 'pkts' on can leave as one. */
static unsigned
run_length(const struct outer *first, struct rte_mbuf *const *pkts, unsigned n)
{
	uint32_t size = pkt_size(pkts[0]), total = size;
	unsigned i;

	if (!first->is_udp)
		return 1;
	for (i = 1; i < n && total + size < RUN_MAX_BYTES; i++) {
		const uint8_t *a = first->ip, *b = pkt_data(pkts[i]);
		uint32_t have = pkt_size(pkts[i]);

		if (have > size || pkts[i]->hash.usr != first->mark || memcmp(a, b, first->is_v6 ? 4 : 2))
			break;
		if (first->is_v6 ? memcmp(a + 6, b + 6, 34)
				 : memcmp(a + 6, b + 6, 4) || memcmp(a + 12, b + 12, 8))
			break;
		if (memcmp(a + first->l4, b + first->l4, 4))
			break;
		total += have;
		if (have < size)
			return i + 1;
	}
	return i;
}

static void
count_error(int error)
{
	drop_count(error == EAGAIN || error == ENOBUFS		? DROP_OUT_TX_FULL
		   : error == EMSGSIZE				? DROP_OUT_MTU
		   : error == ENETUNREACH || error == EHOSTUNREACH ? DROP_TUNNEL_NO_ROUTE
								: DROP_OUT_TX_ERROR, 1);
}

/* False: the kernel or the device does not segment these. */
static bool
send_run(struct tunnel_sockets *s, const struct outer *first, struct rte_mbuf **pkts, unsigned n)
{
	struct iovec iov[BURST_MAX];
	struct outer o = *first;
	union control control;
	struct msghdr msg;
	union address to;
	int fd;

	o.has_csum = true;
	fd = socket_for(s, &o);
	if (fd < 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ pkt_data(pkts[i]) + payload_ofs(&o),
					 pkt_size(pkts[i]) - payload_ofs(&o) };
	fill_message(&msg, &to, &control, &o, (uint16_t)iov[0].iov_len);
	msg.msg_iov = iov;
	msg.msg_iovlen = n;
	return sendmsg(fd, &msg, MSG_DONTWAIT) >= 0;
}

/* Each by itself, through one socket. */
static unsigned
send_each(struct tunnel_sockets *s, const struct outer *first, struct rte_mbuf **pkts, unsigned n)
{
	struct iovec iov[BURST_MAX];
	struct mmsghdr msgs[BURST_MAX];
	union control control;
	unsigned done = 0, sent = 0;
	struct msghdr msg;
	union address to;
	int fd = socket_for(s, first);

	if (fd < 0) {
		drop_count(DROP_OUT_TX_ERROR, n);
		return 0;
	}
	fill_message(&msg, &to, &control, first, 0);
	for (unsigned i = 0; i < n; i++) {
		iov[i] = (struct iovec){ pkt_data(pkts[i]) + payload_ofs(first),
					 pkt_size(pkts[i]) - payload_ofs(first) };
		msgs[i].msg_hdr = msg;
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < n) {
		int rc = sendmmsg(fd, msgs + done, n - done, MSG_DONTWAIT);

		if (rc > 0) {
			sent += (unsigned)rc;
			done += (unsigned)rc;
		} else {
			count_error(errno);
			done++;
		}
	}
	return sent;
}

unsigned
tunnel_sockets_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct tunnel_sockets *s = p->impl;
	unsigned sent = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0, k; i < n; i += k) {
		struct outer o;

		read_outer(pkts[i], &o);
		k = run_length(&o, pkts + i, n - i);
		for (unsigned j = 0; j < k; j++)
			bytes += pkt_size(pkts[i + j]);
		if (k >= RUN_MIN && send_run(s, &o, pkts + i, k))
			sent += k;
		else
			sent += send_each(s, &o, pkts + i, k);
	}
	atomic_fetch_add_explicit(&s->tx_packets, sent, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->tx_bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->tx_errors, n - sent, memory_order_relaxed);
	pkt_free_bulk(pkts, n);
	return sent;
}
