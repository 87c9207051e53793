/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tap of ours is: it may be moved into another network namespace and renamed there, and is
 * found there again by the next daemon.  RUNDIR/weft-taps/PORT says which namespace and name.
 * Threads: main. */
#ifndef WEFT_DATAPLANE_PORTS_TAP_PLACE_H
#define WEFT_DATAPLANE_PORTS_TAP_PLACE_H

#include <net/if.h>

#include "base/err.h"
#include "dataplane/ports/kernel_dev.h"

struct tap_place {
	struct kernel_ns *ns;
	char dev[IFNAMSIZ];
	char *port;                 /* whose name ports_changed() is told */
	struct wf_fd_watch *watch;  /* of events in a foreign namespace */
};

/* Attaches to the persistent tap of port 'name', wherever it was left, or makes it in our namespace.
 * 'attach' opens /dev/net/tun in the current namespace and returns the descriptor or a negative
 * errno. */
int tap_place_open(const char *name, int (*attach)(const char *dev, struct wf_err *),
		   struct tap_place *, struct wf_err *);
/* Looks where the tap of 'fd' is now, and remembers it on disk.  -ENODEV: it is no more. */
int tap_place_update(const char *name, int fd, struct tap_place *);
/* Forgets it; 'destroy': on disk as well. */
void tap_place_done(const char *name, struct tap_place *, bool destroy);

#endif
