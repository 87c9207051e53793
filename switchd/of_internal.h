/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the OpenFlow agent (switchd/of_*.c) share.
 *
 *   of_listen.c   sockets -> of_conn
 *   of_conn.c     one session: framing, order of output, when to stop reading
 *   of_hello.c    versions
 *   of_dispatch.c message -> handler
 *   of_flow_*.c, of_group.c, of_meter.c, ...: what messages do
 *
 * Order.  Main is the only writer.  Edits go into the next view; of_publish() makes them visible
 * and is
 * called before anything that could tell of them leaves: a reply, a packet, the end of the turn.
 * Monitor updates leave before the reply of the request that made them.
 * Threads: main only.
 */
#ifndef WEFT_SWITCHD_OF_INTERNAL_H
#define WEFT_SWITCHD_OF_INTERNAL_H

#include "base/clock.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/reconnect.h"
#include "base/stream.h"
#include "openflow/action.h"
#include "openflow/msg.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_monitor.h"
#include "openflow/msg_packet.h"
#include "openflow/msg_switch.h"
#include "openflow/msg_table.h"
#include "openflow/tlv_map.h"
#include "switchd/of_switch.h"

/* A reply in the making stops when so much waits to be sent, and goes on when it is gone. */
#define OF_SLICE_BYTES (256 * 1024)
/* A session whose peer does not read is not served beyond this. */
#define OF_BACKLOG_MAX (1024 * 1024)

/* --- Switch --------------------------------------------------------------------------- */

struct of_port {
	struct wf_hmap_node node; /* by number */
	struct of_port_desc desc;
	int64_t created_ms;
};

/* What a flow table has beyond the rules. */
enum of_evict_by { OF_EVICT_CONFIG = 1, OF_EVICT_OPENFLOW = 2 };
struct of_table_state {
	struct wf_list rules;         /* of_rules.c: in the order in which they came */
	char *name;                   /* NULL: none */
	bool name_is_configured;      /* from the configuration: table features do not change it */
	uint32_t max_flows;           /* UINT32_MAX: no limit */
	unsigned evict;               /* enum of_evict_by */
	unsigned n_evict_fields;
	struct of_subfield *evict_fields;
	struct of_evict_index *evict_index; /* NULL: nothing was evicted yet */
	uint8_t miss;                 /* enum of_table_miss */
	bool vacancy_on;
	uint8_t vacancy_down, vacancy_up;
	uint8_t vacancy_said;         /* enum of_table_reason said last, 0: none */
};

struct of_group_use {
	struct wf_hmap_node node;     /* by group id */
	uint32_t group, n_rules;
};

struct of_switch {
	struct wf_list node;          /* in of_switches */
	struct bridge *bridge;
	const struct of_switch_ops *ops;
	void *aux;

	/* Configuration. */
	uint64_t datapath_id;
	uint32_t versions;            /* allowed, never 0 */
	enum of_fail_mode fail_mode;
	char *dp_desc, *serial_desc;  /* or NULL */
	bool flow_restore_wait;
	bool configured;              /* of_switch_configure() was called */
	bool restored;                /* of_switch_restore() was */
	unsigned n_controllers;       /* that count for the fail mode */
	size_t max_pending;

	struct wf_list services;      /* struct of_service */
	struct wf_list conns;         /* struct of_conn */
	struct wf_hmap ports;
	struct of_table_state tables[N_TABLES];
	struct wf_hmap group_uses;
	unsigned n_flows;             /* in all tables, hidden ones included */
	struct wf_hmap stat_triggers; /* of_stat_trigger.c */
	struct wf_hmap learned_cookies; /* of_learn.c */
	bool learned_cookies_dead;
	struct of_tlv_map tlv_map;
	uint8_t frag;                 /* enum of_frag_handling */
	bool have_generation_id;
	uint64_t generation_id;       /* of the primary's election */
	uint8_t uuid[16];             /* names the bridge in continuations */
	int64_t created_ms;
	struct of_meter_virtual *virtual_meters;

	/* state/: the bridge in the state file (0: not kept), and what was written of it last. */
	uint32_t state_id;
	uint32_t state_id_before;     /* in the file that was read, if another one */
	uint8_t state_uuid[16];
	uint8_t state_mode;
	uint64_t state_macs_changes;
	int64_t state_macs_ms;

