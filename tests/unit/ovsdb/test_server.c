/* SPDX-License-Identifier: Apache-2.0 */
/* Our own ovsdb-server: from nothing, after a crash, and when it cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "ovsdb/server.h"
#include "ovsdb/session.h"
#include "real_server.h"

static struct wf_err err;

static int
setup(void **state)
{
	err.text[0] = '\0';
	real_run("rm -rf %s/*  %s/.conf*", real_dir, real_dir);
	return 0;
}

#define assert_says(TEXT)                                                                      \
	do {                                                                                   \
		if (!strstr(err.text, TEXT))                                                   \
			fail_msg("\"%s\" lacks \"%s\"", err.text, TEXT);                       \
	} while (0)

static void
server_comes_from_nothing(void **state)
{
	struct ovsdb_server *sv = NULL;
	char path[128];

	assert_int_equal(ovsdb_server_probe(real_remote, &err), 0);
	if (ovsdb_server_start(real_remote, &sv, &err))
		fail_msg("%s", err.text);
	assert_int_equal(ovsdb_server_probe(real_remote, &err), 1);
	/* ovs-vsctl finds an initialised database; ovs-appctl finds the server. */
	assert_string_equal(real_vsctl("get open . next_cfg"), "0");
	real_vsctl("add-br br0");
	assert_string_equal(real_vsctl("list-br"), "br0");
	real_run("ovs-appctl -t ovsdb-server version >/dev/null");
	assert_string_equal(real_run("ovs-appctl -t ovsdb-server ovsdb-server/list-dbs"),
			    "Open_vSwitch\n_Server");
	snprintf(path, sizeof(path), "%s/ovsdb-server.pid", real_dir);
	assert_int_equal(access(path, R_OK), 0);

	/* A second one is refused, with the first unharmed. */
	struct ovsdb_server *other = NULL;
	assert_int_equal(ovsdb_server_start(real_remote, &other, &err), -EADDRINUSE);
	assert_null(other);

	pid_t pid = ovsdb_server_pid(sv);
	ovsdb_server_stop(sv);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_not_equal(access(path, R_OK), 0);

	/* What was configured is there the next time; the root row is not made twice. */
	assert_int_equal(ovsdb_server_start(real_remote, &sv, &err), 0);
	assert_string_equal(real_vsctl("list-br"), "br0");
	assert_string_equal(real_vsctl("--columns=next_cfg --bare list open | wc -l"), "1");
	ovsdb_server_stop(sv);
}

static void
dead_server_comes_back(void **state)
{
	struct ovsdb_server *sv;
	struct ovsdb_session *s;

	assert_int_equal(ovsdb_server_start(real_remote, &sv, &err), 0);
	s = ovsdb_session_new(real_remote, NULL, NULL, NULL, &err);
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	pid_t pid = ovsdb_server_pid(sv);

	kill(pid, SIGKILL);
	assert_true(real_until(ovsdb_server_n_restarts(sv) == 1, 3000));
	assert_true(real_until(!ovsdb_session_is_live(s), 1000));
	assert_true(real_until(ovsdb_session_is_live(s), 6000));
	assert_int_not_equal(ovsdb_server_pid(sv), pid);
	assert_string_equal(real_vsctl("get open . next_cfg"), "0");

	/* Told to go, it stays away. */
	real_run("ovs-appctl -t ovsdb-server exit");
	assert_true(real_until(ovsdb_server_pid(sv) == 0, 3000));
	real_spin(400);
	assert_int_equal(ovsdb_server_pid(sv), 0);
	assert_int_equal(ovsdb_server_probe(real_remote, &err), 0);
	ovsdb_session_free(s);
	ovsdb_server_stop(sv);
}

static void
server_goes_with_a_crashed_parent(void **state)
{
	int fds[2];
	pid_t child, server = 0;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (!child) {
		struct ovsdb_server *sv;

		if (ovsdb_server_start(real_remote, &sv, &err))
			_exit(1);
		server = ovsdb_server_pid(sv);
		if (write(fds[1], &server, sizeof(server)) != sizeof(server))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(read(fds[0], &server, sizeof(server)), sizeof(server));
	waitpid(child, NULL, 0);
	bool gone = false;
	for (int i = 0; i < 600 && !gone; i++) {
		gone = ovsdb_server_probe(real_remote, NULL) == 0;
		usleep(5000);
	}
	assert_true(gone);
	close(fds[0]);
	close(fds[1]);
}

static void
stale_socket_is_no_obstacle(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ovsdb_server *sv;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/db.sock", real_dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(ovsdb_server_probe(real_remote, &err), 0);
	assert_int_equal(ovsdb_server_start(real_remote, &sv, &err), 0);
	ovsdb_server_stop(sv);
}

static void
impossible_start_says_why(void **state)
{
	struct ovsdb_server *sv = NULL;

	assert_int_equal(ovsdb_server_probe("tcp:127.0.0.1:6640", &err), -EAFNOSUPPORT);
	assert_says("unix:PATH");

	real_run("echo x > %s/db.sock", real_dir);
	assert_int_equal(ovsdb_server_start(real_remote, &sv, &err), -ENOTSOCK);
	assert_says("is no socket");
	real_run("rm %s/db.sock", real_dir);

	setenv("OVS_PKGDATADIR", "/nonexistent", 1);
	assert_int_equal(ovsdb_server_start(real_remote, &sv, &err), -ENOENT);
	assert_says("/nonexistent/vswitch.ovsschema");
	assert_says("openvswitch-switch");
	unsetenv("OVS_PKGDATADIR");

	/* A database that is none. */
	real_run("echo garbage > %s/conf.db", real_dir);
	assert_int_equal(ovsdb_server_start(real_remote, &sv, &err), -EIO);
	assert_says("conf.db");
	real_run("rm -f %s/conf.db", real_dir);

	/* A database that another server holds. */
	real_create();
	char elsewhere[160];
	snprintf(elsewhere, sizeof(elsewhere), "unix:%s/other.sock", real_dir);
	assert_int_equal(ovsdb_server_start(elsewhere, &sv, &err), -EIO);
	assert_says("lock");
	real_stop(SIGTERM);
	assert_null(sv);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(server_comes_from_nothing, setup),
		cmocka_unit_test_setup(dead_server_comes_back, setup),
		cmocka_unit_test_setup(server_goes_with_a_crashed_parent, setup),
		cmocka_unit_test_setup(stale_socket_is_no_obstacle, setup),
		cmocka_unit_test_setup(impossible_start_says_why, setup),
	};
	int rc;

	wf_loop_init();
	if (!real_init()) {
		fprintf(stderr, "ovsdb-server is not installed\n");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	real_done();
	return rc;
}
