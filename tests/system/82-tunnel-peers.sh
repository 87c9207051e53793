#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
#   hw --pw [ br-weft ] tunnel      [ br-phy ] lw ====veth==== ls [ br-phy ]      tunnel [ br-stock ] ps-- hs
#                    172.16.0.1, fd16::1                       172.16.0.2, fd16::2
#
# Each kind of tunnel between us and Open vSwitch's user space, both ways, over IPv4 and IPv6: the inner
# packets arrive as they were sent, and both switches make the same outer headers; LISP, which Open vSwitch's user
# space lacks, byte by byte.  tunnel_peer.py has the cases.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
[ -x $STOCK_SWITCHD ] || { skip tunnel-peers "openvswitch-switch is not installed"; exit 0; }
/usr/bin/python3 -c 'import scapy' 2> /dev/null || { skip tunnel-peers "python3-scapy is not installed"; exit 0; }

ns_add peer
SWITCH_NS[stock]=peer
ip link add hw type veth peer name pw
ip link add hs type veth peer name ps netns peer
ip link add lw type veth peer name ls netns peer
for d in hw pw hs lw; do
	echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6 2> /dev/null || true
	ip link set $d mtu 2000 up
done
for d in ps ls; do
	ip netns exec peer sh -c "echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6" 2> /dev/null || true
	ip -n peer link set $d mtu 2000 up
done
db_start weft
db_start stock
for s in weft stock; do
	daemon_start $s $s
	vsctl $s add-br br-$s -- set bridge br-$s datapath_type=netdev fail_mode=secure \
		protocols=OpenFlow10,OpenFlow13,OpenFlow14 \
		-- add-br br-phy -- set bridge br-phy datapath_type=netdev
done
vsctl weft add-port br-weft pw -- set interface pw ofport_request=1 -- add-port br-phy lw
vsctl stock add-port br-stock ps -- set interface ps ofport_request=1 -- add-port br-phy ls
ip addr add 172.16.0.1/24 dev br-phy
ip addr add fd16::1/64 dev br-phy nodad
ip link set br-phy up
ip -n peer addr add 172.16.0.2/24 dev br-phy
ip -n peer addr add fd16::2/64 dev br-phy nodad
ip -n peer link set br-phy up

/usr/bin/python3 -B "$ROOT/tests/system/tunnel_peer.py" "$T" > "$T/results" || true
take_results "$T/results"
check "weft is alive" alive weft
finish