	/* Fail-open. */
	int64_t all_down_since_ms;    /* 0: some controller is connected */
	struct rule *fail_open_rule;

	struct of_in_band *in_band;   /* of_in_band.c; NULL: nothing to reach */
};

extern struct wf_list of_switches;
#define of_bridge_switch(BRIDGE) ((struct of_switch *)(BRIDGE)->of)

/* There are edits of rules. */
extern bool of_dirty;
static inline void
of_changed(void)
{
	of_dirty = true;
}
extern const struct of_limits of_limits;
void of_duration(int64_t since_ms, uint32_t *s, uint32_t *ns);
void of_duration_at(int64_t now_ms, int64_t since_ms, uint32_t *s, uint32_t *ns);

/* --- Services: where sessions come from ------------------------------------------------- */

enum of_service_type { OF_SERVICE_MGMT, OF_SERVICE_SNOOP, OF_SERVICE_CONTROLLER };

struct of_service {
	struct wf_list node;          /* in sw->services */
	struct of_switch *sw;
	enum of_service_type type;
	char *target;
	struct of_controller_config config; /* target: NULL */
	struct wf_listener *listener; /* passive */
	struct of_conn *active;       /* of an active target: lives as long as the service */
	struct wf_list snoopers;      /* struct of_snooper */
};

struct of_service *of_service_new(struct of_switch *, enum of_service_type, const char *target,
				  const struct of_controller_config *, struct wf_err *);
void of_service_free(struct of_service *);
void of_service_configure(struct of_service *, const struct of_controller_config *);
/* Listens on BRIDGE.mgmt. */
int of_listen_mgmt(struct of_switch *, struct wf_err *);
/* Opens or closes BRIDGE.snoop and so on as the number of controllers demands. */
void of_listen_snoops(struct of_switch *, const char *const *targets, unsigned n);
/* Copies a message of a controller's session to those who snoop. */
void of_snoop(struct of_switch *, const void *, size_t);
bool of_has_snoopers(const struct of_switch *);

/* --- Sessions ----------------------------------------------------------------------------- */

/* A reply that is produced bit by bit: as the peer reads it, and so that a turn of the loop does not
 * become long. */
struct of_dump {
	/* Appends some items to c->dump_out, or does some other part of the work; true when nothing is left. */
	bool (*step)(struct of_conn *c, struct of_dump *);
	void (*free)(struct of_dump *);
	struct of_multipart mp;
	bool is_single;               /* one message, which the last step writes: 'mp' is not used */
};

enum of_wait { OF_WAIT_NONE, OF_WAIT_BARRIER, OF_WAIT_DUMP, OF_WAIT_BACKLOG };

/* For the summary of a session's flow_mods in the log. */
struct of_flow_log {
	unsigned n_add, n_delete, n_modify;
	int64_t first_ms, last_ms, not_before_ms;
	struct wf_timer timer;
};

struct of_conn {
	struct wf_list node;          /* in sw->conns */
	struct of_switch *sw;
	struct of_service *service;
	bool is_controller;           /* gets asynchronous messages without asking */
	bool is_active;               /* lives on when the connection goes */
	bool is_closing;
	char *name;                   /* "br0<->unix#3" */
	const char *peer;             /* "unix#3": in name */
	struct wf_stream *stream;
	struct wf_reconnect rc;
	uint32_t allowed;             /* versions */
	struct of_codec codec;        /* version 0: hello is not done */
	struct of_multipart_requests parts;
	struct wf_timer parts_timer;  /* of requests whose next part does not come */

	/* Output. */
	struct wf_buf out;            /* scratch: messages being encoded */
	enum of_wait wait;
	uint64_t barrier_token, barrier_removals;
	struct wf_buf barrier_reply;  /* what is sent then */
	struct of_dump *dump;
	struct wf_buf dump_out;       /* of the dump: the part that is not whole yet */
	struct wf_list waiting;       /* wait is BARRIER: in of_barriers; DUMP: in the list of those that
				       * have more to do than to wait for the peer */
	uint64_t n_dropped;           /* asynchronous messages, because the peer does not read */

	/* What the controller chose. */
	enum of_packet_in_format packet_in_format;
	uint16_t controller_id, miss_send_len;
	uint8_t role;                 /* enum of_role */
	bool has_async;               /* 'async' was set; else the version's default */
	struct of_async_config async;
	bool invalid_ttl;
	bool wants_misses;            /* counted for the table-miss default */

