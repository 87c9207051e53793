// SPDX-License-Identifier: Apache-2.0
/* The next daemon, while it takes over from the one that runs. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/stream.h"
#include "dns/server/handover.h"
#include "dns/server/server.h"
#include "dns/server/socket.h"
#include "dns/server/xdp.h"

WF_LOG_MODULE(dns_handover);

/* Of a daemon that does nothing else meanwhile but end transfers. */
#define ANSWER_MS 30000
/* The other daemon lets go of its pid file in some milliseconds; one that hangs is killed. */
#define GONE_MS 10000

static enum { NO_TAKEOVER, PREPARING, SWITCHED } phase;
static int sock = -1;
static struct wf_fd_watch *watch;
static struct wf_timer gone_timer;
static bool finished;
static void (*finished_fn)(void);

bool
dns_takeover_preparing(void)
{
	return phase == PREPARING;
}

static void
on_fatal(const char *why)
{
	if (phase == PREPARING)
		wf_handover_send(sock, DNS_HANDOVER_FAILED, 0, why, -1);
}

static void give_up(const char *why) __attribute__((noreturn));
static void
give_up(const char *why)
{
	wf_fatal("--takeover: %s", why);
}

static void
receive(struct wf_handover_msg *m)
{
	int rc = wf_handover_receive(sock, ANSWER_MS, m);

	if (rc)
		give_up(rc == -ECONNRESET ? "the daemon that runs has closed the connection"
		       : rc == -ETIMEDOUT ? "the daemon that runs does not answer"
					  : wf_strerror(rc));
	if (m->type == DNS_HANDOVER_REFUSED)
		give_up(m->text);
}

static void
receive_all(void)
{
	struct wf_handover_msg m;
	unsigned n = 0;

	for (;;) {
		receive(&m);
		switch (m.type) {
		case DNS_HANDOVER_SOCKET:
			dns_socket_hand_in(m.fd, m.value);
			n++;
			break;
		case DNS_HANDOVER_LISTENER:
			wf_listener_hand_in(m.text, m.fd);
			break;
		case DNS_HANDOVER_LINK:
			dns_xdp_hand_in(m.text, m.value, m.fd);
			break;
		case DNS_HANDOVER_END:
			wf_info("%u sockets are handed over", n);
			return;
		default:
			give_up("the daemon that runs says what this one does not understand");
		}
	}
}

bool
dns_takeover_begin(const char *conf_path, void (*fn)(void))
{
	struct wf_err err = { "" };

	sock = wf_handover_connect(DNS_HANDOVER_NAME, &err);
	if (sock < 0) {
		wf_info("%s: nobody is there to take over from", err.text);
		return false;
	}
	finished_fn = fn;
	phase = PREPARING;
	wf_fatal_hook(on_fatal);
	if (wf_handover_send(sock, DNS_HANDOVER_HELLO, DNS_HANDOVER_VERSION, conf_path, -1))
		give_up("the daemon that runs has closed the connection");
	receive_all();
	return true;
}

json_t *
dns_takeover_ready(void)
{
	struct wf_handover_msg m;
	json_t *state;
	int limits = -1;

	if (wf_handover_send(sock, DNS_HANDOVER_READY, 0, NULL, -1))
		give_up("the daemon that runs has closed the connection");
	receive(&m);
	if (m.type == DNS_HANDOVER_LIMITS) {
		limits = m.fd;
		receive(&m);
	}
	state = m.type == DNS_HANDOVER_STATE ? dns_handover_read(m.fd) : NULL;
	if (!state)
		give_up("the daemon that runs says what this one does not understand");
	/* Another size of the table: each network begins with its whole share. */
	dns_handover_take_limits(limits, (uint64_t)json_integer_value(json_object_get(state, "limit-key")));
	return state;
}

void
dns_takeover_is_awaited(void)
{
	struct wf_handover_msg m = { .fd = -1 };

	if (wf_handover_receive(sock, 0, &m) != -ETIMEDOUT)
		give_up("the daemon that runs went on by itself");
}

/* The other daemon has let go of all that there is one of, or has ended. */
static void
finish(void)
{
	wf_timer_cancel(&gone_timer);
	if (!finished)
		finished_fn();
	finished = true;
}

static void
on_readable(void *aux)
{
	struct wf_handover_msg m = { .fd = -1 };
	int rc = wf_handover_receive(sock, 0, &m);

	if (rc == -ETIMEDOUT)
		return;
	if (!rc && (m.type == DNS_HANDOVER_GONE || m.type == DNS_HANDOVER_REST)) {
		json_t *counters = dns_handover_read(m.fd);

		dns_handover_take_counters(counters);
		json_decref(counters);
	}
	if (!finished && (rc || m.type != DNS_HANDOVER_GONE))
		wf_warn("the daemon before this one ended without handing its counters over");
	finish();
	if (!rc && m.type == DNS_HANDOVER_GONE && !wf_handover_send(sock, DNS_HANDOVER_SETTLED, 0, NULL, -1))
		return;
	wf_fd_unwatch(watch);
	close(sock);
	sock = -1;
	phase = NO_TAKEOVER;
}

static void
on_gone_timeout(struct wf_timer *t)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;

	/* The process that listened: it lives, or this end would be readable. */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.pid <= 0 || kill(peer.pid, SIGKILL))
		wf_error("the daemon before this one (process %ld) does not let go and cannot be killed: end it", (long)peer.pid);
	else
		wf_warn("the daemon before this one (process %ld) did not let go within %d s: killed", (long)peer.pid,
			GONE_MS / 1000);
}

void
dns_takeover_switch(void)
{
	/* If it has lost patience it is the server, and this fails. */
	if (wf_handover_send(sock, DNS_HANDOVER_TAKEN, 0, NULL, -1))
		give_up("the daemon that runs went on by itself");
	wf_info("taken over");
	phase = SWITCHED;
	wf_fatal_hook(NULL);
	dns_socket_forget_handed();
	wf_listener_forget_handed();
	watch = wf_fd_watch(sock, on_readable, NULL);
	wf_timer_set(&gone_timer, GONE_MS, on_gone_timeout, NULL);
}
