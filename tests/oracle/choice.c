// SPDX-License-Identifier: Apache-2.0
/* Choices by hash, and meters. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/oracle/oracle.h"

struct ogroup *
oracle_group(struct obridge *br, uint32_t id)
{
	for (unsigned i = 0; i < br->n_groups; i++)
		if (br->groups[i].id == id)
			return &br->groups[i];
	return NULL;
}

struct ometer *
oracle_meter(struct obridge *br, uint32_t id)
{
	for (unsigned i = 0; i < br->n_meters; i++)
		if (br->meters[i].id == id)
			return &br->meters[i];
	return NULL;
}

struct oport *
oracle_port(struct obridge *br, of_port_t port)
{
	for (unsigned i = 0; i < br->n_ports; i++)
		if (br->ports[i].port == port)
			return &br->ports[i];
	return NULL;
}

static bool
has_ip4(const struct of_key *k)
{
	return k->dl_type == htons(0x0800);
}

static bool
has_ip6(const struct of_key *k)
{
	return k->dl_type == htons(0x86dd);
}

/* --- Groups ----------------------------------------------------------------------------------- */

/* OpenFlow 1.3.5 section 6.5: a bucket is alive if its port or its group is; without either,
 * always. */
static bool
is_alive(struct obridge *br, const struct obucket *b, unsigned depth)
{
	if (b->watch_port == OF_PORT_ANY && b->watch_group == OF_GROUP_ANY)
		return true;
	if (b->watch_port != OF_PORT_ANY) {
		const struct oport *p = oracle_port(br, b->watch_port);

		if (p && p->is_up && !p->is_down_by_config)
			return true;
	}
	if (b->watch_group != OF_GROUP_ANY && depth < 8) {
		const struct ogroup *g = oracle_group(br, b->watch_group);

		for (unsigned i = 0; g && i < g->n; i++)
			if (is_alive(br, &g->buckets[i], depth + 1))
				return true;
	}
	return false;
}

bool
oracle_bucket_is_alive(struct obridge *br, const struct obucket *b)
{
	return is_alive(br, b, 0);
}

/* Layers 2 to 4, both directions alike. */
static uint64_t
hash_conversation(const struct of_key *k, uint32_t basis)
{
	uint64_t mac = 0, h, hi = 0, lo = 0;

	for (unsigned i = 0; i < 6; i++)
		mac |= (uint64_t)(k->dl_src[i] ^ k->dl_dst[i]) << (8 * i);
	h = wf_hash_mix64(mac, basis + 0x1000193ull);
	h = wf_hash_mix64(h, (uint64_t)k->dl_type << 16 | k->vlans[0].tci);
	if (!has_ip4(k) && !has_ip6(k))
		return h;
	for (unsigned i = 0; i < 8; i++) {
		lo |= (uint64_t)(k->ipv6_src.s6_addr[i] ^ k->ipv6_dst.s6_addr[i]) << (8 * i);
		hi |= (uint64_t)(k->ipv6_src.s6_addr[8 + i] ^ k->ipv6_dst.s6_addr[8 + i]) << (8 * i);
	}
	h = wf_hash_mix64(h ^ lo, hi);
	h = wf_hash_mix64(h, (uint64_t)(k->nw_src ^ k->nw_dst) << 8 | k->nw_proto);
	if (!k->nw_frag && (k->nw_proto == IPPROTO_TCP || k->nw_proto == IPPROTO_UDP ||
			    k->nw_proto == IPPROTO_SCTP))
		h = wf_hash_mix64(h, k->tp_src ^ k->tp_dst);
	return h;
}

/* Weighted rendezvous. */
int
oracle_select(struct obridge *br, const struct ogroup *g, const struct of_key *k)
{
	uint32_t basis = (uint32_t)(g->param ^ g->param >> 32);
	uint64_t h;
	double best = 0;
	int found = -1;

	if (g->n_fields) {
		h = wf_hash_mix64(basis, g->param);
		for (unsigned i = 0; i < g->n_fields; i++) {
			const struct of_field *f = of_field(g->fields[i].id);
			union of_value v = { .b = { 0 } };

			if (!of_field_present(f, k))
				continue;
			of_field_get(f, k, &v);
			for (unsigned b = 0; b < f->n_bytes; b++)
				v.b[b] &= g->fields[i].mask[b];
			h = wf_hash_mix64(h, wf_hash_bytes(v.b, f->n_bytes, g->fields[i].id));
		}
	} else {
		h = hash_conversation(k, basis);
	}
	for (unsigned i = 0; i < g->n; i++) {
		uint64_t id = wf_hash_mix64(g->buckets[i].id, 0x9e3779b97f4a7c15ull), draw;
		double score;

		if (!g->buckets[i].weight || !oracle_bucket_is_alive(br, &g->buckets[i]))
			continue;
		draw = wf_hash_mix64(h, id + 0x9e3779b97f4a7c15ull);
		score = log((double)((draw >> 11) + 1) * 0x1p-53) / g->buckets[i].weight;
		if (found < 0 || score > best) {
			found = (int)i;
			best = score;
		}
	}
	return found;
}

