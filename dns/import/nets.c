// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "dns/import/internal.h"

void
imp_nets_add(struct imp_nets *s, const struct pol_prefix *prefix, size_t map, const char *label, const struct imp_value *v)
{
	if (!(s->n & (s->n - 1)))
		s->nets = wf_xrealloc(s->nets, (s->n ? 2 * s->n : 1) * sizeof *s->nets);
	s->nets[s->n] = (struct imp_net){ *prefix, map, s->n, label, v };
	s->n++;
}

void
imp_nets_done(struct imp_nets *s)
{
	free(s->nets);
}

static int
net_cmp(const void *a_, const void *b_)
{
	const struct imp_net *a = a_, *b = b_;
	int rc = pol_addr_cmp(&a->prefix.addr, &b->prefix.addr);

	if (a->prefix.addr.family != b->prefix.addr.family)
		return a->prefix.addr.family - b->prefix.addr.family;
	if (rc)
		return rc;
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len - b->prefix.len;
	if (a->map != b->map)
		return a->map < b->map ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool
same_prefix(const struct pol_prefix *a, const struct pol_prefix *b)
{
	return a->addr.family == b->addr.family && a->len == b->len && !pol_addr_cmp(&a->addr, &b->addr);
}

static const char *
region_of(struct imp_tree *t, struct imp_nets *s, const struct imp_net **nets)
{
	struct imp_region *r;

	for (size_t i = 0, m; i < s->n_regions; i++) {
		r = &s->regions[i];
		for (m = 0; m < s->n_maps; m++)
			if (nets[m] && r->nets[m] ? strcmp(nets[m]->label, r->nets[m]->label) : nets[m] != r->nets[m])
				break;
		if (m == s->n_maps)
			return r->name;
	}
	if (!(s->n_regions & (s->n_regions - 1))) {
		r = imp_alloc(t, (s->n_regions ? 2 * s->n_regions : 1) * sizeof *r);
		if (s->n_regions)
			memcpy(r, s->regions, s->n_regions * sizeof *r);
		s->regions = r;
	}
	r = &s->regions[s->n_regions++];
	r->name = imp_text(t, "nets-%zu", s->n_regions);
	r->nets = nets;
	return r->name;
}

void
imp_nets_put(struct dns_import *in, struct imp_tree *t, struct imp_nets *s)
{
	struct {
		struct pol_prefix prefix;
		const struct imp_net **nets;
	} *around;
	char text[POL_PREFIX_STRLEN];
	struct imp_file *f;
	size_t depth = 0;

	if (!s->n)
		return;
	/* As deep as an address is long, at most. */
	around = wf_xzalloc(130 * sizeof *around);
	f = imp_file_new(in, "nets.map");
	qsort(s->nets, s->n, sizeof *s->nets, net_cmp);
	for (size_t i = 0, next; i < s->n; i = next) {
		const struct imp_net **nets = imp_alloc(t, (s->n_maps + 1) * sizeof *nets);

		while (depth && !pol_prefix_has(&around[depth - 1].prefix, &s->nets[i].prefix.addr))
			depth--;
		if (depth)
			memcpy(nets, around[depth - 1].nets, s->n_maps * sizeof *nets);
		for (next = i; next < s->n && same_prefix(&s->nets[next].prefix, &s->nets[i].prefix); next++) {
			if (next > i && s->nets[next].map == s->nets[next - 1].map)
				imp_note(in, s->nets[next].value, "%s: is there twice, this one is taken",
					 pol_prefix_format(&s->nets[next].prefix, text));
			nets[s->nets[next].map] = &s->nets[next];
		}
		around[depth].prefix = s->nets[i].prefix;
		around[depth++].nets = nets;
		wf_str_fmt(&f->text, "%s %s\n", pol_prefix_format(&s->nets[i].prefix, text), region_of(t, s, nets));
	}
	free(around);
	imp_append(imp_list(imp_object(in->dns, "location"), "map-file"), "nets.map");
}
