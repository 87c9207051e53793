// SPDX-License-Identifier: Apache-2.0
/* gdnsd's configuration: service types -> probes, resources -> pools, DYNA and DYNC records -> policies. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "dns/import/gdnsd_internal.h"

/* --- service types ------------------------------------------------------------------------------------- */

static unsigned
param(struct gdnsd *g, const struct imp_value *type, const char *key, unsigned otherwise, unsigned max)
{
	const struct imp_value *v = imp_get(type, key);
	double n;

	if (!v)
		return otherwise;
	if (!imp_number(v, &n) || n < 1 || n > 65535) {
		imp_note(g->in, v, "%s: is no number that it can have; %u is taken", key, otherwise);
		return otherwise;
	}
	if (n > max) {
		imp_note(g->in, v, "%s %g: %u is the most there is here", key, n, max);
		n = max;
	}
	return (unsigned)n;
}

static void
http_probe(struct gdnsd *g, json_t *probe, const struct imp_value *type)
{
	const struct imp_value *codes = imp_get(type, "ok_codes");
	double low = 200, high = 200, n;

	imp_set(probe, "type", "http");
	imp_set_int(probe, "port", param(g, type, "port", 80, 65535));
	imp_set(probe, "path", imp_str(type, "url_path", "/"));
	if (imp_get(type, "vhost"))
		imp_set(probe, "host", imp_str(type, "vhost", ""));
	for (size_t i = 0; i < imp_len(codes); i++)
		if (imp_number(imp_at(codes, i), &n) && n >= 100 && n <= 599) {
			low = !i || n < low ? n : low;
			high = !i || n > high ? n : high;
		}
	if (high - low + 1 > (double)imp_len(codes) && codes)
		imp_note(g->in, codes, "ok_codes: a probe has one range, %g-%g is taken", low, high);
	imp_set(probe, "status", low == high ? imp_text(&g->t, "%g", low) : imp_text(&g->t, "%g-%g", low, high));
}

static void
extmon_probe(struct gdnsd *g, json_t *probe, const struct imp_value *type)
{
	const struct imp_value *cmd = imp_get(type, "cmd");

	imp_set(probe, "type", "script");
	imp_set(probe, "script", imp_len(cmd) && imp_at(cmd, 0)->kind == IMP_STRING ? imp_at(cmd, 0)->text : "/bin/false");
	if (imp_len(cmd) != 2 || imp_at(cmd, 1)->kind != IMP_STRING || strcmp(imp_at(cmd, 1)->text, "%%ITEM%%"))
		imp_note(g->in, cmd ? cmd : type, "the arguments of the command are not taken over: a script gets ADDRESS PORT POOL MEMBER");
}

/* Health that another program writes: the file has another form here. */
static void
extfile_feed(struct gdnsd *g, const char *name, const struct imp_value *type)
{
	json_t *feeds = imp_list(imp_object(g->in->dns, "health"), "feed");
	const char *file = imp_str(type, "file", "");
	char *path = imp_text(&g->t, "%s%s.json", file[0] == '/' ? "" : "/var/lib/gdnsd/extfile/", file);

	if (!imp_find(feeds, name))
		imp_set(imp_add(feeds, name), "file", path);
	imp_note(g->in, type, "service type %s: what writes %s must write lines of weft-health to %s (docs/policy.md); "
		 "def_down, direct and TTLs are not taken over", name, file, path);
}

