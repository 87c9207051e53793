// SPDX-License-Identifier: Apache-2.0
#include "dns/server/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "dns/wire/proto.h"
#include "dns/server/server.h"

WF_LOG_MODULE(dns_tap);

/* What a worker may be ahead of the thread; a power of two. */
#define RING_SIZE (1u << 20)
#define ROUND_MS  20
/* A reader that takes nothing for so long is gone; and the time between attempts to reach one. */
#define TIMEOUT_S 2
#define AGAIN_MS  1000
#define PREFIX_MAX 160

struct dns_tap_ring {
	_Atomic uint32_t head; /* worker: bytes put, whole frames only */
	_Atomic uint32_t tail; /* thread: bytes taken */
	uint8_t bytes[RING_SIZE];
};

/* What the thread is to do; 'mutex' is taken by main at a reload and by the thread once a round. */
static struct {
	pthread_mutex_t mutex;
	pthread_t thread;
	bool is_running;
	atomic_bool stop;
	char *socket, *file;
	uint64_t file_max;
	unsigned generation;
	/* identity, version and type of every frame; set before a worker's 'tap_sample'. */
	uint8_t prefix[PREFIX_MAX];
	size_t prefix_size;
	_Atomic uint64_t n_sent, n_lost;
} tap = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* --- frames (workers) --------------------------------------------------------------------------------------- */

static uint8_t *
put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)v | 0x80;
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *
put_number(uint8_t *p, unsigned field, uint64_t v)
{
	return put_varint(put_varint(p, field << 3), v);
}

static uint8_t *
put_fixed32(uint8_t *p, unsigned field, uint32_t v)
{
	p = put_varint(p, field << 3 | 5);
	for (int i = 0; i < 4; i++)
		*p++ = (uint8_t)(v >> 8 * i);
	return p;
}

static uint8_t *
put_bytes(uint8_t *p, unsigned field, const void *data, size_t size)
{
	p = put_varint(put_varint(p, field << 3 | 2), size);
	memcpy(p, data, size);
	return p + size;
}

static uint32_t
ring_put(struct dns_tap_ring *r, uint32_t at, const void *data, size_t size)
{
	uint32_t from = at % RING_SIZE, first = RING_SIZE - from < size ? RING_SIZE - from : (uint32_t)size;

	memcpy(r->bytes + from, data, first);
	memcpy(r->bytes, (const uint8_t *)data + first, size - first);
	return at + (uint32_t)size;
}

/* 'fields' and then the message, which is the last field, are a dnstap.Message. */
static void
put_frame(struct dns_worker *w, const uint8_t *fields, size_t n_fields, const uint8_t *msg, size_t size)
{
	struct dns_tap_ring *r = atomic_load_explicit(&w->tap, memory_order_acquire);
	uint8_t length[4], outer[16];
	size_t n_outer = put_varint(put_varint(outer, 14 << 3 | 2), n_fields + size) - outer;
	size_t total = tap.prefix_size + n_outer + n_fields + size;
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (RING_SIZE - (head - atomic_load_explicit(&r->tail, memory_order_acquire)) < total + sizeof length) {
		w->ctx.counters.dnstap_lost++;
		return;
	}
	dns_put32(length, (uint32_t)total);
	head = ring_put(r, head, length, sizeof length);
	head = ring_put(r, head, tap.prefix, tap.prefix_size);
	head = ring_put(r, head, outer, n_outer);
	head = ring_put(r, head, fields, n_fields);
	head = ring_put(r, head, msg, size);
	atomic_store_explicit(&r->head, head, memory_order_release);
}

void
dns_tap_put(struct dns_worker *w, enum dns_tap_protocol protocol, const struct dns_client *client, uint16_t port,
	    const uint8_t *query, size_t query_size, const uint8_t *answer, size_t answer_size)
{
	for (unsigned is_answer = 0; is_answer <= (answer_size > 0); is_answer++) {
		uint8_t fields[128], *p = fields;
		struct timespec now;

		/* As of the burst, within a tick of the kernel. */
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		p = put_number(p, 1, is_answer ? 2 : 1); /* AUTH_QUERY, AUTH_RESPONSE */
		p = put_number(p, 2, client->family == 4 ? 1 : 2);
		p = put_number(p, 3, protocol);
		p = put_bytes(p, 4, client->address, client->family == 4 ? 4 : 16);
		p = put_number(p, 6, port);
		p = put_number(p, 8, (uint64_t)now.tv_sec);
		p = put_fixed32(p, 9, (uint32_t)now.tv_nsec);
		if (is_answer) {
			p = put_number(p, 12, (uint64_t)now.tv_sec);
			p = put_fixed32(p, 13, (uint32_t)now.tv_nsec);
		}
		p = put_varint(p, (is_answer ? 14 : 10) << 3 | 2);
		p = put_varint(p, is_answer ? answer_size : query_size);
		put_frame(w, fields, p - fields, is_answer ? answer : query, is_answer ? answer_size : query_size);
	}
}

