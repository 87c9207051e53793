/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow errors, from the list openflow/errors.def (one row: our name, which is the text
 * name that ovs-ofctl prints, and the code in each version, vendor for extension errors).
 */
#ifndef WEFT_OPENFLOW_ERROR_H
#define WEFT_OPENFLOW_ERROR_H

#include "base/buf.h"

/* 0 is success.  Values >= OF_ERR_BASE are rows of the list, named as in OVS
 * (include/openvswitch/ofp-errors.h) with prefix OF_ERR_ for OFPERR_: for example
 * OF_ERR_OFPBRC_BAD_TYPE. */
typedef int of_err_t;
#define OF_ERR_BASE (1 << 30)
enum {
	OF_ERR_FIRST_ = OF_ERR_BASE - 1,
#define OF_ERROR(NAME, ...) OF_ERR_##NAME,
#include "openflow/errors.def"
#undef OF_ERROR
	OF_ERR_LAST_
};

const char *of_err_name(of_err_t); /* "OFPBRC_BAD_TYPE"; strerror() of small positive values */

/* The numbers of an error in a version.  'vendor' is 0 for the standard's errors. */
struct of_err_code {
	uint32_t vendor;
	uint16_t type, code;
};
/* Returns 0, or -1 if 'version' (0x01 to 0x06) cannot express the error. */
int of_err_code(of_err_t, uint8_t version, struct of_err_code *ret_code);
/* The inverse; 0 if the numbers mean nothing in 'version'. */
of_err_t of_err_from_code(const struct of_err_code *, uint8_t version);

/* Appends an OFPT_ERROR message, header included, to 'wire'.  'xid' is in host order.  The
 * body carries 'offending' whole, cut only at the message limit of 65535 bytes: the
 * specification wants at least 64 bytes of it.  What 'version' cannot express becomes
 * NXBRC_UNENCODABLE_ERROR.  An unknown 'version' is written as OpenFlow 1.0. */
void of_error_encode(of_err_t, uint8_t version, uint32_t xid, const void *offending, size_t size,
		     struct wf_buf *wire);
/* Takes an OFPT_ERROR message, header included.  Returns the error, or 0 if the message is
 * cut or its numbers are unknown; then, if 'ret_raw' is not NULL, it has the numbers read.
 * '*ret_payload' points into the message. */
of_err_t of_error_decode(const void *msg, size_t size, struct of_err_code *ret_raw,
			 const void **ret_payload, size_t *ret_payload_size);

#endif
