// SPDX-License-Identifier: Apache-2.0
#include "glb/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/unixctl.h"
#include "glb/address.h"
#include "glb/datapath.h"
#include "glb/doctor.h"
#include "glb/why.h"

WF_LOG_MODULE(glb_daemon);

static struct {
	char *path;
	struct glb_config *config;
	struct placement *placement;
	struct glb_datapath *dp;
	struct wf_timer second;
	struct stat document; /* as it was when read */
	int touch4, touch6;   /* sockets that keep next hops resolved */
	size_t touched;
} d;

static const char *const stat_names[GLB_N_STATS] = {
	[GLB_STAT_PASSED] = "passed",	      [GLB_STAT_SENT_PLAIN] = "sent_plain",
	[GLB_STAT_SENT_SHIM] = "sent_hop_list", [GLB_STAT_DELIVERED] = "delivered",
	[GLB_STAT_LAST] = "delivered_as_last", [GLB_STAT_HANDED_ON] = "handed_on",
	[GLB_STAT_UNKNOWN_HOP] = "unknown_hop", [GLB_STAT_NEXT_HOP] = "next_hop_lookups",
};

static const char *const drop_names[] = {
#define GLB_DROP(NAME, TEXT) #NAME,
#include "bpf/glb_drop.def"
#undef GLB_DROP
};
static const char *const drop_texts[] = {
#define GLB_DROP(NAME, TEXT) TEXT,
#include "bpf/glb_drop.def"
#undef GLB_DROP
};

static int
bring_up(struct wf_err *err)
{
	struct glb_config *c = glb_config_load(d.path, err);
	struct placement *p = NULL;
	struct glb_datapath *dp = NULL;
	struct stat st = { 0 };
	int rc = -EINVAL;

	if (!c)
		return rc;
	stat(c->placement, &st);
	p = plc_load(c->placement, err);
	/* Programs are loaded again at each reload, so a new binary's reload is also its upgrade. */
	dp = p ? glb_datapath_open(c, err) : NULL;
	if (dp) {
		rc = glb_datapath_apply(dp, c, p, err);
		rc = rc ? rc : glb_datapath_attach(dp, c, err);
	}
	if (rc) {
		glb_datapath_close(dp);
		plc_free(p);
		glb_config_free(c);
		return rc;
	}
	if (d.config && strcmp(d.config->pin, c->pin))
		wf_warn("the maps under %s stay: weft-glb --remove takes them away", d.config->pin);
	glb_datapath_close(d.dp);
	plc_free(d.placement);
	glb_config_free(d.config);
	d.config = c;
	d.placement = p;
	d.dp = dp;
	d.document = st;
	wf_info("document %u with %zu pools is in force; %zu VIPs", p->number, p->n_pools, c->n_vips);
	return 0;
}

void
glb_daemon_reload(void)
{
	struct wf_err err = { "" };

	if (bring_up(&err))
		wf_error("not reloaded: %s", err.text);
}

/* The document alone, when its file changed. */
static int
new_document(struct wf_err *err)
{
	struct placement *p = plc_load(d.config->placement, err);
	int rc = p ? glb_datapath_apply(d.dp, d.config, p, err) : -EINVAL;

	if (rc) {
		plc_free(p);
		return rc;
	}
	plc_free(d.placement);
	d.placement = p;
	wf_info("document %u is in force", p->number);
	return 0;
}

/* The programs find link-layer addresses but cannot ask for them: a datagram to the discard port makes the
 * kernel ask and keeps the answer fresh. */
static void
touch_next_hops(void)
{
	for (size_t i = 0; i < 256 && i < d.placement->n_nodes; i++) {
		const struct plc_node *n = &d.placement->nodes[d.touched++ % d.placement->n_nodes];
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };

		if (n->gone)
			continue;
		if (glb_address_is_v4(&n->address)) {
			memcpy(&sin.sin_addr, &n->address.s6_addr[12], 4);
			sendto(d.touch4, "", 0, MSG_DONTWAIT, (struct sockaddr *)&sin, sizeof sin);
		} else {
			sin6.sin6_addr = n->address;
			sendto(d.touch6, "", 0, MSG_DONTWAIT, (struct sockaddr *)&sin6, sizeof sin6);
		}
	}
}

static void
on_second(struct wf_timer *t)
{
	struct wf_err err = { "" };
	struct stat st;

	if (!stat(d.config->placement, &st) &&
	    (st.st_ino != d.document.st_ino || st.st_mtim.tv_sec != d.document.st_mtim.tv_sec ||
	     st.st_mtim.tv_nsec != d.document.st_mtim.tv_nsec)) {
		d.document = st;
		if (new_document(&err))
			wf_error("the new document is not taken: %s", err.text);
	}
	touch_next_hops();
	wf_timer_set(t, 1000, on_second, NULL);
}

/* --- commands -------------------------------------------------------------------------------- */

static const char *
node_state(uint32_t id, void *aux)
{
	int flags = glb_datapath_node_flags(d.dp, id);

	return flags < 0 ? " (not in use here)" : flags & GLB_NODE_DEAD ? " (dead)" :
	       flags & GLB_NODE_DRAIN ? " (drains)" : "";
}

