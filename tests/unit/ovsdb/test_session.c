/* SPDX-License-Identifier: Apache-2.0 */
/* The session against the stock ovsdb-server: content, writes, lock, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "ovsdb/session.h"
#include "real_server.h"

struct seen {
	unsigned n_changed, n_resynced, n_deleted, n_lock;
	enum ovsdb_lock_state lock;
};

static void
on_changed(void *arg)
{
	((struct seen *)arg)->n_changed++;
}

static void
on_lock(void *arg, enum ovsdb_lock_state state)
{
	struct seen *seen = arg;

	seen->n_lock++;
	seen->lock = state;
}

static void
on_resynced(void *arg)
{
	((struct seen *)arg)->n_resynced++;
}

static void
on_deleted(void *arg, struct ovsdb_row *row)
{
	((struct seen *)arg)->n_deleted++;
}

static const struct ovsdb_session_ops ops = {
	.changed = on_changed,
	.lock_changed = on_lock,
	.resynced = on_resynced,
	.row_deleted = on_deleted,
};

static struct seen seen;
static struct ovsdb_session *s;
static struct ovsdb_replica *r;

static struct ovsdb_session *
open_session(struct seen *to)
{
	struct wf_err err;
	struct ovsdb_session *session;

	memset(to, 0, sizeof(*to));
	session = ovsdb_session_new(real_remote, "ovs_vswitchd", &ops, to, &err);
	assert_non_null(session);
	return session;
}

static int
setup(void **state)
{
	real_create();
	s = open_session(&seen);
	r = ovsdb_session_replica(s);
	assert_true(real_until(ovsdb_session_may_act(s), 5000));
	return 0;
}

static int
teardown(void **state)
{
	ovsdb_session_free(s);
	s = NULL;
	real_spin(4);
	real_stop(SIGKILL);
	return 0;
}

struct outcome {
	bool done;
	enum ovsdb_txn_result result;
	char text[256];
};

static void
on_done(void *arg, enum ovsdb_txn_result result, const char *text)
{
	struct outcome *o = arg;

	assert_false(o->done);
	o->done = true;
	o->result = result;
	snprintf(o->text, sizeof(o->text), "%s", text);
}

static enum ovsdb_txn_result
commit(void)
{
	struct outcome o = { 0 };

	ovsdb_commit(s, on_done, &o);
	assert_false(o.done);
	assert_true(real_wait(&o.done, 5000));
	return o.result;
}

static struct ovsdb_row *
by_name(enum ovsdb_table_id table, enum ovsdb_column column, const char *name)
{
	struct ovsdb_row *row;

	ovsdb_for_each (row, r, table)
		if (!strcmp(ovsdb_str_or(row, column, ""), name))
			return row;
	return NULL;
}

static struct ovsdb_row *
iface(const char *name)
{
	return by_name(OVSDB_TABLE_INTERFACE, OVSDB_INTERFACE_NAME, name);
}

static void
session_shows_what_vsctl_does(void **state)
{
	struct ovsdb_row *br, *port, *ifc;
	unsigned n = 0;

	assert_int_equal(seen.n_changed, 1);
	assert_int_equal(seen.lock, OVSDB_LOCK_HELD);
	assert_non_null(ovsdb_root(r));
	assert_string_equal(ovsdb_session_schema_version(s), "8.3.1");
	assert_int_equal(ovsdb_n(ovsdb_root(r), OVSDB_ROOT_BRIDGES), 0);

	real_vsctl("add-br br0 -- set bridge br0 protocols=OpenFlow13,OpenFlow10 "
		   "other_config:hwaddr=aa:bb:cc:dd:ee:ff fail_mode=secure "
		   "-- add-port br0 p1 tag=7 trunks=1,2,3 -- set interface p1 type=internal "
		   "options:n_rxq=4 ofport_request=9");
	assert_true(real_until(seen.n_changed > 1, 2000));

	br = ovsdb_ref_at(ovsdb_root(r), OVSDB_ROOT_BRIDGES, 0);
	assert_string_equal(ovsdb_str(br, OVSDB_BRIDGE_NAME), "br0");
	assert_string_equal(ovsdb_str(br, OVSDB_BRIDGE_FAIL_MODE), "secure");
	assert_true(ovsdb_has_str(br, OVSDB_BRIDGE_PROTOCOLS, "OpenFlow13"));
	assert_false(ovsdb_has_str(br, OVSDB_BRIDGE_PROTOCOLS, "OpenFlow15"));
	assert_string_equal(ovsdb_smap_get(br, OVSDB_BRIDGE_OTHER_CONFIG, "hwaddr"),
			    "aa:bb:cc:dd:ee:ff");
	assert_null(ovsdb_smap_get(br, OVSDB_BRIDGE_OTHER_CONFIG, "nothing"));
	ovsdb_for_each_ref (port, br, OVSDB_BRIDGE_PORTS)
		n++;
	assert_int_equal(n, 2);

	port = by_name(OVSDB_TABLE_PORT, OVSDB_PORT_NAME, "p1");
	assert_int_equal(ovsdb_int(port, OVSDB_PORT_TAG, -1), 7);
	assert_int_equal(ovsdb_n(port, OVSDB_PORT_TRUNKS), 3);
	assert_int_equal(ovsdb_int_at(port, OVSDB_PORT_TRUNKS, 2), 3);
	ifc = ovsdb_ref(port, OVSDB_PORT_INTERFACES);
	assert_string_equal(ovsdb_str(ifc, OVSDB_INTERFACE_TYPE), "internal");
	assert_int_equal(ovsdb_smap_int(ifc, OVSDB_INTERFACE_OPTIONS, "n_rxq", 1), 4);
	assert_int_equal(ovsdb_int(ifc, OVSDB_INTERFACE_OFPORT_REQUEST, 0), 9);
	assert_int_equal(ovsdb_int(ifc, OVSDB_INTERFACE_OFPORT, -77), -77);
	assert_null(ovsdb_str(ifc, OVSDB_INTERFACE_ERROR));

	/* Modifications of sets and maps come as differences. */
	uint64_t before = ifc->changed, seqno = ovsdb_replica_seqno(r);
	real_vsctl("set port p1 trunks=2,3,4 -- set interface p1 options:n_rxq=5 options:b=c");
	assert_true(real_until(ovsdb_replica_seqno(r) > seqno, 2000));
	assert_true(ifc->changed > before);
	assert_int_equal(ovsdb_n(port, OVSDB_PORT_TRUNKS), 3);
	assert_int_equal(ovsdb_int_at(port, OVSDB_PORT_TRUNKS, 0), 2);
	assert_int_equal(ovsdb_int_at(port, OVSDB_PORT_TRUNKS, 2), 4);
	assert_int_equal(ovsdb_smap_int(ifc, OVSDB_INTERFACE_OPTIONS, "n_rxq", 1), 5);
	real_vsctl("remove port p1 trunks 3 -- remove interface p1 options n_rxq "
		   "-- clear port p1 tag");
	assert_true(real_until(ovsdb_n(port, OVSDB_PORT_TRUNKS) == 2, 2000));
	assert_null(ovsdb_smap_get(ifc, OVSDB_INTERFACE_OPTIONS, "n_rxq"));
	assert_string_equal(ovsdb_smap_get(ifc, OVSDB_INTERFACE_OPTIONS, "b"), "c");
	assert_int_equal(ovsdb_int(port, OVSDB_PORT_TAG, -1), -1);

	real_vsctl("del-br br0");
	assert_true(real_until(ovsdb_replica_n_rows(r, OVSDB_TABLE_INTERFACE) == 0, 2000));
	assert_int_equal(seen.n_deleted, 5);
	assert_int_equal(ovsdb_session_counters(s).n_bad_messages, 0);
}

