/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson, Bernstein 2012), for server cookies (RFC 9018 section 4.4) and the signature cache.  The XDP path
 * computes the same (bpf). */
#ifndef WEFT_DNS_WIRE_SIPHASH_H
#define WEFT_DNS_WIRE_SIPHASH_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DNS_SIP_ROTL(X, B) ((X) << (B) | (X) >> (64 - (B)))
#define DNS_SIP_ROUND(V)                                                                       \
	do {                                                                                   \
		(V)[0] += (V)[1];                                                              \
		(V)[1] = DNS_SIP_ROTL((V)[1], 13) ^ (V)[0];                                    \
		(V)[0] = DNS_SIP_ROTL((V)[0], 32);                                             \
		(V)[2] += (V)[3];                                                              \
		(V)[3] = DNS_SIP_ROTL((V)[3], 16) ^ (V)[2];                                    \
		(V)[0] += (V)[3];                                                              \
		(V)[3] = DNS_SIP_ROTL((V)[3], 21) ^ (V)[0];                                    \
		(V)[2] += (V)[1];                                                              \
		(V)[1] = DNS_SIP_ROTL((V)[1], 17) ^ (V)[2];                                    \
		(V)[2] = DNS_SIP_ROTL((V)[2], 32);                                             \
	} while (0)

/* The digest's 8 bytes are the result in little-endian order. */
static inline uint64_t
dns_siphash(const uint8_t key[16], const uint8_t *p, size_t size)
{
	uint64_t k0, k1, m, v[4];
	size_t left = size;

	memcpy(&k0, key, 8);
	memcpy(&k1, key + 8, 8);
	k0 = le64toh(k0);
	k1 = le64toh(k1);
	v[0] = k0 ^ 0x736f6d6570736575ull;
	v[1] = k1 ^ 0x646f72616e646f6dull;
	v[2] = k0 ^ 0x6c7967656e657261ull;
	v[3] = k1 ^ 0x7465646279746573ull;
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		m = le64toh(m);
		v[3] ^= m;
		DNS_SIP_ROUND(v);
		DNS_SIP_ROUND(v);
		v[0] ^= m;
	}
	m = (uint64_t)size << 56;
	for (size_t i = 0; i < left; i++)
		m |= (uint64_t)p[i] << (8 * i);
	v[3] ^= m;
	DNS_SIP_ROUND(v);
	DNS_SIP_ROUND(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		DNS_SIP_ROUND(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
