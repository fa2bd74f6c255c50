"""
TLS in front of a PostgreSQL server that has none, as a load balancer does it.

The server from a wheel is built without TLS. libpq asks for it before it says
anything else, so that whoever stands in front can answer.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading


_ASK_FOR_TLS = 80877103
_YES, _NO = b"S", b"N"


@contextlib.contextmanager
def tls_front(context, port):
    """
    The port at which the server of *port* can be reached with TLS only.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(
            target=_accept, args=(listener, context, port), daemon=True
        )
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _accept(listener, context, port):
    threads = []
    with contextlib.suppress(OSError):  # it was shut down
        while True:
            client, _ = listener.accept()
            args = client, context, port
            threads.append(threading.Thread(target=_serve, args=args))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _serve(client, context, port):
    with client, contextlib.suppress(OSError):
        while _asked(client) != _ASK_FOR_TLS:
            client.sendall(_NO)
        client.sendall(_YES)
        with (
            context.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            _pump(inside, server)


def _asked(client):
    asked = client.recv(8, socket.MSG_WAITALL)
    if len(asked) < 8:
        raise ConnectionError
    return int.from_bytes(asked[4:])


def _pump(inside, server):
    other = {inside: server, server: inside}
    while True:
        ready, _, _ = select.select([inside, server], [], [])
        for each in ready:
            data = each.recv(65536)
            while isinstance(each, ssl.SSLSocket) and each.pending():
                data += each.recv(65536)
            if not data:
                return
            other[each].sendall(data)
