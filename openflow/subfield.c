// SPDX-License-Identifier: Apache-2.0
/* Parts of fields, and moving bits between big-endian byte strings. */
#include <ctype.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "openflow/field.h"
#include "openflow/match.h"
#include "openflow/tlv_map.h"

void
of_bits_copy(const void *src_, unsigned src_size, unsigned src_ofs, void *dst_,
	     unsigned dst_size, unsigned dst_ofs, unsigned n_bits)
{
	/* 's' and 'd' walk from the last byte of the strings, where bit 0 is, to the front. */
	const uint8_t *s = (const uint8_t *)src_ + src_size - 1 - src_ofs / 8;
	uint8_t *d = (uint8_t *)dst_ + dst_size - 1 - dst_ofs / 8;

	src_ofs %= 8;
	dst_ofs %= 8;
	if (!src_ofs && !dst_ofs) {
		unsigned n = n_bits / 8;

		if (n)
			memmove(d - n + 1, s - n + 1, n);
		s -= n;
		d -= n;
		n_bits %= 8;
	}
	while (n_bits) {
		unsigned room = 8 - (src_ofs > dst_ofs ? src_ofs : dst_ofs);
		unsigned n = n_bits < room ? n_bits : room;
		unsigned mask = ((1u << n) - 1) << dst_ofs;

		*d = (*d & ~mask) | ((*s >> src_ofs) << dst_ofs & mask);
		src_ofs += n;
		dst_ofs += n;
		n_bits -= n;
		if (src_ofs == 8) {
			src_ofs = 0;
			s--;
		}
		if (dst_ofs == 8) {
			dst_ofs = 0;
			d--;
		}
	}
}

void
of_bits_one(void *dst, unsigned dst_size, unsigned ofs, unsigned n_bits)
{
	uint8_t *d = (uint8_t *)dst + dst_size - 1;

	for (unsigned i = ofs; i < ofs + n_bits; i++)
		d[-(int)(i / 8)] |= 1u << i % 8;
}

void
of_subfield_get(const struct of_subfield *sf, const struct of_key *k, union of_value *out)
{
	const struct of_field *f = of_field(sf->field);
	union of_value v;

	of_field_get(f, k, &v);
	memset(out, 0, sizeof(*out));
	of_bits_copy(&v, f->n_bytes, sf->ofs, out, sizeof(*out), 0, sf->n_bits);
}

void
of_subfield_set(const struct of_subfield *sf, const union of_value *in, struct of_key *k)
{
	const struct of_field *f = of_field(sf->field);
	union of_value v;

	of_field_get(f, k, &v);
	of_bits_copy(in, sizeof(*in), 0, &v, f->n_bytes, sf->ofs, sf->n_bits);
	of_field_set(f, &v, k);
}

uint64_t
of_subfield_get_u64(const struct of_subfield *sf, const struct of_key *k)
{
	const struct of_field *f = of_field(sf->field);
	union of_value v;
	uint64_t be = 0;

	of_field_get(f, k, &v);
	of_bits_copy(&v, f->n_bytes, sf->ofs, &be, sizeof(be), 0,
		     sf->n_bits < 64 ? sf->n_bits : 64);
	return be64toh(be);
}

void
of_subfield_set_u64(const struct of_subfield *sf, uint64_t value, struct of_key *k)
{
	const struct of_field *f = of_field(sf->field);
	uint64_t be[2] = { 0, htobe64(value) };
	union of_value v;

	of_field_get(f, k, &v);
	if (sf->n_bits <= 128) {
		of_bits_copy(be, sizeof(be), 0, &v, f->n_bytes, sf->ofs, sf->n_bits);
	} else {
		union of_value wide = { .b = { 0 } };

		memcpy(wide.b + sizeof(wide) - sizeof(be), be, sizeof(be));
		of_bits_copy(&wide, sizeof(wide), 0, &v, f->n_bytes, sf->ofs, sf->n_bits);
	}
	of_field_set(f, &v, k);
}

