// SPDX-License-Identifier: Apache-2.0
/* weftctl glb */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "glb/import.h"
#include "glb/place.h"
#include "weftctl/client.h"
#include "weftctl/weftctl.h"

/* Works without a daemon: the writer of placement documents. */
static int
place(const struct ctl_options *o, int argc, char *argv[])
{
	/* getopt looks at what follows the command's name, which stands before the first argument.
	 */
	return glb_place_main(argc + 1, argv - 1);
}

static int
rotate_key(const struct ctl_options *o, int argc, char *argv[])
{
	return glb_rotate_main(argc + 1, argv - 1);
}

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signum)
{
	interrupted = 1;
}

/* What came into the file since the last time, to our output. */
static void
copy_new(int fd)
{
	char bytes[65536];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
		fwrite(bytes, 1, (size_t)n, stdout);
	fflush(stdout);
}

static int
capture(const struct ctl_options *o, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "vip", required_argument, NULL, 'v' },    { "drop", required_argument, NULL, 'd' },
		{ "sample", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },	    { NULL, 0, NULL, 0 },
	};
	static char any[] = "any", one[] = "1", zero[] = "0", pcapng[] = "pcapng", json[] = "json", drops[] = "drops";
	char temporary[] = "/tmp/weft-capture.XXXXXX", *reply = NULL, *args[6] = { NULL, pcapng, one, zero, any, any };
	const char *file = NULL;
	struct wf_err err = { "" };
	int c, rc, fd = -1;

	optind = 1;
	while ((c = getopt_long(argc + 1, argv - 1, "w:", options, NULL)) != -1)
		switch (c) {
		case 'v':
			args[4] = optarg;
			break;
		case 'd':
			args[5] = strcmp(optarg, "any") ? optarg : drops;
			break;
		case 's':
			args[2] = optarg;
			break;
		case 'c':
			args[3] = optarg;
			break;
		case 'j':
			args[1] = json;
			break;
		case 'w':
			file = optarg;
			break;
		default:
			return 2;
		}
	if (optind != argc + 1 || !file) {
		fprintf(stderr, "usage: capture [--vip ADDRESS] [--drop REASON|any] [--sample N] [--count N] [--json] -w FILE|-\n");
		return 2;
	}
	if (!strcmp(file, "-")) {
		fd = mkstemp(temporary);
		if (fd < 0) {
			fprintf(stderr, "%s: %s\n", temporary, strerror(errno));
			return 1;
		}
		args[0] = temporary;
	} else if (*file == '/') {
		args[0] = wf_xstrdup(file);
	} else {
		char *here = getcwd(NULL, 0);

		args[0] = wf_xasprintf("%s/%s", here ? here : "", file);
		free(here);
	}
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	rc = ctl_ask("weft-glb", o->target, "glb/capture", 6, args, &reply, &err);
	if (fd >= 0)
		unlink(temporary);
	else
		free(args[0]);
	while (!rc) {
		bool stop = interrupted;

		free(reply);
		reply = NULL;
		rc = ctl_ask("weft-glb", o->target, stop ? "glb/capture-stop" : "glb/capture-poll", 0, NULL, &reply, &err);
		copy_new(fd);
		if (rc || stop || strncmp(reply, "running", 7))
			break;
		usleep(200000);
	}
	if (rc)
		fprintf(stderr, "%s\n", rc > 0 && reply ? reply : err.text);
	else
		fprintf(stderr, "%s", reply);
	rc = rc || strncmp(reply, "done", 4) ? 1 : 0;
	free(reply);
	if (fd >= 0)
		close(fd);
	return rc;
}

static bool
has_line(const char *text, const char *line, size_t len)
{
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strcspn(p, "\n") == len && !strncmp(p, line, len))
			return true;
	return false;
}

/* Lines of 'text' that 'other' lacks. */
static void
tell(const char *verb, const char *text, const char *other)
{
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, "\n");

		if (!has_line(other, p, len))
			printf("%s route %.*s next-hop self\n", verb, (int)len, p);
	}
}

/* A process of ExaBGP: says on its standard output what is announced, as that changes.  While the daemon cannot be
 * asked nothing changes, since its data path goes on. */
static int
exabgp(const struct ctl_options *o, int argc, char *argv[])
{
	static char plain[] = "plain";
	char *args[] = { plain, NULL }, *told = wf_xstrdup(""), ignored[256];
	pid_t parent = getppid();

	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	while (getppid() == parent) {
		struct wf_err err = { "" };
		char *now = NULL;

		if (!ctl_ask("weft-glb", o->target, "glb/announced", 1, args, &now, &err)) {
			tell("announce", now, told);
			tell("withdraw", told, now);
			free(told);
			told = now;
		} else {
			free(now);
		}
		if (fflush(stdout))
			break;
		/* What ExaBGP answers must not fill the pipe. */
		while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
			continue;
		usleep(200000);
	}
	free(told);
	return 0;
}

static int
import(const struct ctl_options *o, int argc, char *argv[])
{
	return glb_import_main(argc + 1, argv - 1);
}

static const struct ctl_command commands[] = {
	{ "place", "[--dead NAME] [--forget-before N] [--cut] [--check] WANTED DOCUMENT",
	  "write the next placement document", 0, 64, NULL, place },
	{ "rotate-key", "[--deploy COMMAND] [--every TIME] [--settle TIME] [--keep TIME] [--end] [--cut] DOCUMENT",
	  "the next step of a change of the hash key", 0, 64, NULL, rotate_key },
	{ "import", "katran|ipvs|keepalived FILE FOLDER", "another balancer's configuration as ours", 3, 3, NULL, import },
	{ "show", "", "roles, VIPs, sites and servers, the document in force", 0, 0, "glb/show", NULL },
	{ "top", "", "packets by VIP, site, server, and why some were dropped", 0, 0, "glb/top", NULL },
	{ "why", "CLIENT[:PORT] VIP[:PORT] [tcp|udp] [syn]", "where a packet goes, and why", 2, 4, "glb/why", NULL },
	{ "health", "", "sites and servers: who is up, since when, by which probe", 0, 1, "policy/health", NULL },
	{ "feeds", "", "who tells us of health and load, and what of it is stale", 0, 0, "policy/feeds", NULL },
	{ "mark", "NAME up|drain [SECONDS]|dead", "how this balancer sees a server or site; a drain can have a deadline",
	  2, 3, "glb/mark", NULL },
	{ "announced", "", "addresses that are announced, or why not", 0, 0, "glb/announced", NULL },
	{ "withdraw", "[ADDRESS]", "announce an address no more, or all", 0, 1, "glb/withdraw", NULL },
	{ "announce", "[ADDRESS]", "take that back", 0, 1, "glb/announce", NULL },
	{ "exabgp", "", "a process of ExaBGP: says what is announced, as it changes", 0, 0, NULL, exabgp },
	{ "capture", "[--vip ADDRESS] [--drop REASON|any] [--sample N] [--count N] [--json] -w FILE|-",
	  "packets as they came, with what became of them, as pcapng or lines of JSON", 0, 64, NULL, capture },
	{ "stop", "", "withdraw all, wait, end the daemon (the data path goes on)", 0, 0, "glb/stop", NULL },
	{ "reload", "", "read the configuration and the document again", 0, 0, "glb/reload", NULL },
	{ "doctor", "", "what of this host breaks tunnels or direct return", 0, 0, "glb/doctor", NULL },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL },
};

const struct ctl_group ctl_glb = { "glb", "weft-glb", "the load balancer", commands };
