"""
How far a topic is read, for who goes on later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditlog.abc import Origin, Skipped

from .errors import TruncatedError
from .spans import Span


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .driver import Consumer


class Course:
    """
    Where each partition is read from, how far, and up to where.

    Args:
        place: Where an earlier one stood, or None.

        follows: Whether to read on to the ends of now.

    Attributes:
        spans: What is to be read.

        topic_id: The topic's id.
    """

    def __init__(
        self, place: Mapping[str, Any] | None, *, follows: bool
    ) -> None:
        before = (place or {}).get("partitions", {})
        self._before = {int(key): value for key, value in before.items()}
        self._is_new = place is None
        self._follows = follows
        self._next: dict[int, int] = {}
        self._gone: dict[int, int] = {}
        self.spans: list[Span] = []
        self.topic_id = ""

    def begin(self, consumer: Consumer, spans: list[Span]) -> None:
        """
        Fix where to read, which a new one does by *spans*.

        Raises:
            TruncatedError: If a partition ends before its place.
        """
        self.topic_id = consumer.topic_id
        numbers = [span.partition for span in spans]
        begins = consumer.begins(numbers)
        ends = {span.partition: span.end for span in spans}
        if not self._is_new and not self._follows:
            numbers = [*self._before]
            spans = []
        found = {span.partition: span for span in spans}
        self.spans = [
            self._span(number, found.get(number), begins, ends)
            for number in numbers
        ]
        self._next = {span.partition: span.start for span in self.spans}

    def _span(
        self,
        number: int,
        span: Span | None,
        begins: Mapping[int, int],
        ends: Mapping[int, int],
    ) -> Span:
        if number not in self._before:
            assert span is not None
            return span
        start, end = self._before[number]
        end = ends[number] if self._follows else end
        if ends[number] < max(start, end):
            raise TruncatedError
        if start < min(begins[number], end):
            self._gone[number] = start
            start = min(begins[number], end)
        return Span(number, start, end)

    def gone(self, topic: str) -> Iterator[Skipped]:
        """
        What the cluster deleted before it was read.
        """
        for number, offset in self._gone.items():
            origin = Origin(topic=topic, partition=number, offset=offset)
            reason = "deleted by the cluster before it was read"
            yield Skipped(
                place=f"{origin} to {self._next[number] - 1}",
                reason=reason,
                origin=origin,
            )

    def passed(self, messages: Iterable[Any]) -> Iterator[Any]:
        """
        *messages*, with a note of each.
        """
        offsets = self._next
        for message in messages:
            offsets[message.partition] = message.offset + 1
            yield message

    def end(self) -> None:
        """
        All is read; spans may end with what is no record.
        """
        self._next = {span.partition: span.end for span in self.spans}

    def place(self) -> dict[str, Any]:
        """
        Where it stands: by partition what comes next, and the end.
        """
        return {
            "partitions": {
                str(span.partition): [self._next[span.partition], span.end]
                for span in self.spans
            }
        }
