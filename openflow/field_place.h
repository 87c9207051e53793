/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of places of a field in struct of_key, as fields.def explains them.  Private to
 * openflow/field*.c and match.c. */
#ifndef WEFT_OPENFLOW_FIELD_PLACE_H
#define WEFT_OPENFLOW_FIELD_PLACE_H

enum {
	OF_PLACE_BYTES, OF_PLACE_HOST, OF_PLACE_WORDS, OF_PLACE_HOST_BYTE, OF_PLACE_HOST_PART,
	OF_PLACE_BE_PART, OF_PLACE_ICMP, OF_PLACE_VLAN, OF_PLACE_PORT16, OF_PLACE_TLV
};

#endif
