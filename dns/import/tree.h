/* SPDX-License-Identifier: Apache-2.0 */
/* Another server's configuration as a tree of strings, lists and maps, each with file and line: gdnsd's syntax (vscf,
 * gdnsd.config(5) "LOW-LEVEL SYNTAX") and the part of YAML that Knot's files are made of.
 * Memory: the parser owns all of a tree; nothing of it outlives imp_tree_done(). */
#ifndef WEFT_DNS_IMPORT_TREE_H
#define WEFT_DNS_IMPORT_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum imp_kind { IMP_STRING, IMP_LIST, IMP_MAP };

struct imp_value {
	enum imp_kind kind;
	const char *file;
	unsigned line;
	const char *text;  /* of a string */
	const char **keys; /* of a map */
	struct imp_value **values;
	size_t n;
};

struct imp_tree {
	void **blocks;
	size_t n_blocks, n_files;
};

#define IMP_TREE_INIT { NULL, 0, 0 }

void imp_tree_done(struct imp_tree *);
/* Memory that lives as long as the tree. */
void *imp_alloc(struct imp_tree *, size_t);
char *imp_text(struct imp_tree *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Return the map of the file, or NULL with "FILE:LINE: what". */
struct imp_value *imp_vscf_read(struct imp_tree *, const char *file, struct wf_err *);
struct imp_value *imp_yaml_read(struct imp_tree *, const char *file, struct wf_err *);

struct imp_value *imp_value_new(struct imp_tree *, enum imp_kind, const char *file, unsigned line);
/* 'key' is NULL in a list. */
void imp_value_add(struct imp_tree *, struct imp_value *, const char *key, struct imp_value *);

/* NULL if the map, which may be NULL or no map, does not have it. */
const struct imp_value *imp_get(const struct imp_value *map, const char *key);
/* The string of 'key', else 'otherwise'. */
const char *imp_str(const struct imp_value *map, const char *key, const char *otherwise);
/* A single value stands for a list of one; NULL has none. */
size_t imp_len(const struct imp_value *);
const struct imp_value *imp_at(const struct imp_value *, size_t index);
bool imp_true(const struct imp_value *map, const char *key);
bool imp_number(const struct imp_value *, double *ret);

/* 'name' beside the file 'beside', if it is relative. */
char *imp_path(struct imp_tree *, const char *beside, const char *name);

#endif
