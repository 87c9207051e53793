// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "bpf/dns_hash.h"
#include "dns/answer/ready.h"
#include "dns/server/xdp.h"
#include "dns/server/xdp_internal.h"
#include "policy/policy.h"

WF_LOG_MODULE(dns_xdp_fill);

/* Of the names that are asked for often; the rest is for those with policies. */
#define COUNTED_MAX (DNS_X_HOT_MAX * 3 / 4)
/* A name without a slot, a policy without a number: what does not fit is the sockets'. */
#define NONE UINT32_MAX
/* Signatures end later than their answers. */
#define MARGIN_S 3600
/* What a turn may take that makes answers with DO=1, which may take a signature each. */
#define TURN_MS 20

/* --- images -------------------------------------------------------------------------------------- */

static uint32_t
sum_of(const uint8_t *p, size_t size)
{
	uint64_t sum = 0;

	for (; size >= 2; size -= 2, p += 2)
		sum += p[0] | p[1] << 8;
	if (size)
		sum += p[0];
	return dns_x_fold(sum);
}

/* 1 + the number of an image with this content, 0: there is no room, or it is too large. */
static uint32_t
put_image(const struct dns_ready *r)
{
	struct dns_x_image i = { 0 };
	struct dns_xdp_image *had;
	bool never = r->size == DNS_READY_NEVER;
	uint32_t hash;

	if (!never && r->size > DNS_X_IMAGE_ROOM)
		return 0;
	i.size = r->size;
	i.need_size = r->need_size;
	if (!never) {
		memcpy(i.bytes, r->bytes, r->size);
		i.sum = sum_of(i.bytes, r->size);
		i.need_sum = sum_of(i.bytes, r->need_size);
		for (int k = 0; k < 3; k++)
			i.n[k] = r->n[k];
		i.n_additional_needed = r->n_additional_needed;
	}
	i.flags = r->flags;
	i.limit_class = r->limit_class;
	i.bits = (r->may_cut ? DNS_X_MAY_CUT : 0) | (r->is_signed ? DNS_X_SIGNED : 0);
	if (r->not_after_s)
		i.not_after_s = r->not_after_s > MARGIN_S ? r->not_after_s - MARGIN_S : 1;
	hash = wf_hash_bytes(&i, sizeof i, 0);
	wf_hmap_for_each_with_hash (had, node, hash, &dns_xdp.by_content)
		if (!memcmp(&dns_xdp.images[had->number], &i, sizeof i))
			return had->number + 1;
	if (dns_xdp.n_images == DNS_X_IMAGES)
		return 0;
	had = wf_xmalloc(sizeof *had);
	had->number = dns_xdp.n_images++;
	wf_hmap_insert(&dns_xdp.by_content, &had->node, hash);
	/* Nobody refers to it yet. */
	memcpy(&dns_xdp.images[had->number], &i, sizeof i);
	return had->number + 1;
}

static uint32_t
make_image(const struct dns_view *v, const struct dns_xdp_name *n, bool do_bit, uint32_t set)
{
	struct dns_ready r;

	return dns_ready_make(v, &dns_xdp.ctx, &n->name, n->type, do_bit, n->choice, set, &r) ? put_image(&r) : 0;
}

void
dns_xdp_forget_images(void)
{
	struct dns_xdp_image *i;

	wf_hmap_for_each_safe (i, node, &dns_xdp.by_content) {
		wf_hmap_remove(&dns_xdp.by_content, &i->node);
		free(i);
	}
	dns_xdp.n_images = 0;
}

/* --- places and counters ------------------------------------------------------------------------- */

size_t
dns_xdp_n_place_pairs(const struct loc_table *t)
{
	return (DNS_X_PLACE_BLOCKS + (size_t)t->n_blocks4 * POL_BLOCK_ENTRIES + 1) / 2;
}

void
dns_xdp_copy_places(const struct loc_table *t, uint32_t *words)
{
	memcpy(words, t->dir4, DNS_X_PLACE_DIR6 * sizeof *words);
	memcpy(words + DNS_X_PLACE_DIR6, t->dir6, (DNS_X_PLACE_BLOCKS - DNS_X_PLACE_DIR6) * sizeof *words);
	if (t->n_blocks4)
		memcpy(words + DNS_X_PLACE_BLOCKS, t->blocks4, (size_t)t->n_blocks4 * POL_BLOCK_ENTRIES * sizeof *words);
}

