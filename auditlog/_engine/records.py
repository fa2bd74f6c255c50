"""
What a sink is given of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, overload

from auditlog.abc import Record


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from auditlog._engine.receipt import PendingReceipt
    from auditlog.event import AuditEvent


Items: TypeAlias = "dict[PendingReceipt, AuditEvent | Record]"


class Records(Sequence[Record]):
    """
    The records of some events, each made when it is first asked for.

    So that a sink can send some of them while it makes the next.

    Args:
        receipts: Whose records, in order.

        items:
            The events. Each gives way to its record, so that what has to be
            written again is not made again.

        encode: What makes an event's body.
    """

    def __init__(
        self,
        receipts: Sequence[PendingReceipt],
        items: Items,
        encode: Callable[[AuditEvent], bytes],
    ) -> None:
        self._receipts = receipts
        self._items = items
        self._encode = encode

    def __len__(self) -> int:
        return len(self._receipts)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [*map(self._of, self._receipts[index])]
        return self._of(self._receipts[index])

    def __iter__(self) -> Iterator[Record]:
        return map(self._of, self._receipts)

    def __repr__(self) -> str:
        return f"<Records of {len(self)} events>"

    def _of(self, receipt: PendingReceipt) -> Record:
        item = self._items[receipt]
        if isinstance(item, Record):
            return item

        record = self._items[receipt] = Record(
            event_id=item.event_id, body=partial(self._encode, item)
        )
        return record
