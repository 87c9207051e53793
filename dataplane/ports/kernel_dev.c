/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/kernel_dev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/netlink.h>
#include <netlink/route/link.h>

static int
ioctl_socket(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd;
}

static int
dev_ioctl(const char *name, unsigned long cmd, struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof ifr->ifr_name, "%s", name);
	return ioctl(ioctl_socket(), cmd, ifr) < 0 ? -errno : 0;
}

int
kernel_dev_ifindex(const char *name)
{
	struct ifreq ifr = { 0 };

	return dev_ioctl(name, SIOCGIFINDEX, &ifr) ? 0 : ifr.ifr_ifindex;
}

/* The kernel's record of a device.  Netlink rather than /sys, because /sys shows the namespace in
 * which it was mounted.  NULL if there is no such device; else rtnl_link_put() it. */
static struct rtnl_link *
link_get(const char *name)
{
	static struct nl_sock *sock;
	struct rtnl_link *link;

	if (!sock) {
		sock = nl_socket_alloc();
		if (!sock || nl_connect(sock, NETLINK_ROUTE) < 0) {
			nl_socket_free(sock);
			sock = NULL;
			return NULL;
		}
	}
	return rtnl_link_get_kernel(sock, 0, name, &link) < 0 ? NULL : link;
}

void
kernel_dev_get_status(const char *name, struct port_status *s)
{
	struct ifreq ifr = { 0 };

	memset(s, 0, sizeof *s);
	if (dev_ioctl(name, SIOCGIFFLAGS, &ifr) == 0) {
		s->admin_up = ifr.ifr_flags & IFF_UP;
		s->link_up = ifr.ifr_flags & IFF_RUNNING;
		s->has_carrier_info = true;
	}
	if (dev_ioctl(name, SIOCGIFMTU, &ifr) == 0)
		s->mtu = (uint32_t)ifr.ifr_mtu;
	if (dev_ioctl(name, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(s->mac, ifr.ifr_hwaddr.sa_data, 6);
	s->ifindex = kernel_dev_ifindex(name);
	struct rtnl_link *link = link_get(name);
	uint32_t resets = 0;

	if (link && rtnl_link_get_carrier_changes(link, &resets) == 0)
		s->link_resets = resets;
	rtnl_link_put(link);

	struct ethtool_cmd ec = { .cmd = ETHTOOL_GSET };
	ifr.ifr_data = (char *)&ec;
	if (dev_ioctl(name, SIOCETHTOOL, &ifr) == 0) {
		uint32_t mbps = ethtool_cmd_speed(&ec);

		if (mbps != 0 && mbps != UINT16_MAX && mbps != UINT32_MAX)
			s->link_speed_bps = mbps * 1000000ull;
		s->full_duplex = ec.duplex == DUPLEX_FULL;
	}
}

void
kernel_dev_get_stats(const char *name, struct port_stats *s)
{
	static const struct {
		rtnl_link_stat_id_t id;
		size_t ofs;
	} rows[] = {
#define ROW(ID, F) { RTNL_LINK_##ID, offsetof(struct port_stats, F) }
		ROW(RX_PACKETS, rx_packets), ROW(TX_PACKETS, tx_packets), ROW(RX_BYTES, rx_bytes),
		ROW(TX_BYTES, tx_bytes), ROW(RX_ERRORS, rx_errors), ROW(TX_ERRORS, tx_errors),
		ROW(RX_DROPPED, rx_dropped), ROW(TX_DROPPED, tx_dropped),
		ROW(MULTICAST, multicast), ROW(COLLISIONS, collisions),
		ROW(RX_LEN_ERR, rx_length_errors), ROW(RX_OVER_ERR, rx_over_errors),
		ROW(RX_CRC_ERR, rx_crc_errors), ROW(RX_FRAME_ERR, rx_frame_errors),
		ROW(RX_FIFO_ERR, rx_fifo_errors), ROW(RX_MISSED_ERR, rx_missed_errors),
		ROW(TX_ABORT_ERR, tx_aborted_errors), ROW(TX_CARRIER_ERR, tx_carrier_errors),
		ROW(TX_FIFO_ERR, tx_fifo_errors), ROW(TX_HBEAT_ERR, tx_heartbeat_errors),
		ROW(TX_WIN_ERR, tx_window_errors),
#undef ROW
	};
	struct rtnl_link *link = link_get(name);

	memset(s, 0xff, sizeof *s);
	if (!link)
		return;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t v = rtnl_link_get_stat(link, rows[i].id);

		memcpy((char *)s + rows[i].ofs, &v, sizeof v);
	}
	rtnl_link_put(link);
}

int
kernel_dev_set_mtu(const char *name, uint32_t mtu, struct wf_err *err)
{
	struct ifreq ifr = { .ifr_mtu = (int)mtu };
	int rc = dev_ioctl(name, SIOCSIFMTU, &ifr);

	return rc ? wf_err(err, rc, "%s: the device refuses an MTU of %u (%s)", name, mtu,
			   wf_strerror(rc))
		  : 0;
}

int
kernel_dev_set_mac(const char *name, const uint8_t mac[6], struct wf_err *err)
{
	struct ifreq ifr = { 0 };
	int rc;

	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	rc = dev_ioctl(name, SIOCSIFHWADDR, &ifr);
	return rc ? wf_err(err, rc, "%s: cannot set the Ethernet address (%s)", name,
			   wf_strerror(rc))
		  : 0;
}

int
kernel_dev_set_up(const char *name, bool up)
{
	struct ifreq ifr = { 0 };
	int rc = dev_ioctl(name, SIOCGIFFLAGS, &ifr);

	if (rc)
		return rc;
	short want = up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP;
	if (want == ifr.ifr_flags)
		return 0;
	ifr.ifr_flags = want;
	return dev_ioctl(name, SIOCSIFFLAGS, &ifr);
}

void
kernel_dev_put_status(const char *name, void (*put)(void *aux, const char *, const char *), void *aux)
{
	struct ethtool_drvinfo di = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&di };

	if (dev_ioctl(name, SIOCETHTOOL, &ifr) == 0) {
		put(aux, "driver_name", di.driver);
		put(aux, "driver_version", di.version);
		put(aux, "firmware_version", di.fw_version);
	}
}
