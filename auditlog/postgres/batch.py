"""
Sees one batch into the table, whatever single events do to it.
"""

from __future__ import annotations

import hashlib
import time

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from auditlog.errors import (
    DecodingError,
    DuplicateEventError,
    EventRefusedError,
    PartialWriteError,
    SinkUnavailableError,
)

from .columns import Row, row
from .errors import LockedError


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from auditlog.abc import Record
    from auditlog.errors import SinkError

    from .lease import Lend


_DOING = "store audit events"
# Longest wait for a lock, for a whole batch and for a part of one.
_PATIENT, _HASTY = "1s", "50ms"
# Seconds in which to find what holds a batch up.
_SEARCH = 2.0
# Events in one statement of several: few enough that the server soon has
# something to do, many enough that a statement's own cost is lost in it.
_PART = 128


class Batch:
    """
    Some events on their way into the table.

    A batch that fails because of an event is halved until that event stands
    alone, so that all others are stored.

    Attributes:
        stored: The ids of the events that are durable.

        failed: Why, for each event that was refused.
    """

    def __init__(self, lend: Lend, statements: Mapping[str, str]) -> None:
        self.stored: list[UUID] = []
        self.failed: dict[UUID, SinkError] = {}
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
        if self._locked is not None and not (self.stored or self.failed):
            raise self._locked
        stored = [each for each in self.stored if each not in self.failed]
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
            self.stored += [each.event_id for each in records]
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
            enough = self.stored or self.failed or self._locked
            if not enough or time.monotonic() < self._deadline:
                self._put(half, _HASTY)

    def _insert(self, records: Sequence[Record], lock_timeout: str) -> int:
        """
        Insert *records* in one transaction; how many were there already.
        """
        parts = _parts(records)
        with self._lend(_DOING) as connection:
            if len(parts) > 1 and connection.can_pour:
                count = connection.pour(
                    self._sql["begin_many"],
                    self._sql["insert_many"],
                    (_columns(part, lock_timeout) for part in parts),
                )
            elif len(records) > 1:
                count = connection.send(
                    self._sql["insert_many"],
                    **_columns(records, lock_timeout),
                ).rowcount
            else:
                count = connection.send(
                    self._sql["insert_one"],
                    lock_timeout=lock_timeout,
                    **row(records[0])._asdict(),
                ).rowcount
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
            if leaves[each.event_id] != _leaf(each.body):
                self.failed[each.event_id] = DuplicateEventError(
                    f"another event with the id {each.event_id} is stored"
                )


def _parts(records: Sequence[Record]) -> list[Sequence[Record]]:
    """
    *records*, cut where all ids before are lower than all behind.

    So that the parts, one after the other, go in by id as a whole does.
    """
    starts = range(0, len(records), _PART)
    ids = [
        [each.event_id.int for each in records[start : start + _PART]]
        for start in starts
    ]
    highest = accumulate(map(max, ids), max)
    lowest = [*accumulate(map(min, reversed(ids)), min)][-2::-1]
    cuts = [
        start
        for start, high, low in zip(starts[1:], highest, lowest, strict=False)
        if high <= low
    ]
    return [records[a:b] for a, b in pairwise([0, *cuts, len(records)])]


def _columns(
    records: Sequence[Record], lock_timeout: str
) -> dict[str, object]:
    columns = map(list, zip(*[row(each) for each in records], strict=True))
    values = dict[str, object](zip(Row._fields, columns, strict=True))
    return values | {"lock_timeout": lock_timeout}


def _leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\0" + body).digest()
