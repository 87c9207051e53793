#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
# ./weft up --tunnel: two hosts whose guests talk through a tunnel, by each kind of it; down leaves nothing.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need iperf3 ping
export WEFT_LAB_DIR=$T/lab

for kind in vxlan gre geneve; do
	# The second and third one's up find the one before still running.
	if timeout 120 "$ROOT/tests/lib/lab.sh" up --tunnel $kind > "$T/up.$kind" 2>&1; then
		ok "up --tunnel $kind: $(grep '^TCP from' "$T/up.$kind")"
	else
		fail "up --tunnel $kind" "$(tail -n 5 "$T/up.$kind" | tr '\n' ' ')"
	fi
	check "$kind: guests reach each other, and those of other networks do not" \
		grep -q '^All 12 pairs' "$T/up.$kind"
	check "$kind: status" "$ROOT/tests/lib/lab.sh" status
done
check "down" "$ROOT/tests/lib/lab.sh" down
equal "no namespace is left" "" "$(ip netns list)"
check "no state is left" test ! -e "$WEFT_LAB_DIR"
left=$(ps -e -o stat=,args= | awk '$1 !~ /^Z/ && /ovs-vswitchd|ovsdb-server|iperf3/' | grep -v awk || true)
equal "no process is left" "" "$left"
nothing_else() { ! "$ROOT/tests/lib/lab.sh" up --tunnel ipip; }
check "another kind is refused" nothing_else
# Arguments come first; who is not root gets no further.
as_nobody() { unshare --user --map-user=1 "$ROOT/weft" "$@" 2>&1 || true; }
equal "weft up takes --tunnel" "./weft up needs root" "$(as_nobody up --tunnel gre)"
equal "and what is a kind" "weft up: --tunnel takes vxlan, gre or geneve, not 'ipip'" "$(as_nobody up --tunnel ipip)"
equal "and nothing behind it" "weft up: unknown argument 'more'" "$(as_nobody up --tunnel gre more)"
finish
