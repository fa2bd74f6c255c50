"""
One file of frames, named after the first index that it may hold.
"""

from __future__ import annotations

import re

from array import array
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from .files import create
from .header import HEADER, SEGMENT, header
from .ids import NewIds, SortedIds


if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_NAME = re.compile(r"([0-9]{20})\.log")


class Segment:
    """
    What is known of one file; its bytes stay on the disk.

    Attributes:
        path: The file.

        first: The first index that it may hold.

        size: How much of the file is durable and whole.

        top: The highest id in it, or no bytes.
    """

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.first = first
        self.size = HEADER
        self.top = b""
        self._indexes = array("Q")
        self._starts = array("Q")
        self._ids: NewIds | SortedIds = NewIds()

    @property
    def last(self) -> int:
        """
        The highest index in it, or the one before its first.
        """
        return self._indexes[-1] if self._indexes else self.first - 1

    def __len__(self) -> int:
        return len(self._indexes)

    def add(
        self, first: int, ids: Sequence[bytes], lengths: Sequence[int]
    ) -> None:
        """
        Know of more frames, whose indexes begin with *first*.
        """
        assert isinstance(self._ids, NewIds)
        self._ids.add(ids)
        self.top = max(self.top, *ids)
        self._indexes.extend(range(first, first + len(ids)))
        ends = accumulate(lengths, initial=self.size)
        self._starts.extend(ends)
        self.size = self._starts.pop()

    def has_none_of(self, ids: Sequence[bytes]) -> bool:
        """
        Whether all of them are new to it; quick.
        """
        return isinstance(self._ids, NewIds) and self._ids.has_none_of(ids)

    def freeze(self) -> None:
        """
        Take less memory, as nothing is added any more.
        """
        if isinstance(self._ids, NewIds):
            self._ids = self._ids.sorted()

    def behind(self, index: int) -> int:
        """
        The number of the first frame behind *index*.
        """
        return bisect_right(self._indexes, index)

    def number(self, event_id: bytes) -> int | None:
        """
        The number of the frame that has this event.
        """
        return self._ids.get(event_id)

    def start(self, number: int) -> int:
        """
        Where that frame begins; the end for one behind the last.
        """
        return (
            self._starts[number] if number < len(self._starts) else self.size
        )

    def before(self, number: int) -> int:
        """
        The index of the frame before that one.
        """
        return self._indexes[number - 1] if number else self.first - 1

    def within(self, number: int, limit: int, most: int) -> int:
        """
        The number behind the last of *limit* frames that have *most* bytes.
        """
        end = min(number + limit, len(self))
        fits = bisect_right(self._starts, self.start(number) + most) - 1
        return max(min(end, fits), min(number + 1, end))


def path_of(folder: Path, first: int) -> Path:
    """
    Where the segment lies that begins with that index.
    """
    return folder / f"{first:020}.log"


def find(folder: Path) -> list[tuple[int, Path]]:
    """
    The segments in *folder* with their first indexes, in order.
    """
    paths = sorted(folder.iterdir())
    found = ((_NAME.fullmatch(path.name), path) for path in paths)
    return [(int(match[1]), path) for match, path in found if match]


def make(folder: Path, first: int) -> Segment:
    """
    A new, empty segment, which is durable and has a durable name.
    """
    segment = Segment(path_of(folder, first), first)
    create(segment.path, header(SEGMENT, first))
    return segment
