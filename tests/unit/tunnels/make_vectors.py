#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes vectors.h: tunnel packets as scapy makes them, so that our encoder and decoder are not only
each other's witnesses.  Run by hand (package python3-scapy): ./make_vectors.py > vectors.h"""
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

INNER = Ether(dst="50:54:00:00:00:07", src="50:54:00:00:00:05") / \
    IP(src="192.168.0.1", dst="192.168.0.2", ttl=64) / TCP(sport=8, dport=9) / Raw(b"inside")
PLAIN = IP(src="192.168.0.1", dst="192.168.0.2", ttl=64) / ICMP(id=1, seq=2) / Raw(b"inside")
PLAIN6 = IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=8, dport=9) / Raw(b"inside")
V4 = IP(src="10.1.2.3", dst="10.4.5.6", ttl=64, tos=0x10, flags="DF", id=0)
V4_NO_DF = IP(src="10.1.2.3", dst="10.4.5.6", ttl=64, flags=0, id=0)
V6 = IPv6(src="fd01::3", dst="fd01::6", hlim=63, tc=0x10)


def udp(port, checksum):
    return UDP(sport=50000, dport=port, **({} if checksum else {"chksum": 0}))


def option(cls, kind, data):
    return GeneveOptions(classid=cls, type=kind, data=data)


VECTORS = {
    "vxlan": V4 / udp(4789, False) / VXLAN(flags=8, vni=0x123456) / INNER,
    "vxlan_csum": V4_NO_DF / udp(4789, True) / VXLAN(flags=8, vni=7) / INNER,
    "vxlan_v6": V6 / udp(4789, True) / VXLAN(flags=8, vni=0xffffff) / INNER,
    "vxlan_gbp": V4 / udp(4789, False) / VXLAN(flags=0x88, vni=5, gpid=0x1234) / INNER,
    "vxlan_gpe_ip": V4 / udp(4790, False) / VXLAN(flags=0x0c, NextProtocol=1, vni=9) / PLAIN,
    "geneve": V4 / udp(6081, False) / GENEVE(vni=0xabcdef, proto=0x6558) / INNER,
    "geneve_options": V4 / udp(6081, True) / GENEVE(
        vni=1, proto=0x6558, critical=1,
        options=[option(0xffff, 0x80, b"\x00\x00\x00\x0a"),
                 option(0x0102, 1, bytes(range(8)))]) / INNER,
    "geneve_v6_ip6": V6 / udp(6081, True) / GENEVE(vni=3, proto=0x86dd) / PLAIN6,
    "gre": V4 / GRE(proto=0x6558) / INNER,
    "gre_key": V4 / GRE(proto=0x6558, key_present=1, key=0x01020304) / INNER,
    "gre_all": V4 / GRE(proto=0x6558, chksum_present=1, key_present=1, key=5,
                        seqnum_present=1, sequence_number=0xfffffffe) / INNER,
    "gre_ip": V4 / GRE(proto=0x0800) / PLAIN,
    "gre_v6": V6 / GRE(proto=0x6558, key_present=1, key=6) / INNER,
    "erspan2": V4 / GRE(proto=0x88be, seqnum_present=1, sequence_number=1)
               / ERSPAN_II(ver=1, session_id=0x7b, index=3) / INNER,
    "erspan3": V4 / GRE(proto=0x22eb, seqnum_present=1, sequence_number=1)
               / ERSPAN_III(ver=2, session_id=0x237, hw=7, d=1) / INNER,
    "gtpu": V4 / udp(2152, False) / GTP_U_Header(gtp_type=255, teid=0x11223344) / PLAIN,
    # scapy knows no LISP: the header of RFC 6830 section 5.1 as bytes (L and I; instance, one locator).
    "lisp": V4 / udp(4341, False) / Raw(bytes.fromhex("4800000012345601")) / PLAIN,
    "lisp_v6": V6 / udp(4341, True) / Raw(bytes.fromhex("4000000000000001")) / PLAIN6,
}

print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Written by make_vectors.py with scapy; do not edit. */")
for name, packet in VECTORS.items():
    data = bytes(packet)
    print(f"static const uint8_t {name}[] = {{")
    for i in range(0, len(data), 16):
        print("\t" + " ".join(f"0x{b:02x}," for b in data[i:i + 16]))
    print("};")
