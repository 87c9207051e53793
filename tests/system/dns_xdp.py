# SPDX-License-Identifier: Apache-2.0
"""Asks two servers the same questions, byte for byte, and compares what they answer, byte for byte:
  dns_xdp.py compare SERVER OTHER COUNT SEED   random questions, good, odd and malformed
  dns_xdp.py hot SERVER OTHER COUNT SEED       the same, but good ones for hot names alone
  dns_xdp.py tcp SERVER SERVER COUNT SEED      with DO=1, over UDP and over TCP
  dns_xdp.py cache SERVER COUNT SEED           as a resolver's cache does (RFC 7871 section 7.3.1): what it was told for
                                               a prefix is what every client in the scope is told directly, over TCP
  dns_xdp.py steady SERVER SECONDS             hot names at some 300 a second; prints questions and unanswered ones
  dns_xdp.py heat SERVER NAME TYPE COUNT       asks so often
  dns_xdp.py limit SERVER NAME COUNT [cookie]  asks as fast as it can; prints whole, cut, missing
Cookies have a time in them: answers that differ are asked for again."""
import random
import select
import socket
import struct
import sys
import time

HOT = ["www.example.com", "st.example.com", "n1.example.com", "n2.example.com", "alias.example.com", "big.example.com",
       "mx.example.com", "only4.example.com"]
COLD = ["nothing.example.com", "example.com", "a.b.c.example.com", "www.example.net", "x" * 63 + ".example.com",
        ".".join(["y" * 40] * 4) + ".example.com", "", "sub.example.com", "x.wild.example.com"]
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "RRSIG": 46, "HTTPS": 65, "ANY": 255}


