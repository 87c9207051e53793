#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
# The balancer from the VIP to the server and back: GRE twice, direct return; then long connections while
# servers are added and drained, a site is drained, daemons are killed and programs replaced.
#
#    cl 10.0.0.2 --+                +-- b1 10.1.0.2 (local, dc1)   s1 10.1.1.2, s2 10.1.2.2
#                  +-- rt (routes) -+
#    e  10.0.1.2 --+                +-- b2 10.2.0.2 (local, dc2)   s3 10.2.1.2, s4 10.2.2.2
#    (edge; rt sends 203.0.113.10 and 2001:db8:f::10 there)
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl python3 ethtool

. "$ROOT/tests/lib/glb_net.sh"

VIP=203.0.113.10
VIP6=2001:db8:f::10
mount -t bpf none /sys/fs/bpf || { skip 95-glb "no BPF file system"; exit 0; }

router
for w in "cl 0.0" "e 0.1" "b1 1.0" "s1 1.1" "s2 1.2" "b2 2.0" "s3 2.1" "s4 2.2"; do
	node $w
done
ip -n cl link set eth0 mtu 1500
ip -n rt route add $VIP via 10.0.1.2
ip -n rt route add $VIP6 via 2001:db8:0:1::2
for s in s1 s2 s3 s4; do
	direct_return $s $VIP $VIP6
	ip netns exec $s "$FLOWS" serve $s $VIP 80 > /dev/null 2>&1 &
	ip netns exec $s "$FLOWS" serve $s $VIP6 80 > /dev/null 2>&1 &
done

