# SPDX-License-Identifier: Apache-2.0
"""What ovs-ofctl cannot say: OpenFlow 1.5 messages made by hand; see 46-openflow15.sh.

    openflow15.py MGMT egress TABLE [FLAGS]       table features: FLAGS (default 0x13) for TABLE
    openflow15.py MGMT egress-two T1 T2           the first-egress flag for both
    openflow15.py MGMT flags                      the tables' flags: "10:0x13", without 0x3
    openflow15.py MGMT half-request               a request whose second part never comes
    openflow15.py MGMT many-halves                more of them than a session may leave open
    openflow15.py MGMT scheduled                  a bundle to be committed at a time
    openflow15.py MGMT meter ID                   adds a meter
    openflow15.py MGMT triggers SECONDS           asks for triggered statistics; prints the packet
                                                  counts that came within that time
    openflow15.py MGMT trigger FLAGS PACKETS      a flow of table 30 with such a trigger
    openflow15.py MGMT flow-stats TABLE           OFPMP_FLOW_STATS: the packet counts

Prints "ok", or "error TYPE CODE" of the first error."""
import socket
import struct
import sys
import time

V, HELLO, ERROR, METER_MOD, MP_REQUEST, MP_REPLY, BARRIER, BARRIER_REPLY = 6, 0, 1, 29, 18, 19, 20, 21
BUNDLE_CONTROL = 33
TABLE_FEATURES = 12


class Session:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.settimeout(10)
        self.buffer = b""
        self.send(HELLO, struct.pack("!HHI", 1, 8, 1 << V))
        assert self.receive()[0] == HELLO

    def send(self, kind, body=b"", xid=1):
        self.s.sendall(struct.pack("!BBHI", V, kind, 8 + len(body), xid) + body)

    def receive(self):
        while len(self.buffer) < 8 or len(self.buffer) < struct.unpack("!H", self.buffer[2:4])[0]:
            got = self.s.recv(65536)
            if not got:
                sys.exit("closed")
            self.buffer += got
        size = struct.unpack("!H", self.buffer[2:4])[0]
        message, self.buffer = self.buffer[:size], self.buffer[size:]
        return message[1], message[8:]

    def until_barrier(self):
        """The replies up to that of a barrier."""
        self.send(BARRIER, xid=99)
        got = []
        while not got or got[-1][0] != BARRIER_REPLY:
            got.append(self.receive())
        return got[:-1]


def verdict(replies):
    for kind, body in replies:
        if kind == ERROR:
            return "error %d %d" % struct.unpack("!HH", body[:4])
    return "ok"


def table_features(table, flags, command=1):
    return struct.pack("!HBBI32sQQII", 64, table, command, flags, b"", 2**64 - 1, 2**64 - 1, 0,
                       1000000)


def multipart(kind, body=b"", more=False):
    return struct.pack("!HH4x", kind, int(more)) + body


def egress(s, table, flags="0x13"):
    s.send(MP_REQUEST, multipart(TABLE_FEATURES, table_features(int(table), int(flags, 0))))
    return verdict(s.until_barrier())


def egress_two(s, one, two):
    s.send(MP_REQUEST, multipart(TABLE_FEATURES, table_features(int(one), 0x13) +
                                 table_features(int(two), 0x13)))
    return verdict(s.until_barrier())


def flags(s):
    s.send(MP_REQUEST, multipart(TABLE_FEATURES))
    found = []
    for kind, body in s.until_barrier():
        at = 8
        while kind == MP_REPLY and at < len(body):
            size, table, _, bits = struct.unpack("!HBBI", body[at:at + 8])
            if bits != (3 if table else 1):
                found.append(f"{table}:{bits:#x}")
            at += size
    return " ".join(found) or "none"


def half_request(s):
    began = time.monotonic()
    s.send(MP_REQUEST, multipart(TABLE_FEATURES, table_features(1, 0), more=True))
    text = verdict([s.receive()])
    return text + (" in time" if 0.1 <= time.monotonic() - began < 3 else " at a wrong time")


def many_halves(s):
    for xid in range(100):
        s.send(MP_REQUEST, multipart(TABLE_FEATURES, table_features(1, 0), more=True), xid)
    return verdict(s.until_barrier())


def scheduled(s):
    answers = []
    when = struct.pack("!HH4xQII", 1, 24, 2**33, 0, 0)
    for kind, more in ((0, b""), (4, when)):
        s.send(BUNDLE_CONTROL, struct.pack("!IHH", 7, kind, 4) + more)
        answers.append(verdict(s.until_barrier()))
    return ", ".join(answers)


def meter(s, number):
    band = struct.pack("!HHII4x", 1, 16, 1000, 0)
    s.send(METER_MOD, struct.pack("!HHI", 0, 1, int(number, 0)) + band)
    return verdict(s.until_barrier())


FLOW_MOD, SET_ASYNC, FLOW_STATS = 14, 28, 17
OXS_PACKETS = 0x80020808


def packet_counts(body):
    """Of the items of an OFPMP_FLOW_STATS reply."""
    at, counts = 8, []
    while at < len(body):
        size, = struct.unpack_from("!H", body, at)
        match_size, = struct.unpack_from("!H", body, at + 10)
        p = at + 8 + (match_size + 7) // 8 * 8 + 4
        while p + 4 <= at + size:
            header, = struct.unpack_from("!I", body, p)
            if header == OXS_PACKETS:
                counts.append(struct.unpack_from("!Q", body, p + 4)[0])
            if not header:
                break
            p += 4 + (header & 0xff)
        at += size
    return counts


def triggers(s, seconds):
    # Property FLOW_STATS for the primary and equal roles, both reasons.
    s.send(SET_ASYNC, struct.pack("!HHI", 13, 8, 3))
    s.s.settimeout(float(seconds))
    print("listens", flush=True)
    counts, end = [], time.monotonic() + float(seconds)
    try:
        while time.monotonic() < end:
            kind, body = s.receive()
            if kind == ERROR:
                return verdict([(kind, body)])
            if kind == MP_REPLY and struct.unpack("!H", body[:2])[0] == FLOW_STATS:
                counts += packet_counts(body)
    except TimeoutError:
        pass
    return " ".join(str(n) for n in counts) or "nothing"


def trigger(s, bits, packets):
    oxs = struct.pack("!HHIQ", 0, 16, OXS_PACKETS, int(packets))
    instruction = struct.pack("!HHI", 7, 8 + len(oxs), int(bits, 0)) + oxs
    s.send(FLOW_MOD, struct.pack("!QQBBHHHIIIHH", 0, 0, 30, 0, 0, 0, 5, 2**32 - 1, 2**32 - 1,
                                 2**32 - 1, 0, 0) + struct.pack("!HH4x", 1, 4) + instruction)
    return verdict(s.until_barrier())


def flow_stats(s, table):
    body = struct.pack("!B3xII4xQQ", int(table), 2**32 - 1, 2**32 - 1, 0, 0)
    s.send(MP_REQUEST, multipart(FLOW_STATS, body + struct.pack("!HH4x", 1, 4)))
    replies = s.until_barrier()
    text = verdict(replies)
    counts = [n for kind, body in replies if kind == MP_REPLY for n in packet_counts(body)]
    return " ".join(map(str, counts)) if text == "ok" else text


def main():
    print(globals()[sys.argv[2].replace("-", "_")](Session(sys.argv[1]), *sys.argv[3:]))


if __name__ == "__main__":
    main()
