#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
#   ns a --- [ br0 ] --- ns b          br1, br2: no ports that matter
#
# What the daemon keeps over kill -9 and orderly stops (docs/state.md): flows, groups, meters, TLV map,
# port numbers, MAC table; that they are in force before the first packet; and what makes it forget.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
N=${FLOWS:-100000}

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a b
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
vsctl s1 add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=secure \
	-- set-controller br1 tcp:127.0.0.1:1
STATE=$T/s1/weft.state

start_again() { daemon_start s1 "$@"; }
kill_it() {
	local pid
	pid=$(daemon_pid s1)
	kill -9 "$pid"
	retry 5 is_gone "$pid"
}
# All that controllers can ask for, without what counts.
# Table 6 has a flow that expires meanwhile.
snapshot() {
	local br
	for br in br0 br1; do
		ofctl s1 -O OpenFlow15 dump-flows $br --no-stats | grep -v 'nw_src=10\.[0-9]\|table=6' | sort
		ofctl s1 -O OpenFlow15 dump-groups $br | sort
		ofctl s1 -O OpenFlow15 dump-meters $br
		ofctl s1 dump-tlv-map $br
		ofctl s1 -O OpenFlow15 dump-aggregate $br | grep -o 'flow_count=[0-9]*'
	done
	vsctl s1 --columns=name,ofport --format=csv --no-headings list interface | sort
}

# --- flows of all kinds ------------------------------------------------------------------------------

ofctl s1 del-flows br0
ofctl s1 add-tlv-map br0 "{class=0xffff,type=0x80,len=4}->tun_metadata0,{class=1,type=2,len=8}->tun_metadata3"
ofctl s1 -O OpenFlow15 add-meter br0 "meter=7,pktps,burst,stats,bands=type=drop,rate=100000,burst_size=5"
ofctl s1 -O OpenFlow15 add-group br0 "group_id=1,type=select,selection_method=hash,fields(ip_src,nw_proto),bucket=bucket_id:1,weight:3,actions=output:2,bucket=bucket_id:9,weight:5,mod_vlan_vid:7,output:2"
ofctl s1 -O OpenFlow15 add-group br0 "group_id=2,type=ff,bucket=watch_port:2,actions=set_field:1.2.3.4->ip_dst,output:2"
ofctl s1 -O OpenFlow15 add-group br0 "group_id=3,type=all,bucket=actions=drop"
ofctl s1 -O OpenFlow15 del-groups br0 group_id=3
cat > "$T/kinds" <<-END
	table=0,priority=100,udp,in_port=1,nw_src=10.99.0.1,actions=mod_nw_tos:184,output:2
	table=0,priority=10,in_port=1,actions=NORMAL
	table=0,priority=10,in_port=2,actions=NORMAL
	table=2,cookie=0x123456789,importance=5,tcp,tp_dst=80/0xfff0,actions=push_vlan:0x8100,set_field:4101->vlan_vid,write_metadata:0x5/0xf,goto_table:9
	table=2,idle_timeout=600,hard_timeout=900,send_flow_rem,ipv6,ipv6_src=fe80::/10,actions=meter:7,group:1
	table=2,tun_metadata0=0x5/0xf,tun_metadata3=0x1122,actions=move:NXM_NX_TUN_METADATA3[0..15]->NXM_NX_REG1[0..15],group:2
	table=3,ip,actions=learn(table=4,hard_timeout=30,priority=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,4)
	table=3,ct_state=+trk+est,ct_zone=5,ip,actions=ct(commit,zone=7,nat(src=1.2.3.4-1.2.3.9:10-20),exec(load:5->NXM_NX_CT_MARK[]))
	table=4,vlan_tci=0x1000/0x1000,actions=strip_vlan,load:0x5->NXM_NX_REG0[],controller(reason=no_match,max_len=77,id=3)
	table=4,conj_id=5,actions=output:2
	table=4,ip,nw_dst=1.1.1.1,actions=conjunction(5,1/2)
	table=5,mpls,mpls_label=99,actions=pop_mpls:0x0800,dec_ttl,multipath(symmetric_l4,1024,hrw,4,0,NXM_NX_REG0[0..1])
	table=5,arp,arp_op=1,actions=write_actions(output:2,set_field:02:00:00:00:00:07->eth_src)
	table=5,dl_type=0x88cc,actions=note:01.02.03,clone(output:1,output:2)
