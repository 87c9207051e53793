/* SPDX-License-Identifier: Apache-2.0 */
/* ofproto/trace and ofproto/trace-packet-out: the arguments. The walk is dataplane/trace.c. */
#include "switchd/of_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unixctl.h"
#include "dataplane/packet.h"
#include "dataplane/pkt_compose.h"
#include "dataplane/ports/port.h"
#include "dataplane/trace.h"
#include "dataplane/tunnel.h"
#include "switchd/switchd.h"
#include "openflow/dp_text.h"

struct trace_request {
	struct of_switch *sw;
	struct of_key key;
	uint32_t in_slot;
	struct rte_mbuf *packet;
	bool consistent, names, generate;
	const char *args[3];
	int n_args;
};

/* --- The packet ----------------------------------------------------------------------------- */

/* Hex digits, spaces allowed.  NULL: it is none; '*error' says why. */
static struct rte_mbuf *
packet_from_hex(const char *text, const char **error)
{
	struct wf_buf b = WF_BUF_INIT;
	struct rte_mbuf *m = NULL;
	const char *p = text;

	*error = NULL;
	for (;;) {
		unsigned byte;

		p += strspn(p, " \t\r\n");
		if (!*p)
			break;
		if (strspn(p, "0123456789abcdefABCDEF") < 2 || sscanf(p, "%2x", &byte) != 1) {
			*error = "Trailing garbage in packet data";
			break;
		}
		wf_buf_put(&b, &(uint8_t){ (uint8_t)byte }, 1);
		p += 2;
	}
	if (!*error && b.size < 14)
		*error = "Packet data too short for Ethernet";
	if (!*error)
		m = pkt_from_bytes(b.data, (uint32_t)b.size);
	wf_buf_done(&b);
	return m;
}

/* --- Arguments -------------------------------------------------------------------------------- */

static char *
parse_options(int argc, const char *argv[], bool packet_out, struct trace_request *r)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (!strcmp(arg, "-generate") || !strcmp(arg, "--generate")) {
			r->generate = true;
		} else if (!strcmp(arg, "--ct-next") || !strcmp(arg, "--l7") ||
			   !strcmp(arg, "--l7-len")) {
			/* Without a connection tracker no walk asks for the next state; the payload
			 * behind L4 is not looked at by any. */
			if (++i >= argc)
				return wf_xasprintf("Missing argument for option %s", arg);
		} else if (packet_out &&
			   (!strcmp(arg, "-consistent") || !strcmp(arg, "--consistent"))) {
			r->consistent = true;
		} else if (!strcmp(arg, "-names") || !strcmp(arg, "--names")) {
			r->names = true;
		} else if (arg[0] == '-') {
			return wf_xasprintf("%s: unknown option", arg);
		} else if (r->n_args >= 3) {
			return wf_xstrdup("too many arguments");
		} else {
			r->args[r->n_args++] = arg;
		}
	}
	return NULL;
}

/* The bridge and port of a datapath port. */
static char *
resolve_slot(struct trace_request *r, uint32_t slot)
{
	const struct view *v = view_get();

	if (tunnel_key_is_set(&r->key) || r->key.tun_src) {
		const struct tunnel_port *tp = tunnel_port_receive(v->tunnels, slot, &r->key);

		if (!tp)
			return wf_xstrdup("no OpenFlow tunnel port for this packet");
		r->key.tun_flags |= OF_TUN_F_RECEIVED;
		slot = tp->slot;
	}
	if (slot >= v->n_slots || v->slots[slot].bridge >= v->n_bridges ||
	    !v->bridges[v->slots[slot].bridge])
		return wf_xasprintf("no OpenFlow port for datapath port %u", slot);
	r->in_slot = slot;
	r->sw = of_bridge_switch(v->bridges[v->slots[slot].bridge]->bridge);
	r->key.in_port = v->slots[slot].ofp_port;
	return r->sw ? NULL : wf_xstrdup("the bridge has no OpenFlow switch");
}

static void
find_slot(struct trace_request *r)
{
	const struct view *v = view_get();
	const struct bridge_view *bv = v->bridges[r->sw->bridge->index];
	const struct xport *p = bv && bv->ports ? xport_find(bv->ports, r->key.in_port) : NULL;

	r->in_slot = p && !p->is_patch ? p->slot : UINT32_MAX;
}

static bool
slot_of_name(void *aux, const char *name, uint32_t *ret_slot)
{
	const struct view *v = view_get();

	for (uint32_t i = 0; i < v->n_slots; i++)
		if (v->slots[i].port && !strcmp(v->slots[i].port->name, name)) {
			*ret_slot = i;
			return true;
		}
	return false;
}

/* Is there a datapath "TYPE", "ovs-TYPE" or "TYPE@ovs-TYPE"?  There is one of each type that a
 * bridge has. */
static bool
is_datapath(const char *name)
{
	const char *at = strchr(name, '@');
	const struct sw_bridge *b;

	name = at ? at + 1 : name;
	name += strncmp(name, "ovs-", 4) ? 0 : 4;
	wf_hmap_for_each(b, node, &sw_bridges)
		if (!strcmp(name, *b->type ? b->type : "system") ||
		    (strcmp(b->type, "dummy") && !strcmp(name, "netdev")))
			return true;
	return false;
}

/* Which fields the options of a tunnel are is known with the bridge. */
static void
read_options(struct trace_request *r, const char *flow, struct of_dp_key *dp)
{
	const struct of_tlv_map *before = of_tlv_map_enter(&r->sw->tlv_map);
	uint16_t flags = r->key.tun_flags;

	free(of_dp_key_parse(flow, slot_of_name, NULL, dp));
	of_tlv_map_enter(before);
	tunnel_part_copy(&r->key, &dp->key);
	r->key.tun_flags = flags;
}