void
dns_xdp_copy_starts(const struct loc_table *t, struct dns_x_start *starts)
{
	for (uint32_t i = 0; i < t->n6; i++)
		starts[i] = (struct dns_x_start){ t->start6_hi[i], t->start6_lo[i], t->leaf6[i], 0 };
}

void
dns_xdp_add_stats(const struct dns_x_stats *s, struct dns_counters *to)
{
	to->queries_udp4 += s->answers4 + s->dropped4;
	to->queries_udp6 += s->answers6 + s->dropped6;
	to->answers += s->answers4 + s->answers6;
	to->answers_noerror += s->answers4 + s->answers6;
	to->answers_truncated += s->truncated;
	to->answers_chosen += s->chosen;
	to->answers_signed += s->sign;
	to->bytes_in += s->bytes_in;
	to->bytes_out += s->bytes_out;
	to->edns += s->edns;
	to->ecs += s->ecs;
	to->cookie_client_only += s->cookie_client_only;
	to->cookie_valid += s->cookie_valid;
	to->cookie_bad += s->cookie_bad;
	to->limited_dropped += s->limited_dropped;
	to->limited_slipped += s->limited_slipped;
	to->dnstap_lost += s->samples_lost;
}

/* --- policies ------------------------------------------------------------------------------------ */

static void
put_rows(const struct dns_x_policy *p, const struct pol_hot *hot)
{
	const struct pol_view *v = __atomic_load_n(&hot->view, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < p->n_rows; i++)
		memcpy(dns_xdp.rows[p->row_base + i].set, v->rows[i], sizeof v->rows[i]);
}

static uint32_t
put_policy(struct pol_policy *policy)
{
	const struct pol_hot *hot = pol_policy_hot(policy);
	const struct pol_view *v = __atomic_load_n(&hot->view, __ATOMIC_ACQUIRE);
	uint32_t n_classes = hot->uses_location ? hot->n_classes : 0;
	struct dns_x_policy *p;

	for (uint32_t i = 0; i < dns_xdp.n_policies; i++)
		if (dns_xdp.of_policy[i].policy == policy)
			return i;
	if (dns_xdp.n_policies == DNS_X_POLICIES || dns_xdp.n_classes + n_classes > DNS_X_CLASSES ||
	    dns_xdp.n_rows + v->n_rows > DNS_X_ROWS)
		return NONE;
	p = &dns_xdp.policies[dns_xdp.n_policies];
	*p = (struct dns_x_policy){ .sticky_key = hot->sticky_key,
				    .class_base = dns_xdp.n_classes,
				    .n_classes = n_classes,
				    .row_base = dns_xdp.n_rows,
				    .n_rows = v->n_rows,
				    .sticky = hot->sticky,
				    .sticky_len4 = hot->sticky_len4,
				    .sticky_len6 = hot->sticky_len6,
				    .uses_location = hot->uses_location };
	for (uint32_t i = 0; i < n_classes; i++)
		dns_xdp.classes[p->class_base + i] = hot->row_of_class[i];
	dns_xdp.n_classes += n_classes;
	dns_xdp.n_rows += v->n_rows;
	put_rows(p, hot);
	dns_xdp.of_policy[dns_xdp.n_policies] = (struct dns_xdp_policy){ policy, pol_n_sets(policy) };
	return dns_xdp.n_policies++;
}

bool
dns_xdp_fill_policies(const struct dns_view *v)
{
	if (v != dns_xdp.view || !v->pol)
		return false;
	for (uint32_t i = 0; i < dns_xdp.n_policies; i++)
		if (pol_n_sets(dns_xdp.of_policy[i].policy) != dns_xdp.of_policy[i].n_sets)
			return false;
	for (uint32_t i = 0; i < dns_xdp.n_policies; i++)
		put_rows(&dns_xdp.policies[i], pol_policy_hot(dns_xdp.of_policy[i].policy));
	return true;
}

/* --- names --------------------------------------------------------------------------------------- */

static uint64_t
hash_of(const struct dns_name *name, unsigned type, uint64_t words[DNS_X_NAME_WORDS])
{
	uint64_t h = dns_xdp.conf->name_key;

	memset(words, 0, DNS_X_NAME);
	memcpy(words, name->wire, name->size);
	for (unsigned i = 0; i < DNS_X_NAME_WORDS; i++)
		h = dns_x_name_step(h, words[i]);
	return dns_x_name_end(h, name->size, type);
}

