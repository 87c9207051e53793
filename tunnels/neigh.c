/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/neigh.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hmap.h"
#include "tunnels/address.h"
#include "tunnels/checksum.h"
#include "tunnels/wire.h"

struct neigh {
	struct wf_hmap_node node;
	struct in6_addr addr;
	char bridge[64];
	uint8_t mac[6];
	int64_t expires_ms;
};

struct tnl_neighs {
	struct wf_hmap map;
	unsigned aging_s;
};

struct tnl_neighs *
tnl_neighs_new(void)
{
	struct tnl_neighs *t = wf_xzalloc(sizeof *t);

	wf_hmap_init(&t->map);
	t->aging_s = TNL_NEIGH_AGING_S;
	return t;
}

static void
drop(struct tnl_neighs *t, struct neigh *n)
{
	wf_hmap_remove(&t->map, &n->node);
	free(n);
}

void
tnl_neighs_free(struct tnl_neighs *t)
{
	if (!t)
		return;
	tnl_neigh_flush(t, NULL);
	wf_hmap_done(&t->map);
	free(t);
}

static uint32_t
hash_of(const struct in6_addr *a)
{
	return wf_hash_bytes(a, sizeof *a, 0);
}

static struct neigh *
find(const struct tnl_neighs *t, const char *bridge, const struct in6_addr *a)
{
	struct neigh *n;

	wf_hmap_for_each_with_hash(n, node, hash_of(a), &t->map)
		if (!memcmp(&n->addr, a, sizeof *a) && !strcmp(n->bridge, bridge))
			return n;
	return NULL;
}

bool
tnl_neigh_set(struct tnl_neighs *t, const char *bridge, const struct in6_addr *a, const uint8_t mac[6],
	      int64_t now_ms)
{
	struct neigh *n = find(t, bridge, a);
	bool changed;

	if (!n) {
		if (t->map.n >= TNL_NEIGH_MAX || strlen(bridge) >= sizeof n->bridge)
			return false;
		n = wf_xzalloc(sizeof *n);
		n->addr = *a;
		strcpy(n->bridge, bridge);
		wf_hmap_insert(&t->map, &n->node, hash_of(a));
	}
	changed = n->expires_ms <= now_ms || memcmp(n->mac, mac, 6);
	memcpy(n->mac, mac, 6);
	n->expires_ms = now_ms + t->aging_s * 1000LL;
	return changed;
}

bool
tnl_neigh_lookup(struct tnl_neighs *t, const char *bridge, const struct in6_addr *a, uint8_t mac[6],
		 int64_t now_ms)
{
	struct neigh *n = find(t, bridge, a);

	if (!n || n->expires_ms <= now_ms)
		return false;
	n->expires_ms = now_ms + t->aging_s * 1000LL;
	memcpy(mac, n->mac, 6);
	return true;
}

bool
tnl_neigh_find(const struct tnl_neighs *t, const char *bridge, const struct in6_addr *a, uint8_t mac[6])
{
	const struct neigh *n = find(t, bridge, a);

	if (n)
		memcpy(mac, n->mac, 6);
	return n != NULL;
}

struct tnl_neighs *
tnl_neighs_copy(const struct tnl_neighs *t)
{
	struct tnl_neighs *copy = tnl_neighs_new();
	struct neigh *n;

	copy->aging_s = t->aging_s;
	wf_hmap_for_each(n, node, &t->map) {
		struct neigh *c = wf_xmemdup(n, sizeof *n);

		wf_hmap_insert(&copy->map, &c->node, hash_of(&c->addr));
	}
	return copy;
}

bool
tnl_neigh_flush(struct tnl_neighs *t, const char *bridge)
{
	bool any = false;
	struct neigh *n;

	wf_hmap_for_each_safe(n, node, &t->map) {
		if (!bridge || !strcmp(n->bridge, bridge)) {
			drop(t, n);
			any = true;
		}
	}
	return any;
}

bool
tnl_neigh_expire(struct tnl_neighs *t, int64_t now_ms)
{
	bool any = false;
	struct neigh *n;

	wf_hmap_for_each_safe(n, node, &t->map) {
		if (n->expires_ms <= now_ms) {
			drop(t, n);
			any = true;
		}
	}
	return any;
}

void
tnl_neigh_for_each_old(const struct tnl_neighs *t, int64_t now_ms, unsigned max,
		       void (*fn)(const char *, const struct in6_addr *, void *), void *aux)
{
	int64_t left = t->aging_s * 100LL > 2000 ? t->aging_s * 100LL : 2000;
	struct neigh *n;

	wf_hmap_for_each(n, node, &t->map) {
		if (!max)
			return;
		if (n->expires_ms - now_ms <= left) {
			fn(n->bridge, &n->addr, aux);
			max--;
		}
	}
}

unsigned
tnl_neigh_aging_s(const struct tnl_neighs *t)
{
	return t->aging_s;
}

bool
tnl_neigh_set_aging_s(struct tnl_neighs *t, unsigned s, int64_t now_ms)
{
	struct neigh *n;

	if (!s || s > TNL_NEIGH_MAX_AGING_S)
		return false;
	t->aging_s = s;
	wf_hmap_for_each(n, node, &t->map)
		if (n->expires_ms > now_ms + s * 1000LL)
			n->expires_ms = now_ms + s * 1000LL;
	return true;
}

