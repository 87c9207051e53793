// SPDX-License-Identifier: Apache-2.0
/* Rates of interfaces.  Ingress policing and "egress-policer" are token buckets of our own in front of and
 * behind every kind of port (dataplane/policer.h); linux-htb is the kernel's, on kernel devices. */
#include "switchd/qos.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rcu.h"
#include "base/unixctl.h"
#include "dataplane/policer.h"
#include "switchd/qos_htb.h"

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

/* --- linux-htb ----------------------------------------------------------------------------------- */

/* Of a device that does not know its speed, as Open vSwitch assumes. */
#define DEFAULT_SPEED_BPS 100000000ull
#define QUEUE_MAX 0xfffc /* 1:fffe is the device's */

static uint64_t
rate_of(const struct ovsdb_row *row, enum ovsdb_column other, const char *key)
{
	int64_t bits = ovsdb_smap_int(row, other, key, 0);

	return bits > 0 ? (uint64_t)bits / 8 : 0;
}

static uint64_t
between(uint64_t v, uint64_t low, uint64_t high)
{
	v = v < low ? low : v;
	return v > high ? high : v;
}

static void
read_queue(const struct ovsdb_row *row, uint32_t id, const struct htb_config *c, struct htb_queue *q)
{
	const enum ovsdb_column other = OVSDB_QUEUE_OTHER_CONFIG;
	uint64_t max_rate = rate_of(row, other, "max-rate");

	q->id = id;
	/* Less than a packet a second would never send one. */
	q->min_rate = between(rate_of(row, other, "min-rate"), c->mtu, c->max_rate);
	q->max_rate = between(max_rate ? max_rate : c->max_rate, q->min_rate, c->max_rate);
	q->burst = between(rate_of(row, other, "burst"), c->mtu + 64, UINT32_MAX);
	q->priority = (uint32_t)ovsdb_smap_int(row, other, "priority", 0);
}

/* Caller frees queues. */
static void
read_htb(const struct sw_iface *i, struct htb_config *c)
{
	const struct ovsdb_row *qos = ovsdb_ref(i->owner->row, OVSDB_PORT_QOS);
	unsigned n = ovsdb_n(qos, OVSDB_QOS_QUEUES);
	bool has_default = false;

	c->max_rate = rate_of(qos, OVSDB_QOS_OTHER_CONFIG, "max-rate");
	if (!c->max_rate)
		c->max_rate = (i->status.link_speed_bps ? i->status.link_speed_bps
							: DEFAULT_SPEED_BPS) / 8;
	c->mtu = i->status.mtu ? i->status.mtu : 1500;
	c->queues = wf_xzalloc((n + 1) * sizeof *c->queues);
	c->n = 0;
	for (unsigned k = 0; k < n; k++) {
		int64_t id = ovsdb_int_at(qos, OVSDB_QOS_QUEUES, k);

		if (id < 0 || id > QUEUE_MAX) {
			wf_warn_rl("interface %s: queue %" PRId64 " is left out: linux-htb has 0 to %d",
				   i->name, id, QUEUE_MAX);
			continue;
		}
		has_default |= id == 0;
		read_queue(ovsdb_ref_at(qos, OVSDB_QOS_QUEUES, k), (uint32_t)id, c,
			   &c->queues[c->n++]);
	}
	if (!has_default)
		read_queue(NULL, 0, c, &c->queues[c->n++]);
}

static char *
htb_text(const struct htb_config *c)
{
	struct wf_str s = WF_STR_INIT;

	wf_str_fmt(&s, "max-rate: %" PRIu64 "\n", c->max_rate * 8);
	for (unsigned k = 0; k < c->n; k++) {
		const struct htb_queue *q = &c->queues[k];

		if (q->id)
			wf_str_fmt(&s, "\nQueue %u:\n", q->id);
		else
			wf_str_put(&s, "\nDefault:\n");
		wf_str_fmt(&s, "  burst: %" PRIu64 "\n  max-rate: %" PRIu64 "\n  min-rate: %" PRIu64 "\n",
			   q->burst * 8, q->max_rate * 8, q->min_rate * 8);
		if (q->priority)
			wf_str_fmt(&s, "  priority: %u\n", q->priority);
	}
	return wf_str_steal(&s);
}

static void
drop_htb(struct sw_iface *i)
{
	if (!i->htb)
		return;
	if (*i->htb && i->status.ifindex)
		htb_remove(i->status.ifindex);
	if (*i->htb && i->port->class->use_qdisc)
		i->port->class->use_qdisc(i->port, false);
	free(i->htb);
	i->htb = NULL;
}

/* i->htb: NULL: not asked for; "": could not be had; else what is in force. */
static void
configure_htb(struct sw_iface *i)
{
	struct wf_err err = { "" };
	struct htb_config c;
	char *text;
	int rc;

	if (strcmp(qos_type(i), "linux-htb")) {
		drop_htb(i);
		return;
	}
	if (!i->port->class->use_qdisc || !i->status.ifindex) {
		/* A dummy has no device to shape; its queues still mark (Queue:dscp). */
		if (!i->htb && strncmp(i->type, "dummy", 5))
			wf_warn("interface %s: linux-htb is for kernel devices; use egress-policer",
				i->name);
		free(i->htb);
		i->htb = wf_xstrdup("");
		return;
	}
	read_htb(i, &c);
	text = htb_text(&c);
	if (!i->htb || strcmp(i->htb, text)) {
		rc = htb_apply(i->status.ifindex, &c, &err);
		if (!rc && i->port->class->use_qdisc(i->port, true)) {
			htb_remove(i->status.ifindex);
			rc = wf_err(&err, -EIO, "linux-htb: packets cannot be led through it");
		}
		if (rc && (!i->htb || *i->htb))
			wf_warn("interface %s: %s", i->name, err.text);
		free(i->htb);
		i->htb = rc ? wf_xstrdup("") : text;
		text = rc ? text : NULL;
	}
	free(text);
	free(c.queues);
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
		configure_htb(i);
	}
}

/* Workers may still look at them until the port is closed, a grace period after this. */
void
sw_qos_detach(struct sw_iface *i)
{
	if (!i->port)
		return;
	drop_htb(i);
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
	} else if (i->htb && *i->htb) {
		wf_str_fmt(&s, "QoS: %s linux-htb\n%s", i->name, i->htb);
	} else if (*qos_type(i)) {
		wf_str_fmt(&s, "%s: QoS type %s is not in force here; egress-policer is for all ports, "
			   "linux-htb for kernel devices\n", i->name, qos_type(i));
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
	text = i->port ? wf_xasprintf("QoS type: egress-policer\n%s",
				      i->port->class->use_qdisc ? "QoS type: linux-htb\n" : "")
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
