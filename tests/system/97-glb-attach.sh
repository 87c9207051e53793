#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 200
#
# What the programs saw: weftctl glb capture.  Other XDP programs on the device, by libxdp.
#
#    cl 10.0.0.2 -- rt -- e 10.0.1.2 (edge), b 10.1.0.2 (local), s 10.2.0.2 (host)
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need python3 ethtool
. "$ROOT/tests/lib/glb_net.sh"

VIP=203.0.113.10
mount -t bpf none /sys/fs/bpf || { skip 97-glb-attach "no BPF file system"; exit 0; }
router
node cl 0.0
node e 0.1
node b 1.0
node s 2.0
ip -n rt route add $VIP via 10.0.1.2
direct_return s $VIP
ip netns exec s "$FLOWS" serve s $VIP 80 > /dev/null 2>&1 &
cat > "$T/wanted.json" <<-END
	{ "sites": { "dc1": "10.1.0.2" }, "servers": { "s": "10.2.0.2" },
	  "pools": { "web": { "dc1": { "weight": 100, "servers": { "s": 100 } } } } }
	END
configure() { # configure NAME ADDRESS ROLE [MORE]
	cat > "$T/$1.json" <<-END
	{ "weft-glb:glb": {
	  "placement": "$T/placement.json", "pin": "/sys/fs/bpf/$1", "max-slots": 4096, "address": ["$2"],
	  "interface": [ { "name": "eth0", "mode": "generic"${4:-} } ],
	  $3,
	  "vip": [ { "address": "$VIP", "protocol": "udp", "port": 80, "pool": "web" },
	           { "address": "$VIP", "protocol": "tcp", "port": 80, "pool": "web" } ] } }
	END
}
check "a document" place
configure e 10.0.1.2 '"edge": {}'
configure b 10.1.0.2 '"local": { "site": "dc1" }'
configure s 10.2.0.2 '"host": {}'
for w in e b s; do
	check "weft-glb starts on $w" start $w
done
# udp N [PORT]: packets of one byte; how many were answered.
udp() {
	ip netns exec cl /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[4]))
s.connect((sys.argv[1], int(sys.argv[3])))
n = lost = 0
for i in range(int(sys.argv[2])):
    s.send(b"x")
    try:
        s.recv(100)
        n += 1
    except OSError:
        lost += 1
        if lost == 5:
            break
print(n)' $VIP "$1" "${2:-80}" "${3:-3}"
}
answered() { [ "$(udp 1)" = 1 ]; }
check "UDP is answered" retry 20 answered

# --- capture ----------------------------------------------------------------------------------------------

