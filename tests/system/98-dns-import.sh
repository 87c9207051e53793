#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Configurations of gdnsd and Knot, imported: the same questions to the original and to ours, from several client
# networks, have the same answers; what is not taken over is named with its line.
#
#   client 10.9.0.2 ---veth--- server 10.9.0.1: ours; 10.9.0.3: gdnsd; 10.9.0.4: Knot
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
PATH=$PATH:/usr/sbin
need dig python3 gdnsd knotd

dns_network
ip -n srv addr add 10.9.0.3/24 dev eth0
ip -n srv addr add 10.9.0.4/24 dev eth0
ip -n srv addr add 10.9.0.80/32 dev lo
ip -n srv link set lo up

# Places for MaxMind's lookups.
place() { printf '%s {"continent":{"code":"%s"},"country":{"iso_code":"%s"},"location":{"latitude":%s,"longitude":%s}' "$1" "$2" "$3" "$4" "$5"
	[ -z "${6:-}" ] || printf ',"subdivisions":[{"iso_code":"%s"}]' "$6"
	[ -z "${7:-}" ] || printf ',"city":{"names":{"en":"%s"}}' "$7"
	echo '}'; }
{
	place 20.1.0.0/16 EU DE 52.5 13.4
	place 20.2.0.0/16 EU CH 46.9 7.4
	place 20.3.0.0/16 NA US 40.7 -74.0 NY
	place 20.4.0.0/16 NA US 32.8 -96.8 TX Dallas
	place 20.5.0.0/16 NA US 29.8 -95.4 TX
	place 20.6.0.0/16 AS JP 35.7 139.7
	place 20.7.0.0/16 EU CZ 50.1 14.4 10 Prague
	place 2a01:100::/32 EU DE 52.5 13.4
} > "$T/places"
mkdir -p "$T/gdnsd/geoip" "$T/gdnsd/zones/inc" "$T/gdnsd/run" "$T/gdnsd/state" "$T/knot"
/usr/bin/python3 "$ROOT/tests/lib/mmdb_write.py" "$T/places" "$T/gdnsd/geoip/city.mmdb" --type GeoLite2-City
CLIENTS="20.1.2.0/24 20.2.2.0/24 20.3.2.0/24 20.4.2.0/24 20.5.2.0/24 20.6.2.0/24 20.7.2.0/24 30.0.1.0/24 10.1.2.0/24
	10.1.128.0/24 10.2.0.0/24 2a01:100:1::/48 2001:db8:5::/48"

# --- gdnsd -------------------------------------------------------------------------------------------
cat > "$T/gdnsd/config" << END
options => {
  listen => [ 10.9.0.3 ],
  run_dir => $T/gdnsd/run
  state_dir => $T/gdnsd/state
}
service_types => {
  web => { plugin => http_status, port => 8080, url_path => "/ok", ok_codes => [ 200, 204 ], interval => 2, timeout => 1,
           up_thresh => 1, ok_thresh => 1, down_thresh => 2 }
  \$include{services.d}
}
plugins => {
  geoip => {
    maps => {
      world => {
        geoip2_db => city.mmdb, datacenters => [ us, eu, asia ]
        map => {
          EU => { default => [ eu, us ], CH => [ us, eu ] }
          NA => { US => { default => [ us ], TX => { default => [ eu ], Dallas => [ asia ] } } }
          AS => asia
        }
        nets => {
          10.0.0.0/8 => asia,
          10.1.0.0/16 => [ eu, asia ],
          10.1.128.0/17 => us
          2001:DB8::/32 => us
        }
      }
      near => {
        geoip2_db => city.mmdb, datacenters => [ fra, iad, nrt ]
        auto_dc_coords => { fra => [ 50.1, 8.7 ], iad => [ 38.9, -77.4 ], nrt => [ 35.8, 140.4 ] }
        nets => nets.txt
      }
    }
    resources => {
      www => { map => world, dcmap => { us => 192.0.2.1, eu => { lb01 => 192.0.2.2, lb02 => 192.0.2.3 },
               asia => { addrs_v4 => 192.0.2.4, addrs_v6 => [ 2001:db8::4 ] } } }
      near => { map => near, dcmap => { fra => 192.0.2.11, iad => %multifo!two, nrt => 192.0.2.13 } }
      cdn => { map => world, dcmap => { us => us.cdn.example.net., eu => eu.cdn.example.net., asia => asia.cdn.example.net. } }
    }
  }
  metafo => { resources => { fall => { service_types => web, datacenters => [ a, b ], dcmap => { a => 10.9.0.81, b => 10.9.0.80 } } } }
  multifo => { ext => { service_types => file, one => 192.0.2.51 }, two => { addrs_v4 => [ 192.0.2.21, 192.0.2.22 ], addrs_v6 => [ 2001:db8::21 ] } }
  simplefo => { fo => { service_types => web, primary => 10.9.0.81, secondary => 10.9.0.80 } }
  weighted => { w => { service_types => [ up ], one => [ 192.0.2.31, 60 ], other => [ 192.0.2.32, 20 ] }
                wg => { a => { x => [ 192.0.2.33, 5 ], y => [ 192.0.2.34, 5 ] }, b => { z => [ 192.0.2.35, 30 ] } } }
  static => { st => 192.0.2.41 }
  reflect => {}
}
END
mkdir "$T/gdnsd/services.d"
echo "192.0.2.51 => UP" > "$T/states"
echo "file => { plugin => extfile, file => $T/states }" > "$T/gdnsd/services.d/one"
mkdir -p "$T/gdnsd/state/extfile"
echo '20.1.128.0/17 => iad 10.1.0.0/16 => [ nrt, fra ]' > "$T/gdnsd/geoip/nets.txt"
cat > "$T/gdnsd/zones/example.com" << 'END'
@	SOA ns1 admin ( 1 ; serial
	3600 900 604800 60 )
