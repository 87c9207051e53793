// SPDX-License-Identifier: Apache-2.0
/* VIPs, and the way back of servers behind NAT, into the maps: only what changed since the last time. */
#include "glb/datapath_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_vlan.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/glb_vip.h"
#include "glb/address.h"
#include "glb/fallback.h"

/* The entry that says that an address is a VIP's. */
#define ADDRESS_PROTO GLB_VIP_ADDRESS_PROTO
#define ADDRESS_PORT  0xffff

static int
by_key(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct dp_vip, value));
}

/* Two entries a VIP, in the order of the configuration. */
static struct dp_vip *
list_vips(const struct glb_config *c, const struct placement *p)
{
	struct dp_vip *v = wf_xzalloc((2 * c->n_vips + 1) * sizeof *v);
	size_t n = 0;

	for (size_t i = 0; i < c->n_vips; i++) {
		const struct glb_vip_config *vip = &c->vips[i];
		const struct plc_pool *pool = plc_pool_by_name(p, glb_fallback_pool(vip)),
				      *other = vip->fallback[0] ? plc_pool_by_name(p, glb_fallback_other(vip)) : NULL;
		struct dp_vip *e = &v[n];

		e->address = vip->address;
		e->len = vip->len;
		e->port = vip->port;
		e->proto = vip->protocol;
		e->value = (struct glb_vip){ .pool = (uint16_t)(pool ? pool - p->pools : 0), .index = (uint16_t)i,
					     .flags = (uint16_t)((vip->quic ? GLB_VIP_QUIC : 0) |
								 (other ? GLB_VIP_WITH_OTHER(other - p->pools) : 0)),
					     .mss = (uint16_t)vip->mss };
		e[1] = e[0];
		e[1].port = ADDRESS_PORT;
		e[1].proto = ADDRESS_PROTO;
		n += 2;
	}
	return v;
}

/* All entries, by key.  Of several VIPs of one address the first one's pool takes its fragments. */
static struct dp_vip *
want_vips(const struct dp_vip *list, size_t n, size_t *ret_n)
{
	struct dp_vip *v = wf_xmemdup(list, (n + 1) * sizeof *v);
	size_t kept = 0;

	/* The index breaks ties: the first VIP of an address stays. */
	qsort(v, n, sizeof *v, by_key);
	for (size_t i = 0; i < n; i++) {
		if (kept && !by_key(&v[kept - 1], &v[i])) {
			if (v[i].value.index < v[kept - 1].value.index)
				v[kept - 1] = v[i];
			continue;
		}
		v[kept++] = v[i];
	}
	*ret_n = kept;
	return v;
}

union vip_key {
	struct glb_vip4_key four;
	struct glb_vip6_key six;
	struct glb_vip_prefix_key prefix;
};

/* Returns the map that the VIP is in. */
static int
vip_key(const struct glb_datapath *dp, const struct dp_vip *v, union vip_key *key)
{
	if (v->len < 128) {
		key->prefix = (struct glb_vip_prefix_key){ .prefix_len = 32 + v->len, .port = htons(v->port), .proto = v->proto };
		memcpy(key->prefix.addr, &v->address, sizeof key->prefix.addr);
		return dp->maps[DP_VIP_PREFIXES];
	}
	if (glb_address_is_v4(&v->address)) {
		key->four = (struct glb_vip4_key){ .port = htons(v->port), .proto = v->proto };
		memcpy(&key->four.addr, &v->address.s6_addr[12], 4);
		return dp->maps[DP_VIP4];
	}
	key->six = (struct glb_vip6_key){ .port = htons(v->port), .proto = v->proto };
	memcpy(key->six.addr, &v->address, sizeof key->six.addr);
	return dp->maps[DP_VIP6];
}

static uint64_t
line_key(const struct glb_vip4_key *k)
{
	return glb_vip4_word(k->addr, k->port, k->proto);
}

