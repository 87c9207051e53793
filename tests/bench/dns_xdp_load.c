// SPDX-License-Identifier: Apache-2.0
/* Asks a name server over a veth device as fast as it answers, from below the stack (dns_xdp_load.bpf.c):
 *   dns_xdp_load DEVICE SOURCE TARGET TARGET-MAC SECONDS MODE NAMES
 * MODE: static (n0 ... nNAMES-1 .example.com A), ecs (www.example.com A with a random /24 of 10/8).
 * Prints answers, seconds, lost, bad, and CPU ns of this process, in which all is run that the kernel does for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "tests/bench/dns_xdp_load.h"
#include "tests/bench/dns_xdp_load_bpf.h"

#define WINDOW 192 /* a veth device's ring takes 256 */
#define TURN   65536

static size_t
put_label(uint8_t *p, const char *label)
{
	p[0] = strlen(label);
	memcpy(p + 1, label, p[0]);
	return 1u + p[0];
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void
make(struct dns_load_query *q, unsigned i, const uint8_t head[34], bool ecs, unsigned n_names, unsigned *seed)
{
	uint8_t *p = q->bytes;
	size_t n = 14 + 20 + 8 + 12;
	unsigned sum = 0;
	char label[32];

	memcpy(p, head, 34);
	put16(p + 34, 1024 + i);
	put16(p + 36, 53);
	memset(p + 40, 0, 14); /* no checksum: IPv4 may */
	put16(p + 42, i);
	p[47] = 1; /* a question */
	p[53] = 1; /* OPT */
	snprintf(label, sizeof label, ecs ? "www" : "n%u", rand_r(seed) % n_names);
	n += put_label(p + n, label);
	n += put_label(p + n, "example");
	n += put_label(p + n, "com");
	memcpy(p + n, "\0\0\1\0\1\0\0\x29\x04\xd0\0\0\0\0\0\0", 16);
	n += 16;
	if (ecs) {
		p[n - 1] = 11;
		memcpy(p + n, "\0\x08\0\7\0\1\x18\0\x0a", 9);
		p[n + 9] = rand_r(seed);
		p[n + 10] = rand_r(seed);
		n += 11;
	}
	put16(p + 16, n - 14);
	put16(p + 38, n - 34);
	for (int k = 14; k < 34; k += 2)
		sum += k == 24 ? 0 : p[k] << 8 | p[k + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(p + 24, ~((sum & 0xffff) + (sum >> 16)));
	q->size = n;
}

static double
seconds(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int
fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

int
main(int argc, char *argv[])
{
	LIBBPF_OPTS(bpf_link_create_opts, link, .flags = XDP_FLAGS_DRV_MODE);
	struct bpf_object *o = bpf_object__open_mem(dns_xdp_load_bpf, sizeof dns_xdp_load_bpf, NULL);
	struct xdp_md context = { 0 };
	struct dns_load_query q = { 0 };
	uint8_t head[34] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 17 };
	struct dns_load_state *s;
	struct ifreq r = { 0 };
	unsigned index, seed = 7, zero = 0, mac[6];
	double began, cpu, end;
	int map, ask, count, fd;

	if (argc != 8 || sscanf(argv[4], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6) {
		fprintf(stderr, "usage: dns_xdp_load DEVICE SOURCE TARGET TARGET-MAC SECONDS static|ecs NAMES\n");
		return 2;
	}
	index = if_nametoindex(argv[1]);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", argv[1]);
	if (!index || ioctl(fd, SIOCGIFHWADDR, &r))
		return fail(argv[1]);
	close(fd);
	for (int i = 0; i < 6; i++)
		head[i] = mac[i];
	memcpy(head + 6, r.ifr_hwaddr.sa_data, 6);
	inet_pton(AF_INET, argv[2], head + 26);
	inet_pton(AF_INET, argv[3], head + 30);
	if (!o || bpf_object__load(o))
		return fail("programs");
	map = bpf_object__find_map_fd_by_name(o, "queries");
	for (unsigned i = 0; i < DNS_LOAD_QUERIES; i++) {
		make(&q, i, head, !strcmp(argv[6], "ecs"), atoi(argv[7]), &seed);
		if (bpf_map_update_elem(map, &i, &q, BPF_ANY))
			return fail("map of queries");
	}
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(o, "device"), &zero, &index, BPF_ANY))
		return fail("map of the device");
	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_object__find_map_fd_by_name(o, "state"), 0);
	if (s == MAP_FAILED)
		return fail("map of the state");
	ask = bpf_program__fd(bpf_object__find_program_by_name(o, "dns_xdp_ask"));
	count = bpf_program__fd(bpf_object__find_program_by_name(o, "dns_xdp_count"));
	if (bpf_link_create(count, (int)index, BPF_XDP, &link) < 0)
		return fail("attaching the counter");
	s->window = WINDOW;
	context.data_end = q.size;
	context.ingress_ifindex = 1; /* lo, which is always there */
	began = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	end = began + atof(argv[5]);
	do {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = q.bytes, .data_size_in = q.size, .ctx_in = &context,
			    .ctx_size_in = sizeof context, .repeat = TURN, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

		if (bpf_prog_test_run_opts(ask, &run))
			return fail("running the program");
	} while (seconds(CLOCK_MONOTONIC) < end);
	printf("%llu %.3f lost %llu bad %llu cpu %.0f\n", (unsigned long long)s->good, seconds(CLOCK_MONOTONIC) - began,
	       (unsigned long long)s->lost, (unsigned long long)s->bad, (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9);
	return s->good ? 0 : 1;
}
