// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/field.h"
#include "openflow/match.h"

/* A value that the field can hold, from a running number. */
static void
some_value(const struct of_field *f, unsigned seed, union of_value *v)
{
	memset(v, 0, sizeof(*v));
	for (unsigned i = 0; i < f->n_bytes; i++)
		v->b[i] = (seed + i) * 37 + 11;
	/* Only 4 bytes of options without a TLV map. */
	for (unsigned i = 0; f->variable_len && i + 4 < f->n_bytes; i++)
		v->b[i] = 0;
	unsigned spare = f->n_bytes * 8 - f->n_bits;
	for (unsigned i = 0; i < spare / 8; i++)
		v->b[i] = 0;
	if (spare % 8)
		v->b[spare / 8] &= 0xff >> spare % 8;
	switch (f->id) {
	case OF_F_IP_DSCP: v->b[0] &= 0xfc; break;
	case OF_F_ARP_OP: v->b[0] = 0; break;
	case OF_F_CT_STATE: v->be32 &= htonl(0xff); break;
	case OF_F_NSH_TTL: v->b[0] &= 63; break;
	case OF_F_NSH_MDTYPE: v->b[0] = 1 + seed % 2; break;
	case OF_F_IN_PORT_OXM:
	case OF_F_ACTSET_OUTPUT: v->be32 &= htonl(0x7fffffff); break;
	case OF_F_VLAN_VID: v->be16 |= htons(OF_VLAN_CFI); break;
	case OF_F_VLAN_TCI: v->be16 |= htons(OF_VLAN_CFI); break;
	default: break;
	}
}

static void
every_field_keeps_its_value_in_a_key(void **state)
{
	for (unsigned id = 0; id < OF_N_FIELDS; id++) {
		const struct of_field *f = of_field(id);

		assert_int_equal(f->id, id);
		for (unsigned seed = 0; seed < 50; seed++) {
			struct of_key k = { .metadata = 0 };
			union of_value v, got;

			some_value(f, seed, &v);
			assert_true(of_value_is_valid(f, &v));
			of_field_set(f, &v, &k);
			of_field_get(f, &k, &got);
			if (memcmp(&v, &got, f->n_bytes))
				fail_msg("%s: value %u differs", f->name, seed);
		}
	}
}

static void
a_field_touches_no_other(void **state)
{
	for (unsigned id = 0; id < OF_N_FIELDS; id++) {
		struct of_key before, after, mark = { .metadata = 0 };
		const struct of_field *f = of_field(id);
		union of_value v;

		if (f->variable_len)
			continue; /* sets its presence bit as well */
		memset(&before, 0x5a, sizeof(before));
		after = before;
		some_value(f, 3, &v);
		of_field_set(f, &v, &after);
		of_field_mark(f, &mark);
		const uint8_t *b = (void *)&before, *a = (void *)&after, *m = (void *)&mark;
		for (size_t i = 0; i < sizeof(before); i++) {
			if ((b[i] ^ a[i]) & ~m[i])
				fail_msg("%s: byte %zu of the key changed", f->name, i);
		}
	}
}

