/* SPDX-License-Identifier: Apache-2.0 */
#include "ovsdb/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "ovsdb/schema.h"
#include "ovsdb/server_private.h"

WF_LOG_MODULE(ovsdb_server);

#define PACKAGE_SWITCH "openvswitch-switch"
#define PACKAGE_COMMON "openvswitch-common"

/* A server that reads a large database needs a while; longer: a broken one is noticed late. */
#define START_MS 10000
#define STOP_MS  3000
/* Back-off of restarts; a server that lived LIVED_MS starts again at once. */
#define MIN_RESTART_MS 100
#define MAX_RESTART_MS 10000
#define LIVED_MS       10000

struct ovsdb_server {
	char *path;   /* of the socket */
	char *db;     /* of the database */
	pid_t pid;    /* 0: down */
	int pidfd, errfd;
	struct wf_fd_watch *exit_watch, *err_watch;
	struct wf_str said; /* the unfinished line of its stderr */
	struct wf_timer restart;
	int restart_ms;
	int64_t started_ms;
	unsigned n_restarts;
};

/* ---- Is anybody there? ---- */

char *
ovsdb_server_socket_path(const char *remote)
{
	if (strncmp(remote, "unix:", 5) || !remote[5] || strchr(remote, ','))
		return NULL;
	return remote[5] == '/' ? wf_xstrdup(remote + 5)
				: wf_xasprintf("%s/%s", wf_rundir(), remote + 5);
}

/* Returns a connected socket, or a negative errno. */
int
ovsdb_server_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
	}
	return rc ? rc : fd;
}

static int
probe_path(const char *path, struct wf_err *err)
{
	struct stat st;
	int fd;

	if (!lstat(path, &st) && !S_ISSOCK(st.st_mode))
		return wf_err(err, -ENOTSOCK,
			      "%s: is in the way of the database's socket and is no socket; move it "
			      "away",
			      path);
	fd = ovsdb_server_connect(path);
	if (fd >= 0) {
		close(fd);
		return 1;
	}
	switch (fd) {
	case -ENOENT:
	case -ECONNREFUSED: /* left behind by a server that died */
		return 0;
	case -EAGAIN: /* its queue of connections is full: it is there */
		return 1;
	default:
		return wf_err(err, fd, "%s: cannot connect to the database (%s)", path,
			      wf_strerror(fd));
	}
}

int
ovsdb_server_probe(const char *remote, struct wf_err *err)
{
	char *path = ovsdb_server_socket_path(remote);
	int rc;

	if (!path)
		return wf_err(err, -EAFNOSUPPORT,
			      "%s: a server can be started only at one unix:PATH", remote);
	rc = probe_path(path, err);
	free(path);
	return rc;
}

/* ---- Programs. ---- */

