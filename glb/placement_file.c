// SPDX-License-Identifier: Apache-2.0
/* The document as a file.  A change of one pool changes one part of the text (docs/glb-design.md): who has the document before
 * reads the head, and of the parts those that the head says to be others. */
#include "glb/placement_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/crc32c.h"
#include "base/file.h"

#define MAX_HEAD (1u << 24)
#define SUMS_AT	 (sizeof PLC_START - 1)
#define FIRST_AT (SUMS_AT + sizeof PLC_SUMS - 1) /* what the head's sum is of */

uint32_t
plc_hex(const char *digits)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 8; i++) {
		char c = digits[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return UINT32_MAX;
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

/* --- parts ------------------------------------------------------------------------------------ */

static int
get_list(const json_t *list, struct plc_part *ret)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v) {
		const char *text = json_string_value(v);

		if (!text || strlen(text) != 26 || text[8] != ' ' || text[17] != ' ')
			return -EINVAL;
		ret[i] = (struct plc_part){ plc_hex(text), plc_hex(text + 9), plc_hex(text + 18) };
	}
	return 0;
}

static size_t
sum_sizes(const struct plc_part *parts, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i].size;
	return sum;
}

/* Size of the text that has this head and these parts. */
static size_t
text_size(const struct placement *p, size_t head)
{
	return head + sum_sizes(p->parts, p->n_node_parts + p->n_pool_parts) + sizeof PLC_POOLS - 1 + sizeof PLC_END - 1;
}

/* Where part 'i' begins. */
static size_t
part_at(const struct placement *p, size_t head, size_t i)
{
	return head + sum_sizes(p->parts, i) + (i < p->n_node_parts ? 0 : sizeof PLC_POOLS - 1);
}

/* Size of the head that begins 'text', of which 'len' bytes are there; 0: it has none, or says something else. */
static uint32_t
head_size(const char *text, size_t len)
{
	uint32_t size;

	if (len < FIRST_AT || memcmp(text, PLC_START, SUMS_AT) != 0)
		return 0;
	size = plc_hex(text + SUMS_AT);
	return size > FIRST_AT && size < MAX_HEAD ? size : 0;
}

static bool
head_is_good(const char *head, uint32_t size)
{
	return wf_crc32c(0, head + FIRST_AT, size - FIRST_AT) == plc_hex(head + SUMS_AT + 9);
}

static bool
is_text_of(const struct placement *p, const char *text, size_t len)
{
	uint32_t head = head_size(text, len);
	size_t at = head;

	if (!head || head > len || !head_is_good(text, head) || text_size(p, head) != len)
		return false;
	for (size_t i = 0; i < p->n_node_parts + p->n_pool_parts; at += p->parts[i++].size) {
		if (i == p->n_node_parts)
			at += sizeof PLC_POOLS - 1;
		if (wf_crc32c(0, text + at, p->parts[i].size) != p->parts[i].sum)
			return false;
	}
	return true;
}

int
plc_get_parts(struct placement *p, const struct json_t *root, const char *text, size_t len, struct wf_err *err)
{
	const json_t *nodes = json_object_get(root, "node-parts"), *pools = json_object_get(root, "pool-parts");

	if (!json_object_get(root, "head"))
		return 0;
	p->n_node_parts = json_array_size(nodes);
	p->n_pool_parts = json_array_size(pools);
	p->parts = wf_xzalloc((p->n_node_parts + p->n_pool_parts + 1) * sizeof *p->parts);
	if (get_list(nodes, p->parts) || get_list(pools, p->parts + p->n_node_parts))
		return wf_err(err, -EINVAL, "node-parts, pool-parts: are \"SIZE DOCUMENT SUM\", eight digits each");
	if (!text)
		return 0;
	if (!is_text_of(p, text, len))
		return wf_err(err, -EINVAL, "head: its sums are not those of the text: that is not whole, or was changed by hand "
			      "(who must do that takes the line of \"head\" out)");
	/* Of a writer that cuts it otherwise; all of it is read each time. */
	if (p->n_pool_parts != p->n_pools ||
	    p->n_node_parts != (p->n_nodes + PLC_NODES_A_PART - 1) / PLC_NODES_A_PART) {
		free(p->parts);
		p->parts = NULL;
	}
	return 0;
}

/* --- what two documents have in common ------------------------------------------------------------ */

