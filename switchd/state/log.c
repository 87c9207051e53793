/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/state/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "switchd/state/image.h"

/* A transaction may be larger than what is to be kept in memory. */
#define PENDING_MAX (1u << 20)
/* So much main copies itself when it takes the compacted file over. */
#define TAIL_MAX (256u << 10)

/* The thread's; main looks only once 'done' is set. */
struct compaction {
	pthread_t thread;
	int from, to;        /* descriptors of its own */
	size_t base;         /* bytes of the old file that count */
	size_t copied;       /* of those: in the new file */
	size_t new_size;
	int rc;
	struct wf_err err;
	_Atomic bool done;
};

struct state_log {
	char *path, *new_path;
	int fd;
	size_t size;         /* of the file */
	size_t boundary;     /* where its last whole transaction ends */
	size_t garbage;      /* as callers say; not all is said */
	size_t compact_at;   /* at this size whatever they say */
	struct wf_buf pending;
	bool frame_kept;     /* complete but for its flag */
	size_t frame_ofs;
	unsigned depth;      /* of transactions */
	struct state_head head;
	struct compaction *compaction;
	bool held;
	uint64_t n_frames, n_writes, n_compactions;
	int broken;          /* errno of a write that failed */
};

static int
open_new(const char *path, struct wf_err *err)
{
	int fd;

	/* Whatever lies there is not ours to write through: a link, say. */
	if (unlink(path) && errno != ENOENT)
		return wf_err(err, -errno, "%s: cannot remove: %s", path, wf_strerror(-errno));
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return wf_err(err, -errno, "%s: cannot create: %s", path, wf_strerror(-errno));
	return fd;
}

/* So much may a file grow from 'live' bytes before it is looked at what of it lives. */
static size_t
grown(size_t live)
{
	return live > STATE_COMPACT_MIN ? live * 4 : STATE_COMPACT_MIN * 4;
}

static struct state_log *
log_new(const char *path)
{
	struct state_log *l = wf_xzalloc(sizeof(*l));

	l->path = wf_xstrdup(path);
	l->new_path = wf_xasprintf("%s.new", path);
	l->fd = -1;
	return l;
}

static void
log_free(struct state_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	wf_buf_done(&l->pending);
	free(l->path);
	free(l->new_path);
	free(l);
}

int
state_log_create(struct state_log **ret, const char *path, const struct state_head *head,
		 struct wf_err *err)
{
	struct state_log *l = log_new(path);
	uint8_t bytes[STATE_HEAD_SIZE];
	int rc;

	l->head = *head;
	l->fd = open_new(l->new_path, err);
	if (l->fd < 0) {
		rc = l->fd;
		log_free(l);
		return rc;
	}
	state_head_put(head, bytes);
	rc = wf_write_all(l->fd, bytes, sizeof(bytes));
	if (!rc && (flock(l->fd, LOCK_EX | LOCK_NB) || rename(l->new_path, path)))
		rc = -errno;
	if (rc) {
		wf_err(err, rc, "%s: cannot write: %s", path, wf_strerror(rc));
		unlink(l->new_path);
		log_free(l);
		return rc;
	}
	l->size = l->boundary = sizeof(bytes);
	l->compact_at = grown(l->size);
	*ret = l;
	return 0;
}

int
state_log_continue(struct state_log **ret, const char *path, size_t size, size_t garbage,
		   struct wf_err *err)
{
	return state_log_adopt(ret, path, open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC), size, garbage,
			       err);
}

int
state_log_adopt(struct state_log **ret, const char *path, int fd, size_t size, size_t garbage,
		struct wf_err *err)
{
	struct state_log *l = log_new(path);
	uint8_t bytes[STATE_HEAD_SIZE];
	int rc = 0;

