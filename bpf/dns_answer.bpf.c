// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* weft-dnsd in the driver: a query for a hot name and type becomes its answer and goes back where it came from;
 * all else goes up to the sockets (docs/dns.md, "In the driver").  The answer is the socket's, byte for byte. */
#include "bpf/dns_kern.h"

/* A size that the verifier sees to be 1 to mask + 1. */
DNS_X_INLINE __u64
bounded_size(__u32 size, __u32 mask)
{
	__u64 n = size;

	n--;
#ifdef __bpf__
	asm volatile("%0 &= %1" : "+r"(n) : "i"(mask));
#else
	n &= mask;
#endif
	return n + 1;
}

DNS_X_INLINE int
pass(struct dns_x_stats *s, __u32 reason)
{
	/* The index is known to the verifier where it is a constant, and bounded where not. */
	if (reason < DNS_X_N_PASS)
		s->pass[reason]++;
	return XDP_PASS;
}
#define PASS(NAME) return pass(s, DNS_X_PASS_##NAME)

#define DATA(ctx) ((__u8 *)(long)(ctx)->data)
#define END(ctx) ((__u8 *)(long)(ctx)->data_end)
/* Packets are read unaligned: the kernel's machines can, the native build (unit tests) says so. */
#ifdef __bpf__
#define LD16(p) (*(__u16 *)(p))
#define LD32(p) (*(__u32 *)(p))
#else
typedef __u16 __attribute__((aligned(1), may_alias)) dns_x_any16;
typedef __u32 __attribute__((aligned(1), may_alias)) dns_x_any32;
#define LD16(p) (*(dns_x_any16 *)(p))
#define LD32(p) (*(dns_x_any32 *)(p))
#endif
#define BE16(x) ((__u16)__builtin_bswap16((__u16)(x)))

struct reply {
	__u32 image;	/* 1 + number, with 'image_size' bytes of it; 0: no image */
	__u32 sum;	/* of the image */
	__u32 n[3];
	__u32 flags;
};

/* Headers for the answer, whose size is fixed; its question stands, image and OPT are put behind it. */
DNS_X_INLINE int
send(struct xdp_md *ctx, struct dns_x_work *w, const struct reply *r)
{
	__u32 question = w->s.q.name_size + 4, message = 12 + question + w->image_size + w->opt_size;
	__u32 udp_size = 8 + message, odd = w->s.q.name_size, n_additional = r->n[2] + w->s.q.has_opt;
	__u8 *data = DATA(ctx), *end = END(ctx), *l3, *udp;
	__u16 dns[6];
	__u64 sum;

	if (w->s.family == 4) {
		__u32 source, target;

		if (data + 14 + 20 + 8 + 12 > end)
			return XDP_DROP;
		l3 = data + 14;
		source = LD32(l3 + 12);
		target = LD32(l3 + 16);
		LD32(l3 + 12) = target;
		LD32(l3 + 16) = source;
		LD16(l3) = 0x0045;
		LD16(l3 + 2) = BE16(20 + udp_size);
		LD16(l3 + 6) = 0;
		LD16(l3 + 8) = 17 << 8 | 64; /* protocol, hops */
		sum = (__u64)source + target;
		LD16(l3 + 10) = (__u16)~dns_x_fold(sum + LD16(l3) + LD16(l3 + 2) + LD16(l3 + 4) + LD16(l3 + 8));
		udp = l3 + 20;
	} else {
		if (data + 14 + 40 + 8 + 12 > end)
			return XDP_DROP;
		l3 = data + 14;
		sum = 0;
#pragma clang loop unroll(full)
		for (int i = 0; i < 4; i++) {
			__u32 source = LD32(l3 + 8 + 4 * i), target = LD32(l3 + 24 + 4 * i);

			LD32(l3 + 8 + 4 * i) = target;
			LD32(l3 + 24 + 4 * i) = source;
			sum += (__u64)source + target;
		}
		LD32(l3) = 0x60;
		LD16(l3 + 4) = BE16(udp_size);
		l3[7] = 64;
		udp = l3 + 40;
	}
#pragma clang loop unroll(full)
	for (int i = 0; i < 6; i += 2) {
		__u16 to = LD16(data + i);

		LD16(data + i) = LD16(data + 6 + i);
		LD16(data + 6 + i) = to;
	}
	dns[0] = LD16(udp); /* the client's port */
	LD16(udp) = LD16(udp + 2);
	LD16(udp + 2) = dns[0];
	LD16(udp + 4) = BE16(udp_size);
	/* Opcode is 0; RD and CD are copied. */
	dns[0] = LD16(udp + 8);
	dns[1] = BE16(0x8000 | (BE16(LD16(udp + 10)) & 0x0110) | r->flags);
	dns[2] = BE16(1);
	dns[3] = BE16(r->n[0]);
	dns[4] = BE16(r->n[1]);
	dns[5] = BE16(n_additional);
#pragma clang loop unroll(full)
	for (int i = 0; i < 6; i++) {
		LD16(udp + 8 + 2 * i) = dns[i];
		sum += dns[i];
	}
	/* The pseudo header's length and protocol, the header, the question, the image, OPT. */
	sum += 2ull * BE16(udp_size) + BE16(17) + LD16(udp) + LD16(udp + 2) + w->s.q.question_sum;
	sum += dns_x_swap_if(r->sum, odd);
	if (w->opt_size) {
		__u64 o = 0;

#pragma clang loop unroll(full)
		for (int i = 0; i < 10; i++)
			o += (w->opt[i] & 0xffffffff) + (w->opt[i] >> 32);
		sum += dns_x_swap_if(dns_x_fold(o), odd + w->image_size);
	}
	sum = ~dns_x_fold(sum) & 0xffff;
	LD16(udp + 6) = (__u16)(sum ? sum : 0xffff);
	return XDP_TX;
}

