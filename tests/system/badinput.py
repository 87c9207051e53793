# SPDX-License-Identifier: Apache-2.0
"""Sends what nobody should send.  Random parts are repeatable: SEED=N in the environment.

    badinput.py openflow BRIDGE.mgmt     messages with wrong lengths, types, bodies
    badinput.py unixctl DAEMON.ctl       broken JSON-RPC
    badinput.py packets DEVICE           truncated and lying packets
    badinput.py mute PORT                a controller that says hello and never reads again
    badinput.py flood DEVICE COUNT       good packets, each from another address
"""
import os
import random
import socket
import struct
import sys
import time

SEED = int(os.environ.get("SEED", random.randrange(1 << 31)))
rng = random.Random(SEED)
ETH_P_ALL = 3


def unix(path):
    end = time.monotonic() + 10
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        try:
            s.connect(path)
            return s
        except BlockingIOError:     # the listener's queue is full for the moment
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def deliver(make, data, answers):
    """Sends 'data' on a new connection and reads what comes until it is quiet or closed."""
    s = make()
    try:
        s.sendall(data)
        s.settimeout(0.02)
        while True:
            got = s.recv(65536)
            if not got:
                answers["closed"] = answers.get("closed", 0) + 1
                break
            answers["answered"] = answers.get("answered", 0) + 1
    except TimeoutError:
        pass
    except (BrokenPipeError, ConnectionResetError):
        answers["closed"] = answers.get("closed", 0) + 1
    finally:
        s.close()


def of_message(version, kind, body, size=None, xid=7):
    return struct.pack("!BBHI", version, kind, size if size is not None else 8 + len(body),
                       xid) + body


def openflow(path):
    answers, n = {}, 0

    def go(data):
        nonlocal n
        n += 1
        deliver(lambda: unix(path), data, answers)
    for size in (0, 1, 7, 8, 9, 16, 1000, 65535):          # lengths that lie, before the hello
        go(of_message(4, 0, b"", size))
    go(os.urandom(4000))
    go(b"GET / HTTP/1.1\r\n\r\n")
    for version in (0, 1, 2, 3, 4, 5, 6, 7, 99, 255):
        go(of_message(version, 0, b"") + of_message(version, 2, b"x" * 100))
    for version in (1, 2, 3, 4, 5, 6):
        hello = of_message(version, 0, struct.pack("!HHI", 1, 8, 1 << version))
        for kind in range(0, 36):
            data = hello
            for _ in range(6):
                body = rng.randbytes(rng.choice((0, 1, 4, 8, 16, 40, 48, 100, 1000)))
                data += of_message(version, kind, body)
            go(data)
        # Flow-mods whose match or actions say another length than they have.
        for _ in range(20):
            match = struct.pack("!HH", 1, rng.choice((0, 3, 4, 5, 9, 4096, 65535)))
            match += rng.randbytes(rng.randrange(40))
            head = struct.pack("!QQBBHHHIIIH2x", 0, 0, rng.randrange(4), rng.randrange(6), 0, 0,
                               1, 0xffffffff, 0xffffffff, 0xffffffff, 0)
            go(hello + of_message(version, 14, head + match))
        # Multipart requests, and vendor messages that nest.
        for kind in (16, 18, 19):
            for _ in range(10):
                go(hello + of_message(version, kind, struct.pack(
                    "!HH4x", rng.randrange(24), rng.randrange(2)) + rng.randbytes(rng.randrange(80))))
        for vendor in (0x00002320, 0x4f4e4600):
            for _ in range(20):
                go(hello + of_message(version, 4, struct.pack(
                    "!II", vendor, rng.randrange(40)) + rng.randbytes(rng.randrange(120))))
    # Many connections that say nothing, and one cut in the middle of a message.
    idle = [unix(path) for _ in range(200)]
    go(of_message(4, 0, b"") + of_message(4, 14, b"x" * 400, 5000))
    for s in idle:
        s.close()
    print(f"{n} connections, {answers.get('answered', 0)} answers, "
          f"{answers.get('closed', 0)} closed by the switch, seed {SEED}")


