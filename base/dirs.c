// SPDX-License-Identifier: Apache-2.0
/* Where things are (base/daemon.h): Debian's paths, moved by OVS_* variables. */
#include "base/daemon.h"

#include <stdlib.h>

#include "base/buf.h"

const char *wf_program_name = "weft";

static const char *
from_env(const char *name, const char *def)
{
	const char *value = getenv(name);

	return value && value[0] ? value : def;
}

const char *
wf_rundir(void)
{
	return from_env("OVS_RUNDIR", "/var/run/openvswitch");
}

const char *
wf_logdir(void)
{
	return from_env("OVS_LOGDIR", "/var/log/openvswitch");
}

const char *
wf_sysconfdir(void)
{
	return from_env("OVS_SYSCONFDIR", "/etc");
}

const char *
wf_dbdir(void)
{
	static char *path; /* made once; the environment does not change */
	const char *conf = getenv("OVS_SYSCONFDIR");

	if (!conf || !conf[0])
		return from_env("OVS_DBDIR", "/etc/openvswitch");
	if (!path)
		path = wf_xasprintf("%s/openvswitch", conf);
	return from_env("OVS_DBDIR", path);
}

const char *
wf_pkgdatadir(void)
{
	return from_env("OVS_PKGDATADIR", "/usr/share/openvswitch");
}
