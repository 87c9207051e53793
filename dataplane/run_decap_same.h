/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that come out of tunnels like others before them.
 *
 * What all packets of a tunnel have in common (addresses, ports, flags, and of the rest what the flow cache
 * reads) is kept as a template, by the port at which they arrive.  A frame that is like one under a mask needs
 * no kind, no key, no look-up and no NORMAL of its own: its outer flow is that of the first such frame of the
 * burst.  What differs is looked at: lengths, checksum of the IP header, ECN; the VNI or key goes into the
 * inner packet's key as it is, unless some tunnel port asks for a certain one: then it is part of the
 * template.
 *
 * Templates are made by run_decap_take(), of IPv4 with VXLAN, Geneve with few options and GRE, and rest on
 * what its memos rest on.  Threads: the runner's. */
#ifndef WEFT_DATAPLANE_RUN_DECAP_SAME_H
#define WEFT_DATAPLANE_RUN_DECAP_SAME_H

#include "base/hash.h"
#include "dataplane/normal_memo.h"
#include "dataplane/run_decap.h"
#include "dataplane/tunnel.h"
#include "tunnels/checksum.h"

#define DECAP_MAX_WORDS 9u
#define DECAP_MAX_OPTIONS 16u /* bytes of Geneve's */
#define DECAP_SAME_WORDS 7u  /* Ethernet, IPv4, 8 bytes of GRE or UDP and VXLAN, and 6 that are masked out */
#define DECAP_TEMPLATES 256u
#define DECAP_NO_TEMPLATE UINT16_MAX
#if defined(__GNUC__) && !defined(__clang__)
#define DECAP_UNROLL _Pragma("GCC unroll 8")
#else
#define DECAP_UNROLL
#endif

/* The outer headers that are told apart by where their fields are. */
enum decap_shape { DECAP_UDP, DECAP_GRE, DECAP_GRE_KEY, DECAP_OPTIONS, DECAP_N_SHAPES };

struct decap_template {
	uint64_t value[DECAP_SAME_WORDS];
	uint64_t at;              /* slot and generation at which it arrives */
	uint32_t epoch;           /* 0: none */
	uint8_t shape, n_words, ofs;
	bool has_csum;            /* of UDP */
	uint8_t first;            /* in this burst: which packet is the first like it */
	bool leads_here;          /* its outer flow is one that only leads to 'local' */
	uint32_t serial;          /* of what was found out about its flow */
	uint32_t burst;           /* in which 'first' was set */
	uint32_t port;            /* index into the view's tunnel ports */
	uint32_t local, local_generation;
	uint64_t options[DECAP_MAX_OPTIONS / 8]; /* of DECAP_OPTIONS; 0 behind them */
	uint64_t words[DECAP_MAX_WORDS];
};

/* Of one outer header, whatever its flow: run_decap.c. */
struct decap_memo {
	uint64_t key[4];
	uint32_t port;             /* index into the view's tunnel ports */
	uint16_t epoch;            /* 0: none */
	uint8_t n_words, ofs;      /* ofs: from the outer IP header to the inner packet */
	uint64_t options[DECAP_MAX_OPTIONS / 8];
	uint64_t words[DECAP_MAX_WORDS]; /* of the tunnel part, as the cache's key has them */
};
static_assert(sizeof(struct decap_memo) == 128, "one line, and one that few tunnels need");

/* IPv6 addresses of outer headers: memos have their number. */
#define DECAP_PAIRS6 1024u
struct decap_pair6 { uint64_t addresses[4], number; };

struct decaps {
	uint64_t config_version, underlay;
	uint32_t layout;
	uint16_t epoch;
	uint32_t coin;
	/* Templates. */
	uint32_t template_epoch;
	bool usable[DECAP_N_SHAPES];
	bool has_id;              /* the first of a key's tunnel words is the VNI or key */
	uint64_t id_mask;
	uint64_t slots;           /* bit N: at a slot that is N modulo 64 such packets arrived */
	uint64_t at;              /* the burst's */
	uint32_t serial, burst;
	uint64_t masks[DECAP_N_SHAPES][DECAP_SAME_WORDS];
	struct decap_template *templates;
	void *block;
	struct decap_memo (*sets)[2];
	struct decap_pair6 *pairs6; /* NULL: there was none yet */
	uint64_t last_pair6;
};

