#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   h0 [ br-int ] tunnel ports      nic0 --- eth0, vxlan devices: ns peer (the kernel)
#                                   nic1 --- [ br-phy ]  tunnel ports [ br-stock ] hs: ns stock
#
# Tunnels that end on addresses of the host itself, without a bridge of ours under them: VXLAN against the
# kernel's, GRE, Geneve and ERSPAN against Open vSwitch.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need iperf3 ping tcpdump

switch_start s1
vsctl s1 add-br br-int -- add-port br-int h0 -- set interface h0 type=internal
ns_add peer
veth nic0 peer eth0 172.16.0.2/24 fd16::2/64
ip addr add 172.16.0.1/24 dev nic0
ip addr add fd16::1/64 dev nic0 nodad
ip link set h0 mtu 1400
for n in 0 6 1 2 3; do
	ip addr add 10.9.$n.1/24 dev h0
done
ip link set h0 up

# peer_vxlan NAME ID LOCAL REMOTE ADDRESS: the kernel's end.
peer_vxlan() {
	ip -n peer link add "$1" type vxlan id "$2" local "$3" remote "$4" dstport 4789 udp6zerocsumrx
	ip -n peer link set "$1" mtu 1400 up
	ip -n peer addr add "$5" dev "$1"
}
counted() { appctl s1 coverage/show | grep "$1" > /dev/null; }

# --- The kernel's VXLAN ---------------------------------------------------------------------------

vsctl s1 add-port br-int vx -- set interface vx type=vxlan options:remote_ip=172.16.0.2 options:key=7
peer_vxlan vx7 7 172.16.0.2 172.16.0.1 10.9.0.2/24
check "VXLAN over IPv4: ping from the kernel" retry 10 can_ping peer 10.9.0.1
check "VXLAN over IPv4: ping to the kernel" ping -c 3 -i 0.2 -W 2 10.9.0.2
ip netns exec peer iperf3 -s -D -I "$T/iperf.pid"
retry 5 test -s "$T/iperf.pid" || true
check "TCP into the tunnel" retry 60 timeout 30 iperf3 -c 10.9.0.2 -n 20M
check "TCP out of the tunnel, segmentation left to us" retry 60 timeout 30 iperf3 -c 10.9.0.2 -n 20M -R

# An ARP of ours that fails counts as well: the messages are looked for on the wire.
ip netns exec peer timeout 60 tcpdump -lnni eth0 'icmp[icmptype] == icmp-unreach and src 172.16.0.1' > "$T/unreachable" 2> /dev/null &
dump=$!
peer_vxlan vx8 8 172.16.0.2 172.16.0.1 10.8.0.2/24
ip netns exec peer ping -c 2 -W 1 10.8.0.1 > /dev/null 2>&1 || true
check "a VNI that no port has is dropped by name" counted tunnel_no_port
ip -n peer addr add 172.16.0.3/24 dev eth0
ip -n peer link del vx7
peer_vxlan vxs 7 172.16.0.3 172.16.0.1 10.7.0.2/24
appctl s1 coverage/show > "$T/coverage.1"
ip netns exec peer ping -c 2 -W 1 10.7.0.1 > /dev/null 2>&1 || true
n=$(sed -n 's/.*tunnel_no_port.*total: *\([0-9]*\).*/\1/p' "$T/coverage.1")
more() { [ "$(appctl s1 coverage/show | sed -n 's/.*tunnel_no_port.*total: *\([0-9]*\).*/\1/p')" -gt "${n:-0}" ]; }
check "the key from an endpoint that is not configured is dropped and counted" retry 5 more
kill $dump 2> /dev/null || true
equal "nobody was told that a port is unreachable" "" "$(cat "$T/unreachable")"
ip -n peer link del vxs
peer_vxlan vx7 7 172.16.0.2 172.16.0.1 10.9.0.2/24

vsctl s1 add-port br-int vx6 -- set interface vx6 type=vxlan options:remote_ip=fd16::2 options:key=9
peer_vxlan vx9 9 fd16::2 fd16::1 10.9.6.2/24
check "VXLAN over IPv6" retry 10 ping -c 2 -i 0.2 -W 2 10.9.6.2

# --- Path MTU and fragments -----------------------------------------------------------------------

ip link set h0 mtu 1500
ip -n peer link set vx7 mtu 1500
ip netns exec peer ping -c 1 -W 2 -s 1460 10.9.0.1 > /dev/null 2>&1 || true
check "too large for the path with DF: dropped by name" counted out_mtu
vsctl s1 set interface vx options:df_default=false
ip -n peer link set vx7 type vxlan df unset 2> /dev/null || true
check "without DF it goes in fragments, both ways" retry 10 ping -c 1 -W 2 -s 1460 -M dont 10.9.0.2
vsctl s1 remove interface vx options df_default
ip link set h0 mtu 1400

