#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small MaxMind DB files (format 2.0) for tests.

mmdb_write.py TEXT OUT [--ip 4|6] [--bits 24|28|32] [--type NAME] [--alias]
    lines of "PREFIX JSON"; a number with a point becomes a double, another one a uint32
mmdb_write.py --broken loop|shared OUT
    trees that no honest writer makes: a node that leads back to the root; nodes whose two sides lead to
    the same node, so that there are 2^100 ways through 100 nodes
"""
import argparse
import ipaddress
import json
import struct
import sys


def control(kind, size):
    out = bytearray()
    first = kind << 5 if kind < 8 else 0
    if size < 29:
        out.append(first | size)
        tail = b''
    elif size < 285:
        out.append(first | 29)
        tail = bytes([size - 29])
    else:
        out.append(first | 30)
        tail = struct.pack('>H', size - 285)
    if kind >= 8:
        out.append(kind - 7)
    return bytes(out) + tail


class Typed(int):
    """A number of the type that the metadata must have: 5 is uint16, 6 uint32, 9 uint64."""

    def __new__(cls, kind, value):
        number = super().__new__(cls, value)
        number.kind = kind
        return number


def encode(value):
    if isinstance(value, Typed):
        raw = int(value).to_bytes(8, 'big').lstrip(b'\0')
        return control(value.kind, len(raw)) + raw
    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, str):
        raw = value.encode()
        return control(2, len(raw)) + raw
    if isinstance(value, float):
        return control(3, 8) + struct.pack('>d', value)
    if isinstance(value, int):
        raw = value.to_bytes(8, 'big').lstrip(b'\0')
        return control(6 if len(raw) <= 4 else 9, len(raw)) + raw
    if isinstance(value, dict):
        return control(7, len(value)) + b''.join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b''.join(map(encode, value))
    raise TypeError(value)


class Tree:
    def __init__(self):
        self.nodes = [[None, None]]  # None, ('node', n) or ('data', offset)

    def put(self, bits, leaf):
        at = 0
        for bit in bits[:-1]:
            side = self.nodes[at][bit]
            if side is None or side[0] == 'data':
                self.nodes.append([side, side])  # the shorter prefix holds around the longer one
                self.nodes[at][bit] = ('node', len(self.nodes) - 1)
            at = self.nodes[at][bit][1]
        self.nodes[at][bits[-1]] = leaf

    def at(self, bits):
        side = ('node', 0)
        for bit in bits:
            if side is None or side[0] == 'data':
                return side
            side = self.nodes[side[1]][bit]
        return side


def record_bytes(left, right, bits):
    if bits == 24:
        return left.to_bytes(3, 'big') + right.to_bytes(3, 'big')
    if bits == 32:
        return left.to_bytes(4, 'big') + right.to_bytes(4, 'big')
    middle = (left >> 24) << 4 | right >> 24
    return (left & 0xffffff).to_bytes(3, 'big') + bytes([middle]) + (right & 0xffffff).to_bytes(3, 'big')


def write(path, nodes, data, args):
    count = len(nodes)
    tree = bytearray()
    for node in nodes:
        values = []
        for side in node:
            if side is None:
                values.append(count)
            elif side[0] == 'node':
                values.append(side[1])
            else:
                values.append(count + 16 + side[1])
        tree += record_bytes(values[0], values[1], args.bits)
    metadata = {
        'node_count': Typed(6, count), 'record_size': Typed(5, args.bits), 'ip_version': Typed(5, args.ip),
        'database_type': args.type, 'languages': ['en'], 'binary_format_major_version': Typed(5, 2),
        'binary_format_minor_version': Typed(5, 0), 'build_epoch': Typed(9, 1700000000),
        'description': {'en': 'made for tests'},
    }
    with open(path, 'wb') as f:
        f.write(bytes(tree) + bytes(16) + data + b'\xab\xcd\xefMaxMind.com' + encode(metadata))


def prefix_bits(prefix, ip):
    net = ipaddress.ip_network(prefix)
    number, length = int(net.network_address), net.prefixlen
    width = net.max_prefixlen
    bits = [number >> (width - 1 - i) & 1 for i in range(length)]
    return [0] * 96 + bits if net.version == 4 and ip == 6 else bits


def from_text(args):
    tree, data, offsets = Tree(), bytearray(), {}
    lines = []
    with open(args.files[0], encoding='utf-8') as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                prefix, text = line.split(None, 1)
                lines.append((prefix_bits(prefix, args.ip), text))
    # Shorter prefixes first, so that longer ones are cut out of them.
    for bits, text in sorted(lines, key=lambda l: len(l[0])):
        raw = encode(json.loads(text))
        if raw not in offsets:
            offsets[raw] = len(data)
            data += raw
        tree.put(bits, ('data', offsets[raw]))
    if args.alias:
        ipv4 = tree.at([0] * 96)
        for prefix in '::ffff:0:0/96', '2002::/16':
            tree.put(prefix_bits(prefix, 6), ipv4)
    write(args.files[1], tree.nodes, bytes(data), args)


def broken(args):
    nodes = [[('node', i + 1), ('node', i + 1)] for i in range(100)] + [[None, None]]
    if args.broken == 'loop':
        nodes = [[('node', i + 1), None] for i in range(20)] + [[('node', 3), None]]
    args.ip, args.bits = 6, 24
    write(args.files[0], nodes, b'', args)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('files', nargs='+')
    parser.add_argument('--ip', type=int, default=6, choices=[4, 6])
    parser.add_argument('--bits', type=int, default=28, choices=[24, 28, 32])
    parser.add_argument('--type', default='Test-City')
    parser.add_argument('--alias', action='store_true')
    parser.add_argument('--broken', choices=['loop', 'shared'])
    args = parser.parse_args()
    if len(args.files) != (1 if args.broken else 2):
        sys.exit(__doc__)
    broken(args) if args.broken else from_text(args)


main()
