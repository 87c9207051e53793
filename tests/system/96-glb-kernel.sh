#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 900
#
# The balancer's programs on the oldest kernel that they are meant for: Linux 6.1 of Debian 12, in a guest without KVM.
# The guest is the one of the other tests (tests/lib/guest) with weft-glb and its libraries laid over it.
. "$(dirname "$0")/../lib/system.sh"
. "$ROOT/tests/lib/guest_kernel.sh"
kernel_guest_image
isolate "$@"
need qemu-system-x86_64 busybox

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
WEFTCTL=${WEFT_CTL:-$(dirname "$GLB")/../weftctl/weftctl}

# --- weft-glb over the guest --------------------------------------------------------------------
SECOND=$(dirname "$GLB")/../tests/unit/glb
kernel_guest_lay "$GLB" "$WEFTCTL" "$SECOND/xdp_second"
cp "$SECOND/xdp_second.bpf.o" "$root/w/"
for lib in /usr/lib/*/bpf/xdp-dispatcher.o; do
	mkdir -p "$root$(dirname "$lib")"
	cp "$lib" "$root$lib"
done
cat > "$root/w/wanted.json" <<-'END'
	{ "sites":   { "dc1": "10.1.0.2", "dc2": "10.2.0.2" },
	  "servers": { "s1": "10.1.1.2", "s2": "10.1.2.2" },
	  "pools":   { "web": { "dc1": { "weight": 100, "servers": { "s1": 100, "s2": 100 } },
	                        "dc2": { "weight": 100, "servers": { "s1": 100 } } } } }
	END
cat > "$root/w/glb.json" <<-'END'
	{ "weft-glb:glb": {
	  "placement": "/w/placement.json", "pin": "/sys/fs/bpf/glb", "max-slots": 4096,
	  "address": ["10.1.0.2", "2001:db8::2"],
	  "interface": [ { "name": "lo" } ],
	  "edge": {}, "local": { "site": "dc1" }, "host": { "address": "10.1.1.2" },
	  "vip": [ { "address": "203.0.113.10", "protocol": "tcp", "port": 80, "pool": "web" },
	           { "address": "2001:db8:f::10", "protocol": "tcp", "port": 80, "pool": "web" } ] } }
	END
cat > "$root/w/run" <<-'END'
	#!/bin/sh
	# Loads, attaches, shows.  What the kernel had against a program is in the log.
	cd /w
	export WEFT_YANGDIR=/w/yang WEFT_RUNDIR=/w
	mount -t bpf none /sys/fs/bpf || exit 1
	./weftctl glb place wanted.json placement.json || exit 1
	./weft-glb --detach --no-chdir --pidfile=/w/pid --log-file=/w/log --unixctl=/w/ctl -vconsole:off glb.json || {
		tail -n 40 /w/log
		exit 1
	}
	./weftctl --target=/w/ctl glb show
	for i in 1 2; do
		./weftctl --target=/w/ctl glb reload || exit 1
	done
	uname -r > version
	# With another program on the device, which drops ICMP, by libxdp.
	ifconfig lo 127.0.0.1 up
	ping -c 1 -W 5 127.0.0.1 > /dev/null && echo alone: ping
	./weftctl --target=/w/ctl glb stop && sleep 1
	./weft-glb --remove glb.json || exit 1
	sed 's/"name": "lo"/"name": "lo", "attach": "libxdp"/' glb.json > chained.json
	./xdp_second attach lo xdp_second.bpf.o 90 || exit 1
	./weft-glb --detach --no-chdir --pidfile=/w/pid --overwrite-pidfile --log-file=/w/log --unixctl=/w/ctl -vconsole:off chained.json || {
		tail -n 40 /w/log
		exit 1
	}
	echo order: $(./xdp_second list lo)
	ping -c 1 -W 5 127.0.0.1 > /dev/null || echo chained: no ping
	ping -6 -c 20 ::1 > ping6 &
	./weftctl --target=/w/ctl glb reload || exit 1
	./xdp_second detach lo second && ping -c 1 -W 5 127.0.0.1 > /dev/null && echo without: ping
	./xdp_second attach lo xdp_second.bpf.o 10
	echo order: $(./xdp_second list lo)
	wait
	grep loss ping6
	./weftctl --target=/w/ctl glb top | grep passed
	./weftctl --target=/w/ctl glb stop && sleep 1
	./weft-glb --remove chained.json || exit 1
	echo left: $(./xdp_second list lo) $(ls /sys/fs/bpf)
	cat version
	END
kernel_guest_run 800 glb "all programs load and attach"
check "the document is in force there" eval '[[ $said == *"document: 1 "* ]]'
for what in "alone: ping" "order: glb_entry second" "chained: no ping" "without: ping" "order: second glb_entry" \
	", 0% packet loss" "passed" "left: second xdp"; do
	check "chained by libxdp: $what" eval '[[ $said == *"$what"* ]]'
done
[ "$N_FAILED" = 0 ] || sed 's/^/# /' <<< "$said"
kernel_guest_stop glb
finish
