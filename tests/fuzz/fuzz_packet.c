/* SPDX-License-Identifier: Apache-2.0 */
/* The packet path with any frame: parse it, then run any list of operations on it.  The frame ends
 * at an unmapped page.
 *
 * Input: byte 0: number of operations; byte 1: offload flags; 2 bytes: segment size; then for each
 * operation a byte that chooses its type and the bytes of its record (a missing one is 0); the
 * rest is the frame. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "dataplane/ports/port.h"
#include "dataplane/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	uint8_t type;
	uint16_t size;
} ops[] = {
	{ OP_OUTPUT, sizeof(struct op_output) },
	{ OP_TRUNC, sizeof(struct plan_op) },
	{ OP_HASH, sizeof(struct plan_op) },
	{ OP_SET_ETH, sizeof(struct op_set_eth) },
	{ OP_SET_DL_TYPE, sizeof(struct plan_op) },
	{ OP_SET_VLAN, sizeof(struct plan_op) },
	{ OP_SET_IPV4, sizeof(struct op_set_ipv4) },
	{ OP_SET_IPV6, sizeof(struct op_set_ipv6) },
	{ OP_SET_L4, sizeof(struct op_set_l4) },
	{ OP_SET_ICMP, sizeof(struct op_set_icmp) },
	{ OP_SET_TCP_FLAGS, sizeof(struct op_set_tcp_flags) },
	{ OP_SET_ARP, sizeof(struct op_set_arp) },
	{ OP_SET_ND, sizeof(struct op_set_nd) },
	{ OP_SET_MPLS, sizeof(struct op_set_mpls) },
	{ OP_SET_PBB, sizeof(struct op_set_pbb) },
	{ OP_SET_META, sizeof(struct op_set_meta) },
	{ OP_PUSH_VLAN, sizeof(struct plan_op) },
	{ OP_POP_VLAN, sizeof(struct plan_op) },
	{ OP_PUSH_MPLS, sizeof(struct op_push_mpls) },
	{ OP_POP_MPLS, sizeof(struct plan_op) },
	{ OP_PUSH_PBB, sizeof(struct plan_op) },
	{ OP_POP_PBB, sizeof(struct plan_op) },
	{ OP_PUSH_ETH, sizeof(struct op_push_eth) },
	{ OP_POP_ETH, sizeof(struct plan_op) },
	{ OP_DEC_TTL, sizeof(struct plan_op) },
	{ OP_DEC_MPLS_TTL, sizeof(struct plan_op) },
	{ OP_COPY_TTL_OUT, sizeof(struct plan_op) },
	{ OP_COPY_TTL_IN, sizeof(struct plan_op) },
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

static unsigned
swallow(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	(void)p;
	(void)txq;
	pkt_free_bulk(pkts, n);
	return n;
}

static const struct port_class sink_class = { .type = "sink", .tx = swallow };

static struct {
	struct runner rn;
	struct port port;
	struct view view;
	struct view_slot slot;
	uint8_t *page_end; /* the first byte that is not mapped */
} *rig;

#define MAP_SIZE (128 * 1024)

static void
make_rig(void)
{
	uint8_t *map = mmap(NULL, MAP_SIZE + 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || munmap(map + MAP_SIZE, 4096))
		abort();
	rig = wf_xzalloc(sizeof(*rig));
	rig->page_end = map + MAP_SIZE;
	runner_init(&rig->rn);
	port_init(&rig->port, &sink_class, "sink");
	rig->port.slot = 0;
	rig->slot = (struct view_slot){ .port = &rig->port, .generation = 1 };
	rig->view = (struct view){ .version = 1, .n_slots = 1, .slots = &rig->slot };
	rig->rn.view = &rig->view;
}

static const uint64_t offloads[8] = {
	0,
	RTE_MBUF_F_TX_TCP_CKSUM,
	RTE_MBUF_F_TX_UDP_CKSUM,
	RTE_MBUF_F_TX_SCTP_CKSUM,
	RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM,
	RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_UDP_CKSUM,
	RTE_MBUF_F_TX_TCP_SEG,
	RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_CKSUM,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t plan[1024];
	uint8_t *at = (uint8_t *)plan;
	struct rte_mbuf m __attribute__((aligned(64)));

	if (!rig)
		make_rig();
	if (size < 4)
		return 0;
	unsigned n_ops = data[0] % 16, flags = data[1];
	uint16_t segment = data[2] << 8 | data[3];
	data += 4;
	size -= 4;
	for (unsigned i = 0; i < n_ops && size; i++) {
		unsigned which = data[0] % N_OPS;
		size_t body = ops[which].size - 8, given = size - 1 < body ? size - 1 : body;
		struct plan_op *op = (struct plan_op *)at;

		memset(at, 0, ops[which].size);
		memcpy(at + 8, data + 1, given);
		op->type = ops[which].type;
		op->u8 = data[0] >> 7;
		op->size = ops[which].size;
		if (op->type == OP_OUTPUT) {
			op->u32 &= 1;
			((struct op_output *)op)->generation = 1;
		}
		at += ops[which].size;
		data += 1 + given;
		size -= 1 + given;
	}
	struct op_output *last = (struct op_output *)at;
	*last = (struct op_output){ .op = { .type = OP_OUTPUT, .size = sizeof(*last) },
				    .generation = 1 };
	at += sizeof(*last);
	if (size > 9000)
		size = 9000;

	/* The frame may be without Ethernet; the port may take offloads or not. */
	static const uint32_t types[4] = { OF_PT_ETH, OF_PT_ETH, OF_PT_IPV4, OF_PT_IPV6 };
	uint32_t packet_type = types[flags >> 3 & 3];
	rig->port.caps = flags >> 5;
	memset(&m, 0, sizeof(m));
	m.buf_addr = rig->page_end - size - PKT_HEADROOM;
	m.buf_len = size + PKT_HEADROOM;
	m.data_off = PKT_HEADROOM;
	m.nb_segs = 1;
	rte_mbuf_refcnt_set(&m, 10000);
	if (size)
		memcpy(pkt_data(&m), data, size);
	pkt_set_size(&m, size);
	/* Tiny segments of a large packet only cost time. */
	m.tso_segsz = segment < 64 && size > 1000 ? 64 : segment;
	m.ol_flags = offloads[flags & 7];

	struct of_key key;
	struct pkt_layers layers;
	pkt_parse(&m, packet_type, &key, &layers);
	if ((layers.l3 != PKT_NO_OFS && layers.l3 > size) ||
	    (layers.l4 != PKT_NO_OFS && layers.l4 > size) || layers.l2_pad > size)
		abort();

	struct run_fate fate = { 0 };
	uint32_t mirrored[PLAN_MAX_STAYS] = { 0 };
	struct plan none = { .n_stays = 1 };
	struct pass p = { .rn = &rig->rn, .fate = &fate, .packet_type = packet_type,
			  .plan = &none, .mirrored = mirrored };
	run_ops(&p, (struct plan_op *)plan, (struct plan_op *)at, &m);
	runner_flush(&rig->rn);
	if (!fate.n_out && !fate.drop)
		abort(); /* a packet vanished without a reason */
	return 0;
}
