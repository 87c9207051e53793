#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#	h1 --- p1 [ br0 ] p2 --- h2, p3 --- h3
#
# OpenFlow 1.5 beyond what Open vSwitch has: egress tables; requests that stay incomplete, bundles to
# be committed at a time, meters of any number; and the DSCP of a controller's connection.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
	protocols=OpenFlow10,OpenFlow13,OpenFlow15
veth_ports s1 br0 3
of15() { /usr/bin/python3 -B "$ROOT/tests/system/openflow15.py" "$T/s1/br0.mgmt" "$@"; }
flow() { ofctl s1 -O OpenFlow15 add-flow br0 "$@"; }
refused() { # NAME ERROR FLOW
	if flow "$3" > "$T/log" 2>&1; then
		fail "$1" "it was taken"
	else
		equal "$1" 1 "$(grep -c "$2" "$T/log")"
	fi
}
# What becomes of a packet of port 1.
trace() { appctl s1 ofproto/trace br0 in_port=1,dl_dst=02:00:00:00:00:02,dl_type=0x88b5 |
	sed -n 's/^Datapath actions: //p'; }
number() { appctl s1 dpctl/show | sed -n "s/^ *port \([0-9]*\): $1\( .*\)\?$/\1/p"; }

# --- egress tables -----------------------------------------------------------------------------------
P2=$(number p2)
P3=$(number p3)
flow "in_port=1,actions=output:2"
flow "table=10,actset_output=2,actions=set_field:02:00:00:00:00:99->eth_dst,goto_table:11"
flow "table=11,priority=9,actset_output=2,in_port=1,actions=output:3"
equal "without egress tables an output is an output" "$P2" "$(trace)"
equal "no table is one of egress at first" none "$(of15 flags)"
equal "table 10 becomes the first one" ok "$(of15 egress 10)"
equal "it says so" 10:0x13 "$(of15 flags)"
# The action set outputs to port 2 behind the output of table 11's list, both with the new address;
# an output in an egress table goes straight to its port.
equal "outputs walk through the egress tables" \
	"set(eth(dst=02:00:00:00:00:99)),$P3,$P2" "$(trace)"
/usr/bin/python3 -B - <<PY > "$T/packets" 2>&1
import sys
sys.path.insert(0, "$ROOT/tests/system")
from wire import Wire
h1, h2, h3 = Wire("h1"), Wire("h2"), Wire("h3")
h1.send(bytes.fromhex("020000000002" "020000000001" "88b5") + b"egress" + bytes(40))
for h in (h2, h3):
    print(h.device, sum(d[:6].hex() == "020000000099" and b"egress" in d for d in h.collect(0.5)))
PY
equal "packets do what the trace says" "h2 1 h3 1" "$(tr '\n' ' ' < "$T/packets" | sed 's/ $//')"
ofctl s1 -O OpenFlow15 del-flows br0 table=10
equal "a miss in the egress table drops" drop "$(trace | sed 's/^userspace(.*)$/drop/')"
flow "table=10,actions=clear_actions"
equal "so does a flow that clears the action set" drop "$(trace)"
flow "table=10,actions=drop"
equal "one without instructions lets pass" "$P2" "$(trace)"
flow "table=10,actset_output=2,priority=40000,actions=write_actions(set_field:02:00:00:00:00:77->eth_dst)"
equal "an egress table may add to the action set" \
	"set(eth(dst=02:00:00:00:00:77)),$P2" "$(trace)"
equal "a packet-out walks through them, too" ok "$(
	ofctl s1 -O OpenFlow15 packet-out br0 in_port=controller,packet=02000000000202000000000188b5,actions=output:2 &&
	ofctl s1 -O OpenFlow15 dump-flows br0 table=10,actset_output=2 > "$T/log" &&
	grep -q n_packets=1, "$T/log" && echo ok)"
refused "an egress table may not change the output port" OFPBAC_BAD_TYPE \
	"table=11,priority=1,actions=write_actions(output:3)"
