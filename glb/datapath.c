// SPDX-License-Identifier: Apache-2.0
#include "glb/datapath.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include "base/log.h"
#include "bpf/glb_edge_bpf.h"
#include "bpf/glb_host_bpf.h"
#include "bpf/glb_local_bpf.h"
#include "glb/address.h"
#include "glb/datapath_internal.h"

WF_LOG_MODULE(glb_datapath);

static const struct {
	const char *name;
	const unsigned char *bytes;
	size_t len;
} objects[GLB_N_ROLES] = {
	[GLB_EDGE] = { "glb_edge", glb_edge_bpf, sizeof glb_edge_bpf },
	[GLB_LOCAL] = { "glb_local", glb_local_bpf, sizeof glb_local_bpf },
	[GLB_HOST] = { "glb_host", glb_host_bpf, sizeof glb_host_bpf },
};

static const char *const map_names[DP_N_MAPS] = {
	[DP_CONF] = "glb_conf", [DP_VIP4] = "glb_vip4", [DP_VIP6] = "glb_vip6",
	[DP_EDGE_TABLES] = "glb_edge_tables", [DP_LOCAL_TABLES] = "glb_local_tables",
	[DP_POOL_IDS] = "glb_pool_ids", [DP_SLOTS] = "glb_slots", [DP_NODES] = "glb_nodes",
	[DP_IDS] = "glb_ids", [DP_OWN] = "glb_own", [DP_SOURCES] = "glb_sources",
	[DP_DROPS] = "glb_drops", [DP_STATS] = "glb_stats", [DP_VIP_STATS] = "glb_vip_stats",
	[DP_VIP_LINES] = "glb_vip_lines", [DP_CHAIN] = "glb_chain",
	[DP_PLACES] = "glb_places", [DP_PLACES6] = "glb_places6",
	[DP_VIP_PREFIXES] = "glb_vip_prefixes", [DP_BY_ADDRESS] = "glb_by_address",
	[DP_VLANS] = "glb_vlans", [DP_NAT] = "glb_nat", [DP_DENY] = "glb_deny", [DP_EVENTS] = "glb_events",
	[DP_NEXT_HOPS] = "glb_next_hops",
};

/* The verifier explains itself in thousands of lines, of which the last ones say what is wrong. */
#define LAST_LINES 10

int
dp_on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text, *line, *rest;
	unsigned n_lines = 0;

	if (vasprintf(&text, format, args) < 0)
		return 0;
	for (const char *c = text; *c; c++)
		n_lines += *c == '\n';
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		if (*line && n_lines <= LAST_LINES && level == LIBBPF_WARN)
			wf_warn("libbpf: %s", line);
		else if (*line)
			wf_dbg("libbpf: %s", line);
		n_lines -= n_lines > 0;
	}
	free(text);
	return 0;
}

static int
load_role(struct glb_datapath *dp, enum glb_role role, const struct glb_config *c, struct wf_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = objects[role].name,
		    .pin_root_path = dp->pin);
	struct bpf_object *o = bpf_object__open_mem(objects[role].bytes, objects[role].len, &opts);
	static const enum dp_map by_node[] = { DP_NODES, DP_IDS, DP_BY_ADDRESS, DP_NAT, DP_NEXT_HOPS };
	struct bpf_map *map;
	int rc;

	if (!o)
		return wf_err(err, -errno, "%s: the program cannot be opened: %s", objects[role].name,
			      strerror(errno));
	dp->objects[role] = o;
	map = bpf_object__find_map_by_name(o, map_names[DP_SLOTS]);
	if (map)
		bpf_map__set_max_entries(map, c->max_slots);
	for (unsigned i = 0; i < sizeof by_node / sizeof *by_node; i++) {
		map = bpf_object__find_map_by_name(o, map_names[by_node[i]]);
		if (map)
			bpf_map__set_max_entries(map, c->max_nodes);
	}
	/* A program that replaces a function, as libxdp's dispatcher has them, has no attach type, and programs that call each other are of
	 * one. */
	for (struct bpf_program *p = bpf_object__next_program(o, NULL); p; p = bpf_object__next_program(o, p))
		bpf_program__set_expected_attach_type(p, 0);
	rc = bpf_object__load(o);
	if (rc)
		return wf_err(err, rc, "%s: the kernel refused the program or a map: %s%s", objects[role].name,
			      strerror(-rc),
			      rc == -EINVAL ? "; maps pinned with another max-slots or max-nodes are removed by "
					      "weft-glb --remove" : "");
	dp->progs[role] = bpf_program__fd(bpf_object__find_program_by_name(o, objects[role].name));
	return 0;
}

