/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/dpdk_eal.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/phases.h"
#include "dataplane/ports/dpdk_clock.h"
#include "dataplane/ports/dpdk_drivers.h"
#include "dataplane/worker.h"

WF_LOG_MODULE(dpdk);

/* Without huge pages EAL maps a fixed area at its start.  Pages that nobody touched cost nothing. */
#define NO_HUGE_MB "1024"
#define POOL_MIN 4096
#define POOL_HUGE 65535
/* 4 kB pages are touched one by one: 60 ms of a start for these, half for half as many. */
#define POOL_NO_HUGE 16383
#define POOL_NO_HUGE_VIRTUAL 8191 /* nothing holds buffers in rings */
#define POOL_CACHE 256

static enum { EAL_NOT_STARTED, EAL_STARTING, EAL_RUNNING, EAL_FAILED } state;
static struct wf_err start_error;
static bool forbidden, huge_pages, few_drivers;
static struct rte_mempool *pool;

/* other_config as last seen: EAL may start later, with the first port that needs it. */
static const char *const option_names[] = {
	"dpdk-extra", "dpdk-hugepage-dir", "dpdk-lcore-mask", "dpdk-socket-limit",
	"dpdk-socket-mem", "vhost-sock-dir",
};
#define N_OPTIONS (sizeof option_names / sizeof option_names[0])
static char *option_values[N_OPTIONS];

static const char *
option(const char *name)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (!strcmp(option_names[i], name))
			return option_values[i] && *option_values[i] ? option_values[i] : NULL;
	return NULL;
}

/* --- The log of DPDK's libraries ------------------------------------------------------------- */

static ssize_t
log_write(void *cookie, const char *text, size_t size)
{
	static const enum wf_log_level levels[] = {
		[0] = WF_INFO,
		[RTE_LOG_EMERG] = WF_ERR,
		[RTE_LOG_ALERT] = WF_ERR,
		[RTE_LOG_CRIT] = WF_ERR,
		[RTE_LOG_ERR] = WF_ERR,
		[RTE_LOG_WARNING] = WF_WARN,
		[RTE_LOG_NOTICE] = WF_INFO,
		[RTE_LOG_INFO] = WF_INFO,
		[RTE_LOG_DEBUG] = WF_DBG,
	};
	int level = rte_log_cur_msg_loglevel();
	size_t n = size;

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n && level >= 0 && level < (int)(sizeof levels / sizeof levels[0])) {
		/* A guest can cause these lines. */
		if (levels[level] == WF_ERR)
			wf_error_rl("%.*s", (int)n, text);
		else if (levels[level] == WF_WARN)
			wf_warn_rl("%.*s", (int)n, text);
		else if (levels[level] == WF_INFO)
			wf_info_rl("%.*s", (int)n, text);
		else
			wf_dbg_rl("%.*s", (int)n, text);
	}
	return (ssize_t)size;
}

static void
take_log(void)
{
	cookie_io_functions_t io = { .write = log_write };
	FILE *f = fopencookie(NULL, "w", io);

	if (f) {
		setvbuf(f, NULL, _IOLBF, 0);
		rte_openlog_stream(f);
	}
}

/* --- Arguments ------------------------------------------------------------------------------- */

struct args {
	char *word[64];
	int n;
};

static void
add(struct args *a, const char *word)
{
	if (a->n + 1 < (int)(sizeof a->word / sizeof a->word[0]))
		a->word[a->n++] = wf_xstrdup(word);
}

static void
add_pair(struct args *a, const char *name, const char *value)
{
	if (!value)
		return;
	add(a, name);
	add(a, value);
}

static bool
has(const struct args *a, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < a->n; i++)
		if (!strncmp(a->word[i], name, len) &&
		    (!a->word[i][len] || a->word[i][len] == '='))
			return true;
	return false;
}

/* Words of dpdk-extra; quotes hold a word together. */
static void
add_words(struct args *a, const char *text)
{
	while (text && *text) {
		struct wf_str word = WF_STR_INIT;
		char quote = 0;
		bool any = false;

		while (*text == ' ' || *text == '\t' || *text == '\n')
			text++;
		for (; *text && (quote || !strchr(" \t\n", *text)); text++) {
			any = true;
			if (quote ? *text == quote : *text == '"' || *text == '\'')
				quote = quote ? 0 : *text;
			else
				wf_str_putc(&word, *text);
		}
		if (any)
			add(a, wf_str_cstr(&word));
		wf_str_done(&word);
	}
}

