/* SPDX-License-Identifier: Apache-2.0 */
/* The file's life, and what is written when. */
#include "switchd/state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/phases.h"
#include "base/unixctl.h"
#include "dataplane/normal.h"
#include "dataplane/worker.h"
#include "switchd/state/internal.h"
#include "switchd/state/record.h"

WF_LOG_MODULE(state);

struct state state = { .handed_fd = -1 };

/* What a flow takes in the file, about: for the estimate of what is garbage. */
#define FLOW_SIZE_GUESS 128

int64_t
state_boot_offset(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000 - wf_now_ms();
}

static uint64_t
boot_now_ms(void)
{
	return (uint64_t)(state_boot_offset() + wf_now_ms());
}

static void
set_note(const char *text)
{
	free(state.note);
	state.note = wf_xstrdup(text);
}

/* --- Opening -------------------------------------------------------------------------------- */

static void
read_boot_id(uint8_t id[16])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned n = 0, digit;
	int c;

	memset(id, 0, 16);
	while (f && n < 32 && (c = getc(f)) != EOF) {
		if (c == '-' || sscanf((char[]){ (char)c, 0 }, "%1x", &digit) != 1)
			continue;
		id[n / 2] = (uint8_t)(id[n / 2] << 4 | digit);
		n++;
	}
	if (f)
		fclose(f);
}

static void
keep_aside(const struct wf_err *why)
{
	char *aside = wf_xasprintf("%s.damaged", state.path);
	char *text;

	if (rename(state.path, aside))
		text = wf_xasprintf("%s is refused: %s.  It cannot be renamed to %s (%s); flows, groups and "
				    "meters start empty and come from the controller", state.path,
				    why->text, aside, wf_strerror(-errno));
	else
		text = wf_xasprintf("%s is refused: %s.  It is kept as %s; flows, groups and meters "
				    "start empty and come from the controller", state.path, why->text,
				    aside);
	wf_error("%s", text);
	set_note(text);
	free(text);
	free(aside);
}

struct file_mark {
	uint8_t head[64];
	uint64_t inode, size;
};

