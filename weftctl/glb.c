// SPDX-License-Identifier: Apache-2.0
/* weftctl glb */
#include <fcntl.h>
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
	{ "stop", "", "withdraw all, wait, end the daemon (the data path goes on)", 0, 0, "glb/stop", NULL },
	{ "reload", "", "read the configuration and the document again", 0, 0, "glb/reload", NULL },
	{ "doctor", "", "what of this host breaks tunnels or direct return", 0, 0, "glb/doctor", NULL },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL },
};

const struct ctl_group ctl_glb = { "glb", "weft-glb", "the load balancer", commands };
