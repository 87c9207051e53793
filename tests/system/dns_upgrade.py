# SPDX-License-Identifier: Apache-2.0
"""Asks a name server that is being exchanged, and counts each query.
  dns_upgrade.py udp STOP ANSWER SERVER...   until the file STOP is there: at most 100 queries under way, as more than the
                                             sockets hold would be lost without any upgrade; some 20,000 a second
  dns_upgrade.py tcp STOP ANSWER SERVER...   a connection for each query, one after another
  dns_upgrade.py stay STOP ANSWER SERVER     queries on one connection, every 0.2 s; a new one when it is closed between two
  dns_upgrade.py junk SOCKET CONFIGURATION   is a next daemon (dns/server/handover.h) that dies, or talks nonsense
  dns_upgrade.py hang SOCKET                 is a daemon that runs, gives nothing, and does not end
The first three say "asks" when they have an answer; all print lost= (queries without an answer), wrong= (with another one), sent=.  ANSWER: addresses of www.example.com, with commas."""
import os
import select
import signal
import socket
import struct
import sys
import time

QUESTION = b"\3www\7example\3com\0\0\1\0\1"
PATIENCE = 30  # seconds, on a busy machine
UNDER_WAY, RATE = 100, 20000


def query(number):
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + QUESTION


def is_right(answer, number, wanted):
    return struct.unpack("!H", answer[:2])[0] == number and answer[3] & 15 == 0 and answer[-4:] in wanted


def family(server):
    return socket.AF_INET6 if ":" in server else socket.AF_INET


def udp(stop, wanted, servers):
    sockets, waiting = {}, {}
    poll = select.epoll()
    for i in range(20):
        server = servers[i % len(servers)]
        s = socket.socket(family(server), socket.SOCK_DGRAM)
        s.connect((server, 53))
        s.setblocking(False)
        sockets[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
    order = list(sockets.values())
    sent = lost = wrong = 0
    begin = time.monotonic()
    begun = ends = False
    while not ends or waiting:
        now = time.monotonic()
        ends = ends or os.path.exists(stop)
        while not ends and len(waiting) < UNDER_WAY and sent < (now - begin) * RATE:
            s = order[sent % len(order)]
            # A number is free again after 65536 * 20 queries.
            number = sent // len(order) & 0xffff
            try:
                s.send(query(number))
            except BlockingIOError:
                break
            except OSError as e:  # nobody is at the port
                print(e, flush=True)
                lost += 1
                ends = True
            waiting[s.fileno(), number] = now
            sent += 1
        for fd, _ in poll.poll(0.001):
            try:
                while True:
                    answer = sockets[fd].recv(4096)
                    number = struct.unpack("!H", answer[:2])[0]
                    if waiting.pop((fd, number), None) is None or not is_right(answer, number, wanted):
                        wrong += 1
                    if not begun:
                        print("asks", flush=True)
                    begun = True
            except BlockingIOError:
                pass
            except OSError as e:
                print(e, flush=True)
        for key in [k for k, at in waiting.items() if now - at > PATIENCE]:
            del waiting[key]
            lost += 1
    print(f"lost={lost} wrong={wrong} sent={sent}", flush=True)


def connect(server):
    s = socket.socket(family(server), socket.SOCK_STREAM)
    s.settimeout(PATIENCE)
    s.connect((server, 53))
    return s


def ask(s, number):
    """The answer, or None."""
    data = query(number)
    try:
        s.sendall(struct.pack("!H", len(data)) + data)
        got = b""
        while len(got) < 2 or len(got) < 2 + struct.unpack("!H", got[:2])[0]:
            more = s.recv(4096)
            if not more:
                return None
            got += more
        return got[2:]
    except OSError as e:
        print(e, flush=True)
        return None


def tcp(stop, wanted, servers):
    sent = lost = wrong = 0
    while not os.path.exists(stop):
        try:
            with connect(servers[sent % len(servers)]) as s:
                answer = ask(s, sent & 0xffff)
        except OSError as e:
            print(e, flush=True)
            answer = None
        lost += answer is None
        wrong += answer is not None and not is_right(answer, sent & 0xffff, wanted)
        if not sent:
            print("asks", flush=True)
        sent += 1
    print(f"lost={lost} wrong={wrong} sent={sent}", flush=True)


def stay(stop, wanted, servers):
    sent = lost = wrong = closed = 0
    s = connect(servers[0])
    while not os.path.exists(stop):
        answer = ask(s, sent & 0xffff)
        lost += answer is None
        wrong += answer is not None and not is_right(answer, sent & 0xffff, wanted)
        if not sent:
            print("asks", flush=True)
        sent += 1
        # Readable while nothing was asked: the server has closed it.
        if select.select([s], [], [], 0.2)[0] or answer is None:
            s.close()
            try:
                s = connect(servers[0])
            except OSError as e:
                print(e, flush=True)
            closed += 1
    print(f"lost={lost} wrong={wrong} sent={sent} closed={closed}", flush=True)


HELLO, END, READY, LIMITS, STATE, TAKEN, FAILED, UNKNOWN = 1, 6, 7, 8, 9, 10, 11, 99


def message(kind, value=0, text=""):
    return struct.pack("=III", 0x77656674, kind, value) + text.encode()


def receive(s):
    m, fds, _, _ = socket.recv_fds(s, 2048, 4)
    for f in fds:
        os.close(f)
    return struct.unpack("=III", m[:12])[1] if m else None


def reach(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)  # waits for a place in its queue
    s.settimeout(PATIENCE)
    return s


def take(path, conf):
    """Up to what only one may have at a time, which waits until the one before has been dropped."""
    end = time.monotonic() + PATIENCE
    while True:
        s = reach(path)
        s.send(message(HELLO, 1, conf))
        kind = receive(s)
        while kind not in (END, 2, None):
            kind = receive(s)
        if kind == END:
            return s
        s.close()
        if time.monotonic() > end:
            sys.exit("it hands nothing over")
        time.sleep(0.1)


def junk(path, conf):
    take(path, conf).close()
    s = take(path, conf)
    s.send(message(READY))
    assert receive(s) == LIMITS
    assert receive(s) == STATE
    s.close()
    s = take(path, conf)
    s.send(message(READY))
    s.send(message(FAILED, 0, "it fails"))
    while receive(s) is not None:
        pass
    s.close()
    for m in (b"", b"x", b"\xff" * 600, message(UNKNOWN), message(READY), message(TAKEN), message(HELLO, 77, conf),
              message(HELLO, 1, "/another.json"), message(HELLO, 1, "x" * 1000)):
        s = reach(path)
        s.send(m)
        s.close()
    take(path, conf).close()
    print("done", flush=True)


def hang(path):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("listens", flush=True)
    s = listener.accept()[0]
    assert receive(s) == HELLO
    s.send(message(END))
    assert receive(s) == READY
    fd = os.memfd_create("state")
    os.write(fd, b"{}")
    socket.send_fds(s, [message(STATE)], [fd])
    assert receive(s) == TAKEN
    print("taken", flush=True)
    time.sleep(300)


if __name__ == "__main__":
    if sys.argv[1] in ("junk", "hang"):
        globals()[sys.argv[1]](*sys.argv[2:])
    else:
        globals()[sys.argv[1]](sys.argv[2], [socket.inet_aton(a) for a in sys.argv[3].split(",")], sys.argv[4:])
