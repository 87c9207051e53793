#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
# The name server's path in the driver, over a veth with native XDP.  A second daemon with the same data and secrets and
# without the path is asked the same questions: answers must be equal, byte for byte.
#
#   client 10.9.0.2, fd09::2 ---veth--- server 10.9.0.1, fd09::1 with xdp; 10.9.0.3, fd09::3 without
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig dnstap-read python3 clang

dns_network
dns_xdp_client || { skip 99-dns-xdp "no XDP program can be attached to a veth device here"; exit 0; }
ip -n srv addr add 10.9.0.3/24 dev eth0
ip -n srv addr add fd09::3/64 dev eth0 nodad
ip -n cli addr add 10.1.0.2/16 dev eth0
ip -n srv route add 10.1.0.0/16 dev eth0
mkdir -p "$T/plain"
cat > "$T/map" << 'EOF'
10.1.0.0/16     us
10.1.32.0/20    eu
10.1.40.128/25  us
2001:db8:100::/40 us
EOF
cp "$T/map" "$T/plain/map"
{
	printf '$TTL 300\n@ SOA ns1 admin 1 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\nalias CNAME n1\nonly4 A 192.0.2.4\n'
	printf 'mx MX 10 n1\nmx MX 20 n2\nsub NS ns.sub\nns.sub A 192.0.2.53\n*.wild A 192.0.2.7\n'
	for i in 1 2; do echo "n$i A 192.0.2.$i"; echo "n$i AAAA 2001:db8::$i"; done
	for i in $(seq 60); do echo "big A 198.51.100.$i"; done
} > "$T/example.com.zone"
cp "$T/example.com.zone" "$T/plain/"
config() { # ADDRESSES XDP RATE-LIMIT ZONES
	cat << EOF
{ "weft-dns:dns": {
    "listen": [$1], "workers": 1, $2 $3 "state-folder": "$T/run",
    "cookies": { "secret": "000102030405060708090a0b0c0d0e0f" },
    "location": { "map-file": ["map"], "default-region": "eu" },
    "pool": [
      { "name": "frankfurt", "member": [ { "name": "vip", "address": ["203.0.113.1", "2001:db8:1::1"] } ] },
      { "name": "virginia", "member": [ { "name": "vip", "address": ["203.0.113.2"] } ] } ],
    "policy": [
      { "name": "near", "order": ["region-map", "failover"],
        "candidate": [ { "pool": "frankfurt" }, { "pool": "virginia" } ],
        "match": [ { "what": "region=us", "pool": ["virginia"] }, { "what": "default", "pool": ["frankfurt"] } ] },
      { "name": "sticky", "sticky": { }, "candidate": [ { "pool": "frankfurt" }, { "pool": "virginia" } ] } ],
    "zone": [ { "name": "example.com", "file": "example.com.zone",
                "chosen": [ { "name": "www", "policy": "near" }, { "name": "st", "policy": "sticky" } ] }$4 ] } }
EOF
}
XDP='"xdp": { "device": ["eth0"], "mode": "native" },'
config '"10.9.0.1", "fd09::1"' "$XDP" "" "" > "$T/dns.json"
config '"10.9.0.3", "fd09::3"' "" "" "" > "$T/plain/dns.json"
dns_start
# The other one, in a folder of its own.
OVS_RUNDIR=$T/plain OVS_LOGDIR=$T/plain OVS_SYSLOG_METHOD=null timeout --foreground 60 ip netns exec srv "$(dnsd_of)" \
	-vconsole:off --pidfile --detach --no-chdir --log-file="$T/plain/weft-dnsd.log" "$T/plain/dns.json"
asks() { ip netns exec cli python3 "$ROOT/tests/system/dns_xdp.py" "$@"; }
shows() { contains "$1" dns_ctl dns show; }
driver_answers() { contains "driver: answers it" dns_ctl dns why "$@"; }
vip() { dns_ask @10.9.0.1 www.example.com A +short "$@"; }

check "the program answers" retry 30 shows "xdp: 1 devices, answers"
equal "by the client subnet" 203.0.113.2 "$(vip +subnet=10.1.2.0/24)"
equal "by a finer prefix in it" 203.0.113.1 "$(vip +subnet=10.1.33.0/24)"
equal "finer than /24" 203.0.113.2 "$(vip +subnet=10.1.40.129/32)"
equal "by the address that asks" 203.0.113.2 "$(vip -b 10.1.0.2)"
equal "client subnet of IPv6" 203.0.113.2 "$(vip +subnet=2001:db8:100::/56)"
equal "over IPv6" 203.0.113.1 "$(dns_ask @fd09::1 www.example.com A +short)"
equal "letters come back as they were sent" wWw.eXaMpLe.CoM. \
	"$(dns_ask @10.9.0.1 wWw.eXaMpLe.CoM A | awk '/^;wWw/ { print substr($1, 2) }')"
