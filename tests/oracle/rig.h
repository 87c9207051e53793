/* SPDX-License-Identifier: Apache-2.0 */
/* The switch under test, and the oracle's model of it, side by side.
 *
 *   p1..p4 - br0 - p10 (patch) p1 - br1 - p2, p3        a scene
 *
 * A scene's bridges know nothing of other scenes'; but views, workers, caches and the slow path are
 * shared.  Changes go through the agent (switchd/of_*.c), as messages of a controller do once
 * they are decoded, and into the model.
 */
#ifndef TESTS_ORACLE_RIG_H
#define TESTS_ORACLE_RIG_H

#include "dataplane/worker.h"
#include "switchd/of_internal.h"
#include "tests/oracle/oracle.h"

#define N_WIRES 6
#define MAX_SCENES 3
#define BURST_CASES 32

struct wire {
	struct port *port;
	unsigned bridge; /* 0, 1 */
	of_port_t number;
	uint32_t generation;
};

struct scene {
	unsigned index;
	struct bridge *br[2];
	struct of_switch *sw[2];
	struct obridge *model[2];
	struct wire wires[N_WIRES];
	uint32_t patch_slot[2], patch_generation[2];
	struct counter *mirror_counters[2][OMAX_MIRRORS];
	uint64_t mirror_base[2][OMAX_MIRRORS], meter_packets[2][4];
	/* The burst under way. */
	unsigned from, n_cases;
	struct oframe cases[BURST_CASES];
	struct oresult want;
	bool explained;
	struct { unsigned n; struct { unsigned bridge; uint8_t reason; struct oframe f; } in[2048]; } packet_ins;
};

extern struct scene scenes[MAX_SCENES];
extern unsigned n_scenes;

/* 'n_workers' 0: packets run through a worker's loop on this thread, burst by burst. */
void rig_init(unsigned n_scenes, unsigned n_workers);
void rig_done(void);
/* Hits and misses of the flow cache. */
struct worker_totals;
void rig_lookups(struct worker_totals *);
void rig_forget_flows(void);
/* Between rounds, when there are no flows: the caches' key shrinks. */
void rig_narrow_key(void);

/* Ports and NORMAL's configuration as the model has them. */
void scene_set_ports(struct scene *, unsigned b);
void scene_set_meter(struct scene *, unsigned b, const struct ometer *);
/* The agent's answer must be the model's.  'txn' NULL: done at once. */
void scene_flow_mod(struct scene *, unsigned b, const struct of_flow_mod *, struct of_txn *);
/* Puts the change into the agent's transaction only: to be undone. */
void scene_flow_mod_unmodelled(struct scene *, unsigned b, const struct of_flow_mod *,
			       struct of_txn *);
void scene_group_mod(struct scene *, unsigned b, const struct of_group_mod *);
void scene_flush_macs(struct scene *, unsigned b);
void scene_clear(struct scene *);
/* Makes changes visible to the packets that follow: what a barrier does. */
void rig_barrier(void);
void rig_warp(int64_t ms);

/* Sends the burst; it runs when rig_run() is called, or before. */
void scene_send(struct scene *);
void rig_run(void);
/* Is what came out what the oracle says?  Says on stderr what is not. */
bool scene_compare(struct scene *);
void scene_drain(struct scene *); /* forgets what came out */
/* Are the counters of rules, groups, meters and mirrors? */
bool scene_compare_totals(struct scene *);
void scene_explain(struct scene *, unsigned case_no);

/* draw.c: random, from one seed. */
enum { /* what a round has */
	HAS_VLAN_MODES = 1, HAS_MIRRORS = 2, HAS_LEARN = 4, HAS_CONJUNCTIONS = 8, HAS_METERS = 16,
	HAS_CHOICES = 32, HAS_PAUSE = 64, HAS_FRAGMENTS = 128, HAS_MISSES = 256, HAS_TIMEOUTS = 512,
	HAS_ODD_FRAMES = 1024, HAS_PORT_CONFIG = 2048, HAS_PUSHES = 4096, HAS_TAG_STACKS = 8192,
};
#define N_FEATURES 14
extern const char *const feature_names[N_FEATURES];
void draw_seed(uint64_t);
uint32_t draw(uint32_t n);
void draw_scene(struct scene *, unsigned features);
/* One change between packets.  True: the packets that follow need a barrier first. */
void draw_change(struct scene *, unsigned features);
void draw_frame(struct oframe *, unsigned features);
void draw_mutation(struct oframe *);

#endif
