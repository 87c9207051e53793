/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration (yang/weft-glb.yang) as the daemon uses it.  Immutable once read. */
#ifndef WEFT_GLB_CONFIG_H
#define WEFT_GLB_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "bpf/glb_abi.h"

enum glb_xdp_mode { GLB_XDP_AUTO, GLB_XDP_NATIVE, GLB_XDP_GENERIC };

struct glb_interface {
	char name[16];
	enum glb_xdp_mode mode;
	bool chained; /* by libxdp, with other programs */
	unsigned priority;
};

struct glb_vip_config {
	struct in6_addr address;
	uint8_t protocol; /* IANA number; 0: any */
	uint16_t port;	  /* 0: any */
	unsigned len;	  /* of the prefix, in the IPv6 form; 128: one address */
	uint16_t mss;	  /* the most that TCP may open with; 0: what the client says */
	bool quic;	  /* connection IDs name site and server */
	char pool[64];
	char policy[64]; /* "": by the document's weights */
	bool keep;	 /* announced also when all is down */
	char fallback[64]; /* pool that serves it then; "": none */
};

struct glb_prefix {
	struct in6_addr address;
	unsigned len; /* of the IPv6 form */
};

struct glb_config {
	char *placement, *pin;
	json_t *policy; /* the whole container: what policy/ reads of it */
	char *folder;	/* of the configuration file, for the files that it names */
	struct in6_addr probe4, probe6; /* sources of probes through tunnels; zero: none */
	uint32_t probe_table;
	int64_t remember_ms, grace_ms;
	bool announce;
	uint32_t announce_table, hold_ms, withdraw_ms;
	uint32_t max_slots, max_nodes;
	bool role[GLB_N_ROLES];
	char site[64];
	struct in6_addr own4, own6;	  /* where tunnels to this host end; zero: none */
	struct in6_addr source4;	  /* own4, or the prefix that sources are drawn from */
	uint32_t source4_host_bits;	  /* low bits of IPv4 sources that flows choose */
	uint16_t gue_port, vxlan_port;
	uint8_t quic_rotation;
	struct in6_addr host_address;	  /* zero: as the above */
	struct in6_addr peer_address;	  /* role local: where others of the site relay fragments to; zero: they do not */
	struct in6_addr *peers;		  /* all of them, in order, this one included */
	size_t n_peers;
	struct glb_interface *interfaces;
	size_t n_interfaces;
	struct glb_vip_config *vips;
	size_t n_vips;
	struct glb_prefix *sources;
	size_t n_sources;
	bool metrics;
	struct sockaddr_storage metrics_at;
	struct glb_prefix *deny; /* role edge */
	size_t n_deny;
	uint64_t packet_ns, packet_burst_ns; /* time that a packet of one source takes; 0: no limit */
	uint64_t open_ns, open_burst_ns;
};

/* Returns NULL with 'err': file, path, value and rule. */
struct glb_config *glb_config_load(const char *path, struct wf_err *);
struct glb_config *glb_config_parse(const char *name, const char *text, struct wf_err *);
void glb_config_free(struct glb_config *);

#endif
