#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 180
#
# One controller sends more flows than there may be: it gets TABLE_FULL, memory stays bounded, the
# others are served meanwhile.  The same with bundles that are never committed, and with a controller
# that does not read.  Then a table that evicts: at each flow too many, the right one, at once.
# FLOWS and LIMIT can be set: 10000000 and 12000000 is the full size.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

FLOWS=${FLOWS:-150000}
LIMIT=${LIMIT:-100000}
switch_start s1
vsctl s1 set open . other_config:weft-max-flows="$LIMIT" -- \
	add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure -- \
	add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=secure
ns_add a b
port s1 br1 a 10.0.0.1/24
port s1 br1 b 10.0.0.2/24
ofctl s1 add-flow br1 actions=NORMAL
check "traffic before" can_ping a 10.0.0.2
pid=$(daemon_pid s1)
flood() { /usr/bin/python3 -B "$ROOT/tests/system/flowflood.py" "$T/s1/br0.mgmt" "$@"; }
n_flows() { ofctl s1 -O OpenFlow14 dump-aggregate br0 | sed -n 's/.*flow_count=//p'; }
mb() { echo $(($(rss_kb "$pid") / 1024)); }
peak_mb() { echo $(($(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status") / 1024)); }

# The longest time that ovs-ofctl on another bridge takes, in ms, until file $T/stop is there.
others() {
	local worst=0 began took
	while [ ! -e "$T/stop" ]; do
		began=$(date +%s%N)
		ofctl s1 dump-flows br1 > /dev/null
		took=$((($(date +%s%N) - began) / 1000000))
		[ $took -le $worst ] || worst=$took
		sleep 0.1
	done
	echo $worst > "$T/worst"
}

# --- flows without end -------------------------------------------------------------------------------
before=$(mb)
others &
ip netns exec a ping -i 0.05 -q 10.0.0.2 > "$T/ping" 2>&1 &
ping=$!
got=$(flood add "$FLOWS" 2> "$T/rate")
touch "$T/stop"
wait %1 || true
kill -INT $ping
wait $ping || true
# One flow of the limit is br1's.
if [ "$FLOWS" -ge "$LIMIT" ]; then
	equal "flows beyond the limit: TABLE_FULL" "5:1=$((FLOWS - LIMIT + 1))" "$got"
	equal "the others are in" $((LIMIT - 1)) "$(n_flows)"
else
	equal "no flow is refused below the limit" "no errors" "$got"
	equal "all are in" "$FLOWS" "$(n_flows)"
fi
used=$(($(mb) - before))
kept=$(n_flows)
most=$((kept * 330 / 1048576 + 24))
if sanitized || [ $used -lt $most ]; then
	ok "memory: $used MB for $kept flows ($(cat "$T/rate"))"
else
	fail "memory" "$used MB for $kept flows, wanted below $most"
fi
worst=$(cat "$T/worst")
if sanitized || [ "$worst" -lt 2000 ]; then
	ok "others wait at most $worst ms meanwhile"
else
	fail "others wait at most 2 s" "$worst ms"
fi
equal "traffic of another bridge meanwhile" "0% packet loss" "$(grep -o '[0-9.]*% packet loss' "$T/ping")"

# --- a controller that never reads -------------------------------------------------------------------
before=$(mb)
if [ "$FLOWS" -ge "$LIMIT" ]; then
	equal "who does not read errors is not served for ever" stopped "$(flood add-deaf 300000)"
	used=$(($(mb) - before))
	sanitized || [ $used -lt 16 ] && ok "that costs $used MB" || fail "a deaf controller's cost" "$used MB"
fi

# --- bundles that are never committed ----------------------------------------------------------------
before=$(mb)
got=$(flood bundle "$FLOWS" 2> /dev/null)
[ "$FLOWS" -lt "$LIMIT" ] || case $got in
17:12=*) ok "a bundle without end: MSG_TOO_MANY" ;;
*) fail "a bundle without end: MSG_TOO_MANY" "$got" ;;
esac
ofctl s1 del-flows br0
[ "$FLOWS" -gt 1000000 ] || {
	got=$(flood bundle "$FLOWS" 2> /dev/null)
	case $got in
	17:12=*) ok "likewise with empty tables" ;;
	*) fail "likewise with empty tables" "$got" ;;
	esac
}
used=$(($(peak_mb) - before))
sanitized || [ $used -lt $((LIMIT * 700 / 1048576 + 24)) ] && ok "that costs at most $used MB" ||
	fail "a bundle's cost" "$used MB"
# Each bundle that is open costs the look-up of all others.
equal "bundles beyond 256 of a session: OUT_OF_BUNDLES" 17:5=1244 "$(flood open 1500 2> /dev/null)"
check "flows can be added again" ofctl s1 add-flow br0 in_port=1,actions=drop
equal "they are" 1 "$(n_flows)"

# --- eviction ----------------------------------------------------------------------------------------
ofctl s1 del-flows br0
vsctl s1 -- --id=@t create flow_table flow_limit=20000 overflow_policy=evict \
	groups='"NXM_OF_ETH_TYPE[]"' -- set bridge br0 flow_tables:0=@t > "$T/log"
# The larger group is that of IP: it loses the flow of least importance, and among those the one
# that ends first.
ofctl s1 -O OpenFlow14 add-flow br0 "priority=1,arp,idle_timeout=10,importance=1,actions=drop"
ofctl s1 -O OpenFlow14 add-flow br0 "priority=1,ip,importance=0,actions=drop"
for i in $(seq 20000); do
	echo "priority=2,ip,nw_src=10.1.$((i / 256)).$((i % 256)),idle_timeout=$((2000 + i)),importance=$((i % 2 + 2)),actions=drop"
done > "$T/first"
sed -n '1,10000 { s/10\.1\./10.2./; s/importance=.*,/importance=9,/p }' "$T/first" > "$T/second"
ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/first"
began=$(date +%s%N)
ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/second"
took=$((($(date +%s%N) - began) / 1000000))
equal "a full table stays full" 20000 "$(n_flows)"
dump=$(ofctl s1 -O OpenFlow14 dump-flows br0)
equal "new flows are in" 10000 "$(grep -c 'nw_src=10\.2\.' <<< "$dump")"
equal "the important ones stay" 9998 "$(grep -c 'importance=3' <<< "$dump")"
equal "the others went" 0 "$(grep -c 'importance=2' <<< "$dump" || true)"
equal "so do those of a small group, and those without a timeout" 2 \
	"$(grep -c 'priority=1' <<< "$dump")"
sanitized || [ $took -lt 3000 ] && ok "10,000 evictions in $took ms" ||
	fail "10,000 evictions within 3 s" "$took ms"
check "alive" alive s1
finish
