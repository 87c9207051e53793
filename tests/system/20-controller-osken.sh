#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
#   ns a --- [ br0, secure ] --- ns b, ns c        os-ken (OpenFlow 1.3) on tcp:127.0.0.1:6653
#
# A real controller drives the bridge: it learns, installs flows of its own, survives a restart.
# The controller is a Python program: on a busy machine it takes its time to start and to answer, which says
# nothing of the switch.  So each step waits long, and ends as soon as what it waits for is there.
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
reaches() { ip netns exec "$1" ping -n -q -c 1 -W 5 -w 5 "$2" > /dev/null; }
udp() { ip netns exec "$1" /usr/bin/python3 -B "$ROOT/tests/system/udp_echo.py" "${@:2}"; }

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow13
ns_add a b c
port s1 br0 a 10.0.0.1/24
port s1 br0 b 10.0.0.2/24
port s1 br0 c 10.0.0.3/24
check "fail_mode=secure: nothing passes without a controller" cannot_ping a 10.0.0.2

osken
vsctl s1 set-controller br0 tcp:127.0.0.1:6653 -- set controller br0 max_backoff=1000
check "os-ken connects" retry 90 connected
check "the controller forwards" retry 60 reaches a 10.0.0.2
check "to a third host" retry 60 reaches c 10.0.0.1

# From here on nobody asks for addresses again: such a question would be one for the controller, too.
mac() { ip -n "$1" -o link show eth0 | sed -n 's/.*link.ether \([0-9a-f:]*\).*/\1/p'; }
ip -n a neigh replace 10.0.0.2 lladdr "$(mac b)" dev eth0 nud permanent
ip -n b neigh replace 10.0.0.1 lladdr "$(mac a)" dev eth0 nud permanent

# UDP makes the application install a flow for each direction; the next packets must not ask it again.
udp b serve 10.0.0.2 7000 &
check "UDP both ways over reactive flows" udp a ask 10.0.0.2 7000 7001 20 90
flow_counts() { ofctl s1 -O OpenFlow13 dump-flows br0 | grep "udp.*$1" | grep 'n_packets=[1-9]' > /dev/null; }
check "the flow there is in the table and counts" retry 20 flow_counts tp_dst=7000
check "so is the one back" retry 20 flow_counts tp_dst=7001

kill $OSKEN; wait $OSKEN 2> /dev/null || true
check "the loss of the controller is seen" retry 30 not_connected
check "installed flows stay (secure)" flow_counts tp_dst=7000
check "and carry packets that nobody could be asked about" udp a ask 10.0.0.2 7000 7001 20 60
osken
check "it connects again" retry 90 connected
check "and forwards" retry 60 reaches b 10.0.0.3
vsctl s1 del-controller br0
check "the daemon is alive" alive s1
finish
