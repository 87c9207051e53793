// SPDX-License-Identifier: Apache-2.0
/* Bad packets through the balancer's programs in the kernel (BPF_PROG_TEST_RUN), each of which has its named counter; for
 * tests/system/99-glb-bad-input.sh.  One host has all three roles, so a frame takes the way that it would take
 * there.  Prints a line a row, "# end" after the last. */
#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "bpf/glb_parse.h"
#include "glb/datapath.h"
#include "tests/system/glb_run.h"

#define PIN "/sys/fs/bpf/glb-bad"

/* The document's ids, in the order of 'wanted': dc1 1, dc2 2, dc3 3, s1 4, s2 5, web 6, empty 7, dead 8, far 9. */
#define WANTED(S1, S2)                                                                                                            \
	"{\"sites\":{\"dc1\":\"10.1.0.1\",\"dc2\":\"10.2.0.1\",\"dc3\":\"10.3.0.1\"},\"servers\":{\"s1\":\"10.1.0.11\",\"s2\":\"10.1.0.12\"}," \
	"\"pools\":{\"web\":{\"dc1\":{\"weight\":1,\"servers\":{\"s1\":" #S1 ",\"s2\":" #S2 "}}},\"empty\":{},"                     \
	"\"dead\":{\"dc2\":{\"weight\":1,\"servers\":{}}},\"far\":{\"dc3\":{\"weight\":1,\"servers\":{}}}}}"
static const char wanted[] = WANTED(1, 0), drained[] = WANTED(0, 1);
static const char config[] =
	"{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.1.0.1\"],\"interface\":[{\"name\":\"lo\"}],"
	"\"edge\":{},\"local\":{\"site\":\"dc1\"},\"host\":{\"address\":\"10.1.0.11\"},\"tunnel-source\":[\"10.9.0.0/24\"],\"vip\":["
	"{\"address\":\"203.0.113.10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"},"
	"{\"address\":\"203.0.113.10\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"web\"},"
	"{\"address\":\"203.0.113.11\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"empty\"},"
	"{\"address\":\"203.0.113.12\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"dead\"},"
	"{\"address\":\"203.0.113.13\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"far\"},"
	"{\"address\":\"2001:db8:f::10\",\"protocol\":\"tcp\",\"port\":80,\"pool\":\"web\"}]}}";

#define ETH4	     "020202020202 020202020203 0800 "
#define ETH6	     "020202020202 020202020203 86dd "
#define OUTER(PROTO) ETH4 "4500 0100 0000 4000 40" PROTO "0000 0a090009 0a010001 " /* from a balancer to role local */
#define TO_HOST(PROTO) ETH4 "4500 0100 0000 4000 40" PROTO "0000 0a090009 0a01000b "
#define FROM(SRC)    ETH4 "4500 0100 0000 4000 402f 0000" SRC "0a010001 "
#define IP4(LEN, FRAG, PROTO, DST) "4500" LEN "1234" FRAG "40" PROTO "0000 c6336407" DST
#define VIP	     "cb00710a "
#define TCP_ACK	     "1267 0050 00000001 00000002 5010 2000 0000 0000 "
#define INNER	     IP4("0028", "0000", "06", VIP) TCP_ACK
#define GRE(PROTO)   "2000" PROTO "00000006 "
#define UDP(PORT)    "d431" PORT "0100 0000 "
/* ICMP unreachable to a VIP that quotes from 'SRC' and has FRAG and PROTO. */
#define ERROR(SRC, FRAG, PROTO)                                                                  \
	ETH4 IP4("0038", "0000", "01", VIP) "0303 0000 0000 0000 "                               \
	"4500 0100 0001" FRAG "40" PROTO "0000" SRC "c6336407 0050 1267 0000 0000 "

