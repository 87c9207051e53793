#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The demonstration behind ./weft up, down and status.
#
#     ns weft-a --veth--+                     +--tap--------- guest vm1
#     ns weft-b --veth--+-- VLAN 10    br0    |   VLAN 10
#                       |   (ns weft-lab)     |
#     ns weft-c --veth--+-- VLAN 20           +--vhost-user-- guest vm2
#     ns weft-d --veth--+                         VLAN 20
#
# All addresses are in 10.77.0.0/24: only the VLANs keep the two halves apart.  Switch, database
# and QEMU run in the namespace weft-lab and keep their state in /run/weft-lab; the machine's own
# Open vSwitch, its /run/openvswitch and its network are not touched.  Beside it: the name server, lab_dns.sh, and
# the balancer, lab_glb.sh.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
D=${WEFT_LAB_DIR:-/run/weft-lab}
LAB=weft-lab
IMAGE=$ROOT/build/guest
GUEST=$ROOT/tests/lib/guest/guest
SWITCHD=${WEFT_SWITCHD:-$ROOT/build/bin/ovs-vswitchd}
HOSTS="a b c d vm1 vm2"
declare -A ADDRESS=([a]=10.77.0.1 [b]=10.77.0.2 [c]=10.77.0.3 [d]=10.77.0.4
	[vm1]=10.77.0.11 [vm2]=10.77.0.12)
declare -A VLAN=([a]=10 [b]=10 [c]=20 [d]=20 [vm1]=10 [vm2]=20)

export OVS_RUNDIR=$D OVS_DBDIR=$D OVS_LOGDIR=$D OVS_SYSCONFDIR=$D OVS_SYSLOG_METHOD=null
TUNNEL= # set: the demonstration of lab_tunnel.sh
. "$ROOT/tests/lib/lab_tunnel.sh"
. "$ROOT/tests/lib/lab_dns.sh"
. "$ROOT/tests/lib/glb.sh"
. "$ROOT/tests/lib/lab_glb.sh"
lab() { ip netns exec $LAB "$@"; }

# --- down ----------------------------------------------------------------------------------------

namespaces() { ip netns list | awk '$1 ~ /^weft-(lab|host1|host2|names|eu|us|a|b|c|d|g-.*)$/ { print $1 }'; }

# Every process of the lab lives in one of its namespaces: all of them go, whatever has become of
# the pid files.
processes() {
	local n
	for n in $(namespaces); do
		ip netns pids "$n"
	done
}

down() {
	local p i n mine h
	# An orderly end first, so that the daemon removes its devices itself.
	[ ! -e $D/ovs-vswitchd.pid ] ||
		timeout 5 ovs-appctl -t ovs-vswitchd exit --cleanup > /dev/null 2>&1 || true
	for h in 1 2; do
		[ ! -e $D/host$h/ovs-vswitchd.pid ] ||
			on $h timeout 5 ovs-appctl -t ovs-vswitchd exit --cleanup > /dev/null 2>&1 || true
	done
	for p in $(processes); do
		kill "$p" 2> /dev/null || true
	done
	for i in $(seq 50); do
		mine=$(processes)
		[ -n "$mine" ] || break
		sleep 0.1
		[ "$i" -lt 40 ] || kill -9 $mine 2> /dev/null || true
	done
	for n in $(namespaces); do
		ip netns del "$n"
	done
	down_glb
	rm -rf $D
}

# --- up ------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

give_up() {
	local log
	say "weft up: $1" >&2
	for log in $D/host[12]/ovs-vswitchd.log; do
		[ ! -e $log ] || { say "the end of $log:"; tail -n 20 $log; } >&2
	done
	[ ! -e $D/ovs-vswitchd.log ] || { say "the end of the switch's log:"; tail -n 20 $D/ovs-vswitchd.log; } >&2
	down
	exit 1
}

