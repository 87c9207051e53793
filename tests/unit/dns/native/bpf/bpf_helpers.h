/* SPDX-License-Identifier: Apache-2.0 */
/* Instead of libbpf's header of this name, for programs that unit tests compile natively: maps are names, and the helpers
 * are functions of tests/unit/dns/driver.c. */
#ifndef WEFT_TESTS_UNIT_DNS_NATIVE_BPF_HELPERS_H
#define WEFT_TESTS_UNIT_DNS_NATIVE_BPF_HELPERS_H

#include <linux/bpf.h>

#define SEC(NAME)
#define __uint(NAME, VALUE) int (*NAME)[VALUE]
#define __type(NAME, TYPE) __typeof__(TYPE) *NAME
#define __array(NAME, TYPE) __typeof__(TYPE) *NAME[]

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_xdp_load_bytes(struct xdp_md *, __u32 offset, void *to, __u32 size);
long bpf_xdp_store_bytes(struct xdp_md *, __u32 offset, const void *from, __u32 size);
long bpf_xdp_adjust_head(struct xdp_md *, int delta);
long bpf_xdp_adjust_tail(struct xdp_md *, int delta);
long bpf_ringbuf_output(void *ring, const void *data, __u64 size, __u64 flags);
__u64 bpf_ktime_get_coarse_ns(void);
__u32 bpf_get_prandom_u32(void);

#endif
