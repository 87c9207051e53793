#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds flows to a private stock ovs-vswitchd in each OpenFlow version, dumps them in each, and
compares what it takes, and what it tells to peers of other versions, with actions_tool.

    actions_dump_diff.py TOOL [MATCHES]     (matches an action; all take 8 minutes)

Needs ovsdb-server, ovs-vswitchd, ovs-vsctl and ovs-ofctl; uses a dummy datapath and no network.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

VERSIONS = ["OpenFlow1%d" % i for i in range(6)]
MATCHES = ["", "ip", "ipv6", "arp", "tcp", "udp6", "sctp", "icmp", "mpls", "dl_vlan=3", "dl_vlan=3,tcp",
           "ct_state=+new+trk,ip", "in_port=1", "tcp,vlan_tci=0"]
ACTIONS = """output:1 LOCAL CONTROLLER:1234 NORMAL IN_PORT FLOOD output:NXM_NX_REG1[5..10]
output(port=1,max_len=100) enqueue:10:55 group:5 bundle(eth_src,0,hrw,ofport,members:4,8)
bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],members:4,8)
controller(reason=invalid_ttl,max_len=1234,id=5678,userdata=01.02.03.04.05,pause)
mod_vlan_vid:9 mod_vlan_pcp:6 set_vlan_vid:9 set_vlan_pcp:6 strip_vlan pop_vlan push_vlan:0x8100
mod_vlan_vid:9,mod_vlan_pcp:3 push_vlan:0x8100,mod_vlan_vid:5 strip_vlan,mod_vlan_vid:5
push_vlan:0x8100,push_vlan:0x8100 push_vlan:0x8100,push_vlan:0x8100,push_vlan:0x8100
push_vlan:0x88a8,set_field:4100->vlan_vid set_field:4100->vlan_vid set_field:3->vlan_pcp
mod_dl_src:00:11:22:33:44:55 mod_dl_dst:10:20:30:40:50:60 mod_nw_src:1.2.3.4 mod_nw_dst:192.168.0.1
mod_nw_tos:48 mod_nw_ecn:2 mod_nw_ttl:64 mod_tp_src:80 mod_tp_dst:443 dec_ttl dec_ttl(1,2)
load:0xf009->NXM_OF_VLAN_TCI[] load:0->NXM_OF_VLAN_TCI[] load:0x5->NXM_NX_REG0[3..7]
set_field:0xf009->vlan_tci set_field:0->vlan_tci
set_field:00:00:00:00:12:34/00:00:00:00:ff:ff->eth_src set_field:00:01:02:03:04:05->eth_src
set_field:00:01:02:03:04:05->eth_dst set_field:1.2.3.4->ip_src set_field:1.2.3.0/255.255.255.0->ip_dst
set_field:fe80::1->ipv6_dst set_field:0x5/0xff->reg3 set_field:0x1234->metadata set_field:5->in_port
set_field:12->ip_dscp set_field:48->nw_tos set_field:2->nw_ecn set_field:9->nw_ttl
set_field:80->tcp_src set_field:81->tcp_dst set_field:80->udp_src set_field:81->udp_dst
set_field:80->sctp_src set_field:3->icmp_type set_field:1->arp_op set_field:1.2.3.4->arp_spa
set_field:10->mpls_label set_field:3->mpls_tc set_field:4->mpls_ttl set_field:0x12->tun_id
set_field:0x112233445566778899aabbccddeeff00->xxreg0 set_field:0x1122334455667788->xreg1
set_field:0x1122334455667788/0xff00ff00ff00ff00->xreg1 set_field:1.1.1.1->tun_dst set_field:7->pkt_mark
set_field:0x5->tun_metadata0 set_field:0x5/0xf->tun_metadata1 set_field:1->nsh_ttl
move:NXM_OF_IN_PORT[]->NXM_OF_VLAN_TCI[] move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]
move:NXM_OF_TCP_SRC[]->NXM_OF_TCP_DST[] move:NXM_OF_IP_SRC[0..7]->NXM_NX_REG0[8..15]
push:NXM_NX_REG2[1..5] pop:NXM_NX_REG2[1..5] push:NXM_OF_IP_SRC[] set_tunnel:0x12345678
set_tunnel64:0x885f3298 set_tunnel:0x123456789a push_mpls:0x8847 push_mpls:0x8848
push_mpls:0x8847,set_mpls_label(10),set_mpls_tc(3),set_mpls_ttl(9) pop_mpls:0x0800 pop_mpls:0x0800,dec_ttl
set_mpls_label(10) set_mpls_tc(5) set_mpls_ttl(63) dec_mpls_ttl dec_nsh_ttl encap(ethernet) encap(nsh(md_type=1))
encap(nsh(md_type=2,tlv(0x1000,10,0x12345678))) encap(nsh),set_field:0x1->nsh_spi encap(mpls) decap() decap(),decap()
decap(packet_type(ns=1,type=0x894f)) delete_field:tun_metadata10 set_queue:7 pop_queue
fin_timeout(idle_timeout=10,hard_timeout=20) resubmit:5 resubmit(10,5) resubmit(,5) resubmit(10,5,ct)
conjunction(3,1/2) note:11.e9.9a.ad.67.f3 note:11 exit multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])
sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678)
sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4,sampling_port=5,egress)
clone(mod_vlan_vid:5,output:10) clone(clone(output:1),output:2),output:3 clone(push_mpls:0x8847),dec_ttl
clone(mod_nw_src:1.2.3.4) check_pkt_larger(1500)->NXM_NX_REG0[0] ct() ct(commit) ct(commit,force)
ct(table=10,zone=NXM_NX_REG0[0..15]) ct(zone=10,nat) ct(alg=tftp) ct(alg=ftp,commit)
ct(commit,exec(load:0xf009->NXM_NX_CT_MARK[])) ct(commit,exec(set_field:0xf009->ct_mark))
ct(commit,exec(set_field:0x5/0xff->ct_label)) ct(commit,exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[]))
ct(commit,nat(src=10.0.0.240-10.0.0.254:32768-65535,persistent)) ct(commit,nat(dst=fe80::1)) ct_clear
learn(table=2,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])
learn(table=1,limit=1,result_dst=NXM_NX_REG0[8],eth_type=0x800,nw_proto=6,tcp_src=5)
learn(table=1,NXM_OF_TCP_SRC[]) learn(table=1,eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[])
learn(table=1,eth_type=0x800,nw_src=1.2.3.4,load:0xa->NXM_NX_REG0[5..10],load:NXM_OF_IP_SRC[]->NXM_NX_REG1[])
meter:5 meter:5,output:1 meter:0 clear_actions output:1,clear_actions goto_table:7 goto_table:0 goto_table:253 goto_table:254
write_actions(output:2) write_actions(mod_nw_src:1.2.3.4,output:2) write_actions(set_field:1.2.3.4->ip_src)
write_actions(drop) write_metadata:0xfedcba9876543210/0xffff0000ffff0000 write_metadata:5,goto_table:3
output:1,clear_actions,write_actions(output:2,set_queue:3),write_metadata:0x5/0xff,goto_table:7
output:65279 output:65281""".split()


