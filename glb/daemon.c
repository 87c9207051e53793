// SPDX-License-Identifier: Apache-2.0
#include "glb/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics_http.h"
#include "base/unixctl.h"
#include "glb/address.h"
#include "glb/announce.h"
#include "glb/capture.h"
#include "glb/datapath.h"
#include "glb/doctor.h"
#include "glb/fallback.h"
#include "glb/health.h"
#include "glb/selftest.h"
#include "glb/sites.h"
#include "glb/touch.h"
#include "glb/why.h"

WF_LOG_MODULE(glb_daemon);

static struct {
	char *path;
	struct glb_config *config;
	struct placement *placement;
	struct glb_datapath *dp;
	struct glb_health *health;
	struct glb_sites *sites;
	struct node_times {
		int64_t trouble;  /* when it was last not as it should be */
		int64_t deadline; /* of a drain; 0: none */
		int64_t down;	  /* since when no probe is answered; 0: one is */
		bool dead;	  /* an operator, or a deadline, says so */
		bool aside;	  /* the data path lists who stood in for it */
		bool held;	  /* until it is known again, it is as the daemon before us left it */
		uint32_t marked;  /* flags and shed as the data path has them; UINT32_MAX: not known */
	} *times;		  /* by node id */
	uint32_t n_times;
	struct vip_rate {
		uint64_t packets;
		double rate; /* per second, the last second */
	} *rates;	     /* by VIP */
	int64_t rates_at, forgot;
	bool other_probes; /* than those of the document in force */
	struct wf_timer second, stop;
	struct stat document; /* as it was when read */
} d;

static const char *const stat_names[GLB_N_STATS] = {
	[GLB_STAT_PASSED] = "passed",	      [GLB_STAT_SENT_PLAIN] = "sent_plain",
	[GLB_STAT_SENT_SHIM] = "sent_hop_list", [GLB_STAT_DELIVERED] = "delivered",
	[GLB_STAT_LAST] = "delivered_as_last", [GLB_STAT_HANDED_ON] = "handed_on",
	[GLB_STAT_UNKNOWN_HOP] = "unknown_hop", [GLB_STAT_NEXT_HOP] = "next_hop_lookups",
	[GLB_STAT_TOLD] = "told_too_big",     [GLB_STAT_NAT_BACK] = "nat_back",
	[GLB_STAT_RELAYED] = "fragments_relayed", [GLB_STAT_QUIC] = "by_connection_id",
	[GLB_STAT_CLAMPED] = "mss_clamped",   [GLB_STAT_MISSED] = "events_missed",
	[GLB_STAT_CUT] = "hop_list_cut",
};

static const char *const drop_names[] = {
#define GLB_DROP(NAME, TEXT) #NAME,
#include "bpf/glb_drop.def"
#undef GLB_DROP
};
static const char *const drop_texts[] = {
#define GLB_DROP(NAME, TEXT) TEXT,
#include "bpf/glb_drop.def"
#undef GLB_DROP
};

/* --- health ----------------------------------------------------------------------------------- */

static void
on_place(void *arg, uint32_t pool, const struct glb_place *place)
{
	glb_datapath_place_changed(d.dp, pool, place, d.placement);
}

static bool
has_policy(void)
{
	for (size_t i = 0; i < d.config->n_vips; i++)
		if (d.config->vips[i].policy[0])
			return true;
	return false;
}

