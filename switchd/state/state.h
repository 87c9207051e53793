/* SPDX-License-Identifier: Apache-2.0 */
/* What lives through a restart: flows, groups, meters, TLV maps, port numbers, MAC tables
 * (docs/state.md).  This is what the rest of the switch calls; without a file, or before it is
 * opened, all of it does nothing.
 *
 *   a change -> state_*() -> frames in memory -> state_flush(), before anybody is told
 *   start:   state_open() -> state_bridge() -> state_ofport_before() -> state_restore()
 *            -> ports are served
 *
 * Threads: main only.
 */
#ifndef WEFT_SWITCHD_STATE_STATE_H
#define WEFT_SWITCHD_STATE_STATE_H

#include "switchd/of_switch.h"

struct of_txn;
struct rule;

/* Before anything else: where the file is; NULL: RUNDIR/weft.state; "none": there is none. */
void state_init(const char *path);
/* Begins to read the file, in a thread, while the database is being asked. */
void state_preload(void);
/* Once the database says that this process is the switch: reads the file.  'fresh': whatever it
 * says is forgotten.  Later calls do nothing. */
void state_open(bool fresh);
/* From then on until state_settle(), if the file has something to go on with. */
bool state_is_restoring(void);
/* The first configuration is in force: what nobody asked for is forgotten. */
void state_settle(void);
/* Writes what ages and closes; 'forget': removes the file. */
void state_close(bool forget);
/* Before a reply, or anything else that tells of a change, leaves. */
void state_flush(void);

/* A bridge was made for the row of this uuid; 'forget': its row was deleted. */
void state_bridge(struct of_switch *, const uint8_t uuid[16]);
void state_bridge_del(struct of_switch *, bool forget);
/* With the first configuration of a bridge, before its ports exist: fills its tables with what the file
 * has.  False: nothing is known of it (or of another life: with controllers, without). */
bool state_restore(struct of_switch *);
/* The same for its MAC table, once that is configured. */
void state_restore_macs(struct of_switch *);
/* Whether it has controllers, and its fail mode. */
void state_mode(struct of_switch *);

/* --- From one daemon to the next, while it forwards (switchd/handover.h) --------------------------- */

/* Who gives.  The file, as written so far; it is only appended to until state_give_end().  -1: nothing
 * is kept. */
int state_give(const char **ret_path);
void state_give_end(void);
/* The ports are no longer served: writes what ages but counters.  False: the file could not be written, now or
 * earlier, and is no more; what the other process has of it lacks changes. */
bool state_give_last(void);
/* Counters of all flows, as frames COUNTS. */
void state_give_counts(struct wf_buf *);

/* Who takes, instead of state_open(): what bridges ask for comes from this file, and nothing is written.
 * Takes the descriptor over. */
int state_take(int fd, const char *path, struct wf_err *);
/* What was added to the file since goes into the tables; '*ret_bytes': how much that was.  -ESTALE:
 * bridges came or went, so that this configuration is not the one to go on with. */
int state_take_more(size_t *ret_bytes, struct wf_err *);
/* The file is this daemon's from now on. */
int state_take_end(struct wf_err *);
/* Adds what state_give_counts() wrote. */
void state_take_counts(const void *, size_t size);

/* What is between these is in the file whole or not at all; they nest. */
void state_txn_begin(void);
void state_txn_end(void);
void state_flows(struct of_switch *, const struct of_txn *);
void state_flows_gone(struct of_switch *, struct rule *const *, unsigned n);
/* As it is in the next view: there, changed or gone; OF_GROUP_ALL, OF_METER_ALL: all have gone. */
void state_group(struct of_switch *, uint32_t id);
void state_meter(struct of_switch *, uint32_t id);
void state_tlv_map(struct of_switch *);

/* OpenFlow port numbers by interface; 0: none. */
void state_ofport(struct of_switch *, const char *name, uint32_t ofport);
uint32_t state_ofport_before(struct of_switch *, const char *name);

#endif