static unsigned *
share(unsigned **n_shared)
{
	if (!*n_shared) {
		*n_shared = wf_xmalloc(sizeof **n_shared);
		**n_shared = 1;
	}
	++**n_shared;
	return *n_shared;
}

int
plc_share_nodes(struct placement *p, struct placement *before)
{
	if (p->next_id < before->next_id)
		return -EAGAIN;
	free(p->node_names);
	p->nodes = before->nodes;
	p->n_nodes = before->n_nodes;
	p->node_names = before->node_names;
	p->n_shared = share(&before->n_shared);
	return 0;
}

int
plc_copy_nodes(struct placement *p, const struct placement *before, size_t part)
{
	size_t at = part * PLC_NODES_A_PART, n = before->n_nodes - at;

	if (part >= before->n_node_parts || at != p->n_nodes || at >= before->n_nodes)
		return -EAGAIN;
	if (n > PLC_NODES_A_PART)
		n = PLC_NODES_A_PART;
	memcpy(&p->nodes[at], &before->nodes[at], n * sizeof *p->nodes);
	p->n_nodes += n;
	return 0;
}

/* Tables that are taken as they are name nodes: these must be what they were.  What is known of names is, too. */
int
plc_is_next(struct placement *p, const struct placement *before)
{
	const struct plc_index *x = before->node_names;
	bool same_names = x->at != NULL;

	if (p->next_id < before->next_id || p->n_nodes < before->n_nodes)
		return -EAGAIN;
	for (size_t i = 0; i < before->n_nodes; i++) {
		const struct plc_node *a = &before->nodes[i], *b = &p->nodes[i];

		if (a->id != b->id || a->kind != b->kind)
			return -EAGAIN;
		same_names = same_names && !strcmp(a->name, b->name);
	}
	if (same_names) {
		*p->node_names = *x;
		p->node_names->at = wf_xmemdup(x->at, (x->mask + 1) * sizeof *x->at);
	}
	return 0;
}

int
plc_share_pool(struct placement *p, struct placement *before, size_t i)
{
	if (i >= before->n_pools || i != p->n_pools || p->key_step != before->key_step)
		return -EAGAIN;
	share(&before->pools[i].n_shared);
	p->pools[p->n_pools++] = before->pools[i];
	return 0;
}

bool
plc_same_nodes(const struct placement *a, const struct placement *b)
{
	return a->nodes == b->nodes;
}

bool
plc_same_pool(const struct placement *a, const struct placement *b, size_t i)
{
	return i < a->n_pools && i < b->n_pools && a->pools[i].n_shared && a->pools[i].n_shared == b->pools[i].n_shared;
}

/* --- files -------------------------------------------------------------------------------------- */

int
plc_save(struct placement *p, const char *path, struct wf_err *err)
{
	mode_t mask = umask(027); /* the hash key is a secret */
	struct wf_str s = WF_STR_INIT;
	int rc;

	plc_format(p, &s);
	rc = wf_file_replace(path, s.s, s.len, err);
	umask(mask);
	wf_str_done(&s);
	return rc;
}

struct placement *
plc_load(const char *path, struct wf_err *err)
{
	struct wf_str text = WF_STR_INIT;
	struct wf_err why = { "" };
	struct placement *p = NULL;

	if (!wf_file_read(path, PLC_MAX_SIZE, &text, err)) {
		p = plc_parse(wf_str_cstr(&text), text.len, &why);
		if (!p)
			wf_err(err, -EINVAL, "%s: %s", path, why.text);
	}
	wf_str_done(&text);
	return p;
}

static bool
read_at(int fd, char *to, size_t size, size_t at)
{
	while (size) {
		ssize_t n = pread(fd, to, size, (off_t)at);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		if (n > 0) {
			to += n;
			at += (size_t)n;
			size -= (size_t)n;
		}
	}
	return true;
}

/* The head, to be freed; NULL: there is none. */
static char *
read_head(int fd, uint32_t *ret_size)
{
	char start[FIRST_AT], *head;

	if (!read_at(fd, start, sizeof start, 0) || !(*ret_size = head_size(start, sizeof start)))
		return NULL;
	head = wf_xmalloc(*ret_size);
	if (read_at(fd, head, *ret_size, 0) && head_size(head, *ret_size) == *ret_size && head_is_good(head, *ret_size))
		return head;
	free(head);
	return NULL;
}

