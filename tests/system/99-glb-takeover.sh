#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a weft-glb with other maps knew when its data path is taken over (tests/system/glb_takeover.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
. "$ROOT/tests/lib/glb_net.sh"
programs_are_run "${WEFT_GLB_TAKEOVER:-$ROOT/build/tests/unit/glb/glb_takeover}"
finish