const char *
gdnsd_probe(struct gdnsd *g, const struct imp_value *ref, const char *service, unsigned *state_s)
{
	const struct imp_value *type = imp_get(imp_get(g->root, "service_types"), service);
	const char *plugin = imp_str(type, "plugin", ""), *name = imp_name(&g->t, service);
	unsigned interval, fall;
	json_t *probes, *probe;
	double timeout;

	if (!type) {
		if (!strcmp(service, "down"))
			imp_note(g->in, ref, "service type down: nothing is always down here; weftctl's policy/force does it");
		else if (strcmp(service, "up"))
			imp_note(g->in, ref, "service type %s: is not defined; taken as up", service);
		return NULL;
	}
	interval = param(g, type, "interval", 10, 255);
	fall = param(g, type, "down_thresh", 10, 100);
	*state_s = interval * fall;
	if (!strcmp(plugin, "static") || !strcmp(plugin, "null")) {
		*state_s = 0;
		if (strcasecmp(imp_str(type, "state", "UP"), "UP") || plugin[0] == 'n')
			imp_note(g->in, ref, "service type %s: nothing is always down here; weftctl's policy/force does it", service);
		return NULL;
	}
	if (!strcmp(plugin, "extfile")) {
		if (!imp_find(imp_list(imp_object(g->in->dns, "health"), "feed"), name))
			extfile_feed(g, name, type);
		return NULL;
	}
	probes = imp_list(g->in->dns, "probe");
	if (imp_find(probes, name))
		return name;
	if (strcmp(plugin, "tcp_connect") && strcmp(plugin, "http_status") && strcmp(plugin, "extmon")) {
		imp_note(g->in, type, "service type %s: plugin %s is not taken over", service, plugin);
		*state_s = 0;
		return NULL;
	}
	probe = imp_add(probes, name);
	if (plugin[0] == 't') {
		imp_set(probe, "type", "tcp");
		imp_set_int(probe, "port", param(g, type, "port", 80, 65535));
	} else if (plugin[0] == 'h') {
		http_probe(g, probe, type);
	} else {
		extmon_probe(g, probe, type);
	}
	if (!imp_number(imp_get(type, "timeout"), &timeout))
		timeout = interval / 2.0;
	imp_set_int(probe, "interval-ms", interval * 1000);
	imp_set_int(probe, "timeout-ms", timeout < 0.01 ? 10 : timeout > 600 ? 600000 : lround(timeout * 1000));
	imp_set_int(probe, "rise", param(g, type, "up_thresh", 20, 100));
	imp_set_int(probe, "fall", fall);
	if (imp_get(type, "ok_thresh"))
		imp_note(g->in, imp_get(type, "ok_thresh"),
			 "ok_thresh is not taken over: failures must follow one another to count");
	return name;
}

/* --- options --------------------------------------------------------------------------------------------- */

static void
listen_on(struct gdnsd *g, const struct imp_value *v, const char *text, unsigned *port)
{
	json_t *listen = imp_list(g->in->dns, "listen");
	char *address = imp_text(&g->t, "%s", text), *colon = strrchr(address, ':');
	unsigned own = 0;

	if (!strcmp(text, "any")) {
		imp_append(listen, "0.0.0.0");
		imp_append(listen, "::");
		return;
	}
	if (address[0] == '[' && strchr(address, ']')) {
		char *end = strchr(address, ']');

		own = end[1] == ':' ? (unsigned)strtoul(end + 2, NULL, 10) : 0;
		*end = '\0';
		address++;
	} else if (colon && !imp_is_ipv6(address)) {
		own = (unsigned)strtoul(colon + 1, NULL, 10);
		*colon = '\0';
	}
	if (!imp_is_ipv4(address) && !imp_is_ipv6(address)) {
		imp_note(g->in, v, "listen %s: is no address", text);
		return;
	}
	if (own && *port && own != *port)
		imp_note(g->in, v, "listen %s: all addresses have one port, %u", text, *port);
	else if (own)
		*port = own;
	imp_append(listen, address);
}

static void
options(struct gdnsd *g)
{
	static const char *const known[] = { "listen", "dns_port", "zones_default_ttl", "max_edns_response", NULL };
	const struct imp_value *o = imp_get(g->root, "options"), *v = imp_get(o, "listen");
	unsigned port = 0;
	double n;

	if (imp_number(imp_get(o, "dns_port"), &n) && n >= 1 && n <= 65535)
		port = (unsigned)n;
	if (v && v->kind == IMP_MAP)
		for (size_t i = 0; i < v->n; i++)
			listen_on(g, v->values[i], v->keys[i], &port);
	else
		for (size_t i = 0; i < imp_len(v); i++)
			if (imp_at(v, i)->kind == IMP_STRING)
				listen_on(g, imp_at(v, i), imp_at(v, i)->text, &port);
	if (port && port != 53)
		imp_set_int(g->in->dns, "port", port);
	if (imp_number(imp_get(o, "max_edns_response"), &n) && n >= 512 && n <= 4096)
		imp_set_int(g->in->dns, "udp-size-limit", (json_int_t)n);
	g->default_ttl = 86400;
	if (imp_number(imp_get(o, "zones_default_ttl"), &n) && n >= 1 && n <= 0x7fffffff)
		g->default_ttl = (unsigned)n;
	for (size_t i = 0; o && o->kind == IMP_MAP && i < o->n; i++) {
		bool is_known = false;

		for (const char *const *k = known; *k; k++)
			is_known |= !strcmp(*k, o->keys[i]);
		if (!is_known)
			imp_note(g->in, o->values[i], "option %s is not taken over", o->keys[i]);
	}
}

