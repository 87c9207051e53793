// SPDX-License-Identifier: Apache-2.0
#include "glb/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/yang_config.h"
#include "glb/address.h"

static int
read_addresses(const json_t *o, struct glb_config *c, struct wf_err *err)
{
	const char *prefix = wf_json_str(o, "source-prefix", NULL);
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, "address"), i, v) {
		struct in6_addr a;

		if (!glb_address_parse(json_string_value(v), &a))
			return wf_err(err, -EINVAL, "address: %s: is an IPv4 or IPv6 address",
				      json_string_value(v));
		if (glb_address_is_v4(&a))
			c->own4 = c->source4 = a;
		else
			c->own6 = a;
	}
	if (prefix) {
		struct glb_prefix p;

		if (!glb_prefix_parse(prefix, &p.address, &p.len))
			return wf_err(err, -EINVAL, "source-prefix: %s: has bits outside the prefix", prefix);
		if (!glb_address_is_v4(&c->own4))
			return wf_err(err, -EINVAL, "source-prefix: %s: needs an IPv4 address, too", prefix);
		c->source4 = p.address;
		c->source4_host_bits = p.len == 128 ? 0 : UINT32_MAX >> (p.len - 96);
	}
	return 0;
}

static int
by_pool(const void *a, const void *b)
{
	const struct glb_vip_config *x = *(const struct glb_vip_config *const *)a;
	const struct glb_vip_config *y = *(const struct glb_vip_config *const *)b;
	int rc = strcmp(x->pool, y->pool);

	return rc ? rc : (x > y) - (x < y);
}

static int
check_policies(const struct glb_config *c, struct wf_err *err)
{
	const struct glb_vip_config **v = wf_xmalloc((c->n_vips + 1) * sizeof *v);
	int rc = 0;

	for (size_t i = 0; i < c->n_vips; i++)
		v[i] = &c->vips[i];
	qsort(v, c->n_vips, sizeof *v, by_pool);
	for (size_t i = 1; i < c->n_vips && !rc; i++)
		if (!strcmp(v[i - 1]->pool, v[i]->pool) && strcmp(v[i - 1]->policy, v[i]->policy))
			rc = wf_err(err, -EINVAL, "vip: policy: \"%s\": another VIP of pool %s has \"%s\"; "
				    "VIPs of one pool have one policy", v[i]->policy, v[i]->pool, v[i - 1]->policy);
	free(v);
	return rc;
}

static int
read_vips(const json_t *o, struct glb_config *c, struct wf_err *err)
{
	const json_t *list = json_object_get(o, "vip");
	json_t *v;
	size_t i;

	c->vips = wf_xzalloc((json_array_size(list) + 1) * sizeof *c->vips);
	json_array_foreach(list, i, v) {
		struct glb_vip_config *vip = &c->vips[c->n_vips++];
		const char *protocol = wf_json_str(v, "protocol", "any");

		if (!glb_prefix_parse(wf_json_str(v, "address", ""), &vip->address, &vip->len))
			return wf_err(err, -EINVAL, "vip: address: %s: is an address, or a prefix without bits outside it",
				      wf_json_str(v, "address", ""));
		vip->protocol = !strcmp(protocol, "tcp") ? IPPROTO_TCP : !strcmp(protocol, "udp") ? IPPROTO_UDP : 0;
		vip->port = (uint16_t)wf_json_u64(v, "port", 0);
		vip->mss = (uint16_t)wf_json_u64(v, "mss", 0);
		vip->quic = json_is_true(json_object_get(v, "quic"));
		snprintf(vip->pool, sizeof vip->pool, "%s", wf_json_str(v, "pool", ""));
		snprintf(vip->policy, sizeof vip->policy, "%s", wf_json_str(v, "policy", ""));
		vip->keep = !strcmp(wf_json_str(v, "all-down", "withdraw"), "keep");
		if (!strcmp(wf_json_str(v, "all-down", "withdraw"), "fallback"))
			snprintf(vip->fallback, sizeof vip->fallback, "%s", wf_json_str(v, "fallback-pool", ""));
		if (!strcmp(vip->fallback, vip->pool))
			return wf_err(err, -EINVAL, "vip: fallback-pool: %s: is the VIP's own pool", vip->pool);
	}
	if (c->n_vips > GLB_MAX_VIPS)
		return wf_err(err, -EINVAL, "vip: %zu are more than %d", c->n_vips, GLB_MAX_VIPS);
	return check_policies(c, err);
}

