/* SPDX-License-Identifier: Apache-2.0 */
/* Zone transfers out: AXFR (RFC 5936) and IXFR (RFC 1995): with the differences, if the zone has
 * those since the client's serial, else in the same way; by the SOA alone for who is up to date.
 *
 * Threads: the worker that has the connection.  A transfer holds a reference on its zone and a copy
 * of its key, so that it ends with what it began with, whatever is reloaded meanwhile. */
#ifndef WEFT_DNS_ANSWER_TRANSFER_H
#define WEFT_DNS_ANSWER_TRANSFER_H

#include "dns/answer/answer.h"
#include "dns/answer/tsig.h"

struct dns_transfer;

/* For a query that dns_answer() called DNS_TRANSFER.  Returns the transfer, or NULL and a whole
 * answer (an error, or the SOA alone) of '*ret_size' bytes in 'out', which has room for
 * DNS_MESSAGE_MAX. */
struct dns_transfer *dns_transfer_begin(const struct dns_view *, struct dns_context *,
					const struct dns_client *, const uint8_t *msg, size_t size,
					uint8_t *out, size_t *ret_size);
/* Writes the next message; returns its size, or 0 if the one before was the last. */
size_t dns_transfer_next(struct dns_transfer *, const struct dns_context *, uint8_t *out);
void dns_transfer_free(struct dns_transfer *);

#endif
