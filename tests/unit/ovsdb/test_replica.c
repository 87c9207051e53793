/* SPDX-License-Identifier: Apache-2.0 */
/* The replica under updates of both forms, good ones and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "ovsdb/replica.h"

#define SCHEMA "/usr/share/openvswitch/vswitch.ovsschema"
#define U1     "00000000-0000-0000-0000-000000000001"
#define U2     "00000000-0000-0000-0000-000000000002"
#define U3     "00000000-0000-0000-0000-000000000003"

static struct ovsdb_replica *r;
static unsigned n_deleted;
static char missing_text[4096];

static void
on_deleted(void *arg, struct ovsdb_row *row)
{
	n_deleted++;
	/* It can still be read. */
	assert_true(row->table < OVSDB_N_TABLES);
	ovsdb_get(row, ovsdb_tables[row->table].first);
}

static void
on_missing(void *arg, const char *table, const char *column, const char *why)
{
	size_t n = strlen(missing_text);

	snprintf(missing_text + n, sizeof(missing_text) - n, "%s.%s: %s; ", table,
		 column ? column : "*", why);
}

/* A schema as the compiled description has it, without 'omit_table' and 'omit_column'. */
static json_t *
own_schema(const char *omit_table, const char *omit_column)
{
	static const char *const names[] = { "", "integer", "real", "boolean", "string", "uuid" };
	json_t *tables = json_object();

	for (int t = 0; t < OVSDB_N_TABLES; t++) {
		json_t *columns = json_object();

		if (omit_table && !strcmp(omit_table, ovsdb_tables[t].name)) {
			json_decref(columns);
			continue;
		}
		for (unsigned i = 0; i < ovsdb_tables[t].n_columns; i++) {
			const struct ovsdb_column_class *c =
				&ovsdb_columns[ovsdb_tables[t].first + i];
			json_t *type = json_pack("{sssi}", "key", names[c->type.key], "min",
						 (int)c->type.min);

			if (omit_column && !strcmp(omit_column, c->name)) {
				json_decref(type);
				continue;
			}
			if (c->type.value)
				json_object_set_new(type, "value",
						    json_string(names[c->type.value]));
			json_object_set_new(type, "max",
					    c->type.max == OVSDB_MANY
						    ? json_string("unlimited")
						    : json_integer(c->type.max));
			json_object_set_new(columns, c->name, json_pack("{so}", "type", type));
		}
		json_object_set_new(tables, ovsdb_tables[t].name,
				    json_pack("{so}", "columns", columns));
	}
	return json_pack("{so}", "tables", tables);
}

static int
setup(void **state)
{
	static const struct ovsdb_replica_ops ops = { .row_deleted = on_deleted };
	json_t *schema = own_schema(NULL, NULL);

	r = ovsdb_replica_new(&ops, NULL);
	n_deleted = 0;
	missing_text[0] = '\0';
	assert_int_equal(ovsdb_replica_set_schema(r, schema, on_missing, NULL, NULL), 1);
	assert_int_equal(ovsdb_replica_set_schema(r, schema, on_missing, NULL, NULL), 0);
	assert_string_equal(missing_text, "");
	json_decref(schema);
	return 0;
}

static int
teardown(void **state)
{
	ovsdb_replica_free(r);
	return 0;
}

static bool changed;
static struct wf_err err;

static int
apply(enum ovsdb_update_form form, bool whole, const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
	int rc;

	if (!json)
		fail_msg("%s: %s", text, error.text);
	changed = false;
	err.text[0] = '\0';
	rc = ovsdb_replica_apply(r, json, form, whole, &changed, &err);
	json_decref(json);
	return rc;
}

static struct ovsdb_row *
row(enum ovsdb_table_id t, const char *uuid)
{
	struct ovsdb_uuid u;

	assert_true(ovsdb_uuid_parse(uuid, &u));
	return ovsdb_find(r, t, &u);
}

static void
lists_agree_with_the_installed_schema(void **state)
{
	json_error_t error;
	json_t *schema = json_load_file(SCHEMA, 0, &error);
	struct ovsdb_replica *copy;

	if (!schema)
		skip();
	copy = ovsdb_replica_new(NULL, NULL);
	assert_int_equal(ovsdb_replica_set_schema(copy, schema, on_missing, NULL, &err), 1);
	assert_string_equal(missing_text, "");
	/* Counts agree too, so that our own description leads to the same types. */
	json_t *ours = own_schema(NULL, NULL);
	assert_int_equal(ovsdb_replica_set_schema(copy, ours, on_missing, NULL, &err), 0);
	json_decref(ours);
	json_decref(schema);
	ovsdb_replica_free(copy);
}

