// SPDX-License-Identifier: Apache-2.0
#include "dataplane/bond.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

struct bond_buckets *
bond_buckets_new(void)
{
	struct bond_buckets *t = wf_xzalloc(sizeof *t);

	atomic_init(&t->refs, 1);
	for (unsigned k = 0; k < BOND_BUCKETS; k++)
		atomic_init(&t->b[k].member, OF_PORT_NONE);
	return t;
}

void
bond_buckets_ref(struct bond_buckets *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void
bond_buckets_unref(struct bond_buckets *t)
{
	if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
		free(t);
}

void
bond_free(struct bond *b)
{
	if (!b)
		return;
	bond_buckets_unref(b->buckets);
	free(b);
}

/* --- Hashes: without the process's seed --------------------------------------------------- */

static unsigned
fold(uint64_t h)
{
	h ^= h >> 32;
	return (unsigned)(h ^ h >> 16) % BOND_BUCKETS;
}

unsigned
bond_hash_mac(const uint8_t mac[6], uint16_t vid, uint32_t basis)
{
	uint64_t m = 0;

	memcpy(&m, mac, 6);
	return fold(wf_hash_mix64(m, (uint64_t)basis << 16 | vid));
}

unsigned
bond_hash_l4(const struct of_key *k, uint32_t basis)
{
	uint64_t a = 0, b = 0, h;

	if (k->dl_type == htons(0x0800)) {
		h = wf_hash_mix64((uint64_t)k->nw_src << 32 | k->nw_dst,
				  (uint64_t)basis << 8 | k->nw_proto);
	} else if (k->dl_type == htons(0x86dd)) {
		uint64_t src[2], dst[2];

		memcpy(src, &k->ipv6_src, 16);
		memcpy(dst, &k->ipv6_dst, 16);
		h = wf_hash_mix64(src[0], (uint64_t)basis << 8 | k->nw_proto);
		h = wf_hash_mix64(h ^ src[1], dst[0]);
		h = wf_hash_mix64(h, dst[1]);
	} else {
		memcpy(&a, k->dl_src, 6);
		memcpy(&b, k->dl_dst, 6);
		return fold(wf_hash_mix64(wf_hash_mix64(a, b), (uint64_t)basis << 16 | k->dl_type));
	}
	/* Fragments of one packet go one way: without ports. */
	if (!(k->nw_frag & OF_FRAG_ANY) &&
	    (k->nw_proto == IPPROTO_TCP || k->nw_proto == IPPROTO_UDP || k->nw_proto == IPPROTO_SCTP))
		h = wf_hash_mix64(h, (uint64_t)k->tp_src << 16 | k->tp_dst);
	return fold(h);
}

/* --- Out --------------------------------------------------------------------------------------- */

static int
member_index(const struct bundle *u, of_port_t port)
{
	for (uint32_t i = 0; i < u->n_members; i++)
		if (u->members[i] == port)
			return (int)i;
	return -1;
}

static bool
is_enabled(const struct bundle *u, of_port_t port)
{
	int i = member_index(u, port);

	return i >= 0 && u->bond->enabled >> i & 1;
}

/* The bucket's member may be one that this view no longer has: main is about to move it. */
static of_port_t
any_enabled(const struct bundle *u, unsigned hash)
{
	unsigned n = (unsigned)__builtin_popcount(u->bond->enabled);

	if (!n)
		return OF_PORT_NONE;
	hash %= n;
	for (uint32_t i = 0; i < u->n_members; i++)
		if (u->bond->enabled >> i & 1 && !hash--)
			return u->members[i];
	return OF_PORT_NONE;
}

const struct xport *
bond_choose(const struct bridge_view *bv, const struct bundle *u, const struct of_key *key,
	    uint16_t vid, uint32_t n_bytes)
{
	const struct bond *bond = u->bond;
	of_port_t port = bond->active;

	if (!bond->may_send)
		return NULL;
	if (bond->mode != BOND_ACTIVE_BACKUP && bond->buckets) {
		unsigned hash = bond->mode == BOND_BALANCE_SLB
					? bond_hash_mac(key->dl_src, vid, bond->basis)
					: bond_hash_l4(key, bond->basis);

		port = atomic_load_explicit(&bond->buckets->b[hash].member, memory_order_relaxed);
		if (!is_enabled(u, port))
			port = any_enabled(u, hash);
		if (n_bytes)
			atomic_fetch_add_explicit(&bond->buckets->b[hash].bytes, n_bytes,
						  memory_order_relaxed);
	}
	return port == OF_PORT_NONE ? NULL : xport_find(bv->ports, port);
}

/* --- In ------------------------------------------------------------------------------------------ */

enum bond_verdict
bond_admit(const struct bundle *u, of_port_t in_port, const uint8_t dl_dst[6])
{
	const struct bond *bond = u->bond;
	int i = member_index(u, in_port);
	bool multicast = dl_dst[0] & 1;

	if (i < 0)
		return BOND_REFUSE;
	switch (bond->admission) {
	case BOND_ADMIT_ENABLED:
		return (bond->enabled | bond->may_enable) >> i & 1 ? BOND_ACCEPT : BOND_REFUSE;
	case BOND_ADMIT_ACTIVE:
		return bond->active == in_port ? BOND_ACCEPT : BOND_REFUSE;
	case BOND_ADMIT_NO_ECHO:
		return multicast && bond->active != in_port ? BOND_REFUSE : BOND_REFUSE_IF_MOVED;
	case BOND_ADMIT_NO_ECHO_ALL:
		return BOND_REFUSE_IF_MOVED;
	case BOND_ADMIT_NOTHING:
		break;
	}
	return BOND_REFUSE;
}
