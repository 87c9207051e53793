#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts and routers of 17-multicast.sh.

multicast.py join GROUP DEVICE     joins, prints "joined", leaves at end of standard input
multicast.py send GROUP DEVICE N   sends N datagrams
multicast.py query DEVICE [6]      an IGMPv3 or MLDv2 general query
multicast.py sniff GROUP DEVICE    prints, at SIGTERM, how many frames to the group came
multicast.py frames DEVICE icmp    prints, at SIGTERM, how many ICMP frames came, and the size of the last
"""
import ipaddress
import signal
import socket
import struct
import sys
import time


def csum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def index(device):
    return socket.if_nametoindex(device)


def is_v6(group):
    return ipaddress.ip_address(group).version == 6


def join(group, device):
    if is_v6(group):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                     socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index(device)))
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     socket.inet_aton(group) + struct.pack("@4si", bytes(4), index(device)))
    print("joined", flush=True)
    sys.stdin.read()


def send(group, device, n):
    if is_v6(group):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index(device))
        to = (group, 5000, 0, index(device))
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                     struct.pack("@4s4si", bytes(4), bytes(4), index(device)))
        to = (group, 5000)
    for _ in range(int(n)):
        s.sendto(b"x" * 100, to)
        time.sleep(0.002)


def query(device, family="4"):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((device, 0))
    mac = s.getsockname()[4]
    if family == "6":
        src = socket.inet_pton(socket.AF_INET6, "fe80::1")
        dst = socket.inet_pton(socket.AF_INET6, "ff02::1")
        mld = struct.pack("!BBHHH", 130, 0, 0, 1000, 0) + bytes(16) + struct.pack("!BBH", 2, 125, 0)
        sum_ = csum(src + dst + struct.pack("!IHBB", len(mld), 0, 0, 58) + mld)
        mld = mld[:2] + struct.pack("!H", sum_) + mld[4:]
        # With the router alert option, as routers send it (RFC 3810 section 5).
        ext = bytes([58, 0, 5, 2, 0, 0, 1, 0])
        ip = struct.pack("!IHBB", 6 << 28, len(ext) + len(mld), 0, 1) + src + dst
        frame = bytes.fromhex("333300000001") + mac + b"\x86\xdd" + ip + ext + mld
    else:
        igmp = struct.pack("!BBH4sBBH", 0x11, 100, 0, bytes(4), 2, 125, 0)
        igmp = igmp[:2] + struct.pack("!H", csum(igmp)) + igmp[4:]
        ip = struct.pack("!BBHHHBBH4s4sI", 0x46, 0xc0, 24 + len(igmp), 0, 0, 1, 2, 0,
                         socket.inet_aton("10.0.0.254"), socket.inet_aton("224.0.0.1"), 0x94040000)
        ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
        frame = bytes.fromhex("01005e000001") + mac + b"\x08\x00" + ip + igmp
    s.send(frame)


def received(device):
    """Frames that come in by the device, until SIGTERM and a moment of silence."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((device, 3))
    # What is not for this host as well (PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC).
    s.setsockopt(263, 1, struct.pack("@iHH8s", index(device), 1, 0, bytes(8)))
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    s.settimeout(0.1)
    print("ready", file=sys.stderr, flush=True)
    while True:
        try:
            f, a = s.recvfrom(2000)
        except socket.timeout:
            if stop:
                return
            continue
        if a[2] != 4:    # PACKET_OUTGOING
            yield f


def sniff(group, device):
    g = ipaddress.ip_address(group).packed
    mac = (b"\x33\x33" + g[-4:] if len(g) == 16
           else b"\x01\x00\x5e" + bytes([g[1] & 0x7f]) + g[2:])
    print(sum(f[:6] == mac and
              (f[23:24] == b"\x11" if f[12:14] == b"\x08\x00" else f[20:21] == b"\x11")
              for f in received(device)))


def frames(device, _):
    n = size = 0
    for f in received(device):
        if f[12:14] == b"\x08\x00" and f[23:24] == b"\x01":
            n += 1
            size = len(f)
    print(n, size)


{"join": join, "send": send, "query": query, "sniff": sniff, "frames": frames}[sys.argv[1]](*sys.argv[2:])
