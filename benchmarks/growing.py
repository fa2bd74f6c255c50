"""
Does it get slower as a database fills? The same work on few rows and on many.

Both databases are filled by the library itself and then take turns: the cost
of an event should not depend on how many were there before.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from harness import Contender, Run, Stopwatch, compare, count
from samples import make_events, make_records

from auditlog.abc import EventQuery
from auditlog.postgres import PostgresReader, PostgresSink
from auditlog.publisher import AuditLogPublisher


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Row
    from setting import Setting


# Records that are stored in one transaction.
PART = 10_000
SIZE = 500
# What the many may cost beside the few, with a margin for the caches.
TARGET = 0.8


def rows(setting: Setting) -> Iterator[Row]:
    """
    Few rows and many; in a thorough run, up to 10⁷.
    """
    few = _filled(setting, setting.events(10_000))
    for many in _manys(setting):
        large = _filled(setting, many)
        for what, work in WORKS.items():
            yield from _contest(setting, what, work, large, few)
        large.sink.close()
    few.sink.close()


def _filled(setting: Setting, number: int) -> Filled:
    filled = Filled(setting.database(), number)
    setting.settle(filled.url)
    return filled


def _manys(setting: Setting) -> list[int]:
    manys = [setting.events(100_000)]
    if setting.full:
        manys += map(setting.events, (1_000_000, 10_000_000))
    return manys


def _contest(
    setting: Setting,
    what: str,
    work: Callable[[Filled, int], Run],
    large: Filled,
    small: Filled,
) -> Iterator[Row]:
    number = setting.events(5_000)
    return compare(
        f"growth, {what}",
        Contender(
            name=f"with {large.number:,} events",
            run=partial(work, large, number),
        ),
        Contender(
            name=f"with {small.number:,} events",
            run=partial(work, small, number),
            targets={"": TARGET},
        ),
        rounds=setting.rounds,
    )


@attrs.define
class Filled:
    """
    A database with so many events.
    """

    url: str
    number: int
    sink: PostgresSink = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sink = PostgresSink(self.url)
        for start in range(0, self.number, PART):
            self.sink.write(make_records(min(PART, self.number - start)))
            self.sink.size(timeout=60)


def _publish(filled: Filled, number: int) -> Run:
    events = make_events(number)
    watch = Stopwatch()
    with AuditLogPublisher(PostgresSink(filled.url)) as publisher:
        publisher.publish(make_events(1)[0], timeout=60)
        with watch():
            for event in events:
                publisher.enqueue(event)
            publisher.flush()
        stored = publisher.stats().stored
    return watch.run(number, stored - 1)


def _number(filled: Filled, number: int) -> Run:
    filled.sink.write(make_records(number))
    before = filled.sink.size()
    watch = Stopwatch()
    with watch():
        after = filled.sink.size(timeout=60)
    # Those that were published meanwhile get their places, too.
    return watch.run(after - before, after - before)


def _read_journal(filled: Filled, number: int) -> Run:
    start = filled.number // 2
    end = start + number
    watch = Stopwatch()
    with watch():
        read = sum(
            len(filled.sink.read(place, min(SIZE, end - place)))
            for place in range(start, end, SIZE)
        )
    return watch.run(number, read)


def _read_newest(filled: Filled, number: int) -> Run:
    query = EventQuery(order="newest", limit=number)
    watch = Stopwatch()
    with watch():
        read = count(PostgresReader(filled.url).read(query))
    return watch.run(number, read)


WORKS: dict[str, Callable[[Filled, int], Run]] = {
    "publish": _publish,
    "give events their order": _number,
    "read what a relay reads": _read_journal,
    "read the newest": _read_newest,
}
