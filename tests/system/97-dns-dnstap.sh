#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# dnstap: what fstrm_capture takes and dnstap-read reads; samples; a reader that is not there, goes or stalls costs
# samples, which are counted, and no answer.
#
#   client 10.9.0.2, fd09::2 ---veth--- server 10.9.0.1, fd09::1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig kdig openssl fstrm_capture dnstap-read /usr/bin/python3

dns_network
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ns1 -keyout "$T/key.pem" \
	-out "$T/cert.pem" 2> /dev/null
conf() { # DNSTAP
	cat > "$T/dns.json" << END
{ "weft-dns:dns": {
    "listen": ["10.9.0.1", "fd09::1"], "workers": 1, "nsid": "one", $1
    "tls": { "certificate": "cert.pem", "key": "key.pem" },
    "zone": [ { "name": "example.com", "file": "example.com.zone" } ] } }
END
}
printf '$TTL 300\n@ SOA ns1 admin 1 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\nwww A 192.0.2.80\n' > "$T/example.com.zone"
counter() { dns_ctl dns counters | sed -n "s/^$1 *\([0-9]*\) .*/\1/p"; }
counts() { [ "$(counter "$1")" -eq "$2" ]; }
counts_more() { [ "$(counter "$1")" -gt "$2" ]; }
capture() { fstrm_capture -t protobuf:dnstap.Dnstap -u "$T/tap.sock" -w "$1" > "$T/capture.out" 2>&1 & reader=$!; }

conf "\"dnstap\": { \"socket\": \"$T/tap.sock\" },"
dns_start
dns_ask @10.9.0.1 www.example.com A > /dev/null
check "without a reader samples are lost and counted" retry 40 counts dnstap_lost 2
capture "$T/one"
check "a reader that comes is found" retry 60 grep -q "dnstap goes to" "$T/weft-dnsd.log"
dns_ask @10.9.0.1 www.example.com A +subnet=192.0.2.0/24 > /dev/null
dns_ask @fd09::1 nothing.example.com AAAA > /dev/null
dns_ask @10.9.0.1 +tcp www.example.com A > /dev/null
ip netns exec cli kdig +tls +time=30 @10.9.0.1 www.example.com A > /dev/null
check "queries and answers" retry 40 counts dnstap_sent 8
dns_stop
check "the reader knows that it was all" retry 40 grep -q . "$T/one"
kill "$reader"
wait "$reader" 2> /dev/null || true
dnstap-read "$T/one" > "$T/lines"
dnstap-read -y "$T/one" > "$T/yaml"
sed 's/^/# /' "$T/lines"
lines() { [ "$(grep -c "$1" "$T/${2:-lines}")" -eq "$3" ]; }
check "queries" lines ' AQ ' lines 4
check "answers" lines ' AR ' lines 4
check "over UDP, IPv4" grep -E ' AQ 10\.9\.0\.2:[0-9]+ -> .* UDP [0-9]+b www.example.com/IN/A' "$T/lines"
check "over UDP, IPv6" grep -E ' AR fd09::2:[0-9]+ <- .* UDP [0-9]+b nothing.example.com/IN/AAAA' "$T/lines"
check "over TCP" grep -E ' AR 10\.9\.0\.2:[0-9]+ <- .* TCP [0-9]+b www.example.com/IN/A' "$T/lines"
# dnstap-read knows UDP and TCP only: fields 2 and 3, IPv4 and DNS over TLS.
over_tls() { /usr/bin/python3 -c 'import sys; sys.exit(open(sys.argv[1], "rb").read().count(b"\x10\x01\x18\x03") != 2)' "$T/one"; }
check "over TLS" over_tls
check "who says it" lines 'identity: one' yaml 8
check "the answer is in it" grep -E 'www.example.com. 300 IN A 192.0.2.80' "$T/yaml"
check "and the rcode" grep 'status: NXDOMAIN' "$T/yaml"

# One of ten, into a file; it is begun anew when it is large.
conf "\"dnstap\": { \"file\": \"$T/two\", \"sample\": 10, \"file-size-limit\": 4000 },"
dns_start
cat > "$T/ask.py" << 'END'
import socket, sys, dns.message, dns.query
s = socket.create_connection(("10.9.0.1", 53), timeout=60)
for _ in range(int(sys.argv[1])):
    q = dns.message.make_query("www.example.com", "A")
    dns.query.send_tcp(s, q)
    dns.query.receive_tcp(s)
END
ask() { ip netns exec cli /usr/bin/python3 "$T/ask.py" "$1"; }
check "a hundred queries" ask 100
check "ten samples" retry 40 counts dnstap_sent 20
check "enough for a second file" ask 400
check "all of them" retry 40 counts dnstap_sent 100
check "the file before" retry 40 [ -s "$T/two.1" ]
conf ''
check "a reload ends it" dns_ctl dns reload
check "more queries" ask 20
check "nobody samples" counts dnstap_sent 100
ended() { dnstap-read "$T/two" > "$T/lines2" 2>&1; }
check "the file is a whole stream" retry 40 ended

# A reader that stalls.
rm -f "$T/tap.sock"
capture "$T/three"
conf "\"dnstap\": { \"socket\": \"$T/tap.sock\" },"
check "a reload begins again" dns_ctl dns reload
check "the reader is reached" retry 60 eval '[ "$(grep -c "dnstap goes to $T/tap.sock" "$T/weft-dnsd.log")" -eq 2 ]'
kill -STOP "$reader"
check "queries beyond what queues take are answered" ask 12000
check "samples are lost and counted" retry 60 counts_more dnstap_lost 0
equal "queries are answered" 192.0.2.80 "$(dns_ask @10.9.0.1 www.example.com A +short)"
kill -CONT "$reader"
kill "$reader"
check "the daemon ends when told" dns_stop
finish
