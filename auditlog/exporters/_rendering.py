"""
What the files of an exporter consist of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditlog._pages import Page

    from ._tally import Tally


class Rendering(ABC):
    """
    Makes rows of records, and knows what stands around them in each file.

    Attributes:
        head: What a file begins with.

        of_bodies: Whether rows are made of bodies, and records hardly needed.
    """

    head = b""
    of_bodies = False

    @abstractmethod
    def rows(self, page: Page, tally: Tally) -> list[Any]:
        """
        The rows of those of a *page* that can be read; all are counted.
        """

    @abstractmethod
    def joined(self, rows: list[Any], *, first: bool) -> bytes:
        """
        The bytes of *rows*.

        Args:
            rows: Some rows; not none.

            first: Whether they are the first in their file.
        """

    def foot(self, *, empty: bool) -> bytes:  # noqa: ARG002
        """
        What a file ends with, also if it is *empty*.
        """
        return b""

    def warnings(self, tally: Tally) -> Iterator[str]:  # noqa: ARG002
        """
        What a person should know about the rows.
        """
        yield from ()


class Lines(Rendering):
    """
    A row is a line of bytes.
    """

    def joined(self, rows: list[bytes], *, first: bool) -> bytes:  # noqa: ARG002
        """
        See `Rendering.joined()`.
        """
        return b"\n".join([*rows, b""])
