/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an OpenFlow switch, and what all files of the agent share. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/rcu.h"
#include "dataplane/worker.h"
#include "switchd/state/state.h"

struct wf_list of_switches = { &of_switches, &of_switches };
bool of_dirty;

const struct of_limits of_limits = { .max_ports = OF_PORT_MAX, .n_tables = N_TABLES };

void
of_publish(void)
{
	/* view_publish() knows of its own pending changes. */
	bool rules = of_dirty;

	of_dirty = false;
	view_publish(rules);
	state_flush();
}

void
of_duration(int64_t since_ms, uint32_t *s, uint32_t *ns)
{
	of_duration_at(wf_now_ms(), since_ms, s, ns);
}

void
of_duration_at(int64_t now_ms, int64_t since_ms, uint32_t *s, uint32_t *ns)
{
	int64_t ms = now_ms - since_ms;

	if (ms < 0)
		ms = 0;
	*s = (uint32_t)(ms / 1000);
	*ns = (uint32_t)(ms % 1000) * 1000000u;
}

static int64_t
agent_idle(struct wf_idle *idle)
{
	struct of_switch *sw;
	struct of_conn *c, *next;
	bool again;

	wf_list_for_each(sw, node, &of_switches) {
		wf_list_for_each_safe(c, next, node, &sw->conns)
			if (c->is_closing)
				of_conn_free(c);
		of_monitor_flush(sw);
	}
	again = of_barriers_run();
	again |= of_dumps_run();
	of_publish();
	return again ? 0 : -1;
}

static void
each_second(struct wf_timer *t)
{
	struct of_switch *sw;

	wf_list_for_each(sw, node, &of_switches) {
		of_fail_run(sw);
		of_in_band_run(sw);
		of_bundles_run(sw);
		of_stat_triggers_run(sw);
	}
	wf_timer_set(t, 1000, each_second, NULL);
}

void
of_init(void)
{
	static struct wf_idle idle = { .fn = agent_idle };
	static struct wf_timer second;
	static const struct slow_ops ops = { of_packet_in, of_learn };

	wf_idle_add(&idle);
	slow_path_set_ops(&ops);
	of_flow_change_init();
	of_expire_init();
	wf_timer_set(&second, 1000, each_second, NULL);
}

struct of_switch *
of_switch_new(struct bridge *bridge, const struct of_switch_ops *ops, void *aux, struct wf_err *err)
{
	struct of_switch *sw = wf_xzalloc(sizeof(*sw));

	sw->bridge = bridge;
	sw->ops = ops;
	sw->aux = aux;
	sw->versions = OF_VERSION_BITMAP_ALL;
	sw->fail_mode = OF_FAIL_SECURE;
	sw->max_pending = OF_BACKLOG_MAX;
	sw->created_ms = wf_now_ms();
	wf_list_init(&sw->services);
	wf_list_init(&sw->conns);
	wf_hmap_init(&sw->ports);
	wf_hmap_init(&sw->group_uses);
	of_tlv_map_init(&sw->tlv_map);
	view_set_tlv_map(bridge, &sw->tlv_map);
	if (getrandom(sw->uuid, sizeof(sw->uuid), 0) != sizeof(sw->uuid))
		memcpy(sw->uuid, bridge->name, sizeof(sw->uuid));
	bridge->of = sw;
	wf_list_push_back(&of_switches, &sw->node);
	of_tables_init(sw);
	if (of_listen_mgmt(sw, err)) {
		of_switch_free(sw);
		return NULL;
	}
	return sw;
}

void
of_switch_free(struct of_switch *sw)
{
	struct of_service *s, *next_s;
	struct of_conn *c, *next_c;

	if (!sw)
		return;
	wf_list_for_each_safe(c, next_c, node, &sw->conns)
		if (!c->is_active)
			of_conn_free(c);
	wf_list_for_each_safe(s, next_s, node, &sw->services)
		of_service_free(s);
	of_in_band_done(sw);
	of_groups_flush(sw);
	of_meters_flush(sw);
	of_publish();
	wf_list_remove(&sw->node);
	sw->bridge->of = NULL;
	of_ports_done(sw);
	of_flows_forget(sw);
	of_stat_triggers_done(sw);
	of_tables_done(sw);
	struct of_group_use *use;
	wf_hmap_for_each_safe(use, node, &sw->group_uses)
		free(use);
	wf_hmap_done(&sw->group_uses);
	of_learned_cookies_done(sw);
	of_cookies_done(sw);
	free(sw->dp_desc);
	free(sw->serial_desc);
	free(sw);
}

struct of_switch *
of_switch_find(const char *name)
{
	struct of_switch *sw;

	wf_list_for_each(sw, node, &of_switches)
		if (!strcmp(sw->bridge->name, name))
			return sw;
	return NULL;
}

void
of_switch_reconnect(struct of_switch *sw)
{
	struct of_service *s;

	wf_list_for_each(s, node, &sw->services)
		if (s->active)
			wf_reconnect_force(&s->active->rc);
}

void
of_switch_format_connections(struct of_switch *sw, struct wf_str *out)
{
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns)
		wf_str_fmt(out, "%s: %s, %s, %zu bytes wait, %llu asynchronous messages dropped\n",
			   c->name, wf_reconnect_state_name(&c->rc),
			   c->codec.version ? of_version_name(c->codec.version) : "no version",
			   c->stream ? wf_stream_backlog(c->stream) : 0,
			   (unsigned long long)c->n_dropped);
}

bool
of_switch_controller_status(const struct of_switch *sw, const char *target, unsigned nth,
			    struct of_controller_status *ret)
{
	static const char *const roles[] = { "other", "other", "master", "slave" };
	const struct of_conn *c = NULL, *i;

	wf_list_for_each(i, node, &sw->conns) {
		if (!i->service || !i->service->target || strcmp(i->service->target, target))
			continue;
		if (!i->is_active && nth--)
			continue;
		c = i;
		break;
	}
	if (!c)
		return false;
	ret->is_connected = of_conn_is_up(c);
	ret->role = roles[c->role];
	ret->state = wf_reconnect_state_name(&c->rc);
	ret->last_error = c->rc.last_error ? wf_strerror(c->rc.last_error) : NULL;
	ret->sec_since_connect = wf_reconnect_sec_since_connect(&c->rc);
	ret->sec_since_disconnect = wf_reconnect_sec_since_disconnect(&c->rc);
	return true;
}

void
of_memory_usage(void (*put)(void *aux, const char *name, unsigned n), void *aux)
{
	unsigned n_conns = 0, n_ports = 0, n_rules = 0;
	struct of_switch *sw;
	struct of_conn *c;

	wf_list_for_each(sw, node, &of_switches) {
		wf_list_for_each(c, node, &sw->conns)
			n_conns += of_conn_is_up(c);
		n_ports += (unsigned)sw->ports.n;
		for (unsigned t = 0; t < N_TABLES; t++)
			n_rules += sw->bridge->tables[t].n_rules;
	}
	if (n_conns)
		put(aux, "ofconns", n_conns);
	put(aux, "ports", n_ports);
	put(aux, "rules", n_rules);
}

/* --- Names of ports in texts -------------------------------------------------------------- */

const char *
of_switch_port_name(void *aux, of_port_t number)
{
	const struct of_port *p = of_port_find(aux, number);

	return p ? p->desc.name : NULL;
}

of_port_t
of_switch_port_number(void *aux, const char *name)
{
	const struct of_switch *sw = aux;
	struct of_port *p;

	wf_hmap_for_each(p, node, &sw->ports)
		if (!strcmp(p->desc.name, name))
			return p->desc.port;
	return OF_PORT_NONE;
}