class Ovs:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="actions-dump-")
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir, OVS_DBDIR=self.dir)
        self.procs = []
        db = self.dir + "/conf.db"
        sock = "unix:%s/db.sock" % self.dir
        self.run(["ovsdb-tool", "create", db, "/usr/share/openvswitch/vswitch.ovsschema"])
        self.start(["ovsdb-server", db, "--remote=p" + sock, "--log-file=" + self.dir + "/db.log", "-voff"])
        self.wait(self.dir + "/db.sock")
        self.start(["ovs-vswitchd", sock, "--enable-dummy=override", "--disable-system",
                    "--log-file=" + self.dir + "/vs.log", "-voff"])
        self.run(["ovs-vsctl", "--db=" + sock, "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy",
                  "fail_mode=secure", "protocols=[%s]" % ",".join(VERSIONS)])
        self.br = "unix:%s/br0.mgmt" % self.dir
        self.wait(self.dir + "/br0.mgmt")

    def start(self, cmd):
        self.procs.append(subprocess.Popen(cmd, env=self.env))

    def run(self, cmd):
        return subprocess.run(cmd, env=self.env, capture_output=True, text=True, timeout=60)

    @staticmethod
    def wait(path):
        for _ in range(200):
            if os.path.exists(path):
                return
            time.sleep(0.05)
        raise RuntimeError("no " + path)

    def stop(self):
        for p in reversed(self.procs):
            p.send_signal(signal.SIGTERM)
            p.wait(10)
        shutil.rmtree(self.dir)

    def ofctl(self, version, *args):
        return self.run(["ovs-ofctl", "-voff", "-O", version] + list(args))


