// SPDX-License-Identifier: Apache-2.0
/* What many VIPs and servers cost the balancer's control plane: memory of the maps and of the daemon's data, the time
 * of a full load, and of one change.  Times are CPU time of this process (the kernel's work for it included), the
 * median of several rounds.  One line of text or JSON a figure.
 *
 *   tests/bench/glb-scale [--json] [VIPS SERVERS]...      as root; in a mount and network namespace of its own */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "glb/datapath.h"
#include "glb/health.h"
#include "glb/sites.h"
#include "bpf/glb_abi.h"

#define PIN "/sys/fs/bpf/glb-scale"
#define A_TABLE 500 /* servers of one pool in one site */
#define N_SITES 20
#define ROUNDS 7

static bool json;
static unsigned n_vips, n_servers;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("glb-scale: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void
tell(const char *what, double value, const char *unit)
{
	if (json)
		printf("{\"bench\": \"glb-scale\", \"vips\": %u, \"servers\": %u, \"what\": \"%s\", \"value\": %.3f, "
		       "\"unit\": \"%s\"}\n", n_vips, n_servers, what, value, unit);
	else
		printf("# %6u VIPs %7u servers  %-52s %10.2f %s\n", n_vips, n_servers, what, value, unit);
	fflush(stdout);
}

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double
rss_mb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

/* What the kernel says that a map takes, in bytes. */
static double
map_bytes(int fd)
{
	char *path = wf_xasprintf("/proc/self/fdinfo/%d", fd), line[256];
	FILE *f = fopen(path, "re");
	double bytes = 0;

	while (f && fgets(line, sizeof line, f))
		sscanf(line, "memlock: %lf", &bytes);
	if (f)
		fclose(f);
	free(path);
	return bytes;
}

static double
maps_mb(bool each)
{
	char *folder = wf_xasprintf(PIN "/abi%d", GLB_ABI);
	DIR *d = opendir(folder);
	double sum = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		char *path = wf_xasprintf("%s/%s", folder, e->d_name);
		int fd = e->d_name[0] == '.' ? -1 : bpf_obj_get(path);
		double mb = fd < 0 ? 0 : map_bytes(fd) / 1048576;

		if (each && mb >= 0.5) {
			char *what = wf_xasprintf("map %s", e->d_name);

			tell(what, mb, "MB");
			free(what);
		}
		sum += mb;
		if (fd >= 0)
			close(fd);
		free(path);
	}
	if (d)
		closedir(d);
	free(folder);
	return sum;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *ms, unsigned n)
{
	qsort(ms, n, sizeof *ms, by_value);
	return ms[n / 2];
}

static unsigned
n_tables(void)
{
	return (n_servers + A_TABLE - 1) / A_TABLE;
}

/* Pools of two sites each (one, if there is one table); server 's' is in table s / A_TABLE.  'odd' has weight 99. */
static void
put_wanted(struct wf_str *s, unsigned odd)
{
	unsigned tables = n_tables();

	wf_str_truncate(s, 0);
	wf_str_put(s, "{\"sites\":{");
	for (unsigned i = 0; i < N_SITES; i++)
		wf_str_fmt(s, "%s\"dc%u\":\"10.255.%u.1\"", i ? "," : "", i, i);
	wf_str_put(s, "},\"servers\":{");
	for (unsigned i = 0; i < n_servers; i++)
		wf_str_fmt(s, "%s\"s%u\":\"10.%u.%u.%u\"", i ? "," : "", i, i >> 16, i >> 8 & 255, i & 255);
	wf_str_put(s, "},\"pools\":{");
	for (unsigned t = 0; t < tables; t++) {
		if (t % 2 == 0)
			wf_str_fmt(s, "%s\"p%u\":{", t ? "," : "", t / 2);
		wf_str_fmt(s, "%s\"dc%u\":{\"weight\":1,\"servers\":{", t % 2 ? "," : "", t % N_SITES);
		for (unsigned i = t * A_TABLE; i < n_servers && i < (t + 1) * A_TABLE; i++)
			wf_str_fmt(s, "%s\"s%u\":%u", i % A_TABLE ? "," : "", i, i == odd ? 99 : 100);
		wf_str_put(s, t % 2 || t + 1 == tables ? "}}}" : "}}");
	}
	wf_str_put(s, "}}");
}

