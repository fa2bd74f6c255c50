"""
Takes batches from the buffer and sees them into the sink.
"""

from __future__ import annotations

import contextlib
import logging
import time

from typing import TYPE_CHECKING
from uuid import UUID

from auditlog._engine.failures import FailureLog, describe
from auditlog._engine.records import Records
from auditlog._engine.retry import Patience
from auditlog.errors import (
    EventRefusedError,
    PartialWriteError,
    SinkError,
    SinkSetupError,
)


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from auditlog._engine.buffer import Buffer
    from auditlog._engine.receipt import PendingReceipt
    from auditlog._engine.records import Items
    from auditlog.abc import Record, Sink
    from auditlog.event import AuditEvent


log = logging.getLogger("auditlog.publisher")

# Longest pause between two tries, in seconds, once the publisher is closed.
PRESSED = 0.2


class Worker:
    """
    Writes batches, again and again until each event is decided on.

    Concurrent callers share a write: whatever came while one write was under
    way goes into the next.

    Args:
        place: The name of the sink that the last write went to.

        encode: What makes an event's body.

        after_write: Called after something was stored.

    Attributes:
        failures: What failed, and since when.
    """

    def __init__(
        self,
        buffer: Buffer,
        sink: Sink,
        *,
        place: Callable[[], str],
        encode: Callable[[AuditEvent], bytes],
        name: str,
        batch_events: int,
        batch_bytes: int,
        after_write: Callable[[], None],
    ) -> None:
        self._buffer = buffer
        self._sink = sink
        self._place = place
        self._encode = encode
        self._name = name
        self._batch_events = batch_events
        self._batch_bytes = batch_bytes
        self._after_write = after_write
        self._refused: dict[str, SinkError] = {}
        self._called = buffer.sink
        self._draining = False
        self._logger: logging.Logger = getattr(sink, "logger", log)
        self.failures = FailureLog(
            self._logger,
            who=f"publisher {name!r}",
            waiting=lambda: buffer.events,
        )
        self._patience = Patience(self.failures)

    def run(self) -> None:
        """
        Work until the buffer is closed and drained, or stopped.
        """
        while not self._patience.stopped and (batch := self._take()):
            self._see_through(batch)

    def drain(self, deadline: float) -> None:
        """
        Store what is queued in the caller's thread, without trying again.

        For the end of the process, when the thread can't be started.
        """
        self._draining = True
        self._patience.stop()
        while batch := self._take(wait=False):
            self._see_through(batch)
            if time.monotonic() >= deadline:
                break

    def hurry(self) -> None:
        """
        Try again at once.
        """
        self._patience.hurry()

    def press(self) -> None:
        """
        Try again at once and then often: little time is left.
        """
        self._patience.longest = PRESSED
        self._patience.hurry()

    def stop(self) -> None:
        """
        End after the write that is under way; the rest is not decided on.
        """
        self._patience.stop()

    def _take(self, *, wait: bool = True) -> list[PendingReceipt]:
        return self._buffer.take(
            self._batch_events, self._batch_bytes, wait=wait
        )

    def _see_through(self, batch: list[PendingReceipt]) -> None:
        # Now, as a close that doesn't wait takes the events away.
        items: Items = {
            receipt: event
            for receipt in batch
            if (event := receipt.event) is not None
        }
        try:
            self._patience.insist(lambda: self._try(batch, items))
        except BaseException as exc:  # whoever waits hears it
            error = SinkError(f"given up: {describe(exc)}")
            error.__cause__ = exc
            for receipt in batch:
                if not receipt.done():
                    self._buffer.refuse(receipt, error)
            if self._interrupts(exc):
                raise
        finally:
            # Before flush() goes on, so that what it raises was logged.
            self._tell_refused()
            self._buffer.leave()

    def _try(self, batch: list[PendingReceipt], items: Items) -> None:
        """
        Write *batch*; raise only what somebody waits for another try of.
        """
        try:
            self._write(batch, items)
        except Exception as exc:
            if not all(receipt.done() for receipt in batch):
                raise
            self.failures.failed(exc)

    def _write(self, batch: list[PendingReceipt], items: Items) -> None:
        """
        Decide on all of *batch*, or raise what may pass.
        """
        while pending := self._buffer.start(batch):
            records = Records(pending, items, self._encode)
            try:
                self._sink.write(records)
            except PartialWriteError as exc:
                self._settle(pending, exc)
                if not any(receipt.done() for receipt in pending):
                    self._buffer.put_back(pending, exc, hopeless=None)
                    raise SinkError(
                        f"{self._called} decided on no event: {exc}"
                    ) from exc
            except EventRefusedError as exc:
                self._isolate(pending, items, exc)
            except BaseException as exc:
                if self._interrupts(exc):
                    raise
                if self._refuse_bodiless(pending, records):
                    continue
                error = self._named(exc)
                hopeless = error if _is_hopeless(exc) else None
                self._buffer.put_back(pending, error, hopeless=hopeless)
                raise error  # noqa: B904 - it has its cause
            else:
                self._buffer.store(pending, self._place())
                self.failures.worked()
                self._after_write()
                return

    def _interrupts(self, exc: BaseException) -> bool:
        """
        Whether it is meant for the caller, whose thread this is, as Ctrl-C.

        In a thread of ours even a SystemExit is a fault of the sink, which
        must cost no event.
        """
        return self._draining and not isinstance(exc, Exception)

    def _named(self, exc: BaseException) -> SinkError:
        if isinstance(exc, SinkError):
            return exc

        error = SinkError(f"{self._called} raised {type(exc).__name__}")
        error.__cause__ = exc
        return error

    def _refuse_bodiless(
        self, pending: Iterable[PendingReceipt], records: Iterable[Record]
    ) -> bool:
        """
        Give up what the codec fails on; whether there was any.
        """
        found = False
        for receipt, record in zip(pending, records, strict=True):
            if receipt.done():
                continue
            try:
                _ = record.body
            except Exception as exc:  # noqa: BLE001 - it concerns one
                self._refuse(receipt, _no_body(record, exc))
                found = True
        return found

    def _settle(
        self, pending: Iterable[PendingReceipt], exc: PartialWriteError
    ) -> None:
        # A sink may say anything, also what has no hash.
        told: tuple[object, ...] = exc.stored
        stored = {each for each in told if isinstance(each, UUID)}
        done = [r for r in pending if r.event_id in stored]
        self._buffer.store(done, self._place())
        for receipt in pending:
            if receipt.done():
                continue
            if receipt.event_id in exc.failed:
                self._refuse(receipt, self._reason(receipt, exc))
        if stored:
            self._after_write()

    def _reason(
        self, receipt: PendingReceipt, exc: PartialWriteError
    ) -> SinkError:
        """
        Why an event was refused, also if the sink says it in a foreign way.
        """
        found: object = exc.failed[receipt.event_id]
        if isinstance(found, SinkError):
            return found

        error = EventRefusedError(
            f"{self._called} refuses event {receipt.event_id} and gives "
            f"no SinkError as its reason (got {type(found).__name__})"
        )
        error.__cause__ = found if isinstance(found, Exception) else exc
        return error

    def _isolate(
        self,
        pending: list[PendingReceipt],
        items: Items,
        exc: EventRefusedError,
    ) -> None:
        """
        Find the event that is refused, so that it alone is given up.
        """
        if len(pending) == 1:
            self._refuse(pending[0], exc)
            return
        for receipt in pending:
            self._write([receipt], items)

    def _refuse(self, receipt: PendingReceipt, error: SinkError) -> None:
        self._refused[str(receipt.event_id)] = error
        self.failures.remember(error)
        self._buffer.refuse(receipt, error)

    def _tell_refused(self) -> None:
        """
        One line for a whole batch of refusals.
        """
        refused, self._refused = self._refused, {}
        if not refused:
            return
        # A logging handler that raises must not end the worker.
        with contextlib.suppress(Exception):
            self._logger.error(
                "Refused for good: %s audit events of publisher %r, "
                "the first, %s, because: %s",
                len(refused),
                self._name,
                *next(iter(refused.items())),
                extra={"auditlog_event_ids": list(refused)},
            )


def _no_body(record: Record, exc: Exception) -> SinkError:
    error = EventRefusedError(
        f"event {record.event_id} has no body: {describe(exc)}"
    )
    error.__cause__ = exc
    return error


def _is_hopeless(exc: BaseException) -> bool:
    """
    Whether a caller who waits should hear of it at once, instead of its
    timeout.
    """
    if isinstance(exc, (SinkError, OSError)):
        return isinstance(exc, SinkSetupError)
    return True
