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
	{ "mark", "NAME up|drain|dead", "how this balancer sees a server or site", 2, 2, "glb/mark", NULL },
	{ "reload", "", "read the configuration and the document again", 0, 0, "glb/reload", NULL },
	{ "doctor", "", "what of this host breaks tunnels or direct return", 0, 0, "glb/doctor", NULL },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL },
};

const struct ctl_group ctl_glb = { "glb", "weft-glb", "the load balancer", commands };
