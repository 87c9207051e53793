/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg_meter.h"

#include "openflow/msg_wire.h"

WIRE_STRUCT meter_mod {
	__be16 command, flags;
	__be32 meter;
};
WIRE_SIZE(struct meter_mod, 8);

WIRE_STRUCT meter_band {
	__be16 type, length;
	__be32 rate, burst_size;
	uint8_t prec_level; /* DSCP_REMARK */
	uint8_t pad[3];
};
WIRE_SIZE(struct meter_band, 16);

/* Appends to 'bands'.  All types that we have are of one size. */
static of_err_t
bands_decode(const uint8_t *p, size_t size, struct wf_buf *bands)
{
	for (; size >= sizeof(struct meter_band); size -= sizeof(struct meter_band)) {
		const struct meter_band *w = (const void *)p;
		struct of_meter_band b = {
			.type = be16toh(w->type),
			.rate = be32toh(w->rate),
			.burst_size = be32toh(w->burst_size),
		};

		if (be16toh(w->length) != sizeof(*w))
			return OF_ERR_OFPBRC_BAD_LEN;
		if (b.type != OF_MBT_DROP && b.type != OF_MBT_DSCP_REMARK)
			return OF_ERR_OFPMMFC_BAD_BAND;
		if (b.type == OF_MBT_DSCP_REMARK)
			b.prec_level = w->prec_level;
		wf_buf_put(bands, &b, sizeof(b));
		p += sizeof(*w);
	}
	return size ? OF_ERR_OFPBRC_BAD_LEN : 0;
}

static void
bands_encode(const struct of_meter_band *bands, size_t n, struct wf_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		struct meter_band w = {
			.type = htobe16(bands[i].type),
			.length = htobe16(sizeof(w)),
			.rate = htobe32(bands[i].rate),
			.burst_size = htobe32(bands[i].burst_size),
			.prec_level = bands[i].type == OF_MBT_DSCP_REMARK ? bands[i].prec_level : 0,
		};

		wf_buf_put(out, &w, sizeof(w));
	}
}

of_err_t
of_meter_mod_decode(const struct of_msg *msg, struct of_meter_mod *mm, struct wf_buf *bands)
{
	const struct meter_mod *w = (const void *)msg->body;
	of_err_t error;

	wf_buf_clear(bands);
	*mm = (struct of_meter_mod){
		.command = be16toh(w->command),
		.config.meter = be32toh(w->meter),
	};
	if (mm->command > OF_MC_DELETE)
		return OF_ERR_OFPMMFC_BAD_COMMAND;
	if (mm->command == OF_MC_DELETE)
		return 0;
	mm->config.flags = be16toh(w->flags);
	if ((mm->config.flags & OF_MF_KBPS) && (mm->config.flags & OF_MF_PKTPS))
		return OF_ERR_OFPMMFC_BAD_FLAGS;
	error = bands_decode(msg->body + sizeof(*w), msg->body_size - sizeof(*w), bands);
	mm->config.bands = (struct of_meter_band *)bands->data;
	mm->config.n_bands = bands->size / sizeof(struct of_meter_band);
	return error;
}

void
of_meter_mod_encode(uint8_t version, uint32_t xid, const struct of_meter_mod *mm,
		    struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPT13_METER_MOD, version, xid);
	struct meter_mod w = {
		.command = htobe16(mm->command),
		.flags = htobe16(mm->config.flags),
		.meter = htobe32(mm->config.meter),
	};

	wf_buf_put(out, &w, sizeof(w));
	bands_encode(mm->config.bands, mm->config.n_bands, out);
	of_msg_end(out, start);
}

of_err_t
of_meter_request_decode(const struct of_msg *msg, uint32_t *meter)
{
	if (msg->body_size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	*meter = get_u32(msg->body);
	return 0;
}

void
of_meter_config_append(struct of_multipart *mp, const struct of_meter_config *mc)
{
	of_multipart_item_begin(mp);
	put_u16(mp->out, 8 + mc->n_bands * sizeof(struct meter_band));
	put_u16(mp->out, mc->flags);
	put_u32(mp->out, mc->meter);
	bands_encode(mc->bands, mc->n_bands, mp->out);
	of_multipart_item_end(mp);
}

of_err_t
of_meter_config_next(const struct of_msg *msg, size_t *pos, struct of_meter_config *mc,
		     struct wf_buf *bands)
{
	const uint8_t *p = msg->body + *pos;
	size_t size = msg->body_size - *pos;
	of_err_t error;

	wf_buf_clear(bands);
	if (!size)
		return OF_EOF;
	if (size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = get_u16(p);
	if (length < 8 || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	mc->flags = get_u16(p + 2);
	mc->meter = get_u32(p + 4);
	error = bands_decode(p + 8, length - 8, bands);
	mc->bands = (struct of_meter_band *)bands->data;
	mc->n_bands = bands->size / sizeof(struct of_meter_band);
	*pos += length;
	return error;
}

WIRE_STRUCT meter_stats {
	__be32 meter;
	__be16 length;
	uint8_t pad[6];
	__be32 n_flows;
	__be64 packets_in, bytes_in;
	__be32 duration_s, duration_ns;
	/* packets and bytes, 64 bits each, of each band */
};
WIRE_SIZE(struct meter_stats, 40);

void
of_meter_stats_append(struct of_multipart *mp, const struct of_meter_stats *ms)
{
	struct meter_stats w = {
		.meter = htobe32(ms->meter),
		.length = htobe16(sizeof(w) + 16 * ms->n_bands),
		.n_flows = htobe32(ms->n_flows),
		.packets_in = htobe64(ms->packets_in),
		.bytes_in = htobe64(ms->bytes_in),
		.duration_s = htobe32(ms->duration_s),
		.duration_ns = htobe32(ms->duration_ns),
	};

	of_multipart_item_begin(mp);
	wf_buf_put(mp->out, &w, sizeof(w));
	for (size_t i = 0; i < ms->n_bands; i++) {
		put_u64(mp->out, ms->bands[i].n_packets);
		put_u64(mp->out, ms->bands[i].n_bytes);
	}
	of_multipart_item_end(mp);
}

void
of_meter_features_encode(const struct of_msg *request, const struct of_meter_features *f,
			 struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPST13_METER_FEATURES_REPLY, request->version,
				    request->xid);
	uint8_t tail[4] = { f->max_bands, f->max_color };

	put_u32(out, f->max_meters);
	put_u32(out, f->band_types);
	put_u32(out, f->capabilities);
	wf_buf_put(out, tail, sizeof(tail));
	of_msg_end(out, start);
}
