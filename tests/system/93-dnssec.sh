#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Signed zones, judged by others: delv (BIND) validates each kind of answer from a trust anchor, dnsviz
# looks at whole zones, ldns-verify-zone at what a transfer gives, a model of a validating resolver with
# a cache asks while keys are rolled.
#
#   client 10.9.0.2 ---veth--- server 10.9.0.1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig delv dnssec-keygen dnssec-signzone dnsviz ldns-verify-zone /usr/bin/python3

dns_network
echo '10.1.0.0/16 us' > "$T/map"
cat > "$T/dns.json" << 'EOF'
{ "weft-dns:dns": {
    "listen": ["10.9.0.1"], "workers": 2,
    "location": { "map-file": ["map"], "default-region": "eu" },
    "pool": [ { "name": "eu", "member": [ { "name": "a", "address": ["192.0.2.11"] } ] },
              { "name": "us", "member": [ { "name": "a", "address": ["192.0.2.22", "2001:db8::22"] } ] } ],
    "policy": [
      { "name": "geo", "order": ["region-map", "failover"], "candidate": [ { "pool": "eu" }, { "pool": "us" } ],
        "match": [ { "what": "region=us", "pool": ["us"] }, { "what": "default", "pool": ["eu"] } ] } ],
    "zone": [
      { "name": "compact.test", "file": "zone", "dnssec": { "dnskey-ttl": 2 },
        "chosen": [ { "name": "geo", "policy": "geo" }, { "name": "*.cdn", "policy": "geo" } ] },
      { "name": "chain.test", "file": "zone", "dnssec": { "denial": "nsec" }, "transfer": { "address": ["10.9.0.0/24"] } },
      { "name": "nsec.test", "file": "nsec.test.signed", "transfer": { "address": ["10.9.0.0/24"] } },
      { "name": "nsec3.test", "file": "nsec3.test.signed" },
      { "name": "optout.test", "file": "optout.test.signed" } ] } }
EOF
cat > "$T/zone" << 'EOF'
$TTL 300
@ SOA ns1 admin 1 3600 900 604800 60
@ NS ns1
ns1 A 10.9.0.1
www A 10.9.0.1
*.wild TXT "hello"
alias CNAME www
walias CNAME x.wild
nalias CNAME nothing
a.b.ent A 192.0.2.1
d DNAME wild
mx MX 10 NS1
sub NS ns.sub
ns.sub A 10.9.0.9
sub.uent NS ns.sub
sec NS ns1
sec DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
srv SRV 1 2 3 NS1
EOF

# --- keys ----------------------------------------------------------------------------------------

key() { dns_ctl dns key "$@" --folder "$T/keys"; }
check "a key for both purposes is made" key generate compact.test
check "a key signing key of Ed25519" key generate chain.test --algorithm ED25519 --ksk
check "and a zone signing key" key generate chain.test --algorithm 15 --zsk
check "list says what they do" contains "ED25519 256: signs" key list chain.test
check "DS for the parent" contains "compact.test. IN DS " key ds compact.test
secret_is_private() { [ "$(stat -c %a "$T"/keys/Kcompact.test.+013+*.private)" = 600 ]; }
check "secrets are readable for their owner alone" secret_is_private

# As BIND signs them; keys for it are made by its own tool.
mkdir "$T/bind"
sign() {
	local z=$1
	shift
	cp "$T/zone" "$T/$z"
	dnssec-keygen -q -a ECDSAP256SHA256 -K "$T/bind" -f KSK "$z" > /dev/null
	dnssec-keygen -q -a ECDSAP256SHA256 -K "$T/bind" "$z" > /dev/null
	(cd "$T" && dnssec-signzone -q -S -K bind -o "$z" "$@" "$z") > "$T/signzone" 2>&1
}
check "BIND signs a zone with NSEC" sign nsec.test
check "with NSEC3 and a salt" sign nsec3.test -3 abcd
check "with NSEC3 and opt-out" sign optout.test -3 - -A
check "the configuration is good" dns_ctl dns check "$T/dns.json"
dns_start

# --- every kind of answer ------------------------------------------------------------------------

