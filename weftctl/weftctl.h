/* SPDX-License-Identifier: Apache-2.0 */
/* weftctl GROUP COMMAND [ARGUMENT]...: each group is a file here, named in the table of main.c.
 *
 * Most commands only pass a request on: a row in the group's table.  One that does more has a
 * function. */
#ifndef WEFT_WEFTCTL_WEFTCTL_H
#define WEFT_WEFTCTL_WEFTCTL_H

struct ctl_options {
	const char *
		target; /* --target: a control socket, or another program's name; NULL: the usual */
};

struct ctl_command {
	const char *name, *usage, *help;
	int min_args, max_args;
	/* The daemon's command that gets the arguments; NULL: 'run' does it all. */
	const char *method;
	/* Returns the exit code. */
	int (*run)(const struct ctl_options *, int argc, char *argv[]);
};

struct ctl_group {
	const char *name, *program, *help;
	const struct ctl_command *commands; /* ends with a row of NULL */
};

/* weftctl dns key: dns_key.c. */
int ctl_dns_key(const struct ctl_options *, int argc, char *argv[]);
/* weftctl dns top: dns_top.c. */
int ctl_dns_top(const struct ctl_options *, int argc, char *argv[]);

extern const struct ctl_group ctl_dns;
extern const struct ctl_group ctl_glb;

#endif
