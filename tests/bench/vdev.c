/* SPDX-License-Identifier: Apache-2.0 */
/* A network card that costs next to nothing, for tests/bench/switch: loaded with LD_PRELOAD into a
 * daemon that is linked dynamically to DPDK, it takes the place of the receive and transmit
 * functions of DPDK's virtual devices eth_null0 to eth_null3.  Receiving copies frames of a trace, in
 * a loop; transmitting counts and frees.
 *
 * Frames come as fast as they are asked for, or, with a rate, by the clock: they arrive at equal
 * distances in a ring of so many places, whoever asks or not, and what finds the ring full is dropped and
 * counted.  Then each frame carries the time of its arrival in its last six bytes (padding, or the
 * end of UDP's data), and transmitting keeps account of how long ago that was.
 *
 * The program sees and steers it through one file of shared memory, struct vdev_shared.
 *   WEFT_VDEV_SHARED     that file
 *   WEFT_VDEV_TRACE_<n>  the trace of eth_null<n>; without one it receives nothing
 *
 * What it flatters, for any switch: frames are in the first-level cache, there are no descriptor
 * rings and no bus.  A card costs some 40 to 60 cycles a packet more.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PORTS 4
#define MAX_TAKEN 8192
#define TAKEN_SIZE 256

#define MAX_RING 65536
#define STAMP_SIZE 6
/* Waiting times: SUB buckets for each power of two of clock ticks, so each within 3 %. */
#define SUB_BITS 5
#define SUB (1 << SUB_BITS)
#define N_WAITED (40 * SUB)

/* Offsets are known to dpdk_switch.py as well. */
struct vdev_shared {
	uint64_t go;           /* receive while this is not 0 */
	uint64_t limit;        /* a port stops after so many packets; 0: never */
	uint64_t tsc_hz;
	uint64_t take;         /* transmitted packets to keep, at most MAX_TAKEN */
	uint64_t n_taken;
	uint64_t rate;         /* packets a second and port; 0: as fast as they are asked for */
	uint64_t ring;         /* places of a port's ring, at most MAX_RING, with a rate */
	uint64_t pad;
	struct {
		uint64_t rx, tx;
		uint64_t dropped;      /* found the ring full */
		uint64_t arrived;      /* since 'go', with a rate */
		uint64_t longest;      /* clock ticks from arrival to transmission */
		uint64_t pad[3];
	} port[MAX_PORTS];
	struct {
		uint16_t port, size;
		uint8_t data[TAKEN_SIZE - 4];
	} taken[MAX_TAKEN];
	uint64_t waited[N_WAITED];
};

/* A trace: this head, 'n' records, and behind them, from a multiple of 64 bytes on, the frames. */
struct trace_head {
	char magic[8];
	uint32_t n, stride, frames_at, pad;
};
struct trace_record {
	uint32_t hash;         /* what a card's RSS would say */
	uint16_t size;
	/* Random bits: so many low ones of the IPv4 source, UDP or TCP destination and source port.
	 * 'redraw' REDRAW_EACH: drawn at each sending, no cache can know such a packet; REDRAW_PASS: at
	 * each pass of the trace, the same for all its packets of the same 'hash': flows that live
	 * for one pass. */
	uint8_t redraw_src, redraw_dport, redraw_sport, redraw;
	uint8_t pad[2];
};

enum { REDRAW_EACH = 1, REDRAW_PASS = 2 };

struct vdev {
	const struct trace_record *records;
	const uint8_t *frames;
	uint32_t n, at, stride;
	uint64_t random, pass;
	uint16_t port_id;
	unsigned number;
	struct rte_mempool *pool;
	/* The ring: times of arrival of what waits, from 'first' on; 'began' 0: at rest. */
	uint64_t *ring;
	uint64_t began, n_due;
	uint32_t first, n_waiting;
};