/* --- zones ------------------------------------------------------------------------------------------------- */

/* 'what' is "plugin!resource", or "plugin!resource/datacenter". */
static bool
dyn_record(void *g_, const struct imp_record *d)
{
	struct gdnsd *g = g_;
	const struct gdnsd_policy *p;
	struct imp_value *at;
	json_t *chosen;
	unsigned ttl;

	if (strcasecmp(d->type, "DYNA") && strcasecmp(d->type, "DYNC"))
		return false;
	at = imp_value_new(&g->t, IMP_STRING, d->file, d->line);
	p = gdnsd_policy(g, at, d->data);
	if (!p) {
		imp_note(g->in, at, "%s %s is left out", d->owner, d->data);
		return true;
	}
	/* As gdnsd has it while all is well: no sooner than the state can change, within the record's bounds. */
	ttl = p->state_s && p->state_s < d->max_ttl ? p->state_s : d->max_ttl;
	ttl = ttl < d->min_ttl ? d->min_ttl : ttl;
	if (ttl > 86400) {
		imp_note(g->in, at, "TTL %u: 86400 is the most a chosen name has", ttl);
		ttl = 86400;
	}
	chosen = imp_add(imp_list(g->zone, "chosen"), d->owner);
	imp_set(chosen, "policy", p->name);
	imp_set_int(chosen, "ttl", ttl);
	return true;
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
zones(struct gdnsd *g, struct wf_err *err)
{
	const char *folder = imp_path(&g->t, g->root->file, "zones"), **names = NULL;
	DIR *dir = opendir(folder);
	struct dirent *e;
	size_t n = 0;
	int rc = 0;

	if (!dir)
		return wf_err(err, -errno, "%s: %s: zones are looked for there", folder, strerror(errno));
	while ((e = readdir(dir))) {
		struct stat st;

		if (e->d_name[0] == '.' || stat(imp_text(&g->t, "%s/%s", folder, e->d_name), &st) || !S_ISREG(st.st_mode))
			continue;
		names = wf_xrealloc(names, (n + 1) * sizeof *names);
		names[n++] = imp_text(&g->t, "%s", e->d_name);
	}
	closedir(dir);
	if (n)
		qsort(names, n, sizeof *names, name_cmp);
	for (size_t i = 0; i < n && !rc; i++) {
		char *zone = imp_text(&g->t, "%s%s", names[i], strcmp(names[i], "ROOT_ZONE") ? "." : ""), *end = zone + strlen(zone);
		struct imp_file *f = imp_file_new(g->in, imp_text(&g->t, "%s.zone", names[i]));

		if (end - zone > 1 && end[-2] == '.')
			end[-1] = '\0';
		if (!strcmp(names[i], "ROOT_ZONE"))
			strcpy(zone, ".");
		for (char *c = zone; *c; c++)
			*c = *c == '@' ? '/' : (char)tolower((unsigned char)*c);
		g->zone = imp_add(imp_list(g->in->dns, "zone"), zone);
		imp_set(g->zone, "file", f->name);
		rc = imp_zone_file(&g->t, imp_text(&g->t, "%s/%s", folder, names[i]), zone, g->default_ttl, true, &f->text,
				   dyn_record, g, err);
	}
	free(names);
	return rc;
}

int
dns_import_gdnsd(struct dns_import *in, const char *file, struct wf_err *err)
{
	struct gdnsd g = { .in = in, .t = IMP_TREE_INIT };
	struct stat st;
	int rc = -EINVAL;

	/* gdnsd itself is given a folder. */
	if (!stat(file, &st) && S_ISDIR(st.st_mode))
		file = imp_text(&g.t, "%s/config", file);
	in->dns = json_object();
	g.root = imp_vscf_read(&g.t, file, err);
	if (g.root) {
		for (size_t i = 0; i < g.root->n; i++)
			if (strcmp(g.root->keys[i], "options") && strcmp(g.root->keys[i], "service_types") &&
			    strcmp(g.root->keys[i], "plugins"))
				imp_note(in, g.root->values[i], "%s is not known", g.root->keys[i]);
		options(&g);
		gdnsd_maps(&g);
		rc = zones(&g, err);
	}
	free(g.made);
	imp_nets_done(&g.nets);
	imp_tree_done(&g.t);
	return rc;
}