static void
on_node(void *arg, uint32_t id, unsigned flags, unsigned shed)
{
	const struct plc_node *n = plc_node_by_id(d.placement, id);
	int before = d.times[id].held ? glb_datapath_node_flags(d.dp, id) : -1;

	d.times[id].held = before >= 0 && (before & (GLB_NODE_DEAD | GLB_NODE_DRAIN)) && glb_health_is_awaited(d.health, id);
	if (d.times[id].held)
		return;
	/* Where sites are chosen by policy, it has looked at load already. */
	if (n && n->kind == PLC_SITE && has_policy())
		shed = 0;
	if (!(flags & GLB_NODE_DEAD))
		d.times[id].down = 0;
	else if (!d.times[id].down)
		d.times[id].down = wf_now_ms();
	/* Whose probes fail for a moment keeps its connections: a stall of our own looks the same. */
	if ((flags & GLB_NODE_DEAD) && !d.times[id].dead && wf_now_ms() - d.times[id].down < d.config->grace_ms)
		flags = GLB_NODE_SUSPECT;
	if (flags || shed) {
		d.times[id].trouble = wf_now_ms();
		d.times[id].aside = true;
	} else if (d.times[id].aside && wf_now_ms() - d.times[id].trouble > d.config->remember_ms) {
		glb_datapath_forget(d.dp, id);
		d.times[id].aside = false;
	} else if (d.times[id].aside && n && n->kind == PLC_SERVER && glb_datapath_is_fresh(d.dp)) {
		/* Who was away before our time is not known: for so long it might have been anybody. */
		flags = GLB_NODE_ASIDE;
	}
	/* With many servers each look at the maps counts. */
	if (d.times[id].marked != (flags << 8 | shed) && !glb_datapath_mark(d.dp, id, flags, shed))
		d.times[id].marked = flags << 8 | shed;
}

static void
on_state(void *arg)
{
	/* While a configuration is taken, its data path is not there yet. */
	if (!d.dp)
		return;
	/* Slots first: of a site that drains they say that it was chosen before, and UDP asks it.  Were it marked first, its
	 * sessions would be taken for the next site's meanwhile. */
	glb_sites_update(d.sites, glb_health_pol(d.health), on_place, NULL);
	glb_health_nodes(d.health, on_node, NULL);
	if (glb_fallback_update(d.config, d.health)) {
		int rc = glb_datapath_vips_changed(d.dp, d.config, d.placement);

		if (rc)
			wf_warn("the maps of VIPs: %s", wf_strerror(rc));
	}
	glb_announce_update(d.config, d.health);
}

static double
pool_rate(void *arg, const char *pool)
{
	double sum = 0;

	for (size_t i = 0; i < d.config->n_vips; i++)
		if (!strcmp(glb_fallback_pool(&d.config->vips[i]), pool))
			sum += d.rates[i].rate;
	return sum;
}

static void
count_rates(void)
{
	int64_t ms = wf_now_ms() - d.rates_at;

	for (uint32_t i = 0; ms > 0 && i < d.config->n_vips; i++) {
		uint64_t packets = glb_datapath_count(d.dp, GLB_COUNT_VIPS, i).packets;

		d.rates[i].rate = packets > d.rates[i].packets && d.rates[i].packets ?
				  (double)(packets - d.rates[i].packets) * 1000 / (double)ms : 0;
		d.rates[i].packets = packets;
	}
	d.rates_at = wf_now_ms();
}

static void
check_deadlines(void)
{
	for (uint32_t id = 0; id < d.n_times; id++) {
		const struct plc_node *n = d.times[id].deadline && wf_now_ms() >= d.times[id].deadline ?
					   plc_node_by_id(d.placement, id) : NULL;

		if (!n)
			continue;
		d.times[id].deadline = 0;
		d.times[id].dead = true;
		wf_info("%s: the deadline of its drain is over", n->name);
		if (glb_health_mark(d.health, id, GLB_MARK_DEAD))
			glb_datapath_mark(d.dp, id, GLB_NODE_DEAD, 0);
	}
}

/* --- what is in force ------------------------------------------------------------------------- */

static void
take_times(const struct placement *p)
{
	if (p->next_id <= d.n_times)
		return;
	d.times = wf_xrealloc(d.times, p->next_id * sizeof *d.times);
	for (uint32_t i = d.n_times; i < p->next_id; i++)
		d.times[i] = (struct node_times){ .trouble = wf_now_ms(), .aside = true, .held = true,
						  .marked = UINT32_MAX };
	d.n_times = p->next_id;
}

static int
check_interfaces(const struct glb_config *c, struct wf_err *err)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (!if_nametoindex(c->interfaces[i].name))
			return wf_err(err, -ENODEV, "interface: %s: there is no such device", c->interfaces[i].name);
	return 0;
}

/* What is in force again, as far as the maps took something else; what they hold of the new document stays, and is
 * taken with the configuration in force when the document is looked at next. */
