#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Floods: random names, malformed messages, 10,000 TCP connections that stall or trickle, queries with a
# forged source.  A client in another network gets at least 95 % of its answers, and what the victim of a
# forged source gets is bounded.
#
#   flood 10.9.0.2, client 10.9.1.2 ---veth--- server 10.9.0.1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig python3

dns_network
ip -n cli addr add 10.9.1.2/24 dev eth0
ip -n srv route add 10.9.1.0/24 dev eth0
# The victim of forged queries does not exist; its neighbour entry does.
ip -n srv neigh add 10.9.0.66 lladdr 02:00:00:00:00:66 dev eth0
for n in srv cli; do ip netns exec $n sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0; done
cat > "$T/dns.json" << EOF
{ "weft-dns:dns": { "listen": ["10.9.0.1"], "workers": 2, "rate-limit": { "responses-per-second": 200 },
    "zone": [ { "name": "flood.test", "file": "zone" } ] } }
EOF
{
	printf '$TTL 300\n@ SOA ns1 admin 7 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\nwww A 192.0.2.80\n'
	for i in 1 2 3 4; do echo "big TXT \"$i $(printf 'x%.0s' {1..240})\""; done
} > "$T/zone"
dns_start

counter() { dns_ctl dns counters | awk -v n="$1" '$1 == n { print $2 }'; }
flood() { ip netns exec cli /usr/bin/python3 "$ROOT/tests/system/dns_flood.py" 10.9.0.1 "$@"; }
# gets_its_answers WHAT KIND SECONDS RATE
gets_its_answers() {
	local asked answered asked_tcp answered_tcp sent what=$1
	shift
	read -r asked answered asked_tcp answered_tcp sent < <(flood "$@")
	echo "# $what: $answered of $asked over UDP, $answered_tcp of $asked_tcp over TCP; the flood sent $sent"
	check "$what: at least 95 % of the answers over UDP" [ "$asked" -gt 0 -a $((answered * 100)) -ge $((asked * 95)) ]
	check "$what: and over TCP" [ $((answered_tcp * 100)) -ge $((asked_tcp * 95)) ]
}
gets_its_answers "no flood" none 1 0
gets_its_answers "random names" random 4 20000
check "they were limited" [ "$(counter limited_dropped)" -gt 0 ]
gets_its_answers "malformed messages" malformed 4 20000
gets_its_answers "10,000 connections" tcp 6 10000
check "connections made room for others" [ "$(counter tcp_evicted)" -gt 0 ]
# Bytes out per byte in, of the forged queries: 39 bytes each, an answer of 1 kB.
in=$(counter bytes_in) out=$(counter bytes_out)
gets_its_answers "forged queries" spoofed 4 10000
in=$(($(counter bytes_in) - in)) out=$(($(counter bytes_out) - out))
echo "# forged queries: $in bytes in, $out bytes out"
# Half of them are answered with TC=1, as long as the query; 200 a second, and twice that at first, with
# all they asked for: 1,100 bytes.  The client's own 77-byte answers are in it too.
check "bytes out are no more than those in, and 200 answers a second" [ "$out" -le $((in + 1100 * 200 * 8)) ]
equal "the server is well" NOERROR "$(dns_rcode @10.9.0.1 www.flood.test A)"
check "the daemon ends when told" dns_stop
check "nothing was logged but limits" dns_log_is_clean
finish