start_switch() {
	mkdir -p $D/bin
	ip netns add $LAB
	lab ip link set lo up
	ovsdb-tool create $D/conf.db /usr/share/openvswitch/vswitch.ovsschema
	lab ovsdb-server -vconsole:off $D/conf.db --remote=punix:$D/db.sock --pidfile --detach \
		--no-chdir --log-file || give_up "ovsdb-server did not start"
	# Vhost-user ports need DPDK, which needs neither huge pages nor a NIC here.
	ovs-vsctl --no-wait init -- set Open_vSwitch . other_config:dpdk-init=true
	ln -s "$(realpath "$SWITCHD")" $D/bin/ovs-vswitchd
	lab timeout 60 $D/bin/ovs-vswitchd -vconsole:off unix:$D/db.sock --disable-system --pidfile \
		--detach --no-chdir --log-file || give_up "the switch did not start"
	ovs-vsctl --timeout=20 add-br br0 -- set bridge br0 datapath_type=netdev ||
		give_up "the bridge was not made"
}

start_namespaces() {
	local h
	for h in a b c d; do
		ip netns add weft-$h
		ip -n weft-$h link set lo up
		ip -n $LAB link add veth-$h type veth peer name eth0 netns weft-$h
		ip -n $LAB link set veth-$h up
		ip -n weft-$h addr add "${ADDRESS[$h]}/24" dev eth0
		ip -n weft-$h link set eth0 up
		ovs-vsctl --timeout=20 add-port br0 veth-$h tag="${VLAN[$h]}" ||
			give_up "port veth-$h was not made"
	done
}

start_guests() {
	local nic
	"$ROOT/tests/lib/guest/build.sh" "$IMAGE" || give_up "the guest's image could not be made"
	tap_port vm1
	lab "$GUEST" launch "$IMAGE" $D vm1 tap:tap-vm1 ip="${ADDRESS[vm1]}/24"

	if ovs-vsctl get Open_vSwitch . iface_types | grep -w dpdkvhostuserclient > /dev/null; then
		ovs-vsctl --timeout=20 add-port br0 vhost-vm2 tag="${VLAN[vm2]}" -- \
			set interface vhost-vm2 type=dpdkvhostuserclient \
			options:vhost-server-path=$D/vm2.sock || give_up "port vhost-vm2 was not made"
		nic=vhost-user-server:$D/vm2.sock
	else
		say "note: this daemon has no dpdkvhostuserclient: vm2 is on a tap, too"
		tap_port vm2
		nic=tap:tap-vm2
	fi
	lab "$GUEST" launch "$IMAGE" $D vm2 "$nic" ip="${ADDRESS[vm2]}/24"
	"$GUEST" wait $D vm1 120 && "$GUEST" wait $D vm2 120 || give_up "a guest did not come up"
}

tap_port() {
	ip -n $LAB tuntap add tap-"$1" mode tap
	ip -n $LAB link set tap-"$1" up
	ovs-vsctl --timeout=20 add-port br0 tap-"$1" tag="${VLAN[$1]}" ||
		give_up "port tap-$1 was not made"
}

# reaches FROM TO: one of three pings is answered.
reaches() {
	case $1 in
	vm*) "$GUEST" sh $D "$1" "ping -c 3 -W 1 -i 0.3 ${ADDRESS[$2]} > /dev/null" ;;
	*) ip netns exec weft-"$1" ping -n -q -c 3 -W 1 -i 0.3 "${ADDRESS[$2]}" > /dev/null ;;
	esac
}

# Measures who reaches whom into $D/reach/FROM.TO and prints it; false if it is not as it should be.
matrix() {
	local from to should is line wrong=0
	mkdir -p $D/reach
	for from in $HOSTS; do
		(
			for to in $HOSTS; do
				if [ "$from" = "$to" ]; then continue; fi
				if reaches "$from" "$to"; then is=yes; else is=no; fi
				echo $is > "$D/reach/$from.$to"
			done
		) &
	done
	wait
	say ""
	say "Who reaches whom (ping), as it is; a ! marks what should be otherwise:"
	printf '%-18s' "  from \\ to"
	printf '%8s' $HOSTS
	say ""
	for from in $HOSTS; do
		line=$(printf '  %-4s VLAN %-7s' "$from" "${VLAN[$from]}")
		for to in $HOSTS; do
			if [ "$from" = "$to" ]; then
				line+=$(printf '%8s' -)
				continue
			fi
			if [ "${VLAN[$from]}" = "${VLAN[$to]}" ]; then should=yes; else should=no; fi
			is=$(cat "$D/reach/$from.$to")
			if [ $is = $should ]; then
				line+=$(printf '%8s' $is)
			else
				line+=$(printf '%8s' "$is!")
				wrong=$((wrong + 1))
			fi
		done
		say "$line"
	done
	say "As it should be: a, b and vm1 reach each other (VLAN 10), c, d and vm2 (VLAN 20), and no other."
	if [ $wrong = 0 ]; then
		say "All 30 pairs are as they should be."
	else
		say "$wrong of 30 pairs are NOT as they should be."
	fi
	[ $wrong = 0 ]
}

