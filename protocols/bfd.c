// SPDX-License-Identifier: Apache-2.0
#include "protocols/bfd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "protocols/wire.h"

WF_LOG_MODULE(bfd);

#define VERSION 1
/* RFC 5880 section 6.8.3: not more than one packet a second while the session is not up. */
#define SLOW_TX_MS 1000
/* Least time over which is judged whether a session may decay, or still forwards. */
#define MIN_WINDOW_MS 2000

struct bfd {
	char *name;
	uint32_t disc;
	uint64_t seed;
	bfd_rx_packets_fn *rx_packets;
	void *rx_aux;
	struct bfd_settings cfg;
	enum bfd_state state, rmt_state;
	enum bfd_diag diag, rmt_diag;
	uint8_t flags, rmt_flags;
	uint8_t rmt_mult;
	uint32_t rmt_disc;
	/* In use now, and what a poll sequence is about to bring (section 6.8.3). */
	int64_t min_tx, min_rx, poll_min_tx, poll_min_rx;
	int64_t rmt_min_rx, rmt_min_tx;
	int64_t last_tx, next_tx, detect_ms;
	/* Forwarding. */
	bool last_forwarding, status_changed;
	int override;
	uint64_t flap_count;
	int64_t rx_until_ms;      /* packets came in: forwarding until then */
	int64_t control_until_ms; /* but not longer than this without a control packet */
	/* Decay. */
	bool in_decay;
	unsigned decay_controls;
	uint64_t decay_rx_packets;
	int64_t decay_check_ms;
};

/* --- PDU ---------------------------------------------------------------------------------- */

bool
bfd_pdu_parse(const void *bytes, size_t size, struct bfd_pdu *p)
{
	const uint8_t *b = bytes;

	if (size < BFD_PDU_SIZE)
		return false;
	p->version = b[0] >> 5;
	p->diag = b[0] & 0x1f;
	p->state = b[1] >> 6;
	p->flags = b[1] & 0x3f;
	p->mult = b[2];
	p->length = b[3];
	p->my_disc = wire_get32(b + 4);
	p->your_disc = wire_get32(b + 8);
	p->min_tx_us = wire_get32(b + 12);
	p->min_rx_us = wire_get32(b + 16);
	p->min_rx_echo_us = wire_get32(b + 20);
	return true;
}

void
bfd_pdu_build(const struct bfd_pdu *p, uint8_t b[BFD_PDU_SIZE])
{
	b[0] = (uint8_t)(p->version << 5 | p->diag);
	b[1] = (uint8_t)(p->state << 6 | p->flags);
	b[2] = p->mult;
	b[3] = p->length;
	wire_put32(b + 4, p->my_disc);
	wire_put32(b + 8, p->your_disc);
	wire_put32(b + 12, p->min_tx_us);
	wire_put32(b + 16, p->min_rx_us);
	wire_put32(b + 20, p->min_rx_echo_us);
}

const char *
bfd_pdu_check(const struct bfd_pdu *p, size_t size)
{
	if (p->version != VERSION)
		return "Incorrect version";
	if (p->flags & BFD_AUTH)
		return "Authenticated control message with authentication disabled";
	if (p->length < BFD_PDU_SIZE || p->length > size)
		return "Unexpected length";
	if (!p->mult)
		return "Zero multiplier";
	if (p->flags & BFD_MULTIPOINT)
		return "Unsupported multipoint flag";
	if (!p->my_disc)
		return "NULL my_disc";
	if (!p->your_disc && p->state > BFD_DOWN)
		return "Null your_disc";
	return NULL;
}

/* --- Names ------------------------------------------------------------------------------------ */

static const char *
state_name(enum bfd_state s)
{
	static const char *const names[] = { "admin_down", "down", "init", "up" };

	return names[s & 3];
}

static const char *
diag_name(enum bfd_diag d)
{
	static const char *const names[] = {
		"No Diagnostic", "Control Detection Time Expired", "Echo Function Failed",
		"Neighbor Signaled Session Down", "Forwarding Plane Reset", "Path Down",
		"Concatenated Path Down", "Administratively Down", "Reverse Concatenated Path Down",
	};

	return d < sizeof names / sizeof names[0] ? names[d] : "Invalid Diagnostic";
}

static const char *
flag_names(uint8_t flags, char text[64])
{
	static const char *const names[] = { "multipoint", "demand", "auth", "ctl", "final", "poll" };
	size_t n = 0;

	text[0] = '\0';
	for (unsigned k = 0; k < 6; k++)
		if (flags & 1u << k)
			n += (size_t)snprintf(text + n, 64 - n, "%s%s", n ? " " : "", names[k]);
	return n ? text : "none";
}

