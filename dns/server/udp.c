// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/rcu.h"
#include "dns/server/server.h"
#include "dns/server/socket.h"
#include "dns/server/tap.h"
#include "dns/server/worker.h"
#include "dns/server/xdp.h"

/* Messages that one system call takes.  Doubling it saves little: at 64 the call's own cost is
 * spread thin, and the burst still fits the first-level cache's neighbour. */
#define BATCH 64
/* A query is a few hundred bytes; a longer one is cut here and gets FORMERR. */
#define QUERY_ROOM 2048
/* After a burst of so many there are probably more by now: look without asking epoll first. */
#define BUSY 8
/* Bursts in a row before other sockets have their turn. */
#define BURSTS 8

union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct dns_udp_batch {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	struct sockaddr_storage from[BATCH];
	union control control[BATCH];
	uint8_t query[BATCH][QUERY_ROOM];
	uint8_t answer[BATCH][DNS_UDP_ROOM];
};

struct dns_udp_batch *
dns_udp_batch_new(void)
{
	struct dns_udp_batch *b = wf_xzalloc(sizeof *b);

	for (unsigned i = 0; i < BATCH; i++) {
		b->in_iov[i] = (struct iovec){ b->query[i], QUERY_ROOM };
		b->in[i].msg_hdr.msg_name = &b->from[i];
		b->in[i].msg_hdr.msg_iov = &b->in_iov[i];
		b->in[i].msg_hdr.msg_iovlen = 1;
		b->out[i].msg_hdr.msg_iov = &b->out_iov[i];
		b->out[i].msg_hdr.msg_iovlen = 1;
	}
	return b;
}

/* The address that was asked becomes the source; the route, not the interface of the query, decides
 * where the answer leaves, but for link-local addresses. */
static void
answer_from(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *p = (struct in_pktinfo *)CMSG_DATA(c);

		p->ipi_ifindex = 0;
	} else if (c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *p = (struct in6_pktinfo *)CMSG_DATA(c);

		if (!IN6_IS_ADDR_LINKLOCAL(&p->ipi6_addr))
			p->ipi6_ifindex = 0;
	}
}

static void
send_all(struct dns_worker *w, int fd, struct mmsghdr *out, unsigned n)
{
	while (n) {
		int sent = sendmmsg(fd, out, n, MSG_DONTWAIT);

		if (sent <= 0) {
			if (sent < 0 && errno == EINTR)
				continue;
			/* The first one can't be sent (no route, a full queue): on with the next.
			 */
			w->ctx.counters.dropped_send++;
			sent = 1;
		}
		out += sent;
		n -= sent;
	}
}

static void
on_udp(struct dns_worker *w, struct dns_source *source, uint32_t events)
{
	struct dns_udp_socket *s = wf_container(source, struct dns_udp_socket, source);
	struct dns_udp_batch *b = w->batch;

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		const struct dns_view *view;
		unsigned n_out = 0;
		int n;

		for (unsigned i = 0; i < BATCH; i++) {
			b->in[i].msg_hdr.msg_namelen = sizeof b->from[i];
			b->in[i].msg_hdr.msg_control = s->any ? &b->control[i] : NULL;
			b->in[i].msg_hdr.msg_controllen = s->any ? sizeof b->control[i] : 0;
		}
		n = recvmmsg(source->fd, b->in, BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0)
			return; /* nothing there, or an ICMP error about an answer: not ours to cure
				 */
		view = dns_server_view();
		for (int i = 0; i < n; i++) {
			struct msghdr *m = &b->in[i].msg_hdr;
			struct dns_client client;
			enum dns_verdict verdict;
			size_t size;

			dns_client_from(&client, &b->from[i], false);
			verdict = dns_answer(view, &w->ctx, &client, b->query[i], b->in[i].msg_len,
					     b->answer[n_out], &size);
			if (dns_tap_wants(w))
				dns_tap_put(w, DNS_TAP_UDP, &client, dns_port_of(&b->from[i]), b->query[i], b->in[i].msg_len,
					    b->answer[n_out], verdict == DNS_SEND ? size : 0);
			if (verdict != DNS_SEND)
				continue;
			if (w->hot)
				dns_hot_note(w->hot, b->query[i], b->in[i].msg_len, b->answer[n_out]);
			b->out_iov[n_out] = (struct iovec){ b->answer[n_out], size };
			b->out[n_out].msg_hdr.msg_name = m->msg_name;
			b->out[n_out].msg_hdr.msg_namelen = m->msg_namelen;
			b->out[n_out].msg_hdr.msg_control = NULL;
			b->out[n_out].msg_hdr.msg_controllen = 0;
			if (s->any && m->msg_controllen) {
				answer_from(m);
				b->out[n_out].msg_hdr.msg_control = m->msg_control;
				b->out[n_out].msg_hdr.msg_controllen = m->msg_controllen;
			}
			n_out++;
		}
		send_all(w, source->fd, b->out, n_out);
		wf_rcu_quiescent();
		if (n < BUSY)
			return;
	}
}

static bool
is_any(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

int
dns_udp_open(struct dns_worker *w, const struct sockaddr_storage *at, unsigned place, struct dns_udp_socket *s,
	     struct wf_err *err)
{
	int fd, rc = dns_socket_open(SOCK_DGRAM, at, place, &fd, err), on = 1, omit, room = 1 << 20;

	if (rc)
		return rc;
	s->source = (struct dns_source){ on_udp, fd };
	s->place = place;
	s->any = is_any(at);
	/* As much as the machine allows: a burst waits while the worker is busy. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	/* Path MTU messages are easily forged and made to fragment answers (RFC 9715); answers are
	 * small enough without. */
	if (at->ss_family == AF_INET) {
		omit = IP_PMTUDISC_OMIT;
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof omit);
		if (s->any)
			setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	} else {
		omit = IPV6_PMTUDISC_OMIT;
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit, sizeof omit);
		if (s->any)
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	}
	rc = dns_worker_watch(w, &s->source, EPOLLIN);
	if (rc)
		close(fd);
	return rc;
}
