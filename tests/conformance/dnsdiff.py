# SPDX-License-Identifier: Apache-2.0
"""Random zones (wildcards, empty non-terminals, delegations, DNAME, CNAME chains, all mixed) and random
queries for three name servers on loopback; what they answer is compared.  Run by dns-diff.  With --signed
the zones are signed by BIND's dnssec-signzone (NSEC, NSEC3, NSEC3 with opt-out in turn) and most queries
have DO=1: signatures and proofs are compared too.

A difference passes only under a rule below that says, with its source, who is right; each rule is counted
and the sum printed, so that a rule which covers too much shows."""
import argparse
import os
import random
import socket
import subprocess
import sys
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "DNAME": 39, "DS": 43, "SRV": 33}
NAMES = {v: k for k, v in TYPES.items()}
MAX_HOPS = 16  # of dns/answer/chain.c
LABELS = ["a", "b", "c", "d", "*"]


# --- zones ----------------------------------------------------------------------------------------

def parent(name):
    return name.split(".", 1)[1]


def below(name, top):
    return name == top or name.endswith("." + top)


class Zone:
    """Owners are absolute, lower case, with the dot at the end."""

    def __init__(self, rng, apex, others):
        self.apex = apex
        self.sets = {apex: {"SOA": ["ns.%s a.%s 1 3600 900 604800 %d" % (apex, apex, rng.choice([60, 900]))],
                            "NS": ["ns." + apex]}, "ns." + apex: {"A": ["192.0.2.1"]}}
        self.ttl = {}
        self.optout = False
        for _ in range(rng.randint(5, 60)):
            self.add(rng, others)

    def random_name(self, rng, wild=True):
        return ".".join(rng.choice(LABELS if wild else LABELS[:-1]) for _ in range(rng.randint(1, 4))) + "." + self.apex

    def target(self, rng, others):
        what = rng.random()
        if what < 0.6:
            return self.random_name(rng, wild=rng.random() < 0.1)
        if what < 0.7 and len(self.sets) > 2:
            return rng.choice(sorted(self.sets))
        if what < 0.85 and others:
            return "a." + rng.choice(others)
        return "x.elsewhere.example."

    def has(self, name, kind):
        return kind in self.sets.get(name, {})

    def under(self, name, kind):
        """'name' is strictly below an owner with this type."""
        while name != self.apex:
            name = parent(name)
            if name != self.apex and self.has(name, kind):
                return True
        return False

    def add(self, rng, others):
        name, kind = self.random_name(rng), rng.choice(["A", "A", "AAAA", "TXT", "MX", "CNAME", "CNAME", "NS", "DNAME", "SRV", "DS"])
        if self.under(name, "DNAME") or self.has(name, "CNAME"):
            return
        if kind == "CNAME" and name in self.sets:
            return
        wild = name.startswith("*.")
        if kind in ("NS", "DNAME") and (wild or "*" in name):
            return
        if kind == "DNAME" and (self.has(name, "NS") or any(below(o, name) and o != name for o in self.sets)):
            return
        if kind == "NS" and self.has(name, "DNAME"):
            return
        # What lies below a cut is glue only: nothing else, since servers differ in what they load.
        if kind != "A" and self.under(name, "NS"):
            return
        if kind == "NS" and any(below(o, name) and (o != name) for o in self.sets):
            return
        if self.has(name, "NS") and kind not in ("NS", "DS"):
            return
        if kind == "NS" and name in self.sets:
            return
        if kind == "DS" and not self.has(name, "NS"):
            return
        n = rng.choice([1, 1, 1, 2, 3])
        if kind == "A":
            data = ["10.%d.%d.%d" % tuple(rng.randrange(256) for _ in range(3)) for _ in range(n)]
        elif kind == "AAAA":
            data = ["2001:db8::%x" % rng.randrange(65536) for _ in range(n)]
        elif kind == "TXT":
            data = ['"%s"' % ("x" * rng.choice([1, 30, 200])) for _ in range(1)]
        elif kind == "MX":
            data = ["%d %s" % (i, self.target(rng, others)) for i in range(n)]
        elif kind == "SRV":
            data = ["0 %d 80 %s" % (i, self.target(rng, others)) for i in range(n)]
        elif kind == "DS":
            data = ["1 13 2 " + "%064x" % rng.randrange(1 << 256)]
        elif kind == "NS":
            data = ["ns%d.%s" % (i, name) if rng.random() < 0.6 else self.target(rng, others) for i in range(n)]
            for d in data:
                if below(d, name) and d != name:
                    self.sets.setdefault(d, {}).setdefault("A", ["10.9.9.9"])
        else:
            data = [self.target(rng, others)]
        if kind in self.sets.get(name, {}):
            return
        self.sets.setdefault(name, {})[kind] = sorted(set(data))
        self.ttl[name, kind] = rng.choice([5, 300, 86400])

    def text(self):
        rows = []
        for name in sorted(self.sets, key=lambda n: (n != self.apex, n)):
            for kind in sorted(self.sets[name], key=lambda k: k != "SOA"):
                for data in self.sets[name][kind]:
                    rows.append("%s %d IN %s %s" % (name, self.ttl.get((name, kind), 300), kind, data))
        return "\n".join(rows) + "\n"

    def question(self, rng):
        what = rng.random()
        if what < 0.35:
            name = rng.choice(sorted(self.sets))
        elif what < 0.5:
            name = rng.choice(LABELS) + "." + rng.choice(sorted(self.sets))
        else:
            name = self.random_name(rng)
            if rng.random() < 0.2:
                name = ".".join(rng.choice("pqrs") for _ in range(rng.randint(1, 3))) + "." + name
        return name, rng.choice(["A", "A", "A", "AAAA", "TXT", "MX", "CNAME", "NS", "SOA", "DNAME", "DS", "SRV"])