anchor() {
	local z=$1 f
	for f in "$T"/keys/K"$z".*.key "$T"/bind/K"$z".*.key; do
		[ -e "$f" ] || continue
		awk '/DNSKEY[ \t]257/ {
			for (i = 1; $i != "DNSKEY"; i++) ;
			printf "trust-anchors { %s static-key %s %s %s \"", $1, $(i+1), $(i+2), $(i+3)
			for (i += 4; i <= NF; i++) printf "%s", $i
			print "\"; };" }' "$f"
	done > "$T/anchor.$z"
}
# validates ZONE NAME TYPE WHAT...: what delv says of it.
validates() {
	local z=$1 name=$2.$1 type=$3 out
	[ "$2" = @ ] && name=$1
	out=$(ip netns exec cli timeout 60 delv @10.9.0.1 -a "$T/anchor.$z" +root="$z" "$name" "$type" "${@:5}" 2>&1) || true
	[[ $out == *"$4"* ]] || { echo "$name $type: $out"; return 1; }
}
for z in compact.test chain.test nsec.test nsec3.test optout.test; do
	anchor $z
	while read -r name type what; do
		# RFC 5155 section 12.2: opt-out makes of a wildcard's answer an insecure one.
		[ "$z $name" = "optout.test x.wild" ] && [ "$type" = TXT ] && what="unsigned answer"
		check "$z: $name $type" validates $z "$name" "$type" "$what"
	done <<- 'EOF'
		www A fully validated
		www AAAA negative response, fully validated
		nothing A negative response, fully validated
		x.nothing.www A negative response, fully validated
		x.wild TXT fully validated
		x.wild A negative response, fully validated
		alias A fully validated
		walias TXT fully validated
		nalias A fully validated
		ent A negative response, fully validated
		q.ent A negative response, fully validated
		q.uent A negative response, fully validated
		foo.d TXT fully validated
		mx MX fully validated
		srv SRV fully validated
		@ SOA fully validated
		@ DNSKEY fully validated
		sub DS negative response, fully validated
		sub.uent DS negative response, fully validated
		sec DS fully validated
		www ANY fully validated
	EOF
done
check "CDS" validates compact.test @ CDS "fully validated"
check "CDNSKEY" validates compact.test @ CDNSKEY "fully validated"
check "a chosen address" validates compact.test geo A "fully validated"
check "a chosen address that this client has none of" validates compact.test geo AAAA "negative response, fully validated"
check "a chosen address under a wildcard" validates compact.test x.cdn A "fully validated"
check "another type there" validates compact.test x.cdn TXT "negative response, fully validated"
ip -n cli addr add 10.1.0.2/16 dev eth0
ip -n srv route add 10.1.0.0/16 dev eth0
check "a chosen address, asked from the other region" validates compact.test geo AAAA "fully validated" -b 10.1.0.2
equal "which is another one" "192.0.2.22 192.0.2.11" \
	"$(for from in 10.1.0.2 10.9.0.2; do dns_ask -b $from @10.9.0.1 +short geo.compact.test A; done | tr '\n' ' ' | sed 's/ $//')"
check "with the scope of the region and a signature" contains "CLIENT-SUBNET: 10.1.0.0/24/16" \
	dns_ask @10.9.0.1 +dnssec geo.compact.test A +subnet=10.1.0.0/24
equal "without DO nothing is signed" "0" "$(dns_ask @10.9.0.1 nothing.compact.test A | grep -cE 'RRSIG|NSEC')"
equal "and the name does not exist" "NXDOMAIN" "$(dns_rcode @10.9.0.1 nothing.compact.test A)"
equal "compact: the name exists without data (RFC 9824 section 3)" "NOERROR" "$(dns_rcode @10.9.0.1 +dnssec nothing.compact.test A)"
knows() {
	ip netns exec cli /usr/bin/python3 -c '
import dns.message, dns.query, dns.rcode
q = dns.message.make_query("nothing.compact.test", "A", want_dnssec=True)
q.ednsflags |= 0x4000
print(dns.rcode.to_text(dns.query.udp(q, "10.9.0.1", timeout=30).rcode()))'
}
equal "unless the client knows (section 5)" "NXDOMAIN" "$(knows)"
equal "a question for NXNAME (section 3.5)" "FORMERR" "$(dns_rcode @10.9.0.1 nothing.compact.test TYPE128)"
equal "owners of NSEC3 are no names" "NXDOMAIN" \
	"$(dns_rcode @10.9.0.1 "$(awk '$4 == "NSEC3" || $3 == "NSEC3" { print $1; exit }' "$T/nsec3.test.signed")" A)"
wrong_anchor() { cp "$T/anchor.nsec.test" "$T/anchor.right"; sed 's/nsec3\.test/nsec.test/' "$T/anchor.nsec3.test" > "$T/anchor.nsec.test"; validates nsec.test www A "broken trust chain"; }
check "delv refuses the zone under a key that is not its own" wrong_anchor
cp "$T/anchor.right" "$T/anchor.nsec.test"

# --- whole zones ---------------------------------------------------------------------------------

