#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
#   ns net: client 10.0.0.1 --- nic0 [ br-ex ]===patch===[ br-int ] tap0 --- guest 10.0.0.50 (ns vm)
#                                    10.0.0.9            [        ] vx  --- VXLAN over nic1 --- ns net
#           172.16.0.2 ------------- nic1 172.16.0.1 (a plain NIC)          10.9.0.1 (gw, internal)
#
# A host as operators have it, set up by their steps: bridges without a datapath_type, the host's address moved
# from the NIC to br-ex, VXLAN on a plain NIC, a tap guest as libvirt makes it, offloads on.  The daemon is
# stopped and started, killed, upgraded, and swapped for stock: a TCP session to the host and a TCP stream to
# the guest live on; devices, addresses and routes stay.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ethtool ip

switch_start s1
ns_add net vm
veth nic0 net eth0 10.0.0.1/24
# As a NIC has it: br-ex takes it over, so that nobody's neighbour table is wrong after the move.
ip link set nic0 address 00:16:3e:00:00:09
veth nic1 net eth1 172.16.0.2/24
ip addr add 10.0.0.9/24 dev nic0
ip route add default via 10.0.0.1 dev nic0
ip addr add 172.16.0.1/24 dev nic1
check "before: the host answers on its NIC" can_ping net 10.0.0.9

# The operator's script.
vsctl s1 add-br br-ex -- add-port br-ex nic0
ip addr flush dev nic0
ip addr add 10.0.0.9/24 dev br-ex
ip link set br-ex up
ip route add default via 10.0.0.1 dev br-ex
vsctl s1 add-br br-int -- add-port br-ex px -- set interface px type=patch options:peer=pi \
	-- add-port br-int pi -- set interface pi type=patch options:peer=px \
	-- add-port br-int gw tag=9 -- set interface gw type=internal \
	-- add-port br-int vx tag=9 -- set interface vx type=vxlan options:remote_ip=172.16.0.2 options:key=7
retry 5 ip link show gw
ip link set gw mtu 1400 up
ip addr add 10.9.0.1/24 dev gw
ip -n net link add vx7 type vxlan id 7 local 172.16.0.2 remote 172.16.0.1 dstport 4789
ip -n net link set vx7 mtu 1400 up
ip -n net addr add 10.9.0.2/24 dev vx7
equal "the bridges have no datapath_type" '""' "$(vsctl s1 get bridge br-ex datapath_type)"

# The guest: who has the tap open is the hypervisor, which gives the frames with their virtio headers to
# the guest's kernel (here: those to a tap in ns vm), as QEMU does.
cat > "$T/vm.py" <<'END'
import ctypes, fcntl, os, selectors, struct, sys
def tap(name, ns=None):
    if ns:
        with open(f"/run/netns/{ns}") as f:
            assert not ctypes.CDLL(None).setns(f.fileno(), 0x40000000)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000 | 0x4000))
    fcntl.ioctl(fd, 0x400454d0, 0x01 | 0x02 | 0x04)  # checksums, TSO for both
    return fd
host, guest = tap("tap0"), tap("eth0", "vm")
sel = selectors.DefaultSelector()
sel.register(host, selectors.EVENT_READ, guest)
sel.register(guest, selectors.EVENT_READ, host)
print("ready", flush=True)
while True:
    for key, _ in sel.select():
        for _ in range(64):
            try:
                data = os.read(key.fd, 70000)
            except BlockingIOError:
                break
            except OSError:
                continue
            try:
                os.write(key.data, data)
            except OSError:
                pass
END
/usr/bin/python3 -B "$T/vm.py" > "$T/vm.log" 2>&1 &
check "the guest runs" retry 10 grep ready "$T/vm.log"
ip link set tap0 up
ip -n vm link set eth0 up
ip -n vm addr add 10.0.0.50/24 dev eth0
vsctl s1 --may-exist add-port br-int tap0 -- set interface tap0 \
	'external_ids:attached-mac="52:54:00:00:00:01"' external_ids:iface-id=b1c6 external_ids:vm-id=d7f2

check "the host answers on br-ex" retry 10 can_ping net 10.0.0.9
check "the guest answers" retry 10 can_ping net 10.0.0.50
check "VXLAN on the plain NIC" retry 10 can_ping net 10.9.0.1

