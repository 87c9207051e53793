/* SPDX-License-Identifier: Apache-2.0 */
/* decode(encode(m)) equals m for random messages in each version, for what the version can say;
 * each of them is then decoded cut at every length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "openflow/action.h"
#include "tests/lib/of_decode_any.h"

#define ROUNDS 40
#define FOR_EACH_VERSION(V) for (uint8_t V = OF10_VERSION; V <= OF15_VERSION; V++)

static uint64_t seed;

static uint64_t
rnd(void)
{
	/* splitmix64 */
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static of_port_t
rnd_port(void)
{
	static const of_port_t ports[] = { 1, 2, 0xfeff, OF_PORT_LOCAL, OF_PORT_ANY };

	return ports[rnd() % 5];
}

static of_port_t
no_port(void *aux, const char *name)
{
	return OF_PORT_NONE;
}

/* Matches and actions that all versions and all forms can say. */
static void
rnd_match(struct of_match_full *m)
{
	static const char *const texts[] = {
		"", "in_port=3", "dl_src=02:00:00:00:00:01,dl_type=0x1234", "ip,nw_src=10.0.0.0/9",
		"tcp,nw_dst=10.1.2.3,tp_dst=80", "arp,arp_spa=1.2.3.4", "dl_vlan=7,dl_vlan_pcp=3",
	};
	char *error = of_match_parse(m, texts[rnd() % 7], no_port, NULL);

	assert_null(error);
}

static void
rnd_actions(struct wf_buf *list)
{
	static const char *const texts[] = { "drop", "output:1", "output:2,LOCAL", "NORMAL",
					     "CONTROLLER:100,output:7" };
	char *error = of_actions_parse(texts[rnd() % 5], list);

	assert_null(error);
}

static bool
same_match(const struct of_match *a, const struct of_match *b)
{
	return of_match_equal(a, b);
}

/* Classifies the only message of 'b', after trying all that it is when cut. */
static struct of_msg
read_back(const struct of_codec *c, const struct wf_buf *b)
{
	struct of_msg m;

	for (size_t size = OF_HEADER_SIZE; size < b->size; size += size < 400 ? 1 : 61) {
		uint8_t *copy = malloc(size);

		memcpy(copy, b->data, size);
		copy[2] = size >> 8;
		copy[3] = size;
		if (!of_msg_classify(copy, size, &m))
			of_decode_any(c, &m);
		free(copy);
	}
	of_err_t error = of_msg_classify(b->data, b->size, &m);
	if (error)
		fail_msg("version %u: %s", c->version, of_err_name(error));
	assert_int_equal(m.version, c->version);
	return m;
}

/* Field by field, as padding may differ. */
#define EQ(A, B, FIELD) assert_int_equal((A).FIELD, (B).FIELD)
#define EQ2(A, B, F1, F2) do { EQ(A, B, F1); EQ(A, B, F2); } while (0)
#define EQ4(A, B, F1, F2, F3, F4) do { EQ2(A, B, F1, F2); EQ2(A, B, F3, F4); } while (0)

/* A multipart reply with one item in it. */
#define ITEM(OUT, ID, V, APPEND)                                                               \
	do {                                                                                   \
		struct of_multipart mp;                                                        \
		of_multipart_begin_form(&mp, OUT, of_msg_form_for(ID, V), V, 1);               \
		APPEND;                                                                        \
		of_multipart_end(&mp);                                                         \
	} while (0)

