// SPDX-License-Identifier: Apache-2.0
#include "dns/server/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

int
dns_socket_open(int type, const struct sockaddr_storage *at, int *ret_fd, struct wf_err *err)
{
	bool v4 = at->ss_family == AF_INET;
	socklen_t size = v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)at;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)at;
	char text[INET6_ADDRSTRLEN] = "";
	int fd, on = 1, rc;

	inet_ntop(at->ss_family, v4 ? (const void *)&in4->sin_addr : &in6->sin6_addr, text,
		  sizeof text);
	fd = socket(at->ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return wf_err(err, -errno, "listen %s: %s", text, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)at, size) ||
	    (type == SOCK_STREAM && listen(fd, 1024))) {
		rc = -errno;
		wf_err(err, rc, "listen %s, port %u: %s%s", text, ntohs(in4->sin_port), strerror(errno),
		       errno == EADDRINUSE	? "; another name server has it: name single addresses in \"listen\", or stop it" :
		       errno == EADDRNOTAVAIL	? "; the address is not one of this host" :
		       errno == EACCES		? "; ports below 1024 take CAP_NET_BIND_SERVICE" : "");
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}
