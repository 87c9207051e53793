/* SPDX-License-Identifier: Apache-2.0 */
/* Columns about the switch as a whole: what it can do. */
#include <string.h>

#include "ovsdb/txn.h"
#include "switchd/switchd.h"
#include "tunnels/config.h"

void
sw_write_system_columns(struct ovsdb_row *root)
{
	struct ovsdb_datum types = OVSDB_DATUM_INIT, ifaces = OVSDB_DATUM_INIT;
	const char *dpdk = ports_dpdk_version();
	const char *names[32];
	unsigned n = port_class_types(names, 32);

	n += tnl_types_built(names + n, 32 - n);

	ovsdb_datum_add_str(&types, "netdev");
	ovsdb_datum_add_str(&types, "system");
	ovsdb_set(sw_db, root, OVSDB_ROOT_DATAPATH_TYPES, &types);
	for (unsigned k = 0; k < n; k++)
		ovsdb_datum_add_str(&ifaces, names[k]);
	ovsdb_datum_add_str(&ifaces, "patch");
	ovsdb_set(sw_db, root, OVSDB_ROOT_IFACE_TYPES, &ifaces);
	ovsdb_set_bool(sw_db, root, OVSDB_ROOT_DPDK_INITIALIZED, dpdk != NULL);
	ovsdb_set_str(sw_db, root, OVSDB_ROOT_DPDK_VERSION, dpdk ? dpdk : "none");
	for (unsigned k = 0; k < ovsdb_n(root, OVSDB_ROOT_DATAPATHS); k++)
		sw_features_write(ovsdb_ref_at(root, OVSDB_ROOT_DATAPATHS, k));
}
