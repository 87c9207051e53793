// SPDX-License-Identifier: Apache-2.0
#include "dns/server/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/yang_config.h"
#include "dns/answer/transfer.h"
#include "dns/zone/build_zone.h"
#include "dns/zone/load.h"

static void
parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	}
}

static bool
parse_hex(const char *text, uint8_t *to, size_t n)
{
	for (size_t i = 0; text && i < n; i++)
		if (sscanf(text + 2 * i, "%2hhx", &to[i]) != 1)
			return false;
	return text;
}

static int
read_chosen(struct dns_zone_conf *zc, const json_t *list, const char *path, struct wf_err *err)
{
	size_t i;
	json_t *o;

	zc->chosen = wf_xzalloc((json_array_size(list) + 1) * sizeof *zc->chosen);
	json_array_foreach(list, i, o)
	{
		struct dns_chosen_conf *to = &zc->chosen[i];
		struct wf_err why = { "" };

		if (dns_name_from_text(&to->name, wf_json_str(o, "name", ""), zc->name.wire, &why))
			return wf_err(err, -EINVAL, "%s: zone %s: chosen: %s", path, zc->text, why.text);
		to->policy = wf_xstrdup(wf_json_str(o, "policy", ""));
		to->ttl = wf_json_u64(o, "ttl", 30);
		zc->n_chosen++;
	}
	return 0;
}

static void
read_notify(struct dns_zone_conf *zc, const json_t *list)
{
	size_t i;
	json_t *o;

	zc->notify = wf_xzalloc((json_array_size(list) + 1) * sizeof *zc->notify);
	json_array_foreach(list, i, o)
	{
		struct dns_notify_conf *to = &zc->notify[zc->n_notify++];

		parse_address(wf_json_str(o, "address", ""), wf_json_u64(o, "port", DNS_PORT), &to->to);
		to->key = wf_json_has(o, "key") && !dns_name_from_text(&to->key_name, wf_json_str(o, "key", ""), NULL, NULL);
	}
}

static void
read_dnssec(struct dns_zone_conf *zc, const json_t *o)
{
	zc->dnssec = o;
	zc->denial = strcmp(wf_json_str(o, "denial", "compact"), "nsec") ? DNS_DENIAL_COMPACT : DNS_DENIAL_NSEC;
	zc->dnskey_ttl = wf_json_u64(o, "dnskey-ttl", 3600);
	zc->signature_s = wf_json_u64(o, "signature-lifetime", 14 * 86400);
}

static int
read_zones(struct dns_conf *c, const json_t *zones, const char *path, struct wf_err *err)
{
	const char *slash = strrchr(path, '/');
	size_t i;
	json_t *z;

	c->zones = wf_xzalloc((json_array_size(zones) + 1) * sizeof *c->zones);
	json_array_foreach(zones, i, z)
	{
		struct dns_zone_conf *to = &c->zones[i];
		const char *name = wf_json_str(z, "name", ""), *file = wf_json_str(z, "file", "");
		struct wf_err why = { "" };
		int rc;

		/* Names in the configuration are absolute, with or without the last dot. */
		if (dns_name_from_text(&to->name, name, NULL, &why))
			return wf_err(err, -EINVAL, "%s: zone %s: %s", path, name, why.text);
		to->text = wf_xstrdup(name);
		c->n_zones++;
		rc = read_chosen(to, json_object_get(z, "chosen"), path, err);
		if (rc)
			return rc;
		read_notify(to, json_object_get(z, "notify"));
		read_dnssec(to, json_object_get(z, "dnssec"));
		to->file = file[0] == '/' || !slash ? wf_xstrdup(file) : wf_xasprintf("%.*s/%s", (int)(slash - path), path, file);
	}
	return 0;
}

static int
read_conf(struct dns_conf *c, const json_t *dns, const char *path, struct wf_err *err)
{
	const json_t *listen = json_object_get(dns, "listen"), *o;
	uint16_t port = wf_json_u64(dns, "port", DNS_PORT);
	const char *folder;
	size_t i;
	json_t *a;

	c->listen = wf_xzalloc((json_array_size(listen) + 1) * sizeof *c->listen);
	json_array_foreach(listen, i, a)
		parse_address(json_string_value(a), port, &c->listen[c->n_listen++]);
	c->workers = wf_json_u64(dns, "workers", 0);
	c->udp_limit = wf_json_u64(dns, "udp-size-limit", DNS_UDP_LIMIT);
	if (wf_json_has(dns, "nsid"))
		c->nsid = wf_xstrdup(wf_json_str(dns, "nsid", ""));
	if (c->nsid && strlen(c->nsid) > DNS_NSID_MAX)
		return wf_err(err, -EINVAL, "%s: /weft-dns:dns/nsid: \"%s\" is longer than %u bytes", path, c->nsid, DNS_NSID_MAX);
	o = json_object_get(dns, "cookies");
	c->cookies = wf_json_bool(o, "enabled", true);
	c->have_secret[0] = parse_hex(wf_json_str(o, "secret", NULL), c->secret[0], 16);
	c->have_secret[1] = parse_hex(wf_json_str(o, "previous-secret", NULL), c->secret[1], 16);
	o = json_object_get(dns, "rate-limit");
	c->limit_per_s = wf_json_u64(o, "responses-per-second", 0);
	c->limit_slip = wf_json_u64(o, "slip", 2);
	o = json_object_get(dns, "tcp");
	c->tcp_max = wf_json_u64(o, "max-connections", 2000);
	c->tcp_idle_s = wf_json_u64(o, "idle-timeout", 10);
	c->tcp_message_s = wf_json_u64(o, "message-timeout", 5);
	o = json_object_get(dns, "metrics");
	if (o) {
		c->metrics = true;
		parse_address(wf_json_str(o, "address", "127.0.0.1"), wf_json_u64(o, "port", 9153), &c->metrics_at);
	}
	o = json_object_get(dns, "dnssec");
	folder = wf_json_str(o, "key-folder", "keys");
	c->key_folder = folder[0] == '/' ? wf_xstrdup(folder) : wf_xasprintf("%s/%s", c->folder, folder);
	c->sign_per_s = wf_json_u64(o, "signatures-per-second", 5000);
	c->sign_cache = wf_json_u64(o, "signature-cache", 65536);
	return read_zones(c, json_object_get(dns, "zone"), path, err);
}