static void
put_conf(struct wf_str *s, unsigned vips)
{
	unsigned pools = (n_tables() + 1) / 2;

	wf_str_truncate(s, 0);
	wf_str_put(s, "{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.255.0.1\"],"
		   "\"interface\":[{\"name\":\"lo\"}],\"edge\":{},\"local\":{\"site\":\"dc0\"},");
	if (n_servers > 8000)
		wf_str_put(s, "\"max-nodes\":131072,");
	wf_str_put(s, "\"vip\":[");
	for (unsigned i = 0; i < vips; i++)
		wf_str_fmt(s, "%s{\"address\":\"198.%u.%u.%u\",\"protocol\":\"tcp\",\"port\":443,\"pool\":\"p%u\"}",
			   i ? "," : "", 18 + (i >> 16), i >> 8 & 255, i & 255, i % pools);
	wf_str_put(s, "]}}");
}

static double
load_of(struct placement *p, const struct wf_str *wanted)
{
	struct wf_str report = WF_STR_INIT;
	struct wf_err err = { "" };
	double at = cpu_ms();

	if (plc_update(p, wanted->s, wanted->len, NULL, 0, 0, false, &report, &err) < 0)
		die("%s", err.text);
	at = cpu_ms() - at;
	wf_str_done(&report);
	return at;
}

