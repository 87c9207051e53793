/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file (yang/weft-dns.yang) as a struct, and the view that it describes.
 * Threads: one at a time. */
#ifndef WEFT_DNS_SERVER_CONFIG_H
#define WEFT_DNS_SERVER_CONFIG_H

#include <jansson.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "dns/answer/view.h"
#include "dns/zone/dnssec.h"
#include "policy/prefix.h"

/* A name whose answers a policy chooses. */
struct dns_chosen_conf {
	struct dns_name name;
	char *policy;
	uint32_t ttl;
	struct {
		uint16_t type; /* SVCB or HTTPS */
		struct dns_service service;
	} services[2];
	unsigned n_services;
};

/* Another server: a secondary that is told of new serials, or a primary. */
struct dns_peer_conf {
	struct sockaddr_storage at;
	char *text; /* its address */
	bool key;   /* messages are signed with 'key_name' */
	struct dns_name key_name;
};

struct dns_allow_conf {
	bool exists;
	struct pol_prefix *prefixes;
	size_t n_prefixes;
	struct dns_name *keys;
	size_t n_keys;
};

struct dns_zone_conf {
	struct dns_name name;
	char *text; /* as in the file */
	struct dns_chosen_conf *chosen;
	size_t n_chosen;
	struct dns_peer_conf *notify;
	size_t n_notify;
	/* Signed here. */
	bool dnssec;
	enum dns_denial denial;
	uint32_t dnskey_ttl, signature_s;
	struct dns_peer_conf *primaries; /* none: the zone is made here */
	size_t n_primaries;
	struct dns_allow_conf transfer, notify_from;
	bool refuses_chosen;
	bool catalog; /* its members are served, from the same primaries (RFC 9432) */
	/* Of a member: the zone that names it, from which all but names and paths is borrowed. */
	const struct dns_zone_conf *of_catalog;
	uint64_t journal_size;
	uint64_t max_size; /* of a zone with primaries */
	/* Relative ones are made absolute to the configuration's folder; of a zone with primaries the
	 * copy. */
	char *file;
	char *journal; /* NULL: nobody may have the zone */
};

enum dns_xdp_mode { DNS_XDP_AUTO, DNS_XDP_NATIVE, DNS_XDP_GENERIC };

struct dns_conf {
	struct sockaddr_storage *listen; /* with port */
	size_t n_listen;
	unsigned workers;
	uint16_t udp_limit;
	char *nsid; /* NULL: none */
	bool cookies, have_secret[2];
	uint8_t secret[2][16];
	unsigned limit_per_s, limit_slip;
	char **xdp; /* devices whose driver answers */
	size_t n_xdp;
	enum dns_xdp_mode xdp_mode;
	bool has_tls;
	uint16_t tls_port;
	char *tls_certificate, *tls_key;
	unsigned tls_per_s; /* handshakes of one worker */
	char *key_folder; /* absolute, or relative to where we are */
	uint32_t sign_per_s, sign_cache;
	unsigned tcp_max, tcp_idle_s, tcp_message_s;
	/* Self-test: zones that are asked for; none: there is no self-test. */
	struct dns_name *selftest;
	size_t n_selftest;
	char *selftest_script;
	unsigned selftest_ms, selftest_rise, selftest_fall;
	bool metrics;
	struct sockaddr_storage metrics_at;
	json_t *json; /* the object that weft-policy's grouping is in */
	char *folder; /* of the file */
	char *state_folder;
	struct dns_allow_conf why;
	struct dns_tap_conf {
		unsigned sample;     /* of so many queries one; 0: there is no dnstap */
		char *socket, *file; /* one of them */
		uint64_t file_max;
	} tap;
	uint32_t min_refresh_s, min_retry_s; /* whatever a primary's SOA says */
	bool rereads_copies; /* of zones with primaries: another process may have written them */
	struct dns_zone_conf *zones;
	size_t n_zones;
	/* Members of catalogs, beside them; made anew by dns_view_load(). */
	struct dns_zone_conf *members;
	size_t n_members, room_members;
};

/* Zones and members by one index, 0 to n_zones + n_members - 1. */
static inline const struct dns_zone_conf *
dns_conf_zone(const struct dns_conf *c, size_t i)
{
	return i < c->n_zones ? &c->zones[i] : &c->members[i - c->n_zones];
}

/* Returns 0, or a negative errno with file, line, path, value, rule. */
int dns_conf_load(const char *path, struct dns_conf **ret, struct wf_err *);
/* The files that it names beside zones and keys: certificate and key of TLS. */
int dns_conf_check_files(const struct dns_conf *, struct wf_err *);
void dns_conf_free(struct dns_conf *);

/* A zone that a catalog names; then all of them. */
void dns_conf_add_member(struct dns_conf *, const struct dns_zone_conf *catalog,
			 const struct dns_name *);
void dns_conf_forget_members(struct dns_conf *);

#endif
