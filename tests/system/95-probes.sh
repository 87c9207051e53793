#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Probes over HTTP/2 and by gRPC's health checking, against nghttp2's server and gRPC's own library, in clear text and
# over TLS, IPv4 and IPv6; agents and loads that members tell; what is wrong is named; and nothing piles up.  The name server probes: the balancer's probes
# are the same code, and 98-glb-world.sh has them in tunnels.
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig nghttpd openssl
/usr/bin/python3 -c 'import grpc' 2> /dev/null || { skip 95-probes "python3-grpcio is not installed"; exit 0; }

dns_network
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=probes.test \
	-keyout "$T/key.pem" -out "$T/cert.pem" 2> /dev/null
mkdir "$T/docs"
echo "all is fine here" > "$T/docs/health"
head -c 300000 /dev/zero > "$T/docs/large"
in_srv() { ip netns exec srv "$@" > "$T/server.log" 2>&1 & }
in_srv nghttpd --no-tls -d "$T/docs" 8081
in_srv nghttpd -d "$T/docs" 8082 "$T/key.pem" "$T/cert.pem"
in_srv "$ROOT/tests/system/grpc_health.py" '[::]:8083'
in_srv "$ROOT/tests/system/grpc_health.py" '[::]:8084' "$T/key.pem" "$T/cert.pem"
# HTTP/1.1 only, and one that takes connections and says nothing.
in_srv /usr/bin/python3 -m http.server --directory "$T/docs" --bind :: 8085
in_srv /usr/bin/python3 -c '
import socket
s = socket.create_server(("::", 8086), family=socket.AF_INET6, dualstack_ipv6=True)
held = []
while True:
    held = held[-50:] + [s.accept()]'
