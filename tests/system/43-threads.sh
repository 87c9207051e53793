#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 400
#
#   h1 --- p1 [ br0 ] p2 --- h2, p3 --- h3     two workers
#
# All that changes what workers look at, at once and under traffic: bundles swap A and B, flows are
# learned, ports come and go, everything is dumped, a vhost-user front end reconnects.  Meant for a daemon that was
# built with ThreadSanitizer (tests/run tsan); with any daemon no packet sees half of a bundle, none is
# lost, and the counters are the traffic's.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

# Else hosts ask for routers and are counted.
sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
db_start s1
vsctl s1 --no-wait set Open_vSwitch . other_config:weft-workers=2
[ -n "${WITHOUT_DPDK:-}" ] || vsctl s1 --no-wait set Open_vSwitch . other_config:dpdk-init=true
daemon_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
	protocols=OpenFlow10,OpenFlow13,OpenFlow14
veth_ports s1 br0 3
for x in 1 2; do
	cat > "$T/bundle.$x" <<-END
	flow add table=0,priority=10,in_port=1,actions=set_field:$x->reg0,learn(table=5,priority=7,idle_timeout=2,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),goto_table:1
	$(seq -f 'flow add table=20,priority=%.0f,actions=drop' 300)
	flow add table=1,priority=10,reg0=$x,actions=output:2
	flow add table=1,priority=10,reg0=$((3 - x)),actions=output:3
	END
done

# Until told to stop: ports with traffic of their own, and a second bridge behind a patch.
churn_ports() {
	local n=0
	while [ ! -e "$T/stop" ]; do
		n=$((n + 1))
		ip link add c1 type veth peer name d1
		ip link set c1 up
		ip link set d1 up
		vsctl s1 add-br br1 -- set bridge br1 datapath_type=netdev \
			-- add-port br1 c1 -- set interface c1 mtu_request=$((1400 + n % 2 * 100)) \
			-- add-port br1 pp -- set interface pp type=patch options:peer=qq \
			-- add-port br0 qq -- set interface qq type=patch options:peer=pp
		vsctl s1 -- --id=@m create mirror name=m select_all=true output_vlan=9 \
			-- set bridge br1 mirrors=@m > /dev/null
		timeout 0.3 ping -I d1 -i 0.01 -q 10.99.0.1 > /dev/null 2>&1 || true
		vsctl s1 del-port br0 qq -- del-br br1
		ip link del c1
		echo "$n" > "$T/churned"
	done
}
churn_dumps() {
	local n=0
	while [ ! -e "$T/stop" ]; do
		n=$((n + 1))
		ofctl s1 dump-flows br0
		ofctl s1 dump-ports br0
		appctl s1 dpctl/dump-flows -m
		appctl s1 dpctl/show -s
		appctl s1 dpif-netdev/pmd-stats-show
		appctl s1 dpif-netdev/pmd-rxq-show
		appctl s1 coverage/show
		appctl s1 fdb/show br0
		appctl s1 memory/show
		vsctl s1 list interface
		[ $((n % 4)) != 0 ] || appctl s1 revalidator/purge
		[ $((n % 4)) != 1 ] || vsctl s1 set Open_vSwitch . other_config:weft-workers=$((1 + n / 4 % 2))
		echo "$n" > "$T/dumped"
	done > "$T/dumps" 2>&1
}
churn_guest() {
	local n=0
	while [ ! -e "$T/stop" ]; do
		n=$((n + $(python3 "$ROOT/tests/system/vhost_front.py" "$T/s1/vhost" 5 2> "$T/front.log")))
		echo $n > "$T/connected"
	done
}
if vsctl s1 get Open_vSwitch . iface_types | grep -w '"\?dpdkvhostuser"\?' > /dev/null; then
	vsctl s1 add-port br0 vhost -- set interface vhost type=dpdkvhostuser
	churn_guest &
fi
churn_ports > "$T/ports.log" 2>&1 &
churn_dumps &
BUNDLES=${BUNDLES:-30}
rc=0
# Slow enough for a daemon that takes ten times as long for a packet.
out=$(OVS_RUNDIR=$T/s1 GAP=0.002 timeout "${BUNDLES_LIMIT:-300}" /usr/bin/python3 -B "$ROOT/tests/system/bundle.py" "$T" "$BUNDLES" 2>&1) || rc=$?
touch "$T/stop"
wait
if [ $rc = 0 ]; then
	ok "$BUNDLES bundles under all of it: $out"
else
	fail "$BUNDLES bundles under all of it" "$(tail -n 1 <<< "$out")"
fi
sent=${out%% *}
counted() { ofctl s1 -O OpenFlow14 dump-flows br0 "table=0,in_port=1" | sed -nE 's/.*n_packets=([0-9]+).*/\1/p'; }
# Every bundle puts new flows in the old ones' place, which go on counting.
equal "the flow counted each packet" "$sent" "$(counted)"
check "ports came and went ($(cat "$T/churned" 2> /dev/null) times)" test -e "$T/churned"
check "everything was dumped ($(cat "$T/dumped" 2> /dev/null) times)" test -e "$T/dumped"
if [ -e "$T/connected" ]; then
	check "a front end connected ($(cat "$T/connected") times)" test "$(cat "$T/connected")" -gt 0
fi
check "alive" alive s1
check "stops" daemon_stop s1
finish
