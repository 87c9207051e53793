// SPDX-License-Identifier: Apache-2.0
/* The document's text.  Slots are strings of 64, "17 17/3@5 ...": owner, /former owners, @document that moved
 * it; a million slots as JSON arrays would take a second to read. */
#include "glb/placement.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "bpf/glb_abi.h"
#include "glb/address.h"

#define SLOTS_A_LINE 64

/* --- out ------------------------------------------------------------------------------------- */

static void
put_slots(struct wf_str *s, const char *name, const struct plc_slot *slots, uint32_t n, const char *indent)
{
	wf_str_fmt(s, ",\n%s  \"%s\": [", indent, name);
	for (uint32_t i = 0; i < n; i++) {
		const struct plc_slot *slot = &slots[i];

		if (i % SLOTS_A_LINE)
			wf_str_putc(s, ' ');
		else
			wf_str_fmt(s, "%s\n%s    \"", i ? "\"," : "", indent);
		wf_str_fmt(s, "%u", slot->owner[0]);
		for (unsigned k = 1; k < PLC_OWNERS && slot->owner[k]; k++)
			wf_str_fmt(s, "/%u", slot->owner[k]);
		if (slot->moved)
			wf_str_fmt(s, "@%u", slot->moved);
	}
	wf_str_fmt(s, "%s\n%s  ]", n ? "\"" : "", indent);
}

static void
put_table(struct wf_str *s, const struct plc_table *t, const char *indent)
{
	wf_str_fmt(s, "{\n%s  \"members\": {", indent);
	for (size_t i = 0; i < t->n_members; i++)
		wf_str_fmt(s, "%s\"%u\": %u", i ? ", " : " ", t->members[i].node, t->members[i].weight);
	wf_str_put(s, " }");
	put_slots(s, "slots", t->slots, t->n_slots, indent);
	if (t->n_before)
		put_slots(s, "slots-before", t->before, t->n_before, indent);
	wf_str_fmt(s, "\n%s}", indent);
}

/* --- how packets are brought to a node --------------------------------------------------------- */

const char *
plc_encap_name(uint8_t encap)
{
	static const char *const names[] = {
		[GLB_ENCAP_GRE] = "gre", [GLB_ENCAP_GUE] = "gue", [GLB_ENCAP_IPIP] = "ipip",
		[GLB_ENCAP_VXLAN] = "vxlan", [GLB_ENCAP_L2] = "l2", [GLB_ENCAP_NAT] = "nat",
	};

	return encap < sizeof names / sizeof *names ? names[encap] : NULL;
}

const char *
plc_get_encap(const struct json_t *o, struct plc_node *n)
{
	const json_t *encap = json_object_get(o, "encapsulation"), *port = json_object_get(o, "port");
	const json_t *mac = json_object_get(o, "mac");
	const char *name = encap ? json_string_value(encap) : "gre";
	unsigned b[6];
	char more;

	n->no_second_chance = json_is_true(json_object_get(o, "no-second-chance"));
	n->port = 0;
	memset(n->mac, 0, sizeof n->mac);
	for (n->encap = 0; plc_encap_name(n->encap); n->encap++)
		if (name && !strcmp(name, plc_encap_name(n->encap)))
			break;
	if (!plc_encap_name(n->encap))
		return "encapsulation: is gre, gue, ipip, vxlan, l2 or nat";
	if (n->kind == PLC_SITE && n->encap >= GLB_ENCAP_L2)
		return "encapsulation: l2 and nat are for servers: a site is reached through a tunnel";
	if (port && (n->encap != GLB_ENCAP_NAT || !json_is_integer(port) || json_integer_value(port) < 1 ||
		     json_integer_value(port) > 65535))
		return "port: is 1 to 65535, of a server with encapsulation nat";
	n->port = (uint16_t)json_integer_value(port);
	if ((mac != NULL) != (n->encap == GLB_ENCAP_VXLAN))
		return "mac: belongs to encapsulation vxlan, which needs it: the address that frames to it carry";
	if (mac) {
		if (!json_is_string(mac) || sscanf(json_string_value(mac), "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1],
						   &b[2], &b[3], &b[4], &b[5], &more) != 6)
			return "mac: is six bytes as 02:00:00:00:00:01";
		for (unsigned i = 0; i < 6; i++)
			n->mac[i] = (uint8_t)b[i];
	}
	return NULL;
}

