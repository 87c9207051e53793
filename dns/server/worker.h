/* SPDX-License-Identifier: Apache-2.0 */
/* One thread, with sockets of its own for each address (SO_REUSEPORT), which shares nothing with
 * the others but what it reads.
 *
 *   epoll -> UDP socket: recvmmsg, answer each, sendmmsg      (udp.c)
 *         -> TCP listener, TCP connections                    (tcp.c)
 *
 * An RCU reader: online while it handles what epoll said, offline while it sleeps. */
#ifndef WEFT_DNS_SERVER_WORKER_H
#define WEFT_DNS_SERVER_WORKER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "base/list.h"
#include "dns/answer/answer.h"
#include "dns/server/config.h"

struct dns_tap_ring;
struct dns_worker;

/* What epoll's data points at begins with this. */
struct dns_source {
	void (*ready)(struct dns_worker *, struct dns_source *, uint32_t events);
	int fd;
};

struct dns_udp_socket {
	struct dns_source source;
	unsigned place; /* socket.h */
	bool any; /* bound to any address: answers leave from the one that was asked */
};

struct dns_tcp_listener {
	struct dns_source source;
	unsigned place;
	bool tls;
};

struct dns_worker {
	unsigned index;
	pthread_t thread;
	bool is_running;
	_Atomic bool stop, leaves;
	_Atomic bool has_left; /* its sockets are another process's */
	uint64_t left_ms;
	int epoll, wake;
	struct dns_source wake_source;
	struct dns_context ctx;
	struct dns_udp_socket *udp;
	size_t n_udp;
	struct dns_udp_batch *batch;
	struct dns_hot *hot; /* NULL: no driver answers */
	struct dns_tcp_listener *tcp_listen;
	size_t n_tcp_listen;
	struct dns_tcp *tcp;
	/* Written by the main thread on a reload. */
	_Atomic unsigned tcp_max, tcp_idle_ms, tcp_message_ms;
	_Atomic unsigned tls_per_s; /* handshakes */
	/* dnstap (tap.h): of so many queries one; 0: none.  The ring comes before. */
	_Atomic unsigned tap_sample;
	unsigned tap_count; /* since the last one */
	struct dns_tap_ring *_Atomic tap;
};

/* Opens the sockets; 'n' workers share the limits. */
int dns_worker_new(unsigned index, unsigned n, const struct dns_conf *, struct dns_worker **ret,
		   struct wf_err *);
/* Those that would get a share of what comes to sockets that were handed over: right before the start. */
int dns_worker_open_more(struct dns_worker *, unsigned n, const struct dns_conf *, struct wf_err *);
void dns_worker_start(struct dns_worker *);
void dns_worker_configure(struct dns_worker *, const struct dns_conf *);
/* Calls fn for each socket that listens. */
void dns_worker_give(const struct dns_worker *, void (*fn)(void *arg, unsigned place, int fd), void *arg);
/* Another process reads the sockets from now on; connections that are open are ended by and by. */
void dns_worker_leave(struct dns_worker *);
/* It has, and there are no more connections. */
bool dns_worker_is_idle(const struct dns_worker *);
/* Stops the thread and waits for it. */
void dns_worker_free(struct dns_worker *);
const struct dns_counters *dns_worker_counters(const struct dns_worker *);
unsigned dns_worker_n_connections(const struct dns_worker *);

/* Within a worker. */
int dns_worker_watch(struct dns_worker *, struct dns_source *, uint32_t events);
/* The port lies at the same place in both families. */
static inline uint16_t
dns_port_of(const struct sockaddr_storage *a)
{
	return ntohs(((const struct sockaddr_in *)a)->sin_port);
}
void dns_client_from(struct dns_client *, const struct sockaddr_storage *, bool tcp);

int dns_udp_open(struct dns_worker *, const struct sockaddr_storage *, unsigned place, struct dns_udp_socket *,
		 struct wf_err *);
struct dns_udp_batch *dns_udp_batch_new(void);
int dns_tcp_open(struct dns_worker *, const struct sockaddr_storage *, unsigned place, struct dns_tcp_listener *,
		 struct wf_err *);
struct dns_tcp *dns_tcp_new(void);
void dns_tcp_free(struct dns_worker *);
void dns_tcp_tick(struct dns_worker *); /* once a second */
void dns_tcp_woken(struct dns_worker *); /* the main thread has something for it */
void dns_tcp_reap(struct dns_worker *); /* behind each turn */

#endif
