/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* SipHash-1-3 (Aumasson and Bernstein, 2012; the variant with one and three rounds) over whole
 * 64-bit words: keyed, so that nobody who does not know the document can aim at a server. */
#ifndef WEFT_BPF_GLB_SIPHASH_H
#define WEFT_BPF_GLB_SIPHASH_H

#include <linux/types.h>

/* The programs have no loops that the verifier must follow; the native build does as it likes. */
#ifdef __bpf__
#define GLB_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GLB_UNROLL
#endif

#define GLB_ROTL(x, b) (__u64)(((x) << (b)) | ((x) >> (64 - (b))))
#define GLB_SIPROUND                                                                             \
	do {                                                                                     \
		v0 += v1;                                                                        \
		v1 = GLB_ROTL(v1, 13) ^ v0;                                                      \
		v0 = GLB_ROTL(v0, 32);                                                           \
		v2 += v3;                                                                        \
		v3 = GLB_ROTL(v3, 16) ^ v2;                                                      \
		v0 += v3;                                                                        \
		v3 = GLB_ROTL(v3, 21) ^ v0;                                                      \
		v2 += v1;                                                                        \
		v1 = GLB_ROTL(v1, 17) ^ v2;                                                      \
		v2 = GLB_ROTL(v2, 32);                                                           \
	} while (0)

static inline __attribute__((always_inline)) __u64
glb_siphash(const __u64 key[2], const __u64 *words, unsigned int n)
{
	__u64 v0 = key[0] ^ 0x736f6d6570736575ull, v1 = key[1] ^ 0x646f72616e646f6dull;
	__u64 v2 = key[0] ^ 0x6c7967656e657261ull, v3 = key[1] ^ 0x7465646279746573ull;
	__u64 last = (__u64)n << 59; /* the length in bytes, in the top byte */

	GLB_UNROLL
	for (unsigned int i = 0; i < n; i++) {
		v3 ^= words[i];
		GLB_SIPROUND;
		v0 ^= words[i];
	}
	v3 ^= last;
	GLB_SIPROUND;
	v0 ^= last;
	v2 ^= 0xff;
	GLB_SIPROUND;
	GLB_SIPROUND;
	GLB_SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

#endif
