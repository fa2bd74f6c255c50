"""
The bounded queue in memory between the callers and the worker.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from auditlog._engine.gap import Gap
from auditlog._engine.receipt import (
    Gate,
    PendingReceipt,
    remaining,
    wake,
)
from auditlog.codec import weigh
from auditlog.errors import PublisherClosedError, SinkError


if TYPE_CHECKING:
    import asyncio

    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from auditlog.errors import BufferFullError
    from auditlog.event import AuditEvent


# Refusals that nobody asked for yet; those beyond that were only logged.
MAX_UNSEEN = 1_000

# Shortest time between two batches that nobody waits for, in seconds. Under
# load a batch for each event or two would cost the application more than
# building and handing over all of them.
LINGER = 0.02

# How long the worker waits for one more of the callers that it has answered
# to come again, in seconds.
AGAIN = 0.0002

# How long a handler lets others have the lock until it looks again, in
# seconds.
TURN = 0.002


class Counts(NamedTuple):
    """
    What became of events; see `PublisherStats`.
    """

    closed: bool
    accepted: int
    stored: int
    refused: int
    given_up: int
    dropped: int
    waiting: int
    waiting_bytes: int
    oldest_age: float | None


class Buffer:
    """
    Takes events from any thread and gives them to one worker in batches.

    What counts against the bounds is everything that isn't decided on, the
    batch at the sink included.

    A signal handler or a finalizer may interrupt a thread that is in here and
    call in again; one that waits lets other threads in, see `wait`. So what
    belongs together is done between two calls, where no handler runs.

    Args:
        max_events: At most so many events.

        max_bytes:
            At most so many bytes of events, by their weights. A single larger
            event is taken when nothing else is there.

        name: That of the publisher, for the event that tells of a gap.

        lifecycle:
            Makes the events that tell of ``Start``, ahead of the first
            event, and of ``Stop``; None for neither.

    Attributes:
        dropped: How many events were dropped so far.
    """

    def __init__(
        self,
        *,
        sink: str,
        max_events: int,
        max_bytes: int,
        name: str,
        lifecycle: Callable[[str], AuditEvent] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.sink = sink
        # Reentrant, for handlers whose own thread is in here.
        self.lock = threading.RLock()
        self._others = threading.Condition(self.lock)
        self.events = 0
        self.bytes = 0
        self.closed = False
        self.last_error: Exception | None = None
        self._queue: deque[PendingReceipt] = deque()
        self._batch: list[PendingReceipt] = []
        self._taken = 0
        self._worker: Gate | None = None
        # Whether it only waits for more to come.
        self._lingers = False
        # How many callers the batch has, and how many are to share the next.
        self._answered = self._together = 0
        # Somebody waits for an event of that number, or a later one.
        self._wanted = 0
        self._full = (max_events, max_bytes)
        self._took_at = -LINGER
        self._watchers: list[Gate | asyncio.Future[None]] = []
        self._unseen: dict[UUID, SinkError] = {}
        self._name = name
        self._gap: Gap | None = None
        self._clock = clock
        self._lifecycle = lifecycle
        self._starts = lifecycle is not None
        self._last_words = 0
        self.dropped = 0
        self._stored = 0
        self._refused = 0

    # What callers do

    def offer(
        self,
        event: AuditEvent,
        *,
        weight: int,
        urgent: bool,
        waiter: Gate | asyncio.Future[None] | None = None,
    ) -> PendingReceipt | None:
        """
        Take *event*; None if there is no room.

        Args:
            weight: Its bytes in memory, roughly.

            urgent: Whether a caller waits and wants to hear of trouble.

            waiter:
                Woken, if there is no room, when there may be some; and if
                the caller waits, when the event is decided on.

        Raises:
            PublisherClosedError: If it was closed.
        """
        receipt = PendingReceipt(
            event,
            self,
            weight=weight,
            urgent=urgent,
            waiter=waiter if urgent else None,
        )
        with self.lock:
            if self.closed:
                raise PublisherClosedError
            if self.events and (
                self.events >= self.max_events
                or self.bytes + weight > self.max_bytes
            ):
                self._want_room(waiter)
                return None
            if self._starts:
                self._tell_start()
            if self._gap is not None:
                self._close_gap()
            self._append(receipt)
            # The worker removes it: were it removed here, a signal handler
            # that raises before open() would leave the worker asleep.
            worker = self._worker
            if urgent:
                # A signal handler may have come first, with a later number.
                self._wanted = self._taken
                if len(self._queue) < self._together:
                    worker = None
            elif self._lingers and not self._is_full():
                worker = None
        if worker is not None:
            worker.open()
        return receipt

    def _want_room(self, waiter: Gate | asyncio.Future[None] | None) -> None:
        if waiter is not None:
            self._watchers.append(waiter)
        self._wanted = self._taken
        if self._worker is not None:
            self._worker.open()

    def want(self, number: int) -> None:
        """
        Somebody waits for the event of that *number*.
        """
        with self.lock:
            self._want(number)

    def _want(self, number: int) -> None:
        if number <= self._wanted:
            return
        self._wanted = number
        if self._worker is not None:
            self._worker.open()

    def _is_full(self) -> bool:
        """
        Whether there is enough for a batch.
        """
        events, size = self._full
        return len(self._queue) >= events or self.bytes >= size

    def drop(
        self, event: AuditEvent, error: BufferFullError
    ) -> tuple[PendingReceipt, bool]:
        """
        Count *event* instead of taking it, and fail its receipt.

        What comes in next is preceded by an event that tells of the gap.

        Returns:
            The receipt, and whether a gap begins with it.

        Raises:
            PublisherClosedError: If it was closed meanwhile.
        """
        receipt = PendingReceipt(event, self, weight=0, urgent=False)
        receipt.decide(error)
        fresh = Gap.of(event)
        with self.lock:
            begins = self._widen_gap(fresh)
            worker = self._worker
        if begins and worker is not None:  # it may be drained already
            worker.open()
        return receipt, begins

    def _widen_gap(self, more: Gap) -> bool:
        """
        Whether one begins.
        """
        while True:
            gap = self._gap
            wider = more if gap is None else gap + more
            if self.closed:
                raise PublisherClosedError
            if self._gap is gap:
                self._gap = wider
                self.dropped += 1
                return gap is None

    def _close_gap(self) -> None:
        while (gap := self._gap) is not None:
            self._append(self._own(gap.event(self._name)), instead_of=gap)

    def _tell_start(self) -> None:
        # The room of the event that comes next was found already: this one
        # takes none from the callers.
        self._starts = False
        assert self._lifecycle is not None
        self._append(self._own(self._lifecycle("Start")))

    def _own(
        self, event: AuditEvent, *, urgent: bool = False
    ) -> PendingReceipt:
        return PendingReceipt(event, self, weight=weigh(event), urgent=urgent)

    def _append(
        self, receipt: PendingReceipt, *, instead_of: Gap | None = None
    ) -> None:
        """
        Put *receipt* into the queue, unless that is closed meanwhile.

        The worker goes on until the gap is told of, so that is taken.
        """
        receipt.since = self._clock()
        if instead_of is None:
            if self.closed:
                raise PublisherClosedError
        elif self._gap is instead_of:
            self._gap = None
        else:
            return
        self.events += 1
        self.bytes += receipt.weight
        self._taken += 1
        receipt.number = self._taken
        self._queue.append(receipt)

    def withdraw(self, receipt: PendingReceipt, error: SinkError) -> bool:
        """
        Give *receipt* up; whether it never came near the sink.

        If a write of it is under way, that one may still store it.
        """
        with self.lock:
            if receipt.done():
                return False
            receipt.withdrawn = True
            if receipt.at_sink:
                return False
            waiters = self._decide([receipt], error)
            # Not there if it was taken for the next write already.
            with contextlib.suppress(ValueError):
                self._queue.remove(receipt)
            watchers, self._watchers = self._watchers, []
        wake([*waiters, *watchers])
        return True

    def forget(self, waiter: Gate | asyncio.Future[None]) -> None:
        """
        Nobody waits for room with *waiter* any more.
        """
        with self.lock, contextlib.suppress(ValueError):
            self._watchers.remove(waiter)

    def mark(self) -> int:
        """
        The number of events taken so far, for :meth:`passed`.

        The one that tells of the end is not counted: nobody waits for it.
        """
        with self.lock:
            # Not again and again: each gap takes room of its own.
            if self._gap is not None and self.events <= self.max_events:
                self._close_gap()
            return self._taken - self._last_words

    def passed(self, mark: int) -> int:
        """
        How many of the first *mark* events are not decided on.
        """
        with self.lock:
            left = [*self._batch, *self._queue]
        return sum(receipt.number <= mark for receipt in left)

    def seen(self, receipt: PendingReceipt) -> None:
        """
        Somebody learned that *receipt* failed.
        """
        with self.lock:
            self._unseen.pop(receipt.event_id, None)

    def unseen(self) -> Mapping[UUID, SinkError]:
        """
        The refusals that nobody learned of; they are returned once.
        """
        with self.lock:
            unseen, self._unseen = self._unseen, {}
        return unseen

    # What the worker does

    def take(
        self, max_events: int, max_bytes: int, *, wait: bool = True
    ) -> list[PendingReceipt]:
        """
        The next batch; waits for one. Empty once closed and drained.

        What nobody waits for lingers, unless there is enough of it.
        """
        self._full = (max_events, max_bytes)
        if wait:
            self._gather()
        while True:
            gate = Gate()
            with self.lock:
                if not self._queue:
                    self._close_gap()
                # At first: a finalizer could publish at any of the calls.
                self._worker, self._lingers = gate, False
                pause = self._pause() if wait else 0.0
                if pause == 0.0:
                    self._worker = None
                    self._took_at = self._clock()
                    return self._next(max_events, max_bytes)
                self._lingers = pause is not None
            gate.wait(pause)

    def _gather(self) -> None:
        """
        Let callers that were just answered come again, as long as they do.

        Or those who came meanwhile would get a write of their own, and two
        groups would wait for each other's writes, by turns and for ever.
        """
        together = self._answered + len(self._queue)
        if not self._answered or together == 1 or self._is_full():
            return
        gate, before = Gate(), -1
        with self.lock:
            if self.closed:
                return
            self._worker, self._lingers = gate, True
            self._together = together
        while before < (now := len(self._queue)) < together:
            if gate.wait(AGAIN):
                break
            before = now
        self._together = 0

    def _pause(self) -> float | None:
        """
        How long the worker may still wait for more; None if there is nothing.
        """
        if self.closed:
            return 0.0
        if not self._queue:
            return None
        if self._queue[0].number <= self._wanted or self._is_full():
            return 0.0
        return max(self._took_at + LINGER - self._clock(), 0.0)

    def _next(self, max_events: int, max_bytes: int) -> list[PendingReceipt]:
        batch: list[PendingReceipt] = []
        ids: set[int] = set()  # a UUID itself takes long to hash
        size = 0
        while self._queue and len(batch) < max_events:
            receipt = self._queue[0]
            size += receipt.weight
            number = receipt.event_id.int
            # A sink answers by id: the same one waits for the next batch.
            if batch and (size > max_bytes or number in ids):
                break
            ids.add(number)
            batch.append(self._queue.popleft())
        self._batch = batch
        self._answered = sum(receipt.urgent for receipt in batch)
        return batch

    def start(self, batch: Iterable[PendingReceipt]) -> list[PendingReceipt]:
        """
        Those of *batch* that are still wanted; they are at the sink now.
        """
        wanted = []
        waiters = []
        with self.lock:
            for receipt in batch:
                if receipt.event is None:
                    continue
                if receipt.withdrawn:
                    waiters += self._decide([receipt], _given_up(receipt))
                    continue
                receipt.at_sink = True
                wanted.append(receipt)
        wake(waiters)
        return wanted

    def store(self, batch: Sequence[PendingReceipt], place: str) -> None:
        """
        All of *batch* are stored in the sink that *place* names.
        """
        with self.lock:
            self.last_error = None
            if place != self.sink:
                for receipt in batch:
                    receipt.place = place
            waiters = self._decide(batch, None)
        wake(waiters)

    def refuse(self, receipt: PendingReceipt, error: SinkError) -> None:
        """
        *receipt* will never be stored.
        """
        with self.lock:
            if not receipt.urgent and len(self._unseen) < MAX_UNSEEN:
                self._unseen[receipt.event_id] = error
            self._refused += not receipt.done()
            waiters = self._decide([receipt], error)
        wake(waiters)

    def put_back(
        self,
        batch: Iterable[PendingReceipt],
        cause: Exception,
        *,
        hopeless: SinkError | None,
    ) -> None:
        """
        *batch* left the sink, nothing is known to be stored.

        Args:
            cause: Why.

            hopeless: Those that a caller waits for fail with it.
        """
        waiters = []
        with self.lock:
            self.last_error = cause
            for receipt in batch:
                receipt.at_sink = False
                if receipt.withdrawn or (hopeless and receipt.urgent):
                    waiters += self._decide(
                        [receipt], hopeless or _given_up(receipt)
                    )
        wake(waiters)

    def leave(self) -> None:
        """
        All of the batch that was taken is decided on.
        """
        with self.lock:
            self._batch = []
            watchers, self._watchers = self._watchers, []
        wake(watchers)

    def _decide(
        self, receipts: Iterable[PendingReceipt], error: SinkError | None
    ) -> list[Gate | asyncio.Future[None]]:
        waiters: list[Gate | asyncio.Future[None]] = []
        for receipt in receipts:
            waiting = receipt.decide(error)
            if waiting is not None:
                self.events -= 1
                self.bytes -= receipt.weight
                self._stored += error is None
                waiters += waiting
        return waiters

    # How it ends

    def counts(self) -> Counts:
        """
        What became of all events so far; waits for nobody.
        """
        with self.lock:
            return Counts(
                closed=self.closed,
                accepted=self._taken,
                stored=self._stored,
                refused=self._refused,
                given_up=(
                    self._taken - self._stored - self._refused - self.events
                ),
                dropped=self.dropped,
                waiting=self.events,
                waiting_bytes=self.bytes,
                oldest_age=self._oldest_age(),
            )

    def _oldest_age(self) -> float | None:
        # Those in the batch came before those in the queue.
        for receipt in chain(self._batch, self._queue):
            if receipt.event is not None:
                return max(self._clock() - receipt.since, 0.0)
        return None

    def close(self, *, tell: bool = False) -> None:
        """
        Take nothing more; the worker ends when all is decided on.

        Args:
            tell: Whether to tell of the end, if the start was told of.
        """
        with self.lock:
            if tell:
                with contextlib.suppress(PublisherClosedError):
                    self._tell_stop()
            self.closed = True
            worker = self._worker
        if worker is not None:
            worker.open()

    def _tell_stop(self) -> None:
        lifecycle = self._lifecycle
        if self._starts or lifecycle is None:
            return
        self._lifecycle = None  # a handler may close it, too
        self._close_gap()
        # Urgent: it is given up soon, and no one has to hear of that.
        self._append(self._own(lifecycle("Stop"), urgent=True))
        self._last_words = 1

    def abandon(self, error: SinkError) -> None:
        """
        Give up all that isn't decided on; what is at the sink may be stored.
        """
        with self.lock:
            waiters = self._decide([*self._batch, *self._queue], error)
        wake(waiters)

    def wait_passed(self, mark: int, deadline: float) -> int:
        """
        Wait until the first *mark* events are decided on; how many aren't.
        """
        while True:
            gate = Gate()
            with self.lock:
                self._watchers.append(gate)
                left = self.passed(mark)
                self._want(mark)
            worker = self._worker
            if worker is not None:
                worker.open()
            if not left or not self.wait(gate.wait, remaining(deadline)):
                self.forget(gate)
                return self.passed(mark)

    def wait(
        self, comes: Callable[[float | None], bool], timeout: float | None
    ) -> bool:
        """
        Wait for what another thread does and may need the lock for.

        Usually this thread hasn't got it. A handler that interrupted it in
        here has, and lets others have it again and again.

        Args:
            comes: Waits that many seconds at most; whether it came.

            timeout: Longest wait, in seconds; None waits for ever.
        """
        try:
            self._others.notify(0)
        except RuntimeError:  # this thread hasn't got it
            return comes(timeout)
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not comes(0.0):
            left = end - time.monotonic()
            self._others.wait(min(max(left, 0.0), TURN))
            if left <= 0.0:
                return comes(0.0)
        return True


def _given_up(receipt: PendingReceipt) -> SinkError:
    return SinkError(f"event {receipt.event_id} was withdrawn by its caller")
