/* SPDX-License-Identifier: Apache-2.0 */
/* Values in the database that mean nothing: ovsdb-server checks what its schema says, and keys of
 * other_config are any text to it.  One line in the log for each, when the row came or changed, that
 * names the row, the key, the value and what would be right.  What is in force then is the default.
 * Keys that we do not know are left alone: they may be somebody else's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(bridge);

enum kind { BOOL, INT, MAC, DPID, WORDS };

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
	int64_t v = ovsdb_smap_int(bridge, OVSDB_BRIDGE_OTHER_CONFIG, key, dflt);

	return v > 0 && v <= INT32_MAX ? v : dflt;
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

void
sw_check_config(void)
{
	static uint64_t checked;
	const struct ovsdb_replica *db = ovsdb_session_replica(sw_db);
	uint64_t now = ovsdb_replica_seqno(db);
	struct ovsdb_row *row;
	char text[100];

	if (now == checked)
		return;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct key *k = &keys[i];

		if (ovsdb_replica_table_seqno(db, k->table) <= checked)
			continue;
		ovsdb_for_each (row, db, k->table) {
			const char *value, *right;

			if (row->changed <= checked)
				continue;
			value = k->key ? ovsdb_smap_get(row, k->column, k->key)
				       : ovsdb_str(row, k->column);
			right = value && *value ? complaint(k, value, text) : NULL;
			if (right)
				/* Open vSwitch says nothing of an identifier that is none, and its
				 * tests have some. */
				wf_log_at(k->kind == DPID ? WF_INFO : WF_WARN,
					"%s %s: %s%s%s=\"%s\" is ignored: it is not %s",
					ovsdb_tables[k->table].name, name_of(row),
					ovsdb_columns[k->column].name, k->key ? ":" : "",
					k->key ? k->key : "", value, right);
		}
	}
	checked = now;
}
