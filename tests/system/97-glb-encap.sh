#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
# How packets are brought to sites and servers besides GRE: GUE, IP in IP, VXLAN, L2 rewrite, NAT; and VIPs that are
# prefixes, packets that do not fit behind a local balancer, and a data path taken over from one with other maps.
#
#    cl 10.0.0.2 -- rt -- e 10.0.1.2 (edge)
#                   +---- 10.1.0.0/24: b 10.1.0.2 (local), s 10.1.0.3, t 10.1.0.4 (host), l 10.1.0.5, n 10.1.0.6 (no weft)
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl python3 ethtool
. "$ROOT/tests/lib/glb_net.sh"

VIP=203.0.113.10
VIP6=2001:db8:f::10
PREFIX=203.0.113.128/28
mount -t bpf none /sys/fs/bpf || { skip 97-glb-encap "no BPF file system"; exit 0; }
router
node cl 0.0
node e 0.1
segment 1.0 b s t l n
ip -n cl link set eth0 mtu 1500
for a in $VIP $PREFIX; do
	ip -n rt route add $a via 10.0.1.2
done
ip -n rt route add $VIP6 via 2001:db8:0:1::2
for w in s t l; do
	direct_return $w $VIP $VIP6 $PREFIX
	ip netns exec $w "$FLOWS" serve $w $VIP 80 > /dev/null 2>&1 &
	ip netns exec $w "$FLOWS" serve $w 203.0.113.128 80 > /dev/null 2>&1 &
	ip netns exec $w "$FLOWS" serve $w 203.0.113.143 8081 > /dev/null 2>&1 &
	ip netns exec $w "$FLOWS" serve $w $VIP6 80 > /dev/null 2>&1 &
done
# The server behind NAT has its own addresses only, another port, and its answers go through the balancer.
ip -n n route replace default via 10.1.0.2
ip -n n route replace default via 2001:db8:1:0::2
ip netns exec n "$FLOWS" serve n 10.1.0.6 8080 > /dev/null 2>&1 &
ip netns exec n "$FLOWS" serve n 2001:db8:1:0::6 8080 > /dev/null 2>&1 &

number=0
# wanted SITE-ENCAPSULATION SERVER: the pool's servers.
wanted() {
	cat > "$T/wanted.json" <<-END
	{ "sites": { "dc1": { "address": "10.1.0.2", "encapsulation": "$1" } },
	  "servers": { "s": $2, "t": { "address": "10.1.0.4", "encapsulation": "gue" },
	    "l": { "address": "10.1.0.5", "encapsulation": "l2" },
	    "l6": { "address": "2001:db8:1:0::5", "encapsulation": "l2" },
	    "n": { "address": "10.1.0.6", "encapsulation": "nat", "port": 8080 },
	    "n6": { "address": "2001:db8:1:0::6", "encapsulation": "nat", "port": 8080 } },
	  "pools": { "web": { "dc1": { "weight": 100, "servers": { $3 } } },
	             "web6": { "dc1": { "weight": 100, "servers": { $4 } } },
	             "wide": { "dc1": { "weight": 100, "servers": { "s": 100 } } } } }
	END
}
configure() {
	cat > "$T/$1.json" <<-END
	{ "weft-glb:glb": {
	  "placement": "$T/placement.json", "pin": "/sys/fs/bpf/$1", "max-slots": 8192, "gue-port": 19523,
	  "address": ["$2", "$3"], "metrics": {},
	  "interface": [ { "name": "eth0", "mode": "generic" } ],
	  $4,
	  "vip": [ { "address": "$VIP", "protocol": "tcp", "port": 80, "pool": "web" },
	           { "address": "$VIP", "protocol": "udp", "port": 80, "pool": "web", "quic": true },
	           $5
	           { "address": "$VIP6", "protocol": "tcp", "port": 80, "pool": "web6" } ] } }
	END
}
change() { # change NAME COMMAND...: the next document, in force everywhere
	local name=$1
	shift
	if ! "$@" > "$T/place.out" 2>&1; then
		fail "$name" "$(cat "$T/place.out")"
		return
	fi
	number=$(awk '$1 == "document" { print $2 }' "$T/place.out")
	retry 30 in_force "$number" e b s t || fail "$name" "document $number is not in force: $(tail -n 2 "$T"/*.log)"
}
page() { ip netns exec cl curl -s -g --max-time 5 "http://$1/"; }
page_of() { [ "$(page "$2")" = "$1" ]; }

