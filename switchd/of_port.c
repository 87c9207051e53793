/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and queues as OpenFlow shows them. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct of_port *
of_port_find(const struct of_switch *sw, of_port_t number)
{
	struct of_port *p;

	wf_hmap_for_each_with_hash(p, node, wf_hash_u64(number, 0), &sw->ports)
		if (p->desc.port == number)
			return p;
	return NULL;
}

void
of_ports_done(struct of_switch *sw)
{
	struct of_port *p;

	wf_hmap_for_each_safe(p, node, &sw->ports)
		free(p);
	wf_hmap_done(&sw->ports);
}

/* A port that is down has no link, whatever its device says of itself. */
static void
settle_state(struct of_port_desc *d)
{
	if (!(d->config & OF_PC_PORT_DOWN))
		return;
	d->state &= ~OF_PS_LIVE;
	d->state |= OF_PS_LINK_DOWN;
}

/* --- Status ------------------------------------------------------------------------------- */

void
of_port_status(struct of_switch *sw, enum of_port_reason reason, const struct of_port_desc *desc,
	       const struct of_conn *source, const struct of_port_desc *old)
{
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns) {
		if (!of_conn_wants(c, OF_ASYNC_PORT_STATUS, reason))
			continue;
		/* Before 1.5 (EXT-338) who sent the PORT_MOD is not told of it. */
		if (c == source && c->codec.version < OF15_VERSION)
			continue;
		of_port_status_encode(&c->codec, reason, desc, &c->out);
		if (old) {
			/* What this version cannot say has not changed for it. */
			struct wf_buf was = WF_BUF_INIT;
			bool same;

			of_port_status_encode(&c->codec, reason, old, &was);
			same = was.size == c->out.size && !memcmp(was.data, c->out.data, was.size);
			wf_buf_done(&was);
			if (same) {
				wf_buf_clear(&c->out);
				continue;
			}
		}
		of_conn_async(c);
	}
}

void
of_switch_port_add(struct of_switch *sw, const struct of_port_desc *desc)
{
	struct of_port *p = of_port_find(sw, desc->port);

	if (p) {
		of_switch_port_change(sw, desc);
		return;
	}
	p = wf_xzalloc(sizeof(*p));
	p->desc = *desc;
	settle_state(&p->desc);
	p->created_ms = wf_now_ms();
	wf_hmap_insert(&sw->ports, &p->node, wf_hash_u64(desc->port, 0));
	of_publish();
	/* A port comes first and is live then: two messages, as Open vSwitch sends them. */
	struct of_port_desc first = p->desc;
	first.state &= ~OF_PS_LIVE;
	of_port_status(sw, OF_PR_ADD, &first, NULL, NULL);
	of_port_status(sw, OF_PR_MODIFY, &p->desc, NULL, &first);
}

void
of_switch_port_change(struct of_switch *sw, const struct of_port_desc *desc)
{
	struct of_port *p = of_port_find(sw, desc->port);
	struct of_port_desc old;

	if (!p) {
		of_switch_port_add(sw, desc);
		return;
	}
	old = p->desc;
	p->desc = *desc;
	/* The device knows only whether it is up. */
	p->desc.config = (old.config & ~OF_PC_PORT_DOWN) | (desc->config & OF_PC_PORT_DOWN);
	settle_state(&p->desc);
	if (!memcmp(&old, &p->desc, sizeof(old)))
		return;
	of_publish();
	of_port_status(sw, OF_PR_MODIFY, &p->desc, NULL, &old);
}

void
of_switch_port_del(struct of_switch *sw, of_port_t number)
{
	struct of_port *p = of_port_find(sw, number);

	if (!p)
		return;
	wf_hmap_remove(&sw->ports, &p->node);
	of_publish();
	of_port_status(sw, OF_PR_DELETE, &p->desc, NULL, NULL);
	free(p);
}

uint32_t
of_switch_port_config(const struct of_switch *sw, of_port_t number)
{
	const struct of_port *p = of_port_find(sw, number);

	return p ? p->desc.config : 0;
}

/* --- Changes ---------------------------------------------------------------------------------- */

of_err_t
of_port_mod_check(struct of_switch *sw, const struct of_port_mod *pm)
{
	static const uint8_t no_mac[6];
	const struct of_port *p = of_port_find(sw, pm->port);

	if (!p)
		return OF_ERR_OFPPMFC_BAD_PORT;
	/* From 1.5 on an all-zero address means that the controller does not care. */
	if (memcmp(pm->hw_addr, p->desc.hw_addr, 6) && memcmp(pm->hw_addr, no_mac, 6))
		return OF_ERR_OFPPMFC_BAD_HW_ADDR;
	return 0;
}

