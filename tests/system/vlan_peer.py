# SPDX-License-Identifier: Apache-2.0
"""The cases of 10-vlan-peer.sh.  Expected packets come from scapy and from the flows' words, not
from either switch.  A line a case: "ok NAME" or "not ok NAME: why"."""
import logging
import os
import subprocess
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from switch_side import Failure, SwitchSide  # noqa: E402
from wire import Wire  # noqa: E402

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def eth(payload, kind=None):
    return Ether(src=A, dst=B) / payload if kind is None else Ether(src=A, dst=B, type=kind) / payload


def padded(data):
    """Ethernet frames have at least 60 bytes; what is shorter grows on its way."""
    return data + bytes(max(0, 60 - len(data)))


IP4 = IP(src="10.1.0.1", dst="10.1.0.2", tos=0x28, id=7, ttl=33)
PACKETS = {
    "arp": eth(ARP(op=1, hwsrc=A, psrc="10.1.0.1", pdst="10.1.0.2")),
    "udp": eth(IP4 / UDP(sport=1000, dport=2000) / (b"x" * 100)),
    "udp, odd length": eth(IP4 / UDP(sport=1000, dport=2000) / (b"y" * 101)),
    "tcp with options": eth(IP4 / TCP(sport=5, dport=80, flags="S", options=[
        ("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)])),
    "icmp, 1500 bytes": eth(IP4 / ICMP(id=3, seq=9) / (b"z" * 1472)),
    "udp over ipv6": eth(IPv6(src="fd00::1", dst="fd00::2", tc=0x28, hlim=33) /
                         UDP(sport=1000, dport=2000) / (b"x" * 90)),
    "first fragment": eth(IP(src="10.1.0.1", dst="10.1.0.2", id=9, flags="MF") /
                          UDP(sport=1, dport=2, len=1008, chksum=0) / (b"f" * 1000)),
    "later fragment": eth(IP(src="10.1.0.1", dst="10.1.0.2", id=9, frag=126, proto=17) /
                          (b"g" * 200)),
    "unknown EtherType": eth(b"\1\2\3\4" * 20, 0x9999),
}
ALL = list(PACKETS)
IPS = [n for n in ALL if PACKETS[n].haslayer(IP)]


def tags(data, *add):
    """'data' with tags (tpid, pcp, vid), the outermost first."""
    out = data[:12]
    for tpid, pcp, vid in add:
        out += tpid.to_bytes(2, "big") + (pcp << 13 | vid).to_bytes(2, "big")
    return out + data[12:]


def labels(data, *add):
    """'data' with MPLS labels (label, tc, ttl), the outermost first."""
    out = data[:12] + b"\x88\x47"
    for i, (label, tc, ttl) in enumerate(add):
        s = int(i == len(add) - 1)
        out += (label << 12 | tc << 9 | s << 8 | ttl).to_bytes(4, "big")
    return out + data[14:]


# name, packets, flows of the sending switch (1 is its host, 2 the link), flows of the receiving
# one, what is on the link.
CASES = [
    ("plain", ALL, ["in_port=1,actions=output:2"], ["in_port=2,actions=output:1"],
     lambda p: p),
    ("802.1Q push and pop", ALL,
     ["in_port=1,actions=push_vlan:0x8100,set_field:4106->vlan_vid,set_field:3->vlan_pcp,output:2"],
     ["in_port=2,dl_vlan=10,dl_vlan_pcp=3,actions=pop_vlan,output:1"],
     lambda p: tags(p, (0x8100, 3, 10))),
    ("802.1ad push and pop", ALL,
     ["in_port=1,actions=push_vlan:0x88a8,set_field:4116->vlan_vid,output:2"],
     ["in_port=2,dl_vlan=20,actions=pop_vlan,output:1"],
     lambda p: tags(p, (0x88a8, 0, 20))),
    ("QinQ, two tags at once", ALL,
     ["in_port=1,actions=push_vlan:0x8100,set_field:4106->vlan_vid,push_vlan:0x88a8,"
      "set_field:4116->vlan_vid,set_field:5->vlan_pcp,output:2"],
     ["table=0,in_port=2,dl_vlan=20,actions=pop_vlan,goto_table:1",
      "table=1,dl_vlan=10,actions=pop_vlan,output:1"],
     lambda p: tags(p, (0x88a8, 5, 20), (0x8100, 0, 10))),
    ("VLAN rewritten on the way", ALL,
     ["in_port=1,actions=push_vlan:0x8100,set_field:4196->vlan_vid,set_field:4197->vlan_vid,output:2"],
     ["in_port=2,dl_vlan=101,actions=strip_vlan,output:1"],
     lambda p: tags(p, (0x8100, 0, 101))),
    ("MPLS push and pop", IPS,
     ["in_port=1,ip,actions=push_mpls:0x8847,set_field:1000->mpls_label,set_field:2->mpls_tc,output:2"],
     ["in_port=2,mpls,mpls_label=1000,mpls_tc=2,mpls_bos=1,actions=pop_mpls:0x0800,output:1"],
     # RFC 3443: the TTL of a pushed label is that of the packet.
     lambda p: labels(p, (1000, 2, p[22]))),
    ("MPLS, two labels", IPS,
     ["in_port=1,ip,actions=push_mpls:0x8847,set_field:1000->mpls_label,set_field:5->mpls_tc,"
      "push_mpls:0x8847,set_field:2000->mpls_label,output:2"],
     ["table=0,in_port=2,mpls,mpls_label=2000,mpls_bos=0,actions=pop_mpls:0x8847,goto_table:1",
      "table=1,mpls,mpls_label=1000,mpls_bos=1,actions=pop_mpls:0x0800,output:1"],
     lambda p: labels(p, (2000, 5, p[22]), (1000, 5, p[22]))),
    ("MPLS TTL set and decremented", IPS,
     ["in_port=1,ip,actions=push_mpls:0x8847,set_field:77->mpls_label,set_field:0->mpls_tc,"
      "set_mpls_ttl(9),dec_mpls_ttl,output:2"],
     ["in_port=2,mpls,mpls_label=77,actions=pop_mpls:0x0800,output:1"],
     lambda p: labels(p, (77, 0, 8))),
    ("MPLS within a VLAN", IPS,
     ["in_port=1,ip,actions=push_mpls:0x8847,set_field:55->mpls_label,set_field:7->mpls_tc,push_vlan:0x8100,"
      "set_field:4106->vlan_vid,output:2"],
     ["in_port=2,dl_vlan=10,mpls,mpls_label=55,actions=pop_vlan,pop_mpls:0x0800,output:1"],
     lambda p: tags(labels(p, (55, 7, p[22])), (0x8100, 0, 10))),
]

# name, port settings of both switches' host port and link, what is on the link; NORMAL.
NORMAL = [
    ("NORMAL, access to trunk", "tag=10 vlan_mode=access", "trunks=10",
     lambda p: tags(p, (0x8100, 0, 10))),
    ("NORMAL, access to native-tagged", "tag=10 vlan_mode=access", "tag=10 vlan_mode=native-tagged",
     lambda p: tags(p, (0x8100, 0, 10))),
    ("NORMAL, access to native-untagged", "tag=10 vlan_mode=access",
     "tag=10 vlan_mode=native-untagged", lambda p: p),
    ("NORMAL, dot1q-tunnel to trunk", "tag=20 vlan_mode=dot1q-tunnel other_config:qinq-ethtype=802.1ad",
     "trunks=20", lambda p: tags(p, (0x88a8, 0, 20))),
]


class Side(SwitchSide):
    def __init__(self, top, name, host, host_port, link, namespace=None):
        super().__init__(top, name)
        self.host, self.host_port, self.link = Wire(host), host_port, link
        self.wire = Wire(link, namespace)

    def flows(self, lines):
        self.run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", f"br-{self.name}")
        for line in lines:
            self.run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", f"br-{self.name}", line)

    def port(self, name, words):
        self.run("ovs-vsctl", "clear", "port", name, "tag", "trunks", "vlan_mode", "other_config")
        if words:
            self.run("ovs-vsctl", "set", "port", name, *words.split())


def show(data):
    return "nothing" if data is None else Ether(data).summary() + " " + data.hex()


def one(sender, receiver, sent, on_link):
    """Sends one packet; returns what is wrong, or None."""
    for w in (receiver.wire, receiver.host):
        w.drain()
    sender.host.send(sent)
    link = receiver.wire.collect(1.0, 1)
    far = receiver.host.collect(1.0, 1)
    for where, got, wanted in (("link", link, on_link), ("far host", far, sent)):
        if len(got) != 1:
            return f"{len(got)} packets at the {where}"
        if got[0] != wanted and got[0] != padded(wanted) and padded(got[0]) != padded(wanted):
            return f"at the {where}: wanted {show(wanted)}, got {show(got[0])}"
    return None


def attempt(name, sender, receiver, names, on_link, prepare):
    what = f"{sender.name} to {receiver.name}, {name}"
    try:
        prepare()
        for n in names:
            sent = bytes(PACKETS[n])
            why = None
            for _ in range(2):
                # Stock Open vSwitch may handle the first packet by the flows before: its
                # barrier does not cover its caches.
                why = one(sender, receiver, sent, on_link(sent))
                if why is None:
                    break
            if why:
                print(f"not ok {what}: {n}: {why}")
                return
        print(f"ok {what} ({len(names)} packets)")
    except (Failure, subprocess.TimeoutExpired) as e:
        print(f"not ok {what}: {' '.join(str(e).split())}")


def main():
    top = sys.argv[1]
    weft = Side(top, "weft", "hw", "pw", "lw")
    stock = Side(top, "stock", "hs", "ps", "ls", "peer")
    for sender, receiver in ((weft, stock), (stock, weft)):
        for name, names, out, back, on_link in CASES:
            def prepare():
                sender.flows(out)
                receiver.flows(back)
            attempt(name, sender, receiver, names, on_link, prepare)
    for side in (weft, stock):
        side.flows(["actions=NORMAL"])
    for sender, receiver in ((weft, stock), (stock, weft)):
        for name, host, link, on_link in NORMAL:
            def prepare():
                for side in (weft, stock):
                    side.port(side.host_port, host)
                    side.port(side.link, link)
            attempt(name, sender, receiver, ALL, on_link, prepare)
    print("# end")


if __name__ == "__main__":
    main()
