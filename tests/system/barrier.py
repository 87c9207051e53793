# SPDX-License-Identifier: Apache-2.0
"""Rounds of flow-mod, barrier, packet, or of bundle, packet, on a bridge with ports 1 (h1), 2 (h2), 3 (h3).

Each round changes where packets from port 1 go (to 2, to 3, or nowhere), waits for the barrier's
reply and sends at once a packet from h1.  The same header is sent in every round, and a stream of
it is kept up between the rounds, so that every cache in the switch is warm with the older answer.
A packet that comes out at the wrong port was handled by a state older than the barrier.  With "bundle" each
change is a bundle, and the reply to its commit is waited for in place of a barrier's.

usage: barrier.py BRIDGE.mgmt ROUNDS [bundle]
"""
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
OFP_VERSION = 5                 # OpenFlow 1.4
HELLO, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY = 0, 2, 3, 14, 20, 21
ERROR, SET_CONFIG, FLOW_REMOVED, BUNDLE_CONTROL, BUNDLE_ADD = 1, 9, 11, 33, 34
ADD, DELETE, SEND_FLOW_REM = 0, 3, 1
BUNDLE_OPEN, BUNDLE_COMMIT = 0, 4       # a reply has the next number
ATOMIC_ORDERED = 3


class Connection:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.buffer, self.xid, self.bundle, self.n_removed = b"", 0, 0, 0
        self.send(HELLO)
        # Who asks for packets is told of removed flows, too.
        self.send(SET_CONFIG, struct.pack("!HH", 0, 128))

    def send(self, kind, body=b""):
        if self.bundle and kind == FLOW_MOD:
            self.add_to_bundle(kind, body)
            return None
        self.xid += 1
        self.s.sendall(struct.pack("!BBHI", OFP_VERSION, kind, 8 + len(body), self.xid) + body)
        return self.xid

    def receive(self):
        while True:
            if len(self.buffer) >= 8:
                _, kind, size, xid = struct.unpack_from("!BBHI", self.buffer)
                if len(self.buffer) >= size:
                    message, self.buffer = self.buffer[:size], self.buffer[size:]
                    return kind, xid, message
            data = self.s.recv(65536)
            if not data:
                sys.exit("the switch closed the connection")
            self.buffer += data

    def wait(self, wanted, reply):
        while True:
            kind, xid, message = self.receive()
            if kind == reply and xid == wanted:
                return message
            if kind == ERROR:
                sys.exit(f"the switch answered an error: {message.hex()}")
            if kind == FLOW_REMOVED:
                self.n_removed += 1
            if kind == ECHO_REQUEST:
                self.s.sendall(struct.pack("!BBHI", OFP_VERSION, ECHO_REPLY, len(message), xid)
                               + message[8:])

    def barrier(self):
        self.wait(self.send(BARRIER_REQUEST), BARRIER_REPLY)

    def add_to_bundle(self, kind, body):
        self.xid += 1
        message = struct.pack("!BBHI", OFP_VERSION, kind, 8 + len(body), self.xid) + body
        self.s.sendall(struct.pack("!BBHIIHH", OFP_VERSION, BUNDLE_ADD, 16 + len(message), self.xid,
                                   self.bundle, 0, ATOMIC_ORDERED) + message)

    def control(self, kind):
        xid = self.send(BUNDLE_CONTROL, struct.pack("!IHH", self.bundle, kind, ATOMIC_ORDERED))
        got = struct.unpack_from("!IHH", self.wait(xid, BUNDLE_CONTROL), 8)
        if got[:2] != (self.bundle, kind + 1):
            sys.exit(f"a bundle's reply is about bundle {got[0]}, type {got[1]}")

    def in_bundle(self, number, change, *arguments):
        self.bundle = number
        self.control(BUNDLE_OPEN)
        change(*arguments)
        self.control(BUNDLE_COMMIT)
        self.bundle = 0

    def flow(self, out_port):
        """The only flow: in_port=1 -> out_port, or dropped."""
        match = struct.pack("!HHHBBI", 1, 12, 0x8000, 0, 4, 1) + b"\0" * 4
        actions = b""
        if out_port:
            output = struct.pack("!HHIH6x", 0, 16, out_port, 0xffff)
            actions = struct.pack("!HH4x", 4, 8 + len(output)) + output
        self.flow_mod(ADD, match + actions)

    def flow_mod(self, command, rest, flags=0, table=0):
        # cookie, mask, table, command, no timeouts, priority 100, no buffer, any port, any group
        self.send(FLOW_MOD, struct.pack("!QQBBHHHIIIHH", 0, 0, table, command, 0, 0, 100, 0xffffffff,
                                        0xffffffff, 0xffffffff, flags, 0) + rest)


