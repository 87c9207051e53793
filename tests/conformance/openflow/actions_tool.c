// SPDX-License-Identifier: Apache-2.0
/* The counterpart of "ovs-ofctl parse-actions VERSION" and "parse-instructions VERSION", for
 * actions_diff.py: a line "[TABLE,]HEX" in, and out the same as ovs-ofctl's: the list as text
 * and the bytes that differ when it is encoded again, or the error; then an empty line.
 *
 * With "text", a line is a list as text instead, and the list is printed as text, and in hex for
 * the version ("hex ...").
 *
 * With "flow", a line is "MATCH TAB ACTIONS", as add-flow of the version takes them.  Out is
 * what dump-flows of each version says of the actions ("bad NAME" where it cannot), or "error ...".
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/action.h"
#include "openflow/tlv_map.h"

static void
print_differences(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	size_t n = a_size > b_size ? a_size : b_size;

	if (a_size == b_size && !memcmp(a, b, a_size))
		return;
	for (size_t i = 0; i < n; i++) {
		if (i < a_size && i < b_size && a[i] == b[i])
			continue;
		printf("%2zu: ", i);
		if (i >= a_size)
			printf("(none) -> %02x\n", b[i]);
		else if (i >= b_size)
			printf("%02x -> (none)\n", a[i]);
		else
			printf("%02x -> %02x\n", a[i], b[i]);
	}
}

static size_t
hex(const char *s, uint8_t *out, size_t room)
{
	size_t n = 0;
	unsigned byte;

	while (n < room) {
		while (isspace((unsigned char)*s))
			s++;
		if (sscanf(s, "%2x", &byte) != 1)
			break;
		out[n++] = byte;
		s += 2;
	}
	return n;
}

static void
print_list(const struct wf_buf *list)
{
	struct wf_str s = WF_STR_INIT;

	of_actions_format(list->data, list->size, NULL, NULL, &s);
	printf("actions=%s\n", wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
do_hex(char *line, const char *version_name, uint8_t version, bool instructions)
{
	static uint8_t wire[65536];
	struct wf_buf list = WF_BUF_INIT, out = WF_BUF_INIT;
	char *comma = strchr(line, ',');
	int table = comma ? atoi(line) : 0;
	size_t size = hex(comma ? comma + 1 : line, wire, sizeof(wire));
	/* At an end that the sanitizer watches. */
	uint8_t *copy = wf_xmemdup(wire, size ? size : 1);
	of_err_t err = (instructions ? of_instructions_decode : of_actions_decode)(
		copy, size, version, &list);

	if (!err && instructions) {
		struct of_match_full any;
		struct of_action_check check = {
			.version = version, .table = table, .n_tables = 255, .max_ports = OF_PORT_MAX,
		};

		of_match_init_any(&any);
		err = of_actions_check(list.data, list.size, &any, &check);
	}
	if (err) {
		printf("bad %s %s: %s\n", version_name, instructions ? "instructions" : "actions",
		       of_err_name(err));
	} else {
		print_list(&list);
		(instructions ? of_instructions_encode : of_actions_encode)(list.data, list.size,
									    version, &out);
		print_differences(copy, size, out.data, out.size);
	}
	putchar('\n');
	free(copy);
	wf_buf_done(&list);
	wf_buf_done(&out);
}

static void
do_text(char *line, uint8_t version)
{
	struct wf_buf list = WF_BUF_INIT, out = WF_BUF_INIT;
	char *error = of_actions_parse(line, &list);

	if (error) {
		printf("error: %s\n", error);
		free(error);
	} else {
		print_list(&list);
		of_instructions_encode(list.data, list.size, version, &out);
		printf("hex ");
		for (size_t i = 0; i < out.size; i++)
			printf("%02x", out.data[i]);
		putchar('\n');
	}
	putchar('\n');
	wf_buf_done(&list);
	wf_buf_done(&out);
}

/* Through the wire of the version, as a switch gets it. */
static bool
receive(struct wf_buf *list, const struct of_match_full *m, uint8_t version)
{
	struct of_action_check check = {
		.version = version, .table = version == 1 ? 255 : 0, .n_tables = 255,
		.max_ports = 0xff00,
	};
	struct wf_buf wire = WF_BUF_INIT;
	of_err_t err = of_actions_check(list->data, list->size, m, &check);

	if (!err) {
		of_instructions_encode(list->data, list->size, version, &wire);
		wf_buf_clear(list);
		err = of_instructions_decode(wire.data, wire.size, version, list);
		wf_buf_done(&wire);
	}
	if (!err)
		err = of_actions_check(list->data, list->size, m, &check);
	if (err)
		printf("error %s\n", of_err_name(err));
	return !err;
}

static void
do_flow(char *line, uint8_t version)
{
	struct wf_buf list = WF_BUF_INIT, wire = WF_BUF_INIT, seen = WF_BUF_INIT;
	struct of_match_full m;
	char *tab = strchr(line, '\t'), *error;
	struct of_tlv_map map;

	if (!tab)
		return;
	of_tlv_map_init(&map);
	of_tlv_map_add(&map, 0xffff, 0, 4, 0);
	of_tlv_map_add(&map, 0xffff, 1, 4, 1);
	of_tlv_map_add(&map, 0xffff, 10, 4, 10);
	of_tlv_map_enter(&map);
	*tab = '\0';
	error = of_match_parse(&m, line, NULL, NULL);
	if (!error)
		error = of_actions_parse(tab + 1, &list);
	if (error) {
		printf("error %s\n", error);
		free(error);
	} else if (receive(&list, &m, version)) {
		for (uint8_t v = 1; v <= 6; v++) {
			wf_buf_clear(&wire);
			wf_buf_clear(&seen);
			of_instructions_encode(list.data, list.size, v, &wire);
			of_err_t err = of_instructions_decode(wire.data, wire.size, v, &seen);

			if (err)
				printf("bad %s\n", of_err_name(err));
			else
				print_list(&seen);
		}
	}
	putchar('\n');
	of_tlv_map_enter(NULL);
	wf_buf_done(&list);
	wf_buf_done(&wire);
	wf_buf_done(&seen);
}

int
main(int argc, char *argv[])
{
	static char line[200000];
	unsigned minor = 0;

	if (argc != 3 || sscanf(argv[2], "OpenFlow1%u", &minor) != 1 || minor > 5) {
		fprintf(stderr, "usage: %s actions|instructions|text|flow OpenFlow1N\n", argv[0]);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line)
			continue;
		if (!strcmp(argv[1], "flow"))
			do_flow(line, minor + 1);
		else if (!strcmp(argv[1], "text"))
			do_text(line, minor + 1);
		else
			do_hex(line, argv[2], minor + 1, !strcmp(argv[1], "instructions"));
		fflush(stdout);
	}
	return 0;
}
