/* SPDX-License-Identifier: Apache-2.0 */
/* Where sessions come from: BRIDGE.mgmt, passive and active controllers, and snoops. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/daemon.h"
#include "base/log.h"

WF_LOG_MODULE(connmgr);

/* A peer that is sent copies of what a controller and the switch say to each other. */
struct of_snooper {
	struct wf_list node;
	struct wf_stream *stream;
	bool greeted;
};

static size_t
snooper_input(void *s_, const uint8_t *data, size_t size)
{
	return size;
}

static void
snooper_closed(void *s_, int why, const char *text)
{
	struct of_snooper *s = s_;

	wf_list_remove(&s->node);
	wf_stream_close(s->stream);
	free(s);
}

static const struct wf_stream_ops snooper_ops = { .input = snooper_input, .closed = snooper_closed };

static void
on_accept(void *service_, struct wf_stream *stream)
{
	struct of_service *service = service_;

	if (service->type != OF_SERVICE_SNOOP) {
		of_conn_new(service, stream);
		return;
	}
	struct of_snooper *s = wf_xzalloc(sizeof(*s));
	struct wf_buf hello = WF_BUF_INIT;

	s->stream = stream;
	wf_stream_set_owner(stream, &snooper_ops, s);
	wf_list_push_back(&service->snoopers, &s->node);
	of_hello_encode(service->sw->versions, 1, &hello);
	wf_stream_write(stream, hello.data, hello.size);
	wf_buf_done(&hello);
}

bool
of_has_snoopers(const struct of_switch *sw)
{
	struct of_service *s;

	wf_list_for_each(s, node, &sw->services)
		if (!wf_list_is_empty(&s->snoopers))
			return true;
	return false;
}

void
of_snoop(struct of_switch *sw, const void *data, size_t size)
{
	struct of_service *service;
	struct of_snooper *s;

	wf_list_for_each(service, node, &sw->services)
		wf_list_for_each(s, node, &service->snoopers)
			/* One that does not read misses messages, whole ones. */
			if (wf_stream_backlog(s->stream) < sw->max_pending)
				wf_stream_write(s->stream, data, size);
}

/* Until they are let go nobody is listened or connected to: another daemon is in charge. */
static bool held;

static int
start(struct of_service *s, struct wf_err *err)
{
	if (s->type == OF_SERVICE_CONTROLLER && !wf_stream_name_is_passive(s->target)) {
		s->active = of_conn_new(s, NULL);
		return 0;
	}
	/* Mode 0750, as others expect of the sockets in the run directory. */
	s->listener = wf_listener_open(s->target, 6653, 0750, on_accept, s, err);
	if (!s->listener)
		return -1;
	wf_listener_set_dscp(s->listener, s->config.dscp);
	return 0;
}

void
of_services_hold(void)
{
	held = true;
}

void
of_services_let_go(void)
{
	struct of_switch *sw;
	struct of_service *s;
	struct wf_err err;

	held = false;
	wf_list_for_each(sw, node, &of_switches)
		wf_list_for_each(s, node, &sw->services)
			if (!s->listener && !s->active && start(s, &err))
				wf_warn("%s: %s", sw->bridge->name, err.text);
}

void
of_listeners_for_each(void (*fn)(const struct wf_listener *, void *aux), void *aux)
{
	struct of_switch *sw;
	struct of_service *s;

	wf_list_for_each(sw, node, &of_switches)
		wf_list_for_each(s, node, &sw->services)
			if (s->listener)
				fn(s->listener, aux);
}

struct of_service *
of_service_new(struct of_switch *sw, enum of_service_type type, const char *target,
	       const struct of_controller_config *config, struct wf_err *err)
{
	struct of_service *s = wf_xzalloc(sizeof(*s));

	s->sw = sw;
	s->type = type;
	s->target = wf_xstrdup(target);
	s->config = *config;
	s->config.target = NULL;
	wf_list_init(&s->snoopers);
	wf_list_push_back(&sw->services, &s->node);
	if (!held && start(s, err)) {
		wf_list_remove(&s->node);
		free(s->target);
		free(s);
		return NULL;
	}
	return s;
}

void
of_service_free(struct of_service *s)
{
	struct of_conn *c, *next;
	struct of_snooper *snooper, *next_snooper;

	wf_list_for_each_safe(c, next, node, &s->sw->conns)
		if (c->service == s)
			of_conn_free(c);
	wf_list_for_each_safe(snooper, next_snooper, node, &s->snoopers)
		snooper_closed(snooper, 0, NULL);
	wf_list_remove(&s->node);
	if (s->listener)
		wf_listener_close(s->listener);
	free(s->target);
	free(s);
}

void
of_service_configure(struct of_service *s, const struct of_controller_config *config)
{
	struct of_conn *c;

	s->config = *config;
	s->config.target = NULL;
	if (s->listener)
		wf_listener_set_dscp(s->listener, config->dscp);
	wf_list_for_each(c, node, &s->sw->conns)
		if (c->service == s)
			of_conn_configure(c);
}

static const struct of_controller_config tool_config = { .is_service = true };

int
of_listen_mgmt(struct of_switch *sw, struct wf_err *err)
{
	char *target = wf_xasprintf("punix:%s/%s.mgmt", wf_rundir(), sw->bridge->name);
	struct of_service *s = of_service_new(sw, OF_SERVICE_MGMT, target, &tool_config, err);

	free(target);
	return s ? 0 : -1;
}

void
of_listen_snoops(struct of_switch *sw, const char *const *targets, unsigned n)
{
	struct of_service *s, *next;
	unsigned i;

	wf_list_for_each_safe(s, next, node, &sw->services) {
		if (s->type != OF_SERVICE_SNOOP)
			continue;
		for (i = 0; i < n && strcmp(targets[i], s->target); i++)
			;
		if (i == n)
			of_service_free(s);
	}
	for (i = 0; i < n; i++) {
		struct wf_err err;
		bool have = false;

		wf_list_for_each(s, node, &sw->services)
			have |= s->type == OF_SERVICE_SNOOP && !strcmp(s->target, targets[i]);
		if (!have &&
		    !of_service_new(sw, OF_SERVICE_SNOOP, targets[i], &tool_config, &err))
			wf_warn("%s: %s", sw->bridge->name, err.text);
	}
}
