"""
Into a spool by the 500, beside a loop of write and fdatasync.

The sink gets ready records, so that both do the work of a store. The publisher
gets events, and makes the bytes that the loop is given.
"""

from __future__ import annotations

import tempfile

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from harness import CPU, RATE, Contender, Run, Stopwatch, compare
from peers import invite
from samples import make_events, make_records

from auditlog.publisher import AuditLogPublisher
from auditlog.spool import SpoolSink


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Row
    from setting import Setting


SIZE = 500


def rows(setting: Setting) -> Iterator[Row]:
    """
    The contests.
    """
    number = setting.events(20_000)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sink = SpoolSink(folder, max_bytes=2**40)
        by_hand = partial(
            invite, stack, "write_and_sync", "ByHand", number, folder
        )
        yield from compare(
            "ready records into a spool",
            _ours(
                partial(_spool, sink, number),
                "SpoolSink.write() of 500 ready records",
            ),
            by_hand(targets={"": 0.7}),
            rounds=setting.rounds,
            measures=(RATE, CPU),
        )
        publisher = stack.enter_context(
            AuditLogPublisher(sink, batch_events=SIZE)
        )
        yield from compare(
            "publisher into a spool",
            _ours(
                partial(_publish, publisher, sink, number),
                "enqueue() and flush(), batch_events=500",
            ),
            by_hand(),
            invite(
                *(stack, "rust_audit", "Synced", number // 20, folder),
                targets={"": 10.0},
            ),
            invite(stack, "rust_audit", "Unsynced", number, folder),
            rounds=setting.rounds,
            measures=(RATE, CPU),
        )


def _ours(run: Callable[[], Run], settings: str) -> Contender:
    return Contender(name="auditlog", run=run, settings=settings)


def _spool(sink: SpoolSink, number: int) -> Run:
    records = make_records(number)
    before = sink.size()
    watch = Stopwatch()
    with watch():
        for start in range(0, number, SIZE):
            sink.write(records[start : start + SIZE])
    return watch.run(number, sink.size() - before)


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
    return watch.run(number, sink.size() - before)
