"""
Writes events to one file or to several, counted, hashed and compressed.
"""

from __future__ import annotations

import hashlib

from abc import ABC, abstractmethod
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ._report import ExportedPart
from ._tally import BATCH


if TYPE_CHECKING:
    from hashlib import _Hash as HASH

    from auditlog._pages import Page

    from ._compression import Encoder
    from ._local import Write
    from ._rendering import Rendering
    from ._tally import Tally
    from ._target import Store


# What a compressed file is cut into: after so many bytes of rows a member
# ends, with the batch that is being written. A part of every file's form,
# because members make compressed exports resumable.
MEMBER = 8 * 1024 * 1024

_NOTHING = hashlib.sha256().hexdigest()


class Output(ABC):
    """
    Where events go.

    Args:
        store: Where files come into being.

        number: The number of the first file, if they are numbered.
    """

    def __init__(self, store: Store, *, number: int | None = None) -> None:
        self._store = store
        self.number = number
        self.parts: list[ExportedPart] = []
        self.part: Part | None = None
        # Of all parts one after another; else that of the one is enough.
        self.whole = None if number is None else hashlib.sha256()

    @property
    def size(self) -> int:
        """
        How much was written.
        """
        open_one = self.part.bytes if self.part else 0
        return open_one + sum(part.bytes for part in self.parts)

    @property
    def sha256(self) -> str:
        """
        The hash of all that was written.
        """
        if self.whole is not None:
            return self.whole.hexdigest()
        if self.part is not None:
            return self.part.sha256.hexdigest()
        return self.parts[0].sha256 if self.parts else _NOTHING

    def open(self) -> Part:
        """
        Begin a file, unless one is open.

        Raises:
            ExportError: If it can't be written.
        """
        if self.part is None:
            opened = self._store.begin(self.number)
            self.part = Part(self._store, opened, self.whole)
        return self.part

    def go_on(
        self,
        parts: list[ExportedPart],
        part: Part | None,
        inner: tuple[str, ...],  # noqa: ARG002
    ) -> None:
        """
        Write behind *parts*, in *part* if one is open, with its *inner*.
        """
        self.parts = parts
        self.part = part

    @property
    def inner(self) -> tuple[str, ...]:
        """
        What has to be known of the open file beside its bytes.
        """
        return ()

    def room(self) -> int:
        """
        How many events are to be added next, at most.
        """
        return BATCH

    @property
    def of_bodies(self) -> bool:
        """
        Whether the record of an event is hardly asked for.
        """
        return False

    @abstractmethod
    def add(self, page: Page, tally: Tally) -> None:
        """
        Take in those events of *page* that can be read; all are counted.
        """

    @abstractmethod
    def take(self, made: Any) -> None:
        """
        Take in what another process has made of a page; see `Work`.
        """

    @property
    @abstractmethod
    def is_due(self) -> bool:
        """
        Whether this is a place to cut, at which one can go on later.
        """

    @abstractmethod
    def cut(self) -> None:
        """
        Hand all that was added to the store.
        """

    def close(self) -> None:
        """
        Complete the last file, if one is open.
        """
        if self.part is not None:
            self._end_part()

    @abstractmethod
    def _end(self, part: Part) -> None:
        """
        Write what *part* ends with.
        """

    def _end_part(self) -> None:
        part = self.open()
        self._end(part)
        self.parts.append(part.ended())
        self.part = None
        if self.number is not None:
            self.number += 1


