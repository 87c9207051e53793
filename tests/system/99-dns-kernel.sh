#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
# The name server's program in the driver on the oldest kernel that it is meant for: Linux 6.1 of Debian 12, in a guest
# without KVM, which is the one of the other tests (tests/lib/guest) with weft-dnsd and its libraries laid over it.
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
IMAGE=${WEFT_GUEST_IMAGE:-$ROOT/build/guest}
[ -n "${WEFT_ISOLATED:-}" ] || "$ROOT/tests/lib/guest/build.sh" "$IMAGE" ||
	{ skip 99-dns-kernel "the guest's kernel cannot be had"; exit 0; }
isolate "$@"
need qemu-system-x86_64 busybox

DNSD=$(dnsd_of)
WEFTCTL=$(dirname "$DNSD")/../weftctl/weftctl
GUEST=$ROOT/tests/lib/guest/guest

root=$T/root
mkdir -p "$root/w"
cp "$DNSD" "$WEFTCTL" "$root/w/"
cp -r "$ROOT/yang" "$root/w/yang"
cp /usr/share/yang/modules/libyang/*.yang "$root/w/yang/" 2> /dev/null || true
ldd "$DNSD" "$WEFTCTL" | awk '$2 == "=>" { print $3 } $1 ~ /^\/lib.*ld-/ { print $1 }' | sort -u |
	while read -r lib; do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done
cat > "$root/w/example.com.zone" <<-'END'
	$TTL 300
	@ SOA ns1 admin 1 3600 900 604800 60
	@ NS ns1
	ns1 A 127.0.0.1
	END
echo "10.1.0.0/16 us" > "$root/w/map"
cat > "$root/w/dns.json" <<-'END'
	{ "weft-dns:dns": {
	  "listen": ["127.0.0.1"], "xdp": { "device": ["lo"] }, "state-folder": "/w",
	  "location": { "map-file": ["map"], "default-region": "eu" },
	  "pool": [ { "name": "eu", "member": [ { "name": "a", "address": ["192.0.2.1"] } ] },
	            { "name": "us", "member": [ { "name": "a", "address": ["192.0.2.2"] } ] } ],
	  "policy": [ { "name": "near", "order": ["region-map", "failover"], "candidate": [ { "pool": "eu" }, { "pool": "us" } ],
	                "match": [ { "what": "region=us", "pool": ["us"] }, { "what": "default", "pool": ["eu"] } ] } ],
	  "zone": [ { "name": "example.com", "file": "example.com.zone", "chosen": [ { "name": "www", "policy": "near" } ] } ] } }
	END
cat > "$root/w/run" <<-'END'
	#!/bin/sh
	# Loads, attaches, shows.  What the kernel had against the program is in the log.
	cd /w
	export WEFT_YANGDIR=/w/yang WEFT_RUNDIR=/w
	./weft-dnsd --detach --no-chdir --pidfile=/w/pid --log-file=/w/log --unixctl=/w/ctl -vconsole:off dns.json || {
		tail -n 40 /w/log
		exit 1
	}
	n=0
	until ./weftctl --target=/w/ctl dns show | grep "xdp: 1 devices, answers, 2 hot" || [ $n = 60 ]; do
		n=$((n + 1))
		sleep 1
	done
	./weftctl --target=/w/ctl dns reload || exit 1
	./weftctl --target=/w/ctl dns show
	uname -r
	END
chmod 755 "$root/w/run"
mkdir -p "$T/boot"
cp "$IMAGE/vmlinuz" "$T/boot/"
# The kernel takes archives one behind the other.
{ cat "$IMAGE/initrd.gz"; (cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null | gzip -1); } > "$T/boot/initrd.gz"

if ! "$GUEST" start "$T/boot" "$T/vm" dns none memory=512 2> "$T/start.log"; then
	skip 99-dns-kernel "the guest does not start: $(tail -n 3 "$T/start.log" | tr '\n' ' ')"
	exit 0
fi
# The verifier takes its time without KVM.
"$GUEST" sh "$T/vm" dns '(sh /w/run > /w/out 2>&1; echo $? > /w/code.new; mv /w/code.new /w/code) > /dev/null 2>&1 &' > /dev/null || true
retry 400 "$GUEST" sh "$T/vm" dns 'test -e /w/code' > /dev/null || true
code=$("$GUEST" sh "$T/vm" dns 'cat /w/code' | tr -d '[:space:]')
said=$("$GUEST" sh "$T/vm" dns 'cat /w/out')
if [ "$code" = 0 ]; then
	ok "the program loads and attaches on Linux $(tail -n 1 <<< "$said")"
else
	fail "the program loads and attaches" "$said"
fi
check "the guest's kernel is 6.1" eval '[[ $said == *$'\''\n'\''6.1.* ]]'
check "hot names are in its maps" eval '[[ $said == *"xdp: 1 devices, answers, 2 hot names"* ]]'
"$GUEST" stop "$T/vm" dns
finish