static void
write_is_stored_once(void **state)
{
	struct ovsdb_datum stats = OVSDB_DATUM_INIT;
	struct ovsdb_row *ifc;
	unsigned n_changed;

	real_vsctl("add-br br0");
	assert_true(real_until(iface("br0"), 2000));
	ifc = iface("br0");
	n_changed = seen.n_changed;

	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 65534);
	ovsdb_set_str(s, ifc, OVSDB_INTERFACE_ERROR, NULL);
	ovsdb_set_str(s, ifc, OVSDB_INTERFACE_LINK_STATE, "up");
	ovsdb_datum_add_str_int(&stats, "tx_packets", 2);
	ovsdb_datum_add_str_int(&stats, "rx_packets", 1);
	ovsdb_set(s, ifc, OVSDB_INTERFACE_STATISTICS, &stats);
	ovsdb_set_int(s, ovsdb_root(r), OVSDB_ROOT_CUR_CFG, 42);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get interface br0 ofport error link_state statistics"),
			    "65534\n[]\nup\n{rx_packets=1, tx_packets=2}");
	assert_string_equal(real_vsctl("get open . cur_cfg"), "42");
	/* The replica has it before the callback comes; it is not news. */
	assert_int_equal(ovsdb_int(ifc, OVSDB_INTERFACE_OFPORT, 0), 65534);
	assert_int_equal(ovsdb_imap_int(ifc, OVSDB_INTERFACE_STATISTICS, "rx_packets", 0), 1);
	assert_int_equal(seen.n_changed, n_changed);

	uint64_t n = ovsdb_session_counters(s).n_transactions;
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 65534);
	ovsdb_datum_add_str_int(&stats, "rx_packets", 1);
	ovsdb_datum_add_str_int(&stats, "tx_packets", 2);
	ovsdb_set(s, ifc, OVSDB_INTERFACE_STATISTICS, &stats);
	assert_false(ovsdb_writes_pending(s));
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_int_equal(ovsdb_session_counters(s).n_transactions, n);
}

