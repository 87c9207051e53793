#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a weft-glb with other maps knew when its data path is taken over (tests/system/glb_takeover.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
TAKEOVER=${WEFT_GLB_TAKEOVER:-$ROOT/build/tests/unit/glb/glb_takeover}
mount -t bpf none /sys/fs/bpf
run() { "$TAKEOVER" > "$T/out" 2> "$T/err" || { cat "$T/err"; false; }; }
check "the programs are run" run
take_results "$T/out"
finish
