/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What weft-dnsd and its program in the driver share (docs/dns.md, "In the driver"): the layout of the maps.
 * All but the counters are arrays that the daemon has in its memory; it writes, the program reads, but for the
 * rate limiter's buckets, which both write. */
#ifndef WEFT_BPF_DNS_ABI_H
#define WEFT_BPF_DNS_ABI_H

#include <linux/types.h>

#define DNS_X_NAME 128	    /* room for a hot name, zeros behind it; it has at most 127 bytes */
#define DNS_X_NAME_WORDS 16
#define DNS_X_SLOTS 16384   /* of the table of hot names, a power of two */
#define DNS_X_PROBES 8
#define DNS_X_HOT_MAX 4096  /* names and types */
#define DNS_X_IMAGES 8192
#define DNS_X_IMAGE_ROOM 1216
#define DNS_X_SETS 262144
#define DNS_X_POLICIES 256
#define DNS_X_ROWS 4096
#define DNS_X_CLASSES 65536
#define DNS_X_BUCKETS 65536
#define DNS_X_LISTEN 256
#define DNS_X_DRAWS 256

struct dns_x_conf {
	__u64 epoch;	/* entries with another one are not there; 0: all goes to the sockets */
	__u64 lease_ns; /* CLOCK_MONOTONIC until which it may answer */
	__u64 wall_ns;	/* CLOCK_REALTIME minus CLOCK_MONOTONIC */
	__u64 name_key, bucket_key;
	__u64 secret[2][2]; /* of cookies: current, previous */
	__u32 limit_per_s;  /* 0: no limit */
	__u32 limit_slip;
	__u32 sample; /* one in so many is told to dnstap; 0: none */
	__u16 port;   /* network order */
	__u16 udp_limit;
	__u8 cookies, pad[7];
};

struct dns_x_address {
	__u32 a[4]; /* IPv4: ::ffff:a.b.c.d; network order */
};

struct dns_x_hot {
	__u64 hash;
	__u64 epoch;
	__u16 qtype;
	__u8 name_size;
	__u8 pad;
	__u32 policy; /* 1 + number; 0: the same for everybody */
	__u32 image[2]; /* for DO=0 and DO=1: 1 + number of the image or, with a policy, 1 + first of the sets */
	__u32 n_sets;
	__u32 pad2;
	__u64 name[DNS_X_NAME_WORDS]; /* lower case */
};

struct dns_x_policy {
	__u64 sticky_key;
	__u32 class_base, n_classes, row_base, n_rows;
	__u8 sticky, sticky_len4, sticky_len6, uses_location;
	__u32 pad;
};

struct dns_x_row {
	__u16 set[DNS_X_DRAWS];
};

/* What stands between question and OPT. */
#define DNS_X_MAY_CUT 1 /* what does not fit is cut to 'need_size', then to nothing and TC=1; else it is the sockets' */
#define DNS_X_SIGNED 2
struct dns_x_image {
	__u64 not_after_s; /* wall clock; 0: for ever */
	__u32 sum, need_sum; /* of the bytes as 16-bit words from an even offset, in memory order */
	__u16 size, need_size; /* need: without additional records that may be left out */
	__u16 n[3];
	__u16 n_additional_needed;
	__u16 flags; /* AA and rcode of the header */
	__u8 limit_class;
	__u8 bits;
	__u8 bytes[DNS_X_IMAGE_ROOM];
};

struct dns_x_start {
	__u64 hi, lo;
	__u32 leaf, pad;
};

/* Offsets in the words of the map of clients (policy/location.h). */
#define DNS_X_PLACE_DIR6 65536
#define DNS_X_PLACE_BLOCKS (65536 + 65537)

enum dns_x_pass {
#define P(NAME, HELP) DNS_X_PASS_##NAME,
#include "bpf/dns_pass.def"
#undef P
	DNS_X_N_PASS
};

/* One a processor. */
struct dns_x_stats {
	__u64 pass[DNS_X_N_PASS];
	__u64 answers4, answers6, dropped4, dropped6, bytes_in, bytes_out, truncated, chosen, sign, edns, ecs;
	__u64 cookie_client_only, cookie_valid, cookie_bad, limited_dropped, limited_slipped, samples_lost;
};
#define DNS_X_N_STATS (sizeof(struct dns_x_stats) / sizeof(__u64))

#endif
