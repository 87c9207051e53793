/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about meters (1.3+). */
#ifndef WEFT_OPENFLOW_MSG_METER_H
#define WEFT_OPENFLOW_MSG_METER_H

#include "openflow/msg.h"

enum of_meter_command { OF_MC_ADD, OF_MC_MODIFY, OF_MC_DELETE };
enum of_meter_flags { OF_MF_KBPS = 1, OF_MF_PKTPS = 2, OF_MF_BURST = 4, OF_MF_STATS = 8 };
enum of_meter_band_type { OF_MBT_DROP = 1, OF_MBT_DSCP_REMARK = 2, OF_MBT_EXPERIMENTER = 0xffff };
struct of_meter_band {
	uint16_t type;
	uint8_t prec_level;
	uint32_t rate, burst_size;
};

struct of_meter_config {
	uint32_t meter;
	uint16_t flags;
	size_t n_bands;
	struct of_meter_band *bands;
};
struct of_meter_mod {
	uint16_t command;
	struct of_meter_config config;
};
/* Bands are appended to 'bands', which is cleared first. */
of_err_t of_meter_mod_decode(const struct of_msg *, struct of_meter_mod *, struct wf_buf *bands);
void of_meter_mod_encode(uint8_t version, uint32_t xid, const struct of_meter_mod *,
			 struct wf_buf *out);

/* Statistics and configuration requests: the meter, or OF_METER_ALL. */
of_err_t of_meter_request_decode(const struct of_msg *, uint32_t *meter);
void of_meter_config_append(struct of_multipart *, const struct of_meter_config *);
of_err_t of_meter_config_next(const struct of_msg *, size_t *pos, struct of_meter_config *,
			      struct wf_buf *bands);

struct of_meter_band_stats {
	uint64_t n_packets, n_bytes;
};
struct of_meter_stats {
	uint32_t meter, n_flows;
	uint64_t packets_in, bytes_in;
	uint32_t duration_s, duration_ns;
	size_t n_bands;
	const struct of_meter_band_stats *bands;
};
void of_meter_stats_append(struct of_multipart *, const struct of_meter_stats *);

struct of_meter_features {
	/* band_types: bits 1 << enum of_meter_band_type */
	uint32_t max_meters, band_types, capabilities;
	uint8_t max_bands, max_color;
};
void of_meter_features_encode(const struct of_msg *request, const struct of_meter_features *,
			      struct wf_buf *out);

#endif
