# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Library of the system tests (tests/system/*.sh).  A test is a program that prints one line a
# case:  "ok NAME",  "not ok NAME: WHY"  or  "skipped NAME: WHY",  and exits with 1 if one was not ok.
#
#   . "$(dirname "$0")/../lib/system.sh"
#   isolate "$@"                     own network, mount and PID namespaces; T is the work folder
#   ns_add a b                       network namespaces (of this test only)
#   switch_start s1                  ovsdb-server and weft-switchd in the folder $T/s1
#   switch_start s2 stock            the same with Debian's ovs-vswitchd
#   vsctl s1 add-br br0 ...          ovs-vsctl of that switch; likewise ofctl, appctl
#   port s1 br0 a 10.0.0.1/24        a veth from bridge br0 into namespace a (device eth0 there)
#   check "what is checked" command...
#   finish
#
# All that runs inside dies with the test's PID namespace, also on ^C or a time limit, and the
# namespaces, devices and mounts go with it; nothing has to be undone by hand.

# Behind a pipe grep -q would end the writer by SIGPIPE now and then and so fail: grep ... > /dev/null.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STOCK_SWITCHD=/usr/lib/openvswitch-switch/ovs-vswitchd
N_FAILED=0

# --- isolation -----------------------------------------------------------------------------------

isolate() {
	if [ -z "${WEFT_ISOLATED:-}" ]; then
		[ "$(id -u)" = 0 ] || { echo "skipped $(basename "$0"): root is needed"; exit 0; }
		export WEFT_ISOLATED=1
		# The kernel kills PID 1 of the namespace, and with it everything in it, when the
		# parent ends however that happens.
		exec setpriv --pdeathsig KILL unshare --net --mount --pid --fork --mount-proc \
			--kill-child=KILL bash "$0" "$@"
	fi
	unset WEFT_ISOLATED
	mkdir -p /run/netns /run/openvswitch
	mount -t tmpfs none /run/netns
	mount -t tmpfs none /run/openvswitch
	mount -t sysfs sysfs /sys	# shows the namespace in which it was mounted
	ip link set lo up
	T=$(mktemp -d "/tmp/weft-$(basename "$0" .sh).XXXXXX")
	trap at_exit EXIT
	trap 'exit 130' INT TERM
}

at_exit() {
	local rc=$?
	trap - EXIT
	if [ $rc != 0 ] && [ "$N_FAILED" = 0 ]; then
		echo "not ok $(basename "$0"): ended early with code $rc${LAST_LINE:+ near line $LAST_LINE}"
	fi
	if [ $rc != 0 ] || [ "$N_FAILED" != 0 ]; then
		# What the daemons had to say is worth more than a clean /tmp.
		echo "# logs: $T"
		[ $rc != 0 ] || rc=1
	else
		rm -rf --one-file-system "$T"
	fi
	exit $rc
}
trap 'LAST_LINE=$LINENO' ERR

finish() {
	local f
	# A daemon that was built with sanitizers writes what they find next to its log.
	for f in "$T"/*/asan.* "$T"/*/ubsan.* "$T"/*/tsan.*; do
		[ -e "$f" ] || continue
		fail "no finding of a sanitizer" "$(grep -m 4 -E 'ERROR|WARNING|SUMMARY|runtime error|    #[0-3] ' "$f" | tr '\n' ' ')"
	done
	[ "$N_FAILED" = 0 ]
	exit
}

# --- results -------------------------------------------------------------------------------------

ok() { echo "ok $1"; }

fail() {
	N_FAILED=$((N_FAILED + 1))
	echo "not ok $1: ${2:-}"
}

# skip NAME WHY: the case cannot run here.
skip() { echo "skipped $1: $2"; }

# check NAME COMMAND...: ok if the command succeeds, else not ok with the end of its output.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$name"
	else
		fail "$name" "$* failed: $(tail -n 3 <<< "$out" | tr '\n' ' ')"
	fi
}

# equal NAME WANTED GOT
equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		fail "$1" "wanted '$2', got '$3'"
	fi
}

# take_results FILE: the lines of a test program that says "ok ..." and "not ok ...: ..." itself, and
# "# end" when it has run all of its cases.
take_results() {
	local line
	while IFS= read -r line; do
		case $line in
		"not ok "*) fail "$(sed 's/^not ok \([^:]*\):.*/\1/' <<< "$line")" "${line#*: }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done < "$1"
	check "all cases were run" grep -q '^# end' "$1"
}

