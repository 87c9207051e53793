// SPDX-License-Identifier: Apache-2.0
/* Prometheus' text format over HTTP, in libmicrohttpd's own thread. */
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "dns/server/server.h"
#include "dns/server/worker.h"
#include "dns/server/xdp.h"

static struct MHD_Daemon *http;

static void
put_counter(void *arg, const char *name, uint64_t value, const char *help)
{
	wf_str_fmt(arg, "# HELP weft_dns_%s_total %s\n# TYPE weft_dns_%s_total counter\nweft_dns_%s_total %llu\n", name, help,
		   name, name, (unsigned long long)value);
}

void
dns_metrics_text(struct wf_str *s)
{
	struct dns_counters sum;
	unsigned connections = 0;

	dns_server_counters(&sum);
#define C(NAME, HELP) put_counter(s, #NAME, sum.NAME, HELP);
#include "dns/answer/counters.def"
#undef C
	dns_xdp_counters(put_counter, s);
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		connections += dns_worker_n_connections(dns_server.workers[i]);
	wf_str_fmt(s, "# HELP weft_dns_tcp_connections TCP connections open now\n"
		      "# TYPE weft_dns_tcp_connections gauge\nweft_dns_tcp_connections %u\n", connections);
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
	   const char *version, const char *data, size_t *data_size, void **state)
{
	struct wf_str s = WF_STR_INIT;
	struct MHD_Response *r;
	enum MHD_Result rc;
	unsigned status = MHD_HTTP_OK;

	if (strcmp(method, "GET")) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		wf_str_put(&s, "only GET\n");
	} else if (strcmp(url, "/metrics")) {
		status = MHD_HTTP_NOT_FOUND;
		wf_str_put(&s, "there is /metrics\n");
	} else {
		dns_metrics_text(&s);
	}
	r = MHD_create_response_from_buffer(s.len, s.s, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	wf_str_done(&s);
	return rc;
}

int
dns_metrics_start(const struct sockaddr_storage *at, struct wf_err *err)
{
	unsigned flags =
		MHD_USE_INTERNAL_POLLING_THREAD | (at->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);

	http = MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, at,
				MHD_OPTION_CONNECTION_LIMIT, 16u, MHD_OPTION_CONNECTION_TIMEOUT,
				10u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192,
				MHD_OPTION_END);
	return http ? 0 : wf_err(err, -EADDRINUSE, "metrics: the address can't be listened on (%s); is its port taken?", strerror(errno));
}

void
dns_metrics_stop(void)
{
	if (http)
		MHD_stop_daemon(http);
	http = NULL;
}
