#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Edges take nearly every packet a short way through their program; it must do what the long one does
# (tests/system/glb_short_way.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
. "$ROOT/tests/lib/glb_net.sh"
programs_are_run "${WEFT_GLB_SHORT_WAY:-$ROOT/build/tests/unit/glb/glb_short_way}"
finish