of_err_t
of_port_mod_apply(struct of_conn *c, const struct of_port_mod *pm)
{
	struct of_switch *sw = c->sw;
	struct of_port *p = of_port_find(sw, pm->port);
	struct of_port_desc old;
	uint32_t config;

	if (!p)
		return OF_ERR_OFPPMFC_BAD_PORT;
	config = (p->desc.config & ~pm->mask) | (pm->config & pm->mask);
	if (config == p->desc.config)
		return 0;
	old = p->desc;
	p->desc.config = config;
	if (config & OF_PC_PORT_DOWN)
		p->desc.state &= ~OF_PS_LIVE;
	of_port_status(sw, OF_PR_MODIFY, &p->desc, c, &old);
	/* The bridge tells of the port again, from inside, when its state has changed. */
	if (sw->ops && sw->ops->port_mod && sw->ops->port_mod(sw->aux, pm->port, config)) {
		p = of_port_find(sw, pm->port);
		if (p) {
			struct of_port_desc now = p->desc;

			p->desc = old;
			of_port_status(sw, OF_PR_MODIFY, &old, c, &now);
		}
		return OF_ERR_OFPPMFC_EPERM;
	}
	of_publish();
	return 0;
}

of_err_t
of_handle_port_mod(struct of_conn *c, const struct of_msg *m)
{
	struct of_port_mod pm;
	of_err_t err = of_port_mod_decode(&c->codec, m, &pm);

	if (!err)
		err = of_port_mod_check(c->sw, &pm);
	return err ? err : of_port_mod_apply(c, &pm);
}

/* --- Multipart -------------------------------------------------------------------------------- */

static int
by_number(const void *a_, const void *b_)
{
	const of_port_t *a = a_, *b = b_;

	return *a < *b ? -1 : *a > *b;
}

struct port_dump {
	struct of_dump dump;
	uint32_t queue; /* queue statistics */
	size_t n, next;
	of_port_t ports[];
};

static void
port_dump_free(struct of_dump *d)
{
	free(wf_container(d, struct port_dump, dump));
}

static bool
desc_step(struct of_conn *c, struct of_dump *dump)
{
	struct port_dump *d = wf_container(dump, struct port_dump, dump);
	const struct of_port *p;

	if (d->next == d->n)
		return true;
	p = of_port_find(c->sw, d->ports[d->next++]);
	if (p)
		of_port_desc_append(&dump->mp, &p->desc);
	return false;
}

static bool
stats_step(struct of_conn *c, struct of_dump *dump)
{
	struct port_dump *d = wf_container(dump, struct port_dump, dump);
	struct of_port_stats s;
	const struct of_port *p;

	if (d->next == d->n)
		return true;
	p = of_port_find(c->sw, d->ports[d->next++]);
	if (!p)
		return false;
	of_port_stats_init(&s);
	if (c->sw->ops && c->sw->ops->port_stats)
		c->sw->ops->port_stats(c->sw->aux, p->desc.port, &s);
	s.port = p->desc.port;
	of_duration(p->created_ms, &s.duration_s, &s.duration_ns);
	of_port_stats_append(&dump->mp, &s);
	return false;
}

struct queue_visit {
	struct of_conn *c;
	struct port_dump *d;
	of_port_t port;
};

static void
put_queue(void *v_, uint32_t queue)
{
	struct queue_visit *v = v_;
	struct of_queue_stats qs = { .port = v->port, .queue = queue };
	int64_t created_ms = 0;

	if (v->d->queue != OF_QUEUE_ALL && v->d->queue != queue)
		return;
	if (!v->c->sw->ops->queue_stats ||
	    !v->c->sw->ops->queue_stats(v->c->sw->aux, v->port, queue, &qs.tx_bytes,
					&qs.tx_packets, &qs.tx_errors, &created_ms))
		return;
	if (created_ms == INT64_MIN)
		qs.duration_s = UINT32_MAX;
	else
		of_duration(created_ms, &qs.duration_s, &qs.duration_ns);
	of_queue_stats_append(&v->d->dump.mp, &qs);
}

static bool
queue_step(struct of_conn *c, struct of_dump *dump)
{
	struct port_dump *d = wf_container(dump, struct port_dump, dump);

	if (d->next == d->n)
		return true;
	struct queue_visit v = { c, d, d->ports[d->next++] };
	if (of_port_find(c->sw, v.port) && c->sw->ops && c->sw->ops->queues)
		c->sw->ops->queues(c->sw->aux, v.port, put_queue, &v);
	return false;
}

