#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   ns a --- v-a [ br0, NORMAL ] v-b --- ns b        a third port with tag 30: ns c
#
# One bridge, three namespaces with their offloads on: ping, TCP, VLAN separation, clean stop.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need iperf3 ping

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a b c
port s1 br0 a "10.0.0.1/24 fd00::1/64"
port s1 br0 b "10.0.0.2/24 fd00::2/64"
port s1 br0 c "10.0.0.3/24" tag=30

check "IPv4 ping over NORMAL" can_ping a 10.0.0.2
check "IPv6 ping over NORMAL" can_ping a fd00::2
check "another VLAN stays away" cannot_ping a 10.0.0.3

ip netns exec b iperf3 -s -1 -D -I "$T/iperf.pid"
retry 5 test -s "$T/iperf.pid" || true
check "TCP with offloads left on" retry 10 ip netns exec a timeout 8 iperf3 -c 10.0.0.2 -n 20M

ofctl s1 add-flow br0 "priority=100,icmp,actions=drop"
check "a drop flow stops ping" cannot_ping a 10.0.0.2
ofctl s1 del-flows br0 icmp
check "and without it ping works again" can_ping a 10.0.0.2

vsctl s1 --may-exist add-port br0 nosuchdevice 2> /dev/null || true
check "a port that cannot be made says why" \
	grep -q . <(vsctl s1 get interface nosuchdevice error | tr -d '[]"')
check "and leaves the others alone" can_ping b 10.0.0.1

check "weft/memory" grep -qE '^in use: [0-9]+ kB' <(appctl s1 weft/memory)

check "stops" daemon_stop s1
finish