static void
later_write_waits_for_the_first(void **state)
{
	struct outcome first = { 0 }, second = { 0 };
	struct ovsdb_row *ifc;

	real_vsctl("add-br br0");
	assert_true(real_until(iface("br0"), 2000));
	ifc = iface("br0");

	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 1);
	ovsdb_commit(s, on_done, &first);
	wf_loop_turn(); /* sent */
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 2);
	ovsdb_set_str(s, ifc, OVSDB_INTERFACE_ERROR, "no such device");
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 3);
	ovsdb_commit(s, on_done, &second);
	assert_true(ovsdb_writes_pending(s));
	assert_true(real_wait(&second.done, 3000));
	assert_true(first.done);
	assert_string_equal(real_vsctl("get interface br0 ofport error"),
			    "3\n\"no such device\"");
	/* Back to what it was while the change is under way: it must not be lost. */
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 4);
	ovsdb_commit(s, NULL, NULL);
	wf_loop_turn();
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 3);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get interface br0 ofport"), "3");
}

static void
keys_and_verification(void **state)
{
	struct ovsdb_row *root = ovsdb_root(r);

	real_vsctl("set open . other_config:a=1 other_config:b=2");
	assert_true(real_until(ovsdb_n(root, OVSDB_ROOT_OTHER_CONFIG) == 2, 2000));
	ovsdb_set_key(s, root, OVSDB_ROOT_OTHER_CONFIG, "a", "3");
	ovsdb_set_key(s, root, OVSDB_ROOT_OTHER_CONFIG, "b", NULL);
	ovsdb_set_key(s, root, OVSDB_ROOT_OTHER_CONFIG, "c", "4");
	ovsdb_set_key(s, root, OVSDB_ROOT_OTHER_CONFIG, "d", "5");
	ovsdb_set_key(s, root, OVSDB_ROOT_OTHER_CONFIG, "d", NULL);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get open . other_config"), "{a=\"3\", c=\"4\"}");

	ovsdb_verify(s, root, OVSDB_ROOT_NEXT_CFG);
	ovsdb_set_int(s, root, OVSDB_ROOT_CUR_CFG, 7);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	ovsdb_verify(s, root, OVSDB_ROOT_NEXT_CFG);
	ovsdb_set_int(s, root, OVSDB_ROOT_CUR_CFG, 8);
	real_vsctl("set open . next_cfg=99"); /* we have not read of it yet */
	assert_int_equal(commit(), OVSDB_TXN_TRY_AGAIN);
	assert_string_equal(real_vsctl("get open . cur_cfg"), "7");
}

