#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   a --va [ weft ] l1 ===== r1 [ stock ] vb-- b
#                   l2 ===== r2
#                   l3 ----- r3
#
# Stock Open vSwitch (userspace) is the switch at the other end of a bond: LACP, how traffic spreads, how
# long a failover takes, that nothing loops; then two plain ports of it under active-backup and
# balance-slb; BFD with it; policing.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
[ -x $STOCK_SWITCHD ] || { skip bond "openvswitch-switch is not installed"; exit 0; }

ns_add peer a b
SWITCH_NS[stock]=peer
for k in 1 2 3; do
	ip link add l$k type veth peer name r$k netns peer
	ip link set l$k up
	ip -n peer link set r$k up
done
ip link add va type veth peer name eth0 netns a
ip link set va up
ip -n peer link add vb type veth peer name eth0 netns b
ip -n peer link set vb up
for n in a b; do
	ip netns exec $n sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6' 2> /dev/null || true
	# Stock's userspace path loses packets with open checksums.
	ip netns exec $n ethtool -K eth0 tx off > /dev/null
	ip -n $n link set eth0 up
done
ip -n a addr add 10.0.0.1/24 dev eth0
ip -n b addr add 10.0.0.2/24 dev eth0

db_start weft
db_start stock
daemon_start weft weft
daemon_start stock stock
vsctl weft add-br br-weft -- set bridge br-weft datapath_type=netdev -- add-port br-weft va -- \
	add-bond br-weft bond0 l1 l2 bond_mode=balance-tcp lacp=active other_config:lacp-time=fast
vsctl stock add-br br-stock -- set bridge br-stock datapath_type=netdev -- add-port br-stock vb -- \
	add-bond br-stock bond0 r1 r2 bond_mode=balance-tcp lacp=active other_config:lacp-time=fast

bond_py() { ip netns exec "$1" /usr/bin/python3 -B "$ROOT/tests/system/bond.py" "${@:2}"; }
tx() { cat "/sys/class/net/$1/statistics/tx_packets"; }
all_enabled() { [ "$(appctl "$1" bond/show bond0 | grep -c 'may_enable: true')" = 2 ]; }
# once FROM TO: 50 broadcasts arrive once, and nothing comes back
once() {
	bond_py "$2" count eth0 2.5 > "$T/there" &
	local there=$!
	bond_py "$1" count eth0 2.5 > "$T/back" &
	local back=$!
	sleep 1
	bond_py "$1" flood eth0 50
	wait $there $back
	echo "$(cat "$T/there") $(cat "$T/back")"
}
# outage COMMAND...: milliseconds without an answer to pings every 10 ms while the command changes things
outage() {
	local lost
	ip netns exec "${FROM:-a}" ping -n -q -i 0.01 -c 300 -W 1 "${TO:-10.0.0.2}" > "$T/pings" &
	local pid=$!
	sleep 1
	"$@" > /dev/null
	wait $pid || true
	lost=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/pings" |
		awk '{ print $1 - $2 }')
	echo $((lost * 10))
}
at_most() { [ "$2" -le "$1" ] || { echo "$2 is above $1"; return 1; }; }

# --- LACP, balance-tcp ----------------------------------------------------------------------------

check "LACP agrees with stock" retry 20 all_enabled weft
check "stock agrees" retry 20 all_enabled stock
appctl weft lacp/show bond0 > "$T/lacp"
equal "both members are current" 2 "$(grep -c 'current attached' "$T/lacp")"
equal "lacp_current" true "$(vsctl weft get interface l1 lacp_current)"
check "guests reach each other" retry 10 can_ping a 10.0.0.2
equal "broadcasts over the bond arrive once" "50 0" "$(once a b)"
equal "also from there" "50 0" "$(once b a)"

one=$(tx l1) two=$(tx l2)
bond_py a flows 10.0.0.2 400
sleep 0.5
one=$(($(tx l1) - one)) two=$(($(tx l2) - two))
check "flows spread over the members ($one and $two)" test "$one" -gt 100 -a "$two" -gt 100

ms=$(outage ip -n peer link set r1 down)
# The peer has to notice, too; a busy machine takes its time.
check "failover, carrier lost: $ms ms" at_most 1500 "$ms"
equal "one member is left" 1 "$(appctl weft bond/show bond0 | grep -c 'may_enable: true')"
ip -n peer link set r1 up
check "the member comes back" retry 20 all_enabled weft
retry 20 all_enabled stock
ms=$(outage appctl weft bond/disable-member bond0 l2)
check "a member taken out by hand: $ms ms" at_most 1500 "$ms"
appctl weft bond/enable-member bond0 l2 > /dev/null

# --- Two plain ports at the other end --------------------------------------------------------------------

vsctl stock del-port bond0 -- add-port br-stock r1 -- add-port br-stock r2
vsctl weft set port bond0 lacp=off bond_mode=active-backup
check "active-backup carries" retry 10 can_ping a 10.0.0.2
equal "active-backup: once, no loop" "50 0" "$(once a b)"
equal "active-backup: likewise from there" "50 0" "$(once b a)"
active() { appctl weft bond/show bond0 | awk '/^member/ { m = $2 } /^  active member/ { sub(":", "", m); print m }'; }
was=$(active)
equal "bond_active_slave" "$(cat "/sys/class/net/$was/address")" \
	"$(vsctl weft get port bond0 bond_active_slave | tr -d '"')"
# From there: the other switch must learn where a is, which only learning packets tell it.
ms=$(FROM=b TO=10.0.0.1 outage ip link set "$was" down)
# Stock may learn the old place once more from what it had counted; it is told again.
check "active-backup failover, stations taught: $ms ms" at_most 1500 "$ms"
check "another member is active" test "$(active)" != "$was"
ip link set "$was" up

