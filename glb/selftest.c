// SPDX-License-Identifier: Apache-2.0
#include "glb/selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/log.h"
#include "bpf/glb_parse.h"
#include "glb/address.h"
#include "glb/datapath_internal.h"
#include "glb/fallback.h"

WF_LOG_MODULE(glb_selftest);

#define ROOM	  256
#define N_CLIENTS 16 /* one of them has a node that is another host, if there is any */

enum verdict { ABORTED, DROP, PASS, TX, REDIRECT }; /* enum xdp_action */

struct packet {
	uint8_t bytes[ROOM];
	uint32_t size, inner; /* of the whole frame; where the client's packet begins */
};

struct test {
	struct glb_datapath *dp;
	const struct glb_config *c;
	const struct placement *p;
	const struct glb_place *const *places;
	const struct glb_vip_config *v;
	const struct plc_pool *pool;
	uint8_t proto;
	uint16_t port;
	struct in6_addr client;
};

/* --- packets ----------------------------------------------------------------------------------- */

static void
put(struct packet *k, const void *bytes, size_t n)
{
	memcpy(k->bytes + k->size, bytes, n);
	k->size += (uint32_t)n;
}

static void
put16(struct packet *k, uint16_t v)
{
	put(k, &(uint16_t){ htons(v) }, 2);
}

static void
put_ip(struct packet *k, const struct in6_addr *from, const struct in6_addr *to, uint8_t proto, uint16_t payload)
{
	static const uint8_t ethernet[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	bool v4 = glb_address_is_v4(to);
	uint32_t sum = 0;
	size_t at;

	if (!k->size) {
		put(k, ethernet, sizeof ethernet);
		put16(k, v4 ? 0x0800 : 0x86dd);
	}
	at = k->size;
	if (!v4) {
		put(k, "\x60\0\0\0", 4);
		put16(k, payload);
		put(k, (uint8_t[]){ proto, 64 }, 2);
		put(k, from, 16);
		put(k, to, 16);
		return;
	}
	put(k, "\x45", 2);
	put16(k, (uint16_t)(20 + payload));
	put(k, "\0\0\x40\0", 4);
	put(k, (uint8_t[]){ 64, proto, 0, 0 }, 4);
	put(k, &from->s6_addr[12], 4);
	put(k, &to->s6_addr[12], 4);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)k->bytes[at + i] << 8 | k->bytes[at + i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	k->bytes[at + 10] = (uint8_t)(sum >> 8);
	k->bytes[at + 11] = (uint8_t)sum;
}

/* What a client sends: TCP that opens, or a datagram. */
static void
put_client(struct packet *k, const struct test *t)
{
	uint16_t size = t->proto == GLB_TCP ? 20 : 8;

	k->inner = k->size ? k->size : 14;
	put_ip(k, &t->client, &t->v->address, t->proto, size);
	put16(k, 40000);
	put16(k, t->port);
	if (t->proto == GLB_TCP)
		put(k, "\0\0\0\1\0\0\0\0\x50\x02\x20\0\0\0\0\0", 16);
	else
		put(k, "\0\x08\0\0", 4);
}

static bool
is_zero(const struct in6_addr *a)
{
	static const struct in6_addr zero;

	return !memcmp(a, &zero, sizeof zero);
}

/* In GRE from whom we take it, to 'own'; false: there is nobody. */
static bool
put_tunnel(struct packet *k, const struct test *t, const struct in6_addr *own)
{
	struct in6_addr from = *own;
	bool any = !t->c->n_sources;
	bool inner4 = glb_address_is_v4(&t->v->address);
	uint16_t inner = (uint16_t)((inner4 ? 20 : 40) + (t->proto == GLB_TCP ? 20 : 8));

	for (size_t i = 0; i < t->c->n_sources && !any; i++)
		if (glb_address_is_v4(&t->c->sources[i].address) == glb_address_is_v4(own)) {
			from = t->c->sources[i].address;
			any = true;
		}
	if (is_zero(own) || !any)
		return false;
	put_ip(k, &from, own, GLB_GRE, (uint16_t)(8 + inner));
	put16(k, 0x2000);
	put16(k, inner4 ? 0x0800 : 0x86dd);
	put(k, &(uint32_t){ htonl(t->pool->id) }, 4);
	put_client(k, t);
	return true;
}

static int
run(const struct test *t, int prog, struct packet *k, struct packet *ret, enum verdict *ret_verdict)
{
	struct xdp_md from = { .data_end = k->size };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k->bytes, .data_size_in = k->size, .data_out = ret->bytes,
		    .data_size_out = sizeof ret->bytes, .ctx_in = &from, .ctx_size_in = sizeof from);
	int rc;

	/* Routes are looked up for where it came from. */
	from.ingress_ifindex = t->c->n_interfaces ? if_nametoindex(t->c->interfaces[0].name) : 0;
	rc = bpf_prog_test_run_opts(prog, &opts);
	if (rc) {
		opts.ctx_in = NULL;
		opts.ctx_size_in = 0;
		opts.data_size_out = sizeof ret->bytes;
		rc = bpf_prog_test_run_opts(prog, &opts);
	}
	ret->size = opts.data_size_out;
	*ret_verdict = (enum verdict)opts.retval;
	return rc;
}

