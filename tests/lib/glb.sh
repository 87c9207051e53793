# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A world for the balancer, in namespaces PREFIX-REGION-ROLE, for ./weft up (lab_glb.sh) and tests/system/98-glb-world.sh.
# Two regions, each with a client, a router, an edge, and a datacenter of two balancers and three servers:
#
#   cl 10.80.0.2 --+                                  (us: 10.81; routers speak BGP over 10.79.0.0/30)
#   edge 10.80.1.2 +-- rt ==BGP== rt of the other region
#   lb1 10.80.2.2 -+                edge announces the VIP by BIRD, lb1 and lb2 the site's address 10.80.255.1
#   lb2 10.80.3.2 -+
#   s1 .11.2, s2 .12.2, s3 .13.2    serve the VIP, which is on their loopback device
#
# GW_TIMEOUT and GW_FALL, of probes, decide how long a stall of the machine may be until it looks like a failure;
# GW_EDGE_FALL, of edges' probes of sites, which meet any server there.
# Set before: GW, a folder; GW_BPF, where a BPF file system is mounted; GW_PREFIX; GLB, WEFTCTL, FLOWS (tests/system/glb_flows.py).

GW_VIP=203.0.113.80
declare -A GW_NET=([eu]=10.80 [us]=10.81)
declare -A GW_SUBNET=([cl]=0 [edge]=1 [lb1]=2 [lb2]=3 [s1]=11 [s2]=12 [s3]=13)
GW_ROLES="cl edge lb1 lb2 s1 s2 s3"

gw_names() {
	local r role
	for r in eu us; do
		for role in rt $GW_ROLES; do
			echo "$GW_PREFIX-$r-$role"
		done
	done
}
gw_in() { local n=$GW_PREFIX-$1; shift; ip netns exec "$n" "$@"; }

# gw_node REGION ROLE: a namespace behind the region's router.
gw_node() {
	local r=$1 role=$2 ns=$GW_PREFIX-$1-$2 rt=$GW_PREFIX-$1-rt net=${GW_NET[$1]}.${GW_SUBNET[$2]}
	ip netns add "$ns"
	ip -n "$rt" link add "$role" mtu 1700 type veth peer name eth0 netns "$ns" mtu 1700
	ip -n "$rt" addr add "$net.1/24" dev "$role"
	ip -n "$rt" link set "$role" up
	ip -n "$ns" -batch - <<-END
		link set lo up
		addr add $net.2/24 dev eth0
		link set eth0 up
		route add default via $net.1
	END
	# Encapsulated packets carry whole checksums only if their sender computed them.
	ip netns exec "$ns" ethtool -K eth0 tx off gro off > /dev/null
	ip netns exec "$rt" ethtool -K "$role" tx off gro off > /dev/null
	case $role in
	cl) ip -n "$ns" link set eth0 mtu 1500 ;;
	lb*) ip -n "$ns" addr add "${GW_NET[$r]}.255.1/32" dev lo ;;
	s*)
		ip -n "$ns" addr add $GW_VIP/32 dev lo
		ip netns exec "$ns" sh -c 'cd /proc/sys/net/ipv4/conf; echo 0 > all/rp_filter; echo 0 > eth0/rp_filter
			echo 1 > all/arp_ignore; echo 2 > all/arp_announce'
		;;
	esac
}

gw_network() {
	local r role
	for r in eu us; do
		ip netns add "$GW_PREFIX-$r-rt"
		ip -n "$GW_PREFIX-$r-rt" link set lo up
		gw_in $r-rt sh -c 'cd /proc/sys/net/ipv4; echo 1 > ip_forward; echo 1 > fib_multipath_hash_policy
			echo 0 > conf/all/rp_filter; echo 0 > conf/default/rp_filter'
		for role in $GW_ROLES; do
			gw_node $r $role
		done
	done
	ip -n "$GW_PREFIX-eu-rt" link add wan mtu 1700 type veth peer name wan netns "$GW_PREFIX-us-rt" mtu 1700
	ip -n "$GW_PREFIX-eu-rt" addr add 10.79.0.1/30 dev wan
	ip -n "$GW_PREFIX-us-rt" addr add 10.79.0.2/30 dev wan
	ip -n "$GW_PREFIX-eu-rt" link set wan up
	ip -n "$GW_PREFIX-us-rt" link set wan up
}

# --- BIRD -----------------------------------------------------------------------------------------

gw_bird() {
	local n=$1
	gw_in $n bird -c "$GW/$n.bird.conf" -s "$GW/$n.bird.ctl" -P "$GW/$n.bird.pid"
}