in_srv openssl s_server -accept 8087 -key "$T/key.pem" -cert "$T/cert.pem" -www -quiet
# 8088: nobody.
# An agent.
in_srv /usr/bin/python3 -c '
import socket
s = socket.create_server(("::", 8089), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, a = s.accept()
    try:
        c.sendall(b"ready 75% load:40\r\n" if c.recv(100) == b"rpc?\n" else b"down # who asks?\n")
    except OSError:
        pass
    c.close()'

# What is probed: NAME TYPE PORT MORE.  Each has a pool of its own with a member of each family.
PROBES=()
probe() {
	PROBES+=("{ \"name\": \"$1\", \"type\": \"$2\", \"port\": $3, \"interval-ms\": 500, \"timeout-ms\": ${5:-20000}, \"rise\": 1, \"fall\": 1$4 }")
	NAMES+=("$1")
}
NAMES=()
probe h2 http2 8081 ', "path": "/health"'
probe h2-missing http2 8081 ', "path": "/missing"'
probe h2-text http2 8081 ', "path": "/health", "expect": "fine"'
probe h2-other http2 8081 ', "path": "/health", "expect": "gone"'
probe h2-large http2 8081 ', "path": "/large", "expect": "gone"'
probe h2-tls https2 8082 ', "path": "/health", "host": "probes.test"'
probe h2-untrusted https2 8082 ', "path": "/health", "host": "probes.test", "verify": true'
probe h2-no-alpn https2 8087 ''
probe h2-to-h1 http2 8085 ''
probe h2-silent http2 8086 '' 300
probe h2-nobody http2 8088 ''
probe rpc grpc 8083 ''
probe rpc-up grpc 8083 ', "service": "acme.Up"'
probe rpc-down grpc 8083 ', "service": "acme.Down"'
probe rpc-strange grpc 8083 ', "service": "acme.Strange"'
probe rpc-slow grpc 8083 ', "service": "acme.Slow"' 300
probe rpc-tls grpcs 8084 ', "service": "acme.Up"'
probe rpc-web grpc 8081 ''
probe agent agent 8089 ', "send": "rpc?\\x0a"'
probe agent-down agent 8089 ', "send": "x"'
probe agent-none agent 8085 ', "send": "GET / HTTP/1.0\\x0d\\x0a\\x0d\\x0a"'
# Any header with a number does.
probe h1-load http 8085 ', "path": "/health", "load-header": "Content-Length"'
probe h2-load http2 8081 ', "path": "/health", "load-header": "Content-Length"'
pools=$(printf ', { "name": "%s", "probe": "%s",
	"member": [ { "name": "v4", "address": ["10.9.0.1"] }, { "name": "v6", "address": ["fd09::1"] } ] }' \
	$(for n in "${NAMES[@]}"; do echo "$n" "$n"; done))
probes=$(printf ', %s' "${PROBES[@]}")
cat > "$T/dns.json" <<-END
	{ "weft-dns:dns": { "listen": ["10.9.0.1"], "workers": 1,
	  "probe": [ ${probes#,} ],
	  "pool": [ ${pools#,} ],
	  "policy": [ { "name": "p", "order": ["failover"] } ],
	  "zone": [ { "name": "example.com", "file": "example.com.zone", "chosen": [ { "name": "www", "policy": "p" } ] } ] } }
END
printf '$TTL 300\n@ SOA ns1 admin 1 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\n' > "$T/example.com.zone"
check "the configuration is taken" dns_start

health() { OVS_RUNDIR=$T timeout 30 ovs-appctl -t weft-dnsd policy/health; }
both_say() { [ "$(health | grep -cE "^$1/v[46] +$2 .*: $3$")" = 2 ]; }
becomes() { # becomes POOL STATE TEXT: both members
	if retry 60 both_say "$@"; then
		ok "$1: $2, $3"
	else
		fail "$1: $2, $3" "$(health | grep "^$1/") $(tail -n 3 "$T/weft-dnsd.log")"
	fi
}
becomes h2 up 'status 200'
becomes h2-missing down 'status 404'
becomes h2-text up 'status 200'
becomes h2-other down 'status 200 without what is expected'
becomes h2-large down 'status 200 without what is expected'
becomes h2-tls up 'status 200'
becomes h2-untrusted down 'TLS: self-signed certificate'
becomes h2-no-alpn down 'the peer does not offer HTTP/2 \(ALPN\)'
becomes h2-to-h1 down '(an answer of HTTP/1, not of HTTP/2|not HTTP/2 .*)'
becomes h2-silent down 'no answer within 300 ms'
becomes h2-nobody down 'Connection refused'
becomes agent up 'agent: ready 75% load:40'
becomes agent-down down 'agent: down # who asks\?'
becomes agent-none down 'not a word of agents: HTTP/1\.[01]'
becomes h1-load up 'status 200'
becomes h2-load up 'status 200'
check "the agent's load is known" eval '[ "$(health | grep -cE "^agent/v[46] .* 40 % ")" = 2 ]'
check "and that of a header" eval '[ "$(health | grep -cE "^h[12]-load/v[46] .* 17 % ")" = 4 ]'
becomes rpc up SERVING
becomes rpc-up up SERVING
becomes rpc-down down NOT_SERVING
becomes rpc-strange down 'gRPC status 5 \(NOT_FOUND\)'
becomes rpc-slow down '(no answer within 300 ms|gRPC status [14] .*|RST_STREAM .*)'
becomes rpc-tls up SERVING
becomes rpc-web down 'status 40[45]'

# Two probes a second of 36 members: who kept a descriptor a probe would have hundreds.
descriptors() { ls "/proc/$(cat "$T/weft-dnsd.pid")/fd" | wc -l; }
few() { [ "$(descriptors)" -lt 150 ]; }
probes_made() { health > /dev/null && OVS_RUNDIR=$T ovs-appctl -t weft-dnsd policy/health json |
	/usr/bin/python3 -c 'import json, sys; sys.exit(sum(t["successes"] + t["failures"] for t in json.load(sys.stdin)) < 600)'; }
check "600 probes are made" retry 120 probes_made
check "and leave no descriptors behind" retry 30 few
bad() { # bad TEXT FROM TO: a configuration with this edit is refused
	cp "$T/dns.json" "$T/dns.good"
	sed -i "s/$2/$3/" "$T/dns.json"
	if out=$(OVS_RUNDIR=$T timeout 30 "$(dnsd_of)" --check "$T/dns.json" 2>&1) || [[ $out != *"$1"* ]]; then
		fail "refused: $1" "$out"
	else
		ok "refused: $1"
	fi
	mv "$T/dns.good" "$T/dns.json"
}
bad "a probe of type tcp, udp, grpc, grpcs or agent needs a port" '"type": "grpc", "port": 8083' '"type": "grpc"'
bad "the leaf service is for probes of type grpc or grpcs" '"grpc", "port": 8083\(, [^{]*acme.Up\)' '"http2", "port": 8083\1'
bad "the leaf load-header is for probes of type http" '"http2", "port": 8081\(, [^{]*load-header\)' '"grpc", "port": 8081\1'
check "the daemon ends when told" dns_stop
finish
