/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to controllers: who gets them, in which form, and how many.
 *
 * Two bounds.  A session whose peer does not read gets none (of_conn_async()).  One with a
 * configured rate gets so many a second; what comes faster waits in a queue of its own, whose
 * ports are served in turn, and is dropped when that is full, from the port that has most packets
 * there. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/coverage.h"
#include "dataplane/packet.h"
#include "dataplane/run.h"

WF_COVERAGE(packet_in_dropped_rate);
WF_COVERAGE(packet_in_dropped_meter);
WF_COVERAGE(packet_in_dropped_closed);  /* it waited in a session that ended */
WF_COVERAGE(packet_in_dropped_offload); /* no memory for what would be on the wire, or headers that do not fit the flags */

/* A message has 16 bits for its length, and carries metadata besides. */
#define MAX_PAYLOAD 65000u

/* --- Rate ----------------------------------------------------------------------------------- */

struct pin {
	struct wf_list node;
	size_t size;
	uint8_t data[];
};

/* What waits of one port; there while it has any. */
struct pin_port {
	struct wf_list node;
	of_port_t port;
	struct wf_list pins; /* oldest first */
	unsigned n;
};

struct of_pin_queue {
	struct of_conn *conn;
	int64_t tokens, filled_ms; /* thousandths of a message */
	struct wf_list ports;      /* in the order in which they are served */
	unsigned n;                /* packets of all ports */
	struct wf_timer timer;
};

static struct pin_port *
port_of(struct of_pin_queue *q, of_port_t port)
{
	struct pin_port *p;

	wf_list_for_each(p, node, &q->ports)
		if (p->port == port)
			return p;
	p = wf_xzalloc(sizeof(*p));
	p->port = port;
	wf_list_init(&p->pins);
	wf_list_push_back(&q->ports, &p->node);
	return p;
}

/* The oldest packet of the port, which goes to the end of the row.  The caller frees it. */
static struct pin *
take(struct of_pin_queue *q, struct pin_port *p)
{
	struct pin *pin = wf_container(wf_list_pop_front(&p->pins), struct pin, node);

	wf_list_remove(&p->node);
	p->n--;
	q->n--;
	if (p->n)
		wf_list_push_back(&q->ports, &p->node);
	else
		free(p);
	return pin;
}

static void
fill(struct of_pin_queue *q)
{
	const struct of_controller_config *cfg = &q->conn->service->config;
	int64_t now = wf_now_ms();
	int burst = cfg->controller_burst_limit > cfg->controller_rate_limit / 4
			    ? cfg->controller_burst_limit : cfg->controller_rate_limit / 4;

	q->tokens += (now - q->filled_ms) * cfg->controller_rate_limit;
	q->filled_ms = now;
	if (burst < 1)
		burst = 1;
	if (q->tokens > burst * 1000ll)
		q->tokens = burst * 1000ll;
}

static void
queue_run(struct wf_timer *t)
{
	struct of_pin_queue *q = t->arg;

	fill(q);
	while (q->n && q->tokens >= 1000) {
		struct pin *p = take(q, wf_container(q->ports.next, struct pin_port, node));

		q->tokens -= 1000;
		wf_buf_put(&q->conn->out, p->data, p->size);
		of_conn_async(q->conn);
		free(p);
	}
	if (q->n)
		wf_timer_set(&q->timer, 10, queue_run, q);
}

/* The port that has most packets waiting loses its oldest, and keeps its place in the row. */
static void
drop_one(struct of_pin_queue *q)
{
	struct pin_port *p, *most = NULL;

	wf_list_for_each(p, node, &q->ports)
		if (!most || p->n > most->n)
			most = p;
	if (!most)
		return;
	if (most->n > 1) {
		free(wf_container(wf_list_pop_front(&most->pins), struct pin, node));
		most->n--;
		q->n--;
	} else {
		free(take(q, most));
	}
	wf_coverage_inc(packet_in_dropped_rate);
}

static void
send_limited(struct of_conn *c, of_port_t port)
{
	const struct of_controller_config *cfg = &c->service->config;
	struct of_pin_queue *q = c->pins;
	unsigned max = cfg->queue_size > 0 ? (unsigned)cfg->queue_size : 100;

	if (cfg->controller_rate_limit <= 0) {
		of_conn_async(c);
		return;
	}
	if (!q) {
		q = c->pins = wf_xzalloc(sizeof(*q));
		q->conn = c;
		q->filled_ms = wf_now_ms() - 1000;
		wf_list_init(&q->ports);
	}
	fill(q);
	if (!q->n && q->tokens >= 1000) {
		q->tokens -= 1000;
		of_conn_async(c);
		return;
	}
	if (q->n >= max)
		drop_one(q);
	struct pin *p = wf_xmalloc(sizeof(*p) + c->out.size);
	struct pin_port *of = port_of(q, port);
	p->size = c->out.size;
	memcpy(p->data, c->out.data, p->size);
	wf_buf_clear(&c->out);
	wf_list_push_back(&of->pins, &p->node);
	of->n++;
	q->n++;
	if (!q->timer.heap_index)
		wf_timer_set(&q->timer, 10, queue_run, q);
}

