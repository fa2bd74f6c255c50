"""
A file by hand: ready bodies, 500 joined in a write, and ``fdatasync``.

Each body stands behind its length and its CRC-32, which is the least that
tells a torn end. The frames are as long as those of the spool, which also hold
an id, an index, a time and a CRC-32 of their own.
"""

from __future__ import annotations

import os
import struct
import zlib

from pathlib import Path
from typing import Self

from harness import Run, Stopwatch
from samples import make_records


SIZE = 500
PREFIX = struct.Struct(">II40x")


class ByHand:
    """
    One file, which is begun anew in each round; a context manager.
    """

    name = "write and fdatasync"
    settings = "ready bodies behind length and CRC-32, 500 a write and a sync"
    unfair = ""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder, "raw")

    def store(self, number: int, /) -> Run:
        """
        Append as many ready bodies.
        """
        bodies = [record.body for record in make_records(number)]
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        watch = Stopwatch()
        with watch():
            self._write(fd, bodies)
        os.close(fd)
        size = sum(len(body) + PREFIX.size for body in bodies)
        whole = self._path.stat().st_size == size
        return watch.run(number, number * whole)

    def _write(self, fd: int, bodies: list[bytes]) -> None:
        pack, crc32 = PREFIX.pack, zlib.crc32
        for start in range(0, len(bodies), SIZE):
            parts = [
                pack(len(body), crc32(body)) + body
                for body in bodies[start : start + SIZE]
            ]
            os.write(fd, b"".join(parts))
            os.fdatasync(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass
