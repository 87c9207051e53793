#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 150
#
# The state file where it cannot be written (docs/state.md): a disk that gets full, a folder that is read-only, and a
# disk that gets full while another daemon takes over.  The switch goes on, says what that means, and what an old
# file says never comes back.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
export PYTHONPATH=$ROOT/tests/system # handover.py

ns_add a b
mkdir "$T/state"
mount -t tmpfs -o size=512k none "$T/state"
STATE=$T/state/weft.state
db_start s1
daemon_start s1 weft --state="$STATE"
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24

n_flows() { ofctl s1 -O OpenFlow13 dump-flows br0 "table=$1" | grep -c 'actions=' || true; }
# fill TABLE: more flows than the disk holds.
fill() {
	seq -f "table=$1,priority=5,udp,tp_dst=%.0f,actions=drop" 8000 > "$T/flows"
	ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/flows"
}
logged() { grep -c "$1" "$T/s1/ovs-vswitchd.log" > /dev/null; }
kill_daemon() {
	local pid
	pid=$(daemon_pid s1)
	kill -9 "$pid"
	retry 10 is_gone "$pid"
}

ofctl s1 add-flow br0 table=3,priority=1,actions=drop
check "full: flows are taken" fill 4
equal "full: and all are there" 8000 "$(n_flows 4)"
check "full: the log says so" logged 'cannot write: No space left on device.*will not live through a restart'
check "full: state/show says so" grep -q 'nothing is kept.*No space left' <(appctl s1 state/show)
check "full: the file is removed" test ! -e "$STATE"
check "full: packets pass" can_ping a 10.0.0.2
if daemon_start s1 weft --takeover --state="$STATE" 2> "$T/err"; then
	fail "full: no upgrade" "it takes over"
else
	check "full: no upgrade, says why" grep -q 'keeps no state file' "$T/err"
fi
kill_daemon
daemon_start s1 weft --state="$STATE"
equal "full: starts empty" 0 "$(n_flows 4)"
check "full: and keeps a file again" grep -q "file: $STATE" <(appctl s1 state/show)

# What a read-only folder has is not used, as it could not be kept true, and not forgotten silently either.
ofctl s1 add-flow br0 table=3,priority=1,actions=drop
kill_daemon
mount -o remount,ro "$T/state"
daemon_start s1 weft --state="$STATE"
equal "read-only: starts empty" 0 "$(n_flows 3)"
check "read-only: the log says so" logged 'Read-only file system.*will not live through a restart'
check "read-only: and what to do" logged 'cannot be removed: Read-only file system.*Remove it before the next start'
check "read-only: state/show says so" grep -q 'nothing is kept.*Read-only' <(appctl s1 state/show)
check "read-only: packets pass" can_ping a 10.0.0.2
check "read-only: takes flows" ofctl s1 add-flow br0 table=5,actions=drop
mount -o remount,rw "$T/state"
rm -f "$STATE"
kill_daemon

# A file of which a byte is wrong, in a folder in which it cannot be put aside.
daemon_start s1 weft --state="$STATE"
ofctl s1 add-flow br0 table=3,priority=1,actions=drop
kill_daemon
printf 'x' | dd of="$STATE" bs=1 seek=90 conv=notrunc status=none
mount -o remount,ro "$T/state"
daemon_start s1 weft --state="$STATE"
check "damaged, read-only: the log says both" logged 'weft.state is refused: .*It cannot be renamed to .*Read-only'
equal "damaged, read-only: starts empty" 0 "$(n_flows 3)"
kill_daemon
mount -o remount,rw "$T/state"
rm -f "$STATE"

# The disk gets full between the two daemons' talk and the moment in which they change.
daemon_start s1 weft --state="$STATE"
ofctl s1 add-flow br0 table=3,priority=1,actions=drop
mkfifo "$T/go"
/usr/bin/python3 -B - "$T/s1/weft.handover" "$T/go" > "$T/taker" 2>&1 <<-'END' &
	import sys
	from handover import *
	s = take(sys.argv[1])
	print("ready", flush=True)
	open(sys.argv[2]).read()
	s.send(message(READY))
	print("answer:", s.recv(2048), flush=True)
END
taker=$!
retry 10 grep ready "$T/taker"
fill 6
: > "$T/go"
wait "$taker" || true
equal "full in between: it is not taken over from" "answer: b''" "$(tail -n 1 "$T/taker")"
check "full in between: the log says why" logged 'this one goes on'
equal "full in between: nothing is lost" 8001 "$(($(n_flows 6) + $(n_flows 3)))"
check "full in between: packets pass" can_ping a 10.0.0.2
check "alive" alive s1
daemon_stop s1 --cleanup
umount "$T/state"
finish
