/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. */
#ifndef WEFT_GLB_FILE_H
#define WEFT_GLB_FILE_H

#include <stddef.h>

#include "base/err.h"

/* Returns the bytes, with a NUL behind them (caller frees), or NULL with 'err': unreadable, or more than
 * 1 GiB. */
char *glb_file_read(const char *path, size_t *ret_len, struct wf_err *);
/* Readers see the old file or the new one, also after a crash of the machine. */
int glb_file_replace(const char *path, const char *bytes, size_t len, struct wf_err *);

#endif