throughput() {
	local got
	ip netns exec weft-b iperf3 -s -1 -D > /dev/null
	sleep 0.5
	got=$(ip netns exec weft-a timeout 20 iperf3 -c "${ADDRESS[b]}" -t 3 -f g 2> /dev/null |
		awk '/receiver/ { print $(NF-2), $(NF-1) }')
	say ""
	say "TCP from a to b, both with their offloads on: ${got:-failed}"
	[ -n "$got" ]
}

hints() {
	cat <<-END

	Drive it (in this shell; nothing of the machine's own Open vSwitch is touched):
	  export OVS_RUNDIR=$D
	  ovs-vsctl show
	  ovs-vsctl set port veth-c tag=10                       # c moves to the other VLAN
	  ip netns exec weft-a ping ${ADDRESS[c]}
	  ovs-ofctl add-flow br0 'priority=100,icmp,actions=drop'
	  ovs-ofctl dump-flows br0
	  ovs-appctl fdb/show br0
	  ovs-appctl ofproto/trace br0 in_port=veth-a,icmp
	  $GUEST sh $D vm1 'ping -c 3 ${ADDRESS[a]}'
	END
	hints_dns
	hints_glb
	say "Logs: $D/ovs-vswitchd.log, $D/dns/weft-dnsd.log, $D/glb/*.log     End: ./weft down"
}

up() {
	[ -x "$SWITCHD" ] || { say "weft up: there is no daemon at $SWITCHD" >&2; exit 1; }
	down
	trap 'give_up "stopped"' INT TERM
	if [ -n "$TUNNEL" ]; then
		up_tunnel
		return
	fi
	mkdir -p $D
	start_switch
	start_namespaces
	say "switch: $("$D/bin/ovs-vswitchd" --version | sed -n 1p), 4 namespaces; the guests are starting"
	start_guests
	ovs-vsctl show | sed 's/^/  /'
	local rc=0
	matrix || rc=1
	throughput || rc=1
	up_dns || rc=1
	up_glb || rc=1
	hints
	return $rc
}

status() {
	local n=0 p
	if [ ! -d $D ]; then
		say "the lab is down"
		return 0
	fi
	if [ -e $D/tunnel ]; then
		status_tunnel
		return
	fi
	for p in ovsdb-server ovs-vswitchd vm1 vm2; do
		if [ -e $D/$p.pid ] && kill -0 "$(cat $D/$p.pid)" 2> /dev/null; then
			say "$p: runs, process $(cat $D/$p.pid)"
		else
			say "$p: does not run"
			n=1
		fi
	done
	status_dns || n=1
	status_glb || n=1
	say "namespaces: $(namespaces | tr '\n' ' ')"
	[ $n != 0 ] || ovs-vsctl --timeout=5 show
	return $n
}

# --check-arguments in front: says only whether they are right, before anything is installed or built.
check_only=
if [ "${1:-}" = --check-arguments ]; then
	check_only=1
	shift
fi
command=${1:-}
case $command in
up | down | status) ;;
*)
	say "usage: lab.sh up [--tunnel vxlan|gre|geneve] | down | status" >&2
	exit 2
	;;
esac
if [ "$command" = up ] && [ "${2:-}" = --tunnel ]; then
	case ${3:-} in
	vxlan | gre | geneve) TUNNEL=$3 ;;
	*)
		say "weft up: --tunnel takes vxlan, gre or geneve, not '${3:-}'" >&2
		exit 2
		;;
	esac
	shift 2
fi
if [ $# -gt 1 ]; then
	say "weft $command: unknown argument '$2'" >&2
	exit 2
fi
[ -n "$check_only" ] || "$command"