static char *
parse_flow(struct trace_request *r)
{
	static struct of_dp_key dp;
	const char *flow = r->args[r->n_args - 1];
	char *error, *of_error;

	error = of_dp_key_parse(flow, slot_of_name, NULL, &dp);
	/* Nothing at all is rather a flow of the other form, which matches all. */
	if (!error && flow[strspn(flow, ", \t\r\n")]) {
		if (r->n_args == 2 && !is_datapath(r->args[0]))
			return wf_xstrdup("Cannot find the datapath");
		r->key = dp.key;
		pkt_limit_vlans(&r->key);
		if (r->key.recirc_id) {
			struct frozen *f = frozen_find(r->key.recirc_id);

			if (!f)
				return wf_xasprintf("no recirculation data for recirc_id %#x",
						    r->key.recirc_id);
			frozen_unref(f);
		}
		if (!dp.has_in_port)
			return wf_xstrdup("flow has no in_port");
		error = resolve_slot(r, dp.in_port);
		if (!error && tunnel_key_is_set(&r->key))
			read_options(r, flow, &dp);
		return error;
	}
	if (!error)
		error = wf_xstrdup("empty flow");
	if (r->n_args != 2) {
		of_error = wf_xasprintf("%s (or the bridge name was omitted)", error);
		free(error);
		return of_error;
	}
	free(error);
	r->sw = of_switch_find(r->args[0]);
	if (!r->sw)
		return wf_xasprintf("%s: unknown bridge", r->args[0]);

	const struct of_tlv_map *before = of_tlv_map_enter(&r->sw->tlv_map);
	of_error = of_key_parse(&r->key, NULL, flow, of_switch_port_number, r->sw);
	of_tlv_map_enter(before);
	if (of_error) {
		error = wf_xasprintf("Bad openflow flow syntax: %s", of_error);
		free(of_error);
		return error;
	}
	find_slot(r);
	return NULL;
}

static char *
parse_request(int argc, const char *argv[], bool packet_out, struct trace_request *r)
{
	char *error = parse_options(argc, argv, packet_out, r);
	struct pkt_layers layers;

	if (error)
		return error;
	if (!r->generate && r->n_args > 1) {
		const char *why;

		r->packet = packet_from_hex(r->args[r->n_args - 1], &why);
		if (r->packet)
			r->n_args--;
		else if (r->n_args > 2)
			return wf_xstrdup(why);
	}
	if (r->n_args != 1 && r->n_args != 2)
		return wf_xstrdup("Syntax error");
	error = parse_flow(r);
	if (error)
		return error;
	if (r->generate)
		r->packet = pkt_compose(&r->key, 0);
	else if (r->packet)
		pkt_parse(r->packet, r->key.packet_type, &r->key, &layers);
	return NULL;
}

static void
run(struct unixctl_conn *conn, struct trace_request *r, const void *actions, size_t size)
{
	static struct xlate_in in;
	const struct of_tlv_map *before = of_tlv_map_enter(&r->sw->tlv_map);
	char *text;

	memset(&in, 0, sizeof(in));
	in.bridge = r->sw->bridge;
	in.in_slot = r->in_slot;
	in.key = r->key;
	in.names = r->names;
	in.packet = r->packet;
	in.packet_size = r->packet ? pkt_size(r->packet) : 0;
	in.actions = actions;
	in.actions_size = size;
	in.is_packet_out = actions != NULL;
	of_publish();
	text = xlate_trace_run(r->sw->bridge, view_get(), &in);
	unixctl_reply(conn, text);
	free(text);
	of_tlv_map_enter(before);
}

static void
trace(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	static struct trace_request r;
	char *error;

	memset(&r, 0, sizeof(r));
	error = parse_request(argc, argv, false, &r);
	if (error)
		unixctl_reply_error(conn, error);
	else
		run(conn, &r, NULL, 0);
	free(error);
	if (r.packet)
		pkt_free(r.packet);
}

static void
trace_packet_out(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	static struct trace_request r;
	static struct of_match_full match;
	static const uint64_t none[1];
	struct wf_buf actions = WF_BUF_INIT;
	struct of_action_check check = { .version = OF10_VERSION, .n_tables = N_TABLES,
					 .max_ports = OF_PORT_MAX };
	of_err_t err = 0;
	char *error;

	memset(&r, 0, sizeof(r));
	error = of_actions_parse(argv[argc - 1], &actions);
	if (!error)
		error = parse_request(argc - 1, argv, true, &r);
	if (!error) {
		/* As PACKET_OUT does it. */
		of_match_from_key(&r.key, &match);
		if (r.consistent)
			check.version = OF13_VERSION;
		err = of_actions_check(actions.data, actions.size, &match, &check);
		if (!err)
			err = of_check_actions(r.sw, actions.data, actions.size);
		if (err)
			error = wf_xasprintf("Bad actions: %s", of_err_name(err));
	}
	if (error)
		unixctl_reply_error(conn, error);
	else
		run(conn, &r, actions.size ? (const void *)actions.data : none, actions.size);
	free(error);
	wf_buf_done(&actions);
	if (r.packet)
		pkt_free(r.packet);
}

void
of_trace_init(void)
{
	unixctl_command("ofproto/trace",
			"{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]", 1,
			INT32_MAX, trace, NULL);
	unixctl_command("ofproto/trace-packet-out",
			"[-consistent] {[dp_name] odp_flow | bridge br_flow} [OPTIONS...] "
			"[-generate|packet] actions",
			2, INT32_MAX, trace_packet_out, NULL);
}