/* A pinned map, or the one of the loaded programs, which pin all that they declare. */
static int
find_map(struct glb_datapath *dp, enum dp_map m)
{
	for (unsigned r = 0; r < GLB_N_ROLES; r++)
		if (dp->objects[r]) {
			int fd = bpf_object__find_map_fd_by_name(dp->objects[r], map_names[m]);

			if (fd >= 0)
				return fd;
		}
	return -1;
}

static void *
map_memory(struct glb_datapath *dp, enum dp_map m, size_t size, struct wf_err *err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dp->maps[m], 0);

	if (p != MAP_FAILED)
		return p;
	wf_err(err, -errno, "%s: %s", map_names[m], strerror(errno));
	return NULL;
}

static int
make_pin_folder(struct glb_datapath *dp, const char *pin, struct wf_err *err)
{
	if ((mkdir(pin, 0700) && errno != EEXIST) || (mkdir(dp->pin, 0700) && errno != EEXIST))
		return wf_err(err, -errno, "pin: %s: %s: needs a BPF file system, and root", dp->pin,
			      strerror(errno));
	return 0;
}

struct glb_datapath *
glb_datapath_open(const struct glb_config *c, struct wf_err *err)
{
	struct glb_datapath *dp = wf_xzalloc(sizeof *dp);
	uint32_t size = sizeof(struct bpf_map_info);
	struct bpf_map_info info = { 0 };

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(dp_on_libbpf);
	dp->pin = wf_xasprintf("%s/abi%d", c->pin, GLB_ABI);
	dp->n_cpus = libbpf_num_possible_cpus();
	if (make_pin_folder(dp, c->pin, err))
		goto fail;
	for (unsigned r = 0; r < GLB_N_ROLES; r++) {
		dp->progs[r] = -1;
		if (c->role[r] && load_role(dp, r, c, err))
			goto fail;
	}
	for (unsigned m = 0; m < DP_N_MAPS; m++)
		dp->maps[m] = find_map(dp, m);
	if (dp->maps[DP_CONF] < 0 || dp->maps[DP_CHAIN] < 0) {
		wf_err(err, -EINVAL, "the programs lack their maps");
		goto fail;
	}
	/* Programs have the maps that they use; the others are opened by the next role that needs them. */
	dp->max_nodes = c->max_nodes;
	dp->n_slots = c->max_slots;
	if (dp->maps[DP_SLOTS] >= 0) {
		if (!bpf_obj_get_info_by_fd(dp->maps[DP_SLOTS], &info, &size))
			dp->n_slots = info.max_entries;
		dp->slots = map_memory(dp, DP_SLOTS, dp->n_slots * sizeof *dp->slots, err);
		dp->pool_ids = map_memory(dp, DP_POOL_IDS, GLB_MAX_POOLS * sizeof *dp->pool_ids, err);
		if (!dp->slots || !dp->pool_ids)
			goto fail;
	}
	for (unsigned k = 0; k < 2; k++) {
		if (dp->maps[DP_EDGE_TABLES + k] < 0)
			continue;
		dp->tables[k] = map_memory(dp, DP_EDGE_TABLES + k, GLB_N_TABLES * sizeof(uint64_t), err);
		if (!dp->tables[k])
			goto fail;
	}
	dp->vip_lines = map_memory(dp, DP_VIP_LINES, GLB_VIP_LINES * sizeof *dp->vip_lines, err);
	if (!dp->vip_lines)
		goto fail;
	dp_take_over(dp);
	dp_nodes_read(dp);
	dp->fresh = dp->n_nodes == GLB_FIRST_NODE;
	return dp;
fail:
	glb_datapath_close(dp);
	return NULL;
}

