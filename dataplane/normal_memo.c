/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/normal_memo.h"

#include <stdlib.h>

#include "base/buf.h"

struct normal_memos *
normal_memos_new(void)
{
	struct normal_memos *memos = wf_xzalloc(sizeof *memos);

	memos->epoch = 1;
	/* Pages of it that nobody writes to do not exist. */
	memos->block = wf_xzalloc(NORMAL_MEMO_SETS * sizeof memos->sets[0] + 63);
	memos->sets = (struct normal_memo (*)[2])(((uintptr_t)memos->block + 63) & ~(uintptr_t)63);
	return memos;
}

void
normal_memos_free(struct normal_memos *memos)
{
	if (!memos)
		return;
	free(memos->block);
	free(memos);
}

void
normal_memos_forget(struct normal_memos *memos, uint64_t config_version)
{
	memos->config_version = config_version;
	if (++memos->epoch)
		return;
	memset(memos->sets, 0, NORMAL_MEMO_SETS * sizeof memos->sets[0]);
	memos->epoch = 1;
}

/* One output, as the packet is, to a plain port, and nothing else that depends on the packet. */
static bool
is_plain(const struct bridge_view *bv, of_port_t in_port, const struct normal_result *r)
{
	const struct normal_output *o = &r->out[0];
	const struct xport *in = xport_find(bv->ports, in_port);

	return r->n == 1 && !o->port->is_patch && !o->port->is_tunnel && !o->n_pop && !o->tagged &&
	       !o->max_len && !o->is_mirror && o->port->bundle && !o->port->bundle->bond &&
	       !o->port->bundle->n_dscps && in &&
	       in->bundle && !in->bundle->bond && !bv->l2->has_mirrors &&
	       o->port->slot <= UINT16_MAX;
}

void
normal_memo_put(struct normal_memos *memos, const struct view *view, const struct bridge_view *bv,
		of_port_t in_port, const uint64_t key[2], const struct normal_result *r)
{
	struct normal_memo *set, *into = NULL;
	uint64_t hash = normal_memo_hash(key);
	struct mac_lease lease;
	uint8_t macs[12];

	if (memos->config_version != view->config_version || !is_plain(bv, in_port, r))
		return;
	memcpy(macs, key, sizeof macs);
	if (!mac_table_lease(bv->bridge->macs, r->vid, macs + 6, macs,
			     xport_find(bv->ports, in_port)->bundle->members[0], r->now_ms, &lease) ||
	    lease.to != r->to)
		return;
	/* Its own place, else one that is not in use, else any. */
	for (unsigned i = 0; i < 4; i++) {
		set = memos->sets[(i < 2 ? hash : hash >> 32) % NORMAL_MEMO_SETS];
		if (!memcmp(set[i & 1].key, key, sizeof set[i & 1].key)) {
			into = &set[i & 1];
			break;
		}
		if (!into && (set[i & 1].epoch != memos->epoch ||
			      !normal_memo_holds(memos, &set[i & 1], set[i & 1].key, r->now_ms)))
			into = &set[i & 1];
	}
	if (!into) {
		memos->coin = memos->coin * 1664525 + 1013904223;
		set = memos->sets[(memos->coin >> 31 ? hash : hash >> 32) % NORMAL_MEMO_SETS];
		into = &set[memos->coin >> 30 & 1];
	}
	*into = (struct normal_memo){
		.key = { key[0], key[1] }, .stamp = lease.stamp, .until_ms = (uint32_t)lease.until_ms,
		.cells = { lease.cells[0], lease.cells[1] }, .slot = (uint16_t)r->out[0].port->slot,
		.epoch = memos->epoch,
	};
}
