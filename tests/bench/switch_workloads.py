# SPDX-License-Identifier: Apache-2.0
"""Workloads of tests/bench/switch: rules in ovs-ofctl's syntax and the frames that arrive.

Traffic comes in at port 1 and leaves at port 2.  Frames have 64 bytes with their check sum, as long
as their headers fit.  Everything is drawn from seeded generators: same name, same bytes.
"""
import bisect
import random
import struct
import zlib

import openflow_sender as of

IN, OUT = 1, 2
SRC, DST = bytes.fromhex("0200000000aa"), bytes.fromhex("0200000000bb")


class Workload:
    """rules: lines for add-flows.  frames: list of (bytes, redraw), redraw None or the bits of
    (IPv4 source, destination port, source port) that every sending draws anew; a fourth element, the
    number of a flow, says that they are drawn once for each pass of the trace and flow.  back: frames
    that arrive at port 2.  tunnel: None or (type, "encap" or "decap").  controller: flow-mods that are
    sent while the row is measured, in a circle, 100 a second.  once: no packet is sent twice."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rules, self.frames, self.back = [], [], []
        self.tunnel, self.controller, self.once = None, [], False

    def rule(self, text):
        self.rules.append(text)

    def send(self, frame, redraw=None):
        self.frames.append((frame, redraw))

    def cover(self, n, least=1024):
        """Indices below n, each equally often, shuffled; at least 'least' of them."""
        order = list(range(n)) * max(1, -(-least // n))
        self.random.shuffle(order)
        return order

    def zipf(self, n, count):
        """Indices below n, the k-th most popular in proportion to 1/k."""
        sums, total = [], 0.0
        for k in range(1, n + 1):
            total += 1.0 / k
            sums.append(total)
        order = list(range(n))
        self.random.shuffle(order)
        return [order[bisect.bisect_left(sums, self.random.random() * total)]
                for _ in range(count)]


# --- Frames ----------------------------------------------------------------------------------

def ip_text(a):
    return f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}"


def mac_text(b):
    return ":".join(f"{x:02x}" for x in b)


def mac_of(i):
    return b"\x02\x10" + struct.pack("!I", i)


def five(i):
    """The i-th 5-tuple: source, destination, protocol, ports; TCP and UDP in turn."""
    h = (i * 0x9E3779B97F4A7C15 + 0x1234567) & 0xFFFFFFFFFFFFFFFF
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    g = (h ^ h >> 32) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return (0x0A000000 | h & 0xFFFFFF, 0x14000000 | h >> 24 & 0xFFFFFF, 6 if i & 1 else 17,
            1024 + (g & 0xFFFFFFFF) % 60000, 1 + (g >> 32) % 60000)


def ipv4(src, dst, proto, payload):
    size = 20 + len(payload)
    total = (0x4500 + size + 0x4000 + proto + (src >> 16) + (src & 0xFFFF) +
             (dst >> 16) + (dst & 0xFFFF))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!HHIHHII", 0x4500, size, 0, 0x4000 | proto, ~total & 0xFFFF, src,
                       dst) + payload


PAD_UDP, PAD_TCP = bytes(18), bytes(6)


def frame(src, dst, proto=17, sport=1000, dport=2000, smac=SRC, dmac=DST, vlan=None):
    """The L4 checksum is 0: for UDP that is "none", and nobody on the way looks at TCP's."""
    if proto == 6:
        l4 = struct.pack("!HHIIHHI", sport, dport, 1, 1, 0x5010, 65535, 0) + PAD_TCP
    elif proto == 17:
        l4 = struct.pack("!HHHH", sport, dport, 26, 0) + PAD_UDP
    else:
        l4 = bytes(26)
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return dmac + smac + tag + b"\x08\x00" + ipv4(src, dst, proto, l4)


def outer_vxlan(inner, vni, src, dst, sport):
    p = struct.pack("!HHHHII", sport, 4789, 16 + len(inner), 0, 0x08000000, vni << 8) + inner
    return DST + SRC + b"\x08\x00" + ipv4(src, dst, 17, p)


def outer_gre(inner, key, src, dst):
    return DST + SRC + b"\x08\x00" + ipv4(src, dst, 47, struct.pack("!HHI", 0x2000, 0x6558, key) +
                                          inner)