gw_bird_router() {
	local r=$1 own=10.79.0.1 other=10.79.0.2 as=65080 peer=65081
	[ $r = eu ] || { own=10.79.0.2 other=10.79.0.1 as=65081 peer=65080; }
	cat > "$GW/$r-rt.bird.conf" <<-END
		log "$GW/$r-rt.bird.log" all;
		router id $own;
		protocol device { scan time 2; }
		protocol direct { ipv4; interface "*"; }
		protocol kernel { merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }
		template bgp quick { hold time 9; keepalive time 3; connect delay time 1; connect retry time 1; error wait time 1, 2; }
		protocol bgp region from quick {
			local $own as $as; neighbor $other as $peer;
			ipv4 { import all; export all; next hop self; };
		}
		protocol bgp nodes from quick {
			local as $as; neighbor range ${GW_NET[$r]}.0.0/16 as 65100; dynamic name "node";
			ipv4 { import all; export none; };
		}
	END
	gw_bird $r-rt
}

# What an edge or a balancer needs: the routes that weft-glb keeps in table 119, to the region's router.
gw_bird_node() {
	local r=$1 role=$2 net=${GW_NET[$1]}.${GW_SUBNET[$2]}
	cat > "$GW/$r-$role.bird.conf" <<-END
		log "$GW/$r-$role.bird.log" all;
		router id $net.2;
		protocol device { scan time 2; }
		protocol kernel { kernel table 119; learn; ipv4 { import all; export none; }; }
		protocol bgp upstream {
			local $net.2 as 65100; neighbor $net.1 as $([ $r = eu ] && echo 65080 || echo 65081);
			hold time 9; keepalive time 3; connect delay time 1; connect retry time 1; error wait time 1, 2;
			ipv4 { import none; export where source = RTS_INHERIT; next hop self; };
		}
	END
	gw_bird $r-$role
}

# --- weft-glb -------------------------------------------------------------------------------------

# gw_wanted [SERVER...]: the document, without these servers.
gw_wanted() {
	local r s list
	{
		echo "{ \"sites\": { \"dc-eu\": \"10.80.255.1\", \"dc-us\": \"10.81.255.1\" }, \"servers\": {"
		list=
		for r in eu us; do
			for s in s1 s2 s3; do
				list+=" \"$r-$s\": \"${GW_NET[$r]}.${GW_SUBNET[$s]}.2\","
			done
		done
		echo "${list%,} }, \"pools\": { \"web\": {"
		for r in eu us; do
			echo " \"dc-$r\": { \"weight\": 100, \"servers\": { \"$r-s1\": 100, \"$r-s2\": 100, \"$r-s3\": 100 } }$([ $r = us ] || echo ,)"
		done
		echo "} } }"
	} > "$GW/wanted.json"
	"$WEFTCTL" glb place "$GW/wanted.json" "$GW/placement.json" > /dev/null
}

# gw_conf REGION ROLE ADDRESS MEMBERS...: a configuration; members are JSON.
gw_conf() {
	local n=$1-$2 address=$3 fall=${GW_FALL:-2}
	[ "$2" != edge ] || fall=${GW_EDGE_FALL:-$fall}
	shift 3
	cat > "$GW/$n.json" <<-END
		{ "weft-glb:glb": {
		  "placement": "$GW/placement.json", "pin": "$GW_BPF/$n", "max-slots": 4096,
		  "address": ["$address"], "interface": [ { "name": "eth0", "mode": "generic" } ],
		  "probe": [ { "name": "web", "type": "http", "port": 80, "interval-ms": 250, "timeout-ms": ${GW_TIMEOUT:-1000},
		               "rise": 2, "fall": $fall } ],
		  $* } }
	END
}

