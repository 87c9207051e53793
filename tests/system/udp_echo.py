# SPDX-License-Identifier: Apache-2.0
"""UDP there and back, for tests on machines that are busy: what is not answered is sent again.

    udp_echo.py serve ADDRESS PORT                       answers what it gets, for ever
    udp_echo.py ask ADDRESS PORT FROM_PORT N SECONDS     N messages, one after the other; fails unless
                                                         all were answered within SECONDS
"""
import socket
import sys
import time


def serve(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)


def ask(address, port, from_port, n, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", from_port))
    s.connect((address, port))
    s.settimeout(1)
    end = time.monotonic() + seconds
    for i in range(n):
        message = b"message %d of %d at %d" % (i, n, time.monotonic_ns())
        sent = 0
        answer = b""
        while answer != message:
            if time.monotonic() > end:
                sys.exit(f"message {i} of {n}: sent {sent} times, no answer")
            try:
                s.send(message)
                sent += 1
                # What answers an earlier copy is not looked at again.
                while (answer := s.recv(65536)) != message:
                    pass
            except (socket.timeout, ConnectionRefusedError):
                time.sleep(0.1)


def main():
    address, port = sys.argv[2], int(sys.argv[3])
    if sys.argv[1] == "serve":
        serve(address, port)
    else:
        ask(address, port, int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))


if __name__ == "__main__":
    main()
