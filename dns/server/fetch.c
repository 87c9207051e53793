// SPDX-License-Identifier: Apache-2.0
#include "dns/server/fetch.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "dns/answer/receive.h"
#include "dns/zone/catalog.h"
#include "dns/zone/save.h"

static struct {
	struct wf_list waiting; /* main only */
	unsigned n_running;     /* main only */
	struct wf_list running; /* main only */
	struct wf_idle idle;
	bool is_init, is_paused;
	_Atomic bool stop;
	pthread_mutex_t lock; /* of 'ended' */
	struct wf_list ended;
} fetches = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- the thread -------------------------------------------------------------------------------------
 */

static int
wait_for(int fd, short events, struct wf_err *err)
{
	/* In short naps, so that the daemon's end does not wait for a dead primary. */
	for (int ms = 0; ms < DNS_FETCH_IDLE_S * 1000; ms += 250) {
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, 250);

		if (n > 0)
			return 0;
		if ((n < 0 && errno != EINTR) || fetches.stop)
			break;
	}
	return wf_err(err, -ETIMEDOUT, "nothing came for %u s", DNS_FETCH_IDLE_S);
}

static int
open_connection(const struct dns_fetch *f, int *ret_fd, struct wf_err *err)
{
	socklen_t size = f->from.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						      : sizeof(struct sockaddr_in6);
	socklen_t error_size = sizeof(int);
	int fd = socket(f->from.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0,
	    rc = 0;

	if (fd < 0)
		return wf_err(err, -errno, "%s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&f->from, size)) {
		if (errno != EINPROGRESS)
			rc = wf_err(err, -errno, "%s", strerror(errno));
		else
			rc = wait_for(fd, POLLOUT, err);
		if (!rc && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) && error)
			rc = wf_err(err, -error, "%s", strerror(error));
	}
	if (rc)
		close(fd);
	else
		*ret_fd = fd;
	return rc;
}

/* Whoever sends a byte now and then must not keep the slot. */
static int
check_pace(struct dns_fetch *f, size_t n, struct wf_err *err)
{
	int64_t now = wf_now_ms();

	f->since_bytes += n;
	if (now - f->since_ms < DNS_FETCH_PACE_S * 1000)
		return 0;
	if (f->since_bytes < DNS_FETCH_PACE)
		return wf_err(err, -ETIMEDOUT, "less than %d bytes came in %d s", DNS_FETCH_PACE, DNS_FETCH_PACE_S);
	f->since_ms = now;
	f->since_bytes = 0;
	return 0;
}