wanted gre '"10.1.0.3"' '"s": 100' '"s": 100'
check "a first document" place
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}' "{ \"address\": \"$PREFIX\", \"protocol\": \"any\", \"port\": 0, \"pool\": \"wide\" },"
configure b 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }' \
	"{ \"address\": \"$PREFIX\", \"protocol\": \"any\", \"port\": 0, \"pool\": \"wide\" },"
configure s 10.1.0.3 2001:db8:1:0::3 '"host": {}' "{ \"address\": \"$PREFIX\", \"protocol\": \"any\", \"port\": 0, \"pool\": \"wide\" },"
configure t 10.1.0.4 2001:db8:1:0::4 '"host": {}' ""
for w in e b s t; do
	check "weft-glb starts on $w" start $w
done
number=1
check "GRE" retry 20 page_of s $VIP
check "a prefix, its lower address" retry 20 page_of s 203.0.113.128
check "a prefix, another port and address" retry 20 page_of s 203.0.113.143:8081
check "what is not in it stays the stack's" eval '! page 203.0.113.144'
check "why knows the prefix" eval '[[ $(ctl e why 10.0.0.2:4711 203.0.113.140:99) == *"pool wide "* ]]'
equal "the doctor finds nothing on a server of a prefix" "nothing to mend" "$(ctl s doctor | tail -n 1)"

metric() { # metric PATTERN: a line like that is in the edge's metrics
	ip netns exec e curl -s http://127.0.0.1:9154/metrics > "$T/metrics" && grep -E "$1" "$T/metrics" > /dev/null
}
check "metrics of a VIP" metric '^weft_glb_vip_packets_total\{vip="203.0.113.10 tcp 80"\} [1-9]'
check "and of drops, by reason" metric '^weft_glb_drop_packets_total\{reason="no_route"\} [0-9]'
equal "each name has one type" "" "$(grep '^# TYPE' "$T/metrics" | sort | uniq -d)"
cp "$T/e.json" "$T/e.good"
sed -i 's|"metrics": {}|"metrics": { "address": "0.0.0.0" }|' "$T/e.json"
check "another address of the port" ctl e reload
check "has the metrics" metric '^weft_glb_document'
# What can't be had is found before anything is changed.
sed -i 's|"metrics": .*|"metrics": { "address": "192.0.2.99" },|; /"any"/d' "$T/e.json"
check "metrics that can't be listened for" eval '! out=$(ctl e reload 2>&1) && [[ $out == *metrics* ]]'
check "the old ones answer" metric '^weft_glb_document'
check "and all VIPs are served" page_of s 203.0.113.128
cp "$T/e.good" "$T/e.json"
sed -i 's|"name": "eth0"|"name": "eth9"|' "$T/e.json"
check "a device that is not there" eval '! out=$(ctl e reload 2>&1) && [[ $out == *"eth9: there is no such device"* ]]'
check "changes nothing" metric '^weft_glb_document'
cp "$T/e.good" "$T/e.json"
check "the good configuration is taken" ctl e reload

for encap in gue ipip vxlan; do
	mac=''
	[ $encap != vxlan ] || mac=', "mac": "02:00:00:00:00:03"'
	wanted gre "{ \"address\": \"10.1.0.3\", \"encapsulation\": \"$encap\"$mac }" '"s": 100' '"s": 100'
	change "$encap to servers" place
	check "$encap from balancer to server" retry 20 page_of s $VIP
	check "$encap with IPv6 in it" retry 20 page_of s "[$VIP6]"
	wanted gre "{ \"address\": \"2001:db8:1:0::3\", \"encapsulation\": \"$encap\"$mac }" '"s": 100' '"s": 100'
	change "$encap over IPv6" place
	check "$encap over IPv6" retry 20 page_of s $VIP
	sed -i "s/\"10.1.0.2\", \"encapsulation\": \"gre\"/\"10.1.0.2\", \"encapsulation\": \"$encap\"$mac/" "$T/wanted.json"
	change "$encap to sites" place
	check "$encap from edge to balancer, too" retry 20 page_of s $VIP