static void
every_field_is_read_back_from_its_text(void **state)
{
	for (unsigned id = 0; id < OF_N_FIELDS; id++) {
		const struct of_field *f = of_field(id);

		for (unsigned seed = 0; seed < 50; seed++) {
			struct wf_str s = WF_STR_INIT;
			union of_value v, m, got, got_mask;

			some_value(f, seed, &v);
			memset(&m, 0xff, sizeof(m));
			if (f->maskable && f->text != OF_TEXT_FRAG) {
				some_value(f, seed + 100, &m);
				if (f->text == OF_TEXT_TUN_FLAGS)
					m.be16 = htons(1);
				for (unsigned i = 0; i < f->n_bytes; i++)
					v.b[i] &= m.b[i];
			} else if (f->text == OF_TEXT_FRAG && v.b[0] == OF_FRAG_LATER) {
				continue; /* cannot be: a later fragment is a fragment */
			}
			if (of_value_is_zero(f, &m))
				continue; /* written as "ANY", for people only */
			of_field_format_value(f, &v, &m, &s);
			/* The packet type is written with its name in front, as OVS does. */
			const char *text = wf_str_cstr(&s);
			if (f->text == OF_TEXT_PACKET_TYPE)
				text += strlen("packet_type=");
			char *error = of_field_parse_value(f, text, &got, &got_mask);
			if (error)
				fail_msg("%s: '%s': %s", f->name, wf_str_cstr(&s), error);
			for (unsigned i = 0; i < f->n_bytes; i++) {
				/* Flags without a mask say all of them. */
				if (v.b[i] != got.b[i] ||
				    (m.b[i] != got_mask.b[i] && !of_field_mask_is_full(f, &m)))
					fail_msg("%s: '%s' is read differently", f->name,
						 wf_str_cstr(&s));
			}
			wf_str_done(&s);
		}
	}
}

static void
names_and_headers_lead_to_the_field(void **state)
{
	unsigned length;

	for (unsigned id = 0; id < OF_N_FIELDS; id++) {
		const struct of_field *f = of_field(id);

		assert_ptr_equal(of_field_by_name(f->name), f);
		if (f->alias)
			assert_ptr_equal(of_field_by_name(f->alias), f);
		for (int i = 0; i < OF_MAX_OXMS && f->oxm[i].name; i++) {
			const struct of_oxm *o = &f->oxm[i];
			unsigned n = OF_OXM_LENGTH(o->header);
			unsigned id_size = o->experimenter ? 4 : 0;
			uint32_t masked = (o->header & ~0x1ffu) | 0x100 | (2 * (n - id_size) + id_size);

			assert_int_equal(n, f->n_bytes + id_size);
			assert_ptr_equal(of_field_by_name(o->name), f);
			assert_ptr_equal(of_field_by_oxm(o->header, o->experimenter), f);
			if (!f->variable_len) {
				assert_ptr_equal(of_field_by_oxm(masked, o->experimenter), f);
				assert_null(of_field_by_oxm(o->header + 1, o->experimenter));
			}
			assert_ptr_equal(of_field_by_oxm_any_len(o->header & ~0xffu,
								 o->experimenter, &length), f);
			assert_int_equal(length, n);
		}
	}
	assert_null(of_field_by_name("nonesuch"));
	assert_null(of_field_by_oxm(0x80007e04, 0));
	assert_null(of_field_by_oxm(0xffff0004, 0x12345678));
}

