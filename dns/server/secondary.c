// SPDX-License-Identifier: Apache-2.0
#include "dns/server/secondary.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hmap.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "dns/answer/rule.h"
#include "dns/server/fetch.h"
#include "dns/server/notify.h"
#include "dns/server/server.h"
#include "dns/server/xdp.h"
#include "dns/wire/message.h"
#include "dns/zone/load.h"

WF_LOG_MODULE(dns_secondary);

#define ASK_MS	    2000 /* for an answer over UDP; twice, then the next primary */
#define ASK_TRIES   2
#define ASK_MAX	    256  /* sockets at a time */
#define NOTIFY_MS   1000
#define RETRY_MIN_S 2    /* without any data yet; doubled up to RETRY_MAX_S */
#define RETRY_MAX_S 300

enum phase {
	IDLE,     /* the timer is the next refresh or retry */
	ASKING,   /* a SOA query is under way */
	FETCHING, /* or waits for a thread */
};

struct secondary {
	struct wf_hmap_node node;
	struct dns_name name;
	char *text;
	struct dns_peer_conf *primaries;
	size_t n_primaries, at; /* the one that is asked */
	size_t n_failed;        /* of them in this round */
	char *file, *journal;
	uint64_t journal_size, max_size;
	bool catalog, is_wanted;
	struct dns_told told;
	struct dns_zone *zone; /* a reference; the last version, served or expired; NULL: none */
	struct wf_timer timer, expiry;
	enum phase phase;
	struct wf_list waits; /* for a slot to ask in, if is_queued */
	bool is_queued, has_slot;
	bool again; /* NOTIFY came meanwhile */
	bool is_expired;
	bool is_unsaved; /* the copy on disk is none of 'zone' */
	bool is_member;    /* of a catalog: its files go with it */
	bool is_forgotten; /* not in the table any more */
	bool is_unseen;    /* and no worker can tell of it */
	unsigned tries, n_retries;
	int64_t confirmed_ms, asked_ms, due_ms; /* wf_now_ms() */
	char *last_error;
	/* The query under way. */
	int fd;
	struct wf_fd_watch *watch;
	uint16_t id;
	struct dns_tsig tsig;
	struct dns_key key;
	bool is_signed;
};

static struct wf_hmap secondaries;
static bool is_init;
static unsigned n_asking; /* those with has_slot */
static struct wf_list waiting;
static uint32_t min_refresh_s, min_retry_s;
static struct wf_idle idle;
static struct dns_told_queue told_queue = { .wake = wf_loop_wake };

static void begin(struct secondary *);
static void begin_soon(struct secondary *);
static void ask(struct secondary *);
static void on_later(struct wf_timer *);
static void fetch(struct secondary *);

/* --- the zone's own times ---------------------------------------------------------------------------
 */

enum { SOA_REFRESH = 16, SOA_RETRY = 12, SOA_EXPIRE = 8 };

static uint32_t
soa_time(const struct dns_zone *z, unsigned from_end)
{
	const struct dns_rrset *soa = dns_node_set(z->apex, DNS_SOA);
	uint32_t s = dns_get32(soa->raw + soa->size - from_end);

	return s < 1 ? 1 : s > INT32_MAX ? INT32_MAX : s;
}

/* A primary's SOA must not make us ask all the time. */
static uint32_t
refresh_time(const struct dns_zone *z)
{
	uint32_t s = soa_time(z, SOA_REFRESH);

	return s > min_refresh_s ? s : min_refresh_s;
}

static uint32_t
retry_time(const struct dns_zone *z)
{
	uint32_t s = soa_time(z, SOA_RETRY);

	return s > min_retry_s ? s : min_retry_s;
}

/* A zone does not expire before it was asked for again, and a second time. */
static int64_t
expire_time(const struct dns_zone *z)
{
	int64_t s = soa_time(z, SOA_EXPIRE), least = (int64_t)refresh_time(z) + retry_time(z);

	return s > least ? s : least;
}

static void
on_due(struct wf_timer *t)
{
	struct secondary *s = t->arg;

	if (s->phase == IDLE)
		begin(s);
}

