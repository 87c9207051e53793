/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel ports: rows of Interface with a tunnel's type -> struct tunnel_view; what appctl says of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/unixctl.h"
#include "dataplane/run.h"
#include "dataplane/ports/tunnel.h"
#include "dataplane/tunnel.h"
#include "dataplane/worker.h"
#include "openflow/match.h"
#include "openflow/tlv_map.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(tunnel);

struct sw_tunnel {
	struct tnl_config config;
	struct tunnel_state *state;
	uint32_t number; /* of the endpoint that it shares with others */
};

/* Endpoints by number, with how many ports each has. */
struct endpoint {
	struct wf_list node;
	struct tunnel_endpoint e;
	unsigned n_ports;
	uint32_t index;    /* while a view is made */
	struct port *port; /* the host's sockets, or NULL */
	bool in_workers;
	char error[300];   /* why there are none: said once */
};
static struct wf_list endpoints = { &endpoints, &endpoints };
static bool changed;

/* --- Endpoints --------------------------------------------------------------------------------------- */

bool
sw_tunnel_number_taken(uint32_t number)
{
	struct endpoint *p;

	wf_list_for_each (p, node, &endpoints)
		if (p->e.number == number || p->e.slot == number)
			return true;
	return false;
}

/* The first number in the name (a UDP port, the 6 of IPv6) if nobody has it, as Open vSwitch's dummies
 * do; else the next free one. */
static uint32_t
choose_number(const struct tunnel_endpoint *e)
{
	uint32_t wish = e->udp_port ? e->udp_port : e->is_ip6_type ? 6 : 0, n = 1;

	if (wish && !sw_iface_by_slot(wish) && !sw_tunnel_number_taken(wish))
		return wish;
	while (sw_iface_by_slot(n) || sw_tunnel_number_taken(n))
		n++;
	return n;
}

static void
name_endpoint(struct tunnel_endpoint *e)
{
	static const char *const prefix[] = {
		[TNL_VXLAN] = "vxlan_sys", [TNL_GENEVE] = "genev_sys", [TNL_GRE] = "gre_sys",
		[TNL_ERSPAN] = "erspan_sys", [TNL_GTPU] = "gtpu_sys",
		[TNL_LISP] = "lisp_sys",
	};

	if (e->udp_port)
		snprintf(e->name, sizeof e->name, "%s_%u", prefix[e->type], e->udp_port);
	else
		snprintf(e->name, sizeof e->name, "%s%s", e->is_ip6_type ? "ip6" : "", prefix[e->type]);
}

static struct endpoint *
endpoint_get(const struct tnl_config *c)
{
	struct endpoint *p;

	wf_list_for_each (p, node, &endpoints)
		if (p->e.type == c->type && p->e.udp_port == c->dst_port)
			goto found;
	p = wf_xzalloc(sizeof *p);
	p->e.type = c->type;
	p->e.udp_port = c->dst_port;
	p->e.is_ip6_type = c->is_ip6_type;
	p->e.number = choose_number(&p->e);
	p->e.slot = UINT32_MAX;
	name_endpoint(&p->e);
	wf_list_push_back(&endpoints, &p->node);
found:
	p->e.exts |= c->exts;
	p->n_ports++;
	return p;
}

/* --- The host's sockets ------------------------------------------------------------------------------ */

#define RETRY_MS 1000
#define FIRST_SLOT 1000 /* users see the numbers below */

static void
close_sockets(void *port_)
{
	struct port *port = port_;

	port->class->close(port, true);
}

static void
endpoint_close(struct endpoint *p)
{
	if (!p->port)
		return;
	if (p->in_workers)
		workers_remove_port(p->port);
	view_slot_free(p->e.slot);
	view_after_publish(close_sockets, p->port);
	p->port = NULL;
	p->in_workers = false;
	p->e.slot = UINT32_MAX;
}

/* Workers get what was published; ports that others hold are tried again. */
static void
on_sockets(struct wf_timer *t)
{
	bool again = false, failed = false;
	struct endpoint *p;

	wf_list_for_each (p, node, &endpoints) {
		failed |= !p->port && p->error[0];
		if (!p->port || p->in_workers)
			continue;
		if (sw_restore_wait) {
			again = true;
			continue;
		}
		workers_add_port(p->port, NULL);
		p->in_workers = true;
	}
	if (failed) {
		changed = true;
		sw_tunnels_publish();
		view_publish(false);
	}
	if (!t->heap_index && (again || failed))
		wf_timer_set(t, again ? 100 : RETRY_MS, on_sockets, NULL);
}

