# SPDX-License-Identifier: Apache-2.0
"""Long requests about flows; see 48-long-dumps.sh.

    longdump.py MGMT others WHAT       asks for WHAT (aggregate, nothing: a dump without a result, delete)
                                       and sends echo requests from another session until that has
                                       ended; prints the longest that one took
    longdump.py MGMT removals N        deletes N flows at once while another session deletes some of them
                                       one by one; prints what is wrong with the FLOW_REMOVED messages
    longdump.py MGMT changes N         a dump of N flows that is read only after others changed flows in
                                       the middle of it; prints what is wrong with the result
"""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from flowflood import BARRIER, BARRIER_REPLY, FLOW_MOD, HELLO, V, oxm  # noqa: E402

ECHO, ECHO_REPLY, SET_CONFIG, FLOW_REMOVED, MULTIPART, MULTIPART_REPLY = 2, 3, 9, 11, 18, 19
MP_FLOW, MP_AGGREGATE = 1, 2
ADD, MODIFY, DELETE, DELETE_STRICT = 0, 1, 3, 4
ANY = 0xffffffff


class Session:
    def __init__(self, path, small=False):
        self.s = socket.socket(socket.AF_UNIX)
        if small:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.s.connect(path)
        self.s.settimeout(120)
        self.buffer = b""
        self.send(HELLO, struct.pack("!HHI", 1, 8, 1 << V))
        self.expect(HELLO)

    def send(self, kind, body, xid=1):
        self.s.sendall(struct.pack("!BBHI", V, kind, 8 + len(body), xid) + body)

    def message(self):
        """The next one: type, body."""
        while len(self.buffer) < 8 or len(self.buffer) < struct.unpack_from("!H", self.buffer, 2)[0]:
            data = self.s.recv(1 << 20)
            if not data:
                sys.exit("the session was closed")
            self.buffer += data
        version, kind, size, _ = struct.unpack_from("!BBHI", self.buffer)
        if (version != V and kind != HELLO) or size < 8:
            sys.exit(f"not OpenFlow: {self.buffer[:16].hex()}")
        body, self.buffer = self.buffer[8:size], self.buffer[size:]
        return kind, body

    def expect(self, kind):
        got, body = self.message()
        if got != kind:
            sys.exit(f"message {got}: {body.hex()}, expected {kind}")
        return body

    def barrier(self):
        self.send(BARRIER, b"")
        while self.message()[0] != BARRIER_REPLY:
            pass


def match(*fields):
    m = struct.pack("!HH", 1, 4 + sum(map(len, fields))) + b"".join(fields)
    return m + bytes(-len(m) % 8)


def flow(command, i, port=2, flags=1):
    """in_port=1,ip,nw_src=i actions=output:port, of which the removal is told"""
    m = match(oxm(0, struct.pack("!I", 1)), oxm(5, b"\x08\x00"), oxm(11, struct.pack("!I", i)))
    actions = struct.pack("!HHIH6x", 0, 16, port, 0)
    return struct.pack("!QQBBHHHIIIHH", 0, 0, 0, command, 0, 0, 100, ANY, ANY, ANY, flags, 0) + m + \
        struct.pack("!HH4x", 4, 8 + len(actions)) + actions


def others(path, what):
    asks, other = Session(path), Session(path)
    query = struct.pack("!B3xII4xQQ", 0xff, ANY, ANY, 0, 0)
    worst = n = 0
    end = threading.Event()

    def ask():
        if what == "delete":
            asks.send(FLOW_MOD, struct.pack("!QQBBHHHIIIHH", 0, 0, 0xff, DELETE, 0, 0, 0, ANY, ANY,
                                            ANY, 0, 0) + match())
        elif what == "aggregate":
            asks.send(MULTIPART, struct.pack("!HH4x", MP_AGGREGATE, 0) + query + match())
        else:
            asks.send(MULTIPART, struct.pack("!HH4x", MP_FLOW, 0) + query +
                      match(oxm(0, struct.pack("!I", 9))))
        asks.barrier()
        end.set()

    threading.Thread(target=ask, daemon=True).start()
    while not end.is_set():
        began = time.monotonic()
        other.send(ECHO, b"")
        other.expect(ECHO_REPLY)
        worst = max(worst, time.monotonic() - began)
        n += 1
    print(f"at most {worst * 1000:.0f} ms ({n} echoes)")


