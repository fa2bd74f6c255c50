"""
Counts down what a query's limit leaves, for who goes on later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditlog.abc import Record, Skipped


if TYPE_CHECKING:
    from collections.abc import Iterator


class Limited:
    """
    The same items; knows how many events of a limit are left.

    Args:
        items: Not more than *limit* allows.

        limit: The limit, or None, which costs nothing.

    Attributes:
        left: What is left of the limit.
    """

    def __init__(
        self, items: Iterator[Record | Skipped], limit: int | None
    ) -> None:
        self._items = items
        self.left = limit

    def __iter__(self) -> Iterator[Record | Skipped]:
        """
        The items; closing it closes them.
        """
        return self._items if self.left is None else self._counted()

    def _counted(self) -> Iterator[Record | Skipped]:
        assert self.left is not None
        for item in self._items:
            self.left -= isinstance(item, Record)
            yield item
