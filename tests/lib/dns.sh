# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests of the name server, beside system.sh: the server runs in the namespace srv with its files in
# $T, its configuration is $T/dns.json, a client is in cli.

dnsd_of() {
	local p
	for p in "${WEFT_DNSD:-}" "$ROOT/build/dns/weft-dnsd"; do
		[ -n "$p" ] && [ -x "$p" ] && { realpath "$p"; return; }
	done
	echo "no name server: build weft first (./weft build) or set WEFT_DNSD" >&2
	return 1
}

# weftctl of the same build folder.
dns_ctl() { OVS_RUNDIR=$T "$(dirname "$(dirname "$(dnsd_of)")")/weftctl/weftctl" "$@"; }

dns_network() {
	mkdir -p "$T/run"
	ns_add srv cli
	ip link add eth0 netns srv type veth peer name eth0 netns cli
	ip -n srv addr add 10.9.0.1/24 dev eth0
	ip -n srv addr add fd09::1/64 dev eth0 nodad
	ip -n cli addr add 10.9.0.2/24 dev eth0
	ip -n cli addr add fd09::2/64 dev eth0 nodad
	ip -n srv link set eth0 up
	ip -n cli link set eth0 up
}

dns_start() {
	ASAN_OPTIONS=detect_leaks=${WEFT_LEAKS:-0}:abort_on_error=1:log_path="$T/run/asan" \
		UBSAN_OPTIONS=print_stacktrace=1:log_path="$T/run/ubsan" \
		OVS_RUNDIR=$T OVS_LOGDIR=$T OVS_SYSLOG_METHOD=null timeout --foreground 60 \
		ip netns exec srv "$(dnsd_of)" -vconsole:off --pidfile --detach --no-chdir \
		--log-file="$T/weft-dnsd.log" "$T/dns.json" "$@"
}

dns_stop() {
	local pid
	pid=$(cat "$T/weft-dnsd.pid")
	kill "$pid"
	retry 20 is_gone "$pid"
}

# Warnings and errors, but for what a failed reload says.
dns_log_is_clean() { ! grep -E '\|(WARN|ERR|EMER)\|' "$T/weft-dnsd.log" | grep -v 'reload:'; }

dns_ask() { ip netns exec cli dig +time=10 +tries=3 "$@"; }
dns_rcode() { dns_ask "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'; }

# contains TEXT COMMAND...: what it prints has the text in it.
contains() {
	local want=$1 out
	shift
	out=$("$@" 2>&1) || true
	[[ $out == *"$want"* ]] || { echo "no '$want' in: $out"; return 1; }
}

# fails_with TEXT COMMAND...: it fails, and says so.
fails_with() {
	local want=$1 out
	shift
	if out=$("$@" 2>&1); then echo "it did not fail"; return 1; fi
	[[ $out == *"$want"* ]] || { echo "no '$want' in: $out"; return 1; }
}

# equal_out TEXT COMMAND...
equal_out() {
	local want=$1 out
	shift
	out=$("$@" 2>&1) || true
	[ "$out" = "$want" ] || { echo "wanted '$want', got '$out'"; return 1; }
}

# A veth device takes frames that the other end sends from its driver only while it has a program itself.
dns_xdp_client() {
	clang -target bpf -O2 -g -idirafter "/usr/include/$(uname -m)-linux-gnu" -c "$ROOT/tests/lib/xdp_pass.bpf.c" -o "$T/xdp_pass.o" &&
		ip -n cli link set dev eth0 xdp obj "$T/xdp_pass.o" sec xdp
}

# dns_counter NAME
dns_counter() { dns_ctl dns counters | awk -v name="$1" '$1 == name { print $2 }'; }

# knot_head: how a configuration of Knot in cli begins; it knows the key xfr, whose secret is $SECRET.
knot_head() {
	cat <<-END
	server:
	  listen: 10.9.0.2@5302
	  rundir: $T/knot
	database:
	  storage: $T/knot
	key:
	  - id: xfr
	    algorithm: hmac-sha256
	    secret: $SECRET
	END
}
