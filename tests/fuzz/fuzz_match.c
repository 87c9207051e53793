// SPDX-License-Identifier: Apache-2.0
/* Matches of all wire forms.  The first byte chooses the form, the rest is the wire.  What was
 * read must be written so that it is read again as the same match. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/dp_text.h"
#include "openflow/match_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same(const struct of_match_full *a, const struct of_match_full *b)
{
	if (memcmp(a, b, sizeof(*a)))
		abort();
}

static void
print(const struct of_match_full *m)
{
	struct wf_str s = WF_STR_INIT;

	of_match_format(m, -1, NULL, NULL, &s);
	wf_str_done(&s);
}

static void
try_list(const uint8_t *p, size_t size, uint8_t version, const struct of_tlv_map *map)
{
	struct of_match_full m, again;
	struct wf_buf b = WF_BUF_INIT;
	struct wf_str s = WF_STR_INIT;
	uint64_t cookie, mask;

	of_oxm_format_raw(p, size, &s);
	wf_str_done(&s);
	of_oxm_decode(p, size, OF_OXM_LOOSE, map, &m, NULL, NULL);
	if (of_oxm_decode(p, size, 0, map, &m, version ? NULL : &cookie, version ? NULL : &mask))
		return;
	print(&m);
	/* Some matches cannot be written in full (OVS: bits of the pipeline that need a packet type
	 * of their own), but what is written must be readable, and stable. */
	of_oxm_encode(&m, version, map, &b);
	if (of_oxm_decode(b.data, b.size, OF_OXM_LOOSE, map, &m, NULL, NULL))
		abort();
	wf_buf_clear(&b);
	of_oxm_encode(&m, version, map, &b);
	if (of_oxm_decode(b.data, b.size, OF_OXM_LOOSE, map, &again, NULL, NULL))
		abort();
	check_same(&m, &again);

	struct of_match *packed = of_match_pack(&m);
	of_match_unpack(packed, &again);
	check_same(&m, &again);
	free(packed);
	wf_buf_done(&b);
	of_match_normalize(&m);
	if (of_match_normalize(&m))
		abort();
}

static void
try_standard(const uint8_t *p, size_t size)
{
	struct of_match_full m, again;

	if (size >= sizeof(struct ofp10_match)) {
		struct ofp10_match w;

		memcpy(&w, p, sizeof(w));
		of_match_decode_10(&w, &m);
		print(&m);
		of_match_encode_10(&m, &w);
		of_match_decode_10(&w, &m);
		of_match_encode_10(&m, &w);
		of_match_decode_10(&w, &again);
		check_same(&m, &again);
	}
	if (size >= sizeof(struct ofp11_match)) {
		struct ofp11_match w;

		memcpy(&w, p, sizeof(w));
		if (of_match_decode_11(&w, &m))
			return;
		print(&m);
		of_match_encode_11(&m, &w);
		if (of_match_decode_11(&w, &again))
			abort();
	}
}

static void
try_text(const uint8_t *p, size_t size)
{
	char *text = malloc(size + 1);
	struct of_match_full m;
	struct of_key k;

	memcpy(text, p, size);
	text[size] = '\0';
	free(of_match_parse(&m, text, NULL, NULL));
	print(&m);
	free(of_key_parse(&k, NULL, text, NULL, NULL));
	free(text);
}

static void
try_dp_text(const uint8_t *p, size_t size)
{
	char *text = malloc(size + 1);
	struct wf_str s = WF_STR_INIT, again = WF_STR_INIT;
	struct of_dp_key d;

	memcpy(text, p, size);
	text[size] = '\0';
	char *error = of_dp_key_parse(text, NULL, NULL, &d);
	if (!error) {
		of_dp_key_format(&d.key, &d.mask, "1", true, &s);
		of_dp_key_format(&d.key, NULL, "1", true, &again);
	}
	free(error);
	free(text);
	wf_str_done(&s);
	wf_str_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct of_tlv_map map;
	struct of_match_full m;
	size_t used;

	if (!size)
		return 0;
	if (!map.used) {
		of_tlv_map_init(&map);
		of_tlv_map_add(&map, 1, 1, 4, 0);
		of_tlv_map_add(&map, 1, 2, 124, 1);
		of_tlv_map_add(&map, 1, 3, 0, 2);
	}
	uint8_t form = data[0] % 9;
	data++;
	size--;
	switch (form) {
	case 0: try_list(data, size, 0, NULL); break;
	case 1: try_list(data, size, 4, NULL); break;
	case 2: try_list(data, size, 6, &map); break;
	case 3: try_list(data, size, 0, &map); break;
	case 4: try_standard(data, size); break;
	case 5:
		if (!of_match_decode(data, size, 4, 0, NULL, &m, &used) && used > size)
			abort();
		break;
	case 6: try_text(data, size); break;
	case 8: try_dp_text(data, size); break;
	case 7: {
		struct of_oxm_header h;
		union of_value value, mask;

		of_nxm_header_decode(data, size, true, NULL, &h);
		if (!of_nxm_entry_decode(data, size, true, NULL, &h, &value, &mask, &used) &&
		    used > size)
			abort();
		break;
	}
	}
	return 0;
}
