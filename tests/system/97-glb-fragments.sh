#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 200
#
# Fragments that come to several balancers of a site: all of one packet go to one of them, also those of servers behind NAT.
#
#    cl 10.0.0.2 -- rt -- e 10.0.1.2 (edge)
#                   +---- 10.1.0.0/24: b1 10.1.0.2, b2 10.1.0.3 (local; both have the site's 10.1.9.1), s 10.1.0.4 (host), n 10.1.0.5 (NAT)
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need python3 ethtool
. "$ROOT/tests/lib/glb_net.sh"

VIP=203.0.113.10
VIP6=2001:db8:f::10
mount -t bpf none /sys/fs/bpf || { skip 97-glb-fragments "no BPF file system"; exit 0; }
router
node cl 0.0
node e 0.1
segment 1.0 b1 b2 s n
ip -n cl link set eth0 mtu 1500
ip -n rt route add $VIP via 10.0.1.2
ip -n rt route add $VIP6 via 2001:db8:0:1::2
ip -n rt route add 10.1.9.1 via 10.1.0.2
ip -n rt route add 2001:db8:1:9::1 via 2001:db8:1:0::2
direct_return s $VIP $VIP6
ip netns exec s "$FLOWS" serve s $VIP 80 > /dev/null 2>&1 &
ip netns exec s "$FLOWS" serve s $VIP6 80 > /dev/null 2>&1 &
ip -n n route replace default via 10.1.0.2
wanted() {
	cat > "$T/wanted.json" <<-END
	{ "sites": { "dc1": "10.1.9.1" },
	  "servers": { "s": "10.1.0.4", "n": { "address": "10.1.0.5", "encapsulation": "nat", "port": 8080 } },
	  "pools": { "web": { "dc1": { "weight": 100, "servers": { "s": 100 } } },
	             "back": { "dc1": { "weight": 100, "servers": { "n": 100 } } } } }
	END
}
configure() {
	cat > "$T/$1.json" <<-END
	{ "weft-glb:glb": {
	  "placement": "$T/placement.json", "pin": "/sys/fs/bpf/$1", "max-slots": 4096, "address": ["$2", "$3"],
	  "interface": [ { "name": "eth0", "mode": "generic" } ],
	  $4,
	  "vip": [ { "address": "$VIP", "protocol": "udp", "port": 80, "pool": "web" },
	           { "address": "203.0.113.11", "protocol": "udp", "port": 80, "pool": "back" },
	           { "address": "$VIP6", "protocol": "udp", "port": 80, "pool": "web" } ] } }
	END
}
wanted
check "a document" place
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}'
for b in b1 b2; do
	configure $b 10.1.9.1 2001:db8:1:9::1 '"local": { "site": "dc1" }'
done
configure s 10.1.0.4 2001:db8:1:0::4 '"host": {}'
for w in e b1 b2 s; do
	check "weft-glb starts on $w" start $w
done

udp() { # udp ADDRESS BYTES: who answers
	ip netns exec cl /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], 80))
s.send(b"x" * int(sys.argv[2]))
print(s.recv(100).decode(), end="")' "$1" "$2"
}
udp_is() { [ "$(udp "$1" "$2" 2> /dev/null)" = s ]; }
check "UDP" retry 20 udp_is $VIP 10
check "in three fragments" retry 20 udp_is $VIP 4000
check "over IPv6, too" retry 20 udp_is $VIP6 4000

# spray PORT: 16 packets in three fragments each; the first to b1, the others to b2, in GRE; says how many were answered.
cat > "$T/spray.py" <<-'END'
	import socket, sys, time
	from scapy.all import *
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("10.0.0.2", int(sys.argv[1])))
	s.settimeout(3)
	out, n = conf.L3socket(), 0
	for i in range(16):
	    whole = IP(src="10.0.0.2", dst="203.0.113.10", id=int(sys.argv[1]) + i) / UDP(sport=int(sys.argv[1]), dport=80) / Raw(b"x" * 3000)
	    for k, f in enumerate(fragment(whole, 1200)):
	        out.send(IP(dst="10.1.0.2" if k == 0 else "10.1.0.3") / GRE(key_present=1, key=int(sys.argv[2])) / f)
	        time.sleep(0.01)
	    try:
	        s.recv(100)
	        n += 1
	    except OSError:
	        pass
	print(n)
