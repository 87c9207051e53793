#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   br0 LOCAL 10.0.0.1 [ br0, secure, no flows ] v-c --- ns c: a controller, 10.0.0.9:6653
#                                                v-x --- ns x: 10.0.0.3
#
# In-band control: the controller is reached through the bridge it controls, by hidden flows.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ping

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 fail_mode=secure
ns_add c x
port s1 br0 c 10.0.0.9/24
port s1 br0 x 10.0.0.3/24
ip addr add 10.0.0.1/24 dev br0
ip link set br0 up
# It says hello and nothing else.
ip netns exec c /usr/bin/python3 -c '
import socket
s = socket.create_server(("10.0.0.9", 6653))
while True:
    c, _ = s.accept()
    c.sendall(bytes.fromhex("0100000800000001"))
    while c.recv(65536):
        pass' &

connected() { [ "$(vsctl s1 get controller br0 is_connected)" = true ]; }
hidden() { appctl s1 bridge/dump-flows br0 | grep -c "priority=1800"; }
has_hidden() { appctl s1 bridge/dump-flows br0 | grep "$1" > /dev/null; }
trace() { appctl s1 ofproto/trace br0 "$1" | tail -1; }

ping -n -q -c 1 -w 1 10.0.0.9 > /dev/null && fail "without flows nothing passes" "ping" || ok "without flows nothing passes"
vsctl s1 set-controller br0 tcp:10.0.0.9:6653 -- set controller br0 inactivity_probe=0
check "the controller is reached through its switch" retry 15 connected
check "by hidden flows" retry 3 has_hidden 'priority=180007,tcp,nw_dst=10.0.0.9,tp_dst=6653,actions=NORMAL'
check "also to the MAC of the next hop" retry 5 has_hidden \
	"priority=180003,arp,dl_dst=$(ip netns exec c cat /sys/class/net/eth0/address),arp_op=2"
equal "which controllers do not see" "" "$(ofctl s1 dump-flows br0 | grep NORMAL)"
equal "and which are not counted" "active=0" "$(ofctl s1 dump-tables br0 | grep -o 'active=[0-9]*' | head -1)"
ping -n -q -c 1 -w 1 10.0.0.9 > /dev/null && fail "other traffic is left to the flows" "ping" || ok "other traffic is left to the flows"

ofctl s1 add-flow br0 actions=drop
bcast=in_port=v-x,udp,dl_src=0a:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,nw_src=10.0.0.3,nw_dst=255.255.255.255,nw_ttl=64
local=$(appctl s1 dpif/show | sed -n 's|.* br0 65534/\([0-9]*\):.*|\1|p')
equal "replies of DHCP servers reach the local port" "Datapath actions: $local" "$(trace "$bcast,udp_src=67,udp_dst=68")"
equal "other broadcasts are left to the flows" "Datapath actions: drop" "$(trace "$bcast,udp_src=67,udp_dst=69")"

vsctl s1 set bridge br0 other_config:in-band-queue=7
check "in-band-queue is set on them" retry 3 has_hidden \
	"priority=180007.*actions=set_queue:7,NORMAL"
check "and the session lives on" connected
vsctl s1 set bridge br0 other_config:disable-in-band=true
equal "disable-in-band takes them away" 0 "$(hidden || true)"
vsctl s1 remove bridge br0 other_config disable-in-band
check "and without it they are back" retry 3 eval '[ "$(hidden)" -ge 8 ]'
vsctl s1 set controller br0 connection_mode=out-of-band
equal "connection_mode=out-of-band takes them away" 0 "$(hidden || true)"
vsctl s1 del-controller br0
vsctl s1 set-manager tcp:10.0.0.9:6640
check "managers are reached, too" retry 3 has_hidden \
	"tcp,nw_dst=10.0.0.9,tp_dst=6640"
vsctl s1 del-manager
vsctl s1 set-controller br0 tcp:127.0.0.1:6653
equal "a controller on this host needs none" 0 "$(hidden || true)"
check "weft is alive" alive s1
finish