vsctl weft set port bond0 bond_mode=balance-slb
check "balance-slb carries" retry 10 can_ping a 10.0.0.2
equal "balance-slb: once, no reflection" "50 0" "$(once a b)"
equal "balance-slb: likewise from there" "50 0" "$(once b a)"

# --- BFD -----------------------------------------------------------------------------------------------------

vsctl stock add-port br-stock r3 tag=99 -- set interface r3 bfd:enable=true bfd:min_tx=100 bfd:min_rx=100
vsctl weft add-port br-weft l3 tag=99 -- set interface l3 bfd:enable=true bfd:min_tx=100 bfd:min_rx=100
bfd_is() { [ "$(vsctl weft get interface l3 "bfd_status:$1" | tr -d '"')" = "$2" ]; }
check "BFD comes up with stock" retry 10 bfd_is state up
check "and forwards" bfd_is forwarding true
sleep 1.5 # until both send at the rate for sessions that are up
vsctl stock set interface r3 bfd:enable=false
check "a silent partner is noticed" retry 3 bfd_is state down
vsctl stock set interface r3 bfd:enable=true
check "and comes back" retry 10 bfd_is state up
equal "flaps" 3 "$(vsctl weft get interface l3 bfd_status:flap_count | tr -d '"')"

# --- Policing ---------------------------------------------------------------------------------------------------

vsctl weft set interface va ingress_policing_rate=2000 ingress_policing_burst=200
bond_py b sink 7777 3 > "$T/sink" &
pid=$!
sleep 0.5
bond_py a blast 10.0.0.2 20 3.2
wait $pid
kbits=$(($(cat "$T/sink") * 8 / 3000))
check "ingress policing at 2000 kbit/s: $kbits" test "$kbits" -gt 600 -a "$kbits" -lt 2300
vsctl weft set interface va ingress_policing_rate=0
vsctl weft -- --id=@q create qos type=egress-policer other_config:cir=250000 other_config:cbs=20000 -- \
	set port va qos=@q > /dev/null
equal "qos/show" "QoS: va egress-policer" "$(appctl weft qos/show va | head -1)"
bond_py a sink 7777 3 > "$T/sink" &
pid=$!
sleep 0.5
bond_py b blast 10.0.0.1 20 3.2
wait $pid
kbits=$(($(cat "$T/sink") * 8 / 3000))
check "egress-policer at 2000 kbit/s: $kbits" test "$kbits" -gt 600 -a "$kbits" -lt 2300

# --- Queue:dscp ----------------------------------------------------------------------------------------

vsctl weft -- --id=@q1 create queue dscp=10 -- \
	--id=@q create qos type=egress-policer other_config:cir=10000000 other_config:cbs=1000000 queues:1=@q1 -- \
	set port va qos=@q > /dev/null
# marked ACTIONS: a packet that leaves by va's queue 1 comes with DSCP 10 (and others without).
marked() {
	rm -f "$T/dscp"
	ofctl weft add-flow br-weft "udp,tp_dst=7778,actions=$1"
	ip netns exec a timeout 5 tcpdump -Z root -lnni eth0 -c 1 'udp dst port 7778 and ip[1] & 0xfc == 0x28' > "$T/dscp" 2>&1 &
	local dump=$!
	retry 5 grep listening "$T/dscp"
	ip netns exec b bash -c 'echo x > /dev/udp/10.0.0.1/7778'
	wait $dump
}
check "Queue:dscp marks what NORMAL sends" retry 25 marked set_queue:1,NORMAL
check "and what an output sends" retry 25 marked "set_queue:1,output:va"
ofctl weft del-flows br-weft udp,tp_dst=7778
vsctl weft clear port va qos

# --- linux-htb: 4000 kbit/s, of which queue 1 may have 1500 ---------------------------------------------------

vsctl weft -- --id=@d create queue other_config:max-rate=4000000 -- \
	--id=@q1 create queue other_config:max-rate=1500000 -- \
	--id=@q create qos type=linux-htb other_config:max-rate=4000000 queues:0=@d queues:1=@q1 -- \
	set port va qos=@q > /dev/null
if tc qdisc show dev va | grep htb > /dev/null; then
	equal "qos/show of linux-htb" "QoS: va linux-htb" "$(appctl weft qos/show va | head -1)"
	rate() {
		bond_py a sink 7777 3 > "$T/sink" &
		pid=$!
		sleep 0.5
		bond_py b blast 10.0.0.1 20 3.2
		wait $pid
		echo $(($(cat "$T/sink") * 8 / 3000))
	}
	kbits=$(rate)
	check "linux-htb, default queue at 4000 kbit/s: $kbits" test "$kbits" -gt 2800 -a "$kbits" -lt 4300
	sleep 3 # what the first one left in the queue is gone
	ofctl weft add-flow br-weft 'udp,tp_dst=7777,actions=set_queue:1,NORMAL'
	kbits=$(rate)
	if [ "$(uname -r | awk -F. '{ print $1 * 1000 + $2 }')" -ge 6014 ]; then
		check "linux-htb, queue 1 at 1500 kbit/s: $kbits" test "$kbits" -gt 1000 -a "$kbits" -lt 1700
	else
		skip "linux-htb, queue 1" "this kernel takes no queue with a packet"
	fi
	vsctl weft clear port va qos
	check "the qdisc goes" sh -c '! tc qdisc show dev va | grep -q htb'
else
	skip linux-htb "the kernel has no htb"
	check "an error names it" grep -q 'linux-htb' "$T/weft/ovs-vswitchd.log"
fi

check "weft is alive" alive weft
finish
