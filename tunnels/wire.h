/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel headers' bits, shared by decap.c and encap.c; and unaligned big-endian numbers. */
#ifndef WEFT_TUNNELS_WIRE_H
#define WEFT_TUNNELS_WIRE_H

#include <stdint.h>

/* VXLAN, first byte: R R R R I R R R; GBP adds G, GPE adds version, P and O. */
#define VXLAN_I 0x08
#define VXLAN_GBP_G 0x80
#define VXLAN_GBP_FLAGS 0x48 /* second byte: D, A */
#define VXLAN_GPE_P 0x04
#define VXLAN_GPE_O 0x01
#define VXLAN_GPE_VERSION 0x30
enum { GPE_IPV4 = 1, GPE_IPV6, GPE_ETHERNET, GPE_NSH, GPE_MPLS };

/* GRE, first 16 bits. */
#define GRE_C 0x8000
#define GRE_R 0x4000
#define GRE_K 0x2000
#define GRE_S 0x1000
#define GRE_VERSION 0x0007
#define GRE_OTHER (0xffff & ~(GRE_C | GRE_R | GRE_K | GRE_S | GRE_VERSION))

#define ETHERTYPE_TEB 0x6558
#define ETHERTYPE_ERSPAN2 0x88be
#define ETHERTYPE_ERSPAN3 0x22eb
#define ETHERTYPE_NSH 0x894f
#define ETHERTYPE_MPLS 0x8847

/* Geneve. */
#define GENEVE_O 0x80
#define GENEVE_C 0x40

/* GTP-U: version 1, protocol type GTP; and the bits that announce four more bytes. */
#define GTPU_V1_GTP 0x30
#define GTPU_V1_MASK 0xf0
#define GTPU_E 0x04
#define GTPU_OPTIONAL 0x07
#define GTPU_GPDU 255

/* LISP, first byte: nonce, locator status bits, echo nonce, map version, instance; three reserved. */
#define LISP_N 0x80
#define LISP_L 0x40
#define LISP_V 0x10
#define LISP_I 0x08

static inline uint16_t
rd16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
rd32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t
rd24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline void
wr16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
wr24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	wr16(p + 1, v);
}

static inline void
wr32(uint8_t *p, uint32_t v)
{
	wr16(p, v >> 16);
	wr16(p + 2, v);
}

#endif
