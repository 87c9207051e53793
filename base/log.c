// SPDX-License-Identifier: Apache-2.0
/* No lock is held while a line is written, so that a thread never waits for another
 * one's disk: files are written with O_APPEND, one write() a line, and the number of the
 * log file's descriptor never changes once it is open (dup2() puts another file under
 * it).  What workers read and the main thread changes are single words. */
#include "base/log_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"

WF_LOG_MODULE(vlog);

const char *const wf_log_level_names[] = { "OFF", "EMER", "ERR", "WARN", "INFO", "DBG" };
#define N_LEVEL_NAMES 6

static struct wf_log_module *modules; /* written by constructors only */

struct dest {
	const char *name;
	_Atomic(const char *) pattern;
};
static struct dest dests[WF_LOG_N_DESTS] = {
	[WF_LOG_SYSLOG] = { "SYSLOG", "ovs|%05N|%c%T|%p|%m" },
	[WF_LOG_CONSOLE] = { "CONSOLE", "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m" },
	[WF_LOG_FILE] = { "FILE", "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m" },
};

/* A pattern that was replaced may be in use by a thread; they are changed by hand and
 * few, so they are kept for good, here, where a leak checker finds them. */
static struct kept_pattern {
	struct kept_pattern *next;
	char text[];
} *kept_patterns;

static char *file_path;        /* main thread */
static _Atomic int file_fd = -1; /* the number stays once it is set */
static atomic_bool file_open;

static _Thread_local char thread_name[32];
static _Thread_local unsigned thread_seq;

void
wf_log_register(struct wf_log_module *m)
{
	m->next = modules;
	modules = m;
}

void
wf_log_thread_name(const char *name)
{
	snprintf(thread_name, sizeof(thread_name), "%s", name);
}

/* Levels are plain ints in the header so that it needs no <stdatomic.h>. */
static int
level_of(const struct wf_log_module *m, enum wf_log_dest d)
{
	return __atomic_load_n(&m->levels[d], __ATOMIC_RELAXED);
}

static void
update_min_level(struct wf_log_module *m)
{
	int min = WF_OFF;

	for (int d = 0; d < WF_LOG_N_DESTS; d++) {
		int level = level_of(m, d);

		if ((d != WF_LOG_FILE || file_open) && level > min)
			min = level;
	}
	__atomic_store_n(&m->min_level, min, __ATOMIC_RELAXED);
}

static void
set_level(struct wf_log_module *m, enum wf_log_dest d, int level)
{
	__atomic_store_n(&m->levels[d], level, __ATOMIC_RELAXED);
	update_min_level(m);
}

static void
write_line(int fd, struct wf_str *line)
{
	wf_str_putc(line, '\n');
	/* A full disk or a closed terminal loses the line; there is nobody to tell. */
	while (write(fd, line->s, line->len) < 0 && errno == EINTR)
		;
}

