"""
The events that a relay's sink will never take, and why.
"""

from __future__ import annotations

import os
import time

from datetime import datetime  # noqa: TC003 - msgspec looks
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from auditlog.abc import DeadLetter, Record

from .files import read_all, write_all
from .frame import Frame, encode, scan


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


NAME = "dead-letters"


class _Note(msgspec.Struct):
    relay: str
    reason: str
    attempts: int
    index: int | None
    recorded_at: datetime | None


class Letters:
    """
    A file of frames; how much of it counts is kept with the positions.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def add(self, size: int, relay: str, letters: Sequence[DeadLetter]) -> int:
        """
        Write *letters* behind *size*, durably; the size with them.
        """
        if not letters:
            return size
        data = b"".join(
            _encoded(number, relay, letter)
            for number, letter in enumerate(letters, size + 1)
        )
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, size)
            write_all(fd, data, size)
            os.fsync(fd)
        finally:
            os.close(fd)
        return size + len(data)

    def read(self, size: int) -> Iterator[tuple[str, DeadLetter]]:
        """
        Those in the first *size* bytes, with their relays.
        """
        if not size:
            return
        fd = os.open(self._path, os.O_RDONLY)
        try:
            data = read_all(fd, 0, size)
        finally:
            os.close(fd)
        for frame in scan(data, 0, 0):
            if isinstance(frame, Frame):
                yield _decoded(frame.event_id, data[frame.body])


def _encoded(number: int, relay: str, letter: DeadLetter) -> bytes:
    record = letter.record
    note = _Note(
        relay=relay,
        reason=letter.reason,
        attempts=letter.attempts,
        index=record.index,
        recorded_at=record.recorded_at,
    )
    body = msgspec.json.encode(note) + b"\n" + record.body
    now = time.time_ns() // 1000
    return b"".join(encode(number, record.event_id.bytes, now, body))


def _decoded(event_id: bytes, data: bytes) -> tuple[str, DeadLetter]:
    text, _, body = data.partition(b"\n")
    note = msgspec.json.decode(text, type=_Note)
    record = Record(
        event_id=UUID(bytes=event_id),
        body=body,
        index=note.index,
        recorded_at=note.recorded_at,
    )
    letter = DeadLetter(
        record=record, reason=note.reason, attempts=note.attempts
    )
    return note.relay, letter
