# SPDX-License-Identifier: Apache-2.0
"""The cases of 82-tunnel-peers.sh.  A line a case: "ok NAME" or "not ok NAME: why"."""
import logging
import os
import struct
import subprocess
import sys
import time

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from switch_side import Failure, SwitchSide  # noqa: E402
from wire import Wire  # noqa: E402

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
ADDRESS = {"weft": ("172.16.0.1", "fd16::1"), "stock": ("172.16.0.2", "fd16::2")}
IP4 = IP(src="10.1.0.1", dst="10.1.0.2", tos=0x29, id=7, ttl=33)
PACKETS = {
    "arp": Ether(src=A, dst=B) / ARP(op=1, hwsrc=A, psrc="10.1.0.1", pdst="10.1.0.2") / (b"\0" * 18),
    "udp, odd length": Ether(src=A, dst=B) / IP4 / UDP(sport=1000, dport=2000) / (b"y" * 101),
    "tcp": Ether(src=A, dst=B) / IP4 / TCP(sport=5, dport=80, flags="S", options=[("MSS", 1460)]) / (b"t" * 9),
    "icmp, 1500 bytes": Ether(src=A, dst=B) / IP4 / ICMP(id=3, seq=9) / (b"z" * 1472),
    "udp over ipv6": Ether(src=A, dst=B) / IPv6(src="fd00::1", dst="fd00::2", tc=0x28, hlim=33) /
    UDP(sport=1000, dport=2000) / (b"x" * 90),
    "802.1Q": Ether(src=A, dst=B, type=0x8100) / (b"\x20\x0a\x08\0" + bytes(IP4 / UDP(sport=1, dport=2) / (b"v" * 60))),
}
FLOWS = (["in_port=1,actions=output:2"], ["in_port=2,actions=output:1"])
TLV = "{class=0xffff,type=1,len=4}->tun_metadata0,{class=0xffff,type=2,len=8}->tun_metadata1"

# Open vSwitch's user space takes no VXLAN with a policy (GBP), and writes the sequence number of GRE behind
# the checksum's back.
# name, type, options, flows of sender and receiver ({remote}, {local}: addresses of the sender's view).
CASES = [
    ("VXLAN", "vxlan", "key=7", FLOWS),
    ("VXLAN with checksum", "vxlan", "key=7 csum=true", FLOWS),
    ("VXLAN-GPE", "vxlan", "key=7 exts=gpe dst_port=4790", FLOWS),
    ("GRE", "gre", "", FLOWS),
    ("GRE with a key", "gre", "key=123456", FLOWS),
    ("GRE with key and checksum", "gre", "key=4294967295 csum=true", FLOWS),
    ("GRE with key and sequence numbers", "gre", "key=1 seq=true", FLOWS),
    ("Geneve", "geneve", "key=16777215", FLOWS),
    ("Geneve with options", "geneve", "key=9",
     (["in_port=1,actions=set_field:0xabcd->tun_metadata0,set_field:0x1122334455667788->tun_metadata1,output:2"],
      ["in_port=2,tun_metadata0=0xabcd,tun_metadata1=0x1122334455667788,actions=output:1"])),
    ("ERSPAN type II", "erspan", "key=30 erspan_ver=1 erspan_idx=fffff", FLOWS),
    ("ERSPAN type III", "erspan", "key=1023 erspan_ver=2 erspan_dir=1 erspan_hwid=3f", FLOWS),
    ("TTL and TOS fixed", "geneve", "key=1 ttl=33 tos=0x28", FLOWS),
    ("TTL and TOS of the inner packet", "vxlan", "key=1 ttl=inherit tos=inherit", FLOWS),
    ("may be fragmented", "gre", "key=1 df_default=false", FLOWS),
    ("remote address and key of the flow", "vxlan", "key=flow remote_ip=flow",
     (["in_port=1,actions=set_field:0x55->tun_id,set_field:{remote}->{dst},output:2"],
      ["in_port=2,tun_id=0x55,{src}={remote},actions=output:1"])),
]


def total(data, start=0):
    if len(data) % 2:
        data += b"\0"
    n = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return n


