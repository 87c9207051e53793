/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/run_decap_same.h"

#include <stdlib.h>

#include "base/buf.h"

#define MEMO_SETS 1024u

struct decaps *
decaps_new(void)
{
	struct decaps *d = wf_xzalloc(sizeof *d);

	d->epoch = 1;
	d->template_epoch = 1;
	d->burst = 1;
	d->block = wf_xzalloc(MEMO_SETS * sizeof d->sets[0] + 63);
	d->sets = (struct decap_memo (*)[2])(((uintptr_t)d->block + 63) & ~(uintptr_t)63);
	d->templates = wf_xzalloc(DECAP_TEMPLATES * sizeof d->templates[0]);
	return d;
}

void
decaps_free(struct decaps *d)
{
	if (!d)
		return;
	free(d->block);
	free(d->pairs6);
	free(d->templates);
	free(d);
}

/* Bits 'bits' of byte 'ofs' of the frame belong to the template. */
static void
mask_byte(uint64_t mask[DECAP_SAME_WORDS], unsigned ofs, uint8_t bits)
{
	((uint8_t *)mask)[ofs] |= bits;
}

static void
mask_bytes(uint64_t mask[DECAP_SAME_WORDS], unsigned from, unsigned to)
{
	for (; from < to; from++)
		mask_byte(mask, from, 0xff);
}

/* What all frames that are like a template have in common. */
static void
masks_make(struct runner *rn, struct decaps *d)
{
	const struct of_key *layout = &cache_layout(rn->cache)->mask;
	const struct tunnel_view *tv = rn->view->tunnels;
	bool id_matters = false;

	for (uint32_t i = 0; tv && i < tv->n_ports; i++)
		id_matters |= !tv->ports[i].config.in_key_flow;
	d->id_mask = layout->tun_id;
	d->has_id = layout->tun_id != 0;
	for (unsigned shape = 0; shape < DECAP_N_SHAPES; shape++) {
		uint64_t *mask = d->masks[shape];
		uint8_t frame[64] = { 0 };
		bool udp = shape == DECAP_UDP || shape == DECAP_OPTIONS;
		unsigned kind = udp ? 0 : PKT_KIND_GRE;

		memset(mask, 0, sizeof d->masks[shape]);
		cache_frame_bits(rn->cache, kind, frame);
		/* The UDP source port, which tells flows of a tunnel apart: each would be a template. */
		d->usable[shape] = !udp || !(frame[34] | frame[35]);
		for (unsigned i = 0; i < 8 * DECAP_SAME_WORDS; i++)
			mask_byte(mask, i, frame[i]);
		mask_bytes(mask, 0, 15);  /* Ethernet; version and size */
		mask_bytes(mask, 20, 22); /* fragment */
		mask_bytes(mask, 23, 24); /* protocol */
		mask_bytes(mask, 26, 34); /* addresses */
		if (layout->tun_tos)
			mask_bytes(mask, 15, 16);
		if (layout->tun_ttl)
			mask_bytes(mask, 22, 23);
		if (udp) {
			mask_bytes(mask, 36, 38); /* destination port */
			mask_bytes(mask, 42, 46); /* what is before the VNI */
			mask_bytes(mask, 49, 50); /* and behind it */
			if (id_matters)
				mask_bytes(mask, 46, 49);
		} else {
			mask_bytes(mask, 34, 38);
			if (shape == DECAP_GRE_KEY && id_matters)
				mask_bytes(mask, 38, 42);
		}
	}
}

/* What memos and templates rest on is another: forgets all. */
static __attribute__((noinline)) void
forget(struct runner *rn, uint64_t underlay)
{
	struct decaps *d = rn->decaps;

	d->config_version = rn->view->config_version;
	d->underlay = underlay;
	d->layout = cache_layout(rn->cache)->generation;
	d->slots = 0;
	masks_make(rn, d);
	d->template_epoch++;
	if (++d->epoch)
		return;
	memset(d->sets, 0, MEMO_SETS * sizeof d->sets[0]);
	d->epoch = 1;
}

void
run_decap_renew(struct runner *rn)
{
	const struct decaps *d = rn->decaps;
	uint64_t underlay = atomic_load_explicit(underlay_stamp_routes(), memory_order_acquire);

	if (unlikely(d->config_version != rn->view->config_version || d->underlay != underlay ||
		     d->layout != cache_layout(rn->cache)->generation))
		forget(rn, underlay);
}

