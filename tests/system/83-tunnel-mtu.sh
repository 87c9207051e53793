#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   ns guest eth0 --- [ br-int ] tunnel port    172.16.0.1 --- ns router --- 172.17.0.2 vx: ns peer (the kernel)
#       mtu 1500                                   mtu 1500            mtu 1400
#
# options:pmtud: who sends into a tunnel what the path does not take is told so by ICMP, and sends less.  The
# underlay is a plain NIC first, then a bridge of ours.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need iperf3 ping

switch_start s1
vsctl s1 add-br br-int
ns_add guest router peer
port s1 br-int guest "10.5.0.1/24 fd05::1/64"
veth nic0 router eth0 172.16.0.254/24
ip addr add 172.16.0.1/24 dev nic0
ip route add 172.17.0.0/24 via 172.16.0.254
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
ip -n router link add eth1 type veth peer name eth0 netns peer
ip -n router addr add 172.17.0.254/24 dev eth1
ip -n peer addr add 172.17.0.2/24 dev eth0
ip -n router link set eth1 up
ip -n peer link set eth0 up
ip -n peer route add 172.16.0.0/24 via 172.17.0.254
ip -n peer link add vx type vxlan id 7 local 172.17.0.2 remote 172.16.0.1 dstport 4789
ip -n peer link set vx mtu 1280 up
ip -n peer addr add 10.5.0.2/24 dev vx
ip -n peer addr add fd05::2/64 dev vx nodad
vsctl s1 add-port br-int vx -- set interface vx type=vxlan options:remote_ip=172.17.0.2 options:key=7

narrow() { ip -n router link set eth1 mtu "$1"; ip -n peer link set eth0 mtu "$1"; }
# What the guest has learned of the path to the peer.
knows() { ip -n guest route get "$1" | grep "mtu $2" > /dev/null; }
# What was learned of paths goes with the route.
forget() {
	ip -n guest addr flush dev eth0
	ip -n guest addr add 10.5.0.1/24 dev eth0
	ip -n guest addr add fd05::1/64 dev eth0 nodad
}
big_ping() { ip netns exec guest ping -c 1 -W 1 -M do -s "$1" "$2"; }
told() { big_ping "$1" "$2" > /dev/null 2>&1 || true; knows "$2" "$3"; }
tcp() { timeout 40 ip netns exec guest iperf3 -c "$1" -n 4M --connect-timeout 5000; }
dropped() { appctl s1 coverage/read-counter drop_tunnel_too_big 2> /dev/null || echo 0; }
ip netns exec peer iperf3 -s -D -I "$T/iperf.pid"
retry 5 test -s "$T/iperf.pid" || true

check "packets that fit pass" retry 10 can_ping guest 10.5.0.2

# --- The host's own address -----------------------------------------------------------------------

narrow 1400
big_ping 1460 10.5.0.2 > "$T/quiet" 2>&1 || true
check "off by default: nobody is told" eval '! knows 10.5.0.2 "[0-9]" && [ "$(dropped)" = 0 ]'
vsctl s1 set interface vx options:pmtud=true
check "the port shows it" retry 5 eval 'appctl s1 dpif/show | grep "pmtud=true" > /dev/null'
narrow 1500
check "ICMP says what the device takes: 1500 less 50" retry 10 told 1460 10.5.0.2 1450
check "its source is the packet's own destination" retry 5 eval \
	'forget; big_ping 1470 10.5.0.2 > "$T/says" 2>&1; grep -i "from 10.5.0.2.*mtu = 1450" "$T/says"'
check "ICMPv6 as well" retry 10 told 1440 fd05::2 1450
check "without DF nobody is told" eval \
	'forget; ip netns exec guest ping -c 1 -W 1 -M dont -s 1460 10.5.0.2 > /dev/null 2>&1; ! knows 10.5.0.2 "[0-9]"'

narrow 1400
forget
check "a router's message to the host reaches the guest: 1400 less 50" retry 20 told 1400 10.5.0.2 1350
check "the guest's IPv6 learns it, too" retry 20 told 1380 fd05::2 1350
forget
check "TCP of the guest shrinks to the path" retry 60 tcp 10.5.0.2
check "over IPv6, too" retry 60 tcp fd05::2
check "what did not fit was dropped by name" test "$(dropped)" -gt 0

set_pmtud() { vsctl s1 set interface vx "options:pmtud=$1" 2> /dev/null || true; }
set_pmtud yes
check "another value is refused with its reason" retry 5 eval \
	'vsctl s1 get interface vx error | grep "vx: vxlan tunnel: options:pmtud=yes: must be" > /dev/null'
set_pmtud true
check "and the right one heals it" retry 10 can_ping guest 10.5.0.2

# --- A bridge of ours under the tunnel ----------------------------------------------------------------

vsctl s1 add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy nic0 \
	-- set bridge br-int datapath_type=netdev
ip addr del 172.16.0.1/24 dev nic0
ip addr add 172.16.0.1/24 dev br-phy
ip link set br-phy mtu 1500 up
ip route replace 172.17.0.0/24 via 172.16.0.254
ip -n router neigh flush all
narrow 1500
forget
check "through a bridge: packets that fit pass" retry 20 can_ping guest 10.5.0.2
check "ICMP says what the bridge takes" retry 10 told 1460 10.5.0.2 1450
narrow 1400
forget
check "a router's message to the bridge reaches the guest" retry 20 told 1400 10.5.0.2 1350
forget
check "TCP shrinks to the path" retry 60 tcp 10.5.0.2
vsctl s1 set interface br-phy mtu_request=1390
forget
check "the bridge's own MTU counts as it changes" retry 10 told 1320 10.5.0.2 1340
check "the switch is alive" alive s1
finish
