// SPDX-License-Identifier: Apache-2.0
/* The balancer's packet parsers: no read beyond the end, offsets within the packet, what is written reads back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/glb_encap.h"
#include "bpf/glb_tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ip(const uint8_t *data, const uint8_t *end, uint32_t off, uint8_t family)
{
	static const __u64 key[2] = { 1, 2 };
	struct glb_flow f = { 0 };
	int rc = family == 4 ? glb_parse_ip4(data, end, off, &f) : glb_parse_ip6(data, end, off, &f);

	if (rc > 0 || (rc < 0 && GLB_DROP_OF(rc) >= GLB_N_DROPS))
		abort();
	if (!rc && f.family != family)
		abort();
	if (!rc && (glb_flow_hash(key, &f) != glb_flow_hash(key, &f) || glb_frag_hash(key, &f) != glb_frag_hash(key, &f)))
		abort();
}

static void
other_tunnels(const uint8_t *p, const uint8_t *end)
{
	uint8_t out[80];
	struct glb_tunnel t;

	__u32 site, server;

	glb_parse_quic(p, end, 0, 0, &site, &server);
	if (!glb_parse_gue(p, end, 0, &t)) {
		__be32 hops[GLB_HOPS] = { 0 };

		if (t.n_servers > GLB_HOPS || t.off > end - p)
			abort();
		for (uint32_t i = 0; i < t.n_servers; i++)
			hops[i] = GLB_BE32(glb_shim_entry(p, end, &t, i));
		if (t.shim && (!glb_write_gue(out, out + sizeof out, t.inner, t.n_servers, t.next, hops) ||
			       memcmp(out, p, glb_gue_len(t.n_servers))))
			abort();
		ip(p, end, t.off, t.inner);
	}
	if (!glb_parse_vxlan(p, end, 0, &t)) {
		if (t.off > end - p)
			abort();
		ip(p, end, t.off, t.inner);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A block of its own, so that a sanitizer sees a read behind the end. */
	uint8_t *p = malloc(size ? size : 1), out[80];
	const uint8_t *end = p + size;
	struct glb_tunnel t;
	uint32_t off;
	__be16 type;

	if (!p)
		return 0;
	memcpy(p, data, size);
	if (!glb_parse_eth(p, end, &off, &type)) {
		if (off > size)
			abort();
		ip(p, end, off, 4);
		ip(p, end, off, 6);
	}
	ip(p, end, 0, 4);
	ip(p, end, 0, 6);
	other_tunnels(p, end);
	if (!glb_parse_gre(p, end, 0, &t)) {
		struct glb_hops h = { { 0 }, t.n_servers, t.n_sites, t.next };
		uint32_t n = (uint32_t)t.n_servers + t.n_sites;
		struct glb_tunnel again;

		if (n > GLB_HOPS || (t.shim && t.off > size))
			abort();
		for (uint32_t i = 0; i < n; i++)
			h.id[i] = glb_shim_entry(p, end, &t, i);
		if (!glb_write_gre(out, out + sizeof out, t.pool, t.generation, t.inner, &h) ||
		    glb_parse_gre(out, out + glb_gre_len(n), 0, &again) || again.pool != t.pool ||
		    again.inner != t.inner || again.n_sites != t.n_sites || again.next != t.next)
			abort();
		if (t.relayed && (!glb_write_relay(out, out + GLB_RELAY_LEN, t.pool, t.generation, t.inner) ||
				  glb_parse_gre(out, out + GLB_RELAY_LEN, 0, &again) || !again.relayed ||
				  again.pool != t.pool || again.generation != t.generation || t.off > size))
			abort();
		ip(p, end, t.off, t.inner);
	}
	/* The last, since it writes. */
	glb_clamp_mss(p, end, 1000);
	free(p);
	return 0;
}