END
pool=$(awk -F'[ ,:]+' '/"name": "web"/ { for (i = 1; i < NF; i++) if ($i == "\"id\"") print $(i + 1) }' "$T/placement.json" | head -n 1)
spray() { ip netns exec cl /usr/bin/python3 "$T/spray.py" "$1" "$pool" 2> "$T/scapy"; }
# The balancers' own addresses take no tunnels before they have peers.
for b in b1 b2; do
	own=10.1.0.2 other=10.1.0.3
	[ $b = b1 ] || { own=10.1.0.3 other=10.1.0.2; }
	configure $b 10.1.9.1 2001:db8:1:9::1 "\"local\": { \"site\": \"dc1\", \"peer-address\": \"$own\" }"
	check "$b has an address of its own" ctl $b reload
done
lost() { spray 5000 > "$T/n"; [ "$(cat "$T/n")" = 0 ] && [ "$(count b2 frag_before_first)" -ge 32 ]; }
check "fragments at two balancers that do not know each other are lost, and counted" retry 3 lost
for b in b1 b2; do
	own=10.1.0.2 other=10.1.0.3
	[ $b = b1 ] || { own=10.1.0.3 other=10.1.0.2; }
	configure $b 10.1.9.1 2001:db8:1:9::1 \
		"\"local\": { \"site\": \"dc1\", \"peer-address\": \"$own\", \"peer\": [\"$other\"] }, \"tunnel-source\": [\"10.0.0.0/16\"]"
	check "$b has a peer" ctl $b reload
done
met() { spray $((6000 + 100 * ++tries)) > "$T/n"; [ "$(cat "$T/n")" = 16 ]; }
tries=0
check "now all are answered" retry 10 met
check "both relayed some" eval '[ "$(count b1 fragments_relayed)" -gt 0 ] && [ "$(count b2 fragments_relayed)" -gt 0 ]'
equal "nobody was refused" 0 "$(($(count b1 tunnel_source) + $(count b2 tunnel_source)))"
check "UDP of the edge in three fragments" retry 20 udp_is $VIP 4000
check "IPv6, too" retry 20 udp_is $VIP6 4000
sed 's/"peer": \["10.1.0.2"\]/"peer": ["10.1.0.3"]/' "$T/b2.json" > "$T/bad.json"
check "oneself is no peer" eval '! out=$("$GLB" --check "$T/bad.json" 2>&1) && [[ $out == *"peers are the others"* ]]'

# --- behind NAT: the server's answer in fragments, the first by b1, the others by b2 -------------------------

cat > "$T/hear.py" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("10.0.0.2", 7000))
	s.settimeout(20)
	open(sys.argv[1], "w").close()
	data, peer = s.recvfrom(65536)
	print(len(data), *peer)
END
cat > "$T/answer.py" <<-'END'
	import sys, time
	from scapy.all import *
	b = sys.argv[1:3]
	for i in range(8):
	    whole = IP(src="10.1.0.5", dst="10.0.0.2", id=int(sys.argv[3]) + i) / UDP(sport=8080, dport=7000) / Raw(b"y" * 3000)
	    for k, f in enumerate(fragment(whole, 1200)):
	        sendp(Ether(dst=b[k > 0]) / f, iface="eth0", verbose=0)
	        time.sleep(0.01)
END
mac() { ip -n "$1" -o link show eth0 | sed 's/.*link.ether \([0-9a-f:]*\).*/\1/'; }
heard() {
	local id=$((1000 * ++tries))
	rm -f "$T/listening"
	ip netns exec cl /usr/bin/python3 "$T/hear.py" "$T/listening" > "$T/heard" 2>&1 &
	retry 20 test -e "$T/listening" || true
	ip netns exec n /usr/bin/python3 "$T/answer.py" "$(mac b1)" "$(mac b2)" $id > "$T/scapy" 2>&1
	wait $! || true
	[ "$(cat "$T/heard")" = "3000 203.0.113.11 80" ]
}
check "fragments of a server behind NAT are the VIP's, whichever balancer they meet" retry 5 heard
check "the way back is counted at both" eval '[ "$(count b1 nat_back)" -gt 0 ] && [ "$(count b2 nat_back)" -gt 0 ]'
finish