bool
decap_csum_check(struct rte_mbuf *m, uint32_t length)
{
	const uint8_t *ip = pkt_data(m) + 14;
	bool is_v6 = ip[0] >> 4 == 6;
	uint64_t pseudo;

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
	pseudo = is_v6 ? csum_pseudo6(ip + 8, ip + 24, IPPROTO_UDP, length)
		       : csum_pseudo4(ip, IPPROTO_UDP, length);
	if (csum_fold(csum_add(pseudo, ip + (is_v6 ? 40 : 20), length)) != 0xffff) {
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
		return false;
	}
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return true;
}

/* --- The outer packet ----------------------------------------------------------------------------- */

/* What lies between the outer IP header, whose payload starts at 'at' of the frame and ends at 'end', and the inner
 * packet: its size, or 0: it is no plain packet of a tunnel, or a broken one.  'key': [2] gets UDP's part, [3] the
 * eight bytes by which packets with the same outer addresses are told apart. */
static inline uint32_t
outer_l4(struct rte_mbuf *m, uint32_t at, uint32_t end, uint8_t proto, uint64_t key[4],
	 uint64_t options[DECAP_MAX_OPTIONS / 8], uint32_t *inner_end)
{
	const uint8_t *l4 = pkt_data(m) + at;
	uint32_t ofs;

	if (proto == IPPROTO_UDP) {
		uint16_t udp[4];
		uint32_t length;

		memcpy(udp, l4, 8);
		length = ntohs(udp[2]);
		if (length < 16 + 14 || at + length > end || !decap_csum_is_right(m, udp[3], length))
			return 0;
		*inner_end = at + length;
		key[2] |= (uint64_t)(udp[3] != 0) << 48 | (uint64_t)udp[1] << 32;
		memcpy(&key[3], l4 + 8, 8);
		ofs = 8 + 8;
		/* Geneve with few options; a header of VXLAN does not begin so: decap_shape(). */
		if ((unsigned)l4[8] - 1u < DECAP_MAX_OPTIONS / 4) {
			ofs += l4[8] * 4u;
			if (length < ofs + 14)
				return 0;
			decap_options(l4 + 16, l4[8] * 4u, options);
		}
		return ofs;
	}
	if (proto != IPPROTO_GRE)
		return 0;
	uint16_t flags;

	memcpy(&flags, l4, 2);
	memcpy(&key[3], l4, 8);
	ofs = 8;
	if (flags == 0) {
		ofs = 4;
		memset((uint8_t *)&key[3] + 4, 0, 4);
	} else if (flags != RTE_BE16(0x2000)) {
		return 0;
	}
	if (end < at + ofs + 14)
		return 0;
	/* As Open vSwitch: what is inside has lengths of its own. */
	*inner_end = pkt_size(m);
	return ofs;
}

static inline void
key_mac(const uint8_t *data, uint32_t slot, uint64_t key[4])
{
	memcpy(&key[0], data, 8);
	memcpy((uint8_t *)&key[0] + 6, &(uint16_t){ (uint16_t)slot }, 2);
}

/* The bytes by which the inner packet is told from others, and how many there are of the outer IP packet before it;
 * 0: it is no plain packet of a tunnel, or a broken one.  'm': IPv4 at 14. */
static inline uint32_t
outer_key(struct rte_mbuf *m, uint32_t slot, uint64_t key[4],
	  uint64_t options[DECAP_MAX_OPTIONS / 8], uint32_t *inner_end)
{
	const uint8_t *data = pkt_data(m), *ip = data + 14;
	uint32_t size = pkt_size(m) - 14, total, ofs;
	uint16_t v16[10], frag;
	uint64_t sum = 0;

	options[0] = options[1] = 0;

	/* Ethernet, IPv4, 8 bytes of GRE or UDP and VXLAN, Ethernet. */
	if (pkt_size(m) < 14u + 20 + 8 + 14)
		return 0;
	memcpy(v16, ip, 20);
	for (unsigned i = 0; i < 10; i++)
		sum += v16[i];
	total = ntohs(v16[1]);
	frag = ntohs(v16[3]);
	if (ip[0] != 0x45 || frag & 0x3fff || total > size || csum_fold(sum) != 0xffff ||
	    (ip[1] & 3) == 3)
		return 0;
	key[2] = (uint32_t)(frag & 0x4000) << 16 | (uint32_t)ip[9] << 16 | (uint32_t)ip[1] << 8 | ip[8];
	ofs = outer_l4(m, 34, 14 + total, ip[9], key, options, inner_end);
	if (!ofs)
		return 0;
	key_mac(data, slot, key);
	memcpy(&key[1], ip + 12, 8);
	return 20 + ofs;
}

