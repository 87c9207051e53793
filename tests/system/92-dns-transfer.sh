#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Zone transfers: dig, and Knot and NSD as secondaries, with and without signatures.
#
#   client 10.9.0.2, fd09::2 (and the secondaries) ---veth--- server 10.9.0.1, fd09::1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
PATH=$PATH:/usr/sbin
need dig knotd nsd

dns_network
mkdir -p "$T/knot" "$T/nsd"
SECRET=$(head -c 32 /dev/urandom | base64 -w 0)
WRONG=$(head -c 32 /dev/urandom | base64 -w 0)
KEY=hmac-sha256:xfr:$SECRET
cat > "$T/dns.json" << EOF
{ "weft-dns:dns": {
    "listen": ["10.9.0.1", "fd09::1"], "workers": 2,
    "key": [ { "name": "xfr", "secret": "$SECRET" }, { "name": "long", "algorithm": "hmac-sha512", "secret": "$SECRET" } ],
    "pool": [ { "name": "p", "member": [ { "name": "a", "address": ["192.0.2.1"] }, { "name": "b", "address": ["2001:db8::1", "192.0.2.2"] } ] },
              { "name": "q", "member": [ { "name": "a", "address": ["192.0.2.3"] } ] } ],
    "policy": [ { "name": "any", "candidate": [ { "pool": "p" }, { "pool": "q" } ] },
                { "name": "safe", "candidate": [ { "pool": "p" } ], "all-down": "fallback", "fallback-pool": "q" } ],
    "zone": [
      { "name": "open.test", "file": "open.zone", "transfer": { "address": ["10.9.0.0/24"] },
        "notify": [ { "address": "10.9.0.2", "port": 5302 } ] },
      { "name": "keyed.test", "file": "keyed.zone", "transfer": { "key": ["xfr", "long"] },
        "notify": [ { "address": "10.9.0.2", "port": 5302, "key": "xfr" } ] },
      { "name": "large.test", "file": "large.zone", "transfer": { "key": ["xfr"] } },
      { "name": "closed.test", "file": "keyed.zone" },
      { "name": "geo.test", "file": "keyed.zone", "transfer": { "address": ["0.0.0.0/0"], "chosen": "refuse" },
        "chosen": [ { "name": "c", "policy": "any" } ] },
      { "name": "given.test", "file": "keyed.zone", "transfer": { "address": ["0.0.0.0/0"] },
        "chosen": [ { "name": "c", "policy": "any", "ttl": 17 }, { "name": "*.e", "policy": "safe", "ttl": 17 } ] } ] } }
EOF
zone() {
	printf '$TTL 300\n@ SOA ns1 admin %s 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\n' "$1"
	printf '*.w TXT "wild"\nsub NS ns.sub\nns.sub A 192.0.2.53\nd DNAME w\na MX 10 ns1\ns SRV 1 2 3 ns1\nh HTTPS 1 . alpn=h2\n'
	printf '$GENERATE 1-%s host-$ A 10.0.${0,1,d}.1\n' "$2" | sed 's/\.\${0,1,d}\./.1./'
}
zone 7 250 > "$T/keyed.zone"
{ zone 7 5000; for i in $(seq 60); do echo "big TXT \"$i $(printf 'x%.0s' {1..240})\""; done; } > "$T/open.zone"
# More than the sockets' buffers take.
{ zone 7 1; printf '$GENERATE 1-24000 t-$ TXT "%s"\n' "$(printf 'x%.0s' {1..240})"; } > "$T/large.zone"
dns_start

xfr() { dns_ask +nocookie +onesoa +noall +answer "$@" | sort; }
count() { dns_ask +nocookie "$@" axfr | sed -n 's/^;; XFR size: \([0-9]*\) records.*/\1/p'; }
equal "a zone of several messages arrives whole" $((3 + 7 + 5000 + 60 + 1)) "$(count @10.9.0.1 open.test)"
equal "over IPv6 it is not allowed" "" "$(count @fd09::1 open.test)"
equal "not without a key" "" "$(count @10.9.0.1 keyed.test)"
equal "with the key" 261 "$(count @10.9.0.1 -y "$KEY" keyed.test)"
equal "over IPv6 with another algorithm" 261 "$(count @fd09::1 -y "hmac-sha512:long:$SECRET" keyed.test)"
equal "not with another secret" "" "$(count @10.9.0.1 -y "hmac-sha256:xfr:$WRONG" keyed.test)"
check "which is BADSIG" contains "BADSIG" dns_ask @10.9.0.1 -y "hmac-sha256:xfr:$WRONG" keyed.test SOA
check "a key that nobody knows is BADKEY" contains "BADKEY" dns_ask @10.9.0.1 -y "hmac-sha256:nobody:$SECRET" keyed.test SOA
equal "zones without a rule are given to nobody" "" "$(count @10.9.0.1 closed.test)"
equal "nor are those with chosen names, if they are to be refused" "" "$(count @10.9.0.1 geo.test)"
equal "else there is a set for those who can't choose" "*.e.given.test. 17 A 192.0.2.3
c.given.test. 17 A 192.0.2.1
c.given.test. 17 A 192.0.2.2
c.given.test. 17 AAAA 2001:db8::1" "$(xfr @10.9.0.1 given.test axfr | awk '$2 == 17 { print $1, $2, $4, $5 }')"
equal "a signed query gets a signed answer" "10.9.0.1" "$(dns_ask @10.9.0.1 -y "$KEY" ns1.keyed.test A +short)"
equal "also one that is cut" 60 "$(dns_ask @10.9.0.1 -y "$KEY" big.open.test TXT +short | wc -l)"
check "IXFR of who is up to date is the SOA alone" contains "XFR size: 1 records" \
	dns_ask @10.9.0.1 +nocookie open.test ixfr=7
