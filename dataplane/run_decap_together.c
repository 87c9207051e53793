/* SPDX-License-Identifier: Apache-2.0 */
/* A burst that is all of one tunnel, as bursts between two hosts are: its template and its flow are found for the
 * first packet, and the others compared with it, one after the other; no packet looks for either, and counters
 * are added once. */
#include "dataplane/run_decap_same.h"

#include "dataplane/cache.h"
#include "dataplane/pkt_fast.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Fewer are not worth the look-up. */
#define LEAST 4u

/* The template, for comparisons of 16 bytes. */
typedef uint64_t pair __attribute__((vector_size(16)));
#define PAIRS 4u
static_assert(PAIRS * 2 == DECAP_SAME_WORDS + 1, "the last word is not compared");
struct like { pair mask[PAIRS], value[PAIRS]; };

struct taken { unsigned n; uint64_t outer_bytes, inner_bytes; };

/* Of a frame of 64 bytes or more. */
ALWAYS_INLINE bool
differs(const struct like *l, const uint8_t *data)
{
	pair w[PAIRS], differ;

	memcpy(w, data, sizeof w);
	differ = ((w[0] & l->mask[0]) ^ l->value[0]) | ((w[1] & l->mask[1]) ^ l->value[1]) |
		 ((w[2] & l->mask[2]) ^ l->value[2]) | ((w[3] & l->mask[3]) ^ l->value[3]);
	return differ[0] | differ[1];
}

/* As decap_same_as() and decap_same_take(), which say why, for packets that all have this shape. */
ALWAYS_INLINE struct taken
take(struct runner *rn, const struct decap_template *t, const struct like *like, enum decap_shape shape,
     const struct tunnel_port *tp, struct rte_mbuf **pkts, unsigned n, uint8_t *kinds, uint64_t *ids)
{
	struct taken taken = { 0 };
	uint32_t skip = 14u + t->ofs;
	uint64_t id_mask = rn->decaps->id_mask;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct inner *in = &rn->inner->pkts[i];
		const uint8_t *data = pkt_data(m), *ip = data + 14;
		uint32_t size = pkt_size(m), total, end = size, kind;
		uint64_t sum = 0, id = 0;

		if (unlikely(size - 64 > 14 + UINT16_MAX - 64 || differs(like, data) ||
			     m->ol_flags & PKT_TX_OPEN))
			break;
		DECAP_UNROLL
		for (unsigned k = 0; k < 20; k += 4)
			sum += load32(ip + k);
		total = ntohs(load16(ip + 2));
		if (unlikely(decap_bad_sum(sum) || (ip[1] & 3) == 3 || 14 + total > size))
			break;
		if (shape == DECAP_UDP || shape == DECAP_OPTIONS) {
			uint32_t length = ntohs(load16(ip + 24));
			uint16_t csum = load16(data + 40);

			if (unlikely(length + 20 < t->ofs + 14u || 20 + length > total ||
				     t->has_csum != !!csum || !decap_csum_is_right(m, csum, length)))
				break;
			if (shape == DECAP_OPTIONS && !decap_same_options(t, data))
				break;
			end = 34 + length;
			id = ntohl(load32(data + 46)) >> 8;
		} else {
			if (unlikely(total < t->ofs + 14u))
				break;
			if (shape == DECAP_GRE_KEY)
				id = ntohl(load32(data + 38));
		}
		kind = pkt_kind_of(data + skip, end - skip);
		if (unlikely(kind == PKT_KIND_OTHER))
			break;
		kinds[i] = (uint8_t)kind;
		ids[i] = id & id_mask;
		/* It has less than 64 KB left. */
		m->data_off += skip;
		m->pkt_len = end - skip;
		m->data_len = (uint16_t)(end - skip);
		m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
		in->m = m;
		in->port = tp;
		in->kind = (uint8_t)kind;
		in->outer_size = (uint16_t)(size - 14);
		in->ofs = t->ofs;
		taken.outer_bytes += size;
		taken.inner_bytes += end - skip;
		taken.n = i + 1;
	}
	return taken;
}

