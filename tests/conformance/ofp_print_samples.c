/* SPDX-License-Identifier: Apache-2.0 */
/* Writes one of each message that a switch sends, in each version of OpenFlow, as lines of
 * hexadecimal digits for "ovs-ofctl ofp-print" (tests/conformance/ofp-print). */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/action.h"
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

static struct wf_buf out;
static struct of_codec codec;

static void
emit(void)
{
	for (size_t i = 0; i < out.size; i++)
		printf("%02x", out.data[i]);
	putchar('\n');
	wf_buf_clear(&out);
}

/* A request that the replies below answer. */
static struct of_msg
request(enum of_msg_form form)
{
	return (struct of_msg){ .form = form, .version = codec.version, .xid = 0x1234 };
}

static bool
find_request(enum of_msg_id id, struct of_msg *rq)
{
	enum of_msg_form form = of_msg_form_for(id, codec.version);

	*rq = request(form);
	rq->id = id;
	return form != OF_N_MSG_FORMS;
}

static void
die(const char *what, char *error)
{
	fprintf(stderr, "%s: %s\n", what, error);
	exit(1);
}

static of_port_t
no_port(void *aux, const char *name)
{
	return OF_PORT_NONE;
}

static struct of_match *
match(const char *text)
{
	struct of_match_full full;
	char *error = of_match_parse(&full, text, no_port, NULL);

	if (error)
		die(text, error);
	return of_match_pack(&full);
}

static struct wf_buf
actions(const char *text)
{
	struct wf_buf list = WF_BUF_INIT;
	char *error = of_actions_parse(text, &list);

	if (error)
		die(text, error);
	return list;
}

static const struct of_port_desc ports[] = {
	{ .port = 1, .hw_addr = { 2, 0, 0, 0, 0, 1 }, .name = "p1", .config = OF_PC_NO_FWD,
	  .state = OF_PS_LIVE, .curr = OF_PFT_10GB_FD | OF_PFT_COPPER, .supported = OF_PFT_10GB_FD,
	  .advertised = OF_PFT_AUTONEG, .peer = OF_PFT_1GB_FD, .curr_speed = 10000000,
	  .max_speed = 10000000 },
	{ .port = OF_PORT_LOCAL, .hw_addr = { 2, 0, 0, 0, 0, 0xfe },
	  .name = "a-name-that-is-too-long",
	  .config = OF_PC_PORT_DOWN | OF_PC_NO_STP, .state = OF_PS_LINK_DOWN | OF_PS_STP_BLOCK },
};

static void
switch_samples(void)
{
	struct of_msg rq = request(OF_R_OFPT_FEATURES_REQUEST);
	struct of_features f = {
		.datapath_id = 0x0000feedfacecafe,
		.n_buffers = 0,
		.n_tables = 254,
		.auxiliary_id = 3,
		.capabilities = 0x7ff,
		.actions = 1ull << OF_A_OUTPUT | 1ull << OF_A_ENQUEUE | 1ull << OF_A_SET_L4_DST,
	};

	of_features_reply_encode(&rq, &f, ports, 2, &out);
	emit();
	struct of_config_msg config = { .frag = 3, .invalid_ttl_to_controller = 1,
					.miss_send_len = 128 };
	of_get_config_reply_encode(&rq, &config, &out);
	emit();
	struct of_desc desc = { "Nobody", "none", "1.0", "42", "a description of the path" };
	rq = request(OF_R_OFPST_DESC_REQUEST);
	of_desc_reply_encode(&rq, &desc, &out);
	emit();
	of_barrier_reply_encode(&rq, &out);
	emit();
	struct of_msg echo = { .version = codec.version, .xid = 9, .body = (const uint8_t *)"hello",
			       .body_size = 5 };
	of_echo_reply_encode(&echo, &out);
	emit();
	of_hello_encode(1u << codec.version, 1, &out);
	emit();

	struct of_role_request role = { .role = OF_ROLE_SECONDARY, .have_generation_id = true,
					.generation_id = 17 };
	rq = request(OF_R_NXT_ROLE_REQUEST);
	of_role_reply_encode(&rq, &role, &out);
	emit();
	if (codec.version >= OF12_VERSION) {
		rq = request(OF_R_OFPT12_ROLE_REQUEST);
		of_role_reply_encode(&rq, &role, &out);
		emit();
	}
	struct of_role_status status = { OF_ROLE_PRIMARY, OF_CRR_CONFIG, 99 };
	if (of_role_status_encode(&codec, &status, &out))
		emit();
	struct of_async_config async;
	of_async_config_default(&async, codec.version);
	async.primary[OF_ASYNC_TABLE_STATUS] = 0x18;
	of_set_async_encode(codec.version, 5, &async, UINT32_MAX, &out);
	emit();
	if (codec.version >= OF13_VERSION) {
		of_get_async_reply_encode(&rq, &async, &out);
		emit();
	}
	struct of_bundle_ctrl bc = { .bundle = 7, .type = OF_BCT_COMMIT_REPLY,
				     .flags = OF_BF_ATOMIC };
	if (find_request(OF_M_BUNDLE_CONTROL, &rq)) {
		of_bundle_ctrl_reply_encode(&rq, &bc, &out);
		emit();
	}
}

