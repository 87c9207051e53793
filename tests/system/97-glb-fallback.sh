#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# all-down fallback: another pool serves a VIP while nobody of its own is up, by GRE and behind NAT.
#
#    cl 10.0.0.2 -- rt -- e 10.0.1.2 (edge)
#                   +---- 10.1.0.0/24: b 10.1.0.2 (local), s 10.1.0.3 (pool web), t 10.1.0.4 (pool sorry), n 10.1.0.6 (pool away, NAT)
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl python3 ethtool
. "$ROOT/tests/lib/glb_net.sh"

VIP=203.0.113.10
VIP2=203.0.113.11
mount -t bpf none /sys/fs/bpf || { skip 97-glb-fallback "no BPF file system"; exit 0; }
router
node cl 0.0
node e 0.1
segment 1.0 b s t l n
for a in $VIP $VIP2; do
	ip -n rt route add $a via 10.0.1.2
done
for w in s t; do
	direct_return $w $VIP $VIP2
done
declare -A SERVES
serve() { # serve NAMESPACE ADDRESS PORT
	ip netns exec $1 "$FLOWS" serve $1 $2 $3 > /dev/null 2>&1 &
	SERVES[$1 $2]=$!
}
serve s $VIP 80
serve s $VIP2 80
serve t $VIP 80
ip -n n route replace default via 10.1.0.2
serve n 10.1.0.6 8080

cat > "$T/wanted.json" <<-END
	{ "sites": { "dc1": "10.1.0.2" },
	  "servers": { "s": "10.1.0.3", "t": "10.1.0.4", "n": { "address": "10.1.0.6", "encapsulation": "nat", "port": 8080 } },
	  "pools": { "web": { "dc1": { "weight": 100, "servers": { "s": 100 } } },
	             "sorry": { "dc1": { "weight": 100, "servers": { "t": 100 } } },
	             "away": { "dc1": { "weight": 100, "servers": { "n": 100 } } } } }
END
configure() { # configure NAME ADDRESS ROLE
	cat > "$T/$1.json" <<-END
	{ "weft-glb:glb": {
	  "placement": "$T/placement.json", "pin": "/sys/fs/bpf/$1", "max-slots": 4096, "grace": 1,
	  "address": ["$2"], "interface": [ { "name": "eth0", "mode": "generic" } ],
	  $3,
	  "probe": [ { "name": "web", "type": "tcp", "port": 80, "interval-ms": 250, "timeout-ms": 2000, "rise": 1, "fall": 2 },
	             { "name": "nat", "type": "tcp", "port": 8080, "interval-ms": 250, "timeout-ms": 2000, "rise": 1, "fall": 2 } ],
	  "pool": [ { "name": "web", "probe": "web" }, { "name": "sorry", "probe": "web" }, { "name": "away", "probe": "nat" },
	            { "name": "dc1", "probe": "web" } ],
	  "announce": { "hold-ms": 500 },
	  "vip": [ { "address": "$VIP", "protocol": "tcp", "port": 80, "pool": "web", "all-down": "fallback", "fallback-pool": "sorry" },
	           { "address": "$VIP2", "protocol": "tcp", "port": 80, "pool": "web", "all-down": "fallback", "fallback-pool": "away" } ]
	  } }
	END
}
check "a document" place
configure e 10.0.1.2 '"edge": {}'
configure b 10.1.0.2 '"local": { "site": "dc1" }'
configure s 10.1.0.3 '"host": {}'
configure t 10.1.0.4 '"host": {}'
for w in e b s t; do
	check "weft-glb starts on $w" start $w
done
page() { ip netns exec cl curl -s --max-time 5 "http://$1/"; }
page_of() { [ "$(page "$2")" = "$1" ]; }
says() { [[ $(ctl "$1" show) == *"$2"* ]]; }
becomes() { # becomes NAME COMMAND...
	local name=$1
	shift
	if retry 60 "$@"; then ok "$name"; else fail "$name" "$(ctl e show; ctl e health; ctl b show; ctl b health; ctl b top)"; fi
}
becomes "the VIP is served by its own pool" page_of s $VIP
becomes "and so is the other" page_of s $VIP2

kill "${SERVES[s $VIP]}" "${SERVES[s $VIP2]}"
becomes "when its server is down the other pool serves the VIP" page_of t $VIP
becomes "one behind NAT the other VIP" page_of n $VIP2
becomes "the edge says so" says e "vip $VIP tcp 80: pool web (down), served by sorry"
becomes "the balancer says so" says b "vip $VIP2 tcp 80: pool web (down), served by away"
check "why says so" eval '[[ $(ctl e why 10.0.0.2:4711 $VIP:80) == *"pool sorry "*"its own pool, web, is down"* ]]'
announced() { [[ $(ctl e announced) == *"$1 announced"* ]]; }
becomes "the VIP stays announced" announced $VIP
becomes "and the other one" announced $VIP2
# The balancer falls back a moment before or after the edge; the key decides for both.
check "a reload changes nothing" ctl e reload
becomes "the VIP is served still" page_of t $VIP
kill -9 "$(cat "$T/e.pid")" "$(cat "$T/b.pid")"
check "the edge's daemon starts again" start e
check "and knows that the VIP fell back" says e "vip $VIP tcp 80: pool web (down), served by sorry"
check "the balancer's, too" start b
check "which knows it as well" says b "vip $VIP tcp 80: pool web (down), served by sorry"
check "no packet was lost by that" page_of t $VIP
sleep 1
check "nor is one once the probes have spoken" page_of t $VIP

serve s $VIP 80
serve s $VIP2 80
becomes "its own pool serves it again" page_of s $VIP
becomes "and the other VIP" page_of s $VIP2
becomes "and the edge says so" says e "vip $VIP tcp 80: pool web
"

kill "${SERVES[s $VIP]}" "${SERVES[s $VIP2]}" "${SERVES[t $VIP]}"
withdrawn() { [[ $(ctl e announced) == *"$VIP withdrawn (nobody is up)"* ]]; }
becomes "when the other pool is down, too, the VIP is withdrawn" withdrawn
# Each VIP of the pool has an other pool of its own; the first one's being down is nothing to the second.
serve s $VIP 80
serve s $VIP2 80
becomes "the pool is up again" page_of s $VIP2
kill "${SERVES[s $VIP]}" "${SERVES[s $VIP2]}"
becomes "while one VIP has nobody, the other one's other pool serves that" page_of n $VIP2
becomes "and only that falls back" says e "vip $VIP tcp 80: pool web
"

refused() { # refused NAME TEXT SED: this edit of the edge's configuration is refused
	cp "$T/e.json" "$T/e.good"
	sed -i "$3" "$T/e.json"
	if out=$(ctl e reload 2>&1) || [[ $out != *"$2"* ]]; then
		fail "$1" "$out"
	else
		ok "$1"
	fi
	mv "$T/e.good" "$T/e.json"
}
refused "fallback without a pool is refused" "belong together" 's/, "fallback-pool": "sorry"//'
refused "a pool without fallback is refused" "belong together" 's/"all-down": "fallback", //'
refused "a pool that the document lacks is refused" "fallback-pool: nowhere: is not in the placement document" 's/"fallback-pool": "sorry"/"fallback-pool": "nowhere"/'
refused "the VIP's own pool is refused" "is the VIP's own pool" 's/"fallback-pool": "sorry"/"fallback-pool": "web"/'
for w in e b s t; do
	kill "$(cat "$T/$w.pid")" || true
done
finish
