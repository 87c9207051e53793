// SPDX-License-Identifier: Apache-2.0
/* Nanoseconds per packet of the balancer's programs, by BPF_PROG_TEST_RUN.
 *
 * The kernel does not reset the packet between the repeats of a test run, so a program that encapsulates would
 * see its own result the second time.  A harness program puts the packet back, picks the next flow and
 * tail-calls the program; verdict and length of the last run are checked.  Figures are gross: the line
 * "return XDP_TX" is what the harness costs.  Rounds of all rows are interleaved; the median is printed.
 *
 * Rows "live" are frames through a veth pair with native XDP: a sender of our own, the program and a sink on one core, so
 * their figures are of all three together.
 *
 *   tests/bench/glb [--json] [PACKETS A ROUND] [ROUNDS] [ROW]      only rows with that in their names; as root; in mount and network namespaces of its own */
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
#include <net/if.h>
#include <time.h>

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
	uint32_t vips; /* a power of two; 1: that of 'frame' */
	uint32_t verdict, out;
	double ns[32];
};

#define N_VIPS 10000
#define FIRST_VIP 0xc6120000u /* 198.18.0.0 */

static bool json;
static uint8_t last_out[512]; /* the packet that came out last */
static uint32_t near_if, far_if; /* the veth pair of live frames */
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
in_gre(struct row *r, uint32_t pool, const char *to)
{
	uint8_t inner[64];
	uint8_t *p = r->frame;

	memcpy(inner, p, 64);
	memset(p, 2, 12);
	memcpy(p + 12, "\x08\x00\x45\x00\x00\x4e\x00\x00\x40\x00\x40\x2f\x00\x00", 14);
	inet_pton(AF_INET, "10.9.0.9", p + 26);
	inet_pton(AF_INET, to, p + 30);
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

/* A fragment of the packet: the first, or a later one. */
static void
fragment(struct row *r, bool first)
{
	uint8_t *p = r->frame;

	p[20] = first ? 0x20 : 0x00;
	p[21] = first ? 0x00 : 0x40;
}

static void
udp4(struct row *r, const char *vip, uint16_t port)
{
	tcp4(r, vip, port, 0);
	r->frame[23] = 17;
	memcpy(r->frame + 38, "\x00\x1e\x00\x00", 4);
}

static void
ping(struct row *r, const char *vip)
{
	tcp4(r, vip, 0, 0);
	r->frame[23] = 1;
	memcpy(r->frame + 34, "\x08\x00\x00\x00", 4);
	r->port = 38;
}

static int
program(const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(bench, name);
	uint32_t role = !strcmp(name, "glb_edge") ? GLB_EDGE : !strcmp(name, "glb_host") ? GLB_HOST : GLB_LOCAL, id;

	if (p)
		return bpf_program__fd(p);
	if (bpf_map_lookup_elem(chain, &role, &id))
		die("%s is not in the chain", name);
	return bpf_prog_get_fd_by_id(id);
}

static void
set_packet(const struct row *r)
{
	struct bench_packet b = { .len = r->len, .flow_mask = r->flows - 1, .client = r->client, .port = r->port,
				  .client_base = 10, .ifindex = near_if, .vip = 30, .vip_base = FIRST_VIP,
				  .vip_mask = r->vips ? r->vips - 1 : 0 };
	uint32_t zero = 0;

	memcpy(b.head, r->frame, sizeof b.head);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(bench, "bench_packet"), &zero, &b, BPF_ANY))
		die("%s: %s", r->name, strerror(errno));
}

static double
run(struct row *r, uint32_t packets)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = r->frame, .data_size_in = r->len, .data_out = last_out,
		    .data_size_out = sizeof last_out, .repeat = (int)packets);
	int under_test = program(r->program);
	uint32_t zero = 0;

	set_packet(r);
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

/* --- live frames ----------------------------------------------------------------------------- */

static uint64_t
sunk(uint32_t kind)
{
	uint64_t sum = 0, n[256];

	if (libbpf_num_possible_cpus() > 256 ||
	    bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(bench, "bench_sunk"), &kind, n))
		die("bench_sunk: %s", strerror(errno));
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += n[i];
	return sum;
}

/* Nanoseconds of processor time for each frame that came back: frames -> near device -> far device, program -> near
 * device, sink. */
