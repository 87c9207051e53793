/* SPDX-License-Identifier: Apache-2.0 */
/* NORMAL: the MAC learning switch, decided at run time for each packet (rule 10).
 *
 * The decision is a pure function of (view, packet's key, MAC table) into a list of outputs;
 * run.c carries it out, trace prints it.
 *
 * MAC table: per bridge, keyed (VLAN, MAC).  Threads: any worker looks up without a lock and
 * learns under the table's lock only when an entry is new or moves; an entry's 'used' stamp is
 * a relaxed store.  Bounded: 'max_entries' per bridge, fair among ports when full (the port with
 * most entries loses its oldest).
 */
#ifndef WEFT_DATAPLANE_NORMAL_H
#define WEFT_DATAPLANE_NORMAL_H

#include "dataplane/view.h"

struct rte_mbuf;
struct normal_output {
	const struct xport *port;
	const struct bridge_view *bridge;
	/* The tags to carry.  First 'n_pop' tags of the packet go, then, if 'tagged', one is pushed
	 * (vid may be 0: a priority tag).  n_pop 0 and not tagged: as it is. */
	uint8_t n_pop;
	bool tagged;
	int16_t vid;
	uint8_t pcp;            /* 0 to 7 */
	uint16_t tpid;
	uint16_t max_len;       /* mirrors with snaplen; 0: whole */
	bool is_mirror;
};
#define NORMAL_MAX_OUTPUTS 1024
struct normal_result {
	unsigned n;
	enum drop_reason drop;  /* why n is 0 */
	uint32_t mirrored;      /* mirrors that have the packet now, those given included */
	bool for_text;          /* outputs to ports that are down are told, as OVS does: dropped there */
	int64_t now_ms;         /* the caller's, or 0: the clock is asked */
	uint32_t n_bytes;       /* the packet's, for the load of bonds and for mirrors; 0: does not count */
	uint16_t vid;           /* the VLAN that it is in */
	of_port_t to;           /* where the MAC table says that the destination is; OF_PORT_NONE: nowhere */
	struct normal_output out[NORMAL_MAX_OUTPUTS];
};

/* What NORMAL does with a packet that is in 'bridge', came by 'in_port' (ofp) and has 'key' now
 * (dl_src, dl_dst, dl_type, vlans count, and of ARP and multicast the network layer).
 * packet: its bytes, for IGMP and MLD; NULL: there is none (a trace).
 * learn: update the tables (false in trace).  mirrored: mirrors that have the packet already.
 * The outputs include those of mirrors that they select.  Outputs to patch ports name the patch
 * port; ports that are NO_FWD or protected are left out.
 * text: the explanation for trace, or NULL: lines "Ttext\n", T one of '>' (warning), '-'
 * (detail), '!' (error). */
void normal_decide(const struct view *, const struct bridge_view *, of_port_t in_port,
		   const struct of_key *key, const struct rte_mbuf *packet, bool learn,
		   uint32_t mirrored, struct normal_result *, struct wf_str *text);

/* Mirrors that a packet received on 'in_port' may select, and those that an output to 'out_port'
 * may select (VLANs are not looked at); called by the translator.  Returns a set of indexes. */
uint32_t mirrors_on_input(const struct bridge_view *, of_port_t in_port);
uint32_t mirrors_on_output(const struct bridge_view *, of_port_t out_port);
/* The outputs of the mirrors in 'set' but not in result->mirrored (the caller sets it) for a
 * packet as it is now, which came in by, or goes out to, 'port'; credits the mirrors' counters
 * with one packet of 'n_bytes' (0: does not). */
void mirror_outputs(const struct view *, const struct bridge_view *, uint32_t set, of_port_t port,
		    const struct of_key *, uint32_t n_bytes, struct normal_result *);

/* --- MAC table, main thread -------------------------------------------------------- */
struct mac_table *mac_table_new(void);
void mac_table_free(struct mac_table *);
void mac_table_configure(struct mac_table *, unsigned max_entries, int64_t aging_ms);
void mac_table_flush(struct mac_table *);
void mac_table_flush_bundle(struct mac_table *, const struct bundle *);
bool mac_table_add_static(struct mac_table *, struct bundle *, of_port_t, uint16_t vid, const uint8_t mac[6]);
bool mac_table_del(struct mac_table *, uint16_t vid, const uint8_t mac[6]);
/* Learns, or refreshes, that 'mac' is behind 'port'; any thread.  True if it is new there.
 * 'is_bond': the port belongs to a bond; a gratuitous ARP that came over another port a moment
 * ago then wins, because bonds reflect broadcasts. */
bool mac_table_learn(struct mac_table *, uint16_t vid, const uint8_t mac[6], of_port_t port,
		     bool is_bond, bool is_gratuitous_arp);
bool mac_table_learn_at(struct mac_table *, uint16_t vid, const uint8_t mac[6], of_port_t port,
			bool is_bond, bool is_gratuitous_arp, int64_t now_ms);
/* What is known of a packet from 'src' behind 'port' to 'dst', and how long: until 'until_ms', as long as
 * the sum of mac_stamp() of both cells is 'stamp', the packet would teach nothing and change nothing in
 * the table, and 'dst' is behind 'to' (OF_PORT_NONE: no entry).  False: this packet matters to the table.
 * Any thread, lock-free. */
struct mac_lease {
	uint16_t cells[2];
	uint32_t stamp;
	int64_t until_ms;
	of_port_t to;
};
bool mac_table_lease(struct mac_table *, uint16_t vid, const uint8_t src[6], const uint8_t dst[6],
		     of_port_t port, int64_t now_ms, struct mac_lease *);
/* Counts changes of entries of all tables, by the hash of their addresses: strange addresses that come and
 * go touch few of the others' cells. */
#define MAC_STAMPS 2048u
extern _Atomic uint32_t mac_stamps[MAC_STAMPS];
static inline uint32_t
mac_stamp(uint16_t cell)
{
	return atomic_load_explicit(&mac_stamps[cell % MAC_STAMPS], memory_order_acquire);
}
/* An entry from before a restart, last used then; false if it is too old, or there is another
 * one, or no room.  Main. */
bool mac_table_restore(struct mac_table *, uint16_t vid, const uint8_t mac[6], of_port_t port,
		       bool is_static, int64_t used_ms);
/* Did a gratuitous ARP bring it a moment ago, so that one from a bond does not move it?  Any
 * thread. */
bool mac_table_is_locked(struct mac_table *, uint16_t vid, const uint8_t mac[6]);
/* Looks up without learning: the port, or OF_PORT_NONE.  Any thread, lock-free. */
of_port_t mac_table_lookup(struct mac_table *, uint16_t vid, const uint8_t mac[6]);
of_port_t mac_table_lookup_at(struct mac_table *, uint16_t vid, const uint8_t mac[6], int64_t now_ms);
void mac_table_expire(struct mac_table *); /* every second */
struct mac_row { of_port_t port; uint16_t vid; uint8_t mac[6]; int age_s; bool is_static; };
void mac_table_dump(struct mac_table *, void (*fn)(const struct mac_row *, void *), void *aux);
struct mac_stats { uint64_t n, max, n_static, total_learned, total_expired, total_evicted, total_moved, total_static; };
void mac_table_stats(struct mac_table *, struct mac_stats *);
void mac_table_stats_clear(struct mac_table *);

#endif