/* --- Intervals ----------------------------------------------------------------------------------- */

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
desired_tx(const struct bfd *b)
{
	return b->state == BFD_UP ? b->min_tx : max64(b->min_tx, SLOW_TX_MS);
}

static int64_t
tx_interval(const struct bfd *b)
{
	return max64(desired_tx(b), b->rmt_min_rx);
}

static int64_t
rx_interval(const struct bfd *b)
{
	return max64(b->min_rx, b->rmt_min_tx);
}

/* Section 6.8.7: 0 to 25 % less than agreed; 10 to 25 % with a multiplier of 1. */
static void
set_next_tx(struct bfd *b)
{
	int64_t interval = tx_interval(b);
	unsigned percent;

	b->seed = b->seed * 6364136223846793005ull + 1442695040888963407ull;
	percent = (unsigned)(b->seed >> 33);
	percent = b->cfg.mult == 1 ? 10 + percent % 16 : percent % 26;
	b->next_tx = b->last_tx + interval - interval * percent / 100;
}

static bool
in_poll(const struct bfd *b)
{
	return b->flags & BFD_POLL;
}

static void
start_poll(struct bfd *b)
{
	if (b->state <= BFD_DOWN || b->flags & (BFD_POLL | BFD_FINAL))
		return;
	b->poll_min_tx = b->cfg.min_tx_ms;
	b->poll_min_rx = b->in_decay ? b->cfg.decay_min_rx_ms : b->cfg.min_rx_ms;
	b->flags |= BFD_POLL;
	b->next_tx = 0;
	wf_info_rl("%s: Initiating poll sequence", b->name);
}

/* --- Forwarding -------------------------------------------------------------------------------------- */

bool
bfd_forwarding(struct bfd *b, int64_t now)
{
	bool by_rx = b->cfg.forwarding_if_rx && b->rx_until_ms > now && b->control_until_ms > now;
	bool was = b->last_forwarding;

	if (b->override >= 0)
		return b->override;
	b->last_forwarding = (b->state == BFD_UP || by_rx) && b->rmt_diag != BFD_DIAG_PATH_DOWN &&
			     b->rmt_diag != BFD_DIAG_CPATH_DOWN &&
			     b->rmt_diag != BFD_DIAG_RCPATH_DOWN;
	if (b->last_forwarding != was) {
		b->flap_count++;
		b->status_changed = true;
	}
	return b->last_forwarding;
}

void
bfd_set_forwarding(struct bfd *b, int override, int64_t now)
{
	b->override = override;
	b->status_changed = true;
}

static void
rx_seen(struct bfd *b, int64_t now)
{
	b->rx_until_ms = now + max64(rx_interval(b) * b->cfg.mult, MIN_WINDOW_MS);
}

bool
bfd_wants_rx(const struct bfd *b)
{
	return b->cfg.forwarding_if_rx;
}

void
bfd_account_rx(struct bfd *b, int64_t now)
{
	if (!b->cfg.forwarding_if_rx)
		return;
	bfd_forwarding(b, now); /* a flap in between counts */
	rx_seen(b, now);
	bfd_forwarding(b, now);
}

/* --- Decay -------------------------------------------------------------------------------------------- */

static void
decay_restart(struct bfd *b, int64_t now)
{
	b->decay_rx_packets = b->rx_packets(b->rx_aux);
	b->decay_controls = 0;
	b->decay_check_ms = now + max64(b->cfg.decay_min_rx_ms, MIN_WINDOW_MS);
}

/* Nothing came but BFD itself?  Twice its packets, as the counters of a device lag behind. */
static void
decay_check(struct bfd *b, int64_t now)
{
	int64_t came = (int64_t)(b->rx_packets(b->rx_aux) - b->decay_rx_packets);

	b->in_decay = came <= (int64_t)2 * (b->decay_controls ? b->decay_controls : 1);
	decay_restart(b, now);
}

/* --- State ------------------------------------------------------------------------------------------------ */