static void
flow_messages(uint8_t v, bool nxm)
{
	struct of_codec c = { .version = v, .nxm = nxm, .tid = true };
	struct wf_buf out = WF_BUF_INIT, store = WF_BUF_INIT, actions = WF_BUF_INIT;
	struct of_match_full full;
	struct of_match *match;
	struct of_multipart mp;
	struct of_msg m;
	size_t pos = 0;
	bool is_std10 = v == OF10_VERSION && !nxm;

	rnd_match(&full);
	match = of_match_pack(&full);
	rnd_actions(&actions);
	struct of_flow_stats fs = {
		.match = match,
		.cookie = rnd(),
		.table = rnd() % 254,
		.priority = rnd(),
		.idle_timeout = rnd(),
		.hard_timeout = rnd(),
		.importance = v >= OF14_VERSION ? rnd() : 0,
		.flags = v >= OF13_VERSION ? rnd() & OF_FF_STATE : 0,
		.duration_s = rnd() & INT32_MAX,
		.duration_ns = rnd() % 1000000000,
		.idle_age = nxm || v >= OF15_VERSION ? (int)(rnd() % 60000) : -1,
		.hard_age = nxm ? (int)(rnd() % 60000) : -1,
		.n_packets = rnd() >> 1,
		.n_bytes = rnd() >> 1,
		.actions = actions.data,
		.actions_size = actions.size,
	}, fs2;
	of_multipart_begin_form(&mp, &out,
				nxm ? OF_R_NXST_FLOW_REPLY : of_msg_form_for(OF_M_FLOW_REPLY, v),
				v, 1);
	of_flow_stats_append(&mp, &c, &fs);
	of_multipart_end(&mp);
	m = read_back(&c, &out);
	assert_int_equal(of_flow_stats_next(&c, &m, &pos, &fs2, &store), 0);
	assert_true(same_match(fs.match, fs2.match));
	assert_true(of_actions_equal(fs.actions, fs.actions_size, fs2.actions, fs2.actions_size));
	EQ4(fs, fs2, cookie, table, priority, idle_timeout);
	EQ4(fs, fs2, hard_timeout, importance, flags, duration_s);
	EQ4(fs, fs2, duration_ns, idle_age, hard_age, n_packets);
	EQ(fs, fs2, n_bytes);
	assert_int_equal(of_flow_stats_next(&c, &m, &pos, &fs2, &store), OF_EOF);

	struct of_flow_removed fr = {
		.match = match,
		.cookie = rnd(),
		.priority = rnd(),
		.reason = rnd() % 3,
		.table = is_std10 ? 255 : rnd() % 255,
		.duration_s = rnd(),
		.duration_ns = rnd(),
		.idle_timeout = rnd(),
		.hard_timeout = v == OF10_VERSION ? 0 : rnd(),
		.n_packets = rnd() >> 1,
		.n_bytes = rnd() >> 1,
	}, fr2;
	wf_buf_clear(&out);
	of_flow_removed_encode(&c, &fr, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_flow_removed_decode(&c, &m, &fr2, &store), 0);
	assert_true(same_match(fr.match, fr2.match));
	EQ4(fr, fr2, cookie, priority, reason, table);
	EQ4(fr, fr2, duration_s, duration_ns, idle_timeout, hard_timeout);
	EQ2(fr, fr2, n_packets, n_bytes);

	struct of_flow_query q = {
		.aggregate = rnd() & 1,
		.match = full,
		.table = rnd(),
		.cookie = 0,
		.out_port = rnd_port(),
		.out_group = v == OF10_VERSION ? OF_GROUP_ANY : rnd(),
	}, q2;
	if (!is_std10) {
		q.cookie_mask = rnd();
		q.cookie = rnd() & q.cookie_mask;
	}
	wf_buf_clear(&out);
	of_flow_query_encode(&c, 1, &q, &out);
	m = read_back(&c, &out);
	memset(&q2, 0, sizeof(q2));
	assert_int_equal(of_flow_query_decode(&c, &m, &q2), 0);
	assert_int_equal(q.cookie, q2.cookie);
	assert_int_equal(q.cookie_mask, q2.cookie_mask);
	assert_int_equal(q.out_port, q2.out_port);
	assert_int_equal(q.out_group, q2.out_group);
	assert_int_equal(q.table, q2.table);
	assert_int_equal(q.aggregate, q2.aggregate);

	struct of_aggregate_stats as = { rnd() >> 1, rnd() >> 1, rnd() >> 33 }, as2;
	wf_buf_clear(&out);
	struct of_msg rq = { .form = nxm ? OF_R_NXST_AGGREGATE_REQUEST
					 : of_msg_form_for(OF_M_AGGREGATE_REQUEST, v),
			     .version = v };
	of_aggregate_reply_encode(&rq, &as, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_aggregate_reply_decode(&m, &as2), 0);
	assert_int_equal(as.n_packets, as2.n_packets);
	assert_int_equal(as.n_bytes, as2.n_bytes);
	assert_int_equal(as.n_flows, as2.n_flows);

	if (v >= OF15_VERSION) {
		enum of_flow_stats_reason reason;

		pos = 0;
		wf_buf_clear(&out);
		of_flow_trigger_begin(&mp, &c, &out);
		of_flow_trigger_append(&mp, &c, OF_FSR_STAT_TRIGGER, &fs);
		of_multipart_end(&mp);
		m = read_back(&c, &out);
		assert_int_equal(of_flow_trigger_next(&c, &m, &pos, &reason, &fs2, &store), 0);
		assert_int_equal(reason, OF_FSR_STAT_TRIGGER);
		assert_true(same_match(fs.match, fs2.match));
		EQ4(fs, fs2, table, priority, duration_s, n_packets);
	}

	if (!is_std10) {
		struct of_flow_update u = {
			.event = 1 + rnd() % 3,
			.reason = rnd() % 3,
			.table = rnd(),
			.idle_timeout = rnd(),
			.hard_timeout = rnd(),
			.priority = rnd(),
			.cookie = rnd(),
			.match = match,
			.actions = actions.data,
			.actions_size = actions.size,
		}, u2;
		pos = 0;
		wf_buf_clear(&out);
		of_flow_updates_begin(&mp, &c, &out);
		of_flow_update_append(&mp, &c, &u);
		of_multipart_end(&mp);
		m = read_back(&c, &out);
		assert_int_equal(of_flow_update_next(&c, &m, &pos, &u2, &store), 0);
		assert_true(same_match(u.match, u2.match));
		assert_true(of_actions_equal(u.actions, u.actions_size, u2.actions,
					     u2.actions_size));
		EQ4(u, u2, event, reason, table, idle_timeout);
		EQ2(u, u2, hard_timeout, priority);
		EQ(u, u2, cookie);
	}
	free(match);
	wf_buf_done(&out);
	wf_buf_done(&store);
	wf_buf_done(&actions);
}