def outer_geneve(inner, vni, src, dst, sport):
    """With one option, as controllers of virtual networks put it there."""
    p = struct.pack("!HHHHBBHIHBBI", sport, 6081, 24 + len(inner), 0, 2, 0, 0x6558, vni << 8, 0x0102, 0x80,
                    1, 0x10002) + inner
    return DST + SRC + b"\x08\x00" + ipv4(src, dst, 17, p)


def write_trace(path, frames):
    """As tests/bench/vdev.c reads it."""
    stride = -(-max(len(f) for f, _ in frames) // 64) * 64
    at = -(-(24 + 12 * len(frames)) // 64) * 64
    with open(path, "wb") as f:
        f.write(struct.pack("=8sIII4x", b"wefttrac", len(frames), stride, at))
        for data, redraw in frames:
            ip = 18 if data[12:14] == b"\x81\x00" else 14
            code = zlib.crc32(data[ip + 12:ip + 24], data[ip + 9])
            a, b, c = redraw[:3] if redraw else (0, 0, 0)
            kind = 0 if redraw is None else len(redraw) - 2
            if kind == 2:
                code = zlib.crc32(struct.pack("=I", redraw[3]), code)
            f.write(struct.pack("=IHBBBB2x", code, len(data), a, b, c, kind))
        f.write(bytes(at - f.tell()))
        for data, _ in frames:
            f.write(data.ljust(stride, b"\0"))


# --- Workloads ---------------------------------------------------------------------------------

def port_to_port(w, flows=1):
    w.rule(f"in_port={IN},actions=output:{OUT}")
    known = [frame(*five(i)) for i in range(flows)]
    for i in w.cover(flows):
        w.send(known[i])


def mac_rules(w, macs=1000, flows=10000):
    for i in range(macs):
        w.rule(f"dl_dst={mac_text(mac_of(i))},actions=output:{OUT}")
    for i in w.cover(flows):
        w.send(frame(*five(i), dmac=mac_of(i % macs)))


def normal(w, macs=1000, flows=10000):
    w.rule("priority=0,actions=NORMAL")
    for i in w.cover(flows):
        s, d, p, sp, dp = five(i)
        w.send(frame(s, d, p, sp, dp, dmac=mac_of(i % macs)))
        w.back.append((frame(d, s, p, dp, sp, smac=mac_of(i % macs), dmac=SRC), None))


def rule5(w, i, priority=10):
    s, d, p, sp, dp = five(i)
    w.rule(f"priority={priority},{'tcp' if p == 6 else 'udp'},nw_src={ip_text(s)},"
           f"nw_dst={ip_text(d)},tp_src={sp},tp_dst={dp},actions=output:{OUT}")


def five_tuples(w, rules=10000, zipf=0):
    for i in range(rules):
        rule5(w, i)
    w.rule("priority=0,actions=drop")
    known = [frame(*five(i)) for i in range(rules)]
    for i in w.zipf(rules, zipf) if zipf else w.cover(rules, 100000):
        w.send(known[i])


# How long prefixes of the Internet's routes are, in percent.
PREFIX_SHARES = {8: .02, 12: .1, 13: .1, 14: .2, 15: .3, 16: 1.5, 17: 1, 18: 1.6, 19: 2.8, 20: 4.5,
                 21: 5, 22: 11.5, 23: 10, 24: 61, 28: .1, 32: .3}


def prefixes_of(w, n):
    lengths, shares = list(PREFIX_SHARES), list(PREFIX_SHARES.values())
    found = {}
    while len(found) < n:
        for length in w.random.choices(lengths, shares, k=n - len(found)):
            a = w.random.randrange(0x01000000, 0xDF000000) & 0xFFFFFFFF << 32 - length
            found[a & 0xFFFFFFFF, length] = True
    return list(found)


def prefixes(w, rules=1000, dests=1000000, zipf=0, next_hops=16):
    known = prefixes_of(w, rules)
    for k, (a, length) in enumerate(known):
        w.rule(f"priority={length},ip,nw_dst={ip_text(a)}/{length},"
               "actions=mod_dl_src:02:00:00:00:01:00,"
               f"mod_dl_dst:02:00:00:00:02:{k % next_hops:02x},dec_ttl,output:{OUT}")
    w.rule("priority=0,actions=drop")
    sent = []
    for i in range(dests):
        a, length = known[w.random.randrange(rules)]
        s = five(i)
        sent.append(frame(s[0], a | w.random.getrandbits(32 - length) if length < 32 else a,
                          *s[2:]))
    for i in w.zipf(dests, zipf) if zipf else w.cover(dests, 100000):
        w.send(sent[i])


def range_prefixes(low, high):
    out = []
    while low <= high:
        k = 0
        while k < 16 and not low & (2 << k) - 1 and low + (2 << k) - 1 <= high:
            k += 1
        out.append((low, 0xFFFF & ~((1 << k) - 1)))
        low += 1 << k
    return out


def read_classbench(path):
    """Rule sets in ClassBench's form: @src/len dst/len low : high low : high proto/mask."""
    def prefix(text):
        address, length = text.split("/")
        value = 0
        for part in address.split("."):
            value = value << 8 | int(part)
        length = int(length)
        return value & 0xFFFFFFFF << 32 - length & 0xFFFFFFFF, length

    with open(path, encoding="ascii") as f:
        for line in f:
            t = line[1:].split()
            if line.startswith("@"):
                proto, mask = t[8].split("/")
                yield (prefix(t[0]), prefix(t[1]), (int(t[2]), int(t[4])), (int(t[5]), int(t[7])),
                       (int(proto, 16), int(mask, 16)))


# Lengths of source and destination prefixes and their weights, after the published statistics of
# ClassBench's seeds: access lists, firewalls, IP chains.
ACL_KINDS = {
    "acl": (([32, 24, 28, 16], [65, 20, 10, 5]), ([32, 24, 30, 16], [50, 30, 10, 10])),
    "fw": (([0, 8, 16, 24, 32], [30, 10, 10, 20, 30]), ([0, 16, 24, 28, 32], [20, 10, 20, 20, 30])),
    "ipc": (([32, 24, 16, 0, 20], [40, 25, 15, 10, 10]), ([32, 24, 16, 0, 27],
                                                         [40, 20, 15, 15, 10])),
}
SERVICES = (80, 443, 53, 25, 22, 123, 161, 389, 1521, 3306)


def acl_like(w, kind, n):
    r = w.random
    nets = [r.randrange(0x01000000, 0xDF000000) & 0xFFFF0000 for _ in range(64)]
    found = {}

    def address(lengths):
        length = r.choices(*lengths)[0]
        a = r.choice(nets) | r.getrandbits(16)
        return (a & 0xFFFFFFFF << 32 - length & 0xFFFFFFFF if length else 0), length

    def dports():
        x = r.random()
        if x < .55:
            port = r.choice(SERVICES + (r.getrandbits(16),))
            return port, port
        if x < .75:
            return 0, 65535
        if x < .88:
            return 1024, 65535
        low = r.randrange(60000)
        return low, low + r.randrange(1, 500)

    while len(found) < n:
        proto = r.choices([(6, 255), (17, 255), (0, 0), (1, 255)], [70, 20, 8, 2])[0]
        sport = dport = (0, 65535)
        if proto[0] in (6, 17):
            dport = dports()
            if r.random() > (.98 if kind == "acl" else .7):
                one = r.getrandbits(16)
                sport = r.choice([(1024, 65535), (53, 53), (one, one)])
        found[address(ACL_KINDS[kind][0]), address(ACL_KINDS[kind][1]), sport, dport, proto] = True
    return list(found)


def acl(w, kind="acl", rules=1000, flows=20000, file=None):
    known = list(read_classbench(file)) if file else acl_like(w, kind, rules)
    for k, (s, d, sport, dport, proto) in enumerate(known):
        m = ["ip"]
        if proto[1]:
            m = [{6: "tcp", 17: "udp", 1: "icmp"}.get(proto[0], f"ip,nw_proto={proto[0]}")]
        if s[1]:
            m.append(f"nw_src={ip_text(s[0])}/{s[1]}")
        if d[1]:
            m.append(f"nw_dst={ip_text(d[0])}/{d[1]}")
        ports = proto[0] in (6, 17) and proto[1]
        for a in range_prefixes(*sport) if ports and sport != (0, 65535) else [None]:
            for b in range_prefixes(*dport) if ports and dport != (0, 65535) else [None]:
                more = [f"tp_src=0x{a[0]:x}/0x{a[1]:x}"] if a else []
                more += [f"tp_dst=0x{b[0]:x}/0x{b[1]:x}"] if b else []
                w.rule(f"priority={60000 - k},{','.join(m + more)},actions=output:{OUT}")
    w.rule("priority=0,actions=drop")
    r, sent = w.random, []
    for i in range(flows):
        s, d, sport, dport, proto = known[i % len(known)]
        sent.append(frame(s[0] | r.getrandbits(32) >> s[1], d[0] | r.getrandbits(32) >> d[1],
                          proto[0] if proto[1] else r.choice((6, 17)), r.randint(*sport),
                          r.randint(*dport)))
    for i in w.cover(flows, 100000):
        w.send(sent[i])


def tunnel(w, kind="vxlan", way="encap", flows=1000, ids=100):
    w.tunnel = (kind, way)
    inner = [frame(*five(i), dmac=mac_of(i % ids)) for i in range(flows)]
    if way == "encap":
        for i in range(ids):
            w.rule(f"in_port={IN},dl_dst={mac_text(mac_of(i))},"
                   f"actions=set_field:{i + 1}->tun_id,output:10")
        for i in w.cover(flows):
            w.send(inner[i])
        return
    for i in range(ids):
        w.rule(f"in_port=10,tun_id={i + 1},dl_dst={mac_text(mac_of(i))},actions=output:{OUT}")
    for i in w.cover(flows):
        remote, local = 0xC0000202, 0xC0000201
        if kind == "gre":
            w.send(outer_gre(inner[i], i % ids + 1, remote, local))
        else:
            outer = outer_vxlan if kind == "vxlan" else outer_geneve
            w.send(outer(inner[i], i % ids + 1, remote, local, 49152 + i % 16384))


def vlan(w, way="push", flows=1000, ids=100):
    for i in range(ids):
        mac = mac_text(mac_of(i))
        if way == "push":
            w.rule(f"in_port={IN},dl_dst={mac},actions=push_vlan:0x8100,"
                   f"set_field:{4096 + i + 1}->vlan_vid,output:{OUT}")
        else:
            w.rule(f"in_port={IN},dl_vlan={i + 1},dl_dst={mac},actions=strip_vlan,output:{OUT}")
    for i in w.cover(flows):
        w.send(frame(*five(i), dmac=mac_of(i % ids), vlan=None if way == "push" else i % ids + 1))


def pipeline(w, tables=15, vms=250, rules=10000, conns=10000, unseen=False):
    """As a controller of virtual networks writes it: port security, an access list, writes of
    registers, a route, the next hop's address, the port."""
    w.rule(f"table=0,priority=100,in_port={IN},"
           "actions=set_field:1->metadata,set_field:1->reg14,resubmit(,1)")
    for v in range(vms):
        mac = mac_text(mac_of(v))
        w.rule(f"table=1,priority=90,metadata=1,dl_src={mac},actions=resubmit(,2)")
        w.rule(f"table=2,priority=90,metadata=1,ip,dl_src={mac},nw_src=10.1.{v >> 8}.{v & 255}"
               f"{'/16' if unseen else ''},actions=resubmit(,3)")
    w.rule("table=3,priority=0,actions=set_field:0x1->reg0,resubmit(,4)")
    for k in range(max(100, rules - 5 * vms)):
        length = w.random.choices([32, 24, 28, 16], [6, 2, 1, 1])[0]
        w.rule(f"table=4,priority={1000 + k % 1000},metadata=1,{w.random.choice(('tcp', 'udp'))},"
               f"nw_dst=10.2.{w.random.randrange(256)}.{w.random.randrange(256)}/{length},"
               f"tp_dst={w.random.randrange(65536)},"
               f"actions={'drop' if k % 10 == 0 else 'resubmit(,5)'}")
    w.rule("table=4,priority=0,actions=resubmit(,5)")
    for t in range(5, tables - 3):
        w.rule(f"table={t},priority=100,metadata=1,ip,reg0=0x100000/0x100000,"
               f"actions=set_field:{t}->reg{t % 8 + 1},resubmit(,{t + 1})")
        w.rule(f"table={t},priority=0,actions=set_field:0x{t:x}->reg{t % 8 + 1},"
               f"resubmit(,{t + 1})")
    for v in range(vms):
        mac = mac_text(mac_of(1000 + v))
        w.rule(f"table={tables - 3},priority=24,metadata=1,ip,nw_dst=10.2.{v & 255}.0/24,"
               f"actions=dec_ttl,mod_dl_src:02:00:00:00:01:00,set_field:{v}->reg10,"
               f"resubmit(,{tables - 2})")
        w.rule(f"table={tables - 2},priority=10,reg10={v},actions=mod_dl_dst:{mac},"
               f"resubmit(,{tables - 1})")
        w.rule(f"table={tables - 1},priority=10,metadata=1,dl_dst={mac},actions=output:{OUT}")
    sent = []
    for i in range(conns):
        v, f = w.random.randrange(vms), five(i)
        sent.append(frame(0x0A010000 | v, 0x0A020000 | w.random.randrange(min(vms, 256)) << 8 |
                          w.random.randrange(256), f[2], f[3], f[4], smac=mac_of(v)))
    for i in w.cover(conns, 100000):
        w.send(sent[i], (16, 16, 16) if unseen else None)


def explosion(w, share=10, victims=1000, fields=3, redraw=True):
    """Tuple space explosion (Csikor et al.): each attacking packet differs from an allowed value of
    each field in one more bit, and so needs a mask of its own.  'share' of 1000 packets attack;
    their free bits are drawn anew at each sending, so that no exact-match cache can learn them."""
    w.rule(f"priority=30,udp,tp_dst=80,actions=output:{OUT}")
    w.rule(f"priority=20,ip,nw_src=10.0.0.1,actions=output:{OUT}")
    if fields == 3:
        w.rule(f"priority=10,udp,tp_src=12345,actions=output:{OUT}")
    w.rule("priority=0,actions=drop")
    r = w.random
    good = [frame(0xC0A80001 + i, 0x14000001, 17, 1024 + r.randrange(60000), 80)
            for i in range(victims)]
    bad = []
    for i in range(32 if share else 0):
        for j in range(16):
            for k in range(16 if fields == 3 else 1):
                src = (0x0A000001 ^ 1 << i) >> i << i | r.getrandbits(i) if i else 0x0A000000
                dport = (80 ^ 1 << j) >> j << j | (r.getrandbits(j) if j else 0)
                sport = ((12345 ^ 1 << k) >> k << k | (r.getrandbits(k) if k else 0)
                         if fields == 3 else 4444)
                bad.append((frame(src, 0x14000001, 17, sport, dport),
                            (i, j, k if fields == 3 else 0) if redraw else None))
    r.shuffle(bad)
    total = max(200000, len(bad) * 1000 // share) if share else 200000
    n_bad, due = 0, 0
    for _ in range(total):
        due += share
        if due >= 1000:
            due -= 1000
            w.send(*bad[n_bad % len(bad)])
            n_bad += 1
        else:
            w.send(good[r.randrange(victims)])


def campus(w, vlans=4, hosts=2000, subnets=500, entries=200, flows=30000, packets=8):
    """Tables as Faucet writes them for one switch with ports in several VLANs (its pipeline and
    priorities: docs/architecture.rst and faucet/valve_*.py of the project, 1.9): 0 the port's access list, 1
    VLAN, 2 eth_src, 3 IPv4 routes, 4 eth_dst, 5 flood.  Hosts are learned: for each a rule in eth_src
    that ends after its time, and one in eth_dst that ends when idle.  Half of the packets are
    for a host of their own VLAN, half go through the virtual router.

    Flows are short: 8 packets, then other ports; only the access list looks at those.  The
    controller learns hosts again, 100 flow-mods a second: delete two, add two."""
    low, acl, host, high = 9000, 9098, 9099, 9100
    router = "0e:00:00:00:00:01"
    r, vid = w.random, [100 + k for k in range(vlans)]
    w.rule(f"table=0,priority={high},dl_src=ff:ff:ff:ff:ff:ff,actions=drop")
    w.rule(f"table=0,priority={high},dl_type=0x88cc,actions=drop")
    for k in range(entries):
        a = f"nw_src=10.{r.randrange(vlans)}.{r.randrange(256)}.0/24,"
        w.rule(f"table=0,priority={acl - k},in_port={IN},{r.choice(('tcp', 'udp'))},"
               f"{a if k % 3 == 0 else ''}tp_dst={20000 + k},actions=drop")
    w.rule(f"table=0,priority={low - 200},actions=goto_table:1")
    for v in vid:
        for port in (IN, OUT):
            w.rule(f"table=1,priority={low},in_port={port},dl_vlan={v},actions=goto_table:2")
        w.rule(f"table=2,priority={high},dl_vlan={v},ip,dl_dst={router},actions=goto_table:3")
    w.rule(f"table=2,priority={low - 200},actions=CONTROLLER:128,goto_table:4")

    def mac(k, side):
        return b"\x02\x30" + struct.pack("!I", k << 1 | side)

    def address(k, side):
        return 0x0A000000 | (k % vlans) << 16 | side << 15 | k // vlans

    for k in range(hosts):
        v = vid[k % vlans]
        for side, port in ((0, IN), (1, OUT)):
            text = mac_text(mac(k, side))
            w.rule(f"table=2,priority={host - 1},in_port={port},dl_vlan={v},dl_src={text},"
                   f"hard_timeout={r.randrange(3000, 6000)},actions=goto_table:4")
            w.rule(f"table=4,priority={host},dl_vlan={v},dl_dst={text},idle_timeout=9000,"
                   f"actions=output:{port}")
        w.rule(f"table=3,priority={host + 32},dl_vlan={vid[(k + 1) % vlans]},ip,"
               f"nw_dst={ip_text(address(k, 1))},actions=set_field:{4096 + v}->vlan_vid,"
               f"set_field:{router}->eth_src,set_field:{mac_text(mac(k, 1))}->eth_dst,dec_ttl,"
               "goto_table:4")
        # The same host, learned again: its rules go and come back.
        match = (of.oxm(of.IN_PORT, "I", OUT) + of.oxm(of.VLAN_VID, "H", 0x1000 | v) +
                 of.oxm(of.ETH_SRC, "6s", mac(k, 1)))
        to = of.oxm(of.VLAN_VID, "H", 0x1000 | v) + of.oxm(of.ETH_DST, "6s", mac(k, 1))
        w.controller += [
            of.flow_mod(of.DELETE_STRICT, match, table=2, priority=host - 1),
            of.flow_mod(of.DELETE_STRICT, to, table=4, priority=host),
            of.flow_mod(of.ADD, match, of.goto(4), table=2, priority=host - 1, hard=3600),
            of.flow_mod(of.ADD, to, of.output(OUT), table=4, priority=host, idle=9000)]
    for k in range(subnets):
        gateway = mac_text(mac(k % hosts, 1))
        w.rule(f"table=3,priority={host + 24},dl_vlan={vid[k % vlans]},ip,"
               f"nw_dst=172.{16 + (k >> 8)}.{k & 255}.0/24,"
               f"actions=set_field:{4096 + vid[k % hosts % vlans]}->vlan_vid,"
               f"set_field:{router}->eth_src,set_field:{gateway}->eth_dst,dec_ttl,goto_table:4")
    w.rule(f"table=4,priority={low - 200},actions=goto_table:5")
    for v in vid:
        w.rule(f"table=5,priority={low},in_port={IN},dl_vlan={v},actions=output:{OUT}")
        w.rule(f"table=5,priority={low},in_port={OUT},dl_vlan={v},actions=output:{IN}")
    sent = []
    for i in range(flows):
        k, j = r.randrange(hosts), r.randrange(hosts // vlans) * vlans
        bridged = i % 2
        to = j + k % vlans if bridged else j + (k + vlans - 1) % vlans
        target = address(to, 1)
        if not bridged and i % 8 == 0:
            n = (r.randrange(subnets // vlans) * vlans + k % vlans) % subnets
            target = 0xAC100000 | n << 8 | r.randrange(256)
        sent.append((frame(address(k, 0), target, 6 if i & 2 else 17, 1024, 0x8000,
                           smac=mac(k, 0), dmac=mac(to, 1) if bridged else
                           bytes.fromhex(router.replace(":", "")), vlan=vid[k % vlans]), i))
    for i in w.cover(flows, flows * packets):
        w.send(sent[i][0], (0, 12, 15, i))


def never_seen(w, rules=200000):
    """Exact rules; each packet is the first of its flow."""
    w.once = True
    for i in range(rules):
        rule5(w, i)
        w.send(frame(*five(i)))


# name -> (function, arguments, least ratio wanted or None, cycles aimed at or None, seconds that
# stock may need to settle).  The names' first letters are the groups of the report.
TABLE = {
    "a1": (port_to_port, {}, 1.4, 50, 1),
    "a1k": (port_to_port, {"flows": 1000}, 1.4, 50, 1),
    "b1k": (mac_rules, {"flows": 1000}, 2, 65, 2),
    "b10k": (mac_rules, {"flows": 10000}, 2, 65, 2),
    "b100k": (mac_rules, {"flows": 100000}, 3.5, 65, 3),
    "b1m": (mac_rules, {"flows": 1000000}, 3.5, 65, 4),
    "b100kmac": (mac_rules, {"macs": 100000, "flows": 1000000}, 6, 110, 60),
    "bnormal": (normal, {}, 2, 65, 4),
    "c10k": (five_tuples, {"rules": 10000}, 3, 115, 5),
    "c10kz": (five_tuples, {"rules": 10000, "zipf": 200000}, 3, 115, 5),
    "c100k": (five_tuples, {"rules": 100000}, 5, 140, 60),
    "c100kz": (five_tuples, {"rules": 100000, "zipf": 500000}, 5, 140, 60),
    "d1k": (prefixes, {"rules": 1000}, 3, 75, 4),
    "d10k": (prefixes, {"rules": 10000}, 8, 80, 15),
    "d500k": (prefixes, {"rules": 500000}, 50, 100, 60),
    "d500kz": (prefixes, {"rules": 500000, "dests": 100000, "zipf": 500000}, 50, 100, 60),
    "eacl1k": (acl, {"kind": "acl"}, 2, 120, 8),
    "eacl8k": (acl, {"kind": "acl", "rules": 8000, "flows": 100000}, 2, 160, 60),
    "efw1k": (acl, {"kind": "fw"}, 2, 130, 15),
    "efw8k": (acl, {"kind": "fw", "rules": 8000, "flows": 100000}, 300, 530, 60),
    "eipc1k": (acl, {"kind": "ipc"}, 2, 130, 15),
    "eipc8k": (acl, {"kind": "ipc", "rules": 8000, "flows": 100000}, 2, 220, 60),
    "fvxenc": (tunnel, {}, 1.7, 95, 3),
    "fvxenc100k": (tunnel, {"flows": 100000}, 1.7, 95, 3),
    "fvxdec": (tunnel, {"way": "decap"}, 2.2, 100, 3),
    "fvxdec100k": (tunnel, {"way": "decap", "flows": 100000}, 2.2, 100, 3),
    "fgreenc": (tunnel, {"kind": "gre"}, 1.7, 95, 3),
    "fgredec": (tunnel, {"kind": "gre", "way": "decap"}, 2.2, 100, 3),
    "fgnenc": (tunnel, {"kind": "geneve"}, 1.7, 95, 3),
    "fgndec": (tunnel, {"kind": "geneve", "way": "decap"}, 2.2, 100, 3),
    "fpush": (vlan, {}, 2, 70, 3),
    "fpop": (vlan, {"way": "pop"}, 2, 70, 3),
    "h10k": (pipeline, {}, 3, 140, 10),
    "h100k": (pipeline, {"conns": 100000}, 8, 200, 60),
    "i0": (explosion, {"share": 0}, None, None, 3),
    "i1": (explosion, {"share": 10}, 30, None, 30),
    "i10": (explosion, {"share": 100}, 30, None, 30),
    "i100": (explosion, {"share": 1000}, 30, None, 30),
    "j": (never_seen, {}, 8, 140, 0),
    "ctl": (campus, {}, 2, None, 10),
    "k15": (pipeline, {"unseen": True}, 1, None, 30),
    "k50": (pipeline, {"unseen": True, "tables": 50}, 1, None, 30),
}


def make(name, classbench=None):
    function, arguments = TABLE[name][:2]
    w = Workload(name)
    if function is acl and classbench:
        arguments = dict(arguments, file=f"{classbench}/{arguments['kind']}1_{name[-2:]}.rules")
    function(w, **arguments)
    return w
