// SPDX-License-Identifier: Apache-2.0
#include "dns/server/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/yang_config.h"
#include "dns/server/tls.h"
#include "dns/wire/proto.h"

/* Room for the members of a list; NULL for none, as most zones have most lists empty. */
static void *
new_list(const json_t *list, size_t size)
{
	size_t n = json_array_size(list);

	return n ? wf_xzalloc(n * size) : NULL;
}

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
	size_t i, k;
	json_t *o, *service;

	zc->chosen = new_list(list, sizeof *zc->chosen);
	json_array_foreach(list, i, o)
	{
		struct dns_chosen_conf *to = &zc->chosen[i];
		struct wf_err why = { "" };

		if (dns_name_from_text(&to->name, wf_json_str(o, "name", ""), zc->name.wire, &why))
			return wf_err(err, -EINVAL, "%s: zone %s: chosen: %s", path, zc->text, why.text);
		to->policy = wf_xstrdup(wf_json_str(o, "policy", ""));
		to->ttl = wf_json_u64(o, "ttl", 30);
		zc->n_chosen++;
		json_array_foreach(json_object_get(o, "service"), k, service)
		{
			int rc = dns_service_parse(&to->services[to->n_services].service,
						   wf_json_u64(service, "priority", 1),
						   wf_json_str(service, "params", ""), &why);

			if (rc)
				return wf_err(err, rc, "%s: zone %s: chosen %s: service: %s", path, zc->text,
					      wf_json_str(o, "name", ""), why.text);
			to->services[to->n_services++].type =
				strcmp(wf_json_str(service, "type", ""), "SVCB") ? DNS_HTTPS : DNS_SVCB;
		}
	}
	return 0;
}

