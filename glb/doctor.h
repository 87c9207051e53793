/* SPDX-License-Identifier: Apache-2.0 */
/* What usually breaks direct return and tunnels on this host. */
#ifndef WEFT_GLB_DOCTOR_H
#define WEFT_GLB_DOCTOR_H

#include "base/buf.h"
#include "glb/config.h"

/* Writes a line per finding, with the command that mends it; returns their number. */
unsigned glb_doctor(const struct glb_config *, struct wf_str *);

#endif