# --- Open vSwitch ---------------------------------------------------------------------------------

if [ ! -x $STOCK_SWITCHD ]; then
	skip "tunnels of Open vSwitch" "openvswitch-switch is not installed"
	finish
fi
ns_add stock
SWITCH_NS[s2]=stock
veth nic1 stock eth0
ip addr add 172.17.0.1/24 dev nic1
ip addr add fd17::1/64 dev nic1 nodad
ip netns exec stock ethtool -K eth0 tx off > /dev/null 2>&1 || true
ethtool -K nic1 tx off > /dev/null 2>&1 || true
switch_start s2 stock
vsctl s2 add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy eth0 \
	-- add-br br-stock -- set bridge br-stock datapath_type=netdev \
	-- add-port br-stock hs -- set interface hs type=internal
ip -n stock addr add 172.17.0.2/24 dev br-phy
ip -n stock addr add fd17::2/64 dev br-phy nodad
ip -n stock link set br-phy up
ip netns exec stock ethtool -K hs tx off > /dev/null 2>&1 || true
ip -n stock link set hs mtu 1300 up
ip -n stock addr add 10.9.1.2/24 dev hs

# both TYPE OPTIONS...: the same tunnel at both ends, over IPv4 or IPv6; pings through it.
both() {
	local what=$1 type=$2 local=$3 remote=$4
	shift 4
	vsctl s1 --if-exists del-port br-int t -- add-port br-int t -- set interface t type="$type" \
		options:remote_ip="$remote" options:local_ip="$local" "$@"
	vsctl s2 --if-exists del-port br-stock t -- add-port br-stock t -- set interface t type="$type" \
		options:remote_ip="$local" options:local_ip="$remote" "$@"
	check "$what" retry 15 ping -c 2 -i 0.2 -W 1 10.9.1.2
}
vsctl s1 del-port vx -- del-port vx6
both "GRE" gre 172.17.0.1 172.17.0.2
both "GRE with key and checksum" gre 172.17.0.1 172.17.0.2 options:key=123456 options:csum=true
both "GRE with sequence numbers" gre 172.17.0.1 172.17.0.2 options:key=123456 options:seq=true
both "GRE over IPv6" gre fd17::1 fd17::2 options:key=5
both "Geneve" geneve 172.17.0.1 172.17.0.2 options:key=77
both "Geneve over IPv6" geneve fd17::1 fd17::2 options:key=77 options:csum=true
both "ERSPAN type II" erspan 172.17.0.1 172.17.0.2 options:key=10 options:erspan_ver=1 options:erspan_idx=3
both "ERSPAN type III" erspan 172.17.0.1 172.17.0.2 options:key=10 options:erspan_ver=2 options:erspan_dir=1 \
	options:erspan_hwid=4
both "VXLAN with a policy" vxlan 172.17.0.1 172.17.0.2 options:key=3 options:exts=gbp

# --- BFD inside tunnels ---------------------------------------------------------------------------

both "VXLAN without one" vxlan 172.17.0.1 172.17.0.2 options:key=3
bfd_is() { [ "$(vsctl "$1" get interface t "bfd_status:$2" | tr -d '"')" = "$3" ]; }
vsctl s1 set interface t bfd:enable=true bfd:min_rx=200 bfd:min_tx=200
vsctl s2 set interface t bfd:enable=true bfd:min_rx=200 bfd:min_tx=200
check "BFD in the tunnel is up here" retry 20 bfd_is s1 state up
check "and at the peer" retry 20 bfd_is s2 state up
check "forwarding" retry 5 bfd_is s1 forwarding true
vsctl s2 set interface t bfd:enable=false
check "and down when the peer stops" retry 20 bfd_is s1 state down
vsctl s1 set interface t bfd:enable=false
check "ordinary packets pass all the while" ping -c 2 -i 0.2 -W 2 10.9.1.2


# The port is the kernel's again when no tunnel needs it.
vsctl s1 del-port t
free_again() { ip link add vxt type vxlan id 5 dstport 4789 remote 172.16.0.9 && ip link set vxt up; }
check "the UDP port is given back" retry 5 free_again
vsctl s1 add-port br-int vx -- set interface vx type=vxlan options:remote_ip=172.16.0.2 options:key=7
held() { grep "UDP port 4789 of the host cannot be had" "$T/s1/ovs-vswitchd.log"; }
check "the log says who cannot have it" retry 5 held
ip link del vxt
check "and it is taken as soon as it is free" retry 15 can_ping peer 10.9.0.1
check "the switch is alive" alive s1
finish