snapshot() {
	local d
	for d in br-ex br-int gw nic0 nic1 tap0; do
		ip -o link show $d | sed -n 's/^\([0-9]*: [^:@]*\).*\(mtu [0-9]*\).*\(link\/ether [0-9a-f:]*\).*/\1 \2 \3/p'
		ip -o addr show $d | grep -o 'inet6\? [^ ]*' | grep -v fe80 || true
	done
	ip route show
	vsctl s1 --columns=name,ofport --format=csv --no-headings list interface | sort
	ethtool -k br-ex | grep -E '^(tx-checksumming|tcp-segmentation-offload|generic-segmentation-offload):'
}

streams() {
	rm -f "$T/stop"
	/usr/bin/python3 -B "$ROOT/tests/system/stream.py" net 10.0.0.9 - "$T/stop" > "$T/stream.host" 2>&1 & s1=$!
	/usr/bin/python3 -B "$ROOT/tests/system/stream.py" net 10.0.0.50 vm "$T/stop" > "$T/stream.guest" 2>&1 & s2=$!
	retry 10 grep connected "$T/stream.host"
	retry 10 grep connected "$T/stream.guest"
}
# A connection lives if it gets answers after the exchange, too.
streams_end() {
	local rc=0
	sleep 1.5
	touch "$T/stop"
	wait $s1 || rc=1
	wait $s2 || rc=1
	return $rc
}

kill_it() {
	local pid
	pid=$(daemon_pid s1)
	kill -9 "$pid"
	retry 5 is_gone "$pid"
}
all_live_on() {
	local how=$1
	check "$how: host" retry 20 can_ping net 10.0.0.9
	check "$how: guest" retry 20 can_ping net 10.0.0.50
	if streams_end; then
		ok "$how: TCP lives on (host: $(tail -n 1 "$T/stream.host"); guest: $(tail -n 1 "$T/stream.guest"))"
	else
		fail "$how: TCP lives on" "$(tail -q -n 1 "$T/stream.host" "$T/stream.guest" | tr '\n' ' ')"
	fi
}
turn() {
	local how=$1 to=$2
	streams
	case $how in
	upgrade) check "$how: the next daemon takes over" appctl s1 -t ovs-vswitchd weft/upgrade ;;
	kill*) kill_it ;;
	*) daemon_stop s1 ;;
	esac
	[ "$how" = upgrade ] || check "$how: starts" daemon_start s1 "$to"
	all_live_on "$how"
	equal "$how: devices, addresses, routes, port numbers, offloads" "$before" "$(snapshot)"
}
before=$(snapshot)
turn "stop and start" weft
check "stop and start: VXLAN" retry 10 can_ping net 10.9.0.1
turn "kill -9" weft
check "kill -9: VXLAN" retry 10 can_ping net 10.9.0.1
turn "upgrade" weft
check "upgrade: VXLAN" retry 10 can_ping net 10.9.0.1

# --- back to stock, and to weft again -----------------------------------------------------------------
# Without the kernel's module stock serves a bridge only in user space, under its own datapath_type, and
# loses packets whose checksum was left to the device: on such a host offloads are off already.
if [ -e /sys/module/openvswitch ]; then
	turn "back to stock" stock
	turn "to weft once more" weft
else
	skip "swap with stock as it is configured" "no kernel module openvswitch: stock has no datapath of type system"
	for d in br-ex gw tap0; do ethtool -K $d tx off > /dev/null; done
	ip netns exec net ethtool -K eth0 tx off > /dev/null
	ip netns exec vm ethtool -K eth0 tx off > /dev/null
	before=$(snapshot)
	stock_start() {
		vsctl s1 --no-wait set bridge br-ex datapath_type=netdev -- set bridge br-int datapath_type=netdev \
			-- --if-exists del-port br-int vx
		daemon_start s1 stock
	}
	streams
	daemon_stop s1
	check "back to stock, in user space: starts" stock_start
	all_live_on "back to stock"

	got=$(snapshot)
	equal "back to stock: addresses and routes" "$(grep -E 'inet|via|dev' <<< "$before")" "$(grep -E 'inet|via|dev' <<< "$got")"
fi
finish
