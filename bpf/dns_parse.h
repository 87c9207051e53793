/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A query in a buffer of its own -> what it asks, or why it is the sockets'.  Compiled for the kernel and natively
 * (unit tests, fuzzing).  It takes less than dns/wire/message.c does, never more: what it takes is read alike. */
#ifndef WEFT_BPF_DNS_PARSE_H
#define WEFT_BPF_DNS_PARSE_H

#include "bpf/dns_hash.h"

#define DNS_X_MSG_MAX 384 /* the longest that it can take: header, name, OPT, client subnet, cookie, is shorter */
#define DNS_X_LABELS 64

struct dns_x_query {
	__u8 msg[512 + 64]; /* 'size' bytes of message; what is behind them is not looked at */
	__u64 name[DNS_X_NAME_WORDS];
	__u64 hash;
	__u64 question_sum; /* of name, type and class, from an even offset */
	__u32 size;
	__u32 name_size;
	__u16 qtype;
	__u16 udp_size;
	__u16 ecs_at, cookie_at; /* offsets of the options' data, 0: none */
	__u8 has_opt, do_bit;
	__u8 ecs_size;	   /* bytes of its data */
	__u8 server_size;  /* of the server cookie: 0, or 8 to 32 */
};

/* A query that was answered, for dnstap. */
struct dns_x_sample {
	struct dns_x_address client; /* IPv4: [3] */
	__u32 family, port;
	struct dns_x_query q;
};

/* An offset that the verifier sees to be below 512, whatever the compiler knows of it. */
DNS_X_INLINE __u64
dns_x_bound(__u64 off)
{
#ifdef __bpf__
	asm volatile("%0 &= 0x1ff" : "+r"(off));
#else
	off &= 0x1ff;
#endif
	return off;
}

DNS_X_INLINE __u32
dns_x_8(const struct dns_x_query *q, __u64 at)
{
	return q->msg[dns_x_bound(at)];
}

DNS_X_INLINE __u32
dns_x_16(const struct dns_x_query *q, __u64 at)
{
	const __u8 *p = q->msg + dns_x_bound(at);

	return (__u32)p[0] << 8 | p[1];
}

DNS_X_INLINE __u64
dns_x_64(const struct dns_x_query *q, __u64 at)
{
	__u64 w;

	__builtin_memcpy(&w, q->msg + dns_x_bound(at), 8);
	return w;
}

/* RFC 7871 section 6, as parse_ecs() of dns/wire/message.c has it. */
DNS_X_INLINE int
dns_x_ecs(struct dns_x_query *q, __u32 at, __u32 size)
{
	__u32 family, len, n;

	if (q->ecs_at || size < 4 || size > 20)
		return -1;
	family = dns_x_16(q, at);
	len = dns_x_8(q, at + 2);
	n = (len + 7) / 8;
	if (dns_x_8(q, at + 3) || family > 2 || len > (family == 1 ? 32 : family == 2 ? 128 : 0) || size != 4 + n)
		return -1;
	if (len % 8 && (dns_x_8(q, at + 3 + n) & (0xff >> len % 8)))
		return -1;
	q->ecs_at = (__u16)at;
	q->ecs_size = (__u8)size;
	return 0;
}

DNS_X_INLINE int
dns_x_options(struct dns_x_query *q, __u32 at, __u32 end)
{
	for (int i = 0; i < 2 && at < end; i++) {
		__u32 code, n;

		if (at + 4 > end)
			return -1;
		code = dns_x_16(q, at);
		n = dns_x_16(q, at + 2);
		at += 4;
		if (n > end - at)
			return -1;
		if (code == 8) {
			if (dns_x_ecs(q, at, n))
				return -1;
		} else if (code == 10) {
			if (q->cookie_at || (n != 8 && (n < 16 || n > 40)))
				return -1;
			q->cookie_at = (__u16)at;
			q->server_size = (__u8)(n - 8);
		} else {
			return -1;
		}
		at += n;
	}
	return at == end ? 0 : -1;
}

/* The three steps of dns_x_parse(), which the verifier looks at one by one.  Each returns 0 or 1 + the reason
 * (enum dns_x_pass). */
