// SPDX-License-Identifier: Apache-2.0
#include "dns/server/server.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics_http.h"
#include "base/rcu.h"
#include "dns/answer/limit.h"
#include "dns/server/handover.h"
#include "dns/server/notify.h"
#include "dns/server/secondary.h"
#include "dns/server/selftest.h"
#include "dns/server/tap.h"
#include "dns/server/tls.h"
#include "dns/server/view_load.h"
#include "dns/server/why_job.h"
#include "dns/server/worker.h"
#include "dns/server/xdp.h"
#include "dns/zone/dnssec.h"
#include "policy/health.h"

WF_LOG_MODULE(dns);

struct dns_server dns_server;
struct dns_view *_Atomic dns_server_view_;
struct dns_tls *_Atomic dns_server_tls_;

static void
log_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n)
			wf_warn("%.*s", (int)n, text);
		text += n + (text[n] != '\0');
	}
}

/* What a view takes from the server rather than from its zones. */
static void
complete_view(struct dns_view *v, const struct dns_conf *c)
{
	for (int i = 0; i < 2; i++)
		memcpy(v->cookie_secret[i],
		       c->have_secret[i] ? c->secret[i] : dns_server.cookie_secret[i], 16);
	dns_limiter_set_rate(dns_server.limiter, c->limit_per_s);
	v->limiter = c->limit_per_s ? dns_server.limiter : NULL;
	for (size_t i = 0; i <= v->mask && !dns_server.sign_cache; i++)
		if (v->slots[i] && v->slots[i]->dnssec && v->slots[i]->dnssec->keys)
			dns_server.sign_cache = dns_sign_cache_new(c->sign_cache);
	v->sign_cache = dns_server.sign_cache;
	dns_secondary_configure(c, v);
}

#define FILES_MS    5000
#define CATALOGS_MS 100
#define CATALOGS_AGAIN_MS 60000 /* after a failure */

static struct pol_health *
new_health(void)
{
	struct pol_health *h = pol_health_new("weft-dnsd");

	pol_health_unixctl_init(h);
	return h;
}

/* Health and load of the members of a view that is about to be published. */
static int
apply_health(struct dns_view *v, const struct dns_conf *c, struct wf_err *err)
{
	if (!v->pol)
		return 0;
	if (!dns_server.health)
		dns_server.health = new_health();
	return pol_health_apply(dns_server.health, c->json, c->folder, v->pol, err);
}

/* Keys of a zone came, went, or began or ended what they do. */
static bool
keys_changed(const struct dns_view *v)
{
	uint32_t now_s = wf_wall_ms() / 1000;

	for (size_t i = 0; i <= v->mask; i++) {
		const struct dns_zone *z = v->slots[i];

		if (z && z->dnssec && z->dnssec->keys && !dns_keyset_is_current(z->dnssec->keys, now_s))
			return true;
	}
	return false;
}

/* Maps, databases and keys that were replaced take effect without being told. */
static void
on_files(struct wf_timer *t)
{
	const struct dns_view *v = dns_server_view();
	const char *what = keys_changed(v)				 ? "the keys of a zone changed"
			   : v->pol && pol_files_changed(v->pol)	 ? "a file of the client locations changed"
			   : dns_server_tls() && !dns_tls_is_current(dns_server_tls()) ? "the certificate of TLS changed"
									 : NULL;

	if (what) {
		struct wf_str report = WF_STR_INIT;
		struct wf_err err = { "" };

		if (!dns_server_reload(&report, &err))
			wf_info("%s: reloaded", what);
		else if (!dns_server.files_failed)
			wf_error("%s, but the reload failed: %s; the data before goes on being served", what, err.text);
		dns_server.files_failed = err.text[0];
		wf_str_done(&report);
	}
	wf_timer_set(t, FILES_MS, on_files, NULL);
}

static void
free_view(void *v)
{
	dns_view_free(v);
}

static void
publish(struct dns_view *v)
{
	struct dns_view *old;

	dns_xdp_suspend();
	old = __atomic_exchange_n((struct dns_view **)&dns_server_view_, v, __ATOMIC_ACQ_REL);
	if (old)
		wf_rcu_call(free_view, old);
	dns_presign_wake();
	if (v) {
		dns_secondary_sweep();
		dns_xdp_resume(false);
	}
}

