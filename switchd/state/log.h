/* SPDX-License-Identifier: Apache-2.0 */
/* The state file while it is open: gathers frames, writes them, and keeps the file small.
 *
 *   main:    frames -> pending --write()--> FILE
 *   thread:  what lives in FILE -> FILE.new; main adds what came meanwhile and renames it
 *
 * The thread reads the file only, never the switch, so that nobody waits for it.
 * Threads: main.
 */
#ifndef WEFT_SWITCHD_STATE_LOG_H
#define WEFT_SWITCHD_STATE_LOG_H

#include "switchd/state/format.h"

/* Below this size a file is not compacted. */
#define STATE_COMPACT_MIN (1u << 20)

struct state_log;

/* A new, empty file at 'path', in the place of any that is there.  Returns 0 with '*ret', or a negative
 * errno with 'err'. */
int state_log_create(struct state_log **ret, const char *path, const struct state_head *,
		     struct wf_err *err);
/* Goes on with a file of which the first 'size' bytes are good: the rest is cut off.  -EWOULDBLOCK: another
 * process uses it. */
int state_log_continue(struct state_log **ret, const char *path, size_t size, size_t garbage,
		       struct wf_err *err);
/* The same with a descriptor of the file, locked, which another process wrote by; it is taken over. */
int state_log_adopt(struct state_log **ret, const char *path, int fd, size_t size, size_t garbage,
		    struct wf_err *err);
int state_log_fd(const struct state_log *);
/* While it is held the file is only appended to: no compaction takes its place. */
void state_log_hold(struct state_log *, bool hold);
/* Writes what is pending, waits for the thread.  NULL: nothing happens. */
void state_log_close(struct state_log *);

/* A frame: begin, append to the buffer, end.  In a transaction the last frame is kept open for its
 * flag until the next one begins or the transaction ends. */
struct wf_buf *state_log_begin(struct state_log *, enum state_type, uint32_t bridge);
void state_log_end(struct state_log *);
/* Transactions nest. */
void state_log_txn_begin(struct state_log *);
void state_log_txn_end(struct state_log *);

/* Writes what is pending.  Returns 0 or a negative errno, after which the file is useless. */
int state_log_write(struct state_log *);
/* So many bytes of the file say nothing any more: a hint.  A file that has become four times as large as what lived
 * in it is compacted without any. */
void state_log_garbage(struct state_log *, size_t bytes);
/* The daemon is alive now; 'is_clean': for the last time, and all that ages was written. */
void state_log_alive(struct state_log *, uint64_t now_ms, bool is_clean);
/* Starts or ends a compaction if it is time; 'force' starts one.  In every turn of the loop. */
void state_log_run(struct state_log *, bool force);

struct state_log_stats {
	size_t size, garbage, pending;
	uint64_t n_frames, n_writes, n_compactions;
	bool compacting;
};
void state_log_stats(const struct state_log *, struct state_log_stats *);

#endif
