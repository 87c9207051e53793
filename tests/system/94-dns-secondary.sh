#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Zones from other servers: AXFR and IXFR from Knot and BIND, with and without signatures; NOTIFY; copies
# that live through a restart; refresh and expiry; differences for our own secondaries; catalogs.
#
#   primaries 10.9.0.2 (Knot 5302, BIND 5303) ---veth--- server 10.9.0.1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
PATH=$PATH:/usr/sbin
need dig knotd knotc named

dns_network
mkdir -p "$T"/{knot,bind,state}
chmod 777 "$T/bind"
SECRET=$(head -c 32 /dev/urandom | base64 -w 0)
WRONG=$(head -c 32 /dev/urandom | base64 -w 0)
KEY=hmac-sha256:xfr:$SECRET
zone() { # SERIAL HOSTS [REFRESH RETRY EXPIRE]
	printf '$TTL 300\n@ SOA ns1 admin %s %s %s %s 60\n@ NS ns1\nns1 A 10.9.0.2\n' "$1" "${3:-3600}" "${4:-900}" "${5:-604800}"
	printf '*.w TXT "wild \\"quoted\\"" "two"\nsub NS ns.sub\nns.sub A 192.0.2.53\nd DNAME w\na MX 10 ns1\ns SRV 1 2 3 ns1\n'
	printf 'h HTTPS 1 . alpn=h2\nc CAA 0 issue "ca.test"\nMiXed PTR UPPER.test.\nn NAPTR 100 10 "u" "sip" "!^.*$!x!" .\n'
	printf 'r TYPE65280 \\# 3 010203\nv6 AAAA 2001:db8::1\nal CNAME ns1\n'
	for i in $(seq "$2"); do echo "host-$i A 10.0.1.$i"; done
}
zone 7 50 > "$T/knot/plain.test.zone"
zone 7 200 > "$T/knot/keyed.test.zone"
zone 7 5 2 2 4 > "$T/knot/short.test.zone"
zone 7 200 > "$T/bind/bind.test.zone"
zone 7 20 > "$T/knot/signed.test.zone"
zone 7 250 > "$T/knot/toobig.test.zone"
printf '$TTL 60\n@ SOA . . 1 3600 900 604800 60\n@ NS invalid.\nversion TXT "2"\none.zones PTR plain2.test.\n' > "$T/knot/catalog.test.zone"
zone 3 5 > "$T/knot/plain2.test.zone"
zone 4 5 > "$T/knot/plain3.test.zone"
knot_head > "$T/knot.conf"
cat >> "$T/knot.conf" << EOF
remote:
  - id: weft
    address: 10.9.0.1
  - id: weft-signed
    address: 10.9.0.1
    key: xfr
acl:
  - id: all
    address: 10.9.0.0/24
    action: transfer
  - id: signed
    key: xfr
    action: transfer
template:
  - id: default
    storage: $T/knot
    zonefile-load: difference
    notify: weft
    acl: [all]
  - id: quiet
    storage: $T/knot
    zonefile-load: difference
    acl: [all]
zone:
  - domain: plain.test
  - domain: keyed.test
    notify: weft-signed
    acl: [signed]
  - domain: short.test
    template: quiet
  - domain: signed.test
    dnssec-signing: on
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
  - domain: toobig.test
  - domain: catalog.test
  - domain: plain2.test
  - domain: plain3.test
EOF
cat > "$T/bind/named.conf" << EOF
options { directory "$T/bind"; listen-on port 5303 { 10.9.0.2; }; listen-on-v6 { none; }; recursion no;
  pid-file none; session-keyfile "$T/bind/session.key"; notify explicit; also-notify { 10.9.0.1; }; };
