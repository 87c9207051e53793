#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
#   ns a --- [ br0, many flows ] --- ns b          int1 (internal): ns c
#
# A planned upgrade (docs/state.md): the next daemon takes ports, flows and sockets over from the one that
# runs.  No frame is lost, changes of the last moment are there, counters go on, TCP connections over taps
# live; and when the next one fails, the one that runs goes on.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
export PYTHONPATH=$ROOT/tests/system # handover.py
N=${FLOWS:-20000}

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a b c
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
vsctl s1 add-port br0 int1 -- set interface int1 type=internal
retry 5 ip link show int1
ip link set int1 netns c
ip -n c addr add 10.0.0.8/24 dev int1
ip -n c link set int1 up
ip addr add 10.0.0.9/24 dev br0
ip link set br0 up
vsctl s1 add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=secure

# A tunnel that ends on an address of the host.
veth nic0 b eth9 172.16.0.2/24
ip addr add 172.16.0.1/24 dev nic0
vsctl s1 add-br br2 -- set bridge br2 datapath_type=netdev -- add-port br2 vx \
	-- set interface vx type=vxlan options:remote_ip=172.16.0.2 options:key=7
ip addr add 10.9.0.1/24 dev br2
ip link set br2 mtu 1400 up
ip -n b link add vx7 type vxlan id 7 local 172.16.0.2 remote 172.16.0.1 dstport 4789
ip -n b link set vx7 mtu 1400 up
ip -n b addr add 10.9.0.2/24 dev vx7
check "a tunnel of the host before" retry 10 can_ping b 10.9.0.1

cat > "$T/flows" <<-END
	table=0,priority=100,udp,in_port=1,nw_src=10.99.0.1,actions=mod_nw_tos:184,output:2
	table=0,priority=0,actions=NORMAL
	table=7,cookie=7,actions=group:1
	table=7,priority=5,ip,actions=meter:1,output:2
END
/usr/bin/python3 - "$N" >> "$T/flows" <<-'END'
	import sys
	for i in range(9000):
	    print(f"table=0,cookie=0x77,priority=60,udp,in_port=1,nw_src=10.77.{i>>8&255}.{i&255},actions=drop")
	for i in range(int(sys.argv[1])):
	    print(f"table=1,priority=9,ip,nw_src=10.{i>>16}.{i>>8&255}.{i&255},actions=output:{i%7+1}")
END
ofctl s1 del-flows br0
ofctl s1 -O OpenFlow13 add-group br0 "group_id=1,type=all,bucket=actions=output:2"
ofctl s1 -O OpenFlow13 add-meter br0 "meter=1,pktps,bands=type=drop,rate=1000"
CLIENT_LIMIT=120 ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/flows"
check "traffic before" can_ping a 10.0.0.9
# Each of many flows gets a packet: more counters than one frame of the handover holds.
ip netns exec a /usr/bin/python3 - <<-'END'
	import socket, struct, time
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
	s.bind(("eth0", 0))
	for i in range(9000):
	    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 46, 0, 0, 64, 17, 0, bytes([10, 77, i >> 8, i & 255]), bytes([10, 0, 0, 2]))
	    s.send(bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]) + ip + struct.pack("!HHHH", 1, 9, 26, 0) + bytes(18))
	    if i % 100 == 99:
	        time.sleep(0.01)
END
counted() {
	ofctl s1 -O OpenFlow13 dump-flows br0 cookie=0x77/-1 | grep -c n_packets=1, || true
}
all_counted() { [ "$(counted)" = 9000 ]; }
check "9000 flows have a packet each" retry 20 all_counted

snapshot() {
	ofctl s1 -O OpenFlow13 dump-flows br0 --no-stats | grep -v 'table=9' | sort
	ofctl s1 -O OpenFlow13 dump-groups br0 | sort
	ofctl s1 -O OpenFlow13 dump-meters br0
	vsctl s1 --columns=name,ofport,error --format=csv --no-headings list interface | sort
	ip -o link show br0 | sed 's/ state.*//'
	ip -n c -o addr show int1 | grep -o 'inet6\? [^ ]*'
	ip -n c -o link show int1 | sed -n 's/^\([0-9]*: [^:@]*\).*/\1/p'
}

