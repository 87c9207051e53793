/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Capture of what the programs saw (weftctl glb capture): the first program keeps the packet as it came, whoever decides on it sends it to user
 * space with the verdict.  While nobody captures, each costs one test of a flag.  BPF programs only. */
#ifndef WEFT_BPF_GLB_CAPTURE_H
#define WEFT_BPF_GLB_CAPTURE_H

GLB_MAP(glb_seen, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_event, 1, 0);
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GLB_EVENTS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} glb_events SEC(".maps");

GLB_INLINE void
glb_count(void *map, __u32 i, __u32 bytes)
{
	struct glb_count *c = bpf_map_lookup_elem(map, &i);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

__attribute__((noinline)) int
glb_keep_packet(struct xdp_md *ctx)
{
	__u32 zero = 0, len = (__u32)(ctx->data_end - ctx->data);
	__u64 n = len < GLB_EVENT_BYTES ? len : GLB_EVENT_BYTES;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	struct glb_event *e = bpf_map_lookup_elem(&glb_seen, &zero);

	if (!c || !e)
		return 0;
	e->state = 0;
	if (c->capture > 1 && bpf_get_prandom_u32() % c->capture)
		return 0;
	/* So that the verifier sees 1 to GLB_EVENT_BYTES. */
	n--;
	asm volatile("%0 &= 0x7ff" : "+r"(n));
	n++;
	if (bpf_xdp_load_bytes(ctx, 0, e->bytes, (__u32)n))
		return 0;
	e->ns = bpf_ktime_get_ns();
	e->ifindex = ctx->ingress_ifindex;
	e->len = len;
	e->captured = (__u16)n;
	e->role = c->first_role;
	e->state = 1;
	return 0;
}

/* What the packet is to. */
__attribute__((noinline)) int
glb_keep_vip(const struct glb_flow *f, __u32 role)
{
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	struct glb_event *e = bpf_map_lookup_elem(&glb_seen, &zero);

	if (!f || !c || !e || !e->state)
		return 0;
	e->role = (__u8)role;
	if (c->capture_vip[0] == f->vip[0] && c->capture_vip[1] == f->vip[1] && c->capture_vip[2] == f->vip[2] &&
	    c->capture_vip[3] == f->vip[3])
		e->state = 2;
	return 0;
}

/* 'reason' is 0, or of a drop. */
__attribute__((noinline)) int
glb_tell_verdict(__u32 verdict, __u32 reason)
{
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	struct glb_event *e = bpf_map_lookup_elem(&glb_seen, &zero);
	__u64 n;

	if (!c || !e || !e->state)
		return 0;
	n = e->state;
	e->state = 0;
	if ((c->capture_drop && (c->capture_drop == GLB_CAPTURE_DROPS ? !reason : c->capture_drop != reason)) ||
	    ((c->capture_vip[2] | c->capture_vip[3] | c->capture_vip[0]) && n != 2))
		return 0;
	e->verdict = (__u8)verdict;
	e->reason = (__u16)reason;
	n = e->captured - 1;
	asm volatile("%0 &= 0x7ff" : "+r"(n));
	if (bpf_ringbuf_output(&glb_events, e, sizeof *e - GLB_EVENT_BYTES + n + 1, 0))
		glb_count(&glb_stats, GLB_STAT_MISSED, 0);
	return 0;
}

GLB_INLINE void
glb_tell(const struct glb_conf *c, __u32 verdict, __u32 reason)
{
	if (c->flags & GLB_CONF_CAPTURE)
		glb_tell_verdict(verdict, reason);
}

#endif
