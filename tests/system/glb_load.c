// SPDX-License-Identifier: Apache-2.0
/* Thousands of flows through a balancer, and what each of them notices of changes; for tests/system/99-glb-events.sh.
 *
 *   glb_load serve NAME ADDRESS PORT
 *       TCP: answers each byte by "NAME\n", and HTTP by a page that says NAME.  UDP: the same, without the end of line.
 *   glb_load hold ADDRESS PORT N_TCP N_UDP N_SHORT MS DIR SOURCE...
 *       Keeps so many flows from these addresses in turn: TCP and UDP ones that ask every MS, and N_SHORT at a time that
 *       are opened, ask once and are closed.  A flow that is lost is counted for the server that it had, and opened
 *       again.  SIGUSR2 opens all flows anew.  Writes DIR/pid; SIGUSR1 writes DIR/report, what there was since the last one, as lines
 *
 *         KIND NAME open N lost L moved M longest MS           for each server that has or had flows of that kind
 *
 *       lost: reset, closed, or without an answer for 30 s.  moved: another server answered: the session is lost.
 *       longest: until an answer came, or has not come yet.  The name "-" stands for flows that had no answer yet. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_NAMES 32
#define LOST_MS 30000
#define EVENTS 256

enum kind { TCP, UDP, SHORT, N_KINDS };
static const char *const kind_names[N_KINDS] = { "tcp", "udp", "short" };

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("glb_load: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(args);
	exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct sockaddr_in
address(const char *text, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1) {
		errno = EINVAL;
		die("%s", text);
	}
	return a;
}

static void
watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		die("epoll");
}

/* --- server ---------------------------------------------------------------------------------- */

static void
answer_tcp(int fd, const char *name)
{
	char in[4096], out[8192];
	ssize_t n = recv(fd, in, sizeof in, MSG_DONTWAIT);
	size_t len = strlen(name), at = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 4 && !memcmp(in, "GET ", 4)) {
		at = (size_t)snprintf(out, sizeof out, "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s\n", len + 1, name);
		n = send(fd, out, at, MSG_NOSIGNAL) < 0 ? -1 : 0;
	}
	for (ssize_t i = 0; i < n && at + len + 1 < sizeof out; i++) {
		memcpy(out + at, name, len);
		out[at + len] = '\n';
		at += len + 1;
	}
	if (n <= 0 || send(fd, out, at, MSG_NOSIGNAL) < 0)
		close(fd);
}

static void
answer_udp(int fd, const char *name)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	char in[64];

	while (recvfrom(fd, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&peer, &len) >= 0)
		sendto(fd, name, strlen(name), 0, (struct sockaddr *)&peer, len);
}

static void
serve(const char *name, const char *at, uint16_t port)
{
	struct sockaddr_in a = address(at, port);
	int epoll = epoll_create1(EPOLL_CLOEXEC), one = 1, room = 4 << 20;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event events[EVENTS];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 4096) ||
	    bind(udp, (struct sockaddr *)&a, sizeof a))
		die("%s port %u", at, port);
	watch(epoll, listener, EPOLLIN, (uint64_t)listener);
	watch(epoll, udp, EPOLLIN, (uint64_t)udp);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)events[i].data.u64, peer;

			if (fd == udp) {
				answer_udp(fd, name);
			} else if (fd == listener) {
				while ((peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
					watch(epoll, peer, EPOLLIN, (uint64_t)peer);
			} else {
				answer_tcp(fd, name);
			}
		}
	}
}

/* --- clients --------------------------------------------------------------------------------- */

struct flow {
	int fd;		 /* -1: to be opened at 'next' */
	enum kind kind;
	int home;	 /* index of a name; -1: none yet */
	int64_t asked;	 /* when the question without an answer was asked; 0: none is out */
	int64_t next;	 /* when the next is due */
	struct sockaddr_in source;
};

struct count {
	uint32_t lost, moved;
	int64_t longest;
};

static char names[MAX_NAMES][64];
static int n_names;
static struct count counts[N_KINDS][MAX_NAMES + 1]; /* the last: no name yet */
static struct flow *flows;
static uint32_t n_flows;
static struct sockaddr_in to;
static int epoll, interval;
static int64_t reported; /* what waits since before that waits since then, for the next report */

