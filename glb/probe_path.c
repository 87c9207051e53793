// SPDX-License-Identifier: Apache-2.0
#include "glb/probe_path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "glb/address.h"
#include "glb/netlink.h"

WF_LOG_MODULE(glb_probe);

struct way {
	struct in6_addr node;
	uint32_t pool_id;
};

enum { WAY_TCP, WAY_UDP, WAY_ICMP, N_WAYS };

static struct {
	int tun, raw4, raw6;
	struct wf_fd_watch *watch;
	unsigned ifindex;
	uint32_t table;
	struct in6_addr probe4, probe6;
	struct way *ways[N_WAYS]; /* by port, or id of an echo; a reused port takes the new way */
} pp = { .tun = -1, .raw4 = -1, .raw6 = -1 };

/* Raw sockets would be given each GRE packet that comes in. */
static int
raw_socket(int domain, const struct in6_addr *own)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { 1, &none };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = *own };
	int fd = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_GRE);

	memcpy(&sin.sin_addr, &own->s6_addr[12], 4);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
	/* If the address is not there (yet), the kernel's choice will do where tunnel sources are not checked. */
	if (domain == AF_INET ? bind(fd, (void *)&sin, sizeof sin) : bind(fd, (void *)&sin6, sizeof sin6))
		wf_warn("probes through tunnels: the tunnel's own address cannot be their source: %s", strerror(errno));
	return fd;
}

static const struct way *
find_way(const uint8_t *p, size_t n)
{
	size_t at = n && p[0] >> 4 == 4 ? (size_t)(p[0] & 15) * 4 : 40;
	uint8_t protocol;
	uint16_t port;
	unsigned kind;

	if (n < 20 || n < at + 8)
		return NULL;
	protocol = p[0] >> 4 == 4 ? p[9] : p[6];
	kind = protocol == IPPROTO_TCP ? WAY_TCP : protocol == IPPROTO_UDP ? WAY_UDP : WAY_ICMP;
	if (kind == WAY_ICMP && !(protocol == IPPROTO_ICMP && p[at] == ICMP_ECHO) &&
	    !(protocol == IPPROTO_ICMPV6 && p[at] == ICMP6_ECHO_REQUEST))
		return NULL;
	memcpy(&port, p + at + (kind == WAY_ICMP ? 4 : 0), sizeof port);
	return pp.ways[kind] && pp.ways[kind][ntohs(port)].pool_id ? &pp.ways[kind][ntohs(port)] : NULL;
}

static void
on_packet(void *arg)
{
	uint8_t packet[8 + 2048];

	for (unsigned rounds = 0; rounds < 64; rounds++) {
		ssize_t n = read(pp.tun, packet + 8, sizeof packet - 8);
		const struct way *w = n > 0 ? find_way(packet + 8, (size_t)n) : NULL;
		struct sockaddr_in sin = { .sin_family = AF_INET };
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
		uint32_t key;

		if (n <= 0)
			return;
		if (!w)
			continue; /* the kernel's own, neighbour discovery for instance */
		/* GRE with a key (RFC 2890); one candidate, so no hop list. */
		memcpy(packet, packet[8] >> 4 == 4 ? "\x20\x00\x08\x00" : "\x20\x00\x86\xdd", 4);
		key = htonl(w->pool_id);
		memcpy(packet + 4, &key, 4);
		memcpy(&sin.sin_addr, &w->node.s6_addr[12], 4);
		sin6.sin6_addr = w->node;
		/* What cannot be sent is lost, as on any way; the probe says so. */
		if (glb_address_is_v4(&w->node))
			sendto(pp.raw4, packet, (size_t)n + 8, 0, (void *)&sin, sizeof sin);
		else
			sendto(pp.raw6, packet, (size_t)n + 8, 0, (void *)&sin6, sizeof sin6);
	}
}

