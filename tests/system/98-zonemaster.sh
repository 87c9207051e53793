#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Zonemaster finds nothing wrong with a zone of ours: signed, with denial of both kinds, at two name servers in
# networks and autonomous systems of their own.  All of its default tests are run: the root that it asks has what they
# need of the Internet, reverse names and its table of autonomous systems.
#
#   cli ---veth--- root  6.1.0.1, 2600:1::1: the root, with reverse names, and the table of autonomous systems
#       |---veth--- a    7.1.0.1, 2600:7::1 ----|
#       `---veth--- b    8.2.0.1, 2600:8::1 ----+ the zones, each by a daemon of its own
#
# These are addresses of somebody's in the world outside: Zonemaster knows which ones are private.  Nothing leaves
# the namespaces.
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig zonemaster-cli

ns_add cli root a b
link() { # NAME IPV4 IPV6: the namespace NAME with its network; cli is its neighbour
	ip link add eth0 netns "$1" type veth peer name "to-$1" netns cli
	ip -n "$1" addr add "$2.1/24" dev eth0
	ip -n "$1" addr add "$3::1/64" dev eth0 nodad
	ip -n cli addr add "$2.2/24" dev "to-$1"
	ip -n cli addr add "$3::2/64" dev "to-$1" nodad
	ip -n "$1" link set eth0 up
	ip -n cli link set "to-$1" up
	ip -n "$1" link set lo up
}
link root 6.1.0 2600:1
link a 7.1.0 2600:7
link b 8.2.0 2600:8
ip -n cli link set lo up

daemon() { # NAME: with the configuration in $T/NAME
	mkdir -p "$T/$1/run"
	OVS_RUNDIR=$T/$1/run OVS_LOGDIR=$T/$1/run OVS_SYSLOG_METHOD=null timeout --foreground 60 \
		ip netns exec "$1" "$(dnsd_of)" -vconsole:off --pidfile --detach --no-chdir --log-file="$T/$1/dnsd.log" "$T/$1/dns.json"
}
CTL=$(dirname "$(dirname "$(dnsd_of)")")/weftctl/weftctl
mkdir "$T/root" "$T/a" "$T/b"

# --- the zones -----------------------------------------------------------------------------------------
for z in compact.example chain.example; do
	"$CTL" dns key generate "$z" --folder "$T/a/keys" > /dev/null
	cat > "$T/a/$z.zone" << 'END'
