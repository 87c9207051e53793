#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   ns a --- [ br0 ] --- ns b        h1 --- p1: a port on which broken packets arrive
#
# Bytes that lie, on every door: OpenFlow, control socket, ports; a controller that never reads.
# The daemon goes on, the others are served meanwhile, memory and descriptors stay bounded.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
	protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15
ns_add a b
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
ip link add h1 type veth peer name p1
ip link set h1 up
ip link set p1 up
vsctl s1 add-port br0 p1
# Broken packets walk through look-ups, a set_field and a pipeline of two tables.
ofctl s1 -O OpenFlow13 add-flow br0 "table=0,priority=1,actions=goto_table:1"
ofctl s1 -O OpenFlow13 add-flow br0 "table=1,priority=9,tcp,tp_dst=80,actions=set_field:81->tcp_dst,NORMAL"
ofctl s1 -O OpenFlow13 add-flow br0 "table=1,priority=9,mpls,actions=pop_mpls:0x0800,NORMAL"
ofctl s1 -O OpenFlow13 add-flow br0 "table=1,priority=8,dl_vlan=5,actions=pop_vlan,NORMAL"
ofctl s1 -O OpenFlow13 add-flow br0 "table=1,priority=0,actions=NORMAL"
check "traffic before" can_ping a 10.0.0.2

pid=$(daemon_pid s1)
rss=$(rss_kb "$pid")
fds=$(ls "/proc/$pid/fd" | wc -l)
bad() { timeout 90 /usr/bin/python3 -B "$ROOT/tests/system/badinput.py" "$@"; }
same() { [ "$(daemon_pid s1)" = "$pid" ] && kill -0 "$pid" && alive s1; }

door() {
	local name=$1 out
	shift
	if out=$(bad "$@" 2>&1); then
		ok "$name: $out"
	else
		fail "$name" "$(tail -n 2 <<< "$out" | tr '\n' ' ')"
	fi
	check "$name: the daemon goes on" same
	check "$name: others are served" can_ping a 10.0.0.2
}
# On a bridge of its own: among random messages are some that delete all flows, and mean it.
vsctl s1 add-br br-bad -- set bridge br-bad datapath_type=netdev fail_mode=secure \
	protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15
door "garbage on .mgmt" openflow "$T/s1/br-bad.mgmt"
check "ovs-ofctl still works" ofctl s1 -O OpenFlow13 dump-flows br0
door "garbage on the control socket" unixctl "$T/s1/ovs-vswitchd.$pid.ctl"
door "broken packets on a port" packets h1

# A controller that never reads, while every packet of one port makes a packet-in.
bad mute 6688 > "$T/mute.log" 2>&1 &
mute=$!
retry 5 grep -q listens "$T/mute.log"
vsctl s1 set bridge br0 protocols=OpenFlow13 -- set-controller br0 tcp:127.0.0.1:6688
retry 10 grep -q connected "$T/mute.log" && ok "the mute controller is connected" ||
	fail "the mute controller is connected" "$(cat "$T/mute.log")"
# The first controller empties the tables, as Open vSwitch does.
ofctl s1 -O OpenFlow13 add-flow br0 "table=0,priority=0,actions=NORMAL"
ofctl s1 -O OpenFlow13 add-flow br0 "table=0,priority=50,in_port=p1,actions=controller:65535"
before=$(rss_kb "$pid")
door "packet-ins that nobody reads" flood h1 200000
after=$(rss_kb "$pid")
if sanitized || [ $((after - before)) -lt 65536 ]; then
	ok "packet-ins that nobody reads: $(((after - before) / 1024)) MB more"
else
	fail "packet-ins that nobody reads" "$(((after - before) / 1024)) MB more"
fi
check "ovs-ofctl is served meanwhile" ofctl s1 -O OpenFlow13 dump-flows br0
kill $mute
vsctl s1 del-controller br0

sleep 1
grown=$(($(rss_kb "$pid") - rss))
sanitized || [ $grown -lt 131072 ] && ok "memory: $((grown / 1024)) MB more in all" ||
	fail "memory" "$((grown / 1024)) MB more"
now=$(ls "/proc/$pid/fd" | wc -l)
[ "$now" -le $((fds + 8)) ] && ok "descriptors: $fds before, $now after" ||
	fail "descriptors" "$fds before, $now after"
check "stops" daemon_stop s1
finish
