#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 180
#
#   h0 [ br-int ] vxg, vxp      nic0 --- eth0: ns peer (the kernel's VXLAN with gbp, and with gpe)
#
# VXLAN's extensions against the kernel's: the policy of GBP as the mark of the kernel's packets, both ways, and in the
# bytes on the wire; GPE with IP packets without Ethernet header.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ping tcpdump

switch_start s1
vsctl s1 add-br br-int -- add-port br-int h0 -- set interface h0 type=internal ofport_request=1
ns_add peer
veth nic0 peer eth0 172.16.0.2/24
ip addr add 172.16.0.1/24 dev nic0
ip addr add 10.9.0.1/24 dev h0
ip link set h0 mtu 1400 up

# on_wire FILTER COMMAND...: does a packet of this kind pass while the command runs?
on_wire() {
	local filter=$1 pid rc=0
	shift
	rm -f "$T/wire"
	ip netns exec peer timeout 8 tcpdump -Z root -lnni eth0 -c 1 "$filter" > "$T/wire" 2>&1 &
	pid=$!
	retry 5 grep listening "$T/wire"
	"$@" > /dev/null 2>&1 || true
	wait $pid || rc=$?
	return $rc
}
packets() { ofctl s1 dump-flows br-int "$1" | sed -n 's/.*n_packets=\([0-9]*\).*/\1/p' | tail -1; }
more_than() { [ "$(packets "$2")" -gt "$1" ]; }

# --- GBP --------------------------------------------------------------------------------------------

if ip -n peer link add vxg type vxlan id 21 gbp local 172.16.0.2 remote 172.16.0.1 dstport 4790 2> /dev/null; then
	ip -n peer link set vxg mtu 1400 up
	ip -n peer addr add 10.9.0.2/24 dev vxg
	# An answer has the mark of the question.
	ip netns exec peer sysctl -qw net.ipv4.fwmark_reflect=1
	vsctl s1 add-port br-int vxg -- set interface vxg type=vxlan options:remote_ip=172.16.0.2 \
		options:key=21 options:dst_port=4790 options:exts=gbp ofport_request=2
	check "GBP: ping without a policy" retry 15 ping -c 1 -W 1 10.9.0.2

	ofctl s1 add-flow br-int "priority=9,icmp,in_port=1,actions=set_field:0x1234->tun_gbp_id,NORMAL"
	ofctl s1 add-flow br-int "priority=9,icmp,in_port=2,tun_gbp_id=0x1234,actions=NORMAL"
	ofctl s1 add-flow br-int "priority=8,icmp,in_port=2,actions=drop"
	check "the policy of a flow is the kernel's mark, and the mark of its answer the policy that a flow matches" \
		retry 15 ping -c 1 -W 1 10.9.0.2
	check "these packets were counted there" more_than 0 "in_port=2,icmp,tun_gbp_id=0x1234"
	check "ours on the wire: G and I bits, the policy, the VNI" on_wire \
		'src 172.16.0.1 and udp dst port 4790 and udp[8:4] == 0x88001234 and udp[12:4] == 0x1500' ping -c 2 -W 1 10.9.0.2
	check "the kernel's on the wire is the same" on_wire \
		'src 172.16.0.2 and udp dst port 4790 and udp[8:4] == 0x88001234 and udp[12:4] == 0x1500' ping -c 2 -W 1 10.9.0.2

	ofctl s1 add-flow br-int "priority=10,icmp,in_port=2,tun_gbp_id=0x77,actions=IN_PORT"
	ip netns exec peer ping -m 119 -c 1 -W 1 10.9.0.1 > /dev/null 2>&1 || true
	check "a packet that the kernel marked comes with that policy" retry 5 more_than 0 "in_port=2,icmp,tun_gbp_id=0x77"
	ip netns exec peer ping -m 120 -c 1 -W 1 10.9.0.1 > /dev/null 2>&1 || true
	check "and one with another policy does not" retry 5 eval 'ofctl s1 dump-flows br-int | grep "n_packets=[1-9].*priority=8,.*actions=drop" > /dev/null'
	ofctl s1 del-flows br-int icmp
	vsctl s1 del-port vxg
	ip -n peer link del vxg
else
	skip "GBP" "the kernel has no VXLAN with gbp"
fi

# --- GPE --------------------------------------------------------------------------------------------

# The kernel's is a device of IP packets whose outer addresses are those of a route.
gpe_device() {
	ip -n peer link add vxp type vxlan dstport 4791 external gpe udpcsum &&
		ip -n peer link set vxp mtu 1400 up &&
		ip -n peer addr add 10.8.0.2/32 dev vxp &&
		ip -n peer route add 10.8.0.1/32 encap ip id 9 dst 172.16.0.1 dev vxp src 10.8.0.2
}
if gpe_device 2> /dev/null; then
	vsctl s1 add-port br-int vxp -- set interface vxp type=vxlan options:remote_ip=172.16.0.2 \
		options:key=9 options:dst_port=4791 options:exts=gpe options:packet_type=legacy_l3 ofport_request=3
	ip addr add 10.8.0.1/24 dev h0
	mac=$(cat /sys/class/net/h0/address)
	ip neigh replace 10.8.0.2 lladdr 02:00:00:00:00:99 dev h0
	ofctl s1 add-flow br-int "priority=20,ip,nw_dst=10.8.0.2,actions=output:3"
	ofctl s1 add-flow br-int "priority=20,ip,in_port=3,actions=mod_dl_dst:$mac,output:1"
	check "GPE: IP packets to the kernel and back" retry 15 ping -c 1 -W 1 10.8.0.2
	check "on the wire: I and P bits, IPv4 as the next protocol, the VNI" on_wire \
		'src 172.16.0.1 and udp dst port 4791 and udp[8:4] == 0x0c000001 and udp[12:4] == 0x900' ping -c 2 -W 1 10.8.0.2
	check "the kernel's is the same" on_wire \
		'src 172.16.0.2 and udp dst port 4791 and udp[8:4] == 0x0c000001 and udp[12:4] == 0x900' ping -c 2 -W 1 10.8.0.2
else
	skip "GPE" "the kernel has no VXLAN with gpe"
fi
check "the switch is alive" alive s1
finish
