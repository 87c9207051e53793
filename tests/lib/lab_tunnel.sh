# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The demonstration of ./weft up --tunnel TYPE (part of lab.sh):
#
#   ns weft-a --veth--+ VLAN 10                                        VLAN 10 +--veth-- ns weft-c
#                     | br-int (ns weft-host1)     br-int (ns weft-host2)     |
#   ns weft-b --veth--+ VLAN 20        tunnel, trunk of both           VLAN 20 +--veth-- ns weft-d
#                       nic 192.0.2.1 -------- wire -------- nic 192.0.2.2
#
# Two hosts with a switch and a database each.  The tunnel ends on the address of a plain NIC.

declare -A NIC=([1]=192.0.2.1 [2]=192.0.2.2)
declare -A HOST_OF=([a]=1 [b]=1 [c]=2 [d]=2)
declare -A NET_OF=([a]=10 [b]=20 [c]=10 [d]=20)

# on HOST COMMAND...: a client of that host's switch.
on() {
	local d=$D/host$1
	shift
	OVS_RUNDIR=$d OVS_DBDIR=$d OVS_LOGDIR=$d OVS_SYSCONFDIR=$d "$@"
}

start_host() {
	local n=$1 d=$D/host$1
	mkdir -p "$d/bin"
	ovsdb-tool create "$d/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	on "$n" ip netns exec "weft-host$n" ovsdb-server -vconsole:off "$d/conf.db" --remote="punix:$d/db.sock" \
		--pidfile --detach --no-chdir --log-file || give_up "ovsdb-server of host $n did not start"
	on "$n" ovs-vsctl --no-wait init
	ln -s "$(realpath "$SWITCHD")" "$d/bin/ovs-vswitchd"
	on "$n" ip netns exec "weft-host$n" timeout 60 "$d/bin/ovs-vswitchd" -vconsole:off "unix:$d/db.sock" \
		--disable-system --pidfile --detach --no-chdir --log-file ||
		give_up "the switch of host $n did not start"
	on "$n" ovs-vsctl --timeout=20 add-br br-int -- add-port br-int tunnel -- set interface tunnel \
		type="$TUNNEL" options:remote_ip="${NIC[$((3 - n))]}" options:key=42 ||
		give_up "the bridge of host $n was not made"
}

tunnel_guests() {
	local g n
	for g in a b c d; do
		n=${HOST_OF[$g]}
		ip netns add "weft-$g"
		ip -n "weft-$g" link set lo up
		ip -n "weft-host$n" link add "veth-$g" type veth peer name eth0 netns "weft-$g"
		ip -n "weft-host$n" link set "veth-$g" up
		ip -n "weft-$g" link set eth0 mtu 1400 up
		ip -n "weft-$g" addr add "${ADDRESS[$g]}/24" dev eth0
		on "$n" ovs-vsctl --timeout=20 add-port br-int "veth-$g" tag="${NET_OF[$g]}" ||
			give_up "port veth-$g was not made"
	done
}

# Who reaches whom, and whether it should.
tunnel_matrix() {
	local from to is wrong=0 line
	say ""
	say "Who reaches whom (ping), as it is; a ! marks what should be otherwise:"
	printf '%-26s%8s%8s%8s%8s\n' "  from \\ to" a b c d
	for from in a b c d; do
		line=$(printf '  %s host %s, VLAN %-11s' "$from" "${HOST_OF[$from]}" "${NET_OF[$from]}")
		for to in a b c d; do
			if [ $from = $to ]; then
				line+=$(printf '%8s' -)
				continue
			fi
			if reaches $from $to; then is=yes; else is=no; fi
			if [ $is = yes ] && [ "${NET_OF[$from]}" != "${NET_OF[$to]}" ] ||
				[ $is = no ] && [ "${NET_OF[$from]}" = "${NET_OF[$to]}" ]; then
				is+="!"
				wrong=$((wrong + 1))
			fi
			line+=$(printf '%8s' $is)
		done
		say "$line"
	done
	[ $wrong = 0 ] && say "All 12 pairs are as they should be." ||
		say "$wrong of 12 pairs are NOT as they should be."
	[ $wrong = 0 ]
}

# The wire shows what the hosts say to each other.
tunnel_on_wire() {
	local filter bytes
	case $TUNNEL in
	vxlan) filter=4789 ;;
	geneve) filter=6081 ;;
	gre) filter=gre ;;
	esac
	bytes=$(on 1 ovs-vsctl get interface tunnel statistics:tx_bytes)
	say ""
	say "Through the tunnel ($TUNNEL, ${NIC[1]} to ${NIC[2]}, $filter) host 1 sent $bytes bytes of frames."
	[ "$bytes" -gt 0 ]
}

tunnel_throughput() {
	local got try
	ip netns exec weft-c iperf3 -s -1 -D > /dev/null
	for try in 1 2 3 4 5; do
		sleep 0.5
		got=$(ip netns exec weft-a timeout 20 iperf3 -c "${ADDRESS[c]}" -t 3 -f g 2> /dev/null |
			awk '/receiver/ { print $(NF-2), $(NF-1) }')
		[ -z "$got" ] || break
	done
	say "TCP from a to c through it, offloads on: ${got:-failed}"
	[ -n "$got" ]
}

tunnel_hints() {
	cat <<-END

	Drive it (in this shell; nothing of the machine's own Open vSwitch is touched):
	  export OVS_RUNDIR=$D/host1        # or host2
	  ovs-vsctl show
	  ip netns exec weft-a ping ${ADDRESS[c]}
	  ip netns exec weft-host1 tcpdump -ni nic
	  ovs-appctl ofproto/trace br-int in_port=veth-a,icmp
	  ovs-appctl tnl/ports/show
	Logs: $D/host1/ovs-vswitchd.log, $D/host2/ovs-vswitchd.log     End: ./weft down
	END
}

up_tunnel() {
	local n rc=0
	mkdir -p "$D"
	echo "$TUNNEL" > "$D/tunnel"
	for n in 1 2; do
		ip netns add weft-host$n
		ip -n weft-host$n link set lo up
	done
	ip -n weft-host1 link add nic type veth peer name nic netns weft-host2
	for n in 1 2; do
		ip -n weft-host$n addr add "${NIC[$n]}/24" dev nic
		ip -n weft-host$n link set nic up
		start_host $n
	done
	tunnel_guests
	say "two hosts: $("$D/host1/bin/ovs-vswitchd" --version | sed -n 1p)"
	on 1 ovs-vsctl show | sed 's/^/  /'
	tunnel_matrix || rc=1
	tunnel_throughput || rc=1
	tunnel_on_wire || rc=1
	tunnel_hints
	return $rc
}

status_tunnel() {
	local n p rc=0
	say "two hosts, tunnel: $(cat "$D/tunnel")"
	for n in 1 2; do
		for p in ovsdb-server ovs-vswitchd; do
			if [ -e "$D/host$n/$p.pid" ] && kill -0 "$(cat "$D/host$n/$p.pid")" 2> /dev/null; then
				say "host $n, $p: runs, process $(cat "$D/host$n/$p.pid")"
			else
				say "host $n, $p: does not run"
				rc=1
			fi
		done
	done
	say "namespaces: $(namespaces | tr '\n' ' ')"
	return $rc
}
