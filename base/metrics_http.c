// SPDX-License-Identifier: Apache-2.0
#include "base/metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct {
	struct MHD_Daemon *http;
	struct sockaddr_storage at;
	void (*fn)(struct wf_str *);
	pthread_mutex_t lock;
} m = { .lock = PTHREAD_MUTEX_INITIALIZER };

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version,
	   const char *data, size_t *data_size, void **state)
{
	struct wf_str s = WF_STR_INIT;
	struct MHD_Response *r;
	unsigned status = MHD_HTTP_OK;
	enum MHD_Result rc;

	if (strcmp(method, "GET")) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		wf_str_put(&s, "only GET\n");
	} else if (strcmp(url, "/metrics")) {
		status = MHD_HTTP_NOT_FOUND;
		wf_str_put(&s, "there is /metrics\n");
	} else {
		wf_metrics_lock();
		m.fn(&s);
		wf_metrics_unlock();
	}
	r = MHD_create_response_from_buffer(s.len, s.s, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	wf_str_done(&s);
	return rc;
}

static struct MHD_Daemon *
open_http(const struct sockaddr_storage *at)
{
	unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | (at->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, at,
				MHD_OPTION_CONNECTION_LIMIT, 16u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192, MHD_OPTION_END);
}

static in_port_t
port_of(const struct sockaddr_storage *at)
{
	return at->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)at)->sin6_port :
					   ((const struct sockaddr_in *)at)->sin_port;
}

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family || port_of(a) != port_of(b))
		return false;
	return a->ss_family == AF_INET6 ? !memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) :
					  a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

int
wf_metrics_listen(const struct sockaddr_storage *at, void (*fn)(struct wf_str *), struct wf_err *err)
{
	bool same_port = at && m.http && port_of(at) == port_of(&m.at);
	struct MHD_Daemon *http = NULL;

	if (same_port && same_address(at, &m.at))
		return 0;
	m.fn = fn;
	/* Of one port, "any" is in the way of each address. */
	if (same_port)
		wf_metrics_stop();
	if (at) {
		http = open_http(at);
		if (!http) {
			wf_err(err, -EADDRINUSE, "metrics: port %u of the address can't be listened on (%s); is it taken?",
			       ntohs(port_of(at)), strerror(errno));
			m.http = same_port ? open_http(&m.at) : m.http;
			return -EADDRINUSE;
		}
	}
	wf_metrics_stop();
	m.http = http;
	if (at)
		m.at = *at;
	return 0;
}

void
wf_metrics_stop(void)
{
	if (m.http)
		MHD_stop_daemon(m.http);
	m.http = NULL;
}

void
wf_metrics_lock(void)
{
	pthread_mutex_lock(&m.lock);
}

void
wf_metrics_unlock(void)
{
	pthread_mutex_unlock(&m.lock);
}

void
wf_metrics_label(struct wf_str *s, const char *name, const char *value)
{
	wf_str_fmt(s, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			wf_str_putc(s, '\\');
		if (*value == '\n')
			wf_str_put(s, "\\n");
		else
			wf_str_putc(s, *value);
	}
	wf_str_putc(s, '"');
}