def removals(path, n):
    one, other = Session(path), Session(path)
    # Few enough for what a session may have waiting, were it not to read for a while.
    told = [i for i in range(n) if i % 5 == 0]
    for i in range(n):
        other.send(FLOW_MOD, flow(ADD, i, flags=int(i % 5 == 0)))
    other.barrier()
    one.send(SET_CONFIG, struct.pack("!HH", 0, 128))
    one.barrier()

    def some():
        for i in range(0, n, 10):
            other.send(FLOW_MOD, flow(DELETE_STRICT, n - i))
        other.barrier()

    thread = threading.Thread(target=some)
    thread.start()
    one.send(FLOW_MOD, struct.pack("!QQBBHHHIIIHH", 0, 0, 0, DELETE, 0, 0, 0, ANY, ANY, ANY, 0, 0) +
             match(oxm(0, struct.pack("!I", 1))))
    seen = {}
    # Its own barrier, and one that is behind whatever the other session did.
    for last in range(2):
        if last:
            thread.join()
        one.send(BARRIER, b"")
        while True:
            kind, body = one.message()
            if kind == BARRIER_REPLY:
                break
            if kind != FLOW_REMOVED:
                sys.exit(f"message {kind}")
            place = body.find(oxm(11, b"0000")[:4], 40)
            i = struct.unpack_from("!I", body, place + 4)[0]
            seen[i] = seen.get(i, 0) + 1
    wrong = [f"{i} {seen.get(i, 0)} times" for i in told if seen.get(i) != 1]
    wrong += [f"{i} was not to be told" for i in seen if i % 5]
    print(", ".join(wrong[:5]) or "each removal told once", flush=True)


def changes(path, n):
    reader, other = Session(path, small=True), Session(path)
    for i in range(n):
        other.send(FLOW_MOD, flow(ADD, i))
    other.barrier()
    # The reader is told of removals; a message of that kind must not fall into a part of the reply.
    reader.send(SET_CONFIG, struct.pack("!HH", 0, 128))
    reader.barrier()
    reader.send(MULTIPART, struct.pack("!HH4x", MP_FLOW, 0) +
                struct.pack("!B3xII4xQQ", 0xff, ANY, ANY, 0, 0) + match())
    kind, first = reader.message()      # under way; the rest waits for us
    gone = range(0, n, 9)       # not more than what a session may have waiting
    for i in gone:
        other.send(FLOW_MOD, flow(DELETE_STRICT, i))
    for i in range(1, n, 3):
        other.send(FLOW_MOD, flow(MODIFY, i, 3))
    for i in range(n, n + n // 2):
        other.send(FLOW_MOD, flow(ADD, i))
    other.barrier()

    seen = {}
    removed = 0
    more = True
    while more or removed < len(gone):
        if kind == MULTIPART_REPLY:
            more = struct.unpack_from("!H", first, 2)[0] & 1
            at = 8
            while at < len(first):
                size = struct.unpack_from("!H", first, at)[0]
                place = first.find(oxm(11, b"0000")[:4], at + 48, at + size)
                i = struct.unpack_from("!I", first, place + 4)[0]
                seen[i] = seen.get(i, 0) + 1
                at += size
        elif kind == FLOW_REMOVED:
            removed += 1
        else:
            sys.exit(f"message {kind}")
        if more or removed < len(gone):
            kind, first = reader.message()
    wrong = [f"{i} {seen[i]} times" for i in seen if seen[i] > 1]
    wrong += [f"not {i}" for i in range(n) if i % 9 and i not in seen]
    shown = sum(i % 9 == 0 for i in seen if i < n)
    if shown == len(gone):
        wrong.append("nothing was changed in the middle of the dump")
    print(", ".join(wrong[:5]) or "each flow once", flush=True)
    print(f"# {len(seen)} flows, {removed} removals told, {shown} flows shown before they went",
          file=sys.stderr)


def main():
    path, what, arg = sys.argv[1:4]
    if what == "others":
        others(path, arg)
    elif what == "removals":
        removals(path, int(arg))
    else:
        changes(path, int(arg))


if __name__ == "__main__":
    main()
