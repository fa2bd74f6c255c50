"""
Which ids a segment holds, in little memory.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping


_ID = 16
_NUMBER = 4
_SIZE = _ID + _NUMBER


class SortedIds:
    """
    The ids of a segment that gets no more, as 20 bytes each.

    Ids of version 7 grow with time, so that a look at the lowest and the
    highest is nearly always enough.

    Attributes:
        last: The highest id, or no bytes.
    """

    def __init__(self, numbers: Mapping[bytes, int]) -> None:
        entries = sorted(
            one + number.to_bytes(_NUMBER, "big")
            for one, number in numbers.items()
        )
        self._count = len(entries)
        self._first = entries[0][:_ID] if entries else b""
        self.last = entries[-1][:_ID] if entries else b""
        self._all = b"".join(entries)

    def get(self, wanted: bytes) -> int | None:
        """
        The number of the frame that has it.
        """
        if not self._count or not self._first <= wanted <= self.last:
            return None
        at = bisect_left(range(self._count), wanted, key=self._id)
        if at == self._count or self._id(at) != wanted:
            return None
        start = at * _SIZE + _ID
        return int.from_bytes(self._all[start : start + _NUMBER], "big")

    def _id(self, at: int) -> bytes:
        return self._all[at * _SIZE : at * _SIZE + _ID]
