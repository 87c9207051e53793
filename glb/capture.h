/* SPDX-License-Identifier: Apache-2.0 */
/* weftctl glb capture: what the programs saw and what became of it, as pcapng or as a JSON object a line.
 * One capture at a time.  It ends by itself when nobody asks for it for five seconds.  Threads: main. */
#ifndef WEFT_GLB_CAPTURE_H
#define WEFT_GLB_CAPTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "glb/datapath.h"

struct glb_capture_args {
	const char *path;
	bool json;
	uint64_t count; /* packets, after which it ends; 0: none */
	struct glb_capture_want want;
};

/* 'dp' points to the data path in force, whichever that is later.  -EBUSY: somebody captures. */
int glb_capture_start(struct glb_datapath **dp, const struct glb_capture_args *, struct wf_err *);
/* Appends "running" or why it ended, and counts.  Whoever captures asks at least every five seconds. */
void glb_capture_poll(struct wf_str *);
void glb_capture_stop(void);

#endif
