/* SPDX-License-Identifier: Apache-2.0 */
/* For the message codecs: sets of actions, bit 1 << enum of_action_type inside, bit 1 << OFPAT_*
 * (ofp_action_type of the version) on the wire.  Actions that a version does not number
 * (Nicira's) are left out. */
#ifndef WEFT_OPENFLOW_MSG_BITS_H
#define WEFT_OPENFLOW_MSG_BITS_H

#include <stdint.h>

uint32_t of_action_bits_to_wire(uint64_t actions, uint8_t version);
uint64_t of_action_bits_from_wire(uint32_t wire, uint8_t version);

/* Likewise sets of instructions: enum of_instruction_bit, and 1 << OFPIT_*. */
uint32_t of_instruction_bits_to_wire(uint32_t instructions, uint8_t version);
uint32_t of_instruction_bits_from_wire(uint32_t wire, uint8_t version);

#endif
