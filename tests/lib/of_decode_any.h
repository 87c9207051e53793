/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the message codec: takes a classified message through the decoder of its family,
 * to the end of its items.  Returns the first error, or 0.  What was decoded is read once by the
 * formatter or thrown away. */
#ifndef WEFT_TESTS_LIB_OF_DECODE_ANY_H
#define WEFT_TESTS_LIB_OF_DECODE_ANY_H

#include "openflow/msg_bundle.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_group.h"
#include "openflow/msg_meter.h"
#include "openflow/msg_monitor.h"
#include "openflow/msg_nx.h"
#include "openflow/msg_packet.h"
#include "openflow/msg_port.h"
#include "openflow/msg_queue.h"
#include "openflow/msg_switch.h"
#include "openflow/msg_table.h"

#define EACH_ITEM(CALL)                                                                        \
	do {                                                                                   \
		size_t pos = 0, before;                                                        \
		do {                                                                           \
			before = pos;                                                          \
			error = (CALL);                                                        \
		} while (!error && pos > before);                                              \
		if (error == OF_EOF)                                                           \
			error = 0;                                                             \
	} while (0)

static inline of_err_t
of_decode_any(const struct of_codec *codec, const struct of_msg *m)
{
	static const struct of_limits limits = { .max_ports = OF_PORT_MAX, .n_tables = 254 };
	struct wf_buf store = WF_BUF_INIT;
	of_err_t error = 0;
	union {
		struct of_flow_mod fm;
		struct of_flow_query query;
		struct of_flow_stats fs;
		struct of_aggregate_stats as;
		struct of_flow_removed fr;
		struct of_packet_in pin;
		struct of_packet_out po;
		struct of_port_desc port;
		struct of_port_mod pm;
		struct of_port_stats ps;
		struct of_features features;
		struct of_config_msg config;
		struct of_role_request role;
		struct of_role_status role_status;
		struct of_async_config async;
		struct of_table_mod tm;
		struct of_table_desc td;
		struct of_table_features tf;
		struct of_group_mod gm;
		struct of_group_stats gs;
		struct of_meter_mod mm;
		struct of_meter_config mc;
		struct of_queue_query queue;
		struct of_bundle_ctrl bc;
		struct of_bundle_add ba;
		struct of_monitor_request mr;
		struct of_flow_update fu;
		struct of_tlv_mod tlv;
		struct of_tlv_reply tlv_reply;
		struct of_ct_flush ct;
		uint32_t u32;
		uint16_t u16;
		bool b;
	} u;
	struct of_async_config async_in = { { 0 }, { 0 } };
	struct of_table_stats ts;
	struct of_frozen frozen;
	enum of_packet_in_format format;
	enum of_flow_stats_reason fsr;
	enum of_port_reason port_reason;
	enum of_table_reason table_reason;

	switch (m->id) {
	case OF_M_HELLO:
		of_hello_decode(m->data, m->size, &u.u32);
		break;
	case OF_M_FLOW_MOD:
		error = of_flow_mod_decode(codec, m, &limits, &u.fm, &store);
		break;
	case OF_M_FLOW_REQUEST:
	case OF_M_AGGREGATE_REQUEST:
		error = of_flow_query_decode(codec, m, &u.query);
		break;
	case OF_M_FLOW_REPLY:
		EACH_ITEM(of_flow_stats_next(codec, m, &pos, &u.fs, &store));
		break;
	case OF_M_FLOW_STATS_REQUEST:
		error = of_flow_query_decode(codec, m, &u.query);
		break;
	case OF_M_FLOW_STATS_REPLY:
		EACH_ITEM(of_flow_trigger_next(codec, m, &pos, &fsr, &u.fs, &store));
		break;
	case OF_M_AGGREGATE_REPLY:
		error = of_aggregate_reply_decode(m, &u.as);
		break;
	case OF_M_FLOW_REMOVED:
		error = of_flow_removed_decode(codec, m, &u.fr, &store);
		break;
	case OF_M_SET_FLOW_FORMAT:
		error = of_set_flow_format_decode(m, &u.b);
		break;
	case OF_M_FLOW_MOD_TABLE_ID:
		error = of_flow_mod_table_id_decode(m, &u.b);
		break;
	case OF_M_PACKET_IN:
		error = of_packet_in_decode(codec, m, &u.pin);
		break;
	case OF_M_RESUME:
		error = of_resume_decode(codec, m, &u.pin, &frozen, &store);
		break;
	case OF_M_PACKET_OUT:
		error = of_packet_out_decode(codec, m, &u.po, &store);
		break;
	case OF_M_SET_PACKET_IN_FORMAT:
		error = of_packet_in_format_decode(m, &format);
		break;
	case OF_M_FEATURES_REPLY:
		error = of_features_reply_decode(m, &u.features);
		EACH_ITEM(of_port_desc_next(m, &pos, &u.port));
		break;
	case OF_M_PORT_DESC_REPLY:
		EACH_ITEM(of_port_desc_next(m, &pos, &u.port));
		break;
	case OF_M_PORT_DESC_REQUEST:
		error = of_port_desc_request_decode(m, &u.u32);
		break;
	case OF_M_PORT_STATUS:
		error = of_port_status_decode(m, &port_reason, &u.port);
		break;
	case OF_M_PORT_MOD:
		error = of_port_mod_decode(codec, m, &u.pm);
		break;
	case OF_M_PORT_REQUEST:
		error = of_port_stats_request_decode(m, &u.u32);
		break;
	case OF_M_PORT_REPLY:
		EACH_ITEM(of_port_stats_next(m, &pos, &u.ps));
		break;
	case OF_M_SET_CONFIG:
		error = of_set_config_decode(m, &u.config);
		break;
	case OF_M_GET_CONFIG_REPLY:
		error = of_get_config_reply_decode(m, &u.config);
		break;
	case OF_M_ROLE_REQUEST:
	case OF_M_ROLE_REPLY:
		error = of_role_request_decode(m, &u.role);
		break;
	case OF_M_ROLE_STATUS:
		error = of_role_status_decode(m, &u.role_status);
		break;
	case OF_M_SET_ASYNC_CONFIG:
	case OF_M_GET_ASYNC_REPLY:
		error = of_set_async_decode(codec, m, &async_in, &u.async);
		break;
	case OF_M_SET_CONTROLLER_ID:
		error = of_controller_id_decode(m, &u.u16);
		break;
	case OF_M_TABLE_MOD:
		error = of_table_mod_decode(codec, m, &u.tm);
		break;
	case OF_M_TABLE_STATUS:
		error = of_table_status_decode(m, &table_reason, &u.td);
		break;
	case OF_M_TABLE_DESC_REPLY:
		EACH_ITEM(of_table_desc_next(m, &pos, &u.td));
		break;
	case OF_M_TABLE_FEATURES_REQUEST:
	case OF_M_TABLE_FEATURES_REPLY:
		EACH_ITEM(of_table_features_next(codec, m, &pos, &u.tf));
		break;
	case OF_M_TABLE_REPLY:
		EACH_ITEM(of_table_stats_next(m, &pos, &ts, &u.tf));
		break;
	case OF_M_GROUP_MOD:
		error = of_group_mod_decode(codec, m, &u.gm);
		if (!error)
			of_group_mod_done(&u.gm);
		break;
	case OF_M_GROUP_REQUEST:
	case OF_M_GROUP_DESC_REQUEST:
		error = of_group_request_decode(m, &u.u32);
		break;
	case OF_M_GROUP_REPLY:
		EACH_ITEM(of_group_stats_next(m, &pos, &u.gs));
		break;
	case OF_M_GROUP_DESC_REPLY: {
		struct of_group_desc gd;
		size_t pos = 0;

		while (!(error = of_group_desc_next(codec, m, &pos, &gd))) {
			of_buckets_free((struct of_bucket *)gd.buckets, gd.n_buckets);
			of_group_props_done(&gd.props);
		}
		if (error == OF_EOF)
			error = 0;
		break;
	}
	case OF_M_METER_MOD:
		error = of_meter_mod_decode(m, &u.mm, &store);
		break;
	case OF_M_METER_REQUEST:
	case OF_M_METER_CONFIG_REQUEST:
		error = of_meter_request_decode(m, &u.u32);
		break;
	case OF_M_METER_CONFIG_REPLY:
		EACH_ITEM(of_meter_config_next(m, &pos, &u.mc, &store));
		break;
	case OF_M_QUEUE_GET_CONFIG_REQUEST:
		error = of_queue_config_request_decode(m, &u.queue);
		break;
	case OF_M_QUEUE_REQUEST:
		error = of_queue_stats_request_decode(m, &u.queue);
		break;
	case OF_M_BUNDLE_CONTROL:
		error = of_bundle_ctrl_decode(m, &u.bc);
		break;
	case OF_M_BUNDLE_ADD_MESSAGE:
		error = of_bundle_add_decode(m, &u.ba);
		if (!error) {
			struct of_msg inner = u.ba.msg;

			error = of_decode_any(codec, &inner);
		}
		break;
	case OF_M_FLOW_MONITOR_REQUEST:
		EACH_ITEM(of_monitor_request_next(codec, m, &pos, &u.mr));
		break;
	case OF_M_FLOW_MONITOR_REPLY:
		EACH_ITEM(of_flow_update_next(codec, m, &pos, &u.fu, &store));
		break;
	case OF_M_FLOW_MONITOR_CANCEL:
		error = of_monitor_cancel_decode(m, &u.u32);
		break;
	case OF_M_TLV_TABLE_MOD:
		error = of_tlv_mod_decode(m, &u.tlv, &store);
		break;
	case OF_M_TLV_TABLE_REPLY:
		error = of_tlv_reply_decode(m, &u.tlv_reply, &store);
		break;
	case OF_M_CT_FLUSH_ZONE:
		error = of_ct_flush_zone_decode(m, &u.u16);
		break;
	case OF_M_CT_FLUSH:
		error = of_ct_flush_decode(m, &u.ct);
		break;
	default:
		break;
	}
	wf_buf_done(&store);
	return error;
}

#endif
