/* SPDX-License-Identifier: Apache-2.0 */
/* BFD, bidirectional forwarding detection (RFC 5880), asynchronous mode, over one hop (RFC 5881).
 *
 * Pure: payloads of UDP and the time come in, payloads go out.  One thread.
 *
 * Beyond the RFC, as users of Open vSwitch know it:
 *   decay            while nothing but BFD comes in, the receive interval is stretched
 *   forwarding_if_rx a session counts as forwarding while packets come in, if at least one control
 *                    packet came within 100 of our receive intervals
 *   cpath_down       we say that what lies behind us is down
 * A remote system in demand mode gets no periodic packets once both are up (section 6.6).  We never
 * ask for demand mode, nor for echo packets; authentication is refused.
 */
#ifndef WEFT_PROTOCOLS_BFD_H
#define WEFT_PROTOCOLS_BFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define BFD_UDP_PORT 3784 /* RFC 5881 section 4 */
#define BFD_PDU_SIZE 24   /* RFC 5880 section 4.1, without authentication */

enum bfd_state { BFD_ADMIN_DOWN, BFD_DOWN, BFD_INIT, BFD_UP };
enum { BFD_MULTIPOINT = 1 << 0, BFD_DEMAND = 1 << 1, BFD_AUTH = 1 << 2, BFD_CTL = 1 << 3,
       BFD_FINAL = 1 << 4, BFD_POLL = 1 << 5 };
enum bfd_diag {
	BFD_DIAG_NONE, BFD_DIAG_EXPIRED, BFD_DIAG_ECHO_FAILED, BFD_DIAG_RMT_DOWN, BFD_DIAG_FWD_RESET,
	BFD_DIAG_PATH_DOWN, BFD_DIAG_CPATH_DOWN, BFD_DIAG_ADMIN_DOWN, BFD_DIAG_RCPATH_DOWN,
};

struct bfd_pdu {
	uint8_t version, diag, state, flags, mult, length;
	uint32_t my_disc, your_disc, min_tx_us, min_rx_us, min_rx_echo_us;
};
/* Returns false if there are fewer than BFD_PDU_SIZE bytes; judges nothing else. */
bool bfd_pdu_parse(const void *bytes, size_t size, struct bfd_pdu *);
void bfd_pdu_build(const struct bfd_pdu *, uint8_t bytes[BFD_PDU_SIZE]);
/* What is wrong with it by RFC 5880 section 6.8.6, before a session is asked; NULL: nothing. */
const char *bfd_pdu_check(const struct bfd_pdu *, size_t size);

struct bfd;
struct bfd_settings {
	int mult;                       /* 1 to 255 */
	int64_t min_tx_ms, min_rx_ms;   /* at least 1 */
	int64_t decay_min_rx_ms;        /* 0: none */
	bool cpath_down, forwarding_if_rx;
};
/* What the owner counts: packets that came in by the interface, BFD's own included. */
typedef uint64_t bfd_rx_packets_fn(void *aux);

/* 'disc': our discriminator, not 0, unique and random; 'seed' for the jitter. */
struct bfd *bfd_new(const char *name, uint32_t disc, uint64_t seed, bfd_rx_packets_fn *, void *aux);
void bfd_free(struct bfd *);
void bfd_configure(struct bfd *, const struct bfd_settings *, int64_t now_ms);
/* Another device carries the session now. */
void bfd_device_changed(struct bfd *, int64_t now_ms);

/* A UDP payload to port BFD_UDP_PORT; 'ttl' of the packet (RFC 5881 section 5: 255 or nothing). */
void bfd_receive(struct bfd *, const void *bytes, size_t size, uint8_t ttl, int64_t now_ms);
/* Packets came in by the interface; matters with forwarding_if_rx. */
void bfd_account_rx(struct bfd *, int64_t now_ms);
void bfd_run(struct bfd *, int64_t now_ms);
/* Fills in what is to be sent now; false: nothing is. */
bool bfd_send(struct bfd *, uint8_t bytes[BFD_PDU_SIZE], int64_t now_ms);
int64_t bfd_due(const struct bfd *); /* for bfd_run() and bfd_send() */

bool bfd_forwarding(struct bfd *, int64_t now_ms);
/* -1: as the session says, 0 or 1: by hand. */
void bfd_set_forwarding(struct bfd *, int override, int64_t now_ms);
/* True once after anything in the status changed. */
bool bfd_status_changed(struct bfd *);
void bfd_get_status(struct bfd *, int64_t now_ms,
		    void (*put)(void *aux, const char *key, const char *value), void *aux);
void bfd_show(struct bfd *, int64_t now_ms, struct wf_str *);
bool bfd_wants_rx(const struct bfd *); /* bfd_account_rx() matters */

#endif
