// SPDX-License-Identifier: Apache-2.0
/* What a data path of other maps (another GLB_ABI) knew, into ours before they are used: nodes and how they are marked, slots and
 * tables with the sites that were chosen before, keys, and which UDP flows this server has.
 *
 *   PIN/abiM/NAME  --copied, if the layout of NAME is that of M still-->  PIN/abiN/NAME
 *
 * The other programs go on with their maps until attach; UDP flows that came meanwhile are looked for once more then. */
#include "glb/datapath_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/log.h"
#include "bpf/glb_udp.h"

WF_LOG_MODULE(glb_datapath);

/* They refer to each other: all or none. */
static const struct kept {
	const char *name;
	bool may_lack; /* of a role that the other one had not, or we have not */
} kept[] = {
	{ "glb_ids", false },	       { "glb_nodes", false },	      { "glb_by_address", false },  { "glb_pool_ids", true },
	{ "glb_slots", true },	       { "glb_edge_tables", true },   { "glb_local_tables", true },
};
#define N_KEPT (sizeof kept / sizeof *kept)

struct pair {
	int from, to;
	struct bpf_map_info info; /* of both */
};

static bool
get_info(int fd, struct bpf_map_info *ret)
{
	uint32_t size = sizeof *ret;

	memset(ret, 0, sizeof *ret);
	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, ret, &size);
}

static void
pair_close(struct pair *p)
{
	if (p->from >= 0)
		close(p->from);
	if (p->to >= 0)
		close(p->to);
}

/* False: they are of different form. */
static bool
pair_open(struct pair *p, const struct glb_datapath *dp, uint32_t abi, const char *name)
{
	size_t parent = (size_t)(strrchr(dp->pin, '/') - dp->pin);
	char *from = wf_xasprintf("%.*s/abi%u/%s", (int)parent, dp->pin, abi, name);
	char *to = wf_xasprintf("%s/%s", dp->pin, name);
	struct bpf_map_info other;

	p->from = bpf_obj_get(from);
	p->to = bpf_obj_get(to);
	free(from);
	free(to);
	return get_info(p->from, &other) && get_info(p->to, &p->info) && other.type == p->info.type &&
	       other.key_size == p->info.key_size && other.value_size == p->info.value_size &&
	       other.max_entries == p->info.max_entries;
}

static bool
copy_memory(const struct pair *p)
{
	size_t size = (size_t)p->info.max_entries * ((p->info.value_size + 7) & ~7u);
	void *from = mmap(NULL, size, PROT_READ, MAP_SHARED, p->from, 0);
	void *to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->to, 0);
	bool ok = from != MAP_FAILED && to != MAP_FAILED;

	if (ok)
		memcpy(to, from, size);
	if (from != MAP_FAILED)
		munmap(from, size);
	if (to != MAP_FAILED)
		munmap(to, size);
	return ok;
}

static bool
copy_map(const struct pair *p)
{
	char *key = wf_xzalloc(2 * p->info.key_size), *value = wf_xzalloc(p->info.value_size);
	char *none = wf_xzalloc(p->info.value_size), *next = key + p->info.key_size;
	void *prev = NULL;
	bool ok = true;

	if (p->info.map_flags & BPF_F_MMAPABLE) {
		ok = copy_memory(p);
		goto out;
	}
	for (; ok && !bpf_map_get_next_key(p->from, prev, next); prev = key) {
		memcpy(key, next, p->info.key_size);
		/* A hash's entry may have gone; an array's that is empty need not be written. */
		if (bpf_map_lookup_elem(p->from, key, value) ||
		    (p->info.type == BPF_MAP_TYPE_ARRAY && !memcmp(value, none, p->info.value_size)))
			continue;
		ok = !bpf_map_update_elem(p->to, key, value, BPF_ANY);
	}
out:
	free(key);
	free(value);
	free(none);
	return ok;
}