static void
refused_write_says_why(void **state)
{
	struct outcome o = { 0 };
	struct ovsdb_row *ifc;

	real_vsctl("add-br br0");
	assert_true(real_until(iface("br0"), 2000));
	ifc = iface("br0");
	ovsdb_set_str(s, ifc, OVSDB_INTERFACE_DUPLEX, "sideways");
	ovsdb_commit(s, on_done, &o);
	assert_true(real_wait(&o.done, 3000));
	assert_int_equal(o.result, OVSDB_TXN_ERROR);
	assert_non_null(strstr(o.text, "sideways"));
	/* The next one is not harmed. */
	ovsdb_set_str(s, ifc, OVSDB_INTERFACE_DUPLEX, "full");
	assert_int_equal(commit(), OVSDB_TXN_STORED);
}

static void
deleted_row_takes_only_its_writes(void **state)
{
	struct ovsdb_row *a, *b;

	real_vsctl("add-br br0 -- add-port br0 a -- add-port br0 b");
	assert_true(real_until(iface("b"), 2000));
	a = iface("a");
	b = iface("b");
	ovsdb_set_int(s, a, OVSDB_INTERFACE_OFPORT, 1);
	ovsdb_set_int(s, b, OVSDB_INTERFACE_OFPORT, 2);
	real_vsctl("del-port a"); /* the server knows, we do not */
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get interface b ofport"), "2");
	assert_null(iface("a"));

	/* And one that goes while its write waits. */
	ovsdb_set_int(s, b, OVSDB_INTERFACE_OFPORT, 3);
	real_vsctl("del-port b");
	assert_true(real_until(!iface("b"), 2000));
	assert_false(ovsdb_writes_pending(s));
	assert_int_equal(commit(), OVSDB_TXN_STORED);
}

static void
restart_of_the_server(int signum)
{
	struct ovsdb_row *root = ovsdb_root(r), *ifc;
	struct outcome o = { 0 };
	unsigned n_changed;
	uint64_t seqno;

	real_vsctl("add-br br0 -- add-port br0 p1");
	assert_true(real_until(iface("p1"), 2000));
	ifc = iface("p1");
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 1);
	ovsdb_set_str(s, ifc, OVSDB_INTERFACE_LINK_STATE, "up");
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	n_changed = seen.n_changed;
	seqno = ovsdb_replica_seqno(r);

	real_stop(signum);
	assert_true(real_until(!ovsdb_session_is_live(s), 2000));
	assert_int_equal(seen.lock, OVSDB_LOCK_NONE);
	assert_true(ovsdb_session_has_content(s));
	assert_ptr_equal(iface("p1"), ifc);
	ovsdb_set_int(s, ifc, OVSDB_INTERFACE_OFPORT, 5);
	ovsdb_commit(s, on_done, &o);
	real_spin(20);
	real_start();
	assert_true(real_until(ovsdb_session_may_act(s), 6000));
	assert_int_equal(seen.n_resynced, 1);
	assert_int_equal(seen.lock, OVSDB_LOCK_HELD);
	/* Nothing changed: nothing is reported, rows are where they were. */
	assert_int_equal(seen.n_changed, n_changed);
	assert_int_equal(ovsdb_replica_seqno(r), seqno);
	assert_ptr_equal(iface("p1"), ifc);
	assert_ptr_equal(ovsdb_root(r), root);
	assert_int_equal(seen.n_deleted, 0);
	/* What is not persistent is gone; what was committed meanwhile is written now. */
	assert_null(ovsdb_str(ifc, OVSDB_INTERFACE_LINK_STATE));
	assert_true(real_wait(&o.done, 2000));
	assert_int_equal(o.result, OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get interface p1 ofport"), "5");
}

