#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What 25-bond.sh sends and counts, inside one network namespace.

usage: bond.py flood DEV N              N broadcast frames of EtherType 0x88b5 from DEV
       bond.py count DEV SECONDS        frames of that EtherType that came to DEV (not those it sent)
       bond.py flows ADDRESS N          a datagram from each of N source ports
       bond.py blast ADDRESS MBIT SECONDS   datagrams of 1000 bytes at that rate
       bond.py sink PORT SECONDS        bytes of datagrams that came within SECONDS of the first one
"""
import socket
import sys
import time

ETYPE = 0x88b5


def packet_socket(dev):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETYPE))
    s.bind((dev, ETYPE))
    return s


def flood(dev, n):
    s = packet_socket(dev)
    mac = s.getsockname()[4]
    for k in range(int(n)):
        s.send(b"\xff" * 6 + mac + ETYPE.to_bytes(2, "big") + k.to_bytes(4, "big") + bytes(50))
        time.sleep(0.005)


def count(dev, seconds):
    s = packet_socket(dev)
    end = time.monotonic() + float(seconds)
    n = 0
    while True:
        left = end - time.monotonic()
        if left <= 0:
            break
        s.settimeout(left)
        try:
            _, addr = s.recvfrom(2000)
        except socket.timeout:
            break
        n += addr[2] != 4  # PACKET_OUTGOING
    print(n)


def flows(address, n):
    for k in range(int(n)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("", 20000 + k))
        s.sendto(b"x" * 200, (address, 9))
        s.close()


def blast(address, mbit, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gap = 8000 / (float(mbit) * 1e6)
    start = time.monotonic()
    k = 0
    while time.monotonic() < start + float(seconds):
        s.sendto(b"x" * 1000, (address, 7777))
        k += 1
        ahead = start + k * gap - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


def sink(port, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", int(port)))
    s.settimeout(20)
    n = len(s.recv(2000))
    end = time.monotonic() + float(seconds)
    while True:
        left = end - time.monotonic()
        if left <= 0:
            break
        s.settimeout(left)
        try:
            n += len(s.recv(2000))
        except socket.timeout:
            break
    print(n)


globals()[sys.argv[1]](*sys.argv[2:])
