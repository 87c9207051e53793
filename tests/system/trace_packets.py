#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random packets through random flows: is what ofproto/trace says at its end what is done?

    trace_packets.py RUNDIR FOLDER PACKETS SEED      (44-trace.sh makes the switch)

The datapath actions that trace prints are carried out here, on the bytes, by nothing but what they
say; what left each port (its pcap file) must be equal byte for byte and in order.  The flows that trace
names are counted here, packets and bytes, and so is all that went in and came out: dump-flows,
dump-aggregate, dump-group-stats and dump-ports must say the same numbers.
Prints a result line a case."""
import collections
import glob
import ipaddress
import json
import random
import re
import socket
import struct
import subprocess
import sys

RUNDIR, FOLDER, N, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ROUNDS = 20
# Port number of the datapath (dpctl/show) -> device; those with a pcap file.
WIRES = {"br0": {1: "p1", 2: "p2", 3: "p3", 4: "p4"}, "br1": {2: "q2", 3: "q3"}}
rand = random.Random(SEED)


class Different(Exception):
    pass


# --- The daemon ---------------------------------------------------------------------------------------

class Ctl:
    """JSON-RPC to the daemon's control socket: appctl without a process for each command."""

    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(glob.glob(RUNDIR + "/ovs-vswitchd.*.ctl")[0])
        self.s.settimeout(60)
        self.id = 0
        self.decoder = json.JSONDecoder()

    def __call__(self, method, *params):
        self.id += 1
        self.s.sendall(json.dumps({"method": method, "params": params, "id": self.id}).encode())
        text = ""
        while True:
            part = self.s.recv(65536)
            if not part:
                raise Different(f"{method}: the daemon closed the connection")
            text += part.decode()
            try:
                reply, _ = self.decoder.raw_decode(text)
            except ValueError:
                continue
            if reply.get("error"):
                raise Different(f"{method} {params}: {reply['error']}")
            return reply["result"]


