/* SPDX-License-Identifier: Apache-2.0 */
/* Select groups: the bucket is chosen for each packet at run time (rule 7). */
#include "dataplane/run.h"

#include <math.h>

#include "base/hash.h"
#include "dataplane/flow_hash.h"
#include "openflow/field.h"

static_assert(offsetof(struct of_key, dl_dst) % 8 == 0 &&
		      offsetof(struct of_key, dl_src) == offsetof(struct of_key, dl_dst) + 6,
	      "12 bytes from the start of a word");

/* Source and destination, by loads of whole words: those of parts of words that were just stored
 * wait until the stores are done. */
static inline void
addresses(const struct of_key *key, uint64_t macs[2])
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t *w = of_key_words_c(key) + offsetof(struct of_key, dl_dst) / 8;

	macs[0] = w[0] >> 48 | (w[1] & 0xffffffff) << 16;
	macs[1] = w[0] & 0xffffffffffff;
#else
	macs[0] = macs[1] = 0;
	memcpy(&macs[0], key->dl_src, 6);
	memcpy(&macs[1], key->dl_dst, 6);
#endif
}

static uint64_t
hash_symmetric(const struct of_key *key, uint32_t basis)
{
	uint64_t macs[2], h;
	bool is_ip = key->dl_type == RTE_BE16(0x0800) || key->dl_type == RTE_BE16(0x86dd);

	addresses(key, macs);
	h = flow_hash_link(macs[0] ^ macs[1], basis, key->dl_type, key->vlans[0].tci);
	if (!is_ip)
		return h;

	uint64_t src[2], dst[2];
	memcpy(src, &key->ipv6_src, 16);
	memcpy(dst, &key->ipv6_dst, 16);
	h = flow_hash_network(h, src[0] ^ dst[0], src[1] ^ dst[1], key->nw_src ^ key->nw_dst,
			      key->nw_proto);
	/* Fragments of one packet go one way: without ports. */
	if (!(key->nw_frag & OF_FRAG_ANY) &&
	    (key->nw_proto == IPPROTO_TCP || key->nw_proto == IPPROTO_UDP ||
	     key->nw_proto == IPPROTO_SCTP))
		h = wf_hash_mix64(h, key->tp_src ^ key->tp_dst);
	return h;
}

uint32_t
run_hash_key(const struct of_key *key, uint32_t basis)
{
	return flow_hash_fold(hash_symmetric(key, basis));
}

uint32_t
run_hash(struct pass *p, const struct rte_mbuf *m, uint32_t basis, unsigned algorithm)
{
	(void)algorithm; /* all that are asked for are met by the symmetric one */
	return run_hash_key(pass_headers(p, m), basis);
}

static uint64_t
hash_fields(const struct group *g, const struct of_key *key, uint32_t basis)
{
	uint64_t h = wf_hash_mix64(basis, g->selection_param);

	for (uint32_t i = 0; i < g->n_hash_fields; i++) {
		const struct of_field *f = of_field(g->hash_fields[i].field);
		const union of_value *mask = &g->hash_fields[i].mask;
		union of_value v;

		/* A field that the packet does not have says nothing about it. */
		if (!of_field_present(f, key))
			continue;
		of_field_get(f, key, &v);
		for (unsigned b = 0; b < f->n_bytes; b++)
			v.b[b] &= mask->b[b];
		h = wf_hash_mix64(h, wf_hash_bytes(v.b, f->n_bytes, f->id));
	}
	return h;
}

/* Weighted rendezvous: each bucket draws a number in (0, 1] from (flow, bucket), and the highest
 * u^(1/weight) wins, so that a bucket that dies or comes back moves its own flows only and the
 * shares follow the weights. */
static int
choose(const struct view *view, const struct group *g, uint64_t hash)
{
	double best_score = 0;
	int best = -1;

	for (uint32_t i = 0; i < g->n_buckets; i++) {
		const struct bucket *bucket = &g->buckets[i];

		if (!bucket->weight || !bucket_is_alive(view, g->bridge, bucket))
			continue;
		uint64_t draw = wf_hash_mix64(hash, bucket->hash_id + 0x9e3779b97f4a7c15ull);
		double u = ((draw >> 11) + 1) * 0x1p-53;
		double score = log(u) / bucket->weight;
		if (best < 0 || score > best_score) {
			best = (int)i;
			best_score = score;
		}
	}
	return best;
}

int
select_bucket(const struct view *view, const struct group *g, uint32_t basis, uint32_t dp_hash,
	      const struct of_key *key)
{
	if (dp_hash && !strcmp(g->selection_method, "dp_hash"))
		return choose(view, g, dp_hash);
	return choose(view, g, g->n_hash_fields ? hash_fields(g, key, basis)
						: hash_symmetric(key, basis));
}

void
run_select(struct pass *p, const struct op_select *op, struct rte_mbuf *m, bool owned)
{
	int i = select_bucket(p->rn->view, op->group, op->op.u32, p->dp_hash, pass_key(p, m));
	const struct op_bucket *b = op_select_first_bucket(op);

	if (i < 0 || (uint32_t)i >= op->n_buckets) {
		pass_drop(p, DROP_GROUP_NO_BUCKET);
		if (owned)
			pkt_free(m);
		return;
	}
	while (i--)
		b = op_bucket_next(b);

	struct pass sub = *p;
	if (!owned && !(m = pkt_copy(m))) {
		pass_drop(p, DROP_NO_MEMORY);
		return;
	}
	run_ops(&sub, (const struct plan_op *)(b + 1), (const struct plan_op *)op_bucket_next(b),
		m);
}
