# SPDX-License-Identifier: Apache-2.0
"""A device's packets as they are on the wire: the kernel takes the outer VLAN tag out of a packet
before a packet socket sees it and hands it over beside the data; here it is put back."""
import ctypes
import select
import socket
import struct
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6


def packet_socket(namespace):
    """A socket stays in the network namespace in which it was made."""
    def make():
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    if not namespace:
        return make()
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            return make()
        finally:
            libc.setns(home.fileno(), 0)


class Wire:
    def __init__(self, device, namespace=None):
        self.device = device
        self.s = packet_socket(namespace)
        self.s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.s.bind((device, 0))
        self.s.setblocking(False)

    def send(self, data):
        self.s.send(data)

    def receive(self, seconds):
        """The next packet that came in, or None after 'seconds'."""
        if not select.select([self.s], [], [], seconds)[0]:
            return None
        data, control, _, _ = self.s.recvmsg(65536, 256)
        for level, kind, value in control:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
                if status & TP_STATUS_VLAN_VALID:
                    if not status & TP_STATUS_VLAN_TPID_VALID:
                        tpid = 0x8100
                    data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data

    def drain(self):
        while self.receive(0) is not None:
            pass

    def collect(self, seconds, wanted=None):
        """All packets of the next 'seconds'; returns soon after 'wanted' of them."""
        got, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            data = self.receive(max(0, end - time.monotonic()))
            if data is None:
                break
            got.append(data)
            if wanted and len(got) == wanted:
                end = min(end, time.monotonic() + 0.02)
        return got