/* The head of glb_conf that all these have: keys, document, by which key new flows are placed. */
static bool
copy_conf(const struct glb_datapath *dp, uint32_t abi)
{
	struct pair p;
	struct glb_conf conf = { 0 };
	struct bpf_map_info other;
	uint32_t zero = 0;
	uint8_t *was;
	bool ok;

	pair_open(&p, dp, abi, "glb_conf");
	/* It grows at its end only. */
	ok = get_info(p.from, &other) && other.value_size > offsetof(struct glb_conf, neighbour_ttl);
	was = wf_xzalloc(ok ? other.value_size + sizeof conf : sizeof conf);
	if (ok && !bpf_map_lookup_elem(p.from, &zero, was)) {
		memcpy(&conf, was, offsetof(struct glb_conf, neighbour_ttl));
		conf.flags &= GLB_CONF_KEY_1 | GLB_CONF_ROTATES;
		ok = conf.generation && !bpf_map_update_elem(p.to, &zero, &conf, BPF_ANY);
	} else {
		ok = false;
	}
	free(was);
	pair_close(&p);
	return ok;
}

/* The newest one before ours whose layouts are known; 0: none. */
static uint32_t
find_other(const struct glb_datapath *dp)
{
	char *parent = wf_xasprintf("%.*s", (int)(strrchr(dp->pin, '/') - dp->pin), dp->pin);
	DIR *d = opendir(parent);
	uint32_t best = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		char *end;
		unsigned long abi = strncmp(e->d_name, "abi", 3) ? 0 : strtoul(e->d_name + 3, &end, 10);

		if (abi >= GLB_ABI_KEPT && abi < GLB_ABI && !*end && abi > best)
			best = (uint32_t)abi;
	}
	if (d)
		closedir(d);
	free(parent);
	return best;
}

static void
put_flow(struct glb_udp_bucket *b, uint64_t entry)
{
	unsigned at = GLB_UDP_ENTRIES;

	for (unsigned i = 0; i < GLB_UDP_ENTRIES; i++) {
		if (GLB_UDP_TAG(b->entry[i]) == GLB_UDP_TAG(entry))
			return;
		if (!b->entry[i])
			at = i;
	}
	if (at < GLB_UDP_ENTRIES)
		b->entry[at] = entry;
}

void
dp_take_flows(const struct glb_datapath *dp)
{
	struct pair p;

	if (!dp->took)
		return;
	if (pair_open(&p, dp, dp->took, "glb_udp_flows") && p.info.value_size == sizeof(struct glb_udp_bucket))
		for (uint32_t i = 0; i < p.info.max_entries; i++) {
			struct glb_udp_bucket was, now, next;

			if (bpf_map_lookup_elem(p.from, &i, &was) || bpf_map_lookup_elem(p.to, &i, &now))
				break;
			next = now;
			for (unsigned k = 0; k < GLB_UDP_ENTRIES; k++)
				if (was.entry[k])
					put_flow(&next, was.entry[k]);
			if (memcmp(&next, &now, sizeof next) != 0)
				bpf_map_update_elem(p.to, &i, &next, BPF_ANY);
		}
	pair_close(&p);
}

void
dp_take_over(struct glb_datapath *dp)
{
	struct glb_conf now = { 0 };
	struct pair pairs[N_KEPT];
	uint32_t abi, zero = 0;
	bool ok = true;

	/* Ours have been in use. */
	if (bpf_map_lookup_elem(dp->maps[DP_CONF], &zero, &now) || now.generation)
		return;
	abi = find_other(dp);
	if (!abi)
		return;
	for (size_t i = 0; i < N_KEPT; i++) {
		bool same = pair_open(&pairs[i], dp, abi, kept[i].name);

		ok &= same || (kept[i].may_lack && (pairs[i].from < 0 || pairs[i].to < 0));
	}
	for (size_t i = 0; i < N_KEPT; i++) {
		if (ok && pairs[i].from >= 0 && pairs[i].to >= 0)
			ok = copy_map(&pairs[i]);
		pair_close(&pairs[i]);
	}
	/* It says that the others are there. */
	ok = ok && copy_conf(dp, abi);
	if (!ok) {
		wf_warn("maps of a weft-glb with others (abi%u) can't be read: which node was away and which UDP flows there are is not known",
			abi);
		return;
	}
	dp->took = abi;
	dp_take_flows(dp);
	wf_info("marks and UDP flows are those of a weft-glb with other maps (abi%u)", abi);
}
