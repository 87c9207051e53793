#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The Debian packages that weft and its tests need, by purpose, and how they are installed:
#   tests/lib/packages.sh GROUP...     installs what is missing of these groups
# No question is asked, no service is started by an installation, and a machine that has all of
# them is left after a fraction of a second without a look at the network.
# WEFT_NO_INSTALL=1: nothing is installed; what is missing is named and the exit code is 1.

weft_packages() {
	case $1 in
	build)
		echo clang gcc meson ninja-build pkg-config libbpf-dev libdpdk-dev libjansson-dev libcmocka-dev libmaxminddb-dev \
			libnghttp2-dev libnl-3-dev libnl-route-3-dev libssl-dev libuv1-dev \
			libldns-dev libmicrohttpd-dev libxdp-dev libyang2-dev ccache
		;;
	clang)	# the second compiler, and the libraries of its sanitizers and fuzzer
		echo clang libclang-rt-14-dev
		;;
	run)	# what a host with weft-switchd has: the stock database and clients
		echo openvswitch-switch openvswitch-common iproute2
		;;
	guest)	# two QEMU guests
		echo qemu-system-x86 busybox-static kmod iputils-ping
		;;
	lab)	# ./weft up
		echo bind9-dnsutils bird2 curl iperf3 iputils-ping ethtool procps python3
		;;
	suite)	# Open vSwitch's own test suites
		echo openvswitch-source openvswitch-switch openvswitch-common openvswitch-pki \
			openvswitch-testcontroller python3-openvswitch iproute2 iputils-ping ethtool \
			tcpdump ncat wget curl lftp net-tools netbase python3-pyftpdlib \
			python3-setuptools openssl bc procps
		;;
	dns)	# the name servers and clients that ours is held against
		echo bind9 bind9-dnsutils dnsperf fstrm-bin gdnsd knot knot-dnsutils knot-module-geoip nsd zonemaster-cli
		;;
	system)	# tests/system and tests/bench
		echo openvswitch-testcontroller openvswitch-switch-dpdk python3-os-ken python3-scapy tcpdump iperf3 \
			bind9-dnsutils bird2 bpftool curl iputils-ping ethtool ncat nghttp2-server procps python3-grpcio
		;;
	*)
		echo "packages.sh: no group '$1'" >&2
		return 2
		;;
	esac
}

# weft_missing GROUP...: prints the packages of the groups that are not installed.
weft_missing() {
	local want=() g list
	for g in "$@"; do
		list=$(weft_packages "$g") || return
		read -ra list <<< "$(tr '\n' ' ' <<< "$list")"
		want+=("${list[@]}")
	done
	# dpkg-query fails when it does not know a package: that one is missing then.
	{ dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "${want[@]}" 2>/dev/null || true; } |
		awk -v want="${want[*]}" '
			$2 == "ii" { have[$1] = 1 }
			END {
				n = split(want, w, " ")
				for (i = 1; i <= n; i++)
					if (!(w[i] in have) && !seen[w[i]]++)
						print w[i]
			}'
}

# weft_install GROUP...: installs what is missing.  A policy of our own keeps the services of the
# packages (Open vSwitch's daemons above all) from starting on this machine; the machine's own
# policy, if any, is back afterwards.
weft_install() {
	local missing policy=/usr/sbin/policy-rc.d saved=''
	missing=$(weft_missing "$@") || return
	[ -n "$missing" ] || return 0
	if [ -n "${WEFT_NO_INSTALL:-}" ]; then
		echo "not installed: $(tr '\n' ' ' <<< "$missing")" >&2
		return 1
	fi
	[ "$(id -u)" = 0 ] || { echo "root is needed to install:" $missing >&2; return 1; }
	echo "installing:" $missing

	(
		if [ -e $policy ] || [ -L $policy ]; then
			saved=$(mktemp -u $policy.weft-saved.XXXXXX)
			mv $policy "$saved"
		fi
		trap 'rm -f $policy; [ -z "$saved" ] || mv "$saved" $policy' EXIT
		trap 'exit 130' INT TERM
		printf '#!/bin/sh\nexit 101\n' > $policy
		chmod 755 $policy
		weft_apt_install $missing
	)
}

weft_apt_install() {
	local log=/var/log/weft-apt.log
	local -a apt=(apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
	# The package lists of a fresh machine may be absent or older than the archive: one update, and
	# only when the first attempt fails.
	"${apt[@]}" install --no-install-recommends "$@" >> $log 2>&1 < /dev/null && return 0
	"${apt[@]}" update >> $log 2>&1 < /dev/null || true
	"${apt[@]}" install --no-install-recommends "$@" >> $log 2>&1 < /dev/null && return 0
	echo "apt-get install failed; the end of $log:" >&2
	tail -n 15 $log >&2
	return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -euo pipefail
	weft_install "$@"
fi