static int
read_operation(const json_t *o, struct glb_config *c, struct wf_err *err)
{
	const json_t *announce = json_object_get(o, "announce"), *v;
	size_t i;

	c->policy = json_incref((json_t *)o);
	c->probe4 = c->own4;
	c->probe6 = c->own6;
	json_array_foreach(json_object_get(o, "probe-source"), i, v) {
		struct in6_addr a;

		if (!glb_address_parse(json_string_value(v), &a))
			return wf_err(err, -EINVAL, "probe-source: %s", json_string_value(v));
		*(glb_address_is_v4(&a) ? &c->probe4 : &c->probe6) = a;
	}
	c->probe_table = (uint32_t)wf_json_u64(o, "probe-table", 7700);
	c->remember_ms = (int64_t)wf_json_u64(o, "remember", 3600) * 1000;
	c->grace_ms = (int64_t)wf_json_u64(o, "grace", 10) * 1000;
	c->announce = announce != NULL;
	c->announce_table = (uint32_t)wf_json_u64(announce, "table", 119);
	c->hold_ms = (uint32_t)wf_json_u64(announce, "hold-ms", 1000);
	c->withdraw_ms = (uint32_t)wf_json_u64(announce, "withdraw-ms", 2000);
	return 0;
}

static int
read_prefixes(const json_t *o, const char *name, struct glb_prefix **ret, size_t *ret_n, struct wf_err *err)
{
	const json_t *list = json_object_get(o, name);
	json_t *v;
	size_t i;

	*ret = wf_xzalloc((json_array_size(list) + 1) * sizeof **ret);
	json_array_foreach(list, i, v) {
		struct glb_prefix *p = &(*ret)[(*ret_n)++];

		if (!glb_prefix_parse(json_string_value(v), &p->address, &p->len))
			return wf_err(err, -EINVAL, "%s: %s: has bits outside the prefix", name, json_string_value(v));
	}
	return 0;
}

static void
read_limits(const json_t *o, struct glb_config *c)
{
	uint64_t packets = wf_json_u64(o, "packets-per-second", 0), opens = wf_json_u64(o, "opens-per-second", 0);

	c->packet_ns = packets ? 1000000000 / packets : 0;
	c->packet_burst_ns = c->packet_ns * wf_json_u64(o, "packet-burst", 1000);
	c->open_ns = opens ? 1000000000 / opens : 0;
	c->open_burst_ns = c->open_ns * wf_json_u64(o, "open-burst", 100);
}

static int
by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

/* The balancers of a site count themselves alike: by address. */
static int
read_peers(const json_t *local, struct glb_config *c, struct wf_err *err)
{
	const json_t *list = json_object_get(local, "peer");
	const char *own = wf_json_str(local, "peer-address", NULL);
	json_t *v;
	size_t i;

	c->peers = wf_xzalloc((json_array_size(list) + 2) * sizeof *c->peers);
	if (own && !glb_address_parse(own, &c->peer_address))
		return wf_err(err, -EINVAL, "local: peer-address: %s", own);
	if (own)
		c->peers[c->n_peers++] = c->peer_address;
	json_array_foreach(list, i, v) {
		if (!glb_address_parse(json_string_value(v), &c->peers[c->n_peers++]))
			return wf_err(err, -EINVAL, "local: peer: %s", json_string_value(v));
		if (!memcmp(&c->peers[c->n_peers - 1], &c->peer_address, sizeof c->peer_address))
			return wf_err(err, -EINVAL, "local: peer: %s: is this balancer's own peer-address; peers are the others",
				      json_string_value(v));
	}
	if (c->n_peers > GLB_MAX_PEERS)
		return wf_err(err, -EINVAL, "local: peer: %zu are more than %d", c->n_peers - 1, GLB_MAX_PEERS - 1);
	qsort(c->peers, c->n_peers, sizeof *c->peers, by_address);
	return 0;
}

static void
read_metrics(const json_t *o, struct glb_config *c)
{
	struct sockaddr_in *in = (void *)&c->metrics_at;
	struct sockaddr_in6 *in6 = (void *)&c->metrics_at;
	in_port_t port = htons((uint16_t)wf_json_u64(o, "port", 9154));
	struct in6_addr a = { 0 };

	c->metrics = o;
	glb_address_parse(wf_json_str(o, "address", "127.0.0.1"), &a);
	if (glb_address_is_v4(&a)) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		memcpy(&in->sin_addr, &a.s6_addr[12], 4);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		in6->sin6_addr = a;
	}
}

