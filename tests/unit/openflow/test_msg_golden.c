/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of another implementation: each is decoded, encoded again to the same bytes if it
 * is one that we write, and refused without an over-read however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openflow/tlv_map.h"
#include "tests/lib/of_decode_any.h"
#include "tests/unit/openflow/msg_golden.h"

#define N_GOLDEN (sizeof(golden) / sizeof(golden[0]))

static size_t
unhex(const char *hex, uint8_t *bytes)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		bytes[i] = strtoul(digits, NULL, 16);
	}
	return n;
}

static struct of_codec
codec_for(const struct of_msg *m)
{
	return (struct of_codec){
		.version = m->version,
		.nxm = m->form == OF_R_NXT_FLOW_MOD || m->form == OF_R_NXST_FLOW_REQUEST
		       || m->form == OF_R_NXST_AGGREGATE_REQUEST,
		/* ovs-ofctl switches this on before it names a table. */
		.tid = m->form == OF_R_NXT_FLOW_MOD || m->form == OF_R_OFPT10_FLOW_MOD,
	};
}

/* Decodes and encodes.  False: we only read such messages. */
static bool
encode_again(const struct of_msg *m, struct wf_buf *out)
{
	static const struct of_limits limits = { .max_ports = OF_PORT_MAX, .n_tables = 255 };
	struct of_codec c = codec_for(m);
	struct wf_buf store = WF_BUF_INIT;
	bool done = true;
	size_t pos = 0;

	switch (m->id) {
	case OF_M_HELLO: {
		uint32_t bitmap;

		assert_true(of_hello_decode(m->data, m->size, &bitmap));
		of_hello_encode(bitmap, m->xid, out);
		break;
	}
	case OF_M_FLOW_MOD: {
		struct of_flow_mod fm;

		assert_int_equal(of_flow_mod_decode(&c, m, &limits, &fm, &store), 0);
		/* In 1.0 a command without NXT_FLOW_MOD_TABLE_ID reads as table 0: the same
		 * bytes come out. */
		of_flow_mod_encode(&c, m->xid, &fm, out);
		break;
	}
	case OF_M_FLOW_REQUEST:
	case OF_M_AGGREGATE_REQUEST: {
		struct of_flow_query q;

		assert_int_equal(of_flow_query_decode(&c, m, &q), 0);
		of_flow_query_encode(&c, m->xid, &q, out);
		break;
	}
	case OF_M_SET_FLOW_FORMAT: {
		bool nxm;

		assert_int_equal(of_set_flow_format_decode(m, &nxm), 0);
		of_set_flow_format_encode(m->xid, nxm, out);
		break;
	}
	case OF_M_FLOW_MOD_TABLE_ID: {
		bool tid;

		assert_int_equal(of_flow_mod_table_id_decode(m, &tid), 0);
		of_flow_mod_table_id_encode(m->version, m->xid, tid, out);
		break;
	}
	case OF_M_SET_PACKET_IN_FORMAT: {
		enum of_packet_in_format format;

		assert_int_equal(of_packet_in_format_decode(m, &format), 0);
		of_packet_in_format_encode(m->version, m->xid, format, out);
		break;
	}
	case OF_M_PACKET_OUT: {
		struct of_packet_out po;

		assert_int_equal(of_packet_out_decode(&c, m, &po, &store), 0);
		of_packet_out_encode(&c, m->xid, &po, out);
		break;
	}
	case OF_M_PORT_DESC_REQUEST: {
		of_port_t port;

		assert_int_equal(of_port_desc_request_decode(m, &port), 0);
		of_port_desc_request_encode(m->version, m->xid, port, out);
		break;
	}
	case OF_M_PORT_REQUEST: {
		of_port_t port;

		assert_int_equal(of_port_stats_request_decode(m, &port), 0);
		of_port_stats_request_encode(m->version, m->xid, port, out);
		break;
	}
	case OF_M_PORT_MOD: {
		struct of_port_mod pm;

		assert_int_equal(of_port_mod_decode(&c, m, &pm), 0);
		of_port_mod_encode(m->version, m->xid, &pm, out);
		break;
	}
	case OF_M_SET_CONFIG: {
		struct of_config_msg config;

		assert_int_equal(of_set_config_decode(m, &config), 0);
		of_set_config_encode(m->version, m->xid, &config, out);
		break;
	}
	case OF_M_SET_ASYNC_CONFIG: {
		struct of_async_config in, async;

		/* The message names some types only; what it leaves out is not written. */
		of_async_config_default(&in, m->version);
		assert_int_equal(of_set_async_decode(&c, m, &in, &async), 0);
		if (m->version >= OF14_VERSION)
			done = false;
		else
			of_set_async_encode(m->version, m->xid, &async, UINT32_MAX, out);
		break;
	}
	case OF_M_TABLE_MOD: {
		struct of_table_mod tm;

		assert_int_equal(of_table_mod_decode(&c, m, &tm), 0);
		of_table_mod_encode(m->version, m->xid, &tm, out);
		break;
	}
	case OF_M_GROUP_MOD: {
		struct of_group_mod gm;

		assert_int_equal(of_group_mod_decode(&c, m, &gm), 0);
		of_group_mod_encode(&c, m->xid, &gm, NULL, 0, -1, out);
		of_group_mod_done(&gm);
		break;
	}
	case OF_M_GROUP_REQUEST:
	case OF_M_GROUP_DESC_REQUEST: {
		uint32_t group;

		assert_int_equal(of_group_request_decode(m, &group), 0);
		if (m->id == OF_M_GROUP_REQUEST)
			of_group_stats_request_encode(m->version, m->xid, group, out);
		else
			of_group_desc_request_encode(m->version, m->xid, group, out);
		break;
	}
	case OF_M_METER_MOD: {
		struct of_meter_mod mm;

		assert_int_equal(of_meter_mod_decode(m, &mm, &store), 0);
		of_meter_mod_encode(m->version, m->xid, &mm, out);
		break;
	}
	case OF_M_BUNDLE_CONTROL: {
		struct of_bundle_ctrl bc;

		assert_int_equal(of_bundle_ctrl_decode(m, &bc), 0);
		of_bundle_ctrl_encode(m->version, m->xid, &bc, out);
		break;
	}
	case OF_M_BUNDLE_ADD_MESSAGE: {
		struct of_bundle_add add;
		struct wf_buf inner = WF_BUF_INIT;

		assert_int_equal(of_bundle_add_decode(m, &add), 0);
		assert_true(encode_again(&add.msg, &inner));
		of_bundle_add_encode(m->version, m->xid, add.bundle, add.flags, inner.data,
				     inner.size, out);
		wf_buf_done(&inner);
		break;
	}
	case OF_M_FLOW_MONITOR_REQUEST: {
		struct of_monitor_request rq;

		assert_int_equal(of_monitor_request_next(&c, m, &pos, &rq), 0);
		assert_int_equal(pos, m->body_size);
		of_monitor_request_encode(&c, m->xid, &rq, out);
		break;
	}
	case OF_M_TLV_TABLE_MOD: {
		struct of_tlv_mod tm;

		assert_int_equal(of_tlv_mod_decode(m, &tm, &store), 0);
		of_tlv_mod_encode(m->version, m->xid, &tm, out);
		break;
	}
	case OF_M_ROLE_REQUEST: {
		struct of_role_request rr;

		assert_int_equal(of_role_request_decode(m, &rr), 0);
		of_role_request_encode(m->version, m->xid, &rr, out);
		break;
	}
	default:
		if (m->body_size == 0) {
			assert_true(of_msg_encode_empty(out, m->id, m->version, m->xid));
		} else {
			assert_int_equal(of_decode_any(&c, m), 0);
			done = false;
		}
	}
	wf_buf_done(&store);
	return done;
}

