#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 200
#
# Plain GRE between weft-glb and Open vSwitch (options:packet_type=legacy_l3), both ways: a server behind OVS gets what a local
# balancer sends, and weft's role host takes what OVS sends.
#
#    cl -- rt -- e (edge), b (local), s (host)
#          +---- ovs: [ br-phy ] 10.1.4.2, tunnel [ br-int ] == in0 of v (server), in0 of x (client of VIP over OVS)
#          +---- v 10.1.5.2 and x 10.1.6.2: their other ways out
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl python3 ethtool
[ -x $STOCK_SWITCHD ] || { skip 97-glb-ovs "openvswitch-switch is not installed"; exit 0; }
[ -c /dev/net/tun ] || { skip 97-glb-ovs "no /dev/net/tun"; exit 0; }
. "$ROOT/tests/lib/glb_net.sh"
mount -t bpf none /sys/fs/bpf || { skip 97-glb-ovs "no BPF file system"; exit 0; }

VIP=203.0.113.10
router
node cl 0.0
node e 0.1
node b 1.0
node s 1.1
node ovs 1.4
node v 1.5
node x 1.6
ip -n rt route add $VIP via 10.0.1.2
for w in s v; do
	direct_return $w $VIP
	ip netns exec $w "$FLOWS" serve $w $VIP 80 > /dev/null 2>&1 &
done

# --- the other end ------------------------------------------------------------------------------------
SWITCH_NS[stock]=ovs
for w in v x; do
	ip -n ovs link add name to$w mtu 1700 type veth peer name in0 netns $w mtu 1700
	ip -n ovs link set to$w up
	ip -n $w link set in0 up
	whole_packets ovs to$w
	whole_packets $w in0
	ip netns exec $w sysctl -q -w net.ipv4.conf.in0.rp_filter=0 net.ipv4.conf.all.rp_filter=0
done
ip -n v addr add 10.9.0.1/24 dev in0
ip -n x addr add 10.9.1.1/24 dev in0
db_start stock
daemon_start stock stock
vsctl stock add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy eth0 \
	-- add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure \
	-- add-port br-int tov -- set interface tov ofport_request=1 \
	-- add-port br-int tox -- set interface tox ofport_request=2 \
	-- add-port br-int gre0 -- set interface gre0 ofport_request=3 type=gre \
	options:packet_type=legacy_l3 options:remote_ip=flow options:key=flow
ip -n ovs addr flush dev eth0
ip -n ovs addr add 10.1.4.2/24 dev br-phy
ip -n ovs link set dev br-phy mtu 1700 up
ip -n ovs route add default via 10.1.4.1

cat > "$T/wanted.json" <<-END
	{ "sites": { "dc1": "10.1.0.2" },
	  "servers": { "s": "10.1.1.2", "v": { "address": "10.1.4.2", "no-second-chance": true } },
	  "pools": { "web": { "dc1": { "weight": 100, "servers": { "v": 100, "s": 0 } } } } }
END
check "a document" place
configure() {
	cat > "$T/$1.json" <<-END
	{ "weft-glb:glb": { "placement": "$T/placement.json", "pin": "/sys/fs/bpf/$1", "max-slots": 8192,
	  "address": ["$2"], "interface": [ { "name": "eth0", "mode": "generic" } ], $3,
	  "vip": [ { "address": "$VIP", "protocol": "tcp", "port": 80, "pool": "web" } ] } }
	END
}
configure e 10.0.1.2 '"edge": {}'
configure b 10.1.0.2 '"local": { "site": "dc1" }'
configure s 10.1.1.2 '"host": {}'
for w in e b s; do
	check "weft-glb starts on $w" start $w
done
pool=$(ctl e why 10.0.0.2:4711 $VIP:80 | sed -n 's/^pool web (id \([0-9]*\)).*/\1/p')

mac() { ip -n "$1" -o link show "$2" | sed 's/.*ether \([0-9a-f:]*\).*/\1/'; }
# Packets of that pool to the server; packets of x to the server that has weft-glb.
ofctl stock add-flow br-int "in_port=3,tun_id=$pool,ip,actions=mod_dl_dst:$(mac v in0),output:1"
ofctl stock add-flow br-int "in_port=2,ip,nw_dst=$VIP,actions=set_field:$pool->tun_id,set_field:10.1.1.2->tun_dst,output:3"
# OVS finds the next hop of its tunnels by its own ARP table.
arp_known() { ip netns exec ovs ping -c 1 -W 1 10.1.4.1 > /dev/null; }
retry 20 arp_known || true

page() { ip netns exec "$1" curl -s --max-time 3 "http://$VIP/"; }
page_of() { [ "$(page "$2")" = "$1" ]; }
if retry 30 page_of v cl; then
	ok "Open vSwitch takes our GRE: a server behind it answers"
else
	fail "Open vSwitch takes our GRE" "$(ctl b top; ofctl stock dump-flows br-int; tail -n 3 "$T/stock/"*.log)"
fi
check "by the flow that matches the pool's key" eval '[[ $(ofctl stock dump-flows br-int in_port=3) != *n_packets=0,* ]]'

ip -n x route add $VIP dev in0 src 10.1.6.2
ip -n x neigh replace $VIP lladdr 02:00:00:00:00:99 dev in0
if retry 30 page_of s x; then
	ok "we take the GRE of Open vSwitch: our server answers"
else
	fail "we take the GRE of Open vSwitch" "$(ctl s top; ofctl stock dump-flows br-int)"
fi
check "as plain GRE, delivered at once" eval '[ "$(count s delivered)" -gt 0 ]'
finish
