/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/handed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/hmap.h"

struct handed {
	struct wf_hmap_node node;
	char *type, *name;
	int fd;
};

static struct wf_hmap all;
static bool any;

static struct handed *
find(const char *type, const char *name)
{
	struct handed *h;

	if (!any)
		return NULL;
	wf_hmap_for_each_with_hash(h, node, wf_hash_str(name, 0), &all)
		if (!strcmp(h->name, name) && !strcmp(h->type, type))
			return h;
	return NULL;
}

static void
forget(struct handed *h)
{
	wf_hmap_remove(&all, &h->node);
	free(h->type);
	free(h->name);
	free(h);
}

void
ports_hand_in(const char *type, const char *name, int fd)
{
	struct handed *h = find(type, name);

	if (h) {
		close(h->fd);
		h->fd = fd;
		return;
	}
	if (!any)
		wf_hmap_init(&all);
	any = true;
	h = wf_xzalloc(sizeof(*h));
	h->type = wf_xstrdup(type);
	h->name = wf_xstrdup(name);
	h->fd = fd;
	wf_hmap_insert(&all, &h->node, wf_hash_str(name, 0));
}

bool
ports_is_handed(const char *type, const char *name)
{
	return find(type, name) != NULL;
}

int
ports_take_handed(const char *type, const char *name)
{
	struct handed *h = find(type, name);
	int fd = h ? h->fd : -1;

	if (h)
		forget(h);
	return fd;
}

void
ports_forget_handed(void)
{
	struct handed *h;

	if (!any)
		return;
	wf_hmap_for_each_safe(h, node, &all) {
		close(h->fd);
		forget(h);
	}
	wf_hmap_done(&all);
	any = false;
}
