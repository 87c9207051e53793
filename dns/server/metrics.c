// SPDX-License-Identifier: Apache-2.0
/* What /metrics says (base/metrics_http.h). */
#include <stdlib.h>

#include "dns/server/server.h"
#include "dns/server/worker.h"
#include "dns/server/xdp.h"

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
