#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Who is asked for sessions of UDP, step by step, while the balancer's hash key changes (tests/system/glb_key_change.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
. "$ROOT/tests/lib/glb_net.sh"
programs_are_run "${WEFT_GLB_KEY_CHANGE:-$ROOT/build/tests/unit/glb/glb_key_change}"
finish
