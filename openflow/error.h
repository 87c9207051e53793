/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow errors, from the list openflow/errors.def (one row: our name, text name as
 * ovs-ofctl prints it, code in each version, vendor for extension errors). */
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

const char *of_err_name(of_err_t); /* "OFPBRC_BAD_TYPE" */

#endif
