// SPDX-License-Identifier: Apache-2.0
#include "base/yang_config.h"

#include <errno.h>
#include <libyang/libyang.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define MAX_FILE_SIZE ((size_t)1 << 30)

struct wf_yang {
	struct ly_ctx *ctx;
};

/* The build folder has "meson-info" beside "yang"; the program lies in it at any depth.  Requiring
 * both keeps a program that was copied to a place like /tmp/x from reading modules of /tmp/yang. */
static bool
find_in_build_folder(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 16);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	while ((slash = strrchr(path, '/')) && slash != path) {
		struct stat st;

		strcpy(slash, "/meson-info");
		if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
			strcpy(slash, "/yang");
			return !stat(path, &st) && S_ISDIR(st.st_mode);
		}
		*slash = '\0';
	}
	return false;
}

const char *
wf_yang_dir(void)
{
	static char path[PATH_MAX];
	const char *env = getenv("WEFT_YANGDIR");
	struct stat st;

	if (env && env[0])
		return env;
	if (path[0] || find_in_build_folder(path))
		return path;
	snprintf(path, sizeof path, "%s", WEFT_YANG_INSTALLED);
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		path[0] = '\0';
	return path[0] ? path : NULL;
}

/* What the first error is about.  libyang gives the place as text:
 *   Data location "/weft-x:top/pool[name='a']/w", line number 2.
 * Both halves may be missing. */
struct place {
	char path[512]; /* "" if none */
	unsigned line;	/* 0: not known */
};

static void
place_parse(struct place *p, const char *text)
{
	const char *quote = text ? strchr(text, '"') : NULL,
		   *end = text ? strrchr(text, '"') : NULL;
	const char *line = text ? strcasestr(end ? end : text, "line number ") : NULL;

	*p = (struct place){ .line = 0 };
	if (quote && end > quote)
		snprintf(p->path, sizeof p->path, "%.*s", (int)(end - quote - 1), quote + 1);
	if (line)
		p->line = atoi(line + strlen("line number "));
}

/* The schema node of a data path: the path without its predicates. */
static const struct lysc_node *
schema_of(const struct ly_ctx *ctx, const char *path)
{
	char bare[512];
	size_t n = 0;
	char quote = 0;
	int depth = 0;

	for (; *path && n < sizeof bare - 1; path++) {
		if (quote)
			quote = *path == quote ? 0 : quote;
		else if (depth && (*path == '\'' || *path == '"'))
			quote = *path;
		else if (*path == '[')
			depth++;
		else if (*path == ']')
			depth--;
		else if (!depth)
			bare[n++] = *path;
	}
	bare[n] = '\0';
	return bare[0] == '/' ? lys_find_path(ctx, NULL, bare, 0) : NULL;
}

static void
put_dec(struct wf_str *s, int64_t v, unsigned digits)
{
	double d = v;

	for (unsigned i = 0; i < digits; i++)
		d /= 10;
	wf_str_fmt(s, "%g", d);
}

static void
put_range(struct wf_str *s, const struct lysc_range *range, LY_DATA_TYPE base, unsigned digits)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(range->parts, i)
	{
		const struct lysc_range_part *part = &range->parts[i];

		wf_str_put(s, i ? " or " : " ");
		if (base == LY_TYPE_DEC64) {
			put_dec(s, part->min_64, digits);
			wf_str_put(s, " to ");
			put_dec(s, part->max_64, digits);
		} else if (base > LY_TYPE_DEC64) {
			wf_str_fmt(s, "%lld to %lld", (long long)part->min_64,
				   (long long)part->max_64);
		} else {
			wf_str_fmt(s, "%llu to %llu", (unsigned long long)part->min_u64,
				   (unsigned long long)part->max_u64);
		}
	}
}

