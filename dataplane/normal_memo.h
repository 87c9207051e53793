/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions of NORMAL that a runner keeps: frames without a tag from one unicast address to another,
 * that came by one port of a bridge, go as they are to one plain port.
 *
 * A decision rests on the bridge's configuration, the entries of both addresses in the MAC table, and
 * time.  It is not used any more when
 *   - the view's config_version changed: all of them are forgotten;
 *   - the stamps of the two addresses changed (mac_table.c bumps one whenever an entry comes, goes or
 *     moves), of which there are so many that strange addresses rarely touch another's;
 *   - 'until_ms' has come: the source's entry wants a stamp, or the destination's has aged.
 * So the MAC table looks the same as if it had been asked for each packet.
 *
 * A set of two decisions is one cache line, and each has two sets to be in.  Threads: the runner's.
 */
#ifndef WEFT_DATAPLANE_NORMAL_MEMO_H
#define WEFT_DATAPLANE_NORMAL_MEMO_H

#include <string.h>

#include "base/hash.h"
#include "dataplane/normal.h"
#include "dataplane/packet.h"

struct normal_memo {
	uint64_t key[2];       /* the addresses, and normal_memo_who() */
	uint32_t stamp;        /* sum of both stamps when it was made */
	uint32_t until_ms;     /* low half of the time */
	uint16_t cells[2];     /* of the stamps */
	uint16_t slot;         /* the port that it goes to */
	uint16_t epoch;        /* of the set of memos; 0: none */
};
static_assert(sizeof(struct normal_memo) == 32, "a set of two is one line");

#define NORMAL_MEMO_SETS 8192u
struct normal_memos {
	uint64_t config_version;
	uint16_t epoch;
	uint32_t coin;
	struct normal_memo (*sets)[2]; /* NORMAL_MEMO_SETS */
	void *block;                   /* where they lie */
};
struct normal_memos *normal_memos_new(void);
void normal_memos_free(struct normal_memos *);
/* Forgets all: the configuration is another. */
void normal_memos_forget(struct normal_memos *, uint64_t config_version);

/* Which NORMAL: of a bridge, for packets by one of its ports; 0: no decisions are kept for it. */
static inline uint32_t
normal_memo_who(const struct bridge *b, of_port_t in_port)
{
	uint32_t high = in_port >> 16;

	/* Reserved numbers are all ones above. */
	if (b->index >= UINT16_MAX || (high && high != 0xffff) ||
	    (!high && (in_port & 0xffff) >= 0xff00))
		return 0;
	return (b->index + 1) << 16 | (in_port & 0xffff);
}

/* False: no decisions are kept for such frames.  'data': of 14 bytes at least. */
static inline bool
normal_memo_key_of(uint32_t who, const uint8_t *data, uint64_t key[2])
{
	uint32_t src;
	uint16_t type;

	memcpy(&type, data + 12, 2);
	/* A SNAP header behind a length may name the type of a tag. */
	if (unlikely(!who || data[0] & 1 || type == RTE_BE16(0x8100) || type == RTE_BE16(0x88a8) ||
		     data[12] < 6))
		return false;
	memcpy(&key[0], data, 8);
	memcpy(&src, data + 8, 4);
	key[1] = (uint64_t)who << 32 | src;
	return true;
}

static inline bool
normal_memo_key(uint32_t who, const struct rte_mbuf *m, uint64_t key[2])
{
	return normal_memo_key_of(who, pkt_data(m), key);
}

static inline uint64_t
normal_memo_hash(const uint64_t key[2])
{
	return wf_hash_mix64(key[0] ^ wf_hash_seed, key[1]);
}

static inline void
normal_memo_prefetch(const struct normal_memos *memos, uint32_t who, const struct rte_mbuf *m)
{
	uint64_t key[2];

	if (likely(normal_memo_key(who, m, key)))
		__builtin_prefetch(memos->sets[normal_memo_hash(key) % NORMAL_MEMO_SETS]);
}

static inline bool
normal_memo_holds(const struct normal_memos *memos, const struct normal_memo *e,
		  const uint64_t key[2], int64_t now_ms)
{
	return e->key[0] == key[0] && e->key[1] == key[1] && e->epoch == memos->epoch &&
	       (int32_t)(e->until_ms - (uint32_t)now_ms) > 0 &&
	       e->stamp == mac_stamp(e->cells[0]) + mac_stamp(e->cells[1]);
}

/* The decision for a frame of this key, or NULL. */
static inline const struct normal_memo *
normal_memo_find(struct normal_memos *memos, uint64_t config_version, int64_t now_ms,
		 const uint64_t key[2])
{
	uint64_t hash = normal_memo_hash(key);
	const struct normal_memo *set = memos->sets[hash % NORMAL_MEMO_SETS];

	if (unlikely(memos->config_version != config_version)) {
		normal_memos_forget(memos, config_version);
		return NULL;
	}
	for (unsigned i = 0; i < 2; i++)
		if (normal_memo_holds(memos, &set[i], key, now_ms))
			return &set[i];
	set = memos->sets[(hash >> 32) % NORMAL_MEMO_SETS];
	for (unsigned i = 0; i < 2; i++)
		if (normal_memo_holds(memos, &set[i], key, now_ms))
			return &set[i];
	return NULL;
}

/* Keeps what was just decided for a frame of this key, if it is of the kind that can be kept. */
void normal_memo_put(struct normal_memos *, const struct view *, const struct bridge_view *,
		     of_port_t in_port, const uint64_t key[2], const struct normal_result *);

#endif
