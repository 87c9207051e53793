#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
# 2000 long TCP connections and 500 sessions of UDP with traffic in the world of tests/lib/glb.sh, and what they notice of
# events: each alone, and a few pairs within a second of each other (WEFT_SEED chooses; --all-pairs: all of them,
# some 15 minutes).  Flows of a killed server may end, all others must not: neither reset nor answered by somebody
# else.  Times are printed and gate nothing.
#
#   tests/system/99-glb-events.sh [--all-pairs | EVENT[+EVENT]...]
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"
need curl ethtool bird

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
WEFTCTL=${WEFT_CTL:-$(dirname "$GLB")/../weftctl/weftctl}
FLOWS=${WEFT_GLB_LOAD:-$(dirname "$GLB")/../tests/unit/glb/glb_load}
GW=$T/gw
GW_PREFIX=gw
GW_BPF=/sys/fs/bpf
# A dead server is found after GW_TIMEOUT at the latest; a site is not taken for dead for one of them, nor is
# anybody for a stall of the machine: sessions of UDP, unlike connections, leave who does not answer at once.
# shellcheck disable=SC2034 # tests/lib/glb.sh reads them
GW_TIMEOUT=10000 GW_FALL=4 GW_EDGE_FALL=20
. "$ROOT/tests/lib/glb.sh"
[ -c /dev/net/tun ] || { skip 99-glb-events "no /dev/net/tun"; exit 0; }
N_TCP=2000 N_UDP=500 N_SHORT=20 # the last: connections at a time that are opened, ask once and are closed

# --- the table of events: what to do, what undoes it, whose flows may end ---------------------------

declare -A W=([eu-s1]=100 [eu-s2]=100 [eu-s3]=0) SITE=([eu]=100 [us]=100) OFF=() MAY_END=([server-killed]=eu-s1)
# The document as W and SITE say; hosts take it within a second.
place() {
	local r s list
	{
		echo '{ "sites": { "dc-eu": "10.80.255.1", "dc-us": "10.81.255.1" }, "servers": {'
		list=
		for r in eu us; do
			for s in s1 s2 s3; do
				list+=" \"$r-$s\": \"${GW_NET[$r]}.${GW_SUBNET[$s]}.2\","
			done
		done
		echo "${list%,} }, \"pools\": { \"web\": {"
		for r in eu us; do
			echo "\"dc-$r\": { \"weight\": ${SITE[$r]}, \"servers\": {"
			list=
			for s in s1 s2 s3; do
				list+=" \"$r-$s\": ${W[$r-$s]:-100},"
			done
			echo "${list%,} } }$([ $r = us ] || echo ,)"
		done
		echo '} } }'
	} > "$GW/wanted.json"
	"$WEFTCTL" glb place "$GW/wanted.json" "$GW/placement.json" > /dev/null
}
gw_wanted() { place; }
weight() { W[$1]=$2; place; }
site_weight() { SITE[$1]=$2; place; }
# Who loses power forgets what it knew: its maps go, too, and what it announced.
off() {
	OFF[$1]=1
	gw_off "$1"
	rm -rf "${GW_BPF:?}/$1"
	ip -n "$GW_PREFIX-$1" route flush table 119 2> /dev/null || true
}
on() {
	unset "OFF[$1]"
	gw_on "$1"
}
running() { ! is_gone "$(cat "$GW/$1.pid")"; }
# Daemons of hosts that have power.
kill_daemons() {
	local n
	for n in "$@"; do
		[ -n "${OFF[$n]:-}" ] || kill -9 "$(cat "$GW/$n.pid")" 2> /dev/null || true
	done
}
start_daemons() {
	local n
	for n in "$@"; do
		[ -n "${OFF[$n]:-}" ] || running "$n" || gw_glb "$n"
	done
}
# Their programs are loaded anew and replaced; a daemon that is dead at the moment can't.
reload() {
	local n pids=()
	for n in "$@"; do
		gw_ctl "$n" reload > /dev/null 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}" || true
}
upgrade() {
	local pid
	pid=$(cat "$GW/$1.pid")
	kill_daemons "$1"
	retry 10 is_gone "$pid"
	start_daemons "$1"
}
DAEMONS="eu-edge eu-lb2 eu-s1 eu-s2"
#      event                do                          undo
EVENTS="server-added         weight:eu-s3:100            weight:eu-s3:0
	server-drained       weight:eu-s2:0              weight:eu-s2:100
	server-killed        off:eu-s1                   on:eu-s1
	balancer-killed      off:eu-lb1                  on:eu-lb1
	balancer-upgraded    upgrade:eu-lb2              true
	edge-killed          off:eu-edge                 on:eu-edge
	edge-withdrawn       announce:withdraw           announce:announce
	site-drained         site_weight:eu:0            site_weight:eu:100
	weights-changed      weight:eu-s1:30             weight:eu-s1:100
	daemons-killed       kill_daemons:$DAEMONS       start_daemons:$DAEMONS
	programs-replaced    reload:$DAEMONS             reload:$DAEMONS
	drain-remembered     sessions_elsewhere          upgrade:eu-edge
	drain-looked-up      sessions_elsewhere          power_fails:eu-edge"
