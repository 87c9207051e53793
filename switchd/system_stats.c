/* SPDX-License-Identifier: Apache-2.0 */
/* Open_vSwitch.statistics: the host's load, if other_config:enable-statistics asks for it.  Collected
 * every 5 s on a thread of the loop's pool, because statvfs() of a dead NFS server does not return. */
#include <dirent.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/loop.h"
#include "ovsdb/txn.h"
#include "switchd/switchd.h"

#define INTERVAL_MS 5000
#define MAX_PAIRS 64

struct pairs {
	unsigned n;
	char *keys[MAX_PAIRS], *values[MAX_PAIRS];
};

static bool enabled, under_way;
static struct pairs collected; /* the pool's thread has it while 'under_way' */
static struct wf_timer timer;

static void
put(struct pairs *p, const char *key, char *value)
{
	if (p->n == MAX_PAIRS) {
		free(value);
		return;
	}
	p->keys[p->n] = wf_xstrdup(key);
	p->values[p->n++] = value;
}

static void
collect_memory(struct pairs *p)
{
	unsigned long long total = 0, unused = 0, buffers = 0, cached = 0, swap = 0, swap_free = 0, v;
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128], key[32];

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%31[^:]: %llu", key, &v) != 2)
			continue;
		if (!strcmp(key, "MemTotal"))
			total = v;
		else if (!strcmp(key, "MemFree"))
			unused = v;
		else if (!strcmp(key, "Buffers"))
			buffers = v;
		else if (!strcmp(key, "Cached"))
			cached = v;
		else if (!strcmp(key, "SwapTotal"))
			swap = v;
		else if (!strcmp(key, "SwapFree"))
			swap_free = v;
	}
	if (f)
		fclose(f);
	if (total)
		put(p, "memory", wf_xasprintf("%llu,%llu,%llu,%llu,%llu", total,
					      total - unused - buffers - cached, buffers + cached, swap,
					      swap - swap_free));
}

/* Size in KB, resident KB, CPU time in ms, restarts, ms since it was booted and since it came up again,
 * core: of the process that a pid file names. */
static char *
process_text(const char *pidfile)
{
	unsigned long long utime, stime, vsize, start;
	long rss, ticks = sysconf(_SC_CLK_TCK);
	char path[300], line[1024];
	double up = 0;
	int pid = 0, core;
	FILE *f = fopen(pidfile, "r");

	if (!f)
		return NULL;
	bool ok = fscanf(f, "%d", &pid) == 1;
	fclose(f);
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	f = ok ? fopen(path, "r") : NULL;
	if (!f)
		return NULL;
	ok = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	/* The name in parentheses may hold anything. */
	char *rest = ok ? strrchr(line, ')') : NULL;
	if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d "
				      "%*d %*d %*d %*d %llu %llu %ld %*u %*u %*u %*u %*u %*u %*u %*u "
				      "%*u %*u %*u %*u %*u %*d %d",
			    &utime, &stime, &start, &vsize, &rss, &core) != 6)
		return NULL;
	f = fopen("/proc/uptime", "r");
	if (f && fscanf(f, "%lf", &up) != 1)
		up = 0;
	if (f)
		fclose(f);
	long long age = (long long)(up * 1000) - (long long)(start * 1000 / (unsigned long long)ticks);

	return wf_xasprintf("%llu,%ld,%llu,0,%lld,%lld,%d", vsize / 1024,
			    rss * (sysconf(_SC_PAGESIZE) / 1024),
			    (utime + stime) * 1000 / (unsigned long long)ticks, age, age, core);
}

static void
collect_processes(struct pairs *p)
{
	DIR *dir = opendir(wf_rundir());
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL) {
		size_t len = strlen(e->d_name);
		char path[600], key[300];

		if (len < 5 || strcmp(e->d_name + len - 4, ".pid"))
			continue;
		snprintf(path, sizeof path, "%s/%s", wf_rundir(), e->d_name);
		snprintf(key, sizeof key, "process_%.*s", (int)len - 4, e->d_name);
		put(p, key, process_text(path));
		if (p->n && !p->values[p->n - 1])
			p->values[p->n - 1] = wf_xstrdup("");
	}
	if (dir)
		closedir(dir);
}

static void
collect_file_systems(struct pairs *p)
{
	struct wf_str s = WF_STR_INIT;
	FILE *f = setmntent("/proc/mounts", "r");
	struct mntent *m;

	while (f && (m = getmntent(f)) != NULL) {
		struct statvfs v;

		/* Those that hold data: not proc, cgroups and the like, and not read-only images. */
		if (!strncmp(m->mnt_fsname, "overlay", 7) ? strcmp(m->mnt_dir, "/") != 0
							  : m->mnt_fsname[0] != '/')
			continue;
		if (hasmntopt(m, "ro") || statvfs(m->mnt_dir, &v) || !v.f_blocks)
			continue;
		if (s.len)
			wf_str_putc(&s, ' ');
		for (const char *c = m->mnt_dir; *c; c++)
			wf_str_putc(&s, *c == ' ' || *c == ',' ? '_' : *c);
		unsigned long long total = (unsigned long long)v.f_frsize * v.f_blocks / 1024;
		wf_str_fmt(&s, ",%llu,%llu", total,
			   total - (unsigned long long)v.f_frsize * v.f_bfree / 1024);
	}
	if (f)
		endmntent(f);
	if (s.len)
		put(p, "file_systems", wf_xstrdup(wf_str_cstr(&s)));
	wf_str_done(&s);
}

static void
collect(uv_work_t *work)
{
	struct pairs *p = &collected;
	double load[3];

	put(p, "cpu", wf_xasprintf("%ld", sysconf(_SC_NPROCESSORS_ONLN)));
	if (getloadavg(load, 3) == 3)
		put(p, "load_average", wf_xasprintf("%.2f,%.2f,%.2f", load[0], load[1], load[2]));
	collect_memory(p);
	collect_processes(p);
	collect_file_systems(p);
}

static void
on_collected(uv_work_t *work, int status)
{
	struct ovsdb_datum d = OVSDB_DATUM_INIT;

	under_way = false;
	for (unsigned k = 0; k < collected.n; k++) {
		ovsdb_datum_add_str_str(&d, collected.keys[k], collected.values[k]);
		free(collected.keys[k]);
		free(collected.values[k]);
	}
	collected.n = 0;
	struct ovsdb_row *root = sw_db ? ovsdb_root(ovsdb_session_replica(sw_db)) : NULL;
	static const struct ovsdb_type type = { OVSDB_STRING, OVSDB_STRING, 0, UINT32_MAX };

	if (root && enabled && ovsdb_session_may_act(sw_db)) {
		ovsdb_set(sw_db, root, OVSDB_ROOT_STATISTICS, &d);
		ovsdb_commit(sw_db, NULL, NULL);
	} else {
		ovsdb_datum_done(&d, &type);
	}
}

static void
on_timer(struct wf_timer *t)
{
	static uv_work_t work;

	if (!under_way && !uv_queue_work(wf_loop_uv(), &work, collect, on_collected))
		under_way = true;
	wf_timer_set(t, INTERVAL_MS, on_timer, NULL);
}

void
sw_system_stats_configure(struct ovsdb_row *root)
{
	bool want = ovsdb_smap_bool(root, OVSDB_ROOT_OTHER_CONFIG, "enable-statistics", false);

	if (want == enabled)
		return;
	enabled = want;
	if (want) {
		on_timer(&timer);
	} else {
		wf_timer_cancel(&timer);
		ovsdb_clear(sw_db, root, OVSDB_ROOT_STATISTICS);
	}
}
