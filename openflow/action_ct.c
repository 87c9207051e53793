// SPDX-License-Identifier: Apache-2.0
/* Connection tracking: ct, nat and ct_clear, between wire and records. */
#include <sys/socket.h>

#include "openflow/action_internal.h"

#define CT_COMMIT 1
#define CT_FORCE 2

#define NAT_SRC 1
#define NAT_DST 2
#define NAT_PROTO_HASH 8
#define NAT_PROTO_RANDOM 16
#define NAT_FLAGS 0x1f

/* What follows the header of nat, in this order (enum nx_nat_range). */
#define RANGE_IPV4_MIN 0x01
#define RANGE_IPV4_MAX 0x02
#define RANGE_IPV6_MIN 0x04
#define RANGE_IPV6_MAX 0x08
#define RANGE_PROTO_MIN 0x10
#define RANGE_PROTO_MAX 0x20

static of_err_t
decode_zone(const struct of_wire_action *w, struct of_act_ct *ct)
{
	if (!rd32(w->p + 12)) {
		ct->zone_imm = rd16(w->p + 16);
		return 0;
	}
	rd_ofs_nbits(w->p + 16, &ct->zone_src);
	of_err_t err = of_wire_field(w->p + 12, &ct->zone_src.field);

	if (!err)
		err = of_subfield_check_src(&ct->zone_src, NULL);
	if (!err && ct->zone_src.n_bits != 16)
		err = OF_ERR_OFPBAC_BAD_SET_LEN;
	return err;
}

