/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of interfaces: ingress policing, and QoS of the port.  Main. */
#ifndef WEFT_SWITCHD_QOS_H
#define WEFT_SWITCHD_QOS_H

#include "switchd/switchd.h"

/* Rows -> token buckets; before the interfaces' queues are served. */
void sw_qos_configure(struct sw_bridge *);
void sw_qos_detach(struct sw_iface *); /* its device is going */
void sw_qos_init(void);                /* qos/show, qos/show-types */

#endif
