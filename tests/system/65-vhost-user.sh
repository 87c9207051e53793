#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 400
#
#   guest vm1 --vhost-user (QEMU listens: dpdkvhostuserclient)--+
#   guest vm2 --vhost-user (QEMU connects: dpdkvhostuser)-------+-- [ br0 ] --veth-- ns a
#
# Guests on vhost-user, next to a kernel port: traffic, whole pages over TCP both ways with all
# offloads that were negotiated, a guest that comes back, a daemon that comes back.
. "$(dirname "$0")/../lib/system.sh"
[ -n "${WEFT_ISOLATED:-}" ] || "$ROOT/tests/lib/guest/build.sh" "$ROOT/build/guest" ||
	{ skip vhost-user "the guest's kernel cannot be had"; exit 0; }
isolate "$@"
need qemu-system-x86_64 curl

GUEST=$ROOT/tests/lib/guest/guest
IMAGE=$ROOT/build/guest
db_start s1
vsctl s1 --no-wait set Open_vSwitch . other_config:dpdk-init=true
daemon_start s1
if ! vsctl s1 get Open_vSwitch . iface_types | grep -w dpdkvhostuserclient > /dev/null; then
	skip vhost-user "this daemon has no dpdkvhostuserclient"
	exit 0
fi
vsctl s1 add-br br0 -- set bridge br0 datapath_type=netdev
ns_add a
port s1 br0 a 10.0.0.1/24
vsctl s1 add-port br0 vhost1 -- set interface vhost1 type=dpdkvhostuserclient \
	options:vhost-server-path="$T/vm1.sock"
vsctl s1 add-port br0 vhost2 -- set interface vhost2 type=dpdkvhostuser
check "dpdkvhostuser: the switch's socket is in its run folder" retry 5 test -S "$T/s1/vhost2"

"$GUEST" launch "$IMAGE" "$T" vm1 "vhost-user-server:$T/vm1.sock" ip=10.0.0.11/24
"$GUEST" launch "$IMAGE" "$T" vm2 "vhost-user-client:$T/s1/vhost2" ip=10.0.0.12/24
check "vm1 is up" "$GUEST" wait "$T" vm1 90
check "vm2 is up" "$GUEST" wait "$T" vm2 90

in_guest() { "$GUEST" sh "$T" "$1" "$2"; }
guest_ping() { in_guest "$1" "ping -c 2 -W 1 $2 > /dev/null"; }
link_is_up() { [ "$(vsctl s1 get interface "$1" link_state)" = up ]; }
# The page is 4 MB of zeros.
fetch_from() { [ "$(ip netns exec a curl -s -m 30 "http://$1/4m" | md5sum)" = "$(head -c 4194304 /dev/zero | md5sum)" ]; }
# busybox's wget crashes when it is linked statically; nc counts the header, too.
guest_fetch() {
	local n
	n=$(in_guest "$1" "printf 'GET /4m HTTP/1.0\\r\\n\\r\\n' | nc -w 20 $2 80 | wc -c" | tr -d ' \n')
	[ "$n" -gt 4194304 ]
}

check "vhost1: link_state is up" retry 5 link_is_up vhost1
check "namespace to vm1" retry 15 can_ping a 10.0.0.11
check "namespace to vm2" retry 15 can_ping a 10.0.0.12
check "vm1 to vm2" guest_ping vm1 10.0.0.12
check "vm2 to namespace" guest_ping vm2 10.0.0.1
check "TCP, 4 MB from vm1 to the namespace" fetch_from 10.0.0.11
check "TCP, 4 MB from vm2 to the namespace" fetch_from 10.0.0.12
check "TCP, 4 MB from vm1 to vm2" guest_fetch vm2 10.0.0.11
# From a kernel port into a guest: GSO packets of the veth's peer arrive whole, and no checksum is wrong.
mkdir -p "$T/www"
head -c 4194304 /dev/zero > "$T/www/4m"
ip netns exec a python3 -m http.server -b 10.0.0.1 -d "$T/www" 80 > "$T/www.log" 2>&1 &
check "the namespace serves a page" retry 10 ip netns exec a curl -s -o /dev/null http://10.0.0.1/4m
guest_number() { in_guest "$1" "$2" | tr -dc 0-9; }
rx_packets() { guest_number "$1" "cat /sys/class/net/eth0/statistics/rx_packets"; }
csum_errors() { guest_number "$1" "awk '/^Tcp:/ { v = \$NF } END { print v }' /proc/net/snmp"; }
for vm in vm1 vm2; do
	before=$(rx_packets $vm)
	check "TCP, 4 MB from the namespace to $vm" guest_fetch $vm 10.0.0.1
	n=$(($(rx_packets $vm) - before))
	echo "# $vm received $n packets for it"
	check "$vm: they came whole (2900 of 1448 bytes would be segments)" test "$n" -lt 1450
	equal "$vm: no wrong TCP checksum" 0 "$(csum_errors $vm)"
done
grep -h '^W: net' "$T/vm1.log" "$T/vm2.log" | sed 's/^/# /' | tr -d '\r'

# --- the guest goes and comes back
"$GUEST" stop "$T" vm1
link_is_down() { ! link_is_up vhost1; }
check "vm1 is gone: link_state is down" retry 10 link_is_down
check "vm1 is gone: the others go on" can_ping a 10.0.0.12
"$GUEST" launch "$IMAGE" "$T" vm1 "vhost-user-server:$T/vm1.sock" ip=10.0.0.11/24
check "vm1 is back" "$GUEST" wait "$T" vm1 90
check "vm1 is back: traffic" retry 15 can_ping a 10.0.0.11

# --- the daemon goes and comes back
daemon_stop s1
daemon_start s1
check "the daemon is back: vm1 (QEMU listens)" retry 20 can_ping a 10.0.0.11
check "the daemon is back: vm2 (QEMU reconnects)" retry 20 can_ping a 10.0.0.12
pid=$(daemon_pid s1)
kill -9 "$pid"
retry 5 is_gone "$pid"
daemon_start s1
check "after kill -9: vm1" retry 20 can_ping a 10.0.0.11
check "after kill -9: vm2" retry 20 can_ping a 10.0.0.12
check "upgrade: the next daemon takes over" appctl s1 -t ovs-vswitchd weft/upgrade
check "after the upgrade: vm1" retry 20 can_ping a 10.0.0.11
check "after the upgrade: vm2" retry 20 can_ping a 10.0.0.12
"$GUEST" stop "$T" vm1
"$GUEST" stop "$T" vm2
finish