key xfr { algorithm hmac-sha256; secret "$SECRET"; };
controls { };
zone "bind.test" { type primary; file "bind.test.zone"; ixfr-from-differences yes; allow-transfer { key xfr; }; };
EOF
cat > "$T/dns.json" << EOF
{ "weft-dns:dns": {
    "listen": ["10.9.0.1"], "workers": 2, "state-folder": "$T/state",
    "min-refresh-time": 1, "min-retry-time": 1,
    "key": [ { "name": "xfr", "secret": "$SECRET" }, { "name": "wrong", "secret": "$WRONG" } ],
    "zone": [
      { "name": "plain.test", "primary": [ { "address": "10.9.0.9" }, { "address": "10.9.0.2", "port": 5302 } ],
        "transfer": { "address": ["10.9.0.0/24"] } },
      { "name": "keyed.test", "primary": [ { "address": "10.9.0.2", "port": 5302, "key": "xfr" } ],
        "notify-from": { "key": ["xfr"] }, "transfer": { "address": ["10.9.0.0/24"] }, "file": "$T/keyed-copy" },
      { "name": "bind.test", "primary": [ { "address": "10.9.0.2", "port": 5303, "key": "xfr" } ],
        "transfer": { "address": ["10.9.0.0/24"] } },
      { "name": "signed.test", "primary": [ { "address": "10.9.0.2", "port": 5302 } ], "transfer": { "address": ["10.9.0.0/24"] } },
      { "name": "short.test", "primary": [ { "address": "10.9.0.2", "port": 5302 } ] },
      { "name": "toobig.test", "max-zone-size": "16384", "primary": [ { "address": "10.9.0.2", "port": 5302 } ] },
      { "name": "badkey.test", "primary": [ { "address": "10.9.0.2", "port": 5302, "key": "wrong" } ] },
      { "name": "catalog.test", "catalog": true, "primary": [ { "address": "10.9.0.2", "port": 5302 } ],
        "transfer": { "address": ["10.9.0.0/24"] } },
      { "name": "own.test", "file": "own.zone", "transfer": { "address": ["10.9.0.0/24"] } } ] } }
EOF
zone 7 100 > "$T/own.zone"

ip netns exec cli knotd -c "$T/knot.conf" > "$T/knot.out" 2>&1 &
KNOT=$!
ip netns exec cli named -f -c "$T/bind/named.conf" > "$T/named.out" 2>&1 &
NAMED=$!
knot_ctl() { ip netns exec cli knotc -c "$T/knot.conf" "$@" > /dev/null; }
serial() { dns_ask @"$1" -p "$2" "$3" SOA +short +time=2 +tries=1 | cut -d' ' -f3; }
has_serial() { [ "$(serial "$@" 2>/dev/null)" = "$4" ]; }
at_us() { has_serial 10.9.0.1 53 "$1" "$2"; }
# Letters of owners are not kept (RFC 4343).
xfr() { dns_ask +nocookie +onesoa +noall +answer "$@" axfr | tr A-Z a-z | sort; }
same() { diff <(xfr @10.9.0.1 "$1") <(xfr @10.9.0.2 -p "$2" "${@:3}" "$1"); }
check "Knot serves" retry 60 has_serial 10.9.0.2 5302 plain.test 7
bind_serves() { [ "$(dns_rcode @10.9.0.2 -p 5303 bind.test SOA)" = NOERROR ]; }
check "BIND serves" retry 60 bind_serves
dns_start

# --- AXFR ----------------------------------------------------------------------------------------------
check "the open zone comes from Knot, though the first primary is dead" retry 90 at_us plain.test 7
check "the keyed zone comes from Knot" retry 60 at_us keyed.test 7
check "the keyed zone comes from BIND" retry 60 at_us bind.test 7
check "what we have is what Knot has" same plain.test 5302
check "also the keyed one" same keyed.test 5302 -y "$KEY"
check "what we have is what BIND has" same bind.test 5303 -y "$KEY"
has_data() { [ "$(dns_rcode @10.9.0.1 "$1" SOA)" = NOERROR ]; }
check "a zone that Knot signs" retry 60 has_data signed.test
check "it is the same" same signed.test 5302
check "its answers have signatures" contains "RRSIG" dns_ask @10.9.0.1 +dnssec ns1.signed.test A
check "and denials proofs" contains "NSEC" dns_ask @10.9.0.1 +dnssec nosuch.signed.test A
equal "a zone whose primary does not know our key has no data" SERVFAIL "$(dns_rcode @10.9.0.1 badkey.test SOA)"
check "and that is said" retry 30 contains "badkey.test. no data" dns_ctl dns secondaries
check "a zone larger than it may be is not taken" retry 60 contains "toobig.test. no data" dns_ctl dns secondaries
check "which is said" retry 60 contains "max-zone-size, 16384 bytes" dns_ctl dns secondaries
check "the copy is a zone file" grep '^keyed.test. 300 IN SOA' "$T/keyed-copy"