done
wanted gre '"10.1.0.3"' '"l": 100, "s": 0' '"l6": 100, "s": 0'
change "L2 rewrite" place
check "L2 rewrite" retry 20 page_of l $VIP
check "L2 rewrite of IPv6" retry 20 page_of l "[$VIP6]"
wanted gre '"10.1.0.3"' '"n": 100, "s": 0, "l": 0' '"n6": 100, "s": 0, "l6": 0'
change "destination NAT" place
check "NAT, there and back" retry 20 page_of n $VIP
check "NAT of IPv6" retry 20 page_of n "[$VIP6]"
check "the way back is counted" eval '[ "$(count b nat_back)" -gt 0 ]'
udp() {
	ip netns exec cl /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], 80))
s.send(b"x" * int(sys.argv[2]))
print(s.recv(100).decode(), end="")
' $VIP "$1"
}
equal "UDP through NAT" n "$(retry 10 udp 10; udp 10)"
# A router on the client's side says that 1300 bytes are the most: the server behind NAT must hear it.
cat > "$T/too_big.py" <<-'END'
	import sys
	from scapy.all import *
	quoted = bytes(IP(src=sys.argv[1], dst="10.0.0.2", len=1500, flags="DF") / UDP(sport=80, dport=4711, len=1480))[:28]
	send(IP(dst=sys.argv[1]) / ICMP(type=3, code=4, nexthopmtu=1300) / Raw(quoted), verbose=0)
END
heard() {
	ip netns exec cl /usr/bin/python3 "$T/too_big.py" $VIP > "$T/scapy" 2>&1
	[[ $(ip -n n route get 10.0.0.2) == *"mtu 1300"* ]]
}
check "an ICMP error about a flow reaches its server behind NAT" retry 20 heard

# --- connection IDs -----------------------------------------------------------------------------------

wanted gre '"10.1.0.3"' '"s": 100, "t": 100, "n": 0, "l": 0' '"s": 100, "n6": 0, "l6": 0'
change "two servers" place --cut
id_of() { ctl b show | sed -n "s/^$1 $2 (id \([0-9]*\)).*/\1/p"; }
# who SITE SERVER: who answers 30 packets with that connection ID, each from another port as after NAT rebinding.
who() {
	ip netns exec cl /usr/bin/python3 -c '
import socket, struct, sys
names = set()
for i in range(30):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((sys.argv[1], 80))
    s.send(b"\x40\x0f" + struct.pack(">II", int(sys.argv[2]), int(sys.argv[3])) + bytes(20))
    try:
        names.add(s.recv(100).decode())
    except OSError:
        names.add("nobody")
print(" ".join(sorted(names)))' $VIP "$1" "$2"
}
who_is() { [ "$(who "$1" "$2")" = "$3" ]; }
for w in s t; do
	check "connection IDs of $w bring packets of any port to it" retry 20 who_is "$(id_of site dc1)" "$(id_of server $w)" $w
done
check "ids of nobody are balanced" retry 20 who_is 4000000 4000001 "s t"
check "and counted apart" eval '[ "$(count b by_connection_id)" -ge 60 ]'

# --- connections that live -------------------------------------------------------------------------

mkdir "$T/tcp" "$T/udp"
wanted gue '{ "address": "10.1.0.3", "encapsulation": "gue" }' '"s": 100, "t": 100, "n": 0, "l": 0' '"s": 100, "n6": 0, "l6": 0'
change "two servers by GUE" place --cut
check "a server by GUE answers" retry 20 eval '[[ $(page $VIP) == [st] ]]'
ip netns exec cl "$FLOWS" hold $VIP 80 30 "$T/tcp" tcp 10.0.0.2 2> "$T/tcp/log" &
ip netns exec cl "$FLOWS" hold $VIP 80 10 "$T/udp" udp 10.0.0.2 2> "$T/udp/log" &
check "30 TCP and 10 UDP flows are open" retry 60 test -e "$T/tcp/ready" -a -e "$T/udp/ready"
wanted gue '{ "address": "10.1.0.3", "encapsulation": "gue" }' '"s": 0, "t": 100, "n": 0, "l": 0' '"s": 100, "n6": 0, "l6": 0'
change "a server drains" place --forget-before 100
check "its connections are handed on to it, by the hop list of GUE" retry 20 eval '[ "$(count t handed_on)" -gt 0 ]'
sleep 1
wanted gue '{ "address": "10.1.0.3", "encapsulation": "gue" }' '"s": 0, "t": 0, "n": 100, "l": 0' '"s": 100, "n6": 0, "l6": 0'
change "a server without hop lists takes over" place
check "new connections are its" retry 20 page_of n $VIP
sleep 2
touch "$T/tcp/stop" "$T/udp/stop"
retry 30 test -e "$T/tcp/result" -a -e "$T/udp/result" || true
equal "no TCP connection broke" "flows 30 broken 0 moved 0" "$(head -n 1 "$T/tcp/result")"
equal "no UDP flow moved" "flows 10 broken 0 moved 0" "$(head -n 1 "$T/udp/result")"

