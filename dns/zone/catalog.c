// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/catalog.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

/* version.$CATALOG has one TXT, "2" (section 4.2.1). */
static int
check_version(const struct dns_zone *z, struct wf_err *err)
{
	static const uint8_t version[] = "\x07version";
	uint8_t w[DNS_NAME_MAX + 9];
	const struct dns_rrset *txt = NULL;
	const struct dns_node *n;
	struct dns_name name;

	memcpy(w, version, 8);
	memcpy(w + 8, z->apex->name, z->apex->name_size);
	n = dns_name_read_lower(&name, w, 8u + z->apex->name_size) ? dns_zone_find_name(z, &name) : NULL;
	if (n)
		txt = dns_node_set(n, DNS_TXT);
	if (!txt || txt->n != 1 || txt->size != DNS_RAW_HEAD + 2 ||
	    memcmp(txt->raw + DNS_RAW_HEAD, "\1\x32", 2))
		return wf_err(err, -EINVAL,
			      "catalog %s has no version \"2\" (one TXT record at version.%s)", z->text,
			      z->text);
	return 0;
}

/* LABEL.zones.$CATALOG */
static bool
is_member(const struct dns_zone *z, const struct dns_node *n)
{
	return n->parent && n->parent->parent == z->apex && n->parent->name[0] == 5 &&
	       !memcmp(n->parent->name + 1, "zones", 5);
}

static int
compare(const void *a, const void *b)
{
	const struct dns_name *x = *(const struct dns_name *const *)a;
	const struct dns_name *y = *(const struct dns_name *const *)b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->wire, y->wire, x->size);
}

static int
check_twice(const struct dns_zone *z, struct dns_name **names, size_t n, struct wf_err *err)
{
	char text[DNS_NAME_TEXT_MAX];

	if (n)
		qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 1; i < n; i++)
		if (!compare(&names[i - 1], &names[i]))
			return wf_err(err, -EINVAL, "catalog %s names %s twice", z->text,
				      dns_name_text(names[i]->wire, text));
	return 0;
}

int
dns_catalog_read(const struct dns_zone *z, dns_catalog_fn *fn, void *arg, struct wf_err *err)
{
	struct dns_name **names = NULL;
	size_t n = 0, room = 0;
	int rc = check_version(z, err);

	for (size_t i = 0; i <= z->mask && !rc; i++) {
		const struct dns_node *node = dns_zone_node_at(z, i);
		const struct dns_rrset *ptr = node && is_member(z, node) ? dns_node_set(node, DNS_PTR) : NULL;
		const uint8_t *at;
		uint32_t ttl;
		size_t rdlen;

		if (!ptr)
			continue;
		at = ptr->raw;
		if (ptr->n != 1) {
			char text[DNS_NAME_TEXT_MAX];

			rc = wf_err(err, -EINVAL, "catalog %s: %s has %u PTR records; it takes one",
				    z->text, dns_name_text(node->name, text), ptr->n);
			break;
		}
		if (n == room) {
			room = room ? 2 * room : 64;
			names = wf_xrealloc(names, room * sizeof(names[0]));
		}
		names[n] = wf_xmalloc(sizeof(*names[n]));
		dns_name_read_lower(names[n++], dns_raw_next(&at, &ttl, &rdlen), DNS_NAME_MAX);
	}
	if (!rc)
		rc = check_twice(z, names, n, err);
	for (size_t i = 0; i < n && !rc && fn; i++)
		rc = fn(arg, names[i], err);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return rc;
}