static void
set_state(struct bfd *b, enum bfd_state state, enum bfd_diag diag, int64_t now)
{
	if (b->cfg.cpath_down)
		diag = BFD_DIAG_CPATH_DOWN;
	if (b->state == state && b->diag == diag)
		return;
	wf_info_rl("%s: BFD state change: %s->%s \"%s\"->\"%s\".", b->name, state_name(b->state),
		   state_name(state), diag_name(b->diag), diag_name(diag));
	/* Section 6.8.7: a packet that differs should not wait for its turn. */
	if (b->state != state)
		b->next_tx = now;
	b->state = state;
	b->diag = diag;
	if (state <= BFD_DOWN) {
		b->rmt_state = BFD_DOWN;
		b->rmt_diag = BFD_DIAG_NONE;
		b->rmt_min_rx = 1;
		b->rmt_min_tx = 0;
		b->rmt_flags = 0;
		b->rmt_disc = 0;
		if (b->in_decay) {
			b->min_rx = b->cfg.min_rx_ms;
			b->in_decay = false;
		}
	}
	if (state == BFD_UP && b->cfg.decay_min_rx_ms)
		decay_restart(b, now);
	b->status_changed = true;
}

struct bfd *
bfd_new(const char *name, uint32_t disc, uint64_t seed, bfd_rx_packets_fn *rx_packets, void *aux)
{
	struct bfd *b = wf_xzalloc(sizeof *b);

	b->name = wf_xstrdup(name);
	b->disc = disc;
	b->seed = seed;
	b->rx_packets = rx_packets;
	b->rx_aux = aux;
	b->override = -1;
	b->min_tx = SLOW_TX_MS;
	b->cfg.mult = 3;
	set_state(b, BFD_DOWN, BFD_DIAG_NONE, 0);
	return b;
}

void
bfd_free(struct bfd *b)
{
	if (!b)
		return;
	free(b->name);
	free(b);
}

/* A faster interval is in force at once, a slower one when the partner has agreed (section 6.8.3). */
static bool
configure_intervals(struct bfd *b, const struct bfd_settings *s, bool *rx_changed)
{
	bool poll = false;

	if (b->cfg.min_tx_ms != s->min_tx_ms) {
		if (b->state != BFD_UP || (!in_poll(b) && s->min_tx_ms < b->min_tx))
			b->min_tx = s->min_tx_ms;
		poll = true;
	}
	if (b->cfg.min_rx_ms != s->min_rx_ms) {
		if (b->state != BFD_UP || (!in_poll(b) && s->min_rx_ms > b->min_rx))
			b->min_rx = s->min_rx_ms;
		poll = *rx_changed = true;
	}
	return poll;
}

void
bfd_configure(struct bfd *b, const struct bfd_settings *s, int64_t now)
{
	struct bfd_settings old = b->cfg;
	bool rx_changed = false, poll = configure_intervals(b, s, &rx_changed);

	b->cfg = *s;
	if (s->decay_min_rx_ms > 0 && s->decay_min_rx_ms < s->min_rx_ms) {
		if (old.decay_min_rx_ms || rx_changed)
			wf_warn_rl("%s: decay_min_rx cannot be less than %" PRId64 " ms", b->name,
				   s->min_rx_ms);
		b->cfg.decay_min_rx_ms = 0;
	}
	if (old.decay_min_rx_ms != b->cfg.decay_min_rx_ms || rx_changed) {
		b->in_decay = false;
		decay_restart(b, now);
		poll = true;
	}
	if (old.cpath_down != s->cpath_down) {
		set_state(b, b->state, BFD_DIAG_NONE, now);
		poll = true;
	}
	if (old.forwarding_if_rx != s->forwarding_if_rx) {
		if (b->state == BFD_UP && s->forwarding_if_rx)
			rx_seen(b, now);
		else
			b->rx_until_ms = 0;
	} else if (b->state == BFD_UP && s->forwarding_if_rx && old.mult != s->mult) {
		rx_seen(b, now);
	}
	if (poll)
		start_poll(b);
}

void
bfd_device_changed(struct bfd *b, int64_t now)
{
	if (b->state != BFD_UP)
		return;
	if (b->cfg.decay_min_rx_ms)
		decay_restart(b, now);
	if (b->cfg.forwarding_if_rx)
		rx_seen(b, now);
}

/* The state machine of section 6.8.6. */
static void
follow_remote(struct bfd *b, enum bfd_state rmt, int64_t now)
{
	if (b->state == BFD_ADMIN_DOWN)
		return;
	if (rmt == BFD_ADMIN_DOWN) {
		if (b->state != BFD_DOWN)
			set_state(b, BFD_DOWN, BFD_DIAG_RMT_DOWN, now);
		return;
	}
	switch (b->state) {
	case BFD_DOWN:
		if (rmt == BFD_DOWN)
			set_state(b, BFD_INIT, b->diag, now);
		else if (rmt == BFD_INIT)
			set_state(b, BFD_UP, b->diag, now);
		break;
	case BFD_INIT:
		if (rmt > BFD_DOWN)
			set_state(b, BFD_UP, b->diag, now);
		break;
	default:
		if (rmt == BFD_DOWN) {
			set_state(b, BFD_DOWN, BFD_DIAG_RMT_DOWN, now);
			wf_info_rl("%s: Remote signaled STATE_DOWN.", b->name);
		}
	}
}