static void
take_back(void)
{
	struct wf_err err = { "" };

	d.other_probes = glb_health_apply(d.health, d.config, d.placement, NULL, &err) != 0;
	if (d.other_probes)
		wf_warn("the probes of before: %s", err.text);
	wf_metrics_lock();
	glb_datapath_reread(d.dp);
	wf_metrics_unlock();
	if (glb_datapath_apply(d.dp, d.config, d.placement, glb_sites_places(d.sites), &err))
		wf_warn("the maps are not what they were: %s", err.text);
	for (uint32_t i = 0; i < d.n_times; i++)
		d.times[i].marked = UINT32_MAX;
}

struct before {
	const struct placement *p;
	const struct glb_datapath *dp;
};

static bool
read_place(void *arg, uint32_t pool, uint32_t n_classes, struct glb_site_slot *ret)
{
	const struct before *b = arg;

	return glb_datapath_read_place(b->dp, b->p, pool, n_classes, ret);
}

/* Everything behind the configuration 'c' and the document 'p', through the data path 'dp'.  On failure what was
 * in force is. */
static int
take(struct glb_config *c, struct placement *p, struct glb_datapath *dp, struct wf_err *err)
{
	const struct placement *before = c == d.config && dp == d.dp ? d.placement : NULL;
	struct glb_sites *sites = glb_sites_new(c, p, d.sites, err);
	int rc = sites ? glb_health_apply(d.health, c, p, d.other_probes ? NULL : before, err) : -EINVAL;

	if (sites && !d.sites)
		glb_sites_take_history(sites, c->remember_ms, read_place, &(struct before){ p, dp });
	if (!rc) {
		rc = glb_datapath_apply(dp, c, p, glb_sites_places(sites), err);
		/* Programs that do not do what the document says replace none that do. */
		rc = rc || dp == d.dp ? rc : glb_selftest(dp, c, p, glb_sites_places(sites), err);
		rc = rc || dp == d.dp ? rc : glb_datapath_attach(dp, c, err);
		if (rc && d.config) {
			struct wf_err again = { "" };

			take_back();
			if (dp != d.dp && glb_datapath_attach(d.dp, d.config, &again))
				wf_error("packets may meet no program until a reload succeeds: %s", again.text);
		}
	}
	if (rc) {
		glb_sites_free(sites);
		return rc;
	}
	glb_sites_free(d.sites);
	d.sites = sites;
	d.other_probes = false;
	take_times(p);
	for (uint32_t i = 0; (!before || !plc_same_nodes(p, before)) && i < d.n_times; i++)
		d.times[i].marked = UINT32_MAX;
	if (d.config != c) {
		free(d.rates);
		d.rates = wf_xzalloc((c->n_vips + 1) * sizeof *d.rates);
	}
	return 0;
}

static void
put_metric(struct wf_str lines[2], const char *name, const char *label, const char *value, struct glb_count c)
{
	for (unsigned bytes = 0; bytes < 2; bytes++) {
		wf_str_fmt(&lines[bytes], "weft_glb_%s_%s_total{", name, bytes ? "bytes" : "packets");
		wf_metrics_label(&lines[bytes], label, value);
		wf_str_fmt(&lines[bytes], "} %llu\n", (unsigned long long)(bytes ? c.bytes : c.packets));
	}
}

