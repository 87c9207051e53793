/* SPDX-License-Identifier: Apache-2.0 */
/* The flow cache of one worker: from the words of a key that the layout names, exactly
 * compared, to a plan.  See docs/architecture.md.  One thread; the main thread reads counters. */
#ifndef WEFT_DATAPLANE_CACHE_H
#define WEFT_DATAPLANE_CACHE_H

#include "dataplane/plan.h"
#include "dataplane/view.h"

struct cache;

#endif
