/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the switch itself sends: LACP, BFD, learning packets.  Main.  They go out as they are,
 * past flow and egress tables. */
#ifndef WEFT_DATAPLANE_PROTOCOL_TX_H
#define WEFT_DATAPLANE_PROTOCOL_TX_H

#include "dataplane/bridge.h"

/* While it is held nothing is sent: another daemon speaks for these ports. */
void protocol_hold(bool hold);
/* Returns false if the port is not there or did not take it. */
bool protocol_send(struct bridge *, of_port_t, const void *frame, uint32_t size);

#endif