check "it was the driver" eval '[ "$(dns_counter xdp_answers)" -ge 5 ]'
check "the scope is that of the map" contains "CLIENT-SUBNET: 10.1.2.0/24/19" dns_ask @10.9.0.1 www.example.com A +subnet=10.1.2.0/24
check "over TCP the sockets answer" contains 203.0.113.1 vip +tcp

# Names that are asked for often: six of two types each, beside two with policies.
heat() {
	for name in n1 n2 alias big mx only4; do
		for type in A AAAA; do
			asks heat 10.9.0.1 $name.example.com $type 512
		done
	done
	shows ", 16 hot names"
}
check "names that are asked for often become hot" retry 60 heat
check "a name that was asked for often is hot" retry 30 driver_answers n1.example.com A
check "an answer that fits no datagram, cut" contains "tc" dns_ask @10.9.0.1 big.example.com A +notcp +ignore +bufsize=512
check "a type that it has not is hot too" retry 30 driver_answers only4.example.com AAAA
before=$(dns_counter xdp_answers)
check "good questions for hot names: equal to the sockets" asks hot 10.9.0.1 10.9.0.3 3000 1
after=$(dns_counter xdp_answers)
check "the driver answered nine in ten of them" eval "[ $((after - before)) -ge 2700 ]"
echo "# $((after - before)) of 3000 by the driver; $(dns_ctl dns counters | awk '/^xdp_passed/ && $2 { print $1 " " $2 }' | tr '\n' ' ')"
check "good questions over IPv6: equal" asks hot fd09::1 fd09::3 1000 2
check "odd and malformed questions: equal" asks compare 10.9.0.1 10.9.0.3 4000 3
check "odd and malformed questions over IPv6: equal" asks compare fd09::1 fd09::3 2000 4

# A cache that obeys scopes, in each state of health and map.
caches() {
	local before
	before=$(dns_counter xdp_answers)
	check "$1" asks cache 10.9.0.1 150 "$2"
	check "$1: it was the driver" eval "[ $(($(dns_counter xdp_answers) - before)) -ge 135 ]"
}
caches "scopes hold for all clients in them" 6

# Changes: the very next answer is new.
policy() { OVS_RUNDIR=$T timeout 30 ovs-appctl -t weft-dnsd policy/"$@"; }
policy drain virginia on
equal "health changed: the next answer is new" 203.0.113.1 "$(vip +subnet=10.1.2.0/24)"
check "and the driver answers again" retry 30 shows "xdp: 1 devices, answers"
equal "with the new one" 203.0.113.1 "$(vip +subnet=10.1.2.0/24)"
caches "scopes hold while a region is down" 7
policy drain virginia off
equal "and back" 203.0.113.2 "$(vip +subnet=10.1.2.0/24)"
sed -i 's/^n1 A .*/n1 A 192.0.2.99/; s/admin 1 /admin 2 /' "$T/example.com.zone"
check "a reload" dns_ctl dns reload
equal "the zone changed: the next answer is new" 192.0.2.99 "$(dns_ask @10.9.0.1 n1.example.com A +short)"
check "what was hot stays hot" retry 30 driver_answers n1.example.com A
equal "with the new answer" 192.0.2.99 "$(dns_ask @10.9.0.1 n1.example.com A +short)"
sed -i 's/^10.1.32.0\/20 .*/10.1.32.0\/20 us/' "$T/map"
check "a map that was edited takes effect" retry 60 eval '[ "$(vip +subnet=10.1.33.0/24)" = 203.0.113.2 ]'

# Changes under way cost no answer; one in a hundred may be lost for other reasons on a machine that is busy.
asks steady 10.9.0.1 6 > "$T/steady" &
steady=$!
for i in 1 2 3; do
	dns_ctl dns reload > /dev/null
	policy drain frankfurt on
	sleep 0.5
	policy drain frankfurt off
done
wait $steady
read -r asked missing < "$T/steady"
echo "# $missing of $asked without an answer while data was replaced nine times"
check "changes cost no answers" eval "[ $asked -gt 0 ] && [ $((missing * 100)) -le $asked ]"

