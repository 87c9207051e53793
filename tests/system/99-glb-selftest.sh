#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The balancer tests its programs before any device has them (tests/system/glb_selftest.c).
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
. "$ROOT/tests/lib/glb_net.sh"
programs_are_run "${WEFT_GLB_SELFTEST:-$ROOT/build/tests/unit/glb/glb_selftest}"
finish
