#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Flows of the datapath that a user adds (dpctl/add-flow and kin): before the pipeline, counted, shown,
# changed, deleted, gone with their ports; and what is refused.  Ports in memory.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

db_start s1
daemon_start s1 weft --enable-dummy=override
vsctl s1 -- add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure \
	-- add-br br1 -- set bridge br1 datapath_type=dummy fail_mode=secure
for n in 1 2 3; do
	vsctl s1 add-port br0 p$n -- set interface p$n type=dummy ofport_request=$n
done
vsctl s1 add-port br1 q1 -- set interface q1 type=dummy ofport_request=1
ofctl s1 add-flow br0 actions=2

slot() { appctl s1 dpif/show | awk -v p="$1" '$1 == p { sub(".*/", "", $2); sub(":", "", $2); print $2 }'; }
S1=$(slot p1) S2=$(slot p2) S3=$(slot p3) Q1=$(slot q1)
tx() { ofctl s1 dump-ports br0 "$1" | sed -n 's/.*tx pkts=\([0-9]*\).*/\1/p'; }
send() { # send N SRC-LAST-BYTE: N frames of UDP into p1
	for _ in $(seq "$1"); do
		appctl s1 netdev-dummy/receive p1 "in_port($S1),eth(src=00:00:5e:00:53:$2,dst=00:00:5e:00:53:ff),eth_type(0x0800),ipv4(src=192.0.2.1,dst=192.0.2.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=53)"
	done
}
sent_to() { test "$(tx p2)/$(tx p3)" = "$1"; }
rows() { appctl s1 dpctl/dump-flows; }
row_has() { rows | grep -F -e "$1" | grep -F -e "$2" > /dev/null; }
add() { appctl s1 dpctl/add-flow "$@"; }
refused() { # refused TEXT COMMAND...
	local text=$1 out; shift
	out=$("$@" 2>&1) && return 1
	[[ $out == *"$text"* ]] || { echo "said: $out"; return 1; }
}

send 2 01
check "before: the pipeline's port" retry 5 sent_to 2/0
check "a flow is added" add "in_port($S1),eth(src=00:00:5e:00:53:01),eth_type(0x0800),ipv4()" "$S3"
send 3 01
check "packets that match take it, cached or not" retry 5 sent_to 2/3
send 1 02
check "others do not" retry 5 sent_to 3/3
check "it is shown, with its packets" retry 5 row_has "eth(src=00:00:5e:00:53:01),eth_type(0x0800), packets:3" "actions:$S3"
check "its packets are in no other row" test "$(rows | grep -c 53:01)" = 1
check "the trace says so" grep -q "^Datapath actions: $S3" <(appctl s1 ofproto/trace br0 in_port=p1,udp,dl_src=00:00:5e:00:53:01)
check "twice is refused" refused "updating flow table (File exists)" \
	add "in_port($S1),eth(src=00:00:5e:00:53:01),eth_type(0x0800),ipv4()" "$S2"
check "changed to drop, by names and with a datapath" appctl s1 dpctl/mod-flow dummy@ovs-dummy \
	"in_port(p1),eth(src=00:00:5e:00:53:01),eth_type(0x0800),ipv4()" drop
send 2 01
check "it drops, and counts on" retry 5 row_has "eth(src=00:00:5e:00:53:01)" "packets:5"
check "nothing left meanwhile" sent_to 3/3
check "changed to a tag and a port" appctl s1 dpctl/mod-flow --clear \
	"in_port($S1),eth(src=00:00:5e:00:53:01),eth_type(0x0800),ipv4()" "push_vlan(vid=5,pcp=0),$S3"
send 1 01
check "counted anew" retry 5 row_has "eth(src=00:00:5e:00:53:01)" "packets:1, bytes:"
ufid=$(appctl s1 dpctl/dump-flows -m | sed -n 's/^\(ufid:[^,]*\),.*src=00:00:5e:00:53:01.*/\1/p')
check "got by its ufid" grep -q "53:01" <(appctl s1 dpctl/get-flow "$ufid")
check "deleted by its ufid" appctl s1 dpctl/del-flow "$ufid"
send 1 01
check "the pipeline has its packets again" retry 5 sent_to 4/4
check "no such flow any more" refused "deleting flow (No such file or directory)" appctl s1 dpctl/del-flow "$ufid"

cat > "$T/flows" << EOT
# from a file
in_port($S1),eth(),eth_type(0x0800),ipv4(dst=192.0.2.2) $S3
add in_port($S1),eth(),eth_type(0x0800) $S2,$S3
nonsense
EOT
check "a file, line by line" grep -q "Failed parsing line number 4, skipped" <(appctl s1 dpctl/add-flows "$T/flows")
send 1 01
check "of two that match the older one wins" retry 5 sent_to 4/5
appctl s1 dpctl/del-flows
send 1 01
check "all are deleted" retry 5 sent_to 5/5

check "in_port must be there" refused "updating flow table (Invalid argument)" add "eth(),eth_type(0x0800)" "$S2"
check "a port of another bridge" refused "a port of bridge br1" add "in_port($S1),eth()" "$Q1"
check "what is not built says so" refused "ct() is not built" add "in_port($S1),eth()" "ct(commit),$S2"
check "no such port" refused "there is no such port" add "in_port(77),eth()" "$S2"
check "no such field" refused "parsing flow key (syntax error at foo(1)) (Invalid argument)" add "foo(1)" "$S2"
check "a flow whose port will go" add "in_port($S1),eth()" "$S3"
vsctl s1 del-port p3
no_rows() { ! row_has "in_port($S1),eth() " actions; }
check "it went with the port" no_rows
check "a flow whose bridge will go" add "in_port($Q1),eth()" drop
vsctl s1 del-br br1
send 1 01
check "the bridge went, the daemon did not" retry 5 grep -q "tx pkts=6" <(ofctl s1 dump-ports br0 p2)
no_error() { ! grep -E '\|(ERR|EMER)\|' "$T/s1/ovs-vswitchd.log"; }
check "no error in the daemon's log" no_error
finish
