# SPDX-License-Identifier: Apache-2.0
"""One controller that sends flows without end; see 47-flow-limits.sh.

    flowflood.py MGMT add N            N flows, no barriers; reads what comes; prints how many errors
                                       of which kind
    flowflood.py MGMT add-deaf N       the same, but never reads; ends when the switch takes no more
    flowflood.py MGMT bundle N         adds them to a bundle that is never committed
    flowflood.py MGMT open N           opens N bundles
"""
import select
import socket
import struct
import sys
import time

HELLO, ERROR, FLOW_MOD, BARRIER, BARRIER_REPLY, BUNDLE_CONTROL, BUNDLE_ADD = 0, 1, 14, 20, 21, 33, 34
V = 5                                       # OpenFlow 1.4
BATCH = 500


def oxm(field, value):
    return struct.pack("!HBB", 0x8000, field << 1, len(value)) + value


def flow_mod(i):
    """in_port=1,ip,nw_src=i actions=output:2"""
    fields = (oxm(0, struct.pack("!I", 1)) + oxm(5, b"\x08\x00") +
              oxm(11, struct.pack("!I", 0x0a000000 + i)))
    match = struct.pack("!HH", 1, 4 + len(fields)) + fields
    match += bytes(-len(match) % 8)
    actions = struct.pack("!HHIH6x", 0, 16, 2, 0)
    body = struct.pack("!QQBBHHHIIIHH", 0, 0, 0, 0, 0, 0, 100, 0xffffffff, 0xffffffff,
                       0xffffffff, 0, 0) + match + struct.pack("!HH4x", 4, 8 + len(actions)) + actions
    return struct.pack("!BBHI", V, FLOW_MOD, 8 + len(body), i & 0xffffffff) + body


def bundle_add(i):
    inner = flow_mod(i)
    return struct.pack("!BBHIIHH", V, BUNDLE_ADD, 16 + len(inner), i, 1, 0, 1) + inner


def bundle_open(i):
    return struct.pack("!BBHIIHH", V, BUNDLE_CONTROL, 16, i, i + 1, 0, 1)


class Peer:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.sendall(struct.pack("!BBHIHHI", V, HELLO, 16, 1, 1, 8, 1 << V))
        self.s.setblocking(False)
        self.buffer = b""
        self.errors = {}
        self.barriers = 0

    def read(self):
        try:
            self.buffer += self.s.recv(1 << 20)
        except BlockingIOError:
            return
        at = 0
        while len(self.buffer) - at >= 8:
            _, kind, size, _ = struct.unpack_from("!BBHI", self.buffer, at)
            if len(self.buffer) - at < size:
                break
            if kind == ERROR:
                what = "%d:%d" % struct.unpack_from("!HH", self.buffer, at + 8)
                self.errors[what] = self.errors.get(what, 0) + 1
            self.barriers += kind == BARRIER_REPLY
            at += size
        self.buffer = self.buffer[at:]

    def send(self, data, deaf=False):
        """False: nothing was taken for 5 s."""
        while data:
            r, w, _ = select.select([] if deaf else [self.s], [self.s], [], 5 if deaf else 60)
            if r:
                self.read()
            if w:
                data = data[self.s.send(data):]
            elif not r:
                return False
        return True


def flood(path, n, make, deaf=False):
    p = Peer(path)
    began = time.monotonic()
    sent = 0
    while sent < n:
        if not p.send(b"".join(make(i) for i in range(sent, min(sent + BATCH, n))), deaf):
            break
        sent += BATCH
    if deaf:
        print("stopped" if sent < n else "all taken", flush=True)
        time.sleep(1)
        return
    p.send(struct.pack("!BBHI", V, BARRIER, 8, 1))
    while not p.barriers and time.monotonic() - began < 600:
        select.select([p.s], [], [], 1)
        p.read()
    errors = " ".join(f"{k}={v}" for k, v in sorted(p.errors.items())) or "no errors"
    print(f"{errors}", flush=True)
    print(f"{n / (time.monotonic() - began):.0f} messages a second", file=sys.stderr)


def main():
    path, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "bundle":
        flood(path, n, bundle_add)
    elif what == "open":
        flood(path, n, bundle_open)
    else:
        flood(path, n, flow_mod, what == "add-deaf")


if __name__ == "__main__":
    main()
