/* SPDX-License-Identifier: Apache-2.0 */
/* From one daemon to the next, while the first one forwards: the second reads the first one's file, reads
 * what is added to it again and again, and once more when the first one has stopped.  So nothing that
 * changes meanwhile is lost, and what is left to do between the two is little.
 *
 * Ids of flows are never used twice, so what came and what went can be told apart without looking at
 * matches. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "dataplane/worker.h"
#include "switchd/state/internal.h"
#include "switchd/state/state.h"

WF_LOG_MODULE(state);

/* --- Who gives ------------------------------------------------------------------------------ */

int
state_give(const char **ret_path)
{
	if (!state.log || state.has_image)
		return -1;
	state_flush();
	if (!state.log)
		return -1;
	state_log_hold(state.log, true);
	*ret_path = state.path;
	return state_log_fd(state.log);
}

void
state_give_end(void)
{
	if (state.log)
		state_log_hold(state.log, false);
}

bool
state_give_last(void)
{
	struct of_switch *sw;

	wf_list_for_each(sw, node, &of_switches)
		state_macs(sw, true);
	state_flush();
	return state.log != NULL;
}

/* Bounds what whoever reads has to check at once. */
#define COUNTS_IN_FRAME 8192

struct counts_visit {
	struct wf_buf *out;
	uint32_t bridge;
	size_t frame;      /* where the frame begins that is open */
	unsigned n;        /* how many are in it; 0: none is open */
	int64_t boot;
};

static void
end_frame(struct counts_visit *v)
{
	if (v->n)
		state_frame_end(v->out, v->frame, 0);
	v->n = 0;
}

static bool
put_counts(struct rule *r, void *v_)
{
	struct counts_visit *v = v_;
	struct state_counts c;

	if (!state_counts_of(r, v->boot, &c))
		return true;
	if (v->n == COUNTS_IN_FRAME)
		end_frame(v);
	if (!v->n)
		v->frame = state_frame_begin(v->out, STATE_COUNTS, v->bridge);
	state_counts_put(v->out, &c);
	v->n++;
	return true;
}

void
state_give_counts(struct wf_buf *out)
{
	struct counts_visit v = { .out = out, .boot = state_boot_offset() };
	struct of_switch *sw;

	workers_fold_stats();
	wf_list_for_each(sw, node, &of_switches) {
		v.bridge = sw->state_id;
		for (unsigned t = 0; sw->state_id && t < N_TABLES; t++)
			table_for_each(&sw->bridge->tables[t], NULL, view_next_version(), put_counts,
				       &v);
		end_frame(&v);
	}
}

/* --- Who takes: the file -------------------------------------------------------------------- */

/* Maps the file as it is now. */
static int
map(size_t *ret_size, struct wf_err *err)
{
	struct stat st;
	void *p;

	if (fstat(state.handed_fd, &st))
		return wf_err(err, -errno, "%s: %s", state.path, wf_strerror(-errno));
	if (state.file && (size_t)st.st_size == state.file_size) {
		*ret_size = state.file_size;
		return 0;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, state.handed_fd, 0);
	if (p == MAP_FAILED)
		return wf_err(err, -errno, "%s: cannot be mapped: %s", state.path,
			      wf_strerror(-errno));
	if (state.file)
		munmap(state.file, state.file_size);
	state.file = p;
	state.file_size = *ret_size = (size_t)st.st_size;
	return 0;
}

int
state_take(int fd, const char *path, struct wf_err *err)
{
	size_t size;
	int rc;

	if (!state.path || strcmp(state.path, path)) {
		rc = wf_err(err, -EINVAL, "the other daemon keeps its flows in %s, this one in %s: say "
			    "--state=%s", path, state.path ? state.path : "no file", path);
		close(fd);
		return rc;
	}
	state.handed_fd = fd;
	rc = map(&size, err);
	if (!rc)
		rc = state_image_build(&state.image, state.file, size, err);
	if (rc)
		return rc;
	state.has_image = state.opened = true;
	/* Counters of the last orderly stop: those of now come when the other daemon has stopped. */
	state.image.n_counts = 0;
	state.taken = state.image.size;
	state.last_bridge = state.image.last_bridge;
	of_flow_seq_start(state.image.last_flow);
	return 0;
}

