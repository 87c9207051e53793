#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 500
#
# The balancer with health, policy, feeds and BGP, in the world of tests/lib/glb.sh: who answers a client of which
# region, while a server, a balancer, an edge and a site are taken away and given back; and what connections notice of it.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl python3 ethtool bird dig

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
WEFTCTL=${WEFT_CTL:-$(dirname "$GLB")/../weftctl/weftctl}
DNSD=${WEFT_DNSD:-$(dirname "$GLB")/../dns/weft-dnsd}
FLOWS=$ROOT/tests/system/glb_flows.py
GW=$T/gw
GW_PREFIX=gw
GW_BPF=/sys/fs/bpf
GW_TIMEOUT=2000 GW_FALL=3
. "$ROOT/tests/lib/glb.sh"
[ -c /dev/net/tun ] || { skip 98-glb-world "no /dev/net/tun"; exit 0; }

check "the world is up" gw_up
answered() { [ "$(gw_answers $1 15)" = "$2" ]; }
# becomes NAME REGION SERVERS: who answers that region's client, in the end.
becomes() {
	if retry 60 answered $2 "$3"; then
		ok "$1"
	else
		fail "$1" "answered: $(gw_answers $2 20); $(for n in eu-edge us-edge; do gw_ctl $n health 2>&1; done) $(tail -qn 2 "$GW"/*.log)"
	fi
}
EU="eu-s1 eu-s2 eu-s3" US="us-s1 us-s2 us-s3"
becomes "the client in eu gets the servers of eu" eu "$EU"
becomes "the client in us gets the servers of us" us "$US"
says() { [[ $(gw_ctl "${@:2}" 2>&1) == *"$1"* ]]; }
check "and weft-glb says why" says "region=us" us-edge why 10.81.0.2:4000 $GW_VIP:80
routed() { [[ $(ip -n $GW_PREFIX-$1-rt route show $GW_VIP) == *"$2"* ]]; }
check "the router in eu has the VIP from its edge, by BGP" routed eu "dev edge"
check "the router in us has the VIP from its edge, by BGP" routed us "dev edge"
balanced() { [ "$(ip -n $GW_PREFIX-eu-rt route show 10.80.255.1 | grep -c nexthop)" = 2 ]; }
check "the site's address comes from both balancers" retry 20 balanced

# --- connections over changes ---------------------------------------------------------------------

CLIENTS=10.80.0.2
for i in $(seq 3 9); do
	ip -n $GW_PREFIX-eu-cl addr add 10.80.0.$i/24 dev eth0
	CLIENTS+=" 10.80.0.$i"
done
# hold NAME TCP UDP: so many flows, until let_go.
hold() {
	mkdir "$T/$1-tcp" "$T/$1-udp"
	gw_in eu-cl "$FLOWS" hold $GW_VIP 80 $2 "$T/$1-tcp" tcp $CLIENTS 2> "$T/$1-tcp/log" &
	gw_in eu-cl "$FLOWS" hold $GW_VIP 80 $3 "$T/$1-udp" udp $CLIENTS 2> "$T/$1-udp/log" &
	check "$1: $2 TCP and $3 UDP flows are open" retry 60 test -e "$T/$1-tcp/ready" -a -e "$T/$1-udp/ready"
}
# let_go NAME DEAD...: no flow broke but those of the dead, and no UDP flow of others moved.
let_go() {
	local name=$1 lost n
	shift
	touch "$T/$name-tcp/stop" "$T/$name-udp/stop"
	retry 60 test -e "$T/$name-tcp/result" -a -e "$T/$name-udp/result" || true
	lost=$(grep -c "^flow of \(${*:-nobody}\):" "$T/$name-tcp/log" || true)
	n=$(sed -n 's/^flows \([0-9]*\) .*/\1/p' "$T/$name-tcp/result")
	equal "$name: no TCP connection broke${*:+ but those of $*}" "flows $n broken $lost moved 0" \
		"$(head -n 1 "$T/$name-tcp/result")"
	[ -n "$*" ] || equal "$name: no UDP flow moved" \
		"$(sed -n 's/^flows \([0-9]*\) .*/flows \1 broken 0 moved 0/p' "$T/$name-udp/result")" \
		"$(head -n 1 "$T/$name-udp/result")"
}

