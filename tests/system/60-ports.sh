#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
# What happens to the devices of a host while they are ports: they come after their row, go, come
# again, are renamed and moved into other namespaces.  A port that cannot be made says why.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

ofport() { vsctl s1 get interface "$1" ofport; }
err() { vsctl s1 get interface "$1" error; }
has_ofport() { [[ $(ofport "$1") =~ ^[1-9] ]]; }
has_no_ofport() { ! has_ofport "$1"; }
has_error() { [ "$(err "$1")" != "[]" ]; }
has_no_error() { ! has_error "$1"; }

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a b c
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
check "two ports" can_ping a 10.0.0.2

# --- the device comes after its row
vsctl s1 add-port br0 late 2> /dev/null || true
check "no device yet: an error says so" retry 5 has_error late
check "the others go on" can_ping a 10.0.0.2
ip link add late type veth peer name eth0 address 02:00:00:00:00:c3 netns c
ip link set late up
ip -n c addr add 10.0.0.3/24 dev eth0
ip -n c link set eth0 up
check "the device comes: the port works by itself" retry 10 can_ping a 10.0.0.3
check "and its error is gone" retry 5 has_no_error late
number=$(ofport late)

# --- it goes and comes again
ip link del late
check "the device goes: an error says so" retry 10 has_error late
check "the others go on after that" can_ping a 10.0.0.2
ip link add late type veth peer name eth0 address 02:00:00:00:00:c3 netns c
ip link set late up
ip -n c addr add 10.0.0.3/24 dev eth0
ip -n c link set eth0 up
check "made again: works again" retry 10 can_ping a 10.0.0.3
equal "made again: the same OpenFlow port" "$number" "$(ofport late)"

# --- moved to another namespace and back
ip netns add away
ip link set late netns away
check "moved away: an error says so" retry 10 has_error late
ip -n away link set late netns $$
ip link set late up
check "moved back: works again" retry 10 can_ping a 10.0.0.3

# --- renamed
ip link set late down
ip link set late name other
ip link set other up
check "renamed: the old row has an error" retry 10 has_error late
vsctl s1 add-port br0 other
check "a row for the new name works" retry 10 can_ping a 10.0.0.3
vsctl s1 del-port br0 late

# --- taps as virtual machines have them: made, removed and made again under the same name
for round in 1 2 3; do
	ip tuntap add vmtap mode tap
	ip link set vmtap up
	[ $round = 1 ] && vsctl s1 add-port br0 vmtap
	check "tap, round $round: is a port" retry 10 has_ofport vmtap
	check "tap, round $round: no error" retry 10 has_no_error vmtap
	ip tuntap del vmtap mode tap
	check "tap, round $round: gone is noticed" retry 10 has_error vmtap
done
vsctl s1 del-port br0 vmtap

# --- internal ports, also in a foreign namespace
vsctl s1 add-port br0 int0 -- set interface int0 type=internal
retry 5 ip link show int0
ip link set int0 netns c name int0
ip -n c addr flush dev eth0
ip -n c addr add 10.0.0.7/24 dev int0
ip -n c link set int0 up
check "an internal port in a foreign namespace works" retry 10 can_ping a 10.0.0.7
daemon_stop s1
daemon_start s1
check "the daemon is restarted: it finds it there" retry 10 can_ping a 10.0.0.7
ip -n c link set int0 down
ip -n c link set int0 name lan0
ip -n c link set lan0 up
check "renamed there: still works" retry 10 can_ping a 10.0.0.7
pid=$(daemon_pid s1)
kill -9 "$pid"
retry 5 is_gone "$pid"
daemon_start s1
check "the daemon is killed and started: it finds it there" retry 10 can_ping a 10.0.0.7
link_is() { [ "$(vsctl s1 get interface int0 link_state)" = "$1" ]; }
ip -n c link set lan0 down
check "its state is seen from here: down" retry 5 link_is down
ip -n c link set lan0 up
check "its state is seen from here: up" retry 5 link_is up
ip -n c link set lan0 down
ip -n c link set lan0 name int0
vsctl s1 del-port br0 int0
gone_from_c() { ! ip -n c link show int0; }
check "and is removed from there with its row" retry 5 gone_from_c

# --- ports that cannot be made
vsctl s1 add-port br0 odd -- set interface odd type=nosuchtype 2> /dev/null || true
check "an unknown type: error" retry 5 has_error odd
vsctl s1 add-port br0 lonely -- set interface lonely type=patch options:peer=nobody 2> /dev/null || true
check "the others go on after all that" can_ping a 10.0.0.2
vsctl s1 del-port br0 odd -- del-port br0 lonely

# --- 20 quick changes in a row leave nothing behind
before=$(ls "/proc/$(daemon_pid s1)/fd" | wc -l)
for i in $(seq 20); do
	vsctl s1 add-port br0 "t$i" -- set interface "t$i" type=internal
	vsctl s1 del-port br0 "t$i"
done
after=$(ls "/proc/$(daemon_pid s1)/fd" | wc -l)
[ "$after" -le $((before + 4)) ] && ok "20 ports added and deleted: descriptors $before, $after" ||
	fail "20 ports added and deleted" "descriptors $before before, $after after"
check "no device is left" test "$(ip -o link | grep -c ' t[0-9]*:')" = 0
check "alive" alive s1
finish
