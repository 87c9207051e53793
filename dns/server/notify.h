/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY to the secondaries of zones whose serial is new (RFC 1996), over UDP, signed if their
 * entry names a key; repeated until they answer, six times at most. Threads: main. */
#ifndef WEFT_DNS_SERVER_NOTIFY_H
#define WEFT_DNS_SERVER_NOTIFY_H

#include "dns/server/config.h"

/* Compares the zones of two views; 'old' is NULL at the start. */
void dns_notify_changes(const struct dns_conf *, const struct dns_view *old,
			const struct dns_view *now);
/* One zone, whose serial has changed. */
void dns_notify_zone(const struct dns_conf *, const struct dns_view *, const struct dns_name *);
void dns_notify_stop(void);

#endif
