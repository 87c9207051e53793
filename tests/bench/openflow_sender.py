# SPDX-License-Identifier: Apache-2.0
"""Flow-mods at a given rate over a bridge's management socket, OpenFlow 1.3 (ONF TS-006).

Messages are made beforehand, so that sending them costs one system call a batch; a barrier behind
each batch says when the switch is through with it.
"""
import select
import socket
import struct
import sys
import time

ADD, MODIFY_STRICT, DELETE_STRICT = 0, 2, 4
ERROR, ECHO_REQUEST, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY = 1, 2, 14, 20, 21
IN_PORT, ETH_DST, ETH_SRC, ETH_TYPE, VLAN_VID, IP_PROTO, IPV4_SRC, IPV4_DST = 0, 3, 4, 5, 6, 10, 11, 12
TCP_SRC, UDP_SRC = 13, 15       # the destination is the next number


def oxm(field, form, value):
    size = struct.calcsize("!" + form)
    return struct.pack("!HBB" + form, 0x8000, field << 1, size, value)


def five_tuple(src, dst, proto, sport, dport):
    port = TCP_SRC if proto == 6 else UDP_SRC
    return (oxm(ETH_TYPE, "H", 0x0800) + oxm(IP_PROTO, "B", proto) + oxm(IPV4_SRC, "I", src) +
            oxm(IPV4_DST, "I", dst) + oxm(port, "H", sport) + oxm(port + 1, "H", dport))


def output(port):
    return struct.pack("!HHIHHIHxxxxxx", 4, 24, 0, 0, 16, port, 0)


def set_source_and_output(mac, port):
    """Apply-actions: eth_src written, then out."""
    write = struct.pack("!HHHBB6sxx", 25, 16, 0x8000, ETH_SRC << 1, 6, mac)
    return struct.pack("!HHI", 4, 8 + len(write) + 16, 0) + write + struct.pack(
        "!HHIHxxxxxx", 0, 16, port, 0)


def goto(table):
    return struct.pack("!HHBxxx", 1, 8, table)


def flow_mod(command, match, instructions=b"", table=0, priority=10, cookie=0, idle=0, hard=0):
    size = 4 + len(match)
    match = struct.pack("!HH", 1, size) + match + bytes(-size % 8)
    body = struct.pack("!QQBBHHHIIIHxx", cookie, 0, table, command, idle, hard, priority,
                       0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0) + match + instructions
    return struct.pack("!BBHI", 4, FLOW_MOD, 8 + len(body), 0) + body


class Sender:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.sock.sendall(struct.pack("!BBHI", 4, 0, 8, 0))
        self.sock.setblocking(False)
        self.buffer, self.due, self.n_errors, self.first_error = b"", {}, 0, None
        self.round_trips = []

    def close(self):
        self.sock.close()

    def receive(self, timeout):
        """Takes what is there; returns whether there was something."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return False
        got = self.sock.recv(1 << 16)
        if not got:
            sys.exit("the switch closed its management socket")
        self.buffer += got
        while len(self.buffer) >= 8:
            _, kind, size, xid = struct.unpack_from("!BBHI", self.buffer)
            if len(self.buffer) < size:
                break
            message, self.buffer = self.buffer[:size], self.buffer[size:]
            if kind == BARRIER_REPLY and xid in self.due:
                self.round_trips.append(time.monotonic() - self.due.pop(xid))
            elif kind == ERROR:
                self.n_errors += 1
                self.first_error = self.first_error or message.hex()
            elif kind == ECHO_REQUEST:
                self.write(struct.pack("!BBHI", 4, 3, size, xid) + message[8:])
        return True

    def write(self, data):
        data = memoryview(data)
        while data:
            try:
                data = data[self.sock.send(data):]
            except BlockingIOError:
                # It may wait for us to read.
                if not self.receive(0):
                    select.select([self.sock], [self.sock], [], 1)

    def send(self, batches, n_each, rate, window=50, seconds=15):
        """Batches (bytes) of n_each messages at 'rate' messages a second, as long as at most 'window'
        barriers are open; none is begun after 'seconds'.  Returns messages a second that the switch
        was through with."""
        self.round_trips, self.due = [], {}
        began, sent = time.monotonic(), 0
        for i, batch in enumerate(batches):
            while True:
                wait = began + i * n_each / rate - time.monotonic()
                if wait <= 0 and len(self.due) < window:
                    break
                self.receive(min(max(wait, 0), 0.01) if len(self.due) < window else 0.01)
            if time.monotonic() - began > seconds:
                break
            sent += 1
            self.due[i + 1] = time.monotonic()
            self.write(batch + struct.pack("!BBHI", 4, BARRIER_REQUEST, 8, i + 1))
        while self.due:
            self.receive(0.01)
            if time.monotonic() - began > seconds + 120:
                sys.exit(f"{len(self.due)} barriers without an answer for two minutes")
        return sent * n_each / (time.monotonic() - began)
