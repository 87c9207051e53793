// SPDX-License-Identifier: Apache-2.0
/* Configurations of gdnsd and Knot, with a zone file and a map: no crash, and what is taken over refers to what is
 * there.  Input: configuration, zone, map, each ended by a line "%%". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/import/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void
leave(void)
{
	static const char *const files[] = { "config", "zones/example.com", "geoip/map", "knot.conf", "example.com.zone", "map" };

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		unlink(files[i]);
	rmdir("zones");
	rmdir("geoip");
	rmdir(folder);
}

static void
put(const char *file, const uint8_t *data, size_t size)
{
	FILE *f = fopen(file, "w");

	if (!f)
		abort();
	fwrite(data, 1, size, f);
	fclose(f);
}

static const uint8_t *
part(const uint8_t *at, const uint8_t *end, size_t *size)
{
	const uint8_t *mark = at < end ? memmem(at, end - at, "\n%%\n", 4) : NULL;

	*size = (mark ? mark + 1 : end) - at;
	return mark ? mark + 4 : end;
}

/* Each pool and policy that is named exists. */
static void
check(const json_t *dns)
{
	json_t *pools = json_object_get(dns, "pool"), *policies = json_object_get(dns, "policy"), *p, *o, *v;
	size_t i, k, j;

	json_array_foreach(policies, i, p)
	{
		json_array_foreach(json_object_get(p, "candidate"), k, o)
			if (!imp_find(pools, json_string_value(json_object_get(o, "pool"))))
				abort();
		json_array_foreach(json_object_get(p, "match"), k, o)
			json_array_foreach(json_object_get(o, "pool"), j, v)
				if (!imp_find(pools, json_string_value(v)))
					abort();
	}
	json_array_foreach(json_object_get(dns, "zone"), i, p)
		json_array_foreach(json_object_get(p, "chosen"), k, o)
			if (!imp_find(policies, json_string_value(json_object_get(o, "policy"))))
				abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_there;
	const uint8_t *end = data + size, *zone, *map;
	size_t n_conf, n_zone, n_map;

	if (!is_there) {
		/* In memory, if there is such a place: there are thousands of inputs. */
		snprintf(folder, sizeof folder, "%s/weft-fuzz-import.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		if (!mkdtemp(folder) || chdir(folder) || mkdir("zones", 0700) || mkdir("geoip", 0700))
			abort();
		atexit(leave);
		is_there = true;
	}
	zone = part(data, end, &n_conf);
	map = part(zone, end, &n_zone);
	part(map, end, &n_map);
	bool knot = !memmem(data, n_conf, "=>", 2);
	struct dns_import in = { .dns = NULL };
	struct wf_err err = { "" };

	put(knot ? "knot.conf" : "config", data, n_conf);
	put(knot ? "example.com.zone" : "zones/example.com", zone, n_zone);
	put(knot ? "map" : "geoip/map", map, n_map);
	if (!(knot ? dns_import_knot : dns_import_gdnsd)(&in, knot ? "knot.conf" : "config", &err))
		check(in.dns);
	else if (!err.text[0])
		abort();
	dns_import_done(&in);
	return 0;
}