static double
run_live(struct row *r, uint32_t packets)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = r->frame, .data_size_in = r->len, .repeat = (int)packets,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
	bool gre = strcmp(r->program, "bench_tx") != 0;
	int under_test = program(r->program);
	struct timespec from, to;
	uint64_t before, came;

	set_packet(r);
	if (bpf_xdp_attach((int)far_if, under_test, XDP_FLAGS_DRV_MODE, NULL))
		die("%s: not attached: %s", r->name, strerror(errno));
	before = sunk(gre);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	if (bpf_prog_test_run_opts(program("bench_sender"), &opts))
		die("%s: %s", r->name, strerror(errno));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	came = sunk(gre) - before;
	bpf_xdp_detach((int)far_if, XDP_FLAGS_DRV_MODE, NULL);
	if (strncmp(r->program, "bench_", 6))
		close(under_test);
	/* A ring that is full for a moment loses some, and some are still under way. */
	if (came < packets / 2)
		die("%s: %llu of %u frames came back", r->name, (unsigned long long)came, packets);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / (double)came;
}

/* False: no such devices here. */
static bool
make_veth(void)
{
	if (system("ip link add near numrxqueues 1 numtxqueues 1 type veth peer name far numrxqueues 1 numtxqueues 1 && "
		   "ip link set near up && ip link set far up"))
		return false;
	near_if = if_nametoindex("near");
	far_if = if_nametoindex("far");
	if (bpf_xdp_attach((int)near_if, program("bench_sink"), XDP_FLAGS_DRV_MODE, NULL))
		die("the sink is not attached: %s", strerror(errno));
	return true;
}

