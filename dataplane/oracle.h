/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle: OpenFlow carried out the obvious way, to be compared with the packet path.
 *
 * One list of rules searched from end to end, one action after another, the frame's bytes edited
 * at once.  No cache, no plan, no masks, nothing shared with the translator, with run or with
 * the parser; only the field and action models of openflow/.  For tests; not in any program.
 *
 * Left out: select groups, meters, bonds, VLAN modes of ports, conntrack and tunnels.
 */
#ifndef WEFT_DATAPLANE_ORACLE_H
#define WEFT_DATAPLANE_ORACLE_H

#include "openflow/action.h"
#include "openflow/match.h"

#define ORACLE_FRAME_MAX 2048

struct oframe {
	unsigned size;
	uint8_t b[ORACLE_FRAME_MAX];
};

struct orule {
	uint8_t table;
	uint16_t priority;
	struct of_match_full match;
	void *actions;
	size_t actions_size;
};

struct obucket {
	void *actions; /* an action set */
	size_t size;
};

struct ogroup {
	uint32_t id;
	bool first_only; /* fast failover with all alive; else all */
	unsigned n;
	struct obucket *buckets;
};

struct omac {
	uint16_t vid;
	uint8_t mac[6];
	of_port_t port;
};

struct obridge {
	const char *name;
	unsigned n_rules, n_groups, n_ports, n_macs;
	struct orule *rules;
	struct ogroup *groups;
	struct oport {
		of_port_t port;
		struct obridge *peer; /* a patch port's other end */
		of_port_t peer_port;
	} ports[32];
	struct omac macs[256];
	bool miss_to_controller;
};

struct ooutput {
	const struct obridge *bridge;
	of_port_t port;  /* OF_PORT_CONTROLLER: a packet-in */
	uint8_t reason;
	struct oframe frame;
};

#define ORACLE_MAX_OUTPUTS 256
struct oresult {
	unsigned n;
	unsigned n_rules_hit;
	struct ooutput out[ORACLE_MAX_OUTPUTS];
};

/* What the bridge does with the frame. */
void oracle_run(struct obridge *, of_port_t in_port, const struct oframe *, struct oresult *);

/* tests/oracle/frame.c: what the frame's headers say; metadata in 'key' is left. */
void oframe_parse(const struct oframe *, struct of_key *key);
/* Writes the headers of 'key' into the frame where they differ, with checksums. */
void oframe_store(struct oframe *, const struct of_key *key);
void oframe_push_vlan(struct oframe *, uint16_t tpid, uint16_t tci);
bool oframe_pop_vlan(struct oframe *);
void oframe_push_mpls(struct oframe *, uint16_t type, uint32_t lse_without_bos);
bool oframe_pop_mpls(struct oframe *, uint16_t type);
void oframe_push_pbb(struct oframe *, uint16_t type, uint32_t itag);
bool oframe_pop_pbb(struct oframe *);

#endif
