/* SPDX-License-Identifier: Apache-2.0 */
/* Named drop reasons and their counters.  A packet that does not leave is counted under
 * exactly one reason; nothing is dropped without. */
#ifndef WEFT_DATAPLANE_DROP_H
#define WEFT_DATAPLANE_DROP_H

#include <stdint.h>

enum drop_reason {
	DROP_NONE,
#define WF_DROP(NAME, TEXT) DROP_##NAME,
#include "dataplane/drop.def"
#undef WF_DROP
	DROP_N_REASONS
};

const char *drop_name(enum drop_reason); /* "out_no_port" */
const char *drop_text(enum drop_reason);
/* Totals over all threads (each thread counts for itself in its struct worker). */
void drop_totals(uint64_t totals[DROP_N_REASONS]);

#endif