static void
put_type(struct wf_str *s, const struct lysc_type *type)
{
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_ENUM: {
		const struct lysc_type_enum *e = (const void *)type;

		wf_str_put(s, "one of");
		LY_ARRAY_FOR(e->enums, i)
		wf_str_fmt(s, "%s \"%s\"", i ? "," : "", e->enums[i].name);
		break;
	}
	case LY_TYPE_BOOL:
		wf_str_put(s, "true or false");
		break;
	case LY_TYPE_UNION: {
		const struct lysc_type_union *u = (const void *)type;

		LY_ARRAY_FOR(u->types, i)
		{
			if (i)
				wf_str_put(s, "; or ");
			put_type(s, u->types[i]);
		}
		break;
	}
	case LY_TYPE_LEAFREF: {
		const struct lysc_type_leafref *r = (const void *)type;

		wf_str_fmt(s, "the name of something that exists (%s)", lyxp_get_expr(r->path));
		break;
	}
	case LY_TYPE_STRING: {
		const struct lysc_type_str *t = (const void *)type;

		wf_str_put(s, "a string");
		if (t->length) {
			wf_str_put(s, " of");
			put_range(s, t->length, type->basetype, 0);
			wf_str_put(s, " characters");
		}
		/* The patterns of RFC 6991 fill a page; the value alone says more. */
		LY_ARRAY_FOR(t->patterns, i)
		if (strlen(t->patterns[i]->expr) < 64)
			wf_str_fmt(s, "%s \"%s\"", i ? " and" : " that matches",
				   t->patterns[i]->expr);
		break;
	}
	case LY_TYPE_DEC64: {
		const struct lysc_type_dec *d = (const void *)type;

		wf_str_put(s, "a decimal number in quotes");
		if (d->range)
			put_range(s, d->range, type->basetype, d->fraction_digits);
		break;
	}
	case LY_TYPE_UINT64:
	case LY_TYPE_INT64:
		wf_str_put(s, "a 64-bit number in quotes");
		if (((const struct lysc_type_num *)type)->range)
			put_range(s, ((const struct lysc_type_num *)type)->range, type->basetype,
				  0);
		break;
	case LY_TYPE_UINT8:
	case LY_TYPE_INT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_INT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_INT32:
		wf_str_put(s, "a whole number without quotes");
		if (((const struct lysc_type_num *)type)->range)
			put_range(s, ((const struct lysc_type_num *)type)->range, type->basetype,
				  0);
		break;
	default:
		wf_str_put(s, type->basetype == LY_TYPE_EMPTY ? "[null]" : "what its module says");
		break;
	}
}

/* The way out: what would be right at 'path'. */
static void
put_hint(struct wf_str *s, const struct wf_yang *y, const struct place *place, LY_VECODE code)
{
	const struct lysc_node *node = schema_of(y->ctx, place->path);

	if (!node)
		return;
	if (node->nodetype & (LYS_LEAF | LYS_LEAFLIST)) {
		const struct lysc_type *type =
			node->nodetype == LYS_LEAF
				? ((const struct lysc_node_leaf *)node)->type
				: ((const struct lysc_node_leaflist *)node)->type;
		wf_str_put(s, " It takes ");
		put_type(s, type);
		wf_str_putc(s, '.');
	} else if (code == LYVE_REFERENCE) {
		const struct lysc_node *child = NULL;

		wf_str_fmt(s, " \"%s\" has", node->name);
		for (bool first = true; (child = lys_getnext(child, node, NULL, 0)); first = false)
			wf_str_fmt(s, "%s %s", first ? "" : ",", child->name);
		wf_str_putc(s, '.');
	}
}

/* libyang keeps a list of errors; the first one is the cause. */
static int
report(const struct wf_yang *y, const char *name, struct wf_err *err)
{
	const struct ly_err_item *item = ly_err_first(y->ctx);
	struct wf_str s = WF_STR_INIT;
	struct place place;

	while (item && item->level != LY_LLERR)
		item = item->next;
	place_parse(&place, item ? item->path : NULL);
	wf_str_put(&s, name);
	if (place.line)
		wf_str_fmt(&s, ":%u", place.line);
	if (place.path[0])
		wf_str_fmt(&s, ": %s", place.path);
	wf_str_fmt(&s, ": %s", item && item->msg ? item->msg : "not valid");
	if (s.s[s.len - 1] != '.')
		wf_str_putc(&s, '.');
	if (item)
		put_hint(&s, y, &place, item->vecode);
	wf_err(err, -EINVAL, "%s", wf_str_cstr(&s));
	wf_str_done(&s);
	ly_err_clean(y->ctx, NULL);
	return -EINVAL;
}

