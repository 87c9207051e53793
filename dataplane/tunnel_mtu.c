/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tunnel_mtu.h"

#include <netinet/ip.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "tunnels/address.h"
#include "tunnels/wire.h"

/* --- What routers said ------------------------------------------------------------------------- */

/* Destinations that somebody asked for: only of these anything is kept, so that a stranger's messages
 * fill nothing. */
#define N_HEARD 256
static struct heard {
	struct in6_addr dst;
	uint32_t mtu;     /* 0: nothing was said */
	int64_t until_ms; /* of 'mtu' */
	int64_t asked_ms; /* 0: free */
} heard[N_HEARD];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool anybody_asked;
static _Atomic uint32_t version; /* of what was said */

static struct heard *
find(const struct in6_addr *dst)
{
	for (unsigned i = 0; i < N_HEARD; i++)
		if (heard[i].asked_ms && IN6_ARE_ADDR_EQUAL(&heard[i].dst, dst))
			return &heard[i];
	return NULL;
}

static struct heard *
oldest(void)
{
	struct heard *h = &heard[0];

	for (unsigned i = 1; i < N_HEARD; i++)
		if (heard[i].asked_ms < h->asked_ms)
			h = &heard[i];
	return h;
}

static uint32_t
said_of(const struct in6_addr *dst, int64_t now_ms)
{
	struct heard *h;
	uint32_t mtu;

	pthread_mutex_lock(&lock);
	h = find(dst);
	if (!h) {
		h = oldest();
		*h = (struct heard){ .dst = *dst };
		atomic_store_explicit(&anybody_asked, true, memory_order_relaxed);
	}
	h->asked_ms = now_ms ? now_ms : 1;
	mtu = h->mtu && now_ms < h->until_ms ? h->mtu : 0;
	pthread_mutex_unlock(&lock);
	return mtu;
}

/* RFC 1191 section 4, RFC 4443 section 3.2: where the MTU is in the message, and where the packet
 * that it is about begins.  False: it says something else. */
static bool
read_message(const uint8_t *ip, size_t size, uint32_t *mtu, const uint8_t **inner)
{
	bool is_v6 = size && ip[0] >> 4 == 6;
	size_t header = is_v6 ? 40 : size ? (ip[0] & 15) * 4u : 0, need = header + 8 + (is_v6 ? 40 : 20);
	const uint8_t *icmp = ip + header;

	if (size < need || (!is_v6 && (ip[0] >> 4 != 4 || header < 20)))
		return false;
	*inner = icmp + 8;
	if (is_v6) {
		*mtu = rd32(icmp + 4);
		return ip[6] == IPPROTO_ICMPV6 && icmp[0] == 2 && !icmp[1] && **inner >> 4 == 6;
	}
	*mtu = rd16(icmp + 6);
	return ip[9] == IPPROTO_ICMP && icmp[0] == 3 && icmp[1] == 4 && **inner >> 4 == 4;
}

bool
tunnel_path_heard(const uint8_t *ip, size_t size, int64_t now_ms)
{
	bool is_v6 = size && ip[0] >> 4 == 6, done = false;
	struct in6_addr dst;
	const uint8_t *inner;
	uint32_t mtu, floor = is_v6 ? TUNNEL_MTU_MIN6 : TUNNEL_MTU_MIN4;
	struct heard *h;

	if (!atomic_load_explicit(&anybody_asked, memory_order_relaxed) ||
	    !read_message(ip, size, &mtu, &inner))
		return false;
	/* It is about a packet of whom it is sent to, by UDP or GRE. */
	if (is_v6 ? memcmp(inner + 8, ip + 24, 16) : memcmp(inner + 12, ip + 16, 4))
		return false;
	if (inner[is_v6 ? 6 : 9] != IPPROTO_UDP && inner[is_v6 ? 6 : 9] != IPPROTO_GRE)
		return false;
	if (is_v6)
		memcpy(&dst, inner + 24, 16);
	else
		dst = tnl_map_ipv4(inner + 16);
	/* Routers older than RFC 1191 say 0. */
	if (mtu < floor)
		mtu = floor;
	pthread_mutex_lock(&lock);
	h = find(&dst);
	/* A higher one would be an echo of what is no longer sent. */
	if (h && (!h->mtu || now_ms >= h->until_ms || mtu < h->mtu)) {
		h->mtu = mtu;
		h->until_ms = now_ms + TUNNEL_MTU_HEARD_MS;
		atomic_fetch_add_explicit(&version, 1, memory_order_release);
		done = true;
	}
	pthread_mutex_unlock(&lock);
	return done;
}