	struct of_pin_queue *pins;    /* rate limit of packet-ins, or NULL */

	/* Flow monitors. */
	struct wf_hmap monitors;      /* struct of_monitor, by id */
	struct wf_buf updates;        /* open multipart of updates */
	struct of_multipart updates_mp;
	bool updates_open, abbrev_sent, monitor_paused;
	uint64_t paused_version;
	int64_t paused_ms;
	size_t monitor_pending;       /* bytes of updates since the output was empty */

	struct wf_list bundles;       /* struct of_bundle */
	struct of_flow_log flow_log;
};

/* 'stream': accepted (the session takes it over), or NULL: active, to service->target. */
struct of_conn *of_conn_new(struct of_service *, struct wf_stream *);
void of_conn_free(struct of_conn *);
void of_conn_configure(struct of_conn *);
/* The peer's hello is done. */
static inline bool
of_conn_is_up(const struct of_conn *c)
{
	return c->stream && c->codec.version && !c->is_closing;
}
/* Forgets what the peer set up; for a new connection. */
void of_conn_reset(struct of_conn *);
/* Sends what is in c->out as it is: messages that tell of no change. */
void of_conn_flush(struct of_conn *);
/* Publishes, sends monitor updates, then c->out. */
void of_conn_reply(struct of_conn *);
/* An asynchronous message in c->out: dropped, false, if the peer does not read. */
bool of_conn_async(struct of_conn *);
void of_conn_error(struct of_conn *, of_err_t, const struct of_msg *offending);
/* The same for a message of which only the first bytes, at least the header, were kept. */
void of_conn_error_quoting(struct of_conn *, of_err_t, const void *quote, size_t size);
/* Runs 'dump' now and whenever the socket takes more; frees it. */
void of_conn_dump(struct of_conn *, struct of_dump *);
/* Does the session get asynchronous messages of this kind? */
bool of_conn_wants(const struct of_conn *, enum of_async_type, unsigned reason);
/* Publishes; sends what is in c->out when nobody works with an older state any more, behind the
 * FLOW_REMOVEDs of rules that went.  The session's next message waits for it. */
void of_conn_reply_barrier(struct of_conn *);
/* Answers barriers that are done; true if some still wait. */
bool of_barriers_run(void);
/* Goes on with dumps whose turn was over; true if some still have work. */
bool of_dumps_run(void);
void of_conn_close(struct of_conn *, const char *why_or_null);

/* of_hello.c.  The size of the message taken, 0: not whole yet, SIZE_MAX: close. */
void of_hello_send(struct of_conn *);
/* Log what came and what goes, at debug level. */
void of_log_received(const struct of_conn *, const uint8_t *data, size_t size);
void of_log_sent(const struct of_conn *, const uint8_t *data, size_t size);
/* of_debug.c.  The caller frees. */
char *of_debug_text(const struct of_conn *, const uint8_t *data, size_t size);
size_t of_hello_input(struct of_conn *, const uint8_t *data, size_t size);

/* of_flow_log.c */
void of_flow_log(struct of_conn *, uint8_t command);
void of_flow_log_flush(struct of_conn *);

/* of_dispatch.c */
void of_dispatch(struct of_conn *, const uint8_t *data, size_t size);
void of_dispatch_reset(struct of_conn *); /* drops requests that came in part */
typedef of_err_t of_handler(struct of_conn *, const struct of_msg *);

of_handler of_handle_flow_mod, of_handle_flow_request, of_handle_aggregate_request,
	of_handle_desc_request, of_handle_table_request, of_handle_table_features,
	of_handle_table_desc, of_handle_table_mod, of_handle_group_mod, of_handle_group_request,
	of_handle_group_desc, of_handle_group_features, of_handle_meter_mod, of_handle_meter_request,
	of_handle_meter_config, of_handle_meter_features, of_handle_port_desc, of_handle_port_mod,
	of_handle_port_request, of_handle_queue_config, of_handle_queue_request,
	of_handle_packet_out, of_handle_resume, of_handle_bundle_control, of_handle_bundle_add,
	of_handle_monitor_request, of_handle_monitor_cancel, of_handle_role, of_handle_set_async,
	of_handle_get_async, of_handle_controller_id, of_handle_packet_in_format,
	of_handle_tlv_mod, of_handle_tlv_request, of_handle_controller_status,
	of_handle_set_config, of_handle_get_config, of_handle_flow_stats_request;

