/* SPDX-License-Identifier: Apache-2.0 */
/* Property lists, OpenFlow 1.4 and later. */
#include "openflow/msg_wire.h"

static of_err_t
next(const uint8_t **p, size_t *size, unsigned first_vendor_type, struct of_prop *prop,
     uint16_t *ret_raw_type)
{
	if (*size < 4)
		return OF_ERR_OFPBPC_BAD_LEN;

	uint16_t type = get_u16(*p);
	size_t len = get_u16(*p + 2);
	size_t padded = ROUND_UP8(len);
	size_t head = 4;
	if (len < 4 || padded > *size)
		return OF_ERR_OFPBPC_BAD_LEN;
	prop->vendor = 0;
	prop->type = type;
	if (type >= first_vendor_type) {
		if (len < 12)
			return OF_ERR_OFPBPC_BAD_LEN;
		/* Vendor 0 could not be told from a standard type. */
		prop->vendor = get_u32(*p + 4);
		if (!prop->vendor)
			return OF_ERR_OFPBPC_BAD_EXPERIMENTER;
		prop->type = get_u32(*p + 8);
		head = 12;
	}
	prop->data = *p;
	prop->size = len;
	prop->payload = *p + head;
	prop->payload_size = len - head;
	*ret_raw_type = type;
	*p += padded;
	*size -= padded;
	return 0;
}

of_err_t
of_prop_next(const uint8_t **p, size_t *size, struct of_prop *prop)
{
	uint16_t raw;

	return next(p, size, 0xffff, prop, &raw);
}

of_err_t
of_prop_next_fffe(const uint8_t **p, size_t *size, struct of_prop *prop, bool *ret_miss)
{
	uint16_t raw = 0;
	of_err_t error = next(p, size, 0xfffe, prop, &raw);

	*ret_miss = raw == 0xffff;
	return error;
}

of_err_t
of_prop_unknown(bool loose, const struct of_prop *prop)
{
	if (loose)
		return 0;
	return prop->vendor ? OF_ERR_OFPBPC_BAD_EXP_TYPE : OF_ERR_OFPBPC_BAD_TYPE;
}

/* The standard gives 8- and 16-bit properties a length of 8, not 5 or 6: any payload that is
 * long enough is taken. */
of_err_t
of_prop_get_u8(const struct of_prop *prop, uint8_t *value)
{
	if (prop->payload_size < 1)
		return OF_ERR_OFPBPC_BAD_LEN;
	*value = prop->payload[0];
	return 0;
}

of_err_t
of_prop_get_u16(const struct of_prop *prop, uint16_t *value)
{
	if (prop->payload_size < 2)
		return OF_ERR_OFPBPC_BAD_LEN;
	*value = get_u16(prop->payload);
	return 0;
}

of_err_t
of_prop_get_u32(const struct of_prop *prop, uint32_t *value)
{
	if (prop->payload_size != 4)
		return OF_ERR_OFPBPC_BAD_LEN;
	*value = get_u32(prop->payload);
	return 0;
}

static size_t
header_rounded(const struct of_prop *prop)
{
	return ROUND_UP8(prop->payload - prop->data);
}

of_err_t
of_prop_get_u64(const struct of_prop *prop, uint64_t *value)
{
	size_t head = header_rounded(prop);

	if (prop->size != head + 8)
		return OF_ERR_OFPBPC_BAD_LEN;
	*value = get_u64(prop->data + head);
	return 0;
}

of_err_t
of_prop_get_nested(const struct of_prop *prop, const uint8_t **p, size_t *size)
{
	size_t head = header_rounded(prop);

	if (prop->size < head)
		return OF_ERR_OFPBPC_BAD_LEN;
	*p = prop->data + head;
	*size = prop->size - head;
	return 0;
}

size_t
of_prop_begin(struct wf_buf *b, uint16_t type)
{
	size_t start = b->size;

	put_u16(b, type);
	put_u16(b, 0);
	return start;
}

size_t
of_prop_begin_vendor(struct wf_buf *b, uint16_t type, uint32_t vendor, uint32_t exp_type)
{
	size_t start = of_prop_begin(b, type);

	put_u32(b, vendor);
	put_u32(b, exp_type);
	return start;
}

void
of_prop_end(struct wf_buf *b, size_t start)
{
	set_u16((uint8_t *)wf_buf_at(b, start) + 2, b->size - start);
	pad_since(b, start);
}

void
of_prop_put(struct wf_buf *b, uint16_t type, const void *payload, size_t size)
{
	size_t start = of_prop_begin(b, type);

	wf_buf_put(b, payload, size);
	of_prop_end(b, start);
}

void
of_prop_put_u8(struct wf_buf *b, uint16_t type, uint8_t value)
{
	of_prop_put(b, type, &value, 1);
}

void
of_prop_put_u16(struct wf_buf *b, uint16_t type, uint16_t value)
{
	uint8_t payload[4] = { value >> 8, (uint8_t)value };

	of_prop_put(b, type, payload, sizeof(payload));
}

void
of_prop_put_u32(struct wf_buf *b, uint16_t type, uint32_t value)
{
	uint8_t payload[4];

	set_u32(payload, value);
	of_prop_put(b, type, payload, sizeof(payload));
}

void
of_prop_put_u64(struct wf_buf *b, uint16_t type, uint64_t value)
{
	uint8_t payload[12] = { 0 };

	set_u64(payload + 4, value);
	of_prop_put(b, type, payload, sizeof(payload));
}
