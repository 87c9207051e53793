/* SPDX-License-Identifier: Apache-2.0 */
/* LACP, the Link Aggregation Control Protocol (IEEE 802.1AX-2014 section 6.4).
 *
 * Pure: bytes and the time come in, bytes go out through a callback.  One thread.
 *
 *   struct lacp (an aggregator: one system id) -> members, one a link
 *
 * Deviations that users of Open vSwitch know and rely on: a member whose partner vanished stays
 * "expired" for three fast periods and is "defaulted" then; a defaulted member is not attached,
 * unless 'fallback_ab' says that the bond goes on without LACP.
 */
#ifndef WEFT_PROTOCOLS_LACP_H
#define WEFT_PROTOCOLS_LACP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* --- PDU (section 6.4.2.3) ----------------------------------------------------- */
#define LACP_PDU_SIZE 110 /* what follows the EtherType */

enum { /* state of an actor or partner */
	LACP_ACTIVITY = 1 << 0,
	LACP_TIMEOUT = 1 << 1, /* short */
	LACP_AGGREGATION = 1 << 2,
	LACP_SYNC = 1 << 3,
	LACP_COLLECTING = 1 << 4,
	LACP_DISTRIBUTING = 1 << 5,
	LACP_DEFAULTED = 1 << 6,
	LACP_EXPIRED = 1 << 7,
};

struct lacp_info {
	uint16_t sys_priority, key, port_priority, port_id; /* host order */
	uint8_t sys_id[6];
	uint8_t state;
};
struct lacp_pdu {
	struct lacp_info actor, partner;
};

enum lacp_pdu_kind { LACP_PDU_BAD, LACP_PDU_LACP, LACP_PDU_MARKER };
/* 'pdu' is set if the kind is LACP.  Never reads beyond 'size'. */
enum lacp_pdu_kind lacp_pdu_parse(const void *bytes, size_t size, struct lacp_pdu *pdu);
void lacp_pdu_build(const struct lacp_pdu *, uint8_t bytes[LACP_PDU_SIZE]);

/* --- The machine ---------------------------------------------------------------- */
struct lacp;
struct lacp_member;

struct lacp_settings {
	uint8_t sys_id[6];      /* not zero */
	uint16_t sys_priority;
	bool active, fast;
	bool fallback_ab;
};
struct lacp_member_settings {
	uint16_t port_id, port_priority;
	uint16_t key;           /* aggregation key, 0: the port id of the first member */
};
enum lacp_status { LACP_OFF, LACP_CONFIGURED, LACP_NEGOTIATED };
const char *lacp_status_name(enum lacp_status);

struct lacp *lacp_new(const char *name);
void lacp_free(struct lacp *); /* and its members; NULL is fine */
void lacp_configure(struct lacp *, const struct lacp_settings *);
struct lacp_member *lacp_member_add(struct lacp *, const char *name);
void lacp_member_del(struct lacp_member *);
void lacp_member_configure(struct lacp_member *, const struct lacp_member_settings *, int64_t now_ms);

/* The link went down or came up: what was agreed has to be agreed again. */
void lacp_member_carrier_changed(struct lacp_member *, bool up, int64_t now_ms);
/* The link is up, though nobody saw it change. */
void lacp_member_carrier_is_up(struct lacp_member *);
/* What follows the Ethernet header of a frame with EtherType 0x8809. */
void lacp_member_receive(struct lacp_member *, const void *bytes, size_t size, int64_t now_ms);

/* Runs timers and sends what is due.  Returns true if the state of a member changed. */
typedef void lacp_send_fn(struct lacp_member *, const uint8_t pdu[LACP_PDU_SIZE], void *aux);
bool lacp_run(struct lacp *, int64_t now_ms, lacp_send_fn *, void *aux);
/* When lacp_run() has something to do without another event; INT64_MAX: never. */
int64_t lacp_due(const struct lacp *);

enum lacp_status lacp_status(const struct lacp *); /* of NULL: LACP_OFF */
bool lacp_member_may_enable(const struct lacp_member *); /* attached, and the partner in sync */
bool lacp_member_is_current(const struct lacp_member *); /* has a partner, perhaps a late one */
/* lacp/show and lacp/show-stats. */
void lacp_show(const struct lacp *, struct wf_str *);
void lacp_show_stats(const struct lacp *, struct wf_str *);
void *lacp_member_aux(const struct lacp_member *);
void lacp_member_set_aux(struct lacp_member *, void *);

#endif