def ofctl(*args):
    p = subprocess.run(["ovs-ofctl", "-OOpenFlow13", *args], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if p.returncode:
        raise Different(f"ovs-ofctl {' '.join(args)}: {p.stderr}")
    return p.stdout


class Pcap:
    """The frames that were written since the last look."""

    def __init__(self, path):
        self.f = open(path, "rb")
        self.f.seek(24)

    def frames(self):
        out = []
        while True:
            head = self.f.read(16)
            if not head:
                return out
            size = struct.unpack("=IIII", head)[2]
            out.append(self.f.read(size))


# --- Frames: where things are, and sums -----------------------------------------------------------------

def ones_sum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


class Frame:
    def __init__(self, b):
        self.b = bytearray(b)

    def tags(self):
        """The offset of the EtherType behind the tags, and how many there are."""
        at, n = 12, 0
        while struct.unpack_from("!H", self.b, at)[0] in (0x8100, 0x88a8):
            at += 4
            n += 1
        return at, n

    def l3(self):
        at, _ = self.tags()
        return struct.unpack_from("!H", self.b, at)[0], at + 2

    def l4(self):
        """Protocol and offset; 0, 0 without."""
        kind, at = self.l3()
        if kind == 0x800:
            return self.b[at + 9], at + (self.b[at] & 15) * 4
        if kind == 0x86dd:
            return self.b[at + 6], at + 40
        return 0, 0

    def fix_sums(self):
        kind, at = self.l3()
        proto, l4 = self.l4()
        if kind == 0x800:
            self.b[at + 10:at + 12] = b"\0\0"
            self.b[at + 10:at + 12] = struct.pack("!H", 0xffff ^ ones_sum(bytes(self.b[at:l4])))
            size = struct.unpack_from("!H", self.b, at + 2)[0] - (l4 - at)
            pseudo = bytes(self.b[at + 12:at + 20]) + struct.pack("!HH", proto, size)
        elif kind == 0x86dd:
            size = struct.unpack_from("!H", self.b, at + 4)[0]
            pseudo = bytes(self.b[at + 8:at + 40]) + struct.pack("!IHBB", size, 0, 0, proto)
        else:
            return
        where = {6: 16, 17: 6, 1: 2, 58: 2}.get(proto)
        if where is None or (proto == 17 and self.b[l4 + 6:l4 + 8] == b"\0\0"):
            return
        self.b[l4 + where:l4 + where + 2] = b"\0\0"
        s = 0xffff ^ ones_sum((b"" if proto == 1 else pseudo) + bytes(self.b[l4:l4 + size]))
        self.b[l4 + where:l4 + where + 2] = struct.pack("!H", s or (0xffff if proto == 17 else 0))


# --- Datapath actions ---------------------------------------------------------------------------------------

def split(text):
    """By the commas outside of brackets."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and not depth:
            out.append(text[start:i])
            start = i + 1
    return [x.strip() for x in out + [text[start:]] if x.strip()]


def number(text):
    return int(text, 0)


def mac(text):
    return int(text.replace(":", ""), 16)


def ip4(text):
    return int(ipaddress.IPv4Address(text)) if "." in text else number(text)


def ip6(text):
    return int(ipaddress.IPv6Address(text))


# set(NAME(FIELD=VALUE[/MASK],...)): where a field lies from its header: bytes before, bytes, bits from the
# right, how its text reads.
SETS = {
    "eth": {"dst": (0, 6, 0, mac), "src": (6, 6, 0, mac)},
    "vlan": {"vid": (2, 2, 0, number), "pcp": (2, 2, 13, number)},
    "ipv4": {"src": (12, 4, 0, ip4), "dst": (16, 4, 0, ip4), "tos": (1, 1, 0, number),
             "ttl": (8, 1, 0, number), "proto": (9, 1, 0, number)},
    "ipv6": {"src": (8, 16, 0, ip6), "dst": (24, 16, 0, ip6), "label": (0, 4, 0, number),
             "tclass": (0, 4, 20, number), "hlimit": (7, 1, 0, number)},
    "tcp": {"src": (0, 2, 0, number), "dst": (2, 2, 0, number)},
    "udp": {"src": (0, 2, 0, number), "dst": (2, 2, 0, number)},
    "icmp": {"type": (0, 1, 0, number), "code": (1, 1, 0, number)},
    "icmpv6": {"type": (0, 1, 0, number), "code": (1, 1, 0, number)},
    "arp": {"op": (6, 2, 0, number), "sha": (8, 6, 0, mac), "sip": (14, 4, 0, ip4),
            "tha": (18, 6, 0, mac), "tip": (24, 4, 0, ip4)},
    "mpls": {"label": (0, 4, 12, number), "tc": (0, 4, 9, number), "bos": (0, 4, 8, number),
             "ttl": (0, 4, 0, number)},
}
WIDTH = {("vlan", "vid"): 12, ("vlan", "pcp"): 3, ("ipv6", "label"): 20, ("ipv6", "tclass"): 8,
         ("mpls", "label"): 20, ("mpls", "tc"): 3, ("mpls", "bos"): 1, ("mpls", "ttl"): 8}
seen = collections.Counter()


def fields(text):
    return dict(f.split("=", 1) for f in split(text))


def do_set(f, name, text):
    kind, l3 = f.l3()
    at = {"eth": 0, "vlan": 12, "tcp": f.l4()[1], "udp": f.l4()[1], "icmp": f.l4()[1],
          "icmpv6": f.l4()[1]}.get(name, l3)
    for field, value in fields(text).items():
        ofs, n, shift, read = SETS[name][field]
        value, _, mask = value.partition("/")
        bits = (1 << WIDTH.get((name, field), 8 * n)) - 1
        m = (read(mask) if mask else bits) << shift
        old = int.from_bytes(f.b[at + ofs:at + ofs + n], "big")
        new = (old & ~m) | ((read(value) << shift) & m)
        f.b[at + ofs:at + ofs + n] = new.to_bytes(n, "big")
    f.fix_sums()


class Packet:
    """Carries datapath actions out; 'out' is a list of (port of the datapath, frame).  recirculate(id,
    frame) is called for a packet that is looked up again."""

    def __init__(self, frame, out, recirculate):
        self.f, self.out, self.trunc, self.recirculate = Frame(frame), out, 0, recirculate

    def run(self, text):
        if text == "drop":
            seen["drop"] += 1
            return
        for action in split(text):
            name, _, args = action.partition("(")
            self.act(name, args[:-1])

    def act(self, name, args):
        b = self.f.b
        seen["output" if name.isdigit() else name] += 1
        if name.isdigit():
            self.out.append((int(name), bytes(b[:self.trunc] if self.trunc else b)))
            self.trunc = 0
        elif name == "set":
            what, _, values = args.partition("(")
            do_set(self.f, what, values[:-1])
        elif name == "push_vlan":
            v = fields(args)
            tci = number(v["vid"]) | number(v["pcp"]) << 13
            b[12:12] = struct.pack("!HH", number(v.get("tpid", "0x8100")), tci)
        elif name == "pop_vlan":
            del b[12:16]
        elif name == "push_mpls":
            v = fields(args)
            at, _ = self.f.tags()
            lse = (number(v["label"]) << 12 | number(v["tc"]) << 9 | number(v["bos"]) << 8 |
                   number(v["ttl"]))
            b[at:at + 2] = struct.pack("!HI", number(v["eth_type"]), lse)
        elif name == "pop_mpls":
            at, _ = self.f.tags()
            b[at:at + 6] = struct.pack("!H", number(fields(args)["eth_type"]))
        elif name == "trunc":
            self.trunc = number(args)
        elif name == "clone":
            Packet(b, self.out, self.recirculate).run(args)
        elif name == "recirc":
            self.recirculate(args, bytes(b))
        elif name == "userspace":
            self.trunc = 0      # to a controller
        else:
            raise Different(f"a datapath action that this test does not know: {name}({args})")


# --- Flows and packets -----------------------------------------------------------------------------------------

def draw_match(table):
    m = []
    kind = rand.choice(["", "", "ip", "tcp", "udp", "ipv6", "tcp6", "arp", "mpls", "mpls", "icmp",
                        "udp6"])
    if rand.random() < .4:
        m.append(f"in_port={rand.randint(1, 4)}")
    if rand.random() < .25:
        m.append(f"dl_dst=02:00:00:00:00:0{rand.randint(1, 3)}")
    if rand.random() < .15:
        m.append(rand.choice(["dl_vlan=10", "vlan_tci=0x0000/0x1fff", "dl_vlan=11"]))
    if table and rand.random() < .2:
        m.append(f"reg0={rand.randint(0, 2)}")
    if kind:
        m.append(kind)
    if kind in ("ip", "tcp", "udp") and rand.random() < .5:
        m.append(rand.choice(["nw_dst=10.0.0.1", "nw_dst=10.0.0.2/31", "nw_src=10.0.0.1", "nw_ttl=64"]))
    if kind in ("tcp", "udp", "tcp6", "udp6") and rand.random() < .5:
        m.append(f"tp_dst={rand.randint(80, 82)}")
    if kind == "arp" and rand.random() < .4:
        m.append(f"arp_op={rand.randint(1, 2)}")
    if kind == "mpls" and rand.random() < .4:
        m.append(f"mpls_label={rand.randint(100, 101)}")
    return m, kind


def draw_action(table, kind, match, bridge, nested=False):
    ip = kind in ("ip", "tcp", "udp", "icmp")
    ports = [1, 2, 3, 4, 10] if bridge == "br0" else [1, 2, 3]
    choices = [f"output:{rand.choice(ports)}"] * 8 + [
        "FLOOD", "ALL", "NORMAL", "NORMAL", "controller(max_len=60)",
        f"mod_dl_dst:02:00:00:00:00:0{rand.randint(0, 3)}",
        f"mod_vlan_vid:{rand.randint(10, 12)}", "mod_vlan_pcp:3", "strip_vlan",
        f"load:{rand.randint(0, 2)}->NXM_NX_REG0[]",
        "move:NXM_OF_ETH_SRC[0..15]->NXM_OF_ETH_DST[0..15]",
        "push:NXM_OF_ETH_SRC[0..31],pop:NXM_OF_ETH_DST[0..31]",
        f"output(port={rand.choice(ports)},max_len={rand.randint(60, 70)})",
    ]
    # Trace follows the packet and sees what it taught NORMAL.  So none is to meet what it teaches itself
    # only later: no way back into a bridge, and a source that was changed stays so.
    if bridge == "br0" and not nested:
        choices += [f"mod_dl_src:02:00:00:00:00:0{rand.randint(5, 7)}",
                    "set_field:00:00:00:00:00:08/00:00:00:00:00:0f->eth_src"]
        if any(x.startswith("in_port") for x in match):
            choices += ["in_port"]
    if not table and bridge == "br0":
        choices += ["push_vlan:0x8100", "push_vlan:0x88a8"]
    if kind in ("ip", "tcp", "udp", "ipv6", "tcp6", "udp6", "icmp"):
        choices += ["dec_ttl", "dec_ttl", f"mod_nw_tos:{4 * rand.randint(0, 60)}", "mod_nw_ecn:2",
                    f"mod_nw_ttl:{rand.randint(2, 9)}"]
        if not table and bridge == "br0":
            choices += ["push_mpls:0x8847,set_field:100->mpls_label"]
    if ip:
        choices += [f"mod_nw_src:10.1.0.{rand.randint(0, 3)}", f"mod_nw_dst:10.0.0.{rand.randint(0, 3)}",
                    "move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]", "set_field:0.0.0.7/0.0.0.15->ip_src"]
    if kind in ("ipv6", "tcp6", "udp6"):
        choices += ["set_field:2001:db8::5->ipv6_src", "set_field:7->ipv6_label"]
    if kind in ("tcp", "udp", "tcp6", "udp6"):
        choices += [f"mod_tp_dst:{rand.randint(80, 83)}", f"mod_tp_src:{rand.randint(80, 83)}"]
    if kind == "arp":
        choices += ["set_field:10.9.9.9->arp_spa", "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]"]
    if kind == "mpls":
        choices += ["set_field:101->mpls_label", "dec_mpls_ttl"] * 2 + ["pop_mpls:0x0800"] * 6
    if kind == "icmp":
        choices += ["set_field:5->icmp_type"]
    if table < 2:
        choices += [f"resubmit(,{table + 1})"] * 4
    # Buckets resubmit to table 2.
    if not nested and table < 2:
        choices += [f"group:{rand.randint(1, 2)}"] * 2
    if not nested:
        choices += ["clone(%s,%s)" % tuple(
            draw_action(table, kind, match, bridge, True) for _ in range(2))] * 2
    elif "mpls" in kind:
        return "output:2"       # a clone does not recirculate
    return rand.choice(choices)


def draw_flows(bridge, first_cookie):
    """Texts; each flow has a cookie and a priority of its own.  One in each table takes the rest."""
    flows = []
    for i in range(36):
        table = rand.randint(0, 2)
        m, kind = draw_match(table)
        acts = [draw_action(table, kind, m, bridge) for _ in range(rand.randint(1, 4))]
        # The last label: what a pop to IP does above others is another matter.
        if any("pop_mpls" in a for a in acts):
            m.append("mpls_bos=1")
        # After a pop nothing is known of what is inside.
        for at, a in enumerate(acts):
            if a.startswith("pop_mpls"):
                acts = acts[:at + 1] + ["output:2", "dec_ttl", "output:3"][:rand.randint(1, 3)]
                break
        if rand.random() < .15:
            acts.append("write_actions(mod_dl_src:02:00:00:00:00:09,output:3)")
        if table < 2 and rand.random() < .4:
            acts.append(f"goto_table:{table + 1}")
        flows.append((table, 10 + i, m, acts))
    for table in range(3):
        flows.append((table, 1, [], [rand.choice(["NORMAL", "FLOOD", "drop", "output:2"])]))
    return ["table=%d,cookie=%#x,priority=%d%s,actions=%s" % (
        t, first_cookie + i, p, "".join("," + x for x in m), ",".join(a))
        for i, (t, p, m, a) in enumerate(flows)]


def draw_frame():
    b = bytearray()
    for who in range(2):
        if not who and rand.random() < .12:
            b += b"\xff" * 6
        else:
            b += b"\x02\0\0\0\0" + bytes([rand.randint(1, 3)])
    for _ in range(rand.choice([0, 0, 0, 1, 1, 2])):
        b += struct.pack("!HH", rand.choice([0x8100] * 4 + [0x88a8]),
                         rand.choice([10, 11, 0]) | rand.randint(0, 7) << 13)
    kind = rand.choice(["4", "4", "4", "4", "6", "arp", "other", "mpls"])
    ttl = rand.choice([1, 2, 3, 64, 64, 64, 255])
    if kind == "arp":
        b += struct.pack("!HHHHH", 0x806, 1, 0x800, 0x604, rand.randint(1, 2))
        b += bytes(rand.randint(0, 3) for _ in range(20)) + b"\0" * 18
        return bytes(b)
    if kind == "other":
        return bytes(b + struct.pack("!H", 0x9000) + b"\7" * rand.randint(44, 60))
    proto = rand.choice([6, 17, 58 if kind == "6" else 1, 47])
    body = bytes(rand.randint(0, 255) for _ in range(rand.randint(8, 90)))
    ports = struct.pack("!HH", rand.randint(80, 82), rand.randint(80, 82))
    l4 = {6: ports + b"\0" * 8 + struct.pack("!BBHHH", 0x50, 1 << rand.randint(0, 4), 9, 0, 0),
          17: ports + struct.pack("!HH", 8 + len(body), rand.choice([0, 1, 1])),
          1: bytes([rand.choice([0, 8]), 0, 0, 0]), 58: b"\x80\0\0\0", 47: b""}[proto] + body
    if kind == "6":
        ip = struct.pack("!IHBB", 0x60000000 | rand.randint(0, 1) << 20 | rand.randint(0, 2), len(l4),
                         proto, ttl)
        ip += b"".join(b"\x20\1" + b"\0" * 13 + bytes([rand.randint(0, 3)]) for _ in range(2))
    else:
        ip = struct.pack("!BBHHHBBH", 0x45, rand.choice([0, 0, 32, 40, 1]), 20 + len(l4),
                         rand.randint(0, 65535), 0x4000, ttl, proto, 0)
        ip += b"".join(b"\x0a\0\0" + bytes([rand.randint(0, 3)]) for _ in range(2))
    f = Frame(b + struct.pack("!H", 0x86dd if kind == "6" else 0x800) + ip + l4)
    f.fix_sums()
    if kind == "mpls":
        at, _ = f.tags()
        stack = b""
        for left in reversed(range(rand.randint(1, 2))):
            stack += struct.pack("!I", rand.randint(100, 101) << 12 | rand.randint(0, 7) << 9 |
                                 (left == 0) << 8 | rand.choice([1, 2, 64]))
        f.b[at:at + 2] = struct.pack("!H", 0x8847) + stack
    return bytes(f.b)


# --- Rounds ------------------------------------------------------------------------------------------------------

RULE = re.compile(r"^ *\d+\. .*cookie (0x[0-9a-f]+)$", re.M)
GROUP = re.compile(r"^ *group:(\d+)$", re.M)
LAST = re.compile(r"^Datapath actions: (.*)$", re.M)


class Switch:
    def __init__(self):
        self.ctl = Ctl()
        self.pcaps = {d: Pcap(f"{FOLDER}/{d}.pcap") for w in WIRES.values() for d in w.values()}
        # "  port 1: p1 (dummy)"
        self.device = {int(n): d for n, d in
                       re.findall(r"^ *port (\d+): (\S+)", self.ctl("dpctl/show"), re.M)}
        self.rx, self.tx = collections.Counter(), collections.Counter()
        self.rules, self.groups = collections.Counter(), collections.Counter()
        self.packets = 0

    def trace(self, bridge, port, frame):
        """What the actions that it prints send, and what it says it met: flows, groups."""
        out, met, texts = [], [], []

        # Trace ends where the packet is looked up again: that is asked for, too.
        def look_up(recirc, f):
            part = self.ctl("ofproto/trace", bridge, f"recirc_id={recirc},in_port={port}", f.hex())
            texts.append(part)
            if len(texts) > 100:
                raise Different("recirculates for ever\n" + "".join(texts))
            met.extend(("flow", int(c, 16), len(f)) for c in RULE.findall(part))
            met.extend(("group", int(g), len(f)) for g in GROUP.findall(part))
            Packet(f, out, look_up).run(LAST.findall(part)[-1])

        look_up("0", frame)
        return out, met, "".join(texts)

    def packet(self, bridge, port, frame, first):
        device = WIRES[bridge][port]
        if first:
            want, met, text = self.trace(bridge, port, frame)
        self.ctl("netdev-dummy/receive", device, frame.hex())
        if not first:
            want, met, text = self.trace(bridge, port, frame)
            if "learned that" in text:
                raise Different(f"the packet taught nothing, trace does\n{text}")
        self.packets += 1
        self.rx[device, "packets"] += 1
        self.rx[device, "bytes"] += len(frame)
        for what, which, size in met:
            of = self.rules if what == "flow" else self.groups
            of[which, "packets"] += 1
            of[which, "bytes"] += size
        for d, pcap in self.pcaps.items():
            got = pcap.frames()
            expected = [f for p, f in want if self.device[p] == d]
            if got != expected:
                raise Different(f"{device} {frame.hex()}: out of {d} came {[f.hex() for f in got]}, trace "
                                f"says {[f.hex() for f in expected]}\n{text}")
        for p, f in want:
            self.tx[self.device[p], "packets"] += 1
            self.tx[self.device[p], "bytes"] += len(f)

    def compare_flows(self, bridge, cookies):
        got = {int(m[1], 16): (int(m[2]), int(m[3])) for m in re.finditer(
            r"cookie=(0x[0-9a-f]+),.* n_packets=(\d+), n_bytes=(\d+),", ofctl("dump-flows", bridge))}
        for c in cookies:
            want = self.rules[c, "packets"], self.rules[c, "bytes"]
            if got.get(c) != want:
                raise Different(f"{bridge}, flow with cookie {c:#x}: packets and bytes {got.get(c)}, "
                                f"sent {want}")
        m = re.search(r"packet_count=(\d+) byte_count=(\d+) flow_count=(\d+)",
                      ofctl("dump-aggregate", bridge))
        want = [sum(v[i] for v in got.values()) for i in range(2)] + [len(got)]
        if [int(x) for x in m.groups()] != want:
            raise Different(f"{bridge}: dump-aggregate says {m.groups()}, its flows {want}")

    def compare_groups(self, bridge, ids):
        got = {int(m[1]): (int(m[2]), int(m[3])) for m in re.finditer(
            r"group_id=(\d+),.*?,packet_count=(\d+),byte_count=(\d+)",
            ofctl("dump-group-stats", bridge))}
        for g in ids:
            want = self.groups[g, "packets"], self.groups[g, "bytes"]
            if got.get(g) != want:
                raise Different(f"{bridge}, group {g}: packets and bytes {got.get(g)}, sent {want}")

    def compare_ports(self):
        """Counters of ports go on over all rounds."""
        names = {d for w in WIRES.values() for d in w.values()} | {"br0", "br1"}
        for bridge in WIRES:
            text = ofctl("dump-ports", bridge)
            for m in re.finditer(r"port +(\S+): rx pkts=(\d+), bytes=(\d+),.*\n *tx pkts=(\d+), bytes=(\d+),",
                                 text):
                port = m[1].strip('"')
                device = bridge if port == "LOCAL" else \
                    WIRES[bridge].get(int(port)) if port.isdigit() else port
                if device not in names:
                    continue
                got = [int(x) for x in m.groups()[1:]]
                want = [of[device, k] for of in (self.rx, self.tx) for k in ("packets", "bytes")]
                if got != want:
                    raise Different(f"{device}: rx packets, bytes, tx packets, bytes are {got}, "
                                    f"the generator has {want}")
                names.discard(device)
        if names:
            raise Different(f"dump-ports does not show {names}")

    def round(self, n):
        flows = {}
        groups = {"br0": (1, 2), "br1": (1, 2)}
        self.rules.clear()
        self.groups.clear()
        for i, bridge in enumerate(WIRES):
            flows[bridge] = draw_flows(bridge, 0x1000 * (i + 1))
            ofctl("del-groups", bridge)
            # Groups of the two bridges count together here: only br0's flows have those of theirs.
            for g in groups[bridge]:
                buckets = "".join(",bucket=%s" % rand.choice(
                    ["output:3", "mod_dl_src:02:00:00:00:00:0a,output:2", "NORMAL",
                     "mod_vlan_vid:12,output:2", "resubmit(,2)"]) for _ in range(rand.randint(1, 3)))
                ofctl("add-group", bridge, f"group_id={g + 10 * i},type=all{buckets}")
            flows[bridge] = [f.replace("group:1", f"group:{1 + 10 * i}")
                             .replace("group:2", f"group:{2 + 10 * i}") for f in flows[bridge]]
            with open(f"{FOLDER}/flows", "w") as f:
                f.write("delete\n" + "\n".join(flows[bridge]) + "\n")
            try:
                ofctl("--bundle", "add-flows", bridge, f"{FOLDER}/flows")
            except Different:
                # One contradicts itself: those that can be.
                ofctl("del-flows", bridge)
                for text in list(flows[bridge]):
                    try:
                        ofctl("add-flow", bridge, text)
                    except Different:
                        flows[bridge].remove(text)
        pool = [(bridge, rand.choice(list(WIRES[bridge])), draw_frame())
                for bridge in ["br0"] * 3 + ["br1"] for _ in range(10)]
        for _ in range(n):
            bridge, port, frame = rand.choice(pool)
            self.packet(bridge, port, frame, rand.random() < .2)
        for i, bridge in enumerate(WIRES):
            cookies = [int(re.search(r"cookie=(0x[0-9a-f]+)", f)[1], 16) for f in flows[bridge]]
            self.compare_flows(bridge, cookies)
            self.compare_groups(bridge, [g + 10 * i for g in groups[bridge]])
        self.compare_ports()


def main():
    s = Switch()
    name = f"what trace says is what is done, and the counters are the generator's ({N} packets)"
    try:
        for r in range(ROUNDS):
            s.round(N // ROUNDS)
    except Different as e:
        print(f"# seed {SEED}, round {r}, packet {s.packets}: " + str(e).replace("\n", "\n# "))
        print(f"not ok {name}: see above")
        return 1
    print("# carried out: " + ", ".join(f"{n} {a}" for a, n in seen.most_common()))
    print(f"ok {name}")
    m = re.search(r"hit:(\d+) missed:(\d+)", s.ctl("dpctl/show"))
    hits, misses = int(m[1]), int(m[2])
    few = [a for a in ("output", "set", "push_vlan", "pop_vlan", "push_mpls", "pop_mpls", "trunc",
                       "recirc", "userspace", "drop") if seen[a] < 10]
    if few or hits < misses:
        print(f"not ok all of it was tried: {few} hardly came, {hits} hits, {misses} misses")
        return 1
    print("ok all of it was tried, most packets met the cache")
    return 0


sys.exit(main())