void
tnl_neigh_show(const struct tnl_neighs *t, int64_t now_ms, struct wf_str *s)
{
	struct neigh *n;

	wf_str_put(s, "IP                                            MAC                 Bridge\n"
		      "==========================================================================\n");
	wf_hmap_for_each(n, node, &t->map) {
		size_t start = s->len;

		tnl_put_address(s, &n->addr);
		while (s->len - start < INET6_ADDRSTRLEN)
			wf_str_putc(s, ' ');
		wf_str_fmt(s, "%02x:%02x:%02x:%02x:%02x:%02x   %s%s\n", n->mac[0], n->mac[1], n->mac[2],
			   n->mac[3], n->mac[4], n->mac[5], n->bridge,
			   n->expires_ms <= now_ms ? " STALE" : "");
	}
}

/* --- Frames -------------------------------------------------------------------------------- */

static bool
usable_mac(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6);
}

static bool
snoop_arp(const uint8_t *arp, size_t size, struct in6_addr *a, uint8_t mac[6])
{
	static const uint8_t ethernet_ipv4[6] = { 0, 1, 8, 0, 6, 4 }, zero[4];

	if (size < 28 || memcmp(arp, ethernet_ipv4, 6))
		return false;
	bool gratuitous = !memcmp(arp + 14, arp + 24, 4);
	if (rd16(arp + 6) != 2 && !(rd16(arp + 6) == 1 && gratuitous))
		return false;
	if (!memcmp(arp + 14, zero, 4) || !usable_mac(arp + 8))
		return false;
	*a = tnl_map_ipv4(arp + 14);
	memcpy(mac, arp + 8, 6);
	return true;
}

/* RFC 4861 section 7.1.2 says what makes an advertisement valid. */
static bool
snoop_na(const uint8_t *ip, size_t size, struct in6_addr *a, uint8_t mac[6])
{
	const uint8_t *na = ip + 40, *o;
	size_t len, left;

	if (size < 40 + 24 || ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6 || ip[7] != 255)
		return false;
	len = rd16(ip + 4);
	if (len < 24 || len > size - 40 || na[0] != 136 || na[1] || na[8] == 0xff)
		return false;
	if (csum_fold(csum_add(csum_pseudo6(ip + 8, ip + 24, IPPROTO_ICMPV6, (uint32_t)len), na, len)) !=
	    0xffff)
		return false;
	for (o = na + 24, left = len - 24; left >= 8; left -= (size_t)o[1] * 8, o += o[1] * 8) {
		if (!o[1] || (size_t)o[1] * 8 > left)
			return false;
		if (o[0] == 2 && o[1] == 1) {
			if (!usable_mac(o + 2))
				return false;
			memcpy(a, na + 8, 16);
			memcpy(mac, o + 2, 6);
			return true;
		}
	}
	return false;
}

bool
tnl_neigh_snoop(const uint8_t *frame, size_t size, struct in6_addr *a, uint8_t mac[6])
{
	if (size < 14)
		return false;
	switch (rd16(frame + 12)) {
	case 0x0806: return snoop_arp(frame + 14, size - 14, a, mac);
	case 0x86dd: return snoop_na(frame + 14, size - 14, a, mac);
	default: return false;
	}
}

static size_t
put_arp_request(uint8_t *f, const uint8_t mac[6], const struct in6_addr *source,
		const struct in6_addr *target)
{
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(f, 0xff, 6);
	wr16(f + 12, 0x0806);
	memcpy(f + 14, head, 8);
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, source->s6_addr + 12, 4);
	memset(f + 32, 0, 6);
	memcpy(f + 38, target->s6_addr + 12, 4);
	return 42;
}

static size_t
put_solicitation(uint8_t *f, const uint8_t mac[6], const struct in6_addr *source,
		 const struct in6_addr *target)
{
	uint8_t *ip = f + 14, *ns = f + 54;
	uint16_t sum;

	f[0] = f[1] = 0x33;
	f[2] = 0xff;
	memcpy(f + 3, target->s6_addr + 13, 3);
	wr16(f + 12, 0x86dd);
	wr32(ip, 0x60000000);
	wr16(ip + 4, 32);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, source, 16);
	memcpy(ip + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\1\xff", 13);
	memcpy(ip + 37, target->s6_addr + 13, 3);
	memset(ns, 0, 8);
	ns[0] = 135;
	memcpy(ns + 8, target, 16);
	ns[24] = 1;
	ns[25] = 1;
	memcpy(ns + 26, mac, 6);
	sum = (uint16_t)~csum_fold(csum_add(csum_pseudo6(ip + 8, ip + 24, IPPROTO_ICMPV6, 32), ns, 32));
	memcpy(ns + 2, &sum, 2);
	return 86;
}

size_t
tnl_neigh_request(uint8_t frame[TNL_NEIGH_REQUEST_MAX], const uint8_t mac[6],
		  const struct in6_addr *source, const struct in6_addr *target)
{
	memcpy(frame + 6, mac, 6);
	return tnl_is_ipv4(target) ? put_arp_request(frame, mac, source, target)
				   : put_solicitation(frame, mac, source, target);
}
