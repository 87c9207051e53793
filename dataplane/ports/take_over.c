/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/take_over.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

WF_LOG_MODULE(take_over);

/* Behind filters that an operator may have put there by hand. */
#define FILTER_PRIORITY 0xc000
#define FILTER_HANDLE 0x77656674 /* "weft" */

struct take_over {
	int ifindex;
};

/* One program for all devices: "return TC_ACT_SHOT". */
static int
drop_program(void)
{
	static int fd = -1;
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	if (fd < 0)
		fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "weft_take_over", "Apache-2.0", insns,
				   sizeof insns / sizeof insns[0], NULL);
	return fd;
}

static int
quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

struct take_over *
take_over_start(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
		    .flags = BPF_TC_F_REPLACE, .prog_fd = drop_program());
	int rc;

	libbpf_set_print(quiet);
	if (opts.prog_fd < 0)
		return NULL;
	rc = bpf_tc_hook_create(&hook);
	if (rc && rc != -EEXIST)
		goto fail;
	rc = bpf_tc_attach(&hook, &opts);
	if (rc)
		goto fail;
	struct take_over *t = wf_xzalloc(sizeof *t);
	t->ifindex = ifindex;
	return t;
fail:
	wf_info("ifindex %d: the host's stack keeps handling received packets too (%s)", ifindex,
		wf_strerror(rc));
	return NULL;
}

void
take_over_end(struct take_over *t)
{
	if (!t)
		return;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = t->ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);

	/* The clsact qdisc stays if it was there before or others use it; an empty one is harmless. */
	bpf_tc_detach(&hook, &opts);
	free(t);
}
