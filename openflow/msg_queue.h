/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about queues: configuration and statistics. */
#ifndef WEFT_OPENFLOW_MSG_QUEUE_H
#define WEFT_OPENFLOW_MSG_QUEUE_H

#include "openflow/msg.h"

struct of_queue_query {
	of_port_t port;  /* OF_PORT_ANY */
	uint32_t queue;  /* OF_QUEUE_ALL */
};
/* Queue_get_config (1.0 to 1.3) and queue desc (1.4+). */
of_err_t of_queue_config_request_decode(const struct of_msg *, struct of_queue_query *);

struct of_queue_config {
	of_port_t port;
	uint32_t queue;
	/* tenths of a per cent; above 1000: off; UINT16_MAX: not given */
	uint16_t min_rate, max_rate;
};
/* Begins, adds to and ends a reply in the request's form.  In 1.0 to 1.3 it is one message, cut
 * at 64 KiB. */
struct of_queue_config_reply {
	struct of_multipart mp;
	struct wf_buf *out;
	size_t start;
	bool multipart;
};
void of_queue_config_begin(struct of_queue_config_reply *, struct wf_buf *out,
			   const struct of_msg *request,
			   of_port_t port);
void of_queue_config_append(struct of_queue_config_reply *, const struct of_queue_config *);
void of_queue_config_end(struct of_queue_config_reply *);

of_err_t of_queue_stats_request_decode(const struct of_msg *, struct of_queue_query *);
struct of_queue_stats {
	of_port_t port;
	uint32_t queue;
	uint64_t tx_bytes, tx_packets, tx_errors; /* UINT64_MAX: unknown */
	uint32_t duration_s, duration_ns;         /* duration_s UINT32_MAX: unknown */
};
void of_queue_stats_append(struct of_multipart *, const struct of_queue_stats *);

#endif
