// SPDX-License-Identifier: Apache-2.0
/* Asks a name server over UDP as fast as it answers, with a bounded number of questions under way:
 *   dns_load PORT SECONDS MODE NAMES
 * MODE: static (n0 ... nNAMES-1 .example.com A), ecs (www.example.com A with a random /24 of 10/8),
 * random (a random name below example.com, never the same again); with ":TLD" behind it DO=1 and
 * example.TLD instead of example.com.  Prints answers, seconds, and answers per rcode.
 * Costs less than the server: 64 messages a system call, questions made ahead. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH    64
#define UNDERWAY 256
#define N_READY  8192 /* questions, used in turn */

static struct {
	uint8_t bytes[128];
	size_t size;
} ready[N_READY];

static size_t
put_label(uint8_t *p, const char *label)
{
	p[0] = strlen(label);
	memcpy(p + 1, label, p[0]);
	return 1u + p[0];
}

static void
make(unsigned i, const char *mode, unsigned n_names, unsigned *seed)
{
	static const uint8_t head[12] = { 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
	const char *tld = strchr(mode, ':');
	bool ecs = !strncmp(mode, "ecs", 3);
	uint8_t *p = ready[i].bytes;
	char label[32];
	size_t n = 12;

	memcpy(p, head, 12);
	p[0] = i >> 8;
	p[1] = i;
	if (ecs)
		strcpy(label, "www");
	else if (!strncmp(mode, "random", 6))
		snprintf(label, sizeof label, "%08x%04x", rand_r(seed), rand_r(seed) & 0xffff);
	else
		snprintf(label, sizeof label, "n%u", rand_r(seed) % n_names);
	n += put_label(p + n, label);
	n += put_label(p + n, "example");
	n += put_label(p + n, tld ? tld + 1 : "com");
	memcpy(p + n, "\0\0\1\0\1\0\0\x29\x04\xd0\0\0\0\0\0\0", 16);
	n += 16;
	if (tld)
		p[n - 4] = 0x80;
	if (ecs) {
		p[n - 1] = 11;
		memcpy(p + n, "\0\x08\0\7\0\1\x18\0\x0a", 9);
		p[n + 9] = rand_r(seed);
		p[n + 10] = rand_r(seed);
		n += 11;
	}
	ready[i].size = n;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int
main(int argc, char *argv[])
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct mmsghdr out[BATCH] = { 0 }, in[BATCH] = { 0 };
	struct iovec out_iov[BATCH], in_iov[BATCH];
	static uint8_t answers[BATCH][4096];
	unsigned long n_answers = 0, n_lost = 0, rcodes[16] = { 0 };
	unsigned under_way = 0, next = 0, seed = 7, serial = getpid() << 8;
	bool random = argc > 3 && !strncmp(argv[3], "random", 6);
	double began, end;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;

	if (argc != 5) {
		fprintf(stderr, "usage: dns_load PORT SECONDS static|ecs|random[:TLD] NAMES\n");
		return 2;
	}
	to.sin_port = htons(atoi(argv[1]));
	for (unsigned i = 0; i < N_READY; i++)
		make(i, argv[3], atoi(argv[4]), &seed);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) {
		perror("connect");
		return 1;
	}
	for (unsigned i = 0; i < BATCH; i++) {
		in_iov[i] = (struct iovec){ answers[i], sizeof answers[i] };
		in[i].msg_hdr.msg_iov = &in_iov[i];
		out[i].msg_hdr.msg_iov = &out_iov[i];
		in[i].msg_hdr.msg_iovlen = out[i].msg_hdr.msg_iovlen = 1;
	}
	began = now();
	end = began + atof(argv[2]);
	while (now() < end) {
		struct pollfd p = { fd, POLLIN, 0 };
		unsigned n = UNDERWAY - under_way < BATCH ? UNDERWAY - under_way : BATCH;
		int got;

		for (unsigned i = 0; i < n; i++) {
			/* The first letters of the label count on. */
			for (unsigned k = 0; random && k < 6; k++)
				ready[next].bytes[13 + k] = 'a' + (serial >> 4 * k & 15);
			serial++;
			out_iov[i] = (struct iovec){ ready[next].bytes, ready[next].size };
			next = (next + 1) % N_READY;
		}
		got = n ? sendmmsg(fd, out, n, 0) : 0;
		if (got > 0)
			under_way += got;
		if (under_way == UNDERWAY && !poll(&p, 1, 200)) {
			n_lost += under_way; /* as if answered, so that the run goes on */
			under_way = 0;
			continue;
		}
		got = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < got; i++)
			if (in[i].msg_len >= 12)
				rcodes[answers[i][3] & 15]++;
		if (got > 0) {
			n_answers += got;
			under_way -= under_way < (unsigned)got ? under_way : (unsigned)got;
		}
	}
	printf("%lu %.3f lost %lu rcodes", n_answers, now() - began, n_lost);
	for (int i = 0; i < 16; i++)
		if (rcodes[i])
			printf(" %d:%lu", i, rcodes[i]);
	printf("\n");
	close(fd);
	return n_answers ? 0 : 1;
}
