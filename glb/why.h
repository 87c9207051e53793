/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs would do with a packet, and why: the same headers, compiled here. */
#ifndef WEFT_GLB_WHY_H
#define WEFT_GLB_WHY_H

#include "base/buf.h"
#include "glb/config.h"
#include "glb/placement.h"
#include "glb/sites.h"

struct why_packet {
	struct in6_addr client, vip;
	uint16_t client_port, vip_port;
	uint8_t protocol; /* 6 or 17 */
	bool opens;	  /* TCP with SYN */
};

/* 'state' says what is known here of a node: "", " (drains)", " (dead)". */
void glb_why(const struct glb_config *, const struct placement *, const struct glb_sites *,
	     const struct why_packet *,
	     const char *(*state)(uint32_t node_id, void *aux), void *aux, struct wf_str *);
/* "ADDRESS" or "ADDRESS:PORT" or "[ADDRESS]:PORT". */
bool glb_endpoint_parse(const char *, struct in6_addr *, uint16_t *ret_port);

#endif