/* The zones of a catalog are other ones: a view with them, from the configuration in force. */
static void
on_catalogs(struct wf_timer *t)
{
	struct wf_str warnings = WF_STR_INIT;
	struct wf_err err = { "" };
	struct dns_view *v = NULL;
	int rc = dns_view_load(dns_server.conf, dns_server_view(), &v, &warnings, &err);

	if (!rc && (rc = apply_health(v, dns_server.conf, &err)))
		dns_view_free(v);
	log_lines(wf_str_cstr(&warnings));
	wf_str_done(&warnings);
	if (rc) {
		wf_error("a catalog has changed, but its zones can't be taken up, and will be tried again in %d s: %s",
			 CATALOGS_AGAIN_MS / 1000, err.text);
		wf_timer_set(&dns_server.catalogs, CATALOGS_AGAIN_MS, on_catalogs, NULL);
		return;
	}
	complete_view(v, dns_server.conf);
	publish(v);
	wf_info("a catalog has changed: %zu zones", v->n_zones);
}

void
dns_server_catalog_changed(void)
{
	/* Several at a time (a start) are taken up at once. */
	wf_timer_set(&dns_server.catalogs, CATALOGS_MS, on_catalogs, NULL);
}

static void
free_tls(void *t)
{
	dns_tls_free(t);
}

/* New connections take it; those that are open keep theirs. */
static void
publish_tls(struct dns_tls *t)
{
	struct dns_tls *old = __atomic_exchange_n((struct dns_tls **)&dns_server_tls_, t, __ATOMIC_ACQ_REL);

	if (old)
		wf_rcu_call(free_tls, old);
}

static int
load_tls(const struct dns_conf *c, struct dns_tls **ret, struct wf_err *err)
{
	*ret = NULL;
	return c->has_tls ? dns_tls_load(c->tls_certificate, c->tls_key, dns_server_tls(), ret, err) : 0;
}

static int
load_view(const struct dns_view *old, struct dns_view **ret, struct wf_err *err)
{
	struct wf_str warnings = WF_STR_INIT;
	int rc = dns_view_load(dns_server.conf, old, ret, &warnings, err);

	log_lines(wf_str_cstr(&warnings));
	wf_str_done(&warnings);
	return rc;
}

static int
open_sockets(struct wf_err *err)
{
	const struct dns_conf *c = dns_server.conf;
	unsigned n = c->workers ? c->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	int rc = dns_xdp_start(c, dns_server.limiter, err);

	if (n > WF_RCU_MAX_THREADS - 8)
		n = WF_RCU_MAX_THREADS - 8;
	dns_server.workers = wf_xzalloc(n * sizeof *dns_server.workers);
	for (unsigned i = 0; i < n && !rc; i++) {
		rc = dns_worker_new(i, n, c, &dns_server.workers[i], err);
		dns_server.n_workers += !rc;
	}
	return rc;
}

static void
take_secrets(const json_t *state, struct dns_tls *tls)
{
	long size;

	for (size_t i = 0; i < 2; i++) {
		const char *hex = json_string_value(json_array_get(json_object_get(state, "cookie-secret"), i));
		uint8_t *secret = hex ? OPENSSL_hexstr2buf(hex, &size) : NULL;

		if (secret && size == sizeof dns_server.cookie_secret[i])
			memcpy(dns_server.cookie_secret[i], secret, (size_t)size);
		OPENSSL_free(secret);
	}
	if (tls && json_object_get(state, "tls-tickets")) {
		uint8_t *keys = OPENSSL_hexstr2buf(json_string_value(json_object_get(state, "tls-tickets")), &size);

		if (keys && size == DNS_TLS_TICKETS)
			dns_tls_set_tickets(tls, keys);
		OPENSSL_clear_free(keys, keys ? (size_t)size : 0);
	}
}

