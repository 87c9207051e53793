#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A vhost-user front end without a guest: connects, hands over memory and two idle rings, goes.

    vhost_front.py SOCKET TIMES

The messages are those of QEMU's docs/interop/vhost-user.rst.  Prints how often the switch took it."""
import array
import os
import select
import socket
import struct
import sys

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 8, 9, 10, 12, 13
SET_VRING_ENABLE = 18
VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
SIZE, USER = 1 << 20, 0x10000000        # of memory; its address as the front end sees it
RING = 256


def send(s, request, payload=b"", fds=()):
    head = struct.pack("=III", request, 1, len(payload))
    anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    s.sendmsg([head + payload], anc)


def receive(s):
    head = s.recv(12, socket.MSG_WAITALL)
    if len(head) < 12:
        raise ConnectionError("the switch hung up")
    return s.recv(struct.unpack("=III", head)[2], socket.MSG_WAITALL)


def once(path):
    fds = []
    s = socket.socket(socket.AF_UNIX)
    try:
        s.settimeout(20)
        s.connect(path)
        send(s, GET_FEATURES)
        offered = struct.unpack("=Q", receive(s))[0]
        send(s, SET_OWNER)
        send(s, SET_FEATURES, struct.pack("=Q", offered & VERSION_1))
        memory = os.memfd_create("ring")
        fds.append(memory)
        os.ftruncate(memory, SIZE)
        send(s, SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, 0, SIZE, USER, 0), [memory])
        for i in range(2):
            at = USER + 0x10000 * (i + 1)
            send(s, SET_VRING_NUM, struct.pack("=II", i, RING))
            send(s, SET_VRING_BASE, struct.pack("=II", i, 0))
            send(s, SET_VRING_ADDR, struct.pack("=IIQQQQ", i, 0, at, at + 0x5000, at + 0x4000, 0))
            for request in (SET_VRING_CALL, SET_VRING_KICK):
                fds.append(os.eventfd(0))
                send(s, request, struct.pack("=Q", i), fds[-1:])
            send(s, SET_VRING_ENABLE, struct.pack("=II", i, 1))
        # An answer shows that all of it was taken.
        send(s, GET_FEATURES)
        receive(s)
        select.select([s], [], [], 0.1)
        return True
    finally:
        s.close()
        for fd in fds:
            os.close(fd)


def main():
    path, times, taken = sys.argv[1], int(sys.argv[2]), 0
    for _ in range(times):
        try:
            taken += once(path)
        except OSError as e:
            print(f"# {e}", file=sys.stderr)
            select.select([], [], [], 0.2)
    print(taken)


if __name__ == "__main__":
    main()