def comparable(frame):
    """The outer packet with what may differ set to nothing, after its lengths and checksums were
    found right; and the UDP source port."""
    b = bytearray(frame)
    b[0:12] = bytes(12)
    if b[12:14] == b"\x08\0":
        if b[14] != 0x45 or struct.unpack_from("!H", b, 16)[0] != len(b) - 14:
            raise Failure("outer IPv4 length")
        if total(bytes(b[14:34])) != 0xffff:
            raise Failure("outer IPv4 checksum")
        proto, l4 = b[23], 34
        pseudo = bytes(b[26:34]) + struct.pack("!HH", proto, len(b) - l4)
        b[18:20] = b[24:26] = bytes(2)
        b[26:34] = bytes(8)
    else:
        if struct.unpack_from("!H", b, 18)[0] != len(b) - 54:
            raise Failure("outer IPv6 length")
        proto, l4 = b[20], 54
        pseudo = bytes(b[22:54]) + struct.pack("!II", len(b) - l4, proto)
        b[15] &= 0xf0
        b[16:18] = bytes(2)
        b[22:54] = bytes(32)
    if proto == 17:
        port, _, length, checksum = struct.unpack_from("!HHHH", b, l4)
        if length != len(b) - l4:
            raise Failure("outer UDP length")
        if checksum and total(pseudo + bytes(b[l4:])) != 0xffff:
            raise Failure("outer UDP checksum")
        b[l4:l4 + 2] = bytes(2)
        b[l4 + 6:l4 + 8] = b"\0\1" if checksum else b"\0\0"
        return bytes(b), port
    at, flags, kind = l4 + 4, b[l4], struct.unpack_from("!H", b, l4 + 2)[0]
    if flags & 0x80:
        if total(bytes(b[l4:])) != 0xffff:
            raise Failure("GRE checksum")
        b[at:at + 4] = bytes(4)
        at += 4
    if flags & 0x20:
        at += 4
    if flags & 0x10:
        b[at:at + 4] = bytes(4)
        at += 4
    if kind == 0x22eb:  # a timestamp
        b[at + 4:at + 8] = bytes(4)
    return bytes(b), None


class Side(SwitchSide):
    def __init__(self, top, name, host, link, namespace):
        super().__init__(top, name)
        self.host, self.wire = Wire(host), Wire(link, namespace)

    def flows(self, lines, v6, peer):
        words = {"remote": ADDRESS[peer][v6], "dst": ("tun_dst", "tun_ipv6_dst")[v6],
                 "src": ("tun_src", "tun_ipv6_src")[v6]}
        for line in lines:
            self.run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", f"br-{self.name}", line.format(**words))

    def port(self, kind, options, v6, peer):
        given = dict(o.split("=") for o in options.split())
        given.setdefault("remote_ip", ADDRESS[peer][v6])
        given["local_ip"] = ADDRESS[self.name][v6]
        bridge = f"br-{self.name}"
        self.run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", bridge)
        self.run("ovs-vsctl", "--timeout=20", "--if-exists", "del-port", bridge, "t")
        self.run("ovs-vsctl", "--timeout=20", "add-port", bridge, "t", "--", "set", "interface", "t",
                 f"type={kind}", "ofport_request=2", *(f"options:{k}={v}" for k, v in given.items()))


def next_of(wire, wanted, seconds=1.0):
    """The next frame that 'wanted' takes: hosts say other things, too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = wire.receive(max(0, end - time.monotonic()))
        if data is not None and wanted(data):
            return data
    return None


def is_outer(data):
    return (data[12:14] == b"\x08\0" and data[23] in (17, 47) and data[26:28] == b"\xac\x10") or \
        (data[12:14] == b"\x86\xdd" and data[20] in (17, 47) and data[22:24] == b"\xfd\x16")


def pass_one(sender, receiver, sent):
    """Sends an inner packet; returns its outer one, comparable."""
    receiver.wire.drain()
    receiver.host.drain()
    sender.host.send(sent)
    outer = next_of(receiver.wire, is_outer)
    far = next_of(receiver.host, lambda d: d[6:12] == sent[6:12])
    if outer is None:
        raise Failure("nothing on the link")
    if far != sent:
        raise Failure(f"inner packet: wanted {sent.hex()}, got {far and far.hex()}, outer {outer.hex()}")
    return comparable(outer)


def patiently(sender, receiver, sent):
    """Neighbours are asked for first, and stock's caches lag behind its flows."""
    for n in range(8):
        try:
            return pass_one(sender, receiver, sent)
        except Failure:
            if n == 7:
                raise
    return None


