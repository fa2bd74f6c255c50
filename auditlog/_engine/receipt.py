"""
What a caller holds while an event is on its way, and how it waits.
"""

from __future__ import annotations

import contextlib
import threading
import time

from typing import TYPE_CHECKING

import attrs

from auditlog.errors import SinkTimeoutError


if TYPE_CHECKING:
    import asyncio

    from collections.abc import Generator, Sequence
    from uuid import UUID

    from auditlog._engine.buffer import Buffer
    from auditlog.errors import AuditLogError
    from auditlog.event import AuditEvent


@attrs.frozen(kw_only=True)
class Receipt:
    """
    Proof that an event is stored.

    Attributes:
        event_id: The event's id.

        sink:
            Which sink has it, by the name of its class: the publisher's own,
            or its *fallback* while that one is away.

    .. versionadded:: 0.1.0
    """

    event_id: UUID
    sink: str


class Gate:
    """
    Holds one thread until it is opened; lighter than an Event.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """
        Let the thread go on; a second time does nothing.
        """
        if self._lock.locked():
            # Another thread may open it at the same moment.
            with contextlib.suppress(RuntimeError):
                self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        """
        Wait until it is open, at most *timeout* seconds.
        """
        if timeout is None:
            return self._lock.acquire()
        timeout = min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        return self._lock.acquire(timeout=timeout)


def wake(waiters: Sequence[Gate | asyncio.Future[None]]) -> None:
    """
    Let everyone in *waiters* go on; one call into each event loop.
    """
    if not waiters:
        return
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        if isinstance(waiter, Gate):
            waiter.open()
        else:
            loops.setdefault(waiter.get_loop(), []).append(waiter)

    for loop, futures in loops.items():
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_finish, futures)


def _finish(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class PendingReceipt:
    """
    An event that was taken and is on its way to the sink.

    Resolves or fails, in any case; safe to drop. Awaitable, from the event
    loop that runs at that moment, by several tasks too.

    Attributes:
        event_id: The event's id.

    .. versionadded:: 0.1.0
    """

    __slots__ = (
        "_buffer",
        "_error",
        "_waiter",
        "_waiters",
        "at_sink",
        "event",
        "event_id",
        "number",
        "place",
        "since",
        "urgent",
        "weight",
        "withdrawn",
    )

    def __init__(
        self,
        event: AuditEvent,
        buffer: Buffer,
        *,
        weight: int,
        urgent: bool,
        waiter: Gate | asyncio.Future[None] | None = None,
    ) -> None:
        self.event_id = event.event_id
        # None once it is decided on, so that memory is free at once.
        self.event: AuditEvent | None = event
        self.weight = weight
        self.urgent = urgent
        # Its place among all that the buffer took.
        self.number = 0
        # When it was taken, by the buffer's clock.
        self.since = 0.0
        self.withdrawn = False
        self.at_sink = False
        # Where it is stored, if not where it belongs.
        self.place: str | None = None
        self._buffer = buffer
        self._error: AuditLogError | None = None
        # That of its owner, who alone waits then, and need not ask for it.
        self._waiter = waiter
        self._waiters = None if waiter is None else [waiter]

    def done(self) -> bool:
        """
        Whether the event is stored or given up.
        """
        return self.event is None

    def result(self, timeout: float | None = None) -> Receipt:
        """
        Wait until the event is stored.

        Args:
            timeout: Longest wait, in seconds; None waits for ever.

        Raises:
            SinkTimeoutError:
                If it isn't decided yet. The event stays on its way.

            EventRefusedError: If the sink will never take it.

            SinkError: If it was given up, such as at close.

            BufferFullError: If it was dropped.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error

        sink = self.place or self._buffer.sink
        return Receipt(event_id=self.event_id, sink=sink)

    def exception(self, timeout: float | None = None) -> AuditLogError | None:
        """
        Wait until the event is decided on; what went wrong, or None.

        Args:
            timeout: Longest wait, in seconds; None waits for ever.

        Raises:
            SinkTimeoutError: If it isn't decided yet.
        """
        if not self.wait(timeout):
            raise SinkTimeoutError(
                f"event {self.event_id} is not stored yet after {timeout:g} s"
            )
        if self._error is not None:
            self._buffer.seen(self)
        return self._error

    def wait(self, timeout: float | None) -> bool:
        """
        Wait until the event is decided on; whether it is.
        """
        if self.event is None:
            return True

        gate = self._waiter
        if not isinstance(gate, Gate):
            gate = Gate()
            if not self.watch(gate):
                return True
        if self._buffer.wait(gate.wait, timeout):
            return True

        with self._buffer.lock, contextlib.suppress(ValueError):
            (self._waiters or []).remove(gate)
        return self.done()

    def watch(self, waiter: Gate | asyncio.Future[None]) -> bool:
        """
        Have *waiter* woken when the event is decided on; False if it is.
        """
        with self._buffer.lock:
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            # Only now: a handler may have let others decide on it.
            if self.event is None:
                return False

            self._buffer.want(self.number)
            return True

    def decide(
        self, error: AuditLogError | None
    ) -> Sequence[Gate | asyncio.Future[None]] | None:
        """
        Set the outcome, under the buffer's lock; who has to be woken.

        Args:
            error: None if the event is stored.

        Returns:
            None if it was decided on before; that stands.
        """
        if self.event is None:
            return None
        self._error = error
        self.event = None
        waiters, self._waiters = self._waiters, None
        return waiters or ()

    def __await__(self) -> Generator[object, None, Receipt]:
        """
        As :meth:`result`, without blocking the event loop.
        """
        import asyncio  # noqa: PLC0415 - only where a loop runs

        future = self._waiter
        if not isinstance(future, asyncio.Future):
            future = asyncio.get_running_loop().create_future()
            if not self.watch(future):
                return self.result()
        yield from future
        return self.result()

    def __repr__(self) -> str:
        state = (
            "pending"
            if self.event is not None
            else "stored"
            if self._error is None
            else type(self._error).__name__
        )
        return f"<PendingReceipt {self.event_id} {state}>"


def remaining(deadline: float) -> float:
    """
    Seconds left until *deadline* on the monotonic clock, from 0 to the
    longest that a thread can wait.
    """
    return min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX)