# retry SECONDS COMMAND...: until it succeeds; false after that time.
retry() {
	local end=$((SECONDS + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

need() {
	local p
	for p in "$@"; do
		command -v "$p" > /dev/null || { skip "$(basename "$0")" "$p is not installed"; exit 0; }
	done
}

# --- networks ------------------------------------------------------------------------------------

ns_add() {
	local n
	for n in "$@"; do
		ip netns add "$n"
		ip -n "$n" link set lo up
	done
}

# veth DEVICE NAMESPACE DEVICE-THERE [ADDRESS/LEN...]: a veth pair from here into a namespace.
veth() {
	local here=$1 ns=$2 there=$3 a
	shift 3
	ip link add "$here" type veth peer name "$there" netns "$ns"
	ip link set "$here" up
	for a in "$@"; do
		ip -n "$ns" addr add "$a" dev "$there" $([[ $a == *:* ]] && echo nodad)
	done
	ip -n "$ns" link set "$there" up
	# For trying a test with stock Open vSwitch, whose userspace path loses such packets.
	[ -z "${OFFLOADS_OFF:-}" ] || ip netns exec "$ns" ethtool -K "$there" tx off > /dev/null
}

# port SWITCH BRIDGE NAMESPACE ADDRESS/LEN [ovs-vsctl words after add-port, e.g. tag=10]
port() {
	local s=$1 br=$2 ns=$3 addr=$4
	shift 4
	veth "v-$ns" "$ns" eth0 $addr
	vsctl "$s" add-port "$br" "v-$ns" "$@"
}

# --- switches ------------------------------------------------------------------------------------

# Prints the daemon under test.
switchd() {
	local p
	for p in "${WEFT_SWITCHD:-}" "$ROOT/build/bin/ovs-vswitchd"; do
		[ -n "$p" ] && [ -x "$p" ] && { echo "$p"; return; }
	done
	echo "no daemon: build weft first (./weft build) or set WEFT_SWITCHD" >&2
	return 1
}

# SWITCH_NS[s]=NAME before switch_start: that switch lives in the namespace NAME.  Two stock daemons
# need this, since each makes a device ovs-netdev.
declare -A SWITCH_NS=()

# in_dir SWITCH COMMAND...: runs a client against that switch.
in_dir() {
	local d=$T/$1 ns=${SWITCH_NS[$1]:-}
	shift
	OVS_RUNDIR=$d OVS_DBDIR=$d OVS_LOGDIR=$d OVS_SYSCONFDIR=$d OVS_SYSLOG_METHOD=null \
		timeout --foreground "${CLIENT_LIMIT:-30}" ${ns:+ip netns exec "$ns"} "$@"
}
vsctl() { local s=$1; shift; in_dir "$s" ovs-vsctl --timeout=20 "$@"; }
ofctl() { local s=$1; shift; in_dir "$s" ovs-ofctl "$@"; }
appctl() { local s=$1; shift; in_dir "$s" ovs-appctl --timeout=20 "$@"; }

# veth_ports SWITCH BRIDGE N: port I of the bridge is pI, and hI is its other end; all are up.
veth_ports() {
	local i
	for ((i = 1; i <= $3; i++)); do
		ip link add "p$i" type veth peer name "h$i"
		ip link set "p$i" up
		ip link set "h$i" up
		vsctl "$1" add-port "$2" "p$i" -- set interface "p$i" ofport_request="$i"
	done
}

db_start() {
	local d=$T/$1
	mkdir -p "$d"
	[ -e "$d/conf.db" ] || ovsdb-tool create "$d/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	in_dir "$1" ovsdb-server -vconsole:off "$d/conf.db" --remote="punix:$d/db.sock" --pidfile \
		--detach --no-chdir --log-file="$d/ovsdb-server.log"
	vsctl "$1" --no-wait init
	# For trying a test with another daemon, e.g. WEFT_OTHER_CONFIG='dpdk-extra="--no-huge -m 512"'
	[ -z "${WEFT_OTHER_CONFIG:-}" ] ||
		vsctl "$1" --no-wait set Open_vSwitch . "other_config:$WEFT_OTHER_CONFIG"
}

# daemon_start SWITCH [weft|stock] [arguments]: (re)starts only the daemon.
daemon_start() {
	local d=$T/$1 kind=${2:-weft} s=$1 bin
	shift; [ $# = 0 ] || shift
	if [ "$kind" = stock ]; then bin=$STOCK_SWITCHD; else bin=$(switchd); fi
	# Started under the name by which ovs-ctl and the clients know it.
	mkdir -p "$d/bin-$kind"
	ln -sfn "$(realpath "$bin")" "$d/bin-$kind/ovs-vswitchd"
	ASAN_OPTIONS=detect_leaks=${WEFT_LEAKS:-0}:abort_on_error=1:log_path="$d/asan" \
		UBSAN_OPTIONS=print_stacktrace=1:log_path="$d/ubsan" \
		TSAN_OPTIONS="exitcode=0:log_path=$d/tsan:suppressions=$ROOT/tests/lib/tsan.supp" \
		in_dir "$s" "$d/bin-$kind/ovs-vswitchd" -vconsole:off "unix:$d/db.sock" --disable-system \
		--pidfile --detach --no-chdir --log-file="$d/ovs-vswitchd.log" "$@"
}

daemon_pid() { cat "$T/$1/ovs-vswitchd.pid"; }

# daemon_stop SWITCH [--cleanup]
daemon_stop() {
	local s=$1 pid
	shift
	pid=$(daemon_pid "$s")
	appctl "$s" -t ovs-vswitchd exit "$@"
	retry 10 is_gone "$pid"
}

is_gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1")" = Z ]; }

switch_start() {
	local s=$1
	db_start "$s"
	daemon_start "$@"
}

# alive SWITCH: the daemon answers.
alive() { appctl "$1" -t ovs-vswitchd version > /dev/null; }

# sanitized: the daemon under test carries sanitizers, so its memory says nothing.
sanitized() { nm -D "$(switchd)" 2> /dev/null | grep __asan_init > /dev/null; }

# log_is_clean SWITCH: no warning or error in the daemon's log.
log_is_clean() { ! grep -E '\|(WARN|ERR|EMER)\|' "$T/$1/ovs-vswitchd.log"; }

# rss_kb PID
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# can_ping NAMESPACE ADDRESS
can_ping() { ip netns exec "$1" ping -n -q -c 3 -i 0.2 -w 3 "$2" > /dev/null; }
cannot_ping() { ! ip netns exec "$1" ping -n -q -c 2 -i 0.2 -w 1 "$2" > /dev/null; }
