/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from controllers: PACKET_OUT, and NXT_RESUME of packets that were sent up with a
 * continuation. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/worker.h"

void
of_packet_out_free(struct of_packet_out_job *job)
{
	if (!job)
		return;
	free(job->actions);
	free(job->packet);
	free(job);
}

of_err_t
of_packet_out_prepare(struct of_conn *c, const struct of_msg *m, struct of_packet_out_job **ret)
{
	static struct wf_buf actions;
	static struct of_packet_out po;
	static struct of_match_full match;
	struct of_action_check check = {
		.version = c->codec.version, .n_tables = N_TABLES, .max_ports = OF_PORT_MAX,
	};
	struct of_packet_out_job *job;
	struct pkt_layers layers;
	struct rte_mbuf *packet;
	struct of_key key;
	of_err_t err = of_packet_out_decode(&c->codec, m, &po, &actions);

	if (err)
		return err;
	if (po.buffer_id != OF_NO_BUFFER)
		return OF_ERR_OFPBRC_BUFFER_UNKNOWN;
	packet = pkt_from_bytes(po.packet, (uint32_t)po.packet_len);
	if (!packet)
		return OF_ERR_OFPBRC_BAD_LEN;
	key = po.metadata.key;
	pkt_parse(packet, key.packet_type, &key, &layers);
	pkt_free(packet);
	of_match_from_key(&key, &match);
	err = of_actions_check(actions.data, actions.size, &match, &check);
	if (err)
		return err;
	job = wf_xzalloc(sizeof(*job));
	job->metadata = po.metadata;
	job->actions = actions.size ? wf_xmemdup(actions.data, actions.size) : NULL;
	job->actions_size = actions.size;
	job->packet = po.packet_len ? wf_xmemdup(po.packet, po.packet_len) : NULL;
	job->packet_len = po.packet_len;
	*ret = job;
	return 0;
}

of_err_t
of_packet_out_check(struct of_switch *sw, const struct of_packet_out_job *job)
{
	return of_check_actions(sw, job->actions, job->actions_size);
}

static void
run(struct of_switch *sw, struct of_packet_out_job *job, const struct view *view)
{
	static struct xlate_in in;
	static const uint64_t no_actions[1];
	struct rte_mbuf *packet = pkt_from_bytes(job->packet, (uint32_t)job->packet_len);

	if (!packet)
		return;
	memset(&in, 0, sizeof(in));
	in.bridge = sw->bridge;
	in.in_slot = UINT32_MAX;
	in.key = job->metadata.key;
	in.actions = job->actions ? (const void *)job->actions : no_actions;
	in.actions_size = job->actions_size;
	in.is_packet_out = true;
	in.view = view;
	main_execute(&in, packet);
}

void
of_packet_out_run(struct of_switch *sw, struct of_packet_out_job *job)
{
	run(sw, job, NULL);
}

void
of_packet_out_run_pending(struct of_switch *sw, struct of_packet_out_job *job)
{
	struct view next = *view_get();
	const struct bridge_view **bridges = wf_xmemdup(next.bridges,
							next.n_bridges * sizeof(*bridges));

	/* Only for this walk: nobody else sees it, and it ends before the next change. */
	rules_settle();
	next.version = view_next_version();
	bridges[sw->bridge->index] = view_bridge_pending(sw->bridge);
	next.bridges = bridges;
	run(sw, job, &next);
	free(bridges);
}

of_err_t
of_handle_packet_out(struct of_conn *c, const struct of_msg *m)
{
	struct of_packet_out_job *job;
	of_err_t err = of_packet_out_prepare(c, m, &job);

	if (err)
		return err;
	err = of_packet_out_check(c->sw, job);
	if (!err) {
		of_publish();
		of_packet_out_run(c->sw, job);
	}
	of_packet_out_free(job);
	return err;
}

/* --- NXT_RESUME ------------------------------------------------------------------------------- */

static struct of_switch *
switch_by_uuid(const uint8_t uuid[16])
{
	struct of_switch *sw;

	wf_list_for_each(sw, node, &of_switches)
		if (!memcmp(sw->uuid, uuid, 16))
			return sw;
	return NULL;
}

of_err_t
of_handle_resume(struct of_conn *c, const struct of_msg *m)
{
	static struct of_packet_in pi;
	static struct xlate_in in;
	static struct wf_buf store;
	struct of_frozen fz;
	struct of_switch *sw;
	struct rte_mbuf *packet;
	const struct xport *port;
	const struct bridge_view *bv;
	of_err_t err = of_resume_decode(&c->codec, m, &pi, &fz, &store);

	if (err)
		return err;
	sw = switch_by_uuid(fz.bridge);
	if (!sw)
		return OF_ERR_NXR_STALE;
	packet = pkt_from_bytes(pi.packet, (uint32_t)pi.packet_len);
	if (!packet)
		return OF_ERR_OFPBRC_BAD_LEN;
	of_publish();
	bv = view_get()->bridges[sw->bridge->index];
	port = bv && bv->ports ? xport_find(bv->ports, pi.metadata.key.in_port) : NULL;

	struct frozen content = {
		.bridge = sw->bridge, .table = 0xff, .metadata = pi.metadata.key,
		.conntracked = fz.conntracked, .was_mpls = true,
		.stack = (uint8_t *)fz.stack, .stack_size = fz.stack_size,
		.actions = (void *)fz.actions, .actions_size = fz.actions_size,
		.action_set = (void *)fz.action_set, .action_set_size = fz.action_set_size,
		.rule_cookie = fz.cookie, .in_slot = port ? port->slot : UINT32_MAX,
		.mirrored = fz.mirrors, .depth_left = XLATE_MAX_DEPTH,
		.resubmits_left = XLATE_MAX_RESUBMITS,
	};
	memset(&in, 0, sizeof(in));
	in.bridge = sw->bridge;
	in.in_slot = content.in_slot;
	in.key = pi.metadata.key;
	in.frozen = frozen_get(&content);
	main_execute(&in, packet);
	frozen_unref((struct frozen *)in.frozen);
	return 0;
}
