/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle: a switch carried out the obvious way, to be compared with the packet path.
 *
 * One list of rules searched from end to end, one action after another, the frame's bytes edited
 * at once.  No cache, no plan, no masks, nothing shared with the translator, with run, with the
 * parser or with the agent; only the field and action models of openflow/ and the hash primitives of
 * base/.
 *
 *   bytes.c    frames: parsing, writing, tags, checksums
 *   walk.c     tables and actions
 *   choice.c   select groups, multipath, bundle, meters
 *   bridge.c   NORMAL, VLAN modes, mirrors, the MAC table
 *   tables.c   flow_mods, learned flows, timeouts
 *
 * Time is what the caller says in oracle_now_ms.  Left out: bonds, conntrack, tunnels, queues.
 */
#ifndef TESTS_ORACLE_ORACLE_H
#define TESTS_ORACLE_ORACLE_H

#include "openflow/action.h"
#include "openflow/match.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_group.h"

#define ORACLE_FRAME_MAX 1024

struct oframe {
	unsigned size;
	uint8_t b[ORACLE_FRAME_MAX];
};

struct orule {
	uint8_t table;
	uint16_t priority, idle_timeout, hard_timeout, flags;
	uint64_t cookie;
	int64_t created_ms, modified_ms, used_ms;
	uint64_t n_packets;
	struct of_match_full match;
	uint8_t n_words, words[OF_KEY_WORDS]; /* those that the mask has bits in */
	void *actions;
	size_t actions_size;
	/* The number of the first packet that sees it, and of the first that does not. */
	uint64_t born, died;
	struct orule *successor; /* who replaced it and goes on counting */
	bool has_twin;           /* for comparisons: the switch has it, too */
};

struct obucket {
	uint32_t id;
	uint16_t weight;
	of_port_t watch_port;
	uint32_t watch_group;
	void *actions; /* an action set */
	size_t size;
	uint64_t n_packets;
};

struct ogroup {
	uint32_t id;
	enum of_group_type type;
	char method[16];
	uint64_t param;
	unsigned n_fields;
	struct { enum of_field_id id; uint8_t mask[16]; } fields[8];
	unsigned n;
	struct obucket *buckets;
	uint64_t n_packets;
};

struct oband {
	uint16_t type; /* 1 drop, 2 DSCP remark */
	uint8_t prec_level;
	uint32_t rate, burst;
	int64_t tokens; /* thousandths */
};

struct ometer {
	uint32_t id;
	bool is_pktps;
	unsigned n;
	struct oband bands[2];
	bool used;         /* the bands are full until the first packet */
	int64_t filled_ms;
	uint64_t n_packets;
};

enum omode { OMODE_ACCESS, OMODE_TRUNK, OMODE_NATIVE_TAGGED, OMODE_NATIVE_UNTAGGED, OMODE_DOT1Q };

struct obridge;
struct oport {
	of_port_t port;
	struct obridge *peer; /* a patch port's other end */
	of_port_t peer_port;
	bool is_up, is_down_by_config, no_recv, no_fwd, no_flood, no_packet_in;
	/* NORMAL. */
	enum omode mode;
	int vlan;
	bool all_trunks, all_cvlans;
	uint64_t trunks, cvlans;   /* sets of VIDs below 64 */
	uint16_t qinq;
	uint8_t priority_tags;     /* 0 never, 1 if-nonzero, 2 always */
	bool is_protected;
	uint32_t src_mirrors, dst_mirrors, mirror_out;
};

struct omirror {
	bool in_use, all_vlans;
	uint64_t vlans;
	struct oport *out;         /* or */
	int out_vlan;              /* -1 */
	unsigned snaplen;
	uint32_t same;             /* mirrors with the same output */
	uint64_t n_packets;
};

struct omac {
	uint16_t vid;
	uint8_t mac[6];
	of_port_t port;
	int64_t used_ms;
};

#define OMAX_MIRRORS 4
struct obridge {
	char name[16];
	unsigned n_rules, n_groups, n_meters, n_ports, n_macs;
	struct orule **rules;
	unsigned rules_room;
	struct ogroup groups[8];
	struct ometer meters[4];
	struct oport ports[16];
	struct omirror mirrors[OMAX_MIRRORS];
	struct omac macs[512];
	int64_t mac_aging_ms;
	bool miss_to_controller;
	uint8_t frag_mode;         /* 0 normal, 1 drop, 3 nx-match */
};

