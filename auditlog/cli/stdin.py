"""
Events from the standard input, as they come.
"""

from __future__ import annotations

import sys

from typing import TYPE_CHECKING

from auditlog import codec
from auditlog.abc import Reader, Record, Skipped, select
from auditlog.errors import DecodingError, ReadError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog.abc import EventQuery


_MAX_LINE = 16 * 1024 * 1024


class StdinReader(Reader):
    """
    Reads one event a line, once and forwards.
    """

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        See :meth:`auditlog.abc.Reader.scan`.

        Raises:
            ReadError: If the newest are to come first.
        """
        if query.order == "newest":
            raise ReadError(
                "can't read standard input from its end; save it as a file"
            )
        return select(_items(), query)

    def __repr__(self) -> str:
        """
        The class.
        """
        return "<StdinReader>"


def _items() -> Iterator[Record | Skipped]:
    number = 0
    whole = True
    while line := sys.stdin.buffer.readline(_MAX_LINE):
        begins, whole = whole, line.endswith(b"\n")
        if not begins:
            continue  # the rest of a line that is too long
        number += 1
        if len(line) == _MAX_LINE and not whole:
            reason = "longer than 16 MiB"
            yield Skipped(place=f"line {number}", reason=reason)
        elif not line.isspace():
            yield _item(number, line.rstrip(b"\r\n"))


def _item(number: int, body: bytes) -> Record | Skipped:
    try:
        return Record(event_id=codec.peek(body).event_id, body=body)
    except DecodingError as exc:
        return Skipped(place=f"line {number}", reason=str(exc))