void
glb_datapath_close(struct glb_datapath *dp)
{
	if (!dp)
		return;
	if (dp->slots)
		munmap(dp->slots, dp->n_slots * sizeof *dp->slots);
	if (dp->pool_ids)
		munmap(dp->pool_ids, GLB_MAX_POOLS * sizeof *dp->pool_ids);
	for (unsigned k = 0; k < 2; k++)
		if (dp->tables[k])
			munmap(dp->tables[k], GLB_N_TABLES * sizeof(uint64_t));
	if (dp->vip_lines)
		munmap(dp->vip_lines, GLB_VIP_LINES * sizeof *dp->vip_lines);
	for (unsigned r = 0; r < GLB_N_ROLES; r++)
		bpf_object__close(dp->objects[r]);
	free(dp->nodes);
	free(dp->vips);
	free(dp->list);
	free(dp->pin);
	free(dp);
}

/* --- devices --------------------------------------------------------------------------------- */

static char *
link_path(const char *pin, const char *device)
{
	return wf_xasprintf("%s/link_%s", pin, device);
}

/* Replaces the program of a pinned link at once, no packet sees a gap.  False: the link is of a device that
 * is gone. */
static bool
update_link(const char *path, unsigned ifindex, int prog)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof info;
	int fd = bpf_obj_get(path);
	bool ok = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.xdp.ifindex == ifindex &&
		  !bpf_link_update(fd, prog, NULL);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* bpf_fib_lookup() answers only for packets that come in where the host forwards. */
static void
set_forwarding(const char *family, const char *device)
{
	char *path = wf_xasprintf("/proc/sys/net/%s/conf/%s/forwarding", family, device);
	FILE *f = fopen(path, "r+e");

	if (f && fgetc(f) == '0') {
		rewind(f);
		if (fputs("1", f) >= 0 && !fflush(f))
			wf_info("net.%s.conf.%s.forwarding is set to 1: routes are looked up there",
				family, device);
		else
			wf_warn("net.%s.conf.%s.forwarding is 0 and cannot be set: no route will be found",
				family, device);
	}
	if (f)
		fclose(f);
	free(path);
}

/* A link that a daemon with other maps pinned, beside 'dp->pin': its program is replaced by ours in one step, which
 * finds its maps filled. */
static bool
take_link(struct glb_datapath *dp, const char *path, const char *device, unsigned ifindex, int prog)
{
	char *parent = wf_xasprintf("%.*s", (int)(strrchr(dp->pin, '/') - dp->pin), dp->pin);
	DIR *d = opendir(parent);
	bool taken = false;

	for (struct dirent *e; d && !taken && (e = readdir(d));) {
		char *other;
		int fd;

		if (strncmp(e->d_name, "abi", 3) || !strcmp(e->d_name, strrchr(dp->pin, '/') + 1))
			continue;
		other = wf_xasprintf("%s/%s/link_%s", parent, e->d_name, device);
		if (update_link(other, ifindex, prog) && (fd = bpf_obj_get(other)) >= 0) {
			taken = !bpf_obj_pin(fd, path);
			if (taken) {
				unlink(other);
				wf_info("%s: taken over from a weft-glb with other maps (%s)", device, e->d_name);
			}
			close(fd);
		} else if ((fd = bpf_obj_get(other)) >= 0) {
			/* Older ones loaded their programs with an attach type, and a link keeps to one. */
			if (!bpf_link_detach(fd)) {
				wf_warn("%s: the program of a weft-glb with other maps (%s) goes before ours comes", device, e->d_name);
				unlink(other);
			}
			close(fd);
		}
		free(other);
	}
	if (d)
		closedir(d);
	free(parent);
	return taken;
}

