/* SPDX-License-Identifier: Apache-2.0 */
/* Closing of descriptors whose close() waits inside the kernel: a packet socket waits for a grace
 * period of the kernel's RCU (about 17 ms), a tap that goes for several.  With some hundred ports
 * the main thread would stand still for seconds.
 *
 * Threads: main.  The closing is done by a few threads that exist only while there is work; those
 * that wait at once share the kernel's grace periods. */
#ifndef WEFT_DATAPLANE_PORTS_CLOSE_LATER_H
#define WEFT_DATAPLANE_PORTS_CLOSE_LATER_H

/* Takes 'fd' over. */
void close_later(int fd);
/* Until all are closed: before the process ends, as the kernel would close them one by one. */
void close_later_wait(void);

#endif
