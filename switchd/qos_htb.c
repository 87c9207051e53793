// SPDX-License-Identifier: Apache-2.0
#include "switchd/qos_htb.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/tc.h>

#define ROOT TC_HANDLE(1, 0)
#define DEVICE_CLASS TC_HANDLE(1, 0xfffe)

static struct nl_sock *
open_socket(void)
{
	struct nl_sock *s = nl_socket_alloc();

	if (s && nl_connect(s, NETLINK_ROUTE) < 0) {
		nl_socket_free(s);
		s = NULL;
	}
	return s;
}

static struct rtnl_qdisc *
root_qdisc(int ifindex)
{
	struct rtnl_qdisc *q = rtnl_qdisc_alloc();

	if (q) {
		rtnl_tc_set_ifindex(TC_CAST(q), ifindex);
		rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
	}
	return q;
}

static void
remove_root(struct nl_sock *s, int ifindex)
{
	struct rtnl_qdisc *q = root_qdisc(ifindex);

	if (!q)
		return;
	rtnl_qdisc_delete(s, q); /* there may be none but the kernel's own */
	rtnl_qdisc_put(q);
}

static int
add_root(struct nl_sock *s, int ifindex)
{
	struct rtnl_qdisc *q = root_qdisc(ifindex);
	int rc = -NLE_NOMEM;

	if (!q)
		return rc;
	rtnl_tc_set_handle(TC_CAST(q), ROOT);
	rc = rtnl_tc_set_kind(TC_CAST(q), "htb");
	if (!rc) {
		rtnl_htb_set_defcls(q, 1);
		rtnl_htb_set_rate2quantum(q, 10);
		rc = rtnl_qdisc_add(s, q, NLM_F_CREATE | NLM_F_EXCL);
	}
	rtnl_qdisc_put(q);
	return rc;
}

static uint32_t
clamp(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static int
add_class(struct nl_sock *s, int ifindex, uint32_t mtu, uint32_t parent, uint32_t handle,
	  const struct htb_queue *h)
{
	struct rtnl_class *c = rtnl_class_alloc();
	int rc = -NLE_NOMEM;

	if (!c)
		return rc;
	rtnl_tc_set_ifindex(TC_CAST(c), ifindex);
	rtnl_tc_set_parent(TC_CAST(c), parent);
	rtnl_tc_set_handle(TC_CAST(c), handle);
	rtnl_tc_set_mtu(TC_CAST(c), mtu);
	rc = rtnl_tc_set_kind(TC_CAST(c), "htb");
	if (!rc) {
		rtnl_htb_set_rate(c, clamp(h->min_rate));
		rtnl_htb_set_ceil(c, clamp(h->max_rate));
		rtnl_htb_set_rbuffer(c, clamp(h->burst));
		rtnl_htb_set_cbuffer(c, clamp(h->burst));
		rtnl_htb_set_prio(c, h->priority);
		rc = rtnl_class_add(s, c, NLM_F_CREATE);
	}
	rtnl_class_put(c);
	return rc;
}

int
htb_apply(int ifindex, const struct htb_config *config, struct wf_err *err)
{
	uint64_t burst = config->max_rate / 100; /* what goes out in 10 ms, as one scheduler tick may take */
	struct htb_queue device = { .min_rate = config->max_rate, .max_rate = config->max_rate,
				    .burst = burst > config->mtu + 64 ? burst : config->mtu + 64 };
	struct nl_sock *s = open_socket();
	const char *what = "cannot add the root qdisc";
	int rc;

	if (!s)
		return wf_err(err, -EIO, "linux-htb: cannot open a netlink socket");
	remove_root(s, ifindex);
	rc = add_root(s, ifindex);
	if (!rc) {
		what = "cannot add a class";
		rc = add_class(s, ifindex, config->mtu, ROOT, DEVICE_CLASS, &device);
	}
	for (unsigned k = 0; !rc && k < config->n; k++)
		rc = add_class(s, ifindex, config->mtu, DEVICE_CLASS,
			       TC_HANDLE(1, config->queues[k].id + 1), &config->queues[k]);
	if (rc)
		remove_root(s, ifindex);
	nl_socket_free(s);
	return rc ? wf_err(err, -EIO, "linux-htb: %s (%s); has this kernel CONFIG_NET_SCH_HTB?", what,
			   nl_geterror(rc))
		  : 0;
}

void
htb_remove(int ifindex)
{
	struct nl_sock *s = open_socket();

	if (!s)
		return;
	remove_root(s, ifindex);
	nl_socket_free(s);
}
