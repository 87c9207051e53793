/* SPDX-License-Identifier: Apache-2.0 */
/* The placement document: which node owns which slot of which table, and who owned it before.
 *
 *   pool "web" (id 1)
 *     sites:  slot -> site, former site, ...        read by edges: bucket of (VIP, client)
 *     dc1:    slot -> server, former server, ...    read by the local balancers of dc1: slot of a flow
 *     dc2:    slot -> server, ...
 *
 * It is data with one writer (plc_update(), behind "weft-glb place"); balancers read it and compute
 * nothing, so that two which never talk agree, and a fresh one knows the history.  Node and
 * pool ids are 32 bits, permanent and never given twice.
 *
 * Threads: a document belongs to one thread.  Memory: everything in it belongs to the document. */
#ifndef WEFT_GLB_PLACEMENT_H
#define WEFT_GLB_PLACEMENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define PLC_OWNERS 3		   /* owners a slot remembers, the current one included */
#define PLC_MIN_SLOTS 256	   /* a table's slots are a power of two, so that it can double */
#define PLC_MAX_SLOTS (1u << 23)   /* 100,000 servers at 64 slots each */
#define PLC_SLOTS_A_MEMBER 64	   /* when a table is made */
#define PLC_MIN_SLOTS_A_MEMBER 50  /* below that the table doubles: a share is within 2 % from here */
#define PLC_NAME_MAX 63
#define PLC_MAX_SIZE (1u << 30)	   /* bytes of a document, and of what is wanted */
#define PLC_MAX_ID (1u << 24)	   /* readers keep arrays by id */

struct plc_slot {
	uint32_t owner[PLC_OWNERS]; /* node ids: the current owner, then former ones; 0: none */
	uint32_t moved;		    /* number of the document that last changed the current owner */
};

struct plc_member {
	uint32_t node;
	uint32_t weight; /* 0: drains: owns no slot, stays in the lists of those it had */
};

struct plc_table {
	struct plc_member *members; /* by node id */
	size_t n_members;
	struct plc_slot *slots;
	uint32_t n_slots;
	struct plc_slot *before; /* as the slots were when the key changed: where flows of the key before are */
	uint32_t n_before;
};

enum plc_kind { PLC_SITE, PLC_SERVER };

struct plc_node {
	uint32_t id;
	enum plc_kind kind;
	char name[PLC_NAME_MAX + 1];
	struct in6_addr address; /* of its tunnel end; IPv4 as ::ffff:a.b.c.d */
	bool no_second_chance;	 /* a foreign end: never sent a hop list */
	uint8_t encap;		 /* enum glb_encap (bpf/glb_abi.h): how packets are brought to it */
	uint16_t port;		 /* of NAT: the server's; 0: the VIP's */
	uint8_t mac[6];		 /* of VXLAN: the frame's destination */
	bool gone;		 /* no longer wanted; its id stays taken */
};

struct plc_site_table {
	uint32_t site;
	struct plc_table servers;
};

struct plc_pool {
	uint32_t id;
	char name[PLC_NAME_MAX + 1];
	bool gone;
	struct plc_table sites;
	struct plc_site_table *by_site;
	size_t n_by_site;
	unsigned *n_shared; /* how many documents have these tables; NULL: this one alone */
};

/* A part of the document's text (placement_file.c): a pool, or PLC_NODES_A_PART nodes. */
struct plc_part {
	uint32_t size;	   /* bytes */
	uint32_t document; /* number of the document that brought it as it is */
	uint32_t sum;	   /* CRC-32C */
};
#define PLC_NODES_A_PART 1024

/* A change of the hash key, in three steps, each a document.  Balancers that have neighbouring steps agree. */
enum plc_key_step {
	PLC_KEY_ONE,	  /* there is one key */
	PLC_KEY_PREPARED, /* the other one is the next: flows that do not open are looked for by it, too */
	PLC_KEY_SWITCHED, /* the other one is the one before, with the slots as they were */
};

/* Where names are; made when one is asked for, and added to as nodes and pools are. */
struct plc_index {
	uint32_t *at; /* by hash, then the next free place: index + 1; 0: none */
	size_t mask, n;
};

struct placement {
	uint32_t number;  /* of the document; each change counts one */
	uint32_t next_id; /* of the next node or pool */
	uint8_t hash_key[16]; /* new flows are placed by it */
	uint8_t other_key[16];
	enum plc_key_step key_step;
	int64_t key_since; /* when that step was taken, in seconds since 1970; 0: not known */
	struct plc_node *nodes; /* by id */
	size_t n_nodes;
	struct plc_pool *pools; /* by id */
	size_t n_pools;
	struct plc_index *node_names, *pool_names;
	unsigned *n_shared;	/* how many documents have these nodes and their names; NULL: this one alone */
	struct plc_part *parts; /* of the text that it was read from or written to, nodes first; NULL: not known */
	size_t n_node_parts, n_pool_parts;
};

