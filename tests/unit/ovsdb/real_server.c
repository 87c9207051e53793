/* SPDX-License-Identifier: Apache-2.0 */
#include "real_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "ovsdb/server.h"

char real_dir[64] = "/tmp/weft-test-ovsdb-XXXXXX";
char real_remote[128];
static pid_t server;

bool
real_init(void)
{
	if (system("command -v ovsdb-server ovsdb-tool ovs-vsctl >/dev/null") ||
	    access("/usr/share/openvswitch/vswitch.ovsschema", R_OK))
		return false;
	if (!mkdtemp(real_dir))
		abort();
	setenv("OVS_RUNDIR", real_dir, 1);
	setenv("OVS_LOGDIR", real_dir, 1);
	setenv("OVS_DBDIR", real_dir, 1);
	snprintf(real_remote, sizeof(real_remote), "unix:%s/db.sock", real_dir);
	return true;
}

void
real_done(void)
{
	char command[256];

	if (server)
		real_stop(SIGKILL);
	snprintf(command, sizeof(command), "rm -rf %s", real_dir);
	if (system(command))
		perror(command);
}

void
real_create(void)
{
	real_run("rm -f %s/conf.db && ovsdb-tool create %s/conf.db "
		 "/usr/share/openvswitch/vswitch.ovsschema",
		 real_dir, real_dir);
	real_start();
	real_vsctl("init");
}

void
real_start(void)
{
	char remote[160], db[128], log[128];

	snprintf(remote, sizeof(remote), "--remote=p%s", real_remote);
	snprintf(db, sizeof(db), "%s/conf.db", real_dir);
	snprintf(log, sizeof(log), "--log-file=%s/ovsdb-server.log", real_dir);
	server = fork();
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("ovsdb-server", "ovsdb-server", db, remote, log, "-vconsole:emer", NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000; i++) {
		if (ovsdb_server_probe(real_remote, NULL) == 1)
			return;
		usleep(5000);
	}
	fail_msg("ovsdb-server does not start");
}

void
real_stop(int signum)
{
	kill(server, signum);
	waitpid(server, NULL, 0);
	server = 0;
}

static const char *
run_command(const char *command)
{
	static char out[65536];
	size_t n = 0, got;
	FILE *f = popen(command, "r");

	assert_non_null(f);
	while (n < sizeof(out) - 1 && (got = fread(out + n, 1, sizeof(out) - 1 - n, f)) > 0)
		n += got;
	out[n] = '\0';
	while (n && out[n - 1] == '\n')
		out[--n] = '\0';
	int status = pclose(f);
	if (status)
		fail_msg("%s: status %d", command, status);
	return out;
}

const char *
real_run(const char *fmt, ...)
{
	static char command[262144];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	return run_command(command);
}

const char *
real_vsctl(const char *fmt, ...)
{
	static char command[262144];
	int n = snprintf(command, sizeof(command), "ovs-vsctl --timeout=20 --no-wait --db=%s ",
			 real_remote);
	va_list args;

	va_start(args, fmt);
	vsnprintf(command + n, sizeof(command) - n, fmt, args);
	va_end(args);
	return run_command(command);
}

const char *
real_appctl(const char *command)
{
	return real_run("ovs-appctl -t %s/ovsdb-server.%d.ctl %s", real_dir, (int)server, command);
}

void
real_spin(int ms)
{
	for (int i = 0; i < ms; i += 2) {
		wf_loop_turn();
		usleep(2000);
	}
}

bool
real_wait(const bool *flag, int ms)
{
	return real_until(*flag, ms);
}
