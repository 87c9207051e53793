/* SPDX-License-Identifier: Apache-2.0 */
/* Between the loop and the streams. */
#ifndef WEFT_BASE_LOOP_INTERNAL_H
#define WEFT_BASE_LOOP_INTERNAL_H

/* Called last in each turn, when nothing else will write: sends what was queued. */
extern void (*wf_loop_flush)(void);

#endif
