"""
Send a file of JSONExporter(profile="gelf") to a GELF TCP input.

    python send_gelf.py audit.gelf.jsonl graylog.example.com 12201

Over TCP a message ends in a NUL byte and is not compressed. The protocol has
no acknowledgement: what Graylog had not read when it went away is lost on the
way, so send the file again; the id of an event stays the same.
"""

from __future__ import annotations

import socket
import sys

from pathlib import Path


def send(path: str, host: str, port: int) -> int:
    """
    Send each line of the file at *path*, and say how many there were.
    """
    count = 0
    with (
        Path(path).open("rb") as lines,
        socket.create_connection((host, port), timeout=10) as connection,
    ):
        for line in lines:  # ends at LF only, unlike str.splitlines()
            connection.sendall(line.removesuffix(b"\n") + b"\0")
            count += 1
    return count


if __name__ == "__main__":
    path, host, port = sys.argv[1:]
    print(send(path, host, int(port)), "messages sent")