def unixctl(path):
    answers, n = {}, 0
    inputs = [
        b"\0" * 100, os.urandom(1000), b"{", b"}" * 50, b"[" * 100000, b'{"a":' * 20000,
        b'"' + b"x" * 2000000, b'{"method":"version"}', b'{"id":0,"method":5,"params":[]}',
        b'{"id":0,"method":"version","params":{}}', b'{"id":0,"method":"version","params":[1,2]}',
        b'{"id":null,"method":"version","params":[]}', b'[]', b'null', b'1e999999',
        b'{"id":0,"method":"no/such","params":[]}', b'{"id":0,"result":"x","error":null}',
        b'{"id":0,"method":"ofproto/trace","params":["br0","in_port=1,' + b"a" * 50000 + b'"]}',
        b'{"id":0,"method":"ofproto/trace","params":["br0","\\u0000\\ud800"]}',
        b'{"id":0,"method":"version","params":[' + b'"x",' * 10000 + b'"x"]}',
        b'{"id":0,"method":"vlog/set","params":["a:b:c:d","%s%n%p"]}',
        b'{"id":0,"method":"fdb/show","params":["' + b"%n" * 1000 + b'"]}',
        b'{"id":0,"method":"version","params":[]}' * 500,
        b'\xff\xfe{"id":0}',
    ]
    for data in inputs:
        n += 1
        deliver(lambda: unix(path), data, answers)
    good = b'{"id":0,"method":"version","params":[]}'
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        n += 1
        deliver(lambda: unix(path), bytes(data), answers)
    print(f"{n} connections, {answers.get('answered', 0)} answers, "
          f"{answers.get('closed', 0)} closed, seed {SEED}")


def seeds():
    mac = bytes.fromhex("020000000002" "020000000001")
    ip = bytes.fromhex("4500002c00010000400600000a0000010a000002")
    tcp = bytes.fromhex("00500050000000010000000050022000000000000204")
    ip6 = bytes.fromhex("6000000000200640") + bytes(15) + b"\1" + bytes(15) + b"\2"
    return [
        mac + b"\x08\x00" + ip + tcp + bytes(40),
        mac + b"\x08\x00" + b"\x4f" + ip[1:] + bytes(60),                  # options up to the end
        mac + b"\x86\xdd" + ip6 + tcp + bytes(30),
        mac + b"\x86\xdd" + ip6[:6] + b"\0" + ip6[7:] + b"\0\xff" * 100,   # hop-by-hop chains
        mac + b"\x86\xdd" + ip6[:6] + b"\x2c" + ip6[7:] + b"\x2c\0\0\1" * 40,
        mac + b"\x86\xdd" + ip6[:6] + b"\x3a" + ip6[7:] + b"\x87\0\0\0" + bytes(20) + b"\1\0" * 30,
        mac + b"\x08\x06" + bytes.fromhex("0001080006040001") + bytes(20),
        mac + b"\x81\x00\0\5" * 1 + b"\x08\x00" + ip + tcp,
        mac + (b"\x81\x00\0\5\x88\xa8\0\6") * 20,                          # forty tags
        mac + b"\x88\x47" + b"\0\0\x10\x40" * 100,                         # no bottom of stack
        mac + b"\x88\x47" + b"\0\0\x11\x40" + ip + tcp,
        mac + b"\x88\xe7" + bytes(60),                                     # PBB
        mac + b"\x89\x4f" + bytes.fromhex("0fff0103") + bytes(60),         # NSH
        mac + b"\x88\x09" + bytes.fromhex("0101") + bytes(108),            # LACP
        mac + bytes(60),
        bytes.fromhex("0180c2000000") + mac[6:] + b"\0\x26\x42\x42\3" + bytes(60),   # BPDU
        mac + b"\x08\x00" + bytes.fromhex("46") + ip[1:9] + b"\2" + ip[10:] +
        bytes.fromhex("94040000" "2200") + bytes(20),                      # IGMP
    ]


def packets(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((device, 0))
    sent = 0

    def go(data):
        nonlocal sent
        try:
            s.send(data)
            sent += 1
        except OSError:
            pass            # the kernel refuses frames below an Ethernet header
    for seed in seeds():
        for cut in range(14, len(seed) + 1):
            go(seed[:cut])
        for _ in range(1500):
            data = bytearray(seed)
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(12, len(data))] = rng.choice((0, 1, 0x45, 0x7f, 0x80, 0xff,
                                                                rng.randrange(256)))
            go(bytes(data[:rng.randrange(14, len(data) + 1)]))
    print(f"{sent} packets, seed {SEED}")


def mute(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(5)
    print("listens", flush=True)
    keep = []
    while True:
        s, _ = listener.accept()
        s.sendall(of_message(4, 0, b""))
        keep.append(s)
        print("connected", flush=True)


def flood(device, count):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((device, 0))
    body = b"\x02\0\0\0\0\2" + b"\x02\1%b" + b"\x08\x00" + seeds()[0][14:] + bytes(1000)
    began = time.monotonic()
    for i in range(int(count)):
        try:
            s.send(body % struct.pack("!I", i))
        except OSError:     # the device's queue is full
            time.sleep(0.001)
    print(f"{count} packets in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
