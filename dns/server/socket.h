/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEFT_DNS_SERVER_SOCKET_H
#define WEFT_DNS_SERVER_SOCKET_H

#include <sys/socket.h>

#include "base/err.h"

/* A bound, non-blocking socket that shares its address with those of other workers. */
int dns_socket_open(int type, const struct sockaddr_storage *at, int *ret_fd, struct wf_err *);

#endif
