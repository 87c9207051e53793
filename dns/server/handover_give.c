// SPDX-License-Identifier: Apache-2.0
/* The daemon that runs, while the next one takes over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/stream.h"
#include "base/unixctl.h"
#include "dns/server/handover.h"
#include "dns/server/secondary.h"
#include "dns/server/server.h"
#include "dns/server/worker.h"
#include "dns/server/xdp.h"
#include "policy/health.h"

WF_LOG_MODULE(dns_handover);

/* To load all zones, on a busy machine. */
#define READY_MS 1800000
/* To load those that changed meanwhile; the workers answer, but nothing else is done, as in a reload. */
#define TAKEN_MS 60000
/* For pid file and the like. */
#define SETTLED_MS 5000
#define DRAIN_MS   20

static int listen_fd = -1, sock = -1;
static struct wf_fd_watch *listen_watch, *watch;
static struct wf_timer ready_timer, settled_timer, drain_timer;
static struct unixctl_conn *asked; /* waits for the end of "dns/upgrade" */
static bool given, handed_over;

bool
dns_handed_over(void)
{
	return handed_over;
}

static void
answer(const char *failure)
{
	char text[WF_HANDOVER_TEXT_MAX + 100];

	if (!asked)
		return;
	snprintf(text, sizeof text, "%s\nthe daemon that runs goes on", failure ? failure : "");
	if (failure)
		unixctl_reply_error(asked, text);
	else
		unixctl_reply(asked, "handed over");
	asked = NULL;
}

/* --- starting the next one ----------------------------------------------------------------------- */

static void
on_next_ended(const char *why, bool good)
{
	char text[WF_HANDOVER_TEXT_MAX];

	if (handed_over || (good && sock >= 0))
		return;
	/* It may have come as far as that when this one had lost patience. */
	dns_xdp_take_back();
	snprintf(text, sizeof text, "the next daemon did not take over: %s", why);
	if (asked)
		wf_warn("%s", text);
	answer(text);
}

static void
on_upgrade(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_err err = { "" };

	if (asked || sock >= 0 || wf_successor_runs())
		unixctl_reply_error(conn, "an upgrade is under way");
	else if (listen_fd < 0)
		unixctl_reply_error(conn, "this process has no socket to hand over at; its log says why");
	else if (wf_successor_start(argc > 1 ? argv[1] : NULL, on_next_ended, &err))
		unixctl_reply_error(conn, err.text);
	else
		asked = conn;
}

/* --- giving -------------------------------------------------------------------------------------- */

static void
close_sock(void)
{
	if (watch)
		wf_fd_unwatch(watch);
	watch = NULL;
	wf_timer_cancel(&ready_timer);
	close(sock);
	sock = -1;
}

/* The other end is gone, or talks nonsense: this process stays the server. */
static void
drop(const char *why)
{
	char text[WF_HANDOVER_TEXT_MAX + 60];

	snprintf(text, sizeof text, "the next daemon did not take over: %s", why);
	wf_warn("%s; this one goes on", text);
	close_sock();
	given = false;
	answer(text);
}

static void
lost(int rc)
{
	/* One that we started says by its end why. */
	if (rc == -ECONNRESET && wf_successor_runs()) {
		close_sock();
		given = false;
	} else {
		drop(rc == -ECONNRESET ? "it has gone" : wf_strerror(rc));
	}
}

static void
on_ready_timeout(struct wf_timer *t)
{
	drop("it was not ready in time");
}

static void
give_socket(void *rc_, unsigned place, int fd)
{
	int *rc = rc_;

	if (!*rc)
		*rc = wf_handover_send(sock, DNS_HANDOVER_SOCKET, place, NULL, fd);
}

static void
give_link(void *rc_, const char *device, unsigned index, int fd)
{
	int *rc = rc_;

	if (!*rc)
		*rc = wf_handover_send(sock, DNS_HANDOVER_LINK, index, device, fd);
}

static int
give(void)
{
	const struct wf_listener *l = dns_server.health ? pol_health_listener(dns_server.health) : NULL;
	struct wf_err err = { "" };
	int rc = 0;

	if (!dns_secondary_is_saved(&err)) {
		wf_handover_send(sock, DNS_HANDOVER_REFUSED, 0, err.text, -1);
		return -ENODATA;
	}
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		dns_worker_give(dns_server.workers[i], give_socket, &rc);
	if (!rc && l)
		rc = wf_handover_send(sock, DNS_HANDOVER_LISTENER, 0, wf_listener_name(l), wf_listener_fd(l));
	dns_xdp_give(give_link, &rc);
	return rc ? rc : wf_handover_send(sock, DNS_HANDOVER_END, 0, NULL, -1);
}

/* 'fd': one of handover_state.c. */
static int
send_file(enum dns_handover_type type, int fd)
{
	int rc = fd < 0 ? fd : wf_handover_send(sock, type, 0, NULL, fd);

	if (fd >= 0)
		close(fd);
	return rc;
}

/* --- leaving ------------------------------------------------------------------------------------- */

/* Connections end by themselves or by the workers (tcp.c). */
static void
on_drain(struct wf_timer *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < dns_server.n_workers; i++)
		n += !dns_worker_is_idle(dns_server.workers[i]);
	if (n || asked) {
		wf_timer_set(t, DRAIN_MS, on_drain, NULL);
		return;
	}
	wf_info("handed over");
	wf_loop_stop();
}