static void
column_of_another_schema_reads_as_default(void **state)
{
	json_t *schema = own_schema("CT_Zone", "protected"), *requests, *port;
	struct ovsdb_row *p;

	assert_int_equal(ovsdb_replica_set_schema(r, schema, on_missing, NULL, &err), 1);
	assert_string_equal(missing_text, "Port.protected: not in the schema; "
					  "CT_Zone.*: not in the schema; ");
	assert_false(ovsdb_has_column(r, OVSDB_PORT_PROTECTED));
	assert_true(ovsdb_has_column(r, OVSDB_PORT_NAME));
	requests = ovsdb_replica_monitor_requests(r);
	assert_null(json_object_get(requests, "CT_Zone"));
	port = json_object_get(json_array_get(json_object_get(requests, "Port"), 0), "columns");
	assert_int_equal(json_array_size(port),
			 ovsdb_tables[OVSDB_TABLE_PORT].n_columns - 1);
	json_decref(requests);
	json_decref(schema);
	assert_int_equal(apply(OVSDB_UPDATE2, true, "{\"Port\":{\"" U1
						    "\":{\"initial\":{\"name\":\"p\",\"interfaces\":"
						    "[\"uuid\",\"" U2 "\"]}}}}"),
			 0);
	p = row(OVSDB_TABLE_PORT, U1);
	assert_true(ovsdb_bool(p, OVSDB_PORT_PROTECTED, true));
	assert_false(ovsdb_bool(p, OVSDB_PORT_PROTECTED, false));
	assert_false(ovsdb_bool(p, OVSDB_PORT_FAKE_BRIDGE, true));

	schema = json_pack("{s{s{s{s{ss}}}}}", "tables", "Port", "columns", "name", "type",
			   "integer");
	missing_text[0] = '\0';
	assert_int_equal(ovsdb_replica_set_schema(r, schema, on_missing, NULL, &err), 1);
	assert_non_null(strstr(missing_text, "Port.name: of another type"));
	json_decref(schema);
}

static void
schema_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "5", "[]", "{}", "{\"tables\":[]}", "null" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *json = json_loads(bad[i], JSON_DECODE_ANY, NULL);

		assert_int_equal(ovsdb_replica_set_schema(r, json, NULL, NULL, &err), -EINVAL);
		assert_true(ovsdb_has_column(r, OVSDB_PORT_NAME));
		json_decref(json);
	}
}

static void
update2_inserts_modifies_deletes(void **state)
{
	struct ovsdb_row *br;
	uint64_t seqno;

	assert_int_equal(apply(OVSDB_UPDATE2, true,
			       "{\"Bridge\":{\"" U1 "\":{\"initial\":{\"name\":\"br0\",\"ports\":"
			       "[\"uuid\",\"" U2 "\"],\"other_config\":[\"map\",[[\"a\",\"1\"],"
			       "[\"b\",\"2\"]]]}}},\"Port\":{\"" U2
			       "\":{\"initial\":{\"name\":\"p\",\"interfaces\":[\"uuid\",\"" U3
			       "\"]}}}}"),
			 0);
	assert_true(changed);
	br = row(OVSDB_TABLE_BRIDGE, U1);
	assert_ptr_equal(ovsdb_ref(br, OVSDB_BRIDGE_PORTS), row(OVSDB_TABLE_PORT, U2));
	assert_null(ovsdb_ref(row(OVSDB_TABLE_PORT, U2), OVSDB_PORT_INTERFACES));
	seqno = ovsdb_replica_seqno(r);
	assert_int_equal(br->created, seqno);

	/* A set and a map by their difference, an optional by its value. */
	assert_int_equal(apply(OVSDB_UPDATE2, false,
			       "{\"Bridge\":{\"" U1 "\":{\"modify\":{\"ports\":[\"set\",[[\"uuid\","
			       "\"" U2 "\"],[\"uuid\",\"" U3 "\"]]],\"other_config\":[\"map\",[["
			       "\"a\",\"1\"],[\"b\",\"9\"],[\"c\",\"3\"]]],\"fail_mode\":"
			       "\"secure\"}}}}"),
			 0);
	assert_true(changed);
	assert_int_equal(ovsdb_n(br, OVSDB_BRIDGE_PORTS), 1);
	assert_null(ovsdb_smap_get(br, OVSDB_BRIDGE_OTHER_CONFIG, "a"));
	assert_string_equal(ovsdb_smap_get(br, OVSDB_BRIDGE_OTHER_CONFIG, "b"), "9");
	assert_string_equal(ovsdb_smap_get(br, OVSDB_BRIDGE_OTHER_CONFIG, "c"), "3");
	assert_string_equal(ovsdb_str(br, OVSDB_BRIDGE_FAIL_MODE), "secure");
	assert_true(br->changed > seqno);

	/* A column that we write is not news. */
	seqno = ovsdb_replica_seqno(r);
	assert_int_equal(apply(OVSDB_UPDATE2, false,
			       "{\"Bridge\":{\"" U1 "\":{\"modify\":{\"datapath_id\":\"1\"}}}}"),
			 0);
	assert_false(changed);
	assert_int_equal(ovsdb_replica_seqno(r), seqno);
	assert_string_equal(ovsdb_str(br, OVSDB_BRIDGE_DATAPATH_ID), "1");

	assert_int_equal(apply(OVSDB_UPDATE2, false, "{\"Port\":{\"" U2 "\":{\"delete\":null}}}"),
			 0);
	assert_true(changed);
	assert_int_equal(n_deleted, 1);
	assert_null(row(OVSDB_TABLE_PORT, U2));
	assert_true(ovsdb_replica_table_seqno(r, OVSDB_TABLE_PORT) >
		    ovsdb_replica_table_seqno(r, OVSDB_TABLE_BRIDGE));
}