static const struct row {
	const char *what, *reason, *bytes; /* hexadecimal */
} rows[] = {
	{ "TCP to a VIP that ends in its header", "short", ETH4 IP4("0028", "0000", "06", VIP) "1267 0050 00000001 00000002 50" },
	{ "an IPv6 packet with nine extension headers", "ext_headers",
	  ETH6 "6000 0000 005c 3c40 20010db8000000000000000000000001 20010db8000f00000000000000000010 "
	  "3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 "
	  "3c00000000000000 3c00000000000000 0600000000000000" TCP_ACK },
	{ "an ICMP error about a packet of somebody else's", "icmp_quote", ERROR("cb0071ff", "0000", "06") },
	{ "an ICMP error that quotes a later fragment", "icmp_quote", ERROR("cb00710a", "0007", "06") },
	{ "an ICMP error that quotes an ICMP packet", "icmp_quote", ERROR("cb00710a", "0000", "01") },
	{ "an ICMP error that quotes another IP version", "icmp_quote",
	  ETH4 IP4("0038", "0000", "01", VIP) "0303 0000 0000 0000 6500 0100 0001 0000 4006 0000 cb00710a c6336407 0050 1267 0000 0000 " },
	{ "a VIP whose pool nobody serves", "no_pool", ETH4 IP4("0028", "0000", "06", "cb00710b") TCP_ACK },
	{ "a VIP all of whose sites are dead", "no_owner", ETH4 IP4("0028", "0000", "06", "cb00710c") TCP_ACK },
	{ "GRE of version 1", "gre_version", OUTER("2f") "2001 880b 00000006 " INNER },
	{ "GRE without a key", "gre_no_key", OUTER("2f") "0000 0800 " INNER },
	{ "Ethernet inside GRE", "gre_protocol", OUTER("2f") GRE("6558") INNER },
	{ "GUE of version 3", "gue_version", OUTER("11") UDP("17c0") "c004 0000 " INNER },
	{ "ICMP inside GUE", "gue_protocol", OUTER("11") UDP("17c0") "0001 0000 " INNER },
	{ "VXLAN without an identifier", "vxlan_vni", OUTER("11") UDP("12b5") "0000 0000 0000 0600 " ETH4 INNER },
	{ "a hop list of version 2", "shim_version", OUTER("2f") GRE("88b5") "2010 0004 00000001 00000003 " INNER },
	{ "a hop list of no entries", "shim_length", OUTER("2f") GRE("88b5") "1000 0004 00000001 " INNER },
	{ "a hop list of eight entries", "shim_length",
	  OUTER("2f") GRE("88b5") "1080 0004 00000001 00000003 00000003 00000003 00000003 00000003 00000003 00000003 00000003 " INNER },
	{ "a hop list whose next entry lies beyond it", "shim_length", OUTER("2f") GRE("88b5") "1010 0204 00000001 00000003 " INNER },
	{ "a tunnel from an end that is not configured", "tunnel_source", FROM("c6336409") GRE("0800") INNER },
	{ "GUE from an end that is not configured", "tunnel_source",
	  ETH4 "4500 0100 0000 4000 4011 0000 c6336409 0a010001 " UDP("17c0") "0004 0000 " INNER },
	{ "a tunnel with a packet for no VIP of ours", "not_vip", OUTER("2f") GRE("0800") IP4("0028", "0000", "06", "c6336463") TCP_ACK },
	{ "a tunnel with a VIP's packet under another pool's key", "not_vip", OUTER("2f") "2000 0800 00000008 " INNER },
	{ "a tunnel to a server with a packet for no VIP", "not_vip",
	  TO_HOST("2f") GRE("0800") IP4("0028", "0000", "06", "c6336463") TCP_ACK },
	{ "our own outer address inside a tunnel", "loop",
	  OUTER("2f") GRE("0800") "4500 0048 0000 4000 402f 0000 0a090009 0a010001 " GRE("0800") INNER },
	{ "a tunnel inside a tunnel to a server", "loop",
	  TO_HOST("2f") GRE("0800") "4500 0048 0000 4000 402f 0000 0a090009 0a01000b " GRE("0800") INNER },
	{ "a tunnel's packet of another version than its type", "ip_version", OUTER("2f") GRE("86dd") INNER
	  "00000000 00000000 00000000 00000000 00000000 00000000" },
	{ "a tunnel's packet with a header of 16 bytes", "ip_header",
	  OUTER("2f") GRE("0800") "4400 0028 1234 0000 4006 0000 c6336407" VIP TCP_ACK },
	{ "a tunnel's packet that is cut", "short", OUTER("2f") GRE("0800") "4500 0028 1234 0000 4006 0000 c6336407" },
	{ "a lie of an ICMP error inside a tunnel", "icmp_quote",
	  OUTER("2f") GRE("0800") IP4("0038", "0000", "01", VIP)
	  "0303 0000 0000 0000 4500 0100 0001 0000 4006 0000 cb0071ff c6336407 0050 1267 0000 0000 " },
	{ "a packet to a site that no route leads to", "no_route", ETH4 IP4("0028", "0000", "06", "cb00710d") TCP_ACK },
	/* Behind the slot's two owners there is room for five. */
	{ "six sites behind two servers", "no_route +hop_list_cut",
	  OUTER("2f") GRE("88b5") "1006 0004 00000001 00000002 00000003 00000002 00000003 00000002 00000003 " INNER },
	/* Not dropped: who is no stranger is asked, and here nobody else is. */
	{ "a hop list of strangers only", "+unknown_hop",
	  TO_HOST("2f") GRE("88b5") "1030 0004 00000001 00000063 000000ff fffffffe " IP4("001c", "0000", "11", VIP) "1267 0050 0008 0000 " },
};

