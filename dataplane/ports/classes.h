/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of ports, one file each. */
#ifndef WEFT_DATAPLANE_PORTS_CLASSES_H
#define WEFT_DATAPLANE_PORTS_CLASSES_H

#include "dataplane/ports/port.h"

extern const struct port_class port_class_afxdp;
extern const struct port_class port_class_dpdk;
extern const struct port_class port_class_dummy;
extern const struct port_class port_class_dummy_internal;
extern const struct port_class port_class_dummy_pmd;
extern const struct port_class port_class_internal;
extern const struct port_class port_class_system;
extern const struct port_class port_class_tap;
extern const struct port_class port_class_vhost_client;
extern const struct port_class port_class_vhost_server;

/* Inside ports/: what --enable-dummy replaces. */
void ports_replace_types(const char *level_or_null);
/* Tells the watcher that a port changed (NULL: any).  Any thread. */
void ports_changed(const char *name);

#endif
