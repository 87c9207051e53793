#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Feeds random and mutated actions to "ovs-ofctl parse-actions" and "parse-instructions" of a
stock Open vSwitch and to actions_tool, and compares what they print: text, the bytes that change
when the list is encoded again, or the error.

    actions_diff.py TOOL [--count N] [--seed S] [--version OpenFlow13] [--show N]
    actions_diff.py TOOL --record    (prints tests/unit/openflow/action_golden.h)

Exits 1 if they differ in anything but the known differences, which known() names.
"""
import argparse
import os
import random
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
VERSIONS = ["OpenFlow1%d" % i for i in range(6)]
NX, ONF = 0x2320, 0x4F4E4600


def read_fields():
    """(header, experimenter or None, bytes of a value) of each field in fields.def that Open
    vSwitch 3.1 has as well."""
    text = open(os.path.join(ROOT, "openflow", "fields.def")).read()
    out = []
    ours_only = "PBB_|IPV6_EXTHDR"
    for row in re.split(r"\nOF_FIELD\(", text)[1:]:
        if re.match(ours_only, row):
            continue
        for m in re.finditer(r"OXM\(\w+, \d, (0x\w+), (\d+), (\d+), (\w+)\)", row):
            cls, num, length, exp = int(m[1], 0), int(m[2]), int(m[3]), int(m[4], 0)
            n = length - 4 if exp else length
            out.append((cls << 16 | num << 9 | length, exp or None, n))
    for i in range(64):
        out.append((1 << 16 | (40 + i) << 9 | 124, None, 124))
    for base, cls, count, n in (("reg", 1, 16, 4),):
        for i in range(count):
            out.append((cls << 16 | i << 9 | n, None, n))
    return out


FIELDS = read_fields()


class Gen:
    def __init__(self, rng, version):
        self.r = rng
        self.v = VERSIONS.index(version)

    def small(self, bits):
        r = self.r
        k = r.random()
        if k < 0.4:
            return r.randrange(min(1 << bits, 8))
        if k < 0.6:
            return (1 << bits) - 1 - r.randrange(min(1 << bits, 16))
        return r.getrandbits(bits)

    def u8(self):
        return struct.pack("!B", self.small(8))

    def u16(self):
        return struct.pack("!H", self.small(16))

    def u32(self):
        return struct.pack("!I", self.small(32))

    def u64(self):
        return struct.pack("!Q", self.small(64))

    def zeros(self, n):
        return bytes(n) if self.r.random() < 0.97 else self.r.randbytes(n)

    def port16(self):
        return struct.pack("!H", self.r.choice([1, 2, 10, 0xFF00, 0xFEFF, 0xFFF7, 0xFFF8, 0xFFF9,
                                                0xFFFA, 0xFFFB, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF,
                                                self.small(16)]))

    def port32(self):
        return struct.pack("!I", self.r.choice([1, 2, 0xFEFF, 0xFFFFFFF7, 0xFFFFFFF8, 0xFFFFFFFA,
                                                0xFFFFFFFB, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE,
                                                0xFFFFFFFF, self.r.randrange(0xFF00)]))

    def header(self, four=False):
        while True:
            h, exp, n = self.r.choice(FIELDS)
            if n == 124 and self.r.random() < 0.8:
                continue
            if exp is None or not four:
                break
        b = struct.pack("!I", h)
        return (b + struct.pack("!I", exp) if exp else b), n

    def entry(self, mask=0.3):
        while True:
            h, exp, n = self.r.choice(FIELDS)
            if n != 124 or self.r.random() > 0.8:
                break
        if n == 124:
            n = self.r.choice([1, 4, 8, 124])
            h = h & ~0xFF | n
        masked = self.r.random() < mask
        value = self.r.choice([self.r.randbytes(n), bytes(n - 1) + bytes([self.small(8)])])
        k = self.r.random()
        if masked:
            m = self.r.randbytes(n) if k < 0.5 else b"\xff" * n if k < 0.8 else bytes(n)
            if self.r.random() < 0.9:
                value = bytes(a & b for a, b in zip(value, m))
            h = h & ~0x1FF | 0x100 | ((n * 2 + (4 if exp else 0)) & 0xFF)
            value += m
        return struct.pack("!I", h) + (struct.pack("!I", exp) if exp else b"") + value

    def ofs_nbits(self):
        r = self.r
        if r.random() < 0.7:
            ofs, n = r.choice([(0, 32), (0, 16), (0, 48), (0, 8), (0, 1), (4, 4), (0, 64), (0, 12)])
            return struct.pack("!H", ofs << 6 | (n - 1))
        return self.u16()

    def pad(self, b):
        return b + bytes(-len(b) % 8)

    def std(self, number, body):
        b = self.pad(struct.pack("!HH", number, 0) + body)
        return b[:2] + struct.pack("!H", len(b) & 0xFFFF) + b[4:]

    def ext(self, vendor, number, body):
        b = self.pad(struct.pack("!HHIH", 0xFFFF, 0, vendor, number) + body)
        return b[:2] + struct.pack("!H", len(b) & 0xFFFF) + b[4:]

    def nx(self, number, body):
        return self.ext(NX, number, body)

    def standard(self):
        r, v = self.r, self.v
        z = self.zeros
        if v == 0:
            t = r.randrange(12)
            body = [lambda: self.port16() + self.u16(), lambda: struct.pack("!H", self.small(13)) + z(2),
                    lambda: struct.pack("!B", self.small(4)) + z(3), lambda: z(4),
                    lambda: r.randbytes(6) + z(6), lambda: r.randbytes(6) + z(6), self.u32, self.u32,
                    lambda: self.u8() + z(3), lambda: self.u16() + z(2), lambda: self.u16() + z(2),
                    lambda: self.port16() + z(6) + self.u32()][t]()
            return self.std(t, body)
        t = r.choice([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                      25, 25, 25, 28, 28, 29, 30])
        if t == 0:
            body = self.port32() + self.u16() + z(6)
        elif t == 1:
            body = struct.pack("!H", self.small(13)) + z(2)
        elif t == 2:
            body = struct.pack("!B", self.small(4)) + z(3)
        elif t in (3, 4):
            body = r.randbytes(6) + z(6)
        elif t == 13:
            body = struct.pack("!I", self.small(20))
        elif t == 14:
            body = struct.pack("!B", self.small(3)) + z(3)
        elif t in (5, 6, 21, 22, 29):
            body = self.u32()
        elif t in (7, 8, 15, 23):
            body = self.u8() + z(3)
        elif t in (17, 19, 20):
            body = struct.pack("!H", r.choice([0x8100, 0x88A8, 0x8847, 0x8848, 0x800, self.small(16)])) + z(2)
        elif t in (9, 10):
            body = self.u16() + z(2)
        elif t == 25:
            body = self.entry(0.4 if v >= 5 else 0.1)
        elif t == 28:
            body = self.move_head() + z(2) + self.header()[0] + self.header()[0]
        else:
            body = z(4)
        return self.std(t, body)

    def move_head(self):
        r = self.r
        n, a, b = r.choice([(32, 0, 0), (16, 0, 0), (48, 0, 0), (12, 0, 4), (1, 3, 5), (8, 0, 0),
                            (self.small(7), self.small(5), self.small(5))])
        return struct.pack("!HHH", n, a, b)

    def learn_spec(self):
        r = self.r
        n = r.choice([1, 4, 12, 16, 32, 48, 64, 128, self.small(7)])
        src, dst = r.randrange(2), r.choice([0, 0, 1, 1, 2, 3])
        b = struct.pack("!H", src << 13 | dst << 11 | n)
        if src:
            b += r.randbytes((n + 15) // 16 * 2) if r.random() < 0.5 else bytes((n + 15) // 16 * 2)
        else:
            b += self.header(True)[0] + struct.pack("!H", r.choice([0, 0, 0, 4, self.small(6)]))
        if dst != 2:
            b += self.header(True)[0] + struct.pack("!H", r.choice([0, 0, 0, 4, self.small(6)]))
        return b

    def nat(self):
        r = self.r
        rng, b = 0, b""
        v6 = r.random() < 0.4
        n = 16 if v6 else 4
        if r.random() < 0.7:
            lo, hi = sorted([r.randbytes(n), r.randbytes(n)])
            rng |= 4 if v6 else 1
            b += lo
            if r.random() < 0.5:
                rng |= 8 if v6 else 2
                b += hi if r.random() < 0.9 else lo
            if r.random() < 0.5:
                a, z = sorted([self.small(16), self.small(16)])
                rng |= 16
                b += struct.pack("!H", a)
                if r.random() < 0.6:
                    rng |= 32
                    b += struct.pack("!H", z)
        if r.random() < 0.05:
            rng = r.randrange(64)
        flags = r.choice([0, 1, 2, 5, 9, 17, 10, 18, 3, self.small(6)])
        return self.nx(36, self.zeros(2) + struct.pack("!HH", flags, rng) + b)

    def ext_action(self, depth):
        r, z = self.r, self.zeros
        t = r.choice([1, 2, 4, 5, 6, 6, 7, 7, 7, 8, 9, 10, 12, 13, 14, 15, 16, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                      25, 26, 27, 28, 29, 30, 31, 32, 33, 33, 34, 35, 35, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44,
                      45, 45, 46, 47, 48, 49, 50, 51, 254, 255, 3200])
        if t == 1:
            body = self.port16() + z(4)
        elif t in (2, 4, 40):
            body = z(2) + self.u32()
        elif t == 30:
            body = z(2) + struct.pack("!I", self.small(20))
        elif t == 31:
            body = struct.pack("!B", self.small(3)) + z(5)
        elif t == 6:
            body = self.move_head() + self.header()[0] + self.header()[0]
        elif t == 7:
            n = r.choice([16, 32, 48, 8, 1, 64])
            body = (self.ofs_nbits() if r.random() < 0.3 else struct.pack("!H", n - 1)) + self.header(True)[0] + \
                r.choice([self.u64(), struct.pack("!Q", self.small(min(n, 16)))])
        elif t == 8:
            body = r.randbytes(6 + 8 * r.randrange(4))
        elif t == 9:
            body = z(6) + self.u64()
        elif t == 10:
            body = struct.pack("!H", r.randrange(8)) + self.u16() + z(2) + struct.pack("!H", r.randrange(5)) + \
                struct.pack("!H", self.small(6)) + self.u32() + z(2) + self.ofs_nbits() + self.header(True)[0]
        elif t in (12, 13):
            n = r.randrange(6)
            body = struct.pack("!HH", r.randrange(3) if t == 12 else r.randrange(2),
                               r.randrange(9) if t == 12 else r.randrange(7)) + self.u16()
            body += struct.pack("!IH", 2, n)
            body += (self.ofs_nbits() + self.header(True)[0]) if t == 13 else z(6)
            body += z(4) + b"".join(self.port16() for _ in range(n))
        elif t in (14, 44):
            body = self.port16() + self.u8() + z(3)
        elif t == 15:
            body = self.ofs_nbits() + self.header(True)[0] + self.u16() + z(6)
        elif t in (16, 45):
            flags = r.choice([0, 0, 1, 2, 3]) if t == 16 else r.choice([0, 1, 4, 4, 5, self.small(3)])
            body = self.u16() + self.u16() + self.u16() + self.u64() + struct.pack("!H", flags)
            body += self.u8() + z(1) + self.u16() + self.u16()
            if t == 45:
                body += self.u32() + struct.pack("!H", r.randrange(8) if flags & 4 else 0) + z(2)
                if flags & 4:
                    body += self.header()[0]
            body += b"".join(self.learn_spec() for _ in range(r.randrange(4)))
        elif t == 19:
            body = self.u16() + self.u16() + z(2)
        elif t == 20:
            body = self.u16() + self.u16() + self.u8() + b"\0"
        elif t == 21:
            n = r.randrange(6)
            body = struct.pack("!H", n) + z(4) + b"".join(self.u16() for _ in range(n))
        elif t == 22:
            body = z(6) + self.u64() + self.u64()
        elif t in (23, 24):
            body = struct.pack("!H", r.choice([0x8847, 0x8848, 0x800])) + z(4)
        elif t == 25:
            body = self.u8() + z(5)
        elif t in (27, 28):
            h, n = self.header()
            body = struct.pack("!H", r.choice([0, 0, 4])) + h + \
                struct.pack("!H", r.choice([n * 8, 8, 1, self.small(8)]))
            body += z(14 - len(body))
        elif t in (29, 38, 41):
            body = self.u16() + self.u32() + self.u32() + self.u32()
            if t != 29:
                body += self.port16() + (struct.pack("!B", r.randrange(4)) if t == 41 else b"\0") + z(5)
        elif t == 32:
            body = self.ofs_nbits() + self.u16() + self.header()[0]
            body += z(14 - len(body))
        elif t == 33:
            body = self.entry()
        elif t == 34:
            n = r.choice([2, 3, 64, 65, 1])
            body = struct.pack("!BB", r.randrange(n + 1), n) + self.u32()
        elif t == 35:
            zone = r.choice([b"\0" * 4 + self.u16(), self.header(True)[0] + struct.pack("!H", 15)])
            nested = b""
            for _ in range(r.randrange(3)):
                k = r.random()
                if k < 0.4:
                    nested += self.nat()
                elif k < 0.6 and self.v < 5:
                    nested += self.nx(7, struct.pack("!HIQ", 31, 0x1D604, self.small(16)))
                elif k < 0.8 and self.v < 5:
                    nested += self.nx(33, struct.pack("!II", 0x1D604, self.small(32)))
                elif depth < 3:
                    nested += self.action(depth + 1)
            body = struct.pack("!H", r.choice([0, 1, 1, 1, 3, 2, self.small(3)])) + zone + \
                r.choice([b"\xff", self.u8()]) + z(3) + \
                struct.pack("!H", r.choice([0, 0, 21, 69, self.small(16)])) + nested
        elif t == 36:
            return self.nat()
        elif t == 37:
            body = z(6)
            for _ in range(r.randrange(4)):
                p = r.randrange(7)
                v = {0: self.u16(), 1: self.u16(), 2: self.u8(), 3: r.randbytes(r.randrange(12)), 4: b"",
                     5: self.u32()}.get(p, b"")
                prop = struct.pack("!HH", p, 4 + len(v)) + v
                body += prop + bytes(-len(prop) % 8)
        elif t == 39:
            body = self.port16() + struct.pack("!I", r.choice([14, 13, 100, self.small(32)]))
        elif t == 42:
            body = z(6)
            for _ in range(r.randrange(3) if depth < 3 else 0):
                body += self.action(depth + 1)
        elif t == 46:
            body = self.u16() + struct.pack("!I", r.choice([0, 0x1894F, 0x18847, 0x18848, self.small(17)]))
            for _ in range(r.randrange(3)):
                if r.random() < 0.5:
                    body += struct.pack("!HBBB", 4, 1, r.choice([5, 5, 5, 8, 4]), self.small(2)) + z(3)
                else:
                    n = r.randrange(20)
                    pad = -n % 8
                    body += struct.pack("!HBBHBB", 4, 2, 8 + n + pad, self.small(16), self.small(8), n) + \
                        r.randbytes(n) + bytes(pad)
        elif t == 47:
            body = z(2) + struct.pack("!I", r.choice([0xFFFE, 0, 0x1894F, self.small(32)]))
        elif t == 49:
            body = self.u16() + struct.pack("!H", self.small(5)) + self.header()[0]
            body += z(14 - len(body))
        elif t == 50:
            h = struct.pack("!I", 1 << 16 | (40 + r.randrange(64)) << 9 | 124) if r.random() < 0.7 \
                else self.header()[0]
            body = h + z(14 - len(h))
        elif t == 3200:
            body = z(2) + self.move_head() + z(2) + self.header()[0] + self.header()[0]
            return self.ext(ONF, t, body)
        else:
            body = z(6)
        return self.nx(t, body)

    def action(self, depth=0):
        return self.standard() if self.r.random() < 0.4 else self.ext_action(depth)

    def instruction(self):
        r = self.r
        t = r.choice([1, 2, 3, 4, 4, 4, 5, 6])
        if t == 1:
            return self.std(t, self.u8() + self.zeros(3))
        if t == 2:
            return self.std(t, self.zeros(4) + self.u64() + self.u64())
        if t in (3, 4):
            return self.std(t, self.zeros(4) + b"".join(self.action() for _ in range(r.randrange(4))))
        return self.std(t, self.u32() if t == 6 else self.zeros(4))

    def mutate(self, b):
        b = bytearray(b)
        r = self.r
        k = r.random()
        if k < 0.7 or not b:
            return bytes(b)
        for _ in range(r.choice([1, 1, 1, 2, 4])):
            i = r.randrange(len(b))
            k = r.random()
            if k < 0.5:
                b[i] ^= 1 << r.randrange(8)
            elif k < 0.8:
                b[i] = r.choice([0, 1, 0xFF, 8, 16, 24, r.randrange(256)])
            elif k < 0.9 and len(b) > 8:
                j = r.randrange(0, len(b), 8)
                del b[j:j + 8]
            else:
                j = r.randrange(0, len(b) + 1, 8)
                b[j:j] = bytes(8)
            if not b:
                break
        return bytes(b)


def known(ours, theirs, data, instructions):
    """The name of a difference that we mean, or None."""
    if re.search(r"copy_ttl_|push_pbb|pop_pbb|stat_trigger", ours):
        return "an action that Open vSwitch does not have"
    if re.search(r"bad \w+ \w+: OFPBAC_BAD_ARGUMENT", ours) and "bundle_load(" in theirs:
        return "bundle_load of unknown fields or algorithm, of which Open vSwitch forgets the error"
    if "OFPBAC_BAD_OUT_PORT" in theirs and re.search("00000010(?!0000[0-9a-e]|0000f[0-9a-e]|ffffff)", data):
        return "port numbers above 0xff00"
    if "ANY" in theirs and re.search(r"in_port_oxm|actset_output", ours):
        return "port numbers above 0xff00"
    if "OFPBAC_BAD_ARGUMENT" in ours and re.search("ffff....00002320000d", data):
        return "bundle_load of unknown fields or algorithm, of which Open vSwitch forgets the error"
    if ("BAD_TYPE" in theirs and re.search("^(.{16})*00(0b|0c|1a|1b)", data)) or \
            ("UNKNOWN_INST" in theirs and re.search("^(.{16})*0007", data)):
        return "an action that Open vSwitch does not have"
    # eth_type, ip_proto, mpls_bos, by NXM and by OXM.
    if re.search("00000[67]0[24]|80000[ab]0[24]|00000[cd]0[12]|80001[45]0[12]|80004[89]0[12]", data) and "BAD_SET_ARGUMENT" in theirs:
        return "fields that Open vSwitch does not write"
    if "BAD_SET_LEN" in theirs and "BAD_SET_TYPE" in ours:
        # It compares the length with that of any field that lands in the same hash bucket.
        return "error of an unknown field"
    if "OFPBAC_BAD_ARGUMENT" in ours and \
            re.search("000[de]0008|00002320001[ef]", data):
        return "MPLS labels and classes that do not fit"
    if re.search("ffff....0000232000f[ef]", data) and "BAD_LEN" in theirs:
        return "Open vSwitch's debug actions"
    if "OFPBAC_BAD_SET_LEN" in ours and "00002320002d" in data:
        return "learn writes its result beyond a field"
    return None


def again(line, theirs):
    """The bytes that Open vSwitch made of its list, from the differences that it printed."""
    b = bytearray.fromhex(line)
    size = len(b)
    for m in re.finditer(r"^ *(\d+): (\S+) -> (\S+)$", theirs, re.M):
        at = int(m[1])
        if m[3] == "(none)":
            size = min(size, at)
        elif at < len(b):
            b[at] = int(m[3], 16)
        else:
            b.append(int(m[3], 16))
    return bytes(b[:size] if size < len(b) and size < len(bytes.fromhex(line)) else b).hex()


def shape(version, kind, line, theirs):
    """What the line shows; one line a shape is recorded."""
    text = theirs.split("\n")[0]
    ext = line.startswith("ffff")
    number = line[16:20] if ext else line[:4] if line[:3] in ("000", "001") else ""
    if text.startswith("bad"):
        error = text.split(": ")[1]
        if error in ("OFPBAC_BAD_TYPE", "OFPBIC_UNKNOWN_INST", "OFPBAC_BAD_VENDOR", "OFPBIC_BAD_LEN",
                     "OFPBAC_BAD_VENDOR_TYPE"):
            number = ""
        if kind == "instructions":
            return kind, error
        return error, ext, number
    names = [n for n in re.findall(r"[a-z_]*[a-z](?=[=:(,)])", text) if not n.startswith("0x")]
    if kind == "instructions":
        return kind, version, re.match("actions=[a-z_]*", text)[0], "\n" in theirs
    if "ct(" in text or "learn(" in text or "controller(" in text:
        return tuple(sorted(set(names[:4])))
    if ext:
        return number, "\n" in theirs
    if number == "0019":
        return re.sub(r".*->", "", text), version == "OpenFlow15" and "/" in text
    return version, number, re.sub(r"\d+", "", text) if number == "0000" else "", "\n" in theirs


def record(found):
    print("""/* SPDX-License-Identifier: Apache-2.0 */
