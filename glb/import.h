/* SPDX-License-Identifier: Apache-2.0 */
/* What another balancer's configuration says, as a wanted file and a configuration of weft-glb (docs/glb-import.md). */
#ifndef WEFT_GLB_IMPORT_H
#define WEFT_GLB_IMPORT_H

#include "base/buf.h"
#include "base/err.h"

enum glb_import_kind {
	GLB_IMPORT_KATRAN,     /* commands of its client, one a line: -A -t VIP:PORT, -a -t VIP:PORT -r REAL -w WEIGHT */
	GLB_IMPORT_IPVS,       /* what ipvsadm -S -n prints */
	GLB_IMPORT_KEEPALIVED, /* keepalived.conf */
};

/* Appends the two texts, and a line "NAME:LINE: ..." per thing that is not taken over.  -EINVAL: not of that form. */
int glb_import(enum glb_import_kind, const char *name, const char *text, struct wf_str *ret_wanted,
	       struct wf_str *ret_config, struct wf_str *ret_notes, struct wf_err *);

/* "weftctl glb import katran|ipvs|keepalived FILE FOLDER"; argv[0] is "import".  Returns an exit code. */
int glb_import_main(int argc, char *argv[]);

#endif