static struct vdev vdevs[RTE_MAX_ETHPORTS];
static struct vdev_shared *shared;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void *
map_file(const char *path, int prot, int flags, size_t *size)
{
	int fd = open(path, prot & PROT_WRITE && flags == MAP_SHARED ? O_RDWR : O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	void *p = mmap(NULL, (size_t)st.st_size, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	close(fd);
	*size = (size_t)st.st_size;
	return p;
}

static void
load_trace(struct vdev *v, const char *path)
{
	size_t size, huge = 2 * 1024 * 1024;
	void *file = map_file(path, PROT_READ, MAP_PRIVATE, &size);
	/* On huge pages, so that the trace's own misses are few. */
	uint8_t *copy = aligned_alloc(huge, (size + huge - 1) & ~(huge - 1));

	if (!copy)
		die("memory for a trace");
	madvise(copy, size, MADV_HUGEPAGE);
	memcpy(copy, file, size);
	munmap(file, size);
	const struct trace_head *head = (const struct trace_head *)copy;
	v->n = head->n;
	v->stride = head->stride;
	v->records = (const struct trace_record *)(head + 1);
	v->frames = copy + head->frames_at;
	v->random = 88172645463325252ull;
}

static inline uint64_t
next_random(struct vdev *v) /* xorshift64, Marsaglia 2003 */
{
	v->random ^= v->random << 13;
	v->random ^= v->random >> 7;
	v->random ^= v->random << 17;
	return v->random;
}

static void
redraw(struct vdev *v, const struct trace_record *r, uint8_t *frame, uint32_t *hash)
{
	uint64_t bits;
	uint32_t src;
	uint16_t port;

	frame += frame[12] == 0x81 ? 4 : 0; /* tagged */
	if (r->redraw == REDRAW_PASS) {
		bits = (r->hash + v->pass * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
		bits ^= bits >> 29;
	} else {
		bits = next_random(v);
	}
	memcpy(&src, frame + 26, 4);
	src ^= htonl((uint32_t)bits & (uint32_t)((1ull << r->redraw_src) - 1));
	memcpy(frame + 26, &src, 4);
	memcpy(&port, frame + 36, 2);
	port ^= htons((uint16_t)(bits >> 32 & ((1u << r->redraw_dport) - 1)));
	memcpy(frame + 36, &port, 2);
	memcpy(&port, frame + 34, 2);
	port ^= htons((uint16_t)(bits >> 48 & ((1u << r->redraw_sport) - 1)));
	memcpy(frame + 34, &port, 2);
	*hash = (uint32_t)(bits >> 16);
}

/* What arrived since the last call goes to the ring, as far as there is room.  Returns how many of at
 * most 'n' can be received. */
static uint16_t
arrive(struct vdev *v, uint64_t rate, uint16_t n)
{
	uint64_t now = rte_rdtsc(), due, size = shared->ring;
	double ticks = (double)shared->tsc_hz / (double)rate;

	if (size > MAX_RING || !size)
		size = MAX_RING;
	if (!v->began) {
		v->began = now;
		v->n_due = v->first = v->n_waiting = 0;
	}
	due = (uint64_t)((double)(now - v->began) / ticks);
	for (; v->n_due < due && v->n_waiting < size; v->n_due++, v->n_waiting++)
		v->ring[(v->first + v->n_waiting) % MAX_RING] =
			v->began + (uint64_t)((double)(v->n_due + 1) * ticks);
	if (unlikely(v->n_due < due)) {
		__atomic_store_n(&shared->port[v->number].dropped,
				 shared->port[v->number].dropped + due - v->n_due,
				 __ATOMIC_RELAXED);
		v->n_due = due;
	}
	__atomic_store_n(&shared->port[v->number].arrived, v->n_due, __ATOMIC_RELAXED);
	return v->n_waiting < n ? (uint16_t)v->n_waiting : n;
}

static inline void
stamp(struct vdev *v, uint8_t *frame, uint16_t size)
{
	memcpy(frame + size - STAMP_SIZE, &v->ring[v->first], STAMP_SIZE);
	v->first = (v->first + 1) % MAX_RING;
	v->n_waiting--;
}

static uint16_t
vdev_rx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct vdev *v = queue;
	uint64_t limit = __atomic_load_n(&shared->limit, __ATOMIC_RELAXED);
	uint64_t rate = __atomic_load_n(&shared->rate, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&shared->go, __ATOMIC_RELAXED) || !v->n) {
		v->began = 0;
		return 0;
	}
	if (rate) {
		n = arrive(v, rate, n);
		if (!n)
			return 0;
	}
	if (unlikely(limit && shared->port[v->number].rx + n > limit))
		return 0;
	if (unlikely(rte_pktmbuf_alloc_bulk(v->pool, pkts, n)))
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		const struct trace_record *r = &v->records[v->at];
		const uint8_t *from = v->frames + (size_t)v->at * v->stride;
		struct rte_mbuf *m = pkts[i];
		uint8_t *to = rte_pktmbuf_mtod(m, uint8_t *);
		uint32_t hash = r->hash;

		rte_mov64(to, from);
		for (uint32_t done = 64; done < r->size; done += 64)
			rte_mov64(to + done, from + done);
		m->data_len = r->size;
		m->pkt_len = r->size;
		m->port = v->port_id;
		if (unlikely(r->redraw))
			redraw(v, r, to, &hash);
		if (rate)
			stamp(v, to, r->size);
		m->hash.rss = hash;
		m->ol_flags = RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD |
			      RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		if (++v->at == v->n) {
			v->at = 0;
			v->pass++;
		}
	}
	__atomic_store_n(&shared->port[v->number].rx, shared->port[v->number].rx + n,
			 __ATOMIC_RELAXED);
	return n;
}