static void
flows(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		flow_messages(OF10_VERSION, true);
		FOR_EACH_VERSION(v)
			flow_messages(v, false);
	}
}

static void
same_port(const struct of_port_desc *a, const struct of_port_desc *b)
{
	assert_memory_equal(a->hw_addr, b->hw_addr, 6);
	assert_string_equal(a->name, b->name);
	EQ4(*a, *b, port, config, state, curr);
	EQ4(*a, *b, advertised, supported, peer, curr_speed);
	EQ(*a, *b, max_speed);
}

static void
port_messages(uint8_t v)
{
	struct of_codec c = { .version = v };
	struct wf_buf out = WF_BUF_INIT;
	bool is_10 = v == OF10_VERSION;
	size_t pos = 0;
	struct of_msg m;
	struct of_port_desc d = {
		.port = rnd_port(),
		.hw_addr = { rnd(), rnd(), rnd(), rnd(), rnd(), rnd() },
		.name = "eth12345",
		.config = rnd() & (is_10 ? 0x7f : 0x65),
		.state = rnd() & (is_10 ? 0x301 : 7),
		/* The features that 1.0 has. */
		.curr = rnd() & (is_10 ? 0xf87f : 0xffff),
		.advertised = rnd() & (is_10 ? 0xf87f : 0xffff),
		.supported = rnd() & (is_10 ? 0xf87f : 0xffff),
		.peer = rnd() & (is_10 ? 0xf87f : 0xffff),
		.curr_speed = rnd(),
		.max_speed = rnd(),
	}, d2;
	enum of_port_reason reason;

	ITEM(&out, OF_M_PORT_DESC_REPLY, v, of_port_desc_append(&mp, &d));
	m = read_back(&c, &out);
	assert_int_equal(of_port_desc_next(&m, &pos, &d2), 0);
	if (is_10) { /* guessed from the features there */
		d.curr_speed = d2.curr_speed;
		d.max_speed = d2.max_speed;
	}
	same_port(&d, &d2);
	assert_int_equal(of_port_desc_next(&m, &pos, &d2), OF_EOF);
	wf_buf_clear(&out);
	of_port_status_encode(&c, OF_PR_DELETE, &d, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_port_status_decode(&m, &reason, &d2), 0);
	same_port(&d, &d2);
	assert_int_equal(reason, OF_PR_DELETE);

	struct of_port_stats ps, ps2;
	uint64_t *counters = &ps.rx_packets;
	of_port_stats_init(&ps);
	ps.port = rnd_port();
	for (int i = 0; i < 12; i++)
		counters[i] = rnd();
	if (v >= OF13_VERSION) {
		ps.duration_s = rnd() & INT32_MAX;
		ps.duration_ns = rnd();
	}
	for (int i = 0; v >= OF14_VERSION && i < OF_N_RFC2819; i++)
		ps.rfc2819[i] = rnd();
	pos = 0;
	wf_buf_clear(&out);
	ITEM(&out, OF_M_PORT_REPLY, v, of_port_stats_append(&mp, &ps));
	m = read_back(&c, &out);
	assert_int_equal(of_port_stats_next(&m, &pos, &ps2), 0);
	EQ4(ps, ps2, port, rx_packets, tx_packets, rx_bytes);
	EQ4(ps, ps2, tx_bytes, rx_dropped, tx_dropped, rx_errors);
	EQ4(ps, ps2, tx_errors, rx_frame_err, rx_over_err, rx_crc_err);
	EQ4(ps, ps2, collisions, duration_s, duration_ns, n_custom);
	assert_memory_equal(ps.rfc2819, ps2.rfc2819, sizeof(ps.rfc2819));

	struct of_port_mod pm = {
		.port = rnd_port(),
		.hw_addr = { rnd(), rnd(), rnd(), rnd(), rnd(), rnd() },
		.mask = rnd() & 0x65,
		.advertise = rnd() & (is_10 ? 0xf87f : 0xffff),
	}, pm2;
	pm.config = rnd() & pm.mask;
	wf_buf_clear(&out);
	of_port_mod_encode(v, 1, &pm, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_port_mod_decode(&c, &m, &pm2), 0);
	assert_memory_equal(pm.hw_addr, pm2.hw_addr, 6);
	EQ4(pm, pm2, port, config, mask, advertise);
	wf_buf_done(&out);
}

