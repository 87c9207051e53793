#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Answers by the client's place and by health: two regions, clients in both, with and without client
# subnet; a region's server dies and its clients are sent to the other one.
#
#   client 10.9.0.2, fd09::2 ---veth--- server 10.9.0.1, fd09::1; the regions' VIPs are on it too
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig python3

dns_network
ip -n srv addr add 203.0.113.1/32 dev lo
ip -n srv addr add 203.0.113.2/32 dev lo
ip -n cli addr add 10.1.0.2/16 dev eth0
ip -n srv route add 10.1.0.0/16 dev eth0
cat > "$T/map" << 'EOF'
10.1.0.0/16     us
10.1.32.0/20    eu
2001:db8:100::/40 us
EOF
cat > "$T/dns.json" << 'EOF'
{ "weft-dns:dns": {
    "listen": ["10.9.0.1", "fd09::1"], "workers": 2,
    "location": { "map-file": ["map"], "default-region": "eu" },
    "health": { "state-file": "health.json" },
    "probe": [ { "name": "web", "type": "tcp", "port": 8080, "interval-ms": 500, "timeout-ms": 450, "rise": 1, "fall": 3 } ],
    "pool": [
      { "name": "frankfurt", "probe": "web", "member": [ { "name": "vip", "address": ["203.0.113.1"] } ] },
      { "name": "virginia", "probe": "web", "member": [ { "name": "vip", "address": ["203.0.113.2"] } ] } ],
    "policy": [
      { "name": "near", "order": ["region-map", "failover"],
        "candidate": [ { "pool": "frankfurt" }, { "pool": "virginia" } ],
        "match": [ { "what": "region=us", "pool": ["virginia"] }, { "what": "default", "pool": ["frankfurt"] } ] } ],
    "zone": [ { "name": "example.com", "file": "example.com.zone", "chosen": [ { "name": "www", "policy": "near" } ] } ] } }
EOF
cat > "$T/example.com.zone" << 'EOF'
$TTL 300
@ SOA ns1 admin 1 3600 900 604800 60
@ NS ns1
ns1 A 10.9.0.1
alias CNAME www
EOF
web() { ip netns exec srv python3 -c '
import socket, sys
s = socket.create_server((sys.argv[1], 8080))
while True:
    s.accept()[0].close()' "$1" & }
web 203.0.113.1
eu=$!
web 203.0.113.2
us=$!
dns_start

vip() { dns_ask @10.9.0.1 www.example.com A +short "$@"; }
gets() { local want=$1; shift; [ "$(vip "$@")" = "$want" ]; }
all_up() { [ "$(dns_policy health | grep -c '^[a-z]*/vip *up ')" = 2 ]; }
dns_policy() { OVS_RUNDIR=$T timeout 30 ovs-appctl -t weft-dnsd policy/"$@"; }
check "both regions are up" retry 30 all_up

check "a client of region us, by its own address" retry 30 gets 203.0.113.2 -b 10.1.0.2
check "a client elsewhere, by its own address" retry 30 gets 203.0.113.1 -b 10.9.0.2
check "client subnet in region us" retry 30 gets 203.0.113.2 +subnet=10.1.2.0/24
check "client subnet in region eu" retry 30 gets 203.0.113.1 +subnet=10.1.33.0/24
check "client subnet of IPv6" retry 30 gets 203.0.113.2 +subnet=2001:db8:100::/56
check "a client that opts out: the resolver's own address" retry 30 gets 203.0.113.2 -b 10.1.0.2 +subnet=0.0.0.0/0
check "the scope is the prefix in which all get the same" contains "CLIENT-SUBNET: 10.1.2.0/24/19" \
	dns_ask @10.9.0.1 www.example.com A +subnet=10.1.2.0/24
check "through an alias too" contains "CLIENT-SUBNET: 10.1.33.0/24/20" \
	dns_ask @10.9.0.1 alias.example.com A +subnet=10.1.33.0/24
check "why" contains "region=us" dns_ctl dns why www.example.com A --client 10.1.2.0/24

# The server of region us dies: the next answers are those of the other region.
kill $us
began=$(date +%s%N)
check "answers move when a region is down" retry 30 gets 203.0.113.1 +subnet=10.1.2.0/24
echo "# moved after $((($(date +%s%N) - began) / 1000000)) ms (probes every 500 ms, three failures)"
check "who was there already stays" retry 30 gets 203.0.113.1 +subnet=10.1.33.0/24
check "why says that it is down" contains "down" dns_ctl dns why www.example.com A --client 10.1.2.0/24
# After a crash the last state is that of the file, before any probe has been made.
# The file is seconds behind: what it says of the start, when no server was up yet, is not meant.
saved() {
	local state
	state=$(tr -d ' \n' < "$T/health.json")
	[[ $state =~ \"frankfurt/vip\":\{[^}]*\"up\":true.*\"virginia/vip\":\{[^}]*\"up\":false ]]
}
check "the state is written" retry 60 saved
pid=$(cat "$T/weft-dnsd.pid")
kill -KILL "$pid"
retry 40 is_gone "$pid" || true
sed -i.kept 's/"interval-ms": 500/"interval-ms": 3600000/' "$T/dns.json"
dns_start
equal "answers after a crash are those of before" "203.0.113.1" "$(vip +subnet=10.1.2.0/24)"
check "as no probe could tell" contains "down" dns_ctl dns why www.example.com A --client 10.1.2.0/24
check "the daemon ends and starts again" dns_stop
mv "$T/dns.json.kept" "$T/dns.json"
dns_start
check "a reload keeps what is known of health" dns_ctl dns reload
equal "nobody is sent to the dead region by it" 203.0.113.1 "$(vip +subnet=10.1.2.0/24)"
web 203.0.113.2
check "answers move back when it is up again" retry 30 gets 203.0.113.2 +subnet=10.1.2.0/24
check "an operator takes a region out" dns_policy drain virginia on
check "answers follow" retry 30 gets 203.0.113.1 +subnet=10.1.2.0/24
dns_policy drain virginia off

# The map changes: no command is needed.
sed -i 's/^10.1.32.0\/20 .*/10.1.32.0\/20 us/' "$T/map"
check "a map that was edited takes effect" retry 60 gets 203.0.113.2 +subnet=10.1.33.0/24
check "a broken map is refused with file and line" \
	fails_with "map:1:" eval 'echo "10.1.0.0/99 us" > "$T/map"; dns_ctl dns reload'
check "and the old one stays in force" retry 30 gets 203.0.113.2 +subnet=10.1.33.0/24
check "the daemon ends when told" dns_stop
finish
