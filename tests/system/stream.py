# SPDX-License-Identifier: Apache-2.0
"""One TCP connection between two namespaces that asks and is answered every 20 ms until the file
STOP appears; then prints how many answers came and the longest gap, and fails if the connection
was lost.

usage: stream.py NAMESPACE ADDRESS-TO-CONNECT SERVER-NAMESPACE STOP      ("-": this namespace)
"""
import ctypes
import os
import socket
import sys
import threading
import time


def socket_in(namespace):
    def make():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return s
    if namespace == "-":
        return make()
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            return make()
        finally:
            libc.setns(home.fileno(), 0)


def serve(listener):
    s, _ = listener.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        data = s.recv(100)
        if not data:
            return
        s.sendall(data)


def main():
    client_ns, address, server_ns, stop = sys.argv[1:]
    listener = socket_in(server_ns)
    listener.bind(("0.0.0.0", 7777))
    listener.listen()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    c = socket_in(client_ns)
    c.settimeout(30)
    c.connect((address, 7777))
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("connected", flush=True)
    answers, worst, last = 0, 0.0, time.monotonic()
    while not os.path.exists(stop):
        c.sendall(b"?" * 32)
        got = 0
        while got < 32:
            data = c.recv(32)
            if not data:
                sys.exit("the connection was closed")
            got += len(data)
        now = time.monotonic()
        answers, worst, last = answers + 1, max(worst, now - last), now
        time.sleep(0.02)
    print(f"{answers} answers, longest gap {worst * 1000:.0f} ms")


if __name__ == "__main__":
    try:
        main()
    except OSError as e:
        sys.exit(f"the connection was lost: {e}")
