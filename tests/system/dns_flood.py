#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A well-behaved client of a name server while others flood it.

  dns_flood.py SERVER KIND SECONDS RATE

KIND: none; random (names that do not exist); malformed (cut, looped, lying messages); tcp (RATE connections
that stall or trickle); spoofed (large answers asked for in the name of 10.9.0.66).  RATE: messages a second.
Prints: asked answered asked-tcp answered-tcp sent.  The client asks as a resolver does: again after 800 ms,
three times in all.
"""
import os
import random
import select
import socket
import struct
import sys
import time

server, kind, seconds, rate = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
NAME = b"\x03www\x05flood\x04test\x00"


def query(ident, name=NAME, qtype=1, edns=True):
    head = struct.pack(">6H", ident, 0, 1, 0, 0, 1 if edns else 0)
    opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0) if edns else b""
    return head + name + struct.pack(">HH", qtype, 1) + opt


def random_name(r):
    label = bytes(r.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(12))
    return bytes([12]) + label + NAME[4:]


def malformed(r):
    good = bytearray(query(r.randrange(65536), random_name(r)))
    what = r.randrange(6)
    if what == 0:
        return bytes(good[: r.randrange(len(good))])
    if what == 1:
        good[12:14] = b"\xc0\x0c"  # a name that points at itself
    elif what == 2:
        good[4:12] = os.urandom(8)  # counts that lie
    elif what == 3:
        good += b"\0" + struct.pack(">HHIH", 41, 1232, 0, 65535)
    elif what == 4:
        return os.urandom(r.randrange(1, 512))
    else:
        good[r.randrange(len(good))] ^= 1 << r.randrange(8)
    return bytes(good)


def checksum(data):
    s = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def spoofed(r):
    udp_data = query(r.randrange(65536), b"\x03big\x05flood\x04test\x00", 16)
    udp = struct.pack(">4H", r.randrange(1024, 65536), 53, 8 + len(udp_data), 0) + udp_data
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), r.randrange(65536), 0, 64, 17, 0,
                     socket.inet_aton("10.9.0.66"), socket.inet_aton(server))
    return ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:] + udp


def flood_udp(end, report):
    r, sent, began = random.Random(1), 0, time.monotonic()
    if kind == "spoofed":
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    make = {"random": lambda: query(r.randrange(65536), random_name(r)), "malformed": lambda: malformed(r),
            "spoofed": lambda: spoofed(r)}[kind]
    ready = [make() for _ in range(4096)]
    while time.monotonic() < end:
        while sent < (time.monotonic() - began) * rate:
            try:
                s.sendto(ready[sent % len(ready)], (server, 53))
            except OSError:
                pass
            sent += 1
        time.sleep(0.001)
    os.write(report, b"%d" % sent)


def flood_tcp(end, report):
    """Keeps RATE connections: half of them silent, half of them send a byte now and then."""
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (rate + 100, rate + 100))
    r, opened, open_now = random.Random(1), 0, []
    while time.monotonic() < end:
        for _ in range(200):
            if len(open_now) < rate:
                s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                s.setblocking(False)
                try:
                    s.connect((server, 53))
                except BlockingIOError:
                    pass
                except OSError:
                    s.close()
                    continue
                open_now.append(s)
                opened += 1
        for _ in range(200):
            i = r.randrange(len(open_now))
            try:
                if i % 2:
                    open_now[i].send(b"\0")
                elif not open_now[i].recv(1):
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                open_now[i].close()
                open_now[i] = open_now[-1]
                open_now.pop()
        time.sleep(0.001)
    os.write(report, b"%d" % opened)


def ask_udp(s, ident):
    for _ in range(3):
        s.send(query(ident))
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            if select.select([s], [], [], until - time.monotonic())[0]:
                try:
                    m = s.recv(4096)
                except OSError:
                    continue
                if len(m) > 12 and m[:2] == struct.pack(">H", ident) and m[3] & 15 == 0:
                    # TC=1: the limiter asks for TCP, and a resolver goes there.
                    return m[7] > 0 or (m[2] & 2 and ask_tcp())
    return False


def ask_tcp():
    try:
        with socket.create_connection((server, 53), 2.4) as s:
            s.settimeout(2.4)
            q = query(7)
            s.sendall(struct.pack(">H", len(q)) + q)
            return len(s.recv(512)) > 14
    except OSError:
        return False


report_r, report_w = os.pipe()
child = 0
if kind != "none":
    child = os.fork()
    if not child:
        (flood_tcp if kind == "tcp" else flood_udp)(time.monotonic() + seconds + 0.5, report_w)
        os._exit(0)
    time.sleep(0.5)
# The client is in a network of its own.
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.1.2", 0))
s.connect((server, 53))
asked = answered = asked_tcp = answered_tcp = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    asked += 1
    answered += bool(ask_udp(s, asked & 0xFFFF))
    if asked % 10 == 0:
        asked_tcp += 1
        answered_tcp += ask_tcp()
    time.sleep(0.005)
sent = 0
if child:
    os.waitpid(child, 0)
    sent = int(os.read(report_r, 100))
print(asked, answered, asked_tcp, answered_tcp, sent)