static int
open_tun(struct wf_err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct in6_addr any4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } }, any6 = { 0 };
	int rc;

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "weftprobe%%d");
	pp.tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (pp.tun < 0 || ioctl(pp.tun, TUNSETIFF, &ifr))
		return wf_err(err, -errno, "probe: through tunnel: /dev/net/tun: %s; write \"through\": \"direct\" to do "
			      "without it", strerror(errno));
	pp.ifindex = if_nametoindex(ifr.ifr_name);
	rc = glb_nl_up(pp.ifindex);
	rc = rc ? rc : glb_nl_route(true, &any4, 96, pp.table, pp.ifindex);
	rc = rc ? rc : glb_nl_rule(true, AF_INET, pp.table);
	/* A host without IPv6 has no such probes. */
	if (!rc && !glb_nl_route(true, &any6, 0, pp.table, pp.ifindex))
		glb_nl_rule(true, AF_INET6, pp.table);
	if (rc)
		return wf_err(err, rc, "probe: through tunnel: table %u: %s", pp.table, wf_strerror(rc));
	pp.watch = wf_fd_watch(pp.tun, on_packet, NULL);
	return 0;
}

int
glb_probe_path_open(const struct glb_config *c, struct wf_err *err)
{
	const struct in6_addr zero = { 0 };

	if (pp.tun >= 0 && pp.table != c->probe_table)
		glb_probe_path_close();
	pp.table = c->probe_table;
	pp.probe4 = c->probe4;
	pp.probe6 = c->probe6;
	if (pp.raw4 >= 0)
		close(pp.raw4);
	if (pp.raw6 >= 0)
		close(pp.raw6);
	pp.raw4 = memcmp(&c->own4, &zero, sizeof zero) ? raw_socket(AF_INET, &c->own4) : -1;
	pp.raw6 = memcmp(&c->own6, &zero, sizeof zero) ? raw_socket(AF_INET6, &c->own6) : -1;
	if (pp.tun < 0 && open_tun(err)) {
		glb_probe_path_close();
		return -EINVAL;
	}
	return 0;
}

void
glb_probe_path_close(void)
{
	if (pp.watch)
		wf_fd_unwatch(pp.watch);
	if (pp.tun >= 0) {
		glb_nl_rule(false, AF_INET, pp.table);
		glb_nl_rule(false, AF_INET6, pp.table);
		close(pp.tun); /* the device goes with it, and its routes */
	}
	if (pp.raw4 >= 0)
		close(pp.raw4);
	if (pp.raw6 >= 0)
		close(pp.raw6);
	for (unsigned i = 0; i < N_WAYS; i++) {
		free(pp.ways[i]);
		pp.ways[i] = NULL;
	}
	pp.watch = NULL;
	pp.tun = pp.raw4 = pp.raw6 = -1;
}

int
glb_probe_path_steer(int fd, int family, uint32_t pool_id, const struct in6_addr *node)
{
	struct sockaddr_storage own = { 0 };
	struct sockaddr_in *sin = (void *)&own;
	struct sockaddr_in6 *sin6 = (void *)&own;
	socklen_t size = family == 4 ? sizeof *sin : sizeof *sin6, len = sizeof(int);
	int type = 0, protocol = 0;
	unsigned kind;

	if (pp.tun < 0 || (glb_address_is_v4(node) ? pp.raw4 : pp.raw6) < 0)
		return -ENETUNREACH;
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	len = sizeof protocol;
	getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	if (type == SOCK_RAW)
		return -EPROTONOSUPPORT; /* an echo without an id of its own */
	kind = type == SOCK_STREAM ? WAY_TCP : protocol == IPPROTO_UDP ? WAY_UDP : WAY_ICMP;
	if (family == 4) {
		sin->sin_family = AF_INET;
		memcpy(&sin->sin_addr, &pp.probe4.s6_addr[12], 4);
	} else {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = pp.probe6;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &pp.table, sizeof pp.table) || bind(fd, (void *)&own, size) ||
	    getsockname(fd, (void *)&own, &size))
		return -errno;
	if (!pp.ways[kind])
		pp.ways[kind] = wf_xzalloc(65536 * sizeof(struct way));
	pp.ways[kind][ntohs(family == 4 ? sin->sin_port : sin6->sin6_port)] = (struct way){ *node, pool_id };
	return 0;
}
