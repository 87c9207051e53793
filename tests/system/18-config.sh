#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
# The database as users treat it: settings of bridges changed on live ports, values that mean nothing, rows
# that cannot be carried out, another server, an older schema, what libvirt, os-vif and Neutron do.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ping ovsdb-client ovsdb-tool

get() { vsctl s1 get "$@" | tr -d '"'; }
cfg_is_current() { [ "$(get Open_vSwitch . cur_cfg)" = "$(get Open_vSwitch . next_cfg)" ]; }
logged() { grep -qE "$1" "$T/s1/ovs-vswitchd.log"; }
local_mac() { cat /sys/class/net/br0/address; }
# refused NAME "words for ovs-vsctl" PATTERN: the daemon lives on, and says PATTERN in its log
refused() {
	local name=$1 pattern=$3
	eval "vsctl s1 $2" > /dev/null 2>&1 || true
	check "$name: is named in the log" retry 5 logged "$pattern"
}

switch_start s1
vsctl s1 add-br br0
ns_add a b
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24

echo "# bridges"
check "cur_cfg follows next_cfg" cfg_is_current
vsctl s1 set bridge br0 other_config:hwaddr=02:11:22:33:44:55
equal "other_config:hwaddr is the local port's address" 02:11:22:33:44:55 "$(local_mac)"
equal "and makes the datapath id" 0000021122334455 "$(get bridge br0 datapath_id)"
vsctl s1 set bridge br0 other_config:datapath-id=00000000deadbeef
equal "other_config:datapath-id" 00000000deadbeef "$(get bridge br0 datapath_id)"
vsctl s1 set bridge br0 other_config:datapath-id=0x1f
equal "in its short form" 000000000000001f "$(get bridge br0 datapath_id)"
vsctl s1 remove bridge br0 other_config hwaddr -- remove bridge br0 other_config datapath-id
equal "without them it is as the local port's address" \
	"0000$(local_mac | tr -d :)" "$(get bridge br0 datapath_id)"

bpdu=in_port=v-a,dl_src=50:54:00:00:00:05,dl_dst=01:80:c2:00:00:02,dl_type=0x8809
trace() { appctl s1 ofproto/trace br0 "$1" | tail -1; }
equal "reserved multicast stays" "Datapath actions: drop" "$(trace $bpdu)"
vsctl s1 set bridge br0 other_config:forward-bpdu=true
check "forward-bpdu lets it go on" grep -qv drop <(trace $bpdu)

can_ping a 10.0.0.2 || true
macs() { appctl s1 fdb/show br0 | tail -n +2 | wc -l; }
check "MACs are learned" test "$(macs)" -ge 2
vsctl s1 set bridge br0 other_config:mac-aging-time=15
check "the table lives on when its ageing changes" test "$(macs)" -ge 2
vsctl s1 set bridge br0 other_config:mac-table-size=10
check "mac-table-size is in force" grep -q "table: .*/10$" <(appctl s1 fdb/stats-show br0)

vsctl s1 -- --id=@t create Flow_Table name=first flow_limit=2 overflow_policy=refuse -- \
	set bridge br0 flow_tables:0=@t > /dev/null
ofctl s1 del-flows br0
ofctl s1 add-flow br0 idle_timeout=300,in_port=1,actions=2
ofctl s1 add-flow br0 in_port=2,actions=1
check "flow_limit refuses one more" eval "! ofctl s1 add-flow br0 in_port=3,actions=1 2> /dev/null"
vsctl s1 set Flow_Table first overflow_policy=evict
check "overflow_policy=evict makes room" ofctl s1 add-flow br0 in_port=3,actions=1
equal "and keeps the limit" 2 "$(ofctl s1 dump-flows br0 | grep -c actions)"
vsctl s1 clear bridge br0 flow_tables

vsctl s1 set-fail-mode br0 secure
equal "fail_mode=secure: no flow of its own" 0 "$(ofctl s1 dump-flows br0 | grep -c actions || true)"
check "nothing passes" cannot_ping a 10.0.0.2
vsctl s1 set-fail-mode br0 standalone
check "fail_mode=standalone: it switches by itself" can_ping a 10.0.0.2
vsctl s1 del-fail-mode br0

vsctl s1 set bridge br0 protocols=OpenFlow13
check "protocols: others are turned away" eval "! ofctl s1 -O OpenFlow10 show br0 2> /dev/null"
check "and the named one is spoken" ofctl s1 -O OpenFlow13 show br0
vsctl s1 clear bridge br0 protocols
check "empty: all are" ofctl s1 -O OpenFlow10 show br0

