#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 120
#
#   ns a --veth-- [ br0 ] --eth_af_packet0 (type=dpdk)-- veth -- ns c
#                 [     ] --AF_XDP (type=afxdp)-- veth -- ns d
#
# Devices of DPDK that need no hardware: traffic, options, state, and what is said of those that
# cannot be made.  DPDK starts with the first port that needs it, and not before.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ethtool

get() { vsctl s1 get interface "$1" "$2"; }
is() { [ "$(get "$1" "$2")" = "$3" ]; }
add() {
	local name=$1
	shift
	vsctl s1 add-port br0 "$name" -- set interface "$name" "$@" 2> /dev/null || true
}

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a c d
port s1 br0 a 10.0.0.1/24
equal "kernel ports only: DPDK does not run" false "$(vsctl s1 get open_vswitch . dpdk_initialized)"

veth v-c c eth0 10.0.0.3/24
ip netns exec c ethtool -K eth0 tx off > /dev/null
add p0 type=dpdk options:dpdk-devargs=eth_af_packet0,iface=v-c
if ! is p0 error "[]"; then
	skip dpdk "$(get p0 error)"
	finish
fi
equal "the first port starts DPDK" true "$(vsctl s1 get open_vswitch . dpdk_initialized)"
check "iface_types has dpdk" grep -qw dpdk <<< "$(vsctl s1 get open_vswitch . iface_types)"
check "packets both ways" retry 10 can_ping a 10.0.0.3
check "link_state is up" retry 5 is p0 link_state up
check "a core polls it" grep -q 'port: p0 .*queue-id:  0' <<< "$(appctl s1 dpif-netdev/pmd-rxq-show)"

check "netdev-dpdk/get-mempool-info" grep -q 'count: avail' <<< "$(appctl s1 netdev-dpdk/get-mempool-info p0)"
check "of all" grep -q '^mempool <' <<< "$(appctl s1 netdev-dpdk/get-mempool-info)"
equal "and not of another port" "Not a DPDK Interface" "$(appctl s1 netdev-dpdk/get-mempool-info v-a 2>&1 | head -1)"
check "dpdk/lcore-list" grep -q '^lcore ' <<< "$(appctl s1 dpdk/lcore-list)"

add n0 type=dpdk "options:dpdk-devargs=\"eth_null0,no-rx=1\"" mtu_request=9000
check "net_null with mtu_request" retry 5 is n0 mtu 9000
vsctl s1 set interface n0 mtu_request=2000
check "another MTU while it runs" retry 5 is n0 mtu 2000
check "the others go on" can_ping a 10.0.0.3
vsctl s1 del-port br0 n0
add n0 type=dpdk "options:dpdk-devargs=\"eth_null0,no-rx=1\""
check "deleted and made again" is n0 error "[]"
vsctl s1 del-port br0 n0

add x0 type=dpdk options:dpdk-devargs=0000:ff:1f.7
check "no such device: error" grep -q "0000:ff:1f.7" <<< "$(get x0 error)"
equal "drivers of buses are loaded when one is asked for" 1 \
	"$(grep -c "loading all drivers of DPDK for '0000:ff:1f.7'" "$T/s1/ovs-vswitchd.log")"
equal "no such device: ofport" -1 "$(get x0 ofport)"
add x1 type=dpdk
check "no devargs: error" grep -q "dpdk-devargs" <<< "$(get x1 error)"
vsctl s1 del-port br0 x0 -- del-port br0 x1

# AF_XDP cannot say that a checksum is unfinished; a veth whose other end leaves them so is refused.
veth v-d d eth0 10.0.0.4/24
add v-d type=afxdp
check "afxdp on a veth with offloads: error" grep -q "checksum offload" <<< "$(get v-d error)"
vsctl s1 del-port br0 v-d
ip -n d link set eth0 netns $$ name d-peer
ethtool -K d-peer tx off > /dev/null
ip addr add 10.0.0.4/24 dev d-peer
ip link set d-peer up
add v-d type=afxdp
if is v-d error "[]"; then
	check "afxdp: packets both ways" retry 10 can_ping a 10.0.0.4
else
	skip afxdp "$(get v-d error)"
fi
check "alive" alive s1
finish