/* Returns the path of a program, which the caller frees, or NULL. */
static char *
find_program(const char *name)
{
	const char *path = getenv("PATH");
	char *dirs = wf_xasprintf("%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				  path ? path : ""),
	     *save = NULL, *found = NULL;

	for (char *dir = strtok_r(dirs, ":", &save); dir && !found;
	     dir = strtok_r(NULL, ":", &save)) {
		found = wf_xasprintf("%s/%s", dir, name);
		if (access(found, X_OK)) {
			free(found);
			found = NULL;
		}
	}
	free(dirs);
	return found;
}

static int
program_missing(const char *name, const char *package, struct wf_err *err)
{
	return wf_err(err, -ENOENT,
		      "%s: not found in PATH nor in /usr/sbin and /usr/bin; install the package %s",
		      name, package);
}

/* Starts a program whose stderr goes to '*errfd'.  Between fork() and execv() only what is
 * safe after a fork of a process with threads. */
static pid_t
spawn(const char *const argv[], int *errfd, struct wf_err *err)
{
	pid_t parent = getpid(), pid;
	char **env;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return wf_err(err, -errno, "%s: cannot make a pipe (%s)", argv[0],
			      wf_strerror(-errno));
	env = ovsdb_server_environment();
	pid = fork();
	if (pid)
		ovsdb_server_environment_free(env);
	if (pid < 0) {
		pid = wf_err(err, -errno, "%s: cannot fork (%s)", argv[0], wf_strerror(-errno));
		close(fds[0]);
		close(fds[1]);
		return pid;
	}
	if (!pid) {
		sigset_t none;
		int null = open("/dev/null", O_RDWR);

		/* It must not outlive a crashed parent: nobody would restart or stop it. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(1);
		setpgid(0, 0); /* a Ctrl-C is for us; we stop it after our last write */
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		dup2(null, 0);
		dup2(null, 1);
		dup2(fds[1], 2);
		syscall(SYS_close_range, 3, ~0u, 0);
		execve(argv[0], (char *const *)argv, env);
		_exit(127);
	}
	close(fds[1]);
	*errfd = fds[0];
	return pid;
}

/* The last line that is not empty of what a program said, without "PROGRAM: " in front. */
static const char *
last_line(struct wf_str *said, const char *program)
{
	char *s = said->s, *line;
	size_t n;

	while (said->len && strchr("\r\n ", s[said->len - 1]))
		wf_str_truncate(said, said->len - 1);
	if (!said->len)
		return "it said nothing";
	line = strrchr(s, '\n');
	line = line ? line + 1 : s;
	n = strlen(program);
	if (!strncmp(line, program, n) && !strncmp(line + n, ": ", 2))
		line += n + 2;
	return line;
}

static void
read_available(int fd, struct wf_str *said)
{
	char buf[1024];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (said->len < 8192)
			wf_str_putn(said, buf, n);
}

static void
describe_exit(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

/* ---- The database. ---- */

static int
make_dir(const char *dir, struct wf_err *err)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return wf_err(err, -errno, "%s: cannot make the folder (%s)", dir,
			      wf_strerror(-errno));
	return 0;
}

static int
run_create(const char *tool, const char *db, const char *schema, struct wf_err *err)
{
	const char *argv[] = { tool, "create", db, schema, NULL };
	struct wf_str said = WF_STR_INIT;
	int errfd, status, rc = 0;
	pid_t pid = spawn(argv, &errfd, err);

	if (pid < 0)
		return pid;
	read_available(errfd, &said); /* until it closes */
	close(errfd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		rc = wf_err(err, -EIO, "%s: cannot make the database: %s", db,
			    last_line(&said, "ovsdb-tool"));
	wf_str_done(&said);
	return rc;
}

/* Makes 'db' unless it exists. */
static int
ensure_database(const char *db, struct wf_err *err)
{
	char *schema, *tool;
	int rc;

	if (!access(db, F_OK)) {
		if (access(db, R_OK | W_OK))
			return wf_err(err, -errno, "%s: cannot read and write the database (%s)",
				      db, wf_strerror(-errno));
		return 0;
	}
	rc = make_dir(wf_dbdir(), err);
	if (rc)
		return rc;

	schema = wf_xasprintf("%s/vswitch.ovsschema", wf_pkgdatadir());
	tool = find_program("ovsdb-tool");
	if (access(schema, R_OK))
		rc = wf_err(err, -errno,
			    "%s: cannot read the database schema (%s); install the package "
			    PACKAGE_SWITCH " or set OVS_PKGDATADIR",
			    schema, wf_strerror(-errno));
	else if (!tool)
		rc = program_missing("ovsdb-tool", PACKAGE_COMMON, err);
	else if (access(wf_dbdir(), W_OK))
		rc = wf_err(err, -errno, "%s: cannot make the database in this folder (%s)",
			    wf_dbdir(), wf_strerror(-errno));
	else
		rc = run_create(tool, db, schema, err);
	if (!rc)
		wf_info("%s: made a new database from %s", db, schema);
	free(schema);
	free(tool);
	return rc;
}

/* ---- The child. ---- */

static void on_exit_fd(void *);
static void on_stderr(void *);

static int
launch(struct ovsdb_server *sv, struct wf_err *err)
{
	char *program = find_program("ovsdb-server");
	char *remote = wf_xasprintf("--remote=punix:%s", sv->path);
	char *pidfile = wf_xasprintf("--pidfile=%s/ovsdb-server.pid", wf_rundir());
	char *logfile = wf_xasprintf("--log-file=%s/ovsdb-server.log", wf_logdir());
	/* What ovs-ctl passes, except for --detach. */
	const char *argv[] = {
		program,
		sv->db,
		remote,
		"--remote=db:" OVSDB_DATABASE "," OVSDB_DATABASE ",manager_options",
		"--private-key=db:" OVSDB_DATABASE ",SSL,private_key",
		"--certificate=db:" OVSDB_DATABASE ",SSL,certificate",
		"--bootstrap-ca-cert=db:" OVSDB_DATABASE ",SSL,ca_cert",
		"--no-chdir",
		pidfile,
		"-vconsole:warn",
		"-vsyslog:err",
		"-vfile:info",
		access(wf_logdir(), W_OK) ? NULL : logfile,
		NULL,
	};
	int rc = 0;

	if (!program) {
		rc = program_missing("ovsdb-server", PACKAGE_COMMON, err);
		goto out;
	}
	sv->pid = spawn(argv, &sv->errfd, err);
	if (sv->pid < 0) {
		rc = sv->pid;
		sv->pid = 0;
		goto out;
	}
	fcntl(sv->errfd, F_SETFL, O_NONBLOCK);
	sv->pidfd = syscall(SYS_pidfd_open, sv->pid, 0);
	sv->started_ms = wf_now_ms();
out:
	free(program);
	free(remote);
	free(pidfile);
	free(logfile);
	return rc;
}

static void
watch(struct ovsdb_server *sv)
{
	if (sv->pidfd >= 0)
		sv->exit_watch = wf_fd_watch(sv->pidfd, on_exit_fd, sv);
	sv->err_watch = wf_fd_watch(sv->errfd, on_stderr, sv);
}

/* Forgets a child that was waited for. */
static void
forget(struct ovsdb_server *sv)
{
	wf_fd_unwatch(sv->exit_watch);
	wf_fd_unwatch(sv->err_watch);
	sv->exit_watch = sv->err_watch = NULL;
	if (sv->pidfd >= 0)
		close(sv->pidfd);
	if (sv->errfd >= 0)
		close(sv->errfd);
	sv->pidfd = sv->errfd = -1;
	sv->pid = 0;
}

/* Logs whole lines of the child's stderr. */
static void
log_lines(struct ovsdb_server *sv)
{
	char *start = sv->said.s, *end;

	while (start && (end = strchr(start, '\n'))) {
		*end = '\0';
		if (*start)
			wf_info_rl("ovsdb-server says: %s", start);
		start = end + 1;
	}
	if (start && start != sv->said.s) {
		char *rest = wf_xstrdup(start);

		wf_str_truncate(&sv->said, 0);
		wf_str_put(&sv->said, rest);
		free(rest);
	}
}

static void
on_stderr(void *server)
{
	struct ovsdb_server *sv = server;
	char buf[1024];
	ssize_t n = read(sv->errfd, buf, sizeof(buf));

	if (n > 0) {
		if (sv->said.len > 8192)
			wf_str_truncate(&sv->said, 0);
		wf_str_putn(&sv->said, buf, n);
		log_lines(sv);
	} else if (!n || errno != EAGAIN) {
		wf_fd_unwatch(sv->err_watch);
		sv->err_watch = NULL;
	}
}

static void
on_restart(struct wf_timer *timer)
{
	struct ovsdb_server *sv = timer->arg;
	struct wf_err err;

	if (probe_path(sv->path, &err) == 1) {
		wf_info("%s: another server answers here now, not starting ours", sv->path);
		return;
	}
	sv->n_restarts++;
	if (launch(sv, &err)) {
		wf_error_rl("cannot restart ovsdb-server: %s", err.text);
		wf_timer_set(&sv->restart, MAX_RESTART_MS, on_restart, sv);
		return;
	}
	watch(sv);
}

static void
on_exit_fd(void *server)
{
	struct ovsdb_server *sv = server;
	pid_t pid = sv->pid;
	int status;
	char text[64];

	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	while (sv->err_watch) {
		size_t before = sv->said.len;

		on_stderr(sv);
		if (sv->said.len == before)
			break;
	}
	forget(sv);
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		/* "ovs-appctl -t ovsdb-server exit", or a SIGTERM by hand: somebody wants it
		 * gone, perhaps to start another one. */
		wf_info("ovsdb-server (pid %d) was told to exit, leaving it so", (int)pid);
		return;
	}
	describe_exit(status, text, sizeof(text));
	sv->restart_ms = wf_now_ms() - sv->started_ms >= LIVED_MS ? 0 : 2 * sv->restart_ms;
	if (sv->restart_ms < MIN_RESTART_MS)
		sv->restart_ms = MIN_RESTART_MS;
	if (sv->restart_ms > MAX_RESTART_MS)
		sv->restart_ms = MAX_RESTART_MS;
	wf_warn("ovsdb-server (pid %d) died (%s), restarting it", (int)pid, text);
	wf_timer_set(&sv->restart, sv->restart_ms, on_restart, sv);
}

/* ---- Starting and stopping. ---- */

static void
free_server(struct ovsdb_server *sv)
{
	wf_str_done(&sv->said);
	free(sv->path);
	free(sv->db);
	free(sv);
}

/* Waits until the child answers or dies. */
static int
wait_ready(struct ovsdb_server *sv, struct wf_err *err)
{
	struct timespec pause = { 0, 5 * 1000 * 1000 };
	struct timespec start, now;
	char text[64];
	int status;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		int fd = ovsdb_server_connect(sv->path);

		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if (waitpid(sv->pid, &status, WNOHANG) == sv->pid) {
			int rc;

			read_available(sv->errfd, &sv->said);
			describe_exit(status, text, sizeof(text));
			rc = wf_err(err, -EIO, "ovsdb-server did not start (%s): %s", text,
				    last_line(&sv->said, "ovsdb-server"));
			forget(sv);
			return rc;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 > START_MS)
			return wf_err(err, -ETIMEDOUT,
				      "ovsdb-server does not answer at %s after %d seconds",
				      sv->path, START_MS / 1000);
		read_available(sv->errfd, &sv->said);
		nanosleep(&pause, NULL);
	}
}

