"""
What a sink is given of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, overload

from auditlog.abc import Record


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from auditlog.event import AuditEvent


class Records(Sequence[Record]):
    """
    The records of some events, each made when it is first asked for.

    So that a sink can send some of them while it makes the next.

    Args:
        encode: What makes an event's body.
    """

    def __init__(
        self,
        events: Iterable[AuditEvent],
        encode: Callable[[AuditEvent], bytes],
    ) -> None:
        self._encode = encode
        # An event gives way to its record.
        self._items: list[AuditEvent | Record] = [*events]

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [*map(self._at, range(*index.indices(len(self))))]
        return self._at(index)

    def __iter__(self) -> Iterator[Record]:
        return map(self._at, range(len(self)))

    def __repr__(self) -> str:
        return f"<Records of {len(self)} events>"

    def _at(self, index: int) -> Record:
        item = self._items[index]
        if isinstance(item, Record):
            return item

        record = self._items[index] = Record(
            event_id=item.event_id, body=partial(self._encode, item)
        )
        return record
