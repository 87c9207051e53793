// SPDX-License-Identifier: Apache-2.0
/* The tables of fields: by id, by name, by header. */
#include "openflow/field.h"

#include <string.h>

#include "base/hash.h"
#include "openflow/field_place.h"

#define SIZEOF(M) sizeof(((struct of_key *)0)->M)
#define AT(M) .offset = offsetof(struct of_key, M), .size = SIZEOF(M)
#define BYTES(M) .place = OF_PLACE_BYTES, AT(M)
#define HOST(M) .place = OF_PLACE_HOST, AT(M)
#define WORDS(M) .place = OF_PLACE_WORDS, .offset = offsetof(struct of_key, M)
#define HOST_BYTE(M) .place = OF_PLACE_HOST_BYTE, AT(M)
#define HOST_PART(M, PART, SHIFT) .place = OF_PLACE_HOST_PART, AT(M), .part = PART, .shift = SHIFT
#define BE_PART(M, PART, SHIFT) .place = OF_PLACE_BE_PART, AT(M), .part = PART, .shift = SHIFT
#define ICMP(M) .place = OF_PLACE_ICMP, AT(M)
#define VLAN(PART, SHIFT) .place = OF_PLACE_VLAN, AT(vlans[0].tci), .part = PART, .shift = SHIFT
#define PORT16(M) .place = OF_PLACE_PORT16, AT(M)
#define TLV(N) .place = OF_PLACE_TLV, .part = N, .variable_len = true
#define MASK .maskable = true
#define EXACT .maskable = false
#define SET .writable = true
#define SET_UNSAID .writable = true, .write_unsaid = true
#define READ .writable = false
#define READ_NEW .writable = false, .unsaid = true
#define SET_NEW .writable = true, .write_unsaid = true, .unsaid = true
#define OXM(NAME, VERSION, CLASS, FIELD, LENGTH, EXPERIMENTER)                                 \
	{ #NAME, (uint32_t)(CLASS) << 16 | (FIELD) << 9 | (LENGTH), EXPERIMENTER, VERSION }

const struct of_field of_fields[OF_N_FIELDS] = {
#define OF_FIELD(ID, NAME, ALIAS, N_BYTES, N_BITS, MASKS, ACCESS, TEXT, PREREQ, PLACE, ...)     \
	[OF_F_##ID] = { OF_F_##ID, NAME, ALIAS, N_BYTES, N_BITS, MASKS, ACCESS, PLACE,         \
			.text = OF_TEXT_##TEXT, .prereq = OF_PRE_##PREREQ,                     \
			.oxm = { __VA_ARGS__ } },
#include "openflow/fields.def"
#undef OF_FIELD
};

/* Headers: arrays over the 7-bit field number, one a class; experimenters likewise. */
enum { NXM_0, NXM_1, OXM_BASIC, OXM_PKT_REGS, OXM_ERIC, OXM_NX, OXM_NSH, OXM_ONF, N_CLASSES };
static uint16_t by_header[N_CLASSES][128]; /* field id + 1; 0: none */
static uint8_t length_of[N_CLASSES][128];

/* The header to send, by version. */
#define N_VERSIONS 7
static const struct of_oxm *oxm_of_version[N_VERSIONS][OF_N_FIELDS];

/* Names: open addressing; 0: empty, else index + 1 into 'names'. */
#define N_NAMES_MAX 512
#define N_SLOTS 2048
static struct {
	const char *name;
	uint16_t id;
} names[N_NAMES_MAX];
static unsigned n_names;
static uint16_t slots[N_SLOTS];

static int
class_index(uint32_t class, uint32_t experimenter)
{
	switch (class) {
	case 0x0000: return NXM_0;
	case 0x0001: return NXM_1;
	case 0x8000: return OXM_BASIC;
	case 0x8001: return OXM_PKT_REGS;
	case 0x1000: return OXM_ERIC;
	case 0xffff:
		switch (experimenter) {
		case 0x00002320: return OXM_NX;
		case 0x005ad650: return OXM_NSH;
		case 0x4f4e4600: return OXM_ONF;
		default: return -1;
		}
	default: return -1;
	}
}

static unsigned
name_slot(const char *name, size_t len)
{
	unsigned i = wf_hash_bytes(name, len, 0) % N_SLOTS;

	while (slots[i] && (strncmp(names[slots[i] - 1].name, name, len) ||
			    names[slots[i] - 1].name[len]))
		i = (i + 1) % N_SLOTS;
	return i;
}

static void
add_name(const char *name, uint16_t id)
{
	unsigned slot = name_slot(name, strlen(name));

	assert(!slots[slot] && n_names < N_NAMES_MAX);
	names[n_names].name = name;
	names[n_names].id = id;
	slots[slot] = ++n_names;
}

static const struct of_oxm *
choose_oxm(const struct of_field *f, uint8_t version)
{
	const struct of_oxm *best = NULL;

	for (int i = 0; i < OF_MAX_OXMS && f->oxm[i].name; i++) {
		if (!best || version >= f->oxm[i].version)
			best = &f->oxm[i];
	}
	return best;
}

static void
build_tables(void)
{
	for (unsigned id = 0; id < OF_N_FIELDS; id++) {
		const struct of_field *f = &of_fields[id];

		for (int v = 0; v < N_VERSIONS; v++)
			oxm_of_version[v][id] = choose_oxm(f, v);
		add_name(f->name, id);
		if (f->alias)
			add_name(f->alias, id);
		for (int i = 0; i < OF_MAX_OXMS && f->oxm[i].name; i++) {
			const struct of_oxm *o = &f->oxm[i];
			int class = class_index(OF_OXM_CLASS(o->header), o->experimenter);

			add_name(o->name, id);
			assert(class >= 0 && !by_header[class][OF_OXM_FIELD(o->header)]);
			by_header[class][OF_OXM_FIELD(o->header)] = id + 1;
			length_of[class][OF_OXM_FIELD(o->header)] = OF_OXM_LENGTH(o->header);
		}
	}
}

/* Before main(), so that no look-up has to ask whether it was done. */
__attribute__((constructor)) static void
init_tables(void)
{
	build_tables();
}

const struct of_field *
of_field_by_name_len(const char *name, size_t len)
{
	uint16_t slot = slots[name_slot(name, len)];

	return slot ? &of_fields[names[slot - 1].id] : NULL;
}

const struct of_field *
of_field_by_name(const char *name)
{
	return of_field_by_name_len(name, strlen(name));
}

const struct of_field *
of_field_by_oxm_any_len(uint32_t header, uint32_t experimenter, unsigned *ret_length)
{
	int class = class_index(OF_OXM_CLASS(header), experimenter);
	unsigned id = class >= 0 ? by_header[class][OF_OXM_FIELD(header)] : 0;

	if (!id)
		return NULL;
	*ret_length = length_of[class][OF_OXM_FIELD(header)];
	return &of_fields[id - 1];
}

const struct of_field *
of_field_by_oxm(uint32_t header, uint32_t experimenter)
{
	unsigned want, length = OF_OXM_LENGTH(header);
	const struct of_field *f = of_field_by_oxm_any_len(header, experimenter, &want);

	if (OF_OXM_HASMASK(header)) {
		unsigned id_size = OF_OXM_CLASS(header) == 0xffff ? 4 : 0;

		if (length < id_size)
			return NULL;
		/* An odd payload rounds down, as it does for Open vSwitch. */
		length = (length - id_size) / 2 + id_size;
	}
	/* Of a variable length Open vSwitch compares bit 7 all the same, which none has. */
	return f && (length == want || (f->variable_len && length < 128)) ? f : NULL;
}

const struct of_oxm *
of_field_oxm(const struct of_field *f, uint8_t version)
{
	return oxm_of_version[version < N_VERSIONS ? version : N_VERSIONS - 1][f->id];
}

bool
of_field_is_pipeline(const struct of_field *f)
{
	return (f->id >= OF_F_TUN_ID && f->id <= OF_F_IN_PORT_OXM && f->id != OF_F_TUN_TTL &&
		f->id != OF_F_TUN_TOS) ||
	       (f->id >= OF_F_REG0 && f->id <= OF_F_XXREG3) || f->id == OF_F_PACKET_TYPE;
}