static void
update_of_rfc_7047(void **state)
{
	struct ovsdb_row *q;

	assert_int_equal(apply(OVSDB_UPDATE, true,
			       "{\"Queue\":{\"" U1 "\":{\"new\":{\"dscp\":[\"set\",[]],"
			       "\"other_config\":[\"map\",[[\"min-rate\",\"5\"]]]}}}}"),
			 0);
	q = row(OVSDB_TABLE_QUEUE, U1);
	assert_int_equal(ovsdb_int(q, OVSDB_QUEUE_DSCP, -1), -1);
	assert_int_equal(apply(OVSDB_UPDATE, false,
			       "{\"Queue\":{\"" U1 "\":{\"old\":{\"dscp\":[\"set\",[]]},\"new\":{"
			       "\"dscp\":3,\"other_config\":[\"map\",[[\"min-rate\",\"5\"]]]}}}}"),
			 0);
	assert_true(changed);
	assert_int_equal(ovsdb_int(q, OVSDB_QUEUE_DSCP, -1), 3);
	assert_int_equal(ovsdb_smap_int(q, OVSDB_QUEUE_OTHER_CONFIG, "min-rate", 0), 5);
	assert_int_equal(apply(OVSDB_UPDATE, false,
			       "{\"Queue\":{\"" U1 "\":{\"old\":{\"dscp\":3}}}}"),
			 0);
	assert_null(row(OVSDB_TABLE_QUEUE, U1));
}

static void
full_content_keeps_equal_rows(void **state)
{
	static const char content[] =
		"{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}},\"" U2
		"\":{\"initial\":{\"dscp\":2}}}}";
	struct ovsdb_row *q1, *q2;
	uint64_t seqno;

	assert_int_equal(apply(OVSDB_UPDATE2, true, content), 0);
	q1 = row(OVSDB_TABLE_QUEUE, U1);
	q2 = row(OVSDB_TABLE_QUEUE, U2);
	q1->aux = q1;
	seqno = ovsdb_replica_seqno(r);
	assert_int_equal(apply(OVSDB_UPDATE2, true, content), 0);
	assert_false(changed);
	assert_int_equal(ovsdb_replica_seqno(r), seqno);
	assert_ptr_equal(row(OVSDB_TABLE_QUEUE, U1), q1);
	assert_ptr_equal(q1->aux, q1);

	/* A value back at its default is left out; a row is gone; one is new. */
	assert_int_equal(apply(OVSDB_UPDATE2, true,
			       "{\"Queue\":{\"" U2 "\":{\"initial\":{}},\"" U3
			       "\":{\"initial\":{\"dscp\":3}}}}"),
			 0);
	assert_true(changed);
	assert_null(row(OVSDB_TABLE_QUEUE, U1));
	assert_ptr_equal(row(OVSDB_TABLE_QUEUE, U2), q2);
	assert_int_equal(ovsdb_int(q2, OVSDB_QUEUE_DSCP, -1), -1);
	assert_int_equal(ovsdb_int(row(OVSDB_TABLE_QUEUE, U3), OVSDB_QUEUE_DSCP, -1), 3);
	assert_int_equal(n_deleted, 1);
}