/* Do templates hold that were made before?  If not, forgets them. */
void run_decap_renew(struct runner *);

static inline bool
decap_same_begin(struct runner *rn, uint32_t slot, uint32_t generation)
{
	struct decaps *d = rn->decaps;

	d->at = (uint64_t)slot << 32 | generation;
	if (likely(!(d->slots >> (slot & 63) & 1)))
		return false;
	run_decap_renew(rn);
	d->burst++;
	d->serial++;
	return true;
}

/* Something was done that may have changed what packets to the same addresses meet. */
static inline void
decap_same_look_again(struct runner *rn)
{
	rn->decaps->serial++;
}

static inline unsigned
decap_place(const uint64_t w[DECAP_SAME_WORDS], uint64_t at, enum decap_shape shape,
	    const uint8_t *data)
{
	/* Four bytes of the first option's value. */
	if (unlikely(shape == DECAP_OPTIONS) && data[42] > 1)
		at ^= (uint64_t)load32(data + 54) << 32;

	uint64_t h = wf_hash_mix64(w[3] ^ w[5] ^ at ^ wf_hash_seed, w[4] ^ w[6] ^ w[1] >> 48);

	return (unsigned)(h % DECAP_TEMPLATES);
}

static inline enum decap_shape
decap_shape(const uint8_t *data)
{
	unsigned gre = data[23] == IPPROTO_GRE;

	/* No header of VXLAN begins like one of Geneve with few options (RFC 7348 section 5: the I bit). */
	if (unlikely(!gre && (unsigned)data[42] - 1u < DECAP_MAX_OPTIONS / 4))
		return DECAP_OPTIONS;
	return (enum decap_shape)(gre + (gre & data[34] >> 5));
}

/* Geneve's options, of which there are 'size' bytes; the packet has DECAP_MAX_OPTIONS behind the header. */
static inline void
decap_options(const uint8_t *options, uint32_t size, uint64_t out[DECAP_MAX_OPTIONS / 8])
{
	memset(out, 0, DECAP_MAX_OPTIONS);
	memcpy(out, options, 4);
	if (size > 4)
		memcpy((uint8_t *)out + 4, options + 4, size > 8 ? 8 : 4);
	if (size > 12)
		memcpy((uint8_t *)out + 12, options + 12, 4);
}

/* Sums up a UDP datagram of this length behind Ethernet and IPv4 without options, or IPv6, unless it was found
 * wrong before; the packet remembers what came out. */
bool decap_csum_check(struct rte_mbuf *, uint32_t length);

