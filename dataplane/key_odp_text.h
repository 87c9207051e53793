/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in the text form of Open vSwitch's datapath flows, for dpctl:
 * "recirc_id(0),in_port(1),eth(src=..,dst=..),eth_type(0x0800),ipv4(src=10.0.0.0/8,frag=no)". */
#ifndef WEFT_DATAPLANE_KEY_ODP_TEXT_H
#define WEFT_DATAPLANE_KEY_ODP_TEXT_H

#include "base/buf.h"
#include "openflow/key.h"

/* 'port': how in_port is shown. Only what 'mask' has a bit of appears. */
void key_odp_text(const struct of_key *, const struct of_key *mask, const char *port,
		  bool verbose, struct wf_str *);

#endif
