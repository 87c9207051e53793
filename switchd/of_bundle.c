/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: messages that are checked when they come and take effect together, or not at all
 * (OpenFlow 1.4 section 6.8; EXT-230 for 1.3).
 *
 * A message is kept as what it will do (a rule ready to be put into its table), not as bytes,
 * plus what an
 * error must quote of it.
 */
#include "switchd/of_internal.h"
#include "switchd/state/state.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/worker.h"
#include "openflow/msg_bundle.h"
#include "openflow/msg_group.h"

#define QUOTE_SIZE 64
/* Bundles that a session may have open at a time.  They are looked up in a list. */
#define MAX_BUNDLES 256

/* A bundle that nobody adds to for so long is given up. */
static int64_t idle_timeout_ms = 10000;

void
of_set_bundle_idle_timeout(unsigned seconds)
{
	idle_timeout_ms = seconds ? seconds * 1000ll : 10000;
}

enum entry_type { ENTRY_FLOW, ENTRY_GROUP, ENTRY_PORT, ENTRY_PACKET };

struct entry {
	union {
		struct of_flow_edit flow;
		struct of_group_mod *group;
		struct of_port_mod *port;
		struct of_packet_out_job *packet;
	};
	uint8_t type, quote_size;
	uint16_t weight;         /* in flows: what memory it takes */
	bool group_existed;
	uint8_t quote[QUOTE_SIZE];
};

struct of_bundle {
	struct wf_list node;
	uint32_t id;
	uint16_t flags;
	bool closed;
	int64_t used_ms;
	unsigned n, room;
	struct entry *entries;
	uint8_t opening[QUOTE_SIZE];
	size_t opening_size;
};

static void
entry_free(struct entry *e)
{
	of_flows_keep(-(int)e->weight);
	e->weight = 0;
	switch ((enum entry_type)e->type) {
	case ENTRY_FLOW:
		of_flow_edit_done(&e->flow);
		break;
	case ENTRY_GROUP:
		of_group_mod_done(e->group);
		free(e->group);
		break;
	case ENTRY_PORT:
		free(e->port);
		break;
	case ENTRY_PACKET:
		of_packet_out_free(e->packet);
		break;
	}
}

static void
bundle_free(struct of_bundle *b)
{
	for (unsigned i = 0; i < b->n; i++)
		entry_free(&b->entries[i]);
	wf_list_remove(&b->node);
	free(b->entries);
	free(b);
}

static struct of_bundle *
bundle_find(struct of_conn *c, uint32_t id)
{
	struct of_bundle *b;

	wf_list_for_each(b, node, &c->bundles)
		if (b->id == id)
			return b;
	return NULL;
}

static struct of_bundle *
bundle_new(struct of_conn *c, uint32_t id, uint16_t flags, const struct of_msg *m)
{
	struct of_bundle *b = wf_xzalloc(sizeof(*b));

	b->id = id;
	b->flags = flags;
	b->used_ms = wf_now_ms();
	b->opening_size = m->size < QUOTE_SIZE ? m->size : QUOTE_SIZE;
	memcpy(b->opening, m->data, b->opening_size);
	wf_list_push_back(&c->bundles, &b->node);
	return b;
}

static bool
has_room(const struct of_conn *c)
{
	const struct wf_list *node;
	unsigned n = 0;

	for (node = c->bundles.next; node != &c->bundles; node = node->next)
		n++;
	return n < MAX_BUNDLES;
}

void
of_bundles_done(struct of_conn *c)
{
	while (!wf_list_is_empty(&c->bundles))
		bundle_free(wf_container(c->bundles.next, struct of_bundle, node));
}

void
of_bundles_run(struct of_switch *sw)
{
	int64_t now = wf_now_ms();
	struct of_bundle *b, *next;
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns)
		wf_list_for_each_safe(b, next, node, &c->bundles)
			if (now - b->used_ms > idle_timeout_ms) {
				of_conn_error_quoting(c, OF_ERR_OFPBFC_TIMEOUT, b->opening, b->opening_size);
				bundle_free(b);
			}
}

/* --- Adding ----------------------------------------------------------------------------------- */

static of_err_t
decode_flow(struct of_conn *c, const struct of_msg *m, struct entry *e)
{
	static struct wf_buf actions;
	static struct of_flow_mod fm;
	of_err_t err = of_flow_mod_decode(&c->codec, m, &of_limits, &fm, &actions);

	if (!err && fm.buffer_id != OF_NO_BUFFER)
		err = OF_ERR_OFPBRC_BUFFER_UNKNOWN;
	if (!err)
		err = of_flow_edit_init(c->sw, &fm, &e->flow);
	if (!err)
		e->flow.xid = m->xid;
	return err;
}

static of_err_t
decode_group(struct of_conn *c, const struct of_msg *m, struct entry *e)
{
	struct of_group_mod gm;
	of_err_t err = of_group_mod_decode(&c->codec, m, &gm);

	if (!err)
		e->group = wf_xmemdup(&gm, sizeof(gm));
	return err;
}

