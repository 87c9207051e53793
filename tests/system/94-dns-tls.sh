#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# DNS over TLS (RFC 7858): answers to kdig, several queries on a connection, resumption, padding, limits
# of size and time, a certificate that is replaced while clients ask.
#
#   client 10.9.0.2, fd09::2 ---veth--- server 10.9.0.1, fd09::1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig kdig openssl /usr/bin/python3

dns_network
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
		-addext "subjectAltName=DNS:$1" -keyout "$T/new.key" -out "$T/new.pem" 2> /dev/null
	mv "$T/new.key" "$T/tls.key"
	mv "$T/new.pem" "$T/tls.pem"
}
certificate ns1.example.com
cat > "$T/dns.json" << 'EOF'
{ "weft-dns:dns": {
    "listen": ["10.9.0.1", "fd09::1"], "workers": 2,
    "tcp": { "max-connections": 100, "idle-timeout": 60, "message-timeout": 20 },
    "tls": { "certificate": "tls.pem", "key": "tls.key" },
    "zone": [ { "name": "example.com", "file": "example.com.zone", "transfer": { "address": ["10.9.0.0/24"] } } ] } }
EOF
cat > "$T/example.com.zone" << 'EOF'
$TTL 300
@ SOA ns1 admin 1 3600 900 604800 60
@ NS ns1
ns1 A 10.9.0.1
www A 192.0.2.80
$GENERATE 0-1499 many AAAA 2001:db8::$
$GENERATE 1-4000 n$ TXT "a text that makes this zone larger than what a socket takes at once"
EOF
check "the configuration is good" dns_ctl dns check "$T/dns.json"
mv "$T/tls.key" "$T/tls.away"
check "a key that is not there is named" fails_with "tls.key" dns_ctl dns check "$T/dns.json"
openssl genpkey -algorithm ed25519 -out "$T/tls.key" 2> /dev/null
check "and one that is another certificate's" fails_with "tls.key" dns_ctl dns check "$T/dns.json"
mv "$T/tls.away" "$T/tls.key"
dns_start

tls() { ip netns exec cli timeout 120 kdig +tls +time=30 "$@"; }
for at in 10.9.0.1 fd09::1; do
	equal "an address over TLS, $at" "192.0.2.80" "$(tls @$at www.example.com A +short)"
done
equal "several queries on one connection" "192.0.2.80 10.9.0.1" \
	"$(tls +short @10.9.0.1 +keepopen www.example.com A ns1.example.com A | tr '\n' ' ' | sed 's/ $//')"
equal "an answer of 42 kB" "1500" "$(tls @10.9.0.1 many.example.com AAAA +short | wc -l)"
equal "a zone transfer" "4000" "$(tls @10.9.0.1 example.com AXFR | grep -c 'TXT')"
verified() { tls @10.9.0.1 +tls-ca="$T/tls.pem" +tls-hostname="$1" www.example.com A +short; }
check "the certificate is the one of the file" equal_out 192.0.2.80 verified ns1.example.com
check "and not of another name" contains "certificate" verified other.example.com
padded() { tls @10.9.0.1 +padding=128 www.example.com A | sed -n 's/.*Received \([0-9]*\) B.*/\1/p'; }
equal "an answer is padded if the query is (RFC 8467)" "468" "$(padded)"
not_padded() { tls @10.9.0.1 +nopadding www.example.com A | sed -n 's/.*Received \([0-9]*\) B.*/\1/p'; }
check "and not if it is not" [ "$(not_padded)" -lt 100 ]
check "plain TCP at the other port as before" equal_out 192.0.2.80 dns_ask @10.9.0.1 +tcp www.example.com A +short

cat > "$T/tls.py" << 'EOF'
import os, socket, ssl, struct, sys, time
what, T = sys.argv[1], sys.argv[2]
QUERY = bytes.fromhex("000100000001000000000000") + b"\3www\7example\3com\0\0\1\0\1"
LARGE = bytes.fromhex("000200000001000000000000") + b"\4many\7example\3com\0\0\x1c\0\1"

def context(version=None, alpn=None):
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if version:
        c.maximum_version = version
    if alpn:
        c.set_alpn_protocols(alpn)
    return c

def connect(c, session=None):
    return c.wrap_socket(socket.create_connection(("10.9.0.1", 853), timeout=60), session=session)

def exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got

def ask(s, q=QUERY):
    s.sendall(struct.pack("!H", len(q)) + q)
    return exactly(s, struct.unpack("!H", exactly(s, 2))[0])

def resume():
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        c = context(version)
        s = connect(c)
        ask(s)
        session = s.session
        first = s.session_reused
        s.close()
        s = connect(c, session)
        ask(s)
        print(version.name, first, s.session_reused)

