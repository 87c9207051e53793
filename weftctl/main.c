// SPDX-License-Identifier: Apache-2.0
/* weftctl: one command line for weft's daemons. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/daemon.h"
#include "weftctl/client.h"
#include "weftctl/weftctl.h"

static const struct ctl_group *const groups[] = {
	&ctl_dns,
	&ctl_glb,
};
#define N_GROUPS (sizeof groups / sizeof groups[0])

static void
usage(FILE *to)
{
	fprintf(to, "usage: weftctl [--target=SOCKET|PROGRAM] GROUP COMMAND [ARGUMENT]...\n");
	for (size_t i = 0; i < N_GROUPS; i++) {
		fprintf(to, "\n%s: %s\n", groups[i]->name, groups[i]->help);
		for (const struct ctl_command *c = groups[i]->commands; c->name; c++)
			fprintf(to, "  weftctl %s %s%s%s\n      %s\n", groups[i]->name, c->name, *c->usage ? " " : "",
				c->usage, c->help);
	}
}

static int
run(const struct ctl_group *g, const struct ctl_command *c, const struct ctl_options *o, int argc,
    char *argv[])
{
	struct wf_err err = { "" };
	char *reply = NULL;
	int rc;

	if (argc < c->min_args || argc > c->max_args) {
		fprintf(stderr, "usage: weftctl %s %s %s\n", g->name, c->name, c->usage);
		return 2;
	}
	if (!c->method)
		return c->run(o, argc, argv);
	rc = ctl_ask(g->program, o->target, c->method, argc, argv, &reply, &err);
	if (rc < 0)
		fprintf(stderr, "weftctl: %s\n", err.text);
	else
		fputs(reply, rc ? stderr : stdout);
	free(reply);
	return rc ? 1 : 0;
}

int
main(int argc, char *argv[])
{
	struct ctl_options o = { 0 };

	wf_daemon_init(argc, argv);
	for (argc--, argv++; argc && !strncmp(*argv, "--", 2); argc--, argv++) {
		if (!strcmp(*argv, "--help")) {
			usage(stdout);
			return 0;
		}
		if (!strcmp(*argv, "--version")) {
			printf("weftctl (weft) %s\n", WEFT_VERSION);
			return 0;
		}
		if (strncmp(*argv, "--target=", 9)) {
			fprintf(stderr, "weftctl: no option %s; there are --target, --help and --version\n", *argv);
			return 2;
		}
		o.target = *argv + 9;
	}
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (strcmp(groups[i]->name, argv[0]))
			continue;
		for (const struct ctl_command *c = groups[i]->commands; c->name; c++)
			if (!strcmp(c->name, argv[1]))
				return run(groups[i], c, &o, argc - 2, argv + 2);
	}
	fprintf(stderr, "weftctl: no command \"%s %s\"; weftctl --help lists them\n", argv[0], argv[1]);
	return 2;
}
