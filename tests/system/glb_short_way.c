// SPDX-License-Identifier: Apache-2.0
/* The short way of role edge (bpf/glb_edge_short.h) against the long one, in the kernel (BPF_PROG_TEST_RUN): random packets, many
 * of them odd, over random slots, nodes, next hops and settings, each once on both ways; verdict, bytes and all counters must
 * be the same.  The long way is taken while somebody captures.  For tests/system/99-glb-short-way.sh; prints a line a kind of
 * configuration and the seed.
 *
 *   glb_short_way [SEED] */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "bpf/glb_vip.h"
#include "glb/datapath.h"

#define PIN "/sys/fs/bpf/glb-short"
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define MAPS PIN "/abi" STRING(GLB_ABI) "/"

#define N_SITES	   8
#define N_ROUNDS   60
#define N_PACKETS  60
#define N_VIPS	   8
#define N_COUNTERS (GLB_N_DROPS + GLB_N_STATS + N_VIPS + N_SITES + 1)

enum { VERDICT_DROP = 1, VERDICT_PASS, VERDICT_TX, VERDICT_REDIRECT };

static const char config[] =
	"{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.9.0.1\",\"2001:db8::9\"],"
	"\"interface\":[{\"name\":\"lo\"}],\"edge\":{},\"vip\":["
	"{\"address\":\"203.0.113.10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"},"
	"{\"address\":\"203.0.113.10\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"web\"},"
	"{\"address\":\"203.0.113.10\",\"protocol\":\"udp\",\"port\":81,\"pool\":\"web\",\"quic\":true},"
	"{\"address\":\"203.0.113.10\",\"protocol\":\"tcp\",\"port\":81,\"pool\":\"web\",\"mss\":1000},"
	"{\"address\":\"203.0.113.11\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"empty\"},"
	"{\"address\":\"2001:db8:f::10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"}"
	"%s]}}";
static const char wide[] = ",{\"address\":\"203.0.113.12\",\"protocol\":\"tcp\",\"port\":0,\"pool\":\"web\"},"
			   "{\"address\":\"203.0.113.128/25\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"web\"}";

struct counters {
	struct glb_count of[N_COUNTERS];
};