# --- packets that do not fit behind the balancer -----------------------------------------------------

wanted gre '"10.1.0.3"' '"s": 100, "t": 0, "n": 0, "l": 0' '"s": 100, "n6": 0, "l6": 0'
change "GRE again" place --cut
# Of the way out alone: a veth takes nothing in that is larger than its own MTU.
ip -n b route replace 10.1.0.0/24 dev eth0 src 10.1.0.2 mtu lock 1500
for vip in $VIP $VIP6; do
	before=$(count b told_too_big)
	told() { upload "$1" && [ "$(count b told_too_big)" -gt "$before" ]; }
	check "a local balancer tells the client of $vip what fits" retry 30 told "$vip"
done
ip -n b route replace 10.1.0.0/24 dev eth0 src 10.1.0.2

# --- maps of another layout ----------------------------------------------------------------------------

becomes_older e 0 link_eth0
check "it serves" retry 20 page_of s $VIP

# --- who may send ------------------------------------------------------------------------------------------

configure e 10.0.1.2 2001:db8:0:1::2 '"edge": { "deny": ["10.0.0.0/30"] }' ""
check "a deny list is taken by a reload" ctl e reload
check "who is on it gets no page" eval '! page $VIP'
check "but over IPv6" retry 20 page_of s "[$VIP6]"
check "and is counted" eval '[ "$(count e denied)" -gt 0 ]'
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": { "source-limit": { "opens-per-second": 2, "open-burst": 3 } }' ""
check "a limit instead" ctl e reload
check "a page comes" retry 20 page_of s $VIP
ip netns exec cl /usr/bin/python3 -c '
from scapy.all import *
send([IP(dst="203.0.113.10") / TCP(sport=2000 + i, dport=80, flags="S") for i in range(200)], verbose=0)' 2> "$T/scapy" || true
check "who opens too many connections is cut down" eval '[ "$(count e syn_limit)" -gt 50 ]'
check "and may come again" retry 20 page_of s $VIP
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}' ""
check "no limit" ctl e reload

# An error is charged to the router that sends it, not to the client that it quotes.
cat > "$T/quoting.py" <<-'END'
	from scapy.all import *
	quoted = bytes(IP(src="203.0.113.10", dst="198.51.100.7") / TCP(sport=80, dport=4711))[:28]
	send(IP(dst="203.0.113.10") / ICMP(type=3, code=1) / Raw(quoted), verbose=0)
END
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": { "deny": ["198.51.100.7/32"] }' ""
check "the client of a quoted packet is denied" ctl e reload
before=$(count e denied)
ip netns exec cl /usr/bin/python3 "$T/quoting.py" > "$T/scapy" 2>&1
equal "but not the router that quotes it" "$before" "$(count e denied)"
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": { "deny": ["10.0.0.2/32"] }' ""
check "the router is denied" ctl e reload
ip netns exec cl /usr/bin/python3 "$T/quoting.py" > "$T/scapy" 2>&1
check "and its errors are" eval '[ "$(count e denied)" -gt "$before" ]'

# --- probes of who is not reached by GRE -------------------------------------------------------------------

wanted gue '"10.1.0.3"' '"s": 100, "n": 100' '"s": 100'
change "a site by GUE, a server behind NAT" place --cut
configure b 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }, "pool": [ { "name": "web", "probe": "own" } ],
	"probe": [ { "name": "own", "type": "tcp", "port": 8080, "interval-ms": 250, "timeout-ms": 2000, "rise": 1, "fall": 2 } ]' ""
