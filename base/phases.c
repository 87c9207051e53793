/* SPDX-License-Identifier: Apache-2.0 */
#include "base/phases.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/log.h"
#include "base/unixctl.h"

WF_LOG_MODULE(startup);

/* What took less says nothing. */
#define SHOWN_US 100

struct phase {
	const char *what;
	int64_t us, took_us; /* its end, since the process began */
	char thread[16];     /* "": main */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct phase phases[WF_PHASES_MAX];
static unsigned n_phases;
static bool over;
static int64_t began_us = -1; /* by CLOCK_MONOTONIC */
static _Thread_local int64_t before_us;
static _Thread_local bool is_other;

static int64_t
read_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000ll + ts.tv_nsec / 1000;
}

static void
add(const char *what, int64_t us, int64_t took_us)
{
	struct phase *p = &phases[n_phases];

	if (over || n_phases == WF_PHASES_MAX || took_us < SHOWN_US)
		return;
	p->what = what;
	p->us = us;
	p->took_us = took_us;
	p->thread[0] = '\0';
	if (is_other)
		prctl(PR_GET_NAME, p->thread);
	n_phases++;
}

/* The processor's time so far is about what the loader and its relocations took. */
static int64_t
now_us(void)
{
	if (began_us < 0) {
		int64_t load_us = read_us(CLOCK_PROCESS_CPUTIME_ID);

		began_us = read_us(CLOCK_MONOTONIC) - load_us;
		before_us = load_us;
		add("program loaded", load_us, load_us);
	}
	return read_us(CLOCK_MONOTONIC) - began_us;
}

void
wf_phase(const char *what)
{
	int64_t us;

	pthread_mutex_lock(&lock);
	us = now_us();
	add(what, us, us - before_us);
	pthread_mutex_unlock(&lock);
	before_us = us;
}

void
wf_phase_thread_begin(void)
{
	pthread_mutex_lock(&lock);
	before_us = now_us();
	pthread_mutex_unlock(&lock);
	is_other = true;
}

void
wf_phases_restart(void)
{
	n_phases = 0;
	over = false;
	began_us = read_us(CLOCK_MONOTONIC);
	before_us = 0;
}

static void
put_phase(struct wf_str *s, const struct phase *p)
{
	wf_str_fmt(s, "%s%s%s %lld", *p->thread ? p->thread : "", *p->thread ? ": " : "", p->what,
		   (long long)(p->took_us + 500) / 1000);
}

/* What took less than this is not worth a line of the log. */
#define LOGGED_US 2000

void
wf_phases_end(void)
{
	struct wf_str s = WF_STR_INIT;
	int64_t us;

	pthread_mutex_lock(&lock);
	us = now_us();
	for (unsigned k = 0; k < n_phases && !over; k++)
		if (phases[k].took_us >= LOGGED_US) {
			wf_str_put(&s, s.len ? ", " : "");
			put_phase(&s, &phases[k]);
		}
	if (!over)
		wf_info("started within %lld ms (%s)", (long long)us / 1000, wf_str_cstr(&s));
	over = true;
	pthread_mutex_unlock(&lock);
	wf_str_done(&s);
}

void
wf_phases_show(struct wf_str *s)
{
	pthread_mutex_lock(&lock);
	wf_str_put(s, "  at ms    took  thread           what\n");
	for (unsigned k = 0; k < n_phases; k++) {
		const struct phase *p = &phases[k];

		wf_str_fmt(s, "%7.1f %7.1f  %-15s  %s\n", (double)p->us / 1000,
			   (double)p->took_us / 1000, *p->thread ? p->thread : "main", p->what);
	}
	if (!over)
		wf_str_put(s, "it goes on\n");
	pthread_mutex_unlock(&lock);
}

static void
on_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	wf_phases_show(&s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
wf_phases_unixctl_init(void)
{
	unixctl_command("weft/startup-show", "", 0, 0, on_show, NULL);
}
