/* SPDX-License-Identifier: Apache-2.0 */
/* Roles of controllers (OpenFlow 1.3 section 6.3.6), and what they may know of each other. */
#include "switchd/of_internal.h"

void
of_role_forget(struct of_conn *c)
{
	c->role = OF_ROLE_EQUAL;
}

static void
send_status(struct of_conn *c, enum of_role_reason reason)
{
	struct of_role_status s = {
		.role = c->role, .reason = reason,
		.generation_id = c->sw->have_generation_id ? c->sw->generation_id : UINT64_MAX,
	};

	if (of_conn_is_up(c) && of_role_status_encode(&c->codec, &s, &c->out))
		of_conn_async(c);
}

static void
set_role(struct of_conn *c, uint8_t role)
{
	struct of_conn *other;

	if (role != c->role && role == OF_ROLE_PRIMARY)
		wf_list_for_each(other, node, &c->sw->conns)
			if (other->role == OF_ROLE_PRIMARY) {
				other->role = OF_ROLE_SECONDARY;
				send_status(other, OF_CRR_PRIMARY_REQUEST);
			}
	c->role = role;
	of_miss_update(c->sw);
}

of_err_t
of_handle_role(struct of_conn *c, const struct of_msg *m)
{
	struct of_role_request rr;
	of_err_t err = of_role_request_decode(m, &rr);
	struct of_switch *sw = c->sw;

	if (err)
		return err;
	if (rr.role != OF_ROLE_NOCHANGE) {
		if (rr.role != OF_ROLE_EQUAL && rr.have_generation_id) {
			/* A distance in a circle: an older election is behind (section 6.3.6). */
			if (sw->have_generation_id &&
			    (int64_t)(rr.generation_id - sw->generation_id) < 0)
				return OF_ERR_OFPRRFC_STALE;
			sw->have_generation_id = true;
			sw->generation_id = rr.generation_id;
		}
		set_role(c, rr.role);
	}
	rr.role = c->role;
	rr.have_generation_id = sw->have_generation_id;
	rr.generation_id = sw->have_generation_id ? sw->generation_id : UINT64_MAX;
	of_role_reply_encode(m, &rr, &c->out);
	of_conn_reply(c);
	return 0;
}

of_err_t
of_handle_controller_status(struct of_conn *c, const struct of_msg *m)
{
	struct of_multipart mp;
	struct of_conn *other;

	of_multipart_begin(&mp, &c->out, m);
	wf_list_for_each(other, node, &c->sw->conns) {
		struct of_controller_status_msg s = {
			.short_id = other->controller_id, .role = other->role,
			.reason = OF_CSR_REQUEST, .up = of_conn_is_up(other),
			.uri = other->service->target,
		};

		if (other->is_controller)
			of_controller_status_append(&mp, &s);
	}
	of_multipart_end(&mp);
	of_conn_reply(c);
	return 0;
}