static int
edit_vip(struct glb_datapath *dp, const struct dp_vip *v, bool add)
{
	union vip_key key;
	int map = vip_key(dp, v, &key);
	uint64_t word = map == dp->maps[DP_VIP4] ? line_key(&key.four) : 0;
	struct glb_vip_line *line = word ? &dp->vip_lines[glb_vip_line_of(word)] : NULL;

	if (add) {
		if (bpf_map_update_elem(map, &key, &v->value, BPF_ANY))
			return -errno;
		if (line)
			glb_vip_line_put(line, word, &v->value);
		return 0;
	}
	if (line)
		glb_vip_line_remove(line, word);
	bpf_map_delete_elem(map, &key);
	return 0;
}

/* Another daemon may have ended between an edit of glb_vip4 and that of the line: each line to say what glb_vip4 does. */
static void
mend_lines(struct glb_datapath *dp)
{
	struct glb_vip4_key k, *prev = NULL;
	struct glb_vip v;

	for (uint32_t i = 0; i < GLB_VIP_LINES; i++)
		for (int e = 0; e < GLB_VIP_LINE_ENTRIES; e++) {
			uint64_t word = dp->vip_lines[i].key[e];

			if (!word || word == GLB_VIP_GONE)
				continue;
			memcpy(&k, &word, sizeof k);
			if (bpf_map_lookup_elem(dp->maps[DP_VIP4], &k, &v))
				glb_vip_line_remove(&dp->vip_lines[i], word);
		}
	for (; !bpf_map_get_next_key(dp->maps[DP_VIP4], prev, &k); prev = &k)
		if (!bpf_map_lookup_elem(dp->maps[DP_VIP4], &k, &v))
			glb_vip_line_put(&dp->vip_lines[glb_vip_line_of(line_key(&k))], line_key(&k), &v);
}

uint32_t
glb_datapath_vip_pool(const struct glb_datapath *dp, const struct glb_vip_config *vip)
{
	struct dp_vip v = { .address = vip->address, .len = vip->len, .port = vip->port, .proto = vip->protocol };
	union vip_key key;
	int map = vip_key(dp, &v, &key);

	return dp->pool_ids && !bpf_map_lookup_elem(map, &key, &v.value) && v.value.pool < GLB_MAX_POOLS ?
		       dp->pool_ids[v.value.pool].id : 0;
}

/* What the maps hold that another daemon wrote. */
static void
read_vips(struct glb_datapath *dp)
{
	struct glb_vip4_key k4, *p4 = NULL;
	struct glb_vip6_key k6, *p6 = NULL;
	struct glb_vip_prefix_key kp, *pp = NULL;
	size_t room = 4 * GLB_MAX_VIPS + 4096, n = 0;
	struct dp_vip *v = wf_xzalloc((room + 1) * sizeof *v);

	for (; n < room && !bpf_map_get_next_key(dp->maps[DP_VIP4], p4, &k4); p4 = &k4) {
		v[n].address.s6_addr[10] = v[n].address.s6_addr[11] = 0xff;
		memcpy(&v[n].address.s6_addr[12], &k4.addr, 4);
		v[n].len = 128;
		v[n].port = ntohs(k4.port);
		v[n].proto = k4.proto;
		bpf_map_lookup_elem(dp->maps[DP_VIP4], &k4, &v[n++].value);
	}
	for (; n < room && !bpf_map_get_next_key(dp->maps[DP_VIP6], p6, &k6); p6 = &k6) {
		memcpy(&v[n].address, k6.addr, sizeof k6.addr);
		v[n].len = 128;
		v[n].port = ntohs(k6.port);
		v[n].proto = k6.proto;
		bpf_map_lookup_elem(dp->maps[DP_VIP6], &k6, &v[n++].value);
	}
	for (; n < room && !bpf_map_get_next_key(dp->maps[DP_VIP_PREFIXES], pp, &kp); pp = &kp) {
		memcpy(&v[n].address, kp.addr, sizeof kp.addr);
		v[n].len = kp.prefix_len - 32;
		v[n].port = ntohs(kp.port);
		v[n].proto = kp.proto;
		bpf_map_lookup_elem(dp->maps[DP_VIP_PREFIXES], &kp, &v[n++].value);
	}
	qsort(v, n, sizeof *v, by_key);
	dp->vips = v;
	dp->n_vips = n;
}

