"""
Batches of records of whatever was given, and what is counted of them.
"""

from __future__ import annotations

import contextlib
import functools

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from auditlog import codec
from auditlog.abc import Events, Origin, Reader, Record, Skipped
from auditlog.errors import ConfigError, ExportError
from auditlog.event import AuditEvent


if TYPE_CHECKING:
    from uuid import UUID

    Exportable = Iterable[Record | AuditEvent | Skipped]
    Position = Origin | int | UUID


# A batch holds this many events at most: 8 MiB of the longest bodies.
BATCH = 128

MAX_REASONS = 100
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
        self._errors = errors
        self._last: Record | Position | None = None

    def batches(
        self, events: Exportable, room: Callable[[], int] = lambda: BATCH
    ) -> Generator[list[Record]]:
        """
        The records of *events*; what isn't one is counted and left out.

        Args:
            events: What is read; not beyond the batch that was given last.

            room: How many the next batch holds, if there are so many.
        """
        items = items_of(events)
        with contextlib.closing(items):
            while batch := self._batch(items, room()):
                yield batch

    def count(self, records: list[Record]) -> None:
        """
        Take note that *records* are written.
        """
        if not records:
            return

        self.rows += len(records)
        if self.first is None:
            self.first = position_of(records[0])
        self._last = records[-1]

    @property
    def last(self) -> Position | None:
        """
        The place of the last event that was counted.
        """
        at = self._last
        return position_of(at) if isinstance(at, Record) else at

    @last.setter
    def last(self, position: Position | None) -> None:
        self._last = position

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
        if self._errors == "raise":
            raise ExportError(
                f"can't export {skipped.place}: {skipped.reason}"
            )

        reason = skipped.reason
        if reason not in self.skipped and len(self.skipped) >= MAX_REASONS:
            reason = "other reasons"
        self.skipped[reason] += 1
        if len(self.skipped_first) < MAX_EXAMPLES:
            self.skipped_first.append(skipped)

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
    items = events.scan() if isinstance(events, Events) else iter(events)
    return items if hasattr(items, "close") else (item for item in items)


def position_of(record: Record) -> Position:
    """
    The place of *record* in its source.
    """
    at = record.origin
    if at is None:
        return record.index or record.event_id
    # Without the key and the headers, which are content.
    return Origin(topic=at.topic, partition=at.partition, offset=at.offset)
