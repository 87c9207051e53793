// SPDX-License-Identifier: Apache-2.0
/* knot.conf: server, keys, remotes, access lists, zones and their templates. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/import/knot_internal.h"

/* The map of an 'id' in a section. */
static const struct imp_value *
by_id(const struct knot *k, const char *section, const char *id)
{
	const struct imp_value *list = imp_get(k->root, section);

	for (size_t i = 0; i < imp_len(list); i++)
		if (!strcmp(imp_str(imp_at(list, i), "id", ""), id))
			return imp_at(list, i);
	return NULL;
}

static bool
is_one_of(const char *key, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(*list, key))
			return true;
	return false;
}

static void
name_others(struct knot *k, const struct imp_value *map, const char *what, const char *const *known)
{
	for (size_t i = 0; map && map->kind == IMP_MAP && i < map->n; i++)
		if (!is_one_of(map->keys[i], known))
			imp_note(k->in, map->values[i], "%s: %s is not taken over", what, map->keys[i]);
}

/* "ADDRESS" or "ADDRESS@PORT".  NULL: no address. */
static const char *
address(struct knot *k, const struct imp_value *v, unsigned *port)
{
	char *text, *at;

	*port = 0;
	if (v->kind != IMP_STRING)
		return NULL;
	text = imp_text(&k->t, "%s", v->text);
	at = strchr(text, '@');
	if (at) {
		*at = '\0';
		*port = (unsigned)strtoul(at + 1, NULL, 10);
	}
	return imp_is_ipv4(text) || imp_is_ipv6(text) ? text : NULL;
}

/* --- server, keys --------------------------------------------------------------------------------------------- */

static void
server(struct knot *k)
{
	static const char *const known[] = { "listen", "udp-max-payload", "nsid", "edns-client-subnet", "rundir", "user", "pidfile", "udp-workers",
					     "tcp-workers", "background-workers", "async-start", NULL };
	const struct imp_value *s = imp_get(k->root, "server"), *listen;
	unsigned port = 0, own;
	double n;

	if (s && s->kind == IMP_LIST && s->n)
		s = s->values[0];
	listen = imp_get(s, "listen");
	for (size_t i = 0; i < imp_len(listen); i++) {
		const char *a = address(k, imp_at(listen, i), &own);

		if (!a) {
			imp_note(k->in, listen, "listen: \"%s\" is no address", imp_at(listen, i)->text ? imp_at(listen, i)->text : "");
			continue;
		}
		if (own && port && own != port)
			imp_note(k->in, listen, "listen %s: all addresses have one port, %u", a, port);
		else if (own)
			port = own;
		imp_append(imp_list(k->in->dns, "listen"), a);
	}
	if (port && port <= 65535 && port != 53)
		imp_set_int(k->in->dns, "port", port);
	if (imp_number(imp_get(s, "udp-max-payload"), &n) && n >= 512 && n <= 4096)
		imp_set_int(k->in->dns, "udp-size-limit", (json_int_t)n);
	if (imp_str(s, "nsid", "")[0])
		imp_set(k->in->dns, "nsid", imp_str(s, "nsid", ""));
	k->takes_subnets = imp_true(s, "edns-client-subnet");
	name_others(k, s, "server", known);
}

static void
keys(struct knot *k)
{
	static const char *const algorithms[] = { "hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512", NULL };
	const struct imp_value *list = imp_get(k->root, "key");

	for (size_t i = 0; i < imp_len(list); i++) {
		const struct imp_value *v = imp_at(list, i);
		const char *id = imp_str(v, "id", ""), *algorithm = imp_str(v, "algorithm", "");
		json_t *key;

		if (!is_one_of(algorithm, algorithms)) {
			imp_note(k->in, v, "key %s: algorithm %s is not known here; who needs the key is refused", id, algorithm);
			continue;
		}
		key = imp_add(imp_list(k->in->dns, "key"), id);
		imp_set(key, "algorithm", algorithm);
		imp_set(key, "secret", imp_str(v, "secret", ""));
	}
}

