// SPDX-License-Identifier: Apache-2.0
#include "glb/touch.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "glb/address.h"

#define MAX_GATEWAYS 64

static int sock4 = -1, sock6 = -1;

static void
touch4(uint32_t address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = address };

	sendto(sock4, "", 0, MSG_DONTWAIT, (struct sockaddr *)&sin, sizeof sin);
}

static void
touch6(const struct in6_addr *address, uint32_t scope)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = *address,
				     .sin6_scope_id = scope };

	sendto(sock6, "", 0, MSG_DONTWAIT, (struct sockaddr *)&sin6, sizeof sin6);
}

static void
touch_gateways(void)
{
	unsigned gateway, flags, n = 0;
	char line[256], hex[33], device[IFNAMSIZ];
	FILE *f = fopen("/proc/net/route", "re");

	/* Iface Destination Gateway Flags ...; RTF_GATEWAY is 2. */
	while (f && n < MAX_GATEWAYS && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*x %x %x", &gateway, &flags) == 2 && (flags & 2)) {
			touch4(gateway);
			n++;
		}
	if (f)
		fclose(f);
	f = fopen("/proc/net/ipv6_route", "re");
	/* destination length source length next-hop metric references use flags device */
	for (n = 0; f && n < MAX_GATEWAYS && fgets(line, sizeof line, f);) {
		struct in6_addr a;
		unsigned byte;

		if (sscanf(line, "%*s %*x %*s %*x %32s %*x %*x %*x %x %15s", hex, &flags, device) != 3 || !(flags & 2))
			continue;
		for (unsigned i = 0; i < 16; i++)
			a.s6_addr[i] = sscanf(hex + 2 * i, "%2x", &byte) == 1 ? (uint8_t)byte : 0;
		touch6(&a, if_nametoindex(device));
		n++;
	}
	if (f)
		fclose(f);
}

static void
touch(const struct in6_addr *address)
{
	uint32_t four;

	memcpy(&four, &address->s6_addr[12], 4);
	if (glb_address_is_v4(address))
		touch4(four);
	else
		touch6(address, 0);
}

void
glb_touch_next_hops(const struct glb_config *c, const struct placement *p)
{
	static size_t touched;

	if (sock4 < 0)
		sock4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock6 < 0)
		sock6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < 256 && i < p->n_nodes; i++) {
		const struct plc_node *n = &p->nodes[touched++ % p->n_nodes];

		if (!n->gone)
			touch(&n->address);
	}
	for (size_t i = 0; i < c->n_peers; i++)
		touch(&c->peers[i]);
	touch_gateways();
}