static struct glb_datapath *dp;
static int fds[5];
enum { CONF, NODES, NEXT_HOPS, SLOTS, TABLES };
static uint32_t site_ids[N_SITES];
static uint64_t rng;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("glb_short_way: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* Below 'n' (SplitMix64, Steele and others 2014). */
static uint32_t
draw(uint32_t n)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

static bool
one_in(uint32_t n)
{
	return draw(n) == 0;
}

/* --- packets --------------------------------------------------------------------------------- */

static size_t
make_packet(uint8_t *p)
{
	static const char *const vips[] = { "203.0.113.10", "203.0.113.10", "203.0.113.10", "203.0.113.10", "203.0.113.11",
					    "203.0.113.12", "203.0.113.200", "198.51.100.1" };
	static const uint8_t flags[] = { 0x10, 0x10, 0x18, 0x02, 0x02, 0x12, 0x11, 0x04 };
	uint16_t ports[2] = { htons((uint16_t)(1024 + draw(60000))), htons((uint16_t)(one_in(8) ? draw(100) : 80 + draw(2))) };
	bool tcp = draw(3);
	size_t len = tcp ? 54 + draw(100) : 42 + draw(100), l3 = len - 14;
	uint32_t client = htonl(0x0a000000 + draw(1 << 24));

	memset(p, 0, 14);
	p[0] = p[6] = 2;
	p[12] = 8;
	for (size_t i = 14; i < len; i++)
		p[i] = (uint8_t)draw(256);
	memcpy(p + 14, "\x45\x00\x00\x00\x12\x34\x40\x00\x40\x06\x00\x00", 12);
	if (one_in(4))
		p[15] = (uint8_t)draw(256);
	p[16] = (uint8_t)(l3 >> 8);
	p[17] = (uint8_t)l3;
	p[23] = tcp ? 6 : 17;
	memcpy(p + 26, &client, 4);
	inet_pton(AF_INET, vips[draw(8)], p + 30);
	memcpy(p + 34, ports, 4);
	if (tcp) {
		p[46] = 0x50;
		p[47] = flags[draw(8)];
	}
	switch (draw(20)) {
	case 0: /* a fragment, perhaps only by a bit that says nothing */
		p[20] = (uint8_t)(draw(8) << 5);
		p[21] = (uint8_t)draw(3);
		break;
	case 1: /* options */
		p[14] = (uint8_t)(0x40 + draw(16));
		break;
	case 2: /* another protocol */
		p[23] = (uint8_t)draw(64);
		break;
	case 3: /* a length that lies */
		p[16] = (uint8_t)draw(2);
		p[17] = (uint8_t)draw(256);
		break;
	case 4: /* one that is cut */
		len = 14 + draw((uint32_t)len - 14);
		break;
	case 5: /* any byte of the headers */
		p[12 + draw(36)] = (uint8_t)draw(256);
		break;
	case 6: /* VLAN */
		memmove(p + 16, p + 12, len - 12);
		memcpy(p + 12, "\x81\x00\x00\x07", 4);
		len += 4;
		break;
	}
	return len;
}

/* --- what packets meet ----------------------------------------------------------------------- */

/* Most nodes are as they should be, so that most packets find one. */
static void
set_nodes(void)
{
	static const uint8_t encaps[] = { GLB_ENCAP_GUE, GLB_ENCAP_IPIP, GLB_ENCAP_VXLAN };
	int n_cpus = libbpf_num_possible_cpus();
	struct glb_next_hop *h = wf_xzalloc((size_t)n_cpus * sizeof *h);

	for (uint32_t i = GLB_FIRST_NODE; i < GLB_FIRST_NODE + N_SITES; i++) {
		struct glb_next_hop way = { .ifindex = 1 + !draw(3), .mtu = one_in(3) ? 1500 : 0,
					    .dmac = { 2, 0, 0, 0, 1, (uint8_t)i }, .smac = { 2, 0, 0, 0, 2, (uint8_t)i } };
		struct glb_node n;

		if (bpf_map_lookup_elem(fds[NODES], &i, &n))
			die("glb_nodes: %s", strerror(errno));
		n.flags = GLB_NODE_SITE;
		n.family = 4;
		n.encap = n.shed = 0;
		switch (draw(16)) {
		case 0:
			n.flags |= (uint16_t)(1u << draw(6));
			break;
		case 1:
			n.shed = (uint8_t)draw(256);
			break;
		case 2:
			n.encap = encaps[draw(3)];
			break;
		case 3:
			n.family = one_in(2) ? 6 : 0;
			break;
		case 4:
			way.ifindex = 0; /* no route will be found */
			break;
		case 5:
			way.mtu = (uint16_t)(60 + draw(100));
			break;
		case 6:
			way.vlan = htons(7);
			break;
		}
		bpf_map_update_elem(fds[NODES], &i, &n, BPF_ANY);
		for (int k = 0; k < n_cpus; k++)
			h[k] = way;
		bpf_map_update_elem(fds[NEXT_HOPS], &i, h, BPF_ANY);
	}
	free(h);
}

static uint32_t
any_node(bool often)
{
	return often || one_in(3) ? GLB_FIRST_NODE + draw(N_SITES) : 0;
}

/* The slots of both pools' tables, and now and then a pool's word. */
static void
set_slots(uint32_t base, uint32_t n)
{
	bool history = one_in(2);

	for (uint32_t i = base; i < base + n; i++) {
		uint64_t w = any_node(draw(50));

		if (history) {
			w |= (uint64_t)any_node(false) << GLB_SLOT_BITS | (uint64_t)any_node(false) << 2 * GLB_SLOT_BITS;
			w |= one_in(4) ? GLB_SLOT_RANKED : 0;
		}
		bpf_map_update_elem(fds[SLOTS], &i, &w, BPF_ANY);
	}
}

/* --- both ways ------------------------------------------------------------------------------- */

static struct counters
count(void)
{
	struct counters c;
	size_t n = 0;

	for (uint32_t i = 0; i < GLB_N_DROPS; i++)
		c.of[n++] = glb_datapath_count(dp, GLB_COUNT_DROPS, i);
	for (uint32_t i = 0; i < GLB_N_STATS; i++)
		c.of[n++] = glb_datapath_count(dp, GLB_COUNT_STATS, i);
	for (uint32_t i = 0; i < N_VIPS; i++)
		c.of[n++] = glb_datapath_count(dp, GLB_COUNT_VIPS, i);
	for (uint32_t i = 0; i < N_SITES; i++)
		c.of[n++] = glb_datapath_node_count(dp, site_ids[i]);
	c.of[n] = (struct glb_count){ 0, 0 };
	return c;
}

struct result {
	uint32_t verdict, len;
	uint8_t bytes[512];
	struct counters counted;
};

static struct result
run(int prog, const uint8_t *packet, size_t len, bool long_way)
{
	static const struct glb_capture_want nobody = { .one_in = 1u << 31 };
	struct result r = { .verdict = 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = (uint32_t)len, .data_out = r.bytes,
		    .data_size_out = sizeof r.bytes);
	struct counters before, after;

	if (glb_datapath_capture(dp, long_way ? &nobody : NULL))
		die("capture: %s", strerror(errno));
	before = count();
	if (bpf_prog_test_run_opts(prog, &opts))
		die("a packet of %zu bytes: %s", len, strerror(errno));
	after = count();
	for (size_t i = 0; i < N_COUNTERS; i++) {
		r.counted.of[i].packets = after.of[i].packets - before.of[i].packets;
		r.counted.of[i].bytes = after.of[i].bytes - before.of[i].bytes;
	}
	r.verdict = opts.retval;
	r.len = opts.data_size_out;
	return r;
}

static void
print_packet(const char *what, const uint8_t *p, size_t len)
{
	printf("# %s %zu:", what, len);
	for (size_t i = 0; i < len; i++)
		printf("%s%02x", i % 4 ? "" : " ", p[i]);
	printf("\n");
}

static bool
same_both_ways(int prog, uint32_t *n_sent)
{
	uint8_t packet[256];
	size_t len = make_packet(packet);
	struct result a = run(prog, packet, len, true), b = run(prog, packet, len, false);

	*n_sent += b.verdict == VERDICT_TX || b.verdict == VERDICT_REDIRECT;
	if (a.verdict == b.verdict && a.len == b.len && !memcmp(a.bytes, b.bytes, a.len) &&
	    !memcmp(&a.counted, &b.counted, sizeof a.counted))
		return true;
	print_packet("packet", packet, len);
	printf("# long way: verdict %u; short way: verdict %u\n", a.verdict, b.verdict);
	print_packet("long way", a.bytes, a.len);
	print_packet("short way", b.bytes, b.len);
	for (size_t i = 0; i < N_COUNTERS; i++)
		if (memcmp(&a.counted.of[i], &b.counted.of[i], sizeof a.counted.of[i]))
			printf("# counter %zu: %llu packets, %llu bytes; %llu, %llu\n", i,
			       (unsigned long long)a.counted.of[i].packets, (unsigned long long)a.counted.of[i].bytes,
			       (unsigned long long)b.counted.of[i].packets, (unsigned long long)b.counted.of[i].bytes);
	return false;
}

static void
try(const char *what, const char *more)
{
	struct wf_str report = WF_STR_INIT, wanted = WF_STR_INIT, text = WF_STR_INIT;
	static const char *const names[] = { "glb_conf", "glb_nodes", "glb_next_hops", "glb_slots", "glb_edge_tables" };
	uint32_t zero = 0, role = GLB_EDGE, id, n_sent = 0, pool = 0, chain, n_slots;
	struct placement *p = plc_new();
	struct wf_err err = { "" };
	struct glb_config *c;
	struct glb_conf conf;
	uint64_t word;
	bool same = true;
	int prog;

	wf_str_put(&wanted, "{\"sites\":{");
	for (unsigned i = 0; i < N_SITES; i++)
		wf_str_fmt(&wanted, "%s\"dc%u\":\"10.1.0.%u\"", i ? "," : "", i, i + 1);
	wf_str_put(&wanted, "},\"servers\":{\"s1\":\"10.2.0.1\"},\"pools\":{\"empty\":{},\"web\":{");
	for (unsigned i = 0; i < N_SITES; i++)
		wf_str_fmt(&wanted, "%s\"dc%u\":{\"weight\":1,\"servers\":{}}", i ? "," : "", i);
	wf_str_put(&wanted, "}}}");
	if (plc_update(p, wanted.s, wanted.len, NULL, 0, 0, false, &report, &err) < 0)
		die("%s", err.text);
	wf_str_fmt(&text, config, more);
	c = glb_config_parse("short-way", text.s, &err);
	dp = c ? glb_datapath_open(c, &err) : NULL;
	if (!dp || glb_datapath_apply(dp, c, p, NULL, &err))
		die("%s", err.text);
	c->n_interfaces = 0;
	if (glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	for (unsigned i = 0; i < 5; i++) {
		char *path = wf_xasprintf(MAPS "%s", names[i]);

		fds[i] = bpf_obj_get(path);
		if (fds[i] < 0)
			die("%s: %s", path, strerror(errno));
		free(path);
	}
	chain = (uint32_t)bpf_obj_get(MAPS "glb_chain");
	if (bpf_map_lookup_elem((int)chain, &role, &id))
		die("glb_chain: %s", strerror(errno));
	prog = bpf_prog_get_fd_by_id(id);
	for (unsigned i = 0; i < N_SITES; i++) {
		char name[8];

		snprintf(name, sizeof name, "dc%u", i);
		site_ids[i] = plc_node_by_name(p, PLC_SITE, name)->id;
	}
	/* Next hops are what this test says. */
	bpf_map_lookup_elem(fds[CONF], &zero, &conf);
	conf.neighbour_ttl = UINT32_MAX;
	bpf_map_update_elem(fds[CONF], &zero, &conf, BPF_ANY);
	for (; pool < GLB_MAX_POOLS; pool++)
		if (!bpf_map_lookup_elem(fds[TABLES], &pool, &word) && (word & GLB_POOL_VALID) && GLB_POOL_MASK(word) >= 255)
			break;
	if (pool == GLB_MAX_POOLS)
		die("pool web has no table");
	n_slots = GLB_POOL_MASK(word) + 1;
	for (unsigned round = 0; round < N_ROUNDS && same; round++) {
		uint32_t next = pool + GLB_MAX_POOLS;

		/* Without a map of clients everybody is of class 0. */
		uint64_t now = one_in(6) ? GLB_POOL_WORD_BY_PLACE(GLB_POOL_BASE(word), 8, 9) :
			       one_in(10) ? word | GLB_POOL_FIRST : one_in(20) ? 0 : word;

		bpf_map_update_elem(fds[TABLES], &pool, &now, BPF_ANY);
		bpf_map_update_elem(fds[TABLES], &next, &now, BPF_ANY);
		bpf_map_lookup_elem(fds[CONF], &zero, &conf);
		conf.flags = (conf.flags & ~(uint32_t)GLB_CONF_KEY_1) | (one_in(4) ? GLB_CONF_KEY_1 : 0);
		conf.source4_mask = one_in(2) ? htonl(0xff) : 0;
		conf.generation = draw(1000);
		bpf_map_update_elem(fds[CONF], &zero, &conf, BPF_ANY);
		set_nodes();
		set_slots(GLB_POOL_BASE(word), n_slots);
		for (unsigned i = 0; i < N_PACKETS && same; i++)
			same = same_both_ways(prog, &n_sent);
	}
	if (same && n_sent >= N_ROUNDS * N_PACKETS / 5)
		printf("ok %s: %u packets, of them %u sent, the same on both ways\n", what, N_ROUNDS * N_PACKETS, n_sent);
	else
		printf("not ok %s: %s\n", what, same ? "too few packets were sent" : "the short way is not the long one");
	for (unsigned i = 0; i < 5; i++)
		close(fds[i]);
	close(prog);
	close((int)chain);
	glb_datapath_close(dp);
	glb_config_free(c);
	plc_free(p);
	wf_str_done(&report);
	wf_str_done(&wanted);
	wf_str_done(&text);
	if (glb_datapath_remove(PIN, &err))
		die("%s", err.text);
}

int
main(int argc, char *argv[])
{
	rng = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	printf("# seed %llu\n", (unsigned long long)rng);
	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	try("VIPs of one address and port", "");
	try("VIPs of any port and prefixes, too", wide);
	printf("# end\n");
	return 0;
}