class RowOutput(Output):
    """
    Where rows go.

    Args:
        rendering: What makes bytes of rows.

        encoder: What compresses them.

        store: Where files come into being.

        max_bytes: Longest that a file may be; None for one file of any size.

        number: The number of the first file, if they are numbered.
    """

    def __init__(
        self,
        rendering: Rendering,
        encoder: Encoder,
        store: Store,
        *,
        max_bytes: int | None = None,
        number: int | None = None,
    ) -> None:
        super().__init__(store, number=number)
        self._rendering = rendering
        self._encoder = encoder
        self._max_bytes = max_bytes
        self._member = 0
        self._pending = 0
        self._settled = 0
        self._made: list[Any] = []

    def go_on(
        self,
        parts: list[ExportedPart],
        part: Part | None,
        inner: tuple[str, ...],
    ) -> None:
        """
        See `Output.go_on()`.
        """
        super().go_on(parts, part, inner)
        self._settled = part.bytes if part else 0

    @property
    def of_bodies(self) -> bool:
        """
        See `Output.of_bodies`.
        """
        return self._rendering.of_bodies

    def add(self, page: Page, tally: Tally) -> None:
        """
        See `Output.add()`.
        """
        self._write(self._rendering.rows(page, tally))

    def take(self, made: list[Any]) -> None:
        """
        See `Output.take()`; a row for each event, None where it has none.
        """
        self._made += made
        # As one process would: where files are cut depends on it.
        if len(self._made) >= BATCH:
            self._write_made(BATCH)

    def close(self) -> None:
        """
        See `Output.close()`.
        """
        if self._made:
            self._write_made(len(self._made))
            if self.is_due:
                self.cut()
        super().close()

    def _write_made(self, count: int) -> None:
        made, self._made = self._made[:count], self._made[count:]
        self._write([row for row in made if row is not None])

    def _write(self, rows: list[Any]) -> None:
        while rows:
            count = self._fitting(rows) if self._max_bytes else len(rows)
            if count:
                self._put(rows[:count])
                rows = rows[count:]
            elif self._pending:
                self._settle(self._encoder.flush())
            else:
                self._end_part()

    @property
    def is_due(self) -> bool:
        """
        Whether a member is long enough.
        """
        return self._member >= MEMBER

    def cut(self) -> None:
        """
        End a member; all that was written is handed to the store.
        """
        if self._member:
            self._settle(self._encoder.end())
            self._member = 0

    def _put(self, rows: list[Any]) -> None:
        part = self.open()
        data = self._rendering.joined(rows, first=not part.rows)
        if not part.rows:
            data = self._rendering.head + data
        part.rows += len(rows)
        self._add(data)

    def _add(self, data: bytes) -> None:
        assert self.part is not None
        self._member += len(data)
        self._pending += len(data)
        if made := self._encoder.add(data):
            self.part.write(made)

    def _settle(self, data: bytes) -> None:
        assert self.part is not None
        if data:
            self.part.write(data)
        self._settled = self.part.bytes
        self._pending = 0

    def _end(self, part: Part) -> None:
        tail = self._rendering.foot(empty=not part.rows)
        if not part.rows:
            tail = self._rendering.head + tail
        if tail:
            self._add(tail)
        if self._member or not part.bytes:
            self._settle(self._encoder.end())
        self._member = 0
        self._settled = 0

    def _fitting(self, rows: list[Any]) -> int:
        """
        How many of *rows* the open file can take, or a new one must.
        """
        assert self._max_bytes is not None
        empty = self.part is None or not self.part.rows
        joined = self._rendering.joined
        around = len(self._rendering.foot(empty=False))
        around += len(self._rendering.head) if empty else 0
        room = self._max_bytes - self._settled
        most = self._encoder.most
        taken = self._pending + around
        if most(taken + len(joined(rows, first=empty))) <= room:
            return len(rows)

        sizes = accumulate(len(joined([row], first=False)) for row in rows)
        count = sum(most(taken + size) <= room for size in sizes)
        # One that is longer than a file may be has a file of its own.
        return max(count, 1) if empty else count


class RowWork:
    """
    Makes rows in another process.
    """

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self.of_bodies = rendering.of_bodies

    def __call__(self, page: Page, tally: Tally, /) -> list[Any]:
        """
        A row for each event of *page*, None where it has none.
        """
        rows = self._rendering.rows(page, tally)
        if len(rows) == len(page):
            return rows
        made = [None] * len(page)
        for place, row in zip(tally.places, rows, strict=True):
            made[place] = row
        return made


class Part:
    """
    One file while it is written.

    Attributes:
        name: What people call it.

        bytes: How long it is.

        rows: How many rows are in it.

        sha256: The hash of what is in it.
    """

    def __init__(
        self, store: Store, opened: tuple[str, Write], whole: HASH | None
    ) -> None:
        self.bytes = 0
        self.rows = 0
        self.sha256 = hashlib.sha256()
        self._whole = whole
        self._store = store
        self.name, self._write = opened

    def write(self, data: bytes) -> None:
        """
        Append *data*.
        """
        self._write(data)
        self.count(data)

    def count(self, data: bytes) -> None:
        """
        Take note that *data* is written.
        """
        self.bytes += len(data)
        self.sha256.update(data)
        if self._whole is not None:
            self._whole.update(data)

    def ended(self) -> ExportedPart:
        """
        Complete it, and say what is in it.
        """
        self._store.end()
        return self.so_far()

    def so_far(self) -> ExportedPart:
        """
        What is in it now.
        """
        return ExportedPart(
            target=self.name,
            rows=self.rows,
            bytes=self.bytes,
            sha256=self.sha256.hexdigest(),
        )
