/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about groups.  OpenFlow 1.0 uses the Nicira forms, which are those of 1.5. */
#ifndef WEFT_OPENFLOW_MSG_GROUP_H
#define WEFT_OPENFLOW_MSG_GROUP_H

#include "openflow/match.h"
#include "openflow/msg.h"
#include "openflow/msg_table.h"

enum of_group_type { OF_GT_ALL, OF_GT_SELECT, OF_GT_INDIRECT, OF_GT_FF, OF_N_GROUP_TYPES };
enum of_group_command {
	OF_GC_ADD = 0, OF_GC_MODIFY = 1, OF_GC_DELETE = 2, OF_GC_INSERT_BUCKET = 3,
	OF_GC_REMOVE_BUCKET = 5, OF_GC_ADD_OR_MOD = 0x8000
};
#define OF_BUCKET_MAX 0xffffff00u
#define OF_BUCKET_FIRST 0xfffffffdu
#define OF_BUCKET_LAST 0xfffffffeu
#define OF_BUCKET_ALL 0xffffffffu

struct of_bucket {
	uint16_t weight;
	of_port_t watch_port;  /* OF_PORT_ANY: none */
	uint32_t watch_group;  /* OF_GROUP_ANY: none */
	uint32_t bucket_id;
	void *actions;         /* list of struct of_action, owned by the bucket */
	size_t actions_size;
	uint64_t n_packets, n_bytes; /* statistics; not on the wire of group_mod */
};

struct of_group_props {
	char method[16];       /* selection method: "", "hash", "dp_hash" */
	uint64_t param;
	struct of_field_set fields;
	/* For each field of the set, in the order of ids: which bits of it count, n_bytes. */
	uint8_t *masks;
	size_t masks_size;
};
void of_group_props_done(struct of_group_props *);
void of_group_props_copy(struct of_group_props *to, const struct of_group_props *from);
/* The mask of a field in the set, n_bytes. */
const uint8_t *of_group_props_mask(const struct of_group_props *, enum of_field_id);
void of_group_props_set_mask(struct of_group_props *, enum of_field_id, const void *mask);
void of_buckets_free(struct of_bucket *, size_t n);
struct of_bucket *of_buckets_copy(const struct of_bucket *, size_t n);

struct of_group_mod {
	uint16_t command;  /* enum of_group_command */
	uint8_t type;      /* enum of_group_type */
	uint32_t group;
	uint32_t command_bucket; /* INSERT_BUCKET, REMOVE_BUCKET: where */
	struct of_bucket *buckets;
	size_t n_buckets;
	struct of_group_props props;
};
/* After success the caller owns gm: of_group_mod_done().  Buckets without ids (before 1.5) get
 * ids 0, 1, ... */
of_err_t of_group_mod_decode(const struct of_codec *, const struct of_msg *, struct of_group_mod *);
void of_group_mod_done(struct of_group_mod *);
/* 'new_buckets' (may be NULL): the group's buckets after INSERT/REMOVE_BUCKET, which 1.1 to 1.4
 * write as a MODIFY.  'existed': 1, 0, or -1: unknown; ADD_OR_MOD is written as one of its
 * parts. */
void of_group_mod_encode(const struct of_codec *, uint32_t xid, const struct of_group_mod *,
			 const struct of_bucket *new_buckets, size_t n_new, int existed,
			 struct wf_buf *out);

/* Group statistics and description requests: the group, or OF_GROUP_ALL. */
of_err_t of_group_request_decode(const struct of_msg *, uint32_t *group);
void of_group_stats_request_encode(uint8_t version, uint32_t xid, uint32_t group,
				   struct wf_buf *out);
void of_group_desc_request_encode(uint8_t version, uint32_t xid, uint32_t group,
				  struct wf_buf *out);

struct of_group_stats {
	uint32_t group, ref_count;
	uint64_t n_packets, n_bytes; /* UINT64_MAX: unknown */
	uint32_t duration_s, duration_ns;
	const struct of_bucket *buckets; /* n_packets, n_bytes of each */
	size_t n_buckets;
};
void of_group_stats_append(struct of_multipart *, const struct of_group_stats *);
/* Buckets are left out of the struct: NULL, n_buckets set. */
of_err_t of_group_stats_next(const struct of_msg *, size_t *pos, struct of_group_stats *);

struct of_group_desc {
	uint32_t group;
	uint8_t type;
	const struct of_bucket *buckets;
	size_t n_buckets;
	struct of_group_props props; /* borrowed on encoding */
};
void of_group_desc_append(struct of_multipart *, const struct of_codec *,
			  const struct of_group_desc *);
/* After success the caller frees with of_buckets_free() and of_group_props_done(). */
of_err_t of_group_desc_next(const struct of_codec *, const struct of_msg *, size_t *pos,
			    struct of_group_desc *);

struct of_group_features {
	uint32_t types;        /* bits 1 << enum of_group_type */
	uint32_t capabilities; /* OFPGFC_*: select weight 1, liveness 2, chaining 4, checks 8 */
	uint32_t max_groups[OF_N_GROUP_TYPES];
	uint64_t actions[OF_N_GROUP_TYPES]; /* bits 1 << enum of_action_type */
};
void of_group_features_encode(const struct of_msg *request, const struct of_group_features *,
			      struct wf_buf *out);

#endif
