// SPDX-License-Identifier: Apache-2.0
/* Nanoseconds per packet of the balancer's programs, by BPF_PROG_TEST_RUN.
 *
 * The kernel does not reset the packet between the repeats of a test run, so a program that encapsulates would
 * see its own result the second time.  A harness program puts the packet back, picks the next flow and
 * tail-calls the program; verdict and length of the last run are checked.  Figures are gross: the line
 * "return XDP_TX" is what the harness costs.  Rounds of all rows are interleaved; the median is printed.
 *
 *   tests/bench/glb [PACKETS A ROUND] [ROUNDS]      as root; in a mount namespace of its own */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "bpf/glb_parse.h"
#include "glb/datapath.h"
#include "tests/bench/glb_bench.h"
#include "tests/bench/glb_bench_bpf.h"

#define PIN "/sys/fs/bpf/glb-bench"
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define MAPS PIN "/abi" STRING(GLB_ABI) "/"

enum { XDP_VERDICT_PASS = 2, XDP_VERDICT_TX = 3 };

struct row {
	const char *name;
	const char *program; /* pinned program's or bench object's */
	uint32_t flows;
	uint8_t frame[128];
	uint32_t len, client, port;
	uint32_t verdict, out;
	double ns[32];
};

static struct bpf_object *bench;
static int chain;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("glb bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* Ethernet, IPv4 and TCP from 10.x to the VIP; 64 bytes. */
static void
tcp4(struct row *r, const char *vip, uint16_t port, uint8_t flags)
{
	uint8_t *p = r->frame;

	memset(p, 0, 64);
	memset(p, 2, 12);
	memcpy(p + 12, "\x08\x00\x45\x00\x00\x32\x00\x00\x40\x00\x40\x06\x00\x00\x0a\x00\x00\x01", 18);
	inet_pton(AF_INET, vip, p + 30);
	p[36] = (uint8_t)(port >> 8);
	p[37] = (uint8_t)port;
	p[46] = 0x50;
	p[47] = flags;
	r->len = 64;
	r->client = 26;
	r->port = 34;
}

static void
tcp6(struct row *r)
{
	uint8_t *p = r->frame;

	memset(p, 0, 74);
	memset(p, 2, 12);
	memcpy(p + 12, "\x86\xdd\x60\x00\x00\x00\x00\x14\x06\x40", 10);
	inet_pton(AF_INET6, "2001:db8::1", p + 22);
	inet_pton(AF_INET6, "2001:db8:f::10", p + 38);
	p[57] = 80;
	p[66] = 0x50;
	p[67] = 0x10;
	r->len = 74;
	r->client = 34;
	r->port = 54;
}

/* The same TCP inside GRE with a key, to this host as local balancer. */
static void
in_gre(struct row *r, uint32_t pool)
{
	uint8_t inner[64];
	uint8_t *p = r->frame;

	memcpy(inner, p, 64);
	memset(p, 2, 12);
	memcpy(p + 12, "\x08\x00\x45\x00\x00\x4e\x00\x00\x40\x00\x40\x2f\x00\x00", 14);
	inet_pton(AF_INET, "10.9.0.9", p + 26);
	inet_pton(AF_INET, "10.1.0.1", p + 30);
	memcpy(p + 34, "\x20\x00\x08\x00", 4);
	pool = htonl(pool);
	memcpy(p + 38, &pool, 4);
	memcpy(p + 42, inner + 14, 50);
	r->len = 92;
	r->client = 42 + 12;
	r->port = 42 + 20;
}

static void
icmp_error(struct row *r)
{
	uint8_t *p = r->frame;

	tcp4(r, "203.0.113.10", 80, 0);
	p[17] = 56;
	p[23] = 1;
	memset(p + 34, 0, 64);
	memcpy(p + 34, "\x03\x04\x00\x00\x00\x00\x05\x78\x45\x00\x05\xdc\x00\x01\x40\x00\x3c\x06\x00\x00", 20);
	inet_pton(AF_INET, "203.0.113.10", p + 54);
	inet_pton(AF_INET, "10.0.0.1", p + 58);
	memcpy(p + 62, "\x00\x50\x12\x67\x00\x00\x00\x01", 8);
	r->len = 70;
	r->client = 58;
	r->port = 64;
}

static int
program(const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(bench, name);
	uint32_t role = !strcmp(name, "glb_edge") ? GLB_EDGE : GLB_LOCAL, id;

	if (p)
		return bpf_program__fd(p);
	if (bpf_map_lookup_elem(chain, &role, &id))
		die("%s is not in the chain", name);
	return bpf_prog_get_fd_by_id(id);
}

static double
run(struct row *r, uint32_t packets)
{
	uint8_t out[512];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = r->frame, .data_size_in = r->len, .data_out = out,
		    .data_size_out = sizeof out, .repeat = (int)packets);
	struct bench_packet b = { .len = r->len, .flow_mask = r->flows - 1, .client = r->client, .port = r->port,
				  .client_base = 10 };
	int under_test = program(r->program);
	uint32_t zero = 0;

	memcpy(b.head, r->frame, sizeof b.head);
	bpf_map_update_elem(bpf_object__find_map_fd_by_name(bench, "bench_packet"), &zero, &b, BPF_ANY);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(bench, "bench_under_test"), &zero, &under_test,
				BPF_ANY))
		die("%s: %s", r->name, strerror(errno));
	if (bpf_prog_test_run_opts(program("bench_harness"), &opts))
		die("%s: %s", r->name, strerror(errno));
	if (opts.retval != r->verdict || opts.data_size_out != r->out)
		die("%s: verdict %u length %u, wanted %u and %u", r->name, opts.retval, opts.data_size_out,
		    r->verdict, r->out);
	if (strncmp(r->program, "bench_", 6))
		close(under_test);
	return opts.duration;
}

