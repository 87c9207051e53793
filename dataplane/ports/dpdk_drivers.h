/* SPDX-License-Identifier: Apache-2.0 */
/* EAL's start loads every driver that is installed with DPDK, some hundred libraries: half of the processor time
 * of a start, in which no packet passes after a restart.  With virtual devices and vhost-user only, three of
 * them are of use; DPDK has no option for that, so that EAL is shown those only when it looks into their
 * folder (its readdir64() is ours).  The others are loaded when a device asks for them.
 * Threads: one at a time. */
#ifndef WEFT_DATAPLANE_PORTS_DPDK_DRIVERS_H
#define WEFT_DATAPLANE_PORTS_DPDK_DRIVERS_H

#include <stdbool.h>

/* Is the device one that a driver makes by its name ("net_null0,no-rx=1"), rather than one of a bus? */
bool dpdk_device_is_virtual(const char *devargs);

/* Between 'true' and 'false' the calling thread finds few drivers only in DPDK's folder. */
void dpdk_drivers_few(bool);

/* Before a device is probed: loads its driver if EAL was started with few, all of them if it is not
 * known which. */
void dpdk_driver_load(const char *devargs);

#endif
