// SPDX-License-Identifier: Apache-2.0
/* weftctl glb */
#include <stddef.h>

#include "glb/place.h"
#include "weftctl/weftctl.h"

/* Works without a daemon: the writer of placement documents. */
static int
place(const struct ctl_options *o, int argc, char *argv[])
{
	/* getopt looks at what follows the command's name, which stands before the first argument.
	 */
	return glb_place_main(argc + 1, argv - 1);
}

static const struct ctl_command commands[] = {
	{ "place", "[--dead NAME] [--forget-before N] [--cut] [--check] WANTED DOCUMENT",
	  "write the next placement document", 0, 64, NULL, place },
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
	{ "stop", "", "withdraw all, wait, end the daemon (the data path goes on)", 0, 0, "glb/stop", NULL },
	{ "reload", "", "read the configuration and the document again", 0, 0, "glb/reload", NULL },
	{ "doctor", "", "what of this host breaks tunnels or direct return", 0, 0, "glb/doctor", NULL },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL },
};

const struct ctl_group ctl_glb = { "glb", "weft-glb", "the load balancer", commands };
