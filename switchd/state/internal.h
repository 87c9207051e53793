/* SPDX-License-Identifier: Apache-2.0 */
/* What state.c (file, changes) and replay.c share. */
#ifndef WEFT_SWITCHD_STATE_INTERNAL_H
#define WEFT_SWITCHD_STATE_INTERNAL_H

#include "switchd/of_internal.h"
#include "switchd/state/image.h"
#include "switchd/state/log.h"

struct state {
	char *path;              /* NULL: no file */
	bool opened;
	struct state_log *log;   /* NULL: nothing is kept */
	bool replaying;          /* what changes comes from the file */

	/* From the opening of the file to the end of the first configuration. */
	bool has_image;
	size_t taken;            /* what of the file is in the tables: frames below this offset */
	int handed_fd;           /* of another daemon's file that this one is to go on with; -1 */
	void *file;
	size_t file_size;
	struct state_image image;
	uint32_t last_bridge;

	/* For state/show. */
	uint64_t n_flows, n_groups, n_meters, n_macs, n_expired, n_unreadable;
	int64_t replay_us;
	char *note;              /* why nothing is kept, or what became of the last file */
};
extern struct state state;

/* CLOCK_BOOTTIME less weft's clock, ms. */
int64_t state_boot_offset(void);
/* Takes from the image what lies at 'taken' or behind it: of a bridge that was restored before. */
void state_restore_rest(struct of_switch *);
void state_unmap(void);
/* Starts anew: nothing of what the file says of it counts. */
void state_bridge_anew(struct of_switch *);
/* Writes what has changed of the bridge's MAC table. */
void state_macs(struct of_switch *, bool even_if_unchanged);
/* What is kept of the flow's counters; false: nothing is.  boot: state_boot_offset(). */
bool state_counts_of(const struct rule *, int64_t boot, struct state_counts *);

#endif
