// SPDX-License-Identifier: Apache-2.0
#include "glb/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "glb/address.h"

struct request {
	struct nlmsghdr h;
	union {
		struct rtmsg route;
		struct fib_rule_hdr rule;
		struct ifinfomsg link;
	};
	uint8_t attributes[128];
};

static void
start(struct request *r, uint16_t type, uint16_t flags, size_t header)
{
	memset(r, 0, sizeof *r);
	r->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(header);
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

static void
put(struct request *r, uint16_t type, const void *value, size_t len)
{
	struct rtattr *a = (void *)((uint8_t *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), value, len);
	r->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

/* Sends and reads all answers; fn gets those that are no acknowledgement. */
static int
talk(struct request *r, void (*fn)(void *, const struct nlmsghdr *), void *arg)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc = 1;
	const size_t size = 65536;
	uint8_t *buf = wf_xmalloc(size); /* its own: fn may talk, too */

	if (fd < 0) {
		rc = -errno;
		free(buf);
		return rc;
	}
	if (send(fd, r, r->h.nlmsg_len, 0) < 0)
		rc = -errno;
	while (rc > 0) {
		ssize_t n = recv(fd, buf, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -errno : -EIO;
			break;
		}
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				rc = ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			else if (h->nlmsg_type == NLMSG_DONE)
				rc = 0;
			else if (fn)
				fn(arg, h);
		}
	}
	close(fd);
	free(buf);
	return rc;
}

int
glb_nl_route(bool add, const struct in6_addr *dst, unsigned len, uint32_t table, unsigned ifindex)
{
	bool v4 = glb_address_is_v4(dst);
	struct request r;
	uint32_t oif = ifindex;
	int rc;

	start(&r, add ? RTM_NEWROUTE : RTM_DELROUTE, (uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0)),
	      sizeof r.route);
	r.route.rtm_family = v4 ? AF_INET : AF_INET6;
	r.route.rtm_dst_len = (uint8_t)(v4 ? len - 96 : len);
	r.route.rtm_table = RT_TABLE_UNSPEC;
	r.route.rtm_protocol = GLB_RTPROT;
	r.route.rtm_scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	r.route.rtm_type = RTN_UNICAST;
	put(&r, RTA_TABLE, &table, sizeof table);
	if (r.route.rtm_dst_len)
		put(&r, RTA_DST, v4 ? &dst->s6_addr[12] : dst->s6_addr, v4 ? 4 : 16);
	put(&r, RTA_OIF, &oif, sizeof oif);
	rc = talk(&r, NULL, NULL);
	return rc == -EEXIST || (!add && (rc == -ESRCH || rc == -ENOENT)) ? 0 : rc;
}

struct listing {
	void (*fn)(void *, uint32_t, const struct in6_addr *, unsigned);
	void *arg;
};

static void
on_route(void *arg, const struct nlmsghdr *h)
{
	struct listing *l = arg;
	const struct rtmsg *m = NLMSG_DATA(h);
	struct in6_addr dst = { 0 };
	uint32_t table = m->rtm_table;
	int left = (int)RTM_PAYLOAD(h);

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_protocol != GLB_RTPROT)
		return;
	if (m->rtm_family == AF_INET)
		dst.s6_addr[10] = dst.s6_addr[11] = 0xff;
	for (const struct rtattr *a = RTM_RTA(m); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_TABLE)
			memcpy(&table, RTA_DATA(a), sizeof table);
		else if (a->rta_type == RTA_DST)
			memcpy(m->rtm_family == AF_INET ? &dst.s6_addr[12] : dst.s6_addr, RTA_DATA(a),
			       m->rtm_family == AF_INET ? 4 : 16);
	}
	l->fn(l->arg, table, &dst, m->rtm_dst_len + (m->rtm_family == AF_INET ? 96u : 0));
}

int
glb_nl_routes(void (*fn)(void *arg, uint32_t table, const struct in6_addr *dst, unsigned len), void *arg)
{
	struct listing l = { fn, arg };
	struct request r;
	int rc = 0;

	for (unsigned k = 0; k < 2 && !rc; k++) {
		start(&r, RTM_GETROUTE, NLM_F_DUMP, sizeof r.route);
		r.route.rtm_family = k ? AF_INET6 : AF_INET;
		rc = talk(&r, on_route, &l);
	}
	return rc;
}

int
glb_nl_rule(bool add, int family, uint32_t mark_and_table)
{
	struct request r;
	int rc;

	start(&r, add ? RTM_NEWRULE : RTM_DELRULE, (uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0)),
	      sizeof r.rule);
	r.rule.family = (uint8_t)family;
	r.rule.action = FR_ACT_TO_TBL;
	put(&r, FRA_FWMARK, &mark_and_table, sizeof mark_and_table);
	put(&r, FRA_TABLE, &mark_and_table, sizeof mark_and_table);
	rc = talk(&r, NULL, NULL);
	return rc == -EEXIST || (!add && rc == -ENOENT) ? 0 : rc;
}

int
glb_nl_up(unsigned ifindex)
{
	struct request r;

	start(&r, RTM_NEWLINK, NLM_F_ACK, sizeof r.link);
	r.link.ifi_index = (int)ifindex;
	r.link.ifi_flags = r.link.ifi_change = 1; /* IFF_UP */
	return talk(&r, NULL, NULL);
}