DNS_X_INLINE int
dns_x_parse_name(struct dns_x_query *q)
{
	__u32 at = 12, end = q->size;

	if (end < 12 + 1 + 4 || end > DNS_X_MSG_MAX)
		return 1 + DNS_X_PASS_shape;
	/* QR=0, QUERY; one question, no answer, no authority, at most one more. */
	if ((dns_x_8(q, 2) & 0xf8) || dns_x_16(q, 4) != 1 || dns_x_16(q, 6) || dns_x_16(q, 8) || dns_x_8(q, 10) ||
	    dns_x_8(q, 11) > 1)
		return 1 + DNS_X_PASS_shape;
	for (int i = 0; i < DNS_X_LABELS; i++) {
		__u32 l = dns_x_8(q, at);

		if (!l)
			break;
		at += 1 + l;
		if (l > 63 || at > 12 + DNS_X_NAME - 2)
			return 1 + DNS_X_PASS_name;
	}
	if (dns_x_8(q, at) || at + 5 > end)
		return 1 + DNS_X_PASS_name;
	q->name_size = at + 1 - 12;
	return 0;
}

/* Without branches that depend on the name's size. */
DNS_X_INLINE int
dns_x_parse_question(struct dns_x_query *q, __u64 name_key)
{
	__u64 h = name_key, sum = 0, type;
	__u32 n = q->name_size;

	for (__u32 i = 0; i < DNS_X_NAME_WORDS; i++) {
		__s64 left = (__s64)n - i * 8;
		__u64 none = (__u64)(left - 1) >> 63, whole = (__u64)(7 - left) >> 63;
		__u64 part = (1ull << (left & 7) * 8) - 1;
		__u64 w = dns_x_64(q, 12 + i * 8) & (part | (0 - whole)) & (none - 1);

		sum += (w & 0xffffffff) + (w >> 32);
		w = dns_x_lower(w);
		h = dns_x_name_step(h, w);
		q->name[i] = w;
	}
	type = dns_x_16(q, 12 + n);
	q->qtype = (__u16)type;
	if (dns_x_16(q, 12 + n + 2) != 1)
		return 1 + DNS_X_PASS_shape;
	q->hash = dns_x_name_end(h, n, q->qtype);
	q->question_sum = dns_x_fold(sum) +
			  dns_x_swap_if(dns_x_fold((__u64)__builtin_bswap16(q->qtype) + __builtin_bswap16(1)), n);
	return 0;
}

/* OPT (RFC 6891 section 6.1.2): root, type, size, extended rcode, version, flags, options. */
DNS_X_INLINE int
dns_x_parse_rest(struct dns_x_query *q)
{
	__u32 at = 12 + q->name_size + 4, end = q->size, rdlen;

	q->has_opt = q->do_bit = q->ecs_size = q->server_size = 0;
	q->ecs_at = q->cookie_at = 0;
	q->udp_size = 512;
	if (!dns_x_8(q, 11))
		return at == end ? 0 : 1 + DNS_X_PASS_shape;
	if (at + 11 > end || dns_x_8(q, at) || dns_x_16(q, at + 1) != 41)
		return 1 + DNS_X_PASS_shape;
	rdlen = dns_x_16(q, at + 9);
	if (at + 11 + rdlen != end)
		return 1 + DNS_X_PASS_shape;
	if (dns_x_8(q, at + 6) || (dns_x_8(q, at + 7) & 0x7f) || dns_x_8(q, at + 8))
		return 1 + DNS_X_PASS_edns;
	q->has_opt = 1;
	q->do_bit = dns_x_8(q, at + 7) >> 7;
	q->udp_size = (__u16)dns_x_16(q, at + 3);
	if (q->udp_size < 512)
		q->udp_size = 512;
	return dns_x_options(q, at + 11, end) ? 1 + DNS_X_PASS_edns : 0;
}

#ifndef __bpf__
static inline int
dns_x_parse(struct dns_x_query *q, __u64 name_key)
{
	int rc = dns_x_parse_name(q);

	rc = rc ? rc : dns_x_parse_question(q, name_key);
	return rc ? rc : dns_x_parse_rest(q);
}
#endif

#endif