static bool
same_file(const struct stat *before, const char *path)
{
	struct stat now;

	return !stat(path, &now) && now.st_ino == before->st_ino && now.st_size == before->st_size &&
	       now.st_mtim.tv_sec == before->st_mtim.tv_sec && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* All that can fail is done before the other process waits for us, but for what changed since. */
static int
take_over(const struct stat *conf, struct dns_tls *tls, struct dns_view **v, struct wf_err *err)
{
	struct dns_view *old = *v;
	json_t *state;
	int rc = open_sockets(err);

	if (rc)
		return rc;
	state = dns_takeover_ready();
	/* The other process may have taken it up meanwhile. */
	if (!same_file(conf, dns_server.conf_path)) {
		json_decref(state);
		return wf_err(err, -EBUSY, "%s changed while its zones were loaded: try again", dns_server.conf_path);
	}
	if (!dns_view_is_current(dns_server.conf, old)) {
		dns_server.conf->rereads_copies = true;
		rc = load_view(old, v, err);
		dns_server.conf->rereads_copies = false;
		if (rc) {
			json_decref(state);
			return rc;
		}
		dns_view_free(old);
	}
	take_secrets(state, tls);
	if ((*v)->pol && json_object_get(state, "health")) {
		dns_server.health = new_health();
		pol_health_restore(dns_server.health, json_object_get(state, "health"));
	}
	json_decref(state);
	return 0;
}

void
dns_server_finish_start(void)
{
	struct wf_err err = { "" };

	if (dns_server.conf->metrics && wf_metrics_listen(&dns_server.conf->metrics_at, dns_metrics_text, &err))
		wf_error("%s", err.text);
	dns_tap_configure(dns_server.conf);
}

int
dns_server_start(const char *conf_path, struct wf_err *err)
{
	bool takes_over = dns_takeover_preparing();
	struct stat conf = { 0 };
	struct dns_tls *tls;
	struct dns_view *v;
	int rc;

	dns_server.conf_path = wf_xstrdup(conf_path);
	if (getrandom(dns_server.cookie_secret, sizeof dns_server.cookie_secret, 0) !=
	    sizeof dns_server.cookie_secret)
		return wf_err(err, -EIO, "the kernel gives no random bytes: %s", strerror(errno));
	stat(conf_path, &conf);
	rc = dns_conf_load(conf_path, &dns_server.conf, err);
	if (rc)
		return rc;
	dns_server.limiter = dns_limiter_new(0);
	rc = load_view(NULL, &v, err);
	if (rc)
		return rc;
	rc = load_tls(dns_server.conf, &tls, err);
	if (rc)
		return rc;
	if (takes_over && (rc = take_over(&conf, tls, &v, err)))
		return rc;
	rc = apply_health(v, dns_server.conf, err);
	if (rc)
		return rc;
	publish_tls(tls);
	complete_view(v, dns_server.conf);
	publish(v);
	dns_presign_start();
	wf_timer_set(&dns_server.files, FILES_MS, on_files, NULL);
	dns_server.loaded_wall_ms = wf_wall_ms();
	dns_why_job_init();
	if (!takes_over && (rc = open_sockets(err)))
		return rc;
	if (!takes_over && dns_server.conf->metrics &&
	    (rc = wf_metrics_listen(&dns_server.conf->metrics_at, dns_metrics_text, err)))
		return rc;
	/* Before the first answer of ours the other process' driver answers no more, as its data may be older. */
	if (takes_over)
		dns_takeover_is_awaited();
	if (takes_over && (rc = dns_xdp_take(err)))
		return rc;
	if (!takes_over)
		dns_tap_configure(dns_server.conf);
	for (unsigned i = 0; takes_over && i < dns_server.n_workers; i++)
		if ((rc = dns_worker_open_more(dns_server.workers[i], dns_server.n_workers, dns_server.conf, err)))
			return rc;
	/* All sockets are open before the first answer. */
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		dns_worker_start(dns_server.workers[i]);
	if (takes_over)
		dns_takeover_switch();
	dns_notify_changes(dns_server.conf, NULL, v);
	dns_selftest_configure(dns_server.conf);
	/* What the texts of configuration and zones took goes back to the system. */
	malloc_trim(0);
	wf_info("%zu zones, %u workers", v->n_zones, dns_server.n_workers);
	return 0;
}

static bool
xdp_differs(const struct dns_conf *a, const struct dns_conf *b)
{
	bool differs = a->n_xdp != b->n_xdp || a->xdp_mode != b->xdp_mode;

	for (size_t i = 0; i < a->n_xdp && !differs; i++)
		differs = strcmp(a->xdp[i], b->xdp[i]) != 0;
	return differs;
}

/* What is fixed when the sockets are opened. */
static bool
needs_restart(const struct dns_conf *a, const struct dns_conf *b)
{
	return a->has_tls != b->has_tls || (a->has_tls && a->tls_port != b->tls_port) ||
	       a->n_listen != b->n_listen || a->workers != b->workers ||
	       memcmp(a->listen, b->listen, a->n_listen * sizeof *a->listen) || xdp_differs(a, b) ||
	       a->metrics != b->metrics ||
	       memcmp(&a->metrics_at, &b->metrics_at, sizeof a->metrics_at);
}

int
dns_server_reload(struct wf_str *report, struct wf_err *err)
{
	struct dns_conf *conf = NULL;
	struct dns_view *v = NULL;
	struct dns_tls *tls = NULL;
	int rc;

	if (dns_handed_over())
		return wf_err(err, -EBUSY, "this process has handed over to the next one");
	rc = dns_conf_load(dns_server.conf_path, &conf, err);
	if (!rc)
		rc = load_tls(conf, &tls, err);
	if (!rc)
		rc = dns_view_load(conf, dns_server_view(), &v, report, err);
	if (!rc && (rc = apply_health(v, conf, err)))
		dns_view_free(v);
	if (rc) {
		dns_tls_free(tls);
		dns_conf_free(conf);
		dns_server.n_reloads_failed++;
		free(dns_server.last_error);
		dns_server.last_error = wf_xstrdup(err->text);
		return rc;
	}
	if (needs_restart(dns_server.conf, conf))
		wf_str_put(report, "listen, port, tls/port, workers, xdp and metrics stay as they are until weft-dnsd is started again\n");
	if (tls) /* else the sockets that may be open go on with what they have */
		publish_tls(tls);
	complete_view(v, conf);
	dns_notify_changes(conf, dns_server_view(), v);
	publish(v);
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		dns_worker_configure(dns_server.workers[i], conf);
	dns_tap_configure(conf);
	/* The sockets go on being those of the old one. */
	if (needs_restart(dns_server.conf, conf)) {
		struct sockaddr_storage *listen = conf->listen;
		size_t n = conf->n_listen, n_xdp = conf->n_xdp;
		char **xdp = conf->xdp;

		conf->listen = dns_server.conf->listen;
		conf->n_listen = dns_server.conf->n_listen;
		conf->workers = dns_server.conf->workers;
		conf->has_tls = dns_server.conf->has_tls;
		conf->tls_port = dns_server.conf->tls_port;
		conf->metrics = dns_server.conf->metrics;
		conf->metrics_at = dns_server.conf->metrics_at;
		conf->xdp = dns_server.conf->xdp;
		conf->n_xdp = dns_server.conf->n_xdp;
		conf->xdp_mode = dns_server.conf->xdp_mode;
		dns_server.conf->listen = listen;
		dns_server.conf->n_listen = n;
		dns_server.conf->xdp = xdp;
		dns_server.conf->n_xdp = n_xdp;
	}
	dns_selftest_configure(conf);
	dns_conf_free(dns_server.conf);
	dns_server.conf = conf;
	dns_server.n_reloads++;
	malloc_trim(0);
	dns_server.loaded_wall_ms = wf_wall_ms();
	free(dns_server.last_error);
	dns_server.last_error = NULL;
	return 0;
}

void
dns_server_counters(struct dns_counters *sum)
{
	uint64_t *to = (uint64_t *)sum;

	memset(sum, 0, sizeof *sum);
	for (unsigned i = 0; i < dns_server.n_workers; i++) {
		const uint64_t *from = (const uint64_t *)dns_worker_counters(dns_server.workers[i]);

		for (size_t k = 0; k < sizeof *sum / sizeof *to; k++)
			to[k] += __atomic_load_n(&from[k], __ATOMIC_RELAXED);
	}
	dns_xdp_add_counters(sum);
	sum->dnstap_sent = dns_tap_n_sent();
	sum->dnstap_lost += dns_tap_n_lost();
	for (size_t k = 0; k < sizeof *sum / sizeof *to; k++)
		to[k] += ((const uint64_t *)&dns_server.before)[k];
}

void
dns_server_leave(void)
{
	dns_selftest_leave();
	wf_metrics_stop();
	dns_notify_stop();
	wf_timer_cancel(&dns_server.files);
	wf_timer_cancel(&dns_server.catalogs);
	dns_presign_stop();
	dns_tap_stop();
	dns_xdp_leave();
	pol_health_leave(dns_server.health);
	dns_server.health = NULL;
}

void
dns_server_stop(void)
{
	dns_selftest_stop();
	wf_metrics_stop();
	dns_notify_stop();
	wf_timer_cancel(&dns_server.files);
	dns_presign_stop();
	wf_timer_cancel(&dns_server.catalogs);
	dns_tap_stop();
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		dns_worker_free(dns_server.workers[i]);
	dns_server.n_workers = 0;
	dns_xdp_stop();
	dns_why_job_done();
	dns_secondary_stop();
	pol_health_free(dns_server.health);
	publish(NULL);
	publish_tls(NULL);
	wf_rcu_drain();
	dns_limiter_free(dns_server.limiter);
	dns_sign_cache_free(dns_server.sign_cache);
	dns_conf_free(dns_server.conf);
	free(dns_server.workers);
	free(dns_server.conf_path);
	free(dns_server.last_error);
}
