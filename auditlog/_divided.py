"""
Sources that several processes read at once, each a stretch of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable


if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from auditlog.abc import Reader
    from auditlog.query import EventQuery


@runtime_checkable
class DivisibleReader(Protocol):
    """
    A reader whose source can be read in stretches; it can be pickled.
    """

    def stretches(self, query: EventQuery, /) -> Generator[Any] | None:
        """
        What names each stretch, and can be pickled.

        What is read of one after another is what ``scan()`` gives, in the
        same order; the end is fixed by the first.

        Returns:
            None if what *query* asks for can't be divided.

        Raises:
            ReadError: If the source can't be read.
        """

    def opened(self) -> AbstractContextManager[Callable[[Any], Reader]]:
        """
        Makes readers of stretches, one to be read at a time.

        Raises:
            ReadError: If the source can't be read.
        """