struct ooutput {
	const struct obridge *bridge;
	of_port_t port;  /* OF_PORT_CONTROLLER: a packet-in */
	uint8_t reason;
	bool exposed;    /* perhaps behind a second look-up */
	uint32_t case_no;
	struct oframe frame;
};

/* What many packets in turn cause. */
struct oresult {
	unsigned n, room;
	unsigned n_rules_hit;
	uint32_t case_no;      /* of the packet being walked */
	bool unordered;        /* a packet was paused and went on later than what followed it */
	bool has_effects;      /* its walk did what an error that follows does not undo for sure */
	unsigned n_exposed;    /* times that its walk may have been cut in two by a second look-up */
	bool undefined;        /* such an error followed */
	/* A meter dropped packets, in this round: what rules count of them that are looked up after
	 * it is not defined. */
	bool metered;
	unsigned n_entries;    /* of copies into bridges, by patch ports */
	unsigned n_learned;    /* flows that came or changed */
	unsigned n_paused;     /* times that a controller got it with a continuation */
	unsigned n_stays;      /* in bridges with mirrors, one after the other */
	unsigned n_banded;     /* times that a meter's band acted */
	struct ooutput *out;
};

extern int64_t oracle_now_ms;
/* Counts the packets; rules are seen by those from 'born' on. */
extern uint64_t oracle_packet_no;
/* What was carried out: by action type. */
extern uint64_t oracle_coverage[OF_N_ACTION_TYPES];

/* What the bridge does with the frame; appends. */
void oracle_run(struct obridge *, of_port_t in_port, const struct oframe *, struct oresult *);

/* tables.c.  False: refused, nothing is changed. */
bool oracle_flow_mod(struct obridge *, const struct of_flow_mod *);
void oracle_group_mod(struct obridge *, const struct of_group_mod *);
/* The flows whose time is over go. */
void oracle_expire(struct obridge *);
struct orule *oracle_find(struct obridge *, unsigned table, const struct of_match_full *,
			  uint16_t priority);
static inline bool
orule_is_there(const struct orule *r)
{
	return r->died == UINT64_MAX;
}
void oracle_bury(struct obridge *); /* frees the rules that have gone */
void oracle_clear(struct obridge *);
/* Fills a learn action in with the values of 'key'.  fm.actions is on the heap. */
void oracle_learn_fill(const struct of_act_learn *, const struct of_key *, struct of_flow_mod *);

/* choice.c */
struct ogroup *oracle_group(struct obridge *, uint32_t id);
struct ometer *oracle_meter(struct obridge *, uint32_t id);
struct oport *oracle_port(struct obridge *, of_port_t);
bool oracle_bucket_is_alive(struct obridge *, const struct obucket *);
int oracle_select(struct obridge *, const struct ogroup *, const struct of_key *);
unsigned oracle_multipath(const struct of_act_multipath *, const struct of_key *);
of_port_t oracle_bundle(struct obridge *, const struct of_act_bundle *, const struct of_key *);
/* NULL: the packet is within the rates. */
const struct oband *oracle_meter_charge(struct ometer *, unsigned size);

/* bridge.c */
struct otag { uint16_t tpid, vid; uint8_t pcp; };
struct otags { unsigned n; struct otag t[8]; };
struct ocopy { struct oport *port; struct otags tags; unsigned snaplen; };
struct ocopies { unsigned n; struct ocopy c[128]; };
void oframe_tags(const struct oframe *, struct otags *);
void oframe_retag(struct oframe *, const struct otags *);
/* Where NORMAL sends the frame; '*mirrored' as in the walk. */
void oracle_normal(struct obridge *, of_port_t in_port, const struct oframe *, const struct of_key *,
		   uint32_t *mirrored, struct ocopies *);
/* Copies for the mirrors in 'set' of a frame as it is on 'at'. */
void oracle_mirror(struct obridge *, uint32_t set, struct oport *at, of_port_t in_port,
		   const struct oframe *, const struct of_key *, uint32_t *mirrored,
		   struct ocopies *);

/* bytes.c: what the frame's headers say; metadata in 'key' is left. */
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