END
ofctl s1 -O OpenFlow15 add-flows br0 "$T/kinds"
printf '%s\n' "table=5,dl_vlan=0xffff,actions=mod_vlan_vid:9,mod_dl_src:02:00:00:00:00:09,enqueue:2:1" \
	| ofctl s1 -O OpenFlow10 add-flows br0 -
ofctl s1 -O OpenFlow13 add-flow br1 "priority=7,ip,actions=drop"
/usr/bin/python3 - "$N" > "$T/many" <<-'END'
	import sys
	for i in range(int(sys.argv[1])):
	    print(f"table=1,priority=9,ip,nw_src=10.{i>>16}.{i>>8&255}.{i&255},actions=output:{i%7+1}")
END
CLIENT_LIMIT=120 ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/many"
# Taken away again, so that the file has to forget as well.
ofctl s1 -O OpenFlow13 add-flow br0 "table=6,ip,actions=drop"
ofctl s1 -O OpenFlow13 add-flow br0 "table=6,arp,hard_timeout=3,actions=drop"
ofctl s1 -O OpenFlow13 --strict del-flows br0 "table=6,ip"
check "traffic before" can_ping a 10.0.0.2

# --- over a kill, under traffic ------------------------------------------------------------------------

traffic() {
	rm -f "$T/stop"
	/usr/bin/python3 -B "$ROOT/tests/system/state_traffic.py" a b eth0 "$T/stop" 46 > "$T/traffic" 2>&1 &
	sleep 1
}
traffic_end() {
	sleep 1
	touch "$T/stop"
	retry 10 grep -q sent= "$T/traffic" || true
	cat "$T/traffic"
}
value() { sed -n "s/.*\<$1=\([0-9.]*\).*/\1/p" <<< "$2"; }

expired() { [ "$(ofctl s1 dump-flows br0 table=6 | grep -c arp)" = 0 ]; }
retry 20 expired || true
before=$(snapshot)
fdb=$(appctl s1 fdb/show br0 | awk '{ print $1, $2, $3 }' | sort)
for how in kill stop; do
	traffic
	if [ $how = kill ]; then kill_it; else daemon_stop s1; fi
	check "$how: starts again" start_again
	got=$(traffic_end)
	if [ "$(value received "$got")" -gt 500 ] && [ "$(value unmarked "$got")" = 0 ]; then
		ok "$how: no packet before the flows are there ($got)"
	else
		fail "$how: no packet before the flows are there" "$got"
	fi
	equal "$how: flows, groups, meters, TLV map, port numbers" "$before" "$(snapshot)"
	equal "$how: MAC table" "$fdb" "$(appctl s1 fdb/show br0 | awk '{ print $1, $2, $3 }' | sort)"
	echo "# $(appctl s1 state/show | tail -n 1)"
done
counted=$(ofctl s1 dump-flows br0 table=0,udp,in_port=1,nw_src=10.99.0.1 | grep -o 'n_packets=[0-9]*')
check "orderly stop: counters are kept ($counted)" test "${counted#*=}" -gt 1000

# --- small again ------------------------------------------------------------------------------------------

# What came and went makes the file be compacted by itself, by a thread, while flows go on coming.
compactions() { appctl s1 state/show | sed -n 's/.* \([0-9]*\) compactions.*/\1/p'; }
printf '%s\n' "delete table=1" > "$T/churn"
cat "$T/many" >> "$T/churn"
for _ in 1 2 3; do
	CLIENT_LIMIT=120 ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/churn"
	appctl s1 state/compact || true
