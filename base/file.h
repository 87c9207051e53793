/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files.  Threads: any. */
#ifndef WEFT_BASE_FILE_H
#define WEFT_BASE_FILE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the file to 'ret'.  Returns 0, or a negative errno with "PATH: why": not there, a folder,
 * more than 'max_size' bytes (-EFBIG).  'ret' may hold a part then. */
int wf_file_read(const char *path, size_t max_size, struct wf_str *ret, struct wf_err *err);
/* The same for text: a NUL byte in it is -EINVAL. */
int wf_file_read_text(const char *path, size_t max_size, struct wf_str *ret, struct wf_err *err);
/* All of it, to a descriptor that blocks.  Returns 0 or a negative errno; -ENOSPC: it takes no more. */
int wf_write_all(int fd, const void *data, size_t size);
/* Readers see the old file or the new one, also after a crash of the machine. */
int wf_file_replace(const char *path, const void *data, size_t size, struct wf_err *err);

#endif
