/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/key_odp_text.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include "openflow/dp_text.h"

void
key_odp_text(const struct of_key *k, const struct of_key *m, const char *port, bool verbose,
	     struct wf_str *s)
{
	struct of_key mask = *m;

	/* What Open vSwitch looks at in every packet, and so always shows. */
	mask.recirc_id = UINT32_MAX;
	mask.packet_type = UINT32_MAX;
	mask.dl_type = 0xffff;
	if (k->dl_type == htons(ETH_P_IP) || k->dl_type == htons(ETH_P_IPV6))
		mask.nw_frag = OF_FRAG_MASK;
	for (unsigned i = 0; i < OF_MAX_VLANS; i++)
		mask.vlans[i].tci |= k->vlans[i].tci & htons(OF_VLAN_CFI);
	of_dp_key_format(k, &mask, port, verbose, s);
}
