/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon that runs, while the next one takes over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "base/stream.h"
#include "base/unixctl.h"
#include "dataplane/worker.h"
#include "switchd/handover.h"
#include "switchd/state/state.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(handover);

/* The next daemon has stopped to be of use if it does not say TAKEN in this time, in which nothing is
 * forwarded; it needs some milliseconds. */
#define TAKEN_MS 2000
/* It makes its pid file meanwhile, which systemd wants to see before this process ends. */
#define LEAVE_MS 5000
/* To be ready, with a million flows and on a busy machine; while it takes, the file grows. */
#define READY_MS 120000
/* "weft/upgrade" waits so long for the program that it started. */
#define UPGRADE_MS 60000

static int listen_fd = -1, sock = -1;
static struct wf_fd_watch *listen_watch, *watch;
static struct wf_timer ready_timer;
static bool handed_over;
static bool given; /* 'sock' has got everything */
static const char *forbidden; /* why nothing can be handed over; NULL: it can */

void
sw_handover_forbid(const char *why)
{
	forbidden = why;
}

/* --- Starting the next one ----------------------------------------------------------------------- */

static struct unixctl_conn *asked; /* waits for the end of "weft/upgrade" */
static struct wf_timer asked_timer;

static void
answer(const char *failure)
{
	if (!asked)
		return;
	wf_timer_cancel(&asked_timer);
	if (failure)
		unixctl_reply_error(asked, failure);
	else
		unixctl_reply(asked, NULL);
	asked = NULL;
}

static void
on_next_ended(const char *why, bool good)
{
	char text[500];

	if (good && sock >= 0)
		return;

	snprintf(text, sizeof(text), "the next daemon did not take over: %s.  This one goes on", why);
	if (!handed_over)
		answer(text);
}

static void
on_upgrade_timeout(struct wf_timer *t)
{
	answer("the next daemon did not take over; its log says why.  This one goes on");
}

static void
on_upgrade(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_err err = { "" };

	if (asked || sock >= 0 || wf_successor_runs()) {
		unixctl_reply_error(conn, "an upgrade is under way");
		return;
	}
	if (listen_fd < 0) {
		unixctl_reply_error(conn, "this process is not the switch (yet)");
		return;
	}
	if (wf_successor_start(argc > 1 ? argv[1] : NULL, on_next_ended, &err)) {
		unixctl_reply_error(conn, err.text);
		return;
	}
	asked = conn;
	wf_timer_set(&asked_timer, UPGRADE_MS, on_upgrade_timeout, NULL);
}

/* --- Giving -------------------------------------------------------------------------------------- */

/* The other end is gone, or talks nonsense: this process stays the switch. */
static void
drop(const char *why)
{
	wf_warn("the next daemon did not take over (%s): this one goes on", why);
	if (watch)
		wf_fd_unwatch(watch);
	watch = NULL;
	wf_timer_cancel(&ready_timer);
	close(sock);
	sock = -1;
	given = false;
	state_give_end();
	/* If it is about to end it says why itself. */
	if (!wf_successor_runs())
		answer("the next daemon gave up; its log says why.  This one goes on");
}

static void
on_ready_timeout(struct wf_timer *t)
{
	drop("it was not ready in time");
}

static void
give_listener(const struct wf_listener *l, void *rc_)
{
	int *rc = rc_;

	if (!*rc)
		*rc = wf_handover_send(sock, HANDOVER_LISTENER, 0, wf_listener_name(l),
				    wf_listener_fd(l));
}

static void
give_socket(const char *type, const char *name, int fd, void *rc_)
{
	char text[WF_HANDOVER_TEXT_MAX];
	int *rc = rc_;

	snprintf(text, sizeof(text), "%s\n%s", type, name);
	if (!*rc)
		*rc = wf_handover_send(sock, HANDOVER_PORT, 0, text, fd);
}

static int
give_ports(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;
	int rc = 0;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->port && i->port->class->fd_is_all)
				give_socket(i->port->class->type, i->name,
					    i->port->class->rx_fd(i->port, 0), &rc);
	sw_tunnels_give(give_socket, &rc);
	return rc;
}

static int
give(void)
{
	const char *path = NULL;
	int fd, rc;

	if (forbidden) {
		wf_handover_send(sock, HANDOVER_REFUSED, 0, forbidden, -1);
		return -EPERM;
	}
	fd = state_give(&path);
	if (fd < 0) {
		wf_handover_send(sock, HANDOVER_REFUSED, 0, "the daemon that runs keeps no state file, so "
			      "that there is nothing to take over from", -1);
		return -ENOENT;
	}
	rc = wf_handover_send(sock, HANDOVER_FILE, 0, path, fd);
	if (!rc)
		rc = give_ports();
	of_listeners_for_each(give_listener, &rc);
	if (!rc)
		rc = wf_handover_send(sock, HANDOVER_END, 0, NULL, -1);
	return rc;
}

