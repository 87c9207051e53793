#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The way out is a VLAN device: frames leave by the device below it, with the tag.  Not every kernel has VLAN devices, so
# an ordinary device stands for one: what the daemon would write into the map of VLANs is written here.
#
#    cl 10.0.0.2 -- rt -- e 10.0.1.2 (edge), whose way to the site 10.7.0.9 is "vl 42" over eth0
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need bpftool ethtool python3 tcpdump
. "$ROOT/tests/lib/glb_net.sh"

VIP=203.0.113.10
mount -t bpf none /sys/fs/bpf || { skip 97-glb-vlan "no BPF file system"; exit 0; }
router
node cl 0.0
node e 0.1
ip -n rt route add $VIP via 10.0.1.2
ip -n e link add vl mtu 1700 type veth peer name below
ip -n e addr add 10.7.0.2/24 dev vl
ip -n e link set vl up
ip -n e link set below up
ip -n e neigh add 10.7.0.9 lladdr 02:00:00:00:00:09 dev vl nud permanent
cat > "$T/wanted.json" <<-END
	{ "sites": { "dc1": "10.7.0.9" }, "servers": { "s": "10.7.0.10" },
	  "pools": { "web": { "dc1": { "weight": 100, "servers": { "s": 100 } } } } }
END
check "a document" place
cat > "$T/e.json" <<-END
	{ "weft-glb:glb": { "placement": "$T/placement.json", "pin": "/sys/fs/bpf/e", "max-slots": 4096,
	  "address": ["10.0.1.2"], "interface": [ { "name": "eth0", "mode": "generic" } ], "edge": {},
	  "vip": [ { "address": "$VIP", "protocol": "udp", "port": 53, "pool": "web" } ] } }
END
check "weft-glb starts" start e

index() { ip netns exec e cat "/sys/class/net/$1/ifindex"; }
bytes() { # bytes NUMBER: as the map has it, in the machine's order
	/usr/bin/python3 -c 'import sys; print(*int(sys.argv[1]).to_bytes(4, sys.byteorder))' "$1"
}
vlans=$(ls -d /sys/fs/bpf/e/*/glb_vlans)
check "the map of VLANs is written" bpftool map update pinned "$vlans" key $(bytes "$(index vl)") \
	value $(bytes "$(index eth0)") 0 42 0 0
ip netns exec rt tcpdump -i e -nn -e -l 'vlan' > "$T/frames" 2> "$T/tcpdump" &
tcpdump=$!
retry 20 grep -q listening "$T/tcpdump" || true
knock() { # packets until one has come out
	ip netns exec cl /usr/bin/python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(5): s.sendto(b"x", (sys.argv[1], 53))' $VIP
	[ -s "$T/frames" ]
}
if retry 30 knock; then
	ok "packets leave below the VLAN"
else
	fail "packets leave below the VLAN" "$(ctl e top; cat "$T/tcpdump")"
fi
kill $tcpdump
wait $tcpdump || true
frame=$(head -n 1 "$T/frames")
check "to the next hop's address" eval '[[ $frame == *"> 02:00:00:00:00:09"* ]]'
check "with the tag" eval '[[ $frame == *"vlan 42,"* ]]'
check "and are GRE to the site" eval '[[ $frame == *"10.0.1.2 > 10.7.0.9: GREv0"* ]]'
own=$(ip netns exec e cat /sys/class/net/vl/address)
check "from the VLAN device's address" eval '[[ $frame == *" $own > "* ]]'
kill "$(cat "$T/e.pid")" || true
finish
