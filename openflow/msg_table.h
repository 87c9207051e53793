/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about flow tables: statistics, features, descriptions, table_mod, table_status. */
#ifndef WEFT_OPENFLOW_MSG_TABLE_H
#define WEFT_OPENFLOW_MSG_TABLE_H

#include "openflow/action.h"
#include "openflow/msg.h"

enum of_table_miss { OF_MISS_DEFAULT, OF_MISS_CONTROLLER, OF_MISS_CONTINUE, OF_MISS_DROP };
enum of_tristate { OF_DEFAULT, OF_ON, OF_OFF };

struct of_table_vacancy {
	uint8_t down, up, now; /* per cent */
};

struct of_table_mod {
	uint8_t table;           /* OF_TABLE_ALL */
	uint8_t miss;            /* enum of_table_miss; 1.1, 1.2 */
	uint8_t eviction;        /* enum of_tristate; 1.4+ */
	uint32_t eviction_flags; /* UINT32_MAX: not given */
	uint8_t vacancy;         /* enum of_tristate */
	struct of_table_vacancy vacancy_levels;
};
of_err_t of_table_mod_decode(const struct of_codec *, const struct of_msg *, struct of_table_mod *);
void of_table_mod_encode(uint8_t version, uint32_t xid, const struct of_table_mod *,
			 struct wf_buf *out);

/* State of a table's configuration, for OFPMP_TABLE_DESC and table_status (1.4+). */
struct of_table_desc {
	uint8_t table, eviction, vacancy; /* enum of_tristate */
	uint32_t eviction_flags;          /* UINT32_MAX: leave out */
	struct of_table_vacancy vacancy_levels;
};
void of_table_desc_append(struct of_multipart *, const struct of_table_desc *);
of_err_t of_table_desc_next(const struct of_msg *, size_t *pos, struct of_table_desc *);

enum of_table_reason { OF_TR_VACANCY_DOWN = 3, OF_TR_VACANCY_UP = 4 };
bool of_table_status_encode(const struct of_codec *, enum of_table_reason,
			    const struct of_table_desc *,
			    struct wf_buf *out); /* 1.4+ */
of_err_t of_table_status_decode(const struct of_msg *, enum of_table_reason *,
				struct of_table_desc *);

struct of_field_set {
	uint64_t bits[(OF_N_FIELDS + 63) / 64];
};
static inline void
of_field_set_add(struct of_field_set *s, unsigned field)
{
	s->bits[field / 64] |= 1ull << (field % 64);
}
static inline bool
of_field_set_has(const struct of_field_set *s, unsigned field)
{
	return s->bits[field / 64] >> (field % 64) & 1;
}

enum of_instruction_bit {
	OF_I_METER = 1 << 0, OF_I_APPLY_ACTIONS = 1 << 1, OF_I_CLEAR_ACTIONS = 1 << 2,
	OF_I_WRITE_ACTIONS = 1 << 3, OF_I_WRITE_METADATA = 1 << 4, OF_I_GOTO_TABLE = 1 << 5,
	OF_I_STAT_TRIGGER = 1 << 6,
};

/* Used for all versions: before 1.3 parts of it are in table statistics. */
enum of_table_features_command { OF_TFC_REPLACE, OF_TFC_MODIFY, OF_TFC_ENABLE, OF_TFC_DISABLE };
enum of_table_flags { /* OpenFlow 1.5 section 7.3.5.18.1 */
	OF_TF_INGRESS = 1 << 0, OF_TF_EGRESS = 1 << 1, OF_TF_FIRST_EGRESS = 1 << 4,
};
struct of_table_features {
	uint8_t command; /* enum of_table_features_command; 1.5 requests, first item */
	uint8_t table;
	char name[32];
	uint64_t metadata_match, metadata_write;
	uint32_t max_entries;
	bool any_properties;     /* the request names any property */
	uint8_t miss_config;     /* enum of_table_miss; 1.1, 1.2 */
	/* 1.4+: 0, 1; -1: the version does not say */
	int8_t supports_eviction, supports_vacancy_events;
	uint32_t flags;          /* enum of_table_flags; 1.5 */
	struct of_table_instruction_features {
		uint64_t next[4];      /* bit per table that goto_table may name */
		uint32_t instructions; /* enum of_instruction_bit */
		struct of_table_action_features {
			uint64_t actions; /* bits 1 << enum of_action_type */
			struct of_field_set set_fields;
		} write, apply;
	} nonmiss, miss;
	struct of_field_set match;    /* may be matched */
	struct of_field_set mask;     /* with any mask */
	struct of_field_set wildcard; /* may be left out */
};
/* Reads one item of a request or reply; 'pos' starts at 0; 0, OF_EOF or an error (OFPTFFC_*). */
of_err_t of_table_features_next(const struct of_codec *, const struct of_msg *, size_t *pos,
				struct of_table_features *);
void of_table_features_append(struct of_multipart *, const struct of_table_features *);
void of_table_features_request_encode(uint8_t version, uint32_t xid, struct wf_buf *out);

struct of_table_stats {
	uint8_t table;
	uint32_t active;
	uint64_t lookups, matched;
};
/* 'features' is used before 1.3. */
void of_table_stats_append(struct of_multipart *, const struct of_table_stats *,
			   const struct of_table_features *);
/* 'features' gets what the version says. */
of_err_t of_table_stats_next(const struct of_msg *, size_t *pos, struct of_table_stats *,
			     struct of_table_features *);

#endif
