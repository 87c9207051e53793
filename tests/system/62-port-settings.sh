#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
# Settings of ports and of the threads that serve them, right and wrong: what cannot be had says so in
# Interface.error and harms nobody else.  Packets that the switch had no time for are counted.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need python3

err() { vsctl s1 get interface "$1" error; }
has_error() { [[ "$(err "$1")" == *"$2"* ]]; }
has_no_error() { [ "$(err "$1")" = "[]" ]; }
mtu_of() { cat "/sys/class/net/$1/mtu"; }
worker_of() { # the number of the worker that serves port $1
	appctl s1 dpif-netdev/pmd-rxq-show |
		awk -v port="$1" '/^worker/ { sub(/worker/, "", $1); w = $1 } $2 == port { print w }'
}
is_served_by() { [ "$(worker_of "$1")" = "$2" ]; }
n_threads() { appctl s1 dpif-netdev/pmd-stats-show | grep -c '^worker[0-9]* thread:'; }
has_threads() { [ "$(n_threads)" = "$1" ]; }
# The last one may have been under way when ping was told to stop.
all_answered() {
	awk '/packets transmitted/ { lost = $1 - $4; print lost, "of", $1, "lost" } END { exit lost > 1 }' "$T/ping.out"
}

db_start s1
daemon_start s1 weft --enable-dummy
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a b c
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
port s1 br0 c 10.0.0.3/24
check "traffic" can_ping a 10.0.0.2

# --- workers
ip netns exec a ping -n -q -i 0.01 10.0.0.2 > "$T/ping.out" &
ping=$!
vsctl s1 set Open_vSwitch . other_config:weft-workers=2
check "two workers" retry 5 has_threads 2
check "each serves some" sh -c "[ $(for p in v-a v-b v-c; do worker_of $p; done | sort -u | wc -l) = 2 ]"
for w in 1 2 1 2; do
	vsctl s1 set interface v-a "other_config:weft-worker=$w"
	check "v-a is bound to worker $w" retry 5 is_served_by v-a "$w"
done
vsctl s1 set Open_vSwitch . other_config:weft-workers=none
check "a number that is none: the default" retry 5 grep -q 'weft-workers.*is not a number' "$T/s1/ovs-vswitchd.log"
vsctl s1 set Open_vSwitch . other_config:weft-workers=1
check "one worker again" retry 5 has_threads 1
vsctl s1 remove Open_vSwitch . other_config weft-workers
vsctl s1 set Open_vSwitch . other_config:n-handler-threads=3
check "n-handler-threads counts, too" retry 5 has_threads 3
vsctl s1 remove Open_vSwitch . other_config n-handler-threads
kill -INT $ping
wait $ping || true
check "not one ping lost meanwhile" all_answered

# --- MTU
vsctl s1 set interface v-a mtu_request=1400
check "mtu_request" retry 5 test "$(mtu_of v-a)" = 1400
equal "and it is in the column" 1400 "$(vsctl s1 get interface v-a mtu)"
vsctl s1 set interface v-a mtu_request=70000 2> /dev/null || true
check "an MTU that the device refuses: error" retry 5 has_error v-a "refuses an MTU of 70000"
check "the port goes on all the same" can_ping a 10.0.0.2
vsctl s1 set interface v-a mtu_request=1500
check "one that it takes: no error any more" retry 5 has_no_error v-a
equal "it is in force" 1500 "$(mtu_of v-a)"

# --- rows that cannot be
vsctl s1 add-port br0 this-name-is-too-long -- set interface this-name-is-too-long type=internal 2> /dev/null || true
check "a name that is too long: error" retry 5 has_error this-name-is-too-long "at most 15"
vsctl s1 add-br br1 -- set bridge br1 datapath_type=netdev
in_dir s1 ovs-vsctl --timeout=5 -- --id=@i create interface name=v-b -- --id=@p create port name=other \
	interfaces=@i -- add bridge br1 ports @p > /dev/null 2>&1 || true
