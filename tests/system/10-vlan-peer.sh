#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   hw --pw [ weft ] lw ====veth==== ls [ stock ] ps-- hs
#
# Stock Open vSwitch (userspace) is the peer on the other end of the link: VLAN, QinQ and MPLS in
# both directions.  vlan_peer.py sends packets at one host end, and compares whole packets on the
# link with what the standards say, and at the far host end with what was sent.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
[ -x $STOCK_SWITCHD ] || { skip vlan-peer "openvswitch-switch is not installed"; exit 0; }
/usr/bin/python3 -c 'import scapy' 2> /dev/null || { skip vlan-peer "python3-scapy is not installed"; exit 0; }

# No router solicitations between the packets that are compared.
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2> /dev/null || true
ns_add peer
ip netns exec peer sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6' 2> /dev/null || true
SWITCH_NS[stock]=peer
ip link add hw type veth peer name pw
ip link add hs type veth peer name ps netns peer
ip link add lw type veth peer name ls netns peer
# Room for three tags on a full-size packet.
for d in hw pw hs lw; do
	ip link set $d mtu 1600 up
done
for d in ps ls; do
	ip -n peer link set $d mtu 1600 up
done

db_start weft
db_start stock
for s in weft stock; do
	# Open vSwitch looks at one VLAN tag only, unless told.
	vsctl $s --no-wait set Open_vSwitch . other_config:vlan-limit=2
	daemon_start $s $s
	vsctl $s add-br br-$s -- set bridge br-$s datapath_type=netdev fail_mode=secure \
		protocols=OpenFlow10,OpenFlow13,OpenFlow14
done
vsctl weft add-port br-weft pw -- set interface pw ofport_request=1 -- \
	add-port br-weft lw -- set interface lw ofport_request=2
vsctl stock add-port br-stock ps -- set interface ps ofport_request=1 -- \
	add-port br-stock ls -- set interface ls ofport_request=2

/usr/bin/python3 -B "$ROOT/tests/system/vlan_peer.py" "$T" > "$T/results" || true
take_results "$T/results"
check "weft is alive" alive weft
finish