static void
read_peers(const json_t *list, struct dns_peer_conf **peers, size_t *n_peers)
{
	size_t i;
	json_t *o;

	*peers = new_list(list, sizeof **peers);
	json_array_foreach(list, i, o)
	{
		struct dns_peer_conf *to = &(*peers)[(*n_peers)++];

		parse_address(wf_json_str(o, "address", ""), wf_json_u64(o, "port", DNS_PORT), &to->at);
		to->text = wf_xstrdup(wf_json_str(o, "address", ""));
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

/* The list of addresses and keys; its texts were checked by the schema. */
static void
read_allow(const json_t *o, struct dns_allow_conf *w)
{
	const json_t *addresses = json_object_get(o, "address"), *keys = json_object_get(o, "key");
	size_t i;
	json_t *v;

	w->exists = o;
	w->prefixes = new_list(addresses, sizeof *w->prefixes);
	w->keys = new_list(keys, sizeof *w->keys);
	json_array_foreach(addresses, i, v)
		if (!pol_prefix_parse(json_string_value(v), &w->prefixes[w->n_prefixes], NULL))
			w->n_prefixes++;
	json_array_foreach(keys, i, v)
		if (!dns_name_from_text(&w->keys[w->n_keys], json_string_value(v), NULL, NULL))
			w->n_keys++;
}

/* Names are lower case, and text of them has no slash but as "%2f". */
static char *
state_path(const struct dns_conf *c, const struct dns_name *name, const char *what)
{
	char text[DNS_NAME_TEXT_MAX];
	struct wf_str s = WF_STR_INIT;

	wf_str_fmt(&s, "%s/", c->state_folder);
	dns_name_text(name->wire, text);
	for (const char *t = text; *t; t++)
		if (*t == '/' || *t == '%')
			wf_str_fmt(&s, "%%%02x", *t);
		else
			wf_str_putc(&s, *t);
	/* The last dot of the name stands for the one before the ending. */
	wf_str_put(&s, what);
	return wf_str_steal(&s);
}

/* A path of the configuration; the caller frees. */
static char *
in_folder(const struct dns_conf *c, const char *path)
{
	return path[0] == '/' ? wf_xstrdup(path) : wf_xasprintf("%s/%s", c->folder, path);
}

static int
read_zones(struct dns_conf *c, const json_t *zones, const char *path, struct wf_err *err)
{
	size_t i;
	json_t *z;

	c->zones = new_list(zones, sizeof *c->zones);
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
		read_dnssec(to, json_object_get(z, "dnssec"));
		read_peers(json_object_get(z, "notify"), &to->notify, &to->n_notify);
		read_peers(json_object_get(z, "primary"), &to->primaries, &to->n_primaries);
		read_allow(json_object_get(z, "transfer"), &to->transfer);
		to->refuses_chosen = !strcmp(wf_json_str(json_object_get(z, "transfer"), "chosen", "standing"), "refuse");
		read_allow(json_object_get(z, "notify-from"), &to->notify_from);
		to->catalog = wf_json_bool(z, "catalog", false);
		to->max_size = wf_json_u64(z, "max-zone-size", (uint64_t)4 << 30);
		to->journal_size = wf_json_u64(z, "journal-size", 1 << 20);
		if (to->transfer.exists)
			to->journal = state_path(c, &to->name, "journal");
		if (!file[0])
			to->file = state_path(c, &to->name, "zone");
		else
			to->file = in_folder(c, file);
	}
	return 0;
}

static void
read_tls(struct dns_conf *c, const json_t *o)
{
	c->has_tls = o;
	c->tls_port = wf_json_u64(o, "port", DNS_TLS_PORT);
	c->tls_certificate = in_folder(c, wf_json_str(o, "certificate", ""));
	c->tls_key = in_folder(c, wf_json_str(o, "key", ""));
	c->tls_per_s = wf_json_u64(o, "handshakes-per-second", 500);
}

static int
read_selftest(struct dns_conf *c, const json_t *o, const char *path, struct wf_err *err)
{
	const json_t *zones = json_object_get(o, "zone");
	size_t i;
	json_t *v;

	c->selftest = new_list(zones, sizeof *c->selftest);
	json_array_foreach(zones, i, v)
	{
		struct wf_err why = { "" };

		if (dns_name_from_text(&c->selftest[c->n_selftest++], json_string_value(v), NULL, &why))
			return wf_err(err, -EINVAL, "%s: self-test: %s", path, why.text);
	}
	c->selftest_script = wf_xstrdup(wf_json_str(o, "script", ""));
	c->selftest_ms = wf_json_u64(o, "interval-ms", 1000);
	c->selftest_rise = wf_json_u64(o, "rise", 2);
	c->selftest_fall = wf_json_u64(o, "fall", 3);
	return 0;
}

static void
read_xdp(struct dns_conf *c, const json_t *o)
{
	const json_t *devices = json_object_get(o, "device");
	const char *mode = wf_json_str(o, "mode", "auto");
	size_t i;
	json_t *v;

	c->xdp = new_list(devices, sizeof *c->xdp);
	json_array_foreach(devices, i, v)
		c->xdp[c->n_xdp++] = wf_xstrdup(json_string_value(v));
	c->xdp_mode = !strcmp(mode, "native") ? DNS_XDP_NATIVE : !strcmp(mode, "generic") ? DNS_XDP_GENERIC : DNS_XDP_AUTO;
}

static int
read_conf(struct dns_conf *c, const json_t *dns, const char *path, struct wf_err *err)
{
	const json_t *listen = json_object_get(dns, "listen"), *o;
	uint16_t port = wf_json_u64(dns, "port", DNS_PORT);
	const char *folder;
	size_t i;
	json_t *a;

	c->listen = new_list(listen, sizeof *c->listen);
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
	read_tls(c, json_object_get(dns, "tls"));
	read_xdp(c, json_object_get(dns, "xdp"));
	o = json_object_get(dns, "dnssec");
	folder = wf_json_str(o, "key-folder", "keys");
	c->key_folder = in_folder(c, folder);
	c->sign_per_s = wf_json_u64(o, "signatures-per-second", 5000);
	c->sign_cache = wf_json_u64(o, "signature-cache", 65536);
	c->min_refresh_s = wf_json_u64(dns, "min-refresh-time", 60);
	c->min_retry_s = wf_json_u64(dns, "min-retry-time", 30);
	read_allow(json_object_get(dns, "why"), &c->why);
	o = json_object_get(dns, "dnstap");
	if (o) {
		c->tap.sample = wf_json_u64(o, "sample", 1);
		c->tap.file_max = wf_json_u64(o, "file-size-limit", 1 << 30);
		if (wf_json_has(o, "socket"))
			c->tap.socket = wf_xstrdup(wf_json_str(o, "socket", ""));
		else
			c->tap.file = wf_xstrdup(wf_json_str(o, "file", ""));
	}
	c->state_folder = wf_xstrdup(wf_json_str(dns, "state-folder", "/var/lib/weft/dns"));
	if (read_selftest(c, json_object_get(dns, "self-test"), path, err))
		return -EINVAL;
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
	/* A million zones as objects of JSON are a gigabyte. */
	json_object_del(c->json, "zone");
	json_decref(json);
	if (rc) {
		dns_conf_free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

static void
free_zone_conf(struct dns_zone_conf *z)
{
	free(z->text);
	free(z->file);
	free(z->journal);
	if (z->of_catalog) /* the rest is that one's */
		return;
	for (size_t k = 0; k < z->n_chosen; k++) {
		free(z->chosen[k].policy);
		for (unsigned i = 0; i < z->chosen[k].n_services; i++)
			dns_service_done(&z->chosen[k].services[i].service);
	}
	free(z->chosen);
	for (size_t k = 0; k < z->n_notify; k++)
		free(z->notify[k].text);
	free(z->notify);
	for (size_t k = 0; k < z->n_primaries; k++)
		free(z->primaries[k].text);
	free(z->primaries);
	free(z->transfer.prefixes);
	free(z->transfer.keys);
	free(z->notify_from.prefixes);
	free(z->notify_from.keys);
}

void
dns_conf_forget_members(struct dns_conf *c)
{
	for (size_t i = 0; i < c->n_members; i++)
		free_zone_conf(&c->members[i]);
	free(c->members);
	c->members = NULL;
	c->n_members = c->room_members = 0;
}

void
dns_conf_add_member(struct dns_conf *c, const struct dns_zone_conf *catalog,
		    const struct dns_name *name)
{
	struct dns_zone_conf *m;
	char text[DNS_NAME_TEXT_MAX];

	if (c->n_members == c->room_members) {
		c->room_members = c->room_members ? 2 * c->room_members : 16;
		c->members = wf_xrealloc(c->members, c->room_members * sizeof *c->members);
	}
	m = &c->members[c->n_members++];
	*m = *catalog;
	m->of_catalog = catalog;
	m->catalog = false;
	m->name = *name;
	m->text = wf_xstrdup(dns_name_text(name->wire, text));
	m->file = state_path(c, name, "zone");
	m->journal = catalog->journal ? state_path(c, name, "journal") : NULL;
}

int
dns_conf_check_files(const struct dns_conf *c, struct wf_err *err)
{
	struct dns_tls *t = NULL;
	int rc = c->has_tls ? dns_tls_load(c->tls_certificate, c->tls_key, NULL, &t, err) : 0;

	dns_tls_free(t);
	return rc;
}

void
dns_conf_free(struct dns_conf *c)
{
	if (!c)
		return;
	dns_conf_forget_members(c);
	for (size_t i = 0; i < c->n_zones; i++)
		free_zone_conf(&c->zones[i]);
	free(c->zones);
	free(c->listen);
	for (size_t i = 0; i < c->n_xdp; i++)
		free(c->xdp[i]);
	free(c->xdp);
	free(c->selftest);
	free(c->selftest_script);
	free(c->tap.socket);
	free(c->tap.file);
	free(c->why.prefixes);
	free(c->why.keys);
	free(c->folder);
	free(c->key_folder);
	free(c->state_folder);
	free(c->tls_certificate);
	free(c->tls_key);
	json_decref(c->json);
	free(c->nsid);
	free(c);
}
