// SPDX-License-Identifier: Apache-2.0
/* weftctl dns top: the counters of weft-dnsd as rates, page after page. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "weftctl/client.h"
#include "weftctl/weftctl.h"

struct sample {
	struct timespec at;
	char *text; /* lines "NAME VALUE  HELP" */
};

static int
take(const struct ctl_options *o, struct sample *s)
{
	struct wf_err err = { "" };
	int rc = ctl_ask("weft-dnsd", o->target, "dns/counters", 0, NULL, &s->text, &err);

	clock_gettime(CLOCK_MONOTONIC, &s->at);
	if (rc < 0)
		fprintf(stderr, "weftctl: %s\n", err.text);
	else if (rc)
		fputs(s->text, stderr);
	return rc;
}

/* The line at '*at', which is moved on; false at the end, or if it is no counter. */
static bool
next(const char **at, char name[64], unsigned long long *value, const char **help)
{
	int n = 0;

	if (!**at || sscanf(*at, "%63s %llu %n", name, value, &n) != 2)
		return false;
	*help = *at + n;
	*at += strcspn(*at, "\n");
	*at += **at == '\n';
	return true;
}

/* Both samples are of one daemon, so in one order; one that was started again begins from 0. */
static void
page(const struct sample *old, const struct sample *now)
{
	double s = now->at.tv_sec - old->at.tv_sec + (now->at.tv_nsec - old->at.tv_nsec) / 1e9;
	const char *a = old->text, *b = now->text, *help_a, *help_b;
	unsigned long long before, value;
	char name_a[64], name[64], clock[32];
	time_t t = time(NULL);
	bool any = false;

	strftime(clock, sizeof clock, "%H:%M:%S", localtime(&t));
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	printf("weft-dnsd %s, over %.1f s\n%12s %14s  counter\n", clock, s, "a second", "since start");
	while (next(&a, name_a, &before, &help_a) && next(&b, name, &value, &help_b)) {
		if (strcmp(name_a, name) || value == before)
			continue;
		if (value < before)
			before = 0;
		printf("%12.1f %14llu  %-20s %.*s\n", (value - before) / s, value, name, (int)strcspn(help_b, "\n"), help_b);
		any = true;
	}
	if (!any)
		puts("nothing was counted");
	fflush(stdout);
}

static bool
number(const char *text, double min, double max, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && !*end && *ret >= min && *ret <= max;
}

int
ctl_dns_top(const struct ctl_options *o, int argc, char *argv[])
{
	struct sample old, now;
	double interval = 1, count = 0;
	int rc;

	for (int i = 0; i < argc; i += 2) {
		bool of_interval = !strcmp(argv[i], "--interval");

		if (i + 1 == argc || (!of_interval && strcmp(argv[i], "--count")) ||
		    !number(argv[i + 1], of_interval ? 0.1 : 1, of_interval ? 3600 : 1e9, of_interval ? &interval : &count)) {
			fprintf(stderr, "usage: weftctl dns top [--interval SECONDS] [--count PAGES]; an interval is 0.1 to 3600\n");
			return 2;
		}
	}
	rc = take(o, &old);
	for (unsigned long n = 0; !rc && (!count || n < count); n++) {
		struct timespec left = { (time_t)interval, (long)((interval - (time_t)interval) * 1e9) };

		while (nanosleep(&left, &left) && errno == EINTR)
			continue;
		rc = take(o, &now);
		if (!rc)
			page(&old, &now);
		free(old.text);
		old = now;
	}
	free(old.text);
	return rc ? 1 : 0;
}
