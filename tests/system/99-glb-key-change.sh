#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Who is asked for sessions of UDP, step by step, while the balancer's hash key changes (tests/system/glb_key_change.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
CHANGE=${WEFT_GLB_KEY_CHANGE:-$ROOT/build/tests/unit/glb/glb_key_change}
mount -t bpf none /sys/fs/bpf
run() { "$CHANGE" > "$T/out" 2> "$T/err" || { cat "$T/err"; false; }; }
check "the programs are run" run
take_results "$T/out"
finish
