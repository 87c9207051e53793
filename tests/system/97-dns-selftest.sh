#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The name server withdraws itself: a script is told when its own questions are not answered any more.
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig

dns_network
ip -n srv link set lo up
conf() { # ZONES
	cat > "$T/dns.json" <<- EOF
	{ "weft-dns:dns": { "listen": ["10.9.0.1", "fd09::1"], "workers": 2,
	    "self-test": { "zone": ["own.test"], "script": "$T/announce", "interval-ms": 2000 },
	    "zone": [ $1 ] } }
	EOF
}
printf '#!/bin/sh\necho "$1" >> "%s/said"\n' "$T" > "$T/announce"
chmod 755 "$T/announce"
: > "$T/said"
printf '$TTL 300\n@ SOA ns1 admin 7 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\n' > "$T/own.zone"
OWN='{ "name": "own.test", "file": "own.zone" }' OTHER='{ "name": "other.test", "file": "own.zone" }'
said() { [ "$(tr '\n' ' ' < "$T/said")" = "$*" ]; }
conf "$OWN"
dns_start
check "it answers: announced" retry 60 said "announce "
check "weftctl says so" contains "self-test: announced" dns_ctl dns show
conf "$OTHER"
check "a reload without the zone" dns_ctl dns reload
check "it does not answer any more: withdrawn" retry 60 said "announce withdraw "
conf "$OWN, $OTHER"
check "a reload with it" dns_ctl dns reload
check "announced again" retry 60 said "announce withdraw announce "
check "the daemon ends when told" dns_stop
check "and withdraws before" [ "$(tail -n 1 "$T/said")" = withdraw ]
finish