static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return wf_xstrdup(".");
	return slash == path ? wf_xstrdup("/") : wf_xasprintf("%.*s", (int)(slash - path), path);
}

int
dns_conf_load(const char *path, struct dns_conf **ret, struct wf_err *err)
{
	struct wf_yang *y = wf_yang_new((const char *const[]){ "weft-dns", NULL }, err);
	struct dns_conf *c;
	json_t *json = NULL;
	int rc;

	if (!y)
		return -EINVAL;
	rc = wf_yang_load_file(y, path, &json, err);
	wf_yang_free(y);
	if (rc)
		return rc;
	c = wf_xzalloc(sizeof *c);
	c->json = json_incref(json_object_get(json, "weft-dns:dns"));
	c->folder = folder_of(path);
	rc = read_conf(c, c->json, path, err);
	json_decref(json);
	if (rc) {
		dns_conf_free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void
dns_conf_free(struct dns_conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_zones; i++) {
		for (size_t k = 0; k < c->zones[i].n_chosen; k++)
			free(c->zones[i].chosen[k].policy);
		free(c->zones[i].chosen);
		free(c->zones[i].notify);
		free(c->zones[i].text);
		free(c->zones[i].file);
	}
	free(c->zones);
	free(c->listen);
	free(c->folder);
	free(c->key_folder);
	json_decref(c->json);
	free(c->nsid);
	free(c);
}

struct more {
	struct dns_view *view;
	const struct dns_conf *conf;
	const struct dns_zone_conf *zone;
};

/* The keys of a zone that is signed here, and the records that they make. */
static int
add_keys(const struct more *m, struct dns_zone_builder *b, struct wf_err *err)
{
	uint32_t now_s = wf_wall_ms() / 1000;
	struct dns_keyset *keys;
	int rc = dns_keyset_load(&m->zone->name, m->conf->key_folder, m->zone->dnskey_ttl,
				 m->zone->signature_s, now_s, &keys, err);

	if (rc)
		return rc;
	rc = dns_zone_builder_sign(b, keys, m->zone->denial, now_s, err);
	dns_keyset_unref(keys);
	return rc;
}

static int
add_more(void *arg, struct dns_zone_builder *b, struct wf_err *err)
{
	const struct more *m = arg;
	int bad = m->zone->dnssec ? add_keys(m, b, err) : 0;

	if (bad)
		return bad;

	for (size_t i = 0; i < m->zone->n_chosen; i++) {
		const struct dns_chosen_conf *c = &m->zone->chosen[i];
		struct pol_policy *policy = pol_find(m->view->pol, c->policy);
		uint16_t types[2];
		int n = dns_chosen_types(m->view->pol, policy, types, err);

		for (int k = 0; k < n; k++) {
			struct dns_chosen *chosen = dns_chosen_get(&m->view->chosen, m->view->pol,
								   policy, types[k], c->ttl);
			int rc = dns_zone_builder_add_chosen(b, &c->name, types[k], c->ttl, chosen,
							     err);

			if (rc)
				return rc;
		}
		if (n < 0)
			return n;
	}
	return 0;
}

/* Called by the policies, on the main thread, before answers change. */
static void
on_policy_change(void *arg, struct pol_policy *policy, bool after)
{
	struct dns_view *v = arg;

	if (!after)
		dns_chosen_extend(v->chosen, policy);
}

static int
load_policies(const struct dns_conf *c, const struct dns_view *old, struct dns_view *v,
	      struct wf_err *err)
{
	int rc;

	/* Once there were policies there is always an object for their health to be in. */
	if (!json_array_size(json_object_get(c->json, "policy")) && !(old && old->pol))
		return 0;
	rc = pol_build(c->json, c->folder, old ? old->pol : NULL, &v->pol, err);
	if (rc)
		return rc;
	v->places = pol_table(v->pol);
	pol_on_change(v->pol, on_policy_change, v);
	return 0;
}

static int
load_keys(const struct dns_conf *c, struct dns_view *v, struct wf_err *err)
{
	size_t i;
	json_t *o;

	json_array_foreach(json_object_get(c->json, "key"), i, o)
	{
		struct dns_key *k = wf_xzalloc(sizeof *k);
		const char *name = wf_json_str(o, "name", "");
		struct wf_err why = { "" };

		k->next = v->keys;
		v->keys = k;
		if (dns_name_from_text(&k->name, name, NULL, &why))
			return wf_err(err, -EINVAL, "key %s: %s", name, why.text);
		k->algorithm = dns_key_algorithm(wf_json_str(o, "algorithm", ""));
		if (!dns_key_set_secret(k, wf_json_str(o, "secret", "")))
			return wf_err(err, -EINVAL, "key %s: the secret is not base64 of 1 to %u bytes; make one with: openssl rand -base64 32", name, DNS_KEY_MAX);
	}
	return 0;
}

static const struct dns_key *
find_key(const struct dns_view *v, const char *text)
{
	struct dns_name name;

	if (!dns_name_from_text(&name, text, NULL, NULL))
		for (const struct dns_key *k = v->keys; k; k = k->next)
			if (k->name.size == name.size &&
			    !memcmp(k->name.wire, name.wire, name.size))
				return k;
	return NULL;
}

static int
load_transfer_rules(const struct dns_conf *c, struct dns_view *v, struct wf_err *err)
{
	const json_t *zones = json_object_get(c->json, "zone");

	for (size_t i = 0; i < c->n_zones; i++) {
		const json_t *t = json_object_get(json_array_get(zones, i), "transfer");
		const json_t *addresses = json_object_get(t, "address"), *keys = json_object_get(t, "key");
		struct dns_transfer_rule *r;
		size_t k;
		json_t *o;

		if (!t)
			continue;
		r = wf_xzalloc(sizeof *r);
		r->next = v->transfers;
		v->transfers = r;
		r->zone = c->zones[i].name;
		r->prefixes = wf_xzalloc((json_array_size(addresses) + 1) * sizeof *r->prefixes);
		r->keys = wf_xzalloc((json_array_size(keys) + 1) * sizeof *r->keys);
		json_array_foreach(addresses, k, o)
		{
			struct wf_err why = { "" };

			if (pol_prefix_parse(json_string_value(o), &r->prefixes[r->n_prefixes++],
					     &why))
				return wf_err(err, -EINVAL, "zone %s: transfer: %s", c->zones[i].text, why.text);
		}
		json_array_foreach(keys, k, o)
			r->keys[r->n_keys++] = find_key(v, json_string_value(o));
	}
	return 0;
}

/* The zone was made under the configuration's settings of DNSSEC. */
static bool
is_signed_as(const struct dns_zone *z, const struct dns_zone_conf *zc)
{
	const struct dns_zone_dnssec *d = z->dnssec && z->dnssec->keys ? z->dnssec : NULL;

	if (!d || !zc->dnssec)
		return !d == !zc->dnssec;
	return d->denial == zc->denial && d->keys->ttl == zc->dnskey_ttl &&
	       d->keys->lifetime_s == zc->signature_s;
}

int
dns_view_load(const struct dns_conf *c, const struct dns_view *old, struct dns_view **ret,
	      struct wf_str *warnings, struct wf_err *err)
{
	struct dns_view *v = dns_view_new();
	int rc = 0;

	v->udp_limit = c->udp_limit;
	v->cookies = c->cookies;
	v->limit_slip = c->limit_slip;
	v->sign_per_s = c->sign_per_s;
	if (c->nsid) {
		v->nsid_size = strlen(c->nsid);
		memcpy(v->nsid, c->nsid, v->nsid_size);
	}
	rc = load_keys(c, v, err);
	if (!rc)
		rc = load_transfer_rules(c, v, err);
	if (!rc)
		rc = load_policies(c, old, v, err);
	for (size_t i = 0; i < c->n_zones && !rc; i++) {
		const struct dns_zone_conf *zc = &c->zones[i];
		struct dns_zone *had = old ? dns_view_zone_named(old, &zc->name) : NULL, *z = NULL;

		if (had && !had->has_chosen && !zc->n_chosen && is_signed_as(had, zc) &&
		    dns_zone_is_current(had, zc->file)) {
			z = dns_zone_ref(had);
		} else {
			rc = dns_zone_load(&zc->name, zc->file, add_more, &(struct more){ v, c, zc },
					   &z, warnings, err);
			if (!rc)
				dns_zone_inherit_sigs(z, had, wf_wall_ms() / 1000);
		}
		if (!rc && dns_view_add_zone(v, z)) {
			dns_zone_unref(z);
			rc = wf_err(err, -EINVAL, "zone %s is configured twice, with other letters or dots", zc->text);
		}
	}
	if (rc) {
		dns_view_free(v);
		return rc;
	}
	*ret = v;
	return 0;
}
