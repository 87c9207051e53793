/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a tunnel port: Interface.type and options, as Open vSwitch takes them
 * (ovs-vswitchd.conf.db(5), "Tunnel Options").  No state; main. */
#ifndef WEFT_TUNNELS_CONFIG_H
#define WEFT_TUNNELS_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "tunnels/tunnel.h"

/* What a port gives to, and takes from, its bridge: Ethernet frames, packets without Ethernet
 * header (the bridge makes one), or both, by packet type. */
enum tnl_pt_mode { TNL_PT_LEGACY_L2, TNL_PT_LEGACY_L3, TNL_PT_AWARE };

#define TNL_DEFAULT_TTL 64

struct tnl_config {
	enum tnl_type type;
	bool is_ip6_type;              /* "ip6gre", "ip6erspan": the same by another name */
	struct in6_addr local, remote; /* IPv4 mapped; unspecified: any */
	bool local_flow, remote_flow;  /* "flow": the packet's own metadata says */
	uint64_t in_key, out_key;
	bool in_key_present, in_key_flow, out_key_present, out_key_flow;
	uint8_t tos, ttl;
	bool tos_inherit, ttl_inherit;
	uint16_t dst_port;             /* UDP, host order; 0: GRE and ERSPAN */
	unsigned exts;                 /* TNL_EXT_* */
	bool csum, seq, df;
	bool pmtud;                    /* ICMP to who sends what does not fit the path */
	enum tnl_pt_mode pt_mode;
	bool set_egress_mark;
	uint32_t egress_mark;
	bool erspan_ver_flow, erspan_idx_flow, erspan_dir_flow, erspan_hwid_flow;
	uint8_t erspan_ver, erspan_dir, erspan_hwid;
	uint32_t erspan_idx;
};

struct tnl_option { const char *key, *value; };

/* Is this an Interface.type of a tunnel, and one that we can carry? */
bool tnl_is_tunnel_type(const char *type);
/* The types that are built, into 'names'.  Returns how many. */
unsigned tnl_types_built(const char *names[], unsigned room);
bool tnl_type_of(const char *type, enum tnl_type *);

/* Reads the options of port 'name'.  Returns 0, or -EINVAL with the reason in 'err'; '*config' is then
 * unchanged.  What is odd but does not hinder (an unknown option) is appended to 'warnings', a line
 * each. */
int tnl_config_parse(struct tnl_config *, const char *name, const char *type,
		     const struct tnl_option *, unsigned n_options, struct wf_str *warnings,
		     struct wf_err *err);

/* Does the outer header depend on what flows set (or on what the packet brought)? */
static inline bool
tnl_config_reads_metadata(const struct tnl_config *c)
{
	return c->remote_flow || c->local_flow || c->out_key_flow || c->type == TNL_GENEVE ||
	       (c->exts & TNL_EXT_GBP) || c->erspan_ver_flow || c->erspan_idx_flow ||
	       c->erspan_dir_flow || c->erspan_hwid_flow;
}

/* "key=5, remote_ip=1.1.1.1": what differs from the defaults, sorted, as dpif/show prints it. */
void tnl_config_format(const struct tnl_config *, struct wf_str *);

#endif
