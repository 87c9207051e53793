/* SPDX-License-Identifier: Apache-2.0 */
/* What joins two dummy ports: options:pstream and options:stream of type=dummy.  A packet on the
 * stream is a 16 bit length (big endian) and that many bytes, as between Open vSwitch's dummies.
 * Threads: main, but for dummy_wire_send(). */
#ifndef WEFT_DATAPLANE_PORTS_DUMMY_WIRE_H
#define WEFT_DATAPLANE_PORTS_DUMMY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dummy_wire;

/* 'name' is what base/stream.h takes.  An active one connects again and again.  NULL for a bad name,
 * or one that nobody can listen on (the log says why).  'deliver' is called for each packet. */
struct dummy_wire *dummy_wire_open(const char *name, bool passive,
				   void (*deliver)(void *arg, const void *packet, size_t size),
				   void *arg);
/* To all that are connected.  Any thread; sent from main's next turn. */
void dummy_wire_send(struct dummy_wire *, const void *packet, size_t size);
const char *dummy_wire_name(const struct dummy_wire *);
/* "connected", "disconnected"; "unknown" for a passive one. */
const char *dummy_wire_state(const struct dummy_wire *);
void dummy_wire_close(struct dummy_wire *);

#endif