static void
server_restarts_in_order(void **state)
{
	restart_of_the_server(SIGTERM);
}

static void
server_is_killed(void **state)
{
	restart_of_the_server(SIGKILL);
}

static void
change_while_away_is_reported(void **state)
{
	unsigned n_changed;

	real_vsctl("add-br br0 -- add-port br0 p1 -- add-port br0 p2");
	assert_true(real_until(iface("p2"), 2000));
	struct ovsdb_row *p2 = iface("p2");
	n_changed = seen.n_changed;
	real_stop(SIGTERM);
	real_start();
	real_vsctl("del-port p1 -- add-port br0 p3 -- set interface p2 type=internal");
	assert_true(real_until(seen.n_resynced == 1, 6000));
	assert_int_equal(seen.n_changed, n_changed + 1);
	assert_null(iface("p1"));
	assert_non_null(iface("p3"));
	assert_ptr_equal(iface("p2"), p2);
	assert_string_equal(ovsdb_str(p2, OVSDB_INTERFACE_TYPE), "internal");
	assert_int_equal(seen.n_deleted, 2);
}

static void
write_in_flight_when_the_server_dies(void **state)
{
	for (int i = 1; i <= 3; i++) {
		struct outcome o = { 0 };
		char text[16];

		ovsdb_set_int(s, ovsdb_root(r), OVSDB_ROOT_CUR_CFG, 100 + i);
		ovsdb_commit(s, on_done, &o);
		wf_loop_turn();
		wf_loop_turn();
		real_stop(SIGKILL);
		real_spin(10);
		real_start();
		assert_true(real_wait(&o.done, 8000));
		assert_int_equal(o.result, OVSDB_TXN_STORED);
		snprintf(text, sizeof(text), "%d", 100 + i);
		assert_string_equal(real_vsctl("get open . cur_cfg"), text);
	}
}

static void
lock_has_one_holder(void **state)
{
	struct outcome o = { 0 };
	struct seen other_seen;
	struct ovsdb_session *other = open_session(&other_seen), *mine = s;

	assert_true(real_until(other_seen.n_lock == 1, 3000));
	assert_int_equal(other_seen.lock, OVSDB_LOCK_WAITING);
	assert_false(ovsdb_session_may_act(other));
	assert_true(ovsdb_session_may_act(mine));
	/* The one that waits cannot write. */
	ovsdb_set_int(other, ovsdb_root(ovsdb_session_replica(other)), OVSDB_ROOT_CUR_CFG, 5);
	ovsdb_commit(other, on_done, &o);
	assert_true(real_wait(&o.done, 2000));
	assert_int_equal(o.result, OVSDB_TXN_NOT_LOCKED);
	assert_string_equal(real_vsctl("get open . cur_cfg"), "0");

	ovsdb_session_free(mine);
	assert_true(real_until(other_seen.lock == OVSDB_LOCK_HELD, 3000));
	s = other;
	r = ovsdb_session_replica(s);
	ovsdb_set_int(s, ovsdb_root(r), OVSDB_ROOT_CUR_CFG, 6);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get open . cur_cfg"), "6");
}

static void
stolen_lock_stops_writing(void **state)
{
	/* A client that steals the lock, and after a second is gone. */
	assert_int_equal(system("timeout 1 ovsdb-client steal unix:$OVS_RUNDIR/db.sock "
				"ovs_vswitchd >/dev/null 2>&1 &"),
			 0);
	assert_true(real_until(seen.lock == OVSDB_LOCK_WAITING, 900));
	assert_false(ovsdb_session_may_act(s));
	ovsdb_set_int(s, ovsdb_root(r), OVSDB_ROOT_CUR_CFG, 5);
	assert_int_equal(commit(), OVSDB_TXN_NOT_LOCKED);
	assert_true(real_until(seen.lock == OVSDB_LOCK_HELD, 3000));
	ovsdb_set_int(s, ovsdb_root(r), OVSDB_ROOT_CUR_CFG, 6);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
}