static void
measure(void)
{
	struct wf_str wanted = WF_STR_INIT, conf = WF_STR_INIT;
	double at, ms[6][ROUNDS], rss = rss_mb();
	struct placement *p = plc_new(), *now;
	struct wf_err err = { "" };
	struct glb_health *health;
	struct glb_datapath *dp;
	struct glb_config *c, *next;
	struct glb_sites *sites;
	char *path = wf_xasprintf("/tmp/glb-scale.%d", (int)getpid());
	struct stat st;

	put_wanted(&wanted, UINT32_MAX);
	put_conf(&conf, n_vips);
	tell("the writer makes the document", load_of(p, &wanted), "ms");
	if (plc_save(p, path, &err) || stat(path, &st))
		die("%s", err.text);
	plc_free(p);
	tell("the document's text", (double)st.st_size / 1048576, "MB");
	rss = rss_mb();
	at = cpu_ms();
	now = plc_load(path, &err);
	if (!now)
		die("%s", err.text);
	tell("load: the document is read", cpu_ms() - at, "ms");
	at = cpu_ms();
	c = glb_config_parse("scale", wf_str_cstr(&conf), &err);
	if (!c)
		die("%s", err.text);
	tell("load: the configuration is read", cpu_ms() - at, "ms");
	at = cpu_ms();
	dp = glb_datapath_open(c, &err);
	if (!dp)
		die("%s", err.text);
	tell("load: maps are made and programs loaded", cpu_ms() - at, "ms");
	at = cpu_ms();
	sites = glb_sites_new(c, now, NULL, &err);
	health = glb_health_new(NULL);
	if (!sites || glb_health_apply(health, c, now, NULL, &err))
		die("%s", err.text);
	tell("load: who is probed and chosen", cpu_ms() - at, "ms");
	at = cpu_ms();
	if (glb_datapath_apply(dp, c, now, glb_sites_places(sites), &err))
		die("%s", err.text);
	tell("load: into the maps", cpu_ms() - at, "ms");
	tell("memory of the daemon's data", rss_mb() - rss, "MB");
	tell("memory of the maps", maps_mb(n_servers == 4096), "MB");

	/* One server's weight, again and again. */
	for (unsigned k = 0; k < ROUNDS; k++) {
		struct placement *then;

		put_wanted(&wanted, k % 2 ? UINT32_MAX : 0);
		at = cpu_ms();
		p = plc_load(path, &err);
		ms[4][k] = cpu_ms() - at;
		if (!p)
			die("%s", err.text);
		ms[0][k] = load_of(p, &wanted);
		at = cpu_ms();
		if (plc_save(p, path, &err))
			die("%s", err.text);
		ms[5][k] = cpu_ms() - at;
		plc_free(p);
		at = cpu_ms();
		then = plc_load_next(path, now, &err);
		if (!then)
			die("%s", err.text);
		ms[1][k] = cpu_ms() - at;
		at = cpu_ms();
		if (glb_health_apply(health, c, then, now, &err))
			die("%s", err.text);
		ms[2][k] = cpu_ms() - at;
		at = cpu_ms();
		if (glb_datapath_apply(dp, c, then, glb_sites_places(sites), &err))
			die("%s", err.text);
		ms[3][k] = cpu_ms() - at;
		plc_free(now);
		now = then;
	}
	tell("one weight: the writer reads the document", median(ms[4], ROUNDS), "ms");
	tell("one weight: the writer makes the next document", median(ms[0], ROUNDS), "ms");
	tell("one weight: the writer writes it", median(ms[5], ROUNDS), "ms");
	tell("one weight: the document is read", median(ms[1], ROUNDS), "ms");
	tell("one weight: who is probed", median(ms[2], ROUNDS), "ms");
	tell("one weight: into the maps", median(ms[3], ROUNDS), "ms");

	/* One VIP more, one less. */
	for (unsigned k = 0; k < ROUNDS; k++) {
		put_conf(&conf, n_vips - (k % 2 ? 0 : 1));
		at = cpu_ms();
		next = glb_config_parse("scale", wf_str_cstr(&conf), &err);
		if (!next)
			die("%s", err.text);
		ms[0][k] = cpu_ms() - at;
		at = cpu_ms();
		if (glb_datapath_apply(dp, next, now, glb_sites_places(sites), &err))
			die("%s", err.text);
		ms[1][k] = cpu_ms() - at;
		glb_config_free(c);
		c = next;
	}
	tell("one VIP: the configuration is read", median(ms[0], ROUNDS), "ms");
	tell("one VIP: into the maps", median(ms[1], ROUNDS), "ms");

	/* A server that no probe reaches any more, and all of them. */
	for (unsigned k = 0; k < ROUNDS; k++) {
		at = cpu_ms();
		glb_datapath_mark(dp, plc_node_by_name(now, PLC_SERVER, "s1")->id, k % 2 ? 0 : GLB_NODE_SUSPECT, 0);
		ms[0][k] = cpu_ms() - at;
		at = cpu_ms();
		for (size_t i = 0; i < now->n_nodes; i++)
			glb_datapath_mark(dp, now->nodes[i].id, k % 2 ? 0 : GLB_NODE_SUSPECT, 0);
		ms[1][k] = cpu_ms() - at;
	}
	tell("one server is down: into the maps", median(ms[0], ROUNDS), "ms");
	tell("all servers are down: into the maps", median(ms[1], ROUNDS), "ms");

	glb_sites_free(sites);
	glb_health_free(health);
	glb_datapath_close(dp);
	glb_config_free(c);
	plc_free(now);
	unlink(path);
	free(path);
	wf_str_done(&wanted);
	wf_str_done(&conf);
	if (glb_datapath_remove(PIN, &err))
		die("%s", err.text);
}

int
main(int argc, char *argv[])
{
	int i = 1;

	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys", "sysfs", 0, NULL) || mount("none", "/sys/fs/bpf", "bpf", 0, NULL)) {
		printf("skipped glb-scale: %s\n", strerror(errno));
		return 0;
	}
	if (i < argc && !strcmp(argv[i], "--json")) {
		json = true;
		i++;
	}
	for (; i + 1 < argc; i += 2) {
		n_vips = (unsigned)atoi(argv[i]);
		n_servers = (unsigned)atoi(argv[i + 1]);
		if (n_vips < 2 || n_vips > GLB_MAX_VIPS || n_servers < 2 || n_servers > GLB_MAX_NODES - 64)
			die("2 to %d VIPs, 2 to %d servers", GLB_MAX_VIPS, GLB_MAX_NODES - 64);
		measure();
	}
	if (i < argc)
		die("usage: glb-scale [--json] [VIPS SERVERS]...");
	return 0;
}