struct dns_xdp_name *
dns_xdp_find_name(const struct dns_name *name, unsigned type)
{
	uint32_t hash = wf_hash_bytes(name->wire, name->size, type);
	struct dns_xdp_name *n;

	wf_hmap_for_each_with_hash (n, node, hash, &dns_xdp.names)
		if (n->type == type && n->name.size == name->size && !memcmp(n->name.wire, name->wire, name->size))
			return n;
	return NULL;
}

static struct dns_xdp_name *
note_name(const struct dns_name *name, unsigned type, bool by_policy)
{
	struct dns_xdp_name *n = name->size < DNS_X_NAME ? dns_xdp_find_name(name, type) : NULL;

	if (n || name->size >= DNS_X_NAME || dns_xdp.n_names >= (by_policy ? DNS_X_HOT_MAX : COUNTED_MAX)) {
		if (n)
			n->by_policy |= by_policy;
		else
			dns_xdp.n_refused++;
		return n;
	}
	n = wf_xzalloc(sizeof *n);
	n->name = *name;
	n->type = type;
	n->by_policy = by_policy;
	n->slot = -1;
	wf_hmap_insert(&dns_xdp.names, &n->node, wf_hash_bytes(name->wire, name->size, type));
	dns_xdp.n_names++;
	return n;
}

static void
forget_name(struct dns_xdp_name *n)
{
	wf_hmap_remove(&dns_xdp.names, &n->node);
	free(n);
	dns_xdp.n_names--;
}

void
dns_xdp_forget_names(bool all)
{
	struct dns_xdp_name *n;

	wf_hmap_for_each_safe (n, node, &dns_xdp.names) {
		uint64_t hits = n->slot >= 0 ? dns_xdp_hits(n->slot) : 0;

		if (all || (!n->by_policy && hits - n->hits < 16))
			forget_name(n);
		else
			n->hits = hits;
	}
}

/* The entry and its answers with DO=0.  It may be done while the programs answer: what they find is complete. */
static void
put_name(const struct dns_view *v, struct dns_xdp_name *n)
{
	uint64_t words[DNS_X_NAME_WORDS], hash = hash_of(&n->name, n->type, words);
	uint32_t slot = NONE, policy = NONE, image = 0;
	struct dns_x_hot *e;

	n->slot = -1;
	n->next_signed = 0;
	for (uint32_t i = 0; i < DNS_X_PROBES && slot == NONE; i++)
		if (dns_xdp.hot[(hash + i) & (DNS_X_SLOTS - 1)].epoch != dns_xdp.epoch)
			slot = (hash + i) & (DNS_X_SLOTS - 1);
	n->choice = dns_ready_choice(v, &n->name, n->type);
	if (slot == NONE)
		return;
	if (n->choice) {
		struct dns_chosen *c = v->choices[n->choice];

		n->n_sets = pol_n_sets(c->policy);
		policy = put_policy(c->policy);
		/* Of DO=0, then of DO=1. */
		if (policy == NONE || dns_xdp.n_sets + 2 * n->n_sets > DNS_X_SETS)
			return;
		image = dns_xdp.n_sets + 1;
		dns_xdp.n_sets += 2 * n->n_sets;
		for (uint32_t i = 0; i < n->n_sets; i++) {
			dns_xdp.sets[image - 1 + i] = make_image(v, n, false, i);
			dns_xdp.sets[image - 1 + n->n_sets + i] = 0;
		}
	} else {
		n->n_sets = 1;
		image = make_image(v, n, false, 0);
		if (!image)
			return;
	}
	e = &dns_xdp.hot[slot];
	e->hash = hash;
	e->qtype = n->type;
	e->name_size = n->name.size;
	e->policy = policy == NONE ? 0 : policy + 1;
	e->image[0] = image;
	e->image[1] = n->choice ? image + n->n_sets : 0;
	e->n_sets = n->n_sets;
	memcpy(e->name, words, sizeof words);
	n->slot = slot;
	n->hits = dns_xdp_hits(slot);
	__atomic_store_n(&e->epoch, dns_xdp.epoch, __ATOMIC_RELEASE);
	dns_xdp.unfinished = true;
}

