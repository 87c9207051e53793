/* SPDX-License-Identifier: Apache-2.0 */
/* Controller.local_ip, local_netmask, local_gateway: the address of the bridge's local port, for
 * hosts that have no other way to get one before they reach their controller. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(bridge);

static void
set_in(struct sockaddr *sa, struct in_addr ip)
{
	struct sockaddr_in *in = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof *sa);
	in->sin_family = AF_INET;
	in->sin_addr = ip;
}

static int
set_address(int fd, const char *device, struct in_addr ip, struct in_addr mask)
{
	struct ifreq r = { 0 };

	strncpy(r.ifr_name, device, sizeof r.ifr_name - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &r))
		return -errno;
	r.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &r))
		return -errno;
	set_in(&r.ifr_addr, ip);
	if (ioctl(fd, SIOCSIFADDR, &r))
		return -errno;
	set_in(&r.ifr_netmask, mask);
	return ioctl(fd, SIOCSIFNETMASK, &r) ? -errno : 0;
}

static int
add_router(int fd, const char *device, struct in_addr gateway)
{
	struct rtentry r = { .rt_flags = RTF_UP | RTF_GATEWAY, .rt_dev = (char *)device };
	struct in_addr any = { 0 };

	set_in(&r.rt_dst, any);
	set_in(&r.rt_gateway, gateway);
	set_in(&r.rt_genmask, any);
	return ioctl(fd, SIOCADDRT, &r) && errno != EEXIST ? -errno : 0;
}

/* That of the address' class, as long ago. */
static struct in_addr
guess_mask(struct in_addr ip)
{
	uint32_t a = ntohl(ip.s_addr);

	return (struct in_addr){ htonl(!(a >> 31) ? 0xff000000 : a >> 30 == 2 ? 0xffff0000
									     : 0xffffff00) };
}

static void
configure(struct sw_bridge *b, const struct ovsdb_row *row)
{
	const char *ip_text = ovsdb_str(row, OVSDB_CONTROLLER_LOCAL_IP);
	const char *mask_text = ovsdb_str_or(row, OVSDB_CONTROLLER_LOCAL_NETMASK, "");
	const char *gateway_text = ovsdb_str_or(row, OVSDB_CONTROLLER_LOCAL_GATEWAY, "");
	struct in_addr ip, mask, gateway;
	int fd, rc;

	if (inet_pton(AF_INET, ip_text, &ip) != 1) {
		wf_warn("bridge %s: local_ip=\"%s\" is no IPv4 address; ignored", b->name, ip_text);
		return;
	}
	if (inet_pton(AF_INET, mask_text, &mask) != 1 || !mask.s_addr)
		mask = guess_mask(ip);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	rc = set_address(fd, b->name, ip, mask);
	if (rc) {
		wf_warn("bridge %s: cannot set IP address %s: %s", b->name, ip_text, wf_strerror(rc));
	} else {
		char text[INET_ADDRSTRLEN];

		wf_info("bridge %s: configured IP address %s, netmask %s", b->name, ip_text,
			inet_ntop(AF_INET, &mask, text, sizeof text));
		if (inet_pton(AF_INET, gateway_text, &gateway) == 1 && gateway.s_addr) {
			rc = add_router(fd, b->name, gateway);
			if (rc)
				wf_warn("bridge %s: cannot add gateway %s: %s", b->name,
					gateway_text, wf_strerror(rc));
			else
				wf_info("bridge %s: configured gateway %s", b->name, gateway_text);
		}
	}
	close(fd);
}

void
sw_bridge_configure_local_ip(struct sw_bridge *b)
{
	const struct sw_iface *local = sw_iface_find(b, b->name);
	struct ovsdb_row *row;

	if (!local || !local->port || !strncmp(local->type, "dummy", 5))
		return;
	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_CONTROLLER) {
		char *wanted;

		if (!ovsdb_str(row, OVSDB_CONTROLLER_LOCAL_IP))
			continue;
		wanted = wf_xasprintf("%s %s %s", ovsdb_str(row, OVSDB_CONTROLLER_LOCAL_IP),
				      ovsdb_str_or(row, OVSDB_CONTROLLER_LOCAL_NETMASK, ""),
				      ovsdb_str_or(row, OVSDB_CONTROLLER_LOCAL_GATEWAY, ""));
		/* Once: what an operator changes by hand afterwards stays. */
		if (!b->local_ip || strcmp(b->local_ip, wanted))
			configure(b, row);
		free(b->local_ip);
		b->local_ip = wanted;
		return;
	}
	free(b->local_ip);
	b->local_ip = NULL;
}
