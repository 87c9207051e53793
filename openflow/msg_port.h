/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about ports: descriptions, port_status, port_mod, statistics. */
#ifndef WEFT_OPENFLOW_MSG_PORT_H
#define WEFT_OPENFLOW_MSG_PORT_H

#include "openflow/msg.h"

enum of_port_config {
	OF_PC_PORT_DOWN = 1 << 0,
	OF_PC_NO_STP = 1 << 1,      /* 1.0 */
	OF_PC_NO_RECV = 1 << 2,
	OF_PC_NO_RECV_STP = 1 << 3, /* 1.0 */
	OF_PC_NO_FLOOD = 1 << 4,    /* 1.0 */
	OF_PC_NO_FWD = 1 << 5,
	OF_PC_NO_PACKET_IN = 1 << 6,
};

enum of_port_state {
	OF_PS_LINK_DOWN = 1 << 0,
	OF_PS_BLOCKED = 1 << 1, /* 1.1+ */
	OF_PS_LIVE = 1 << 2,    /* 1.1+ */
	OF_PS_STP_LISTEN = 0 << 8, /* 1.0 */
	OF_PS_STP_LEARN = 1 << 8,
	OF_PS_STP_FORWARD = 2 << 8,
	OF_PS_STP_BLOCK = 3 << 8,
	OF_PS_STP_MASK = 3 << 8,
};

/* Link features: the bits of OpenFlow 1.1 (ofp_port_features). */
enum of_port_features {
	OF_PFT_10MB_HD = 1 << 0, OF_PFT_10MB_FD = 1 << 1, OF_PFT_100MB_HD = 1 << 2,
	OF_PFT_100MB_FD = 1 << 3, OF_PFT_1GB_HD = 1 << 4, OF_PFT_1GB_FD = 1 << 5,
	OF_PFT_10GB_FD = 1 << 6, OF_PFT_40GB_FD = 1 << 7, OF_PFT_100GB_FD = 1 << 8,
	OF_PFT_1TB_FD = 1 << 9, OF_PFT_OTHER = 1 << 10, OF_PFT_COPPER = 1 << 11,
	OF_PFT_FIBER = 1 << 12, OF_PFT_AUTONEG = 1 << 13, OF_PFT_PAUSE = 1 << 14,
	OF_PFT_PAUSE_ASYM = 1 << 15,
};

struct of_port_desc {
	of_port_t port;
	uint8_t hw_addr[6];
	char name[64];   /* cut to 15 characters on the wire */
	uint32_t config; /* enum of_port_config */
	uint32_t state;  /* enum of_port_state */
	uint32_t curr, advertised, supported, peer; /* enum of_port_features */
	uint32_t curr_speed, max_speed; /* kbit/s */
};

/* Request: the port, or OF_PORT_ANY for all (always that before 1.5). */
of_err_t of_port_desc_request_decode(const struct of_msg *, of_port_t *);
void of_port_desc_request_encode(uint8_t version, uint32_t xid, of_port_t, struct wf_buf *out);
void of_port_desc_append(struct of_multipart *, const struct of_port_desc *);
/* 'pos' starts at 0; 0, OF_EOF (-1), or an error.  Also for the ports of a features reply. */
of_err_t of_port_desc_next(const struct of_msg *, size_t *pos, struct of_port_desc *);
/* The bare struct in the version's form, as in features replies. */
void of_port_desc_put(struct wf_buf *, uint8_t version, const struct of_port_desc *);

enum of_port_reason { OF_PR_ADD, OF_PR_DELETE, OF_PR_MODIFY };
void of_port_status_encode(const struct of_codec *, enum of_port_reason,
			   const struct of_port_desc *,
			   struct wf_buf *out);
of_err_t of_port_status_decode(const struct of_msg *, enum of_port_reason *, struct of_port_desc *);

struct of_port_mod {
	of_port_t port;
	uint8_t hw_addr[6];
	uint32_t config, mask;
	uint32_t advertise; /* 0: leave */
};
of_err_t of_port_mod_decode(const struct of_codec *, const struct of_msg *, struct of_port_mod *);
void of_port_mod_encode(uint8_t version, uint32_t xid, const struct of_port_mod *,
			struct wf_buf *out);

#define OF_N_RFC2819 21
struct of_port_custom_stat {
	const char *name;
	uint64_t value;
};
/* Unknown counters are UINT64_MAX. */
struct of_port_stats {
	of_port_t port;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
	uint64_t rx_errors, tx_errors, rx_frame_err, rx_over_err, rx_crc_err, collisions;
	uint32_t duration_s, duration_ns; /* duration_s UINT32_MAX: unknown */
	/* Intel's RFC 2819 and custom properties (1.4+), in the order of of_port_rfc2819_names. */
	uint64_t rfc2819[OF_N_RFC2819];
	const struct of_port_custom_stat *custom;
	size_t n_custom;
};
extern const char *const of_port_rfc2819_names[OF_N_RFC2819];
void of_port_stats_init(struct of_port_stats *); /* all unknown, no custom ones */
of_err_t of_port_stats_request_decode(const struct of_msg *, of_port_t *);
void of_port_stats_request_encode(uint8_t version, uint32_t xid, of_port_t, struct wf_buf *out);
void of_port_stats_append(struct of_multipart *, const struct of_port_stats *);
/* Custom statistics are not read (n_custom 0). */
of_err_t of_port_stats_next(const struct of_msg *, size_t *pos, struct of_port_stats *);

#endif
