/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of ports that the daemon before this one handed over (switchd/handover.h): opening such
 * a port takes the descriptor and changes nothing about the device, which the other daemon may be
 * serving still.  Threads: main. */
#ifndef WEFT_DATAPLANE_PORTS_HANDED_H
#define WEFT_DATAPLANE_PORTS_HANDED_H

#include <stdbool.h>

/* Of the port 'name' of that type; takes the descriptor over. */
void ports_hand_in(const char *type, const char *name, int fd);
bool ports_is_handed(const char *type, const char *name);
/* For port_class.open: the descriptor, now the caller's; -1: none was handed over. */
int ports_take_handed(const char *type, const char *name);
/* Closes what nobody took. */
void ports_forget_handed(void);

#endif