void
of_packet_in_conn_done(struct of_conn *c)
{
	struct of_pin_queue *q = c->pins;

	if (!q)
		return;
	wf_timer_cancel(&q->timer);
	while (q->n) {
		free(take(q, wf_container(q->ports.next, struct pin_port, node)));
		wf_coverage_inc(packet_in_dropped_closed);
	}
	free(q);
	c->pins = NULL;
}

/* --- Packet-in ------------------------------------------------------------------------------- */

static void
fill_frozen(const struct of_switch *sw, const struct frozen *f, struct of_frozen *out)
{
	*out = (struct of_frozen){
		.stack = f->stack, .stack_size = f->stack_size, .mirrors = f->mirrored,
		.conntracked = f->conntracked, .table = (uint8_t)f->table,
		.cookie = f->rule_cookie, .actions = f->actions, .actions_size = f->actions_size,
		.action_set = f->action_set, .action_set_size = f->action_set_size,
		.odp_port = UINT32_MAX,
	};
	memcpy(out->bridge, sw->uuid, sizeof(out->bridge));
}

static bool
meter_allows(struct of_switch *sw, const struct packet_in_spec *spec, uint32_t size)
{
	struct meter *meter = spec->meter_id ? view_meter_pending(sw->bridge, spec->meter_id)
					     : of_meter_virtual_find(sw, OF_METER_CONTROLLER);
	const struct meter_band *hit = meter ? meter_charge(meter, wf_now_ms(), size) : NULL;

	return !hit || hit->type != OF_MBT_DROP;
}

static void
send_one(struct of_switch *sw, const struct packet_in_spec *spec, const struct rte_mbuf *m)
{
	static struct of_packet_in pi;
	struct of_frozen frozen;
	struct of_conn *c;
	uint32_t size = pkt_size(m);

	if (!meter_allows(sw, spec, size)) {
		wf_coverage_inc(packet_in_dropped_meter);
		return;
	}
	pi = (struct of_packet_in){
		.packet = pkt_data(m), .packet_len = size, .total_len = size,
		.max_len = spec->max_len ? spec->max_len : UINT16_MAX,
		.buffer_id = OF_NO_BUFFER, .reason = spec->reason, .table = spec->table_id,
		.cookie = spec->cookie, .userdata = spec->userdata,
		.userdata_len = spec->userdata_len,
	};
	if (pi.max_len > MAX_PAYLOAD && size > MAX_PAYLOAD)
		pi.max_len = MAX_PAYLOAD;
	of_match_metadata_from_key(&spec->metadata, &pi.metadata);
	if (spec->frozen)
		fill_frozen(sw, spec->frozen, &frozen);
	wf_list_for_each(c, node, &sw->conns) {
		if (c->controller_id != spec->controller_id ||
		    !of_conn_wants(c, OF_ASYNC_PACKET_IN, spec->reason))
			continue;
		of_packet_in_encode(&c->codec, c->packet_in_format, &pi,
				    spec->frozen && spec->pause ? &frozen : NULL, &c->out);
		send_limited(c, spec->metadata.in_port);
	}
}

/* A packet that asks a card to complete it: controllers get what would be on the wire. */
static void
send_completed(struct of_switch *sw, const struct packet_in_spec *spec, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy = pkt_copy(m), **segments;
	struct pkt_layers layers;
	unsigned n;
	int rc;

	if (!copy) {
		wf_coverage_inc(packet_in_dropped_offload);
		return;
	}
	pkt_find_layers(copy, OF_PT_ETH, 0, &layers);
	if (copy->ol_flags & PKT_TX_SEG) {
		n = pkt_segment_count(copy, &layers);
		segments = wf_xmalloc(n * sizeof *segments);
		rc = pkt_segment(copy, &layers, segments, n);
		if (rc < 0)
			wf_coverage_inc(packet_in_dropped_offload);
		for (int i = 0; i < rc; i++) {
			send_one(sw, spec, segments[i]);
			pkt_free(segments[i]);
		}
		free(segments);
	} else {
		pkt_finish_checksums(copy, &layers);
		send_one(sw, spec, copy);
	}
	pkt_free(copy);
}

void
of_packet_in(const struct packet_in_spec *spec, const struct rte_mbuf *m)
{
	struct of_switch *sw = of_bridge_switch(spec->bridge);
	const struct of_tlv_map *before;

	if (!sw)
		return;
	before = of_tlv_map_enter(&sw->tlv_map);
	if (m->ol_flags & PKT_TX_OPEN)
		send_completed(sw, spec, m);
	else
		send_one(sw, spec, m);
	of_tlv_map_enter(before);
}