static bool
has_key(const struct knot *k, const char *name)
{
	json_t *list = json_object_get(k->in->dns, "key");

	return list && imp_find(list, name);
}

/* --- peers and access lists --------------------------------------------------------------------------------- */

/* Remotes, and groups of them, as a list of addresses with port and key. */
static void
peers(struct knot *k, const struct imp_value *ids, json_t *to)
{
	for (size_t i = 0; i < imp_len(ids); i++) {
		const struct imp_value *id = imp_at(ids, i), *remote, *list;

		if (id->kind != IMP_STRING)
			continue;
		remote = by_id(k, "remote", id->text);
		list = imp_get(remote ? remote : by_id(k, "remotes", id->text), remote ? "address" : "remote");
		if (!list) {
			imp_note(k->in, id, "remote %s: is not defined", id->text);
			continue;
		}
		if (!remote) {
			/* A group's members are no groups. */
			for (size_t m = 0; m < imp_len(list); m++)
				if (imp_at(list, m)->kind == IMP_STRING && by_id(k, "remote", imp_at(list, m)->text))
					peers(k, imp_at(list, m), to);
			continue;
		}
		if (imp_get(remote, "cert-key") || imp_true(remote, "tls") || imp_true(remote, "quic")) {
			imp_note(k->in, remote, "remote %s: transfers over TLS and QUIC are not built here, it is left out", id->text);
			continue;
		}
		for (size_t a = 0; a < imp_len(list); a++) {
			unsigned port;
			const char *text = address(k, imp_at(list, a), &port), *key = imp_str(remote, "key", NULL);
			json_t *peer;

			if (!text) {
				imp_note(k->in, list, "remote %s: an address is expected", id->text);
				continue;
			}
			if (key && !has_key(k, key)) {
				imp_note(k->in, remote, "remote %s: its key %s is not there, it is left out", id->text, key);
				continue;
			}
			peer = json_object();
			imp_set(peer, "address", text);
			if (port && port <= 65535)
				imp_set_int(peer, "port", port);
			if (key)
				imp_set(peer, "key", key);
			json_array_append_new(to, peer);
		}
	}
}

/* Whether all that a rule asks for is understood: what is not asked for lets more in. */
static bool
is_understood(struct knot *k, const struct imp_value *rule, const char *id)
{
	static const char *const known[] = {
		"id", "comment", "address", "key", "remote", "action", "deny", "update-type", "update-owner", "update-owner-match",
		"update-owner-name",
	};

	for (size_t i = 0; i < rule->n; i++) {
		bool found = false;

		for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
			found |= rule->keys[i] && !strcmp(rule->keys[i], known[j]);
		if (!found) {
			imp_note(k->in, rule, "acl %s: \"%s\" is not built here, the rule is left out", id,
				 rule->keys[i] ? rule->keys[i] : "");
			return false;
		}
	}
	return true;
}

static void
cut_to(json_t *array, size_t n)
{
	while (json_array_size(array) > n)
		json_array_remove(array, json_array_size(array) - 1);
}

