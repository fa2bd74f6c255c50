"""
Reading that goes on with whatever comes.
"""

from __future__ import annotations

import threading

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from auditlog.errors import QueryError


if TYPE_CHECKING:
    from auditlog.abc import Reader, Record, Skipped
    from auditlog.query import EventQuery


class LiveEvents(Iterator["Record"]):
    """
    The result of a reader's ``follow()``: what there is, then what comes.

    An iterator that waits for the next event instead of ending. It ends when
    it is closed, by whichever thread, or when *limit* of its query is
    reached. A context manager that closes itself; give it to one thread at a
    time.

    Attributes:
        reader: Where the events come from.

        query: Which of them.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self, reader: Reader, query: EventQuery, *, interval: float = 0.5
    ) -> None:
        if query.order != "oldest":
            raise QueryError("what is new comes last; follow 'oldest' first")
        if not interval > 0:
            raise QueryError(f"'interval' must be above 0 (got {interval!r})")
        self.reader = reader
        self.query = query
        self._interval = interval
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self._source = reader.watch(query)
        # So that the source is at hand, and its end now is known.
        self._first: Record | Skipped | None = next(self._source, None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        for item in self.scan():
            if not _is_skipped(item):
                return item  # type: ignore[return-value]
        raise StopIteration

    def scan(self) -> Iterator[Record | Skipped]:
        """
        The events and, in between, what was passed over; waits as well.
        """
        while (item := self._next()) is not None:
            yield item

    def _next(self) -> Record | Skipped | None:
        with self._reading:
            item, self._first = self._first, None
            if self._closed.is_set():
                item = None
            while item is None and not self._closed.is_set():
                item = next(self._source, _END)
                if item is None:
                    self._closed.wait(self._interval)
        if item is _END:
            self._closed.set()
        self._release()
        return None if item is _END else item

    def close(self) -> None:
        """
        End, and release what is held; callable from any thread, or again.

        An iteration that waits ends within a second or so.
        """
        self._closed.set()
        self._release()

    def _release(self) -> None:
        # Whoever reads at this moment releases when done.
        if self._closed.is_set() and self._reading.acquire(blocking=False):
            try:
                self._source.close()
            finally:
                self._reading.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "open"
        return f"<LiveEvents of {self.reader!r} {state} {self.query!r}>"


_END: Any = object()


def _is_skipped(item: Record | Skipped) -> bool:
    return not hasattr(item, "event_id")
