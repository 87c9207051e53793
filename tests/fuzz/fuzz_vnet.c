/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net headers that a guest or a tap's user wrote, with any frame behind them: read, then all that
 * ports do with such a packet.  The frame ends at an unmapped page.
 *
 * Input: the header (10 bytes); a byte: its lowest bit says that a VLAN tag was restored; the frame,
 * 65000 times repeated if the byte's second bit is set (GSO packets are large). */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/ports/vnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAP_SIZE (128 * 1024)

static uint8_t *
page_end(void)
{
	static uint8_t *map;

	if (!map) {
		map = mmap(NULL, MAP_SIZE + 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED || munmap(map + MAP_SIZE, 4096))
			abort();
	}
	return map + MAP_SIZE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf m __attribute__((aligned(64)));
	struct virtio_net_hdr hdr, out;
	struct pkt_layers layers;
	uint8_t how, *frame;
	uint32_t n;

	if (size < sizeof(hdr) + 1 + 14)
		return 0;
	memcpy(&hdr, data, sizeof(hdr));
	how = data[sizeof(hdr)];
	data += sizeof(hdr) + 1;
	size -= sizeof(hdr) + 1;
	n = how & 2 ? 65000 : size < 9000 ? (uint32_t)size : 9000;
	frame = page_end() - n;
	for (uint32_t i = 0; i < n; i += size)
		memcpy(frame + i, data, n - i < size ? n - i : size);

	memset(&m, 0, sizeof(m));
	m.buf_addr = frame - PKT_HEADROOM;
	m.buf_len = (uint16_t)(n + PKT_HEADROOM < 65535 ? n + PKT_HEADROOM : 65535);
	m.data_off = PKT_HEADROOM;
	m.nb_segs = 1;
	rte_mbuf_refcnt_set(&m, 10000);
	pkt_set_size(&m, n);
	if (!vnet_to_packet(&hdr, how & 1 ? 4 : 0, &m))
		return 0;
	vnet_from_packet(&m, &out);
	if (out.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && out.csum_start + out.csum_offset + 2u > n)
		abort(); /* we would send the lie on */

	pkt_find_layers(&m, 0, 0, &layers);
	unsigned segments = pkt_segment_count(&m, &layers);
	if (segments > VNET_SEGMENTS_MAX + 1)
		abort();
	if (segments > 1) {
		struct rte_mbuf **list = malloc(segments * sizeof(*list));
		int rc = pkt_segment(&m, &layers, list, segments);
		uint64_t bytes = 0;

		for (int i = 0; i < rc; i++)
			bytes += pkt_size(list[i]);
		if (rc > 0 && bytes < n - layers.l2_pad)
			abort(); /* bytes got lost */
		if (rc > 0)
			pkt_free_bulk(list, (unsigned)rc);
		free(list);
	}
	if (!pkt_prepare_offloads(&m, &layers))
		pkt_finish_checksums(&m, &layers);
	vnet_from_packet(&m, &out);
	if (out.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && out.csum_start + out.csum_offset + 2u > n)
		abort();
	pkt_finish_checksums(&m, &layers);
	if (m.ol_flags & PKT_TX_OPEN)
		abort();
	return 0;
}