vsctl s1 set bridge br0 datapath_type=netdev
check "datapath_type of a live bridge: its ports come back" retry 10 can_ping a 10.0.0.2
equal "and they have no error" "[][]" "$(get interface v-a error)$(get interface v-b error)"

echo "# values out of range, and the switch as a whole"
# Kept in 32 bits this would be a limit of one flow.
vsctl s1 set open . other_config:weft-max-flows=4294967297 other_config:n-handler-threads=many
check "a limit that is too large is no limit" ofctl s1 add-flows br0 - <<< $'in_port=11,actions=drop\nin_port=12,actions=drop'
vsctl s1 set open . other_config:x=1 -- set open . other_config:x=2
equal "each is named in the log, once" "1 1" \
	"$(grep -c 'weft-max-flows="4294967297" is not a number' "$T/s1/ovs-vswitchd.log") $(grep -c 'n-handler-threads="many" is not a number' "$T/s1/ovs-vswitchd.log")"
vsctl s1 clear open . other_config
ofctl s1 del-flows br0 in_port=11
ofctl s1 del-flows br0 in_port=12
types=" $(vsctl s1 get open . iface_types | tr -d '[],') "
for type in internal patch system tap erspan geneve gre gtpu ip6erspan ip6gre lisp vxlan; do
	[[ $types == *" $type "* ]] || fail "iface_types has $type" "$types"
done
check "iface_types has what can be made, and no stt" [ "${types/ stt /}" = "$types" ]

for k in 1 2; do
	ip link add "n$k" type veth peer name "m$k"
	ip link set "n$k" up
	ip link set "m$k" up
done
vsctl s1 add-bond br0 nb n1 n2 bond_mode=balance-slb bond_updelay=9223372036854775807 \
	other_config:bond-rebalance-interval=9223372036854775807
due() { appctl s1 bond/show nb | sed -n 's/^next rebalance: \(.*\) ms/\1/p'; }
check "a time that is as long as numbers go is not over at once" [ "$(due)" -gt 2000000000 ]
vsctl s1 del-port br0 nb
ip link del n1
ip link del n2

echo "# interfaces"
vsctl s1 add-port br0 i0 -- set interface i0 type=internal
check "an internal port is a device" test -e /sys/class/net/i0
vsctl s1 set interface i0 type=patch options:peer=nobody
check "its type changes: the device goes" eval "! test -e /sys/class/net/i0"
check "a patch port without a peer says so" grep -q "No usable peer 'nobody'" <(get interface i0 error)
vsctl s1 set interface i0 type=internal -- remove interface i0 options peer
check "and back" test -e /sys/class/net/i0
equal "without error" "[]" "$(get interface i0 error)"
vsctl s1 set interface v-a type=patch 2> /dev/null || true
check "a patch port without options:peer says so" grep -q "valid 'peer' argument" <(get interface v-a error)
vsctl s1 set interface v-a type=system
check "a device is taken again" retry 10 can_ping a 10.0.0.2
vsctl s1 set interface i0 mac='"02:00:00:00:00:77"'
equal "Interface.mac" 02:00:00:00:00:77 "$(cat /sys/class/net/i0/address)"
vsctl s1 set interface i0 mtu_request=1400
equal "mtu_request" 1400 "$(get interface i0 mtu)"
n=$(get interface v-b ofport)
vsctl s1 set interface i0 ofport_request="$n"
equal "ofport_request takes a number from who did not ask" "$n" "$(get interface i0 ofport)"
check "who gets another" test "$(get interface v-b ofport)" != "$n"
check "and goes on" can_ping a 10.0.0.2
vsctl s1 del-port i0

vsctl s1 add-br fake br0 30
check "a fake bridge is a device" test -e /sys/class/net/fake
equal "with an address as a bridge has" "$(local_mac)" "$(cat /sys/class/net/fake/address)"
vsctl s1 del-br fake

echo "# mirrors"
ns_add m
port s1 br0 m 10.0.9.9/24
ip -n m addr flush dev eth0
seen() { # frames of ping that ns m sees
	ip netns exec m timeout 6 /usr/bin/python3 -B "$ROOT/tests/system/multicast.py" frames eth0 icmp \
		> "$T/seen" 2> "$T/seen.ready" &
	local pid=$!
	retry 10 test -s "$T/seen.ready"
	ip netns exec a ping -n -q -c 5 -i 0.05 -w 3 10.0.0.2 > /dev/null || true
	pkill -TERM -P $pid || true
	wait $pid || true
	rm -f "$T/seen.ready"
	cat "$T/seen"
}
mirror() { vsctl s1 -- --id=@p get port v-m -- --id=@a get port v-a -- --id=@m create Mirror name=m0 "$@" -- \
	set bridge br0 mirrors=@m > /dev/null; }
