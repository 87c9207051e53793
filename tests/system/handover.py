# SPDX-License-Identifier: Apache-2.0
"""The taker's side of a handover (switchd/handover.h), for tests that break it."""
import os
import socket
import struct

HELLO, FILE, END, READY, DONE, TAKEN = 1, 3, 6, 7, 8, 9
UNKNOWN = 99
VERSION = 1


def message(type, value=0):
    return struct.pack("=III", 0x77656674, type, value)


def type_of(m):
    return struct.unpack("=III", m[:12])[1]


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    return s


def ask(s):
    s.send(message(HELLO, VERSION))


def receive(s):
    """The next message; the descriptor that comes with it is closed.  b"": the other end is."""
    m, fds, _, _ = socket.recv_fds(s, 2048, 4)
    for f in fds:
        os.close(f)
    return m


def take(path):
    """Asks for everything and takes it, up to the moment in which the two would change."""
    s = connect(path)
    ask(s)
    while type_of(receive(s)) != END:
        pass
    return s
