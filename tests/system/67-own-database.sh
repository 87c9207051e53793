#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A daemon that starts ovsdb-server itself and is killed: its server ends after it, and for a moment still answers.  The
# next daemon is not content with that one, or it would have no database a moment later.
. "$(dirname "$0")/../lib/system.sh"
isolate "$@"

d=$T/own
mkdir -p "$d/path"
export OVS_RUNDIR=$d OVS_DBDIR=$d OVS_LOGDIR=$d OVS_SYSCONFDIR=$d OVS_SYSLOG_METHOD=null
ln -s "$(realpath "$(switchd)")" "$d/ovs-vswitchd"
real=$(PATH=$PATH:/usr/sbin:/sbin command -v ovsdb-server)
cat > "$d/path/ovsdb-server" <<-END
	#!/bin/bash
	# Takes its time to end.
	$real "\$@" &
	server=\$!
	trap 'sleep 1; kill \$server; wait \$server; exit 0' TERM
	wait \$server
END
chmod +x "$d/path/ovsdb-server"

start() {
	PATH=$d/path:$PATH timeout --foreground 60 "$d/ovs-vswitchd" -vconsole:off --pidfile --detach \
		--no-chdir --log-file
}
has_bridge() { ovs-vsctl --timeout=5 br-exists br0; }

check "starts with a database of its own" start
ovs-vsctl --timeout=20 add-br br0 -- set bridge br0 datapath_type=netdev
for how in "kill -9" "kill -9 again"; do
	pid=$(cat "$d/ovs-vswitchd.pid")
	kill -9 "$pid"
	retry 10 is_gone "$pid"
	check "$how: starts again" start
	# The server before would be gone by now.
	sleep 2
	check "$how: has a database" retry 10 has_bridge
done
ovs-appctl --timeout=20 exit --cleanup
finish