/* --- What the kernel says ------------------------------------------------------------------------ */

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t
fill(union address *sa, const struct in6_addr *a, uint16_t port)
{
	memset(sa, 0, sizeof *sa);
	if (tnl_is_ipv4(a)) {
		sa->v4.sin_family = AF_INET;
		sa->v4.sin_port = htons(port);
		memcpy(&sa->v4.sin_addr, a->s6_addr + 12, 4);
		return sizeof sa->v4;
	}
	sa->v6.sin6_family = AF_INET6;
	sa->v6.sin6_port = htons(port);
	sa->v6.sin6_addr = *a;
	return sizeof sa->v6;
}

static bool
is_any(const struct in6_addr *a)
{
	static const uint8_t zero[4];

	return IN6_IS_ADDR_UNSPECIFIED(a) || (tnl_is_ipv4(a) && !memcmp(a->s6_addr + 12, zero, 4));
}

/* Nothing is sent: connecting a UDP socket finds its route. */
static uint32_t
ask_kernel(const struct tunnel_path *path, struct in6_addr *source)
{
	bool is_v4 = tnl_is_ipv4(&path->dst);
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), mtu = 0;
	union address to, from;
	socklen_t size;

	if (fd < 0)
		return 0;
	if (path->dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, path->dev,
				    (socklen_t)strlen(path->dev) + 1))
		goto out; /* a bridge without a device of the kernel's */
	if (path->mark)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &path->mark, sizeof path->mark);
	if (!is_any(&path->src)) {
		size = fill(&from, &path->src, 0);
		if (bind(fd, &from.sa, size))
			goto out;
	}
	size = fill(&to, &path->dst, TNL_PORT_VXLAN);
	if (connect(fd, &to.sa, size))
		goto out;
	size = sizeof mtu;
	if (getsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU : IPV6_MTU, &mtu, &size))
		mtu = 0;
	size = sizeof from;
	if (!getsockname(fd, &from.sa, &size))
		*source = is_v4 ? tnl_map_ipv4(&from.v4.sin_addr) : from.v6.sin6_addr;
out:
	close(fd);
	return mtu > 0 ? (uint32_t)mtu : 0;
}

/* --- Together -------------------------------------------------------------------------------------- */

#define KEEP_MS 1000
#define N_KEPT 64

uint32_t
tunnel_path_mtu(const struct tunnel_path *path, int64_t now_ms, struct in6_addr *source)
{
	static __thread struct kept {
		struct in6_addr dst, src, source;
		char dev[16];
		uint32_t mark, mtu, version;
		int64_t at_ms; /* 0: free */
	} kept[N_KEPT];
	const char *dev = path->dev ? path->dev : "";
	struct kept *k = &kept[wf_hash_bytes(&path->dst, sizeof path->dst, path->mark) % N_KEPT];
	uint32_t v = atomic_load_explicit(&version, memory_order_acquire), said;

	if (!k->at_ms || now_ms < k->at_ms || now_ms >= k->at_ms + KEEP_MS || k->version != v ||
	    !IN6_ARE_ADDR_EQUAL(&k->dst, &path->dst) || !IN6_ARE_ADDR_EQUAL(&k->src, &path->src) ||
	    k->mark != path->mark || strncmp(k->dev, dev, sizeof k->dev - 1)) {
		*k = (struct kept){ .dst = path->dst, .src = path->src, .source = path->src,
				    .mark = path->mark, .version = v, .at_ms = now_ms ? now_ms : 1 };
		strncpy(k->dev, dev, sizeof k->dev - 1);
		k->mtu = ask_kernel(path, &k->source);
		said = said_of(&path->dst, now_ms);
		if (said && (!k->mtu || said < k->mtu))
			k->mtu = said;
	}
	*source = k->source;
	return k->mtu;
}