static void
take_intervals(struct bfd *b, const struct bfd_pdu *p, int64_t now)
{
	int64_t rmt_min_rx = max64(p->min_rx_us / 1000, 1);

	if (b->rmt_mult != p->mult) {
		wf_info_rl("Interface %s remote mult value %d changed to %d", b->name, b->rmt_mult,
			   p->mult);
		b->rmt_mult = p->mult;
	}
	if (b->rmt_min_rx != rmt_min_rx) {
		b->rmt_min_rx = rmt_min_rx;
		if (b->next_tx)
			set_next_tx(b);
	}
	b->rmt_min_tx = max64(p->min_tx_us / 1000, 1);
	b->detect_ms = now + rx_interval(b) * b->rmt_mult; /* section 6.8.4 */
}

void
bfd_receive(struct bfd *b, const void *bytes, size_t size, uint8_t ttl, int64_t now)
{
	struct bfd_pdu p;
	const char *why;

	b->decay_controls++;
	bfd_forwarding(b, now);
	if (ttl != 255)
		return;
	if (!bfd_pdu_parse(bytes, size, &p)) {
		wf_info_rl("%s: Received too-short BFD control message (only %zu bytes long, at least "
			   "%d required).", b->name, size, BFD_PDU_SIZE);
		return;
	}
	why = bfd_pdu_check(&p, size);
	if (!why && p.your_disc && p.your_disc != b->disc)
		why = "Incorrect your_disc";
	if (why) {
		wf_warn_rl("%s: %s.", b->name, why);
		return;
	}
	if (b->rmt_state != p.state)
		b->status_changed = true;
	b->rmt_disc = p.my_disc;
	b->rmt_state = p.state;
	b->rmt_flags = p.flags;
	b->rmt_diag = p.diag;
	if (p.flags & BFD_FINAL && in_poll(b)) {
		b->min_tx = b->poll_min_tx;
		b->min_rx = b->poll_min_rx;
		b->flags &= (uint8_t)~BFD_POLL;
		wf_info_rl("%s: Poll sequence terminated.", b->name);
	}
	/* Section 6.5: answered at once, and a packet never has both bits. */
	if (p.flags & BFD_POLL) {
		b->flags &= (uint8_t)~BFD_POLL;
		b->flags |= BFD_FINAL;
	}
	take_intervals(b, &p, now);
	follow_remote(b, p.state, now);
	if (b->cfg.forwarding_if_rx)
		b->control_until_ms = now + 100 * b->cfg.min_rx_ms;
	bfd_forwarding(b, now);
}

void
bfd_run(struct bfd *b, int64_t now)
{
	bool was_in_decay = b->in_decay;

	if (b->state > BFD_DOWN && now >= b->detect_ms)
		set_state(b, BFD_DOWN, BFD_DIAG_EXPIRED, now);
	bfd_forwarding(b, now);
	if (b->state == BFD_UP && b->cfg.decay_min_rx_ms > 0 && now >= b->decay_check_ms)
		decay_check(b, now);
	if (b->min_tx != b->cfg.min_tx_ms ||
	    (b->min_rx != b->cfg.min_rx_ms && b->min_rx != b->cfg.decay_min_rx_ms) ||
	    b->in_decay != was_in_decay)
		start_poll(b);
}

/* Section 6.8.7: nothing periodic to a system that asked for demand mode. */
static bool
is_silenced(const struct bfd *b)
{
	return b->rmt_flags & BFD_DEMAND && b->state == BFD_UP && b->rmt_state == BFD_UP &&
	       !in_poll(b);
}