hold "before" 40 10
gw_off eu-s1
becomes "a server is taken away" eu "eu-s2 eu-s3"
check "its balancer says so" says "web/eu-s1                        down" eu-lb1 health
hold "while it was away" 30 10
gw_on eu-s1
becomes "it is given back" eu "$EU"
sleep 3
let_go "while it was away"
let_go "before" eu-s1

hold "other changes" 40 10
gw_off eu-lb1
becomes "a balancer is taken away" eu "$EU"
gw_on eu-lb1
check "it is given back" retry 60 balanced
gw_off eu-edge
check "an edge is taken away: the VIP moves to the other" retry 60 routed eu "dev wan"
becomes "which sends the region's client to the same site" eu "$EU"
gw_on eu-edge
check "it is given back" retry 60 routed eu "dev edge"
for e in eu us; do
	gw_ctl $e-edge mark dc-eu drain
done
becomes "a site drains" eu "$US"
hold "while a site drained" 20 8
for e in eu us; do
	gw_ctl $e-edge mark dc-eu up
done
becomes "and serves again" eu "$EU"
sleep 2
let_go "while a site drained"
let_go "other changes"

# Probes of a site fail for a moment, at both edges, while it serves: connections stay where they are.
force() { ovs-appctl -t "$GW/$1.ctl" policy/force "$2" "$3"; }
hold "a false alarm" 30 0
for e in eu us; do
	force $e-edge dc-eu down
done
becomes "a site whose probes fail gets nothing new" eu "$US"
for e in eu us; do
	force $e-edge dc-eu none
done
becomes "it is fine after all" eu "$EU"
let_go "a false alarm"

# --- a site away; the name server sees what the balancer sees ---------------------------------------

cat > "$T/dns.json" <<-END
	{ "weft-dns:dns": {
	    "listen": ["10.80.0.1"], "workers": 1,
	    "pool": [ { "name": "dc-eu", "member": [ { "name": "web", "address": ["192.0.2.1"] } ] },
	              { "name": "dc-us", "member": [ { "name": "web", "address": ["192.0.2.2"] } ] } ],
	    "policy": [ { "name": "first", "order": ["failover"], "candidate": [ { "pool": "dc-eu" }, { "pool": "dc-us" } ] } ],
	    "health": { "feed": [ { "name": "edge", "connect": "tcp:10.80.1.2:7701" } ] },
	    "zone": [ { "name": "w.example", "file": "w.zone", "chosen": [ { "name": "www", "policy": "first", "ttl": 5 } ] } ] } }
END
printf '$TTL 300\n@ SOA ns1 admin 1 3600 900 604800 60\n@ NS ns1\nns1 A 10.80.0.1\n' > "$T/w.zone"
mkdir "$T/dns"
OVS_RUNDIR=$T/dns gw_in eu-rt "$DNSD" -vconsole:off --pidfile --detach --no-chdir \
	--log-file="$T/dns/log" "$T/dns.json"
told() { [ "$(gw_in eu-cl dig +short +time=2 +tries=1 @10.80.0.1 www.w.example A)" = "$1" ]; }
check "the name server takes the edge's feed" retry 30 told 192.0.2.1
gw_off eu-lb1
gw_off eu-lb2
becomes "a site is taken away" eu "$US"
check "the name server answers the other one" retry 30 told 192.0.2.2
hold "while a site was away" 20 8
gw_on eu-lb1
gw_on eu-lb2
becomes "it is given back" eu "$EU"
check "for the name server, too" retry 30 told 192.0.2.1
sleep 2
let_go "while a site was away"

# --- kinds of probes, through the tunnel ---------------------------------------------------------------