int
dp_write_vips(struct glb_datapath *dp, const struct glb_config *c, const struct placement *p)
{
	size_t n_list = 2 * c->n_vips, n, i = 0, k = 0;
	struct dp_vip *list = list_vips(c, p), *want;
	int rc = 0;

	/* A new document seldom changes VIPs, and to sort many of them takes longer than all the rest. */
	if (dp->vips && n_list == dp->n_list && !memcmp(list, dp->list, n_list * sizeof *list)) {
		free(list);
		return 0;
	}
	if (!dp->vips) {
		read_vips(dp);
		mend_lines(dp);
	}
	want = want_vips(list, n_list, &n);
	/* New and changed ones before any is gone. */
	for (i = 0; i < n && !rc; i++) {
		while (k < dp->n_vips && by_key(&dp->vips[k], &want[i]) < 0)
			k++;
		if (k == dp->n_vips || memcmp(&dp->vips[k], &want[i], sizeof *want))
			rc = edit_vip(dp, &want[i], true);
	}
	if (rc) {
		/* What is in the maps now is known to them only. */
		free(dp->vips);
		dp->vips = NULL;
		free(want);
		free(list);
		return rc;
	}
	for (i = k = 0; k < dp->n_vips; k++) {
		while (i < n && by_key(&want[i], &dp->vips[k]) < 0)
			i++;
		if (i == n || by_key(&want[i], &dp->vips[k]))
			edit_vip(dp, &dp->vips[k], false);
	}
	free(dp->vips);
	dp->vips = want;
	dp->n_vips = n;
	free(dp->list);
	dp->list = list;
	dp->n_list = n_list;
	return 0;
}

/* --- the way back ---------------------------------------------------------------------------- */

struct nat_row {
	struct glb_nat_key key;
	struct glb_nat value;
	const char *server;
};

static int
by_server(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct glb_nat_key));
}

static bool
behind_nat(const struct placement *p, const struct plc_table *t)
{
	for (size_t m = 0; m < t->n_members; m++) {
		const struct plc_node *s = plc_node_by_id(p, t->members[m].node);

		if (s && !s->gone && s->encap == GLB_ENCAP_NAT)
			return true;
	}
	return false;
}

/* NULL and -EINVAL: one server's port would answer for two VIPs.  Servers of a pool to fall back to answer whether it serves
 * or not. */
static struct nat_row *
want_nat(const struct glb_config *c, const struct placement *p, size_t *ret_n, struct wf_err *err)
{
	const struct plc_node *site = c->role[GLB_LOCAL] ? plc_node_by_name(p, PLC_SITE, c->site) : NULL;
	size_t n = 0, room = 0;
	struct nat_row *rows = wf_xzalloc(sizeof *rows);
	uint8_t *has_nat = wf_xzalloc(p->n_pools + 1); /* by pool; 0: not looked at yet */
	char address[INET6_ADDRSTRLEN];
	enum { NO = 1, YES };

	for (size_t i = 0; site && i < 2 * c->n_vips; i++) {
		const struct glb_vip_config *v = &c->vips[i / 2];
		const struct plc_pool *pool = i % 2 && !v->fallback[0] ? NULL : plc_pool_by_name(p, i % 2 ? v->fallback : v->pool);
		const struct plc_table *t = pool ? plc_servers_at(pool, site->id) : NULL;

		/* Members are looked at once for each pool with such servers' VIPs, and once for all others. */
		if (t && !has_nat[pool - p->pools])
			has_nat[pool - p->pools] = behind_nat(p, t) ? YES : NO;
		if (t && has_nat[pool - p->pools] == NO)
			continue;
		for (size_t m = 0; t && m < t->n_members; m++) {
			const struct plc_node *s = plc_node_by_id(p, t->members[m].node);
			struct nat_row *r;

			if (!s || s->gone || s->encap != GLB_ENCAP_NAT)
				continue;
			if (v->len < 128 || (s->port && !v->port) ||
			    glb_address_is_v4(&v->address) != glb_address_is_v4(&s->address)) {
				wf_err(err, -EINVAL, "vip: %s: server %s is behind NAT: that needs a VIP of one address "
				       "(not a prefix), of the server's IP version, and with a port if the server has one",
				       glb_address_text(&v->address, address), s->name);
				goto bad;
			}
			if (n == room) {
				room = room ? 2 * room : 16;
				rows = wf_xrealloc(rows, room * sizeof *rows);
			}
			r = &rows[n++];
			memset(r, 0, sizeof *r);
			memcpy(r->key.addr, &s->address, sizeof r->key.addr);
			r->key.port = htons(s->port ? s->port : v->port);
			r->key.proto = v->protocol;
			memcpy(r->value.addr, &v->address, sizeof r->value.addr);
			r->value.port = s->port ? htons(v->port) : 0;
			r->server = s->name;
		}
	}
	qsort(rows, n, sizeof *rows, by_server);
	for (size_t i = 1; i < n; i++)
		if (!by_server(&rows[i - 1], &rows[i]) &&
		    memcmp(&rows[i - 1].value, &rows[i].value, sizeof rows->value)) {
			wf_err(err, -EINVAL, "server %s is behind NAT and its port %u would answer for two VIPs: give it an "
			       "address or port for each", rows[i].server, ntohs(rows[i].key.port));
			goto bad;
		}
	*ret_n = n;
	free(has_nat);
	return rows;
bad:
	free(has_nat);
	free(rows);
	return NULL;
}

