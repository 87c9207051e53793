// SPDX-License-Identifier: Apache-2.0
/* Who is asked for sessions of UDP while the hash key changes, by the programs in the kernel (BPF_PROG_TEST_RUN), for sites
 * (role edge) and for servers (role local); for tests/system/99-glb-key-change.sh.  The last of a list takes what nobody
 * knows, so it has to be whom everybody asks afterwards.  Prints a line a rule, "# end" after the last. */
#include <arpa/inet.h>

#include "base/daemon.h"
#include "base/log.h"
#include "glb/datapath.h"
#include "tests/system/glb_run.h"

#define PIN	"/sys/fs/bpf/key-change"
#define N_FLOWS 400
#define N_NODES 7 /* dc1 to dc3, own, s1 to s3: ids in this order, addresses 10.2.0.ID */

static const char config[] =
	"{\"weft-glb:glb\":{\"placement\":\"/none\",\"pin\":\"" PIN "\",\"address\":[\"10.2.0.4\"],\"interface\":[{\"name\":\"lo\"}],"
	"\"edge\":{},\"local\":{\"site\":\"own\"},\"vip\":["
	"{\"address\":\"203.0.113.10\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"far\"},"
	"{\"address\":\"203.0.113.11\",\"protocol\":\"udp\",\"port\":80,\"pool\":\"near\"}]}}";

/* Whom a packet of each flow is sent to, in the order in which they are asked. */
struct asked {
	unsigned n;
	uint32_t id[GLB_HOPS + 1];
};

enum when { BEFORE, PREPARED, SWITCHED, ENDED, N_WHEN };
static struct asked asked[2][N_WHEN][N_FLOWS]; /* of role edge, of role local */

/* Weights of dc1 to dc3, and of s1 to s3. */
static void
place(struct placement *p, const unsigned w[3])
{
	struct wf_str wanted = WF_STR_INIT, report = WF_STR_INIT;
	struct wf_err err = { "" };

	wf_str_fmt(&wanted,
		   "{\"sites\":{\"dc1\":\"10.2.0.1\",\"dc2\":\"10.2.0.2\",\"dc3\":\"10.2.0.3\",\"own\":\"10.2.0.4\"},"
		   "\"servers\":{\"s1\":\"10.2.0.5\",\"s2\":\"10.2.0.6\",\"s3\":\"10.2.0.7\"},\"pools\":{"
		   "\"far\":{\"dc1\":{\"weight\":%u,\"servers\":{}},\"dc2\":{\"weight\":%u,\"servers\":{}},\"dc3\":{\"weight\":%u,\"servers\":{}}},"
		   "\"near\":{\"own\":{\"weight\":1,\"servers\":{\"s1\":%u,\"s2\":%u,\"s3\":%u}}}}}",
		   w[0], w[1], w[2], w[0], w[1], w[2]);
	if (plc_update(p, wanted.s, wanted.len, NULL, 0, 0, false, &report, &err) < 0)
		die("%s", err.text);
	wf_str_done(&wanted);
	wf_str_done(&report);
}

/* UDP from a client of the flow's own to 203.0.113.'vip', in the pool's tunnel if it has one. */
static size_t
make_frame(uint8_t *frame, unsigned flow, uint8_t vip, uint32_t pool)
{
	static const char eth[] = "020202020202 020202020203 0800 ", udp[] = "4500 001c 1234 0000 4011 0000 c6330000 cb007100 0000 0050 0008 0000";
	size_t n = glb_run_bytes(eth, frame, 64), inner;

	if (pool) {
		n += glb_run_bytes("4500 0038 0000 4000 402f 0000 0a090009 0a020004 2000 0800 00000000", frame + n, 64);
		frame[n - 1] = (uint8_t)pool;
	}
	inner = n;
	n += glb_run_bytes(udp, frame + n, 64);
	frame[inner + 14] = (uint8_t)(flow >> 8);
	frame[inner + 15] = (uint8_t)flow;
	frame[inner + 19] = vip;
	frame[inner + 20] = 0x40;
	frame[inner + 21] = (uint8_t)flow;
	return n;
}

static void
ask(int prog, const uint8_t *frame, size_t size, struct asked *ret)
{
	uint8_t out[256];
	uint32_t out_size = sizeof out, verdict = glb_run_frame(prog, "a flow", frame, size, out, &out_size);
	unsigned n;

	if (verdict != 3) /* XDP_TX */
		die("a packet is not sent: verdict %u", verdict);
	*ret = (struct asked){ 1, { out[33] } };
	if (out[36] != 0x88 || out[37] != 0xb5)
		return;
	n = (unsigned)(out[43] >> 4) + (out[43] & 15);
	for (unsigned i = 0; i < n && ret->n <= GLB_HOPS; i++)
		ret->id[ret->n++] = out[50 + 4 * i + 3];
}

