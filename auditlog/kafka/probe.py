"""
Finds out why a broker can't be used, where kafka-python only times out.
"""

from __future__ import annotations

import socket
import struct
import time

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Sequence


# Size, then Metadata, version 1, correlation id 0, no client id, no topics:
# the smallest question that a broker answers only to whom it lets in.
_QUESTION = struct.pack("!ihhihi", 14, 3, 1, 0, -1, 0)
_TLS_ALERT = b"\x15\x03"


def why_unreachable(servers: Sequence[str], timeout: float) -> str | None:
    """
    Why none of *servers* can be used, or None if one can.

    Args:
        servers: ``host:port`` of each.

        timeout: Longest wait, in seconds, for all of them together.
    """
    deadline = time.monotonic() + timeout
    reasons = []
    for left, server in enumerate(reversed(servers)):
        share = (deadline - time.monotonic()) / (len(servers) - left)
        reason = _try(server, max(share, 0.1))
        if reason is None:
            return None
        reasons.append(reason)
    return "; ".join(reasons)


def _try(server: str, timeout: float) -> str | None:
    host, _, port = server.rpartition(":")
    try:
        address = (host.strip("[]"), int(port))
        with socket.create_connection(address, timeout) as connection:
            return _ask(connection, server)
    except socket.gaierror as exc:
        return f"{server} has no address (DNS: {exc.strerror})"
    except ConnectionRefusedError:
        return f"{server} refuses connections; no broker listens there"
    except TimeoutError:
        return f"{server} lets no connection through within {timeout:.1f} s"
    except OSError as exc:
        return f"{server}: {exc.strerror or exc}"
    except ValueError:
        return f"{server!r} is no host:port"


def _ask(connection: socket.socket, server: str) -> str | None:
    connection.sendall(_QUESTION)
    try:
        answer = connection.recv(8)
    except TimeoutError:
        return f"{server} takes connections, but does not answer"
    except ConnectionError:
        answer = b""
    if not answer:
        return f"{server} hangs up; it may expect TLS or a SASL login"
    if answer.startswith(_TLS_ALERT):
        return f"{server} speaks TLS; the cluster's properties do not say so"
    if answer.startswith(b"HTTP"):
        return f"{server} speaks HTTP, not Kafka"
    return None