static const char *const drops[] = {
#define GLB_DROP(NAME, TEXT) #NAME,
#include "bpf/glb_drop.def"
#undef GLB_DROP
};

static void
try(struct glb_datapath *dp, int prog, const struct row *r)
{
	uint64_t before[GLB_N_DROPS], strangers = glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_UNKNOWN_HOP).packets;
	uint64_t cut = glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_CUT).packets;
	uint8_t in[512], out[1024];
	uint32_t verdict, out_size = sizeof out;
	struct wf_str got = WF_STR_INIT;
	bool drops_it = *r->reason != '+';

	for (uint32_t i = 0; i < GLB_N_DROPS; i++)
		before[i] = glb_datapath_count(dp, GLB_COUNT_DROPS, i).packets;
	verdict = glb_run_frame(prog, r->what, in, glb_run_bytes(r->bytes, in, sizeof in), out, &out_size);
	for (uint32_t i = 0; i < GLB_N_DROPS; i++)
		for (uint64_t n = glb_datapath_count(dp, GLB_COUNT_DROPS, i).packets; n > before[i]; n--)
			wf_str_fmt(&got, "%s%s", got.len ? " " : "", drops[i]);
	if (glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_UNKNOWN_HOP).packets == strangers + 3)
		wf_str_put(&got, "+unknown_hop");
	if (glb_datapath_count(dp, GLB_COUNT_STATS, GLB_STAT_CUT).packets == cut + 1)
		wf_str_put(&got, " +hop_list_cut");
	if (!strcmp(wf_str_cstr(&got), r->reason) && verdict == (drops_it ? 1u : 2u)) /* XDP_DROP, XDP_PASS */
		printf("ok %s: %s\n", r->what, drops_it ? r->reason : r->reason + 1);
	else
		printf("not ok %s: counted as '%s', not as '%s'; verdict %u\n", r->what, wf_str_cstr(&got), r->reason,
		       verdict);
	wf_str_done(&got);
}

int
main(int argc, char *argv[])
{
	struct wf_str report = WF_STR_INIT;
	struct placement *p = plc_new();
	struct wf_err err = { "" };
	struct glb_datapath *dp;
	struct glb_config *c;
	int prog;

	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	/* All slots have two owners: s2, and s1, which had them before. */
	for (unsigned k = 0; k < 2; k++)
		if (plc_update(p, k ? drained : wanted, strlen(k ? drained : wanted), NULL, 0, 0, false, &report, &err) < 0)
			die("%s", err.text);
	c = glb_config_parse("bad-input", config, &err);
	dp = c ? glb_datapath_open(c, &err) : NULL;
	if (!dp || glb_datapath_apply(dp, c, p, NULL, &err))
		die("%s", err.text);
	glb_datapath_mark(dp, 2, GLB_NODE_DEAD, 0);
	/* Site dc1 is this host, so what the edge sends it goes on to the local balancer here. */
	c->n_interfaces = 0;
	if (glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	prog = glb_run_program(GLB_RUN_MAP(PIN, "glb_chain"), GLB_EDGE);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		try(dp, prog, &rows[i]);
	printf("# end\n");
	glb_datapath_close(dp);
	glb_config_free(c);
	plc_free(p);
	wf_str_done(&report);
	return glb_datapath_remove(PIN, &err) ? 1 : 0;
}