/* No room behind the packet (veth, whose packets have as much as they need): there is some before it. */
__attribute__((noinline)) int
grow_front(struct xdp_md *ctx, struct dns_x_work *w, __u32 more)
{
	__u32 n;

	if (!w || more - 1 >= 192)
		return -1;
	if (w->s.family == 4 ? bpf_xdp_load_bytes(ctx, 0, w->head, 42) : bpf_xdp_load_bytes(ctx, 0, w->head, 62))
		return -1;
	if (bpf_xdp_adjust_head(ctx, -(int)more))
		return -1;
	n = 12 + w->s.q.name_size + 4;
	if (w->s.family == 4 ? bpf_xdp_store_bytes(ctx, 0, w->head, 42) : bpf_xdp_store_bytes(ctx, 0, w->head, 62))
		return -1;
	return (int)bpf_xdp_store_bytes(ctx, w->l4 + 8, w->s.q.msg, bounded_size(n, 0x1ff));
}

SEC("xdp")
int
dns_answer(struct xdp_md *ctx)
{
	__u8 *data = DATA(ctx), *end = END(ctx), *l3 = data + 14, *udp;
	__u32 zero = 0, size, frame, room, limit, sent_at;
	struct reply r = { 0 };
	struct dns_x_address to = { { 0, 0, __builtin_bswap32(0xffff), 0 } };
	struct dns_x_conf *c;
	struct dns_x_stats *s;
	struct dns_x_work *w;
	struct dns_x_image *image;
	struct dns_x_hot *e;
	__u64 now, *hits;
	__u32 wall_s, slot, number, class_id;
	int rc;

	if (data + 14 + 20 + 8 + 12 > end)
		return XDP_PASS;
	c = bpf_map_lookup_elem(&dns_conf, &zero);
	s = bpf_map_lookup_elem(&dns_stats, &zero);
	w = bpf_map_lookup_elem(&dns_work, &zero);
	if (!c || !s || !w || (data[0] & 1))
		return XDP_PASS;
	if (LD16(data + 12) == BE16(0x0800)) {
		if (l3[9] != 17 || (l3[0] & 0xf0) != 0x40)
			return XDP_PASS;
		to.a[3] = LD32(l3 + 16);
		/* With options the port lies elsewhere; they are the sockets' anyway. */
		if (l3[0] != 0x45 || (LD16(l3 + 6) & BE16(0x3fff))) {
			if (bpf_map_lookup_elem(&dns_listen, &to))
				PASS(packet);
			return XDP_PASS;
		}
		udp = l3 + 20;
		if (LD16(udp + 2) != c->port || !bpf_map_lookup_elem(&dns_listen, &to))
			return XDP_PASS;
		w->s.family = 4;
		w->l4 = 34;
		w->s.client.a[0] = w->s.client.a[1] = w->s.client.a[2] = 0;
		w->s.client.a[3] = LD32(l3 + 12);
		size = BE16(LD16(udp + 4));
		if (BE16(LD16(l3 + 2)) != 20 + size)
			PASS(packet);
		/* The stack takes no packet from 0/8, 127/8, multicast and above, nor from itself. */
		if (l3[12] == 0 || l3[12] == 127 || l3[12] >= 224 || w->s.client.a[3] == to.a[3])
			PASS(source);
	} else if (LD16(data + 12) == BE16(0x86dd)) {
		if (data + 14 + 40 + 8 + 12 > end || (l3[0] & 0xf0) != 0x60)
			return XDP_PASS;
		__builtin_memcpy(to.a, l3 + 24, 16);
		/* ::ffff:0:0/96 is how dns_listen has IPv4 addresses; it is nobody's on the wire. */
		if (!to.a[0] && !to.a[1] && to.a[2] == __builtin_bswap32(0xffff))
			return XDP_PASS;
		if (l3[6] != 17) {
			/* 0, 43, 44, 60: extension headers. */
			if ((l3[6] == 0 || l3[6] == 43 || l3[6] == 44 || l3[6] == 60) &&
			    bpf_map_lookup_elem(&dns_listen, &to))
				PASS(packet);
			return XDP_PASS;
		}
		udp = l3 + 40;
		if (LD16(udp + 2) != c->port || !bpf_map_lookup_elem(&dns_listen, &to))
			return XDP_PASS;
		w->s.family = 6;
		w->l4 = 54;
		__builtin_memcpy(w->s.client.a, l3 + 8, 16);
		size = BE16(LD16(udp + 4));
		/* Without a checksum the stack drops it (RFC 8200 section 8.1). */
		if (BE16(LD16(l3 + 4)) != size || !LD16(udp + 6))
			PASS(packet);
		if (l3[8] == 0xff || (!w->s.client.a[0] && !w->s.client.a[1]) ||
		    (w->s.client.a[2] == to.a[2] && w->s.client.a[3] == to.a[3] && w->s.client.a[0] == to.a[0] &&
		     w->s.client.a[1] == to.a[1]))
			PASS(source);
	} else {
		return XDP_PASS;
	}
	w->s.port = BE16(LD16(udp));
	if (!w->s.port)
		PASS(source);
	frame = (__u32)(end - data);
	if (size < 8 + 12 || w->l4 + size > frame)
		PASS(packet);
	if (!c->epoch)
		PASS(disabled);
	now = bpf_ktime_get_coarse_ns();
	if (now >= c->lease_ns)
		PASS(lease);
	size -= 8;
	if (size > DNS_X_MSG_MAX)
		PASS(shape);
	if (bpf_xdp_load_bytes(ctx, w->l4 + 8, w->s.q.msg, bounded_size(size, 0x1ff)))
		PASS(packet);
	w->s.q.size = size;
	rc = dns_parse_name(&w->s.q);
	if (!rc)
		rc = dns_parse_question(&w->s.q, c->name_key);
	if (!rc)
		rc = dns_parse_rest(&w->s.q);
	if (rc)
		return pass(s, (__u32)rc - 1);
	rc = dns_find_hot(&w->s.q, c->epoch);
	if (rc < 0)
		PASS(cold);
	slot = (__u32)rc;
	e = bpf_map_lookup_elem(&dns_hot, &slot);
	if (!e)
		PASS(cold);
	wall_s = (__u32)((now + c->wall_ns) / 1000000000);

	/* Which image. */
	number = e->image[w->s.q.do_bit & 1];
	w->scope = 0;
	if (!number)
		PASS(signed);
	if (e->policy) {
		dns_locate(w);
		number = dns_choose(w, e->policy - 1, number - 1, e->n_sets);
		if (!number)
			PASS(set);
	}
	number--;
	image = bpf_map_lookup_elem(&dns_images, &number);
	if (!image)
		PASS(set);
	if (image->not_after_s && (now + c->wall_ns) / 1000000000 >= image->not_after_s)
		PASS(signed);
	class_id = image->limit_class;

	/* OPT, cookie, and what room the answer has. */
	w->opt_size = 0;
	w->cookie_ok = 0;
	if (w->s.q.cookie_at && c->cookies)
		w->cookie_ok = dns_cookie_ok(w, wall_s);
	if (w->s.q.has_opt)
		dns_put_opt(w, c->udp_limit, c->cookies, wall_s);
	limit = w->s.q.udp_size < c->udp_limit ? w->s.q.udp_size : c->udp_limit;
	room = 12 + w->s.q.name_size + 4 + w->opt_size;
	room = limit > room ? limit - room : 0;
	r.flags = image->flags;
	if (image->size <= room) {
		w->image_size = image->size;
		r.sum = image->sum;
		r.n[0] = image->n[0];
		r.n[1] = image->n[1];
		r.n[2] = image->n[2];
	} else if (!(image->bits & DNS_X_MAY_CUT)) {
		PASS(size);
	} else if (image->need_size <= room) {
		w->image_size = image->need_size;
		r.sum = image->need_sum;
		r.n[0] = image->n[0];
		r.n[1] = image->n[1];
		r.n[2] = image->n_additional_needed;
	} else {
		w->image_size = 0;
		r.flags |= 0x0200; /* TC */
	}

	/* The rate limit, before the answer. */
	rc = 1;
	if (c->limit_per_s && !w->cookie_ok)
		rc = dns_take(w, class_id, c->limit_per_s, now, c->bucket_key);
	if (rc < 0)
		PASS(busy);
	if (!rc) {
		__u32 slip = c->limit_slip;

		if (slip && ++w->n_limited % slip == 0) {
			s->limited_slipped++;
			r.flags |= 0x0200;
			r.n[0] = r.n[1] = r.n[2] = 0;
			r.sum = 0;
			w->image_size = 0;
			rc = 1;
		} else {
			s->limited_dropped++;
		}
	}

	if (w->s.family == 4) {
		if (rc)
			s->answers4++;
		else
			s->dropped4++;
	} else {
		if (rc)
			s->answers6++;
		else
			s->dropped6++;
	}
	sent_at = w->l4 + 8 + 12 + w->s.q.name_size + 4;
	if (rc) {
		__u32 want = sent_at + w->image_size + w->opt_size;

		if (bpf_xdp_adjust_tail(ctx, (int)want - (int)frame) && grow_front(ctx, w, want - frame)) {
			/* Nothing was written yet. */
			if (w->s.family == 4)
				s->answers4--;
			else
				s->answers6--;
			PASS(room);
		}
	}
	s->bytes_in += size;
	s->edns += w->s.q.has_opt;
	s->ecs += w->s.q.ecs_at != 0;
	if (e->policy)
		s->chosen++;
	if (image->bits & DNS_X_SIGNED)
		s->sign++;
	if (w->s.q.cookie_at && c->cookies) {
		if (w->cookie_ok)
			s->cookie_valid++;
		else if (w->s.q.server_size)
			s->cookie_bad++;
		else
			s->cookie_client_only++;
	}
	if (!rc)
		return XDP_DROP;
	if (r.flags & 0x0200)
		s->truncated++;
	s->bytes_out += 12 + w->s.q.name_size + 4 + w->image_size + w->opt_size;
	hits = bpf_map_lookup_elem(&dns_hits, &slot);
	if (hits)
		++*hits;
	size = w->image_size;
	if (size) {
		__u64 n = (__u64)size - 1;

		/* What the verifier must see, one step at a time. */
		asm volatile("" : "+r"(n));
		if (n >= DNS_X_IMAGE_ROOM || bpf_xdp_store_bytes(ctx, sent_at, image->bytes, n + 1))
			return XDP_DROP;
	}
	limit = w->opt_size;
	if (limit && bpf_xdp_store_bytes(ctx, sent_at + size, w->opt, bounded_size(limit, 0x3f)))
		return XDP_DROP;
	if (c->sample && bpf_get_prandom_u32() % c->sample == 0 && bpf_ringbuf_output(&dns_samples, &w->s, sizeof w->s, 0))
		s->samples_lost++;
	return send(ctx, w, &r);
}

char _license[] SEC("license") = "Dual BSD/GPL";