# --- messages -------------------------------------------------------------------------------------

def encode(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x) + b"\0"


def decode(msg, at):
    out, behind = [], None
    for _ in range(200):
        n = msg[at]
        if n >= 0xc0:
            behind = behind or at + 2
            at = (n & 0x3f) << 8 | msg[at + 1]
        elif n:
            out.append(msg[at + 1:at + 1 + n].decode("latin-1").lower())
            at += 1 + n
        else:
            return ".".join(out) + ".", behind or at + 1
    raise ValueError("a loop of pointers")


class Answer:
    def __init__(self, msg):
        flags = msg[2] << 8 | msg[3]
        self.rcode, self.aa, self.tc = flags & 15, bool(flags & 0x400), bool(flags & 0x200)
        at = 12
        _, at = decode(msg, at)
        at += 4
        self.sections = []
        for s in range(3):
            rows = set()
            for _ in range(msg[6 + 2 * s] << 8 | msg[7 + 2 * s]):
                name, at = decode(msg, at)
                kind = msg[at] << 8 | msg[at + 1]
                ttl = int.from_bytes(msg[at + 4:at + 8], "big")
                n = msg[at + 8] << 8 | msg[at + 9]
                at += 10
                data = msg[at:at + n].hex()
                if kind in (2, 5, 39):
                    data = decode(msg, at)[0]
                elif kind == 15:
                    data = str(msg[at] << 8 | msg[at + 1]) + " " + decode(msg, at + 2)[0]
                elif kind == 6:
                    m, p = decode(msg, at)
                    r, p = decode(msg, p)
                    data = m + " " + r + " " + msg[p:p + 20].hex()
                elif kind == 33:
                    data = msg[at:at + 6].hex() + " " + decode(msg, at + 6)[0]
                if kind != 41:
                    rows.add((name, NAMES.get(kind, str(kind)), ttl, data))
                at += n
            self.sections.append(frozenset(rows))
        if at != len(msg):
            raise ValueError("%d bytes behind the end" % (len(msg) - at))

    def is_referral(self):
        return not any(r[1] == "SOA" for r in self.sections[1]) and any(r[1] == "NS" for r in self.sections[1]) and not self.aa

    def __str__(self):
        rows = ["rcode %d%s%s" % (self.rcode, " aa" if self.aa else "", " tc" if self.tc else "")]
        for title, s in zip(("answer", "authority", "additional"), self.sections):
            rows += ["    %s: %s" % (title, " ".join(map(str, r))) for r in sorted(s)]
        return "\n".join(rows)


