// SPDX-License-Identifier: Apache-2.0
#include "glb/announce.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "glb/address.h"
#include "glb/netlink.h"

WF_LOG_MODULE(glb_announce);

#define AWAIT_MS 30000

struct route {
	struct in6_addr address;
	unsigned len; /* of the prefix, in the IPv6 form */
	bool wanted, up, installed, withdrawn;
	bool awaited; /* who would serve it was not probed yet */
	int64_t down_since; /* 0: up */
};

static struct {
	struct route *r;
	size_t n;
	uint32_t table; /* whose routes are in 'r'; 0: none */
	int64_t since;	/* when we looked first */
	bool looked, all_withdrawn;
} a;

static struct route *
find(const struct in6_addr *address, unsigned len)
{
	for (size_t i = 0; i < a.n; i++)
		if (a.r[i].len == len && !memcmp(&a.r[i].address, address, sizeof *address))
			return &a.r[i];
	return NULL;
}

static struct route *
get(const struct in6_addr *address, unsigned len)
{
	struct route *r = find(address, len);

	if (r)
		return r;
	a.r = wf_xrealloc(a.r, (a.n + 1) * sizeof *a.r);
	a.r[a.n] = (struct route){ .address = *address, .len = len };
	return &a.r[a.n++];
}

/* Routes to probe by are not announced. */
static void
on_found(void *arg, uint32_t table, const struct in6_addr *dst, unsigned len)
{
	const struct glb_config *c = arg;
	char text[GLB_PREFIX_TEXT];

	if (table == c->probe_table)
		return;
	if (table == a.table) {
		/* What a daemon before us left is as good as ours. */
		get(dst, len)->installed = true;
		return;
	}
	wf_info("%s is withdrawn from table %u, which is no longer ours", glb_prefix_text(dst, len, text), table);
	glb_nl_route(false, dst, len, table, if_nametoindex("lo"));
}

static bool
is_zero(const struct in6_addr *address)
{
	static const struct in6_addr zero;

	return !memcmp(address, &zero, sizeof zero);
}

/* What is wanted at all, and whether somebody serves it. */
static void
look(const struct glb_config *c, const struct glb_health *h)
{
	bool any = false;

	for (size_t i = 0; i < a.n; i++)
		a.r[i].wanted = a.r[i].up = a.r[i].awaited = false;
	for (size_t i = 0; c->announce && i < c->n_vips; i++) {
		const char *other = c->vips[i].fallback;
		bool up = c->vips[i].keep || glb_health_pool_is_up(h, c->vips[i].pool) ||
			  (other[0] && glb_health_pool_is_up(h, other));

		any |= up;
		if (c->role[GLB_EDGE]) {
			struct route *r = get(&c->vips[i].address, c->vips[i].len);

			r->wanted = true;
			r->up |= up;
			/* An edge that begins takes nobody's clients before it knows where to send them; but it does not wait for ever. */
			r->awaited |= !r->installed && wf_now_ms() - a.since < AWAIT_MS &&
				      glb_health_pool_is_awaited(h, c->vips[i].pool);
		}
	}
	for (unsigned k = 0; c->announce && c->role[GLB_LOCAL] && k < 2; k++) {
		const struct in6_addr *own = k ? &c->own6 : &c->own4;

		if (!is_zero(own)) {
			struct route *r = get(own, 128);

			r->wanted = true;
			r->up |= any;
		}
	}
}

static bool
decide(const struct glb_config *c, struct route *r)
{
	if (!r->up && !r->down_since)
		r->down_since = wf_now_ms();
	else if (r->up)
		r->down_since = 0;
	return r->wanted && !r->withdrawn && !a.all_withdrawn && !r->awaited &&
	       (r->up || (r->installed && wf_now_ms() - r->down_since < c->hold_ms));
}

void
glb_announce_update(const struct glb_config *c, const struct glb_health *h)
{
	char text[GLB_PREFIX_TEXT];

	uint32_t table = c->announce ? c->announce_table : 0;

	if (!a.looked)
		a.since = wf_now_ms();
	if (!a.looked || a.table != table) {
		a.looked = true;
		a.table = table;
		for (size_t i = 0; i < a.n; i++)
			a.r[i].installed = false;
		glb_nl_routes(on_found, (void *)c);
	}
	look(c, h);
	for (size_t i = 0; i < a.n; i++) {
		struct route *r = &a.r[i];
		bool want = decide(c, r);
		int rc;

		if (want == r->installed)
			continue;
		rc = glb_nl_route(want, &r->address, r->len, a.table, if_nametoindex("lo"));
		if (rc) {
			wf_warn_rl("route to %s in table %u: %s", glb_prefix_text(&r->address, r->len, text), a.table,
				   wf_strerror(rc));
			continue;
		}
		r->installed = want;
		wf_info("%s %s", glb_prefix_text(&r->address, r->len, text), want ? "is announced" : "is withdrawn");
	}
}

int
glb_announce_set(const struct glb_config *c, const char *address, bool announce)
{
	struct in6_addr parsed;
	struct route *r;
	unsigned len;

	if (!address[0]) {
		a.all_withdrawn = !announce;
		for (size_t i = 0; announce && i < a.n; i++)
			a.r[i].withdrawn = false;
		return 0;
	}
	r = glb_prefix_parse(address, &parsed, &len) ? find(&parsed, len) : NULL;
	if (!r || !r->wanted)
		return -ENOENT;
	r->withdrawn = !announce;
	return 0;
}

void
glb_announce_show(const struct glb_config *c, bool plain, struct wf_str *s)
{
	char text[GLB_PREFIX_TEXT];

	for (size_t i = 0; i < a.n; i++) {
		const struct route *r = &a.r[i];

		glb_prefix_text(&r->address, r->len, text);
		if (plain && r->installed)
			wf_str_fmt(s, "%s%s\n", text, r->len < 128 ? "" : glb_address_is_v4(&r->address) ? "/32" : "/128");
		else if (!plain && (r->wanted || r->installed))
			wf_str_fmt(s, "%s %s%s\n", text, r->installed ? "announced" : "withdrawn",
				   r->withdrawn || a.all_withdrawn ? " (operator)" : !r->up ? " (nobody is up)" :
				   r->awaited ? " (not probed yet)" : "");
	}
}

static void
remove_one(void *arg, uint32_t table, const struct in6_addr *dst, unsigned len)
{
	const struct glb_config *c = arg;

	if (table != c->probe_table)
		glb_nl_route(false, dst, len, table, if_nametoindex("lo"));
}

void
glb_announce_remove(const struct glb_config *c)
{
	glb_nl_routes(remove_one, (void *)c);
}