check "IXFR of who is not is all" contains "XFR size: 5071 records" dns_ask @10.9.0.1 +nocookie open.test ixfr=3

# A client that has the first message and takes the rest after reloads, which free the view it began with.
cat > "$T/slow_axfr.py" << 'EOF'
import socket, struct, subprocess, sys
import dns.message, dns.rdatatype, dns.tsigkeyring

query = dns.message.make_query("large.test", "AXFR")
query.use_tsig(dns.tsigkeyring.from_text({"xfr": sys.argv[1]}), "xfr", algorithm="hmac-sha256")
wire = query.to_wire()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
s.settimeout(60)
s.connect(("10.9.0.1", 53))
s.sendall(struct.pack("!H", len(wire)) + wire)
stream = s.makefile("rb")
n_soa = n_messages = 0
context = None
while n_soa < 2:
    size = struct.unpack("!H", stream.read(2))[0]
    m = dns.message.from_wire(stream.read(size), keyring=query.keyring, request_mac=query.mac,
                              xfr=True, tsig_ctx=context, multi=True, one_rr_per_rrset=True)
    context = m.tsig_ctx
    if not m.had_tsig:
        sys.exit("message %d is not signed" % n_messages)
    n_soa += sum(rr.rdtype == dns.rdatatype.SOA for rr in m.answer)
    n_messages += 1
    if n_messages == 1:
        for _ in range(3):
            subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
print(n_messages > 100)
EOF
equal "a signed transfer goes on through reloads" True "$(OVS_RUNDIR=$T ip netns exec cli /usr/bin/python3 "$T/slow_axfr.py" \
	"$SECRET" "$(dirname "$(dirname "$(dnsd_of)")")/weftctl/weftctl" dns reload)"

# --- secondaries -----------------------------------------------------------------------------------
knot_head > "$T/knot.conf"
cat >> "$T/knot.conf" << EOF
remote:
  - id: signed
    address: 10.9.0.1
    key: xfr
  - id: plain
    address: 10.9.0.1
acl:
  - id: all
    address: 10.9.0.0/24
    action: transfer
  - id: told
    address: 10.9.0.1
    action: notify
  - id: told-signed
    address: 10.9.0.1
    key: xfr
    action: notify
template:
  - id: default
    storage: $T/knot
zone:
  - domain: open.test
    master: plain
    acl: [all, told]
  - domain: keyed.test
    master: signed
    acl: [all, told-signed]
EOF
cat > "$T/nsd.conf" << EOF
server:
  ip-address: 10.9.0.2@5303
  zonesdir: "$T/nsd"
  username: ""
  chroot: ""
  pidfile: ""
  database: ""
  zonelistfile: "$T/nsd/zone.list"
  xfrdfile: "$T/nsd/xfrd.state"
  xfrdir: "$T/nsd"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
key:
  name: "xfr"
  algorithm: hmac-sha256
  secret: "$SECRET"
zone:
  name: "open.test"
  zonefile: "open.test"
  request-xfr: AXFR 10.9.0.1 NOKEY
  provide-xfr: 10.9.0.0/24 NOKEY
zone:
  name: "keyed.test"
  zonefile: "keyed.test"
  request-xfr: AXFR 10.9.0.1 xfr
  provide-xfr: 10.9.0.0/24 NOKEY
EOF
ip netns exec cli knotd -c "$T/knot.conf" > "$T/knot.out" 2>&1 &
ip netns exec cli nsd -d -c "$T/nsd.conf" > "$T/nsd.out" 2>&1 &
has_serial() { [ "$(dns_ask @10.9.0.2 -p "$1" "$2" SOA +short +time=2 +tries=1 | cut -d' ' -f3)" = "$3" ]; }
same() { # PORT ZONE [dig's words for ours]: a secondary's copy is our zone
	local port=$1 zone=$2
	shift 2
	[ "$(xfr @10.9.0.1 "$@" "$zone" axfr)" = "$(xfr @10.9.0.2 -p "$port" "$zone" axfr)" ]
}
for peer in 5302:Knot 5303:NSD; do
	check "${peer#*:} transfers the open zone" retry 40 has_serial "${peer%:*}" open.test 7
	check "${peer#*:} transfers the keyed zone" retry 40 has_serial "${peer%:*}" keyed.test 7
	check "${peer#*:} has what we have, open" same "${peer%:*}" open.test
	check "${peer#*:} has what we have, keyed" same "${peer%:*}" keyed.test -y "$KEY"
done
sed -i 's/admin 7 /admin 8 /; s/ns1 A .*/ns1 A 10.9.0.77/' "$T/open.zone" "$T/keyed.zone"
check "a reload with new serials" dns_ctl dns reload
# The zones' refresh is an hour: only NOTIFY brings the change in time.
check "Knot is told of the open zone" retry 60 has_serial 5302 open.test 8
check "Knot is told of the keyed zone, signed" retry 60 has_serial 5302 keyed.test 8
check "and has it" same 5302 keyed.test -y "$KEY"
check "the daemon ends when told" dns_stop
check "it knows that Knot took it" grep 'NOTIFY of zone keyed.test. serial 8 to 10.9.0.2: taken' "$T/weft-dnsd.log"
finish
