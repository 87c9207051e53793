#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The OpenFlow agent beside what Open vSwitch's suite tests: bundles leave nothing when they fail,
# a peer that does not read costs a bounded amount of memory and hurts nobody else, a burst of
# controllers in odd states goes without a trace.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

switch_start s1
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure
MGMT=$T/s1/br0.mgmt

n_flows() {
	ofctl s1 -O OpenFlow13 dump-aggregate br0 | sed -n 's/.*flow_count=//p'
}
rss_kb() {
	awk '/VmRSS/ { print $2 }' "/proc/$(cat "$T/s1/ovs-vswitchd.pid")/status"
}

# --- bundles ---------------------------------------------------------------------------------------
for i in $(seq 1 2000); do
	echo "table=0,priority=$i,in_port=1,actions=output:2"
done > "$T/flows"
ofctl s1 -O OpenFlow14 --bundle add-flows br0 "$T/flows"
equal "a bundle of 2000 flows" 2000 "$(n_flows)"
{
	echo "group group_id=9,type=all,bucket=output:1"
	echo "flow delete"
	echo "flow table=1,actions=group:9"
	echo "flow table=2,actions=group:10"
} > "$T/bundle"
if ofctl s1 bundle br0 "$T/bundle" 2> "$T/err"; then
	fail "a bundle with a bad message fails" "it did not"
else
	ok "a bundle with a bad message fails"
fi
equal "the failed bundle left the flows" 2000 "$(n_flows)"
equal "the failed bundle left no group" "" \
	"$(ofctl s1 -O OpenFlow13 dump-groups br0 | grep -v reply || true)"
equal "the error names the group" 1 "$(grep -c OFPBAC_BAD_OUT_GROUP "$T/err")"

# --- a peer that does not read ---------------------------------------------------------------------
before=$(rss_kb)
/usr/bin/python3 -B - "$MGMT" <<'PY' &
import socket, struct, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.send(struct.pack(">BBHI", 4, 0, 8, 1))
time.sleep(0.3)
# OFPMP_FLOW for all flows, as often as the socket takes it.
body = struct.pack(">HH4x", 1, 0) + struct.pack(">B3xII4xQQ", 255, 2**32 - 1, 2**32 - 1, 0, 0)
body += struct.pack(">HH4x", 1, 4)
request = struct.pack(">BBHI", 4, 18, 8 + len(body), 5) + body
s.setblocking(False)
try:
    while True:
        s.send(request)
except BlockingIOError:
    pass
time.sleep(5)
PY
deaf=$!
sleep 2
start=$(date +%s%N)
equal "others are served meanwhile" 2000 "$(n_flows)"
took=$((($(date +%s%N) - start) / 1000000))
check "others are served within a second ($took ms)" test "$took" -lt 1000
grown=$(($(rss_kb) - before))
check "the deaf peer cost less than 8 MB ($grown kB)" test "$grown" -lt 8192
wait $deaf || true

# --- peers in odd states ---------------------------------------------------------------------------
/usr/bin/python3 -B - "$MGMT" <<'PY'
import os, socket, struct, sys

def peer(*messages):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        for m in messages:
            s.send(m)
    except OSError:
        pass
    return s

hello = struct.pack(">BBHI", 6, 0, 8, 1)
peer().close()                                       # says nothing
peer(hello[:5]).close()                              # half a header
peer(struct.pack(">BBHI", 99, 0, 8, 1)).close()      # a version of the future
peer(struct.pack(">BBHI", 1, 5, 8, 1)).close()       # no hello
peer(hello, struct.pack(">BBHI", 6, 2, 4, 1)).close()        # shorter than its header
peer(hello, struct.pack(">BBHI", 6, 20, 8, 1)).close()       # a barrier, and gone
peer(hello, struct.pack(">BBHI", 6, 18, 65535, 1)).close()   # a long message that never comes
for seed in range(200):
    peer(hello, os.urandom(200)).close()
PY
check "the daemon is alive" alive s1
equal "the flows are there" 2000 "$(n_flows)"
finish