static struct count *
count_of(const struct flow *f)
{
	return &counts[f->kind][f->home < 0 ? MAX_NAMES : f->home];
}

static int
name_index(const char *name, size_t len)
{
	for (int i = 0; i < n_names; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return i;
	if (n_names == MAX_NAMES || len >= sizeof names[0]) {
		errno = E2BIG;
		die("answers of too many names");
	}
	memcpy(names[n_names], name, len);
	return n_names++;
}

static void
note_wait(const struct flow *f, int64_t now)
{
	struct count *c = count_of(f);
	int64_t from = f->asked > reported ? f->asked : reported;

	if (f->asked && now - from > c->longest)
		c->longest = now - from;
}

static void
end(struct flow *f, int64_t now)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->home = -1;
	f->asked = 0;
	f->next = now + interval;
}

static void
lose(struct flow *f, int64_t now)
{
	note_wait(f, now);
	if (f->kind != SHORT)
		fprintf(stderr, "%lld.%03lld %s flow %u of %s is lost: %s\n", (long long)(now / 1000), (long long)(now % 1000),
			kind_names[f->kind], (unsigned)(f - flows), f->home < 0 ? "-" : names[f->home], strerror(errno));
	count_of(f)->lost++;
	end(f, now);
}

static void
start(struct flow *f, int64_t now)
{
	int type = f->kind == UDP ? SOCK_DGRAM : SOCK_STREAM, one = 1;

	f->fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		die("socket");
	setsockopt(f->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (bind(f->fd, (struct sockaddr *)&f->source, sizeof f->source))
		die("bind");
	f->asked = now; /* the time to connect counts */
	if (connect(f->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
		lose(f, now);
		return;
	}
	watch(epoll, f->fd, EPOLLIN | (f->kind == UDP ? 0 : EPOLLOUT), (uint64_t)(f - flows));
	if (f->kind == UDP && send(f->fd, "x", 1, 0) < 0)
		lose(f, now);
}

static void
ask(struct flow *f, int64_t now)
{
	if (!f->asked)
		f->asked = now;
	if (send(f->fd, "x", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		lose(f, now);
	else
		f->next = now + interval;
}

static void
on_event(struct flow *f, uint32_t what, int64_t now)
{
	char in[256];
	ssize_t n;
	int name;

	if (f->fd < 0)
		return;
	if (f->kind != UDP && (what & EPOLLOUT) && !(what & (EPOLLERR | EPOLLHUP))) {
		struct epoll_event e = { .events = EPOLLIN, .data.u64 = (uint64_t)(f - flows) };

		epoll_ctl(epoll, EPOLL_CTL_MOD, f->fd, &e);
		ask(f, now);
		return;
	}
	n = recv(f->fd, in, sizeof in, 0);
	/* An ICMP error that reaches a UDP socket is not the end of a session: the next answer tells. */
	if (n < 0 && (errno == EAGAIN || f->kind == UDP))
		return;
	if (n <= 0) {
		lose(f, now);
		return;
	}
	if (in[n - 1] == '\n')
		n--;
	if (memchr(in, '\n', (size_t)n))
		n = (char *)memchr(in, '\n', (size_t)n) - in;
	name = name_index(in, (size_t)n);
	note_wait(f, now);
	f->asked = 0;
	if (f->home < 0) {
		f->home = name;
	} else if (f->home != name) {
		fprintf(stderr, "%lld.%03lld %s flow %u moved from %s to %s\n", (long long)(now / 1000),
			(long long)(now % 1000), kind_names[f->kind], (unsigned)(f - flows), names[f->home], names[name]);
		count_of(f)->moved++;
		f->home = name;
	}
	if (f->kind == SHORT)
		end(f, now);
}

static void
on_tick(int64_t now)
{
	for (uint32_t i = 0; i < n_flows; i++) {
		struct flow *f = &flows[i];

		if (f->fd >= 0 && f->asked && now - f->asked > LOST_MS)
			lose(f, now);
		if (now < f->next)
			continue;
		if (f->fd < 0) {
			start(f, now);
			f->next = now + interval;
		} else if (f->kind == UDP || (f->kind == TCP && !f->asked)) {
			ask(f, now);
		}
	}
}

static void
anew(int64_t now)
{
	for (uint32_t i = 0; i < n_flows; i++) {
		end(&flows[i], now);
		flows[i].next = now + (int64_t)i * 2 * interval / n_flows;
	}
}

static void
report(const char *dir, int64_t now)
{
	uint32_t open[N_KINDS][MAX_NAMES + 1] = { { 0 } };
	char path[4096], final[4096];
	FILE *f;

	for (uint32_t i = 0; i < n_flows; i++) {
		note_wait(&flows[i], now);
		open[flows[i].kind][flows[i].home < 0 ? MAX_NAMES : flows[i].home]++;
	}
	snprintf(path, sizeof path, "%s/report.new", dir);
	snprintf(final, sizeof final, "%s/report", dir);
	f = fopen(path, "we");
	if (!f)
		die("%s", path);
	for (unsigned k = 0; k < N_KINDS; k++)
		for (int i = 0; i <= MAX_NAMES; i++) {
			const struct count *c = &counts[k][i];

			if (open[k][i] || c->lost || c->moved || c->longest)
				fprintf(f, "%s %s open %u lost %u moved %u longest %lld\n", kind_names[k],
					i == MAX_NAMES ? "-" : names[i], open[k][i], c->lost, c->moved,
					(long long)c->longest);
		}
	if (fclose(f) || rename(path, final))
		die("%s", final);
	memset(counts, 0, sizeof counts);
	reported = now;
}

static void
hold(int argc, char *argv[])
{
	uint32_t n[N_KINDS] = { (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]) };
	const char *dir = argv[6];
	struct epoll_event events[EVENTS];
	int64_t now = now_ms(), tick = now;
	char path[4096];
	sigset_t set;
	int signals;
	FILE *f;

	to = address(argv[0], (uint16_t)atoi(argv[1]));
	interval = atoi(argv[5]);
	n_flows = n[TCP] + n[UDP] + n[SHORT];
	flows = calloc(n_flows + 1, sizeof *flows);
	if (!flows || interval < 1)
		die("flows");
	for (uint32_t i = 0; i < n_flows; i++) {
		flows[i].fd = flows[i].home = -1;
		flows[i].kind = i < n[TCP] ? TCP : i < n[TCP] + n[UDP] ? UDP : SHORT;
		flows[i].source = address(argv[7 + (int)(i % (uint32_t)(argc - 7))], 0);
	}
	anew(now); /* not all at once */
	epoll = epoll_create1(EPOLL_CLOEXEC);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	watch(epoll, signals, EPOLLIN, UINT64_MAX);
	snprintf(path, sizeof path, "%s/pid", dir);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
		die("%s", path);
	for (;;) {
		int n_events = epoll_wait(epoll, events, EVENTS, 10);

		now = now_ms();
		for (int i = 0; i < n_events; i++)
			if (events[i].data.u64 == UINT64_MAX) {
				struct signalfd_siginfo s;

				while (read(signals, &s, sizeof s) == sizeof s)
					if (s.ssi_signo == SIGUSR1)
						report(dir, now);
					else
						anew(now);
			} else {
				on_event(&flows[events[i].data.u64], events[i].events, now);
			}
		if (now - tick >= 10) {
			tick = now;
			on_tick(now);
		}
	}
}

int
main(int argc, char *argv[])
{
	struct rlimit files = { 65536, 65536 };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc == 5 && !strcmp(argv[1], "serve")) {
		serve(argv[2], argv[3], (uint16_t)atoi(argv[4]));
	} else if (argc >= 10 && !strcmp(argv[1], "hold")) {
		hold(argc - 2, argv + 2);
	} else {
		fputs("usage: glb_load serve NAME ADDRESS PORT\n"
		      "       glb_load hold ADDRESS PORT N_TCP N_UDP N_SHORT MS DIR SOURCE...\n", stderr);
		return 2;
	}
	return 0;
}