def wire(name, rng=None):
    out = b""
    for label in name.split(".") if name else []:
        text = "".join(rng.choice((c.lower(), c.upper())) for c in label) if rng else label
        out += bytes([len(text)]) + text.encode()
    return out + b"\0"


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def subnet(rng, good):
    family = rng.choice((1, 1, 1, 2))
    bits = 32 if family == 1 else 128
    length = rng.choice((0, 8, 15, 16, 20, 24, 24, 24, 32)) if family == 1 else rng.choice((0, 32, 40, 48, 56, 56, 64, 128))
    net = rng.choice(((10 << 24) + (1 << 16), 10 << 24, rng.getrandbits(32))) if family == 1 else \
        rng.choice((0x20010db801000000 << 64, 0x20010db8 << 96, rng.getrandbits(128)))
    net += rng.getrandbits(12) << (bits - 24)
    net = net % (1 << bits) >> (bits - length) << (bits - length) if length else 0
    data = net.to_bytes(bits // 8, "big")[:(length + 7) // 8]
    if good:
        return option(8, struct.pack("!HBB", family, length, 0) + data)
    how = rng.randrange(9)
    scope = 7 if how == 0 else 0
    if how == 1 and length % 8 and data:
        data = data[:-1] + bytes([data[-1] | 1])
    elif how == 2:
        data = data[:-1]
    elif how == 3:
        data += b"\0"
    elif how == 4:
        length = 33 if family == 1 else 129
    elif how == 5:
        family = 3
    elif how == 6:
        return option(8, b"\0\1")
    elif how == 7:
        family = 0
    return option(8, struct.pack("!HBB", family, length, scope) + data)


def question(rng, number, good, do_only=False):
    """A message, of which the first two bytes are 'number'."""
    name = rng.choice(HOT if good or rng.random() < 0.7 else COLD)
    qtype = TYPES[rng.choice(("A", "A", "AAAA") if good else list(TYPES))]
    flags = rng.choice((0, 0x100, 0x110, 0x10))
    head = [number, flags, 1, 0, 0, 0]
    body = wire(name, rng) + struct.pack("!HH", qtype, 1)
    if do_only or rng.random() < 0.8:
        size = rng.choice((512, 1232, 1232, 1400, 4096)) if good else rng.choice((0, 100, 512, 600, 700, 1232, 4096, 65535))
        do = 0x8000 if do_only else rng.choice((0, 0, 0, 0x8000))
        options = b""
        if rng.random() < 0.6:
            options += subnet(rng, good or rng.random() < 0.5)
        if rng.random() < 0.5:
            options += option(10, rng.randbytes(8 if good else rng.choice((8, 8, 8, 16, 24, 24, 40, 0, 7, 9, 41))))
        if not good:
            if rng.random() < 0.1:
                options += option(rng.choice((3, 12, 65001)), b"" if rng.random() < 0.5 else b"\0" * 5)
            if rng.random() < 0.1:
                options += subnet(rng, True)
            if rng.random() < 0.05:
                options += option(10, rng.randbytes(8))
            if rng.random() < 0.05:
                options += rng.randbytes(rng.randrange(6))
            if rng.random() < 0.1:
                do |= rng.getrandbits(15) if rng.random() < 0.5 else 0x4000
        version = 0 if good or rng.random() < 0.95 else 1
        owner = b"\0" if good or rng.random() < 0.98 else b"\1x\0"
        rdlen = len(options) if good or rng.random() < 0.97 else rng.randrange(64)
        opt = owner + struct.pack("!HHBBHH", 41, size, 0, version, do, rdlen) + options
        head[5] = 1
        body += opt
        if not good and rng.random() < 0.03:
            body += opt
            head[5] = 2
    if not good:
        if rng.random() < 0.05:
            head[rng.randrange(1, 6)] = rng.getrandbits(16) & 0x7fff
        if rng.random() < 0.03:
            body += rng.randbytes(rng.randrange(1, 9))
        message = struct.pack("!6H", *head) + body
        if rng.random() < 0.05:
            at = rng.randrange(12, len(message))
            message = message[:at] + bytes([rng.getrandbits(8)]) + message[at + 1:]
        if rng.random() < 0.03:
            message = message[:rng.randrange(2, len(message))]
        return message
    return struct.pack("!6H", *head) + body


class Udp:
    """Two servers, one socket each."""

    def __init__(self, servers):
        self.socks = []
        for s in servers:
            sock = socket.socket(socket.AF_INET6 if ":" in s else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.connect((s, 53))
            self.socks.append(sock)

    def ask(self, messages, wait):
        """[{id: answer}] of each server."""
        got = [{} for _ in self.socks]
        for m in messages:
            for s in self.socks:
                s.send(m)
        end = time.monotonic() + wait
        while time.monotonic() < end and any(len(g) < len(messages) for g in got):
            ready, _, _ = select.select(self.socks, [], [], end - time.monotonic())
            for s in ready:
                data = s.recv(65535)
                got[self.socks.index(s)].setdefault(data[:2], data)
        return got


def tcp_ask(server, message):
    with socket.create_connection((server, 53), 20) as s:
        s.sendall(struct.pack("!H", len(message)) + message)
        data = b""
        while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
            more = s.recv(65535)
            if not more:
                break
            data += more
        return data[2:]


def compare(servers, count, seed, good, tcp=False):
    rng = random.Random(seed)
    udp = Udp(servers[:1] if tcp else servers)
    n_answers = n_cut = 0
    for start in range(0, count, 32):
        messages = [question(rng, (start + i) & 0xffff, good, tcp) for i in range(min(32, count - start))]
        got = udp.ask(messages, 0.7)
        for m in messages:
            for again in range(6):
                one = got[0].get(m[:2])
                other = tcp_ask(servers[0], m) if tcp else got[1].get(m[:2])
                if one == other or (tcp and one and one[2] & 2):
                    break
                # A cookie of the second before, or a packet that was lost.
                got = udp.ask([m], 1 + again)
            else:
                print("asked    %s\nanswered %s\nother    %s" % (m.hex(), one and one.hex(), other and other.hex()))
                return 1
            n_answers += one is not None
            n_cut += bool(one and one[2] & 2)
    print("%d questions, %d answers, %d of them cut: all alike" % (count, n_answers, n_cut))
    return 0


def read(answer):
    """(scope or None, sorted data of the answer section)."""
    counts = struct.unpack("!6H", answer[:12])
    at = 12
    while answer[at]:
        at += 1 + answer[at]
    at += 5
    scope, data = None, []
    for i in range(sum(counts[3:])):
        at += 2 if answer[at] >= 0xc0 else 1  # names are c00c or the root here
        rtype, _, _, rdlen = struct.unpack("!HHIH", answer[at:at + 10])
        at += 10
        if i < counts[3]:
            data.append((rtype, answer[at:at + rdlen]))
        elif rtype == 41:
            opt = answer[at:at + rdlen]
            while opt:
                code, size = struct.unpack("!HH", opt[:4])
                if code == 8:
                    scope = opt[7]
                opt = opt[4 + size:]
        at += rdlen
    return scope, sorted(data)


def ecs_question(number, name, do, net, length, bits, cookie):
    options = option(8, struct.pack("!HBB", 1 if bits == 32 else 2, length, 0) + net.to_bytes(bits // 8, "big")[:(length + 7) // 8])
    if cookie:
        options += option(10, b"abcdefgh")
    return struct.pack("!6H", number, 0, 1, 0, 0, 1) + wire(name) + struct.pack("!HH", 1, 1) + b"\0" + \
        struct.pack("!HHIH", 41, 1232, do << 15, len(options)) + options


def cache(server, count, seed):
    rng = random.Random(seed)
    udp = Udp([server])
    n_asked = n_shorter = 0
    for number in range(count):
        name = rng.choice(("www.example.com", "st.example.com"))
        if rng.random() < 0.7:
            bits, length = 32, rng.choice((12, 16, 18, 20, 22, 24, 24, 25, 28, 32))
            net = (10 << 24) + rng.getrandbits(17) if rng.random() < 0.3 else (10 << 24) + (1 << 16) + rng.getrandbits(16)
            if rng.random() < 0.2:
                net = rng.getrandbits(32)
        else:
            bits, length = 128, rng.choice((32, 36, 40, 48, 56, 64, 128))
            net = (0x20010db8 << 96) + (rng.choice((0, 1, 2)) << 88) + rng.getrandbits(88)
        net = net >> (bits - length) << (bits - length)
        for again in range(6):
            got = udp.ask([ecs_question(number, name, rng.randrange(2), net, length, bits, rng.randrange(2))], 1 + again)[0]
            if got:
                break
        scope, told = read(next(iter(got.values())))
        # A scope that is longer than the prefix that was sent asks for more of it: nobody else may be told.
        if scope > length:
            n_shorter += 1
            continue
        first = net >> (bits - scope) << (bits - scope)
        for _ in range(2):
            client = first + rng.getrandbits(bits - scope) if scope < bits else first
            direct = read(tcp_ask(server, ecs_question(number, name, 0, client, bits, bits, False)))[1]
            if direct != told:
                print("%s for %x/%d: scope %d, told %s; but %x is told %s" % (name, net, length, scope, told, client, direct))
                return 1
            n_asked += 1
    print("%d clients are told what the cache would have told them; %d prefixes were too short" % (n_asked, n_shorter))
    return 0


def heat(server, name, qtype, count):
    udp = Udp([server])
    for start in range(0, count, 64):
        udp.ask([struct.pack("!6H", start + i & 0xffff, 0, 1, 0, 0, 0) + wire(name) + struct.pack("!HH", TYPES[qtype], 1)
                 for i in range(64)], 1)
    return 0


def steady(server, seconds):
    rng = random.Random(9)
    udp = Udp([server])
    got, n, end = {}, 0, time.monotonic() + seconds
    while time.monotonic() < end and n < 60000:
        for _ in range(6):
            udp.socks[0].send(question(rng, n, True))
            n += 1
        time.sleep(0.02)
        while select.select(udp.socks, [], [], 0)[0]:
            data = udp.socks[0].recv(65535)
            got[data[:2]] = data
    end = time.monotonic() + 5
    while len(got) < n and select.select(udp.socks, [], [], max(0, end - time.monotonic()))[0]:
        data = udp.socks[0].recv(65535)
        got[data[:2]] = data
    print(n, n - len(got))
    return 0


def limit(server, name, count, with_cookie):
    udp = Udp([server])
    cookie = b"12345678"
    ask = lambda number, c: struct.pack("!6H", number, 0, 1, 0, 0, 1) + wire(name) + struct.pack("!HH", 1, 1) + b"\0" + \
        struct.pack("!HHIH", 41, 1232, 0, 4 + len(c)) + option(10, c)
    if with_cookie:
        first = udp.ask([ask(1, cookie)], 5)[0]
        cookie = first[b"\0\1"][-24:]
    got = {}
    for start in range(0, count, 50):
        got.update(udp.ask([ask(2 + start + i, cookie if with_cookie else b"12345678") for i in range(50)], 0.02 if not with_cookie else 2)[0])
    whole = sum(1 for a in got.values() if not a[2] & 2)
    print("%d %d %d" % (whole, len(got) - whole, count - len(got)))
    return 0


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "heat":
        sys.exit(heat(args[0], args[1], args[2], int(args[3])))
    if what == "steady":
        sys.exit(steady(args[0], float(args[1])))
    if what == "cache":
        sys.exit(cache(args[0], int(args[1]), int(args[2])))
    if what == "limit":
        sys.exit(limit(args[0], args[1], int(args[2]), len(args) > 3))
    sys.exit(compare(args[:2], int(args[2]), int(args[3]), what != "compare", what == "tcp"))
