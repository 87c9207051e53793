/* SPDX-License-Identifier: Apache-2.0 */
/* A network card that costs next to nothing, for tests/bench/switch: loaded with LD_PRELOAD into a
 * daemon that is linked dynamically to DPDK, it takes the place of the receive and transmit
 * functions of DPDK's virtual devices eth_null0 to eth_null3.  Receiving copies frames of a trace, in
 * a loop and as fast as they are asked for; transmitting counts and frees.
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

/* Offsets are known to tests/bench/switch as well. */
struct vdev_shared {
	uint64_t go;           /* receive while this is not 0 */
	uint64_t limit;        /* a port stops after so many packets; 0: never */
	uint64_t tsc_hz;
	uint64_t take;         /* transmitted packets to keep, at most MAX_TAKEN */
	uint64_t n_taken;
	uint64_t pad[3];
	struct {
		uint64_t rx, tx, pad[6];
	} port[MAX_PORTS];
	struct {
		uint16_t port, size;
		uint8_t data[TAKEN_SIZE - 4];
	} taken[MAX_TAKEN];
};

/* A trace: this head, 'n' records, and behind them, from a multiple of 64 bytes on, the frames. */
struct trace_head {
	char magic[8];
	uint32_t n, stride, frames_at, pad;
};
struct trace_record {
	uint32_t hash;         /* what a card's RSS would say */
	uint16_t size;
	/* Random bits at each sending: so many low ones of the IPv4 source, UDP or TCP
	 * destination and source port; no cache can know such a packet. */
	uint8_t redraw_src, redraw_dport, redraw_sport, redraw;
	uint8_t pad[2];
};

struct vdev {
	const struct trace_record *records;
	const uint8_t *frames;
	uint32_t n, at, stride;
	uint64_t random;
	uint16_t port_id;
	unsigned number;
	struct rte_mempool *pool;
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
	uint64_t bits = next_random(v);
	uint32_t src;
	uint16_t port;

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

static uint16_t
vdev_rx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct vdev *v = queue;
	uint64_t limit = __atomic_load_n(&shared->limit, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&shared->go, __ATOMIC_RELAXED) || !v->n)
		return 0;
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
		m->hash.rss = hash;
		m->ol_flags = RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD |
			      RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		if (++v->at == v->n)
			v->at = 0;
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

static uint16_t
vdev_tx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct vdev *v = queue;
	uint64_t want = shared->take < MAX_TAKEN ? shared->take : MAX_TAKEN;

	for (uint16_t i = 0; unlikely(shared->n_taken < want) && i < n; i++)
		take(v, pkts[i]);
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
	for (unsigned i = 0; i < RTE_MAX_QUEUES_PER_PORT; i++)
		queues[port_id][i] = v;
	rte_eth_fp_ops[port_id].rx_pkt_burst = vdev_rx;
	rte_eth_fp_ops[port_id].tx_pkt_burst = vdev_tx;
	rte_eth_fp_ops[port_id].rxq.data = queues[port_id];
	rte_eth_fp_ops[port_id].txq.data = queues[port_id];
	return 0;
}
