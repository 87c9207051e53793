/* SPDX-License-Identifier: Apache-2.0 */
/* What the datapath can do, told in three places: the log when the first bridge of a kind is made,
 * "dpif/show-dp-features", and Datapath.capabilities.  Clients and test suites decide by these. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "dataplane/packet.h"
#include "dataplane/translate.h"
#include "dataplane/worker.h"
#include "openflow/key.h"
#include "ovsdb/txn.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(ofproto_dpif);

#define NUMBER 2 /* the value is a number, shown as such */
#define LACKS(WHAT) .lacks = XLATE_LACKS_##WHAT

/* In the order of "dpif/show-dp-features", which leaves out those without a label.  'log' is
 * what comes after "Datapath supports", or, for numbers, the whole sentence. */
static struct feature {
	const char *label, *key, *log;
	int kind;       /* 0 no, 1 yes, or NUMBER */
	unsigned value;
	uint8_t lacks;  /* XLATE_LACKS_*: what the data path goes without if this is switched off */
	bool is_off;    /* by dpif/set-dp-features */
} features[] = {
	{ "Masked set action", "masked_set_action", NULL, 1, 0 },
	{ "Tunnel push pop", "tnl_push_pop", NULL, 1, 0, LACKS(TUNNEL_PUSH) },
	{ "Ufid", "ufid", "unique flow ids", 1, 0 },
	{ "Truncate action", "trunc", "truncate action", 1, 0, LACKS(TRUNC) },
	{ "Clone action", "clone", "clone action", 1, 0 },
	{ "Sample nesting", "sample_nesting", "Max sample nesting level probed as", NUMBER, 10 },
	{ "Conntrack eventmask", "ct_eventmask", "eventmask in conntrack action", 0, 0 },
	{ "Conntrack clear", "ct_clear", "ct_clear action", 0, 0 },
	{ NULL, "ct_flush", NULL, 0, 0 },
	{ "Max dp_hash algorithm", "max_hash_alg", "Max dp_hash algorithm probed to be", NUMBER, 1 },
	{ "Check pkt length action", "check_pkt_len", "check_pkt_len action", 0, 0 },
	{ "Conntrack timeout policy", "ct_timeout", "timeout policy in conntrack action", 0, 0 },
	{ "Explicit Drop action", "explicit_drop_action", NULL, 1, 0 },
	{ "Optimized Balance TCP mode", "lb_output_action", NULL, 0, 0 },
	{ "Conntrack all-zero IP SNAT", "ct_zero_snat", "ct_zero_snat", 0, 0 },
	{ "MPLS Label add", "add_mpls", "add_mpls action", 1, 0, LACKS(ADD_MPLS) },
	{ "Max VLAN headers", "max_vlan_headers", "VLAN header stack length probed as", NUMBER, 1 },
	{ "Max MPLS depth", "max_mpls_depth", "MPLS label stack length probed as", NUMBER,
	  OF_MAX_MPLS },
	{ "Recirc", "recirc", "recirculation", 1, 0 },
	{ "CT state", "ct_state", "ct_state", 0, 0 },
	{ "CT zone", "ct_zone", "ct_zone", 0, 0 },
	{ "CT mark", "ct_mark", "ct_mark", 0, 0 },
	{ "CT label", "ct_label", "ct_label", 0, 0 },
	{ "CT state NAT", "ct_state_nat", "ct_state_nat", 0, 0 },
	{ "CT orig tuple", "ct_orig_tuple", "ct_orig_tuple", 0, 0 },
	{ "CT orig tuple for IPv6", "ct_orig_tuple6", "ct_orig_tuple6", 0, 0 },
	{ "IPv6 ND Extension", "nd_ext", "IPv6 ND Extensions", 1, 0 },
};

#define N_FEATURES (sizeof features / sizeof features[0])

