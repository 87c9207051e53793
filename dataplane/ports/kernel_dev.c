/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/kernel_dev.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* --- ioctl ----------------------------------------------------------------------------------- */

static int
dev_ioctl(const struct kernel_ns *ns, const char *name, unsigned long cmd, struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof ifr->ifr_name, "%s", name);
	return ioctl(ns->ioctl_fd, cmd, ifr) < 0 ? -errno : 0;
}

int
kernel_dev_ifindex(const struct kernel_ns *ns, const char *name)
{
	struct ifreq ifr = { 0 };

	return dev_ioctl(ns, name, SIOCGIFINDEX, &ifr) ? 0 : ifr.ifr_ifindex;
}

int
kernel_dev_set_mtu(const struct kernel_ns *ns, const char *name, uint32_t mtu, struct wf_err *err)
{
	struct ifreq ifr = { .ifr_mtu = (int)mtu };
	int rc = dev_ioctl(ns, name, SIOCSIFMTU, &ifr);

	return rc ? wf_err(err, rc, "%s: the device refuses an MTU of %u (%s)", name, mtu,
			   wf_strerror(rc))
		  : 0;
}

int
kernel_dev_set_mac(const struct kernel_ns *ns, const char *name, const uint8_t mac[6],
		   struct wf_err *err)
{
	struct ifreq ifr = { 0 };
	int rc;

	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	rc = dev_ioctl(ns, name, SIOCSIFHWADDR, &ifr);
	return rc ? wf_err(err, rc, "%s: cannot set the Ethernet address (%s)", name,
			   wf_strerror(rc))
		  : 0;
}

int
kernel_dev_set_up(const struct kernel_ns *ns, const char *name, bool up)
{
	struct ifreq ifr = { 0 };
	int rc = dev_ioctl(ns, name, SIOCGIFFLAGS, &ifr);

	if (rc)
		return rc;
	short want = up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP;
	if (want == ifr.ifr_flags)
		return 0;
	ifr.ifr_flags = want;
	return dev_ioctl(ns, name, SIOCSIFFLAGS, &ifr);
}

void
kernel_dev_put_status(const struct kernel_ns *ns, const char *name,
		      void (*put)(void *aux, const char *, const char *), void *aux)
{
	struct ethtool_drvinfo di = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&di };

	if (dev_ioctl(ns, name, SIOCETHTOOL, &ifr) == 0) {
		put(aux, "driver_name", di.driver);
		put(aux, "driver_version", di.version);
		put(aux, "firmware_version", di.fw_version);
	}
}

void
kernel_dev_driver(const struct kernel_ns *ns, const char *name, char *driver, size_t size)
{
	struct ethtool_drvinfo di = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&di };

	*driver = '\0';
	if (dev_ioctl(ns, name, SIOCETHTOOL, &ifr) == 0)
		snprintf(driver, size, "%s", di.driver);
}

/* --- rtnetlink ------------------------------------------------------------------------------- */

#define ANSWER_BYTES 16384 /* more than the kernel says about one device without its VFs */

union answer {
	struct nlmsghdr h;
	uint8_t bytes[ANSWER_BYTES];
};

/* Asks for one device.  Returns the attributes' size, or a negative errno. */
static int
ask(const struct kernel_ns *ns, const char *name, union answer *a, struct ifinfomsg **info)
{
	static uint32_t last_seq;
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
		struct rtattr attr;
		char name[IFNAMSIZ];
	} q = {
		.h = { sizeof q, RTM_GETLINK, NLM_F_REQUEST, ++last_seq, 0 },
		.attr = { RTA_LENGTH(IFNAMSIZ), IFLA_IFNAME },
	};
	size_t len = strlen(name);

	if (len >= IFNAMSIZ)
		return -ENODEV;
	memcpy(q.name, name, len);
	q.attr.rta_len = (unsigned short)RTA_LENGTH(len + 1);
	if (send(ns->netlink_fd, &q, sizeof q, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(ns->netlink_fd, a, sizeof *a, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!NLMSG_OK(&a->h, (size_t)n))
			return -EPROTO;
		if (a->h.nlmsg_seq != last_seq)
			continue;
		if (a->h.nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(&a->h))->error ?: -EPROTO;
		*info = NLMSG_DATA(&a->h);
		return (int)IFLA_PAYLOAD(&a->h);
	}
}

