/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of ports, one file each. */
#ifndef WEFT_DATAPLANE_PORTS_CLASSES_H
#define WEFT_DATAPLANE_PORTS_CLASSES_H

#include "dataplane/ports/port.h"

extern const struct port_class port_class_internal;
extern const struct port_class port_class_system;
extern const struct port_class port_class_tap;

#endif