done
is_compacted() { [ "$(compactions)" -ge 1 ]; }
check "the file is compacted" retry 20 is_compacted
ofctl s1 -O OpenFlow13 add-flow br0 "table=7,ip,hard_timeout=4,actions=drop"
ofctl s1 -O OpenFlow13 add-flow br0 "table=7,ipv6,idle_timeout=4,actions=drop"
ofctl s1 -O OpenFlow13 add-flow br0 "table=7,arp,hard_timeout=400,actions=drop"
kill_it
sleep 6
start_again
equal "what expired meanwhile does not come back" "arp" \
	"$(ofctl s1 -O OpenFlow13 dump-flows br0 table=7 | grep -o 'arp\|ipv6\|ip,' | tr -d '\n')"
ofctl s1 -O OpenFlow13 del-flows br0 table=7
equal "after compaction and kill -9: all is there" "$before" "$(snapshot)"

# --- damage ---------------------------------------------------------------------------------------------

daemon_stop s1
cp "$STATE" "$T/good"
# Cut inside the last record.
truncate -s -5 "$STATE"
start_again
equal "torn tail: the rest is in force" "$before" "$(snapshot)"
check "torn tail: the log says so" grep -q 'bytes at its end are of a change that was not finished' "$T/s1/ovs-vswitchd.log"
daemon_stop s1
cp "$T/good" "$STATE"
printf '\xff' | dd of="$STATE" bs=1 seek=5000 conv=notrunc status=none
start_again
equal "damaged: starts empty" "" "$(ofctl s1 dump-groups br0 | grep group_id || true)$(ofctl s1 dump-flows br1 | grep ip || true)"
check "damaged: the log says so" grep -q 'weft.state is refused: the checksum of the record' "$T/s1/ovs-vswitchd.log"
check "damaged: kept aside" test -s "$STATE.damaged"
check "damaged: state/show says so" grep -q 'is refused' <(appctl s1 state/show)
check "damaged: works as a new switch" can_ping a 10.0.0.2

# --- what forgets ------------------------------------------------------------------------------------------

put_back() { daemon_stop s1; cp "$T/good" "$STATE"; }
count() { ofctl s1 -O OpenFlow13 dump-aggregate "$1" | sed -n 's/.*flow_count=\([0-9]*\).*/\1/p'; }

put_back
cp /proc/sys/kernel/random/uuid "$T/boot"
mount --bind "$T/boot" /proc/sys/kernel/random/boot_id
start_again
equal "new boot: starts as new" "1 0" "$(count br0) $(count br1)"
umount /proc/sys/kernel/random/boot_id

put_back
vsctl s1 --no-wait del-br br1 -- add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=secure
start_again
equal "a bridge that was deleted and made again: starts as new" 0 "$(count br1)"
check "the other one keeps its flows" test "$(count br0)" -ge "$N"

vsctl s1 set Open_vSwitch . other_config:flow-restore-wait=true
kill_it
start_again
equal "flow-restore-wait: starts empty" "1 0" "$(count br0) $(count br1)"
vsctl s1 remove Open_vSwitch . other_config flow-restore-wait
ofctl s1 add-flow br0 "priority=3,actions=NORMAL"
kill_it
start_again
check "what came after flow-restore-wait is kept" grep -q priority=3 <(ofctl s1 dump-flows br0)

daemon_stop s1
check "stock Open vSwitch starts beside the file" daemon_start s1 stock
daemon_stop s1
start_again
check "back from stock: flows are there" grep -q priority=3 <(ofctl s1 dump-flows br0)
daemon_stop s1 --cleanup
check "exit --cleanup takes the file away" test ! -e "$STATE"
start_again
equal "after exit --cleanup: starts as new" 1 "$(count br0)"
finish
