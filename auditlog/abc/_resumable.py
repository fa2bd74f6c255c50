"""
Readers that go on where they were, in another process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from auditlog.query import EventQuery

    from ._records import Record, Skipped


@attrs.frozen(kw_only=True)
class ResumableScan:
    """
    What a reader gives to who may have to go on later, in another process.

    Attributes:
        items:
            As :meth:`Reader.scan` gives them. They end where the source
            ended when the scan was begun, however often it is resumed.

        source:
            What is read, in a few words for each of its properties. Another
            one, such as a topic that was created anew, differs.

        place:
            Gives the place behind the last of the *items* that were taken:
            what JSON can hold, in objects with names for members.

    .. versionadded:: 0.1.0
    """

    items: Iterator[Record | Skipped]
    source: Mapping[str, str]
    place: Callable[[], Mapping[str, Any]]


@runtime_checkable
class ResumableReader(Protocol):
    """
    A reader that can go on at a place, without reading what is before it.

    .. versionadded:: 0.1.0
    """

    def begin_scan(self, query: EventQuery, /) -> ResumableScan:
        """
        Everything that matches *query*; its end is fixed now.

        Raises:
            ReadError: If the source can't be read, or not in this order.
        """

    def resume_scan(
        self, query: EventQuery, place: Mapping[str, Any], /
    ) -> ResumableScan:
        """
        What comes behind *place*, up to the end that was fixed.

        What is gone meanwhile is told as :class:`Skipped`.

        Raises:
            ReadError:
                If the source can't be read, or isn't the one that the place
                is of.
        """


@runtime_checkable
class FollowableReader(ResumableReader, Protocol):
    """
    A reader whose source grows at its end only, so that it can be followed.

    .. versionadded:: 0.1.0
    """

    def follow_scan(
        self, query: EventQuery, place: Mapping[str, Any] | None, /
    ) -> ResumableScan:
        """
        What came since *place*, or everything; its end is fixed now.

        No event appears later before the place where this one ends.

        Raises:
            ReadError: As :meth:`ResumableReader.resume_scan`.
        """
