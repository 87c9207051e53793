// SPDX-License-Identifier: Apache-2.0
/* On a device with other XDP programs: libxdp makes a dispatcher that calls all of them in the order of their priorities, and exchanges the
 * whole dispatcher in one step when one comes or goes.  What it calls of ours only goes on with the chain, so it stays while our
 * programs are replaced; one with another chain (another GLB_ABI) comes before the old one goes. */
#include "glb/datapath_internal.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "base/log.h"
#include "bpf/glb_entry_bpf.h"

WF_LOG_MODULE(glb_chain);

static int
on_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	return dp_on_libbpf((enum libbpf_print_level)level, format, args);
}

static char *
chain_path(const char *pin, const char *device)
{
	return wf_xasprintf("%s/chained_%s", pin, device);
}

/* Is the program with that id called by the dispatcher of the device?  'ret_mode' is how it is attached. */
static bool
is_called(unsigned ifindex, uint32_t id, enum xdp_attach_mode *ret_mode)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *p = NULL;
	bool found = false;

	if (libxdp_get_error(mp))
		return false;
	*ret_mode = xdp_multiprog__attach_mode(mp);
	if (xdp_multiprog__is_legacy(mp)) {
		p = xdp_multiprog__main_prog(mp);
		found = p && xdp_program__id(p) == id;
	} else {
		while (!found && (p = xdp_multiprog__next_prog(p, mp)))
			found = xdp_program__id(p) == id;
	}
	xdp_multiprog__close(mp);
	return found;
}

static uint32_t
id_of(int fd)
{
	uint32_t size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { 0 };

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) ? info.id : 0;
}

static const char *
what_to_do(int rc)
{
	switch (-rc) {
	case ENOENT:
		return ": libxdp's dispatcher, xdp-dispatcher.o, is not there (package libxdp1; LIBXDP_OBJECT_PATH names its folder)";
	case EBUSY:
	case EEXIST:
		return ": a program has the device that libxdp did not attach: attach it by libxdp, too, or take it away";
	case EOPNOTSUPP:
		return ": the kernel can't chain (freplace needs BTF and a JIT)";
	default:
		return "";
	}
}

/* Those of weft-glb with other maps, beside 'dp->pin'.  False: there are none. */
static bool
detach_others(struct glb_datapath *dp, const char *device)
{
	char *parent = wf_xasprintf("%.*s", (int)(strrchr(dp->pin, '/') - dp->pin), dp->pin);
	DIR *d = opendir(parent);
	bool any = false;

	for (struct dirent *e; d && (e = readdir(d));) {
		char *other = wf_xasprintf("%s/%s", parent, e->d_name), *path = chain_path(other, device);

		if (!strncmp(e->d_name, "abi", 3) && strcmp(other, dp->pin) && !access(path, F_OK)) {
			wf_warn("%s: libxdp has no dispatcher here: packets meet no program while ours is replaced", device);
			dp_chain_detach(other, device);
			any = true;
		}
		free(path);
		free(other);
	}
	if (d)
		closedir(d);
	free(parent);
	return any;
}

int
dp_chain_attach(struct glb_datapath *dp, const struct glb_interface *f, unsigned ifindex, struct wf_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "glb_entry", .pin_root_path = dp->pin);
	char *path = chain_path(dp->pin, f->name), why[128] = "";
	enum xdp_attach_mode mode = f->mode == GLB_XDP_NATIVE ? XDP_MODE_NATIVE :
				    f->mode == GLB_XDP_GENERIC ? XDP_MODE_SKB : XDP_MODE_UNSPEC, now;
	int fd = bpf_obj_get(path), rc = 0;
	struct xdp_program *p = NULL;
	struct bpf_object *o = NULL;

	libxdp_set_print(on_libxdp);
	if (fd >= 0 && is_called(ifindex, id_of(fd), &now))
		goto out;
	unlink(path);
	o = bpf_object__open_mem(glb_entry_bpf, sizeof glb_entry_bpf, &opts);
	if (!o) {
		rc = -errno;
		goto out;
	}
	/* As those of the chain (datapath.c). */
	bpf_program__set_expected_attach_type(bpf_object__next_program(o, NULL), 0);
	p = xdp_program__from_bpf_obj(o, "xdp");
	rc = (int)libxdp_get_error(p);
	if (rc) {
		p = NULL;
		goto out;
	}
	xdp_program__set_run_prio(p, f->priority);
	xdp_program__set_chain_call_enabled(p, XDP_PASS, true);
	rc = xdp_program__attach(p, (int)ifindex, mode, 0);
	/* Without a dispatcher, which not every kernel can have, there is room for one. */
	if (rc == -EBUSY && detach_others(dp, f->name))
		rc = xdp_program__attach(p, (int)ifindex, mode, 0);
	if (!rc && bpf_obj_pin(xdp_program__fd(p), path))
		rc = -errno;
out:
	if (rc) {
		libxdp_strerror(rc, why, sizeof why);
		wf_err(err, rc, "interface: %s: libxdp: the program cannot be attached: %s%s", f->name, why, what_to_do(rc));
	}
	if (p)
		xdp_program__close(p);
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

void
dp_chain_detach(const char *pin, const char *device)
{
	char *path = chain_path(pin, device);
	unsigned ifindex = if_nametoindex(device);
	int fd = bpf_obj_get(path);
	enum xdp_attach_mode mode = XDP_MODE_UNSPEC;
	struct xdp_program *p;
	int rc = 0;

	libxdp_set_print(on_libxdp);
	if (fd >= 0 && ifindex && is_called(ifindex, id_of(fd), &mode)) {
		p = xdp_program__from_fd(fd);
		rc = (int)libxdp_get_error(p);
		if (!rc) {
			fd = -1; /* it is the program's now */
			rc = xdp_program__detach(p, (int)ifindex, mode, 0);
			xdp_program__close(p);
		}
	}
	if (rc)
		wf_warn("%s: libxdp: the program cannot be detached: %s", device, strerror(-rc));
	if (fd >= 0)
		close(fd);
	unlink(path);
	free(path);
}