static void
take(const struct vdev *v, const struct rte_mbuf *m)
{
	uint16_t size = m->data_len < TAKEN_SIZE - 4 ? m->data_len : TAKEN_SIZE - 4;
	uint64_t at = shared->n_taken;

	shared->taken[at].port = (uint16_t)v->number;
	shared->taken[at].size = m->data_len;
	memcpy(shared->taken[at].data, rte_pktmbuf_mtod(m, void *), size);
	__atomic_store_n(&shared->n_taken, at + 1, __ATOMIC_RELEASE);
}

/* How long the packets were on their way; 'port' counts the longest. */
static void
account(struct vdev *v, struct rte_mbuf **pkts, uint16_t n)
{
	const uint64_t mask = (1ull << 8 * STAMP_SIZE) - 1;
	uint64_t now = rte_rdtsc();

	for (uint16_t i = 0; i < n; i++) {
		uint64_t t = 0;

		memcpy(&t, rte_pktmbuf_mtod(pkts[i], uint8_t *) + pkts[i]->data_len - STAMP_SIZE,
		       STAMP_SIZE);
		t = (now - t) & mask;
		unsigned power = t < SUB ? 0 : (unsigned)(64 - __builtin_clzll(t)) - SUB_BITS - 1;
		uint64_t at = power * SUB + (t >> power);

		shared->waited[at < N_WAITED ? at : N_WAITED - 1]++;
		if (t > shared->port[v->number].longest)
			shared->port[v->number].longest = t;
	}
}

static uint16_t
vdev_tx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct vdev *v = queue;
	uint64_t want = shared->take < MAX_TAKEN ? shared->take : MAX_TAKEN;

	for (uint16_t i = 0; unlikely(shared->n_taken < want) && i < n; i++)
		take(v, pkts[i]);
	if (shared->rate)
		account(v, pkts, n);
	__atomic_store_n(&shared->port[v->number].tx, shared->port[v->number].tx + n,
			 __ATOMIC_RELAXED);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/* --- In place of DPDK's functions ----------------------------------------------------------------- */

int
rte_eth_rx_queue_setup(uint16_t port_id, uint16_t queue, uint16_t n_desc, unsigned socket,
		       const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	int (*real)(uint16_t, uint16_t, uint16_t, unsigned, const struct rte_eth_rxconf *,
		    struct rte_mempool *) = dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");

	vdevs[port_id].pool = pool;
	return real(port_id, queue, n_desc, socket, conf, pool);
}

int
rte_eth_dev_start(uint16_t port_id)
{
	static void *queues[RTE_MAX_ETHPORTS][RTE_MAX_QUEUES_PER_PORT];
	int (*real)(uint16_t) = dlsym(RTLD_NEXT, "rte_eth_dev_start");
	int rc = real(port_id);
	char name[RTE_ETH_NAME_MAX_LEN], variable[32];
	struct vdev *v = &vdevs[port_id];
	const char *path = getenv("WEFT_VDEV_SHARED");
	size_t size;

	if (rc || !path || rte_eth_dev_get_name_by_port(port_id, name) ||
	    sscanf(name, "eth_null%u", &v->number) != 1 || v->number >= MAX_PORTS)
		return rc;
	if (!shared) {
		shared = map_file(path, PROT_READ | PROT_WRITE, MAP_SHARED, &size);
		if (size < sizeof(*shared))
			die(path);
		shared->tsc_hz = rte_get_tsc_hz();
	}
	snprintf(variable, sizeof(variable), "WEFT_VDEV_TRACE_%u", v->number);
	path = getenv(variable);
	if (path && !v->n)
		load_trace(v, path);
	v->port_id = port_id;
	if (!v->ring)
		v->ring = calloc(MAX_RING, sizeof(*v->ring));
	if (!v->ring)
		die("memory for a ring");
	for (unsigned i = 0; i < RTE_MAX_QUEUES_PER_PORT; i++)
		queues[port_id][i] = v;
	rte_eth_fp_ops[port_id].rx_pkt_burst = vdev_rx;
	rte_eth_fp_ops[port_id].tx_pkt_burst = vdev_tx;
	rte_eth_fp_ops[port_id].rxq.data = queues[port_id];
	rte_eth_fp_ops[port_id].txq.data = queues[port_id];
	return 0;
}
