// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/find.h"

static enum dns_found
at_or_below_cut(const struct dns_node *n, bool exact, unsigned qtype, struct dns_find *ret)
{
	const struct dns_node *cut = dns_node_cut(n);

	ret->node = cut;
	/* DS lives above the cut (RFC 4035 section 3.1.4.1). */
	return exact && n == cut && qtype == DNS_DS ? DNS_FOUND_NODE : DNS_FOUND_REFERRAL;
}

enum dns_found
dns_find(const struct dns_view *v, const struct dns_name *name, const uint64_t *hash,
	 unsigned qtype, struct dns_find *ret)
{
	static const uint8_t star[1 + 1 + DNS_NAME_PAD] = { 1, '*' };
	const struct dns_zone *z = dns_view_find_zone(v, name, hash, 0);
	struct dns_node *n;
	unsigned i = 0;

	if (!z)
		return DNS_FOUND_NOT_OURS;
	if (qtype == DNS_DS && z->apex->name_size == name->size && name->n_labels) {
		const struct dns_zone *above = dns_view_find_zone(v, name, hash, 1);

		z = above ? above : z;
	}
	ret->zone = z;
	ret->is_wild = false;
	ret->first = 0;
	if (z->no_data)
		return DNS_FOUND_NO_DATA;
	/* No node has more labels than this one's deepest: a name of a hundred labels costs no
	 * more. */
	if (name->n_labels > z->max_labels)
		i = name->n_labels - z->max_labels;
	for (;; i++) {
		n = dns_zone_find(z, hash[i], name->wire + name->at[i], name->size - name->at[i]);
		if (n && !(n->flags & DNS_NODE_HASHED))
			break;
	}
	if (n->flags & (DNS_NODE_CUT | DNS_NODE_OCCLUDED))
		return at_or_below_cut(n, !i, qtype, ret);
	ret->node = n;
	if (!i)
		return DNS_FOUND_NODE;
	/* 'n' is the closest encloser. */
	ret->first = i;
	if (n->flags & DNS_NODE_DNAME)
		return DNS_FOUND_DNAME;
	if (n->flags & DNS_NODE_WILD) {
		/* The wildcard's name is "*" before the encloser's. */
		uint64_t h = dns_label_hash(n->hash, star);
		uint8_t wild[DNS_NAME_MAX + 2];

		memcpy(wild, star, 2);
		memcpy(wild + 2, n->name, n->name_size);
		n = dns_zone_find(z, h, wild, n->name_size + 2u);
		if (n) {
			ret->node = n;
			ret->is_wild = true;
			return DNS_FOUND_NODE;
		}
	}
	return DNS_FOUND_NXDOMAIN;
}
