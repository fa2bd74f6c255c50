"""
Stretches of a topic that can be read on their own, one after another.
"""

from __future__ import annotations

import math

from typing import TYPE_CHECKING, Any

import attrs

from .errors import DisorderError
from .spans import IDLE, Span, read_spans
from .starts import at


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .driver import Consumer


_DISORDER = (
    "its partitions can't be cut by time, as timestamps go back; use one "
    "worker"
)

# Messages in one.
SIZE = 20_000


@attrs.frozen
class Stretch:
    """
    A span of each partition.

    Several partitions are cut where a time begins. So all that is in one
    stretch comes before all of the next, in the order of `read_spans` too:
    whichever partition is still in its stretch has an earlier message next
    than any that is at its end.

    Attributes:
        spans: What to read.

        since: Milliseconds; what comes first in a partition isn't earlier.

        until: Milliseconds; everything is earlier.
    """

    spans: list[Span]
    since: float = -math.inf
    until: float = math.inf


def stretches(
    consumer: Consumer, spans: Sequence[Span], *, idle: float = IDLE
) -> Iterator[Stretch]:
    """
    What one after another is all of *spans*.
    """
    filled = [span for span in spans if span.start < span.end]
    if len(filled) == 1:
        yield from _by_offset(filled[0])
    elif filled:
        yield from _by_time(consumer, filled, idle)


def read_stretch(
    consumer: Consumer, stretch: Stretch, *, idle: float = IDLE
) -> Iterator[Any]:
    """
    The messages of a *stretch* in the order of `read_spans`.

    Raises:
        DisorderError: If it isn't what a stretch has to be.
    """
    messages = read_spans(consumer, stretch.spans, idle=idle)
    return messages if len(stretch.spans) == 1 else _checked(messages, stretch)


def _by_offset(span: Span) -> Iterator[Stretch]:
    for start in range(span.start, span.end, SIZE):
        end = min(start + SIZE, span.end)
        yield Stretch([Span(span.partition, start, end)])


def _by_time(
    consumer: Consumer, spans: list[Span], idle: float
) -> Iterator[Stretch]:
    ends = {span.partition: span.end for span in spans}
    starts = {span.partition: span.start for span in spans}
    since = -math.inf
    for until in _moments(consumer, spans, idle):
        found = at(consumer, [*ends], until, ends)
        cuts = {
            number: min(max(found[number], start), ends[number])
            for number, start in starts.items()
        }
        yield Stretch(_between(starts, cuts), since, until)
        starts, since = cuts, until
    yield Stretch(_between(starts, ends), since)


def _moments(
    consumer: Consumer, spans: list[Span], idle: float
) -> Iterator[int]:
    """
    Times that rise, so far apart that some messages are between.
    """
    longest = max(spans, key=_length)
    step = max(SIZE * _length(longest) // sum(map(_length, spans)), 1)
    last = -1
    for offset in range(longest.start + step, longest.end, step):
        rest = Span(longest.partition, offset, longest.end)
        message = next(read_spans(consumer, [rest], idle=idle), None)
        if message is not None and message.timestamp > last:
            last = message.timestamp
            yield last


def _length(span: Span) -> int:
    return span.end - span.start


def _between(starts: dict[int, int], ends: dict[int, int]) -> list[Span]:
    return [Span(number, starts[number], end) for number, end in ends.items()]


def _checked(messages: Iterator[Any], stretch: Stretch) -> Iterator[Any]:
    begun: set[int] = set()
    for message in messages:
        if message.partition not in begun:
            begun.add(message.partition)
            if message.timestamp < stretch.since:
                raise DisorderError(_DISORDER)
        if message.timestamp >= stretch.until:
            raise DisorderError(_DISORDER)
        yield message