struct wf_yang *
wf_yang_new(const char *const *modules, struct wf_err *err)
{
	const char *dir = wf_yang_dir();
	struct wf_yang *y;

	if (!dir) {
		wf_err(err, -ENOENT,
		       "no folder of YANG modules: %s is not there; install weft or set "
		       "WEFT_YANGDIR",
		       WEFT_YANG_INSTALLED);
		return NULL;
	}
	y = wf_xzalloc(sizeof *y);
	/* Keep messages for report(); print none. */
	ly_log_options(LY_LOSTORE);
	if (ly_ctx_new(dir, LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD, &y->ctx)) {
		wf_err(err, -EINVAL, "%s: libyang can't use this folder of YANG modules", dir);
		free(y);
		return NULL;
	}
	for (; *modules; modules++) {
		if (!ly_ctx_load_module(y->ctx, *modules, NULL, NULL)) {
			char name[PATH_MAX];

			snprintf(name, sizeof name, "%s/%s.yang", dir, *modules);
			report(y, name, err);
			wf_yang_free(y);
			return NULL;
		}
	}
	return y;
}

void
wf_yang_free(struct wf_yang *y)
{
	if (!y)
		return;
	ly_ctx_destroy(y->ctx);
	free(y);
}

/* Files may be typed by hand: an 'é' typed in Latin-1, a missing comma.  jansson names line and
 * column of what is not JSON at all, and finds members that are given twice. */
static int
check_json(const char *name, const char *text, struct wf_err *err)
{
	json_error_t e;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &e);

	if (!json)
		return wf_err(err, -EINVAL, "%s:%d:%d: not valid JSON: %s", name, e.line, e.column,
			      e.text);
	if (!json_is_object(json)) {
		json_decref(json);
		return wf_err(err, -EINVAL, "%s:1: the text must be one JSON object, {...}", name);
	}
	json_decref(json);
	return 0;
}

int
wf_yang_load_text(struct wf_yang *y, const char *name, const char *text, json_t **ret,
		  struct wf_err *err)
{
	struct lyd_node *tree = NULL;
	char *printed = NULL;
	int rc = check_json(name, text, err);

	if (rc)
		return rc;
	ly_err_clean(y->ctx, NULL);
	if (lyd_parse_data_mem(y->ctx, text, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_NO_STATE,
			       LYD_VALIDATE_NO_STATE, &tree))
		return report(y, name, err);
	if (lyd_print_mem(&printed, tree, LYD_JSON,
			  LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK | LYD_PRINT_WD_ALL)) {
		lyd_free_all(tree);
		return report(y, name, err);
	}
	lyd_free_all(tree);
	*ret = json_loads(printed ? printed : "{}", 0, NULL);
	free(printed);
	return *ret ? 0 : wf_err(err, -ENOMEM, "%s: libyang's own JSON can't be read back", name);
}

int
wf_yang_load_file(struct wf_yang *y, const char *path, json_t **ret, struct wf_err *err)
{
	struct wf_str text = WF_STR_INIT;
	int rc = wf_file_read_text(path, MAX_FILE_SIZE, &text, err);

	if (!rc)
		rc = wf_yang_load_text(y, path, wf_str_cstr(&text), ret, err);
	wf_str_done(&text);
	return rc;
}

const char *
wf_json_str(const json_t *object, const char *key, const char *def)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? json_string_value(v) : def;
}

const json_t *
wf_json_named(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!strcmp(wf_json_str(o, "name", ""), name))
			return o;
	return NULL;
}

uint64_t
wf_json_u64(const json_t *object, const char *key, uint64_t def)
{
	const json_t *v = json_object_get(object, key);

	if (json_is_integer(v))
		return json_integer_value(v);
	return json_is_string(v) ? strtoull(json_string_value(v), NULL, 10) : def;
}

double
wf_json_dec(const json_t *object, const char *key, double def)
{
	const json_t *v = json_object_get(object, key);

	if (json_is_number(v))
		return json_number_value(v);
	return json_is_string(v) ? strtod(json_string_value(v), NULL) : def;
}

bool
wf_json_bool(const json_t *object, const char *key, bool def)
{
	const json_t *v = json_object_get(object, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

bool
wf_json_empty(const json_t *object, const char *key)
{
	return json_is_array(json_object_get(object, key));
}

bool
wf_json_has(const json_t *object, const char *key)
{
	return json_object_get(object, key) != NULL;
}
