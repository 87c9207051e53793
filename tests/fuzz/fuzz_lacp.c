/* SPDX-License-Identifier: Apache-2.0 */
/* What follows EtherType 0x8809, ending at an unmapped page: a member takes it, and what was parsed is
 * the same after it was built and parsed again. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "protocols/lacp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAP_SIZE (64 * 1024)

static void
count(struct lacp_member *m, const uint8_t pdu[LACP_PDU_SIZE], void *n)
{
	struct lacp_pdu p;

	if (lacp_pdu_parse(pdu, LACP_PDU_SIZE, &p) != LACP_PDU_LACP)
		abort();
	++*(int *)n;
}

static void
run_member(const uint8_t *bytes, size_t size)
{
	struct lacp_settings s = { .sys_id = { 2, 0, 0, 0, 0, 1 }, .active = true };
	struct lacp_member_settings ms = { .port_id = 1, .port_priority = 1 };
	struct lacp *l = lacp_new("f");
	struct lacp_member *m = lacp_member_add(l, "m");
	struct wf_str text = WF_STR_INIT;
	int n = 0;

	lacp_configure(l, &s);
	lacp_member_configure(m, &ms, 0);
	lacp_member_carrier_is_up(m);
	lacp_member_receive(m, bytes, size, 0);
	for (int64_t now = 0; now < 400000; now += 20000)
		lacp_run(l, now, count, &n);
	if (!n || n > 42)
		abort();
	lacp_show(l, &text);
	lacp_show_stats(l, &text);
	wf_str_done(&text);
	lacp_free(l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *end;
	uint8_t again[LACP_PDU_SIZE];
	struct lacp_pdu a, b;
	uint8_t *bytes;

	if (!end) {
		uint8_t *map = mmap(NULL, MAP_SIZE + 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED || munmap(map + MAP_SIZE, 4096))
			abort();
		end = map + MAP_SIZE;
		wf_log_set_all(WF_LOG_CONSOLE, WF_EMER);
	}
	if (size > MAP_SIZE)
		return 0;
	bytes = end - size;
	memcpy(bytes, data, size);
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	if (lacp_pdu_parse(bytes, size, &a) == LACP_PDU_LACP) {
		lacp_pdu_build(&a, again);
		if (lacp_pdu_parse(again, sizeof again, &b) != LACP_PDU_LACP ||
		    memcmp(&a, &b, sizeof a))
			abort();
	}
	run_member(bytes, size);
	return 0;
}