static of_err_t
decode_port(struct of_conn *c, const struct of_msg *m, struct entry *e)
{
	struct of_port_mod pm;
	of_err_t err = of_port_mod_decode(&c->codec, m, &pm);

	if (!err)
		e->port = wf_xmemdup(&pm, sizeof(pm));
	return err;
}

static of_err_t
decode_entry(struct of_conn *c, const struct of_msg *m, struct entry *e)
{
	switch (m->id) {
	case OF_M_FLOW_MOD:
		e->type = ENTRY_FLOW;
		return decode_flow(c, m, e);
	case OF_M_GROUP_MOD:
		e->type = ENTRY_GROUP;
		return decode_group(c, m, e);
	case OF_M_PORT_MOD:
		e->type = ENTRY_PORT;
		return decode_port(c, m, e);
	case OF_M_PACKET_OUT:
		e->type = ENTRY_PACKET;
		return of_packet_out_prepare(c, m, &e->packet);
	default:
		return OF_ERR_OFPBFC_MSG_UNSUP;
	}
}

of_err_t
of_handle_bundle_add(struct of_conn *c, const struct of_msg *m)
{
	struct of_bundle_add add;
	of_err_t err = of_bundle_add_decode(m, &add);
	struct entry e = { .quote_size = 0 };
	struct of_bundle *b;

	if (err)
		return err;
	b = bundle_find(c, add.bundle);
	if (!b && !has_room(c))
		return OF_ERR_OFPBFC_OUT_OF_BUNDLES;
	e.weight = (uint16_t)(1 + m->size / 256);
	if (!of_flows_have_room(e.weight))
		return OF_ERR_OFPBFC_MSG_TOO_MANY;
	err = decode_entry(c, &add.msg, &e);
	if (err)
		return err;
	of_flows_keep(e.weight);
	if (!b) {
		b = bundle_new(c, add.bundle, add.flags, m);
	} else if (b->closed || b->flags != add.flags) {
		err = b->closed ? OF_ERR_OFPBFC_BUNDLE_CLOSED : OF_ERR_OFPBFC_BAD_FLAGS;
		bundle_free(b);
		entry_free(&e);
		return err;
	}
	b->used_ms = wf_now_ms();
	e.quote_size = (uint8_t)(m->size < QUOTE_SIZE ? m->size : QUOTE_SIZE);
	memcpy(e.quote, m->data, e.quote_size);
	if (b->n == b->room) {
		b->room = b->room ? b->room * 2 : 16;
		b->entries = wf_xrealloc(b->entries, b->room * sizeof(*b->entries));
	}
	b->entries[b->n++] = e;
	return 0;
}

/* --- Commit ----------------------------------------------------------------------------------- */

static of_err_t
apply_entry(struct of_conn *c, struct entry *e, struct of_txn *txn, uint16_t flags, uint32_t xid)
{
	struct of_switch *sw = c->sw;

	switch ((enum entry_type)e->type) {
	case ENTRY_FLOW:
		return of_flow_edit_apply(sw, &e->flow, txn);
	case ENTRY_GROUP:
		e->group_existed = view_group_pending(sw->bridge, e->group->group) != NULL;
		return of_group_mod_apply(sw, e->group, txn, xid);
	case ENTRY_PORT:
		/* Ports change outside the view: they cannot be part of something atomic. */
		if (flags & OF_BF_ATOMIC)
			return OF_ERR_OFPBFC_MSG_FAILED;
		return of_port_mod_check(sw, e->port);
	case ENTRY_PACKET:
		return of_packet_out_check(sw, e->packet);
	}
	return OF_ERR_OFPBFC_MSG_UNSUP;
}

static void
finish_entry(struct of_conn *c, struct entry *e, uint32_t xid)
{
	switch ((enum entry_type)e->type) {
	case ENTRY_GROUP:
		of_group_mod_tell(c, e->group, xid, e->group_existed);
		break;
	case ENTRY_PORT:
		of_port_mod_apply(c, e->port);
		break;
	case ENTRY_FLOW:
		of_flow_log(c, e->flow.command);
		break;
	case ENTRY_PACKET:
		break;
	}
}

/* Would every message succeed?  Nothing is left of the try. */
static of_err_t
rehearse(struct of_conn *c, struct of_bundle *b, uint16_t flags, uint32_t xid, unsigned *failed)
{
	struct of_txn txn = { 0 };
	of_err_t err = 0;

	for (unsigned i = 0; i < b->n && !err; i++) {
		struct entry e = b->entries[i];

		/* A rule that was in a table once cannot be put there again. */
		if (e.type == ENTRY_FLOW)
			e.flow.rule = of_rule_copy(e.flow.rule);
		err = apply_entry(c, &e, &txn, flags, xid);
		if (e.type == ENTRY_FLOW)
			of_flow_edit_done(&e.flow);
		*failed = i;
	}
	of_txn_undo(c->sw, &txn, 0);
	view_rollback();
	of_txn_done(&txn);
	return err;
}