/* Maps the file.  Returns 0, or -ENOENT. */
static int
map_file(struct wf_err *err)
{
	int fd = open(state.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return wf_err(err, -errno, "cannot open: %s", wf_strerror(-errno));
	state.file_size = fstat(fd, &st) || !S_ISREG(st.st_mode) ? 0 : (size_t)st.st_size;
	/* What is appended or cut off later does not matter to the part that is looked at. */
	state.file = state.file_size ? mmap(NULL, state.file_size, PROT_READ,
					    MAP_PRIVATE | MAP_POPULATE, fd, 0)
				     : MAP_FAILED;
	int rc = state.file != MAP_FAILED ? 0 : state.file_size ? -errno : -ENODATA;
	close(fd);
	if (!rc)
		return 0;
	state.file = NULL;
	return rc == -ENODATA ? wf_err(err, rc, "it is empty")
			      : wf_err(err, rc, "cannot be mapped: %s", wf_strerror(rc));
}

void
state_unmap(void)
{
	if (state.has_image)
		state_image_done(&state.image);
	if (state.file)
		munmap(state.file, state.file_size);
	state.has_image = false;
	state.file = NULL;
}

/* What changes of a file while somebody writes it. */
static bool
read_mark(struct file_mark *m)
{
	int fd = open(state.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0)
		return false;
	memset(m, 0, sizeof(*m));
	ok = !fstat(fd, &st) && pread(fd, m->head, sizeof(m->head), 0) == sizeof(m->head);
	close(fd);
	m->inode = st.st_ino;
	m->size = st.st_size;
	return ok;
}

static struct file_mark preloaded;
static pthread_t preloader;
static bool preloading;

/* Main leaves 'state' alone meanwhile, but for the path. */
static void *
preload(void *aux)
{
	struct wf_err err = { "" };

	wf_log_thread_name("");
	pthread_setname_np(pthread_self(), "state-file");
	wf_phase_thread_begin();
	if (!read_mark(&preloaded) || map_file(&err))
		return NULL;
	state.has_image = !state_image_build(&state.image, state.file, state.file_size, &err);
	if (!state.has_image)
		state_unmap();
	wf_phase("state file read");
	return NULL;
}

void
state_preload(void)
{
	preloading = state.path && !pthread_create(&preloader, NULL, preload, NULL);
}

/* Whether what was read then is what there is now. */
static bool
is_preloaded(void)
{
	struct file_mark m;

	return state.has_image && read_mark(&m) && !memcmp(&m, &preloaded, sizeof(m));
}

/* Is there something to go on with? */
static bool
load(const struct state_head *now)
{
	struct wf_err err = { "" };
	int rc = 0;

	if (!is_preloaded()) {
		state_unmap();
		rc = map_file(&err);
		if (!rc)
			rc = state_image_build(&state.image, state.file, state.file_size, &err);
	}
	if (rc == -ENOENT || rc == -ENODATA)
		return false;
	if (rc) {
		state_unmap();
		keep_aside(&err);
		return false;
	}
	state.has_image = true;
	if (memcmp(state.image.head.boot_id, now->boot_id, 16)) {
		wf_info("%s is of another boot of this machine: it is forgotten", state.path);
		state_unmap();
		return false;
	}
	if (state.image.size < state.file_size)
		wf_warn("%s: %zu bytes at its end are of a change that was not finished; they are "
			"cut off", state.path, state.file_size - state.image.size);
	state.last_bridge = state.image.last_bridge;
	of_flow_seq_start(state.image.last_flow);
	return true;
}

/* The file cannot be gone on with.  What it says would come back at a start of the same boot. */
static void
forget_old(void)
{
	if (!unlink(state.path))
		wf_warn("%s: removed, since nothing more can be written to it", state.path);
	else if (errno != ENOENT)
		wf_error("%s: cannot be removed: %s.  Remove it before the next start of this boot, or the "
			 "flows in it come back", state.path, wf_strerror(-errno));
}

void
state_open(bool fresh)
{
	struct state_head head = { .alive_ms = boot_now_ms() };
	struct wf_err err = { "" };
	int rc = 0;

	if (state.opened || !state.path)
		return;
	state.opened = true;
	if (preloading)
		pthread_join(preloader, NULL);
	preloading = false;
	read_boot_id(head.boot_id);
	if (fresh)
		state_unmap();
	if (fresh)
		wf_info("flow-restore-wait is set: what %s says is forgotten", state.path);
	if (!fresh && load(&head))
		rc = state_log_continue(&state.log, state.path, state.image.size,
					state.image.size - state_image_live_size(&state.image), &err);
	else
		rc = state_log_create(&state.log, state.path, &head, &err);
	if (!rc)
		return;
	state_unmap();
	wf_error("%s.  Flows will not live through a restart", err.text);
	set_note(err.text);
	if (rc != -EWOULDBLOCK)
		forget_old();
}

bool
state_is_restoring(void)
{
	return state.has_image && state.opened;
}

void
state_settle(void)
{
	if (!state.has_image)
		return;
	for (size_t k = 0; k < state.image.n_items; k++) {
		const struct state_item *i = &state.image.items[k];
		struct of_switch *sw;
		bool known = false;

		if (i->type != STATE_BRIDGE || !i->live)
			continue;
		wf_list_for_each(sw, node, &of_switches)
			known |= sw->state_id == i->bridge;
		if (known || !state.log)
			continue;
		state_log_begin(state.log, STATE_BRIDGE_GONE, i->bridge);
		state_log_end(state.log);
	}
	state_unmap();
	state_flush();
	wf_info("%s: %llu flows, %llu groups, %llu meters and %llu MAC addresses are back after "
		"%lld ms; %llu had expired, %llu could not be read", state.path,
		(unsigned long long)state.n_flows, (unsigned long long)state.n_groups,
		(unsigned long long)state.n_meters, (unsigned long long)state.n_macs,
		(long long)state.replay_us / 1000, (unsigned long long)state.n_expired,
		(unsigned long long)state.n_unreadable);
}

/* --- Writing -------------------------------------------------------------------------------- */

/* A file that lacks a change would bring back what is no more. */
static void
give_up(int rc)
{
	char *text = wf_xasprintf("%s: cannot write: %s.  Flows will not live through a restart",
				  state.path, wf_strerror(rc));

	wf_error("%s", text);
	set_note(text);
	free(text);
	unlink(state.path);
	state_log_close(state.log);
	state.log = NULL;
}

void
state_flush(void)
{
	int rc;

	if (!state.log)
		return;
	rc = state_log_write(state.log);
	if (rc)
		give_up(rc);
}

static bool
is_kept(const struct of_switch *sw)
{
	return state.log && sw->state_id && !state.replaying;
}

void
state_txn_begin(void)
{
	if (state.log)
		state_log_txn_begin(state.log);
}

void
state_txn_end(void)
{
	if (state.log)
		state_log_txn_end(state.log);
}

static void
put_flow(struct of_switch *sw, const struct rule *r, int64_t boot)
{
	state_flow_put(state_log_begin(state.log, STATE_FLOW, sw->state_id), r, &sw->tlv_map, boot);
	state_log_end(state.log);
}

/* As many ids in a frame as come in a row. */
#define GONE_IN_FRAME 8192

void
state_flows(struct of_switch *sw, const struct of_txn *txn)
{
	struct wf_buf *gone = NULL;
	int64_t boot;
	unsigned n = 0;

	if (!is_kept(sw) || !txn->n)
		return;
	boot = state_boot_offset();
	state_log_txn_begin(state.log);
	for (unsigned i = 0; i < txn->n; i++) {
		const struct of_change *ch = &txn->changes[i];

		if (ch->old && !ch->old->hidden) {
			if (gone && n == GONE_IN_FRAME) {
				state_log_end(state.log);
				gone = NULL;
			}
			if (!gone) {
				gone = state_log_begin(state.log, STATE_FLOWS_GONE, sw->state_id);
				n = 0;
			}
			state_put_u64(gone, ch->old->seq);
			n++;
			state_log_garbage(state.log, FLOW_SIZE_GUESS + 8);
		}
		if (ch->new && !ch->new->hidden) {
			if (gone)
				state_log_end(state.log);
			gone = NULL;
			put_flow(sw, ch->new, boot);
		}
	}
	if (gone)
		state_log_end(state.log);
	state_log_txn_end(state.log);
}

void
state_flows_gone(struct of_switch *sw, struct rule *const *rules, unsigned n)
{
	if (!is_kept(sw) || !n)
		return;
	state_log_txn_begin(state.log);
	for (unsigned i = 0; i < n; i += GONE_IN_FRAME) {
		struct wf_buf *gone = state_log_begin(state.log, STATE_FLOWS_GONE, sw->state_id);

		for (unsigned j = i; j < n && j < i + GONE_IN_FRAME; j++) {
			if (j + 8 < n)
				__builtin_prefetch(&rules[j + 8]->seq);
			state_put_u64(gone, rules[j]->seq);
			state_log_garbage(state.log, FLOW_SIZE_GUESS + 8);
		}
		state_log_end(state.log);
	}
	state_log_txn_end(state.log);
}

static void
put_u32_frame(struct of_switch *sw, enum state_type type, uint32_t id)
{
	state_put_u32(state_log_begin(state.log, type, sw->state_id), id);
	state_log_end(state.log);
	state_log_garbage(state.log, FLOW_SIZE_GUESS);
}

void
state_group(struct of_switch *sw, uint32_t id)
{
	const struct group *g = id == OF_GROUP_ALL ? NULL : view_group_pending(sw->bridge, id);

	if (!is_kept(sw))
		return;
	if (!g) {
		put_u32_frame(sw, STATE_GROUP_GONE, id);
		return;
	}
	state_group_put(state_log_begin(state.log, STATE_GROUP, sw->state_id), g, &sw->tlv_map,
			state_boot_offset());
	state_log_end(state.log);
}

void
state_meter(struct of_switch *sw, uint32_t id)
{
	const struct meter *m = NULL;

	if (!is_kept(sw))
		return;
	if (id == OF_METER_SLOWPATH || id == OF_METER_CONTROLLER)
		m = of_meter_virtual_find(sw, id);
	else if (id != OF_METER_ALL)
		m = view_meter_pending(sw->bridge, id);
	if (!m) {
		put_u32_frame(sw, STATE_METER_GONE, id);
		return;
	}
	state_meter_put(state_log_begin(state.log, STATE_METER, sw->state_id), m,
			state_boot_offset());
	state_log_end(state.log);
}

void
state_tlv_map(struct of_switch *sw)
{
	if (!is_kept(sw))
		return;
	state_tlv_map_put(state_log_begin(state.log, STATE_TLV_MAP, sw->state_id), &sw->tlv_map);
	state_log_end(state.log);
}

/* --- Bridges and ports ---------------------------------------------------------------------- */

static void
put_bridge(struct of_switch *sw)
{
	struct state_bridge b = {
		.datapath_id = sw->datapath_id, .has_controllers = sw->n_controllers > 0,
		.fail_mode = (uint8_t)sw->fail_mode,
	};

	memcpy(b.uuid, sw->state_uuid, 16);
	snprintf(b.name, sizeof(b.name), "%s", sw->bridge->name);
	state_bridge_put(state_log_begin(state.log, STATE_BRIDGE, sw->state_id), &b);
	state_log_end(state.log);
}

void
state_bridge(struct of_switch *sw, const uint8_t uuid[16])
{
	struct state_bridge b;
	uint32_t id;

	if (!state.log && state.handed_fd < 0)
		return;
	memcpy(sw->state_uuid, uuid, 16);
	id = state.has_image ? state_image_bridge(&state.image, sw->bridge->name, &b) : 0;
	if (id && !memcmp(b.uuid, uuid, 16)) {
		sw->state_id = id;
		return;
	}
	if (!state.log)
		return; /* it is not in the other daemon's file: state_take_end() */
	sw->state_id = ++state.last_bridge;
	put_bridge(sw);
}

void
state_bridge_anew(struct of_switch *sw)
{
	struct of_port *p;

	state_log_begin(state.log, STATE_BRIDGE_GONE, sw->state_id);
	state_log_end(state.log);
	sw->state_id_before = sw->state_id;
	sw->state_id = ++state.last_bridge;
	put_bridge(sw);
	wf_hmap_for_each(p, node, &sw->ports)
		state_ofport(sw, p->desc.name, p->desc.port);
}

void
state_bridge_del(struct of_switch *sw, bool forget)
{
	if (forget && is_kept(sw)) {
		state_log_begin(state.log, STATE_BRIDGE_GONE, sw->state_id);
		state_log_end(state.log);
	}
	sw->state_id = 0;
}

void
state_mode(struct of_switch *sw)
{
	uint8_t mode = (uint8_t)(1 + sw->fail_mode * 2 + (sw->n_controllers > 0));

	if (!is_kept(sw) || sw->state_mode == mode)
		return;
	sw->state_mode = mode;
	put_bridge(sw);
}

void
state_ofport(struct of_switch *sw, const char *name, uint32_t ofport)
{
	struct state_ofport o = { .ofport = ofport };

	/* A number that the file has is not written again. */
	if (!is_kept(sw) || (ofport && !sw->state_id_before &&
			     ofport == state_ofport_before(sw, name)) ||
	    strlen(name) >= sizeof(o.name))
		return;
	snprintf(o.name, sizeof(o.name), "%s", name);
	state_ofport_put(state_log_begin(state.log, STATE_OFPORT, sw->state_id), &o);
	state_log_end(state.log);
}

uint32_t
state_ofport_before(struct of_switch *sw, const char *name)
{
	const struct state_item *i;
	struct state_ofport o;
	struct state_frame f;

	if (!state.has_image || !sw->state_id)
		return 0;
	i = state_image_find(&state.image, sw->state_id_before ? sw->state_id_before : sw->state_id,
			     STATE_OFPORT, state_name_id(name));
	if (!i)
		return 0;
	state_image_frame(&state.image, i, &f);
	return state_ofport_get(&f, &o) && !strcmp(o.name, name) ? o.ofport : 0;
}

/* --- What ages ------------------------------------------------------------------------------ */

struct mac_rows {
	struct wf_buf rows;
	int64_t boot_now;
	size_t n;
};

static void
put_mac(const struct mac_row *row, void *m_)
{
	struct mac_rows *m = m_;
	struct state_mac mac = {
		.vid = row->vid, .port = row->port, .is_static = row->is_static,
		.used_ms = m->boot_now - 1000ll * row->age_s,
	};

	memcpy(mac.mac, row->mac, 6);
	state_mac_put(&m->rows, &mac);
	m->n++;
}

void
state_macs(struct of_switch *sw, bool even_if_unchanged)
{
	struct mac_rows m = { .boot_now = (int64_t)boot_now_ms() };
	struct mac_stats s;
	uint64_t changes;
	size_t n_parts, done = 0;

	if (!is_kept(sw) || !sw->bridge->macs)
		return;
	mac_table_stats(sw->bridge->macs, &s);
	changes = s.total_learned + s.total_moved + s.total_expired + s.total_evicted +
		  s.total_static + s.n;
	/* A table that is large and changes all the time is written less often. */
	if (!even_if_unchanged &&
	    (changes == sw->state_macs_changes ||
	     wf_now_ms() - sw->state_macs_ms < (int64_t)(1000 + s.n / 10)))
		return;
	sw->state_macs_changes = changes;
	sw->state_macs_ms = wf_now_ms();
	mac_table_dump(sw->bridge->macs, put_mac, &m);
	n_parts = m.n ? (m.n + STATE_MACS_PER_FRAME - 1) / STATE_MACS_PER_FRAME : 1;
	state_log_garbage(state.log, m.rows.size);
	state_log_txn_begin(state.log);
	for (size_t part = 0; part < n_parts; part++) {
		struct wf_buf *b = state_log_begin(state.log, STATE_MACS, sw->state_id);
		size_t n = m.n - done < STATE_MACS_PER_FRAME ? m.n - done : STATE_MACS_PER_FRAME;

		state_put_u16(b, (uint16_t)part);
		state_put_u16(b, (uint16_t)n_parts);
		wf_buf_put(b, wf_buf_at(&m.rows, done * STATE_MAC_SIZE), n * STATE_MAC_SIZE);
		state_log_end(state.log);
		done += n;
	}
	state_log_txn_end(state.log);
	wf_buf_done(&m.rows);
}

struct counts_visit {
	struct of_switch *sw;
	struct wf_buf *buf; /* NULL: no frame is open */
	unsigned n;
	int64_t boot;
};

bool
state_counts_of(const struct rule *r, int64_t boot, struct state_counts *c)
{
	int64_t used = atomic_load_explicit(&r->counter.used_ms, memory_order_relaxed);

	*c = (struct state_counts){
		.flow = r->seq,
		.packets = atomic_load_explicit(&r->counter.packets, memory_order_relaxed),
		.bytes = atomic_load_explicit(&r->counter.bytes, memory_order_relaxed),
		.used_ms = used ? used + boot : 0,
	};
	return !r->hidden && (c->packets || c->used_ms);
}

static bool
put_counts(struct rule *r, void *v_)
{
	struct counts_visit *v = v_;
	struct state_counts c;

	if (!state_counts_of(r, v->boot, &c))
		return true;
	if (v->buf && v->n == GONE_IN_FRAME) {
		state_log_end(state.log);
		v->buf = NULL;
	}
	if (!v->buf) {
		v->buf = state_log_begin(state.log, STATE_COUNTS, v->sw->state_id);
		v->n = 0;
	}
	state_counts_put(v->buf, &c);
	v->n++;
	return true;
}

static void
save_counts(struct of_switch *sw)
{
	struct counts_visit v = { .sw = sw, .boot = state_boot_offset() };

	if (!is_kept(sw))
		return;
	for (unsigned t = 0; t < N_TABLES; t++)
		table_for_each(&sw->bridge->tables[t], NULL, view_next_version(), put_counts, &v);
	if (v.buf)
		state_log_end(state.log);
}

void
state_close(bool forget)
{
	struct of_switch *sw;

	if (!state.log)
		return;
	state_unmap();
	if (forget) {
		unlink(state.path);
	} else {
		workers_fold_stats();
		wf_list_for_each(sw, node, &of_switches) {
			save_counts(sw);
			state_macs(sw, true);
		}
		state_flush();
		if (state.log)
			state_log_alive(state.log, boot_now_ms(), true);
	}
	state_log_close(state.log);
	state.log = NULL;
	state.opened = false;
}

/* --- Life ----------------------------------------------------------------------------------- */

static void
each_second(struct wf_timer *t)
{
	struct of_switch *sw;

	/* Not while the file is read: it says when the last daemon was alive. */
	if (state.log && !state.has_image) {
		wf_list_for_each(sw, node, &of_switches)
			state_macs(sw, false);
		state_flush();
		if (state.log)
			state_log_alive(state.log, boot_now_ms(), false);
	}
	wf_timer_set(t, 1000, each_second, NULL);
}

static int64_t
each_turn(struct wf_idle *idle)
{
	state_flush();
	if (state.log && !state.has_image)
		state_log_run(state.log, false);
	return -1;
}

static void
on_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct state_log_stats ls;

	if (!state.log) {
		wf_str_fmt(&s, "nothing is kept%s%s\n", state.note ? ": " : "",
			   state.note ? state.note : "");
	} else {
		state_log_stats(state.log, &ls);
		wf_str_fmt(&s, "file: %s\nsize: %zu bytes, about %zu of them outdated\n",
			   state.path, ls.size, ls.garbage);
		wf_str_fmt(&s, "since the start: %llu records, %llu writes, %llu compactions%s\n",
			   (unsigned long long)ls.n_frames, (unsigned long long)ls.n_writes,
			   (unsigned long long)ls.n_compactions,
			   ls.compacting ? ", one under way" : "");
		if (state.note)
			wf_str_fmt(&s, "note: %s\n", state.note);
	}
	wf_str_fmt(&s, "at the start: %llu flows, %llu groups, %llu meters, %llu MAC addresses "
		   "back after %lld us; %llu expired, %llu unreadable\n",
		   (unsigned long long)state.n_flows, (unsigned long long)state.n_groups,
		   (unsigned long long)state.n_meters,
		   (unsigned long long)state.n_macs, (long long)state.replay_us,
		   (unsigned long long)state.n_expired, (unsigned long long)state.n_unreadable);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_compact(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (!state.log) {
		unixctl_reply_error(conn, "nothing is kept");
		return;
	}
	state_log_run(state.log, true);
	unixctl_reply(conn, NULL);
}

void
state_init(const char *path)
{
	static struct wf_idle idle = { .fn = each_turn };
	static struct wf_timer second;

	unixctl_command("state/show", "", 0, 0, on_show, NULL);
	unixctl_command("state/compact", "", 0, 0, on_compact, NULL);
	if (path && !strcmp(path, "none")) {
		set_note("--state=none");
		return;
	}
	state.path = !path ? wf_xasprintf("%s/weft.state", wf_rundir())
		   : *path == '/' ? wf_xstrdup(path) : wf_xasprintf("%s/%s", wf_rundir(), path);
	wf_idle_add(&idle);
	wf_timer_set(&second, 1000, each_second, NULL);
}
