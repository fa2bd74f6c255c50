"""
Which ids a segment holds, in little memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import count, islice
from operator import gt
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_ID = 16


class NewIds:
    """
    The ids of a segment that grows.

    They get into a table when one of them is looked for, which is nearly
    never so: a look at the highest is enough.
    """

    def __init__(self) -> None:
        self._all: list[bytes] = []
        self._table: dict[bytes, int] = {}
        self._known = 0

    def add(self, ids: Iterable[bytes]) -> None:
        """
        Know of more, in the order of their frames.
        """
        self._all += ids

    def get(self, wanted: bytes) -> int | None:
        """
        The number of the frame that has it.
        """
        return self._numbers().get(wanted)

    def has_none_of(self, ids: Iterable[bytes]) -> bool:
        """
        Whether all of them are new.
        """
        return self._numbers().keys().isdisjoint(ids)

    def sorted(self) -> SortedIds:
        """
        The same in less memory, once there are no more.
        """
        return SortedIds(self._all)

    def _numbers(self) -> dict[bytes, int]:
        fresh = islice(self._all, self._known, None)
        self._table.update(zip(fresh, count(self._known), strict=False))
        self._known = len(self._all)
        return self._table


class SortedIds:
    """
    The ids of a segment that gets no more, in 20 bytes each.

    Ids of version 7 grow with time, so that a look at the lowest and the
    highest is nearly always enough.
    """

    def __init__(self, ids: Sequence[bytes]) -> None:
        order: Sequence[int] = range(len(ids))
        if any(map(gt, ids, islice(ids, 1, None))):
            order = sorted(order, key=ids.__getitem__)
        self._all = b"".join(map(ids.__getitem__, order))
        self._numbers = array("I", order)
        self._first, self._last = self._all[:_ID], self._all[-_ID:]

    def get(self, wanted: bytes) -> int | None:
        """
        The number of the frame that has it.
        """
        if not self._first <= wanted <= self._last:
            return None
        count = len(self._numbers)
        at = bisect_left(range(count), wanted, key=self._id)
        if at == count or self._id(at) != wanted:
            return None
        return self._numbers[at]

    def _id(self, at: int) -> bytes:
        return self._all[at * _ID : at * _ID + _ID]