class Server:
    def __init__(self, name, port, tcp):
        self.name, self.port, self.tcp = name, port, tcp
        self.process = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.id = 0

    def ask(self, name, kind, seconds=10, do=False):
        self.id = self.id + 1 & 0xffff
        q = self.id.to_bytes(2, "big") + bytes.fromhex("00000001000000000001") + encode(name) + TYPES[kind].to_bytes(2, "big") + b"\0\1"
        q += bytes.fromhex("00002904d00000%s0000000" % ("8" if do else "0"))
        for _ in range(3):
            try:
                self.socket.send(q)
                self.socket.settimeout(seconds)
                while True:
                    msg = self.socket.recv(4096)
                    if msg[:2] == q[:2]:
                        return Answer(msg)
            except (TimeoutError, ConnectionError):
                pass
        raise TimeoutError("%s does not answer %s %s" % (self.name, name, kind))

    def is_ready(self, name):
        try:
            return self.ask(name, "SOA", 0.3).aa
        except TimeoutError:
            return False


# --- comparison -----------------------------------------------------------------------------------

def is_proof(row):
    """NSEC, NSEC3, and signatures of these and of DS."""
    return row[1] in ("47", "50") or (row[1] == "46" and int(row[3][:4], 16) in (43, 47, 50))


def key(a, glue_of=None):
    """What must agree: rcode, AA, TC, the answer; the authority section unless the answer is positive (NS
    records there are optional, RFC 1034 section 6.2.1); of a referral the glue at or below the cut (RFC 9471)."""
    authority = frozenset(r for r in a.sections[1] if is_proof(r))
    if not a.sections[0] or any(r[1] == "SOA" for r in a.sections[1]):
        authority = a.sections[1]
    glue = frozenset()
    if a.is_referral():
        cut = next(r[0] for r in a.sections[1] if r[1] == "NS")
        glue = frozenset(r for r in a.sections[2] if r[1] in ("A", "AAAA") and below(r[0], cut))
        authority = frozenset(r for r in a.sections[1] if r[1] in ("NS", "DS") or is_proof(r))
    return a.rcode, a.aa, a.tc, a.sections[0], authority, glue


def chain_end(a, name):
    """The last name of the CNAME chain that starts at 'name', and all its names."""
    links = {r[0]: r[3] for r in a.sections[0] if r[1] == "CNAME"}
    seen = [name]
    while name in links and links[name] not in seen:
        name = links[name]
        seen.append(name)
    return name, seen