/* In the thread of base/metrics_http.h, under its lock. */
static void
metrics(struct wf_str *s)
{
	static const char *const types[] = { "packets_total counter", "bytes_total counter" };
	static const struct {
		const char *name, *help;
	} families[] = {
		{ "action", "What the programs did with packets, by kind" }, { "vip", "Packets for a VIP" },
		{ "site", "Packets sent to a site" },			     { "server", "Packets sent to a server" },
		{ "drop", "Packets dropped, by reason" },
	};
	char address[GLB_PREFIX_TEXT];

	wf_str_fmt(s, "# HELP weft_glb_document Number of the placement document in force\n# TYPE weft_glb_document gauge\n"
		      "weft_glb_document %u\n", d.placement ? d.placement->number : 0);
	for (size_t k = 0; d.placement && k < sizeof families / sizeof *families; k++) {
		struct wf_str lines[2] = { WF_STR_INIT, WF_STR_INIT };

		for (uint32_t i = 0; k == 0 && i < GLB_N_STATS; i++)
			put_metric(lines, "action", "kind", stat_names[i], glb_datapath_count(d.dp, GLB_COUNT_STATS, i));
		for (uint32_t i = 0; k == 1 && i < d.config->n_vips; i++) {
			const struct glb_vip_config *v = &d.config->vips[i];
			char *name = wf_xasprintf("%s %s %u", glb_prefix_text(&v->address, v->len, address),
						  v->protocol == IPPROTO_TCP ? "tcp" :
						  v->protocol == IPPROTO_UDP ? "udp" : "any", v->port);

			put_metric(lines, "vip", "vip", name, glb_datapath_count(d.dp, GLB_COUNT_VIPS, i));
			free(name);
		}
		for (size_t i = 0; (k == 2 || k == 3) && i < d.placement->n_nodes; i++) {
			const struct plc_node *n = &d.placement->nodes[i];

			if (!n->gone && (n->kind == PLC_SITE) == (k == 2))
				put_metric(lines, families[k].name, "name", n->name,
					   glb_datapath_node_count(d.dp, n->id));
		}
		for (uint32_t i = 0; k == 4 && i < GLB_N_DROPS; i++)
			put_metric(lines, "drop", "reason", drop_names[i], glb_datapath_count(d.dp, GLB_COUNT_DROPS, i));
		for (unsigned t = 0; t < 2; t++) {
			wf_str_fmt(s, "# HELP weft_glb_%s_%.*s %s\n# TYPE weft_glb_%s_%s\n%s", families[k].name,
				   (int)strcspn(types[t], " "), types[t], families[k].help, families[k].name, types[t],
				   wf_str_cstr(&lines[t]));
			wf_str_done(&lines[t]);
		}
	}
}

static int
bring_up(struct wf_err *err)
{
	struct glb_config *c = glb_config_load(d.path, err);
	struct placement *p = NULL;
	struct glb_datapath *dp = NULL;
	struct stat st = { 0 };
	struct wf_err ignored;
	int rc = -EINVAL;

	if (!c)
		return rc;
	stat(c->placement, &st);
	p = plc_load(c->placement, err);
	/* Programs are loaded again at each reload, so a new binary's reload is also its upgrade. */
	dp = p && !check_interfaces(c, err) ? glb_datapath_open(c, err) : NULL;
	if (dp && json_array_size(json_object_get(c->policy, "probe")))
		glb_datapath_assume_away(dp);
	/* What may fail is tried before the maps are written, so that nothing of 'c' is in use then. */
	if (dp)
		rc = wf_metrics_listen(c->metrics ? &c->metrics_at : NULL, metrics, err);
	for (size_t i = 0; !rc && !d.config && i < c->n_vips; i++) {
		const struct plc_pool *other = c->vips[i].fallback[0] ? plc_pool_by_name(p, c->vips[i].fallback) : NULL;

		if (other && glb_datapath_vip_pool(dp, &c->vips[i]) == other->id)
			glb_fallback_restore(&c->vips[i]);
	}
	if (!rc) {
		rc = take(c, p, dp, err);
		if (rc && d.config && wf_metrics_listen(d.config->metrics ? &d.config->metrics_at : NULL, metrics, &ignored))
			wf_warn("%s", ignored.text);
	}
	if (rc) {
		glb_datapath_close(dp);
		plc_free(p);
		glb_config_free(c);
		return rc;
	}
	if (d.config && strcmp(d.config->pin, c->pin))
		wf_warn("the maps under %s stay: weft-glb --remove takes them away", d.config->pin);
	wf_metrics_lock();
	glb_datapath_close(d.dp);
	plc_free(d.placement);
	glb_config_free(d.config);
	d.config = c;
	d.placement = p;
	d.dp = dp;
	d.document = st;
	wf_metrics_unlock();
	on_state(NULL);
	wf_info("document %u with %zu pools is in force; %zu VIPs", p->number, p->n_pools, c->n_vips);
	return 0;
}

void
glb_daemon_reload(void)
{
	struct wf_err err = { "" };

	if (bring_up(&err))
		wf_error("not reloaded: %s", err.text);
}

/* The document alone, when its file changed; or the maps of clients. */
static int
new_document(struct wf_err *err)
{
	struct placement *p = plc_load_next(d.config->placement, d.placement, err);
	int rc = p ? take(d.config, p, d.dp, err) : -EINVAL;

	if (rc) {
		plc_free(p);
		return rc;
	}
	wf_metrics_lock();
	plc_free(d.placement);
	d.placement = p;
	wf_metrics_unlock();
	on_state(NULL);
	wf_info("document %u is in force", p->number);
	return 0;
}

