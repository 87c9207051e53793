#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 400
#
# The balancer with health, policy, feeds and BGP, in the world of tests/lib/glb.sh: who answers a client of which
# region, while servers, a balancer, an edge and a site are taken away and given back; and what connections notice of it.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl python3 ethtool bird

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
WEFTCTL=${WEFT_CTL:-$(dirname "$GLB")/../weftctl/weftctl}
FLOWS=$ROOT/tests/system/glb_flows.py
GW=$T/gw
GW_PREFIX=gw
GW_BPF=/sys/fs/bpf
. "$ROOT/tests/lib/glb.sh"
[ -c /dev/net/tun ] || { skip 98-glb-world "no /dev/net/tun"; exit 0; }

logs() { tail -n 3 "$GW"/*.log | tail -n 60; }

check "the world is up" gw_up
answered() { [ "$(gw_answers $1 12)" = "$2" ]; }
# becomes NAME REGION SERVERS: who answers that region's client, in the end.
becomes() {
	if retry ${4:-40} answered $2 "$3"; then ok "$1"; else fail "$1" "answered: $(gw_answers $2 20); $(gw_ctl $2-edge health) $(logs)"; fi
}
becomes "the client in eu gets the servers of eu" eu "eu-s1 eu-s2 eu-s3"
becomes "the client in us gets the servers of us" us "us-s1 us-s2 us-s3"
finish
