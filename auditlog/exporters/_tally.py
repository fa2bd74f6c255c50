"""
Batches of records of whatever was given, and what is counted of them.
"""

from __future__ import annotations

import contextlib
import functools

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from auditlog import _reasons, codec
from auditlog._pages import BodyReader, Page, page_of
from auditlog.abc import Events, Origin, Reader, Record, Skipped
from auditlog.errors import ConfigError, ExportError
from auditlog.event import AuditEvent


if TYPE_CHECKING:
    from uuid import UUID

    Exportable = Iterable[Record | AuditEvent | Skipped]
    Position = Origin | int | UUID


# A batch holds this many events at most: 8 MiB of the longest bodies.
BATCH = 128

MAX_EXAMPLES = 100


class Tally:
    """
    Makes batches of records of whatever was given, and counts them.
    """

    def __init__(self, errors: str) -> None:
        if errors not in {"report", "raise"}:
            raise ConfigError(
                [f"'errors' must be 'report' or 'raise' (got {errors!r})"]
            )
        self.rows = 0
        self.cut = 0
        self.first: Position | None = None
        self.skipped: Counter[str] = Counter()
        self.skipped_first: list[Skipped] = []
        self.notes: Counter[str] = Counter()
        self.warnings: list[str] = []
        self.errors = errors
        # Which of the page that was counted last are written.
        self.places: Sequence[int] = ()
        self._last: Callable[[], Position | None] = _nowhere

    def batches(
        self,
        events: Exportable,
        *,
        room: Callable[[], int] = lambda: BATCH,
        of_bodies: bool = False,
    ) -> Generator[Page]:
        """
        The records of *events*; what isn't one is counted and left out.

        Args:
            events: What is read; not beyond the batch that was given last.

            room: How many the next batch holds, if there are so many.

            of_bodies: Whether records are hardly asked for, and all batches
                may be alike.
        """
        pages = pages_in(events) if of_bodies else None
        if pages is not None:
            yield from self._from_pages(pages)
            self.last = self.last  # while its store can be asked
            return
        items = items_of(events)
        with contextlib.closing(items):
            while batch := self._batch(items, room()):
                yield page_of(batch)

    def count(self, page: Page, places: Sequence[int] | None = None) -> None:
        """
        Take note that a *page* is written, or what is at some *places*.
        """
        self.places = range(len(page)) if places is None else places
        if not (places := self.places):
            return

        self.rows += len(places)
        first, last = page.rows[places[0]], page.rows[places[-1]]
        if self.first is None:
            self.first = position_of(page.record_of(first))
        self._last = lambda: position_of(page.record_of(last))

    @property
    def last(self) -> Position | None:
        """
        The place of the last event that was counted.
        """
        return self._last()

    @last.setter
    def last(self, position: Position | None) -> None:
        self._last = lambda: position

    def add(self, part: Tally) -> None:
        """
        Count what was counted of a *part* that comes behind.
        """
        if not part.rows and not part.skipped:
            return
        if part.rows:
            self.first = part.first if self.first is None else self.first
            self.last = part.last
        self.rows += part.rows
        self.cut += part.cut
        self.notes += part.notes
        for reason, count in part.skipped.items():
            _reasons.count(self.skipped, reason, count)
        room = MAX_EXAMPLES - len(self.skipped_first)
        self.skipped_first += part.skipped_first[:room]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": self.last}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.last = state["_last"]

    def skip_record(self, record: Record, reason: str) -> None:
        """
        Take note that *record* is left out.
        """
        place = str(position_of(record))
        self.skip(Skipped(place=place, reason=reason, origin=record.origin))

    def skip(self, skipped: Skipped) -> None:
        """
        Take note of *skipped*.

        Raises:
            ExportError: If errors are to be raised.
        """
        if self.errors == "raise":
            raise ExportError(
                f"can't export {skipped.place}: {skipped.reason}"
            )

        _reasons.count(self.skipped, skipped.reason)
        if len(self.skipped_first) < MAX_EXAMPLES:
            self.skipped_first.append(skipped)

    def _from_pages(self, pages: Iterator[Page | Skipped]) -> Generator[Page]:
        bodies: list[bytes] = []
        rows: list[Any] = []
        record_of: Any = None
        with contextlib.closing(_closable(pages)) as found:
            for page in found:
                if isinstance(page, Skipped):
                    self.skip(page)
                    continue
                bodies += page.bodies
                rows += page.rows
                record_of = page.record_of
                while len(bodies) >= BATCH:
                    yield Page(bodies[:BATCH], rows[:BATCH], record_of)
                    del bodies[:BATCH], rows[:BATCH]
        if bodies:
            yield Page(bodies, rows, record_of)

    def _batch(self, items: Iterator[Any], room: int) -> list[Record]:
        """
        As many records as there is *room* for, if there are so many.

        What is passed over doesn't shorten it, so that where a file is cut
        depends on its events alone.
        """
        batch = list(islice(items, room))
        # The usual case costs no look at each item in Python.
        while {*map(type, batch)} - {Record}:
            batch = list(self._records(batch))
            batch += islice(items, room - len(batch))
        return batch

    def _records(self, items: Iterable[object]) -> Iterator[Record]:
        for item in items:
            if isinstance(item, Record):
                yield item
            elif isinstance(item, AuditEvent):
                # Keeps the event, unless its body has to be cut.
                body = functools.partial(codec.encode, item)
                yield Record(event_id=item.event_id, body=body)
            elif isinstance(item, Skipped):
                self.skip(item)
            else:
                raise ExportError(
                    f"can't export a {type(item).__name__}; events are "
                    "Record or AuditEvent"
                )


def items_of(events: Any) -> Any:
    """
    An iterator over *events*, to be closed.

    Raises:
        ExportError: If *events* are none.
    """
    if isinstance(events, Reader):
        events = events.read()
    if not isinstance(events, Iterable) or isinstance(events, str | bytes):
        raise ExportError(
            f"can't export a {type(events).__name__}; give a reader, what its "
            "read() returns, or an iterable of events"
        )
    return _closable(
        events.scan() if isinstance(events, Events) else iter(events)
    )


def pages_in(events: Any) -> Iterator[Page | Skipped] | None:
    """
    The pages of *events*, if they can be had without looking at each.
    """
    if isinstance(events, Reader):
        events = events.read()
    if isinstance(events, Events) and isinstance(events.reader, BodyReader):
        return events.reader.scan_bodies(events.query)
    return None


def _closable(items: Any) -> Any:
    return items if hasattr(items, "close") else (item for item in items)


def _nowhere() -> None:
    return None


def position_of(record: Record) -> Position:
    """
    The place of *record* in its source.
    """
    at = record.origin
    if at is None:
        return record.index or record.event_id
    # Without the key and the headers, which are content.
    return Origin(topic=at.topic, partition=at.partition, offset=at.offset)
