#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   h0 [ br-int ] tunnel ports          [ br-phy ] phy --- eth0, vxlan devices: ns peer (the kernel)
#                 outer packets through br-phy's local port, 172.16.0.1 and fd16::1
#
# Tunnels that end on one of our bridges, against the kernel's VXLAN.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need iperf3 ping ethtool

switch_start s1
vsctl s1 add-br br-phy -- set bridge br-phy datapath_type=netdev \
	-- add-br br-int -- set bridge br-int datapath_type=netdev \
	-- add-port br-int h0 -- set interface h0 type=internal
ns_add peer
port s1 br-phy peer "172.16.0.2/24 fd16::2/64"
ip addr add 172.16.0.1/24 dev br-phy
ip addr add fd16::1/64 dev br-phy nodad
ip link set br-phy up
ip link set h0 mtu 1400
ip addr add 10.9.0.1/24 dev h0
ip link set h0 up

# peer_vxlan NAME ID LOCAL REMOTE ADDRESS: the kernel's end.
peer_vxlan() {
	ip -n peer link add "$1" type vxlan id "$2" local "$3" remote "$4" dstport 4789 udp6zerocsumrx
	ip -n peer link set "$1" mtu 1400 up
	ip -n peer addr add "$5" dev "$1"
}
drops() { appctl s1 coverage/read-counter "drop_$1" 2> /dev/null || echo 0; }

vsctl s1 add-port br-int vx -- set interface vx type=vxlan options:remote_ip=172.16.0.2 options:key=7
peer_vxlan vx7 7 172.16.0.2 172.16.0.1 10.9.0.2/24
check "underlay: ping" can_ping peer 172.16.0.1
check "VXLAN over IPv4: ping from the kernel" retry 5 can_ping peer 10.9.0.1
check "VXLAN over IPv4: ping to the kernel" ping -c 3 -i 0.2 -W 2 10.9.0.2
check "the neighbour was learned" grep -q 172.16.0.2 <(appctl s1 tnl/neigh/show)
check "the endpoint is shown" grep -q "vxlan_sys_4789 (4789) ref_cnt=1" <(appctl s1 tnl/ports/show)
check "packets are counted" test "$(vsctl s1 get interface vx statistics:rx_packets)" -ge 0

ip netns exec peer iperf3 -s -D -I "$T/iperf.pid"
retry 5 test -s "$T/iperf.pid" || true
check "TCP into the tunnel, segmented before the push" retry 60 timeout 20 iperf3 -c 10.9.0.2 -n 20M
check "TCP out of the tunnel, segmentation left to us" retry 60 timeout 20 iperf3 -c 10.9.0.2 -n 20M -R

before=$(appctl s1 dpif/show | wc -l)
peer_vxlan vx8 8 172.16.0.2 172.16.0.1 10.8.0.2/24
ip netns exec peer ping -c 2 -W 1 10.8.0.1 > /dev/null 2>&1 || true
check "a VNI that no port has is dropped by name" \
	grep -q tunnel_no_port <(appctl s1 coverage/show)

vsctl s1 add-port br-int vx6 -- set interface vx6 type=vxlan options:remote_ip=fd16::2 options:key=9
peer_vxlan vx9 9 fd16::2 fd16::1 10.9.6.2/24
ip addr add 10.9.6.1/24 dev h0
check "VXLAN over IPv6" retry 5 ping -c 3 -i 0.2 -W 2 10.9.6.2

vsctl s1 set interface vx options:key=70
check "another key: the tunnel is gone" cannot_ping peer 10.9.0.1
vsctl s1 set interface vx options:key=flow options:remote_ip=flow
ofctl s1 add-flow br-int "priority=10,in_port=h0,actions=set_field:7->tun_id,set_field:172.16.0.2->tun_dst,output:vx"
ofctl s1 add-flow br-int "priority=10,in_port=vx,tun_id=7,tun_src=172.16.0.2,actions=output:h0"
ofctl s1 add-flow br-int "priority=5,in_port=vx,actions=drop"
check "remote address and key by the flow" retry 5 can_ping peer 10.9.0.1
check "and matched on the way in" test "$(ofctl s1 dump-flows br-int | sed -n 's/.*n_packets=\([0-9]*\).*tun_id=0x7.*/\1/p')" -ge 2
check "the trace says what happens" grep -q "tnl_push(tnl_port(4789).*vni=0x7" \
	<(appctl s1 ofproto/trace br-int in_port=h0)
# The address of another port of the bridge than its local one.
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
vsctl s1 add-br br-vt -- set bridge br-vt datapath_type=netdev -- add-port br-phy vt0 -- set interface vt0 type=internal \
	-- add-port br-vt h17 -- set interface h17 type=internal \
	-- add-port br-vt vx17 -- set interface vx17 type=vxlan options:remote_ip=172.17.0.2 options:key=17
ip addr add 172.17.0.1/24 dev vt0
ip link set vt0 up
ip link set h17 mtu 1400
ip addr add 10.17.0.1/24 dev h17
ip link set h17 up
ip -n peer addr add 172.17.0.2/24 dev eth0
peer_vxlan vx17 17 172.17.0.2 172.17.0.1 10.17.0.2/24
check "an address on an internal port: ping to the kernel" retry 5 ping -c 3 -i 0.2 -W 2 10.17.0.2
check "and from it" retry 5 can_ping peer 10.17.0.1
check "the neighbour is the bridge's" grep -q "172.17.0.2 .*br-phy" <(appctl s1 tnl/neigh/show)
vt0=$(appctl s1 dpif/show | awk '$1 == "vt0" { sub(".*/", "", $2); sub(":", "", $2); print $2 }')
check "out by the port that has the address" grep -q "vni=0x11)),out_port($vt0))" \
	<(appctl s1 ofproto/trace br-vt in_port=h17,dl_dst=00:00:00:00:00:01)
check "TCP through it" retry 60 timeout 20 iperf3 -c 10.17.0.2 -n 5M
# More routes at once than the socket that tells of them holds.
vsctl s1 add-port br-int far -- set interface far type=vxlan options:remote_ip=198.51.100.9 ofport_request=90
ofctl s1 add-flow br-int in_port=91,actions=output:90
appctl s1 tnl/neigh/set br-phy 172.16.0.77 00:00:00:00:00:77 > /dev/null
goes_by_bridge() {
	! appctl s1 ofproto/trace br-int in_port=91 | grep '^Datapath actions:.*set(tunnel(dst=198.51.100.9' > /dev/null
}
check "no route: it is left to the kernel" eval '! goes_by_bridge'
kill -STOP "$(daemon_pid s1)"
{
	seq -f 'route add 10.%.0f.0.0/24 via 172.16.0.77 dev br-phy' 100 200
	for i in $(seq 0 59); do
		seq -f "route add 11.$i.%.0f.0/24 via 172.16.0.77 dev br-phy" 0 255
	done
	echo "route add 198.51.100.0/24 via 172.16.0.77 dev br-phy"
} | ip -batch -
kill -CONT "$(daemon_pid s1)"
check "a route that came with 15,000 others is seen" retry 30 goes_by_bridge
vsctl s1 del-port far
vsctl s1 del-port vx
check "without the port it is over" cannot_ping peer 10.9.0.1
check "the switch is alive" vsctl s1 --timeout=5 add-br br-later
finish
