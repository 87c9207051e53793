#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows through a balancer.

glb_flows.py serve NAME ADDRESS PORT
    TCP: echoes each byte as its name and a newline; answers HTTP with its name.  UDP: replies with its name.
glb_flows.py hold ADDRESS PORT N DIR tcp|udp SOURCE...
    Opens N flows from these addresses in turn, writes DIR/ready, sends a byte on each every 0.2 s until DIR/stop exists, then writes
    DIR/result:  flows N broken B moved M  and a line  NAME COUNT  per server.
    broken: reset, closed, or no answer for 20 s.  moved: another server answered (UDP: lost its home)."""
import asyncio
import collections
import os
import sys


async def serve(name, address, port):
    async def talk(reader, writer):
        try:
            while data := await reader.read(4096):
                if data.startswith(b"GET "):
                    body = name + "\n"
                    writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                    await writer.drain()
                    break
                writer.write(f"{name}\n".encode() * len(data))
                await writer.drain()
        except OSError:
            pass
        writer.close()

    class Udp(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, peer):
            self.transport.sendto(name.encode(), peer)

    await asyncio.get_running_loop().create_datagram_endpoint(Udp, local_addr=(address, port))
    server = await asyncio.start_server(talk, address, port, backlog=1000)
    await server.serve_forever()


class Count:
    def __init__(self):
        self.broken = self.moved = 0
        self.homes = collections.Counter()
        self.open = 0


async def hold_tcp(address, port, folder, count, source):
    home = None
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(address, port, local_addr=(source, 0)), 20)
        while not os.path.exists(folder + "/stop"):
            writer.write(b"x")
            name = (await asyncio.wait_for(reader.readline(), 20)).decode().strip()
            if not name:
                raise OSError("closed")
            if home is None:
                home = name
                count.homes[name] += 1
                count.open += 1
            count.moved += name != home
            await asyncio.sleep(0.2)
        writer.close()
    except (OSError, asyncio.TimeoutError) as e:
        count.broken += 1
        count.open += home is None
        print(f"flow of {home}: {type(e).__name__} {e}", file=sys.stderr, flush=True)


class Ask(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()

    def datagram_received(self, data, peer):
        self.answers.put_nowait(data.decode())


async def hold_udp(address, port, folder, count, source):
    home, missed = None, 0
    transport, ask = await asyncio.get_running_loop().create_datagram_endpoint(
        Ask, local_addr=(source, 0), remote_addr=(address, port))
    while not os.path.exists(folder + "/stop"):
        transport.sendto(b"x")
        try:
            name = await asyncio.wait_for(ask.answers.get(), 2)
        except asyncio.TimeoutError:
            missed += 1
            if missed == 10:
                count.broken += 1
                break
            continue
        missed = 0
        if home is None:
            home = name
            count.homes[name] += 1
            count.open += 1
        count.moved += name != home
        await asyncio.sleep(0.2)
    transport.close()


async def hold(address, port, n, folder, one, sources):
    count = Count()
    tasks = [asyncio.create_task(one(address, port, folder, count, sources[i % len(sources)]))
             for i in range(n)]
    while count.open < n and not os.path.exists(folder + "/stop"):
        await asyncio.sleep(0.05)
    open(folder + "/ready", "w").close()
    await asyncio.gather(*tasks)
    with open(folder + "/result.new", "w") as f:
        print(f"flows {n} broken {count.broken} moved {count.moved}", file=f)
        for name, k in sorted(count.homes.items()):
            print(name, k, file=f)
    os.rename(folder + "/result.new", folder + "/result")


if sys.argv[1] == "serve":
    asyncio.run(serve(sys.argv[2], sys.argv[3], int(sys.argv[4])))
else:
    asyncio.run(hold(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5],
                     hold_udp if sys.argv[6] == "udp" else hold_tcp, sys.argv[7:]))