/* --- Frame Streams (thread) ------------------------------------------------------------------------------------ */

#define CONTENT "protobuf:dnstap.Dnstap"

enum { ACCEPT = 1, START = 2, STOP = 3, READY = 4, FINISH = 5 };

struct out {
	int fd; /* below 0: nobody takes frames */
	bool is_file;
	char *path;
	uint64_t size, max;
	uint64_t tried_ms;
	unsigned generation;
	bool told;
};

static bool
read_all(int fd, uint8_t *p, size_t size)
{
	while (size) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= n;
	}
	return true;
}

static bool
send_control(int fd, uint32_t type)
{
	bool names = type == READY || type == START;
	uint8_t frame[64];
	size_t n = sizeof CONTENT - 1;

	dns_put32(frame, 0);
	dns_put32(frame + 4, (uint32_t)(names ? 12 + n : 4));
	dns_put32(frame + 8, type);
	dns_put32(frame + 12, 1); /* field: content type */
	dns_put32(frame + 16, (uint32_t)n);
	memcpy(frame + 20, CONTENT, n);
	return !wf_write_all(fd, frame, names ? 20 + n : 12);
}

/* ACCEPT names content types that the reader takes; ours is the only one that we named. */
static bool
take_control(int fd, uint32_t type)
{
	uint8_t head[8], body[512];
	uint32_t size;

	if (!read_all(fd, head, sizeof head))
		return false;
	size = dns_get32(head + 4);
	return !dns_get32(head) && size >= 4 && size <= sizeof body && read_all(fd, body, size) && dns_get32(body) == type;
}

static int
open_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		return -1;
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	if (!connect(fd, (struct sockaddr *)&at, sizeof at) && send_control(fd, READY) && take_control(fd, ACCEPT) &&
	    send_control(fd, START))
		return fd;
	e = errno ? errno : EPROTO;
	close(fd);
	errno = e;
	return -1;
}

/* What was there goes to FILE.1: two streams in one file are no stream. */
static int
open_file(const char *path)
{
	char *before = wf_xasprintf("%s.1", path);
	int fd;

	rename(path, before);
	free(before);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd >= 0 && !send_control(fd, START)) {
		close(fd);
		unlink(path); /* empty, it would take the place of FILE.1 next time */
		fd = -1;
	}
	return fd;
}

static void
out_close(struct out *o, bool politely)
{
	if (o->fd < 0)
		return;
	if (politely && send_control(o->fd, STOP) && !o->is_file)
		take_control(o->fd, FINISH);
	close(o->fd);
	o->fd = -1;
}

static void
out_open(struct out *o)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec * 1000ull + t.tv_nsec / 1000000;
	if (o->fd >= 0 || !o->path || (o->tried_ms && now - o->tried_ms < AGAIN_MS))
		return;
	o->tried_ms = now;
	errno = 0;
	o->fd = o->is_file ? open_file(o->path) : open_socket(o->path);
	o->size = 0;
	if (o->fd >= 0)
		wf_info("dnstap goes to %s", o->path);
	else if (!o->told)
		wf_warn("dnstap: %s: %s; samples are lost until somebody takes them", o->path, strerror(errno));
	o->told = o->fd < 0;
}