static void
sleep_for(struct secondary *s, int64_t seconds)
{
	int64_t ms = seconds * 1000;

	/* Up to a tenth earlier, so that zones of one primary do not stay in step. */
	ms -= ms / 10 * (wf_hash_u64(wf_now_us(), s->node.hash) % 1024) / 1024;
	s->phase = IDLE;
	s->due_ms = wf_now_ms() + ms;
	wf_timer_set(&s->timer, ms, on_due, s);
}

static void
unref_zone(void *z)
{
	dns_zone_unref(z);
}

/* Puts a version of the zone into the view that is in force; takes over the reference. */
static void
serve(struct dns_zone *z)
{
	struct dns_view *v = (struct dns_view *)dns_server_view();

	dns_xdp_suspend();
	wf_rcu_call(unref_zone, dns_view_replace_zone(v, z));
	dns_xdp_resume(false);
}

static void
on_expired(struct wf_timer *t)
{
	struct secondary *s = t->arg;

	/* The members of a catalog stay what they were (RFC 9432 section 5.1), and so does it. */
	if (s->catalog) {
		wf_error("catalog %s: no primary has answered for %lld s; its members stay", s->text,
			 (long long)expire_time(s->zone));
		return;
	}
	wf_error("zone %s: no primary has answered for %lld s: it has expired and is answered with SERVFAIL", s->text,
		 (long long)expire_time(s->zone));
	s->is_expired = true;
	serve(dns_zone_new_no_data(&s->name));
}

/* A primary has confirmed the version that we have, or given it, so many ms ago. */
static void
confirmed(struct secondary *s, int64_t ago_ms)
{
	int64_t left = expire_time(s->zone) * 1000 - ago_ms;

	s->confirmed_ms = wf_now_ms() - ago_ms;
	wf_timer_set(&s->expiry, left > 0 ? left : 0, on_expired, s);
}

/* The same, now: the copy on disk carries the time. */
static void
confirmed_now(struct secondary *s)
{
	confirmed(s, 0);
	utimensat(AT_FDCWD, s->file, NULL, 0);
	if (s->is_expired)
		serve(dns_zone_ref(s->zone));
	s->is_expired = false;
	s->n_retries = 0;
	free(s->last_error);
	s->last_error = NULL;
	sleep_for(s, refresh_time(s->zone));
	if (s->again)
		begin_soon(s);
}

/* --- the question for the serial --------------------------------------------------------------------
 */

static void
end_asking(struct secondary *s)
{
	struct secondary *next;

	if (s->is_queued)
		wf_list_remove(&s->waits);
	s->is_queued = false;
	if (s->watch)
		wf_fd_unwatch(s->watch);
	s->watch = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (!s->has_slot)
		return;
	s->has_slot = false;
	n_asking--;
	if (wf_list_is_empty(&waiting))
		return;
	/* It gets the slot now and asks from the loop: many that fail at once would nest. */
	next = wf_container(wf_list_pop_front(&waiting), struct secondary, waits);
	next->is_queued = false;
	next->has_slot = true;
	n_asking++;
	wf_timer_set(&next->timer, 0, on_later, next);
}

/* This primary does not help: on with the next; all of them: later. */
static void
failed(struct secondary *s, const char *why)
{
	char *text = wf_xasprintf("primary %s: %s", s->primaries[s->at].text, why);

	wf_timer_cancel(&s->timer);
	end_asking(s);
	/* The same trouble is said once. */
	if (!s->last_error || strcmp(s->last_error, text))
		wf_warn("zone %s: %s", s->text, text);
	free(s->last_error);
	s->last_error = text;
	s->at = (s->at + 1) % s->n_primaries;
	s->tries = 0;
	if (++s->n_failed < s->n_primaries) {
		ask(s);
		return;
	}
	s->n_failed = 0;
	if (s->again) {
		begin_soon(s);
	} else if (s->zone && !s->is_expired) {
		sleep_for(s, retry_time(s->zone));
	} else {
		sleep_for(s, RETRY_MIN_S << s->n_retries);
		if (RETRY_MIN_S << s->n_retries < RETRY_MAX_S)
			s->n_retries++;
	}
}

