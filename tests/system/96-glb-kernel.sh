#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 900
#
# The balancer's programs on the oldest kernel that they are meant for: Linux 6.1 of Debian 12, in a guest without KVM.
# The guest is the one of the other tests (tests/lib/guest) with weft-glb and its libraries laid over it.
. "$(dirname "$0")/../lib/system.sh"
IMAGE=${WEFT_GUEST_IMAGE:-$ROOT/build/guest}
[ -n "${WEFT_ISOLATED:-}" ] || "$ROOT/tests/lib/guest/build.sh" "$IMAGE" ||
	{ skip 96-glb-kernel "the guest's kernel cannot be had"; exit 0; }
isolate "$@"
need qemu-system-x86_64 busybox

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
WEFTCTL=${WEFT_CTL:-$(dirname "$GLB")/../weftctl/weftctl}
GUEST=$ROOT/tests/lib/guest/guest

# --- weft-glb over the guest --------------------------------------------------------------------
root=$T/root
mkdir -p "$root/w" "$T/over"
SECOND=$(dirname "$GLB")/../tests/unit/glb
cp "$GLB" "$WEFTCTL" "$SECOND/xdp_second" "$SECOND/xdp_second.bpf.o" "$root/w/"
cp -r "$ROOT/yang" "$root/w/yang"
cp /usr/share/yang/modules/libyang/*.yang "$root/w/yang/" 2> /dev/null || true
for lib in /usr/lib/*/bpf/xdp-dispatcher.o; do
	mkdir -p "$root$(dirname "$lib")"
	cp "$lib" "$root$lib"
done
ldd "$GLB" "$WEFTCTL" "$SECOND/xdp_second" | awk '$2 == "=>" { print $3 } $1 ~ /^\/lib.*ld-/ { print $1 }' | sort -u |
	while read -r lib; do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
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
chmod 755 "$root/w/run"
mkdir -p "$T/boot"
cp "$IMAGE/vmlinuz" "$T/boot/"
# The kernel takes archives one behind the other.
{ cat "$IMAGE/initrd.gz"; (cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null | gzip -1); } > "$T/boot/initrd.gz"

if ! "$GUEST" start "$T/boot" "$T/vm" glb none memory=512 2> "$T/start.log"; then
	skip 96-glb-kernel "the guest does not start: $(tail -n 3 "$T/start.log" | tr '\n' ' ')"
	exit 0
fi
# The verifier takes its time without KVM.
"$GUEST" sh "$T/vm" glb '(sh /w/run > /w/out 2>&1; echo $? > /w/code.new; mv /w/code.new /w/code) > /dev/null 2>&1 &' > /dev/null || true
retry 800 "$GUEST" sh "$T/vm" glb 'test -e /w/code' > /dev/null || true
code=$("$GUEST" sh "$T/vm" glb 'cat /w/code' | tr -d '[:space:]')
said=$("$GUEST" sh "$T/vm" glb 'cat /w/out')
if [ "$code" = 0 ]; then
	ok "all programs load and attach on Linux $(tail -n 1 <<< "$said")"
else
	fail "all programs load and attach" "$said"
fi
check "the guest's kernel is 6.1" eval '[[ $said == *$'\''\n'\''6.1.* ]]'
check "the document is in force there" eval '[[ $said == *"document: 1 "* ]]'
for what in "alone: ping" "order: glb_entry second" "chained: no ping" "without: ping" "order: second glb_entry" \
	", 0% packet loss" "passed" "left: second xdp"; do
	check "chained by libxdp: $what" eval '[[ $said == *"$what"* ]]'
done
[ "$N_FAILED" = 0 ] || sed 's/^/# /' <<< "$said"
"$GUEST" stop "$T/vm" glb
finish
