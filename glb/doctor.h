/* SPDX-License-Identifier: Apache-2.0 */
/* What usually breaks direct return and tunnels on this host. */
#ifndef WEFT_GLB_DOCTOR_H
#define WEFT_GLB_DOCTOR_H

#include "base/buf.h"
#include "glb/config.h"

/* What the configuration alone leaves open, a line "note: ..." each. */
void glb_doctor_config(const struct glb_config *, struct wf_str *);
/* The same, and a line per finding, with the command that mends it; returns the number of findings. */
unsigned glb_doctor(const struct glb_config *, struct wf_str *);

#endif