bool
bfd_send(struct bfd *b, uint8_t bytes[BFD_PDU_SIZE], int64_t now)
{
	struct bfd_pdu p = { .version = VERSION, .length = BFD_PDU_SIZE };

	if (!(b->flags & BFD_FINAL) && (now < b->next_tx || is_silenced(b)))
		return false;
	if (b->next_tx && now - b->next_tx > tx_interval(b) * 3 / 2)
		wf_info_rl("%s: long delay of %" PRId64 "ms (expected %" PRId64 "ms) sending BFD "
			   "control message", b->name, now - b->next_tx, tx_interval(b));
	p.diag = b->diag;
	p.state = b->state;
	p.flags = b->flags;
	p.mult = (uint8_t)b->cfg.mult;
	p.my_disc = b->disc;
	p.your_disc = b->rmt_disc;
	p.min_tx_us = (uint32_t)((in_poll(b) ? b->poll_min_tx : desired_tx(b)) * 1000);
	p.min_rx_us = (uint32_t)((in_poll(b) ? b->poll_min_rx : b->min_rx) * 1000);
	b->flags &= (uint8_t)~BFD_FINAL;
	bfd_pdu_build(&p, bytes);
	b->last_tx = now;
	set_next_tx(b);
	return true;
}

int64_t
bfd_due(const struct bfd *b)
{
	int64_t due = is_silenced(b) ? INT64_MAX : b->next_tx;

	if (b->flags & BFD_FINAL)
		return 0;
	if (b->state > BFD_DOWN && b->detect_ms < due)
		due = b->detect_ms;
	if (b->state == BFD_UP && b->cfg.decay_min_rx_ms > 0 && b->decay_check_ms < due)
		due = b->decay_check_ms;
	if (b->last_forwarding && b->state != BFD_UP && b->rx_until_ms < due)
		due = b->rx_until_ms;
	return due;
}

/* --- Text -------------------------------------------------------------------------------------------------- */

bool
bfd_status_changed(struct bfd *b)
{
	bool changed = b->status_changed;

	b->status_changed = false;
	return changed;
}

void
bfd_get_status(struct bfd *b, int64_t now,
	       void (*put)(void *aux, const char *key, const char *value), void *aux)
{
	char flaps[24];

	put(aux, "forwarding", bfd_forwarding(b, now) ? "true" : "false");
	put(aux, "state", state_name(b->state));
	put(aux, "diagnostic", diag_name(b->diag));
	snprintf(flaps, sizeof flaps, "%" PRIu64, b->flap_count);
	put(aux, "flap_count", flaps);
	put(aux, "remote_state", state_name(b->rmt_state));
	put(aux, "remote_diagnostic", diag_name(b->rmt_diag));
}

void
bfd_show(struct bfd *b, int64_t now, struct wf_str *s)
{
	char flags[64];

	wf_str_fmt(s, "  Forwarding: %s\n  Detect Multiplier: %d\n  Concatenated Path Down: %s\n",
		   bfd_forwarding(b, now) ? "true" : "false", b->cfg.mult,
		   b->cfg.cpath_down ? "true" : "false");
	wf_str_fmt(s, "  TX Interval: Approx %" PRId64 "ms\n", tx_interval(b));
	wf_str_fmt(s, "  RX Interval: Approx %" PRId64 "ms\n", rx_interval(b));
	wf_str_fmt(s, "  Detect Time: now %+" PRId64 "ms\n", b->detect_ms - now);
	wf_str_fmt(s, "  Next TX Time: now %+" PRId64 "ms\n", b->next_tx - now);
	wf_str_fmt(s, "  Last TX Time: now %+" PRId64 "ms\n\n", b->last_tx - now);
	wf_str_fmt(s, "  Local Flags: %s\n", flag_names(b->flags, flags));
	wf_str_fmt(s, "  Local Session State: %s\n", state_name(b->state));
	wf_str_fmt(s, "  Local Diagnostic: %s\n", diag_name(b->diag));
	wf_str_fmt(s, "  Local Discriminator: 0x%" PRIx32 "\n", b->disc);
	wf_str_fmt(s, "  Local Minimum TX Interval: %" PRId64 "ms\n", desired_tx(b));
	wf_str_fmt(s, "  Local Minimum RX Interval: %" PRId64 "ms\n\n", b->min_rx);
	wf_str_fmt(s, "  Remote Flags: %s\n", flag_names(b->rmt_flags, flags));
	wf_str_fmt(s, "  Remote Session State: %s\n", state_name(b->rmt_state));
	wf_str_fmt(s, "  Remote Diagnostic: %s\n", diag_name(b->rmt_diag));
	wf_str_fmt(s, "  Remote Discriminator: 0x%" PRIx32 "\n", b->rmt_disc);
	wf_str_fmt(s, "  Remote Minimum TX Interval: %" PRId64 "ms\n", b->rmt_min_tx);
	wf_str_fmt(s, "  Remote Minimum RX Interval: %" PRId64 "ms\n", b->rmt_min_rx);
	wf_str_fmt(s, "  Remote Detect Multiplier: %d\n", b->rmt_mult);
}