/* What rules for one action allow, as one set of addresses and one of keys. */
static void
access_of(struct knot *k, const struct imp_value *ids, const char *action, json_t *ret)
{
	json_t *addresses = json_array(), *names = json_array();
	unsigned n_rules = 0, n_open = 0, n_any = 0, own_keys;
	bool differ = false;
	size_t i, a;

	for (i = 0; i < imp_len(ids); i++) {
		const struct imp_value *id = imp_at(ids, i), *rule, *actions, *list;
		bool applies = false, with_key;
		size_t before_a = json_array_size(addresses), before_k = json_array_size(names);

		rule = id->kind == IMP_STRING ? by_id(k, "acl", id->text) : NULL;
		if (!rule) {
			imp_note(k->in, id, "acl %s: is not defined", id->kind == IMP_STRING ? id->text : "");
			continue;
		}
		actions = imp_get(rule, "action");
		for (a = 0; a < imp_len(actions); a++) {
			const char *one = imp_at(actions, a)->kind == IMP_STRING ? imp_at(actions, a)->text : "";

			applies |= !strcmp(one, action);
			if (!strcmp(one, "update"))
				imp_note(k->in, actions, "acl %s: there is no dynamic update", id->text);
		}
		if (imp_true(rule, "deny")) {
			if (!applies && imp_len(actions))
				continue;
			/* The first rule that matches decides, so those before it stay as they are. */
			imp_note(k->in, rule, "acl %s: deny is not taken over, nor are the rules behind it: name who may instead",
				 id->text);
			break;
		}
		if (!applies || !is_understood(k, rule, id->text))
			continue;
		n_rules++;
		own_keys = 0;
		list = imp_get(rule, "address");
		for (a = 0; a < imp_len(list); a++) {
			const struct imp_value *v = imp_at(list, a);
			struct pol_prefix p;

			if (v->kind == IMP_STRING && !pol_prefix_parse(v->text, &p, NULL))
				imp_append(addresses, v->text);
			else
				imp_note(k->in, v, "acl %s: \"%s\" is no prefix; ranges are not taken over", id->text,
					 v->kind == IMP_STRING ? v->text : "");
		}
		if (list && json_array_size(addresses) == before_a) {
			imp_note(k->in, rule, "acl %s: has no address that is left, it is left out", id->text);
			n_rules--;
			continue;
		}
		list = imp_get(rule, "key");
		with_key = list;
		for (a = 0; a < imp_len(list); a++)
			if (imp_at(list, a)->kind == IMP_STRING && has_key(k, imp_at(list, a)->text)) {
				imp_append(names, imp_at(list, a)->text);
				own_keys++;
			}
		list = imp_get(rule, "remote");
		if (list) {
			json_t *of_remotes = json_array(), *peer;

			peers(k, list, of_remotes);
			if (!json_array_size(of_remotes)) {
				/* Without an address it would be a rule for everybody. */
				imp_note(k->in, rule, "acl %s: none of its remotes is left, it is left out", id->text);
				json_decref(of_remotes);
				cut_to(addresses, before_a);
				cut_to(names, before_k);
				n_rules--;
				continue;
			}
			json_array_foreach(of_remotes, a, peer)
			{
				imp_append(addresses, json_string_value(json_object_get(peer, "address")));
				if (!json_object_get(peer, "key"))
					continue;
				imp_append(names, json_string_value(json_object_get(peer, "key")));
				with_key = true;
				own_keys++;
			}
			json_decref(of_remotes);
		}
		if (with_key && !own_keys) {
			imp_note(k->in, rule, "acl %s: none of its keys is there, it is left out", id->text);
			cut_to(addresses, before_a);
			n_rules--;
			continue;
		}
		n_open += !with_key;
		n_any += !imp_get(rule, "address") && !imp_get(rule, "remote");
		differ |= n_rules > 1 && (json_array_size(addresses) != before_a || json_array_size(names) != before_k);
	}
	if (differ && json_array_size(names))
		imp_note(k->in, ids, "%s: the rules become one: any of their addresses with any of their keys", action);
	if (n_open && json_array_size(names))
		imp_note(k->in, ids, "%s: who needed no key needs one now", action);
	if (n_any && n_any < n_rules && json_array_size(addresses))
		imp_note(k->in, ids, "%s: who could come from anywhere must come from one of the addresses now", action);
	if (n_rules && !json_array_size(addresses) && !json_array_size(names)) {
		imp_append(addresses, "0.0.0.0/0");
		imp_append(addresses, "::/0");
	}
	if (json_array_size(addresses))
		json_object_set(ret, "address", addresses);
	if (json_array_size(names))
		json_object_set(ret, "key", names);
	json_decref(addresses);
	json_decref(names);
}

/* --- zones ---------------------------------------------------------------------------------------------------- */

struct levels {
	const struct imp_value *zone, *templ, *standard;
};

static const struct imp_value *
item(const struct levels *l, const char *key)
{
	const struct imp_value *v = imp_get(l->zone, key);

	v = v ? v : imp_get(l->templ, key);
	return v ? v : imp_get(l->standard, key);
}