	l->fd = fd;
	if (l->fd < 0 || flock(l->fd, LOCK_EX | LOCK_NB) || ftruncate(l->fd, (off_t)size) ||
	    pread(l->fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
	    lseek(l->fd, 0, SEEK_END) != (off_t)size)
		rc = errno ? -errno : -EIO;
	if (!rc)
		rc = state_head_get(bytes, sizeof(bytes), &l->head, err);
	if (rc) {
		wf_err(err, rc, "%s: cannot go on with it: %s", path,
		       rc == -EWOULDBLOCK ? "another process uses it" : wf_strerror(rc));
		log_free(l);
		return rc;
	}
	l->size = l->boundary = size;
	l->garbage = garbage;
	l->compact_at = grown(size - garbage);
	*ret = l;
	return 0;
}

/* --- Frames --------------------------------------------------------------------------------- */

static void
drop_kept(struct state_log *l, uint8_t flags)
{
	if (!l->frame_kept)
		return;
	state_frame_end(&l->pending, l->frame_ofs, flags);
	l->frame_kept = false;
}

struct wf_buf *
state_log_begin(struct state_log *l, enum state_type type, uint32_t bridge)
{
	drop_kept(l, STATE_MORE);
	if (l->pending.size > PENDING_MAX)
		state_log_write(l);
	l->frame_ofs = state_frame_begin(&l->pending, type, bridge);
	l->n_frames++;
	return &l->pending;
}

void
state_log_end(struct state_log *l)
{
	if (l->depth)
		l->frame_kept = true;
	else
		state_frame_end(&l->pending, l->frame_ofs, 0);
}

void
state_log_txn_begin(struct state_log *l)
{
	l->depth++;
}

void
state_log_txn_end(struct state_log *l)
{
	if (!--l->depth)
		drop_kept(l, 0);
}

int
state_log_write(struct state_log *l)
{
	size_t size = l->frame_kept ? l->frame_ofs : l->pending.size;
	int rc = l->broken;

	if (!size || rc)
		return rc;
	rc = wf_write_all(l->fd, l->pending.data, size);
	l->n_writes++;
	if (rc) {
		l->broken = rc;
		return rc;
	}
	l->size += size;
	wf_buf_pull(&l->pending, size);
	l->frame_ofs -= size;
	if (!l->pending.size) {
		wf_buf_clear(&l->pending);
		/* One large transaction is no reason to keep its memory. */
		if (l->pending.allocated > 4 * PENDING_MAX)
			wf_buf_done(&l->pending);
	}
	if (!l->depth)
		l->boundary = l->size;
	return 0;
}

void
state_log_garbage(struct state_log *l, size_t bytes)
{
	l->garbage += bytes;
}

void
state_log_alive(struct state_log *l, uint64_t now_ms, bool is_clean)
{
	uint8_t bytes[STATE_ALIVE_SIZE];

	l->head.alive_ms = now_ms;
	l->head.is_clean = is_clean;
	state_alive_put(now_ms, is_clean, bytes);
	if (pwrite(l->fd, bytes, sizeof(bytes), STATE_ALIVE_OFS) != sizeof(bytes))
		l->broken = l->broken ? l->broken : -EIO;
}

/* --- Compaction, the thread ----------------------------------------------------------------- */

static int
put_new(void *c_, const void *data, size_t size)
{
	struct compaction *c = c_;
	int rc = wf_write_all(c->to, data, size);

	c->new_size += rc ? 0 : size;
	return rc;
}

/* What came to the old file since, as it is. */
static int
copy(struct compaction *c, size_t end)
{
	uint8_t *chunk = wf_xmalloc(TAIL_MAX);
	int rc = 0;

	while (!rc && c->copied < end) {
		size_t n = end - c->copied < TAIL_MAX ? end - c->copied : TAIL_MAX;
		ssize_t got = pread(c->from, chunk, n, (off_t)c->copied);

		rc = got <= 0 ? got < 0 ? -errno : -EIO : put_new(c, chunk, (size_t)got);
		c->copied += rc ? 0 : (size_t)got;
	}
	free(chunk);
	return rc;
}

static int
compact(struct compaction *c)
{
	uint8_t head[STATE_HEAD_SIZE];
	struct state_image image;
	void *file = mmap(NULL, c->base, PROT_READ, MAP_SHARED, c->from, 0);
	int rc;

	if (file == MAP_FAILED)
		return wf_err(&c->err, -errno, "mmap: %s", wf_strerror(-errno));
	rc = state_image_build(&image, file, c->base, &c->err);
	if (!rc) {
		state_head_put(&image.head, head);
		rc = put_new(c, head, sizeof(head));
		if (!rc)
			rc = state_image_write(&image, put_new, c);
		state_image_done(&image);
		if (rc)
			wf_err(&c->err, rc, "write: %s", wf_strerror(rc));
	}
	munmap(file, c->base);
	c->copied = c->base;
	return rc;
}

static void *
compaction_main(void *c_)
{
	struct compaction *c = c_;
	struct stat st;

	pthread_setname_np(pthread_self(), "state");
	/* A low priority for this thread alone: Linux has it per thread. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
	c->rc = compact(c);
	/* Main copies the rest while nobody writes; it should be short.  What is there now may end
	 * inside a frame: main goes on where this ends. */
	for (int round = 0; !c->rc && round < 10; round++) {
		if (fstat(c->from, &st) || (size_t)st.st_size < c->copied + TAIL_MAX)
			break;
		c->rc = copy(c, (size_t)st.st_size);
		if (c->rc)
			wf_err(&c->err, c->rc, "copy: %s", wf_strerror(c->rc));
	}
	atomic_store_explicit(&c->done, true, memory_order_release);
	wf_loop_wake();
	return NULL;
}

/* --- Compaction, main ----------------------------------------------------------------------- */

static void
start(struct state_log *l)
{
	struct compaction *c = wf_xzalloc(sizeof(*c));
	sigset_t all, before;
	struct wf_err err;
	int rc;

	c->from = dup(l->fd);
	c->to = open_new(l->new_path, &err);
	c->base = l->boundary;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = c->from < 0 || c->to < 0 ? -1 : pthread_create(&c->thread, NULL, compaction_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc) {
		l->compaction = c;
		return;
	}
	if (c->from >= 0)
		close(c->from);
	if (c->to >= 0)
		close(c->to);
	free(c);
	l->garbage = 0; /* not at once again */
	l->compact_at = grown(l->size);
}

static void
finish(struct state_log *l, bool keep)
{
	struct compaction *c = l->compaction;
	uint8_t alive[STATE_ALIVE_SIZE];

	pthread_join(c->thread, NULL);
	l->compaction = NULL;
	if (!c->rc && keep) {
		c->rc = copy(c, l->size);
		state_alive_put(l->head.alive_ms, l->head.is_clean, alive);
		if (!c->rc && (pwrite(c->to, alive, sizeof(alive), STATE_ALIVE_OFS) < 0 ||
			       flock(c->to, LOCK_EX | LOCK_NB) || rename(l->new_path, l->path)))
			c->rc = -errno;
	}
	close(c->from);
	if (!c->rc && keep) {
		close(l->fd);
		l->fd = c->to;
		l->size = l->boundary = c->new_size;
		l->n_compactions++;
	} else {
		close(c->to);
		unlink(l->new_path);
	}
	/* After a failure: again when as much has come together once more. */
	l->garbage = 0;
	l->compact_at = grown(l->size);
	free(c);
}

int
state_log_fd(const struct state_log *l)
{
	return l->fd;
}

void
state_log_hold(struct state_log *l, bool hold)
{
	l->held = hold;
	if (hold && l->compaction)
		finish(l, false);
}

void
state_log_run(struct state_log *l, bool force)
{
	if (l->held)
		return;
	if (l->compaction) {
		/* Only between transactions does the file end where one ends. */
		if (atomic_load_explicit(&l->compaction->done, memory_order_acquire) && !l->depth)
			finish(l, true);
		return;
	}
	if (l->broken || l->depth)
		return;
	if (force || (l->size > STATE_COMPACT_MIN && l->garbage > l->size / 2) ||
	    l->size > l->compact_at)
		start(l);
}

void
state_log_close(struct state_log *l)
{
	if (!l)
		return;
	if (l->compaction)
		finish(l, false);
	state_log_write(l);
	log_free(l);
}

void
state_log_stats(const struct state_log *l, struct state_log_stats *s)
{
	*s = (struct state_log_stats){
		.size = l->size, .garbage = l->garbage, .pending = l->pending.size,
		.n_frames = l->n_frames, .n_writes = l->n_writes, .n_compactions = l->n_compactions,
		.compacting = l->compaction != NULL,
	};
}