unmirror() { vsctl s1 clear bridge br0 mirrors; }
can_ping a 10.0.0.2
equal "without a mirror it sees nothing" "0 0" "$(seen)"
mirror select_all=true output_port=@p
equal "select_all: requests and replies, once each" "10 98" "$(seen)"
check "Mirror.statistics counts" retry 10 eval \
	'[ "$(get mirror m0 statistics:tx_packets)" -ge 10 ]'
unmirror
mirror select_src_port=@a output_port=@p
equal "select_src_port: what comes in by it" "5 98" "$(seen)"
unmirror
mirror select_dst_port=@a output_port=@p snaplen=60
equal "select_dst_port: what goes out by it; snaplen" "5 60" "$(seen)"
unmirror
mirror select_all=true select_vlan=77 output_port=@p
equal "select_vlan: other VLANs are not" "0 0" "$(seen)"
vsctl s1 set mirror m0 select_vlan=0
equal "and the one is" "10 98" "$(seen)"
unmirror
vsctl s1 set port v-m tag=99
mirror select_src_port=@a output_vlan=99
equal "output_vlan: to the ports of that VLAN" "5 98" "$(seen)"
unmirror
vsctl s1 clear port v-m tag
check "mirrors gone, all is as before" can_ping a 10.0.0.2

echo "# values that mean nothing"
refused "a bridge of unknown type" "add-br br9 -- set bridge br9 datapath_type=bogus" \
	"could not create datapath br9 of unknown type bogus"
check "and its interface says so" grep -q "unknown type bogus" <(get interface br9 error)
vsctl s1 --no-wait del-br br9
refused "hwaddr" "set bridge br0 other_config:hwaddr=zz" 'Bridge br0: other_config:hwaddr="zz" is not a unicast Ethernet address'
refused "a datapath id" "set bridge br0 other_config:datapath-id=123" 'datapath-id="123" is not 16 hexadecimal digits'
refused "a size" "set bridge br0 other_config:mac-table-size=-1" 'mac-table-size="-1" is not a number of at least 1; it has no effect'
check "the default is in force" grep -q "/8192$" <(appctl s1 fdb/stats-show br0)
refused "a word" "set bridge br0 other_config:forward-bpdu=yes" 'forward-bpdu="yes" is not true or false'
refused "a port's setting" "set port v-a other_config:qinq-ethtype=9100" 'Port v-a: .*is not one of 802.1ad 802.1q'
refused "an address" "set interface v-b mac='\"02:zz\"'" 'Interface v-b: mac="02:zz" is not'
refused "an interface type" "add-port br0 x1 -- set interface x1 type=bogus" "netdev x1 of unknown type bogus"
refused "a controller" "set-controller br0 bogus:1.2.3.4" 'unsupported controller "bogus:1.2.3.4"'
refused "a DSCP" "set-controller br0 tcp:127.0.0.1:6699 -- set controller br0 other_config:dscp=99" 'dscp="99" is not a number from 0 to 63'
vsctl s1 del-controller br0
refused "a mirror without output" "-- --id=@m create Mirror name=m1 select_all=true -- set bridge br0 mirrors=@m" \
	"mirror m1 does not specify output"
unmirror
refused "QoS" "-- --id=@q create QoS type=linux-bogus -- set port v-a qos=@q" "port v-a: QoS .* not built yet"
vsctl s1 clear port v-a qos
vsctl s1 -- --all destroy QoS
refused "NetFlow" "-- --id=@n create NetFlow targets='\"127.0.0.1:9\"' -- set bridge br0 netflow=@n" "NetFlow is not built yet"
refused "sFlow" "-- --id=@n create sFlow targets='\"127.0.0.1:9\"' -- set bridge br0 sflow=@n" "sFlow is not built yet"
refused "IPFIX" "-- --id=@n create IPFIX targets='\"127.0.0.1:9\"' -- set bridge br0 ipfix=@n" "IPFIX is not built yet"
refused "sampling" "-- --id=@b get bridge br0 -- create Flow_Sample_Collector_Set id=1 bridge=@b" "sampling .* not built yet"
vsctl s1 set-ssl /nonexistent/key /nonexistent/cert /nonexistent/ca
check "TLS files that are not there are named" retry 10 logged 'SSL .: private_key="/nonexistent/key" is not a file'
vsctl s1 del-ssl
equal "each is said once" 1 "$(grep -c 'hwaddr="zz"' "$T/s1/ovs-vswitchd.log")"
check "after all of that traffic goes on" can_ping a 10.0.0.2