static void
bad_update_is_named(void **state)
{
	static const struct {
		enum ovsdb_update_form form;
		const char *text, *says;
	} rows[] = {
		{ OVSDB_UPDATE2, "5", "not an object" },
		{ OVSDB_UPDATE2, "{\"Nothing\":{}}", "Nothing was not asked for" },
		{ OVSDB_UPDATE2, "{\"Queue\":[]}", "not an object" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"x\":{}}}", "not a uuid" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":5}}", "not an object" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":{}}}", "not an object with one" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U2 "\":{\"modify\":{}}}}", "it is not here" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U2 "\":{\"delete\":null}}}", "it is not here" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":{\"insert\":{}}}}", "twice" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":{\"turn\":{}}}}", "none of" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":{\"modify\":[]}}}", "not an object" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":{\"modify\":{\"dscp\":\"x\"}}}}",
		  "table Queue, column dscp: a string where integer" },
		{ OVSDB_UPDATE2, "{\"Queue\":{\"" U1 "\":{\"modify\":{\"x\":1}}}}",
		  "was not asked for" },
		{ OVSDB_UPDATE2,
		  "{\"Queue\":{\"" U1 "\":{\"modify\":{\"other_config\":[\"map\",[[1,2]]]}}}}",
		  "other_config" },
		{ OVSDB_UPDATE, "{\"Queue\":{\"" U1 "\":{}}}", "neither" },
		{ OVSDB_UPDATE, "{\"Queue\":{\"" U1 "\":[]}}", "neither" },
		{ OVSDB_UPDATE, "{\"Queue\":{\"" U2 "\":{\"old\":{}}}}", "it is not here" },
		{ OVSDB_UPDATE, "{\"Queue\":{\"" U1 "\":{\"new\":{}}}}", "twice" },
	};

	assert_int_equal(apply(OVSDB_UPDATE2, true,
			       "{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}}}}"),
			 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(apply(rows[i].form, false, rows[i].text), -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].text, err.text, rows[i].says);
		assert_int_equal(ovsdb_int(row(OVSDB_TABLE_QUEUE, U1), OVSDB_QUEUE_DSCP, -1), 1);
	}
	/* A full content that fails removes nothing. */
	assert_int_equal(apply(OVSDB_UPDATE2, true, "{\"Queue\":{},\"Nothing\":{}}"), -EINVAL);
	assert_non_null(row(OVSDB_TABLE_QUEUE, U1));
}

static void
getters_take_no_row(void **state)
{
	struct ovsdb_row *ref;

	assert_null(ovsdb_root(r));
	assert_null(ovsdb_str(NULL, OVSDB_BRIDGE_NAME));
	assert_int_equal(ovsdb_int(NULL, OVSDB_PORT_TAG, 5), 5);
	assert_true(ovsdb_bool(NULL, OVSDB_BRIDGE_STP_ENABLE, true));
	assert_null(ovsdb_ref(NULL, OVSDB_PORT_QOS));
	assert_true(ovsdb_smap_bool(NULL, OVSDB_BRIDGE_OTHER_CONFIG, "x", true));
	assert_null(ovsdb_map_ref_int(NULL, OVSDB_QOS_QUEUES, 1));
	ovsdb_for_each_ref (ref, NULL, OVSDB_BRIDGE_PORTS)
		fail();
}

static void
map_values_are_read_as_ovs_reads_them(void **state)
{
	struct ovsdb_row *q;

	assert_int_equal(apply(OVSDB_UPDATE2, true,
			       "{\"Queue\":{\"" U1 "\":{\"initial\":{\"other_config\":[\"map\",[["
			       "\"n\",\"12\"],[\"x\",\"12x\"],[\"big\",\"99999999999999999999\"],"
			       "[\"t\",\"TRUE\"],[\"f\",\"False\"],[\"m\",\"maybe\"]]]}}}}"),
			 0);
	q = row(OVSDB_TABLE_QUEUE, U1);
#define CFG q, OVSDB_QUEUE_OTHER_CONFIG
	assert_int_equal(ovsdb_smap_int(CFG, "n", 1), 12);
	assert_int_equal(ovsdb_smap_int(CFG, "x", 1), 1);
	assert_int_equal(ovsdb_smap_int(CFG, "big", 1), 1);
	assert_int_equal(ovsdb_smap_int(CFG, "none", 1), 1);
	assert_true(ovsdb_smap_bool(CFG, "t", false));
	assert_false(ovsdb_smap_bool(CFG, "f", true));
	assert_true(ovsdb_smap_bool(CFG, "m", true));
	assert_false(ovsdb_smap_bool(CFG, "m", false));
#undef CFG
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
		T(lists_agree_with_the_installed_schema),
		T(column_of_another_schema_reads_as_default),
		T(schema_that_is_none_is_refused),
		T(update2_inserts_modifies_deletes),
		T(update_of_rfc_7047),
		T(full_content_keeps_equal_rows),
		T(bad_update_is_named),
		T(getters_take_no_row),
		T(map_values_are_read_as_ovs_reads_them),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
