// SPDX-License-Identifier: Apache-2.0
#include "openflow/tlv_map.h"

#include <arpa/inet.h>

/* Geneve option header, RFC 8926 section 3.5. */
struct geneve_opt {
	__be16 opt_class;
	uint8_t type;   /* bit 7: critical */
	uint8_t length; /* low 5 bits, in words of 4 bytes */
};
#define GENEVE_CRITICAL 0x80
#define GENEVE_LENGTH_MASK 0x1f

static _Thread_local const struct of_tlv_map *current;

const struct of_tlv_map *
of_tlv_map_enter(const struct of_tlv_map *map)
{
	const struct of_tlv_map *before = current;

	current = map;
	return before;
}

const struct of_tlv_map *
of_tlv_map_current(void)
{
	return current;
}

void
of_tlv_map_init(struct of_tlv_map *map)
{
	memset(map, 0, sizeof(*map));
}

int
of_tlv_map_find(const struct of_tlv_map *map, uint16_t opt_class, uint8_t type)
{
	for (int i = 0; i < OF_TLV_N_FIELDS; i++) {
		const struct of_tlv_entry *e = &map->entry[i];

		if (e->valid && e->opt_class == opt_class && e->type == type)
			return i;
	}
	return -1;
}

/* The first run of 'want' free words, or else the longest; 0: all is full. */
static unsigned
find_free(uint64_t used, unsigned want, unsigned *ret_start)
{
	unsigned best = 0;

	for (unsigned start = 0; start < 64;) {
		if (used >> start & 1) {
			start++;
			continue;
		}
		unsigned end = start;

		while (end < 64 && end - start < want && !(used >> end & 1))
			end++;
		if (end - start > best) {
			best = end - start;
			*ret_start = start;
			if (best == want)
				break;
		}
		start = end;
	}
	return best;
}

of_err_t
of_tlv_map_add(struct of_tlv_map *map, uint16_t opt_class, uint8_t type, uint8_t len,
	       unsigned index)
{
	uint64_t used = map->used;
	struct of_tlv_entry e = { opt_class, type, len, true };

	if (len % 4 || len > OF_TLV_MAX_LEN)
		return OF_ERR_NXTTMFC_BAD_OPT_LEN;
	if (index >= OF_TLV_N_FIELDS)
		return OF_ERR_NXTTMFC_BAD_FIELD_IDX;
	if (map->entry[index].valid)
		return OF_ERR_NXTTMFC_ALREADY_MAPPED;
	if (of_tlv_map_find(map, opt_class, type) >= 0)
		return OF_ERR_NXTTMFC_DUP_ENTRY;
	for (unsigned left = len / 4; left;) {
		unsigned start = 0, n = find_free(used, left, &start);

		if (!n)
			return OF_ERR_NXTTMFC_TABLE_FULL;
		for (unsigned i = start; i < start + n; i++)
			used |= 1ull << i;
		e.piece[e.n_pieces].word = start;
		e.piece[e.n_pieces++].n_words = n;
		left -= n;
	}
	map->used = used;
	map->entry[index] = e;
	return 0;
}

void
of_tlv_map_del(struct of_tlv_map *map, unsigned index)
{
	if (index >= OF_TLV_N_FIELDS || !map->entry[index].valid)
		return;
	struct of_tlv_entry *e = &map->entry[index];

	for (unsigned i = 0; i < e->n_pieces; i++) {
		for (unsigned w = 0; w < e->piece[i].n_words; w++)
			map->used &= ~(1ull << (e->piece[i].word + w));
	}
	memset(e, 0, sizeof(*e));
}

unsigned
of_tlv_len(const struct of_tlv_map *map, unsigned index)
{
	return map ? map->entry[index].len : 4;
}

void
of_tlv_read(const struct of_tlv_map *map, unsigned index, const struct of_key *k, void *buf)
{
	if (!map) {
		memcpy(buf, k->tun_metadata + 4 * index, 4);
		return;
	}
	const struct of_tlv_entry *e = &map->entry[index];
	uint8_t *p = buf;

	for (unsigned i = 0; i < e->n_pieces; p += 4 * e->piece[i++].n_words)
		memcpy(p, k->tun_metadata + 4 * e->piece[i].word, 4 * e->piece[i].n_words);
}

void
of_tlv_write(const struct of_tlv_map *map, unsigned index, const void *buf, struct of_key *k)
{
	if (!map) {
		memcpy(k->tun_metadata + 4 * index, buf, 4);
		return;
	}
	const struct of_tlv_entry *e = &map->entry[index];
	const uint8_t *p = buf;

	for (unsigned i = 0; i < e->n_pieces; p += 4 * e->piece[i++].n_words)
		memcpy(k->tun_metadata + 4 * e->piece[i].word, p, 4 * e->piece[i].n_words);
}

bool
of_tlv_from_geneve(const struct of_tlv_map *map, const void *options, size_t size,
		   struct of_key *k)
{
	const uint8_t *p = options, *end = p + size;

	unsigned n_unknown = 0;

	k->tun_metadata_present = 0;
	while (p < end) {
		struct geneve_opt o;

		if ((size_t)(end - p) < sizeof(o))
			return false;
		memcpy(&o, p, sizeof(o));
		unsigned len = (o.length & GENEVE_LENGTH_MASK) * 4;
		if ((size_t)(end - p) < sizeof(o) + len)
			return false;
		int index = map ? of_tlv_map_find(map, ntohs(o.opt_class), o.type) : -1;
		if (index >= 0) {
			if (of_tlv_len(map, index) != len)
				return false;
			of_tlv_write(map, index, p + sizeof(o), k);
			k->tun_metadata_present |= 1ull << index;
		} else if (o.type & GENEVE_CRITICAL) {
			return false;
		} else if (map && n_unknown < 63 && !(map->used >> (63 - n_unknown) & 1)) {
			o.length &= GENEVE_LENGTH_MASK;
			memcpy(k->tun_metadata + 4 * (63 - n_unknown++), &o, sizeof(o));
		}
		p += sizeof(o) + len;
	}
	return true;
}

const uint8_t *
of_tlv_unknown(const struct of_tlv_map *map, const struct of_key *k, unsigned n)
{
	static const uint8_t none[4];
	const uint8_t *o = k->tun_metadata + 4 * (63 - n);

	return map && n < 63 && !(map->used >> (63 - n) & 1) && memcmp(o, none, 4) ? o : NULL;
}

size_t
of_tlv_to_geneve(const struct of_tlv_map *map, const struct of_key *k, void *options,
		 bool *ret_critical)
{
	uint8_t *p = options;

	*ret_critical = false;
	for (uint64_t left = map ? k->tun_metadata_present : 0; left; left &= left - 1) {
		unsigned index = __builtin_ctzll(left);
		const struct of_tlv_entry *e = &map->entry[index];
		struct geneve_opt o = { htons(e->opt_class), e->type, e->len / 4 };

		if (!e->valid)
			continue;
		memcpy(p, &o, sizeof(o));
		of_tlv_read(map, index, k, p + sizeof(o));
		p += sizeof(o) + e->len;
		*ret_critical |= (e->type & GENEVE_CRITICAL) != 0;
	}
	return p - (uint8_t *)options;
}
