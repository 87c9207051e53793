/* SPDX-License-Identifier: Apache-2.0 */
/* Port statistics. */
#include "openflow/msg_port.h"
#include "openflow/msg_wire.h"

/* The same counters in all versions; 1.4 moved the last four to a property. */
WIRE_STRUCT counters {
	__be64 rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
	__be64 rx_errors, tx_errors;
};
WIRE_STRUCT error_counters {
	__be64 rx_frame_err, rx_over_err, rx_crc_err, collisions;
};

WIRE_STRUCT port_stats10 {
	__be16 port;
	uint8_t pad[6];
	struct counters c;
	struct error_counters e;
};
WIRE_SIZE(struct port_stats10, 104);

WIRE_STRUCT port_stats11 {
	__be32 port;
	uint8_t pad[4];
	struct counters c;
	struct error_counters e;
	/* 1.3: duration_s, duration_ns */
};
WIRE_SIZE(struct port_stats11, 104);

WIRE_STRUCT port_stats14 {
	__be16 length;
	uint8_t pad[2];
	__be32 port, duration_s, duration_ns;
	struct counters c;
};
WIRE_SIZE(struct port_stats14, 80);

enum { PROP_ETHERNET = 0, INTEL_RFC2819 = 1, INTEL_CUSTOM = 2 };

const char *const of_port_rfc2819_names[OF_N_RFC2819] = {
	"rx_1_to_64_packets",	   "rx_65_to_127_packets",   "rx_128_to_255_packets",
	"rx_256_to_511_packets",   "rx_512_to_1023_packets", "rx_1024_to_1522_packets",
	"rx_1523_to_max_packets",  "tx_1_to_64_packets",     "tx_65_to_127_packets",
	"tx_128_to_255_packets",   "tx_256_to_511_packets",  "tx_512_to_1023_packets",
	"tx_1024_to_1522_packets", "tx_1523_to_max_packets", "tx_multicast_packets",
	"rx_broadcast_packets",	   "tx_broadcast_packets",   "rx_undersized_errors",
	"rx_oversize_errors",	   "rx_fragmented_errors",   "rx_jabber_errors",
};

void
of_port_stats_init(struct of_port_stats *ps)
{
	memset(ps, 0xff, sizeof(*ps));
	ps->custom = NULL;
	ps->n_custom = 0;
}

of_err_t
of_port_stats_request_decode(const struct of_msg *msg, of_port_t *port)
{
	if (msg->body_size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	if (msg->version == OF10_VERSION) {
		*port = of_port_from_10(get_u16(msg->body));
		return 0;
	}
	return of_port_from_11(get_u32(msg->body), port);
}

void
of_port_stats_request_encode(uint8_t version, uint32_t xid, of_port_t port, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_PORT_REQUEST, version), version, xid);
	uint8_t body[8] = { 0 };

	if (version == OF10_VERSION)
		set_u16(body, of_port_to_10(port));
	else
		set_u32(body, port);
	wf_buf_put(out, body, sizeof(body));
	of_msg_end(out, start);
}

static void
counters_set(struct counters *w, const struct of_port_stats *ps)
{
	w->rx_packets = htobe64(ps->rx_packets);
	w->tx_packets = htobe64(ps->tx_packets);
	w->rx_bytes = htobe64(ps->rx_bytes);
	w->tx_bytes = htobe64(ps->tx_bytes);
	w->rx_dropped = htobe64(ps->rx_dropped);
	w->tx_dropped = htobe64(ps->tx_dropped);
	w->rx_errors = htobe64(ps->rx_errors);
	w->tx_errors = htobe64(ps->tx_errors);
}

static void
counters_get(const struct counters *w, struct of_port_stats *ps)
{
	ps->rx_packets = be64toh(w->rx_packets);
	ps->tx_packets = be64toh(w->tx_packets);
	ps->rx_bytes = be64toh(w->rx_bytes);
	ps->tx_bytes = be64toh(w->tx_bytes);
	ps->rx_dropped = be64toh(w->rx_dropped);
	ps->tx_dropped = be64toh(w->tx_dropped);
	ps->rx_errors = be64toh(w->rx_errors);
	ps->tx_errors = be64toh(w->tx_errors);
}

static void
errors_set(struct error_counters *w, const struct of_port_stats *ps)
{
	w->rx_frame_err = htobe64(ps->rx_frame_err);
	w->rx_over_err = htobe64(ps->rx_over_err);
	w->rx_crc_err = htobe64(ps->rx_crc_err);
	w->collisions = htobe64(ps->collisions);
}

static void
errors_get(const struct error_counters *w, struct of_port_stats *ps)
{
	ps->rx_frame_err = be64toh(w->rx_frame_err);
	ps->rx_over_err = be64toh(w->rx_over_err);
	ps->rx_crc_err = be64toh(w->rx_crc_err);
	ps->collisions = be64toh(w->collisions);
}