static void
log_text(struct wf_log_module *m, enum wf_log_level level, char *text)
{
	struct wf_str s = WF_STR_INIT;
	struct wf_log_msg msg = {
		.module = m,
		.level = level,
		.seq = ++thread_seq,
		.wall_ms = wf_wall_ms(),
		.text = text,
		.thread = thread_name,
	};

	for (size_t n = strlen(text); n && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';

	for (int d = 0; d < WF_LOG_N_DESTS; d++) {
		if ((int)level > level_of(m, d) || (d == WF_LOG_FILE && !file_open))
			continue;
		wf_str_truncate(&s, 0);
		wf_log_format(&s, atomic_load_explicit(&dests[d].pattern, memory_order_acquire),
			      &msg);
		if (d == WF_LOG_CONSOLE)
			write_line(STDERR_FILENO, &s);
		else if (d == WF_LOG_FILE)
			write_line(file_fd, &s);
		else
			wf_syslog_send(&msg, wf_str_cstr(&s));
	}
	wf_str_done(&s);
}

static void __attribute__((format(printf, 3, 0)))
log_v(struct wf_log_module *m, enum wf_log_level level, const char *fmt, va_list args)
{
	int saved_errno = errno;
	struct wf_str text = WF_STR_INIT;

	wf_str_vfmt(&text, fmt, args);
	log_text(m, level, text.s);
	wf_str_done(&text);
	errno = saved_errno;
}

void
wf_log(struct wf_log_module *m, enum wf_log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_v(m, level, fmt, args);
	va_end(args);
}

/* Withdraws a token.  On success '*n_dropped' and the two ages tell of what was dropped
 * since the last time. */
static bool
may_speak(struct wf_log_rate *r, unsigned *n_dropped, unsigned *first_s, unsigned *last_s)
{
	int64_t now = wf_now_ms();

	if (__atomic_exchange_n(&r->busy, 1, __ATOMIC_ACQUIRE))
		return false; /* another thread speaks from here this very moment */

	if (!r->last_fill_ms) {
		r->last_fill_ms = now;
		r->tokens = WF_LOG_BURST;
	} else {
		int64_t fresh = (now - r->last_fill_ms) * WF_LOG_PER_MIN / 60000;

		if (fresh > 0) {
			r->tokens = fresh < WF_LOG_BURST - (int64_t)r->tokens ? r->tokens + fresh
									      : WF_LOG_BURST;
			r->last_fill_ms += fresh * 60000 / WF_LOG_PER_MIN;
		}
	}

	bool ok = r->tokens > 0;
	if (ok) {
		r->tokens--;
		*n_dropped = r->n_dropped;
		*first_s = (now - r->first_dropped_ms) / 1000;
		*last_s = (now - r->last_dropped_ms) / 1000;
		r->n_dropped = 0;
	} else {
		if (!r->n_dropped++)
			r->first_dropped_ms = now;
		r->last_dropped_ms = now;
	}
	__atomic_store_n(&r->busy, 0, __ATOMIC_RELEASE);
	return ok;
}

void
wf_log_rl(struct wf_log_module *m, enum wf_log_level level, struct wf_log_rate *r,
	  const char *fmt, ...)
{
	unsigned n_dropped = 0, first_s = 0, last_s = 0;
	va_list args;

	if (__atomic_load_n(&m->honor_rate_limits, __ATOMIC_RELAXED) &&
	    !may_speak(r, &n_dropped, &first_s, &last_s))
		return;
	if (n_dropped)
		wf_log(m, level,
		       "Dropped %u log messages in last %u seconds (most recently, %u seconds "
		       "ago) due to excessive rate",
		       n_dropped, first_s, last_s);
	va_start(args, fmt);
	log_v(m, level, fmt, args);
	va_end(args);
}

void
wf_log_set_all(enum wf_log_dest d, enum wf_log_level level)
{
	for (struct wf_log_module *m = modules; m; m = m->next)
		set_level(m, d, level);
}

static struct wf_log_module *
find_module(const char *name)
{
	for (struct wf_log_module *m = modules; m; m = m->next)
		if (!strcasecmp(m->name, name))
			return m;
	return NULL;
}

/* A module may have several files, each with levels of its own; users know only its name. */
static bool
is_of_module(const struct wf_log_module *m, const struct wf_log_module *module)
{
	return !module || !strcmp(m->name, module->name);
}

static int
find_dest(const char *name)
{
	for (int d = 0; d < WF_LOG_N_DESTS; d++)
		if (!strcasecmp(dests[d].name, name))
			return d;
	return -1;
}

/* Returns the index into the names, which is the level plus 1, or -1. */
static int
find_level(const char *name)
{
	for (int i = 0; i < N_LEVEL_NAMES; i++)
		if (!strcasecmp(wf_log_level_names[i], name))
			return i;
	return -1;
}

static void
set_pattern(enum wf_log_dest d, const char *text)
{
	struct kept_pattern *k = wf_xmalloc(sizeof(*k) + strlen(text) + 1);

	strcpy(k->text, text);
	k->next = kept_patterns;
	kept_patterns = k;
	atomic_store_explicit(&dests[d].pattern, k->text, memory_order_release);
}

static int
set_patterns(char *rest, struct wf_err *err)
{
	char *word = strtok_r(NULL, " ,:\t", &rest);
	bool any;
	int d;

	if (!word)
		return wf_err(err, -EINVAL, "missing destination");
	any = !strcasecmp(word, "ANY");
	d = find_dest(word);
	if (!any && d < 0)
		return wf_err(err, -EINVAL, "unknown destination \"%s\"", word);
	for (int i = 0; i < WF_LOG_N_DESTS; i++)
		if (any || i == d)
			set_pattern(i, rest);
	return 0;
}

static bool
looks_like_module(const char *word)
{
	for (; *word; word++)
		if (!isalnum((unsigned char)*word) && *word != '_' && *word != '-')
			return false;
	return true;
}

static int
set_levels(char *word, char *rest, struct wf_err *err)
{
	struct wf_log_module *module = NULL;
	const char *unknown = NULL;
	int dest = -1, level = -1;

	for (; word; word = strtok_r(NULL, " ,:\t", &rest)) {
		if (!strcasecmp(word, "ANY"))
			continue;
		if (find_dest(word) >= 0) {
			if (dest >= 0)
				return wf_err(err, -EINVAL, "cannot specify multiple destinations");
			dest = find_dest(word);
		} else if (find_level(word) >= 0) {
			if (level >= 0)
				return wf_err(err, -EINVAL, "cannot specify multiple levels");
			level = find_level(word);
		} else if (!module && !unknown && looks_like_module(word)) {
			module = find_module(word);
			if (!module)
				unknown = word;
		} else if (find_module(word)) {
			return wf_err(err, -EINVAL, "cannot specify multiple modules");
		} else {
			return wf_err(err, -EINVAL, "no destination, level, or module \"%s\"",
				      word);
		}
	}
	if (unknown) {
		wf_dbg("no module \"%s\" in this program, its log level is ignored", unknown);
		return 0;
	}
	level = level < 0 ? WF_DBG : level - 1;
	for (struct wf_log_module *m = modules; m; m = m->next)
		for (int d = 0; d < WF_LOG_N_DESTS; d++)
			if (is_of_module(m, module) && (dest < 0 || d == dest))
				set_level(m, d, level);
	return 0;
}

int
wf_log_set(const char *spec, struct wf_err *err)
{
	char *copy, *word, *rest = NULL;
	int rc = 0;

	if (!spec)
		spec = "ANY:ANY:DBG";
	copy = wf_xstrdup(spec);
	word = strtok_r(copy, " ,:\t", &rest);
	if (word && !strcasecmp(word, "PATTERN")) {
		rc = set_patterns(rest, err);
	} else if (word && !strcasecmp(word, "FACILITY")) {
		if (wf_syslog_set_facility(rest))
			rc = wf_err(err, -EINVAL, "invalid facility");
	} else {
		rc = set_levels(word, rest, err);
	}
	free(copy);
	return rc;
}

static void
update_min_levels(void)
{
	for (struct wf_log_module *m = modules; m; m = m->next)
		update_min_level(m);
}

static bool
same_file(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* A daemon changes to "/" and may reopen the file later. */
static char *
absolute(const char *path)
{
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *full = cwd ? wf_xasprintf("%s/%s", cwd, path) : wf_xstrdup(path);

	free(cwd);
	return full;
}

int
wf_log_set_file(const char *path, struct wf_err *err)
{
	char *name = path ? absolute(path)
			  : wf_xasprintf("%s/%s.log", wf_logdir(), wf_program_name);
	int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0660);

	if (fd < 0) {
		int rc = wf_err(err, -errno, "failed to open %s for logging: %s", name,
				wf_strerror(-errno));

		free(name);
		return rc;
	}
	if (file_open && same_file(file_fd, fd)) {
		close(fd);
		free(name);
		return 0;
	}

	if (file_open)
		wf_info("closing log file");
	if (file_fd < 0) {
		file_fd = fd;
	} else {
		dup3(fd, file_fd, O_CLOEXEC);
		close(fd);
	}
	free(file_path);
	file_path = name;
	file_open = true;
	update_min_levels();
	wf_info("opened log file %s", file_path);
	return 0;
}

int
wf_log_reopen(struct wf_err *err)
{
	if (!file_path)
		return wf_err(err, -ENOENT, "Logging to file not configured");

	char *path = wf_xstrdup(file_path);
	int rc = wf_log_set_file(path, err);
	free(path);
	return rc;
}

/* The name is remembered, so that vlog/reopen after vlog/close logs again. */
void
wf_log_close_file(void)
{
	if (!file_open)
		return;
	file_open = false;
	update_min_levels();

	/* A thread may be about to write: what it writes then goes nowhere. */
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null_fd >= 0) {
		dup3(null_fd, file_fd, O_CLOEXEC);
		close(null_fd);
	}
}

