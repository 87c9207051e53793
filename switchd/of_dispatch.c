/* SPDX-License-Identifier: Apache-2.0 */
/* Message -> handler. */
#include "switchd/of_internal.h"

#include <string.h>

#include "base/log.h"
#include "openflow/msg_nx.h"

WF_LOG_MODULE(ofproto);

static of_err_t
nothing(struct of_conn *c, const struct of_msg *m)
{
	return 0;
}

static of_err_t
echo_request(struct of_conn *c, const struct of_msg *m)
{
	of_echo_reply_encode(m, &c->out);
	of_conn_flush(c);
	return 0;
}

static of_err_t
barrier_request(struct of_conn *c, const struct of_msg *m)
{
	of_barrier_reply_encode(m, &c->out);
	of_conn_reply_barrier(c);
	return 0;
}

static of_err_t
set_flow_format(struct of_conn *c, const struct of_msg *m)
{
	return of_set_flow_format_decode(m, &c->codec.nxm);
}

static of_err_t
flow_mod_table_id(struct of_conn *c, const struct of_msg *m)
{
	return of_flow_mod_table_id_decode(m, &c->codec.tid);
}

/* There is no connection tracker, thus nothing to forget. */
static of_err_t
ct_flush_zone(struct of_conn *c, const struct of_msg *m)
{
	uint16_t zone;

	return of_ct_flush_zone_decode(m, &zone);
}

static of_err_t
ct_flush(struct of_conn *c, const struct of_msg *m)
{
	struct of_ct_flush flush;

	return of_ct_flush_decode(m, &flush);
}

static of_err_t
ipfix_request(struct of_conn *c, const struct of_msg *m)
{
	return OF_ERR_NXST_NOT_CONFIGURED;
}

of_err_t of_handle_features_request(struct of_conn *, const struct of_msg *);

static const struct {
	of_handler *fn;
	bool changes; /* not for controllers in the secondary role */
} handlers[OF_N_MSG_IDS] = {
	[OF_M_HELLO] = { nothing },
	[OF_M_ERROR] = { nothing },
	[OF_M_ECHO_REQUEST] = { echo_request },
	[OF_M_ECHO_REPLY] = { nothing },
	[OF_M_FLOW_AGE] = { nothing },
	[OF_M_BARRIER_REQUEST] = { barrier_request },
	[OF_M_FEATURES_REQUEST] = { of_handle_features_request },
	[OF_M_GET_CONFIG_REQUEST] = { of_handle_get_config },
	[OF_M_SET_CONFIG] = { of_handle_set_config },
	[OF_M_SET_FLOW_FORMAT] = { set_flow_format },
	[OF_M_FLOW_MOD_TABLE_ID] = { flow_mod_table_id },
	[OF_M_FLOW_MOD] = { of_handle_flow_mod, true },
	[OF_M_FLOW_REQUEST] = { of_handle_flow_request },
	[OF_M_FLOW_STATS_REQUEST] = { of_handle_flow_stats_request },
	[OF_M_AGGREGATE_REQUEST] = { of_handle_aggregate_request },
	[OF_M_DESC_REQUEST] = { of_handle_desc_request },
	[OF_M_TABLE_REQUEST] = { of_handle_table_request },
	[OF_M_TABLE_FEATURES_REQUEST] = { of_handle_table_features },
	[OF_M_TABLE_DESC_REQUEST] = { of_handle_table_desc },
	[OF_M_TABLE_MOD] = { of_handle_table_mod, true },
	[OF_M_GROUP_MOD] = { of_handle_group_mod, true },
	[OF_M_GROUP_REQUEST] = { of_handle_group_request },
	[OF_M_GROUP_DESC_REQUEST] = { of_handle_group_desc },
	[OF_M_GROUP_FEATURES_REQUEST] = { of_handle_group_features },
	[OF_M_METER_MOD] = { of_handle_meter_mod, true },
	[OF_M_METER_REQUEST] = { of_handle_meter_request },
	[OF_M_METER_CONFIG_REQUEST] = { of_handle_meter_config },
	[OF_M_METER_FEATURES_REQUEST] = { of_handle_meter_features },
	[OF_M_PORT_DESC_REQUEST] = { of_handle_port_desc },
	[OF_M_PORT_REQUEST] = { of_handle_port_request },
	[OF_M_PORT_MOD] = { of_handle_port_mod, true },
	[OF_M_QUEUE_GET_CONFIG_REQUEST] = { of_handle_queue_config },
	[OF_M_QUEUE_REQUEST] = { of_handle_queue_request },
	[OF_M_PACKET_OUT] = { of_handle_packet_out, true },
	[OF_M_RESUME] = { of_handle_resume, true },
	[OF_M_BUNDLE_CONTROL] = { of_handle_bundle_control, true },
	[OF_M_BUNDLE_ADD_MESSAGE] = { of_handle_bundle_add, true },
	[OF_M_FLOW_MONITOR_REQUEST] = { of_handle_monitor_request },
	[OF_M_FLOW_MONITOR_CANCEL] = { of_handle_monitor_cancel },
	[OF_M_ROLE_REQUEST] = { of_handle_role },
	[OF_M_SET_ASYNC_CONFIG] = { of_handle_set_async },
	[OF_M_GET_ASYNC_REQUEST] = { of_handle_get_async },
	[OF_M_SET_CONTROLLER_ID] = { of_handle_controller_id },
	[OF_M_SET_PACKET_IN_FORMAT] = { of_handle_packet_in_format },
	[OF_M_TLV_TABLE_MOD] = { of_handle_tlv_mod, true },
	[OF_M_TLV_TABLE_REQUEST] = { of_handle_tlv_request },
	[OF_M_CONTROLLER_STATUS_REQUEST] = { of_handle_controller_status },
	[OF_M_CT_FLUSH_ZONE] = { ct_flush_zone, true },
	[OF_M_CT_FLUSH] = { ct_flush, true },
	[OF_M_IPFIX_BRIDGE_REQUEST] = { ipfix_request },
	[OF_M_IPFIX_FLOW_REQUEST] = { ipfix_request },
};

