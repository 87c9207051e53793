/* SPDX-License-Identifier: Apache-2.0 */
/* How long the codec takes for the two messages that come in hundreds of thousands: a flow_mod
 * (inside a bundle where the version has them) read, and the statistics of a flow written.  The
 * flow is the one of tests/bench/flow-table.  Prints nanoseconds of CPU time and millions a
 * second, by version. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "openflow/action.h"
#include "openflow/msg_bundle.h"
#include "openflow/msg_flow.h"

#define N 300000

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void
must(const char *error)
{
	if (error) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
}

static double
time_decode(const struct of_codec *c, const struct wf_buf *message)
{
	static const struct of_limits limits = { .max_ports = OF_PORT_MAX, .n_tables = 254 };
	static struct of_flow_mod fm;
	struct wf_buf actions = WF_BUF_INIT;
	double start = cpu_seconds();

	for (unsigned i = 0; i < N; i++) {
		struct of_bundle_add add;
		struct of_msg m;
		of_err_t error = of_msg_classify(message->data, message->size, &m);

		if (!error && m.id == OF_M_BUNDLE_ADD_MESSAGE) {
			error = of_bundle_add_decode(&m, &add);
			m = add.msg;
		}
		if (!error)
			error = of_flow_mod_decode(c, &m, &limits, &fm, &actions);
		if (error)
			must(of_err_name(error));
	}
	wf_buf_done(&actions);
	return (cpu_seconds() - start) / N;
}

static double
time_encode(const struct of_codec *c, const struct of_flow_mod *fm)
{
	struct of_match *match = of_match_pack(&fm->match);
	struct of_flow_stats fs = { .match = match, .priority = fm->priority, .duration_s = 4,
				    .n_packets = 5, .n_bytes = 6, .actions = fm->actions,
				    .actions_size = fm->actions_size };
	struct wf_buf out = WF_BUF_INIT;
	struct of_multipart mp;
	double start = cpu_seconds();

	of_multipart_begin_form(&mp, &out,
				c->nxm ? OF_R_NXST_FLOW_REPLY
				       : of_msg_form_for(OF_M_FLOW_REPLY, c->version),
				c->version, 1);
	for (unsigned i = 0; i < N; i++) {
		of_flow_stats_append(&mp, c, &fs);
		size_t ready = of_multipart_ready(&mp);
		if (ready > 1000000) {
			wf_buf_pull(&out, ready);
			of_multipart_pulled(&mp, ready);
		}
	}
	of_multipart_end(&mp);
	double each = (cpu_seconds() - start) / N;
	free(match);
	wf_buf_done(&out);
	return each;
}

static void
run(struct of_codec c, const char *name)
{
	static struct of_flow_mod fm;
	struct wf_buf actions = WF_BUF_INIT, message = WF_BUF_INIT, bundled = WF_BUF_INIT;

	must(of_match_parse(&fm.match, "ip,in_port=1,nw_src=10.1.2.3,nw_dst=192.168.0.0/16", NULL,
			    NULL));
	must(of_actions_parse("output:2", &actions));
	fm.priority = 100;
	fm.buffer_id = OF_NO_BUFFER;
	fm.out_port = OF_PORT_ANY;
	fm.out_group = OF_GROUP_ANY;
	fm.actions = actions.data;
	fm.actions_size = actions.size;
	of_flow_mod_encode(&c, 1, &fm, &message);
	if (c.version >= OF13_VERSION)
		of_bundle_add_encode(c.version, 1, 1, OF_BF_ATOMIC, message.data, message.size,
				     &bundled);
	double decode = time_decode(&c, bundled.size ? &bundled : &message);
	double encode = time_encode(&c, &fm);
	printf("%-10s flow_mod %4.0f ns, %.2f M/s; flow statistics %4.0f ns, %.2f M/s\n", name,
	       decode * 1e9, 1e-6 / decode, encode * 1e9, 1e-6 / encode);
	wf_buf_done(&actions);
	wf_buf_done(&message);
	wf_buf_done(&bundled);
}

int
main(void)
{
	run((struct of_codec){ .version = OF10_VERSION, .nxm = true, .tid = true }, "1.0 + NXM");
	for (uint8_t v = OF10_VERSION; v <= OF15_VERSION; v++)
		run((struct of_codec){ .version = v, .tid = true }, of_version_name(v));
	return 0;
}
