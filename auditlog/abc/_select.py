"""
Those of what a reader finds that a query asks for.
"""

from __future__ import annotations

import itertools

from collections import deque
from typing import TYPE_CHECKING, TypeVar

import attrs

from auditlog.errors import DecodingError

from ._records import Record, Skipped


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from auditlog.query import EventQuery

Found = TypeVar("Found", "Record | Skipped", "Record | Skipped | None")


def select(
    found: Iterable[Record | Skipped], query: EventQuery
) -> Iterator[Record | Skipped]:
    """
    Those of *found* that match *query*, up to its limit.

    *found* is in the order that *query* asks for. A body that can't be
    decoded becomes a :class:`Skipped`, which counts for no limit.
    """
    limits = [n for n in (query.limit, query.last) if n is not None]
    if query.last is None or query.order == "newest":
        limit = min(limits, default=None)
        return _first(_matching(found, query), limit)
    recent = last_of(_matching(found, query), query.last)
    return _first(recent, query.limit)


def select_live(
    past: Iterable[Record | Skipped],
    live: Iterable[Record | Skipped | None],
    query: EventQuery,
) -> Iterator[Record | Skipped | None]:
    """
    The same for a source that goes on: what is in it, and what comes.

    Args:
        past:
            What was in the source when it was looked at first, filtered by
            :func:`select` for *query* without its limit.

        live: What comes, with None while nothing does.
    """
    return _first(itertools.chain(past, _matching(live, query)), query.limit)


def select_last(
    scan: Callable[[EventQuery], Iterator[Record | Skipped]],
    query: EventQuery,
) -> Iterator[Record | Skipped]:
    """
    What *scan* finds; *last* is read from the end, as far as is needed.

    For readers that can begin at the end. *scan* is called at once. The last
    ones are held in memory.
    """
    if query.last is None or query.order == "newest":
        return scan(query)

    backwards = attrs.evolve(
        query, last=None, limit=query.last, order="newest"
    )
    return _turned(scan(backwards), query.limit)


def _turned(
    found: Iterable[Record | Skipped], limit: int | None
) -> Iterator[Record | Skipped]:
    recent = []
    for item in found:
        if isinstance(item, Record):
            recent.append(item)
        else:
            yield item
    yield from recent[::-1][:limit]


def _matching(found: Iterable[Found], query: EventQuery) -> Iterator[Found]:
    for item in found:
        if isinstance(item, Record):
            try:
                if not query.matches(item):
                    continue
            except DecodingError as exc:
                place = str(item.origin or item.index or item.event_id)
                yield Skipped(place=place, reason=str(exc), origin=item.origin)
                continue
        yield item


def _first(found: Iterable[Found], limit: int | None) -> Iterator[Found]:
    if limit == 0:
        return
    left = limit
    for item in found:
        yield item
        if left is not None and isinstance(item, Record):
            left -= 1
            if left == 0:
                return


def last_of(found: Iterable[Found], count: int) -> Iterator[Found]:
    # What was passed over is told at once: it may be any number.
    recent = deque[Found](maxlen=count)
    for item in found:
        if isinstance(item, Record):
            recent.append(item)
        else:
            yield item
    yield from recent