/* --- what the document says ------------------------------------------------------------------------ */

/* The VIP that the programs find: one address before prefixes, then by port, by protocol; the longest prefix. */
static bool
is_found(const struct test *t)
{
	const struct glb_vip_config *found = NULL;

	for (unsigned pass = 0; pass < 6 && !found; pass++)
		for (size_t i = 0; i < t->c->n_vips; i++) {
			const struct glb_vip_config *v = &t->c->vips[i];

			if ((v->len < 128) == (pass >= 3) && glb_prefix_has(&v->address, v->len, &t->v->address) &&
			    v->protocol == (pass % 3 == 2 ? 0 : t->proto) && v->port == (pass % 3 ? 0 : t->port) &&
			    (!found || v->len > found->len))
				found = v;
		}
	return found == t->v;
}

static const struct plc_table *
servers(const struct test *t)
{
	const struct plc_node *site = plc_node_by_name(t->p, PLC_SITE, t->c->site);

	return site ? plc_servers_at(t->pool, site->id) : NULL;
}

/* Who gets the packet if all are well; 0: nobody. */
static uint32_t
owner(const struct test *t, bool edge)
{
	const struct glb_place *place = edge && t->places ? t->places[t->pool - t->p->pools] : NULL;
	const struct plc_table *table = edge ? &t->pool->sites : servers(t);
	struct glb_flow f = { .family = glb_address_is_v4(&t->client) ? 4 : 6, .proto = t->proto,
			      .client_port = htons(40000), .vip_port = htons(t->port) };
	__u64 key[2], hash;

	memcpy(key, t->p->hash_key, sizeof key);
	memcpy(f.client, &t->client, sizeof f.client);
	memcpy(f.vip, &t->v->address, sizeof f.vip);
	hash = edge ? glb_client_hash(key, &f) : glb_flow_hash(key, &f);
	if (place) {
		const uint8_t *b = t->client.s6_addr;
		struct pol_addr a = pol_addr_from_bytes(f.family, f.family == 4 ? b + 12 : b);
		uint32_t class_id = pol_leaf_class(loc_find(place->map, &a));

		return place->slots[(class_id < place->n_classes ? class_id : 0) * 256 + (hash & 255)].site[0];
	}
	return table && table->n_slots ? table->slots[hash & (table->n_slots - 1)].owner[0] : 0;
}

static bool
is_member(const struct test *t, bool edge, const struct plc_node *n)
{
	const struct plc_table *table = edge ? &t->pool->sites : servers(t);

	for (size_t i = 0; table && i < table->n_members; i++)
		if (table->members[i].node == n->id)
			return true;
	return false;
}

