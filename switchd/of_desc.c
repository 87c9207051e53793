/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch says of itself: features, description, configuration. */
#include "switchd/of_internal.h"

#include <stdlib.h>

static struct of_port_desc *
ports_array(struct of_switch *sw, size_t *n)
{
	struct of_port_desc *all = wf_xmalloc((sw->ports.n + 1) * sizeof(*all));
	struct of_port *p;

	*n = 0;
	wf_hmap_for_each(p, node, &sw->ports)
		all[(*n)++] = p->desc;
	return all;
}

of_err_t of_handle_features_request(struct of_conn *, const struct of_msg *);

of_err_t
of_handle_features_request(struct of_conn *c, const struct of_msg *m)
{
	static struct of_table_features tf;
	struct of_features f = {
		.datapath_id = c->sw->datapath_id,
		.n_tables = TABLE_INTERNAL,
		.capabilities = OF_C_FLOW_STATS | OF_C_TABLE_STATS | OF_C_PORT_STATS |
				OF_C_QUEUE_STATS | OF_C_GROUP_STATS | OF_C_ARP_MATCH_IP |
				OF_C_BUNDLES,
	};
	size_t n;
	struct of_port_desc *ports = ports_array(c->sw, &n);

	of_table_features_fill(c->sw, 0, &tf);
	f.actions = tf.nonmiss.apply.actions;
	of_features_reply_encode(m, &f, ports, n, &c->out);
	free(ports);
	of_conn_reply(c);
	return 0;
}

of_err_t
of_handle_desc_request(struct of_conn *c, const struct of_msg *m)
{
	/* Scripts and controllers choose their dialect by these texts. */
	struct of_desc d = {
		.mfr = "Nicira, Inc.", .hw = "Open vSwitch", .sw = "3.1.0",
		.serial = c->sw->serial_desc ? c->sw->serial_desc : "None",
		.dp = c->sw->dp_desc ? c->sw->dp_desc : "None",
	};

	of_desc_reply_encode(m, &d, &c->out);
	of_conn_reply(c);
	return 0;
}

of_err_t
of_handle_get_config(struct of_conn *c, const struct of_msg *m)
{
	struct of_config_msg cfg = {
		.frag = c->sw->frag, .invalid_ttl_to_controller = c->invalid_ttl,
		.miss_send_len = c->miss_send_len,
	};

	if (c->has_async)
		cfg.invalid_ttl_to_controller =
			c->async.primary[OF_ASYNC_PACKET_IN] >> OF_PIR_INVALID_TTL & 1;
	of_get_config_reply_encode(m, &cfg, &c->out);
	of_conn_reply(c);
	return 0;
}

of_err_t
of_handle_set_config(struct of_conn *c, const struct of_msg *m)
{
	struct of_config_msg cfg;
	of_err_t err = of_set_config_decode(m, &cfg);

	if (err)
		return err;
	/* Reassembly is not built; the mode stays as it is, and GET_CONFIG says so. */
	if (!(c->is_controller && c->role == OF_ROLE_SECONDARY) && cfg.frag != OF_FRAG_REASM &&
	    cfg.frag != c->sw->frag) {
		c->sw->frag = cfg.frag;
		view_set_frag_mode(c->sw->bridge, cfg.frag);
	}
	if (cfg.invalid_ttl_to_controller >= 0) {
		uint32_t bit = 1u << OF_PIR_INVALID_TTL;

		c->invalid_ttl = cfg.invalid_ttl_to_controller;
		if (c->invalid_ttl)
			c->async.primary[OF_ASYNC_PACKET_IN] |= bit;
		else
			c->async.primary[OF_ASYNC_PACKET_IN] &= ~bit;
	}
	c->miss_send_len = cfg.miss_send_len;
	of_miss_update(c->sw);
	return 0;
}
