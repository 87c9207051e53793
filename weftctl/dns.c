// SPDX-License-Identifier: Apache-2.0
/* weftctl dns */
#include "dns/import/import.h"
#include "dns/server/view_load.h"
#include "weftctl/weftctl.h"

#define DEFAULT_CONF "/etc/weft/dns.json"

/* Works without a daemon: what a reload would say. */
static int
check(const struct ctl_options *o, int argc, char *argv[])
{
	return dns_conf_check(argc ? argv[0] : DEFAULT_CONF);
}

static int
import(const struct ctl_options *o, int argc, char *argv[])
{
	return dns_import_main(argv);
}

static const struct ctl_command commands[] = {
	{ "check", "[FILE]", "read a configuration and its zones, say what is wrong", 0, 1, NULL, check },
	{ "import", "gdnsd|knot FILE FOLDER", "another name server's configuration as ours", 3, 3, NULL, import },
	{ "key", "generate|list|ds|roll|retire ZONE [--folder FOLDER] ...", "make and roll the keys that zones are signed with", 2, 12, NULL, ctl_dns_key },
	{ "reload", "", "read configuration and zones again", 0, 0, "dns/reload", NULL },
	{ "upgrade", "[PROGRAM]", "hand over to a new process, of the file that was started or of PROGRAM, without losing a query", 0, 1, "dns/upgrade", NULL },
	{ "show", "[zones]", "what is served", 0, 1, "dns/show", NULL },
	{ "counters", "", "what was counted since the start", 0, 0, "dns/counters", NULL },
	{ "top", "[--interval SECONDS] [--count PAGES]", "counters as rates, page after page", 0, 4, NULL, ctl_dns_top },
	{ "secondaries", "", "zones that come from primaries: serial, age, what went wrong", 0, 0, "dns/secondaries", NULL },
	{ "refresh", "[ZONE]", "ask the primaries of a zone, or of all, now", 0, 1, "dns/refresh", NULL },
	{ "why", "NAME [TYPE] [--client ADDRESS[/LENGTH]]", "what a client gets, and why", 1, 4, "dns/why", NULL },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL },
};

const struct ctl_group ctl_dns = { "dns", "weft-dnsd", "the name server", commands };
