// SPDX-License-Identifier: Apache-2.0
/* A data path of a weft-glb with other maps is taken over with what it knew: marks of nodes, sites that were chosen before, keys, UDP
 * flows, also those that came while ours was made ready; one whose layouts are not known is not.  For
 * tests/system/99-glb-takeover.sh.  Prints a line a case, "# end" after the last. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "glb/datapath.h"
#include "tests/system/glb_run.h"

#define PIN "/sys/fs/bpf/takeover"

static const char wanted[] =
	"{\"sites\":{\"own\":\"10.2.0.1\",\"dc1\":\"10.2.0.2\"},\"servers\":{\"s1\":\"10.2.0.5\",\"s2\":\"10.2.0.6\"},"
	"\"pools\":{\"web\":{\"own\":{\"weight\":1,\"servers\":{\"s1\":1,\"s2\":1}},\"dc1\":{\"weight\":1,\"servers\":{}}}}}";
static const char config[] =
	"{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.2.0.1\"],\"interface\":[{\"name\":\"lo\"}],"
	"\"edge\":{},\"local\":{\"site\":\"own\"},\"host\":{\"address\":\"10.2.0.9\"},\"vip\":["
	"{\"address\":\"203.0.113.10\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"web\"}]}}";
enum { DC1 = 2, S1 = 3, S2 = 4 }; /* ids */

static void
says(bool good, const char *what)
{
	printf("%s %s\n", good ? "ok" : "not ok", what);
}

/* What is pinned is that of a weft-glb with this GLB_ABI. */
static void
rename_pins(unsigned abi)
{
	char *to = wf_xasprintf(PIN "/abi%u", abi);
	DIR *d = opendir(PIN "/abi" GLB_RUN_STRING(GLB_ABI));

	if (!d || mkdir(to, 0700))
		die("%s: %s", to, strerror(errno));
	for (struct dirent *e; (e = readdir(d));) {
		char *was = wf_xasprintf(PIN "/abi" GLB_RUN_STRING(GLB_ABI) "/%s", e->d_name);
		char *is = wf_xasprintf("%s/%s", to, e->d_name);

		if (e->d_name[0] != '.' && rename(was, is))
			die("%s: %s", is, strerror(errno));
		free(was);
		free(is);
	}
	closedir(d);
	free(to);
}

/* Puts a flow of the server into the bucket, or looks for it. */
static bool
flow(const char *map, uint32_t bucket, uint64_t entry, bool put)
{
	int fd = bpf_obj_get(map);
	struct glb_udp_bucket b;
	bool found = false;

	if (fd < 0 || bpf_map_lookup_elem(fd, &bucket, &b))
		die("%s: %s", map, strerror(errno));
	for (unsigned i = 0; i < GLB_UDP_ENTRIES; i++)
		found |= b.entry[i] == entry;
	if (put) {
		b.entry[GLB_UDP_ENTRIES - 1] = entry;
		if (bpf_map_update_elem(fd, &bucket, &b, BPF_ANY))
			die("%s: %s", map, strerror(errno));
	}
	close(fd);
	return found;
}

static struct glb_conf
conf_now(void)
{
	int fd = bpf_obj_get(GLB_RUN_MAP(PIN, "glb_conf"));
	struct glb_conf c;
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &c))
		die("glb_conf: %s", strerror(errno));
	close(fd);
	return c;
}

static struct glb_datapath *
open_again(const struct glb_config *c)
{
	struct wf_err err = { "" };
	struct glb_datapath *dp = glb_datapath_open(c, &err);

	if (!dp)
		die("%s", err.text);
	return dp;
}

int
main(int argc, char *argv[])
{
	struct placement *p = plc_new();
	struct wf_str report = WF_STR_INIT;
	struct wf_err err = { "" };
	struct glb_conf before, after;
	struct glb_datapath *dp;
	struct glb_config *c;
	char *old;

	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	if (GLB_ABI_KEPT == GLB_ABI) {
		printf("skipped a data path is taken over with what it knew: no other GLB_ABI has the layouts of this one\n# end\n");
		return 0;
	}
	if (plc_update(p, wanted, strlen(wanted), NULL, 0, 0, false, &report, &err) < 0)
		die("%s", err.text);
	c = glb_config_parse("takeover", config, &err);
	if (!c)
		die("%s", err.text);
	c->n_interfaces = 0;
	dp = open_again(c);
	if (glb_datapath_apply(dp, c, p, NULL, &err) || glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	glb_datapath_mark(dp, S1, GLB_NODE_DEAD, 0);
	glb_datapath_mark(dp, S2, 0, 77);
	glb_datapath_mark(dp, DC1, GLB_NODE_DRAIN, 0);
	flow(GLB_RUN_MAP(PIN, "glb_udp_flows"), 11, 0xabcdef0123450007, true);
	before = conf_now();
	glb_datapath_close(dp);

	rename_pins(GLB_ABI - 1);
	dp = open_again(c);
	says(!glb_datapath_is_fresh(dp), "there was a data path before");
	says(glb_datapath_node_flags(dp, S1) >= 0 && glb_datapath_node_flags(dp, S1) & GLB_NODE_DEAD, "who is dead is known");
	says(glb_datapath_node_flags(dp, S2) >> 16 == 77, "who gives slots away is known");
	says(glb_datapath_node_flags(dp, DC1) & GLB_NODE_DRAIN && glb_datapath_node_flags(dp, DC1) & GLB_NODE_SITE, "who drains is known");
	after = conf_now();
	says(!memcmp(before.own_key, after.own_key, sizeof before.own_key) && !memcmp(before.key, after.key, sizeof before.key) &&
	     before.generation == after.generation, "keys and document are the same");
	says(flow(GLB_RUN_MAP(PIN, "glb_udp_flows"), 11, 0xabcdef0123450007, false), "UDP flows are known");
	/* The other programs go on until they are replaced. */
	old = wf_xasprintf(PIN "/abi%d/glb_udp_flows", GLB_ABI - 1);
	flow(old, 12, 0x1234567890ab0009, true);
	free(old);
	if (glb_datapath_apply(dp, c, p, NULL, &err) || glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	says(flow(GLB_RUN_MAP(PIN, "glb_udp_flows"), 12, 0x1234567890ab0009, false), "so are those that came meanwhile");
	says(glb_datapath_node_flags(dp, S1) & GLB_NODE_DEAD && glb_datapath_node_flags(dp, S2) >> 16 == 77, "the document takes no mark away");
	old = wf_xasprintf(PIN "/abi%d", GLB_ABI - 1);
	says(access(old, F_OK) && errno == ENOENT, "the pins of before are gone");
	free(old);
	glb_datapath_close(dp);

	/* Another layout. */
	rename_pins(GLB_ABI_KEPT - 1);
	dp = open_again(c);
	says(glb_datapath_is_fresh(dp) && !conf_now().generation, "of a layout that is not known nothing is taken");
	if (glb_datapath_apply(dp, c, p, NULL, &err) || glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	glb_datapath_close(dp);

	/* Other sizes: nothing rather than a part. */
	rename_pins(GLB_ABI - 1);
	c->max_nodes *= 2;
	dp = open_again(c);
	says(glb_datapath_is_fresh(dp) && !conf_now().generation, "nor of one with room for others");
	glb_datapath_close(dp);
	printf("# end\n");
	glb_config_free(c);
	plc_free(p);
	wf_str_done(&report);
	return glb_datapath_remove(PIN, &err) ? 1 : 0;
}