static bool
has_packets(const struct of_bundle *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->entries[i].type == ENTRY_PACKET)
			return true;
	return false;
}

static of_err_t
commit(struct of_conn *c, struct of_bundle *b, uint16_t flags, uint32_t xid)
{
	struct of_txn txn = { 0 };
	unsigned i, failed = 0;
	of_err_t err = 0;
	bool held = false;

	if (b->flags != flags)
		return OF_ERR_OFPBFC_BAD_FLAGS;
	for (i = 0; i < b->n; i++) {
		of_flows_keep(-(int)b->entries[i].weight);
		b->entries[i].weight = 0;
	}
	/* What is undone below is only what this bundle did. */
	of_publish();
	/* A packet meets the flows as they are at its place in the bundle, so it walks while the
	 * changes are made; then it must be certain that all of them will succeed.  It leaves, and
	 * what it teaches is in force, with the others' publication. */
	if (has_packets(b)) {
		err = rehearse(c, b, flags, xid, &failed);
		main_hold();
		of_learn_into(c->sw, &txn);
		held = true;
	}
	for (i = 0; i < b->n && !err; i++) {
		failed = i;
		err = apply_entry(c, &b->entries[i], &txn, flags, xid);
		if (!err && b->entries[i].type == ENTRY_PACKET)
			of_packet_out_run_pending(c->sw, b->entries[i].packet);
	}
	of_learn_into(NULL, NULL);
	if (err) {
		of_conn_error_quoting(c, err, b->entries[failed].quote, b->entries[failed].quote_size);
		if (held)
			main_release(false);
		of_txn_undo(c->sw, &txn, 0);
		view_rollback();
		of_txn_done(&txn);
		return OF_ERR_OFPBFC_MSG_FAILED;
	}
	/* In the state file as in the tables: whole or not at all. */
	state_txn_begin();
	for (i = 0; i < b->n; i++)
		if (b->entries[i].type == ENTRY_GROUP)
			state_group(c->sw, b->entries[i].group->group);
	of_txn_commit(c->sw, &txn, c);
	state_txn_end();
	of_publish();
	if (held)
		main_release(true);
	of_monitor_flush(c->sw);
	of_txn_done(&txn);
	for (i = 0; i < b->n; i++)
		finish_entry(c, &b->entries[i], xid);
	return 0;
}

static of_err_t
bundle_close(struct of_conn *c, struct of_bundle *b, uint16_t flags)
{
	of_err_t err = 0;

	if (!b)
		return OF_ERR_OFPBFC_BAD_ID;
	if (b->closed)
		err = OF_ERR_OFPBFC_BUNDLE_CLOSED;
	else if (b->flags != flags)
		err = OF_ERR_OFPBFC_BAD_FLAGS;
	if (err) {
		bundle_free(b);
		return err;
	}
	b->used_ms = wf_now_ms();
	b->closed = true;
	return 0;
}

of_err_t
of_handle_bundle_control(struct of_conn *c, const struct of_msg *m)
{
	struct of_bundle_ctrl ctrl, reply;
	struct of_bundle *b;
	of_err_t err = of_bundle_ctrl_decode(m, &ctrl);

	if (err)
		return err;
	b = bundle_find(c, ctrl.bundle);
	reply = (struct of_bundle_ctrl){ .bundle = ctrl.bundle, .type = ctrl.type + 1 };
	/* There is no clock that controllers could set a commit by (OpenFlow 1.5 section 6.9.5).  As
	 * after any other error the bundle is given up. */
	if (ctrl.has_time || ctrl.flags & OF_BF_TIME) {
		if (b)
			bundle_free(b);
		return OF_ERR_OFPBFC_SCHED_NOT_SUPPORTED;
	}
	switch (ctrl.type) {
	case OF_BCT_OPEN_REQUEST:
		if (b)
			err = OF_ERR_OFPBFC_BAD_ID;
		else if (!has_room(c))
			err = OF_ERR_OFPBFC_OUT_OF_BUNDLES;
		if (b)
			bundle_free(b);
		if (!err)
			bundle_new(c, ctrl.bundle, ctrl.flags, m);
		break;
	case OF_BCT_CLOSE_REQUEST:
		err = bundle_close(c, b, ctrl.flags);
		break;
	case OF_BCT_COMMIT_REQUEST:
		err = b ? commit(c, b, ctrl.flags, m->xid) : OF_ERR_OFPBFC_BAD_ID;
		if (b)
			bundle_free(b);
		break;
	case OF_BCT_DISCARD_REQUEST:
		if (b)
			bundle_free(b);
		else
			err = OF_ERR_OFPBFC_BAD_ID;
		break;
	default:
		return OF_ERR_OFPBFC_BAD_TYPE;
	}
	if (err)
		return err;
	of_bundle_ctrl_reply_encode(m, &reply, &c->out);
	if (ctrl.type == OF_BCT_COMMIT_REQUEST)
		of_conn_reply_barrier(c);
	else
		of_conn_reply(c);
	return 0;
}