traffic() {
	rm -f "$T/stop"
	/usr/bin/python3 -B "$ROOT/tests/system/state_traffic.py" a b eth0 "$T/stop" 46 > "$T/traffic" 2>&1 &
	local end=$((SECONDS + 10))
	until [ "$(hits)" -gt 100 ]; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done
}
traffic_end() {
	sleep 0.5
	touch "$T/stop"
	retry 10 grep sent= "$T/traffic" || true
	cat "$T/traffic"
}
value() { sed -n "s/.*\<$1=\([0-9.]*\).*/\1/p" <<< "$2"; }
hits() {
	local n
	n=$(ofctl s1 dump-flows br0 table=0,udp,in_port=1,nw_src=10.99.0.1 | sed -n 's/.*n_packets=\([0-9]*\).*/\1/p')
	echo "${n:-0}"
}
streams() {
	rm -f "$T/stop-streams" "$T"/stream.*
	/usr/bin/python3 -B "$ROOT/tests/system/stream.py" a 10.0.0.9 - "$T/stop-streams" > "$T/stream.1" 2>&1 &
	s1=$!
	/usr/bin/python3 -B "$ROOT/tests/system/stream.py" a 10.0.0.8 c "$T/stop-streams" > "$T/stream.2" 2>&1 &
	s2=$!
	retry 10 grep connected "$T/stream.1"
	retry 10 grep connected "$T/stream.2"
}
# Flows that come and go all the time: table 9, cookies that count.
churn() {
	local k=0
	while [ ! -e "$T/stop" ]; do
		k=$((k + 1))
		in_dir s1 ovs-ofctl -O OpenFlow13 add-flow br0 "table=9,priority=1,cookie=$k,actions=drop" \
			2> /dev/null && echo $k > "$T/churned"
		in_dir s1 ovs-ofctl -O OpenFlow13 add-flow br0 "table=9,priority=$((k % 50 + 2)),cookie=$k,arp,actions=drop" \
			2> /dev/null || true
		in_dir s1 ovs-ofctl -O OpenFlow13 del-flows --strict br0 "table=9,priority=$(((k + 25) % 50 + 2)),arp" \
			2> /dev/null || true
	done
}

