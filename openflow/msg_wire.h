/* SPDX-License-Identifier: Apache-2.0 */
/* For the message codecs only: wire integers, and the property lists of OpenFlow 1.4+.
 *
 * Wire structs are packed: bodies of OpenFlow 1.0 statistics start 4 bytes off an 8-byte
 * boundary, and a message may start anywhere in a stream's buffer. */
#ifndef WEFT_OPENFLOW_MSG_WIRE_H
#define WEFT_OPENFLOW_MSG_WIRE_H

#include <endian.h>
#include <string.h>

#include "openflow/msg.h"

#define WIRE_STRUCT struct __attribute__((packed))
#define WIRE_SIZE(TYPE, N) static_assert(sizeof(TYPE) == (N), #TYPE " is " #N " bytes")
#define ROUND_UP8(N) (((size_t)(N) + 7) & ~(size_t)7)

static inline uint16_t
get_u16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t
get_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
get_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void
set_u16(void *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
set_u32(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
set_u64(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put_u16(struct wf_buf *b, uint16_t v)
{
	v = htobe16(v);
	wf_buf_put(b, &v, sizeof(v));
}

static inline void
put_u32(struct wf_buf *b, uint32_t v)
{
	v = htobe32(v);
	wf_buf_put(b, &v, sizeof(v));
}

static inline void
put_u64(struct wf_buf *b, uint64_t v)
{
	v = htobe64(v);
	wf_buf_put(b, &v, sizeof(v));
}

/* Zero bytes until what was put since 'start' is a multiple of 8. */
static inline void
pad_since(struct wf_buf *b, size_t start)
{
	size_t size = b->size - start;

	wf_buf_put_zeros(b, ROUND_UP8(size) - size);
}

/* All zero?  Must-be-zero padding that OVS checks. */
static inline bool
is_zeros(const void *p, size_t size)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < size; i++)
		if (b[i])
			return false;
	return true;
}

/* Text into a field of fixed size, always with a NUL at its end. */
static inline void
set_text(char *field, size_t size, const char *text)
{
	memset(field, 0, size);
	if (text)
		memcpy(field, text, strnlen(text, size - 1));
}

/* Properties: | type 16 | length 16 | payload | padding to 8 |.  The length counts header and
 * payload.  Types 0xffff and 0xfffe start with | experimenter 32 | exp type 32 |, and then
 * .vendor and .type are those and the payload starts after them. */
struct of_prop {
	uint32_t vendor; /* 0: standard */
	uint32_t type;
	const uint8_t *data; /* the property, header included */
	size_t size;         /* of the property without padding */
	const uint8_t *payload;
	size_t payload_size;
};
/* Takes the next property from [*p, *p + *size).  Errors: OFPBPC_BAD_LEN, BAD_EXPERIMENTER. */
of_err_t of_prop_next(const uint8_t **p, size_t *size, struct of_prop *);
/* In lists where 0xfffe is an experimenter's type as well (table features).  .type of the
 * two is exp_type, and 'ret_miss' says which of them it was. */
of_err_t of_prop_next_fffe(const uint8_t **p, size_t *size, struct of_prop *, bool *ret_miss);
/* What to say about a property that is not known; 0 if 'loose'. */
of_err_t of_prop_unknown(bool loose, const struct of_prop *);
of_err_t of_prop_get_u8(const struct of_prop *, uint8_t *);
of_err_t of_prop_get_u16(const struct of_prop *, uint16_t *);
of_err_t of_prop_get_u32(const struct of_prop *, uint32_t *);
of_err_t of_prop_get_u64(const struct of_prop *, uint64_t *);
/* The list inside a property, which starts at a multiple of 8. */
of_err_t of_prop_get_nested(const struct of_prop *, const uint8_t **p, size_t *size);

/* Writing: begin returns the offset for end, which writes the length and pads. */
size_t of_prop_begin(struct wf_buf *, uint16_t type);
size_t of_prop_begin_vendor(struct wf_buf *, uint16_t type, uint32_t vendor, uint32_t exp_type);
void of_prop_end(struct wf_buf *, size_t start);
void of_prop_put(struct wf_buf *, uint16_t type, const void *payload, size_t size);
void of_prop_put_u8(struct wf_buf *, uint16_t type, uint8_t);
void of_prop_put_u16(struct wf_buf *, uint16_t type, uint16_t);
void of_prop_put_u32(struct wf_buf *, uint16_t type, uint32_t);
void of_prop_put_u64(struct wf_buf *, uint16_t type, uint64_t);

#endif