def alpn():
    for offer in ["dot"], ["h2", "dot"], ["h2"]:
        s = connect(context(alpn=offer))
        ask(s)
        print(s.selected_alpn_protocol())

def pipeline():
    # 300 queries in one write: several records, more than the server's buffer, all answered in order.
    s = connect(context())
    s.sendall(b"".join(struct.pack("!HH", len(QUERY), i) + QUERY[2:] for i in range(300)))
    print(all(struct.unpack("!H", exactly(s, struct.unpack("!H", exactly(s, 2))[0])[:2])[0] == i for i in range(300)))

def slow_reader():
    # Answers of 8 MB that nobody reads at first: they come whole and in order later.
    s = connect(context())
    s.setblocking(True)
    n = 200
    import threading
    t = threading.Thread(target=lambda: s.sendall(b"".join(struct.pack("!HH", len(LARGE), i) + LARGE[2:] for i in range(n))))
    t.start()
    time.sleep(1)
    good = True
    for i in range(n):
        a = exactly(s, struct.unpack("!H", exactly(s, 2))[0])
        good &= struct.unpack("!H", a[:2])[0] == i and len(a) > 40000
    t.join()
    print(good)

def pieces():
    # TLS records of one byte each.
    s = connect(context())
    for b in struct.pack("!H", len(QUERY)) + QUERY:
        s.sendall(bytes([b]))
    print(exactly(s, struct.unpack("!H", exactly(s, 2))[0])[-4:].hex())

def stall():
    # No handshake, half of one, what is no TLS, and a handshake without a query.
    held = []
    hello = bytes.fromhex("1603010200010001fc0303")
    for i in range(80):
        try:
            if i % 4 == 3:
                held.append(connect(context()))
                continue
            s = socket.create_connection(("10.9.0.1", 853), timeout=60)
            held.append(s)
            if i % 4 == 1:
                s.sendall(hello)
            if i % 4 == 2:
                s.sendall(struct.pack("!H", len(QUERY)) + QUERY)
        except OSError:
            pass
    open(os.path.join(T, "stalling"), "w").close()
    time.sleep(600)

def asker():
    # Asks on one connection that stays and on new ones while the certificate is replaced.
    c = context()
    stays = connect(c)
    n = failed = 0
    seen = set()
    while not os.path.exists(os.path.join(T, "enough")):
        try:
            ask(stays)
            s = connect(c)
            seen.add(s.getpeercert(True))
            ask(s)
            s.close()
        except (OSError, EOFError) as e:
            failed += 1
            print(e, file=sys.stderr)
        n += 1
        open(os.path.join(T, "seen%d" % len(seen)), "w").close()
        time.sleep(0.02)
    print(n > 0, failed, len(seen))

globals()[what]()
EOF
client() { ip netns exec cli timeout 300 /usr/bin/python3 "$T/tls.py" "$1" "$T"; }
equal "sessions are resumed by tickets" "TLSv1_2 False True TLSv1_3 False True" "$(client resume | tr '\n' ' ' | sed 's/ $//')"
equal "ALPN: dot if it is offered" "dot dot None" "$(client alpn | tr '\n' ' ' | sed 's/ $//')"
equal "300 queries at once" "True" "$(client pipeline)"
equal "a client that reads late gets all" "True" "$(client slow_reader)"
equal "a query in records of one byte" "c0000250" "$(client pieces)"

client stall &
check "80 connections that stall are open" retry 120 test -e "$T/stalling"
check "TLS is answered beside them" equal_out "192.0.2.80" tls @10.9.0.1 www.example.com A +short
check "UDP too" equal_out "192.0.2.80" dns_ask @10.9.0.1 www.example.com A +short
counter() { dns_ctl dns counters | awk -v n="$1" '$1 == n { print $2 }'; }
no_tls_counted() { [ "$(counter tls_failed)" -ge 20 ]; }
check "what is no TLS is counted" retry 30 no_tls_counted
slow_gone() { [ "$(counter tcp_slow)" -ge 40 ]; }
check "who does not end the handshake in time is gone" retry 120 slow_gone

client asker > "$T/asked" 2> "$T/asked.err" &
asker=$!
check "a client asks on and on" retry 120 test -e "$T/seen1"
certificate ns2.example.com
check "a new certificate is taken without a command" retry 60 equal_out 192.0.2.80 verified ns2.example.com
check "it is shown to that client" retry 60 test -e "$T/seen2"
touch "$T/enough"
wait $asker || true
equal "no query was lost meanwhile" "True 0 2" "$(cat "$T/asked")"
kill %1 2> /dev/null || true
check "the daemon ends when told" dns_stop
check "nothing was logged as an error" dns_log_is_clean
finish
