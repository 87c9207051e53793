/* SPDX-License-Identifier: Apache-2.0 */
/* Between nxm.c and oxm_encode.c only. */
#ifndef WEFT_OPENFLOW_NXM_H
#define WEFT_OPENFLOW_NXM_H

#include "openflow/field.h"

/* NXM_NX_COOKIE: in flow_mods and requests only, no field of packets. */
#define OF_NXM_COOKIE (0x0001u << 16 | 30 << 9 | 8)
#define OF_NXM_COOKIE_W (0x0001u << 16 | 30 << 9 | 0x100 | 16)

/* Writes one entry of 'n_bytes' value and, if not NULL, mask bytes; returns its end.  'version'
 * 0: NXM.  Nothing if the field has no header. */
uint8_t *of_nxm_put_at(uint8_t *to, const struct of_field *, uint8_t version, const uint8_t *value,
		       const uint8_t *mask, unsigned n_bytes);

#endif