static of_err_t
dispatch(struct of_conn *c, const struct of_msg *m)
{
	if (!handlers[m->id].fn)
		return of_msg_is_multipart_request(m) ? OF_ERR_OFPBRC_BAD_STAT
						      : OF_ERR_OFPBRC_BAD_TYPE;
	if (handlers[m->id].changes && c->is_controller && c->role == OF_ROLE_SECONDARY)
		return OF_ERR_OFPBRC_IS_SECONDARY;
	return handlers[m->id].fn(c, m);
}

static void
part_missing(void *c, const void *header, size_t size)
{
	of_conn_error_quoting(c, OF_ERR_OFPBRC_MULTIPART_REQUEST_TIMEOUT, header, size);
}

static void
on_parts_timer(struct wf_timer *t)
{
	struct of_conn *c = wf_container(t, struct of_conn, parts_timer);
	int64_t now = wf_now_ms();
	int64_t when = of_multipart_requests_run(&c->parts, now, part_missing, c);

	if (when >= 0)
		wf_timer_set(t, when - now, on_parts_timer, c);
}

void
of_dispatch_reset(struct of_conn *c)
{
	wf_timer_cancel(&c->parts_timer);
	of_multipart_requests_done(&c->parts);
	memset(&c->parts, 0, sizeof(c->parts));
}

void
of_dispatch(struct of_conn *c, const uint8_t *data, size_t size)
{
	const struct of_tlv_map *before = of_tlv_map_enter(&c->sw->tlv_map);
	struct of_msg m = { .id = OF_N_MSG_IDS };
	of_err_t err = of_msg_classify(data, size, &m);

	/* Hello, error and echo are the same in all versions. */
	if (data[0] != c->codec.version && (err || data[1] > 3)) {
		wf_error_rl("%s: received OpenFlow version 0x%02x != expected %02x", c->name,
			    data[0], c->codec.version);
		err = OF_ERR_OFPBRC_BAD_VERSION;
	}
	if (!err && of_msg_is_multipart_request(&m)) {
		struct of_msg whole = { .id = OF_N_MSG_IDS };

		err = of_multipart_requests_put(&c->parts, &m, wf_now_ms(), &whole);
		if (!err && !whole.data) {
			on_parts_timer(&c->parts_timer);
			goto out;
		}
		if (!err)
			m = whole;
	}
	if (!err)
		err = dispatch(c, &m);
	if (err)
		of_conn_error(c, err, &m);
out:
	of_tlv_map_enter(before);
}