static void
append_14(struct wf_buf *out, const struct of_port_stats *ps)
{
	size_t start = out->size, prop;
	struct port_stats14 w = {
		.port = htobe32(ps->port),
		.duration_s = htobe32(ps->duration_s),
		.duration_ns = htobe32(ps->duration_ns),
	};
	struct error_counters e;

	counters_set(&w.c, ps);
	wf_buf_put(out, &w, sizeof(w));
	prop = of_prop_begin(out, PROP_ETHERNET);
	put_u32(out, 0);
	errors_set(&e, ps);
	wf_buf_put(out, &e, sizeof(e));
	of_prop_end(out, prop);

	/* OVS sends this property always, with all ones for what is unknown. */
	prop = of_prop_begin_vendor(out, 0xffff, OF_VENDOR_INTEL, INTEL_RFC2819);
	put_u32(out, 0);
	for (unsigned i = 0; i < OF_N_RFC2819; i++)
		put_u64(out, ps->rfc2819[i]);
	of_prop_end(out, prop);

	if (ps->n_custom) {
		prop = of_prop_begin_vendor(out, 0xffff, OF_VENDOR_INTEL, INTEL_CUSTOM);
		put_u16(out, 0);
		put_u16(out, ps->n_custom);
		for (size_t i = 0; i < ps->n_custom; i++) {
			uint8_t len = strnlen(ps->custom[i].name, 255);

			wf_buf_put(out, &len, 1);
			wf_buf_put(out, ps->custom[i].name, len);
			put_u64(out, ps->custom[i].value);
		}
		of_prop_end(out, prop);
	}
	set_u16(wf_buf_at(out, start), out->size - start);
}

void
of_port_stats_append(struct of_multipart *mp, const struct of_port_stats *ps)
{
	of_multipart_item_begin(mp);
	if (mp->version >= OF14_VERSION) {
		append_14(mp->out, ps);
	} else if (mp->version == OF10_VERSION) {
		struct port_stats10 w = { .port = htobe16(of_port_to_10(ps->port)) };

		counters_set(&w.c, ps);
		errors_set(&w.e, ps);
		wf_buf_put(mp->out, &w, sizeof(w));
	} else {
		struct port_stats11 w = { .port = htobe32(ps->port) };

		counters_set(&w.c, ps);
		errors_set(&w.e, ps);
		wf_buf_put(mp->out, &w, sizeof(w));
		if (mp->version == OF13_VERSION) {
			put_u32(mp->out, ps->duration_s);
			put_u32(mp->out, ps->duration_ns);
		}
	}
	of_multipart_item_end(mp);
}

static of_err_t
next_14(const uint8_t *p, size_t size, size_t *used, struct of_port_stats *ps)
{
	const struct port_stats14 *w = (const void *)p;

	if (size < sizeof(*w))
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = be16toh(w->length);
	if (length < sizeof(*w) || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	*used = length;
	of_err_t error = of_port_from_11(be32toh(w->port), &ps->port);
	if (error)
		return error;
	ps->duration_s = be32toh(w->duration_s);
	ps->duration_ns = be32toh(w->duration_ns);
	counters_get(&w->c, ps);

	p += sizeof(*w);
	for (size_t rest = length - sizeof(*w); rest > 0;) {
		struct of_prop prop;

		error = of_prop_next(&p, &rest, &prop);
		if (error)
			return error;
		if (!prop.vendor && prop.type == PROP_ETHERNET) {
			if (prop.size != 8 + sizeof(struct error_counters))
				return OF_ERR_OFPBPC_BAD_LEN;
			errors_get((const void *)(prop.data + 8), ps);
		} else if (prop.vendor == OF_VENDOR_INTEL && prop.type == INTEL_RFC2819) {
			if (prop.size != 16 + 8 * OF_N_RFC2819)
				return OF_ERR_OFPBPC_BAD_LEN;
			for (unsigned i = 0; i < OF_N_RFC2819; i++)
				ps->rfc2819[i] = get_u64(prop.data + 16 + 8 * i);
		}
	}
	return 0;
}

of_err_t
of_port_stats_next(const struct of_msg *msg, size_t *pos, struct of_port_stats *ps)
{
	const uint8_t *p = msg->body + *pos;
	size_t size = msg->body_size - *pos, used = 0;
	of_err_t error;

	of_port_stats_init(ps);
	if (!size)
		return OF_EOF;
	if (msg->form == OF_R_OFPST14_PORT_REPLY) {
		error = next_14(p, size, &used, ps);
		*pos += used;
		return error;
	}
	used = msg->form == OF_R_OFPST13_PORT_REPLY ? 112 : 104;
	if (size < used)
		return OF_ERR_OFPBRC_BAD_LEN;
	*pos += used;
	if (msg->form == OF_R_OFPST10_PORT_REPLY) {
		const struct port_stats10 *w = (const void *)p;

		ps->port = of_port_from_10(be16toh(w->port));
		counters_get(&w->c, ps);
		errors_get(&w->e, ps);
		return 0;
	}
	const struct port_stats11 *w = (const void *)p;
	counters_get(&w->c, ps);
	errors_get(&w->e, ps);
	if (used == 112) {
		ps->duration_s = get_u32(w + 1);
		ps->duration_ns = get_u32((const uint8_t *)(w + 1) + 4);
	}
	return of_port_from_11(be32toh(w->port), &ps->port);
}
