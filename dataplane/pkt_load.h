/* SPDX-License-Identifier: Apache-2.0 */
/* Loads from packets, wherever they lie: bytes as they are on the wire. */
#ifndef WEFT_DATAPLANE_PKT_LOAD_H
#define WEFT_DATAPLANE_PKT_LOAD_H

#include <linux/types.h>
#include <stdint.h>
#include <string.h>

static inline __be16
load16(const uint8_t *p)
{
	__be16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline __be32
load32(const uint8_t *p)
{
	__be32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#endif