/* "gre", "gue", "ipip", "vxlan", "l2", "nat"; NULL beyond. */
const char *plc_encap_name(uint8_t);
/* Reads "encapsulation", "port", "mac" and "no-second-chance" of a node.  Returns NULL, or what is wrong. */
struct json_t;
const char *plc_get_encap(const struct json_t *, struct plc_node *);
struct placement *plc_new(void); /* number 0, empty, a fresh random key */
void plc_free(struct placement *);

const struct plc_node *plc_node_by_id(const struct placement *, uint32_t id);
struct plc_node *plc_node_by_name(const struct placement *, enum plc_kind, const char *name);
struct plc_pool *plc_pool_by_name(const struct placement *, const char *name);
const struct plc_table *plc_servers_at(const struct plc_pool *, uint32_t site); /* NULL: none */

/* --- one table ------------------------------------------------------------------------------- */

struct plc_rules {
	const uint32_t *dead; /* nodes that are gone with all their connections: no list keeps them */
	size_t n_dead;
	uint32_t forget_before; /* former owners of slots moved before that document have no flows left */
	bool cut;		/* do it even if flows are cut */
};

struct plc_moves {
	uint32_t moved; /* slots with another current owner */
	uint32_t cut;	/* slots in whose list an owner was lost that was neither dead nor forgotten */
	bool doubled;
};

/* Makes 'want' (sorted by node, none twice) the members of 'table' and moves as few slots as give
 * each its share within one slot.  'number' marks the moved slots.  Returns 0, or -EBUSY if flows would be cut ("would cut N slots ..."), or -EINVAL.  On failure
 * the table is unchanged. */
int plc_table_edit(struct plc_table *, const struct plc_member *want, size_t n_want, uint32_t number,
		   const struct plc_rules *, struct plc_moves *ret_moves, struct wf_err *);
void plc_table_done(struct plc_table *);

/* --- the document as JSON (docs/glb-design.md) ------------------------------------------------ */

/* Returns a document or NULL with 'err': what, where in the text, and the rule.  Checks everything
 * that readers rely on: ids known and unique, slots a power of two, owners distinct. */
struct placement *plc_parse(const char *text, size_t len, struct wf_err *);
struct placement *plc_load(const char *path, struct wf_err *);
/* The same for who has 'before', an earlier document of the same file: only the parts that changed are read, the others are
 * shared by both documents.  Neither may be changed from then on; each is freed for itself. */
struct placement *plc_load_next(const char *path, struct placement *before, struct wf_err *);
/* Whether both have the very same nodes, or tables of pool 'i', because one was read after the other. */
bool plc_same_nodes(const struct placement *, const struct placement *);
bool plc_same_pool(const struct placement *, const struct placement *, size_t i);
/* The text; it says which of its parts are others than in the text before, and the document remembers that. */
void plc_format(struct placement *, struct wf_str *);
/* Writes beside 'path' and renames, so that readers see the old or the new one. */
int plc_save(struct placement *, const char *path, struct wf_err *);

/* --- the writer ------------------------------------------------------------------------------ */

/* Applies what the operator wants (JSON, docs/glb.md) as the next document.  'ret_report' gets a
 * line per changed table.  Returns 1 if something changed, 0 if not, or a negative errno with
 * 'err'; the document must then be thrown away. */
int plc_update(struct placement *, const char *want, size_t len, const char *const dead[],
	       size_t n_dead, uint32_t forget_before, bool cut, struct wf_str *ret_report,
	       struct wf_err *);

/* --- the hash key (placement_key.c) ------------------------------------------------------------- */

#define PLC_HOPS 6 /* entries of a packet's list: servers and sites that are asked one after the other */

/* Takes the next step: PREPARED, SWITCHED, then ONE again, 'now' in seconds since 1970.  Returns 0 or -EBUSY with 'err' if connections
 * would be cut, because members take no hop list; 'cut' does it nevertheless.  Counts one document. */
int plc_key_next(struct placement *, int64_t now, bool cut, struct wf_err *);
/* -EBUSY: by both keys together some flow would have more candidates than a packet's list has room for. */
int plc_key_fits(const struct placement *, struct wf_err *);
const char *plc_key_step_name(enum plc_key_step);

#endif