/* --- Changes of flows ------------------------------------------------------------------------ */

/* Who asked, for monitors: NULL conn: the switch itself. */
struct of_requester {
	struct of_conn *conn;
	uint32_t xid;
};

struct of_change {
	struct rule *old, *new;  /* references */
	uint32_t xid;
	uint8_t event;           /* enum of_update_event */
	uint8_t reason;          /* enum of_flow_removed_reason, of old */
	bool keep_counts;
	bool is_eviction;        /* old is not new's predecessor */
};

/* Changes that are in the tables of the next view; nobody has been told of them.  They end by
 * of_txn_commit() or of_txn_undo(). */
struct of_txn {
	unsigned n, room;
	struct of_change *changes;
};
void of_txn_put(struct of_txn *, const struct of_change *);
/* Takes back the changes from number 'from' on, the last one first. */
void of_txn_undo(struct of_switch *, struct of_txn *, unsigned from);
/* Tells monitors and keeps the books: cookies, timeouts, counters, learned flows.  Publishing is
 * the
 * caller's. */
void of_txn_commit(struct of_switch *, struct of_txn *, struct of_conn *requester);
void of_txn_done(struct of_txn *);

/* A flow_mod, decoded and checked, as light as it may be: bundles keep millions. */
struct of_flow_edit {
	struct rule *rule;       /* template (reference): match, actions, timeouts, flags, cookie */
	uint64_t cookie, cookie_mask;
	of_port_t out_port;
	uint32_t out_group;
	uint32_t xid;
	uint8_t command, table;
	bool modify_cookie, keep_counts, check_overlap, may_add;
};
/* Room for 'n' flows more, of all bridges: false if that is beyond the limit.  Flows in tables are
 * counted by themselves; others by whoever keeps them. */
bool of_flows_have_room(unsigned n);
void of_flows_keep(int n);
void of_flows_forget(struct of_switch *); /* they go with their bridge */
/* A rule with the same content that was never in a table. */
struct rule *of_rule_copy(const struct rule *);
of_err_t of_flow_edit_init(struct of_switch *, const struct of_flow_mod *, struct of_flow_edit *);
void of_flow_edit_done(struct of_flow_edit *);
/* Applies it to the next view.  After an error the changes that it made are undone. */
of_err_t of_flow_edit_apply(struct of_switch *, struct of_flow_edit *, struct of_txn *);

/* Deletes all rules for which 'fn' is true. */
void of_flows_delete(struct of_switch *, bool (*fn)(const struct rule *, void *aux), void *aux,
		     enum of_flow_removed_reason, struct of_conn *requester, uint32_t xid);
/* The same inside a transaction. */
void of_flows_delete_in(struct of_switch *, bool (*fn)(const struct rule *, void *aux), void *aux,
			enum of_flow_removed_reason, uint32_t xid, struct of_txn *);
/* All flows, hidden ones included (controllers come or go); then the one of standalone mode. */
void of_flows_flush(struct of_switch *);
void of_cookies_done(struct of_switch *); /* the books; the rules go with their tables */
/* Adds a flow of the switch's own. */
struct rule *of_flow_add_internal(struct of_switch *, unsigned table, const struct of_match_full *,
				  uint32_t priority, const void *actions, size_t size, bool hidden);
void of_flow_del_internal(struct of_switch *, struct rule *);
void of_flow_expire(struct of_switch *, struct rule *, enum of_flow_removed_reason);
/* The books of a rule that a large deletion took out of its table; takes the reference over. */
void of_flow_close_books(struct of_switch *, struct rule *);
/* of_bulk_delete.c.  A flow_mod that deletes very many flows: true if it is one, and is dealt with. */
bool of_bulk_delete(struct of_conn *, const struct of_flow_edit *);
/* A flow of the state file into the next view, under the number that it had; takes the reference
 * over.  Nobody is told. */
void of_flow_restore(struct of_switch *, unsigned table, struct rule *, uint64_t seq);
/* Numbers up to this one are taken. */
void of_flow_seq_start(uint64_t last);
void of_flow_change_init(void);
/* Groups and meters that the actions name exist. */
of_err_t of_check_actions(struct of_switch *, const void *list, size_t size);
/* A flow's actions fit to the side of the pipeline on which 'table' is, were 'egress_table' the
 * first one of egress (0: none). */