static struct wf_timer sockets_timer;

static void
endpoint_open(struct endpoint *p)
{
	struct wf_err err = { "" };
	uint32_t wish;

	if (tunnel_sockets_open(p->e.name, p->e.type, p->e.udp_port, &p->port, &err)) {
		if (strcmp(p->error, err.text))
			wf_warn("%s: tunnels work through bridges of ours only", err.text);
		snprintf(p->error, sizeof p->error, "%s", err.text);
		if (!sockets_timer.heap_index)
			wf_timer_set(&sockets_timer, RETRY_MS, on_sockets, NULL);
		return;
	}
	p->error[0] = 0;
	for (wish = FIRST_SLOT; sw_iface_by_slot(wish) || sw_tunnel_number_taken(wish); wish++)
		;
	p->e.slot = view_slot_alloc(p->port, NULL, OF_PORT_NONE, wish, &p->e.generation);
	p->port->slot = p->e.slot;
	wf_timer_set(&sockets_timer, 0, on_sockets, NULL);
}

/* Bridges of dummies have no host around them. */
static void
open_sockets(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;
	struct endpoint *p;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->tunnel && strcmp(b->type, "dummy"))
				wf_list_for_each (p, node, &endpoints)
					if (p->e.number == i->tunnel->number && !p->port)
						endpoint_open(p);
}

void
sw_tunnels_give(void (*give)(const char *type, const char *name, int fd, void *aux), void *aux)
{
	struct endpoint *p;

	wf_list_for_each (p, node, &endpoints)
		if (p->port)
			tunnel_sockets_give(p->port, give, aux);
}

void
sw_tunnels_pause(void)
{
	struct endpoint *p;

	wf_timer_cancel(&sockets_timer);
	wf_list_for_each (p, node, &endpoints) {
		if (p->in_workers)
			workers_remove_port(p->port);
		p->in_workers = false;
	}
}

void
sw_tunnels_resume(void)
{
	wf_timer_set(&sockets_timer, 0, on_sockets, NULL);
}

static void
endpoint_put(uint32_t number)
{
	struct endpoint *p;

	wf_list_for_each (p, node, &endpoints) {
		if (p->e.number == number) {
			if (!--p->n_ports) {
				endpoint_close(p);
				wf_list_remove(&p->node);
				free(p);
			}
			return;
		}
	}
}

bool
sw_tunnels_exist(void)
{
	return !wf_list_is_empty(&endpoints);
}

/* --- Ports ----------------------------------------------------------------------------------------------- */

/* VXLAN with and without GBP cannot share a UDP port. */
static bool
clashes(const struct sw_iface *i, const struct tnl_config *c)
{
	struct endpoint *p;

	wf_list_for_each (p, node, &endpoints) {
		unsigned others = p->n_ports - (i->tunnel && i->tunnel->number == p->e.number);

		if (p->e.type == c->type && p->e.udp_port == c->dst_port && others &&
		    ((p->e.exts ^ c->exts) & TNL_EXT_GBP)) {
			wf_warn("%s: VXLAN-GBP, and non-VXLAN-GBP tunnels can't be configured on the "
				"same dst_port", i->name);
			return true;
		}
	}
	return false;
}

int
sw_tunnel_attach(struct sw_iface *i, const char *type, const struct port_options *o, struct wf_err *err)
{
	struct tnl_option *options = wf_xmalloc((o->n + 1) * sizeof *options);
	struct wf_str warnings = WF_STR_INIT;
	struct tnl_config config;
	uint32_t number;
	int rc;

	for (unsigned k = 0; k < o->n; k++)
		options[k] = (struct tnl_option){ o->keys[k], o->values[k] };
	memset(&config, 0, sizeof config);
	rc = tnl_config_parse(&config, i->name, type, options, o->n, &warnings, err);
	free(options);
	if (warnings.len && !rc)
		wf_warn("%s", wf_str_cstr(&warnings));
	wf_str_done(&warnings);
	if (rc)
		return rc;
	if (clashes(i, &config))
		return wf_err(err, -EEXIST, "%s: could not set configuration (File exists)", i->name);
	if (!i->tunnel) {
		i->tunnel = wf_xzalloc(sizeof *i->tunnel);
		i->tunnel->state = tunnel_state_new();
		i->rx = i->tunnel->state->rx;
		i->tx = i->tunnel->state->tx;
		counter_ref(i->rx);
		counter_ref(i->tx);
		i->tunnel->number = UINT32_MAX;
	}
	number = i->tunnel->number;
	i->tunnel->config = config;
	i->tunnel->number = endpoint_get(&config)->e.number;
	endpoint_put(number);
	changed = true;
	return 0;
}

