// SPDX-License-Identifier: Apache-2.0
/* The commands of the control socket: dns/show, dns/counters, dns/reload, dns/secondaries,
 * dns/refresh, dns/why. */
#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "base/unixctl.h"
#include "dns/answer/why.h"
#include "dns/server/secondary.h"
#include "dns/server/selftest.h"
#include "dns/server/server.h"
#include "dns/server/worker.h"
#include "dns/server/xdp.h"
#include "dns/zone/load.h"

WF_LOG_MODULE(dns_ctl);

static void
on_show(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	const struct dns_view *v = dns_server_view();
	struct wf_str s = WF_STR_INIT;
	size_t records = 0, nodes = 0, bytes = 0;
	unsigned connections = 0;
	struct dns_counters sum;

	dns_server_counters(&sum);
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		connections += dns_worker_n_connections(dns_server.workers[i]);
	for (size_t i = 0; i <= v->mask; i++)
		if (v->slots[i]) {
			records += v->slots[i]->n_records;
			nodes += v->slots[i]->n_nodes;
			bytes += v->slots[i]->arena.total + (v->slots[i]->mask + 1) * 8;
		}
	wf_str_fmt(&s, "configuration: %s\n", dns_server.conf_path);
	wf_str_fmt(&s, "zones: %zu, %zu records, %zu names, %zu kB\n", v->n_zones, records, nodes, bytes / 1024);
	wf_str_fmt(&s, "reloads: %llu, %llu failed\n", (unsigned long long)dns_server.n_reloads,
		   (unsigned long long)dns_server.n_reloads_failed);
	if (dns_server.last_error)
		wf_str_fmt(&s, "last reload failed, the data before it is in force: %s\n", dns_server.last_error);
	wf_str_fmt(&s, "workers: %u\ntcp connections: %u\n", dns_server.n_workers, connections);
	wf_str_fmt(&s, "queries: %llu, answers: %llu\n",
		   (unsigned long long)(sum.queries_udp4 + sum.queries_udp6 + sum.queries_tcp4 +
					sum.queries_tcp6),
		   (unsigned long long)sum.answers);
	dns_xdp_show(&s);
	dns_selftest_show(&s);
	if (argc > 1 && !strcmp(argv[1], "zones"))
		for (size_t i = 0; i <= v->mask; i++)
			if (v->slots[i])
				wf_str_fmt(&s, "zone %s serial %u, %zu records, %s\n", v->slots[i]->text, v->slots[i]->serial,
					   v->slots[i]->n_records, v->slots[i]->path ? v->slots[i]->path : "no data");
	unixctl_reply(c, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
put_counter(void *arg, const char *name, uint64_t value, const char *help)
{
	wf_str_fmt(arg, "%-20s %12llu  %s\n", name, (unsigned long long)value, help);
}

static void
on_counters(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct dns_counters sum;

	dns_server_counters(&sum);
#define C(NAME, HELP) put_counter(&s, #NAME, sum.NAME, HELP);
#include "dns/answer/counters.def"
#undef C
	dns_xdp_counters(put_counter, &s);
	unixctl_reply(c, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_reload(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct wf_err err = { "" };

	if (dns_server_reload(&s, &err)) {
		char *text = wf_xasprintf("%s%s\nnothing was changed: the data before goes on being served", wf_str_cstr(&s), err.text);

		wf_error("reload: %s", err.text);
		unixctl_reply_error(c, text);
		free(text);
	} else {
		wf_info("reloaded: %zu zones", dns_server_view()->n_zones);
		wf_str_fmt(&s, "reloaded: %zu zones\n", dns_server_view()->n_zones);
		unixctl_reply(c, wf_str_cstr(&s));
	}
	wf_str_done(&s);
}

static void
on_secondaries(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	dns_secondary_show(&s);
	unixctl_reply(c, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_refresh(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	struct wf_err err = { "" };
	struct dns_name name;

	if (argc > 1 && dns_name_from_text(&name, argv[1], NULL, &err))
		unixctl_reply_error(c, err.text);
	else if (!dns_secondary_refresh(argc > 1 ? &name : NULL))
		unixctl_reply_error(c, argc > 1 ? "no zone of that name has primaries" : "no zone has primaries");
	else
		unixctl_reply(c, NULL);
}

/* dns/why NAME [TYPE] [--client ADDRESS[/LENGTH]] */
static void
on_why(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	struct dns_why_question q = { .qtype = DNS_A,
				      .client.family = 4,
				      .client.address = { 127, 0, 0, 1 } };
	struct wf_str s = WF_STR_INIT;
	struct wf_err err = { "" };
	bool bad = dns_name_from_text(&q.qname, argv[1], NULL, &err);

	for (int i = 2; i < argc && !bad; i++) {
		if (!strcmp(argv[i], "--client") && i + 1 < argc) {
			bad = dns_why_parse_client(&q, argv[++i], &err);
		} else if (!(q.qtype = dns_type_from_text(argv[i]))) {
			wf_err(&err, -1, "\"%s\" is no record type; usage: NAME [TYPE] [--client ADDRESS[/LENGTH]]", argv[i]);
			bad = true;
		}
	}
	if (bad) {
		unixctl_reply_error(c, err.text);
		return;
	}
	dns_why(dns_server_view(), &q, &s);
	dns_xdp_why(&q.qname, q.qtype, &s);
	unixctl_reply(c, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
dns_ctl_init(void)
{
	unixctl_command("dns/show", "[zones]", 0, 1, on_show, NULL);
	unixctl_command("dns/counters", "", 0, 0, on_counters, NULL);
	unixctl_command("dns/reload", "", 0, 0, on_reload, NULL);
	unixctl_command("dns/secondaries", "", 0, 0, on_secondaries, NULL);
	unixctl_command("dns/refresh", "[ZONE]", 0, 1, on_refresh, NULL);
	unixctl_command("dns/why", "NAME [TYPE] [--client ADDRESS[/LENGTH]]", 1, 4, on_why, NULL);
}
