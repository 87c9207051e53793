// SPDX-License-Identifier: Apache-2.0
/* Actions and instructions in each version.  The first byte chooses version and form, the rest is
 * the wire, or text.  What was read can be checked, printed and marked; and what it is written as is
 * read again as a list that is written the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/action.h"
#include "openflow/tlv_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
print_and_parse(const struct wf_buf *list)
{
	struct wf_str s = WF_STR_INIT;
	struct wf_buf parsed = WF_BUF_INIT;

	of_actions_format(list->data, list->size, NULL, NULL, &s);
	free(of_actions_parse(wf_str_cstr(&s), &parsed));
	wf_str_done(&s);
	wf_buf_done(&parsed);
}

static void
check(const struct wf_buf *list, uint8_t version)
{
	struct of_match_full any;
	struct of_key reads;
	struct of_action_check params = {
		.version = version, .n_tables = 255, .max_ports = OF_PORT_MAX,
	};
	struct wf_buf copy = WF_BUF_INIT, set = WF_BUF_INIT;

	memset(&reads, 0, sizeof(reads));
	of_match_init_any(&any);
	wf_buf_put(&copy, list->data, list->size);
	if (!of_actions_check(copy.data, copy.size, &any, &params))
		of_actions_mark_reads(list->data, list->size, &reads);
	of_action_set_resolve(list->data, list->size, &set);
	of_actions_output_to_port(list->data, list->size, 1);
	of_actions_output_to_group(list->data, list->size, 1);
	wf_buf_done(&copy);
	wf_buf_done(&set);
}

static void
encode(const struct wf_buf *list, uint8_t version, bool instructions, struct wf_buf *wire)
{
	wf_buf_clear(wire);
	if (instructions)
		of_instructions_encode(list->data, list->size, version, wire);
	else
		of_actions_encode(list->data, list->size, version, wire);
}

static of_err_t
decode(const struct wf_buf *wire, uint8_t version, bool instructions, struct wf_buf *list)
{
	wf_buf_clear(list);
	return instructions ? of_instructions_decode(wire->data, wire->size, version, list)
			    : of_actions_decode(wire->data, wire->size, version, list);
}

/* Texts: no crash, whatever they are. */
static void
try_text(const uint8_t *data, size_t size)
{
	struct wf_buf list = WF_BUF_INIT, again = WF_BUF_INIT;
	struct wf_str s = WF_STR_INIT;
	char *text = wf_xzalloc(size + 1), *error;

	memcpy(text, data, size);
	error = of_actions_parse(text, &list);
	if (!error) {
		of_actions_format(list.data, list.size, NULL, NULL, &s);
		for (uint8_t v = 1; v <= 6; v++)
			of_instructions_encode(list.data, list.size, v, &again);
		wf_buf_clear(&again);
		error = of_actions_parse(wf_str_cstr(&s), &again);
	}
	free(error);
	free(text);
	wf_str_done(&s);
	wf_buf_done(&list);
	wf_buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > 65535)
		return 0;
	if (data[0] & 0x20) {
		try_text(data + 1, size - 1);
		return 0;
	}
	uint8_t version = data[0] % 6 + 1;
	bool instructions = data[0] & 0x80;
	struct of_tlv_map map;
	struct wf_buf wire = WF_BUF_INIT, list = WF_BUF_INIT, again = WF_BUF_INIT;
	struct wf_buf once = WF_BUF_INIT, twice = WF_BUF_INIT;
	const struct of_tlv_map *before;

	of_tlv_map_init(&map);
	for (unsigned i = 0; i < 8; i++)
		of_tlv_map_add(&map, 0x102, i, 4 * (i + 1), i);
	before = of_tlv_map_enter(data[0] & 0x40 ? &map : NULL);
	wf_buf_put(&wire, data + 1, size - 1);
	if (!decode(&wire, version, instructions, &list)) {
		print_and_parse(&list);
		check(&list, version);
		encode(&list, version, instructions, &once);
		/* Longer than a message: Nicira's loads of a mask with many holes. */
		if (once.size <= 65528) {
			if (decode(&once, version, instructions, &again))
				abort();
			encode(&again, version, instructions, &twice);
			if (once.size != twice.size ||
			    (once.size && memcmp(once.data, twice.data, once.size)))
				abort();
		}
		/* Any other version must be able to write it, somehow. */
		for (uint8_t v = 1; v <= 6; v++)
			encode(&list, v, true, &again);
	}
	of_tlv_map_enter(before);
	wf_buf_done(&wire);
	wf_buf_done(&list);
	wf_buf_done(&again);
	wf_buf_done(&once);
	wf_buf_done(&twice);
	return 0;
}
