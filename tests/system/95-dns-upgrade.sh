#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limit: 300
#
# A planned upgrade of the name server (docs/geo-dns.md): the next daemon takes the sockets over from the one that runs.
# Each query over UDP and TCP is counted, and each gets its answer; what was learnt or told goes on; and when the next one
# fails, the one that runs goes on.
#
#   client 10.9.0.2, fd09::2; primary 10.9.0.2 ---veth--- server 10.9.0.1, 10.9.0.4, fd09::1
. "$(dirname "$0")/../lib/system.sh"
. "$(dirname "$0")/../lib/dns.sh"
isolate "$@"
need dig openssl ovs-appctl /usr/bin/python3
ROUNDS=${ROUNDS:-1}
ASKER=$ROOT/tests/system/dns_upgrade.py

dns_network
ip -n srv link set lo up
ip -n cli link set lo up
ip -n srv addr add 10.9.0.4/24 dev eth0
mkdir -p "$T"/{state,primary}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ns1 -keyout "$T/tls.key" \
	-out "$T/tls.pem" 2> /dev/null
config() { # ADDRESSES WORKERS [MORE]
	cat <<- EOF
	{ "weft-dns:dns": {
	    "listen": [$1], "workers": $2, "state-folder": "$T/state", ${3:-} "metrics": {},
	    "tls": { "certificate": "tls.pem", "key": "tls.key" },
	    "self-test": { "zone": ["example.com"], "script": "$T/announce" },
	    "health": { "listen": "punix:$T/feed", "state-file": "health.json" },
	    "pool": [
	      { "name": "frankfurt", "member": [ { "name": "vip", "address": ["203.0.113.1"] } ] },
	      { "name": "virginia", "member": [ { "name": "vip", "address": ["203.0.113.2"] } ] } ],
	    "policy": [ { "name": "first", "order": ["failover"], "candidate": [ { "pool": "frankfurt" }, { "pool": "virginia" } ] } ],
	    "zone": [ { "name": "example.com", "file": "example.com.zone", "chosen": [ { "name": "geo", "policy": "first" } ] },
	              { "name": "second.test", "primary": [ { "address": "10.9.0.2" } ] } ] } }
	EOF
}
zone() { printf '$TTL 300\n@ SOA ns1 admin %s 3600 900 604800 60\n@ NS ns1\nns1 A 10.9.0.1\nwww A 192.0.2.%s\n' "$1" "$1"; }
printf '#!/bin/sh\necho "$1" >> "%s/said"\n' "$T" > "$T/announce"
chmod 755 "$T/announce"
: > "$T/said"
zone 1 > "$T/example.com.zone"
zone 9 > "$T/primary/second.test.zone"
cat > "$T/primary/dns.json" << 'EOF'
{ "weft-dns:dns": { "listen": ["10.9.0.2"], "workers": 1,
    "zone": [ { "name": "second.test", "file": "second.test.zone", "transfer": { "address": ["10.9.0.0/24"] } } ] } }
EOF
OVS_RUNDIR=$T/primary OVS_LOGDIR=$T/primary OVS_SYSLOG_METHOD=null timeout --foreground 60 ip netns exec cli "$(dnsd_of)" \
	-vconsole:off --pidfile --detach --no-chdir --log-file "$T/primary/dns.json"
config '"10.9.0.1", "fd09::1"' 2 > "$T/dns.json"
check "the configuration is good" dns_ctl dns check "$T/dns.json"
dns_start

