"""
A sink that fails on command, to see what becomes of the events.
"""

from __future__ import annotations

import threading

from collections import deque
from typing import TYPE_CHECKING

from auditlog.errors import PartialWriteError, SinkUnavailableError


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditlog.abc import Record, Sink
    from auditlog.errors import SinkError


class FaultySink:
    """
    Hands batches on to another sink, and fails when told to.

    Each fault applies to one write, in the order in which they were told.

    Args:
        sink: Where batches go that meet no fault.

    Attributes:
        batches: Every batch that was ever handed over, also in vain.

    .. versionadded:: 0.1.0
    """

    def __init__(self, sink: Sink, /) -> None:
        self.sink = sink
        self.batches: list[list[Record]] = []
        self.closed = 0
        self._faults: deque[Callable[[Sequence[Record]], None]] = deque()
        self._refused: Callable[[Record], SinkError | None] = lambda _: None
        self._flowing = threading.Event()
        self._flowing.set()
        self.arrived = threading.Semaphore(0)

    def fail(self, error: Exception | None = None, *, times: int = 1) -> None:
        """
        Store nothing and raise *error* for the next *times* writes.
        """

        def fault(_: Sequence[Record]) -> None:
            raise error or SinkUnavailableError("told to fail")

        self._faults.extend([fault] * times)

    def forget_answer(self) -> None:
        """
        Store the next batch and then raise, as a connection cut after COMMIT.
        """

        def fault(records: Sequence[Record]) -> None:
            self.sink.write(records)
            raise SinkUnavailableError("told to cut the connection")

        self._faults.append(fault)

    def half_write(self) -> None:
        """
        Store the first half of the next batch and say so.
        """

        def fault(records: Sequence[Record]) -> None:
            half = records[: len(records) // 2]
            if half:
                self.sink.write(half)
            raise PartialWriteError([r.event_id for r in half], {})

        self._faults.append(fault)

    def lose(self) -> None:
        """
        Drop the next batch and return: a sink that breaks its promise.
        """
        self._faults.append(lambda _: None)

    def refuse(self, refused: Callable[[Record], SinkError | None]) -> None:
        """
        Raise, for every batch with a record for which *refused* is an error,
        that error, and store nothing.
        """
        self._refused = refused

    def stall(self) -> None:
        """
        Let writes wait until :meth:`flow`.
        """
        self._flowing.clear()

    def flow(self) -> None:
        """
        Let writes go on.
        """
        self._flowing.set()

    def write(self, records: Sequence[Record], /) -> None:
        """
        Meet the next fault, or hand *records* on.
        """
        self.batches.append(list(records))
        self.arrived.release()
        self._flowing.wait()
        for record in records:
            error = self._refused(record)
            if error is not None:
                raise error
        if self._faults:
            self._faults.popleft()(records)
        else:
            self.sink.write(records)

    def close(self) -> None:
        """
        Count the call.
        """
        self.closed += 1
