/* SPDX-License-Identifier: Apache-2.0 */
/* Flows in the datapath's syntax, as dpctl/dump-flows prints and ofproto/trace takes them:
 * "in_port(1),eth(src=...,dst=...),eth_type(0x0800),ipv4(...),tcp(...)". */
#ifndef WEFT_SWITCHD_OF_ODP_PARSE_H
#define WEFT_SWITCHD_OF_ODP_PARSE_H

#include "openflow/key.h"

/* Fills 'key'; '*slot' takes the datapath port, by number or name (UINT32_MAX: none was given).
 * Masks are read and not used.  NULL, or an error text that the caller frees. */
char *of_odp_parse(const char *text, struct of_key *key, uint32_t *slot);

#endif
