/* SPDX-License-Identifier: Apache-2.0 */
/* The state file: a head, then frames, each with its checksum.  Bytes in, bytes out: nothing
 * here opens a file or knows a rule.  docs/state.md has the layout as a picture.
 *
 * A transaction is a run of frames of which all but the last say MORE; it counts if its last
 * frame is there.  So a bundle is in the file whole or not at all.
 */
#ifndef WEFT_SWITCHD_STATE_FORMAT_H
#define WEFT_SWITCHD_STATE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define STATE_VERSION 1
#define STATE_HEAD_SIZE 64
/* What the daemon writes over, once a second: when it was last alive. */
#define STATE_ALIVE_OFS 48
#define STATE_ALIVE_SIZE 16
#define STATE_FRAME_HEAD 16
/* The largest record is a group of a hundred thousand buckets; a larger size is damage. */
#define STATE_FRAME_MAX (16u << 20)

enum state_type {
	STATE_BRIDGE = 1, /* what a number for a bridge means; again when its mode changes */
	STATE_BRIDGE_GONE,
	STATE_FLOW,
	STATE_FLOWS_GONE, /* ids */
	STATE_COUNTS,     /* of flows: id, packets, bytes, last use */
	STATE_GROUP,
	STATE_GROUP_GONE, /* its id, or all */
	STATE_METER,
	STATE_METER_GONE,
	STATE_TLV_MAP,
	STATE_OFPORT,
	STATE_MACS,       /* a part of the MAC table; part 0 replaces all */
	STATE_N_TYPES
};
/* As OFPG_ALL and OFPM_ALL. */
#define STATE_ALL_GROUPS 0xfffffffcu
#define STATE_ALL_METERS 0xffffffffu
#define STATE_MORE 1 /* frame flag: the transaction goes on */

struct state_head {
	uint8_t boot_id[16];
	uint64_t alive_ms; /* CLOCK_BOOTTIME; 0: not said */
	bool is_clean;     /* that was an orderly stop: what ages is exact */
};
void state_head_put(const struct state_head *, uint8_t out[STATE_HEAD_SIZE]);
/* Returns 0; -ENODATA: nothing there, or cut while it was being made; -EPROTO: of another
 * version; -EBADMSG: damaged.  'err' says what. */
int state_head_get(const uint8_t *file, size_t size, struct state_head *, struct wf_err *err);
void state_alive_put(uint64_t alive_ms, bool is_clean, uint8_t out[STATE_ALIVE_SIZE]);

struct state_frame {
	uint8_t type, flags;
	uint32_t bridge;
	size_t ofs, total;   /* the whole frame in the file */
	const uint8_t *data;
	size_t size;
};

/* Writing: state_frame_begin() appends a head with room for the rest, the caller appends the
 * payload, state_frame_end() fills in size and sum.  Between them 'out' may grow. */
size_t state_frame_begin(struct wf_buf *out, enum state_type, uint32_t bridge);
void state_frame_end(struct wf_buf *out, size_t start, uint8_t flags);

enum state_next { STATE_NEXT_OK, STATE_NEXT_END, STATE_NEXT_TORN, STATE_NEXT_DAMAGED };
/* The frame at '*ofs', which is moved behind it.  TORN: the file ends inside the frame, as it does
 * if the daemon was killed while it wrote; no whole frame comes after that. */
enum state_next state_frame_next(const uint8_t *file, size_t size, size_t *ofs,
				 struct state_frame *);

/* Little-endian numbers, anywhere. */
void state_put_u16(struct wf_buf *, uint16_t);
void state_put_u32(struct wf_buf *, uint32_t);
void state_put_u64(struct wf_buf *, uint64_t);
uint16_t state_get_u16(const uint8_t *);
uint32_t state_get_u32(const uint8_t *);
uint64_t state_get_u64(const uint8_t *);

/* --- Payloads that are no OpenFlow ---------------------------------------------------------- */

struct state_bridge {
	uint8_t uuid[16];     /* of its row: another bridge of that name is another one */
	uint64_t datapath_id; /* to be read by people */
	bool has_controllers;
	uint8_t fail_mode;
	char name[256];
};
void state_bridge_put(struct wf_buf *, const struct state_bridge *);
bool state_bridge_get(const struct state_frame *, struct state_bridge *);

#define STATE_COUNTS_SIZE 32
struct state_counts {
	uint64_t flow, packets, bytes;
	int64_t used_ms; /* CLOCK_BOOTTIME; 0: never */
};
void state_counts_put(struct wf_buf *, const struct state_counts *);
void state_counts_get(const uint8_t *, struct state_counts *);

struct state_ofport {
	uint32_t ofport; /* 0: forgotten */
	char name[256];
};
void state_ofport_put(struct wf_buf *, const struct state_ofport *);
bool state_ofport_get(const struct state_frame *, struct state_ofport *);

/* MACs: part number 16, number of parts 16, then entries. */
#define STATE_MACS_HEAD 4
#define STATE_MAC_SIZE 24
#define STATE_MACS_PER_FRAME 4096
struct state_mac {
	uint8_t mac[6];
	uint16_t vid;
	uint32_t port;
	bool is_static;
	int64_t used_ms; /* CLOCK_BOOTTIME */
};
void state_mac_put(struct wf_buf *, const struct state_mac *);
void state_mac_get(const uint8_t *, struct state_mac *);

#endif
