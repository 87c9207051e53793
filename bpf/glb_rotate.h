/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* While the document's hash key changes (docs/glb-design.md), a flow that does not open may have been placed by either key:
 * the candidates are those of its slot by the key of new flows, and those of its slot by the other one.  BPF programs only. */
#ifndef WEFT_BPF_GLB_ROTATE_H
#define WEFT_BPF_GLB_ROTATE_H

#include "bpf/glb_kern.h"

/* What does not fit on the stack. */
struct glb_scratch {
	struct glb_candidates other;
	__u32 node[8], id[8];
	__u32 n;
	__u32 relayed; /* between glb_local and glb_back: another balancer of the site sent it here */
};
GLB_MAP(glb_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_scratch, 1, 0);

GLB_INLINE void
glb_gather(struct glb_scratch *s, __u32 node, __u32 id)
{
	__u32 n = s->n & 7;

	if (!node || n > GLB_HOPS)
		return;
	GLB_UNROLL
	for (__u32 i = 0; i < GLB_HOPS; i++)
		if (i < n && s->node[i] == node)
			return;
	s->node[n] = node;
	s->id[n] = id;
	s->n = n + 1;
}

/* Those of 'c' that take hop lists, in their order, without 'skip' (0: nobody). */
GLB_INLINE void
glb_gather_all(struct glb_scratch *s, const struct glb_candidates *c, __u32 plain, __u32 skip)
{
	if (c->n > 0 && c->node[0] != plain && c->node[0] != skip)
		glb_gather(s, c->node[0], c->id[0]);
	if (c->n > 1 && c->node[1] != plain && c->node[1] != skip)
		glb_gather(s, c->node[1], c->id[1]);
	if (c->n > 2 && c->node[2] != plain && c->node[2] != skip)
		glb_gather(s, c->node[2], c->id[2]);
}

/* Who takes what nobody knows. */
GLB_INLINE __u32
glb_last_one(const struct glb_candidates *c)
{
	return c->n > 2 ? c->node[2] : c->n == 2 ? c->node[1] : c->n == 1 ? c->node[0] : 0;
}

/* Who takes no hop list; it is the last if there is one. */
GLB_INLINE __u32
glb_plain_one(const struct glb_candidates *c)
{
	return c->n == 1 ? (c->plain ? c->node[0] : 0) : c->n == 2 ? (c->last == c->node[1] ? c->last : 0) :
	       c->n == 3 && c->last == c->node[2] ? c->last : 0;
}

/* 'cand' has the candidates by the key of new flows, maybe none; 'table' is the word by the other key.  Afterwards cand->node[0] is
 * the first of all and the ids of 'h' are the others.  Returns how many these are, or a GLB_BAD() number.
 * TCP asks the newest first, UDP the oldest, since the last takes what nobody knows. */
__attribute__((noinline)) int
glb_choose_other(__u64 table, const struct glb_flow *f, __u32 role, struct glb_candidates *cand, struct glb_hops *h)
{
	__u32 zero = 0, kind, hash, plain, plain_b;
	struct glb_scratch *s = bpf_map_lookup_elem(&glb_scratch, &zero);
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	const __u64 *key;

	if (!f || !cand || !h || !s || !c)
		return GLB_BAD(no_owner);
	key = c->key[!GLB_CONF_KEY(c->flags)];
	kind = glb_kind(f);
	hash = (__u32)(role == GLB_LOCAL ? glb_flow_hash(key, f) : glb_client_hash(key, f));
	s->n = 0;
	if (!(table & GLB_POOL_VALID) || glb_choose(table, hash, kind, &s->other))
		s->other.n = 0;
	plain = glb_plain_one(cand);
	plain_b = glb_plain_one(&s->other);
	/* The last by the key of new flows stays the last, though the other key may name it, too. */
	if (kind == GLB_KIND_UDP)
		glb_gather_all(s, &s->other, plain_b, glb_last_one(cand));
	glb_gather_all(s, cand, plain, 0);
	if (kind != GLB_KIND_UDP) {
		glb_gather_all(s, &s->other, plain_b, 0);
		plain = plain ? plain : plain_b;
	} else if (!cand->n) {
		plain = plain_b;
	}
	if (plain) {
		struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &plain);

		if (n)
			glb_gather(s, plain, n->id);
	}
	if (!s->n || s->n > GLB_HOPS + 1)
		return GLB_BAD(no_owner);
	cand->node[0] = s->node[0];
	cand->plain = s->node[0] == plain;
	GLB_UNROLL
	for (__u32 i = 0; i < GLB_HOPS; i++)
		h->id[i] = s->id[i + 1];
	return (int)s->n - 1;
}

#endif
