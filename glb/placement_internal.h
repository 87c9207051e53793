/* SPDX-License-Identifier: Apache-2.0 */
/* What placement_json.c and placement_file.c have in common: the document's text is a head and its parts, each of which is
 * text between what these constants say, and parts need not be read if the document before has them (docs/glb-design.md). */
#ifndef WEFT_GLB_PLACEMENT_INTERNAL_H
#define WEFT_GLB_PLACEMENT_INTERNAL_H

#include "glb/placement.h"

/* The head: begins so, "SIZE CRC-32C" follows, ends with PLC_NODES.  SIZE is the head's, the sum is of what is behind it. */
#define PLC_START "{\n  \"format\": \"weft-glb-placement 1\",\n  \"head\": \""
#define PLC_SUMS  "00000000 00000000"
#define PLC_NODES "  \"nodes\": ["
#define PLC_POOLS "\n  ],\n  \"pools\": [" /* between the parts of nodes and those of pools */
#define PLC_END	  "\n  ]\n}\n"

/* The strings of one table's slots, in the text. */
struct plc_slots_text {
	const char *from, *to;
	uint32_t n_lines;
};

struct plc_reader {
	struct placement *p;
	struct plc_slots_text *slots;
	size_t n_slots;
	uint32_t *member_of; /* by node id: number of the table that was read last and has it */
	uint32_t table;
	struct placement *before; /* whose parts are taken; NULL: nobody's */
	bool same_nodes;
	size_t n_put, n_taken; /* parts of 'before' that stand as a number in what is read, that were taken */
};

/* Eight lower-case hexadecimal digits; UINT32_MAX if they are none. */
uint32_t plc_hex(const char *);
/* Takes the slots out of the text, which is nearly all of it, and leaves the number of each array (and its ends of lines, for
 * messages) in 'rest', which is for plc_read(); the text must stay until then. */
int plc_cut_slots(struct plc_reader *, const char *text, size_t len, struct wf_str *ret_rest);
/* The document, or NULL with 'err'; the reader is done with.  'text' as in plc_get_parts(). */
struct placement *plc_read(struct plc_reader *, struct wf_str *rest, const char *text, size_t len, struct wf_err *);

/* placement_file.c.  Sets the parts of 'p' as the text says them; -EINVAL if it is not that text.  Without 'text' they are believed. */
struct json_t;
int plc_get_parts(struct placement *, const struct json_t *root, const char *text, size_t len, struct wf_err *);
/* What 'p' has in common with 'before'.  -EAGAIN: they do not fit together, all is to be read. */
int plc_share_nodes(struct placement *, struct placement *before);
int plc_copy_nodes(struct placement *, const struct placement *before, size_t part);
int plc_is_next(struct placement *, const struct placement *before); /* once all nodes are there */
int plc_share_pool(struct placement *, struct placement *before, size_t i);

#endif
