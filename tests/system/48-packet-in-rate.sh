#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A controller with controller_rate_limit: what comes faster waits, ports are served in turn, and the
# port that floods is the one that loses packets.  What is dropped is counted, and costs little.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure
veth_ports s1 br0 2
vsctl s1 set-controller br0 ptcp:6699:127.0.0.1 -- set controller br0 \
	controller_rate_limit=100 controller_burst_limit=100 controller_queue_size=500
ofctl s1 add-flow br0 'dl_type=0x88b5,actions=controller:100'
ofctl s1 add-flow br0 priority=0,actions=drop
in_dir s1 ovs-ofctl monitor tcp:127.0.0.1:6699 100 --detach --no-chdir --pidfile="$T/monitor.pid" \
	2> "$T/monitor.log"
is_connected() { [ "$(vsctl s1 get controller br0 is_connected)" = true ]; }
retry 10 is_connected && ok "the controller is there" || fail "the controller is there" "no"
of_port() { grep -c "in_port=$1 (via action)" "$T/monitor.log" || true; }

# send DEVICE FRAMES: with a rest now and then, so that the wait is at the controller's door.
cat > "$T/send.py" <<'END'
import socket
import time

def frames(device, n):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((device, 0))
    for i in range(n):
        s.send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, i >> 8, i & 255, 0x88, 0xb5]) + bytes(46))
        if i % 20 == 19:
            time.sleep(0.001)

frames("h1", 3000)
time.sleep(0.5)
frames("h2", 1)
END
cpu() { awk '{ print $14 + $15 }' "/proc/$1/task/$1/stat"; }
pid=$(daemon_pid s1)
began=$(cpu "$pid")
/usr/bin/python3 "$T/send.py"
arrived() { [ "$(of_port 2)" = 1 ]; }
retry 20 arrived || true
# Of the flood 500 wait when it comes, for five seconds.  All get their turn.
after() { sed '1,/in_port=2 (via action)/d' "$T/monitor.log" | grep -c 'in_port=1 (via action)' || true; }
many_after() { [ "$(after)" -ge 250 ]; }
if arrived && retry 20 many_after; then
	ok "the packet of a quiet port does not wait for the flood's"
else
	fail "the packet of a quiet port does not wait for the flood's" "only $(after) of them came after it"
fi
dropped=$(appctl s1 coverage/read-counter packet_in_dropped_rate)
full=$(appctl s1 coverage/read-counter drop_packet_in_queue_full)
echo "# main thread: $(($(cpu "$pid") - began)) ticks, $dropped and $full dropped"
[ "$dropped" -gt 0 ] && ok "what was too much is counted" || fail "what was too much is counted" "$dropped"
kill "$(cat "$T/monitor.pid")"
check "alive" alive s1
finish
