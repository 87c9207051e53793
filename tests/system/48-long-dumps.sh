#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
# Requests about all of very many flows are worked on in pieces, and others are served in between.  How
# long they wait is printed; what counts is in how many turns of the loop it was done.  Flows that come and
# go in the middle of a dump: those that stay are in it, once.  A deletion of very many is told, and is in the
# state file, like any other.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

FLOWS=${FLOWS:-200000}
switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure
tool() { /usr/bin/python3 -B "$ROOT/tests/system/$1.py" "$T/s1/br0.mgmt" "${@:2}"; }
put_aside() { appctl s1 coverage/read-counter of_dump_put_aside 2> /dev/null || echo 0; }
n_flows() { ofctl s1 -O OpenFlow14 dump-aggregate br0 "$@" | sed -n 's/.*flow_count=//p'; }

equal "flows are added" "no errors" "$(tool flowflood add "$FLOWS" 2> /dev/null)"
for what in aggregate nothing; do
	before=$(put_aside)
	out=$(tool longdump others $what)
	turns=$(($(put_aside) - before))
	if [ $turns -ge $((FLOWS / 50000)) ]; then
		ok "$what: in $((turns + 1)) turns; another controller waits $out"
	else
		fail "$what: in pieces" "$((turns + 1)) turns; another controller waits $out"
	fi
done
equal "an aggregate has all" "$FLOWS" "$(n_flows)"
equal "one with a match, too" "$FLOWS" "$(n_flows in_port=1)"
equal "and one with a cookie" "$FLOWS" "$(n_flows cookie=0/-1)"
equal "a dump has all" "$FLOWS" "$(ofctl s1 -O OpenFlow14 dump-flows br0 | grep -c nw_src)"
before=$(put_aside)
out=$(tool longdump others delete)
turns=$(($(put_aside) - before))
[ $turns -ge $((FLOWS / 50000)) ] && ok "deletion: in $((turns + 1)) turns; another controller waits $out" ||
	fail "deletion: in pieces" "$((turns + 1)) turns; another controller waits $out"
equal "nothing is left" 0 "$(n_flows)"
equal "changes in the middle of a dump" "each flow once" "$(tool longdump changes 15000 2> "$T/log")"
cat "$T/log"
ofctl s1 del-flows br0
equal "removals by two sessions" "each removal told once" "$(tool longdump removals 15000)"
equal "nothing is left of them" 0 "$(n_flows)"
ofctl s1 add-flow br0 "in_port=7,actions=drop"
tool flowflood add 20000 > /dev/null 2>&1
ofctl s1 del-flows br0 in_port=1
pid=$(daemon_pid s1)
kill -9 "$pid"
check "killed" retry 20 is_gone "$pid"
daemon_start s1
check "what was deleted does not come back, the rest does" retry 20 test 1 = "$(n_flows)"
check "alive" alive s1
finish