void
sw_tunnel_detach(struct sw_iface *i)
{
	if (!i->tunnel)
		return;
	endpoint_put(i->tunnel->number);
	tunnel_state_unref(i->tunnel->state);
	free(i->tunnel);
	i->tunnel = NULL;
	changed = true;
}

void
sw_tunnels_changed(void)
{
	changed = true;
}

/* Geneve options that some TLV map has, or had: words of tun_metadata, and fields. */
static uint64_t option_words, option_fields;

/* What a port reads of the metadata of received packets, or tells whose values may differ. */
static void
metadata_of(const struct tnl_config *c, struct of_key *mask)
{
	bool fixed = !c->remote_flow && !c->local_flow && !IN6_IS_ADDR_UNSPECIFIED(&c->local);

	if (!tnl_config_reads_metadata(c))
		return;
	mask->tun_id = UINT64_MAX;
	if (!fixed) {
		mask->tun_src = mask->tun_dst = htonl(UINT32_MAX);
		memset(&mask->tun_ipv6_src, 0xff, 16);
		memset(&mask->tun_ipv6_dst, 0xff, 16);
	}
	if (c->exts & TNL_EXT_GBP) {
		mask->tun_gbp_id = htons(0xffff);
		mask->tun_gbp_flags = 0xff;
	}
	if (c->type == TNL_ERSPAN) {
		mask->tun_erspan_ver = mask->tun_erspan_dir = mask->tun_erspan_hwid = 0xff;
		mask->tun_erspan_idx = UINT32_MAX;
	}
	if (c->type == TNL_GENEVE) {
		mask->tun_flags = OF_TUN_F_OAM;
		mask->tun_metadata_present = option_fields;
		for (unsigned i = 0; i < sizeof mask->tun_metadata / 4; i++)
			if (option_words >> i & 1)
				memset(mask->tun_metadata + 4 * i, 0xff, 4);
	}
}

/* Metadata of received packets decides about outer headers: the flow cache must compare it.  What was
 * needed once stays: narrowing the layout again is not worth a new generation. */
static void
use_metadata(void)
{
	static struct of_match_full full;
	static struct rule_actions none;
	struct of_key had = full.mask;
	struct of_match *m;
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->tunnel)
				metadata_of(&i->tunnel->config, &full.mask);
	if (!memcmp(&had, &full.mask, sizeof had))
		return;
	m = of_match_pack(&full);
	view_fields_used(m, &none, 1);
	free(m);
}

void
sw_tunnels_use_options(const struct of_tlv_map *map)
{
	option_words |= map->used;
	for (unsigned i = 0; i < OF_TLV_N_FIELDS; i++)
		option_fields |= (uint64_t)map->entry[i].valid << i;
	use_metadata();
}

static void
free_view(void *v)
{
	tunnel_view_free(v);
}

void
sw_tunnels_publish(void)
{
	uint32_t n_ports = 0, n_endpoints = 0;
	struct tunnel_endpoint *es;
	struct tunnel_port *ps;
	struct endpoint *p;
	struct sw_bridge *b;
	struct sw_iface *i;

	if (!changed)
		return;
	changed = false;
	open_sockets();
	wf_list_for_each (p, node, &endpoints)
		n_endpoints++;
	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			n_ports += i->tunnel && i->slot != UINT32_MAX;
	use_metadata();
	if (!n_ports) {
		view_set_tunnels(NULL, free_view);
		return;
	}
	es = wf_xzalloc((n_endpoints + 1) * sizeof *es);
	ps = wf_xzalloc((n_ports + 1) * sizeof *ps);
	n_endpoints = n_ports = 0;
	wf_list_for_each (p, node, &endpoints) {
		p->index = n_endpoints;
		es[n_endpoints++] = p->e;
	}
	wf_hmap_for_each(b, node, &sw_bridges) {
		wf_hmap_for_each(i, node, &b->ifaces) {
			if (!i->tunnel || i->slot == UINT32_MAX)
				continue;
			struct tunnel_port *t = &ps[n_ports++];

			*t = (struct tunnel_port){ .config = i->tunnel->config, .bridge = b->dp,
						   .ofp_port = i->ofp_port, .slot = i->slot,
						   .generation = i->generation, .state = i->tunnel->state };
			wf_list_for_each (p, node, &endpoints)
				if (p->e.number == i->tunnel->number)
					t->endpoint = p->index;
		}
	}
	view_set_tunnels(tunnel_view_new(es, n_endpoints, ps, n_ports), free_view);
}