static void
settled(void)
{
	wf_timer_cancel(&settled_timer);
	answer(NULL);
}

static void
on_settled_timeout(struct wf_timer *t)
{
	wf_warn("the next daemon does not say that it has pid file and the like");
	settled();
}

static void
leave(void)
{
	handed_over = true;
	wf_timer_cancel(&ready_timer);
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		dns_worker_leave(dns_server.workers[i]);
	dns_handover_close();
	dns_server_leave();
	unixctl_server_refuse("this process has handed over to the next one");
	wf_daemon_pidfile_remove();
	/* Without counters if there is no room for them: the next one waits for the word. */
	if (send_file(DNS_HANDOVER_GONE, dns_handover_file(dns_handover_counters())))
		wf_handover_send(sock, DNS_HANDOVER_GONE, 0, NULL, -1);
	wf_timer_set(&settled_timer, SETTLED_MS, on_settled_timeout, NULL);
	wf_timer_set(&drain_timer, DRAIN_MS, on_drain, NULL);
}

void
dns_handover_end(void)
{
	if (sock < 0 || !handed_over)
		return;
	send_file(DNS_HANDOVER_REST, dns_handover_file(dns_handover_counters()));
	close_sock();
}

/* Nothing but the workers does anything from here on, until TAKEN or the return. */
static void
switch_over(void)
{
	struct wf_handover_msg m = { .fd = -1 };
	int rc;

	dns_secondary_pause();
	rc = send_file(DNS_HANDOVER_LIMITS, dns_handover_limits());
	if (!rc)
		rc = send_file(DNS_HANDOVER_STATE, dns_handover_file(dns_handover_state()));
	if (!rc)
		rc = wf_handover_receive(sock, TAKEN_MS, &m);
	if (rc == -ETIMEDOUT) {
		/* From now on it cannot say it any more; it may have just now. */
		shutdown(sock, SHUT_RD);
		rc = wf_handover_receive(sock, 0, &m);
	}
	if (!rc && m.type == DNS_HANDOVER_TAKEN) {
		wf_info("the next daemon has taken over");
		leave();
		return;
	}
	dns_xdp_take_back();
	dns_secondary_resume();
	if (rc)
		lost(rc);
	else
		drop(m.type == DNS_HANDOVER_FAILED ? m.text : "it said something else");
}

static void
on_readable(void *aux)
{
	struct wf_handover_msg m;
	char text[WF_HANDOVER_TEXT_MAX];
	int rc = wf_handover_receive(sock, 0, &m);

	if (rc == -ETIMEDOUT)
		return;
	if (!rc && m.fd >= 0)
		close(m.fd);
	if (handed_over) {
		if (rc)
			close_sock();
		settled();
	} else if (rc) {
		lost(rc);
	} else if (m.type == DNS_HANDOVER_HELLO && m.value != DNS_HANDOVER_VERSION) {
		wf_handover_send(sock, DNS_HANDOVER_REFUSED, 0,
				 "the daemon that runs hands over in another way; stop it and start the new one", -1);
		drop("another version of the handover");
	} else if (m.type == DNS_HANDOVER_HELLO && strncmp(m.text, dns_server.conf_path, sizeof m.text - 1)) {
		/* Two in one run directory: upgrades are for the one that was started last. */
		snprintf(text, sizeof text, "the daemon that runs here serves %s", dns_server.conf_path);
		wf_handover_send(sock, DNS_HANDOVER_REFUSED, 0, text, -1);
		drop("it has another configuration");
	} else if (m.type == DNS_HANDOVER_HELLO && !given) {
		rc = give();
		given = !rc;
		if (rc && rc != -ENODATA)
			lost(rc);
	} else if (m.type == DNS_HANDOVER_READY && given) {
		switch_over();
	} else {
		drop(m.type == DNS_HANDOVER_FAILED ? m.text : "it said something else");
	}
}

/* --- the socket ---------------------------------------------------------------------------------- */

static void
on_connection(void *aux)
{
	long pid;
	int fd = wf_handover_accept(listen_fd, &pid);

	if (fd < 0)
		return;
	if (sock >= 0) {
		wf_handover_send(fd, DNS_HANDOVER_REFUSED, 0, "another daemon is taking over already", -1);
		close(fd);
		return;
	}
	wf_info("process %ld is going to take over", pid);
	sock = fd;
	watch = wf_fd_watch(sock, on_readable, NULL);
	wf_timer_set(&ready_timer, READY_MS, on_ready_timeout, NULL);
}

void
dns_handover_serve(void)
{
	struct wf_err err = { "" };

	unixctl_command("dns/upgrade", "[PROGRAM]", 0, 1, on_upgrade, NULL);
	listen_fd = wf_handover_listen(DNS_HANDOVER_NAME, &err);
	if (listen_fd < 0)
		wf_warn("%s: no daemon can take over", err.text);
	else
		listen_watch = wf_fd_watch(listen_fd, on_connection, NULL);
}

void
dns_handover_close(void)
{
	if (listen_fd >= 0) {
		wf_fd_unwatch(listen_watch);
		close(listen_fd);
		if (!handed_over)
			wf_handover_unlink(DNS_HANDOVER_NAME);
	}
	listen_fd = -1;
}
