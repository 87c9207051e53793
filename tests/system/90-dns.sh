#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The name server in a namespace, asked by dig and kdig: UDP and TCP, IPv4 and IPv6, reload, broken files,
# limits, clients that stall.
#
#   client 10.9.0.2, fd09::2 ---veth--- server 10.9.0.1, fd09::1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig kdig python3

dns_network
cat > "$T/dns.json" << 'EOF'
{ "weft-dns:dns": {
    "listen": ["0.0.0.0", "::"], "workers": 2, "nsid": "node-1",
    "tcp": { "max-connections": 40, "idle-timeout": 20, "message-timeout": 20 },
    "metrics": {},
    "zone": [
      { "name": "example.com", "file": "example.com.zone" },
      { "name": "example.net.", "file": "example.net.zone" } ] } }
EOF
cat > "$T/example.com.zone" << 'EOF'
$TTL 300
@ SOA ns1 admin 1 3600 900 604800 60
@ NS ns1
ns1 A 10.9.0.1
www A 192.0.2.80
www AAAA 2001:db8::80
alias CNAME www.example.net.
*.wild TXT "found"
sub NS ns.sub
ns.sub A 192.0.2.53
$GENERATE 1-100 many A 10.0.0.$
EOF
cat > "$T/example.net.zone" << 'EOF'
$TTL 300
@ SOA ns1.example.com. admin 7 3600 900 604800 60
@ NS ns1.example.com.
www A 198.51.100.80
EOF
check "a configuration that is good" dns_ctl dns check "$T/dns.json"
dns_start

for at in 10.9.0.1 fd09::1; do
	for how in "" +tcp; do
		equal "an address, $at $how" "192.0.2.80" "$(dns_ask @$at $how www.example.com A +short)"
		equal "through a CNAME into another zone, $at $how" "www.example.net. 198.51.100.80" \
			"$(dns_ask @$at $how alias.example.com A +short | tr '\n' ' ' | sed 's/ $//')"
	done
done
# A host with several addresses answers from the one that was asked.
ip -n srv addr add 10.9.0.77/24 dev eth0
ip -n srv addr add fd09::77/64 dev eth0 nodad
equal "the answer leaves from the address asked, IPv4" "192.0.2.80" "$(dns_ask @10.9.0.77 www.example.com A +short)"
equal "the answer leaves from the address asked, IPv6" "192.0.2.80" "$(dns_ask @fd09::77 www.example.com A +short)"

equal "no such name" "NXDOMAIN" "$(dns_rcode @10.9.0.1 nothing.example.com)"
equal "not ours" "REFUSED" "$(dns_rcode @10.9.0.1 example.org)"
equal "a wildcard" '"found"' "$(dns_ask @10.9.0.1 a.b.wild.example.com TXT +short)"
equal "an answer that is too long comes over TCP" "100" \
	"$(dns_ask @10.9.0.1 many.example.com A +short | wc -l)"
equal "and has TC over UDP" "1" "$(dns_ask @10.9.0.1 many.example.com A +ignore | grep -c 'flags:.* tc')"
check "NSID" contains "node-1" dns_ask @10.9.0.1 www.example.com +nsid
check "a cookie is taken when it comes back" contains "(good)" dns_ask @10.9.0.1 www.example.com +cookie
check "client subnet: scope 0 where all get the same" contains "CLIENT-SUBNET: 192.0.2.0/24/0" \
	dns_ask @10.9.0.1 www.example.com +subnet=192.0.2.0/24
check "several queries on one connection" contains "198.51.100.80" ip netns exec cli kdig @10.9.0.1 \
	+tcp +keepopen www.example.com A www.example.net A +short
equal "EDNS version 1" "BADVERS" "$(dns_rcode @10.9.0.1 www.example.com +edns=1 +noednsneg)"
equal "an opcode that is not built" "NOTIMP" "$(dns_rcode @10.9.0.1 www.example.com +opcode=UPDATE)"
check "why" contains "zone: example.com. serial 1" dns_ctl dns why www.example.com A --client 192.0.2.0/24
check "show" contains "zone example.net. serial 7, 3 records" dns_ctl dns show zones
check "Prometheus' metrics" contains "weft_dns_answers_nxdomain_total " \
	ip netns exec srv python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9153/metrics").read().decode())'