/* Are huge pages of any size free? */
static bool
huge_pages_exist(void)
{
	DIR *d = opendir("/sys/kernel/mm/hugepages");
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		char path[400];
		unsigned long n = 0;

		snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/%s/free_hugepages", e->d_name);
		FILE *f = fopen(path, "r");
		if (f) {
			found = fscanf(f, "%lu", &n) == 1 && n > 0;
			fclose(f);
		}
	}
	if (d)
		closedir(d);
	return found;
}

/* Does dpdk-extra ask for nothing that has to do with devices and drivers? */
static bool
is_about_memory(const struct args *a)
{
	static const char *const known[] = {
		"--file-prefix", "--huge-dir", "--huge-unlink", "--in-memory", "--iova-mode", "--legacy-mem",
		"--lcores", "--log-level", "--match-allocations", "--no-huge", "--no-pci", "--no-shconf",
		"--no-telemetry", "--single-file-segments", "--socket-limit", "--socket-mem", "-c", "-l",
		"-m", "-n",
	};

	for (int i = 1; i < a->n; i++) {
		const char *word = a->word[i];
		size_t len = strcspn(word, "=");
		bool found = word[0] != '-'; /* the value of the one before */

		for (size_t k = 0; k < sizeof known / sizeof known[0] && !found; k++)
			found = strlen(known[k]) == len && !strncmp(word, known[k], len);
		if (!found)
			return false;
	}
	return true;
}

static void
build_args(struct args *a, const cpu_set_t *allowed, bool virtual_only)
{
	add(a, wf_program_name);
	add_words(a, option("dpdk-extra"));
	few_drivers = virtual_only && is_about_memory(a);
	add_pair(a, "-c", has(a, "-c") || has(a, "-l") ? NULL : option("dpdk-lcore-mask"));
	huge_pages = !has(a, "--no-huge") && huge_pages_exist();
	if (huge_pages) {
		add_pair(a, "--socket-mem", has(a, "--socket-mem") ? NULL : option("dpdk-socket-mem"));
		add_pair(a, "--socket-limit",
			 has(a, "--socket-limit") ? NULL : option("dpdk-socket-limit"));
		if (option("dpdk-hugepage-dir"))
			add_pair(a, "--huge-dir", option("dpdk-hugepage-dir"));
		/* Leaves no files behind, and two daemons do not meet in them. */
		else if (!has(a, "--in-memory") && !has(a, "--legacy-mem") && !has(a, "--huge-dir"))
			add(a, "--in-memory");
	} else {
		if (!has(a, "--no-huge"))
			add(a, "--no-huge");
		if (!has(a, "-m"))
			add_pair(a, "-m", NO_HUGE_MB);
		/* The lock files and sockets of other DPDK processes are not ours. */
		if (!has(a, "--no-shconf"))
			add(a, "--no-shconf");
		wf_info("no huge pages are free: DPDK uses 4 kB pages, with the fixed limit of "
			NO_HUGE_MB " MB unless dpdk-extra says -m");
	}
	if (!has(a, "--no-telemetry"))
		add(a, "--no-telemetry");
	/* Devices are probed when a port names them, never because they are there: the host's own NIC
	 * may be among them.  An allow list that names none does that and leaves hot plug; the driver of the
	 * bus, which reads it, may come later. */
	if (!few_drivers && !has(a, "-a") && !has(a, "--allow") && !has(a, "-b") && !has(a, "--block") &&
	    !has(a, "--no-pci"))
		add_pair(a, "-a", "0000:00:00.0");
	/* EAL's own threads get one core; workers are ours and pinned by us. */
	if (!has(a, "-c") && !has(a, "-l") && !has(a, "--lcores"))
		for (int core = 0; core < CPU_SETSIZE; core++)
			if (CPU_ISSET(core, allowed)) {
				char text[16];

				snprintf(text, sizeof text, "%d", core);
				add_pair(a, "-l", text);
				break;
			}
}

