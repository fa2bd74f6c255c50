"""
One question to one broker in Kafka's own protocol.

A client would wait, retry and ask another broker by itself.
"""

from __future__ import annotations

import socket
import struct

from contextlib import suppress

from auditlog.testing.services._service import HOST


def exchange(port: int, framed: bytes) -> bytes:
    """
    Return the answer to the request *framed*, with its header.

    Raises:
        OSError: If there is none within two seconds.
    """
    with socket.create_connection((HOST, port), timeout=2) as connection:
        connection.sendall(framed)
        (size,) = struct.unpack("!i", _receive(connection, 4))
        return _receive(connection, size)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = connection.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise ConnectionError("the broker hung up")
    return data


def known_brokers(port: int) -> set[int]:
    """
    Return the ids of the brokers that the one at *port* sends clients to.

    Empty if it doesn't answer.
    """
    with suppress(OSError):
        return _ids(exchange(port, _METADATA_REQUEST))
    return set()


# Size, then Metadata, version 1, correlation id 0, no client id, no topics.
_METADATA_REQUEST = struct.pack("!ihhihi", 14, 3, 1, 0, -1, 0)


def _ids(answer: bytes) -> set[int]:
    # Correlation id, number of brokers; each id, host, port, rack.
    _, count = struct.unpack_from("!ii", answer)
    ids, at = set(), 8
    for _ in range(count):
        node_id, length = struct.unpack_from("!ih", answer, at)
        ids.add(node_id)
        at += 6 + length + 4
        (length,) = struct.unpack_from("!h", answer, at)
        at += 2 + max(length, 0)
    return ids
