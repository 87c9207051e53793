// SPDX-License-Identifier: Apache-2.0
/* NXM and OXM: single entries and lists of them (OpenFlow 1.3 section 7.2.3). */
#include <arpa/inet.h>
#include <endian.h>

#include "openflow/match_wire.h"
#include "openflow/nxm.h"
#include "openflow/text.h"

#define CLASS_EXPERIMENTER 0xffff

static uint32_t
get_be32(const void *p)
{
	__be32 v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static of_err_t
pull_header(const uint8_t *p, size_t size, struct of_oxm_header *h)
{
	h->field = NULL;
	if (size < 4)
		return OF_ERR_OFPBMC_BAD_LEN;
	h->header = get_be32(p);
	h->experimenter = 0;
	h->header_size = 4;
	h->payload_size = OF_OXM_LENGTH(h->header);
	if (OF_OXM_CLASS(h->header) == CLASS_EXPERIMENTER) {
		if (size < 8 || h->payload_size < 4)
			return OF_ERR_OFPBMC_BAD_LEN;
		h->experimenter = get_be32(p + 4);
		h->header_size = 8;
		h->payload_size -= 4;
	}
	h->field = of_field_by_oxm(h->header, h->experimenter);
	return 0;
}

static bool
is_unmapped(const struct of_field *f, const struct of_tlv_map *map)
{
	return f && of_field_is_tun_metadata(f) && map && !map->entry[f->id - OF_F_TUN_METADATA0].valid;
}

of_err_t
of_nxm_header_decode(const void *data, size_t size, bool mask_ok, const struct of_tlv_map *map,
		     struct of_oxm_header *h)
{
	of_err_t err = pull_header(data, size, h);

	if (err)
		return err;
	if (!h->field)
		return OF_ERR_OFPBMC_BAD_FIELD;
	if (is_unmapped(h->field, map ? map : of_tlv_map_current()))
		return OF_ERR_NXFMFC_INVALID_TLV_FIELD;
	return !mask_ok && OF_OXM_HASMASK(h->header) ? OF_ERR_OFPBMC_BAD_MASK : 0;
}

/* Values of variable length are aligned to the right. */
static void
copy_value(const struct of_field *f, const uint8_t *p, unsigned width, union of_value *v)
{
	unsigned n = f->n_bytes;

	if (!f->variable_len) {
		memcpy(v->b, p, width < n ? width : n);
	} else if (width < n) {
		memset(v->b, 0, n - width);
		memcpy(v->b + n - width, p, width);
	} else {
		memcpy(v->b, p + width - n, n);
	}
}

/* Takes one entry.  OFPBMC_BAD_FIELD for a field that is not known leaves the entry complete:
 * '*ret_used' is set, and the first bytes of value and mask are in place. */
static of_err_t
pull_entry(const uint8_t *p, size_t size, bool is_action, const struct of_tlv_map *map,
	   struct of_oxm_header *h, union of_value *value, union of_value *mask, size_t *ret_used)
{
	of_err_t err = pull_header(p, size, h);

	if (err)
		return err;
	if (!h->field && is_action) {
		unsigned length = OF_OXM_LENGTH(h->header), want;

		/* A length that no field has is a part of the name for Open vSwitch. */
		length = OF_OXM_HASMASK(h->header) ? length / 2 : length;
		return of_field_by_oxm_any_len(h->header, h->experimenter, &want) && length &&
				       length < 128
			       ? OF_ERR_OFPBAC_BAD_SET_LEN
			       : OF_ERR_OFPBAC_BAD_SET_TYPE;
	}
	if (is_unmapped(h->field, map))
		return OF_ERR_NXFMFC_INVALID_TLV_FIELD;
	if (size - h->header_size < h->payload_size)
		return OF_ERR_OFPBMC_BAD_LEN;

	bool has_mask = OF_OXM_HASMASK(h->header);
	unsigned width = has_mask ? h->payload_size / 2 : h->payload_size;
	const uint8_t *v = p + h->header_size, *m = v + width;

	*ret_used = h->header_size + h->payload_size;
	for (unsigned i = 0; has_mask && i < width; i++) {
		if (v[i] & ~m[i])
			return OF_ERR_OFPBMC_BAD_WILDCARDS;
	}
	if (!h->field) {
		unsigned n = width < sizeof(*value) ? width : sizeof(*value);

		memcpy(value, v, n);
		if (mask)
			memcpy(mask, has_mask ? m : v, n);
	} else {
		copy_value(h->field, v, width, value);
		if (mask && has_mask)
			copy_value(h->field, m, width, mask);
		else if (mask)
			memset(mask, 0xff, h->field->n_bytes);
	}
	if (!mask && has_mask)
		return OF_ERR_OFPBMC_BAD_MASK;
	return h->field ? 0 : OF_ERR_OFPBMC_BAD_FIELD;
}

of_err_t
of_nxm_entry_decode(const void *data, size_t size, bool is_action, const struct of_tlv_map *map,
		    struct of_oxm_header *h, union of_value *value, union of_value *mask,
		    size_t *ret_used)
{
	return pull_entry(data, size, is_action, map ? map : of_tlv_map_current(), h, value, mask,
			  ret_used);
}

/* Applies a decoded entry of a known field to the match. */
static of_err_t
apply_entry(const struct of_field *f, unsigned flags, const union of_value *value,
	    const union of_value *mask, struct of_match_full *m)
{
	bool all_ones = of_value_is_all_ones(f, mask);

	if (!all_ones && !f->maskable && !of_value_is_zero(f, mask))
		return OF_ERR_OFPBMC_BAD_MASK;
	if (!of_value_is_valid(f, value))
		return OF_ERR_OFPBMC_BAD_VALUE;
	if (!(flags & OF_OXM_LOOSE) && !of_match_has_prereqs(m, f))
		return OF_ERR_OFPBMC_BAD_PREREQ;
	if (!of_match_field_is_wild(m, f))
		return OF_ERR_OFPBMC_DUP_FIELD;
	if (flags & OF_OXM_PIPELINE && !of_field_is_pipeline(f))
		return OF_ERR_OFPBRC_PIPELINE_FIELDS_ONLY;
	of_match_set_field(m, f, value, all_ones ? NULL : mask);
	of_match_add_ethernet_prereq(m, f);
	return 0;
}

static of_err_t
take_cookie(const struct of_oxm_header *h, const uint8_t *payload, uint64_t *cookie,
	    uint64_t *cookie_mask)
{
	__be64 v, m = UINT64_MAX;

	if (*cookie_mask)
		return OF_ERR_OFPBMC_DUP_FIELD;
	memcpy(&v, payload, 8);
	if (h->header == OF_NXM_COOKIE_W)
		memcpy(&m, payload + 8, 8);
	*cookie = be64toh(v);
	*cookie_mask = be64toh(m);
	return 0;
}

of_err_t
of_oxm_decode(const void *entries, size_t size, unsigned flags, const struct of_tlv_map *map,
	      struct of_match_full *m, uint64_t *cookie, uint64_t *cookie_mask)
{
	const struct of_tlv_map *before = of_tlv_map_current();
	const uint8_t *p = entries;
	of_err_t err = 0;

	of_match_init_any(m);
	if (cookie)
		*cookie = *cookie_mask = 0;
	if (map)
		of_tlv_map_enter(map);
	else
		map = before;
	while (size && !err) {
		struct of_oxm_header h;
		union of_value value, mask;
		size_t used = 0;

		err = pull_entry(p, size, false, flags & OF_OXM_LOOSE ? NULL : map, &h, &value,
				 &mask, &used);
		if (err == OF_ERR_OFPBMC_BAD_FIELD) {
			if (cookie && (h.header == OF_NXM_COOKIE || h.header == OF_NXM_COOKIE_W))
				err = take_cookie(&h, p + h.header_size, cookie, cookie_mask);
			else if (flags & OF_OXM_LOOSE)
				err = 0;
		} else if (!err) {
			err = apply_entry(h.field, flags, &value, &mask, m);
		}
		p += used;
		size -= used;
	}
	of_tlv_map_enter(before);
	return err;
}

/* --- Writing. --- */

/* Room for a header with experimenter, a value and a mask. */
#define ENTRY_MAX (8 + 2 * 128)

static uint8_t *
put_header(uint8_t *p, const struct of_oxm *o, bool masked, unsigned n_bytes)
{
	bool experimenter = OF_OXM_CLASS(o->header) == CLASS_EXPERIMENTER;
	__be32 be = htonl((o->header & 0xfffffe00) | (masked ? 0x100 : 0) |
			  ((n_bytes << masked) + 4 * experimenter));

	memcpy(p, &be, 4);
	if (!experimenter)
		return p + 4;
	be = htonl(o->experimenter);
	memcpy(p + 4, &be, 4);
	return p + 8;
}

uint8_t *
of_nxm_put_at(uint8_t *p, const struct of_field *f, uint8_t version, const uint8_t *value,
	      const uint8_t *mask, unsigned n_bytes)
{
	const struct of_oxm *o = of_field_oxm(f, version);

	if (!o)
		return p;
	p = put_header(p, o, mask != NULL, n_bytes);
	p = mempcpy(p, value, n_bytes);
	return mask ? mempcpy(p, mask, n_bytes) : p;
}

static uint8_t
nxm_if_old(uint8_t version)
{
	return version >= 3 ? version : 0;
}

void
of_nxm_header_encode(const struct of_field *f, uint8_t version, bool masked,
		     const struct of_tlv_map *map, struct wf_buf *b)
{
	const struct of_oxm *o = of_field_oxm(f, nxm_if_old(version));
	unsigned n = f->n_bytes;
	uint8_t buf[8];

	if (!o)
		return;
	if (!map)
		map = of_tlv_map_current();
	if (of_field_is_tun_metadata(f) && map)
		n = of_tlv_len(map, f->id - OF_F_TUN_METADATA0);
	wf_buf_put(b, buf, put_header(buf, o, masked, n) - buf);
}

static unsigned
significant_len(const struct of_field *f, const union of_value *v)
{
	unsigned skip = 0;

	while (skip < f->n_bytes && !v->b[skip])
		skip++;
	return f->n_bytes - skip;
}

void
of_nxm_entry_encode(const struct of_field *f, uint8_t version, const union of_value *value,
		    const union of_value *mask, const struct of_tlv_map *map, struct wf_buf *b)
{
	unsigned len = f->n_bytes;

	if (mask && of_value_is_all_ones(f, mask))
		mask = NULL;
	if (f->variable_len) {
		unsigned mask_len = mask ? significant_len(f, mask) : 0;

		len = significant_len(f, value);
		len = len > mask_len ? len : mask_len;
	}
	unsigned skip = f->n_bytes - len;

	uint8_t *start = wf_buf_put_uninit(b, ENTRY_MAX);
	uint8_t *end = of_nxm_put_at(start, f, nxm_if_old(version), value->b + skip,
				     mask ? mask->b + skip : NULL, len);
	b->size -= ENTRY_MAX - (end - start);
}

static void
format_header_name(const struct of_oxm_header *h, struct wf_str *s)
{
	for (int i = 0; h->field && i < OF_MAX_OXMS && h->field->oxm[i].name; i++) {
		const struct of_oxm *o = &h->field->oxm[i];

		if (o->header >> 9 == h->header >> 9 && o->experimenter == h->experimenter) {
			wf_str_put(s, o->name);
			if (OF_OXM_HASMASK(h->header))
				wf_str_put(s, "_W");
			return;
		}
	}
	if (h->header == OF_NXM_COOKIE || h->header == OF_NXM_COOKIE_W)
		wf_str_put(s, h->header == OF_NXM_COOKIE ? "NXM_NX_COOKIE" : "NXM_NX_COOKIE_W");
	else
		wf_str_fmt(s, "%u:%u", OF_OXM_CLASS(h->header), OF_OXM_FIELD(h->header));
}

void
of_oxm_format_raw(const void *entries, size_t size, struct wf_str *s)
{
	const uint8_t *p = entries;

	if (!size) {
		wf_str_put(s, "<any>");
		return;
	}
	while (size) {
		struct of_oxm_header h;
		union of_value value, mask;
		size_t used = 0;
		of_err_t err = pull_entry(p, size, false, NULL, &h, &value, &mask, &used);

		if (err && err != OF_ERR_OFPBMC_BAD_FIELD) {
			wf_str_fmt(s, "%s<%zu invalid bytes>", p == entries ? "" : ", ", size);
			return;
		}
		if (p != entries)
			wf_str_put(s, ", ");
		format_header_name(&h, s);
		wf_str_putc(s, '(');
		unsigned width = h.payload_size >> OF_OXM_HASMASK(h.header);
		wf_str_hex(s, p + h.header_size, width);
		if (OF_OXM_HASMASK(h.header)) {
			wf_str_putc(s, '/');
			wf_str_hex(s, p + h.header_size + width, width);
		}
		wf_str_putc(s, ')');
		p += used;
		size -= used;
	}
}