/* --- Start ----------------------------------------------------------------------------------- */

static const char *
reason(int error)
{
	switch (error) {
	case EACCES:
		return "permission denied";
	case EAGAIN:
		return "a bus or system resource is not there yet";
	case EALREADY:
		return "EAL was started before";
	case EFAULT:
		return "tailq error";
	case EINVAL:
		return "an argument is wrong; see dpdk-extra, dpdk-lcore-mask, dpdk-socket-mem";
	case ENOMEM:
		return "not enough memory; see dpdk-socket-mem and huge pages";
	case ENODEV:
		return "a device of dpdk-extra does not exist";
	case ENOEXEC:
		return "a service core failed";
	default:
		return rte_strerror(error);
	}
}

static void
thread_start(void)
{
	if (state == EAL_RUNNING && rte_thread_register() < 0)
		wf_warn("a worker cannot be registered with DPDK (%s): its buffers have no cache",
			rte_strerror(rte_errno));
}

static void
thread_stop(void)
{
	if (state == EAL_RUNNING && rte_lcore_id() != LCORE_ID_ANY)
		rte_thread_unregister();
}

static struct rte_mempool *
make_pool(void)
{
	struct rte_mempool *made = NULL;
	unsigned n = huge_pages ? POOL_HUGE : few_drivers ? POOL_NO_HUGE_VIRTUAL : POOL_NO_HUGE;

	for (; !made && n >= POOL_MIN; n /= 2)
		made = rte_pktmbuf_pool_create("weft", n, POOL_CACHE, 0,
					       RTE_PKTMBUF_HEADROOM + PKT_SMALL_ROOM + 128,
					       SOCKET_ID_ANY);
	return made;
}

/* What the threads below work on; main leaves it alone until it has joined the first one. */
static struct early {
	struct args args;
	cpu_set_t allowed;
	pthread_t thread;
	char **devices; /* to be probed */
	unsigned n_devices;
	int rc, error;  /* of rte_eal_init() */
	struct rte_mempool *pool;
} early;

/* A driver sleeps while it makes its sockets; the pool is work of the processor. */
static void *
pool_main(void *aux)
{
	wf_log_thread_name("");
	pthread_setname_np(pthread_self(), "dpdk-pool");
	wf_phase_thread_begin();
	early.pool = make_pool();
	wf_phase("packet pool");
	return NULL;
}

/* What fails is tried again, and told, when the port is made. */
static void
probe(const char *devargs)
{
	char name[128];
	uint16_t id;

	snprintf(name, sizeof name, "%.*s", (int)strcspn(devargs, ","), devargs);
	if (strncmp(devargs, "class=", 6) && rte_eth_dev_get_port_by_name(name, &id)) {
		dpdk_driver_load(devargs);
		rte_dev_probe(devargs);
	}
}

static void *
start_main(void *aux)
{
	char *argv[65];
	pthread_t pool_thread;
	bool beside;

	/* The lines of the log are as if main had started EAL. */
	wf_log_thread_name("");
	pthread_setname_np(pthread_self(), "dpdk-start");
	wf_phase_thread_begin();
	for (int i = 0; i < early.args.n; i++)
		argv[i] = early.args.word[i]; /* EAL reorders its argv */
	argv[early.args.n] = NULL;
	dpdk_clock_quick(true);
	if (few_drivers)
		dpdk_drivers_few(true);
	early.rc = rte_eal_init(early.args.n, argv);
	early.error = rte_errno;
	dpdk_clock_quick(false);
	if (few_drivers)
		dpdk_drivers_few(false);
	/* It pinned this thread to its first core, where main may be at work. */
	pthread_setaffinity_np(pthread_self(), sizeof early.allowed, &early.allowed);
	wf_phase("EAL");
	if (early.rc < 0)
		return NULL;
	beside = early.n_devices && !pthread_create(&pool_thread, NULL, pool_main, NULL);
	for (unsigned i = 0; i < early.n_devices; i++)
		probe(early.devices[i]);
	if (early.n_devices)
		wf_phase("devices probed");
	if (beside)
		pthread_join(pool_thread, NULL);
	else
		pool_main(NULL);
	return NULL;
}

