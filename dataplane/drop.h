/* SPDX-License-Identifier: Apache-2.0 */
/* Named drop reasons and their counters.  A packet that does not leave is counted under
 * exactly one reason; nothing is dropped without. */
#ifndef WEFT_DATAPLANE_DROP_H
#define WEFT_DATAPLANE_DROP_H

#include <stdatomic.h>
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
/* Counts 'n' packets under a reason, for the calling thread.  Any thread. */
void drop_count(enum drop_reason, unsigned n);
/* Totals over all threads (each thread counts for itself in its struct worker). */
void drop_totals(uint64_t totals[DROP_N_REASONS]);
/* drop_coverage.c: the reasons as events of coverage/show, "drop_out_no_port", and as Open vSwitch
 * groups them, "drop_action_of_pipeline".  Main, once. */
void drop_coverage_init(void);

/* For worker.c: the counters of the calling thread, which it alone writes (NULL: the ones that
 * threads without any share), and what those hold. */
void drop_use_counters(_Atomic uint64_t counters[DROP_N_REASONS]);
void drop_add_shared(uint64_t totals[DROP_N_REASONS]);

#endif