int
state_take_end(struct wf_err *err)
{
	size_t live = state_image_live_size(&state.image);
	int rc = state_log_adopt(&state.log, state.path, state.handed_fd, state.image.size,
				 state.image.size - live, err);

	state.handed_fd = -1;
	return rc;
}

/* --- Who takes: the tail -------------------------------------------------------------------- */

struct gone {
	struct wf_buf ids;  /* of flows, uint64_t, sorted */
	bool groups, meters;
};

static struct of_switch *
switch_of(uint32_t bridge)
{
	struct of_switch *sw;

	wf_list_for_each(sw, node, &of_switches)
		if (sw->state_id == bridge)
			return sw;
	return NULL;
}

/* What of the tail says that something is no more. */
static int
read_gone(struct gone *g, struct wf_err *err)
{
	size_t ofs = state.taken;
	struct state_frame f;

	while (ofs < state.image.size &&
	       state_frame_next(state.file, state.image.size, &ofs, &f) == STATE_NEXT_OK)
		switch (f.type) {
		case STATE_BRIDGE:
		case STATE_BRIDGE_GONE:
			return wf_err(err, -ESTALE, "bridges, their controllers or their fail mode "
				      "were changed meanwhile; try again");
		case STATE_FLOWS_GONE:
			for (size_t o = 0; o + 8 <= f.size; o += 8) {
				uint64_t id = state_get_u64(f.data + o);

				wf_buf_put(&g->ids, &id, sizeof(id));
			}
			break;
		case STATE_GROUP_GONE:
			g->groups = true;
			break;
		case STATE_METER_GONE:
			g->meters = true;
			break;
		}
	return 0;
}

static int
id_cmp(const void *a_, const void *b_)
{
	uint64_t a = *(const uint64_t *)a_, b = *(const uint64_t *)b_;

	return a < b ? -1 : a > b;
}

static bool
is_gone(const struct rule *r, void *g_)
{
	struct gone *g = g_;

	return !r->hidden && bsearch(&r->seq, g->ids.data, g->ids.size / sizeof(uint64_t),
				     sizeof(uint64_t), id_cmp);
}

static bool
lives(const struct of_switch *sw, enum state_type type, uint32_t id)
{
	return state_image_find(&state.image, sw->state_id, type, id) != NULL;
}

static void
delete_groups(struct of_switch *sw)
{
	const struct bridge_view *bv = view_bridge_pending(sw->bridge);
	struct wf_buf ids = WF_BUF_INIT;
	struct of_txn txn = { 0 };

	for (uint32_t k = 0; bv && bv->n_groups && k <= bv->group_mask; k++)
		if (bv->groups[k] && !lives(sw, STATE_GROUP, bv->groups[k]->id))
			wf_buf_put(&ids, &bv->groups[k]->id, sizeof(uint32_t));
	for (size_t o = 0; o < ids.size; o += sizeof(uint32_t)) {
		struct of_group_mod gm = {
			.command = OF_GC_DELETE, .group = *(uint32_t *)wf_buf_at(&ids, o),
		};

		of_group_mod_apply(sw, &gm, &txn, 0);
	}
	of_txn_commit(sw, &txn, NULL);
	of_txn_done(&txn);
	wf_buf_done(&ids);
}

static void
delete_meters(struct of_switch *sw)
{
	uint32_t n, *ids = view_meter_ids(sw->bridge, &n);

	for (uint32_t k = 0; k < n; k++)
		if (!lives(sw, STATE_METER, ids[k]))
			view_meter_set(sw->bridge, ids[k], NULL);
	free(ids);
}

static void
take_rest_of(struct of_switch *sw, struct gone *g)
{
	state.replaying = true;
	if (g->ids.size)
		of_flows_delete(sw, is_gone, g, OF_FRR_DELETE, NULL, 0);
	state_restore_rest(sw);
	state.replaying = true;
	if (g->groups)
		delete_groups(sw);
	if (g->meters)
		delete_meters(sw);
	state.replaying = false;
}

