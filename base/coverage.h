/* SPDX-License-Identifier: Apache-2.0 */
/* Named event counters for "coverage/show" and "coverage/read-counter".
 *   WF_COVERAGE(flow_extract);  ...  wf_coverage_inc(flow_extract);
 * Threads: any; relaxed atomic adds.  Not for per-packet work: workers keep their own.
 */
#ifndef WEFT_BASE_COVERAGE_H
#define WEFT_BASE_COVERAGE_H

#include <stdatomic.h>
#include <stdint.h>

struct wf_coverage {
	const char *name;
	_Atomic uint64_t total;
	struct wf_coverage *next;
	uint64_t last, per_5s[12], per_min[60]; /* main thread's history of rates */
};
#define WF_COVERAGE(NAME)                                                                      \
	static struct wf_coverage wf_cov_##NAME = { .name = #NAME };                           \
	__attribute__((constructor)) static void wf_cov_reg_##NAME(void)                       \
	{                                                                                      \
		wf_coverage_register(&wf_cov_##NAME);                                          \
	}                                                                                      \
	struct wf_log_swallow_semicolon
#define wf_coverage_inc(NAME)                                                                  \
	atomic_fetch_add_explicit(&wf_cov_##NAME.total, 1, memory_order_relaxed)
#define wf_coverage_add(NAME, N)                                                               \
	atomic_fetch_add_explicit(&wf_cov_##NAME.total, N, memory_order_relaxed)

void wf_coverage_register(struct wf_coverage *);
/* Called before counters are read: for totals that are kept elsewhere.  Main; once. */
void wf_coverage_before_read(void (*fn)(void));
void wf_coverage_init(void); /* timers and unixctl commands */

#endif
