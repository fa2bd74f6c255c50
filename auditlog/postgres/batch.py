"""
Sees one batch into the table, whatever single events do to it.
"""

from __future__ import annotations

import hashlib
import time

from itertools import chain
from typing import TYPE_CHECKING

from auditlog.errors import (
    DecodingError,
    DuplicateEventError,
    EventRefusedError,
    PartialWriteError,
    SinkUnavailableError,
)

from .columns import COLUMNS, row
from .errors import LockedError


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from auditlog.abc import Record
    from auditlog.errors import SinkError

    from .lease import Lend


_DOING = "store audit events"
# Longest wait for a lock, for a whole batch and for a half of one. No longer
# than it takes to see that two batches with the same events, in different
# orders, wait for each other: the server itself looks after a second.
_PATIENT, _HASTY = "200ms", "50ms"
# Seconds in which to find what holds a batch up.
_SEARCH = 2.0
# Events in one statement of several: few enough that the server soon has
# something to do, many enough that a statement's own cost is lost in it.
_PART = 64


class Batch:
    """
    Some events on their way into the table.

    A batch that fails because of an event is halved until that event stands
    alone, so that all others are stored.

    Attributes:
        failed: Why, for each event that was refused.
    """

    def __init__(self, lend: Lend, statements: Mapping[str, str]) -> None:
        self.failed: dict[UUID, SinkError] = {}
        # What is in the table, but for those of them that failed.
        self._stored: list[Sequence[Record]] = []
        self._locked: LockedError | None = None
        self._deadline: float | None = None
        self._lend = lend
        self._sql = statements

    def write(self, records: Sequence[Record]) -> None:
        """
        Store *records*.

        Raises:
            PartialWriteError: If some are not stored; see there.

            SinkError: If none is known to be stored.
        """
        self._put(records, _PATIENT)
        if self._deadline is None and not self.failed:
            return
        if self._locked is not None and not (self._stored or self.failed):
            raise self._locked
        stored = [
            each.event_id
            for each in chain.from_iterable(self._stored)
            if each.event_id not in self.failed
        ]
        if len(stored) < len(records):
            raise PartialWriteError(stored, self.failed)

    def _put(self, records: Sequence[Record], lock_timeout: str) -> None:
        if not records:
            return
        try:
            missing = self._insert(records, lock_timeout)
        except DecodingError:
            self._put(list(filter(self._is_event, records)), lock_timeout)
        except LockedError as exc:
            self._locked = exc
            self._split(records)
        except EventRefusedError as exc:
            if len(records) == 1:
                self.failed[records[0].event_id] = exc
            self._split(records)
        else:
            self._stored.append(records)
            if missing:
                self._compare(records)

    def _is_event(self, record: Record) -> bool:
        try:
            row(record)
        except DecodingError as exc:
            error = EventRefusedError(
                f"the body of {record.event_id} is no audit event"
            )
            error.__cause__ = exc
            self.failed[record.event_id] = error
            return False
        return True

    def _split(self, records: Sequence[Record]) -> None:
        """
        Store what can be stored of *records*.

        Not for ever: what is left comes again, as long as something was
        decided on, or there is a lock to wait for.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + _SEARCH
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]) if middle else ():
            enough = self._stored or self.failed or self._locked
            if not enough or time.monotonic() < self._deadline:
                self._put(half, _HASTY)

    def _insert(self, records: Sequence[Record], lock_timeout: str) -> int:
        """
        Insert *records* in one transaction; how many were there already.
        """
        with self._lend(_DOING) as connection:
            if len(records) > _PART and connection.can_pour:
                count = connection.pour(
                    self._sql["begin_many"],
                    self._sql["insert_many"],
                    _parts(records, lock_timeout),
                )
            elif len(records) > 1:
                count = connection.put(
                    self._sql["insert_many"],
                    lock_timeout,
                    *_columns(records),
                )
            else:
                count = connection.put(
                    self._sql["insert_one"], lock_timeout, *row(records[0])
                )
        return len(records) - count

    def _compare(self, records: Sequence[Record]) -> None:
        """
        Tell those that were there already from others with the same id.
        """
        with self._lend(_DOING) as connection:
            leaves = dict(
                connection.ask(
                    self._sql["leaves"],
                    ids=[each.event_id for each in records],
                )
            )
        for each in records:
            if each.event_id not in leaves:
                raise SinkUnavailableError(
                    f"event {each.event_id} was removed while it was stored"
                )
            if leaves[each.event_id] != leaf(each.body):
                self.failed[each.event_id] = DuplicateEventError(
                    f"another event with the id {each.event_id} is stored"
                )


def _parts(
    records: Sequence[Record], lock_timeout: str
) -> Iterator[dict[str, object]]:
    # A short one first: until it comes the server has nothing to do.
    start, stop = 0, _PART // 4
    while part := records[start:stop]:
        columns = zip(COLUMNS, _columns(part), strict=True)
        yield dict(columns, lock_timeout=lock_timeout)
        start, stop = stop, stop + _PART


def _columns(records: Sequence[Record]) -> list[object]:
    columns = zip(*[row(each) for each in records], strict=True)
    return [
        make(column)
        for make, column in zip(COLUMNS.values(), columns, strict=True)
    ]


def leaf(body: bytes) -> bytes:
    """
    The hash that the table keeps of a body.
    """
    return hashlib.sha256(b"\0" + body).digest()
