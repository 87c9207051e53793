#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
# The daemons are swapped on one database, both ways: stock -> weft -> stock -> weft.  Each time
# the ports are there under the same OpenFlow numbers, internal devices keep their address, and
# traffic passes.  The stop is once an orderly one and once kill -9.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ping

ofports() {
	vsctl s1 --columns=name,ofport --format=csv --no-headings list interface | sort
}

db_start s1
daemon_start s1 stock
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev -- \
	add-port br0 int0 -- set interface int0 type=internal
ns_add a b
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24 tag=5
vsctl s1 set port v-a tag=5
vsctl s1 set port int0 tag=5
ip addr add 10.0.0.9/24 dev int0
ip link set int0 up
check "stock forwards" can_ping a 10.0.0.2
check "stock's internal port answers" can_ping a 10.0.0.9
before=$(ofports)

swap() {
	local to=$1 how=$2
	case $how in
	exit) daemon_stop s1 ;;
	kill)
		local pid
		pid=$(daemon_pid s1)
		kill -9 "$pid"
		retry 5 is_gone "$pid"
		;;
	esac
	if ! daemon_start s1 "$to"; then
		fail "$to starts after $how" "$(tail -n 2 "$T/s1/ovs-vswitchd.log" | tr '\n' ' ')"
		return
	fi
	ok "$to starts after $how"
	check "$to after $how: forwards" retry 10 can_ping a 10.0.0.2
	equal "$to after $how: OpenFlow port numbers" "$before" "$(ofports)"
	if ip -o addr show dev int0 2> /dev/null | grep 10.0.0.9 > /dev/null; then
		ok "$to after $how: internal port keeps its address"
	elif [ "$to" = stock ] && [ "$how" = kill ]; then
		# Its internal ports are plain taps that end with their process: so on every restart.
		skip "$to after $how: internal port keeps its address" "stock userspace does not do this"
		ip addr add 10.0.0.9/24 dev int0
	else
		fail "$to after $how: internal port keeps its address" "it has none"
		ip addr replace 10.0.0.9/24 dev int0 2> /dev/null || true
	fi
	ip link set int0 up 2> /dev/null || true
	check "$to after $how: internal port answers" retry 5 can_ping b 10.0.0.9
	ofctl s1 add-flow br0 "table=1,priority=7,actions=drop"
	check "$to after $how: takes flows" grep -q priority=7 <(ofctl s1 dump-flows br0 table=1)
}
swap weft exit
swap stock exit
swap weft kill
swap stock kill
finish