cp "$GW/eu-lb2.json" "$T/lb2.json"
gw_in eu-lb2 sysctl -q -w net.ipv4.ping_group_range="0 0"
# probed NAME TEXT PROBE: what a balancer says of its servers with such a probe.
probed() {
	sed 's|"probe": \[ {.*|"probe": [ { "name": "web", "interval-ms": 250, "timeout-ms": 1000, "rise": 1, "fall": 2,|
		s|^ *"rise": 2, "fall": 3 } \],|'"$3"' } ],|' "$T/lb2.json" > "$GW/eu-lb2.json"
	gw_ctl eu-lb2 reload
	if retry 20 says_all eu-lb2 "$2"; then ok "$1"; else fail "$1" "$(gw_ctl eu-lb2 health 2>&1)"; fi
}
says_all() { [ "$(gw_ctl $1 health | grep -c "^web/eu-s.*$2")" = 3 ]; }
probed "a probe by TCP" "up .*: connected" '"type": "tcp", "port": 80'
probed "a probe by UDP" "up .*: answer" '"type": "udp", "port": 80, "send": "x", "expect": "eu-s"'
probed "a probe by ICMP" "up .*: echo reply" '"type": "icmp"'
probed "a probe by a script" "up .*: exit status 0" '"type": "script", "script": "/bin/true"'
probed "a probe that goes the direct way finds no service on the server's own address" "down .*: Connection refused" \
	'"type": "http", "through": "direct"'
probed "a page that is not as expected" "down .*: status 200 without what is expected" \
	'"type": "http", "expect": "something else"'
cp "$T/lb2.json" "$GW/eu-lb2.json"
check "and the first probe again" gw_ctl eu-lb2 reload
check "is passed" retry 20 says_all eu-lb2 "up .*: status 200"
becomes "which the region's client gets" eu "$EU"

# --- a drain with a deadline, a slow start ----------------------------------------------------------

shows() { [[ $(gw_ctl $1 show) =~ $2 ]]; }
gw_ctl eu-lb2 mark eu-s1 drain 8
check "a server drains at a balancer" retry 10 shows eu-lb2 "server eu-s1 [^)]*\): [0-9.]* \(drains\)"
check "and is dead at its deadline" retry 40 shows eu-lb2 "server eu-s1 [^)]*\): [0-9.]* \(dead\)"
check "its feed says so" retry 10 says "web/eu-s1                        down" eu-lb2 health
sed -i 's|"name": "web", "probe": "web" }|"name": "web", "probe": "web", "slow-start-ms": 600000 }|' "$GW/eu-lb2.json"
check "a slow start is configured" gw_ctl eu-lb2 reload
gw_ctl eu-lb2 mark eu-s1 up
check "it comes back by and by" retry 10 shows eu-lb2 "server eu-s1 [^)]*\): [0-9.]* \([0-9]* of 256 slots"
sed -i 's|"us-s3": 100|"us-s3": 90|' "$GW/wanted.json"
"$WEFTCTL" glb place "$GW/wanted.json" "$GW/placement.json" > /dev/null
check "a weight is another one" retry 20 shows eu-lb2 "document: 2 "
check "which makes its start no quicker" shows eu-lb2 "server eu-s1 [^)]*\): [0-9.]* \([0-9]* of 256 slots"
sed -i 's|"slow-start-ms": 600000|"slow-start-ms": 15000|' "$GW/eu-lb2.json"
check "but a shorter one does" gw_ctl eu-lb2 reload
check "and then is there" retry 60 shows eu-lb2 "server eu-s1 [^)]*\): [0-9.]*
"
cp "$T/lb2.json" "$GW/eu-lb2.json"
gw_ctl eu-lb2 reload

# --- load -------------------------------------------------------------------------------------------

# A server agent's line to both balancers of eu: each server is at this percentage.
load() {
	gw_in eu-cl /usr/bin/python3 - "$1" <<-'END'
		import json, socket, sys
		line = {"weft-health": 1, "source": "agents", "members": [
		    {"pool": "web", "member": "eu-s%d" % i, "load": float(sys.argv[1])} for i in (1, 2, 3)]}
		for host in "10.80.2.2", "10.80.3.2":
		    s = socket.create_connection((host, 7701), 10)
		    s.sendall(json.dumps(line).encode() + b"\n")
		    s.close()
	END
}
loaded() { [[ $(gw_ctl $1 health) =~ dc-eu/web[^%]*$2 ]]; }
to_us() { local i; for ((i = 1; i <= 100; i++)); do gw_ctl eu-edge why 10.80.7.$i:1 $GW_VIP:80; done | grep -c '^answer *dc-us'; }
spilled() { n=$(to_us) || true; [ "$n" -ge "$1" ] && [ "$n" -le "$2" ]; }
load 50
check "servers tell balancers their load, and these the edges" retry 30 loaded eu-edge 50
check "below the low watermark nobody goes elsewhere" retry 20 spilled 0 0
load 88
check "between the watermarks some do" retry 30 spilled 15 85
load 99
check "above the high watermark all do" retry 30 spilled 100 100
load 10
check "and they come back" retry 30 spilled 0 0