def ours(tool, version, flows):
    text = "".join("%s\t%s\n" % f for f in flows)
    p = subprocess.run([tool, "flow", version], input=text, capture_output=True, text=True)
    out = p.stdout.split("\n\n")[:-1]
    if len(out) != len(flows):
        sys.exit("tool died: " + p.stderr[-3000:])
    return [o.strip("\n").split("\n") for o in out]


def main():
    tool = sys.argv[1]
    rng = random.Random(1)
    n = int(sys.argv[2]) if len(sys.argv) > 2 else len(MATCHES)
    flows = [(m, a) for a in ACTIONS for m in rng.sample(MATCHES, n)]
    bad = total = unsaid = 0
    ovs = Ovs()
    try:
        ovs.ofctl("OpenFlow13", "add-meter", ovs.br, "meter=5,kbps,band=type=drop,rate=5")
        for i in (0, 1, 10): # as do_flow() of actions_tool has them
            ovs.ofctl("OpenFlow13", "add-tlv-map", ovs.br,
                      "{class=0xffff,type=%d,len=4}->tun_metadata%d" % (i, i))
        for version in VERSIONS:
            ovs.ofctl(version, "del-flows", ovs.br)
            ovs.ofctl("OpenFlow13", "add-group", ovs.br, "group_id=5,type=all,bucket=output:1")
            mine = ours(tool, version, flows)
            refused = {}
            for i, (m, a) in enumerate(flows):
                p = ovs.ofctl(version, "add-flow", ovs.br,
                              "cookie=%d,priority=%d,%s%sactions=%s" % (i, i + 1, m, "," if m else "", a))
                if p.returncode:
                    refused[i] = (p.stderr + p.stdout).strip()
            dumps = []
            for v in VERSIONS:
                d = {}
                p = ovs.ofctl(v, "dump-flows", ovs.br)
                for line in p.stdout.split("\n"):
                    g = re.search(r"cookie=(0x[0-9a-f]+|0),.*?(actions=.*)", line)
                    if g:
                        d[int(g[1], 0)] = g[2]
                if p.stderr or p.returncode:
                    print("dump in %s of %s flows: %s" % (v, version, p.stderr[-300:]))
                dumps.append(d)
            for i, (m, a) in enumerate(flows):
                total += 1
                if (i in refused) != mine[i][0].startswith("error"):
                    # Their client does not say all that their switch takes in a version.
                    if "usable flow formats" in refused.get(i, "") or \
                            (re.search("decap|dec_nsh", a) and VERSIONS.index(version) < 3):
                        unsaid += 1
                        continue
                    bad += 1
                    print("%s '%s' %s:\n  theirs: %s\n  ours:   %s" %
                          (version, m, a, refused.get(i, "taken")[:300], mine[i][0]))
                    continue
                if i in refused:
                    continue
                for v in range(6):
                    theirs = dumps[v].get(i)
                    if theirs is not None and theirs != mine[i][v]:
                        bad += 1
                        print("%s '%s' %s in %s:\n  theirs: %s\n  ours:   %s" %
                              (version, m, a, VERSIONS[v], theirs, mine[i][v]))
    finally:
        ovs.stop()
    print("%d flows, %d of them not said by their client; %d differ" % (total, unsaid, bad))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
