/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli; RFC 3720 appendix B.4), by the processor's instruction where it has one. */
#ifndef WEFT_BASE_CRC32C_H
#define WEFT_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The sum of 'data'; 'crc' is that of what came before, 0 at the start. */
uint32_t wf_crc32c(uint32_t crc, const void *data, size_t size);
/* The same without that instruction; for tests. */
uint32_t wf_crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