def rule(question, ours, peer, other, zones):
    """The name of the rule under which our answer differs from a peer's, or None."""
    name, kind = question
    home = next(z for z in zones if below(name, z.apex))
    end, names = chain_end(ours, name)
    if len(names) > 1 and any(not below(n, home.apex) and any(below(n, z.apex) for z in zones) for n in names[1:]):
        # RFC 1034 section 4.3.2 step 3a: "go back to step 1" means all zones; the peer stays in one.
        if peer.sections[0] <= ours.sections[0]:
            return "RFC 1034 4.3.2 3a: a CNAME is followed into another zone of the server"
    if ours.tc and peer.tc and ours.rcode == peer.rcode:
        return "RFC 2181 9: what is in an answer with TC is not used; ours is empty"
    if ours.tc and any(r[1] == "CNAME" and not below(r[3], home.apex) and any(below(r[3], z.apex) for z in zones) for r in peer.sections[0]):
        return "RFC 1034 4.3.2 3a: a CNAME is followed into another zone of the server"
    if ours.tc and any(r[1] == "DNAME" and below(r[3], r[0]) for r in peer.sections[0]):
        return "RFC 6672 2.2: a chain without end is cut after a number of links"
    if len(names) == MAX_HOPS + 1 and peer.sections[0] <= ours.sections[0] and ours.rcode == peer.rcode:
        # A DNAME whose target is below it never ends; RFC 6672 sets no number, each server has its own.
        return "RFC 6672 2.2: a chain without end is cut after a number of links"
    same = ours.rcode == peer.rcode and ours.sections[0] == peer.sections[0]
    more, less = (frozenset(r for r in x.sections[1] if is_proof(r)) for x in (ours, peer))
    if any(below(end, z.apex) and z.optout for z in zones) and ours.rcode == peer.rcode == 3:
        # The closest encloser is an empty non-terminal above unsigned delegations only: it has no NSEC3.
        if not peer.aa and not any(peer.sections):
            return "RFC 5155 7.2.2: a name error has a closest encloser proof; the peer finds none and answers nothing"
        if same and any(r[1] == "50" for r in more):
            return "RFC 5155 7.2.2: the closest encloser that is proved is one that has an NSEC3; the peer proves another"
    if same and less < more and key(other) == key(ours):
        return "RFC 4035 3.1.3, RFC 5155 7.2: the peer leaves out a proof that we and the other peer send"
    if same and less < more and not ours.rcode and end.startswith("*.") and sum(r[1] == "50" for r in more) == 3:
        return "RFC 5155 7.2.5: no data at a wildcard takes three NSEC3, whatever the name's first label"
    if same and less < more and not ours.rcode and kind == "DS":
        return "RFC 5155 7.2.4: no DS under opt-out takes the closest encloser proof of two NSEC3; the peers send one"
    if same and more < less and not ours.rcode and end.startswith("*.") and key(other) == key(ours):
        return "RFC 5155 7.2.3: a wildcard that is asked for itself is denied by the one NSEC3 that matches; the peer sends two"
    return None


def sign(folder, apex, how):
    def tool(*command):
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)

    os.makedirs(folder + "/keys", exist_ok=True)
    tool("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-K", "keys", "-f", "KSK", apex)
    tool("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-K", "keys", apex)
    tool("dnssec-signzone", "-q", "-P", "-S", "-K", "keys", "-o", apex, "-f", apex + ".signed", *how, apex)
    os.rename(folder + "/" + apex + ".signed", folder + "/" + apex)


