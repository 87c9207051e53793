/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP from anybody about packets of tunnels: never read beyond its end, and nothing is kept of a destination
 * that nobody asked for, nor an MTU below the least. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tunnel_mtu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tunnel_path path = { .dev = "weft-none" };
	static int64_t now = 1;
	struct in6_addr source;
	uint8_t *copy = malloc(size ? size : 1);
	uint32_t mtu;
	bool heard;

	/* The seeds are about this address; the device is nobody's, so that the kernel says nothing. */
	inet_pton(AF_INET6, size && data[0] >> 4 == 6 ? "fd17::2" : "::ffff:172.17.0.2", &path.dst);
	now += 2 * TUNNEL_MTU_HEARD_MS;
	tunnel_path_mtu(&path, now, &source);
	memcpy(copy, data, size);
	heard = tunnel_path_heard(copy, size, now);
	mtu = tunnel_path_mtu(&path, now, &source);
	if (heard != (mtu != 0))
		abort();
	if (mtu && mtu < (data[0] >> 4 == 6 ? TUNNEL_MTU_MIN6 : TUNNEL_MTU_MIN4))
		abort();
	free(copy);
	return 0;
}