/* Folders of weft-glb with other maps, from which every device was taken. */
static void
remove_old_pins(struct glb_datapath *dp)
{
	char *parent = wf_xasprintf("%.*s", (int)(strrchr(dp->pin, '/') - dp->pin), dp->pin);
	DIR *d = opendir(parent);

	for (struct dirent *e; d && (e = readdir(d));) {
		char *other = wf_xasprintf("%s/%s", parent, e->d_name);
		DIR *in = strncmp(e->d_name, "abi", 3) || !strcmp(other, dp->pin) ? NULL : opendir(other);

		for (struct dirent *m; in && (m = readdir(in));)
			if (!strncmp(m->d_name, "chained_", 8))
				dp_chain_detach(other, m->d_name + 8);
			else if (m->d_name[0] != '.')
				unlinkat(dirfd(in), m->d_name, 0);
		if (in) {
			closedir(in);
			rmdir(other);
		}
		free(other);
	}
	if (d)
		closedir(d);
	free(parent);
}

static int
attach_device(struct glb_datapath *dp, const struct glb_interface *f, int prog, struct wf_err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = f->mode == GLB_XDP_NATIVE ? XDP_FLAGS_DRV_MODE :
			     f->mode == GLB_XDP_GENERIC ? XDP_FLAGS_SKB_MODE : 0);
	char *path = link_path(dp->pin, f->name);
	unsigned ifindex = if_nametoindex(f->name);
	int fd, rc = 0;

	if (!ifindex) {
		rc = wf_err(err, -ENODEV, "interface: %s: there is no such device", f->name);
	} else if (f->chained) {
		/* The device can't have both.  A link that is only let go is gone some time later. */
		fd = bpf_obj_get(path);
		if (fd >= 0) {
			bpf_link_detach(fd);
			close(fd);
		}
		if (!unlink(path))
			wf_warn("%s: the program was attached directly: packets meet none until the dispatcher is there", f->name);
		rc = dp_chain_attach(dp, f, ifindex, err);
	} else if (!update_link(path, ifindex, prog) && !(unlink(path), take_link(dp, path, f->name, ifindex, prog))) {
		dp_chain_detach(dp->pin, f->name);
		fd = bpf_link_create(prog, (int)ifindex, BPF_XDP, &opts);
		if (fd < 0 || bpf_obj_pin(fd, path))
			rc = wf_err(err, -errno, "interface: %s: the program cannot be attached: %s%s", f->name,
				    strerror(errno), errno == EBUSY || errno == EEXIST ?
				    "; another XDP program has the device: \"attach\": \"libxdp\" chains with those that libxdp "
				    "attached" : "");
		if (fd >= 0)
			close(fd);
	}
	if (!rc) {
		set_forwarding("ipv4", f->name);
		set_forwarding("ipv6", f->name);
	}
	free(path);
	return rc;
}

int
glb_datapath_attach(struct glb_datapath *dp, const struct glb_config *c, struct wf_err *err)
{
	uint32_t back = GLB_CHAIN_BACK, entry = GLB_CHAIN_FIRST;
	int first = -1, rc = 0;
	DIR *d;

	for (uint32_t r = 0; r < GLB_N_ROLES; r++) {
		if (dp->progs[r] >= 0) {
			if (first < 0)
				first = dp->progs[r];
			if (bpf_map_update_elem(dp->maps[DP_CHAIN], &r, &dp->progs[r], BPF_ANY))
				return wf_err(err, -errno, "glb_chain: %s", strerror(errno));
		} else {
			bpf_map_delete_elem(dp->maps[DP_CHAIN], &r);
		}
	}
	if (dp->objects[GLB_LOCAL]) {
		int prog = bpf_program__fd(bpf_object__find_program_by_name(dp->objects[GLB_LOCAL], "glb_back"));

		if (bpf_map_update_elem(dp->maps[DP_CHAIN], &back, &prog, BPF_ANY))
			return wf_err(err, -errno, "glb_chain: %s", strerror(errno));
	} else {
		bpf_map_delete_elem(dp->maps[DP_CHAIN], &back);
	}
	if (first >= 0 && bpf_map_update_elem(dp->maps[DP_CHAIN], &entry, &first, BPF_ANY))
		return wf_err(err, -errno, "glb_chain: %s", strerror(errno));
	for (size_t i = 0; i < c->n_interfaces && !rc; i++)
		rc = attach_device(dp, &c->interfaces[i], first, err);
	d = rc ? NULL : opendir(dp->pin);
	for (struct dirent *e; d && (e = readdir(d));) {
		bool wanted = strncmp(e->d_name, "link_", 5) != 0;

		for (size_t i = 0; i < c->n_interfaces; i++)
			wanted |= !strcmp(e->d_name + 5, c->interfaces[i].name);
		if (!wanted)
			unlinkat(dirfd(d), e->d_name, 0);
		if (!strncmp(e->d_name, "chained_", 8)) {
			wanted = false;
			for (size_t i = 0; i < c->n_interfaces; i++)
				wanted |= c->interfaces[i].chained && !strcmp(e->d_name + 8, c->interfaces[i].name);
			if (!wanted)
				dp_chain_detach(dp->pin, e->d_name + 8);
		}
	}
	if (d)
		closedir(d);
	if (!rc) {
		dp_take_flows(dp);
		dp->took = 0;
		remove_old_pins(dp);
	}
	return rc;
}

