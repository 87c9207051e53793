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

static uint64_t
sysfs_u64(const char *name, const char *file, uint64_t dflt)
{
	char path[128], text[32];
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return dflt;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return dflt;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
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
	s->link_resets = sysfs_u64(name, "carrier_changes", 0);

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
		const char *file;
		size_t ofs;
	} rows[] = {
#define ROW(F) { "statistics/" #F, offsetof(struct port_stats, F) }
		ROW(rx_packets), ROW(tx_packets), ROW(rx_bytes), ROW(tx_bytes), ROW(rx_errors),
		ROW(tx_errors), ROW(rx_dropped), ROW(tx_dropped), ROW(multicast), ROW(collisions),
		ROW(rx_length_errors), ROW(rx_over_errors), ROW(rx_crc_errors),
		ROW(rx_frame_errors), ROW(rx_fifo_errors), ROW(rx_missed_errors),
		ROW(tx_aborted_errors), ROW(tx_carrier_errors), ROW(tx_fifo_errors),
		ROW(tx_heartbeat_errors), ROW(tx_window_errors),
#undef ROW
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t v = sysfs_u64(name, rows[i].file, UINT64_MAX);

		memcpy((char *)s + rows[i].ofs, &v, sizeof v);
	}
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
