"""
Sees one batch into the table, whatever single events do to it.
"""

from __future__ import annotations

import hashlib
import time

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
        try:
            rows = [row(record) for record in records]
        except DecodingError:
            rows = [each for each in map(self._row, records) if each]
        if rows:
            self._put(rows, _PATIENT)
        if self._locked is not None and not (self.stored or self.failed):
            raise self._locked
        if self._locked is not None or self.failed:
            raise PartialWriteError(self._stored(), self.failed)

    def _stored(self) -> list[UUID]:
        return [each for each in self.stored if each not in self.failed]

    def _row(self, record: Record) -> Row | None:
        try:
            return row(record)
        except DecodingError as exc:
            error = EventRefusedError(
                f"the body of {record.event_id} is no audit event"
            )
            error.__cause__ = exc
            self.failed[record.event_id] = error
            return None

    def _put(self, rows: Sequence[Row], lock_timeout: str) -> None:
        try:
            missing = self._insert(rows, lock_timeout)
        except LockedError as exc:
            self._locked = exc
            self._split(rows)
        except EventRefusedError as exc:
            if len(rows) == 1:
                self.failed[rows[0].id] = exc
            self._split(rows)
        else:
            self.stored += [each.id for each in rows]
            if missing:
                self._compare(rows)

    def _split(self, rows: Sequence[Row]) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + _SEARCH
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]) if middle else ():
            if time.monotonic() < self._deadline:
                self._put(half, _HASTY)

    def _insert(self, rows: Sequence[Row], lock_timeout: str) -> int:
        """
        Insert *rows*; how many were there already.
        """
        if len(rows) == 1:
            query, values = self._sql["insert_one"], rows[0]._asdict()
        else:
            query = self._sql["insert_many"]
            columns = map(list, zip(*rows, strict=True))
            values = dict(zip(Row._fields, columns, strict=True))
        with self._lend(_DOING) as connection:
            cursor = connection.send(
                query, lock_timeout=lock_timeout, **values
            )
            return len(rows) - cursor.rowcount

    def _compare(self, rows: Sequence[Row]) -> None:
        """
        Tell those that were there already from others with the same id.
        """
        with self._lend(_DOING) as connection:
            leaves = dict(
                connection.ask(
                    self._sql["leaves"], ids=[each.id for each in rows]
                )
            )
        for each in rows:
            if each.id not in leaves:
                raise SinkUnavailableError(
                    f"event {each.id} was removed while it was stored"
                )
            if leaves[each.id] != _leaf(each.body):
                self.failed[each.id] = DuplicateEventError(
                    f"another event with the id {each.id} is stored"
                )


def _leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\0" + body).digest()