# --- what is announced --------------------------------------------------------------------------------

gw_ctl eu-edge withdraw $GW_VIP
check "an operator withdraws the VIP at an edge" retry 30 routed eu "dev wan"
check "which shows it" says "withdrawn (operator)" eu-edge announced
gw_ctl eu-edge announce
check "and announces it again" retry 30 routed eu "dev edge"
for s in $EU $US; do
	kill -9 "$(cat "$GW/$s.web.pid")"
done
gone() { [ -z "$(ip -n $GW_PREFIX-$1-rt route show $GW_VIP)" ]; }
check "when no server is left the VIP is withdrawn" retry 40 gone eu
check "and the edge says why" says "nobody is up" eu-edge announced
for s in $EU $US; do
	gw_serve $s
done
check "it comes back with them" retry 40 routed eu "dev edge"
becomes "and is served" eu "$EU"
# Another table: BIRD, which reads the old one, sees the VIP go, and come back.
in_table() { [[ $(ip -n $GW_PREFIX-eu-edge route show table "$1" 2> /dev/null) == *$GW_VIP* ]]; }
sed -i 's|"announce": {}|"announce": { "table": 120 }|' "$GW/eu-edge.json"
check "another table to announce by" gw_ctl eu-edge reload
check "has the VIP" retry 20 in_table 120
check "and the old one has not" retry 20 eval '! in_table 119'
sed -i 's|"announce": { "table": 120 }|"announce": {}|' "$GW/eu-edge.json"
check "the first table again" gw_ctl eu-edge reload
check "it has the VIP" retry 20 in_table 119
check "and the other one has not" retry 20 eval '! in_table 120'
check "BGP has it again" retry 40 routed eu "dev edge"
timeout 30 "$WEFTCTL" --target="$GW/us-edge.ctl" glb exabgp > "$T/exabgp" &
exabgp_says() { grep -x "$1 route $GW_VIP/32 next-hop self" "$T/exabgp"; }
check "ExaBGP is told to announce" retry 20 exabgp_says announce
pid=$(cat "$GW/us-edge.pid")
gw_ctl us-edge stop
check "an edge that is stopped withdraws first" retry 30 routed us "dev wan"
check "ExaBGP is told to withdraw" retry 20 exabgp_says withdraw
check "and ends then" retry 30 is_gone "$pid"
becomes "its region is served by the other edge" us "$US"
# It begins where no answer to its probes comes back.
ip -n $GW_PREFIX-us-rt route add blackhole 10.81.1.2
gw_glb us-edge
never_announced() { says "withdrawn (n" us-edge announced && ! tail -n 20 "$GW/us-edge.log" | sed '1,/opened log/d' | grep 'is announced'; }
check "an edge that reaches nobody begins by announcing nothing" never_announced
check "and knows why, later" retry 20 says "withdrawn (nobody is up)" us-edge announced
check "nor has it announced meanwhile" never_announced
ip -n $GW_PREFIX-us-rt route del blackhole 10.81.1.2
check "until it reaches somebody" retry 40 says "$GW_VIP announced" us-edge announced
gw_ctl us-edge stop
check "it ends" retry 30 is_gone "$(cat "$GW/us-edge.pid")"
sed 's/"near" }/"far" }/' "$GW/eu-edge.json" > "$T/bad.json"
check "a policy that is not there is refused by name" eval '! out=$("$GLB" --check "$T/bad.json" 2>&1) && [[ $out == *far* ]]'

# --- clients of IPv6, and of many prefixes ------------------------------------------------------------

