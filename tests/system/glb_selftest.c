// SPDX-License-Identifier: Apache-2.0
/* The balancer's test of its own programs: passed by ours, for VIPs of each kind; failed by programs that pass, drop or send back
 * what they get, or send it to the wrong node.  For tests/system/99-glb-selftest.sh.  Prints a line a case, "# end" after the last. */
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "glb/datapath_internal.h"
#include "glb/selftest.h"
#include "tests/system/glb_run.h"

#define PIN "/sys/fs/bpf/selftest"

static const char wanted[] =
	"{\"sites\":{\"own\":\"10.2.0.1\",\"dc1\":\"10.2.0.2\",\"dc2\":\"2001:db8:2::2\"},"
	"\"servers\":{\"s1\":\"10.2.0.5\",\"s2\":{\"address\":\"10.2.0.6\",\"encapsulation\":\"gue\"},"
	"\"s3\":{\"address\":\"10.2.0.7\",\"encapsulation\":\"vxlan\",\"mac\":\"02:00:00:00:00:07\"},"
	"\"s4\":{\"address\":\"10.2.0.8\",\"encapsulation\":\"ipip\"},\"s5\":{\"address\":\"2001:db8:2::5\"}},"
	"\"pools\":{\"far\":{\"dc1\":{\"weight\":1,\"servers\":{}},\"dc2\":{\"weight\":1,\"servers\":{}}},"
	"\"near\":{\"own\":{\"weight\":1,\"servers\":{\"s1\":1,\"s2\":1,\"s3\":1,\"s4\":1,\"s5\":1}},\"dc1\":{\"weight\":1,\"servers\":{}}}}}";
#define VIP(ADDRESS, PROTOCOL, PORT, MORE)                                                                                     \
	"{\"address\":\"" ADDRESS "\",\"protocol\":\"" PROTOCOL "\",\"port\":" #PORT ",\"pool\":\"near\"" MORE "}"
static const char config[] =
	"{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.2.0.1\"],\"interface\":[{\"name\":\"lo\"}],"
	"\"edge\":{},\"local\":{\"site\":\"own\"},\"host\":{\"address\":\"10.2.0.9\"},\"tunnel-source\":[\"10.9.0.0/24\",\"2001:db8:9::/48\"],"
	"\"location\":{\"prefix\":[{\"prefix\":\"192.0.2.0/25\",\"region\":\"eu\"}],\"default-region\":\"us\"},"
	"\"pool\":[{\"name\":\"dc1\"},{\"name\":\"dc2\"}],\"policy\":[{\"name\":\"any\"}],\"vip\":["
	VIP("203.0.113.10", "tcp", 80, "") "," VIP("203.0.113.10", "udp", 80, "") "," VIP("203.0.113.10", "udp", 443, ",\"quic\":true") ","
	VIP("203.0.113.11", "any", 0, "") "," VIP("203.0.113.128/28", "tcp", 80, "") "," VIP("2001:db8:f::10", "tcp", 80, "") ","
	VIP("2001:db8:f::10", "udp", 80, "") ","
	"{\"address\":\"203.0.113.12\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"far\"},"
	"{\"address\":\"203.0.113.13\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"far\"}]}}";

/* A program whose verdict is always this one. */
static int
always(int verdict)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "always", "GPL", code, 2, NULL);

	if (fd < 0)
		die("a program is refused: %s", strerror(errno));
	return fd;
}

static void
says(bool good, const char *what, const char *who, const char *why)
{
	printf("%s %s: %s%s%s\n", good ? "ok" : "not ok", who, what, good ? "" : ": ", good ? "" : why);
}

int
main(int argc, char *argv[])
{
	static const char *const roles[] = { "edge", "local", "host" };
	static const char *const verdicts[] = { NULL, "drops", "passes", "sends back" };
	struct placement *p = plc_new();
	struct wf_str report = WF_STR_INIT;
	struct wf_err err = { "" };
	struct glb_datapath *dp;
	struct glb_config *c;
	uint64_t sent, delivered;

	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	if (plc_update(p, wanted, strlen(wanted), NULL, 0, 0, false, &report, &err) < 0)
		die("%s", err.text);
	c = glb_config_parse("selftest", config, &err);
	dp = c ? glb_datapath_open(c, &err) : NULL;
	if (!dp || glb_datapath_apply(dp, c, p, NULL, &err))
		die("%s", err.text);
	glb_run_next_hops(GLB_RUN_MAP(PIN, "glb_conf"), GLB_RUN_MAP(PIN, "glb_next_hops"), 16);
	says(!glb_selftest(dp, c, p, NULL, &err), "ours pass", "all roles", err.text);
	sent = glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_SENT_PLAIN).packets +
	       glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_SENT_SHIM).packets;
	delivered = glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_DELIVERED).packets;
	/* Seven kinds; an edge and a balancer send, a host delivers. */
	says(sent == 14 && delivered == 7, "packets of all kinds went through them", "all roles", "counted otherwise");
	for (unsigned r = 0; r < GLB_N_ROLES; r++) {
		int ours = dp->progs[r];

		for (int verdict = 1; verdict < 4; verdict++) {
			char *want = wf_xasprintf("program of role %s", roles[r]);
			struct wf_err why = { "" };
			int rc;

			dp->progs[r] = always(verdict);
			rc = glb_selftest(dp, c, p, NULL, &why);
			says(rc == -EIO && strstr(why.text, want), verdicts[verdict], roles[r], why.text);
			close(dp->progs[r]);
			free(want);
		}
		dp->progs[r] = ours;
	}
	/* Another key than the document's: nearly all slots are others, some with the same owner. */
	p->hash_key[3] ^= 1;
	says(glb_selftest(dp, c, p, NULL, &err) == -EIO, "places by another key", "edge or local", "not noticed");
	p->hash_key[3] ^= 1;
	says(!glb_selftest(dp, c, p, NULL, &err), "ours pass again", "all roles", err.text);
	/* Who is not reached yet is no fault of the program. */
	dp->nodes[dp_node_index(dp, plc_node_by_name(p, PLC_SITE, "dc1")->id)].flags |= GLB_NODE_DRAIN;
	says(!glb_selftest(dp, c, p, NULL, &err), "a site that drains is not taken for a fault", "edge", err.text);
	printf("# end\n");
	glb_datapath_close(dp);
	glb_config_free(c);
	plc_free(p);
	wf_str_done(&report);
	return glb_datapath_remove(PIN, &err) ? 1 : 0;
}
