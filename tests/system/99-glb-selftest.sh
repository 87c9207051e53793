#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The balancer tests its programs before any device has them (tests/system/glb_selftest.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
SELFTEST=${WEFT_GLB_SELFTEST:-$ROOT/build/tests/unit/glb/glb_selftest}
mount -t bpf none /sys/fs/bpf
run() { "$SELFTEST" > "$T/out" 2> "$T/err" || { cat "$T/err"; false; }; }
check "the programs are run" run
take_results "$T/out"
finish