void
sw_features_set_vlan_limit(int64_t limit)
{
	struct feature *f = features;

	if (limit < 1 || limit > OF_MAX_VLANS)
		limit = OF_MAX_VLANS;
	while (strcmp(f->key, "max_vlan_headers"))
		f++;
	f->value = (unsigned)limit;
	static int64_t in_force; /* 0: never set */
	if (limit == in_force)
		return;
	pkt_set_vlan_limit((unsigned)limit);
	if (in_force)
		workers_purge_flows();
	in_force = limit;
}

void
sw_features_log(const char *datapath)
{
	for (size_t k = 0; k < N_FEATURES; k++) {
		const struct feature *f = &features[k];

		if (!f->log)
			continue;
		if (f->kind == NUMBER)
			wf_info("%s: %s %u", datapath, f->log, f->value);
		else
			wf_info("%s: Datapath %s %s", datapath,
				f->kind ? "supports" : "does not support", f->log);
	}
}

void
sw_features_show(struct wf_str *s)
{
	for (size_t k = 0; k < N_FEATURES; k++) {
		const struct feature *f = &features[k];

		if (!f->label)
			continue;
		if (f->kind == NUMBER)
			wf_str_fmt(s, "%s: %u\n", f->label, f->value);
		else
			wf_str_fmt(s, "%s: %s\n", f->label,
				   f->kind && !f->is_off ? "Yes" : "No");
	}
}

/* Open vSwitch rewrites ARP and neighbour discovery in the slow path, packet by packet, and so its texts
 * show such flows. */
void
sw_features_init(void)
{
	xlate_set_lacks(XLATE_LACKS_SET_ARP);
}

static struct feature *
find(const char *name)
{
	for (size_t k = 0; k < N_FEATURES; k++)
		if (!strcmp(features[k].key, name))
			return &features[k];
	return NULL;
}

void
sw_features_set(const char *name, const char *value, struct wf_str *s)
{
	struct feature *f = name ? find(name) : NULL;
	unsigned lacks = 0;

	if (!name) {
		sw_features_show(s);
		return;
	}
	if (!f) {
		wf_str_put(s, "Unexpected support field");
		return;
	}
	if (!value) {
		if (f->kind == NUMBER)
			wf_str_fmt(s, "%s: %u\n", f->label ? f->label : f->key, f->value);
		else
			wf_str_fmt(s, "%s: %s\n", f->label ? f->label : f->key,
				   f->kind && !f->is_off ? "Yes" : "No");
		return;
	}
	if (f->kind == NUMBER) {
		unsigned n;
		char end;

		/* Nothing depends on these numbers here, but for the one that other_config sets. */
		if (sscanf(value, "%u%c", &n, &end) != 1)
			wf_str_put(s, "Integer number expected");
		else if (n > f->value)
			wf_str_put(s, "Can not set value beyond the datapath capability");
		return;
	}
	if (!strcasecmp(value, "true")) {
		if (!f->kind)
			wf_str_put(s, "Can not enable features not supported by the datapth");
		f->is_off = false;
	} else if (!strcasecmp(value, "false")) {
		f->is_off = true;
	} else {
		wf_str_put(s, "Boolean value expected");
	}
	for (size_t k = 0; k < N_FEATURES; k++)
		if (features[k].is_off)
			lacks |= features[k].lacks;
	lacks |= XLATE_LACKS_SET_ARP;
	if (lacks != xlate_lacks()) {
		xlate_set_lacks(lacks);
		workers_purge_flows();
	}
}

void
sw_features_write(struct ovsdb_row *datapath)
{
	struct ovsdb_datum d = OVSDB_DATUM_INIT;

	for (size_t k = 0; k < N_FEATURES; k++) {
		const struct feature *f = &features[k];

		if (f->kind == NUMBER)
			ovsdb_datum_add_str_fmt(&d, f->key, "%u", f->value);
		else
			ovsdb_datum_add_str_str(&d, f->key, f->kind ? "true" : "false");
	}
	ovsdb_set(sw_db, datapath, OVSDB_DATAPATH_CAPABILITIES, &d);
}
