/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/next_hop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr h;
	struct rtmsg r;
	struct rtattr dst;
	__be32 address;
};

static int
read_route(const struct nlmsghdr *h, struct next_hop *ret)
{
	const struct rtmsg *r = NLMSG_DATA(h);
	int size = (int)RTM_PAYLOAD(h), oif = 0;

	for (const struct rtattr *a = RTM_RTA(r); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
		if (a->rta_type == RTA_GATEWAY && RTA_PAYLOAD(a) == 4)
			memcpy(&ret->ip, RTA_DATA(a), 4);
		else if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == 4)
			memcpy(&oif, RTA_DATA(a), 4);
	}
	return oif && if_indextoname((unsigned)oif, ret->device) ? 0 : -ENETUNREACH;
}

static int
ask_route(int fd, __be32 address, struct next_hop *ret)
{
	struct request q = {
		.h = { .nlmsg_len = sizeof q, .nlmsg_type = RTM_GETROUTE,
		       .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 1 },
		.r = { .rtm_family = AF_INET, .rtm_dst_len = 32 },
		.dst = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
		.address = address,
	};
	union {
		struct nlmsghdr h;
		char bytes[4096];
	} answer;
	ssize_t n;

	/* The kernel answers before send() returns. */
	if (send(fd, &q, sizeof q, 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&answer.h, (unsigned)n))
		return -EPROTO;
	if (answer.h.nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(&answer.h))->error ?: -EPROTO;
	return read_route(&answer.h, ret);
}

static void
ask_arp(struct next_hop *hop)
{
	struct arpreq q = { 0 };
	struct sockaddr_in *pa = (struct sockaddr_in *)&q.arp_pa;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	pa->sin_family = AF_INET;
	pa->sin_addr.s_addr = hop->ip;
	memcpy(q.arp_dev, hop->device, sizeof q.arp_dev);
	if (!ioctl(fd, SIOCGARP, &q) && q.arp_flags & ATF_COM)
		memcpy(hop->mac, q.arp_ha.sa_data, 6);
	close(fd);
}

int
next_hop_find(__be32 address, struct next_hop *hop)
{
	int fd, rc;

	memset(hop, 0, sizeof *hop);
	hop->ip = address;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	rc = ask_route(fd, address, hop);
	close(fd);
	if (!rc)
		ask_arp(hop);
	return rc;
}
