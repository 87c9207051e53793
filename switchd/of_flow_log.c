/* SPDX-License-Identifier: Apache-2.0 */
/* "br0<->tcp:10.0.0.1:6653: 9 flow_mods in the last 0 s (7 adds, 2 deletes)": a summary ten seconds
 * after a session's first flow_mod, then at most once a minute, and when it ends. */
#include "switchd/of_internal.h"

#include "base/log.h"

WF_LOG_MODULE(connmgr);

#define FIRST_REPORT_MS 10000
#define PAUSE_MS 60000

void
of_flow_log_flush(struct of_conn *c)
{
	struct of_flow_log *log = &c->flow_log;
	unsigned n = log->n_add + log->n_delete + log->n_modify;
	struct wf_str s = WF_STR_INIT;
	const char *comma = "";

	wf_timer_cancel(&log->timer);
	if (!n)
		return;
	long long ago = (wf_now_ms() - log->first_ms) / 1000;
	long long interval = (log->last_ms - log->first_ms) / 1000;

	if (interval == ago)
		wf_str_fmt(&s, "in the last %lld s", ago);
	else if (interval)
		wf_str_fmt(&s, "in the %lld s starting %lld s ago", interval, ago);
	else
		wf_str_fmt(&s, "%lld s ago", ago);
	wf_str_put(&s, " (");
	if (log->n_add) {
		wf_str_fmt(&s, "%u adds", log->n_add);
		comma = ", ";
	}
	if (log->n_delete) {
		wf_str_fmt(&s, "%s%u deletes", comma, log->n_delete);
		comma = ", ";
	}
	if (log->n_modify)
		wf_str_fmt(&s, "%s%u modifications", comma, log->n_modify);
	wf_info("%s: %u flow_mods %s)", c->name, n, wf_str_cstr(&s));
	wf_str_done(&s);
	log->n_add = log->n_delete = log->n_modify = 0;
}

static void
on_timer(struct wf_timer *t)
{
	of_flow_log_flush(t->arg);
}

void
of_flow_log(struct of_conn *c, uint8_t command)
{
	struct of_flow_log *log = &c->flow_log;
	int64_t now = wf_now_ms();

	if (!(log->n_add + log->n_delete + log->n_modify)) {
		int64_t report = now + FIRST_REPORT_MS;

		log->first_ms = now;
		if (report < log->not_before_ms)
			report = log->not_before_ms;
		log->not_before_ms = report + PAUSE_MS;
		wf_timer_set(&log->timer, report - now, on_timer, c);
	}
	log->last_ms = now;
	if (command == OF_FC_ADD)
		log->n_add++;
	else if (command == OF_FC_DELETE || command == OF_FC_DELETE_STRICT)
		log->n_delete++;
	else
		log->n_modify++;
}
