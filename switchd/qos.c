// SPDX-License-Identifier: Apache-2.0
/* Rates of interfaces.  Ingress policing and "egress-policer" are token buckets of our own in front of and
 * behind every kind of port (dataplane/policer.h). */
#include "switchd/qos.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rcu.h"
#include "base/unixctl.h"
#include "dataplane/policer.h"

WF_LOG_MODULE(bridge);

/* As Open vSwitch: what a rate without a burst may send at once. */
#define DEFAULT_BURST_KBITS 8000
#define DEFAULT_BURST_KPKTS 16

static void
free_policer(void *p)
{
	policer_free(p);
}

/* The bucket keeps its level while the rates stay. */
static void
set_policer(struct policer *_Atomic *at, const struct policer_rates *r, enum drop_reason reason)
{
	struct policer *old = atomic_load(at), *new = NULL;
	bool wanted = r && (r->bytes_per_s || r->packets_per_s);

	if (old ? wanted && !memcmp(policer_rates(old), r, sizeof *r) : !wanted)
		return;
	if (wanted)
		new = policer_new(r, reason);
	atomic_store(at, new);
	if (old)
		wf_rcu_call(free_policer, old);
}

/* --- Ingress policing --------------------------------------------------------------------- */

static uint64_t
column(const struct sw_iface *i, enum ovsdb_column c)
{
	int64_t v = ovsdb_int(i->row, c, 0);

	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint64_t)v;
}

static void
configure_policing(struct sw_iface *i)
{
	uint64_t kbits = column(i, OVSDB_INTERFACE_INGRESS_POLICING_RATE);
	uint64_t kbits_burst = column(i, OVSDB_INTERFACE_INGRESS_POLICING_BURST);
	uint64_t kpkts = column(i, OVSDB_INTERFACE_INGRESS_POLICING_KPKTS_RATE);
	uint64_t kpkts_burst = column(i, OVSDB_INTERFACE_INGRESS_POLICING_KPKTS_BURST);
	struct policer_rates r;

	memset(&r, 0, sizeof r);
	r.bytes_per_s = kbits * 1000 / 8;
	r.packets_per_s = kpkts * 1000;
	if (kbits)
		r.burst_bytes = (kbits_burst ? kbits_burst : DEFAULT_BURST_KBITS) * 1000 / 8;
	if (kpkts)
		r.burst_packets = (kpkts_burst ? kpkts_burst : DEFAULT_BURST_KPKTS) * 1000;
	set_policer(&i->port->rx_policer, &r, DROP_QOS_POLICE);
}

/* --- QoS --------------------------------------------------------------------------------------- */

static const char *
qos_type(const struct sw_iface *i)
{
	const struct ovsdb_row *qos = ovsdb_ref(i->owner->row, OVSDB_PORT_QOS);

	return ovsdb_str_or(qos, OVSDB_QOS_TYPE, "");
}

static void
configure_qos(struct sw_iface *i)
{
	const struct ovsdb_row *qos = ovsdb_ref(i->owner->row, OVSDB_PORT_QOS);
	struct policer_rates r;
	int64_t cir, cbs;

	memset(&r, 0, sizeof r);
	if (!strcmp(qos_type(i), "egress-policer")) {
		cir = ovsdb_smap_int(qos, OVSDB_QOS_OTHER_CONFIG, "cir", 0);
		cbs = ovsdb_smap_int(qos, OVSDB_QOS_OTHER_CONFIG, "cbs", 0);
		if (cir <= 0 || cbs <= 0)
			wf_warn_rl("interface %s: egress-policer needs cir (bytes a second) and cbs "
				   "(bytes) above 0", i->name);
		r.bytes_per_s = cir > 0 ? (uint64_t)cir : 0;
		r.burst_bytes = cbs > 0 ? (uint64_t)cbs : 0;
	}
	set_policer(&i->port->tx_policer, &r, DROP_QOS_EGRESS);
}

void
sw_qos_configure(struct sw_bridge *b)
{
	struct sw_iface *i;

	wf_hmap_for_each(i, node, &b->ifaces) {
		if (!i->port || i->ofp_port == OF_PORT_NONE)
			continue;
		configure_policing(i);
		configure_qos(i);
	}
}

/* Workers may still look at them until the port is closed, a grace period after this. */
void
sw_qos_detach(struct sw_iface *i)
{
	if (!i->port)
		return;
	set_policer(&i->port->rx_policer, NULL, DROP_QOS_POLICE);
	set_policer(&i->port->tx_policer, NULL, DROP_QOS_EGRESS);
}

/* --- unixctl --------------------------------------------------------------------------------------- */

static struct sw_iface *
named_iface(struct unixctl_conn *conn, const char *name)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		i = sw_iface_find(b, name);
		if (i)
			return i;
	}
	unixctl_reply_error(conn, "no such interface");
	return NULL;
}

static void
on_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_iface *i = named_iface(conn, argv[1]);
	struct wf_str s = WF_STR_INIT;
	const struct ovsdb_row *qos;
	struct policer *p;

	if (!i)
		return;
	qos = ovsdb_ref(i->owner->row, OVSDB_PORT_QOS);
	p = i->port ? atomic_load(&i->port->tx_policer) : NULL;
	if (p) {
		wf_str_fmt(&s, "QoS: %s egress-policer\n", i->name);
		for (unsigned k = 0; k < ovsdb_n(qos, OVSDB_QOS_OTHER_CONFIG); k++)
			wf_str_fmt(&s, "%s: %s\n", ovsdb_smap_key_at(qos, OVSDB_QOS_OTHER_CONFIG, k),
				   ovsdb_smap_value_at(qos, OVSDB_QOS_OTHER_CONFIG, k));
		wf_str_fmt(&s, "\nDefault:\n  tx_errors: %" PRIu64 "\n", policer_dropped(p));
	} else if (*qos_type(i)) {
		wf_str_fmt(&s, "%s: QoS type %s is not built; egress-policer is\n", i->name, qos_type(i));
		unixctl_reply_error(conn, wf_str_cstr(&s));
		wf_str_done(&s);
		return;
	} else {
		wf_str_fmt(&s, "QoS not configured on %s\n", i->name);
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_show_types(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_iface *i = named_iface(conn, argv[1]);
	char *text;

	if (!i)
		return;
	text = i->port ? wf_xstrdup("QoS type: egress-policer\n")
		       : wf_xasprintf("No QoS types supported for interface: %s\n", i->name);
	unixctl_reply(conn, text);
	free(text);
}

void
sw_qos_init(void)
{
	unixctl_command("qos/show", "interface", 1, 1, on_show, NULL);
	unixctl_command("qos/show-types", "interface", 1, 1, on_show_types, NULL);
}