static void
show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	static const char *const roles[] = { "edge", "local", "host" };
	struct wf_str s = WF_STR_INIT;
	char address[INET6_ADDRSTRLEN];

	wf_str_put(&s, "roles:");
	for (unsigned r = 0; r < GLB_N_ROLES; r++)
		if (d.config->role[r])
			wf_str_fmt(&s, " %s", roles[r]);
	wf_str_fmt(&s, "\ndocument: %u (%s)\n", d.placement->number, d.config->placement);
	for (size_t i = 0; i < d.config->n_vips; i++) {
		const struct glb_vip_config *v = &d.config->vips[i];

		wf_str_fmt(&s, "vip %s %s %u: pool %s\n", glb_address_text(&v->address, address),
			   v->protocol == IPPROTO_TCP ? "tcp" : v->protocol == IPPROTO_UDP ? "udp" : "any",
			   v->port, v->pool);
	}
	for (size_t i = 0; i < d.placement->n_nodes; i++) {
		const struct plc_node *n = &d.placement->nodes[i];

		if (!n->gone)
			wf_str_fmt(&s, "%s %s (id %u): %s%s\n", n->kind == PLC_SITE ? "site" : "server", n->name,
				   n->id, glb_address_text(&n->address, address), node_state(n->id, NULL));
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
put_count(struct wf_str *s, const char *kind, const char *name, struct glb_count c)
{
	if (c.packets)
		wf_str_fmt(s, "%-6s %-24s %12llu packets %15llu bytes\n", kind, name,
			   (unsigned long long)c.packets, (unsigned long long)c.bytes);
}

static void
top(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	char address[INET6_ADDRSTRLEN];

	for (uint32_t i = 0; i < GLB_N_STATS; i++)
		put_count(&s, "all", stat_names[i], glb_datapath_count(d.dp, GLB_COUNT_STATS, i));
	for (uint32_t i = 0; i < d.config->n_vips; i++) {
		char *name = wf_xasprintf("%s:%u", glb_address_text(&d.config->vips[i].address, address),
					  d.config->vips[i].port);

		put_count(&s, "vip", name, glb_datapath_count(d.dp, GLB_COUNT_VIPS, i));
		free(name);
	}
	for (size_t i = 0; i < d.placement->n_nodes; i++) {
		const struct plc_node *n = &d.placement->nodes[i];

		if (!n->gone)
			put_count(&s, n->kind == PLC_SITE ? "site" : "server", n->name,
				  glb_datapath_node_count(d.dp, n->id));
	}
	for (uint32_t i = 0; i < GLB_N_DROPS; i++) {
		struct glb_count c = glb_datapath_count(d.dp, GLB_COUNT_DROPS, i);

		if (c.packets)
			wf_str_fmt(&s, "drop   %-24s %12llu packets: %s\n", drop_names[i],
				   (unsigned long long)c.packets, drop_texts[i]);
	}
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
why(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct why_packet k = { .protocol = IPPROTO_TCP };
	struct wf_str s = WF_STR_INIT;

	if (!glb_endpoint_parse(argv[1], &k.client, &k.client_port) ||
	    !glb_endpoint_parse(argv[2], &k.vip, &k.vip_port)) {
		unixctl_reply_error(conn, "an end is ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
		return;
	}
	for (int i = 3; i < argc; i++)
		if (!strcmp(argv[i], "udp"))
			k.protocol = IPPROTO_UDP;
		else if (!strcmp(argv[i], "syn"))
			k.opens = true;
		else if (strcmp(argv[i], "tcp")) {
			unixctl_reply_error(conn, "what follows the ends is tcp, udp or syn");
			return;
		}
	glb_why(d.config, d.placement, &k, node_state, NULL, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
mark(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	unsigned flags = !strcmp(argv[2], "dead") ? GLB_NODE_DEAD : !strcmp(argv[2], "drain") ? GLB_NODE_DRAIN : 0;
	const struct plc_node *n = plc_node_by_name(d.placement, PLC_SERVER, argv[1]);

	n = n ? n : plc_node_by_name(d.placement, PLC_SITE, argv[1]);
	if (!n)
		unixctl_reply_error(conn, "no server or site of that name in the document");
	else if (!flags && strcmp(argv[2], "up"))
		unixctl_reply_error(conn, "a state is up, drain or dead");
	else if (glb_datapath_mark(d.dp, n->id, flags))
		unixctl_reply_error(conn, "not in use here");
	else
		unixctl_reply(conn, NULL);
}

static void
reload(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_err err = { "" };

	if (bring_up(&err))
		unixctl_reply_error(conn, err.text);
	else
		unixctl_reply(conn, NULL);
}

static void
doctor(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	unsigned n = glb_doctor(d.config, &s);

	wf_str_fmt(&s, n ? "%u to mend\n" : "nothing to mend\n", n);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

int
glb_daemon_init(const char *path, struct wf_err *err)
{
	int rc;

	d.path = wf_xstrdup(path);
	rc = bring_up(err);
	if (rc)
		return rc;
	d.touch4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	d.touch6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	on_second(&d.second);
	unixctl_command("glb/show", "", 0, 0, show, NULL);
	unixctl_command("glb/top", "", 0, 0, top, NULL);
	unixctl_command("glb/why", "CLIENT[:PORT] VIP[:PORT] [tcp|udp] [syn]", 2, 4, why, NULL);
	unixctl_command("glb/mark", "NAME up|drain|dead", 2, 2, mark, NULL);
	unixctl_command("glb/reload", "", 0, 0, reload, NULL);
	unixctl_command("glb/doctor", "", 0, 0, doctor, NULL);
	return 0;
}

void
glb_daemon_done(void)
{
	wf_timer_cancel(&d.second);
	close(d.touch4);
	close(d.touch6);
	glb_datapath_close(d.dp);
	plc_free(d.placement);
	glb_config_free(d.config);
	free(d.path);
}
