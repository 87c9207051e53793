/* SPDX-License-Identifier: Apache-2.0 */
/* Outer headers from anybody.  The first byte says which kind of tunnel, the rest is the packet from
 * its IP header on.  What is accepted must survive the way back. */
#include <stdlib.h>
#include <string.h>

#include "tunnels/tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	enum tnl_type type;
	struct tnl_meta m, again;
	struct tnl_template t;
	uint32_t inner, inner2;
	size_t ofs, room, ofs2, room2;
	uint8_t *frame;
	unsigned exts;

	if (!size)
		return 0;
	type = data[0] % TNL_N_TYPES;
	exts = data[0] >> 6;
	data++;
	size--;
	if (tnl_decap(type, exts, data, size, TNL_DECAP_CSUM_GOOD, &m, &inner, &ofs, &room))
		return 0;
	if (ofs > size || room > size - ofs || !room)
		abort();
	if (!(m.flags & TNL_F_SEQ) && type == TNL_ERSPAN)
		abort();
	/* An endpoint with GPE writes GPE; the plain form came in. */
	if (tnl_template_make(&t, type, exts, &m, inner, mac, mac))
		return 0;
	frame = malloc(t.size + room);
	memcpy(frame + t.size, data + ofs, room);
	if (tnl_template_apply(&t, frame, t.size + room, &(struct tnl_packet){ m.tp_src, m.seq, 0, 0, 0 })) {
		if (tnl_decap(type, exts, frame + 14, t.size - 14 + room, 0, &again, &inner2, &ofs2,
			      &room2))
			abort();
		if (inner2 != inner || room2 != room || again.id != m.id || again.seq != m.seq ||
		    again.options_size != m.options_size ||
		    memcmp(again.options, m.options, m.options_size))
			abort();
	}
	free(frame);
	return 0;
}
