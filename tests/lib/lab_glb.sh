# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The balancer in ./weft up (part of lab.sh): the world of glb.sh, two regions with an edge, two balancers and three
# servers each, and who answers the clients while parts of it are taken away and given back.

GLB=${WEFT_GLB:-$ROOT/build/glb/weft-glb}
FLOWS=$ROOT/tests/system/glb_flows.py
GW=$D/glb
GW_BPF=$D/glb-bpf
GW_PREFIX=weft-g
GW_EU="eu-s1 eu-s2 eu-s3" GW_US="us-s1 us-s2 us-s3"

# got NAME EU US: a line of the table; what is not as it should be after 20 s has a mark.
got() {
	local name=$1 eu us began ms mark=
	began=$(date +%s%N)
	while :; do
		eu=$(gw_answers eu 12)
		us=$(gw_answers us 12)
		ms=$((($(date +%s%N) - began) / 1000000))
		if [ "$eu" = "$2" ] && [ "$us" = "$3" ] || [ $ms -ge 20000 ]; then break; fi
	done
	[ "$eu" = "$2" ] && [ "$us" = "$3" ] || { mark='!'; GLB_WRONG=$((GLB_WRONG + 1)); }
	printf '  %-34s%-20s%-20s%6d ms%s\n' "$name" "$eu" "$us" $ms "$mark"
}

up_glb() {
	local s hold=$GW/hold
	GLB_WRONG=0
	gw_up || give_up "the balancer did not start"
	mkdir "$hold"
	say ""
	say "Who answers http://$GW_VIP/ (24 pages a line, and how long until it was so); a ! marks what should be otherwise:"
	printf '  %-34s%-20s%-20s\n' "" "client in eu" "client in us"
	got "all is there" "$GW_EU" "$GW_US"
	gw_in eu-cl "$FLOWS" hold $GW_VIP 80 30 "$hold" tcp 10.80.0.2 < /dev/null > "$hold/log" 2>&1 &
	for s in $(seq 100); do
		[ ! -e "$hold/ready" ] || break
		sleep 0.1
	done
	gw_off eu-s1
	got "server eu-s1 is taken away" "eu-s2 eu-s3" "$GW_US"
	gw_on eu-s1
	got "and given back" "$GW_EU" "$GW_US"
	gw_off eu-lb1
	got "balancer eu-lb1 is taken away" "$GW_EU" "$GW_US"
	gw_on eu-lb1
	gw_off eu-edge
	got "given back, edge eu taken away" "$GW_EU" "$GW_US"
	gw_on eu-edge
	got "and given back" "$GW_EU" "$GW_US"
	touch "$hold/stop"
	for s in $(seq 100); do
		[ ! -e "$hold/result" ] || break
		sleep 0.1
	done
	gw_off eu-lb1
	gw_off eu-lb2
	got "site dc-eu is taken away" "$GW_US" "$GW_US"
	gw_on eu-lb1
	gw_on eu-lb2
	got "and given back" "$GW_EU" "$GW_US"
	say "  30 connections over all this but the last two lines: $(grep -c 'flow of eu-s1' "$hold/log") broke with eu-s1, \
$(grep 'flow of' "$hold/log" | grep -vc 'flow of eu-s1') others."
	[ $GLB_WRONG = 0 ] && [ -e "$hold/result" ] && ! grep 'flow of' "$hold/log" | grep -v 'flow of eu-s1' > /dev/null
}

down_glb() {
	! mountpoint -q "$GW_BPF" || umount "$GW_BPF"
}

hints_glb() {
	cat <<-END
	  ip netns exec $GW_PREFIX-us-cl curl http://$GW_VIP/
	  $WEFTCTL --target=$GW/eu-edge.ctl glb why 10.81.0.2:4711 $GW_VIP:80   # and health, top, announced
	  $WEFTCTL --target=$GW/eu-edge.ctl glb mark dc-eu drain               # new connections go to dc-us
	  birdc -s $GW/eu-rt.bird.ctl show route for $GW_VIP
	END
}

status_glb() {
	local n dead=
	for n in $(gw_nodes); do
		[ -e "$GW/$n.pid" ] && kill -0 "$(cat "$GW/$n.pid")" 2> /dev/null || dead+=" $n"
	done
	if [ -z "$dead" ]; then
		say "weft-glb: $(gw_nodes | wc -l) run"
	else
		say "weft-glb: does not run on$dead"
		return 1
	fi
}
