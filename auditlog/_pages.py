"""
Events in bulk, for what needs no more of them than their bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from auditlog.abc import Record, Skipped
    from auditlog.query import EventQuery


@attrs.frozen
class Page:
    """
    The stored bytes of some events, whose records are made if asked for.

    A record costs more than to read the bytes, and who writes them as they
    are asks for the first and the last one only.

    Attributes:
        bodies: The events' stored bytes.

        rows: For each, what its record can be made of.

        record_of: Makes the record of a row; may have to ask the store.
    """

    bodies: list[bytes]
    rows: list[Any]
    record_of: Callable[[Any], Record]

    @property
    def records(self) -> list[Record]:
        """
        All records.
        """
        return [*map(self.record_of, self.rows)]

    def __len__(self) -> int:
        return len(self.bodies)


@runtime_checkable
class BodyReader(Protocol):
    """
    A reader that can do without records.
    """

    def scan_bodies(
        self, query: EventQuery, /
    ) -> Iterator[Page | Skipped] | None:
        """
        What the reader's ``scan()`` gives, in the same order.

        All pages of one call have the same *record_of*.

        Returns:
            The pages, or None if each event has to be looked at to know
            whether it matches *query*.

        Raises:
            ReadError: As for ``scan()``.
        """


def page_of(records: list[Record]) -> Page:
    """
    A page of records that are there already.
    """
    return Page([record.body for record in records], records, _itself)


def _itself(record: Record) -> Record:
    return record
