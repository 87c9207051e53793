#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
# The swap as an operator does it: the commands of the unit files themselves (Debian's
# ovs-vswitchd.service, which calls ovs-ctl, and our weft-switchd.service), on the standard
# paths, both ways.  The folders and the daemon's file are the test's own by bind mounts.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
UNIT_STOCK=/lib/systemd/system/ovs-vswitchd.service
UNIT_WEFT=$ROOT/integration/systemd/weft-switchd.service
[ -e $UNIT_STOCK ] || { skip units "openvswitch-switch is not installed"; exit 0; }

# Folders of our own in the place of the machine's; the daemon's file can be swapped.
mkdir -p /run/openvswitch /var/log/openvswitch /etc/openvswitch /var/lib/openvswitch
for d in /var/log/openvswitch /etc/openvswitch /var/lib/openvswitch; do
	mount -t tmpfs none $d
done
# ovs-ctl sees a kernel without modules here, as on a host that uses only the userspace path.
export OVS_SYSLOG_METHOD=null
unset OVS_RUNDIR OVS_DBDIR OVS_LOGDIR OVS_SYSCONFDIR
BIN=$(realpath "$(switchd)")
cp "$STOCK_SWITCHD" "$T/stock"

use() {
	umount $STOCK_SWITCHD 2> /dev/null || true
	[ "$1" = stock ] || mount --bind "$BIN" $STOCK_SWITCHD
}

# unit FILE KEY: the command lines of that key, continuation lines joined.
unit() {
	sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "$1" | sed -n "s/^$2=//p"
}
run_unit() {
	local cmd
	cmd=$(unit "$1" "$2" | sed "s#/usr/lib/weft/ovs-vswitchd#$T/weft/ovs-vswitchd#")
	OVS_CTL_OPTS='' timeout 60 sh -c "$cmd" > "$T/unit.log" 2>&1
}
mkdir "$T/weft"
ln -s "$BIN" "$T/weft/ovs-vswitchd"

/usr/share/openvswitch/scripts/ovs-ctl --no-ovs-vswitchd --no-monitor --system-id=random \
	--no-record-hostname start > "$T/db.log" 2>&1 ||
	{ fail "ovsdb-server starts" "$(tail -n 3 "$T/db.log" | tr '\n' ' ')"; finish; }
ok "ovsdb-server starts"

ns_add a b
veth va a eth0 10.0.0.1/24
veth vb b eth0 10.0.0.2/24
running() { ovs-appctl -t ovs-vswitchd version; }
stopped() { ! pidof ovs-vswitchd weft-switchd; }
status_ok() { /usr/share/openvswitch/scripts/ovs-ctl status | grep 'ovs-vswitchd is running with pid' > /dev/null; }
ofports() { ovs-vsctl --columns=name,ofport --format=csv --no-headings list interface | sort; }

# a_turn WHICH UNIT: start, traffic, stop
FIRST=
a_turn() {
	local name=$1 file=$2
	check "$name: ExecStart" run_unit "$file" ExecStart
	check "$name: the daemon answers" retry 10 running
	if [ -z "$FIRST" ]; then
		ovs-vsctl --timeout=20 add-br br0 -- set bridge br0 datapath_type=netdev -- \
			add-port br0 va -- add-port br0 vb
		FIRST=$(ofports)
	fi
	check "$name: ovs-ctl status" status_ok
	check "$name: traffic" retry 10 can_ping a 10.0.0.2
	equal "$name: OpenFlow port numbers" "$FIRST" "$(ofports)"
	if [ -n "$(unit "$file" ExecReload)" ]; then
		ovs-ofctl add-flow br0 "table=3,priority=3,actions=drop"
		check "$name: ExecReload" run_unit "$file" ExecReload
		check "$name: traffic after it" retry 10 can_ping a 10.0.0.2
		check "$name: flows after it (ovs-save)" grep -q priority=3 <(ovs-ofctl dump-flows br0)
	fi
	check "$name: ExecStop" run_unit "$file" ExecStop
	check "$name: it has stopped" retry 10 stopped
}
use stock
a_turn "stock by ovs-vswitchd.service" $UNIT_STOCK
use weft
a_turn "weft by ovs-vswitchd.service" $UNIT_STOCK
use stock
a_turn "back to stock" $UNIT_STOCK
if [ "$(basename "$BIN")" = weft-switchd ]; then
	a_turn "weft by weft-switchd.service" "$UNIT_WEFT"
	use stock
	a_turn "and back to stock" $UNIT_STOCK
else
	skip "weft by weft-switchd.service" "the daemon under test is not weft-switchd"
fi
if command -v systemd-analyze > /dev/null; then
	sed "s#/usr/lib/weft/ovs-vswitchd#$BIN#" "$UNIT_WEFT" > "$T/weft-switchd.service"
	out=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$T/weft-switchd.service" 2>&1 |
		grep weft-switchd || true)
	equal "systemd-analyze has nothing to say" "" "$out"
else
	skip "systemd-analyze verify" "systemd is not installed"
fi
finish
