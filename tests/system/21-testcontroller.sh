#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   ns a --- [ br0 ] --- ns b        ovs-testcontroller (OpenFlow 1.0 ... 1.4)
#
# Open vSwitch's own learning controller, each protocol version in turn; fail_mode=standalone.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ovs-testcontroller ping

connected() { [ "$(vsctl s1 get controller br0 is_connected)" = true ]; }

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure
ns_add a b
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24

n=0
for version in OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14; do
	n=$((n + 1))
	in_dir s1 true
	OVS_RUNDIR=$T/s1 OVS_SYSLOG_METHOD=null ovs-testcontroller -O $version "ptcp:670$n:127.0.0.1" \
		> "$T/testcontroller.$version.log" 2>&1 &
	pid=$!
	vsctl s1 set bridge br0 protocols=$version -- set-controller br0 tcp:127.0.0.1:670$n
	check "$version: connects" retry 20 connected
	check "$version: the learning switch forwards" retry 10 can_ping a 10.0.0.2
	check "$version: its flows are in the table" \
		grep -q 'n_packets=' <(ofctl s1 -O $version dump-flows br0)
	kill $pid; wait $pid 2> /dev/null || true
	vsctl s1 del-controller br0
	ofctl s1 -O $version del-flows br0
done

vsctl s1 set bridge br0 protocols=OpenFlow13 fail_mode=standalone -- \
	set-controller br0 tcp:127.0.0.1:6799 -- set controller br0 max_backoff=1000 inactivity_probe=1000
check "standalone: forwards by itself when no controller answers" retry 30 can_ping a 10.0.0.2
finish
