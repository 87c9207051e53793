#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Packets that are wrong in one way each, through the balancer's programs: dropped, and counted under the right name
# (tests/system/glb_bad_input.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
BAD=${WEFT_GLB_BAD_INPUT:-$ROOT/build/tests/unit/glb/glb_bad_input}
mount -t bpf none /sys/fs/bpf
run() { "$BAD" > "$T/out" 2> "$T/err" || { cat "$T/err"; false; }; }
check "the programs are run" run
take_results "$T/out"
finish