# dnsviz of Debian 12 asks for a module that its pygraphviz does not have.
cat > "$T/grok.py" << 'EOF'
import sys, types, pygraphviz
pygraphviz.release = sys.modules["pygraphviz.release"] = types.ModuleType("pygraphviz.release")
pygraphviz.release.version = "1.7"
from dnsviz.commands import grok
sys.argv[0] = "grok"
grok.main(sys.argv)
EOF
# It finds nothing to warn of, and that the zone's names are secure.
viz() {
	local z=$1
	ip netns exec cli timeout 200 dnsviz probe -A -4 -a "$z" -x "$z+:ns1.$z=10.9.0.1" -R A,TXT,SOA,NS,MX,DNSKEY \
		"$z" "www.$z" "x.wild.$z" "nothing.$z" > "$T/viz.$z" 2> "$T/viz.err" || { cat "$T/viz.err"; return 1; }
	cat "$T"/keys/K"$z".*.key "$T"/bind/K"$z".*.key 2> /dev/null | grep '[[:space:]]257[[:space:]]' > "$T/viz.keys"
	/usr/bin/python3 "$T/grok.py" -l info -t "$T/viz.keys" < "$T/viz.$z" > "$T/grok.$z" 2>> "$T/viz.err" || { cat "$T/viz.err"; return 1; }
	! grep -nE '"(errors|warnings)"|BOGUS|INSECURE' -A 12 "$T/grok.$z" && grep -q '"SECURE"' "$T/grok.$z"
}
for z in compact.test chain.test nsec.test nsec3.test; do
	check "dnsviz: $z" viz $z
done

transfer() {
	local z=$1
	dns_ask @10.9.0.1 "$z" AXFR +noall +answer > "$T/axfr.$z"
	# The SOA stands at both ends.
	awk 'NR > 1 && $4 == "SOA" { exit } { print }' "$T/axfr.$z" > "$T/axfr.$z.zone"
	ldns-verify-zone "$T/axfr.$z.zone" 2>&1
}
for z in chain.test nsec.test; do
	check "a transfer of $z is a zone that ldns-verify-zone finds good" contains "Zone is verified and complete" transfer $z
done

# --- a roll, under queries -----------------------------------------------------------------------

cp "$T"/keys/Kcompact.test.*.key "$T/anchors"
ip netns exec cli /usr/bin/python3 "$(dirname "$0")/dnssec_resolver.py" 10.9.0.1 compact.test "$T/anchors" "$T/enough" \
	> "$T/resolved" 2> "$T/bogus" &
resolver=$!
tag_of() { basename "$1" | sed 's/.*+0*\([0-9]*\)\..*/\1/'; }
old=$(tag_of "$T"/keys/Kcompact.test.+013+*.private)
check "the key is rolled: the new one is published now and signs in 17 seconds" \
	key roll compact.test --dnskey-ttl 2 --margin 15
check "a second roll meanwhile is refused" fails_with "not being rolled already" key roll compact.test
check "the server is told" dns_ctl dns reload
published() { [ "$(dns_ask @10.9.0.1 compact.test DNSKEY +short | wc -l)" = "$1" ]; }
check "both keys are published" retry 30 published 2
for f in "$T"/keys/Kcompact.test.+013+*.private; do
	[ "$(tag_of "$f")" = "$old" ] || new=$(tag_of "$f")
done
signed_by() { [ "$(dns_ask @10.9.0.1 +dnssec www.compact.test A +short | awk '$1 == "A" { print $7 }')" = "$1" ]; }
check "the old one signs until then" signed_by "$old"
check "the new one signs when its time has come, without being told" retry 120 signed_by "$new"
cds_names() { [ "$(dns_ask @10.9.0.1 compact.test CDS +short | awk '{ print $1 }')" = "$1" ]; }
check "CDS tells the parent of the new one" retry 30 cds_names "$new"
# The parent follows.
cat "$T"/keys/Kcompact.test.+013+*"$new".key > "$T/anchors.new"
mv "$T/anchors.new" "$T/anchors"
check "the old key is retired" key retire compact.test "$old" --max-ttl 0 --margin 4
check "and leaves" retry 120 published 1
check "the new one can't be retired: no other signs" fails_with "roll it first" key retire compact.test "$new"
# Until the resolver has asked for the last DNSKEY set.
sleep 3
touch "$T/enough"
wait $resolver || true
equal "no answer was bogus" "bogus 0 tags $(printf '%s\n' "$old" "$new" | sort -n | tr '\n' ' ' | sed 's/ $//')" \
	"$(cut -d' ' -f2- "$T/resolved")"
echo "# $(cut -d' ' -f1 "$T/resolved") answers checked"

check "the daemon ends when told" dns_stop
check "nothing was logged as an error" dns_log_is_clean
finish