static void
get_speed(const struct kernel_ns *ns, const char *name, struct port_status *s)
{
	struct ethtool_cmd ec = { .cmd = ETHTOOL_GSET };
	struct ifreq ifr = { .ifr_data = (char *)&ec };

	if (dev_ioctl(ns, name, SIOCETHTOOL, &ifr))
		return;
	uint32_t mbps = ethtool_cmd_speed(&ec);
	if (mbps != 0 && mbps != UINT16_MAX && mbps != UINT32_MAX)
		s->link_speed_bps = mbps * 1000000ull;
	s->full_duplex = ec.duplex == DUPLEX_FULL;
}

void
kernel_dev_get_status(const struct kernel_ns *ns, const char *name, struct port_status *s)
{
	struct ifinfomsg *info;
	union answer a;
	int left;

	memset(s, 0, sizeof *s);
	left = ask(ns, name, &a, &info);
	if (left < 0)
		return;
	s->admin_up = info->ifi_flags & IFF_UP;
	s->link_up = info->ifi_flags & IFF_RUNNING;
	s->has_carrier_info = true;
	s->ifindex = info->ifi_index;
	for (struct rtattr *t = IFLA_RTA(info); RTA_OK(t, left); t = RTA_NEXT(t, left)) {
		uint32_t v = 0;

		if (RTA_PAYLOAD(t) >= sizeof v)
			memcpy(&v, RTA_DATA(t), sizeof v);
		if (t->rta_type == IFLA_MTU)
			s->mtu = v;
		else if (t->rta_type == IFLA_CARRIER_CHANGES)
			s->link_resets = v;
		else if (t->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(t) == 6)
			memcpy(s->mac, RTA_DATA(t), 6);
	}
	get_speed(ns, name, s);
}

void
kernel_dev_get_stats(const struct kernel_ns *ns, const char *name, struct port_stats *s)
{
	struct rtnl_link_stats64 k = { 0 };
	struct ifinfomsg *info;
	union answer a;
	bool found = false;
	int left;

	memset(s, 0xff, sizeof *s);
	left = ask(ns, name, &a, &info);
	if (left < 0)
		return;
	for (struct rtattr *t = IFLA_RTA(info); RTA_OK(t, left); t = RTA_NEXT(t, left))
		if (t->rta_type == IFLA_STATS64) {
			size_t n = RTA_PAYLOAD(t);

			memcpy(&k, RTA_DATA(t), n < sizeof k ? n : sizeof k);
			found = true;
		}
	if (!found)
		return;
#define SAME(F) s->F = k.F
	SAME(rx_packets), SAME(tx_packets), SAME(rx_bytes), SAME(tx_bytes), SAME(rx_errors);
	SAME(tx_errors), SAME(rx_dropped), SAME(tx_dropped), SAME(multicast), SAME(collisions);
	SAME(rx_length_errors), SAME(rx_over_errors), SAME(rx_crc_errors), SAME(rx_frame_errors);
	SAME(rx_fifo_errors), SAME(rx_missed_errors), SAME(tx_aborted_errors);
	SAME(tx_carrier_errors), SAME(tx_fifo_errors), SAME(tx_heartbeat_errors);
	SAME(tx_window_errors);
#undef SAME
}

int
kernel_dev_peer_offloads(const struct kernel_ns *ns, const char *name)
{
	struct ethtool_value v = { .cmd = ETHTOOL_GTXCSUM };
	struct ifreq ifr = { 0 };
	struct ifinfomsg *info;
	char peer[IFNAMSIZ];
	union answer a;
	int left = ask(ns, name, &a, &info), index = 0;

	if (left < 0)
		return -1;
	for (struct rtattr *t = IFLA_RTA(info); RTA_OK(t, left); t = RTA_NEXT(t, left)) {
		if (t->rta_type == IFLA_LINK)
			memcpy(&index, RTA_DATA(t), sizeof index);
		else if (t->rta_type == IFLA_LINK_NETNSID)
			return -1;
	}
	ifr.ifr_ifindex = index;
	if (!index || ioctl(ns->ioctl_fd, SIOCGIFNAME, &ifr) < 0)
		return -1;
	memcpy(peer, ifr.ifr_name, sizeof peer);
	ifr.ifr_data = (char *)&v;
	return dev_ioctl(ns, peer, SIOCETHTOOL, &ifr) ? -1 : v.data != 0;
}
