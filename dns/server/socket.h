/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEFT_DNS_SERVER_SOCKET_H
#define WEFT_DNS_SERVER_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

/* A bound, non-blocking socket that shares its address with those of other workers; 'place' counts them. */
int dns_socket_open(int type, const struct sockaddr_storage *at, unsigned place, int *ret_fd, struct wf_err *);

/* From one process to the next (handover.h).  dns_socket_open() takes such a one where there is one; what waits in it
 * is not lost. */
void dns_socket_hand_in(int fd, unsigned place);
enum dns_socket_handed {
	DNS_SOCKET_NEW,    /* nobody listened there */
	DNS_SOCKET_MORE,   /* others were handed in of that address: once it is open, it gets a share of what comes */
	DNS_SOCKET_HANDED,
	DNS_SOCKET_TAKEN,  /* it was, and dns_socket_open() has returned it */
};
enum dns_socket_handed dns_socket_handed(int type, const struct sockaddr_storage *at, unsigned place);
/* One more than the last place of those that were handed in. */
unsigned dns_socket_handed_places(void);
void dns_socket_forget_handed(void); /* closes what nobody took */

#endif
