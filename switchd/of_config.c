/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration -> controllers, snoops, tables, fail mode. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/daemon.h"
#include "base/log.h"
#include "switchd/state/state.h"

WF_LOG_MODULE(connmgr);

static void
set_text(char **field, const char *text)
{
	free(*field);
	*field = text && *text ? wf_xstrdup(text) : NULL;
}

static struct of_service *
find_service(struct of_switch *sw, const char *target)
{
	struct of_service *s;

	wf_list_for_each(s, node, &sw->services)
		if (s->type == OF_SERVICE_CONTROLLER && !strcmp(s->target, target))
			return s;
	return NULL;
}

/* Of a kind that can be spoken to; whether the rest of the name makes sense shows when it is
 * tried. */
static bool
is_target(const char *name)
{
	return !strncmp(name, "tcp:", 4) || !strncmp(name, "ssl:", 4) ||
	       !strncmp(name, "unix:", 5) || wf_stream_name_is_valid(name) ||
	       wf_stream_name_is_passive(name);
}

static const char *
kind(const struct of_controller_config *c)
{
	return c->is_service ? "service" : "primary";
}

static void
set_controllers(struct of_switch *sw, const struct of_switch_config *config, bool versions_changed)
{
	struct of_service *s, *next;

	wf_list_for_each_safe(s, next, node, &sw->services) {
		unsigned i = 0;

		if (s->type != OF_SERVICE_CONTROLLER)
			continue;
		while (i < config->n_controllers &&
		       (config->flow_restore_wait ||
			strcmp(config->controllers[i].target, s->target)))
			i++;
		if (i == config->n_controllers) {
			wf_info("%s: removed %s controller \"%s\"", sw->bridge->name,
				kind(&s->config), s->target);
			of_service_free(s);
		} else if (versions_changed ||
			   s->config.is_service != config->controllers[i].is_service) {
			wf_info("%s: Changes to controller \"%s\" expects re-initialization: "
				"Re-initializing now.", sw->bridge->name, s->target);
			of_service_free(s);
		} else {
			of_service_configure(s, &config->controllers[i]);
		}
	}
	sw->n_controllers = 0;
	if (config->flow_restore_wait)
		return;
	for (unsigned i = 0; i < config->n_controllers; i++) {
		const struct of_controller_config *cc = &config->controllers[i];
		struct wf_err err;

		if (!is_target(cc->target)) {
			wf_warn_rl("%s: unsupported controller \"%s\"", sw->bridge->name,
				   cc->target);
			continue;
		}
		if (!find_service(sw, cc->target)) {
			if (!of_service_new(sw, OF_SERVICE_CONTROLLER, cc->target, cc, &err)) {
				wf_warn("%s: %s", sw->bridge->name, err.text);
				continue;
			}
			wf_info("%s: added %s controller \"%s\"", sw->bridge->name, kind(cc),
				cc->target);
		}
		sw->n_controllers += !cc->is_service;
	}
}

/* Versions count for tools, too: sessions that speak one that is no longer allowed go. */
static void
close_tools(struct of_switch *sw)
{
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns)
		if (c->service->type == OF_SERVICE_MGMT)
			c->is_closing = true;
}

static uint32_t
versions_of(const struct of_switch_config *config)
{
	uint32_t versions = config->versions & OF_VERSION_BITMAP_ALL;

	return versions ? versions : OF_VERSION_BITMAP_ALL;
}

/* What decides whose flows these are.  Returns true if those that are there are of another life: of
 * controllers that went, or of a switch without any. */
static bool
set_mode(struct of_switch *sw, const struct of_switch_config *config)
{
	uint32_t versions = versions_of(config);
	bool versions_changed = versions != sw->versions;
	bool had_controllers = sw->n_controllers > 0;
	bool mode_changed = sw->fail_mode != config->fail_mode;

	sw->versions = versions;
	sw->fail_mode = config->fail_mode;
	sw->flow_restore_wait = config->flow_restore_wait;
	sw->max_pending = config->max_pending_bytes ? config->max_pending_bytes : OF_BACKLOG_MAX;
	if (versions_changed)
		close_tools(sw);
	set_controllers(sw, config, versions_changed);
	of_tables_configure(sw, config->tables, config->n_tables);
	of_fail_update(sw);
	return had_controllers != (sw->n_controllers > 0) || (mode_changed && !sw->n_controllers);
}

bool
of_switch_is_restored(const struct of_switch *sw)
{
	return sw->restored;
}

void
of_switch_restore(struct of_switch *sw, const struct of_switch_config *config)
{
	bool flush = set_mode(sw, config);

	sw->restored = true;
	if (!state_restore(sw) && flush)
		of_flows_flush(sw);
}

void
of_switch_configure(struct of_switch *sw, const struct of_switch_config *config)
{
	if (!sw->restored)
		of_switch_restore(sw, config);
	if (sw->datapath_id != config->datapath_id) {
		struct of_conn *c, *next;

		/* Controllers know the switch by its id, so they have to ask again. */
		wf_list_for_each_safe(c, next, node, &sw->conns)
			if (sw->configured && c->service->type == OF_SERVICE_CONTROLLER)
				wf_reconnect_force(&c->rc);
		sw->datapath_id = config->datapath_id;
		view_set_datapath_id(sw->bridge, config->datapath_id);
	}
	set_text(&sw->dp_desc, config->dp_desc);
	set_text(&sw->serial_desc, config->serial_desc);
	if (set_mode(sw, config))
		of_flows_flush(sw);
	sw->configured = true;
	of_listen_snoops(sw, config->snoops, sw->n_controllers ? config->n_snoops : 0);
	of_miss_update(sw);
	state_mode(sw);
	of_in_band_configure(sw, config);
	of_in_band_run(sw);
	of_publish();
}
