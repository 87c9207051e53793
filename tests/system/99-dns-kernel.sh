#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 600
#
# The name server's program in the driver on the oldest kernel that it is meant for: Linux 6.1 of Debian 12, in a guest
# without KVM, which is the one of the other tests (tests/lib/guest) with weft-dnsd and its libraries laid over it.
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
. "$ROOT/tests/lib/guest_kernel.sh"
kernel_guest_image
isolate "$@"
need qemu-system-x86_64 busybox

DNSD=$(dnsd_of)
WEFTCTL=$(dirname "$DNSD")/../weftctl/weftctl

kernel_guest_lay "$DNSD" "$WEFTCTL"
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
kernel_guest_run 400 dns "the program loads and attaches"
check "hot names are in its maps" eval '[[ $said == *"xdp: 1 devices, answers, 2 hot names"* ]]'
kernel_guest_stop dns
finish
