/* SPDX-License-Identifier: Apache-2.0 */
/* Log with named modules, levels and three destinations (console, syslog, file),
 * in the line format that clients of Open vSwitch parse:
 *
 *   2026-01-31T12:00:00.123Z|00001|bridge|INFO|text          (main thread)
 *   2026-01-31T12:00:00.123Z|00002|netdev(worker1)|WARN|text  (other threads)
 *
 * A module is one per .c file; files of the same name count as one for who sets levels:  WF_LOG_MODULE(bridge);  then  wf_info("...").
 * Threads: any.  Never call it per packet; use wf_warn_rl() on paths that a
 * remote party can trigger (a token bucket per call site; the number suppressed is
 * said when it speaks again).
 */
#ifndef WEFT_BASE_LOG_H
#define WEFT_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum wf_log_level { WF_EMER, WF_ERR, WF_WARN, WF_INFO, WF_DBG, WF_OFF = -1 };
enum wf_log_dest { WF_LOG_SYSLOG, WF_LOG_CONSOLE, WF_LOG_FILE, WF_LOG_N_DESTS };

struct wf_log_module {
	const char *name;
	struct wf_log_module *next;
	int levels[WF_LOG_N_DESTS]; /* a message passes if its level <= this */
	int min_level;              /* the largest of 'levels': the quick test */
	bool honor_rate_limits;
};

/* The token bucket of one call site: WF_LOG_BURST messages at once, then
 * WF_LOG_PER_MIN a minute.  Zero-initialised: full. */
#define WF_LOG_BURST 20
#define WF_LOG_PER_MIN 20
struct wf_log_rate {
	int64_t last_fill_ms; /* 0: never used */
	unsigned tokens, n_dropped;
	int64_t first_dropped_ms, last_dropped_ms;
	unsigned char busy; /* a thread is inside; others drop instead of waiting */
};

#define WF_LOG_MODULE(NAME)                                                                    \
	static struct wf_log_module wf_this_module = {                                         \
		#NAME, NULL, { WF_INFO, WF_INFO, WF_INFO }, WF_INFO, true                      \
	};                                                                                     \
	__attribute__((constructor)) static void wf_log_register_##NAME(void)                  \
	{                                                                                      \
		wf_log_register(&wf_this_module);                                              \
	}                                                                                      \
	struct wf_log_swallow_semicolon

void wf_log_register(struct wf_log_module *);
void wf_log(struct wf_log_module *, enum wf_log_level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void wf_log_rl(struct wf_log_module *, enum wf_log_level, struct wf_log_rate *, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* True if a message of this level would go anywhere: to skip the work of composing it. */
#define wf_log_enabled(LEVEL)                                                                  \
	((int)(LEVEL) <= __atomic_load_n(&wf_this_module.min_level, __ATOMIC_RELAXED))

#define wf_log_at(LEVEL, ...)                                                                  \
	do {                                                                                   \
		if (wf_log_enabled(LEVEL))                                                     \
			wf_log(&wf_this_module, LEVEL, __VA_ARGS__);                           \
	} while (0)
#define wf_emer(...) wf_log_at(WF_EMER, __VA_ARGS__)
#define wf_error(...) wf_log_at(WF_ERR, __VA_ARGS__)
#define wf_warn(...) wf_log_at(WF_WARN, __VA_ARGS__)
#define wf_info(...) wf_log_at(WF_INFO, __VA_ARGS__)
#define wf_dbg(...) wf_log_at(WF_DBG, __VA_ARGS__)
#define wf_log_rl_at(LEVEL, ...)                                                               \
	do {                                                                                   \
		static struct wf_log_rate wf_rate_;                                            \
		if (wf_log_enabled(LEVEL))                                                     \
			wf_log_rl(&wf_this_module, LEVEL, &wf_rate_, __VA_ARGS__);             \
	} while (0)
#define wf_error_rl(...) wf_log_rl_at(WF_ERR, __VA_ARGS__)
#define wf_warn_rl(...) wf_log_rl_at(WF_WARN, __VA_ARGS__)
#define wf_info_rl(...) wf_log_rl_at(WF_INFO, __VA_ARGS__)
#define wf_dbg_rl(...) wf_log_rl_at(WF_DBG, __VA_ARGS__)

/* Command line and unixctl: "SPEC" as in ovs-appctl vlog/set ("MODULE:DEST:LEVEL",
 * any order, also "PATTERN:DEST:FMT" and "FACILITY:NAME").  An unknown module name
 * is accepted (and said at debug level) because scripts name modules of another
 * daemon.  NULL: everything to debug.  Returns 0 or -EINVAL with the reason.
 * Threads: main only, as are all functions below but wf_log_thread_name(). */
int wf_log_set(const char *spec_or_null, struct wf_err *);
/* Level of one destination in all modules. */
void wf_log_set_all(enum wf_log_dest, enum wf_log_level);
/* "libc", "null", "unix:PATH", "udp:IP:PORT"; the first call wins, and the environment
 * variable OVS_SYSLOG_METHOD counts when there is none before the first message. */
int wf_log_syslog_method(const char *method, struct wf_err *);
/* Also sends RFC 5424 messages to the UDP address "IP:PORT". */
int wf_log_syslog_target(const char *target, struct wf_err *);
int wf_log_set_file(const char *path_or_null, struct wf_err *); /* NULL: LOGDIR/PROGRAM.log */
/* Opens the file by its name again.  -ENOENT if no file is configured. */
int wf_log_reopen(struct wf_err *);
void wf_log_close_file(void);
/* The name that the next threads' messages carry; call it first in a thread. */
void wf_log_thread_name(const char *name);
/* Text of vlog/list and vlog/list-pattern; caller frees. */
char *wf_log_list(void);
char *wf_log_list_pattern(void);
/* Returns 0, or -ENOENT if there is no such module; NULL or "ANY": all. */
int wf_log_rate_limits(const char *module_or_null, bool honor);
/* Registers the vlog/ commands; unixctl_server_open() does it. */
void wf_log_unixctl_init(void);
/* Owner of the log file, for --user. */
int wf_log_chown_file(unsigned uid, unsigned gid, struct wf_err *);

#endif
