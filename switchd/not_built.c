/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that ask for what is not built yet: one line in the log for each, when it is first asked
 * for.  At level INFO, because the configuration is valid and the rest of it works. */
#include <string.h>

#include "base/log.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(bridge);

static void
tell(uint32_t *told, unsigned bit, bool wanted, const char *kind, const char *name, const char *what)
{
	if (wanted && !(*told & 1u << bit))
		wf_info("%s %s: %s not built yet; the setting has no effect", kind, name, what);
	if (wanted)
		*told |= 1u << bit;
	else
		*told &= ~(1u << bit);
}

static void
tell_iface(struct sw_iface *i)
{
	const struct ovsdb_row *row = i->row;
	uint32_t *t = &i->told_not_built;

	tell(t, 1, ovsdb_n(row, OVSDB_INTERFACE_CFM_MPID) > 0, "interface", i->name, "CFM is");
	tell(t, 2, ovsdb_smap_bool(row, OVSDB_INTERFACE_LLDP, "enable", false), "interface", i->name,
	     "LLDP is");
}

static void
tell_port(struct sw_port *p)
{
	const struct ovsdb_row *qos = ovsdb_ref(p->row, OVSDB_PORT_QOS);
	const char *type = ovsdb_str_or(qos, OVSDB_QOS_TYPE, "");

	tell(&p->told_not_built, 0, *type && strcmp(type, "egress-policer") &&
	     strcmp(type, "linux-htb") && strcmp(type, "linux-noop"), "port", p->name,
	     "QoS of a type other than egress-policer and linux-htb is");
}

/* These rows name their bridge, not the bridge them. */
static bool
has_sample_collectors(const struct sw_bridge *b)
{
	const struct ovsdb_replica *db = ovsdb_session_replica(sw_db);
	struct ovsdb_row *row;

	ovsdb_for_each (row, db, OVSDB_TABLE_FLOW_SAMPLE_COLLECTOR_SET)
		if (ovsdb_ref(row, OVSDB_FLOW_SAMPLE_COLLECTOR_SET_BRIDGE) == b->row)
			return true;
	return false;
}

void
sw_tell_not_built(struct sw_bridge *b)
{
	uint32_t *t = &b->told_not_built;
	struct sw_iface *i;
	struct sw_port *p;

	tell(t, 0, ovsdb_bool(b->row, OVSDB_BRIDGE_STP_ENABLE, false), "bridge", b->name, "STP is");
	tell(t, 1, ovsdb_bool(b->row, OVSDB_BRIDGE_RSTP_ENABLE, false), "bridge", b->name, "RSTP is");
	tell(t, 3, ovsdb_n(b->row, OVSDB_BRIDGE_NETFLOW) > 0, "bridge", b->name, "NetFlow is");
	tell(t, 4, ovsdb_n(b->row, OVSDB_BRIDGE_SFLOW) > 0, "bridge", b->name, "sFlow is");
	tell(t, 5, ovsdb_n(b->row, OVSDB_BRIDGE_IPFIX) > 0, "bridge", b->name, "IPFIX is");
	tell(t, 6, ovsdb_ref(b->row, OVSDB_BRIDGE_AUTO_ATTACH) != NULL, "bridge", b->name,
	     "auto-attach is");
	tell(t, 7, has_sample_collectors(b), "bridge", b->name,
	     "sampling (Flow_Sample_Collector_Set) is");
	wf_hmap_for_each(p, node, &b->ports)
		tell_port(p);
	wf_hmap_for_each(i, node, &b->ifaces)
		tell_iface(i);
}