/* Is a datagram's checksum right: none, or the receiver vouches for it, or so it is? */
static inline bool
decap_csum_is_right(struct rte_mbuf *m, uint16_t csum, uint32_t length)
{
	return !csum ||
	       (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
	       decap_csum_check(m, length);
}

/* Of five words of 32 bits that should add up to all ones in 16. */
static inline bool
decap_bad_sum(uint64_t sum)
{
	uint32_t s = (uint32_t)(sum & 0xffff) + (uint32_t)(sum >> 16 & 0xffff) + (uint32_t)(sum >> 32);

	return (uint16_t)(s + (s >> 16)) != 0xffff;
}

/* Those of a frame that is long enough. */
static inline bool
decap_same_options(const struct decap_template *t, const uint8_t *data)
{
	uint64_t options[DECAP_MAX_OPTIONS / 8];

	decap_options(data + 50, data[42] * 4u, options);
	return options[0] == t->options[0] && options[1] == t->options[1];
}

/* The template that a frame is like, or DECAP_NO_TEMPLATE. */
static inline uint16_t
decap_same_as(const struct decaps *d, struct rte_mbuf *m)
{
	const uint8_t *data = pkt_data(m), *ip = data + 14;
	uint32_t size = pkt_size(m), total;
	uint64_t w[DECAP_SAME_WORDS], differ, sum = 0;
	enum decap_shape shape;
	unsigned place;

	/* More than is looked at before lengths are, less than any packet with one inside has. */
	if (unlikely(size < 64))
		return DECAP_NO_TEMPLATE;
	shape = decap_shape(data);
	DECAP_UNROLL
	for (unsigned i = 0; i < DECAP_SAME_WORDS; i++)
		w[i] = load64(data + 8 * i) & d->masks[shape][i];
	place = decap_place(w, d->at, shape, data);

	const struct decap_template *t = &d->templates[place];
	differ = (t->at ^ d->at) | (t->epoch ^ d->template_epoch) | (m->ol_flags & PKT_TX_OPEN);
	DECAP_UNROLL
	for (unsigned i = 0; i < DECAP_SAME_WORDS; i++)
		differ |= w[i] ^ t->value[i];
	DECAP_UNROLL
	for (unsigned i = 0; i < 20; i += 4)
		sum += load32(ip + i);
	total = ntohs(load16(ip + 2));
	if (unlikely(differ || decap_bad_sum(sum) || (ip[1] & 3) == 3 || 14 + total > size ||
		     size > 14 + UINT16_MAX))
		return DECAP_NO_TEMPLATE;
	if (shape == DECAP_UDP || shape == DECAP_OPTIONS) {
		uint32_t length = ntohs(load16(ip + 24));
		uint16_t csum = load16(data + 40);

		/* ofs: IP, UDP and the tunnel's header. */
		if (unlikely(length + 20 < t->ofs + 14u || 20 + length > total ||
			     t->has_csum != !!csum || !decap_csum_is_right(m, csum, length)))
			return DECAP_NO_TEMPLATE;
		if (shape == DECAP_OPTIONS && !decap_same_options(t, data))
			return DECAP_NO_TEMPLATE;
	} else if (unlikely(total < t->ofs + 14u)) {
		return DECAP_NO_TEMPLATE;
	}
	return (uint16_t)place;
}

/* Finds out whether packets like this, of that flow, go to the LOCAL port of their tunnels and nowhere else. */
bool decap_same_leads_here(struct runner *, const struct decap_template *, struct plan *, const struct rte_mbuf *);

/* Takes a frame that is like 't', of the flow with this plan, as run_decap_take() does.  False: the plan does
 * more, or the inner packet is no usual one; nothing was done. */
static inline bool
decap_same_take(struct runner *rn, struct decap_template *t, struct plan *plan, struct rte_mbuf *m)
{
	const struct tunnel_port *tp = &rn->view->tunnels->ports[t->port];
	struct decaps *d = rn->decaps;
	struct inner_burst *burst = rn->inner;
	struct inner *in = &burst->pkts[burst->n];
	uint32_t skip = 14u + t->ofs, size = pkt_size(m), kind, end = size;
	const uint8_t *data = pkt_data(m);
	uint64_t id;

	if (unlikely(t->serial != d->serial)) {
		t->serial = d->serial;
		t->leads_here = decap_same_leads_here(rn, t, plan, m);
	}
	if (unlikely(!t->leads_here))
		return false;
	if (t->shape == DECAP_UDP || t->shape == DECAP_OPTIONS) {
		end = 34 + ntohs(load16(data + 38));
		id = ntohl(load32(data + 46)) >> 8;
	} else {
		id = t->shape == DECAP_GRE_KEY ? ntohl(load32(data + 38)) : 0;
	}
	m->data_off += skip;
	pkt_set_size(m, end - skip);
	kind = pkt_kind(m);
	if (unlikely(kind == PKT_KIND_OTHER)) {
		m->data_off -= skip;
		pkt_set_size(m, size);
		return false;
	}
	if (!burst->n)
		cache_burst_start_tunnel(rn->cache, &burst->keys, t->n_words);
	if (d->has_id)
		t->words[0] = id & d->id_mask;
	cache_burst_add_tunnel(rn->cache, &burst->keys, tp->slot, tp->generation, t->words, t->n_words, m,
			       kind);
	m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	in->m = m;
	in->port = tp;
	in->kind = (uint8_t)kind;
	in->outer_size = (uint16_t)(size - 14);
	in->ofs = t->ofs;
	burst->n++;
	runner_count(rn, tp->state->rx, end - skip);
	return true;
}

/* Takes the first packets of a burst as long as all are like one template, whose flow is looked up once; they
 * wait in rn->inner, which is empty before.  Returns how many; 0 where there are several tunnels' in turn.  'b':
 * where keys can be made. */
unsigned run_decap_together(struct runner *, struct cache_burst *b, uint32_t slot, uint32_t generation,
			    struct rte_mbuf **, unsigned n);

#endif
