# SPDX-License-Identifier: Apache-2.0
"""Daemons with DPDK ports whose packets come from vdev.c: what switch, flow-mods, headlines and
scaling have in common.

A program calls reserve_huge_pages() first, then benchlib's isolate(), then build_vdev().
"""
import os
import signal
import statistics
import struct
import sys
import time

import benchlib as b

HUGE = "/proc/sys/vm/nr_hugepages"
N_HUGE = 900
CORE = 1
SKIPPED = 77         # exit code: it could not run here
# Offsets in vdev.c's struct vdev_shared: words of the head, the ports, what was taken, waiting times.
GO, LIMIT, HZ, TAKE, N_TAKEN, RATE, RING = range(7)
PORTS_AT, TAKEN_AT = 64, 64 + 4 * 64
WAITED_AT = TAKEN_AT + 8192 * 256
SUB_BUCKETS = 32
N_WAITED = 40 * SUB_BUCKETS
SHARED_SIZE = WAITED_AT + 8 * N_WAITED
VARIANTS = {
    "defaults": ("remove Open_vSwitch . other_config smc-enable",
                 "remove Open_vSwitch . other_config emc-insert-inv-prob"),
    "smc": ("set Open_vSwitch . other_config:smc-enable=true",
            "remove Open_vSwitch . other_config emc-insert-inv-prob"),
    "no-emc": ("remove Open_vSwitch . other_config smc-enable",
               "set Open_vSwitch . other_config:emc-insert-inv-prob=0"),
}


def reserve_huge_pages():
    """Runs before the namespaces: a parent that lives as long as the run gives the pages back."""
    with open(HUGE, encoding="ascii") as f:
        before = f.read()
    pid = os.fork()
    if not pid:
        with open(HUGE, "w", encoding="ascii") as f:
            f.write(str(int(before) + N_HUGE))
        with open("/proc/meminfo", encoding="ascii") as f:
            free = next(int(x.split()[1]) for x in f if x.startswith("HugePages_Free"))
        for lacking in ([] if os.path.exists(b.STOCK_DPDK) else [b.STOCK_DPDK]) + (
                [] if free >= N_HUGE - 50 else [f"huge pages: {free} of {N_HUGE}"]) + (
                [] if os.cpu_count() > 1 else ["a second core"]):
            print(f"skipped: this machine lacks {lacking}")
            sys.exit(SKIPPED)
        return
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda number, _: os.kill(pid, signal.SIGTERM))
    status = os.waitpid(pid, 0)[1]
    # The pages are free once the daemons' memory is gone.  What others reserved meanwhile stays.
    with open(HUGE, encoding="ascii") as f:
        after = max(0, int(f.read()) - N_HUGE)
    for _ in range(50):
        with open(HUGE, "w", encoding="ascii") as f:
            f.write(str(after))
        with open(HUGE, encoding="ascii") as f:
            if int(f.read()) == after:
                break
        time.sleep(0.1)
    sys.exit(os.waitstatus_to_exitcode(status) & 255)


def build_vdev(work):
    path = os.path.join(work, "vdev.so")
    flags = b.run("pkg-config", "--cflags", "libdpdk").split()
    b.run("cc", "-O3", "-march=native", "-shared", "-fPIC", "-D_GNU_SOURCE", "-w", "-o", path,
          os.path.join(os.path.dirname(os.path.abspath(__file__)), "vdev.c"), *flags, "-ldl")
    return path


