#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Tags that come and go by writes of NXM_OF_VLAN_TCI and OXM_OF_VLAN_VID, whose bit 12 says whether there is
# one: what leaves, and what a trace says, is what stock Open vSwitch makes of the same frames.  Each comes
# often enough for its later copies to find an entry of the flow cache.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
[ -x $STOCK_SWITCHD ] || { skip vlan-write "openvswitch-switch is not installed"; exit 0; }

for s in weft stock; do
	db_start $s
	vsctl $s --no-wait set Open_vSwitch . other_config:vlan-limit=2
	daemon_start $s $s --enable-dummy=override
	vsctl $s add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure protocols=OpenFlow10,OpenFlow13
	for p in p1 p2 p3; do
		vsctl $s add-port br0 $p -- set interface $p type=dummy ofport_request=${p#p} options:tx_pcap="$T/$s.$p.pcap"
	done
done

ADDRESSES=020000000002020000000001
# UDP, 10.0.0.1 to 10.0.0.2
PAYLOAD=0800450000200000000040116 # and the checksum's rest
PAYLOAD=${PAYLOAD}6cb0a0000010a00000203e807d0000c000061626364
FRAMES=(
	$ADDRESSES$PAYLOAD
	${ADDRESSES}8100600a$PAYLOAD
	${ADDRESSES}88a8200b$PAYLOAD
	${ADDRESSES}88a8200b8100600a$PAYLOAD
)
COPIES=4

# What leaves of all frames: "PORT FRAME", in any order.
sent() {
	local p
	for p in p1 p2 p3; do
		ovs-pcap "$T/$1.$p.pcap" 2> /dev/null | sed "s/^/$p /" | sort
	done
}
all_there() { [ "$(sent weft | wc -l)" -ge "$1" ] && [ "$(sent stock | wc -l)" -ge "$1" ]; }

N=0
VERSION=OpenFlow10
MATCH=ip
# case_of NAME N_OUT ACTIONS [FLOW...]: of each frame N_OUT copies are to leave, all in all; flows of table 1.
case_of() {
	local name=$1 n_out=$2 actions=$3 s frame i flow
	shift 3
	for s in weft stock; do
		ofctl $s del-flows br0
		ofctl $s -O $VERSION add-flow br0 "table=0,$MATCH,actions=$actions"
		ofctl $s -O $VERSION add-flow br0 "table=0,priority=1,ip,actions=2"
		for flow; do
			ofctl $s -O $VERSION add-flow br0 "table=1,$flow"
		done
	done
	for frame in "${FRAMES[@]}"; do
		# A megaflow of Open vSwitch's that takes all tags off does not look at how many there are.
		appctl stock dpctl/del-flows
		for ((i = 0; i < COPIES; i++)); do
			for s in weft stock; do
				appctl $s netdev-dummy/receive p1 "$frame" > /dev/null
			done
		done
	done
	N=$((N + n_out * ${#FRAMES[@]} * COPIES))
	retry 20 all_there $N || true
	for s in weft stock; do
		sent $s > "$T/$s.sent"
	done
	check "$name: what leaves" diff "$T/stock.sent" "$T/weft.sent"
	[ "$(wc -l < "$T/weft.sent")" = $N ] || fail "$name" "$(wc -l < "$T/weft.sent") packets, not $N"
	for frame in "${FRAMES[@]}"; do
		for s in weft stock; do
			appctl $s ofproto/trace br0 in_port=p1 "$frame" | tail -1
		done > "$T/traces"
		equal "$name: a trace of ${frame:24:8}" "$(sed -n 1p "$T/traces")" "$(sed -n 2p "$T/traces")"
	done
}

case_of "a tag written whole" 1 "load:0x3064->NXM_OF_VLAN_TCI[],2"
# A VID may be written where there is a tag.
VERSION=OpenFlow13
MATCH=ip,vlan_vid=0x1000/0x1000
case_of "a tag by its VID" 1 "set_field:0x1064->vlan_vid,2"
case_of "a VID that is none" 1 "load:0x0064->OXM_OF_VLAN_VID[],2"
case_of "a VID that is none, and then one" 1 "load:0x0064->OXM_OF_VLAN_VID[],set_field:0x1065->vlan_vid,2"
VERSION=OpenFlow10
MATCH=ip
case_of "a tag by its bit alone" 1 "load:1->NXM_OF_VLAN_TCI[12],2"
case_of "a priority without a tag" 1 "load:5->NXM_OF_VLAN_TCI[13..15],2"
case_of "a priority, and then a tag" 1 "load:5->NXM_OF_VLAN_TCI[13..15],load:1->NXM_OF_VLAN_TCI[12],2"
case_of "a priority, and then a VID that pushes" 1 "load:5->NXM_OF_VLAN_TCI[13..15],mod_vlan_vid:7,2"
case_of "no tag" 1 "load:0->NXM_OF_VLAN_TCI[],2"
case_of "no tag by its bit alone" 1 "load:0->NXM_OF_VLAN_TCI[12],2"
case_of "no tag, and then one" 1 "load:0->NXM_OF_VLAN_TCI[],load:0x1005->NXM_OF_VLAN_TCI[],2"
case_of "a tag, and then none" 1 "load:0x1005->NXM_OF_VLAN_TCI[],load:0->NXM_OF_VLAN_TCI[],2"
case_of "no tag, out, and then one" 2 "load:0->NXM_OF_VLAN_TCI[],2,load:0x1005->NXM_OF_VLAN_TCI[],3"
case_of "a tag, out, and then none" 2 "load:0x1005->NXM_OF_VLAN_TCI[],2,load:0->NXM_OF_VLAN_TCI[],3"
case_of "a tag, and off again by strip_vlan" 1 "load:0x1005->NXM_OF_VLAN_TCI[],strip_vlan,2"
case_of "no tag, and then strip_vlan" 1 "load:0->NXM_OF_VLAN_TCI[],strip_vlan,2"
case_of "moved from a register" 1 "load:0x7123->NXM_NX_REG0[],move:NXM_NX_REG0[0..15]->NXM_OF_VLAN_TCI[],2"
case_of "from the stack" 2 "push:NXM_OF_VLAN_TCI[],load:0x1009->NXM_OF_VLAN_TCI[],2,pop:NXM_OF_VLAN_TCI[],3"
case_of "in a clone" 2 "clone(load:0x1009->NXM_OF_VLAN_TCI[],2),3"
case_of "with other headers" 1 "load:0x1009->NXM_OF_VLAN_TCI[],dec_ttl,mod_dl_src:02:00:00:00:00:09,2"
case_of "matched behind the write" 1 "load:0x1009->NXM_OF_VLAN_TCI[],resubmit(,1)" "dl_vlan=9,actions=2" "priority=0,actions=3"
case_of "matched as untagged" 1 "load:0->NXM_OF_VLAN_TCI[],resubmit(,1)" "vlan_tci=0/0x1000,actions=2" "priority=0,actions=3"
VERSION=OpenFlow13
case_of "no tag, and then a push" 1 "load:0->NXM_OF_VLAN_TCI[],push_vlan:0x8100,mod_vlan_vid:6,2"
# Of three tags Open vSwitch would lose one.
unset 'FRAMES[3]'
case_of "a tag, and one more in front" 1 \
	"load:0->NXM_OF_VLAN_TCI[],load:0x1005->NXM_OF_VLAN_TCI[],push_vlan:0x88a8,load:9->NXM_OF_VLAN_TCI[0..11],2"
finish