static void
ports(void **state)
{
	for (int i = 0; i < ROUNDS; i++)
		FOR_EACH_VERSION(v)
			port_messages(v);
}

static void
rnd_field_set(struct of_field_set *set)
{
	memset(set, 0, sizeof(*set));
	for (int i = 0; i < 12; i++) {
		unsigned f = rnd() % OF_N_FIELDS;

		/* Two names of a header would come back as one of them. */
		if (of_field_oxm(of_field(f), OF13_VERSION)
		    && of_field_by_oxm(of_field_oxm(of_field(f), OF13_VERSION)->header,
				       of_field_oxm(of_field(f), OF13_VERSION)->experimenter)
			       == of_field(f)
		    && f != OF_F_IN_PORT && f != OF_F_IN_PORT_OXM)
			of_field_set_add(set, f);
	}
}

static void
same_instructions(const struct of_table_instruction_features *a,
		  const struct of_table_instruction_features *b)
{
	assert_memory_equal(a->next, b->next, sizeof(a->next));
	assert_memory_equal(&a->write.set_fields, &b->write.set_fields,
			    sizeof(a->write.set_fields));
	assert_memory_equal(&a->apply.set_fields, &b->apply.set_fields,
			    sizeof(a->apply.set_fields));
	EQ(*a, *b, instructions);
	EQ2(*a, *b, write.actions, apply.actions);
}

static void
table_messages(uint8_t v)
{
	struct of_codec c = { .version = v };
	struct wf_buf out = WF_BUF_INIT;
	size_t pos = 0;
	struct of_msg m;
	static struct of_table_features tf, tf2;
	struct of_table_stats ts = { rnd() % 255, rnd(), rnd(), rnd() }, ts2;

	memset(&tf, 0, sizeof(tf));
	tf.table = ts.table;
	strcpy(tf.name, "a table");
	tf.max_entries = rnd();
	ITEM(&out, OF_M_TABLE_REPLY, v, of_table_stats_append(&mp, &ts, &tf));
	m = read_back(&c, &out);
	assert_int_equal(of_table_stats_next(&m, &pos, &ts2, &tf2), 0);
	EQ4(ts, ts2, table, active, lookups, matched);
	if (v < OF13_VERSION) {
		assert_string_equal(tf.name, tf2.name);
		assert_int_equal(tf.max_entries, tf2.max_entries);
	}
	if (v < OF13_VERSION)
		goto out;

	tf.metadata_match = rnd();
	tf.metadata_write = rnd();
	tf.any_properties = true;
	tf.supports_eviction = v >= OF14_VERSION ? rnd() & 1 : -1;
	tf.supports_vacancy_events = v >= OF14_VERSION ? rnd() & 1 : -1;
	for (int i = 0; i < 4; i++)
		tf.nonmiss.next[i] = rnd();
	tf.nonmiss.next[3] &= ~(1ull << 63);
	tf.nonmiss.instructions = rnd() & (v >= OF15_VERSION ? 0x7e : 0x3f);
	tf.nonmiss.write.actions = 1ull << OF_A_OUTPUT | 1ull << OF_A_GROUP;
	tf.nonmiss.apply.actions = 1ull << OF_A_SET_FIELD | 1ull << OF_A_PUSH_PBB;
	rnd_field_set(&tf.nonmiss.write.set_fields);
	rnd_field_set(&tf.nonmiss.apply.set_fields);
	tf.miss = tf.nonmiss;
	rnd_field_set(&tf.match);
	tf.wildcard = tf.match;
	for (unsigned f = 0; f < OF_N_FIELDS; f++)
		if (of_field_set_has(&tf.match, f) && of_field(f)->maskable && (rnd() & 1))
			of_field_set_add(&tf.mask, f);
	pos = 0;
	wf_buf_clear(&out);
	ITEM(&out, OF_M_TABLE_FEATURES_REPLY, v, of_table_features_append(&mp, &tf));
	m = read_back(&c, &out);
	assert_int_equal(of_table_features_next(&c, &m, &pos, &tf2), 0);
	same_instructions(&tf.nonmiss, &tf2.nonmiss);
	same_instructions(&tf.miss, &tf2.miss);
	assert_memory_equal(&tf.match, &tf2.match, sizeof(tf.match));
	assert_memory_equal(&tf.mask, &tf2.mask, sizeof(tf.mask));
	assert_memory_equal(&tf.wildcard, &tf2.wildcard, sizeof(tf.wildcard));
	assert_int_equal(tf.metadata_write, tf2.metadata_write);
	assert_int_equal(tf.supports_eviction, tf2.supports_eviction);
	assert_int_equal(of_table_features_next(&c, &m, &pos, &tf2), OF_EOF);

	if (v >= OF14_VERSION) {
		struct of_table_desc td = { rnd(), OF_ON, OF_ON, rnd() & 7,
					    { rnd() % 50, 50 + rnd() % 50, rnd() % 100 } }, td2;
		enum of_table_reason reason;

		pos = 0;
		wf_buf_clear(&out);
		ITEM(&out, OF_M_TABLE_DESC_REPLY, v, of_table_desc_append(&mp, &td));
		m = read_back(&c, &out);
		assert_int_equal(of_table_desc_next(&m, &pos, &td2), 0);
		EQ4(td, td2, table, eviction, vacancy, eviction_flags);
		EQ2(td, td2, vacancy_levels.down, vacancy_levels.up);
		EQ(td, td2, vacancy_levels.now);
		wf_buf_clear(&out);
		assert_true(of_table_status_encode(&c, OF_TR_VACANCY_UP, &td, &out));
		m = read_back(&c, &out);
		assert_int_equal(of_table_status_decode(&m, &reason, &td2), 0);
		EQ4(td, td2, table, eviction, vacancy, eviction_flags);
	}
out:
	wf_buf_done(&out);
}