/* The serial in the answer.  False: it has none. */
static bool
read_serial(const struct secondary *s, const uint8_t *msg, size_t size, uint32_t *serial)
{
	size_t at = DNS_HEADER_SIZE, end;
	struct dns_name name;

	at = dns_read_name(msg, size, at, &name);
	if (!at || name.size != s->name.size || memcmp(name.wire, s->name.wire, name.size))
		return false;
	at += 4;
	for (unsigned n = dns_get16(msg + 6); n; n--) {
		at = at < size ? dns_read_name(msg, size, at, &name) : 0;
		if (!at || at + 10 > size)
			return false;
		end = at + 10 + dns_get16(msg + at + 8);
		if (end > size)
			return false;
		if (dns_get16(msg + at) == DNS_SOA && end >= at + 10 + 22 &&
		    name.size == s->name.size && !memcmp(name.wire, s->name.wire, name.size)) {
			*serial = dns_get32(msg + end - 20);
			return true;
		}
		at = end;
	}
	return false;
}

static void
on_answer(void *arg)
{
	struct secondary *s = arg;
	uint8_t msg[4096];
	ssize_t size = recv(s->fd, msg, sizeof msg, MSG_DONTWAIT);
	struct wf_err err = { "" };
	struct dns_tsig_reader reader;
	uint32_t serial;
	int rc = 0;

	/* The socket is connected, so that only its peer's answers come here. */
	if (size < DNS_HEADER_SIZE || dns_get16(msg) != s->id || !(msg[2] & 0x80) || msg[2] & 0x78)
		return;
	if (s->is_signed) {
		dns_tsig_reader_init(&reader, &s->tsig);
		rc = dns_tsig_check_answer(&reader, msg, size, wf_wall_ms() / 1000, &err);
		dns_tsig_reader_done(&reader);
	}
	if (!rc && msg[3] & 15)
		rc = wf_err(&err, -EINVAL, "it answers with %s", dns_rcode_text(msg[3] & 15));
	if (rc) {
		failed(s, err.text);
		return;
	}
	end_asking(s);
	wf_timer_cancel(&s->timer);
	if (msg[2] & 2) { /* TC=1: ask by TCP */
		fetch(s);
	} else if (!read_serial(s, msg, size, &serial)) {
		failed(s, "its answer has no SOA of the zone");
	} else if (!s->zone || (int32_t)(serial - s->zone->serial) > 0) {
		fetch(s);
	} else {
		s->n_failed = 0;
		confirmed_now(s);
	}
}

static const struct dns_key *
key_of(const struct dns_peer_conf *p)
{
	for (const struct dns_key *k = dns_server_view()->keys; k && p->key; k = k->next)
		if (k->name.size == p->key_name.size && !memcmp(k->name.wire, p->key_name.wire, k->name.size))
			return k;
	return NULL;
}

static void
send_query(struct secondary *s)
{
	uint8_t msg[DNS_HEADER_SIZE + DNS_NAME_MAX + 4 + DNS_TSIG_MAX] = { 0 };
	size_t n = DNS_HEADER_SIZE;

	dns_put16(msg, s->id);
	msg[5] = 1;
	memcpy(msg + n, s->name.wire, s->name.size);
	n += s->name.size;
	dns_put16(msg + n, DNS_SOA);
	dns_put16(msg + n + 2, DNS_CLASS_IN);
	n += 4;
	if (s->is_signed) {
		dns_tsig_init_query(&s->tsig, &s->key, s->id);
		n = dns_tsig_sign(&s->tsig, msg, n, wf_wall_ms() / 1000);
	}
	/* An error (nobody listens) is like no answer. */
	if (send(s->fd, msg, n, MSG_DONTWAIT) < 0)
		wf_dbg("zone %s: %s", s->text, strerror(errno));
}

static void
on_silence(struct wf_timer *t)
{
	struct secondary *s = t->arg;

	if (s->tries++ < ASK_TRIES) {
		send_query(s);
		wf_timer_set(t, ASK_MS, on_silence, s);
	} else {
		failed(s, "no answer to the question for its SOA");
	}
}