int
ovsdb_server_start(const char *remote, struct ovsdb_server **serverp, struct wf_err *err)
{
	struct ovsdb_server *sv;
	int rc = ovsdb_server_probe(remote, err);

	if (rc < 0)
		return rc;
	if (rc)
		return wf_err(err, -EADDRINUSE, "%s: a server is there already", remote);

	sv = wf_xzalloc(sizeof(*sv));
	sv->pidfd = sv->errfd = -1;
	sv->path = ovsdb_server_socket_path(remote);
	sv->db = wf_xasprintf("%s/conf.db", wf_dbdir());
	rc = make_dir(wf_rundir(), err);
	if (!rc)
		rc = ensure_database(sv->db, err);
	if (!rc)
		rc = launch(sv, err);
	if (!rc)
		rc = wait_ready(sv, err);
	if (!rc)
		rc = ovsdb_server_init_root(sv->path, err);
	if (rc) {
		ovsdb_server_stop(sv);
		return rc;
	}
	watch(sv);
	wf_info("%s: no server was there, started ovsdb-server (pid %d) with database %s", remote,
		(int)sv->pid, sv->db);
	*serverp = sv;
	return 0;
}

void
ovsdb_server_stop(struct ovsdb_server *sv)
{
	struct timespec pause = { 0, 5 * 1000 * 1000 };

	if (!sv)
		return;
	wf_timer_cancel(&sv->restart);
	if (sv->pid) {
		bool gone = false;

		kill(sv->pid, SIGTERM);
		for (int ms = 0; ms < STOP_MS && !gone; ms += 5) {
			gone = waitpid(sv->pid, NULL, WNOHANG) == sv->pid;
			if (!gone)
				nanosleep(&pause, NULL);
		}
		if (!gone) {
			kill(sv->pid, SIGKILL);
			waitpid(sv->pid, NULL, 0);
		}
		forget(sv);
	}
	free_server(sv);
}

pid_t
ovsdb_server_pid(const struct ovsdb_server *sv)
{
	return sv->pid;
}

unsigned
ovsdb_server_n_restarts(const struct ovsdb_server *sv)
{
	return sv->n_restarts;
}
