#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""state_traffic.py FROM-NS TO-NS DEVICE STOP-FILE [DSCP]: numbered frames from one namespace to
another, one a millisecond, until STOP-FILE is there.  Prints, as words KEY=VALUE: sent, received,
lost, gap_ms (longest time without a frame), and unmarked: frames whose DSCP is not the one given,
which only a flow of the switch sets."""
import ctypes
import os
import socket
import struct
import sys
import threading
import time


def enter(ns):
    with open(f"/run/netns/{ns}") as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")


def open_in(ns, device):
    """A packet socket in a namespace; the thread that asks stays there."""
    made = []

    def work():
        enter(ns)
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        s.bind((device, 0x0800))
        made.append(s)
    t = threading.Thread(target=work)
    t.start()
    t.join()
    return made[0]


def frame(n):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + 8 + 16, 0, 0, 64, 17, 0, bytes([10, 99, 0, 1]),
                     bytes([10, 99, 0, 2]))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + ip[12:]
    return (b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" + ip +
            struct.pack("!HHHHQQ", 7001, 7001, 24, 0, 0x5745465453544154, n))


def main():
    tx, rx = open_in(sys.argv[1], sys.argv[3]), open_in(sys.argv[2], sys.argv[3])
    stop, mark = sys.argv[4], int(sys.argv[5]) if len(sys.argv) > 5 else None
    got = []  # (time, number, dscp)
    done = threading.Event()

    def receive():
        rx.settimeout(0.2)
        while not done.is_set():
            try:
                p = rx.recv(2048)
            except OSError:  # nothing came, or the other end of the link is being taken away
                continue
            if len(p) >= 58 and p[42:50] == b"WEFTSTAT":
                got.append((time.monotonic(), struct.unpack("!Q", p[50:58])[0], p[15] >> 2))
    t = threading.Thread(target=receive)
    t.start()
    n, due = 0, time.monotonic()
    while not os.path.exists(stop):
        try:
            tx.send(frame(n))
            n += 1
        except OSError:
            pass
        due += 0.001
        time.sleep(max(0, due - time.monotonic()))
    time.sleep(0.5)
    done.set()
    t.join()
    seen = {s for _, s, _ in got}
    gap = max((b[0] - a[0] for a, b in zip(got, got[1:])), default=0)
    unmarked = sum(1 for _, _, d in got if mark is not None and d != mark)
    print(f"sent={n} received={len(seen)} lost={n - len(seen)} gap_ms={gap * 1000:.1f} "
          f"unmarked={unmarked}", flush=True)


main()