taken() { vsctl s1 --bare --columns=error find interface name=v-b | grep 'already in use' > /dev/null; }
check "an interface of another bridge: refused, by schema or error" sh -c \
	"[ \$(OVS_RUNDIR=$T/s1 ovs-vsctl --db=unix:$T/s1/db.sock --bare --columns=_uuid find interface name=v-b | wc -w) = 1 ]"
vsctl s1 del-br br1
vsctl s1 set interface v-b 'mac="no address at all"' 2> /dev/null || true
vsctl s1 set interface v-b options:nonsense=1
check "options that nobody knows harm nobody" can_ping a 10.0.0.2
vsctl s1 clear interface v-b mac -- clear interface v-b options
vsctl s1 set interface v-c type=nosuchtype 2> /dev/null || true
check "a type that is none, of a port that works: error" retry 5 has_error v-c "v-c"
check "it has no OpenFlow port then" retry 5 test "$(vsctl s1 get interface v-c ofport)" = -1
vsctl s1 clear interface v-c type 2> /dev/null || vsctl s1 set interface v-c 'type=""'
check "the type is right again: it works again" retry 5 can_ping c 10.0.0.1
check "the others go on after all that" can_ping a 10.0.0.2

# --- addresses of dummies
vsctl s1 add-port br0 d0 -- set interface d0 type=dummy
equal "netdev-dummy/ip4addr" OK "$(appctl s1 netdev-dummy/ip4addr d0 1.1.1.88/24)"
equal "netdev-dummy/ip6addr" OK "$(appctl s1 netdev-dummy/ip6addr d0 2001:cafe::88/24)"
refuses() { ! appctl s1 "$@"; }
check "an address that is none" refuses netdev-dummy/ip4addr d0 1.1.1.888
check "of a port that is not there" refuses netdev-dummy/ip4addr nobody 1.1.1.1/24
vsctl s1 del-port br0 d0

# --- a storm of changes under traffic
ip netns exec a ping -n -q -i 0.01 10.0.0.2 > "$T/ping.out" &
ping=$!
for i in $(seq 40); do ip link add "s$i" type veth peer name "r$i"; done
for round in 1 2 3; do
	words=()
	for i in $(seq 40); do words+=(-- add-port br0 "s$i" -- add-port br0 "n$i" -- set interface "n$i" type=internal); done
	vsctl s1 "${words[@]}"
	words=()
	for i in $(seq 40); do words+=(-- del-port "s$i" -- del-port "n$i"); done
	vsctl s1 "${words[@]}"
done
for i in $(seq 40); do
	vsctl s1 --no-wait add-port br0 "s$i"
	[ $((i % 2)) = 0 ] || vsctl s1 --no-wait del-port br0 "s$i"
done
vsctl s1 show > /dev/null
check "the storm has passed" retry 10 sh -c "[ \$(OVS_RUNDIR=$T/s1 ovs-ofctl dump-ports-desc br0 | grep -c '(s') = 20 ]"
kill -INT $ping
wait $ping || true
check "not one ping lost meanwhile" all_answered

# --- what the switch had no time for is counted, to the packet
pid=$(daemon_pid s1)
vsctl s1 set Open_vSwitch . other_config:stats-update-interval=1000
ofctl s1 add-flow br0 "priority=100,in_port=v-a,udp,actions=drop"
kill -STOP "$pid"
ip netns exec a python3 - <<'PY'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(20000):
    s.sendto(bytes(1400), ("10.0.0.2", 9))
PY
kill -CONT "$pid"
matched() { ofctl s1 dump-flows br0 in_port=v-a,udp | sed -n 's/.*n_packets=\([0-9]*\).*/\1/p'; }
lost() { vsctl s1 get interface v-a statistics:rx_dropped; }
# A few packets of the host itself (neighbour discovery) may be among those that were lost.
all_told() { local n=$(($(matched) + $(lost))); [ $n -ge 20000 ] && [ $n -lt 20010 ]; }
check "20000 datagrams to a switch that stands still: each is delivered or in rx_dropped" retry 15 all_told
echo "# $(matched) delivered, $(lost) lost"
finish