static void
converted_database_is_followed(void **state)
{
	struct ovsdb_row *root = ovsdb_root(r);
	unsigned n_changed = seen.n_changed;

	/* The next version lacks a column and has one more. */
	real_run("sed 's/\"version\": \"8.3.1\"/\"version\": \"8.3.9\"/; "
		 "s/\"protected\"/\"protected_more\"/; /\"cksum\"/d' "
		 "/usr/share/openvswitch/vswitch.ovsschema > %s/next.ovsschema && "
		 "ovsdb-client convert %s %s/next.ovsschema",
		 real_dir, real_remote, real_dir);
	assert_true(real_until(seen.n_resynced == 1, 6000));
	assert_string_equal(ovsdb_session_schema_version(s), "8.3.9");
	assert_false(ovsdb_has_column(r, OVSDB_PORT_PROTECTED));
	assert_ptr_equal(ovsdb_root(r), root);
	assert_int_equal(seen.n_changed, n_changed);
	real_vsctl("set open . other_config:a=b");
	assert_true(real_until(seen.n_changed == n_changed + 1, 2000));
}

static void
next_remote_is_tried(void **state)
{
	struct wf_err err;
	char remotes[256];

	/* On loopback, above those that the kernel gives to whoever connects; nobody listens on port 1. */
	unsigned port = 61000 + (unsigned)getpid() % 4500;

	snprintf(remotes, sizeof(remotes), "ovsdb-server/add-remote ptcp:%u:127.0.0.1", port);
	real_appctl(remotes);
	ovsdb_session_free(s);
	memset(&seen, 0, sizeof(seen));
	snprintf(remotes, sizeof(remotes), "tcp:127.0.0.1:1,unix:/nonexistent,tcp:127.0.0.1:%u",
		 port);
	s = ovsdb_session_new(remotes, "ovs_vswitchd", &ops, &seen, &err);
	r = ovsdb_session_replica(s);
	assert_true(real_until(ovsdb_session_may_act(s), 8000));
	ovsdb_set_int(s, ovsdb_root(r), OVSDB_ROOT_CUR_CFG, 77);
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_string_equal(real_vsctl("get open . cur_cfg"), "77");
}

/* Fails unless both replicas hold the same rows with the same values. */
static void
assert_same_content(const struct ovsdb_replica *a, const struct ovsdb_replica *b)
{
	struct ovsdb_row *row;

	for (int t = 0; t < OVSDB_N_TABLES; t++) {
		assert_int_equal(ovsdb_replica_n_rows(a, t), ovsdb_replica_n_rows(b, t));
		ovsdb_for_each (row, a, t) {
			struct ovsdb_row *other = ovsdb_find(b, t, &row->uuid);

			assert_non_null(other);
			for (unsigned i = 0; i < ovsdb_tables[t].n_columns; i++) {
				enum ovsdb_column c = ovsdb_tables[t].first + i;

				if (!ovsdb_datum_equals(ovsdb_get(row, c), ovsdb_get(other, c),
							&ovsdb_columns[c].type))
					fail_msg("%s.%s differs", ovsdb_tables[t].name,
						 ovsdb_columns[c].name);
			}
		}
	}
}

static void
edit_at_random(void)
{
	int i = rand() % 8, j = rand() % 8;

	switch (rand() % 7) {
	case 0:
	case 1:
		real_vsctl("--may-exist add-port br0 p%d tag=%d -- set interface p%d "
			   "options:a=%d", i, j, i, j);
		break;
	case 2:
		real_vsctl("--if-exists del-port p%d", i);
		break;
	case 3:
		real_vsctl("--if-exists set port p%d trunks=%d,%d other_config:k%d=%d", i, j, 9, i,
			   j);
		break;
	case 4:
		real_vsctl("--if-exists remove port p%d trunks %d -- --if-exists clear interface "
			   "p%d options", i, j, i);
		break;
	case 5:
		real_vsctl("-- set bridge br0 mirrors=[] -- --may-exist add-port br0 p%d -- "
			   "--id=@p get port p%d -- --id=@m create mirror name=m "
			   "select_src_port=@p output_port=@p -- set bridge br0 mirrors=@m", i, i);
		break;
	case 6:
		real_vsctl("set open . next_cfg=%d other_config:x%d=%d", rand() % 100, i, j);
		break;
	}
}