/* Writes, or forgets, what is in the ring. */
static void
drain(struct out *o, struct dns_tap_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire), tail = r->tail, n = 0, at = tail;

	if (head == tail)
		return;
	/* The frames, to be counted: each begins with its length. */
	while (at != head) {
		uint32_t size = 0;

		for (int i = 0; i < 4; i++)
			size = size << 8 | r->bytes[(at + i) % RING_SIZE];
		at += 4 + size;
		n++;
	}
	if (o->fd >= 0) {
		uint32_t from = tail % RING_SIZE, size = head - tail, first = RING_SIZE - from < size ? RING_SIZE - from : size;

		int rc = wf_write_all(o->fd, r->bytes + from, first);

		if (!rc)
			rc = wf_write_all(o->fd, r->bytes, size - first);
		if (!rc) {
			tap.n_sent += n;
			o->size += size;
			n = 0;
		} else {
			wf_warn("dnstap: %s: %s", o->path, strerror(-rc));
			out_close(o, false);
		}
	}
	tap.n_lost += n;
	atomic_store_explicit(&r->tail, head, memory_order_release);
}

static void *
run(void *arg)
{
	struct out o = { .fd = -1 };
	bool stop;

	pthread_setname_np(pthread_self(), "dnstap");
	wf_log_thread_name("dnstap");
	do {
		stop = atomic_load(&tap.stop);
		pthread_mutex_lock(&tap.mutex);
		if (o.generation != tap.generation) {
			out_close(&o, true);
			free(o.path);
			o = (struct out){ .fd = -1, .generation = tap.generation, .is_file = tap.file, .max = tap.file_max };
			if (tap.file || tap.socket)
				o.path = wf_xstrdup(tap.file ? tap.file : tap.socket);
		}
		pthread_mutex_unlock(&tap.mutex);
		out_open(&o);
		for (unsigned i = 0; i < dns_server.n_workers; i++) {
			struct dns_tap_ring *r = atomic_load_explicit(&dns_server.workers[i]->tap, memory_order_acquire);

			if (r)
				drain(&o, r);
		}
		if (o.is_file && o.size > o.max) {
			out_close(&o, true);
			o.tried_ms = 0;
		}
		if (!stop)
			nanosleep(&(struct timespec){ 0, ROUND_MS * 1000000l }, NULL);
	} while (!stop);
	out_close(&o, true);
	free(o.path);
	return NULL;
}

/* --- main ------------------------------------------------------------------------------------------------------ */

static bool
same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void
dns_tap_configure(const struct dns_conf *c)
{
	const struct dns_tap_conf *t = &c->tap;

	if (t->sample && !tap.is_running) {
		char host[65] = "";
		const char *identity = c->nsid ? c->nsid : host;
		uint8_t *p = tap.prefix;

		gethostname(host, sizeof host - 1);
		p = put_bytes(p, 1, identity, strlen(identity));
		p = put_bytes(p, 2, "weft-dnsd " WEFT_VERSION, strlen("weft-dnsd " WEFT_VERSION));
		p = put_number(p, 15, 1); /* a message */
		tap.prefix_size = p - tap.prefix;
		atomic_store(&tap.stop, false);
		if (pthread_create(&tap.thread, NULL, run, NULL))
			abort(); /* out of memory */
		tap.is_running = true;
	}
	pthread_mutex_lock(&tap.mutex);
	if (!same(tap.socket, t->socket) || !same(tap.file, t->file) || tap.file_max != t->file_max) {
		free(tap.socket);
		free(tap.file);
		tap.socket = t->socket ? wf_xstrdup(t->socket) : NULL;
		tap.file = t->file ? wf_xstrdup(t->file) : NULL;
		tap.file_max = t->file_max;
		tap.generation++;
	}
	pthread_mutex_unlock(&tap.mutex);
	for (unsigned i = 0; i < dns_server.n_workers; i++) {
		struct dns_worker *w = dns_server.workers[i];

		if (t->sample && !atomic_load(&w->tap))
			atomic_store_explicit(&w->tap, wf_xzalloc(sizeof(struct dns_tap_ring)), memory_order_release);
		atomic_store(&w->tap_sample, t->sample);
	}
}

void
dns_tap_stop(void)
{
	if (!tap.is_running)
		return;
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		atomic_store(&dns_server.workers[i]->tap_sample, 0);
	atomic_store(&tap.stop, true);
	pthread_join(tap.thread, NULL);
	tap.is_running = false;
	free(tap.socket);
	free(tap.file);
	tap.socket = tap.file = NULL;
}

uint64_t
dns_tap_n_sent(void)
{
	return tap.n_sent;
}

uint64_t
dns_tap_n_lost(void)
{
	return tap.n_lost;
}

void
dns_tap_ring_free(struct dns_tap_ring *r)
{
	free(r);
}
