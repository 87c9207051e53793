/* SPDX-License-Identifier: Apache-2.0 */
/* Asks this server its own questions, over UDP at each address that it listens on, and tells a script
 * whether its addresses may be announced: "announce" after some good rounds, "withdraw" after some bad ones
 * and at the end.  A round is good when each question gets an authoritative NOERROR at each address in
 * time.  Its queries come from ports of their own, so that they reach all workers in turn.
 * Threads: main. */
#ifndef WEFT_DNS_SERVER_SELFTEST_H
#define WEFT_DNS_SERVER_SELFTEST_H

#include "dns/server/config.h"

/* At the start and after each reload; 'c' must live until the next call. */
void dns_selftest_configure(const struct dns_conf *c);
void dns_selftest_show(struct wf_str *);
/* The next process asks the questions; its addresses stay announced. */
void dns_selftest_leave(void);
/* Says "withdraw" and waits a second at most for the script. */
void dns_selftest_stop(void);

#endif