static void
start_begin(const char *const devices[], unsigned n_devices, bool virtual_only)
{
	struct wf_str line = WF_STR_INIT;

	CPU_ZERO(&early.allowed);
	pthread_getaffinity_np(pthread_self(), sizeof early.allowed, &early.allowed);
	build_args(&early.args, &early.allowed, virtual_only);
	for (int i = 0; i < early.args.n; i++)
		wf_str_fmt(&line, "%s%s", i ? " " : "", early.args.word[i]);
	early.devices = wf_xzalloc((n_devices + 1) * sizeof *early.devices);
	early.n_devices = n_devices;
	for (unsigned i = 0; i < n_devices; i++)
		early.devices[i] = wf_xstrdup(devices[i]);
	take_log();
	wf_info("Using %s", rte_version());
	wf_info("DPDK Enabled - initializing...");
	wf_info("EAL ARGS: %s", wf_str_cstr(&line));
	wf_str_done(&line);
	rte_log_set_level_pattern("lib.eal", RTE_LOG_NOTICE);
	early.rc = -1;
	early.error = EAGAIN;
	state = EAL_STARTING;
	if (pthread_create(&early.thread, NULL, start_main, NULL))
		wf_fatal("cannot create a thread: %s", wf_strerror(-errno));
}

/* Waits for the thread; then EAL runs, or it failed for good. */
static void
start_end(void)
{
	if (state != EAL_STARTING)
		return;
	pthread_join(early.thread, NULL);
	for (int i = 0; i < early.args.n; i++)
		free(early.args.word[i]);
	for (unsigned i = 0; i < early.n_devices; i++)
		free(early.devices[i]);
	free(early.devices);
	wf_phase("wait for DPDK");
	if (early.rc < 0) {
		state = EAL_FAILED;
		wf_err(&start_error, -EIO, "DPDK could not be started: %s", reason(early.error));
		wf_error("%s", start_error.text);
		return;
	}
	state = EAL_RUNNING;
	pool = early.pool;
	/* A number for main, too, so that its buffers come from a cache. */
	thread_start();
	workers_set_thread_hooks(thread_start, thread_stop);
	wf_info("DPDK Enabled - initialized");
}

int
dpdk_start(struct wf_err *err)
{
	if (state != EAL_RUNNING && forbidden)
		return wf_err(err, -EPERM, "DPDK is not started: other_config:dpdk-init=false");
	if (state == EAL_NOT_STARTED)
		start_begin(NULL, 0, false);
	start_end();
	return state == EAL_RUNNING ? 0 : wf_err(err, -EIO, "%s", start_error.text);
}

bool
dpdk_is_running(void)
{
	return state == EAL_RUNNING;
}

bool
dpdk_has_huge_pages(void)
{
	return huge_pages;
}

struct rte_mempool *
dpdk_pool(void)
{
	if (!pool && state == EAL_RUNNING)
		pool = make_pool();
	return pool;
}

const char *
dpdk_vhost_socket_dir(void)
{
	static char path[200];
	const char *below = option("vhost-sock-dir");

	if (!below || strstr(below, ".."))
		return wf_rundir();
	snprintf(path, sizeof path, "%s/%s", wf_rundir(), below);
	return path;
}

void
ports_configure_dpdk(const struct port_options *other_config, const char *const devices[],
		     unsigned n_devices, bool virtual_only, bool needed)
{
	const char *init = port_option(other_config, "dpdk-init");

	for (size_t i = 0; i < N_OPTIONS; i++) {
		const char *v = port_option(other_config, option_names[i]);

		free(option_values[i]);
		option_values[i] = v ? wf_xstrdup(v) : NULL;
	}
	forbidden = init && !strcasecmp(init, "false");
	if (state == EAL_NOT_STARTED && !forbidden &&
	    (needed || (init && (!strcasecmp(init, "true") || !strcasecmp(init, "try")))))
		start_begin(devices, n_devices, virtual_only);
}

void
ports_configure_dpdk_end(void)
{
	start_end();
}

const char *
ports_dpdk_version(void)
{
	return state == EAL_RUNNING ? rte_version() : NULL;
}
