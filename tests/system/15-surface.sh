#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 240
#
# What clients see: stock Open vSwitch and weft are started in turn on the same configuration, and
# the columns that they write and the texts of their commands are compared.  What differs by
# nature (addresses, counters, uuids, numbers of datapath ports) is made equal first; what differs
# because something is not built is not in the lists, and has a case of its own below.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need ovs-vsctl ovs-ofctl ovs-appctl

same_commands=(
	"dpif/show" "dpif/dump-dps" "dpctl/dump-dps" "ofproto/list" "dpctl/ct-get-nconns"
	"dpctl/ct-get-limits" "dpctl/ct-stats-show" "dpctl/ct-bkts" "dpctl/ct-get-tcp-seq-chk"
	"dpctl/dump-conntrack" "dpctl/flush-conntrack" "revalidator/purge" "revalidator/wait"
	"qos/show v0" "qos/show nosuch" "tnl/neigh/show" "tnl/arp/show" "tnl/ports/show -v"
	"bond/list" "bond/show" "bond/show nosuch" "lacp/show" "lacp/show nosuch" "lacp/show-stats"
	"cfm/show" "cfm/show nosuch" "bfd/show" "bfd/show nosuch" "stp/show" "stp/show br0" "rstp/show"
	"rstp/show br0" "mdb/show br0" "mdb/show nosuch" "mdb/flush" "mdb/flush br0"
	"ofproto/list-tunnels" "fdb/show nosuch" "fdb/flush nosuch" "fdb/stats-show nosuch"
	"fdb/flush br0" "fdb/show br0" "fdb/add br0 v0 0 00:11:22:33:44:55" "fdb/show br0"
	"fdb/del br0 0 00:11:22:33:44:55" "fdb/del br0 7 00:11:22:33:44:55" "fdb/flush" "bridge/dump-flows nosuch"
	"dpif/dump-flows nosuch" "dpctl/dump-flows nosuch" "dpctl/dump-flows type=foo"
	"dpctl/dump-flows type=offloaded" "dpctl/dump-flows filter=foo" "dpctl/dump-flows filter=nw_src=1.1.1.1"
	"dpctl/dump-flows filter=udp,tp_src=9" "dpif/show-dp-features nosuch" "bridge/reconnect nosuch"
	"bridge/reconnect" "upcall/disable-megaflows" "upcall/enable-megaflows" "upcall/disable-ufid"
	"upcall/enable-ufid" "upcall/set-flow-limit" "coverage/read-counter nosuch" "vlog/list-pattern"
	"autoattach/status br0" "dpif-netdev/bond-show" "dpif-netdev/pmd-perf-show" "nosuchcommand"
	"bond/migrate a b c" "bond/set-active-member a b"
)

# Makes equal what differs by nature.
normalise() {
	sed -E -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/UUID/g' \
		-e 's/([0-9a-f]{2}:){5}[0-9a-f]{2}/MAC/g' \
		-e 's/^(ifindex *: )[0-9]+/\1N/' \
		-e 's/hit:[0-9]+ missed:[0-9]+/hit:N missed:N/' \
		-e 's#^(    [a-z0-9]+ [0-9]+/)[0-9]+#\1N#' \
		-e '/^statistics/s/=[0-9]+/=N/g' \
		-e 's/(sec_since_[a-z]*=)"[0-9]+"/\1N/g' -e 's/state=[A-Z]+/state=S/' \
		-e 's/^(datapath_id *: )"[0-9a-f]{16}"/\1ID/' \
		-e "s#$T/[a-z]+#DIR#g"
}

configure() {
	local s=$1
	vsctl "$s" add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure
	vsctl "$s" add-port br0 v0 -- set interface v0 ofport_request=10
	vsctl "$s" add-port br0 w0 tag=7
	vsctl "$s" add-port br0 nodev0 || true
	vsctl "$s" add-port br0 int0 -- set interface int0 type=internal ofport_request=20
	vsctl "$s" add-br br1 -- set bridge br1 datapath_type=netdev
	vsctl "$s" add-port br0 pa -- set interface pa type=patch options:peer=pb \
		-- add-port br1 pb -- set interface pb type=patch options:peer=pa
	vsctl "$s" add-port br0 pbad -- set interface pbad type=patch || true
	vsctl "$s" add-port br0 tbad -- set interface tbad type=nosuchtype || true
	vsctl "$s" -- --id=@p get port w0 -- --id=@m create mirror name=m0 select_all=true \
		output_port=@p -- add bridge br0 mirrors @m
	vsctl "$s" set-controller br1 tcp:127.0.0.1:16653
	vsctl "$s" -- --id=@d create datapath datapath_version=0 -- set open . datapaths:netdev=@d
}

columns() {
	local s=$1 name
	vsctl "$s" --columns=name,datapath_id,datapath_version,status,rstp_status list bridge br0 br1
	vsctl "$s" --columns=name,status,statistics,bond_active_slave,rstp_status list port v0 w0 br0 pa
	for name in v0 w0 int0 br0 pa nodev0 pbad tbad; do
		vsctl "$s" --columns=name,ofport,error,admin_state,link_state,link_resets,link_speed,duplex,mtu,mac_in_use,ifindex,status,statistics \
			list interface "$name"
	done
	vsctl "$s" --columns=is_connected,role,status list controller
	vsctl "$s" --columns=name,statistics list mirror
	vsctl "$s" --columns=cur_cfg,next_cfg,statistics,dpdk_initialized list open
}

