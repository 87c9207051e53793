#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A barrier means it: once its reply is here, no packet is handled by an older state.  Rounds of
# flow-mod, barrier, packet; the packet must meet the rule just set (see barrier.py).  The reply to the commit
# of a bundle means the same.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow14
veth_ports s1 br0 3
ROUNDS=${ROUNDS:-3000}

# rounds NAME N [bundle]
rounds() {
	local rc=0 out
	out=$(/usr/bin/python3 -B "$ROOT/tests/system/barrier.py" "$T/s1/br0.mgmt" "${@:2}" 2>&1) || rc=$?
	sed 's/^/# /' <<< "$out"
	if [ $rc = 0 ]; then
		ok "$1, $2 rounds"
	else
		fail "$1, $2 rounds" "$(tail -n 1 <<< "$out")"
	fi
}

rounds barrier "$ROUNDS"
rounds "commit of a bundle" $((ROUNDS / 2)) bundle
check "the daemon is alive" alive s1
finish
