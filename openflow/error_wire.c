// SPDX-License-Identifier: Apache-2.0
/* The OFPT_ERROR message: numbers of an error and the start of what caused it.
 *
 *	standard:      | header | type | code | data
 *	1.0, 1.1 NX:   | header | 0xb0c2 | 0 | vendor (32) | type | code | data
 *	1.2+ vendor:   | header | 0xffff | type | vendor (32) | data
 */
#include "openflow/error.h"

#include <arpa/inet.h>
#include <string.h>

#define OFPT_ERROR 1
#define NXET_VENDOR 0xb0c2       /* ofp_error_msg.type of a Nicira error before 1.2 */
#define NXVC_VENDOR_ERROR 0
#define OFPET_EXPERIMENTER 0xffff
#define VERSION_10 0x01
#define VERSION_12 0x03
#define VERSION_15 0x06

static void
put_be16(struct wf_buf *b, uint16_t v)
{
	v = htons(v);
	wf_buf_put(b, &v, sizeof(v));
}

static void
put_be32(struct wf_buf *b, uint32_t v)
{
	v = htonl(v);
	wf_buf_put(b, &v, sizeof(v));
}

void
of_error_encode(of_err_t err, uint8_t version, uint32_t xid, const void *offending, size_t size,
		struct wf_buf *wire)
{
	struct of_err_code c;
	size_t start = wire->size;

	if (version < VERSION_10 || version > VERSION_15)
		version = VERSION_10;
	if (of_err_code(err, version, &c))
		of_err_code(OF_ERR_NXBRC_UNENCODABLE_ERROR, version, &c);

	wf_buf_put(wire, (uint8_t[]){ version, OFPT_ERROR, 0, 0 }, 4);
	put_be32(wire, xid);
	if (!c.vendor) {
		put_be16(wire, c.type);
		put_be16(wire, c.code);
	} else if (version < VERSION_12) {
		put_be16(wire, NXET_VENDOR);
		put_be16(wire, NXVC_VENDOR_ERROR);
		put_be32(wire, c.vendor);
		put_be16(wire, c.type);
		put_be16(wire, c.code);
	} else {
		put_be16(wire, OFPET_EXPERIMENTER);
		put_be16(wire, c.type);
		put_be32(wire, c.vendor);
	}
	size_t room = UINT16_MAX - (wire->size - start);
	wf_buf_put(wire, offending, size < room ? size : room);

	uint16_t length = htons(wire->size - start);
	memcpy((uint8_t *)wf_buf_at(wire, start) + 2, &length, sizeof(length));
}

static uint32_t
get_be(const uint8_t *p, int n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

of_err_t
of_error_decode(const void *msg, size_t size, struct of_err_code *ret_raw,
		const void **ret_payload, size_t *ret_payload_size)
{
	const uint8_t *p = msg;
	struct of_err_code c = { 0 };
	size_t used = 12;

	if (ret_raw)
		*ret_raw = c;
	if (size < used)
		return 0;
	c.type = get_be(p + 8, 2);
	c.code = get_be(p + 10, 2);
	if (c.type == NXET_VENDOR && c.code == NXVC_VENDOR_ERROR) {
		used += 8;
		if (size < used)
			return 0;
		c.vendor = get_be(p + 12, 4);
		c.type = get_be(p + 16, 2);
		c.code = get_be(p + 18, 2);
	} else if (c.type == OFPET_EXPERIMENTER) {
		used += 4;
		if (size < used)
			return 0;
		c.vendor = get_be(p + 12, 4);
		c.type = c.code;
		c.code = 0;
	}
	if (ret_raw)
		*ret_raw = c;
	*ret_payload = p + used;
	*ret_payload_size = size - used;
	return of_err_from_code(&c, p[0]);
}