check "the balancer asks servers" ctl b reload
# asked NAME MEMBER: it is up, by its probe.
asked() { ctl "$1" health | grep -E "^$2 +up .*connected" > /dev/null; }
check "the answers of a server behind NAT to the balancer come in" retry 20 asked b web/n
# The daemon is started again, and its probe takes its time: until then what the maps say stays.
printf '#!/bin/sh\nexec sleep 300\n' > "$T/slow"
chmod +x "$T/slow"
configure b 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }, "pool": [ { "name": "web", "probe": "own" } ],
	"probe": [ { "name": "own", "type": "script", "script": "'"$T/slow"'", "interval-ms": 600000, "timeout-ms": 600000 } ]' ""
n_is() { ctl b show | grep -E "^server n \\(.* \\($1\\)" > /dev/null; }
check "a server is marked dead" ctl b mark n dead
check "and shown so" retry 10 n_is dead
kill -9 "$(cat "$T/b.pid")"
check "the daemon comes back" start b
check "the server is dead still" n_is dead
check "until an operator says otherwise" ctl b mark n up
check "who is heard at once" retry 10 eval '! n_is dead'
configure b 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }' ""
check "no probes at the balancer" ctl b reload
if [ -c /dev/net/tun ]; then
	configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}, "pool": [ { "name": "dc1", "probe": "vip" } ],
		"probe": [ { "name": "vip", "type": "tcp", "port": 80, "interval-ms": 250, "timeout-ms": 2000, "rise": 1, "fall": 2 } ]' ""
	check "the edge asks the site" ctl e reload
	check "which is asked through the tunnel, though it is reached by GUE" retry 20 asked e dc1/web
fi
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}' ""
check "no probes at the edge" ctl e reload

# --- two roles on a host, which takes tunnels from the edge only ------------------------------------------------

ip -n b addr add 10.1.0.12/24 dev eth0
direct_return b $VIP
ip netns exec b "$FLOWS" serve b $VIP 80 > /dev/null 2>&1 &
wanted gre '"10.1.0.12"' '"s": 100, "n": 0' '"s": 100'
change "a server on the balancer's host" place --cut
configure b 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }, "host": { "address": "10.1.0.12" }, "tunnel-source": ["10.0.1.2/32"]' ""
check "both roles" ctl b reload
check "it gets what the balancer sends it" retry 20 page_of b $VIP
check "and nothing was refused" eval '[ "$(count b tunnel_source)" = 0 ]'
ip netns exec cl /usr/bin/python3 -c '
from scapy.all import *
send(IP(dst="10.1.0.2") / GRE(key_present=1, key=1) / IP(dst="203.0.113.10") / TCP(dport=80), verbose=0)' 2> "$T/scapy" || true
check "but others are" retry 10 eval '[ "$(count b tunnel_source)" = 1 ]'
ip -n b addr del $VIP/32 dev lo
wanted gre '"10.1.0.3"' '"s": 100, "n": 0' '"s": 100'
change "the server at its own host again" place --cut
configure b 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }' ""
check "one role" ctl b reload

# --- refusals and bad input ------------------------------------------------------------------------------

wanted l2 '"10.1.0.3"' '"s": 100' '"s": 100'
check "a site can't be behind L2 rewrite" eval '! out=$(place --cut 2>&1) && [[ $out == *"are for servers"* ]]'
wanted gre '{ "address": "10.1.0.3", "encapsulation": "vxlan" }' '"s": 100' '"s": 100'
check "VXLAN needs a MAC" eval '! out=$(place --cut 2>&1) && [[ $out == *"mac: belongs"* ]]'
# A GUE packet with flags, one whose hop count lies, one of ARP inside; VXLAN without an identifier.
ip netns exec cl /usr/bin/python3 - <<-'END' 2> "$T/scapy" || true
	from scapy.all import *
	inner = bytes(IP(src="10.0.0.2", dst="203.0.113.10") / TCP(dport=80))
	heads = [b"\x00\x04\x00\x01", b"\x02\x04\x00\x00\x00\x00\x00\x05\x0a\x00\x00\x01", b"\x00\x06\x00\x00"]
	send([IP(dst="10.1.0.2") / UDP(sport=50000, dport=19523, chksum=0) / Raw(h + inner) for h in heads], verbose=0)
	send(IP(dst="10.1.0.2") / UDP(sport=50000, dport=4789, chksum=0) / Raw(bytes(8) + bytes(12) + b"\x08\x00" + inner), verbose=0)
END
for reason in gue_version shim_length gue_protocol vxlan_vni; do
	check "dropped as $reason" eval '[ "$(count b $reason)" = 1 ]'
done
finish
