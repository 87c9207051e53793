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
	uint32_t in_port, in_port_mask;
	bool has_in_port;
	bool has_eth, has_packet_type; /* were named */
	bool unknown_options; /* in geneve(), which are in no TLV map: were left out */
	bool too_long;  /* the error: Open vSwitch's datapath could not be told so much */
	/* Of tunnel(): UDP ports of the outer header, which are no field of OpenFlow. */
	struct of_dp_tunnel_ports { uint16_t src, dst, src_mask, dst_mask; } tunnel_ports;
	char ufid[48];  /* what "ufid:UUID" in front says, with "ufid:", or "" */
};

/* The number of the datapath's port 'name'; false: there is none. */
typedef bool of_dp_port_number_fn(void *aux, const char *name, uint32_t *ret_number);

/* Parses a key; "/mask" behind values is taken into the mask.  Without eth_type()
 * the network layer that it names says the EtherType, or it is a frame without one; one without eth() and packet_type() is a packet of that EtherType
 * without an Ethernet header.  Returns NULL, or an error text ("syntax error at ...") that the
 * caller frees. */
char *of_dp_key_parse(const char *text, of_dp_port_number_fn *, void *aux, struct of_dp_key *);

/* Actions of the datapath as a list of OpenFlow actions, appended to 'list': outputs ("2", "veth0"), "drop",
 * pop_vlan, push_vlan(vid=5,pcp=0), and set() of MAC and IP addresses, TOS, TTL, ports, ARP and mark.
 * 'match': what packets they are for; who sets a field must demand packets that have it.  Returns NULL,
 * or an error text that the caller frees; 'list' is then as it was. */
struct of_match_full;
typedef char *of_dp_output_fn(void *aux, const char *port, of_port_t *ret_port);
char *of_dp_actions_parse(const char *text, struct of_match_full *match, of_dp_output_fn *, void *aux,
			  struct wf_buf *list);

/* Does the text look like this form rather than that of ovs-ofctl? */
bool of_dp_key_is(const char *text);

/* Prints the fields of 'k' of which 'mask' has bits (all with 'verbose'; 'mask' NULL: exact).
 * 'in_port' is the text of the port, number or name. */
void of_dp_key_format(const struct of_key *k, const struct of_key *mask, const char *in_port,
		      bool verbose, struct wf_str *);
/* The same of a flow as it was parsed: values under their masks as given, tunnel ports too. */
void of_dp_flow_format(const struct of_dp_key *, const char *in_port, bool verbose, struct wf_str *);

#endif
