/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg_nx.h"

#include <sys/socket.h>

#include "openflow/msg_wire.h"
#include "openflow/tlv_map.h"

WIRE_STRUCT tlv_map_entry {
	__be16 option_class;
	uint8_t option_type, option_len;
	__be16 index;
	uint8_t pad[2];
};
WIRE_SIZE(struct tlv_map_entry, 8);

#define TLV_MOD_SIZE 8    /* command 16, padding */
#define TLV_REPLY_SIZE 16 /* max_space 32, max_fields 16, reserved */

static of_err_t
mappings_decode(const uint8_t *p, size_t size, unsigned max_fields, struct wf_buf *store)
{
	wf_buf_clear(store);
	for (; size >= sizeof(struct tlv_map_entry); size -= sizeof(struct tlv_map_entry)) {
		const struct tlv_map_entry *w = (const void *)p;
		struct of_tlv_mapping m = {
			.option_class = be16toh(w->option_class),
			.option_type = w->option_type,
			.option_len = w->option_len,
			.index = be16toh(w->index),
		};

		if (m.option_len % 4 || m.option_len > OF_TLV_MAX_LEN)
			return OF_ERR_NXTTMFC_BAD_OPT_LEN;
		if (m.index >= max_fields)
			return OF_ERR_NXTTMFC_BAD_FIELD_IDX;
		wf_buf_put(store, &m, sizeof(m));
		p += sizeof(*w);
	}
	return 0;
}

static void
mappings_encode(const struct of_tlv_mapping *maps, size_t n, struct wf_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		struct tlv_map_entry w = {
			.option_class = htobe16(maps[i].option_class),
			.option_type = maps[i].option_type,
			.option_len = maps[i].option_len,
			.index = htobe16(maps[i].index),
		};

		wf_buf_put(out, &w, sizeof(w));
	}
}

of_err_t
of_tlv_mod_decode(const struct of_msg *msg, struct of_tlv_mod *tm, struct wf_buf *store)
{
	of_err_t error;

	tm->command = get_u16(msg->body);
	if (tm->command > OF_TLV_CLEAR)
		return OF_ERR_NXTTMFC_BAD_COMMAND;
	error = mappings_decode(msg->body + TLV_MOD_SIZE, msg->body_size - TLV_MOD_SIZE,
				OF_TLV_N_FIELDS, store);
	tm->maps = (const struct of_tlv_mapping *)store->data;
	tm->n = store->size / sizeof(*tm->maps);
	return error;
}

void
of_tlv_mod_encode(uint8_t version, uint32_t xid, const struct of_tlv_mod *tm, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_TLV_TABLE_MOD, version, xid);

	put_u16(out, tm->command);
	wf_buf_put_zeros(out, TLV_MOD_SIZE - 2);
	mappings_encode(tm->maps, tm->n, out);
	of_msg_end(out, start);
}

void
of_tlv_reply_encode(const struct of_msg *request, const struct of_tlv_reply *tr,
		    struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_TLV_TABLE_REPLY, request->version, request->xid);

	put_u32(out, tr->max_space);
	put_u16(out, tr->max_fields);
	wf_buf_put_zeros(out, TLV_REPLY_SIZE - 6);
	mappings_encode(tr->maps, tr->n, out);
	of_msg_end(out, start);
}

of_err_t
of_tlv_reply_decode(const struct of_msg *msg, struct of_tlv_reply *tr, struct wf_buf *store)
{
	of_err_t error;

	tr->max_space = get_u32(msg->body);
	tr->max_fields = get_u16(msg->body + 4);
	error = mappings_decode(msg->body + TLV_REPLY_SIZE, msg->body_size - TLV_REPLY_SIZE,
				tr->max_fields, store);
	tr->maps = (const struct of_tlv_mapping *)store->data;
	tr->n = store->size / sizeof(*tr->maps);
	return error;
}

of_err_t
of_ct_flush_zone_decode(const struct of_msg *msg, uint16_t *zone)
{
	if (!is_zeros(msg->body, 6))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	*zone = get_u16(msg->body + 6);
	return 0;
}

/* Types of NXT_CT_FLUSH's properties, outer and inner. */
enum { CT_ORIG_TUPLE, CT_REPLY_TUPLE, CT_ZONE_ID };
enum { CT_SRC, CT_DST, CT_SRC_PORT, CT_DST_PORT, CT_ICMP_ID, CT_ICMP_TYPE, CT_ICMP_CODE };

