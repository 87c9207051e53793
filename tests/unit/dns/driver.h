/* SPDX-License-Identifier: Apache-2.0 */
/* The program of bpf/dns_answer.bpf.c, compiled natively, with maps that dns/server/xdp_fill.c writes as it does for
 * the kernel: frames in, frames out.  One at a time; the clock and the draws are the caller's. */
#ifndef WEFT_TESTS_UNIT_DNS_DRIVER_H
#define WEFT_TESTS_UNIT_DNS_DRIVER_H

#include "bpf/dns_abi.h"
#include "dns/answer/answer.h"

enum driver_did { DRIVER_PASSED, DRIVER_DROPPED, DRIVER_SENT };

void driver_init(void);
void driver_done(void);
void driver_clock(uint64_t mono_ns, uint64_t wall_ns);
/* As the daemon does it: nothing is answered between the two. */
void driver_suspend(void);
void driver_resume(const struct dns_view *, unsigned limit_per_s, bool policies_only);
/* All answers with DO=1 that can be made. */
void driver_sign(const struct dns_view *);
void driver_heat(const struct dns_view *, const char *name, unsigned type);
/* The rate limiter's table, and the one that the program goes on from. */
uint64_t *driver_buckets(void);
void driver_set_limited(unsigned n_limited);
const struct dns_x_stats *driver_stats(void);

/* What may be odd about a frame. */
struct driver_frame {
	uint16_t port;	   /* of the client */
	uint32_t draw;	   /* that the kernel gives */
	bool no_tail_room; /* the driver has none behind the packet */
};
/* The query in a frame from that client to a configured address.  An answer's frame is checked here: who it goes to,
 * lengths and sums. */
enum driver_did driver_ask(const struct dns_client *, const struct driver_frame *, const uint8_t *msg, size_t size,
			   uint8_t *answer, size_t *ret_size);

#endif