ALONE='drain-remembered\|drain-looked-up' # take long: the first is run only when named, the other one in no pair
# All flows are opened while the site drains, so the other one has them, and is to keep them; by the edge's next daemon, too, and by
# an edge that has nothing but the document.
sessions_elsewhere() {
	site_weight eu 0
	sleep 3
	kill -USR2 "$(cat "$T/load/pid")"
	sleep 1
	retry 60 all_open || fail "flows are opened while a site drains" "$(cat "$T/load/report")"
	site_weight eu 100
	sleep 3
}
power_fails() {
	off "$1"
	sleep 3
	on "$1"
}
announce() { gw_ctl eu-edge "$1" > /dev/null 2>&1 || true; }
event_names() { awk '{ print $1 }' <<< "$EVENTS"; }
# perform 'do'|undo EVENT
perform() {
	local line word words
	line=$(sed -n "s/^\s*$2\s\s*//p" <<< "$EVENTS")
	[ -n "$line" ] || { echo "no event is called $2; there are: $(event_names | tr '\n' ' ')" >&2; exit 2; }
	word=$(sed 's/\s\s\s*/\n/g' <<< "$line" | sed -n "$([ "$1" = "do" ] && echo 1 || echo 2)p")
	IFS=' :' read -ra words <<< "$word"
	"${words[@]}"
}

# --- what the flows noticed --------------------------------------------------------------------------

# One report of the flows, added to $T/seen.
report() {
	rm -f "$T/load/report"
	kill -USR1 "$(cat "$T/load/pid")"
	retry 20 test -e "$T/load/report"
	cat "$T/load/report" >> "$T/seen"
}
# quiet NAMES: in the last second all were answered soon, new connections, too, but for connections of NAMES.
quiet() {
	sleep 1
	report
	awk -v names=" $1 " '!($1 == "tcp" && index(names, " " $2 " ")) && $10 > 700 { bad = 1 } END { exit bad }' "$T/load/report"
}
# happens EVENTS: they do, one at once after the other, and are undone.
happens() {
	local all=$1 e may='' bad
	for e in ${all//+/ }; do
		may+=" ${MAY_END[$e]:-}"
	done
	: > "$T/seen"
	for e in ${all//+/ }; do
		perform 'do' $e
	done
	sleep 2 # the document is looked at each second
	retry 20 quiet "$may" || true
	for e in ${all//+/ }; do
		perform undo $e
	done
	sleep 2
	retry 60 quiet "" || true
	# What stood in for a dead server is known as long as it stays what it is; the next event is to find flows
	# where the document puts them.
	if [ -n "${may// /}" ] || [[ $all == *edge-killed* || $all == drain-* ]]; then
		kill -USR2 "$(cat "$T/load/pid")"
		retry 60 all_open || true
	fi
	bad=$(awk -v names=" $may " '$1 != "short" && $6 + $8 && index(names, " " $2 " ") == 0 {
		lost[$1 " of " $2] += $6; moved[$1 " of " $2] += $8 }
		END { for (k in lost) printf "%s: %d lost, %d moved; ", k, lost[k], moved[k] }' "$T/seen")
	if [ -n "$bad" ]; then
		fail "$all" "$bad"
	else
		ok "$all"
	fi
	awk -v names=" $may " -v name="$all" '
		{ if (index(names, " " $2 " ")) { if ($1 != "short") ended += $6 + $8 }
		  else { moved += ($1 == "udp") * $8; if ($10 > longest[$1]) longest[$1] = $10; if ($1 == "short") failed += $6 } }
		END { printf "# %-38s longest wait: tcp %5.2f s, udp %5.2f s, new connections %5.2f s%s%s%s\n", name,
		      longest["tcp"] / 1000, longest["udp"] / 1000, longest["short"] / 1000,
		      failed ? "; new connections that failed: " failed : "",
		      moved ? "; sessions of UDP that moved: " moved : "", ended ? "; ended with their server: " ended : "" }' "$T/seen"
}

all_open() {
	report
	[ "$(awk '$2 != "-" { n[$1] += $4 } END { print n["tcp"], n["udp"] }' "$T/load/report")" = "$N_TCP $N_UDP" ]
}

# --- the run -----------------------------------------------------------------------------------------

check "the world is up" gw_up
answered() { [ "$(gw_answers eu 15)" = "eu-s1 eu-s2" ]; }
check "the client gets the two servers of its region that have weight" retry 60 answered
balanced() { [ "$(ip -n $GW_PREFIX-eu-rt route show 10.80.255.1 | grep -c nexthop)" = 2 ]; }
check "the site's address comes from both balancers" retry 20 balanced
CLIENTS=10.80.0.2
for i in $(seq 3 17); do
	ip -n $GW_PREFIX-eu-cl addr add 10.80.0.$i/24 dev eth0
	CLIENTS+=" 10.80.0.$i"
done
mkdir "$T/load"
# shellcheck disable=SC2086
gw_in eu-cl "$FLOWS" hold $GW_VIP 80 $N_TCP $N_UDP $N_SHORT 500 "$T/load" $CLIENTS > "$T/load/log" 2>&1 &
retry 20 test -e "$T/load/pid"
check "$N_TCP connections and $N_UDP sessions are open" retry 60 all_open

mapfile -t names < <(event_names | grep -vx "$ALONE")
pairs=()
for ((i = 0; i < ${#names[@]}; i++)); do
	for ((k = i + 1; k < ${#names[@]}; k++)); do
		pairs+=("${names[i]}+${names[k]}")
	done
done
if [ "${1:-}" = --all-pairs ]; then
	for e in "${names[@]}" "${pairs[@]}"; do
		happens "$e"
	done
elif [ $# != 0 ]; then
	for e in "$@"; do
		happens "$e"
	done
else
	for e in "${names[@]}" drain-looked-up; do
		happens "$e"
	done
	RANDOM=${WEFT_SEED:-1}
	echo "# WEFT_SEED=${WEFT_SEED:-1}"
	for i in 1 2 3; do
		happens "${pairs[RANDOM % ${#pairs[@]}]}"
	done
fi
check "the flows are still held" kill -0 "$(cat "$T/load/pid")"
finish
