// SPDX-License-Identifier: Apache-2.0
#include "glb/metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>

#include "glb/address.h"

static struct {
	struct MHD_Daemon *http;
	struct in6_addr address;
	uint16_t port;
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
		glb_metrics_lock();
		m.fn(&s);
		glb_metrics_unlock();
	}
	r = MHD_create_response_from_buffer(s.len, s.s, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	wf_str_done(&s);
	return rc;
}

static struct MHD_Daemon *
open_http(const struct in6_addr *address, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *address };
	bool four = glb_address_is_v4(address);

	memcpy(&sin.sin_addr, &address->s6_addr[12], 4);
	return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | (four ? 0 : MHD_USE_IPv6), 0, NULL, NULL, on_request,
				NULL, MHD_OPTION_SOCK_ADDR, four ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6,
				MHD_OPTION_CONNECTION_LIMIT, 16u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192, MHD_OPTION_END);
}

int
glb_metrics_listen(const struct in6_addr *address, uint16_t port, void (*fn)(struct wf_str *), struct wf_err *err)
{
	struct MHD_Daemon *http = NULL;
	bool same_port = m.http && port == m.port;

	if (m.http && port == m.port && !memcmp(address, &m.address, sizeof *address))
		return 0;
	m.fn = fn;
	/* Of one port, "any" is in the way of each address. */
	if (same_port)
		glb_metrics_stop();
	if (port) {
		http = open_http(address, port);
		if (!http) {
			wf_err(err, -EADDRINUSE, "metrics: port %u of the address can't be listened on (%s)", port,
			       strerror(errno));
			m.http = same_port ? open_http(&m.address, m.port) : m.http;
			return -EADDRINUSE;
		}
	}
	glb_metrics_stop();
	m.http = http;
	m.address = *address;
	m.port = port;
	return 0;
}

void
glb_metrics_stop(void)
{
	if (m.http)
		MHD_stop_daemon(m.http);
	m.http = NULL;
}

void
glb_metrics_lock(void)
{
	pthread_mutex_lock(&m.lock);
}

void
glb_metrics_unlock(void)
{
	pthread_mutex_unlock(&m.lock);
}

void
glb_metrics_label(struct wf_str *s, const char *name, const char *value)
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