static int
read_all(const json_t *o, struct glb_config *c, struct wf_err *err)
{
	const json_t *host = json_object_get(o, "host"), *local = json_object_get(o, "local");
	const json_t *list = json_object_get(o, "interface");
	const char *text;
	json_t *v;
	size_t i;
	int rc;

	c->placement = wf_xstrdup(wf_json_str(o, "placement", ""));
	c->pin = wf_xstrdup(wf_json_str(o, "pin", "/sys/fs/bpf/weft-glb"));
	c->max_slots = (uint32_t)wf_json_u64(o, "max-slots", GLB_MAX_SLOTS);
	c->max_nodes = (uint32_t)wf_json_u64(o, "max-nodes", 8192) + GLB_MAX_PEERS;
	c->quic_rotation = (uint8_t)wf_json_u64(json_object_get(o, "quic"), "config-rotation", 0);
	c->gue_port = (uint16_t)wf_json_u64(o, "gue-port", 6080);
	c->vxlan_port = (uint16_t)wf_json_u64(o, "vxlan-port", 4789);
	c->role[GLB_EDGE] = json_object_get(o, "edge") != NULL;
	c->role[GLB_LOCAL] = local != NULL;
	c->role[GLB_HOST] = host != NULL;
	snprintf(c->site, sizeof c->site, "%s", local ? wf_json_str(local, "site", "") : "");
	text = host ? wf_json_str(host, "address", NULL) : NULL;
	if (text && !glb_address_parse(text, &c->host_address))
		return wf_err(err, -EINVAL, "host: address: %s", text);
	if (local && host && !text)
		return wf_err(err, -EINVAL, "host: address: a host with roles local and host needs two tunnel "
			      "ends: packets to one address could be meant for either");
	c->interfaces = wf_xzalloc((json_array_size(list) + 1) * sizeof *c->interfaces);
	json_array_foreach(list, i, v) {
		struct glb_interface *f = &c->interfaces[c->n_interfaces++];
		const char *mode = wf_json_str(v, "mode", "auto");

		snprintf(f->name, sizeof f->name, "%s", wf_json_str(v, "name", ""));
		if (strchr(f->name, '/') || f->name[0] == '.')
			return wf_err(err, -EINVAL, "interface: %s: is not a device's name", f->name);
		f->chained = !strcmp(wf_json_str(v, "attach", "direct"), "libxdp");
		f->priority = (unsigned)wf_json_u64(v, "priority", 50);
		f->mode = !strcmp(mode, "native") ? GLB_XDP_NATIVE :
			  !strcmp(mode, "generic") ? GLB_XDP_GENERIC : GLB_XDP_AUTO;
	}
	rc = read_addresses(o, c, err);
	read_metrics(json_object_get(o, "metrics"), c);
	rc = rc ? rc : read_peers(local, c, err);
	rc = rc ? rc : read_vips(o, c, err);
	rc = rc ? rc : read_operation(o, c, err);
	rc = rc ? rc : read_prefixes(o, "tunnel-source", &c->sources, &c->n_sources, err);
	rc = rc ? rc : read_prefixes(json_object_get(o, "edge"), "deny", &c->deny, &c->n_deny, err);
	read_limits(json_object_get(json_object_get(o, "edge"), "source-limit"), c);
	return rc;
}

static struct glb_config *
from_json(json_t *root, const char *name, struct wf_err *err)
{
	struct glb_config *c = wf_xzalloc(sizeof *c);
	const json_t *o = json_object_get(root, "weft-glb:glb");
	struct wf_err why = { "" };

	if (!o)
		wf_err(&why, -EINVAL, "weft-glb:glb: is missing");
	if (!o || read_all(o, c, &why)) {
		wf_err(err, -EINVAL, "%s: /weft-glb:glb: %s", name, why.text);
		glb_config_free(c);
		c = NULL;
	}
	json_decref(root);
	return c;
}

static struct glb_config *
load(const char *name, const char *text_or_null, struct wf_err *err)
{
	struct wf_yang *y = wf_yang_new((const char *const[]){ "weft-glb", NULL }, err);
	json_t *root = NULL;
	int rc;

	if (!y)
		return NULL;
	rc = text_or_null ? wf_yang_load_text(y, name, text_or_null, &root, err) :
			    wf_yang_load_file(y, name, &root, err);
	wf_yang_free(y);
	if (rc)
		return NULL;
	struct glb_config *c = from_json(root, name, err);
	const char *slash = text_or_null ? NULL : strrchr(name, '/');

	if (c && slash)
		c->folder = wf_xasprintf("%.*s", (int)(slash - name), name);
	return c;
}

struct glb_config *
glb_config_load(const char *path, struct wf_err *err)
{
	return load(path, NULL, err);
}

struct glb_config *
glb_config_parse(const char *name, const char *text, struct wf_err *err)
{
	return load(name, text, err);
}

void
glb_config_free(struct glb_config *c)
{
	if (!c)
		return;
	free(c->placement);
	json_decref(c->policy);
	free(c->folder);
	free(c->pin);
	free(c->interfaces);
	free(c->vips);
	free(c->sources);
	free(c->peers);
	free(c->deny);
	free(c);
}