/* The way out is said here, so that no route look-up is in the figures: the programs believe it for ever. */
static void
set_next_hops(uint32_t ifindex)
{
	int conf = bpf_obj_get(MAPS "glb_conf"), hops = bpf_obj_get(MAPS "glb_next_hops");
	int n = libbpf_num_possible_cpus();
	struct glb_next_hop *h = wf_xzalloc((size_t)n * sizeof *h);
	struct glb_conf c;
	uint32_t zero = 0;

	/* To where the packet came from: XDP_TX.  A test run comes from device 1. */
	for (int i = 0; i < n; i++)
		h[i] = (struct glb_next_hop){ .ifindex = ifindex, .mtu = 9000 };
	for (uint32_t i = GLB_FIRST_NODE; i < GLB_FIRST_NODE + 300; i++)
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
			  "\"interface\":[{\"name\":\"lo\"}],\"edge\":{},\"local\":{\"site\":\"dc1\"},"
			  "\"host\":{\"address\":\"10.1.0.2\"},\"vip\":["
			  "{\"address\":\"2001:db8:f::10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"},"
			  "{\"address\":\"203.0.113.10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"},"
			  "{\"address\":\"203.0.113.10\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"web\"}");
	for (unsigned i = 0; i < N_VIPS; i++)
		wf_str_fmt(&conf, ",{\"address\":\"198.18.%u.%u\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"}",
			   i >> 8, i & 255);
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
	struct glb_conf now;
	uint32_t zero = 0;

	fd = bpf_obj_get(MAPS "glb_conf");
	if (bpf_map_lookup_elem(fd, &zero, &now))
		die("glb_conf: %s", strerror(errno));
	now.own4[1] = (struct glb_own4){ htonl(0x0a010001), roles };
	bpf_map_update_elem(fd, &zero, &now, BPF_ANY);
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

	for (uint32_t i = 0; i <= N_VIPS; i++) {
		uint32_t a = htonl(i < N_VIPS ? FIRST_VIP + i : 0xcb00710a);
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
	enum { GRE_ONE = 1, EDGE_ONE = 3 }; /* places in 'rows' */
	static struct row rows[40];
	uint32_t packets, rounds, pool = 0, n = 0, first_live = 0;
	uint8_t before[sizeof last_out];
	const char *only;
	struct glb_datapath *dp;
	cpu_set_t one;

	if (argc > 1 && !strcmp(argv[1], "--json")) {
		json = true;
		argv++;
		argc--;
	}
	packets = argc > 1 ? (uint32_t)atoi(argv[1]) : 200000;
	rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 5;
	only = argc > 3 ? argv[3] : "";
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
	set_next_hops(1);
	chain = bpf_obj_get(MAPS "glb_chain");
	bench = bpf_object__open_mem(glb_bench_bpf, sizeof glb_bench_bpf, NULL);
	/* As weft-glb's programs are loaded: those that call each other are of one attach type. */
	for (struct bpf_program *p = bench ? bpf_object__next_program(bench, NULL) : NULL; p;
	     p = bpf_object__next_program(bench, p))
		bpf_program__set_expected_attach_type(p, 0);
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
		r->out = (uint32_t)((int)r->len + (OUT));                                                      \
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
	ROW("edge, ping of a VIP", "glb_edge", 1 << 19, XDP_VERDICT_PASS, 0, ping(r, "203.0.113.10"));
	ROW("edge, first fragments", "glb_edge", 1 << 19, XDP_VERDICT_TX, 28,
	    (tcp4(r, "203.0.113.10", 80, 0x10), fragment(r, true)));
	ROW("edge, later fragments", "glb_edge", 1 << 19, XDP_VERDICT_TX, 28,
	    (tcp4(r, "203.0.113.10", 80, 0x10), fragment(r, false)));
	ROW("smallest GRE, 8192 VIPs", "bench_gre", 1 << 19, XDP_VERDICT_TX, 28,
	    (tcp4(r, "198.18.0.0", 80, 0x10), r->vips = 8192));
	ROW("edge, 8192 of 10002 VIPs", "glb_edge", 1 << 19, XDP_VERDICT_TX, 28,
	    (tcp4(r, "198.18.0.0", 80, 0x10), r->vips = 8192));
	ROW("local, 1 flow", "glb_local", 1, XDP_VERDICT_TX, 0,
	    (tcp4(r, "203.0.113.10", 80, 0x10), in_gre(r, pool, "10.1.0.1")));
	ROW("local, 512k flows", "glb_local", 1 << 19, XDP_VERDICT_TX, 0,
	    (tcp4(r, "203.0.113.10", 80, 0x10), in_gre(r, pool, "10.1.0.1")));
	ROW("local, flood of SYNs", "glb_local", 1 << 24, XDP_VERDICT_TX, 0,
	    (tcp4(r, "203.0.113.10", 80, 0x02), in_gre(r, pool, "10.1.0.1")));
	ROW("host, UDP, 1 flow", "glb_host", 1, XDP_VERDICT_PASS, -28,
	    (udp4(r, "203.0.113.10", 80), in_gre(r, pool, "10.1.0.2")));
	ROW("host, UDP, 128k flows, all pinned", "glb_host", 1 << 17, XDP_VERDICT_PASS, -28,
	    (udp4(r, "203.0.113.10", 80), in_gre(r, pool, "10.1.0.2")));
	ROW("host, flood of new UDP flows", "glb_host", 1 << 24, XDP_VERDICT_PASS, -28,
	    (udp4(r, "203.0.113.10", 80), in_gre(r, pool, "10.1.0.2")));
	if (make_veth()) {
		first_live = n;
		ROW("live, return XDP_TX", "bench_tx", 1 << 16, 0, 0, tcp4(r, "203.0.113.10", 80, 0x10));
		ROW("live, smallest GRE, 64k flows", "bench_gre", 1 << 16, 0, 0, tcp4(r, "203.0.113.10", 80, 0x10));
		ROW("live, edge, 64k flows", "glb_edge", 1 << 16, 0, 0, tcp4(r, "203.0.113.10", 80, 0x10));
		ROW("live, edge, flood of SYNs", "glb_edge", 1 << 24, 0, 0, tcp4(r, "203.0.113.10", 80, 0x02));
	} else {
		printf("skipped glb bench, live frames: no veth here\n");
	}

	/* A flow goes where it went, whatever flood there was. */
	run(&rows[EDGE_ONE], packets);
	memcpy(before, last_out, sizeof before);
	for (uint32_t k = 0; k < rounds; k++) {
		set_next_hops(1);
		for (uint32_t i = 0; i < (first_live ? first_live : n); i++)
			if (i <= GRE_ONE || strstr(rows[i].name, only))
				rows[i].ns[k] = run(&rows[i], packets);
		set_next_hops(far_if);
		for (uint32_t i = first_live; i && i < n; i++)
			if (i == first_live + GRE_ONE || strstr(rows[i].name, only))
				rows[i].ns[k] = run_live(&rows[i], packets < 1 << 20 ? packets : 1 << 20);
	}
	set_next_hops(1);
	run(&rows[EDGE_ONE], packets);
	if (memcmp(before, last_out, rows[EDGE_ONE].out))
		die("after the floods a flow goes elsewhere");
	for (uint32_t i = 0; i < n; i++)
		qsort(rows[i].ns, rounds, sizeof(double), by_value);
	for (uint32_t i = 0; i < n; i++) {
		bool live = first_live && i >= first_live;
		double ns = rows[i].ns[rounds / 2], ratio = ns / rows[live ? first_live + 1 : GRE_ONE].ns[rounds / 2];

		if (!ns)
			continue;
		if (json)
			printf("{\"bench\": \"glb\", \"row\": \"%s\", \"ns\": %.1f, \"ratio\": %.3f}\n", rows[i].name, ns,
			       ratio);
		else if (live)
			printf("# %-34s %6.0f ns with sender and sink, %5.2f Mpps, %4.2f of the smallest GRE\n",
			       rows[i].name, ns, 1e3 / ns, ratio);
		else
			printf("# %-34s %6.0f ns gross, %4.2f of the smallest GRE\n", rows[i].name, ns, ratio);
	}
	printf("ok glb bench: verdicts and lengths as they should be\n");
	glb_datapath_close(dp);
	bpf_object__close(bench);
	return 0;
}