static void
on_second(struct wf_timer *t)
{
	struct wf_err err = { "" };
	struct stat st;

	if (!stat(d.config->placement, &st) &&
	    (st.st_ino != d.document.st_ino || st.st_mtim.tv_sec != d.document.st_mtim.tv_sec ||
	     st.st_mtim.tv_nsec != d.document.st_mtim.tv_nsec)) {
		d.document = st;
		if (new_document(&err))
			wf_error("the new document is not taken: %s", err.text);
	} else if (glb_sites_files_changed(d.sites) && new_document(&err)) {
		wf_warn_rl("the new maps of clients are not taken: %s", err.text);
	}
	count_rates();
	check_deadlines();
	glb_health_report(d.health, pool_rate, NULL);
	if (wf_now_ms() - d.forgot > 10000) {
		d.forgot = wf_now_ms();
		glb_sites_forget(d.sites, d.config->remember_ms, on_place, NULL);
	}
	on_state(NULL);
	glb_touch_next_hops(d.config, d.placement);
	wf_timer_set(t, 1000, on_second, NULL);
}

/* --- commands -------------------------------------------------------------------------------- */

static const char *
node_state(uint32_t id, void *aux)
{
	int flags = glb_datapath_node_flags(d.dp, id);
	static char shedding[64];

	snprintf(shedding, sizeof shedding, " (%d of 256 slots give new flows to others)", flags >> 16);
	return flags < 0 ? " (not in use here)" : flags & GLB_NODE_DEAD ? " (dead)" :
	       flags & GLB_NODE_SUSPECT ? " (does not answer)" :
	       flags & GLB_NODE_DRAIN ? " (drains)" : flags >> 16 ? shedding : "";
}