# --- reload --------------------------------------------------------------------------------------

# A client asks on and on while zones are read again; each query must be answered, by old or new data.
cat > "$T/asker.py" << 'EOF'
import socket, struct, sys, time, os
q = bytes.fromhex("000100000001000000000000") + b"\3www\7example\3net\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect(("10.9.0.1", 53))
n = lost = 0
seen = set()
while not os.path.exists(sys.argv[1]):
    s.send(struct.pack("!H", n & 0xffff) + q[2:])
    try:
        while True:
            a = s.recv(4096)
            if a[:2] == struct.pack("!H", n & 0xffff):
                break
        seen.add(a[-4:])
    except TimeoutError:
        lost += 1
    n += 1
print(n > 0, lost, sorted(".".join(map(str, x)) for x in seen))
EOF
ip netns exec cli python3 "$T/asker.py" "$T/enough" > "$T/asked" &
asker=$!
reload_all() {
	local i
	for i in $(seq 1 25); do
		sed -i "s/admin [0-9]* /admin $((10 + i)) /; s/^www A .*/www A 198.51.100.$((80 + i % 2))/" "$T/example.net.zone"
		dns_ctl dns reload > /dev/null || return 1
	done
}
check "25 reloads" reload_all
check "top shows what moves" contains "  queries_udp4 " dns_ctl dns top --interval 0.5 --count 1
check "and says what its words are" fails_with "usage: weftctl dns top" dns_ctl dns top --count none
touch "$T/enough"
wait $asker
equal "no query is lost while zones change" "True 0 ['198.51.100.80', '198.51.100.81']" "$(cat "$T/asked")"

echo "bad A 1.2.3.400" >> "$T/example.net.zone"
check "a broken zone is refused with file, line and reason" \
	fails_with "example.net.zone:5: A record: Syntax error, could not parse the RR's rdata: \"1.2.3.400\"" dns_ctl dns reload
equal "and the old data stays in force" "198.51.100.81" "$(dns_ask @10.9.0.1 www.example.net A +short)"
check "which show says" contains "last reload failed" dns_ctl dns show
sed -i '$d' "$T/example.net.zone"
cp "$T/dns.json" "$T/good.json"
sed -i 's/"idle-timeout": 20/"idle-timeout": 0/' "$T/dns.json"
check "a wrong value is refused with path and rule" fails_with "/weft-dns:dns/tcp/idle-timeout" dns_ctl dns reload
equal "and the server goes on" "198.51.100.81" "$(dns_ask @10.9.0.1 www.example.net A +short)"
cp "$T/good.json" "$T/dns.json"
check "and recovers" dns_ctl dns reload

# --- clients that stall --------------------------------------------------------------------------

cat > "$T/stall.py" << 'EOF'
# 200 connections: silent, half a length, half a query, many queries and no reading of answers.
import socket, sys, time
held = []
q = bytes.fromhex("000100000001000000000000") + b"\4many\7example\3com\0\0\1\0\1"
for i in range(200):
    s = socket.create_connection(("10.9.0.1", 53), timeout=20)
    try:
        if i % 4 == 1: s.send(b"\0")
        if i % 4 == 2: s.send(b"\0\x40abc")
        if i % 4 == 3:
            s.setblocking(False)
            for k in range(2000):
                s.send(len(q).to_bytes(2, "big") + q)
    except (BlockingIOError, ConnectionError):
        pass
    held.append(s)
open(sys.argv[1], "w").close()
time.sleep(600)
EOF
ip netns exec cli python3 "$T/stall.py" "$T/stalling" &
check "200 connections that stall are open" retry 60 test -e "$T/stalling"
check "UDP is answered beside them" equal_out "192.0.2.80" dns_ask @10.9.0.1 www.example.com A +short
check "TCP is answered beside them" equal_out "192.0.2.80" dns_ask @10.9.0.1 +tcp www.example.com A +short
connections_bounded() { [ "$(dns_ctl dns show | sed -n 's/^tcp connections: //p')" -le 41 ]; }
check "no more connections are kept than allowed" connections_bounded
kill %2 2> /dev/null || true

check "the daemon ends when told" dns_stop
check "nothing was logged as an error but the reloads" dns_log_is_clean
finish