/* --- multipath and bundle (ovs-actions(7)) ------------------------------------------------------- */

static uint32_t
mix(uint32_t v, uint32_t basis)
{
	uint64_t h = wf_hash_mix64(v, basis);

	return (uint32_t)(h ^ h >> 32);
}

static uint32_t
hash_fields(unsigned fields, const struct of_key *k, uint32_t basis)
{
	bool with_l2 = fields == OF_HASH_SYMMETRIC_L4, with_l4 = fields != OF_HASH_SYMMETRIC_L3;
	uint8_t b[64] = { 0 };

	if (fields == OF_HASH_ETH_SRC)
		return wf_hash_bytes(k->dl_src, 6, basis);
	if (fields == OF_HASH_NW_SRC || fields == OF_HASH_NW_DST) {
		bool src = fields == OF_HASH_NW_SRC;

		if (has_ip4(k))
			return mix(src ? k->nw_src : k->nw_dst, basis);
		if (has_ip6(k))
			return wf_hash_bytes(src ? &k->ipv6_src : &k->ipv6_dst, 16, basis);
		return basis;
	}
	if (!with_l2 && !has_ip4(k) && !has_ip6(k))
		return 0;
	if (with_l2) {
		for (unsigned i = 0; i < 6; i++)
			b[i] = k->dl_src[i] ^ k->dl_dst[i];
		memcpy(b + 6, &k->dl_type, 2);
		memcpy(b + 8, &k->vlans[0].tci, 2);
	}
	if (has_ip4(k) || has_ip6(k)) {
		uint32_t ip = k->nw_src ^ k->nw_dst;
		uint16_t ports = k->tp_src ^ k->tp_dst;

		memcpy(b + 16, &ip, 4);
		for (unsigned i = 0; i < 16; i++)
			b[20 + i] = k->ipv6_src.s6_addr[i] ^ k->ipv6_dst.s6_addr[i];
		if (with_l4) {
			b[36] = k->nw_proto;
			if (!(k->nw_frag & OF_FRAG_LATER) &&
			    (k->nw_proto == IPPROTO_TCP || k->nw_proto == IPPROTO_SCTP ||
			     (k->nw_proto == IPPROTO_UDP && fields != OF_HASH_SYMMETRIC_L3L4)))
				memcpy(b + 40, &ports, 2);
		}
	}
	return wf_hash_bytes(b, sizeof b, basis);
}

static unsigned
greatest(uint32_t hash, unsigned n, uint64_t alive)
{
	unsigned best = n;

	for (unsigned i = 0; i < n; i++)
		if (alive >> i & 1 && (best == n || mix(i, hash) > mix(best, hash)))
			best = i;
	return best;
}

unsigned
oracle_multipath(const struct of_act_multipath *m, const struct of_key *k)
{
	uint32_t h = hash_fields(m->fields, k, m->basis);
	unsigned n = m->max_link + 1u, bits = 1;

	switch (m->algorithm) {
	case 0:
		return h % n;
	case 1:
		return n == 1 ? 0 : h / (UINT32_MAX / n + 1);
	case 2:
		return greatest(h, n, UINT64_MAX);
	}
	while (1u << bits < n)
		bits++;
	for (unsigned i = 0; i < 100; i++)
		if (mix(i, h) >> (32 - bits) < n)
			return mix(i, h) >> (32 - bits);
	return h % n;
}

of_port_t
oracle_bundle(struct obridge *br, const struct of_act_bundle *b, const struct of_key *k)
{
	uint64_t alive = 0;
	unsigned i;

	for (i = 0; i < b->n_members; i++) {
		const struct oport *p = oracle_port(br, b->members[i]);

		if (p && p->is_up && !p->is_down_by_config)
			alive |= 1ull << i;
	}
	if (!alive)
		return OF_PORT_NONE;
	if (!b->algorithm)
		return b->members[__builtin_ctzll(alive)];
	i = greatest(hash_fields(b->fields, k, b->basis), b->n_members, alive);
	return b->members[i];
}

/* --- Meters ---------------------------------------------------------------------------------------- */

/* A bucket of 'burst' (of what a second brings, if there is none) fills with 'rate' a second, by
 * whole milliseconds.  A packet takes of each band that has enough; of those that have not, the
 * one with the highest rate acts (OpenFlow 1.3.5 section 5.7.1). */
const struct oband *
oracle_meter_charge(struct ometer *m, unsigned size)
{
	int64_t cost = m->is_pktps ? 1000 : (int64_t)size * 8;
	const struct oband *hit = NULL;

	m->n_packets++;
	for (unsigned i = 0; i < m->n; i++) {
		struct oband *b = &m->bands[i];
		int64_t most = (int64_t)(b->burst ? b->burst : b->rate) * 1000;

		b->tokens += (oracle_now_ms - m->filled_ms) * b->rate;
		if (b->tokens > most || !m->used)
			b->tokens = most;
		if (b->tokens >= cost)
			b->tokens -= cost;
		else if (!hit || b->rate > hit->rate)
			hit = b;
	}
	m->used = true;
	m->filled_ms = oracle_now_ms;
	return hit;
}