static void
put_encap(struct wf_str *s, const struct plc_node *n)
{
	if (n->no_second_chance)
		wf_str_put(s, ", \"no-second-chance\": true");
	if (n->encap != GLB_ENCAP_GRE)
		wf_str_fmt(s, ", \"encapsulation\": \"%s\"", plc_encap_name(n->encap));
	if (n->port)
		wf_str_fmt(s, ", \"port\": %u", n->port);
	if (n->encap == GLB_ENCAP_VXLAN)
		wf_str_fmt(s, ", \"mac\": \"%02x:%02x:%02x:%02x:%02x:%02x\"", n->mac[0], n->mac[1], n->mac[2],
			   n->mac[3], n->mac[4], n->mac[5]);
}

void
plc_format(const struct placement *p, struct wf_str *s)
{
	char address[INET6_ADDRSTRLEN];

	wf_str_fmt(s, "{\n  \"format\": \"weft-glb-placement 1\",\n  \"number\": %u,\n  \"next-id\": %u,\n"
		   "  \"hash-key\": \"", p->number, p->next_id);
	wf_str_hex(s, p->hash_key, sizeof p->hash_key);
	wf_str_put(s, "\"");
	if (p->key_since)
		wf_str_fmt(s, ",\n  \"hash-key-since\": %lld", (long long)p->key_since);
	if (p->key_step != PLC_KEY_ONE) {
		wf_str_fmt(s, ",\n  \"hash-key-step\": \"%s\",\n  \"hash-key-other\": \"", plc_key_step_name(p->key_step));
		wf_str_hex(s, p->other_key, sizeof p->other_key);
		wf_str_put(s, "\"");
	}
	wf_str_put(s, ",\n  \"nodes\": [");
	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct plc_node *n = &p->nodes[i];

		wf_str_fmt(s, "%s\n    { \"id\": %u, \"kind\": \"%s\", \"name\": \"%s\", \"address\": \"%s\"",
			   i ? "," : "", n->id, n->kind == PLC_SITE ? "site" : "server", n->name,
			   glb_address_text(&n->address, address));
		put_encap(s, n);
		wf_str_put(s, n->gone ? ", \"gone\": true }" : " }");
	}
	wf_str_put(s, "\n  ],\n  \"pools\": [");
	for (size_t i = 0; i < p->n_pools; i++) {
		const struct plc_pool *pool = &p->pools[i];

		wf_str_fmt(s, "%s\n    { \"id\": %u, \"name\": \"%s\",%s\n      \"sites\": ", i ? "," : "",
			   pool->id, pool->name, pool->gone ? " \"gone\": true," : "");
		put_table(s, &pool->sites, "      ");
		wf_str_put(s, ",\n      \"servers\": {");
		for (size_t k = 0; k < pool->n_by_site; k++) {
			wf_str_fmt(s, "%s\n        \"%u\": ", k ? "," : "", pool->by_site[k].site);
			put_table(s, &pool->by_site[k].servers, "        ");
		}
		wf_str_put(s, "\n      } }");
	}
	wf_str_put(s, "\n  ]\n}\n");
}

int
plc_save(const struct placement *p, const char *path, struct wf_err *err)
{
	mode_t mask = umask(027); /* the hash key is a secret */
	struct wf_str s = WF_STR_INIT;
	int rc;

	plc_format(p, &s);
	rc = wf_file_replace(path, s.s, s.len, err);
	umask(mask);
	wf_str_done(&s);
	return rc;
}

/* --- in -------------------------------------------------------------------------------------- */

static bool
get_u32(const json_t *object, const char *name, uint32_t *ret)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
		return false;
	*ret = (uint32_t)json_integer_value(v);
	return true;
}

/* A name is printed between quotes and used as a word of command lines. */
static bool
get_name(const json_t *object, char *ret)
{
	const char *name = json_string_value(json_object_get(object, "name"));

	if (!glb_name_is_good(name))
		return false;
	strcpy(ret, name);
	return true;
}

