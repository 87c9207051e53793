#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Feeds over TLS: who has a certificate of the operator's CA may publish and subscribe, nobody else.
#
#    srv 10.9.0.1: weft-dnsd that listens at pssl:7701;  cli 10.9.0.2: publishers (OpenSSL), a weft-dnsd that subscribes
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need openssl

dns_network
# ca NAME: a CA; cert NAME CA: a key and a certificate by it.
ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$T/$1.key" -out "$T/$1.pem" 2> /dev/null
}
cert() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$T/$1.key" -out "$T/$1.csr" 2> /dev/null &&
		openssl x509 -req -in "$T/$1.csr" -CA "$T/$2.pem" -CAkey "$T/$2.key" -CAcreateserial -days 2 -out "$T/$1.pem" 2> /dev/null
}
ca ours
ca theirs
for w in server agent reader; do
	cert $w ours
done
cert stranger theirs
# tls NAME: the options of a daemon.
tls() { echo "--private-key=$T/$1.key --certificate=$T/$1.pem --ca-cert=$T/ours.pem"; }
conf() { # conf LISTEN HEALTH: with one pool
	cat <<-END
	{ "weft-dns:dns": { "listen": ["$1"], "workers": 1, "health": { $2 },
	  "pool": [ { "name": "fra", "member": [ { "name": "vip1", "address": ["203.0.113.1"] }, { "name": "vip2", "address": ["203.0.113.2"] } ] } ],
	  "policy": [ { "name": "p", "order": ["failover"] } ],
	  "zone": [ { "name": "example.com", "file": "example.com.zone", "chosen": [ { "name": "www", "policy": "p" } ] } ] } }
	END
}
printf '$TTL 300\n@ SOA ns1 admin 1 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\n' > "$T/example.com.zone"
conf 10.9.0.1 '"listen": "pssl:7701:10.9.0.1"' > "$T/dns.json"
check "a name server listens for feeds over TLS" dns_start $(tls server)
health() { OVS_RUNDIR=$T timeout 30 ovs-appctl -t "${1:-weft-dnsd}" policy/health; }
says() { [[ $(health "${3:-weft-dnsd}") =~ fra/$1\ +$2\  ]]; }
check "its members are up" says vip1 up

# publish NAME MEMBER: with that certificate, that this member is down; the connection stays.
publish() {
	local n=$1 m=$2
	{
		echo "{\"weft-health\":1,\"source\":\"$n\",\"members\":[{\"pool\":\"fra\",\"member\":\"$m\",\"up\":false}]}"
		exec sleep 600
	} | ip netns exec cli openssl s_client -quiet -connect 10.9.0.1:7701 -CAfile "$T/ours.pem" \
		-cert "$T/$n.pem" -key "$T/$n.key" > "$T/$n.out" 2>&1 &
}
publish stranger vip2
ip netns exec cli timeout 20 bash -c 'exec 3<> /dev/tcp/10.9.0.1/7701
	echo "{\"weft-health\":1,\"source\":\"plain\",\"members\":[{\"pool\":\"fra\",\"member\":\"vip2\",\"up\":false}]}" >&3; cat <&3' > /dev/null 2>&1 || true
publish agent vip1
check "an agent with a certificate of the CA is believed" retry 30 says vip1 down
refused() { grep -qE 'unknown ca|alert|error' "$T/stranger.out"; }
check "a stranger is refused" retry 30 refused
check "and neither he nor who speaks without TLS is believed" says vip2 up

# Subscribers, in daemons of their own; their files are in folders of their own.
reader() { # reader NAME CERTIFICATE PORT
	mkdir -p "$T/$1"
	cp "$T/example.com.zone" "$T/$1"
	conf 10.9.0.2 '"feed": [ { "name": "srv", "connect": "ssl:10.9.0.1:7701" } ]' |
		sed "s/\"workers\"/\"port\": $3, \"workers\"/" > "$T/$1/dns.json"
	OVS_RUNDIR=$T/$1 OVS_LOGDIR=$T/$1 OVS_SYSLOG_METHOD=null timeout --foreground 60 ip netns exec cli "$(dnsd_of)" \
		-vconsole:off --pidfile --detach --no-chdir --log-file="$T/$1/log" --unixctl="$T/$1/ctl" $(tls "$2") "$T/$1/dns.json"
}
check "a name server subscribes with its certificate" reader r1 reader 5301
check "and one with a stranger's" reader r2 stranger 5302
check "the first hears what the agent said" retry 30 says vip1 down "$T/r1/ctl"
turned_away() { [[ $(OVS_RUNDIR=$T timeout 30 ovs-appctl -t "$T/r2/ctl" policy/feeds) == *"never heard"*TLS*alert* ]]; }
check "the second is turned away" retry 30 turned_away
check "and hears nothing" says vip1 up "$T/r2/ctl"
for r in r1 r2; do
	kill "$(cat "$T/$r/weft-dnsd.pid")"
done
check "the daemon ends when told" dns_stop
finish