static void
port_samples(void)
{
	struct of_multipart mp;
	struct of_msg rq;

	find_request(OF_M_PORT_DESC_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	of_port_desc_append(&mp, &ports[0]);
	of_port_desc_append(&mp, &ports[1]);
	of_multipart_end(&mp);
	emit();
	of_port_status_encode(&codec, OF_PR_MODIFY, &ports[0], &out);
	emit();

	static const struct of_port_custom_stat custom[] = { { "rx_q0_packets", 12 },
							     { "ovs_tx_retries", 3 } };
	struct of_port_stats ps;
	of_port_stats_init(&ps);
	ps.port = 1;
	ps.rx_packets = 1;
	ps.tx_packets = 2;
	ps.rx_bytes = 3;
	ps.tx_bytes = 4;
	ps.rx_dropped = 5;
	ps.tx_dropped = 6;
	ps.rx_errors = 7;
	ps.tx_errors = 8;
	ps.rx_crc_err = 9;
	ps.collisions = 10;
	ps.duration_s = 11;
	ps.duration_ns = 120000000;
	ps.rfc2819[0] = 77;
	ps.rfc2819[OF_N_RFC2819 - 1] = 78;
	ps.custom = custom;
	ps.n_custom = 2;
	find_request(OF_M_PORT_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	of_port_stats_append(&mp, &ps);
	ps.port = OF_PORT_LOCAL;
	ps.n_custom = 0;
	of_port_stats_append(&mp, &ps);
	of_multipart_end(&mp);
	emit();
	struct of_port_mod pm = { .port = 3, .hw_addr = { 2, 0, 0, 0, 0, 3 },
				  .config = OF_PC_PORT_DOWN, .mask = OF_PC_PORT_DOWN | OF_PC_NO_FWD,
				  .advertise = OF_PFT_1GB_FD };
	of_port_mod_encode(codec.version, 3, &pm, &out);
	emit();

	struct of_queue_config qc = { 1, 5, 100, 1000 };
	struct of_queue_config_reply r;
	find_request(OF_M_QUEUE_GET_CONFIG_REQUEST, &rq);
	of_queue_config_begin(&r, &out, &rq, 1);
	of_queue_config_append(&r, &qc);
	qc.queue = 6;
	qc.min_rate = UINT16_MAX;
	of_queue_config_append(&r, &qc);
	of_queue_config_end(&r);
	emit();
	struct of_queue_stats qs = { 1, 5, 1000, 10, UINT64_MAX, 3, 4000000 };
	find_request(OF_M_QUEUE_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	of_queue_stats_append(&mp, &qs);
	of_multipart_end(&mp);
	emit();
}

static const struct {
	const char *match, *actions;
} flows[] = {
	{ "", "drop" },
	{ "in_port=1,dl_vlan=5,ip,nw_src=10.0.0.0/8", "output:2" },
	{ "tcp,tp_dst=80", "mod_nw_dst:10.1.2.3,CONTROLLER:65535,NORMAL" },
	{ "arp,arp_tpa=192.168.0.1", "LOCAL,IN_PORT" },
};

static void
flow_samples(bool nxm)
{
	struct of_multipart mp;
	struct of_msg rq;

	codec.nxm = nxm;
	find_request(OF_M_FLOW_REQUEST, &rq);
	if (nxm)
		rq.form = OF_R_NXST_FLOW_REQUEST;
	of_multipart_begin(&mp, &out, &rq);
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		struct of_match *m = match(flows[i].match);
		struct wf_buf a = actions(flows[i].actions);
		struct of_flow_stats fs = {
			.match = m,
			.cookie = 0x1111 * i,
			.table = i,
			.priority = 100 + i,
			.idle_timeout = 10 * i,
			.hard_timeout = 20 * i,
			.importance = i,
			.flags = i == 1 ? OF_FF_SEND_FLOW_REM | OF_FF_NO_BYT_COUNTS : 0,
			.duration_s = 5,
			.duration_ns = 678000000,
			.idle_age = i == 2 ? -1 : 4,
			.hard_age = 5,
			.n_packets = 3,
			.n_bytes = i == 3 ? UINT64_MAX : 180,
			.actions = a.data,
			.actions_size = a.size,
		};
		of_flow_stats_append(&mp, &codec, &fs);
		free(m);
		wf_buf_done(&a);
	}
	of_multipart_end(&mp);
	emit();

	struct of_aggregate_stats as = { 12, 3456, 7 };
	find_request(OF_M_AGGREGATE_REQUEST, &rq);
	if (nxm)
		rq.form = OF_R_NXST_AGGREGATE_REQUEST;
	of_aggregate_reply_encode(&rq, &as, &out);
	emit();

	struct of_match *m = match("udp,nw_dst=10.0.0.1,tp_src=53");
	struct of_flow_removed fr = {
		.match = m,
		.cookie = 0xabc,
		.priority = 7,
		.reason = OF_FRR_METER_DELETE,
		.table = 3,
		.duration_s = 9,
		.duration_ns = 5000000,
		.idle_timeout = 60,
		.hard_timeout = 70,
		.n_packets = 4,
		.n_bytes = 500,
	};
	of_flow_removed_encode(&codec, &fr, &out);
	emit();
	free(m);
	codec.nxm = false;
}

static void
monitor_samples(void)
{
	struct of_multipart mp;
	struct of_match *m = match("tcp,nw_dst=10.0.0.1");
	struct wf_buf a = actions("output:3");

	of_flow_updates_begin(&mp, &codec, &out);
	for (unsigned event = OF_FME_INITIAL; event <= OF_FME_ABBREV; event++) {
		struct of_flow_update u = {
			.event = event,
			.reason = event == OF_FME_REMOVED ? OF_FRR_DELETE : 0,
			.table = 2,
			.idle_timeout = 5,
			.hard_timeout = 6,
			.priority = 9,
			.cookie = 0x77,
			.match = m,
			.actions = event == OF_FME_REMOVED ? NULL : a.data,
			.actions_size = a.size,
			.xid = 0x99,
		};
		of_flow_update_append(&mp, &codec, &u);
	}
	of_multipart_end(&mp);
	emit();
	of_monitor_pause_encode(&codec, false, &out);
	emit();
	of_monitor_pause_encode(&codec, true, &out);
	emit();
	free(m);
	wf_buf_done(&a);
}

static void
table_samples(void)
{
	struct of_multipart mp;
	struct of_msg rq;
	struct of_table_features tf = {
		.name = "classifier",
		.metadata_match = UINT64_MAX,
		.metadata_write = 0xff,
		.max_entries = 1000000,
		.any_properties = true,
		.miss_config = OF_MISS_DROP,
		.supports_eviction = 1,
		.supports_vacancy_events = 1,
		.nonmiss = {
			.next = { 0xfffe },
			.instructions = 0x3f,
			.write.actions = 1ull << OF_A_OUTPUT | 1ull << OF_A_GROUP,
			.apply.actions = 1ull << OF_A_OUTPUT | 1ull << OF_A_SET_FIELD
					 | 1ull << OF_A_PUSH_VLAN,
		},
	};
	static const uint16_t fields[] = { OF_F_IN_PORT, OF_F_ETH_SRC, OF_F_ETH_TYPE, OF_F_IPV4_DST,
					   OF_F_TCP_DST, OF_F_METADATA };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		of_field_set_add(&tf.match, fields[i]);
		of_field_set_add(&tf.wildcard, fields[i]);
		if (of_field(fields[i])->maskable)
			of_field_set_add(&tf.mask, fields[i]);
	}
	of_field_set_add(&tf.nonmiss.apply.set_fields, OF_F_IPV4_DST);
	tf.miss = tf.nonmiss;

	find_request(OF_M_TABLE_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	for (unsigned t = 0; t < 3; t++) {
		struct of_table_stats ts = { .table = t, .active = 5, .lookups = 100 + t,
					     .matched = 50 };

		tf.table = t;
		of_table_stats_append(&mp, &ts, &tf);
	}
	of_multipart_end(&mp);
	emit();
	if (find_request(OF_M_TABLE_FEATURES_REQUEST, &rq)) {
		of_multipart_begin(&mp, &out, &rq);
		for (tf.table = 0; tf.table < 3; tf.table++)
			of_table_features_append(&mp, &tf);
		of_multipart_end(&mp);
		emit();
	}
	struct of_table_desc td = { .table = 4, .eviction = OF_ON, .vacancy = OF_ON,
				    .eviction_flags = 6, .vacancy_levels = { 10, 90, 55 } };
	if (find_request(OF_M_TABLE_DESC_REQUEST, &rq)) {
		of_multipart_begin(&mp, &out, &rq);
		of_table_desc_append(&mp, &td);
		td.table = 5;
		td.vacancy = td.eviction = OF_OFF;
		of_table_desc_append(&mp, &td);
		of_multipart_end(&mp);
		emit();
		of_table_status_encode(&codec, OF_TR_VACANCY_UP, &td, &out);
		emit();
	}
	if (codec.version > OF10_VERSION) {
		struct of_table_mod tm = { .table = 255, .miss = OF_MISS_CONTINUE,
					   .eviction = OF_ON, .eviction_flags = 1, .vacancy = OF_ON,
					   .vacancy_levels = { 1, 2, 0 } };

		of_table_mod_encode(codec.version, 1, &tm, &out);
		emit();
	}
}

static void
group_samples(void)
{
	struct of_multipart mp;
	struct of_msg rq;
	struct wf_buf a = actions("output:1"), b = actions("mod_vlan_vid:9,output:2");
	struct of_bucket buckets[] = {
		{ .weight = 10, .watch_port = OF_PORT_ANY, .watch_group = OF_GROUP_ANY,
		  .bucket_id = 0, .actions = a.data, .actions_size = a.size, .n_packets = 1,
		  .n_bytes = 64 },
		{ .weight = 20, .watch_port = 2, .watch_group = 7, .bucket_id = 1,
		  .actions = b.data, .actions_size = b.size, .n_packets = 2, .n_bytes = 128 },
	};
	struct of_group_desc gd = { .group = 5, .type = OF_GT_SELECT, .buckets = buckets,
				    .n_buckets = 2 };
	uint8_t mask[4] = { 255, 255, 0, 0 };

	strcpy(gd.props.method, "hash");
	gd.props.param = 3;
	of_group_props_set_mask(&gd.props, OF_F_IPV4_DST, mask);
	find_request(OF_M_GROUP_DESC_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	of_group_desc_append(&mp, &codec, &gd);
	of_multipart_end(&mp);
	emit();

	struct of_group_mod gm = { .command = OF_GC_INSERT_BUCKET, .type = OF_GT_SELECT, .group = 5,
				   .command_bucket = OF_BUCKET_LAST, .buckets = buckets,
				   .n_buckets = 1 };
	of_group_mod_encode(&codec, 4, &gm, buckets, 2, 1, &out);
	emit();
	struct of_requestforward rf = { .xid = 77, .group_mod = &gm, .new_buckets = buckets,
					.n_new_buckets = 2, .group_existed = 1 };
	if (of_requestforward_encode(&codec, &rf, &out))
		emit();

	struct of_group_stats gs = { .group = 5, .ref_count = 2, .n_packets = 3, .n_bytes = 192,
				     .duration_s = 10, .duration_ns = 500000000, .buckets = buckets,
				     .n_buckets = 2 };
	find_request(OF_M_GROUP_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	of_group_stats_append(&mp, &gs);
	of_multipart_end(&mp);
	emit();
	struct of_group_features gf = {
		.types = 0xf,
		.capabilities = 7,
		.max_groups = { 1, 2, 3, 4 },
		.actions = { 1ull << OF_A_OUTPUT, 1ull << OF_A_OUTPUT, 1ull << OF_A_OUTPUT,
			     1ull << OF_A_OUTPUT | 1ull << OF_A_SET_QUEUE },
	};
	find_request(OF_M_GROUP_FEATURES_REQUEST, &rq);
	of_group_features_encode(&rq, &gf, &out);
	emit();
	of_group_props_done(&gd.props);
	wf_buf_done(&a);
	wf_buf_done(&b);
}

static void
meter_samples(void)
{
	struct of_multipart mp;
	struct of_msg rq;
	struct of_meter_band bands[] = { { OF_MBT_DROP, 0, 1000, 10 },
					 { OF_MBT_DSCP_REMARK, 2, 2000, 20 } };
	struct of_meter_config mc = { .meter = 3, .flags = OF_MF_KBPS | OF_MF_BURST | OF_MF_STATS,
				      .n_bands = 2, .bands = bands };

	if (!find_request(OF_M_METER_CONFIG_REQUEST, &rq))
		return;
	of_multipart_begin(&mp, &out, &rq);
	of_meter_config_append(&mp, &mc);
	of_multipart_end(&mp);
	emit();
	struct of_meter_mod mm = { OF_MC_MODIFY, mc };
	struct of_requestforward rf = { .xid = 78, .meter_mod = &mm };
	if (of_requestforward_encode(&codec, &rf, &out))
		emit();
	struct of_meter_band_stats bs[] = { { 1, 2 }, { 3, 4 } };
	struct of_meter_stats ms = { .meter = 3, .n_flows = 4, .packets_in = 5, .bytes_in = 6,
				     .duration_s = 7, .duration_ns = 800000000, .n_bands = 2,
				     .bands = bs };
	find_request(OF_M_METER_REQUEST, &rq);
	of_multipart_begin(&mp, &out, &rq);
	of_meter_stats_append(&mp, &ms);
	of_multipart_end(&mp);
	emit();
	struct of_meter_features mf = { .max_meters = 200000, .band_types = 6, .capabilities = 0xf,
					.max_bands = 8, .max_color = 2 };
	find_request(OF_M_METER_FEATURES_REQUEST, &rq);
	of_meter_features_encode(&rq, &mf, &out);
	emit();
}

static void
packet_samples(void)
{
	static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x12, 0x34 };
	static const uint8_t stack[] = { 0xaa, 0xbb, 2, 0xcc, 1 };
	struct wf_buf rest = actions("output:5,output:6"), set = actions("output:7");
	struct of_packet_in pin = {
		.packet = frame,
		.packet_len = sizeof(frame),
		.total_len = 100,
		.max_len = UINT16_MAX,
		.buffer_id = OF_NO_BUFFER,
		.reason = OF_PIR_GROUP,
		.table = 3,
		.cookie = 0xc0ffee,
	};
	struct of_frozen frozen = {
		.bridge = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
		.stack = stack,
		.stack_size = sizeof(stack),
		.mirrors = 5,
		.conntracked = true,
		.actions = rest.data,
		.actions_size = rest.size,
		.action_set = set.data,
		.action_set_size = set.size,
		.odp_port = UINT32_MAX,
	};
	char *error = of_match_parse(&pin.metadata, "in_port=2,metadata=0x5,reg0=0x7,tun_id=0x9",
				     no_port, NULL);

	if (error)
		die("metadata", error);
	for (enum of_packet_in_format f = OF_PIF_STANDARD; f <= OF_PIF_NXT2; f++) {
		of_packet_in_encode(&codec, f, &pin, NULL, &out);
		emit();
	}
	pin.userdata = "\1\2\3";
	pin.userdata_len = 3;
	pin.reason = OF_PIR_EXPLICIT_MISS;
	of_packet_in_encode(&codec, OF_PIF_NXT2, &pin, &frozen, &out);
	emit();
	struct of_packet_out po = { .packet = frame, .packet_len = sizeof(frame),
				    .buffer_id = OF_NO_BUFFER, .actions = rest.data,
				    .actions_size = rest.size };
	of_match_init_any(&po.metadata);
	po.metadata.key.in_port = OF_PORT_CONTROLLER;
	po.metadata.mask.in_port = UINT32_MAX;
	of_packet_out_encode(&codec, 6, &po, &out);
	emit();
	wf_buf_done(&rest);
	wf_buf_done(&set);
}

static void
nicira_samples(void)
{
	struct of_multipart mp;
	struct of_msg rq = request(OF_R_NXT_TLV_TABLE_REQUEST);
	static const struct of_tlv_mapping maps[] = { { 0xffff, 1, 4, 0 },
						       { 0x102, 0x80, 124, 63 } };
	struct of_tlv_reply tr = { .max_space = 256, .max_fields = 64, .n = 2, .maps = maps };
	struct of_ipfix_stats is = { .collector_set = 1, .total_flows = 2, .current_flows = 3,
				     .pkts = 4, .ipv4_pkts = 5, .ipv6_pkts = 6, .error_pkts = 7,
				     .ipv4_error_pkts = 8, .ipv6_error_pkts = 9, .tx_pkts = 10,
				     .tx_errors = 11 };

	of_tlv_reply_encode(&rq, &tr, &out);
	emit();
	rq = request(OF_R_NXST_IPFIX_BRIDGE_REQUEST);
	of_ipfix_bridge_reply_encode(&rq, &is, &out);
	emit();
	rq = request(OF_R_NXST_IPFIX_FLOW_REQUEST);
	of_multipart_begin(&mp, &out, &rq);
	of_ipfix_stats_append(&mp, &is);
	of_multipart_end(&mp);
	emit();
	of_controller_id_encode(codec.version, 3, 42, &out);
	emit();
	of_packet_in_format_encode(codec.version, 3, OF_PIF_NXT2, &out);
	emit();
}

int
main(void)
{
	for (uint8_t v = OF10_VERSION; v <= OF15_VERSION; v++) {
		codec = (struct of_codec){ .version = v };
		switch_samples();
		port_samples();
		flow_samples(false);
		if (v == OF10_VERSION)
			flow_samples(true);
		monitor_samples();
		table_samples();
		group_samples();
		meter_samples();
		packet_samples();
		nicira_samples();
	}
	wf_buf_done(&out);
	return 0;
}