dns_policy() { OVS_RUNDIR=$T timeout 30 ovs-appctl -t weft-dnsd policy/"$@"; }
pid_of() { cat "$T/weft-dnsd.pid"; }
value() { sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" <<< "$2"; }
said() { [ "$(tr '\n' ' ' < "$T/said")" = "$*" ]; }
ended() { [ -s "$1" ] && grep -q sent= "$1"; }

# start_asking ANSWERS [SERVER...]; stop_asking NAME: nothing is lost, nothing wrong
start_asking() {
	local how wanted=$1
	shift
	rm -f "$T/stop" "$T"/asked.*
	for how in udp tcp stay; do
		ip netns exec cli /usr/bin/python3 -B "$ASKER" $how "$T/stop" "$wanted" "$@" > "$T/asked.$how" 2>&1 &
	done
	for how in udp tcp stay; do
		retry 60 grep asks "$T/asked.$how" || true
	done
}
stop_asking() {
	local how got
	sleep 1
	touch "$T/stop"
	for how in udp tcp stay; do
		retry 60 ended "$T/asked.$how" || true
		got=$(tail -n 2 "$T/asked.$how" | tr '\n' ' ')
		if [ "$(value lost "$got")" = 0 ] && [ "$(value wrong "$got")" = 0 ] && [ "$(value sent "$got")" -gt 0 ]; then
			ok "$1: no query is lost, $how ($got)"
		else
			fail "$1: no query is lost, $how" "$got"
		fi
	done
}
queries() { dns_ctl dns counters | awk '$1 ~ /^queries_(udp|tcp)[46]$/ { n += $2 } END { print n }'; }
# A session's ticket: the next connection is resumed by it.
session() {
	(sleep 1) | ip netns exec cli timeout 30 openssl s_client -connect 10.9.0.1:853 -alpn dot "$@" 2> /dev/null
}
has_session() { session -sess_out "$T/session" && [ -s "$T/session" ]; }
cookie() { dns_ask @10.9.0.1 www.example.com "$@" | sed -n 's/; COOKIE: \([0-9a-f]*\) .*/\1/p'; }

turn() { # NAME COMMAND...
	local name=$1 old before cookie valid
	shift
	old=$(pid_of)
	start_asking 192.0.2.1 10.9.0.1 fd09::1
	before=$(queries)
	cookie=$(cookie +cookie)
	rm -f "$T/session"
	check "$name: a TLS session before" retry 60 has_session
	check "$name: the next daemon takes over" "$@"
	check "$name: it is another process" test "$(pid_of)" != "$old"
	check "$name: the one before has ended" retry 60 is_gone "$old"
	stop_asking "$name"
	check "$name: counters go on" test "$(queries)" -gt "$before"
	valid=$(dns_counter cookie_valid)
	check "$name: a query with a cookie of before" dns_ask @10.9.0.1 www.example.com "+cookie=$cookie"
	equal "$name: it is good" $((valid + 1)) "$(dns_counter cookie_valid)"
	check "$name: a TLS session of before is resumed" retry 60 contains "Reused, TLS" session -sess_in "$T/session"
}
has_second() { equal_out 192.0.2.9 dns_ask @10.9.0.1 +short www.second.test; }
geo() { equal_out "$1" dns_ask @10.9.0.1 +short geo.example.com; }
upgrade() { dns_ctl dns upgrade "$@"; }
is_announced() { contains "self-test: announced" dns_ctl dns show; }

check "before: the zone of the primary is there" retry 30 has_second
kill "$(cat "$T/primary/weft-dnsd.pid")"
check "before: its address is announced" retry 60 said "announce "
check "before: an operator drains a member" dns_policy drain frankfurt on
check "before: it has no effect on others" retry 10 geo 203.0.113.2

for round in $(seq "$ROUNDS"); do
	turn "dns upgrade ($round)" upgrade
	turn "--takeover ($round)" dns_start --takeover
done
check "after: the zone of the primary is served" has_second
check "after: what an operator drained is drained" geo 203.0.113.2
check "after: metrics" contains "weft_dns_queries_udp4_total " ip netns exec srv /usr/bin/python3 -c \
	'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9153/metrics").read().decode())'
check "after: the address is announced" retry 60 is_announced
check "after: and was never withdrawn" equal_out 0 grep -c withdraw "$T/said"
check "after: it reloads" dns_ctl dns reload

# Other addresses and numbers of workers, and data of another serial: a restart, but for the queries.
zone 2 > "$T/example.com.zone"
config '"10.9.0.1", "fd09::1", "10.9.0.4"' 3 > "$T/dns.json"
start_asking 192.0.2.1,192.0.2.2 10.9.0.1 fd09::1
check "another configuration" upgrade
check "has its new data" equal_out 192.0.2.2 dns_ask @10.9.0.1 +short www.example.com
check "and answers at its new address" equal_out 192.0.2.2 dns_ask @10.9.0.4 +short www.example.com
config '"10.9.0.1", "fd09::1"' 1 > "$T/dns.json"
check "one worker in the place of three" upgrade
stop_asking "another configuration"
for i in $(seq 30); do dns_ask @10.9.0.1 +short www.example.com; done > "$T/answers"
equal "and all sockets have a reader" "30 192.0.2.2" "$(sort "$T/answers" | uniq -c | sed 's/^ *//')"
check "an address that went is not answered at" retry 20 fails_with "connection refused" dns_ask @10.9.0.4 +tries=1 www.example.com

# --- failures: the one that runs goes on ----------------------------------------------------------

start_asking 192.0.2.2 10.9.0.1 fd09::1
old=$(pid_of)
still() { test "$(pid_of)" = "$old" && kill -0 "$old" && geo 203.0.113.2 && dns_ctl dns reload; }
echo "bad A 1.2.3.400" >> "$T/example.com.zone"
check "a broken zone: the reply says why" fails_with "example.com.zone:6: A record" upgrade
zone 2 > "$T/example.com.zone"
check "a broken zone: the one that runs goes on" still
check "no such program" fails_with "no-such-program" upgrade "$T/no-such-program"
check "a program that is none" fails_with "status 1" upgrade /bin/false
check "no such program: the one that runs goes on" still
cp "$T/dns.json" "$T/other.json"
check "another configuration's file" fails_with "the daemon that runs here serves" env OVS_RUNDIR="$T" OVS_LOGDIR="$T" \
	ip netns exec srv "$(dnsd_of)" --takeover --detach --pidfile --no-chdir "$T/other.json"
check "another configuration's file: the one that runs goes on" still
check "next daemons that die, and nonsense" contains done timeout 120 /usr/bin/python3 -B "$ASKER" junk \
	"$T/weft-dnsd.handover" "$T/dns.json"
check "nonsense: the one that runs goes on" still
stop_asking "failures"
check "and can be upgraded" retry 10 upgrade

# --- daemons that do not end as they should -------------------------------------------------------

old=$(pid_of)
kill -9 "$old"
retry 20 is_gone "$old"
rm -f "$T/weft-dnsd.$old.ctl"
check "after kill -9 --takeover is an ordinary start" dns_start --takeover
check "and answers" geo 203.0.113.1
dns_stop
/usr/bin/python3 -B "$ASKER" hang "$T/weft-dnsd.handover" > "$T/hangs" 2>&1 &
hanging=$!
disown "$hanging" # bash would print all of it when it is killed
retry 20 grep listens "$T/hangs"
check "from one that hangs when it has been taken over from" dns_start --takeover
check "it had been taken over from" grep taken "$T/hangs"
check "it is killed" retry 60 is_gone "$hanging"
check "the next one answers" geo 203.0.113.1
check "and can be upgraded" retry 30 upgrade
check "and ends when told" dns_stop
check "and withdraws its address then" [ "$(tail -n 1 "$T/said")" = withdraw ]
check "nothing is left in the run directory" equal_out "" find "$T" -maxdepth 1 -name 'weft-dnsd.*' '(' -name '*.pid' -o -name '*.ctl' -o -name '*.handover' ')'

# --- a daemon that gave up root -------------------------------------------------------------------

U=$T/nobody
mkdir "$U"
chmod 711 "$T"
cp "$T/example.com.zone" "$U/"
echo '{ "weft-dns:dns": { "listen": ["10.9.0.1"], "workers": 2, "zone": [ { "name": "example.com", "file": "example.com.zone" } ] } }' \
	> "$U/dns.json"
chown -R nobody "$U"
if setpriv --reuid nobody --clear-groups "$(dnsd_of)" --check "$U/dns.json" > /dev/null 2>&1; then
	as_nobody() { OVS_RUNDIR=$U OVS_LOGDIR=$U OVS_SYSLOG_METHOD=null timeout --foreground 60 "$@"; }
	ctl_nobody() { as_nobody "$(dirname "$(dirname "$(dnsd_of)")")/weftctl/weftctl" "$@"; }
	is_nobodys() { [ "$(ps -o user= -p "$(cat "$U/weft-dnsd.pid")")" = nobody ]; }
	check "--user: it starts" as_nobody ip netns exec srv "$(dnsd_of)" -vconsole:off --user nobody --pidfile --detach \
		--no-chdir --log-file "$U/dns.json"
	check "--user: port 53 is its" equal_out 192.0.2.2 dns_ask @10.9.0.1 +short www.example.com
	for i in 1 2; do
		old=$(cat "$U/weft-dnsd.pid")
		check "--user: it is upgraded ($i)" ctl_nobody dns upgrade
		check "--user: to another process ($i)" test "$(cat "$U/weft-dnsd.pid")" != "$old"
		check "--user: of the same user ($i)" is_nobodys
		check "--user: that answers ($i)" equal_out 192.0.2.2 dns_ask @10.9.0.1 +short www.example.com
		retry 30 is_gone "$old"
	done
	pid=$(cat "$U/weft-dnsd.pid")
	kill "$pid"
	retry 20 is_gone "$pid"
else
	skip "95-dns-upgrade: --user" "nobody cannot run $(dnsd_of)"
fi

# --- with the path in the driver ------------------------------------------------------------------

if command -v clang > /dev/null && dns_xdp_client; then
	shows() { contains "$1" dns_ctl dns show; }
	config '"10.9.0.1", "fd09::1"' 2 '"xdp": { "device": ["eth0"], "mode": "native" }, "rate-limit": { "responses-per-second": 1000000 },' \
		> "$T/dns.json"
	dns_start
	check "driver: it answers" retry 30 shows "xdp: 1 devices, answers"
	for round in $(seq "$ROUNDS"); do
		old=$(pid_of)
		start_asking 192.0.2.2 10.9.0.1 fd09::1
		n=$(dns_counter xdp_answers)
		check "driver ($round): the next daemon takes over" upgrade
		check "driver ($round): it is another process" test "$(pid_of)" != "$old"
		check "driver ($round): its program answers" retry 30 shows "xdp: 1 devices, answers"
		check "driver ($round): a failed one leaves it" fails_with "status 1" upgrade /bin/false
		stop_asking "driver ($round)"
		check "driver ($round): counters go on" test "$(dns_counter xdp_answers)" -ge "${n:-0}"
		check "driver ($round): the one before has ended" retry 60 is_gone "$old"
		check "driver ($round): its program answers on" retry 30 shows "xdp: 1 devices, answers"
		check "driver ($round): by health" geo 203.0.113.1
	done
	dns_stop
	check "driver: no program stays" equal_out 0 eval 'ip -n srv -d link show eth0 | grep -c prog/xdp'
else
	skip "95-dns-upgrade: driver" "no XDP program can be attached to a veth device here"
fi
finish