static bool
is_self(const struct test *t, const struct plc_node *n)
{
	uint32_t index = dp_node_index(t->dp, n->id);

	return index && t->dp->nodes[index].flags & GLB_NODE_SELF;
}

/* Does the frame bring the client's packet to this node? */
static bool
is_for(const struct packet *sent, const struct packet *out, const struct plc_node *n)
{
	uint32_t inner = sent->size - sent->inner, at = 14;
	bool v4 = glb_address_is_v4(&n->address);

	if (out->size < 34)
		return false;
	if (out->bytes[12] == 0x81 && out->bytes[13] == 0)
		at = 18;
	if (n->encap == GLB_ENCAP_L2)
		return out->size == inner + at && !memcmp(out->bytes + at, sent->bytes + sent->inner, inner);
	if ((out->bytes[at] >> 4) != (v4 ? 4 : 6) || out->size < at + (v4 ? 20u : 40u) ||
	    memcmp(out->bytes + at + (v4 ? 16 : 24), v4 ? &n->address.s6_addr[12] : n->address.s6_addr, v4 ? 4 : 16) != 0)
		return false;
	if (n->encap == GLB_ENCAP_NAT)
		return out->size == inner + at;
	return out->size > inner + at && !memcmp(out->bytes + out->size - inner, sent->bytes + sent->inner, inner);
}

/* --- the tests ------------------------------------------------------------------------------------- */

/* Reasons that are not the program's: the network's, or what the operator set. */
static uint64_t
excuses(struct glb_datapath *dp)
{
	static const enum glb_drop reasons[] = {
		GLB_DROP_no_route, GLB_DROP_no_neigh, GLB_DROP_off_link, GLB_DROP_denied, GLB_DROP_source_limit,
		GLB_DROP_syn_limit, GLB_DROP_too_big,
	};
	uint64_t n = 0;

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		n += glb_datapath_count(dp, GLB_COUNT_DROPS, reasons[i]).packets;
	return n;
}

static int
fails(const struct test *t, const char *role, enum verdict verdict, const char *want, struct wf_err *err)
{
	static const char *const words[] = { "aborted", "dropped", "passed to the stack", "sent elsewhere or damaged",
					     "sent elsewhere or damaged" };
	char address[GLB_PREFIX_TEXT];

	return wf_err(err, -EIO, "self-test: the program of role %s: vip %s %s %u: a packet is %s, not %s", role,
		      glb_prefix_text(&t->v->address, t->v->len, address), t->proto == GLB_TCP ? "tcp" : "udp", t->port,
		      verdict <= REDIRECT ? words[verdict] : "given an unknown verdict", want);
}

static int
test_balancer(struct test *t, bool edge, struct wf_err *err)
{
	bool v4 = glb_address_is_v4(&t->v->address);
	const struct plc_node *n = NULL, *other;
	const struct in6_addr *own = is_zero(&t->c->own4) ? &t->c->own6 : &t->c->own4;
	struct packet sent = { .size = 0 }, out;
	enum verdict verdict;
	uint64_t excused;
	int marks = 0;
	bool ill;

	for (unsigned i = 1; i <= N_CLIENTS && !n; i++) {
		char text[INET6_ADDRSTRLEN];
		uint32_t index;

		/* RFC 5737, RFC 3849: nobody's. */
		snprintf(text, sizeof text, v4 ? "192.0.2.%u" : "2001:db8::%x", i);
		glb_address_parse(text, &t->client);
		n = plc_node_by_id(t->p, owner(t, edge));
		index = n ? dp_node_index(t->dp, n->id) : 0;
		marks = n ? glb_datapath_node_flags(t->dp, n->id) : -1;
		if (!index || (t->dp->nodes[index].flags & GLB_NODE_SELF))
			n = NULL;
	}
	if (!n)
		return 0;
	if (edge)
		put_client(&sent, t);
	else if (!put_tunnel(&sent, t, own))
		return 0;
	excused = excuses(t->dp);
	if (run(t, t->dp->progs[edge ? GLB_EDGE : GLB_LOCAL], &sent, &out, &verdict)) {
		wf_warn("self-test: the kernel does not run it: %s", strerror(errno));
		return 0;
	}
	ill = (marks & 0xffff & (GLB_NODE_DEAD | GLB_NODE_DRAIN | GLB_NODE_SUSPECT)) || marks >> 16;
	if (verdict == DROP && (excuses(t->dp) != excused || ill))
		return 0;
	/* Another of its own roles may have had it before, which no test comes to: the chain has the programs of before. */
	for (size_t i = 0; (t->proto == GLB_UDP || ill) && i < t->p->n_nodes; i++)
		if (!t->p->nodes[i].gone && is_member(t, edge, &t->p->nodes[i]) && is_self(t, &t->p->nodes[i]))
			return 0;
	if (verdict == TX || verdict == REDIRECT) {
		if (is_for(&sent, &out, n))
			return 0;
		/* Whoever has it before, or in the place of one that is not well. */
		for (size_t i = 0; i < t->p->n_nodes; i++) {
			other = &t->p->nodes[i];
			if ((t->proto == GLB_UDP || ill) && !other->gone && is_member(t, edge, other) && is_for(&sent, &out, other))
				return 0;
		}
	}
	return fails(t, edge ? "edge" : "local", verdict, edge ? "sent to its site" : "sent to its server", err);
}

