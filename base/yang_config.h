/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: JSON (RFC 7951) checked against YANG modules by libyang.
 *
 *   struct wf_yang *y = wf_yang_new((const char *const[]){ "weft-dns", NULL }, &err);
 *   rc = wf_yang_load_file(y, "/etc/weft/dns.json", &conf, &err);
 *   json_t *pools = json_object_get(json_object_get(conf, "weft-dns:dns"), "pool");
 *   wf_yang_free(y);
 *
 * What comes back is plain jansson: every leaf with a default is there, numbers are in their
 * ranges, references point at something, so that its reader looks at meaning only.  As in RFC 7951,
 * 64-bit integers and decimals are strings; the getters below read them. Lists come in the order of
 * the file where the module says "ordered-by user", and in no promised order elsewhere.
 *
 * An error says file and line, the path in the data, the value, the rule (the module's own
 * error-message where it has one, else what the type allows) and, where it can, the way out.
 *
 * Where modules are looked for, the first that exists: WEFT_YANGDIR of the environment (folders, by
 * :); yang/ of the build folder that the program was built in, if it still lies there; the
 * installed DATADIR/weft/yang.
 *
 * Threads: one at a time for each object; several objects do not share anything.
 * Link with 'base_yang', not 'base': the switch does without libyang.
 */
#ifndef WEFT_BASE_YANG_CONFIG_H
#define WEFT_BASE_YANG_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct wf_yang;

/* The folder of the modules, or NULL if there is none.  Static storage. */
const char *wf_yang_dir(void);

/* Reads the named modules (a list that ends with NULL) and what they import.  Returns NULL with
 * 'err'. */
struct wf_yang *wf_yang_new(const char *const *modules, struct wf_err *err);
void wf_yang_free(struct wf_yang *);

/* Returns 0 and in '*ret' an object that the caller owns (json_decref()), or a negative errno with
 * 'err': -ENOENT and the like if the file can't be read, -EINVAL if it does not follow the modules.
 */
int wf_yang_load_file(struct wf_yang *, const char *path, json_t **ret, struct wf_err *err);
/* The same for a text; 'name' stands in messages where the file name would. */
int wf_yang_load_text(struct wf_yang *, const char *name, const char *text, json_t **ret,
		      struct wf_err *err);

/* Members of a checked object.  One that is not there (an optional leaf without default) gives
 * 'def'. */
const char *wf_json_str(const json_t *object, const char *key, const char *def);
uint64_t wf_json_u64(const json_t *object, const char *key, uint64_t def); /* number or "number" */
double wf_json_dec(const json_t *object, const char *key, double def);	   /* decimal64 */
bool wf_json_bool(const json_t *object, const char *key, bool def);
/* True if the leaf of type 'empty' is there: [null]. */
bool wf_json_empty(const json_t *object, const char *key);
/* The entry of a list whose leaf "name" is that; NULL: none. */
const json_t *wf_json_named(const json_t *list, const char *name);
bool wf_json_has(const json_t *object, const char *key);

#endif
