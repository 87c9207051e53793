/* SPDX-License-Identifier: Apache-2.0 */
/* Values in the database that mean nothing: ovsdb-server checks what its schema says, and keys
 * of other_config are any text to it.  One line in the log for each value, which names the row,
 * the key and what would be right.  What is in force then is the default.  Keys that we do not
 * know are left alone: they may be somebody else's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "dataplane/worker.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(bridge);

enum kind { BOOL, INT, MAC, DPID, WORDS, READABLE };

static const struct key {
	enum ovsdb_table_id table;
	enum ovsdb_column column;
	const char *key;             /* NULL: the column itself, a string */
	enum kind kind;
	int64_t min, max;            /* of an INT */
	const char *words;           /* of WORDS: " a b " */
} keys[] = {
#define ROOT OVSDB_TABLE_ROOT, OVSDB_ROOT_OTHER_CONFIG
	{ ROOT, "flow-restore-wait", BOOL, 0, 0, NULL },
	{ ROOT, "stats-update-interval", INT, 5000, INT32_MAX, NULL },
	{ ROOT, "vlan-limit", INT, 0, INT32_MAX, NULL },
	{ ROOT, "bundle-idle-timeout", INT, 0, INT32_MAX, NULL },
	{ ROOT, "weft-max-flows", INT, 0, INT32_MAX, NULL },
	{ ROOT, "weft-cache-addresses", BOOL, 0, 0, NULL },
	{ ROOT, "weft-workers", INT, 1, WORKERS_MAX_SLEEPING, NULL },
	{ ROOT, "n-handler-threads", INT, 1, WORKERS_MAX_SLEEPING, NULL },
#define BRIDGE OVSDB_TABLE_BRIDGE, OVSDB_BRIDGE_OTHER_CONFIG
	{ BRIDGE, "hwaddr", MAC, 0, 0, NULL },
	{ BRIDGE, "datapath-id", DPID, 0, 0, NULL },
	{ BRIDGE, "disable-in-band", BOOL, 0, 0, NULL },
	{ BRIDGE, "in-band-queue", INT, 0, INT32_MAX, NULL },
	{ BRIDGE, "forward-bpdu", BOOL, 0, 0, NULL },
	{ BRIDGE, "mac-table-size", INT, 1, INT32_MAX, NULL },
	{ BRIDGE, "mac-aging-time", INT, 1, INT32_MAX, NULL },
	{ BRIDGE, "mcast-snooping-table-size", INT, 1, INT32_MAX, NULL },
	{ BRIDGE, "mcast-snooping-aging-time", INT, 1, INT32_MAX, NULL },
	{ BRIDGE, "mcast-snooping-disable-flood-unregistered", BOOL, 0, 0, NULL },
#define PORT OVSDB_TABLE_PORT, OVSDB_PORT_OTHER_CONFIG
	{ PORT, "qinq-ethtype", WORDS, 0, 0, " 802.1ad 802.1q " },
	{ PORT, "priority-tags", WORDS, 0, 0, " never if-nonzero always true false " },
	{ PORT, "mcast-snooping-flood", BOOL, 0, 0, NULL },
	{ PORT, "mcast-snooping-flood-reports", BOOL, 0, 0, NULL },
	{ OVSDB_TABLE_PORT, OVSDB_PORT_MAC, NULL, MAC, 0, 0, NULL },
	{ OVSDB_TABLE_INTERFACE, OVSDB_INTERFACE_MAC, NULL, MAC, 0, 0, NULL },
	{ OVSDB_TABLE_CONTROLLER, OVSDB_CONTROLLER_OTHER_CONFIG, "dscp", INT, 0, 63, NULL },
	{ OVSDB_TABLE_SSL, OVSDB_SSL_PRIVATE_KEY, NULL, READABLE, 0, 0, NULL },
	{ OVSDB_TABLE_SSL, OVSDB_SSL_CERTIFICATE, NULL, READABLE, 0, 0, NULL },
#undef ROOT
#undef BRIDGE
#undef PORT
};

static bool
is_int(const char *text, int64_t min, int64_t max)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	return !errno && *text && !*end && v >= min && v <= max;
}

bool
sw_parse_mac(const char *text, uint8_t mac[6])
{
	unsigned m[6];
	char end;

	if (!text || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4],
			    &m[5], &end) != 6)
		return false;
	for (int k = 0; k < 6; k++)
		mac[k] = (uint8_t)m[k];
	return true;
}

/* 16 hexadecimal digits, or any number of them after "0x"; not 0. */
bool
sw_parse_dpid(const char *text, uint64_t *dpid)
{
	bool prefixed = text && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = text && prefixed ? text + 2 : text;
	size_t n = digits ? strspn(digits, "0123456789abcdefABCDEF") : 0;

	if (!n || digits[n] || n > 16 || (!prefixed && n != 16))
		return false;
	*dpid = strtoull(digits, NULL, 16);
	return *dpid != 0;
}