/* A field of tunnel options is as wide as the option that is mapped to it. */
static unsigned
field_bits(const struct of_field *f)
{
	const struct of_tlv_map *map = f->variable_len ? of_tlv_map_current() : NULL;
	unsigned len = map ? of_tlv_len(map, f->id - OF_F_TUN_METADATA0) : 0;

	return len ? len * 8 : f->n_bits;
}

static of_err_t
check(const struct of_subfield *sf, const struct of_match_full *match)
{
	if (sf->field >= OF_N_FIELDS)
		return OF_ERR_OFPBAC_BAD_SET_TYPE;
	const struct of_field *f = of_field(sf->field);
	unsigned n_bits = field_bits(f);

	if (!sf->n_bits || sf->ofs >= n_bits || sf->ofs + sf->n_bits > n_bits)
		return OF_ERR_OFPBAC_BAD_SET_LEN;
	if (match && !of_match_has_prereqs(match, f))
		return OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	return 0;
}

of_err_t
of_subfield_check_src(const struct of_subfield *sf, const struct of_match_full *match)
{
	return check(sf, match);
}

of_err_t
of_subfield_check_dst(const struct of_subfield *sf, const struct of_match_full *match)
{
	of_err_t err = check(sf, match);

	if (!err && !of_field(sf->field)->writable)
		err = OF_ERR_OFPBAC_BAD_SET_ARGUMENT;
	return err;
}

void
of_subfield_format(const struct of_subfield *sf, struct wf_str *s)
{
	if (sf->field >= OF_N_FIELDS) {
		wf_str_put(s, "<unknown>");
		return;
	}
	const struct of_field *f = of_field(sf->field);
	const struct of_oxm *o = of_field_oxm(f, 0);

	wf_str_put(s, o ? o->name : f->name);
	if (sf->ofs == 0 && sf->n_bits == f->n_bits)
		wf_str_put(s, "[]");
	else if (sf->n_bits == 1)
		wf_str_fmt(s, "[%d]", sf->ofs);
	else
		wf_str_fmt(s, "[%d..%d]", sf->ofs, sf->ofs + sf->n_bits - 1);
}

char *
of_subfield_parse(struct of_subfield *sf, const char **sp)
{
	const char *s = *sp;
	size_t len = strcspn(s, "[-");
	size_t bare = len > 2 && !memcmp(s + len - 2, "_W", 2) ? len - 2 : len;
	const struct of_field *f = of_field_by_name_len(s, bare);
	int n = 0;

	if (!f)
		f = of_field_by_name_len(s, len);
	if (!f)
		return wf_xasprintf("%s: unknown field `%.*s'", s, (int)len, s);
	int start = 0, end = f->n_bits - 1;

	s += len;
	if (*s == '[') {
		if (!strncmp(s, "[]", 2)) {
			n = 2;
		} else if (sscanf(s, "[%d..%d]%n", &start, &end, &n) == 2 && n) {
			/* Both are set. */
		} else if (n = 0, sscanf(s, "[%d]%n", &start, &n) == 1 && n) {
			end = start;
		} else {
			return wf_xasprintf("%s: syntax error expecting [] or [<bit>] or "
					    "[<start>..<end>]", *sp);
		}
		s += n;
	}
	if (start > end || start < 0)
		return wf_xasprintf("%s: starting bit %d is after ending bit %d", *sp, start, end);
	if (start >= f->n_bits)
		return wf_xasprintf("%s: starting bit %d is not valid because field is only %d "
				    "bits wide", *sp, start, f->n_bits);
	if (end >= f->n_bits)
		return wf_xasprintf("%s: ending bit %d is not valid because field is only %d "
				    "bits wide", *sp, end, f->n_bits);
	sf->field = f->id;
	sf->ofs = start;
	sf->n_bits = end - start + 1;
	*sp = s;
	return NULL;
}
