/* SPDX-License-Identifier: Apache-2.0 */
/* Frames through the balancer's programs in the kernel by BPF_PROG_TEST_RUN, for the programs of tests/system.
 * Threads: one. */
#ifndef WEFT_TESTS_GLB_RUN_H
#define WEFT_TESTS_GLB_RUN_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/buf.h"
#include "bpf/glb_abi.h"

#define GLB_RUN_STRING_(x) #x
#define GLB_RUN_STRING(x) GLB_RUN_STRING_(x)
/* A pinned map of the data path under PIN. */
#define GLB_RUN_MAP(PIN, NAME) PIN "/abi" GLB_RUN_STRING(GLB_ABI) "/" NAME

static inline void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* "4500 0028 ...": returns how many bytes. */
static inline size_t
glb_run_bytes(const char *text, uint8_t *bytes, size_t room)
{
	size_t n = 0;
	unsigned byte;
	int used;

	for (; sscanf(text, " %2x%n", &byte, &used) == 1; text += used) {
		if (n == room)
			die("too long");
		bytes[n++] = (uint8_t)byte;
	}
	if (strspn(text, " ") != strlen(text))
		die("not hexadecimal: %s", text);
	return n;
}

/* The program of a role in the chain that was attached last. */
static inline int
glb_run_program(const char *chain_path, uint32_t role)
{
	int chain = bpf_obj_get(chain_path), prog;
	uint32_t id;

	if (chain < 0 || bpf_map_lookup_elem(chain, &role, &id) || (prog = bpf_prog_get_fd_by_id(id)) < 0)
		die("%s: %s", chain_path, strerror(errno));
	return prog;
}

/* Returns the verdict; 'out' has 'out_size' bytes, and then as many as the frame. */
static inline uint32_t
glb_run_frame(int prog, const char *what, const uint8_t *in, size_t size, uint8_t *out, uint32_t *out_size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)size, .data_out = out,
		    .data_size_out = *out_size);

	if (bpf_prog_test_run_opts(prog, &opts))
		die("%s: %s", what, strerror(errno));
	*out_size = opts.data_size_out;
	return opts.retval;
}

/* The way out of all nodes is the device that the frame came from: no route is looked up. */
static inline void
glb_run_next_hops(const char *conf_path, const char *hops_path, uint32_t n_nodes)
{
	int conf = bpf_obj_get(conf_path), hops = bpf_obj_get(hops_path), n = libbpf_num_possible_cpus();
	struct glb_next_hop *h = wf_xzalloc((size_t)n * sizeof *h);
	uint32_t zero = 0;
	struct glb_conf c;

	for (int i = 0; i < n; i++)
		h[i] = (struct glb_next_hop){ .ifindex = 1, .mtu = 9000 };
	for (uint32_t i = GLB_FIRST_NODE; i < GLB_FIRST_NODE + n_nodes; i++)
		if (bpf_map_update_elem(hops, &i, h, BPF_ANY))
			die("%s: %s", hops_path, strerror(errno));
	if (bpf_map_lookup_elem(conf, &zero, &c))
		die("%s: %s", conf_path, strerror(errno));
	c.neighbour_ttl = UINT32_MAX;
	bpf_map_update_elem(conf, &zero, &c, BPF_ANY);
	free(h);
}

#endif
