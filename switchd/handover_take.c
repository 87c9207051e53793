/* SPDX-License-Identifier: Apache-2.0 */
/* The next daemon, while it takes over from the one that runs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/phases.h"
#include "base/stream.h"
#include "dataplane/ports/handed.h"
#include "dataplane/protocol_tx.h"
#include "switchd/handover.h"
#include "switchd/state/state.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(handover);

/* For an answer of a daemon that forwards meanwhile. */
#define ANSWER_MS 10000
/* What may be left of the file when the other daemon is asked to stop, and how often it is tried to
 * leave no more than that. */
#define TAIL_BYTES (32u << 10)
#define TAIL_ROUNDS 50
/* The other daemon ends in some milliseconds once it has been taken over from.  One that hangs keeps the database's
 * lock and devices that cannot be handed over, so it is killed. */
#define GONE_MS 10000

static enum { NO_TAKEOVER, PREPARING, SWITCHED } phase;
static int sock = -1, counters_fd = -1;
static struct wf_fd_watch *watch;
static struct wf_timer gone_timer;
static void (*finished_fn)(void);

bool
sw_takeover_preparing(void)
{
	return phase == PREPARING;
}

bool
sw_takeover_under_way(void)
{
	return phase != NO_TAKEOVER;
}

/* The other daemon sees that the socket is closed. */
static void
give_up(const char *why) __attribute__((noreturn));
static void
give_up(const char *why)
{
	wf_fatal("--takeover: %s.  The daemon that runs stays the switch", why);
}

static void
receive(struct wf_handover_msg *m)
{
	int rc = wf_handover_receive(sock, ANSWER_MS, m);

	if (rc)
		give_up(rc == -ECONNRESET ? "the daemon that runs has closed the connection"
		       : rc == -ETIMEDOUT ? "the daemon that runs does not answer"
					  : wf_strerror(rc));
	if (m->type == HANDOVER_REFUSED)
		give_up(m->text);
}

/* --- Getting ------------------------------------------------------------------------------------- */

static void
take_port(struct wf_handover_msg *m)
{
	char *name = strchr(m->text, '\n');

	if (!name || m->fd < 0)
		give_up("a port without a name or a descriptor was handed over");
	*name++ = '\0';
	ports_hand_in(m->text, name, m->fd);
}

static void
receive_all(void)
{
	struct wf_err err = { "" };
	struct wf_handover_msg m;
	unsigned n_ports = 0;

	for (;;) {
		receive(&m);
		switch (m.type) {
		case HANDOVER_FILE:
			if (state_take(m.fd, m.text, &err))
				give_up(err.text);
			break;
		case HANDOVER_PORT:
			take_port(&m);
			n_ports++;
			break;
		case HANDOVER_LISTENER:
			wf_listener_hand_in(m.text, m.fd);
			break;
		case HANDOVER_END:
			wf_info("%u ports are handed over", n_ports);
			return;
		default:
			give_up("the daemon that runs says what this one does not understand");
		}
	}
}

bool
sw_takeover_begin(void (*finished)(void))
{
	struct wf_err err = { "" };

	sock = wf_handover_connect(HANDOVER_NAME, &err);
	if (sock < 0) {
		wf_info("%s: nobody is there to take over from", err.text);
		return false;
	}
	finished_fn = finished;
	phase = PREPARING;
	of_services_hold();
	protocol_hold(true);
	if (wf_handover_send(sock, HANDOVER_HELLO, HANDOVER_VERSION, NULL, -1))
		give_up("the daemon that runs has closed the connection");
	receive_all();
	return true;
}

/* --- Taking over --------------------------------------------------------------------------------- */

void
sw_takeover_counters(void)
{
	struct stat st;
	void *p = MAP_FAILED;

	if (counters_fd < 0 || phase != NO_TAKEOVER)
		return;
	if (!fstat(counters_fd, &st) && st.st_size)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, counters_fd, 0);
	if (p != MAP_FAILED) {
		state_take_counts(p, (size_t)st.st_size);
		munmap(p, (size_t)st.st_size);
	}
	close(counters_fd);
	counters_fd = -1;
	wf_phase("counters of flows");
}

/* The other daemon has gone, in order or not. */
static void
finish(void)
{
	phase = NO_TAKEOVER;
	wf_timer_cancel(&gone_timer);
	protocol_hold(false);
	of_services_let_go();
	ports_forget_handed();
	wf_listener_forget_handed();
	finished_fn();
	wf_fd_unwatch(watch);
	close(sock);
	sock = -1;
	sw_config_request();
}

static void
on_readable(void *aux)
{
	struct wf_handover_msg m = { .fd = -1 };
	int rc = wf_handover_receive(sock, 0, &m);

	if (rc == -ETIMEDOUT)
		return;
	if (rc || m.type != HANDOVER_GONE)
		wf_warn("the daemon before this one ended without handing its counters over");
	wf_phase("the one before has ended");
	counters_fd = rc ? -1 : m.fd;
	finish();
}

static void
on_gone_timeout(struct wf_timer *t)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	/* The process that listened: it lives, or this end would be readable. */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.pid <= 0 ||
	    kill(peer.pid, SIGKILL))
		wf_error("the daemon before this one (process %ld) does not end and cannot be killed: end it",
			 (long)peer.pid);
	else
		wf_warn("the daemon before this one (process %ld) did not end within %d s: killed",
			(long)peer.pid, GONE_MS / 1000);
}

static size_t
read_tail(void)
{
	struct wf_err err = { "" };
	size_t n;

	if (state_take_more(&n, &err))
		give_up(err.text);
	return n;
}

void
sw_takeover_switch(void)
{
	struct wf_err err = { "" };
	struct wf_handover_msg m;
	int64_t start;
	size_t n;

	for (unsigned round = 0; round < TAIL_ROUNDS && read_tail() > TAIL_BYTES; round++)
		;
	start = wf_now_us();
	if (wf_handover_send(sock, HANDOVER_READY, 0, NULL, -1))
		give_up("the daemon that runs has closed the connection");
	receive(&m);
	if (m.type != HANDOVER_DONE)
		give_up("the daemon that runs says what this one does not understand");
	n = read_tail();
	if (state_take_end(&err))
		give_up(err.text);
	/* If it has lost patience it is the switch, and this fails. */
	if (wf_handover_send(sock, HANDOVER_TAKEN, 0, NULL, -1))
		give_up("the daemon that runs went on by itself");
	wf_info("taken over: %lld us, %zu bytes of the state file", (long long)(wf_now_us() - start),
		n);
	wf_phase("taken over");
	phase = SWITCHED;
	watch = wf_fd_watch(sock, on_readable, NULL);
	wf_timer_set(&gone_timer, GONE_MS, on_gone_timeout, NULL);
}
