// SPDX-License-Identifier: Apache-2.0
#include "dns/wire/name.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

void
dns_name_lower(uint8_t *to, const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[i] - 'A' < 26u ? from[i] | 0x20 : from[i];
}

size_t
dns_name_read_lower(struct dns_name *n, const uint8_t *p, size_t len)
{
	size_t at = 0;

	n->n_labels = 0;
	if (len > DNS_NAME_MAX)
		len = DNS_NAME_MAX;
	while (at < len) {
		unsigned l = p[at];

		n->at[n->n_labels] = at;
		if (!l) {
			n->size = at + 1;
			dns_name_lower(n->wire, p, n->size);
			memset(n->wire + n->size, 0, DNS_NAME_PAD);
			return n->size;
		}
		/* Bits 7 and 6: a compression pointer, or a label type that nobody defined. */
		if (l > DNS_LABEL_MAX)
			return 0;
		n->n_labels++;
		at += 1 + l;
	}
	return 0;
}

/* One character of text, maybe escaped (RFC 1035 section 5.1); the number of bytes read, 0 if bad.
 */
static size_t
read_char(const char *t, uint8_t *c)
{
	if (*t != '\\') {
		*c = *t;
		return 1;
	}
	if (isdigit((unsigned char)t[1])) {
		unsigned v = 0;

		for (int i = 1; i <= 3; i++) {
			if (!isdigit((unsigned char)t[i]))
				return 0;
			v = v * 10 + (t[i] - '0');
		}
		if (v > 255)
			return 0;
		*c = v;
		return 4;
	}
	if (!t[1])
		return 0;
	*c = t[1];
	return 2;
}

int
dns_name_from_text(struct dns_name *ret, const char *text, const uint8_t *origin,
		   struct wf_err *err)
{
	uint8_t w[DNS_NAME_MAX + 1];
	size_t size = 0, label = 0;
	const char *t = text;
	bool absolute = false;

	if (!*text)
		return wf_err(err, -EINVAL, "an empty name; the root is \".\"");
	if (!strcmp(text, "@")) {
		dns_name_read_lower(ret, origin ? origin : (const uint8_t *)"", DNS_NAME_MAX);
		return 0;
	}
	if (!strcmp(text, ".")) {
		dns_name_read_lower(ret, (const uint8_t *)"", 1);
		return 0;
	}
	size = 1;
	while (*t) {
		uint8_t c;
		size_t n;

		if (*t == '.') {
			if (size - label - 1 == 0)
				return wf_err(err, -EINVAL, "name \"%.100s\": an empty label", text);
			w[label] = size - label - 1;
			label = size++;
			t++;
			absolute = !*t;
			if (size > DNS_NAME_MAX)
				return wf_err(err, -EINVAL, "name \"%.100s...\" is longer than %u bytes", text, DNS_NAME_MAX);
			continue;
		}
		n = read_char(t, &c);
		if (!n)
			return wf_err(err, -EINVAL, "name \"%.100s\": a bad escape; use \\DDD with DDD up to 255", text);
		t += n;
		if (size - label - 1 == DNS_LABEL_MAX)
			return wf_err(err, -EINVAL, "name \"%.100s\": a label is longer than %u bytes", text, DNS_LABEL_MAX);
		w[size++] = c;
		if (size > DNS_NAME_MAX)
			return wf_err(err, -EINVAL, "name \"%.100s...\" is longer than %u bytes", text, DNS_NAME_MAX);
	}
	if (absolute) {
		w[label] = 0;
		size = label + 1;
	} else {
		size_t n = origin ? dns_name_size(origin) : 1;

		w[label] = size - label - 1;
		if (size + n > DNS_NAME_MAX)
			return wf_err(err, -EINVAL, "name \"%.100s\" below its origin is longer than %u bytes", text, DNS_NAME_MAX);
		memcpy(w + size, origin ? origin : (const uint8_t *)"", n);
		size += n;
	}
	return dns_name_read_lower(ret, w, size) ? 0 : wf_err(err, -EINVAL, "name \"%.100s\"", text);
}

char *
dns_name_text(const uint8_t *w, char *text)
{
	char *t = text;

	if (!*w) {
		strcpy(text, ".");
		return text;
	}
	for (; *w; w += 1 + *w) {
		for (unsigned i = 1; i <= *w; i++) {
			uint8_t c = w[i];

			if (strchr(".\\\"();@$", c) && c)
				t += sprintf(t, "\\%c", c);
			else if (c > ' ' && c < 0x7f)
				*t++ = c;
			else
				t += sprintf(t, "\\%03u", c);
		}
		*t++ = '.';
	}
	*t = '\0';
	return text;
}

size_t
dns_name_size(const uint8_t *w)
{
	size_t n = 1;

	while (*w) {
		n += 1 + *w;
		w += 1 + *w;
	}
	return n;
}

unsigned
dns_name_n_labels(const uint8_t *w)
{
	unsigned n = 0;

	for (; *w; w += 1 + *w)
		n++;
	return n;
}

bool
dns_name_equal(const uint8_t *a, const uint8_t *b)
{
	size_t n = dns_name_size(a);
	uint8_t la[DNS_NAME_MAX], lb[DNS_NAME_MAX];

	if (n != dns_name_size(b))
		return false;
	dns_name_lower(la, a, n);
	dns_name_lower(lb, b, n);
	return !memcmp(la, lb, n);
}

bool
dns_name_is_in(const uint8_t *name, const uint8_t *top)
{
	unsigned have = dns_name_n_labels(name), want = dns_name_n_labels(top);

	if (have < want)
		return false;
	for (; have > want; have--)
		name += 1 + *name;
	return !memcmp(name, top, dns_name_size(top));
}

void
dns_name_hash_suffixes(const struct dns_name *n, uint64_t hash[DNS_LABELS_MAX + 1])
{
	uint64_t h = dns_root_hash();

	hash[n->n_labels] = h;
	for (unsigned i = n->n_labels; i-- > 0;)
		hash[i] = h = dns_label_hash(h, n->wire + n->at[i]);
}