static void
on_later(struct wf_timer *t)
{
	ask(t->arg);
}

static void
ask(struct secondary *s)
{
	const struct dns_peer_conf *p = &s->primaries[s->at];
	const struct dns_key *key = key_of(p);

	s->phase = ASKING;
	/* Without data the zone itself is the question. */
	if (!s->zone) {
		fetch(s);
		return;
	}
	if (!s->has_slot && n_asking >= ASK_MAX) {
		s->is_queued = true;
		wf_list_push_back(&waiting, &s->waits);
		return;
	}
	if (!s->has_slot)
		n_asking++;
	s->has_slot = true;
	s->is_signed = p->key;
	if (key)
		s->key = *key;
	s->fd = socket(p->at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || getrandom(&s->id, sizeof s->id, 0) != sizeof s->id ||
	    connect(s->fd, (const struct sockaddr *)&p->at,
		    p->at.ss_family == AF_INET ? sizeof(struct sockaddr_in)
					       : sizeof(struct sockaddr_in6))) {
		failed(s, strerror(errno));
		return;
	}
	s->watch = wf_fd_watch(s->fd, on_answer, s);
	s->tries = 0;
	wf_timer_set(&s->timer, 0, on_silence, s);
}

static void
begin(struct secondary *s)
{
	s->again = false;
	s->n_failed = 0;
	s->asked_ms = wf_now_ms();
	ask(s);
}

/* For NOTIFY: its sender's address may be forged, and whoever forges it shall not make us ask more
 * than once a second. */
static void
begin_soon(struct secondary *s)
{
	int64_t ms = s->asked_ms + NOTIFY_MS - wf_now_ms();

	s->phase = IDLE;
	s->due_ms = wf_now_ms() + (ms > 0 ? ms : 0);
	wf_timer_set(&s->timer, ms > 0 ? ms : 0, on_due, s);
}

/* --- the transfer ------------------------------------------------------------------------------------
 */

static void
destroy(struct secondary *s)
{
	free(s->last_error);
	for (size_t i = 0; i < s->n_primaries; i++)
		free(s->primaries[i].text);
	free(s->primaries);
	free(s->file);
	free(s->journal);
	free(s->text);
	explicit_bzero(&s->key, sizeof s->key);
	dns_zone_unref(s->zone);
	free(s);
}

static void
take(struct secondary *s, struct dns_fetch *f)
{
	struct dns_zone *before = s->zone;

	wf_info("zone %s: serial %u from %s, %s, %llu records in %llu bytes", s->text, f->zone->serial,
		s->primaries[s->at].text, f->incremental ? "differences" : "whole",
		(unsigned long long)f->n_records, (unsigned long long)f->size);
	s->is_unsaved = f->save_err.text[0];
	if (s->is_unsaved)
		wf_warn("zone %s: no copy of it is kept: %s", s->text, f->save_err.text);
	s->zone = f->zone;
	f->zone = NULL;
	s->is_expired = false;
	serve(dns_zone_ref(s->zone));
	dns_zone_unref(before);
	confirmed_now(s);
	dns_notify_zone(dns_server.conf, dns_server_view(), &s->name);
	if (s->catalog)
		dns_server_catalog_changed();
}

static void
on_fetched(struct dns_fetch *f)
{
	struct secondary *s = f->arg;

	s->phase = IDLE;
	if (s->is_forgotten) {
		if (s->is_unseen)
			destroy(s);
	} else if (f->rc) {
		failed(s, f->err.text);
	} else {
		s->n_failed = 0;
		if (f->zone)
			take(s, f);
		else
			confirmed_now(s);
	}
	dns_fetch_free(f);
}

