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

/* A name whose answers a policy chooses. */
struct dns_chosen_conf {
	struct dns_name name;
	char *policy;
	uint32_t ttl;
};

/* A secondary that is told of new serials. */
struct dns_notify_conf {
	struct sockaddr_storage to;
	bool key; /* signed with 'key_name' */
	struct dns_name key_name;
};

struct dns_zone_conf {
	struct dns_name name;
	char *text; /* as in the file */
	struct dns_chosen_conf *chosen;
	size_t n_chosen;
	struct dns_notify_conf *notify;
	size_t n_notify;
	/* Signed here. */
	bool dnssec;
	enum dns_denial denial;
	uint32_t dnskey_ttl, signature_s;
	char *file; /* relative ones are made absolute to the configuration's folder */
};

struct dns_conf {
	struct sockaddr_storage *listen; /* with port */
	size_t n_listen;
	unsigned workers;
	uint16_t udp_limit;
	char *nsid; /* NULL: none */
	bool cookies, have_secret[2];
	uint8_t secret[2][16];
	unsigned limit_per_s, limit_slip;
	char *key_folder; /* absolute, or relative to where we are */
	uint32_t sign_per_s, sign_cache;
	unsigned tcp_max, tcp_idle_s, tcp_message_s;
	bool metrics;
	struct sockaddr_storage metrics_at;
	json_t *json; /* the object that weft-policy's grouping is in */
	char *folder; /* of the file */
	struct dns_zone_conf *zones;
	size_t n_zones;
};

/* Returns 0, or a negative errno with file, line, path, value, rule. */
int dns_conf_load(const char *path, struct dns_conf **ret, struct wf_err *);
void dns_conf_free(struct dns_conf *);

/* Loads all zones into a new view; zones whose files are as they were for 'old' (may be NULL) are
 * taken over from it.  'warnings' may be NULL.  The cookie secrets and the limiter are left to the
 * caller. */
int dns_view_load(const struct dns_conf *, const struct dns_view *old, struct dns_view **ret,
		  struct wf_str *warnings, struct wf_err *);

#endif
