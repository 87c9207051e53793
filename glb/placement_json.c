// SPDX-License-Identifier: Apache-2.0
/* The document's text.  Slots are strings of 64, "17 17/3@5 ...": owner, /former owners, @document that moved
 * it; a million slots as JSON arrays would take a second to read. */
#include "glb/placement_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/crc32c.h"
#include "bpf/glb_abi.h"
#include "glb/address.h"

#define SLOTS_A_LINE 64

/* --- out ------------------------------------------------------------------------------------- */

static char *
put_number(char *at, uint32_t v)
{
	char digits[10];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*at++ = digits[--n];
	return at;
}

/* "17/3@5": most of a document is made of these. */
static void
put_slot(struct wf_str *s, const struct plc_slot *slot)
{
	char text[4 * 11], *at = put_number(text, slot->owner[0]);

	for (unsigned k = 1; k < PLC_OWNERS && slot->owner[k]; k++) {
		*at++ = '/';
		at = put_number(at, slot->owner[k]);
	}
	if (slot->moved) {
		*at++ = '@';
		at = put_number(at, slot->moved);
	}
	wf_str_putn(s, text, (size_t)(at - text));
}

static void
put_slots(struct wf_str *s, const char *name, const struct plc_slot *slots, uint32_t n, const char *indent)
{
	wf_str_fmt(s, ",\n%s  \"%s\": [", indent, name);
	for (uint32_t i = 0; i < n; i++) {
		if (i % SLOTS_A_LINE)
			wf_str_putc(s, ' ');
		else
			wf_str_fmt(s, "%s\n%s    \"", i ? "\"," : "", indent);
		put_slot(s, &slots[i]);
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

static void
put_node(struct wf_str *s, const struct plc_node *n)
{
	char address[INET6_ADDRSTRLEN];

	wf_str_fmt(s, "\n    { \"id\": %u, \"kind\": \"%s\", \"name\": \"%s\", \"address\": \"%s\"", n->id,
		   n->kind == PLC_SITE ? "site" : "server", n->name, glb_address_text(&n->address, address));
	put_encap(s, n);
	wf_str_put(s, n->gone ? ", \"gone\": true }" : " }");
}

static void
put_pool(struct wf_str *s, const struct plc_pool *pool)
{
	wf_str_fmt(s, "\n    { \"id\": %u, \"name\": \"%s\",%s\n      \"sites\": ", pool->id, pool->name,
		   pool->gone ? " \"gone\": true," : "");
	put_table(s, &pool->sites, "      ");
	wf_str_put(s, ",\n      \"servers\": {");
	for (size_t k = 0; k < pool->n_by_site; k++) {
		wf_str_fmt(s, "%s\n        \"%u\": ", k ? "," : "", pool->by_site[k].site);
		put_table(s, &pool->by_site[k].servers, "        ");
	}
	wf_str_put(s, "\n      } }");
}

/* Eight digits in the place of those that stand there. */
static void
set_hex(char *at, uint32_t v)
{
	for (unsigned i = 8; i-- > 0; v >>= 4)
		at[i] = "0123456789abcdef"[v & 15];
}

#define NO_PART "\n    \"00000000 00000000 00000000\""

/* A list of 'n' parts that are not known yet.  Returns where the first one's digits are. */
static size_t
put_part_list(struct wf_str *s, const char *name, size_t n)
{
	size_t first;

	wf_str_fmt(s, "  \"%s\": [", name);
	first = s->len + strlen("\n    \"");
	for (size_t i = 0; i < n; i++)
		wf_str_put(s, i + 1 < n ? NO_PART "," : NO_PART);
	wf_str_put(s, "\n  ],\n");
	return first;
}

/* The part from 'from' to the end of the text is number 'i', and is said in the list that begins at 'list'. */
static void
set_part(struct wf_str *s, size_t list, size_t i, size_t from, uint32_t document, const struct plc_part *was,
	 struct plc_part *ret)
{
	char *at = s->s + list + i * sizeof NO_PART; /* with its comma */

	*ret = (struct plc_part){ (uint32_t)(s->len - from), document, wf_crc32c(0, s->s + from, s->len - from) };
	if (was && was->size == ret->size && was->sum == ret->sum)
		ret->document = was->document;
	set_hex(at, ret->size);
	set_hex(at + 9, ret->document);
	set_hex(at + 18, ret->sum);
}

void
plc_format(struct placement *p, struct wf_str *s)
{
	size_t start = s->len, sums, list[2], from, n_node_parts = (p->n_nodes + PLC_NODES_A_PART - 1) / PLC_NODES_A_PART;
	struct plc_part *parts = wf_xzalloc((n_node_parts + p->n_pools + 1) * sizeof *parts);

	wf_str_put(s, PLC_START);
	sums = s->len;
	wf_str_fmt(s, PLC_SUMS "\",\n  \"number\": %u,\n  \"next-id\": %u,\n  \"hash-key\": \"", p->number, p->next_id);
	wf_str_hex(s, p->hash_key, sizeof p->hash_key);
	wf_str_put(s, "\"");
	if (p->key_since)
		wf_str_fmt(s, ",\n  \"hash-key-since\": %lld", (long long)p->key_since);
	if (p->key_step != PLC_KEY_ONE) {
		wf_str_fmt(s, ",\n  \"hash-key-step\": \"%s\",\n  \"hash-key-other\": \"", plc_key_step_name(p->key_step));
		wf_str_hex(s, p->other_key, sizeof p->other_key);
		wf_str_put(s, "\"");
	}
	wf_str_put(s, ",\n");
	list[0] = put_part_list(s, "node-parts", n_node_parts);
	list[1] = put_part_list(s, "pool-parts", p->n_pools);
	wf_str_put(s, PLC_NODES);
	set_hex(s->s + sums, (uint32_t)(s->len - start));
	for (size_t i = 0; i < p->n_nodes;) {
		size_t k = i / PLC_NODES_A_PART;

		from = s->len;
		do {
			if (i)
				wf_str_putc(s, ',');
			put_node(s, &p->nodes[i]);
		} while (++i < p->n_nodes && i % PLC_NODES_A_PART);
		set_part(s, list[0], k, from, p->number, p->parts && k < p->n_node_parts ? &p->parts[k] : NULL, &parts[k]);
	}
	wf_str_put(s, PLC_POOLS);
	for (size_t i = 0; i < p->n_pools; i++) {
		from = s->len;
		if (i)
			wf_str_putc(s, ',');
		put_pool(s, &p->pools[i]);
		set_part(s, list[1], i, from, p->number, p->parts && i < p->n_pool_parts ? &p->parts[p->n_node_parts + i] : NULL,
			 &parts[n_node_parts + i]);
	}
	wf_str_put(s, PLC_END);
	from = sums + strlen(PLC_SUMS);
	set_hex(s->s + sums + 9, wf_crc32c(0, s->s + from, start + plc_hex(s->s + sums) - from));
	free(p->parts);
	p->parts = parts;
	p->n_node_parts = n_node_parts;
	p->n_pool_parts = p->n_pools;
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
get_members(struct plc_reader *r, const json_t *members, enum plc_kind kind, const char *where,
	    struct plc_table *t, struct wf_err *err)
{
	const char *name;
	json_t *v;

	if (!json_is_object(members))
		return wf_err(err, -EINVAL, "%s: members: is an object, node id: weight", where);
	r->table++;
	t->members = wf_xzalloc((json_object_size(members) + 1) * sizeof *t->members);
	json_object_foreach((json_t *)members, name, v) {
		char *end;
		unsigned long id = strtoul(name, &end, 10);
		const struct plc_node *node = id <= UINT32_MAX && !*end ? plc_node_by_id(r->p, (uint32_t)id) : NULL;

		if (!node || node->kind != kind)
			return wf_err(err, -EINVAL, "%s: members: %s is not the id of a %s", where, name,
				      kind == PLC_SITE ? "site" : "server");
		if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1000000)
			return wf_err(err, -EINVAL, "%s: members: weight of %s: is 0 to 1000000", where, name);
		if (t->n_members && t->members[t->n_members - 1].node >= node->id)
			return wf_err(err, -EINVAL, "%s: members: %s: ids are in ascending order", where, name);
		r->member_of[node->id] = r->table;
		t->members[t->n_members].node = node->id;
		t->members[t->n_members++].weight = (uint32_t)json_integer_value(v);
	}
	return 0;
}

/* Returns where the number ends, or NULL if there is none or it is larger than 32 bits. */
static const char *
get_number(const char *c, const char *end, uint32_t *ret)
{
	const char *from = c;
	uint64_t v = 0;

	while (c < end && *c >= '0' && *c <= '9' && c - from < 10)
		v = v * 10 + (uint64_t)(*c++ - '0');
	*ret = (uint32_t)v;
	return c == from || v > UINT32_MAX ? NULL : c;
}

static const char *
get_slot(const char *c, const char *end, struct plc_slot *slot)
{
	for (unsigned k = 0; k < PLC_OWNERS; k++) {
		c = get_number(c, end, &slot->owner[k]);
		if (!c || (k && !slot->owner[k]))
			return NULL;
		for (unsigned i = 0; i < k; i++)
			if (slot->owner[i] == slot->owner[k])
				return NULL;
		if (c == end || *c != '/')
			break;
		c++;
	}
	if (c < end && *c == '@')
		c = get_number(c + 1, end, &slot->moved);
	if (c && c < end && *c++ != ' ')
		return NULL;
	return c;
}

static const char *
skip_space(const char *c, const char *end)
{
	while (c < end && (*c == ' ' || *c == '\n' || *c == '\r' || *c == '\t'))
		c++;
	return c;
}

/* Behind '[': an array of strings without escapes.  Returns what is behind it, or NULL: something else. */
static const char *
skip_strings(const char *c, const char *end, uint32_t *ret_n)
{
	*ret_n = 0;
	for (c = skip_space(c, end); c < end && *c == '"'; c = skip_space(c + 1, end)) {
		for (c++; c < end && *c != '"'; c++)
			if (*c == '\\' || (unsigned char)*c < ' ')
				return NULL;
		++*ret_n;
		if (c < end)
			c = skip_space(c + 1, end);
		if (c == end || *c != ',')
			break;
	}
	return c < end && *c == ']' ? c + 1 : NULL;
}

/* The rest is for the reader of JSON.  Inside a string the quotes of "slots" and "slots-before" would be escaped, so what looks
 * like the key is the key. */
int
plc_cut_slots(struct plc_reader *r, const char *text, size_t len, struct wf_str *ret_rest)
{
	static const char key[] = "\"slots", more[] = "-before";
	const char *c = text, *end = text + len, *found;

	while ((found = memmem(c, (size_t)(end - c), key, sizeof key - 1)) != NULL) {
		const char *at = found + sizeof key - 1, *behind;
		uint32_t n;

		if (end - at >= (ptrdiff_t)sizeof more && !memcmp(at, more, sizeof more - 1))
			at += sizeof more - 1;
		at = at < end && *at == '"' ? skip_space(at + 1, end) : end;
		if (at == end || *at != ':') { /* somebody's name */
			at = found + sizeof key - 1;
			wf_str_putn(ret_rest, c, (size_t)(at - c));
			c = at;
			continue;
		}
		at = skip_space(at + 1, end);
		behind = at < end && *at == '[' ? skip_strings(at + 1, end, &n) : NULL;
		if (!behind)
			return -EINVAL;
		wf_str_putn(ret_rest, c, (size_t)(at - c));
		wf_str_fmt(ret_rest, "%zu", r->n_slots);
		for (c = at; (c = memchr(c, '\n', (size_t)(behind - c))) != NULL; c++)
			wf_str_putc(ret_rest, '\n');
		r->slots = wf_xrealloc(r->slots, (r->n_slots + 1) * sizeof *r->slots);
		r->slots[r->n_slots++] = (struct plc_slots_text){ at + 1, behind, n };
		c = behind;
	}
	wf_str_putn(ret_rest, c, (size_t)(end - c));
	return 0;
}

static bool
is_known(const struct plc_reader *r, const struct plc_slot *s)
{
	for (unsigned o = 0; o < PLC_OWNERS; o++)
		if (s->owner[o] && (s->owner[o] >= r->p->next_id || r->member_of[s->owner[o]] != r->table))
			return false;
	return true;
}

static int
get_slots(const struct plc_reader *r, const json_t *number, const char *name, const char *where, struct plc_slot **ret,
	  uint32_t *ret_n, struct wf_err *err)
{
	const struct plc_slots_text *text;
	const char *c, *end;

	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    (size_t)json_integer_value(number) >= r->n_slots)
		return wf_err(err, -EINVAL, "%s: %s: is an array of strings", where, name);
	text = &r->slots[json_integer_value(number)];
	if (text->n_lines > PLC_MAX_SLOTS / SLOTS_A_LINE)
		return wf_err(err, -EINVAL, "%s: %s: at most %u", where, name, PLC_MAX_SLOTS);
	*ret = wf_xzalloc(((size_t)text->n_lines * SLOTS_A_LINE + 1) * sizeof **ret);
	end = text->from;
	for (uint32_t i = 0; i < text->n_lines; i++) {
		c = (const char *)memchr(end, '"', (size_t)(text->to - end)) + 1;
		end = memchr(c, '"', (size_t)(text->to - c));
		for (unsigned k = 0; k < SLOTS_A_LINE; k++) {
			struct plc_slot *slot = &(*ret)[(*ret_n)++];

			c = c < end ? get_slot(c, end, slot) : NULL;
			if (!c || !is_known(r, slot))
				return wf_err(err, -EINVAL, "%s: %s: %u: is \"owner/former/former@document\" "
					      "with members of the table, each once, %d slots a string",
					      where, name, i * SLOTS_A_LINE + k, SLOTS_A_LINE);
		}
		if (c < end)
			return wf_err(err, -EINVAL, "%s: %s: string %u has more than %d", where, name, i, SLOTS_A_LINE);
		end++;
	}
	if (*ret_n & (*ret_n - 1))
		return wf_err(err, -EINVAL, "%s: %s: %u is not a power of two", where, name, *ret_n);
	return 0;
}

static int
get_table(struct plc_reader *r, const json_t *o, enum plc_kind kind, const char *where,
	  struct plc_table *t, struct wf_err *err)
{
	const json_t *before = json_object_get(o, "slots-before");
	int rc = get_members(r, json_object_get(o, "members"), kind, where, t, err);

	if (before && r->p->key_step != PLC_KEY_SWITCHED)
		return wf_err(err, -EINVAL, "%s: slots-before: belongs to hash-key-step \"switched\"", where);
	rc = rc ? rc : get_slots(r, json_object_get(o, "slots"), "slots", where, &t->slots, &t->n_slots, err);
	if (!rc && before)
		rc = get_slots(r, before, "slots-before", where, &t->before, &t->n_before, err);
	return rc;
}

static int
get_node(struct placement *p, const json_t *o, size_t at, struct wf_err *err)
{
	struct plc_node *n = &p->nodes[p->n_nodes];
	const char *kind = json_string_value(json_object_get(o, "kind")), *wrong;

	if (!get_u32(o, "id", &n->id) || !n->id || n->id >= p->next_id || (p->n_nodes && n[-1].id >= n->id))
		return wf_err(err, -EINVAL, "nodes: %zu: id: is ascending, below next-id", at);
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
	return 0;
}

/* A number in the place of nodes, or of a pool, is that part of the document before; only plc_load_next() puts it there. */
static int
get_nodes(struct plc_reader *r, const json_t *nodes, struct wf_err *err)
{
	struct placement *p = r->p;
	json_t *o;
	size_t i;

	if (!json_is_array(nodes))
		return wf_err(err, -EINVAL, "nodes: is an array");
	if (r->same_nodes) {
		r->n_taken += json_array_size(nodes);
		return plc_share_nodes(p, r->before);
	}
	p->nodes = wf_xzalloc((json_array_size(nodes) + (r->before ? r->before->n_nodes : 0) + 1) * sizeof *p->nodes);
	json_array_foreach(nodes, i, o) {
		bool taken = r->before && json_is_integer(o);
		int rc = taken ? plc_copy_nodes(p, r->before, (size_t)json_integer_value(o)) : get_node(p, o, i, err);

		if (rc)
			return rc;
		r->n_taken += taken;
	}
	return r->before ? plc_is_next(p, r->before) : 0;
}

static int
get_pool(struct plc_reader *r, const json_t *o, size_t at, struct wf_err *err)
{
	struct placement *p = r->p;
	struct plc_pool *pool = &p->pools[p->n_pools];
	const json_t *servers = json_object_get(o, "servers");
	char where[PLC_NAME_MAX + 64];
	const char *id;
	json_t *v;
	int rc;

	if (r->before && json_is_integer(o)) {
		r->n_taken++;
		return plc_share_pool(p, r->before, at);
	}
	p->n_pools++;
	if (!get_u32(o, "id", &pool->id) || !pool->id || pool->id >= p->next_id ||
	    (at && pool[-1].id >= pool->id))
		return wf_err(err, -EINVAL, "pools: %zu: id: is ascending, below next-id", at);
	if (!get_name(o, pool->name))
		return wf_err(err, -EINVAL, "pools: %u: name: %s", pool->id, GLB_NAME_RULE);
	pool->gone = json_is_true(json_object_get(o, "gone"));
	snprintf(where, sizeof where, "pools: %s: sites", pool->name);
	rc = get_table(r, json_object_get(o, "sites"), PLC_SITE, where, &pool->sites, err);
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
		rc = get_table(r, v, PLC_SERVER, where, &st->servers, err);
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
get_document(struct plc_reader *r, const json_t *root, struct wf_err *err)
{
	struct placement *p = r->p;
	const char *format = json_string_value(json_object_get(root, "format"));
	const json_t *pools = json_object_get(root, "pools");
	json_t *o;
	size_t i;
	int rc;

	if (!format || strcmp(format, "weft-glb-placement 1"))
		return wf_err(err, -EINVAL, "format: is \"weft-glb-placement 1\"");
	if (!get_u32(root, "number", &p->number))
		return wf_err(err, -EINVAL, "number: is 0 to 4294967295");
	if (!get_u32(root, "next-id", &p->next_id) || !p->next_id || p->next_id > PLC_MAX_ID)
		return wf_err(err, -EINVAL, "next-id: is 1 to %u", PLC_MAX_ID);
	r->member_of = wf_xzalloc(p->next_id * sizeof *r->member_of);
	rc = get_keys(p, root, err);
	if (rc)
		return rc;
	rc = get_nodes(r, json_object_get(root, "nodes"), err);
	if (rc)
		return rc;
	if (!json_is_array(pools))
		return wf_err(err, -EINVAL, "pools: is an array");
	p->pools = wf_xzalloc((json_array_size(pools) + 1) * sizeof *p->pools);
	json_array_foreach(pools, i, o) {
		rc = get_pool(r, o, i, err);
		if (rc)
			return rc;
	}
	return 0;
}

struct placement *
plc_read(struct plc_reader *r, struct wf_str *rest, const char *text, size_t len, struct wf_err *err)
{
	json_error_t e;
	json_t *root = json_loadb(wf_str_cstr(rest), rest->len, JSON_REJECT_DUPLICATES, &e);
	int rc = root ? get_document(r, root, err) : wf_err(err, -EINVAL, "line %d: %s", e.line, e.text);

	rc = rc ? rc : plc_get_parts(r->p, root, text, len, err);
	json_decref(root);
	free(r->slots);
	free(r->member_of);
	if (!rc)
		return r->p;
	plc_free(r->p);
	return NULL;
}

struct placement *
plc_parse(const char *text, size_t len, struct wf_err *err)
{
	struct plc_reader r = { .p = plc_new() };
	struct wf_str rest = WF_STR_INIT;
	struct placement *p = NULL;

	if (plc_cut_slots(&r, text, len, &rest)) {
		wf_err(err, -EINVAL, "slots: is an array of strings");
		free(r.slots);
		plc_free(r.p);
	} else {
		p = plc_read(&r, &rest, text, len, err);
	}
	wf_str_done(&rest);
	return p;
}