static void
messages_of_ovs_ofctl_are_read_and_written_alike(void **state)
{
	unsigned n_written = 0;

	for (size_t i = 0; i < N_GOLDEN; i++) {
		uint8_t bytes[2048];
		size_t size = unhex(golden[i].bytes, bytes);
		struct wf_buf out = WF_BUF_INIT;
		struct wf_str text = WF_STR_INIT;
		struct of_msg m;
		of_err_t error = of_msg_classify(bytes, size, &m);

		if (error)
			fail_msg("%s: %s", golden[i].what, of_err_name(error));
		if (encode_again(&m, &out)) {
			n_written++;
			if (out.size != size || memcmp(out.data, bytes, size)) {
				wf_str_hex(&text, out.data, out.size);
				print_error("%s (%s)\n%s\n%s\n", golden[i].what,
					    of_msg_form_name(m.form), golden[i].bytes,
					    wf_str_cstr(&text));
				fail();
			}
		}
		of_msg_format(bytes, size, NULL, &text);
		wf_str_done(&text);
		wf_buf_done(&out);
	}
	assert_true(n_written > N_GOLDEN * 8 / 10);
}

/* The length field says what is there, so only the decoders can see that something is
 * missing; the copy ends where a checker notices a read behind it. */
static void
cut_messages_are_refused(void **state)
{
	for (size_t i = 0; i < N_GOLDEN; i++) {
		uint8_t bytes[2048];
		size_t whole = unhex(golden[i].bytes, bytes);

		for (size_t size = 8; size < whole; size++) {
			uint8_t *copy = malloc(size);
			struct of_msg m;

			memcpy(copy, bytes, size);
			copy[2] = size >> 8;
			copy[3] = size;
			if (!of_msg_classify(copy, size, &m)) {
				struct of_codec c = codec_for(&m);
				struct wf_str text = WF_STR_INIT;

				of_decode_any(&c, &m);
				of_msg_format(copy, size, NULL, &text);
				wf_str_done(&text);
			}
			free(copy);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_ovs_ofctl_are_read_and_written_alike),
		cmocka_unit_test(cut_messages_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
