/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in the other text form that Open vSwitch has, that of its datapath:
 *
 *	in_port(1),eth(src=..,dst=..),eth_type(0x0800),ipv4(src=..,proto=6,..,frag=no),tcp(src=1,dst=2)
 *
 * ofproto/trace, netdev-dummy/receive and dpctl/ take and print it.  Ports are the datapath's
 * numbers or names, so they stay apart from the key's OpenFlow port: the caller translates.
 * Geneve options go through the thread's TLV map (openflow/tlv_map.h).
 */
#ifndef WEFT_OPENFLOW_DP_TEXT_H
#define WEFT_OPENFLOW_DP_TEXT_H

#include "base/buf.h"
#include "openflow/key.h"

struct of_dp_key {
	struct of_key key, mask; /* in_port is not set */
	uint32_t in_port;
	bool has_in_port;
};

/* The number of the datapath's port 'name'; false: there is none. */
typedef bool of_dp_port_number_fn(void *aux, const char *name, uint32_t *ret_number);

/* Parses a key; "/mask" behind values is taken into the mask.  Without eth_type()
 * the network layer that it names says the EtherType, or it is a frame without one; one without eth() and packet_type() is a packet of that EtherType
 * without an Ethernet header.  Returns NULL, or an error text ("syntax error at ...") that the
 * caller frees. */
char *of_dp_key_parse(const char *text, of_dp_port_number_fn *, void *aux, struct of_dp_key *);

/* Does the text look like this form rather than that of ovs-ofctl? */
bool of_dp_key_is(const char *text);

/* Prints the fields of 'k' of which 'mask' has bits (all with 'verbose'; 'mask' NULL: exact).
 * 'in_port' is the text of the port, number or name. */
void of_dp_key_format(const struct of_key *k, const struct of_key *mask, const char *in_port,
		      bool verbose, struct wf_str *);

#endif