static int
get_members(const struct placement *p, const json_t *members, enum plc_kind kind, const char *where,
	    struct plc_table *t, struct wf_err *err)
{
	const char *name;
	json_t *v;

	if (!json_is_object(members))
		return wf_err(err, -EINVAL, "%s: members: is an object, node id: weight", where);
	t->members = wf_xzalloc((json_object_size(members) + 1) * sizeof *t->members);
	json_object_foreach((json_t *)members, name, v) {
		char *end;
		unsigned long id = strtoul(name, &end, 10);
		const struct plc_node *node = id <= UINT32_MAX && !*end ? plc_node_by_id(p, (uint32_t)id) : NULL;

		if (!node || node->kind != kind)
			return wf_err(err, -EINVAL, "%s: members: %s is not the id of a %s", where, name,
				      kind == PLC_SITE ? "site" : "server");
		if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1000000)
			return wf_err(err, -EINVAL, "%s: members: weight of %s: is 0 to 1000000", where, name);
		if (t->n_members && t->members[t->n_members - 1].node >= node->id)
			return wf_err(err, -EINVAL, "%s: members: %s: ids are in ascending order", where, name);
		t->members[t->n_members].node = node->id;
		t->members[t->n_members++].weight = (uint32_t)json_integer_value(v);
	}
	return 0;
}

static const char *
get_slot(const char *c, struct plc_slot *slot)
{
	for (unsigned k = 0; k < PLC_OWNERS; k++) {
		char *end;

		if (*c < '0' || *c > '9')
			return NULL;
		slot->owner[k] = (uint32_t)strtoul(c, &end, 10);
		for (unsigned i = 0; i < k; i++)
			if (slot->owner[i] == slot->owner[k])
				return NULL;
		if (k && !slot->owner[k])
			return NULL;
		c = end;
		if (*c != '/')
			break;
		c++;
	}
	if (*c == '@') {
		char *end;

		if (c[1] < '0' || c[1] > '9')
			return NULL;
		slot->moved = (uint32_t)strtoul(c + 1, &end, 10);
		c = end;
	}
	if (*c == ' ')
		c++;
	else if (*c)
		return NULL;
	return c;
}

static int
get_slots(const json_t *lines, const char *name, const char *where, const struct plc_table *t, struct plc_slot **ret,
	  uint32_t *ret_n, struct wf_err *err)
{
	size_t n_lines = json_array_size(lines), i;
	json_t *line;

	if (!json_is_array(lines))
		return wf_err(err, -EINVAL, "%s: %s: is an array of strings", where, name);
	if (n_lines > PLC_MAX_SLOTS / SLOTS_A_LINE)
		return wf_err(err, -EINVAL, "%s: %s: at most %u", where, name, PLC_MAX_SLOTS);
	*ret = wf_xzalloc((n_lines * SLOTS_A_LINE + 1) * sizeof **ret);
	json_array_foreach(lines, i, line) {
		const char *c = json_string_value(line);

		for (unsigned k = 0; k < SLOTS_A_LINE; k++) {
			struct plc_slot *slot = &(*ret)[(*ret_n)++];
			bool known = true;

			c = c && *c ? get_slot(c, slot) : NULL;
			for (unsigned o = 0; c && o < PLC_OWNERS; o++) {
				const struct plc_member *m = t->members;
				size_t lo = 0, hi = t->n_members;

				while (slot->owner[o] && lo < hi) {
					size_t mid = (lo + hi) / 2;

					if (m[mid].node == slot->owner[o])
						break;
					if (m[mid].node < slot->owner[o])
						lo = mid + 1;
					else
						hi = mid;
				}
				known &= !slot->owner[o] || lo < hi;
			}
			if (!c || !known)
				return wf_err(err, -EINVAL, "%s: %s: %zu: is \"owner/former/former@document\" "
					      "with members of the table, each once, %d slots a string",
					      where, name, i * SLOTS_A_LINE + k, SLOTS_A_LINE);
		}
		if (c && *c)
			return wf_err(err, -EINVAL, "%s: %s: string %zu has more than %d", where, name, i, SLOTS_A_LINE);
	}
	if (*ret_n & (*ret_n - 1))
		return wf_err(err, -EINVAL, "%s: %s: %u is not a power of two", where, name, *ret_n);
	return 0;
}