/* The path of the zone file: %s is the name, without the dot at the end. */
static const char *
zone_path(struct knot *k, const struct levels *l, const char *apex)
{
	const struct imp_value *file = item(l, "file"), *storage = item(l, "storage");
	const char *pattern = file && file->kind == IMP_STRING ? file->text : "%s.zone";
	struct wf_str s = WF_STR_INIT;
	const char *path;

	for (const char *p = pattern; *p; p++) {
		if (*p != '%') {
			wf_str_putc(&s, *p);
		} else if (*++p == 's') {
			wf_str_putn(&s, apex, strlen(apex) > 1 ? strlen(apex) - 1 : 0);
		} else if (*p == '%') {
			wf_str_putc(&s, '%');
		} else {
			imp_note(k->in, file, "file: %%%c is not known here", *p);
			break;
		}
	}
	path = imp_text(&k->t, "%s", wf_str_cstr(&s));
	wf_str_done(&s);
	if (path[0] != '/')
		path = imp_text(&k->t, "%s/%s", storage && storage->kind == IMP_STRING ? storage->text : "/var/lib/knot", path);
	return path;
}

static void
modules(struct knot *k, const struct levels *l, json_t *zone, const char *apex)
{
	static const char *const silent[] = { "mod-cookies", "mod-stats", "mod-whoami", NULL };
	const struct imp_value *list[2] = { item(l, "module"), imp_get(l->standard, "global-module") };

	for (unsigned s = 0; s < 2; s++)
		for (size_t i = 0; i < imp_len(list[s]); i++) {
			const struct imp_value *v = imp_at(list[s], i), *module;
			const char *text = v->kind == IMP_STRING && v->text ? v->text : "", *slash = strchr(text, '/');
			double n;

			module = slash ? by_id(k, imp_text(&k->t, "%.*s", (int)(slash - text), text), slash + 1) : NULL;
			if (!strncmp(text, "mod-geoip/", 10) && module) {
				knot_geo_zone(k, module, zone, apex);
			} else if (!strncmp(text, "mod-rrl/", 8) && module) {
				json_t *limit = imp_object(k->in->dns, "rate-limit");

				if (imp_number(imp_get(module, "rate-limit"), &n) && n >= 0 && n <= 1000000)
					imp_set_int(limit, "responses-per-second", (json_int_t)n);
				if (imp_number(imp_get(module, "slip"), &n) && n >= 0 && n <= 255)
					imp_set_int(limit, "slip", (json_int_t)n);
			} else if (!is_one_of(text, silent) && strncmp(text, "mod-cookies/", 12) && strncmp(text, "mod-stats/", 10)) {
				imp_note(k->in, v, "module %s: is not %s", text, slash && !module ? "defined" : "taken over");
			}
		}
}