static void
ask_all(struct glb_datapath *dp, const struct glb_config *c, const struct placement *p, enum when when)
{
	struct wf_err err = { "" };

	if (glb_datapath_apply(dp, c, p, NULL, &err) || glb_datapath_attach(dp, c, &err))
		die("%s", err.text);
	glb_run_next_hops(GLB_RUN_MAP(PIN, "glb_conf"), GLB_RUN_MAP(PIN, "glb_next_hops"), N_NODES);
	for (unsigned k = 0; k < 2; k++) {
		int prog = glb_run_program(GLB_RUN_MAP(PIN, "glb_chain"), k ? GLB_LOCAL : GLB_EDGE);

		for (unsigned i = 0; i < N_FLOWS; i++) {
			uint8_t frame[128];
			size_t size = make_frame(frame, i, k ? 11 : 10, k ? plc_pool_by_name(p, "near")->id : 0);

			ask(prog, frame, size, &asked[k][when][i]);
		}
	}
}

static uint32_t
last_of(const struct asked *a)
{
	return a->id[a->n - 1];
}

static bool
is_asked(const struct asked *a, uint32_t id)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->id[i] == id)
			return true;
	return false;
}

static void
says(const char *who, const char *what, unsigned wrong)
{
	if (wrong)
		printf("not ok %s: %s: not so for %u of %u flows\n", who, what, wrong, N_FLOWS);
	else
		printf("ok %s: %s\n", who, what);
}

int
main(int argc, char *argv[])
{
	/* Each slot has had others: two drained and came back, one drains. */
	static const unsigned weights[][3] = { { 1, 1, 1 }, { 0, 1, 1 }, { 1, 1, 1 }, { 1, 0, 1 } };
	struct placement *p = plc_new();
	struct wf_err err = { "" };
	struct glb_datapath *dp;
	struct glb_config *c;

	wf_daemon_init(argc, argv);
	wf_log_set_all(WF_LOG_CONSOLE, WF_ERR);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	/* The same slots at each run. */
	memcpy(p->hash_key, "0123456789abcdef", sizeof p->hash_key);
	for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
		place(p, weights[i]);
	c = glb_config_parse("key-change", config, &err);
	dp = c ? glb_datapath_open(c, &err) : NULL;
	if (!dp)
		die("%s", err.text);
	c->n_interfaces = 0;
	for (enum when when = BEFORE; when < N_WHEN; when++) {
		if (when && plc_key_next(p, 1, true, &err))
			die("%s", err.text);
		ask_all(dp, c, p, when);
	}
	for (unsigned k = 0; k < 2; k++) {
		const char *who = k ? "servers" : "sites";
		unsigned wrong[6] = { 0 }, n_lists = 0;

		for (unsigned i = 0; i < N_FLOWS; i++) {
			const struct asked *before = &asked[k][BEFORE][i], *prepared = &asked[k][PREPARED][i];
			const struct asked *switched = &asked[k][SWITCHED][i], *ended = &asked[k][ENDED][i];

			n_lists += switched->n > 2;
			wrong[0] += last_of(prepared) != last_of(before);
			wrong[1] += last_of(switched) != last_of(ended);
			wrong[2] += ended->n != 1;
			for (unsigned n = 0; n < before->n; n++) {
				wrong[3] += !is_asked(prepared, before->id[n]);
				wrong[4] += !is_asked(switched, before->id[n]);
			}
			wrong[5] += !is_asked(prepared, last_of(switched));
		}
		says(who, "flows have lists to be asked", n_lists < N_FLOWS / 8);
		says(who, "while the next key is prepared who had new flows has them", wrong[0]);
		says(who, "once it is in use who has new flows is who has them when the change is over", wrong[1]);
		says(who, "nobody else is asked then", wrong[2]);
		says(who, "who had flows before is asked while it is prepared", wrong[3]);
		says(who, "and once it is in use", wrong[4]);
		says(who, "whom others send new flows to already is asked", wrong[5]);
	}
	printf("# end\n");
	glb_datapath_close(dp);
	glb_config_free(c);
	plc_free(p);
	return glb_datapath_remove(PIN, &err) ? 1 : 0;
}