/* A number for a pair of IPv6 addresses, never 0 and never another pair's. */
static uint64_t
pair6_number(struct decaps *d, const uint8_t *addresses)
{
	struct decap_pair6 *p;
	uint64_t a[4];

	memcpy(a, addresses, sizeof a);
	if (unlikely(!d->pairs6))
		d->pairs6 = wf_xzalloc(DECAP_PAIRS6 * sizeof d->pairs6[0]);
	p = &d->pairs6[wf_hash_mix64(wf_hash_mix64(a[0] ^ wf_hash_seed, a[1]) ^ a[2], a[3]) % DECAP_PAIRS6];
	if (unlikely(memcmp(p->addresses, a, sizeof a) || !p->number)) {
		memcpy(p->addresses, a, sizeof a);
		p->number = ++d->last_pair6;
	}
	return p->number;
}

/* The same of IPv6 without extension headers at 14. */
static __attribute__((noinline)) uint32_t
outer_key6(struct decaps *d, struct rte_mbuf *m, uint32_t slot, uint64_t key[4],
	   uint64_t options[DECAP_MAX_OPTIONS / 8], uint32_t *inner_end)
{
	const uint8_t *data = pkt_data(m), *ip = data + 14;
	uint32_t total, ofs, first;

	options[0] = options[1] = 0;
	if (pkt_size(m) < 14u + 40 + 8 + 14)
		return 0;
	memcpy(&first, ip, 4);
	first = ntohl(first);
	total = 40u + (uint32_t)(ip[4] << 8 | ip[5]);
	if (first >> 28 != 6 || total > pkt_size(m) - 14 || (first >> 20 & 3) == 3)
		return 0;
	key[2] = 1ull << 49 | (uint64_t)ip[6] << 16 | (first >> 20 & 0xff) << 8 | ip[7];
	ofs = outer_l4(m, 54, 14 + total, ip[6], key, options, inner_end);
	if (!ofs)
		return 0;
	key_mac(data, slot, key);
	key[1] = pair6_number(d, ip + 8);
	return 40 + ofs;
}

/* Finds out as run_tunnel_deliver() does.  False: it is for none of our tunnels, or must go that way. */
static __attribute__((noinline)) bool
learn(struct runner *rn, const struct bridge *bridge, uint32_t slot, const struct rte_mbuf *m,
      uint32_t want_ofs, struct decap_memo *memo)
{
	const struct view *v = rn->view;
	const struct tunnel_view *tv = v->tunnels;
	const struct key_layout *layout = cache_layout(rn->cache);
	const struct tnl_port_entry *entry;
	const struct bridge_view *bv;
	const struct tunnel_port *tp;
	const struct xport *x;
	struct pkt_layers layers;
	struct of_key tunnel;
	struct tnl_meta meta;
	size_t ofs, inner_size;
	uint32_t index, inner;

	pkt_parse(m, OF_PT_ETH, &rn->key, &layers);
	if (!tunnel_endpoint_for(v, bridge, slot, &rn->key, &index) || layers.l3 != 14 ||
	    layers.l4 != (rn->key.dl_type == RTE_BE16(0x86dd) ? 54 : 34))
		return false;
	if (!tv->endpoints[index].udp_port)
		index = tunnel_right_endpoint(tv, index, pkt_data(m) + layers.l4,
					      pkt_size(m) - layers.l4);
	switch (tv->endpoints[index].type) {
	case TNL_VXLAN:
	case TNL_GENEVE:
	case TNL_GRE:
		break;
	default:
		return false;
	}
	if (tnl_decap(tv->endpoints[index].type, tv->endpoints[index].exts, pkt_data(m) + 14,
		      pkt_size(m) - 14, TNL_DECAP_CSUM_GOOD, &meta, &inner, &ofs, &inner_size) ||
	    inner != TNL_INNER_ETH || ofs != want_ofs)
		return false;
	entry = tnl_port_map_find(tv->map, index, &meta, inner);
	tp = entry ? &tv->ports[entry->port] : NULL;
	bv = tp && tp->bridge->index < v->n_bridges ? v->bridges[tp->bridge->index] : NULL;
	if (!bv || bv->bridge != tp->bridge || !tunnel_meta_to_key(&meta, bv->tlv_map, &tunnel))
		return false;
	x = bv->ports ? xport_find(bv->ports, tp->ofp_port) : NULL;
	if (x && x->protocols)
		return false;
	memo->n_words = 0;
	for (unsigned i = 0; i < layout->n_words; i++) {
		unsigned w = layout->words[i];

		if (w < TUNNEL_PART_OFS / 8 || w >= (TUNNEL_PART_OFS + TUNNEL_PART_SIZE) / 8)
			continue;
		if (memo->n_words == DECAP_MAX_WORDS)
			return false;
		memo->words[memo->n_words++] =
			of_key_words_c(&tunnel)[w] & of_key_words_c(&layout->mask)[w];
	}
	memo->port = entry->port;
	memo->ofs = (uint8_t)ofs;
	return true;
}

