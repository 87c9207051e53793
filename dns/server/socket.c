// SPDX-License-Identifier: Apache-2.0
#include "dns/server/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static struct handed {
	struct handed *next;
	int fd, type; /* fd below 0: taken */
	unsigned place;
	struct sockaddr_storage at;
} *all_handed;
static unsigned handed_places;

void
dns_socket_hand_in(int fd, unsigned place)
{
	struct handed *h = wf_xzalloc(sizeof *h);
	socklen_t size = sizeof h->at, type_size = sizeof h->type;

	h->fd = fd;
	h->place = place;
	/* What it is it says itself; one that is nothing of ours is nobody's, and closed in the end. */
	if (getsockname(fd, (struct sockaddr *)&h->at, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &h->type, &type_size))
		h->type = -1;
	h->next = all_handed;
	all_handed = h;
	if (place >= handed_places)
		handed_places = place + 1;
}

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family || a4->sin_port != b4->sin_port)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return !memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) && a6->sin6_scope_id == b6->sin6_scope_id;
}

static struct handed *
find_handed(int type, const struct sockaddr_storage *at, unsigned place, bool *others)
{
	struct handed *h;

	*others = false;
	for (h = all_handed; h; h = h->next)
		if (h->type == type && same_address(&h->at, at)) {
			if (h->place == place)
				break;
			*others = true;
		}
	return h;
}

enum dns_socket_handed
dns_socket_handed(int type, const struct sockaddr_storage *at, unsigned place)
{
	bool others;
	const struct handed *h = find_handed(type, at, place, &others);

	if (!h)
		return others ? DNS_SOCKET_MORE : DNS_SOCKET_NEW;
	return h->fd < 0 ? DNS_SOCKET_TAKEN : DNS_SOCKET_HANDED;
}

unsigned
dns_socket_handed_places(void)
{
	return handed_places;
}

/* -1: there is none. */
static int
take(int type, const struct sockaddr_storage *at, unsigned place)
{
	bool others;
	struct handed *h = find_handed(type, at, place, &others);
	int fd = h ? h->fd : -1;

	if (h)
		h->fd = -1;
	return fd;
}

void
dns_socket_forget_handed(void)
{
	struct handed *h;

	while ((h = all_handed) != NULL) {
		all_handed = h->next;
		if (h->fd >= 0)
			close(h->fd);
		free(h);
	}
	handed_places = 0;
}

int
dns_socket_open(int type, const struct sockaddr_storage *at, unsigned place, int *ret_fd, struct wf_err *err)
{
	bool v4 = at->ss_family == AF_INET;
	socklen_t size = v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)at;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)at;
	char text[INET6_ADDRSTRLEN] = "";
	int fd, on = 1, rc;

	*ret_fd = take(type, at, place);
	if (*ret_fd >= 0)
		return 0;
	inet_ntop(at->ss_family, v4 ? (const void *)&in4->sin_addr : &in6->sin6_addr, text,
		  sizeof text);
	fd = socket(at->ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return wf_err(err, -errno, "listen %s: %s", text, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)at, size) ||
	    (type == SOCK_STREAM && listen(fd, 1024))) {
		rc = -errno;
		wf_err(err, rc, "listen %s, port %u: %s%s", text, ntohs(in4->sin_port), strerror(errno),
		       errno == EADDRINUSE	? "; another name server has it: name single addresses in \"listen\", or stop it" :
		       errno == EADDRNOTAVAIL	? "; the address is not one of this host" :
		       errno == EACCES		? "; ports below 1024 take CAP_NET_BIND_SERVICE" : "");
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}