ns_add e6 c6
ip -n e6 link add eth0 type veth peer name eth0 netns c6
ip -n e6 addr add 10.9.0.2/24 dev eth0
ip -n e6 link set eth0 up
ip -n c6 link set eth0 up
ip -n e6 route add default via 10.9.0.1
ip -n e6 neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev eth0
# 200 prefixes, each third of them in us; and as many of IPv4, of three lengths.
prefixes() {
	local i
	for ((i = 0; i < 200; i++)); do
		echo "{ \"prefix\": \"2001:db8:$(printf %x $((i * 7 + 1)))::/48\", \"region\": \"$([ $((i % 3)) = 0 ] && echo us || echo eu)\" },"
		echo "{ \"prefix\": \"100.$i.0.0/$((16 + i % 3 * 8))\", \"region\": \"$([ $((i % 3)) = 0 ] && echo us || echo eu)\" },"
	done
}
cat > "$GW/e6.json" <<-END
	{ "weft-glb:glb": {
	  "placement": "$GW/placement.json", "pin": "$GW_BPF/e6", "max-slots": 8192,
	  "address": ["10.9.0.2"], "interface": [ { "name": "eth0", "mode": "generic" } ], "edge": {},
	  "location": { "prefix": [ $(prefixes) { "prefix": "2001:db8:ffff::/48", "region": "us" } ], "default-region": "eu" },
	  "pool": [ { "name": "dc-eu" }, { "name": "dc-us" } ],
	  "policy": [ { "name": "near", "order": ["region-map", "failover"],
	    "match": [ { "what": "region=us", "pool": ["dc-us"] }, { "what": "default", "pool": ["dc-eu"] } ] } ],
	  "vip": [ { "address": "2001:db8:f::80", "protocol": "tcp", "port": 80, "pool": "web", "policy": "near" },
	           { "address": "$GW_VIP", "protocol": "tcp", "port": 80, "pool": "web", "policy": "near" } ] } }
END
nsenter --net=/run/netns/e6 "$GLB" --pidfile="$GW/e6.pid" --detach --no-chdir --log-file="$GW/e6.log" \
	--unixctl="$GW/e6.ctl" -vconsole:off "$GW/e6.json" > /dev/null 2>&1
retry 20 gw_ctl e6 show
ip netns exec c6 /usr/bin/python3 - "$(ip netns exec e6 cat /sys/class/net/eth0/address)" "$GW_VIP" <<-'END' > "$T/scapy" 2>&1
	import sys
	from scapy.all import *
	to = Ether(dst=sys.argv[1])
	frames = []
	for i in range(200):
	    frames.append(to / IPv6(src="2001:db8:%x:5::%x" % (i * 7 + 1, i), dst="2001:db8:f::80") / TCP(sport=1000 + i, dport=80))
	    frames.append(to / IP(src="100.%d.0.0" % i, dst=sys.argv[2]) / TCP(sport=1000 + i, dport=80))
	# Gaps between the prefixes have the default.
	frames += [to / IPv6(src="2001:db8:%x::1" % (i * 7 + 3), dst="2001:db8:f::80") / TCP(dport=80) for i in range(100)]
	sendp(frames, iface="eth0", verbose=0)
END
# 67 of each 200 are in us.
site_count() { gw_ctl e6 top | awk -v site="$1" '$1 == "site" && $2 == site { print $3 }'; }
counted() { [ "$(site_count dc-us) $(site_count dc-eu)" = "134 366" ]; }
if retry 20 counted; then
	ok "each client goes by its prefix, IPv4 and IPv6"
else
	fail "each client goes by its prefix, IPv4 and IPv6" "$(gw_ctl e6 top) $(tail -n 2 "$T/scapy")"
fi

# --- probes through a tunnel over IPv6, to a VIP of each family ------------------------------------------

ns_add b6 s6
ip -n b6 link add eth0 mtu 1700 type veth peer name eth0 netns s6 mtu 1700
for n in b6 s6; do
	host=$([ $n = b6 ] && echo 1 || echo 2)
	ip -n $n addr add 2001:db8:9::$host/64 dev eth0 nodad
	ip -n $n addr add 10.9.1.$host/24 dev eth0
	ip -n $n link set eth0 up
	ip netns exec $n ethtool -K eth0 tx off gro off > /dev/null
done
ip -n s6 addr add $GW_VIP/32 dev lo
ip -n s6 addr add 2001:db8:f::80/128 dev lo nodad
ip netns exec s6 sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
	net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
for vip in $GW_VIP 2001:db8:f::80; do
	ip netns exec s6 "$FLOWS" serve s6 $vip 80 > /dev/null 2>&1 &
	[[ $vip == *:* ]] && at="[$vip]" || at=$vip
	ip netns exec s6 "$ROOT/tests/system/grpc_health.py" "$at:50051" > /dev/null 2>&1 &
	ip netns exec s6 nghttpd --no-tls -a $vip -d "$T" 8081 > /dev/null 2>&1 &