echo "# the database goes, comes back, is an older one"
mgmt_flows() { ofctl s1 dump-flows br0 | grep -c "priority=7"; }
ofctl s1 add-flow br0 priority=7,in_port=77,actions=drop
kill "$(cat "$T/s1/ovsdb-server.pid")"
retry 10 eval '! vsctl s1 --no-wait show'
check "without a database it forwards" can_ping a 10.0.0.2
db_start s1
check "the daemon is back at it" retry 20 vsctl s1 add-port br0 i1 -- set interface i1 type=internal
check "cur_cfg follows" cfg_is_current
equal "what the server forgot is written again" up "$(get interface v-a link_state)"
equal "flows were kept" 1 "$(mgmt_flows)"

kill "$(cat "$T/s1/ovsdb-server.pid")"
retry 10 eval '! vsctl s1 --no-wait show'
# As Open vSwitch 2.5 had it, as far as the daemon could notice.
/usr/bin/python3 - /usr/share/openvswitch/vswitch.ovsschema "$T/old.ovsschema" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))
for table in ("Datapath", "CT_Zone", "CT_Timeout_Policy"):
    del s["tables"][table]
for table, column in (("Open_vSwitch", "datapaths"), ("Open_vSwitch", "dpdk_initialized"),
                      ("Open_vSwitch", "dpdk_version"), ("Interface", "ingress_policing_kpkts_rate"),
                      ("Interface", "ingress_policing_kpkts_burst"), ("Interface", "mtu_request"),
                      ("Port", "cvlans"), ("Port", "protected"), ("Mirror", "snaplen"),
                      ("Controller", "controller_queue_size"), ("Controller", "type")):
    del s["tables"][table]["columns"][column]
s["version"] = "7.12.1"
s.pop("cksum", None)
json.dump(s, open(sys.argv[2], "w"))
PY
check "an older schema for the same data" in_dir s1 ovsdb-tool convert "$T/s1/conf.db" "$T/old.ovsschema"
db_start s1
check "it works with that, too" retry 20 vsctl s1 add-port br0 i2 -- set interface i2 type=internal
equal "and writes what there is to write" up "$(get interface v-a link_state)"
check "traffic goes on" can_ping a 10.0.0.2
vsctl s1 del-port i1 -- del-port i2

kill "$(cat "$T/s1/ovsdb-server.pid")"
retry 10 eval '! vsctl s1 --no-wait show'
in_dir s1 ovsdb-tool convert "$T/s1/conf.db" /usr/share/openvswitch/vswitch.ovsschema
db_start s1
check "and with the newer one again" retry 20 vsctl s1 set interface v-a mtu_request=1500

echo "# what libvirt, os-vif and Neutron do"
ip tuntap add tap0 mode tap
check "libvirt: add-port with its ids" vsctl s1 -- --may-exist add-port br0 tap0 tag=5 vlan_mode=native-untagged trunks=5,6 -- \
	set Interface tap0 'external_ids:attached-mac="52:54:00:00:00:01"' external_ids:iface-id=x \
	external_ids:vm-id=y external_ids:iface-status=active
check "libvirt: reads statistics" grep -q "rx_bytes=.*tx_packets=" <(get Interface tap0 statistics)
equal "libvirt: iface-to-br" br0 "$(vsctl s1 iface-to-br tap0)"
check "libvirt: clears VLANs" vsctl s1 clear Port tap0 tag -- clear Port tap0 trunk -- clear Port tap0 vlan_mode
check "os-vif: mtu_request on a tap" vsctl s1 set Interface tap0 mtu_request=1450
equal "which it gets" 1450 "$(get Interface tap0 mtu)"
check "os-vif: --if-exists del-port of what is not there" vsctl s1 --if-exists del-port br0 nothing
check "Neutron: the dead VLAN" vsctl s1 set Port tap0 tag=4095 trunks=4095
check "Neutron: QoS rows" vsctl s1 -- set Port tap0 qos=@q -- \
	--id=@q create QoS type=linux-htb other_config:max-rate=1000000 queues:0=@q0 -- \
	--id=@q0 create Queue other_config:max-rate=500000
check "Neutron: queues are listed" grep -q "queue 0" <(ofctl s1 queue-get-config br0 tap0)
check "Neutron: monitors interfaces" grep -q tap0 <(CLIENT_LIMIT=5 in_dir s1 ovsdb-client dump Interface name ofport external_ids)
vsctl s1 clear Port tap0 qos
check "--all destroy" vsctl s1 -- --all destroy QoS -- --all destroy Queue
check "libvirt: del-port" vsctl s1 -- --if-exists del-port tap0
check "cur_cfg is current at the end" cfg_is_current
check "weft is alive" alive s1
finish