static int
get_table(const struct placement *p, const json_t *o, enum plc_kind kind, const char *where,
	  struct plc_table *t, struct wf_err *err)
{
	const json_t *before = json_object_get(o, "slots-before");
	int rc = get_members(p, json_object_get(o, "members"), kind, where, t, err);

	if (before && p->key_step != PLC_KEY_SWITCHED)
		return wf_err(err, -EINVAL, "%s: slots-before: belongs to hash-key-step \"switched\"", where);
	rc = rc ? rc : get_slots(json_object_get(o, "slots"), "slots", where, t, &t->slots, &t->n_slots, err);
	if (!rc && before)
		rc = get_slots(before, "slots-before", where, t, &t->before, &t->n_before, err);
	return rc;
}

static int
get_nodes(struct placement *p, const json_t *nodes, struct wf_err *err)
{
	json_t *o;
	size_t i;

	if (!json_is_array(nodes))
		return wf_err(err, -EINVAL, "nodes: is an array");
	p->nodes = wf_xzalloc((json_array_size(nodes) + 1) * sizeof *p->nodes);
	json_array_foreach(nodes, i, o) {
		struct plc_node *n = &p->nodes[p->n_nodes];
		const char *kind = json_string_value(json_object_get(o, "kind")), *wrong;

		if (!get_u32(o, "id", &n->id) || !n->id || n->id >= p->next_id ||
		    (p->n_nodes && n[-1].id >= n->id))
			return wf_err(err, -EINVAL, "nodes: %zu: id: is ascending, below next-id", i);
		if (!get_name(o, n->name))
			return wf_err(err, -EINVAL, "nodes: %u: name: %s", n->id, GLB_NAME_RULE);
		if (!kind || (strcmp(kind, "site") && strcmp(kind, "server")))
			return wf_err(err, -EINVAL, "nodes: %u: kind: is site or server", n->id);
		n->kind = strcmp(kind, "site") ? PLC_SERVER : PLC_SITE;
		if (!glb_address_parse(json_string_value(json_object_get(o, "address")), &n->address))
			return wf_err(err, -EINVAL, "nodes: %u: address: is an IPv4 or IPv6 address", n->id);
		wrong = plc_get_encap(o, n);
		if (wrong)
			return wf_err(err, -EINVAL, "nodes: %u: %s", n->id, wrong);
		n->gone = json_is_true(json_object_get(o, "gone"));
		p->n_nodes++;
	}
	return 0;
}