gw_configure() {
	local r s net feeds vip="\"address\": \"$GW_VIP\", \"protocol\": \"tcp\", \"port\": 80, \"pool\": \"web\""
	local udp="\"address\": \"$GW_VIP\", \"protocol\": \"udp\", \"port\": 80, \"pool\": \"web\""
	feeds=
	for r in eu us; do
		for s in lb1 lb2; do
			feeds+=" { \"name\": \"$r-$s\", \"connect\": \"tcp:${GW_NET[$r]}.${GW_SUBNET[$s]}.2:7701\" },"
		done
	done
	for r in eu us; do
		net=${GW_NET[$r]}
		gw_conf $r edge "$net.1.2" "\"edge\": {}, \"announce\": {},
		  \"location\": { \"prefix\": [ { \"prefix\": \"10.80.0.0/16\", \"region\": \"eu\" },
		                                { \"prefix\": \"10.81.0.0/16\", \"region\": \"us\" } ], \"default-region\": \"eu\" },
		  \"pool\": [ { \"name\": \"dc-eu\", \"probe\": \"web\" }, { \"name\": \"dc-us\", \"probe\": \"web\" } ],
		  \"policy\": [ { \"name\": \"near\", \"order\": [\"region-map\", \"failover\"],
		    \"match\": [ { \"what\": \"region=us\", \"pool\": [\"dc-us\"] }, { \"what\": \"default\", \"pool\": [\"dc-eu\"] } ] } ],
		  \"health\": { \"listen\": \"ptcp:7701:$net.1.2\", \"feed\": [ ${feeds%,} ] },
		  \"vip\": [ { $vip, \"policy\": \"near\" }, { $udp, \"policy\": \"near\" } ]"
		for s in lb1 lb2; do
			gw_conf $r $s "$net.255.1" "\"local\": { \"site\": \"dc-$r\" }, \"announce\": {},
			  \"probe-source\": [\"$net.${GW_SUBNET[$s]}.2\"],
			  \"pool\": [ { \"name\": \"web\", \"probe\": \"web\" } ],
			  \"health\": { \"listen\": \"ptcp:7701:$net.${GW_SUBNET[$s]}.2\" },
			  \"vip\": [ { $vip }, { $udp } ]"
		done
		for s in s1 s2 s3; do
			gw_conf $r $s "$net.${GW_SUBNET[$s]}.2" "\"host\": {}, \"vip\": [ { $vip }, { $udp } ]"
		done
	done
}

# ip netns exec would hide the pinned maps behind a /sys of its own.
gw_glb() {
	local n=$1
	nsenter --net="/run/netns/$GW_PREFIX-$n" "$GLB" --pidfile="$GW/$n.pid" --overwrite-pidfile --detach --no-chdir \
		--log-file="$GW/$n.log" --unixctl="$GW/$n.ctl" -vconsole:off "$GW/$n.json" < /dev/null > "$GW/$n.out" 2>&1 || { cat "$GW/$n.out" >&2; return 1; }
}
gw_ctl() { local n=$1; shift; "$WEFTCTL" --target="$GW/$n.ctl" glb "$@"; }

gw_serve() {
	local n=$1
	ip netns exec "$GW_PREFIX-$n" "$FLOWS" serve "$n" $GW_VIP 80 < /dev/null > "$GW/$n.web.log" 2>&1 &
	echo $! > "$GW/$n.web.pid"
	disown # the shell need not tell of its end
}

# gw_each COMMAND NAME...: for all of them at once; false if it failed for one.
gw_each() {
	local command=$1 n p pids=() rc=0
	shift
	for n in "$@"; do
		$command "$n" &
		pids+=($!)
	done
	for p in "${pids[@]}"; do
		wait "$p" || rc=1
	done
	return $rc
}

gw_nodes() {
	local r s
	for r in eu us; do
		for s in $GW_ROLES; do
			[ $s = cl ] || echo $r-$s
		done
	done
}

# gw_router_and_node is for gw_each, which gives one name.
gw_speak() {
	case $1 in
	*-rt) gw_bird_router "${1%-rt}" ;;
	*) gw_bird_node "${1%%-*}" "${1#*-}" ;;
	esac
}
GW_SPEAKERS="eu-rt us-rt eu-edge us-edge eu-lb1 eu-lb2 us-lb1 us-lb2"

gw_up() {
	local s
	mkdir -p "$GW" "$GW_BPF"
	mount -t bpf none "$GW_BPF"
	gw_network
	gw_wanted
	gw_configure
	for s in eu-s1 eu-s2 eu-s3 us-s1 us-s2 us-s3; do
		gw_serve $s
	done
	gw_each gw_speak $GW_SPEAKERS
	gw_each gw_glb $(gw_nodes)
}

# gw_off NAME: the power of a node fails: link and processes at once.
gw_off() {
	ip -n "$GW_PREFIX-$1" link set eth0 down
	kill -9 $(ip netns pids "$GW_PREFIX-$1") 2> /dev/null || true
}

# gw_on NAME: it is given back.
gw_on() {
	local n=$1 r=${1%%-*} role=${1#*-}
	ip -n "$GW_PREFIX-$n" link set eth0 up
	ip -n "$GW_PREFIX-$n" route replace default via "${GW_NET[$r]}.${GW_SUBNET[$role]}.1"
	case $role in
	edge | lb*) gw_bird $n ;;
	s*) gw_serve $n ;;
	esac
	gw_glb $n
}

gw_page() { ip netns exec "$GW_PREFIX-$1-cl" curl -s --max-time 2 "http://$GW_VIP/"; }

# gw_answers REGION N: who answered N pages to that region's client: "eu-s1 eu-s2".
gw_answers() {
	{
		ip netns exec "$GW_PREFIX-$1-cl" curl -s -Z --parallel-immediate --max-time 2 "http://$GW_VIP/[1-$2]" 2> /dev/null ||
			echo none
	} | sort -u | tr '\n' ' ' | sed 's/ $//'
}
