/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices changed: RTM_NEWLINK and RTM_DELLINK of our network namespace, and what classes say
 * about ports that are no devices.  Names are gathered and told in the loop's next turn. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/log.h"
#include "base/loop.h"
#include "dataplane/ports/classes.h"

WF_LOG_MODULE(ports_watch);

#define RECEIVE_BYTES (1 << 20) /* some thousand events; what overflows makes one full look */

static void (*changed_fn)(const char *name, void *aux);
static void *changed_aux;
static struct nl_sock *sock;

/* --- Names that changed ---------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct changed {
	struct changed *next;
	char name[64];
} *changes; /* under lock */
static bool any_changed;

void
ports_changed(const char *name)
{
	struct changed **c;

	pthread_mutex_lock(&lock);
	if (!name) {
		any_changed = true;
	} else {
		for (c = &changes; *c && strcmp((*c)->name, name); c = &(*c)->next)
			;
		if (!*c) {
			*c = wf_xzalloc(sizeof **c);
			strncpy((*c)->name, name, sizeof (*c)->name - 1);
		}
	}
	pthread_mutex_unlock(&lock);
	wf_loop_wake();
}

static int64_t
tell(struct wf_idle *idle)
{
	struct changed *list, *next;
	bool any;

	pthread_mutex_lock(&lock);
	list = changes;
	any = any_changed;
	changes = NULL;
	any_changed = false;
	pthread_mutex_unlock(&lock);
	if (any)
		changed_fn(NULL, changed_aux);
	for (; list; list = next) {
		next = list->next;
		if (!any)
			changed_fn(list->name, changed_aux);
		free(list);
	}
	return -1;
}

/* --- Devices by index: a rename tells only the new name -------------------------------------- */

struct device {
	struct wf_hmap_node node;
	int ifindex;
	char name[IFNAMSIZ];
};
static struct wf_hmap devices;

static struct device *
device_find(int ifindex)
{
	struct device *d;

	wf_hmap_for_each_with_hash(d, node, wf_hash_mix64((uint64_t)ifindex, 0), &devices)
		if (d->ifindex == ifindex)
			return d;
	return NULL;
}

static int
on_message(struct nl_msg *msg, void *aux)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct ifinfomsg *info;
	struct nlattr *name;
	struct device *d;

	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
	    !nlmsg_valid_hdr(h, sizeof *info))
		return NL_OK;
	info = nlmsg_data(h);
	name = nlmsg_find_attr(h, sizeof *info, IFLA_IFNAME);
	/* A bridge's port events (AF_BRIDGE) say nothing about the device itself. */
	if (!name || info->ifi_family == AF_BRIDGE)
		return NL_OK;
	d = device_find(info->ifi_index);
	if (d && strcmp(d->name, nla_get_string(name)))
		ports_changed(d->name);
	ports_changed(nla_get_string(name));
	if (h->nlmsg_type == RTM_DELLINK) {
		if (d) {
			wf_hmap_remove(&devices, &d->node);
			free(d);
		}
		return NL_OK;
	}
	if (!d) {
		d = wf_xzalloc(sizeof *d);
		d->ifindex = info->ifi_index;
		wf_hmap_insert(&devices, &d->node, wf_hash_mix64((uint64_t)d->ifindex, 0));
	}
	nla_strlcpy(d->name, name, sizeof d->name);
	return NL_OK;
}

/* Asks for all devices: at the start, and after messages were lost. */
static void
ask_all(void)
{
	struct rtgenmsg g = { .rtgen_family = AF_UNSPEC };
	int rc = nl_send_simple(sock, RTM_GETLINK, NLM_F_DUMP, &g, sizeof g);

	if (rc < 0)
		wf_warn("cannot ask for the list of devices: %s", nl_geterror(rc));
}

static void
on_readable(void *aux)
{
	int rc;

	do
		rc = nl_recvmsgs_default(sock);
	while (rc >= 0);
	if (rc == -NLE_NOMEM) {
		ports_changed(NULL);
		ask_all();
	} else if (rc != -NLE_AGAIN) {
		wf_warn_rl("events of devices: %s", nl_geterror(rc));
	}
}

void
ports_watch_devices(void (*changed)(const char *name, void *aux), void *aux)
{
	static struct wf_idle idle = { .fn = tell };
	int rc;

	changed_fn = changed;
	changed_aux = aux;
	if (sock)
		return;
	wf_hmap_init(&devices);
	wf_idle_add(&idle);
	sock = nl_socket_alloc();
	if (!sock)
		return;
	nl_socket_disable_seq_check(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, NULL);
	rc = nl_connect(sock, NETLINK_ROUTE);
	if (!rc)
		rc = nl_socket_set_nonblocking(sock);
	if (!rc)
		rc = nl_socket_add_membership(sock, RTNLGRP_LINK);
	if (rc < 0) {
		wf_error("cannot watch for devices that come and go: %s", nl_geterror(rc));
		return;
	}
	nl_socket_set_buffer_size(sock, RECEIVE_BYTES, 0);
	wf_fd_watch(nl_socket_get_fd(sock), on_readable, NULL);
	ask_all();
}
