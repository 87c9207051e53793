/* SPDX-License-Identifier: Apache-2.0 */
/* Main as a runner: no cache, each packet is translated. */
#include "dataplane/worker_internal.h"

#include "base/clock.h"

struct runner main_runner;

void
main_runner_init(void)
{
	runner_init(&main_runner);
	main_runner.is_main = true;
	drop_use_counters(main_runner.drops);
}

void
main_runner_done(void)
{
	drop_use_counters(NULL);
	runner_done(&main_runner);
}

static void
begin(struct pass *p)
{
	p->rn = &main_runner;
	main_runner.now_ms = wf_now_ms();
	if (!main_runner.view)
		main_runner.view = view_get();
}

static void
end(struct pass *p)
{
	pipeline_settle(&main_runner, p->fate);
	runner_flush(&main_runner);
	/* The next packet takes the view of its time. */
	main_runner.view = NULL;
}

void
main_run_pass(struct pass *p, struct rte_mbuf *m)
{
	main_runner.view = view_get();
	begin(p);
	pipeline_packet(p, m);
	end(p);
}

void
main_hold(void)
{
	static struct wf_buf held;

	main_runner.held = &held;
}

void
main_release(bool send)
{
	runner_release(&main_runner, send);
}

void
main_execute(struct xlate_in *in, struct rte_mbuf *m)
{
	struct run_fate fate = { 0 };
	struct pass p = {
		.fate = &fate, .frozen = in->frozen, .bridge = in->bridge, .in_slot = in->in_slot,
		.in_port = in->key.in_port, .packet_type = in->key.packet_type,
		.dp_hash = in->key.dp_hash, .pkt_mark = in->key.pkt_mark,
		.skb_priority = in->key.skb_priority,
	};

	if (p.packet_type == OF_PT_ETH && pkt_size(m) < 14) {
		drop_count(DROP_RX_TOO_SHORT, 1);
		pkt_free(m);
		return;
	}
	main_runner.view = in->view ? in->view : view_get();
	begin(&p);
	if (in->in_slot < main_runner.view->n_slots)
		p.in_generation = main_runner.view->slots[in->in_slot].generation;
	in->view = main_runner.view;
	in->packet = m;
	in->packet_size = pkt_size(m);
	in->for_cache = false;
	pkt_parse(m, p.packet_type, &in->key, &p.layers);
	p.layers_valid = true;
	pipeline_translate_and_run(&p, in, m);
	end(&p);
}