static void
fetch(struct secondary *s)
{
	const struct dns_peer_conf *p = &s->primaries[s->at];
	const struct dns_key *key = key_of(p);
	struct dns_fetch *f = wf_xzalloc(sizeof *f);

	s->phase = FETCHING;
	f->apex = s->name;
	f->from = p->at;
	f->is_signed = p->key;
	if (key)
		f->key = *key;
	f->have = s->zone ? dns_zone_ref(s->zone) : NULL;
	f->file = wf_xstrdup(s->file);
	f->journal = s->journal ? wf_xstrdup(s->journal) : NULL;
	f->journal_size = s->journal_size;
	f->max_size = s->max_size;
	f->catalog = s->catalog;
	f->done = on_fetched;
	f->arg = s;
	dns_fetch_start(f);
}

/* --- NOTIFY, configuration ---------------------------------------------------------------------------
 */

static int64_t
on_idle(struct wf_idle *i)
{
	struct dns_told *t = dns_told_take(&told_queue), *next;

	for (; t; t = next) {
		struct secondary *s = wf_container(t, struct secondary, told);

		next = t->next;
		atomic_store(&t->is_told, false);
		wf_dbg("zone %s: NOTIFY", s->text);
		s->again = true;
		if (s->phase == IDLE && !s->is_forgotten)
			begin_soon(s);
	}
	return -1;
}

static struct secondary *
find(const struct dns_name *name, uint32_t hash)
{
	struct secondary *s;

	wf_hmap_for_each_with_hash(s, node, hash, &secondaries)
		if (s->name.size == name->size && !memcmp(s->name.wire, name->wire, name->size))
			return s;
	return NULL;
}

static void
set_peers(struct secondary *s, const struct dns_zone_conf *zc)
{
	for (size_t i = 0; i < s->n_primaries; i++)
		free(s->primaries[i].text);
	free(s->primaries);
	s->n_primaries = zc->n_primaries;
	s->primaries = wf_xmemdup(zc->primaries, zc->n_primaries * sizeof *s->primaries);
	for (size_t i = 0; i < s->n_primaries; i++)
		s->primaries[i].text = wf_xstrdup(zc->primaries[i].text);
	if (s->at >= s->n_primaries)
		s->at = 0;
	free(s->file);
	free(s->journal);
	s->file = wf_xstrdup(zc->file);
	s->journal = zc->transfer.exists && zc->journal_size ? wf_xstrdup(zc->journal) : NULL;
	s->journal_size = zc->journal_size;
	s->max_size = zc->max_size;
	s->catalog = zc->catalog;
	s->is_member = zc->of_catalog;
}

/* What the copy's time says of its age. */
static int64_t
age_ms(const char *file)
{
	struct stat st;
	int64_t age;

	if (stat(file, &st))
		return 0;
	age = wf_wall_ms() - st.st_mtim.tv_sec * 1000ll;
	return age > 0 ? age : 0;
}

static struct secondary *
add(const struct dns_zone_conf *zc, uint32_t hash, struct dns_zone *z)
{
	struct secondary *s = wf_xzalloc(sizeof *s);
	char text[DNS_NAME_TEXT_MAX];

	s->name = zc->name;
	s->text = wf_xstrdup(dns_name_text(zc->name.wire, text));
	s->fd = -1;
	s->told.queue = &told_queue;
	wf_hmap_insert(&secondaries, &s->node, hash);
	set_peers(s, zc);
	s->expiry.arg = s;
	s->timer.arg = s;
	if (!z->no_data) {
		s->zone = dns_zone_ref(z);
		confirmed(s, age_ms(s->file));
	}
	/* A copy may be old, whatever its age says; all at once at a start, but for ASK_MAX. */
	wf_timer_set(&s->timer, 0, on_due, s);
	return s;
}

static void
forget(void *arg)
{
	struct secondary *s = arg;

	/* A last NOTIFY of it may be in the queue. */
	on_idle(NULL);
	s->is_unseen = true;
	if (s->phase != FETCHING) /* else the thread's end destroys it */
		destroy(s);
}