# captured NODE N COMMAND... -- OPTIONS...: runs the command until the capture on NODE has N packets; the file is $T/NODE.cap
captured() {
	local n=$1 count=$2 command=()
	shift 2
	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	shift
	rm -f "$T/$n.cap"
	"$WEFTCTL" --target="$T/$n.ctl" glb capture "$@" --count "$count" -w "$T/$n.cap" > "$T/$n.cap.out" 2>&1 &
	local pid=$!
	retry 100 eval '"${command[@]}" > /dev/null; ! kill -0 $pid 2> /dev/null' || true
	wait $pid
}
# packets FILE: each packet of a pcapng file, its comment and verdict.
packets() {
	/usr/bin/python3 - "$1" <<-'END'
		import struct, sys
		d, at, names = open(sys.argv[1], "rb").read(), 0, []
		def options(b):
		    out = {}
		    while b:
		        code, n = struct.unpack_from("<HH", b)
		        if not code:
		            break
		        out[code] = b[4:4 + n]
		        b = b[4 + (n + 3) // 4 * 4:]
		    return out
		while at < len(d):
		    kind, n = struct.unpack_from("<II", d, at)
		    assert struct.unpack_from("<I", d, at + n - 4)[0] == n
		    body = d[at + 8:at + n - 4]
		    if kind == 1:
		        names.append(options(body[8:])[2].decode())
		    elif kind == 6:
		        i, hi, lo, cap, size = struct.unpack_from("<5I", body)
		        o = options(body[20 + (cap + 3) // 4 * 4:])
		        print(names[i], size, body[20:20 + cap][12:14].hex(), o[1].decode(), o[7].hex())
		    at += n
	END
}
check "a capture at the edge" captured e 4 udp 4 -- --vip $VIP
if packets "$T/e.cap" > "$T/packets" && [ "$(sort -u "$T/packets")" = "eth0 43 0800 edge: tx 020300000000000000" ] &&
		[ "$(wc -l < "$T/packets")" = 4 ]; then
	ok "has four packets as they came, sent on"
else
	fail "has four packets as they came, sent on" "$(cat "$T/packets") $(cat "$T/e.cap.out")"
fi
if command -v tcpdump > /dev/null; then
	equal "which tcpdump reads" 4 "$(tcpdump -nr "$T/e.cap" 2> /dev/null | grep -c "> $VIP.80: UDP")"
fi
# What no VIP has is dropped; a capture of that reason has nothing else.
unserved() { udp 3 80; udp 1 81 0.1; }
check "a capture of one reason" captured e 2 unserved -- --drop vip_port
equal "has that only" "eth0 43 0800 edge: drop vip_port 020100000000000000" "$(packets "$T/e.cap" | sort -u)"
check "as lines of JSON, at the balancer" captured b 3 udp 3 -- --json --vip $VIP
equal "the packet inside the tunnel is read" "10.0.0.2 $VIP 80 17 local tx eth0" "$(/usr/bin/python3 -c '
import json, sys
for l in open(sys.argv[1]):
    o = json.loads(l)
    print(o["client"], o["vip"], o["vip-port"], o["protocol"], o["role"], o["verdict"], o["interface"])' "$T/b.cap" | sort -u)"
check "one of ten" captured e 5 udp 20 -- --sample 10 --json
check "at a host, to its stack" captured s 2 udp 2 -- --vip $VIP
equal "the host passes them" "host: pass" "$(packets "$T/s.cap" | awk '{ print $4, $5 }' | sort -u)"
check "a reason that there is not" eval '! out=$(ctl e capture --drop nonsense -w "$T/x" 2>&1) && [[ $out == *"no reason of a drop"* ]]'
# While one goes on: another, a reload; then it ends when nobody asks.
"$WEFTCTL" --target="$T/e.ctl" glb capture --json -w - > "$T/lines" 2> "$T/lines.err" &
pid=$!
disown
lines() { udp 1 > /dev/null && [ -s "$T/lines" ]; }
check "to the standard output" retry 20 lines
check "a second capture is refused" eval '! out=$(ctl e capture -w "$T/x" 2>&1) && [[ $out == *"captures already"* ]]'
check "a reload meanwhile" ctl e reload
before=$(wc -l < "$T/lines")
more() { udp 1 > /dev/null && [ "$(wc -l < "$T/lines")" -gt "$before" ]; }
check "does not end it" retry 20 more
kill -9 $pid
ended() { ctl e capture --count 1 --json -w "$T/again" & local p=$!; sleep 0.3; udp 1 > /dev/null; wait $p; }
check "who captures no more makes room for others" retry 20 ended 2> "$T/ended"
check "packets go on" answered

# --- with another program on the device, by libxdp ----------------------------------------------------------

# It drops ICMP and passes the rest.
SECOND=$(dirname "$GLB")/../tests/unit/glb
second() { nsenter --net=/run/netns/e "$SECOND/xdp_second" "$@" 2>> "$T/second.log"; }
pinged() { ip netns exec cl ping -c 1 -W 1 10.0.1.2 > /dev/null; }
check "the edge itself answers pings" retry 10 pinged
kill "$(cat "$T/e.pid")"
check "the edge's program is taken away" retry 10 nsenter --net=/run/netns/e "$GLB" --remove "$T/e.json"
check "another program has it" second attach eth0 "$SECOND/xdp_second.bpf.o" 10
check "which drops pings" eval '! pinged'
check "weft-glb alone is refused" eval '! out=$(start e 2>&1) && [[ $out == *libxdp* ]]'
configure e 10.0.1.2 '"edge": {}' ', "attach": "libxdp", "priority": 50'
if ! second list eth0 > "$T/list"; then
	# libxdp attaches a single program as it is then; the dispatcher itself is tested by 96-glb-kernel.
	check "without a dispatcher a second one is refused" eval '! out=$(start e 2>&1) && [[ $out == *"libxdp did not attach"* ]]'
	ip -n e link set dev eth0 xdpgeneric off
	check "alone it starts" start e
	check "UDP is answered" retry 20 answered
	udp 200 > "$T/flow" &
	for i in 1 2 3; do
		check "the program is replaced" ctl e reload
	done
	wait $!
	equal "no packet was lost meanwhile" 200 "$(cat "$T/flow")"
	becomes_older e 0 chained_eth0
	check "it serves" retry 20 answered
	configure e 10.0.1.2 '"edge": {}'
	check "directly instead" ctl e reload
	check "it serves" retry 20 answered
	configure e 10.0.1.2 '"edge": {}' ', "attach": "libxdp"'
	check "and back" ctl e reload
	check "it serves" retry 20 answered
	kill "$(cat "$T/e.pid")"
	check "it is taken away" retry 10 nsenter --net=/run/netns/e "$GLB" --remove "$T/e.json"
	equal "no program is left" "" "$(ip -n e link show eth0 | grep -o "prog/xdp" || true)"
	skip "with another program on the device" "this kernel has no freplace, so libxdp no dispatcher"
	finish
fi
check "without libxdp's dispatcher, too, and says what is missing" \
	eval '! out=$(LIBXDP_OBJECT_PATH=/nonexistent start e 2>&1) && [[ $out == *"package libxdp1"* ]]'
check "with it weft-glb starts" start e
check "UDP is answered by both" retry 20 answered
check "and the other program still drops" eval '! pinged'
equal "they are called in order" "second glb_entry" "$(second list eth0 | tr '\n' ' ' | sed 's/ $//')"
# Packets all the time, while programs are replaced, the daemon is killed, and the other program goes and comes.
udp 400 > "$T/flow" &
flow=$!
for i in 1 2 3; do
	ctl e reload
done > "$T/reload" 2>&1 && ok "programs replaced three times" || fail "programs replaced three times" "$(cat "$T/reload")"
kill -9 "$(cat "$T/e.pid")"
check "the daemon is killed and comes back" start e
check "the other program goes" second detach eth0 second
check "pings are answered" retry 10 pinged
check "it comes back behind ours" second attach eth0 "$SECOND/xdp_second.bpf.o" 90
check "what ours passes is its" eval '! pinged'
equal "in that order" "glb_entry second" "$(second list eth0 | tr '\n' ' ' | sed 's/ $//')"
check "a capture goes the same way" captured e 2 udp 2 -- --vip $VIP
wait $flow
equal "no packet was lost meanwhile" 400 "$(cat "$T/flow")"
becomes_older e 0 chained_eth0
equal "there is one of ours again" "glb_entry second" "$(second list eth0 | tr '\n' ' ' | sed 's/ $//')"
check "it serves" answered
kill "$(cat "$T/e.pid")"
check "ours is taken away" retry 10 nsenter --net=/run/netns/e "$GLB" --remove "$T/e.json"
equal "the other one stays" second "$(second list eth0)"
check "nothing is pinned" test ! -e /sys/fs/bpf/e
finish