class Shared:
    """The other end of vdev.c's struct vdev_shared."""

    def __init__(self, path):
        import mmap
        with open(path, "wb") as f:
            f.truncate(SHARED_SIZE)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SHARED_SIZE)

    def set(self, at, value):
        struct.pack_into("=Q", self.map, at * 8, value)

    def get(self, at):
        return struct.unpack_from("=Q", self.map, at * 8)[0]

    def counts(self):
        """(received, transmitted) of all ports."""
        pairs = [struct.unpack_from("=QQ", self.map, PORTS_AT + 64 * i) for i in range(4)]
        return sum(p[0] for p in pairs), sum(p[1] for p in pairs)

    def dropped(self):
        """What found a ring full."""
        return sum(struct.unpack_from("=Q", self.map, PORTS_AT + 64 * i + 16)[0] for i in range(4))

    def forget_waited(self):
        self.map[WAITED_AT:SHARED_SIZE] = bytes(SHARED_SIZE - WAITED_AT)
        for i in range(4):
            struct.pack_into("=Q", self.map, PORTS_AT + 64 * i + 32, 0)

    def waited_us(self, *shares):
        """Microseconds from arrival to transmission: of so many percent of the packets at most, each,
        and of the slowest."""
        counts = struct.unpack_from(f"={N_WAITED}Q", self.map, WAITED_AT)
        us = 1e6 / self.get(HZ)
        total, out = sum(counts), []
        for share in shares:
            seen = 0
            for at, n in enumerate(counts):
                seen += n
                if n and seen >= total * share / 100:
                    break
            power = max(at // SUB_BUCKETS - 1, 0)
            out.append((at - power * SUB_BUCKETS + 1 << power) * us if total else 0.0)
        longest = max(struct.unpack_from("=Q", self.map, PORTS_AT + 64 * i + 32)[0]
                      for i in range(4))
        return out + [longest * us]

    def taken(self):
        out = []
        for i in range(self.get(N_TAKEN)):
            port, size = struct.unpack_from("=HH", self.map, TAKEN_AT + 256 * i)
            start = TAKEN_AT + 256 * i + 4
            out.append((port, bytes(self.map[start:start + min(size, 252)])))
        return out


class DpdkSwitch(b.Switch):
    def __init__(self, work, kind, vdev, traces, binary):
        self.space = f"wbs-{kind}"
        self.shared_path = f"/dev/shm/weft-bench-{os.getpid()}-{kind}.{id(self)}"
        self.shared = Shared(self.shared_path)
        self.n_traces = len(traces)
        b.add_namespace(self.space)
        environment = [f"LD_PRELOAD={vdev}", f"WEFT_VDEV_SHARED={self.shared_path}"]
        environment += [f"WEFT_VDEV_TRACE_{i}={path}" for i, path in enumerate(traces)]
        self.prefix = ["ip", "netns", "exec", self.space, "env", *environment]
        # Stock takes all the memory that it may for its packets.
        memory = 512 if kind == "ours" else 1100
        super().__init__(work, kind, binary, (
            "other_config:dpdk-init=true", f"other_config:pmd-cpu-mask={1 << CORE:#x}",
            f"other_config:dpdk-socket-mem={memory}", "other_config:dpdk-lcore-mask=0x1",
            "other_config:dpdk-extra=\"--no-pci --no-telemetry --in-memory\""))

    def run(self, *command, timeout=600):
        if command[0].endswith("/ovs-vswitchd"):
            command = (*self.prefix, *command)
        return super().run(*command, timeout=timeout)

    def configure(self, w, rules):
        self.vsctl("set", "bridge", "br0", "fail-mode=secure", "protocols=OpenFlow13,OpenFlow15")
        for i in (0, 1):
            self.vsctl("add-port", "br0", f"p{i}", "--", "set", "interface", f"p{i}", "type=dpdk",
                       f"options:dpdk-devargs=eth_null{i}", f"ofport_request={i + 1}")
        if w.tunnel:
            self.configure_tunnel(*w.tunnel)
        self.run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", "br0", rules)
        self.poller = None
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/comm", encoding="ascii") as f:
                name = f.read()
            # As on a host that keeps a core for polling: all the rest runs elsewhere.
            if not name.startswith("pmd"):
                os.sched_setaffinity(int(task), set(range(os.cpu_count())) - {CORE})
            else:
                self.poller = f"/proc/{self.pid}/task/{task}/schedstat"
            os.setpriority(os.PRIO_PROCESS, int(task), -19 if name.startswith("pmd") else -10)
        if not self.poller:
            sys.exit(f"{self.kind}: no polling thread")

    def configure_tunnel(self, kind, way):
        """The outer side is a bridge of its own, which has the card."""
        moved = 1 if way == "encap" else 0
        self.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev",
                   "other-config:hwaddr=02:00:00:00:00:bb")
        self.vsctl("del-port", "br0", f"p{moved}")
        self.vsctl("add-port", "br-phy", "phy", "--", "set", "interface", "phy", "type=dpdk",
                   f"options:dpdk-devargs=eth_null{moved}")
        self.vsctl("add-port", "br0", "tun0", "--", "set", "interface", "tun0", f"type={kind}",
                   "options:remote_ip=192.0.2.2", "options:local_ip=192.0.2.1", "options:key=flow",
                   "ofport_request=10")
        if kind == "geneve":
            self.run("ovs-ofctl", "-O", "OpenFlow13", "add-tlv-map", "br0", "{class=0x102,type=0x80,len=4}->tun_metadata0")
        b.run("ip", "-n", self.space, "addr", "add", "192.0.2.1/24", "dev", "br-phy")
        b.run("ip", "-n", self.space, "link", "set", "br-phy", "up")
        self.ofctl("add-flow", "br-phy", "actions=NORMAL")
        self.appctl("tnl/arp/set", "br-phy", "192.0.2.2", "02:00:00:00:00:aa")
        self.appctl("fdb/add", "br-phy", "phy", "0", "02:00:00:00:00:aa")
        b.retry(30, f"{self.kind}: no route to the other end",
                lambda: "192.0.2.0/24" in self.appctl("ovs/route/show"))

    def appctl(self, *words):
        return self.run("ovs-appctl", "--timeout=60", "-t", "ovs-vswitchd", *words)

    def pause(self, stop):
        os.kill(self.pid, signal.SIGSTOP if stop else signal.SIGCONT)

    def take(self, n, seconds=30):
        """What comes out of the next n packets, of each port if none came yet; n below 8192."""
        first, sent = self.shared.counts()
        self.shared.set(N_TAKEN, 0)
        self.shared.set(TAKE, 8192)
        self.shared.set(LIMIT, first + n)
        self.shared.set(GO, 1)
        last, since = None, time.monotonic()
        end = since + seconds
        while time.monotonic() < end:
            now = self.shared.counts()
            if now != last:
                last, since = now, time.monotonic()
            # The polling thread may be waiting for its core with the last burst in its hands.
            elif (now[0] - first >= n * self.n_traces and time.monotonic() - since >
                  (0.5 if now[1] - sent >= n * self.n_traces else 3)):
                break
            time.sleep(0.05)
        self.shared.set(GO, 0)
        self.shared.set(TAKE, 0)
        self.shared.set(LIMIT, 0)
        return self.shared.taken()

    def running_s(self):
        with open(self.poller, encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9

    def others_s(self):
        """Processor time of all threads but the polling one."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            path = f"/proc/{self.pid}/task/{task}/schedstat"
            if path != self.poller:
                with open(path, encoding="ascii") as f:
                    total += int(f.read().split()[0])
        return total / 1e9

    def measure(self, seconds):
        """(cycles per packet received, share of them transmitted, packets a second)"""
        hz = self.shared.get(HZ)
        self.shared.set(GO, 1)
        time.sleep(0.05)
        cycles, first, began, t = [], self.shared.counts(), time.monotonic(), self.running_s()
        before = first
        while time.monotonic() - began < seconds:
            time.sleep(min(0.1, seconds / 4))
            now, u = self.shared.counts(), self.running_s()
            if now[0] > before[0]:
                cycles.append((u - t) * hz / (now[0] - before[0]))
            before, t = now, u
        took = time.monotonic() - began
        self.shared.set(GO, 0)
        n = before[0] - first[0]
        if not n:
            return float("inf"), 0.0, 0.0
        return statistics.median(cycles), (before[1] - first[1]) / n, n / took

    def measure_first(self, n, seconds=30):
        """As measure(), of the next n packets only."""
        first = self.shared.counts()
        self.shared.set(LIMIT, first[0] + n)
        began, t = time.monotonic(), self.running_s()
        self.shared.set(GO, 1)
        while True:
            time.sleep(0.0005)
            now = self.shared.counts()
            # Bursts are whole, so the last ones of n may stay.
            if now[0] + 64 >= first[0] + n or time.monotonic() - began > seconds:
                break
        took, running = time.monotonic() - began, self.running_s() - t
        self.shared.set(GO, 0)
        self.shared.set(LIMIT, 0)
        time.sleep(0.01)
        n = now[0] - first[0]
        if not n:
            return float("inf"), 0.0, 0.0
        return (running * self.shared.get(HZ) / n, (self.shared.counts()[1] - first[1]) / n,
                n / took)

    def measure_paced(self, seconds, rate, ring=2048, work=None):
        """Packets that arrive by the clock, 'rate' a second, for so many seconds or while work()
        runs.  Returns a dict: numbers of packets, and microseconds from arrival to transmission."""
        self.shared.set(RING, ring)
        self.shared.set(RATE, rate)
        self.shared.set(GO, 1)
        time.sleep(0.2)
        self.shared.forget_waited()
        first, dropped = self.shared.counts(), self.shared.dropped()
        began, t = time.monotonic(), self.running_s()
        if work:
            work()
        else:
            time.sleep(seconds)
        took, running = time.monotonic() - began, self.running_s() - t
        last, dropped = self.shared.counts(), self.shared.dropped() - dropped
        p50, p99, p999, longest = self.shared.waited_us(50, 99, 99.9)
        self.shared.set(GO, 0)
        time.sleep(0.01)
        self.shared.set(RATE, 0)
        rx = last[0] - first[0]
        return {"seconds": took, "offered": rx + dropped, "dropped": dropped,
                # What was received and did not leave; a burst may be on its way.
                "missing": max(0, rx - (last[1] - first[1]) - 64), "running": running / took,
                "p50": p50, "p99": p99, "p99.9": p999, "longest": longest}

    def profile(self, path):
        """Where the time goes; software clock, since virtual machines often have no other."""
        self.shared.set(GO, 1)
        b.run("perf", "record", "-q", "-e", "cpu-clock", "-F", "5000", "-t",
              self.poller.split("/")[4], "-o", path, "sleep", "3")
        self.shared.set(GO, 0)
        with open(path + ".txt", "w", encoding="utf-8") as f:
            f.write(b.run("perf", "report", "-q", "--stdio", "-i", path, "--sort", "dso,symbol"))

    def n_flows(self):
        for line in self.appctl("dpctl/show").splitlines():
            if line.strip().startswith("flows:"):
                return int(line.split(":")[1])
        return 0

    def settle(self, seconds):
        self.shared.set(GO, 1)
        end, last, same = time.monotonic() + seconds, -1, 0
        while time.monotonic() < end and same < 4:
            time.sleep(min(1, seconds))
            now = self.n_flows()
            same = same + 1 if abs(now - last) * 200 <= now else 0
            last = now
        self.shared.set(GO, 0)
        return last

    def variant(self, name):
        for command in VARIANTS[name]:
            self.vsctl(*command.split())

    def stop(self):
        self.pause(False)
        super().stop()
        b.del_namespace(self.space)
        os.unlink(self.shared_path)
