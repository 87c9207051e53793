/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/drop.h"

#include <ctype.h>
#include <string.h>

static const char *const names[DROP_N_REASONS] = {
	"none",
#define WF_DROP(NAME, TEXT) #NAME,
#include "dataplane/drop.def"
#undef WF_DROP
};

static const char *const texts[DROP_N_REASONS] = {
	"not dropped",
#define WF_DROP(NAME, TEXT) TEXT,
#include "dataplane/drop.def"
#undef WF_DROP
};

static char lower_names[DROP_N_REASONS][48];

__attribute__((constructor)) static void
make_names(void)
{
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		for (unsigned j = 0; names[i][j] && j + 1 < sizeof(lower_names[i]); j++)
			lower_names[i][j] = tolower((unsigned char)names[i][j]);
}

const char *
drop_name(enum drop_reason reason)
{
	return (unsigned)reason < DROP_N_REASONS ? lower_names[reason] : "unknown";
}

const char *
drop_text(enum drop_reason reason)
{
	return (unsigned)reason < DROP_N_REASONS ? texts[reason] : "unknown reason";
}

static _Thread_local _Atomic uint64_t *my_counters;
/* For threads that own none: ports may drop on threads that are no workers. */
static _Atomic uint64_t shared_counters[DROP_N_REASONS];

void
drop_use_counters(_Atomic uint64_t counters[DROP_N_REASONS])
{
	my_counters = counters;
}

void
drop_count(enum drop_reason reason, unsigned n)
{
	_Atomic uint64_t *c = my_counters;

	if (c)
		atomic_store_explicit(&c[reason],
				      atomic_load_explicit(&c[reason], memory_order_relaxed) + n,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&shared_counters[reason], n, memory_order_relaxed);
}

void
drop_add_shared(uint64_t totals[DROP_N_REASONS])
{
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		totals[i] += atomic_load_explicit(&shared_counters[i], memory_order_relaxed);
}