static int
get_pool(struct placement *p, const json_t *o, size_t at, struct wf_err *err)
{
	struct plc_pool *pool = &p->pools[p->n_pools];
	const json_t *servers = json_object_get(o, "servers");
	char where[PLC_NAME_MAX + 64];
	const char *id;
	json_t *v;
	int rc;

	p->n_pools++;
	if (!get_u32(o, "id", &pool->id) || !pool->id || pool->id >= p->next_id ||
	    (at && pool[-1].id >= pool->id))
		return wf_err(err, -EINVAL, "pools: %zu: id: is ascending, below next-id", at);
	if (!get_name(o, pool->name))
		return wf_err(err, -EINVAL, "pools: %u: name: %s", pool->id, GLB_NAME_RULE);
	pool->gone = json_is_true(json_object_get(o, "gone"));
	snprintf(where, sizeof where, "pools: %s: sites", pool->name);
	rc = get_table(p, json_object_get(o, "sites"), PLC_SITE, where, &pool->sites, err);
	if (rc)
		return rc;
	if (!json_is_object(servers))
		return wf_err(err, -EINVAL, "pools: %s: servers: is an object, site id: table", pool->name);
	pool->by_site = wf_xzalloc((json_object_size(servers) + 1) * sizeof *pool->by_site);
	json_object_foreach((json_t *)servers, id, v) {
		struct plc_site_table *st = &pool->by_site[pool->n_by_site++];
		const struct plc_node *site;
		char *end;

		st->site = (uint32_t)strtoul(id, &end, 10);
		site = *end ? NULL : plc_node_by_id(p, st->site);
		if (!site || site->kind != PLC_SITE || plc_servers_at(pool, st->site) != &st->servers)
			return wf_err(err, -EINVAL, "pools: %s: servers: %s is not the id of a site", pool->name, id);
		snprintf(where, sizeof where, "pools: %s: servers: %s", pool->name, id);
		rc = get_table(p, v, PLC_SERVER, where, &st->servers, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int
get_key(const json_t *root, const char *name, uint8_t ret[16], struct wf_err *err)
{
	const char *hex = json_string_value(json_object_get(root, name));

	if (!hex || strlen(hex) != 32 || strspn(hex, "0123456789abcdef") != 32)
		return wf_err(err, -EINVAL, "%s: is 32 hexadecimal digits, lower case", name);
	for (unsigned i = 0; i < 16; i++) {
		unsigned byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		ret[i] = (uint8_t)byte;
	}
	return 0;
}

static int
get_keys(struct placement *p, const json_t *root, struct wf_err *err)
{
	const json_t *since = json_object_get(root, "hash-key-since");
	const char *step = json_string_value(json_object_get(root, "hash-key-step"));
	int rc = get_key(root, "hash-key", p->hash_key, err);

	if (rc)
		return rc;
	if (since && (!json_is_integer(since) || json_integer_value(since) < 0))
		return wf_err(err, -EINVAL, "hash-key-since: is seconds since 1970");
	p->key_since = json_integer_value(since);
	if (!json_object_get(root, "hash-key-step"))
		return 0;
	if (!step || (strcmp(step, "prepared") && strcmp(step, "switched")))
		return wf_err(err, -EINVAL, "hash-key-step: is prepared or switched");
	p->key_step = *step == 'p' ? PLC_KEY_PREPARED : PLC_KEY_SWITCHED;
	return get_key(root, "hash-key-other", p->other_key, err);
}

static int
get_document(struct placement *p, const json_t *root, struct wf_err *err)
{
	const char *format = json_string_value(json_object_get(root, "format"));
	const json_t *pools = json_object_get(root, "pools");
	json_t *o;
	size_t i;
	int rc;

	if (!format || strcmp(format, "weft-glb-placement 1"))
		return wf_err(err, -EINVAL, "format: is \"weft-glb-placement 1\"");
	if (!get_u32(root, "number", &p->number))
		return wf_err(err, -EINVAL, "number: is 0 to 4294967295");
	if (!get_u32(root, "next-id", &p->next_id) || !p->next_id)
		return wf_err(err, -EINVAL, "next-id: is 1 to 4294967295");
	rc = get_keys(p, root, err);
	if (rc)
		return rc;
	rc = get_nodes(p, json_object_get(root, "nodes"), err);
	if (rc)
		return rc;
	if (!json_is_array(pools))
		return wf_err(err, -EINVAL, "pools: is an array");
	p->pools = wf_xzalloc((json_array_size(pools) + 1) * sizeof *p->pools);
	json_array_foreach(pools, i, o) {
		rc = get_pool(p, o, i, err);
		if (rc)
			return rc;
	}
	return 0;
}

struct placement *
plc_parse(const char *text, size_t len, struct wf_err *err)
{
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	struct placement *p;

	if (!root) {
		wf_err(err, -EINVAL, "line %d: %s", e.line, e.text);
		return NULL;
	}
	p = plc_new();
	if (get_document(p, root, err)) {
		plc_free(p);
		p = NULL;
	}
	json_decref(root);
	return p;
}

struct placement *
plc_load(const char *path, struct wf_err *err)
{
	struct wf_str text = WF_STR_INIT;
	struct wf_err why = { "" };
	struct placement *p = NULL;

	if (!wf_file_read(path, PLC_MAX_SIZE, &text, err)) {
		p = plc_parse(wf_str_cstr(&text), text.len, &why);
		if (!p)
			wf_err(err, -EINVAL, "%s: %s", path, why.text);
	}
	wf_str_done(&text);
	return p;
}