static void
tables(void **state)
{
	for (int i = 0; i < ROUNDS; i++)
		FOR_EACH_VERSION(v)
			table_messages(v);
}

static void
group_messages(uint8_t v)
{
	struct of_codec c = { .version = v };
	struct wf_buf out = WF_BUF_INIT;
	bool has_15_form = v == OF10_VERSION || v >= OF15_VERSION;
	size_t pos = 0, n = 1 + rnd() % 4;
	struct of_bucket b[4];
	struct of_msg m;

	for (size_t i = 0; i < n; i++) {
		struct wf_buf list = WF_BUF_INIT;

		rnd_actions(&list);
		b[i] = (struct of_bucket){
			.weight = rnd(),
			.watch_port = rnd() & 1 ? OF_PORT_ANY : 3,
			.watch_group = rnd() & 1 ? OF_GROUP_ANY : rnd(),
			.bucket_id = has_15_form ? 10 * i + rnd() % 10 : i,
			.actions = list.data,
			.actions_size = list.size,
		};
	}
	struct of_group_mod gm = {
		.command = OF_GC_ADD,
		.type = OF_GT_SELECT,
		.group = rnd(),
		.command_bucket = OF_BUCKET_ALL,
		.buckets = b,
		.n_buckets = n,
	}, gm2;
	if (has_15_form && (rnd() & 1)) {
		strcpy(gm.props.method, "hash");
		gm.props.param = rnd();
		uint32_t mask = 0xffffffff, half = 0x0000ffff;
		of_group_props_set_mask(&gm.props, OF_F_IPV4_SRC, &half);
		of_group_props_set_mask(&gm.props, OF_F_TCP_DST, &mask);
		of_group_props_set_mask(&gm.props, OF_F_ETH_TYPE, &mask);
	}
	of_group_mod_encode(&c, 1, &gm, NULL, 0, -1, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_group_mod_decode(&c, &m, &gm2), 0);
	assert_int_equal(gm.group, gm2.group);
	assert_int_equal(gm.n_buckets, gm2.n_buckets);
	assert_string_equal(gm.props.method, gm2.props.method);
	assert_int_equal(gm.props.param, gm2.props.param);
	assert_int_equal(gm.props.masks_size, gm2.props.masks_size);
	if (gm.props.masks_size)
		assert_memory_equal(gm.props.masks, gm2.props.masks, gm.props.masks_size);
	assert_memory_equal(&gm.props.fields, &gm2.props.fields, sizeof(gm.props.fields));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(b[i].weight, gm2.buckets[i].weight);
		assert_int_equal(b[i].watch_port, gm2.buckets[i].watch_port);
		assert_int_equal(b[i].watch_group, gm2.buckets[i].watch_group);
		assert_int_equal(b[i].bucket_id, gm2.buckets[i].bucket_id);
		assert_true(of_actions_equal(b[i].actions, b[i].actions_size,
					     gm2.buckets[i].actions, gm2.buckets[i].actions_size));
	}
	of_group_mod_done(&gm2);

	struct of_group_desc gd = { .group = gm.group, .type = gm.type, .buckets = b,
				    .n_buckets = n, .props = gm.props }, gd2;
	wf_buf_clear(&out);
	ITEM(&out, OF_M_GROUP_DESC_REPLY, v, of_group_desc_append(&mp, &c, &gd));
	m = read_back(&c, &out);
	assert_int_equal(of_group_desc_next(&c, &m, &pos, &gd2), 0);
	assert_int_equal(gd2.n_buckets, n);
	assert_int_equal(gd2.buckets[n - 1].weight, b[n - 1].weight);
	of_buckets_free((struct of_bucket *)gd2.buckets, gd2.n_buckets);
	of_group_props_done(&gd2.props);
	assert_int_equal(of_group_desc_next(&c, &m, &pos, &gd2), OF_EOF);

	struct of_group_stats gs = { .group = 7, .ref_count = rnd(), .n_packets = rnd(),
				     .n_bytes = rnd(), .duration_s = 5, .duration_ns = 6,
				     .buckets = b, .n_buckets = n }, gs2;
	pos = 0;
	wf_buf_clear(&out);
	ITEM(&out, OF_M_GROUP_REPLY, v, of_group_stats_append(&mp, &gs));
	m = read_back(&c, &out);
	assert_int_equal(of_group_stats_next(&m, &pos, &gs2), 0);
	assert_int_equal(gs.n_bytes, gs2.n_bytes);
	assert_int_equal(gs.ref_count, gs2.ref_count);
	assert_int_equal(gs2.n_buckets, n);

	for (size_t i = 0; i < n; i++)
		free(b[i].actions);
	of_group_props_done(&gm.props);
	wf_buf_done(&out);
}