of_err_t of_check_egress(unsigned egress_table, unsigned table, const void *list, size_t size);
unsigned of_egress_table(const struct of_switch *); /* with pending changes; 0: none */
/* Calls 'fn' for each action, nested ones too; stops when it returns false. */
bool of_actions_visit(const void *list, size_t size, bool (*fn)(const struct of_action *, void *),
		      void *aux);
uint32_t of_group_n_rules(const struct of_switch *, uint32_t group);
/* The switch of a rule that is, or was, in a table; NULL: it has gone. */
static inline struct of_switch *
of_rule_switch(const struct rule *r)
{
	struct table *first = r->table - r->table->id;

	return wf_container(first, struct bridge, tables)->of;
}
/* of_learn.c.  Counts who may keep learned flows alive (learn with delete_learned); those of
 * cookies that nobody keeps any more are deleted by the flush. */
void of_learned_cookies(struct of_switch *, const struct rule_actions *, int delta);
void of_learned_cookies_flush(struct of_switch *);
void of_learned_cookies_done(struct of_switch *);

/* Which rules a request speaks of. */
struct of_criteria {
	uint8_t table;           /* OF_TABLE_ALL */
	bool strict;
	uint16_t priority;       /* strict */
	const struct of_match *match;
	uint64_t cookie, cookie_mask;
	of_port_t out_port;
	uint32_t out_group;
};
void of_flow_edit_criteria(const struct of_flow_edit *, struct of_criteria *);
/* Puts rules (references) into a list. */
struct of_rules {
	unsigned n, room;
	struct rule **rules;
};
void of_rules_collect(struct of_switch *, const struct of_criteria *, uint64_t version,
		struct of_rules *);
void of_rules_put(struct of_rules *, struct rule *);
/* For lists as long as a table: in the order of memory, which is about that of insertion. */
void of_rules_sort_by_address(struct of_rules *);
void of_rules_done(struct of_rules *); /* drops the references */
bool of_criteria_has(const struct of_criteria *, const struct rule *);
/* The books: 'r' comes and stands in its table's list before 'before' (NULL: at the end); or goes:
 * returns what it stood before. */
void of_rules_book_add(struct of_switch *, struct rule *, struct wf_list *before);
struct wf_list *of_rules_book_del(struct of_switch *, struct rule *);

/* More than are looked at in one go. */
bool of_rules_are_many(const struct of_switch *, const struct of_criteria *);

/* A walk over all rules that a request speaks of, as long as it may be, in pieces: what stands
 * through the whole walk is met once, also if it is replaced meanwhile; what comes or goes meanwhile
 * may be met or not. */
struct of_rules_walk {
	struct of_switch *sw;
	struct of_criteria criteria;  /* whose match is the caller's */
	unsigned table, last_table;   /* still to come */
	struct of_rules few;          /* of a table of which little has to be looked at */
	unsigned next;
	struct rule *here, *end;      /* marks in a long list, else NULL */
};
void of_rules_walk_begin(struct of_rules_walk *, struct of_switch *, const struct of_criteria *);
/* Calls 'fn', which must not change tables, until it returns false or about 'budget' rules were looked at.
 * True: that was all. */
bool of_rules_walk_run(struct of_rules_walk *, unsigned budget, bool (*fn)(struct rule *, void *aux),
		       void *aux);
void of_rules_walk_done(struct of_rules_walk *);

/* of_evict.c */
/* Keeps the index of an evicting table: 'r' came or went. */
void of_evict_book(struct of_switch *, struct rule *r, bool in);
void of_evict_forget(struct of_table_state *); /* the index: it does not fit any more */
struct rule *of_evict_choose(struct of_switch *, struct table *, uint64_t version);
/* Down to max_flows. */
void of_evict_excess(struct of_switch *, unsigned table);

/* of_stat_trigger.c */
void of_stat_trigger_book(struct of_switch *, struct rule *r, bool in);
void of_stat_triggers_run(struct of_switch *); /* each second */
void of_stat_triggers_done(struct of_switch *);
/* What a reply says of the flow. */
/* When a packet last used the rule, or one that it replaced; else when it was made. */
int64_t of_rule_used_ms(const struct rule *);
void of_flow_stats_fill(struct rule *, int64_t now_ms, struct of_flow_stats *);

