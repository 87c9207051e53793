// SPDX-License-Identifier: Apache-2.0
#include "base/daemon_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/daemon.h"

/* The block in which the kernel put the arguments, which is what ps shows. */
static char *area;
static size_t area_size;
static char *saved;

void
wf_proctitle_init(int argc, char *argv[])
{
	if (argc < 1)
		return;
	area = argv[0];

	/* getopt may have put them into another order: the end is the highest of them. */
	char *end = area;
	for (int i = 0; i < argc; i++) {
		char *e = argv[i] + strlen(argv[i]) + 1;

		if (argv[i] < area || e < area)
			continue;
		end = e > end ? e : end;
	}
	area_size = end - area;
}

void
wf_proctitle_set(const char *fmt, ...)
{
	va_list args;
	int n;

	if (!area || area_size < 2)
		return;
	if (!saved)
		saved = wf_xmemdup(area, area_size);
	memset(area, 0, area_size);
	n = snprintf(area, area_size, "%s: ", wf_program_name);
	if (n < 0 || (size_t)n >= area_size)
		return;
	va_start(args, fmt);
	vsnprintf(area + n, area_size - n, fmt, args);
	va_end(args);
}

void
wf_proctitle_restore(void)
{
	if (!saved)
		return;
	memcpy(area, saved, area_size);
	free(saved);
	saved = NULL;
}
