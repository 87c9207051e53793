# SPDX-License-Identifier: Apache-2.0
"""Rounds of flow-mod, barrier, packet on a bridge with ports 1 (h1), 2 (h2), 3 (h3).

Each round changes where packets from port 1 go (to 2, to 3, or nowhere), waits for the barrier's
reply and sends at once a packet from h1.  The same header is sent in every round, and a stream of
it is kept up between the rounds, so that every cache in the switch is warm with the older answer.
A packet that comes out at the wrong port was handled by a state older than the barrier.

usage: barrier.py BRIDGE.mgmt ROUNDS
"""
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
OFP_VERSION = 4                 # OpenFlow 1.3
HELLO, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY = 0, 2, 3, 14, 20, 21
ERROR = 1


class Connection:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.buffer, self.xid = b"", 0
        self.send(HELLO)

    def send(self, kind, body=b""):
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

    def barrier(self):
        wanted = self.send(BARRIER_REQUEST)
        while True:
            kind, xid, message = self.receive()
            if kind == BARRIER_REPLY and xid == wanted:
                return
            if kind == ERROR:
                sys.exit(f"the switch answered an error: {message.hex()}")
            if kind == ECHO_REQUEST:
                self.s.sendall(struct.pack("!BBHI", OFP_VERSION, ECHO_REPLY, len(message), xid)
                               + message[8:])

    def flow(self, out_port):
        """The only flow: in_port=1 -> out_port, or dropped."""
        match = struct.pack("!HHHBBI", 1, 12, 0x8000, 0, 4, 1) + b"\0" * 4
        actions = b""
        if out_port:
            output = struct.pack("!HHIH6x", 0, 16, out_port, 0xffff)
            actions = struct.pack("!HH4x", 4, 8 + len(output)) + output
        # cookie, mask, table 0, ADD, no timeouts, priority 100, no buffer, any port, any group
        self.send(FLOW_MOD, struct.pack("!QQBBHHHIIIH2x", 0, 0, 0, 0, 0, 0, 100, 0xffffffff,
                                        0xffffffff, 0xffffffff, 0) + match + actions)


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
    path, rounds = sys.argv[1], int(sys.argv[2])
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    c = Connection(path)
    h1, h2, h3 = raw("h1"), raw("h2"), raw("h3")
    ports = {h2: 2, h3: 3}
    wrong = late = 0
    state = None
    began = time.monotonic()
    for i in range(1, rounds + 1):
        # Warm every cache with the state that is about to be replaced.
        for _ in range(4):
            h1.send(frame(0))
        state = rng.choice([x for x in (0, 2, 3) if x != state])
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