def case(sides, name, kind, options, flows, v6):
    weft, stock = sides
    for side, peer in ((weft, "stock"), (stock, "weft")):
        side.port(kind, options, v6, peer)
        side.flows(flows[0] + flows[1], v6, peer)
    for what, packet in PACKETS.items():
        sent = bytes(packet)
        try:
            ours, port = patiently(weft, stock, sent)
            theirs, _ = patiently(stock, weft, sent)
            if ours != theirs:
                raise Failure(f"outer packets differ: ours {ours.hex()}, theirs {theirs.hex()}")
            if port is not None and not 32768 <= port <= 61000:
                raise Failure(f"source port {port}")
        except Failure as e:
            raise Failure(f"{what}: {e}") from e


def outer_of(v6, payload, eth):
    """From the other end to us; scapy fills lengths and checksums in."""
    there, here = ADDRESS["stock"][v6], ADDRESS["weft"][v6]
    ip = IPv6(src=there, dst=here) if v6 else IP(src=there, dst=here)
    return bytes(eth / ip / UDP(sport=50000, dport=4341) / payload)


def lisp(sides, v6):
    """Open vSwitch's user space has no LISP, so its link stands for the other end: RFC 6830 section 5.1, byte
    by byte.  Instance 0x12345."""
    weft, link = sides[0], sides[1].wire
    weft.port("lisp", f"key={0x12345}", v6, "stock")
    weft.flows(["in_port=1,actions=output:2",
                f"in_port=2,actions=set_field:{B}->eth_dst,set_field:{A}->eth_src,output:1"], v6, "stock")
    for what in ("udp, odd length", "tcp", "icmp, 1500 bytes", "udp over ipv6"):
        sent = bytes(PACKETS[what])
        for n in range(8):
            link.drain()
            weft.host.send(sent)
            out = next_of(link, is_outer)
            if out is not None:
                break
        if out is None:
            raise Failure(f"{what}: nothing on the link")
        l4 = 54 if v6 else 34
        comparable(out)
        want = struct.pack("!H", 4341), bytes.fromhex("4800000001234501"), sent[14:]
        got = out[l4 + 2:l4 + 4], out[l4 + 8:l4 + 16], out[l4 + 16:]
        if got != want:
            raise Failure(f"{what}: wanted {want}, got {out.hex()}")
        eth = Ether(dst=":".join(f"{x:02x}" for x in out[6:12]), src=":".join(f"{x:02x}" for x in out[:6]))
        for header, comes in (("4800000001234501", True), ("c8abcdef01234503", True),  # with a nonce
                              ("1800000001234500", True),   # map version
                              ("98abcdef01234500", False),  # both: RFC 6830 section 5.3
                              ("4800000001234601", False)):  # another instance
            weft.host.drain()
            link.send(outer_of(v6, bytes.fromhex(header) + sent[14:], eth))
            far = next_of(weft.host, lambda d: d[6:12] == sent[6:12], 3.0 if comes else 0.3)
            if far != (sent if comes else None):
                raise Failure(f"{what}, header {header}: got {far and far.hex()}")


def main():
    top = sys.argv[1]
    sides = Side(top, "weft", "hw", "lw", None), Side(top, "stock", "hs", "ls", "peer")
    for side in sides:
        side.run("ovs-ofctl", "add-tlv-map", f"br-{side.name}", TLV)
    for v6 in (0, 1):
        for name, kind, options, flows in CASES:
            what = f"{name}, over {'IPv6' if v6 else 'IPv4'}"
            try:
                case(sides, name, kind, options, flows, v6)
                print(f"ok {what} ({len(PACKETS)} packets both ways)", flush=True)
            except (Failure, subprocess.TimeoutExpired) as e:
                print(f"not ok {what}: {' '.join(str(e).split())}", flush=True)
        what = f"LISP, over {'IPv6' if v6 else 'IPv4'}"
        try:
            lisp(sides, v6)
            print(f"ok {what} (4 packets out, 20 in)", flush=True)
        except (Failure, subprocess.TimeoutExpired) as e:
            print(f"not ok {what}: {' '.join(str(e).split())}", flush=True)
    print("# end")


if __name__ == "__main__":
    main()