# Changes at run time, with what is to be seen after each.
changes() {
	local s=$1
	echo "ofport: $(vsctl "$s" set interface v0 ofport_request=30 -- get interface v0 name; vsctl "$s" get interface v0 ofport)"
	vsctl "$s" set interface int0 mtu_request=1400
	echo "mtu: $(vsctl "$s" get interface int0 mtu)"
	vsctl "$s" clear interface int0 mtu_request
	vsctl "$s" set interface int0 'mac="02:00:00:00:aa:aa"'
	echo "mac: $(vsctl "$s" get interface int0 mac_in_use | tr : -)"
	vsctl "$s" set bridge br0 other-config:hwaddr=02:00:00:00:bb:bb
	echo "hwaddr: $(vsctl "$s" get interface br0 mac_in_use | tr : -) $(vsctl "$s" get bridge br0 datapath_id)"
	vsctl "$s" set bridge br0 other-config:datapath-id=00000000000000ff
	echo "datapath id: $(vsctl "$s" get bridge br0 datapath_id | tr -d '"' | sed 's/^0*/0x/')"
	vsctl "$s" set interface pbad options:peer=nosuch
	retry 8 bash -c "$(declare -f in_dir vsctl); declare -A SWITCH_NS=(); T=$T; vsctl $s get interface pbad error | grep peer > /dev/null"
	echo "patch mended: $(vsctl "$s" get interface pbad error ofport | tr '\n' ' ')"
	vsctl "$s" set interface tbad type=internal
	echo "type mended: $(vsctl "$s" get interface tbad error | tr '\n' ' ')"
	vsctl "$s" del-port br0 w0
	echo "mirror without output: $(vsctl "$s" get mirror m0 name)"
	# Two bridges claim one port: the database allows what ovs-vsctl does not.
	vsctl "$s" --no-wait -- --id=@p get port int0 -- add bridge br1 ports @p > /dev/null || true
	vsctl "$s" --timeout=5 set open . external_ids:a=b 2> /dev/null && echo "still answers"
	vsctl "$s" -- --id=@p get port int0 -- remove bridge br1 ports @p > /dev/null 2>&1
	echo "ports: $(vsctl "$s" list-ports br0 | tr '\n' ' ')"
}

declare -A uuid
for kind in stock weft; do
	veth v0 "$(ns_add "x$kind"; echo "x$kind")" p0
	veth w0 "x$kind" p1
	switch_start $kind $kind
	configure $kind 2>&1 | normalise > "$T/$kind.errors"
	sleep 6 # one round of statistics
	columns $kind 2>&1 | normalise > "$T/$kind.columns"
	vsctl $kind --columns=capabilities list datapath | grep -oE '[a-z0-9_]+=' | sort > "$T/$kind.capabilities"
	for c in "${same_commands[@]}"; do
		echo "=== $c"
		# shellcheck disable=SC2086
		appctl $kind $c 2>&1 || echo "error"
	done | normalise > "$T/$kind.commands"
	appctl $kind list-commands | awk 'NR > 1 { print $1 }' | sort > "$T/$kind.list"
	appctl $kind dpif/show-dp-features br0 | sed 's/:.*//' > "$T/$kind.features"
	changes $kind 2>&1 | normalise > "$T/$kind.changes"
	uuid[$kind]=$(vsctl $kind get bridge br1 _uuid datapath_id | tr '\n' ' ')
	daemon_stop $kind --cleanup
	ip -br link | awk '{ print $1 }' | sort > "$T/$kind.links"
	in_dir $kind ovs-appctl -t ovsdb-server exit
	ip netns del "x$kind"
	retry 5 bash -c '! ip link show v0' || true
done

# same NAME FILE: line by line, each difference named.
same() {
	local d
	if d=$(diff "$T/stock.$2" "$T/weft.$2"); then
		ok "$1"
	else
		fail "$1" "< stock, > weft: $(grep '^[<>]' <<< "$d" | head -n 6 | tr '\n' ';')"
	fi
}
same "ovs-vsctl reports the same errors" errors
same "every column has the same value" columns
same "Datapath.capabilities has the same keys" capabilities
same "the same features are listed" features
same "changes at run time have the same effect" changes
same "no device is left after exit --cleanup" links
for c in "${same_commands[@]}"; do
	for kind in stock weft; do
		awk -v c="=== $c" '$0 == c { p = 1; next } /^===/ { p = 0 } p' "$T/$kind.commands" > "$T/$kind.one"
	done
	same "appctl $c" one
done
missing=$(comm -23 "$T/stock.list" "$T/weft.list" | grep -vE '^dpif-netlink/dispatch-mode$' | tr '\n' ' ') || true
equal "every command of Open vSwitch is there" "" "$missing"

# The address of a bridge without devices of its own is made of its row's uuid, so that a swap of
# daemons keeps it.
dpid_of() { local u=$1; printf '"0000%02x%s%s%s%s%s"' $(((0x${u:6:2} & 0xfe) | 2)) "${u:4:2}" "${u:2:2}" "${u:0:2}" "${u:16:2}" "${u:14:2}"; }
for kind in stock weft; do
	read -r u id <<< "${uuid[$kind]}"
	equal "$kind: a bridge's id is made of its uuid" "$(dpid_of "$u")" "$id"
done
finish
