/* SPDX-License-Identifier: Apache-2.0 */
/* The multicast groups of a bridge: (VLAN, group) -> ports, and the ports behind which routers are.
 *
 * Threads: any worker looks up, without a lock, between two quiescent reports; changes take the
 * table's lock.  What a look-up returns is immutable and valid until the next quiescent report.
 * Bounded by the number of groups; when full, the port with most memberships loses its oldest.
 * Design: docs/multicast-snooping.md.
 */
#ifndef WEFT_DATAPLANE_MCAST_TABLE_H
#define WEFT_DATAPLANE_MCAST_TABLE_H

#include "dataplane/bridge.h"

struct mcast_table;

struct mcast_ports {
	uint32_t n;
	of_port_t ports[]; /* in ascending order */
};

struct mcast_table *mcast_table_new(unsigned max_groups, int64_t aging_ms);
void mcast_table_free(struct mcast_table *); /* when no worker can see it any more */
/* Groups 10 to 1000000; ageing 15 s to one hour: values beyond are brought into that range. */
void mcast_table_configure(struct mcast_table *, unsigned max_groups, int64_t aging_ms);

/* Any thread.  True if the entry is new (join, router), or was there (leave). */
bool mcast_table_join(struct mcast_table *, uint16_t vid, const struct in6_addr *group, of_port_t);
bool mcast_table_leave(struct mcast_table *, uint16_t vid, const struct in6_addr *group, of_port_t);
bool mcast_table_add_router(struct mcast_table *, uint16_t vid, of_port_t);
/* The members of a group, at least one; NULL: it has none. */
const struct mcast_ports *mcast_table_lookup(struct mcast_table *, uint16_t vid,
					     const struct in6_addr *group);
/* The ports with a router in the VLAN; sets 'n'. */
const of_port_t *mcast_table_routers(struct mcast_table *, uint16_t vid, uint32_t *n);
bool mcast_ports_contain(const of_port_t *ports, uint32_t n, of_port_t);

/* Main thread. */
void mcast_table_flush(struct mcast_table *);
void mcast_table_flush_bundle(struct mcast_table *, const struct bundle *);
void mcast_table_expire(struct mcast_table *); /* every second */
struct mcast_row {
	of_port_t port;
	uint16_t vid;
	bool is_router;
	struct in6_addr group; /* not of a router */
	int age_s;
};
/* Groups, those not refreshed for the longest time first; then routers likewise. */
void mcast_table_dump(struct mcast_table *, void (*fn)(const struct mcast_row *, void *), void *aux);
struct mcast_stats {
	uint64_t n_groups, max_groups, n_members, n_routers;
	uint64_t total_learned, total_left, total_expired, total_evicted, total_refused;
};
void mcast_table_stats(struct mcast_table *, struct mcast_stats *);
void mcast_table_stats_clear(struct mcast_table *);

#endif