refused "nor choose a group" OFPB "table=11,priority=1,actions=write_actions(group:3)"
refused "goto_table does not lead into egress" OFPBIC_BAD_TABLE_ID "in_port=2,actions=goto_table:10"
check "within egress it does" flow "table=11,priority=1,actions=goto_table:12"
equal "table 0 is where packets come in" "error 13 8" "$(of15 egress 0)"
equal "only one table is the first" "error 13 8" "$(of15 egress-two 10 20)"
equal "unknown flags" "error 13 8" "$(of15 egress 10 0x40)"
equal "flags that say nothing" ok "$(of15 egress 10 0)"
equal "change nothing" 10:0x13 "$(of15 flags)"
flow "table=3,actions=goto_table:5"
equal "flows that do not fit stop a change" "error 13 5" "$(of15 egress 5)"
ofctl s1 -O OpenFlow15 del-flows br0 table=11
equal "another table can be the first one" ok "$(of15 egress 12)"
equal "the flag moves" 12:0x13 "$(of15 flags)"
equal "the flag is taken back" ok "$(of15 egress 12 0x3)"
equal "no table is one of egress in the end" none "$(of15 flags)"
equal "and outputs are outputs" "$P2" "$(trace)"

# --- sessions ----------------------------------------------------------------------------------------
equal "half a request times out" "error 1 14 in time" "$(of15 half-request)"
equal "a session leaves few requests open" "error 1 13" "$(of15 many-halves)"
equal "no commit at a time" "error 17 16, error 17 16" "$(of15 scheduled)"
equal "a meter of the largest number" ok "$(of15 meter 0xffff0000)"
equal "no larger one" "error 12 2" "$(of15 meter 0xffff0001)"
equal "it is listed" 1 "$(ofctl s1 -O OpenFlow15 dump-meters br0 | grep -c 'meter=4294901760')"
check "a flow names it" flow "table=7,actions=meter:4294901760,output:2"
ofctl s1 -O OpenFlow15 del-meters br0
equal "it takes its flows along" 0 "$(ofctl s1 -O OpenFlow15 dump-flows br0 table=7 | grep -c table=7 || true)"

# --- triggered statistics ------------------------------------------------------------------------------
send() { # COUNT
	for _ in $(seq "$1"); do
		ofctl s1 -O OpenFlow15 packet-out br0 \
			"in_port=1,packet=02000000000202000000000188b5,actions=resubmit(,30)"
	done
}
equal "a flow with a trigger at each third packet" ok "$(of15 trigger 1 3)"
of15 triggers 9 > "$T/triggers" &
retry 5 grep -q listens "$T/triggers"
send 2
sleep 1.5
send 2
sleep 1.5
send 3
wait %1 || true
# The look each second may fall between two packets.
equal "statistics come when a multiple is passed" "3-5 6-7" \
	"$(tail -n 1 "$T/triggers" | sed 's/^[345] /3-5 /; s/ [67]$/ 6-7/')"
equal "they can be asked for, too" 7 "$(of15 flow-stats 30)"
ofctl s1 -O OpenFlow15 del-flows br0 table=30
equal "a flow with a trigger at the first time" ok "$(of15 trigger 2 1)"
of15 triggers 6 > "$T/triggers" &
retry 5 grep -q listens "$T/triggers"
send 1
sleep 1.5
send 1
wait %1 || true
equal "it comes once" 1 "$(tail -n 1 "$T/triggers")"

cat > "$T/dscp.py" <<'PY'
import socket, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
raw.bind(("lo", 0))
raw.settimeout(10)
listener = socket.create_server(("127.0.0.1", 6699))
print("listens", flush=True)
while True:
    packet = raw.recv(2000)
    ip, tcp = packet[14:], packet[34:]
    if ip[9] == 6 and tcp[2:4] == (6699).to_bytes(2, "big") and tcp[13] & 2:
        print("syn", ip[1] >> 2, flush=True)
        break
PY
for dscp in default 10; do
	/usr/bin/python3 -B "$T/dscp.py" > "$T/dscp.log" 2>&1 &
	retry 5 grep -q listens "$T/dscp.log"
	vsctl s1 set-controller br0 tcp:127.0.0.1:6699
	[ $dscp = default ] || vsctl s1 set controller br0 other_config:dscp=$dscp
	vsctl s1 del-controller br0
	[ $dscp = default ] || vsctl s1 set-controller br0 tcp:127.0.0.1:6699 -- \
		set controller br0 other_config:dscp=$dscp
	retry 10 grep -q syn "$T/dscp.log" || true
	vsctl s1 del-controller br0
	wait $! || true
	[ $dscp = default ] && equal "DSCP of a controller's connection" "syn 48" "$(grep syn "$T/dscp.log")"
done
check "alive" alive s1
finish