/* What stock ovs-ofctl 3.1.0 makes of actions and instructions (actions_diff.py --record): each
 * kind of action and each error in each version, the shortest of many random ones.
 * 'again' is what it encodes the list to, NULL: the same. */
static const struct golden {
	uint8_t version;
	bool instructions;
	const char *hex, *text, *again;
} golden[] = {""")
    for version, kind, line, theirs in sorted(found.values()):
        text = theirs.split("\n")[0]
        text = text.split(": ")[1] if text.startswith("bad") else text
        back = again(line, theirs) if "->" in theirs and "\n" in theirs else line
        print('\t{ %d, %s,\n\t  "%s",\n\t  "%s", %s },' %
              (VERSIONS.index(version) + 1, "true" if kind == "instructions" else "false", line,
               text.replace("\\", "\\\\").replace('"', '\\"'),
               "NULL" if back == line else '\n\t  "%s"' % back))
    print("};")


def run(cmd, lines):
    p = subprocess.run(cmd, input="".join(line + "\n" for line in lines), capture_output=True, text=True)
    out = p.stdout.split("\n\n")
    if out and not out[-1].strip():
        out.pop()
    return [o.strip("\n") for o in out], p


def split_commands(args, version, kind):
    return (["ovs-ofctl", "-voff", "parse-" + kind, version], [args.tool, kind, version])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("tool")
    ap.add_argument("--count", type=int, default=2000, help="lines a version and kind")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--version", choices=VERSIONS)
    ap.add_argument("--show", type=int, default=20)
    ap.add_argument("--record", action="store_true")
    args = ap.parse_args()
    bad = total = good = 0
    why = {}
    found = {}
    for version in [args.version] if args.version else VERSIONS:
        for kind in ("actions", "instructions"):
            rng = random.Random("%d %s %s" % (args.seed, version, kind))
            g = Gen(rng, version)
            lines = []
            for _ in range(args.count):
                n = rng.choice([1, 1, 1, 2, 3])
                if kind == "instructions" and version != "OpenFlow10":
                    b = b"".join(g.instruction() for _ in range(n))
                else:
                    b = b"".join(g.action() for _ in range(n))
                lines.append(g.mutate(b).hex())
            lines = [line for line in lines if line]
            theirs_cmd, ours_cmd = split_commands(args, version, kind)
            theirs, p = run(theirs_cmd, lines)
            if len(theirs) != len(lines):
                # It died of one of them: one by one.
                theirs = []
                for line in lines:
                    o, p = run(theirs_cmd, [line])
                    theirs.append(o[0] if o else "died")
            ours, p = run(ours_cmd, lines)
            if len(ours) != len(lines):
                print("our tool died after line %d:\n%s %s\n%s" %
                      (len(ours), version, lines[len(ours)], p.stderr[-2000:]))
                sys.exit(1)
            for line, o, t in zip(lines, ours, theirs):
                total += 1
                good += not t.startswith("bad")
                if o == t and args.record and not (kind == "instructions" and version == "OpenFlow10"):
                    k = shape(version, kind, line, t)
                    alone = int(line[4:8], 16) * 2 == len(line)
                    if not alone and "BAD_LEN" not in t:
                        continue
                    if k not in found or len(line) < len(found[k][2]):
                        found[k] = (version, kind, line, t)
                if o == t or t == "died":
                    continue
                k = known(o, t, line, kind == "instructions")
                if k:
                    why[k] = why.get(k, 0) + 1
                    continue
                bad += 1
                if bad <= args.show and not args.record:
                    print("%s %s %s\n  theirs: %s\n  ours:   %s" %
                          (version, kind, line, t.replace("\n", "\n          "),
                           o.replace("\n", "\n          ")))
    if args.record:
        record(found)
        return 0
    print("%d lists, %d of them accepted by Open vSwitch; %d differ" % (total, good, bad))
    for k, n in sorted(why.items()):
        print("  known: %6d %s" % (n, k))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
