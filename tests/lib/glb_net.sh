# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the tests of the balancer share (after system.sh): namespaces behind a router, daemons, commands.
#   router                            namespace rt, which forwards
#   node NAME SUBNET                  a namespace behind it: 10.SUBNET.2 and 2001:db8:SUBNET::2
#   segment NET NAME...               one network 10.NET.0/24 (router .1) with the namespaces at .2, .3, ...
#   direct_return NAME ADDRESS...     a server: VIPs, or prefixes of them, on lo
#   upload ADDRESS                    30000 bytes from cl
#   start NAME; ctl NAME COMMAND...; place ARGUMENTS; in_force NUMBER NAME...
#   becomes_older NAME ABI PIN...     the daemon ends; what it pinned is that of a weft-glb with other maps
#   programs_are_run PROGRAM          its results; it runs BPF programs

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
WEFTCTL=${WEFT_CTL:-$(dirname "$GLB")/../weftctl/weftctl}
FLOWS=$ROOT/tests/system/glb_flows.py

router() {
	ns_add rt
	ip netns exec rt sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
}

# Encapsulated packets carry whole checksums only if their sender computed them.
whole_packets() { ip netns exec "$1" ethtool -K "$2" tx off gro off > /dev/null; }

node() {
	local n=$1 net=$2 six=2001:db8:${2/./:}
	ns_add "$n"
	ip -n rt link add name "$n" mtu 1700 type veth peer name eth0 netns "$n" mtu 1700
	ip -n rt addr add "10.$net.1/24" dev "$n"
	ip -n rt addr add "$six::1/64" dev "$n" nodad
	ip -n "$n" addr add "10.$net.2/24" dev eth0
	ip -n "$n" addr add "$six::2/64" dev eth0 nodad
	ip -n rt link set dev "$n" up
	ip -n "$n" link set eth0 up
	ip -n "$n" route add default via "10.$net.1"
	ip -n "$n" route add default via "$six::1"
	whole_packets "$n" eth0
	whole_packets rt "$n"
}

segment() {
	local net=$1 i=2 n six=2001:db8:${1/./:}
	shift
	ip -n rt link add br2 mtu 1700 type bridge
	ip -n rt link set br2 up
	ip -n rt addr add "10.$net.1/24" dev br2
	ip -n rt addr add "$six::1/64" dev br2 nodad
	for n in "$@"; do
		ns_add "$n"
		ip -n rt link add name "$n" mtu 1700 type veth peer name eth0 netns "$n" mtu 1700
		ip -n rt link set dev "$n" master br2 up
		ip -n "$n" link set eth0 up
		ip -n "$n" addr add "10.$net.$i/24" dev eth0
		ip -n "$n" addr add "$six::$i/64" dev eth0 nodad
		ip -n "$n" route add default via "10.$net.1"
		ip -n "$n" route add default via "$six::1"
		whole_packets "$n" eth0
		whole_packets rt "$n"
		i=$((i + 1))
	done
}

# A server of direct return: VIPs on lo, nothing announced.
direct_return() {
	local n=$1 a
	shift
	for a in "$@"; do
		case $a in
		*/*) ip -n "$n" route add local "$a" dev lo ;;
		*) ip -n "$n" addr add "$a" dev lo ;;
		esac
	done
	ip netns exec "$n" sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
		net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
}

# ip netns exec would hide the pinned maps behind a /sys of its own.
start() {
	nsenter --net="/run/netns/$1" "$GLB" --pidfile="$T/$1.pid" --overwrite-pidfile --detach --no-chdir \
		--log-file="$T/$1.log" --unixctl="$T/$1.ctl" -vconsole:off "$T/$1.json"
}
ctl() { local n=$1; shift; "$WEFTCTL" --target="$T/$n.ctl" glb "$@"; }
place() { "$WEFTCTL" glb place "$@" "$T/wanted.json" "$T/placement.json"; }
in_force() {
	local number=$1 n
	shift
	for n in "$@"; do
		[[ $(ctl "$n" show) == *"document: $number "* ]] || return 1
	done
}
# count NAME WORD: packets of that line of top.
count() { ctl "$1" top | awk -v w="$2" '$2 == w { n = $3 } END { print n + 0 }'; }
# upload ADDRESS: the client cl sends 30000 bytes, in full segments, and is answered for each.
upload() {
	ip netns exec cl /usr/bin/python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 10)
s.settimeout(10)
s.sendall(b"x" * 30000)
n = 0
while n < 30000:
    got = s.recv(65536)
    if not got: sys.exit("closed after %d" % n)
    n += got.count(b"\n")
' "$1"
}
# becomes_older NAME ABI PIN...: patterns of what is pinned under /sys/fs/bpf/NAME; "-1" is the GLB_ABI before ours.
becomes_older() {
	local n=$1 abi=$2 now older pin pid
	pid=$(cat "$T/$1.pid")
	shift 2
	now=$(echo "/sys/fs/bpf/$n"/abi*)
	[ "$abi" != -1 ] || abi=$((${now##*abi} - 1))
	older=${now%abi*}abi$abi
	kill "$pid"
	retry 20 is_gone "$pid" || true
	mkdir "$older"
	for pin in "$@"; do
		# shellcheck disable=SC2086 # a pattern
		mv "$now"/$pin "$older"/
	done
	check "a data path of a weft-glb with other maps is taken over" start "$n"
	check "its pins are gone" test ! -e "$older"
}
programs_are_run() {
	mount -t bpf none /sys/fs/bpf
	"$1" > "$T/out" 2> "$T/err" || fail "the programs are run" "$(cat "$T/err")"
	take_results "$T/out"
}