uint32_t
sw_tunnel_number(const struct sw_iface *i)
{
	return i->tunnel->number;
}

void
sw_tunnel_format(const struct sw_iface *i, struct wf_str *s)
{
	tnl_config_format(&i->tunnel->config, s);
}

/* --- Commands ---------------------------------------------------------------------------------------------- */

static int
endpoint_cmp(const void *a_, const void *b_)
{
	const struct endpoint *const *a = a_, *const *b = b_;

	return strcmp((*a)->e.name, (*b)->e.name);
}

static void
on_ports_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct endpoint *p, *list[64];
	unsigned n = 0;

	wf_str_put(&s, "Listening ports:\n");
	wf_list_for_each (p, node, &endpoints)
		if (n < 64)
			list[n++] = p;
	qsort(list, n, sizeof list[0], endpoint_cmp);
	for (unsigned k = 0; k < n; k++)
		wf_str_fmt(&s, "%s (%" PRIu32 ") ref_cnt=%u\n", list[k]->e.name, list[k]->e.number,
			   list[k]->n_ports);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
put_match(struct wf_str *s, const struct tnl_config *c)
{
	if (!c->remote_flow) {
		tnl_put_address(s, &c->local);
		wf_str_put(s, "->");
		tnl_put_address(s, &c->remote);
	} else if (!c->local_flow) {
		tnl_put_address(s, &c->local);
		wf_str_put(s, "->flow");
	} else {
		wf_str_put(s, "flow->flow");
	}
	if (c->in_key_flow)
		wf_str_put(s, ", key=flow");
	else
		wf_str_fmt(s, ", key=%#" PRIx64, c->in_key);
	wf_str_fmt(s, ", %s", c->pt_mode == TNL_PT_LEGACY_L2 ? "legacy_l2"
			      : c->pt_mode == TNL_PT_LEGACY_L3 ? "legacy_l3" : "ptap");
}

static void
on_list_tunnels(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		wf_hmap_for_each(i, node, &b->ifaces) {
			const struct tnl_config *c = i->tunnel ? &i->tunnel->config : NULL;

			if (!c)
				continue;
			wf_str_fmt(&s, "port %" PRIu32 ": %s (%s: ", i->tunnel->number, i->name, i->type);
			put_match(&s, c);
			wf_str_fmt(&s, ", dp port=%" PRIu32, i->tunnel->number);
			if (c->ttl_inherit)
				wf_str_put(&s, ", ttl=inherit");
			else
				wf_str_fmt(&s, ", ttl=%u", c->ttl);
			wf_str_put(&s, ")\n");
		}
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_port_range(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	unsigned low, high;
	char text[64], end;

	if (argc < 3) {
		uint16_t l, h;

		tunnel_get_source_ports(&l, &h);
		snprintf(text, sizeof text, "Tunnel UDP source port range: %u-%u\n", l, h);
		unixctl_reply(conn, text);
		return;
	}
	if (sscanf(argv[1], "%u%c", &low, &end) != 1 || low < 1 || low > 65535) {
		unixctl_reply_error(conn, "Invalid min.");
	} else if (sscanf(argv[2], "%u%c", &high, &end) != 1 || high < 1 || high > 65535) {
		unixctl_reply_error(conn, "Invalid max.");
	} else {
		tunnel_set_source_ports((uint16_t)(low < high ? low : high),
					(uint16_t)(low < high ? high : low));
		unixctl_reply(conn, "OK");
	}
}

void
sw_tunnel_init(void)
{
	unixctl_command("tnl/ports/show", "-v", 0, 1, on_ports_show, NULL);
	unixctl_command("ofproto/list-tunnels", "", 0, 0, on_list_tunnels, NULL);
	unixctl_command("tnl/egress_port_range", "min max", 0, 2, on_port_range, NULL);
}