/* Likely of one tunnel? */
static inline bool
look_alike(struct rte_mbuf *const *pkts, unsigned n)
{
	const struct rte_mbuf *a = pkts[0], *b = pkts[n / 2], *c = pkts[n - 1];

	/* Their IPv4 addresses; of less than 34 bytes, whatever the buffer has there. */
	uint64_t addresses = load64(pkt_data(a) + 26);

	return addresses == load64(pkt_data(b) + 26) && addresses == load64(pkt_data(c) + 26);
}

/* The flow of packets like this one, if it leads to the LOCAL port of their tunnels and nowhere else. */
static struct flow *
outer_flow(struct runner *rn, struct cache_burst *b, uint32_t slot, uint32_t generation,
	   struct decap_template *t, struct rte_mbuf **pkts)
{
	uint8_t kind = (uint8_t)pkt_kind(pkts[0]), key_of;
	struct flow *f;

	if (kind == PKT_KIND_OTHER)
		return NULL;
	cache_burst_start(rn->cache, b, slot, generation);
	cache_burst_add_frames(rn->cache, b, pkts, &kind, 1, &key_of);
	cache_burst_find(rn->cache, b, &f);
	if (!f || flow_is_retired(f) || !plan_is_fresh(f->plan, rn->view))
		return NULL;
	t->serial = rn->decaps->serial;
	t->leads_here = decap_same_leads_here(rn, t, f->plan, pkts[0]);
	return t->leads_here ? f : NULL;
}

unsigned
run_decap_together(struct runner *rn, struct cache_burst *b, uint32_t slot, uint32_t generation,
		   struct rte_mbuf **pkts, unsigned n)
{
	struct decaps *d = rn->decaps;
	struct inner_burst *burst = rn->inner;
	uint8_t kinds[BURST_MAX];
	uint64_t ids[BURST_MAX];
	struct like like = { 0 };
	struct taken taken;
	uint16_t same;

	if (n < LEAST || !look_alike(pkts, n))
		return 0;
	same = decap_same_as(d, pkts[0]);
	if (same == DECAP_NO_TEMPLATE)
		return 0;

	struct decap_template *t = &d->templates[same];
	const struct tunnel_port *tp = &rn->view->tunnels->ports[t->port];
	struct flow *f = outer_flow(rn, b, slot, generation, t, pkts);

	if (!f)
		return 0;
	memcpy(like.mask, d->masks[t->shape], sizeof d->masks[0]);
	memcpy(like.value, t->value, sizeof t->value);
	switch ((enum decap_shape)t->shape) {
	case DECAP_UDP:
		taken = take(rn, t, &like, DECAP_UDP, tp, pkts, n, kinds, ids);
		break;
	case DECAP_GRE:
		taken = take(rn, t, &like, DECAP_GRE, tp, pkts, n, kinds, ids);
		break;
	case DECAP_GRE_KEY:
		taken = take(rn, t, &like, DECAP_GRE_KEY, tp, pkts, n, kinds, ids);
		break;
	default:
		taken = take(rn, t, &like, DECAP_OPTIONS, tp, pkts, n, kinds, ids);
		break;
	}
	if (!taken.n)
		return 0;
	cache_burst_start_tunnel(rn->cache, &burst->keys, t->n_words);
	cache_burst_add_tunnels(rn->cache, &burst->keys, tp->slot, tp->generation, t->words, t->n_words,
				d->has_id ? ids : NULL, pkts, kinds, taken.n);
	burst->n = taken.n;
	flow_account(f, taken.n, taken.outer_bytes, rn->now_ms);
	stat_add(&rn->n_hits, taken.n);
	runner_count_more(rn, tp->state->rx, taken.n, taken.inner_bytes);
	return taken.n;
}
