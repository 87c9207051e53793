/* SPDX-License-Identifier: Apache-2.0 */
/* How this host reaches an IPv4 address: asks the kernel's routes and ARP table.  Main thread. */
#ifndef WEFT_SWITCHD_NEXT_HOP_H
#define WEFT_SWITCHD_NEXT_HOP_H

#include <linux/types.h>
#include <net/if.h>
#include <stdint.h>

struct next_hop {
	__be32 ip;             /* of the gateway, or the address itself */
	char device[IFNAMSIZ];
	uint8_t mac[6];        /* zero: the kernel does not know it yet */
};

/* 0, or a negative errno: there is no route. */
int next_hop_find(__be32 address, struct next_hop *);

#endif
