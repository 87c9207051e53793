/* SPDX-License-Identifier: Apache-2.0 */
/* gdnsd's or Knot's configuration and zone files as ours (docs/dns-import.md). */
#ifndef WEFT_DNS_IMPORT_IMPORT_H
#define WEFT_DNS_IMPORT_IMPORT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct imp_file {
	char *name; /* in the folder of the configuration */
	struct wf_str text;
};

struct dns_import {
	json_t *dns;	     /* what "weft-dns:dns" holds */
	struct wf_str notes; /* a line "FILE:LINE: ..." for each thing that is not taken over */
	struct imp_file *files;
	size_t n_files;
};

/* Read 'file' and those that it names; write nothing.  Return 0, or a negative errno with "FILE:LINE: what".
 * dns_import_done() in either case. */
int dns_import_gdnsd(struct dns_import *, const char *file, struct wf_err *);
int dns_import_knot(struct dns_import *, const char *file, struct wf_err *);
void dns_import_done(struct dns_import *);

/* "weftctl dns import gdnsd|knot FILE FOLDER"; argv are the three arguments.  Returns an exit code. */
int dns_import_main(char *argv[]);

#endif