static void
groups(void **state)
{
	for (int i = 0; i < ROUNDS; i++)
		FOR_EACH_VERSION(v)
			group_messages(v);
}

static void
meters(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		for (uint8_t v = OF13_VERSION; v <= OF15_VERSION; v++) {
			struct of_codec c = { .version = v };
			struct wf_buf out = WF_BUF_INIT, bands = WF_BUF_INIT;
			struct of_meter_band b[3];
			size_t pos = 0, n = rnd() % 4;
			struct of_msg m;

			for (size_t k = 0; k < n; k++) {
				memset(&b[k], 0, sizeof(b[k]));
				b[k].type = 1 + rnd() % 2;
				b[k].prec_level = b[k].type == OF_MBT_DSCP_REMARK ? rnd() : 0;
				b[k].rate = rnd();
				b[k].burst_size = rnd();
			}
			struct of_meter_mod mm = {
				.command = rnd() % 2,
				.config = { .meter = rnd(), .flags = 0xd, .n_bands = n,
					    .bands = b },
			}, mm2;
			struct of_meter_config mc2;

			of_meter_mod_encode(v, 1, &mm, &out);
			m = read_back(&c, &out);
			assert_int_equal(of_meter_mod_decode(&m, &mm2, &bands), 0);
			assert_int_equal(mm2.command, mm.command);
			assert_int_equal(mm2.config.flags, mm.config.flags);
			assert_int_equal(mm2.config.n_bands, n);
			for (size_t k = 0; k < n; k++) {
				assert_int_equal(mm2.config.bands[k].rate, b[k].rate);
				assert_int_equal(mm2.config.bands[k].prec_level, b[k].prec_level);
			}
			wf_buf_clear(&out);
			ITEM(&out, OF_M_METER_CONFIG_REPLY, v,
			     of_meter_config_append(&mp, &mm.config));
			m = read_back(&c, &out);
			assert_int_equal(of_meter_config_next(&m, &pos, &mc2, &bands), 0);
			assert_int_equal(mc2.n_bands, n);
			assert_int_equal(mc2.meter, mm.config.meter);
			wf_buf_done(&out);
			wf_buf_done(&bands);
		}
	}
}

