#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
# For random packets: the datapath actions that ofproto/trace prints are what is done, and all
# counters are those of the generator (trace_packets.py).  Two bridges with a patch between them, ports
# in memory.  PACKETS and SEED draw more or others.

. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need python3

db_start s1
daemon_start s1 weft --enable-dummy=override
vsctl s1 -- add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure protocols=OpenFlow10,OpenFlow13,OpenFlow14 \
	-- add-br br1 -- set bridge br1 datapath_type=dummy fail_mode=secure protocols=OpenFlow10,OpenFlow13,OpenFlow14 \
	-- add-port br0 pa -- set interface pa type=patch options:peer=pb ofport_request=10 \
	-- add-port br1 pb -- set interface pb type=patch options:peer=pa ofport_request=1
for p in p1 p2 p3 p4 q2 q3; do
	vsctl s1 add-port "br$([ "${p%?}" = p ]; echo $?)" $p \
		-- set interface $p type=dummy ofport_request=${p#?} options:tx_pcap="$T/$p.pcap"
done

CLIENT_LIMIT=580 in_dir s1 python3 "$ROOT/tests/system/trace_packets.py" "$T/s1" "$T" "${PACKETS:-10000}" "${SEED:-1}" |
	tee "$T/out" || true
N_FAILED=$(grep -c '^not ok' "$T/out" || true)
[ "$(grep -c '^ok' "$T/out" || true)" != 0 ] || [ "$N_FAILED" != 0 ] || fail "the generator runs" "it said nothing"
no_error() { ! grep -E '\|(ERR|EMER)\|' "$T/s1/ovs-vswitchd.log"; }
check "no error in the daemon's log" no_error
finish