# --- IXFR ----------------------------------------------------------------------------------------------
zone 8 60 | sed 's/^host-3 A .*/host-3 A 10.9.9.9/; /^a MX/d' > "$T/knot/plain.test.zone"
zone 8 210 | sed 's/^host-3 A .*/host-3 A 10.9.9.9/; /^a MX/d' > "$T/knot/keyed.test.zone"
zone 8 210 | sed 's/^host-3 A .*/host-3 A 10.9.9.9/; /^a MX/d' > "$T/bind/bind.test.zone"
zone 7 21 | sed 's/^host-3 A .*/host-3 A 10.9.9.9/' > "$T/knot/signed.test.zone"
check "Knot takes a change" knot_ctl zone-reload
kill -HUP $NAMED
check "NOTIFY brings it at once" retry 90 at_us plain.test 8
has_change() { [ "$(dns_ask @10.9.0.1 +short host-3.signed.test A)" = 10.9.9.9 ]; }
check "of the zone that it signs too" retry 60 has_change
check "which is the same" same signed.test 5302
check "signed NOTIFY too" retry 60 at_us keyed.test 8
check "and BIND's" retry 60 at_us bind.test 8
check "what we have is what Knot has" same plain.test 5302
check "also the keyed one" same keyed.test 5302 -y "$KEY"
check "what we have is what BIND has" same bind.test 5303 -y "$KEY"
check "it came as differences from Knot, unsigned" grep -E 'zone plain.test.: serial 8 .*differences' "$T/weft-dnsd.log"
check "signed" grep -E 'zone keyed.test.: serial 8 .*differences' "$T/weft-dnsd.log"
check "the zone that it signs, too" grep -E 'zone signed.test.: serial .*differences' "$T/weft-dnsd.log"
check "and from BIND" grep -E 'zone bind.test.: serial 8 .*differences' "$T/weft-dnsd.log"
notify_rcode() { dns_rcode @10.9.0.1 +opcode=notify "$@" SOA; }
equal "unsigned NOTIFY is refused where it must be signed" REFUSED "$(notify_rcode keyed.test)"
equal "signed with the right key it is taken" NOERROR "$(notify_rcode -y "$KEY" keyed.test)"
equal "NOTIFY of a zone of our own is not for us" NOTAUTH "$(notify_rcode own.test)"

# --- IXFR out ------------------------------------------------------------------------------------------
ixfr_lines() { dns_ask @10.9.0.1 +nocookie +noall +answer "$1" ixfr="$2" | wc -l; }
# new SOA, old SOA, 2 removed, new SOA, 11 added, new SOA
equal "the differences go on to our secondaries" 17 "$(ixfr_lines plain.test 7)"
equal "who has another serial gets all" $(($(xfr @10.9.0.1 plain.test | wc -l) + 1)) "$(ixfr_lines plain.test 5)"
zone 8 100 | sed 's/^host-3 A .*/host-3 A 10.9.9.9/' > "$T/own.zone"
check "a reload" dns_ctl dns reload
zone 9 101 | sed 's/^host-3 A .*/host-3 A 10.9.9.9/' > "$T/own.zone"
check "and another" dns_ctl dns reload
equal "a zone file's changes are differences too" 9 "$(ixfr_lines own.test 7)"
equal "of each serial" 5 "$(ixfr_lines own.test 8)"

