// SPDX-License-Identifier: Apache-2.0
#include "dns/server/selftest.h"

#include <errno.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "dns/wire/proto.h"

WF_LOG_MODULE(dns_selftest);

/* One question at one address. */
struct question {
	int fd;
	struct wf_fd_watch *watch;
	uint16_t id;
	bool good;
};

static struct {
	const struct dns_conf *conf; /* NULL: no self-test */
	char *script;
	struct wf_timer timer;
	bool in_round;
	struct question *questions;
	size_t n;
	unsigned n_good, n_bad; /* rounds in a row */
	enum { UNKNOWN, ANNOUNCED, WITHDRAWN } state;
	uint64_t n_rounds, n_failed;
	pid_t child; /* 0: none */
} st;

extern char **environ;

/* --- the script -------------------------------------------------------------------------------------
 */

static bool
is_script_done(void)
{
	int status;

	if (!st.child || waitpid(st.child, &status, WNOHANG) != st.child)
		return !st.child;
	st.child = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		wf_warn("self-test: %s ended with %d", st.script,
			WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	return true;
}

static void
say(const char *what)
{
	char *const argv[] = { st.script, (char *)what, NULL };
	int rc = posix_spawn(&st.child, st.script, NULL, NULL, argv, environ);

	if (rc) {
		st.child = 0;
		wf_error("self-test: %s: %s", st.script, strerror(rc));
	}
}

static void
set_state(void)
{
	bool announce = st.n_good >= st.conf->selftest_rise;
	bool withdraw = st.n_bad >= st.conf->selftest_fall;

	/* A script that is still at it is heard out; the state moves a round later. */
	if (!is_script_done())
		return;
	if (announce && st.state != ANNOUNCED) {
		wf_info("self-test: it answers; announced");
		st.state = ANNOUNCED;
		say("announce");
	} else if (withdraw && st.state != WITHDRAWN) {
		wf_error("self-test: it does not answer; withdrawn");
		st.state = WITHDRAWN;
		say("withdraw");
	}
}

/* --- a round ------------------------------------------------------------------------------------------
 */

static void
end_round(void)
{
	for (size_t i = 0; i < st.n; i++) {
		if (st.questions[i].watch)
			wf_fd_unwatch(st.questions[i].watch);
		if (st.questions[i].fd >= 0)
			close(st.questions[i].fd);
	}
	free(st.questions);
	st.questions = NULL;
	st.n = 0;
	st.in_round = false;
}

static void
on_answer(void *arg)
{
	struct question *q = arg;
	uint8_t msg[1500];
	ssize_t n = recv(q->fd, msg, sizeof msg, MSG_DONTWAIT);

	if (n >= DNS_HEADER_SIZE && dns_get16(msg) == q->id)
		q->good = (dns_get16(msg + 2) & (DNS_QR | DNS_AA | DNS_RCODE)) == (DNS_QR | DNS_AA);
}

static void
ask(struct question *q, const struct sockaddr_storage *at, const struct dns_name *name)
{
	struct sockaddr_storage to = *at;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
	uint8_t msg[DNS_HEADER_SIZE + DNS_NAME_MAX + 4] = { 0 };
	size_t n = DNS_HEADER_SIZE;

	if (to.ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY))
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (to.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		v6->sin6_addr = in6addr_loopback;
	q->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (q->fd < 0 || getrandom(&q->id, sizeof q->id, 0) != sizeof q->id ||
	    connect(q->fd, (struct sockaddr *)&to, to.ss_family == AF_INET ? sizeof *v4 : sizeof *v6))
		return; /* no answer */
	dns_put16(msg, q->id);
	msg[5] = 1;
	memcpy(msg + n, name->wire, name->size);
	n += name->size;
	dns_put16(msg + n, DNS_SOA);
	dns_put16(msg + n + 2, DNS_CLASS_IN);
	q->watch = wf_fd_watch(q->fd, on_answer, q);
	if (send(q->fd, msg, n + 4, MSG_DONTWAIT) < 0)
		wf_dbg("self-test: %s", strerror(errno));
}

static void on_timer(struct wf_timer *);

static void
begin_round(void)
{
	const struct dns_conf *c = st.conf;

	st.questions = wf_xzalloc(c->n_listen * c->n_selftest * sizeof *st.questions);
	st.in_round = true;
	for (size_t i = 0; i < c->n_listen; i++)
		for (size_t k = 0; k < c->n_selftest; k++) {
			st.questions[st.n].fd = -1;
			ask(&st.questions[st.n++], &c->listen[i], &c->selftest[k]);
		}
	wf_timer_set(&st.timer, c->selftest_ms / 2, on_timer, NULL);
}

/* Twice a round: when answers must have come, and when the next one begins. */
static void
on_timer(struct wf_timer *t)
{
	bool good = true;

	if (!st.in_round) {
		begin_round();
		return;
	}
	for (size_t i = 0; i < st.n; i++)
		good &= st.questions[i].good;
	end_round();
	st.n_rounds++;
	st.n_failed += !good;
	st.n_good = good ? st.n_good + 1 : 0;
	st.n_bad = good ? 0 : st.n_bad + 1;
	set_state();
	wf_timer_set(t, st.conf->selftest_ms / 2, on_timer, NULL);
}

void
dns_selftest_configure(const struct dns_conf *c)
{
	wf_timer_cancel(&st.timer);
	end_round();
	if (st.conf && !c->n_selftest)
		dns_selftest_stop();
	st.conf = c->n_selftest ? c : NULL;
	if (!st.conf)
		return;
	free(st.script);
	st.script = wf_xstrdup(c->selftest_script);
	wf_timer_set(&st.timer, 0, on_timer, NULL);
}

void
dns_selftest_show(struct wf_str *s)
{
	static const char *const states[] = { "not known yet", "announced", "withdrawn" };

	if (st.conf)
		wf_str_fmt(s, "self-test: %s, %llu rounds, %llu failed\n", states[st.state],
			   (unsigned long long)st.n_rounds, (unsigned long long)st.n_failed);
}

static void
forget(void)
{
	free(st.script);
	st.script = NULL;
	st.conf = NULL;
	st.state = UNKNOWN;
	st.n_good = st.n_bad = 0;
}

void
dns_selftest_leave(void)
{
	wf_timer_cancel(&st.timer);
	end_round();
	forget();
}

void
dns_selftest_stop(void)
{
	wf_timer_cancel(&st.timer);
	end_round();
	if (st.conf && st.state != WITHDRAWN) {
		for (int i = 0; i < 100 && !is_script_done(); i++)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		say("withdraw");
		for (int i = 0; i < 100 && !is_script_done(); i++)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	forget();
}
