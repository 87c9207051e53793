#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# "why" over a query: operators get what weftctl prints, others REFUSED; by address and by key, over TCP and TLS.
#
#   client 10.9.0.2 (operator), 10.1.0.2 (not) ---veth--- server 10.9.0.1, fd09::1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig kdig openssl /usr/bin/python3

dns_network
ip -n cli addr add 10.1.0.2/16 dev eth0
ip -n srv route add 10.1.0.0/16 dev eth0
SECRET=$(head -c 32 /dev/urandom | base64 -w 0)
KEY=hmac-sha256:op:$SECRET
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ns1 -keyout "$T/key.pem" \
	-out "$T/cert.pem" 2> /dev/null
printf '10.1.0.0/16 us\n10.1.32.0/20 eu\n' > "$T/map"
conf() { # WHY
	cat > "$T/dns.json" << END
{ "weft-dns:dns": {
    "listen": ["10.9.0.1", "fd09::1"], "workers": 2, "tls": { "certificate": "cert.pem", "key": "key.pem" },
    "location": { "map-file": ["map"], "default-region": "eu" },
    "key": [ { "name": "op", "secret": "$SECRET" } ], $1
    "pool": [ { "name": "frankfurt", "member": [ { "name": "vip", "address": ["203.0.113.1"] } ] },
              { "name": "virginia", "member": [ { "name": "vip", "address": ["203.0.113.2"] } ] } ],
    "policy": [ { "name": "near", "order": ["region-map", "failover"],
        "match": [ { "what": "region=us", "pool": ["virginia"] }, { "what": "default", "pool": ["frankfurt"] } ] } ],
    "zone": [ { "name": "example.com", "file": "example.com.zone", "chosen": [ { "name": "www", "policy": "near" } ] } ] } }
END
}
printf '$TTL 300\n@ SOA ns1 admin 1 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\n' > "$T/example.com.zone"
conf '"why": { "address": ["10.9.0.0/24", "fd09::2"] },'
dns_start

# The text of the records, a line each.
why() { dns_ask +tcp +short +nosplit CH TXT "$@" | sed 's/^"//; s/"$//; s/\\"/"/g; s/\\\\/\\/g' | tr -s '\t ' ' '; }
told() { dns_ctl dns why "$@" | sed '/^$/d' | tr -s '\t ' ' '; }
same() { # CLIENT: both say the same of it
	local a b
	a=$(why @10.9.0.1 www.example.com.A.why.weft +subnet="$1" | sed '/^$/d')
	b=$(told www.example.com A --client "$1")
	[ -n "$a" ] && [ "$a" = "$b" ] || { printf 'asked: %s\ntold: %s\n' "$a" "$b"; return 1; }
}
check "the text of weftctl" same 10.1.2.0/24
check "for another network" same 10.1.33.0/24
check "and one of IPv6" same 2001:db8::/56
check "without a client subnet it is who asks" contains "client 10.9.0.2" why @10.9.0.1 www.example.com.A.why.weft
check "over IPv6" contains "client fd09::2" why @fd09::1 www.example.com.A.why.weft
check "a name that is not there" contains "does not exist" why @10.9.0.1 nothing.example.com.MX.why.weft
check "over TLS" contains "203.0.113.2" ip netns exec cli kdig +tls +short +subnet=10.1.2.0/24 +time=30 @10.9.0.1 CH TXT www.example.com.A.why.weft
check "letters do not matter" contains "203.0.113.1" why @10.9.0.1 WWW.Example.Com.a.WHY.Weft
equal "UDP is sent to TCP" NOERROR "$(dns_rcode @10.9.0.1 +notcp +ignore CH TXT www.example.com.A.why.weft)"
check "by TC=1" contains "flags: qr tc" dns_ask @10.9.0.1 +notcp +ignore CH TXT www.example.com.A.why.weft
for via in +tcp +notcp; do
	equal "who is no operator is refused, $via" REFUSED "$(dns_rcode @10.9.0.1 $via -b 10.1.0.2 CH TXT www.example.com.A.why.weft)"
done
equal "no type" NXDOMAIN "$(dns_rcode @10.9.0.1 +tcp CH TXT www.example.com.NOTYPE.why.weft)"
equal "other names of the class as before" REFUSED "$(dns_rcode @10.9.0.1 +tcp CH TXT version.bind)"
equal "not in class IN" REFUSED "$(dns_rcode @10.9.0.1 +tcp IN TXT www.example.com.A.why.weft)"

# Many at once, pipelined with ordinary questions, in their order; others go away without their answer.
cat > "$T/many.py" << 'END'
import socket, struct, dns.message
why = dns.message.make_query("www.example.com.A.why.weft", "TXT", rdclass="CH")
plain = dns.message.make_query("www.example.com", "A")
def send(s, m):
    w = m.to_wire()
    s.sendall(struct.pack("!H", len(w)) + w)
for i in range(100):
    s = socket.create_connection(("10.9.0.1", 53), timeout=60)
    send(s, why)
    s.close()
s = socket.create_connection(("10.9.0.1", 53), timeout=60)
f = s.makefile("rb")
order = [plain, why, why, plain] * 20
for m in order:
    send(s, m)
good = 0
for m in order:
    r = dns.message.from_wire(f.read(struct.unpack("!H", f.read(2))[0]))
    good += r.question == m.question and len(r.answer) == 1
print(good)
END
equal "many on one connection, in order" 80 "$(ip netns exec cli /usr/bin/python3 "$T/many.py")"

conf '"why": { "address": ["10.9.0.0/24"], "key": ["op"] },'
check "a reload asks for a key" dns_ctl dns reload
equal "without it: refused" REFUSED "$(dns_rcode @10.9.0.1 +tcp CH TXT www.example.com.A.why.weft)"
check "with it" contains "203.0.113.1" why @10.9.0.1 -y "$KEY" www.example.com.A.why.weft
check "the answer is signed" contains "hmac-sha256" dns_ask +tcp -y "$KEY" @10.9.0.1 CH TXT www.example.com.A.why.weft
equal "the key is not enough" REFUSED "$(dns_rcode @10.9.0.1 +tcp -b 10.1.0.2 -y "$KEY" CH TXT www.example.com.A.why.weft)"
conf ''
check "a reload ends it" dns_ctl dns reload
equal "then it is refused" REFUSED "$(dns_rcode @10.9.0.1 +tcp -y "$KEY" CH TXT www.example.com.A.why.weft)"
check "refusals are counted" eval 'dns_ctl dns counters | tr -s " " | grep -F "why_refused 5 " > /dev/null'
check "the daemon ends when told" dns_stop
finish