/* Random edits, writes and deaths of the server: at each rest the replica holds what a session
 * that has just begun sees, and rows that stayed are where they were. */
static void
replica_agrees_after_random_edits_and_crashes(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	real_vsctl("add-br br0");
	for (int round = 0; round < 12; round++) {
		struct outcome o = { 0 };
		struct seen fresh_seen;
		struct ovsdb_session *fresh;
		struct ovsdb_row *row;
		int n = rand() % 6;

		while (n--)
			edit_at_random();
		ovsdb_for_each (row, r, OVSDB_TABLE_INTERFACE) {
			row->aux = row;
			ovsdb_set_int(s, row, OVSDB_INTERFACE_OFPORT, rand() % 50 + 1);
			if (rand() % 2)
				ovsdb_set_str(s, row, OVSDB_INTERFACE_LINK_STATE, "up");
		}
		ovsdb_commit(s, on_done, &o);
		if (rand() % 2)
			real_spin(2);
		if (rand() % 3 == 0) {
			real_stop(rand() % 2 ? SIGKILL : SIGTERM);
			real_spin(4);
			real_start();
			edit_at_random();
			real_spin(4); /* or the end is not seen before the wait below */
			assert_true(real_until(ovsdb_session_may_act(s), 9000));
		} else {
			edit_at_random();
		}
		assert_true(real_wait(&o.done, 9000));
		assert_int_equal(o.result, OVSDB_TXN_STORED);

		fresh = open_session(&fresh_seen);
		assert_true(real_until(ovsdb_session_is_live(fresh), 5000));
		real_spin(20);
		assert_same_content(r, ovsdb_session_replica(fresh));
		assert_same_content(ovsdb_session_replica(fresh), r);
		ovsdb_for_each (row, r, OVSDB_TABLE_INTERFACE)
			assert_true(!row->aux || row->aux == row);
		ovsdb_session_free(fresh);
	}
	assert_int_equal(ovsdb_session_counters(s).n_bad_messages, 0);
}

static int64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* Sets the whole status of each interface; returns the CPU time that it took. */
static int64_t
set_all_status(unsigned n_packets)
{
	int64_t start = cpu_us();
	struct ovsdb_row *ifc;
	static const char *const keys[] = {
		"collisions", "rx_bytes",  "rx_crc_err", "rx_dropped", "rx_errors", "rx_frame_err",
		"rx_over_err", "rx_packets", "tx_bytes",	"tx_dropped", "tx_errors", "tx_packets",
	};

	ovsdb_for_each (ifc, r, OVSDB_TABLE_INTERFACE) {
		struct ovsdb_datum stats = OVSDB_DATUM_INIT, status = OVSDB_DATUM_INIT;

		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			ovsdb_datum_add_str_int(&stats, keys[i], n_packets + i);
		ovsdb_set(s, ifc, OVSDB_INTERFACE_STATISTICS, &stats);
		ovsdb_datum_add_str_str(&status, "driver_name", "veth");
		ovsdb_datum_add_str_str(&status, "driver_version", "1.0");
		ovsdb_set(s, ifc, OVSDB_INTERFACE_STATUS, &status);
		ovsdb_set_str(s, ifc, OVSDB_INTERFACE_LINK_STATE, "up");
		ovsdb_set_str(s, ifc, OVSDB_INTERFACE_ADMIN_STATE, "up");
		ovsdb_set_int(s, ifc, OVSDB_INTERFACE_MTU, 1500);
		ovsdb_set_str(s, ifc, OVSDB_INTERFACE_ERROR, NULL);
	}
	return cpu_us() - start;
}

