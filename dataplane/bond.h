/* SPDX-License-Identifier: Apache-2.0 */
/* Bonds as the packet path sees them: which member a packet leaves by, which packets come in.
 *
 * A struct bond is immutable and part of a bundle in the view; its buckets are shared by all views of
 * the bond.  Main moves a bucket to another member with one store, so that rebalancing publishes
 * nothing; workers add the bytes that they send.
 */
#ifndef WEFT_DATAPLANE_BOND_H
#define WEFT_DATAPLANE_BOND_H

#include "dataplane/bridge.h"

#define BOND_BUCKETS 256
#define BOND_MAX_MEMBERS 8 /* as bundle->members */

enum bond_mode { BOND_ACTIVE_BACKUP, BOND_BALANCE_SLB, BOND_BALANCE_TCP };

struct bond_buckets {
	_Atomic uint32_t refs;
	struct {
		_Atomic of_port_t member;   /* OF_PORT_NONE: nobody's */
		_Atomic uint64_t bytes;     /* sent, ever */
	} b[BOND_BUCKETS];
};
struct bond_buckets *bond_buckets_new(void);
void bond_buckets_ref(struct bond_buckets *);
void bond_buckets_unref(struct bond_buckets *); /* NULL is fine */

/* How packets that come in are judged. */
enum bond_admission {
	BOND_ADMIT_NOTHING,
	BOND_ADMIT_ENABLED,     /* LACP: the peer knows what it does */
	BOND_ADMIT_ACTIVE,      /* by the active member only */
	BOND_ADMIT_NO_ECHO,     /* multicast by the active member, and no reflections (balance-slb) */
	BOND_ADMIT_NO_ECHO_ALL, /* the same with multicast from all members */
};

struct bond {
	enum bond_mode mode;    /* that is in force: active-backup while a bond falls back to it */
	bool may_send;          /* false: LACP was asked for and has not been negotiated */
	enum bond_admission admission;
	of_port_t active;       /* OF_PORT_NONE: none */
	uint32_t basis;         /* other_config:bond-hash-basis */
	uint8_t enabled;        /* sets of indexes in bundle->members */
	uint8_t may_enable;
	struct bond_buckets *buckets; /* a reference; NULL if active-backup was configured */
};
void bond_free(struct bond *); /* NULL is fine */

/* The member by which a packet with this key leaves, in the VLAN that it has outside; credits its
 * bucket with 'n_bytes'.  NULL: none.  Per packet. */
const struct xport *bond_choose(const struct bridge_view *, const struct bundle *,
				const struct of_key *, uint16_t vid, uint32_t n_bytes);

enum bond_verdict { BOND_ACCEPT, BOND_REFUSE, BOND_REFUSE_IF_MOVED };
/* May a packet for this address come in by member 'in_port'?  _IF_MOVED: not if its source was
 * learned on another port. */
enum bond_verdict bond_admit(const struct bundle *, of_port_t in_port, const uint8_t dl_dst[6]);

/* The same in each process, so that a restart moves no flow. */
unsigned bond_hash_mac(const uint8_t mac[6], uint16_t vid, uint32_t basis);   /* balance-slb */
unsigned bond_hash_l4(const struct of_key *, uint32_t basis);                 /* balance-tcp */

#endif
