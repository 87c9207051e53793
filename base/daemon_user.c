// SPDX-License-Identifier: Apache-2.0
/* --user: gives up root but for the capabilities that a switch needs. */
#include "base/daemon_internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"

static bool is_set;
static char *user;
static uid_t uid;
static gid_t gid;

int
wf_daemon_user_set(const char *spec, struct wf_err *err)
{
	const char *colon = strchr(spec, ':');
	struct passwd *pw;
	struct group *gr;

	uid = getuid();
	gid = getgid();
	free(user);
	user = wf_xasprintf("%.*s", colon ? (int)(colon - spec) : (int)strlen(spec), spec);
	if (user[0]) {
		pw = getpwnam(user);
		if (!pw)
			return wf_err(err, -EINVAL, "--user=%s: there is no user \"%s\"", spec,
				      user);
		uid = pw->pw_uid;
		gid = pw->pw_gid;
	}
	if (colon && colon[1]) {
		gr = getgrnam(colon + 1);
		if (!gr)
			return wf_err(err, -EINVAL, "--user=%s: there is no group \"%s\"", spec,
				      colon + 1);
		gid = gr->gr_gid;
	}
	/* The next daemon of one that has become that user (successor.c) has nothing to give up. */
	if (geteuid() && geteuid() == uid && getegid() == gid)
		return 0;
	if (geteuid())
		return wf_err(err, -EPERM, "%s: only root can use --user option", spec);
	is_set = true;
	return wf_log_chown_file(uid, gid, err);
}

static uint64_t named;

void
wf_daemon_keep_capability(int capability)
{
	named |= UINT64_C(1) << capability;
}

/* The set that ovs-vswitchd keeps: devices, raw sockets, namespaces of ports, locked
 * memory for DPDK. */
static uint64_t
of_a_switch(void)
{
	static const int kept[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BROADCAST, CAP_IPC_LOCK,
				    CAP_SYS_RAWIO };
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		all |= UINT64_C(1) << kept[i];
	return all;
}

static int
keep_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t kept = named;

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	if (named)
		kept &= data[0].permitted | (uint64_t)data[1].permitted << 32;
	else
		kept = of_a_switch();
	for (int i = 0; i < 2; i++) {
		data[i].permitted = data[i].effective = (uint32_t)(kept >> 32 * i);
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int
wf_daemon_user_become(struct wf_err *err)
{
	if (!is_set)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return wf_err(err, -errno, "--user: cannot keep capabilities: %s",
			      wf_strerror(-errno));
	if ((user[0] ? initgroups(user, gid) : setgroups(0, NULL)) < 0 ||
	    setresgid(gid, gid, gid) < 0)
		return wf_err(err, -errno, "--user: cannot switch to gid %u: %s", (unsigned)gid,
			      wf_strerror(-errno));
	if (setresuid(uid, uid, uid) < 0)
		return wf_err(err, -errno, "--user: cannot switch to uid %u: %s", (unsigned)uid,
			      wf_strerror(-errno));

	int rc = uid ? keep_capabilities() : 0;
	if (rc)
		return wf_err(err, rc, "--user: cannot keep capabilities: %s", wf_strerror(rc));
	is_set = false;
	return 0;
}