# wanted WEIGHT-DC1 WEIGHT-DC2 S1 S2 S3 [S4]: what the operator wants, by weights.
wanted() {
	cat > "$T/wanted.json" <<-END
	{ "sites":   { "dc1": "10.1.0.2", "dc2": "10.2.0.2" },
	  "servers": { "s1": "10.1.1.2", "s2": "10.1.2.2", "s3": "10.2.1.2", "s4": "10.2.2.2" },
	  "pools":   { "web": { "dc1": { "weight": $1, "servers": { "s1": $3, "s2": $4 } },
	                        "dc2": { "weight": $2, "servers": { "s3": $5${6:+, \"s4\": $6} } } } } }
	END
}

# configure NAME ADDRESS ADDRESS6 ROLE
configure() {
	cat > "$T/$1.json" <<-END
	{ "weft-glb:glb": {
	  "placement": "$T/placement.json", "pin": "/sys/fs/bpf/$1", "max-slots": 4096,
	  "address": ["$2", "$3"],
	  "interface": [ { "name": "eth0", "mode": "generic" } ],
	  $4,
	  "vip": [ { "address": "$VIP", "protocol": "tcp", "port": 80, "pool": "web" },
	           { "address": "$VIP", "protocol": "udp", "port": 80, "pool": "web" },
	           { "address": "$VIP6", "protocol": "tcp", "port": 80, "pool": "web" } ] } }
	END
}

NODES="e b1 b2 s1 s2 s3 s4"
wanted 100 100 100 100 100
check "a first document" place
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}'
configure b1 10.1.0.2 2001:db8:1:0::2 '"local": { "site": "dc1" }'
configure b2 10.2.0.2 2001:db8:2:0::2 '"local": { "site": "dc2" }'
configure s1 10.1.1.2 2001:db8:1:1::2 '"host": {}'
configure s2 10.1.2.2 2001:db8:1:2::2 '"host": {}'
configure s3 10.2.1.2 2001:db8:2:1::2 '"host": {}'
configure s4 10.2.2.2 2001:db8:2:2::2 '"host": {}'
for n in $NODES; do
	check "weft-glb starts on $n" start $n
done

page() { ip netns exec cl curl -s -g --max-time 10 "http://$1/"; }
if retry 20 page $VIP; then ok "curl to the VIP is answered"; else fail "curl to the VIP is answered" "$(ctl e top; ctl b1 top; ctl b2 top; ctl s1 top)"; finish; fi
check "and over IPv6" retry 20 page "[$VIP6]"
answers=$(for i in $(seq 60); do page $VIP; done | sort | uniq -c)
equal "one client always has one site, and both of its servers" 1 \
	"$(awk '{ print ($2 ~ /s[12]/ ? "dc1" : "dc2") }' <<< "$answers" | sort -u | wc -l)"
check "a server's own pages come in at the server, as GRE" \
	eval '[[ $(for s in s1 s2 s3; do ctl $s top; done) == *delivered* ]]'
equal "the doctor finds nothing on a server" "nothing to mend" "$(ctl s1 doctor | tail -n 1)"
check "but says that tunnels are taken from everybody" eval '[[ $(ctl s1 doctor) == *"note: there is no tunnel-source"* ]]'
check "as --check does" eval 'out=$("$GLB" --check "$T/s1.json" 2>&1) && [[ $out == *"note: there is no tunnel-source"* ]]'
ip netns exec s1 sysctl -q -w net.ipv4.conf.all.arp_ignore=0
check "the doctor finds arp_ignore" eval '[[ $(ctl s1 doctor) == *arp_ignore* ]]'
ip netns exec s1 sysctl -q -w net.ipv4.conf.all.arp_ignore=1

# --- packets that do not fit ------------------------------------------------------------------------

# Through an edge whose way has an MTU of 1500.
ip -n e link set eth0 mtu 1500
told() { # told N VIP: an upload succeeded, and clients were told at least N times; next hops are asked for anew now and then
	upload "$2" && [ "$(ctl e top | awk '$2 == "too_big" { print $3 }')" -ge "$1" ]
}
check "a large upload to $VIP finds its packet size" retry 30 told 1 $VIP
check "a large upload to $VIP6 finds its packet size" retry 30 upload $VIP6
ip -n e link set eth0 mtu 1700
ip -n cl route flush cache

# --- segment size -----------------------------------------------------------------------------------

cp "$T/e.json" "$T/e.good"
sed -i 's|"protocol": "tcp",|"protocol": "tcp", "mss": 1100,|' "$T/e.json"
check "the edge is to lower the MSS" ctl e reload
# The segments of a server's answer of 30000 bytes: the client's MSS counts what it gets at most.
largest() {
	ip netns exec cl /usr/bin/python3 - "$1" <<-'END'
		import socket, struct, sys
		s = socket.create_connection((sys.argv[1], 80), 10)
		s.settimeout(10)
		s.sendall(b"x" * 10000)
		n = 0
		while n < 20000:
		    n += len(s.recv(65536))
		# struct tcp_info: tcpi_rcv_mss is the size of segments that came.
		print(struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 20)[0])
	END
}
clamped() { local n; n=$(largest "$1") && [ "$n" -le 1100 ] && [ "$n" -gt 500 ]; }
for vip in $VIP $VIP6; do
	check "servers send to clients of $vip what the VIP says" retry 10 clamped $vip
done
check "and it is counted" eval '[[ $(ctl e top) == *mss_clamped* ]]'
cp "$T/e.good" "$T/e.json"
check "without it" ctl e reload
not_clamped() { local n; n=$(largest $VIP) && [ "$n" -gt 1100 ]; }
check "they send as large as clients say" retry 10 not_clamped

# --- connections that live -----------------------------------------------------------------------

# Clients of 8 addresses, so that both sites have some.
CLIENTS=10.0.0.2
for i in $(seq 3 9); do
	ip -n cl addr add 10.0.0.$i/24 dev eth0
	CLIENTS+=" 10.0.0.$i"
done
mkdir "$T/tcp" "$T/udp"
ip netns exec cl "$FLOWS" hold $VIP 80 60 "$T/tcp" tcp $CLIENTS 2> "$T/tcp/log" &
ip netns exec cl "$FLOWS" hold $VIP 80 20 "$T/udp" udp $CLIENTS 2> "$T/udp/log" &
check "60 TCP and 20 UDP flows are open" retry 60 test -e "$T/tcp/ready" -a -e "$T/udp/ready"

number=1
# change NAME COMMAND...: the next document, in force everywhere, and a moment of traffic under it.
change() {
	local name=$1
	shift
	if ! "$@" > "$T/place.out" 2>&1; then
		fail "$name" "$(cat "$T/place.out")"
		return
	fi
	number=$((number + 1))
	if retry 30 in_force $number $NODES; then
		ok "$name: $(head -n 1 "$T/place.out")"
	else
		fail "$name" "document $number is not in force: $(tail -n 2 "$T"/*.log)"
	fi
	sleep 1
}
wanted 100 100 100 100 100 100
change "a server is added" place
wanted 100 100 0 100 100 100
change "a server drains" place
handed_on() { [[ $(for s in s1 s2 s3 s4; do ctl $s top; done) == *handed_on* ]]; }
check "its connections are handed on to it" retry 20 handed_on
wanted 100 100 100 100 100 100
change "and serves again" place

kill -9 "$(cat "$T/b1.pid")" "$(cat "$T/e.pid")"
check "pages come while the daemons of edge and balancer are dead" page $VIP
check "the edge's daemon comes back" start e
check "the balancer's daemon comes back" start b1
for i in 1 2 3 4 5; do
	ctl e reload && ctl b1 reload && ctl s1 reload
done > "$T/reload" 2>&1 && ok "programs replaced five times" || fail "programs replaced five times" "$(cat "$T/reload")"

# As if those before had had other maps.
for n in e b1 s1 s3; do
	becomes_older $n -1 '*'
done

# --- another hash key: edge and servers have each step before the balancers have it --------------------

cp "$T/placement.json" "$T/late.json"
sed -i "s|$T/placement.json|$T/late.json|" "$T/b1.json"
check "balancer b1 gets its documents late" ctl b1 reload
rotate() { "$WEFTCTL" glb rotate-key "$@" "$T/placement.json"; }
late() { cp "$T/placement.json" "$T/late.new" && mv "$T/late.new" "$T/late.json" && retry 30 in_force $number b1; }
NODES="e b2 s1 s2 s3 s4"
for step in "the next hash key is prepared" "new flows are placed by the new hash key"; do
	change "$step" rotate
	sleep 1
	check "$step at b1, too" late
	check "pages come" page $VIP
done
check "why names both keys' candidates" eval '[[ $(ctl b1 why 10.0.0.2:4711 $VIP:80) == *"by the other key"* ]]'
# Opened while both keys are asked: what has to be left when one is.
mkdir "$T/udp2"
ip netns exec cl "$FLOWS" hold $VIP 80 60 "$T/udp2" udp $CLIENTS 2> "$T/udp2/log" &
check "60 more UDP flows are open" retry 60 test -e "$T/udp2/ready"
check "a change of the key that goes on is not begun again" eval '! out=$(rotate 2>&1) && [[ $out == *--end* ]]'
NODES="e b1 b2 s1 s2 s3 s4"
sed -i "s|$T/late.json|$T/placement.json|" "$T/b1.json"
check "b1 reads what all read" ctl b1 reload

wanted 0 100 100 100 100 100
change "site dc1 drains" place
check "a new connection goes to dc2" eval '[[ $(page $VIP) == s[34] ]]'
wanted 100 0 100 100 100 100
change "dc1 is back, dc2 drains" place
check "a new connection goes to dc1" eval '[[ $(page $VIP) == s[12] ]]'
sleep 2
touch "$T/tcp/stop" "$T/udp/stop"
retry 30 test -e "$T/tcp/result" -a -e "$T/udp/result" || true
equal "no TCP connection broke" "flows 60 broken 0 moved 0" "$(head -n 1 "$T/tcp/result")"
equal "no UDP flow moved" "flows 20 broken 0 moved 0" "$(head -n 1 "$T/udp/result")"
change "the hash key before is forgotten" rotate --end
check "pages come" page $VIP
sleep 1
touch "$T/udp2/stop"
retry 30 test -e "$T/udp2/result" || true
equal "no UDP flow of the time between moved" "flows 60 broken 0 moved 0" "$(head -n 1 "$T/udp2/result")"
check "the next one is not due yet" eval '[[ $(rotate --every 7d) == *"due in"* ]]'
check "both steps in one go, with a command that brings the document" \
	eval 'rotate --every 1s --deploy "touch $T/deployed; echo" > "$T/out" && [ -e "$T/deployed" ]'
number=$((number + 2))
check "they are in force" retry 30 in_force $number $NODES
check "pages come" page $VIP
change "and the key before is forgotten after a while" retry 20 eval 'rotate --every 1h --keep 1s | grep forgotten'

# --- refusals and bad input -----------------------------------------------------------------------

wanted 100 0 100 0 100 100
sed -i 's/, "s2": 0 }/ }/' "$T/wanted.json"
check "a server with connections is not removed" eval '! out=$(place 2>&1) &&
	[[ $out == *"would cut "*" slots"* ]]'
check "--dead removes it" place --dead s2
sed 's/"port": 80/"port": 99999/' "$T/e.json" > "$T/bad.json"
check "a bad configuration is refused" eval '! out=$("$GLB" --check "$T/bad.json" 2>&1) && [[ $out == *99999* ]]'
cp "$T/bad.json" "$T/e.json"
check "by a reload too" eval '! ctl e reload 2> /dev/null'
check "and the old one is in force" page $VIP
# A tunnel packet for no VIP, and one without a key.
ip netns exec cl /usr/bin/python3 - <<-'END' 2> "$T/scapy" || true
	from scapy.all import *
	inner = IP(src="10.0.0.2", dst="203.0.113.99") / TCP(dport=80)
	send(IP(dst="10.1.0.2") / GRE(key_present=1, key=3) / inner, verbose=0)
	send(IP(dst="10.1.0.2") / GRE() / inner, verbose=0)
END
check "packets for no VIP and without a key are counted" eval '[[ $(ctl b1 top) == *not_vip* ]] &&
	[[ $(ctl b1 top) == *gre_no_key* ]]'
# What the stack would send back to the router, which sent it here.
ip netns exec cl /usr/bin/python3 - <<-'END' 2> "$T/scapy" || true
	from scapy.all import *
	send([IP(dst="203.0.113.10") / ICMP(), IP(dst="203.0.113.10") / TCP(dport=81)], verbose=0)
	send(IPv6(dst="2001:db8:f::10") / TCP(dport=81), verbose=0)
END
unserved() { [ "$(ctl e top | awk '$2 == "vip_port" { print $3 }')" = 3 ]; }
if retry 10 unserved; then
	ok "packets to a VIP on which nobody serves end at the edge, once each"
else
	fail "packets to a VIP on which nobody serves end at the edge, once each" "$(ctl e top) $(tail -n 2 "$T/scapy")"
fi
for n in $NODES; do
	kill "$(cat "$T/$n.pid")" || true
done
configure e 10.0.1.2 2001:db8:0:1::2 '"edge": {}'
check "--remove leaves nothing" eval 'nsenter --net=/run/netns/e "$GLB" --remove "$T/e.json" && [ ! -e /sys/fs/bpf/e ]'
finish