/* of_table.c */
void of_tables_init(struct of_switch *);
void of_tables_done(struct of_switch *);
void of_tables_configure(struct of_switch *, const struct of_table_config *, unsigned n);
/* TABLE_STATUS, if the level was crossed. */
void of_table_vacancy_check(struct of_switch *, unsigned table);
void of_table_features_fill(struct of_switch *, unsigned table, struct of_table_features *);
/* What a packet without a matching flow meets, given who listens. */
void of_miss_update(struct of_switch *);

/* --- Monitors, asynchronous messages ---------------------------------------------------------- */

void of_monitor_report(struct of_switch *, const struct rule *, enum of_update_event,
		uint8_t reason,
		       const struct of_conn *requester, uint32_t xid, const struct rule_actions *old_actions);
/* Sends what has been gathered; of one session, or of all of a switch. */
void of_monitor_flush_conn(struct of_conn *);
void of_monitor_flush(struct of_switch *);
void of_monitors_done(struct of_conn *);
/* The output is empty: go on. */
void of_monitor_drained(struct of_conn *);

void of_flow_removed_send(struct of_switch *, const struct rule *);
void of_packet_in(const struct packet_in_spec *, const struct rte_mbuf *);
void of_packet_in_conn_done(struct of_conn *);
void of_learn(struct learned_flow *);
/* From now on what packets teach is part of 'txn' (of a bundle) and published with it; NULL ends
 * that. */
void of_learn_into(struct of_switch *, struct of_txn *);
void of_expire_init(void);
/* Removes the flows whose time is over, by what was folded in before. */
void of_expire_scan(struct of_switch *);
void of_bundles_done(struct of_conn *);
void of_bundles_run(struct of_switch *); /* expires idle ones */

/* of_port.c */
void of_port_status(struct of_switch *, enum of_port_reason, const struct of_port_desc *,
		    const struct of_conn *source, const struct of_port_desc *old);
struct of_port *of_port_find(const struct of_switch *, of_port_t);
/* For bundles: does the port exist, and is it the one with this address? */
of_err_t of_port_mod_check(struct of_switch *, const struct of_port_mod *);
of_err_t of_port_mod_apply(struct of_conn *, const struct of_port_mod *);
void of_ports_done(struct of_switch *);

/* of_group.c */
struct of_group_mod;
of_err_t of_group_mod_apply(struct of_switch *, const struct of_group_mod *, struct of_txn *,
		uint32_t xid);
/* After the change is certain. */
void of_group_mod_tell(struct of_conn *, const struct of_group_mod *, uint32_t xid, int existed);
void of_groups_flush(struct of_switch *);

/* of_meter.c */
void of_meters_flush(struct of_switch *);
struct of_meter_config;
/* One of the state file. */
of_err_t of_meter_restore(struct of_switch *, const struct of_meter_config *, int64_t created_ms);
struct meter *of_meter_virtual_find(struct of_switch *, uint32_t id);

/* of_packet_out.c */
struct of_packet_out_job {
	struct of_match_full metadata;
	uint8_t *actions;
	size_t actions_size;
	uint8_t *packet;
	size_t packet_len;
	bool is_small_pad;
};
of_err_t of_packet_out_prepare(struct of_conn *, const struct of_msg *,
		struct of_packet_out_job **);
of_err_t of_packet_out_check(struct of_switch *, const struct of_packet_out_job *);
void of_packet_out_run(struct of_switch *, struct of_packet_out_job *);
/* The same with the flows, groups and meters of the next view. */
void of_packet_out_run_pending(struct of_switch *, struct of_packet_out_job *);
void of_packet_out_free(struct of_packet_out_job *);

/* of_role.c */
void of_role_forget(struct of_conn *);

/* of_trace.c */
void of_trace_init(void);

/* of_in_band.c */
void of_in_band_configure(struct of_switch *, const struct of_switch_config *);
void of_in_band_run(struct of_switch *); /* each second */
void of_in_band_done(struct of_switch *);

/* of_fail.c */
void of_fail_update(struct of_switch *);
void of_fail_run(struct of_switch *); /* each second */
/* The flow that a switch without controllers has. */
void of_fail_flushed(struct of_switch *);

/* Port names for texts: 'aux' is a struct of_switch. */
const char *of_switch_port_name(void *aux, of_port_t);
of_port_t of_switch_port_number(void *aux, const char *name);

#endif
