#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   ns a --- [ br-ex ] --- br-ex (internal, the host's own address), int1 (internal, in ns c)
#
# What a host keeps while the daemon is exchanged, once by an orderly stop and once by kill -9:
# internal devices with index, MAC, MTU, addresses, routes and namespace; TCP connections over them.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br-ex -- set bridge br-ex datapath_type=netdev
ns_add a c
port s1 br-ex a 10.0.0.1/24
ip addr add 10.0.0.9/24 dev br-ex
ip addr add fd00::9/64 dev br-ex nodad
ip link set br-ex up
ip route add 10.9.0.0/16 via 10.0.0.1 dev br-ex
vsctl s1 add-port br-ex int1 -- set interface int1 type=internal mtu_request=1400
retry 5 ip link show int1
ip link set int1 netns c
ip -n c addr add 10.0.0.8/24 dev int1
ip -n c link set int1 up
ip -n c route add default via 10.0.0.1
check "traffic before" can_ping a 10.0.0.9
check "traffic before, foreign namespace" can_ping a 10.0.0.8

snapshot() {
	# "link" without the counters that move; the state words may settle, so only UP counts.
	ip -o link show br-ex | sed -n 's/^\([0-9]*: [^:@]*\).*\(mtu [0-9]*\).*\(link\/ether [0-9a-f:]*\).*/\1 \2 \3/p'
	ip -o addr show br-ex | grep -o 'inet6\? [^ ]*' | grep -v fe80
	ip route show dev br-ex
	ip -n c -o link show int1 | sed -n 's/^\([0-9]*: [^:@]*\).*\(mtu [0-9]*\).*\(link\/ether [0-9a-f:]*\).*/\1 \2 \3/p'
	ip -n c -o addr show int1 | grep -o 'inet6\? [^ ]*' | grep -v fe80
	ip -n c route show
	vsctl s1 --columns=name,ofport --format=csv --no-headings list interface | sort
	vsctl s1 get bridge br-ex datapath_id
}

stream() {
	/usr/bin/python3 -B "$ROOT/tests/system/stream.py" a "$1" "$2" "$T/stop" > "$T/stream.$1" 2>&1 &
	retry 10 grep -q connected "$T/stream.$1"
}
end_streams() {
	local p rc=0
	touch "$T/stop"
	for p in "$@"; do
		wait "$p" || rc=1
	done
	rm -f "$T/stop"
	return $rc
}

turn() {
	local how=$1 before pid s1 s2
	before=$(snapshot)
	stream 10.0.0.9 - && s1=$! || { fail "$how: a stream" "it does not connect"; return; }
	stream 10.0.0.8 c && s2=$! || { fail "$how: a second stream" "it does not connect"; return; }
	if [ "$how" = "orderly stop" ]; then
		daemon_stop s1
	else
		pid=$(daemon_pid s1)
		kill -9 "$pid"
		retry 5 is_gone "$pid"
	fi
	check "$how: starts again" daemon_start s1
	check "$how: traffic" retry 10 can_ping a 10.0.0.9
	check "$how: traffic, foreign namespace" retry 10 can_ping a 10.0.0.8
	equal "$how: devices, addresses, routes, port numbers" "$before" "$(snapshot)"
	sleep 1
	if end_streams $s1 $s2; then
		ok "$how: TCP connections live on ($(tail -n 1 "$T/stream.10.0.0.9"); $(tail -n 1 "$T/stream.10.0.0.8"))"
	else
		fail "$how: TCP connections live on" "$(tail -q -n 1 "$T/stream.10.0.0.9" "$T/stream.10.0.0.8" | tr '\n' ' ')"
	fi
}
turn "orderly stop"
turn "kill -9"

daemon_stop s1 --cleanup
no_devices() { ! ip link show br-ex && ! ip -n c link show int1; }
check "exit --cleanup takes the devices away" retry 5 no_devices
finish