static void
packet_messages(uint8_t v, enum of_packet_in_format format)
{
	static const char *const metadata[] = { "in_port=1", "in_port=LOCAL,reg1=5",
						"in_port=3,metadata=7,tun_id=9,reg0=0x1/0xf" };
	struct of_codec c = { .version = v };
	struct wf_buf out = WF_BUF_INIT, store = WF_BUF_INIT, list = WF_BUF_INIT;
	struct wf_buf set = WF_BUF_INIT;
	uint8_t packet[300], userdata[20];
	struct of_packet_in pin = {
		.packet = packet,
		.packet_len = 14 + rnd() % 280,
		.buffer_id = OF_NO_BUFFER,
		.reason = rnd() % 3,
		.table = rnd(),
		.cookie = rnd(),
		.max_len = UINT16_MAX,
	}, pin2;
	uint8_t stack[64];
	struct of_frozen f = { .stack = stack, .mirrors = rnd(), .conntracked = rnd() & 1,
			       .odp_port = rnd() & 1 ? UINT32_MAX : 7, .table = 255 }, f2;
	struct of_msg m;

	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = rnd();
	pin.total_len = pin.packet_len + rnd() % 100;
	assert_null(of_match_parse(&pin.metadata, metadata[rnd() % 3], no_port, NULL));
	if (format == OF_PIF_NXT2) {
		pin.userdata = userdata;
		pin.userdata_len = rnd() % 20;
		memset(userdata, 0x5a, sizeof(userdata));
	}
	of_packet_in_encode(&c, format, &pin, NULL, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_packet_in_decode(&c, &m, &pin2), 0);
	assert_int_equal(pin.packet_len, pin2.packet_len);
	assert_int_equal(pin.total_len, pin2.total_len);
	assert_int_equal(pin.reason, pin2.reason);
	assert_int_equal(pin.metadata.key.in_port, pin2.metadata.key.in_port);
	assert_memory_equal(packet, pin2.packet, pin.packet_len);
	assert_int_equal(pin.userdata_len, pin2.userdata_len);
	if (format != OF_PIF_STANDARD || v >= OF13_VERSION)
		assert_int_equal(pin.cookie, pin2.cookie);
	if (format != OF_PIF_STANDARD || v >= OF12_VERSION) {
		/* Entries are exact on the wire where the mask is. */
		assert_memory_equal(&pin.metadata, &pin2.metadata, sizeof(pin.metadata));
	}

	/* A continuation comes back as it went, by way of the controller. */
	for (int i = rnd() % 4; i > 0; i--) {
		uint8_t len = 1 + rnd() % 8;

		memset(stack + f.stack_size, rnd(), len);
		stack[f.stack_size + len] = len;
		f.stack_size += len + 1;
	}
	for (int i = 0; i < 3; i++) {
		struct of_act_unroll *u = of_action_put(&list, OF_A_UNROLL_XLATE, sizeof(*u));

		u->a.u32 = rnd() % 255;
		u->cookie = rnd();
		assert_null(of_actions_parse(i ? "output:3,output:4" : "NORMAL", &list));
	}
	assert_null(of_actions_parse("output:1", &set));
	f.actions = list.data;
	f.actions_size = list.size;
	f.action_set = set.data;
	f.action_set_size = set.size;
	wf_buf_clear(&out);
	of_packet_in_encode(&c, OF_PIF_NXT2, &pin, &f, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_packet_in_decode(&c, &m, &pin2), 0);
	wf_buf_clear(&store);
	of_resume_encode(&c, 1, &pin2, &store);
	m = read_back(&c, &store);
	struct wf_buf kept = WF_BUF_INIT;
	assert_int_equal(of_resume_decode(&c, &m, &pin2, &f2, &kept), 0);
	assert_int_equal(f.stack_size, f2.stack_size);
	assert_memory_equal(f.stack, f2.stack, f.stack_size);
	assert_true(of_actions_equal(f.actions, f.actions_size, f2.actions, f2.actions_size));
	assert_true(of_actions_equal(f.action_set, f.action_set_size, f2.action_set,
				     f2.action_set_size));
	assert_int_equal(f.mirrors, f2.mirrors);
	assert_int_equal(f.conntracked, f2.conntracked);
	assert_int_equal(f.odp_port, f2.odp_port);
	wf_buf_done(&kept);

	struct of_packet_out po = { .packet = packet, .packet_len = pin.packet_len,
				    .buffer_id = OF_NO_BUFFER, .actions = set.data,
				    .actions_size = set.size }, po2;
	of_match_init_any(&po.metadata);
	po.metadata.key.in_port = OF_PORT_CONTROLLER;
	po.metadata.mask.in_port = UINT32_MAX;
	wf_buf_clear(&out);
	of_packet_out_encode(&c, 1, &po, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_packet_out_decode(&c, &m, &po2, &store), 0);
	assert_int_equal(po2.packet_len, po.packet_len);
	assert_memory_equal(po2.packet, packet, po.packet_len);
	assert_int_equal(po2.metadata.key.in_port, OF_PORT_CONTROLLER);
	assert_true(of_actions_equal(po.actions, po.actions_size, po2.actions, po2.actions_size));
	wf_buf_done(&out);
	wf_buf_done(&store);
	wf_buf_done(&list);
	wf_buf_done(&set);
}

static void
packets(void **state)
{
	for (int i = 0; i < ROUNDS; i++)
		FOR_EACH_VERSION(v)
			for (int f = OF_PIF_STANDARD; f <= OF_PIF_NXT2; f++)
				packet_messages(v, f);
}

