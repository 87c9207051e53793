#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   ns a --- v-a [ br0 ] v-b --- ns b
#   ns a --- v-c [ br1, made and deleted ] v-d --- ns b
#
# Bridges, patch ports and mirrors come and go while packets use them: nothing that a worker still
# needs is freed (meant to be run with sanitizers, too), and the bridge that stays does not notice.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ping

switch_start s1
ns_add a b
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
veth v-c a c0 10.9.0.1/24
veth v-d b d0 10.9.0.2/24
ip netns exec a ping -n -q -i 0.002 10.0.0.2 > "$T/ping" 2>&1 &
ping_pid=$!
ip netns exec a ping -n -q -i 0.005 10.9.0.2 > "$T/ping2" 2>&1 &
ping2_pid=$!

for n in $(seq "${ROUNDS:-12}"); do
	vsctl s1 add-br br1 -- set bridge br1 datapath_type=netdev \
		-- add-port br1 v-c -- add-port br1 v-d \
		-- add-port br1 pp -- set interface pp type=patch options:peer=qq \
		-- add-port br0 qq -- set interface qq type=patch options:peer=pp
	ofctl s1 add-flow br1 "table=0,priority=9,icmp,actions=resubmit(,1)"
	ofctl s1 add-flow br1 "table=1,actions=normal"
	[ $((n % 2)) = 0 ] || vsctl s1 -- --id=@m create mirror name="m$n" select_all=true \
		output_vlan=9 -- set bridge br1 mirrors=@m > /dev/null
	sleep 0.3
	vsctl s1 del-port br0 qq -- del-br br1
done
# ^C makes ping print its summary.
kill -INT $ping_pid $ping2_pid
wait $ping_pid $ping2_pid || true
lost=$(sed -nE 's/.* ([0-9]+) received.*/\1/p' "$T/ping")
sent=$(sed -nE 's/^([0-9]+) packets transmitted.*/\1/p' "$T/ping")
lost=$((sent - lost))
check "bridges that come and go cost the other one nothing ($lost of $sent lost)" test $lost -le 2
through=$(sed -nE 's/.* ([0-9]+) received.*/\1/p' "$T/ping2")
check "and forwarded while they were there ($through packets)" test "${through:-0}" -gt 50
check "the daemon answers" alive s1
check "nothing to warn of in its log" log_is_clean s1
check "stops" daemon_stop s1 --cleanup
finish