# --- a restart without primaries -----------------------------------------------------------------------
kill $KNOT $NAMED
wait $KNOT $NAMED || true
check "the daemon ends" dns_stop
dns_start
equal "after a restart without primaries: Knot's zone" 8 "$(serial 10.9.0.1 53 plain.test)"
equal "the one in a file of its own" 8 "$(serial 10.9.0.1 53 keyed.test)"
equal "BIND's" 8 "$(serial 10.9.0.1 53 bind.test)"
equal "its text with quotes" '"wild \"quoted\"" "two"' "$(dns_ask @10.9.0.1 x.w.bind.test TXT +short)"
equal "the journal lives too" 17 "$(ixfr_lines plain.test 7)"
equal "and that of our own zone" 9 "$(ixfr_lines own.test 7)"
equal "members of the catalog" 3 "$(serial 10.9.0.1 53 plain2.test)"
is_servfail() { [ "$(dns_rcode @10.9.0.1 "$1" SOA)" = SERVFAIL ]; }
check "a zone whose expiry is 4 s expires" retry 60 is_servfail short.test
check "a reload" dns_ctl dns reload
equal "does not bring the expired copy back" SERVFAIL "$(dns_rcode @10.9.0.1 short.test SOA)"
zone 9 5 2 2 4 > "$T/knot/short.test.zone"
ip netns exec cli knotd -c "$T/knot.conf" > "$T/knot2.out" 2>&1 &
KNOT=$!
check "it comes back with its primary, by refresh alone" retry 90 at_us short.test 9
zone 10 5 2 2 4 > "$T/knot/short.test.zone"
check "Knot takes a change" retry 30 knot_ctl zone-reload short.test
check "refresh alone finds it" retry 60 at_us short.test 10

# --- catalogs ------------------------------------------------------------------------------------------
equal "a zone that no catalog names is none of ours" REFUSED "$(dns_rcode @10.9.0.1 plain3.test SOA)"
sed -i 's/^@ SOA . . 1 /@ SOA . . 2 /' "$T/knot/catalog.test.zone"
echo 'two.zones PTR plain3.test.' >> "$T/knot/catalog.test.zone"
check "Knot takes the catalog's change" knot_ctl zone-reload catalog.test
check "a new member is served" retry 90 at_us plain3.test 4
sed -i 's/^@ SOA . . 2 /@ SOA . . 3 /; /^version/d' "$T/knot/catalog.test.zone"
check "Knot takes a broken one" knot_ctl zone-reload catalog.test
check "it is not taken" retry 60 grep 'catalog.test.*no version' "$T/weft-dnsd.log"
equal "its members stay" 4 "$(serial 10.9.0.1 53 plain3.test)"
sed -i 's/^@ SOA . . 3 /@ SOA . . 4 /; /^two/d' "$T/knot/catalog.test.zone"
echo 'version TXT "2"' >> "$T/knot/catalog.test.zone"
check "Knot takes a good one" knot_ctl zone-reload catalog.test
is_refused() { [ "$(dns_rcode @10.9.0.1 "$1" SOA)" = REFUSED ]; }
check "a member that is gone is not served" retry 90 is_refused plain3.test
equal "nor is its copy kept" "" "$(ls "$T/state" | grep plain3 || true)"
equal "the other one is" 3 "$(serial 10.9.0.1 53 plain2.test)"
check "the daemon ends" dns_stop
sed -i 's/"min-refresh-time": 1/"min-refresh-time": 3600/' "$T/dns.json"
dns_start
waits_an_hour() { dns_ctl dns secondaries > "$T/secondaries" && grep -E '^zone short.test. serial 10,.* waits 3[0-9]{3} s' "$T/secondaries"; }
check "the least refresh time holds, whatever the SOA says" retry 60 waits_an_hour
check "the daemon ends when told" dns_stop
kill $KNOT
finish