void
dns_secondary_configure(const struct dns_conf *c, struct dns_view *v)
{
	struct secondary *s;

	if (!is_init) {
		wf_hmap_init(&secondaries);
		wf_list_init(&waiting);
		idle.fn = on_idle;
		wf_idle_add(&idle);
		is_init = true;
	}
	min_refresh_s = c->min_refresh_s;
	min_retry_s = c->min_retry_s;
	wf_hmap_for_each(s, node, &secondaries)
		s->is_wanted = false;
	for (size_t i = 0; i < c->n_zones + c->n_members; i++) {
		const struct dns_zone_conf *zc = dns_conf_zone(c, i);
		uint32_t hash = wf_hash_bytes(zc->name.wire, zc->name.size, 0);
		struct dns_zone_rule *rule;

		if (!zc->n_primaries)
			continue;
		s = find(&zc->name, hash);
		if (s)
			set_peers(s, zc);
		else
			s = add(zc, hash, dns_view_zone_named(v, &zc->name));
		s->is_wanted = true;
		rule = (struct dns_zone_rule *)dns_view_rule_of(v, &zc->name);
		rule->told = &s->told;
	}
}

void
dns_secondary_sweep(void)
{
	struct secondary *s;

	if (!is_init)
		return;
	wf_hmap_for_each_safe(s, node, &secondaries) {
		if (s->is_wanted)
			continue;
		wf_hmap_remove(&secondaries, &s->node);
		wf_timer_cancel(&s->timer);
		wf_timer_cancel(&s->expiry);
		end_asking(s);
		if (s->phase != FETCHING)
			s->phase = IDLE;
		s->is_forgotten = true;
		if (s->is_member) {
			unlink(s->file);
			if (s->journal)
				unlink(s->journal);
		}
		wf_info("zone %s: it is served no longer", s->text);
		wf_rcu_call(forget, s);
	}
}

void
dns_secondary_show(struct wf_str *out)
{
	static const char *const phases[] = { "waits", "asks", "transfers" };
	struct secondary *s;

	if (!is_init)
		return;
	wf_hmap_for_each(s, node, &secondaries) {
		wf_str_fmt(out, "zone %s", s->text);
		if (s->zone)
			wf_str_fmt(out, " serial %u%s, confirmed %lld s ago", s->zone->serial,
				   s->is_expired ? " expired" : "",
				   (long long)(wf_now_ms() - s->confirmed_ms) / 1000);
		else
			wf_str_put(out, " no data");
		wf_str_fmt(out, ", primary %s, %s", s->primaries[s->at].text, phases[s->phase]);
		if (s->phase == IDLE)
			wf_str_fmt(out, " %lld s", (long long)(s->due_ms - wf_now_ms() + 999) / 1000);
		if (s->last_error)
			wf_str_fmt(out, "; %s", s->last_error);
		wf_str_putc(out, '\n');
	}
}

bool
dns_secondary_refresh(const struct dns_name *name)
{
	bool found = false;
	struct secondary *s;

	if (!is_init)
		return false;
	wf_hmap_for_each(s, node, &secondaries)
		if (!name || (s->name.size == name->size && !memcmp(s->name.wire, name->wire, name->size))) {
			found = true;
			s->again = true;
			if (s->phase == IDLE)
				begin(s);
		}
	return found;
}

bool
dns_secondary_is_saved(struct wf_err *err)
{
	struct secondary *s;

	if (!is_init)
		return true;
	wf_hmap_for_each(s, node, &secondaries)
		if (s->zone && (s->is_unsaved || access(s->file, R_OK))) {
			wf_err(err, -ENODATA, "zone %s: there is no copy of it at %s, so the next daemon would not have it; make the "
			       "folder writable and ask for the zone again (weftctl dns refresh)", s->text, s->file);
			return false;
		}
	return true;
}

void
dns_secondary_pause(void)
{
	if (is_init)
		dns_fetch_pause();
}

void
dns_secondary_resume(void)
{
	if (is_init)
		dns_fetch_resume();
}

void
dns_secondary_stop(void)
{
	struct secondary *s;

	if (!is_init)
		return;
	dns_fetch_stop();
	wf_hmap_for_each_safe(s, node, &secondaries) {
		wf_hmap_remove(&secondaries, &s->node);
		wf_timer_cancel(&s->timer);
		wf_timer_cancel(&s->expiry);
		end_asking(s);
		destroy(s);
	}
	wf_idle_del(&idle);
	wf_hmap_done(&secondaries);
	is_init = false;
}
