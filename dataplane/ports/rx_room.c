/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "dataplane/ports/kernel_dev.h"

static __thread uint8_t *room;

uint8_t *
rx_overflow(unsigned i)
{
	if (!room)
		room = wf_xmalloc(BURST_MAX * (size_t)PKT_LARGE_ROOM);
	return room + i * (size_t)PKT_LARGE_ROOM;
}

void
ports_thread_done(void)
{
	free(room);
	room = NULL;
}

struct rte_mbuf *
rx_join(struct rte_mbuf *m, uint32_t size, unsigned i)
{
	struct rte_mbuf *whole = pkt_alloc(size);

	if (whole) {
		memcpy(pkt_data(whole), pkt_data(m), PKT_SMALL_ROOM);
		memcpy(pkt_data(whole) + PKT_SMALL_ROOM, rx_overflow(i), size - PKT_SMALL_ROOM);
	}
	pkt_free(m);
	return whole;
}
