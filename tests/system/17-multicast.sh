#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   sender --+            +-- member (joins by its kernel's IGMPv3 and MLDv2)
#            +-- [ br0 ] --+-- other  (joins nothing)
#   router --+            +-- far    (VLAN 20: joins the same group)
#
# Multicast snooping: who gets a group's packets before and after somebody joined, with a router, after
# leaving; what the table shows; what is forgotten when a port goes.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 mcast_snooping_enable=true
ns_add sender member other router far
port s1 br0 sender 10.0.0.1/24
port s1 br0 member 10.0.0.2/24
port s1 br0 other 10.0.0.3/24
port s1 br0 router 10.0.0.254/24
port s1 br0 far 10.0.0.4/24 tag=20

# In a (sub)shell of its own, which becomes the program.
become() { exec ip netns exec "$1" /usr/bin/python3 -B "$ROOT/tests/system/multicast.py" "${@:2}"; }
host() { (become "$@"); }

# counts GROUP: sends 20 datagrams; "member other router far" as each of them saw
counts() {
	local ns pids=() got=""
	rm -f "$T"/ready.*
	for ns in member other router far; do
		become $ns sniff "$1" eth0 > "$T/got.$ns" 2> "$T/ready.$ns" &
		pids+=($!)
	done
	for ns in member other router far; do
		retry 10 test -s "$T/ready.$ns"
	done
	host sender send "$1" eth0 20
	kill "${pids[@]}"
	wait "${pids[@]}"
	for ns in member other router far; do
		got+="$(cat "$T/got.$ns") "
	done
	echo "${got% }"
}
# join NAMESPACE GROUP: until its file descriptor is closed
join() {
	mkfifo "$T/hold.$1"
	become "$1" join "$2" eth0 < "$T/hold.$1" > "$T/joined.$1" &
	exec {HOLD}> "$T/hold.$1"
	retry 10 grep -q joined "$T/joined.$1"
}
leave() { exec {HOLD}>&-; rm "$T/hold.$1" "$T/joined.$1"; }
shows() { appctl s1 mdb/show br0 | grep -E "$1" > /dev/null; }
shows_not() { ! shows "$1"; }
number() { vsctl s1 get interface "v-$1" ofport; }

equal "a group without members is flooded" "20 20 20 0" "$(counts 239.1.2.3)"
join member 239.1.2.3
check "the table shows who joined" retry 5 shows "^ +$(number member) +0 +239\.1\.2\.3 "
equal "then only its members get it" "20 0 0 0" "$(counts 239.1.2.3)"
host router query eth0
check "the port of a router is known by its query" retry 5 shows "^ +$(number router) +0 +querier "
equal "and gets every group" "20 0 20 0" "$(counts 239.1.2.3)"
equal "also what is in nobody's table, while that is flooded" "20 20 20 0" "$(counts 239.9.9.9)"
vsctl s1 set bridge br0 other_config:mcast-snooping-disable-flood-unregistered=true
equal "or routers alone get it" "0 0 20 0" "$(counts 239.9.9.9)"
equal "224.0.0.x goes to all" "20 20 20 0" "$(counts 224.0.0.77)"
vsctl s1 set port v-other other_config:mcast-snooping-flood=true
equal "a flood port gets all" "0 20 20 0" "$(counts 239.9.9.9)"
vsctl s1 remove port v-other other_config mcast-snooping-flood
leave member
check "a leave is believed at once" retry 5 shows_not "239\.1\.2\.3 "
equal "and the group goes to routers only" "0 0 20 0" "$(counts 239.1.2.3)"

join member ff15::42
check "MLDv2 is heard" retry 5 shows "^ +$(number member) +0 +ff15::42 "
host router query eth0 6
equal "an IPv6 group goes to its members and routers" "20 0 20 0" "$(counts ff15::42)"
check "mdb/stats-show counts" grep -q "router ports *: 1$" <(appctl s1 mdb/stats-show br0)
vsctl s1 del-port v-member
check "what was learned on a port goes with it" shows_not "ff15::42"
leave member
vsctl s1 set port v-router tag=30
check "and when the port's VLAN changes" shows_not querier
equal "mdb/flush answers" "table successfully flushed" "$(appctl s1 mdb/flush br0)"

vsctl s1 set bridge br0 mcast_snooping_enable=false
equal "switched off, there is no table" "multicast snooping is disabled" \
	"$(appctl s1 mdb/show br0 2>&1 | head -1)"
equal "and all is flooded again" "20 0 0" "$(counts 239.1.2.3 | cut -d' ' -f2-)"
check "no warnings in the log" log_is_clean s1
finish
