#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Packets that are wrong in one way each, through the balancer's programs: dropped, and counted under the right name
# (tests/system/glb_bad_input.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
. "$ROOT/tests/lib/glb_net.sh"
programs_are_run "${WEFT_GLB_BAD_INPUT:-$ROOT/build/tests/unit/glb/glb_bad_input}"
finish
