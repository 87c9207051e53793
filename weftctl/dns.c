// SPDX-License-Identifier: Apache-2.0
/* weftctl dns */
#include <stdio.h>

#include "base/buf.h"
#include "dns/server/config.h"
#include "weftctl/weftctl.h"

#define DEFAULT_CONF "/etc/weft/dns.json"

/* Works without a daemon: what a reload would say. */
static int
check(const struct ctl_options *o, int argc, char *argv[])
{
	const char *path = argc ? argv[0] : DEFAULT_CONF;
	struct wf_str warnings = WF_STR_INIT;
	struct wf_err err = { "" };
	struct dns_conf *c = NULL;
	struct dns_view *v = NULL;
	int rc = dns_conf_load(path, &c, &err);

	if (!rc)
		rc = dns_view_load(c, NULL, &v, &warnings, &err);
	fputs(wf_str_cstr(&warnings), stderr);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else
		printf("%s: good, %zu zones\n", path, v->n_zones);
	dns_view_free(v);
	dns_conf_free(c);
	wf_str_done(&warnings);
	return rc ? 1 : 0;
}

static const struct ctl_command commands[] = {
	{ "check", "[FILE]", "read a configuration and its zones, say what is wrong", 0, 1, NULL, check },
	{ "key", "generate|list|ds|roll|retire ZONE [--folder FOLDER] ...", "make and roll the keys that zones are signed with", 2, 12, NULL, ctl_dns_key },
	{ "reload", "", "read configuration and zones again", 0, 0, "dns/reload", NULL },
	{ "show", "[zones]", "what is served", 0, 1, "dns/show", NULL },
	{ "counters", "", "what was counted since the start", 0, 0, "dns/counters", NULL },
	{ "why", "NAME [TYPE] [--client ADDRESS[/LENGTH]]", "what a client gets, and why", 1, 4, "dns/why", NULL },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL },
};

const struct ctl_group ctl_dns = { "dns", "weft-dnsd", "the name server", commands };