/* The way out is said here, so that no route look-up is in the figures: the programs believe it for ever. */
static void
set_next_hops(void)
{
	int conf = bpf_obj_get(MAPS "glb_conf"), hops = bpf_obj_get(MAPS "glb_next_hops");
	int n = libbpf_num_possible_cpus();
	struct glb_next_hop *h = wf_xzalloc((size_t)n * sizeof *h);
	struct glb_conf c;
	uint32_t zero = 0;

	for (int i = 0; i < n; i++)
		h[i] = (struct glb_next_hop){ .ifindex = 1, .mtu = 9000 };
	for (uint32_t i = 1; i < 300; i++)
		bpf_map_update_elem(hops, &i, h, BPF_ANY);
	if (bpf_map_lookup_elem(conf, &zero, &c))
		die("glb_conf: %s", strerror(errno));
	c.neighbour_ttl = UINT32_MAX;
	bpf_map_update_elem(conf, &zero, &c, BPF_ANY);
	close(conf);
	close(hops);
	free(h);
}

static struct glb_datapath *
set_up(uint32_t *ret_pool)
{
	struct wf_str want = WF_STR_INIT, conf = WF_STR_INIT, report = WF_STR_INIT;
	struct placement *p = plc_new();
	struct wf_err err = { "" };
	struct glb_datapath *dp;
	struct glb_config *c;

	wf_str_put(&want, "{\"sites\":{\"dc1\":\"10.1.0.1\",\"dc2\":\"10.2.0.1\"},\"servers\":{");
	for (unsigned i = 0; i < 200; i++)
		wf_str_fmt(&want, "%s\"s%u\":\"10.1.1.%u\"", i ? "," : "", i, i + 1);
	wf_str_put(&want, "},\"pools\":{\"web\":{\"dc2\":{\"weight\":1,\"servers\":{}},\"dc1\":{\"weight\":1,\"servers\":{");
	for (unsigned i = 0; i < 200; i++)
		wf_str_fmt(&want, "%s\"s%u\":100", i ? "," : "", i);
	wf_str_put(&want, "}}}}}");
	if (plc_update(p, want.s, want.len, NULL, 0, 0, false, &report, &err) < 0)
		die("%s", err.text);
	wf_str_put(&conf, "{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.1.0.1\"],"
			  "\"interface\":[{\"name\":\"lo\"}],\"edge\":{},\"local\":{\"site\":\"dc1\"},\"vip\":["
			  "{\"address\":\"2001:db8:f::10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"}");
	for (unsigned i = 0; i < 500; i++)
		wf_str_fmt(&conf, ",{\"address\":\"203.0.%u.%u\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"}",
			   113 + i / 250, i % 250 + 1);
	wf_str_put(&conf, "]}}");
	c = glb_config_parse("bench", conf.s, &err);
	dp = c ? glb_datapath_open(c, &err) : NULL;
	/* Sites are this very host's and a next one: only the second is sent to. */
	if (c)
		memset(&c->own4, 0, sizeof c->own4);
	if (!dp || glb_datapath_apply(dp, c, p, NULL, &err))
		die("%s", err.text);
	*ret_pool = plc_pool_by_name(p, "web")->id;
	struct in6_addr own = { 0 };
	uint32_t roles = 1u << GLB_LOCAL;
	int fd = bpf_obj_get(MAPS "glb_own");

	own.s6_addr[10] = own.s6_addr[11] = 0xff;
	inet_pton(AF_INET, "10.1.0.1", &own.s6_addr[12]);
	bpf_map_update_elem(fd, &own, &roles, BPF_ANY);
	close(fd);
	/* The programs, in the chain, without a device. */
	c->n_interfaces = 0;
	if (glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	glb_config_free(c);
	plc_free(p);
	wf_str_done(&want);
	wf_str_done(&conf);
	wf_str_done(&report);
	return dp;
}