static void
connection_messages(uint8_t v)
{
	struct of_codec c = { .version = v };
	struct wf_buf out = WF_BUF_INIT, store = WF_BUF_INIT;
	struct of_msg m;

	struct of_role_request rr = { .role = OF_ROLE_EQUAL + rnd() % 3 }, rr2;
	rr.have_generation_id = v >= OF12_VERSION;
	rr.generation_id = rr.have_generation_id ? rnd() : 0;
	of_role_request_encode(v, 1, &rr, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_role_request_decode(&m, &rr2), 0);
	EQ2(rr, rr2, role, have_generation_id);
	EQ(rr, rr2, generation_id);

	struct of_async_config in = { { 0 }, { 0 } }, async = in, async2;
	static const uint32_t allowed[] = { 7, 7, 0x3f, 7, 0x18, 3, 3, 0x7f };
	for (int t = 0; t <= (v >= OF15_VERSION	  ? OF_ASYNC_CONTROLLER_STATUS
			      : v >= OF14_VERSION ? OF_ASYNC_REQUESTFORWARD
						  : OF_ASYNC_FLOW_REMOVED);
	     t++) {
		/* NO_MATCH, bit 0 of packet_in, stands for other bits as well. */
		async.primary[t] = rnd() & allowed[t] & (t ? ~0u : ~1u);
		async.secondary[t] = rnd() & allowed[t] & (t ? ~0u : ~1u);
	}
	wf_buf_clear(&out);
	of_set_async_encode(v, 1, &async, UINT32_MAX, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_set_async_decode(&c, &m, &in, &async2), 0);
	assert_memory_equal(&async, &async2, sizeof(async));

	struct of_config_msg config = { .frag = rnd() % 4, .miss_send_len = rnd() }, config2;
	config.invalid_ttl_to_controller = v < OF13_VERSION ? (int)(rnd() & 1) : -1;
	wf_buf_clear(&out);
	of_set_config_encode(v, 1, &config, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_set_config_decode(&m, &config2), 0);
	EQ2(config, config2, frag, miss_send_len);
	EQ(config, config2, invalid_ttl_to_controller);

	struct of_features f = { .datapath_id = rnd(), .n_buffers = rnd(), .n_tables = rnd(),
				 .capabilities = OF_C_FLOW_STATS | OF_C_QUEUE_STATS }, f2;
	struct of_port_desc d = { .port = 5, .name = "p5" }, d2;
	struct of_msg rq = { .version = v };
	size_t pos = 0;
	wf_buf_clear(&out);
	of_features_reply_encode(&rq, &f, &d, 1, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_features_reply_decode(&m, &f2), 0);
	EQ4(f, f2, datapath_id, n_buffers, n_tables, capabilities);
	assert_int_equal(of_port_desc_next(&m, &pos, &d2), v < OF13_VERSION ? 0 : OF_EOF);

	struct of_tlv_mapping maps[] = { { 1, 2, 4, 5 }, { 0xffff, 0x81, 124, 63 } };
	struct of_tlv_mod tm = { .command = OF_TLV_ADD, .n = 2, .maps = maps }, tm2;
	wf_buf_clear(&out);
	of_tlv_mod_encode(v, 1, &tm, &out);
	m = read_back(&c, &out);
	assert_int_equal(of_tlv_mod_decode(&m, &tm2, &store), 0);
	assert_int_equal(tm2.n, 2);
	assert_memory_equal(tm2.maps, maps, sizeof(maps));

	if (v >= OF13_VERSION) {
		struct of_bundle_ctrl bc = { .bundle = rnd(), .type = rnd() % 8, .flags = rnd(),
					     .has_time = v >= OF15_VERSION }, bc2;

		if (bc.has_time) {
			bc.time_s = rnd();
			bc.time_ns = rnd();
		}
		wf_buf_clear(&out);
		of_bundle_ctrl_encode(v, 1, &bc, &out);
		m = read_back(&c, &out);
		assert_int_equal(of_bundle_ctrl_decode(&m, &bc2), 0);
		assert_int_equal(bc.time_s, bc2.time_s);
		assert_int_equal(bc.bundle, bc2.bundle);
		assert_int_equal(bc.flags, bc2.flags);
	}
	wf_buf_done(&out);
	wf_buf_done(&store);
}

static void
connections(void **state)
{
	for (int i = 0; i < ROUNDS; i++)
		FOR_EACH_VERSION(v)
			connection_messages(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows),   cmocka_unit_test(ports),   cmocka_unit_test(tables),
		cmocka_unit_test(groups),  cmocka_unit_test(meters),  cmocka_unit_test(packets),
		cmocka_unit_test(connections),
	};
	const char *fixed = getenv("SEED");

	seed = fixed ? strtoull(fixed, NULL, 0) : (uint64_t)time(NULL);
	printf("SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
