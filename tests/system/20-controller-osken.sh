#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
#   ns a --- [ br0, secure ] --- ns b, ns c        os-ken (OpenFlow 1.3) on tcp:127.0.0.1:6653
#
# A real controller drives the bridge: it learns, installs flows of its own, survives a restart.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need osken-manager ping

osken() {
	PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 /usr/bin/osken-manager \
		--ofp-tcp-listen-port 6653 "$ROOT/tests/bench/osken_reactive.py" >> "$T/osken.log" 2>&1 &
	OSKEN=$!
}
connected() { [ "$(vsctl s1 get controller br0 is_connected)" = true ]; }
not_connected() { ! connected; }

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow13
ns_add a b c
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
port s1 br0 c 10.0.0.3/24
check "fail_mode=secure: nothing passes without a controller" cannot_ping a 10.0.0.2

osken
vsctl s1 set-controller br0 tcp:127.0.0.1:6653 -- set controller br0 max_backoff=1000
check "os-ken connects" retry 30 connected
check "the controller forwards" retry 15 can_ping a 10.0.0.2
check "to a third host" retry 10 can_ping c 10.0.0.1

# UDP makes the application install a flow; the next packets must not ask it again.  Each attempt from a
# port of its own: ncat would take a second one from the same port for a part of the first.
ip netns exec b ncat -u -l 10.0.0.2 7000 --keep-open --sh-exec cat > /dev/null 2>&1 &
sleep 0.5
ask() { [ "$(for i in 1 2 3; do echo "hello $i"; sleep 0.1; done |
	ip netns exec a timeout 5 ncat -u -w 1 -p $((7001 + RANDOM % 900)) 10.0.0.2 7000 | grep -c hello)" = 3 ]; }
check "UDP both ways over reactive flows" retry 10 ask
has_flow() { ofctl s1 -O OpenFlow13 dump-flows br0 | grep 'udp.*tp_dst=7000' | grep 'n_packets=[1-9]' > /dev/null; }
check "the flow is in the table and counts" has_flow

kill $OSKEN; wait $OSKEN 2> /dev/null || true
check "the loss of the controller is seen" retry 20 not_connected
check "installed flows stay (secure)" has_flow
osken
check "it connects again" retry 30 connected
check "and forwards" retry 15 can_ping b 10.0.0.3
vsctl s1 del-controller br0
check "the daemon is alive" alive s1
finish