def removed_comes_first(c):
    """Of a flow that a bundle deletes: FLOW_REMOVED is there before the reply to the commit."""
    rounds = 50
    everything = struct.pack("!HH4x", 1, 4)
    for i in range(rounds):
        c.flow_mod(ADD, everything, SEND_FLOW_REM, 9)
        c.barrier()
        c.n_removed = 0
        c.in_bundle(1 << 20 | i, c.flow_mod, DELETE, everything, 0, 9)
        if c.n_removed != 1:
            sys.exit(f"round {i}: {c.n_removed} FLOW_REMOVED before the reply to a bundle that deletes a flow")


def raw(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((device, 0))
    s.setblocking(False)
    return s


def drain(sockets):
    for s in sockets:
        try:
            while True:
                s.recv(2048)
        except BlockingIOError:
            pass


def frame(number):
    """One UDP packet; only the payload differs between rounds."""
    payload = b"weft" + struct.pack("!I", number)
    ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 1, 0, 64, 17, 0,
                               bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    struct.pack_into("!H", ip, 10, ~(total + (total >> 16)) & 0xffff)
    udp = struct.pack("!HHHH", 1000, 2000, 8 + len(payload), 0)
    return (bytes.fromhex("020000000002" "020000000001" "0800") + bytes(ip) + udp + payload)


def main():
    path, rounds, bundles = sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["bundle"]
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    c = Connection(path)
    h1, h2, h3 = raw("h1"), raw("h2"), raw("h3")
    ports = {h2: 2, h3: 3}
    wrong = late = 0
    state = None
    if bundles:
        removed_comes_first(c)
    began = time.monotonic()
    for i in range(1, rounds + 1):
        # Warm every cache with the state that is about to be replaced.
        for _ in range(4):
            h1.send(frame(0))
        state = rng.choice([x for x in (0, 2, 3) if x != state])
        if bundles:
            c.in_bundle(i, c.flow, state)
        else:
            c.flow(state)
            c.barrier()
        h1.send(frame(i))
        got = set()
        end = time.monotonic() + (0.01 if state == 0 else 0.5)
        mark = b"weft" + struct.pack("!I", i)
        while time.monotonic() < end:
            ready = select.select([h2, h3], [], [], max(0, end - time.monotonic()))[0]
            for s in ready:
                try:
                    while True:
                        if s.recv(2048).endswith(mark):
                            got.add(ports[s])
                except BlockingIOError:
                    pass
            if got and state in got:
                # What else may come would come at the same time.
                end = min(end, time.monotonic() + 0.002)
        if not got and state:
            late += 1
        if got - {state}:
            wrong += 1
            if wrong <= 5:
                print(f"round {i}: rule says {state or 'drop'}, the packet came out at {got}")
        drain((h1,))
        if wrong + late >= 20:
            rounds = i          # the point is made; every lost packet costs half a second
            break
    took = time.monotonic() - began
    print(f"{rounds} rounds in {took:.1f} s, seed {seed}: {wrong} handled by an older state, "
          f"{late} lost")
    return 1 if wrong or late else 0


if __name__ == "__main__":
    sys.exit(main())
