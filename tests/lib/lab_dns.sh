# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The name server in ./weft up (part of lab.sh): two regions, each a client and a web server on the
# region's VIP, and weft-dnsd between them, which probes the VIPs and tells each client the nearest that is up.
#
#   ns weft-eu 10.78.1.2, VIP 10.78.1.80 --veth-- weft-dnsd (ns weft-names) --veth-- ns weft-us 10.78.2.2, VIP 10.78.2.80

DNSD=${WEFT_DNSD:-$ROOT/build/dns/weft-dnsd}
WEFTCTL=$ROOT/build/weftctl/weftctl
declare -A SUBNET=([eu]=10.78.1 [us]=10.78.2)

start_region() {
	local r=$1 net=${SUBNET[$1]}
	ip netns add "weft-$r"
	ip -n "weft-$r" link set lo up
	ip -n weft-names link add "$r" type veth peer name eth0 netns "weft-$r"
	ip -n weft-names addr add "$net.1/24" dev "$r"
	ip -n weft-names link set "$r" up
	ip -n "weft-$r" addr add "$net.2/24" dev eth0
	ip -n "weft-$r" addr add "$net.80/24" dev eth0
	ip -n "weft-$r" link set eth0 up
	ip -n "weft-$r" route add default via "$net.1"
	mkdir -p "$D/web-$r"
	echo "region $r" > "$D/web-$r/index.html"
	start_web "$r"
}

start_web() {
	ip netns exec "weft-$1" python3 -m http.server --directory "$D/web-$1" --bind "${SUBNET[$1]}.80" 80 \
		< /dev/null > "$D/web-$1.log" 2>&1 &
	echo $! > "$D/web-$1.pid"
}

stop_web() {
	kill "$(cat "$D/web-$1.pid")"
	rm -f "$D/web-$1.pid"
}

dns_files() {
	mkdir -p "$D/dns"
	cat > "$D/dns/regions" <<-END
		${SUBNET[eu]}.0/24 eu
		${SUBNET[us]}.0/24 us
	END
	cat > "$D/dns/lab.example.zone" <<-END
		\$TTL 300
		@   SOA ns1 admin 1 3600 900 604800 60
		@   NS  ns1
		ns1 A   ${SUBNET[eu]}.1
		ns1 A   ${SUBNET[us]}.1
	END
	cat > "$D/dns/dns.json" <<-END
		{ "weft-dns:dns": {
		    "listen": ["${SUBNET[eu]}.1", "${SUBNET[us]}.1"], "workers": 1,
		    "location": { "map-file": ["regions"], "default-region": "eu" },
		    "probe": [ { "name": "web", "type": "tcp", "port": 80,
		                 "interval-ms": 250, "timeout-ms": 250, "rise": 1, "fall": 2 } ],
		    "pool": [
		      { "name": "eu", "probe": "web", "member": [ { "name": "vip", "address": ["${SUBNET[eu]}.80"] } ] },
		      { "name": "us", "probe": "web", "member": [ { "name": "vip", "address": ["${SUBNET[us]}.80"] } ] } ],
		    "policy": [
		      { "name": "near", "order": ["region-map", "failover"],
		        "candidate": [ { "pool": "eu" }, { "pool": "us" } ],
		        "match": [ { "what": "region=us", "pool": ["us"] }, { "what": "default", "pool": ["eu"] } ] } ],
		    "zone": [ { "name": "lab.example", "file": "lab.example.zone",
		                "chosen": [ { "name": "www", "policy": "near", "ttl": 5 } ] } ] } }
	END
}

# vip REGION [DIG'S ARGUMENTS]: the VIP that the region's client is told.
vip() {
	local r=$1
	shift
	ip netns exec "weft-$r" dig +short +time=2 +tries=2 "@${SUBNET[$r]}.1" www.lab.example A "$@" 2> /dev/null | tail -n 1
}

# told WHO VIP REGION [DIG'S ARGUMENTS]: a line of the table; what is not as it should be after 20 s has a mark.
# WHO may hold %s: the milliseconds that it took.
told() {
	local who=$1 want=$2 got began ms mark=
	shift 2
	began=$(date +%s%N)
	while :; do
		got=$(vip "$@")
		ms=$((($(date +%s%N) - began) / 1000000))
		[ "$got" != "$want" ] && [ $ms -lt 20000 ] || break
		sleep 0.02
	done
	[ "$got" = "$want" ] || { mark='!'; DNS_WRONG=$((DNS_WRONG + 1)); }
	printf '  %-62s%s%s\n' "${who/\%s/$ms}" "${got:-nothing}" "$mark"
}

up_dns() {
	local eu=${SUBNET[eu]}.80 us=${SUBNET[us]}.80
	DNS_WRONG=0
	ip netns add weft-names
	ip -n weft-names link set lo up
	ip netns exec weft-names sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
	start_region eu
	start_region us
	dns_files
	OVS_RUNDIR=$D/dns OVS_LOGDIR=$D/dns ip netns exec weft-names timeout 60 "$DNSD" -vconsole:off --pidfile \
		--detach --no-chdir --log-file "$D/dns/dns.json" || give_up "the name server did not start"
	say ""
	say "What the name server answers for www.lab.example (dig); a ! marks what should be otherwise:"
	told "client in eu" "$eu" eu
	told "client in us" "$us" us
	told "eu's resolver for a client in ${SUBNET[us]}.0/24 (client subnet)" "$us" eu "+subnet=${SUBNET[us]}.0/24"
	stop_web us
	told "client in us, %s ms after us went down" "$eu" us
	start_web us
	told "client in us, %s ms after it came back" "$us" us
	[ $DNS_WRONG = 0 ]
}

hints_dns() {
	cat <<-END
	  ip netns exec weft-us dig @${SUBNET[us]}.1 www.lab.example   # and +subnet=${SUBNET[eu]}.0/24
	  OVS_RUNDIR=$D/dns $WEFTCTL dns why www.lab.example A --client ${SUBNET[us]}.7
	  kill \$(cat $D/web-us.pid)                               # region us goes down
	END
}

status_dns() {
	local pid=$D/dns/weft-dnsd.pid
	if [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2> /dev/null; then
		say "weft-dnsd: runs, process $(cat "$pid")"
	else
		say "weft-dnsd: does not run"
		return 1
	fi
}
