# SPDX-License-Identifier: Apache-2.0
"""Common part of the benchmarks: private switches, interleaved runs, one form of report.

A benchmark runs weft-switchd ("ours") and one or more peers in turn, round after round, in one
run on one machine: a neighbour's load hits all of them.  It records a number per case, kind and
round; report() prints the medians and, per round, how many times better ours was.

isolate() moves the program into network, mount and PID namespaces of its own; whatever it starts
ends with it.
"""
import argparse
import atexit
import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STOCK = "/usr/lib/openvswitch-switch/ovs-vswitchd"
STOCK_DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
CLONE_NEWNET = 0x40000000


def isolate():
    """Starts the program again in namespaces of its own; returns in that second life."""
    if os.geteuid() != 0:
        sys.exit("root is needed (namespaces)")
    if os.environ.pop("WEFT_ISOLATED", None) is None:
        os.environ["WEFT_ISOLATED"] = "1"
        os.execvp("setpriv", ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount",
                              "--pid", "--fork", "--mount-proc", "--kill-child=KILL",
                              sys.executable, "-B", *sys.argv])
    for folder in ("/run/netns", "/run/openvswitch"):
        os.makedirs(folder, exist_ok=True)
        run("mount", "-t", "tmpfs", "none", folder)
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("ip", "link", "set", "lo", "up")
    work = tempfile.mkdtemp(prefix="weft-bench.", dir="/tmp")
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return work


def arguments(doc, rounds=3):
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--json", action="store_true", help="one JSON line a case instead of the table")
    p.add_argument("--rounds", type=int, default=rounds, help="(%(default)s)")
    p.add_argument("--quick", action="store_true", help="one round, small: does it run at all")
    p.add_argument("--only", help="only one side: ours, or a peer's name")
    return p


def weft():
    """The daemon under test."""
    for path in (os.environ.get("WEFT_SWITCHD"), os.path.join(ROOT, "build/bin/ovs-vswitchd")):
        if path and os.access(path, os.X_OK):
            return path
    sys.exit("no daemon: ./weft build first, or set WEFT_SWITCHD")


def run(*command, **kw):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw).stdout


