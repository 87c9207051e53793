/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of ports, one file each. */
#ifndef WEFT_DATAPLANE_PORTS_CLASSES_H
#define WEFT_DATAPLANE_PORTS_CLASSES_H

#include "dataplane/ports/port.h"

extern const struct port_class port_class_dummy;
extern const struct port_class port_class_dummy_internal;
extern const struct port_class port_class_internal;
extern const struct port_class port_class_system;
extern const struct port_class port_class_tap;

/* Inside ports/: what --enable-dummy replaces; tells the watcher that a port changed (NULL: any). */
void ports_replace_types(const char *level_or_null);
void ports_changed(const char *name);

#endif
