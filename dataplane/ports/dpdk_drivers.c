/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/dpdk_drivers.h"

#include <dirent.h>
#include <dlfcn.h>
#include <rte_build_config.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

WF_LOG_MODULE(dpdk);

/* Without these there are neither packet buffers nor virtual devices. */
static const char *const always[] = { "librte_bus_vdev", "librte_mempool_ring" };

static _Thread_local bool few;
static bool some_missing; /* EAL was started with few */

/* Is 'file' a library of this name, of whatever version? */
static bool
is_library(const char *file, const char *name, size_t len)
{
	return !strncmp(file, name, len) && !strncmp(file + len, ".so", 3);
}

static bool
is_shown(const char *file)
{
	if (strncmp(file, "librte_", 7))
		return true;
	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		if (is_library(file, always[i], strlen(always[i])))
			return true;
	return false;
}

/* In the place of libc's for the whole process, as nanosleep() in dpdk_clock.c. */
struct dirent64 *
readdir64(DIR *dir)
{
	static struct dirent64 *(*_Atomic real)(DIR *);
	struct dirent64 *(*next)(DIR *) = atomic_load_explicit(&real, memory_order_relaxed);
	struct dirent64 *e;

	if (!next) {
		next = (struct dirent64 * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir64");
		atomic_store_explicit(&real, next, memory_order_relaxed);
	}
	do
		e = next(dir);
	while (few && e && !is_shown(e->d_name));
	return e;
}

bool
dpdk_device_is_virtual(const char *devargs)
{
	return !strncmp(devargs, "net_", 4) || !strncmp(devargs, "eth_", 4);
}

void
dpdk_drivers_few(bool on)
{
	few = on;
	some_missing |= on;
}

#ifdef RTE_EAL_PMD_PATH
/* Loads the libraries of this name, or all; returns how many there are. */
static unsigned
load(const char *name)
{
	DIR *dir = opendir(RTE_EAL_PMD_PATH);
	struct dirent64 *e;
	unsigned n = 0;

	while (dir && (e = readdir64(dir))) {
		char path[sizeof RTE_EAL_PMD_PATH + sizeof e->d_name + 1];

		if (name ? !is_library(e->d_name, name, strlen(name))
			 : strncmp(e->d_name, "librte_", 7) || !strstr(e->d_name, ".so"))
			continue;
		snprintf(path, sizeof path, "%s/%s", RTE_EAL_PMD_PATH, e->d_name);
		/* One that cannot be loaded is one that no device gets: that is said then. */
		if (dlopen(path, RTLD_NOW))
			n++;
		else
			wf_dbg("%s", dlerror());
	}
	if (dir)
		closedir(dir);
	return n;
}

void
dpdk_driver_load(const char *devargs)
{
	char name[64];

	if (!some_missing)
		return;
	/* "eth_" is the older spelling of "net_"; the number is the device's. */
	if (dpdk_device_is_virtual(devargs)) {
		snprintf(name, sizeof name, "librte_net_%.*s", (int)strcspn(devargs + 4, "0123456789,"),
			 devargs + 4);
		if (load(name))
			return;
	}
	wf_info("loading all drivers of DPDK for '%s'", devargs);
	load(NULL);
	some_missing = false;
}
#else
/* DPDK was built without a folder of drivers. */
void
dpdk_driver_load(const char *devargs)
{
	(void)devargs;
}
#endif
