#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
# The demonstration: up prints the matrix as it should be, status finds everything, down leaves
# nothing; then once more.  (In namespaces of the test's own: a lab that somebody runs is not hit.)
. "$(dirname "$0")/../lib/system.sh"
# Its kernel is downloaded, which the namespaces of the test cannot.
[ -n "${WEFT_ISOLATED:-}" ] || "$ROOT/tests/lib/guest/build.sh" "$ROOT/build/guest" ||
	{ skip lab "the guest's kernel cannot be had"; exit 0; }
isolate "$@"
need qemu-system-x86_64 iperf3 dig python3 bird curl ethtool
export WEFT_LAB_DIR=$T/lab

check "up refuses what it does not know" eval '! out=$("$ROOT/weft" up --no-such-thing 2>&1) &&
	[[ $out == *no-such-thing* ]]'
for round in 1 2; do
	if timeout 260 "$ROOT/tests/lib/lab.sh" up > "$T/up.$round" 2>&1; then
		ok "up, round $round: $(grep '^TCP from' "$T/up.$round")"
	else
		fail "up, round $round" "$(tail -n 5 "$T/up.$round" | tr '\n' ' ')"
	fi
	check "all pairs are as they should be, round $round" grep -q '^All 30 pairs' "$T/up.$round"
	if grep -q 'vm2 is on a tap' "$T/up.$round"; then
		skip "vhost-user guest, round $round" "this daemon has no dpdkvhostuserclient"
	else
		ok "vhost-user guest, round $round"
	fi
	equal "no answer of the name server should be otherwise, round $round" 5 \
		"$(sed -n '/^What the name server/,/^$/p' "$T/up.$round" | grep -c ' 10\.78\.[12]\.80$')"
	equal "no line of the balancer should be otherwise, round $round" 8 \
		"$(sed -n '/^Who answers http/,/^  30 connections/p' "$T/up.$round" | grep -c ' ms$')"
	check "it broke no connection but those of a server that was taken away, round $round" \
		grep -q 'broke with eu-s1, 0 others' "$T/up.$round"
	check "status, round $round" "$ROOT/tests/lib/lab.sh" status
	# The second round's up finds the first lab still running.
	[ $round = 2 ] || continue
	check "down" "$ROOT/tests/lib/lab.sh" down
	check "down again" "$ROOT/tests/lib/lab.sh" down
	equal "no namespace is left" "" "$(ip netns list)"
	check "no state is left" test ! -e "$WEFT_LAB_DIR"
	left=$(ps -e -o stat=,args= | awk '$1 !~ /^Z/ && /qemu-system|ovs-vswitchd|ovsdb-server|iperf3|weft-dnsd|http.server|weft-glb|bird|glb_flows/' |
		grep -v awk || true)
	equal "no process is left" "" "$left"
	check "status says so" grep -q down <("$ROOT/tests/lib/lab.sh" status)
done
finish
