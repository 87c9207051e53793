# SPDX-License-Identifier: Apache-2.0
"""Traffic from h1 while ovs-ofctl commits the two bundles in turn; see 41-bundle.sh.

usage: bundle.py FOLDER BUNDLES      (OVS_RUNDIR: the switch's; GAP: seconds between packets)
"""
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire import Wire  # noqa: E402

MARK = b"weft-bundle"


def commit(folder, x):
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow14", "bundle", "br0", f"{folder}/bundle.{x}"],
                   check=True, stdin=subprocess.DEVNULL, timeout=30)


def main():
    folder, bundles = sys.argv[1], int(sys.argv[2])
    gap = float(os.environ.get("GAP", 0.0003))
    h1, h2, h3 = Wire("h1"), Wire("h2"), Wire("h3")
    for h in (h2, h3):
        # Room for what comes while the other thread has the interpreter.
        h.s.setsockopt(1, 33, 64 << 20)     # SO_RCVBUFFORCE
    commit(folder, 1)
    time.sleep(0.2)
    stop = threading.Event()
    sent = 0

    def send():
        nonlocal sent
        while not stop.is_set():
            # Few flows that come again and again, so that every cache is in use.
            h1.send(b"\2\0\0\0\0\2" + b"\2\0\0\0\0" + bytes([sent % 7]) + b"\x88\xb5" + MARK +
                    sent.to_bytes(8, "big") + bytes(40))
            sent += 1
            time.sleep(gap)

    sender = threading.Thread(target=send)
    sender.start()
    for i in range(bundles):
        commit(folder, 2 - i % 2)
    stop.set()
    sender.join()
    time.sleep(0.3)
    count = {}
    for name, h in (("right", h2), ("half", h3)):
        n = 0
        while (data := h.receive(0)) is not None:
            n += MARK in data
        count[name] = n
    text = f"{sent} packets, {count['half']} saw half a bundle, {sent - sum(count.values())} lost"
    print(text)
    return 1 if count["half"] or sent != count["right"] else 0


if __name__ == "__main__":
    sys.exit(main())
