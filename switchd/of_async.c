/* SPDX-License-Identifier: Apache-2.0 */
/* Which asynchronous messages a session gets, and FLOW_REMOVED. */
#include "switchd/of_internal.h"

/* The settings that count now, to be changed by a message. */
static void
own_async(struct of_conn *c)
{
	if (c->has_async)
		return;
	of_async_config_default(&c->async, c->codec.version);
	if (c->invalid_ttl)
		c->async.primary[OF_ASYNC_PACKET_IN] |= 1u << OF_PIR_INVALID_TTL;
}

of_err_t
of_handle_set_async(struct of_conn *c, const struct of_msg *m)
{
	struct of_async_config now;
	of_err_t err;

	own_async(c);
	err = of_set_async_decode(&c->codec, m, &c->async, &now);
	if (err)
		return err;
	if (m->version < OF14_VERSION) {
		/* To it, ACTION is what later versions split into four reasons. */
		const uint32_t parts = 1u << OF_PIR_ACTION_SET | 1u << OF_PIR_GROUP |
				       1u << OF_PIR_PACKET_OUT;

		if (now.primary[OF_ASYNC_PACKET_IN] & 1u << OF_PIR_ACTION)
			now.primary[OF_ASYNC_PACKET_IN] |= parts;
		if (now.secondary[OF_ASYNC_PACKET_IN] & 1u << OF_PIR_ACTION)
			now.secondary[OF_ASYNC_PACKET_IN] |= parts;
	}
	c->async = now;
	c->has_async = true;
	/* A tool that says what it wants wants to be told, as OVS sees it. */
	if (!c->is_controller && !c->miss_send_len)
		c->miss_send_len = 128;
	of_miss_update(c->sw);
	return 0;
}

of_err_t
of_handle_get_async(struct of_conn *c, const struct of_msg *m)
{
	own_async(c);
	of_get_async_reply_encode(m, &c->async, &c->out);
	of_conn_reply(c);
	return 0;
}

of_err_t
of_handle_controller_id(struct of_conn *c, const struct of_msg *m)
{
	of_err_t err = of_controller_id_decode(m, &c->controller_id);

	of_miss_update(c->sw);
	return err;
}

of_err_t
of_handle_packet_in_format(struct of_conn *c, const struct of_msg *m)
{
	return of_packet_in_format_decode(m, &c->packet_in_format);
}

void
of_flow_removed_send(struct of_switch *sw, const struct rule *r)
{
	struct of_flow_removed fr = {
		.match = r->match, .cookie = r->cookie, .priority = r->priority,
		.reason = r->removed_reason, .table = r->table_id,
		.idle_timeout = r->idle_timeout, .hard_timeout = r->hard_timeout,
		.n_packets = atomic_load(&((struct rule *)r)->counter.packets),
		.n_bytes = atomic_load(&((struct rule *)r)->counter.bytes),
	};
	const struct of_tlv_map *before = of_tlv_map_enter(&sw->tlv_map);
	struct of_conn *c;

	of_duration(r->created_ms, &fr.duration_s, &fr.duration_ns);
	wf_list_for_each(c, node, &sw->conns) {
		if (!of_conn_wants(c, OF_ASYNC_FLOW_REMOVED, fr.reason))
			continue;
		of_flow_removed_encode(&c->codec, &fr, &c->out);
		of_conn_async(c);
	}
	of_tlv_map_enter(before);
}