static int
read_all(struct dns_fetch *f, int fd, uint8_t *to, size_t size, struct wf_err *err)
{
	while (size) {
		ssize_t n = recv(fd, to, size, 0);
		int rc;

		if (!n)
			return wf_err(err, -ECONNRESET, "the primary closed the connection before the end");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return wf_err(err, -errno, "%s", strerror(errno));
		if (n < 0) {
			rc = wait_for(fd, POLLIN, err);
			if (rc)
				return rc;
			continue;
		}
		to += n;
		size -= n;
		rc = check_pace(f, n, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The question, for IXFR with the SOA that we have in the authority section. */
static size_t
compose(const struct dns_fetch *f, const struct dns_zone *have, uint16_t id, struct dns_tsig *tsig,
	uint8_t *msg)
{
	size_t n = DNS_HEADER_SIZE;

	memset(msg, 0, DNS_HEADER_SIZE);
	dns_put16(msg, id);
	msg[5] = 1;
	memcpy(msg + n, f->apex.wire, f->apex.size);
	n += f->apex.size;
	dns_put16(msg + n, have ? DNS_IXFR : DNS_AXFR);
	dns_put16(msg + n + 2, DNS_CLASS_IN);
	n += 4;
	if (have) {
		const struct dns_rrset *soa = dns_node_set(have->apex, DNS_SOA);

		msg[9] = 1;
		/* Its owner is the pointer to the question already. */
		memcpy(msg + n, soa->raw, soa->size);
		n += soa->size;
	}
	if (f->is_signed) {
		dns_tsig_init_query(tsig, &f->key, id);
		n = dns_tsig_sign(tsig, msg, n, wf_wall_ms() / 1000);
	}
	return n;
}

static int
receive(struct dns_fetch *f, int fd, struct dns_receive *r, struct dns_tsig *tsig, struct wf_err *err)
{
	uint8_t *msg = wf_xmalloc(DNS_MESSAGE_MAX);
	struct dns_tsig_reader reader;
	int rc = 0;

	dns_tsig_reader_init(&reader, tsig);
	while (!rc || reader.n_unsigned) {
		uint8_t len[2];
		int rc_read = read_all(f, fd, len, 2, err);
		size_t size = dns_get16(len);

		if (!rc_read)
			rc_read = read_all(f, fd, msg, size, err);
		if (!rc_read && fetches.stop)
			rc_read = -EINTR;
		if (!rc_read && f->is_signed)
			rc_read = dns_tsig_check_answer(&reader, msg, size, wf_wall_ms() / 1000, err);
		/* Behind the last record there may be a message that has the signature only. */
		if (!rc_read && !rc)
			rc_read = rc = dns_receive_message(r, msg, size, err);
		if (rc_read < 0) {
			rc = rc_read;
			break;
		}
	}
	dns_tsig_reader_done(&reader);
	free(msg);
	return rc < 0 ? rc : 0;
}

/* Returns 0, or 1 with the reason if the primary answered and AXFR may do better. */
static int
try(struct dns_fetch *f, const struct dns_zone *have, struct wf_err *err)
{
	uint8_t msg[2 + DNS_HEADER_SIZE + 3 * DNS_NAME_MAX + 64 + DNS_TSIG_MAX];
	struct dns_receive r;
	struct dns_tsig tsig;
	uint16_t id;
	size_t size;
	int fd = -1, rc = open_connection(f, &fd, err);

	if (rc)
		return rc;
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		id = wf_now_us();
	size = compose(f, have, id, &tsig, msg + 2);
	dns_put16(msg, size);
	dns_receive_init(&r, &f->apex, id, have);
	r.max_size = f->max_size;
	/* The first bytes of a connection always fit. */
	if (send(fd, msg, 2 + size, MSG_NOSIGNAL) != (ssize_t)(2 + size))
		rc = wf_err(err, -EIO, "%s", strerror(errno));
	f->since_ms = wf_now_ms();
	f->since_bytes = 0;
	if (!rc)
		rc = receive(f, fd, &r, &tsig, err);
	if (!rc)
		rc = dns_receive_finish(&r, &f->zone, err);
	close(fd);
	f->size += r.size;
	f->n_records += r.n_records;
	f->incremental = r.incremental;
	dns_receive_done(&r);
	return rc == -EINVAL && have ? 1 : rc;
}

static void
keep(struct dns_fetch *f)
{
	dns_zone_keep_deltas(f->zone, f->have, f->journal ? f->journal_size : 0);
	if (dns_zone_save(f->zone, f->file, &f->save_err) || !f->journal)
		return;
	dns_journal_save(f->zone, f->journal, &f->save_err);
}

static void *
run(void *arg)
{
	struct dns_fetch *f = arg;

	/* Answers go first. */
	setpriority(PRIO_PROCESS, syscall(SYS_gettid), 10);
	f->rc = try(f, f->have, &f->err);
	if (f->rc == 1) {
		f->err.text[0] = '\0';
		f->rc = try(f, NULL, &f->err);
	}
	if (!f->rc && f->zone && f->catalog)
		f->rc = dns_catalog_read(f->zone, NULL, NULL, &f->err);
	if (!f->rc && f->zone) {
		f->zone->path = wf_xstrdup(f->file);
		keep(f);
	}
	pthread_mutex_lock(&fetches.lock);
	wf_list_remove(&f->node);
	wf_list_push_back(&fetches.ended, &f->node);
	pthread_mutex_unlock(&fetches.lock);
	wf_loop_wake();
	return NULL;
}

/* --- main --------------------------------------------------------------------------------------------
 */

static bool
is_same_host(const struct dns_fetch *a, const struct dns_fetch *b)
{
	if (a->from.ss_family != b->from.ss_family)
		return false;
	if (a->from.ss_family == AF_INET)
		return ((const struct sockaddr_in *)&a->from)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)&b->from)->sin_addr.s_addr;
	return !memcmp(&((const struct sockaddr_in6 *)&a->from)->sin6_addr,
		       &((const struct sockaddr_in6 *)&b->from)->sin6_addr, sizeof(struct in6_addr));
}

static unsigned
n_running_of(const struct dns_fetch *f)
{
	const struct dns_fetch *other;
	unsigned n = 0;

	pthread_mutex_lock(&fetches.lock);
	wf_list_for_each(other, node, &fetches.running)
		n += is_same_host(f, other);
	pthread_mutex_unlock(&fetches.lock);
	return n;
}

/* The first whose primary has not its share yet; else the first whose primary may have more, as no
 * other one wants it now.  NULL: all must wait. */
static struct dns_fetch *
next_waiting(void)
{
	struct dns_fetch *f, *other = NULL, *last = NULL;

	wf_list_for_each(f, node, &fetches.waiting) {
		unsigned n;

		/* A long queue is mostly of one primary, whose share is known already. */
		if (last && is_same_host(f, last))
			continue;
		last = f;
		n = n_running_of(f);
		if (n < DNS_FETCH_SHARE)
			return f;
		if (!other && n < DNS_FETCH_SHARE_MAX)
			other = f;
	}
	return other;
}

static void
start_waiting(void)
{
	struct dns_fetch *f;

	while (!fetches.is_paused && fetches.n_running < DNS_FETCH_MAX && (f = next_waiting())) {
		wf_list_remove(&f->node);
		fetches.n_running++;
		pthread_mutex_lock(&fetches.lock);
		wf_list_push_back(&fetches.running, &f->node);
		pthread_mutex_unlock(&fetches.lock);
		if (pthread_create(&f->thread, NULL, run, f))
			abort(); /* out of memory */
	}
}

static struct dns_fetch *
pop_ended(void)
{
	struct dns_fetch *f = NULL;

	pthread_mutex_lock(&fetches.lock);
	if (!wf_list_is_empty(&fetches.ended))
		f = wf_container(wf_list_pop_front(&fetches.ended), struct dns_fetch, node);
	pthread_mutex_unlock(&fetches.lock);
	if (f) {
		pthread_join(f->thread, NULL);
		fetches.n_running--;
	}
	return f;
}

static int64_t
on_idle(struct wf_idle *idle)
{
	struct dns_fetch *f;

	while ((f = pop_ended()))
		f->done(f);
	start_waiting();
	return -1;
}

void
dns_fetch_start(struct dns_fetch *f)
{
	if (!fetches.is_init) {
		wf_list_init(&fetches.waiting);
		wf_list_init(&fetches.running);
		wf_list_init(&fetches.ended);
		fetches.idle.fn = on_idle;
		wf_idle_add(&fetches.idle);
		fetches.is_init = true;
	}
	wf_list_push_back(&fetches.waiting, &f->node);
	start_waiting();
}

void
dns_fetch_free(struct dns_fetch *f)
{
	dns_zone_unref(f->have);
	dns_zone_unref(f->zone);
	explicit_bzero(&f->key, sizeof f->key);
	free(f->file);
	free(f->journal);
	free(f);
}

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void
dns_fetch_pause(void)
{
	fetches.is_paused = true;
	fetches.stop = true;
	while (fetches.n_running) {
		struct dns_fetch *f = pop_ended();

		if (f)
			f->done(f);
		else
			nap();
	}
}

void
dns_fetch_resume(void)
{
	fetches.is_paused = false;
	fetches.stop = false;
	if (fetches.is_init)
		start_waiting();
}

void
dns_fetch_stop(void)
{
	if (!fetches.is_init)
		return;
	fetches.stop = true;
	while (!wf_list_is_empty(&fetches.waiting))
		dns_fetch_free(wf_container(wf_list_pop_front(&fetches.waiting), struct dns_fetch, node));
	while (fetches.n_running) {
		struct dns_fetch *f = pop_ended();

		if (f)
			dns_fetch_free(f);
		else
			nap();
	}
	wf_idle_del(&fetches.idle);
	fetches.is_init = false;
}
