"""
Reads spans of partitions to their ends, however few records they hold.
"""

from __future__ import annotations

import heapq
import math
import time

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

from .errors import StalledError, TruncatedError


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .driver import Consumer


# Seconds without any progress after which a broker counts as stalled.
IDLE = 30.0

_POLL = 0.5

# A partition that is ahead of the others is not fetched from before it has
# fewer records waiting than this.
_AHEAD = 4_000

# Across partitions the time decides, then the place.
_ORDER = attrgetter("timestamp", "partition", "offset")


@attrs.define
class Span:
    """
    Offsets of one partition, from *start* to before *end*.
    """

    partition: int
    start: int
    end: int


def read_spans(
    consumer: Consumer, spans: Sequence[Span], *, idle: float = IDLE
) -> Iterator[Any]:
    """
    The records of *spans* by time, and in the order of each partition.

    Raises:
        StalledError: If nothing comes for *idle* seconds.

        TruncatedError: If a partition ends before its span.
    """
    live = [span for span in spans if span.start < span.end]
    if not live:
        return iter(())

    feed = _Feed(consumer, live, idle)
    if len(live) == 1:
        return feed.records_of(live[0].partition)
    lanes = [feed.records_of(span.partition) for span in live]
    return heapq.merge(*lanes, key=_ORDER)


def read_backwards(
    consumer: Consumer, spans: Sequence[Span], *, idle: float = IDLE
) -> Iterator[Any]:
    """
    The same records, the last one first.
    """
    lanes = [_backwards(consumer, span, idle) for span in spans]
    if len(lanes) == 1:
        return lanes[0]
    return heapq.merge(*lanes, key=_ORDER, reverse=True)


def read_on(
    consumer: Consumer, starts: Mapping[int, int], *, grows: bool
) -> Iterator[Any]:
    """
    The records from *starts* on, for ever; None while nothing comes.

    Whatever comes together is by time, and in the order of each partition.
    If it *grows*, partitions that the topic gets meanwhile are read, too.

    Raises:
        TruncatedError: If a partition ends before its start.
    """
    # None of the spans ends, and nobody waits in vain.
    spans = [Span(p, start, _NO_END) for p, start in starts.items()]
    feed = _Feed(consumer, spans, math.inf)
    while True:
        yield from feed.whatever_comes()
        yield None
        if grows:
            feed.grow()


_NO_END = 2**63

_FIRST_WINDOW = 250
_LAST_WINDOW = 4_000


def _backwards(consumer: Consumer, span: Span, idle: float) -> Iterator[Any]:
    size = _FIRST_WINDOW
    end = span.end
    while end > span.start:
        start = max(span.start, end - size)
        window = Span(span.partition, start, end)
        yield from reversed(list(read_spans(consumer, [window], idle=idle)))
        end = start
        size = min(size * 4, _LAST_WINDOW)


class _Feed:
    """
    Polls for whichever partition is asked, and keeps what others got.
    """

    def __init__(
        self, consumer: Consumer, spans: Sequence[Span], idle: float
    ) -> None:
        self._consumer = consumer
        self._idle = idle
        self._lanes = {span.partition: _Lane(span) for span in spans}
        self._moved_at = time.monotonic()
        consumer.seek({span.partition: span.start for span in spans})

    def records_of(self, partition: int) -> Iterator[Any]:
        lane = self._lanes[partition]
        while True:
            while lane.waiting:
                yield lane.waiting.popleft()
            if lane.ended:
                return
            self._poll(lane)

    def whatever_comes(self) -> Iterator[Any]:
        """
        The records that one poll brings.
        """
        found = self._fetch()
        for partition, records in found.items():
            self._lanes[partition].reach(records[-1].offset + 1)
        return heapq.merge(*found.values(), key=_ORDER)

    def grow(self) -> None:
        """
        Read partitions that are new, too, from their beginnings.
        """
        new = self._consumer.partitions() - self._lanes.keys()
        if new:
            self._lanes |= {p: _Lane(Span(p, 0, _NO_END)) for p in new}
            self._consumer.seek(
                {p: lane.position for p, lane in self._lanes.items()}
            )

    def _poll(self, hungry: _Lane) -> None:
        self._open_or_pause(hungry)
        found = self._fetch()
        moved = False
        for partition, records in found.items():
            lane = self._lanes[partition]
            lane.take(records)
            moved = True
        for partition, lane in self._lanes.items():
            # A span may end with records of transactions, which nobody sees.
            if not lane.ended:
                moved |= lane.reach(self._consumer.position(partition))
                if lane.ended:
                    self._consumer.pause(partition)
        self._watch(moved=moved)

    def _open_or_pause(self, hungry: _Lane) -> None:
        for partition, lane in self._lanes.items():
            if lane.ended:
                continue
            full = lane is not hungry and len(lane.waiting) >= _AHEAD
            if full != lane.paused:
                move = self._consumer.pause if full else self._consumer.resume
                move(partition)
                lane.paused = full

    def _fetch(self) -> dict[int, list[Any]]:
        try:
            return self._consumer.poll(_POLL)
        except Exception as exc:
            if type(exc).__name__ != "OffsetOutOfRangeError":
                raise
            self._catch_up(exc)
            return {}

    def _catch_up(self, error: Exception) -> None:
        """
        Retention deleted what came next: go on with what there is.
        """
        begins = self._consumer.begins(self._lanes)
        moved = False
        for partition, lane in self._lanes.items():
            if lane.position < begins[partition]:
                self._consumer.move(partition, begins[partition])
                moved = True
        if not moved:
            raise TruncatedError from error

    def _watch(self, *, moved: bool) -> None:
        now = time.monotonic()
        if moved:
            self._moved_at = now
        elif now - self._moved_at > self._idle:
            raise StalledError


@attrs.define
class _Lane:
    span: Span
    position: int = attrs.field(
        default=attrs.Factory(lambda self: self.span.start, takes_self=True)
    )
    waiting: deque[Any] = attrs.field(factory=deque)
    paused: bool = False

    @property
    def ended(self) -> bool:
        return self.position >= self.span.end

    def take(self, records: list[Any]) -> None:
        if records[-1].offset >= self.span.end:
            records = [r for r in records if r.offset < self.span.end]
        self.waiting.extend(records)

    def reach(self, position: int) -> bool:
        moved = position != self.position
        self.position = max(position, self.position)
        return moved
