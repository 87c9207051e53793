/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
#ifndef WEFT_TESTS_BENCH_DNS_XDP_LOAD_H
#define WEFT_TESTS_BENCH_DNS_XDP_LOAD_H

#include <linux/types.h>

#define DNS_LOAD_QUERIES 8192

struct dns_load_query {
	__u32 size;
	__u8 bytes[128];
};

struct dns_load_state {
	__u64 window, sent, good, bad, lost, last_ns;
};

#endif
