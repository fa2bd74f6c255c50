"""
Reads the events that wait in a spool.
"""

from __future__ import annotations

import heapq
import os

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from auditlog.abc import Reader, Record, Skipped, select
from auditlog.errors import ReadError, SinkError

from .files import told
from .frame import Damage, Frame, scan
from .header import HEADER
from .log import recorded_at
from .segment import find
from .view import look


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog.abc import EventQuery


class SpoolReader(Reader):
    """
    Reads what the processes of a spool have stored and not yet deleted.

    Whoever has a folder goes on meanwhile: nothing is locked or changed.
    Events are in the order of their folder; across folders it is when they
    were recorded that decides. They have no index, because that counts in
    one folder only. Stretches that the disk damaged are shown as
    :class:`auditlog.abc.Skipped`.

    What is delivered while it is read may be left out. A spool can't be
    followed: follow what its relay delivers to.

    Args:
        path: As for :class:`SpoolSink`.

    .. versionadded:: 0.1.0
    """

    def __init__(self, path: str | os.PathLike[str], /) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - no look

    def scan(self, query: EventQuery, /) -> Iterator[Record | Skipped]:
        """
        Everything that matches *query*, up to the end at this moment.

        Raises:
            ReadError:
                If the folders can't be read, or a newer version wrote them.
        """
        try:
            with told("read", self._path):
                folders = [*map(_pieces, self._folders())]
        except SinkError as exc:
            raise ReadError(str(exc)) from exc
        backwards = query.order == "newest"
        lanes = [_timed(each, backwards=backwards) for each in folders]
        merged = heapq.merge(*lanes, key=_time, reverse=backwards)
        return select((item for _, item in merged), query)

    def _folders(self) -> Iterator[Path]:
        for view in look(self._path):
            view.check_version()
            yield view.folder

    def __repr__(self) -> str:
        """
        The class and the path.
        """
        return f"<SpoolReader {str(self._path)!r}>"


class _Piece(NamedTuple):
    """
    A segment as long as it was.
    """

    path: Path
    first: int
    size: int


def _pieces(folder: Path) -> list[_Piece]:
    return [
        _Piece(path, first, path.stat().st_size)
        for first, path in find(folder)
    ]


def _time(timed: tuple[int, Record | Skipped]) -> int:
    return timed[0]


def _timed(
    pieces: list[_Piece], *, backwards: bool
) -> Iterator[tuple[int, Record | Skipped]]:
    at = 0
    for piece in reversed(pieces) if backwards else pieces:
        items = _items(piece)
        for item in reversed(items) if backwards else items:
            at = item[0] or at  # a damaged stretch stays where it is
            yield at, item[1]


def _items(piece: _Piece) -> list[tuple[int, Record | Skipped]]:
    try:
        with piece.path.open("rb") as file:
            data = file.read(piece.size)
    except FileNotFoundError:  # delivered meanwhile
        return []
    except OSError as exc:
        raise ReadError(f"can't read {piece.path}: {exc.strerror}") from exc
    found: list[tuple[int, Record | Skipped]] = []
    for part in scan(data, HEADER, piece.first - 1):
        if isinstance(part, Frame):
            found.append((part.recorded_at, _record(data, part)))
        elif isinstance(part, Damage):
            place = f"{piece.path}@{part.start}"
            found.append((0, Skipped(place=place, reason="damaged")))
    return found


def _record(data: bytes, frame: Frame) -> Record:
    return Record(
        event_id=UUID(bytes=frame.event_id),
        body=data[frame.body],
        recorded_at=recorded_at(frame),
    )