static int
read_zone(struct knot *k, const struct levels *l, const char *domain, struct wf_err *err)
{
	static const char *const known[] = { "domain", "template", "id", "storage", "file", "master", "notify", "acl", "module",
					     "global-module", "semantic-checks", "default-ttl", "zonefile-sync", "zonefile-load",
					     "journal-content", "journal-max-usage", "journal-max-depth", "catalog-role", "comment",
					     "serial-policy", "dnssec-signing", NULL };
	const struct imp_value *role = item(l, "catalog-role"), *ttl = item(l, "default-ttl");
	size_t n_names = k->n_names, n = strlen(domain);
	char *apex = imp_text(&k->t, "%s%s", domain, n && domain[n - 1] == '.' ? "" : ".");
	const char *path = zone_path(k, l, apex);
	json_t *zone, *rule;
	double default_ttl = 3600;
	int rc = 0;

	for (char *c = apex; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	zone = imp_add(imp_list(k->in->dns, "zone"), apex);
	name_others(k, l->zone, domain, known);
	name_others(k, l->templ, "template", known);
	name_others(k, l->standard, "template default", known);
	if (imp_len(item(l, "master"))) {
		json_t *primaries = json_array();

		peers(k, item(l, "master"), primaries);
		if (!json_array_size(primaries))
			rc = wf_err(err, -EINVAL, "%s:%u: zone %s: none of its masters can be taken over", l->zone->file,
				    l->zone->line, domain);
		json_object_set_new(zone, "primary", primaries);
		rule = json_object();
		access_of(k, item(l, "acl"), "notify", rule);
		if (json_object_size(rule))
			json_object_set(zone, "notify-from", rule);
		json_decref(rule);
		if (role && role->kind == IMP_STRING && !strcmp(role->text, "interpret"))
			json_object_set_new(zone, "catalog", json_true());
	} else {
		imp_set(zone, "file", path);
	}
	if (role && role->kind == IMP_STRING && strcmp(role->text, "interpret") && strcmp(role->text, "none"))
		imp_note(k->in, role, "zone %s: catalog-role %s is not taken over: a catalog is not made here", domain, role->text);
	if (item(l, "dnssec-signing") && item(l, "dnssec-signing")->kind == IMP_STRING &&
	    !strcmp(item(l, "dnssec-signing")->text, "on"))
		imp_note(k->in, item(l, "dnssec-signing"), "zone %s: is not signed yet: make keys (weftctl dns key generate %s), add "
			 "\"dnssec\": {}, and let the parent know them before you change over", domain, domain);
	rule = json_object();
	access_of(k, item(l, "acl"), "transfer", rule);
	if (json_object_size(rule))
		json_object_set(zone, "transfer", rule);
	json_decref(rule);
	if (imp_len(item(l, "notify"))) {
		json_t *secondaries = json_array();

		peers(k, item(l, "notify"), secondaries);
		json_object_set_new(zone, "notify", secondaries);
	}
	modules(k, l, zone, apex);
	imp_number(ttl, &default_ttl);
	if (!rc && k->n_names > n_names) {
		if (json_object_get(zone, "primary")) {
			imp_note(k->in, l->zone, "zone %s: comes from a master, so it has no chosen names here", domain);
			k->n_names = n_names;
			return 0;
		}
		/* Its own sets of chosen names go to the policies. */
		struct imp_file *f = imp_file_new(k->in, imp_text(&k->t, "%szone", apex));

		for (char *c = f->name; *c; c++)
			*c = *c == '/' ? '_' : *c;
		imp_set(zone, "file", f->name);
		rc = imp_zone_file(&k->t, path, apex, (unsigned)default_ttl, false, &f->text, knot_geo_record, k, err);
	}
	return rc;
}

static int
zones(struct knot *k, struct wf_err *err)
{
	const struct imp_value *list = imp_get(k->root, "zone");
	int rc = 0;

	for (size_t i = 0; i < imp_len(list) && !rc; i++) {
		const struct imp_value *z = imp_at(list, i);
		const char *domain = imp_str(z, "domain", NULL), *templ = imp_str(z, "template", NULL);
		struct levels l = { z, templ ? by_id(k, "template", templ) : NULL, by_id(k, "template", "default") };

		if (!domain) {
			imp_note(k->in, z, "zone: has no domain");
			continue;
		}
		if (templ && !l.templ)
			imp_note(k->in, z, "zone %s: template %s is not defined", domain, templ);
		/* The standard template is for zones that name none. */
		if (l.templ)
			l.standard = NULL;
		rc = read_zone(k, &l, domain, err);
	}
	return rc;
}

int
dns_import_knot(struct dns_import *in, const char *file, struct wf_err *err)
{
	static const char *const known[] = { "server", "key", "remote", "remotes", "acl", "template", "zone", "log", "database",
					     "control", "statistics", "mod-geoip", "mod-rrl", "mod-cookies", "mod-stats", NULL };
	struct knot k = { .in = in, .t = IMP_TREE_INIT };
	int rc = -EINVAL;

	in->dns = json_object();
	k.root = imp_yaml_read(&k.t, file, err);
	if (k.root) {
		name_others(&k, k.root, "section", known);
		server(&k);
		keys(&k);
		rc = zones(&k, err);
		if (!rc)
			knot_geo_put(&k);
	}
	free(k.names);
	imp_nets_done(&k.nets);
	imp_tree_done(&k.t);
	return rc;
}
