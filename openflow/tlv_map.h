/* SPDX-License-Identifier: Apache-2.0 */
/* TLV map: which tunnel option (class, type, length) is tun_metadataN, and where in
 * of_key.tun_metadata its bytes lie.  One map a bridge, made by NXT_TLV_TABLE_MOD.
 *
 * A map is immutable once published; changes build a new one.  An option may be split over
 * several free pieces of the 256 bytes, as they come.
 *
 * Fields are read and written through the map of the thread, set by of_tlv_map_enter() around
 * the work for one bridge or one connection.  With no map (NULL), tun_metadataN is the 4
 * bytes at offset 4 * N: enough to build and print matches where no bridge is involved.
 */
#ifndef WEFT_OPENFLOW_TLV_MAP_H
#define WEFT_OPENFLOW_TLV_MAP_H

#include "openflow/error.h"
#include "openflow/key.h"

#define OF_TLV_N_FIELDS 64
#define OF_TLV_SPACE 256     /* bytes for all options of a packet */
#define OF_TLV_MAX_LEN 124   /* bytes of one option */

struct of_tlv_entry {
	uint16_t opt_class;
	uint8_t type;
	uint8_t len;         /* bytes of the option's value */
	bool valid;
	uint8_t n_pieces;
	struct {
		uint8_t word, n_words; /* 4-byte words of tun_metadata */
	} piece[OF_TLV_MAX_LEN / 4];
};

struct of_tlv_map {
	uint64_t used; /* bit N: word N of tun_metadata belongs to an option */
	struct of_tlv_entry entry[OF_TLV_N_FIELDS];
};

void of_tlv_map_init(struct of_tlv_map *);
/* Adds an option as tun_metadata'index'.  Returns 0, NXTTMFC_BAD_OPT_LEN, BAD_FIELD_IDX,
 * ALREADY_MAPPED (index in use), DUP_ENTRY (option in use) or TABLE_FULL; after an error the map
 * is unchanged. */
of_err_t of_tlv_map_add(struct of_tlv_map *, uint16_t opt_class, uint8_t type, uint8_t len,
			unsigned index);
/* Removes tun_metadata'index'; nothing happens if it is not mapped. */
void of_tlv_map_del(struct of_tlv_map *, unsigned index);
/* The index of an option, or -1. */
int of_tlv_map_find(const struct of_tlv_map *, uint16_t opt_class, uint8_t type);

/* Bytes of tun_metadata'index' in its map, 0 if it is not mapped.  'map' NULL: no map. */
unsigned of_tlv_len(const struct of_tlv_map *, unsigned index);
/* Copies the option's bytes out of, and into, of_key.tun_metadata ('buf': of_tlv_len() bytes). */
void of_tlv_read(const struct of_tlv_map *, unsigned index, const struct of_key *, void *buf);
void of_tlv_write(const struct of_tlv_map *, unsigned index, const void *buf, struct of_key *);

/* Geneve options of a packet -> key (tun_metadata and its presence bits).  Of unknown options only the
 * headers are kept, for text: of_tlv_unknown().  Returns false if a length is wrong, or a critical option is not in the map. */
bool of_tlv_from_geneve(const struct of_tlv_map *, const void *options, size_t size, struct of_key *);
/* The headers (class 16, type 8, length in words 8) of a packet's unknown options: those that found room in
 * words that the map does not use, from the last one down.  NULL: there is no 'n'th. */
const uint8_t *of_tlv_unknown(const struct of_tlv_map *, const struct of_key *, unsigned n);
/* Key -> Geneve options in 'options' (at most OF_TLV_SPACE + 4 * OF_TLV_N_FIELDS bytes); returns
 * their size, and whether one is critical. */
size_t of_tlv_to_geneve(const struct of_tlv_map *, const struct of_key *, void *options,
			bool *ret_critical);

/* The thread's map.  of_tlv_map_enter() returns the one before, to be restored. */
const struct of_tlv_map *of_tlv_map_enter(const struct of_tlv_map *);
const struct of_tlv_map *of_tlv_map_current(void);

#endif