static void
the_version_chooses_the_header(void **state)
{
	static const struct {
		enum of_field_id id;
		uint8_t version;
		const char *name;
	} rows[] = {
		{ OF_F_ETH_SRC, 0, "NXM_OF_ETH_SRC" },
		{ OF_F_ETH_SRC, 3, "OXM_OF_ETH_SRC" },
		{ OF_F_TUN_ID, 3, "NXM_NX_TUN_ID" },
		{ OF_F_TUN_ID, 4, "OXM_OF_TUNNEL_ID" },
		{ OF_F_TCP_FLAGS, 3, "NXM_NX_TCP_FLAGS" },
		{ OF_F_TCP_FLAGS, 5, "ONFOXM_ET_TCP_FLAGS" },
		{ OF_F_TCP_FLAGS, 6, "OXM_OF_TCP_FLAGS" },
		{ OF_F_DP_HASH, 4, "NXM_NX_DP_HASH" },
		{ OF_F_PACKET_TYPE, 4, "OXM_OF_PACKET_TYPE" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(of_field_oxm(of_field(rows[i].id), rows[i].version)->name,
				    rows[i].name);
	assert_null(of_field_oxm(of_field(OF_F_SKB_PRIORITY), 4));
}

static void
tags_are_made_when_their_parts_are_set(void **state)
{
	struct of_key k = { .metadata = 0 };
	union of_value v = { .be16 = htons(5) };

	of_field_set(of_field(OF_F_DL_VLAN), &v, &k);
	assert_int_equal(k.vlans[0].tci, htons(OF_VLAN_CFI | 5));
	assert_int_equal(k.vlans[0].tpid, htons(0x8100));
	v.b[0] = 3;
	of_field_set(of_field(OF_F_VLAN_PCP), &v, &k);
	assert_int_equal(k.vlans[0].tci, htons(3 << 13 | OF_VLAN_CFI | 5));
	v.be16 = htons(0xffff);
	of_field_set(of_field(OF_F_DL_VLAN), &v, &k);
	assert_int_equal(k.vlans[0].tci, 0);
	v.be16 = htons(OF_VLAN_CFI | 9);
	of_field_set(of_field(OF_F_VLAN_VID), &v, &k);
	assert_int_equal(k.vlans[0].tci, htons(OF_VLAN_CFI | 9));
}

static void
bits_are_copied_as_one_by_one(void **state)
{
	srand(1);
	for (int round = 0; round < 20000; round++) {
		uint8_t src[20], dst[20], want[20];
		unsigned ss = 1 + rand() % 20, ds = 1 + rand() % 20;
		unsigned so = rand() % (ss * 8), to = rand() % (ds * 8);
		unsigned max = ss * 8 - so < ds * 8 - to ? ss * 8 - so : ds * 8 - to;
		unsigned n = rand() % (max + 1);

		for (int i = 0; i < 20; i++) {
			src[i] = rand();
			dst[i] = want[i] = rand();
		}
		for (unsigned i = 0; i < n; i++) {
			unsigned bit = src[ss - 1 - (so + i) / 8] >> (so + i) % 8 & 1;
			uint8_t *w = &want[ds - 1 - (to + i) / 8];

			*w = (*w & ~(1 << (to + i) % 8)) | bit << (to + i) % 8;
		}
		of_bits_copy(src, ss, so, dst, ds, to, n);
		assert_memory_equal(dst, want, 20);
	}
}

static void
parts_of_fields_are_read_written_and_named(void **state)
{
	static const struct {
		const char *text, *printed, *error;
		uint16_t field, ofs, n_bits;
	} rows[] = {
		{ "NXM_NX_REG0[0..7]", "NXM_NX_REG0[0..7]", NULL, OF_F_REG0, 0, 8 },
		{ "reg3[]", "NXM_NX_REG3[]", NULL, OF_F_REG3, 0, 32 },
		{ "reg3", "NXM_NX_REG3[]", NULL, OF_F_REG3, 0, 32 },
		{ "OXM_OF_METADATA[5]", "OXM_OF_METADATA[5]", NULL, OF_F_METADATA, 5, 1 },
		{ "vlan_tci[0..11]", "NXM_OF_VLAN_TCI[0..11]", NULL, OF_F_VLAN_TCI, 0, 12 },
		{ "xxreg1[100..127]", "NXM_NX_XXREG1[100..127]", NULL, OF_F_XXREG1, 100, 28 },
		{ "foo[]", NULL, "foo[]: unknown field `foo'" },
		{ "reg0[5..3]", NULL, "reg0[5..3]: starting bit 5 is after ending bit 3" },
		{ "reg0[3..32]", NULL, "reg0[3..32]: ending bit 32 is not valid because field is "
				       "only 32 bits wide" },
		{ "reg0[x]", NULL, "reg0[x]: syntax error expecting [] or [<bit>] or "
				   "[<start>..<end>]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		const char *p = rows[i].text;
		struct of_subfield sf;
		char *error = of_subfield_parse(&sf, &p);

		if (rows[i].error) {
			assert_string_equal(error, rows[i].error);
			free(error);
			continue;
		}
		assert_null(error);
		assert_string_equal(p, "");
		assert_int_equal(sf.field, rows[i].field);
		assert_int_equal(sf.ofs, rows[i].ofs);
		assert_int_equal(sf.n_bits, rows[i].n_bits);
		of_subfield_format(&sf, &s);
		assert_string_equal(wf_str_cstr(&s), rows[i].printed);
		wf_str_done(&s);

		struct of_key k = { .metadata = 0 };
		uint64_t v = 0x123456789abcdef0ull;
		if (sf.n_bits < 64)
			v &= (1ull << sf.n_bits) - 1;
		of_subfield_set_u64(&sf, v, &k);
		assert_int_equal(of_subfield_get_u64(&sf, &k), v);
		union of_value wide;
		of_subfield_get(&sf, &k, &wide);
		struct of_key again = { .metadata = 0 };
		of_subfield_set(&sf, &wide, &again);
		assert_memory_equal(&k, &again, sizeof(k));
	}
}

static void
ports_have_names(void **state)
{
	static const struct {
		const char *text;
		of_port_t port;
		const char *printed;
	} rows[] = {
		{ "1", 1, "1" }, { "65534", OF_PORT_LOCAL, "LOCAL" }, { "local", OF_PORT_LOCAL, "LOCAL" },
		{ "NONE", OF_PORT_NONE, "ANY" }, { "IN_PORT", OF_PORT_IN_PORT, "IN_PORT" },
		{ "4294967293", OF_PORT_CONTROLLER, "CONTROLLER" }, { "70000", 70000, "70000" },
	};
	of_port_t port;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_str s = WF_STR_INIT;

		assert_true(of_port_parse(rows[i].text, NULL, NULL, &port));
		assert_int_equal(port, rows[i].port);
		of_port_format(port, NULL, NULL, &s);
		assert_string_equal(wf_str_cstr(&s), rows[i].printed);
		wf_str_done(&s);
	}
	assert_false(of_port_parse("eth0", NULL, NULL, &port));
	assert_false(of_port_parse("-1", NULL, NULL, &port));
	assert_false(of_port_parse("4294967296", NULL, NULL, &port));
	for (uint32_t p = 0; p <= UINT16_MAX; p++)
		assert_int_equal(of_port_to_u16(of_port_from_u16(p)), p);
}

static void
only_what_may_be_written_is_written(void **state)
{
	struct of_subfield reg = { OF_F_REG0, 0, 32 }, port = { OF_F_TCP_SRC, 0, 16 };
	struct of_subfield wide = { OF_F_REG0, 8, 32 }, none = { OF_F_REG0, 0, 0 };
	struct of_subfield flags = { OF_F_TCP_FLAGS, 0, 12 };
	struct of_match_full any, tcp;

	of_match_init_any(&any);
	free(of_match_parse(&tcp, "tcp", NULL, NULL));
	assert_int_equal(of_subfield_check_dst(&reg, &any), 0);
	assert_int_equal(of_subfield_check_dst(&wide, &any), OF_ERR_OFPBAC_BAD_SET_LEN);
	assert_int_equal(of_subfield_check_src(&none, &any), OF_ERR_OFPBAC_BAD_SET_LEN);
	assert_int_equal(of_subfield_check_dst(&port, &any), OF_ERR_OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(of_subfield_check_dst(&port, &tcp), 0);
	assert_int_equal(of_subfield_check_dst(&port, NULL), 0);
	assert_int_equal(of_subfield_check_src(&flags, &tcp), 0);
	assert_int_equal(of_subfield_check_dst(&flags, &tcp), OF_ERR_OFPBAC_BAD_SET_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_keeps_its_value_in_a_key),
		cmocka_unit_test(a_field_touches_no_other),
		cmocka_unit_test(every_field_is_read_back_from_its_text),
		cmocka_unit_test(names_and_headers_lead_to_the_field),
		cmocka_unit_test(the_version_chooses_the_header),
		cmocka_unit_test(tags_are_made_when_their_parts_are_set),
		cmocka_unit_test(bits_are_copied_as_one_by_one),
		cmocka_unit_test(parts_of_fields_are_read_written_and_named),
		cmocka_unit_test(ports_have_names),
		cmocka_unit_test(only_what_may_be_written_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