static void
set_floor(void)
{
	int vips = bpf_object__find_map_fd_by_name(bench, "bench_vips");
	int ring = bpf_object__find_map_fd_by_name(bench, "bench_ring");
	int backends = bpf_object__find_map_fd_by_name(bench, "bench_backends");

	for (uint32_t i = 0; i < 500; i++) {
		uint32_t a = htonl(0xcb007101 + (i / 250 << 8) + i % 250);
		uint64_t key = (uint64_t)a << 32 | (uint32_t)htons(80) << 8 | 6;

		bpf_map_update_elem(vips, &key, &i, BPF_ANY);
	}
	for (uint32_t i = 0; i < 65536; i++) {
		uint32_t b = i * 2654435761u % 200;

		bpf_map_update_elem(ring, &i, &b, BPF_ANY);
	}
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t a = htonl(0x0a010101 + i);

		bpf_map_update_elem(backends, &i, &a, BPF_ANY);
	}
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char *argv[])
{
	uint32_t packets = argc > 1 ? (uint32_t)atoi(argv[1]) : 200000, rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 5;
	static struct row rows[20];
	uint32_t pool = 0, n = 0;
	struct glb_datapath *dp;
	cpu_set_t one;

	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	if (rounds > 32 || !rounds || !packets)
		die("1 to 32 rounds of at least one packet");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys", "sysfs", 0, NULL) || mount("none", "/sys/fs/bpf", "bpf", 0, NULL)) {
		printf("skipped glb bench: %s\n", strerror(errno));
		return 0;
	}
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof one, &one);
	dp = set_up(&pool);
	set_next_hops();
	chain = bpf_obj_get(MAPS "glb_chain");
	bench = bpf_object__open_mem(glb_bench_bpf, sizeof glb_bench_bpf, NULL);
	if (!bench || bpf_object__load(bench))
		die("the bench programs are not loaded: %s", strerror(errno));
	set_floor();

#define ROW(NAME, PROGRAM, FLOWS, VERDICT, OUT, FILL)                                            \
	do {                                                                                     \
		struct row *r = &rows[n++];                                                      \
		r->name = NAME;                                                                  \
		r->program = PROGRAM;                                                            \
		r->flows = FLOWS;                                                                \
		r->verdict = VERDICT;                                                            \
		FILL;                                                                            \
		r->out = r->len + (OUT);                                                         \
	} while (0)
	ROW("return XDP_TX", "bench_tx", 1, XDP_VERDICT_TX, 0, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("smallest GRE, 1 flow", "bench_gre", 1, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("smallest GRE, 512k flows", "bench_gre", 1 << 19, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("edge, 1 flow", "glb_edge", 1, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("edge, 64k flows", "glb_edge", 1 << 16, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("edge, 512k flows", "glb_edge", 1 << 19, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("edge, 16M flows", "glb_edge", 1 << 24, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x10));
	ROW("edge, flood of SYNs", "glb_edge", 1 << 24, XDP_VERDICT_TX, 28, tcp4(r, "203.0.113.10", 80, 0x02));
	ROW("edge, ICMP too big", "glb_edge", 1 << 19, XDP_VERDICT_TX, 28, icmp_error(r));
	ROW("edge, IPv6", "glb_edge", 1 << 14, XDP_VERDICT_TX, 28, tcp6(r));
	ROW("edge, not a VIP", "glb_edge", 1 << 19, XDP_VERDICT_PASS, 0, tcp4(r, "198.51.100.1", 80, 0x10));
	ROW("local, 1 flow", "glb_local", 1, XDP_VERDICT_TX, 0, (tcp4(r, "203.0.113.10", 80, 0x10), in_gre(r, pool)));
	ROW("local, 512k flows", "glb_local", 1 << 19, XDP_VERDICT_TX, 0,
	    (tcp4(r, "203.0.113.10", 80, 0x10), in_gre(r, pool)));

	for (uint32_t k = 0; k < rounds; k++)
		for (uint32_t i = 0; i < n; i++)
			rows[i].ns[k] = run(&rows[i], packets);
	for (uint32_t i = 0; i < n; i++)
		qsort(rows[i].ns, rounds, sizeof(double), by_value);
	for (uint32_t i = 0; i < n; i++)
		printf("# %-28s %6.0f ns gross, %4.2f of the smallest GRE\n", rows[i].name, rows[i].ns[rounds / 2],
		       rows[i].ns[rounds / 2] / rows[1].ns[rounds / 2]);
	printf("ok glb bench: verdicts and lengths as they should be\n");
	glb_datapath_close(dp);
	bpf_object__close(bench);
	return 0;
}