int64_t
sw_positive(const struct ovsdb_row *bridge, const char *key, int64_t dflt)
{
	return sw_within(bridge, OVSDB_BRIDGE_OTHER_CONFIG, key, 1, INT32_MAX, dflt);
}

int64_t
sw_within(const struct ovsdb_row *row, enum ovsdb_column column, const char *key, int64_t min,
	  int64_t max, int64_t dflt)
{
	int64_t v = ovsdb_smap_int(row, column, key, dflt);

	return v >= min && v <= max ? v : dflt;
}

/* What the value should be; NULL: it is. */
static const char *
complaint(const struct key *k, const char *value, char text[100])
{
	uint8_t mac[6];
	uint64_t dpid;
	char word[40];

	switch (k->kind) {
	case BOOL:
		return !strcasecmp(value, "true") || !strcasecmp(value, "false") ? NULL : "true or false";
	case INT:
		if (is_int(value, k->min, k->max))
			return NULL;
		if (k->max == INT32_MAX)
			snprintf(text, 100, "a number of at least %" PRId64, k->min);
		else
			snprintf(text, 100, "a number from %" PRId64 " to %" PRId64, k->min, k->max);
		return text;
	case MAC:
		return sw_parse_mac(value, mac) && !(mac[0] & 1)
			       ? NULL : "a unicast Ethernet address as in 02:00:00:00:00:01";
	case DPID:
		return sw_parse_dpid(value, &dpid)
			       ? NULL : "16 hexadecimal digits, or 0x and up to 16, not all zero";
	case WORDS:
		snprintf(word, sizeof word, " %s ", value);
		if (strstr(k->words, word))
			return NULL;
		snprintf(text, 100, "one of%s", k->words);
		text[strlen(text) - 1] = '\0';
		return text;
	case READABLE:
		return !access(value, R_OK) ? NULL : "a file that can be read";
	}
	return NULL;
}

static const char *
name_of(const struct ovsdb_row *row)
{
	switch (row->table) {
	case OVSDB_TABLE_BRIDGE: return ovsdb_str_or(row, OVSDB_BRIDGE_NAME, "");
	case OVSDB_TABLE_PORT: return ovsdb_str_or(row, OVSDB_PORT_NAME, "");
	case OVSDB_TABLE_INTERFACE: return ovsdb_str_or(row, OVSDB_INTERFACE_NAME, "");
	case OVSDB_TABLE_CONTROLLER: return ovsdb_str_or(row, OVSDB_CONTROLLER_TARGET, "");
	default: return ".";
	}
}

/* What was said of one key of one row, so that it is said once. */
struct told {
	struct wf_list node;
	struct ovsdb_uuid uuid;
	char *value;
	bool still;
};

static void
tell(struct wf_list *all, const struct key *k, const struct ovsdb_row *row, const char *value,
     const char *right)
{
	struct told *t;

	wf_list_for_each (t, node, all)
		if (ovsdb_uuid_equals(&t->uuid, &row->uuid) && !strcmp(t->value, value)) {
			t->still = true;
			return;
		}
	t = wf_xzalloc(sizeof *t);
	t->uuid = row->uuid;
	t->value = wf_xstrdup(value);
	t->still = true;
	wf_list_push_back(all, &t->node);
	/* Open vSwitch says nothing of a datapath id that is none, and its tests have some. */
	wf_log_at(k->kind == DPID ? WF_INFO : WF_WARN,
		  "%s %s: %s%s%s=\"%s\" is not %s; it has no effect", ovsdb_tables[k->table].name,
		  name_of(row), ovsdb_columns[k->column].name, k->key ? ":" : "",
		  k->key ? k->key : "", value, right);
}

static void
check_key(const struct ovsdb_replica *db, const struct key *k, struct wf_list *all)
{
	struct told *t, *next;
	struct ovsdb_row *row;
	char text[100];

	wf_list_for_each (t, node, all)
		t->still = false;
	ovsdb_for_each (row, db, k->table) {
		const char *value = k->key ? ovsdb_smap_get(row, k->column, k->key)
					   : ovsdb_str(row, k->column);
		const char *right = value && *value ? complaint(k, value, text) : NULL;

		if (right)
			tell(all, k, row, value, right);
	}
	wf_list_for_each_safe (t, next, node, all)
		if (!t->still) {
			wf_list_remove(&t->node);
			free(t->value);
			free(t);
		}
}

void
sw_check_config(void)
{
	static struct wf_list told[sizeof keys / sizeof keys[0]];
	static uint64_t checked;
	const struct ovsdb_replica *db = ovsdb_session_replica(sw_db);

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (!told[i].next)
			wf_list_init(&told[i]);
		if (ovsdb_replica_table_seqno(db, keys[i].table) > checked)
			check_key(db, &keys[i], &told[i]);
	}
	checked = ovsdb_replica_seqno(db);
}
