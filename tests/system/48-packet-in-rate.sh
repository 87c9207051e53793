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

# A sender's 60,000 bytes in one piece, for a card to split: each of its segments is told.
cat > "$T/gso.py" <<'END'
import socket
import struct

payload = 60000
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
s.bind(("h1", 0))
tcp = struct.pack("!HHIIBBHHH", 1000, 2000, 1, 1, 0x50, 0x10, 1000, 0, 0)
addresses = bytes([192, 0, 2, 1, 192, 0, 2, 2])
pseudo = sum(struct.unpack("!6H", addresses + struct.pack("!HH", 6, len(tcp) + payload & 0xffff)))
pseudo = (pseudo & 0xffff) + (pseudo >> 16)
ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + payload, 1, 0, 64, 6, 0) + addresses
total = sum(struct.unpack("!10H", ip))
total = (total & 0xffff) + (total >> 16)
ip = ip[:10] + struct.pack("!H", ~total & 0xffff) + ip[12:]
tcp = tcp[:16] + struct.pack("!H", pseudo) + tcp[18:]
# struct virtio_net_hdr: to be summed, TCP over IPv4, length of the headers, of a segment, where the sum stands
s.send(struct.pack("<BBHHHH", 1, 1, 54, 500, 34, 16) +
       bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]) + ip + tcp + bytes(payload))
END
ofctl s1 add-flow br0 'tcp,actions=controller:100'
/usr/bin/python3 "$T/gso.py"
segments() { grep -c 'total_len=554 in_port=1 ' "$T/monitor.log" || true; }
all_segments() { [ "$(segments)" = 120 ]; }
retry 10 all_segments || true
if all_segments; then
	ok "all segments of a large packet are told"
else
	fail "all segments of a large packet are told" "$(segments) of 120"
fi
# What waits when its session ends is counted.
retry 20 eval 'ofctl s1 del-flows br0 tcp' && /usr/bin/python3 "$T/send.py"
kill "$(cat "$T/monitor.pid")"
closed() { [ "$(appctl s1 coverage/read-counter packet_in_dropped_closed)" -gt 0 ]; }
retry 5 closed && ok "what waited for a session that ended is counted" ||
	fail "what waited for a session that ended is counted" "$(appctl s1 coverage/read-counter packet_in_dropped_closed)"
check "alive" alive s1
finish
