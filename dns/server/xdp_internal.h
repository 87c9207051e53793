/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by xdp.c, xdp_fill.c and xdp_hot.c. */
#ifndef WEFT_DNS_SERVER_XDP_INTERNAL_H
#define WEFT_DNS_SERVER_XDP_INTERNAL_H

#include "base/hmap.h"
#include "base/loop.h"
#include "bpf/dns_abi.h"
#include "dns/server/xdp.h"

struct bpf_object;
struct dns_ready;

/* A name and type that the driver answers. */
struct dns_xdp_name {
	struct wf_hmap_node node; /* by name and type */
	struct dns_name name;
	uint16_t type;
	bool by_policy;	   /* else because it was asked for often */
	int32_t slot;	   /* -1: it has none */
	uint32_t choice;   /* 0: the same for everybody */
	uint32_t n_sets;
	uint32_t next_signed; /* sets whose answers with DO=1 are made already */
	uint64_t hits;	   /* when it was looked at last */
};

struct dns_xdp_device {
	char *name;
	unsigned index;   /* that was tried last; 0: there is no such device */
	int link;	  /* below 0: none */
};

struct dns_xdp_image {
	struct wf_hmap_node node;
	uint32_t number;
};

struct dns_xdp_policy {
	const struct pol_policy *policy;
	unsigned n_sets; /* when its entries were made */
};

struct dns_xdp {
	struct bpf_object *object; /* NULL: the path is off */
	struct dns_xdp_device *devices;
	unsigned n_devices, n_cpus;
	enum dns_xdp_mode mode;
	int places, places6, starts; /* maps; 'starts' is in 'places6' */
	/* In the maps' memory. */
	struct dns_x_conf *conf;
	struct dns_x_hot *hot;
	struct dns_x_image *images;
	uint64_t *sets, *classes, *buckets;
	struct dns_x_policy *policies;
	struct dns_x_row *rows;
	/* What is in them. */
	struct wf_hmap names, by_content;
	unsigned n_names, n_refused;
	uint32_t n_images, n_sets, n_classes, n_policies, n_rows;
	struct dns_xdp_policy of_policy[DNS_X_POLICIES];
	const struct dns_view *view; /* that they were made from; to compare, it may be gone */
	uint64_t epoch;		     /* of those that answer, or answered last */
	bool full;		     /* at the next resumption all is made anew */
	bool any_signed, unfinished;
	struct dns_context ctx;
	struct wf_timer beat, take, resume, more;
	uint64_t swept_ns, filled_ns;
	struct dns_x_address listen[DNS_X_LISTEN];
	unsigned n_listen;
	bool any4, any6;
};
extern struct dns_xdp dns_xdp;

/* Waits until no program runs that began before. */
void dns_xdp_wait(void);
/* All maps anew from the view; or the states of the policies alone, false: that is not enough. */
void dns_xdp_fill(const struct dns_view *);
bool dns_xdp_fill_policies(const struct dns_view *);
/* Some of the answers with DO=1 that are not made yet.  True: there are more. */
bool dns_xdp_fill_signed(const struct dns_view *);
/* A name that is asked for often; while the programs answer. */
void dns_xdp_add_name(const struct dns_view *, const struct dns_name *, unsigned type);
/* Frees the names that were asked for least since the last time; all of them with 'all'. */
void dns_xdp_forget_names(bool all);
void dns_xdp_forget_images(void);
/* There is hardly room for another name that is asked for often. */
bool dns_xdp_is_full(void);
bool dns_xdp_put_places(const struct dns_view *);
/* The map of clients as the program reads it: pairs of words, and the starts of IPv6 prefixes (one more than 't' has). */
size_t dns_xdp_n_place_pairs(const struct loc_table *);
void dns_xdp_copy_places(const struct loc_table *, uint32_t *words);
void dns_xdp_copy_starts(const struct loc_table *, struct dns_x_start *);
/* What the program counted, as if workers had. */
void dns_xdp_add_stats(const struct dns_x_stats *, struct dns_counters *);
uint64_t dns_xdp_mono_ns(void);
uint64_t dns_xdp_hits(uint32_t slot);
struct dns_xdp_name *dns_xdp_find_name(const struct dns_name *, unsigned type);

#endif