static struct port_dump *
port_dump_new(struct of_switch *sw, of_port_t which,
	      bool (*step)(struct of_conn *, struct of_dump *))
{
	struct port_dump *d = wf_xzalloc(sizeof(*d) + sw->ports.n * sizeof(d->ports[0]));
	const struct of_port *p;

	d->dump.step = step;
	d->dump.free = port_dump_free;
	wf_hmap_for_each(p, node, &sw->ports)
		if (which == OF_PORT_ANY || p->desc.port == which)
			d->ports[d->n++] = p->desc.port;
	qsort(d->ports, d->n, sizeof(d->ports[0]), by_number);
	return d;
}

static void
run_dump(struct of_conn *c, const struct of_msg *m, struct port_dump *d)
{
	of_multipart_begin(&d->dump.mp, &c->dump_out, m);
	of_conn_dump(c, &d->dump);
}

of_err_t
of_handle_port_desc(struct of_conn *c, const struct of_msg *m)
{
	of_port_t which;
	of_err_t err = of_port_desc_request_decode(m, &which);

	if (err)
		return err;
	run_dump(c, m, port_dump_new(c->sw, which, desc_step));
	return 0;
}

of_err_t
of_handle_port_request(struct of_conn *c, const struct of_msg *m)
{
	of_port_t which;
	of_err_t err = of_port_stats_request_decode(m, &which);

	if (err)
		return err;
	run_dump(c, m, port_dump_new(c->sw, which, stats_step));
	return 0;
}

struct queue_exists {
	uint32_t queue;
	bool found;
};

static void
is_queue(void *e_, uint32_t queue)
{
	struct queue_exists *e = e_;

	e->found |= e->queue == OF_QUEUE_ALL || e->queue == queue;
}

static bool
port_has_queue(struct of_switch *sw, of_port_t port, uint32_t queue)
{
	struct queue_exists e = { queue, false };

	if (sw->ops && sw->ops->queues)
		sw->ops->queues(sw->aux, port, is_queue, &e);
	return e.found;
}

of_err_t
of_handle_queue_request(struct of_conn *c, const struct of_msg *m)
{
	struct of_queue_query q;
	of_err_t err = of_queue_stats_request_decode(m, &q);
	bool found = false;

	if (err)
		return err;
	if (q.port != OF_PORT_ANY && !of_port_find(c->sw, q.port))
		return OF_ERR_OFPQOFC_BAD_PORT;
	struct port_dump *d = port_dump_new(c->sw, q.port, queue_step);
	d->queue = q.queue;
	/* Asked for all queues, none is an answer. */
	for (size_t i = 0; i < d->n; i++)
		found |= port_has_queue(c->sw, d->ports[i], q.queue);
	if (!found && q.queue != OF_QUEUE_ALL) {
		port_dump_free(&d->dump);
		return OF_ERR_OFPQOFC_BAD_QUEUE;
	}
	run_dump(c, m, d);
	return 0;
}

struct config_visit {
	struct of_queue_config_reply *reply;
	of_port_t port;
	uint32_t queue;
	bool found;
};

static void
put_config(void *v_, uint32_t queue)
{
	struct config_visit *v = v_;
	struct of_queue_config qc = { v->port, queue, UINT16_MAX, UINT16_MAX };

	if (v->queue != OF_QUEUE_ALL && v->queue != queue)
		return;
	v->found = true;
	of_queue_config_append(v->reply, &qc);
}

of_err_t
of_handle_queue_config(struct of_conn *c, const struct of_msg *m)
{
	struct of_queue_query q;
	of_err_t err = of_queue_config_request_decode(m, &q);
	struct of_queue_config_reply reply;
	const struct of_port *p;

	if (err)
		return err;
	if (q.port != OF_PORT_ANY && !of_port_find(c->sw, q.port))
		return OF_ERR_OFPQOFC_BAD_PORT;
	struct config_visit v = { &reply, 0, q.queue, false };
	of_queue_config_begin(&reply, &c->out, m, q.port);
	wf_hmap_for_each(p, node, &c->sw->ports) {
		v.port = p->desc.port;
		if ((q.port == OF_PORT_ANY || q.port == v.port) && c->sw->ops && c->sw->ops->queues)
			c->sw->ops->queues(c->sw->aux, v.port, put_config, &v);
	}
	of_queue_config_end(&reply);
	if (!v.found && q.queue != OF_QUEUE_ALL) {
		wf_buf_clear(&c->out);
		return OF_ERR_OFPQOFC_BAD_QUEUE;
	}
	of_conn_reply(c);
	return 0;
}