def run(args):
    rng = random.Random(args.seed)
    folder = args.folder
    zones, others = [], []
    for i in range(args.zones):
        z = Zone(rng, "z%d.test." % i, list(others))
        zones.append(z)
        others.append(z.apex)
        with open("%s/%s" % (folder, z.apex), "w") as f:
            f.write(z.text())
        if args.signed:
            z.optout = i % 4 == 2
            sign(folder, z.apex, [[], ["-3", "-"], ["-3", "-", "-A"], ["-3", "a1b2", "-H", "3"]][i % 4])
    import json
    with open(folder + "/dns.json", "w") as f:
        json.dump({"weft-dns:dns": {"listen": ["127.0.0.1"], "port": 5301, "workers": 1,
                                    "zone": [{"name": z.apex, "file": folder + "/" + z.apex} for z in zones]}}, f)
    with open(folder + "/knot.conf", "w") as f:
        f.write("server:\n  listen: 127.0.0.1@5302\n  rundir: %s/knot\n  udp-workers: 1\n  tcp-workers: 1\n" % folder)
        f.write("database:\n  storage: %s/knot\nzone:\n" % folder)
        for z in zones:
            f.write("  - domain: %s\n    file: %s/%s\n    zonefile-sync: -1\n    journal-content: none\n" % (z.apex, folder, z.apex))
    os.makedirs(folder + "/knot", exist_ok=True)
    with open(folder + "/nsd.conf", "w") as f:
        f.write('server:\n  ip-address: 127.0.0.1@5303\n  zonesdir: "%s"\n  username: ""\n  chroot: ""\n  server-count: 1\n'
                '  pidfile: ""\n  database: ""\n  zonelistfile: "%s/zone.list"\n  xfrdfile: "%s/xfrd.state"\n'
                "  rrl-ratelimit: 0\n  minimal-responses: no\nremote-control:\n  control-enable: no\n" % (folder, folder, folder))
        for z in zones:
            f.write('zone:\n  name: "%s"\n  zonefile: "%s/%s"\n' % (z.apex, folder, z.apex))
    servers = [Server("weft-dnsd", 5301, False), Server("Knot", 5302, False), Server("NSD", 5303, False)]
    environment = dict(os.environ, OVS_RUNDIR=folder, OVS_LOGDIR=folder, OVS_SYSLOG_METHOD="null",
                       ASAN_OPTIONS="detect_leaks=0:abort_on_error=1:log_path=%s/run/asan" % folder)
    commands = [[args.dnsd, "-vconsole:off", "--pidfile", "--no-chdir", "--log-file=%s/weft-dnsd.log" % folder, folder + "/dns.json"],
                ["knotd", "-c", folder + "/knot.conf"], ["nsd", "-d", "-c", folder + "/nsd.conf"]]
    for s, c in zip(servers, commands):
        log = open("%s/%s.out" % (folder, s.name), "w")
        s.process = subprocess.Popen(c, stdout=log, stderr=log, env=environment)
    try:
        return compare(args, rng, servers, zones)
    finally:
        for s in servers:
            s.process.terminate()
            s.process.wait()


def compare(args, rng, servers, zones):
    rules, n_bad, n_asked, rcodes = {}, 0, 0, {}
    end = time.monotonic() + 60
    for s in servers:
        for z in zones:
            while not s.is_ready(z.apex):
                if time.monotonic() > end or s.process.poll() is not None:
                    print("not ok dns-diff: %s does not serve %s" % (s.name, z.apex))
                    return 1
                time.sleep(0.1)
    for i in range(args.queries):
        z = rng.choice(zones)
        q = z.question(rng)
        do = args.signed and rng.random() < 0.8
        ours, *peers = [s.ask(*q, do=do) for s in servers]
        n_asked += 1
        rcodes[ours.rcode] = rcodes.get(ours.rcode, 0) + 1
        for s, peer, other in zip(servers[1:], peers, reversed(peers)):
            if key(ours) == key(peer):
                continue
            why = rule(q, ours, peer, other, zones)
            if why:
                rules[s.name, why] = rules.get((s.name, why), 0) + 1
                continue
            n_bad += 1
            if n_bad <= args.show:
                print("# seed %d: %s %s\n# weft-dnsd: %s\n# %s: %s" % (
                    args.seed, q[0], q[1] + (" DO" if do else ""), str(ours).replace("\n", "\n# "), s.name, str(peer).replace("\n", "\n# ")))
    print("# %d queries to %d %szones, seed %d; rcodes %s" % (n_asked, len(zones), "signed " if args.signed else "", args.seed, dict(sorted(rcodes.items()))))
    for (name, why), n in sorted(rules.items()):
        print("# %d answers differ from %s: %s" % (n, name, why))
    if n_bad:
        print("not ok dns-diff: %d answers differ from a peer without a rule" % n_bad)
        return 1
    print("ok dns-diff: answers as Knot's and NSD's, or as the RFC says")
    return 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dnsd", required=True)
    p.add_argument("--folder", required=True)
    p.add_argument("--zones", type=int, default=30)
    p.add_argument("--queries", type=int, default=6000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=5)
    p.add_argument("--signed", action="store_true")
    sys.exit(run(p.parse_args()))


main()