def start(*command, **kw):
    """A process in the background; it ends with the namespaces at the latest."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **kw)


def retry(seconds, what, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Switch:
    """A database and a daemon in a folder of their own.  ovs-vsctl and the others are Debian's."""

    def __init__(self, work, kind, binary=None, config=()):
        self.kind = kind
        self.dir = tempfile.mkdtemp(prefix=f"{kind}.", dir=work)
        binary = binary or (weft() if kind == "ours" else STOCK)
        d = self.dir
        self.env = dict(os.environ, OVS_RUNDIR=d, OVS_DBDIR=d, OVS_LOGDIR=d, OVS_SYSCONFDIR=d,
                        OVS_SYSLOG_METHOD="null")
        self.run("ovsdb-tool", "create", f"{d}/conf.db", SCHEMA)
        self.run("ovsdb-server", "-vconsole:off", f"{d}/conf.db", f"--remote=punix:{d}/db.sock",
                 "--pidfile", "--detach", "--no-chdir", "--log-file")
        self.run("ovs-vsctl", "--no-wait", "init")
        for setting in config:
            self.run("ovs-vsctl", "--no-wait", "set", "Open_vSwitch", ".", setting)
        os.makedirs(f"{d}/bin")
        os.symlink(os.path.realpath(binary), f"{d}/bin/ovs-vswitchd")
        self.run(f"{d}/bin/ovs-vswitchd", "-vconsole:off", f"unix:{d}/db.sock", "--disable-system",
                 "--pidfile", "--detach", "--no-chdir", "--log-file", timeout=60)
        with open(f"{d}/ovs-vswitchd.pid", encoding="ascii") as f:
            self.pid = int(f.read())
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")

    def run(self, *command, timeout=600):
        try:
            return run(*command, env=self.env, timeout=timeout)
        except subprocess.CalledProcessError as e:
            log = os.path.join(self.dir, "ovs-vswitchd.log")
            tail = ""
            if os.path.exists(log):
                with open(log, errors="replace") as f:
                    tail = "".join(f.readlines()[-8:])
            sys.exit(f"{self.kind}: {' '.join(command)}: {e.stderr.strip()}\n{tail}")

    def vsctl(self, *words):
        return self.run("ovs-vsctl", "--timeout=60", *words)

    def ofctl(self, *words):
        return self.run("ovs-ofctl", *words)

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            words = f.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        for name in ("ovs-vswitchd", "ovsdb-server"):
            try:
                with open(f"{self.dir}/{name}.pid", encoding="ascii") as f:
                    pid = int(f.read())
            except (FileNotFoundError, ValueError):
                continue
            args = ["ovs-appctl", "--timeout=20", "-t", name, "exit"]
            subprocess.run(args + (["--cleanup"] if name == "ovs-vswitchd" else []),
                           env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(100):
                if _gone(pid):
                    break
                time.sleep(0.1)
            else:
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


def _gone(pid):
    """A daemon is nobody's child but process 1's, which this program is in its namespace."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not os.path.exists(f"/proc/{pid}")


def timed(function, *words):
    began = time.monotonic()
    function(*words)
    return time.monotonic() - began


def add_namespace(name):
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")


def del_namespace(name):
    run("ip", "netns", "del", name)


def add_veth(here, namespace, there, address):
    run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", namespace)
    run("ip", "link", "set", here, "up")
    run("ip", "-n", namespace, "addr", "add", address, "dev", there)
    run("ip", "-n", namespace, "link", "set", there, "up")


def del_veth(here):
    """At once; with its namespace it would go some time later."""
    if os.path.exists(f"/sys/class/net/{here}"):
        run("ip", "link", "del", here)


def socket_in(namespace, make):
    """make() called inside a network namespace; a socket stays in the one where it was made."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            return make()
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Report:
    """Numbers by case, kind and round."""

    def __init__(self, args):
        self.args = args
        self.cases = {}         # case -> (unit, higher_is_better, {kind: [value a round]})

    def add(self, case, unit, kind, value, higher_is_better=True, under=None):
        """'under': the row that this one belongs to, where its own name is not unique."""
        row = self.cases.setdefault((under, case), (unit, higher_is_better, {}))
        row[2].setdefault(kind, []).append(value)
        print(f"  {kind:14s} {case:44s} {value:12.4g} {unit}", file=sys.stderr, flush=True)

    def show(self):
        """The ratio says how many times better ours is: above 1 ours is faster or smaller."""
        if not self.args.json:
            print(f"\n{'case':44s} {'unit':10s} {'ours':>11s} {'peer':>11s}  "
                  f"{'ratio':>6s} {'min':>6s} {'max':>6s}  against")
        for (under, case), (unit, higher, kinds) in self.cases.items():
            ours = kinds.get("ours", [])
            peers = [k for k in kinds if k != "ours"] or [None]
            for peer in peers:
                theirs = kinds.get(peer, [])
                ratios = [_ratio(o, p, higher) for o, p in zip(ours, theirs)]
                row = {"case": f"{under}: {case.strip()}" if under and self.args.json else case,
                       "unit": unit,
                       "ours": _median(ours), "peer": _median(theirs), "against": peer,
                       "ratio": _median(ratios), "min": min(ratios, default=None),
                       "max": max(ratios, default=None)}
                if self.args.json:
                    print(json.dumps(row), flush=True)
                else:
                    print(f"{case:44s} {unit:10s} {_cell(row['ours'], 11)} {_cell(row['peer'], 11)}"
                          f"  {_cell(row['ratio'], 6)} {_cell(row['min'], 6)} "
                          f"{_cell(row['max'], 6)}  {peer or '-'}")


def _ratio(ours, peer, higher):
    """A count of 0 against one that is not 0 counts as 1: a ratio without end is none."""
    if ours == peer:
        return 1.0
    over, under = (ours, peer) if higher else (peer, ours)
    return over / (under or 1)


def _median(values):
    return statistics.median(values) if values else None


def _cell(value, width):
    return f"{'-' if value is None else format(value, '.3g' if value < 1000 else '.0f'):>{width}s}"
