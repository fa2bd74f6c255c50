"""
Into a spool by the 500, beside a loop of write and fdatasync.

The loop appends ready bodies, 500 joined in one write, each behind its length
and its CRC-32, which is the least that tells a torn end, and syncs. Its frames
are as long as those of the spool, which also hold an id, an index, a time and
a CRC-32 of their own.

The sink gets ready records as well, so that both do the work of a store. The
publisher gets events, and makes the bytes that the loop is given.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib

from pathlib import Path
from typing import TYPE_CHECKING

from harness import Run, Stopwatch, duel
from samples import make_events, make_records

from auditlog.publisher import AuditLogPublisher
from auditlog.spool import SpoolSink


if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Row
    from setting import Setting


SIZE = 500

PREFIX = struct.Struct(">II40x")


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contests.
    """
    number = setting.events(50_000)
    with tempfile.TemporaryDirectory() as folder:
        sink = SpoolSink(folder, max_bytes=2**40)
        yield duel(
            "ready records into SpoolSink, write and fdatasync by hand",
            lambda: _spool(sink, number),
            lambda: _raw(Path(folder), number),
            rounds=setting.rounds,
            target=0.7,
        )
        with AuditLogPublisher(sink, batch_events=SIZE) as publisher:
            yield duel(
                "publisher into SpoolSink, ready bytes by hand",
                lambda: _publish(publisher, sink, number),
                lambda: _raw(Path(folder), number),
                rounds=setting.rounds,
            )


def _spool(sink: SpoolSink, number: int) -> Run:
    records = make_records(number)
    before = sink.size()
    watch = Stopwatch()
    with watch():
        for start in range(0, number, SIZE):
            sink.write(records[start : start + SIZE])
    return Run(watch.seconds, number, sink.size() - before)


def _publish(
    publisher: AuditLogPublisher, sink: SpoolSink, number: int
) -> Run:
    events = make_events(number)
    before = sink.size()
    watch = Stopwatch()
    with watch():
        for event in events:
            publisher.enqueue(event)
        publisher.flush()
    return Run(watch.seconds, number, sink.size() - before)


def _raw(folder: Path, number: int) -> Run:
    bodies = [record.body for record in make_records(number)]
    path = folder / "raw"
    watch = Stopwatch()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    pack, crc32 = PREFIX.pack, zlib.crc32
    with watch():
        for start in range(0, number, SIZE):
            parts = [
                pack(len(body), crc32(body)) + body
                for body in bodies[start : start + SIZE]
            ]
            os.write(fd, b"".join(parts))
            os.fdatasync(fd)
    os.close(fd)
    size = sum(len(body) + PREFIX.size for body in bodies)
    return Run(watch.seconds, number, number * (path.stat().st_size == size))