int
dp_check_nat(const struct glb_config *c, const struct placement *p, struct wf_err *err)
{
	size_t n;
	struct nat_row *rows = want_nat(c, p, &n, err);

	free(rows);
	return rows ? 0 : -EINVAL;
}

int
dp_write_nat(struct glb_datapath *dp, const struct glb_config *c, const struct placement *p)
{
	struct glb_nat_key key, *prev = NULL, *gone;
	struct wf_err err = { "" };
	size_t n, n_gone = 0, room = 16;
	struct nat_row *rows;
	struct glb_nat now;
	int rc = 0;

	if (!c->role[GLB_LOCAL])
		return 0;
	rows = want_nat(c, p, &n, &err);
	if (!rows)
		return -EINVAL;
	for (size_t i = 0; i < n && !rc; i++)
		if (bpf_map_lookup_elem(dp->maps[DP_NAT], &rows[i].key, &now) ||
		    memcmp(&now, &rows[i].value, sizeof now))
			rc = bpf_map_update_elem(dp->maps[DP_NAT], &rows[i].key, &rows[i].value, BPF_ANY) ? -errno : 0;
	gone = wf_xmalloc(room * sizeof *gone);
	for (; !rc && !bpf_map_get_next_key(dp->maps[DP_NAT], prev, &key); prev = &key) {
		if (n && bsearch(&key, rows, n, sizeof *rows, by_server))
			continue;
		if (n_gone == room)
			gone = wf_xrealloc(gone, (room *= 2) * sizeof *gone);
		gone[n_gone++] = key;
	}
	while (n_gone)
		bpf_map_delete_elem(dp->maps[DP_NAT], &gone[--n_gone]);
	free(gone);
	free(rows);
	return rc;
}

/* --- devices of VLANs ------------------------------------------------------------------------ */

int
dp_write_vlans(struct glb_datapath *dp)
{
	struct if_nameindex *list = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	for (struct if_nameindex *i = list; i && i->if_index && fd >= 0 && !rc; i++) {
		struct vlan_ioctl_args vid = { .cmd = GET_VLAN_VID_CMD }, below = { .cmd = GET_VLAN_REALDEV_NAME_CMD };
		struct glb_vlan v = { 0 };
		uint32_t index = i->if_index;

		strncpy(vid.device1, i->if_name, sizeof vid.device1 - 1);
		memcpy(below.device1, vid.device1, sizeof below.device1);
		if (ioctl(fd, SIOCGIFVLAN, &vid) || ioctl(fd, SIOCGIFVLAN, &below)) {
			bpf_map_delete_elem(dp->maps[DP_VLANS], &index);
			continue;
		}
		v.ifindex = if_nametoindex(below.u.device2);
		v.tci = htons((uint16_t)vid.u.VID);
		if (bpf_map_update_elem(dp->maps[DP_VLANS], &index, &v, BPF_ANY))
			rc = -errno;
	}
	if (fd >= 0)
		close(fd);
	if_freenameindex(list);
	return rc;
}
