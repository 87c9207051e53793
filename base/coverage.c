// SPDX-License-Identifier: Apache-2.0
#include "base/coverage.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/unixctl.h"

#define SAMPLE_MS 5000
#define N_SAMPLES 12 /* 5-second samples in a minute */
#define N_MINUTES 60

static struct wf_coverage *counters; /* sorted by name; written by constructors only */
static struct wf_timer sampler;
static uint64_t n_samples; /* since start */

void
wf_coverage_register(struct wf_coverage *c)
{
	struct wf_coverage **p = &counters;

	while (*p && strcmp((*p)->name, c->name) < 0)
		p = &(*p)->next;
	c->next = *p;
	*p = c;
}

static void (*before_read)(void);

void
wf_coverage_before_read(void (*fn)(void))
{
	before_read = fn;
}

static void
refresh(void)
{
	if (before_read)
		before_read();
}

static uint64_t
total_of(const struct wf_coverage *c)
{
	return atomic_load_explicit(&c->total, memory_order_relaxed);
}

static uint64_t
sum(const uint64_t *v, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i];
	return total;
}

static void
sample(struct wf_timer *t)
{
	size_t slot = n_samples % N_SAMPLES;

	refresh();
	for (struct wf_coverage *c = counters; c; c = c->next) {
		uint64_t total = total_of(c);

		c->per_5s[slot] = total - c->last;
		c->last = total;
		if (slot == N_SAMPLES - 1)
			c->per_min[n_samples / N_SAMPLES % N_MINUTES] = sum(c->per_5s, N_SAMPLES);
	}
	n_samples++;
	wf_timer_set(t, SAMPLE_MS, sample, NULL);
}

static int
by_total(const void *a_, const void *b_)
{
	const struct wf_coverage *a = *(const struct wf_coverage *const *)a_;
	const struct wf_coverage *b = *(const struct wf_coverage *const *)b_;
	uint64_t ta = total_of(a), tb = total_of(b);

	return ta != tb ? (ta < tb) - (ta > tb) : strcmp(a->name, b->name);
}

/* FNV-1a: unlike base/hash.h the same in every run, so that two reports can be compared. */
static uint32_t
mix(uint32_t h, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

/* Equal for two processes in which the same events happened in the same order of
 * frequency. */
static uint32_t
fingerprint(void)
{
	struct wf_coverage **all;
	size_t n = 0, i = 0;
	uint32_t h = 2166136261u;

	for (struct wf_coverage *c = counters; c; c = c->next)
		n++;
	all = wf_xmalloc(n * sizeof(*all));
	for (struct wf_coverage *c = counters; c; c = c->next)
		all[i++] = c;
	qsort(all, n, sizeof(*all), by_total);
	for (i = 0; i < n && total_of(all[i]); i++) {
		if (i && total_of(all[i]) != total_of(all[i - 1]))
			h = mix(h, "/", 1);
		h = mix(h, all[i]->name, strlen(all[i]->name));
	}
	free(all);
	return h;
}

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	size_t newest = (n_samples + N_SAMPLES - 1) % N_SAMPLES;
	size_t n_never = 0;

	refresh();
	wf_str_fmt(&s, "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  "
		   "hash=%08x:\n", fingerprint());
	for (struct wf_coverage *c = counters; c; c = c->next) {
		uint64_t total = total_of(c);

		if (!total) {
			n_never++;
			continue;
		}
		wf_str_fmt(&s, "%-24s %5.1f/sec %9.3f/sec %13.4f/sec   total: %llu\n", c->name,
			   c->per_5s[newest] * 1000.0 / SAMPLE_MS,
			   sum(c->per_5s, N_SAMPLES) / 60.0, sum(c->per_min, N_MINUTES) / 3600.0,
			   (unsigned long long)total);
	}
	wf_str_fmt(&s, "%zu events never hit\n", n_never);
	unixctl_reply(conn, s.s);
	wf_str_done(&s);
}

static void
cmd_read_counter(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	refresh();
	for (struct wf_coverage *c = counters; c; c = c->next) {
		if (!strcmp(c->name, argv[1])) {
			char *text = wf_xasprintf("%llu\n", (unsigned long long)total_of(c));

			unixctl_reply(conn, text);
			free(text);
			return;
		}
	}
	unixctl_reply_error(conn, "No such counter");
}

void
wf_coverage_init(void)
{
	wf_timer_set(&sampler, SAMPLE_MS, sample, NULL);
	unixctl_command("coverage/show", "", 0, 0, cmd_show, NULL);
	unixctl_command("coverage/read-counter", "COUNTER", 1, 1, cmd_read_counter, NULL);
}