int
wf_log_raw_fd(void)
{
	return file_open ? file_fd : -1;
}

int
wf_log_chown_file(unsigned uid, unsigned gid, struct wf_err *err)
{
	if (file_path && chown(file_path, uid, gid) < 0)
		return wf_err(err, -errno, "Failed to change %s ownership: %s.", file_path,
			      wf_strerror(-errno));
	return 0;
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
wf_log_list(void)
{
	struct wf_str s = WF_STR_INIT;
	size_t n = 0, i = 0;

	for (struct wf_log_module *m = modules; m; m = m->next)
		n++;

	char **lines = wf_xmalloc(n * sizeof(*lines));
	for (struct wf_log_module *m = modules; m; m = m->next)
		lines[i++] = wf_xasprintf("%-16s  %4s       %4s       %4s%s\n", m->name,
					  wf_log_level_names[level_of(m, WF_LOG_CONSOLE) + 1],
					  wf_log_level_names[level_of(m, WF_LOG_SYSLOG) + 1],
					  wf_log_level_names[level_of(m, WF_LOG_FILE) + 1],
					  m->honor_rate_limits ? ""
							       : "    (rate limiting disabled)");
	qsort(lines, n, sizeof(*lines), compare_lines);
	wf_str_put(&s, "                 console    syslog    file\n"
		       "                 -------    ------    ------\n");
	for (i = 0; i < n; i++)
		if (!i || strcmp(lines[i], lines[i - 1]))
			wf_str_put(&s, lines[i]);
	for (i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
	return wf_str_steal(&s);
}

char *
wf_log_list_pattern(void)
{
	struct wf_str s = WF_STR_INIT;

	wf_str_put(&s, "         prefix                            format\n"
		       "         ------                            ------\n");
	for (int d = 0; d < WF_LOG_N_DESTS; d++)
		wf_str_fmt(&s, "%-7s  %-32s  %s\n", dests[d].name,
			   d == WF_LOG_SYSLOG ? wf_syslog_prefix() : "none",
			   atomic_load(&dests[d].pattern));
	return wf_str_steal(&s);
}

int
wf_log_rate_limits(const char *name, bool honor)
{
	struct wf_log_module *only = NULL;

	if (name && strcasecmp(name, "ANY")) {
		only = find_module(name);
		if (!only)
			return -ENOENT;
	}
	for (struct wf_log_module *m = modules; m; m = m->next)
		if (is_of_module(m, only))
			__atomic_store_n(&m->honor_rate_limits, honor, __ATOMIC_RELAXED);
	return 0;
}