/* What is still inside becomes part of what is written.  False: it could not be written. */
static bool
drain(void)
{
	for (unsigned i = 0; i < 1000 && slow_path_run(1024); i++)
		;
	of_publish();
	return state_give_last();
}

/* Nothing is forwarded from here on, until TAKEN or the return. */
static void
switch_over(void)
{
	int64_t start = wf_now_us();
	struct wf_handover_msg m;
	int rc;

	sw_ports_pause();
	if (!drain()) {
		drop("the state file cannot be written, so that changes would be lost");
		sw_ports_resume();
		return;
	}
	rc = wf_handover_send(sock, HANDOVER_DONE, 0, NULL, -1);
	if (!rc)
		rc = wf_handover_receive(sock, TAKEN_MS, &m);
	if (rc == -ETIMEDOUT) {
		/* From now on it cannot say it any more; it may have just now. */
		shutdown(sock, SHUT_RD);
		rc = wf_handover_receive(sock, 0, &m);
	}
	if (!rc && m.type == HANDOVER_TAKEN) {
		handed_over = true;
		wf_timer_cancel(&ready_timer);
		wf_info("the next daemon has taken over after %lld us",
			(long long)(wf_now_us() - start));
		wf_loop_stop();
		return;
	}
	drop(rc ? wf_strerror(rc) : "it said something else");
	sw_ports_resume();
}

static void
on_readable(void *aux)
{
	struct wf_handover_msg m;
	int rc = wf_handover_receive(sock, 0, &m);

	if (rc == -ETIMEDOUT)
		return;
	if (rc) {
		drop(rc == -ECONNRESET ? "it has gone" : wf_strerror(rc));
		return;
	}
	if (m.fd >= 0)
		close(m.fd);
	if (m.type == HANDOVER_HELLO && m.value != HANDOVER_VERSION) {
		wf_handover_send(sock, HANDOVER_REFUSED, 0, "the daemon that runs hands over in another "
			      "way; stop it and start the new one", -1);
		drop("another version of the handover");
	} else if (m.type == HANDOVER_HELLO) {
		rc = give();
		given = !rc;
		if (rc)
			drop(rc == -ETIMEDOUT ? "it does not read" : wf_strerror(rc));
	} else if (m.type == HANDOVER_READY && given) {
		switch_over();
	} else {
		drop("it said something else");
	}
}

/* --- The socket ---------------------------------------------------------------------------------- */

static void
on_connection(void *aux)
{
	long pid;
	int fd = wf_handover_accept(listen_fd, &pid);

	if (fd < 0)
		return;
	if (sock >= 0) {
		wf_handover_send(fd, HANDOVER_REFUSED, 0, "another daemon is taking over already", -1);
		close(fd);
		return;
	}
	wf_info("process %ld is going to take over", pid);
	sock = fd;
	watch = wf_fd_watch(sock, on_readable, NULL);
	wf_timer_set(&ready_timer, READY_MS, on_ready_timeout, NULL);
}

void
sw_handover_serve(void)
{
	struct wf_err err = { "" };

	if (listen_fd >= 0)
		return;
	listen_fd = wf_handover_listen(HANDOVER_NAME, &err);
	if (listen_fd < 0) {
		wf_warn("%s: no daemon can take over", err.text);
		return;
	}
	unixctl_command("weft/upgrade", "[PROGRAM]", 0, 1, on_upgrade, NULL);
	listen_watch = wf_fd_watch(listen_fd, on_connection, NULL);
}

void
sw_handover_close(void)
{
	if (listen_fd < 0)
		return;
	wf_fd_unwatch(listen_watch);
	close(listen_fd);
	listen_fd = -1;
	if (!handed_over)
		wf_handover_unlink(HANDOVER_NAME);
	if (sock >= 0 && !handed_over)
		drop("this one ends");
}

/* --- Leaving ------------------------------------------------------------------------------------- */

bool
sw_handed_over(void)
{
	return handed_over;
}

/* A file without a name for the counters. */
static int
counters_file(void)
{
	struct wf_buf counts = WF_BUF_INIT;
	int fd = memfd_create("weft-counters", MFD_CLOEXEC);
	size_t done = 0;
	ssize_t n = 1;

	state_give_counts(&counts);
	while (fd >= 0 && done < counts.size && n > 0) {
		n = write(fd, (const uint8_t *)counts.data + done, counts.size - done);
		done += n > 0 ? (size_t)n : 0;
	}
	wf_buf_done(&counts);
	return fd;
}

void
sw_handover_leave(void)
{
	struct wf_handover_msg m;
	int fd;

	sw_handover_close();
	/* Those that the next daemon has to open by itself; it waits for GONE. */
	sw_ports_close_others();
	sw_config_leave();
	fd = counters_file();
	wf_daemon_pidfile_remove();
	if (!wf_handover_send(sock, HANDOVER_GONE, 0, NULL, fd))
		wf_handover_receive(sock, LEAVE_MS, &m); /* it closes */
	answer(NULL);
	unixctl_server_close();
	wf_info("handed over");
	wf_daemon_exit(0);
}