static void
show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	static const char *const roles[] = { "edge", "local", "host" };
	struct wf_str s = WF_STR_INIT;
	char address[GLB_PREFIX_TEXT];

	wf_str_put(&s, "roles:");
	for (unsigned r = 0; r < GLB_N_ROLES; r++)
		if (d.config->role[r])
			wf_str_fmt(&s, " %s", roles[r]);
	wf_str_fmt(&s, "\ndocument: %u (%s)\n", d.placement->number, d.config->placement);
	if (d.placement->key_step != PLC_KEY_ONE)
		wf_str_fmt(&s, "hash key: changes, %s\n", plc_key_step_name(d.placement->key_step));
	for (size_t i = 0; i < d.config->n_vips; i++) {
		const struct glb_vip_config *v = &d.config->vips[i];

		wf_str_fmt(&s, "vip %s %s %u: pool %s", glb_prefix_text(&v->address, v->len, address),
			   v->protocol == IPPROTO_TCP ? "tcp" : v->protocol == IPPROTO_UDP ? "udp" : "any",
			   v->port, v->pool);
		if (v->pool != glb_fallback_pool(v))
			wf_str_fmt(&s, " (down), served by %s", v->fallback);
		if (v->mss)
			wf_str_fmt(&s, ", MSS at most %u", v->mss);
		wf_str_putc(&s, '\n');
	}
	for (size_t i = 0; i < d.placement->n_nodes; i++) {
		const struct plc_node *n = &d.placement->nodes[i];

		if (!n->gone)
			wf_str_fmt(&s, "%s %s (id %u): %s%s%s%s\n", n->kind == PLC_SITE ? "site" : "server", n->name,
				   n->id, glb_address_text(&n->address, address), n->encap ? " by " : "",
				   n->encap ? plc_encap_name(n->encap) : "", node_state(n->id, NULL));
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
put_count(struct wf_str *s, const char *kind, const char *name, struct glb_count c)
{
	if (c.packets)
		wf_str_fmt(s, "%-6s %-24s %12llu packets %15llu bytes\n", kind, name,
			   (unsigned long long)c.packets, (unsigned long long)c.bytes);
}

static void
top(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	char address[GLB_PREFIX_TEXT];

	for (uint32_t i = 0; i < GLB_N_STATS; i++)
		put_count(&s, "all", stat_names[i], glb_datapath_count(d.dp, GLB_COUNT_STATS, i));
	for (uint32_t i = 0; i < d.config->n_vips; i++) {
		char *name = wf_xasprintf("%s:%u", glb_prefix_text(&d.config->vips[i].address,
									   d.config->vips[i].len, address),
					  d.config->vips[i].port);

		put_count(&s, "vip", name, glb_datapath_count(d.dp, GLB_COUNT_VIPS, i));
		free(name);
	}
	for (size_t i = 0; i < d.placement->n_nodes; i++) {
		const struct plc_node *n = &d.placement->nodes[i];

		if (!n->gone)
			put_count(&s, n->kind == PLC_SITE ? "site" : "server", n->name,
				  glb_datapath_node_count(d.dp, n->id));
	}
	for (uint32_t i = 0; i < GLB_N_DROPS; i++) {
		struct glb_count c = glb_datapath_count(d.dp, GLB_COUNT_DROPS, i);

		if (c.packets)
			wf_str_fmt(&s, "drop   %-24s %12llu packets: %s\n", drop_names[i],
				   (unsigned long long)c.packets, drop_texts[i]);
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
why(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct why_packet k = { .protocol = IPPROTO_TCP };
	struct wf_str s = WF_STR_INIT;

	if (!glb_endpoint_parse(argv[1], &k.client, &k.client_port) ||
	    !glb_endpoint_parse(argv[2], &k.vip, &k.vip_port)) {
		unixctl_reply_error(conn, "an end is ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
		return;
	}
	for (int i = 3; i < argc; i++)
		if (!strcmp(argv[i], "udp"))
			k.protocol = IPPROTO_UDP;
		else if (!strcmp(argv[i], "syn"))
			k.opens = true;
		else if (strcmp(argv[i], "tcp")) {
			unixctl_reply_error(conn, "what follows the ends is tcp, udp or syn");
			return;
		}
	glb_why(d.config, d.placement, d.sites, &k, node_state, NULL, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
mark(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	static const char *const words[] = { "up", "drain", "dead" };
	static const unsigned flags[] = { 0, GLB_NODE_DRAIN, GLB_NODE_DEAD };
	const struct plc_node *n = plc_node_by_name(d.placement, PLC_SERVER, argv[1]);
	char *end = NULL;
	long seconds = argc > 3 ? strtol(argv[3], &end, 10) : 0;
	unsigned word = 0;

	n = n ? n : plc_node_by_name(d.placement, PLC_SITE, argv[1]);
	while (word < 3 && strcmp(argv[2], words[word]))
		word++;
	if (!n)
		unixctl_reply_error(conn, "no server or site of that name in the document");
	else if (word == 3)
		unixctl_reply_error(conn, "a state is up, drain or dead");
	else if (argc > 3 && (word != GLB_MARK_DRAIN || *end || seconds < 1))
		unixctl_reply_error(conn, "a drain can have a deadline, in whole seconds");
	else if (glb_health_mark(d.health, n->id, word) && glb_datapath_mark(d.dp, n->id, flags[word], 0))
		unixctl_reply_error(conn, "not in use here");
	else {
		d.times[n->id].held = false;
		d.times[n->id].dead = word == GLB_MARK_DEAD;
		d.times[n->id].deadline = seconds ? wf_now_ms() + seconds * 1000 : 0;
		on_state(NULL);
		unixctl_reply(conn, NULL);
	}
}

static void
announced(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	glb_announce_show(d.config, argc > 1 && !strcmp(argv[1], "plain"), &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* 'aux' is NULL to withdraw. */
static void
announce(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (!d.config->announce) {
		unixctl_reply_error(conn, "nothing is announced: the configuration has no \"announce\"");
	} else if (glb_announce_set(d.config, argc > 1 ? argv[1] : "", aux != NULL)) {
		unixctl_reply_error(conn, "no address of ours; glb/announced lists them");
	} else {
		glb_announce_update(d.config, d.health);
		unixctl_reply(conn, NULL);
	}
}

static void
on_stop(struct wf_timer *t)
{
	wf_loop_stop();
}

static void
stop(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (d.config->announce) {
		glb_announce_set(d.config, "", false);
		glb_announce_update(d.config, d.health);
	}
	unixctl_reply(conn, NULL);
	/* The world needs its time to go elsewhere; meanwhile all goes on. */
	wf_timer_set(&d.stop, d.config->announce ? d.config->withdraw_ms + 10 : 10, on_stop, NULL);
}

static void
reload(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_err err = { "" };

	if (bring_up(&err))
		unixctl_reply_error(conn, err.text);
	else
		unixctl_reply(conn, NULL);
}

static void
doctor(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	unsigned n = glb_doctor(d.config, &s);

	wf_str_fmt(&s, n ? "%u to mend\n" : "nothing to mend\n", n);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
capture_poll(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	/* 'aux': and no more. */
	if (aux)
		glb_capture_stop();
	glb_capture_poll(&s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* FILE pcapng|json ONE-IN COUNT VIP|any REASON|drops|any */
static void
capture(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct glb_capture_args a = { .path = argv[1], .json = !strcmp(argv[2], "json") };
	struct wf_err err = { "" };
	char *bad;

	a.want.one_in = (uint32_t)strtoul(argv[3], &bad, 10);
	if (*bad || !a.want.one_in)
		wf_err(&err, -EINVAL, "--sample: %s: is 1 or more", argv[3]);
	a.count = strtoull(argv[4], &bad, 10);
	if (*bad)
		wf_err(&err, -EINVAL, "--count: %s: is a number", argv[4]);
	if (strcmp(argv[5], "any") && !glb_address_parse(argv[5], &a.want.vip))
		wf_err(&err, -EINVAL, "--vip: %s: is an IPv4 or IPv6 address", argv[5]);
	if (!strcmp(argv[6], "drops"))
		a.want.drop = GLB_CAPTURE_DROPS;
	for (uint32_t i = 0; i < GLB_N_DROPS; i++)
		if (!strcmp(argv[6], drop_names[i]))
			a.want.drop = i + 1;
	if (!a.want.drop && strcmp(argv[6], "any"))
		wf_err(&err, -EINVAL, "--drop: %s: is no reason of a drop (any; the metrics weft_glb_drop_packets_total "
		       "name them all)", argv[6]);
	if (err.text[0] || glb_capture_start(&d.dp, &a, &err))
		unixctl_reply_error(conn, err.text);
	else
		unixctl_reply(conn, NULL);
}

int
glb_daemon_init(const char *path, struct wf_err *err)
{
	int rc;

	d.path = wf_xstrdup(path);
	d.health = glb_health_new(on_state);
	rc = bring_up(err);
	if (rc)
		return rc;
	on_second(&d.second);
	unixctl_command("glb/show", "", 0, 0, show, NULL);
	unixctl_command("glb/top", "", 0, 0, top, NULL);
	unixctl_command("glb/why", "CLIENT[:PORT] VIP[:PORT] [tcp|udp] [syn]", 2, 4, why, NULL);
	unixctl_command("glb/mark", "NAME up|drain [SECONDS]|dead", 2, 3, mark, NULL);
	unixctl_command("glb/reload", "", 0, 0, reload, NULL);
	unixctl_command("glb/doctor", "", 0, 0, doctor, NULL);
	unixctl_command("glb/announced", "[plain]", 0, 1, announced, NULL);
	unixctl_command("glb/announce", "[ADDRESS]", 0, 1, announce, &d);
	unixctl_command("glb/withdraw", "[ADDRESS]", 0, 1, announce, NULL);
	unixctl_command("glb/stop", "", 0, 0, stop, NULL);
	unixctl_command("glb/capture", "FILE pcapng|json ONE-IN COUNT VIP|any REASON|drops|any", 6, 6, capture, NULL);
	unixctl_command("glb/capture-poll", "", 0, 0, capture_poll, NULL);
	unixctl_command("glb/capture-stop", "", 0, 0, capture_poll, &d);
	/* A daemon that was killed may have left it on. */
	glb_datapath_capture(d.dp, NULL);
	return 0;
}

void
glb_daemon_done(void)
{
	glb_capture_stop();
	wf_metrics_stop();
	wf_timer_cancel(&d.second);
	wf_timer_cancel(&d.stop);
	glb_fallback_done();
	glb_health_free(d.health);
	glb_sites_free(d.sites);
	free(d.times);
	free(d.rates);
	glb_datapath_close(d.dp);
	plc_free(d.placement);
	glb_config_free(d.config);
	free(d.path);
}