static of_err_t
decode_ct(const struct of_wire_action *w, struct wf_buf *list)
{
	size_t ofs = list->size;
	struct of_act_ct *ct = of_action_put(list, OF_A_CT, sizeof(*ct));
	of_err_t err;

	ct->flags = rd16(w->p + 10);
	if (ct->flags & CT_FORCE && !(ct->flags & CT_COMMIT))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	err = decode_zone(w, ct);
	if (err)
		return err;
	ct->recirc_table = w->p[18];
	ct->alg = rd16(w->p + 22);
	err = of_actions_decode_nested(w->p + 24, w->size - 24, w->version, w->depth + 1, OF_A_CT,
				       list);
	if (err)
		return err;
	of_action_finish(list, ofs);
	ct = wf_buf_at(list, ofs);

	size_t size;
	const struct of_action *inner = of_act_nested(&ct->a, sizeof(*ct), &size);

	if (ct->flags & CT_COMMIT)
		return 0;
	/* Without commit there is no connection to change: only a bare nat, which applies what
	 * the connection has. */
	of_action_for_each(a, inner, size) {
		const struct of_act_nat *nat = (const struct of_act_nat *)a;

		if (a->type != OF_A_NAT || nat->flags || nat->family != AF_UNSPEC)
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	return 0;
}

/* Takes 'size' bytes of what follows nat's header; false if they are not there. */
static bool
take(const uint8_t **p, const uint8_t *end, void *to, size_t size)
{
	if (end - *p < (ptrdiff_t)size)
		return false;
	memcpy(to, *p, size);
	*p += size;
	return true;
}

static of_err_t
decode_nat(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p + 16, *end = w->p + w->size;
	struct of_act_nat *nat = of_action_put(list, OF_A_NAT, sizeof(*nat));
	unsigned range = rd16(w->p + 14);
	bool v6 = range & RANGE_IPV6_MIN;
	unsigned max_bit = v6 ? RANGE_IPV6_MAX : RANGE_IPV4_MAX;
	size_t addr_size = v6 ? 16 : 4;

	nat->flags = rd16(w->p + 12);
	nat->family = AF_UNSPEC;
	if (nat->flags & ~NAT_FLAGS || (nat->flags & NAT_SRC && nat->flags & NAT_DST) ||
	    (nat->flags & NAT_PROTO_HASH && nat->flags & NAT_PROTO_RANDOM))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	if (range & (RANGE_IPV4_MIN | RANGE_IPV4_MAX) && range & (RANGE_IPV6_MIN | RANGE_IPV6_MAX))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	if (range & (RANGE_IPV4_MIN | RANGE_IPV6_MIN)) {
		nat->family = v6 ? AF_INET6 : AF_INET;
		if (!take(&p, end, &nat->addr_min, addr_size) ||
		    is_zero((const uint8_t *)&nat->addr_min, addr_size))
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		if (range & max_bit && (!take(&p, end, &nat->addr_max, addr_size) ||
					memcmp(&nat->addr_max, &nat->addr_min, addr_size) < 0))
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
	} else if (range & (RANGE_IPV4_MAX | RANGE_IPV6_MAX)) {
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	if (range & RANGE_PROTO_MIN) {
		uint8_t port[2];

		if (nat->family == AF_UNSPEC || !take(&p, end, port, 2) || !rd16(port))
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		nat->port_min = rd16(port);
		if (range & RANGE_PROTO_MAX) {
			if (!take(&p, end, port, 2) || rd16(port) < nat->port_min)
				return OF_ERR_OFPBAC_BAD_ARGUMENT;
			nat->port_max = rd16(port);
		}
	} else if (range & RANGE_PROTO_MAX) {
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	return 0;
}

of_err_t
of_ct_decode(const struct of_wire_action *w, struct wf_buf *list)
{
	switch (w->raw) {
	case OF_RAW_CT:
		return decode_ct(w, list);
	case OF_RAW_NAT:
		return decode_nat(w, list);
	case OF_RAW_CT_CLEAR:
		put_u32_action(list, OF_A_CT_CLEAR, OF_RAW_NONE, 0);
		return 0;
	default:
		return OF_ERR_OFPBAC_BAD_TYPE;
	}
}

/* --- To the wire --- */

static void
encode_ct(const struct of_act_ct *ct, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = of_wire_begin(wire, version, OF_RAW_CT, 0);
	uint8_t *p = of_wire_at(wire, ofs);
	size_t size;
	const struct of_action *inner = of_act_nested(&ct->a, sizeof(*ct), &size);

	wr16(p + 10, ct->flags);
	if (ct->zone_src.n_bits) {
		wr32(p + 12, of_wire_field_header(ct->zone_src.field));
		wr_ofs_nbits(p + 16, &ct->zone_src);
	} else {
		wr16(p + 16, ct->zone_imm);
	}
	p[18] = ct->recirc_table;
	wr16(p + 22, ct->alg);
	of_actions_encode_list(inner, size, version, wire);
	of_wire_end(wire, ofs);
}

static void
encode_nat(const struct of_act_nat *nat, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = of_wire_begin(wire, version, OF_RAW_NAT, 0);
	size_t addr_size = nat->family == AF_INET6 ? 16 : 4;
	unsigned range = 0;
	uint8_t port[2];

	if (nat->family != AF_UNSPEC) {
		bool v6 = nat->family == AF_INET6;

		if (!is_zero((const uint8_t *)&nat->addr_min, addr_size)) {
			wf_buf_put(wire, &nat->addr_min, addr_size);
			range |= v6 ? RANGE_IPV6_MIN : RANGE_IPV4_MIN;
		}
		if (!is_zero((const uint8_t *)&nat->addr_max, addr_size)) {
			wf_buf_put(wire, &nat->addr_max, addr_size);
			range |= v6 ? RANGE_IPV6_MAX : RANGE_IPV4_MAX;
		}
		if (nat->port_min) {
			wr16(port, nat->port_min);
			wf_buf_put(wire, port, 2);
			range |= RANGE_PROTO_MIN;
		}
		if (nat->port_max) {
			wr16(port, nat->port_max);
			wf_buf_put(wire, port, 2);
			range |= RANGE_PROTO_MAX;
		}
	}
	of_wire_end(wire, ofs);
	wr16(of_wire_at(wire, ofs) + 12, nat->flags);
	wr16(of_wire_at(wire, ofs) + 14, range);
}

void
of_ct_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	switch (a->type) {
	case OF_A_CT:
		encode_ct((const struct of_act_ct *)a, version, wire);
		break;
	case OF_A_NAT:
		encode_nat((const struct of_act_nat *)a, version, wire);
		break;
	case OF_A_CT_CLEAR:
		of_wire_begin(wire, version, OF_RAW_CT_CLEAR, 0);
		break;
	}
}