/* The parts that the head says; false: none that fit the file and 'before'. */
static bool
read_parts(int fd, const char *head, uint32_t size, struct placement *ret)
{
	struct wf_str text = WF_STR_INIT;
	struct wf_err ignored;
	struct stat st;
	json_t *root;

	wf_str_putn(&text, head, size);
	wf_str_put(&text, "]}");
	root = json_loadb(text.s, text.len, JSON_REJECT_DUPLICATES, NULL);
	wf_str_done(&text);
	if (!root || plc_get_parts(ret, root, NULL, 0, &ignored) || !ret->parts || fstat(fd, &st) ||
	    st.st_size < 0 || st.st_size > PLC_MAX_SIZE || text_size(ret, size) != (size_t)st.st_size) {
		json_decref(root);
		return false;
	}
	json_decref(root);
	return true;
}

static const struct plc_part *
part_of(const struct placement *p, bool node, size_t i)
{
	return i < (node ? p->n_node_parts : p->n_pool_parts) ? &p->parts[(node ? 0 : p->n_node_parts) + i] : NULL;
}

static bool
is_same(const struct plc_part *a, const struct plc_part *b)
{
	return b && a->size == b->size && a->document == b->document && a->sum == b->sum;
}

/* Parts 'said' into r and 'rest': a number for each that 'before' has, else its text, which is read to *at. */
static bool
put_parts(struct plc_reader *r, const struct placement *said, bool nodes, int fd, uint32_t head, char **at, struct wf_str *rest)
{
	size_t first = nodes ? 0 : said->n_node_parts;

	for (size_t i = 0; i < (nodes ? said->n_node_parts : said->n_pool_parts); i++) {
		const struct plc_part *part = &said->parts[first + i];

		if (is_same(part, part_of(r->before, nodes, i))) {
			wf_str_fmt(rest, "%s%zu", i ? "," : "", i);
			r->n_put++;
			continue;
		}
		if (!read_at(fd, *at, part->size, part_at(said, head, first + i)) ||
		    wf_crc32c(0, *at, part->size) != part->sum || plc_cut_slots(r, *at, part->size, rest))
			return false;
		*at += part->size;
	}
	return true;
}

/* NULL: all of it must be read, by which it is found out what is wrong, if something is. */
static struct placement *
load_changes(int fd, struct placement *before)
{
	struct plc_reader r = { .before = before, .same_nodes = true };
	struct placement said = { .parts = NULL }, *p = NULL;
	struct wf_str rest = WF_STR_INIT;
	struct wf_err ignored;
	char *head, *texts = NULL, *at;
	uint32_t size;
	size_t room = 1;

	head = read_head(fd, &size);
	if (!head || !read_parts(fd, head, size, &said))
		goto out;
	for (size_t i = 0; i < said.n_node_parts + said.n_pool_parts; i++) {
		bool node = i < said.n_node_parts;

		if (is_same(&said.parts[i], part_of(before, node, node ? i : i - said.n_node_parts)))
			continue;
		room += said.parts[i].size;
		r.same_nodes &= !node;
	}
	r.same_nodes &= said.n_node_parts == before->n_node_parts;
	at = texts = wf_xmalloc(room);
	r.p = plc_new();
	wf_str_putn(&rest, head, size);
	if (!put_parts(&r, &said, true, fd, size, &at, &rest))
		goto failed;
	wf_str_put(&rest, PLC_POOLS);
	if (!put_parts(&r, &said, false, fd, size, &at, &rest))
		goto failed;
	wf_str_put(&rest, PLC_END);
	p = plc_read(&r, &rest, NULL, 0, &ignored);
	/* A number that we did not put there is no part of a document. */
	if (p && (r.n_taken != r.n_put || p->n_pool_parts != p->n_pools ||
		  p->n_node_parts != (p->n_nodes + PLC_NODES_A_PART - 1) / PLC_NODES_A_PART)) {
		plc_free(p);
		p = NULL;
	}
	goto out;
failed:
	free(r.slots);
	plc_free(r.p);
out:
	wf_str_done(&rest);
	free(said.parts);
	free(texts);
	free(head);
	return p;
}

struct placement *
plc_load_next(const char *path, struct placement *before, struct wf_err *err)
{
	int fd = before && before->parts ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct placement *p = fd < 0 ? NULL : load_changes(fd, before);

	if (fd >= 0)
		close(fd);
	return p ? p : plc_load(path, err);
}