static inline const struct decap_memo *
find(struct runner *rn, const struct bridge *bridge, uint32_t slot, const struct rte_mbuf *m, uint32_t ofs,
     const uint64_t key[4], const uint64_t options[DECAP_MAX_OPTIONS / 8])
{
	struct decaps *d = rn->decaps;
	uint64_t hash = wf_hash_mix64(wf_hash_mix64(key[0] ^ wf_hash_seed, key[1]) ^ key[2],
				      key[3] ^ options[0] ^ options[1] << 1);
	struct decap_memo *set = d->sets[hash % MEMO_SETS], *into;

	run_decap_renew(rn);
	for (unsigned i = 0; i < 2; i++)
		if (set[i].key[3] == key[3] && set[i].key[0] == key[0] && set[i].key[1] == key[1] &&
		    set[i].key[2] == key[2] && set[i].epoch == d->epoch &&
		    set[i].options[0] == options[0] && set[i].options[1] == options[1])
			return &set[i];

	struct decap_memo memo = { .key = { key[0], key[1], key[2], key[3] }, .epoch = d->epoch,
				   .options = { options[0], options[1] } };
	if (!learn(rn, bridge, slot, m, ofs, &memo))
		return NULL;
	/* One that is not in use, else any. */
	into = set[0].epoch != d->epoch ? &set[0] : set[1].epoch != d->epoch ? &set[1] : NULL;
	if (!into) {
		d->coin = d->coin * 1664525 + 1013904223;
		into = &set[d->coin >> 31];
	}
	*into = memo;
	return into;
}

/* Frames like this one, with the headers of its tunnel in front, need not be asked about any more. */
static void
template_make(struct decaps *d, const struct decap_memo *memo, uint32_t local, uint32_t generation,
	      const uint8_t *data)
{
	enum decap_shape shape = decap_shape(data);
	struct decap_template *t, made = { .shape = (uint8_t)shape };

	if (!d->usable[shape])
		return;
	for (unsigned i = 0; i < DECAP_SAME_WORDS; i++)
		made.value[i] = load64(data + 8 * i) & d->masks[shape][i];
	t = &d->templates[decap_place(made.value, d->at, shape, data)];
	/* One of this burst stays: packets name it. */
	if (t->burst == d->burst)
		return;
	made.at = d->at;
	made.epoch = d->template_epoch;
	made.n_words = memo->n_words;
	made.ofs = memo->ofs;
	made.burst = d->burst - 1;
	made.serial = d->serial - 1;
	made.port = memo->port;
	made.local = local;
	made.local_generation = generation;
	made.has_csum = shape != DECAP_GRE && shape != DECAP_GRE_KEY && load16(data + 40);
	memcpy(made.options, memo->options, sizeof made.options);
	memcpy(made.words, memo->words, sizeof made.words);
	*t = made;
	d->slots |= 1ull << (d->at >> 32 & 63);
}

