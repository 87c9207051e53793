// SPDX-License-Identifier: Apache-2.0
/* Bonds: which member has which of the 256 buckets, by what they carry.  A move is one store into a
 * table that workers read; nothing is published. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(bond);

static of_port_t
member_of(const struct sw_bond *b, unsigned bucket)
{
	return atomic_load_explicit(&b->buckets->b[bucket].member, memory_order_relaxed);
}

static void
give(struct sw_bond *b, unsigned bucket, of_port_t member)
{
	atomic_store_explicit(&b->buckets->b[bucket].member, member, memory_order_relaxed);
}

void
sw_bond_count_load(struct sw_bond *b)
{
	for (unsigned k = 0; k < BOND_BUCKETS; k++) {
		uint64_t bytes = atomic_load_explicit(&b->buckets->b[k].bytes, memory_order_relaxed);

		b->tx_bytes[k] += bytes - b->seen[k];
		b->seen[k] = bytes;
	}
}

/* --- After members came or went ------------------------------------------------------------- */

static unsigned
enabled_members(struct sw_port *p, struct sw_iface *members[BOND_MAX_MEMBERS])
{
	struct sw_iface *i;
	unsigned n = 0;

	sw_bond_for_each_member(i, p)
		if (i->link->enabled && n < BOND_MAX_MEMBERS)
			members[n++] = i;
	return n;
}

static bool
is_among(of_port_t port, struct sw_iface *const *members, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		if (members[k]->ofp_port == port)
			return true;
	return false;
}

/* Buckets of members that are gone go round; with a member that is new, so do those that carry
 * nothing: no flow notices. */
void
sw_bond_deal(struct sw_port *p)
{
	struct sw_bond *b = p->up->bond;
	struct sw_iface *members[BOND_MAX_MEMBERS];
	unsigned n = enabled_members(p, members), next = 0;
	bool lost = false, has[BOND_MAX_MEMBERS] = { false }, is_new = false;

	if (!b->buckets || !n)
		return;
	for (unsigned k = 0; k < BOND_BUCKETS; k++) {
		of_port_t m = member_of(b, k);

		lost |= !is_among(m, members, n);
		for (unsigned j = 0; j < n; j++)
			has[j] |= members[j]->ofp_port == m;
	}
	for (unsigned j = 0; j < n; j++)
		is_new |= !has[j];
	if (!lost && !is_new)
		return;
	sw_bond_count_load(b);
	for (unsigned k = 0; k < BOND_BUCKETS; k++)
		if (!is_among(member_of(b, k), members, n) || (is_new && !b->tx_bytes[k]))
			give(b, k, members[next++ % n]->ofp_port);
}

/* --- By load -------------------------------------------------------------------------------------- */

/* Less than a thirty-second of the other's load, or than 100 kB a round, is not worth a move. */
static bool
is_even(uint64_t most, uint64_t least)
{
	uint64_t over = most - least;

	return over < least >> 5 || over < 100000;
}

static void
move(struct sw_port *p, unsigned bucket, struct sw_iface *from, struct sw_iface *to)
{
	struct sw_bond *b = p->up->bond;
	uint64_t load = b->tx_bytes[bucket];

	from->link->tx_bytes -= load;
	to->link->tx_bytes += load;
	give(b, bucket, to->ofp_port);
	wf_info("bond %s: shift %" PRIu64 "kB of load (with hash %u) from %s to %s (now carrying %" PRIu64
		"kB and %" PRIu64 "kB load, respectively)", p->name, load / 1024, bucket, from->name,
		to->name, from->link->tx_bytes / 1024, to->link->tx_bytes / 1024);
}

/* Moves loaded buckets, heavy ones first, as long as they fit into half of the difference; 'order'
 * has the buckets by load.  A bucket that was moved in this round stays.  Returns false if
 * nothing useful could be moved. */
static bool
relieve(struct sw_port *p, struct sw_iface *from, struct sw_iface *to, const unsigned *order,
	bool moved[BOND_BUCKETS])
{
	struct sw_bond *b = p->up->bond;
	uint64_t ideal = (from->link->tx_bytes - to->link->tx_bytes) / 2, sum = 0;
	unsigned chosen[BOND_BUCKETS], n = 0, n_loaded = 0, lightest = 0;

	for (unsigned k = 0; k < BOND_BUCKETS && b->tx_bytes[order[k]]; k++) {
		uint64_t load = b->tx_bytes[order[k]];

		if (moved[order[k]] || member_of(b, order[k]) != from->ofp_port)
			continue;
		n_loaded++;
		lightest = order[k];
		if (sum + load <= ideal && ideal - sum >= ideal / 10) {
			chosen[n++] = order[k];
			sum += load;
		}
	}
	if (n_loaded < 2)
		return false;
	if (!n) {
		sum = b->tx_bytes[lightest];
		chosen[n++] = lightest;
	}
	/* What the lesser of the two gains: a move beyond the middle helps less. */
	uint64_t gain = sum <= ideal ? sum : sum >= 2 * ideal ? 0 : 2 * ideal - sum;
	if (!gain || gain < ideal / 10)
		return false;
	for (unsigned k = 0; k < n; k++) {
		moved[chosen[k]] = true;
		move(p, chosen[k], from, to);
	}
	return true;
}

static const struct sw_bond *sorted_bond;

static int
by_load(const void *a_, const void *b_)
{
	uint64_t a = sorted_bond->tx_bytes[*(const unsigned *)a_];
	uint64_t b = sorted_bond->tx_bytes[*(const unsigned *)b_];

	return a > b ? -1 : a < b;
}

void
sw_bond_rebalance(struct sw_port *p)
{
	struct sw_bond *b = p->up->bond;
	struct sw_iface *members[BOND_MAX_MEMBERS];
	unsigned n = enabled_members(p, members), order[BOND_BUCKETS];
	bool moved[BOND_BUCKETS] = { false };

	sw_bond_count_load(b);
	for (unsigned j = 0; j < n; j++)
		members[j]->link->tx_bytes = 0;
	for (unsigned k = 0; k < BOND_BUCKETS; k++) {
		order[k] = k;
		for (unsigned j = 0; j < n; j++)
			if (members[j]->ofp_port == member_of(b, k))
				members[j]->link->tx_bytes += b->tx_bytes[k];
	}
	sorted_bond = b;
	qsort(order, BOND_BUCKETS, sizeof *order, by_load);
	while (n > 1) {
		unsigned most = 0, least = 0;

		for (unsigned j = 1; j < n; j++) {
			if (members[j]->link->tx_bytes > members[most]->link->tx_bytes)
				most = j;
			if (members[j]->link->tx_bytes < members[least]->link->tx_bytes)
				least = j;
		}
		if (is_even(members[most]->link->tx_bytes, members[least]->link->tx_bytes))
			break;
		/* One that cannot be relieved is left out of this round. */
		if (!relieve(p, members[most], members[least], order, moved))
			members[most] = members[--n];
	}
	for (unsigned k = 0; k < BOND_BUCKETS; k++)
		b->tx_bytes[k] /= 2;
}