@	NS ns1
ns1	A 10.9.0.1
www	600/10 DYNA geoip!www
	MX 10 mail	; of www
mail	300 A 192.0.2.99
near	300 DYNA geoip!near
near-fra 300 DYNA geoip!near/fra
cdn	120/120 DYNC geoip!cdn
fall	300/3 DYNA metafo!fall
fo	300 DYNA simplefo!fo
two	DYNA multifo!two
w	DYNA weighted!w
wg	DYNA weighted!wg
st	7200 DYNA static!st
mirror	DYNA reflect
ext	DYNA multifo!ext
$INCLUDE inc/more sub
last	TXT "a;b" "c"
END
cat > "$T/gdnsd/zones/inc/more" << 'END'
$TTL 77
x	A 192.0.2.61
$ORIGIN deep.@F
x	CNAME y.@Z
$ORIGIN @Z
y	A 192.0.2.62
END
cat > "$T/web.py" << 'END'
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ok" else 404)
        self.end_headers()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("10.9.0.80", 8080), H).serve_forever()
END
ip netns exec srv python3 "$T/web.py" &
(cd "$T/gdnsd" && exec ip netns exec srv gdnsd -c "$T/gdnsd" start) > "$T/gdnsd.out" 2>&1 &
check "gdnsd's configuration is imported" eval 'dns_ctl dns import gdnsd "$T/gdnsd/config" "$T/out" > "$T/import.out" 2> "$T/notes"'
cat "$T/import.out" "$T/notes" | sed 's/^/# /'
noted() { [ "$(grep -c "$1" "$T/notes")" = 1 ]; }
check "what is not taken over is named by line" noted "zones/example.com:17: mirror.example.com. reflect is left out"
check "a service type that another program feeds" noted "services.d/one:1: .*/states.json"
fits() { dns_ctl dns check "$T/out/dns.json"; }
ours() { # take $T/out as our configuration
	rm -rf "$T"/*.zone "$T"/nets.map
	cp "$T"/out/* "$T"
	sed -i 's/"10.9.0.[34]"/"10.9.0.1"/' "$T/dns.json"
}
check "the result is sound" fits
ours
dns_start

soa() { [ -n "$(dns_ask @"$1" "$2" SOA +short +time=1 +tries=1 2>&1 | grep -v '^;')" ]; }
check "gdnsd answers" retry 40 soa 10.9.0.3 example.com
check "ours answers" retry 40 soa 10.9.0.1 example.com
answer() { dns_ask +nocookie +noall +answer +comments "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p; /^[^;]/p' | tr -s '\t ' ' ' | sort; }
same() { # PEER NAME TYPE [dig's words]
	local peer=$1 a b
	shift
	a=$(answer @10.9.0.1 "$@")
	b=$(answer @"$peer" "$@")
	[ "$a" = "$b" ] || { echo "$*: ours: $a"; echo "theirs: $b"; return 1; }
}
everywhere() { # PEER NAME TYPE
	local c
	for c in $CLIENTS; do
		same "$@" +subnet="$c" || return 1
	done
}
check "a map by places and networks" everywhere 10.9.0.3 www.example.com A
check "the same for IPv6" everywhere 10.9.0.3 www.example.com AAAA
check "a map by distance" everywhere 10.9.0.3 near.example.com A
check "names that clients are sent to" everywhere 10.9.0.3 cdn.example.com A
check "one datacenter by name" everywhere 10.9.0.3 near-fra.example.com A
for q in "www MX" "mail A" "two A" "two AAAA" "st A" "x.sub A" "x.deep.sub CNAME" "y A" "last TXT" "nothing A" "@ NS"; do
	read -r name type <<< "$q"
	[ "$name" = @ ] && name=example.com || name=$name.example.com
	check "$q" same 10.9.0.3 "$name" "$type"
done
check "failover, once the probes have told" retry 60 equal_out 10.9.0.80 dns_ask @10.9.0.3 fall.example.com A +short
check "to the server that is up" retry 60 equal_out 10.9.0.80 dns_ask @10.9.0.1 fall.example.com A +short
check "primary and secondary" retry 60 equal_out 10.9.0.80 dns_ask @10.9.0.1 fo.example.com A +short
# 400 answers, three quarters of them the first one: 300, with a standard deviation of 9.
share() { # PEER NAME ADDRESS: how many of 400
	ip netns exec cli /usr/bin/python3 - "$@" << 'END'
import sys, dns.message, dns.query
n = 0
for _ in range(400):
    m = dns.query.udp(dns.message.make_query(sys.argv[2], "A"), sys.argv[1], timeout=20)
    n += any(sys.argv[3] == str(r) for s in m.answer for r in s)
print(n)
END
}
near_300() { local n; n=$(share "$@"); echo "# $*: $n of 400"; [ "$n" -gt 240 ] && [ "$n" -lt 360 ]; }
for peer in 10.9.0.3 10.9.0.1; do
	check "weights, $peer" near_300 $peer w.example.com 192.0.2.31
	check "weights of groups, $peer" near_300 $peer wg.example.com 192.0.2.35
done
check "the daemon ends when told" dns_stop


# --- Knot ----------------------------------------------------------------------------------------------
SECRET=$(head -c 32 /dev/urandom | base64 -w 0)
cat > "$T/knot/knot.conf" << END
# A comment.
server:
    listen: [ "10.9.0.4@53" ]
    rundir: "$T/knot"
    identity: "one"
    edns-client-subnet: on
database:
    storage: $T/knot
key:
  - id: xfr
    algorithm: hmac-sha256
    secret: $SECRET
  - id: old
    algorithm: hmac-md5
    secret: $SECRET
remote:
  - id: nobody
    address: 10.9.0.2
    key: old
  - id: second
    address: 10.9.0.2@5399
    key: xfr
acl:
  - id: give
    key: xfr
    address: [ 10.9.0.0/24 ]
    action: transfer
  - id: lost
    remote: nobody
    action: transfer
  - id: change
    address: 10.9.0.2
    action: update
mod-geoip:
  - id: nets
    config-file: $T/knot/nets.conf
    mode: subnet
    ttl: 33
  - id: places
    config-file: places.conf
    mode: geodb
    geodb-file: $T/gdnsd/geoip/city.mmdb
    geodb-key: [ country/iso_code, city/names/en ]   # two of them
  - id: shares
    config-file: $T/knot/shares.conf
    mode: weighted
template:
  - id: default
    storage: $T/knot
    acl: [ give, change, lost ]
zone:
  - domain: example.org
    module: [ mod-geoip/nets, mod-geoip/places, mod-geoip/shares, mod-stats ]
    notify: second
  - domain: plain.org
    file: "%s.txt"
  - domain: shut.org
    file: plain.org.txt
    acl: [ lost ]
END
cat > "$T/knot/nets.conf" << 'END'
n.example.org:
  - net: 10.0.0.0/8
    A: 192.0.2.1
    TXT: "ten"
  - net: 10.1.0.0/16
    A: [ 192.0.2.2, 192.0.2.3 ]
    AAAA: 2001:db8::2
  - net: 2001:db8::/32
    A: 192.0.2.4
m.example.org:
  - net: 10.1.128.0/17
    CNAME: there.example.net.
*.w.example.org:
  - net: 20.0.0.0/8
    A: 192.0.2.9
END
cat > "$T/knot/places.conf" << 'END'
p.example.org:
  - geo: "CZ;Prague"
    A: 192.0.2.11
  - geo: "US;Dallas"
    A: 192.0.2.12
  - geo: "US;*"
    A: 192.0.2.13
  - geo: "DE"
    A: 192.0.2.14
mix.example.org:
  - geo: "CZ"
    A: 192.0.2.11
  - geo: "DE"
    CNAME: de.example.net.
END
cat > "$T/knot/shares.conf" << 'END'
s.example.org:
  - weight: 3
    A: 192.0.2.21
  - weight: 1
    A: 192.0.2.22
END
cp "$T/knot/places.conf" "$T/places.conf"
cat > "$T/knot/example.org.zone" << 'END'
@ 300 SOA ns1 admin 1 3600 900 604800 60
@ 300 NS ns1
ns1 300 A 10.9.0.1
n 33 A 192.0.2.90
  33 A 192.0.2.91
  33 AAAA 2001:db8::90
  50 TXT "own"
m 33 CNAME else.example.net.
*.w 33 A 192.0.2.93
p 60 A 192.0.2.94
s 60 A 192.0.2.95
g1 10 A 192.0.2.1
g2 10 A 192.0.2.2
g3 10 A 192.0.2.3
END
cp "$T/knot/example.org.zone" "$T/knot/plain.org.txt"
(cd "$T" && exec ip netns exec srv knotd -c "$T/knot/knot.conf") > "$T/knot.out" 2>&1 &
sed -i "s|config-file: places.conf|config-file: $T/knot/places.conf|" "$T/knot/knot.conf"
rm -rf "$T/out"
check "Knot's configuration is imported" eval 'dns_ctl dns import knot "$T/knot/knot.conf" "$T/out" > "$T/import.out" 2> "$T/notes"'
cat "$T/import.out" "$T/notes" | sed 's/^/# /'
check "an option that is not taken over" noted "knot.conf:5: server: identity is not taken over"
check "a right that there is not" noted "knot.conf:33: acl change: there is no dynamic update"
check "a record of places that is not taken over" noted "nets.conf:4: n.example.org.: TXT"
check "an alias beside addresses is not" noted "places.conf:11: mix.example.org: .*alias"
check "the result is sound" fits
ours
dns_start
check "Knot answers" retry 40 soa 10.9.0.4 example.org
check "ours answers" retry 40 soa 10.9.0.1 example.org
check "a map of networks" everywhere 10.9.0.4 n.example.org A
check "the same for IPv6" everywhere 10.9.0.4 n.example.org AAAA
check "networks with an alias" everywhere 10.9.0.4 m.example.org A
check "networks under a wildcard" everywhere 10.9.0.4 x.w.example.org A
check "a map of places" everywhere 10.9.0.4 p.example.org A
for q in "n TXT" "g2 A" "@ NS" "nothing A" "nothing.w MX"; do
	read -r name type <<< "$q"
	[ "$name" = @ ] && name=example.org || name=$name.example.org
	check "$q" same 10.9.0.4 "$name" "$type" +subnet=30.0.1.0/24
done
check "a right of somebody who is not there is nobody's" contains "Transfer failed" dns_ask @10.9.0.1 +nocookie shut.org axfr
check "a zone that is as it was" same 10.9.0.4 g3.plain.org A
for peer in 10.9.0.4 10.9.0.1; do
	check "weights, $peer" near_300 $peer s.example.org 192.0.2.21
	check "a transfer with the key, $peer" contains "XFR size: 15 records" \
		dns_ask @$peer +nocookie -y "hmac-sha256:xfr:$SECRET" plain.org axfr
	check "not without, $peer" contains "Transfer failed" dns_ask @$peer +nocookie plain.org axfr
done
check "the daemon ends when told again" dns_stop

printf 'options => {\n listen => [ 10.0.0.1\n}\n' > "$T/gdnsd/broken"
check "a broken file is refused by line" fails_with "broken:3:" dns_ctl dns import gdnsd "$T/gdnsd/broken" "$T/none"
printf 'server:\n  listen: [ 10.0.0.1\nzone:\n' > "$T/knot/broken"
check "one of Knot's too" fails_with "broken:2:" dns_ctl dns import knot "$T/knot/broken" "$T/none"
check "and nothing is written" [ ! -e "$T/none" ]
finish