int
state_take_more(size_t *ret_bytes, struct wf_err *err)
{
	struct gone gone = { .ids = WF_BUF_INIT };
	struct of_switch *sw;
	size_t size;
	int rc = map(&size, err);

	*ret_bytes = 0;
	if (!rc)
		rc = state_image_extend(&state.image, state.file, size, err);
	if (rc) {
		state.has_image = false;
		return rc;
	}
	if (state.image.size == state.taken)
		return 0;
	rc = read_gone(&gone, err);
	if (!rc) {
		qsort(gone.ids.data, gone.ids.size / sizeof(uint64_t), sizeof(uint64_t), id_cmp);
		wf_list_for_each(sw, node, &of_switches)
			if (sw->state_id)
				take_rest_of(sw, &gone);
		of_flow_seq_start(state.image.last_flow);
		of_publish();
		*ret_bytes = state.image.size - state.taken;
		state.taken = state.image.size;
	}
	wf_buf_done(&gone.ids);
	return rc;
}

/* --- Who takes: counters --------------------------------------------------------------------- */

/* Rules of a switch by their ids, which are never used twice: open addressing, at most half full. */
struct rule_index {
	struct rule **slots;
	size_t mask;
};

static size_t
slot_of(const struct rule_index *x, uint64_t id)
{
	size_t k = wf_hash_mix64(id, 0) & x->mask;

	while (x->slots[k] && x->slots[k]->seq != id)
		k = (k + 1) & x->mask;
	return k;
}

static bool
index_rule(struct rule *r, void *x_)
{
	struct rule_index *x = x_;

	if (!r->hidden)
		x->slots[slot_of(x, r->seq)] = r;
	return true;
}

static void
add_counts(struct rule *r, const struct state_counts *c, int64_t boot)
{
	int64_t used = c->used_ms ? c->used_ms - boot : 0;

	atomic_fetch_add_explicit(&r->counter.packets, c->packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->counter.bytes, c->bytes, memory_order_relaxed);
	if (used > atomic_load_explicit(&r->counter.used_ms, memory_order_relaxed))
		atomic_store_explicit(&r->counter.used_ms, used, memory_order_relaxed);
}

static void
index_rules(const struct of_switch *sw, struct rule_index *x)
{
	size_t n = 0;

	for (unsigned t = 0; t < N_TABLES; t++)
		n += sw->bridge->tables[t].n_rules;
	for (x->mask = 15; x->mask < 2 * n; x->mask = x->mask * 2 + 1)
		;
	free(x->slots);
	x->slots = wf_xzalloc((x->mask + 1) * sizeof(*x->slots));
	for (unsigned t = 0; t < N_TABLES; t++)
		table_for_each(&sw->bridge->tables[t], NULL, view_next_version(), index_rule, x);
}

static void
add_frame(const struct state_frame *f, const struct rule_index *x)
{
	int64_t boot = state_boot_offset();

	for (size_t o = 0; o + STATE_COUNTS_SIZE <= f->size; o += STATE_COUNTS_SIZE) {
		struct state_counts c;
		struct rule *r;

		state_counts_get(f->data + o, &c);
		r = x->slots[slot_of(x, c.flow)];
		if (r)
			add_counts(r, &c, boot);
	}
}

void
state_take_counts(const void *data, size_t size)
{
	struct rule_index rules = { 0 }; /* of 'indexed' */
	const struct of_switch *indexed = NULL;
	struct state_frame f;
	size_t ofs = 0;

	while (ofs < size && state_frame_next(data, size, &ofs, &f) == STATE_NEXT_OK) {
		const struct of_switch *sw = switch_of(f.bridge);

		if (!sw || f.type != STATE_COUNTS || f.size % STATE_COUNTS_SIZE)
			continue;
		if (sw != indexed)
			index_rules(sw, &rules);
		indexed = sw;
		add_frame(&f, &rules);
	}
	free(rules.slots);
}
