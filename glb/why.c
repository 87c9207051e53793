// SPDX-License-Identifier: Apache-2.0
#include "glb/why.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/glb_parse.h"
#include "glb/address.h"
#include "glb/fallback.h"

bool
glb_endpoint_parse(const char *text, struct in6_addr *a, uint16_t *port)
{
	char address[INET6_ADDRSTRLEN + 3], *colon;
	char *end;

	*port = 0;
	if (glb_address_parse(text, a))
		return true;
	if (strlen(text) >= sizeof address + 6)
		return false;
	colon = strrchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof address || !colon[1])
		return false;
	memcpy(address, text, (size_t)(colon - text));
	address[colon - text] = '\0';
	unsigned long n = strtoul(colon + 1, &end, 10);

	if (*end || n > 65535)
		return false;
	*port = (uint16_t)n;
	if (address[0] == '[' && address[strlen(address) - 1] == ']') {
		address[strlen(address) - 1] = '\0';
		return glb_address_parse(address + 1, a);
	}
	return glb_address_parse(address, a);
}

static void
put_slot(const struct placement *p, const struct plc_slot *slots, uint32_t n_slots, uint64_t hash, const char *what,
	 const struct why_packet *k, const char *(*state)(uint32_t, void *), void *aux, struct wf_str *s)
{
	uint32_t slot = (uint32_t)hash & (n_slots - 1);

	bool plain = false;

	wf_str_fmt(s, "  %s %u of %u:", what, slot, n_slots);
	for (unsigned i = 0; i < PLC_OWNERS && slots[slot].owner[i]; i++) {
		const struct plc_node *n = plc_node_by_id(p, slots[slot].owner[i]);
		char address[INET6_ADDRSTRLEN];

		plain |= n->no_second_chance || n->encap > GLB_ENCAP_GUE;
		wf_str_fmt(s, "%s %s %s (id %u%s%s)%s", i ? ", before" : "", n->name,
			   glb_address_text(&n->address, address), n->id, n->encap ? ", " : "",
			   n->encap ? plc_encap_name(n->encap) : "", state(n->id, aux));
	}
	if (slots[slot].moved)
		wf_str_fmt(s, "; moved by document %u", slots[slot].moved);
	wf_str_put(s, "\n");
	if (slots[slot].owner[1])
		wf_str_fmt(s, "    tried %s\n", k->protocol == GLB_UDP ? "oldest first, the current owner last" :
			   k->opens ? "the first that does not drain, only" : "in this order, by a hop list");
	if (slots[slot].owner[1] && plain)
		wf_str_put(s, "    who takes no hop list is tried last, and at most one of these\n");
}

static void
put_table(const struct placement *p, const struct plc_table *t, uint64_t hash, bool other, uint64_t other_hash, const char *what,
	  const struct why_packet *k, const char *(*state)(uint32_t, void *), void *aux, struct wf_str *s)
{
	char *by_other = wf_xasprintf("%s by the other key%s", what,
				      p->key_step == PLC_KEY_PREPARED ? " (its first owner only)" : "");

	put_slot(p, t->slots, t->n_slots, hash, what, k, state, aux, s);
	if (other && p->key_step == PLC_KEY_PREPARED)
		put_slot(p, t->slots, t->n_slots, other_hash, by_other, k, state, aux, s);
	else if (other && t->n_before)
		put_slot(p, t->before, t->n_before, other_hash, by_other, k, state, aux, s);
	free(by_other);
}

void
glb_why(const struct glb_config *c, const struct placement *p, const struct glb_sites *sites,
	const struct why_packet *k,
	const char *(*state)(uint32_t, void *), void *aux, struct wf_str *s)
{
	const struct glb_vip_config *vip = NULL;
	const struct plc_pool *pool;
	struct glb_flow f = { 0 };
	__u64 key[2], other_key[2];
	bool other;

	/* As the programs look: one address before prefixes, then by port, by protocol; the longest prefix. */
	for (unsigned pass = 0; pass < 6 && !vip; pass++)
		for (size_t i = 0; i < c->n_vips; i++) {
			const struct glb_vip_config *v = &c->vips[i];

			if ((v->len < 128) == (pass >= 3) && glb_prefix_has(&v->address, v->len, &k->vip) &&
			    v->protocol == (pass % 3 == 2 ? 0 : k->protocol) &&
			    v->port == (pass % 3 ? 0 : k->vip_port) && (!vip || v->len > vip->len))
				vip = v;
		}
	if (!vip) {
		wf_str_put(s, "not a VIP of this host: to the stack\n");
		return;
	}
	pool = plc_pool_by_name(p, glb_fallback_pool(vip));
	wf_str_fmt(s, "pool %s (id %u), document %u\n", glb_fallback_pool(vip), pool ? pool->id : 0, p->number);
	if (strcmp(vip->pool, glb_fallback_pool(vip)))
		wf_str_fmt(s, "the VIP falls back: its own pool, %s, is down\n", vip->pool);
	if (!pool)
		return;
	memcpy(key, p->hash_key, sizeof key);
	memcpy(other_key, p->other_key, sizeof other_key);
	other = p->key_step != PLC_KEY_ONE && !k->opens;
	if (other)
		wf_str_fmt(s, "the hash key changes (%s): candidates by both keys are asked\n", plc_key_step_name(p->key_step));
	memcpy(f.client, &k->client, sizeof f.client);
	memcpy(f.vip, &k->vip, sizeof f.vip);
	f.client_port = htons(k->client_port);
	f.vip_port = htons(k->vip_port);
	f.family = glb_address_is_v4(&k->vip) ? 4 : 6;
	f.proto = k->protocol;
	if (glb_sites_places(sites)[pool - p->pools])
		glb_sites_why(sites, (uint32_t)(pool - p->pools), &k->client, glb_client_hash(key, &f) & 255, s);
	else if (pool->sites.n_slots)
		put_table(p, &pool->sites, glb_client_hash(key, &f), other, glb_client_hash(other_key, &f),
			  "edge: bucket of client and VIP", k, state, aux, s);
	for (size_t i = 0; i < pool->n_by_site; i++) {
		const struct plc_node *site = plc_node_by_id(p, pool->by_site[i].site);
		char what[128];

		if (c->role[GLB_LOCAL] && strcmp(site->name, c->site))
			continue;
		snprintf(what, sizeof what, "at %s: slot of the flow", site->name);
		if (pool->by_site[i].servers.n_slots)
			put_table(p, &pool->by_site[i].servers, glb_flow_hash(key, &f), other, glb_flow_hash(other_key, &f), what,
				  k, state, aux, s);
	}
}
