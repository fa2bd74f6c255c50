"""
Copies a journal into another sink: in order, at least once, resuming.
"""

from __future__ import annotations

import logging
import math
import threading
import time

from functools import partial
from typing import TYPE_CHECKING

import attrs

from auditlog._engine import retry
from auditlog._engine.failures import FailureLog, describe
from auditlog._engine.process import tell_after_fork
from auditlog._engine.receipt import remaining
from auditlog._engine.retry import Patience
from auditlog.abc import DeadLetter
from auditlog.errors import (
    AuditLogError,
    EventRefusedError,
    JournalError,
    LeaseLostError,
    PartialWriteError,
    SinkError,
    SinkTimeoutError,
)
from auditlog.stats import RelayStats


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditlog.abc import Journal, Lease, Record, Sink


log = logging.getLogger("auditlog.relay")

# Seconds between two looks at a journal: busy at first, then ever rarer.
BUSY = 0.05
IDLE = 1.0
# Seconds between two tries to get a lease that another process holds.
STANDBY = 5.0


class Relay:
    """
    Copies a journal into a sink, in a thread of its own or in the caller's.

    Of all relays with one name on one journal, in whichever process, one
    ships at a time. It resumes where the last one stopped, so that the sink
    gets every event at least once, with the same id and the same bytes, and
    for the first time in the journal's order.

    An event that the sink refuses for good becomes a dead letter: it is kept
    in the journal with the reason, a placeholder takes its place in a sink
    that knows placeholders, and the relay goes on behind it. Anything else
    that goes wrong is tried again for ever.

    Args:
        journal: Where the events come from.

        sink: Where they go.

        name: Under which the journal keeps the position.

        batch_events: Most events in one write.

    Attributes:
        delivered: Events that this object has delivered.

        dead: Events that this object made dead letters.

        holding: Whether this object has the lease.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        journal: Journal,
        sink: Sink,
        /,
        *,
        name: str,
        batch_events: int = 512,
    ) -> None:
        self.journal = journal
        self.sink = sink
        self.name = name
        self._local_index = getattr(journal, "has_local_index", False)
        self.delivered = 0
        self.dead = 0
        self._batch_events = batch_events
        retry.load()
        self._reset()
        tell_after_fork(self)

    def _reset(self) -> None:
        self._threads: list[threading.Thread] = []
        self._lease: Lease | None = None
        self._checked = False
        self._draining = False
        self._through_at = 0.0
        self._ended = threading.Event()
        self._news = threading.Event()
        who = f"relay {self.name!r}"
        self._reading = Patience(
            FailureLog(
                getattr(self.journal, "logger", log),
                who=who,
                waiting=lambda: None,
            )
        )
        self._writing = Patience(
            FailureLog(
                getattr(self.sink, "logger", log),
                who=who,
                waiting=self._waiting,
            )
        )

    @property
    def holding(self) -> bool:
        """
        Whether this object has the lease.
        """
        return self._lease is not None

    def __repr__(self) -> str:
        return (
            f"<Relay {self.name!r} running={self.running} "
            f"holding={self.holding} delivered={self.delivered}>"
        )

    # From the outside

    @property
    def running(self) -> bool:
        """
        Whether its thread runs.
        """
        return any(thread.is_alive() for thread in self._threads)

    def stats(self) -> RelayStats:
        """
        How it is doing; asks nobody, so that it never waits.

        .. versionadded:: 0.1.0
        """
        lease, now = self._lease, time.monotonic()
        text, age = self._last_error()
        return RelayStats(
            name=self.name,
            running=self.running,
            holding=lease is not None,
            delivered=self.delivered,
            dead=self.dead,
            position=None if lease is None else lease.position,
            lag=None if lease is None else max(now - self._through_at, 0.0),
            failing_for=self._failing_for(),
            last_error=text,
            last_error_age=age,
        )

    def _failing_for(self) -> float:
        # Whether the sink works by now is known to who writes to it.
        writing = self._writing.failures if self.holding else None
        return max(
            self._reading.failures.failing_for(),
            0.0 if writing is None else writing.failing_for(),
        )

    def _failures(self) -> tuple[FailureLog, FailureLog]:
        return self._reading.failures, self._writing.failures

    def _last_error(self) -> tuple[str | None, float | None]:
        found = [each.last_error() for each in self._failures()]
        return min(
            found, key=lambda one: math.inf if one[1] is None else one[1]
        )

    def start(self) -> None:
        """
        Run in a daemon thread; does nothing if it runs already.
        """
        if self.running:
            return
        if self._draining:
            self._reset()

        thread = threading.Thread(
            target=self.run, name=f"auditlog-relay-{self.name}", daemon=True
        )
        thread.start()
        self._threads = [thread]

    def wake(self) -> None:
        """
        Look at the journal at once; call it after storing events.
        """
        self._news.set()

    def hurry(self) -> None:
        """
        Try again at once; call it after mending what failed.
        """
        self._reading.hurry()
        self._writing.hurry()
        self._news.set()

    def stop(self, timeout: float = 0.0) -> bool:
        """
        Deliver what the journal holds, as long as it works, and end.

        Ends at the first failure, when another process has the lease, or
        after *timeout* seconds, whichever comes first.

        Returns:
            Whether the thread has ended.
        """
        self._draining = True
        self._reading.stop()
        self._writing.stop()
        self._news.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(remaining(deadline))
        self._ended.set()
        self._news.set()
        return not self.running

    def after_fork(self) -> None:
        """
        The child has no thread and no lease; start it again if it should.
        """
        self._reset()

    # The work

    def run(self) -> None:
        """
        Ship until :meth:`stop` is called.
        """
        keeper = threading.Thread(
            target=self._keep_lease,
            name=f"auditlog-lease-{self.name}",
            daemon=True,
        )
        keeper.start()
        try:
            while not self._ended.is_set():
                if not self._run_once():
                    break
        finally:
            self._ended.set()

    def _run_once(self) -> bool:
        """
        Hold the lease once, or wait for it; whether to go on.
        """
        try:
            lease = self._reading.call(lambda: self.journal.lease(self.name))
            if lease is not None:
                self._hold(lease)
            elif not self._draining:
                self._wait_for_news(STANDBY)
        except LeaseLostError as exc:
            log.info("relay %r stands by: %s", self.name, exc)
        except Exception as exc:  # noqa: BLE001 - as below
            # Patience gives up only when stopped: the journal keeps it all.
            # Otherwise it is a fault of ours, which must not end delivery.
            # No traceback: what a driver says may quote an event.
            self._reading.failures.remember(exc)
            if not self._draining:
                log.error(  # noqa: TRY400
                    "relay %r begins again after %s", self.name, describe(exc)
                )
                self._wait_for_news(STANDBY)
        return not self._draining

    def _hold(self, lease: Lease) -> None:
        # First: who sees the lease sees since when it counts.
        self._through_at = time.monotonic()
        self._lease = lease
        self._checked = False
        try:
            self._ship(lease)
        finally:
            self._lease = None
            try:
                lease.release()
            except AuditLogError as exc:
                log.debug("relay %r keeps its lease: %s", self.name, exc)

    def _ship(self, lease: Lease) -> None:
        pause = BUSY
        while not self._ended.is_set():
            self._check_lease(lease)
            records = self._reading.call(
                lambda: self.journal.read(lease.position, self._batch_events)
            )
            if records:
                self._deliver(lease, records)
                pause = BUSY
                continue
            self._through_at = time.monotonic()
            if self._draining:
                break
            woken = self._wait_for_news(pause)
            pause = BUSY if woken else min(pause * 2, IDLE)

    def _deliver(self, lease: Lease, records: Sequence[Record]) -> None:
        while records:
            try:
                self._writing.call(partial(self._write, lease, records))
            except PartialWriteError as exc:
                records = self._settle(lease, records, exc)
            except EventRefusedError as exc:
                if len(records) > 1:
                    for record in records:
                        self._deliver(lease, [record])
                else:
                    self._bury(lease, records, {records[0]: exc})
                return
            else:
                self._advance(lease, records)
                return

    def _write(self, lease: Lease, records: Sequence[Record]) -> None:
        self._check_lease(lease)
        if not self._checked:
            self._check_journal()
            self._checked = True
        try:
            self.sink.write([*map(self._for_sink, records)])
        except PartialWriteError as exc:
            if records[0].event_id in {*exc.stored, *exc.failed}:
                raise
            # No step forward: as any failure, it is tried again later.
            raise SinkError(f"nothing was decided: {exc}") from exc
        except Exception:
            raise
        except BaseException as exc:
            if threading.current_thread() not in self._threads:
                raise
            # It would end delivery, and a SystemExit without a word.
            name = type(self.sink).__name__
            raise SinkError(f"{name} raised {type(exc).__name__}") from exc

    def _settle(
        self, lease: Lease, records: Sequence[Record], exc: PartialWriteError
    ) -> Sequence[Record]:
        """
        Advance over what is decided on; what has to be written again.
        """
        stored = set(exc.stored)
        decided = 0
        for record in records:
            if record.event_id not in stored | exc.failed.keys():
                break
            decided += 1
        failed = {
            record: exc.failed[record.event_id]
            for record in records[:decided]
            if record.event_id in exc.failed and record.event_id not in stored
        }
        if decided:
            self._bury(lease, records[:decided], failed)
        return records[decided:]

    def _bury(
        self,
        lease: Lease,
        records: Sequence[Record],
        failed: Mapping[Record, Exception],
    ) -> None:
        """
        Advance over *records*, of which *failed* become dead letters.
        """
        letters = [
            DeadLetter(record=record, reason=describe(error))
            for record, error in failed.items()
        ]
        place = getattr(self.sink, "write_placeholders", None)
        if letters and place is not None:
            told = [
                attrs.evolve(each, record=self._for_sink(each.record))
                for each in letters
            ]
            self._writing.call(lambda: place(told))
        self._advance(lease, records, letters)
        for error in [*failed.values()][-1:]:
            self._writing.failures.remember(error)
        for letter in letters[:1]:
            log.error(
                "relay %r made %s audit events dead letters, the first, "
                "index %s, because: %s",
                self.name,
                len(letters),
                letter.record.index,
                letter.reason,
            )

    def _advance(
        self,
        lease: Lease,
        records: Sequence[Record],
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        index = records[-1].index
        assert index is not None
        self._reading.call(lambda: lease.advance(index, letters))
        self.delivered += len(records) - len(letters)
        self.dead += len(letters)

    # Around it

    def _for_sink(self, record: Record) -> Record:
        """
        The record as the sink gets it.

        An index that counts on one machine would contradict those of others.
        """
        if self._local_index:
            return attrs.evolve(record, index=None)
        return record

    def _check_lease(self, lease: Lease) -> None:
        if self._lease is not lease:
            raise LeaseLostError(f"another holder has the lease {self.name!r}")

    def _check_journal(self) -> None:
        """
        Refuse a journal that was restored to an older state than the sink.

        It would give indexes again that the sink has seen with other events.
        """
        if self._local_index:
            return
        last_index = getattr(self.sink, "last_index", None)
        last = None if last_index is None else last_index()
        if last is not None and last > (size := self.journal.size()):
            raise JournalError(
                f"the sink of relay {self.name!r} holds index {last}, the "
                f"journal only {size}: it was restored from an older copy, "
                "or another journal is relayed there; relay to a new topic, "
                "or restore the newer journal"
            )

    def _keep_lease(self) -> None:
        while True:
            lease = self._lease
            if self._ended.wait(STANDBY if lease is None else lease.ttl / 3):
                return
            if lease is None or lease is not self._lease:
                continue
            try:
                lease.renew()
            except LeaseLostError:
                self._lease = None
            except Exception as exc:  # noqa: BLE001 - the next one may work
                log.debug("relay %r can't renew: %s", self.name, describe(exc))

    def _wait_for_news(self, seconds: float) -> bool:
        woken = self._news.wait(seconds)
        self._news.clear()
        return woken

    def _stored(self) -> int:
        try:
            return self.journal.size(timeout=0.0)
        except SinkTimeoutError:
            # An open transaction holds back what has no index yet.
            return self.journal.size()

    def _waiting(self) -> int | None:
        lease = self._lease
        try:
            return self._stored() - lease.position if lease else None
        except AuditLogError:
            return None