int
glb_datapath_remove(const char *pin, struct wf_err *err)
{
	char *path = wf_xasprintf("%s/abi%d", pin, GLB_ABI);
	DIR *d = opendir(path);
	int rc = 0;

	if (!d && errno != ENOENT)
		rc = wf_err(err, -errno, "%s: %s", path, strerror(errno));
	/* Links first: no program may run with maps that nobody can reach any more. */
	for (unsigned pass = 0; d && pass < 2; pass++) {
		rewinddir(d);
		for (struct dirent *e; (e = readdir(d));)
			if (!strncmp(e->d_name, "chained_", 8))
				dp_chain_detach(path, e->d_name + 8);
			else if (e->d_name[0] != '.' && (pass || !strncmp(e->d_name, "link_", 5)))
				unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	rmdir(path);
	rmdir(pin);
	free(path);
	return rc;
}

/* --- counters -------------------------------------------------------------------------------- */

static struct glb_count
read_count(struct glb_datapath *dp, int map, uint32_t index)
{
	struct glb_count sum = { 0 }, *cpu = wf_xzalloc((size_t)dp->n_cpus * sizeof *cpu);

	if (map >= 0 && !bpf_map_lookup_elem(map, &index, cpu))
		for (int i = 0; i < dp->n_cpus; i++) {
			sum.packets += cpu[i].packets;
			sum.bytes += cpu[i].bytes;
		}
	free(cpu);
	return sum;
}

struct glb_count
glb_datapath_count(struct glb_datapath *dp, enum glb_counters which, uint32_t index)
{
	static const enum dp_map maps[] = { DP_DROPS, DP_STATS, DP_VIP_STATS };

	return read_count(dp, dp->maps[maps[which]], index);
}

struct glb_count
glb_datapath_node_count(struct glb_datapath *dp, uint32_t node_id)
{
	struct glb_next_hop *cpu = wf_xzalloc((size_t)dp->n_cpus * sizeof *cpu);
	uint32_t index = dp_node_index(dp, node_id);
	struct glb_count sum = { 0 };

	if (index && dp->maps[DP_NEXT_HOPS] >= 0 && !bpf_map_lookup_elem(dp->maps[DP_NEXT_HOPS], &index, cpu))
		for (int i = 0; i < dp->n_cpus; i++) {
			sum.packets += cpu[i].sent.packets;
			sum.bytes += cpu[i].sent.bytes;
		}
	free(cpu);
	return sum;
}

/* --- capture --------------------------------------------------------------------------------- */

int
glb_datapath_capture(struct glb_datapath *dp, const struct glb_capture_want *want)
{
	struct glb_conf c;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(dp->maps[DP_CONF], &zero, &c))
		return -errno;
	c.flags &= ~(uint32_t)GLB_CONF_CAPTURE;
	if (want) {
		c.flags |= GLB_CONF_CAPTURE;
		c.capture = want->one_in;
		c.capture_drop = want->drop;
		memcpy(c.capture_vip, &want->vip, sizeof c.capture_vip);
	}
	return bpf_map_update_elem(dp->maps[DP_CONF], &zero, &c, BPF_ANY) ? -errno : 0;
}

int
glb_datapath_events(const struct glb_datapath *dp)
{
	return dp->maps[DP_EVENTS];
}
