/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges, flows and ports for tests of the translator: no devices, no workers.  Slot numbers
 * and OpenFlow port numbers of one bridge agree as long as ports are added in order. */
#ifndef TESTS_XLATE_RIG_H
#define TESTS_XLATE_RIG_H

#include "dataplane/normal.h"
#include "dataplane/trace.h"
#include "dataplane/translate.h"

/* Once, first. */
void rig_init(void);
struct bridge *rig_bridge(const char *name);
/* A port of the bridge, "pN", in a bundle of its own that trunks everything; may be changed through
 * the pointers until rig_publish(). */
struct xport *rig_port(struct bridge *, of_port_t);
/* The same, with a device (which stays the caller's). */
struct xport *rig_port_with(struct bridge *, of_port_t, struct port *);
struct bundle *rig_bundle(struct bridge *, of_port_t);
struct l2_config *rig_l2(struct bridge *);
/* Joins two ports to a pair of patch ports. */
void rig_patch(struct bridge *, of_port_t, struct bridge *, of_port_t);
void rig_publish(void);
/* "table=1,priority=5,in_port=1,actions=..": adds and publishes. */
struct rule *rig_flow(struct bridge *, const char *text);
void rig_flow_del(struct rule *);
/* "group_id=1,type=all,bucket=..|bucket=..": type, then the action lists. */
struct group *rig_group(struct bridge *, uint32_t id, enum group_type, unsigned n,
			const char *const buckets[]);
/* A packet by text ("in_port=1,tcp,.."). */
struct of_key rig_key(const char *text);
/* The plan, as text, of a cacheable translation, and with NORMAL and groups resolved.  The
 * caller frees. */
char *rig_plan(struct bridge *, const char *key);
char *rig_resolved(struct bridge *, const char *key);
char *rig_trace(struct bridge *, const char *key);
struct plan *rig_translate(struct bridge *, const struct of_key *);

#endif
