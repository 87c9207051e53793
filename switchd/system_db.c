/* SPDX-License-Identifier: Apache-2.0 */
/* Columns about the switch as a whole: what it can do. */
#include "ovsdb/txn.h"
#include "switchd/switchd.h"

static void
write_capabilities(struct ovsdb_row *datapath)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "add_mpls", "true" }, { "check_pkt_len", "false" }, { "clone", "true" },
		{ "ct_clear", "false" }, { "ct_eventmask", "false" }, { "ct_flush", "false" },
		{ "ct_label", "false" }, { "ct_mark", "false" }, { "ct_orig_tuple", "false" },
		{ "ct_orig_tuple6", "false" }, { "ct_state", "false" },
		{ "ct_state_nat", "false" }, { "ct_timeout", "false" },
		{ "ct_zero_snat", "false" }, { "ct_zone", "false" },
		{ "explicit_drop_action", "true" }, { "lb_output_action", "false" },
		{ "masked_set_action", "true" }, { "max_hash_alg", "1" },
		{ "max_mpls_depth", "4" }, { "max_vlan_headers", "4" }, { "nd_ext", "true" },
		{ "recirc", "true" }, { "sample_nesting", "10" }, { "tnl_push_pop", "false" },
		{ "trunc", "true" }, { "ufid", "true" },
	};
	struct ovsdb_datum d = OVSDB_DATUM_INIT;

	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
		ovsdb_datum_add_str_str(&d, rows[k].key, rows[k].value);
	ovsdb_set(sw_db, datapath, OVSDB_DATAPATH_CAPABILITIES, &d);
}

void
sw_write_system_columns(struct ovsdb_row *root)
{
	struct ovsdb_datum types = OVSDB_DATUM_INIT, ifaces = OVSDB_DATUM_INIT;
	const char *names[32];
	unsigned n = port_class_types(names, 32);

	ovsdb_datum_add_str(&types, "netdev");
	ovsdb_datum_add_str(&types, "system");
	ovsdb_set(sw_db, root, OVSDB_ROOT_DATAPATH_TYPES, &types);
	for (unsigned k = 0; k < n; k++)
		ovsdb_datum_add_str(&ifaces, names[k]);
	ovsdb_datum_add_str(&ifaces, "patch");
	ovsdb_set(sw_db, root, OVSDB_ROOT_IFACE_TYPES, &ifaces);
	ovsdb_set_bool(sw_db, root, OVSDB_ROOT_DPDK_INITIALIZED, ports_dpdk_version() != NULL);
	ovsdb_set_str(sw_db, root, OVSDB_ROOT_DPDK_VERSION, ports_dpdk_version());
	for (unsigned k = 0; k < ovsdb_n(root, OVSDB_ROOT_DATAPATHS); k++)
		write_capabilities(ovsdb_ref_at(root, OVSDB_ROOT_DATAPATHS, k));
}