$TTL 3600
@ SOA ns1 hostmaster 2026010101 14400 3600 1209600 3600
@ NS ns1
@ NS ns2
@ MX 10 mail
@ TXT "v=spf1 mx -all"
ns1 A 7.1.0.1
ns1 AAAA 2600:7::1
ns2 A 8.2.0.1
ns2 AAAA 2600:8::1
mail A 7.1.0.1
mail AAAA 2600:7::1
www A 7.1.0.1
*.wild TXT "w"
END
done
cp "$T/a/chain.example.zone" "$T/a/lame.example.zone"
zones() { # ADDRESSES [MORE]
	printf '{ "weft-dns:dns": { "listen": [%s], "workers": 1, "dnssec": { "key-folder": "%s/a/keys" },\n "zone": [' "$1" "$T"
	printf '{ "name": "compact.example", "file": "%s/a/compact.example.zone", "dnssec": {} },\n' "$T"
	printf '{ "name": "chain.example", "file": "%s/a/chain.example.zone", "dnssec": { "denial": "nsec" } } %s ] } }' "$T" "${2:-}"
}
zones '"7.1.0.1", "2600:7::1"' ', { "name": "lame.example", "file": "lame.example.zone" }' > "$T/a/dns.json"
zones '"8.2.0.1", "2600:8::1"' > "$T/b/dns.json"
cat > "$T/root/root.zone" << END
\$TTL 3600
. SOA ns.root. hostmaster.root. 1 14400 3600 1209600 3600
. NS ns.root.
ns.root. A 6.1.0.1
ns.root. AAAA 2600:1::1
compact.example. NS ns1.compact.example.
compact.example. NS ns2.compact.example.
chain.example. NS ns1.chain.example.
chain.example. NS ns2.chain.example.
lame.example. NS ns1.lame.example.
lame.example. NS ns2.lame.example.
$(for z in compact chain lame; do
	echo "ns1.$z.example. A 7.1.0.1"
	echo "ns1.$z.example. AAAA 2600:7::1"
	echo "ns2.$z.example. A 8.2.0.1"
	echo "ns2.$z.example. AAAA 2600:8::1"
	[ $z = lame ] || "$CTL" dns key ds $z.example --folder "$T/a/keys" | grep DS
done)
1.0.1.7.in-addr.arpa. PTR ns1.compact.example.
1.0.1.7.in-addr.arpa. PTR ns1.chain.example.
1.0.2.8.in-addr.arpa. PTR ns2.compact.example.
1.0.2.8.in-addr.arpa. PTR ns2.chain.example.
END
nibbles() { # ADDRESS: 2600:7::1 and the like
	local n=${1#2600:}
	n=${n%%:*}
	printf '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.%s.0.0.0.0.0.6.2' "$n"
}
for i in 7 8; do
	for z in compact chain; do
		echo "$(nibbles 2600:$i::1).ip6.arpa. PTR ns$((i - 6)).$z.example." >> "$T/root/root.zone"
	done
done
echo "asnlookup.zonemaster.net. NS ns.root." >> "$T/root/root.zone"
cat > "$T/root/asn.zone" << END
\$TTL 3600
@ SOA ns.root. hostmaster.root. 1 14400 3600 1209600 3600
@ NS ns.root.
1.0.1.7.origin TXT "64507 | 7.1.0.0/24 | ZZ | none | 2026-01-01"
1.0.2.8.origin TXT "64508 | 8.2.0.0/24 | ZZ | none | 2026-01-01"
1.0.1.6.origin TXT "64506 | 6.1.0.0/24 | ZZ | none | 2026-01-01"
$(nibbles 2600:7::1).origin6 TXT "64507 | 2600:7::/32 | ZZ | none | 2026-01-01"
$(nibbles 2600:8::1).origin6 TXT "64508 | 2600:8::/32 | ZZ | none | 2026-01-01"
$(nibbles 2600:1::1).origin6 TXT "64506 | 2600:1::/32 | ZZ | none | 2026-01-01"
END
cat > "$T/root/dns.json" << 'END'
{ "weft-dns:dns": { "listen": ["6.1.0.1", "2600:1::1"], "workers": 1,
    "zone": [ { "name": ".", "file": "root.zone" }, { "name": "asnlookup.zonemaster.net", "file": "asn.zone" } ] } }
END
for d in root a b; do
	check "the configuration is good, $d" "$CTL" dns check "$T/$d/dns.json"
	daemon $d
done
cat > "$T/hints" << 'END'
. 3600 IN NS ns.root.
ns.root. 3600 IN A 6.1.0.1
ns.root. 3600 IN AAAA 2600:1::1
END

# --- Zonemaster ------------------------------------------------------------------------------------------
finds() { # ZONE: what is found is put into $T/found.ZONE
	ip netns exec cli timeout 900 zonemaster-cli --hints "$T/hints" --level INFO --raw --no-time \
		--show-testcase --no-progress "$1" > "$T/found.$1" 2>&1
}
sound() { # ZONE: neither ERROR nor CRITICAL, and the tests were run
	! grep -E '(ERROR|CRITICAL) ' "$T/found.$1"
}
for z in compact.example chain.example; do
	check "Zonemaster runs, $z" finds $z
	check "all was tested, $z" [ "$(grep -c . "$T/found.$z")" -gt 40 ]
	check "no error, $z" sound $z
	grep -E '(WARNING|NOTICE) ' "$T/found.$z" | sed 's/^/# /' || true
done
check "Zonemaster runs, lame.example" finds lame.example
check "and finds that one of its servers does not have it" grep 'ERROR .*ns2.lame.example' "$T/found.lame.example"
for d in root a b; do
	kill "$(cat "$T/$d/run/weft-dnsd.pid")"
done
finish
