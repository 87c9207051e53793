#!/usr/bin/python3 -P
# SPDX-License-Identifier: Apache-2.0
"""A server of gRPC's health checking by gRPC's own library, to hold probes against.

    grpc_health.py ADDRESS:PORT [KEY CERTIFICATE]

The server as a whole and the service "acme.Up" serve, "acme.Down" does not, "acme.Slow" never answers; others are
NOT_FOUND.  (Debian has the library, but not the generated classes: the two messages are put and taken here.)  -P: modules of
this folder are not to be taken for those that the library asks for.
"""
import sys
import threading
from concurrent import futures

import grpc

SERVING = {"": 1, "acme.Up": 1, "acme.Down": 2}


def check(request, context):
    service = request[2:].decode() if request else ""
    if service == "acme.Slow":
        # Until the client has gone: threads are few.
        gone = threading.Event()
        if context.add_callback(gone.set):
            gone.wait(120)
    if service not in SERVING:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return b"\x08" + bytes([SERVING[service]])


server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
    "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}),))
if len(sys.argv) > 2:
    with open(sys.argv[2], "rb") as key, open(sys.argv[3], "rb") as cert:
        server.add_secure_port(sys.argv[1], grpc.ssl_server_credentials([(key.read(), cert.read())]))
else:
    server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