static void
burst_of_500_ports(void **state)
{
	struct wf_str args = WF_STR_INIT;
	unsigned n_changed = seen.n_changed;
	int64_t cpu = cpu_us(), us;

	wf_str_put(&args, "add-br br0");
	for (int i = 0; i < 500; i++)
		wf_str_fmt(&args, " -- add-port br0 p%d -- set interface p%d type=internal", i, i);
	real_vsctl("%s", args.s);
	assert_true(real_until(ovsdb_replica_n_rows(r, OVSDB_TABLE_INTERFACE) == 501, 5000));
	print_message("500 ports: %u report(s), %lld us of CPU\n", seen.n_changed - n_changed,
		      (long long)(cpu_us() - cpu));
	assert_true(seen.n_changed - n_changed < 10);

	us = set_all_status(1);
	cpu = cpu_us();
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	print_message("status of 501 interfaces: set %lld us, stored %lld us of CPU\n",
		      (long long)us, (long long)(cpu_us() - cpu));

	uint64_t n = ovsdb_session_counters(s).n_columns_written;
	us = set_all_status(1);
	assert_false(ovsdb_writes_pending(s));
	assert_int_equal(ovsdb_session_counters(s).n_columns_written, n);
	print_message("the same again: %lld us of CPU\n", (long long)us);

	us = set_all_status(1000);
	cpu = cpu_us();
	assert_int_equal(commit(), OVSDB_TXN_STORED);
	assert_int_equal(ovsdb_session_counters(s).n_columns_written, n + 501);
	print_message("new statistics: set %lld us, stored %lld us of CPU\n", (long long)us,
		      (long long)(cpu_us() - cpu));

	/* One by one. */
	wf_str_truncate(&args, 0);
	wf_str_put(&args, "--if-exists del-port p0");
	for (int i = 1; i < 500; i++)
		wf_str_fmt(&args, " -- del-port p%d", i);
	real_vsctl("%s", args.s);
	assert_true(real_until(ovsdb_replica_n_rows(r, OVSDB_TABLE_INTERFACE) == 1, 5000));
	wf_str_done(&args);
}

static void
server_comes_later(void **state)
{
	ovsdb_session_free(s);
	real_stop(SIGTERM);
	s = open_session(&seen);
	r = ovsdb_session_replica(s);
	real_spin(50);
	assert_false(ovsdb_session_has_content(s));
	assert_null(ovsdb_root(r));
	real_start();
	assert_true(real_until(ovsdb_session_may_act(s), 6000));
	assert_int_equal(seen.n_changed, 1);
}

static void
bad_remote_is_an_error(void **state)
{
	struct wf_err err;

	assert_null(ovsdb_session_new("punix:/x", NULL, NULL, NULL, &err));
	assert_non_null(strstr(err.text, "punix:/x"));
	assert_null(ovsdb_session_new("", NULL, NULL, NULL, &err));
	assert_null(ovsdb_session_new("unix:/x,wrong", NULL, NULL, NULL, &err));
	assert_non_null(strstr(err.text, "wrong"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_remote_is_an_error),
#define T(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
		T(session_shows_what_vsctl_does),
		T(write_is_stored_once),
		T(later_write_waits_for_the_first),
		T(keys_and_verification),
		T(refused_write_says_why),
		T(deleted_row_takes_only_its_writes),
		T(server_restarts_in_order),
		T(server_is_killed),
		T(change_while_away_is_reported),
		T(write_in_flight_when_the_server_dies),
		T(lock_has_one_holder),
		T(stolen_lock_stops_writing),
		T(converted_database_is_followed),
		T(next_remote_is_tried),
		T(replica_agrees_after_random_edits_and_crashes),
		T(burst_of_500_ports),
		T(server_comes_later),
#undef T
	};
	int rc;

	wf_loop_init();
	if (!real_init()) {
		fprintf(stderr, "ovsdb-server is not installed\n");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	real_done();
	return rc;
}
