/* SPDX-License-Identifier: Apache-2.0 */
/* FLOW_MOD. */
#include "switchd/of_internal.h"

of_err_t
of_handle_flow_mod(struct of_conn *c, const struct of_msg *m)
{
	/* Kept between calls: a flow_mod costs no allocation but the rule. */
	static struct wf_buf actions;
	static struct of_flow_mod fm;
	static struct of_txn txn;
	struct of_switch *sw = c->sw;
	struct of_flow_edit e;
	of_err_t err;

	err = of_flow_mod_decode(&c->codec, m, &of_limits, &fm, &actions);
	if (err)
		return err;
	/* There are no packet buffers. */
	if (fm.buffer_id != OF_NO_BUFFER)
		return OF_ERR_OFPBRC_BUFFER_UNKNOWN;
	err = of_flow_edit_init(sw, &fm, &e);
	if (err)
		return err;
	e.xid = m->xid;
	if (of_bulk_delete(c, &e)) {
		of_flow_log(c, fm.command);
		of_flow_edit_done(&e);
		return 0;
	}
	txn.n = 0;
	err = of_flow_edit_apply(sw, &e, &txn);
	if (err) {
		of_txn_undo(sw, &txn, 0);
	} else {
		of_txn_commit(sw, &txn, c);
		of_flow_log(c, fm.command);
	}
	of_flow_edit_done(&e);
	return err;
}