static of_err_t
address_get(const struct of_prop *prop, struct in6_addr *addr, uint16_t *l3_type)
{
	if (prop->payload_size < sizeof(*addr))
		return OF_ERR_OFPBPC_BAD_LEN;
	memcpy(addr, prop->payload, sizeof(*addr));
	if (is_zeros(addr, sizeof(*addr)))
		return 0;
	uint16_t l3 = IN6_IS_ADDR_V4MAPPED(addr) ? AF_INET : AF_INET6;
	if (*l3_type && *l3_type != l3)
		return OF_ERR_OFPBPC_BAD_VALUE;
	*l3_type = l3;
	return 0;
}

static of_err_t
port_get(const struct of_prop *prop, __be16 *port)
{
	uint16_t value;
	of_err_t error = of_prop_get_u16(prop, &value);

	if (!error)
		*port = htobe16(value);
	return error;
}

static of_err_t
tuple_get(const struct of_prop *outer, struct of_ct_tuple *t, uint16_t *l3_type)
{
	const uint8_t *p;
	size_t size;
	of_err_t error = of_prop_get_nested(outer, &p, &size);

	while (!error && size > 0) {
		struct of_prop prop;

		error = of_prop_next(&p, &size, &prop);
		if (error || prop.vendor)
			continue;
		switch (prop.type) {
		case CT_SRC:
			error = address_get(&prop, &t->src, l3_type);
			break;
		case CT_DST:
			error = address_get(&prop, &t->dst, l3_type);
			break;
		case CT_SRC_PORT:
		case CT_ICMP_ID:
			error = port_get(&prop, &t->src_port);
			break;
		case CT_DST_PORT:
			error = port_get(&prop, &t->dst_port);
			break;
		case CT_ICMP_TYPE:
			error = of_prop_get_u8(&prop, &t->icmp_type);
			break;
		case CT_ICMP_CODE:
			error = of_prop_get_u8(&prop, &t->icmp_code);
			break;
		}
	}
	return error;
}

of_err_t
of_ct_flush_decode(const struct of_msg *msg, struct of_ct_flush *f)
{
	const uint8_t *p = msg->body + 8;
	size_t size = msg->body_size - 8;
	of_err_t error = 0;

	*f = (struct of_ct_flush){ .ip_proto = msg->body[0] };
	if (!is_zeros(msg->body + 1, 7))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	while (!error && size > 0) {
		struct of_prop prop;

		error = of_prop_next(&p, &size, &prop);
		if (error || prop.vendor)
			continue;
		switch (prop.type) {
		case CT_ORIG_TUPLE:
			error = tuple_get(&prop, &f->orig, &f->l3_type);
			break;
		case CT_REPLY_TUPLE:
			error = tuple_get(&prop, &f->reply, &f->l3_type);
			break;
		case CT_ZONE_ID:
			f->has_zone = true;
			error = of_prop_get_u16(&prop, &f->zone);
			break;
		}
	}
	return error;
}

static void
ipfix_put(const struct of_ipfix_stats *s, struct wf_buf *out)
{
	put_u64(out, s->total_flows);
	put_u64(out, s->current_flows);
	put_u64(out, s->pkts);
	put_u64(out, s->ipv4_pkts);
	put_u64(out, s->ipv6_pkts);
	put_u64(out, s->error_pkts);
	put_u64(out, s->ipv4_error_pkts);
	put_u64(out, s->ipv6_error_pkts);
	put_u64(out, s->tx_pkts);
	put_u64(out, s->tx_errors);
	put_u32(out, s->collector_set);
	put_u32(out, 0);
}

void
of_ipfix_bridge_reply_encode(const struct of_msg *request, const struct of_ipfix_stats *s,
			     struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXST_IPFIX_BRIDGE_REPLY, request->version,
				    request->xid);

	ipfix_put(s, out);
	of_msg_end(out, start);
}

void
of_ipfix_stats_append(struct of_multipart *mp, const struct of_ipfix_stats *s)
{
	of_multipart_item_begin(mp);
	ipfix_put(s, mp->out);
	of_multipart_item_end(mp);
}
