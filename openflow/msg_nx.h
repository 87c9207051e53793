/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira messages that have no standard sibling: tunnel option (TLV) table, conntrack flush,
 * IPFIX statistics. */
#ifndef WEFT_OPENFLOW_MSG_NX_H
#define WEFT_OPENFLOW_MSG_NX_H

#include "openflow/msg.h"

enum of_tlv_command { OF_TLV_ADD, OF_TLV_DELETE, OF_TLV_CLEAR };
struct of_tlv_mapping {
	uint16_t option_class;
	uint8_t option_type, option_len;
	uint16_t index; /* tun_metadataN */
};
struct of_tlv_mod {
	uint16_t command; /* enum of_tlv_command */
	size_t n;
	const struct of_tlv_mapping *maps; /* in 'store' */
};
of_err_t of_tlv_mod_decode(const struct of_msg *, struct of_tlv_mod *, struct wf_buf *store);
void of_tlv_mod_encode(uint8_t version, uint32_t xid, const struct of_tlv_mod *,
		       struct wf_buf *out);

struct of_tlv_reply {
	uint32_t max_space; /* bytes of option data in all */
	uint16_t max_fields;
	size_t n;
	const struct of_tlv_mapping *maps;
};
void of_tlv_reply_encode(const struct of_msg *request, const struct of_tlv_reply *,
			 struct wf_buf *out);
of_err_t of_tlv_reply_decode(const struct of_msg *, struct of_tlv_reply *, struct wf_buf *store);

of_err_t of_ct_flush_zone_decode(const struct of_msg *, uint16_t *zone);
struct of_ct_tuple {
	struct in6_addr src, dst; /* IPv4 mapped (::ffff:a.b.c.d) */
	__be16 src_port, dst_port; /* ICMP: src_port is the id */
	uint8_t icmp_type, icmp_code;
};
struct of_ct_flush {
	bool has_zone;
	uint16_t zone;
	uint8_t ip_proto;
	uint16_t l3_type; /* AF_INET, AF_INET6, 0 */
	struct of_ct_tuple orig, reply;
};
of_err_t of_ct_flush_decode(const struct of_msg *, struct of_ct_flush *);

struct of_ipfix_stats {
	uint32_t collector_set; /* flow-based only */
	uint64_t total_flows, current_flows, pkts, ipv4_pkts, ipv6_pkts, error_pkts;
	uint64_t ipv4_error_pkts, ipv6_error_pkts, tx_pkts, tx_errors;
};
void of_ipfix_bridge_reply_encode(const struct of_msg *request, const struct of_ipfix_stats *,
				  struct wf_buf *out);
void of_ipfix_stats_append(struct of_multipart *, const struct of_ipfix_stats *);

#endif
