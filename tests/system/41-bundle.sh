#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A bundle is atomic for packets, too.  Table 0 stamps X into a register, table 1 sends what is
# stamped X to port 2 and what is stamped otherwise to port 3.  One bundle changes X in both tables,
# again and again, under a steady stream: a packet at port 3 has seen half of a bundle, a packet
# that is missing has fallen between two.  Between the two changes the bundle has a packet-out that
# meets a learn action: what it teaches is published with the rest, which takes a while.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
	protocols=OpenFlow13,OpenFlow14
veth_ports s1 br0 3
LEARNER=0200000000aa0200000000bb88b50000
ofctl s1 -O OpenFlow14 add-flow br0 \
	'table=0,in_port=3,actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:1->NXM_NX_REG1[])'
for x in 1 2; do
	cat > "$T/bundle.$x" <<-END
	flow delete table=9
	flow add table=0,priority=10,in_port=1,actions=set_field:$x->reg0,goto_table:1
	packet-out in_port=3 packet=$LEARNER actions=table
	$(seq -f 'flow add table=20,priority=%.0f,actions=drop' 2000)
	flow add table=1,priority=10,reg0=$x,actions=output:2
	flow add table=1,priority=10,reg0=$((3 - x)),actions=output:3
	END
done
BUNDLES=${BUNDLES:-100}
rc=0
out=$(OVS_RUNDIR=$T/s1 timeout 100 /usr/bin/python3 -B "$ROOT/tests/system/bundle.py" "$T" "$BUNDLES" 2>&1) || rc=$?
if [ $rc = 0 ]; then
	ok "$BUNDLES bundles under traffic: $out"
else
	fail "$BUNDLES bundles under traffic" "$(tail -n 1 <<< "$out")"
fi
equal "the packet-outs taught" 1 "$(ofctl s1 -O OpenFlow14 dump-flows br0 table=9 | grep -c 02:00:00:00:00:bb)"
# A bundle with one bad message changes nothing.
before=$(ofctl s1 -O OpenFlow14 --no-stats dump-flows br0)
printf '%s\n' 'flow add table=7,actions=drop' 'flow delete table=9' \
	"packet-out in_port=3 packet=$LEARNER actions=table" \
	'flow add table=8,actions=output:3,group:77' > "$T/bad"
if ofctl s1 -O OpenFlow14 bundle br0 "$T/bad" > "$T/bad.log" 2>&1; then
	fail "a bundle with a bad message fails" "it was accepted"
else
	ok "a bundle with a bad message fails"
fi
equal "and changes nothing" "$before" "$(ofctl s1 -O OpenFlow14 --no-stats dump-flows br0)"
check "alive" alive s1
finish
