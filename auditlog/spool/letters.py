"""
The events that a relay's sink will never take, and what became of them.
"""

from __future__ import annotations

import os
import zlib

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import attrs
import msgspec

from auditlog.abc import DeadLetter, Record

from .files import create, read_all, write_all
from .frame import Damage, Frame, encode, scan
from .header import HEADER, LETTERS, header
from .header import read as read_header


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


NAME = "dead-letters"

# Numbers from here on are those of letters from the folders of others, whose
# indexes would be mistaken for ours.
INHERITED = 10**15

# From which size on a file is written again without what was delivered.
TIDY = 256 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What is said of an event in one frame; the last that is said counts.

    Attributes:
        kind:
            A letter has the event's bytes behind it; the others are said of
            a letter before.
    """

    relay: str
    kind: Literal["letter", "redriven", "refused"] = "letter"
    reason: str = ""
    attempts: int = 1
    index: int = 0
    recorded_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Entry:
    """
    One frame to be written.
    """

    event_id: bytes
    note: Note
    body: bytes = b""
    at: datetime = attrs.field(factory=lambda: datetime.now(UTC))


@attrs.frozen(kw_only=True)
class Kept:
    """
    A letter that is undelivered; its bytes stay on the disk.
    """

    event_id: bytes
    note: Note
    at: datetime
    start: int
    end: int


@attrs.frozen(kw_only=True)
class Bad:
    """
    Bytes that the disk has damaged, and how many frames they may have been.
    """

    data: bytes
    lost: int

    @property
    def name(self) -> str:
        """
        The same when the same is found again.
        """
        return f"{NAME}-{zlib.crc32(self.data):08x}"


def entry_of(relay: str, letter: DeadLetter) -> Entry:
    """
    What is written of a new letter.
    """
    record = letter.record
    note = Note(
        relay=relay,
        reason=letter.reason,
        attempts=letter.attempts,
        index=record.index or 0,
        recorded_at=record.recorded_at,
    )
    at = letter.at or datetime.now(UTC)
    return Entry(
        event_id=record.event_id.bytes, note=note, body=record.body, at=at
    )


class Letters:
    """
    A file of frames; how much of it counts is kept with the positions.

    Attributes:
        path: The file.

        bad: Damage that was found and not told yet.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._forget()

    def _forget(self) -> None:
        self.bad: list[Bad] = []
        self._kept: dict[tuple[str, bytes], Kept] = {}
        self._size = 0
        self._frames = 0

    # Looking

    def learn(self, size: int) -> None:
        """
        Know what the first *size* bytes say.
        """
        if size < self._size:
            self._forget()
        start = self._size
        if size <= start:
            return
        data = self._bytes(start, size)
        self._size += len(data)
        self._scan(data, start)
        if start == 0 and self._size < size and not _is_tidied(data):
            self.bad.append(Bad(data=b"", lost=1))

    def look_again(self) -> None:
        """
        Learn all of it again, as something has changed behind our back.
        """
        size = self._size
        self._forget()
        self.learn(size)

    def all(self) -> list[Kept]:
        """
        Those that are undelivered, by their indexes.
        """
        return sorted(self._kept.values(), key=lambda each: each.note.index)

    def of(self, relay: str) -> list[Kept]:
        """
        Those of one relay.
        """
        return [each for each in self.all() if each.note.relay == relay]

    def highest(self, least: int) -> int:
        """
        The highest index of one, or *least*.
        """
        return max([least, *(k.note.index for k in self._kept.values())])

    def has(self, relay: str, event_id: bytes) -> bool:
        """
        Whether it is undelivered.
        """
        return (relay, event_id) in self._kept

    def read(self, kept: Kept) -> DeadLetter | None:
        """
        The letter with its event, or None if that was damaged meanwhile.
        """
        data = self._bytes(kept.start, kept.end)
        for frame in scan(data, 0, 0):
            if isinstance(frame, Frame) and frame.end == len(data):
                return _letter(kept, data[frame.body])
        return None

    # Writing

    def add(self, size: int, entries: Sequence[Entry]) -> int:
        """
        Write *entries* behind *size*, durably; the size with them.
        """
        if not entries:
            return size
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # It is shorter if it was written again and that was not noted.
            size = min(size, os.fstat(fd).st_size)
            first = self._frames + 1 if size else 1
            data = b"" if size else header(LETTERS, 0)
            data += b"".join(_encoded(first, entries))
            os.ftruncate(fd, size)
            write_all(fd, data, size)
            os.fsync(fd)
        finally:
            os.close(fd)
        return size + len(data)

    def tidied(self, size: int) -> int | None:
        """
        The size after what was delivered is gone; None if nothing is to do.

        The file says the same before and after, also if the new size is
        never kept.
        """
        if not self._kept:
            return 0 if size else None
        left = sum(each.end - each.start for each in self._kept.values())
        if not self.bad and (size < TIDY or left * 2 > size):
            return None
        letters = [(kept.note.relay, self.read(kept)) for kept in self.all()]
        entries = [entry_of(relay, each) for relay, each in letters if each]
        if len(entries) < len(letters):
            return None  # the next look finds what was damaged
        data = b"".join(_encoded(1, entries))
        whole = HEADER + len(data)
        create(self.path, header(LETTERS, whole) + data, replace=True)
        self._forget()
        return whole

    # Inside

    def _bytes(self, start: int, end: int) -> bytes:
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:  # somebody has deleted it
            return b""
        try:
            return read_all(fd, start, end)
        finally:
            os.close(fd)

    def _scan(self, data: bytes, at: int) -> None:
        """
        Learn from *data*, which lies at that place in the file.
        """
        start = 0 if at else HEADER
        if start and data and read_header(LETTERS, data) is None:
            self.bad.append(Bad(data=data[:HEADER], lost=0))
        bad: tuple[int, int] | None = None
        for each in scan(data, start, self._frames):
            if isinstance(each, Frame):
                if bad:
                    self._spoilt(data, bad[0], each.start, each.index - 1)
                bad, self._frames = None, each.index
                self._apply(each, data, at)
            else:
                last = each.last if isinstance(each, Damage) else 0
                bad = (bad[0] if bad else each.start, last)
        if bad:
            self._spoilt(data, bad[0], len(data), bad[1])

    def _spoilt(self, data: bytes, start: int, end: int, last: int) -> None:
        lost = max(last - self._frames, 1)
        self.bad.append(Bad(data=data[start:end], lost=lost))
        self._frames = max(self._frames, last)

    def _apply(self, frame: Frame, data: bytes, at: int) -> None:
        text, _, _ = data[frame.body].partition(b"\n")
        note = msgspec.json.decode(text, type=Note)
        key = (note.relay, frame.event_id)
        before = self._kept.get(key)
        time = _EPOCH + frame.recorded_at * _MICROSECOND
        if note.kind == "redriven":
            self._kept.pop(key, None)
        elif note.kind == "refused":
            if before:
                self._kept[key] = _refused(before, note.reason, time)
        else:
            tried = note.attempts + (before.note.attempts if before else 0)
            self._kept[key] = Kept(
                event_id=frame.event_id,
                note=msgspec.structs.replace(note, attempts=tried),
                at=time,
                start=at + frame.start,
                end=at + frame.end,
            )


def _refused(before: Kept, reason: str, at: datetime) -> Kept:
    tried = before.note.attempts + 1
    note = msgspec.structs.replace(before.note, reason=reason, attempts=tried)
    return attrs.evolve(before, note=note, at=at)


def _encoded(first: int, entries: Sequence[Entry]) -> Iterator[bytes]:
    yield from encode(
        first,
        [each.event_id for each in entries],
        [(each.at - _EPOCH) // _MICROSECOND for each in entries],
        [msgspec.json.encode(e.note) + b"\n" + e.body for e in entries],
    )


def _is_tidied(data: bytes) -> bool:
    """
    Whether the file was written again, and that was not noted any more.

    Its header says how long it was then.
    """
    head = read_header(LETTERS, data)
    return head is not None and 0 < head[1] <= len(data)


def _letter(kept: Kept, data: bytes) -> DeadLetter:
    note = kept.note
    record = Record(
        event_id=UUID(bytes=kept.event_id),
        body=data.partition(b"\n")[2],
        index=note.index,
        recorded_at=note.recorded_at,
    )
    return DeadLetter(
        record=record, reason=note.reason, attempts=note.attempts, at=kept.at
    )
