// SPDX-License-Identifier: Apache-2.0
#include "glb/doctor.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "glb/address.h"

static bool
host_has(const struct in6_addr *a)
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET && glb_address_is_v4(a))
			found = !memcmp(&((struct sockaddr_in *)i->ifa_addr)->sin_addr, &a->s6_addr[12], 4);
		else if (i->ifa_addr->sa_family == AF_INET6)
			found = !memcmp(&((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, a, sizeof *a);
	}
	freeifaddrs(list);
	return found;
}

/* Also by a route of type local, as a whole prefix has. */
static bool
is_local(const struct in6_addr *a)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = *a };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	bool four = glb_address_is_v4(a), ok;
	int fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&sin.sin_addr, &a->s6_addr[12], 4);
	ok = fd >= 0 && !bind(fd, four ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6,
			      four ? sizeof sin : sizeof sin6);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* -1: no such setting. */
static long
read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long v = -1;

	if (f && fscanf(f, "%ld", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

static long
setting(const char *family, const char *device, const char *name)
{
	char path[160];

	snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, device, name);
	return read_number(path);
}

/* By ioctl: /sys may show another network namespace than the one that the process is in. */
static long
device_mtu(const char *device)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { 0 };
	long mtu = -1;

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	if (fd >= 0 && !ioctl(fd, SIOCGIFMTU, &r))
		mtu = r.ifr_mtu;
	if (fd >= 0)
		close(fd);
	return mtu;
}

static long
larger(long a, long b)
{
	return a > b ? a : b;
}

static unsigned
check_server(const struct glb_config *c, struct wf_str *s)
{
	char address[GLB_PREFIX_TEXT];
	unsigned n = 0;

	for (size_t i = 0; i < c->n_vips; i++) {
		if (host_has(&c->vips[i].address) || (c->vips[i].len < 128 && is_local(&c->vips[i].address)) ||
		    (i && !memcmp(&c->vips[i].address, &c->vips[i - 1].address, sizeof(struct in6_addr))))
			continue;
		glb_prefix_text(&c->vips[i].address, c->vips[i].len, address);
		wf_str_fmt(s, "VIP %s is no address of this host, so its packets are not delivered: "
			   "ip %s %s dev lo\n", address, c->vips[i].len < 128 ? "route add local" : "addr add", address);
		n++;
	}
	for (size_t i = 0; i < c->n_interfaces; i++) {
		const char *dev = c->interfaces[i].name;

		/* The kernel takes the larger of "all" and the device's. */
		if (larger(setting("ipv4", "all", "rp_filter"), setting("ipv4", dev, "rp_filter")) == 1) {
			wf_str_fmt(s, "%s: rp_filter is 1: packets of clients whose route goes elsewhere are dropped: "
				   "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.%s.rp_filter=0\n", dev, dev);
			n++;
		}
		if (larger(setting("ipv4", "all", "arp_ignore"), setting("ipv4", dev, "arp_ignore")) < 1) {
			wf_str_fmt(s, "%s: arp_ignore is 0: this server answers ARP for the VIPs and takes them from the "
				   "router: sysctl -w net.ipv4.conf.%s.arp_ignore=1\n", dev, dev);
			n++;
		}
		if (larger(setting("ipv4", "all", "arp_announce"), setting("ipv4", dev, "arp_announce")) < 2) {
			wf_str_fmt(s, "%s: arp_announce is below 2: ARP requests of this server may name a VIP as sender: "
				   "sysctl -w net.ipv4.conf.%s.arp_announce=2\n", dev, dev);
			n++;
		}
	}
	return n;
}

void
glb_doctor_config(const struct glb_config *c, struct wf_str *s)
{
	if ((c->role[GLB_LOCAL] || c->role[GLB_HOST]) && !c->n_sources)
		wf_str_put(s, "note: there is no tunnel-source: whoever reaches this host's address can send it packets in "
			      "tunnels, with any source inside\n");
}

unsigned
glb_doctor(const struct glb_config *c, struct wf_str *s)
{
	const struct in6_addr zero = { 0 }, *own[] = { &c->own4, &c->own6, &c->host_address };
	char address[INET6_ADDRSTRLEN];
	unsigned n = 0;

	glb_doctor_config(c, s);
	for (unsigned i = 0; i < 3; i++)
		if (memcmp(own[i], &zero, sizeof zero) && !host_has(own[i])) {
			wf_str_fmt(s, "%s is no address of this host: tunnels to it do not arrive\n",
				   glb_address_text(own[i], address));
			n++;
		}
	for (size_t i = 0; i < c->n_interfaces; i++) {
		long mtu = device_mtu(c->interfaces[i].name);

		if (mtu < 0) {
			wf_str_fmt(s, "%s: there is no such device\n", c->interfaces[i].name);
			n++;
		} else if (mtu < 1500 + 60 && (c->role[GLB_EDGE] || c->role[GLB_LOCAL])) {
			wf_str_fmt(s, "%s: MTU %ld: packets of 1500 bytes with their outer header need 1560 (1580 over "
				   "IPv6); an edge tells clients to send less, others drop it as too_big\n", c->interfaces[i].name, mtu);
			n++;
		}
		if (setting("ipv4", c->interfaces[i].name, "forwarding") == 0) {
			wf_str_fmt(s, "%s: forwarding is off, so the programs find no route: "
				   "sysctl -w net.ipv4.conf.%s.forwarding=1\n", c->interfaces[i].name,
				   c->interfaces[i].name);
			n++;
		}
	}
	return n + (c->role[GLB_HOST] ? check_server(c, s) : 0);
}
