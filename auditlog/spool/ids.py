"""
Which ids a segment holds, in little memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping


_ID = 16


class SortedIds:
    """
    The ids of a segment that gets no more, in 20 bytes each.

    Ids of version 7 grow with time, so that a look at the lowest and the
    highest is nearly always enough.
    """

    def __init__(self, numbers: Mapping[bytes, int]) -> None:
        ids, own = [*numbers], [*numbers.values()]
        order = sorted(range(len(ids)), key=ids.__getitem__)
        self._all = b"".join(map(ids.__getitem__, order))
        self._numbers = array("I", map(own.__getitem__, order))
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
