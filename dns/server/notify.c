// SPDX-License-Identifier: Apache-2.0
#include "dns/server/notify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "dns/answer/tsig.h"

WF_LOG_MODULE(dns_notify);

#define FIRST_WAIT_MS 2000 /* then twice as long each time */
#define TRIES         6

struct notice {
	struct wf_list node;
	struct wf_timer timer;
	struct wf_fd_watch *watch;
	int fd;
	unsigned tries;
	uint16_t id;
	char *what; /* "zone x. serial 7 to 192.0.2.1" */
	size_t size;
	struct dns_name zone;
	struct sockaddr_storage to;
	/* A copy: the notice may outlive the view. */
	bool is_signed;
	struct dns_key key;
	uint8_t msg[DNS_HEADER_SIZE + DNS_NAME_MAX + 4 + DNS_TSIG_MAX];
};

static struct wf_list notices = { &notices, &notices };

static void
end(struct notice *n)
{
	wf_timer_cancel(&n->timer);
	if (n->watch)
		wf_fd_unwatch(n->watch);
	if (n->fd >= 0)
		close(n->fd);
	wf_list_remove(&n->node);
	explicit_bzero(&n->key, sizeof n->key);
	free(n->what);
	free(n);
}

/* Each try is signed anew, since the signature has the time in it. */
static void
compose(struct notice *n)
{
	memset(n->msg, 0, DNS_HEADER_SIZE);
	dns_put16(n->msg, n->id);
	dns_put16(n->msg + 2, DNS_OP_NOTIFY << 11 | DNS_AA);
	n->msg[5] = 1;
	memcpy(n->msg + DNS_HEADER_SIZE, n->zone.wire, n->zone.size);
	n->size = DNS_HEADER_SIZE + n->zone.size;
	dns_put16(n->msg + n->size, DNS_SOA);
	dns_put16(n->msg + n->size + 2, DNS_CLASS_IN);
	n->size += 4;
	if (n->is_signed) {
		struct dns_tsig t;

		dns_tsig_init_query(&t, &n->key, n->id);
		n->size = dns_tsig_sign(&t, n->msg, n->size, wf_wall_ms() / 1000);
	}
}

static void
on_answer(void *arg)
{
	struct notice *n = arg;
	uint8_t answer[1024];
	ssize_t size = recv(n->fd, answer, sizeof answer, MSG_DONTWAIT);

	/* The socket is connected, so that only its peer's answers come here. */
	if (size < DNS_HEADER_SIZE || dns_get16(answer) != n->id || !(answer[2] & 0x80) ||
	    (answer[2] >> 3 & 15) != DNS_OP_NOTIFY)
		return;
	if (answer[3] & 15)
		wf_warn("NOTIFY of %s: it answers with rcode %u", n->what, answer[3] & 15);
	else
		wf_info("NOTIFY of %s: taken", n->what);
	end(n);
}

static void
on_timer(struct wf_timer *t)
{
	struct notice *n = t->arg;

	if (n->tries == TRIES) {
		wf_warn("NOTIFY of %s: no answer after %u tries; it will see the zone when it refreshes", n->what, TRIES);
		end(n);
		return;
	}
	compose(n);
	/* An error here (nobody listens) is like no answer. */
	if (send(n->fd, n->msg, n->size, MSG_DONTWAIT) < 0)
		wf_dbg("NOTIFY of %s: %s", n->what, strerror(errno));
	wf_timer_set(&n->timer, FIRST_WAIT_MS << n->tries++, on_timer, n);
}

static void
notify(const struct dns_zone *z, const struct dns_peer_conf *c, const struct dns_view *v)
{
	bool v4 = c->at.ss_family == AF_INET;
	struct notice *n = wf_xzalloc(sizeof *n), *other, *next;
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(c->at.ss_family,
		  v4 ? (const void *)&((const struct sockaddr_in *)&c->at)->sin_addr
		     : (const void *)&((const struct sockaddr_in6 *)&c->at)->sin6_addr,
		  address, sizeof address);
	n->what = wf_xasprintf("zone %s serial %u to %s", z->text, z->serial, address);
	dns_name_read_lower(&n->zone, z->apex->name, z->apex->name_size);
	n->to = c->at;
	/* An older one to the same secondary has nothing more to say. */
	wf_list_for_each_safe(other, next, node, &notices)
		if (other->zone.size == n->zone.size &&
		    !memcmp(other->zone.wire, n->zone.wire, n->zone.size) &&
		    !memcmp(&other->to, &n->to, sizeof n->to))
			end(other);
	wf_list_push_back(&notices, &n->node);
	for (const struct dns_key *k = v->keys; k && c->key; k = k->next)
		if (k->name.size == c->key_name.size &&
		    !memcmp(k->name.wire, c->key_name.wire, k->name.size)) {
			n->key = *k;
			n->is_signed = true;
		}
	n->fd = socket(c->at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (getrandom(&n->id, sizeof n->id, 0) != sizeof n->id || n->fd < 0 ||
	    connect(n->fd, (const struct sockaddr *)&n->to,
		    v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6))) {
		wf_warn("NOTIFY of %s: %s", n->what, strerror(errno));
		end(n);
		return;
	}
	n->watch = wf_fd_watch(n->fd, on_answer, n);
	wf_timer_set(&n->timer, 0, on_timer, n);
}

void
dns_notify_changes(const struct dns_conf *c, const struct dns_view *old, const struct dns_view *now)
{
	for (size_t i = 0; i < c->n_zones + c->n_members; i++) {
		const struct dns_zone_conf *zc = dns_conf_zone(c, i);
		const struct dns_zone *had, *z;

		if (!zc->n_notify)
			continue;
		had = old ? dns_view_zone_named(old, &zc->name) : NULL;
		z = dns_view_zone_named(now, &zc->name);
		if (!z || z->no_data || (had && !had->no_data && had->serial == z->serial))
			continue;
		for (size_t k = 0; k < zc->n_notify; k++)
			notify(z, &zc->notify[k], now);
	}
}

void
dns_notify_zone(const struct dns_conf *c, const struct dns_view *v, const struct dns_name *name)
{
	const struct dns_zone *z = dns_view_zone_named(v, name);

	for (size_t i = 0; i < c->n_zones + c->n_members; i++) {
		const struct dns_zone_conf *zc = dns_conf_zone(c, i);

		if (zc->name.size == name->size && !memcmp(zc->name.wire, name->wire, name->size))
			for (size_t k = 0; k < zc->n_notify; k++)
				notify(z, &zc->notify[k], v);
	}
}

void
dns_notify_stop(void)
{
	while (!wf_list_is_empty(&notices))
		end(wf_container(notices.next, struct notice, node));
}