# A daemon that does not answer: the lease runs out.
check "the driver answers before the daemon hangs" retry 30 driver_answers www.example.com A
caches "scopes hold under the new map" 8
kill -STOP "$(cat "$T/weft-dnsd.pid")"
equal "and for some seconds more" 203.0.113.2 "$(vip +subnet=10.1.2.0/24)"
silent() { ! ip netns exec cli dig +time=1 +tries=1 @10.9.0.1 www.example.com A > /dev/null; }
check "a daemon that hangs: no old answers for ever" retry 60 silent
kill -CONT "$(cat "$T/weft-dnsd.pid")"
check "it goes on: the driver answers again" retry 60 eval 'vip && driver_answers www.example.com A'
mkdir -p "$T/other"
sed "s/\"workers\": 1,/\"workers\": 1, \"port\": 5354,/; s|\"map\"|\"$T/map\"|; s|example.com.zone|$T/example.com.zone|" "$T/dns.json" > "$T/other/dns.json"
check "another program has the device" fails_with "another XDP program" ip netns exec srv \
	"$(dnsd_of)" --unixctl="$T/other/ctl" "$T/other/dns.json"
check "the log has no warnings" eval '! grep -E "\|(WARN|ERR|EMER)\|" "$T/weft-dnsd.log" | grep -v timeval'
kill -9 "$(cat "$T/weft-dnsd.pid")"
check "a daemon that was killed: no answers" retry 60 silent
rm -f "$T/weft-dnsd.pid"

# Rate limit, and signed answers.
config '"10.9.0.1"' "$XDP" '"rate-limit": { "responses-per-second": 20 }, ' "" > "$T/dns.json"
dns_start
check "with a rate limit: the program answers" retry 30 shows "xdp: 1 devices, answers"
read -r whole cut missing <<< "$(asks limit 10.9.0.1 www.example.com 1000)"
echo "# of 1000 questions in a burst: $whole whole answers, $cut cut, $missing missing"
check "the rate limit holds: most get no whole answer" eval "[ $whole -lt 600 ] && [ $cut -gt 50 ]"
check "it was the driver that limited" eval '[ "$(dns_counter xdp_dropped)" -gt 50 ]'
read -r whole cut missing <<< "$(asks limit 10.9.0.1 www.example.com 300 cookie)"
check "a valid cookie is exempt" eval "[ $whole -ge 290 ]"
# Another device of that name.
ip -n srv link del eth0
check "a device that is gone" retry 30 shows "xdp: 0 devices"
ip link add eth0 netns srv type veth peer name eth0 netns cli
ip -n srv addr add 10.9.0.1/24 dev eth0
ip -n cli addr add 10.9.0.2/24 dev eth0
ip -n srv link set eth0 up
ip -n cli link set eth0 up
dns_xdp_client
check "one that comes has the program" retry 30 shows "xdp: 1 devices"
answers=$(dns_counter xdp_answers)
check "and answers" retry 30 eval '[ "$(vip)" = 203.0.113.1 ] && [ "$(dns_counter xdp_answers)" -gt '"$answers"' ]'
check "the daemon ends when told" dns_stop

dns_ctl dns key generate example.org --folder "$T/keys" > /dev/null
cp "$T/example.com.zone" "$T/example.org.zone"
config '"10.9.0.1"' "$XDP" "\"dnstap\": { \"file\": \"$T/tap\", \"sample\": 1 }," ', { "name": "example.org", "file": "example.org.zone", "dnssec": {}, "chosen": [ { "name": "www", "policy": "near" } ] }' > "$T/dns.json"
dns_start
sed 's/\.example\.com"/.example.org"/g' "$ROOT/tests/system/dns_xdp.py" > "$T/signed.py"
check "signed: the program answers" retry 30 shows "xdp: 1 devices, answers"
check "answers for DO=1 are made" retry 30 contains RRSIG dns_ask @10.9.0.1 www.example.org A +dnssec +ignore
before=$(dns_counter xdp_answers)
check "signed answers are those over TCP" ip netns exec cli python3 "$T/signed.py" tcp 10.9.0.1 10.9.0.1 600 5
check "the driver sent signed answers" eval '[ "$(dns_counter xdp_answers)" -gt '"$before"' ]'
before=$(dns_counter dnstap_sent) answers=$(dns_counter xdp_answers)
for i in 1 2 3 4 5; do vip > /dev/null; done
check "dnstap has the driver's answers" retry 30 eval "[ \$(dns_counter dnstap_sent) -ge $((before + 10)) ] && [ \$(dns_counter xdp_answers) -ge $((answers + 5)) ]"
check "the daemon ends when told again" dns_stop
dnstap-read "$T/tap" > "$T/tapped"
check "with the client and the answer" grep -E ' AR 10\.9\.0\.2:[0-9]+ <- .* UDP [0-9]+b www.example.com/IN/A' "$T/tapped"
finish