turn() {
	local name=$1 before old pid got churner h churned cookie
	shift
	before=$(snapshot)
	old=$(daemon_pid s1)
	traffic || fail "$name: traffic" "none arrives"
	streams
	ip netns exec b ping -q -i 0.02 -c 100 -W 5 10.9.0.1 > "$T/ping" & pinger=$!
	churn & churner=$!
	retry 10 test -s "$T/churned"
	h=$(hits)
	check "$name: the next daemon takes over" "$@"
	pid=$(daemon_pid s1)
	check "$name: it is another process" test "$pid" != "$old"
	check "$name: the one before has ended" retry 10 is_gone "$old"
	got=$(traffic_end)
	wait $churner || true
	churned=$(cat "$T/churned")
	cookie=$(ofctl s1 -O OpenFlow13 dump-flows br0 table=9 | sed -n 's/.*cookie=0x\([0-9a-f]*\),.*priority=1 .*/\1/p')
	check "$name: a change that was confirmed is there ($churned)" test $((16#${cookie:-0})) -ge "$churned"
	if [ "$(value received "$got")" -gt 500 ] && [ "$(value unmarked "$got")" = 0 ] && [ "$(value lost "$got")" = 0 ]; then
		ok "$name: no frame is lost ($got)"
	else
		fail "$name: no frame is lost" "$got"
	fi
	wait $pinger || true
	check "$name: nothing is lost in a tunnel of the host ($(grep received "$T/ping"))" \
		grep '100 received' "$T/ping"
	equal "$name: each flow has its packet" 9000 "$(counted)"
	touch "$T/stop-streams"
	if wait $s1 && wait $s2; then
		ok "$name: TCP connections live on ($(tail -q -n 1 "$T/stream.1" "$T/stream.2" | tr '\n' ' '))"
	else
		fail "$name: TCP connections live on" "$(tail -q -n 1 "$T/stream.1" "$T/stream.2" | tr '\n' ' ')"
	fi
	equal "$name: flows, groups, meters, ports" "$before" "$(snapshot)"
	check "$name: counters go on ($h, then $(hits))" test "$(hits)" -gt "$h"
	echo "# $(grep -h 'taken over' "$T/s1/ovs-vswitchd.log" | tail -n 2 | sed 's/^[^|]*|[^|]*|//' | tr '\n' ' ')"
	rm -f "$T/churned"
}

turn "weft/upgrade" appctl s1 -t ovs-vswitchd weft/upgrade
turn "--takeover" daemon_start s1 weft --takeover
# The daemon that was taken over from last is no special one.
pid=$(daemon_pid s1)
kill -9 "$pid"
retry 5 is_gone "$pid"
before_kill=$(ofctl s1 -O OpenFlow13 dump-flows br1 2>/dev/null || true)
check "after kill -9 a start with --takeover is an ordinary one" daemon_start s1 weft --takeover
equal "after kill -9: flows are there" "$((N + 9004))" \
	"$(ofctl s1 -O OpenFlow13 dump-aggregate br0 | sed -n 's/.*flow_count=\([0-9]*\).*/\1/p' | awk -v n="$(ofctl s1 -O OpenFlow13 dump-flows br0 table=9 | grep -c table=9)" '{ print $1 - n }')"

# --- failures: the one that runs goes on ------------------------------------------------------------

still() {
	local name=$1
	retry 10 alive s1 || true
	check "$name: the one that runs goes on" test "$(daemon_pid s1)" = "$old"
	check "$name: and forwards" can_ping a 10.0.0.9
	check "$name: and takes flows" ofctl s1 -O OpenFlow13 add-flow br0 "table=8,priority=$((++n8)),actions=drop"
}
n8=0
old=$(daemon_pid s1)
if daemon_start s1 weft --takeover --state="$T/other.state" 2> "$T/err"; then
	fail "another state file" "it is taken"
else
	check "another state file: says why" grep "stays the switch" "$T/err"
fi
still "another state file"
/usr/bin/python3 -B - "$T/s1/weft.handover" <<-'END'
	# A daemon that dies when it has everything, and one that is asked to go on and does not.
	import sys, time
	from handover import *
	take(sys.argv[1]).close()
	s = take(sys.argv[1])
	s.send(message(READY))
	assert type_of(s.recv(2048)) == DONE
	time.sleep(5)  # longer than the patience of the other side
	try:
	    s.send(message(TAKEN))
	    sys.exit("TAKEN is accepted too late")
	except OSError:
	    pass
	for junk in (b"", b"x", b"\xff" * 600, message(UNKNOWN)):
	    s = connect(sys.argv[1])
	    s.send(junk)
	    s.close()
END
still "a daemon that does not take over"
/usr/bin/python3 -B - "$T/s1/weft.handover" > "$T/deaf" 2>&1 <<-'END' &
	# One that is slow to read more than a socket holds, as the ports of a large switch are; then one that asks
	# again and again and reads nothing.
	import select, sys, time
	from handover import *
	s = connect(sys.argv[1])
	rounds = 100
	for _ in range(rounds):
	    ask(s)
	time.sleep(0.5)
	ends = n = 0
	while ends < rounds:
	    m = receive(s)
	    if not m:
	        sys.exit(f"it gave up after {n} messages")
	    ends += type_of(m) == END
	    n += 1
	s.close()
	print(f"slow: {n} messages", flush=True)
	s = connect(sys.argv[1])
	s.setblocking(False)
	end = time.monotonic() + 120
	while time.monotonic() < end:
	    if select.select([], [s], [], 1)[1]:
	        try:
	            ask(s)
	        except BlockingIOError:
	            pass
	        except OSError:
	            print("dropped")
	            sys.exit()
END
deaf=$!
check "one that reads slowly gets everything" retry 60 grep slow "$T/deaf"
check "one that does not read is dropped" retry 60 grep dropped "$T/deaf"
wait "$deaf" || true
still "one that does not read"
check "and can be taken over from afterwards" retry 10 daemon_start s1 weft --takeover
check "by another process" test "$(daemon_pid s1)" != "$old"
# A daemon that was taken over from and then hangs (it would keep the database's lock): its state file is the last one's.
ofctl s1 add-flow br0 "table=8,priority=999,actions=drop"
daemon_stop s1
/usr/bin/python3 -B - "$T/s1/weft.handover" "$T/s1/weft.state" > "$T/hangs" 2>&1 <<-'END' &
	import os, signal, socket, sys, time
	from handover import *
	if os.path.exists(sys.argv[1]):
	    os.unlink(sys.argv[1])
	listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	listener.bind(sys.argv[1])
	listener.listen()
	signal.signal(signal.SIGTERM, signal.SIG_IGN)
	print("listens", flush=True)
	s = listener.accept()[0]
	state = os.open(sys.argv[2], os.O_RDWR)
	assert type_of(s.recv(2048)) == HELLO
	socket.send_fds(s, [message(FILE) + sys.argv[2].encode()], [state])
	s.send(message(END))
	assert type_of(s.recv(2048)) == READY
	s.send(message(DONE))
	assert type_of(s.recv(2048)) == TAKEN
	print("taken", flush=True)
	time.sleep(300)
END
hanging=$!
disown "$hanging" # bash would print all of it when it is killed
retry 10 grep listens "$T/hangs"
check "from one that hangs when it has been taken over from" daemon_start s1 weft --takeover
check "it had been taken over from" grep taken "$T/hangs"
check "it is killed" retry 20 is_gone "$hanging"
check "and the log says so" grep -q "(process $hanging) did not end within 10 s: killed" "$T/s1/ovs-vswitchd.log"
check "the next one has its flows" grep priority=999 <(ofctl s1 dump-flows br0 table=8)
check "and takes others" ofctl s1 add-flow br0 "table=8,priority=998,actions=drop"
daemon_stop s1 --cleanup
no_devices() { ! ip link show br0 && ! ip -n c link show int1; }
check "exit --cleanup takes the devices away" retry 5 no_devices
finish