bool
decap_same_leads_here(struct runner *rn, const struct decap_template *t, struct plan *plan,
		      const struct rte_mbuf *m)
{
	const struct view *v = rn->view;
	uint32_t slot = plan->out_slot, generation = plan->out_generation;

	if ((plan->shortcut & ~SHORT_NORMAL) != SHORT_OUTPUT || plan->ttl_min)
		return false;
	if (plan->shortcut & SHORT_NORMAL && !short_normal_port(rn, m, &slot, &generation))
		return false;
	return slot == t->local && generation == t->local_generation && slot < v->n_slots &&
	       v->slots[slot].generation == generation && v->slots[slot].port;
}

/* --- Entry ---------------------------------------------------------------------------------------- */

bool
run_decap_take(struct runner *rn, uint32_t slot, uint32_t generation, uint32_t l3, struct rte_mbuf *m)
{
	const struct view *v = rn->view;
	const struct view_slot *vs = slot < v->n_slots ? &v->slots[slot] : NULL;
	const struct bridge_view *bv;
	struct inner_burst *burst = rn->inner;
	struct inner *in = &burst->pkts[burst->n];
	uint32_t ofs, end, outer_size = pkt_size(m) - 14, kind;
	const struct decap_memo *memo;
	uint64_t words[4], options[DECAP_MAX_OPTIONS / 8];
	uint16_t type;
	bool is_v6;

	if (!v->tunnels || !vs || vs->generation != generation || !vs->port ||
	    !vs->ends_tunnels || vs->bridge >= v->n_bridges || !v->bridges[vs->bridge])
		return false;
	bv = v->bridges[vs->bridge];
	memcpy(&type, pkt_data(m) + 12, 2);
	is_v6 = type == RTE_BE16(0x86dd);
	if (unlikely(burst->closed || burst->n == BURST_MAX || (type != RTE_BE16(0x0800) && !is_v6) || l3 != 14 ||
		     outer_size > UINT16_MAX))
		return false;
	ofs = unlikely(is_v6) ? outer_key6(rn->decaps, m, slot, words, options, &end)
			      : outer_key(m, slot, words, options, &end);
	if (unlikely(!ofs || !(memo = find(rn, bv->bridge, slot, m, ofs, words, options))))
		return false;
	if (likely(!is_v6))
		template_make(rn->decaps, memo, slot, generation, pkt_data(m));
	m->data_off += 14 + ofs;
	pkt_set_size(m, end - 14 - ofs);
	kind = pkt_kind(m);
	if (unlikely(kind == PKT_KIND_OTHER)) {
		/* It goes the long way, whole. */
		m->data_off -= 14 + ofs;
		pkt_set_size(m, outer_size + 14);
		return false;
	}
	const struct tunnel_port *tp = &v->tunnels->ports[memo->port];
	if (!burst->n)
		cache_burst_start_tunnel(rn->cache, &burst->keys, memo->n_words);
	cache_burst_add_tunnel(rn->cache, &burst->keys, tp->slot, tp->generation, memo->words,
			       memo->n_words, m, kind);
	m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	in->m = m;
	in->port = tp;
	in->kind = (uint8_t)kind;
	in->outer_size = (uint16_t)outer_size;
	in->ofs = (uint16_t)ofs;
	burst->n++;
	runner_count(rn, tp->state->rx, pkt_size(m));
	return true;
}

void
run_decap_outer(const struct runner *rn, const struct inner *in, struct of_key *tunnel)
{
	const struct tunnel_view *tv = rn->view->tunnels;
	const struct tunnel_endpoint *e = &tv->endpoints[in->port->endpoint];
	const struct bridge_view *bv = rn->view->bridges[in->port->bridge->index];
	struct tnl_meta meta;
	size_t ofs, inner_size;
	uint32_t inner;

	/* It was sound when it was taken, and nobody wrote there since. */
	if (tnl_decap(e->type, e->exts, pkt_data(in->m) - in->ofs, in->outer_size, TNL_DECAP_CSUM_GOOD, &meta,
		      &inner, &ofs, &inner_size) ||
	    !tunnel_meta_to_key(&meta, bv->tlv_map, tunnel))
		abort();
}