bool
dns_xdp_fill_signed(const struct dns_view *v)
{
	uint64_t end = dns_xdp_mono_ns() + TURN_MS * 1000000ull;
	struct dns_xdp_name *n;

	wf_hmap_for_each (n, node, &dns_xdp.names) {
		struct dns_x_hot *e = n->slot >= 0 ? &dns_xdp.hot[n->slot] : NULL;

		for (; e && n->next_signed < n->n_sets; n->next_signed++) {
			uint32_t image;

			if (dns_xdp_mono_ns() >= end)
				return true;
			image = make_image(v, n, true, n->next_signed);
			if (image && dns_xdp.images[image - 1].not_after_s)
				dns_xdp.any_signed = true;
			if (n->choice)
				__atomic_store_n(&dns_xdp.sets[e->image[1] - 1 + n->next_signed], image, __ATOMIC_RELEASE);
			else
				__atomic_store_n(&e->image[1], image, __ATOMIC_RELEASE);
		}
	}
	return false;
}

void
dns_xdp_add_name(const struct dns_view *v, const struct dns_name *name, unsigned type)
{
	struct dns_xdp_name *n;

	if (name->size < DNS_X_NAME && dns_xdp_find_name(name, type))
		return;
	n = note_name(name, type, false);
	if (!n)
		return;
	put_name(v, n);
	/* Not an answer of that kind. */
	if (n->slot < 0)
		forget_name(n);
}

/* The names that policies answer for, with the types of their sets and those that are asked for beside. */
static void
note_chosen(const struct dns_zone *z)
{
	const size_t size = DNS_NAME_MAX + 1 + 12; /* as view_load.c writes them */

	for (size_t at = 0; z->choices && at + size <= z->choices_size; at += size) {
		const uint8_t *p = z->choices + at;
		struct dns_name name;

		if (!dns_name_read_lower(&name, p, DNS_NAME_MAX) || (name.size > 2 && p[0] == 1 && p[1] == '*'))
			continue; /* below a wildcard those are hot that are asked for often */
		note_name(&name, dns_get32(p + DNS_NAME_MAX + 1), true);
		note_name(&name, DNS_A, true);
		note_name(&name, DNS_AAAA, true);
	}
}

static void
note_all_chosen(const struct dns_view *v)
{
	dns_xdp.n_refused = 0;
	for (size_t i = 0; i <= v->mask; i++)
		if (v->slots[i] && v->slots[i]->has_chosen)
			note_chosen(v->slots[i]);
}

bool
dns_xdp_is_full(void)
{
	const struct dns_xdp_name *n;
	unsigned n_counted = 0;

	/* Names that policies choose stay, so a sweep for the sake of the few others would come again and again. */
	wf_hmap_for_each (n, node, &dns_xdp.names)
		n_counted += !n->by_policy;
	return dns_xdp.n_names >= COUNTED_MAX * 9 / 10 && n_counted >= COUNTED_MAX / 4;
}

void
dns_xdp_fill(const struct dns_view *v)
{
	struct dns_xdp_name *n;
	unsigned without = 0;

	/* No program reads them, nor will before the epoch is published. */
	dns_xdp_forget_images();
	dns_xdp.n_sets = dns_xdp.n_classes = dns_xdp.n_policies = dns_xdp.n_rows = 0;
	dns_xdp.any_signed = false;
	dns_xdp.view = v;
	dns_xdp.epoch++;
	wf_hmap_for_each (n, node, &dns_xdp.names)
		n->by_policy = false;
	note_all_chosen(v);
	if (dns_xdp.n_refused) {
		/* Those that were counted make room, and are counted again. */
		wf_hmap_for_each_safe (n, node, &dns_xdp.names)
			if (!n->by_policy)
				forget_name(n);
		note_all_chosen(v);
	}
	for (int policies = 1; policies >= 0; policies--)
		wf_hmap_for_each_safe (n, node, &dns_xdp.names) {
			if (n->by_policy != policies)
				continue;
			put_name(v, n);
			without += n->slot < 0;
			if (n->slot < 0 && !n->by_policy)
				forget_name(n);
		}
	if (without || dns_xdp.n_refused)
		wf_info("xdp: %u names and types are left to the sockets: there is no room for them, or their answers are of another kind",
			without + dns_xdp.n_refused);
}