static int
test_host(struct test *t, struct wf_err *err)
{
	const struct in6_addr *own = !is_zero(&t->c->host_address) ? &t->c->host_address :
				     !is_zero(&t->c->own4) ? &t->c->own4 : &t->c->own6;
	struct packet sent = { .size = 0 }, out;
	enum verdict verdict;
	uint64_t excused;
	uint32_t inner;

	glb_address_parse(glb_address_is_v4(&t->v->address) ? "192.0.2.1" : "2001:db8::1", &t->client);
	if (!put_tunnel(&sent, t, own))
		return 0;
	inner = sent.size - sent.inner;
	excused = excuses(t->dp);
	if (run(t, t->dp->progs[GLB_HOST], &sent, &out, &verdict)) {
		wf_warn("self-test: the kernel does not run it: %s", strerror(errno));
		return 0;
	}
	if (verdict == DROP && excuses(t->dp) != excused)
		return 0;
	if (verdict == PASS && out.size == inner + 14 && !memcmp(out.bytes + 14, sent.bytes + sent.inner, inner))
		return 0;
	return fails(t, "host", verdict == PASS ? TX : verdict, "delivered", err);
}

int
glb_selftest(struct glb_datapath *dp, const struct glb_config *c, const struct placement *p,
	     const struct glb_place *const *by_pool, struct wf_err *err)
{
	struct test t = { .dp = dp, .c = c, .p = p, .places = by_pool };
	bool done[128] = { false };
	int rc = 0;

	for (size_t i = 0; i < c->n_vips && !rc; i++) {
		unsigned kind = (unsigned)glb_address_is_v4(&c->vips[i].address) | (c->vips[i].protocol == 0) << 1 |
				(c->vips[i].protocol == GLB_UDP) << 2 | (c->vips[i].len < 128) << 3 |
				(c->vips[i].policy[0] != 0) << 4 | c->vips[i].quic << 5 | (c->vips[i].port == 0) << 6;

		t.v = &c->vips[i];
		t.proto = t.v->protocol == GLB_UDP ? GLB_UDP : GLB_TCP;
		t.port = t.v->port ? t.v->port : 80;
		t.pool = plc_pool_by_name(p, glb_fallback_pool(t.v));
		if (done[kind] || !t.pool || !is_found(&t))
			continue;
		done[kind] = true;
		if (c->role[GLB_EDGE])
			rc = test_balancer(&t, true, err);
		if (!rc && c->role[GLB_LOCAL])
			rc = test_balancer(&t, false, err);
		if (!rc && c->role[GLB_HOST])
			rc = test_host(&t, err);
	}
	return rc;
}
