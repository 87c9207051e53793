/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's short cut for the flow cache: TCP and UDP over IPv4 without options or over IPv6
 * without extension headers, no fragments, at most one VLAN tag.  It writes only the words of a
 * key that such a packet can fill into a key whose other header words are 0 and stay so; each
 * with one store, since a load of a word that was stored in pieces waits for all of them.
 * Equal to pkt_parse() where it says yes; a test compares them. */
#ifndef WEFT_DATAPLANE_PKT_FAST_H
#define WEFT_DATAPLANE_PKT_FAST_H

#include "dataplane/packet.h"
#include "openflow/key.h"

struct pkt_fast {
	struct of_key v4, v6; /* zero at first; keys of the last packet of each kind */
};

/* The bits that may be set in such keys. */
void pkt_fast_bits(struct of_key *v4, struct of_key *v6);

/* NULL: not such a packet; parse it.  Else the key, valid until the next call, with 'layers' set. */
const struct of_key *pkt_fast_parse(struct pkt_fast *, const struct rte_mbuf *,
				    struct pkt_layers *layers);

#endif
