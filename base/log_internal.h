/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the log share; nobody else includes this. */
#ifndef WEFT_BASE_LOG_INTERNAL_H
#define WEFT_BASE_LOG_INTERNAL_H

#include <stdarg.h>

#include "base/buf.h"
#include "base/log.h"

/* One message on its way to the destinations. */
struct wf_log_msg {
	const struct wf_log_module *module;
	enum wf_log_level level;
	unsigned seq;       /* %N: per thread */
	int64_t wall_ms;
	const char *text;   /* without new-lines at the end */
	const char *thread; /* "" on the main thread */
};

extern const char *const wf_log_level_names[]; /* index: level + 1 */

/* Appends the message in the form of 'pattern' (vlog/set in ovs-appctl(8)). */
void wf_log_format(struct wf_str *, const char *pattern, const struct wf_log_msg *);
/* Calendar time; "###" in the format becomes milliseconds. */
void wf_log_format_time(struct wf_str *, const char *format, int64_t wall_ms, bool utc);

/* The log file's descriptor or -1, for a signal handler. */
int wf_log_raw_fd(void);

/* Syslog. */
int wf_syslog_severity(enum wf_log_level);
int wf_syslog_facility(void); /* 0: not set by the user */
int wf_syslog_set_facility(const char *name);
const char *wf_syslog_prefix(void);
void wf_syslog_send(const struct wf_log_msg *, const char *text);

#endif
