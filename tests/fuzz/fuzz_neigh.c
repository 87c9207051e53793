/* SPDX-License-Identifier: Apache-2.0 */
/* ARP and neighbour advertisements from anybody on the underlay. */
#include <stdlib.h>

#include "tunnels/neigh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in6_addr a;
	uint8_t mac[6];

	/* What is learned can be used: a unicast address that is not zero. */
	if (tnl_neigh_snoop(data, size, &a, mac) &&
	    ((mac[0] & 1) || !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5])))
		abort();
	return 0;
}
