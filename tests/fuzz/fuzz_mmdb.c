// SPDX-License-Identifier: Apache-2.0
/* MaxMind databases: any bytes are refused with a message, or read in bounded time. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/location.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* libmaxminddb 1.7 does not free what it has read of metadata that it then refuses. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", 0);
	char path[64];
	const char *file = path;
	struct loc_conf conf = { .mmdb_files = &file, .n_mmdb_files = 1 };
	struct wf_err err = { "" };

	if (fd < 0)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size) {
		struct loc_db *db = loc_db_load(&conf, &err);

		if (!db && strncmp(err.text, path, strlen(path)))
			abort();
		loc_db_free(db);
	}
	close(fd);
	return 0;
}