done
cat > "$T/wanted6.json" <<-END
	{ "sites": { "dc": "2001:db8:9::1" }, "servers": { "s6": "2001:db8:9::2" },
	  "pools": { "web": { "dc": { "weight": 1, "servers": { "s6": 1 } } },
	             "web6": { "dc": { "weight": 1, "servers": { "s6": 1 } } } } }
END
"$WEFTCTL" glb place "$T/wanted6.json" "$T/placement6.json" > /dev/null
for n in b6 s6; do
	role='"local": { "site": "dc" }'
	[ $n = b6 ] || role='"host": {}'
	cat > "$GW/$n.json" <<-END
		{ "weft-glb:glb": { "placement": "$T/placement6.json", "pin": "$GW_BPF/$n", "max-slots": 4096,
		  "address": ["2001:db8:9::$([ $n = b6 ] && echo 1 || echo 2)", "10.9.1.$([ $n = b6 ] && echo 1 || echo 2)"],
		  "interface": [ { "name": "eth0", "mode": "generic" } ], $role,
		  "probe": [ { "name": "web", "type": "http", "interval-ms": 250, "timeout-ms": 2000, "rise": 1, "fall": 2 } ],
		  "pool": [ { "name": "web", "probe": "web" }, { "name": "web6", "probe": "web" } ],
		  "vip": [ { "address": "$GW_VIP", "protocol": "tcp", "port": 0, "pool": "web" },
		           { "address": "$GW_VIP", "protocol": "udp", "port": 80, "pool": "web" },
		           { "address": "2001:db8:f::80", "protocol": "tcp", "port": 0, "pool": "web6" },
		           { "address": "2001:db8:f::80", "protocol": "udp", "port": 80, "pool": "web6" } ] } }
	END
	nsenter --net=/run/netns/$n "$GLB" --pidfile="$GW/$n.pid" --detach --no-chdir --log-file="$GW/$n.log" \
		--unixctl="$GW/$n.ctl" -vconsole:off "$GW/$n.json" > /dev/null 2>&1
done
both() { [ "$(gw_ctl b6 health | grep -c '/s6 .* up .*status 200')" = 2 ]; }
if retry 30 both; then
	ok "both VIPs answered, in GRE over IPv6"
else
	fail "both VIPs answered, in GRE over IPv6" "$(gw_ctl b6 health) $(gw_ctl s6 top)"
fi
delivered() { [[ $(gw_ctl s6 top) == *delivered* ]]; }
check "the server took the probes out of tunnels" delivered
ip netns exec b6 sysctl -q -w net.ipv4.ping_group_range="0 0"
cp "$GW/b6.json" "$T/b6.json"
# both_by NAME TEXT PROBE: what the balancer says of both with such a probe.
both_by() {
	sed 's|"type": "http", "interval-ms": 250|'"$3"', "interval-ms": 250|' "$T/b6.json" > "$GW/b6.json"
	gw_ctl b6 reload
	if retry 30 both_are "$2"; then ok "$1"; else fail "$1" "$(gw_ctl b6 health 2>&1)"; fi
}
both_are() { [ "$(gw_ctl b6 health | grep -c "/s6 .* $1")" = 2 ]; }
both_by "probes by UDP" "up .*: answer" '"type": "udp", "port": 80, "send": "x", "expect": "s6"'
both_by "probes by ICMP" "up .*: echo reply" '"type": "icmp"'
if /usr/bin/python3 -c 'import grpc' 2> /dev/null && command -v nghttpd > /dev/null; then
	both_by "probes by HTTP/2" "up .*: status 200" '"type": "http2", "port": 8081, "path": "/b6.json"'
	both_by "probes by gRPC" "up .*: SERVING" '"type": "grpc", "port": 50051, "service": "acme.Up"'
	both_by "a gRPC service that does not serve" "down .*: NOT_SERVING" '"type": "grpc", "port": 50051, "service": "acme.Down"'
else
	skip "probes by HTTP/2 and gRPC" "nghttp2-server or python3-grpcio is not installed"
fi
finish
